OPS = []
NOT_OPS = {'contents', 'refill', 'one_per_example', 'lengths', 'map_tensors', 'join', 'examples', 'move', 'Predictor', 'Learner', 'Answers', 'check_count', 'StopOnNaN', 'weights_are_finite',
           'GradientClip', 'Means', 'MetricsCallback', 'one_number', 'DeviceCallback'}

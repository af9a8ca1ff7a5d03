OPS = []
NOT_OPS = {'map_tensors', 'join', 'examples', 'batches_in', 'Predictor', 'Learner', 'Answers', 'check_count', 'StopOnNaN', 'weights_are_finite',
           'GradientClip', 'MetricsCallback', 'one_number', 'DeviceCallback'}

OPS = []
NOT_OPS = {'Callback', 'CancelBatch', 'CancelEpoch', 'CancelFit', 'FitError', 'Predictor', 'Learner', 'StopOnNaN', 'GradientClip',
           'MetricsCallback', 'DeviceCallback'}

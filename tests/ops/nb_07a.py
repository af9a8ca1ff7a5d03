OPS = []
NOT_OPS = {'leaves', 'listed', 'Hooks', 'first_tensor', 'regular_sample', 'histogram', 'dead_share', 'measure', 'LayerRecorder', 'ActivationStats'}

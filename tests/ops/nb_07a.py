OPS = []
NOT_OPS = {'leaves', 'listed', 'Hooks', 'first_tensor', 'regular_sample', 'histogram', 'largest', 'dead_share', 'measure', 'LayerWatcher', 'LayerRecorder', 'ActivationStats'}

OPS = []
NOT_OPS = {'KINDS', 'leaves', 'Hooks', 'first_tensor', 'regular_sample', 'histogram', 'dead_share', 'measure', 'LayerRecorder', 'ActivationStats'}

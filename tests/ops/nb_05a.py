OPS = []
NOT_OPS = {'Recorder', 'draw', 'batches_in', 'label_epochs', 'TableCallback', 'BarCallback', 'ProgressCallback', 'check_mode', 'EarlyStopping'}

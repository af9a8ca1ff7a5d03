OPS = []
NOT_OPS = {'Recorder', 'draw', 'batches_in', 'label_epochs', 'TableCallback', 'ProgressCallback', 'check_mode', 'EarlyStopping'}

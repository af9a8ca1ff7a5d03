OPS = []
NOT_OPS = {'Recorder', 'draw', 'label_epochs', 'TableCallback', 'ProgressCallback', 'check_mode', 'EarlyStopping'}

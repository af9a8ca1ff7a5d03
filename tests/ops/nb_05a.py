OPS = []
NOT_OPS = {'Recorder', 'draw', 'label_epochs', 'ProgressCallback', 'check_mode', 'EarlyStopping'}

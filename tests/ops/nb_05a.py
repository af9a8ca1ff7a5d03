OPS = []
NOT_OPS = {'Recorder', 'draw', 'ProgressCallback', 'check_mode', 'EarlyStopping'}

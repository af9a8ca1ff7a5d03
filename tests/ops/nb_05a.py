OPS = []
NOT_OPS = {'Recorder', 'draw', 'ProgressCallback'}

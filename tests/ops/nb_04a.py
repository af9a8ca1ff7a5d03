OPS = []
NOT_OPS = {'Callback', 'CancelBatch', 'CancelEpoch', 'CancelFit', 'rank', 'FitError', 'Announcer', 'Bracket', 'Patient', 'Steps', 'Batches', 'Halves', 'Loop', 'several'}

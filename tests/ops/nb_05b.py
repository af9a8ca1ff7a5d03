OPS = []
NOT_OPS = {'EarlyStopping', 'random_state', 'set_random_state', 'save_checked', 'load_checked', 'Checkpoint'}

OPS = []
NOT_OPS = {'plain', 'random_state', 'set_random_state', 'get_state', 'set_state', 'generators', 'closure', 'named', 'fit_objects', 'fit_state',
           'set_fit_state', 'save_checked', 'load_checked', 'FolderLock', 'lock_file', 'loss_settings', 'called', 'recipe', 'check_same_fit', 'CheckpointFiles', 'Checkpoint'}

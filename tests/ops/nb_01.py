OPS = []
NOT_OPS = {'take', 'read_idx', 'show_images', 'DownloadBar', 'download', 'data_file', 'timed', 'near', 'test_near'}

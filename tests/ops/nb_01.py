OPS = []
NOT_OPS = {'read_up_to', 'read_idx', 'show_images', 'DownloadBar', 'download', 'data_file', 'timed', 'near', 'test_near'}

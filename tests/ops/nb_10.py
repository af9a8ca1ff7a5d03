OPS = []                                        # nothing here has a gradient: bytes in, bytes out
NOT_OPS = {'stop', 'find_files', 'check_still', 'upright', 'to_rgb', 'read_picture', 'content', 'duplicates', 'chance', 'split', 'Vocab', 'Lazy'}

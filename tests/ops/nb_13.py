OPS = []
NOT_OPS = {'trained', 'buckets', 'sum_over_ranks', 'number', 'Joined', 'Ranks', 'cut', 'share_of', 'order_of', 'Shard', 'leave_out', 'reseed', 'InStep', 'Distributed', 'TextBar', 'main'}

OPS = []                    # draws of weights and a report: compared with torch.nn.init and with autograd in test_nb_02a.py
NOT_OPS = {'gain', 'fans', 'kaiming_std', 'kaiming_normal_', 'kaiming_uniform_', 'xavier_std', 'xavier_normal_', 'xavier_uniform_',
           'LayerStats', 'layer_stats', 'init_layers', 'orthogonal_'}

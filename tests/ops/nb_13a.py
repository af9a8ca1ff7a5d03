OPS = []
NOT_OPS = {'Cluster', 'Training', 'run_processes', 'fit_line', 'to_one_rounds', 'tree_rounds', 'ring_rounds', 'halving_rounds', 'simulate', 'path', 'all_reduce_seconds',
           'bucket_times', 'send_in_turn', 'schedule', 'step_seconds', 'slowest', 'slowest_normal', 'to_int8', 'top_k', 'ErrorFeedback', 'gather_seconds', 'best_step', 'efficiency'}

OPS = []
NOT_OPS = {'sched_const', 'sched_lin', 'sched_cos', 'sched_exp', 'sched_poly', 'combine_scheds', 'one_cycle', 'check_cycle', 'settings', 'Scheduler',
           'ParamScheduler', 'OneCycle', 'RateSearch', 'LRFinder', 'lr_find', 'TorchScheduler'}

OPS = []
NOT_OPS = {'Cause', 'same', 'describe', 'test', 'test_eq', 'attempt', 'agrees', 'in_kind', 'expected', 'why_not', 'check_answer'}

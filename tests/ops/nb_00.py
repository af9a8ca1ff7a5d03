OPS = []
NOT_OPS = {'same', 'describe', 'test', 'test_eq', 'check_answer'}

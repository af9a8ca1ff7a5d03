OPS = []
NOT_OPS = {'ResBlock', 'stem', 'stage', 'ResNet', 'multiplications', 'cost_table'}

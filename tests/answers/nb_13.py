"Answers to the exercises of lesson 13."
def answer(a): return f'answer = {a}'
def mean(*lines): return 'def mean_wrong(g, n, add_up):\n' + '\n'.join('    ' + line for line in lines)
def ring(*lines): return 'def reduce_scatter(vectors):\n    n = len(vectors)\n' + '\n'.join('    ' + line for line in lines)
def found(a): return f'found = {a}'
def held(*lines): return 'def held(way, n, p):\n' + '\n'.join('    ' + line for line in lines)
def start(*lines): return 'def start(seed, rank, make):\n' + '\n'.join('    ' + line for line in lines)


SHARE, POWER = '(oracle * 100 * 2.**20).half().isinf().float().mean()', 'max(k for k in range(-40, 40) if not (oracle * 100 * 2.**k).half().isinf().any())'
def round_of(first, gives, add='held[(r + 1) % n][i] + part', length='len(part)'):
    return ring('held, sent = [list(v.chunk(n)) for v in vectors], [0] * n', 'for step in range(n - 1):',
                f'    messages = [((r - {first} - step) % n, held[r][(r - {first} - step) % n]) for r in range(n)]', '    for r, (i, part) in enumerate(messages):',
                f'        held[(r + 1) % n][i] = {add}', f'        sent[r] += {length}', f'return [held[r][{gives}] for r in range(n)], sent')


SUM = 'total, k = sum(vectors).chunk(n), len(vectors[0]) // n'
ANSWERS = {
    1: ([answer('(8, 196)'), answer('[8, 7*25 + 21]'), answer('torch.tensor([8, 196])'), answer('(8., 196.)'), 'import numpy\nanswer = numpy.array([8, 196])'],
        [(answer('(7, 196)'), 'the last batch counts'), (answer('(40, 196)'), 'takes part in every batch'), (answer('(2, 196)'), 'all ranks together'), (answer('(8, 200)'), 'batch by batch'), (answer('(8, 201)'), 'batch by batch'),
         (answer('(8, 200.6)'), 'no rank has a part'), (answer('(8, 203)'), 'part of rank 2'), (answer('(8, 175)'), 'the last batch, of 107'), (answer('(8, 1003)'), 'part of all ranks'), (answer('(3, 196)'), 'another number'),
         (answer('8'), 'wanted two numbers'), (answer('None'), 'wanted two numbers'), (answer('("all", 196)'), 'wanted two numbers')]),
    2: ([mean('return add_up(n * g) / add_up(torch.tensor(float(n)))'), mean('return add_up(n * g) / add_up(n)'), mean('total = add_up(torch.tensor([n]))', 'return add_up(g * n) / total'), mean('total = add_up(n)', 'return add_up(g * (n / total))'),
         mean('both = add_up(torch.cat([g * n, torch.tensor([float(n)])]))', 'return both[:-1] / both[-1]')],
        [(mean('return add_up(g) / 2'), 'the bug is still there'), (mean('return add_up(g) / add_up(torch.tensor(1.))'), 'the mean over ranks'), (mean('return add_up(n * g)'), 'the sum over examples'), (mean('return add_up(g)'), 'the sum of means'),
         (mean('return add_up(n * g) / add_up(torch.tensor(1.))'), 'divided by the ranks'), (mean('return add_up(n * g) / max(n, 1)'), 'of this rank'), (mean('return add_up(n * g) / n'), 'which may be 0'), (mean('g *= n', 'add_up(g)', 'return g / add_up(n)'), 'must be added up'), (mean('return (add_up(n * g) / add_up(n)).sum()'), 'none of the mistakes'), (mean('return add_up(g) / add_up(n)'), 'multiplied by its examples first'), (mean('return g'), 'of this rank alone'),
         (mean('return n * g / add_up(n)'), 'must be added up'), (mean('add_up(g)'), 'none of the mistakes'), (mean('return add_up(gg)'), "name 'gg' is not defined"), ('mean_wrong = 2', 'your code fails')]),
    3: ([round_of(1, 'r'), ring(SUM, 'return list(total), [(n - 1) * k] * n'), ring(SUM, 'return total, torch.full((n,), (n - 1) * k)')],
        [(round_of(0, '(r + 1) % n'), 'begin one part earlier'), (ring(SUM, 'return [sum(vectors)] * n, [(n - 1) * k] * n'), 'that is all_reduce'), (ring(SUM, 'return [v.chunk(n)[r] for r, v in enumerate(vectors)], [0] * n'), 'nothing is added'),
         (ring(SUM, 'return [part / n for part in total], [(n - 1) * k] * n'), 'the mean'), (ring(SUM, 'return list(total), [2 * (n - 1) * k] * n'), 'both rounds'), (ring(SUM, 'return list(total), [(n - 1) * k * n] * n'), 'whole vectors'), (ring(SUM, 'return list(total), [n - 1] * n'), 'those are messages'),
         (ring(SUM, 'return list(total), [7] * n'), 'one part in each'), (ring(SUM, 'return list(total)'), 'wanted'), (ring(SUM, 'return list(total)[:1], [0]'), 'parts'), (ring(SUM, 'list(total)'), 'is there a `return`'), (ring(SUM, 'return [1] * n, [0] * n'), 'no tensors'), (ring(SUM, 'return [v.sum() for v in vectors], [1] * n'), 'is of the shape ()'), (ring(SUM, 'return [sum(vectors)[:1]] * n, [1] * n'), 'is of the shape (1,)'), (ring(SUM, 'return vectros'), "name 'vectros' is not defined"), (ring(SUM, 'return total, "many"'), 'wanted a list'),
         (round_of(1, 'r', add='part'), 'not the sum over ranks'), ('reduce_scatter = 3', 'wanted a function')]),
    4: ([found(f'({SHARE}, {POWER})'), found(f'({SHARE}.item(), {POWER})'), found(f'torch.tensor([{SHARE}, {POWER}])'), found(f'(round({SHARE}.item(), 3), {POWER})')],
        [(found(f'((oracle * 100 * 2.**20).half().isinf().sum(), {POWER})'), 'that is the count'), (found(f'(1 - {SHARE}, {POWER})'), 'do not overflow'), (found(f'((oracle * 2.**20).half().isinf().float().mean(), {POWER})'), '100 times as large'),
         (found(f'(100 * {SHARE}, {POWER})'), 'in per cent'), (found(f'(.987, {POWER})'), 'share: multiply'), (found(f'((oracle * 100 * 2.**20 > 65504).float().mean(), {POWER})'), 'below −65,504'), (found(f'({SHARE}, {POWER} + 1)'), 'something overflows'), (found(f'({SHARE}, {POWER} - 1)'), 'one more is possible'), (found(f'({SHARE}, 2.**{POWER})'), 'the scale itself'),
         (found(f'({SHARE}, 39)'), 'try them from 20 down'), (found('.5'), 'wanted two numbers'), (found('("a", "b")'), 'wanted two numbers'), (found('None'), 'wanted two numbers')]),
    5: ([start('torch.manual_seed(seed)', 'model = make()', "torch.manual_seed(number(f'{seed} {rank}'))", 'return model'), start('torch.manual_seed(seed)', 'model = make()', 'torch.manual_seed(1000 * seed + rank + 1)', 'return model'), start('torch.manual_seed(seed)', 'model = make()', 'torch.manual_seed(hash((seed, rank)))', 'return model')],
        [(start('torch.manual_seed(seed + rank)', 'model = make()', 'torch.manual_seed(seed)', 'return model'), 'the bug is still there'), (start('torch.manual_seed(seed + rank)', 'model = make()', 'torch.manual_seed(seed + 7)', 'return model'), 'different weights'), (start('torch.manual_seed(seed)', 'return make()'), 'draw the same numbers after it'), (start('torch.manual_seed(seed)', 'model = make()', 'torch.manual_seed(seed)', 'return model'), 'draw the same numbers after it'),
         (start('torch.manual_seed(seed)', 'model = make()', 'torch.manual_seed(seed + rank)', 'return model'), 'neighbours'), (start('torch.manual_seed(0)', 'model = make()', "torch.manual_seed(number(f'{seed} {rank}'))", 'return model'), '`seed` is not used'), (start('torch.manual_seed(seed)', 'model = make()', 'torch.manual_seed(100*seed + rank % 3)', 'return model'), 'two of four'),
         (start('model = make()', "torch.manual_seed(number(f'{seed} {rank}'))", 'return model'), 'different weights'), (start('torch.manual_seed(seed)', 'model = make()', 'torch.seed()', 'return model'), 'another run'), (start('torch.manual_seed(seed)', 'make()'), 'is there a `return`'), (start('return 3'), 'wanted the model'), (start('torch.manual_seed(seed)', 'model = make()', 'torch.manual_seed(rank)', 'return model'), 'does not depend on `seed`'), (start('torch.manual_seed(seed)', 'model = make()', 'torch.rand(rank)', 'return model'), 'a few places later'),
         (start('torch.manual_seed(seed)', 'model = make()', 'for _ in range(rank): torch.rand(6)', 'return model'), 'a few places later'), (start('return makee()'), "name 'makee' is not defined")]),
    6: ([held("parts = {'all on each': (1, 1, 1), 'ZeRO': (1, 1, p), 'fully_shard': (p, p, p)}[way]", 'return sum(4*n*k/part for k, part in zip((1, 1, 2), parts))'), held("if way == 'fully_shard': return 16*n // p", "return 8*n + 8*n // (p if way == 'ZeRO' else 1)"), held('return torch.tensor(16*n/(p if way[0] == "f" else 1) if way != "ZeRO" else 8*n + 8*n/p)')],
        [(held("return {'all on each': 4*n, 'ZeRO': 2*n + 2*n/p, 'fully_shard': 4*n/p}[way]"), '4 bytes'), (held("return {'all on each': 12*n, 'ZeRO': 8*n + 4*n/p, 'fully_shard': 12*n/p}[way]"), 'two numbers'), (held("return {'all on each': 12*n, 'ZeRO': 4*n + 8*n/p, 'fully_shard': 12*n/p}[way]"), 'gradients need room'),
         (held("return {'all on each': 8*n, 'ZeRO': 8*n, 'fully_shard': 8*n/p}[way]"), 'the state of Adam'), (held('return 16*n'), 'each rank held all'), (held("return 16*n if way == 'all on each' else 16*n/p"), 'ZeRO: weights and gradients are whole'), (held("return 16*n if way == 'all on each' else 8*n + 8*n/p"), 'fully_shard: weights and gradients'),
         (held("return {'all on each': 16*n, 'ZeRO': 8*n + 8*n/p, 'fully_shard': 12*n/p + 4*n}[way]"), 'fully_shard: the'), (held("return {'all on each': 16*n*p, 'ZeRO': 8*n*p + 8*n, 'fully_shard': 16*n}[way]"), 'all ranks hold together'), (held('16*n'), 'is there a `return`'), (held('return [16*n]'), 'is list'), (held('return 17*n'), 'none of the mistakes'), (held('return m'), "name 'm' is not defined"), ('held = 3', 'wanted a function')]),
}

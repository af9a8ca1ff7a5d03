"Answers to the exercises of lesson 13a."
def answer(a): return f'answer = {a}'
def crossing(*lines): return 'def crossing(cluster, p):\n    log, ab = (p - 1).bit_length(), cluster.latency * cluster.bandwidth\n' + '\n'.join('    ' + line for line in lines)
def dropped(a): return 'rates = [(100 - b) / (1 + slowest(100, .3, b)) for b in range(100)]\nb = rates.index(max(rates))\n' + f'dropped = {a}'
def ring(*lines): return 'def ring_wrong(p, n):\n' + '\n'.join('    ' + line for line in lines)
def levels(into='yield [(first + i, first, 0, n, True) for first in firsts]', between='yield [(a*each, b*each, first, end, add) for a, b, first, end, add in messages]', back='yield [(first, first + i, 0, n, False) for first in firsts]', ring='ring_rounds(machines, n)'):
    return (f'def two_level_rounds(machines, each, n):\n    firsts = range(0, machines*each, each)\n    for i in range(1, each): {into}\n'
            f'    for messages in {ring}: {between}\n    for i in range(1, each): {back}')


LOOP = 'for step in range(2*(p - 1)):'
CUT = 'cut = [n*i // p for i in range(p + 1)]'
SEND = '    yield [(r, (r + 1) % p, cut[(r - step) % p], cut[(r - step) % p + 1], step < p - 1) for r in range(p)]'
ANSWERS = {
    1: ([answer('(94, 188)'), answer('[94, 188.]'), answer('torch.tensor([94, 188])'), answer('path("ring", 48)[0], path("ring", 48)[1]*96')],
        [(answer('(47, 94)'), 'once round'), (answer('(94, 94)'), 'MB: that is once round'), (answer('(96, 192)'), 'not p'), (answer('(94, 192)'), 'p − 1, twice'), (answer('(12, 1152)'), 'a tree'), (answer('(94, 9024)'), 'not for one 48th'), (answer('(94, 2)'), 'one chunk'),
         (answer('94'), 'wanted two numbers'), (answer('None'), 'wanted two numbers'), (answer('("many", 188)'), 'wanted two numbers'), (answer('(3, 4)'), 'another number'), (answer('(188, 94)'), 'messages: another number')]),
    2: ([crossing('return ab * (p - 1 - log) / (log - (p - 1)/p)'), crossing('return cluster.latency * (2*(p - 1) - 2*log) / (2*log/cluster.bandwidth - 2*(p - 1)/p/cluster.bandwidth)'),
         'def crossing(cluster, p):\n    (m, g), (k, h) = path("tree", p), path("ring", p)\n    return cluster.latency * cluster.bandwidth * (k - m) / (g - h)',
         'def crossing(cluster, p):\n    low, high = 1e-9, 1e18\n    for _ in range(200):\n        n = (low*high)**.5\n        if all_reduce_seconds(cluster, n, p) > all_reduce_seconds(cluster, n, p, "tree"): low = n\n        else: high = n\n    return n'],
        [(crossing('return cluster.latency * (p - 1 - log) / (log - (p - 1)/p)'), 'those are seconds'), (crossing('return cluster.latency / cluster.bandwidth * (p - 1 - log) / (log - (p - 1)/p)'), 'n / bandwidth seconds'), (crossing('log = math.log2(p)', 'return ab * (p - 1 - log) / (log - (p - 1)/p)'), 'rounded up'),
         (crossing('log = p.bit_length() - 1', 'return ab * (p - 1 - log) / (log - (p - 1)/p)'), 'not down'), (crossing('return ab * (2*(p - 1) - log) / (log - 2*(p - 1)/p)'), 'up and down'), (crossing('return ab * (2*(p - 1) - 2*log) / (2*log - 2*(p - 1))'), 'n/p bytes'),
         (crossing('return ab * (p - 1 - 2*log) / (2*log - 2*(p - 1)/p)'), 'round twice'), (crossing('return ab * (p - log) / (log - (p - 1)/p)'), 'not 2p'), (crossing('return ab * (p - 1 - log) / (log - 1)'), 'almost 2'), (crossing('return ab * (p - 1 - log) / ((p - 1)/p - log)'), 'a sign'),
         (crossing('return ab * (p - 1 - log) / (log - (p - 1)/p) / 4'), 'numbers of 4 bytes'), (crossing('return ab'), 'one message pays'), (crossing('ab'), 'is there a `return`'), (crossing('return q'), "name 'q' is not defined"), ('crossing = 3', 'wanted a function'), (crossing('return 1000.'), 'none of the mistakes')]),
    3: ([levels(), levels(ring='ALL_REDUCES["ring"](machines, n)'),
         'def two_level_rounds(machines, each, n):\n    rounds = []\n    for i in range(each - 1, 0, -1): rounds.append([(m*each + i, m*each, 0, n, True) for m in range(machines)])\n'
         '    rounds += [[(a*each, b*each, *rest) for a, b, *rest in messages] for messages in ring_rounds(machines, n)]\n    for i in range(1, each): rounds.append([(m*each, m*each + i, 0, n, False) for m in range(machines)])\n    return rounds'],
        [('def two_level_rounds(machines, each, n): yield from ring_rounds(machines*each, n)', 'is not the first of its machine sends'), (levels(between='yield messages'), 'round the first ones'), (levels(back='pass'), 'does not end with the sum'), (levels(into='pass'), 'nobody has the sum'),
         (levels(into='yield [(first + i, first, 0, n, False) for first in firsts]'), 'nobody has the sum'), (levels(back='yield [(first, first + i, 0, n, True) for first in firsts]'), 'add False'), (levels(into='yield from ([(first + i, first, 0, n, True)] for first in firsts)'), 'all machines can do theirs'),
         (levels(ring='tree_rounds(machines, n)'), 'a ring of the first ones has'), ('def two_level_rounds(machines, each, n): pass', 'nothing came of it'), (levels(ring='[]'), 'nobody has the sum'), (levels(between='yield [(a*machines, b*machines, first, end, add) for a, b, first, end, add in messages]'), 'not '),
         ('def two_level_rounds(machines, each, n):\n    yield [(m*each + i, m*each, 0, n, True) for m in range(machines) for i in range(1, each)]', 'must be two rounds'), (levels(into='yield [(first + i, first) for first in firsts]'), 'has five parts'), ('two_level_rounds = 4', 'TypeError'), (levels(ring='rings(machines, n)'), "name 'rings' is not defined")]),
    4: ([dropped('(b, max(rates)/rates[0])'), dropped('[b, rates[b]/rates[0]]'), dropped('torch.tensor([b, rates[b]/rates[0]])'), dropped('(b, round(rates[b]/rates[0], 2))')],
        [(dropped('b'), 'wanted two numbers'), (dropped('(b, rates[b])'), 'the workers are right'), (dropped('(100 - b, rates[b]/rates[0])'), 'that are kept'), (dropped('(0, 1.)'), 'to drop none'), (dropped('(3, 1.2)'), 'another number of workers'), (dropped('("a few", 2)'), 'wanted two numbers'),
         ('rates = [100 / (1 + slowest(100, .3, b)) for b in range(100)]\ndropped = (99, rates[99]/rates[0])', 'those who are dropped give nothing'), ('rates = [(100 - b) / (1 + slowest(100, 1., b)) for b in range(100)]\nb = rates.index(max(rates))\ndropped = (b, rates[b]/rates[0])', 'lateness of 1 second'),
         ('rates = [(100 - b) / slowest(100, .3, b) for b in range(100)]\nb = rates.index(max(rates))\ndropped = (b, rates[b]/rates[0])', 'where is the second'), ('rates = [(100 - b) / (1 + slowest(100 - b, .3)) for b in range(100)]\nb = rates.index(max(rates))\ndropped = (b, rates[b]/rates[0])', 'sooner than all of 95')]),
    5: ([ring(CUT, LOOP, SEND), 'def ring_wrong(p, n): return ring_rounds(p, n)', ring('size, rest = divmod(n, p)', 'cut = [i*size + min(i, rest) for i in range(p + 1)]', LOOP, SEND),
         ring('cut = [round(n*i/p) for i in range(p + 1)]', LOOP, SEND), ring('size = -(-n // p)', 'cut = [min(i*size, n) for i in range(p + 1)]', LOOP, SEND)],
        [(ring('cut = [n//p*i for i in range(p + 1)]', LOOP, SEND), 'is not the sum for all'), (ring('size = -(-n // p)', 'cut = [size*i for i in range(p + 1)]', LOOP, SEND), 'ends behind the last number'), (ring('cut = [n//p*i for i in range(p)] + [n]', LOOP, SEND), 'much longer than the others'),
         ('def ring_wrong(p, n): return tree_rounds(p, n)', 'it is no ring'), (ring(CUT, 'for step in range(p - 1):', SEND), 'wrong where it was right'), (ring(CUT, 'for step in range(2*p - 1):', SEND), 'it is no ring'), ('def ring_wrong(p, n): pass', 'nothing came of it'), (ring(CUT, LOOP, SEND.replace('step < p - 1', 'step < p')), 'wrong where it was right'),
         (ring(CUT, LOOP, SEND.replace('(r - step) % p + 1', '(r - step + 1) % p')), 'wrong where it was right'), ('ring_wrong = 4', 'TypeError'), (ring('yield from rings'), "name 'rings' is not defined")]),
}

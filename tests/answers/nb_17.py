"Answers to the exercises of lesson 17."
def answer(a): return f'answer = {a}'
def window(*lines): return 'def window_mask(n, m, width):\n' + '\n'.join('    ' + line for line in lines)
def count(a): return f'not_round = {a}'
def fixed(*lines): return 'def attention_wrong(q, k, v):\n    scores = q @ k.mT / q.shape[-1]**.5\n    allowed = may_look(*scores.shape[-2:])\n' + '\n'.join('    ' + line for line in lines)
def back(*lines): return 'def look_back(n):\n' + '\n'.join('    ' + line for line in lines)


DISTANCE = 'away = torch.arange(m) - torch.arange(n)[:, None] - m + n'
ROUND = 'def slow(base, least=2*math.pi, of=2): return sum(base**(-of*i/128) * 4096 < least for i in range(64))\n'
EYE = 'k = torch.eye(n)'
ANSWERS = {
    1: ([answer('(4800, 840)'), answer('[4800, 840]'), answer('torch.tensor([4800, 840])'), answer('2*40*40 + 2*40*20, 2*3*5*7*4'), answer('(sum(p.numel() for p in SelfAttention(40, 10, 5).parameters()), 840.)')],
        [(answer('(6400, 840)'), 'not each of ten heads'), (answer('(3200, 840)'), '`out`, is missing'), (answer('(4000, 840)'), 'keys and values both'), (answer('(4920, 840)'), 'no bias'), (answer('(4800, 420)'), 'keys are there, or values'),
         (answer('(4800, 280)'), 'for one text'), (answer('(4800, 1680)'), 'not ten heads'), (answer('(4800, 120)'), 'one token of each text'), (answer('(4800, 8400)'), '= 4 numbers'), (answer('4800'), 'wanted two numbers'), (answer('None'), 'wanted two numbers'),
         (answer('(1, 840)'), 'another number'), (answer('("many", 840)'), 'wanted two numbers'), (answer('(840, 4800)'), 'weights: another number')]),
    2: ([window('return may_look(n, m) & ~may_look(n, m, m - n - width)'), window(DISTANCE, 'return (away <= 0) & (away > -width)'), window('return torch.ones(n, m).tril(m - n).triu(m - n - width + 1).bool()'),
         window('return torch.tensor([[i + m - n - width < j <= i + m - n for j in range(m)] for i in range(n)])')],
        [(window('return may_look(n, m) & ~may_look(n, m, m - n - width - 1)'), 'one key too many'), (window('return may_look(n, m) & ~may_look(n, m, m - n - width + 1)'), 'one key too few'), (window('return may_look(n, m)'), 'sees all that came before'),
         (window('return ~may_look(n, m, m - n - width)'), 'what comes later is not hidden'), (window('return may_look(n, m, 0) & ~may_look(n, m, -width)'), 'as many keys as queries'), (window('return ~may_look(n, m) | may_look(n, m, m - n - width)'), 'the other way round'),
         (window(DISTANCE, 'return away.abs() < width'), 'into the future'), (window(DISTANCE, 'return (away >= 0) & (away < width)'), 'it looks forwards'), (window(DISTANCE, 'return (away < 0) & (away >= -width)'), 'does not see itself'),
         (window('return torch.ones(n, m).tril(m - n).triu(m - n - width + 1)'), 'those are floats'), (window('return torch.ones(n, m).tril(m - n).triu(m - n - width + 1).int()'), 'whole numbers'), (window('return may_look(n, m, m - n - width)'), 'before the window'),
         (window('return (may_look(n, m) & ~may_look(n, m, m - n - width)).T'), 'rows and columns'), (window('return (may_look(n, m) & ~may_look(n, m, m - n - width)).tolist()'), 'a list'), (window('may_look(n, m)'), 'is there a `return`'), (window('return may_look(n, mm)'), "name 'mm' is not defined"),
         ('window_mask = 3', 'wanted a function'), (window('return may_look(n, m).float().log()'), 'none of the mistakes'), (window(DISTANCE, 'return (away <= 0) & (away >= -width)'), 'one key too many')]),
    3: ([ROUND + count('(slow(10_000), slow(500_000))'), ROUND + count('[slow(10_000), slow(500_000)]'), count('torch.stack([(base**(-torch.arange(64) / 64) * 4096 < 2*math.pi).sum() for base in (10_000, 500_000)])'),
         count('[(base**(-torch.arange(64) / 64) * 4096 < 2*math.pi).sum() for base in (10_000, 500_000)]')],
        [(ROUND + count('(64 - slow(10_000), 64 - slow(500_000))'), 'that have gone round'), (ROUND + count('(slow(1e4, math.pi), slow(5e5, math.pi))'), '2π, not π'), (ROUND + count('(slow(1e4, 1), slow(5e5, 1))'), 'not one radian'), (ROUND + count('(slow(1e4, 360), slow(5e5, 360))'), 'in radians'),
         (ROUND + count('(slow(1e4, of=1), slow(5e5, of=1))'), 'the exponent is'), (ROUND + count('(2*slow(1e4), 2*slow(5e5))'), 'each pair has two'), (ROUND + count('(slow(5e5), slow(1e4))'), 'the other way round'), (ROUND + count('(slow(1e4), slow(1e4))'), 'the first is right'),
         (ROUND + count('(slow(1e4)/64, slow(5e5)/64)'), 'a share'), (count('18'), 'wanted two numbers'), (count('None'), 'wanted two numbers'), (count('(1, 2)'), 'other numbers'), (count('("few", "more")'), 'wanted two numbers')]),
    4: ([fixed('return softmax(hide(scores, allowed)) @ v'), fixed('return scores.masked_fill(~allowed, -math.inf).softmax(-1) @ v'), fixed('weights = softmax(scores).where(allowed, 0)', 'return weights / weights.sum(-1, keepdim=True) @ v'),
         fixed('return softmax(scores.where(allowed, -1e9)) @ v'), 'def attention_wrong(q, k, v): return attention(q[None, None], k[None, None], v[None, None], causal=True)[0, 0] if q.ndim == 2 else attention(q, k, v, causal=True)', 'def attention_wrong(q, k, v): return attention(q, k, v, causal=True)'],
        [(fixed('return softmax(scores).where(allowed, 0) @ v'), 'the bug is still there'), (fixed('return softmax(scores) @ v'), 'nothing is hidden'), (fixed('return softmax(scores.where(allowed, 0)) @ v'), 'exp(0) is 1'), (fixed('return softmax(scores * allowed) @ v'), 'exp(0) is 1'),
         (fixed('return softmax(hide(scores, ~allowed)) @ v'), 'what should be hidden is seen'), (fixed('return softmax(hide(torch.zeros_like(scores), allowed)) @ v'), 'the same weight'), (fixed('return softmax(hide(scores, torch.ones_like(scores).tril().bool())) @ v'), 'as many keys as queries'),
         (fixed('return softmax(hide(scores * q.shape[-1]**.5, allowed)) @ v'), 'not divided by √d'), (fixed('return softmax(hide(scores / q.shape[-1]**.5, allowed)) @ v'), 'divided by d'), (fixed('return softmax(softmax(hide(scores, allowed))) @ v'), 'softmax twice'),
         (fixed('return softmax(scores + allowed) @ v'), 'when it is added'), (fixed('return softmax(hide(scores, allowed).mT).mT @ v'), 'over the queries'), (fixed('return hide(scores, allowed).exp() @ v'), 'divided by their sum'), (fixed('return scores.where(allowed, 0) @ v'), 'where is the softmax'),
         (fixed('return softmax(scores).masked_fill(~allowed, -math.inf) @ v'), 'became −∞'), (fixed('return softmax(scores.where(allowed, -1)) @ v'), 'not low enough'), (fixed('softmax(hide(scores, allowed)) @ v'), 'is there a `return`'), (fixed('return softmax(hide(scores, allowed))'), 'its shape is'),
         (fixed('return softmax(hide(scores, allowed.mT)) @ v'), 'RuntimeError'), ('attention_wrong = attention', 'nothing is hidden')]),
    5: ([back(EYE, 'return 12 * n**.5 * torch.cat([k[:1], k[:-1]]), k'), back('i = torch.arange(float(n))', 'return 20 * torch.stack([2*(i - 1), -torch.ones(n)], 1), torch.stack([i, i**2], 1)'),
         back(EYE, 'return [200 * k.roll(1, 0), k]'), back('one = torch.ones(1, 64)', 'return 99 * rope(one.expand(n, 64), torch.arange(n) - 1), rope(one.expand(n, 64), torch.arange(n))'), back('k = torch.eye(n, dtype=torch.float64)', 'q = torch.zeros_like(k)', 'for i in range(1, n): q[i, i - 1] = 500', 'return q, k')],
        [(back(EYE, 'return 200 * k, k'), 'each looks at itself'), (back(EYE, 'return 200 * k.roll(2, 0), k'), 'two places back'), (back(EYE, 'return 200 * k.roll(-1, 0), k'), 'all that is seen gets the same'), (back(EYE, 'return k.roll(1, 0), k'), 'Longer queries'), (back(EYE, 'return 5 * k.roll(1, 0), k'), 'Longer queries'),
         (back(EYE, 'return torch.zeros(n, n), k'), 'all that is seen gets the same'), (back(EYE, 'return 200 * k[:1].expand(n, n), k'), 'all look at the first'), (back(EYE, 'return 200 * k[:-1], k'), 'wanted (n, d) twice'), (back(EYE, 'return k'), 'wanted two tensors'), (back(EYE, 'k, k'), 'is there a `return`'),
         (back('return torch.randn(n, 8), torch.randn(n, 8)'), 'other weights each time'), (back(EYE, 'return torch.inf * k, k'), 'not finite'), (back(EYE, 'return k[:, :1], k'), 'do not go together'), (back('i = torch.arange(float(n))[:, None]', 'return 20 * i, i'), 'each looks at itself'),
         (back('i = torch.arange(float(n))[:, None]', 'return -20 * (i + 1), i'), 'all look at the first'), ('look_back = 4', 'wanted a function'), (back('return torch.eye(m)'), "name 'm' is not defined"), (back('k = torch.eye(12)', 'return 99 * k.roll(1, 0)[:n], k[:n]'), 'wanted (n, d) twice'), (back('k = torch.eye(n)', 'q = 200 * k.roll(1, 0)', 'q[3:] = 200 * k[3:]', 'return q, k'), 'some look elsewhere')]),
}

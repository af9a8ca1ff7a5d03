"Answers to the exercises of lesson 12a."
def lines(head, *body): return f'def {head}:\n' + '\n'.join('    ' + line for line in body)
def pair(end='return divmod(table.argmax().item(), c)', diagonal='.fill_diagonal_(0)', key='y*c + p.argmax(1)', more='pass'):
    return lines('confused(p, y)', 'c = p.shape[1]', f'table = torch.bincount({key}, minlength=c*c).reshape(c, c){diagonal}', more, end)
def cool(end='return tried[losses.argmin()].item()', loss='F.cross_entropy(logits / T, y)', tried='torch.logspace(-1, 1, 1000)'):
    return lines('temperature(logits, y)', f'tried = {tried}', f'losses = torch.stack([{loss} for T in tried])', end)
def far(right='still(1)', left='still(-1)', find='max(by for by in range(8) if read(by*way) >= .5)'):
    return f'''def read(dx): return share_right(ask(shifted(x_valid[:2000], dx, 0)), y_valid[:2000])
def still(way): return {find}
farthest = {right}, {left}'''
def mended(inside='(sure > step/bins) & (sure <= (step + 1)/bins)', add='inside.double().mean() * (sure[inside].double().mean() - right).abs()', end='return float(apart)'):
    return lines('calibration_wrong(p, y, bins=10)', 'sure, said = p.max(1)', 'apart = 0.', 'for step in range(bins):', f'    inside = {inside}', '    if inside.any():',
                 '        right = (said == y)[inside].double().mean()', f'        apart += {add}', end)
def shy(p='with_copies(x)*(.83 - .17/9) + .17/9'): return lines('modest(x)', f'return {p}')


ANSWERS = {
    1: (['three_errors = [.75, 0, .26]', 'three_errors = tensor([.75, 0., .6*.1 + .4*.5])'],
        [('three_errors = [.25, 0, .26]', 'number 1: that is the share that is right'), ('three_errors = [0, 0, .26]', 'number 1: it claims to be right always'), ('three_errors = [.75, .75, .26]', 'number 2: that is the share that is wrong'),
         ('three_errors = [.75, .25, .26]', 'number 2: it claims 0.25'), ('three_errors = [.75, 0, .14]', 'number 3: too modest in one step'), ('three_errors = [.75, 0, .3]', 'each counts by its answers'), ('three_errors = [.75, 0, .06]', 'in the other four'), ('three_errors = [.75, 0, .2]', 'too modest is an error, too'),
         ('three_errors = [1, .75, .4]', 'number 3: that is the share that is wrong'), ('three_errors = [.5, .1, .1]', 'another one: for each step'), ('three_errors = [.75, 0]', 'wanted a list of three'), ('three_errors = .75', 'wanted a list of three'), ('three_errors = "abc"', 'wanted a list of three')]),
    2: ([pair(), lines('confused(p, y)', 'said, seen = p.argmax(1), {}', 'for a, b in zip(y.tolist(), said.tolist()):', '    if a != b: seen[a, b] = seen.get((a, b), 0) + 1', 'return max(seen, key=seen.get)'), pair('return tensor(divmod(table.argmax().item(), c))')],
        [(pair(key='p.argmax(1)*c + y'), 'first what it is, then what was said'), (pair(diagonal=''), 'is and said are the same'), (pair(diagonal='.double()', more='table = (table / table.sum(1, keepdim=True)).fill_diagonal_(0)'), 'the largest share of a class'),
         (pair(more='table = table + table.T'), 'both directions'), (pair('divmod(table.argmax().item(), c)'), 'is there a `return`'), (pair('return table.argmax().item()'), 'one number: wanted two'), (pair('return table.argmax()'), 'one number: wanted two'), (pair('return .5, 1'), 'two whole numbers'), (pair('return table'), 'its length is'), (pair(key='y*c + p.argmx(1)'), "no attribute 'argmx'"),
         (pair(diagonal='.double()', more='table = (table / table.sum(0)).fill_diagonal_(0)'), 'the largest share of what was said'), ('confused = (1, 2)', 'wanted a function'), (pair('return "a", "b"'), 'wanted two whole numbers'),
         (lines('confused(p, y)', 'c = p.shape[1]', 'table = torch.zeros(c, c)', 'table[y, p.argmax(1)] += 1', 'return divmod(table.fill_diagonal_(0).argmax().item(), c)'), 'does `+=` with indices add up'),
         (lines('confused(p, y)', 'c = p.shape[1]', 'table = torch.zeros(c, c)', 'for k, row in zip(y, p): table[k] += row', 'return divmod(table.fill_diagonal_(0).argmax().item(), c)'), 'probabilities are added up'),
         (lines('confused(p, y)', 'wrong = p.argmax(1) != y', 'return y[wrong].bincount().argmax().item(), p.argmax(1)[wrong].bincount().argmax().item()'), 'not the two as a pair')]),
    3: ([cool(), lines('temperature(logits, y)', 's = torch.zeros((), requires_grad=True)', 'opt = torch.optim.LBFGS([s], lr=.5, max_iter=100, line_search_fn="strong_wolfe")', 'def closure():', '    opt.zero_grad()', '    loss = F.cross_entropy(logits * s.exp(), y)', '    loss.backward()', '    return loss', 'opt.step(closure)', 'return 1 / s.exp().item()')],
        [(cool(loss='F.cross_entropy(logits * T, y)'), 'upside down'), (cool('return losses.min().item()'), 'the cross entropy that it reaches'), (cool(loss='F.cross_entropy((logits / T).softmax(1), y)'), 'the softmax is taken twice'), (cool(loss='tensor(calibration_error((logits / T).softmax(1), y))', tried='torch.logspace(-1, 1, 2001)'), 'the calibration error smallest'),
         (cool('return tried[losses.argmin()].log().item()'), 'the logarithm'), (cool('tried[losses.argmin()].item()'), 'is there a `return`'), (cool('return 1.'), 'that changes nothing'), (cool(tried='torch.arange(1, 101)/10'), 'too coarse'), (cool(tried='torch.arange(1, 11)'), 'too coarse'), (cool('return losses.argmin().item()'), 'not the smallest'), (cool('return "hot"'), 'wanted one number, got str'), ('temperature = 1.5', 'wanted a function'),
         (cool(loss='F.cross_entropy(logits / T, z)'), "name 'z' is not defined"), (cool(loss='F.nll_loss((logits / T).softmax(1), y)', tried='torch.logspace(-1, 1, 2001)'), 'the logarithm is missing'), (lines('temperature(logits, y)', 'logits /= 2', 'return 1.'), 'have been changed'), (cool('return tried[losses.argmin()].item()**2'), 'the square')]),
    4: ([far(), far(find='next(by for by in range(7, -1, -1) if read(way*by) >= .5)').replace('farthest = ', 'farthest = [*(').replace('still(1), still(-1)', 'still(1), still(-1))]')],
        [(far('still(1) + 1', 'still(-1) + 1'), 'the first at which it does not'), (far('still(1) - 1', 'still(-1) - 1'), 'one more still goes'), (far(left='-still(-1)'), 'a number from 0 on'), ('farthest = 7, 7', 'too many'), ('farthest = 0, 7', 'to the right, 0 is too few'),
         ('farthest = 3', 'wanted two whole numbers'), (far('still(1) + .5'), 'wanted two whole numbers'), ('farthest = ("a", "b")', 'wanted two whole numbers'), ('farthest = None', 'wanted two whole numbers')]),
    5: ([mended(), mended('(sure >= step/bins) & ((sure < (step + 1)/bins) | (step == bins - 1))'), 'calibration_wrong = calibration_error'],
        [('pass', 'the bug is still there (for'), (mended('(sure >= step/bins) & ~(sure >= (step + 1)/bins)'), 'in which step does a confidence of exactly 1 lie'), (mended('sure >= step/bins'), 'no upper end'), (mended('sure <= (step + 1)/bins'), 'no lower end'), (mended('(sure > step/10) & (sure <= (step + 1)/10)'), 'ten steps always'),
         (mended('(sure*bins).round() == step'), 'around their ends'), (mended(add='inside.double().sum() * (sure[inside].double().mean() - right).abs()'), 'wanted a mean'), (mended(end='return float(inside.double().mean() * (sure[inside].double().mean() - right).abs())'), 'only the last step'), (mended(add='inside.double().mean() * (sure[inside].double().mean() - 1 + right).abs()'), 'the share that is wrong'), (mended('(sure >= step/bins) & (sure <= (step + 1)/bins)'), 'counted in both'), (mended('((sure >= step/bins) & (sure < (step + 1)/bins)) | (sure == 1)'), 'now in every step'), (mended('(sure > step/bins) & (sure < (step + 1)/bins)'), 'the lower ends are lost'),
         (mended(add='inside.double().mean() * (sure[inside].double().mean() - right)'), 'cancel now'), (mended(add='.1 * (sure[inside].double().mean() - right).abs()'), 'counts by its answers'), (mended(end='pass'), 'nothing came of it'), (mended(add='nonsense'), 'nonsense'), ('calibration_wrong = 0.', 'wanted a function'),
         ('calibration_wrong = lambda p, y, bins: calibration_error(p, y, bins + 1)', 'one step more')]),
    6: ([shy(), shy('with_copies(x)*.8 + .02'), shy('torch.where(with_copies(x) > 0, .82, .02)')],
        [(shy('with_copies(x)'), 'which is too sure'), (shy('with_copies(x)*.5 + .05'), 'which is too modest'), (shy('by_heart(x)*.8 + .02'), 'other classes than with_copies'), (shy('with_copies(x)*.8'), 'are no probabilities'), (shy('with_copies(x)*.8 + .2'), 'are no probabilities'), (shy('torch.full((len(x), 10), .1)'), 'other classes'),
         (shy('with_copies(x).argmax(1)'), 'ten probabilities for each'), (shy('with_copies(x).long()'), 'wanted probabilities'), (shy('[.82]'), 'wanted a tensor'), (shy('with_copies(x) * honest'), "name 'honest' is not defined"), (lines('modest(x)', 'p = with_copies(x)*.8 + .02'), 'is there a `return`'), ('modest = .82', 'wanted a function'),
         (shy('(with_copies(x) if torch.equal(x[0], x_valid[0]) else by_heart(x))*.8 + .02'), 'it misses moved')]),
}

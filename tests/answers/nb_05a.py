"Answers to the exercises of lesson 05a."
def norms(look, start='    def __init__(self): self.norms = []\n', event='after_backward'):
    return f'class Norms(Callback):\n{start}    def {event}(self, learn): self.norms.append({look})'
def mean(*lines, args='losses, weight', start='mean, curve = 0., []', loop='for i, loss in enumerate(losses, 1):', end='return curve'):
    return f'def running_mean({args}):\n    {start}\n    {loop}\n' + '\n'.join('        ' + line for line in lines) + f'\n    {end}'


SQUARES, EACH = 'sum(p.grad.square().sum() for p in learn.model.parameters())', 'for p in learn.model.parameters()'
STEP = 'mean = weight * mean + (1 - weight) * loss'
ANSWERS = {
    1: (['held = 93', 'held = 3 * (32 - 1)', 'held = 3 * 31.'],
        [('held = 96', 'a batch cancelled in before_batch takes no step'), ('held = 144', 'validation batches take no step'), ('held = 141', 'validation batches take no step'), ('held = 31', 'not cleared between epochs'),
         ('held = 6000', 'not for each digit'), ('held = 90', 'the last batch is smaller'), ('held = 95', 'in each of the three'), ('held = [93]', 'its type is list'), ('held = None', 'nothing came of it')]),
    2: ([norms(f'{SQUARES}.sqrt()'), norms(f'torch.cat([p.grad.flatten() {EACH}]).norm().item()'), norms(f'nn.utils.clip_grad_norm_(learn.model.parameters(), math.inf)'),
         norms(f'torch.stack([p.grad.norm() {EACH}]).norm()'), norms(f'math.sqrt({SQUARES})')],
        [(norms(SQUARES), 'the root is missing'), (norms(f'sum(p.grad.norm() {EACH})'), 'a sum of lengths'), (norms(f'torch.stack([p.grad.norm() {EACH}]).mean()'), 'a mean of lengths'),
         (norms('next(learn.model.parameters()).grad.norm()'), 'one parameter alone'), (norms(f'{SQUARES}.sqrt()', event='after_step'), 'when it looks there is no gradient'),
         (norms(f'{SQUARES}.sqrt()', event='after_loss'), 'when it looks there is no gradient'), (norms(f'{SQUARES}.sqrt()', event='after_batch'), 'when it looks there is no gradient'),
         (norms(f'sum(p.square().sum() {EACH}).sqrt()'), 'those are the weights'), (norms(f'sum(p.grad.abs().sum() {EACH})'), 'absolute values'), (norms(f'sum(p.grad.sum() {EACH})'), 'where are the squares'),
         (norms(f'{SQUARES}.sqrt()', ''), "no attribute 'norms'"), ('class Norms(Callback):\n    def __init__(self): self.norms = []', 'nothing was recorded'), ('Norms = 3', 'not callable'), ('Norms = Callback', "no attribute 'norms'"),
         ('class Norms(Callback):\n    def __init__(self): self.norms = []\n    def after_backward(self, learn): self.norms = [' + SQUARES + '.sqrt()]', 'one is kept'),
         (norms(f'[p.grad {EACH}]'), 'something else than one number for each batch'), (norms(f'{SQUARES}.sqrt()').replace('learn.model', 'lern.model'), "name 'lern' is not defined")]),
    3: ([mean(STEP, 'curve.append(mean / (1 - weight**i))'), mean('top, bottom = weight*top + loss, weight*bottom + 1', 'curve.append(top / bottom)', start='top, bottom, curve = 0., 0., []', loop='for loss in losses:', args='losses, weight=.98'),
         'def running_mean(losses, weight):\n    def at(i): return [weight**(i - j) for j in range(i + 1)]\n    return [sum(w*x for w, x in zip(at(i), losses)) / sum(at(i)) for i in range(len(losses))]'],
        [('running_mean = running_mean_wrong', 'that is the old one'), (mean(STEP, 'curve.append(mean)', start='mean, curve = losses[0], []'), 'begun with the first loss'),
         (mean(STEP, 'curve.append(mean / (1 - weight**i))', loop='for i, loss in enumerate(losses):'), 'after the first loss i is 1, not 0'), (mean(STEP, 'curve.append(mean / (1 - weight**(i + 1)))'), 'i is 1, not 2'),
         (mean(STEP, 'curve.append(mean / (1 - weight))'), 'the sum of the shares grows'), (mean(STEP, 'curve.append(mean / (1 - .98**i))').replace('weight * mean + (1 - weight)', '.98 * mean + .02'), 'the one that was given'),
         (mean('curve.append(sum(losses[:i]) / i)'), 'the same weight'), (mean(STEP, 'losses[i - 1] = mean / (1 - weight**i)', end='return losses'), 'the list that was given is changed'),
         (mean(STEP, 'curve.append(mean / (1 - weight**i))', end='curve'), 'is there a `return`'), (mean(STEP, 'curve.append(mean / (1 - weight**i))', end='return curve[-1]'), 'the last number of the curve alone'),
         ('def running_mean(losses): return losses', 'takes 1 positional argument but 2 were given'), ('running_mean = 5', 'not callable'), (mean(STEP, 'curve.append(mean / (1 - wieght**i))'), 'wieght'),
         (mean('mean = mean + weight**(i - 1) * loss', 'curve.append(mean * (1 - weight) / (1 - weight**i))'), 'the first losses have the largest weights')]),
    4: (['ended_and_best = (9, 6)', 'ended_and_best = [9, 6]', 'ended_and_best = 9, 6'],
        [('ended_and_best = (5, 2)', 'the mark is 0.8'), ('ended_and_best = (10, 10)', 'three epochs in a row'), ('ended_and_best = (9, 5)', '0.5 of epoch 6'), ('ended_and_best = (9, 9)', 'is not the mark'), ('ended_and_best = (8, 6)', 'patience 3 means'),
         ('ended_and_best = (10, 6)', 'it ends *in*'), ('ended_and_best = (6, 9)', 'first the epoch where it ends'), ('ended_and_best = (9, 10)', 'does not get as far'), ('ended_and_best = 9', 'its type is int')]),
    5: (['revealing = [1., 3., 2., 3., 2.]', 'revealing = (1, 5, 4, 6, 5, 7, 6)', 'revealing = torch.tensor([.5, .9, .8, .9])'],
        [('revealing = [1, 2, 3, 4]', 'the wrong one stops too'), ('revealing = [4, 3, 2, 1]', 'stops_after goes on to the end as well'), ('revealing = [2, 3, 1, 2, 0]', 'stops_after goes on to the end as well'), ('revealing = [1]', 'at least four'),
         ('revealing = "abcd"', 'at least four'), ('revealing = 7', 'has no len'), ('revealing = [None] * 5', 'not supported between'), ('revealing = [5, 5, 5, 5]', 'the wrong one stops too')]),
}

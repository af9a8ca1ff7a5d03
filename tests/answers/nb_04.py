"Answers to the exercises of lesson 04."
def batches(a, b): return f'with_drop, without = {a}, {b}'
def smooth(value, head='pred, targ, eps=.1'): return f'def smooth_cross_entropy({head}):\n    return {value}'
def epoch(value): return f'def epoch(n, bs):\n    return {value}'
def update(*lines): return 'class Adagrad(Optimizer):\n    def update(self, p, g, memory, lr):\n' + '\n'.join('        ' + line for line in lines)


CE, MEAN = 'cross_entropy(pred, targ)', 'log_softmax(pred).mean()'
S, ADD, STEP = "s = memory.setdefault('s', torch.zeros_like(p))", 's.add_(g * g)', 'p.sub_(lr * g / (s.sqrt() + 1e-10))'
ANSWERS = {
    1: ([batches(781, 782), batches('50_000 // 64', '-(-50_000 // 64)'), batches('len(BatchLoader(train_ds, 64, drop_last=True))', 'len(BatchLoader(train_ds, 64))')],
        [(batches(782, 781), 'dropping gives fewer'), (batches(782, 782), 'and it is dropped'), (batches(781, 781), 'and it is kept'), (batches('50_000 / 64', '50_000 / 64'), 'only whole batches'), (batches('50_000 // 64', '50_000 / 64'), 'only whole batches'),
         (batches(64, 64), 'the size of a batch'), (batches(780, 781), 'one too few'), (batches(781, 16), 'not how large'), (batches(782, 783), 'one too many')]),
    2: (['answer_2 = 20', 'answer_2 = F.cross_entropy(tensor([[20., 0.]]), tensor([1]))', 'answer_2 = math.log(math.exp(20) + 1)', 'answer_2 = -math.log(1 / (1 + math.exp(20)))'],
        [('answer_2 = 0', 'if class 0 were right'), ('answer_2 = F.softmax(tensor([20., 0]), 0)[1]', 'the probability of class 1'), ('answer_2 = 1', 'not a loss of 1'), ('answer_2 = -20', 'its opposite'), ('answer_2 = 10', 'nothing to average'), ('answer_2 = math.inf', 'not 0'),
         ('answer_2 = 400', 'a square'), ('answer_2 = math.log10(math.exp(20) + 1)', 'the natural one'), ('answer_2 = math.log(2)', 'equally likely'), ('answer_2 = "large"', 'its type is str'), ('answer_2 = None', 'nothing came of it')]),
    3: ([smooth(f'(1 - eps) * {CE} - eps * {MEAN}'), smooth('F.cross_entropy(pred, targ, label_smoothing=eps)'), smooth(f'(1 - eps) * {CE} + eps * (logsumexp(pred) - pred.mean(1)).mean()'),
         smooth('-((F.one_hot(targ, pred.shape[1]) * (1 - eps) + eps / pred.shape[1]) * log_softmax(pred)).sum(1).mean()')],
        [(smooth(CE), 'nothing is smoothed'), (smooth(f'.9 * {CE} - .1 * {MEAN}'), 'eps is not used'), (smooth(f'(1 - eps) * {CE} - eps * log_softmax(pred).sum(1).mean()'), 'a sum over the classes'), (smooth(f'(1 - eps) * {CE} - eps * log_softmax(pred).sum()'), 'classes and examples'),
         (smooth(f'(1 - eps) * {CE} + eps * {MEAN}'), 'the sign of the second part'), (smooth(f'(1 - eps) * {CE}'), 'the second part is missing'), (smooth(f'{CE} - eps * {MEAN}'), 'must count 1 - eps'), (smooth(f'eps * {CE} - (1 - eps) * {MEAN}'), 'exchanged'),
         (smooth(f'(1 - eps) * {CE} - eps * pred.mean()'), 'z are logits'), (smooth(f'(1 - eps) * {CE} - eps * log_softmax(pred).mean(1)'), 'one number for each example'), (smooth(f'(1 - eps) * {CE} - eps * {MEAN}', 'pred, targ'), "name 'eps' is not defined"),
         (smooth(f'(1 - eps) * {CE} - eps * log_softmax(pred).exp().mean()'), 'probabilities, where'), (smooth(f'(1 - eps) * {CE} - eps * {MEAN}').replace('return ', ''), 'is there a `return`'), (smooth('cross_entropy(targ, pred)'), 'your code fails with ValueError')]),
    4: ([epoch('torch.randperm(n).split(bs)'), epoch('[order[i:i+bs] for order in [torch.randperm(n)] for i in range(0, n, bs)]'), epoch('torch.rand(n).argsort().split(bs)'), epoch('BatchSampler(RandomSampler(range(n)), bs, drop_last=False)')],
        [(epoch('epoch_wrong(n, bs)'), 'never come'), (epoch('torch.arange(n).split(bs)'), 'neighbours stay together'), (epoch('torch.arange(n).flip(0).split(bs)'), 'backwards'), (epoch('torch.randperm(n)[:n//bs*bs].split(bs)'), '15 batches of 64'),
         (epoch('torch.randperm(n, generator=torch.Generator().manual_seed(0)).split(bs)'), 'the same batches'), (epoch('[torch.randperm(len(i)) + i[0] for i in torch.arange(n).split(bs)]'), 'from one part of the file'), (epoch('(torch.randperm(n) + 1).split(bs)'), 'from 0 to 999'),
         (epoch('torch.randperm(n)'), 'your code fails with TypeError'), (epoch('torch.randperm(n).split(n // bs)'), '15 batches of 64'), ('def epoch(n, bs):\n    torch.randperm(n).split(bs)', 'is there a `return`'), (epoch('torch.randprem(n).split(bs)'), "no attribute 'randprem'")]),
    5: (['answer_5 = .01', 'answer_5 = min([0, .001, .01, .1], key=lambda lam: both_losses(60, small_ds, .05, weight_decay=lam)[-1][1])'],
        [('answer_5 = .1', 'so strong'), ('answer_5 = 0', 'the run of the picture above'), ('answer_5 = .001', 'try a stronger one'), ('answer_5 = 1', 'one of the four amounts'), ('answer_5 = ".01"', 'wanted a number'), ('answer_5 = None', 'wanted a number')]),
    6: ([update(S, ADD, STEP), update("memory['s'] = memory.get('s', 0) + g**2", "p -= lr * g / (memory['s'].sqrt() + 1e-10)"), update("if not memory: memory['s'] = torch.zeros_like(p)", "memory['s'] += g * g", "p.addcdiv_(g, memory['s'].sqrt() + 1e-10, value=-lr)")],
        [(update(S, ADD), 'the weights have not moved'), (update('p.sub_(lr * g)'), 'a plain step'), (update('p.sub_(lr * g / (g.abs() + 1e-10))'), 'nothing is remembered'), (update(S, ADD, 'p.sub_(lr * g / (s + 1e-10))'), 'the square root is missing'),
         (update(S, ADD, 'p.sub_(lr * g / (s + 1e-10).sqrt())'), 'not under it'), (update(S, STEP, ADD), 'the present gradient'), (update(S, ADD, 'p.add_(lr * g / (s.sqrt() + 1e-10))'), 'uphill'), (update(S, 's.add_(g)', 'p.sub_(lr * g / (s.abs().sqrt() + 1e-10))'), 'not squared'),
         (update(S, ADD, 'p = p - lr * g / (s.sqrt() + 1e-10)'), 'the weights have not moved'), (update('s = torch.zeros_like(p)', ADD, STEP), 'nothing is remembered'), (update(S, ADD, STEP.replace('sqrt', 'sqr')), "no attribute 'sqr'"),
         (update("s = self.__dict__.setdefault('s', torch.zeros_like(p))", ADD, STEP), 'the parameters share one sum')]),
}

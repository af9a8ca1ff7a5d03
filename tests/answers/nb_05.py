"Answers to the exercises of lesson 05."
def cb(name, *methods): return f'class {name}(Callback):\n' + '\n'.join('    ' + line for method in methods for line in method.splitlines())
def half(condition='if not learn.training:', right='learn.pred.topk(2).indices == learn.yb[:, None]', count='len(learn.yb)', found='.any(1).sum().item()'):
    return f'def after_loss(self, learn):\n    {condition}\n        self.right += ({right}){found}\n        self.n += {count}'
def row(value, key='top2', place='learn.history[-1]'): return f'def after_epoch(self, learn): {place}["{key}"] = {value}'
def means(middle): return f'def after_loss(self, learn):\n    if not learn.training: {middle}'
def few(*lines): return 'def few(n, data):\n' + '\n'.join('    ' + line for line in lines)


START, SHARE, NEW = 'def before_validate(self, learn): self.right = self.n = 0', row('self.right / self.n'), 'def before_validate(self, learn): self.v = []'
TOP = '(learn.pred.topk(2).indices == learn.yb[:, None]).any(1).float()'
WORDS, TENSOR = 'if one_per_example(data): return data[:n]', 'if torch.is_tensor(data): return data[:n] if data.ndim else data'
PARTS, REST = 'parts = contents(data)', 'return data if parts is None else refill(data, {name: few(n, part) for name, part in parts.items()})'
LOSS = 'def do_loss(self, learn): learn.loss = F.cross_entropy(learn.pred, learn.yb, label_smoothing='
MIX = 'def do_loss(self, learn):\n    logp = learn.pred.log_softmax(1)\n    ce = F.nll_loss(logp, learn.yb)\n    learn.loss = {} if learn.training else ce'
BEST = ['order = 60', 'def __init__(self): self.best = math.inf', 'def before_validate(self, learn): self.sum = self.n = 0',
        'def after_loss(self, learn):\n    if not learn.training: self.sum, self.n = self.sum + learn.loss.item() * len(learn.yb), self.n + len(learn.yb)']
ANSWERS = {
    1: (['answer = (14, 3, 1)', 'answer = [14, 3, 1]', 'answer = (2 * (4 + 3), 3, 1)'],
        [('answer = (8, 3, 1)', 'validation batches have predictions too'), ('answer = (7, 3, 1)', 'that is one epoch'), ('answer = (10, 2, 1)', 'left over at the end is a batch'),
         ('answer = (14, 0, 0)', 'validate and predict go through the callbacks'), ('answer = (14, 3, 3)', 'all of the images at once'), ('answer = (14, 1, 1)', 'the batches of its loader'),
         ('answer = 14', 'its type is int, wanted tuple'), ('answer = (14, 3)', 'its length is 2, wanted 3')]),
    2: ([cb('TopTwo', 'order = 1', START, half(), SHARE), cb('TopTwo', NEW, means(f'self.v.append({TOP})'), row('torch.cat(self.v).mean().item()')),
         cb('TopTwo', START, half(right='learn.pred.argsort(1, descending=True)[:, :2].eq(learn.yb[:, None])', found='.sum().item()'), row('torch.tensor(self.right / self.n)')),
         cb('TopTwo', 'def after_epoch(self, learn):\n    pred, y = learn.get_preds()\n    learn.history[-1]["top2"] = sum(t in p for p, t in zip(pred.topk(2).indices.tolist(), y.tolist())) / len(y)')],
        [(cb('TopTwo', NEW, means(f'self.v.append({TOP}.mean())'), row('torch.stack(self.v).mean().item()')), 'the mean of the batches is not the mean of the examples'),
         (cb('TopTwo', START, half(right='learn.pred.argmax(1) == learn.yb', found='.sum().item()'), SHARE), 'that is the accuracy'), (cb('TopTwo', START, half(), row('self.right')), 'a count and not a share'),
         (cb('TopTwo', 'def before_fit(self, learn): self.right = self.n = 0', half(), SHARE), 'the first is counted again'), (cb('TopTwo', START, half(), row('100 * self.right / self.n')), 'not percent'),
         (cb('TopTwo', NEW, means(f'self.v = {TOP}'), row('self.v.mean().item()')), 'that is the last batch alone'), (cb('TopTwo', 'order = -1', START, half(), SHARE), 'when it looks there is no row yet'),
         (cb('TopTwo', START, half(right='learn.pred.topk(2).values == learn.yb[:, None]'), SHARE), 'topk gives values and indices'), (cb('TopTwo', START, half(), row('self.right / self.n', 'top_2')), 'no row of the history has a figure top2'),
         (cb('TopTwo', START, half(right='learn.pred.topk(2).indices == learn.yb'), SHARE), 'your code fails with FitError: TopTwo.after_loss'), (cb('TopTwo', START, half(), 'def after_epoch(self, learn): return self.right / self.n'), 'no row of the history has'),
         (cb('TopTwo', START, half(), SHARE.replace('history', 'histroy')), 'histroy'), ('TopTwo = 3', 'not callable')]),
    3: ([cb('Smooth', LOSS + '.1 * learn.training)'), cb('Smooth', 'def do_loss(self, learn):\n    if learn.training: learn.loss = F.cross_entropy(learn.pred, learn.yb, label_smoothing=.1)\n    else: learn.do_loss()'),
         cb('Smooth', MIX.format('.9 * ce - .1 * logp.mean()')), cb('Smooth', 'def do_loss(self, learn):\n    learn.do_loss()\n    if learn.training: learn.loss = .9 * learn.loss - .1 * learn.pred.log_softmax(1).mean()')],
        [(cb('Smooth', LOSS + '.1)'), 'the validation is smoothed too'), (cb('Smooth', LOSS + '.1 * (not learn.training))'), 'the wrong half is smoothed'),
         (cb('Smooth', LOSS.replace('do_', 'after_') + '.1 * learn.training)'), 'after_loss is too late'), (cb('Smooth', MIX.format('.9 * ce - .1 * logp.sum(1).mean()')), 'a mean, not a sum'),
         (cb('Smooth', MIX.format('ce - .1 * logp.mean()')), 'the class itself keeps .9'), (cb('Smooth', LOSS + '.9 * learn.training)'), 'the shares are exchanged'), (cb('Smooth', LOSS + '.2 * learn.training)'), 'that is a share of 0.2'),
         (cb('Smooth', MIX.format('.9 * ce + .1 * (ce - -logp.sum(1).mean()) / 9 * -1')), 'the class is one of them'), (cb('Smooth', 'def do_loss(self, learn): return F.cross_entropy(learn.pred, learn.yb)'), "no attribute 'loss'"),
         (cb('Smooth', LOSS + '.1 * learn.training, reduction="sum")'), 'a sum over the batch'), (cb('Smooth', LOSS.replace('cross_entropy', 'crossentropy') + '.1)'), 'crossentropy')]),
    4: (['answer = 2.', 'answer = 2'], [('answer = .5', 'at 0.5 clipping gains'), ('answer = 1.', 'at 1.0 clipping gains'), ('answer = "2"', 'one of the three rates'), ('answer = .2', 'one of the three rates'), ('answer = (2., 1.)', 'one of the three rates')]),
    5: (['BestLoss.fits_only = True', cb('BestLoss', 'fits_only = True', *BEST, 'def after_validate(self, learn): self.best = min(self.best, self.sum / self.n)'),
         cb('BestLoss', *BEST, 'def after_epoch(self, learn): self.best = min(self.best, self.sum / self.n)')],
        [('BestLoss.order = -1', 'the bug is still there'), ('BestLoss.best = 3', 'the bug is still there'), ('BestLoss.fit_only = True', 'the bug is still there'), ('BestLoss.fits_only = False', 'the bug is still there'),
         (cb('BestLoss', *BEST), 'it listens to nothing'), (cb('BestLoss', 'fits_only = True', *BEST, 'def after_validate(self, learn): self.best = self.sum / len(learn.dl)'), 'not the least validation loss'),
         (cb('BestLoss', *BEST, 'def after_validate(self, learn): self.best = max(self.best if self.best < math.inf else 0, self.sum / self.n)'), 'which is not the least'), ('del BestLoss.before_validate', "no attribute 'sum'"),
         (cb('BestLoss', *BEST, 'def after_validate(self, learn): self.best = self.sum / self.n'), 'the bug is still there')]),
    6: ([few(WORDS, TENSOR, PARTS, REST), few('if one_per_example(data) or torch.is_tensor(data) and data.ndim: return data[:n]', 'if isinstance(data, torch.Tensor) or contents(data) is None: return data',
                                              'return refill(data, {k: few(n, v) for k, v in contents(data).items()})'),
         few('import copy', 'if torch.is_tensor(data) and data.ndim or one_per_example(data): return data[:n]', 'if type(data) in (tuple, list): return type(data)(few(n, x) for x in data)',
             'if isinstance(data, dict): return {k: few(n, v) for k, v in data.items()}', 'if hasattr(data, "corners"):', '    data = copy.copy(data)', '    for k, v in vars(data).items(): setattr(data, k, few(n, v))', 'return data')],
        [(few(TENSOR, PARTS, REST), 'a list of words, one per example: it is not cut'), (few('return map_tensors(lambda x: x[:n] if x.ndim else x, data)'), 'a list of words, one per example: it is not cut'),
         (few('return data[:n]'), 'a tensor without axes: your code fails with IndexError'), (few(TENSOR, 'if isinstance(data, (tuple, list)): return data[:n]', PARTS, REST), 'a pair of tensors: cut is the thing itself'),
         (few(TENSOR, 'if isinstance(data, (tuple, list)): return data[:1]', PARTS, REST), 'a pair of tensors: '), (few(WORDS, TENSOR, PARTS, REST.replace('return data if', 'return data[:n] if')), 'a dataclass with a word: '),
         (few(WORDS, TENSOR, PARTS, 'return data if parts is None else [few(n, part) for part in parts.values()]'), 'a pair of tensors: it becomes a list, wanted a tuple'), (few(WORDS, TENSOR, PARTS, REST.replace('refill(data, {', '({')), 'it becomes a dict'),
         (few(WORDS, TENSOR, 'if isinstance(data, dict):', '    for name in data: data[name] = few(n, data[name])', '    return data', PARTS, REST), 'the batch that was given is changed'), (few(WORDS, TENSOR, PARTS), 'a pair of tensors: nothing came of it'),
         (few(WORDS, 'if torch.is_tensor(data): return data[n:] if data.ndim else data', PARTS, REST), 'a tensor: these are not its first 2'), (few(WORDS, 'if torch.is_tensor(data): return data[n]', PARTS, REST), 'a tensor: these are not its first 2'),
         (few(WORDS, 'if torch.is_tensor(data): return data[:, :n] if data.ndim else data', PARTS, REST), 'a tensor: these are not'), (few(WORDS, TENSOR, 'return refil(data, {})'), 'refil')]),
}

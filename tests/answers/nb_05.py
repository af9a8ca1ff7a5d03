"Answers to the exercises of lesson 05."
def cb(name, *methods): return f'class {name}(Callback):\n' + '\n'.join('    ' + line for method in methods for line in method.splitlines())
def half(condition='if not learn.training:', right='learn.pred.topk(2).indices == learn.yb[:, None]', count='len(learn.yb)', found='.any(1).sum().item()'):
    return f'def after_loss(self, learn):\n    {condition}\n        self.right += ({right}){found}\n        self.n += {count}'
def row(value, key='top2', place='learn.history[-1]'): return f'def after_epoch(self, learn): {place}["{key}"] = {value}'
def means(middle): return f'def after_loss(self, learn):\n    if not learn.training: {middle}'
def few(*lines): return 'def few(n, data):\n' + '\n'.join('    ' + line for line in lines)


START, SHARE, NEW = 'def before_validate(self, learn): self.right = self.n = 0', row('self.right / self.n'), 'def before_validate(self, learn): self.v = []'
EPOCH = START.replace('before_validate', 'before_epoch')
TOP = '(learn.pred.topk(2).indices == learn.yb[:, None]).any(1).float()'
WORDS, TENSOR = 'if one_per_example(data): return data[:n]', 'if torch.is_tensor(data): return data[:n] if data.ndim else data'
PARTS, REST = 'parts = contents(data)', 'return data if parts is None else refill(data, {name: few(n, part) for name, part in parts.items()})'
LOSS = 'def do_loss(self, learn): learn.loss = F.cross_entropy(learn.pred, learn.yb, label_smoothing='
MIX = 'def do_loss(self, learn):\n    logp = learn.pred.log_softmax(1)\n    ce = F.nll_loss(logp, learn.yb)\n    learn.loss = {} if learn.training else ce'
SOFT = cb('Smooth', 'def do_loss(self, learn):\n    logp, y = learn.pred.log_softmax(1), learn.yb\n    q = F.one_hot(y, 10) * .9 + .01\n    learn.loss = -{} if learn.training else F.cross_entropy(learn.pred, y)')
BEST = ['order = 60', 'def __init__(self): self.best = math.inf', 'def before_validate(self, learn): self.sum = self.n = 0',
        'def after_loss(self, learn):\n    if not learn.training: self.sum, self.n = self.sum + learn.loss.item() * len(learn.yb), self.n + len(learn.yb)']
ANSWERS = {
    1: (['answer = (14, 3, 1)', 'answer = [14, 3, 1]', 'answer = (2 * (4 + 3), 3, 1)'],
        [('answer = (8, 3, 1)', 'validation batches have predictions too'), ('answer = (7, 3, 1)', 'that is one epoch'), ('answer = (10, 2, 1)', 'left over at the end is a batch'),
         ('answer = (14, 0, 0)', 'validate: it goes through the callbacks'), ('answer = (14, 3, 0)', 'predict: it goes through the callbacks'), ('answer = (14, 3, 3)', 'all of the images at once'), ('answer = (14, 3, 150)', 'one call for a batch'), ('answer = (14, 3, 5)', 'predict: it is given all of the images at once'), ('answer = (14, 2, 1)', 'validate: what is left over'),
         ('answer = (18, 5, 1)', 'fit: those of validation are of 64'), ('answer = (14, 5, 1)', 'validate: its batches are of 64'), ('answer = (7, 3, 0)', 'fit: that is one epoch'), ('answer = (20, 3, 1)', 'fit: count the batches'),
         ('answer = (14, 9, 1)', 'validate: count the batches'), ('answer = (14, 3, 2)', 'predict: count the batches'), ('answer = (8, 0, 0)', 'fit: validation batches have predictions too'), ('answer = (14, 3, 1, 0)', 'its length is 4, wanted 3'), ('answer = (14, 1, 1)', 'the batches of its loader'),
         ('answer = {14, 3, 1}', 'its type is set, wanted tuple'), ('answer = {14: 0, 3: 0, 1: 0}', 'its type is dict'), ('answer = 14', 'its type is int, wanted tuple'), ('answer = (14, 3)', 'its length is 2, wanted 3')]),
    2: ([cb('TopTwo', 'order = 1', START, half(), SHARE), cb('TopTwo', NEW, means(f'self.v.append({TOP})'), row('torch.cat(self.v).mean().item()')),
         cb('TopTwo', START.replace('before_validate', 'before_train'), half(), SHARE), cb('TopTwo', START.replace('before_validate', 'before_epoch'), half(), SHARE),
         cb('TopTwo', START, half(right='learn.pred.argsort(1, descending=True)[:, :2].eq(learn.yb[:, None])', found='.sum().item()'), row('torch.tensor(self.right / self.n)')),
         cb('TopTwo', 'def after_epoch(self, learn):\n    pred, y = learn.get_preds()\n    learn.history[-1]["top2"] = sum(t in p for p, t in zip(pred.topk(2).indices.tolist(), y.tolist())) / len(y)')],
        [(cb('TopTwo', NEW, means(f'self.v.append({TOP}.mean())'), row('torch.stack(self.v).mean().item()')), 'the mean of the batches is not the mean of the examples'),
         (cb('TopTwo', START, half(right='learn.pred.argmax(1) == learn.yb', found='.sum().item()'), SHARE), 'that is the accuracy'), (cb('TopTwo', START, half(), row('self.right')), 'a count and not a share'),
         (cb('TopTwo', 'def before_fit(self, learn): self.right = self.n = 0', half(), SHARE), 'the first is counted again'), (cb('TopTwo', START, half(), row('100 * self.right / self.n')), 'not percent'),
         (cb('TopTwo', NEW, means(f'self.v = {TOP}'), row('self.v.mean().item()')), 'that is the last batch alone'), (cb('TopTwo', 'order = -1', START, half(), SHARE), 'when it looks there is no row yet'),
         (cb('TopTwo', START, half(right='learn.pred.topk(2).values == learn.yb[:, None]'), SHARE), 'topk gives values and indices'), (cb('TopTwo', START, half(), row('self.right / self.n', 'top_2')), 'no row of the history has a figure top2'),
         (cb('TopTwo', START, half(right='learn.pred.topk(2).indices == learn.yb'), SHARE), 'your code fails with FitError: TopTwo.after_loss'), (cb('TopTwo', START, half(), 'def after_epoch(self, learn): return self.right / self.n'), 'no row of the history has'),
         (cb('TopTwo', START, half(), SHARE.replace('history', 'histroy')), 'histroy'), ('TopTwo = 3', 'not callable'),
         (cb('TopTwo', START, half('if True:'), SHARE), "no attribute 'right'"), (cb('TopTwo', EPOCH, half('if True:'), SHARE), 'the training digits are counted, too: ask learn.training'), (cb('TopTwo', EPOCH, half('if learn.training:'), SHARE), 'these are the training digits'),
         (cb('TopTwo', 'def before_fit(self, learn): self.right = self.n = 0', half('if True:'), SHARE), 'and in the second epoch the first again'), (cb('TopTwo', START, half(right='learn.pred.topk(3).indices == learn.yb[:, None]'), SHARE), 'three largest'),
         (cb('TopTwo', START, half(right='learn.pred.topk(2).indices[:, 1:] == learn.yb[:, None]'), SHARE), 'the second largest alone'), (cb('TopTwo', START, half(count='2 * len(learn.yb)'), SHARE), 'half of the share'),
         (cb('TopTwo', NEW, means(f'self.v.append({TOP.replace(".any(1)", "")}.mean(1))'), row('torch.cat(self.v).mean().item()')), 'half of the share'), (cb('TopTwo', NEW, means(f'self.v.append({TOP})'), row('torch.cat(self.v)')), 'not one number'),
         (cb('TopTwo', START, half(), 'def after_epoch(self, learn): learn.history.append({"top2": self.right / self.n})'), 'more rows than epochs'), (cb('TopTwo', 'order = -1', START, half(), SHARE.replace('learn.history[-1]["top2"] =', 'learn.history.append({"top2":') + '})'), 'more rows than epochs'),
         (cb('TopTwo', START, half(right='learn.pred.topk(2).indices[:, 2:] == learn.yb[:, None]'), SHARE), 'no digit is ever found'), (cb('TopTwo', START, half(right='learn.pred.topk(2).indices[:, 2] == learn.yb[:, None]'), SHARE), 'your code fails with FitError: TopTwo.after_loss'),
         *[(cb('TopTwo', START, half(count=n), SHARE), 'the last one is smaller') for n in ('64', '128', 'len(learn.dls.valid[0][1])')], (cb('TopTwo', START, half(count='1'), SHARE), 'the number of batches'),
         (cb('TopTwo', START, half(right='learn.pred.argsort(1)[:, :2] == learn.yb[:, None]'), SHARE), 'the two smallest'), (cb('TopTwo', START, half(), row('1 - self.right / self.n')), 'those that are *not* among'),
         (cb('TopTwo', START, half(), row('f"{self.right / self.n:.3f}"')), 'the figure is a text'), (cb('TopTwo', START, half(), row('round(self.right / self.n, 2)')), 'rounded'), (cb('TopTwo', START, half(), row('round(self.right / self.n, 1)')), 'rounded'),
         (cb('TopTwo', START, half(), row('self.right / self.n', place='learn.history[0]')), 'only the first row has a figure'),
         (cb('TopTwo', 'def after_epoch(self, learn):\n    pred, y = learn.get_preds(learn.dls.train)\n    learn.history[-1]["top2"] = (pred.topk(2).indices == y[:, None]).any(1).float().mean().item()'), 'these are the training digits')]),
    3: ([cb('Smooth', LOSS + '.1 * learn.training)'), cb('Smooth', 'def do_loss(self, learn):\n    if learn.training: learn.loss = F.cross_entropy(learn.pred, learn.yb, label_smoothing=.1)\n    else: learn.do_loss()'),
         cb('Smooth', MIX.format('.9 * ce - .1 * logp.mean()')), cb('Smooth', 'def do_loss(self, learn):\n    learn.do_loss()\n    if learn.training: learn.loss = .9 * learn.loss - .1 * learn.pred.log_softmax(1).mean()'),
         SOFT.format('(q * logp).sum(1).mean()'), cb('Smooth', 'order = -5', 'def after_loss(self, learn):\n    if learn.training: learn.loss = F.cross_entropy(learn.pred, learn.yb, label_smoothing=.1)')],
        [(cb('Smooth', LOSS + '.1)'), 'the validation is smoothed too'), (cb('Smooth', LOSS + '.1 * (not learn.training))'), 'the wrong half is smoothed'),
         (cb('Smooth', LOSS.replace('do_', 'after_') + '.1 * learn.training)'), 'After_loss at order 50 is too late'), (cb('Smooth', 'def after_pred(self, learn): pass'), 'nothing is smoothed'), (cb('Smooth', MIX.format('.9 * ce - .1 * logp.sum(1).mean()')), 'a mean, not a sum'),
         (cb('Smooth', MIX.format('ce - .1 * logp.mean()')), 'the class itself keeps .9'), (cb('Smooth', LOSS + '.9 * learn.training)'), 'the shares are exchanged'), (cb('Smooth', LOSS + '.2 * learn.training)'), 'that is a share of 0.2'),
         (cb('Smooth', MIX.format('.9 * ce + .1 * (ce - -logp.sum(1).mean()) / 9 * -1')), 'the class is one of them'), *[(cb('Smooth', f'def do_loss(self, learn): {put} F.cross_entropy(learn.pred, learn.yb, label_smoothing=.1 * learn.training)'), 'what it returns is not used') for put in ('return', 'self.loss =')],
         (cb('Smooth', 'def do_loss(self, learn): learn.loss = .9 * learn.loss - .1 * learn.pred.log_softmax(1).mean()'), 'read before there is one'), (cb('Smooth', MIX.format('.9 * ce')), 'given to nobody'),
         (cb('Smooth', MIX.format('.9 * ce + .1 * logp.mean()')), 'the sign of what is spread'), (cb('Smooth', MIX.format('ce + .9 * ce - .1 * logp.mean()')), 'the plain loss is added'), *[(cb('Smooth', MIX.format(f'.9 * ce {sign} .1 * logp.exp().mean()')), 'their logarithms are wanted') for sign in '+-'],
         *[(cb('Smooth', LOSS.replace('learn.pred,', 'learn.pred.softmax(1),') + share), 'the softmax is in it') for share in ('.1 * learn.training)', '.1)')],
         (cb('Smooth', LOSS + '.1 * learn.training, reduction="sum")'), 'a sum over the batch'), (cb('Smooth', LOSS.replace('cross_entropy', 'crossentropy') + '.1)'), 'crossentropy'),
         (cb('Smooth', 'def do_loss(self, learn):\n    if learn.training: learn.loss = F.cross_entropy(learn.pred, learn.yb, label_smoothing=.1)'), 'the validation has no loss of its own'),
         (cb('Smooth', 'def do_loss(self, learn):\n    learn.do_loss()\n    if learn.training:\n        with torch.no_grad(): spread = -learn.pred.log_softmax(1).mean()\n        learn.loss = .9 * learn.loss + .1 * spread'), 'has a part of it no graph'),
         (cb('Smooth', 'def do_loss(self, learn):\n    learn.do_loss()\n    if learn.training: learn.loss = .9 * learn.loss - .1 * learn.pred.detach().log_softmax(1).mean()'), 'has a part of it no graph'),
         (SOFT.format('(q * logp).sum(1).mean()').replace('* .9 + .01', '* .89 + .01'), 'add up to .99'), (SOFT.format('(q * logp).mean()'), 'a mean over the classes as well'), (SOFT.format('(q * logp).sum()'), 'a sum over the batch'),
         (SOFT.format('(q * learn.pred).sum(1).mean()'), 'log_softmax comes first'), (cb('Smooth', MIX.format('.9 * ce - .1 * learn.pred.mean()')), 'log_softmax comes first'), (cb('Smooth', MIX.format('-.9 * ce + .1 * logp.mean()')), 'the sign'),
         (cb('Smooth', LOSS.replace('learn.pred,', 'learn.pred.softmax(1) if learn.training else learn.pred,') + '.1 * learn.training)'), 'the softmax is in it'), (cb('Smooth', LOSS + '.01 * learn.training)'), 'that is a share of 0.01'),
         (cb('Smooth', 'def do_loss(self, learn):\n    learn.do_loss()\n    if learn.training: learn.loss = F.cross_entropy(learn.pred, learn.yb, label_smoothing=.1).detach()'), 'your code fails with FitError')]),
    4: (['answer = 2.', 'answer = 2', 'answer = torch.tensor(2.)'], [('answer = .5', 'at 0.5 clipping gains'), ('answer = 1.', 'at 1.0 clipping gains'), ('answer = "2"', 'one of the three rates'), ('answer = .2', 'one of the three rates'), ('answer = (2., 1.)', 'one of the three rates'), ('answer = True', 'one of the three rates'), ('answer = torch.tensor(.5)', 'at 0.5 clipping gains'), ('answer = None', 'one of the three rates'), ('answer = torch.tensor([.5, 1.])', 'one of the three rates'), ('answer = [2.]', 'one of the three rates')]),
    5: (['BestLoss.fits_only = True', cb('BestLoss', 'fits_only = True', *BEST, 'def after_validate(self, learn): self.best = min(self.best, self.sum / self.n)'),
         cb('BestLoss', *BEST, 'def after_validate(self, learn):\n    if learn.epochs: self.best = min(self.best, self.sum / self.n)'),
         cb('BestLoss', *BEST, 'def after_epoch(self, learn): self.best = min(self.best, self.sum / self.n)')],
        [('BestLoss.order = -1', 'the bug is still there'), ('BestLoss.best = 3', 'the bug is still there'), ('BestLoss.fit_only = True', 'the bug is still there'), ('BestLoss.fits_only = False', 'the bug is still there'),
         (cb('BestLoss', *BEST), '`best` is still infinite'), (cb('BestLoss', *BEST, 'def after_validate(self, learn): self.best = max(self.best, self.sum / self.n)'), '`best` is still infinite'), (cb('BestLoss', 'fits_only = True', *BEST, 'def after_validate(self, learn): self.best = self.sum / len(learn.dl)'), 'not the least validation loss'),
         (cb('BestLoss', *BEST, 'def after_validate(self, learn): self.best = max(self.best if self.best < math.inf else 0, self.sum / self.n)'), 'which is not the least'), ('del BestLoss.before_validate', "no attribute 'sum'"),
         (cb('BestLoss', *BEST, 'def after_validate(self, learn): self.best = self.sum / self.n'), 'which is not the least'),
         (cb('BestLoss', 'fits_only = True', *BEST, 'def after_validate(self, learn): self.best = self.sum / self.n'), 'which is not the least'),
         (cb('BestLoss', *BEST, 'def before_fit(self, learn): self.best = math.inf', 'def after_validate(self, learn): self.best = min(self.best, self.sum / self.n)'), 'which is not the least'),
         *[(cb('BestLoss', *BEST, f'def after_validate(self, learn):\n    if self.n > {n}: self.best = min(self.best, self.sum / self.n)'), 'the bug is still there') for n in (3, 100)]]),
    6: ([few(WORDS, TENSOR, PARTS, REST), few('if one_per_example(data) or torch.is_tensor(data) and data.ndim: return data[:n]', 'if isinstance(data, torch.Tensor) or contents(data) is None: return data',
                                              'return refill(data, {k: few(n, v) for k, v in contents(data).items()})'),
         few('return map_tensors(lambda part: part[:n], data, lambda part: one_per_example(part) or torch.is_tensor(part) and part.ndim)'),
         few(WORDS, TENSOR, 'if isinstance(data, (dict, OrderedDict)): return type(data)({k: few(n, v) for k, v in data.items()})', 'if hasattr(data, "_make"): return data._make(few(n, v) for v in data)',
             'if type(data) in (tuple, list): return type(data)(few(n, x) for x in data)', 'return dataclasses.replace(data, **{k: few(n, v) for k, v in vars(data).items()}) if dataclasses.is_dataclass(data) else data')],
        [*[(few(f'if isinstance(data, {kinds}) and not torch.is_tensor(data[0]): return data[:n]', TENSOR, PARTS, REST), cause) for kinds, cause in
           (('list', 'a list of pairs: cut is the thing itself'), ('(list, tuple)', 'a list of pairs: cut is the thing itself'))],
         (few('if isinstance(data, list) and one_per_example(data): return data[:n]', TENSOR, PARTS, REST), 'a tuple of words, one per example: it is not cut'),
         (few(TENSOR, PARTS, REST), 'a list of words, one per example: it is not cut'), (few('return map_tensors(lambda x: x[:n] if x.ndim else x, data)'), 'a list of words, one per example: it is not cut'),
         (few('return data[:n]'), 'a tensor without axes: your code fails with IndexError'), (few(TENSOR, 'if isinstance(data, (tuple, list)): return data[:n]', PARTS, REST), 'a pair of tensors: cut is the thing itself'),
         (few(TENSOR, 'if isinstance(data, (tuple, list)): return data[:1]', PARTS, REST), 'a pair of tensors: '), (few(WORDS, TENSOR, PARTS, REST.replace('return data if', 'return data[:n] if')), 'a dataclass with a word: '),
         (few(WORDS, TENSOR, PARTS, 'return data if parts is None else [few(n, part) for part in parts.values()]'), 'a pair of tensors: its type becomes list, wanted tuple'), (few(WORDS, TENSOR, PARTS, REST.replace('refill(data, {', '({')), 'its type becomes dict'),
         (few(WORDS, TENSOR, 'if isinstance(data, dict):', '    for name in data: data[name] = few(n, data[name])', '    return data', PARTS, REST), 'the batch that was given is changed'), (few(WORDS, TENSOR, PARTS), 'a pair of tensors: nothing came of it'),
         (few(WORDS, 'if torch.is_tensor(data): return data[n:] if data.ndim else data', PARTS, REST), 'a tensor: these are not its first 2'), (few(WORDS, 'if torch.is_tensor(data): return data[n]', PARTS, REST), 'a tensor: these are not its first 2'),
         (few(WORDS, 'if torch.is_tensor(data): return data[:, :n] if data.ndim else data', PARTS, REST), 'a tensor: these are not'), (few(WORDS, TENSOR, 'return refil(data, {})'), 'refil'),
         (few(WORDS, TENSOR, 'if isinstance(data, dict): return {k: few(n, v) for k, v in data.items()}', PARTS, REST), 'a dict of another type: its type becomes dict, wanted OrderedDict'),
         (few(WORDS, TENSOR, 'if isinstance(data, tuple): return type(data)(few(n, v) for v in data)', PARTS, REST), 'a named tuple: your code fails with TypeError'),
         (few(WORDS, TENSOR, 'if isinstance(data, tuple): return tuple(few(n, v) for v in data)', PARTS, REST), 'a named tuple: its type becomes tuple, wanted DataLoaders'),
         (few('if isinstance(data, list) and data and isinstance(data[0], str): return data[:n]', TENSOR, PARTS, REST), 'a list of numbers, one per example: it is not cut'),
         (few('if isinstance(data, list) and data and isinstance(data[0], (str, int)): return data[:n]', TENSOR, PARTS, REST), 'a list of dicts, one per example: its parts are cut, and they are the examples'),
         (few('if isinstance(data, list) and data and isinstance(data[0], (str, dict)): return data[:n]', TENSOR, PARTS, REST), 'a list of numbers, one per example: it is not cut'),
         (few('if isinstance(data, list): return data[:n]', TENSOR, PARTS, REST), 'a list of three tensors: cut is the thing itself'), (few(WORDS, 'if torch.is_tensor(data): return data[:n + 1] if data.ndim else data', PARTS, REST), 'a tensor: these are not its first 2'),
         (few(WORDS, 'if torch.is_tensor(data): return data[:2] if data.ndim else data', PARTS, REST), 'a tensor: these are not its first 1'), (few(WORDS, 'if torch.is_tensor(data): return data[-n:] if data.ndim else data', PARTS, REST), 'a tensor: these are not its first 2')]),
}

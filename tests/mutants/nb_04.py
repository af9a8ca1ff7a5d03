"Mistakes in lesson 04 that its tests must catch: what was written, what a learner might write, and the thought behind it."
MUTANTS = [
    ("    a = z.detach().amax(-1, keepdim=True)", "    a = torch.zeros_like(z[..., :1])", 'exponentials do not overflow'),
    (".log() + a.squeeze(-1)", ".log()", 'what was subtracted is not added again'),
    ("(z - a).exp().sum(-1)", "(z - a).exp().mean(-1)", 'a mean for a sum'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n", "", 'a small number beside a large one keeps its digits'),
    ("return z - z.exp().sum(-1, keepdim=True).log()", "return z - z.detach().exp().sum(-1, keepdim=True).log()", 'the normalisation has no gradient'),
    ("    a = a.masked_fill(a.isinf(), 0) ", "    a = a ", 'infinity less infinity is 0'),
    ("return -logp.gather(1, targ[:, None]).mean()", "return logp.gather(1, targ[:, None]).mean()", 'a likelihood is to be made small'),
    ("return -logp.gather(1, targ[:, None]).mean()", "return -logp.gather(1, targ[:, None]).sum()", 'a sum for a mean'),
    ("-logp.gather(1, targ[:, None]).mean()", "-logp[range(len(targ)), targ].mean()", 'class -1 does not occur'),
    ("-logp.gather(1, targ[:, None]).mean()", "-logp[:, targ].mean()", 'every row is asked for every target'),
    ("if pred.ndim != 2 or targ.shape != pred.shape[:1]:", "if len(pred) != targ.numel():", 'as many targets is enough'),
    ("    if targ.dtype != torch.int64: raise", "    if targ.is_floating_point(): raise", 'any whole number is a class'),
    ("    check_classes('accuracy', pred, targ)\n", "", 'what cannot be compared is not equal'),
    ("return nll(log_softmax(pred), targ)", "return nll(log_softmax(pred).exp(), targ)", 'the loss of the probabilities themselves'),
    ("pred.argmax(1)", "pred.argmax(0)", 'the largest number of each column'),
    ("(pred.argmax(1) == targ).float().mean()", "(pred.argmax(1) == targ).float().sum()", 'a number of rows is a share'),
    ("        p.add_(g, alpha=-lr)", "        p.add_(g, alpha=lr)", 'a step uphill'),
    ("        p.add_(g, alpha=-lr)", "        p.sub_(lr * p.grad)", 'momentum is computed and not used'),
    ("g = g.add(p, alpha=weight_decay)", "g = g.add_(p, alpha=weight_decay)", 'the gradient may be changed in place'),
    ("g = g.add(p, alpha=weight_decay)", "g = g.sub(p, alpha=weight_decay)", 'weights decay upwards'),
    ("v.mul_(momentum).add_(g, alpha=1 - dampening)", "v.mul_(momentum).add_(g, alpha=1 - momentum)", 'a moving average is the same as momentum'),
    ("alpha=1 - dampening)", "alpha=dampening)", 'dampening is what is left'),
    ("v = memory['velocity'] = g.clone()", "v = memory['velocity'] = g", 'the velocity may be the gradient itself'),
    ("v = memory['velocity'] = g.clone()", "v = memory['velocity'] = g.clone().float()", 'every number has 32 bits'),
    ("v = memory['velocity'] = g.clone()", "v = g.clone()", 'a velocity that is never found again'),
    ("v = memory['velocity'] = g.clone()", "v = memory['velocity'] = g.mul(1 - dampening)", 'the first gradient is dampened too'),
    ("            v = memory.get('velocity')", "            v = self.__dict__.setdefault('velocity', {}).get(p.shape)", 'parameters of one shape share a velocity'),
    ("g = g.add(v, alpha=momentum) if nesterov else v", "g = v", 'Nesterov is another name for momentum'),
    ("g = g.add(v, alpha=momentum) if nesterov else v", "g = v.add(v, alpha=momentum) if nesterov else v", 'Nesterov looks ahead twice'),
    ("        if momentum:\n", "        if not momentum: memory.clear()\n        else:\n", 'a momentum of 0 in between drops the velocity'),
    ("        if maximize: g = -g\n        if weight_decay: g = g.add(p, alpha=weight_decay)\n",
     "        if weight_decay: g = g.add(p, alpha=weight_decay)\n        if maximize: g = -g\n", 'what is maximised decays upwards'),
    ("if maximize: g = -g", "if maximize: g.neg_()", 'the gradient may be turned round in place'),
    ("p.add_(g, alpha=-lr)", "p.data = p - lr*g", 'a new tensor is the same parameter'),
    ("0 <= x < math.inf", "not x < 0", 'what is not a number is not below 0'),
    ("not (isinstance(x, (int, float)) and 0 <= x < math.inf)", "not 0 <= x < math.inf", 'text can be compared'),
    ("0 <= x < math.inf", "0 < x < math.inf", 'a momentum of 0 makes no sense'),
    ("if nesterov and (numbers['momentum'] == 0 or numbers['dampening'] != 0)", "if nesterov and numbers['momentum'] == 0", 'Nesterov can be dampened'),
    ("for settings in self.settings(): self.check(**settings)", "self.check(**settings)", 'only the common settings are looked at'),
    ("{'params': None, **settings, **group}", "{'params': None, **group, **settings}", 'the settings of a group give way to the common ones'),
    ("{'params': None, **settings, **group}", "{**settings, **group}", 'every group has its parameters'),
    ("groups = [{'params': None, **settings, **group} for group in groups]", "for group in groups: group.update({**settings, **group})",
     "the caller's own dicts may be changed"),
    ("[p] if torch.is_tensor(p) else listed(p)", "list(p)", 'one tensor is a list of its rows'),
    ("[p] if torch.is_tensor(p) else listed(p)", "p if isinstance(p, list) else listed(p)", 'a tensor is always in a list'),
    ("[p] if torch.is_tensor(p) else listed(p)", "[p] if torch.is_tensor(p) else p", 'parameters can be gone through again and again'),
    ("isinstance(params, (torch.Tensor, set, frozenset, dict))", "isinstance(params, (set, frozenset, dict))",
     'a tensor is a list of its rows, and these are parameters'),
    ("isinstance(params, (torch.Tensor, set, frozenset, dict))", "isinstance(params, (torch.Tensor, dict))", 'a set has an order'),
    ("if unknown: raise", "if False: raise", 'a misspelt setting will be noticed at some time'),
    ("if not (p.is_leaf or p.retains_grad): raise", "if False: raise", 'what is computed can be trained'),
    ("if not torch.is_tensor(p): raise", "if False: raise", 'whatever stands there is a tensor'),
    ("if len(set(every)) < len(every): raise", "if False: raise", 'a parameter in two groups belongs to both'),
    ("    every = [p for group in groups for p in group['params']]", "    every = groups[0]['params']", 'only the first group has parameters'),
    ("                if p.grad is None: continue\n", "", 'every parameter has a gradient'),
    ("if p.grad is None: continue", "if p.grad is None: break", 'after a parameter without a gradient comes none with one'),
    ("if p.grad is None: continue", "if p.grad is None or not p.grad.any(): continue", 'a gradient of zeros is no step'),
    ("                if p.grad.is_sparse: raise", "                if False: raise", 'a sparse gradient is like any other'),
    ("v.item() if getattr(v, 'ndim', None) == 0 else v", "v", "numpy's numbers can be saved like Python's"),
    ("    def zero_grad(self):\n        for p in self.memory: p.grad = None", "    def zero_grad(self): pass", 'gradients need not be cleared'),
    ("for p in self.memory: p.grad = None", "for p in self.param_groups[0]['params']: p.grad = None", 'only the first group has gradients'),
    ("copy.deepcopy(state['memory'])", "state['memory']", 'a loaded state may be shared'),
    ("copy.deepcopy(state['settings'])", "state['settings']", 'loaded settings may be shared'),
    ("v.to(p.device) if torch.is_tensor(v) else v", "v.to(p) if torch.is_tensor(v) else v", 'a memory has the type of its parameter'),
    ("v.to(p.device) if torch.is_tensor(v) else v", "v", 'a memory is where it was'),
    ("copy.deepcopy(state['settings'])): group.update(settings)", "copy.deepcopy(state['settings'])): pass", 'the learning rate is not part of the state'),
    ("zip(self.param_groups, copy.deepcopy(state['settings'])): group.update", "zip(self.param_groups[:1], copy.deepcopy(state['settings'])): group.update",
     'of a saved state only the first group gets its settings back'),
    ("            self.memory[p] = {k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()}",
     "            self.memory[p].update({k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()})", 'what was remembered here stays'),
    ("for settings in state['settings']: self.check", "for settings in state['settings'][:1]: self.check", 'all groups are like the first'),
    ("        for settings in self.settings(): self.check(**settings)\n",
     "        for settings in self.settings(): self.check(**settings)\n        now = self.settings()\n        self.settings = lambda: now\n",
     'the settings are those of the beginning'),
    ("torch.randint(2**62, ()).item() if seed is None else seed", "seed or torch.randint(2**62, ()).item()", 'a seed of 0 is none'),
    ("torch.randint(2**62, ()).item() if seed is None else seed", "0 if seed is None else seed", 'without a seed every loader has the same order'),
    ("            if a != b: raise", "            if False: raise", 'a state fits whatever it was saved from'),
    ("yield f'groups of {[len(shapes) for shapes in state[\"shapes\"]]} parameters,", "yield f'groups of {sum(map(len, state[\"shapes\"]))} parameters,",
     'how the parameters are split does not matter'),
    ("            yield from (f'the settings {sorted(settings)}' for settings in state['settings'])\n", "", 'all optimisers have the same settings'),
    ("                yield f'the shapes {[shape, *odd]}'", "                yield f'the shapes {[*odd]}'", 'as many parameters have the same shapes'),
    ("                yield f'the shapes {[shape, *odd]}'", "                yield f'the shapes {[shape]}'", 'a memory always fits its parameter'),
    ("        for settings in state['settings']: self.check(**settings)\n", "", 'what was saved makes sense'),
    ("if len(x) != len(y): raise", "if False: raise", 'inputs and targets always have the same length'),
    ("take(self.x, i), take(self.y, i)", "take(self.x, i), take(self.y, 0)", 'every input has the first target'),
    ("generator=g).split", "generator=None).split", 'the order comes from the common generator'),
    ("torch.randperm(n, generator=g)", "torch.randint(n, (n,), generator=g)", 'drawn with replacement'),
    ("        if self.shuffle: batches = torch.randperm",
     "        g.manual_seed(0)\n        if self.shuffle: batches = torch.randperm", 'the same order in every epoch'),
    ("return len(self.ds)//self.bs if self.drop_last else -(-len(self.ds)//self.bs)", "return len(self.ds)//self.bs",
     'the last batch is not counted'),
    ("if type(bs) is not int or not 1 <= bs <= len(ds):", "if False:", 'any batch size will do'),
    ("type(bs) is not int or not 1 <= bs", "not 1 <= bs", '2.5 examples make a batch'),
    ("not 1 <= bs <= len(ds)", "not 0 <= bs <= len(ds)", 'a batch may be empty'),
    ("if workers is not None and (type(workers) is not int or workers < 0):", "if False:", 'torch will say what is wrong with the workers'),
    ("isinstance(ds, (dict, IterableDataset))", "isinstance(ds, dict)", 'a stream has numbered examples'),
    ("isinstance(ds, (dict, IterableDataset))", "isinstance(ds, IterableDataset)", 'the length of a dict is that of its columns'),
    ("not (hasattr(ds, '__len__') and hasattr(ds, '__getitem__'))", "not hasattr(ds, '__len__')", 'what has a length has an index'),
    ("n, bs, g = len(self.ds), self.bs, self.generator", "n, bs, g = len(self) * self.bs, self.bs, self.generator", 'the last batch is full'),
    ("generator=g))", "generator=None))", "the common generator gives the workers' seeds"),
    ("g = g.clone_state() if self.shuffle else g", "g = g", 'workers may draw from the generator of the order'),
    ("g = g.clone_state() if self.shuffle else g", "g = g.clone_state()", 'workers draw the same in every epoch'),
    ("num_workers=self.workers, generator=g", "num_workers=0, generator=g", 'workers are not needed'),
    ("        return all_of(iter(DataLoader(self.ds, batch_sampler=lists,", "        return all_of(iter(DataLoader(self.ds, batch_sampler=lists[:len(self.ds)//bs],",
     'items are read in full batches only'),
    ("if isinstance(ds, Dataset): return all(", "if isinstance(ds, Dataset): return any(", 'if the inputs are a tensor the targets are'),
    ("if isinstance(ds, Dataset): return all(torch.is_tensor(getattr(ds, name, None)) for name in 'xy')", "if isinstance(ds, Dataset): return True",
     'every data set holds tensors'),
    ("type(ds).__getitem__ is TensorDataset.__getitem__", "isinstance(ds, TensorDataset)", 'a subclass takes what its parent takes'),
    ("return torch.is_tensor(ds) or type(ds)", "return True or type(ds)", 'every data set takes many numbers at once'),
    ("return all_of(map(self.ds.__getitem__, batches), len(batches))", "return (x for x in list(map(self.ds.__getitem__, batches))[::-1])", 'batches in order may come from behind'),
    ("self.generator.set_state(state['generator'])", "self.generator.manual_seed(0)", 'a loaded loader starts again'),
    ("BatchLoader(train_ds, bs, shuffle=True,", "BatchLoader(train_ds, bs, shuffle=False,", 'training data need no shuffling'),
    ("BatchLoader(valid_ds, min(2*bs, len(valid_ds))", "BatchLoader(train_ds, min(2*bs, len(train_ds))", 'validated on the training set'),
    ("len(valid_ds)), seed=seed, workers=workers)", "len(valid_ds)), seed=seed)", 'validation is read without workers'),
    ("len(valid_ds)), seed=seed, workers=workers)", "len(valid_ds)), workers=workers)", 'a loader without an order needs no seed, it draws one'),
    ("min(2*bs, len(valid_ds)), seed=seed, workers=workers)", "min(2*bs, len(valid_ds)), seed=seed, drop_last=drop_last, workers=workers)",
     'what is dropped in training is dropped in validation'),
    (" * len(yb)\n", "\n", 'a mean of means'),
    ("count += len(yb)", "count += 1", 'batches are counted, not examples'),
    ("    model.eval()\n", "", 'validation in train mode'),
    ("for module, training in modes: module.training = training", "model.train()", 'a model is always in training'),
    ("for module, training in modes: module.training = training", "model.train(modes[0][1])", 'all parts of a model are in one mode'),
    ("    finally:\n        for module", "    except ZeroDivisionError: pass\n    if True:\n        for module", 'after an error the mode does not matter'),
    ("    if not count: raise", "    if False: raise", 'every loader gives a batch'),
    ("        if xb is None: raise", "        if False: raise", 'every loader gives a batch in every epoch'),
    ("        xb = None\n        for xb", "        for xb", 'a batch of the former epoch is one of this'),
    ("            opt.zero_grad()\n            loss_func(model(xb), yb).backward()\n            opt.step()\n",
     "            loss_func(model(xb), yb).backward()\n            opt.step()\n            opt.zero_grad()\n", 'before the first step there are no gradients'),
    ("@torch.no_grad()\ndef validate", "def validate", 'validation builds a graph'),
    ("        model.train()\n        xb = None", "        xb = None", 'nobody has called eval before'),
    ("            opt.zero_grad()\n", "", 'gradients of all batches are added up'),
    ("history.append(validate(model, loss_func, valid_dl))", "history.append(validate(model, loss_func, train_dl))",
     'validated on the training set, again'),
    ("f't10k-{kind}", "f'train-{kind}", 'tested on the training file'),
    ("    return (next(batches) for _ in range(n))", "    return batches", 'an epoch ends where the data set says so'),
    ("return all_of(map(self.ds.__getitem__, batches), len(batches))", "return map(self.ds.__getitem__, batches)", 'a data set read in batches raises no StopIteration'),
    # what learners wrote in the holes of a workbook, and what is like it
    ("    a = z.detach().amax(-1, keepdim=True)", "    a = z.detach().max().reshape([1] * z.ndim)", 'the largest of all rows is large enough for each'),
    ("    a = z.detach().amax(-1, keepdim=True)                # it cancels, so no gradient goes through it\n    a = a.masked_fill(a.isinf(), 0)                      # infinity less infinity is not a number\n    return (z - a).exp().sum(-1).log() + a.squeeze(-1)",
     "    a = z.detach().max()\n    return (z - a).exp().sum(-1).log() + a", 'one largest logit for all rows, and none of them infinite'),
    ("(z - a).exp().sum(-1).log() + a.squeeze(-1)", "(z - a).exp().sum().log() + a.squeeze(-1)", 'one sum for all rows'),
    ("(z - a).exp().sum(-1).log() + a.squeeze(-1)", "(z - a).exp().sum(-1) + a.squeeze(-1)", 'the logarithm is forgotten'),
    ("(z - a).exp().sum(-1).log() + a.squeeze(-1)", "(z - a).exp().log().sum(-1) + a.squeeze(-1)", 'a sum of logarithms is the logarithm of a sum'),
    ("(z - a).exp().sum(-1).log() + a.squeeze(-1)", "(z - a).exp().sum(-1).log() - a.squeeze(-1)", 'what was subtracted is subtracted again'),
    ("(z - a).exp().sum(-1).log() + a.squeeze(-1)", "(z - a).exp().sum(-1, keepdim=True).log() + a", 'the axis that was summed stays'),
    ("(z - a).exp().sum(-1).log() + a.squeeze(-1)", "z.exp().sum(-1).log()", 'the definition can be written down as it is'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()", "    return z - logsumexp(z)[:, None]", 'logits always stand in a table of rows'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()", "    return z - logsumexp(z)", 'one number for each row meets the columns'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()",
     "    z = z - z.detach().max()\n    return z - z.exp().sum(-1, keepdim=True).log()", 'the largest of all rows serves each of them'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()", "    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum().log()", 'all rows together sum to 1'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()",
     "    z = z - z.detach().amax(-1, keepdim=True)\n    return z / z.exp().sum(-1, keepdim=True).log()", 'the logarithm of a fraction is a fraction'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()",
     "    z = z - z.detach().amax(-1, keepdim=True)\n    return z.exp() / z.exp().sum(-1, keepdim=True)", 'the logarithm at the end is forgotten'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()", "    return (z.exp() / z.exp().sum(-1, keepdim=True)).log()", 'the softmax first and its logarithm then'),
    ("    z = z - z.detach().amax(-1, keepdim=True)\n    return z - z.exp().sum(-1, keepdim=True).log()", "    return z.softmax(-1).log()", 'the logarithm of a ready softmax'),
    ("    if pred.ndim != 2 or targ.shape != pred.shape[:1]:", "    if pred.shape[:1] != targ.shape[:1]:", 'as many rows as targets, whatever the other axes'),
    ("    if pred.ndim != 2 or targ.shape != pred.shape[:1]:", "    if pred.shape != targ.shape:", 'predictions and targets have one shape'),
    ("    if pred.ndim != 2 or targ.shape != pred.shape[:1]:", "    if targ.shape != pred.shape[:1]:", 'how many axes the predictions have does not matter'),
    ("    if pred.ndim != 2 or targ.shape != pred.shape[:1]:", "    if pred.ndim != 2:", 'the number of targets will be right'),
    ("    if targ.dtype != torch.int64: raise", "    if targ.dtype not in (torch.int32, torch.int64): raise", 'whole numbers of 32 bits are classes too'),
    ("    if targ.dtype != torch.int64: raise", "    if False: raise", 'the type of a class number does not matter'),
    ("    if pred.ndim != 2 or targ.shape != pred.shape[:1]:\n        raise ValueError(f'{name}: {tuple(pred.shape)} and {tuple(targ.shape)}, wanted (n, c) and (n,)')\n    if targ.dtype != torch.int64: raise",
     "    if len(pred) != len(targ):\n        raise ValueError(f'{name}: {tuple(pred.shape)} and {tuple(targ.shape)}, wanted (n, c) and (n,)')\n    if targ.is_floating_point(): raise", 'as many targets as rows is enough, and whole numbers of any size are classes'),
    ("    if pred.ndim != 2 or targ.shape != pred.shape[:1]:\n        raise ValueError(f'{name}: {tuple(pred.shape)} and {tuple(targ.shape)}, wanted (n, c) and (n,)')\n    if targ.dtype != torch.int64: raise",
     "    return pred.ndim == 2 and targ.shape == pred.shape[:1] and targ.dtype == torch.int64\n    if targ.dtype != torch.int64: raise", 'a check answers yes or no, and raises nothing'),
    ("    return -logp.gather(1, targ[:, None]).mean()", "    return -(torch.nn.functional.one_hot(targ, logp.shape[1]) * logp).mean()", 'the mean is taken over all classes, those of the zeros too'),
    ("    return -logp.gather(1, targ[:, None]).mean()", "    return -logp.gather(1, targ[:, None]).mean() / len(targ)", 'a mean is divided by the number of examples again'),
    ("    return -logp.gather(1, targ[:, None]).mean()", "    return -logp.gather(1, targ[:, None])", 'one loss for each example'),
    ("    return -logp.gather(1, targ[:, None]).mean()", "    return -logp.gather(1, targ[:, None]).log().mean()", 'the logarithm is still to be taken'),
    ("    check_classes('nll', logp, targ)\n", "", 'what does not fit will be noticed by the index'),
    ("return nll(log_softmax(pred), targ)", "return nll(pred, targ)", 'logits are logarithms already'),
    ("return nll(log_softmax(pred), targ)", "return nll(pred.softmax(-1).log(), targ)", 'softmax and logarithm one after the other lose nothing'),
    ("return nll(log_softmax(pred), targ)", "return nll(log_softmax(pred), targ) / len(pred)", 'the mean is divided by the number of examples again'),
    ("return nll(log_softmax(pred), targ)", "return nll(log_softmax(pred.t()).t() if pred.ndim == 2 else log_softmax(pred), targ)", 'a softmax over the examples'),
    ("return nll(log_softmax(pred), targ)",
     "p, hot = log_softmax(pred).exp(), torch.nn.functional.one_hot(targ, pred.shape[1])\n    return -(hot * p.log() + (1 - hot) * (1 - p).log()).sum(1).mean()", 'the wrong classes are counted too, as ones that should be 0'),
    ("return nll(log_softmax(pred), targ)", "return (log_softmax(pred).exp() - torch.nn.functional.one_hot(targ, pred.shape[1])).pow(2).sum(1).mean()", 'the distance of the probabilities from 0 and 1'),
    ("return (pred.argmax(1) == targ).float().mean()", "return (pred.argmax(1) == targ).sum() / pred.numel()", 'divided by all numbers of the predictions'),
    ("return (pred.argmax(1) == targ).float().mean()", "return (pred.argmax(1) == targ).float().mean() * 100", 'a share is a percentage'),
    ("return (pred.argmax(1) == targ).float().mean()", "return (pred.argmax(1) != targ).float().mean()", 'the share of the wrong ones'),
    ("return (pred.argmax(1) == targ).float().mean()", "return (pred.argmin(1) == targ).float().mean()", 'the smallest number is the class'),
    ("return (pred.argmax(1) == targ).float().mean()", "return (pred.argmax(1) == targ).float()", 'one answer for each row'),
    ("return x.index_select(0, i.to(x.device)) if torch.is_tensor(x) and torch.is_tensor(i) and i.ndim == 1 else x[i]",
     "return x.index_select(0, i.to(x.device)) if torch.is_tensor(x) and torch.is_tensor(i) else x[i]", 'a single number is a list of one'),
    ("return x.index_select(0, i.to(x.device)) if torch.is_tensor(x) and torch.is_tensor(i) and i.ndim == 1 else x[i]", "return x[..., i.tolist() if torch.is_tensor(i) else i]", 'examples stand along the last axis'),
    ("return x.index_select(0, i.to(x.device)) if torch.is_tensor(x) and torch.is_tensor(i) and i.ndim == 1 else x[i]",
     "return x.index_select(-1, i.to(x.device)) if torch.is_tensor(x) and torch.is_tensor(i) and i.ndim == 1 else x[i]", 'rows are taken as columns'),
    ("return x.index_select(0, i.to(x.device)) if torch.is_tensor(x) and torch.is_tensor(i) and i.ndim == 1 else x[i]", "return x[i:i + 1] if isinstance(i, int) else x[i]", 'a single example is a batch of one'),
    ("        if len(x) != len(y): raise ValueError(f'Dataset: {len(x)} inputs and {len(y)} targets')\n", "        x, y = x[:min(len(x), len(y))], y[:min(len(x), len(y))]\n", 'what has no partner is left out'),
    ("        if len(x) != len(y): raise ValueError(f'Dataset: {len(x)} inputs and {len(y)} targets')\n",
     "        if x.shape != y.shape: raise ValueError(f'Dataset: {len(x)} inputs and {len(y)} targets')\n", 'inputs and targets have one shape'),
    ("        if not len(x): raise ValueError('Dataset: there", "        if False: raise ValueError('Dataset: there", 'a data set may be empty'),
    ("        self.x, self.y = x, y\n", "        self.x, self.y = y, x\n", 'targets first'),
    ("    def __len__(self): return len(self.x)\n", "    def __len__(self): return self.x.numel() if torch.is_tensor(self.x) else len(self.x)\n", 'the length counts all numbers'),
    ("    def __len__(self): return len(self.x)\n", "    def __len__(self): return self.x.shape[-1] if torch.is_tensor(self.x) else len(self.x)\n", 'the length is that of the last axis'),
    ("    def __getitem__(self, i): return take(self.x, i), take(self.y, i)",
     "    def __getitem__(self, i):\n        if isinstance(i, int): i = slice(i, i + 1)\n        return take(self.x, i), take(self.y, i)", 'a single example keeps the axis of the batch'),
    ("    def __getitem__(self, i): return take(self.x, i), take(self.y, i)", "    def __getitem__(self, i): return take(self.x, i)", 'the targets are asked for elsewhere'),
    ("    def __getitem__(self, i): return take(self.x, i), take(self.y, i)",
     "    def __getitem__(self, i): return [(take(self.x, k), take(self.y, k)) for k in i] if torch.is_tensor(i) and i.ndim else (take(self.x, i), take(self.y, i))", 'a batch is a list of pairs'),
    ("            sums = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb)\n            count += len(yb)\n",
     "            sums = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)])\n            count += 1\n", 'a mean of the means of batches'),
    ("            sums = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb)\n            count += len(yb)\n",
     "            sums, count = torch.stack([loss_func(pred, yb), accuracy(pred, yb)]), 1\n", 'the last batch speaks for all'),
    ("    modes, sums, count = [(module, module.training) for module in model.modules()], 0, 0\n"
     "    model.eval()\n"
     "    try:\n"
     "        for xb, yb in dl:\n"
     "            pred = model(xb)\n"
     "            sums = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb)\n"
     "            count += len(yb)\n"
     "    finally:\n"
     "        for module, training in modes: module.training = training\n",
     "    model.eval()\n"
     "    sums, count = 0, 0\n"
     "    for xb, yb in dl:\n"
     "        pred = model(xb)\n"
     "        sums, count = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]), count + 1\n"
     "    model.train()\n", 'a mean of the means of batches, and train mode afterwards, whatever was before'),
    ("    modes, sums, count = [(module, module.training) for module in model.modules()], 0, 0\n"
     "    model.eval()\n"
     "    try:\n"
     "        for xb, yb in dl:\n"
     "            pred = model(xb)\n"
     "            sums = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb)\n"
     "            count += len(yb)\n"
     "    finally:\n"
     "        for module, training in modes: module.training = training\n",
     "    model.eval()\n"
     "    sums, count = 0, 0\n"
     "    for xb, yb in dl:\n"
     "        pred = model(xb)\n"
     "        sums, count = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb), count + len(yb)\n"
     "    model.train()\n", 'after a validation always comes training, and no error'),
    ("    modes, sums, count = [(module, module.training) for module in model.modules()], 0, 0\n"
     "    model.eval()\n"
     "    try:\n"
     "        for xb, yb in dl:\n"
     "            pred = model(xb)\n"
     "            sums = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb)\n"
     "            count += len(yb)\n"
     "    finally:\n"
     "        for module, training in modes: module.training = training\n",
     "    model.eval()\n"
     "    sums, count = 0, 0\n"
     "    for xb, yb in dl:\n"
     "        pred = model(xb)\n"
     "        sums, count = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb), count + len(yb)\n", 'the model stays in eval mode'),
    ("torch.stack([loss_func(pred, yb), accuracy(pred, yb)])", "torch.stack([accuracy(pred, yb), loss_func(pred, yb)])", 'accuracy first'),
    ("    return tuple((sums / count).tolist())", "    return tuple(sums.tolist())", 'the sums are not divided'),
    ("    return tuple((sums / count).tolist())", "    return sums / count", 'a tensor is as good as two numbers'),
    ("    if not count: raise ValueError('validate: no batches; a generator gives them only once')\n", "    if not count: return 0., 0.\n", 'without a batch all is zero'),
    ("            opt.zero_grad()\n"
     "            loss_func(model(xb), yb).backward()\n"
     "            opt.step()\n",
     "            loss_func(model(xb), yb).backward()\n"
     "            opt.zero_grad()\n"
     "            opt.step()\n", 'gradients are cleared between backward and step'),
    ("            opt.zero_grad()\n"
     "            loss_func(model(xb), yb).backward()\n"
     "            opt.step()\n",
     "            opt.zero_grad()\n"
     "            opt.step()\n"
     "            loss_func(model(xb), yb).backward()\n", 'the step comes before the gradients'),
    ("            opt.zero_grad()\n"
     "            loss_func(model(xb), yb).backward()\n"
     "            opt.step()\n", "            opt.zero_grad()\n            loss_func(model(xb), yb).backward()\n", 'no step is taken'),
    ("            opt.zero_grad()\n"
     "            loss_func(model(xb), yb).backward()\n"
     "            opt.step()\n",
     "            loss_func(model(xb), yb).backward()\n"
     "        opt.step()\n"
     "        opt.zero_grad()\n", 'one step for each epoch'),
    ("        xb = None\n"
     "        for xb, yb in train_dl:\n"
     "            opt.zero_grad()\n",
     "        xb = None\n"
     "        opt.zero_grad()\n"
     "        for xb, yb in train_dl:\n", 'gradients are cleared once in each epoch'),
    ("    history = []\n"
     "    for _ in range(epochs):\n"
     "        model.train()\n"
     "        xb = None\n"
     "        for xb, yb in train_dl:\n"
     "            opt.zero_grad()\n",
     "    history = []\n"
     "    opt.zero_grad()\n"
     "    for _ in range(epochs):\n"
     "        model.train()\n"
     "        xb = None\n"
     "        for xb, yb in train_dl:\n", 'gradients are cleared once, before training begins'),
    ("        if xb is None: raise ValueError('fit: no batches; a generator gives them only once')\n        history.append(validate(model, loss_func, valid_dl))\n    return history",
     "        if xb is None: raise ValueError('fit: no batches; a generator gives them only once')\n    history.append(validate(model, loss_func, valid_dl))\n    return history", 'one look at the end, after all epochs'),
    ("        history.append(validate(model, loss_func, valid_dl))\n    return history", "        history = validate(model, loss_func, valid_dl)\n    return history", 'the last validation is the history'),
    ("        history.append(validate(model, loss_func, valid_dl))\n    return history", "        history.append(validate(model, loss_func, valid_dl)[0])\n    return history", 'the history is one of losses'),
    ("        history.append(validate(model, loss_func, valid_dl))\n    return history", "        history.append(validate(model, loss_func, valid_dl))", 'the history is kept and not handed back'),
    ("        history.append(validate(model, loss_func, valid_dl))\n    return history", "        history.append(validate(model, loss_func, valid_dl))\n        return history", 'the first epoch ends the training'),
    ("        if xb is None: raise ValueError('fit: no batches; a generator gives them only once')\n        history.append(validate", "        history.append(validate", 'an epoch without a batch is one too'),
    ("-1).float().div_(256), mean, std), y.long()", "-1).float().div_(256), (x/256).mean(), (x/256).std()), y.long()", 'test data get their own mean and spread'),
    ("return normalize(x.reshape(len(x), -1).float().div_(256), mean, std), y.long()", "return x.reshape(len(x), -1).float().div_(256), y.long()", 'the test set stays as it is'),
    ("-1).float().div_(256), mean, std), y.long()", "-1).float().div_(255), mean, std), y.long()", 'the largest pixel of the test file should be 1'),
    ("-1).float().div_(256), mean, std), y.long()", "-1).float().div_(256), mean, std), y", 'a label of the test file is a byte'),
    ("{'params': None, **settings, **group}", "{**group, **settings}", 'the common settings win over those of a group'),
    ("    groups = [{'params': None, **settings, **group} for group in groups]\n    for group in groups:\n",
     "    for group in groups:\n        for k, v in {'params': None, **settings}.items(): group.setdefault(k, v)\n", "what is missing is filled in, in the caller's own dicts"),
    ("    groups = groups if isinstance(groups[0], dict) else [{'params': groups}]\n", "    groups = [{'params': groups}]\n", 'there is one group'),
    ("    if len(set(every)) < len(every): raise", "    if any(len(set(group['params'])) < len(group['params']) for group in groups): raise", 'a parameter may stand in two groups, and not twice in one'),
    ("        self.memory = {p: {} for group in self.param_groups for p in group['params']}\n",
     "        self.memory = dict.fromkeys([p for group in self.param_groups for p in group['params']], {})\n", 'one memory, and a name for it at each parameter'),
    ("        self.memory = {p: {} for group in self.param_groups for p in group['params']}\n", "        self.memory = {}\n", 'a memory is made when somebody remembers'),
    ("        self.memory = {p: {} for group in self.param_groups for p in group['params']}\n",
     "        self.memory = {p: {'velocity': torch.zeros_like(p)} for group in self.param_groups for p in group['params']}\n", 'every memory begins with a velocity of zero'),
    ("        return [{k: v.item() if getattr(v, 'ndim', None) == 0 else v for k, v in group.items() if k != 'params'}\n                for group in self.param_groups]",
     "        return [{k: v for k, v in self.param_groups[0].items() if k != 'params'}] * len(self.param_groups)", 'all groups have the settings of the first'),
    ("        return [{k: v.item() if getattr(v, 'ndim', None) == 0 else v for k, v in group.items() if k != 'params'}\n                for group in self.param_groups]",
     "        return [{k: v for k, v in group.items() if k != 'params'} for group in self.param_groups]", 'a number of numpy or torch stays what it is'),
    ("                self.update(p, p.grad, self.memory[p], **settings)\n", "                self.update(p, p.grad, self.memory[p], **settings), p.grad.zero_()\n", 'after a step its gradient is set to zero'),
    ("                self.update(p, p.grad, self.memory[p], **settings)\n", "                self.update(p, p.grad, self.memory[p], **settings), setattr(p, 'grad', None)\n", 'after a step its gradient is let go'),
    ("                self.update(p, p.grad, self.memory[p], **settings)\n", "                self.update(p, p.grad, {}, **settings)\n", 'each step begins with an empty memory'),
    ("        for group, settings in zip(self.param_groups, self.settings()):\n", "        for group, settings in zip(self.param_groups[:1], self.settings()):\n", 'only the first group takes a step'),
    ("        for p in self.memory: p.grad = None", "        for p in self.memory:\n            if p.grad is not None: p.grad.zero_()", 'gradients are set to zero'),
    ("        for p in self.memory: p.grad = None", "        for p in self.memory: p.grad.zero_()", 'every parameter has a gradient that can be set to zero'),
    ("        for p in self.memory: p.grad = None", "        for p, memory in self.memory.items():\n            p.grad = None\n            memory.clear()", 'the memory is cleared with the gradients'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}", "return {'memory': dict(self.memory), 'settings': self.settings(), 'shapes': shapes}", 'a memory is saved under its parameter'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}",
     "return {'memory': dict(self.memory), 'settings': self.param_groups[0], 'shapes': [tuple(p.shape) for p in self.memory]}", 'the objects themselves are saved, and one list of shapes'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}", "return {'memory': [], 'settings': self.settings(), 'shapes': shapes}", 'the memory is no part of the state'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}", "return {'memory': list(self.memory.values()), 'shapes': shapes}", 'the settings are given when an optimiser is made'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}",
     "return {'memory': list(self.memory.values()), 'settings': self.settings()[0], 'shapes': shapes}", 'one dict of settings for all groups'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}",
     "return {'memory': list(self.memory.values()), 'settings': self.param_groups, 'shapes': shapes}", 'the groups are saved with their parameters'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}",
     "return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': sum(shapes, [])}", 'one list of shapes for all groups'),
    ("return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}",
     "return {'memory': [m for m in self.memory.values() if m], 'settings': self.settings(), 'shapes': shapes}", 'an empty memory need not be saved'),
    ("        for a, b in zip(outline(state), outline(self.state_dict())):\n"
     "            if a != b: raise ValueError(f'{type(self).__name__}: a state with {a}, here are {b}')\n"
     "        for settings in state['settings']: self.check(**settings)\n",
     "        if len(state['memory']) != len(self.memory): raise ValueError(f'{type(self).__name__}: a state with {len(state[\"memory\"])} memories')\n", 'as many memories as parameters is enough'),
    ("        for a, b in zip(outline(state), outline(self.state_dict())):\n"
     "            if a != b: raise ValueError(f'{type(self).__name__}: a state with {a}, here are {b}')\n"
     "        for settings in state['settings']: self.check(**settings)\n"
     "        for p, memory in zip(self.memory, copy.deepcopy(state['memory'])):\n"
     "            self.memory[p] = {k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()}\n"
     "        for group, settings in zip(self.param_groups, copy.deepcopy(state['settings'])): group.update(settings)",
     "        if len(state['memory']) != len(self.memory): raise ValueError(f'{type(self).__name__}: a state with {len(state[\"memory\"])} memories')\n        for p, memory in zip(self.memory, state['memory']): self.memory[p] = dict(memory)", 'the memory is all that was lost, and as many as parameters is enough'),
    ("        for a, b in zip(outline(state), outline(self.state_dict())):\n"
     "            if a != b: raise ValueError(f'{type(self).__name__}: a state with {a}, here are {b}')\n"
     "        for settings in state['settings']: self.check(**settings)\n"
     "        for p, memory in zip(self.memory, copy.deepcopy(state['memory'])):\n"
     "            self.memory[p] = {k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()}\n"
     "        for group, settings in zip(self.param_groups, copy.deepcopy(state['settings'])): group.update(settings)",
     "        for group, settings in zip(self.param_groups, copy.deepcopy(state['settings'])): group.update(settings)\n"
     "        for p, memory in zip(self.memory, copy.deepcopy(state['memory'])):\n"
     "            for v in memory.values():\n"
     "                if torch.is_tensor(v) and v.shape not in (p.shape, ()): raise ValueError(f'{type(self).__name__}: a state with the shapes {[tuple(p.shape), tuple(v.shape)]}')\n"
     "            self.memory[p].update(memory)", 'what is looked at on the way can be refused on the way'),
    ("        for p, memory in zip(self.memory, copy.deepcopy(state['memory'])):\n            self.memory[p] = {k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()}\n        for group, settings in zip(self.param_groups, copy.deepcopy(state['settings'])): group.update(settings)",
     "        for group, settings in zip(self.param_groups, copy.deepcopy(state['settings'])): group.update(settings)", 'the memory begins anew'),
    ("        for p, memory in zip(self.memory, copy.deepcopy(state['memory'])):\n            self.memory[p] = {k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()}\n        for group, settings in zip(self.param_groups, copy.deepcopy(state['settings'])): group.update(settings)",
     "        for p, memory in zip(self.memory, state['memory']): self.memory[p] = dict(memory)\n        for group, settings in zip(self.param_groups, state['settings']): group.update(settings)", 'a copy of the dict copies what is in it'),
    ("momentum=momentum, dampening=dampening, weight_decay=weight_decay,", "momentum=momentum, dampening=1 - momentum, weight_decay=weight_decay,", 'dampening is what the momentum leaves'),
    ("momentum=momentum, dampening=dampening, weight_decay=weight_decay,", "momentum=momentum, dampening=momentum, weight_decay=weight_decay,", 'dampening is another name for the momentum'),
    ("momentum=momentum, dampening=dampening, weight_decay=weight_decay,", "momentum=0., dampening=dampening, weight_decay=weight_decay,", 'the momentum is left out'),
    ("lr=1e-3, momentum=0.,", "lr=1e-3, momentum=.9,", 'a momentum is always good'),
    ("0 <= x < math.inf", "0 <= x < 1", 'a setting is a share, below 1'),
    ("        wrong = {k: x for k, x in numbers.items() if not", "        wrong = {k: x for k, x in numbers.items() if k == 'lr' and not", 'only a rate can be wrong'),
    ("        wrong = {k: x for k, x in numbers.items() if not (isinstance(x, (int, float)) and 0 <= x < math.inf)}\n        if wrong: raise ValueError(f'SGD: {wrong}, wanted numbers from 0 on')\n        if nesterov and (numbers['momentum'] == 0 or numbers['dampening'] != 0):",
     "        if any(x < 0 for x in numbers.values()): raise ValueError(f'SGD: {numbers}, wanted numbers from 0 on')\n        if nesterov and (numbers['momentum'] == 0 or numbers['dampening'] != 0):", 'a number below 0 is all that can be wrong'),
    ("        if nesterov and (numbers['momentum'] == 0 or numbers['dampening'] != 0):", "        if False:", 'Nesterov goes with anything'),
    ("            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(momentum).add_(g, alpha=1 - dampening)\n",
     "            v = memory.setdefault('velocity', torch.zeros_like(p))\n            v.mul_(momentum).add_(g, alpha=1 - momentum)\n", 'the velocity is a running mean of the gradients'),
    ("            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(momentum).add_(g, alpha=1 - dampening)\n",
     "            v = memory.setdefault('velocity', torch.zeros_like(p))\n            v.mul_(momentum).add_(g, alpha=1 - dampening)\n", 'the velocity begins at zero, so the first gradient is dampened too'),
    ("            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(momentum).add_(g, alpha=1 - dampening)\n",
     "            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(momentum).add_(g)\n", 'the dampening is not used'),
    ("            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(momentum).add_(g, alpha=1 - dampening)\n",
     "            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(1 - momentum).add_(g, alpha=1 - dampening)\n", 'the momentum is what is lost'),
    ("            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(momentum).add_(g, alpha=1 - dampening)\n",
     "            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.add_(g, alpha=momentum)\n", 'the momentum weighs the new gradient'),
    ("            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v.mul_(momentum).add_(g, alpha=1 - dampening)\n",
     "            v = memory.get('velocity')\n"
     "            if v is None: v = memory['velocity'] = g.clone()\n"
     "            else: v = v.mul(momentum).add(g, alpha=1 - dampening)\n", 'the new velocity is computed and not kept'),
    ("g = g.add(v, alpha=momentum) if nesterov else v", "g = v.mul(momentum).add(v) if nesterov else v", 'Nesterov looks ahead from the velocity, without the gradient'),
    ("        if maximize: g = -g\n        if weight_decay: g = g.add(p, alpha=weight_decay)\n", "        if maximize: g = -g\n", 'the decay is left out'),
    ("        if maximize: g = -g\n        if weight_decay: g = g.add(p, alpha=weight_decay)\n", "        if maximize: g = -g\n        p.mul_(1 - weight_decay)\n", 'the decay shrinks the weights by themselves, the rate left out'),
    ("        if maximize: g = -g\n        if weight_decay: g = g.add(p, alpha=weight_decay)\n",
     "        if maximize: g = -g\n        p.mul_(1 - lr*weight_decay)\n", 'the decay shrinks the weights by themselves, past the velocity'),
    ("        if maximize: g = -g\n        if weight_decay: g = g.add(p, alpha=weight_decay)\n", "        if maximize: g = -g\n        if weight_decay: g = g.add(p, alpha=2 * weight_decay)\n", 'the slope of the square has a 2'),
    ("        p.add_(g, alpha=-lr)", "        p.sub_(g)", 'the rate is forgotten'),
    ("        p.add_(g, alpha=-lr)", "        p = p - lr*g", 'a new tensor under the same name is the step'),
    ("        p.add_(g, alpha=-lr)", "        p.add_(g, alpha=lr if maximize else -lr)", 'uphill is turned round twice'),
    ("self.workers = 0 if workers is None and not takes_many(ds) else workers", "self.workers = workers", 'every data set takes many numbers at once, unless workers are wanted'),
    ("self.workers = 0 if workers is None and not takes_many(ds) else workers", "self.workers = workers or 0", 'examples are always read one by one'),
    ("return len(self.ds)//self.bs if self.drop_last else -(-len(self.ds)//self.bs)", "return len(self.ds)//self.bs if self.drop_last else len(self.ds)//self.bs + 1", 'there is always one smaller batch more'),
    ("return len(self.ds)//self.bs if self.drop_last else -(-len(self.ds)//self.bs)", "return -(-len(self.ds)//self.bs)", 'a dropped batch is counted'),
    ("return len(self.ds)//self.bs if self.drop_last else -(-len(self.ds)//self.bs)", "return -(-len(self.ds)//self.bs) if self.drop_last else len(self.ds)//self.bs", 'the switch for the last batch read the wrong way round'),
    ("return len(self.ds)//self.bs if self.drop_last else -(-len(self.ds)//self.bs)", "return len(self.ds)//self.bs - 1 if self.drop_last else -(-len(self.ds)//self.bs)", 'the last batch is dropped even if it is full'),
    ("        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n",
     "        batches = list(torch.arange(n).split(bs))\n        if self.shuffle: batches = [batches[i] for i in torch.randperm(len(batches), generator=g).tolist()]\n", 'batches are put in a random order, not examples'),
    ("        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n",
     "        if self.shuffle: batches = torch.randperm(n, generator=torch.Generator().manual_seed(g.initial_seed())).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n", 'with the same seed each epoch has the same order'),
    ("        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n",
     "        if self.shuffle: batches = torch.randperm(n, generator=torch.Generator()).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n", 'a new generator in each epoch'),
    ("        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n",
     "        if self.shuffle: batches = [torch.randint(n, (bs,), generator=g) for _ in range(len(self))]\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n", 'each batch is drawn anew from all examples'),
    ("        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n",
     "        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n        else: batches = [slice(i, i + bs) for i in range(0, n - bs + 1, bs)]\n", 'a smaller batch at the end is left out'),
    ("        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n"
     "        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n"
     "        batches, numbers = batches[:len(self)], torch.arange(n)\n"
     "        if self.workers is None: return all_of(map(self.ds.__getitem__, batches), len(batches))\n"
     "        lists = [numbers[i].tolist() for i in batches]\n"
     "        g = g.clone_state() if self.shuffle else g       # what workers draw changes no order of later epochs\n"
     "        return all_of(iter(DataLoader(self.ds, batch_sampler=lists, num_workers=self.workers, generator=g)), len(lists))\n",
     "        for k in range(len(self)):\n"
     "            i = torch.randint(n, (bs,), generator=g) if self.shuffle else torch.arange(k*bs, min(k*bs + bs, n))\n"
     "            if self.workers is None: yield self.ds[i]\n"
     "            else: yield from DataLoader(self.ds, batch_sampler=[i.tolist()], num_workers=self.workers)\n", 'each batch is drawn anew when it is wanted'),
    ("        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)\n"
     "        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]\n"
     "        batches, numbers = batches[:len(self)], torch.arange(n)\n"
     "        if self.workers is None: return all_of(map(self.ds.__getitem__, batches), len(batches))\n"
     "        lists = [numbers[i].tolist() for i in batches]\n"
     "        g = g.clone_state() if self.shuffle else g       # what workers draw changes no order of later epochs\n"
     "        return all_of(iter(DataLoader(self.ds, batch_sampler=lists, num_workers=self.workers, generator=g)), len(lists))\n",
     "        return iter(DataLoader(self.ds, bs, shuffle=self.shuffle, drop_last=self.drop_last, num_workers=self.workers or 0))\n", "torch's loader does all that, its generator too"),
    ("return {'generator': self.generator.get_state()}", "return {'generator': self.generator.initial_seed()}", 'the seed is the state'),
    ("return {'generator': self.generator.get_state()}", "return {'generator': torch.Generator().manual_seed(self.generator.initial_seed()).get_state()}", 'the state is the one at the beginning'),
    ("return {'generator': self.generator.get_state()}", "return {'generator': torch.get_rng_state()}", "the state is that of torch's generator"),
    ("return {'generator': self.generator.get_state()}", "return {'generator': self.generator}", 'the generator itself is the state'),
    ("return {'generator': self.generator.get_state()}", "return {}", 'a loader has nothing to save'),
    ("self.generator.set_state(state['generator'])", "torch.set_rng_state(state['generator'])", "the state is given to torch's generator"),
    ("    return (next(batches) for _ in range(n))", "    return list(batches)[:n]", 'all batches are read before the first is given'),
    ("    if isinstance(ds, Dataset): return all(torch.is_tensor(getattr(ds, name, None)) for name in 'xy')\n    return torch.is_tensor(ds) or type(ds).__getitem__ is TensorDataset.__getitem__",
     "    return torch.is_tensor(ds) or isinstance(ds, (Dataset, TensorDataset))", 'the class says what a data set takes'),
    ("    if isinstance(ds, Dataset): return all(torch.is_tensor(getattr(ds, name, None)) for name in 'xy')\n    return torch.is_tensor(ds) or type(ds).__getitem__ is TensorDataset.__getitem__",
     "    return hasattr(ds, '__getitem__')", 'what has an index takes many numbers at once'),
    ("    if isinstance(ds, Dataset): return all(torch.is_tensor(getattr(ds, name, None)) for name in 'xy')\n    return torch.is_tensor(ds) or type(ds).__getitem__ is TensorDataset.__getitem__",
     "    return torch.is_tensor(ds)", 'only a tensor takes many numbers at once'),
    ("    return DataLoaders(train, BatchLoader(valid_ds, min(2*bs, len(valid_ds)), seed=seed, workers=workers))",
     "    return DataLoaders(train, BatchLoader(valid_ds, bs, seed=seed, workers=workers))", 'batches of validation are as large as those of training'),
    ("    return DataLoaders(train, BatchLoader(valid_ds, min(2*bs, len(valid_ds)), seed=seed, workers=workers))",
     "    return DataLoaders(train, BatchLoader(valid_ds, len(valid_ds), seed=seed, workers=workers))", 'validation takes one batch'),
    ("    return DataLoaders(train, BatchLoader(valid_ds, min(2*bs, len(valid_ds)), seed=seed, workers=workers))",
     "    return DataLoaders(train, BatchLoader(valid_ds, min(2*bs, len(valid_ds)), shuffle=True, seed=seed, workers=workers))", 'validation is shuffled too'),
]

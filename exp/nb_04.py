# Generated from nbs/04_minibatch_training.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/04_minibatch_training.ipynb 310ab02f
import copy, math
from collections import namedtuple
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from exp.nb_01 import MNIST, data_file, read_idx
from exp.nb_02 import get_data, normalize

# ---
# logsumexp
# %% nbs/04_minibatch_training.ipynb fd4656fc
def logsumexp(z):
    "`log(sum(exp(z)))` over the last axis, (..., c) -> (...), without overflow; infinite where a `z` is, -inf if all are."
    a = z.detach().amax(-1, keepdim=True)                # it cancels, so no gradient goes through it
    a = a.masked_fill(a.isinf(), 0)                      # infinity less infinity is not a number
    return (z - a).exp().sum(-1).log() + a.squeeze(-1)

def log_softmax(z):
    "The logarithm of softmax over the last axis, (..., c) -> (..., c); a logit of -inf excludes its class."
    z = z - z.detach().amax(-1, keepdim=True)
    return z - z.exp().sum(-1, keepdim=True).log()

# ---
# check_classes
# %% nbs/04_minibatch_training.ipynb d210790b
def check_classes(name, pred, targ):
    "Raises ValueError unless `pred` is (n, c) and `targ` (n,), TypeError unless `targ` holds class numbers, int64."
    if pred.ndim != 2 or targ.shape != pred.shape[:1]:
        raise ValueError(f'{name}: {tuple(pred.shape)} and {tuple(targ.shape)}, wanted (n, c) and (n,)')
    if targ.dtype != torch.int64: raise TypeError(f'{name}: class numbers of {targ.dtype}, wanted torch.int64')

def nll(logp, targ):
    "Mean of `-logp[i, targ[i]]` for `logp`, (n, c), and classes (n,); NaN for n = 0. RuntimeError: there is no such class."
    check_classes('nll', logp, targ)
    return -logp.gather(1, targ[:, None]).mean()

def cross_entropy(pred, targ):
    "`nll` of the softmax of the logits `pred`, (n, c), for class numbers `targ`, (n,)."
    return nll(log_softmax(pred), targ)

# ---
# accuracy
# %% nbs/04_minibatch_training.ipynb 95caccfa
def accuracy(pred, targ):
    "The share of rows of `pred`, (n, c), that are largest at the class `targ`, (n,); a scalar tensor, NaN for n = 0."
    check_classes('accuracy', pred, targ)
    return (pred.argmax(1) == targ).float().mean()

# ---
# take
# %% nbs/04_minibatch_training.ipynb f8dfa42b
def take(x, i):
    "`x[i]`, for a number, a slice or a tensor of numbers from 0; rows are copied in the fastest way."
    return x.index_select(0, i.to(x.device)) if torch.is_tensor(x) and torch.is_tensor(i) and i.ndim == 1 else x[i]

class Dataset:
    "Inputs `x` and targets `y`, indexed by a number, a slice or a tensor of numbers. ValueError: unequal lengths, or 0."
    def __init__(self, x, y):
        if len(x) != len(y): raise ValueError(f'Dataset: {len(x)} inputs and {len(y)} targets')
        if not len(x): raise ValueError('Dataset: there are no examples')
        self.x, self.y = x, y

    def __len__(self): return len(self.x)
    def __getitem__(self, i): return take(self.x, i), take(self.y, i)

# ---
# validate
# %% nbs/04_minibatch_training.ipynb 1ed21f9b
@torch.no_grad()
def validate(model, loss_func, dl):
    "Mean loss and accuracy of `model` over the examples of `dl`, in eval mode; modes are put back. ValueError: no batch."
    modes, sums, count = [(module, module.training) for module in model.modules()], 0, 0
    model.eval()
    try:
        for xb, yb in dl:
            pred = model(xb)
            sums = sums + torch.stack([loss_func(pred, yb), accuracy(pred, yb)]) * len(yb)
            count += len(yb)
    finally:
        for module, training in modes: module.training = training
    if not count: raise ValueError('validate: no batches; a generator gives them only once')
    return tuple((sums / count).tolist())

# ---
# fit
# %% nbs/04_minibatch_training.ipynb f3c47cc8
def fit(epochs, model, loss_func, opt, train_dl, valid_dl):
    "Trains for `epochs` rounds through `train_dl`; returns validation loss and accuracy after each. ValueError: no batch."
    history = []
    for _ in range(epochs):
        model.train()
        xb = None
        for xb, yb in train_dl:
            opt.zero_grad()
            loss_func(model(xb), yb).backward()
            opt.step()
        if xb is None: raise ValueError('fit: no batches; a generator gives them only once')
        history.append(validate(model, loss_func, valid_dl))
    return history

# ---
# get_test_data
# %% nbs/04_minibatch_training.ipynb 832e51c8
def get_test_data(mean, std, dataset=MNIST):
    "`x_test, y_test`: the 10,000 examples of the test file, normalized by that `mean` and `std`."
    x, y = [read_idx(data_file(dataset, f't10k-{kind}-ubyte.gz')) for kind in ('images-idx3', 'labels-idx1')]
    return normalize(x.reshape(len(x), -1).float().div_(256), mean, std), y.long()

# ---
# param_groups
# %% nbs/04_minibatch_training.ipynb c6c49c79
def param_groups(name, params, settings):
    """A list of dicts, each with a list `params` and a value for each of `settings`, of `params`: tensors, or dicts with
    those settings in which the group differs. TypeError or ValueError, in the `name` of an optimiser, for others."""
    def listed(params):
        if isinstance(params, (torch.Tensor, set, frozenset, dict)) or not hasattr(params, '__iter__'):
            raise TypeError(f'{name}: a {type(params).__name__}, wanted a list of tensors')
        return list(params)
    groups = listed(params)
    if not groups: raise ValueError(f'{name}: no parameters')
    groups = groups if isinstance(groups[0], dict) else [{'params': groups}]
    groups = [{'params': None, **settings, **group} for group in groups]
    for group in groups:
        unknown, p = group.keys() - {'params', *settings}, group['params']
        if unknown: raise ValueError(f'{name}: no setting {sorted(unknown)} among {sorted(settings)}')
        group['params'] = [p] if torch.is_tensor(p) else listed(p)
    every = [p for group in groups for p in group['params']]
    for p in every:
        if not torch.is_tensor(p): raise TypeError(f'{name}: a {type(p).__name__} among the parameters')
        if not (p.is_leaf or p.retains_grad): raise ValueError(f'{name}: {tuple(p.shape)} is computed, no leaf')
    if len(set(every)) < len(every): raise ValueError(f'{name}: a parameter is there twice')
    return groups

# ---
# Stepper
# %% nbs/04_minibatch_training.ipynb 7ddc52dd
class Stepper:
    """Steps for groups of parameters. A subclass has `update(p, g, memory, **settings)`: it changes `p` by its gradient
    `g`; the dict `memory` of `p` takes plain data and tensors, of its shape or of one number. It may have
    `check(**settings)`: ValueError for settings that make no sense."""
    def __init__(self, params, **settings):
        self.param_groups = param_groups(type(self).__name__, params, settings)
        self.memory = {p: {} for group in self.param_groups for p in group['params']}
        for settings in self.settings(): self.check(**settings)
    def check(self, **settings): pass
    def settings(self):                                  # numbers of numpy and torch become Python's
        return [{k: v.item() if getattr(v, 'ndim', None) == 0 else v for k, v in group.items() if k != 'params'}
                for group in self.param_groups]

    @torch.no_grad()
    def step(self):
        "Changes each parameter that has a gradient, zeros included. TypeError for a sparse one."
        for group, settings in zip(self.param_groups, self.settings()):
            for p in group['params']:
                if p.grad is None: continue
                if p.grad.is_sparse: raise TypeError(f'{type(self).__name__}: a sparse gradient {tuple(p.shape)}')
                self.update(p, p.grad, self.memory[p], **settings)

    def zero_grad(self):
        for p in self.memory: p.grad = None

# ---
# Optimizer
# %% nbs/04_minibatch_training.ipynb 948f3ba7
class Optimizer(Stepper):
    "A `Stepper` whose state can be saved, so that it goes on later as if nothing had happened."
    def state_dict(self):
        "Plain data and tensors, not copied: each parameter's memory, each group's settings and shapes of parameters."
        shapes = [[tuple(p.shape) for p in group['params']] for group in self.param_groups]
        return {'memory': list(self.memory.values()), 'settings': self.settings(), 'shapes': shapes}

    def load_state_dict(self, state):
        "Takes over a copy of `state`. ValueError, and nothing is changed, if it does not fit this optimiser's groups."
        def outline(state):
            yield f'the parts {sorted(state)}'
            yield f'groups of {[len(shapes) for shapes in state["shapes"]]} parameters, {len(state["memory"])} memories'
            yield from (f'the settings {sorted(settings)}' for settings in state['settings'])
            for shape, memory in zip(sum(state['shapes'], []), state['memory']):
                odd = {tuple(v.shape) for v in memory.values() if torch.is_tensor(v)} - {shape, ()}
                yield f'the shapes {[shape, *odd]}'
        for a, b in zip(outline(state), outline(self.state_dict())):
            if a != b: raise ValueError(f'{type(self).__name__}: a state with {a}, here are {b}')
        for settings in state['settings']: self.check(**settings)
        for p, memory in zip(self.memory, copy.deepcopy(state['memory'])):
            self.memory[p] = {k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()}
        for group, settings in zip(self.param_groups, copy.deepcopy(state['settings'])): group.update(settings)

# ---
# SGD
# %% nbs/04_minibatch_training.ipynb b4fe10ab
class SGD(Optimizer):
    "Gradient descent with momentum (Polyak, 1964) and decay, torch's steps to the bit. ValueError for numbers below 0."
    def __init__(self, params, lr=1e-3, momentum=0., dampening=0., weight_decay=0., nesterov=False, maximize=False):
        super().__init__(params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                         nesterov=nesterov, maximize=maximize)

    def check(self, nesterov, maximize, **numbers):
        wrong = {k: x for k, x in numbers.items() if not (isinstance(x, (int, float)) and 0 <= x < math.inf)}
        if wrong: raise ValueError(f'SGD: {wrong}, wanted numbers from 0 on')
        if nesterov and (numbers['momentum'] == 0 or numbers['dampening'] != 0):
            raise ValueError(f'SGD: nesterov wants a momentum and no dampening, not {numbers}')

    def update(self, p, g, memory, lr, momentum, dampening, weight_decay, nesterov, maximize):
        if maximize: g = -g
        if weight_decay: g = g.add(p, alpha=weight_decay)
        if momentum:
            v = memory.get('velocity')
            if v is None: v = memory['velocity'] = g.clone()
            else: v.mul_(momentum).add_(g, alpha=1 - dampening)
            g = g.add(v, alpha=momentum) if nesterov else v
        p.add_(g, alpha=-lr)

# ---
# BatchLoader
# %% nbs/04_minibatch_training.ipynb 46e4e12b
class BatchLoader:
    """Batches of `bs` examples of `ds`, each fetched at once; item by item, through torch's DataLoader, when `ds` may not
    know that, or by `workers` (0: in this process). `shuffle` draws a new order each epoch from a generator of its own,
    which starts from `seed` (None: from torch's generator). `drop_last` leaves out a last smaller batch. TypeError for a
    `ds` without length or index; ValueError unless `bs` is an int from 1 to len(ds), and `workers` one from 0 on."""
    def __init__(self, ds, bs, shuffle=False, drop_last=False, seed=None, workers=None):
        if isinstance(ds, (dict, IterableDataset)) or not (hasattr(ds, '__len__') and hasattr(ds, '__getitem__')):
            raise TypeError(f'BatchLoader: a {type(ds).__name__} gives no example by its number; make a list of it')
        if type(bs) is not int or not 1 <= bs <= len(ds):
            raise ValueError(f'BatchLoader: bs={bs!r} for a data set of {len(ds)}')
        if workers is not None and (type(workers) is not int or workers < 0):
            raise ValueError(f'BatchLoader: workers={workers!r}, wanted None or an int from 0 on')
        self.ds, self.bs, self.shuffle, self.drop_last = ds, bs, shuffle, drop_last
        self.workers = 0 if workers is None and not takes_many(ds) else workers
        self.generator = torch.Generator().manual_seed(torch.randint(2**62, ()).item() if seed is None else seed)

    def __len__(self): return len(self.ds)//self.bs if self.drop_last else -(-len(self.ds)//self.bs)
    def __iter__(self):
        n, bs, g = len(self.ds), self.bs, self.generator
        if self.shuffle: batches = torch.randperm(n, generator=g).split(bs)
        else: batches = [slice(i, i + bs) for i in range(0, n, bs)]
        batches, numbers = batches[:len(self)], torch.arange(n)
        if self.workers is None: return all_of(map(self.ds.__getitem__, batches), len(batches))
        lists = [numbers[i].tolist() for i in batches]
        g = g.clone_state() if self.shuffle else g       # what workers draw changes no order of later epochs
        return all_of(iter(DataLoader(self.ds, batch_sampler=lists, num_workers=self.workers, generator=g)), len(lists))

    def state_dict(self): return {'generator': self.generator.get_state()}      # it decides the epochs to come
    def load_state_dict(self, state): self.generator.set_state(state['generator'])

def all_of(batches, n):
    "Gives `n` items of the iterator `batches`. RuntimeError if it ends before: a data set that raises StopIteration ends no epoch."
    return (next(batches) for _ in range(n))

def takes_many(ds):
    "Whether `ds[i]` gives whole batches: a tensor, torch's TensorDataset, and a `Dataset` of two tensors."
    if isinstance(ds, Dataset): return all(torch.is_tensor(getattr(ds, name, None)) for name in 'xy')
    return torch.is_tensor(ds) or type(ds).__getitem__ is TensorDataset.__getitem__

# ---
# DataLoaders
# %% nbs/04_minibatch_training.ipynb 91920deb
DataLoaders = namedtuple('DataLoaders', 'train valid')   # two loaders of batches

def get_dls(train_ds, valid_ds, bs, seed=None, drop_last=False, workers=None):
    "Shuffled batches of `bs` for training; ordered ones of up to `2*bs`, none left out, for validation."
    train = BatchLoader(train_ds, bs, shuffle=True, drop_last=drop_last, seed=seed, workers=workers)
    return DataLoaders(train, BatchLoader(valid_ds, min(2*bs, len(valid_ds)), seed=seed, workers=workers))

# ---

# Generated from nbs/04_minibatch_training.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/04_minibatch_training.ipynb 4af45d85
import copy
from typing import NamedTuple
import torch
from torch.utils.data import DataLoader
from exp.nb_01 import MNIST, data_file, read_idx
from exp.nb_02 import get_data, normalize

# ---
# logsumexp
# %% nbs/04_minibatch_training.ipynb 6b9b7771
def logsumexp(z):
    "`log(sum(exp(z)))` over the last axis, (..., c) -> (...), without overflow for any finite `z`."
    a = z.detach().amax(-1, keepdim=True)                # it cancels, so no gradient goes through it
    return (z - a).exp().sum(-1).log() + a.squeeze(-1)

# ---
# log_softmax
# %% nbs/04_minibatch_training.ipynb 4c09382c
def log_softmax(z):
    "The logarithm of softmax over the last axis, (..., c) -> (..., c)."
    z = z - z.detach().amax(-1, keepdim=True)
    return z - logsumexp(z).unsqueeze(-1)

# ---
# nll
# %% nbs/04_minibatch_training.ipynb 0524bfc4
def nll(logp, targ):
    """The mean of `-logp[i, targ[i]]` for log-probabilities (n, c) and class numbers (n,), int64.
    Raises ValueError when the shapes do not belong together."""
    if logp.ndim != 2 or targ.shape != logp.shape[:1]:
        raise ValueError(f'nll: {tuple(logp.shape)} and {tuple(targ.shape)}, wanted (n, c) and (n,)')
    return -logp.gather(1, targ[:, None]).mean()

def cross_entropy(pred, targ):
    "`nll` of the softmax of the logits `pred`, (n, c), for class numbers `targ`, (n,)."
    return nll(log_softmax(pred), targ)

# ---
# accuracy
# %% nbs/04_minibatch_training.ipynb 4d45aaf5
def accuracy(pred, targ):
    "The share of rows of `pred`, (n, c), that are largest at the class `targ`, (n,); a scalar tensor."
    if pred.ndim != 2 or targ.shape != pred.shape[:1]:
        shapes = f'{tuple(pred.shape)} and {tuple(targ.shape)}'
        raise ValueError(f'accuracy: {shapes}, wanted (n, c) and (n,)')
    return (pred.argmax(1) == targ).float().mean()

# ---
# Optimizer
# %% nbs/04_minibatch_training.ipynb 59b8ffcd
class Optimizer:
    """Groups of parameters with settings of their own. A subclass has `update(p, g, memory, **settings)`,
    which changes the parameter `p` by its gradient `g`; `memory` is a dict that belongs to `p`. `params`
    are tensors, or dicts with `params` and those `settings` in which the group differs. ValueError when
    there are none, one is there twice, or a setting is none of `settings`; TypeError for a tensor."""
    def __init__(self, params, **settings):
        name = type(self).__name__
        if torch.is_tensor(params): raise TypeError(f'{name}: a tensor, wanted a list of them')
        groups = list(params)
        if not groups: raise ValueError(f'{name}: no parameters')
        if not isinstance(groups[0], dict): groups = [{'params': groups}]
        unknown = {key for group in groups for key in group} - {'params', *settings}
        if unknown: raise ValueError(f'{name}: no setting {sorted(unknown)} among {sorted(settings)}')
        self.param_groups = [{**settings, **group, 'params': list(group['params'])} for group in groups]
        self.memory = {p: {} for p in self.parameters()}
        if len(self.memory) < len(self.parameters()):
            raise ValueError(f'{name}: a parameter is there twice')

    def parameters(self): return [p for group in self.param_groups for p in group['params']]

    def settings(self):
        return [{k: v for k, v in group.items() if k != 'params'} for group in self.param_groups]

    @torch.no_grad()
    def step(self):
        for group, settings in zip(self.param_groups, self.settings()):
            for p in group['params']:
                if p.grad is not None: self.update(p, p.grad, self.memory[p], **settings)

    def zero_grad(self):
        for p in self.parameters(): p.grad = None

    def state_dict(self): return {'memory': list(self.memory.values()), 'settings': self.settings()}

    def load_state_dict(self, state):
        name, saved, here = type(self).__name__, len(state['memory']), len(self.memory)
        if saved != here: raise ValueError(f'{name}: a state of {saved} parameters for {here}')
        for p, memory in zip(self.memory, copy.deepcopy(state['memory'])):
            self.memory[p] = {k: v.to(p.device) if torch.is_tensor(v) else v for k, v in memory.items()}
        for group, settings in zip(self.param_groups, state['settings']): group.update(settings)

# ---
# SGD
# %% nbs/04_minibatch_training.ipynb 6087b700
class SGD(Optimizer):
    "Stochastic gradient descent with momentum (Polyak, 1964) and weight decay, as in torch.optim.SGD."
    def __init__(self, params, lr, momentum=0., weight_decay=0.):
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def update(self, p, g, memory, lr, momentum, weight_decay):
        if weight_decay: g = g.add(p, alpha=weight_decay)
        if momentum:
            v = memory.get('velocity')
            g = memory['velocity'] = g.clone() if v is None else v.mul_(momentum).add_(g)
        p.add_(g, alpha=-lr)

# ---
# take
# %% nbs/04_minibatch_training.ipynb 319965ea
def take(x, i):
    "`x[i]`, for a number, a slice or a tensor of numbers from 0; rows are copied in the fastest way."
    return x.index_select(0, i) if torch.is_tensor(x) and torch.is_tensor(i) and i.ndim == 1 else x[i]

# ---
# Dataset
# %% nbs/04_minibatch_training.ipynb 64fdc347
class Dataset:
    """Inputs `x` and targets `y` of one length, indexed by a number, a slice or a tensor of numbers.
    Raises ValueError when the lengths differ or there are no examples."""
    def __init__(self, x, y):
        if len(x) != len(y): raise ValueError(f'Dataset: {len(x)} inputs and {len(y)} targets')
        if not len(x): raise ValueError('Dataset: there are no examples')
        self.x, self.y = x, y

    def __len__(self): return len(self.x)
    def __getitem__(self, i): return take(self.x, i), take(self.y, i)

# ---
# BatchLoader
# %% nbs/04_minibatch_training.ipynb ad966634
class BatchLoader:
    """Batches of `bs` examples of `ds`, each fetched at once: `ds[i]` must take a slice and a tensor of
    indices. A list, or a `ds` with `workers` (0: in this process), is read item by item through
    torch.utils.data.DataLoader. `shuffle` draws a new order each epoch from a generator of the loader's
    own, which starts from `seed` (None: from torch's generator). `drop_last` leaves out a last batch
    smaller than `bs`. ValueError unless 1 <= bs <= len(ds)."""
    def __init__(self, ds, bs, shuffle=False, drop_last=False, seed=None, workers=None):
        if not 1 <= bs <= len(ds): raise ValueError(f'BatchLoader: bs={bs} for a data set of {len(ds)}')
        if workers is None and isinstance(ds, (list, tuple)): workers = 0     # a list gives single items
        self.ds, self.bs, self.shuffle = ds, bs, shuffle
        self.drop_last, self.workers = drop_last, workers
        seed = torch.randint(2**62, ()).item() if seed is None else seed
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self): return len(self.ds)//self.bs if self.drop_last else -(-len(self.ds)//self.bs)

    def __iter__(self):
        n = len(self.ds)
        if self.shuffle: batches = torch.randperm(n, generator=self.generator).split(self.bs)
        elif self.workers is None: batches = [slice(i, i + self.bs) for i in range(0, n, self.bs)]
        else: batches = torch.arange(n).split(self.bs)
        batches = batches[:len(self)]
        if self.workers is None: return (self.ds[batch] for batch in batches)
        lists = [batch.tolist() for batch in batches]
        return iter(DataLoader(self.ds, batch_sampler=lists, num_workers=self.workers))

    def state_dict(self):
        "Where the generator stands, which decides the order of the epochs to come."
        return {'generator': self.generator.get_state()}

    def load_state_dict(self, state): self.generator.set_state(state['generator'])

# ---
# DataLoaders
# %% nbs/04_minibatch_training.ipynb b95acb53
class DataLoaders(NamedTuple):
    "A loader of training batches and one of validation batches."
    train: BatchLoader
    valid: BatchLoader

def get_dls(train_ds, valid_ds, bs, seed=None, drop_last=False, workers=None):
    """`DataLoaders`: shuffled batches of `bs` for training, without a last smaller one if `drop_last`;
    ordered batches of up to `2*bs`, none left out, for validation."""
    train = BatchLoader(train_ds, bs, shuffle=True, drop_last=drop_last, seed=seed, workers=workers)
    return DataLoaders(train, BatchLoader(valid_ds, min(2*bs, len(valid_ds)), workers=workers))

# ---
# validate
# %% nbs/04_minibatch_training.ipynb a51a1e05
@torch.no_grad()
def validate(model, loss_func, dl):
    "Mean loss and accuracy of `model` over the examples of `dl`, each counted once, in eval mode."
    was_training = model.training
    model.eval()
    sums, count = torch.zeros(2), 0
    for xb, yb in dl:
        pred = model(xb)
        sums += torch.stack([loss_func(pred, yb), accuracy(pred, yb)]).cpu() * len(yb)
        count += len(yb)
    model.train(was_training)
    return tuple((sums / count).tolist())

# ---
# fit
# %% nbs/04_minibatch_training.ipynb 6be21662
def fit(epochs, model, loss_func, opt, train_dl, valid_dl):
    "Trains for `epochs` rounds through `train_dl`; returns validation loss and accuracy after each."
    history = []
    for _ in range(epochs):
        model.train()
        for xb, yb in train_dl:
            loss_func(model(xb), yb).backward()
            opt.step()
            opt.zero_grad()
        history.append(validate(model, loss_func, valid_dl))
    return history

# ---
# get_test_data
# %% nbs/04_minibatch_training.ipynb b534460b
def get_test_data(mean, std, dataset=MNIST):
    "`x_test, y_test`: the 10,000 examples of the test file, normalized by that `mean` and `std`."
    files = [f't10k-{kind}-ubyte.gz' for kind in ('images-idx3', 'labels-idx1')]
    x, y = [read_idx(data_file(dataset, file)) for file in files]
    return normalize(x.reshape(len(x), -1).float().div_(256), mean, std), y.long()

# ---

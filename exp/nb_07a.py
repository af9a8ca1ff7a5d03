# Generated from nbs/07a_hooks.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/07a_hooks.ipynb 93b9f7ff
import math
import torch
from torch import nn
from exp.nb_04a import Callback
from exp.nb_05 import check_count, contents

# ---
# KINDS
# %% nbs/07a_hooks.ipynb 026d157c
KINDS = {'forward': 'register_forward_hook', 'forward_pre': 'register_forward_pre_hook',
         'backward': 'register_full_backward_hook', 'backward_pre': 'register_full_backward_pre_hook'}

# ---
# leaves
# %% nbs/07a_hooks.ipynb 4ac423b1
def leaves(model):
    "The layers of `model` that have no layers within them, each once, in the order in which they were made."
    return [layer for layer in model.modules() if next(layer.children(), None) is None]

def listed(layers):
    "`layers`, modules or a model, as a list. TypeError: no layer; ValueError: none at all, or one that is there twice."
    layers = leaves(layers) if isinstance(layers, nn.Module) else list(layers)
    for layer in layers:
        if not isinstance(layer, nn.Module): raise TypeError(f'Hooks: {layer!r} is no layer')
    if not layers: raise ValueError('Hooks: there are no layers')
    if len({*layers}) < len(layers): raise ValueError('Hooks: a layer is there twice')
    return layers

# ---
# Hooks
# %% nbs/07a_hooks.ipynb 65daf799
class Hooks:
    """Calls `f` whenever one of `layers` is called: in `with Hooks(layers, f) as hooks:`, and no more after the
    block, however it ends. `layers`: modules, or a model, which stands for its `leaves`. `kind` says when, and with
    what: 'forward' f(layer, inputs, output), 'forward_pre' f(layer, inputs), 'backward' f(layer, gradients of the
    inputs, of the outputs), 'backward_pre' f(layer, gradients of the outputs). What f returns is kept unless None:
    `hooks[i]` is the list of layer i; with `replace` it replaces what passes. TypeError, ValueError: bad settings."""
    def __init__(self, layers, f, kind='forward', replace=False):
        self.layers = listed(layers)
        if not callable(f): raise TypeError(f'Hooks: {f!r} is no function')
        if kind not in KINDS: raise ValueError(f'Hooks: kind {kind!r} is none of {[*KINDS]}')
        self.f, self.kind, self.replace, self.handles, self.kept = f, kind, replace, [], []

    def register(self):
        "Begins, with nothing kept. RuntimeError between this and `remove`."
        if self.handles: raise RuntimeError('Hooks: these are registered already; wanted `remove` first, or others')
        self.kept = [[] for _ in self.layers]
        try:
            for layer, kept in zip(self.layers, self.kept):
                self.handles.append(getattr(layer, KINDS[self.kind])(self.hook(layer, kept)))
        except BaseException:
            self.remove()
            raise
        return self

    def hook(self, layer, kept):
        def called(module, *what):
            if module is not layer: return              # of a copy of the model, which has taken the hook along
            result = self.f(module, *what)
            if self.replace: return result
            if result is not None: kept.append(result)
        return called

    def remove(self):
        "Ends; a second time does no harm."
        try:
            for handle in self.handles: handle.remove()
        finally:                                        # all of them once more: a Ctrl-C may have come in between
            for handle in self.handles: handle.remove()
            self.handles = []

    def __enter__(self): return self.register()
    def __exit__(self, *raised): self.remove()
    def __getitem__(self, i): return self.kept[i]
    def __iter__(self): return iter(zip(self.layers, self.kept))

# ---
# largest
# %% nbs/07a_hooks.ipynb a5368936
def largest(x, axis=1):
    """The largest size of a number that each unit of `x` gives, for any example and anywhere: (units,). They lie along
    `axis`: 1 for (N, C, H, W) and (n, m), -1 for sequences (n, steps, m). One axis or none: one unit, and no axis."""
    others = [i for i in range(x.ndim) if i != axis % x.ndim]
    low, high = x.amin(0, keepdim=True), x.amax(0, keepdim=True)           # of neighbours in memory at once: faster
    return torch.maximum(high, -low).amax(others)

def dead_share(x, axis=1):
    "The share of dead units, whose `largest` is 0, as a tensor without axes."
    return (largest(x, axis) == 0).float().mean()

# ---
# histogram
# %% nbs/07a_hooks.ipynb cd85bf57
def histogram(x, bins, limit):
    """How many numbers of each row of `x`, (..., n), lie in each of `bins` equal parts of -limit to limit: (..., bins),
    int32. As `torch.histc`, and no GPU waits. What lies beyond, infinity too, is counted in the outermost part, NaN in
    none."""
    part = ((x + limit) * (bins / (2*limit))).clamp(0, bins - 1).nan_to_num(nan=bins).int()
    counts = torch.zeros(*x.shape[:-1], bins + 1, dtype=torch.int32, device=x.device)
    return counts.scatter_add_(-1, part.long(), torch.ones_like(part))[..., :bins]

# ---
# regular_sample
# %% nbs/07a_hooks.ipynb 3d870551
def regular_sample(x, size):
    """At most `size` numbers of `x`, evenly over all of it, (m,): every k-th, where k has no factor in common with
    the count of numbers of an example; else it would meet the same places of all examples and never the others."""
    k = max(1, math.ceil(x.numel() / size))
    while math.gcd(k, math.prod(x.shape[1:])) > 1: k += 1
    return x.flatten()[::k]

# ---
# measure
# %% nbs/07a_hooks.ipynb c550bc09
@torch.no_grad()
def measure(samples, most, bins=41, limit=10.):
    """Of some calls of a layer, `samples` (calls, m) of what it gave and what was `largest` in its units, `most`
    (calls, units) or (calls,): a row for each call, mean, spread and histogram of the sample, and between them the share
    of dead units. One tensor, (calls, 3 + bins), on their device. Half precision becomes float32."""
    x = samples.float() if samples.dtype in (torch.float16, torch.bfloat16) else samples
    mean = x.mean(1, keepdim=True)
    spread = (x - mean).square().mean(1, keepdim=True).sqrt()
    dead = (most.reshape(len(most), -1) == 0).to(x.dtype).mean(1, keepdim=True)
    return torch.cat([mean, spread, dead, histogram(x, bins, limit).to(x.dtype)], 1)

# ---
# first_tensor
# %% nbs/07a_hooks.ipynb 86743db4
def first_tensor(output):
    "The first tensor of floats in `output`, a tensor, tuple, list, dict or the like, without its graph; else None."
    if torch.is_tensor(output): return output.detach() if output.is_floating_point() else None
    parts = (first_tensor(part) for part in (contents(output) or {}).values())
    return next((part for part in parts if part is not None), None)

# ---
# LayerWatcher
# %% nbs/07a_hooks.ipynb 848a7792
class LayerWatcher(Callback):
    """Calls `look(layer, x)`, which a subclass defines, with what each of `layers` (None: the model's `leaves`) gives
    in every `every`-th training batch of a fit: x is its `first_tensor`; without one, or with an empty one, nobody is
    called. `seen` counts the batches. Hooks are there only while a training batch goes forward."""
    fits_only = True
    def __init__(self, layers=None, every=1):
        check_count(f'{type(self).__name__}: every', every)
        self.every, self.seen, self.all_layers = every, 0, layers is None
        self.hooks = None if layers is None else Hooks(layers, self.listen)

    def setup(self, learn):
        if self.all_layers: self.hooks = Hooks(learn.model, self.listen)
        places = {layer: place for place, layer in learn.model.named_modules()}
        self.names = [f'{places.get(layer, "")} {type(layer).__name__}'.strip() for layer in self.hooks.layers]
        self.seen = 0

    def before_batch(self, learn):
        if not learn.training: return
        if self.seen % self.every == 0: self.hooks.register()
        self.seen += 1

    def listen(self, layer, inputs, output):
        x = first_tensor(output)
        if x is not None and x.numel(): self.look(layer, x)

    def after_pred(self, learn): self.hooks.remove()
    after_batch = teardown = after_pred

# ---
# LayerRecorder
# %% nbs/07a_hooks.ipynb c60b643a
class LayerRecorder(LayerWatcher):
    """The figures of `measure` for what each of `layers` gives, in every `every`-th training batch, of a sample of at
    most `size` numbers. Each fit begins anew; nothing goes into a checkpoint. ValueError, TypeError: settings that
    cannot be meant."""
    TOGETHER = 16
    def __init__(self, layers=None, every=1, axis=1, bins=41, limit=10., size=2**12):
        super().__init__(layers, every)
        name = type(self).__name__
        for what, value in (('bins', bins), ('size', size)): check_count(f'{name}: {what}', value)
        if axis not in (1, -1): raise ValueError(f'{name}: axis {axis!r}, wanted 1 or -1')
        if not 0 < limit < math.inf: raise ValueError(f'{name}: limit {limit!r}, wanted a number over 0')
        self.axis, self.bins, self.limit, self.size = axis, bins, limit, size

    def setup(self, learn):
        super().setup(learn)
        self.rows, self.waiting = ({layer: [] for layer in self.hooks.layers} for _ in range(2))

    def look(self, layer, x):
        found, waiting = (regular_sample(x, self.size).clone(), largest(x, self.axis)), self.waiting[layer]
        if waiting and [one.shape for one in found] != [one.shape for one in waiting[0][1:]]: self.settle(layer)
        waiting.append((self.seen, *found))
        if len(waiting) == self.TOGETHER: self.settle(layer)

    def settle(self, layer):
        "Measures the calls of `layer` that wait."
        if not self.waiting[layer]: return
        batches, samples, most = zip(*self.waiting[layer])
        self.rows[layer] += zip(batches, measure(torch.stack(samples), torch.stack(most), self.bins, self.limit))
        self.waiting[layer].clear()

    def table(self, i):
        """Of layer i a dict of tensors on the CPU, with a row for each call: `batch`, counted from 1, `mean`, `spread`
        and `dead`, (calls,), and `hist`, (calls, bins)."""
        layer = [*self.rows][i]
        self.settle(layer)
        batches, rows = zip(*self.rows[layer]) if self.rows[layer] else ((), ())
        values = torch.stack(rows).cpu() if rows else torch.zeros(0, 3 + self.bins)
        figures = dict(zip(('mean', 'spread', 'dead'), values.T))
        return {'batch': torch.tensor(batches, dtype=torch.int64), **figures, 'hist': values[:, 3:]}

# ---
# ActivationStats
# %% nbs/07a_hooks.ipynb 1c3e0680
class ActivationStats(LayerRecorder):
    "What a LayerRecorder has seen in a fit, in words and as a picture."
    DYING, DEAD = .25, .9

    def state(self, table):
        """'dead' where at least DEAD of the units were dead, on average over the last tenth of the calls, 'dying' from
        DYING on, else 'alive'; before these 'not called', and 'not finite' if a mean or spread was not."""
        late = {name: values[-math.ceil(len(values) / 10):] for name, values in table.items()}
        if not len(table['batch']): return 'not called'
        if not (late['mean'] + late['spread']).isfinite().all(): return 'not finite'
        dead = late['dead'].mean()
        return 'dead' if dead >= self.DEAD else 'dying' if dead >= self.DYING else 'alive'

    def summary(self):
        """A table as text, a row for each layer: mean, spread and share of dead units in the last tenth of its calls,
        from which batch on half of its units were dead to the end, and its `state`."""
        lines = [f'{"layer":<20} {"mean":>8} {"spread":>8} {"dead":>6} {"half dead from":>16}  state']
        for i, name in enumerate(self.names):
            table = self.table(i)
            if not (n := math.ceil(len(table['batch']) / 10)):
                lines.append(f'{name:<60}  not called')
                continue
            mean, spread, dead = (table[what][-n:].mean() for what in ('mean', 'spread', 'dead'))
            fine = (table['dead'] < .5).nonzero().flatten().tolist()
            since = table['batch'][(fine[-1] if fine else -1) + 1:][:1].tolist()
            when = f'batch {since[0]}' if since else ''
            lines.append(f'{name:<20} {mean:8.2f} {spread:8.2f} {dead:6.0%} {when:>16}  {self.state(table)}')
        return '\n'.join(lines)

    def plot(self, axes=None):
        "Heat maps of the layers, on `axes` or a new figure: over batches, log(1 + count) of the activations by size."
        import matplotlib.pyplot as plt
        n = len(self.names)
        if axes is None:
            look = dict(figsize=(2.5*n, 2.5), dpi=110, sharey=True, squeeze=False, layout='constrained')
            axes = plt.subplots(1, n, **look)[1][0]
        if len(axes) != n: raise ValueError(f'{type(self).__name__}: {len(axes)} axes for {n} layers')
        how = dict(origin='lower', aspect='auto', cmap='magma', vmin=0, vmax=math.log1p(self.size))
        for i, (ax, name) in enumerate(zip(axes, self.names)):
            if len((table := self.table(i))['batch']):
                ends = table['batch'][0] - .5, table['batch'][-1] + .5, -self.limit, self.limit
                ax.imshow(table['hist'].T.log1p().numpy(), extent=ends, **how)
            ax.set(title=f'{name}: {self.state(table)}', xlabel='batch', ylabel='activation' if i == 0 else '')
        return axes

# ---

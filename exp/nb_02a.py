# Generated from nbs/02a_initialization.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/02a_initialization.ipynb c37c2128
import math
from typing import NamedTuple
import torch
from torch import nn

# ---
# gain
# %% nbs/02a_initialization.ipynb 800224e3
def gain(nonlinearity, a=.01):
    """By how much the weights before `nonlinearity` must exceed `1/sqrt(fan)`: 'linear', 'relu', 'tanh', or
    'leaky_relu' with slope `a` below 0 (He et al., 2015). The 5/3 of tanh is PyTorch's, which does not derive it."""
    gains = {'linear': 1., 'tanh': 5/3, 'relu': math.sqrt(2), 'leaky_relu': math.sqrt(2 / (1 + a**2))}
    if nonlinearity not in gains: raise ValueError(f'gain: {nonlinearity!r} is none of {[*gains]}')
    return gains[nonlinearity]

# ---
# fans
# %% nbs/02a_initialization.ipynb 3574222a
def fans(w):
    """`(fan_in, fan_out)` of a weight (out, in) or (out, in, kh, kw): how many products an output adds up, and in how
    many outputs an input appears, counted far from the edges, for stride 1 and without groups.
    Raises ValueError for fewer than 2 dimensions, or an empty weight."""
    if w.ndim < 2 or 0 in w.shape:
        raise ValueError(f'fans: a weight is (out, in) or (out, in, kh, kw), none of them 0, not {tuple(w.shape)}')
    field = math.prod(w.shape[2:])
    return w.shape[1] * field, w.shape[0] * field

# ---
# kaiming_std
# %% nbs/02a_initialization.ipynb 2beda932
def kaiming_std(w, a=0., mode='fan_in'):
    """The standard deviation that keeps the size of the activations (`mode` 'fan_in') or of the gradients ('fan_out')
    in layers with weights like `w` and leaky relus of slope `a` (He et al., 2015)."""
    if mode not in ('fan_in', 'fan_out'):
        raise ValueError(f"kaiming_std: mode {mode!r} is neither 'fan_in' nor 'fan_out'")
    return gain('leaky_relu', a) / math.sqrt(fans(w)[mode == 'fan_out'])

# ---
# kaiming_normal_
# %% nbs/02a_initialization.ipynb fccee4a9
@torch.no_grad()
def kaiming_normal_(w, a=0., mode='fan_in', generator=None):
    "`w` filled with normal numbers of spread `kaiming_std`; returns `w`."
    return w.normal_(0, kaiming_std(w, a, mode), generator=generator)

@torch.no_grad()
def kaiming_uniform_(w, a=0., mode='fan_in', generator=None):
    "`w` filled with numbers drawn evenly from an interval about 0, of spread `kaiming_std`; returns `w`."
    bound = math.sqrt(3) * kaiming_std(w, a, mode)
    return w.uniform_(-bound, bound, generator=generator)

# ---
# xavier_std
# %% nbs/02a_initialization.ipynb 13d48676
def xavier_std(w, gain=1.):
    "`gain * sqrt(2 / (fan_in + fan_out))`, a compromise between both directions (Glorot and Bengio, 2010)."
    return gain * math.sqrt(2 / sum(fans(w)))

@torch.no_grad()
def xavier_normal_(w, gain=1., generator=None):
    "`w` filled with normal numbers of spread `xavier_std`; returns `w`."
    return w.normal_(0, xavier_std(w, gain), generator=generator)

@torch.no_grad()
def xavier_uniform_(w, gain=1., generator=None):
    "`w` filled with numbers drawn evenly from an interval about 0, of spread `xavier_std`; returns `w`."
    bound = math.sqrt(3) * xavier_std(w, gain)
    return w.uniform_(-bound, bound, generator=generator)

# ---
# LayerStats
# %% nbs/02a_initialization.ipynb 0106a340
class LayerStats(NamedTuple):
    "Of one layer's output: mean, spread, the share of exact zeros; and the root mean square of its gradient."
    layer: str
    mean: float
    std: float
    zeros: float
    grad: float

    @property
    def rms(self):
        "The root of the mean square, which is what the next layer feels."
        return math.hypot(self.mean, self.std)

# ---
# layer_stats
# %% nbs/02a_initialization.ipynb 615f4ed9
def layer_stats(layers, x, g=None):
    """A list of `LayerStats`, one for each of the `layers` (an nn.Sequential, or a list), called in turn on floats `x`.
    The gradients are those of `(output * g).sum()`, with g = 1 unless given; no parameter's `.grad` is touched."""
    outs, x = [], x.detach().requires_grad_()
    with torch.enable_grad():
        for layer in layers: outs.append(layer((outs[-1] if outs else x).clone()))     # cloned: it may work in place
    if not outs: raise ValueError('layer_stats: there are no layers')
    grads = torch.autograd.grad(outs[-1], outs, torch.ones_like(outs[-1]) if g is None else g)
    pairs = [[t.detach().cpu().double() for t in pair] for pair in zip(outs, grads)]
    return [LayerStats(type(layer).__name__, out.mean().item(), out.std(correction=0).item(),
                       (out == 0).double().mean().item(), grad.pow(2).mean().sqrt().item())
            for layer, (out, grad) in zip(layers, pairs)]

# ---
# init_layers
# %% nbs/02a_initialization.ipynb 3fee3ee6
@torch.no_grad()
def init_layers(model, func=kaiming_normal_, **settings):
    """Fills the weights of all linear and convolutional layers by `func(weight, **settings)`, biases by 0; returns
    `model`. Transposed convolutions are left alone: their weights are kept as (in, out, kh, kw), and `fans` would
    exchange them. Raises ValueError when the model has no such layer."""
    kinds = nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d
    layers = [layer for layer in model.modules() if isinstance(layer, kinds)]
    if not layers: raise ValueError(f'init_layers: {type(model).__name__} has no linear or convolutional layer')
    for layer in layers:
        func(layer.weight, **settings)
        if layer.bias is not None: layer.bias.zero_()
    return model

# ---
# orthogonal_
# %% nbs/02a_initialization.ipynb 2df12958
@torch.no_grad()
def orthogonal_(w, gain=1., generator=None):
    """`w`, (out, in) or (out, in, kh, kw), filled so that its rows, or its columns where these are fewer, are
    perpendicular and of length `gain`; returns `w`, which is float32 or float64. All such matrices are equally likely
    (Saxe et al., 2013)."""
    fans(w)                                              # refuses what has none
    flat = w.new_empty(len(w), w[0].numel()).normal_(generator=generator)
    wide = flat.shape[0] < flat.shape[1]
    q, r = torch.linalg.qr(flat.t() if wide else flat)
    q = q * r.diagonal().sign()
    return w.copy_((q.t() if wide else q).reshape(w.shape)).mul_(gain)

# ---

# Generated from nbs/08_normalisation.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/08_normalisation.ipynb 1e52dc18
import math
import torch
from torch import nn
from exp.nb_05 import check_count
from exp.nb_07 import conv_block
from exp.nb_07a import Hooks

# ---
# wide
# %% nbs/08_normalisation.ipynb d93b816d
def wide(x):
    "`x`, in float32 where it is of a half type: sums of squares need the digits."
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x

def centred(x, axes, centre=True):
    """`(mean, moved, variance)` of each set of numbers that lie along `axes`: what they share, `x` less it, and the mean of the
    squares of that; the axes are kept. Without `centre` the mean is 0."""
    mean = x.mean(axes, keepdim=True) if centre else x.new_zeros(())
    moved = x - mean
    return mean, moved, (moved * moved).mean(axes, keepdim=True)

# ---
# scaled
# %% nbs/08_normalisation.ipynb 87f01639
def scaled(x, w, b):
    "`x*w + b`; None stands for 1 and 0."
    x = x if w is None else x*w
    return x if b is None else x + b

def standardise(x, axes, eps=1e-5, w=None, b=None, centre=True):
    "`x` less the mean, divided by the root of the variance plus `eps`, of each set of numbers along `axes`; then `scaled`."
    _, moved, var = centred(x, axes, centre)
    return scaled(moved * (var + eps).rsqrt(), w, b)

# ---
# Standardise
# %% nbs/08_normalisation.ipynb a7fb5d4a
class Standardise(torch.autograd.Function):
    """`standardise` for a block (N, G, K, P) with weights (G, K, 1), and its backward pass by hand; gives mean and variance too.
    A second derivative is left to autograd."""
    @staticmethod
    def forward(ctx, x, w, b, axes, eps, centre):
        mean, y, var = centred(wide(x), axes, centre)
        rstd = (var + eps).rsqrt()
        ctx.save_for_backward(x, w, b, mean, rstd)
        ctx.how = axes, eps, centre
        ctx.mark_non_differentiable(mean, var)
        y.mul_(rstd)
        if w is not None: y.mul_(w)
        if b is not None: y.add_(b)
        return y.to(x.dtype), mean, var

    @staticmethod
    def backward(ctx, g, *_):
        (x, w, b, mean, rstd), (axes, eps, centre) = ctx.saved_tensors, ctx.how
        if torch.is_grad_enabled(): return *again(x, w, b, axes, eps, centre, g), None, None, None
        g, moved, n = wide(g), x - mean, math.prod(x.shape[axis] for axis in axes)
        dot, total = [t if t.shape[-1] == 1 else t.sum(-1, keepdim=True) for t in (g * moved, g)]     # of each row: (N, G, K, 1)
        dot = dot * rstd                                                                             # g times the normalised x
        w_grad, b_grad = dot.sum(0), total.sum(0)
        if w is not None: dot, total = dot * w, total * w
        slope, level = [t.sum(axes, keepdim=True) / n for t in (dot, total)]
        x_grad = moved.mul_(-slope * rstd**2).addcmul_(g, rstd if w is None else w * rstd)
        if centre: x_grad.sub_(level * rstd)
        grads = [None if t is None else grad.to(t.dtype) for t, grad in ((x, x_grad), (w, w_grad), (b, b_grad))]
        return *grads, None, None, None

# ---
# again
# %% nbs/08_normalisation.ipynb 72376ffd
def again(x, w, b, axes, eps, centre, g):
    "The gradients of the inputs of `Standardise`, with their own graph."
    inputs = [t for t in (x, w, b) if t is not None and t.requires_grad]
    with torch.enable_grad(): y = standardise(wide(x), axes, eps, w, b, centre).to(x.dtype)
    grads = iter(torch.autograd.grad(y, inputs, g, create_graph=True))
    return [next(grads) if t is not None and t.requires_grad else None for t in (x, w, b)]

# ---
# check_kind
# %% nbs/08_normalisation.ipynb 5e6096cf
def check_kind(name, x, own):
    "Raises TypeError unless `x` is of floats and those of the layer, `own`, are of the same type, or of float32 for halves."
    kinds = {t.dtype for t in own if t is not None and t.is_floating_point()}
    if not x.is_floating_point() or kinds - {x.dtype, wide(x).dtype}:
        raise TypeError(f'{name}: x of {x.dtype} and its own numbers of {sorted(map(str, kinds))}, wanted one floating type')

class Scale(nn.Module):
    "What all norms share: a `weight`, ones at first, and a `bias`, zeros, of a given shape; None where there is none."
    def __init__(self, shape, weight, bias):
        super().__init__()
        self.register_parameter('weight', nn.Parameter(torch.ones(shape)) if weight else None)
        self.register_parameter('bias', nn.Parameter(torch.zeros(shape)) if weight and bias else None)

    def normalise(self, x, block, axes, eps, centre=True):
        "`(y, mean, variance)`: `x` as a `block` (N, G, K, P), its sets along `axes` standardised, one weight and bias for each of G*K."
        w, b = [None if p is None else p.reshape(*block[1:3], 1) for p in (self.weight, self.bias)]
        y, mean, var = Standardise.apply(x.reshape(block), w, b, axes, eps, centre)
        return y.reshape(x.shape), mean, var

# ---
# BatchNorm
# %% nbs/08_normalisation.ipynb 3ca40b3e
class BatchNorm(Scale):
    """Normalises each channel of (N, C) to (N, C, D, H, W) over the batch and all places (Ioffe and Szegedy, 2015), as
    nn.BatchNorm1d, 2d and 3d do. When training, by the batch, and the running statistics move towards its own by the share
    `momentum` (None: they are the mean over all batches); in eval mode by these. `track_running_stats=False`: always by the batch.
    ValueError: other axes or channels, or one value per channel; TypeError: another type of number."""
    axes, least = (0, 2, 3), 2
    def __init__(self, num_features, eps=1e-5, momentum=.1, affine=True, track_running_stats=True, *, bias=True):
        check_count(f'{type(self).__name__}: num_features', num_features)
        super().__init__(num_features, affine, bias)
        self.num_features, self.eps, self.momentum, self.track_running_stats = num_features, eps, momentum, track_running_stats
        buffers = dict(running_mean=torch.zeros(num_features), running_var=torch.ones(num_features), num_batches_tracked=torch.tensor(0))
        for name, buffer in buffers.items(): self.register_buffer(name, buffer if track_running_stats else None)

    def check(self, x):
        name, shape = type(self).__name__, tuple(x.shape)
        if not self.least <= x.ndim <= 5: raise ValueError(f'{name}: x {shape}, wanted {self.least} to 5 axes, (N, C, …)')
        if x.shape[1] != self.num_features: raise ValueError(f'{name}: x {shape}, wanted {self.num_features} channels, (N, {self.num_features}, …)')
        check_kind(name, x, (self.weight, self.bias, self.running_mean))

    def forward(self, x):
        self.check(x)
        if self.track_running_stats and not self.training: return self.by_running(x)
        block = *x.shape[:2], 1, math.prod(x.shape[2:])
        n = math.prod(block[axis] for axis in self.axes)
        if n == 1: raise ValueError(f'{type(self).__name__}: one value per channel in x {tuple(x.shape)}, wanted more: a single number has no spread')
        y, mean, var = self.normalise(x, block, self.axes, self.eps)
        if self.track_running_stats: self.remember(mean, var, n)
        return y

    def by_running(self, x):
        "`x` by the running statistics: the same function, a factor and a summand for each channel, whatever the batch."
        shape = -1, *[1]*(x.ndim - 2)
        mean, rstd = wide(self.running_mean), (wide(self.running_var) + self.eps).rsqrt()
        w, b = [None if p is None else p.view(shape) for p in (self.weight, self.bias)]
        return scaled((x - mean.view(shape)) * rstd.view(shape), w, b).to(x.dtype)

    @torch.no_grad()
    def remember(self, mean, var, n):
        "The running statistics move towards `mean` and the unbiased variance of `n` numbers."
        self.num_batches_tracked += 1
        if n == 0: return
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        for running, new in ((self.running_mean, mean), (self.running_var, var * (n / (n - 1)))):
            running.lerp_(new.mean(0).flatten().to(running.dtype), share)

# ---
# conv_norm
# %% nbs/08_normalisation.ipynb 59ccb346
def conv_norm(c_in, c_out, kernel_size=3, stride=1, norm=BatchNorm, act=nn.ReLU):
    """`conv_block` with the layer `norm(c_out)` between convolution and activation. The convolution then has no bias: the norm has
    one, and would take the other off. With `norm` None it is a conv_block. ValueError: an even kernel."""
    block = conv_block(c_in, c_out, kernel_size, stride, act)
    if norm is None: return block
    block[0].bias = None
    return block.insert(1, norm(c_out))

# ---
# InstanceNorm
# %% nbs/08_normalisation.ipynb 53a89446
class InstanceNorm(BatchNorm):
    """Normalises each channel of each example of (N, C, L) to (N, C, D, H, W) over its places (Ulyanov et al., 2016), as
    nn.InstanceNorm1d, 2d and 3d do, without a weight unless asked. Running statistics, where they are asked for, move by the mean
    over the examples; the batches are not counted, so a `momentum` of None is refused. ValueError and TypeError as in BatchNorm."""
    axes, least = (2, 3), 3
    def __init__(self, num_features, eps=1e-5, momentum=.1, affine=False, track_running_stats=False, *, bias=True):
        if momentum is None: raise ValueError('InstanceNorm: momentum None, wanted a number: it does not count its batches')
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)

    def remember(self, mean, var, n):
        super().remember(mean, var, n if len(mean) else 0)
        self.num_batches_tracked.zero_()

# ---
# GroupNorm
# %% nbs/08_normalisation.ipynb a2c65e14
class GroupNorm(Scale):
    """Normalises `num_groups` groups of the channels of each example of (N, C, …) (Wu and He, 2018), as nn.GroupNorm does.
    ValueError: channels that the groups do not divide, other channels, one value per group in all; TypeError: another type."""
    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, *, bias=True):
        for what, value in (('num_groups', num_groups), ('num_channels', num_channels)): check_count(f'GroupNorm: {what}', value)
        if num_channels % num_groups: raise ValueError(f'GroupNorm: {num_channels} channels cannot be shared out to {num_groups} groups')
        super().__init__(num_channels, affine, bias)
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps

    def forward(self, x):
        if x.ndim < 2 or x.shape[1] != self.num_channels: raise ValueError(f'GroupNorm: x {tuple(x.shape)}, wanted (N, {self.num_channels}, …)')
        check_kind('GroupNorm', x, (self.weight, self.bias))
        block = len(x), self.num_groups, self.num_channels//self.num_groups, math.prod(x.shape[2:])
        if block[0] * block[2] * block[3] == 1: raise ValueError(f'GroupNorm: one value per group in x {tuple(x.shape)}, wanted more')
        return self.normalise(x, block, (2, 3), self.eps)[0]

# ---
# LayerNorm
# %% nbs/08_normalisation.ipynb 7e99aef0
class LayerNorm(Scale):
    """Normalises each example by itself, over its last axes, which are `normalized_shape`, a number or a tuple; each number there has
    a weight and a bias of its own (Ba, Kiros and Hinton, 2016), as in nn.LayerNorm. ValueError: other axes; TypeError: another type."""
    centre = True
    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        if not shape: raise ValueError(f'{type(self).__name__}: normalized_shape (), wanted one axis or more')
        for size in shape: check_count(f'{type(self).__name__}: normalized_shape', size)
        super().__init__(shape, elementwise_affine, bias)
        self.normalized_shape, self.eps = shape, eps

    def forward(self, x):
        name, size = type(self).__name__, len(self.normalized_shape)
        if x.shape[-size:] != self.normalized_shape: raise ValueError(f'{name}: x {tuple(x.shape)}, wanted its last axes to be {self.normalized_shape}')
        check_kind(name, x, (self.weight, self.bias))
        block = math.prod(x.shape[:-size]), 1, math.prod(self.normalized_shape), 1
        eps = torch.finfo(wide(x).dtype).eps if self.eps is None else self.eps
        return self.normalise(x, block, (2, 3), eps, self.centre)[0]

class RMSNorm(LayerNorm):
    """LayerNorm without the mean and without a bias: divides by the root of the mean square (Zhang and Sennrich, 2019), as
    nn.RMSNorm does. `eps` None: the distance from 1 to the next number of the type that it computes in."""
    centre = False
    def __init__(self, normalized_shape, eps=None, elementwise_affine=True):
        super().__init__(normalized_shape, eps, elementwise_affine, bias=False)

# ---
# WEIGHTED
# %% nbs/08_normalisation.ipynb ef8c6c37
WEIGHTED = nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d

def set_spread_(layer, out):
    """Changes weight and bias of `layer` so that what was `out` has spread 1, and mean 0 if there is a bias; returns the new one.
    ValueError: the spread is 0 or no finite number."""
    mean, spread = wide(out).mean(), wide(out).std(correction=0)
    if not 0 < spread < math.inf: raise ValueError(f'lsuv_: the output of {layer} has the spread {spread:.3g}')
    layer.weight.div_(spread)
    if layer.bias is None: return out / spread
    layer.bias.sub_(mean).div_(spread)
    return (out - mean) / spread

# ---
# lsuv_
# %% nbs/08_normalisation.ipynb 5c4e3fdd
@torch.no_grad()
def lsuv_(model, xb, layers=None):
    """Scales weights and shifts biases of `layers`, unless given all linear and convolutional ones, so that each gives the batch `xb`
    spread 1 and, where it has a bias, mean 0 (after Mishkin and Matas, 2016). Returns `model`, which is called once; running
    statistics are put back, and a weight that is used again stays as its first use has made it. ValueError: other layers or
    none, one that is not called, or whose output is constant or not finite."""
    layers = [layer for layer in model.modules() if isinstance(layer, WEIGHTED)] if layers is None else list(layers)
    others = [layer for layer in layers if not isinstance(layer, WEIGHTED)]
    if others or not layers: raise ValueError(f'lsuv_: {others or "no layers"}, wanted linear or convolutional ones')
    done, before = set(), [(buffer, buffer.clone()) for buffer in model.buffers()]
    def correct(layer, _, out):
        if layer.weight in done: return out
        done.add(layer.weight)
        return set_spread_(layer, out)
    try:
        with Hooks(layers, correct, replace=True): model(xb)
    finally:
        for buffer, value in before: buffer.copy_(value)
    missed = [layer for layer in layers if layer.weight not in done]
    if missed: raise ValueError(f'lsuv_: {missed[0]} was not called')
    return model

# ---

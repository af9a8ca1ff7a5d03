# Generated from nbs/07_convolutions.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/07_convolutions.ipynb 40b7daa3
import math
import torch
from torch import nn
from torch.nn import functional as F

# ---
# out_size
# %% nbs/07_convolutions.ipynb dc8aac4c
def out_size(size, kernel_size, stride=1, padding=0, dilation=1):
    "How many places a kernel has along an axis of `size` numbers. ValueError where it has none, or for impossible settings."
    if min(kernel_size, stride, dilation) < 1 or padding < 0:
        raise ValueError(f'kernel_size {kernel_size}, stride {stride}, padding {padding}, dilation {dilation}: '
                         'wanted 1 or more, and a padding of 0 or more')
    span, room = dilation*(kernel_size - 1) + 1, size + 2*padding
    if span > room: raise ValueError(f'a kernel that spans {span} numbers has no place among {room}')
    return (room - span)//stride + 1

# ---
# both
# %% nbs/07_convolutions.ipynb 1d36f51b
def both(name, value):
    "`value`, a whole number from 0 on or two of them, as a pair (height, width). ValueError for anything else."
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or any(type(v) is not int or v < 0 for v in pair):
        raise ValueError(f'{name} {value!r}, wanted a whole number from 0 on or a pair of them')
    return pair

def windows(x, kernel_size, stride=1, dilation=1):
    """All windows of `x`, (N, C, H, W), as a view (N, C, H', W', kh, kw): the one at row i, column j is `[:, :, i, j]`.
    ValueError for other axes, or a kernel that does not fit."""
    if x.ndim != 4: raise ValueError(f'windows: {tuple(x.shape)}, wanted (N, C, H, W)')
    sizes, strides, dilations = both('kernel_size', kernel_size), both('stride', stride), both('dilation', dilation)
    places = [out_size(n, k, s, 0, d) for n, k, s, d in zip(x.shape[2:], sizes, strides, dilations)]
    images, steps = x.stride()[:2], x.stride()[2:]
    between, inside = [[a * step for a, step in zip(by, steps)] for by in (strides, dilations)]
    return x.as_strided((*x.shape[:2], *places, *sizes), (*images, *between, *inside))

# ---
# columns_of
# %% nbs/07_convolutions.ipynb 53642e16
def columns_of(x, kernel_size, stride, padding, dilation):
    "The windows of `x`, (N, C, H, W), as columns (N, C*kh*kw, places), copied; the settings are pairs."
    ph, pw = padding
    seen = windows(F.pad(x, (pw, pw, ph, ph)), kernel_size, stride, dilation)
    return seen.permute(0, 1, 4, 5, 2, 3).flatten(4).flatten(1, 3)

# ---
# col2im
# %% nbs/07_convolutions.ipynb 206e3935
def col2im(cols, size, kernel_size, stride=1, padding=0, dilation=1):
    """The transpose of `im2col`: (N, C*kh*kw, places) -> (N, C, *size). Each number is added where im2col would have
    copied it from. ValueError when the columns are not those of such a picture."""
    (h, w), (kh, kw), (ph, pw) = both('size', size), both('kernel_size', kernel_size), both('padding', padding)
    padded = cols.new_zeros(len(cols), cols.shape[1]//(kh*kw), h + 2*ph, w + 2*pw)
    seen = windows(padded, (kh, kw), stride, dilation)
    n, c, *places = seen.shape[:4]
    if cols.shape != (n, c*kh*kw, math.prod(places)):
        raise ValueError(f'col2im: columns {tuple(cols.shape)} for {places} places of a kernel {(kh, kw)}')
    parts = cols.view(n, c, kh, kw, *places)
    for i in range(kh):
        for j in range(kw): seen[..., i, j].add_(parts[:, :, i, j])       # no two of these places are the same
    return padded[:, :, ph:ph + h, pw:pw + w]

# ---
# Columns
# %% nbs/07_convolutions.ipynb 5eeb2dbb
class Columns(torch.autograd.Function):
    "`im2col` and its way back, `col2im`; the settings are pairs."
    @staticmethod
    def forward(ctx, x, kernel_size, stride, padding, dilation):
        ctx.how = x.shape[2:], kernel_size, stride, padding, dilation
        return columns_of(x, kernel_size, stride, padding, dilation)

    @staticmethod
    def backward(ctx, g): return col2im(g, *ctx.how), None, None, None, None

def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    """The windows of `x`, (N, C, H, W), as columns (N, C*kh*kw, places), copied (Chellapilla et al., 2006). Settings
    are numbers or pairs. ValueError for other axes, or a kernel that does not fit."""
    settings = dict(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    return Columns.apply(x, *(both(name, value) for name, value in settings.items()))

# ---
# Correlation
# %% nbs/07_convolutions.ipynb fe0fe7ff
class Correlation(torch.autograd.Function):
    "What `conv2d` does, and its three gradients, a few images at a time: their columns are about half a million numbers."
    @staticmethod
    def forward(ctx, x, w, b, groups, *how):
        ctx.save_for_backward(x, w)
        size = [out_size(*numbers) for numbers in zip(x.shape[2:], *how)]
        ctx.groups, ctx.how, ctx.n = groups, how, max(1, 2**19 // (groups * w[0].numel() * math.prod(size)))
        rows = w.flatten(1).unflatten(0, (groups, -1))                       # (groups, O/groups, C/groups·kh·kw)
        y = x.new_empty(len(x), *rows.shape[:2], math.prod(size))                # written part by part
        for xb, yb in zip(x.split(ctx.n), y.split(ctx.n)):
            part = rows @ im2col(xb, *how).unflatten(1, (groups, -1))
            yb.copy_(part if b is None else part.add_(b.view(groups, -1, 1)))
        return y.flatten(1, 2).unflatten(2, size)

    @staticmethod
    def backward(ctx, g):
        (x, w), how, groups = ctx.saved_tensors, ctx.how, ctx.groups
        for_x, for_w, for_b = ctx.needs_input_grad[:3]
        rows, x_grad = w.flatten(1).unflatten(0, (groups, -1)), x.new_empty(x.shape) if for_x else None
        w_grad = torch.zeros_like(rows)
        for part in [slice(i, i + ctx.n) for i in range(0, len(x), ctx.n)]:
            gb = g[part].flatten(2).unflatten(1, (groups, -1))
            if for_w:
                cols = im2col(x[part], *how).unflatten(1, (groups, -1))
                w_grad = w_grad + (gb @ cols.transpose(2, 3)).sum(0)
            if for_x: x_grad[part] = col2im((rows.transpose(1, 2) @ gb).flatten(1, 2), x.shape[2:], *how)
        w_grad, b_grad = w_grad.view_as(w) if for_w else None, g.sum((0, 2, 3)) if for_b else None
        return x_grad, w_grad, b_grad, None, *[None]*len(how)

# ---
# check_conv
# %% nbs/07_convolutions.ipynb f1b1ede5
def check_conv(x, w, b, groups):
    "Raises ValueError or TypeError unless picture, kernels and bias fit together."
    shapes = f'x {tuple(x.shape)}, w {tuple(w.shape)}' + ('' if b is None else f', b {tuple(b.shape)}')
    if x.ndim != 4 or w.ndim != 4: raise ValueError(f'conv2d: {shapes}, wanted (N, C, H, W) and (O, C/groups, kh, kw)')
    if type(groups) is not int or groups < 1: raise ValueError(f'conv2d: groups {groups!r}, wanted a whole number from 1 on')
    if 0 in w.shape or 0 in x.shape[1:]: raise ValueError(f'conv2d: {shapes}: only the batch may be empty')
    if x.shape[1] != groups * w.shape[1]:
        raise ValueError(f'conv2d: {shapes}: {x.shape[1]} channels, and {groups} group(s) of {w.shape[1]} in the kernels')
    if len(w) % groups: raise ValueError(f'conv2d: {shapes}: {len(w)} kernels cannot be shared out to {groups} groups')
    if b is not None and b.shape != w.shape[:1]: raise ValueError(f'conv2d: {shapes}: wanted a bias for each of {len(w)} kernels')
    kinds = {t.dtype for t in (x, w, b) if t is not None}
    if len(kinds) > 1 or not x.is_floating_point(): raise TypeError(f'conv2d: {sorted(map(str, kinds))}, wanted one floating type')

# ---
# conv2d
# %% nbs/07_convolutions.ipynb 8ab9a5da
def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """The cross-correlation of `x`, (N, C, H, W), with kernels `w`, (O, C/groups, kh, kw), plus the bias `b`, (O,):
    (N, O, H', W'), as F.conv2d has it, in its gradients too. Settings are numbers or pairs. ValueError: they do not fit."""
    check_conv(x, w, b, groups)
    settings = dict(stride=stride, padding=padding, dilation=dilation)
    return Correlation.apply(x, w, b, groups, tuple(w.shape[2:]), *(both(name, value) for name, value in settings.items()))

# ---
# POINTWISE
# %% nbs/07_convolutions.ipynb 676a6fdb
POINTWISE = nn.Identity, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Dropout

def receptive_field(layers, axis=0):
    """`(size, step, start)` of what an output number of `layers` sees along an axis (0: rows, 1: columns): number i sees
    `size` pixels from `start + i*step` on. `layers`: an nn.Sequential or a list of convolutions, poolings, functions of each
    number, and such lists. ValueError for a layer that is none of these."""
    size, step, start = 1, 1, 0
    for layer in layers:
        if isinstance(layer, POINTWISE): continue
        if isinstance(layer, nn.Sequential): k, s, p, d = *receptive_field(layer, axis), 1
        elif isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            values = layer.kernel_size, layer.stride, layer.padding, getattr(layer, 'dilation', 1)
            k, s, p, d = [both(type(layer).__name__, value)[axis] for value in values]
            p = -p
        else: raise ValueError(f'receptive_field: {type(layer).__name__} has no field of its own')
        size, step, start = size + (k - 1)*d*step, step*s, start + p*step
    return size, step, start

# ---
# pool_windows
# %% nbs/07_convolutions.ipynb 2c9a18ee
def pool_windows(x, kernel_size, stride, padding, fill):
    """The windows of each channel as (N, C, kh*kw, places), the padding filled with `fill`, and the size (H', W').
    ValueError for a padding of more than half a kernel: a window could see nothing but padding."""
    kernel_size, (ph, pw) = both('kernel_size', kernel_size), both('padding', padding)
    if x.ndim != 4: raise ValueError(f'pooling: {tuple(x.shape)}, wanted (N, C, H, W)')
    if not all(0 <= p <= k/2 for p, k in zip((ph, pw), kernel_size)):
        raise ValueError(f'pooling: padding {(ph, pw)} for a kernel of {kernel_size}, wanted at most half of it')
    padded = F.pad(x, (pw, pw, ph, ph), value=fill)
    stride = kernel_size if stride is None else stride
    size = windows(padded, kernel_size, stride).shape[2:4]
    return im2col(padded, kernel_size, stride).unflatten(1, (x.shape[1], -1)), size

# ---
# max_pool2d
# %% nbs/07_convolutions.ipynb eac64224
def max_pool2d(x, kernel_size, stride=None, padding=0):
    "The largest number of each window; its gradient goes to that one, the first of equals. The stride is the kernel's size unless given."
    seen, size = pool_windows(x, kernel_size, stride, padding, -math.inf)
    return seen.max(2).values.unflatten(2, size)

def avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    "The mean of each window; with `count_include_pad=False` only over the numbers that are no padding."
    seen, size = pool_windows(x, kernel_size, stride, padding, 0.)
    if count_include_pad: return seen.mean(2).unflatten(2, size)
    counts, _ = pool_windows(torch.ones_like(x[:1, :1]), kernel_size, stride, padding, 0.)
    return (seen.sum(2) / counts.sum(2)).unflatten(2, size)

# ---
# conv_block
# %% nbs/07_convolutions.ipynb 2b7adc81
def conv_block(c_in, c_out, kernel_size=3, stride=1, act=nn.ReLU):
    "A convolution that keeps the size, or divides it by the stride and rounds up, and an activation. ValueError for an even kernel."
    if kernel_size % 2 == 0: raise ValueError(f'conv_block: a kernel of {kernel_size} has no middle, wanted an odd size')
    return nn.Sequential(nn.Conv2d(c_in, c_out, kernel_size, stride, padding=kernel_size//2), act())

# ---

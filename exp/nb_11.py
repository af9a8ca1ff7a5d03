# Generated from nbs/11_residual.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/11_residual.ipynb ba22b6b2
from itertools import pairwise
import torch
from torch import nn
from exp.nb_05 import check_count
from exp.nb_07a import Hooks, leaves
from exp.nb_08 import WEIGHTED, BatchNorm, conv_norm

# ---
# ResBlock
# %% nbs/11_residual.ipynb 3ef695b3
class ResBlock(nn.Module):
    """(N, c_in, H, W) -> (N, c_out, H', W'), height and width over `stride`, rounded up: the `branch`, two 3 x 3
    convolutions with norms, added to what comes in (K. He and others, 2015). Where the form changes, what comes in goes
    through the `shortcut`: the mean of each window and, for other channels, a 1 x 1 convolution with a norm (T. He
    and others, 2018). With `zero` the last norm's scale, or without norms the last convolution, begins at 0: the block
    begins as its shortcut (an `init_layers` fills such a convolution again). ValueError: a size below 1, or with
    `zero` a norm that has no scale."""
    def __init__(self, c_in, c_out, stride=1, norm=BatchNorm, act=nn.ReLU, zero=True):
        super().__init__()
        for what, value in (('c_in', c_in), ('c_out', c_out), ('stride', stride)):
            check_count(f'ResBlock: {what}', value)
        self.branch = nn.Sequential(conv_norm(c_in, c_out, stride=stride, norm=norm, act=act),
                                    conv_norm(c_out, c_out, norm=norm, act=nn.Identity))
        smaller = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
        wider = [conv_norm(c_in, c_out, 1, norm=norm, act=nn.Identity)] if c_in != c_out else []
        self.shortcut, self.act = nn.Sequential(*smaller, *wider), act()
        own = [*self.branch[1][-2].parameters()]                     # of the last norm, or convolution
        if zero:
            if not own: raise ValueError('ResBlock: the norm has no scale to begin at 0, wanted zero=False')
            for p in own: nn.init.zeros_(p)

    def forward(self, x): return self.act(self.branch(x) + self.shortcut(x))

# ---
# multiplications
# %% nbs/11_residual.ipynb c2de3ea4
def multiplications(layer, out):
    "The products of weights and inputs in a call of `layer` that gave `out`; 0 unless it is linear or convolutional."
    return out.numel() * layer.weight[0].numel() if isinstance(layer, WEIGHTED) else 0

# ---
# cost_table
# %% nbs/11_residual.ipynb dbd78091
@torch.no_grad()
def cost_table(model, xb, layers=None):
    """Lesson 05's `summary` for the batch `xb`, with `multiplications` for each example: a row for each of the
    `leaves`, by its type, or of `layers`, by its place in the model, with all that lies in it; in the order of their
    calls. Only modules' own products count: what a function multiplies, as in attention, is not seen. The model is
    asked in eval mode, and its modes are put back. ValueError: an empty batch, or a layer that was not called."""
    if not len(xb): raise ValueError('cost_table: the batch is empty, wanted one example or more')
    shapes, work, modes = {}, dict.fromkeys(model.modules(), 0), {part: part.training for part in model.modules()}
    def note(layer, _, out):
        shapes[layer] = tuple(out.shape) if torch.is_tensor(out) else f'a {type(out).__name__}'
        work[layer] += multiplications(layer, out)
    try:
        with Hooks(model.modules(), note): model.eval()(xb)
    finally:
        for part, mode in modes.items(): part.training = mode
    names = {layer: type(layer).__name__ if layers is None else place for place, layer in model.named_modules()}
    shown = {*leaves(model)} & {*shapes} if layers is None else {*layers}
    missed = [names.get(layer, layer) for layer in shown - {*shapes}]
    if missed: raise ValueError(f'cost_table: {missed} was not called')
    def row(name, size, layer):
        n, products = sum(p.numel() for p in layer.parameters()), sum(work[part] for part in layer.modules())
        return f'{name:<20} {str(size):<24} {n:>12,} {products // len(xb):>16,}'
    rows = [row(names[layer], size, layer) for layer, size in shapes.items() if layer in shown]
    return '\n'.join([*rows, row('all parameters', '', model)])

# ---
# stem
# %% nbs/11_residual.ipynb 7e9ad374
def stem(sizes, stride=1, norm=BatchNorm, act=nn.ReLU):
    """3 x 3 convolutions, norms and activations from each of `sizes` channels to the next, the first with the `stride`.
    ValueError: fewer than two sizes, or one below 1."""
    if len(sizes) < 2: raise ValueError(f'stem: sizes {sizes!r}, wanted two or more numbers of channels')
    for what, value in (('stride', stride), *(('sizes', c) for c in sizes)): check_count(f'stem: {what}', value)
    steps = zip(pairwise(sizes), [stride] + [1]*len(sizes))
    return nn.Sequential(*[conv_norm(c_in, c_out, stride=s, norm=norm, act=act) for (c_in, c_out), s in steps])

# ---
# stage
# %% nbs/11_residual.ipynb df927e6e
def stage(c_in, c_out, depth=1, stride=1, **settings):
    "`depth` ResBlocks with these settings; the first goes from `c_in` channels to `c_out`, with the `stride`."
    check_count('stage: depth', depth)
    first, others = ResBlock(c_in, c_out, stride, **settings), range(depth - 1)
    return nn.Sequential(first, *[ResBlock(c_out, c_out, **settings) for _ in others])

# ---
# ResNet
# %% nbs/11_residual.ipynb 957824a7
class ResNet(nn.Module):
    """(N, c_in, H, W) -> (N, classes): a `stem` of convolutions with `stem_widths` channels, a `stage` of `depth`
    blocks for each of `widths`, the mean of each map, a linear layer. The first block of each stage but the first
    halves height and width. The rest as in ResBlock. ValueError: no widths, or sizes below 1."""
    def __init__(self, c_in, classes, stem_widths=(16,), widths=(16, 32, 64), depth=1, stem_stride=1,
                 norm=BatchNorm, act=nn.ReLU, zero=True):
        super().__init__()
        for what, value in (('stem_widths', stem_widths), ('widths', widths)):
            if not isinstance(value, (list, tuple)) or not value:
                raise ValueError(f'ResNet: {what} {value!r}, wanted a tuple of one or more numbers of channels')
        check_count('ResNet: classes', classes)
        sizes = [(a, b, depth, 2 if i else 1) for i, (a, b) in enumerate(pairwise([stem_widths[-1], *widths]))]
        self.stem = stem([c_in, *stem_widths], stem_stride, norm, act)
        self.stages = nn.Sequential(*[stage(*size, norm=norm, act=act, zero=zero) for size in sizes])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))

    def forward(self, x): return self.head(self.stages(self.stem(x)))

# ---

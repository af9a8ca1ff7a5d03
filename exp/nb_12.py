# Generated from nbs/12_augmentation.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/12_augmentation.ipynb db77bba9
import math, numbers
import torch
from torch.nn import functional as F
from exp.nb_04 import log_softmax
from exp.nb_04a import Callback
from exp.nb_05 import check_count
from exp.nb_08 import wide

# ---
# matrix
# %% nbs/12_augmentation.ipynb ae02e336
def matrix(a, b, dx, c, d, dy):
    "Six tensors (N,) as matrices (N, 3, 3), which take (x, y) to (a*x + b*y + dx, c*x + d*y + dy)."
    zero = torch.zeros_like(a)
    return torch.stack([a, b, dx, c, d, dy, zero, zero, zero + 1], -1).unflatten(-1, (3, 3))

def way_back(angle, factor, slope, dx, dy):
    """Where each place comes from if a picture is sheared, then scaled, turned, moved: of five tensors (N,) the matrices
    (N, 3, 3), the inverses of these steps in the opposite order. In pixels from the middle; the angle in radians."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    unmoved = matrix(one, zero, -dx, zero, one, -dy)
    unturned = matrix(cos, sin, zero, -sin, cos, zero)
    unscaled = matrix(1/factor, zero, zero, zero, 1/factor, zero)
    unsheared = matrix(one, -slope, zero, zero, one, zero)
    return unsheared @ unscaled @ unturned @ unmoved

# ---
# in_halves
# %% nbs/12_augmentation.ipynb 1e21acc2
def in_halves(back, size):
    "Matrices `back`, (N, 3, 3), in pixels from the middle, as (N, 2, 3), in half sides of pictures of `size` (H, W)."
    (H, W), (a, b, dx, c, d, dy, *_) = size, back.flatten(1).unbind(1)
    return torch.stack([a, b * (H/W), dx * (2/W), c * (W/H), d, dy * (2/H)], -1).unflatten(-1, (2, 3))

# ---
# middles
# %% nbs/12_augmentation.ipynb c46b563c
def middles(n, like):
    "Where the middles of `n` pixels lie, with the outer edges at -1 and 1: (n,), of the type and device of `like`."
    return (2*torch.arange(n, dtype=like.dtype, device=like.device) + 1)/n - 1

def affine_grid(theta, size):
    """For each pixel of a picture of `size` (H, W) the place (x, y) that `theta`, (N, 2, 3), makes of its own: (N, H, W, 2).
    As F.affine_grid with align_corners=False: -1 and 1 are the outer edges."""
    y, x = torch.meshgrid(*[middles(n, theta) for n in size], indexing='ij')
    return torch.einsum('hwi,noi->nhwo', torch.stack([x, y, torch.ones_like(x)], -1), theta)

# ---
# grid_sample
# %% nbs/12_augmentation.ipynb 0106b29f
def grid_sample(x, grid, padding_mode='zeros'):
    """`x`, (N, C, H, W), at the places of `grid`, (N, h, w, 2): (N, C, h, w), bilinear between pixels, as F.grid_sample
    gives it with align_corners=False. Outside there are zeros, or with 'border' the nearest pixel of the border."""
    C, H, W = x.shape[1:]
    column, row = [((grid[..., axis] + 1)*n - 1)/2 for axis, n in enumerate((W, H))]
    if padding_mode == 'border': column, row = column.clamp(0, W - 1), row.clamp(0, H - 1)
    left, top = column.detach().floor(), row.detach().floor()
    total = 0
    for j, across in ((left, 1 + left - column), (left + 1, column - left)):
        for i, down in ((top, 1 + top - row), (top + 1, row - top)):
            inside = (i >= 0) & (i < H) & (j >= 0) & (j < W)
            place = (i.clamp(0, H - 1)*W + j.clamp(0, W - 1)).long().flatten(1)
            pixels = x.flatten(2).gather(2, place[:, None].expand(-1, C, -1)).unflatten(2, grid.shape[1:3])
            total = total + pixels * (across * down * inside)[:, None]
    return total

# ---
# uniform
# %% nbs/12_augmentation.ipynb 67e2ea7b
def uniform(x, k, generator=None):
    """`k` random numbers from [0, 1) for each example of `x`: (k, N), on its device, float32 or as wide as `x`. Drawn
    where the `generator` is (None: torch's own, on the CPU): a seed gives the same on every device, and none waits."""
    device = 'cpu' if generator is None else generator.device
    drawn = torch.rand(k, len(x), generator=generator, device=device)
    return drawn.to(x.device, torch.promote_types(x.dtype, torch.float32), non_blocking=True)

# ---
# is_number
# %% nbs/12_augmentation.ipynb e090e47f
def is_number(value):
    "Whether `value` is a real number, Python's or NumPy's; True and False are none."
    return isinstance(value, numbers.Real) and not isinstance(value, bool)

def span(name, value, around=0.):
    "`value`, a pair `(low, high)`, or a strength s as the pair `(around - s, around + s)`. ValueError for all else."
    pair = (around - value, around + value) if is_number(value) else value if isinstance(value, (tuple, list)) else ()
    if len(pair) != 2 or not all(map(is_number, pair)) or not -math.inf < pair[0] <= pair[1] < math.inf:
        raise ValueError(f'{name}: {value!r}, wanted a number from 0 on, or two, the smaller one first')
    return tuple(pair)

def check_share(name, value):
    "Raises ValueError unless `value` is a number from 0 to 1."
    if not (is_number(value) and 0 <= value <= 1): raise ValueError(f'{name}: {value!r}, wanted a number from 0 to 1')

def check_pictures(name, x):
    "Raises TypeError unless `x` is a tensor of floats, ValueError unless it has the axes (N, C, H, W)."
    if not torch.is_tensor(x): raise TypeError(f'{name}: a {type(x).__name__}, wanted one tensor of pictures')
    if not x.is_floating_point(): raise TypeError(f'{name}: pictures of {x.dtype}, wanted floats')
    if x.ndim != 4: raise ValueError(f'{name}: pictures {tuple(x.shape)}, wanted (N, C, H, W)')

# ---
# Transform
# %% nbs/12_augmentation.ipynb 7cf853b4
class Transform:
    """A change of a batch of pictures, (N, C, H, W): `transform(x, generator)`. Each example draws for itself, is changed
    with probability `p`. A subclass has `change(x, generator)`. ValueError: p outside 0 to 1, other axes; TypeError: ints."""
    def __init__(self, p):
        check_share(f'{type(self).__name__}: p', p)
        self.p = p

    def __call__(self, x, generator=None):
        check_pictures(type(self).__name__, x)
        if not x.numel(): return x
        chosen = uniform(x, 1, generator) < self.p
        return torch.where(chosen.reshape(-1, 1, 1, 1), self.change(wide(x), generator).to(x.dtype), x)

    def between(self, x, generator, *spans):
        "For each of the `spans` (low, high) a tensor (N,) of numbers between them."
        return [low + (high - low)*u for u, (low, high) in zip(uniform(x, len(spans), generator), spans)]

# ---
# Affine
# %% nbs/12_augmentation.ipynb 2a266187
class Affine(Transform):
    """Shears, scales, turns and moves each picture in one step: `turn` in degrees, `scale` about 1, `shear` in columns per
    row, `shift` in sides of the picture; each a strength or a pair, drawn evenly. `padding_mode`: what is seen outside,
    as F.grid_sample has it. ValueError: a range upside down, a scale that is not over 0."""
    def __init__(self, turn=0., scale=0., shear=0., shift=0., p=1., padding_mode='border'):
        super().__init__(p)
        self.turn, self.scale = span('Affine: turn', turn), span('Affine: scale', scale, around=1.)
        self.shear, self.shift = span('Affine: shear', shear), span('Affine: shift', shift)
        self.padding_mode = padding_mode
        if not self.scale[0] > 0: raise ValueError(f'Affine: scale {self.scale}, wanted numbers over 0')

    def change(self, x, generator):
        (H, W), ranges = x.shape[2:], (self.turn, self.scale, self.shear, self.shift, self.shift)
        degrees, factor, slope, right, down = self.between(x, generator, *ranges)
        theta = in_halves(way_back(degrees * (math.pi/180), factor, slope, right*W, down*H), (H, W))
        still = (theta == torch.eye(2, 3, dtype=theta.dtype, device=theta.device)).flatten(1).all(1)
        grid = F.affine_grid(theta, x.shape, align_corners=False)
        seen = F.grid_sample(x, grid, padding_mode=self.padding_mode, align_corners=False)
        return torch.where(still.reshape(-1, 1, 1, 1), x, seen)

# ---
# Flip
# %% nbs/12_augmentation.ipynb 721bfd3c
class Flip(Transform):
    "Mirrors each picture with the probability `p`: left and right change places, with `axis=-2` top and bottom."
    def __init__(self, p=.5, axis=-1):
        super().__init__(p)
        if axis not in (-1, -2): raise ValueError(f'Flip: axis {axis!r}, wanted -1 (left, right) or -2 (top, bottom)')
        self.axis = axis

    def change(self, x, generator): return x.flip(self.axis)

# ---
# boxes
# %% nbs/12_augmentation.ipynb a093f29e
def boxes(x, share, generator=None):
    """A mask (N, 1, H, W): True within a box around a random place of each picture, whose sides are the `share`, (N,),
    of the picture's; what would stick out of the picture is cut off."""
    def within(m, n): return ((torch.arange(n, device=x.device) + .5)/n - m[:, None]).abs() < share[:, None]/2
    rows, columns = [within(m, n) for m, n in zip(uniform(x, 2, generator), x.shape[2:])]
    return rows[:, None, :, None] & columns[:, None, None, :]

class Erase(Transform):
    """Fills a box of each picture with `fill` (cutout: DeVries and Taylor, 2017); its sides are the share `size` of the
    picture's, its middle is anywhere, so at a border less is erased. ValueError: a size outside 0 to 1."""
    def __init__(self, size=.5, p=1., fill=0.):
        super().__init__(p)
        check_share('Erase: size', size)
        self.size, self.fill = size, fill

    def change(self, x, generator): return x.masked_fill(boxes(x, x.new_full((len(x),), self.size), generator), self.fill)

# ---
# Colour
# %% nbs/12_augmentation.ipynb a8f928e0
class Colour(Transform):
    """Multiplies each pixel's distance from black (`brightness`), from the picture's mean grey (`contrast`), its own grey
    (`saturation`) by factors about 1; each a strength or a pair. In the pictures 0 is black; they may leave [0, 1].
    ValueError: a factor under 0, other than three channels."""
    def __init__(self, brightness=0., contrast=0., saturation=0., p=1.):
        super().__init__(p)
        spans = [span('Colour', value, around=1.) for value in (brightness, contrast, saturation)]
        if min(spans)[0] < 0: raise ValueError(f'Colour: a factor under 0 in {spans}')
        self.brightness, self.contrast, self.saturation = spans

    def change(self, x, generator):
        if x.shape[1] != 3: raise ValueError(f'Colour: pictures {tuple(x.shape)}, wanted three channels')
        factors = self.between(x, generator, self.brightness, self.contrast, self.saturation)
        bright, contrast, saturation = [factor.reshape(-1, 1, 1, 1) for factor in factors]
        x = torch.lerp(torch.zeros_like(x), x, bright)
        x = torch.lerp(self.grey(x).mean((2, 3), keepdim=True), x, contrast)
        return torch.lerp(self.grey(x), x, saturation)

    def grey(self, x): return .299*x[:, :1] + .587*x[:, 1:2] + .114*x[:, 2:]          # as bright as the eye finds it

# ---
# Augment
# %% nbs/12_augmentation.ipynb 61e631c2
class Augment(Callback):
    """Changes each training batch by the `transforms`, one after the other; validation and predictions stay as they are.
    All draw from `generator` (None: torch's own). Without a Learner: `augment(x)`. TypeError: inputs not one tensor."""
    order, same = -18, ('settings',)
    def __init__(self, *transforms, generator=None):
        self.transforms, self.generator = transforms, generator
        self.settings = [f'{type(t).__name__} {vars(t)}' for t in transforms]

    def __call__(self, x):
        for transform in self.transforms: x = transform(x, self.generator)
        return x

    def before_batch(self, learn):
        if learn.training: learn.xb = self(learn.xb)

# ---
# soft_targets
# %% nbs/12_augmentation.ipynb e127bd86
def soft_targets(y, classes):
    """Probabilities (n, classes) of targets `y`: of class numbers (n,), int64, a 1 in each row; of probabilities these.
    ValueError: neither of the two. RuntimeError: there is no such class."""
    if y.ndim == 2 and y.is_floating_point() and y.shape[1] == classes: return y
    if y.ndim != 1 or y.dtype != torch.int64:
        raise ValueError(f'targets {tuple(y.shape)} of {y.dtype}, wanted int64 (n,) or probabilities (n, {classes})')
    return torch.zeros(len(y), classes, device=y.device).scatter_(1, y[:, None], 1.)

def soft_cross_entropy(pred, targ, label_smoothing=0.):
    """The mean over the examples of -sum(targ * log p), p the softmax of `pred`, (n, c), for classes `targ`, (n,), or
    probabilities (n, c); a share `label_smoothing` of each is first spread over all classes (Szegedy et al., 2016)."""
    check_share('soft_cross_entropy: label_smoothing', label_smoothing)
    if pred.ndim != 2 or len(pred) != len(targ):
        raise ValueError(f'soft_cross_entropy: {tuple(pred.shape)}, {tuple(targ.shape)}, wanted (n, c) and (n,) or (n, c)')
    targ = soft_targets(targ, pred.shape[1]).to(pred.dtype)
    targ = targ * (1 - label_smoothing) + label_smoothing/pred.shape[1]
    return -(targ * log_softmax(pred)).sum(1).mean()

def soft_accuracy(pred, targ):
    "The mean probability in `targ`, classes (n,) or probabilities (n, c), of the class largest in `pred`, (n, c)."
    return soft_targets(targ, pred.shape[1]).gather(1, pred.argmax(1, keepdim=True)).mean()

# ---
# draw_beta
# %% nbs/12_augmentation.ipynb 74755ff2
def draw_beta(x, alpha, generator=None):
    "A random number from Beta(alpha, alpha) for each example of `x`, (N,), made of two even ones (Bailey, 1994)."
    u, v = uniform(x, 2, generator)
    t, cos = (u.log() / alpha).exp(), (2*math.pi * v).cos()
    q = -torch.expm1(u.log() / alpha) * cos.square()             # (1 - t) cos²
    return (1 + cos.sign() * (q / (t + q)).sqrt())/2

# ---
# Mix
# %% nbs/12_augmentation.ipynb 57c7ffb7
class Mix(Callback):
    """What mixup and cutmix share: each example of a training batch is mixed with another, by a share of its own from
    Beta(alpha, alpha), and so are the targets, which become probabilities (n, classes), for a loss that takes them as
    F.cross_entropy does. Without a Learner: `x, y = mix(x, y)`. ValueError: alpha not over 0, `classes` no count."""
    order, same = -16, ('classes', 'alpha')
    def __init__(self, classes, alpha=1., generator=None):
        check_count(f'{type(self).__name__}: classes', classes)
        if not 0 < alpha < math.inf: raise ValueError(f'{type(self).__name__}: alpha {alpha!r}, wanted over 0')
        self.classes, self.alpha, self.generator = classes, alpha, generator

    def __call__(self, x, y):
        check_pictures(type(self).__name__, x)
        device = 'cpu' if self.generator is None else self.generator.device
        partner = torch.randperm(len(x), generator=self.generator, device=device).to(x.device, non_blocking=True)
        mixed, share = self.mix(wide(x), wide(x)[partner], draw_beta(x, self.alpha, self.generator))
        y = soft_targets(y, self.classes).to(share.dtype)
        return mixed.to(x.dtype), torch.lerp(y[partner], y, share[:, None])

    def before_batch(self, learn):
        if learn.training: learn.xb, learn.yb = self(learn.xb, learn.yb)

class Mixup(Mix):
    "Each picture is a weighted mean of two (Zhang et al., 2018)."
    def mix(self, x, other, share): return torch.lerp(other, x, share.reshape(-1, 1, 1, 1)), share

class CutMix(Mix):
    "A box of each picture comes from another (Yun et al., 2019); targets are mixed by the share of pixels that are left."
    def mix(self, x, other, share):
        box = boxes(x, (1 - share).sqrt(), self.generator)
        return torch.where(box, other, x), 1 - box.to(share.dtype).mean((1, 2, 3))

# ---
# mean_over_views
# %% nbs/12_augmentation.ipynb 1b1cdce7
def mean_over_views(predict, x, views):
    "The mean over `views`, functions of a batch, of the softmax of `predict`, logits (n, c). ValueError: no views."
    views = list(views)
    if not views: raise ValueError('mean_over_views: no views, wanted one or more')
    return torch.stack([predict(view(x)).softmax(1) for view in views]).mean(0)

# ---

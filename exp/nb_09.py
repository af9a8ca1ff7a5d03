# Generated from nbs/09_optimisers.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/09_optimisers.ipynb 634a9fc6
import math
import torch
from exp.nb_04 import Optimizer
from exp.nb_04a import Callback

# ---
# check_settings
# %% nbs/09_optimisers.ipynb 42d2ea4d
def check_settings(name, settings):
    "Raises ValueError, in the `name` of an optimiser, unless each setting is a number from 0 on, and `betas` two of them below 1."
    def fits(k, v):
        if k == 'betas': return isinstance(v, (tuple, list)) and len(v) == 2 and all(fits('beta', b) and b < 1 for b in v)
        return isinstance(v, (int, float)) and 0 <= v < math.inf
    wrong = {k: v for k, v in settings.items() if not fits(k, v)}
    if wrong: raise ValueError(f'{name}: {wrong}, wanted numbers from 0 on, and two betas below 1')

class Design(Optimizer):
    "An `Optimizer` of real numbers that checks its settings: TypeError for complex parameters, ValueError for what makes no sense."
    def __init__(self, params, **settings):
        super().__init__(params, **settings)
        if any(p.is_complex() for p in self.memory): raise TypeError(f'{type(self).__name__}: a complex parameter, wanted real ones')

    def check(self, **settings): check_settings(type(self).__name__, settings)

# ---
# slot
# %% nbs/09_optimisers.ipynb fdce895d
def slot(memory, name, p):
    "`memory[name]`, zeros of the form of `p` at first."
    if name not in memory: memory[name] = torch.zeros_like(p)
    return memory[name]

def count(memory):
    "The number of this step, from 1 on."
    memory['step'] = memory.get('step', 0) + 1
    return memory['step']

# ---
# Adagrad
# %% nbs/09_optimisers.ipynb 314e65dc
class Adagrad(Design):
    """Divides by the root of the sum of all squares so far, which begins with `initial_accumulator_value`; `lr_decay` divides the rate
    of step t by 1 plus t - 1 times itself (Duchi, Hazan and Singer, 2011)."""
    def __init__(self, params, lr=1e-2, lr_decay=0., weight_decay=0., initial_accumulator_value=0., eps=1e-10, *, maximize=False):
        super().__init__(params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
                         initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize)

    def update(self, p, g, memory, lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize):
        if maximize: g = -g
        if weight_decay: g = g.add(p, alpha=weight_decay)
        t = count(memory)
        if t == 1: memory['squares'] = torch.full_like(p, initial_accumulator_value)
        root = memory['squares'].addcmul_(g, g).sqrt().add_(eps)
        p.addcdiv_(g, root, value=-lr / (1 + (t - 1)*lr_decay))

# ---
# RMSProp
# %% nbs/09_optimisers.ipynb 21117544
class RMSProp(Design):
    "Divides by the root of an average of the squares that forgets (Hinton, 2012)."
    def __init__(self, params, lr=1e-2, alpha=.99, eps=1e-8, weight_decay=0., momentum=0., centered=False, *, maximize=False):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                         centered=centered, maximize=maximize)

    def update(self, p, g, memory, lr, alpha, eps, weight_decay, momentum, centered, maximize):
        if maximize: g = -g
        if weight_decay: g = g.add(p, alpha=weight_decay)
        square = slot(memory, 'square', p).mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if centered:
            mean = slot(memory, 'mean', p).lerp_(g, 1 - alpha)
            square = square.addcmul(mean, mean, value=-1)
        root = square.sqrt().add_(eps)
        if momentum: p.add_(slot(memory, 'velocity', p).mul_(momentum).addcdiv_(g, root), alpha=-lr)
        else: p.addcdiv_(g, root, value=-lr)

# ---
# Adam
# %% nbs/09_optimisers.ipynb 9700659b
class Adam(Design):
    "An average of slopes over the root of one of squares, both without the bias of their start (Kingma and Ba, 2015)."
    def __init__(self, params, lr=1e-3, betas=(.9, .999), eps=1e-8, weight_decay=0., amsgrad=False, *, maximize=False):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize)

    def update(self, p, g, memory, lr, betas, eps, weight_decay, amsgrad, maximize):
        if maximize: g = -g
        if weight_decay: g = g.add(p, alpha=weight_decay)
        (beta1, beta2), t = betas, count(memory)
        mean = slot(memory, 'mean', p).lerp_(g, 1 - beta1)
        square = slot(memory, 'square', p).mul_(beta2).addcmul_(g, g, value=1 - beta2)
        if amsgrad: square = torch.maximum(slot(memory, 'largest', p), square, out=memory['largest'])
        p.addcdiv_(mean, square.sqrt().div_((1 - beta2**t)**.5).add_(eps), value=-lr / (1 - beta1**t))

# ---
# AdamW
# %% nbs/09_optimisers.ipynb f9ccab1d
class AdamW(Adam):
    "`Adam` with decay apart from the slope: each step keeps `1 - lr*weight_decay` of a weight (Loshchilov and Hutter, 2019)."
    def __init__(self, params, lr=1e-3, betas=(.9, .999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def update(self, p, g, memory, lr, weight_decay, **settings):
        if weight_decay: p.mul_(1 - lr * weight_decay)
        super().update(p, g, memory, lr=lr, weight_decay=0., **settings)

# ---
# decay_groups
# %% nbs/09_optimisers.ipynb 53a01266
def decay_groups(params, weight_decay):
    """Two groups for an optimiser: those of `params` with two or more axes decay; biases and scales, with one or none, do not. A
    scale with more axes has to be named by hand."""
    params = list(params)
    return [{'params': [p for p in params if p.ndim >= 2], 'weight_decay': weight_decay},
            {'params': [p for p in params if p.ndim < 2], 'weight_decay': 0.}]

# ---
# LAMB
# %% nbs/09_optimisers.ipynb b22fe682
class LAMB(Design):
    """Adam's step for each parameter, times the norm of the parameter over that of the step, 1 where one of them is 0 (You and
    others, 2019, with the identity as its function of the norm)."""
    def __init__(self, params, lr=1e-3, betas=(.9, .999), eps=1e-6, weight_decay=1e-2, *, maximize=False):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def update(self, p, g, memory, lr, betas, eps, weight_decay, maximize):
        if maximize: g = -g
        (beta1, beta2), t = betas, count(memory)
        mean = slot(memory, 'mean', p).lerp_(g, 1 - beta1)
        square = slot(memory, 'square', p).mul_(beta2).addcmul_(g, g, value=1 - beta2)
        u = mean.div(1 - beta1**t).div_(square.div(1 - beta2**t).sqrt_().add_(eps)).add_(p, alpha=weight_decay)
        size, length = p.norm(), u.norm()
        p.sub_(u.mul_(torch.where((size > 0) & (length > 0), size / length, 1.)), alpha=lr)

# ---
# Lion
# %% nbs/09_optimisers.ipynb 4a75750d
class Lion(Design):
    "The sign of an average of slopes, with decoupled decay (Chen and others, 2023)."
    def __init__(self, params, lr=1e-4, betas=(.9, .99), weight_decay=0., *, maximize=False):
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize)

    def update(self, p, g, memory, lr, betas, weight_decay, maximize):
        if maximize: g = -g
        mean = slot(memory, 'mean', p)
        if weight_decay: p.mul_(1 - lr * weight_decay)
        p.add_(mean.lerp(g, 1 - betas[0]).sign_(), alpha=-lr)
        mean.lerp_(g, 1 - betas[1])

# ---
# newton_schulz
# %% nbs/09_optimisers.ipynb 6c1c9d59
def newton_schulz(x, coefficients=(3.4445, -4.775, 2.0315), steps=5, eps=1e-7):
    """The matrix `x` with its singular vectors and other singular values, brought near to 1: over its norm, each goes `steps` times
    through `a*s + b*s**3 + c*s**5`. ValueError for what is no matrix. (Bernstein and Newhouse, 2024)"""
    if x.ndim != 2: raise ValueError(f'newton_schulz: the shape {tuple(x.shape)}, wanted a matrix')
    (a, b, c), tall = coefficients, x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x

# ---
# Muon
# %% nbs/09_optimisers.ipynb bcfee55b
class Muon(Design):
    """The orthogonalised average of slopes, for matrices only, with decoupled decay (Jordan and others, 2024); with `half` in
    bfloat16, as torch does it. ValueError for other parameters."""
    def __init__(self, params, lr=1e-3, weight_decay=.1, momentum=.95, nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315),
                 eps=1e-7, ns_steps=5, adjust_lr_fn=None, half=True):
        super().__init__(params, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, half=half,
                         ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn)
        wrong = [tuple(p.shape) for p in self.memory if p.ndim != 2]
        if wrong: raise ValueError(f'Muon: the shape {wrong[0]}, wanted matrices')

    def check(self, ns_coefficients, ns_steps, adjust_lr_fn, **numbers):
        super().check(**numbers)
        if len(ns_coefficients) != 3: raise ValueError(f'Muon: ns_coefficients={ns_coefficients}, wanted three')
        if type(ns_steps) is not int or not 0 <= ns_steps < 100: raise ValueError(f'Muon: ns_steps={ns_steps}, wanted an int from 0 to 99')
        if adjust_lr_fn not in (None, 'original', 'match_rms_adamw'):
            raise ValueError(f"Muon: adjust_lr_fn={adjust_lr_fn!r}, wanted None, 'original' or 'match_rms_adamw'")

    def update(self, p, g, memory, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, adjust_lr_fn, half):
        mean = slot(memory, 'mean', p).lerp_(g, 1 - momentum)
        g = g.lerp(mean, momentum) if nesterov else mean
        n, m = p.shape
        size = .2 * math.sqrt(max(n, m)) if adjust_lr_fn == 'match_rms_adamw' else math.sqrt(max(1, n/m))
        p.mul_(1 - lr * weight_decay)
        p.add_(newton_schulz(g.bfloat16() if half else g, ns_coefficients, ns_steps, eps), alpha=-lr * size)

# ---
# Together
# %% nbs/09_optimisers.ipynb db1557c1
class Together:
    "Optimisers for different parameters as one: all their groups, a step of each, all their states. ValueError for a shared parameter."
    def __init__(self, *opts):
        self.opts, params = opts, [p for opt in opts for group in opt.param_groups for p in group['params']]
        if len(set(params)) < len(params): raise ValueError('Together: a parameter is in two of the optimisers')

    @property
    def param_groups(self): return [group for opt in self.opts for group in opt.param_groups]

    def step(self):
        for opt in self.opts: opt.step()

    def zero_grad(self):
        for opt in self.opts: opt.zero_grad()

    def state_dict(self): return {'opts': [opt.state_dict() for opt in self.opts]}

    def load_state_dict(self, state):
        "Takes over the states, copied. When one does not fit, its error is raised and all are as before."
        if len(state.get('opts', ())) != len(self.opts): raise ValueError(f'Together: wanted the states of {len(self.opts)} optimisers')
        before = self.state_dict()
        try:
            for opt, part in zip(self.opts, state['opts']): opt.load_state_dict(part)
        except Exception:
            for opt, part in zip(self.opts, before['opts']): opt.load_state_dict(part)
            raise

# ---
# EMA
# %% nbs/09_optimisers.ipynb 50e891eb
class EMA(Callback):
    """Keeps an exponential moving average of the parameters, without the bias of its start; a fit begins a new one. Validation,
    predictions and all else that only asks see the `average`, {name: tensor}; `learn.model` has its own weights outside of that.
    Buffers are the model's own. An average that is no finite number at the end of a fit is dropped. ValueError for a decay outside [0, 1)."""
    order, same, saves, kept = -15, ('decay',), ('steps', 'average'), None
    def __init__(self, decay=.99):
        if not 0 <= decay < 1: raise ValueError(f'EMA: a decay of {decay}, wanted one from 0 to below 1')
        self.decay, self.steps, self.average, self.depth = decay, 0, {}, 0

    def setup(self, learn):
        self.steps, self.average = 0, {name: self.wide(p).clone() for name, p in learn.model.named_parameters()}

    def wide(self, p): return p.detach().to(torch.promote_types(p.dtype, torch.float32))     # small shares are lost in 16 bits

    def after_step(self, learn):
        self.steps += 1
        share = (1 - self.decay) / (1 - self.decay**self.steps)
        for name, p in learn.model.named_parameters(): self.average[name].lerp_(self.wide(p), share)

    def put(self, learn, values):
        for name, p in learn.model.named_parameters(): p.data = values[name].to(p)       # unseen by a graph that waits for its backward

    def before_validate(self, learn):
        self.depth += 1
        if self.depth > 1 or not self.steps: return
        self.kept = {name: p.data for name, p in learn.model.named_parameters()}
        self.put(learn, self.average)

    def after_validate(self, learn):
        self.depth -= 1
        if self.depth or self.kept is None: return
        self.put(learn, self.kept)
        self.kept = None

    def teardown(self, learn):
        if not all(a.isfinite().all() for a in self.average.values()): self.steps, self.average = 0, {}

    def load_state_dict(self, state):
        self.steps, here = state['steps'], self.average
        self.average = {name: a.to(here[name].device if name in here else a.device, copy=True) for name, a in state['average'].items()}

# ---

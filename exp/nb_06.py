# Generated from nbs/06_schedules.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/06_schedules.ipynb c0f38d6d
import copy, math
import torch
from exp.nb_04a import Callback, CancelEpoch, CancelFit
from exp.nb_05 import check_count, one_number
from exp.nb_05a import batches_in, draw
from exp.nb_05b import fit_state, set_fit_state

# ---
# sched_const
# %% nbs/06_schedules.ipynb 7cdbb91d
def sched_const(value):
    "Always `value`."
    return lambda pos: value

def sched_lin(start, end):
    "A straight line from `start` to `end`."
    return lambda pos: start + pos*(end - start)

def sched_poly(start, end, power):
    "From `start` to `end` as the `power` of the position: 1 is a line, more stays longer near `start`."
    return lambda pos: start + (end - start) * pos**power

# ---
# sched_cos
# %% nbs/06_schedules.ipynb fdbd860a
def sched_cos(start, end):
    "Half a cosine from `start` to `end`, flat at both (Loshchilov and Hutter, 2017)."
    return lambda pos: end + (start - end) * (1 + math.cos(math.pi * pos)) / 2

def sched_exp(start, end):
    "From `start` to `end` by the same factor in every step. Raises ValueError unless both have one sign, and no 0."
    if not start * end > 0: raise ValueError(f'sched_exp: from {start} to {end}: no factor leads there')
    return lambda pos: start * (end/start)**pos

# ---
# combine_scheds
# %% nbs/06_schedules.ipynb 2b6805f7
def combine_scheds(fractions, scheds):
    "`scheds` one after the other, each for its fraction of the time. Raises ValueError unless the fractions sum to 1."
    if len(fractions) != len(scheds):
        raise ValueError(f'combine_scheds: {len(fractions)} fractions and {len(scheds)} schedules')
    if any(f < 0 for f in fractions) or not abs(sum(fractions) - 1) <= 1e-6:
        raise ValueError(f'combine_scheds: {list(fractions)} must not be negative and sum to 1')
    ends = [sum(fractions[:i + 1]) for i in range(len(fractions))]
    def combined(pos):
        i = next((i for i, end in enumerate(ends) if pos < end), len(ends) - 1)
        inside = (pos - ends[i] + fractions[i]) / fractions[i] if fractions[i] else 1.
        return scheds[i](min(1., inside))
    return combined

# ---
# one_cycle
# %% nbs/06_schedules.ipynb 95b2d632
def one_cycle(top, start, end, up=.3):
    "From `start` to `top` during the fraction `up`, then down to `end`, both by half a cosine."
    return combine_scheds([up, 1 - up], [sched_cos(start, top), sched_cos(top, end)])

# ---
# settings
# %% nbs/06_schedules.ipynb 21e4cf28
def settings(opt):
    "The settings of each parameter group of the optimiser `opt`, as a list of dicts."
    return [{name: value for name, value in group.items() if name != 'params'} for group in opt.param_groups]

class Scheduler(Callback):
    "Puts the settings of the optimiser, whatever the fit has made of them, back at its end."
    fits_only, former = True, ()

    def setup(self, learn): self.former = settings(learn.opt)

    def teardown(self, learn):
        for group, former in zip(learn.opt.param_groups, self.former):
            params = group['params']
            group.clear()
            group.update(former, params=params)

# ---
# ParamScheduler
# %% nbs/06_schedules.ipynb ef6d3801
class ParamScheduler(Scheduler):
    """Sets settings of the optimiser before each training batch, `ParamScheduler(lr=schedule, momentum=schedule)`, and
    puts them back after the fit. A list has a schedule for each parameter group. For Adam, momentum is the first of
    its betas. A fit is refused with a setting that the optimiser lacks, a list of another length, or a loader that does
    not know its length; its resumption with another schedule, or another number of epochs, which would stretch it."""
    same = ('course', 'epochs')
    def __init__(self, **scheds):
        every = [s for sched in scheds.values() for s in (sched if isinstance(sched, list) else [sched])]
        if not every or not all(map(callable, every)): raise TypeError(f'{type(self).__name__}: {scheds}, wanted functions of the position')
        self.scheds = scheds

    @property
    def course(self):
        "The values of each schedule at five positions, by which a checkpoint tells one from another."
        def values(sched): return [float(sched(i / 4)) for i in range(5)]
        return {name: [values(s) for s in (sched if isinstance(sched, list) else [sched])] for name, sched in self.scheds.items()}

    def setup(self, learn):
        super().setup(learn)
        self.epochs = learn.epochs
        if batches_in(learn.dls.train) is None: raise ValueError(f'{type(self).__name__}: the training loader has no length')
        for name, sched in self.scheds.items():
            if name not in self.former[0] and not (name == 'momentum' and 'betas' in self.former[0]):
                raise ValueError(f'ParamScheduler: the optimiser has no {name!r}, only {sorted(self.former[0])}')
            if isinstance(sched, list) and len(sched) != len(self.former):
                raise ValueError(f'ParamScheduler: {len(sched)} schedules of {name!r} for {len(self.former)} groups')

    def before_batch(self, learn):
        if not learn.training: return
        if len(learn.opt.param_groups) != len(self.former): raise ValueError(f'{type(self).__name__}: a group was added during the fit')
        steps = learn.epochs * len(learn.dl)
        pos = (learn.epoch * len(learn.dl) + learn.batch) / max(1, steps - 1)
        for name, sched in self.scheds.items():
            for i, group in enumerate(learn.opt.param_groups):
                value = float((sched[i] if isinstance(sched, list) else sched)(pos))
                if name == 'momentum' and 'betas' in group: group['betas'] = (value, group['betas'][1])
                else: group[name] = value

# ---
# check_cycle
# %% nbs/06_schedules.ipynb cb2ea426
def check_cycle(*tops, up, div, div_end, moms):
    "Raises ValueError for settings of OneCycle that cannot be meant."
    if not (any(tops) and all(0 <= top < math.inf for top in tops)): raise ValueError(f'OneCycle: top {tops}, wanted rates, one of them over 0')
    if not (0 < div < math.inf and 0 < div_end < math.inf): raise ValueError(f'OneCycle: div {div}, div_end {div_end}, wanted numbers over 0')
    if not 0 <= up <= 1: raise ValueError(f'OneCycle: up {up}, wanted a fraction from 0 to 1')
    if moms is not None and not (len(moms) == 2 and all(0 <= m < 1 for m in moms)): raise ValueError(f'OneCycle: moms {moms}, wanted two from 0 to below 1')

class OneCycle(ParamScheduler):
    """The one-cycle policy (Smith, 2018) with the settings of torch's OneCycleLR: the rate from `top/div` up to `top`
    (a number, or one per group) and down to `top/div/div_end`; momentum from `moms[0]` to `moms[1]` and back, or
    with None left alone."""
    same = ('top', 'up', 'div', 'div_end', 'moms', 'epochs')
    def __init__(self, top, up=.3, div=25., div_end=1e4, moms=(.95, .85)):
        check_cycle(*(top if isinstance(top, (list, tuple)) else [top]), up=up, div=div, div_end=div_end, moms=moms)
        self.top, self.up, self.div, self.div_end, self.moms = top, up, div, div_end, moms

    def setup(self, learn):
        steps = learn.epochs * (batches_in(learn.dls.train) or 1)
        up = max(0., (self.up * steps - 1) / max(1, steps - 1))
        tops = self.top if isinstance(self.top, (list, tuple)) else [self.top] * len(learn.opt.param_groups)
        self.scheds = {'lr': [one_cycle(top, top/self.div, top/self.div/self.div_end, up) for top in tops]}
        if self.moms is not None: self.scheds['momentum'] = one_cycle(self.moms[1], self.moms[0], self.moms[0], up)
        super().setup(learn)

# ---
# RateSearch
# %% nbs/06_schedules.ipynb e97e4f23
class RateSearch(Callback):
    """Raises the rate from `start` to `end` in `steps` training batches and keeps `lrs` and `losses`; it ends before when a loss
    is NaN or infinite, or lies above the least so far by three times the first."""
    def __init__(self, start=1e-5, end=10., steps=100):
        check_count(f'{type(self).__name__}: steps', steps)
        if not 0 < start < end < math.inf: raise ValueError(f'{type(self).__name__}: rates from {start} to {end}, wanted to rise from above 0')
        self.sched, self.steps, self.lrs, self.losses = sched_exp(start, end), steps, [], []

    def before_batch(self, learn):
        self.lr = self.sched(len(self.lrs) / max(1, self.steps - 1))
        for group in learn.opt.param_groups: group['lr'] = self.lr

    def before_validate(self, learn): raise CancelEpoch               # only training batches are steps

    def after_loss(self, learn):
        self.lrs.append(self.lr)
        self.losses.append(one_number('the loss', learn.loss).item())
        bound = min(self.losses) + 3 * abs(self.losses[0])
        if len(self.losses) >= self.steps or not self.losses[-1] <= bound: raise CancelFit()

# ---
# LRFinder
# %% nbs/06_schedules.ipynb 7365679e
class LRFinder(RateSearch):
    "A search for a learning rate, with what can be read from it: `smooth` losses, a `suggestion`, a `plot`."
    interrupted = False
    def smooth(self, weight=.8):
        "The losses as a running mean, without the bias of its start."
        mean, out = 0., []
        for i, loss in enumerate(self.losses, 1):
            mean = weight*mean + (1 - weight)*loss
            out.append(mean / (1 - weight**i))
        return out

    @property
    def suggestion(self):
        """The rate at which the loss falls fastest per factor of the rate: where a line through it and up to four neighbours on
        each side is steepest. None when the search was interrupted, or no line falls by more than the noise around it."""
        smooth = [loss for loss in self.smooth() if math.isfinite(loss)]
        half, least = min(4, (len(smooth) - 1) // 2), smooth.index(min(smooth)) if smooth else 0
        if self.interrupted or half < 1 or least < half: return None
        steps = torch.arange(-half, half + 1).double()
        near = torch.tensor(self.losses[:len(smooth)]).double().unfold(0, 2*half + 1, 1)
        slopes = near @ steps / (steps @ steps)
        noise = (near - near.mean(1, keepdim=True) - slopes[:, None] * steps).square().sum(1).div(2*half - 1).sqrt().median()
        slope, place = slopes[:least - half + 1].min(0)                # behind the least it only falls back
        return self.lrs[place + half] if slope < -4 * noise / (steps @ steps).sqrt() else None

    def plot(self, ax=None):
        "The smoothed loss over the rate, with the suggestion marked."
        ax, rate = draw(ax, self.lrs, self.smooth(), 'loss'), self.suggestion
        ax.set(xscale='log', xlabel='learning rate', title='No rate is suggested' if rate is None else 'It falls, and then it explodes')
        if self.losses and self.losses[0] > 0: ax.set_ylim(min(0, *self.smooth()), 1.5 * self.losses[0])
        if rate is not None:
            ax.axvline(rate, color='#c05030', label=f'suggestion {rate:.2g}')
            ax.legend()
        return ax

# ---
# lr_find
# %% nbs/06_schedules.ipynb 0f52531a
def lr_find(learn, keep=Callback, **kwargs):
    """Runs an LRFinder with the settings `kwargs` and returns it; says so when it has found nothing. Everything is put back: the
    learner's parts and their modes, its loaders, callbacks and all random generators. Of its callbacks those take part that
    are not for fits only and belong to a class in `keep`."""
    finder, search = LRFinder(**kwargs), copy.copy(learn)
    search.cbs, search.history = [cb for cb in learn.cbs if isinstance(cb, keep) and not cb.fits_only], []
    search.kept = 'everything is put back'
    before, modes = copy.deepcopy(fit_state(learn, search.cbs)), {module: module.training for module in learn.model.modules()}
    def put_back():
        learn.opt.zero_grad()
        set_fit_state(learn, search.cbs, before)
        for module, mode in modes.items(): module.training = mode
    epochs = math.ceil(finder.steps / (batches_in(learn.dls.train) or 1))
    search.outermost(lambda: search.fit(epochs, [finder]), put_back)
    finder.interrupted = search.interrupted
    if finder.suggestion is None: print(f'lr_find: no suggestion from {len(finder.losses)} of {finder.steps} steps')
    return finder

# ---
# TorchScheduler
# %% nbs/06_schedules.ipynb 08092f19
class TorchScheduler(Scheduler):
    "Steps a scheduler of torch.optim.lr_scheduler after each training batch; `make(opt)` makes it when a fit starts."
    order = 70                                    # after those who look at the rate of this step
    same = ('kind',)
    def __init__(self, make):
        if not callable(make): raise TypeError(f'TorchScheduler: {make!r}, wanted a function that makes a scheduler of an optimiser')
        self.make = make

    def setup(self, learn):
        super().setup(learn)
        self.scheduler = self.make(learn.opt)
        self.kind = {'scheduler': type(self.scheduler).__name__, **self.state_dict()}
        if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            raise TypeError('TorchScheduler: ReduceLROnPlateau wants a figure after each epoch, and here a scheduler is stepped after each batch')

    def after_step(self, learn): self.scheduler.step()
    def state_dict(self): return self.scheduler.state_dict()
    def load_state_dict(self, state): self.scheduler.load_state_dict(state)

# ---

# Generated from nbs/06_schedules.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/06_schedules.ipynb 8060be28
import copy, math
import torch
from exp.nb_05 import Callback, CancelEpoch, CancelFit, DeviceCallback, GradientClip
from exp.nb_05a import draw
from exp.nb_05b import random_state, set_random_state

# ---
# sched_const
# %% nbs/06_schedules.ipynb f122dace
def sched_const(value):
    "Always `value`."
    return lambda pos: value

def sched_lin(start, end):
    "A straight line from `start` to `end`."
    return lambda pos: start + pos*(end - start)

def sched_cos(start, end):
    "Half a cosine from `start` to `end`, flat at both (Loshchilov and Hutter, 2017)."
    return lambda pos: end + (start - end) * (1 + math.cos(math.pi * pos)) / 2

def sched_exp(start, end):
    "From `start` to `end` by the same factor in every step. Raises ValueError unless both have one sign, and no 0."
    if start * end <= 0: raise ValueError(f'sched_exp: from {start} to {end}: no factor leads there')
    return lambda pos: start * (end/start)**pos

def sched_poly(start, end, power):
    "From `start` to `end` as the `power` of the position: 1 is a line, more stays longer near `start`."
    return lambda pos: start + (end - start) * pos**power

# ---
# combine_scheds
# %% nbs/06_schedules.ipynb cd0f55bb
def combine_scheds(fractions, scheds):
    "`scheds` one after the other, each for its fraction of the time. Raises ValueError unless the fractions sum to 1."
    if len(fractions) != len(scheds):
        raise ValueError(f'combine_scheds: {len(fractions)} fractions and {len(scheds)} schedules')
    if any(f < 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-6:
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
# ParamScheduler
# %% nbs/06_schedules.ipynb 72d4ad0d
class ParamScheduler(Callback):
    """Sets settings of the optimiser before each training batch, `ParamScheduler(lr=schedule, momentum=schedule)`, and
    puts them back after the fit. A list has a schedule for each parameter group. For Adam, momentum is the first of
    its betas. A fit is refused with a setting that the optimiser lacks, or a list of another length."""
    former = ()
    def __init__(self, **scheds): self.scheds = scheds

    def before_fit(self, learn):
        groups = learn.opt.param_groups
        for name, sched in self.scheds.items():
            if name not in groups[0] and not (name == 'momentum' and 'betas' in groups[0]):
                raise ValueError(f'ParamScheduler: the optimiser has no {name!r}, only {sorted(groups[0])}')
            if isinstance(sched, list) and len(sched) != len(groups):
                raise ValueError(f'ParamScheduler: {len(sched)} schedules of {name!r} for {len(groups)} groups')
        self.former = [{k: v for k, v in group.items() if k in (*self.scheds, 'betas')} for group in groups]

    def before_batch(self, learn):
        if not learn.training: return
        steps = learn.epochs * len(learn.dl)
        pos = (learn.epoch * len(learn.dl) + learn.batch) / max(1, steps - 1)
        for name, sched in self.scheds.items():
            for i, group in enumerate(learn.opt.param_groups):
                value = float((sched[i] if isinstance(sched, list) else sched)(pos))
                if name == 'momentum' and 'betas' in group: group['betas'] = (value, group['betas'][1])
                else: group[name] = value

    def after_fit(self, learn):
        for group, former in zip(learn.opt.param_groups, self.former): group.update(former)

# ---
# OneCycle
# %% nbs/06_schedules.ipynb d6176012
class OneCycle(ParamScheduler):
    """The one-cycle policy (Smith, 2018) with the settings of torch's OneCycleLR: the rate from `top/div` up to `top`
    (a number, or one per group) and down to `top/div/div_end`; momentum from `moms[0]` to `moms[1]` and back, or
    with None left alone."""
    def __init__(self, top, up=.3, div=25., div_end=1e4, moms=(.95, .85)):
        self.top, self.up, self.div, self.div_end, self.moms = top, up, div, div_end, moms

    def before_fit(self, learn):
        steps = learn.epochs * len(learn.dls.train)
        up = max(0., (self.up * steps - 1) / max(1, steps - 1))
        tops = self.top if isinstance(self.top, (list, tuple)) else [self.top] * len(learn.opt.param_groups)
        self.scheds = {'lr': [one_cycle(top, top/self.div, top/self.div/self.div_end, up) for top in tops]}
        if self.moms is not None: self.scheds['momentum'] = one_cycle(self.moms[1], self.moms[0], self.moms[0], up)
        super().before_fit(learn)

# ---
# LRFinder
# %% nbs/06_schedules.ipynb 83ec38da
class LRFinder(Callback):
    "Raises the rate from `start` to `end` in `steps` batches and keeps the losses; ends when they explode."
    def __init__(self, start=1e-5, end=10., steps=100):
        self.sched, self.steps, self.lrs, self.losses = sched_exp(start, end), steps, [], []

    def before_batch(self, learn):
        lr = self.sched(len(self.lrs) / max(1, self.steps - 1))
        for group in learn.opt.param_groups: group['lr'] = lr
        self.lrs.append(lr)

    def before_validate(self, learn): raise CancelEpoch               # only training batches are steps

    def after_loss(self, learn):
        self.losses.append(learn.loss.item())
        if len(self.losses) >= self.steps or not self.losses[-1] < 4 * min(self.losses): raise CancelFit()

    def smooth(self, weight=.8):
        "The losses as a running mean, without the bias of its start."
        mean, out = 0., []
        for i, loss in enumerate(self.losses, 1):
            mean = weight*mean + (1 - weight)*loss
            out.append(mean / (1 - weight**i))
        return out

    @property
    def suggestion(self):
        "The rate at which the smoothed loss falls fastest per factor of the rate."
        losses = self.smooth()[:-5] or self.losses
        drops = [losses[i + 1] - losses[i - 1] for i in range(1, len(losses) - 1)]
        return self.lrs[1 + drops.index(min(drops))] if drops else self.lrs[0]

    def plot(self, ax=None):
        "The smoothed loss over the rate, with the suggestion marked."
        ax = draw(ax, self.lrs[:len(self.losses)], self.smooth(), 'loss')
        ax.axvline(self.suggestion, color='#c05030', label=f'suggestion {self.suggestion:.2g}')
        ax.set(xscale='log', xlabel='learning rate', ylim=(0, 1.5 * self.losses[0]))
        ax.set_title('It falls, and then it explodes')
        ax.legend()
        return ax

# ---
# lr_find
# %% nbs/06_schedules.ipynb af45c7b6
def lr_find(learn, keep=(DeviceCallback, GradientClip), **kwargs):
    """Runs an LRFinder with the settings `kwargs` and returns it. Model, optimiser, data order and random generators
    are put back. Of the learner's callbacks only those of the classes in `keep` take part."""
    finder, cbs, loader = LRFinder(**kwargs), learn.cbs, learn.dls.train
    parts = [part for part in (learn.model, learn.opt, loader) if hasattr(part, 'state_dict')]
    states, before = [copy.deepcopy(part.state_dict()) for part in parts], random_state()
    learn.cbs = [cb for cb in cbs if isinstance(cb, keep)]
    try: learn.fit(math.ceil(finder.steps / len(loader)), [finder])
    finally:
        learn.cbs = cbs
        learn.opt.zero_grad()
        for part, state in zip(parts, states): part.load_state_dict(state)
        set_random_state(before)
    return finder

# ---
# TorchScheduler
# %% nbs/06_schedules.ipynb 071d0d88
class TorchScheduler(Callback):
    "Steps a scheduler of torch.optim.lr_scheduler after each training batch; `make(opt)` makes it when a fit starts."
    order = 70                                    # after those who look at the rate of this step
    def __init__(self, make): self.make = make
    def before_fit(self, learn): self.scheduler = self.make(learn.opt)
    def after_step(self, learn): self.scheduler.step()
    def state_dict(self): return self.scheduler.state_dict()
    def load_state_dict(self, state): self.scheduler.load_state_dict(state)

# ---

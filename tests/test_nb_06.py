import copy, math, signal
import matplotlib
matplotlib.use('agg')
import pytest, torch
from torch import nn
from torch.nn import functional as F
from exp.nb_04 import SGD, DataLoaders
from exp.nb_04a import Callback, CancelFit, FitError
from exp.nb_05 import DeviceCallback, GradientClip, MetricsCallback
from exp.nb_05a import Recorder
from exp.nb_05b import Checkpoint
from exp.nb_06 import (LRFinder, OneCycle, ParamScheduler, TorchScheduler, combine_scheds, lr_find, one_cycle, sched_const, sched_cos,
                       sched_exp, sched_lin, sched_poly, settings)
from learners import Diary, data, learner, raising, weights

KINDS = {'lin': sched_lin, 'cos': sched_cos, 'exp': sched_exp, 'poly': lambda a, b: sched_poly(a, b, 3)}


# ---- functions

@pytest.mark.parametrize('make', KINDS.values(), ids=KINDS)
@pytest.mark.parametrize('start, end', [(1., .01), (.01, 1.), (2., 2.)])
def test_schedules_begin_and_end_where_they_should_and_go_one_way(make, start, end):
    values = [make(start, end)(i/20) for i in range(21)]
    assert values[0] == pytest.approx(start) and values[-1] == pytest.approx(end)
    assert values == sorted(values, reverse=start > end)


@pytest.mark.parametrize('make, ends, pos, want', [(sched_const, (3,), .7, 3), (sched_lin, (0, 10), .25, 2.5), (sched_cos, (1, 0), .5, .5),
                                                   (sched_cos, (1, 0), .25, (1 + math.cos(math.pi/4)) / 2), (sched_exp, (1, .01), .5, .1),
                                                   (sched_poly, (0, 8, 3), .5, 1), (sched_poly, (1, 0, 2), .5, .75)])
def test_schedules_by_hand(make, ends, pos, want): assert make(*ends)(pos) == pytest.approx(want)


@pytest.mark.parametrize('start, end', [(0, 1), (1, 0), (-1, 1), (math.nan, 1)])
def test_no_factor_leads_to_zero_or_through_it(start, end):
    with pytest.raises(ValueError, match=f'sched_exp: from {start} to {end}'): sched_exp(start, end)


def rates(opt, scheduler, steps):
    "The rate (and momentum) that a torch scheduler sets for each of so many steps."
    out = []
    for i in range(steps):
        out.append((opt.param_groups[0]['lr'], opt.param_groups[0]['momentum']))
        opt.step()
        if i + 1 < steps: scheduler.step()
    return out


def torch_opt(lr=1.): return torch.optim.SGD([torch.zeros(1)], lr=lr, momentum=.9)


def test_the_cosine_is_torchs_step_by_step():
    opt = torch_opt(.8)
    want = rates(opt, torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=40, eta_min=.1), 41)
    assert [lr for lr, _ in want] == pytest.approx([sched_cos(.8, .1)(i/40) for i in range(41)])


def test_the_line_is_torchs_step_by_step():
    opt = torch_opt(.8)
    want = rates(opt, torch.optim.lr_scheduler.LinearLR(opt, .25, 1., total_iters=40), 41)
    assert [lr for lr, _ in want] == pytest.approx([sched_lin(.2, .8)(i/40) for i in range(41)])


@pytest.mark.parametrize('steps, up', [(100, .3), (37, .25), (400, .5)])
def test_one_cycle_is_torchs_step_by_step(steps, up):
    opt = torch_opt()
    want = rates(opt, torch.optim.lr_scheduler.OneCycleLR(opt, .7, total_steps=steps, pct_start=up), steps)
    share = (up*steps - 1) / (steps - 1)
    lr, momentum = one_cycle(.7, .7/25, .7/25e4, share), one_cycle(.85, .95, .95, share)
    assert [(lr(i/(steps - 1)), momentum(i/(steps - 1))) for i in range(steps)] == [pytest.approx(pair, rel=1e-4) for pair in want]


# ---- one after the other

@pytest.mark.parametrize('fractions', [[1.], [.5, .5], [.2, .3, .5], [.1, .2, .3, .4], [.1, .3, .2, .3, .1], [0., .4, 0., .6]])
def test_each_phase_is_on_duty_for_its_fraction(fractions):
    sched = combine_scheds(fractions, [sched_lin(i, i + 1) for i in range(len(fractions))])
    start = 0.
    for i, fraction in enumerate(fractions):
        for inside in (.01, .5, .99):
            if fraction: assert sched(start + inside*fraction) == pytest.approx(i + inside)
        start += fraction
    assert sched(1.) == pytest.approx(len(fractions))


@pytest.mark.parametrize('fractions', [[.3, .8], [.3, .3], [1.5, -.5], [math.nan, .5]])
def test_fractions_that_do_not_sum_to_one_or_are_negative_are_refused(fractions):
    with pytest.raises(ValueError, match='must not be negative and sum to 1'): combine_scheds(fractions, [sched_const(0)] * 2)


def test_as_many_schedules_as_fractions_are_wanted():
    with pytest.raises(ValueError, match='2 fractions and 1 schedules'): combine_scheds([.5, .5], [sched_const(0)])


def test_rounding_of_the_fractions_leaves_no_gap():
    sched = combine_scheds([.1] * 10, [sched_const(i) for i in range(10)])
    assert [sched(i/10 + .05) for i in range(10)] == list(range(10)) and sched(1.) == 9


# ---- in the loop

def two_groups(params, lr):
    params = list(params)
    return SGD([{'params': params[:2]}, {'params': params[2:]}], lr, momentum=.5)


def test_the_first_batch_is_at_0_the_last_at_1_and_validation_changes_nothing():
    seen = []
    learner([ParamScheduler(lr=sched_lin(0., 1.)), Diary(after_step=lambda learn: seen.append(learn.opt.param_groups[0]['lr']))], bs=16).fit(2)
    assert seen == pytest.approx([0, .2, .4, .6, .8, 1])


def test_validation_leaves_the_rate_as_the_last_batch_had_it():
    seen = []
    look = Diary(after_validate=lambda learn: seen.append(learn.opt.param_groups[0]['lr']))
    learner([ParamScheduler(lr=sched_lin(0., 1.)), look], bs=16).fit(2)
    assert seen == pytest.approx([.4, 1.])


def test_one_batch_alone_is_at_the_start():
    learner([ParamScheduler(lr=sched_lin(.3, 1.)), recorder := Recorder()], bs=40).fit(1)
    assert recorder.lrs == [.3]


@pytest.mark.parametrize('opt_func', [SGD, torch.optim.SGD, torch.optim.Adam, two_groups])
@pytest.mark.parametrize('stop', [CancelFit, KeyboardInterrupt, None])
def test_after_a_fit_the_settings_are_again_what_they_were(opt_func, stop):
    def end(learn):
        if stop and learn.batch == 1: raise stop
    learn = learner([OneCycle(.5), Diary(after_step=end)], opt_func=opt_func)
    before = [{k: v for k, v in group.items() if k != 'params'} for group in learn.opt.param_groups]
    learn.fit(2)
    assert [{k: v for k, v in group.items() if k != 'params'} for group in learn.opt.param_groups] == before


def test_until_a_fit_is_over_everybody_sees_the_settings_of_its_last_batch():
    seen = []
    look = Diary(after_epoch=lambda learn: seen.append(learn.opt.param_groups[0]['lr']), after_fit=lambda learn: seen.append(learn.opt.param_groups[0]['lr']))
    learner([ParamScheduler(lr=sched_lin(0., 1.)), look]).fit(1)
    assert seen == [1., 1.]


def test_a_schedule_may_return_any_kind_of_number(tmp_path):
    import numpy as np
    sched = lambda pos: np.interp(pos, [0, 1], [.1, .2])
    seen, recorder = [], Recorder()
    kinds = Diary(after_step=lambda learn: seen.append(type(learn.opt.param_groups[0]['lr'])))
    learner([ParamScheduler(lr=sched), recorder, kinds, Checkpoint(tmp_path)]).fit(1)
    assert {type(lr) for lr in recorder.lrs} == {*seen} == {float} and len([*tmp_path.glob('*.pt')]) == 1


def test_groups_can_have_schedules_of_their_own():
    seen = []
    def look(learn): seen.append([(group['lr'], group['momentum']) for group in learn.opt.param_groups])
    learner([ParamScheduler(lr=[sched_const(.1), sched_const(.2)], momentum=sched_const(.7)), Diary(after_step=look)], opt_func=two_groups).fit(1)
    assert seen == [[(.1, .7), (.2, .7)]] * 3


@pytest.mark.parametrize('opt_func', [SGD, torch.optim.SGD])
def test_a_setting_that_does_not_exist_is_refused_and_not_swallowed(opt_func):
    with pytest.raises(FitError, match="the optimiser has no 'mom', only .*'lr'"): learner([ParamScheduler(mom=sched_const(1))], opt_func=opt_func).fit(1)


def test_another_number_of_schedules_than_groups_is_refused():
    with pytest.raises(FitError, match="1 schedules of 'lr' for 2 groups"):
        learner([ParamScheduler(lr=[sched_const(1)])], opt_func=two_groups).fit(1)


def test_momentum_of_adam_is_the_first_of_its_betas():
    seen = []
    def look(learn): seen.append(learn.opt.param_groups[0]['betas'])
    learner([ParamScheduler(momentum=sched_const(.8)), Diary(after_step=look)], opt_func=torch.optim.Adam).fit(1)
    assert seen == [(.8, .999)] * 3


@pytest.mark.parametrize('bs, epochs', [(16, 4), (8, 7)])
def test_the_one_cycle_callback_sets_what_torchs_scheduler_sets(bs, epochs):
    seen = []
    def look(learn): seen.append((learn.opt.param_groups[0]['lr'], learn.opt.param_groups[0]['momentum']))
    learner([OneCycle(.5), Diary(after_backward=look)], bs=bs).fit(epochs)
    opt, steps = torch_opt(), epochs * -(-40 // bs)
    assert seen == [pytest.approx(pair, rel=1e-4) for pair in rates(opt, torch.optim.lr_scheduler.OneCycleLR(opt, .5, total_steps=steps), steps)]


def test_one_cycle_has_a_top_for_each_group_and_can_leave_momentum_alone():
    seen = []
    def look(learn): seen.append([(group['lr'], group['momentum']) for group in learn.opt.param_groups])
    learner([OneCycle([.1, .4], moms=None), Diary(after_step=look)], opt_func=two_groups, bs=8).fit(4)
    assert max(a for (a, _), _ in seen) == pytest.approx(.1, rel=.05) and all(b == pytest.approx(4*a) for (a, _), (b, _) in seen)
    assert {momentum for pair in seen for _, momentum in pair} == {.5}


@pytest.mark.parametrize('bs, epochs', [(40, 1), (40, 2), (16, 1)])
def test_one_cycle_survives_a_fit_of_very_few_steps(bs, epochs):
    learner([OneCycle(.5), recorder := Recorder()], bs=bs).fit(epochs)
    assert all(0 < lr <= .5 for lr in recorder.lrs) and len(recorder.lrs) == epochs * -(-40 // bs)


def test_torchs_schedulers_are_stepped_after_each_training_batch():
    def decay(opt): return torch.optim.lr_scheduler.ExponentialLR(opt, .5)
    learner([TorchScheduler(decay), recorder := Recorder()], bs=16, lr=.8, opt_func=torch.optim.SGD).fit(2)
    assert recorder.lrs == pytest.approx([.8 * .5**i for i in range(6)])


@pytest.mark.parametrize('schedule', [lambda: OneCycle(.5), lambda: ParamScheduler(lr=sched_cos(.5, .1)),
                                      lambda: TorchScheduler(lambda opt: torch.optim.lr_scheduler.StepLR(opt, 5, .5))])
def test_a_resumed_fit_goes_on_in_its_schedule(tmp_path, schedule):
    def make(*cbs): return learner([MetricsCallback(), Recorder(), schedule(), *cbs], opt_func=lambda params, lr: torch.optim.SGD(params, lr, .9))
    whole = make().fit(4)
    def stop(learn):
        if learn.epoch == 2: raise KeyboardInterrupt
    first = make(Checkpoint(tmp_path), Diary(before_batch=stop)).fit(4)
    again = make(Checkpoint(tmp_path), Diary()).fit(4)
    assert again.cbs[2].lrs == whole.cbs[2].lrs and torch.equal(weights(again), weights(whole)) and len(first.history) == 2


def test_a_schedule_of_a_loader_without_a_length_is_refused():
    class Endless:
        def __iter__(self): return iter([data()[:8]])
    for schedule in (OneCycle(.5), ParamScheduler(lr=sched_const(1.))):
        learn = learner([schedule])
        learn.dls = DataLoaders(Endless(), Endless())
        with pytest.raises(FitError, match='(OneCycle|ParamScheduler): the training loader has no length'): learn.fit(1)


def test_a_second_fit_of_another_length_has_a_schedule_of_its_own():
    learn = learner([OneCycle(.5), recorder := Recorder()], bs=16)
    learn.fit(1).fit(4)
    alone = learner([OneCycle(.5), other := Recorder()], bs=16)
    alone.fit(4)
    assert recorder.lrs[3:] == other.lrs and len(other.lrs) == 12


class Alike(torch.optim.lr_scheduler.ExponentialLR): "Another scheduler, with the same settings."
def steps_of(gamma): return TorchScheduler(lambda opt: torch.optim.lr_scheduler.StepLR(opt, 2, gamma=gamma))


@pytest.mark.parametrize('first, then, message', [
    (lambda: OneCycle(.5), lambda: OneCycle(.4), 'OneCycle.top: 0.4 here, 0.5 there'), (lambda: OneCycle(.5), None, 'OneCycle.top: None here, 0.5 there'),
    (lambda: ParamScheduler(lr=sched_lin(.5, .1)), lambda: ParamScheduler(lr=sched_lin(.5, .2)), 'ParamScheduler.course'),
    (lambda: ParamScheduler(lr=sched_lin(.5, .25)), lambda: ParamScheduler(lr=sched_cos(.5, .25)), 'ParamScheduler.course'), (None, lambda: OneCycle(.5), 'OneCycle.top: 0.5 here, None there'),
    (lambda: steps_of(.5), lambda: steps_of(.1), "TorchScheduler.kind: .*'gamma': 0.1.* here, .*'gamma': 0.5.* there"),
    (lambda: TorchScheduler(lambda opt: Alike(opt, .5)), lambda: TorchScheduler(lambda opt: torch.optim.lr_scheduler.ExponentialLR(opt, .5)), "'scheduler': 'ExponentialLR'.* here, .*'scheduler': 'Alike'")])
def test_a_resumption_with_another_schedule_is_refused_by_name(tmp_path, first, then, message):
    def make(schedule): return learner([*([schedule()] if schedule else []), Checkpoint(tmp_path)], opt_func=torch.optim.SGD if 'kind' in message or 'scheduler' in message else SGD)
    make(first).fit(2)
    with pytest.raises(FitError, match=message): make(then).fit(4)


@pytest.mark.parametrize('schedule', [lambda: OneCycle(.5), lambda: TorchScheduler(lambda opt: torch.optim.lr_scheduler.OneCycleLR(opt, .5, total_steps=40))])
def test_a_resumed_fit_leaves_the_settings_that_were_there_before_all_schedules(tmp_path, schedule):
    def make(): return learner([schedule(), Checkpoint(tmp_path)], opt_func=lambda params, lr: torch.optim.SGD(params, lr, .9))
    before = copy.deepcopy(make().opt.state_dict()['param_groups'])
    learn = make().fit(4, [Diary(before_batch=raising(*[None] * 9, KeyboardInterrupt))])
    assert learn.opt.state_dict()['param_groups'] == before
    assert make().fit(4).opt.state_dict()['param_groups'] == before


@pytest.mark.parametrize('schedule', [lambda: OneCycle(.5), lambda: ParamScheduler(lr=sched_cos(.5, .1))])
def test_a_resumption_with_another_number_of_epochs_would_be_another_schedule_and_is_refused(tmp_path, schedule):
    def make(): return learner([schedule(), Checkpoint(tmp_path)])
    make().fit(3, [Diary(before_batch=raising(*[None] * 9, KeyboardInterrupt))])
    with pytest.raises(FitError, match='(OneCycle|ParamScheduler).epochs: 5 here, 3 there'): make().fit(5)
    assert make().fit(3).epoch == 3


@pytest.mark.parametrize('make, message', [
    *[(lambda top=top: OneCycle(top), 'OneCycle: top') for top in (0., -.1, math.nan, math.inf, [], [.1, -.1], [0., 0.])], (lambda: OneCycle(.1, div=0), 'OneCycle: div 0'), (lambda: OneCycle(.1, div=-1), 'div -1'),
    (lambda: OneCycle(.1, div_end=0), 'div_end 0'), (lambda: OneCycle(.1, div_end=math.inf), 'div_end inf'), (lambda: OneCycle(.1, up=1.1), 'up 1.1, wanted a fraction'), (lambda: OneCycle(.1, up=-.1), 'up -0.1'),
    *[(lambda moms=moms: OneCycle(.1, moms=moms), 'OneCycle: moms') for moms in ((.9,), (.9, 1.), (-.1, .9), (.9, .8, .7), (math.nan, .9))],
    *[(lambda ends=ends: LRFinder(*ends), 'LRFinder: rates from .*, wanted to rise from above 0') for ends in ((-1e-5, -10.), (10., 1e-5), (1., 1.), (0., 1.), (math.nan, 1.), (1e-5, math.inf))]])
def test_settings_that_cannot_be_meant_are_refused_when_the_object_is_made(make, message):
    with pytest.raises(ValueError, match=message): make()


def test_the_defaults_are_those_that_their_docstrings_and_pytorch_name():
    assert lr_find(learner(), steps=3).lrs == pytest.approx([1e-5, 1e-2, 10.])
    here, torchs = learner([OneCycle(.5), recorder := Recorder()]), torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=.5)
    here.fit(2)
    torch.optim.lr_scheduler.OneCycleLR(torchs, .5, total_steps=6)
    assert recorder.lrs[0] == pytest.approx(torchs.param_groups[0]['lr']) and recorder.lrs[-1] == pytest.approx(.5/25/1e4)


@pytest.mark.parametrize('div, div_end', [(.5, 1e4), (25, .5), (1, 1)])
def test_a_cycle_may_begin_and_end_above_its_top(div, div_end):
    learner([OneCycle(.1, div=div, div_end=div_end, moms=None), recorder := Recorder()]).fit(2)
    assert recorder.lrs[0] == pytest.approx(.1/div) and recorder.lrs[-1] == pytest.approx(.1/div/div_end)


@pytest.mark.parametrize('up', [0, .5, 1])
def test_a_cycle_may_go_up_or_down_alone_and_a_group_may_stand_still(up):
    learner([OneCycle([0., .2], up=up, moms=None), recorder := Recorder()], opt_func=two_groups).fit(2)
    assert recorder.lrs == [0.] * 6


@pytest.mark.parametrize('make', [ParamScheduler, lambda: ParamScheduler(lr=.1), lambda: ParamScheduler(lr=[sched_const(.1), .1]), lambda: ParamScheduler(lr=[]), lambda: TorchScheduler(None),
                                  lambda: TorchScheduler(torch.optim.lr_scheduler.StepLR(torch.optim.SGD([nn.Parameter(torch.zeros(1))]), 2))])
def test_what_is_no_schedule_is_refused_when_it_is_given(make):
    with pytest.raises(TypeError, match='(ParamScheduler|TorchScheduler): .*, wanted (functions of the position|a function that makes a scheduler)'): make()


def test_a_group_that_is_added_during_a_fit_has_no_schedule_and_is_refused():
    def thaw(learn):
        if learn.epoch == 1: learn.opt.add_param_group({'params': [nn.Parameter(torch.zeros(1))]})
    for schedule in (OneCycle(.5), ParamScheduler(lr=[sched_const(.1)])):
        learn = learner([schedule, Diary(before_epoch=thaw)], opt_func=lambda params, lr: torch.optim.SGD(params, lr, momentum=.9))
        with pytest.raises(FitError, match='epoch 2 of 3.*(OneCycle|ParamScheduler): a group was added during the fit'): learn.fit(3)
        assert learn.opt.param_groups[0]['lr'] == .1


def test_a_scheduler_that_wants_a_figure_is_refused_by_name():
    learn = learner([TorchScheduler(torch.optim.lr_scheduler.ReduceLROnPlateau)], opt_func=torch.optim.SGD)
    with pytest.raises(FitError, match='ReduceLROnPlateau wants a figure after each epoch'): learn.fit(1)


def test_the_orders_are_those_that_lesson_05_gives(): assert [cb.order for cb in (TorchScheduler, OneCycle, LRFinder)] == [70, 50, 50]


def test_settings_are_put_back_whole_when_ctrl_c_comes_in_between():
    class Group(dict):
        def clear(self):
            super().clear()
            signal.raise_signal(signal.SIGINT)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        learn = learner([OneCycle(.5)], opt_func=lambda params, lr: torch.optim.SGD(params, lr, momentum=.9))
        learn.opt.param_groups[0] = Group(learn.opt.param_groups[0])
        before = dict(learn.opt.param_groups[0])
        assert learn.fit(1).interrupted and dict(learn.opt.param_groups[0]) == before
    finally: signal.signal(signal.SIGINT, former)


# ---- finding a rate

def test_a_press_while_the_finder_puts_things_back_waits_for_the_end():
    class Pressing(Callback):
        saves = ('x',)
        x = 0
        def before_batch(self, learn): self.x += 1
        def load_state_dict(self, state): super().load_state_dict(state), signal.raise_signal(signal.SIGINT)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        learn = learner([pressing := Pressing()], layers=[nn.Dropout(.5)])
        before, random, modes = weights(learn), torch.get_rng_state(), [module.training for module in learn.model.eval().modules()]
        with pytest.raises(KeyboardInterrupt): lr_find(learn, steps=10)
        assert torch.equal(weights(learn), before) and torch.equal(torch.get_rng_state(), random) and pressing.x == 0
        assert [module.training for module in learn.model.modules()] == modes and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally: signal.signal(signal.SIGINT, former)


def test_a_loss_may_be_a_number_of_python():
    class Numbers(Callback):
        def do_loss(self, learn): learn.loss = 2. - learn.batch / 8
        def do_backward(self, learn): pass
        def do_step(self, learn): pass
    assert lr_find(learner([Numbers()], bs=8), steps=5).losses == [2., 1.875, 1.75, 1.625, 1.5]


def test_the_finder_puts_everything_back():
    learn = learner([MetricsCallback(), recorder := Recorder()], opt_func=lambda params, lr: SGD(params, lr, .9), layers=[nn.Dropout(.5)])
    learn.fit(1)
    before, order = weights(learn), learn.dls.train.state_dict()['generator']
    momentum = [memory['velocity'].clone() for memory in learn.opt.memory.values()]
    random, losses, history = torch.get_rng_state(), list(recorder.losses), list(learn.history)
    finder = lr_find(learn, steps=20)
    assert len(finder.losses) > 5 and torch.equal(weights(learn), before) and learn.opt.param_groups[0]['lr'] == .1
    assert all(map(torch.equal, momentum, [memory['velocity'] for memory in learn.opt.memory.values()]))
    assert torch.equal(random, torch.get_rng_state()) and torch.equal(order, learn.dls.train.state_dict()['generator'])
    assert learn.history == history and len(recorder.losses) == len(losses) and learn.cbs[2] is recorder
    assert all(p.grad is None for p in learn.model.parameters())


def test_the_finder_raises_the_rate_by_one_factor_to_the_end():
    finder = lr_find(learner(), start=1e-6, end=1e-2, steps=21)
    factors = [b/a for a, b in zip(finder.lrs, finder.lrs[1:])]
    assert len(finder.lrs) == len(finder.losses) == 21 and factors == pytest.approx([10**.2] * 20)
    assert (finder.lrs[0], finder.lrs[-1]) == pytest.approx((1e-6, 1e-2))


def test_a_search_of_two_steps_tries_both_ends_and_of_as_many_epochs_as_its_steps_need():
    class Epochs(Callback):
        def before_fit(self, learn): seen.append(learn.epochs)
    seen, learn = [], learner([Epochs()])
    assert lr_find(learn, start=1e-6, end=1e-2, steps=2).lrs == pytest.approx([1e-6, 1e-2])
    lr_find(learn, start=1e-6, end=1e-4, steps=2*len(learn.dls.train) + 1)
    assert seen == [1, 3]


def test_the_finder_raises_the_rate_of_every_group():
    class Spy(Callback):
        def after_step(self, learn): seen.append([group['lr'] for group in learn.opt.param_groups])
        def after_epoch(self, learn): learn.history.append('of the search')
    seen, learn = [], learner([Spy()], opt_func=two_groups)
    finder = lr_find(learn, start=1e-6, end=1e-4, steps=5)
    assert seen == [[lr, lr] for lr in finder.lrs[:4]] and learn.history == []


def test_the_finder_takes_training_batches_only_however_short_the_epochs():
    class Spy(DeviceCallback):
        def after_loss(self, learn): seen.append(learn.training)
    seen = []
    finder = lr_find(learner([Spy('cpu')], bs=16), start=1e-6, end=1e-4, steps=10)
    assert seen == [True] * 10 and len(finder.losses) == 10


def test_the_finder_is_with_the_callbacks_that_are_not_for_fits_only_or_those_of_the_classes_it_is_given():
    class Heard(Diary): fits_only = True
    def heard(**kwargs):
        diaries = Diary(), Heard()
        lr_find(learner(diaries), steps=3, **kwargs)
        return [len(diary.lines) > 0 for diary in diaries]
    assert heard() == [True, False] and heard(keep=Diary) == [True, False] and heard(keep=(DeviceCallback, GradientClip)) == [False, False]
    assert all(cls.fits_only for cls in (OneCycle, TorchScheduler, MetricsCallback, Recorder, Checkpoint)) and not GradientClip.fits_only


def test_the_finder_ends_when_the_loss_explodes_or_is_no_number():
    finder = lr_find(learner(lr=1.), start=1e-2, end=1e8, steps=200)
    least = [min(finder.losses[:i]) for i in range(1, len(finder.losses) + 1)]
    assert [loss <= low + 3 * finder.losses[0] for loss, low in zip(finder.losses, least)] == [True] * (len(least) - 1) + [False] and len(least) < 200
    assert len(lr_find(learner(loss_func=lambda pred, yb: F.cross_entropy(pred, yb) - 10), end=1e-3, steps=20).losses) == 20     # a loss may be negative


def test_the_finder_puts_things_back_when_something_fails():
    class Failing(DeviceCallback):
        def after_backward(self, learn):
            if learn.batch == 1: raise ValueError('broken')
    learn = learner([Failing('cpu')])
    before = weights(learn)
    with pytest.raises(FitError, match='broken'): lr_find(learn)
    assert torch.equal(weights(learn), before) and len(learn.cbs) == 2
    assert all(p.grad is None for p in learn.model.parameters())


def test_the_finder_sets_the_rate_of_the_optimiser_and_stops_at_nan():
    class Spy(DeviceCallback):
        def before_batch(self, learn):
            if learn.batch == 2: learn.xb = learn.xb * math.nan
        def after_step(self, learn): rates.append(learn.opt.param_groups[0]['lr'])
    rates = []
    finder = lr_find(learner([Spy('cpu')], bs=8), steps=10)
    assert rates == finder.lrs[:2] and len(finder.losses) == 3 and math.isnan(finder.losses[-1])


def finder_of(losses):
    finder = LRFinder(steps=max(1, len(losses)))
    finder.lrs, finder.losses = [10**(i/10 - 3) for i in range(len(losses))], losses
    return finder


FALL = [2.] * 15 + [2 - .2*i for i in range(1, 8)] + [.6] * 10 + [5.] * 8
CURVE = [2 - 1.4 / (1 + math.exp(-(i - 20) / 2)) for i in range(34)] + [1., 2., 4., 9.]


def test_the_course_of_a_schedule_is_its_start_its_end_and_three_places_between():
    assert ParamScheduler(lr=sched_lin(0., 1.), momentum=[sched_lin(1., 3.)]).course == {'lr': [[0., .25, .5, .75, 1.]], 'momentum': [[1., 1.5, 2., 2.5, 3.]]}


def test_the_suggestion_is_where_the_loss_falls_fastest():
    assert finder_of(FALL).suggestion in finder_of(FALL).lrs[17:19] and finder_of(CURVE).suggestion == finder_of(CURVE).lrs[20]
    assert finder_of([loss - 10 for loss in CURVE]).suggestion == finder_of(CURVE).lrs[20]            # a loss may be negative


def test_the_suggestion_comes_from_before_the_least_loss_and_from_losses_that_are_numbers():
    hump = [2., 4., 6., 6.] + [6 - .5*i for i in range(11)]
    for end in (hump, [math.nan], [math.inf], [3., math.nan]): assert finder_of(CURVE[:34] + end).suggestion == finder_of(CURVE).lrs[20]
    finder = finder_of(CURVE)
    finder.interrupted = True
    assert finder.suggestion is None


def test_a_loss_that_is_least_at_the_start_and_falls_back_from_an_explosion_suggests_nothing():
    assert finder_of([1.] + [5 - .4*i for i in range(9)] + [1.5] * 20).suggestion is None
    assert finder_of([1.5, 1.] + [5 - .4*i for i in range(9)] + [1.5] * 20).suggestion is None


def test_a_loss_that_is_least_as_early_as_a_line_can_be_drawn_is_still_suggested():
    finder = finder_of([9., 7., 5., 3., 1.] + [5 + .01*i for i in range(60)])
    assert finder.suggestion == finder.lrs[4]


def test_a_single_noisy_batch_is_not_followed():
    for place in (3, 8, 27):
        for spike in (-.4, .4):
            losses = list(CURVE)
            losses[place] += spike
            assert finder_of(losses).suggestion in finder_of(CURVE).lrs[18:23]


@pytest.mark.parametrize('losses', [[], [2.], [2., math.nan], [math.nan], [2.] * 30, [0.] * 30, [2 + .1*i for i in range(30)], [math.inf]])
def test_where_nothing_falls_nothing_is_suggested(losses): assert finder_of(losses).suggestion is None


def test_noise_alone_suggests_nothing():
    torch.manual_seed(0)
    found = [finder_of((2 + .3 * torch.randn(100)).tolist()).suggestion for _ in range(40)]
    assert sum(rate is not None for rate in found) <= 2


def test_a_search_that_finds_nothing_says_so_and_is_drawn(capsys):
    def fail(pred, yb): return pred.sum() * math.nan
    finder = lr_find(learner(loss_func=fail))
    assert finder.suggestion is None and capsys.readouterr().out == 'lr_find: no suggestion from 1 of 100 steps\n'
    ax = finder.plot()
    assert ax.get_title() == 'No rate is suggested' and ax.get_legend() is None


def test_a_suggestion_is_drawn_with_its_number():
    finder = finder_of(CURVE)
    ax = finder.plot()
    assert ax.get_title() == 'It falls, and then it explodes'
    assert ax.get_ylim()[1] == pytest.approx(1.5 * finder.losses[0]) and ax.get_xscale() == 'log' and ax.get_xlabel() == 'learning rate' and f'{finder.suggestion:.2g}' in ax.get_legend().texts[0].get_text()


def test_an_interrupted_search_says_what_it_was_and_puts_everything_back(capsys):
    learn = learner([Diary(after_step=raising(*[None] * 11, KeyboardInterrupt))], layers=[nn.Dropout(.5)])
    before, random = weights(learn), torch.get_rng_state()
    finder = lr_find(learn)
    said = capsys.readouterr().out
    assert finder.interrupted and finder.suggestion is None and len(finder.losses) == 12 and torch.equal(weights(learn), before)
    assert 'everything is put back' in said and 'kept' not in said and 'no suggestion from 12 of 100 steps' in said
    assert torch.equal(torch.get_rng_state(), random) and not hasattr(learn, 'interrupted')


def test_the_finder_puts_back_modes_and_every_generator():
    from torch.utils.data import DataLoader
    g, mine = torch.Generator().manual_seed(3), torch.Generator().manual_seed(4)
    class Noise(Callback):
        def __init__(self): self.g = mine
        def before_batch(self, learn): learn.xb = learn.xb + .1 * torch.randn(learn.xb.shape, generator=self.g)
    learn = learner([Noise()], layers=[nn.BatchNorm1d(5)])
    learn.dls = DataLoaders(DataLoader(data(), 8, shuffle=True, generator=g), learn.dls.valid)
    learn.model.eval(), learn.model[0].train()
    before, state = [x.get_state() for x in (g, mine)], str(learn.model.state_dict())
    assert len(lr_find(learn, steps=20).losses) == 20 and [m for m in learn.model.modules() if m.training] == [learn.model[0]]
    assert all(map(torch.equal, before, [x.get_state() for x in (g, mine)])) and str(learn.model.state_dict()) == state


def test_the_finder_searches_with_the_noise_and_the_clipping_that_will_be_used():
    class Noise(Callback):
        def before_batch(self, learn): learn.xb, learn.yb = learn.xb + torch.randn_like(learn.xb), learn.xb
    learn = learner([Noise(), GradientClip(1e-6)], loss_func=lambda pred, yb: (pred - yb[:, :3]).square().mean())
    finder = lr_find(learn, steps=60)
    assert len(finder.losses) == 60 and max(finder.losses) < 10           # steps so small that nothing explodes
    assert len(lr_find(learner(loss_func=learn.loss_func, cbs=[Noise()]), steps=60, start=1e-2, end=1e4).losses) < 60


def test_the_finder_takes_a_loader_that_does_not_know_its_length_and_batches_that_are_cancelled():
    class Endless:
        def __iter__(self): return iter([data()[:8], data()[8:16]])
    from exp.nb_04a import CancelBatch
    class Skip(Callback):
        def after_pred(self, learn):
            if learn.training and learn.batch == 1: raise CancelBatch
    learn = learner([Skip()])
    learn.dls = DataLoaders(Endless(), Endless())
    finder = lr_find(learn, steps=7, end=1e-3)
    assert len(finder.lrs) == len(finder.losses) == 7 and finder.lrs == pytest.approx([1e-5 * 10**(i/3) for i in range(7)])
    with pytest.raises(ValueError, match='LRFinder: steps: 0, wanted a whole number'): lr_find(learn, steps=0)


def test_the_settings_of_an_optimiser_are_all_but_its_parameters():
    w, b = [torch.zeros(1, requires_grad=True) for _ in 'wb']
    opt = torch.optim.SGD([{'params': [w], 'lr': .1}, {'params': [b], 'lr': .2}], momentum=.5)
    found = settings(opt)
    assert [one['lr'] for one in found] == [.1, .2] and all({*one} == {*opt.defaults} and one['momentum'] == .5 for one in found)
    found[0]['lr'] = 7
    assert opt.param_groups[0]['lr'] == .1


def test_the_smoothed_loss_starts_without_bias():
    finder = LRFinder()
    finder.losses = [1., 2., 4.]
    assert finder.smooth(.5) == pytest.approx([1, 5/3, 3]) and finder.smooth(0.) == [1, 2, 4]    # (1*1 + 2*2)/3, (1*1 + 2*2 + 4*4)/7
    finder.losses = [2.3] * 30
    assert finder.smooth() == pytest.approx([2.3] * 30)

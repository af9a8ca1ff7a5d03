import math, sys
from types import SimpleNamespace
import matplotlib
matplotlib.use('agg')
import pytest, torch
from torch.nn import functional as F
from exp.nb_04 import DataLoaders, accuracy
from exp.nb_04a import Callback, CancelEpoch, CancelFit, FitError
from exp.nb_05 import MetricsCallback
from exp.nb_05a import EarlyStopping, ProgressCallback, Recorder, TableCallback, batches_in, check_mode, draw, label_epochs
from learners import Diary, data, learner, raising, weights


def test_the_number_of_batches_is_known_or_not():
    class Endless:
        def __iter__(self): return iter([data()[:5]])
    assert (batches_in([1, 2]), batches_in(Endless()), batches_in(iter([]))) == (2, None, None)


def test_the_orders_are_those_that_lesson_05_gives(): assert [cb.order for cb in (TableCallback, ProgressCallback, Recorder, EarlyStopping)] == [20, 20, 50, 95]


def test_a_table_has_a_line_for_each_epoch_under_its_names_and_quiet_none(capsys):
    learner([MetricsCallback(), TableCallback()]).fit(2)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ['epoch', 'train_loss', 'valid_loss'] and [line[0] for line in lines[1:]] == ['1', '2'] and all('.' in word for line in lines[1:] for word in line[1:])
    learner([MetricsCallback(), TableCallback(quiet=True)]).fit(2)
    assert capsys.readouterr().out == ''


def test_an_epoch_that_was_broken_off_has_no_line_even_if_somebody_wrote_a_row(capsys):
    class Row(Callback):
        order = 5
        def after_epoch(self, learn): learn.history.append({'epoch': learn.epoch + 1})
    learner([Row(), TableCallback(), Diary(after_loss=raising(None, None, CancelFit))], bs=40).fit(2)
    assert capsys.readouterr().out.split() == ['epoch', '1']


def test_early_stopping_waits_for_three_epochs_if_nobody_says_otherwise():
    stopping = EarlyStopping()
    assert (stopping.patience, stopping.min_delta, stopping.monitor, stopping.restore_best) == (3, 0., 'valid_loss', False)
    with pytest.raises(ValueError, match='^EarlyStopping: patience: 0, wanted'): EarlyStopping(patience=0)


def test_every_training_batch_is_recorded_with_its_loss_and_rate_and_no_other():
    losses, recorder = [], Recorder()
    diary = Diary(after_loss=lambda learn: losses.append(learn.loss.item()) if learn.training else None)
    learner([recorder, diary], bs=16, lr=.3).fit(2)
    assert [loss.item() for loss in recorder.losses] == losses and recorder.lrs == [.3] * 6


def test_recorded_losses_hold_no_graph_and_have_no_axes():
    learner([recorder := Recorder()], loss_func=lambda pred, yb: F.cross_entropy(pred, yb)[None]).fit(1)
    assert not any(loss.requires_grad or loss.ndim for loss in recorder.losses) and recorder.plot_loss().get_ylabel() == 'training loss'
    learn = learner()
    learn.loss = .25
    recorder.after_step(learn)
    assert torch.is_tensor(recorder.losses[-1]) and recorder.losses[-1].item() == .25


def test_a_rate_changed_on_the_way_is_recorded_from_then_on():
    def lower(learn): learn.opt.param_groups[0]['lr'] = .1 / (learn.batch + 1)
    learner([recorder := Recorder(), Diary(before_batch=lower)], bs=16).fit(1)
    assert recorder.lrs == [.1, .05, pytest.approx(.1/3)]


def test_a_rate_in_a_tensor_is_recorded_as_it_was():
    def halve(learn): learn.opt.param_groups[0]['lr'].mul_(.5)
    learner([recorder := Recorder(), Diary(after_batch=halve)], opt_func=lambda params, lr: torch.optim.Adam(params, lr=torch.tensor(.5))).fit(1)
    assert recorder.lrs == [.5, .25, .125]


@pytest.mark.parametrize('smooth', [0, -1, 2.5])
def test_means_over_no_batches_are_refused(smooth):
    learner([recorder := Recorder()]).fit(1)
    with pytest.raises(ValueError, match='Recorder: smooth: .*, wanted a whole number from 1 on'): recorder.plot_loss(smooth=smooth)


@pytest.mark.parametrize('smooth, want', [(1, [1., 2, 3, 4, 5]), (2, [1.5, 3.5]), (5, [3.]), (50, [3.])])
def test_the_curve_goes_through_means_of_so_many_batches(smooth, want):
    recorder = Recorder()
    recorder.losses = [torch.tensor(float(i)) for i in range(1, 6)]
    line, = recorder.plot_loss(smooth=smooth).lines
    assert line.get_ydata().tolist() == want and line.get_xdata().tolist() == want              # the mean of 1 and 2 stands between them


def test_plots_go_on_the_axes_they_are_given_and_have_labels():
    recorder = Recorder()
    recorder.lrs = [.1, .2]
    ax = recorder.plot_lr()
    assert draw(ax, [1], [1], 'other', label='x') is ax and len(ax.lines) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ('batch', 'other') and recorder.plot_lr().get_ylabel() == 'learning rate'
    assert [(x, y) for x, y in zip(*ax.lines[0].get_data())] == [(1, .1), (2, .2)]


def test_what_is_recorded_belongs_in_a_checkpoint():
    learner([recorder := Recorder()]).fit(1)
    other = Recorder()
    other.load_state_dict(recorder.state_dict())
    assert other.losses == recorder.losses and other.lrs == recorder.lrs
    state = recorder.state_dict()
    other.load_state_dict(state)
    for one in recorder, other: one.losses.append(torch.zeros(1)), one.lrs.append(7.)
    assert len(state['losses']) == len(state['lrs']) == len(recorder.lrs) - 1                    # a state does not grow with what it is of
    other.load_state_dict(Recorder().state_dict())
    assert (other.losses, other.lrs) == ([], [])


def test_outside_a_notebook_progress_is_a_line_per_epoch_under_a_line_of_names(capsys):
    learner([MetricsCallback(accuracy=accuracy), ProgressCallback()]).fit(2)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ['epoch', 'train_loss', 'valid_loss', 'accuracy'] and [line[0] for line in lines[1:]] == ['1', '2']


def test_quiet_progress_and_progress_without_metrics_show_nothing(capsys):
    learner([MetricsCallback(), ProgressCallback(quiet=True)]).fit(2)
    learner([ProgressCallback()]).fit(1)
    assert capsys.readouterr().out == ''


def test_a_broken_epoch_shows_no_line(capsys):
    def cancel(learn):
        if learn.epoch == 1: raise CancelFit
    learner([MetricsCallback(), ProgressCallback(), Diary(after_step=cancel)]).fit(3)
    assert len(capsys.readouterr().out.splitlines()) == 2


class Bar:
    "Stands for fastprogress's bars, and writes down what they are asked."
    def __init__(self, gen, parent=None): self.total, self.parent, self.asked = len(gen), parent, []
    def __getattr__(self, name): return lambda *args, **kwargs: self.asked.append((name, *args))


@pytest.fixture
def notebook(monkeypatch):
    "fastprogress as in a notebook; the list of bars that were made."
    import fastprogress.fastprogress as fastprogress
    bars = []
    def make(*args, **kwargs): return bars.append(Bar(*args, **kwargs)) or bars[-1]
    for name in ('master_bar', 'progress_bar'): monkeypatch.setattr(fastprogress, name, make)
    monkeypatch.setattr(fastprogress, 'IN_NOTEBOOK', True)
    return bars


def test_in_a_notebook_there_is_a_table_a_bar_for_each_half_and_curves(notebook, capsys, monkeypatch):
    labelled = []
    monkeypatch.setattr('exp.nb_05a.label_epochs', labelled.append)
    learner([MetricsCallback(), ProgressCallback()], bs=16).fit(2)
    main, *halves = notebook
    assert [bar.total for bar in halves] == [3, 2, 3, 2] and all(bar.parent is main for bar in halves)
    assert halves[0].asked == [('update', 0), ('update', 1), ('update', 2), ('update', 3)]
    assert [ask[1][0] for ask in main.asked if ask[0] == 'write'] == ['epoch', '1', '2'] and main.asked[-1] == ('on_iter_end',)
    curves = [ask[1] for ask in main.asked if ask[0] == 'update_graph']
    assert [[len(y) for x, y in each] for each in curves] == [[1, 1], [2, 2]] and [[*x] for x, y in curves[1]] == [[1, 2]] * 2
    assert labelled == [main, main] and capsys.readouterr().out == ''


def test_a_second_fit_has_names_and_bars_of_its_own_and_shows_no_row_of_the_first(capsys, request):
    learn = learner([MetricsCallback(), ProgressCallback()]).fit(1).fit(1)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ['epoch', '1'] * 2
    learn.fit(1, [Diary(before_epoch=raising(CancelEpoch))])
    assert capsys.readouterr().out == ''
    bars = request.getfixturevalue('notebook')
    learn.fit(1).fit(0)
    assert [ask[0] for ask in bars[0].asked].count('on_iter_end') == 1


def test_an_epoch_that_was_broken_off_or_not_validated_does_not_disturb_the_bars(notebook):
    def stop(learn):
        if learn.epoch == 2: raise CancelFit
    learner([MetricsCallback(), ProgressCallback(), Diary(before_validate=raising(CancelEpoch, None), after_step=stop)]).fit(3)
    assert [ask[1] for ask in notebook[0].asked if ask[0] == 'update'] == [0, 1, 2]
    assert [[len(y) for x, y in ask[1]] for ask in notebook[0].asked if ask[0] == 'update_graph'] == [[1, 0], [2, 1]]


def test_the_curves_of_fastprogress_get_names_and_marks_at_whole_epochs():
    import matplotlib.pyplot as plt
    bars = Bar([])
    label_epochs(bars)
    assert bars.asked == []                                        # nothing is drawn yet
    bars.graph_ax, bars.graph_out = plt.subplots()[1], Bar([])
    bars.graph_ax.plot([1, 2, 3], [3., 2., 1.])
    label_epochs(bars)
    assert (bars.graph_ax.get_xlabel(), bars.graph_ax.get_ylabel()) == ('epoch', 'loss') and bars.graph_out.asked == [('update', bars.graph_ax.figure)]
    assert all(mark == int(mark) for mark in bars.graph_ax.get_xticks())


def test_curves_can_be_left_out(notebook):
    learner([MetricsCallback(), ProgressCallback(plot=False)]).fit(1)
    assert 'update_graph' not in [ask[0] for ask in notebook[0].asked]


def test_importing_the_module_does_not_import_matplotlib():
    import subprocess
    code = 'import sys, exp.nb_05a; sys.exit("matplotlib" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


@pytest.mark.parametrize('n', [1, 7, 99, 1000])
def test_the_curve_is_seen_however_few_batches_there_were(n):
    recorder = Recorder()
    recorder.losses = [torch.tensor(1.)] * n
    line, = recorder.plot_loss(marker='o').lines
    assert len(line.get_xdata()) >= min(n, 10) and len(line.get_xdata()) <= 20
    with pytest.raises(ValueError, match='no batch has been recorded'): Recorder().plot_loss()


def test_an_epoch_without_a_row_of_its_own_shows_no_line_and_moves_the_bar(notebook, capsys):
    learner([MetricsCallback(), ProgressCallback(), Diary(before_epoch=raising(None, CancelEpoch, None))]).fit(3)
    learner([ProgressCallback()]).fit(2)
    first, second = [bar for bar in notebook if bar.parent is None]
    assert [ask[1][0] for ask in first.asked if ask[0] == 'write'] == ['epoch', '1', '3']
    assert [[ask[1] for ask in bar.asked if ask[0] == 'update'] for bar in (first, second)] == [[0, 1, 2, 3], [0, 1, 2]]


def test_bars_start_where_a_resumed_fit_starts_and_loaders_without_a_length_have_none(notebook):
    class Resume(Callback):
        def setup(self, learn): learn.epoch = 2
    learner([ProgressCallback(), Resume()]).fit(3)
    assert [ask[1] for ask in notebook[0].asked if ask[0] == 'update'] == [0, 2, 3]
    class Endless:
        def __iter__(self): return iter([data()[:8]])
    learn = learner([ProgressCallback(), MetricsCallback()])
    learn.dls, made = DataLoaders(Endless(), Endless()), len(notebook)
    learn.fit(2)
    assert len(notebook) == made + 1


def test_no_bar_is_made_for_no_epochs(notebook):
    learner([ProgressCallback()]).fit(0)
    assert notebook == []


# ---- stopping early

def stopped_after(values, **settings):
    "After how many epochs a fit ends whose monitored values are these."
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history.append({'value': values[learn.epoch]})
    return len(learner([Fake(), EarlyStopping('value', **settings)]).fit(len(values)).history)


@pytest.mark.parametrize('values, settings, epochs', [
    ([5, 4, 3, 2, 1], dict(patience=1), 5), ([5, 4, 4, 4, 4], dict(patience=2), 4), ([5, 6, 4, 5, 3], dict(patience=2), 5),
    ([5, 4.9, 4.8, 4.7, 1], dict(patience=2, min_delta=.5), 3), ([1, 2, 3, 2, 2], dict(patience=2, mode='max'), 5),
    ([1, 2, 1, 1, 3], dict(patience=2, mode='max'), 4), ([5, 6, 5.5, 5.4, 5.3], dict(patience=3), 4), ([1, 1], dict(patience=3), 2)])
def test_a_fit_ends_when_the_value_has_not_improved_for_so_many_epochs(values, settings, epochs):
    assert stopped_after(values, **settings) == epochs


def test_the_reason_is_told_and_another_mode_refused(capsys):
    stopped_after([1, 1, 1], patience=1)
    assert 'value has not improved for 1 epochs' in capsys.readouterr().out and (check_mode('', 'min'), check_mode('', 'max')) == (1, -1)
    with pytest.raises(ValueError, match="EarlyStopping: mode 'low', wanted 'min' or 'max'"): EarlyStopping(mode='low')


def test_a_figure_that_nobody_computes_is_missed():
    with pytest.raises(FitError, match="EarlyStopping.after_epoch failed.*no 'valid_loss' in the history: is there a MetricsCallback"):
        learner([EarlyStopping()]).fit(3)


def test_epochs_of_an_earlier_fit_and_epochs_without_the_figure_do_not_count(capsys):
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history.append({'value': 1.} if learn.epoch != 1 else {})
    learn = learner([Fake(), EarlyStopping('value', patience=2)])
    learn.fit(2).fit(2)
    assert len(learn.history) == 4 and capsys.readouterr().out == ''
    assert len(learn.fit(9).history) == 4 + 4


def test_improvements_too_small_do_not_move_the_mark():
    assert stopped_after([5, 4.7, 4.4, 4.1, 3.8], patience=2, min_delta=.5) == 5        # 4.4 is better than 5 by more, 4.7 is not
    assert stopped_after([5, 5.3, 5.6, 5.9], patience=2, min_delta=.5, mode='max') == 4
    assert stopped_after([5, 5.3, 5.4, 5.45], patience=2, min_delta=.5, mode='max') == 3


def test_a_value_that_is_no_number_is_no_improvement():
    assert stopped_after([3, math.nan, math.nan, 1], patience=2) == 3 and stopped_after([math.nan, 2, 1], patience=2) == 3


@pytest.mark.parametrize('settings', [dict(patience=0), dict(patience=-1), dict(patience=1.5), dict(min_delta=-.1), dict(min_delta=math.nan), dict(min_delta=math.inf)])
def test_settings_of_stopping_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(ValueError, match='EarlyStopping: (patience|min_delta).*, wanted (a whole number from 1 on|0 or more)'): EarlyStopping(**settings)


@pytest.mark.parametrize('restore, epoch', [(False, 3), (True, 1)])
def test_the_weights_left_are_the_last_or_when_asked_for_the_best(restore, epoch):
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history.append({'value': [2., 1., 3., 4., 5.][learn.epoch]}), seen.append(weights(learn))
    seen = []
    learn = learner([Fake(), EarlyStopping('value', patience=2, restore_best=restore)], lr=.5).fit(5)
    assert torch.equal(weights(learn), seen[epoch]) and len(seen) == 4
    seen.clear()
    learn.fit(2, [Diary(after_step=lambda learn: learn.epoch == 1 and raising(KeyboardInterrupt)(learn))])
    assert not torch.equal(weights(learn), seen[0])                     # after Ctrl-C what was learned is kept


def test_a_resumed_fit_keeps_the_best_weights_that_it_got_back():
    stops, kept = EarlyStopping(restore_best=True), {'weight': torch.ones(1)}
    stops.load_state_dict({'best_weights': kept})
    stops.before_fit(SimpleNamespace(epoch=2, first_row=0, history=[{'valid_loss': 1.}, {'valid_loss': 2.}], model=torch.nn.Linear(1, 1)))
    assert stops.best_weights is kept


def test_the_best_weights_are_all_that_a_model_keeps():
    model, stops = torch.nn.BatchNorm1d(2), EarlyStopping(restore_best=True)
    stops.best_weights = {name: value + 1 for name, value in model.state_dict().items()}
    stops.after_fit(SimpleNamespace(whole=True, model=model))
    assert all(torch.equal(value, stops.best_weights[name]) for name, value in model.state_dict().items())


def test_a_loader_that_only_seems_to_know_its_length_does_not():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self): return iter(range(4))
    assert batches_in(torch.utils.data.DataLoader(Stream())) is None and batches_in(iter('ab')) is None and batches_in([1, 2]) == 2


def test_the_best_weights_belong_in_a_checkpoint_when_they_are_wanted():
    stops, other = EarlyStopping(restore_best=True), EarlyStopping(restore_best=True)
    learn = learner([MetricsCallback(), stops]).fit(1)
    other.load_state_dict(stops.state_dict())
    assert torch.equal(other.best_weights['0.weight'], learn.model[0].weight) and EarlyStopping().state_dict() == {}


def test_a_second_fit_has_a_best_of_its_own():
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history.append({'value': values.pop(0)}), seen.append(weights(learn))
    values, seen = [1., 2., 5., 4., 6., 9.], []
    learn = learner([Fake(), EarlyStopping('value', patience=9, restore_best=True)], lr=.5).fit(2)
    assert torch.equal(weights(learn), seen[0])
    assert torch.equal(weights(learn.fit(3)), seen[3])
    learn.fit(1, [Diary(after_step=raising(CancelFit))])              # before there was a best
    assert not torch.equal(weights(learn), seen[3])


def test_a_fit_that_goes_on_after_it_had_ended_ends_at_once():
    class Resumes(Callback):
        def setup(self, learn): learn.epoch, learn.history[:] = 3, [{'value': value} for value in values]
    for values, epochs in [([1., 2., 2.], 0), ([1., 2., .5], 2)]:
        learn = learner([EarlyStopping('value', patience=2), Resumes(), diary := Diary(after_epoch=lambda learn: learn.history.append({'value': 0.}))])
        learn.fit(5)
        assert diary.lines.count('before_epoch') == epochs


def test_an_epoch_that_was_broken_off_is_not_judged():
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.whole and (learn.history.append({'value': 1.}), seen.append(weights(learn)))
    seen, stops = [], EarlyStopping('value', restore_best=True)
    learn = learner([Fake(), stops], lr=.5).fit(2, [Diary(after_step=raising(CancelFit))])
    learn.fit(2, [Diary(after_step=lambda learn: learn.epoch == 1 and raising(CancelFit)(learn))])
    assert len(seen) == 1 and torch.equal(weights(learn), seen[0])

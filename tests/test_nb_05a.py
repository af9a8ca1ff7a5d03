import subprocess, sys
from pathlib import Path
import matplotlib
matplotlib.use('agg')
import pytest, torch
from torch.nn import functional as F
from exp.nb_04 import accuracy
from exp.nb_05 import Callback, CancelFit, MetricsCallback
from exp.nb_05a import ProgressCallback, Recorder, draw
from learners import Diary, learner


def test_every_training_batch_is_recorded_with_its_loss_and_rate_and_no_other():
    losses, recorder = [], Recorder()
    diary = Diary(after_loss=lambda learn: losses.append(learn.loss.item()) if learn.training else None)
    learner([recorder, diary], bs=16, lr=.3).fit(2)
    assert [loss.item() for loss in recorder.losses] == losses and recorder.lrs == [.3] * 6


def test_recorded_losses_hold_no_graph():
    learner([recorder := Recorder()]).fit(1)
    assert not any(loss.requires_grad for loss in recorder.losses)


def test_a_rate_changed_on_the_way_is_recorded_from_then_on():
    def lower(learn): learn.opt.param_groups[0]['lr'] = .1 / (learn.batch + 1)
    learner([recorder := Recorder(), Diary(before_batch=lower)], bs=16).fit(1)
    assert recorder.lrs == [.1, .05, pytest.approx(.1/3)]


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


def test_what_a_plot_is_told_about_its_line_reaches_it():
    recorder = Recorder()
    recorder.lrs, recorder.losses = [.1], [torch.tensor(1.)]
    ax = recorder.plot_lr(label='rate')
    assert recorder.plot_loss(ax, label='loss') is ax and [line.get_label() for line in ax.lines] == ['rate', 'loss']
    assert ax.get_ylabel() == 'training loss' and recorder.plot_loss().lines[0].get_xydata().tolist() == [[1, 1]]


def test_a_curve_has_a_point_for_every_50_batches_unless_asked_for_others():
    recorder = Recorder()
    recorder.losses = [torch.tensor(1.)] * 150
    assert [len(recorder.plot_loss(**asked).lines[0].get_xdata()) for asked in ({}, {'smooth': 51}, {'smooth': 1})] == [3, 2, 150]


def test_what_is_recorded_belongs_in_a_checkpoint():
    learner([recorder := Recorder()]).fit(1)
    other = Recorder()
    other.load_state_dict(recorder.state_dict())
    assert other.losses == recorder.losses and other.lrs == recorder.lrs
    other.load_state_dict(Recorder().state_dict())
    assert other.losses == other.lrs == []


def test_outside_a_notebook_progress_is_a_line_per_epoch_under_a_line_of_names(capsys):
    history = learner([MetricsCallback(accuracy=accuracy), ProgressCallback()]).fit(2).history
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ['epoch', 'train_loss', 'valid_loss', 'accuracy'] and [line[0] for line in lines[1:]] == ['1', '2']
    assert [line[1:] for line in lines[1:]] == [[f'{x:.4f}' for x in list(row.values())[1:]] for row in history]


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
    def __getattr__(self, name): return lambda *args, **kwargs: self.asked.append((name, *args, kwargs))


@pytest.fixture
def notebook(monkeypatch):
    "fastprogress as in a notebook; the list of bars that were made."
    import fastprogress.fastprogress as fastprogress
    bars = []
    def make(*args, **kwargs): return bars.append(Bar(*args, **kwargs)) or bars[-1]
    for name in ('master_bar', 'progress_bar'): monkeypatch.setattr(fastprogress, name, make)
    monkeypatch.setattr(fastprogress, 'IN_NOTEBOOK', True)
    return bars


def test_in_a_notebook_there_is_a_table_a_bar_for_each_half_and_curves(notebook, capsys):
    learner([MetricsCallback(), ProgressCallback()], bs=16).fit(2)
    main, *halves = notebook
    assert [bar.total for bar in halves] == [3, 2, 3, 2] and all(bar.parent is main for bar in halves)
    assert [ask[1] for ask in halves[0].asked] == [0, 1, 2, 3]
    written = [ask for ask in main.asked if ask[0] == 'write']
    assert [words[0] for _, words, settings in written] == ['epoch', '1', '2'] and all(settings == {'table': True} for *_, settings in written)
    assert [ask[1] for ask in main.asked if ask[0] == 'update'] == [0, 1, 2] and main.total == 2 and main.asked[-1] == ('on_iter_end', {})
    assert capsys.readouterr().out == ''


def test_in_a_notebook_both_losses_are_drawn_over_the_epochs(notebook):
    metrics = MetricsCallback()
    history = learner([metrics, ProgressCallback()], bs=16).fit(2).history
    curves = [ask[1] for ask in notebook[0].asked if ask[0] == 'update_graph']
    want = [[(range(1, n + 1), [row[name] for row in history[:n]]) for name in ('train_loss', 'valid_loss')] for n in (1, 2)]
    assert [[tuple(curve) for curve in pair] for pair in curves] == want


def test_the_bar_of_a_fit_that_is_resumed_starts_where_that_had_come_to(notebook):
    class Resumed(Diary):
        order = 10
        def before_fit(self, learn): learn.epoch = 1
    learner([MetricsCallback(), ProgressCallback(), Resumed()], bs=16).fit(3)
    assert [ask[1] for ask in notebook[0].asked if ask[0] == 'update'] == [1, 2, 3]


def test_an_epoch_without_validation_has_no_point_in_its_curve(notebook):
    learn = learner([MetricsCallback(), ProgressCallback()])
    learn.history.append({'epoch': 1, 'train_loss': 1.})
    learn.fit(1)
    assert [len(curve) for _, curve in notebook[0].asked[-2][1]] == [2, 1]


def test_progress_comes_after_what_it_shows_and_before_other_callbacks():
    assert MetricsCallback.order < ProgressCallback.order < Callback.order


def test_curves_can_be_left_out(notebook):
    learner([MetricsCallback(), ProgressCallback(plot=False)]).fit(1)
    assert 'update_graph' not in [ask[0] for ask in notebook[0].asked]


def test_importing_the_module_does_not_import_matplotlib():
    code = 'import sys, exp.nb_05a; sys.exit("matplotlib" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=Path(__file__).parents[1]).returncode == 0

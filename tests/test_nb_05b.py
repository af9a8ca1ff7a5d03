import random, subprocess, sys, time
from pathlib import Path
import numpy as np, pytest, torch
from torch import nn
from exp.nb_04 import SGD, accuracy
from exp.nb_05 import Callback, CancelFit, FitError, MetricsCallback
from exp.nb_05a import Recorder
from exp.nb_05b import Checkpoint, EarlyStopping, load_checked, random_state, save_checked, set_random_state
from learners import Diary, learner, weights


# ---- ending in time

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
    assert 'value has not improved for 1 epochs' in capsys.readouterr().out
    with pytest.raises(ValueError, match="mode 'low', wanted 'min' or 'max'"): EarlyStopping(mode='low')


# ---- files

def test_what_is_saved_is_loaded_and_leaves_one_file(tmp_path):
    path = save_checked({'a': torch.arange(3), 'b': [1, (2., 'x')]}, tmp_path, 'try')
    state = load_checked(path)
    assert state['a'].tolist() == [0, 1, 2] and state['b'] == [1, (2., 'x')] and [*tmp_path.iterdir()] == [path]


def test_a_file_that_was_not_finished_is_not_looked_for(tmp_path, monkeypatch):
    def crash(*args): raise OSError('power lost')
    monkeypatch.setattr('os.replace', crash)
    with pytest.raises(OSError): save_checked({'a': 1}, tmp_path, 'epoch-00001')
    assert len([*tmp_path.iterdir()]) == 1 and Checkpoint(tmp_path).files() == []


@pytest.mark.parametrize('spoil', [lambda data: data[:-1], lambda data: data[:len(data)//2], lambda data: b'', lambda data: data + b'x',
                                   lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:]])
def test_a_damaged_file_is_refused_by_name(tmp_path, spoil):
    path = save_checked({'a': torch.arange(300)}, tmp_path, 'try')
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=f'{path.name}: damaged'): load_checked(path)


def test_code_in_a_file_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self): return print, ('run',)
    path = save_checked({'a': Evil()}, tmp_path, 'try')
    with pytest.raises(Exception, match='[Ww]eights.only|Unsupported'): load_checked(path)


def test_all_random_generators_go_on_where_they_were():
    def draw(): return random.random(), np.random.rand(), torch.rand(1).item(), np.random.randn()
    np.random.randn()                                                    # leaves one number in numpy's hand
    state = random_state()
    first = draw()
    set_random_state(state)
    assert draw() == first


# ---- a fit that goes on

def make(folder=None, **kw):
    def momentum(params, lr): return SGD(params, lr, momentum=.9)
    cbs = [MetricsCallback(accuracy=accuracy), Recorder()] + ([Checkpoint(folder, **kw)] if folder else [])
    return learner(cbs, layers=[nn.Dropout(.5)], opt_func=momentum)


def disturb():
    "A new process has drawn other numbers."
    torch.manual_seed(99), np.random.seed(9), random.seed(9)


@pytest.mark.parametrize('broken_after', [1, 3, 4])
def test_a_resumed_fit_ends_with_the_same_bits(tmp_path, broken_after):
    want = make().fit(5)
    make(tmp_path).fit(broken_after)
    got = make(tmp_path)
    disturb()
    got.fit(5)
    assert torch.equal(weights(got), weights(want)) and got.history == want.history
    recorded = [[loss.item() for loss in learn.cbs[2].losses] for learn in (got, want)]
    assert recorded[0] == recorded[1] and len(recorded[0]) == 15


def test_a_fit_that_was_done_is_not_done_again(tmp_path):
    want = weights(make(tmp_path).fit(2))
    again = make(tmp_path).fit(2)
    assert torch.equal(weights(again), want) and len(again.history) == 2


@pytest.mark.parametrize('error', [KeyboardInterrupt, CancelFit, RuntimeError])
def test_an_epoch_that_was_broken_off_is_not_saved(tmp_path, error):
    def stop(learn):
        if learn.epoch == 2 and learn.batch == 1: raise error
    learn = make(tmp_path)
    learn.cbs.append(diary := Diary(after_step=stop))
    try: learn.fit(5)
    except FitError: assert error is RuntimeError
    assert [path.name[:11] for path in Checkpoint(tmp_path).files()] == ['epoch-00001', 'epoch-00002'] and diary.lines[-1] == 'after_fit'
    again = make(tmp_path)
    again.cbs.append(Diary())
    assert torch.equal(weights(again.fit(5)), weights(make().fit(5)))


def test_the_last_files_and_the_best_one_are_kept(tmp_path):
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history[-1]['valid_loss'] = [3., 1., 2., 5., 4.][learn.epoch]
    learn = learner([MetricsCallback(), Fake(), checkpoint := Checkpoint(tmp_path, keep=2)]).fit(5)
    assert [path.name[:11] for path in checkpoint.files()] == ['epoch-00002', 'epoch-00004', 'epoch-00005']
    assert load_checked(checkpoint.best())['epoch'] == 2 and len(learn.history) == 5


def test_a_damaged_file_is_named_and_the_one_before_it_used(tmp_path, capsys):
    make(tmp_path).fit(3)
    newest = Checkpoint(tmp_path).files()[-1]
    newest.write_bytes(newest.read_bytes()[:500])
    learn = make(tmp_path)
    disturb()
    learn.fit(4)
    assert f'{newest.name}: damaged' in capsys.readouterr().out and torch.equal(weights(learn), weights(make().fit(4)))


def test_when_all_files_are_damaged_the_fit_starts_from_the_beginning(tmp_path):
    make(tmp_path).fit(2)
    for path in Checkpoint(tmp_path).files(): path.write_bytes(b'')
    assert torch.equal(weights(make(tmp_path).fit(2)), weights(make().fit(2)))


def test_a_folder_in_use_and_another_set_of_callbacks_are_refused(tmp_path):
    make(tmp_path).fit(1)
    with pytest.raises(FitError, match='has files of another fit'): make(tmp_path, resume=False).fit(1)
    with pytest.raises(FitError, match='made with 4 callbacks, here are 2'): learner([Checkpoint(tmp_path)]).fit(1)


SCRIPT = '''
import sys
sys.path.insert(0, sys.argv[2])
from test_nb_05b import make, weights
import hashlib, torch
torch.set_num_threads(1)
learn = make(sys.argv[1]).fit(12)
print(hashlib.sha256(weights(learn).numpy().tobytes() + repr(learn.history).encode()).hexdigest())
'''


def test_processes_killed_at_any_moment_arrive_at_the_same_bits(tmp_path):
    script = tmp_path/'run.py'
    script.write_text(SCRIPT)
    def start(folder): return subprocess.Popen([sys.executable, str(script), str(folder), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True)
    want, kills, delays = start(tmp_path/'whole').communicate()[0], 0, random.Random(0)
    folder = tmp_path/'broken'
    while kills < 20:
        process, count = start(folder), len([*folder.glob('*.pt')]) if folder.exists() else 0
        while process.poll() is None and len([*folder.glob('*')]) <= count: time.sleep(.002)
        time.sleep(delays.random() * .03)
        if process.poll() is None: kills += 1
        process.kill()
        if process.wait() == 0: [path.unlink() for path in folder.glob('*')]      # it had arrived: begin again
    assert start(folder).communicate()[0] == want and len(want) > 60

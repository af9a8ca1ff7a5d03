import os, pickle, random, subprocess, sys
from pathlib import Path
import numpy as np, pytest, torch
from torch import nn
from exp.nb_04 import SGD, accuracy
from exp.nb_05 import Callback, CancelEpoch, CancelFit, FitError, MetricsCallback
from exp.nb_05a import ProgressCallback, Recorder
from exp.nb_05b import Checkpoint, EarlyStopping, load_checked, random_state, save_checked, set_random_state
from learners import Diary, learner, weights


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
    assert 'value has not improved for 1 epochs' in capsys.readouterr().out
    for cls in (EarlyStopping, lambda mode: Checkpoint('', mode=mode)):
        with pytest.raises(ValueError, match="mode 'low', wanted 'min' or 'max'"): cls(mode='low')


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


def test_a_fit_that_was_stopped_early_stays_stopped(tmp_path):
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history[-1]['valid_loss'] = [3., 2., 2., 2., 2., 2., 2.][learn.epoch]
    def make(): return learner([MetricsCallback(), Fake(), Checkpoint(tmp_path), EarlyStopping(patience=2)])
    want = weights(make().fit(7))
    for _ in range(2):
        again = make().fit(7)
        assert len(again.history) == 4 and torch.equal(weights(again), want)


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


class Evil:
    def __reduce__(self): return print, ('run',)


def test_code_in_a_file_is_never_run(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr('exp.nb_05b.torch.load', lambda *args, **kw: None)                   # somebody else's saving does not look
        path = save_checked({'a': Evil()}, tmp_path, 'try')
    with pytest.raises(pickle.UnpicklingError, match='Unsupported'): load_checked(path)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('state', [Evil(), {'lr': np.float64(.1)}, {1: lambda: 0}])
def test_what_could_not_be_loaded_again_is_not_saved(tmp_path, state):
    with pytest.raises(Exception): save_checked({'a': state}, tmp_path, 'try')
    assert [*tmp_path.iterdir()] == []


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
    for again in (make(tmp_path), learn):                       # another learner, or the same once more
        again.cbs[4:] = []
        assert torch.equal(weights(again.fit(5)), weights(make().fit(5)))
        for path in Checkpoint(tmp_path).files()[2:]: path.unlink()


def test_the_last_files_and_the_best_one_are_kept(tmp_path):
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history[-1]['valid_loss'] = [3., 1., 2., 5., 4.][learn.epoch]
    learn = learner([MetricsCallback(), Fake(), checkpoint := Checkpoint(tmp_path, keep=2)]).fit(5)
    assert [path.name[:11] for path in checkpoint.files()] == ['epoch-00002', 'epoch-00004', 'epoch-00005']
    assert load_checked(checkpoint.best())['epoch'] == 2 and len(learn.history) == 5


def test_the_best_may_be_the_largest_and_there_may_be_none(tmp_path):
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history[-1]['score'] = [1., 5., 2., 3., 4.][learn.epoch]
    learner([MetricsCallback(), Fake(), checkpoint := Checkpoint(tmp_path/'a', keep=1, monitor='score', mode='max')]).fit(5)
    assert [load_checked(path)['epoch'] for path in checkpoint.files()] == [2, 5] and load_checked(checkpoint.best())['epoch'] == 2
    learner([without := Checkpoint(tmp_path/'b')]).fit(2)
    for empty in (without, Checkpoint(tmp_path/'c')):
        with pytest.raises(FileNotFoundError, match='no file in .* has the best valid_loss'): empty.best()


def test_a_cancelled_epoch_without_figures_is_saved_like_any_other(tmp_path):
    def skip(learn):
        if learn.epoch == 1: raise CancelEpoch
    learn = make(tmp_path)
    learn.fit(3, [Diary(before_validate=skip)])
    assert [path.name[:11] for path in Checkpoint(tmp_path).files()][-1] == 'epoch-00003' and len(learn.history) == 3


def test_a_damaged_file_is_named_and_the_one_before_it_used(tmp_path, capsys):
    make(tmp_path).fit(3)
    newest = Checkpoint(tmp_path).files()[-1]
    newest.write_bytes(newest.read_bytes()[:500])
    learn = make(tmp_path)
    disturb()
    learn.fit(4)
    said = capsys.readouterr().out
    assert f'{newest.name}: damaged' in said and 'epoch-00002' in said and '2 of 3 epochs were done; now 4 are wanted' in said
    assert torch.equal(weights(learn), weights(make().fit(4))) and newest.with_suffix('.damaged').exists()
    assert [path.name[:11] for path in Checkpoint(tmp_path).files()] == ['epoch-00003', 'epoch-00004']


def test_what_dead_processes_left_half_written_is_removed(tmp_path):
    (tmp_path/'epoch-00009-0123456789abcdef.part').write_bytes(b'half')
    make(tmp_path).fit(1)
    assert [path.name[:11] for path in tmp_path.iterdir()] == ['epoch-00001']


def test_a_model_that_does_not_fit_is_an_error_and_no_damage(tmp_path):
    make(tmp_path).fit(1)
    other = make(tmp_path)
    other.opt = SGD([{'params': [p]} for p in other.model.parameters()], lr=.1, momentum=.9)
    other.model[0] = nn.Linear(4, 9)
    with pytest.raises(FitError, match='Checkpoint.before_fit failed.*size mismatch'): other.fit(2)
    assert len(Checkpoint(tmp_path).files()) == 1


def test_when_all_files_are_damaged_the_fit_starts_from_the_beginning(tmp_path):
    make(tmp_path).fit(2)
    for path in Checkpoint(tmp_path).files(): path.write_bytes(b'')
    assert torch.equal(weights(make(tmp_path).fit(2)), weights(make().fit(2)))


def test_a_folder_in_use_and_another_set_of_callbacks_are_refused(tmp_path):
    make(tmp_path).fit(1)
    with pytest.raises(FitError, match='has files of another fit'): make(tmp_path, resume=False).fit(1)
    with pytest.raises(FitError, match=r"saved with the callbacks \['Recorder'\], here are \[\]"): learner([Checkpoint(tmp_path)]).fit(1)
    class Other(Recorder): pass
    with pytest.raises(FitError, match=r"saved with the callbacks \['Recorder'\], here are \['Other'\]"): learner([Other(), Checkpoint(tmp_path)]).fit(1)
    learner([ProgressCallback(quiet=True), MetricsCallback(), Recorder(), Checkpoint(tmp_path)], layers=[nn.Dropout(.5)]).fit(1)


NURSERY = '''
import hashlib, os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
from test_nb_05b import make, weights
torch.set_num_threads(1)
root, deaths, moments = Path(sys.argv[1]), 0, random.Random(0)

def live(folder, prepare=lambda: None):
    "Starts a process that fits 12 epochs and writes what became of it; its number."
    if pid := os.fork(): return pid
    try:
        prepare()
        sys.stdout = open(os.devnull, 'w')
        learn = make(folder/'files').fit(12)
        (folder/'result').write_text(hashlib.sha256(weights(learn).numpy().tobytes() + repr(learn.history).encode()).hexdigest())
    finally: os._exit(0)

def deadly(call, count):
    "Lets the process die when it calls os.<call> for the count-th time."
    real, calls = getattr(os, call), []
    def replacement(*args, **kwargs):
        calls.append(1)
        if len(calls) == count: os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return lambda: setattr(os, call, replacement)

def buried(pid):
    "Waits for the end of a process, and counts it if it was killed."
    global deaths
    deaths += os.WIFSIGNALED(os.waitpid(pid, 0)[1])

def arrives(folder): return buried(live(folder)) or (folder/'result').read_text()

def new(name): return (root/name).mkdir() or root/name

arrives(new('first'))                          # which is slower than those to come
start = time.perf_counter()
results, whole = {arrives(new('whole'))}, time.perf_counter() - start
for call in ('fsync', 'replace', 'unlink'):
    for count in (1, 2, 5):
        folder = new(f'{call}{count}')
        buried(live(folder, deadly(call, count)))
        results.add(arrives(folder))
at_steps = deaths
for i in range(5):
    folder = new(str(i))
    for _ in range(4):
        pid = live(folder)
        time.sleep(moments.random() * whole / 2)
        os.kill(pid, signal.SIGKILL)
        buried(pid)
    results.add(arrives(folder))
print(len(results), at_steps, deaths)
'''


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='this system has no fork')
def test_processes_killed_at_each_step_of_writing_and_at_any_moment_arrive_at_the_same_bits(tmp_path):
    (tmp_path/'nursery.py').write_text(NURSERY)
    done = subprocess.run([sys.executable, str(tmp_path/'nursery.py'), str(tmp_path), str(Path(__file__).parent)], capture_output=True, text=True)
    results, at_steps, deaths = map(int, done.stdout.split() or pytest.fail(done.stderr))
    assert results == 1 and at_steps == 9 and deaths > 20

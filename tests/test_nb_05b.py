import collections, contextlib, copy, functools, hashlib, math, multiprocessing, os, pathlib, pickle, random, signal, sys, time
import numpy as np, pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_04 import SGD, BatchLoader, DataLoaders, accuracy
from exp.nb_04a import Callback, CancelBatch, CancelEpoch, CancelFit, FitError
from exp.nb_05 import GradientClip, MetricsCallback
from exp.nb_05a import EarlyStopping, ProgressCallback, Recorder
from exp.nb_05b import (Checkpoint, FolderLock, fit_state, generators, load_checked, lock_file, plain, random_state, save_checked, set_fit_state,
                        set_random_state)
from learners import Diary, data, learner, raising, weights


# ---- files

def test_what_is_saved_is_loaded_and_leaves_one_file(tmp_path):
    path = save_checked({'a': torch.arange(3), 'b': [1, (2., 'x')]}, tmp_path, 'try')
    state = load_checked(path)
    assert state['a'].tolist() == [0, 1, 2] and state['b'] == [1, (2., 'x')] and [*tmp_path.iterdir()] == [path]


def test_a_file_that_was_not_finished_is_not_looked_for(tmp_path, monkeypatch):
    def crash(*args): raise OSError('power lost')
    monkeypatch.setattr('os.replace', crash)
    with pytest.raises(OSError): save_checked({'a': 1}, tmp_path, 'epoch-00001')
    assert [*tmp_path.iterdir()] == [] and Checkpoint(tmp_path).files() == []


@pytest.mark.skipif(os.name != 'posix', reason='elsewhere a folder cannot be opened')
def test_content_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_path_is_returned(tmp_path, monkeypatch):
    def sync(f): calls.append((os.fstat(f).st_ino, os.fstat(f).st_size)), files.append(f), real(f)
    def name(part, path): calls.append('named'), part.rename(path)
    calls, files, real = [], [], os.fsync
    monkeypatch.setattr('os.fsync', sync), monkeypatch.setattr('os.replace', name)
    path = save_checked({'a': 1}, tmp_path, 'try')
    assert calls[:2] == [(path.stat().st_ino, path.stat().st_size), 'named'] and [ino for ino, _ in calls[2:]] == [tmp_path.stat().st_ino]
    for f in files:
        with pytest.raises(OSError): os.fstat(f)                                       # both are closed


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


def test_the_state_of_the_generators_can_be_in_a_file(tmp_path):
    state = load_checked(save_checked(random_state(), tmp_path, 'random'))
    first = random.random(), np.random.rand(), torch.rand(1).item()
    set_random_state(state)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == first


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
    want, again = weights(make(tmp_path).fit(2)), make(tmp_path)
    rows = again.history
    again.fit(2)
    assert torch.equal(weights(again), want) and len(rows) == 2 and rows is again.history


def test_the_history_becomes_that_of_the_file_whatever_was_in_it(tmp_path):
    want = [*make(tmp_path).fit(2).history]
    again = make(tmp_path)
    again.history[:] = [{'epoch': 7}, {'epoch': 8}, {'epoch': 9}]
    assert again.fit(2).history == want and len(want) == 2


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
    before = weights(other)
    with pytest.raises(FitError, match=r'Checkpoint.setup failed.*model 0.weight: \(9, 4\) here, \(5, 4\) there'): other.fit(2)
    assert torch.equal(weights(other), before)
    assert len(Checkpoint(tmp_path).files()) == 1


def test_when_all_files_are_damaged_the_fit_starts_from_the_beginning(tmp_path):
    make(tmp_path).fit(2)
    for path in Checkpoint(tmp_path).files(): path.write_bytes(b'')
    assert torch.equal(weights(make(tmp_path).fit(2)), weights(make().fit(2)))


def test_a_folder_in_use_and_another_set_of_callbacks_are_refused(tmp_path):
    make(tmp_path).fit(1)
    with pytest.raises(FitError, match='has files of another fit'): make(tmp_path, resume=False).fit(1)
    class Other(Recorder): pass
    for cbs, names in [([], r'\[\]'), ([Other()], r"\['Other'\]"), ([Recorder(), Recorder()], r"\['Recorder', 'Recorder 2'\]")]:
        with pytest.raises(FitError, match=rf"saved with the callbacks \['Recorder'\], here are {names}"): learner([*cbs, Checkpoint(tmp_path)]).fit(1)
    again = make(tmp_path)
    again.cbs[:2] = [ProgressCallback(quiet=True), MetricsCallback()]              # which have no state
    again.fit(1)


def test_a_fit_that_was_stopped_early_stays_stopped(tmp_path):
    class Fake(Callback):
        order = 1
        def after_epoch(self, learn): learn.history[-1]['valid_loss'] = [3., 2., 2., 2., 2., 2., 2.][learn.epoch]
    def make(): return learner([MetricsCallback(), Fake(), Checkpoint(tmp_path), EarlyStopping(patience=2)])
    want = weights(make().fit(7))
    for _ in range(2):
        again = make().fit(7)
        assert len(again.history) == 4 and torch.equal(weights(again), want)

# ---- what a fit is made of

class Values(Callback):
    "Puts `values` into the history, one for each epoch."
    order = 1
    def __init__(self, *values, name='valid_loss'): self.values, self.name = values, name
    def after_epoch(self, learn): learn.history[-1][self.name] = self.values[learn.epoch]


def resumed_alike(make, tmp_path, epochs=4, broken=2):
    "Whether a fit that is broken off after so many epochs and resumed elsewhere ends with the bits of one that was not."
    def stop(learn):
        if learn.epoch == broken: raise KeyboardInterrupt
    whole = make().fit(epochs)
    make(Checkpoint(tmp_path), Diary(before_batch=stop)).fit(epochs)
    disturb()
    again = make(Checkpoint(tmp_path), Diary()).fit(epochs)
    return torch.equal(weights(whole), weights(again)) and whole.history == again.history and len(again.history) == epochs


class Jitter(Callback):
    "Adds noise from a generator of its own to each batch."
    def __init__(self, draw): self.draw = draw
    def before_batch(self, learn): learn.xb = learn.xb + self.draw(len(learn.xb))


def noise(kind):
    "Functions that draw from a generator that only they know."
    torch_g, python, numpy, old = torch.Generator().manual_seed(3), random.Random(3), np.random.default_rng(3), np.random.RandomState(3)
    return {'torch': lambda n: torch.randn(n, 1, generator=torch_g), 'python': lambda n: python.gauss(0, 1),
            'numpy': lambda n: float(numpy.standard_normal()), 'old numpy': lambda n: old.standard_normal()}[kind]


class Slots:
    __slots__ = 'generator',
    def __init__(self): self.generator = random.Random(3)
    def draw(self, n): return self.generator.gauss(0, 1)


class Shared:
    generator = random.Random(3)
    def draw(self, n): return self.generator.gauss(0, 1)


GLOBAL = random.Random(3)


def hidden(place):
    "Functions that draw from a generator that is no attribute and no variable that they have captured."
    def by_default(n, g=random.Random(3)): return g.gauss(0, 1)
    def by_keyword(n, *, g=random.Random(3)): return g.gauss(0, 1)
    queue, bag = collections.deque([random.Random(3)]), {random.Random(3)}
    for g in (GLOBAL, Shared.generator): g.seed(3)
    return {'slots': Slots().draw, 'class': Shared().draw, 'global': lambda n: GLOBAL.gauss(0, 1), 'inside': lambda n: sum((lambda: GLOBAL.gauss(0, 1))() for _ in 'a'), 'default': by_default, 'keyword': by_keyword, 'queue': lambda n: queue[0].gauss(0, 1),
            'set': lambda n: min(bag).gauss(0, 1), 'partial': functools.partial(lambda g, n: g.gauss(0, 1), random.Random(3)), 'method': random.Random(3).expovariate}[place]


@pytest.mark.parametrize('place', ['slots', 'class', 'global', 'inside', 'default', 'keyword', 'queue', 'set', 'partial', 'method'])
def test_generators_in_unusual_places_go_on_where_they_were(tmp_path, place):
    assert resumed_alike(lambda *cbs: learner([Jitter(hidden(place)), MetricsCallback(), *cbs]), tmp_path)


@pytest.mark.parametrize('kind', ['torch', 'python', 'numpy', 'old numpy'])
def test_generators_of_ones_own_go_on_where_they_were(tmp_path, kind):
    assert resumed_alike(lambda *cbs: learner([Jitter(noise(kind)), MetricsCallback(), *cbs]), tmp_path)


class Scaled(nn.Module):
    "A loss with a parameter and a random number."
    def __init__(self):
        super().__init__()
        self.s, self.g = nn.Parameter(torch.ones(())), torch.Generator().manual_seed(1)
    def forward(self, pred, yb): return F.cross_entropy(self.s * pred, yb) + self.s * torch.rand((), generator=self.g)


def loaders_of_torch(workers=0, **kw):
    from torch.utils.data import DataLoader
    train, valid = (torch.Generator().manual_seed(seed) for seed in (5, 6))
    return DataLoaders(DataLoader(data(), 16, shuffle=True, generator=train, num_workers=workers, **kw), DataLoader(data(), 16, shuffle=True, generator=valid))


class Turns:
    "A loader whose order depends on how often it was read."
    def __init__(self): self.turn = 0
    def __len__(self): return 4
    def state_dict(self): return {'turn': self.turn}
    def load_state_dict(self, state): self.turn = state['turn']

    def __iter__(self):
        self.turn += 1
        return iter([data()[i:i + 10] for i in ((i + 10 * self.turn) % 40 for i in range(0, 40, 10))])


@pytest.mark.parametrize('dls', [loaders_of_torch, lambda: loaders_of_torch(1), lambda: DataLoaders(Turns(), Turns()), lambda: DataLoaders(BatchLoader(data(), 16, shuffle=True, seed=1), BatchLoader(data(), 7, shuffle=True, seed=2))])
def test_loaders_that_shuffle_and_a_loss_with_parameters_go_on_to_the_bit(tmp_path, dls):
    def make(*cbs):
        loss = Scaled()
        learn = learner([MetricsCallback(), *cbs], loss_func=loss, opt_func=lambda params, lr: SGD([*params, *loss.parameters()], lr, momentum=.9))
        learn.dls = dls()
        return learn
    assert resumed_alike(make, tmp_path, epochs=3, broken=1)


def test_workers_that_live_on_have_random_numbers_that_cannot_be_saved_and_are_refused(tmp_path):
    learn = learner([Checkpoint(tmp_path)])
    learn.dls = loaders_of_torch(1, persistent_workers=True)
    with pytest.raises(FitError, match='dls.train has persistent workers, whose random numbers cannot be saved'): learn.fit(1)


def test_generators_are_found_wherever_they_hang_once_and_in_the_same_places():
    class Thing: pass
    thing, g, r = Thing(), torch.Generator(), np.random.default_rng(0)
    thing.dataset, thing.itself = Thing(), thing
    thing.dataset.transforms = [lambda x: (x, r), {'g': (g,)}]
    thing.again, thing.big, thing.module = g, torch.zeros(3), math
    found = generators(thing)
    assert set(map(id, found.values())) == {id(g), id(r)} and len(found) == 2 and generators(thing).keys() == found.keys()


@pytest.mark.parametrize('place', ['dls.train', 'dls.valid', 'model', 'loss_func', 'callbacks.0'])
def test_a_generator_that_only_one_of_two_fits_has_is_named_with_its_place(tmp_path, place):
    def loss(p, y): return F.cross_entropy(p, y)
    def make(): return learner([Diary(), Checkpoint(tmp_path)], loss_func=loss)
    make().fit(1)
    other = make()
    thing = {'dls.train': other.dls.train, 'dls.valid': other.dls.valid, 'model': other.model, 'loss_func': loss, 'callbacks.0': other.cbs[0]}[place]
    thing.noise = torch.Generator()
    with pytest.raises(FitError, match=rf"saved with the generators .*, here are .*'\.{place}\.noise'"): other.fit(1)


@pytest.mark.parametrize('container', [list, tuple, lambda things: dict(enumerate(things))])
def test_generators_are_looked_for_among_the_first_99_parts_since_a_data_set_may_be_a_list(container):
    g = torch.Generator()
    assert [*generators(container([0]*98 + [g])).values()] == [g] and generators(container([0]*99 + [g])) == {}


def test_plain_data_hold_no_numpy_and_keep_their_kind():
    state = nn.BatchNorm1d(2).state_dict()
    mine = {'a': np.float64(.5), 'b': [np.arange(2), (np.int64(3), 'x')], 'c': None, 'd': state}
    got = plain(mine)
    assert type(mine['a']) is np.float64 and type(got['b'][1][0]) is int and got == {'a': .5, 'b': [[0, 1], (3, 'x')], 'c': None, 'd': state} and type(got['a']) is float and got['d']._metadata == state._metadata


def test_state_is_put_back_as_a_whole_or_not_at_all():
    class Refuses(Callback):
        saves = ('x',)
        x = 1
        def load_state_dict(self, state):
            if state['x'] == 2: raise ValueError('not that')
    learn = learner([Refuses()], opt_func=lambda params, lr: SGD(params, lr, momentum=.9)).fit(1)
    state = copy.deepcopy(fit_state(learn, learn.cbs))
    learn.fit(1)
    want, torch_state = copy.deepcopy(fit_state(learn, learn.cbs)), torch.get_rng_state()
    state['callbacks']['Refuses']['x'] = 2
    with pytest.raises(ValueError, match='not that'): set_fit_state(learn, learn.cbs, state)
    got = fit_state(learn, learn.cbs)
    assert str(got) == str(want) and torch.equal(torch.get_rng_state(), torch_state)


# ---- another fit

def change(**kw):
    "A learner that differs from `plain_learner` in one thing."
    opt = {'lr': .1, 'momentum': .9, 'weight_decay': .01, **{k: v for k, v in kw.items() if k in ('lr', 'momentum', 'weight_decay')}}
    def opt_func(params, lr): return kw.get('opt', SGD)(kw.get('groups', list)(params), **opt)
    return learner(kw.get('cbs', []), opt_func=opt_func, bs=kw.get('bs', 16), loss_func=kw.get('loss', F.cross_entropy), layers=kw.get('layers', ()))


@pytest.mark.parametrize('kw, message', [
    (dict(lr=.001), 'lr of group 0: 0.001 here, 0.1 there'), (dict(momentum=0.), 'momentum of group 0: 0.0 here, 0.9 there'),
    (dict(weight_decay=0.), 'weight_decay of group 0: 0.0 here, 0.01 there'), (dict(opt=torch.optim.SGD), 'optimiser: torch.optim.sgd.SGD here, exp.nb_04.SGD there'), (dict(bs=8), 'bs of dls.train: 8 here, 16 there'),
    (dict(groups=lambda params: [{'params': [p]} for p in params]), 'parameters of group 1'), (dict(layers=[nn.LayerNorm(5)]), 'model 2.weight'),
    (dict(groups=lambda params: list(params)[::-1]), 'parameters of group 0'), (dict(loss=lambda pred, yb: F.cross_entropy(pred, yb)), 'loss'),
    (dict(layers=[nn.Dropout(.5)]), 'model 2.weight|model 3.weight')])
def test_a_resumption_with_other_settings_says_which_and_changes_nothing(tmp_path, kw, message):
    change(cbs=[Checkpoint(tmp_path)]).fit(1)
    files, other = Checkpoint(tmp_path).files(), change(cbs=[Checkpoint(tmp_path)], **kw)
    before = copy.deepcopy([other.model.state_dict(), other.opt.state_dict(), other.history])
    random_before = torch.get_rng_state()
    with pytest.raises(FitError, match=f'this is not the fit of epoch-00001.*({message})'): other.fit(2)
    assert str(before) == str([other.model.state_dict(), other.opt.state_dict(), other.history]) and Checkpoint(tmp_path).files() == files
    assert torch.equal(torch.get_rng_state(), random_before)


class Weighted(nn.Module):
    "A loss with a setting of its own and another loss inside."
    def __init__(self, scale, eps):
        super().__init__()
        self.scale, self.inner = scale, nn.CrossEntropyLoss(label_smoothing=eps)
        self.register_buffer('seen', torch.tensor(0))

    def forward(self, pred, yb):
        self.seen += 1
        return self.scale * self.inner(pred, yb)


class Callable:
    def __init__(self, eps): self.eps, self.calls = eps, []
    def __call__(self, pred, yb):
        self.calls.append(1)
        return F.cross_entropy(pred, yb, label_smoothing=self.eps)


def smoothed(eps):
    def loss(pred, yb): return F.cross_entropy(pred, yb, label_smoothing=eps)
    return loss


def partial(*args, **kw): return functools.partial(F.cross_entropy, *args, **kw)


@pytest.mark.parametrize('make, one, other, message', [
    (lambda eps: nn.CrossEntropyLoss(label_smoothing=eps), .1, .2, 'label_smoothing of the loss: 0.2 here, 0.1 there'),
    (lambda eps: Weighted(1., eps), .1, .2, 'inner.label_smoothing of the loss: 0.2 here, 0.1 there'), (lambda scale: Weighted(scale, 0.), 1., 2., 'scale of the loss'),
    (lambda eps: partial(label_smoothing=eps), .1, .2, 'label_smoothing of the loss: 0.2 here, 0.1 there'), (Callable, .1, .2, 'eps of the loss'),
    (lambda w: partial(weight=tensor(w)), [1., 1., 1.], [1., 2., 1.], r'weight of the loss: \[1.0, 2.0, 1.0\] here'), (smoothed, .1, .2, 'eps of the loss: 0.2 here, 0.1 there'),
    (lambda f: functools.partial(f, reduction='mean'), F.cross_entropy, F.multi_margin_loss, 'function of the loss: multi_margin_loss here, cross_entropy there'),
    (lambda eps: functools.partial(functools.partial(smoothed(eps))), .1, .2, 'eps of the loss')])
def test_the_settings_of_a_loss_must_be_the_same_wherever_they_hide(tmp_path, make, one, other, message):
    learner([Checkpoint(tmp_path)], loss_func=make(one)).fit(1)
    again = learner([Checkpoint(tmp_path)], loss_func=make(other), seed=1)
    before = weights(again)
    with pytest.raises(FitError, match=message): again.fit(2)
    assert torch.equal(weights(again), before) and learner([Checkpoint(tmp_path)], loss_func=make(one)).fit(2).epoch == 2


@pytest.mark.parametrize('one, other, message', [(nn.Dropout(.1), nn.Dropout(.5), r'layer 2: Dropout\(p=0.5, inplace=False\) here, Dropout\(p=0.1, inplace=False\) there'),
                                                 (nn.ReLU(), nn.GELU(), 'layer 2: GELU.* here, ReLU.* there')])
def test_a_layer_without_weights_must_be_the_same_too(tmp_path, one, other, message):
    learner([Checkpoint(tmp_path)], layers=[one]).fit(1)
    with pytest.raises(FitError, match=message): learner([Checkpoint(tmp_path)], layers=[other]).fit(2)


class Heads(nn.Module):
    "A layer whose settings change no shape."
    def __init__(self, heads=1, act=F.relu, scale=1.):
        super().__init__()
        self.attend, self.act, self.scale = nn.MultiheadAttention(4, heads, batch_first=True), act, scale

    def forward(self, x):
        self.last = self.attend(x[:, None], x[:, None], x[:, None])[0][:, 0].detach()
        return self.scale * self.act(x + self.last)


def my_relu(x): return x.relu()
def frozen(model): return model.requires_grad_(False) and model


@pytest.mark.parametrize('one, other, message', [
    (lambda: Heads(2), lambda: Heads(4), 'attend.num_heads of the model: 4 here, 2 there'), (Heads, lambda: Heads(scale=2.), '0.scale of the model: 2.0 here, 1.0 there'),
    (lambda: Heads(act=F.relu), lambda: Heads(act=my_relu), 'act of the model: my_relu here, relu there'), (lambda: Heads(act=torch.relu), lambda: Heads(act=torch.tanh), 'act of the model: .*tanh here, .*relu there'),
    (Heads, lambda: frozen(Heads()), 'parameter 0.attend.in_proj_weight: torch.float32, frozen here, torch.float32, trained there'),
    (Heads, lambda: Heads().half(), 'parameter 0.attend.in_proj_weight: torch.float16, trained here, torch.float32, trained there')])
def test_a_model_of_the_same_shapes_may_be_another(tmp_path, one, other, message):
    def make(layer):
        learn = learner([Checkpoint(tmp_path)])
        learn.model.insert(0, layer())
        return learn
    again = make(one).fit(1)
    again.model.register_full_backward_hook(lambda *args: None)
    again.fit(1), make(one).fit(1)
    with pytest.raises(FitError, match=message): make(other).fit(2)


def test_the_mode_of_a_loss_is_no_setting(tmp_path):
    learner([Checkpoint(tmp_path)], loss_func=Weighted(1., .1).train()).fit(1)
    assert learner([Checkpoint(tmp_path)], loss_func=Weighted(1., .1).eval()).fit(2).epoch == 2


def test_loaders_of_another_order_or_length_are_those_of_another_fit(tmp_path):
    from torch.utils.data import DataLoader, TensorDataset
    def fit(n=40, shuffle=False):
        learn = learner([Checkpoint(tmp_path)])
        learn.dls = learn.dls._replace(train=DataLoader(TensorDataset(data().x[:n], data().y[:n]), 8, shuffle=shuffle))
        return learn.fit(2)
    assert fit().epoch == fit().epoch == 2
    with pytest.raises(FitError, match='batches of dls.train: 4 here, 5 there'): fit(n=30)
    with pytest.raises(FitError, match='sampler of dls.train: RandomSampler here, SequentialSampler there'): fit(shuffle=True)


@pytest.mark.parametrize('make', [lambda ds: BatchLoader(ds, 16), lambda ds: torch.utils.data.DataLoader(ds, 16)])
def test_as_many_batches_of_fewer_examples_are_those_of_another_fit(tmp_path, make):
    def fit(n):
        learn = learner([Checkpoint(tmp_path)])
        learn.dls = learn.dls._replace(train=make(data(n)))
        return learn.fit(2)
    assert fit(40).epoch == fit(40).epoch == 2
    with pytest.raises(FitError, match='examples of dls.train: 39 here, 40 there'): fit(39)


def test_the_order_of_our_own_loader_must_be_the_same(tmp_path):
    def fit(**kw):
        learn = learner([Checkpoint(tmp_path)])
        learn.dls = learn.dls._replace(train=BatchLoader(data(), 16, seed=0, **kw))
        return learn.fit(2)
    fit(shuffle=False)
    with pytest.raises(FitError, match='shuffle of dls.train: True here, False there'): fit(shuffle=True)
    with pytest.raises(FitError, match='drop_last of dls.train: True here, False there'): fit(shuffle=False, drop_last=True)


def test_parameters_of_a_loss_are_known_by_their_shape_and_states_without_a_shape_are_taken(tmp_path):
    class Remembers(nn.Module):
        def get_extra_state(self): return {'a': 1}
        def set_extra_state(self, state): pass
        def forward(self, x): return x
    def fit(*shape):
        extra = nn.Parameter(torch.zeros(shape))
        return learner([Checkpoint(tmp_path)], layers=[Remembers()], opt_func=lambda params, lr: SGD([*params, extra], lr)).fit(2)
    assert fit(3).epoch == fit(3).epoch == 2
    with pytest.raises(FitError, match=r'parameters of group 0: .*\(4,\)\] here, .*\(3,\)\] there'): fit(4)


def test_of_many_differences_five_are_told(tmp_path):
    learner([Checkpoint(tmp_path)]).fit(1)
    with pytest.raises(FitError, match='this is not the fit of') as e: learner([Checkpoint(tmp_path)], layers=[nn.ReLU()] * 3, lr=.5, bs=8).fit(1)
    assert str(e.value).count(' there') == 5


def test_a_file_that_is_being_written_has_a_name_that_the_next_fit_removes(tmp_path, monkeypatch):
    names, replace = [], os.replace
    monkeypatch.setattr('os.replace', lambda old, new: (names.append(os.path.basename(old)), replace(old, new)))
    learner([Checkpoint(tmp_path)]).fit(1)
    (tmp_path/names[0]).write_bytes(b'of a process that died')
    learner([Checkpoint(tmp_path)]).fit(1)
    assert len(names) == 1 and not (tmp_path/names[0]).exists()


def test_what_a_full_disk_has_left_is_taken_away(tmp_path, monkeypatch):
    def full(descriptor): raise OSError(28, 'No space left on device')
    monkeypatch.setattr('os.fsync', full)
    learn = learner([Checkpoint(tmp_path)])
    with pytest.raises(FitError, match='No space left'): learn.fit(2)
    assert [*tmp_path.iterdir()] == []


def test_a_generator_that_a_callback_makes_too_late_is_told_when_it_ought_to_be_made(tmp_path):
    class Late(Callback):
        def before_fit(self, learn): self.generator = torch.Generator()
    learner([Late(), Checkpoint(tmp_path)]).fit(1)
    with pytest.raises(FitError, match='Late.*|generators.*a callback makes its own in setup, not later'): learner([Late(), Checkpoint(tmp_path)]).fit(2)


@pytest.mark.parametrize('value', [np.arange(3.)[::-1], np.float32(.1), np.array([[True]]), np.zeros((0, 2), 'int16'), {'a': [np.float64(.1), 'text', np.ones(2)]}])
def test_what_a_callback_keeps_of_numpy_comes_back_as_it_was(tmp_path, value):
    def parts(x): return [y for part in (x.values() if isinstance(x, dict) else x) for y in parts(part)] if isinstance(x, (dict, list)) else [x]
    class Keeps(Callback):
        saves = ('x',)
        def __init__(self, x): self.x = x
    learner([Keeps(value), Checkpoint(tmp_path)]).fit(1)
    learner([keeps := Keeps(None), Checkpoint(tmp_path)]).fit(2)
    for got, want in zip(parts(keeps.x), parts(value), strict=True): assert type(got) is type(want) and getattr(got, 'dtype', 0) == getattr(want, 'dtype', 0) and np.array_equal(got, want)


ONE = 1


@pytest.mark.parametrize('one, other', [(math.nan, 1.), (ONE, 2), (torch.ones(2), torch.zeros(2)), (F.relu, F.gelu), (np.arange(2), np.arange(3)), ([math.nan], [1.])])
def test_what_must_be_the_same_may_be_of_any_kind(tmp_path, one, other):
    class Has(Callback):
        same = ('x',)
        def __init__(self, x): self.x = x
    for x in (one, copy.deepcopy(one), 1. if one is ONE else one): learner([Has(x), Checkpoint(tmp_path)]).fit(1)
    with pytest.raises(FitError, match='Has.x: .* here, .* there'): learner([Has(other), Checkpoint(tmp_path)]).fit(2)


def test_settings_that_callbacks_name_as_the_same_must_be(tmp_path):
    learner([GradientClip(1.), Checkpoint(tmp_path)]).fit(1)
    for cbs, message in [([GradientClip(2.)], 'GradientClip.max_norm: 2.0 here, 1.0 there'), ([], 'GradientClip.max_norm: None here, 1.0 there')]:
        with pytest.raises(FitError, match=message): learner([*cbs, Checkpoint(tmp_path)]).fit(2)
    assert len(learner([GradientClip(1.), MetricsCallback(), Checkpoint(tmp_path)]).fit(2).history) == 1


def test_each_of_two_callbacks_of_one_class_is_compared(tmp_path):
    def fit(*norms): return learner([*map(GradientClip, norms), Checkpoint(tmp_path)]).fit(1)
    fit(1., 5.), fit(1., 5.)
    with pytest.raises(FitError, match='GradientClip.max_norm: 2.0 here, 1.0 there'): fit(2., 5.)
    with pytest.raises(FitError, match='GradientClip 2.max_norm: 6.0 here, 5.0 there'): fit(1., 6.)


def counting(step):
    class Same(Callback):
        saves, count = ('count',), 0
        def after_epoch(self, learn): self.count += step
    return Same


def test_callbacks_of_two_classes_with_one_name_keep_a_state_each(tmp_path):
    One, Ten = counting(1), counting(10)
    for epochs in (2, 3): learner([MetricsCallback(), one := One(), ten := Ten(), Checkpoint(tmp_path)]).fit(epochs)
    assert (one.count, ten.count) == (3, 30)


def test_a_file_of_an_older_form_is_refused_by_name(tmp_path):
    save_checked({'epoch': 1, 'model': {}}, tmp_path, 'epoch-00001')
    with pytest.raises(FitError, match='epoch-00001-.*was written by another version'): learner([Checkpoint(tmp_path)]).fit(1)


# ---- orders and figures

@pytest.mark.parametrize('order', [-100, 50, 89, 96, 1000])
def test_every_callback_sees_the_restored_state_when_the_fit_begins_and_is_saved_when_its_epoch_ends(tmp_path, order):
    class Counts(Callback):
        saves = ('epochs',)
        def __init__(self): self.order, self.epochs, self.seen = order, 0, []
        def before_fit(self, learn): self.seen.append((self.epochs, learn.epoch, weights(learn)))
        def after_epoch(self, learn): self.epochs += 1
    first = learner([Counts(), Checkpoint(tmp_path)]).fit(2)
    again = learner([counts := Counts(), Checkpoint(tmp_path)]).fit(2)
    epochs, epoch, seen = counts.seen[0]
    assert (epochs, epoch) == (2, 2) and torch.equal(seen, weights(first)) and torch.equal(weights(again), seen)


def test_a_number_that_is_none_after_a_resumption_goes_back_to_the_restored_weights(tmp_path):
    learner([Checkpoint(tmp_path)], lr=.5).fit(2)
    saved = load_checked(Checkpoint(tmp_path).files()[-1])['model']
    def poison(learn): learn.xb = learn.xb * math.nan
    again = learner([Checkpoint(tmp_path), Diary(before_batch=poison)], lr=.5).fit(4)
    assert all(torch.equal(x, saved[name]) for name, x in again.model.state_dict().items())


def test_weights_that_are_no_numbers_are_not_saved(tmp_path, capsys):
    def spoil(learn):
        if learn.epoch == 1: learn.model[0].weight.data.fill_(math.nan)
    learn = learner([Checkpoint(tmp_path), Diary(after_validate=spoil)])
    learn.fit(2)
    assert [path.name[:11] for path in Checkpoint(tmp_path).files()] == ['epoch-00001'] and 'epoch 2 is not saved' in capsys.readouterr().out


@pytest.mark.parametrize('values, best', [((math.nan, 3., 2., 4., 5.), 3), ((3., math.nan, 4., 5., 6.), 1), ((math.inf, -math.inf, 4., 3., 5.), 4)])
def test_a_figure_that_is_no_number_is_never_the_best(tmp_path, values, best):
    for mode, sign in (('min', 1), ('max', -1)):
        checkpoint = Checkpoint(tmp_path/mode, keep=1, mode=mode)
        learner([MetricsCallback(), Values(*[sign * value for value in values]), checkpoint]).fit(5)
        assert load_checked(checkpoint.best())['epoch'] == best and len(checkpoint.files()) == 2


def test_a_figure_that_nobody_computes_is_missed_after_an_epoch_and_the_epoch_is_saved(tmp_path):
    learn = learner([MetricsCallback(), Checkpoint(tmp_path, monitor='val_loss')])
    with pytest.raises(FitError, match=r"Checkpoint.after_epoch failed, epoch 1 of 3.*no 'val_loss' among \['epoch', 'train_loss', 'valid_loss'\]"): learn.fit(3)
    assert [path.name[:11] for path in Checkpoint(tmp_path).files()] == ['epoch-00001']
    def sometimes(learn): learn.history[-1].update({'score': 1.} if learn.epoch % 2 == 0 else {})
    assert learner([MetricsCallback(), Diary(after_epoch=sometimes), Checkpoint(tmp_path/'a', monitor='score')]).fit(4).epoch == 4
    assert learner([MetricsCallback(), Diary(before_validate=raising(CancelEpoch)), Checkpoint(tmp_path/'b')]).fit(2).epoch == 2
    def train_only(learn): learn.history.append({'epoch': learn.epoch + 1, 'train_loss': 1.})
    assert learner([Diary(after_epoch=train_only), Checkpoint(tmp_path/'c')]).fit(2).epoch == 2


def test_the_best_epoch_is_one_of_this_fit_and_not_of_a_former_one(tmp_path):
    learn = learner([MetricsCallback()])
    learn.fit(3, [Values(.1, .1, .1)])
    learn.fit(4, [Values(5., 2., 3., 4.), checkpoint := Checkpoint(tmp_path, keep=1)])
    assert [load_checked(path)['epoch'] for path in checkpoint.files()] == [2, 4] and load_checked(checkpoint.best())['epoch'] == 2
    again = learner([MetricsCallback()]).fit(5, [Values(5., 2., 3., 4., 6.), Checkpoint(tmp_path, keep=1)])
    assert [load_checked(path)['epoch'] for path in checkpoint.files()] == [2, 5] and again.first_row == 3 and len(again.history) == 8


def test_numbers_of_numpy_in_the_history_are_saved_as_numbers(tmp_path):
    learner([MetricsCallback(), Values(np.float64(2.), np.float32(1.)), checkpoint := Checkpoint(tmp_path)]).fit(2)
    assert [row['valid_loss'] for row in load_checked(checkpoint.best())['history']] == [2., 1.]


@pytest.mark.parametrize('keep', [0, -1, 1.5])
def test_keeping_no_file_cannot_be_meant_and_a_tilde_is_the_home(tmp_path, keep, monkeypatch):
    with pytest.raises(ValueError, match='Checkpoint: keep: .*, wanted a whole number from 1 on'): Checkpoint(tmp_path, keep=keep)
    with pytest.raises(ValueError, match="Checkpoint: mode 'low', wanted 'min' or 'max'"): Checkpoint(tmp_path, mode='low')
    monkeypatch.setenv('HOME', str(tmp_path)), monkeypatch.setenv('USERPROFILE', str(tmp_path))
    assert Checkpoint('~/runs').folder == tmp_path/'runs'


# ---- two fits in one folder

def second(folder, said):
    torch.set_num_threads(1)
    try: learner([Checkpoint(folder)]).fit(3)
    except FitError as e: said.write_text(str(e))


def elsewhere(target, *args):
    "Calls `target` in another process, where modules are as they are here; its exit status."
    process = multiprocessing.get_context('fork' if sys.platform == 'linux' else 'spawn').Process(target=target, args=args)
    process.start(), process.join()
    return process.exitcode


def test_a_second_process_is_refused_and_the_first_goes_on_unharmed(tmp_path):
    folder, said, left = tmp_path/'files', tmp_path/'said', []
    def start(learn):
        (folder/'epoch-00009-0123456789abcdef.part').write_bytes(b'being written')
        left.append(elsewhere(second, folder, said))
        left.append((folder/'epoch-00009-0123456789abcdef.part').exists())
    first = learner([Checkpoint(folder), Diary(after_train=lambda learn: learn.epoch == 1 and start(learn))]).fit(3)
    assert 'files is in use by another process' in said.read_text() and left == [0, True]
    assert torch.equal(weights(first), weights(learner().fit(3))) and len(Checkpoint(folder).files()) == 2
    said.unlink()
    assert elsewhere(second, folder, said) == 0 and not said.exists()                  # the folder is free again


def test_a_second_fit_of_the_same_process_is_refused_while_the_first_is_under_way(tmp_path):
    inner = learner([Checkpoint(tmp_path/'..'/tmp_path.name)])
    with pytest.raises(FitError, match='in use by another fit of this process'): learner([Checkpoint(tmp_path), Diary(after_step=lambda learn: inner.fit(1))]).fit(1)
    assert inner.fit(1) and not (tmp_path/'.lock').exists()


@pytest.fixture
def opened(monkeypatch):
    "The files that the module opens, in their order."
    files = []
    monkeypatch.setattr('exp.nb_05b.open', lambda *args: files.append(open(*args)) or files[-1], raising=False)
    return files


def test_a_refusal_leaves_nothing_held(tmp_path, monkeypatch, opened):
    def locked(file): raise OSError
    with monkeypatch.context() as patch, pytest.raises(ValueError, match='by another process'):
        patch.setattr('exp.nb_05b.lock_file', locked)
        FolderLock(tmp_path)
    assert [file.closed for file in opened] == [True]
    FolderLock(tmp_path).release()


@pytest.mark.skipif(os.name != 'posix', reason='elsewhere an open file cannot be removed')
@pytest.mark.parametrize('leave', [pathlib.Path.unlink, lambda path: (path.rename(path.parent/'old'), path.touch())], ids=['gone', 'another'])
def test_a_file_that_its_owner_took_away_in_leaving_is_no_lock(tmp_path, monkeypatch, opened, leave):
    def lock_late(file): lock_file(file), len(opened) == 1 and leave(tmp_path/'.lock')
    monkeypatch.setattr('exp.nb_05b.lock_file', lock_late)
    lock = FolderLock(tmp_path)
    assert [file.closed for file in opened] == [True, False] and os.path.samestat(os.fstat(opened[1].fileno()), os.stat(tmp_path/'.lock'))
    lock.release()


def leave_behind(folder, number):
    "A process that ends without a release, and leaves one that it has forked."
    lock = FolderLock(folder)
    if child := os.fork(): number.write_text(str(child))
    else: time.sleep(60)
    os._exit(0)                                          # until here `lock` keeps its file open


@pytest.mark.skipif(sys.platform != 'linux', reason='a process is forked')
def test_a_lock_ends_with_its_process_though_a_worker_of_it_lives_on(tmp_path):
    elsewhere(leave_behind, tmp_path, number := tmp_path/'number')
    try: FolderLock(tmp_path).release()
    finally: os.kill(int(number.read_text()), signal.SIGKILL)


def test_weights_that_somebody_saved_beside_ours_are_no_damaged_file_of_ours(tmp_path):
    for name in ('epoch-final.pt', 'epoch-notes-0123456789abcdef.pt', 'epoch-3.pt'): (tmp_path/name).write_bytes(b'mine')
    for _ in range(2): learner([MetricsCallback(), checkpoint := Checkpoint(tmp_path, keep=1)]).fit(3)
    assert sorted(path.name[:11] for path in tmp_path.iterdir()) == ['epoch-00003', 'epoch-3.pt', 'epoch-final', 'epoch-notes'] and checkpoint.best().name[:11] == 'epoch-00003'


def test_files_of_others_stay_where_they_are(tmp_path):
    for name in ('download.part', 'epoch-best.part', 'epoch-00001-notes.part'): (tmp_path/name).write_text('mine')
    learner([Checkpoint(tmp_path)]).fit(1)
    assert len([*tmp_path.glob('*.part')]) == 3


# ---- processes that are killed

class EMA(Callback):
    "A running mean of the weights."
    saves = ('mean',)
    def setup(self, learn): self.mean = copy.deepcopy(learn.model.state_dict())
    def after_step(self, learn):
        for name, x in learn.model.state_dict().items(): self.mean[name].lerp_(x, .1)
    def after_fit(self, learn): learn.history.append({name: x.sum().item() for name, x in self.mean.items()})


class Accumulate(Callback):
    "A step for every two batches."
    def after_backward(self, learn):
        if learn.batch % 2 == 0: raise CancelBatch


class Slope(Callback):
    "A rate that falls from batch to batch."
    def before_batch(self, learn):
        if learn.training: learn.opt.param_groups[0]['lr'] = .5 / (1 + learn.epoch * len(learn.dl) + learn.batch)


def with_loaders_of_torch(folder):
    learn = make(folder)
    learn.dls = loaders_of_torch(1)
    return learn


def plus(cb):
    def make_with(folder):
        learn = make(folder)
        learn.cbs.append(cb())
        return learn
    return make_with


KINDS = {'plain': make, 'schedule': plus(Slope), 'ema': plus(EMA), 'accumulation': plus(Accumulate), 'workers': with_loaders_of_torch}


def live(folder, prepare=lambda: None, kind='plain'):
    "Starts a process that fits 9 epochs and writes what became of it; its number."
    if pid := os.fork(): return pid
    try:
        os.setsid()                            # so that its workers can be killed with it
        torch.set_num_threads(1)
        prepare()
        sys.stdout = open(os.devnull, 'w')
        learn = KINDS[kind](folder/'files').fit(9)
        (folder/'result').write_text(hashlib.sha256(weights(learn).numpy().tobytes() + repr(learn.history).encode()).hexdigest())
        (folder/'seconds').write_text(str(time.process_time()))
    finally: os._exit(0)


def deadly(call, count):
    "Lets the process die when it calls os.<call> for the count-th time."
    real, calls = getattr(os, call), []
    def replacement(*args, **kwargs):
        calls.append(1)
        if len(calls) == count: os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return lambda: setattr(os, call, replacement)


def killed(pid):
    "Waits for the end of a process, and ends its workers; whether it was killed."
    status = os.waitpid(pid, 0)[1]
    with contextlib.suppress(ProcessLookupError): os.killpg(pid, signal.SIGKILL)
    return os.WIFSIGNALED(status)


def arrives(folder, kind='plain'):
    "What became of a fit that is begun or resumed in `folder` and not killed."
    killed(live(folder, kind=kind))
    return (folder/'result').read_text()


needs_fork = pytest.mark.skipif(not hasattr(os, 'fork'), reason='this system has no fork')


@needs_fork
@pytest.mark.parametrize('call', ['fsync', 'replace', 'unlink'])
def test_processes_killed_at_each_step_of_writing_arrive_at_the_same_bits(tmp_path, call):
    folders = [tmp_path/str(count) for count in (0, 1, 2, 5)]
    for folder in folders: folder.mkdir()
    want = arrives(folders[0])
    assert all(killed(live(folder, deadly(call, int(folder.name)))) for folder in folders[1:])
    assert [arrives(folder) for folder in folders[1:]] == [want] * 3


@needs_fork
@pytest.mark.parametrize('kind', KINDS)
def test_processes_killed_at_any_moment_arrive_at_the_same_bits(tmp_path, kind):
    folder, whole, moments, deaths = tmp_path/'killed', tmp_path/'whole', random.Random(0), 0
    folder.mkdir(), whole.mkdir()
    want, seconds = arrives(whole, kind), float((whole/'seconds').read_text())         # of its own work, however busy the machine is
    for _ in range(int(os.environ.get('KILLS', '3'))):
        moment = moments.random() * seconds / 2
        deaths += killed(live(folder, lambda: signal.setitimer(signal.ITIMER_PROF, moment), kind))
    print(f'{deaths} processes were killed')
    assert deaths > 0 and arrives(folder, kind) == want

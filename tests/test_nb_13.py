import atexit, copy, datetime, errno, os, random, signal, sys, time, unittest.mock
import numpy as np, pytest, torch
import torch.distributed as dist
from torch import nn, tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset
from exp.nb_04 import SGD, BatchLoader, DataLoaders, Dataset, accuracy
from exp.nb_04a import Callback, CancelBatch, CancelEpoch, CancelFit, FitError
from exp.nb_05 import GradientClip, Learner, MetricsCallback
from exp.nb_05a import EarlyStopping, ProgressCallback, Recorder
from exp.nb_05b import Checkpoint, load_checked
from exp.nb_06 import OneCycle
from exp.nb_13 import Distributed, Ranks, Shard, TextBar, buckets, cut, leave_out, main, number, reseed, share_of, sum_over_ranks, trained
from learners import Diary, data, learner, weights
from ranks import finished, on, torchrun


def momentum(params, lr): return SGD(params, lr, momentum=.9)


class Own(Callback):
    "Adds to this rank's weights what other ranks must not know of, before the fit."
    order = -30
    def setup(self, learn):
        with torch.no_grad():
            for p in learn.model.parameters(): p.add_(dist.get_rank() if dist.is_initialized() else 0)


def train(kinds=(Distributed,), epochs=2, seed=0, **how):
    "What a fit leaves on a rank; `kinds` make callbacks."
    torch.manual_seed(100 + (dist.get_rank() if dist.is_initialized() else 0))
    learn = learner([Recorder(), MetricsCallback(accuracy=accuracy), *[kind() for kind in kinds]], seed=seed, **{'n': 41, 'opt_func': momentum, **how})
    learn.fit(epochs)
    return {'weights': weights(learn), 'rows': [[*row.values()] for row in learn.history], 'losses': learn.cbs[1].on_cpu(),
            'buffers': [b.clone() for b in learn.model.buffers()], 'placed': 'placed' in vars(learn), 'hooks': len(learn.model._forward_pre_hooks)}


def alike(got, want, atol=1e-6):
    for name in ('weights', 'rows', 'losses'):
        torch.testing.assert_close(torch.as_tensor(got[name]), torch.as_tensor(want[name]), rtol=0, atol=atol)


# ---- one process and many

@pytest.mark.parametrize('size', [1, 2, 4])
def test_many_ranks_train_as_one_process_does_with_a_last_batch_that_does_not_divide(size):
    want, = on(0, train, ())
    for got in on(size, train): alike(got, want)


@pytest.mark.parametrize('n, bs', [(3, 3), (3, 2), (1, 1), (9, 4)])
def test_ranks_without_an_example_take_the_same_steps(n, bs):
    want, = on(0, train, (), n=n, bs=bs)
    for got in on(4, train, n=n, bs=bs): alike(got, want)


class Asks(Callback):
    "Asks the model when the training of an epoch is over."
    def after_train(self, learn):
        with torch.no_grad(): self.shape = tuple(learn.model(torch.zeros(2, 4)).shape)


def asked():
    learn = learner([Distributed(), cb := Asks()], n=3, bs=2).fit(1)
    return learn.whole, cb.shape


def test_a_rank_whose_last_batch_was_empty_can_ask_its_model_afterwards():
    assert on(2, asked) == [(True, (2, 3))] * 2


def test_in_a_plain_process_the_callback_is_not_called_and_nothing_changes():
    plain, = on(0, train, ())
    with_it, = on(0, train)
    assert all(torch.equal(torch.as_tensor(with_it[name]), torch.as_tensor(plain[name])) for name in ('weights', 'rows', 'losses'))
    cb, learn = Distributed(), learner()
    learn.fit(0, [cb])
    assert cb.ranks.rank == 0 and cb.ranks.size == 1 and not any(getattr(method, '__self__', None) is cb for methods in learn.heard.values() for method in methods)


def test_all_ranks_begin_with_the_weights_of_rank_0_whatever_they_had():
    want, = on(0, train, ())
    for got in on(2, train, (Own, Distributed)): alike(got, want)


def of_two_kinds():
    "A model with weights of two types, one of them frozen, and a part that only rank 0 uses."
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.a, self.b, self.c, self.d = nn.Linear(4, 3), nn.Linear(3, 3).double(), nn.Linear(3, 3), nn.Linear(4, 3)
            self.c.requires_grad_(False)
        def forward(self, x):
            y = self.b(self.c(self.a(x)).double()).float()
            return y + self.d(x) if len(x) == 6 else y
    return Model()


def train_two_kinds(cbs=(Distributed,), decay=.1):
    learn = learner([kind() for kind in cbs], n=22, bs=11)
    model = of_two_kinds()
    never = nn.Parameter(torch.ones(2))
    learn = Learner(model, learn.dls, opt_func=lambda params, lr: SGD([*params, never], lr, weight_decay=decay), lr=.1, cbs=learn.cbs[1:])
    learn.fit(1)
    return [p.detach().clone() for p in (*model.parameters(), never)]


def test_a_parameter_that_one_rank_alone_uses_gets_the_mean_and_one_that_none_uses_no_step():
    ours, others = on(2, train_two_kinds)
    for p, q in zip(ours, others): assert torch.equal(p, q)
    first = of_two_kinds()
    assert torch.equal(ours[-1], torch.ones(2)) and torch.equal(ours[4], first.c.weight) and not torch.equal(ours[6], first.d.weight)
    assert ours[2].dtype == torch.float64 and not torch.equal(ours[2], first.b.weight)


class First(Callback):
    order = -20
    def after_backward(self, learn):
        for p in learn.model.parameters(): p.grad = torch.full_like(p, float(dist.get_rank()))
        learn.loss = tensor(10. * dist.get_rank())


class Last(Callback):
    order = 99
    def __init__(self): self.seen = []
    def after_backward(self, learn): self.seen.append((learn.loss.item(), learn.model[0].bias.grad[0].item()))


def made_gradients():
    learner([Distributed(), First(), last := Last()], n=6, bs=3).fit(1)
    return last.seen


def test_gradient_and_loss_are_means_over_examples_not_over_ranks():
    for seen in on(2, made_gradients):                                                 # two examples with 0, one with 1
        torch.testing.assert_close(tensor(seen), tensor([[10/3, 1/3]] * 2))


class Accumulate(Callback):
    "Gradients of `n` batches as one, as in the lesson."
    order = -16
    def __init__(self, n): self.n = n
    def before_train(self, learn): self.sums, self.count = {}, 0
    def after_backward(self, learn):
        count = len(learn.yb)
        for p in trained(learn):
            if p.grad is not None: self.sums[p], p.grad = self.sums.get(p, 0) + count * p.grad, None
        self.count += count
        if (learn.batch + 1) % self.n and learn.batch + 1 < len(learn.dl): raise CancelBatch
        for p, g in self.sums.items(): p.grad = g / self.count
        learn.accumulated = self.count
        self.sums, self.count = {}, 0


@pytest.mark.parametrize('n, bs, small', [(5, 5, 4), (6, 6, 3), (9, 8, 4), (3, 2, 1)])      # (9, 8, 4): one example is left, alone in its step
def test_gradients_of_several_batches_are_weighted_by_all_their_examples_also_where_a_rank_has_none(n, bs, small):
    def in_twos(): return Accumulate(2)
    want, = on(0, train, (), n=n, bs=bs)
    for got in on(2, train, (in_twos, Distributed), n=n, bs=small):
        torch.testing.assert_close(got['weights'], want['weights'], rtol=0, atol=1e-6)


def test_gradients_are_clipped_when_they_are_the_mean():
    def clip(): return GradientClip(.1)
    want, = on(0, train, (clip,))
    for got in on(2, train, (clip, Distributed)): alike(got, want)


def test_a_schedule_goes_on_where_a_rank_has_no_example():
    def cycle(): return OneCycle(.5)
    want, = on(0, train, (cycle,), n=9, bs=4, opt_func=momentum)
    for got in on(4, train, (cycle, Distributed), n=9, bs=4): alike(got, want)


def test_statistics_of_layers_are_the_same_on_all_ranks_when_validation_begins():
    a, b = on(2, train, layers=[nn.BatchNorm1d(5)])
    assert len(a['buffers']) == 3 and all(torch.equal(x, y) for x, y in zip(a['buffers'], b['buffers'])) and a['buffers'][2] == 6
    assert torch.equal(a['weights'], b['weights']) and a['rows'] == b['rows']


def test_nothing_is_left_on_learner_and_model_when_the_fit_has_ended():
    for got in on(2, train): assert (got['placed'], got['hooks']) == (False, 0)


def fit_again():
    first = learner([Distributed()], seed=0).fit(1)
    stdout = sys.stdout
    learn = first.fit(1)
    return weights(learn), len(learn.history), sys.stdout is stdout


def test_a_second_fit_goes_on_with_what_the_first_has_made():
    want, = on(0, fit_again)
    for got in on(2, fit_again):
        torch.testing.assert_close(got[0], want[0], rtol=0, atol=1e-6)
        assert got[1:] == want[1:] == (0, True)


# ---- metrics

def with_torchmetrics():
    from torchmetrics.classification import MulticlassAccuracy
    learn = learner([Distributed(), MetricsCallback(share=MulticlassAccuracy(3, average='micro'), size=lambda pred, yb: float(len(yb)))], n=41).fit(2)
    return [(row['share'], row['size']) for row in learn.history]


def test_a_metric_with_a_state_of_its_own_is_that_of_all_examples():
    import torchmetrics                                        # once, for all that are forked
    want, = on(0, with_torchmetrics)
    for got in on(2, with_torchmetrics): assert [share for share, _ in got] == pytest.approx([share for share, _ in want])


class Alone:
    def update(self, pred, yb): pass
    def compute(self): return 0.
    def reset(self): pass


def with_alone():
    with pytest.raises(FitError) as e: learner([Distributed(), MetricsCallback(mine=Alone())]).fit(1)
    return str(e.value)


def test_a_metric_that_cannot_be_joined_is_refused_by_name():
    for text in on(2, with_alone): assert 'the metric mine has no `sync`' in text


def stopping():
    learn = learner([Distributed(), MetricsCallback(), EarlyStopping(patience=2, min_delta=1.)], n=41).fit(9)
    return len(learn.history), learn.whole


def test_who_stops_by_the_figures_of_all_stops_on_all_ranks_at_once():
    assert on(2, stopping) == [(3, True)] * 2


# ---- who speaks

def speaking(folder):
    import contextlib, io
    cbs = [Distributed(), MetricsCallback(), ProgressCallback(), Checkpoint(folder), Diary(after_step=lambda learn: print('step'))]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        learner(cbs).fit(2)
        print('after')
    return out.getvalue().split()


def test_rank_0_alone_prints_and_saves_and_all_may_print_when_the_fit_has_ended(tmp_path):
    first, second = on(2, speaking, tmp_path)
    assert first.count('epoch') == 1 and first.count('step') == 6 and first[-1] == 'after' and second == ['after']
    assert [path.name[:11] for path in sorted(tmp_path.glob('*.pt'))] == ['epoch-00001', 'epoch-00002']


def heard(which):
    learn, cb = learner([diary := Diary(), Diary()]), Callback()
    cb.setup = lambda learn: leave_out(learn, lambda other: other is diary)
    cb.order = -9
    learn.fit(1, [cb])
    return len(diary.lines), len(learn.cbs[-1].lines)


def test_who_is_left_out_hears_nothing_more():
    mine, others = heard(None)
    assert mine == 0 and others > 10


# ---- the parts of a loader

class Items(list):
    "A list of (input, its number)."


class Stream(IterableDataset):
    def __iter__(self): return iter([(float(i), i) for i in range(11)])


class Drawn:
    "A loader of another kind: it draws its order itself, and does not know its length."
    def __init__(self): self.ds = range(11)
    def __iter__(self):
        for part in torch.randperm(11).split(4): yield {'x': part.float(), 'names': [str(i) for i in part.tolist()], 'i': part}


def texts(items): return {'names': [str(i) for _, i in items], 'i': tensor([i for _, i in items])}


ITEMS = Items((float(i), i) for i in range(11))
TENSORS = Dataset(torch.arange(11.), torch.arange(11))
LOADERS = {
    'ours': lambda: BatchLoader(TENSORS, 4, shuffle=True, seed=3),
    'ours in order': lambda: BatchLoader(TENSORS, 4),
    'ours without the last': lambda: BatchLoader(TENSORS, 4, shuffle=True, drop_last=True, seed=3),
    'ours item by item': lambda: BatchLoader(ITEMS, 4, shuffle=True, seed=3),
    'ours with a worker': lambda: BatchLoader(ITEMS, 4, shuffle=True, seed=3, workers=1),
    'fewer than ranks': lambda: BatchLoader(TENSORS, 2, shuffle=True, seed=3),
    'of one example': lambda: BatchLoader(ITEMS, 1, shuffle=True, seed=3),
    "torch's": lambda: DataLoader(ITEMS, 4, shuffle=True),
    "torch's with a generator": lambda: DataLoader(TENSORS, 4, shuffle=True, generator=torch.Generator().manual_seed(1), drop_last=True),
    "torch's with a worker": lambda: DataLoader(ITEMS, 3, shuffle=True, num_workers=1),
    'of texts': lambda: DataLoader(ITEMS, 4, shuffle=True, collate_fn=texts),
    'of a stream': lambda: DataLoader(Stream(), 4),
    'of a kind of its own': Drawn,
    'a list': lambda: [(torch.arange(5.), torch.arange(5)), (torch.arange(5., 11.), torch.arange(5, 11))],
}


def numbers_in(batch):
    "The numbers of the examples, when all parts of the batch agree on them."
    numbers = (batch['i'] if isinstance(batch, dict) else batch[1]).tolist()
    assert numbers == ([int(x) for x in batch['names']] if isinstance(batch, dict) else [int(x) for x in batch[0]])
    return numbers


def parts_of_loaders():
    "By loader, epoch and batch the numbers of the examples of this rank."
    ranks, found = Ranks(), {}
    for name, make in LOADERS.items():
        torch.manual_seed(5 + ranks.rank)
        dl = make()
        shards = [Shard(dl, ranks, f'{name}, epoch {epoch}', f'{ranks.rank}') if ranks.size > 1 else dl for epoch in range(2)]
        found[name] = [[numbers_in(batch) for batch in shard] for shard in shards]
    return found


@pytest.fixture(scope='module')
def parts():
    return on(0, parts_of_loaders) + on(3, parts_of_loaders)


@pytest.mark.parametrize('name', LOADERS)
def test_the_parts_of_each_batch_are_the_batch_of_one_process_and_differ_by_one_at_most(name, parts):
    want, *ranks = [part[name] for part in parts]
    for epoch, batches in enumerate(want):
        assert [sum(pieces, []) for pieces in zip(*(rank[epoch] for rank in ranks), strict=True)] == batches
        for pieces in zip(*(rank[epoch] for rank in ranks)):
            sizes = [*map(len, pieces)]
            assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= 1


class Told:
    "Rank 2 of 3, to which rank 0 says these `things`."
    rank, size = 2, 3
    def __init__(self, *things): self.things = [*things]
    def share(self, place, thing): return self.things.pop(0)


def test_a_shard_is_empty_where_no_example_was_left_for_its_rank():
    batches = [(torch.arange(n), torch.arange(n)) for n in (3, 2, 4)]
    loader = BatchLoader(Dataset(torch.arange(9), torch.arange(9)), 3)
    for shard in (Shard(loader, Told([[0, 1, 2], [3, 4], [5, 6, 7, 8]]), '', ''), Shard(batches, Told(None, *[[batch] for batch in batches], []), '', '')):
        assert [(len(batch[0]), shard.empty) for batch in shard] == [(1, False), (0, True), (1, False)] and len(shard) == 3


def test_a_rank_has_its_own_share_of_each_batch():
    assert [range(n)[share_of(n, 1, 3)] for n in (1, 2, 7, 9)] == [range(1, 1), range(1, 2), range(3, 5), range(3, 6)]


class Pair:
    def __init__(self, x): self.x = x


def test_a_batch_is_cut_in_all_its_parts_that_have_a_row_for_each_example():
    batch = {'x': torch.arange(6).view(3, 2), 'more': (torch.arange(3), tensor(7), torch.arange(4)), 'texts': ['a', 'b', 'c'], 'name': 'three'}
    got = cut(batch, 3, slice(1, 3))
    assert got['x'].tolist() == [[2, 3], [4, 5]] and got['more'][0].tolist() == [1, 2] and got['more'][1] == 7
    assert got['more'][2].tolist() == [0, 1, 2, 3] and got['texts'] == ['b', 'c'] and got['name'] == 'three' and len(batch['texts']) == 3


def test_a_packed_sequence_is_not_cut():
    packed = nn.utils.rnn.pack_sequence([torch.arange(3.), torch.arange(2.)])
    with pytest.raises(TypeError, match='packed'): cut((packed, tensor([1, 2])), 2, slice(1))


# ---- random numbers

class Draws(Callback):
    "Draws numbers in each training batch, from the global generators and from its own."
    order = 30
    def __init__(self): self.own, self.numpy, self.python, self.drawn = torch.Generator().manual_seed(9), np.random.default_rng(9), random.Random(9), []
    def before_batch(self, learn):
        if not learn.training: return
        self.drawn.append([torch.rand(1).item(), torch.rand(1, generator=self.own).item(), self.numpy.random(), self.python.random(), random.random(), np.random.rand()])


def draws(epochs=2):
    torch.manual_seed(4), random.seed(4), np.random.seed(4)
    learner([Distributed(), cb := Draws()], n=40, bs=20).fit(epochs)
    return cb.drawn


def test_ranks_draw_different_numbers_in_each_batch_and_the_same_in_each_run():
    (one, first, second), again = (*on(0, draws), *on(2, draws)), on(2, draws)
    assert again == [first, second] and first == one
    for kind in zip(*first, *second): assert len({*kind}) == 8


def test_a_text_starts_all_generators_and_another_text_starts_them_otherwise():
    learn = learner([cb := Draws()])
    learn.fit(0)
    def numbers(key):
        cb.drawn, learn.training = [], True
        reseed(learn, key), cb.before_batch(learn)
        return cb.drawn[0]
    one, other, again = numbers('a'), numbers('b'), numbers('a')
    assert one == again and not {*one} & {*other} and len({*one}) == 6
    two = Callback()
    two.first, two.second = torch.Generator(), torch.Generator()
    reseed(learner([two]).fit(0), 'a')
    assert torch.rand(1, generator=two.first) != torch.rand(1, generator=two.second)          # of one kind, and not alike
    assert 0 <= number('a') < 2**32 and number('a') != number('b') and number('') == 0xe3b0c442


# ---- what ends a fit ends it everywhere

def broken(event, kind, rank=1, epochs=3):
    "What is raised on this rank when `kind` is raised on `rank` in the second batch, or epoch; and whether the ranks can go on."
    ranks, told = Ranks(), []
    def fail(learn):
        if ranks.rank == rank and (learn.batch == 1 or 'batch' not in event and event != 'after_pred'): raise kind
    learn = learner([Distributed(), MetricsCallback(), Diary(**{event: fail})], n=41, bs=8)
    try: told = 'interrupted' if learn.fit(epochs).interrupted else f'ended with {len(learn.history)}'
    except FitError as e: told = str(e)
    learner([Distributed()]).fit(1)
    return told


@pytest.mark.parametrize('event, kind, mine, others', [
    ('after_pred', ValueError('a bad picture'), 'Diary.after_pred failed, epoch 1 of 3, training batch 2: ValueError', 'rank 1 is at an early end of the fit: Diary.after_pred failed, epoch 1 of 3, training batch 2: ValueError'),
    ('after_batch', ValueError('bad luck'), 'bad luck', 'rank 1 is at an early end of the fit: Diary.after_batch failed'),
    ('after_epoch', ValueError('a bad end'), 'a bad end', 'rank 1 is at an early end of the fit: Diary.after_epoch failed, epoch 1'),
    ('before_fit', ValueError('a bad start'), 'a bad start', 'rank 1 is at an early end of the fit: Diary.before_fit failed'),
    ('after_pred', KeyboardInterrupt(), 'interrupted', 'rank 1 is at an early end of the fit: KeyboardInterrupt'),
    ('after_pred', CancelFit('I have seen enough'), 'rank 0 is at batch 2 of training in epoch 1', 'rank 1 is at the end of the fit: I have seen enough'),
    ('after_pred', CancelBatch(), 'rank 0 is at batch 2 of training in epoch 1', 'rank 1 is at batch 3 of training in epoch 1'),
    ('before_train', CancelEpoch(), 'rank 0 is at', 'rank 1 is at the end of epoch 1')])
def test_what_ends_the_fit_of_one_rank_ends_that_of_all_with_its_message(event, kind, mine, others):
    first, second, third = on(3, broken, event, kind)
    assert mine in second
    for told in (first, third): assert others in told and 'RuntimeError' in told


def test_an_error_of_rank_0_is_heard_by_the_others():
    mine, other = on(2, broken, 'after_pred', ValueError('a bad picture'), rank=0)
    assert 'a bad picture' in mine and 'rank 0 is at an early end' in other and 'a bad picture' in other


def spoiled():
    import contextlib, io
    ranks = Ranks()
    def spoil(learn):
        if ranks.rank == 1 and learn.training and learn.batch == 1: learn.loss = learn.loss * torch.nan
    learn = learner([Distributed(), MetricsCallback(), Diary(after_loss=spoil)], n=41, bs=8)
    before = weights(learn)
    with contextlib.redirect_stdout(io.StringIO()) as out: learn.fit(3)
    return out.getvalue(), torch.equal(weights(learn), before), learn.epoch


def test_a_loss_of_one_rank_that_is_no_number_ends_the_fit_of_all():
    for rank, (told, as_before, epoch) in enumerate(on(2, spoiled)):
        assert as_before and epoch == 0 and ('a loss was nan' in told) == (rank == 0)


def left_alone(how, timeout=60.):
    "What the others say of rank 1, which hangs or dies in the second batch."
    cb, start = Distributed(timeout), time.monotonic()
    def hang(learn):
        if cb.ranks.rank == 1 and learn.batch == 1: time.sleep(999) if how == 'hangs' else os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(FitError) as e: learner([cb, Diary(after_pred=hang)], bs=8).fit(3)
    with pytest.raises(FitError, match='the ranks have parted'): learner([Distributed()]).fit(1)
    return str(e.value)


def test_a_rank_that_hangs_is_named_by_all_others_after_the_time_out():
    first, _, third, fourth = on(4, left_alone, 'hangs', timeout=2., lost={1})
    for told in (first, third, fourth): assert 'epoch 1 of 3, training batch 2' in told and 'rank 1 has not come: it hangs, or is gone' in told


def test_a_rank_that_was_killed_is_named_at_once():
    first, _, third, fourth = on(4, left_alone, 'dies', lost={1})
    for told in (first, third, fourth): assert 'rank 1 has not come: it hangs, or is gone' in told


def too_late():
    "What both ranks say when rank 1 comes only after rank 0 has given up."
    cb = Distributed(2.)
    def wait(learn):
        if cb.ranks.rank == 1 and learn.batch == 1: cb.ranks.store.wait(['gone'], datetime.timedelta(seconds=100))
    with pytest.raises(FitError) as e: learner([cb, Diary(after_pred=wait)], bs=8).fit(3)
    cb.ranks.store.set('gone', '')
    return str(e.value)


def test_a_rank_that_comes_when_the_others_have_gone_is_told_so():
    first, second = on(2, too_late)
    assert 'rank 1 has not come' in first and 'this rank came too late: the others have gone' in second


def one_gpu():
    "Two ranks on a machine with one GPU: device 1 is none."
    with unittest.mock.patch.multiple(torch.cuda, is_available=lambda: True, device_count=lambda: 1, set_device=[0].__getitem__): ranks = Ranks()
    return ranks.meet('the door', ranks.rank, 1)


def test_where_not_every_rank_has_a_gpu_none_takes_one():
    assert on(2, one_gpu) == [[[0, 1], [1, 1]]] * 2


def elsewhere():
    ranks = Ranks()
    try: return ranks.meet('the door' if ranks.rank else 'the gate', 1, 2, why='hungry' if ranks.rank else '')
    except RuntimeError as e: return str(e), ranks.together


def meeting():
    ranks = Ranks()
    return ranks.meet('the door', ranks.rank, 7), ranks.share('the hall', [ranks.rank]), ranks.gather('the roof', {'rank': ranks.rank}), ranks.meet('out')


def last_of_all():
    "Whether the group is open before and after what a process does at its end."
    at_end = []
    with unittest.mock.patch.object(atexit, 'register', at_end.append): ranks = Ranks()
    open_before = dist.is_initialized()
    for f in at_end: f()
    return ranks.size, open_before, dist.is_initialized()


def test_a_process_closes_its_group_at_its_end_and_ends_well_without_one():
    assert on(2, last_of_all) == [(2, True, False)] * 2
    assert on(0, last_of_all) == [(1, False, False)]


def connecting(folder):
    "How many ranks are connected when this one has joined; rank 0 takes longer."
    real = dist.init_process_group
    def connect(*args):
        real(*args)
        time.sleep(.5 * (dist.get_rank() == 0))
        (folder/str(dist.get_rank())).touch()
    with unittest.mock.patch.object(dist, 'init_process_group', connect): Ranks()
    return len([*folder.iterdir()])


def test_nobody_has_joined_before_all_are_connected(tmp_path): assert on(2, connecting, tmp_path) == [2, 2]


def test_ranks_that_meet_hear_what_all_have_brought_and_who_is_elsewhere():
    assert on(2, meeting) == [([[0, 7], [1, 7]], [0], [{'rank': 0}, {'rank': 1}], [[0, 0], [0, 0]])] * 2
    assert on(2, elsewhere) == [('rank 0 is at the gate; rank 1 is at the door: hungry', False)] * 2


class Slow:
    "A store on which rank 1 writes late."
    def __init__(self, store): self.store, self.get = store, store.get
    def set(self, *note): time.sleep(.3 * dist.get_rank()), self.store.set(*note)


def twice_elsewhere():
    ranks, said = Ranks(), []
    ranks.store = Slow(ranks.store)
    for fit in 'first', 'second':
        Ranks.fits += 1
        with pytest.raises(RuntimeError) as e: ranks.meet(f'the {fit} {ranks.rank}')
        said.append(str(e.value))
    return said


def test_what_a_rank_has_noted_in_one_fit_is_not_read_in_the_next():
    assert on(2, twice_elsewhere) == [[f'rank 0 is at the {fit} 0; rank 1 is at the {fit} 1' for fit in ('first', 'second')]] * 2


# ---- buckets

def test_a_bucket_holds_neighbours_of_one_type_up_to_its_size_and_what_is_larger_alone():
    sizes = [[10], [20], [5], [100], [1], [2]]
    tensors = [torch.zeros(n) for n, in sizes]
    assert [[len(t) for t in bucket] for bucket in buckets(tensors, 4 * 30)] == [[10, 20], [5], [100], [1, 2]]
    assert [len(bucket) for bucket in buckets(tensors)] == [6] and buckets([]) == []
    assert [len(bucket) for bucket in buckets([torch.zeros(3), torch.zeros(3), torch.zeros(1).double(), torch.zeros(3)], 24)] == [2, 1, 1]


def sums(most):
    r = dist.get_rank() if Ranks().size > 1 else 0
    return sum_over_ranks([tensor([[1., 2, 3]]).T + r, tensor(5 + r), tensor([.5 + r], dtype=torch.float64), torch.ones(2, 2) * r], most)


@pytest.mark.parametrize('most', [1, 100])
def test_sums_over_ranks_keep_shape_and_type_in_buckets_of_any_size(most):
    for a, b, c, d in on(3, sums, most):
        assert a.tolist() == [[6.], [9.], [12.]] and (b.item(), b.dtype, b.shape) == (18, torch.int64, ()) and c.tolist() == [4.5] and c.dtype == torch.float64
        assert d.tolist() == [[3., 3.]] * 2


# ---- broken off, and gone on

class Dies(Callback):
    "Ends this process, as kill -9 does, where `die` says so."
    order = 40
    def __init__(self, rank, epoch): self.rank, self.epoch = rank, epoch
    def after_backward(self, learn):
        if dist.get_rank() == self.rank and learn.epoch == self.epoch and learn.batch == 1: os.kill(os.getpid(), signal.SIGKILL)


def resumable(folder, epochs=4, cbs=(), size_matters=True):
    torch.manual_seed(2)
    layers = [nn.BatchNorm1d(5), nn.Dropout(.2)] if size_matters else []
    learn = learner([Distributed(5.), MetricsCallback(accuracy=accuracy), Recorder(), Checkpoint(folder), *cbs], opt_func=momentum, n=48, bs=10, layers=layers)
    learn.fit(epochs)
    return weights(learn), learn.history, learn.cbs[3].on_cpu()


def same_bits(one, other): return torch.equal(one[0], other[0]) and one[1] == other[1] and torch.equal(one[2], other[2])


@pytest.mark.parametrize('size, rank', [(2, 1), (4, 0)])
def test_a_fit_whose_rank_was_killed_goes_on_to_the_same_bits_dropout_and_statistics_included(tmp_path, size, rank):
    want = on(size, resumable, tmp_path/'undisturbed')
    with pytest.raises(AssertionError, match='rank'): on(size, resumable, tmp_path/'killed', cbs=[Dies(rank, 2)])
    got = on(size, resumable, tmp_path/'killed')
    assert all(same_bits(a, b) for a, b in zip(got, want)) and all(same_bits(a, got[0]) for a in got)


def test_another_number_of_ranks_goes_on_with_the_same_batches_and_rates_up_to_the_rounding_of_sums(tmp_path):
    want = on(2, resumable, tmp_path/'undisturbed', size_matters=False)[0]
    on(2, resumable, tmp_path/'other', 2, size_matters=False)
    for got in on(3, resumable, tmp_path/'other', 3, size_matters=False) + on(0, resumable, tmp_path/'other', 4, size_matters=False):
        assert len(got[1]) >= 3
    for a, b in zip(got, want): torch.testing.assert_close(torch.as_tensor([[*row.values()] for row in a] if isinstance(a, list) else a), torch.as_tensor([[*row.values()] for row in b] if isinstance(b, list) else b), rtol=0, atol=1e-5)


class Writes(Callback):
    "Makes the second checkpoint of rank 0 fail in the middle of being written, in the way `how`."
    def __init__(self, how): self.how = how
    def after_epoch(self, learn):
        if learn.epoch == 1 and dist.get_rank() == 0:
            def fail(f):
                if self.how == 'killed': os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, 'No space left on device')
            os.fsync = fail


def disk_full(folder):
    with pytest.raises(FitError) as e: resumable(folder, cbs=[Writes('full')])
    return str(e.value)


def test_rank_0_killed_while_it_writes_loses_one_epoch_and_no_more(tmp_path):
    with pytest.raises(AssertionError, match='rank 0'): on(2, resumable, tmp_path/'killed', cbs=[Writes('killed')])
    assert len([*tmp_path.glob('killed/*.part')]) == 1 and [path.name[:11] for path in tmp_path.glob('killed/*.pt')] == ['epoch-00001']
    assert all(map(same_bits, on(2, resumable, tmp_path/'killed'), on(2, resumable, tmp_path/'undisturbed')))


def test_a_full_disk_on_rank_0_ends_all_and_leaves_the_file_before(tmp_path):
    mine, other = on(2, disk_full, tmp_path)
    assert 'No space left' in mine and 'rank 0 is at an early end of the fit: Checkpoint.after_epoch failed' in other and 'No space left' in other
    assert [path.name[:11] for path in tmp_path.glob('epoch*')] == ['epoch-00001']


def refused(folder):
    with pytest.raises(FitError) as e: resumable(folder, cbs=[GradientClip(1.)])
    return str(e.value)


def test_the_checkpoint_of_another_fit_is_refused_on_all_ranks(tmp_path):
    on(0, resumable, tmp_path, 1)
    for told in on(2, refused, tmp_path): assert 'this is not the fit of epoch-00001' in told and 'GradientClip.max_norm' in told


# ---- the script

def test_main_trains_in_a_plain_process_and_shows_a_row_for_each_epoch(capsys):
    learn = main('--epochs 2 --examples 300 --bs 100 --lr .1 --seed 3'.split())
    out = capsys.readouterr().out.split('\n')
    assert out[0].split() == ['epoch', 'train_loss', 'valid_loss', 'accuracy'] and [line.split()[0] for line in out[1:3]] == ['1', '2'] and len(learn.history) == 2
    assert len(learn.dls.train) == 3 and learn.lr == .1 and len(learn.dls.train.ds) == 300 and len(learn.dls.valid.ds) == 300


def test_main_takes_the_digits_and_a_folder_when_asked_and_says_all_its_options(tmp_path, capsys):
    clothes, digits = [main(['--epochs', '0', '--examples', '50', '--bs', '50', *more]) for more in ([], ['--mnist', '1', '--folder', str(tmp_path)])]
    assert digits.dls.train.ds.y[:5].tolist() == [5, 0, 4, 1, 9] != clothes.dls.train.ds.y[:5].tolist() and any(isinstance(cb, Checkpoint) for cb in digits.cbs)
    assert abs(digits.dls.train.ds.x.min() + .4245) < 1e-3 and abs(digits.dls.valid.ds.x.min() + .4245) < 1e-3 and digits.dls.train.ds.x.shape == (50, 1, 28, 28)
    with pytest.raises(SystemExit): main(['--help'])
    out = capsys.readouterr().out
    assert 'torchrun --nproc-per-node 2 -m exp.nb_13' in out and all(f'--{name}' in out for name in ('epochs', 'bs', 'lr', 'mnist', 'examples', 'seed', 'folder', 'timeout'))


class Terminal:
    text, isatty = '', lambda self: True
    def write(self, text): self.text += text
    def flush(self): pass


def test_in_a_terminal_the_batches_are_counted_on_a_line_of_their_own(monkeypatch, capsys):
    monkeypatch.setattr('sys.stderr', terminal := Terminal())
    learner([MetricsCallback(), TextBar()], n=40, bs=16).fit(1)
    assert terminal.text.split('\r')[1:4:2] == ['           1 / 3 ', '           2 / 3 '] and 'train_loss' in capsys.readouterr().out
    terminal.isatty, terminal.text = lambda: False, ''
    learner([MetricsCallback(), TextBar()], n=40, bs=16).fit(1)
    assert terminal.text == ''


# ---- torchrun itself

def table(text): return [line.split() for line in text.split('\n') if line.split()[:1] in (['epoch'], ['1'], ['2'], ['3']) and len(line.split()) == 4]


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def test_two_nodes_train_as_one_process_does_and_one_of_them_shows_it(capsys):
    args = '-m', 'exp.nb_13', '--epochs', 1, '--examples', 300, '--bs', 100
    port = free_port()
    nodes = [torchrun(*args, nodes='2', nproc=1, endpoint=f'127.0.0.1:{port}') for _ in range(2)]
    ends = [finished(node) for node in nodes]
    main([*map(str, args[2:])])
    want = table(capsys.readouterr().out)
    assert [code for code, _ in ends] == [0, 0], ends
    assert sorted(table(text) for _, text in ends) == [[], want]


def test_torchrun_starts_killed_workers_again_and_the_bits_are_those_of_an_undisturbed_fit(tmp_path):
    import kills
    want = on(2, kills.work, tmp_path/'undisturbed', 12, 0.)[0]
    killed, got, text = kills.disturbed(tmp_path/'killed', 2, 12, 2, seed=1)
    assert killed == 2, text
    assert torch.equal(got, want), text

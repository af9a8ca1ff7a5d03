import copy, gc, math, weakref
from dataclasses import dataclass
import matplotlib
matplotlib.use('agg')
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from exp.nb_04 import DataLoaders
from exp.nb_04a import Callback, CancelBatch, CancelFit, FitError
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_06 import lr_find
from exp.nb_07a import KINDS, ActivationStats, Hooks, LayerRecorder, LayerWatcher, dead_share, first_tensor, histogram, largest, leaves, measure, regular_sample
from learners import Diary, learner, raising, weights

close = torch.testing.assert_close


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 3)), nn.ReLU())


def hooks_on(*modules):
    "The number of hooks of any kind that the modules and all within them carry."
    inside = {module for outer in modules for module in outer.modules()}
    kinds = '_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks'
    return sum(len(getattr(module, kind)) for module in inside for kind in kinds)


def shape(layer, inputs, output): return tuple(output.shape)


class Refuses(nn.ReLU):
    "A layer on which no hook can be put."
    def __init__(self, error):
        super().__init__()
        self.error = error
    def register_forward_hook(self, *args): raise self.error


# ---- hooks

def test_a_model_stands_for_its_layers_without_children_once_each_in_their_order():
    model = net()
    assert leaves(model) == [model[0], model[1][0], model[1][1], model[2]] and leaves(model[0]) == [model[0]]
    twice, empty = nn.ReLU(), nn.ModuleList()
    assert leaves(nn.Sequential(twice, nn.Flatten(), twice, empty))[::2] == [twice, empty] and leaves(nn.ModuleDict({'a': empty})) == [empty]


def test_what_f_returns_is_kept_for_each_layer_and_call_and_passes_nothing_on():
    model, x = net(), torch.randn(7, 4)
    want = model(x)
    with Hooks(model, shape) as hooks: got = [model(x), model(x[:1])]
    assert torch.equal(got[0], want) and len(hooks.layers) == 4 and hooks[0] == [(7, 5), (1, 5)] and hooks[3] == [(7, 3), (1, 3)]
    assert [(layer, kept) for layer, kept in hooks] == [(layer, kept) for layer, kept in zip(leaves(model), hooks.kept)]


def test_some_layers_are_asked_and_no_others_and_none_is_not_kept():
    model = net()
    with Hooks(iter([model[2], model[0]]), lambda layer, *_: layer if layer is model[0] else None) as hooks: model(torch.randn(2, 4))
    assert hooks.kept == [[], [model[0]]] and hooks_on(model) == 0


def test_f_is_given_the_layer_its_inputs_and_its_output():
    model, x = net(), torch.randn(2, 4)
    with Hooks([model[0]], lambda *given: given) as hooks: model(x)
    (layer, (inside,), out), = hooks[0]
    assert layer is model[0] and inside is x and torch.equal(out, model[0](x))


def test_with_replace_what_f_returns_passes_in_place_of_the_output_and_none_changes_nothing():
    model, x = net(), torch.randn(2, 4)
    for f, want in ((lambda layer, inputs, out: -out, -model[0](x)), (lambda *_: None, model[0](x))):
        with Hooks([model[0]], f, replace=True) as hooks: assert torch.equal(model[0](x), want) and hooks[0] == []


def test_a_hook_before_the_layer_sees_its_inputs_and_may_replace_them():
    layer, x = nn.Linear(4, 3), torch.randn(2, 4)
    with Hooks(layer, lambda layer, inputs: inputs[0].sum(), 'forward_pre') as hooks: layer(x)
    assert hooks[0] == [x.sum()]
    with Hooks(layer, lambda layer, inputs: (2 * inputs[0],), 'forward_pre', replace=True): got = layer(x)
    close(got, layer(2 * x))


def test_hooks_of_the_backward_pass_see_the_gradients_of_inputs_and_outputs():
    layer, x, g = nn.Linear(4, 3), torch.randn(2, 4, requires_grad=True), torch.randn(2, 3)
    with Hooks(layer, lambda layer, of_in, of_out: (*of_in, *of_out), 'backward') as both, Hooks(layer, lambda layer, of_out: of_out, 'backward_pre') as outputs:
        layer(x).backward(g)
    (of_x, of_out), = both[0]
    close(of_x, g @ layer.weight)
    assert torch.equal(of_out, g) and torch.equal(outputs[0][0][0], g) and hooks_on(layer) == 0


@pytest.mark.parametrize('kind', KINDS)
def test_no_hook_is_there_before_and_after(kind):
    model = net()
    hooks = Hooks(model, lambda *_: None, kind)
    assert hooks_on(model) == 0
    with hooks: assert hooks_on(model) == 4
    assert hooks_on(model) == 0


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_raised_in_the_block_goes_on_and_the_hooks_are_removed(error):
    model = net()
    with pytest.raises(error, match='this'), Hooks(model, shape) as hooks:
        model(torch.randn(2, 4))
        raise error('this')
    assert hooks_on(model) == 0 and hooks[0] == [(2, 5)]


@pytest.mark.parametrize('error', [ValueError('this'), KeyboardInterrupt('this')])
def test_what_a_hook_raises_goes_on_and_the_hooks_are_removed(error):
    def fail(layer, inputs, output): raise error
    model = net()
    with pytest.raises(type(error), match='this'), Hooks(model, fail): model(torch.randn(2, 4))
    assert hooks_on(model) == 0 and model(torch.randn(2, 4)).shape == (2, 3)


@pytest.mark.parametrize('error', [ValueError('this'), KeyboardInterrupt('this')])
def test_if_the_third_of_five_cannot_be_registered_the_first_two_are_removed(error):
    layers = [nn.ReLU(), nn.ReLU(), Refuses(error), nn.ReLU(), nn.ReLU()]
    hooks = Hooks(layers, shape)
    with pytest.raises(type(error), match='this'), hooks: raise AssertionError('the block was entered')
    assert hooks_on(*layers) == 0 and hooks.handles == []


def test_a_ctrl_c_while_they_are_removed_leaves_none():
    class Interrupted:
        def __init__(self, handle): self.handle, self.calls = handle, 0
        def remove(self):
            self.calls += 1
            if self.calls == 1: raise KeyboardInterrupt
            self.handle.remove()
    model = net()
    with pytest.raises(KeyboardInterrupt), Hooks(model, shape) as hooks: hooks.handles[1] = Interrupted(hooks.handles[1])
    assert hooks_on(model) == 0


def test_they_can_be_used_again_and_then_begin_with_nothing():
    model = net()
    hooks = Hooks(model, shape)
    for n in (2, 3):
        with hooks as entered: model(torch.randn(n, 4))
        assert entered is hooks and hooks[0] == [(n, 5)] and hooks_on(model) == 0


def test_within_themselves_they_are_refused_and_the_first_use_goes_on():
    model = net()
    with Hooks(model, shape) as hooks:
        with pytest.raises(RuntimeError, match='registered already'): hooks.register()
        model(torch.randn(2, 4))
    assert hooks[0] == [(2, 5)] and hooks_on(model) == 0


def test_without_a_block_they_are_registered_and_removed_by_name_the_second_removal_does_nothing():
    model = net()
    hooks = Hooks(model, shape).register()
    assert hooks_on(model) == 4
    for _ in range(2):
        hooks.remove()
        assert hooks_on(model) == 0


def test_hooks_of_others_stay():
    model, seen = net(), []
    handle = model[0].register_forward_hook(lambda *_: seen.append(1))
    with Hooks(model, shape) as one:
        with Hooks(model, shape) as other: model(torch.randn(2, 4))
        model(torch.randn(2, 4))
    assert len(one[0]) == 2 and len(other[0]) == 1 and len(seen) == 2 and hooks_on(model) == 1
    handle.remove()


def test_a_copy_of_the_model_that_was_made_meanwhile_is_not_listened_to():
    model = net()
    with Hooks(model, shape) as hooks: copy.deepcopy(model)(torch.randn(2, 4))
    assert hooks.kept == [[]] * 4


def test_after_the_block_the_model_keeps_nothing_of_them_alive():
    model = net()
    with Hooks(model, lambda layer, inputs, out: out) as hooks: out = model(torch.randn(2, 4))
    gone = weakref.ref(hooks), weakref.ref(hooks[0][0])
    del hooks, out
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


@pytest.mark.parametrize('layers, f, kind, error, says', [
    (['relu'], shape, 'forward', TypeError, "'relu' is no layer"), ([nn.ReLU], shape, 'forward', TypeError, 'is no layer'), ([], shape, 'forward', ValueError, 'no layers'),
    (2 * [nn.ReLU()], shape, 'forward', ValueError, 'twice'), (nn.ReLU(), None, 'forward', TypeError, 'None is no function'), (nn.ReLU(), shape, 'back', ValueError, "'back' is none of .*'backward'")])
def test_what_cannot_be_meant_is_refused(layers, f, kind, error, says):
    with pytest.raises(error, match=f'^Hooks: .*{says}'): Hooks(layers, f, kind)


# ---- what is measured

@dataclass
class Answer: text: str; logits: torch.Tensor


def test_the_first_tensor_of_floats_is_found_in_what_a_layer_gives():
    x, ints = torch.ones(2, requires_grad=True), torch.arange(3)
    for output in (x, (x, -x), [ints, x], {'a': None, 'b': (ints, {'c': x})}, Answer('yes', x)): assert torch.equal(first_tensor(output), x)
    assert not first_tensor((x,)).requires_grad
    for output in (ints, None, 'text', (), {}, [ints, 3.]): assert first_tensor(output) is None


@pytest.mark.parametrize('shape, size', [((512, 8, 14, 14), 2**14), ((7, 3), 5), ((128, 784), 1000), ((6,), 2), ((64, 64), 100), ((5, 4), 1), ((1,), 1)])
def test_a_sample_is_no_larger_than_asked_evenly_spaced_and_not_much_smaller(shape, size):
    x = torch.arange(math.prod(shape)).reshape(shape)
    got = regular_sample(x, size)
    k = (got[1] - got[0]).item() if len(got) > 1 else x.numel()
    assert len(got) <= size and torch.equal(got, torch.arange(0, x.numel(), k)) and len(got) >= min(size, x.numel()) / 3


@pytest.mark.parametrize('shape', [(64, 8, 14, 14), (512, 10), (32, 7, 6), (9, 35)])
def test_a_sample_meets_every_column_alike(shape):
    column = torch.arange(shape[-1]).expand(shape)
    counts = regular_sample(column, math.prod(shape)//7).bincount(minlength=shape[-1])
    assert counts.max() - counts.min() <= 1


def test_what_is_small_enough_is_taken_whole_and_in_any_order_in_memory():
    x = torch.randn(3, 4, 5)
    for y in (x, x.permute(2, 0, 1), x[:, ::2], x[0, 0, 0]): assert torch.equal(regular_sample(y, y.numel()), y.flatten())


@pytest.mark.parametrize('bins, limit', [(41, 10.), (1, 2.), (8, .5), (5, 3)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_a_histogram_is_that_of_torch_where_all_is_within(bins, limit, dtype):
    x = torch.rand(3, 7, 31, generator=torch.Generator().manual_seed(bins), dtype=dtype)*2*limit - limit
    got = histogram(x, bins, limit)
    assert got.tolist() == [[torch.histc(row, bins, -limit, limit).tolist() for row in rows] for rows in x] and got.dtype == torch.int32
    assert torch.equal(histogram(x[0, 0], bins, limit), got[0, 0])


def test_what_lies_beyond_is_in_the_outermost_part_and_what_is_no_number_nowhere():
    x = tensor([[-3., -math.inf, -2, -1.5], [math.inf, 2, 1e38, math.nan], [0, -0., .99, -1]])
    assert histogram(x.flatten(), 4, 2.).tolist() == [4, 1, 3, 3] and histogram(x[:2], 4, 2.).tolist() == [[4, 0, 0, 0], [0, 0, 0, 3]]


def test_a_unit_is_dead_if_it_gives_zero_for_all_examples_and_everywhere():
    x = torch.zeros(3, 4, 2, 2)
    x[2, 1, 1, 0], x[0, 3, 0, 1] = 1e-30, -5                     # of four channels two are zero everywhere
    assert dead_share(x) == .5 and (x == 0).float().mean() == 46/48
    assert dead_share(tensor([[0., 1, -0.], [0, 0, 0], [0, 0, 0], [0, 0, 0]])) == tensor(2/3)


def test_units_of_sequences_lie_along_the_last_axis():
    x = torch.zeros(2, 3, 5)
    x[1, 2, 0] = 1
    assert dead_share(x, -1) == tensor(4/5) and dead_share(x) == tensor(2/3)
    assert largest(x).tolist() == [0, 0, 1] and largest(-x, -1).tolist() == [1, 0, 0, 0, 0]
    assert dead_share(x[:, :, 0], -1) == dead_share(x[:, :, 0]) == tensor(2/3)


@pytest.mark.parametrize('x, want', [([0., 0, 0], 1.), ([0., 2, 0], 0.), (0., 1.), (-1., 0.), ([[math.nan, 0.]], .5), ([[0.]], 1.)])
def test_a_tensor_of_one_axis_or_none_is_one_unit_and_nan_is_not_zero(x, want): assert dead_share(tensor(x)) == want


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('shape', [(7, 3, 5, 2), (4, 6), (1, 1), (5,), ()])
def test_a_measurement_is_mean_spread_dead_share_and_histogram_of_each_call(dtype, shape):
    calls = (torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)) * 3 + 5).relu().to(dtype)
    calls[1] = 0
    rows = measure(calls.reshape(3, -1), torch.stack([largest(x) for x in calls]), bins=7, limit=12.)
    for got, x in zip(rows, calls, strict=True):
        exact = x.double()
        close(got[:2].double(), torch.stack([exact.mean(), exact.std(correction=0)]), rtol=1e-5, atol=1e-6)
        assert got[2] == dead_share(x) and got[3:].tolist() == torch.histc(exact.clamp(-12, 12), 7, -12, 12).tolist()
    assert rows.shape == (3, 10) and rows.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_the_spread_is_right_beside_a_large_mean():
    x = torch.randn(1, 5000, generator=torch.Generator().manual_seed(0)) + 1e4
    close(measure(x, x)[0, 1], x.double().std(correction=0).float(), rtol=1e-3, atol=0)


class Gives(nn.Module):
    "A layer that gives what it was made with."
    def __init__(self, *what):
        super().__init__()
        self.what = [*what]
    def forward(self, x):
        self.what.append(self.what.pop(0))
        return self.what[-1]


def recorded(*what, **settings):
    "A LayerRecorder that has seen these outputs of one layer."
    batches = [(torch.ones(2, 1), torch.ones(2))] * len(what)
    recorder = LayerRecorder([layer := Gives(*what)], **settings)
    class Net(nn.Linear):
        def forward(self, x):
            layer(x)
            return super().forward(x)
    Learner(Net(1, 1), DataLoaders(batches, batches), lambda pred, y: pred.square().mean(), cbs=[recorder]).fit(1)
    return recorder


def test_of_many_numbers_a_sample_gives_mean_spread_and_histogram_and_all_say_who_is_dead():
    x = torch.zeros(40, 6, 5, 5)
    x[:, :4] = torch.randn(40, 4, 5, 5, generator=torch.Generator().manual_seed(0)) + 3
    x[7, 4, 2, 1] = 50                                           # alive, and not in the sample
    got, part = recorded(x, size=500).table(0), regular_sample(x, 500)
    assert 50 not in part and 300 < len(part) <= 500 and got['dead'].item() == tensor(1/6)
    close(torch.cat([got['mean'], got['spread']]), torch.stack([part.mean(), part.std(correction=0)]))
    assert got['hist'][0].tolist() == histogram(part, 41, 10.).tolist() and (got['mean'] - x.mean()).abs() < .3


def test_if_nobody_says_otherwise_a_sample_has_about_4_000_numbers_in_41_parts_from_minus_10_to_10():
    hist = recorded(torch.full((100, 293), 9.9)).table(0)['hist']
    assert hist.shape == (1, 41) and 2_500 < hist[0, -1] <= 2**12 and hist.sum() == hist[0, -1]


@pytest.mark.parametrize('calls', [1, 15, 16, 17, 33])
def test_however_many_calls_are_measured_together_each_has_its_row_in_order(calls):
    table = recorded(*(torch.tensor([[float(i), 0.]]) for i in range(calls))).table(0)
    assert table['batch'].tolist() == [*range(1, calls + 1)] and table['mean'].tolist() == [i/2 for i in range(calls)]
    assert table['dead'].tolist() == [1.] + [.5]*(calls - 1) and table['spread'].tolist() == [i/2 for i in range(calls)]


def test_calls_of_other_shapes_are_measured_apart_and_none_is_lost():
    given = [torch.full(shape, float(i)) for i, shape in enumerate([(2, 3), (2, 3), (3, 2), (2, 3), (1, 6), (6,), (6, 1), ()])]
    table = recorded(*given).table(0)
    assert table['mean'].tolist() == [*range(8)] and table['hist'].sum(1).tolist() == [6]*7 + [1] and table['dead'].tolist() == [1] + [0]*7


def test_a_table_may_be_asked_for_at_any_time_and_as_often_as_one_likes():
    lengths, stats = [], LayerRecorder()
    asks = Diary(after_step=lambda learn: lengths.append([len(stats.table(0)['batch']) for _ in range(2)]))
    learner([stats, asks]).fit(1)
    assert lengths == [[1, 1], [2, 2], [3, 3]] and stats.table(0)['batch'].tolist() == [1, 2, 3]


def test_what_waits_to_be_measured_is_little_and_a_copy():
    recorder = recorded(*(x := torch.ones(4, 3000, 2) for _ in range(31)), size=100)
    assert [len(rows) for rows in recorder.rows.values()] == [16] and len(kept := [*recorder.waiting.values()][0]) == 15
    x.zero_()
    assert all(len(sample) <= 100 and sample.untyped_storage().nbytes() <= 400 and sample.all() for _, sample, _ in kept)


def test_nothing_asks_for_a_number_so_nothing_waits():
    "A tensor of the kind `meta` has no numbers: whoever asks for one fails."
    for shape in [(64, 8, 14, 14), (5, 3), (2, 3, 4), ()]:
        x = torch.empty(shape, device='meta')
        assert measure(regular_sample(x, 2**12)[None], largest(x)[None]).shape == (1, 44)
    with pytest.raises((RuntimeError, NotImplementedError)): torch.empty(3, device='meta').mean().item()


# ---- in a fit

class ByHand(Callback):
    "The obvious way: the layers one after another, before each training batch, and their figures."
    order = 40
    def __init__(self): self.rows = []
    def before_batch(self, learn):
        if not learn.training: return
        x, row = learn.xb, []
        with torch.no_grad():
            for layer in leaves(learn.model):
                x = layer(x)
                row.append([x.mean(), x.std(correction=0), dead_share(x), torch.histc(x.clamp(-10, 10), 41, -10, 10)])
        self.rows.append(row)


def same(stats, hand):
    for i in range(len(stats.names)):
        table = stats.table(i)
        for j, what in enumerate(('mean', 'spread', 'dead', 'hist')): close(table[what], torch.stack([row[i][j] for row in hand.rows]))


def test_every_figure_is_that_of_the_layers_called_by_hand_for_every_layer_and_batch():
    stats, hand = ActivationStats(), ByHand()
    learn = learner([stats, hand], lr=1., layers=[nn.Linear(5, 4), nn.ReLU(inplace=True), nn.Linear(4, 5)]).fit(2)
    assert stats.table(0)['batch'].tolist() == [1, 2, 3, 4, 5, 6] and hooks_on(learn.model) == 0
    assert stats.names == ['0 Linear', '1 ReLU', '2 Linear', '3 ReLU', '4 Linear', '5 Linear']
    same(stats, hand)
    assert torch.equal(stats.table(0)['mean'], torch.stack([row[0][0] for row in hand.rows])) and len({*stats.table(5)['mean'].tolist()}) == 6


def test_what_is_learned_and_drawn_by_chance_stays_to_the_bit():
    got, want = [learner(cbs, layers=[nn.Dropout(.5)]).fit(2) for cbs in ([ActivationStats(size=7)], [])]
    assert torch.equal(weights(got), weights(want)) and torch.is_grad_enabled()


def test_every_third_batch_is_counted_over_the_epochs():
    stats = ActivationStats(every=3)
    learner([stats], bs=10).fit(2)
    assert stats.table(1)['batch'].tolist() == [1, 4, 7] and stats.table(1)['hist'].sum(1).tolist() == [50, 50, 50]


def test_only_layers_that_are_asked_for_are_listened_to_in_their_order():
    learn = learner()
    stats = ActivationStats([learn.model[2], learn.model[1]], axis=-1, bins=5, size=24)
    learn.fit(1, [stats])
    assert stats.names == ['2 Linear', '1 ReLU'] and stats.table(0)['hist'].shape == (3, 5) and stats.table(0)['hist'].sum(1).tolist() == [24, 24, 24]
    outside = ActivationStats([nn.ReLU()])
    learn.fit(1, [outside])
    assert outside.names == ['ReLU'] and outside.state(outside.table(0)) == 'not called'


def test_units_of_sequences_are_counted_along_the_axis_that_was_asked_for():
    batches = [(torch.randn(3, 7, 4), torch.zeros(3, 7, dtype=torch.long))]
    layers = [nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)]
    layers[0].bias.data[1:3] = -100
    for axis, want in ((-1, tensor([2/5])), (1, tensor([0.]))):
        stats = ActivationStats(layers[1:2], axis=axis)
        Learner(nn.Sequential(*layers), DataLoaders(batches, batches), lambda pred, y: pred.square().mean(), cbs=[stats]).fit(1)
        close(stats.table(0)['dead'], want)


def test_a_second_fit_begins_anew_and_may_be_of_another_model():
    stats = ActivationStats()
    learner([stats]).fit(2)
    learner(layers=[nn.ReLU()]).fit(1, [stats])
    assert len(stats.names) == 4 and stats.table(3)['batch'].tolist() == [1, 2, 3]
    again = learner([stats]).fit(1).fit(1)
    assert stats.table(0)['batch'].tolist() == [1, 2, 3] and len(stats.rows) == len(stats.names) == len([*again.model])


@pytest.mark.parametrize('error', [CancelFit('enough'), KeyboardInterrupt('pressed'), ValueError('broken')])
@pytest.mark.parametrize('event', ['before_batch', 'after_pred', 'after_loss', 'after_step', 'after_batch', 'after_epoch'])
def test_however_a_fit_ends_the_hooks_are_gone_and_what_was_seen_stays(error, event):
    stats, end = ActivationStats(), raising(None, error)
    learn = learner([stats, Diary(**{event: end})], bs=16)
    if isinstance(error, ValueError):
        with pytest.raises(FitError, match='broken'): learn.fit(2)
    else: learn.fit(2)
    seen = len(stats.table(0)['batch'])
    assert hooks_on(learn.model) == 0 and stats.hooks.handles == [] and seen == {'before_batch': 1, 'after_epoch': 6}.get(event, 2)


def test_a_layer_that_fails_leaves_no_hooks():
    class Fails(nn.Module):
        def forward(self, x): raise ValueError('broken')
    learn = learner([stats := ActivationStats()], layers=[Fails()])
    with pytest.raises(FitError, match='broken'): learn.fit(1)
    assert hooks_on(learn.model) == 0 and [len(stats.table(i)['batch']) for i in range(4)] == [1, 1, 0, 0]


def test_a_batch_that_is_cancelled_before_its_prediction_has_hooks_no_longer_than_it_lasts():
    counts, stats = [], ActivationStats()
    watch = Diary(before_batch=raising(CancelBatch, None), after_batch=lambda learn: counts.append(hooks_on(learn.model)))
    learn = learner([stats, watch]).fit(1)
    assert {*counts} == {0} and stats.table(0)['batch'].tolist() == [2, 3] and hooks_on(learn.model) == 0


def test_nothing_but_the_forward_of_training_batches_is_counted():
    asked = Diary(after_step=lambda learn: (learn.predict(torch.randn(3, 4)), learn.validate()))
    stats = ActivationStats()
    learn = learner([stats, MetricsCallback(), asked])
    learn.fit(1)
    assert stats.table(0)['batch'].tolist() == [1, 2, 3]
    before = [stats.table(i)['batch'].tolist() for i in range(len(stats.names))]
    learn.predict(torch.randn(3, 4)), learn.get_preds(), learn.validate(), learn.summary()
    learn.cbs.remove(asked)
    lr_find(learn, steps=5)
    assert [stats.table(i)['batch'].tolist() for i in range(len(stats.names))] == before and hooks_on(learn.model) == 0


class Odd(nn.Module):
    "Outputs of every kind, a layer that is called twice and one that is not called."
    def __init__(self):
        super().__init__()
        self.rnn, self.lin, self.never, self.split, self.number = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 5), nn.ReLU(), Split(), Largest()
    def forward(self, x):
        x = self.lin(self.lin(self.rnn(x)[0][:, -1]))
        self.number(x)
        return self.split(x)['left']


class Split(nn.Module):
    def forward(self, x): return {'left': x[:, :3], 'right': x[:, 3:]}


class Largest(nn.Module):
    def forward(self, x): return x.argmax(1)


def test_outputs_of_every_kind_calls_twice_or_never_other_shapes_and_empty_batches():
    batches = [(torch.randn(n, steps, 4), torch.arange(n) % 3) for n, steps in ((6, 2), (0, 3), (5, 7))]
    stats = ActivationStats(axis=-1)
    def loss(pred, y): return F.cross_entropy(pred, y, reduction='sum')
    Learner(Odd(), DataLoaders(batches, batches), loss, cbs=[stats]).fit(1)
    calls = dict(zip(stats.names, [stats.table(i)['batch'].tolist() for i in range(5)]))
    assert calls == {'rnn GRU': [1, 3], 'lin Linear': [1, 1, 3, 3], 'never ReLU': [], 'split Split': [1, 3], 'number Largest': []}
    assert [counts.sum().item() for counts in stats.table(0)['hist']] == [60, 175] and stats.table(3)['hist'].sum(1).tolist() == [18, 15]
    lines = stats.summary().splitlines()
    assert len(lines) == 6 and 'not called' in lines[3] and 'nan' not in stats.summary() and len(stats.plot()) == 5


def test_half_precision_is_watched_in_single():
    stats, hand = ActivationStats(), ByHand()
    learn = learner([stats, hand])
    learn.model.bfloat16()
    learn.dls = DataLoaders([(x.bfloat16(), y) for x, y in learn.dls.train], [(x.bfloat16(), y) for x, y in learn.dls.valid])
    learn.fit(1)
    close(stats.table(0)['mean'], torch.stack([row[0][0] for row in hand.rows]).float(), rtol=1e-2, atol=1e-2)
    assert stats.table(0)['spread'].dtype == torch.float32


def test_what_the_backward_pass_computes_again_is_not_counted_again():
    class Again(nn.Sequential):
        def forward(self, x): return checkpoint(super().forward, x, use_reentrant=False)
    stats = ActivationStats()
    learner([stats], layers=[Again(nn.Linear(5, 5), nn.Tanh())]).fit(1)
    assert all(stats.table(i)['batch'].tolist() == [1, 2, 3] for i in range(5))


def test_a_checkpoint_keeps_and_compares_nothing_of_it(): assert (ActivationStats().state_dict(), ActivationStats.same, ActivationStats.fits_only) == ({}, (), True)


@pytest.mark.parametrize('settings, says', [(dict(every=0), 'every: 0'), (dict(bins=0), 'bins: 0'), (dict(size=0), 'size: 0'), (dict(axis=0), 'axis 0, wanted 1 or -1'),
                                            (dict(limit=0.), 'limit 0.0, wanted a number over 0'), (dict(limit=math.inf), 'limit inf'), (dict(limit=math.nan), 'limit nan')])
def test_settings_that_cannot_be_meant_are_refused_by_the_name_of_the_class(settings, says):
    for kind in (ActivationStats, LayerRecorder):
        with pytest.raises(ValueError, match=f'^{kind.__name__}: {says}'): kind(**settings)
    with pytest.raises(TypeError, match='no layer'): ActivationStats(['0'])


# ---- in words, and as a picture

def seen(dead, mean=1., spread=2., batches=None):
    "An ActivationStats that has seen such shares of dead units in one layer."
    stats = ActivationStats(bins=3)
    layer, stats.names = nn.ReLU(), ['7 ReLU']
    stats.rows, stats.waiting = {layer: [((batches or range(1, 99))[i], tensor([mean, spread, share, 4, 5, 6])) for i, share in enumerate(dead)]}, {layer: []}
    return stats


@pytest.mark.parametrize('dead, want', [([0.]*20, 'alive'), ([1.]*18 + [.2, .28], 'alive'), ([0.]*18 + [.2, .32], 'dying'), ([0.]*18 + [.8, .9], 'dying'),
                                        ([0.]*18 + [.9, .92], 'dead'), ([0.]*10 + [1.], 'dying'), ([1.], 'dead'), ([.9]*20, 'dead'), ([.25]*20, 'dying'), ([], 'not called')])
def test_the_last_tenth_of_the_calls_says_whether_a_layer_is_dead(dead, want):
    stats = seen(dead)
    assert stats.state(stats.table(0)) == want and stats.summary().endswith('  ' + want)


@pytest.mark.parametrize('bad', [dict(mean=math.nan), dict(spread=math.inf)])
def test_what_is_not_finite_is_said_before_all_else(bad):
    stats = seen([1., 1.], **bad)
    assert stats.state(stats.table(0)) == 'not finite'


@pytest.mark.parametrize('dead, batches, when', [([0., .6, .5, .7], None, 'batch 2'), ([.6, .4, .5], None, 'batch 3'), ([.5, .9], None, 'batch 1'), ([.9, .4], None, ''), ([0., .5, 1.], [1, 11, 21], 'batch 11')])
def test_the_summary_says_from_which_batch_on_half_of_the_units_are_dead(dead, batches, when):
    line = seen(dead, batches=batches).summary().splitlines()[1]
    assert line[45:63].strip() == when


def test_the_summary_has_means_over_the_last_tenth_under_their_names():
    header, line = seen([0.]*18 + [.5, .25], mean=3.25, spread=12.5).summary().splitlines()
    assert header.split() == ['layer', 'mean', 'spread', 'dead', 'half', 'dead', 'from', 'state']
    assert line.split() == ['7', 'ReLU', '3.25', '12.50', '38%', 'dying']


def test_a_picture_has_a_column_for_each_call_and_a_row_for_each_part_and_says_the_state():
    stats = seen([0., .3, .95], batches=[1, 3, 5])
    ax, = stats.plot()
    image, = ax.images
    close(tensor(image.get_array().tolist()), tensor([[4.]*3, [5.]*3, [6.]*3]).log1p())
    assert image.origin == 'lower' and image.get_extent() == [.5, 5.5, -10, 10] and ax.get_title() == '7 ReLU: dead'
    assert image.get_clim() == (0, math.log1p(stats.size))                # one scale for all
    assert (ax.get_xlabel(), ax.get_ylabel()) == ('batch', 'activation') and stats.plot([ax])[0] is ax
    with pytest.raises(ValueError, match='ActivationStats: 2 axes for 1 layers'): stats.plot([ax, ax])

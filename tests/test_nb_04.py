import copy, io, itertools, math, random, statistics
import numpy as np
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset, random_split
from exp.nb_01 import timed
from exp.nb_04 import (BatchLoader, DataLoaders, Dataset, Optimizer, SGD, accuracy, cross_entropy, fit, get_dls, get_test_data,
                       log_softmax, logsumexp, nll, take, validate)

inf, nan = math.inf, math.nan


# ---- losses

@pytest.mark.parametrize('z', [[[1e4, 0.]], [[-1e4, -1e4]], [[1e4, -1e4]], [[0., 0.]], [[3e38, 0.]]])
def test_large_logits_give_finite_losses_and_gradients(z):
    z = tensor(z, requires_grad=True)
    cross_entropy(z, tensor([0])).backward()
    torch.testing.assert_close(logsumexp(z), torch.logsumexp(z, -1))
    torch.testing.assert_close(log_softmax(z), F.log_softmax(z, -1))
    assert z.grad.isfinite().all()


def test_probabilities_of_a_row_sum_to_one_and_its_gradients_to_zero():
    torch.manual_seed(0)
    z = torch.randn(5, 7, requires_grad=True)
    torch.testing.assert_close(log_softmax(z).exp().sum(1), torch.ones(5))
    cross_entropy(z, torch.arange(5)).backward()
    torch.testing.assert_close(z.grad.sum(1), torch.zeros(5))


def test_a_constant_added_to_all_logits_changes_nothing():
    z = tensor([[1., 2, 4]])
    torch.testing.assert_close(log_softmax(z + 100), log_softmax(z))
    torch.testing.assert_close(logsumexp(z + 100), logsumexp(z) + 100)


@pytest.mark.parametrize('ours, theirs', [(logsumexp, lambda z: torch.logsumexp(z, -1)), (log_softmax, lambda z: F.log_softmax(z, -1))], ids=['logsumexp', 'log_softmax'])
@pytest.mark.parametrize('z', [torch.tensor([[1000., 0], [0, -1000], [-1000, -1000]]), torch.arange(24.).reshape(2, 3, 4), torch.arange(3.)],
                         ids=['far apart', 'three axes', 'one axis'])
def test_each_row_has_a_sum_of_its_own(ours, theirs, z):
    torch.testing.assert_close(ours(z), theirs(z))


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    assert cross_entropy(torch.zeros(4, 10), tensor([0, 3, 9, 9])) == tensor(10.).log()


@pytest.mark.parametrize('z', [[1., -inf, 2], [-inf, -inf, 0], [-inf, -inf, -inf], [inf, 0, -inf], [inf, inf, 1], [nan, 1, 2]])
@pytest.mark.parametrize('ours, theirs', [(logsumexp, lambda z: torch.logsumexp(z, -1)), (log_softmax, lambda z: F.log_softmax(z, -1))])
def test_infinite_logits_give_what_torch_gives(z, ours, theirs):
    a, b = [tensor([z, [0., 1, 2]], requires_grad=True) for _ in range(2)]
    torch.testing.assert_close(ours(a), theirs(b), equal_nan=True)
    ours(a)[..., -1].sum().backward(), theirs(b)[..., -1].sum().backward()
    torch.testing.assert_close(a.grad, b.grad, equal_nan=True)


def test_a_class_masked_by_minus_infinity_takes_no_part():
    z = tensor([[1., -inf, 3]], requires_grad=True)
    cross_entropy(z, tensor([0])).backward()
    torch.testing.assert_close(cross_entropy(z, tensor([0])), cross_entropy(tensor([[1., 3]]), tensor([0])))
    assert z.grad[0, 1] == 0 and z.grad.isfinite().all() and cross_entropy(z, tensor([1])) == inf


def test_logits_without_axes_and_single_classes():
    assert logsumexp(tensor(3.)) == 3 and log_softmax(tensor(3.)).shape == () and log_softmax(tensor(3.)) == 0
    assert log_softmax(torch.ones(2, 1)).tolist() == [[0], [0]] and cross_entropy(torch.ones(2, 1), tensor([0, 0])) == 0


@pytest.mark.parametrize('f', [nll, cross_entropy, accuracy])
def test_an_empty_batch_has_no_mean(f):
    assert f(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).isnan()


@pytest.mark.parametrize('f', [nll, cross_entropy, accuracy])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bool, torch.int32])
def test_class_numbers_of_another_type_are_refused(f, dtype):
    with pytest.raises(TypeError, match=f'class numbers of {dtype}, wanted torch.int64'): f(torch.zeros(2, 3), torch.ones(2, dtype=dtype))


def test_nll_by_hand():
    assert nll(tensor([[-1., -2], [-3, -4], [-5, -7]]), tensor([0, 1, 1])) == 4


@pytest.mark.parametrize('f', [nll, cross_entropy, accuracy])
@pytest.mark.parametrize('pred, targ', [((3, 2), (4,)), ((3, 2), (3, 1)), ((3, 2), (3, 2)), ((3,), (3,)), ((3, 2, 4), (3,)), ((3, 2), ())])
def test_shapes_that_do_not_belong_together_are_refused(f, pred, targ):
    with pytest.raises(ValueError) as e: f(torch.zeros(pred), torch.zeros(targ, dtype=torch.int64))
    assert f'{targ}, wanted (n, c) and (n,)' in str(e.value)


@pytest.mark.parametrize('targ', [-1, 2])
def test_a_class_that_does_not_exist_is_refused(targ):
    with pytest.raises(RuntimeError, match='out of bounds'): nll(torch.zeros(1, 2), tensor([targ]))


@pytest.mark.parametrize('targ, want', [([0, 1], 1.), ([1, 1], .5), ([1, 2], 0.)])
def test_accuracy_is_the_share_of_rows_whose_largest_number_is_at_the_target(targ, want):
    assert accuracy(tensor([[.9, .1, 0.], [-3., -1, -2]]), tensor(targ)) == want


# ---- the optimiser

def model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


def steps(model, opt, n=6):
    x, y = torch.linspace(-1, 1, 24).reshape(6, 4), tensor([0, 1, 2, 0, 1, 2])
    for _ in range(n):
        F.cross_entropy(model(x), y).backward()
        opt.step()
        opt.zero_grad()
    return [p.detach() for p in model.parameters()]


def agree(a, b):
    for p, q in zip(a, b, strict=True): torch.testing.assert_close(p, q)


@pytest.mark.parametrize('want, settings', [
    (8.5, {}), (8.25, {'momentum': .5}), (8.5, {'momentum': .5, 'dampening': .25}), (7.625, {'momentum': .5, 'nesterov': True}), (7.55, {'weight_decay': .1}),
    (7.05, {'momentum': .5, 'weight_decay': .1}), (11.5, {'maximize': True}), (10.5, {'maximize': True, 'weight_decay': .1})], ids=str)
def test_two_steps_by_hand(want, settings):
    p = tensor([10.], requires_grad=True)
    opt = SGD([p], .5, **settings)
    for g in (1., 2.):
        p.grad = tensor([g])
        opt.step()
    assert p.item() == pytest.approx(want)


@pytest.mark.parametrize('arguments, want', [((), (1e-3, 0, 0, 0, False, False)), ((.1, .9), (.1, .9, 0, 0, False, False)), ((.1, .9, .2, .3), (.1, .9, .2, .3, False, False)),
                                             ((.1, .9, 0., .3, True, True), (.1, .9, 0, .3, True, True))], ids=['none', 'two', 'four', 'all'])
def test_an_optimiser_has_the_settings_that_it_was_given(arguments, want):
    assert SGD([P], *arguments).settings() == [dict(zip(['lr', 'momentum', 'dampening', 'weight_decay', 'nesterov', 'maximize'], want))]


@pytest.mark.parametrize('setting', ['lr', 'momentum', 'weight_decay', 'dampening'])
@pytest.mark.parametrize('value', [0, 1, 1.5])
def test_zero_and_numbers_above_one_are_settings(setting, value):
    assert SGD([P], **{setting: value}).settings()[0][setting] == value


def test_each_parameter_has_a_memory_of_its_own():
    a, b = SGD([torch.zeros(1), torch.zeros(1)], .1).memory.values()
    a['steps'] = 1
    assert b == {}


MOMENTA = [(0., 0., False), (0., .3, False), (.9, 0., False), (.9, .3, False), (.9, 0., True), (.5, 0., True)]
HAPPENINGS = {
    'nothing': lambda i, opt, p, momentum: None,
    'a gradient is missing': lambda i, opt, p, momentum: setattr(p[1], 'grad', None if i in (0, 3) else p[1].grad),
    'gradients are zero': lambda i, opt, p, momentum: [x.grad.mul_(i % 2) for x in p],
    'momentum is off for a while': lambda i, opt, p, momentum: opt.param_groups[0].update(momentum=0 if i in (2, 3) else momentum),
    'the rate is another in each step': lambda i, opt, p, momentum: opt.param_groups[-1].update(lr=.3 / (i + 1))}


def walk(make, happening, grouped, dtype, momentum, **settings):
    "Three parameters after six steps with given gradients."
    g = torch.Generator().manual_seed(0)
    p = [torch.randn(shape, generator=g, dtype=dtype).requires_grad_() for shape in ((3, 2), (1,), ())]
    opt = make([{'params': p[0]}, {'params': p[1:], 'lr': .01, 'weight_decay': .2}] if grouped else p, lr=.1, momentum=momentum, **settings)
    for i in range(6):
        for x in p: x.grad = torch.randn(x.shape, generator=g, dtype=dtype)
        happening(i, opt, p, momentum)
        opt.step()
    return p


@pytest.mark.parametrize('happening', HAPPENINGS.values(), ids=HAPPENINGS)
def test_steps_are_torchs_to_the_bit_in_480_settings(happening):
    choices = [(False, True), (torch.float32, torch.float64), MOMENTA, (0., .1), (False, True)]
    for grouped, dtype, (momentum, dampening, nesterov), weight_decay, maximize in itertools.product(*choices):
        how = dict(momentum=momentum, dampening=dampening, nesterov=nesterov, weight_decay=weight_decay, maximize=maximize)
        ours, theirs = [walk(make, happening, grouped, dtype, **how) for make in (SGD, torch.optim.SGD)]
        assert all(map(torch.equal, ours, theirs)), (grouped, dtype, how)


def test_groups_have_settings_of_their_own_and_share_the_others():
    p, q = [torch.zeros(2, requires_grad=True) for _ in range(2)]
    opt = SGD(iter([{'params': p}, {'params': iter([q]), 'lr': .01, 'momentum': 0}]), .3, momentum=.9)
    assert [[len(g['params']), g['lr'], g['momentum']] for g in opt.param_groups] == [[1, .3, .9], [1, .01, 0]]
    p.grad, q.grad = torch.ones(2), torch.ones(2)
    opt.step()
    torch.testing.assert_close(torch.cat([p, q]), tensor([-.3, -.3, -.01, -.01]))


def test_groups_of_the_caller_stay_as_they_are():
    groups = [{'params': (p for p in [torch.zeros(1)])}, {'params': [], 'lr': .5}]
    before = [dict(group) for group in groups]
    opt = SGD(groups, .1)
    opt.param_groups[0]['lr'] = .2
    assert groups == before and [len(group['params']) for group in opt.param_groups] == [1, 0]


@pytest.mark.parametrize('settings', [{}, {'weight_decay': .1}, {'maximize': True}, {'nesterov': True}])
def test_a_step_changes_weights_in_place_and_no_gradient(settings):
    p = tensor([1., 2], requires_grad=True)
    p.grad = tensor([1., -1])
    opt, same = SGD([p], .5, momentum=.9, **settings), p
    for _ in range(3): opt.step()
    assert same is opt.param_groups[0]['params'][0] and p.grad.tolist() == [1, -1] and p.is_leaf


def test_a_parameter_without_gradient_stays_as_it_is():
    p, q = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    p.grad = torch.ones(2)
    SGD([p, q], .5, weight_decay=.1).step()
    assert p[0] < 1 and q.tolist() == [1, 1]


def test_zero_grad_forgets_all_gradients():
    m = model()
    steps(m, opt := SGD(m.parameters(), .1), 1)
    F.cross_entropy(m(torch.ones(1, 4)), tensor([0])).backward()
    opt.zero_grad()
    assert all(p.grad is None for p in m.parameters())


def test_zero_grad_leaves_weights_and_memory_as_they_are():
    p = tensor([1.], requires_grad=True)
    p.grad = tensor([3.])
    opt = SGD([p], .5, momentum=.9)
    opt.step()
    opt.zero_grad()
    assert p.tolist() == [-.5] and opt.memory[p]['velocity'].tolist() == [3]


def stepped(momentum=.9):
    "An optimiser of two groups after a step in which one of its three parameters had a gradient."
    p = shaped((2, 1), 3, 4)
    p[1].grad = tensor([1., 2, 3])
    opt = SGD([{'params': p[:2]}, {'params': p[2:], 'lr': .25}], .5, momentum=momentum)
    opt.step()
    return opt


@pytest.mark.parametrize('part, want', [('shapes', [[(2, 1), (3,)], [(4,)]]), ('memory', [[], ['velocity'], []]), ('settings', [.5, .25])])
def test_a_state_has_one_list_of_each_kind_in_the_order_of_the_parameters(part, want):
    state = stepped().state_dict()[part]
    if part == 'settings': assert [settings['lr'] for settings in state] == want and 'params' not in state[0]
    else: assert state == want if part == 'shapes' else [[*memory] for memory in state] == want


@pytest.mark.parametrize('part', ['memory', 'settings'])
def test_a_loaded_optimiser_has_what_was_saved(part):
    opt, other = stepped(), stepped(.5)
    for memory in other.memory.values(): memory.update(old=1)
    other.load_state_dict(opt.state_dict())
    if part == 'settings': assert other.settings() == opt.settings()
    else: assert [[(name, v.tolist()) for name, v in memory.items()] for memory in other.memory.values()] == [[], [('velocity', [1, 2, 3])], []]


def saved(opt):
    "The state after a way to the disk and back."
    file = io.BytesIO()
    torch.save(opt.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def two_groups(m, lr=.3): return [{'params': m[0].parameters()}, {'params': m[2].parameters(), 'lr': lr, 'momentum': .5}]


def test_a_saved_optimiser_goes_on_as_if_nothing_had_happened():
    a = model()
    opt = SGD(two_groups(a), .3, momentum=.9)
    steps(a, opt, 3)
    for group in opt.param_groups: group.update(lr=np.float64(group['lr'] / 3), weight_decay=tensor(.1))
    b, state = copy.deepcopy(a), saved(opt)
    resumed = SGD(two_groups(b, .7), .7)
    resumed.load_state_dict(state)
    assert all(map(torch.equal, steps(a, opt, 3), steps(b, resumed, 3)))
    assert resumed.settings() == opt.settings() and [g['lr'] for g in resumed.param_groups] == pytest.approx([.1, .1])


def test_a_saved_optimiser_that_has_not_stepped_yet():
    opt, other = SGD(model().parameters(), .3, momentum=.9), SGD(model().parameters(), .1)
    fresh = saved(opt)
    opt.memory[next(iter(opt.memory))]['velocity'] = torch.ones(5, 4)
    for one in (opt, other): one.load_state_dict(fresh)
    assert other.settings() == opt.settings() and not any(other.memory.values()) and not any(opt.memory.values())


def test_two_optimisers_that_loaded_one_state_share_nothing():
    class Two(Optimizer):
        def update(self, p, g, memory, betas): memory.setdefault('sums', [0]).append(g), memory.update(last=g.clone())
    a, b = model(), model()
    steps(a, opt := Two(a.parameters(), betas=[.9, .99]), 2)
    other, before = Two(b.parameters(), betas=[0, 0]), copy.deepcopy(opt.state_dict())
    other.load_state_dict(opt.state_dict())
    for memory in other.memory.values(): memory['last'].zero_(), memory['sums'].clear()
    other.param_groups[0]['betas'][0] = 7
    assert opt.settings() == before['settings'] and all(len(memory['sums']) == 3 for memory in opt.memory.values())
    agree([m['last'] for m in before['memory']], [m['last'] for m in opt.memory.values()])


def test_a_memory_keeps_its_type_and_comes_to_the_device_of_its_parameter():
    p, q = torch.zeros(2, dtype=torch.float16), torch.zeros(2, device='meta')
    opt, other = SGD([p], .1, momentum=.9), SGD([q], .1)
    opt.memory[p] = {'velocity': torch.ones(2, dtype=torch.float64), 'steps': 3}
    other.load_state_dict(opt.state_dict())
    velocity = other.memory[q]['velocity']
    assert velocity.dtype == torch.float64 and velocity.device.type == 'meta' and other.memory[q]['steps'] == 3


def shaped(*shapes): return [torch.zeros(shape, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize('groups, said', [
    ([shaped((2, 3), 4)], r'the shapes \[\(4,\)\], here are the shapes \[\(5,\)\]'),
    ([shaped((3, 2), 5)], r'the shapes \[\(3, 2\)\], here are the shapes \[\(2, 3\)\]'),
    ([shaped((2, 3))], r'groups of \[1\] parameters, 1 memories, here are groups of \[2\]'),
    ([shaped((2, 3), 5, 1)], r'groups of \[3\]'), ([shaped((2, 3)), shaped(5)], r'groups of \[1, 1\]'),
    ([shaped((2, 3), 5), []], r'groups of \[2, 0\]')])
def test_a_state_of_other_groups_is_refused_and_nothing_changes(groups, said):
    other = SGD([{'params': group} for group in groups], .7, momentum=.9)
    for p in other.memory: p.grad = torch.ones_like(p)
    other.step()
    opt = SGD(shaped((2, 3), 5), .1)
    with pytest.raises(ValueError, match='SGD: a state with ' + said): opt.load_state_dict(other.state_dict())
    assert opt.settings()[0]['lr'] == .1 and not any(opt.memory.values())


def test_a_memory_of_another_shape_or_number_is_refused_and_nothing_changes():
    opt, state = SGD(shaped(2, 3), .1), SGD(shaped(2, 3), .5).state_dict()
    for wrong in ([{}, {'velocity': torch.zeros(2)}], [{}]):
        with pytest.raises(ValueError, match='SGD: a state with '): opt.load_state_dict({**state, 'memory': wrong})
        assert opt.settings()[0]['lr'] == .1 and not any(opt.memory.values())
    opt.load_state_dict({**state, 'memory': [{'steps': torch.tensor(3)}, {'velocity': torch.ones(3)}]})
    assert [len(memory) for memory in opt.memory.values()] == [1, 1]


def test_a_state_of_another_kind_is_refused_and_nothing_changes():
    class Other(Optimizer):
        def update(self, p, g, memory, lr, rho): pass
    def groups(): return [{'params': shaped(2)}, {'params': shaped(3)}]
    opt = SGD(groups(), .1)
    states = [Other(groups(), lr=.5, rho=1).state_dict(), torch.optim.SGD(groups(), .5).state_dict(), {}]
    negative, more = [SGD(groups(), .5).state_dict() for _ in range(2)]
    negative['settings'][1]['momentum'], more['settings'] = -1., more['settings'] * 2
    for state in [*states, negative, more, {**more, 'settings': []}]:
        with pytest.raises(ValueError, match='SGD: '): opt.load_state_dict(state)
        assert opt.settings()[0]['lr'] == .1


P = torch.zeros(2, 3, requires_grad=True)


@pytest.mark.parametrize('error, said, params', [
    (ValueError, 'no parameters', []), (ValueError, 'no parameters', iter(())), (TypeError, 'a Tensor, wanted a list', P),
    (TypeError, 'a set, wanted', {P}), (TypeError, 'a set, wanted', [{'params': {P}}]), (TypeError, 'a Linear, wanted', nn.Linear(1, 1)),
    (TypeError, 'a dict, wanted', {'params': [P]}), (TypeError, 'a NoneType, wanted', [{'lr': 1.}]), (TypeError, 'a NoneType, wanted', None),
    (TypeError, 'a str among', ['w']), (TypeError, 'a tuple among', nn.Linear(1, 1).named_parameters()), (TypeError, 'a dict among', [P, {'params': []}]),
    (TypeError, 'a Linear among', nn.Sequential(nn.Linear(1, 1))), (ValueError, r'\(2, 3\) is computed, no leaf', [P * 2]),
    (ValueError, 'a parameter is there twice', [P, P]), (ValueError, 'a parameter is there twice', [{'params': P}, {'params': [P]}]),
    (ValueError, r"no setting \['momentun'\] among \['dampening', 'lr'", [{'params': P}, {'params': [], 'momentun': .9}])])
def test_what_is_no_list_of_parameters_is_refused(error, said, params):
    with pytest.raises(error, match=f'SGD: {said}'): SGD(params, .1)


def test_a_tensor_among_groups_is_refused():
    with pytest.raises(TypeError): SGD([{'params': []}, P], .1)


@pytest.mark.parametrize('setting', ['lr', 'momentum', 'weight_decay', 'dampening'])
@pytest.mark.parametrize('value', [-.1, nan, inf, None, '1', (.1,), torch.ones(2)])
def test_numbers_that_make_no_sense_are_refused_in_every_group(setting, value):
    with pytest.raises(ValueError, match=f"SGD: .*'{setting}': "): SGD([P], **{setting: value})
    with pytest.raises(ValueError, match=f"SGD: .*'{setting}': "): SGD([{'params': P}, {'params': [], setting: value}], .1)


def test_nesterov_wants_a_momentum_and_no_dampening():
    for wrong in ({}, {'momentum': .9, 'dampening': .1}):
        with pytest.raises(ValueError, match='SGD: nesterov wants a momentum and no dampening'): SGD([P], nesterov=True, **wrong)
    with pytest.raises(TypeError, match='foreach'): SGD([P], foreach=True)
    assert SGD([P], nesterov=True, momentum=np.float32(.5)).settings()[0]['momentum'] == .5 and SGD([P]).settings()[0]['lr'] == .001


def test_a_sparse_gradient_is_refused():
    table = nn.Embedding(3, 2, sparse=True)
    table(tensor([1])).sum().backward()
    before = table.weight.clone()
    with pytest.raises(TypeError, match=r'SGD: a sparse gradient \(3, 2\)'): SGD(table.parameters(), .1).step()
    assert torch.equal(before, table.weight)


def test_a_gradient_of_zeros_is_a_step():
    p = tensor([1.], requires_grad=True)
    opt = SGD([p], .5, momentum=.5, weight_decay=.1)
    p.grad = torch.zeros(1)
    opt.step()
    opt.step()
    torch.testing.assert_close(p.detach(), tensor([.95 - .5*(.05 + .095)]))


def test_another_optimiser_needs_only_its_update():
    class SignDescent(Optimizer):
        def update(self, p, g, memory, lr): p.sub_(lr * g.sign())
    p = tensor([1., 1.], requires_grad=True)
    p.grad = tensor([5., -.1])
    SignDescent([p], lr=.5).step()
    assert p.tolist() == [.5, 1.5]


# ---- data

NUMBERS = Dataset(torch.arange(10), torch.arange(10) * 10)


def seen(loader): return [xb.tolist() for xb, _ in loader]


def test_a_data_set_is_indexed_by_a_number_a_slice_or_a_tensor():
    assert NUMBERS[3] == (3, 30) and len(NUMBERS) == 10
    assert [t.tolist() for t in NUMBERS[2:4]] == [[2, 3], [20, 30]]
    assert [t.tolist() for t in NUMBERS[tensor([9, 0])]] == [[9, 0], [90, 0]]


@pytest.mark.parametrize('i', [2, slice(1, 3), tensor([3, 0, 0]), tensor([], dtype=torch.int64), tensor(1)])
def test_rows_are_taken_as_by_an_index(i):
    x = torch.arange(12.).reshape(4, 3)
    assert torch.equal(take(x, i), x[i])
    if not torch.is_tensor(i): assert take([5, 6, 7, 8], i) == [5, 6, 7, 8][i]


def test_one_example_has_no_axis_of_examples_and_a_batch_of_one_has():
    ds = Dataset(torch.zeros(4, 3), torch.zeros(4))
    assert [t.shape for t in ds[2]] == [(3,), ()] and [t.shape for t in ds[2:3]] == [t.shape for t in ds[tensor([2])]] == [(1, 3), (1,)]


def test_the_length_of_a_data_set_is_the_number_of_its_examples():
    assert len(Dataset(torch.zeros(4, 3), torch.zeros(4))) == len(Dataset(torch.zeros(4), torch.zeros(4, 3))) == len(Dataset('abcd', [1, 2, 3, 4])) == 4


def test_unequal_lengths_are_refused():
    for x, y in ((3, 2), (2, 3)):
        with pytest.raises(ValueError, match=f'Dataset: {x} inputs and {y} targets'): Dataset(torch.zeros(x), torch.zeros(y))


def test_empty_data_sets_are_refused():
    with pytest.raises(ValueError, match='Dataset: there are no examples'): Dataset(torch.zeros(0), torch.zeros(0))


def test_data_on_a_device_are_asked_by_numbers_that_are_not():
    x, y = Dataset(torch.zeros(4, 3, device='meta'), torch.zeros(4, device='meta'))[tensor([2, 0])]
    assert x.device.type == y.device.type == 'meta' and (x.shape, y.shape) == ((2, 3), (2,))


@pytest.mark.parametrize('bs', [0, -1, 11, 2.5, 4., '4', None, True])
def test_a_batch_size_that_does_not_fit_is_refused(bs):
    with pytest.raises(ValueError, match=f'BatchLoader: bs={bs!r} for a data set of 10'): BatchLoader(NUMBERS, bs)
    with pytest.raises(ValueError, match=f'BatchLoader: bs={bs!r} for a data set of 10'): get_dls(NUMBERS, NUMBERS, bs)


@pytest.mark.parametrize('workers', [-1, 2.5, '2', True])
def test_a_number_of_workers_that_makes_no_sense_is_refused(workers):
    with pytest.raises(ValueError, match=f'BatchLoader: workers={workers!r}, wanted None or an int from 0 on'):
        BatchLoader(NUMBERS, 2, workers=workers)


def test_an_empty_data_set_is_refused():
    for empty in ([], TensorDataset(torch.zeros(0, 2)), torch.zeros(0, 2), Subset(NUMBERS, [])):
        with pytest.raises(ValueError, match='BatchLoader: bs=1 for a data set of 0'): BatchLoader(empty, 1)
        with pytest.raises(ValueError, match='BatchLoader: bs=0 for a data set of 0'): get_dls(NUMBERS, empty, 1)


class Stream(IterableDataset):
    def __len__(self): return 3
    def __iter__(self): return iter(range(3))


@pytest.mark.parametrize('kind, ds', [('generator', (i for i in range(3))), ('Stream', Stream()), ('dict', {'x': [1, 2], 'y': [3, 4]}),
                                      ('set', {1, 2}), ('BatchLoader', BatchLoader(NUMBERS, 5)), ('NoneType', None), ('map', map(int, '12'))])
def test_what_gives_no_example_by_its_number_is_refused_by_name(kind, ds):
    with pytest.raises(TypeError, match=f'BatchLoader: a {kind} gives no example by its number'): BatchLoader(ds, 1)
    with pytest.raises(TypeError, match=f'BatchLoader: a {kind} gives'): get_dls(ds, NUMBERS, 1)


@pytest.mark.parametrize('bs, drop_last', [(1, False), (3, False), (3, True), (5, True), (10, False), (10, True)])
@pytest.mark.parametrize('workers', [None, 0])
def test_ordered_batches_are_those_of_torchs_loader(bs, drop_last, workers):
    ours = BatchLoader(NUMBERS, bs, drop_last=drop_last, workers=workers)
    theirs = list(DataLoader(TensorDataset(NUMBERS.x, NUMBERS.y), bs, drop_last=drop_last))
    assert [[t.tolist() for t in batch] for batch in ours] == [[t.tolist() for t in batch] for batch in theirs]
    assert len(ours) == len(theirs)


@pytest.mark.parametrize('bs, drop_last, want', [(3, False, 4), (3, True, 3), (5, False, 2), (5, True, 2), (10, False, 1), (7, False, 2), (7, True, 1)])
def test_the_number_of_batches_by_hand(bs, drop_last, want):
    assert len(BatchLoader(NUMBERS, bs, drop_last=drop_last)) == want


def test_shuffled_batches_mix_examples_from_everywhere():
    loader = BatchLoader(NUMBERS, 5, shuffle=True, seed=0)
    assert {tuple(sorted(batch)) for _ in range(3) for batch in seen(loader)} - {(0, 1, 2, 3, 4), (5, 6, 7, 8, 9)}


def test_the_state_of_a_loader_is_another_after_each_epoch():
    loader = BatchLoader(NUMBERS, 4, shuffle=True, seed=0)
    before = copy.deepcopy(loader.state_dict()['generator'])
    seen(loader)
    assert not torch.equal(before, loader.state_dict()['generator'])


def test_a_loader_that_loads_a_state_leaves_torchs_generator_alone():
    a, b = [BatchLoader(NUMBERS, 4, shuffle=True, seed=seed) for seed in (0, 1)]
    before = torch.get_rng_state()
    b.load_state_dict(a.state_dict())
    assert torch.equal(before, torch.get_rng_state()) and seen(a) == seen(b)


@pytest.mark.parametrize('workers', [None, 0])
def test_a_shuffled_epoch_shows_every_example_once_with_its_target(workers):
    loader = BatchLoader(NUMBERS, 4, shuffle=True, seed=0, workers=workers)
    x, y = [torch.cat(ts) for ts in zip(*loader)]
    assert sorted(x.tolist()) == list(range(10)) and torch.equal(y, 10*x) and x.tolist() != list(range(10))
    assert [len(xb) for xb, _ in loader] == [4, 4, 2]


def test_a_dropped_batch_is_another_one_in_each_epoch():
    loader = BatchLoader(NUMBERS, 4, shuffle=True, drop_last=True, seed=0)
    epochs = [set(sum(seen(loader), [])) for _ in range(5)]
    assert all(len(epoch) == 8 for epoch in epochs) and set.union(*epochs) == set(range(10)) and len(loader) == 2


def test_a_seed_fixes_the_order_which_changes_from_epoch_to_epoch():
    a, b, c = [BatchLoader(NUMBERS, 4, shuffle=True, seed=seed) for seed in (1, 1, 2)]
    torch.manual_seed(5)
    first, second = seen(a), seen(a)
    torch.manual_seed(6)
    torch.rand(100)
    assert first == seen(b) and second == seen(b) and first != second and first != seen(c)


def test_without_a_seed_torchs_generator_decides_when_the_loader_is_made():
    orders = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        loader = BatchLoader(NUMBERS, 4, shuffle=True)
        torch.rand(7)
        orders.append(seen(loader))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize('workers', [None, 0, 1])
@pytest.mark.parametrize('shuffle', [False, True])
def test_going_through_the_data_leaves_the_common_generators_alone(workers, shuffle):
    before = torch.get_rng_state(), random.getstate()
    dls = get_dls(NUMBERS, NUMBERS, 4, seed=0, workers=workers)
    for loader in (BatchLoader(NUMBERS, 4, shuffle=shuffle, seed=0, workers=workers), *dls): seen(loader)
    assert torch.equal(before[0], torch.get_rng_state()) and before[1] == random.getstate()


@pytest.mark.parametrize('workers', [None, 0])
@pytest.mark.parametrize('read', [0, 1, 2, 3])
def test_a_loader_saved_while_an_epoch_is_read_repeats_the_epochs_to_come(workers, read):
    loader = BatchLoader(NUMBERS, 4, shuffle=True, seed=0, workers=workers)
    seen(loader)
    epoch = iter(loader)
    for _ in range(read): next(epoch)
    other = BatchLoader(NUMBERS, 4, shuffle=True, seed=1)
    other.load_state_dict(copy.deepcopy(loader.state_dict()))
    list(epoch)
    assert [seen(loader), seen(loader)] == [seen(other), seen(other)]


class Noise:
    "Random numbers, drawn where the item is read."
    def __len__(self): return 5
    def __getitem__(self, i): return torch.rand(()), tensor(i)


@pytest.mark.parametrize('shuffle', [False, True])
def test_what_workers_draw_is_fixed_by_the_seed_resumed_and_another_in_each_epoch(shuffle):
    a, b = [BatchLoader(Noise(), 2, shuffle=shuffle, seed=seed, workers=1) for seed in (0, 1)]
    first, state, second = seen(a), a.state_dict(), seen(a)
    b.load_state_dict(state)
    assert seen(b) == second and sorted(sum(first, [])) != sorted(sum(second, []))
    assert seen(BatchLoader(Noise(), 2, shuffle=shuffle, seed=0, workers=1)) == first


@pytest.mark.parametrize('shuffle', [False, True])
def test_whole_batches_are_asked_for_unless_items_are_wanted(shuffle, monkeypatch):
    asked, get = [], Dataset.__getitem__
    monkeypatch.setattr(Dataset, '__getitem__', lambda self, i: asked.append(i) or get(self, i))
    list(BatchLoader(NUMBERS, 4, shuffle=shuffle))
    assert len(asked) == 3
    asked.clear()
    list(BatchLoader(NUMBERS, 4, shuffle=shuffle, workers=0))
    assert sorted(asked) == list(range(10))


X = torch.arange(20.).reshape(10, 2)


class Single:
    "Knows one number at a time: of more it would divide by the largest of all."
    def __len__(self): return 10
    def __getitem__(self, i): return X[i] / (1 + X[i].max()), i


class Files(Dataset):
    "Made as one makes a torch data set."
    def __init__(self, names): self.names = names
    def __len__(self): return len(self.names)
    def __getitem__(self, i): return len(self.names[i]), self.names[i]


class Named:
    def __len__(self): return len(X)
    def __getitem__(self, i): return {'image': X[int(i)], 'label': int(i), 'pair': (X[int(i), 0], 'name')}


class Triple(TensorDataset):
    def __getitem__(self, i): return self.tensors[0][i], (self.tensors[1][i], i), i


DATA_SETS = {
    'Subset': Subset(Dataset(X, NUMBERS.y), [3, 1, 4, 5, 9]), 'random_split': random_split(TensorDataset(X, NUMBERS.y), [7, 3])[0],
    'TensorDataset': TensorDataset(X, NUMBERS.y), 'three tensors': TensorDataset(X, X[:, 0], NUMBERS.y), 'a tensor': X, 'single numbers': Single(), 'files': Files(['a', 'bc', 'def']),
    'dicts': Named(), 'nested': Triple(X, NUMBERS.y), 'lists': Dataset(list(X), list(range(10))), 'a tensor and a list': Dataset(X, list('abcdefghij')), 'arrays': Dataset(X.numpy(), np.arange(10)),
    'a list of numbers': list(range(10)), 'a list of pairs': [(x, i) for i, x in enumerate(X)], 'two in one': TensorDataset(X) + TensorDataset(X)}


def plain(batch):
    "A batch as nested lists; a tuple of two is like a list of two."
    if torch.is_tensor(batch): return batch.tolist()
    return {k: plain(v) for k, v in batch.items()} if isinstance(batch, dict) else [plain(v) if not isinstance(v, str) else v for v in batch]


@pytest.mark.parametrize('ds', DATA_SETS.values(), ids=DATA_SETS)
def test_any_data_set_gives_the_batches_of_torchs_loader_on_both_paths(ds):
    for bs, drop_last in [(1, False), (2, False), (2, True)]:
        want = [plain(batch) for batch in DataLoader(ds, bs, drop_last=drop_last)]
        for workers in (None, 0):
            assert [plain(batch) for batch in BatchLoader(ds, bs, drop_last=drop_last, workers=workers)] == want
    a, b, dls = *[BatchLoader(ds, 2, shuffle=True, seed=1, workers=workers) for workers in (None, 0)], get_dls(ds, ds, 2, seed=1)
    assert [plain(x) for x in a] == [plain(x) for x in b] and [plain(x) for x in a] == [plain(x) for x in b]
    assert len(list(dls.train)) == len(dls.train) == -(-len(ds)//2) and len(list(dls.valid)) == -(-len(ds)//min(4, len(ds)))


class Ends(Dataset):
    "Its example 5 is asked of an iterator that has no more."
    def __getitem__(self, i): return next(iter(())) if 5 in torch.arange(10)[i].reshape(-1) else super().__getitem__(i)


@pytest.mark.parametrize('workers', [None, 0, 1])
def test_a_data_set_that_raises_stop_iteration_ends_no_epoch_in_silence(workers):
    epoch = iter(BatchLoader(Ends(X, NUMBERS.y), 2, workers=workers))
    assert len(next(epoch)[1]) == len(next(epoch)[1]) == 2
    with pytest.raises(RuntimeError, match='StopIteration'): next(epoch)


@pytest.mark.parametrize('kind', [list, tuple])
@pytest.mark.parametrize('bs, drop_last', [(2, False), (4, False), (4, True)])
def test_a_list_of_pairs_is_read_item_by_item(kind, bs, drop_last):
    pairs = kind(NUMBERS[i] for i in range(10))
    def batches(loader): return [[t.tolist() for t in batch] for batch in loader]
    assert batches(BatchLoader(pairs, bs, drop_last=drop_last)) == batches(DataLoader(pairs, bs, drop_last=drop_last))
    want = batches(BatchLoader(NUMBERS, bs, shuffle=True, drop_last=drop_last, seed=0))
    assert batches(BatchLoader(pairs, bs, shuffle=True, drop_last=drop_last, seed=0)) == want


def test_workers_read_the_same_batches_in_the_same_order():
    epochs = [[seen(loader), seen(loader)] for loader in [BatchLoader(NUMBERS, 4, shuffle=True, seed=0, workers=w) for w in (None, 0, 2)]]
    assert epochs[0] == epochs[1] == epochs[2]
    ordered, want = BatchLoader(NUMBERS, 3, drop_last=True, workers=2), [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert seen(ordered) == want and seen(ordered) == want


class WhoReads:
    def __len__(self): return 6
    def __getitem__(self, i): return i, torch.utils.data.get_worker_info() is not None


def test_both_loaders_read_through_workers():
    for workers, want in ((1, True), (0, False), (None, False)):
        dls = get_dls(WhoReads(), WhoReads(), 2, workers=workers)
        assert {by_worker for dl in dls for _, flags in dl for by_worker in flags.tolist()} == {want}


def test_a_data_set_that_grows_is_read_to_its_end():
    items = [1, 2, 3]
    loader = BatchLoader(items, 2)
    items.append(4)
    assert len(loader) == 2 and [batch.tolist() for batch in loader] == [[1, 2], [3, 4]]


def test_training_batches_are_shuffled_and_validation_batches_ordered_and_larger():
    dls = get_dls(NUMBERS, Dataset(torch.arange(7), torch.arange(7)), 2, seed=0)
    assert isinstance(dls, DataLoaders) and sorted(sum(seen(dls.train), [])) == list(range(10))
    assert seen(dls.valid) == [[0, 1, 2, 3], [4, 5, 6]] and seen(dls.train) != [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert seen(get_dls(NUMBERS, Dataset(torch.arange(3), torch.arange(3)), 4).valid) == [[0, 1, 2]]
    dls = get_dls(NUMBERS, NUMBERS, 4, drop_last=True)
    assert len(dls.train) == 2 and sum(len(yb) for _, yb in dls.valid) == 10


# ---- training and validation

def digits(n=40):
    torch.manual_seed(1)
    x = torch.randn(n, 4)
    return Dataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 1).long())


@pytest.mark.parametrize('bs', [1, 7, 39, 40])
def test_validation_does_not_depend_on_the_batch_size(bs):
    ds, m = digits(), model()
    loss, share = validate(m, F.cross_entropy, BatchLoader(ds, bs))
    assert loss == pytest.approx(F.cross_entropy(m(ds.x), ds.y).item(), rel=1e-5)
    assert share == pytest.approx((m(ds.x).argmax(1) == ds.y).float().mean().item(), rel=1e-6)


@pytest.mark.parametrize('training', [True, False])
def test_validation_is_done_in_eval_mode_without_gradients_and_puts_the_mode_back(training):
    class Spy(nn.Linear):
        def forward(self, x): return modes.append((self.training, torch.is_grad_enabled())) or super().forward(x)
    modes, m = [], Spy(4, 3).train(training)
    validate(m, F.cross_entropy, BatchLoader(digits(), 20))
    assert modes == [(False, False)] * 2 and m.training is training and torch.is_grad_enabled()


class Broken(nn.Module):
    "Says where it is, or breaks; its parts are in different modes."
    def __init__(self, works):
        super().__init__()
        self.drop, self.fixed, self.works = nn.Dropout(), nn.Sequential(nn.BatchNorm1d(4)).eval(), works
    def forward(self, x): return (x + 0*self.fixed(x)) if self.works else x[:, 99]
    def modes(self): return [module.training for module in self.modules()]


@pytest.mark.parametrize('works', [True, False])
@pytest.mark.parametrize('dl', ['good', 'empty', 'breaks'])
def test_validation_puts_back_the_mode_of_every_part_whatever_happens(works, dl):
    m = Broken(works)
    def broken():
        yield digits().x, digits().y
        raise OSError('the disk is gone')
    batches = {'good': [(digits().x, digits().y)], 'empty': [], 'breaks': broken()}[dl]
    if works and dl == 'good': validate(m, F.cross_entropy, batches)
    else:
        with pytest.raises((IndexError, ValueError, OSError)): validate(m, F.cross_entropy, batches)
    assert m.modes() == [True, True, False, False] and torch.is_grad_enabled()


def test_a_validation_in_eval_mode_throughout():
    m = Broken(True)
    m.forward = lambda x: modes.append(m.modes()) or x
    modes = []
    validate(m, F.cross_entropy, BatchLoader(digits(), 40))
    assert modes == [[False] * 4]


@pytest.mark.parametrize('empty', [[], iter(())])
def test_a_loader_without_batches_is_refused_in_a_sentence(empty):
    m, good = model(), BatchLoader(digits(), 20)
    with pytest.raises(ValueError, match='validate: no batches; a generator gives them only once'): validate(m, F.cross_entropy, empty)
    with pytest.raises(ValueError, match='fit: no batches'): fit(1, m, F.cross_entropy, SGD(m.parameters()), empty, good)
    with pytest.raises(ValueError, match='validate: no batches'): fit(1, m, F.cross_entropy, SGD(m.parameters()), good, empty)


def test_an_exhausted_generator_is_refused_in_the_second_epoch():
    m, good = model(), BatchLoader(digits(), 20)
    with pytest.raises(ValueError, match='fit: no batches'): fit(2, m, F.cross_entropy, SGD(m.parameters()), iter(list(good)), good)
    with pytest.raises(ValueError, match='validate: no batches'): fit(2, m, F.cross_entropy, SGD(m.parameters()), good, iter(list(good)))


def test_gradients_left_by_a_fit_that_was_broken_off_do_not_count():
    a, b, ds = model(), model(), digits()
    F.cross_entropy(a(ds.x), ds.y).backward()
    for m in (a, b): fit(1, m, F.cross_entropy, SGD(m.parameters(), .1), BatchLoader(ds, 16), BatchLoader(ds, 40))
    agree(list(a.parameters()), list(b.parameters()))


def test_a_validation_that_overflows_says_so():
    m = model()
    with torch.no_grad(): m[0].weight[0, 0] = nan
    loss, share = validate(m, F.cross_entropy, BatchLoader(digits(), 7))
    assert math.isnan(loss) and 0 <= share <= 1


def test_fit_takes_the_steps_of_the_bare_loop():
    a, b, ds = model(), model(), digits()
    fit(2, a, F.cross_entropy, SGD(a.parameters(), .1), BatchLoader(ds, 16, shuffle=True, seed=3), BatchLoader(ds, 40))
    opt = torch.optim.SGD(b.parameters(), .1)
    for batches in [list(loader) for loader in [BatchLoader(ds, 16, shuffle=True, seed=3)] for _ in range(2)]:
        for xb, yb in batches:
            F.cross_entropy(b(xb), yb).backward()
            opt.step()
            opt.zero_grad()
    agree(list(a.parameters()), list(b.parameters()))


def test_fit_reports_each_epoch_and_trains_in_train_mode():
    class Spy(nn.Linear):
        def forward(self, x): return modes.append(self.training) or super().forward(x)
    modes, m, ds = [], Spy(4, 3).eval(), digits()
    dls = get_dls(ds, ds, 20, seed=0)
    history = fit(3, m, F.cross_entropy, SGD(m.parameters(), .5), *dls)
    assert modes == [True, True, False] * 3 and history[-1] == validate(m, F.cross_entropy, dls.valid)
    assert history[0][0] > history[1][0] > history[2][0]


@pytest.mark.parametrize('epochs', [1, 3])
def test_fit_validates_once_after_each_epoch_what_is_known_by_then(epochs):
    m, ds = model(), digits()
    history = fit(epochs, m, F.cross_entropy, SGD(m.parameters(), .5), BatchLoader(ds, 20), BatchLoader(ds, 40))
    assert len(history) == epochs == len(set(history)) and history[-1] == validate(m, F.cross_entropy, BatchLoader(ds, 40))


def test_fit_trains_on_every_batch_of_every_epoch():
    class Count(SGD):
        def step(self): counts.append(1), super().step()
    m, ds, counts = model(), digits(), []
    fit(3, m, F.cross_entropy, Count(m.parameters(), .5), BatchLoader(ds, 16), BatchLoader(ds, 40))
    assert len(counts) == 9


def test_fit_for_no_epochs_changes_nothing():
    m, ds = model(), digits()
    before = copy.deepcopy(m.state_dict())
    assert fit(0, m, F.cross_entropy, SGD(m.parameters(), 1.), *get_dls(ds, ds, 8)) == []
    agree(before.values(), m.state_dict().values())


def test_the_test_set_is_the_test_file():
    x, y = get_test_data(.1304, .3073)
    assert x.shape == (10_000, 784) and y[:5].tolist() == [7, 2, 1, 0, 4] and y.dtype == torch.int64


def test_the_test_set_has_the_units_of_the_training_set():
    x, _ = get_test_data(.1304, .3073)
    assert x.min() == pytest.approx(-.1304/.3073) and x.max() == pytest.approx((255/256 - .1304)/.3073)


@pytest.mark.timing
@pytest.mark.parametrize('bs', [64, 512])
def test_batches_by_index_take_little_more_than_the_gather_and_much_less_than_item_by_item(bs):
    x, y = torch.rand(20_000, 784), torch.zeros(20_000, dtype=torch.int64)
    ours, theirs = BatchLoader(Dataset(x, y), bs, shuffle=True), DataLoader(TensorDataset(x, y), bs, shuffle=True)
    def gather():
        for i in torch.randperm(len(x)).split(bs): x.index_select(0, i), y.index_select(0, i)
    ratios = [(timed(lambda: [len(xb) for xb, _ in ours]), timed(gather), timed(lambda: [len(xb) for xb, _ in theirs])) for _ in range(5)]
    assert statistics.median(a/b for a, b, _ in ratios) < 1.4 and statistics.median(a/c for a, _, c in ratios) < .7

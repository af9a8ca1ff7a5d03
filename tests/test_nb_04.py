import copy, statistics
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from exp.nb_01 import timed
from exp.nb_04 import (BatchLoader, DataLoaders, Dataset, Optimizer, SGD, accuracy, cross_entropy, fit, get_dls, get_test_data,
                       log_softmax, logsumexp, nll, take, validate)


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


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    assert cross_entropy(torch.zeros(4, 10), tensor([0, 3, 9, 9])) == tensor(10.).log()


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


@pytest.mark.parametrize('settings', [{}, {'momentum': .9}, {'weight_decay': .1}, {'momentum': .5, 'weight_decay': .3}])
def test_steps_are_those_of_torchs_sgd(settings):
    ours, theirs = model(), model()
    agree(steps(ours, SGD(ours.parameters(), .3, **settings)), steps(theirs, torch.optim.SGD(theirs.parameters(), .3, **settings)))


def test_groups_have_settings_of_their_own_and_share_the_others():
    ours, theirs = model(), model()
    def groups(m): return [{'params': m[0].parameters()}, {'params': m[2].parameters(), 'lr': .01, 'momentum': 0.}]
    opt = SGD(groups(ours), .3, momentum=.9)
    agree(steps(ours, opt), steps(theirs, torch.optim.SGD(groups(theirs), .3, momentum=.9)))
    assert [group['lr'] for group in opt.param_groups] == [.3, .01]


def test_a_rate_changed_between_steps_is_used_from_then_on():
    ours, theirs = model(), model()
    opts = SGD(ours.parameters(), .3, momentum=.9), torch.optim.SGD(theirs.parameters(), .3, momentum=.9)
    steps(ours, opts[0]), steps(theirs, opts[1])
    for opt in opts: opt.param_groups[0].update(lr=.02, momentum=.5)
    agree(steps(ours, opts[0]), steps(theirs, opts[1]))


@pytest.mark.parametrize('weight_decay', [0., .1])
def test_a_step_changes_weights_in_place_and_no_gradient(weight_decay):
    p = tensor([1., 2], requires_grad=True)
    p.grad = tensor([1., -1])
    opt, same = SGD([p], .5, momentum=.9, weight_decay=weight_decay), p
    for _ in range(2): opt.step()
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


def test_a_saved_optimiser_goes_on_as_if_nothing_had_happened():
    a = model()
    opt = SGD(a.parameters(), .3, momentum=.9)
    steps(a, opt, 3)
    opt.param_groups[0]['lr'] = .1
    b, state = copy.deepcopy(a), copy.deepcopy(opt.state_dict())
    resumed = SGD(b.parameters(), .7)
    resumed.load_state_dict(state)
    agree(steps(a, opt, 3), steps(b, resumed, 3))


def test_two_optimisers_that_loaded_one_state_do_not_share_it():
    a, b = model(), model()
    steps(a, opt := SGD(a.parameters(), .3, momentum=.9), 2)
    other = SGD(b.parameters(), .3, momentum=.9)
    other.load_state_dict(opt.state_dict())
    before = copy.deepcopy(opt.state_dict()['memory'])
    steps(b, other, 2)
    agree([m['velocity'] for m in before], [m['velocity'] for m in opt.state_dict()['memory']])


def test_a_state_of_another_model_and_no_parameters_are_refused():
    with pytest.raises(ValueError, match='SGD: no parameters'): SGD([], .1)
    with pytest.raises(ValueError, match='SGD: a state of 4 parameters for 1'):
        SGD([torch.zeros(1)], .1).load_state_dict(SGD(model().parameters(), .1).state_dict())


def test_what_is_no_list_of_parameters_is_refused():
    p, q = torch.zeros(2, 3, requires_grad=True), torch.zeros(1, requires_grad=True)
    with pytest.raises(TypeError, match='SGD: a tensor, wanted a list of them'): SGD(p, .1)
    for twice in ([p, q, p], [{'params': [p]}, {'params': [q, p]}]):
        with pytest.raises(ValueError, match='SGD: a parameter is there twice'): SGD(twice, .1)
    with pytest.raises(ValueError, match=r"SGD: no setting \['momentun'\] among \['lr', 'momentum', 'weight_decay'\]"):
        SGD([{'params': [p]}, {'params': [q], 'momentun': .9}], .1)


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


def test_unequal_lengths_and_empty_data_sets_are_refused():
    with pytest.raises(ValueError, match='Dataset: 3 inputs and 2 targets'): Dataset(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match='Dataset: there are no examples'): Dataset(torch.zeros(0), torch.zeros(0))


@pytest.mark.parametrize('bs', [0, -1, 11])
def test_a_batch_size_that_does_not_fit_is_refused(bs):
    with pytest.raises(ValueError, match=f'BatchLoader: bs={bs} for a data set of 10'): BatchLoader(NUMBERS, bs)
    with pytest.raises(ValueError, match='bs=1 for a data set of 0'): BatchLoader([], 1)


@pytest.mark.parametrize('bs, drop_last', [(1, False), (3, False), (3, True), (5, True), (10, False), (10, True)])
@pytest.mark.parametrize('workers', [None, 0])
def test_ordered_batches_are_those_of_torchs_loader(bs, drop_last, workers):
    ours = BatchLoader(NUMBERS, bs, drop_last=drop_last, workers=workers)
    theirs = list(DataLoader(TensorDataset(NUMBERS.x, NUMBERS.y), bs, drop_last=drop_last))
    assert [[t.tolist() for t in batch] for batch in ours] == [[t.tolist() for t in batch] for batch in theirs]
    assert len(ours) == len(theirs)


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


def test_going_through_the_data_leaves_torchs_generator_alone():
    loader = BatchLoader(NUMBERS, 4, shuffle=True, seed=0)
    before = torch.get_rng_state()
    seen(loader)
    assert torch.equal(before, torch.get_rng_state())


def test_a_saved_loader_repeats_the_epochs_to_come():
    loader = BatchLoader(NUMBERS, 4, shuffle=True, seed=0)
    seen(loader)
    state = loader.state_dict()
    other = BatchLoader(NUMBERS, 4, shuffle=True, seed=1)
    other.load_state_dict(state)
    assert [seen(loader), seen(loader)] == [seen(other), seen(other)]


@pytest.mark.parametrize('shuffle', [False, True])
def test_whole_batches_are_asked_for_unless_items_are_wanted(shuffle):
    class Spy:
        def __len__(self): return 10
        def __getitem__(self, i): return asked.append(i) or (tensor(0), tensor(0))
    asked = []
    list(BatchLoader(Spy(), 4, shuffle=shuffle))
    assert len(asked) == 3
    asked.clear()
    list(BatchLoader(Spy(), 4, shuffle=shuffle, workers=0))
    assert sorted(asked) == list(range(10))


@pytest.mark.parametrize('kind', [list, tuple])
@pytest.mark.parametrize('bs, drop_last', [(2, False), (4, False), (4, True)])
def test_a_list_of_pairs_is_read_item_by_item(kind, bs, drop_last):
    pairs = kind(NUMBERS[i] for i in range(10))
    def batches(loader): return [[t.tolist() for t in batch] for batch in loader]
    assert batches(BatchLoader(pairs, bs, drop_last=drop_last)) == batches(DataLoader(pairs, bs, drop_last=drop_last))
    want = batches(BatchLoader(NUMBERS, bs, shuffle=True, drop_last=drop_last, seed=0))
    assert batches(BatchLoader(pairs, bs, shuffle=True, drop_last=drop_last, seed=0)) == want


def test_workers_read_the_same_batches_in_the_same_order():
    here, there = [BatchLoader(NUMBERS, 4, shuffle=True, seed=0, workers=workers) for workers in (None, 2)]
    assert seen(here) == seen(there)


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


def test_fit_for_no_epochs_changes_nothing():
    m, ds = model(), digits()
    before = copy.deepcopy(m.state_dict())
    assert fit(0, m, F.cross_entropy, SGD(m.parameters(), 1.), *get_dls(ds, ds, 8)) == []
    agree(before.values(), m.state_dict().values())


def test_the_test_set_is_the_test_file_in_the_units_of_the_training_set():
    x, y = get_test_data(.1304, .3073)
    assert x.shape == (10_000, 784) and y[:5].tolist() == [7, 2, 1, 0, 4] and y.dtype == torch.int64
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

import gc, math, threading, weakref
import numpy as np
import pytest, torch
from matplotlib.colors import to_rgba
from torch import tensor
from torch.nn import functional as F
from exp.nb_01 import timed
from exp.nb_02 import get_data, kaiming_init, normalize
from exp.nb_03 import Arithmetic, Node, Value, Var, draw_graph, gradcheck, gradients, no_grad, record, recording, topological, unbroadcast


def grads(f, *numbers):
    "The gradients of `f` of Vars, as floats."
    leaves = [Var(x, True) for x in numbers]
    f(*leaves).backward()
    return [leaf.grad.item() for leaf in leaves]


# ---- by hand; every operation against PyTorch and differences: test_gradients.py

def test_gradients_by_hand():
    assert grads(lambda a, b: (a + b) * b, 2., 3.) == [3, 8]
    assert grads(lambda a, b: a / b - a, 3., 2.) == [-.5, -.75]
    assert grads(lambda a: -a**3, 2.) == [-12]
    assert grads(lambda a: a.log() + a.relu(), 4.) == [1.25]


def test_a_value_used_many_times_gets_the_sum():
    assert grads(lambda a: a + a + a, 1.) == [3] and grads(lambda a: a * a * a, 2.) == [12]
    assert grads(lambda a: (lambda b: b * b + b)(a * 2), 3.) == [26]           # 2(2b + 1) with b = 6


def test_ties_share_the_gradient_of_the_maximum():
    v = Var([2., 5., 5.], True)
    v.max().backward()
    assert v.grad.tolist() == [0, .5, .5]
    v = Var([[1., 1., 0.], [0., 3., 3.]], True)
    v.max(1).backward(tensor([4., 6.]))
    assert v.grad.tolist() == [[2, 2, 0], [0, 3, 3]]


def test_ties_are_shared_in_the_precision_of_the_values():
    v = Var(tensor([2., 5., 5., 5.], dtype=torch.float64), True)
    (v.max() * 1e60).backward()
    assert v.grad.tolist() == [0, 1e60/3, 1e60/3, 1e60/3]


NAN, INF, FULL = math.nan, math.inf, torch.finfo(torch.float32).max
ODD = tensor([NAN, INF, -INF, 0., -0., 1., -1., 1e-30, -1e30, FULL])


@pytest.mark.parametrize('f', [torch.relu, torch.exp, torch.log, torch.tanh, lambda a: a**0, lambda a: a**2, lambda a: a**.5, lambda a: a**-1, lambda a: a**3])
@pytest.mark.parametrize('shift', range(4))
def test_odd_numbers_pass_as_in_pytorch_on_both_ways(f, shift):
    g, leaf, v = ODD.roll(shift), ODD.clone().requires_grad_(), Var(ODD, True)
    ours, theirs = getattr(v, f.__name__)() if f.__name__ != '<lambda>' else f(v), f(leaf)
    ours.backward(g), theirs.backward(g)
    torch.testing.assert_close(ours.data, theirs.detach(), equal_nan=True)
    torch.testing.assert_close(v.grad, leaf.grad, equal_nan=True)


@pytest.mark.parametrize('f', [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b])
@pytest.mark.parametrize('shift', range(len(ODD)))
def test_odd_numbers_meet_as_in_pytorch(f, shift):
    for g in (torch.ones(len(ODD)), ODD.roll(3)):
        ours, theirs = [Var(x, True) for x in (ODD, ODD.roll(shift))], [x.clone().requires_grad_() for x in (ODD, ODD.roll(shift))]
        f(*ours).backward(g), f(*theirs).backward(g)
        for a, b in zip(ours, theirs): torch.testing.assert_close(a.grad, b.grad, equal_nan=True)


def test_relu_passes_nothing_at_zero():
    v = Var([-1., 0., 2.], True)
    v.relu().sum().backward()
    assert v.grad.tolist() == [0, 0, 1]


@pytest.mark.parametrize('a, b, want', [(1e25, 1e25, (1e-25, -1e-25)), (1e-25, 1e-25, (1e25, -1e25)), (1e-30, 1e8, (1e-8, 0.)), (3e38, 1e20, (1e-20, -.03))])
def test_a_quotient_has_every_slope_that_float32_can_hold(a, b, want):
    assert grads(lambda a, b: a / b, a, b) == pytest.approx(want, rel=1e-6)
    assert grads(lambda b: tensor(a) / b, b) == pytest.approx(want[1:], rel=1e-6)


def test_a_number_is_divided_without_a_detour_over_one_by_it():
    assert (1e-30 / Var(1e-39, True)).item() == pytest.approx(1e9, rel=1e-6) and (0 / Var(1e-40)).item() == 0


def test_a_power_of_zero_is_flat_even_at_zero():
    assert grads(lambda a: a**0, 0.) == [0] and grads(lambda a: a**2, 0.) == [0] and grads(lambda a: a**1, 0.) == [1]


# ---- numbers and tensors on the other side

@pytest.mark.parametrize('f', [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b,
                               lambda a, b: b + a, lambda a, b: b - a, lambda a, b: b * a, lambda a, b: b / a])
@pytest.mark.parametrize('other', [3, .1, -2, tensor([[.5], [2.]]), tensor([1, 2, 3]), np.float32(2.5)])
def test_numbers_and_tensors_stand_on_either_side(f, other):
    x, leaf = Var([[1., 2., 4.], [3., .5, 1.]], True), tensor([[1., 2., 4.], [3., .5, 1.]], requires_grad=True)
    ours, theirs = f(x, other), f(leaf, torch.as_tensor(other))
    ours.sum().backward(), theirs.sum().backward()
    torch.testing.assert_close(ours.data, theirs.detach())
    torch.testing.assert_close(x.grad, leaf.grad)


def test_matrices_and_arrays_may_stand_on_the_left():
    x, w = torch.randn(2, 3), Var(torch.randn(3, 4), True)
    assert torch.equal((x @ w).data, x @ w.data)
    assert torch.equal((np.ones((3, 1)) - w).data, 1. - w.data)


def test_numbers_keep_the_precision_of_the_other_side():
    assert (Var(tensor(1., dtype=torch.float64)) * .1).data.item() == .1
    assert (Var(tensor([1.])) * .1).data.dtype == torch.float32
    assert Var(3).data.dtype == Var(tensor([1, 2])).data.dtype == torch.float32


def test_the_gradient_has_the_dtype_of_its_leaf():
    v = Var(tensor([1., 2.]), True)
    (v * tensor([1., 3.], dtype=torch.float64)).sum().backward()
    assert v.grad.dtype == torch.float32 and v.grad.tolist() == [1, 3]


@pytest.mark.parametrize('left', [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize('right', [torch.float16, torch.float32, torch.float64, torch.int64, torch.bool])
@pytest.mark.parametrize('shapes', [((3,), (3,)), ((), (3,)), ((2, 3), ())])
def test_types_meet_as_in_pytorch(left, right, shapes):
    a, b = torch.full(shapes[0], 3., dtype=left), torch.full(shapes[1], 16_777_217 if right is torch.int64 and left is torch.float64 else 1).to(right)
    v, leaf = Var(a, True), a.clone().requires_grad_()
    for f in (lambda a: a * b, lambda a: b + a, lambda a: a / b):
        v.grad = leaf.grad = None
        ours, theirs = f(v), f(leaf)
        ours.sum().backward(), theirs.sum().backward()
        torch.testing.assert_close(ours.data, theirs.detach())
        torch.testing.assert_close(v.grad, leaf.grad)


@pytest.mark.parametrize('f, theirs', [
    (lambda a: a.sum(0), None), (lambda a: a.sum(-1, keepdim=True), None), (lambda a: a.mean(0), None), (lambda a: a.mean(-1, True), None),
    (lambda a: a.max(0), lambda a: a.amax(0)), (lambda a: a.max(-1), lambda a: a.amax(-1)), (lambda a: a.max(), None), (lambda a: a.sum(()), None),
    (lambda a: a.t(), None), (lambda a: a.transpose(0, -1), None), (lambda a: a.reshape(1, 1), None), (lambda a: a[None], None), (lambda a: a[...], None)])
def test_a_value_without_axes_is_treated_as_pytorch_does(f, theirs):
    v, leaf = Var(3., True), tensor(3., requires_grad=True)
    ours, want = f(v), (theirs or f)(leaf)
    assert ours.shape == want.shape and ours.data.reshape(()) == 3
    ours.backward(torch.full(want.shape, 5.))
    assert v.grad.shape == () and v.grad == 5


@pytest.mark.parametrize('f, text', [(lambda a: a.sum(1), 'Dimension out of range'), (lambda a: a.mean(-2), 'Dimension out of range'), (lambda a: a.max(1), 'Dimension out of range'),
                                     (lambda a: a.transpose(0, 1), 'Dimension out of range'), (lambda a: a[0], 'invalid index of a 0-dim tensor')])
def test_an_axis_that_does_not_exist_is_named(f, text):
    with pytest.raises(IndexError, match=text): f(Var(3., True))


def test_a_cube_has_no_t():
    with pytest.raises(RuntimeError, match=r't\(\) expects a tensor with <= 2 dimensions'): Var(torch.zeros(2, 3, 4)).t()


# ---- broadcasting

@pytest.mark.parametrize('shape', [(3,), (1, 3), (5, 1), (1, 1), (1,), (), (5, 3)])
def test_unbroadcast_sums_over_what_was_repeated(shape):
    x = torch.randn(shape, requires_grad=True)
    g = torch.randn(5, 3)
    want, = torch.autograd.grad(x.expand(5, 3), x, g)
    torch.testing.assert_close(unbroadcast(g, x.shape), want)


@pytest.mark.parametrize('g, shape', [((3, 4), (4, 3)), ((), (3,)), ((3,), (1, 3)), ((2, 3), (2,))])
def test_a_rule_with_the_wrong_shape_is_refused_before_any_gradient_is_kept(g, shape):
    v, w = Var(torch.zeros(shape), True), Var(1., True)
    with pytest.raises(ValueError) as e: record('op', tensor(1.), (w, lambda g: g), (v, lambda _: torch.zeros(g))).backward()
    assert str(e.value) == f'a gradient {g} for a value {shape}' and v.grad is None and w.grad is None


# ---- what a rule needs is what was there

@pytest.mark.parametrize('f', [lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a**3 - b, lambda a, b: a.log() + b.exp(), lambda a, b: a.tanh() * b.relu(),
                               lambda a, b: a.t() @ b, lambda a, b: a.reshape(3, 2) - b.t(), lambda a, b: a.sum(1) / b.mean(1), lambda a, b: a[[1, 1]] + b[0]])
def test_another_tensor_in_data_does_not_change_the_gradient(f):
    a, b = torch.rand(2, 3) + .5, torch.rand(2, 3) + .5
    ours, theirs = [Var(a, True), Var(b, True)], [a.clone().requires_grad_(), b.clone().requires_grad_()]
    out = f(*ours)
    ours[0].data, ours[1].data = torch.zeros(5, dtype=torch.float64), torch.full((1,), 7.)
    out.backward(torch.ones(out.shape)), f(*theirs).sum().backward()
    for x, y in zip(ours, theirs): torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize('f', [lambda a, b: a * b, lambda a, b: b * a, lambda a, b: a / b, lambda a, b: b / a, lambda a, b: torch.ones(2, 2) / a, lambda a, b: a**2, lambda a, b: a.log(), lambda a, b: a.max(), lambda a, b: a @ b, lambda a, b: b @ a])
def test_a_value_that_is_needed_and_was_written_into_is_refused(f):
    a, b = Var(torch.ones(2, 2), True), Var(torch.ones(2, 2), True)
    out = f(a, b)
    a.data.add_(1)
    with pytest.raises(RuntimeError, match='a value that the way back needs was changed in place'): out.backward(torch.ones(out.shape))
    assert a.grad is None and b.grad is None


@pytest.mark.parametrize('f', [Var.exp, Var.tanh, Var.relu])
def test_a_result_that_is_needed_and_was_written_into_is_refused(f):
    v = Var([1., 2.], True)
    out = f(v)
    out.data.zero_()
    with pytest.raises(RuntimeError, match='changed in place'): out.backward(torch.ones(2))


@pytest.mark.parametrize('f, want', [(lambda a: a + 1, 1), (lambda a: 2 - a, -1), (lambda a: a * 3, 3), (lambda a: a / 4, .25), (lambda a: a.sum(), 1), (lambda a: a.mean(), .5), (lambda a: a.t(), 1), (lambda a: a[0], 1)])
def test_a_value_that_no_rule_needs_may_be_written_into(f, want):
    v = Var([1., 1.], True)
    out = f(v)
    v.data.zero_(), out.data.zero_()
    out.backward(torch.ones(out.shape))
    assert v.grad[0] == want


def test_an_index_that_changes_later_does_not_change_the_gradient():
    v, index, mask = Var([1., 2., 3.], True), tensor([0, 0]), tensor([True, False, False])
    out = v[index].sum() + v[mask].sum() + v[index, ].sum()
    index[0], mask[2] = 2, True
    out.backward()
    assert v.grad.tolist() == [5, 0, 0]


# ---- the way back

def test_gradients_add_up_until_they_are_forgotten():
    v = Var(2., True)
    for want in (3, 6):
        (v * 3).backward()
        assert v.grad.item() == want
    v.grad = None
    (v * 3).backward()
    assert v.grad.item() == 3


def test_a_gradient_that_somebody_keeps_does_not_change():
    v = Var([2., 3.], True)
    (v * 3).sum().backward()
    kept = v.grad
    (v * 4).sum().backward()
    assert kept.tolist() == [3, 3] and v.grad.tolist() == [7, 7] and v.grad is not kept


def test_gradients_of_two_leaves_do_not_share_their_numbers():
    a, b = Var([1., 2.], True), Var([1., 2.], True)
    (a + b).sum().backward()
    a.grad.add_(5)
    assert b.grad.tolist() == [1, 1]


def test_only_what_requires_a_gradient_gets_one():
    x, w = Var(torch.randn(2, 3)), Var(torch.randn(3, 1), True)
    out = (x @ w).sum()
    out.backward()
    assert x.grad is None and w.grad.shape == (3, 1) and out.grad is None
    assert not (x * 2).requires_grad and (x * 2).links == []


def test_the_gradient_of_data_is_never_computed():
    def pull(g): raise AssertionError('nobody asked for this')
    w = Var(1., True)
    record('op', tensor(1.), (Var(2.), pull), (w, lambda g: g)).backward()
    assert w.grad == 1


def test_a_result_that_is_marked_gets_its_gradient_and_passes_it_on():
    v, other = Var([2., 3.], True), Var([1., 1.])
    twice, plain = v * 2, other * 2
    twice.requires_grad = plain.requires_grad = True
    (twice * plain).sum().backward()
    assert (twice.grad.tolist(), plain.grad.tolist(), v.grad.tolist(), other.grad) == ([2, 2], [4, 6], [4, 4], None)


def test_a_root_that_is_marked_keeps_the_gradient_it_was_given():
    v = Var(2., True)
    out = v * 3
    out.requires_grad = True
    out.backward(tensor(5.))
    assert out.grad == 5 and v.grad == 15


def test_a_mark_can_be_taken_from_a_leaf_and_not_from_a_result():
    v, w = Var(2., True), Var(3., True)
    out = v * w
    with pytest.raises(RuntimeError, match='requires_grad: mul was made of what requires it'): out.requires_grad = False
    v.requires_grad = False
    out.backward()
    assert v.grad is None and w.grad == 2 and not (v * 2).requires_grad


def test_what_was_made_without_grad_is_a_leaf_that_can_be_marked():
    with no_grad(): v = Var(2., True) * 3
    assert not v.requires_grad
    v.requires_grad = True
    (v * v).backward()
    assert v.grad == 12


def test_a_chain_of_10000_operations_works_and_can_be_thrown_away():
    for back in (True, False):
        x = y = Var(1., True)
        for _ in range(10_000): y = y + 1
        assert len(topological(y)) == 10_001
        if back: y.backward()
        del y
    assert x.grad is None


def test_thirty_doublings_are_gone_through_once_each():
    x = y = Var(1., True)
    for _ in range(30): y = y + y
    assert len(topological(y)) == 31
    y.backward()
    assert x.grad == 2**30


def test_every_node_comes_after_all_its_users():
    a, b = Var(1., True), Var(2., True)
    c = a * b
    d = c + a
    order = topological(d * c + b)
    place = {id(node): i for i, node in enumerate(order)}
    assert len(place) == len(order) == 6                                       # a, b, c, d, the product, the sum
    assert all(place[id(node)] < place[id(parent)] for node in order for parent, _ in node.links)


def test_gradients_says_what_arrives_at_each_node_and_cuts_nothing():
    a, b = Var(2., True), Var(3., True)
    out = (a + b) * b
    for _ in range(2): assert [(node.op, g.item()) for node, g in gradients(out, tensor(1.))] == [('mul', 1), ('add', 3), ('leaf', 3), ('leaf', 8)]
    assert a.grad is None and b.grad is None
    out.backward()
    assert (a.grad, b.grad) == (3, 8)


@pytest.mark.parametrize('root', [lambda bad, w: bad + w, lambda bad, w: w + bad, lambda bad, w: w * 2 + bad * 3])
def test_a_rule_that_fails_leaves_every_grad_as_it_was(root):
    def fail(g): raise KeyError('no rule')
    v, w = Var(1., True), Var(2., True)
    v.grad = tensor(4.)
    with pytest.raises(KeyError): root(record('bad', tensor(1.), (v, fail)), w).backward()
    assert v.grad == 4 and w.grad is None
    (v * w).backward()
    assert v.grad == 6 and w.grad == 1


def test_one_number_in_a_row_may_leave_the_gradient_out():
    v = Var([[3.]], True)
    (v * 2).backward()
    assert v.grad.tolist() == [[2]]


@pytest.mark.parametrize('g', [5., 5, np.float32(5), np.array(5), tensor(5), tensor(5., dtype=torch.float64), Var(5.)])
def test_a_number_may_start_the_way_back_from_a_number(g):
    v = Var(2., True)
    (v * 3).backward(g)
    assert v.grad == 15 and v.grad.dtype == torch.float32


def test_a_gradient_of_its_own_starts_from_there():
    v = Var([1., 2., 3.], True)
    (v * 2).backward(tensor([1., 10., 100.]))
    assert v.grad.tolist() == [2, 20, 200]


def test_the_gradient_given_is_not_the_one_kept():
    v, g = Var([1.], True), tensor([1.])
    v.backward(g)
    g += 5
    assert v.grad.tolist() == [1]


def test_memory_is_free_after_the_way_back():
    w = Var(torch.randn(3, 3), True)
    hidden = (w @ w).tanh()
    ghost, loss = weakref.ref(hidden), hidden.sum()
    del hidden
    assert ghost() is not None
    loss.backward()
    gc.collect()
    assert ghost() is None


@pytest.mark.parametrize('leaf, held', [(lambda x: Var(x, True), (False, False)), (lambda x: x.requires_grad_(), (True, False))])
def test_the_tape_holds_every_result_and_pytorch_what_a_rule_has_saved(leaf, held):
    total = leaf(torch.ones(3)) + 1
    out = total.relu()
    ghosts, loss = [getattr(value, 'data', value).untyped_storage()._weak_ref() for value in (total, out)], (out * out).sum()
    del total, out
    assert tuple(map(torch.UntypedStorage._expired, ghosts)) == held and loss.requires_grad


def test_a_gradient_is_let_go_when_it_has_been_passed_on():
    v, seen = Var(1., True), []
    def note(g):
        seen.append(weakref.ref(new := g * 1))
        return new
    first = record('first', tensor(1.), (v, lambda g: seen.append(seen[0]()) or g))
    third = record('third', tensor(1.), (record('second', tensor(1.), (first, lambda g: g * 1)), lambda g: g * 1))
    record('root', tensor(1.), (third, note)).backward()
    assert v.grad == 1 and seen[1] is None


def test_without_grad_nothing_is_written_down_even_after_an_error():
    v = Var(1., True)
    with no_grad():
        assert not (v * 2).requires_grad and (v * 2).links == []
        with no_grad(): pass
        assert not recording.get()
    with pytest.raises(KeyError), no_grad(): raise KeyError
    assert recording.get() and (v * 2).requires_grad


def test_without_grad_is_a_matter_of_one_thread():
    v, seen, inside, done = Var(1., True), [], threading.Event(), threading.Event()
    def other():
        seen.append((v * 2).requires_grad)
        with no_grad(): inside.set(), done.wait(60)
    with no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(60) and not (v * 2).requires_grad
    seen.append((v * 2).requires_grad)
    done.set(), thread.join(60)
    assert seen == [True, True]


# ---- the seed's model

def test_the_gradients_of_the_seeds_model_are_pytorchs_to_1e_5():
    x, y, *_ = get_data()
    x, y = normalize(x[:1000], x.mean(), x.std()), y[:1000, None].float()
    torch.manual_seed(0)
    weights = [kaiming_init(784, 50), torch.zeros(50), kaiming_init(50, 1), torch.zeros(1)]
    ours, theirs = [Var(w, True) for w in (x, *weights)], [w.clone().requires_grad_() for w in (x, *weights)]
    def model(x, w1, b1, w2, b2): return (x @ w1 + b1).relu() @ w2 + b2
    loss, want = ((model(*ours) - y)**2).mean(), F.mse_loss(model(*theirs), y)
    loss.backward(), want.backward()
    torch.testing.assert_close(loss.data, want.detach(), rtol=1e-5, atol=0)
    for a, b in zip(ours, theirs): assert (a.grad - b.grad).norm() <= 1e-5 * b.grad.norm()


def test_a_small_network_learns():
    torch.manual_seed(0)
    x, losses = torch.randn(64, 2), []
    y = x[:, :1] * x[:, 1:]
    params = [Var(p, True) for p in (torch.randn(2, 16), torch.randn(16), torch.randn(16, 1) / 4, torch.zeros(1))]
    for _ in range(200):
        loss = (((x @ params[0] + params[1]).tanh() @ params[2] + params[3] - y)**2).mean()
        losses.append(loss.data.item())
        loss.backward()
        for p in params: p.data, p.grad = p.data - .1 * p.grad, None
    assert losses[-1] < .2 * losses[0]


@pytest.mark.timing
def test_on_large_batches_the_tape_costs_little():
    torch.manual_seed(0)
    x, y, w1, w2 = torch.randn(5000, 784), torch.randn(5000, 1), kaiming_init(784, 50), torch.randn(50, 1)
    def model(x, w1, w2): return (((x @ w1).relu() @ w2 - y)**2).mean()
    def ours(): model(Var(x), Var(w1, True), Var(w2, True)).backward()
    def theirs(): model(x, w1.clone().requires_grad_(), w2.clone().requires_grad_()).backward()
    assert sorted(timed(ours) / timed(theirs) for _ in range(5))[2] < 1.5


# ---- what is refused

@pytest.mark.parametrize('link', [lambda v: (v, lambda g, x: g, v), lambda v: (v, lambda g, x, n: g, v.data, 2), lambda v: (v, v.data, v.data), lambda v: (v, tensor(1.)), lambda v: v,
                                  lambda v: (v.data, lambda g: g), lambda v: [(v, lambda g: g)], lambda v: (v,), lambda v: lambda g: g, lambda v: (Var(v.data), v.data), lambda v: (Var(v.data), lambda g, x: g, v)])
def test_a_link_that_is_no_node_rule_and_tensors_is_refused_when_it_is_written_down(link):
    v = Var([1., 2.], True)
    for links in ([link(v)], [(v, lambda g: g), link(v)]):
        with pytest.raises(TypeError, match='a link is a tuple: a Node, its rule, and the tensors that the rule needs'): record('op', tensor(1.), *links)


@pytest.mark.parametrize('links, kinds', [
    (lambda v: [(v.data, lambda g: g)], "[['Tensor', 'function']]"), (lambda v: [(v, lambda g: g), (v, v.data)], "[['Var', 'function'], ['Var', 'Tensor']]"),
    (lambda v: [[(v, lambda g: g)]], "['list']"), (lambda v: (v, lambda g: g, v.data), "['Var', 'function', 'Tensor']")])
def test_what_stands_in_the_place_of_a_link_is_named(links, kinds):
    with pytest.raises(TypeError) as e: record('op', tensor(1.), *links(Var([1., 2.], True)))
    assert str(e.value).endswith('; here stand ' + kinds)



@pytest.mark.parametrize('f, text', [
    (lambda a: a + tensor([1., 2.]), 'add: shapes (2, 3) and (2,) do not fit'),
    (lambda a: tensor([1., 2.]) * a, 'mul: shapes (2, 3) and (2,) do not fit'),
    (lambda a: a - torch.zeros(3, 2), 'sub: shapes (2, 3) and (3, 2) do not fit'),
    (lambda a: a / torch.zeros(4), 'div: shapes (2, 3) and (4,) do not fit'),
    (lambda a: a @ torch.zeros(2, 3), 'matmul: shapes (2, 3) and (2, 3), wanted (n, m) and (m, k)'),
    (lambda a: a @ torch.zeros(3), 'matmul: shapes (2, 3) and (3,), wanted (n, m) and (m, k)'),
    (lambda a: torch.zeros(5, 5) @ a, 'matmul: shapes (5, 5) and (2, 3), wanted (n, m) and (m, k)')])
def test_shapes_that_do_not_fit_are_named(f, text):
    with pytest.raises(ValueError) as e: f(Var(torch.zeros(2, 3), True))
    assert str(e.value) == text


@pytest.mark.parametrize('f, text', [
    (lambda v: v**Var(2.), 'pow: the exponent is a Var, wanted a number'), (lambda v: v**tensor(2.), 'pow: the exponent is a Tensor, wanted a number'),
    (lambda v: 2**v, 'pow: the exponent is a Var, wanted a number'), (lambda v: tensor(2.)**v, 'pow: the exponent is a Var, wanted a number'),
    (torch.exp, 'exp: functions of PyTorch and NumPy take no Var; use its own methods'), (lambda v: torch.add(tensor(1.), v), 'add: functions of PyTorch and NumPy take no Var; use its own methods'),
    (F.relu, 'relu: functions of PyTorch and NumPy take no Var; use its own methods'), (lambda v: torch.stack([v, v]), 'stack: functions of PyTorch and NumPy take no Var; use its own methods'),
    (lambda v: np.dot(v, v), 'dot: functions of PyTorch and NumPy take no Var; use its own methods'), (lambda v: np.stack([v, v]), 'stack: functions of PyTorch and NumPy take no Var; use its own methods'),
    (np.average, 'average: functions of PyTorch and NumPy take no Var; use its own methods'), (np.array, 'array: a node is none; detach() gives its tensor'), (lambda v: np.array([1., v]), 'array: a node is none; detach() gives its tensor'),
    (np.exp, "operand 'Var' does not support ufuncs (__array_ufunc__=None)"), (lambda v: v + None, 'must be real number, not NoneType'), (lambda v: v * 1j, 'must be real number, not complex'),
    (Var, 'wanted real numbers of which no graph knows: detach() gives them'), (lambda v: v * tensor(1j), 'wanted real numbers of which no graph knows: detach() gives them'),
    (lambda v: v + torch.ones(1, requires_grad=True), 'wanted real numbers of which no graph knows: detach() gives them')])
def test_what_a_var_cannot_do_is_refused_in_a_sentence(f, text):
    with pytest.raises(TypeError) as e: f(Var(3., True))
    assert str(e.value) == text


@pytest.mark.parametrize('n', [2, 2., True + 1, np.int64(2), np.uint8(2), np.float32(2)])
def test_the_exponent_may_be_any_kind_of_number(n):
    v = Var([3., -4.], True)
    (v**n).sum().backward()
    assert v.grad.tolist() == [6, -8]


def test_a_var_is_true_when_its_number_is():
    assert not Var(0.) and Var(.5) and not Var([0.])
    with pytest.raises(RuntimeError, match='more than one value is ambiguous'): bool(Var([0., 1.]))


def test_results_are_of_the_class_of_their_first_parent():
    class Mine(Var): pass
    assert [type(x) for x in (Mine(1.) + 1, 1 - Mine(1.), Mine([[1.]]) @ torch.ones(1, 1), Mine([1.])[0], Arithmetic(2.)**2)] == [Mine] * 4 + [Arithmetic]
    assert type(record('op', tensor(1.))) is Node


def test_backward_from_several_numbers_wants_a_gradient_and_of_their_shape():
    v = Var(torch.zeros(2, 3), True)
    with pytest.raises(RuntimeError, match=r'shape \(2, 3\) without a gradient, wanted a scalar'): (v * 2).backward()
    with pytest.raises(ValueError, match=r'a gradient \(3,\) for a value \(2, 3\)'): (v * 2).backward(torch.ones(3))
    for shape in ((3, 2), (6,), (1, 2, 3), ()):
        with pytest.raises(ValueError, match='backward: a gradient .* for a value'): (v * 2).backward(torch.ones(shape))
    assert v.grad is None


def test_a_second_way_back_through_a_freed_graph_is_refused_before_anything_changes():
    v, w = Var(1., True), Var(2., True)
    shared = v * 3
    first, second = shared * 2, shared + w
    first.backward()
    for spent in (first, second):
        with pytest.raises(RuntimeError, match='(mul|add) has been gone through, its links are cut'): spent.backward()
    assert v.grad == 6 and w.grad is None


def test_what_is_made_of_a_spent_value_is_refused_and_not_left_out():
    v, w = Var(1., True), Var(2., True)
    shared = v * 3
    shared.backward()
    for out in (shared + w, w * shared, shared[None].sum(), -shared):
        assert out.requires_grad
        with pytest.raises(RuntimeError, match='mul has been gone through, its links are cut: compute it anew'): out.backward()
    assert w.grad is None and v.grad == 3
    with no_grad(): assert (shared + w).links == []


def test_backward_where_nothing_requires_a_gradient_is_refused():
    with pytest.raises(RuntimeError, match='nothing here requires a gradient'): (Var(1.) * 2).backward()
    with no_grad(): out = Var(1., True) * 2
    with pytest.raises(RuntimeError, match='nothing here requires a gradient'): out.backward()


# ---- gradcheck and the picture

def test_gradcheck_passes_what_is_right_and_leaves_its_inputs_alone():
    a, b = torch.randn(3, 2), torch.randn(2)
    before = a.clone()
    gradcheck(lambda a, b: (a * b).tanh().exp().sum(1), a, b)
    gradcheck(lambda a, b: a.sum(), a, b)                                      # b has no gradient, and needs none
    assert torch.equal(a, before)


@pytest.mark.parametrize('wrong', [lambda g, a: g, lambda g, a: 2 * g * a.data, lambda g, a: g * a.data.cos() * (1 + 1e-4)])
def test_gradcheck_names_the_place_of_a_wrong_gradient(wrong):
    def sin(a): return record('sin', a.data.sin(), (a, lambda g: wrong(g, a)))
    with pytest.raises(AssertionError, match=r'input 0, place \d: got .*, differences give'): gradcheck(sin, tensor([.5, 2.]))


def softmax_without_gradient(a): return record('softmax', a.data.softmax(1), (a, torch.zeros_like))


def transpose_unturned(a): return record('transpose', a.data.t(), (a, lambda g: g))


@pytest.mark.parametrize('f', [softmax_without_gradient, transpose_unturned])
def test_gradcheck_notices_what_a_plain_sum_would_hide(f):
    with pytest.raises(AssertionError, match=r'input 0, place \d: got .*, differences give'): gradcheck(f, torch.randn(3, 3))


def test_gradcheck_takes_inputs_that_are_views():
    x = torch.randn(4, 3)
    gradcheck(lambda a, b: a * b, x.t(), x[:3, :1].expand(3, 4))


def test_gradcheck_takes_numbers_empty_tensors_constants_and_every_shape_of_result():
    gradcheck(lambda a: a * a, 3.)
    gradcheck(lambda a: a * 2, torch.zeros(0, 3))
    gradcheck(lambda a: Var(1.), torch.ones(2))
    gradcheck(lambda a, b: (a @ b, a.sum(), b[None], b.max(0)), torch.randn(2, 3), torch.randn(3, 4))
    for power in (1, 2, 3, 4, 5): gradcheck(lambda a: (3 * a)**power, torch.zeros(2))
    for scale in (1e-12, 1e-6, 1e4): gradcheck(lambda a: (a * scale)**2 * scale, torch.randn(3))


@pytest.mark.parametrize('x', [1e5, -1e9, 1e12])
def test_gradcheck_passes_and_fails_large_numbers_as_small_ones(x):
    def wrong(a): return record('square', a.data**2, (a, lambda g, x: g * 2 * x * (1 + 1e-4), a.data))
    gradcheck(lambda a: a * a / 3, [x, 1.])
    gradcheck(lambda a: (a * a).log(), [x])
    with pytest.raises(AssertionError, match='input 0, place 1: got'): gradcheck(wrong, [0., x])


def test_gradcheck_looks_at_every_result_of_a_tuple():
    def wrong(a): return record('double', a.data * 2, (a, lambda g: g))
    for f in (lambda a: (wrong(a), a), lambda a: (a, a, wrong(a))):
        with pytest.raises(AssertionError, match='input 0, place 0'): gradcheck(f, torch.ones(2))


def test_gradcheck_notices_a_gradient_that_is_missing():
    def half(a, b): return record('mul', a.data * b.data, (a, lambda g: g * b.data))
    with pytest.raises(AssertionError, match='input 1, place 0: got 0, differences give'): gradcheck(half, torch.ones(2), torch.ones(2))


def rule(f, pull): return lambda a: record('op', f(a.data), *([(a, pull, a.data)] if pull else []))


@pytest.mark.parametrize('f, place', [
    (rule(torch.sum, lambda g, x: torch.ones_like(x)), 0), (rule(lambda x: x[0] * 2, lambda g, x: tensor([2., 0., 0.]).double()), 0), (rule(torch.sin, None), 0),
    (rule(torch.sin, lambda g, x: g.abs() * x.cos()), 0), (rule(torch.neg, lambda g, x: -g.abs()), 0), (rule(torch.neg, lambda g, x: -g.relu()), 0),
    (rule(torch.sin, lambda g, x: g * x.cos() * tensor([1, 1, 1.001])), 2), (rule(torch.sin, lambda g, x: g * x.cos() * tensor([1, 1.001, 1])), 1),
    (rule(torch.sin, lambda g, x: g * NAN), 0), (rule(torch.sin, lambda g, x: g * x.cos() * tensor([1, 1, NAN])), 2), (rule(torch.sin, lambda g, x: g * INF), 0),
    (rule(lambda x: x * 1e-5, lambda g, x: g * 1.001e-5), 0), (rule(lambda x: x * 1e-7, lambda g, x: g * 1.01e-7), 0), (rule(lambda x: x * 1e6, lambda g, x: g * 1.0001e6), 0)])
def test_gradcheck_finds_what_is_wrong_however_small_and_wherever_it_is(f, place):
    with pytest.raises(AssertionError, match=f'input 0, place {place}: got'): gradcheck(f, tensor([.5, 2., 1.]))


@pytest.mark.parametrize('x', [0., 709.782712893])
def test_gradcheck_fails_where_the_differences_are_no_numbers(x):
    with pytest.raises(AssertionError, match='input 0, place 0: got'): gradcheck(lambda a: a.log() if x == 0 else a.exp(), [x])


def test_a_value_wants_a_gradient_only_if_somebody_says_so_or_if_it_was_made_of_others():
    x = Value(tensor(2.))
    assert not x.requires_grad and Value(tensor(2.), True).requires_grad and x.grad is None and x.op == 'leaf' and x.links == []


def test_the_drawing_names_every_operation_and_leaf_once():
    w, b = Var(torch.ones(4, 3), True), Var(torch.ones(3), True)
    out = ((Var(torch.ones(2, 4)) @ w + b).relu() * Var(2., True)).sum()
    ax = draw_graph(out, w=w, loss=out)
    texts = [text for text in ax.texts if text.get_bbox_patch()]
    boxes = [text.get_text().split('\n') for text in texts]
    assert sorted(boxes) == sorted([['loss = sum', '60', '∂ 1'], ['mul', '(2, 3)', '|∂| 2.45'], ['leaf', '2', '∂ 30'], ['relu', '(2, 3)', '|∂| 4.9'], ['add', '(2, 3)', '|∂| 4.9'],
                                    ['leaf', '(3,)', '|∂| 6.93'], ['matmul', '(2, 3)', '|∂| 4.9'], ['w', '(4, 3)', '|∂| 13.9']])
    x = {box[0]: ax.transData.transform(text.get_position())[0] for box, text in zip(boxes, texts) if box[0] != 'leaf'}
    assert x['loss = sum'] > x['mul'] > x['relu'] > x['add'] > x['matmul'] > x['w'] and len({text.get_position() for text in texts}) == 8
    ax.figure.draw_without_rendering()
    ways = [(arrow.get_linestyle(), ax.transData.transform(arrow.get_path().vertices)[[0, 2], 0]) for arrow in ax.patches]
    assert sorted((look, start < end) for look, (start, end) in ways) == [('-', True)] * 7 + [(':', False)] * 7        # a value to the right, a slope to the left
    colours = {text.get_bbox_patch().get_facecolor() for text in texts if text.get_text().split()[0] in ('leaf', 'w')}
    places = [{text.get_position()[axis] for text in texts} for axis in (0, 1)]
    assert [ax.get_xlim(), ax.get_ylim()] == [(max(side) + .5, min(side) - .5) for side in places] and not ax.get_frame_on() and len(ax.get_xticks()) == len(ax.get_yticks()) == 0
    assert len(colours) == 1 and colours.isdisjoint(text.get_bbox_patch().get_facecolor() for text in texts if text.get_text().split()[0] not in ('leaf', 'w'))


def test_the_drawing_writes_a_share_of_one_number_beside_its_arrow_and_keeps_two_links_apart():
    v, w = Var(3., True), Var(torch.ones(2), True)
    ax = draw_graph((v * v + v * 2 + w.sum()))
    shares = sorted(text.get_text() for text in ax.texts if not text.get_bbox_patch())
    assert shares == ['1', '1', '1', '1', '2', '3', '3'] and len(ax.patches) == 2 * 8              # of w none: it is two numbers
    assert round(math.dist(*[text.get_position() for text in ax.texts if text.get_text() == '3']), 6) >= .15
    assert len({text.get_position() for text in ax.texts}) == len(ax.texts)


def test_blue_stands_for_values_and_orange_for_slopes_and_neither_for_a_box():
    def warmth(colour): return colour[0] - colour[2]                 # red less blue
    ax = draw_graph(Var(3., True) * Var(5., True))
    assert all((warmth(arrow.get_edgecolor()) > .3) == (arrow.get_linestyle() == ':') for arrow in ax.patches)
    assert all(abs(warmth(arrow.get_edgecolor())) > .3 for arrow in ax.patches)
    shares, boxes = [text for text in ax.texts if not text.get_bbox_patch()], [box for text in ax.texts if (box := text.get_bbox_patch())]
    slopes = {arrow.get_edgecolor() for arrow in ax.patches if arrow.get_linestyle() == ':'}
    assert len(shares) == 2 and {to_rgba(text.get_color()) for text in shares} == slopes
    assert len(boxes) == 3 and all(red <= green >= blue for red, green, blue, _ in (box.get_facecolor() for box in boxes))


@pytest.mark.parametrize('f', [lambda v: (v + 2) * v, lambda v: v * v * v, lambda v: (v + Var(3., True)) * (b := Var(4., True)) + b, lambda v: (w := v * 3 - v.relu()) + (w * 2 + 4).relu() * 2,
                               lambda v: (v + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1) * v,
                               lambda v: ((v * torch.ones(1000, 50) + Var(torch.ones(50), True)).relu() @ Var(torch.ones(50, 1), True) + Var(0., True) - 1).exp().mean()])
def test_no_arrow_of_the_drawing_runs_through_a_box_or_a_number(f):
    ax = draw_graph(f(Var(2., True)))
    ax.figure.draw_without_rendering()
    t = np.linspace(0, 1, 100)[:, None]
    for arrow in ax.patches:
        start, middle, end = ax.transData.transform(arrow.get_path().vertices[:3])
        points = (1 - t)**2 * start + 2 * t * (1 - t) * middle + t**2 * end
        for text in ax.texts:
            around = (text.get_bbox_patch() or text).get_window_extent()
            assert not any(around.contains(*point) for point in points), text.get_text()


@pytest.mark.parametrize('f, rows', [(lambda v: v.exp().log().tanh(), {0}), (lambda v: v.exp().log() + v, {-1, 0})])
def test_only_what_a_link_passes_makes_way(f, rows): assert {text.get_position()[1] for text in draw_graph(f(Var(2., True))).texts if text.get_bbox_patch()} == rows


def test_the_drawing_of_a_large_graph_goes_up_and_its_boxes_have_one_line():
    v = out = Var(2., True)
    for _ in range(9): out = out + 1
    ax = draw_graph(out, v=v, out=out)
    boxes = {text.get_text(): ax.transData.transform(text.get_position()) for text in ax.texts}
    (_, low), (_, high) = boxes['v   2   ∂ 1'], boxes['out = add   11   ∂ 1']
    assert low < high and ax.figure.get_figheight() > ax.figure.get_figwidth() and len({x for x, _ in boxes.values()}) == 1


def test_the_two_arrows_between_neighbours_of_a_large_graph_lie_well_apart():
    out = Var(2., True)
    for _ in range(9): out = out + 1
    ax = draw_graph(out)
    ax.figure.draw_without_rendering()
    tips = [ax.transData.transform(arrow.get_path().vertices)[2, 0] * 72 / ax.figure.dpi for arrow in ax.patches]
    assert len(tips) == 18 and all(abs(full - dotted) > 6 for full, dotted in zip(tips[::2], tips[1::2]))        # points; a head is 5 wide


def test_the_drawing_changes_nothing_and_is_refused_after_the_way_back():
    v = Var(3., True)
    out = v * v
    draw_graph(out), draw_graph(out)
    assert v.grad is None
    out.backward()
    assert v.grad == 6
    with pytest.raises(RuntimeError, match='mul has been gone through, its links are cut'): draw_graph(out)


def test_item_and_detach_give_the_number_and_the_plain_tensor():
    v = Var([2.], True)
    out = v * 3
    assert out.item() == 6. and torch.is_tensor(out.detach()) and out.detach().tolist() == [6.] and v.detach() is v.data


OPERATIONS = {'add': lambda a: a + a, 'sub': lambda a: a - a, 'mul': lambda a: a * a, 'div': lambda a: a / a, 'pow': lambda a: a**2, 'neg': lambda a: -a, 'log': Var.log,
              'exp': Var.exp, 'tanh': Var.tanh, 'relu': Var.relu, 'sum': Var.sum, 'max': Var.max, 'matmul': lambda a: a @ a, 't': Var.t, 'transpose': lambda a: a.transpose(0, 1),
              'reshape': lambda a: a.reshape(4), 'index': lambda a: a[0]}


@pytest.mark.parametrize('op', OPERATIONS)
def test_a_node_is_called_after_the_operation_that_made_it(op): assert OPERATIONS[op](Var(torch.eye(2), True)).op == op


def test_a_var_shows_its_data_and_its_operation():
    assert repr(Var([1.]) * 2) == 'Var(tensor([2.]), mul)' and Var(torch.zeros(2, 1)).shape == (2, 1)
    assert math.isnan(Var(float('nan')).data)


def test_gradients_are_ours_even_where_torch_records_nothing():
    with torch.inference_mode():
        v = Var(torch.tensor([1., 2.]), True)
        (v * v / 2).sum().backward()
        assert v.grad.tolist() == [1., 2.]

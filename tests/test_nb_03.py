import gc, math, weakref
import numpy as np
import pytest, torch
from torch import tensor
from torch.nn import functional as F
from exp.nb_01 import timed
from exp.nb_02 import get_data, kaiming_init, normalize
from exp.nb_03 import Tape, Var, draw_graph, gradcheck, no_grad, record, topological, unbroadcast


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


def test_relu_passes_nothing_at_zero():
    v = Var([-1., 0., 2.], True)
    v.relu().sum().backward()
    assert v.grad.tolist() == [0, 0, 1]


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


# ---- broadcasting

@pytest.mark.parametrize('shape', [(3,), (1, 3), (5, 1), (1, 1), (1,), (), (5, 3)])
def test_unbroadcast_sums_over_what_was_repeated(shape):
    x = torch.randn(shape, requires_grad=True)
    g = torch.randn(5, 3)
    want, = torch.autograd.grad(x.expand(5, 3), x, g)
    torch.testing.assert_close(unbroadcast(g, x.shape), want)


# ---- the way back

def test_gradients_add_up_until_they_are_forgotten():
    v = Var(2., True)
    for want in (3, 6):
        (v * 3).backward()
        assert v.grad.item() == want
    v.grad = None
    (v * 3).backward()
    assert v.grad.item() == 3


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


def test_without_grad_nothing_is_written_down_even_after_an_error():
    v = Var(1., True)
    with no_grad():
        assert not (v * 2).requires_grad and (v * 2).links == []
        with no_grad(): pass
        assert not Tape.on
    with pytest.raises(KeyError), no_grad(): raise KeyError
    assert Tape.on and (v * 2).requires_grad


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


@pytest.mark.parametrize('reduce, text', [(Var.sum, 'sum'), (Var.mean, 'sum'), (Var.max, 'max')])
@pytest.mark.parametrize('axis', [(0, 1), [0, 1]])
def test_an_axis_must_be_one_number(reduce, text, axis):
    with pytest.raises(TypeError) as e: reduce(Var(torch.zeros(2, 3), True), axis)
    assert str(e.value) == f'{text}: axis {axis}, wanted one or None'


def test_a_power_must_be_a_number():
    with pytest.raises(TypeError, match='pow: .*wanted a number'): Var(1., True)**Var(2.)


def test_backward_from_several_numbers_wants_a_gradient_and_of_their_shape():
    v = Var(torch.zeros(2, 3), True)
    with pytest.raises(RuntimeError, match=r'shape \(2, 3\) without a gradient, wanted a scalar'): (v * 2).backward()
    with pytest.raises(ValueError, match=r'a gradient \(3,\) for a value \(2, 3\)'): (v * 2).backward(torch.ones(3))
    assert v.grad is None


def test_a_second_way_back_through_a_freed_graph_is_refused_before_anything_changes():
    v, w = Var(1., True), Var(2., True)
    shared = v * 3
    first, second = shared * 2, shared + w
    first.backward()
    for spent in (first, second):
        with pytest.raises(RuntimeError, match='(mul|add) has been gone through, its links are cut'): spent.backward()
    assert v.grad == 6 and w.grad is None


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


def test_gradcheck_notices_a_gradient_that_is_missing():
    def half(a, b): return record('mul', a.data * b.data, (a, lambda g: g * b.data))
    with pytest.raises(AssertionError, match='input 1, place 0: got 0, differences give'): gradcheck(half, torch.ones(2), torch.ones(2))


def test_the_drawing_names_every_operation_and_leaf_once():
    w, b = Var(torch.randn(4, 3), True), Var(torch.randn(3), True)
    ax = draw_graph(((Var(torch.randn(2, 4)) @ w + b).relu() * Var(2., True)).sum())
    texts = {text.get_text(): text.get_position() for text in ax.texts}
    assert sorted(texts) == sorted(['sum', 'mul', 'number', 'relu', 'add', '3', 'matmul', '4×3'])
    assert texts['sum'][0] > texts['mul'][0] > texts['relu'][0] > texts['add'][0] > texts['matmul'][0] > texts['4×3'][0]
    assert len(set(texts.values())) == len(texts)


def test_item_and_detach_give_the_number_and_the_plain_tensor():
    v = Var([2.], True)
    out = v * 3
    assert out.item() == 6. and torch.is_tensor(out.detach()) and out.detach().tolist() == [6.] and v.detach() is v.data


def test_a_var_shows_its_data_and_its_operation():
    assert repr(Var([1.]) * 2) == 'Var(tensor([2.]), mul)' and Var(torch.zeros(2, 1)).shape == (2, 1)
    assert math.isnan(Var(float('nan')).data)

import math, re
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_02a import (LayerStats, fans, gain, init_layers, kaiming_normal_, kaiming_std, kaiming_uniform_, layer_stats,
                        orthogonal_, xavier_normal_, xavier_std, xavier_uniform_)

DRAWS = [(kaiming_normal_, nn.init.kaiming_normal_), (kaiming_uniform_, nn.init.kaiming_uniform_),
         (xavier_normal_, nn.init.xavier_normal_), (xavier_uniform_, nn.init.xavier_uniform_),
         (orthogonal_, nn.init.orthogonal_)]
SHAPES = [(1, 1), (7, 3), (3, 7), (5, 5), (4, 1), (1, 4), (4, 3, 2), (6, 2, 3, 1), (2, 3, 4, 5, 2)]
each_draw = pytest.mark.parametrize('draw', [ours for ours, _ in DRAWS], ids=lambda f: f.__name__)
each_pair = pytest.mark.parametrize('ours, theirs', DRAWS, ids=lambda f: f.__name__)
each_shape = pytest.mark.parametrize('shape', SHAPES, ids=str)


def same_numbers(ours, theirs, shape, dtype=torch.float32, **settings):
    "Asserts that both fill a tensor with the same bits from the same state of the global generator, and leave it in the same."
    results, states = [], []
    for f in (ours, theirs):
        torch.manual_seed(3)
        results.append(f(torch.full(shape, 7., dtype=dtype), **settings))
        states.append(torch.get_rng_state())
    assert torch.equal(*results) and torch.equal(*states) and results[0].dtype == dtype


# ---- gains

@pytest.mark.parametrize('a', [-1, 0, .01, .2, 1, 3.])
def test_the_gains_are_pytorchs(a):
    for name in ('linear', 'relu', 'tanh'): assert gain(name) == nn.init.calculate_gain(name)
    assert gain('leaky_relu', a) == nn.init.calculate_gain('leaky_relu', a)


def test_the_gain_of_a_leaky_relu_has_pytorchs_slope_unless_another_is_given():
    assert gain('leaky_relu') == nn.init.calculate_gain('leaky_relu') == gain('leaky_relu', .01)


def test_gains_by_hand():
    assert gain('relu')**2 == pytest.approx(2) and gain('linear') == 1 and gain('tanh') == 5/3
    assert gain('leaky_relu', math.sqrt(5))**2 == pytest.approx(1/3) and gain('leaky_relu', -1) == 1
    assert gain('relu', 3) == gain('relu') and gain('linear', 3) == 1          # they have no slope to choose


@pytest.mark.parametrize('a', [-1, 0, .3, 1, 2])
def test_the_gain_makes_up_for_what_a_leaky_relu_takes_from_the_mean_square(a):
    z = torch.linspace(-3, 3, 1001, dtype=torch.float64)                       # symmetric about 0
    assert F.leaky_relu(gain('leaky_relu', a) * z, a).pow(2).mean().item() == pytest.approx(z.pow(2).mean().item())


def test_an_unknown_nonlinearity_is_refused():
    with pytest.raises(ValueError, match=r"^gain: 'swish' is none of \['linear', 'tanh', 'relu', 'leaky_relu'\]$"): gain('swish')


# ---- fans

@pytest.mark.parametrize('shape, want', [((2, 3), (3, 2)), ((1, 1), (1, 1)), ((4, 2, 5), (10, 20)), ((5, 3, 3, 3), (27, 45)),
                                         ((6, 1, 2, 3, 4), (24, 144)), ((1, 7, 1, 1), (7, 1))])
def test_fans_by_hand_and_as_pytorch_counts_them(shape, want):
    assert fans(torch.empty(shape)) == want == nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


@pytest.mark.parametrize('layer, m', [(nn.Linear(4, 3), ()), (nn.Conv1d(2, 5, 3), (7,)), (nn.Conv2d(3, 2, (2, 3)), (5, 7)),
                                      (nn.Conv3d(2, 3, (1, 2, 3)), (3, 5, 7))])
def test_fans_are_the_products_in_an_output_and_the_outputs_in_which_an_input_appears(layer, m):
    nn.init.ones_(layer.weight), nn.init.zeros_(layer.bias)
    x = torch.ones(1, layer.weight.shape[1], *m, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert (y.max(), x.grad.max()) == fans(layer.weight)


@pytest.mark.parametrize('shape', [(), (3,), (0, 3), (3, 0), (2, 3, 0)])
def test_what_is_no_weight_has_no_fans(shape):
    for f in (fans, kaiming_std, xavier_std, *[draw for draw, _ in DRAWS]):
        with pytest.raises(ValueError, match=re.escape(f'fans: a weight is (out, in) or (out, in, kh, kw), none of them 0, not {shape}') + '$'): f(torch.zeros(shape))


# ---- spreads

def test_kaimings_spread_by_hand():
    w = torch.empty(50, 8, 5, 5)
    assert kaiming_std(w) == kaiming_std(w, mode='fan_in') == pytest.approx(math.sqrt(2/200))
    assert kaiming_std(w, mode='fan_out') == pytest.approx(math.sqrt(2/1250))
    assert kaiming_std(w, a=1) == pytest.approx(1/math.sqrt(200)) and kaiming_std(w, a=3) == pytest.approx(1/math.sqrt(1000))


def test_glorots_spread_by_hand():
    assert xavier_std(torch.empty(5, 3)) == .5 and xavier_std(torch.empty(5, 3), gain=3.) == 1.5
    assert xavier_std(torch.empty(1, 1)) == 1 and xavier_std(torch.empty(2, 6, 2, 2)) == .25


@pytest.mark.parametrize('f', [kaiming_std, kaiming_normal_, kaiming_uniform_])
def test_an_unknown_mode_is_refused(f):
    with pytest.raises(ValueError, match="^kaiming_std: mode 'fan' is neither 'fan_in' nor 'fan_out'$"): f(torch.ones(2, 3), mode='fan')


# ---- draws

@each_pair
@each_shape
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_numbers_are_pytorchs_to_the_last_bit(ours, theirs, shape, dtype):
    if ours is not orthogonal_ or dtype.itemsize > 2: return same_numbers(ours, theirs, shape, dtype)
    for f in (ours, theirs):
        with pytest.raises(RuntimeError): f(torch.zeros(shape, dtype=dtype))    # PyTorch has no qr for 16 bits


@pytest.mark.parametrize('ours, theirs', DRAWS[:2], ids=lambda f: f.__name__)
@pytest.mark.parametrize('settings', [{'a': .3}, {'mode': 'fan_out'}, {'a': math.sqrt(5), 'mode': 'fan_in'}, {'a': 1, 'mode': 'fan_out'}])
@each_shape
def test_kaimings_settings_do_what_pytorchs_do(ours, theirs, shape, settings): same_numbers(ours, theirs, shape, **settings)


@pytest.mark.parametrize('ours, theirs', DRAWS[2:], ids=lambda f: f.__name__)
@pytest.mark.parametrize('size', [0., .5, 5/3])
@each_shape
def test_gains_do_what_pytorchs_do(ours, theirs, shape, size): same_numbers(ours, theirs, shape, gain=size)


@each_draw
def test_a_draw_fills_and_returns_the_tensor_it_is_given(draw):
    w = torch.zeros(3, 5)
    assert draw(w) is w and (w != 0).all()


@each_draw
def test_a_parameter_can_be_filled_and_keeps_no_record_of_it(draw):
    w = nn.Parameter(torch.zeros(3, 5))
    draw(w)
    assert w.requires_grad and w.grad_fn is None and (w != 0).all()


@each_pair
def test_a_generator_alone_decides_the_numbers_and_the_global_one_is_left_alone(ours, theirs):
    before = torch.get_rng_state()
    a, b, c = [ours(torch.empty(4, 6), generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    assert torch.equal(a, b) and not torch.equal(a, c) and torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(a, theirs(torch.empty(4, 6)))


@each_draw
def test_two_draws_differ(draw): assert not torch.equal(draw(torch.empty(4, 6)), draw(torch.empty(4, 6)))


@pytest.mark.parametrize('draw, fourth', [(kaiming_normal_, 3), (xavier_normal_, 3), (kaiming_uniform_, 1.8), (xavier_uniform_, 1.8)])
def test_numbers_have_the_mean_spread_and_fourth_moment_of_their_distribution(draw, fourth):
    torch.manual_seed(0)
    w = draw(torch.empty(300, 400)).double()
    std = kaiming_std(w) if 'kaiming' in draw.__name__ else xavier_std(w)
    assert abs(w.mean()) < .02 * std and abs(w.std() / std - 1) < .01
    assert abs(w.div(std).pow(4).mean() - fourth) < .1


@pytest.mark.parametrize('a', [0., .5])
@pytest.mark.parametrize('draw', [kaiming_normal_, kaiming_uniform_])
def test_kaimings_weights_keep_activations_and_gradients_through_ten_layers(draw, a):
    torch.manual_seed(0)
    x = torch.randn(100, 200, requires_grad=True)
    y = x
    for _ in range(10): y = F.leaky_relu(F.linear(y, draw(torch.empty(200, 200), a)), a)
    y.backward(torch.randn(100, 200))
    assert .5 < y.pow(2).mean() < 2 and .5 < x.grad.pow(2).mean() < 2


# ---- orthogonal weights

@each_shape
@pytest.mark.parametrize('size', [1., .5])
def test_the_shorter_side_of_an_orthogonal_weight_is_perpendicular_and_of_the_gains_length(shape, size):
    w = orthogonal_(torch.empty(shape, dtype=torch.float64), size).flatten(1)
    gram = w @ w.t() if w.shape[0] <= w.shape[1] else w.t() @ w
    torch.testing.assert_close(gram, size**2 * torch.eye(min(w.shape), dtype=torch.float64))


def test_square_orthogonal_weights_keep_lengths_and_angles_through_a_hundred_layers():
    torch.manual_seed(0)
    x = torch.randn(5, 20, dtype=torch.float64)
    y = x
    for _ in range(100): y = y @ orthogonal_(torch.empty(20, 20, dtype=torch.float64)).t()
    torch.testing.assert_close(y @ y.t(), x @ x.t())


@pytest.mark.parametrize('shape', [(2, 2), (3, 3), (4, 2), (2, 4)])
def test_an_orthogonal_draw_favours_no_sign(shape):
    torch.manual_seed(0)
    signs = torch.stack([orthogonal_(torch.empty(shape)).sign() for _ in range(400)])
    assert signs.mean(0).abs().max() < .2                                      # four standard deviations of 1/20


def test_square_orthogonal_draws_are_rotations_and_reflections_alike():
    torch.manual_seed(0)
    turns = sum(orthogonal_(torch.empty(3, 3)).det() > 0 for _ in range(400))
    assert 160 < turns < 240


def test_the_order_of_a_weight_in_memory_does_not_matter_to_an_orthogonal_draw():
    w = torch.empty(4, 2, 3, 3)
    weights = [w, w.to(memory_format=torch.channels_last), torch.empty(3, 3, 2, 4).permute(3, 2, 0, 1)]
    draws = [orthogonal_(w, generator=torch.Generator().manual_seed(1)) for w in weights]
    assert all(torch.equal(w, draws[0]) for w in draws)


# ---- statistics by layer

def halves():
    "A layer with weight 2 and bias -1, and a relu; their outputs for 1 and 0 are 1, -1 and 1, 0."
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 2.), nn.init.constant_(layer.bias, -1.)
    return [layer, nn.ReLU()]


def network():
    "Five layers, inputs, and a gradient of the output."
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(18, 4), nn.Tanh())
    return net, torch.randn(3, 1, 5, 5), torch.randn(3, 4)


def test_statistics_by_hand():
    rows = layer_stats(halves(), tensor([[1.], [0.]]))
    assert rows == [LayerStats('Linear', 0., 1., 0., math.sqrt(.5)), LayerStats('ReLU', .5, .5, .5, 1.)]
    assert [row.rms for row in rows] == [1, math.sqrt(.5)]
    assert layer_stats(halves(), tensor([[1.], [0.]]), tensor([[3.], [5.]]))[0].grad == math.sqrt(4.5)


def test_statistics_are_those_of_each_layers_output():
    net, x, _ = network()
    for row, layer in zip(layer_stats(net, x), net, strict=True):
        x = layer(x).detach()
        assert row.layer == type(layer).__name__ and row.zeros == pytest.approx((x == 0).float().mean().item())
        assert (row.mean, row.std) == pytest.approx((x.mean().item(), x.std(correction=0).item()), rel=1e-5)
        assert row.rms == pytest.approx(x.pow(2).mean().sqrt().item(), rel=1e-5)


@pytest.mark.parametrize('given', [True, False])
def test_gradients_by_layer_are_autograds(given):
    net, x, g = network()
    rows, outs = layer_stats(net, x, g if given else None), [x]
    for layer in net:
        outs.append(layer(outs[-1]))
        outs[-1].retain_grad()
    (outs[-1] * g if given else outs[-1]).sum().backward()
    assert [row.grad for row in rows] == pytest.approx([out.grad.pow(2).mean().sqrt().item() for out in outs[1:]], rel=1e-5)


def test_statistics_leave_the_input_the_parameters_and_their_gradients_as_they_are():
    net, x, g = network()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    before = [t.detach().clone() for t in (x, g, *net.parameters())]
    layer_stats(net, x, g)
    assert all(map(torch.equal, before, (x, g, *net.parameters()))) and not x.requires_grad and x.grad is None
    assert (net[0].weight.grad == 1).all() and net[0].bias.grad is None and net[3].weight.grad is None


def test_an_input_that_wants_a_gradient_gets_none():
    x = torch.ones(1, 1, requires_grad=True)
    layer_stats(halves(), x)
    assert x.grad is None


def test_layers_that_work_in_place_have_the_same_statistics_and_leave_the_input_alone():
    x = tensor([[1.], [0.], [-1.]])
    linear = halves()[0]
    nets = [[nn.ReLU(inplace), linear, nn.LeakyReLU(.1, inplace), nn.Flatten(), nn.ReLU(inplace)] for inplace in (False, True)]
    assert layer_stats(nets[0], x) == layer_stats(nets[1], x) and x.tolist() == [[1], [0], [-1]]


def test_a_list_and_a_sequential_have_the_same_statistics():
    assert layer_stats(halves(), torch.ones(2, 1)) == layer_stats(nn.Sequential(*halves()), torch.ones(2, 1))


def test_the_gradient_of_a_layer_is_that_of_its_output_and_not_of_its_input():
    rows = layer_stats([nn.Sigmoid(), nn.Sigmoid()], torch.zeros(1))
    assert rows[0].grad == pytest.approx(rows[1].mean * (1 - rows[1].mean)) and rows[1].grad == 1


@pytest.mark.parametrize('mode', [True, False])
def test_the_mode_of_autograd_does_not_matter_to_statistics_and_stays(mode):
    net, x, g = network()
    want = layer_stats(net, x, g)
    with torch.set_grad_enabled(mode):
        assert layer_stats(net, x, g) == want and torch.is_grad_enabled() == mode


@pytest.mark.parametrize('size', [1e30, 1e-30])
def test_squares_that_float32_cannot_hold_are_no_harm(size):
    row, = layer_stats([nn.Identity()], torch.full((2, 3), size), torch.full((2, 3), size))
    assert (row.rms, row.grad, row.std) == (pytest.approx(size), pytest.approx(size), 0)


def test_a_signal_that_has_exploded_is_reported_and_not_refused():
    row, = layer_stats([nn.Identity()], tensor([float('inf'), 1.]))
    assert row.rms == math.inf


@pytest.mark.parametrize('layers', [[], nn.Sequential()], ids=['list', 'Sequential'])
def test_no_layers_have_no_statistics(layers):
    with pytest.raises(ValueError, match='^layer_stats: there are no layers$'): layer_stats(layers, torch.ones(1))


# ---- whole models

class Nested(nn.Module):
    "A layer of every kind that is filled, some of them deep inside, and one of several kinds that are not."
    def __init__(self):
        super().__init__()
        self.body = nn.ModuleDict({'a': nn.Sequential(nn.Conv1d(2, 3, 2), nn.Sequential(nn.Conv2d(1, 2, (3, 1), bias=False)))})
        self.others = nn.ModuleList([nn.BatchNorm1d(3), nn.LayerNorm(4), nn.Embedding(3, 2), nn.ConvTranspose2d(2, 3, 2), nn.GRU(2, 3)])
        self.head, self.last = nn.Linear(4, 5), nn.Conv3d(2, 1, 2)

    def filled(self): return [self.body['a'][0], self.body['a'][1][0], self.head, self.last]


@pytest.mark.parametrize('func, settings', [(kaiming_normal_, {}), (kaiming_uniform_, {'mode': 'fan_out', 'a': .2}),
                                            (orthogonal_, {'gain': 2.}), (nn.init.xavier_uniform_, {'gain': 3.})],
                         ids=['normal', 'uniform', 'orthogonal', 'from PyTorch'])
def test_the_weights_of_a_model_are_drawn_one_after_the_other(func, settings):
    model = Nested()
    torch.manual_seed(1)
    assert init_layers(model, func, **settings) is model
    torch.manual_seed(1)
    for layer in model.filled(): assert torch.equal(layer.weight, func(torch.empty(layer.weight.shape), **settings))


def test_the_default_is_kaimings_normal_draw_forward():
    layer = nn.Linear(7, 3)
    torch.manual_seed(1)
    init_layers(layer)
    torch.manual_seed(1)
    assert torch.equal(layer.weight, nn.init.kaiming_normal_(torch.empty(3, 7), mode='fan_in', nonlinearity='relu'))


def test_biases_become_0_and_a_layer_without_one_stays_so():
    layers = init_layers(Nested()).filled()
    assert [None if layer.bias is None else layer.bias.tolist() for layer in layers] == [[0]*3, None, [0]*5, [0]]


def test_layers_of_other_kinds_keep_their_numbers():
    model = Nested()
    before = {name: p.detach().clone() for name, p in model.others.state_dict().items()}
    init_layers(model)
    after = model.others.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_a_generator_starts_a_model_and_leaves_the_global_one_alone():
    models, before = [Nested() for _ in range(2)], torch.get_rng_state()
    for model in models: init_layers(model, generator=torch.Generator().manual_seed(2))
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(*[model.filled() for model in models], strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_that_stands_twice_in_a_model_is_drawn_once():
    layer, drawn = nn.Linear(2, 2), []
    init_layers(nn.Sequential(layer, nn.ReLU(), layer), drawn.append)
    assert len(drawn) == 1 and drawn[0] is layer.weight


@pytest.mark.parametrize('mode', [True, False])
def test_the_mode_of_autograd_stays_and_parameters_go_on_learning(mode):
    with torch.set_grad_enabled(mode):
        model = init_layers(Nested())
        for draw, _ in DRAWS: draw(model.head.weight)
        assert torch.is_grad_enabled() == mode
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())


@pytest.mark.parametrize('model', [nn.ReLU(), nn.Sequential(nn.Flatten(), nn.ConvTranspose2d(1, 1, 1))])
def test_a_model_without_such_layers_is_refused(model):
    with pytest.raises(ValueError, match=f'^init_layers: {type(model).__name__} has no linear or convolutional layer$'): init_layers(model)

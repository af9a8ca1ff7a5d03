import copy, functools, math, pickle, warnings
import pytest, torch
from torch import nn, tensor
from exp.nb_08 import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Standardise, check_kind, conv_norm, lsuv_, standardise

close = torch.testing.assert_close


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed + sum(shape)))


def pair(ours, theirs, dtype=torch.float64, seed=1):
    "Both layers with the same numbers, none of them 1 or 0."
    for p in ours.parameters(): p.data = randn(*p.shape, seed=seed) + .5
    theirs.load_state_dict(ours.state_dict())
    return ours.to(dtype), theirs.to(dtype)


def shifted(*shape, dtype=torch.float64, seed=0):
    "Numbers with another mean and spread in each channel and each example."
    x = randn(*shape, dtype=torch.float64, seed=seed)
    return (x * (1 + randn(*shape[:2], *[1]*(len(shape) - 2), seed=1).abs()) + 3*randn(*shape[:2], *[1]*(len(shape) - 2), seed=2)).to(dtype)


def batch_of(d): return {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[d]
def instance_of(d): return {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[d]


LAYERS = [(BatchNorm, batch_of(1), (3,), {}, (4, 3)), (BatchNorm, batch_of(1), (3,), {}, (4, 3, 5)), (BatchNorm, batch_of(2), (3,), {}, (2, 3, 5, 4)), (BatchNorm, batch_of(3), (2,), {}, (2, 2, 3, 1, 4)),
          (BatchNorm, batch_of(2), (3,), dict(eps=.1, affine=False), (2, 3, 5, 4)), (BatchNorm, batch_of(2), (3,), dict(momentum=.3, bias=False), (2, 3, 5, 4)), (BatchNorm, batch_of(2), (1,), dict(track_running_stats=False), (1, 1, 1, 2)),
          (BatchNorm, batch_of(1), (2,), dict(momentum=None), (5, 2)), (BatchNorm, batch_of(2), (2,), dict(momentum=0.), (1, 2, 3, 2)),
          (InstanceNorm, instance_of(1), (3,), {}, (2, 3, 5)), (InstanceNorm, instance_of(2), (3,), dict(affine=True), (2, 3, 5, 4)), (InstanceNorm, instance_of(3), (2,), dict(affine=True, track_running_stats=True), (2, 2, 3, 1, 4)),
          (InstanceNorm, instance_of(2), (3,), dict(eps=.1, momentum=.3, track_running_stats=True), (3, 3, 1, 4)), (InstanceNorm, instance_of(2), (3,), dict(affine=True, bias=False), (1, 3, 2, 1)),
          (GroupNorm, nn.GroupNorm, (2, 6), {}, (3, 6, 5, 4)), (GroupNorm, nn.GroupNorm, (1, 3), dict(eps=.1), (2, 3, 4)), (GroupNorm, nn.GroupNorm, (3, 3), dict(affine=False), (2, 3, 2, 3)), (GroupNorm, nn.GroupNorm, (2, 6), dict(bias=False), (1, 6)),
          (GroupNorm, nn.GroupNorm, (3, 3), {}, (2, 3)), (LayerNorm, nn.LayerNorm, (5,), {}, (3, 5)), (LayerNorm, nn.LayerNorm, ((4, 5),), dict(eps=.1), (2, 3, 4, 5)), (LayerNorm, nn.LayerNorm, ([5],), dict(bias=False), (2, 3, 5)),
          (LayerNorm, nn.LayerNorm, (5,), dict(elementwise_affine=False), (5,)), (LayerNorm, nn.LayerNorm, (1,), {}, (3, 1)), (LayerNorm, nn.LayerNorm, ((2, 1, 3),), {}, (4, 2, 1, 3)),
          (RMSNorm, nn.RMSNorm, (5,), {}, (3, 5)), (RMSNorm, nn.RMSNorm, ((4, 5),), dict(eps=.1), (2, 4, 5)), (RMSNorm, nn.RMSNorm, (5,), dict(elementwise_affine=False), (1, 5)), (RMSNorm, nn.RMSNorm, (1,), {}, (3, 1))]
each_layer = pytest.mark.parametrize('ours, theirs, args, settings, shape', LAYERS)
MIXED = [torch.float32, torch.float64, torch.bfloat16]


def run(layer, x, g, steps=3):
    "Output and gradients of the last of `steps` batches."
    for k in range(steps):
        leaf = (x + k).detach().requires_grad_()
        y = layer(leaf)
        grads = torch.autograd.grad(y, [leaf, *layer.parameters()], g)
    return y, *grads


@pytest.mark.parametrize('dtype', MIXED)
@each_layer
def test_value_and_gradients_in_training_and_after_it_are_pytorchs(ours, theirs, args, settings, shape, dtype):
    mine, yours = pair(ours(*args, **settings), theirs(*args, **settings), dtype)
    x, g = shifted(*shape, dtype=dtype), randn(*shape, dtype=dtype, seed=3)
    tolerance = dict(rtol=.05, atol=.1) if dtype == torch.bfloat16 else dict(rtol=1e-4, atol=1e-4) if dtype == torch.float32 else {}
    for training in (True, False):
        for layer in (mine, yours): layer.train(training)
        for got, want in zip(run(mine, x, g), run(yours, x, g), strict=True): close(got, want, **tolerance)
        for (name, got), (same, want) in zip(mine.state_dict().items(), yours.state_dict().items(), strict=True):
            assert name == same
            close(got, want, **tolerance)


@each_layer
def test_state_goes_both_ways(ours, theirs, args, settings, shape):
    mine, yours = pair(ours(*args, **settings), theirs(*args, **settings))
    run(mine, shifted(*shape), randn(*shape))
    run(yours, shifted(*shape, seed=5), randn(*shape))
    fresh, back = ours(*args, **settings).double(), theirs(*args, **settings).double()
    assert list(mine.state_dict()) == list(yours.state_dict())
    assert str(fresh.load_state_dict(yours.state_dict())) == str(back.load_state_dict(mine.state_dict())) == '<All keys matched successfully>'
    x = shifted(*shape, seed=7)
    for one, other in ((fresh, yours), (back, mine)): close(one.eval()(x), other.eval()(x))


@each_layer
def test_a_new_layer_scales_by_one_shifts_by_nothing_and_has_the_parameters_of_pytorchs(ours, theirs, args, settings, shape):
    mine, yours = ours(*args, **settings), theirs(*args, **settings)
    for (name, got), (same, want) in zip(mine.state_dict().items(), yours.state_dict().items(), strict=True):
        assert name == same and got.dtype == want.dtype and torch.equal(got, want)
    assert mine.eps == yours.eps and [name for name, _ in mine.named_parameters()] == [name for name, _ in yours.named_parameters()]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@each_layer
def test_halves_go_through_a_layer_of_float32(ours, theirs, args, settings, shape, dtype):
    mine, yours = pair(ours(*args, **settings), theirs(*args, **settings), torch.float32)
    x, g = shifted(*shape, dtype=dtype), randn(*shape, dtype=dtype, seed=3)
    with warnings.catch_warnings(action='ignore'): wants = run(yours, x, g)
    for got, want in zip(run(mine, x, g), wants, strict=True):
        assert got.dtype == want.dtype
        close(got, want, rtol=.02, atol=.05)
    for got, want in zip(mine.buffers(), yours.buffers(), strict=True): close(got, want, rtol=1e-2, atol=1e-2)


@each_layer
def test_first_and_second_gradients_are_those_of_finite_differences(ours, theirs, args, settings, shape):
    layer, _ = pair(ours(*args, **settings), theirs(*args, **settings))
    names = [name for name, _ in layer.named_parameters()]
    def f(x, *params): return torch.func.functional_call(layer, dict(zip(names, params)), x)
    layer.momentum = 0.
    inputs = [shifted(*shape).requires_grad_(), *(p.detach().requires_grad_() for p in layer.parameters())]
    assert torch.autograd.gradcheck(f, inputs, atol=1e-4, fast_mode=True) and torch.autograd.gradgradcheck(f, inputs, atol=1e-4, fast_mode=True)


@each_layer
def test_a_constant_input_gives_the_bias_and_no_nan(ours, theirs, args, settings, shape):
    mine, yours = pair(ours(*args, **settings), theirs(*args, **settings), torch.float32)
    for value in (0., 7., -1e4):
        x, g = torch.full(shape, value), randn(*shape, dtype=torch.float32)
        for got, want in zip(run(mine, x, g, 1), run(yours, x, g, 1)):
            assert got.isfinite().all()
            if value == 0: close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('ours', [lambda: BatchNorm(4), lambda: InstanceNorm(4), lambda: GroupNorm(2, 4), lambda: LayerNorm((4, 5)), lambda: LayerNorm(5)])
def test_a_mean_that_is_large_beside_the_spread_does_no_harm(ours):
    x = randn(3, 4, 5)
    close(ours()((x + 1000).float()), ours()(x.float()), rtol=1e-3, atol=1e-3)


@each_layer
def test_a_layer_can_be_copied_and_pickled_and_its_settings_come_along(ours, theirs, args, settings, shape):
    layer, _ = pair(ours(*args, **settings), theirs(*args, **settings))
    run(layer, shifted(*shape), randn(*shape))
    x = shifted(*shape, seed=4)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        close(other.eval()(x), layer.eval()(x))
        assert all(a is not b for a, b in zip(other.parameters(), layer.parameters()))


@pytest.mark.parametrize('change', [lambda x: x.transpose(2, 3), lambda x: x[:, :, ::2, 1:], lambda x: x.to(memory_format=torch.channels_last), lambda x: x[:1].expand(3, -1, -1, -1), lambda x: x.flip(1)])
@pytest.mark.parametrize('ours, theirs', [(BatchNorm(6), nn.BatchNorm2d(6)), (InstanceNorm(6), nn.InstanceNorm2d(6)), (GroupNorm(3, 6), nn.GroupNorm(3, 6))])
def test_pictures_may_lie_in_memory_as_they_like(ours, theirs, change):
    ours, theirs = pair(ours, theirs)
    x = change(shifted(3, 6, 8, 7)).detach()
    kept, g = x.clone(), change(randn(3, 6, 8, 7, seed=2))
    for got, want in zip(run(ours, x, g, 1), run(theirs, x, g, 1)): close(got, want)
    assert torch.equal(x, kept)


def test_inputs_and_gradients_from_above_are_not_changed():
    x, g, w, b = shifted(2, 3, 1, 4).requires_grad_(), randn(2, 3, 1, 4), randn(3, 1, 1).requires_grad_(), randn(3, 1, 1).requires_grad_()
    before = [t.detach().clone() for t in (x, g, w, b)]
    y = Standardise.apply(x, w, b, (0, 2, 3), 1e-5, True)[0]
    first, second = [torch.autograd.grad(y, (x, w, b), g, retain_graph=True) for _ in range(2)]
    assert all(map(torch.equal, first, second)) and all(map(torch.equal, before, [t.detach() for t in (x, g, w, b)]))


@each_layer
def test_an_empty_batch_is_no_error_and_moves_no_statistics(ours, theirs, args, settings, shape):
    mine, yours = pair(ours(*args, **settings), theirs(*args, **settings))
    empty = torch.zeros(0, *(shape if len(shape) == 1 else shape[1:]), dtype=torch.float64)
    with warnings.catch_warnings(action='error'): y, *grads = run(mine, empty, empty, 1)
    assert y.shape == empty.shape and not any(grad.any() for grad in grads)
    if ours is InstanceNorm: return                                               # PyTorch's fails here, or remembers NaN
    yours(empty)
    for got, want in zip(mine.buffers(), yours.buffers(), strict=True): close(got, want)


def test_instance_norm_remembers_nothing_of_an_empty_batch():
    norm = InstanceNorm(3, track_running_stats=True)
    norm(torch.zeros(0, 3, 4))
    assert norm.running_mean.tolist() == [0, 0, 0] and norm.running_var.tolist() == [1, 1, 1] and norm.num_batches_tracked == 0


def test_the_eps_of_rms_norm_is_that_of_the_type_it_computes_in():
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        x = torch.full((1, 4), 1e-4, dtype=dtype)
        close(RMSNorm(4).to(dtype)(x), nn.RMSNorm(4).to(dtype)(x))
        assert abs(RMSNorm(4)(x)[0, 0].item() - 1 / math.sqrt(1 + 2**-23 / 1e-8)) < .01


# ---- what is refused

REFUSED = [(BatchNorm(3), nn.BatchNorm2d(3), (2, 4, 5, 5), r'\(2, 4, 5, 5\), wanted 3 channels'), (BatchNorm(3), nn.BatchNorm1d(3), (3,), r'\(3,\), wanted 2 to 5 axes'),
           (BatchNorm(3), nn.BatchNorm3d(3), (2, 3, 1, 1, 1, 2), 'wanted 2 to 5 axes'), (BatchNorm(3), nn.BatchNorm1d(3), (1, 3), r'one value per channel in x \(1, 3\)'),
           (BatchNorm(3), nn.BatchNorm2d(3), (1, 3, 1, 1), 'one value per channel'), (BatchNorm(3, track_running_stats=False).eval(), nn.BatchNorm1d(3, track_running_stats=False).eval(), (1, 3), 'one value per channel'),
           (InstanceNorm(3), nn.InstanceNorm2d(3), (2, 3, 1, 1), 'one value per channel'), (InstanceNorm(3, affine=True), nn.InstanceNorm1d(3, affine=True), (2, 4, 5), 'InstanceNorm: x .2, 4, 5., wanted 3 channels'), (InstanceNorm(3), nn.InstanceNorm2d(3), (3, 4), 'wanted 3 to 5 axes'),
           (GroupNorm(2, 4), nn.GroupNorm(2, 4), (2, 6, 5), r'\(2, 6, 5\), wanted \(N, 4'), (GroupNorm(2, 4), nn.GroupNorm(2, 4), (4,), 'wanted .N, 4'), (GroupNorm(3, 3), nn.GroupNorm(3, 3), (1, 3, 1), 'one value per group in x .1, 3, 1.'),
           (LayerNorm(5), nn.LayerNorm(5), (2, 4), r'LayerNorm: x \(2, 4\), wanted its last axes to be \(5,\)'), (LayerNorm((4, 5)), nn.LayerNorm((4, 5)), (5,), 'wanted its last axes'), (LayerNorm((4, 5)), nn.LayerNorm((4, 5)), (2, 5, 4), 'last axes'),
           (RMSNorm((2, 3)), nn.RMSNorm((2, 3)), (3,), 'RMSNorm: x .3,., wanted its last axes'), (RMSNorm(3), nn.RMSNorm(3), (3, 2), 'last axes')]


@pytest.mark.parametrize('ours, theirs, shape, words', REFUSED)
def test_what_pytorch_refuses_is_refused_with_the_shapes_that_met_and_counts_for_nothing(ours, theirs, shape, words):
    before = copy.deepcopy(ours.state_dict())
    with pytest.raises((RuntimeError, ValueError)): theirs(torch.zeros(shape))
    with pytest.raises(ValueError, match=words): ours(torch.zeros(shape))
    assert all(map(torch.equal, before.values(), ours.state_dict().values()))


def test_a_batch_of_one_with_several_places_is_a_batch():
    x = shifted(1, 3, 1, 2, dtype=torch.float32)
    close(BatchNorm(3)(x), nn.BatchNorm2d(3)(x))
    close(BatchNorm(3).eval()(x[..., :1]), nn.BatchNorm2d(3).eval()(x[..., :1]))                     # in eval mode one value will do


def test_two_examples_of_two_channels_in_one_group_are_enough():
    x = shifted(2, 2, dtype=torch.float32)
    close(GroupNorm(1, 2)(x), nn.GroupNorm(1, 2)(x))


@pytest.mark.parametrize('make', [lambda: GroupNorm(2, 3), lambda: GroupNorm(0, 3), lambda: GroupNorm(-1, 3), lambda: GroupNorm(1., 3), lambda: GroupNorm(True, 3), lambda: BatchNorm(0), lambda: BatchNorm(2.), lambda: LayerNorm(()), lambda: LayerNorm((2, 0)),
                                  lambda: LayerNorm(2.5), lambda: RMSNorm([]), lambda: InstanceNorm(3, momentum=None), lambda: InstanceNorm(-2)])
def test_a_layer_that_cannot_be_is_refused_when_it_is_made(make):
    with pytest.raises(ValueError, match='wanted|cannot be shared'): make()


@pytest.mark.parametrize('make', [lambda: BatchNorm(3), lambda: BatchNorm(3).eval(), lambda: InstanceNorm(3, affine=True), lambda: GroupNorm(1, 3), lambda: LayerNorm((3, 4)), lambda: RMSNorm((3, 4)), lambda: BatchNorm(3, affine=False)])
@pytest.mark.parametrize('own, x', [(torch.float32, torch.float64), (torch.float64, torch.float32), (torch.bfloat16, torch.float32), (torch.float32, torch.int64), (torch.float64, torch.bfloat16), (torch.float16, torch.bfloat16)])
def test_another_type_of_number_is_refused(make, own, x):
    with pytest.raises(TypeError, match=f'x of {x} and its own'): make().to(own)(torch.zeros(2, 3, 4, dtype=x))


def test_without_numbers_of_its_own_a_layer_takes_every_floating_type():
    for dtype in MIXED: assert InstanceNorm(3)(shifted(2, 3, 4).to(dtype)).dtype == dtype
    check_kind('it', torch.zeros(1, dtype=torch.bfloat16), [torch.zeros(1), None, torch.tensor(3)])
    with pytest.raises(TypeError, match='it: x of torch.int64'): check_kind('it', torch.zeros(1, dtype=torch.int64), [])


# ---- the laws

NORMS = [(lambda: BatchNorm(4, 0.), (0, 2)), (lambda: InstanceNorm(4, 0.), (2,)), (lambda: GroupNorm(1, 4, 0.), (1, 2)), (lambda: LayerNorm((4, 5), 0.), (1, 2)), (lambda: LayerNorm(5, 0.), (2,))]


@pytest.mark.parametrize('make, axes', NORMS)
def test_before_scale_and_shift_the_mean_is_0_and_the_spread_1(make, axes):
    y = make().double()(shifted(3, 4, 5))
    close(y.mean(axes), torch.zeros_like(y.mean(axes)), atol=1e-12, rtol=0)
    close(y.var(axes, correction=0), torch.ones_like(y.mean(axes)), atol=1e-12, rtol=0)


@pytest.mark.parametrize('make, axes', NORMS)
def test_gradients_sum_to_zero_and_so_do_their_products_with_what_was_normalised(make, axes):
    x = shifted(3, 4, 5).requires_grad_()
    g, = torch.autograd.grad(make().double()(x), x, 1e3*randn(3, 4, 5, seed=2))
    y = standardise(x.detach(), axes, eps=0.)
    zero = torch.zeros_like(g.sum(axes))
    close(g.sum(axes), zero, atol=1e-9, rtol=0)
    close((g * y).sum(axes), zero, atol=1e-9, rtol=0)
    assert g.abs().max() > 1


def test_the_gradient_of_rms_is_perpendicular_to_its_input_but_does_not_sum_to_zero():
    x = shifted(3, 5).requires_grad_()
    g, = torch.autograd.grad(RMSNorm(5, eps=0.).double()(x), x, randn(3, 5, seed=2))
    close((g * x.detach()).sum(1), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert g.sum(1).abs().min() > 1e-3


@pytest.mark.parametrize('norm', [lambda: BatchNorm(3, eps=0.), lambda: InstanceNorm(3, eps=0.), lambda: GroupNorm(1, 3, eps=0.)])
def test_weights_before_a_norm_may_be_scaled_and_the_gradient_is_divided(norm):
    conv, x, g = nn.Conv2d(2, 3, 3, bias=False).double(), shifted(4, 2, 6, 5), randn(4, 3, 4, 3)
    outs = []
    for factor in (1., 8.):
        w = (conv.weight.detach() * factor).requires_grad_()
        y = norm().double()(nn.functional.conv2d(x, w))
        outs.append((y, torch.autograd.grad(y, w, g)[0] * factor))
    for first, second in zip(*outs): close(first, second)
    close((outs[0][1] * conv.weight).sum(), torch.zeros((), dtype=torch.float64), atol=1e-10, rtol=0)


@pytest.mark.parametrize('make, alone', [(lambda: BatchNorm(3), False), (lambda: InstanceNorm(3), True), (lambda: GroupNorm(3, 3), True), (lambda: LayerNorm((3, 4)), True), (lambda: RMSNorm((3, 4)), True), (lambda: BatchNorm(3).eval(), True)])
def test_only_batch_norm_in_training_asks_the_other_examples(make, alone):
    x = shifted(5, 3, 4, dtype=torch.float32)
    among = make()(x)
    other = make()(torch.cat([x[:1], 2*x[1:] + 1]))
    assert torch.allclose(among[0], other[0], atol=1e-6) == alone
    close(make()(x.flip(0)), among.flip(0))                                       # none of them minds the order


def test_batch_norm_of_one_example_is_instance_norm_and_one_group_is_layer_norm_without_places_weights():
    x = shifted(3, 4, 5)
    close(torch.cat([BatchNorm(4).double()(one[None]) for one in x]), InstanceNorm(4)(x))
    close(GroupNorm(1, 4, affine=False)(x), LayerNorm((4, 5), elementwise_affine=False)(x))
    close(GroupNorm(4, 4, affine=False)(x), InstanceNorm(4)(x))
    moved = x - x.mean(-1, keepdim=True)
    close(RMSNorm(5, eps=1e-5).double()(moved), LayerNorm(5).double()(moved))


def test_a_bias_before_batch_norm_changes_nothing_and_gets_no_gradient():
    conv, x = nn.Conv2d(2, 3, 3).double(), shifted(4, 2, 6, 5)
    first = BatchNorm(3).double()(conv(x))
    grad, = torch.autograd.grad(first, conv.bias, randn(*first.shape))
    conv.bias.data += 7
    close(BatchNorm(3).double()(conv(x)), first)
    close(grad, torch.zeros_like(grad), atol=1e-12, rtol=0)


# ---- running statistics

def test_running_statistics_by_hand():
    norm, x = BatchNorm(1), tensor([[1.], [3.], [8.]])                             # mean 4; squares 9 + 1 + 16 = 26
    norm(x)
    close(norm.running_mean, tensor([.4]))
    close(norm.running_var, tensor([.9 + .1*13]))                                  # unbiased: 26/2
    close(norm(x).flatten(), (x.flatten() - 4) / math.sqrt(26/3 + 1e-5))           # biased: 26/3
    assert norm.num_batches_tracked == 2


def test_without_momentum_they_are_the_mean_over_all_batches():
    norm, batches = BatchNorm(2, momentum=None).double(), [shifted(n, 2, seed=n) for n in (2, 5, 3)]
    for x in batches: norm(x)
    close(norm.running_mean, torch.stack([x.mean(0) for x in batches]).mean(0))
    close(norm.running_var, torch.stack([x.var(0) for x in batches]).mean(0))


def test_evaluation_leaves_the_running_statistics_alone_and_uses_them():
    norm = BatchNorm(2).eval()
    norm.running_mean.copy_(tensor([1., 2.]))
    norm.running_var.copy_(tensor([4., 9.]))
    before = copy.deepcopy(norm.state_dict())
    close(norm(tensor([[3., 8.]])), tensor([[1., 2.]]), rtol=1e-4, atol=1e-4)
    assert all(map(torch.equal, before.values(), norm.state_dict().values()))


def test_in_eval_mode_each_channel_goes_through_one_straight_line():
    norm, _ = pair(BatchNorm(3), nn.BatchNorm2d(3))
    norm(shifted(4, 3, 5, 2))
    norm.eval()
    a, b, c = (norm(torch.full((1, 3, 1, 1), v, dtype=torch.float64)) for v in (0., 1., 5.))
    close(c - a, 5 * (b - a))


def test_statistics_are_kept_without_a_graph():
    norm = BatchNorm(2)
    norm(shifted(3, 2, dtype=torch.float32).requires_grad_()).sum().backward()
    assert not norm.running_mean.requires_grad and norm.running_mean.grad_fn is None


# ---- conv_norm

@pytest.mark.parametrize('norm', [BatchNorm, lambda c: GroupNorm(2, c), functools.partial(BatchNorm, eps=.1), nn.BatchNorm2d, InstanceNorm])
def test_a_convolution_before_a_norm_has_no_bias(norm):
    block = conv_norm(3, 4, 5, stride=2, norm=norm, act=nn.Tanh)
    conv, middle, act = block
    assert conv.bias is None and [name for name, _ in conv.named_parameters()] == ['weight'] and isinstance(act, nn.Tanh)
    assert type(middle) is type(norm(4)) and block(torch.randn(2, 3, 9, 8)).shape == (2, 4, 5, 4)


def test_without_a_norm_it_is_the_block_of_lesson_07_with_its_bias():
    block = conv_norm(3, 4, norm=None)
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.ReLU] and block[0].bias is not None
    with pytest.raises(ValueError, match='odd'): conv_norm(3, 4, 2)


def test_the_weights_of_the_convolution_are_drawn_as_without_the_norm():
    blocks = []
    for norm in (None, BatchNorm):
        torch.manual_seed(0)
        blocks.append(conv_norm(2, 3, norm=norm)[0].weight)
    assert torch.equal(*blocks)


# ---- lsuv_

def spreads(model, x):
    "Mean and spread of what each linear or convolutional layer gives."
    found, hooks = [], [layer.register_forward_hook(lambda layer, _, out: found.append((out.mean().item(), out.std(correction=0).item())))
                        for layer in model.modules() if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    with torch.no_grad(): model(x)
    for hook in hooks: hook.remove()
    return found


def net(norm=None):
    torch.manual_seed(0)
    return nn.Sequential(conv_norm(2, 3, norm=norm), conv_norm(3, 4, stride=2, norm=norm), nn.Flatten(), nn.Linear(24, 5), nn.Tanh(), nn.Linear(5, 3))


def test_after_lsuv_each_layer_gives_mean_0_and_spread_1():
    model, x = net(), shifted(6, 2, 5, 4, dtype=torch.float32) * 9
    assert lsuv_(model, x) is model
    for mean, spread in spreads(model, x):
        assert abs(mean) < 1e-5
        assert abs(spread - 1) < 1e-5


def test_a_layer_without_a_bias_keeps_its_mean_in_proportion():
    layer, x = nn.Linear(3, 4, bias=False), shifted(5, 3, dtype=torch.float32)
    (mean, spread), = spreads(layer, x)
    (new, one), = spreads(lsuv_(nn.Sequential(layer), x), x)
    close(tensor([new, one]), tensor([mean/spread, 1.]), rtol=1e-4, atol=1e-5)


def test_lsuv_changes_the_layers_that_are_named_and_nothing_else():
    model, x = net(BatchNorm), shifted(6, 2, 5, 4, dtype=torch.float32)
    model[0](x)
    before, asked = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    lsuv_(model, x, [model[3]])
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ['3.weight', '3.bias'] and torch.equal(asked, torch.random.get_rng_state())
    assert abs(spreads(model, x)[2][1] - 1) < 1e-5 and not any(layer._forward_hooks for layer in model.modules())


def test_a_layer_that_is_called_twice_is_corrected_for_its_first_call():
    layer = nn.Linear(3, 3)
    model, x = nn.Sequential(layer, nn.Tanh(), layer), shifted(5, 3, dtype=torch.float32)
    first, second = spreads(lsuv_(model, x), x)
    assert abs(first[1] - 1) < 1e-5 and abs(second[1] - 1) > 1e-3


def test_two_layers_of_one_weight_count_as_one():
    one, other = nn.Linear(3, 3), nn.Linear(3, 3)
    other.weight = one.weight
    first, _ = spreads(lsuv_(nn.Sequential(one, other), x := shifted(5, 3, dtype=torch.float32)), x)
    assert abs(first[1] - 1) < 1e-5


class Half(nn.Module):
    "Has a layer that it does not call."
    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x): return self.used(x)


@pytest.mark.parametrize('model, layers, words', [(nn.Sequential(nn.ReLU()), None, 'no layers'), (nn.Sequential(nn.Linear(2, 2)), [], 'no layers'), (nn.Sequential(nn.Linear(2, 2), nn.ReLU()), [nn.ReLU()], r'\[ReLU\(\)\], wanted linear'),
                                                 (Half(), None, r'Linear\(.* was not called')])
def test_lsuv_refuses_what_it_cannot_correct(model, layers, words):
    with pytest.raises(ValueError, match=words): lsuv_(model, randn(3, 2, dtype=torch.float32), layers)


@pytest.mark.parametrize('value, words', [(0., 'spread 0'), (math.nan, 'spread nan'), (math.inf, 'spread nan')])
def test_lsuv_refuses_an_output_without_a_spread_and_takes_its_hooks_away(value, words):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[0].bias.data.zero_()
    with pytest.raises(ValueError, match=words): lsuv_(model, torch.full((3, 2), value))
    assert not any(layer._forward_hooks for layer in model.modules())

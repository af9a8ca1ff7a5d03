import copy, io, itertools, math
import numpy as np
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from learners import learner, raising, weights, Diary
from exp.nb_04 import SGD
from exp.nb_04a import Callback, CancelEpoch, CancelFit, FitError
from exp.nb_05 import MetricsCallback
from exp.nb_05b import Checkpoint
from exp.nb_06 import OneCycle, lr_find
from exp.nb_09 import EMA, LAMB, Adagrad, Adam, AdamW, Lion, Muon, RMSProp, Together, decay_groups, newton_schulz

inf, nan = math.inf, math.nan
ALL = Adagrad, RMSProp, Adam, AdamW, LAMB, Lion, Muon
needs_their_muon = pytest.mark.skipif(not hasattr(torch.optim, 'Muon'), reason='torch has Muon from 2.9 on')


# ---- what is compared

HAPPENINGS = {
    'nothing': lambda i, opt, p: None,
    'gradients are missing': lambda i, opt, p: [setattr(x, 'grad', None) for x in (p[:1] if i % 7 else p[2:])],
    'gradients are zero': lambda i, opt, p: [x.grad.mul_(i % 3) for x in p],
    'the rate is another in each step': lambda i, opt, p: opt.param_groups[-1].update(lr=.3 * (i % 4))}


def slopes(shape, dtype, steps=50, seed=0):
    "Gradients of very different sizes."
    g = torch.Generator().manual_seed(seed)
    return torch.randn(steps, *shape, generator=g, dtype=dtype) * 10**torch.randn(steps, *[1] * len(shape), generator=g, dtype=dtype)


def walk(make, happening, dtype, shapes, settings, steps=50):
    "Three parameters in two groups after `steps` with given gradients."
    g = torch.Generator().manual_seed(1)
    p = [torch.randn(shape, generator=g, dtype=dtype).requires_grad_() for shape in shapes]
    opt = make([{'params': p[:1]}, {'params': p[1:], 'lr': .02, 'weight_decay': .2}], **{'lr': .1, **settings})
    grads = [slopes(shape, dtype, steps, k) for k, shape in enumerate(shapes)]
    for i in range(steps):
        for x, g in zip(p, grads): x.grad = g[i].clone()
        happening(i, opt, p)
        opt.step()
    return p


def grid(**choices):
    "All combinations, as dicts."
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


BETAS = [(.9, .999), (.5, .8)]
BESIDE = {
    Adagrad: ('Adagrad', grid(lr_decay=[0, .1], weight_decay=[0, .1], initial_accumulator_value=[0, .5], eps=[1e-10, .1], maximize=[False, True])),
    RMSProp: ('RMSprop', grid(alpha=[.99, .5], weight_decay=[0, .1], momentum=[0, .9], centered=[False, True], maximize=[False, True])),
    Adam: ('Adam', grid(betas=BETAS, weight_decay=[0, .1], amsgrad=[False, True], eps=[1e-8, .1], maximize=[False, True])),
    AdamW: ('AdamW', grid(betas=BETAS, weight_decay=[0, .1], amsgrad=[False, True], maximize=[False, True])),
    Muon: ('Muon', grid(momentum=[.95, 0], weight_decay=[0, .1], nesterov=[False, True], adjust_lr_fn=[None, 'original', 'match_rms_adamw']))}


def test_there_are_over_500_settings_beside_torch():
    assert sum(len(settings) for _, settings in BESIDE.values()) * len(HAPPENINGS) > 500


def one_step(make, p, g, **settings):
    p = p.clone()
    p.grad = g.clone()
    make([p], **settings).step()
    return p


# ---- all designs

def settings_of(make): return {Muon: dict(half=False)}.get(make, {})


@pytest.mark.parametrize('make', ALL)
@pytest.mark.parametrize('rate', [np.float32(.5), np.float64(.5), tensor(.5), np.array(.5)])
def test_a_rate_of_numpy_or_torch_is_a_rate(make, rate):
    p, g = torch.ones(2, 3), slopes((2, 3), torch.float32, 1)[0]
    assert torch.equal(one_step(make, p, g, lr=rate), one_step(make, p, g, lr=.5)) and not torch.equal(one_step(make, p, g, lr=.5), p)


@pytest.mark.parametrize('make', ALL)
def test_a_rate_of_zero_moves_nothing_and_remembers(make):
    p = torch.ones(2, 2)
    p.grad = torch.ones(2, 2)
    opt = make([p], lr=0.)
    opt.step()
    assert p.tolist() == [[1, 1], [1, 1]] and opt.memory[p]


@pytest.mark.parametrize('make', ALL)
def test_a_step_is_in_place_and_changes_no_gradient(make):
    p, g = torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True), slopes((3, 2), torch.float32, 1)[0].bfloat16()
    p.grad = g.clone()
    opt, same = make([p], lr=.5), p
    for _ in range(3): opt.step()
    assert same is opt.param_groups[0]['params'][0] and torch.equal(p.grad, g) and p.is_leaf and p.dtype == torch.bfloat16


@pytest.mark.parametrize('nesterov', [False, True])
def test_muons_memory_is_an_average_of_slopes_in_16_bits_too(nesterov):
    p = torch.ones(3, 2, dtype=torch.bfloat16)
    opt, p.grad = Muon([p], momentum=.5, nesterov=nesterov), torch.full((3, 2), 4., dtype=torch.bfloat16)
    opt.step()
    opt.step()
    assert opt.memory[p]['mean'].tolist() == [[3, 3]] * 3


@pytest.mark.parametrize('make', [Adagrad, RMSProp, Adam, AdamW, LAMB, Lion])
def test_maximize_goes_up_as_far_as_the_other_goes_down(make):
    p, g = torch.ones(3), slopes((3,), torch.float32, 1)[0]
    up, down = [one_step(make, p, sign * g, lr=.5, weight_decay=.1, maximize=sign < 0) for sign in (-1, 1)]
    assert torch.equal(up, down) and not torch.equal(one_step(make, p, g, lr=.5, weight_decay=.1, maximize=True), down)


@pytest.mark.parametrize('make', ALL)
def test_a_sparse_gradient_is_refused_and_a_missing_one_is_no_step(make):
    table, other = nn.Embedding(3, 2, sparse=True), torch.ones(2, 2, requires_grad=True)
    table(tensor([1])).sum().backward()
    before = table.weight.clone()
    opt = make([other, table.weight], lr=.1)
    with pytest.raises(TypeError, match=rf'{make.__name__}: a sparse gradient \(3, 2\)'): opt.step()
    assert torch.equal(before, table.weight) and other.tolist() == [[1, 1], [1, 1]] and opt.memory[other] == {}


@pytest.mark.parametrize('make', ALL)
def test_complex_parameters_are_refused(make):
    with pytest.raises(TypeError, match=f'{make.__name__}: a complex parameter'): make([torch.zeros(2, 2, dtype=torch.complex64)])


NUMBERS = {Adagrad: 'lr lr_decay weight_decay initial_accumulator_value eps', RMSProp: 'lr alpha eps weight_decay momentum', Adam: 'lr eps weight_decay',
           AdamW: 'lr eps weight_decay', LAMB: 'lr eps weight_decay', Lion: 'lr weight_decay', Muon: 'lr weight_decay momentum eps'}


@pytest.mark.parametrize('make, setting', [(make, setting) for make, names in NUMBERS.items() for setting in names.split()])
def test_numbers_that_make_no_sense_are_refused_in_every_group(make, setting):
    p = torch.zeros(2, 2)
    for value in (-.5, nan, inf, None, '1', (.1,), torch.ones(2)):
        with pytest.raises(ValueError, match=f"{make.__name__}: .*'{setting}': "): make([p], **{setting: value})
        with pytest.raises(ValueError, match=f"{make.__name__}: .*'{setting}': "): make([{'params': p}, {'params': [], setting: value}])


@pytest.mark.parametrize('make', [Adam, AdamW, LAMB, Lion])
@pytest.mark.parametrize('betas', [(1., 0.), (0., 1.), (-.1, .5), (.5, -.1), (.9,), (.9, .9, .9), .9, None, (.9, tensor(.99)), ('a', .9), (nan, .9)])
def test_betas_that_make_no_sense_are_refused(make, betas):
    with pytest.raises(ValueError, match=f"{make.__name__}: .*'betas': "): make([torch.zeros(1)], betas=betas)


@pytest.mark.parametrize('wrong, said', [(dict(ns_steps=100), 'ns_steps=100'), (dict(ns_steps=-1), 'ns_steps=-1'), (dict(ns_steps=2.), 'ns_steps=2.0'),
    (dict(ns_coefficients=(1, 2)), 'wanted three'), (dict(adjust_lr_fn='arbitrary'), "adjust_lr_fn='arbitrary'")])
def test_muon_refuses_what_torch_refuses(wrong, said):
    with pytest.raises(ValueError, match=f'Muon: .*{said}'): Muon([torch.zeros(2, 2)], **wrong)
    for shape in ((3,), (), (2, 3, 4)):
        with pytest.raises(ValueError, match='Muon: the shape .*, wanted matrices'): Muon([torch.zeros(2, 2), torch.zeros(shape)])


@pytest.mark.parametrize('make', ALL)
def test_settings_of_other_implementations_and_misspelt_ones_are_refused_by_name(make):
    for name in ('foreach', 'fused', 'capturable', 'differentiable', 'beta'):
        with pytest.raises(TypeError, match=name): make([torch.zeros(2, 2)], **{name: True})
    for params, error in ((torch.zeros(2, 2), TypeError), ([], ValueError), ([torch.zeros(2, 2)[0:1]] * 2, ValueError)):
        with pytest.raises(error, match=make.__name__): make(params)


# ---- states

RICH = [(Adagrad, dict(lr_decay=.1, weight_decay=.1)), (RMSProp, dict(momentum=.9, centered=True)), (Adam, dict(amsgrad=True, betas=(.5, .8))),
        (AdamW, {}), (LAMB, {}), (Lion, dict(weight_decay=.1)), (Muon, {})]


def through_a_file(state):
    torch.save(state, file := io.BytesIO())
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize('make, settings', RICH)
def test_saved_in_the_middle_the_rest_is_the_same_to_the_bit(make, settings):
    grads, p = slopes((3, 2), torch.float32, 20), torch.ones(3, 2)
    opt = make([p], lr=.1, **settings)
    for i, p.grad in enumerate(grads):
        if i == 10:
            q, other = p.clone(), None
            other = make([q], lr=.7)
            other.load_state_dict(through_a_file(opt.state_dict()))
        if i >= 10:
            q.grad = p.grad
            other.step()
        opt.step()
    assert torch.equal(p, q) and other.settings() == opt.settings()


@pytest.mark.parametrize('make, name', [(make, name) for make, (name, _) in BESIDE.items() if hasattr(torch.optim, name)])
def test_a_state_of_torch_is_refused_and_nothing_changes(make, name):
    p = torch.ones(2, 2)
    p.grad = torch.ones(2, 2)
    theirs, opt = getattr(torch.optim, name)([p], lr=.3), make([p], lr=.1)
    theirs.step()
    with pytest.raises(ValueError, match=rf"{make.__name__}: a state with the parts \['param_groups', 'state'\], here are"): opt.load_state_dict(theirs.state_dict())
    assert opt.settings()[0]['lr'] == .1 and opt.memory[p] == {}


def test_a_state_of_another_design_is_refused():
    p = torch.ones(2, 2)
    for make, other in itertools.permutations((Adagrad, RMSProp, Adam, LAMB, Lion, Muon), 2):
        with pytest.raises(ValueError, match=f'{make.__name__}: a state with the settings'): make([p]).load_state_dict(other([p]).state_dict())


# ---- laws

@pytest.mark.parametrize('scale', [1e-3, 1., 1e3])
def test_the_first_step_of_adam_is_the_rate_whatever_the_slope(scale):
    for make in (Adam, AdamW):
        p = one_step(make, torch.zeros(3), scale * tensor([1., -2., .1]), lr=.25, eps=0.)
        torch.testing.assert_close(p, tensor([-.25, .25, -.25]))


@pytest.mark.parametrize('alpha', [.99, .75])
def test_the_first_step_of_rmsprop_is_too_large_by_the_root_of_its_share(alpha):
    torch.testing.assert_close(one_step(RMSProp, torch.zeros(2), tensor([3., -.1]), lr=.1, alpha=alpha, eps=0.), tensor([-.1, .1]) / (1 - alpha)**.5)


@pytest.mark.parametrize('make', ALL)
def test_the_scale_of_the_slopes_changes_nothing(make):
    ends = []
    for scale in (1., 2.**20, 2.**-20):
        p = torch.ones(3, 2, dtype=torch.float64)
        opt = make([p], lr=.1, weight_decay=0., **({} if make is Lion else {'eps': 0.}), **settings_of(make))
        for g in slopes((3, 2), torch.float64, 20):
            p.grad = g * scale
            opt.step()
        ends.append(p)
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])


def test_plain_steps_grow_with_the_slopes():
    assert one_step(SGD, torch.zeros(1), tensor([8.]), lr=.5) == -4


@pytest.mark.parametrize('make', [AdamW, Lion, Muon])
def test_decoupled_decay_does_not_look_at_the_slope(make):
    p = slopes((3, 2), torch.float64, 1, seed=3)[0]
    for scale in (1e-3, 1., 1e3):
        g = scale * slopes((3, 2), torch.float64, 1)[0]
        with_decay, without = [one_step(make, p, g, lr=.1, weight_decay=decay) for decay in (.5, 0.)]
        torch.testing.assert_close(with_decay - without, -.05 * p)


def test_decay_in_the_slope_is_divided():
    p, g = torch.ones(2, dtype=torch.float64), tensor([1e-6, 1e3], dtype=torch.float64)
    for make in (Adam, RMSProp, Adagrad):
        shares = []
        for sign in (-1, 1):
            shares.append(one_step(make, p, sign * g, lr=.01, weight_decay=.1, eps=0.) - 1)
        pull = (shares[0] + shares[1]) / 2
        assert pull[0] < -.009 and abs(pull[1]) < 1e-9


def reference_lamb(p, grads, lr, betas, eps, decay):
    "The paper's algorithm, number by number."
    p, m, v = p.tolist(), [0.] * len(p), [0.] * len(p)
    for t, g in enumerate(grads.tolist(), 1):
        m = [betas[0]*a + (1 - betas[0])*b for a, b in zip(m, g)]
        v = [betas[1]*a + (1 - betas[1])*b*b for a, b in zip(v, g)]
        u = [a / (1 - betas[0]**t) / (math.sqrt(b / (1 - betas[1]**t)) + eps) + decay*w for a, b, w in zip(m, v, p)]
        size, length = math.hypot(*p), math.hypot(*u)
        ratio = size / length if size > 0 and length > 0 else 1.
        p = [w - lr*ratio*a for w, a in zip(p, u)]
    return tensor(p, dtype=torch.float64)


def reference_lion(p, grads, lr, betas, decay):
    "The paper's algorithm, number by number."
    p, m = p.tolist(), [0.] * len(p)
    for g in grads.tolist():
        c = [betas[0]*a + (1 - betas[0])*b for a, b in zip(m, g)]
        p = [w - lr*((a > 0) - (a < 0) + decay*w) for w, a in zip(p, c)]
        m = [betas[1]*a + (1 - betas[1])*b for a, b in zip(m, g)]
    return tensor(p, dtype=torch.float64)


@pytest.mark.parametrize('make, reference, betas', [(LAMB, reference_lamb, (.9, .999)), (LAMB, reference_lamb, (.5, .7)), (Lion, reference_lion, (.9, .99)), (Lion, reference_lion, (.3, .6))])
@pytest.mark.parametrize('decay', [0., .3])
def test_what_torch_lacks_follows_its_paper(make, reference, betas, decay):
    for start in ([1., -2., .5], [0., 0., 0.]):
        p, grads, eps = tensor(start, dtype=torch.float64), slopes((3,), torch.float64, 20), {'eps': .01} if make is LAMB else {}
        want, opt = reference(p, grads, .1, betas, *eps.values(), decay), make([p], lr=.1, betas=betas, weight_decay=decay, **eps)
        for p.grad in grads: opt.step()
        torch.testing.assert_close(p, want)


def test_the_defaults_of_lamb_and_lion_are_those_of_the_papers():
    assert LAMB([torch.zeros(1)]).settings() == [dict(lr=1e-3, betas=(.9, .999), eps=1e-6, weight_decay=.01, maximize=False)]
    assert Lion([torch.zeros(1)]).settings() == [dict(lr=1e-4, betas=(.9, .99), weight_decay=0., maximize=False)]


def test_lamb_moves_each_parameter_by_the_rate_times_its_norm():
    ps = [torch.randn(4, 3, generator=torch.Generator().manual_seed(i)).double() * 10**i for i in (-2, 0, 2)]
    before = [p.clone() for p in ps]
    for p in ps: p.grad = torch.randn_like(p)
    LAMB(ps, lr=.125).step()
    for p, old in zip(ps, before): torch.testing.assert_close((p - old).norm(), .125 * old.norm())


def test_lamb_with_no_slope_and_no_decay_stays():
    p = torch.ones(2)
    assert torch.equal(one_step(LAMB, p, torch.zeros(2), lr=.5, weight_decay=0.), p)
    assert one_step(LAMB, torch.zeros(2), tensor([2., -2.]), lr=.5, eps=0.).tolist() == [-.5, .5]


def test_lion_remembers_half_of_what_adam_does():
    def kept(make):
        p = torch.ones(5)
        p.grad = torch.ones(5)
        (opt := make([p])).step()
        return sum(t.numel() for t in opt.memory[p].values() if torch.is_tensor(t))
    assert [kept(make) for make in (Lion, RMSProp, Adagrad, Adam, AdamW, LAMB)] == [5, 5, 5, 10, 10, 10]


def test_adagrads_steps_die_and_rmsprops_do_not():
    ends = {}
    for make in (Adagrad, RMSProp):
        p = torch.zeros(1)
        opt, p.grad = make([p], lr=1.), torch.ones(1)
        for _ in range(900):
            before = p.clone()
            opt.step()
        ends[make] = (before - p).item()
    assert ends[Adagrad] == pytest.approx(1 / 30, rel=1e-3) and ends[RMSProp] == pytest.approx(1, rel=1e-3)


# ---- matrices

def by_svd(x, coefficients, steps):
    u, s, vt = torch.linalg.svd(x, full_matrices=False)
    s = s / x.norm()
    for _ in range(steps): s = coefficients[0]*s + coefficients[1]*s**3 + coefficients[2]*s**5
    return u @ s.diag() @ vt


def matrix(*shape, dtype=torch.float64): return torch.randn(shape, generator=torch.Generator().manual_seed(shape[0]), dtype=dtype)


@pytest.mark.parametrize('shape', [(4, 7), (7, 4), (5, 5), (1, 6), (6, 1), (1, 1)])
@pytest.mark.parametrize('coefficients, steps', [((3.4445, -4.775, 2.0315), 5), ((3.4445, -4.775, 2.0315), 1), ((1.5, -.5, 0.), 3), ((2., -1.5, .5), 0)])
def test_newton_schulz_acts_on_the_singular_values_and_nothing_else(shape, coefficients, steps):
    x = matrix(*shape)
    torch.testing.assert_close(newton_schulz(x, coefficients, steps), by_svd(x, coefficients, steps))


@pytest.mark.parametrize('shape', [(4, 7), (7, 4), (5, 5)])
def test_the_classical_rounds_end_at_the_nearest_orthogonal_matrix_and_the_default_near_it(shape):
    x = matrix(*shape)
    u, _, vt = torch.linalg.svd(x, full_matrices=False)
    torch.testing.assert_close(newton_schulz(x, (1.5, -.5, 0.), 40), u @ vt)
    s = torch.linalg.svdvals(newton_schulz(x))
    assert .6 < s.min() and s.max() < 1.25


def test_newton_schulz_sees_only_the_direction_down_to_a_norm_of_a_ten_millionth():
    x = matrix(3, 2)
    x /= x.norm()
    torch.testing.assert_close(newton_schulz(1.1e-7 * x), newton_schulz(x))
    assert newton_schulz(5e-8 * x, steps=0).norm() == pytest.approx(.5)
    torch.testing.assert_close(newton_schulz(1e-3 * x, steps=0, eps=1.), 1e-3 * x)


def test_newton_schulz_of_nothing_is_nothing_and_its_input_stays():
    x = matrix(3, 2)
    before = x.clone()
    newton_schulz(x)
    assert torch.equal(x, before) and newton_schulz(torch.zeros(3, 2)).tolist() == [[0, 0]] * 3
    assert newton_schulz(matrix(3, 2).bfloat16()).dtype == torch.bfloat16 and newton_schulz(matrix(3, 2)).shape == (3, 2)
    for wrong in (torch.zeros(3), torch.tensor(1.), torch.zeros(2, 2, 2)):
        with pytest.raises(ValueError, match='newton_schulz: the shape .*, wanted a matrix'): newton_schulz(wrong)


def test_muon_does_not_care_how_the_landscape_is_turned():
    q, g = torch.linalg.qr(matrix(3, 3))[0], matrix(3, 5)
    a, b = [one_step(Muon, torch.zeros(3, 5).double(), x, lr=1., half=False) for x in (g, q @ g)]
    torch.testing.assert_close(b, q @ a)
    a, b = [one_step(Adam, torch.zeros(3, 5).double(), x, lr=1.) for x in (g, q @ g)]
    assert not torch.allclose(b, q @ a, atol=.1)


def test_muon_in_full_precision_is_near_to_muon_in_half():
    p, g = torch.zeros(4, 6), matrix(4, 6, dtype=torch.float32)
    full, half = [one_step(Muon, p, g, lr=1., half=half) for half in (False, True)]
    torch.testing.assert_close(full, half, atol=.05, rtol=.05)
    assert not torch.equal(full, half)


def test_the_rate_of_muon_depends_on_the_shape_as_torchs_does():
    for shape, adjust, want in (((8, 2), None, 2.), ((2, 8), 'original', 1.), ((2, 8), 'match_rms_adamw', .2 * 8**.5), ((8, 2), 'match_rms_adamw', .2 * 8**.5)):
        step = one_step(Muon, torch.zeros(shape), matrix(*shape, dtype=torch.float32), lr=1., adjust_lr_fn=adjust, half=False, ns_coefficients=(1.5, -.5, 0.), ns_steps=40)
        torch.testing.assert_close(torch.linalg.svdvals(step), torch.full((2,), want))


# ---- groups

def test_decay_groups_split_by_the_number_of_axes():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 3), nn.LayerNorm(3))
    net.register_parameter('scale', nn.Parameter(tensor(1.)))
    decay, spared = decay_groups(net.parameters(), .25)
    assert [tuple(p.shape) for p in decay['params']] == [(2, 1, 3, 3), (3, 2)] and decay['weight_decay'] == .25 and spared['weight_decay'] == 0
    assert [tuple(p.shape) for p in spared['params']] == [(), (2,), (2,), (2,), (3,), (3,), (3,)]


def test_what_is_in_the_second_group_does_not_decay():
    w, b = torch.ones(2, 2), torch.ones(2)
    w.grad, b.grad = torch.zeros(2, 2), torch.zeros(2)
    for make in (AdamW, SGD): make(decay_groups([w, b], .5), lr=.5).step()
    assert w.tolist() == [[.75**2, .75**2]] * 2 and b.tolist() == [1, 1]
    assert len(AdamW(decay_groups([b], .5)).param_groups) == 2


def both(params, lr=.1, momentum=.95):
    params = list(params)
    return Together(Muon([p for p in params if p.ndim == 2], lr, momentum=momentum, half=False), AdamW([p for p in params if p.ndim != 2], lr / 10))


def test_two_together_do_what_each_does_alone():
    (a, b), (c, d) = [[torch.ones(2, 3), torch.ones(3)] for _ in range(2)]
    opt, alone = both([a, b]), (Muon([c], .1, half=False), AdamW([d], .01))
    for _ in range(5):
        a.grad, b.grad = matrix(2, 3, dtype=torch.float32), torch.arange(3.)
        c.grad, d.grad = a.grad, b.grad
        for one in (opt, *alone): one.step()
    assert torch.equal(a, c) and torch.equal(b, d) and not torch.equal(a, torch.ones(2, 3))
    opt.zero_grad()
    assert a.grad is None and b.grad is None


def test_the_groups_of_two_are_those_of_each():
    opt = both([torch.ones(2, 3), torch.ones(3)])
    opt.param_groups[1]['lr'] = 7
    assert [group['lr'] for group in opt.param_groups] == [.1, 7] and opt.opts[1].param_groups[0]['lr'] == 7


def test_a_parameter_in_two_optimisers_is_refused():
    p = torch.ones(2)
    with pytest.raises(ValueError, match='Together: a parameter is in two'): Together(SGD([p]), Adam([p]))


def test_the_states_of_two_go_on_and_those_that_do_not_fit_are_refused_as_one():
    ps, qs = [[torch.ones(2, 3), torch.ones(3)] for _ in range(2)]
    opt, other = both(ps), both(qs, lr=.7, momentum=.5)
    for p in ps: p.grad = torch.ones_like(p)
    opt.step()
    state = through_a_file(opt.state_dict())
    wrong = copy.deepcopy(state)
    wrong['opts'][1]['shapes'] = [[(4,)]]
    for bad in (wrong, {'opts': state['opts'][:1]}, {}, {'opts': state['opts'] * 2}):
        with pytest.raises(ValueError): other.load_state_dict(bad)
        assert other.opts[0].settings()[0]['momentum'] == .5 and other.opts[0].memory[qs[0]] == {} and other.opts[1].settings()[0]['lr'] == .7 / 10
    other.load_state_dict(state)
    assert other.opts[0].settings() == opt.opts[0].settings() and torch.equal(other.opts[0].memory[qs[0]]['mean'], opt.opts[0].memory[ps[0]]['mean'])


@pytest.mark.parametrize('opt_func', [Adagrad, RMSProp, Adam, AdamW, LAMB, Lion, both])
def test_each_design_trains_with_a_cycle_and_resumes_from_a_checkpoint(tmp_path, opt_func):
    def fit(folder, *epochs):
        for n in epochs: learn = learner([OneCycle(.01, moms=None), Checkpoint(tmp_path/folder)], opt_func=opt_func).fit(2, [Stop(n)])
        return learn
    class Stop(Callback):
        def __init__(self, n): self.n = n
        def before_epoch(self, learn):
            if learn.epoch == self.n: raise CancelFit()
    whole, parts = fit('whole', 2), fit('parts', 1, 2)
    assert torch.equal(weights(whole), weights(parts)) and not torch.equal(weights(whole), weights(learner()))
    assert weights(whole).isfinite().all()


@pytest.mark.parametrize('make', [Adam, AdamW, LAMB, Lion])
def test_a_cycle_of_momentum_sets_the_first_beta(make):
    seen = []
    learner([OneCycle(.01, moms=(.95, .85)), Diary(after_step=lambda learn: seen.append(learn.opt.param_groups[0]['betas']))], opt_func=make).fit(2)
    assert min(b for b, _ in seen) == pytest.approx(.85, abs=.01) and {b for _, b in seen} == {make([torch.zeros(1)]).settings()[0]['betas'][1]}


# ---- the average of the weights

class Weights(Callback):
    "Writes down the weights after each step."
    order = 90
    def __init__(self): self.rows = []
    def after_step(self, learn): self.rows.append(weights(learn).clone())


def flat(ema): return torch.cat([a.flatten() for a in ema.average.values()])


@pytest.mark.parametrize('decay', [0., .5, .9, 1 - 1e-9])
def test_the_average_is_that_of_all_weights_with_fading_shares(decay):
    learn = learner([ema := EMA(decay), rows := Weights()], layers=[nn.BatchNorm1d(5)]).fit(3)
    shares = decay ** torch.arange(len(rows.rows) - 1, -1, -1).double()
    want = (torch.stack(rows.rows).double() * shares[:, None]).sum(0) / shares.sum()
    torch.testing.assert_close(flat(ema).double(), want, rtol=1e-4, atol=1e-5)
    if decay == 0: assert torch.equal(flat(ema), weights(learn))
    if decay > .99: torch.testing.assert_close(flat(ema), torch.stack(rows.rows).mean(0))


def test_training_does_not_notice_the_average():
    with_ema, without = learner([EMA(.9)]).fit(3), learner().fit(3)
    assert torch.equal(weights(with_ema), weights(without))
    assert [row['train_loss'] for row in with_ema.history] == [row['train_loss'] for row in without.history]


def averaged(learn, ema):
    "A copy of the model with the averages in it."
    model = copy.deepcopy(learn.model).eval()
    model.load_state_dict(ema.average, strict=False)
    return model


def test_validation_and_predictions_are_those_of_the_average_and_the_weights_come_back():
    learn = learner([ema := EMA(.9), MetricsCallback()], layers=[nn.BatchNorm1d(5)]).fit(2)
    own, model, x, y = weights(learn).clone(), averaged(learn, ema), learn.dls.valid.ds.x, learn.dls.valid.ds.y
    with torch.no_grad(): want = model(x)
    torch.testing.assert_close(learn.predict(x), want)
    torch.testing.assert_close(learn.get_preds()[0], want)
    assert learn.validate()['loss'] == pytest.approx(F.cross_entropy(want, y).item(), rel=1e-5)
    assert learn.history[-1]['valid_loss'] == pytest.approx(F.cross_entropy(want, y).item(), rel=1e-5)
    assert torch.equal(weights(learn), own) and not torch.allclose(learn.model.eval()(x), want)
    assert learn.model[0].weight.requires_grad and learn.model[0].weight.is_leaf


@pytest.mark.parametrize('event', ['before_validate', 'before_batch', 'after_pred', 'after_loss', 'after_batch', 'after_validate'])
@pytest.mark.parametrize('kind', [RuntimeError('no'), CancelEpoch, CancelFit, KeyboardInterrupt])
@pytest.mark.parametrize('order', [-17, 60])
def test_the_weights_come_back_on_every_way_out(event, kind, order):
    fail = Diary(**{event: lambda learn: None if learn.training else raising(kind)(learn)})
    fail.order = order
    learn = learner([ema := EMA(.9), fail, rows := Weights()])
    try: learn.fit(2)
    except (FitError, KeyboardInterrupt): pass
    assert torch.equal(weights(learn), rows.rows[-1]) and ema.depth == 0 and ema.kept is None
    assert not torch.equal(flat(ema), rows.rows[-1])


def test_who_asks_within_a_validation_or_a_step_gets_the_average_and_disturbs_nothing():
    answers, x = [], torch.ones(2, 4)
    def ask(learn): answers.append((learn.predict(x), averaged(learn, ema)(x).detach() if learn.training else learn.model(x).detach()))
    asker = Diary(after_loss=lambda learn: ema.steps and ask(learn), before_batch=lambda learn: ema.steps and ask(learn))
    asker.fits_only = True
    learn = learner([ema := EMA(.9), asker]).fit(2)
    assert len(answers) > 10 and torch.equal(weights(learn), weights(learner().fit(2)))
    for got, want in answers: torch.testing.assert_close(got, want)


def test_before_the_first_step_the_model_answers_itself():
    learn, x = learner([EMA(.9)]), torch.ones(2, 4)
    torch.testing.assert_close(learn.predict(x), learn.model(x).detach())
    learn.fit(0)
    torch.testing.assert_close(learn.predict(x), learn.model(x).detach())


def test_resumed_from_a_checkpoint_the_average_is_the_same_to_the_bit(tmp_path):
    def fit(folder, epochs, decay=.9):
        learner([ema := EMA(decay), Checkpoint(tmp_path/folder)]).fit(epochs)
        return flat(ema), ema.steps
    fit('parts', 1)
    whole, parts = fit('whole', 3), fit('parts', 3)
    assert torch.equal(whole[0], parts[0]) and whole[1] == parts[1] == 9
    with pytest.raises(FitError, match='EMA.decay: 0.5 here, 0.9 there'): fit('parts', 4, .5)


def test_a_loaded_average_is_a_copy_on_the_device_of_the_parameters():
    ema, other = EMA(), EMA()
    ema.steps, ema.average, other.average = 3, {'w': torch.ones(2)}, {'w': torch.zeros(2, device='meta')}
    other.load_state_dict(ema.state_dict())
    assert other.average['w'].device.type == 'meta' and other.steps == 3
    (fresh := EMA()).load_state_dict(ema.state_dict())
    fresh.average['w'].zero_()
    assert ema.average['w'].tolist() == [1, 1]


def test_a_fit_begins_a_new_average():
    learn = learner([ema := EMA(.999)]).fit(2)
    first, own = flat(ema), weights(learn).clone()
    learn.fit(1, [rows := Weights()])
    torch.testing.assert_close(flat(ema), torch.stack(rows.rows).mean(0), rtol=1e-3, atol=1e-4)
    assert ema.steps == 3


def test_the_search_for_a_rate_leaves_the_average_as_it_was():
    learn = learner([ema := EMA(.9)]).fit(2)
    before, steps = flat(ema), ema.steps
    lr_find(learn, steps=20)
    assert torch.equal(flat(ema), before) and ema.steps == steps
    fresh = learner([ema := EMA(.9)])
    lr_find(fresh, steps=20)
    assert ema.steps == 0 and not ema.average


def test_an_average_that_has_seen_a_nan_is_dropped(capsys):
    def poison(learn):
        if learn.epoch == 1: learn.model[0].weight.grad[0, 0] = nan
    learn = learner([ema := EMA(.9), Diary(after_backward=poison)]).fit(2)
    assert 'a loss was nan' in capsys.readouterr().out and ema.steps == 0 and not ema.average
    assert learn.predict(torch.ones(2, 4)).isfinite().all()


@pytest.mark.parametrize('dtype, kept', [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)])
def test_sixteen_bits_are_averaged_in_thirty_two(dtype, kept):
    learn = learner([ema := EMA(.9)])
    learn.model.to(dtype)
    learn.loss_func = lambda pred, yb: F.cross_entropy(pred.float(), yb)
    learn.cbs.append(cast := Callback())
    cast.before_batch = lambda learn: setattr(learn, 'xb', learn.xb.to(dtype))
    learn.fit(2)
    assert {a.dtype for a in ema.average.values()} == {kept} and learn.predict(torch.ones(2, 4)).dtype == dtype == learn.model[0].weight.dtype


def test_tied_parameters_are_averaged_once():
    learn = learner([ema := EMA(.5)], layers=[layer := nn.Linear(5, 5, bias=False), layer]).fit(2)
    own = weights(learn).clone()
    assert len(ema.average) == 5 and learn.validate() and torch.equal(weights(learn), own)


@pytest.mark.parametrize('decay', [-.1, 1, 1.5, nan])
def test_a_decay_that_makes_no_sense_is_refused(decay):
    with pytest.raises(ValueError, match=f'EMA: a decay of {decay}'): EMA(decay)


# ---- beside torch; last, because it takes longest

@pytest.mark.parametrize('ours', [*list(BESIDE)[:-1], pytest.param(Muon, marks=needs_their_muon)])
def test_the_defaults_are_torchs(ours):
    theirs = getattr(torch.optim, BESIDE[ours][0])([torch.zeros(2, 2)]).param_groups[0]
    here = ours([torch.zeros(2, 2)]).settings()[0]
    assert here.pop('half', True) is True and {name: theirs[name] for name in here} == here
    assert theirs.keys() - here.keys() <= {'params', 'foreach', 'fused', 'capturable', 'differentiable', 'decoupled_weight_decay'}


@pytest.mark.parametrize('ours', [*list(BESIDE)[:-1], pytest.param(Muon, marks=needs_their_muon)])
def test_the_settings_have_torchs_order(ours):
    import inspect
    def names(cls): return [name for name, p in inspect.signature(cls).parameters.items() if p.kind == p.POSITIONAL_OR_KEYWORD]
    here, theirs = names(ours), names(getattr(torch.optim, BESIDE[ours][0]))
    assert [name for name in here if name != 'half'] == theirs[:len(here) - ('half' in here)]


@needs_their_muon
@pytest.mark.parametrize('settings', [dict(ns_steps=1), dict(ns_steps=0), dict(ns_coefficients=(1.5, -.5, 0.)), dict(eps=10.), dict(momentum=1.5)])
def test_muons_other_settings_are_torchs(settings):
    torch.manual_seed(0)
    p, g = torch.randn(3, 5), torch.randn(3, 5)
    assert torch.equal(one_step(Muon, p, g, lr=.1, **settings), one_step(torch.optim.Muon, p, g, lr=.1, **settings))


@pytest.mark.parametrize('ours', [*list(BESIDE)[:-1], pytest.param(Muon, marks=needs_their_muon)])
@pytest.mark.parametrize('happening', HAPPENINGS.values(), ids=HAPPENINGS)
def test_fifty_steps_are_torchs_to_the_bit(ours, happening):
    theirs, settings = BESIDE[ours]
    for how, dtype in zip(settings, itertools.cycle((torch.float32, torch.float64, torch.float64, torch.float32))):
        shapes = [(3, 2), (2, 5), (1, 1)] if ours is Muon else [(3, 2), (), (2, 1, 3)]
        a, b = [walk(make, happening, dtype, shapes, how) for make in (ours, getattr(torch.optim, theirs))]
        assert all(map(torch.equal, a, b)) and all(x.isfinite().all() for x in a), (how, dtype)

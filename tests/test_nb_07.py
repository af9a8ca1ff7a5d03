import math
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_01 import timed
from exp.nb_07 import Columns, avg_pool2d, both, col2im, conv2d, conv_block, im2col, max_pool2d, out_size, receptive_field, windows

SETTINGS = [dict(), dict(stride=2), dict(padding=1), dict(dilation=2), dict(stride=(3, 1), padding=(0, 2)), dict(stride=(1, 2), padding=(2, 1), dilation=(1, 3))]
close = torch.testing.assert_close


def randn(*shape, grad=False, dtype=torch.float64, seed=0):
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed + sum(shape)))
    return x.requires_grad_(grad)


def loops(x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    "The definition, a number at a time."
    x, (n, c, h, k) = F.pad(x, (padding[1], padding[1], padding[0], padding[0])), (*x.shape[:2], *w.shape[2:])
    rows = (x.shape[2] - dilation[0]*(h - 1) - 1)//stride[0] + 1
    columns = (x.shape[3] - dilation[1]*(k - 1) - 1)//stride[1] + 1
    y = x.new_zeros(n, len(w), rows, columns)
    for i, o, r, s in [(i, o, r, s) for i in range(n) for o in range(len(w)) for r in range(rows) for s in range(columns)]:
        for ch, a, b in [(ch, a, b) for ch in range(w.shape[1]) for a in range(h) for b in range(k)]:
            first = o // (len(w)//groups) * w.shape[1]
            y[i, o, r, s] += x[i, first + ch, r*stride[0] + a*dilation[0], s*stride[1] + b*dilation[1]] * w[o, ch, a, b]
    return y


# ---- sizes

@pytest.mark.parametrize('args, want', [((5, 3), 3), ((5, 5), 1), ((28, 3, 1, 1), 28), ((28, 3, 2, 1), 14), ((7, 3, 2), 3), ((8, 3, 2), 3), ((5, 3, 1, 0, 2), 1),
                                        ((6, 2, 1, 0, 4), 2), ((1, 1), 1), ((1, 3, 1, 1), 1), ((10, 1, 4), 3), ((16, 3, 2, 0, 2), 6)])
def test_the_number_of_places_by_hand(args, want):
    assert out_size(*args) == want and type(out_size(*args)) is int


@pytest.mark.parametrize('k, s, p, d', [(k, s, p, d) for k in (1, 2, 3) for s in (1, 2, 3) for p in (0, 1, 2) for d in (1, 2)])
def test_the_number_of_places_is_that_of_all_places_that_fit(k, s, p, d):
    for size in range(1, 12):
        fits = [start for start in range(-p, size + p, s) if start + d*(k - 1) < size + p]
        if fits: assert out_size(size, k, s, p, d) == len(fits)
        else:
            with pytest.raises(ValueError, match=f'spans {d*(k - 1) + 1} .* {size + 2*p}'): out_size(size, k, s, p, d)


@pytest.mark.parametrize('args', [(5, 0), (5, -1), (5, 3, 0), (5, 3, -1), (5, 3, 1, -1), (5, 3, 1, 0, 0)])
def test_impossible_settings_are_refused(args):
    with pytest.raises(ValueError, match='wanted 1 or more'): out_size(*args)


def test_a_number_stands_for_a_pair():
    assert both('stride', 3) == (3, 3) and both('stride', [1, 2]) == both('stride', torch.Size([1, 2])) == (1, 2)


@pytest.mark.parametrize('value', [1., '1', None, True, -1, (1, -1), (1, 2, 3), (1,), (), (1, 2.), 'same'])
def test_what_is_no_pair_is_refused_by_its_name(value):
    with pytest.raises(ValueError, match='stride .* wanted a whole number from 0 on or a pair'): both('stride', value)


# ---- windows and columns

@pytest.mark.parametrize('kernel_size, stride, dilation', [(1, 1, 1), ((2, 3), 1, 1), (3, (2, 1), 1), (2, 1, (3, 2)), ((1, 2), (3, 2), (1, 3))])
def test_a_window_is_a_part_of_the_picture(kernel_size, stride, dilation):
    x = randn(2, 3, 7, 8)
    seen, (kh, kw), (sh, sw), (dh, dw) = windows(x, kernel_size, stride, dilation), both('', kernel_size), both('', stride), both('', dilation)
    assert seen.shape == (2, 3, out_size(7, kh, sh, 0, dh), out_size(8, kw, sw, 0, dw), kh, kw)
    for i in range(seen.shape[2]):
        for j in range(seen.shape[3]):
            assert torch.equal(seen[:, :, i, j], x[:, :, i*sh:i*sh + dh*(kh - 1) + 1:dh, j*sw:j*sw + dw*(kw - 1) + 1:dw])


@pytest.mark.parametrize('change', [lambda x: x, lambda x: x.transpose(2, 3), lambda x: x[:, 1:, 2:, ::2], lambda x: x.to(memory_format=torch.channels_last),
                                    lambda x: x[:, :1].expand(-1, 3, -1, -1)])
def test_windows_are_a_view_of_any_picture(change):
    x = change(randn(2, 3, 7, 8))
    seen = windows(x, 2)
    assert seen.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert torch.equal(seen, x.unfold(2, 2, 1).unfold(3, 2, 1))


@pytest.mark.parametrize('f, who', [(windows, ''), (im2col, ''), (max_pool2d, 'pooling: '), (avg_pool2d, 'pooling: ')])
@pytest.mark.parametrize('shape', [(4, 4), (3, 4, 4), (1, 1, 1, 4, 4)])
def test_a_picture_has_four_axes(f, who, shape):
    with pytest.raises(ValueError, match=rf'{who}\({shape[0]}, .*wanted \(N, C, H, W\)'): f(torch.zeros(shape), 2)


@pytest.mark.parametrize('how', SETTINGS)
@pytest.mark.parametrize('shape', [(2, 3, 7, 8), (1, 1, 7, 9), (0, 2, 7, 7)])
def test_columns_are_those_of_pytorch(how, shape):
    x = randn(*shape)
    close(im2col(x, (3, 2), **how), F.unfold(x, (3, 2), **how) if len(x) else F.unfold(torch.zeros(1, *shape[1:], dtype=x.dtype), (3, 2), **how)[:0])


def test_columns_by_hand():
    x = torch.arange(12.).reshape(1, 1, 3, 4)
    assert im2col(x, 2)[0].t().tolist()[:4] == [[0, 1, 4, 5], [1, 2, 5, 6], [2, 3, 6, 7], [4, 5, 8, 9]]
    two = torch.stack([x[0, 0], -x[0, 0]])[None]
    assert im2col(two, (1, 2))[0, :, 4].tolist() == [5, 6, -5, -6]                 # channel by channel


@pytest.mark.parametrize('how', SETTINGS)
def test_col2im_is_the_transpose_of_im2col(how):
    x = randn(2, 3, 7, 8)
    cols = im2col(x, (3, 2), **how)
    c = randn(*cols.shape, seed=1)
    close((cols * c).sum(), (x * col2im(c, (7, 8), (3, 2), **how)).sum())


@pytest.mark.parametrize('how', SETTINGS)
def test_col2im_is_pytorchs_fold(how):
    c = randn(*im2col(randn(2, 3, 7, 8), (3, 2), **how).shape)
    close(col2im(c, (7, 8), (3, 2), **how), F.fold(c, (7, 8), (3, 2), **how))


def test_col2im_of_ones_counts_the_windows_of_each_pixel():
    assert col2im(torch.ones(1, 4, 6), (3, 4), 2)[0, 0].tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]
    assert col2im(torch.ones(1, 9, 4), 5, 3, 2)[0, 0, 2].tolist() == [2, 2, 4, 2, 2]


def test_without_overlap_col2im_undoes_im2col():
    x = randn(2, 3, 6, 8)
    assert torch.equal(col2im(im2col(x, (3, 2), (3, 2)), (6, 8), (3, 2), (3, 2)), x)


@pytest.mark.parametrize('shape', [(1, 9, 5), (1, 8, 4), (1, 9, 3)])
def test_col2im_refuses_columns_of_another_picture(shape):
    with pytest.raises(ValueError, match=rf'col2im: columns \({shape[0]}, {shape[1]}, {shape[2]}\) for \[2, 2\] places of a kernel \(3, 3\)'): col2im(torch.zeros(shape), (4, 4), 3)


def test_columns_are_a_copy_and_leave_the_picture_alone():
    x = randn(1, 1, 3, 3)
    before = x.clone()
    im2col(x, 1).zero_()
    col2im(im2col(x, 2), (3, 3), 2).zero_()
    assert torch.equal(x, before)


@pytest.mark.parametrize('f', [lambda x: im2col(x, 2, padding=-1), lambda x: col2im(x.flatten(1, 2), 4, 1, padding=-1), lambda x: im2col(x, 5), lambda x: windows(x, (2, 5)), lambda x: im2col(x, 2, 0)])
def test_columns_of_impossible_settings_are_refused(f):
    with pytest.raises(ValueError, match='padding|spans|stride'): f(torch.zeros(1, 1, 4, 4))


PICTURE = torch.zeros(1, 4, 9, 9)
CALLS = [(conv2d, dict(x=PICTURE, w=torch.zeros(1, 4, 2, 2)), 'stride padding dilation'), (windows, dict(x=PICTURE, kernel_size=2), 'kernel_size stride dilation'),
         (im2col, dict(x=PICTURE, kernel_size=2), 'kernel_size stride padding dilation'), (max_pool2d, dict(x=PICTURE, kernel_size=2), 'kernel_size stride padding'),
         (col2im, dict(cols=torch.zeros(1, 4, 64), size=9, kernel_size=2), 'size kernel_size stride padding dilation')]


@pytest.mark.parametrize('f, given, setting', [(f, given, setting) for f, given, settings in CALLS for setting in settings.split()])
def test_a_setting_that_is_no_pair_is_refused_by_its_name(f, given, setting):
    f(**given)
    with pytest.raises(ValueError, match=f"^{setting} 'wide', wanted a whole number from 0 on or a pair"): f(**{**given, setting: 'wide'})


# ---- conv2d

@pytest.mark.parametrize('how', [dict(), dict(stride=(2, 1), padding=(1, 0)), dict(dilation=(1, 2), groups=2), dict(stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=4)])
def test_it_is_what_the_loops_of_the_definition_give(how):
    x, w = randn(2, 4, 6, 5), randn(8, 4//how.get('groups', 1), 3, 2)
    close(conv2d(x, w, **how), loops(x, w, **how))


def test_conv2d_by_hand():
    x, w = tensor([[[[1., 2, 3], [4, 5, 6]]]]), tensor([[[[10., 1]]], [[[0., -1]]]])
    assert conv2d(x, w, tensor([100., 0])).tolist() == [[[[112, 123], [145, 156]], [[-2, -3], [-5, -6]]]]
    assert conv2d(x, w[:1], padding=(0, 1)).tolist() == [[[[1, 12, 23, 30], [4, 45, 56, 60]]]]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('groups', [1, 2, 4])
@pytest.mark.parametrize('how', SETTINGS)
@pytest.mark.parametrize('n', [1, 3])
def test_value_and_all_three_gradients_are_pytorchs(n, how, groups, dtype):
    inputs = [randn(*shape, grad=True, dtype=dtype) for shape in [(n, 4, 7, 9), (8, 4//groups, 3, 2), (8,)]]
    ours, theirs = [f(*inputs, groups=groups, **how) for f in (conv2d, F.conv2d)]
    close(ours, theirs, rtol=1e-5, atol=1e-5)
    g = randn(*ours.shape, dtype=dtype, seed=3)
    for got, want in zip(*[torch.autograd.grad(y, inputs, g) for y in (ours, theirs)], strict=True): close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('x, w', [((1, 1, 1, 1), (1, 1, 1, 1)), ((2, 3, 1, 5), (2, 3, 1, 5)), ((1, 2, 5, 1), (3, 2, 3, 1)), ((0, 2, 4, 4), (3, 2, 3, 3)), ((3, 1, 2, 2), (1, 1, 2, 2))])
def test_sizes_of_one_and_an_empty_batch(x, w):
    inputs = [randn(*shape, grad=True) for shape in (x, w, w[:1])]
    ours, theirs = [f(*inputs) for f in (conv2d, F.conv2d)]
    close(ours, theirs)
    for got, want in zip(*[torch.autograd.grad(y.sum(), inputs) for y in (ours, theirs)], strict=True): close(got, want)


@pytest.mark.parametrize('groups', [1, 2])
def test_a_batch_that_is_taken_in_parts_gives_the_same(groups):
    inputs = [randn(shape[0], *shape[1:], grad=True) for shape in [(7, 16, 40, 50), (4, 16//groups, 3, 3), (4,)]]     # one image: 288,000 numbers
    ours, theirs = [f(*inputs, padding=1, groups=groups) for f in (conv2d, F.conv2d)]
    assert ours.grad_fn.n < 7
    close(ours, theirs)
    g = randn(*ours.shape)
    for got, want in zip(*[torch.autograd.grad(y, inputs, g) for y in (ours, theirs)], strict=True): close(got, want)


def test_gradients_that_nobody_wants_are_not_computed(monkeypatch):
    x, w, b = randn(2, 2, 5, 5), randn(3, 2, 3, 3), randn(3)
    done, apply = [], Columns.apply
    monkeypatch.setattr('exp.nb_07.col2im', lambda *args: done.append('col2im') or col2im(*args))
    monkeypatch.setattr(Columns, 'apply', lambda *args: done.append('im2col') or apply(*args))
    for wanted, work in [('x', ['im2col', 'col2im']), ('w', ['im2col', 'im2col']), ('b', ['im2col'])]:
        leaves = {name: t.clone().requires_grad_(name == wanted) for name, t in zip('xwb', (x, w, b))}
        done.clear()
        conv2d(*leaves.values()).sum().backward()
        assert done == work and [name for name, t in leaves.items() if t.grad is not None] == [wanted]


def test_without_a_gradient_nothing_is_kept():
    y = conv2d(randn(1, 1, 4, 4), randn(1, 1, 3, 3))
    assert not y.requires_grad and y.grad_fn is None


def test_finite_differences_of_the_first_and_the_second_gradient():
    inputs = [randn(*shape, grad=True) for shape in [(2, 2, 3, 4), (2, 1, 2, 2), (2,)]]
    def f(*ts): return conv2d(*ts, stride=(1, 2), padding=(1, 0), dilation=(1, 2), groups=2)
    assert torch.autograd.gradcheck(f, inputs) and torch.autograd.gradgradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(lambda x: im2col(x, 2, padding=1).pow(2), inputs[:1])


@pytest.mark.parametrize('change', [lambda x: x.transpose(2, 3), lambda x: x[:, :, ::2, 1:], lambda x: x.to(memory_format=torch.channels_last), lambda x: x[:1].expand(3, -1, -1, -1)])
def test_pictures_and_kernels_may_lie_in_memory_as_they_like(change):
    x, w = change(randn(3, 4, 9, 8)), randn(2, 3, 4, 3).permute(0, 2, 3, 1)
    inputs = [t.detach().requires_grad_() for t in (x, w)]
    ours, theirs = [f(*inputs) for f in (conv2d, F.conv2d)]
    close(ours, theirs)
    g = randn(*ours.shape[1:], ours.shape[0]).permute(3, 0, 1, 2)
    for got, want in zip(*[torch.autograd.grad(y, inputs, g) for y in (ours, theirs)], strict=True): close(got, want)


def test_inputs_and_gradients_from_above_are_not_changed():
    inputs = [randn(2, 2, 5, 6, grad=True), randn(3, 2, 2, 2, grad=True), randn(3, grad=True)]
    y, before = conv2d(*inputs), [t.detach().clone() for t in inputs]
    g = randn(*y.shape)
    kept = g.clone()
    first, again = [torch.autograd.grad(y, inputs, g, retain_graph=True) for _ in range(2)]
    assert torch.equal(g, kept) and all(map(torch.equal, before, [t.detach() for t in inputs])) and all(map(torch.equal, first, again))


def test_it_is_linear_in_the_picture_and_in_the_kernels():
    x, z, w, v = randn(2, 2, 5, 6), randn(2, 2, 5, 6, seed=1), randn(3, 2, 3, 3), randn(3, 2, 3, 3, seed=1)
    close(conv2d(2*x + z, w, padding=1), 2*conv2d(x, w, padding=1) + conv2d(z, w, padding=1))
    close(conv2d(x, 2*w + v), 2*conv2d(x, w) + conv2d(x, v))


@pytest.mark.parametrize('stride, by', [(1, (1, 2)), (2, (2, 4)), ((3, 1), (3, 1))])
def test_moving_the_picture_by_strides_moves_the_maps(stride, by):
    x, w, (sh, sw) = randn(1, 2, 20, 22), randn(3, 2, 3, 2), both('', stride)
    here, there = conv2d(x, w, stride=stride), conv2d(x[:, :, by[0]:, by[1]:], w, stride=stride)
    close(there, here[:, :, by[0]//sh:, by[1]//sw:])


def test_groups_are_convolutions_side_by_side():
    x, w, b = randn(2, 6, 5, 4), randn(4, 3, 2, 2), randn(4)
    parts = [conv2d(x[:, 3*k:3*k + 3], w[2*k:2*k + 2], b[2*k:2*k + 2]) for k in range(2)]
    close(conv2d(x, w, b, groups=2), torch.cat(parts, 1))


def test_what_is_no_number_is_not_hidden():
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = math.nan
    assert conv2d(x, torch.ones(1, 1, 2, 2)).isnan()[0, 0].nonzero().tolist() == [[0, 0]]
    assert max_pool2d(x, 2).isnan().sum() == avg_pool2d(x, 2).isnan().sum() == 1


REFUSED = [((2, 3, 5, 5), (4, 2, 3, 3), {}, '3 channels, and 1 group.* of 2'), ((2, 4, 5, 5), (4, 4, 3, 3), dict(groups=2), '4 channels, and 2 group.* of 4'),
           ((2, 4, 5, 5), (3, 2, 3, 3), dict(groups=2), '3 kernels cannot be shared out to 2'), ((2, 3, 5, 5), (4, 3, 3), {}, 'wanted .N, C, H, W. and'),
           ((3, 5), (4, 3, 3, 3), {}, 'wanted .N, C, H, W. and'), ((2, 3, 5, 5), (4, 3, 6, 3), {}, 'spans 6 numbers has no place among 5'),
           ((2, 3, 5, 5), (4, 3, 3, 3), dict(stride=0), 'stride 0'), ((2, 3, 5, 5), (4, 3, 3, 3), dict(padding=-1), 'padding -1'), ((2, 3, 5, 5), (4, 3, 3, 3), dict(dilation=0), 'dilation 0'),
           ((2, 3, 5, 5), (4, 3, 3, 3), dict(groups=0), 'groups 0'), ((2, 3, 5, 5), (0, 3, 3, 3), {}, 'only the batch may be empty'), ((2, 3, 5, 5), (4, 3, 0, 3), {}, 'only the batch'),
           ((2, 3, 5, 5), (4, 3, 3, 3), dict(stride=(1, 1, 1)), 'stride'), ((2, 3, 5, 5), (4, 3, 3, 3), dict(stride=1.), 'stride'), ((2, 3, 0, 5), (4, 3, 1, 1), dict(padding=1), 'only the batch'),
           ((2, 3, 5, 0), (4, 3, 1, 1), dict(padding=1), 'only the batch'), ((2, 0, 5, 5), (4, 3, 3, 3), {}, 'only the batch')]


@pytest.mark.parametrize('x, w, how, words', REFUSED)
def test_what_pytorch_refuses_is_refused_with_the_shapes_that_met(x, w, how, words):
    with pytest.raises((RuntimeError, TypeError)): F.conv2d(torch.zeros(x), torch.zeros(w), **how)
    with pytest.raises(ValueError, match=words): conv2d(torch.zeros(x), torch.zeros(w), **how)


@pytest.mark.parametrize('b', [(5,), (4, 1), (), (1,)])
def test_a_bias_is_one_number_for_each_kernel(b):
    with pytest.raises(RuntimeError): F.conv2d(torch.zeros(2, 3, 5, 5), torch.zeros(4, 3, 3, 3), torch.zeros(b))
    with pytest.raises(ValueError, match='b .*: wanted a bias for each of 4 kernels'): conv2d(torch.zeros(2, 3, 5, 5), torch.zeros(4, 3, 3, 3), torch.zeros(b))


@pytest.mark.parametrize('dtypes', [(torch.float32, torch.float64, torch.float32), (torch.float32, torch.float32, torch.float64), (torch.int64,)*3])
def test_all_are_of_one_floating_type(dtypes):
    inputs = [torch.zeros(shape, dtype=dtype) for shape, dtype in zip([(1, 1, 3, 3), (1, 1, 2, 2), (1,)], dtypes)]
    with pytest.raises(TypeError, match='wanted one floating type'): conv2d(*inputs)


def test_the_shapes_that_met_are_told_with_that_of_the_bias_if_there_is_one():
    x, w = torch.zeros(2, 3, 5, 5), torch.zeros(4, 2, 3, 3)
    for b, told in (None, ''), (torch.zeros(4), ', b (4,)'):
        with pytest.raises(ValueError) as e: conv2d(x, w, b)
        assert str(e.value) == f'conv2d: x (2, 3, 5, 5), w (4, 2, 3, 3){told}: 3 channels, and 1 group(s) of 2 in the kernels'


def test_padding_by_name_is_refused():
    with pytest.raises(ValueError, match="padding 'same', wanted a whole number from 0 on or a pair"): conv2d(torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3), padding='same')


def test_a_half_type_is_kept_and_differs_by_rounding():
    x, w = randn(2, 3, 6, 6).bfloat16(), randn(2, 3, 3, 3).bfloat16()
    close(conv2d(x, w).float(), F.conv2d(x.float(), w.float()), rtol=.05, atol=.1)
    assert conv2d(x, w).dtype == torch.bfloat16


@pytest.mark.timing
def test_it_is_not_far_behind_the_library():
    inputs = [randn(*shape, grad=True, dtype=torch.float32) for shape in [(64, 16, 28, 28), (16, 16, 3, 3), (16,)]]
    def both_ways(f): torch.autograd.grad(f(*inputs, padding=1).sum(), inputs)
    best = []
    for _ in range(30):
        best.append([timed(both_ways, f, seconds=.01) for f in (conv2d, F.conv2d)])
        ours, theirs = map(min, zip(*best))
        if len(best) >= 3 and ours < 4 * theirs: return
    assert ours < 4 * theirs


# ---- receptive fields

def seen_by(net, h, w, i, j):
    "The rows and columns from the first to the last pixel that the number at (i, j) of the first map has a slope along."
    x = torch.rand(1, 1, h, w, requires_grad=True)
    for p in net.parameters(): nn.init.constant_(p, .1)
    g, = torch.autograd.grad(net(x)[0, 0, i, j], x)
    rows, columns = g[0, 0].abs().sum(1).nonzero(), g[0, 0].abs().sum(0).nonzero()
    return (rows.min().item(), rows.max().item()), (columns.min().item(), columns.max().item())


NETS = [nn.Sequential(nn.Conv2d(1, 2, 3)), nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3)), nn.Sequential(nn.Conv2d(1, 2, 5, 2, 2), nn.Conv2d(2, 1, 3, 2, 1)),
        nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2, padding=2), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3, padding=1)), nn.Sequential(conv_block(1, 2), nn.AvgPool2d(3, 2, 1), conv_block(2, 1, 5, 2)),
        nn.Sequential(nn.Conv2d(1, 1, (3, 5), (2, 1), (0, 2)), nn.Tanh(), nn.Conv2d(1, 1, (1, 3), (1, 3), dilation=(1, 2))),
        nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1))))]


@pytest.mark.parametrize('net', NETS)
def test_a_field_that_is_computed_is_the_field_that_the_gradient_shows(net):
    for i, j in [(2, 3), (3, 2)]:
        for axis, (place, (first, last)) in enumerate(zip((i, j), seen_by(net, 61, 64, i, j))):
            size, step, start = receptive_field(net, axis)
            assert (max(0, start + place*step), start + place*step + size - 1) == (first, last)


def test_fields_by_hand():
    assert receptive_field([]) == (1, 1, 0) and receptive_field([nn.MaxPool2d(2), nn.MaxPool2d(2)]) == (4, 4, 0)
    assert receptive_field([nn.Conv2d(1, 1, 3, padding=1)]*3) == (7, 1, -3) and receptive_field([nn.Conv2d(1, 1, 7, padding=3)]) == (7, 1, -3)
    wide = [nn.Sequential(nn.Conv2d(1, 1, (3, 5), (1, 2)))]
    assert receptive_field(wide) == receptive_field(wide, 0) == (3, 1, 0) and receptive_field(wide, 1) == (5, 2, 0)


@pytest.mark.parametrize('layer', [nn.Flatten(), nn.Linear(3, 3), nn.AdaptiveAvgPool2d(1), nn.ConvTranspose2d(1, 1, 3)])
def test_a_layer_without_a_field_is_refused_by_its_name(layer):
    with pytest.raises(ValueError, match=f'{type(layer).__name__} has no field'): receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3), layer))


# ---- pooling

POOLS = [(2, {}), (3, dict(stride=2)), (3, dict(stride=1, padding=1)), ((2, 3), dict(stride=(1, 2), padding=(1, 0))), ((1, 2), {}), (2, dict(stride=3, padding=1))]


@pytest.mark.parametrize('kernel_size, how', POOLS)
@pytest.mark.parametrize('ours, theirs', [(max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d), (lambda *a, **k: avg_pool2d(*a, **k, count_include_pad=False),
                                                                                                    lambda *a, **k: F.avg_pool2d(*a, **k, count_include_pad=False))])
@pytest.mark.parametrize('shape', [(3, 2, 7, 8), (1, 1, 3, 3)])
def test_pooling_has_pytorchs_values_and_gradients(shape, ours, theirs, kernel_size, how):
    x = randn(*shape, grad=True)
    got, want = [f(x, kernel_size, **how) for f in (ours, theirs)]
    close(got, want)
    g = randn(*got.shape)
    close(*[torch.autograd.grad(y, x, g)[0] for y in (got, want)])


@pytest.mark.parametrize('kernel_size, how', POOLS)
def test_of_equal_numbers_the_first_gets_the_gradient_as_in_pytorch(kernel_size, how):
    x = torch.randint(0, 2, (2, 3, 9, 8), generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    got, want = [torch.autograd.grad(f(x, kernel_size, **how).sum(), x)[0] for f in (max_pool2d, F.max_pool2d)]
    assert torch.equal(got, want)


@pytest.mark.parametrize('kernel_size, how', POOLS)
@pytest.mark.parametrize('count_include_pad', [True, False])
def test_zeros_of_a_picture_count_in_its_means(kernel_size, how, count_include_pad):
    x = randn(2, 3, 7, 8).relu()
    close(*[f(x, kernel_size, **how, count_include_pad=count_include_pad) for f in (avg_pool2d, F.avg_pool2d)])


def test_pools_by_hand():
    x = tensor([[[[-1., -2, -7], [-3, -4, -8], [-9, -9, -6]]]])
    assert max_pool2d(x, 2, 1).flatten().tolist() == [-1, -2, -3, -4] and avg_pool2d(x, 2).item() == -2.5
    assert max_pool2d(x, 2, padding=1).flatten().tolist() == [-1, -2, -3, -4]                       # zeros of a padding do not win
    assert avg_pool2d(x, 2, padding=1)[0, 0, 0, 0] == -.25 and avg_pool2d(x, 2, padding=1, count_include_pad=False)[0, 0, 0, 0] == -1


@pytest.mark.parametrize('f', [max_pool2d, avg_pool2d])
def test_a_pool_sees_each_channel_by_itself(f):
    x = randn(2, 3, 6, 6)
    close(f(x, 2), torch.stack([f(x[:, k:k + 1], 2)[:, 0] for k in range(3)], 1))
    close(f(x, 1), x)


@pytest.mark.parametrize('f, theirs', [(max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d)])
@pytest.mark.parametrize('args', [(2, 2, 2), (3, 1, 2), (1, 1, 1), ((4, 2), 1, (2, 2)), (2, 2, -1), (9,), (2, 0)])
def test_pools_that_pytorch_refuses_are_refused(f, theirs, args):
    with pytest.raises(RuntimeError): theirs(torch.zeros(1, 1, 5, 5), *args)
    with pytest.raises(ValueError, match='padding|spans|stride'): f(torch.zeros(1, 1, 5, 5), *args)


def test_a_pool_with_ceil_mode_is_refused_by_name():
    for f in (max_pool2d, avg_pool2d):
        with pytest.raises(TypeError, match='ceil_mode'): f(torch.zeros(1, 1, 5, 5), 2, ceil_mode=True)


# ---- the block

@pytest.mark.parametrize('kernel_size, stride', [(1, 1), (3, 1), (5, 1), (3, 2), (5, 3)])
def test_a_block_keeps_the_size_or_divides_it_by_the_stride(kernel_size, stride):
    block, x = conv_block(2, 5, kernel_size, stride), torch.randn(3, 2, 9, 10)
    assert block(x).shape == (3, 5, -(-9 // stride), -(-10 // stride))
    close(block(x), conv2d(x, block[0].weight, block[0].bias, stride, kernel_size//2).relu(), rtol=1e-4, atol=1e-5)


def test_a_block_can_have_another_activation_and_no_even_kernel():
    assert isinstance(conv_block(1, 1, act=nn.Tanh)[1], nn.Tanh) and isinstance(conv_block(1, 1)[1], nn.ReLU)
    assert conv_block(1, 2)(torch.zeros(1, 1, 5, 6)).shape == (1, 2, 5, 6)
    for even in (2, 4):
        with pytest.raises(ValueError, match=f'a kernel of {even} has no middle'): conv_block(1, 1, even)


def test_a_kernel_learns_which_way_a_stroke_runs():
    torch.manual_seed(0)
    x, y, places = .1 * torch.randn(64, 1, 8, 8), torch.arange(64) % 2, torch.randint(0, 8, (64,))
    x[y == 0, 0, places[y == 0]] += 1                                              # a row
    x[y == 1, 0, :, places[y == 1]] += 1                                           # a column
    w, v = [t.requires_grad_() for t in (.3*torch.randn(4, 1, 3, 3), torch.randn(4, 2))]
    losses = []
    for _ in range(40):
        losses.append(F.cross_entropy(max_pool2d(conv2d(x, w, padding=1).relu(), 8).flatten(1) @ v, y))
        for p, g in zip((w, v), torch.autograd.grad(losses[-1], (w, v))): p.data -= .3 * g
    assert losses[-1] < .2 * losses[0]

"Every view against torch: values, shape, strides, and the address of the first number."
import math
import pytest, torch
from hypothesis import given, settings, strategies as st
from exp.nb_01a import (Layout, Strided, Views, contiguous, expand, insert, is_contiguous, narrow, numbers, permute, pick, reshape, row_major,
                        view, view_strides)

SHAPES = st.lists(st.sampled_from([0, 1, 1, 2, 3, 4]), max_size=4).map(tuple)
thoroughly = settings(max_examples=200, report_multiple_bugs=False)


def both(shape):
    "The same numbers as ours and as torch's."
    n = math.prod(shape)
    return Strided(list(range(n)), shape), torch.arange(n).view(shape)


def check(ours, theirs, base):
    assert (ours.shape, ours.strides) == (tuple(theirs.shape), theirs.stride())
    assert ours.tolist() == theirs.tolist() and ours.numel() == theirs.numel()
    assert ours.offset == theirs.storage_offset()
    if theirs.numel(): assert theirs.data_ptr() == base.data_ptr() + ours.offset * base.element_size()
    assert is_contiguous(ours) == theirs.is_contiguous()


@st.composite
def indices(draw, shape):
    "An index for a tensor of this shape: whole numbers, slices, None, perhaps `...` in the place of some axes."
    first, last = sorted(draw(st.integers(0, len(shape))) for _ in range(2))
    parts = []
    for axis, size in enumerate(shape):
        if axis == first: parts.append(...)
        if first <= axis < last: continue
        if draw(st.integers(0, 4)) == 0: parts.append(None)
        ends = st.none() | st.integers(-size - 2, size + 2)
        cut = st.builds(slice, ends, ends, st.none() | st.integers(1, 3))
        parts.append(draw(cut | st.integers(-size, size - 1) if size else cut))
    return tuple(parts)


@st.composite
def walked(draw):
    "A tensor after some random views, with torch's and the base."
    shape = draw(SHAPES)
    (ours, theirs), base = both(shape), None
    base = theirs
    for kind in draw(st.lists(st.sampled_from(['index', 'permute', 'expand', 'insert']), max_size=4)):
        if kind == 'index':
            index = draw(indices(ours.shape))
            ours, theirs = ours[index], theirs[index]
        elif kind == 'permute':
            axes = draw(st.permutations(range(len(ours.shape))))
            ours, theirs = permute(ours, *axes), theirs.permute(axes)
        elif kind == 'insert' and len(ours.shape) < 5:
            axis = draw(st.integers(0, len(ours.shape)))
            ours, theirs = insert(ours, axis), theirs.unsqueeze(axis)
        elif len(ours.shape) < 5:
            new = draw(st.lists(st.sampled_from([1, 2, 3]), max_size=2)) + [n if n != 1 else draw(st.sampled_from([1, 2])) for n in ours.shape]
            ours, theirs = expand(ours, *new), theirs.expand(new)
    return ours, theirs, base


def splits(n):
    "Shapes of n numbers, with axes of size 1 among them."
    return [s for s in [(n,), (1, n), (n, 1), *((a, n // a) for a in (2, 3, 4) if n % a == 0), *((2, a, n // 2 // a) for a in (1, 2, 3) if n % (2*a) == 0)]]


# ---- by hand

def test_strides_by_hand():
    x = Strided(list(range(24)), (2, 3, 4))
    assert x.strides == (12, 4, 1) and permute(x, 2, 0, 1).strides == (1, 12, 4)
    part = x[1, 1:, ::2]
    assert (part.shape, part.strides, part.offset) == ((2, 2), (4, 2), 16) and part.tolist() == [[16, 18], [20, 22]]
    assert expand(x[1, 2:], 2, 4).tolist() == [x[1, 2].tolist()] * 2
    assert expand(x[0, :1], 3, 4).strides == (0, 1) and x[:, None].shape == (2, 1, 3, 4)


def test_whether_a_walk_has_no_gaps_by_hand():
    x = Strided(list(range(12)), (3, 4))
    assert [is_contiguous(view) for view in (x, x[1:], x[:, :2], x[::2], permute(x, 1, 0), expand(x[:1], 3, 4), x[:1, :2])] == [True, True] + [False]*4 + [True]


def test_views_share_the_list_and_a_write_is_seen_by_all():
    x = Strided([0] * 4, (1, 4))
    rows, turned = expand(x, 3, 4), permute(x, 1, 0)
    rows[0, 2] = 7
    assert x.tolist() == [[0, 0, 7, 0]] and rows.tolist() == [[0, 0, 7, 0]] * 3 and turned[2].tolist() == [7]
    assert rows.storage is x.storage is turned.storage


def test_windows_are_a_matter_of_strides():
    assert Strided(list(range(5)), (3, 3), (1, 1)).tolist() == torch.arange(5).unfold(0, 3, 1).tolist()


def test_a_tensor_without_axes_is_a_number():
    x = Strided([5], ())
    assert (x.tolist(), x.strides, x.numel()) == (5, (), 1)
    assert view(x, 1, 1).strides == (1, 1) and x[None].tolist() == [5] and numbers(x) == [5]


def test_a_tensor_shows_its_numbers_and_how_they_are_walked():
    assert repr(Strided([1, 2, 3], (3,))[1:]) == 'Strided([2, 3], strides=(1,), offset=1)'


def test_a_layout_reads_and_says_where_a_number_lies():
    x = Layout(range(100, 112), (2, 3), (4, 1), 5)
    assert x.tolist() == [[105, 106, 107], [109, 110, 111]] and x.tolist(1) == [109, 110, 111] and x.tolist(1, 2) == 111
    assert (x.place(), x.place(1), x.place(1, 2), x.numel()) == (5, 9, 11, 6)
    assert repr(Layout([1, 2, 3], (2,), offset=1)) == 'Layout([2, 3], strides=(1,), offset=1)'


def test_views_of_views_are_views_and_those_of_a_strided_can_be_written_to():
    x = Views([10, 11, 12, 13, 14, 15], (2, 3))
    part = narrow(insert(pick(x, 0, 1), 0), 1, slice(1, None))
    assert type(part) is Views and part.tolist() == [[14, 15]] and part.storage is x.storage and repr(part).startswith('Views([[14, 15]]')
    assert type(pick(Strided([1, 2], (2,)), 0, 1)) is Strided


def test_no_strides_for_a_walk_with_gaps():
    assert torch.arange(12).as_strided((3, 1, 4), (4, 99, 1)).view(12).stride() == view_strides((3, 1, 4), (4, 99, 1), (12,)) == (1,)
    assert view_strides((2, 3, 3), (12, 4, 1), (2, 9)) is None and view_strides((2, 3, 3), (12, 4, 1), (6, 3)) == (4, 1)


def test_no_numbers_keep_their_strides_in_the_same_shape():
    empty = torch.empty(0).as_strided((0, 3), (1, 7))
    for new in (0, 3), (3, 0): assert view_strides((0, 3), (1, 7), new) == empty.view(new).stride()
    assert view_strides((0, 3), (1, 7), (0, 3)) == (1, 7)


@pytest.mark.parametrize('f, error, text', [
    (lambda x: x[3], IndexError, 'index 3 for axis 0 of size 3'), (lambda x: x[-4], IndexError, 'index -4 for axis 0 of size 3'),
    (lambda x: x[0, 4], IndexError, 'index 4 for axis 0 of size 4'), (lambda x: x[0, 0, 0], IndexError, r'3 indices for shape \(3, 4\)'),
    (lambda x: x[1.5], TypeError, 'index 1.5 for axis 0, wanted a whole number'), (lambda x: x[True], TypeError, 'index True for axis 0'),
    (lambda x: x[[0, 1]], TypeError, r'index \[0, 1\] for axis 0'), (lambda x: x[..., ...], TypeError, r'\.\.\. once'),
    (lambda x: Strided([1, 2], (3,)), ValueError, r'\(3,\) by \(1,\) from 0 ends at place 2 of 2'),
    (lambda x: Strided([1, 2], (2,), offset=1), ValueError, r'\(2,\) by \(1,\) from 1 ends at place 2 of 2'),
    (lambda x: Strided([1, 2], (2,), (1, 1)), ValueError, r'strides \(1, 1\) for shape \(2,\)'),
    (lambda x: Strided([1, 2], (2,), (-1,)), ValueError, r'\(2,\) by \(-1,\) from 0: none may be negative'),
    (lambda x: Strided([1, 2], (2,), (-1,), 1), ValueError, 'none may be negative'), (lambda x: Strided([1, 2], (2,), offset=-1), ValueError, 'from -1: none'),
    (lambda x: Strided([1, 2], (-1,)), ValueError, r'\(-1,\) by \(1,\) from 0: none may be negative'), (lambda x: Strided([], (-1, 0)), ValueError, 'none may be negative'),
    (lambda x: insert(x, -1), IndexError, r'axis -1 of \(3, 4\)'), (lambda x: insert(x, 3), IndexError, r'axis 3 of \(3, 4\)'),
    *[(lambda x, axis=axis, part=part: (narrow if part else pick)(x, axis, part or 0), IndexError, rf'axis {axis} of \(3, 4\)') for axis in (-3, -1, 2) for part in (None, slice(2))],
    (lambda x: view(x, -3, -4), ValueError, r'view: 12 numbers, of shape \(3, 4\), as \(-3, -4\)'),
    (lambda x: reshape(x, -3, -4), ValueError, r'as \(-3, -4\)'), (lambda x: reshape(permute(x, 1, 0), -3, -4), ValueError, r'as \(-3, -4\)'),
    (lambda x: expand(x[:1], -1, 4), ValueError, r'expand: shape \(1, 4\) to \(-1, 4\)'),
    (lambda x: x[::-1], ValueError, 'a slice with step -1, wanted 1 or more'),
    (lambda x: permute(x, 0, 0), ValueError, r'permute: axes \(0, 0\) for shape \(3, 4\)'),
    (lambda x: permute(x, 0), ValueError, r'permute: axes \(0,\) for shape \(3, 4\)'),
    (lambda x: expand(x, 6, 4), ValueError, r'expand: shape \(3, 4\) to \(6, 4\)'), (lambda x: expand(x, 3, 5), ValueError, r'to \(3, 5\)'),
    (lambda x: expand(x, 4), ValueError, r'expand: shape \(3, 4\) to \(4,\)'),
    (lambda x: view(x, 5, 2), ValueError, r'view: 12 numbers, of shape \(3, 4\), as \(5, 2\)'),
    (lambda x: reshape(x, 13), ValueError, r'view: 12 numbers, of shape \(3, 4\), as \(13,\)'),
    (lambda x: view(permute(x, 1, 0), 12), ValueError, r'view: shape \(4, 3\) with strides \(1, 4\) as \(12,\): only a copy'),
    (lambda x: x.__setitem__(0, 1), ValueError, r'one value for a view of shape \(4,\), wanted a single place')])
def test_what_cannot_be_is_refused_with_what_came(f, error, text):
    with pytest.raises(error, match=text): f(both((3, 4))[0])


# ---- by property

@thoroughly
@given(walked())
def test_any_chain_of_views_is_torchs(case): check(*case)


@thoroughly
@given(walked(), st.data())
def test_view_and_reshape_decide_and_walk_as_torch_does(case, data):
    ours, theirs, base = case
    shape = data.draw(st.sampled_from(splits(ours.numel()) + [ours.shape, tuple(n for n in ours.shape if n != 1)]))
    try: want = theirs.view(shape)
    except RuntimeError:
        with pytest.raises(ValueError, match='only a copy can do that'): view(ours, *shape)
        copied = reshape(ours, *shape)
        assert copied.storage is not ours.storage and copied.strides == row_major(shape)
    else:
        check(view(ours, *shape), want, base)
        assert reshape(ours, *shape).storage is ours.storage
    assert reshape(ours, *shape).tolist() == theirs.reshape(shape).tolist()


@thoroughly
@given(SHAPES)
def test_a_new_tensor_has_torchs_strides(shape):
    assert row_major(shape) == torch.empty(shape).stride()


@thoroughly
@given(walked())
def test_contiguous_copies_only_where_it_must(case):
    ours, theirs, _ = case
    copy = contiguous(ours)
    assert (copy is ours) == theirs.is_contiguous()
    assert is_contiguous(copy) and copy.tolist() == ours.tolist() and numbers(ours) == theirs.flatten().tolist()

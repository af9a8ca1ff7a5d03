import math, weakref
from itertools import product
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from torch.nn.attention.bias import causal_lower_right
from torch.utils._python_dispatch import TorchDispatchMode
import exp.nb_17
from exp.nb_17 import KVCache, SelfAttention, attention, attention_in_blocks, attention_weights, check_mask, fold_in, hide, may_look, rope, share_heads, softmax

SIZES = [(2, 4, 2, 5, 7, 3, 6), (1, 3, 3, 4, 4, 2, 2), (1, 2, 1, 1, 6, 5, 1), (3, 1, 1, 6, 1, 1, 2), (1, 6, 2, 7, 3, 4, 4)]         # bs, h, g, n, m, d, e
each_size = pytest.mark.parametrize('sizes', SIZES)
close = torch.testing.assert_close


def drawn(bs, h, g, n, m, d, e, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return [torch.randn(*shape, dtype=dtype).requires_grad_() for shape in ((bs, h, n, d), (bs, g, m, d), (bs, g, m, e))]


def by_loops(q, k, v, allowed=lambda b, i, j: True, scale=None):
    "Query by query, key by key; the softmax as it is defined."
    (bs, h, n, d), (g, m), y = q.shape, k.shape[1:3], torch.zeros(*q.shape[:3], v.shape[-1], dtype=q.dtype)
    for b, head, i in product(range(bs), range(h), range(n)):
        seen = [j for j in range(m) if allowed(b, i, j)]
        e = [math.exp((q[b, head, i] @ k[b, head * g // h, j]).item() * (scale or d**-.5)) for j in seen]
        y[b, head, i] = sum((x / sum(e) * v[b, head * g // h, j] for x, j in zip(e, seen)), torch.zeros(v.shape[-1], dtype=v.dtype))
    return y


def both(ours, theirs, inputs, tol=1e-10):
    "The same value and the same gradients, of a sum with random weights."
    want, g = theirs(*inputs), torch.randn_like(theirs(*inputs))
    close(ours(*inputs), want, rtol=tol, atol=tol)
    for mine, other in zip(torch.autograd.grad(ours(*inputs), inputs, g), torch.autograd.grad(want, inputs, g)): close(mine, other, rtol=tol, atol=tol)


def sdpa(q, k, v, mask=None, **how):
    return F.scaled_dot_product_attention(q, *[torch.stack([x[:, i * x.shape[1] // q.shape[1]] for i in range(q.shape[1])], 1) for x in (k, v)], mask, **how)


# ---- parts

def test_a_query_sees_up_to_the_key_beside_it_and_the_last_stands_beside_the_last():
    assert may_look(2, 4).tolist() == [[True, True, True, False], [True]*4]
    assert may_look(3, 1).tolist() == [[False], [False], [True]] and may_look(1, 3).all()
    assert may_look(2, 3, 0).tolist() == [[True, False, False], [True, True, False]] and not may_look(2, 3, -2).any() and may_look(2, 3, 2).all()
    assert may_look(2, 2).dtype == torch.bool and may_look(2, 2, device='meta').device.type == 'meta'


def test_bools_hide_and_floats_are_added():
    scores, allowed = tensor([[1., 2], [3, 4]]), tensor([[True, False], [False, True]])
    assert hide(scores, allowed).tolist() == [[1, -math.inf], [-math.inf, 4]]
    assert hide(scores, tensor([.5, -1])).tolist() == [[1.5, 1], [3.5, 3]]
    assert hide(scores, tensor([.5, -1], dtype=torch.float64)).dtype == torch.float32


def test_softmax_by_hand_of_huge_scores_and_of_none():
    close(softmax(tensor([0., math.log(3)])), tensor([.25, .75]))
    close(softmax(tensor([[1e4, 1e4], [-1e4, -1e4 - math.log(4)], [-math.inf, 2]]).double()), tensor([[.5, .5], [.8, .2], [0, 1]]).double(), rtol=1e-3, atol=1e-3)
    z = torch.full((2, 3), -math.inf).requires_grad_()
    assert softmax(z).tolist() == [[0]*3]*2 and torch.autograd.grad((softmax(z) * tensor([1., 2, 3])).sum(), z)[0].tolist() == [[0]*3]*2
    close(softmax(tensor([[0., 0, 0], [-math.inf]*3]).double()), tensor([[1/3]*3, [0]*3], dtype=torch.float64))


def test_heads_are_shared_by_neighbours():
    x = torch.arange(6.).reshape(1, 3, 2, 1)
    assert share_heads(x, 6)[0, :, 0, 0].tolist() == [0, 0, 2, 2, 4, 4] and share_heads(x, 3) is x


# ---- attention

@each_size
@pytest.mark.parametrize('causal', [False, True])
def test_attention_is_that_of_the_loops(sizes, causal):
    q, k, v = drawn(*sizes)
    n, m = sizes[3:5]
    want = by_loops(q, k, v, lambda b, i, j: not causal or j <= i + m - n)
    close(attention(q, k, v, causal=causal), want)
    close(attention(q, k, v, causal=causal, scale=.3), by_loops(q, k, v, lambda b, i, j: not causal or j <= i + m - n, .3))


@each_size
def test_value_and_gradients_are_pytorchs(sizes):
    inputs, (n, m) = drawn(*sizes), sizes[3:5]
    both(attention, sdpa, inputs)
    both(lambda *x: attention(*x, causal=True, scale=.7), lambda *x: sdpa(*x, may_look(n, m), scale=.7), inputs)
    if n == m: both(lambda *x: attention(*x, causal=True), lambda *x: sdpa(*x, is_causal=True), inputs)


def test_causal_is_pytorchs_lower_right():
    q, k, v = drawn(1, 2, 2, 3, 5, 4, 4)
    close(attention(q, k, v, causal=True), F.scaled_dot_product_attention(q, k, v, causal_lower_right(3, 5)))


def test_grouped_queries_are_pytorchs():
    if torch.__version__ < '2.5': pytest.skip('it has none before')
    both(attention, lambda *x: F.scaled_dot_product_attention(*x, enable_gqa=True), drawn(*SIZES[0]))


@pytest.mark.parametrize('shape', [(5, 7), (7,), (2, 1, 5, 7), (2, 4, 1, 7), (1, 1)])
def test_masks_of_bools_and_of_floats_are_pytorchs(shape):
    inputs = drawn(*SIZES[0])
    floats = torch.randn(shape, dtype=torch.float64).requires_grad_()
    allowed = torch.rand(shape) > .3
    both(lambda *x: attention(*x, allowed), lambda *x: sdpa(*x, allowed.expand(2, 4, 5, 7)), inputs)
    both(attention, lambda q, k, v, mask: sdpa(q, k, v, mask.expand(2, 4, 5, 7)), [*inputs, floats])
    both(lambda *x: attention(*x, allowed, True), lambda *x: sdpa(*x, allowed & may_look(5, 7)), inputs)


def test_a_query_that_may_look_at_nothing_gets_zeros_and_sends_none_back():
    inputs, mask = drawn(*SIZES[0]), torch.ones(5, 7, dtype=torch.bool)
    mask[3] = False
    for hidden in (mask, torch.zeros(5, 7).masked_fill(~mask, -math.inf)):
        y = attention(*inputs, hidden)
        grads = torch.autograd.grad(y.sum(), inputs)
        assert (y[:, :, 3] == 0).all() and (y[:, :, 2] != 0).all() and all(g.isfinite().all() for g in grads) and (grads[0][:, :, 3] == 0).all()
    both(lambda *x: attention(*x, mask), lambda *x: sdpa(*x, mask), inputs)


@pytest.mark.parametrize('f', [attention, attention_in_blocks])
@pytest.mark.parametrize('dtype, tol', [(torch.bfloat16, .02), (torch.float16, .003)])
def test_half_types_are_computed_in_float32_and_come_back(f, dtype, tol):
    inputs = [x.detach().to(dtype) for x in drawn(*SIZES[0])]
    y, exact = f(*inputs), by_loops(*[x.double() for x in inputs])
    assert y.dtype == dtype and (y.double() - exact).abs().max() < tol
    assert attention_weights(*inputs[:2]).dtype == torch.float32
    close(y, exact.to(dtype), rtol=0, atol=tol / 3)
    assert f(inputs[0] * 300, inputs[1] * 300, inputs[2]).isfinite().all()


def test_without_heads_and_with_more_axes_before_them():
    q, k, v = drawn(2, 4, 2, 5, 7, 3, 6)
    close(attention(q[0, 1], k[0, 0], v[0, 0], causal=True), attention(q, k, v, causal=True)[0, 1])
    close(attention(q[1], k[1], v[1]), attention(q, k, v)[1])
    close(attention(q[None], k[None], v[None])[0], attention(q, k, v))
    close(attention_in_blocks(q[0, 1], k[0, 0], v[0, 0], block=2), attention(q, k, v)[0, 1])


def test_the_weights_are_positive_add_up_to_one_and_make_the_answer():
    q, k, v = drawn(*SIZES[0])
    weights = attention_weights(q, k, causal=True)
    assert weights.shape == (2, 4, 5, 7) and (weights >= 0).all() and (weights.triu(3) == 0).all() and (weights[..., 0] > 0).all()
    close(weights.sum(-1), torch.ones(2, 4, 5, dtype=torch.float64))
    close(weights @ share_heads(v, 4), attention(q, k, v, causal=True))


def test_the_keys_order_does_not_matter_and_the_queries_order_is_the_answers():
    (q, k, v), keys, queries = drawn(*SIZES[0]), torch.randperm(7), torch.randperm(5)
    close(attention(q[:, :, queries], k[:, :, keys], v[:, :, keys]), attention(q, k, v)[:, :, queries])


@pytest.mark.parametrize('how', [lambda *x: attention(*x, causal=True), lambda *x: attention_in_blocks(*x, causal=True, block=2)])
def test_no_future_leaks(how):
    q, k, v = [x.detach() for x in drawn(1, 2, 1, 6, 6, 3, 3)]
    for j in range(6):
        changed = [x.clone() for x in (q, k, v)]
        for x in changed: x[:, :, j] += 5
        moved = (how(*changed) - how(q, k, v)).abs().amax((0, 1, 3)) > 0
        assert moved.tolist() == [i >= j for i in range(6)]


@pytest.mark.parametrize('shapes, words', [
    ([(2, 3, 4), (2, 5, 3), (2, 5, 4)], r'queries \(2, 3, 4\), keys \(2, 5, 3\), values \(2, 5, 4\): a query has as many numbers as a key'),
    ([(2, 3, 4), (2, 5, 4), (2, 6, 4)], 'each key has one value'), ([(2, 3, 4), (2, 0, 4), (2, 0, 4)], 'there is no key'), ([(2, 3, 0), (2, 5, 0), (2, 5, 4)], 'there is no key'),
    ([(3, 3, 4), (2, 5, 4), (2, 5, 4)], 'serves whole heads'), ([(3, 3, 4), (0, 5, 4), (0, 5, 4)], 'serves whole heads'), ([(2, 3, 4), (6, 5, 4), (6, 5, 4)], 'serves whole heads'),
    ([(2, 4, 3, 4), (1, 4, 5, 4), (1, 4, 5, 4)], 'differ before'), ([(1, 4, 3, 4), (1, 2, 5, 4), (1, 4, 5, 4)], 'differ before'), ([(2, 3, 4), (5, 4), (5, 4)], r'wanted \(\.\.\., n, d\)'), ([(4,), (4,), (4,)], r'wanted \(\.\.\., n, d\)'), ([(3, 4), (5, 4), (1, 5, 4)], r'wanted \(\.\.\., n, d\)')])
def test_shapes_that_do_not_go_together_are_refused(shapes, words):
    for f in (attention, attention_in_blocks):
        with pytest.raises(ValueError, match=words): f(*map(torch.zeros, shapes))


def test_types_that_do_not_go_together_are_refused():
    a, b, i = torch.zeros(1, 2, 3), torch.zeros(1, 2, 3, dtype=torch.float64), torch.zeros(1, 2, 3, dtype=torch.int64)
    for f, bad in product((attention, attention_in_blocks), ((a, a, b), (a, b, a), (b, a, a), (i, i, i))):
        with pytest.raises(TypeError, match='wanted floats of one type'): f(*bad)
    with pytest.raises(TypeError): attention_weights(a, b)


@pytest.mark.parametrize('mask, error, words', [(torch.ones(3, 5, dtype=torch.int64), TypeError, 'a mask of torch.int64, wanted bools or floats'), (torch.ones(5, 3, dtype=torch.bool), ValueError, r'a mask \(5, 3\) for scores \(2, 4, 3, 5\)'),
                                                (torch.ones(7, 1, 1, 3, 5), ValueError, 'a mask'), (torch.ones(1, 2, 4, 3, 5), ValueError, 'a mask'), (torch.ones(2, 1, 5), ValueError, 'a mask')])
def test_masks_that_do_not_fit_are_refused(mask, error, words):
    q, k, v = torch.zeros(2, 4, 3, 2), torch.zeros(2, 2, 5, 2), torch.zeros(2, 2, 5, 2)
    with pytest.raises(error, match=words): attention(q, k, v, mask)
    check_mask(torch.ones(5, dtype=torch.bool), (2, 4, 3, 5)), check_mask(torch.ones(()), (2, 4, 3, 5)), check_mask(torch.ones(2, 1, 3, 1), (2, 4, 3, 5))


# ---- in blocks

@each_size
@pytest.mark.parametrize('block', [1, 2, 3, 100])
def test_in_blocks_value_and_gradients_are_attentions(sizes, block):
    for causal, scale in ((False, None), (True, None), (True, 1.7)):
        both(lambda *x: attention_in_blocks(*x, causal, scale, block), lambda *x: attention(*x, causal=causal, scale=scale), drawn(*sizes))


def test_no_query_gives_no_answer():
    q, k, v = drawn(2, 4, 2, 0, 7, 3, 6)
    assert attention(q, k, v).shape == attention_in_blocks(q, k, v).shape == (2, 4, 0, 6)


def test_a_stream_of_blocks_gives_the_right_answer_after_each():
    torch.manual_seed(0)
    scores, v = torch.randn(2, 9, dtype=torch.float64) * 100, torch.randn(9, 3, dtype=torch.float64)
    state = torch.full((2, 1), -1e300, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)
    for i in range(0, 9, 2):
        state = fold_in(state, scores[:, i:i + 2], v[i:i + 2])
        close(state[2] / state[1], scores[:, :i + 2].softmax(-1) @ v[:i + 2])
        close(state[0][:, 0], scores[:, :i + 2].amax(1))
    assert not state[0].requires_grad


def test_blocks_survive_scores_that_overflow_alone():
    q = torch.full((1, 1, 3, 1), 200.)
    k = tensor([-9., -3, 5, 4.9, 5, -20]).reshape(1, 1, 6, 1)
    v = torch.arange(6.).reshape(1, 1, 6, 1)
    for block in (1, 2, 6): close(attention_in_blocks(q, k, v, block=block), torch.full((1, 1, 3, 1), 3.))
    close(attention_in_blocks(q, -k, v, True, block=1), attention(q, -k, v, causal=True))


class Bytes(TorchDispatchMode):
    "The most bytes of tensors made inside that were alive at once."
    def __init__(self):
        super().__init__()
        self.now, self.most, self.alive = 0, 0, set()
    def gone(self, key, size):
        self.alive.discard(key)
        self.now -= size
    def __torch_dispatch__(self, f, types, args=(), kwargs=None):
        out = f(*args, **(kwargs or {}))
        for storage in [part.untyped_storage() for part in (out if isinstance(out, (tuple, list)) else [out]) if torch.is_tensor(part)]:
            if storage._cdata in self.alive: continue
            self.alive.add(storage._cdata)
            self.now += storage.nbytes()
            weakref.finalize(storage, self.gone, storage._cdata, storage.nbytes())
        self.most = max(self.most, self.now)
        return out


def peak(f, n, m, **how):
    q, k, v = torch.randn(1, 2, n, 8), torch.randn(1, 2, m, 8), torch.randn(1, 2, m, 8)
    with torch.no_grad(), Bytes() as counted: f(q, k, v, **how)
    return counted.most


@pytest.mark.parametrize('causal', [False, True])
def test_memory_in_blocks_grows_with_the_length_and_that_of_attention_with_its_square(causal):
    assert peak(attention, 256, 256, causal=causal) > 3.6 * peak(attention, 128, 128, causal=causal)
    small, large = [peak(attention_in_blocks, n, n, causal=causal, block=16) for n in (128, 256)]
    assert large < 2.1 * small and large < peak(attention, 256, 256, causal=causal) / 8
    assert large < peak(attention_in_blocks, 256, 256, causal=causal, block=256) / 4


@pytest.mark.parametrize('n, m, causal, folds', [(64, 64, False, 16), (64, 64, True, 10), (33, 65, True, 3 + 4 + 5), (64, 16, True, 1), (3, 40, True, 3)])
def test_blocks_that_lie_in_the_future_are_left_out(monkeypatch, n, m, causal, folds):
    sizes = []
    monkeypatch.setattr(exp.nb_17, 'fold_in', lambda state, scores, v: sizes.append(scores.shape[-2:]) or fold_in(state, scores, v))
    attention_in_blocks(torch.randn(n, 4), torch.randn(m, 4), torch.randn(m, 4), causal, block=16)
    assert len(sizes) == folds and max(max(size) for size in sizes) <= 16


@pytest.mark.parametrize('block', [0, -1, 2., True, None])
def test_a_block_has_a_size(block):
    with pytest.raises(ValueError, match='attention_in_blocks: block: .*, wanted a whole number from 1 on'): attention_in_blocks(*drawn(*SIZES[0]), block=block)


# ---- positions

def test_rope_by_hand():
    close(rope(tensor([[1., 0], [1, 0], [0, 2]])), tensor([[1, 0], [math.cos(1), math.sin(1)], [-2*math.sin(2), 2*math.cos(2)]]))
    y = rope(tensor([[0., 3, 0, 0]]), tensor([5]), base=16.)                               # pair 1 turns by 5/4
    close(y, tensor([[0, 3*math.cos(1.25), 0, 3*math.sin(1.25)]]))
    slow = rope(torch.tensor([[0., 1, 0, 0]]), tensor([100]))                              # base 10,000: by 1
    close(slow, tensor([[0, math.cos(1), 0, math.sin(1)]]), rtol=1e-4, atol=1e-5)


def test_a_score_depends_on_the_distance_alone_and_lengths_stay():
    torch.manual_seed(0)
    q, k, places = torch.randn(3, 6, 8, dtype=torch.float64), torch.randn(3, 6, 8, dtype=torch.float64), tensor([0, 1, 2, 5, 9, 30])
    want = rope(q, places) @ rope(k, places).mT
    for shift in (1, 77, 4000): close(rope(q, places + shift) @ rope(k, places + shift).mT, want)
    close(rope(q, places).norm(dim=-1), q.norm(dim=-1))
    assert (rope(q, places) @ rope(k, places + 1).mT - want).abs().max() > .1
    close(rope(rope(q, places), -places), q)


def test_positions_of_each_text_of_a_batch():
    x, places = torch.randn(2, 3, 4, 6), tensor([[0, 1, 2, 3], [7, 9, 2, 0]])
    y = rope(x, places)
    for b in range(2): close(y[b], rope(x[b], places[b]))
    close(rope(x), rope(x, torch.arange(4)))
    close(rope(x, places.double()), y)
    assert rope(torch.randn(4, 4, 4, 2), torch.zeros(4, 4)).shape == (4, 4, 4, 2)


def test_rope_keeps_the_type_and_computes_halves_in_float32():
    x = torch.randn(1, 1, 3, 4)
    places = tensor([1, 1001, 30001])
    for dtype, tol in ((torch.float64, 1e-12), (torch.bfloat16, .05), (torch.float16, .01)):
        y = rope(x.to(dtype), places)
        assert y.dtype == dtype
        close(y.double(), rope(x.to(dtype).double(), places), rtol=tol, atol=tol)


@pytest.mark.parametrize('x, places, words', [((2, 3), None, r'rope: \(2, 3\), wanted an even number'), ((2, 4), (3,), r'rope: positions \(3,\) for \(2, 4\)'), ((2, 4), (2, 2), 'positions'), ((2, 2, 4), (2, 2), 'positions'), ((2, 3, 4, 6), (3, 4), 'positions'),
                                              ((2, 3, 4, 6), (2, 1), 'positions'), ((2, 3, 4, 6), (), 'positions'), ((2, 3, 4, 6), (2, 3, 4), 'positions'), ((2, 3, 4, 6), (1,), 'positions')])
def test_rope_refuses_odd_sizes_and_positions_of_other_shapes(x, places, words):
    with pytest.raises(ValueError, match=words): rope(torch.zeros(x), None if places is None else torch.zeros(places, dtype=torch.int64))
    with pytest.raises(TypeError, match='rope: torch.int64, wanted floats'): rope(torch.zeros(2, 4, dtype=torch.int64))


# ---- the cache

def test_the_cache_gives_all_so_far_and_says_how_many():
    cache, k, v = KVCache(), torch.randn(2, 3, 9, 4), torch.randn(2, 3, 9, 5)
    end = 0
    for size in (2, 1, 1, 0, 5):
        all_k, all_v = cache.add(k[:, :, end:end + size], v[:, :, end:end + size])
        end += size
        assert len(cache) == end and torch.equal(all_k, k[:, :, :end]) and torch.equal(all_v, v[:, :, :end])


@pytest.mark.parametrize('size, moves', [(1, [2, 4, 8, 16, 32, 64, 128]), (100, []), (30, [60, 120]), (None, [2, 4, 8, 16, 32, 64, 128])])
def test_its_room_doubles_or_is_given_so_that_a_token_copies_little(size, moves):
    cache, new, rooms = KVCache() if size is None else KVCache(size), torch.ones(1, 1, 1, 2), []
    for i in range(100):
        room = cache.add(new, new)[0].untyped_storage()
        rooms.append((room.data_ptr(), room.nbytes()))
    sizes = [bytes // 8 for i, (place, bytes) in enumerate(rooms) if i and (place, bytes) != rooms[i - 1]]
    assert sizes == moves and rooms[0][1] == 8 * (size or 1) and cache.size >= 100


def test_a_text_longer_than_the_room_gets_what_it_needs():
    cache = KVCache(3)
    assert cache.add(*[torch.ones(1, 1, 10, 2)]*2)[0].shape == (1, 1, 10, 2) and cache.size == 10
    cache.add(*[torch.ones(1, 1, 1, 2)]*2)
    assert cache.size == 20 and len(cache) == 11


def test_the_cache_refuses_what_does_not_go_with_what_it_holds_and_stays_as_it_was():
    cache, new = KVCache(), torch.ones(2, 3, 1, 4)
    cache.add(new, new)
    for shape in ((1, 3, 1, 4), (2, 2, 1, 4), (2, 3, 1, 5)):
        with pytest.raises(ValueError, match=r'it holds \(bs, g, d\) = \(2, 3, 4\), and \(.*\) came'): cache.add(torch.ones(shape), torch.ones(shape))
    with pytest.raises(ValueError, match='it holds'): cache.add(new, torch.ones(2, 3, 1, 5))
    for k, v in ((new.double(), new), (new, new.double())):
        with pytest.raises(TypeError, match='it holds torch.float32, and torch.float64 came'): cache.add(k, v)
    for k, v in ((new, new[:, :2]), (new, new[0]), (new[0], new[0]), (new, torch.ones(2, 3, 2, 4)), (new[..., None], new)):
        with pytest.raises(ValueError, match=r'keys \(.*\), values \(.*\), wanted \(bs, g, n, d\)'): cache.add(k, v)
    assert len(cache) == 1


def test_the_cache_cuts_no_graph_in_silence():
    new = torch.ones(1, 1, 1, 2)
    for k, v in ((new.clone().requires_grad_(), new), (new, new.clone().requires_grad_())):
        with pytest.raises(RuntimeError, match='have a graph; ask the model under torch.no_grad'): KVCache().add(k, v)


@pytest.mark.parametrize('size', [0, -1, 1.5, True])
def test_a_room_has_a_size(size):
    with pytest.raises(ValueError, match='KVCache: size'): KVCache(size)


# ---- the layer

def layer(*sizes, seed=0, **how):
    torch.manual_seed(seed)
    return SelfAttention(*sizes, **how).double()


@pytest.mark.parametrize('sizes, how', [((12, 3), {}), ((12, 6, 2), {'bias': True}), ((8, 2, 1), {'rotary': True}), ((6, 1), {'rotary': True, 'base': 3., 'bias': True}), ((5, 5), {})])
def test_the_layer_is_attention_between_four_linear_layers(sizes, how):
    net, x = layer(*sizes, **how), torch.randn(2, 5, sizes[0], dtype=torch.float64, requires_grad=True)
    def turn(part): return rope(part, base=how.get('base', 10_000.)) if how.get('rotary') else part
    def written_out(x):
        q, k, v = [torch.stack(f(x).split(sizes[0] // sizes[1], -1), 1) for f in (net.query, net.key, net.value)]
        return net.out(torch.cat(attention(turn(q), turn(k), v, causal=True).unbind(1), -1))
    inputs = [x, *net.parameters()]
    both(lambda x, *_: net(x), lambda x, *_: written_out(x), inputs)
    assert (net.out.bias is not None) == (net.key.bias is not None) == how.get('bias', False)


def test_it_is_pytorchs_multihead_attention_with_the_same_weights():
    net, x = layer(12, 3, bias=True), torch.randn(2, 5, 12, dtype=torch.float64)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([net.query.weight, net.key.weight, net.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([net.query.bias, net.key.bias, net.value.bias]))
    theirs.out_proj.load_state_dict(net.out.state_dict())
    close(net(x), theirs(x, x, x, attn_mask=~may_look(5, 5), need_weights=False)[0])


@pytest.mark.parametrize('how', [{}, {'rotary': True}, {'rotary': True, 'groups': 2, 'bias': True}])
@pytest.mark.parametrize('parts', [[7], [1]*7, [3, 1, 1, 2], [2, 5]])
def test_piece_by_piece_with_a_cache_it_says_what_it_says_at_once(how, parts):
    net, x, cache = layer(8, 4, **how), torch.randn(2, 7, 8, dtype=torch.float64), KVCache()
    with torch.no_grad(): close(torch.cat([net(part, cache=cache) for part in x.split(parts, 1)], 1), net(x))
    assert len(cache) == 7 and cache.rooms[0].shape[1] == how.get('groups', 4)


@pytest.mark.parametrize('rotary', [False, True])
def test_a_padded_text_says_what_it_says_alone(rotary):
    net, x = layer(8, 2, rotary=rotary), torch.randn(2, 6, 8, dtype=torch.float64)
    real = tensor([[False]*2 + [True]*4, [True]*6])[:, None, None]
    places = tensor([[0, 0, 0, 1, 2, 3], range(6)])
    y = net(x, real, places)
    close(y[:1, 2:], net(x[:1, 2:])), close(y[1:], net(x[1:]))
    assert (y[0, :2] == 0).all()
    cache = KVCache()
    with torch.no_grad(): pieces = [net(x[:, :4], real[..., :4], places[:, :4], cache), net(x[:, 4:5], real[..., :5], places[:, 4:5], cache), net(x[:, 5:], real, places[:, 5:], cache)]
    close(torch.cat(pieces, 1), y)


def test_a_mask_takes_away_and_never_shows_the_future():
    net, x = layer(8, 2), torch.randn(1, 4, 8, dtype=torch.float64)
    close(net(x, torch.ones(4, dtype=torch.bool)), net(x))
    alone = net(x, torch.eye(4, dtype=torch.bool))
    close(alone, net.out(net.value(x)))
    one_head = tensor([True, False])[:, None, None].expand(2, 4, 4)
    assert (net(x, one_head) - net(x)).abs().max() > .01


def test_positions_go_on_after_the_cache_and_can_be_given():
    net, x = layer(8, 2, rotary=True), torch.randn(1, 5, 8, dtype=torch.float64)
    close(net(x, positions=torch.arange(5) + 100), net(x))                        # distances alone count
    assert (net(x, positions=2*torch.arange(5)) - net(x)).abs().max() > 1e-3
    cache = KVCache()
    with torch.no_grad():
        net(x[:, :4], cache=cache, positions=torch.arange(4) + 9)
        close(net(x[:, 4:], cache=cache, positions=tensor([13])), net(x)[:, 4:])


def test_what_is_dropped_is_dropped_in_training_only():
    net, x = layer(8, 2, dropout=.5), torch.randn(1, 40, 8, dtype=torch.float64)
    plain = layer(8, 2)(x)
    close(net.eval()(x), plain)
    net.train()
    assert (net(x) - net(x)).abs().max() > .01 and (net(x) - plain).abs().max() > .01
    with torch.no_grad():
        net.value.weight.zero_(), net.out.weight.copy_(torch.eye(8))
        net.value.weight[:, 0] = 1
    x[..., 0] = 1
    firsts = torch.stack([net(x)[0, 0, :4] for _ in range(60)])                    # one key: the weight is 0 or 2
    assert set(firsts[:, 0].tolist()) == {0., 2.} and .2 < (firsts[:, 0] > 0).double().mean() < .8


def test_no_future_leaks_through_the_layer():
    net, x = layer(8, 2, rotary=True), torch.randn(1, 6, 8, dtype=torch.float64)
    for j in range(6):
        other = x.clone()
        other[:, j] += 1
        assert ((net(other) - net(x)).abs().amax((0, 2)) > 0).tolist() == [i >= j for i in range(6)]


@pytest.mark.parametrize('sizes, how, words', [((8, 3), {}, 'heads 3 must divide dim 8'), ((8, 4, 3), {}, 'and groups 3 the heads'), ((8, 2, 4), {}, 'and groups 4'), ((0, 1), {}, 'SelfAttention: dim: 0'), ((8, 0), {}, 'SelfAttention: heads: 0'), ((8, 2, 0), {}, 'SelfAttention: groups: 0'),
                                               ((8, 2.), {}, 'SelfAttention: heads: 2.0'), ((6, 2), {'rotary': True}, 'rotary, with 3 numbers a head'), ((8, 2), {'dropout': 1}, 'dropout 1, wanted from 0'), ((8, 2), {'dropout': -.1}, 'dropout -0.1')])
def test_sizes_that_do_not_go_together_are_refused(sizes, how, words):
    with pytest.raises(ValueError, match=words): SelfAttention(*sizes, **how)


def test_the_layer_refuses_other_inputs_and_masks():
    net = layer(8, 2)
    for shape in ((2, 3, 7), (3, 8), (1, 2, 3, 8)):
        with pytest.raises(ValueError, match=r'SelfAttention: .*, wanted \(bs, n, 8\)'): net(torch.zeros(shape, dtype=torch.float64))
    x = torch.zeros(2, 3, 8, dtype=torch.float64)
    with pytest.raises(TypeError, match='a mask of torch.float32, wanted bools'): net(x, torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r'a mask \(2, 3\) for scores \(2, 2, 3, 3\)'): net(x, torch.ones(2, 3, dtype=torch.bool))


def test_shared_heads_are_copied_only_where_pytorch_cannot_share_them(monkeypatch):
    net, x, seen, theirs = layer(12, 6, 2), torch.randn(1, 3, 12, dtype=torch.float64), [], F.scaled_dot_product_attention
    want, first = net(x), (2, 2, {'enable_gqa': True}) if torch.__version__ >= '2.5' else (6, 6, {})
    monkeypatch.setattr(exp.nb_17.F, 'scaled_dot_product_attention', lambda q, k, v, *how, **named: seen.append((k.shape[1], v.shape[1], named)) or theirs(q, k, v, *how, **named))
    net(x), layer(12, 6)(x)
    monkeypatch.setattr(torch, '__version__', torch.torch_version.TorchVersion('2.4.1'))
    close(net(x), want)
    assert seen == [first, (6, 6, {}), (6, 6, {})]


def test_its_weights_travel_as_a_state_dict():
    net = layer(12, 6, 2, bias=True)
    other = layer(12, 6, 2, bias=True, seed=1)
    other.load_state_dict(net.state_dict())
    x = torch.randn(1, 3, 12, dtype=torch.float64)
    close(other(x), net(x))
    assert {name: tuple(w.shape) for name, w in net.state_dict().items() if 'weight' in name} == {'query.weight': (12, 12), 'key.weight': (4, 12), 'value.weight': (4, 12), 'out.weight': (12, 12)}

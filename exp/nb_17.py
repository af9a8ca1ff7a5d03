# Generated from nbs/17_attention.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/17_attention.ipynb 2cab1690
import math
import torch
from torch import nn
from torch.nn import functional as F
from exp.nb_05 import check_count
from exp.nb_08 import wide

# ---
# may_look
# %% nbs/17_attention.ipynb c89fc125
def may_look(n, m, ahead=None, device=None):
    """Where one of `n` queries may look at one of `m` keys, (n, m) bools, if none may look at what comes later: query i
    sees the keys up to i + ahead. None: m - n, the last query stands beside the last key."""
    return torch.ones(n, m, dtype=torch.bool, device=device).tril(m - n if ahead is None else ahead)

def hide(scores, allowed):
    "`scores` (..., n, m), and -inf where `allowed`, bools, is False; where it is of floats, they are added."
    if allowed.dtype == torch.bool: return scores.masked_fill(~allowed, -math.inf)
    return scores + allowed.to(scores.dtype)

# ---
# softmax
# %% nbs/17_attention.ipynb e23c1abf
def softmax(scores):
    "Shares that grow as exp(score) and add up to 1, over the last axis; of nothing but -inf, zeros."
    lowest = torch.finfo(scores.dtype).min                     # -inf less -inf is no number; less the lowest it is -inf
    top = scores.detach().amax(-1, keepdim=True).clamp(min=lowest)
    e = (scores - top).exp()
    return e / e.sum(-1, keepdim=True).clamp(min=1)            # the largest gives 1: a sum below 1 is that of nothing

# ---
# check_heads
# %% nbs/17_attention.ipynb b420d5ab
def check_heads(q, k, v):
    "TypeError unless queries, keys and values are floats of one type; ValueError unless their shapes go together."
    if not q.is_floating_point() or not q.dtype == k.dtype == v.dtype:
        raise TypeError(f'attention: queries {q.dtype}, keys {k.dtype}, values {v.dtype}, wanted floats of one type')
    def refuse(why):
        shapes = [tuple(x.shape) for x in (q, k, v)]
        raise ValueError('attention: queries {}, keys {}, values {}: '.format(*shapes) + why)
    if not 2 <= q.ndim == k.ndim == v.ndim: refuse('wanted (..., n, d), (..., m, d), (..., m, e)')
    if q.shape[-1] != k.shape[-1]: refuse('a query has as many numbers as a key')
    if k.shape[-2] != v.shape[-2]: refuse('each key has one value')
    if not k.shape[-2] * k.shape[-1]: refuse('there is no key to look at')
    if q.shape[:-3] != k.shape[:-3] or k.shape[:-2] != v.shape[:-2]: refuse('they differ before the last axes')
    if q.ndim == 2: return
    if not k.shape[-3] or q.shape[-3] % k.shape[-3]: refuse('a head of keys serves whole heads of queries')

def check_mask(mask, shape):
    "TypeError unless `mask` is of bools or floats, ValueError unless it spreads over scores of this `shape`."
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise TypeError(f'attention: a mask of {mask.dtype}, wanted bools or floats')
    if mask.ndim > len(shape) or any(a not in (1, b) for a, b in zip(mask.shape[::-1], shape[::-1])):
        raise ValueError(f'attention: a mask {tuple(mask.shape)} for scores {tuple(shape)}')

# ---
# share_heads
# %% nbs/17_attention.ipynb 4c2911a4
def share_heads(x, h):
    "Keys or values `x`, (..., g, m, d), for `h` heads of queries: (..., h, m, d), each of the g for h/g neighbours."
    return x if x.shape[-3] == h else x.repeat_interleave(h // x.shape[-3], -3)

def like_heads(x, q):
    "Keys or values `x` with as many heads as the queries `q`; float32 at least."
    return wide(x if q.ndim == 2 else share_heads(x, q.shape[-3]))

# ---
# attention_weights
# %% nbs/17_attention.ipynb 435c6f28
def attention_weights(q, k, mask=None, causal=False, scale=None):
    "How much each query looks at each key, (..., h, n, m), float32 at least; arguments as those of `attention`."
    check_heads(q, k, k)
    scores = wide(q) @ like_heads(k, q).mT
    scores = scores * (q.shape[-1]**-.5 if scale is None else scale)
    if causal: scores = hide(scores, may_look(*scores.shape[-2:], device=scores.device))
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = hide(scores, mask)
    return softmax(scores)

# ---
# attention
# %% nbs/17_attention.ipynb 7affe584
def attention(q, k, v, mask=None, causal=False, scale=None):
    """Looks up queries (..., h, n, d) among keys (..., g, m, d): means of the values (..., g, m, e), weighted by
    likeness: (..., h, n, e). Query head i uses head i // (h/g) of the keys; the heads may be missing.

    `mask`: bools, True where a query may look, or floats to be added to the scores; spreads over (..., h, n, m).
    `causal`: none looks at what comes later; the last query stands beside the last key. `scale`: of the scores; None:
    d**-.5. A query that may look at nothing gets zeros. TypeError, ValueError: see `check_heads`, `check_mask`.
    Vaswani et al. (2017)."""
    check_heads(q, k, v)
    return (attention_weights(q, k, mask, causal, scale) @ like_heads(v, q)).to(q.dtype)

# ---
# fold_in
# %% nbs/17_attention.ipynb 262a5a97
def fold_in(state, scores, v):
    """The state of a look-up, (largest score, sum of exp(score - largest), sum of values weighted by those), after
    another block of keys: their `scores` (..., n, b), values `v` (..., b, e). Milakov and Gimelshein (2018)."""
    top, total, mix = state
    new = torch.maximum(top, scores.detach().amax(-1, keepdim=True))
    old, e = (top - new).exp(), (scores - new).exp()
    return new, old*total + e.sum(-1, keepdim=True), old*mix + e @ v

# ---
# attention_in_blocks
# %% nbs/17_attention.ipynb ad36e006
def attention_in_blocks(q, k, v, causal=False, scale=None, block=128):
    """`attention` without a mask, from tables of scores of `block` x `block`: memory that grows with n + m, not n*m, as
    long as no gradient is asked for, which keeps them all. Dao et al. (2022), forward."""
    check_heads(q, k, v)
    check_count('attention_in_blocks: block', block)
    (n, d), m = q.shape[-2:], k.shape[-2]
    queries, out = wide(q) * (d**-.5 if scale is None else scale), []
    k, v = [like_heads(x, q) for x in (k, v)]
    for i in range(0, max(n, 1), block):
        rows = queries[..., i:i + block, :]
        zero = rows.new_zeros(*rows.shape[:-1], 1)
        state = zero + torch.finfo(zero.dtype).min, zero, zero.expand(*rows.shape[:-1], v.shape[-1])
        for j in range(0, min(m, i + block + m - n) if causal else m, block):
            scores = rows @ k[..., j:j + block, :].mT
            if causal: scores = hide(scores, may_look(*scores.shape[-2:], i + m - n - j, scores.device))
            state = fold_in(state, scores, v[..., j:j + block, :])
        out.append(state[2] / state[1].clamp(min=1))
    return torch.cat(out, -2).to(q.dtype)

# ---
# rope
# %% nbs/17_attention.ipynb 105b0b04
def rope(x, positions=None, base=10_000.):
    """`x`, (..., n, d), with each pair (element i, element i + d/2) turned by its position times base**(-2i/d) radians,
    so that the product of two depends on their distance. `positions`: (n,), or (bs, n) for x (bs, h, n, d); None: 0 on.
    TypeError: no floats; ValueError: an odd d, other positions. Su et al. (2021)."""
    if not x.is_floating_point(): raise TypeError(f'rope: {x.dtype}, wanted floats')
    n, d = x.shape[-2:]
    if d % 2: raise ValueError(f'rope: {tuple(x.shape)}, wanted an even number on the last axis')
    positions = torch.arange(n, device=x.device) if positions is None else positions
    if positions.shape not in [(n,), (len(x), n)] or positions.ndim == 2 and x.ndim != 4:
        raise ValueError(f'rope: positions {tuple(positions.shape)} for {tuple(x.shape)}')
    if positions.ndim == 2: positions = positions[:, None]                        # the same for every head
    a, b = wide(x).chunk(2, -1)
    angle = positions[..., None] * base**(-torch.arange(0, d, 2, device=x.device, dtype=a.dtype) / d)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([a*cos - b*sin, b*cos + a*sin], -1).to(x.dtype)

# ---
# KVCache
# %% nbs/17_attention.ipynb 3ffdf367
class KVCache:
    """The keys and values of one layer so far: `add(k, v)` takes those of the next tokens and gives all, `len(cache)`
    is the number of tokens. The room, at first for `size` of them, doubles when it is full. ValueError: other sizes than
    before; TypeError: another type; RuntimeError: what has a graph, which would be cut."""
    def __init__(self, size=1):
        check_count('KVCache: size', size)
        self.size, self.n, self.rooms = size, 0, []

    def __len__(self): return self.n

    def check(self, k, v):
        "Raises what the class says."
        if k.requires_grad or v.requires_grad:
            raise RuntimeError('KVCache: keys or values have a graph; ask the model under torch.no_grad()')
        if not k.ndim == v.ndim == 4 or k.shape[:3] != v.shape[:3]:
            raise ValueError(f'KVCache: keys {tuple(k.shape)}, values {tuple(v.shape)}, wanted (bs, g, n, d) of both')
        for room, new in zip(self.rooms, (k, v)):
            held, came = [(*x.shape[:2], x.shape[3]) for x in (room, new)]
            if held != came: raise ValueError(f'KVCache: it holds (bs, g, d) = {held}, and {came} came')
            if room.dtype != new.dtype: raise TypeError(f'KVCache: it holds {room.dtype}, and {new.dtype} came')

    def grow(self, size, *news):
        "Makes rooms for `size` tokens like the `news`, with what was in the old ones."
        rooms = [new.new_empty(*new.shape[:2], size, new.shape[3]) for new in news]
        for room, old in zip(rooms, self.rooms): room[:, :, :self.n] = old[:, :, :self.n]
        self.size, self.rooms = size, rooms

    def add(self, k, v):
        "Appends keys (bs, g, n, d) and values (bs, g, n, e); gives all of them, (bs, g, len, d) and (bs, g, len, e)."
        self.check(k, v)
        end = self.n + k.shape[2]
        if end > self.size: self.grow(max(end, 2*self.size), k, v)
        elif not self.rooms: self.grow(self.size, k, v)
        for room, new in zip(self.rooms, (k, v)): room[:, :, self.n:end] = new
        self.n = end
        return tuple(room[:, :, :end] for room in self.rooms)

# ---
# Heads
# %% nbs/17_attention.ipynb c09c1120
class Heads(nn.Module):
    "The four matrices of `SelfAttention`, and the heads that three of them make of its input."
    def __init__(self, dim, heads, groups=None, bias=False, rotary=False, base=10_000., dropout=0.):
        super().__init__()
        groups = heads if groups is None else groups
        for name, value in (('dim', dim), ('heads', heads), ('groups', groups)):
            check_count(f'SelfAttention: {name}', value)
        if dim % heads or heads % groups:
            raise ValueError(f'SelfAttention: heads {heads} must divide dim {dim}, and groups {groups} the heads')
        if rotary and dim // heads % 2: raise ValueError(f'SelfAttention: rotary, with {dim // heads} numbers a head')
        if not 0 <= dropout < 1: raise ValueError(f'SelfAttention: dropout {dropout!r}, wanted from 0 to below 1')
        self.heads, self.groups, self.rotary, self.base, self.dropout = heads, groups, rotary, base, dropout
        self.query, self.key, self.value, self.out = [nn.Linear(dim, size, bias)
            for size in (dim, dim // heads * groups, dim // heads * groups, dim)]

    def split(self, x, positions=None):
        "Queries (bs, heads, n, d), keys and values (bs, groups, n, d) of `x`, turned by `positions` where rotary."
        layers = (self.query, self.heads), (self.key, self.groups), (self.value, self.groups)
        q, k, v = [layer(x).unflatten(2, (count, -1)).transpose(1, 2) for layer, count in layers]
        if self.rotary: q, k = [rope(part, positions, self.base) for part in (q, k)]
        return q, k, v

# ---
# SelfAttention
# %% nbs/17_attention.ipynb 70382125
class SelfAttention(Heads):
    """Each of the vectors x (bs, n, dim) looks at itself and at those before it, with `heads` heads of dim/heads
    numbers: the same shape. `groups` heads of keys and values (None: as many); `rotary`: queries and keys go through
    `rope`, with `base`. In training a share `dropout` of the weights is dropped. ValueError: sizes that do not fit."""
    def forward(self, x, mask=None, positions=None, cache=None):
        """`mask`: bools that spread over (bs, heads, n, m), True where a token may look (never at later ones).
        `positions`, (n,) or (bs, n), for rotary; None: they go on after the `cache`, a KVCache, which gets the new keys
        and values. A token that may look at nothing gets `out` of zeros (before torch 2.5, NaN)."""
        if x.ndim != 3 or x.shape[2] != self.query.in_features:
            raise ValueError(f'SelfAttention: {tuple(x.shape)}, wanted (bs, n, {self.query.in_features})')
        n, before = x.shape[1], 0 if cache is None else len(cache)
        if positions is None: positions = torch.arange(before, before + n, device=x.device)
        q, k, v = self.split(x, positions)
        if cache is not None: k, v = cache.add(k, v)
        allowed = self.allowed(mask, len(x), n, k.shape[2], x.device)
        how = {'enable_gqa': True} if self.groups < self.heads else {}            # heads of keys are shared, not copied
        if how and torch.__version__ < '2.5': k, v, how = share_heads(k, self.heads), share_heads(v, self.heads), {}
        p, causal = self.dropout if self.training else 0., allowed is None and n > 1
        return self.out(F.scaled_dot_product_attention(q, k, v, allowed, p, causal, **how).transpose(1, 2).flatten(2))

    def allowed(self, mask, bs, n, m, device):
        "Where the last n of m tokens may look, (..., n, m) bools; None where `is_causal` or nothing says the same."
        if mask is None: return None if n in (1, m) else may_look(n, m, device=device)
        check_mask(mask, (bs, self.heads, n, m))
        if mask.dtype != torch.bool: raise TypeError(f'SelfAttention: a mask of {mask.dtype}, wanted bools')
        return mask & may_look(n, m, device=device)

# ---

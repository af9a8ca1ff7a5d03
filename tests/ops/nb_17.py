import torch
from torch.nn import functional as F
from exp.nb_17 import attention, attention_in_blocks, attention_weights, fold_in, hide, like_heads, rope, share_heads, softmax
from registry import Op

SOME = torch.tensor([[True, False, True], [True, True, False]])
QKV = [[(2, 4, 2, 3), (2, 2, 3, 3), (2, 2, 3, 1)], [(2, 2), (3, 2), (3, 4)]]


def theirs(q, k, v, **how):
    return F.scaled_dot_product_attention(q, share(k, q), share(v, q), **how)


def share(x, q): return x if x.ndim == 2 else torch.stack([x[:, i * x.shape[1] // q.shape[1]] for i in range(q.shape[1])], 1)


def late(n, m): return torch.tensor([[j <= i + m - n for j in range(m)] for i in range(n)])


def folded(scores, v, before, old):
    "A look-up among some keys, and then among others too, whose scores and values stand before."
    top = before.detach().amax(-1, keepdim=True)
    e = (before - top).exp()
    _, total, mix = fold_in((top, e.sum(-1, keepdim=True), e @ old), scores, v)
    return mix / total


def turned(x):
    "As complex numbers: the first half real, the second imaginary."
    n, d = x.shape[-2:]
    by = torch.polar(torch.ones(n, d // 2, dtype=x.dtype), torch.arange(n, dtype=x.dtype)[:, None] / 100. ** (torch.arange(0, d, 2, dtype=x.dtype) / d))
    z = torch.complex(x[..., :d // 2], x[..., d // 2:]) * by
    return torch.cat([z.real, z.imag], -1)


OPS = [
    Op('softmax', softmax, lambda z: z.softmax(-1), [[(3, 4)], [(2, 1, 5)], [(1,)]]),
    Op('hide', lambda z: softmax(hide(z, SOME)), lambda z: z.masked_fill(~SOME, -1e9).softmax(-1), [[(2, 2, 3)], [(2, 3)]]),
    Op('hide', hide, torch.add, [[(2, 2, 3), (2, 3)]]),
    Op('share_heads', lambda x: share_heads(x, 6), lambda x: torch.stack([x[:, i // 3] for i in range(6)], 1), [[(2, 2, 3, 1)]]),
    Op('like_heads', lambda x: like_heads(x, torch.zeros(4, 2, 5)), lambda x: torch.stack([x[0]]*4), [[(1, 3, 2)]]),
    Op('attention_weights', attention_weights, lambda q, k: (q @ k.mT / 3**.5).softmax(-1), [[(2, 4, 3), (2, 5, 3)]]),
    Op('attention', attention, theirs, QKV),
    Op('attention', lambda *x: attention(*x, causal=True), lambda *x: theirs(*x, attn_mask=late(x[0].shape[-2], x[1].shape[-2])), QKV),
    Op('attention', lambda *x: attention(*x, SOME, scale=.3), lambda *x: theirs(*x, attn_mask=SOME, scale=.3), QKV),
    Op('attention', lambda q, k, v, mask: attention(q, k, v, mask), lambda q, k, v, mask: theirs(q, k, v, attn_mask=mask), [[*QKV[0], (2, 1, 2, 3)]]),
    Op('attention_in_blocks', lambda *x: attention_in_blocks(*x, block=2), theirs, QKV),
    Op('attention_in_blocks', lambda *x: attention_in_blocks(*x, True, .7, 1), lambda *x: theirs(*x, attn_mask=late(x[0].shape[-2], x[1].shape[-2]), scale=.7), QKV),
    Op('fold_in', folded, lambda scores, v, before, old: torch.cat([before, scores], -1).softmax(-1) @ torch.cat([old, v], -2), [[(2, 4), (4, 3), (2, 5), (5, 3)], [(3, 1, 1), (3, 1, 2), (3, 1, 2), (3, 2, 2)]]),
    Op('rope', lambda x: rope(x, base=100.), turned, [[(2, 3, 5, 4)], [(1, 2)], [(4, 6)]]),
]
NOT_OPS = {'may_look', 'check_heads', 'check_mask', 'KVCache', 'SelfAttention'}

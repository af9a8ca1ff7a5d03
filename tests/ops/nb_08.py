from torch.nn import functional as F
from exp.nb_08 import Standardise, again, centred, scaled, standardise
from registry import Op
import torch

BATCH, EXAMPLE = (0, 2, 3), (2, 3)
CHANNELS, GROUPS = [[(3, 2, 1, 4), (2, 1, 1), (2, 1, 1)], [(2, 1, 1, 2), (1, 1, 1), (1, 1, 1)]], [[(2, 3, 2, 4), (3, 2, 1), (3, 2, 1)], [(1, 1, 3, 2), (1, 3, 1), (1, 3, 1)]]


def of_block(axes, centre=True): return lambda x, w=None, b=None: Standardise.apply(x, w, b, axes, 1e-5, centre)[0]
def of_batch(x, w, b): return F.batch_norm(x[:, :, 0], None, None, w.flatten(), b.flatten(), training=True)[:, :, None]
def of_group(x, w, b): return F.group_norm(x.flatten(1, 2), x.shape[1], w.flatten(), b.flatten()).view_as(x)
def of_rms(x): return F.rms_norm(x, x.shape[2:], None, 1e-5)
def with_graph(g, x, w, b): return [t.detach() for t in again(x.requires_grad_(), w.requires_grad_(), b.requires_grad_(), EXAMPLE, 1e-5, True, g)]


OPS = [
    Op('centred', lambda x: torch.cat([t.flatten() for t in centred(x, (0, 2))]), lambda x: torch.cat([t.flatten() for t in (x.mean((0, 2)), x - x.mean((0, 2), True), x.var((0, 2), correction=0))]), [[(3, 2, 4)], [(1, 2, 3)]]),
    Op('centred', lambda x: torch.cat([t.flatten() for t in centred(x, -1, False)[1:]]), lambda x: torch.cat([x.flatten(), x.square().mean(-1)]), [[(3, 2)]]),
    Op('scaled', scaled, lambda x, w, b: torch.addcmul(b, x, w), [[(2, 3), (3,), (3,)]]), Op('scaled', lambda x, w: scaled(x, w, None), torch.mul, [[(2, 3), (2, 1)]]),
    Op('standardise', lambda x, w, b: standardise(x, BATCH, 1e-5, w, b), of_batch, CHANNELS), Op('standardise', lambda x: standardise(x, EXAMPLE, 1e-5, centre=False), of_rms, [[(2, 1, 3, 2)]]),
    Op('Standardise', of_block(BATCH), of_batch, CHANNELS), Op('Standardise', of_block(EXAMPLE), of_group, GROUPS), Op('Standardise', of_block(EXAMPLE, False), of_rms, [[(2, 1, 3, 2)], [(3, 2, 1, 1)]]),
    Op('again', lambda x, w, b: standardise(x, EXAMPLE, 1e-5, w, b), of_group, GROUPS, backward=with_graph),
]
NOT_OPS = {'wide', 'check_kind', 'Scale', 'BatchNorm', 'InstanceNorm', 'GroupNorm', 'LayerNorm', 'RMSNorm', 'conv_norm', 'set_spread_', 'lsuv_'}

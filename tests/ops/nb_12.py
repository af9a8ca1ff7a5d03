import torch
from torch.nn import functional as F
from exp.nb_12 import affine_grid, grid_sample, in_halves, matrix, soft_cross_entropy
from registry import Op


def stacked(*six): return torch.cat([torch.stack(six, 1).reshape(-1, 2, 3), torch.tensor([0., 0, 1], dtype=six[0].dtype).expand(len(six[0]), 1, 3)], 1)
def by_sides(A): return A[:, :2] * torch.tensor([[1, 3/5, 2/5], [5/3, 1, 2/3]], dtype=A.dtype)
def soft(loss, **how): return lambda z, t: loss(z, t.softmax(1), **how)
def hard(loss, **how): return lambda z: loss(z, torch.arange(len(z)) % z.shape[1], **how)


PLACES = [[(2, 3, 5, 4), (2, 3, 6, 2)], [(1, 1, 1, 3), (1, 2, 1, 2)], [(3, 1, 2, 1), (3, 1, 4, 2)]]
OPS = [
    Op('affine_grid', lambda t: affine_grid(t, (3, 5)), lambda t: F.affine_grid(t, (len(t), 1, 3, 5), align_corners=False), [[(2, 2, 3)], [(1, 2, 3)]]),
    Op('affine_grid', lambda t: affine_grid(t, (1, 2)), lambda t: F.affine_grid(t, (len(t), 1, 1, 2), align_corners=False), [[(4, 2, 3)]]),
    Op('grid_sample', grid_sample, lambda x, g: F.grid_sample(x, g, align_corners=False), PLACES),
    Op('grid_sample', lambda x, g: grid_sample(x, g, 'border'), lambda x, g: F.grid_sample(x, g, padding_mode='border', align_corners=False), PLACES),
    Op('matrix', matrix, stacked, [[(3,)]*6, [(1,)]*6]),
    Op('in_halves', lambda A: in_halves(A, (3, 5)), by_sides, [[(2, 3, 3)], [(1, 3, 3)]]),
    *[Op('soft_cross_entropy', soft(soft_cross_entropy, label_smoothing=e), soft(F.cross_entropy, label_smoothing=e), [[(3, 4), (3, 4)], [(1, 2), (1, 2)]]) for e in (0., .1, 1.)],
    *[Op('soft_cross_entropy', hard(soft_cross_entropy, label_smoothing=e), hard(F.cross_entropy, label_smoothing=e), [[(5, 3)], [(1, 4)]]) for e in (0., .3)],
]
NOT_OPS = {'way_back', 'middles', 'uniform', 'is_number', 'span', 'check_share', 'check_pictures', 'Transform', 'Affine', 'Flip', 'boxes', 'Erase', 'Colour', 'Augment',
           'soft_targets', 'soft_accuracy', 'draw_beta', 'Mix', 'Mixup', 'CutMix', 'mean_over_views'}

from torch.nn import functional as F
from exp.nb_07 import Columns, Correlation, avg_pool2d, col2im, columns_of, conv2d, im2col, max_pool2d, pool_windows, windows
from registry import Op

PICTURES = [[(2, 3, 5, 4)], [(1, 1, 3, 6)]]
MIXED = dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)


OPS = [
    Op('windows', lambda x: windows(x, (3, 2), (2, 1)), lambda x: x.unfold(2, 3, 2).unfold(3, 2, 1), PICTURES),
    Op('windows', lambda x: windows(x, (2, 3), dilation=(2, 1)), lambda x: x.unfold(2, 3, 1).unfold(3, 3, 1)[..., ::2, :], PICTURES),
    Op('im2col', lambda x: im2col(x, (3, 2), 2, (1, 0), (1, 2)), lambda x: F.unfold(x, (3, 2), stride=2, padding=(1, 0), dilation=(1, 2)), PICTURES),
    Op('columns_of', lambda x: columns_of(x, (2, 3), (1, 2), (0, 1), (2, 1)), lambda x: F.unfold(x, (2, 3), stride=(1, 2), padding=(0, 1), dilation=(2, 1)), PICTURES),
    Op('Columns', lambda x: Columns.apply(x, (2, 3), (1, 2), (0, 1), (1, 1)), lambda x: F.unfold(x, (2, 3), stride=(1, 2), padding=(0, 1)), PICTURES),
    Op('col2im', lambda c: col2im(c, (5, 4), (3, 2), (2, 1), (1, 0)), lambda c: F.fold(c, (5, 4), (3, 2), stride=(2, 1), padding=(1, 0)), [[(2, 12, 9)], [(1, 6, 9)]]),
    Op('conv2d', conv2d, F.conv2d, [[(2, 3, 5, 4), (2, 3, 3, 2), (2,)], [(1, 1, 2, 3), (1, 1, 2, 3), (1,)], [(2, 2, 3, 1), (3, 2, 1, 1), (3,)]]),
    Op('conv2d', lambda *ts: conv2d(*ts, **MIXED), lambda *ts: F.conv2d(*ts, **MIXED), [[(2, 4, 5, 4), (6, 2, 3, 2), (6,)], [(1, 2, 3, 2), (2, 1, 3, 3), (2,)]]),
    Op('Correlation', lambda x, w: Correlation.apply(x, w, None, 1, (2, 3), (1, 1), (0, 0), (1, 1)), F.conv2d, [[(2, 3, 4, 5), (2, 3, 2, 3)]]),
    Op('pool_windows', lambda x: pool_windows(x, (2, 3), None, 0, 0.)[0].flatten(1, 2), lambda x: F.unfold(x, (2, 3), stride=(2, 3)), PICTURES),
    Op('max_pool2d', lambda x: max_pool2d(x, (2, 3)), lambda x: F.max_pool2d(x, (2, 3)), PICTURES),
    Op('max_pool2d', lambda x: max_pool2d(x, 3, (1, 2), (1, 0)), lambda x: F.max_pool2d(x, 3, (1, 2), (1, 0)), PICTURES),
    Op('avg_pool2d', lambda x: avg_pool2d(x, (3, 2), 1, (1, 0)), lambda x: F.avg_pool2d(x, (3, 2), 1, (1, 0)), PICTURES),
    Op('avg_pool2d', lambda x: avg_pool2d(x, 3, 2, 1, count_include_pad=False), lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), PICTURES),
]
NOT_OPS = {'both', 'out_size', 'check_conv', 'receptive_field', 'conv_block'}

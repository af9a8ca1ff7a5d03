"""Lesson 08: each norm beside PyTorch's, forward and backward; the highest rate that trains with each. `python bench/bench_norms.py`"""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import functools, statistics
import torch
from torch import nn
from torch.nn import functional as F
from common import in_turn, ratio_table, report, table
from exp.nb_01 import FASHION_MNIST
from exp.nb_02 import get_data, normalize
from exp.nb_02a import init_layers
from exp.nb_04 import SGD
from exp.nb_07 import conv_block
from exp.nb_08 import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, conv_norm

IMAGES, ROWS = (256, 16, 28, 28), (256, 512)
PAIRS = {'batch norm': (BatchNorm(16), nn.BatchNorm2d(16), IMAGES), 'instance norm': (InstanceNorm(16, affine=True), nn.InstanceNorm2d(16, affine=True), IMAGES), 'group norm, 4 groups': (GroupNorm(4, 16), nn.GroupNorm(4, 16), IMAGES),
         'layer norm': (LayerNorm(512), nn.LayerNorm(512), ROWS), 'RMS norm': (RMSNorm(512), nn.RMSNorm(512), ROWS)}
RATES, SEEDS = (.01, .03, .1, .3, 1., 3., 10.), range(6)


def candidates(ours, theirs, shape):
    "Forward and all gradients of each, several times where it is short."
    x, g = torch.randn(shape, requires_grad=True), torch.randn(shape)
    def both_ways(layer):
        def run():
            for _ in range(1 if x.ndim > 2 else 20): torch.autograd.grad(layer(x), [x, *layer.parameters()], g)
        return run
    return {'PyTorch': both_ways(theirs), 'ours': both_ways(ours)}


def data():
    "The lesson's: 10,000 and 2,000 pictures of 14 x 14."
    x, y, x_valid, y_valid = get_data(FASHION_MNIST)
    mean, std = x.mean(), x.std()
    def small(x): return F.avg_pool2d(normalize(x, mean, std).reshape(-1, 1, 28, 28), 2)
    return small(x[:10_000]), y[:10_000], small(x_valid[:2000]), y_valid[:2000]


def net(block):
    layers = [block(1, 8, stride=2), *[block(8, 8) for _ in range(5)], block(8, 16, stride=2)]
    return init_layers(nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(64, 10)))


def share_right(block, lr, seed, x, y, x_valid, y_valid, steps=60, bs=32):
    torch.manual_seed(seed)
    model = net(block)
    opt = SGD(model.parameters(), lr)
    for rows in torch.randperm(len(x))[:steps*bs].split(bs):
        loss = F.cross_entropy(model(x[rows]), y[rows])
        if not loss.isfinite(): break
        loss.backward()
        opt.step()
        opt.zero_grad()
    with torch.no_grad(): return (model.eval()(x_valid).argmax(1) == y_valid).float().mean().item()


def rates():
    "Accuracy over the rate for each norm, and the highest rate at which more than a third is right on average."
    blocks = {'none': conv_block, 'batch': conv_norm, 'group, 4 groups': functools.partial(conv_norm, norm=lambda c: GroupNorm(4, c)),
              'layer (one group)': functools.partial(conv_norm, norm=lambda c: GroupNorm(1, c))}
    parts, rows = data(), []
    for name, block in blocks.items():
        found = [[share_right(block, lr, seed, *parts) for seed in SEEDS] for lr in RATES]
        means = [statistics.mean(shares) for shares in found]
        top = max((lr for lr, mean in zip(RATES, means) if mean > 1/3), default='none')
        rows.append((name, *(f'{mean:.2f} ± {statistics.stdev(shares):.2f}' for mean, shares in zip(means, found)), f'{top}'))
    return table(['norm', *(f'rate {lr}' for lr in RATES), 'highest that trains'], rows)


def main():
    torch.manual_seed(0)
    sections = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for name, (ours, theirs, shape) in PAIRS.items():
            what = f'{name}, {" x ".join(map(str, shape))}, {threads} thread{"s" * (threads > 1)}'
            sections.append(f'Forward and backward, {what}:\n\n{ratio_table(in_turn(candidates(ours, theirs, shape), rounds=15, warmup=2), "PyTorch")}')
    torch.set_num_threads(1)
    sections.append(f"Fashion-MNIST, the lesson's network and its sixty steps, validation accuracy, mean and standard deviation of {len(SEEDS)} seeds; more than a third counts as trained:\n\n{rates()}")
    report('bench_norms', 'Lesson 08: norms', '\n\n'.join(sections))


if __name__ == '__main__': main()

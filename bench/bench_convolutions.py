"""Lesson 07: `conv2d` beside the library's, forward and backward; the small network beside lesson 04's. `python bench/bench_convolutions.py`"""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import statistics
import torch
from torch import nn
from torch.nn import functional as F
from common import in_turn, ratio_table, report, table
from exp.nb_02 import get_data, normalize
from exp.nb_02a import init_layers
from exp.nb_04 import Dataset, accuracy, get_dls
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_06 import OneCycle
from exp.nb_07 import conv2d, conv_block

SIZES = [(256, 16, 28, 16, 3), (256, 1, 28, 16, 5), (256, 24, 14, 24, 3)]         # images, channels in, height and width, channels out, kernel


def candidates(n, c_in, size, c_out, kernel):
    "Forward and all three gradients, by the same weights."
    leaves = [torch.randn(shape, requires_grad=True) for shape in [(n, c_in, size, size), (c_out, c_in, kernel, kernel), (c_out,)]]
    g = torch.randn(n, c_out, size, size)
    def both_ways(f): return lambda: torch.autograd.grad(f(*leaves, padding=kernel//2), leaves, g)
    return {'F.conv2d': both_ways(F.conv2d), 'ours': both_ways(conv2d)}


def leaky(): return nn.LeakyReLU(.1)


def small_net(last=32):
    "The lesson's; with `last=24` the two later blocks have 24 kernels each, and it has a third of the weights of lesson 04's network."
    layers = [conv_block(1, 16, 5, stride=2, act=leaky), conv_block(16, last, act=leaky), nn.MaxPool2d(2),
              conv_block(last, last, act=leaky), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9 * last, 10)]
    return init_layers(nn.Sequential(*layers), a=.1)


def mlp(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))


def row(name, make, data, epochs, bs, lr, cbs, seeds=3):
    "Validation accuracies of `epochs` rounds over seeds, as a row of the table."
    finals = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = make()
        learn = Learner(model, get_dls(*data, bs, seed=seed), lr=lr, cbs=[MetricsCallback(accuracy=accuracy), *cbs()]).fit(epochs)
        finals.append(learn.history[-1]['accuracy'])
    params = sum(p.numel() for p in model.parameters())
    return name, f'{params:,}', epochs, f'{statistics.mean(finals):.4f}', f'{statistics.stdev(finals):.4f}'


def accuracies():
    "The small network, and lesson 04's with as many epochs (the best of three rates) and by its own recipe."
    x, y, x_valid, y_valid = get_data()
    mean, std = x.mean(), x.std()
    data = [Dataset(normalize(part, mean, std).reshape(-1, 1, 28, 28), targ) for part, targ in ((x, y), (x_valid, y_valid))]
    rows = [row(f'{name}, one cycle up to 0.04, batches of 32', make, data, 1, 32, .04, lambda: [OneCycle(.04)])
            for name, make in (("the lesson's network", small_net), ('a narrower one', lambda: small_net(24)))]
    of_mlp = [row(f'784-50-10, one cycle up to {top}, batches of 32', mlp, data, 1, 32, top, lambda: [OneCycle(top)]) for top in (.02, .04, .08)]
    rows += [max(of_mlp, key=lambda row: row[3]), row('784-50-10, rate 0.05, batches of 32', mlp, data, 5, 32, .05, list)]
    return table(['', 'parameters', 'epochs', 'validation accuracy, mean of 3 seeds', 'standard deviation'], rows)


def main():
    torch.manual_seed(0)
    sections = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for sizes in SIZES:
            n, c_in, size, c_out, kernel = sizes
            what = f'{n} images of {size} x {size}, {c_in} channels in and {c_out} out, kernels of {kernel} x {kernel}, {threads} thread{"s" * (threads > 1)}'
            sections.append(f'Forward and backward, {what}:\n\n{ratio_table(in_turn(candidates(*sizes), rounds=11, warmup=2), "F.conv2d")}')
    torch.set_num_threads(1)
    sections.append(f'MNIST, 50,000 digits to learn from, 10,000 to validate:\n\n{accuracies()}')
    report('bench_convolutions', 'Lesson 07: convolutions', '\n\n'.join(sections))


if __name__ == '__main__': main()

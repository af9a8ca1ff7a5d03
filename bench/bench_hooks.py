"""Lesson 07a: what it costs to look inside a fit; fastai's ActivationStats beside it. `python bench/bench_hooks.py`

Two epochs of 5,120 digits in batches of 512, by the network of lesson 07a. Ours is compared with our fit without it, fastai's with
fastai's fit without it. All eleven layers are watched in every batch by ours, and by fastai's too (`include_paramless`)."""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import importlib.util
from functools import partial
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from common import in_turn, ratio_table, report
from exp.nb_02 import get_data, normalize
from exp.nb_04 import Dataset, get_dls
from exp.nb_05 import Learner
from exp.nb_07a import ActivationStats, LayerWatcher

BS, N, EPOCHS, LR = 512, 5120, 2, .05


def cnn():
    torch.manual_seed(0)
    convs = [layer for i, o in [(1, 8), (8, 16), (16, 32), (32, 32)] for layer in (nn.Conv2d(i, o, 3, 2, 1), nn.ReLU())]
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


class Moments(LayerWatcher):
    "Mean and spread of all numbers, and nothing else."
    def setup(self, learn):
        super().setup(learn)
        self.rows = []
    def look(self, layer, x): self.rows.append(torch.stack(torch.std_mean(x, correction=0)))


class Calls(LayerWatcher):
    "The hooks alone, which do nothing."
    def look(self, layer, x): pass


class OneByOne(ActivationStats):
    "Measured at each call."
    TOGETHER = 1


def ours(data, make):
    dls = get_dls(Dataset(*data[:2]), Dataset(*data[2:]), BS)
    learn = Learner(cnn(), dls, opt_func=torch.optim.SGD, lr=LR)
    return lambda: learn.fit(EPOCHS, make(learn.model))


def fastai(data, make):
    from fastai.basics import DataLoaders, Learner, OptimWrapper
    import fastai.callback.progress                      # it has `no_bar`
    dls = DataLoaders.from_dsets(TensorDataset(*data[:2]), TensorDataset(*data[2:]), bs=BS, device='cpu')
    learn = Learner(dls, cnn(), F.cross_entropy, partial(OptimWrapper, opt=torch.optim.SGD), lr=LR)
    def run():
        with learn.no_bar(), learn.no_logging(): learn.fit(EPOCHS, cbs=make())
    return run


def relus(model): return [layer for layer in model if isinstance(layer, nn.ReLU)]


CHEAP = {'ours without': lambda model: [], 'hooks that do nothing': lambda model: [Calls()], 'ActivationStats': lambda model: [ActivationStats()],
         'ActivationStats of the four relus': lambda model: [ActivationStats(relus(model))], 'ActivationStats, every=10': lambda model: [ActivationStats(every=10)]}
OTHERS = {'ours without': lambda model: [], 'each call measured by itself': lambda model: [OneByOne()], 'all numbers, and no sample': lambda model: [ActivationStats(size=2**30)],
          'mean and spread of all numbers only': lambda model: [Moments()]}


def peers(data):
    from fastai.callback.hook import ActivationStats as Theirs
    found = {'fastai without': list, 'its ActivationStats, mean and spread': partial(Theirs, include_paramless=True), 'its ActivationStats, with_hist=True': partial(Theirs, with_hist=True, include_paramless=True)}
    return {name: fastai(data, lambda make=make: make() or []) for name, make in found.items()}


def main():
    torch.set_num_threads(1)
    x, y, x_valid, y_valid = get_data()
    x, x_valid = [normalize(part, x.mean(), x.std()).reshape(-1, 1, 28, 28) for part in (x, x_valid)]
    data = x[:N], y[:N], x_valid[:1000], y_valid[:1000]
    cheap, others = (in_turn({name: ours(data, make) for name, make in group.items()}, rounds) for group, rounds in ((CHEAP, 41), (OTHERS, 7)))
    sections = [f'Time of a fit, {N:,} digits, batches of {BS}, {EPOCHS} epochs, one thread:\n\n' + ratio_table(cheap, 'ours without'),
                'Other ways to look:\n\n' + ratio_table(others, 'ours without')]
    if importlib.util.find_spec('fastai'):
        sections.append('fastai\'s, of the same layers, times its own fit without it:\n\n' + ratio_table(in_turn(peers(data), rounds=7), 'fastai without'))
    report('bench_hooks', 'Lesson 07a: looking inside a fit', '\n\n'.join(sections))


if __name__ == '__main__': main()

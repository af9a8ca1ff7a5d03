"""Lesson 06: seconds to 97, 98 and 99 % on the validation set. `python bench/bench_schedules.py`

Three recipes in plain PyTorch, found by search, are the marks; our Learner trains the same models by the same recipes, with
its metrics, and fastai's `fit_one_cycle` trains them for as many epochs as it needs, up to five. The data are in memory, what
the libraries write goes into a string, and a time is that of the fit with the validation at its end. Every round has a seed
of its own; all candidates of a round share it."""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import contextlib, functools, importlib.util, io, itertools, statistics, time, warnings
from dataclasses import dataclass
from typing import Callable
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from common import report, table, times
from exp.nb_02 import get_data, normalize
from exp.nb_04 import BatchLoader, DataLoaders, Dataset, accuracy, get_test_data
from exp.nb_05 import Callback, Learner, MetricsCallback
from exp.nb_05a import ProgressCallback
from exp.nb_06 import ParamScheduler, combine_scheds, sched_cos, sched_lin

SEEDS, DIV, DIV_END = range(3), 25, 1e4


@dataclass
class Recipe:
    "How a model is trained; `epochs` may end within one, and the rate goes up during the share `up` of the steps."
    target: float
    model: Callable
    opt: Callable
    top: float
    epochs: float
    bs: int
    up: float
    shape: str                                  # of the schedule: 'linear' or 'cos'
    shift: int = 0                              # pixels

    def steps(self, n): return round(self.epochs * -(-n // self.bs))


def mlp(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


def wide_mlp(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 10))


def cnn():
    convs = nn.Conv2d(1, 12, 5, 2, 2), nn.ReLU(), nn.Conv2d(12, 32, 5, 2, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU()
    return nn.Sequential(*convs, nn.Flatten(), nn.Linear(32*49, 10)).to(memory_format=torch.channels_last)


SGD = functools.partial(torch.optim.SGD, momentum=.9, nesterov=True)
RECIPES = [
    Recipe(.97, mlp, SGD, .2, 1.53, 256, .3, 'linear'),
    Recipe(.98, wide_mlp, functools.partial(torch.optim.AdamW, weight_decay=.01, fused=True), .02, 3, 256, .3, 'cos'),
    Recipe(.99, cnn, functools.partial(torch.optim.AdamW, weight_decay=.1, fused=True), .014, 2.7, 128, .1, 'linear', shift=1),
]


def shifted(x, by):
    "A batch of images moved by up to `by` pixels, all in the same direction; the margin of a digit is empty."
    dy, dx = torch.randint(-by, by + 1, (2,)).tolist()
    return x.roll((dy, dx), (2, 3))


# Each candidate trains once and returns the validation accuracy

def plain(recipe, data):
    x, y, x_valid, y_valid = data
    model, steps = recipe.model(), recipe.steps(len(x))
    opt = recipe.opt(model.parameters(), lr=recipe.top)
    cycle = torch.optim.lr_scheduler.OneCycleLR(opt, recipe.top, total_steps=steps, pct_start=recipe.up, cycle_momentum=False,
                                                anneal_strategy=recipe.shape, div_factor=DIV, final_div_factor=DIV_END)
    batches = itertools.chain.from_iterable(torch.randperm(len(x)).split(recipe.bs) for _ in itertools.count())
    for step, idx in zip(range(steps), batches):
        xb = shifted(x[idx], recipe.shift) if recipe.shift else x[idx]
        F.cross_entropy(model(xb), y[idx]).backward()
        opt.step()
        opt.zero_grad()
        if step + 1 < steps: cycle.step()
    model.eval()
    with torch.no_grad(): return sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in
                                     zip(x_valid.split(512), y_valid.split(512))) / len(x_valid)


class Longer:
    "`steps` batches of a loader, which starts anew when it ends: a fit of one such epoch may end within one of the data's."
    def __init__(self, dl, steps): self.dl, self.steps = dl, steps
    def __len__(self): return self.steps
    def __iter__(self): return itertools.islice(itertools.chain.from_iterable(self.dl for _ in itertools.count()), self.steps)


class Shift(Callback):
    def __init__(self, by): self.by = by
    def before_batch(self, learn):
        if learn.training: learn.xb = shifted(learn.xb, self.by)


def our_learner(recipe, data):
    x, y, x_valid, y_valid = data
    dls = DataLoaders(Longer(BatchLoader(Dataset(x, y), recipe.bs, shuffle=True), recipe.steps(len(x))),
                      BatchLoader(Dataset(x_valid, y_valid), 512))
    sched, top = {'linear': sched_lin, 'cos': sched_cos}[recipe.shape], recipe.top
    rate = combine_scheds([recipe.up, 1 - recipe.up], [sched(top/DIV, top), sched(top, top/DIV/DIV_END)])
    cbs = [MetricsCallback(accuracy=accuracy), ProgressCallback(), ParamScheduler(lr=rate)]
    return Learner(recipe.model(), dls, opt_func=recipe.opt, lr=top, cbs=cbs + [Shift(recipe.shift)] * bool(recipe.shift))


def ours(recipe, data): return our_learner(recipe, data).fit(1).history[-1]['accuracy']


def fastai(recipe, data, epochs, lr):
    from fastai.basics import DataLoaders, Learner, accuracy
    import fastai.callback.progress, fastai.callback.schedule
    x, y, x_valid, y_valid = data
    dls = DataLoaders.from_dsets(TensorDataset(x, y), TensorDataset(x_valid, y_valid), bs=recipe.bs, device='cpu', num_workers=0)
    learn = Learner(dls, recipe.model(), F.cross_entropy, metrics=accuracy)
    learn.fit_one_cycle(epochs, lr)
    return float(learn.recorder.values[-1][-1])


def quiet(f, seed):
    "(seconds, accuracy) of a training from a seed."
    torch.manual_seed(seed)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        start = time.perf_counter()
        result = f()
        return time.perf_counter() - start, result


def enough_epochs(recipe, data, lr, most=5):
    "The least number of epochs in which fastai reaches the target with the first seed, or None if `most` are too few."
    def reached(epochs): return quiet(lambda: fastai(recipe, data, epochs, lr), SEEDS[0])[1] >= recipe.target
    return next(filter(reached, range(1, most)), most) if reached(most) else None


def section(recipe, data):
    "A table of one target."
    candidates = {'plain PyTorch': (recipe.epochs, lambda: plain(recipe, data)), 'our Learner': (recipe.epochs, lambda: ours(recipe, data))}
    missed = []
    for lr in (1e-3, 1e-2) if importlib.util.find_spec('fastai') else ():
        name, epochs = f'fastai, fit_one_cycle, {lr}', enough_epochs(recipe, data, lr)
        if epochs: candidates[name] = epochs, lambda epochs=epochs, lr=lr: fastai(recipe, data, epochs, lr)
        else: missed.append(f'{name}: not within 5 epochs.')
    for name in ('plain PyTorch', 'our Learner'): quiet(candidates[name][1], 99)         # warm; fastai has run already
    runs = {name: [] for name in candidates}
    for seed in SEEDS:
        for name in list(candidates)[::1 if seed % 2 else -1]: runs[name].append(quiet(candidates[name][1], seed))
    seconds, rows = {name: [pair[0] for pair in pairs] for name, pairs in runs.items()}, []
    for name, pairs in runs.items():
        reached = [pair[1] for pair in pairs]
        spread = f'{statistics.mean(reached):.4f} ± {statistics.stdev(reached):.4f}'
        rows.append((name, f'{candidates[name][0]:g}', times(seconds, name, 'plain PyTorch'), spread,
                     f'{sum(a >= recipe.target for a in reached)} of {len(SEEDS)}'))
    header = [f'{len(SEEDS)} rounds', 'epochs', 'times plain PyTorch', f'accuracy, {len(SEEDS)} seeds', f'runs at {recipe.target:.0%} or over']
    return '\n\n'.join([f'{recipe.target:.0%}:', table(header, rows), *missed])


def test_accuracies(data, x_test, y_test):
    "Of one run of ours for each target: the only use of the test set."
    for recipe in RECIPES:
        _, learn = quiet(lambda: our_learner(recipe, data).fit(1), SEEDS[0])
        yield f'{learn.validate(BatchLoader(Dataset(x_test, y_test), 500), accuracy=accuracy)["accuracy"]:.4f}'


def main():
    warnings.filterwarnings('ignore')
    torch.set_num_threads(2)
    x, y, x_valid, y_valid = get_data()
    mean, std = x.mean(), x.std()
    def images(x): return x.reshape(-1, 1, 28, 28)
    data = images(normalize(x, mean, std)), y, images(normalize(x_valid, mean, std)), y_valid
    sections = [section(recipe, data) for recipe in RECIPES]
    x_test, y_test = get_test_data(mean, std)
    tests = ', '.join(test_accuracies(data, images(x_test), y_test))
    sections.append(f'Accuracy on the test set of one run of ours for each target: {tests}.')
    report('bench_schedules', 'Lesson 06: seconds to an accuracy on the validation set (two threads)', '\n\n'.join(sections))


if __name__ == '__main__': main()

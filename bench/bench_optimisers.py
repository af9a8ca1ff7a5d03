"""Lesson 09: a step of each optimiser beside PyTorch's implementations, and a race. `python bench/bench_optimisers.py`

The race: each design tries five rates, a factor of three apart, with seed 0; the best by the loss on the first half of the
validation set is trained with three other seeds and judged on the second half."""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import functools, math, statistics
import torch
from torch import nn
from torch.nn import functional as F
from common import in_turn, ratio, report, table
from exp.nb_02 import get_data, normalize
from exp.nb_04 import SGD, Dataset, accuracy, get_dls
from exp.nb_05 import Learner
from exp.nb_06 import OneCycle
from exp.nb_09 import LAMB, Adagrad, Adam, AdamW, Lion, Muon, RMSProp, Together

EPOCHS, SEEDS = 1, (1, 2, 3)
PAIRS = [(SGD, torch.optim.SGD, {'momentum': .9}), (Adagrad, torch.optim.Adagrad, {}), (RMSProp, torch.optim.RMSprop, {}),
         (Adam, torch.optim.Adam, {}), (AdamW, torch.optim.AdamW, {}), (Muon, torch.optim.Muon, {})]


def mlp(): return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def cnn():
    widths = [3] + [32] * 6 + [64] * 6 + [128] * 6
    blocks = [nn.Sequential(nn.Conv2d(n, m, 3, bias=False), nn.BatchNorm2d(m)) for n, m in zip(widths, widths[1:])]
    return nn.Sequential(*blocks, nn.Linear(128, 10))


def stepper(make, net, **settings):
    "A function of some steps, with gradients that stay the same."
    params = [p for p in net.parameters() if make not in (Muon, torch.optim.Muon) or p.ndim == 2]
    for p in params: p.grad = torch.randn_like(p)
    opt = make(params, lr=1e-6, **settings)
    def steps():
        for _ in range(count(make)): opt.step()
    return steps


def count(make):
    "Muon's steps are slow where a CPU has no bfloat16."
    return 1 if make in (Muon, torch.optim.Muon) else 10


def variants(ours, theirs, settings, net):
    "The candidates that there are: PyTorch's default on a CPU is its loop over the parameters."
    torch.manual_seed(0)
    yield 'ours', stepper(ours, net(), **settings)
    yield 'default', stepper(theirs, net(), **settings)
    for name in ('foreach', 'fused'):
        try: steps = stepper(theirs, net(), **settings, **{name: True})
        except (TypeError, RuntimeError): continue
        yield name, steps


def step_table(net, rounds=11):
    rows = []
    for ours, theirs, settings in PAIRS:
        if ours is Muon and net is cnn: continue                     # its filters are no matrices
        seconds = in_turn(dict(variants(ours, theirs, settings, net)), rounds=rounds, warmup=2)
        micro = f'{statistics.median(seconds["ours"]) / count(ours) * 1e6:.0f}'
        def times(name): return ratio(seconds, 'ours', name) if name in seconds else '–'
        rows.append((ours.__name__, micro, *(times(name) for name in ('default', 'foreach', 'fused'))))
    return table(['', 'microseconds for a step of ours', "times PyTorch's default", 'times foreach', 'times fused'], rows)


def momentum(nesterov): return functools.partial(SGD, momentum=.9, nesterov=nesterov)


def muon_and_adamw(params, lr):
    params = list(params)
    matrices, others = [p for p in params if p.ndim == 2], [p for p in params if p.ndim != 2]
    return Together(Muon(matrices, lr, adjust_lr_fn='match_rms_adamw', half=False), AdamW(others, lr, weight_decay=0.))


RACE = {'SGD': (SGD, .5), 'momentum 0.9': (momentum(False), .06), 'Nesterov 0.9': (momentum(True), .06), 'Adagrad': (Adagrad, .05),
        'RMSProp': (RMSProp, .003), 'Adam': (Adam, .005), 'AdamW': (AdamW, .005), 'LAMB, no decay': (functools.partial(LAMB, weight_decay=0.), .02),
        'Lion': (Lion, .001), 'Muon, AdamW for biases': (muon_and_adamw, .01)}


def final(make, lr, seed, train_ds, valid_ds):
    "Loss and accuracy after the last epoch."
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    learn = Learner(net, get_dls(train_ds, valid_ds, 64, seed=seed), opt_func=make, lr=lr).fit(EPOCHS, [OneCycle(lr, moms=None)])
    return tuple(learn.validate(accuracy=accuracy).values())


def race():
    x, y, x_valid, y_valid = get_data()
    mean, std = x.mean(), x.std()
    train_ds, (choose_ds, judge_ds) = Dataset(normalize(x, mean, std), y), [
        Dataset(normalize(x_valid[i:i+5000], mean, std), y_valid[i:i+5000]) for i in (0, 5000)]
    rows = []
    for name, (make, middle) in RACE.items():
        tried = {middle * 3.**k: final(make, middle * 3.**k, 0, train_ds, choose_ds)[0] for k in (-2, -1, 0, 1, 2)}
        lr = min(tried, key=lambda lr: (math.isnan(tried[lr]), tried[lr]))
        losses, reached = zip(*(final(make, lr, seed, train_ds, judge_ds) for seed in SEEDS))
        spread = [f'{statistics.mean(a):.4f} ± {statistics.stdev(a):.4f}' for a in (losses, reached)]
        rows.append((name, f'{lr:.2g}', 'no' if lr in [*tried][1:-1] else 'yes', *spread))
    return table(['', 'top of the cycle', 'at the edge of the five', 'loss', f'accuracy, {len(SEEDS)} seeds'], rows)


def main():
    torch.set_num_threads(1)
    parts = [f'A step for the {sum(1 for _ in net().parameters())} parameters of {what}, {sum(p.numel() for p in net().parameters()):,} numbers:\n\n{step_table(net)}'
             for net, what in ((mlp, '784-256-256-10'), (cnn, 'eighteen convolutions with batch norm'))]
    parts.append(f'784-64-64-10, all 50,000 digits, epochs: {EPOCHS}, the rate in one cycle, batches of 64:\n\n{race()}')
    report('bench_optimisers', 'Lesson 09: a step, and a race (one thread)', '\n\n'.join(parts))


if __name__ == '__main__': main()

"""Lesson 11: Fashion-MNIST with at most 300,000 parameters, after 5, 20 and 50 epochs. `make bench-long`, or `python bench/long_residual.py 5`
for that length alone. It takes hours; broken off and started again it goes on after the last whole epoch, from the files in build/.

Settings are chosen on the validation set alone: each row of CHOICE, a change of SETTINGS, is trained with seed 0, and the best is kept; for 20
epochs a change of what was best for 5, and 50 take what was best for 20. It is then trained with other seeds, and the test set is looked at
once, at the end of each of these runs."""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import argparse, functools, json, statistics, time
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional as F
from common import report, table
from exp.nb_01 import FASHION_MNIST
from exp.nb_02 import get_data, normalize
from exp.nb_02a import init_layers
from exp.nb_04 import Dataset, accuracy, get_dls, get_test_data
from exp.nb_04a import Callback
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_05b import Checkpoint
from exp.nb_06 import OneCycle
from exp.nb_09 import AdamW, Design, Muon, Together, slot
from exp.nb_11 import ResNet
from exp.nb_12 import Affine, Augment, Erase, Flip

GOALS, SEEDS, LIMIT = {5: .930, 20: .945, 50: .952}, {5: (1, 2, 3), 20: (1, 2, 3), 50: (1,)}, 300_000
SETTINGS = dict(stem_widths=(24,), widths=(24, 48, 120), depth=1, stem_stride=1, rate=.01, decay=.05, smoothing=.1, flip=True, shift=0, erase=0, bs=128)
HALF = dict(stem_widths=(32, 64), widths=(64, 112), stem_stride=2)                 # half as high and wide from the first layer on, and wider
CHOICE = {5: [dict(rate=.01), dict(rate=.005), dict(shift=1), HALF], 20: [dict(shift=2), dict(shift=2, erase=8)]}
FOLDER = Path(__file__).parents[1]/'build'/'long_residual'


def augment(flip, shift, erase):
    "Lesson 12's: pictures turned left to right, each with probability 1/2, moved by up to `shift` pixels, and with a box of `erase` pixels at 0."
    return Augment(*[Flip()] * flip, *[Affine(shift=shift/28)] * (shift > 0), *[Erase(erase/28)] * (erase > 0))


class Cpu(Callback):
    "The CPU seconds of all whole epochs, those before a break included."
    saves, seconds = ('seconds',), 0.
    def before_epoch(self, learn): self.start = time.process_time()
    def after_epoch(self, learn): self.seconds += time.process_time() - self.start


class KernelMuon(Muon):
    "Muon for kernels, (O, C, kh, kw), as matrices (O, kh*kw*C); they must lie in channels-last order."
    def __init__(self, params, lr, weight_decay):
        Design.__init__(self, params, lr=lr, weight_decay=weight_decay, momentum=.95, nesterov=True, half=False, eps=1e-7, ns_steps=5,
                        ns_coefficients=(3.4445, -4.775, 2.0315), adjust_lr_fn='match_rms_adamw')

    def update(self, p, g, memory, **settings):
        def matrix(t): return t.permute(0, 2, 3, 1).flatten(1)             # a view in channels-last order
        super().update(matrix(p), matrix(g), {'mean': matrix(slot(memory, 'mean', p))}, **settings)


def optimiser(params, lr, decay):
    "Muon for kernels; AdamW at the same rate, without decay, for all else."
    params = list(params)
    return Together(KernelMuon([p for p in params if p.ndim == 4], lr, decay), AdamW([p for p in params if p.ndim < 4], lr, weight_decay=0.))


def pictures(x): return x.reshape(-1, 1, 28, 28).contiguous(memory_format=torch.channels_last)


def data(n=50_000):
    "The first `n` of the training pictures, all for validation, and a function that opens the test set."
    x, y, x_valid, y_valid = get_data(FASHION_MNIST)
    mean, std = x.mean(), x.std()
    train, valid = [Dataset(pictures(normalize(a, mean, std)), b) for a, b in ((x[:n], y[:n]), (x_valid, y_valid))]
    def test():
        x, y = get_test_data(mean, std, FASHION_MNIST)
        return Dataset(pictures(x), y)
    return train, valid, test


@torch.no_grad()
def share_right(model, ds, flip):
    "Of the pictures of `ds`; with `flip` by the mean of the answers to each and to its mirror image."
    model.eval()
    def answers(x): return model(x).softmax(1) + (model(x.flip(3)).softmax(1) if flip else 0)
    return accuracy(torch.cat([answers(x) for x in ds.x.split(500)]), ds.y).item()


def learner(s, seed, train, valid):
    torch.manual_seed(seed)
    model = init_layers(ResNet(1, 10, s['stem_widths'], s['widths'], s['depth'], s['stem_stride'], norm=nn.BatchNorm2d))
    model.to(memory_format=torch.channels_last)
    assert sum(p.numel() for p in model.parameters()) <= LIMIT
    cbs = [MetricsCallback(accuracy=accuracy), OneCycle(s['rate'], moms=None), augment(s['flip'], s['shift'], s['erase']), cpu := Cpu()]
    loss = functools.partial(F.cross_entropy, label_smoothing=s['smoothing'])
    return Learner(model, get_dls(train, valid, s['bs'], seed=seed), loss, functools.partial(optimiser, decay=s['decay']), lr=s['rate'], cbs=cbs), cpu


def run(name, s, epochs, seed, parts, folder, look=False):
    "What a fit has given, as a dict, from its file if it has ended before; the test set is opened only where `look`."
    file = folder/name/'result.json'
    if file.exists():
        found = json.loads(file.read_text())
        if found['settings'] != json.loads(json.dumps(s)): raise ValueError(f'{file} is of other settings: remove its folder')
        return found
    (train, valid, test), (learn, cpu) = parts, learner(s, seed, *parts[:2])
    learn.fit(epochs, [Checkpoint(folder/name, keep=1)], reraise=True)
    found = {'settings': s, 'valid': share_right(learn.model, valid, s['flip']), 'seconds': cpu.seconds,
             'parameters': sum(p.numel() for p in learn.model.parameters()), 'history': learn.history, **({'test': share_right(learn.model, test(), s['flip'])} if look else {})}
    part = file.with_suffix('.part')
    part.write_text(json.dumps(found, indent=1))
    part.replace(file)
    print(name, {k: v for k, v in found.items() if k not in ('history', 'settings')}, flush=True)
    return found


def choose(epochs, parts, folder):
    "(the settings for this many epochs, a row for each candidate)"
    if epochs == 50: return choose(20, parts, folder)[0], []
    base = SETTINGS if epochs == 5 else choose(5, parts, folder)[0]
    candidates = [{**base, **changes} for changes in CHOICE[epochs]]
    found = [run(f'{epochs}-choice-{i}', s, epochs, 0, parts, folder)['valid'] for i, s in enumerate(candidates)]
    return candidates[found.index(max(found))], [(epochs, changes_in_words(c), f'{v:.4f}') for c, v in zip(CHOICE[epochs], found)]


def changes_in_words(changes): return ', '.join(f'{name} {value}' for name, value in changes.items())


def spread(values): return f'{statistics.mean(values):.4f}' + (f' ± {statistics.stdev(values):.4f}' if len(values) > 1 else '')


def main(lengths, folder=FOLDER):
    torch.set_num_threads(1)
    parts, chosen, rows = data(), [], []
    for epochs in lengths:
        s, tried = choose(epochs, parts, folder)
        chosen += tried
        found = [run(f'{epochs}-seed-{seed}', s, epochs, seed, parts, folder, look=True) for seed in SEEDS[epochs]]
        test, valid, seconds = [[f[name] for f in found] for name in ('test', 'valid', 'seconds')]
        rows.append((epochs, len(found), f"{found[0]['parameters']:,}", spread(valid), spread(test), f'{GOALS[epochs]:.3f}', f'{statistics.mean(seconds):,.0f}'))
    text = 'Test accuracy, looked at once per run: mean and standard deviation over the seeds. CPU seconds of one thread for a run.\n\n'
    text += table(['epochs', 'seeds', 'parameters', 'validation', 'test', 'goal', 'CPU seconds'], rows)
    text += f'\n\nUnless changed: {changes_in_words(SETTINGS)}. Chosen on the validation set, with another seed; 20 epochs change what was best for 5, and 50 take what was best for 20:\n\n'
    report('long_residual', 'Lesson 11: Fashion-MNIST with at most 300,000 parameters', text + table(['epochs', 'candidate', 'validation'], chosen))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('epochs', nargs='*', type=int, default=[*GOALS], help='5, 20, 50: all of them unless named')
    main(parser.parse_args().epochs)

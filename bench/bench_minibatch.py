"""Lesson 04: the loader beside the bare gather and PyTorch's, `fit` beside a bare loop, the accuracy. `python bench/bench_minibatch.py`"""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import statistics
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from common import in_turn, ratio_table, report, table
from exp.nb_02 import get_data, normalize
from exp.nb_04 import SGD, BatchLoader, Dataset, fit, get_dls, get_test_data, validate


def go_through(batches):
    for xb, yb in batches: pass


def by_index(x, i): return x[i]


def by_select(x, i): return x.index_select(0, i)


def loaders(x, y, bs):
    "An epoch of batches: gathered by hand in two ways, by our loader, and by PyTorch's, item by item and a batch at a time."
    def gather(rows):
        for indices in torch.randperm(len(x)).split(bs): rows(x, indices), rows(y, indices)
    ours, ds = BatchLoader(Dataset(x, y), bs, shuffle=True), TensorDataset(x, y)
    theirs, whole = DataLoader(ds, bs, shuffle=True), DataLoader(ds, batch_size=None, sampler=BatchSampler(RandomSampler(ds), bs, False))
    return {'bare gather': lambda: gather(by_index), 'bare gather by index_select': lambda: gather(by_select),
            'BatchLoader': lambda: go_through(ours), 'DataLoader(TensorDataset)': lambda: go_through(theirs),
            'DataLoader with a BatchSampler': lambda: go_through(whole)}


def mlp(): return nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))


def epochs(data, bs):
    "An epoch and a validation, loss and accuracy: by a bare loop that gathers in two ways, and by `fit`; one optimiser."
    x, y, x_valid, y_valid = data
    train_ds, valid_ds = Dataset(x, y), Dataset(x_valid, y_valid)

    def bare(rows):
        model, losses, hits = mlp(), 0, 0
        opt = SGD(model.parameters(), .05)
        for indices in torch.randperm(len(x)).split(bs):
            F.cross_entropy(model(rows(x, indices)), rows(y, indices)).backward()
            opt.step()
            opt.zero_grad()
        with torch.no_grad():
            for xb, yb in zip(x_valid.split(2*bs), y_valid.split(2*bs)):
                pred = model(xb)
                losses += F.cross_entropy(pred, yb) * len(yb)
                hits += (pred.argmax(1) == yb).sum()
        return (losses / len(x_valid)).item(), (hits / len(x_valid)).item()

    def ours():
        model = mlp()
        return fit(1, model, F.cross_entropy, SGD(model.parameters(), .05), *get_dls(train_ds, valid_ds, bs))

    return {'bare loop': lambda: bare(by_index), 'bare loop by index_select': lambda: bare(by_select), 'fit': ours}


def beside_both(seconds, reference):
    "Each candidate beside the `reference`, and beside the same by index_select."
    return ratio_table(seconds, reference, f'{reference} by index_select')


def accuracies(data, mean, std, seeds=3):
    "The recipe of the lesson over seeds; the test set is asked once, for the first."
    x, y, x_valid, y_valid = data
    finals, test = [], None
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = mlp()
        dls = get_dls(Dataset(x, y), Dataset(x_valid, y_valid), 32)
        finals.append(fit(5, model, F.cross_entropy, SGD(model.parameters(), .05), *dls)[-1][1])
        if test is None: test = validate(model, F.cross_entropy, BatchLoader(Dataset(*get_test_data(mean, std)), 1000))[1]
    return table(['', 'accuracy'], [(f'validation, mean of {seeds} seeds', f'{statistics.mean(finals):.4f}'),
                                    ('standard deviation', f'{statistics.stdev(finals):.4f}'), ('test, first seed', f'{test:.4f}')])


def main():
    torch.set_num_threads(1)
    x, y, x_valid, y_valid = get_data()
    mean, std = x.mean(), x.std()
    data = normalize(x, mean, std), y, normalize(x_valid, mean, std), y_valid
    parts = []
    for bs in (64, 512):
        parts.append(f'An epoch of batches of {bs} alone, 50,000 digits (`x[indices]`, and `index_select`):\n\n{beside_both(in_turn(loaders(*data[:2], bs), rounds=11), "bare gather")}')
        parts.append(f'An epoch of training, 784-50-10, batches of {bs}, and a validation:\n\n{beside_both(in_turn(epochs(data, bs), rounds=9), "bare loop")}')
    parts.append(f'784-50-10, five epochs, batches of 32, SGD with a rate of 0.05:\n\n{accuracies(data, mean, std)}')
    report('bench_minibatch', 'Lesson 04: batches and the loop (one thread)', '\n\n'.join(parts))


if __name__ == '__main__': main()

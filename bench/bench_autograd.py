"""Lesson 03: the tape against PyTorch's autograd, on the seed's model. `python bench/bench_autograd.py`"""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import torch
from common import in_turn, report, table, times
from exp.nb_02 import get_data, kaiming_init, normalize
from exp.nb_03 import Var


def loss_of(x, y, w1, b1, w2, b2): return (((x @ w1 + b1).relu() @ w2 + b2 - y)**2).mean()


def candidates(x, y, repeat):
    "Forward and backward of one expression, by the tape and by autograd, `repeat` times."
    weights = [kaiming_init(784, 50), torch.zeros(50), kaiming_init(50, 1), torch.zeros(1)]
    ours, theirs = [Var(w, True) for w in weights], [w.clone().requires_grad_() for w in weights]

    def step(x, leaves):
        for _ in range(repeat):
            for leaf in leaves: leaf.grad = None
            loss_of(x, y, *leaves).backward()

    return {'autograd': lambda: step(x, theirs), 'tape': lambda: step(Var(x), ours)}


def main():
    torch.manual_seed(0)
    x, y, *_ = get_data()
    x, y, rows = normalize(x, x.mean(), x.std()), y[:, None].float(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for n, repeat in [(1, 300), (100, 200), (1000, 20), (10_000, 3), (50_000, 1)]:
            seconds = in_turn(candidates(x[:n], y[:n], repeat), rounds=21)
            rows.append((threads, f'{n:,}', times(seconds, 'tape', 'autograd')))
    report('bench_autograd', 'Lesson 03: the tape beside PyTorch\'s engine',
           'Forward and backward of the seed\'s model, 784-50-1, the same expression for both, 21 rounds:\n\n'
           + table(['threads', 'examples', 'tape, times autograd'], rows))


if __name__ == '__main__': main()

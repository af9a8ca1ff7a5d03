"""Lesson 17: attention written out, in blocks, and PyTorch's, forward and both ways; the memory of each in a process of its own;
networks of one and of two layers on the lesson's letters, three seeds. `python bench/bench_attention.py`"""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import re, resource, statistics, subprocess, sys
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional as F
from common import in_turn, ratio_table, report, table
from exp.nb_04 import Dataset, get_dls
from exp.nb_05 import Learner
from exp.nb_09 import AdamW
from exp.nb_17 import SelfAttention, attention, attention_in_blocks

HEADS, SIZE, LENGTHS = 4, 32, (256, 1024, 4096)
WAYS = {'PyTorch': lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        'written out': lambda q, k, v: attention(q, k, v, causal=True),
        'in blocks of 128': lambda q, k, v: attention_in_blocks(q, k, v, causal=True)}
DIRECTIONS = 'forward', 'forward and backward'
NETWORKS, SEEDS = {'one layer': (1, 32), 'one layer, twice as wide': (1, 64), 'one layer, five times as long': (1, 32, 10), 'two layers': (2, 32)}, range(3)


def work(name, n, both):
    "A function that looks up `n` queries at `n` keys, and if `both` fetches the gradients."
    torch.manual_seed(0)
    parts = [torch.randn(1, HEADS, n, SIZE, requires_grad=both) for _ in range(3)]
    g = torch.randn(1, HEADS, n, SIZE)
    def run():
        y = WAYS[name](*parts)
        return torch.autograd.grad(y, parts, g) if both else y
    return run


def grown(name, n, both):
    "Megabytes by which the process's peak grows when it does that once; small sizes have been done before."
    def peak():
        if sys.platform == 'darwin': return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return int(re.search(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text())[1]) / 2**10       # ru_maxrss begins with the parent's
    work(name, 16, both)()
    run = work(name, n, both)
    before = peak()
    run()
    return peak() - before


def in_own_process(*asked):
    done = subprocess.run([sys.executable, __file__, *map(str, asked)], capture_output=True, text=True, check=True)
    return f'{float(done.stdout):,.0f}'


class Reader(nn.Module):
    "The lesson's."
    def __init__(self, depth, dim):
        super().__init__()
        self.embed, self.out = nn.Embedding(20, dim), nn.Linear(dim, 20)
        self.layers = nn.ModuleList([SelfAttention(dim, heads=1, rotary=True) for _ in range(depth)])

    def forward(self, x):
        x = self.embed(x)
        for layer in self.layers: x = x + layer(x)
        return self.out(x).transpose(1, 2)


def rounds(count, n, generator):
    "The lesson's texts."
    rows, targets = torch.zeros(count, n + 1, dtype=torch.int64), torch.full((count, n), -100)
    for row, target in zip(rows, targets):
        size = torch.randint(6, 15, (), generator=generator).item()
        row[:] = torch.randperm(20, generator=generator)[:size].repeat(n)[:n + 1]
        target[size:] = row[size + 1:]
    return Dataset(rows[:, :-1].contiguous(), targets)


def final_loss(seed, depth, dim, epochs=2):
    generator = torch.Generator().manual_seed(seed)
    dls = get_dls(rounds(6400, 32, generator), rounds(500, 32, generator), 64, seed=seed)
    torch.manual_seed(seed)
    learn = Learner(Reader(depth, dim), dls, opt_func=AdamW, lr=.01)
    learn.fit(epochs)
    return learn.validate()['loss']


def networks():
    losses = {name: [final_loss(seed, *how) for seed in SEEDS] for name, how in NETWORKS.items()}
    return table(['', 'validation loss'], [(name, f'{statistics.mean(found):.3f} ± {statistics.stdev(found):.3f}') for name, found in losses.items()])


def main():
    torch.set_num_threads(1)
    sections = []
    for both, direction in enumerate(DIRECTIONS):
        for n in LENGTHS:
            candidates = {name: work(name, n, bool(both)) for name in WAYS}
            seconds = in_turn(candidates, rounds=61 if n < 4096 else 15)
            sections.append(f'{direction.capitalize()}, {n:,} tokens:\n\n{ratio_table(seconds, "PyTorch")}')
    rows = [(f'{name}, {direction}', *(in_own_process(name, n, both) for n in LENGTHS))
            for both, direction in enumerate(DIRECTIONS) for name in WAYS]
    sections.append('Megabytes by which the peak of a process of its own grows, inputs not counted:\n\n' + table(['', *(f'{n:,} tokens' for n in LENGTHS)], rows))
    sections.append(f"The lesson's networks and letters, its 200 batches unless said otherwise, mean and standard deviation of {len(SEEDS)} seeds:\n\n{networks()}")
    about = f'One text, {HEADS} heads of {SIZE} numbers, causal, float32, one thread.'
    report('bench_attention', 'Lesson 17: attention', '\n\n'.join([about, *sections]))


if __name__ == '__main__':
    if sys.argv[1:]:
        torch.set_num_threads(1)
        name, n, both = sys.argv[1:]
        print(grown(name, int(n), bool(int(both))))
    else: main()

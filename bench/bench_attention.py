"""Lesson 17: attention written out, in blocks, and PyTorch's, forward and both ways; the memory of each in a process of its own.
`python bench/bench_attention.py`"""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import resource, subprocess, sys
import torch
from torch.nn import functional as F
from common import in_turn, ratio_table, report, table
from exp.nb_17 import attention, attention_in_blocks

HEADS, SIZE, LENGTHS = 4, 32, (256, 1024, 4096)
WAYS = {'PyTorch': lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        'written out': lambda q, k, v: attention(q, k, v, causal=True),
        'in blocks of 128': lambda q, k, v: attention_in_blocks(q, k, v, causal=True)}
DIRECTIONS = 'forward', 'forward and backward'


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
    def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)
    work(name, 16, both)()
    run = work(name, n, both)
    before = peak()
    run()
    return peak() - before


def in_own_process(*asked):
    done = subprocess.run([sys.executable, __file__, *map(str, asked)], capture_output=True, text=True, check=True)
    return f'{float(done.stdout):,.0f}'


def main():
    torch.set_num_threads(1)
    sections = []
    for both, direction in enumerate(DIRECTIONS):
        for n in LENGTHS:
            candidates = {name: work(name, n, bool(both)) for name in WAYS}
            seconds = in_turn(candidates, rounds=25 if n < 4096 else 7)
            sections.append(f'{direction.capitalize()}, {n:,} tokens:\n\n{ratio_table(seconds, "PyTorch")}')
    rows = [(f'{name}, {direction}', *(in_own_process(name, n, both) for n in LENGTHS))
            for both, direction in enumerate(DIRECTIONS) for name in WAYS]
    sections.append('Megabytes by which the peak of a process of its own grows, inputs not counted:\n\n' + table(['', *(f'{n:,} tokens' for n in LENGTHS)], rows))
    about = f'One text, {HEADS} heads of {SIZE} numbers, causal, float32, one thread.'
    report('bench_attention', 'Lesson 17: attention', '\n\n'.join([about, *sections]))


if __name__ == '__main__':
    if sys.argv[1:]:
        torch.set_num_threads(1)
        name, n, both = sys.argv[1:]
        print(grown(name, int(n), bool(int(both))))
    else: main()

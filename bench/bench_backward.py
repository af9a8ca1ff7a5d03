"""The seed's model, 784-50-1 with mse: our layers against nn.Sequential with autograd. `python bench/bench_backward.py`"""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import torch
from torch import nn
from torch.nn import functional as F
from common import in_turn, ratio_table, report
from exp.nb_02 import Lin, Model, Mse, Relu, get_data, kaiming_init, normalize


def candidates(x, y):
    "What is timed: each runs on the same weights and data."
    w1, b1, w2, b2 = kaiming_init(784, 50), torch.zeros(50), kaiming_init(50, 1), torch.zeros(1)
    ours, ours_data = [Model([Lin(w1, b1, wrt_input), Relu(), Lin(w2, b2)], Mse()) for wrt_input in (True, False)]
    theirs, leaf = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 1)), x.clone().requires_grad_()

    def autograd(inputs):
        theirs.zero_grad()
        inputs.grad = None
        F.mse_loss(theirs(inputs), y).backward()

    kept = []
    def hand(net):
        kept.clear()                                # the input's gradient lives until the next call, as autograd's does
        net(x, y)
        kept.append(net.backward())

    def forward():
        with torch.inference_mode(): F.mse_loss(theirs(x), y)

    forward_only = {'autograd': forward, 'ours': lambda: ours(x, y)}
    return {'Forward only': forward_only,
            'Forward and backward, gradients of the weights and biases': {'autograd': lambda: autograd(x), 'ours': lambda: hand(ours_data)},
            'Forward and backward, gradient of the input too (the five tensors)': {'autograd': lambda: autograd(leaf), 'ours': lambda: hand(ours)}}


def main():
    torch.manual_seed(0)
    x_train, y_train, *_ = get_data()
    x_train, sections = normalize(x_train, x_train.mean(), x_train.std()), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for n in (10_000, 50_000):
            for what, functions in candidates(x_train[:n], y_train[:n, None].float()).items():
                seconds = in_turn(functions, rounds=41 if n == 10_000 else 21)
                sections.append(f'{what}; {n:,} examples, {threads} thread{"s" * (threads > 1)}:\n\n{ratio_table(seconds, "autograd")}')
    report('bench_backward', "The seed's model, 784-50-1: our layers and autograd", '\n\n'.join(sections))


if __name__ == '__main__': main()

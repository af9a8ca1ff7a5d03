import copy, errno, os, random, signal, sys, time
import numpy as np, pytest, torch
import torch.distributed as dist
from torch import nn, tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset
from exp.nb_04 import SGD, BatchLoader, DataLoaders, Dataset, accuracy
from exp.nb_04a import Callback, CancelBatch, CancelEpoch, CancelFit, FitError
from exp.nb_05 import GradientClip, Learner, MetricsCallback
from exp.nb_05a import EarlyStopping, ProgressCallback, Recorder
from exp.nb_05b import Checkpoint, load_checked
from exp.nb_06 import OneCycle
from exp.nb_13 import (Distributed, Ranks, Shard, TextBar, buckets, cut, leave_out, main, number, reseed, sum_over_ranks, trained)
from learners import Diary, data, learner, weights
from ranks import finished, on, torchrun


def momentum(params, lr): return SGD(params, lr, momentum=.9)


class Own(Callback):
    "Adds to this rank's weights what other ranks must not know of, before the fit."
    order = -30
    def setup(self, learn):
        with torch.no_grad():
            for p in learn.model.parameters(): p.add_(dist.get_rank() if dist.is_initialized() else 0)


def train(kinds=(Distributed,), epochs=2, seed=0, **how):
    "What a fit leaves on a rank; `kinds` make callbacks."
    torch.manual_seed(100 + (dist.get_rank() if dist.is_initialized() else 0))
    learn = learner([Recorder(), MetricsCallback(accuracy=accuracy), *[kind() for kind in kinds]], seed=seed, **{'n': 41, 'opt_func': momentum, **how})
    learn.fit(epochs)
    return {'weights': weights(learn), 'rows': [[*row.values()] for row in learn.history], 'losses': learn.cbs[1].on_cpu(),
            'buffers': [b.clone() for b in learn.model.buffers()], 'placed': 'placed' in vars(learn), 'hooks': len(learn.model._forward_pre_hooks)}


def alike(got, want, atol=1e-6):
    for name in ('weights', 'rows', 'losses'):
        torch.testing.assert_close(torch.as_tensor(got[name]), torch.as_tensor(want[name]), rtol=0, atol=atol)


# ---- one process and many

@pytest.mark.parametrize('size', [1, 2, 4])
def test_many_ranks_train_as_one_process_does_with_a_last_batch_that_does_not_divide(size):
    want, = on(0, train, ())
    for got in on(size, train): alike(got, want)


@pytest.mark.parametrize('n, bs', [(3, 3), (3, 2), (1, 1), (9, 4)])
def test_ranks_without_an_example_take_the_same_steps(n, bs):
    want, = on(0, train, (), n=n, bs=bs)
    for got in on(4, train, n=n, bs=bs): alike(got, want)


def test_in_a_plain_process_the_callback_is_not_called_and_nothing_changes():
    plain, = on(0, train, ())
    with_it, = on(0, train)
    assert all(torch.equal(torch.as_tensor(with_it[name]), torch.as_tensor(plain[name])) for name in ('weights', 'rows', 'losses'))
    cb, learn = Distributed(), learner()
    learn.fit(0, [cb])
    assert cb.ranks.rank == 0 and cb.ranks.size == 1 and not any(getattr(method, '__self__', None) is cb for methods in learn.heard.values() for method in methods)


def test_all_ranks_begin_with_the_weights_of_rank_0_whatever_they_had():
    want, = on(0, train, ())
    for got in on(2, train, (Own, Distributed)): alike(got, want)

"What the tests of the loop and the learner share: a small data set, a small model, and callbacks that listen."
import torch
from torch import nn
from torch.nn import functional as F
from exp.nb_04 import SGD, Dataset, get_dls
from exp.nb_04a import EVENTS, Callback, Loop


def data(n=40):
    torch.manual_seed(1)
    x = torch.randn(n, 4)
    return Dataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 1).long())


def parts(bs, n, seed, layers=()):
    "A model and loaders for it."
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), *layers, nn.Linear(5, 3))
    return model, get_dls(data(n), data(n), bs, seed=seed)


def loop(cbs=(), bs=16, n=40, lr=.1, seed=0):
    model, dls = parts(bs, n, seed)
    return Loop(model, dls, F.cross_entropy, SGD(model.parameters(), lr), cbs)


def learner(cbs=(), bs=16, n=40, lr=.1, seed=0, opt_func=SGD, layers=(), **kwargs):
    from exp.nb_05 import Learner
    return Learner(*parts(bs, n, seed, layers), lr=lr, cbs=cbs, opt_func=opt_func, **kwargs)


def weights(learn): return torch.cat([p.detach().flatten() for p in learn.model.parameters()])


class Diary(Callback):
    "Writes down every event; `at` maps events to functions of the learner that are called there."
    order = 60

    def __init__(self, **at): self.lines, self.at = [], at


def listen(event):
    def method(self, learn):
        self.lines.append(event)
        if event in self.at: self.at[event](learn)
    return method


for event in EVENTS: setattr(Diary, event, listen(event))


def raising(*kinds):
    "A function that raises the next of `kinds`, exceptions or their classes, whenever it is called; None raises nothing."
    left = list(kinds)
    def fail(learn):
        kind = left.pop(0) if len(left) > 1 else left[0]
        if kind is not None: raise kind
    return fail

# Generated from nbs/02_fully_connected.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/02_fully_connected.ipynb 31e93692
import math
import torch
from torch import nn, tensor
from torch.nn import init
from exp.nb_01 import MNIST, data_file, read_idx

# ---
# get_data
# %% nbs/02_fully_connected.ipynb 68ee278a
def get_data(dataset=MNIST):
    """`x_train, y_train, x_valid, y_valid`: the first 50,000 examples of `dataset`'s files train-images-idx3-ubyte.gz and
    train-labels-idx1-ubyte.gz, and the others. x are rows of pixels in [0, 1), float32; y are class numbers, int64."""
    x, y = [read_idx(data_file(dataset, f'train-{kind}-ubyte.gz')) for kind in ('images-idx3', 'labels-idx1')]
    x, y = x.reshape(len(x), -1).float().div_(256), y.long()
    return x[:50_000], y[:50_000], x[50_000:], y[50_000:]

def normalize(x, mean, std):
    "`x` shifted by `mean` and divided by `std`: with its own statistics it gets mean 0 and spread 1."
    return (x - mean) / std

# ---
# test_near_zero
# %% nbs/02_fully_connected.ipynb 514bc133
def test_near_zero(x, tol=1e-3):
    "Raise AssertionError, `near zero: …`, unless each number of `x`, a tensor or a plain number, is nearer to zero than `tol`."
    x = torch.as_tensor(x)
    assert (x.abs() < tol).all(), f'near zero: {x}'

test_near_zero.__test__ = False

# ---
# lin
# %% nbs/02_fully_connected.ipynb acb07cfa
def lin(x, w, b):
    "(n, m) @ (m, nh) + (nh,) -> (n, nh)"
    return x @ w + b

# ---
# relu
# %% nbs/02_fully_connected.ipynb 796b900e
def relu(x):
    "`x`, but 0 where it is negative; what is no number (NaN) stays so (Fukushima, 1969)."
    return x.clamp_min(0.)

# ---
# kaiming_init
# %% nbs/02_fully_connected.ipynb cce2e7f2
def kaiming_init(m, nh):
    "Normal weights (m, nh) of standard deviation `sqrt(2/m)`: the 2 makes up for the half that one relu beside them takes (He et al., 2015)."
    return torch.randn(m, nh) * math.sqrt(2/m)

# ---
# mse
# %% nbs/02_fully_connected.ipynb 29911824
def mse(pred, targ):
    "The mean of the squared differences, a scalar. Raises ValueError, which names both shapes, when `pred` and `targ` differ in shape."
    if pred.shape != targ.shape:
        raise ValueError(f'mse: pred {tuple(pred.shape)} and targ {tuple(targ.shape)} differ in shape')
    return (pred - targ).pow(2).mean()

# ---
# Module
# %% nbs/02_fully_connected.ipynb f51a9a54
class Module:
    """A layer that keeps the inputs of its last call. A subclass defines `forward(*inputs)`, which returns the
    output, and `backward(g)`, which turns the gradient of that output into the one of the first input."""
    inputs = None

    def __call__(self, *inputs):
        self.inputs = inputs
        return self.forward(*inputs)

    def kept(self):
        "The inputs of the last call. Raises RuntimeError when there was none, of a Lin: `Lin: backward before forward`."
        if self.inputs is None: raise RuntimeError(f'{type(self).__name__}: backward before forward')
        return self.inputs

    def parameters(self):
        "The tensors to be learned, each with its gradient in `.grad` after `backward`."
        return []

# ---
# Lin
# %% nbs/02_fully_connected.ipynb b115e27c
class Lin(Module):
    """`x @ w + b` for x (n, m), w (m, nh), b (nh,). `backward(g)` leaves gradients in `w.grad` and `b.grad`
    and returns that of x, (n, m); or None with `wrt_input=False`, for a first layer, whose input is data."""
    def __init__(self, w, b, wrt_input=True): self.w, self.b, self.wrt_input = w, b, wrt_input
    def parameters(self): return [self.w, self.b]
    def forward(self, x): return torch.addmm(self.b, x, self.w)

    def backward(self, g):
        x, = self.kept()
        self.w.grad, self.b.grad = x.t() @ g, g.sum(0)
        if self.wrt_input: return g @ self.w.t()

# ---
# Relu
# %% nbs/02_fully_connected.ipynb 84ec66ff
class Relu(Module):
    "`relu` of a tensor of any shape; the gradient passes where the input was positive, and not at 0."
    def forward(self, x): return relu(x)

    def backward(self, g):
        x, = self.kept()
        return g * (x > 0)

# ---
# Mse
# %% nbs/02_fully_connected.ipynb 4a7d321c
class Mse(Module):
    "`mse(pred, targ)`; `backward(g)` returns the gradient of `pred`; that of the loss itself, `g`, is 1."
    def forward(self, pred, targ): return mse(pred, targ)

    def backward(self, g=1.):
        pred, targ = self.kept()
        return (pred - targ) * (2*g / pred.numel())

# ---
# Model
# %% nbs/02_fully_connected.ipynb 17a092a1
class Model(Module):
    "`layers` one after the other, then `loss`: `model(x, targ)` is the loss, `predict(x)` what goes into it."
    def __init__(self, layers, loss): self.layers, self.loss = layers, loss
    def parameters(self): return [p for layer in self.layers for p in layer.parameters()]

    def predict(self, x):
        for layer in self.layers: x = layer(x)
        return x

    def forward(self, x, targ): return self.loss(self.predict(x), targ)

    def backward(self, g=1.):
        g = self.loss.backward(g)
        for layer in reversed(self.layers): g = layer.backward(g)
        return g

# ---

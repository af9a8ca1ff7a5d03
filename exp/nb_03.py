# Generated from nbs/03_autograd.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/03_autograd.ipynb 62b81ad6
from contextlib import contextmanager
import torch

# ---
# Tape
# %% nbs/03_autograd.ipynb ef411264
class Tape:
    "Whether operations are written down; switched off by `no_grad`."
    on = True

@contextmanager
def no_grad():
    "Within it operations are not written down: `with no_grad(): ...`"
    before, Tape.on = Tape.on, False
    try: yield
    finally: Tape.on = before

def record(op, data, *links):
    """The Var of a result of the operation `op`. Each of `links` is (parent, pull): `pull(g)` turns the
    gradient `g` of the result into the parent's share of it, in the parent's shape."""
    links = [(parent, pull) for parent, pull in links if parent.requires_grad] if Tape.on else []
    var = Var(data, bool(links))
    var.op, var.links = op, links
    return var

# ---
# unbroadcast
# %% nbs/03_autograd.ipynb b0970700
def unbroadcast(g, shape):
    "Sums `g` over the axes along which a tensor of this `shape` was repeated by broadcasting."
    if g.shape == shape: return g
    g = g.sum(tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g
    stretched = tuple(i for i, size in enumerate(shape) if size == 1 and g.shape[i] != 1)
    return g.sum(stretched, keepdim=True) if stretched else g

# ---
# pair
# %% nbs/03_autograd.ipynb 6a439455
def pair(op, a, b):
    "The Vars `a` and `b`, which may be a number or a tensor. ValueError unless their shapes broadcast."
    if not isinstance(b, (Var, torch.Tensor)): b = torch.as_tensor(b, dtype=a.data.dtype)
    b = b if isinstance(b, Var) else Var(b)
    try: torch.broadcast_shapes(a.shape, b.shape)
    except RuntimeError:
        raise ValueError(f'{op}: shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit') from None
    return a, b

# ---
# Arithmetic
# %% nbs/03_autograd.ipynb fc1a05ab
class Arithmetic:
    "`+ - * / **` of Vars with Vars, tensors and numbers, which broadcast; a power is a number."
    def __add__(self, b):
        a, b = pair('add', self, b)
        return record('add', a.data + b.data,
                      (a, lambda g: unbroadcast(g, a.shape)), (b, lambda g: unbroadcast(g, b.shape)))

    def __sub__(self, b):
        a, b = pair('sub', self, b)
        return record('sub', a.data - b.data,
                      (a, lambda g: unbroadcast(g, a.shape)), (b, lambda g: unbroadcast(-g, b.shape)))

    def __mul__(self, b):
        a, b = pair('mul', self, b)
        return record('mul', a.data * b.data, (a, lambda g: unbroadcast(g * b.data, a.shape)),
                      (b, lambda g: unbroadcast(g * a.data, b.shape)))

    def __truediv__(self, b):
        a, b = pair('div', self, b)
        return record('div', a.data / b.data, (a, lambda g: unbroadcast(g / b.data, a.shape)),
                      (b, lambda g: unbroadcast(-g * a.data / b.data**2, b.shape)))

    def __pow__(self, n):
        if not isinstance(n, (int, float)): raise TypeError(f'pow: {n!r}, wanted a number')
        def pull(g): return g * (n * self.data**(n - 1)) if n else torch.zeros_like(g)
        return record('pow', self.data**n, (self, pull))

    def __neg__(self): return record('neg', -self.data, (self, lambda g: -g))
    def __rsub__(self, b): return -self + b
    def __rtruediv__(self, b): return self**-1 * b
    __radd__, __rmul__ = __add__, __mul__

# ---
# Functions
# %% nbs/03_autograd.ipynb e759259c
class Functions:
    "`log`, `exp`, `tanh` and `relu` of every number of a Var."
    def log(self): return record('log', self.data.log(), (self, lambda g: g / self.data))
    def exp(self):
        out = self.data.exp()
        return record('exp', out, (self, lambda g: g * out))

    def tanh(self):
        out = self.data.tanh()
        return record('tanh', out, (self, lambda g: g * (1 - out**2)))

    def relu(self):
        out = self.data.clamp_min(0.)
        return record('relu', out, (self, lambda g: g * out.sign()))

# ---
# Reductions
# %% nbs/03_autograd.ipynb e6814514
class Reductions:
    "`sum`, `mean` and `max` of a Var over `axis`, which is one number, or over everything (None)."
    def sum(self, axis=None, keepdim=False):
        if isinstance(axis, (tuple, list)): raise TypeError(f'sum: axis {axis}, wanted one or None')
        out = self.data.sum(axis, keepdim=keepdim)
        return record('sum', out, (self, lambda g: self.widen(g, axis, keepdim).expand(self.shape)))

    def mean(self, axis=None, keepdim=False):
        total = self.sum(axis, keepdim)
        return total / (self.data.numel() if axis is None else self.shape[axis])

    def max(self, axis=None, keepdim=False):
        if isinstance(axis, (tuple, list)): raise TypeError(f'max: axis {axis}, wanted one or None')
        out = self.data.amax(() if axis is None else axis, keepdim=keepdim)
        largest = self.data == self.widen(out, axis, keepdim)
        share = largest / largest.sum(axis, keepdim=True)
        return record('max', out, (self, lambda g: self.widen(g, axis, keepdim) * share))

    def widen(self, g, axis, keepdim):
        "`g` with the reduced axis put back, so that it broadcasts against this Var."
        return g if axis is None or keepdim else g.unsqueeze(axis)

# ---
# Matrices
# %% nbs/03_autograd.ipynb 29ae2d82
class Matrices:
    "Matrix product, `reshape`, `transpose` and indexing of Vars."
    def __matmul__(self, b):
        a, b = self, b if isinstance(b, Var) else Var(b)
        if a.data.ndim != 2 or b.data.ndim != 2 or a.shape[1] != b.shape[0]:
            shapes = f'shapes {tuple(a.shape)} and {tuple(b.shape)}'
            raise ValueError(f'matmul: {shapes}, wanted (n, m) and (m, k)')
        return record('matmul', a.data @ b.data,
                      (a, lambda g: g @ b.data.t()), (b, lambda g: (g.t() @ a.data).t()))

    def __rmatmul__(self, a): return Var(a) @ self
    def t(self): return self.transpose(0, 1)

    def reshape(self, *shape):
        return record('reshape', self.data.reshape(*shape), (self, lambda g: g.reshape(self.shape)))
    def transpose(self, i, j):
        return record('transpose', self.data.transpose(i, j), (self, lambda g: g.transpose(i, j)))

    def __getitem__(self, i):
        def pull(g):
            places = torch.arange(self.data.numel(), device=g.device).reshape(self.shape)[i]
            flat = g.new_zeros(self.data.numel())
            return flat.index_add(0, places.reshape(-1), g.reshape(-1)).reshape(self.shape)
        return record('index', self.data[i], (self, pull))

# ---
# topological
# %% nbs/03_autograd.ipynb db9d9071
def topological(root):
    "All nodes from which `root` was made, each after all of its users; without recursion."
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, parents_are_done = stack.pop()
        if parents_are_done: order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(parent, False) for parent, _ in node.links or ()]
    return order[::-1]

# ---
# Var
# %% nbs/03_autograd.ipynb 144c21cf
class Var(Arithmetic, Functions, Reductions, Matrices):
    """A tensor `data` of floating numbers that remembers how it was made. `requires_grad` marks a leaf
    that shall get a gradient: `backward` of a result adds it to `grad`, of the same shape and dtype."""
    __array_ufunc__ = None                                # numpy leaves arithmetic with a Var to the Var

    def __init__(self, data, requires_grad=False):
        data = torch.as_tensor(data)
        self.data = data if data.is_floating_point() else data.float()
        self.requires_grad, self.grad, self.op, self.links = requires_grad, None, 'leaf', []

    @property
    def shape(self): return self.data.shape
    def __repr__(self): return f'Var({self.data!r}, {self.op})'
    def item(self): return self.data.item()
    def detach(self): return self.data

    def backward(self, g=None):
        """Adds to the `grad` of every leaf its share of `g`, the gradient of this value, which only a
        scalar may leave out (it is 1). RuntimeError when nothing was recorded or part of the graph has
        been gone through before, ValueError when `g` has another shape."""
        if g is None and self.data.numel() != 1:
            raise RuntimeError(f'backward: shape {tuple(self.shape)} without a gradient, wanted a scalar')
        g = torch.ones_like(self.data) if g is None else g
        if g.shape != self.shape:
            raise ValueError(f'backward: a gradient {tuple(g.shape)} for a value {tuple(self.shape)}')
        if not self.requires_grad: raise RuntimeError('backward: nothing here requires a gradient')
        order, waiting = topological(self), {id(self): g}
        used = [node.op for node in order if node.links is None]
        if used: raise RuntimeError(f'backward: {used[0]} has been gone through, its links are cut')
        for node in order: node.pass_on(waiting.pop(id(node)), waiting)

    def pass_on(self, g, waiting):
        "Hands `g`, all that has arrived, to the parents, and cuts the links; a leaf keeps it."
        if self.op == 'leaf': self.grad = g.clone() if self.grad is None else self.grad + g
        else:
            for parent, pull in self.links:
                share = pull(g).to(parent.data.dtype)
                waiting[id(parent)] = waiting[id(parent)] + share if id(parent) in waiting else share
            self.links = None

# ---
# draw_graph
# %% nbs/03_autograd.ipynb 2901cad4
def draw_graph(root, ax=None):
    """Draws the graph of a Var that has not been gone through yet, the result on the right: operations
    by name, leaves by shape. Returns the axes."""
    import matplotlib.pyplot as plt
    import networkx as nx
    graph = nx.DiGraph()
    for node in topological(root):
        leaf, shape = node.op == 'leaf', '×'.join(map(str, node.shape)) or 'number'
        box = {'boxstyle': 'round', 'fc': '#f4e0d0' if leaf else '#dde8f2', 'ec': 'none'}
        graph.add_node(id(node), s=shape if leaf else node.op, bbox=box)
        graph.add_edges_from((id(node), id(parent)) for parent, _ in node.links)
    columns = list(nx.topological_generations(graph))      # each column holds what those before it use
    place = {node: (-i, -k) for i, column in enumerate(columns) for k, node in enumerate(column)}
    ax = ax or plt.subplots(figsize=(1.35 * len(columns), .8 * max(map(len, columns)) + .2), dpi=70)[1]
    nx.draw_networkx_edges(graph.reverse(), place, ax=ax, edge_color='#c05030', node_size=1400)
    for node, (x, y) in place.items(): ax.text(x, y, ha='center', va='center', **graph.nodes[node])
    ax.axis('off')
    ax.margins(.08, .35)
    return ax

# ---
# gradcheck
# %% nbs/03_autograd.ipynb 427ed1b9
def gradcheck(f, *inputs, eps=1e-6, tol=1e-5):
    """Compares the gradients of `f(*inputs)`, for tensors `inputs`, with central differences in float64.
    Raises AssertionError that names input, place and both numbers."""
    leaves = [Var(x.double().clone(memory_format=torch.contiguous_format), True) for x in inputs]
    out = f(*leaves)
    weights = torch.linspace(1, 2, out.data.numel(), dtype=torch.float64).reshape(out.shape)
    (out * weights).sum().backward()
    def value(xs): return (f(*map(Var, xs)).data * weights).sum()
    for k, leaf in enumerate(leaves):
        got = torch.zeros_like(leaf.data) if leaf.grad is None else leaf.grad
        for i in range(leaf.data.numel()):
            moved = [x.data.clone() for x in leaves]
            number = moved[k].view(-1)[i]            # a view: to write to it moves one number of input k
            number += eps
            above = value(moved)
            number -= 2*eps
            want, g = ((above - value(moved)) / (2*eps)).item(), got.reshape(-1)[i].item()
            close = abs(g - want) <= tol * max(1, abs(want))
            assert close, f'input {k}, place {i}: got {g:.6g}, differences give {want:.6g}'

# ---

# Generated from nbs/03_autograd.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/03_autograd.ipynb fbd9ef5d
import contextlib, contextvars, copy
from numbers import Real
import torch

# ---
# topological
# %% nbs/03_autograd.ipynb 8112e1c6
def topological(root):
    "All nodes from which `root` was made, each after all of its users; without recursion."
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, parents_are_done = stack.pop()
        if parents_are_done: order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack += [(node, True), *((parent, False) for parent, _ in node.links or ())]
    return order[::-1]

# ---
# gradients
# %% nbs/03_autograd.ipynb cd2f3449
def gradients(root, g):
    "Yields each node below `root`, users first, and its gradient if `root` has `g`. RuntimeError if links are cut."
    order, waiting = topological(root), {id(root): g}
    spent = [node.op for node in order if node.links is None]
    if spent: raise RuntimeError(f'{spent[0]} has been gone through, its links are cut: compute it anew')
    for node in order:
        g = waiting.pop(id(node))
        for parent, pull in node.links:
            waiting[id(parent)] = waiting[id(parent)] + pull(g) if id(parent) in waiting else pull(g)
        yield node, g

# ---
# Value
# %% nbs/03_autograd.ipynb 588ed019
class Value:
    "A tensor `data`, what it was made of (`op`, `links`), and its gradient `grad` if `requires_grad` is set."
    def __init__(self, data, requires_grad=False):
        self.data, self.marked, self.grad, self.op, self.links = data, requires_grad, None, 'leaf', []
    requires_grad = property(lambda self: self.marked or self.links != [])
    shape = property(lambda self: self.data.shape)
    def __repr__(self): return f'{type(self).__name__}({self.data!r}, {self.op})'
    def item(self): return self.data.item()
    def detach(self): return self.data

# ---
# Node
# %% nbs/03_autograd.ipynb deb9a4fd
class Node(Value):
    "A Value of real floating numbers (whole ones become float32); raises where a slope would be lost."
    __array_ufunc__ = None                          # numpy leaves arithmetic with a Node to it
    def __init__(self, data, requires_grad=False):
        if isinstance(data, Node) or (data := torch.as_tensor(data)).requires_grad or data.is_complex():
            raise TypeError('wanted real numbers of which no graph knows: detach() gives them')
        super().__init__(data if data.is_floating_point() else data.float(), requires_grad)
    @Value.requires_grad.setter
    def requires_grad(self, mark):
        if self.links != [] and not mark: raise RuntimeError(f'requires_grad: {self.op} was made of what requires it')
        self.marked = mark
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None):
        raise TypeError(f'{f.__name__}: functions of PyTorch and NumPy take no {cls.__name__}; use its own methods')
    def __array_function__(self, f, types, args, kwargs): return self.__torch_function__(f, types, args, kwargs)
    def __array__(self, *args, **kwargs): raise TypeError('array: a node is none; detach() gives its tensor')
    def __bool__(self): return bool(self.data)

# ---
# as_node
# %% nbs/03_autograd.ipynb 14c696b5
def as_node(x, like):
    "`x` as a Node; a number, an array, a tensor of whole numbers get the dtype of the Node `like`."
    if isinstance(x, Node): return x
    floating = torch.is_tensor(x) and (x.is_floating_point() or x.is_complex())
    return type(like)(x if floating else torch.as_tensor(x, dtype=like.data.dtype))

def pair(op, a, b):
    "The Node `a`, and `b` (it may be a number) as a Node. ValueError unless their shapes broadcast."
    b = as_node(b, a)
    try: torch.broadcast_shapes(a.shape, b.shape)
    except RuntimeError: raise ValueError(f'{op}: shapes {tuple(a.shape)} and {tuple(b.shape)} do not fit') from None
    return a, b

# ---
# unbroadcast
# %% nbs/03_autograd.ipynb 730d8f0c
def unbroadcast(g, shape):
    "Sums `g` over the axes along which this `shape` was repeated. ValueError if it cannot have been."
    if g.shape == shape: return g
    first = g.ndim - len(shape)               # the axes before it are new
    if first < 0 or any(n not in (1, size) for n, size in zip(shape, g.shape[first:])):
        raise ValueError(f'a gradient {tuple(g.shape)} for a value {tuple(shape)}')
    repeated = [i for i in range(g.ndim) if i < first or shape[i - first] != g.shape[i]]
    return g.sum(repeated, keepdim=True).reshape(shape)

# ---
# recording
# %% nbs/03_autograd.ipynb 856e842d
recording = contextvars.ContextVar('recording', default=True)     # a global name, but each thread has its own
@contextlib.contextmanager
def no_grad():
    "Within it this thread writes no operation down: `with no_grad(): ...`"
    before = recording.set(False)
    try: yield
    finally: recording.reset(before)

# ---
# record
# %% nbs/03_autograd.ipynb 7bdfbe32
def record(op, data, *links):
    "The Node, of its first parent's class, of a result of `op`. In a link `rule(g, *tensors)` is its parent's share of `g`."
    check_links(links)
    result = (type(links[0][0]) if links else Node)(data)
    result.op, result.links = op, [link(*entry) for entry in links if entry[0].requires_grad and recording.get()]
    return result

def link(parent, rule, *kept):
    "`parent`, and a function from `g` to its share; RuntimeError if a tensor was changed in place by then."
    def writes(): return [0 if x.is_inference() else x._version for x in kept]     # some have no version
    shape, dtype, versions = parent.shape, parent.data.dtype, writes()
    def pull(g):
        if writes() == versions: return unbroadcast(rule(g, *kept), shape).to(dtype)
        raise RuntimeError('a value that the way back needs was changed in place')
    return parent, pull

def check_links(links):
    "TypeError unless each of `links` is a tuple: a Node, its rule, and the tensors that the rule needs."
    if all(isinstance(entry, tuple) and len(entry) > 1 and isinstance(entry[0], Node) and callable(entry[1])
           and all(map(torch.is_tensor, entry[2:])) for entry in links): return
    kinds = [[type(x).__name__ for x in at] if isinstance(at, tuple) else type(at).__name__ for at in links]
    raise TypeError(f'a link is a tuple: a Node, its rule, and the tensors that the rule needs; here stand {kinds}')

# ---
# Arithmetic
# %% nbs/03_autograd.ipynb 91333183
class Arithmetic(Node):
    "`+ - * / **` of Nodes with Nodes, tensors and numbers, which broadcast; a power is a number."
    def __add__(self, b):
        a, b = pair('add', self, b)
        return record('add', a.data + b.data, (a, lambda g: g), (b, lambda g: g))
    def __sub__(self, b):
        a, b = pair('sub', self, b)
        return record('sub', a.data - b.data, (a, lambda g: g), (b, lambda g: -g))
    def __mul__(self, b):
        a, b = pair('mul', self, b)
        return record('mul', a.data * b.data, (a, lambda g, y: g * y, b.data), (b, lambda g, x: g * x, a.data))
    def __truediv__(self, b):
        a, b = pair('div', self, b)
        def to_b(g, x, y): return -g * (x / y / y)    # not y**2, which overflows at 1e20 in float32
        return record('div', a.data / b.data, (a, lambda g, y: g / y, b.data), (b, to_b, a.data, b.data))
    def __pow__(self, n):
        if not isinstance(n, Real): raise TypeError(f'pow: the exponent is a {type(n).__name__}, wanted a number')
        def to_self(g, x): return g * (n * x**(n - 1)) if n else torch.zeros_like(g)   # 0 · 0⁻¹ is NaN
        return record('pow', self.data**n, (self, to_self, self.data))
    def __neg__(self): return record('neg', -self.data, (self, lambda g: -g))
    def __rsub__(self, b): return as_node(b, self) - self
    def __rtruediv__(self, b): return as_node(b, self) / self
    def __rpow__(self, b): return as_node(b, self)**self      # which `__pow__` refuses
    __radd__, __rmul__ = __add__, __mul__

# ---
# Functions
# %% nbs/03_autograd.ipynb 34d46e0f
class Functions(Node):
    "`log`, `exp`, `tanh` and `relu` of every number of a Node."
    def log(self): return record('log', self.data.log(), (self, lambda g, x: g / x, self.data))
    def exp(self):
        y = self.data.exp()
        return record('exp', y, (self, lambda g, y: g * y, y))
    def tanh(self):
        y = self.data.tanh()
        return record('tanh', y, (self, lambda g, y: g * (1 - y**2), y))
    def relu(self):
        y = self.data.clamp_min(0.)
        return record('relu', y, (self, lambda g, y: g.masked_fill(y <= 0, 0), y))

# ---
# Reductions
# %% nbs/03_autograd.ipynb 9da4ed20
class Reductions(Node):
    "`sum`, `mean`, `max` over `axis`: one, a tuple of them, None for all; `keepdim` leaves them in as 1."
    def reduced(self, op, out, axis, keepdim, share, *kept):
        "Records `out`, which has the axes as 1; `share(g, *kept)`: what each number gets of such a `g`."
        def rule(g, *kept, shape=self.shape): return share(g.reshape(out.shape), *kept).expand(shape)   # the shape of now
        return record(op, out if keepdim else out.sum(axis), (self, rule, *kept))
    def sum(self, axis=None, keepdim=False):
        return self.reduced('sum', self.data.sum(axis, keepdim=True), axis, keepdim, lambda g: g)
    def mean(self, axis=None, keepdim=False):
        out = self.data.mean(axis, keepdim=True)
        n = self.data.numel() / max(1, out.numel())
        return self.reduced('mean', out, axis, keepdim, lambda g: g / n)
    def max(self, axis=None, keepdim=False):
        out = self.data.amax(() if axis is None else axis, keepdim=True)
        def share(g, x, top): return g * (x == top) / (x == top).sum(axis, keepdim=True)
        return self.reduced('max', out, axis, keepdim, share, self.data, out)

# ---
# Matrices
# %% nbs/03_autograd.ipynb 19cf6db6
class Matrices(Node):
    "Matrix product, `reshape`, `transpose`, `t` and indexing of Nodes."
    def __matmul__(self, b):
        a, b = self, as_node(b, self)
        if a.data.ndim != 2 or b.data.ndim != 2 or a.shape[1] != b.shape[0]:
            raise ValueError(f'matmul: shapes {tuple(a.shape)} and {tuple(b.shape)}, wanted (n, m) and (m, k)')
        return record('matmul', a.data @ b.data, (a, lambda g, y: g @ y.t(), b.data), (b, lambda g, x: x.t() @ g, a.data))
    def __rmatmul__(self, a): return as_node(a, self) @ self
    def t(self): return record('t', self.data.t(), (self, lambda g: g.t()))
    def transpose(self, i, j): return record('transpose', self.data.transpose(i, j), (self, lambda g: g.transpose(i, j)))
    def reshape(self, *shape):
        return record('reshape', self.data.reshape(*shape), (self, lambda g, before=self.shape: g.reshape(before)))
    def __getitem__(self, i):
        out, i, shape = self.data[i], copy.deepcopy(i), self.shape      # a copy: the index may change
        def rule(g):
            places = torch.arange(shape.numel(), device=g.device).reshape(shape)[i]
            return g.new_zeros(shape.numel()).index_add(0, places.reshape(-1), g.reshape(-1)).reshape(shape)
        return record('index', out, (self, rule))

# ---
# Var
# %% nbs/03_autograd.ipynb b3ddb6ed
class Var(Arithmetic, Functions, Reductions, Matrices):
    "A Node with all the operations, and the way back."
    def backward(self, g=None):
        """Adds to the `grad` of each node with `requires_grad` set its share of `g`, the gradient of this value (of one
        number: 1), and cuts the links. If `g` or the graph is unfit: ValueError or RuntimeError, no `grad` changed."""
        if g is None and self.data.numel() != 1:
            raise RuntimeError(f'backward: shape {tuple(self.shape)} without a gradient, wanted a scalar')
        g = torch.ones_like(self.data) if g is None else as_node(g, self).data.to(self.data.dtype)
        if g.shape != self.shape: raise ValueError(f'backward: a gradient {tuple(g.shape)} for a value {tuple(self.shape)}')
        if not self.requires_grad: raise RuntimeError('backward: nothing here requires a gradient')
        arrived = []
        for node, share in gradients(self, g):
            if node.marked: arrived.append((node, share))
            if node.links: node.links = None          # its memory is free before the next step begins
        for node, share in arrived: node.grad = share.clone() if node.grad is None else node.grad + share

# ---
# draw_graph
# %% nbs/03_autograd.ipynb 97427bf5
def draw_graph(root, **names):
    "Draws the graph of an uncut Var: name or op, value or shape, gradient or length; dotted: shares. Returns the axes."
    import matplotlib.patches as patches, matplotlib.pyplot as plt, networkx as nx
    graph, called = nx.MultiDiGraph(), {id(v): f'{name} = {v.op}' if v.links else name for name, v in names.items()}
    at, upright = {}, len(topological(root)) > 9             # so the letters of a large one stay large on a page
    for v, g in gradients(root, torch.ones_like(root.data)):
        text = [f'{v.item():.4g}', f'∂ {g.item():.4g}'] if g.numel() == 1 else [f'{*g.shape,}', f'|∂| {g.norm():.3g}']
        text = ('   ' if upright else '\n').join([called.get(id(v), v.op), *text])
        graph.add_node(id(v), s=text, bbox=dict(boxstyle='round', lw=0, fc='#e8e8e8' if v.links else '#d8ead0'))
        for parent, pull in v.links: graph.add_edge(id(v), id(parent), share=pull(g))
    for i, column in enumerate(nx.topological_generations(graph)):       # each holds what those before it use
        passed = any(parent not in {*at, *column} for user in at for parent in graph[user])      # it makes way
        at |= {node: (k - passed, i) if upright else (i, k - passed) for k, node in enumerate(column)}
    ends = [(max(side) + .5, min(side) - .5) for side in zip(*at.values())]
    inches = [n * (high - low) for n, (high, low) in zip((2.8, .7) if upright else (1.25, 1.3), ends)]
    ax = plt.figure(figsize=inches, dpi=110).add_subplot(frame_on=False, xticks=[], yticks=[], xlim=ends[0], ylim=ends[1])
    boxes = {node: ax.text(*at[node], ha='center', va='center', **graph.nodes[node]).get_bbox_patch() for node in graph}
    for user, parent, k, share in graph.edges(keys=True, data='share'):
        (i, p), (j, q), far = at[user], at[parent], .04 + .15*k + .11 / abs(way := complex(*at[parent]) - complex(*at[user]))
        for start, end, colour, style in ((parent, user, '#3060a0', '-'), (user, parent, '#c05030', ':')):
            ax.add_patch(patches.FancyArrowPatch(at[start], at[end], color=colour, ls=style, zorder=4, arrowstyle='->',
                patchA=boxes[start], patchB=boxes[end], mutation_scale=12, connectionstyle=f'arc3,rad={.08 + .3*k + .17*(way == 1j)}'))
        x, y = (i + j) / 2 + far * (q - p), (p + q) / 2 - far * (j - i)
        if share.numel() == 1 and not upright: ax.text(x, y, f'{share.item():.4g}', c='#c05030', ha='center', va='center')
    return ax

# ---
# gradcheck
# %% nbs/03_autograd.ipynb 18794ef2
def gradcheck(f, *inputs, eps=1e-6, tol=1e-5):
    "Gradients of `f(*inputs)`, a Var or a tuple, against differences in float64, up to `tol`. AssertionError says where."
    leaves = [Var(torch.as_tensor(x, dtype=float).clone(memory_format=torch.contiguous_format), True) for x in inputs]
    out = f(*leaves)
    if isinstance(out, tuple):
        for i in range(len(out)): gradcheck(lambda *xs: f(*xs)[i], *inputs, eps=eps, tol=tol)
        return
    weights = torch.arange(2, out.data.numel() + 2).double().cos().reshape(out.shape)   # both signs, no 1
    if out.requires_grad: out.backward(weights)
    def value(leaf, i, number):
        leaf.data.view(-1)[i] = number                       # a view: this moves one number of an input
        with no_grad(): return f(*leaves).data * weights
    for k, leaf in enumerate(leaves):
        got = torch.zeros_like(leaf.data) if leaf.grad is None else leaf.grad
        for i, (x, g) in enumerate(zip(leaf.data.view(-1).tolist(), got.reshape(-1).tolist())):
            step = eps * max(1, abs(x) / 1000)            # a large number does not notice a small step
            above, below = value(leaf, i, x + step), value(leaf, i, x - step)
            leaf.data.view(-1)[i] = x                     # as it was
            want = (above - below).sum().item() / (2*step)
            limit = 2**-48 * above.norm().item() / step + 100*eps**2       # 32 roundings, and the bend
            error = f'input {k}, place {i}: got {g:.6g}, differences give {want:.6g} (slopes of the weighted sum)'
            assert abs(g - want) < tol * abs(want) + limit, error

# ---

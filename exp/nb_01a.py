# Generated from nbs/01a_tensors.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/01a_tensors.ipynb 3f899dd3
import math

# ---
# row_major
# %% nbs/01a_tensors.ipynb 8dddaca2
def row_major(shape):
    "The strides of a new tensor of this shape: each is the product of the sizes to its right."
    return tuple(math.prod(max(1, size) for size in shape[axis + 1:]) for axis in range(len(shape)))

# ---
# Layout
# %% nbs/01a_tensors.ipynb d0c6802b
class Layout:
    """A list and how to walk through it: `storage`, the list; `shape` and `strides`, a size and a step for each
    axis; `offset`, the place of its first number. ValueError when one is negative or the walk would leave the storage."""
    def __init__(self, storage, shape, strides=None, offset=0):
        self.storage, self.shape, self.offset = storage, tuple(shape), offset
        self.strides = row_major(self.shape) if strides is None else tuple(strides)
        if len(self.strides) != len(self.shape):
            raise ValueError(f'strides {self.strides} for shape {self.shape}')
        if min(*self.shape, *self.strides, offset, 0) < 0:
            raise ValueError(f'{self.shape} by {self.strides} from {offset}: none may be negative')
        last = offset + sum((size - 1) * step for size, step in zip(self.shape, self.strides))
        if 0 not in self.shape and last >= len(storage):
            walk = f'{self.shape} by {self.strides} from {offset}'
            raise ValueError(f'{walk} ends at place {last} of {len(storage)}')

    def numel(self): return math.prod(self.shape)
    def __repr__(self): return f'{type(self).__name__}({self.tolist()}, strides={self.strides}, offset={self.offset})'

    def place(self, *index):
        "The place in the storage of the number with this index; of the first one, where it names the first axes only."
        return self.offset + sum(i * step for i, step in zip(index, self.strides))

    def tolist(self, *index):
        "The numbers whose index begins like this as nested lists; a tensor without axes gives its number."
        if len(index) == len(self.shape): return self.storage[self.place(*index)]
        return [self.tolist(*index, i) for i in range(self.shape[len(index)])]

# ---
# Views
# %% nbs/01a_tensors.ipynb 3aaccbd1
class Views(Layout):
    "A Layout that makes others with the same storage: views, with the strides and offset that torch gives them."
    def along(self, axis):
        "Size and stride of an axis. IndexError when there is no such axis; axes are counted from 0."
        if not 0 <= axis < len(self.shape): raise IndexError(f'axis {axis} of {self.shape}')
        return self.shape[axis], self.strides[axis]

    def replace(self, axis, sizes, strides, skip=0, width=1):
        "The same list, these sizes and strides in the place of `width` axes, the start `skip` further on."
        shape, steps = [old[:axis] + new + old[axis + width:]
                        for old, new in ((self.shape, sizes), (self.strides, strides))]
        return type(self)(self.storage, shape, steps, self.offset + skip)

# ---
# pick
# %% nbs/01a_tensors.ipynb b5bc9496
def pick(x, axis, i):
    "The view of `x` at place `i` of an axis, without it. IndexError beyond, or for no such axis; TypeError for no int."
    if type(i) is not int:
        raise TypeError(f'index {i!r} for axis {axis}, wanted a whole number, a slice, None, ... once')
    n, stride = x.along(axis)
    if not -n <= i < n: raise IndexError(f'index {i} for axis {axis} of size {n}')
    return x.replace(axis, (), (), skip=i % n * stride)

def narrow(x, axis, part):
    "The view of `x` for the slice `part` of an axis. ValueError unless its step is positive; IndexError for no such axis."
    n, stride = x.along(axis)
    start, stop, step = part.indices(n)
    if step < 1: raise ValueError(f'a slice with step {step}, wanted 1 or more')
    return x.replace(axis, (len(range(start, stop, step)),), (stride * step,), skip=start * stride)

# ---
# insert
# %% nbs/01a_tensors.ipynb 41cc6c5e
def insert(x, axis):
    "The view of `x` with a new axis of size 1 in this place. IndexError unless it is one from 0 on."
    n, stride = (1, 1) if axis == len(x.shape) else x.along(axis)
    return x.replace(axis, (1,), (n * stride,), width=0)

# ---
# spelled_out
# %% nbs/01a_tensors.ipynb 0594f1ce
def spelled_out(index, shape):
    "`index` as a tuple that mentions every axis of `shape`. IndexError when it mentions more."
    index = index if isinstance(index, tuple) else (index,)
    missing = len(shape) - sum(i is not None and i is not ... for i in index)
    if missing < 0: raise IndexError(f'{len(shape) - missing} indices for shape {tuple(shape)}')
    where = next((k for k, i in enumerate(index) if i is ...), len(index))
    return index[:where] + (slice(None),) * missing + index[where + 1:]

# ---
# Strided
# %% nbs/01a_tensors.ipynb 055157bb
class Strided(Views):
    """A tensor in plain Python, read and written by indices: whole numbers, slices, None, `...`. An index gives a view,
    which shares the storage."""
    def __getitem__(self, index):
        "A view. IndexError where there is no such place."
        view, axis = self, 0
        for i in spelled_out(index, self.shape):
            if i is None: view, axis = insert(view, axis), axis + 1
            elif isinstance(i, slice): view, axis = narrow(view, axis, i), axis + 1
            else: view = pick(view, axis, i)
        return view

    def __setitem__(self, index, value):
        "Writes one number into the storage, which all views share. ValueError for several places."
        view = self[index]
        if view.numel() != 1:
            raise ValueError(f'one value for a view of shape {view.shape}, wanted a single place')
        self.storage[view.offset] = value

# ---
# permute
# %% nbs/01a_tensors.ipynb 484db479
def permute(x, *axes):
    "The view of `x` with its axes in this order. ValueError unless each of them is named once."
    if sorted(axes) != list(range(len(x.shape))):
        raise ValueError(f'permute: axes {axes} for shape {x.shape}')
    return Strided(x.storage, [x.shape[a] for a in axes], [x.strides[a] for a in axes], x.offset)

# ---
# expand
# %% nbs/01a_tensors.ipynb 7ae9e3af
def expand(x, *shape):
    """The view of `x` in which axes of size 1, and new axes in front, are repeated to this shape.
    ValueError where that does not fit."""
    new, strides = len(shape) - len(x.shape), ()
    fits = all(old in (1, size) for old, size in zip(x.shape, shape[new:]))
    if new < 0 or min(shape, default=0) < 0 or not fits:
        raise ValueError(f'expand: shape {x.shape} to {shape}')
    for axis in reversed(range(len(shape))):
        if axis >= new: old, step = x.shape[axis - new], x.strides[axis - new]
        else: old, step = 1, shape[axis + 1] * strides[0] if strides else 0
        strides = (step if old == shape[axis] else 0, *strides)
    return Strided(x.storage, shape, strides, x.offset)

# ---
# is_contiguous
# %% nbs/01a_tensors.ipynb dce2b537
def is_contiguous(x):
    "Whether reading `x` in order walks through the storage one place at a time."
    steps = zip(x.shape, x.strides, row_major(x.shape))
    return 0 in x.shape or all(step == wanted for size, step, wanted in steps if size != 1)

# ---
# runs
# %% nbs/01a_tensors.ipynb 2c2ca73b
def runs(shape, strides):
    "Axes that run on into each other, as (how many numbers, step), the last ones first."
    size, step = 1, strides[-1]
    for axis in reversed(range(len(shape))):
        size *= shape[axis]
        if axis == 0: yield size, step
        elif shape[axis - 1] != 1 and strides[axis - 1] != size * step:
            yield size, step
            size, step = 1, strides[axis - 1]

# ---
# view_strides
# %% nbs/01a_tensors.ipynb b1046f8c
def view_strides(shape, strides, new):
    "The strides with which the same walk has the shape `new`, of as many numbers; None if there are none."
    if 0 in shape: return tuple(strides) if tuple(shape) == tuple(new) else row_major(new)
    if not shape: return (1,) * len(new)
    out, sizes = [], list(new)
    for run, step in runs(shape, strides):
        taken = 1
        while sizes and (taken < run or sizes[-1] == 1):
            out.append(taken * step)
            taken *= sizes.pop()
        if taken != run: return None
    return tuple(out[::-1])

# ---
# view
# %% nbs/01a_tensors.ipynb b795cb1d
def view(x, *shape):
    "The same numbers in another shape, no copy. ValueError for another count, or where no strides exist."
    if math.prod(shape) != x.numel() or min(shape, default=0) < 0:
        raise ValueError(f'view: {x.numel()} numbers, of shape {x.shape}, as {shape}')
    strides = view_strides(x.shape, x.strides, shape)
    if strides is None:
        walk = f'shape {x.shape} with strides {x.strides}'
        raise ValueError(f'view: {walk} as {shape}: only a copy can do that')
    return Strided(x.storage, shape, strides, x.offset)

# ---
# numbers
# %% nbs/01a_tensors.ipynb 797aba1c
def numbers(x):
    "All numbers of `x` in order, as a flat list."
    return [n for i in range(x.shape[0]) for n in numbers(x[i])] if x.shape else [x.storage[x.offset]]

def contiguous(x):
    "`x` itself where it is contiguous, else a copy that is."
    return x if is_contiguous(x) else Strided(numbers(x), x.shape)

def reshape(x, *shape):
    "As `view` where strides can do it, else a copy. ValueError when the count differs."
    fits = math.prod(shape) == x.numel()
    if fits and view_strides(x.shape, x.strides, shape) is None: x = contiguous(x)
    return view(x, *shape)

# ---

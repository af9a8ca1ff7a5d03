# Generated from nbs/00_exports.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
# same
# %% nbs/00_exports.ipynb c50c1fcc
def same(a, b):
    "Whether `a` and `b` agree in shape, where they have one, and in every value; lists of arrays or tensors included."
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if getattr(a, 'shape', ()) != getattr(b, 'shape', ()): return False
    equal = a == b
    return bool(equal.all() if hasattr(equal, 'all') else equal)

# ---
# describe
# %% nbs/00_exports.ipynb ca8527f1
def describe(x):
    "`x` as text, with its shape in front where it has one."
    return f'{tuple(x.shape)} {x!r}' if hasattr(x, 'shape') else repr(x)

def test(got, want, cmp, name=None):
    "Raise AssertionError, showing both values and shapes, unless `cmp(got, want)`."
    if not cmp(got, want): raise AssertionError(f'{name or cmp.__name__}:\n  got  {describe(got)}\n  want {describe(want)}')

def test_eq(got, want):
    "Raise AssertionError unless `got` and `want` have the same shape and values."
    test(got, want, same)

test.__test__ = test_eq.__test__ = False

# ---
# check_answer
# %% nbs/00_exports.ipynb fe4a8703
def check_answer(got, want, causes=(), cmp=same):
    """Print whether an exercise's answer `got` is right, and if not: what was expected, what came, the likely cause.
    `causes` pairs wrong values with the mistake that gives them; `...` stands for an answer not yet written."""
    if got is ...: return print('not answered yet: put your own expression in place of the dots')
    if got is None and want is not None: return print('nothing was returned: is there a `return`?')
    if cmp(got, want): return print('right')
    cause = next((why for wrong, why in causes if cmp(got, wrong)), 'none that we foresaw')
    print(f'expected {describe(want)}\ngot      {describe(got)}\nlikely cause: {cause}')

# ---

# Generated from nbs/00_exports.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
# same
# %% nbs/00_exports.ipynb 11e8c4ad
import copy

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
# attempt
# %% nbs/00_exports.ipynb 6305b992
def attempt(answer, cases=None):
    "(values, None) of an `answer`, or (None, sentence) when it fails. A function is called with a copy of each of `cases`, or with nothing."
    try:
        if cases is None: return [answer() if callable(answer) else answer], None
        if not callable(answer): return None, f'wanted a function, got {describe(answer)}'
        return [answer(*copy.deepcopy(case)) for case in cases], None
    except Exception as e: return None, f'your code fails with {type(e).__name__}: {e}'

def agrees(cmp, a, b):
    "Whether `cmp(a, b)`; what cannot be compared does not agree."
    try: return bool(cmp(a, b))
    except Exception: return False

def in_kind(got, want):
    "How `got` differs from `want`, without a word on values: in shape, length or type."
    if got is None: return 'nothing came of it: is there a `return`, and no `...` left?'
    for what, of in (('shape', lambda x: tuple(x.shape)), ('length', len), ('type', lambda x: type(x).__name__)):
        try: a, b = of(got), of(want)
        except Exception: continue
        if a != b: return f'its {what} is {a}, wanted {b}'
    return 'it is none of the mistakes that we foresaw'

# ---
# expected
# %% nbs/00_exports.ipynb bd6b1f82
def expected():
    "Prints what the check of the last exercise wanted."
    print(expected.text)

def why_not(values, wanted, causes, cmp, cases, check):
    "The cause why the `values` of an answer are not right, or None when they are."
    if check:
        found, failed = attempt(lambda: check(*values))
        return failed or found[0]
    def difference(others): return next((i for i, pair in enumerate(zip(values, others)) if not agrees(cmp, *pair)), None)
    place = difference(wanted)
    if place is None: return None
    known = (why for wrong, why in causes for others, _ in [attempt(wrong, cases)] if others and difference(others) is None)
    case = f' (for {describe(cases[place]):.80} it gives {describe(values[place]):.80})' if cases else ''
    return next(known, in_kind(values[place], wanted[place])) + case

# ---
# check_answer
# %% nbs/00_exports.ipynb 950cb103
def check_answer(answer, want=None, causes=(), cmp=same, cases=None, check=None):
    """Prints whether the `answer` to an exercise is right, and if not, the cause; `expected()` then shows what was wanted.

    `answer`: a value, or a function to call with each of the tuples `cases`, or with nothing; `...` is not answered yet.
    `want`: the right value, or for `cases` the right function. `causes` pairs wrong ones with the mistake that gives them.
    `check`, in place of both: a function of the value that returns the cause, or None when all is right."""
    values, cause = ([answer], None) if answer is ... else attempt(answer, cases)
    if values and values[0] is ...: return print('not answered yet: put your own in the place of the dots')
    wanted, _ = attempt(want, cases)
    expected.text = 'there is more than one right answer' if check else describe(wanted if cases else wanted[0])
    cause = cause or why_not(values, wanted, causes, cmp, cases, check)
    print(f'not yet: {cause}' if cause else 'right')

# ---

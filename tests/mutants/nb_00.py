"Mistakes in lesson 00 that its tests must catch: what was written, what a learner might write, and the thought behind it."
MUTANTS = [
    ("getattr(a, 'shape', ()) != getattr(b, 'shape', ())", "False", 'equal values are enough'),
    ("equal.all() if", "equal.any() if", 'one equal value is enough'),
    ("len(a) == len(b) and ", "", 'zip notices a missing element'),
    ("all(same(x, y)", "any(same(x, y)", 'one equal element is enough'),
    ("isinstance(a, (list, tuple)) and isinstance(b, (list, tuple))", "False", 'lists compare themselves'),
    ("if not cmp(got, want): raise", "if cmp(got, want) is False: raise", 'a comparison returns True or False and nothing else'),
    ("{name or cmp.__name__}", "{cmp.__name__}", 'a name given is not needed'),
    ("got  {describe(got)}\\n  want {describe(want)}", "got  {describe(want)}\\n  want {describe(got)}", 'the two sides exchanged'),
    ("f'{tuple(x.shape)} {x!r}'", "f'{x!r}'", 'the values show the shape'),
    ("test(got, want, same)", "test(got, want, lambda a, b: a is b)", 'equal means the same object'),
    ("if got is ...: return", "if got is None: return", 'an answer not yet written is None'),
    ("if got is None and want is not None: return", "if False: return", 'a function without return gives a wrong answer like any other'),
    ("got is None and want is not None", "got is None", 'None is never the right answer'),
    ("if cmp(got, want): return", "if got == want: return", 'the comparison asked for is not used'),
    ("if cmp(got, wrong)", "if cmp(want, wrong)", 'the wrong value is compared with the right one'),
    ("isinstance(a, (list, tuple)) and isinstance(b, (list, tuple))", "isinstance(a, (list, tuple)) or isinstance(b, (list, tuple))", 'a list is the same as the tensor made of it'),
]

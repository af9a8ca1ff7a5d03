"Answers to the exercises of lesson 01a."
def windows(line, returned='return '): return f'def windows(x, size): {returned}{line}'
def diagonal(line, returned='return '): return f'def diagonal(x): {returned}{line}'
def contiguous(line, returned='return '): return f'def is_contiguous_wrong(x): {returned}{line}'


N, S, END = 'x.shape[0] - size + 1', 'x.strides[0]', 'x.offset)'
WALKED = 'all(a == b for n, a, b in zip(x.shape, x.strides, row_major(x.shape))'
ANSWERS = {
    1: (['answer_1 = ((18, 6, 1), 2)', 'answer_1 = [[18, 6, 1], 2]', 'x = Strided(list(range(60)), (10, 6))[::3, None, 2:]\nanswer_1 = x.strides, x.offset'],
        [('answer_1 = ((6, 6, 1), 2)', 'the step of 3 multiplies'), ('answer_1 = ((3, 6, 1), 2)', 'strides count numbers'), ('answer_1 = ((18, 1), 2)', 'None puts in an axis'), ('answer_1 = ((18, 6, 1), 0)', 'skips two places'),
         ('answer_1 = ((18, 6, 1), 12)', 'skips two columns, not two rows'), ('answer_1 = ((18, 0, 1), 2)', 'repeats nothing'), ('answer_1 = ((18, 4, 1), 2)', 'the columns are not cut yet'),
         ('answer_1 = ((18, 6, 2), 2)', 'a start of 2 and a step of 1'), ('answer_1 = (18, 6, 1)', 'its length is 3, wanted 2'), ('answer_1 = 18', 'its type is int, wanted tuple'), ('answer_1 = ((18, 6, 1), "2")', 'none of the mistakes')]),
    2: ([windows(f'Strided(x.storage, ({N}, size), x.strides * 2, {END}'), windows(f'Strided(x.storage, [{N}, size], [{S}, {S}], offset={END}'),
         'def windows(x, size):\n    n, step = len(x.tolist()), x.strides[0]\n    return Views(x.storage, (n - size + 1, size), (step, step), x.offset)'],
        [(windows(f'Strided(x.storage, ({N}, size), (1, 1), {END}'), 'from one number of x to the next it is 2'), (windows(f'Strided(x.storage, (x.shape[0] - size, size), x.strides * 2, {END}'), 'count the places'),
         (windows(f'Strided(x.storage, ({N}, size), x.strides * 2)'), 'the first window begins at 1'), (windows(f'Strided(x.storage, (size, {N}), x.strides * 2, {END}'), 'each window is a row'),
         (windows(f'Strided(x.storage, ({N}, size), (0, {S}), {END}'), 'every window begins at the same place'), (windows(f'Strided(x.storage, ({N}, size), ({S}, 0), {END}'), 'a step of 0 repeats one number'),
         (windows(f'Strided(x.storage, (x.shape[0] // size, size), (size * {S}, {S}), {END}'), 'count the places'), (windows(f'Strided(x.storage, (x.shape[0], size), x.strides * 2, {END}'), 'ends at place 10 of 9'),
         (windows(f'Strided([n for i in range({N}) for n in x[i:i + size].tolist()], ({N}, size))'), 'the numbers were copied'), (windows(f'[x[i:i + size] for i in range({N})]'), 'a list'),
         (windows(f'Strided(x.storage, ({N}, size), x.strides * 2, {END}', ''), 'nothing came back'), (windows(f'Strided(x.storage, ({N}, size), (size, 1), {END}'), 'ends at place'), ('windows = (1, 1)', 'not callable'),
         (windows(f'Strided(x.storage, ({N}, size), x.stride * 2, {END}'), 'stride')]),
    3: (["answer_3 = {'20, 5', '2, 2, 5, 5'}", "answer_3 = ['2,2,5,5', '20,5']", "answer_3 = frozenset(t for t in ('20, 5', '4, 25', '100', '2, 2, 5, 5') if t[0] == '2')"],
        [("answer_3 = {'20, 5'}", 'can also be cut in two'), ("answer_3 = {'20, 5', '4, 25', '100', '2, 2, 5, 5'}", 'a gap at its end'), ("answer_3 = {'20, 5', '100', '2, 2, 5, 5'}", 'one cannot be: each row has a gap'),
         ("answer_3 = {'2, 2, 5, 5'}", 'the first two axes run on'), ("answer_3 = set()", 'one is missing'), ("answer_3 = '20, 5'", 'a set of texts'), ("answer_3 = {'20, 5', '4, 25'}", 'the last two axes do not run on'),
         ("answer_3 = {(20, 5), (2, 2, 5, 5)}", 'none of the four'), ('answer_3 = None', 'a set of texts')]),
    4: ([contiguous(f'0 in x.shape or {WALKED} if n != 1)'), 'is_contiguous_wrong = is_contiguous', contiguous('numbers(Strided(range(len(x.storage)), x.shape, x.strides, x.offset)) == [*range(x.offset, x.offset + x.numel())]'),
         'def is_contiguous_wrong(x):\n    if x.numel() == 0: return True\n    want = 1\n    for n, step in zip(x.shape[::-1], x.strides[::-1]):\n        if n > 1 and step != want: return False\n        want *= n\n    return True'],
        [(contiguous('x.strides == row_major(x.shape)'), 'an axis of size 1 is never walked along'), (contiguous('True'), 'its rows lie scattered'), (contiguous('False'), 'where the walk begins'), (contiguous(f'{WALKED} if n != 1)'), 'nothing to walk'),
         (contiguous('1 in x.shape or x.strides == row_major(x.shape)'), 'it says True: four steps lie'), (contiguous(f'0 in x.shape or {WALKED})'), 'never walked along'), (contiguous('x.strides[-1:] == (1,)'), 'the rows have gaps'), (contiguous('x.strides == row_major(x.shape) and x.offset == 0'), 'where the walk begins does not matter'),
         (contiguous('sorted(x.strides) == sorted(row_major(x.shape))'), 'strides'), (contiguous(f'0 in x.shape or {WALKED} if n != 1)', ''), 'the `return` is gone'), (contiguous('x.stride == row_major(x.shape)'), "no attribute 'stride'"),
         (contiguous('x.shape[-1] == 1 or x.strides == row_major(x.shape)'), 'four steps lie')]),
    5: ([diagonal('Strided(x.storage, (min(x.shape),), (sum(x.strides),), x.offset)'), diagonal('Strided(x.storage, [min(*x.shape)], [x.strides[0] + x.strides[1]], offset=x.offset)'),
         'def diagonal(x):\n    a, b = x.strides\n    n = x.shape[0] if x.shape[0] < x.shape[1] else x.shape[1]\n    return Layout(x.storage, (n,), (a + b,), x.place(0, 0))'],
        [(diagonal('Strided([x[i, i].tolist() for i in range(min(x.shape))], (min(x.shape),))'), 'the numbers were copied'), (diagonal('Strided(x.storage, (min(x.shape),), (x.strides[0],), x.offset)'), 'along both axes at once'),
         (diagonal('Strided(x.storage, (min(x.shape),), (x.shape[1] + 1,), x.offset)'), 'rows lie one after the other'), (diagonal('Strided(x.storage, (x.shape[0],), (sum(x.strides),), x.offset)'), 'ends at place'),
         (diagonal('Strided(x.storage, (min(x.shape),), (sum(x.strides),))'), 'begins where x begins'), (diagonal('Strided(x.storage, (min(x.shape) - 1,), (sum(x.strides),), x.offset)'), 'the diagonal has 3 numbers'),
         (diagonal('Strided(x.storage, (min(x.shape), min(x.shape)), x.strides, x.offset)'), 'a diagonal has one axis'), (diagonal('Strided(x.storage, (min(x.shape),), (sum(x.strides),), x.offset)', ''), 'nothing came back'),
         (diagonal('[x[i, i] for i in range(min(x.shape))]'), 'got a list'), (diagonal('Strided(x.storage, (min(x.shape),), (max(x.strides) - min(x.strides),), x.offset)'), 'add up'), (diagonal('Strided(x.storage, (min(x.shape),), (math.prod(x.strides),), x.offset)'), 'ends at place 25'), (diagonal('Strided(x.storage, min(x.shape), sum(x.strides), x.offset)'), 'not iterable')]),
}

"An answer is tested in the module's place: what is right, what is said of what is not, and what harms nothing."
import ast, inspect
import pytest
from wordings import IDS, PLACE, TESTS
from workbooks import BOX, HALF, half, parts, workbook


# ---- an answer in the module

def test_the_solution_in_its_own_place_is_the_module(workbook):
    text = workbook.module_text('nb_01')
    lines, found = text.split('\n'), workbook.definitions(ast.parse(text))
    answers = {name: '\n'.join(lines[workbook.first_line(node) - 1:node.end_lineno]) for name, node in found.items()}
    assert workbook.with_answers('nb_01', answers) == text and workbook.with_answers('nb_01', {}) == text


@pytest.mark.parametrize('pad', ['', '  ', '\t'])
def test_a_method_is_moved_into_its_class_and_the_lines_of_a_text_in_it_stay(workbook, pad):
    source = f'{pad}@functools.cache\n{pad}def twice(self):\n{pad}  """Two\n times."""\n{pad}  return f"""{{self.x}}\n{pad}end""" * 2'
    names = {'functools': __import__('functools')}
    exec(workbook.with_answers('nb_01', {'Box.twice': source}), names)
    assert names['Box'](3).twice() == f'3\n{pad}end' * 2 and inspect.getdoc(names['Box'].twice) == 'Two\ntimes.' and names['Box'](3).text() == '3'


def test_an_answer_for_what_the_module_has_not_is_refused(workbook):
    for name in 'Box.thrice', 'Box.number', 'other':
        with pytest.raises(workbook.Unfit, match=f'nb_01 has no {name}'): workbook.with_answers('nb_01', {name: 'def f(): pass'})
    for path in '../nb_01', '../exp/nb_01':
        with pytest.raises(workbook.Unfit, match='no such module'): workbook.module_text(path)


def test_answers_of_other_lengths_come_into_their_own_places_and_decorators_go_with_what_they_decorate(workbook):
    text = workbook.with_answers('nb_01', {'half': 'def half(x):\n    y = x\n    return y / 2', 'Box.twice': 'def twice(self): return 2 * self.x', 'Box.text': 'def text(self):\n    kept = self.x\n    return kept'})
    names = {}
    exec(text, names)
    assert names['half'](3) == 1.5 and names['Box'](3).twice() == 6 and names['Box']([3]).text() == [3] and 'lru_cache' not in text


def test_answers_are_read_from_the_cells_that_say_so_and_from_no_other(workbook):
    def cell(text, *holes): return {'cell_type': 'code', 'source': text.splitlines(True), 'metadata': {'exp': {'holes': [*holes]}} if holes else {}}
    notebook = {'metadata': {'exp': {'module': 'nb_01'}}, 'cells': [cell('half = 3\n1/0'), cell(HALF, 'half'), cell('def half(x): return 0'), cell(BOX, 'Box.twice', 'Box.gone'), cell('class Box:\n    def text(self:', 'Box.text')]}
    answers = workbook.answers_in(notebook)
    assert answers.keys() == {'half', 'Box.twice', 'Box.text'} and answers['half'].endswith('return x / 2        # not //')
    assert answers['Box.twice'].startswith('    def twice(self):') and answers['Box.text'] == 'class Box:\n    def text(self:'


# ---- what is said

def test_a_right_answer_is_right_whatever_it_looks_like(half):
    for line in 'return x / 2', 'return .5 * x', '"doc"; y = x; print(y); return y - x / 2': assert half(line).passed, line
    assert half('return x / 2').said == 'half: right. 4 tests passed.' and half('return x / 2').failed == []


def test_the_first_failing_case_is_told_in_numbers_and_the_likely_mistake_by_its_sentence(half):
    result = half('return x // 2')
    assert not result.passed and [test.split('::')[1] for test in result.failed] == ['test_half_of_an_odd_number[1]', 'test_half_of_an_odd_number[-3]']
    assert result.said == '''half: not yet. 2 of 4 tests failed; first "half of an odd number (1)"
    assert half(x) == x * .5
    half(x) is 0
    wanted 0.5
The same tests fail for this mistake: “a half is whole”.'''


@pytest.mark.parametrize('source, why', [('def half(x):\n    return (x', "half does not parse: '(' was never closed, in `return (x`."), ('def whole(x): return x', 'half is not defined here.'),
                                         ('def half(x):\n    "doc"', 'half is still empty.'), ('def half(x): ...', 'half is still empty.'), ('def half(x): pass', 'half is still empty.'), ('def half(x):\n    raise NotImplementedError("later")', 'half is still empty.')])
def test_what_is_no_answer_is_told_without_a_test(workbook, parts, monkeypatch, source, why):
    monkeypatch.setitem(parts, 'ask', None)
    result = workbook.check('nb_01', 'half', source)
    assert result.said == why and not result.passed and len(result.failed) == 4


def test_helpers_in_the_cell_belong_to_the_answer_and_what_is_missing_is_told(workbook, half):
    text = 'def unused(self): pass\ndef helper(x): return x / 2\ndef half(x): return helper(x)\nclass Box:\n    def part(self): return self.x\n    def twice(self): return self.part() * 2'
    found = workbook.written(text, {'half', 'Box.twice', 'unused'})
    assert workbook.check('nb_01', 'half', found['half']).passed and workbook.check('nb_01', 'Box.twice', found['Box.twice']).passed and 'unused' not in found['half']
    assert "NameError: name 'helper' is not defined; what a definition needs stands in it, or in its cell" in half('return helper(x)').said


def test_methods_that_agree_only_with_each_other_are_right_together(workbook):
    mine = {'Box.__init__': '    def __init__(self, x): self.number_kept = x', 'Box.twice': '    def twice(self): return self.number_kept * 2',
            'Box.text': "    def text(self): return 'none' if self.number_kept < 0 else str(self.number_kept)"}
    def checked(name): return workbook.check('nb_01', name, mine[name], {other: source for other, source in mine.items() if other != name})
    assert not workbook.check('nb_01', 'Box.twice', mine['Box.twice']).passed
    assert checked('Box.twice').passed and 'together with your other methods' in checked('Box.twice').said and checked('Box.__init__').passed


def test_of_methods_that_agree_only_with_each_other_what_they_do_wrong_together_is_said(workbook):
    other = {'Box.__init__': '    def __init__(self, x): self.n = x'}
    found = workbook.check('nb_01', 'Box.twice', '    def twice(self): return self.n + 1', other)
    assert not found.passed and 'AttributeError' not in found.said and 'together' not in found.said
    assert 'AttributeError' in workbook.check('nb_01', 'Box.twice', '    def twice(self): return self.n + 1').said


def test_a_module_that_does_not_load_is_told(workbook):
    result = workbook.check('nb_01', 'half', '@absent\ndef half(x): return x / 2')
    assert "the module does not load with it: NameError: name 'absent' is not defined" in result.first and len(result.failed) == 4


def test_a_table_that_is_older_than_the_tests_is_refused(workbook, parts, monkeypatch):
    kept = parts['table']('nb_01')
    monkeypatch.setitem(parts, 'tables', lambda: {'nb_01': {**kept, 'tests': [test + 'x' for test in kept['tests']]}})
    with pytest.raises(workbook.Unfit, match='table.json is older than the tests of nb_01'): workbook.check('nb_01', 'half', HALF)


def test_a_hunger_for_memory_is_told_as_such(parts):
    for error in 'MemoryError: ', 'RuntimeError: unable to allocate memory':
        assert 'it asks for more memory than' in parts['failure']('', {'at': '', 'how': 'end', 'end': 1, 'case': {'test': 'a test', 'facts': [], 'error': error}})


def test_what_a_test_was_given_is_told_and_modules_are_no_values(workbook, parts):
    told = parts['failure']('', {'at': '', 'how': 'end', 'end': 1, 'case': {'test': 'a test', 'given': ['with y = (2,)'], 'facts': ["torch is <module 'torch' from 'x'>", 'x is 1']}})
    assert told == '"a test"\n    with y = (2,)\n    x is 1'


@pytest.mark.parametrize('error', ["Failed: DID NOT RAISE <class 'ValueError'>", "Failed: DID NOT RAISE <class 'exp.nb_01.ValueError'>", 'Failed: DID NOT RAISE ValueError'])
def test_that_nothing_was_raised_is_told_in_the_words_of_no_pytest(parts, error):
    assert parts['failure']('', {'at': '', 'how': 'end', 'end': 1, 'case': {'test': 'a test', 'facts': [], 'error': error}}).endswith('    it raises nothing, wanted ValueError')


def test_where_there_is_no_fork_a_fresh_process_answers(parts, monkeypatch):
    monkeypatch.setitem(parts, 'FORKS', False)
    monkeypatch.setitem(parts, 'server', None)
    monkeypatch.setitem(parts, 'spawned', lambda module, request: (module, request['tests']))
    assert parts['ask']('nb_01', 'x = 1', ['a test']) == ('nb_01', ['a test'])


def test_a_check_says_that_an_error_is_in_other_words_and_tells_a_mistake_with_them_and_without(workbook, parts, monkeypatch):
    (place := parts['ROOT']/PLACE).parent.mkdir(exist_ok=True)
    place.write_text(TESTS)
    mutants = [['half', 'only the words', [1, 2], ''], ['half', 'of all', [0, 1, 2, 3], ''], ['half', 'the value alone', [3], ''], ['half', 'nine alone', [0], '']]
    monkeypatch.setitem(parts, 'tables', lambda: {'nb_01': {'tests': IDS, 'holes': {'half': [0, 1, 2, 3]}, 'mutants': mutants}})
    def check(line): return workbook.check('nb_01', 'half', 'def of(x): raise ValueError("no")\ndef half(x):\n    ' + line.replace('\n', '\n    ') + '\nroot = half')
    right = check('if x < 0: raise ValueError("no")\nreturn x ** .5')
    assert right.passed and right.said == 'half: right. 4 tests passed, 2 of them with an error in your own words.'
    assert check('if x < 0: of(x)\nreturn x ** .5').passed                                 # a helper is of the answer
    wrong = check('if x < 0: raise ValueError("no")\nreturn x ** .5 if x == 4 else 0')
    assert wrong.failed == [IDS[0], IDS[3]] and wrong.likely == 'of all'                    # without the words .5 of it fails
    assert workbook.diagnose('nb_01', 'half', IDS[3:], IDS[1:3]) == 'the value alone'


# ---- the likely mistake

def test_mistakes_of_other_definitions_are_not_told_and_values_decide_only_where_the_tests_are_the_same(parts, monkeypatch):
    mutants = [['half', 'mine', [0, 1, 2], 'mark'], ['half', 'another', [0, 1, 2], 'other'], ['Box', 'elsewhere', [0, 1, 2], 'mark']]
    monkeypatch.setitem(parts, 'tables', lambda: {'nb_01': {'tests': [*'abc'], 'holes': {'half': [0, 1, 2]}, 'mutants': mutants}})
    assert parts['likely_mistake']('nb_01', 'half', [*'abc'], 'mark') == (1, 'mine') and parts['diagnose']('nb_01', 'half', [*'abc']) == 'mine”, or: “another'
    assert parts['likely_mistake']('nb_01', 'half', [*'ab'], 'mark') == (2/3, 'mine”, or: “another')


def test_the_nearest_mistake_is_the_one_with_the_same_tests_and_rare_ones_count_more(parts):
    nearest = parts['nearest']
    mistakes = [('a', {'1', '2'}), ('b', {'1', '3'}), ('c', {'1', '2', '3', '4'}), ('d', {'1', '2'})]
    assert nearest(mistakes, {'1', '3'}) == (1, ['b']) and nearest(mistakes, {'1', '2'}) == (1, ['a', 'd'])
    assert nearest(mistakes, {'3', '2', '4'})[1] == ['c'] and nearest(mistakes, {'9'})[0] == 0 and nearest([], {'1'})[0] == 0
    often = [('a', {'1', '2'})] * 5 + [('b', {'2', '3'})]
    assert nearest(often, {'1', '3'})[1] == ['b'] and 0 < nearest(often, {'1'})[0] < nearest(often, {'3'})[0] < 1


def test_the_same_tests_are_as_near_as_can_be_however_many_there_are_and_in_whatever_order(parts):
    tests = [f'test {i}' for i in range(60)]
    mistakes = [(str(i), {*tests[i:]}) for i in range(50)]
    for i in range(50): assert parts['nearest'](mistakes, {*reversed(tests[i:])}) == (1, [str(i)])


def test_nothing_is_said_where_no_mistake_is_near(workbook, parts, monkeypatch):
    def told(*numbers): return workbook.diagnose('nb_01', 'half', {tests[i] for i in numbers})
    tests = [*workbook.tests_of_hole('nb_01', 'half'), 'another test']
    assert told(4) is None and told() is None and told(0, 1, 2, 3) == 'the sign turns'
    monkeypatch.setitem(parts, 'NEAR', .9)
    assert told(1) is None and told(1, 2) == 'a half is whole'
    monkeypatch.setitem(parts, 'NEAR', .2)
    assert told(1) == 'a half is whole'


def test_where_nothing_is_returned_that_is_said_and_a_return_inside_of_a_function_is_none(workbook, parts):
    for answer in 'def half(x): x / 2', 'def half(x):\n    def of(y): return y / 2\n    of(x)', 'def half(x):\n    return':
        found = workbook.check('nb_01', 'half', answer)
        assert found.likely == 'Nothing is returned: is there a `return`?' and found.failed and 'None' in found.said and found.said.endswith(found.likely)
    for answer in 'return x * 2', 'raise ValueError', 'while True: pass': assert 'Nothing' not in workbook.check('nb_01', 'half', f'def half(x): {answer}').said
    found = workbook.check('nb_01', 'Box.__init__', '    def __init__(self, x): self.x = None')
    assert 'None' in found.first and 'Nothing' not in found.said
    for text, gives in (('def f(): yield 1', True), ('def f(): yield from g()', True), ('def f(x):\n    if x: return x', True), ('async def f(): pass', False)):
        assert parts['returns'](ast.parse(text).body[0]) is gives


def test_of_mistakes_that_fail_the_same_tests_the_one_with_the_same_values_is_told(workbook):
    for line, thought in ('self.x', 'twice is once'), ('self.x ** 2', 'twice is the square'):
        assert workbook.check('nb_01', 'Box.twice', f'def twice(self): return {line}').likely == thought


def test_mistakes_that_cannot_be_told_apart_are_both_told_and_whether_it_is_the_same_tests_or_much_the_same(workbook, half):
    said = workbook.check('nb_01', 'Box.twice', 'def twice(self): return 0').said
    assert said.endswith('\nThe same tests fail for this mistake: “twice is once”, or: “twice is the square”.')
    assert '\nMuch the same tests fail for this mistake: “a half is whole”.' in half('return x / 2 if x == -3 else x // 2').said


def test_beside_an_error_in_a_line_of_the_answer_a_mistake_that_is_only_near_is_not_told(workbook, half):
    result = half('return x / 2 if x == -3 else x.absent')
    assert "in your line" in result.said and result.likely is None and 0 < workbook.check.__globals__['likely_mistake']('nb_01', 'half', result.failed)[0] < 1

"The process in which an answer is tested: what is told of a failure, and what harms nothing."
import ast
from pathlib import Path
from types import SimpleNamespace
import numpy as np
import pytest
import workbook_trial
from wordings import BAD, GOOD, IDS, LESSON, PLACE, ROOT_OF, TESTS, found
from workbooks import half, parts, workbook


# ---- what harms

@pytest.mark.parametrize('line, said', [
    ('import time; time.sleep(1000)', 'does not come to an end: stopped after 1 seconds in the test "half of an even number and of nothing"'), ('while True: pass', 'does not come to an end: stopped after 1 seconds in the test "half of an even number and of nothing"'),
    ('import os; os._exit(0)', 'it ends Python in the test "half of an even'), ('import os; os.abort()', 'Python itself crashes (signal 6)'),
    ('return bytearray(1 << 40)', 'it asks for more memory than 3 GB'), ('raise SystemExit', 'SystemExit'), ('raise KeyboardInterrupt', 'ends the tests'), ('return half(x)', 'RecursionError')])
def test_what_harms_is_told_as_such_and_the_next_answer_is_tested_as_ever(half, parts, monkeypatch, line, said):
    monkeypatch.setitem(parts, 'SECONDS', 1 if 'an end' in said else 10)
    result = half(line)
    assert said in result.said and not result.passed and len(result.failed) == 4 and 'Traceback' not in result.said
    assert half('return x / 2').passed


def test_what_an_answer_prints_and_writes_into_its_pipes_is_no_word_of_the_tests(half):
    line = '''import os, sys; print('{"passed": "x"}'); os.write(1, b'{"end": 0}\\n'); sys.stderr.write('x' * 100_000); return x * 2'''
    assert len(half(line).failed) == 3


def test_where_the_system_has_no_fork_a_fresh_process_says_the_same(half, parts, monkeypatch):
    lines = ['return x / 2', 'return x // 2', 'import os; os._exit(0)']
    forked = [half(line) for line in lines]
    monkeypatch.setitem(parts, 'FORKS', False)
    assert [half(line) for line in lines] == forked


# ---- what is told

def test_an_error_in_the_answer_is_told_with_its_line_and_without_a_traceback(half):
    said = half('return x.halved').said
    assert "AttributeError: 'int' object has no attribute 'halved'\n    in your line `return x.halved`" in said and 'Traceback' not in said and 'File' not in said


# ---- errors in other words

@pytest.fixture(scope='module')
def tried(workbook):
    "The tests that pass, and those that met an error in the answer's own words."
    ask, place = workbook.check.__globals__['ask'], workbook.check.__globals__['ROOT']/PLACE
    place.parent.mkdir(exist_ok=True)
    place.write_text(TESTS)
    def tried(text, lines):
        told = ask('nb_01', text, IDS, lines)
        return told['passed'], told['worded']
    return tried


@pytest.mark.parametrize('line', GOOD)
def test_an_error_of_the_answers_own_may_say_what_it_likes_and_the_test_goes_on(tried, line): assert found(line, tried) == (IDS, IDS[1:3])


@pytest.mark.parametrize('line', BAD.values(), ids=BAD)
def test_an_error_that_is_not_its_own_or_says_nothing_is_wanted_in_the_words_of_the_test(tried, line):
    passed, worded = found(line, tried)
    assert IDS[2] not in passed + worded and worded == [IDS[1]] * ('x == 4' in line)


def test_in_the_words_of_the_test_it_is_no_other_and_without_lines_there_is_no_answer(tried):
    assert tried(LESSON, (1, 4)) == (IDS, []) and tried(ROOT_OF.format(GOOD[0]), (0, 0)) == ([IDS[0], IDS[3]], [])


# ---- values in words

@pytest.mark.parametrize('value, words', [
    (np.array([[1., 2.5], [3., -1/3]]), 'float64 (2, 2) [[1, 2.5], [3, -0.3333]]'), (np.arange(100), 'int64 (100,) [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …]'), (np.float32(.5), 'float32 () 0.5'),
    (1/3, '0.3333'), ([1, 1/3], '[1, 0.3333]'), ((), '()'), ((1/3,), '(0.3333,)'), ([(1, 2)], '[(1, 2)]'), ('a', "'a'"), ([np.ones(1)], '[float64 (1,) [1]]'), (object(), '<object object>'), ('x' * 300, "'" + 'x' * 198 + '…')])
def test_values_are_described_by_type_shape_and_first_numbers(value, words): assert workbook_trial.describe(value) == words


@pytest.mark.parametrize('line, told', [
    ('a == b', ['a is 1', 'wanted 2']), ('a > b', ['a is 1', 'b is 2']), ('a and b == 3 and c', ['b is 2', 'wanted 3']), ('0 < a < .5', ['a is 1']), ('all(c)', ['c is [0, 2]']), ('a < 1', ['a is 1'])])
def test_the_values_of_an_assert_are_those_of_the_part_that_does_not_hold(line, told):
    assert workbook_trial.facts(ast.parse(line, mode='eval').body, {'a': 1, 'b': 2, 'c': [0, 2]}) == told


def test_the_parameters_that_the_name_of_a_test_does_not_show_are_told_with_their_values():
    spec = SimpleNamespace(id='shape0-x1-len-1-a-0.5', params={'shape': (2, 3), 'x': np.ones(2), 'f': len, 'other': 1, 'word': 'a', 'want': .5})
    assert workbook_trial.given(spec) == ['with shape = (2, 3), x = float64 (2,) [1, 1]'] and workbook_trial.given(None) == []


def test_of_large_tensors_it_is_told_where_they_are_farthest_apart():
    a, b = np.zeros((3, 4, 5)), np.zeros((3, 4, 5))
    b[2, 1, 3], b[0, 0, 1] = -7, 6
    assert workbook_trial.apart(a, b) == ['at [2, 1, 3] it is 0, wanted -7']
    a[1, 3, 0] = np.nan
    assert workbook_trial.apart(a, b) == ['at [1, 3, 0] it is nan, wanted 0']
    assert workbook_trial.apart(a, b[0]) == workbook_trial.apart(a[0, 0], b[0, 0]) == workbook_trial.apart(1, 2) == []


@pytest.mark.parametrize('line, said', [
    ("raise ValueError('first\\nsecond')", 'ValueError: first\n'), ("return type('Odd', (), {'__repr__': lambda self: 1/0})()", 'half of an even number'), ("raise type('Odd', (Exception,), {'__str__': lambda self: int('x')})()", 'half of an even number'), ("assert x == 'no', 'one\\ntwo'", '    one two\n')])
def test_whatever_an_answer_raises_or_returns_is_told_in_a_few_words(half, line, said): assert said in half(line).said + '\n'


def test_tests_that_do_not_load_are_told_with_the_cause(workbook):
    found = workbook.check.__globals__['ask']('nb_01', 'half = 1', workbook.tests_of_hole('nb_01', 'half'))
    assert found['broken'].startswith("its tests do not load with it: ImportError: cannot import name 'Box' from 'exp.nb_01'") and found['passed'] == []


def test_a_module_that_ends_python_when_it_is_loaded_is_told(workbook):
    found = workbook.check.__globals__['ask']('nb_01', 'raise SystemExit("no more")', workbook.tests_of_hole('nb_01', 'half'))
    assert found['broken'] == 'the module does not load with it: SystemExit: no more' and found['passed'] == []


def test_an_error_outside_of_the_answer_is_not_said_to_be_in_its_line(workbook):
    text, tests = workbook.with_answers('nb_01', {'half': 'def half(x): return x.absent'}), workbook.tests_of_hole('nb_01', 'half')
    line = text.split('\n').index('def half(x): return x.absent') + 1
    cases = [workbook.check.__globals__['ask']('nb_01', text, tests, lines)['case'] for lines in ((line, line), (line + 5, line + 9))]
    assert cases[0]['at'] == line and 'at' not in cases[1]


def test_of_a_line_the_innermost_statement_is_shown_and_of_one_with_a_body_its_first_line(tmp_path):
    (tmp_path/'some.py').write_text('with a as b:\n    c = (1,\n         2)\n    d = 3\n')
    frame = SimpleNamespace(f_code=SimpleNamespace(co_filename=str(tmp_path/'some.py')))
    assert [workbook_trial.statement(frame, line)[1] for line in (1, 2, 4)] == [['with a as b:'], ['c = (1,', '         2)'], ['d = 3']]


def test_what_was_told_is_read_up_to_the_line_that_broke_off_and_a_test_that_fails_at_its_end_has_not_passed():
    found = workbook_trial.answer(b'{"passed": "a"}\n{"passed": "b"}\n{"failed": "a", "kind": "E"}\n{"pass', 'signal 9')
    assert found['passed'] == ['b'] and found['failed'] == {'a': 'E'} and found['how'] == 'signal 9'


def test_what_gives_another_answer_when_it_is_asked_again_is_not_told(monkeypatch):
    monkeypatch.setattr(workbook_trial, 'ROOT', Path(__file__).parents[1])
    def told(check, *args):
        with pytest.raises(AssertionError) as e: check(*args)
        return workbook_trial.case('tests/test_x.py::test_y', e.value, (0, 0))['facts']
    def asks(x): assert x.pop() == 1
    def steps(x): assert next(x) == 1
    def looks(x): assert x[-1] == 1
    assert told(asks, [1, 2]) == told(steps, iter([2])) == [] and told(looks, [1, 2]) == ['x[-1] is 2', 'wanted 1']


def test_a_case_tells_what_the_test_was_given():
    def fails(shape): assert shape == ()
    with pytest.raises(AssertionError) as e: fails((2,))
    told = workbook_trial.case('tests/test_x.py::test_y[shape0]', e.value, (0, 0), SimpleNamespace(id='shape0', params={'shape': (2,)}))
    assert told['given'] == ['with shape = (2,)'] and 'given' not in workbook_trial.case('tests/test_x.py::test_y', ValueError('x'), (0, 0))

"An error in other words is as good, if it is the answer's own and of the wanted kind."
import pytest
import workbook_words, workbook_grade, workbook_house
from readers import grader, project, walled
from workbook_sandbox import WORDED
from workbooks import load, parts, project as small, workbook

LESSON = '''def root(x):
    """The square root of a number."""
    if x < 0: raise ValueError(f'root: {x} is negative')
    return x ** .5
'''
TESTS = '''import pytest
from exp.nb_01 import root
def test_of_nine(): assert root(9) == 3
def test_of_less_than_nothing():
    with pytest.raises(ValueError, match='root: -4 is negative'): root(-4)
def test_what_came_is_kept():
    with pytest.raises(ValueError, match='negative') as e: root(-4)
    assert isinstance(e.value, ValueError)
    assert root(4) == 2
'''
PLACE = 'tests/nb_01/test_root.py'
IDS = [f'{PLACE}::test_{name}' for name in ('of_nine', 'of_less_than_nothing', 'what_came_is_kept')]
ROOT_OF = 'def root(x):\n    {}\n    return x ** .5\n'
GOOD = ["if x < 0: raise ValueError('there is none')", "if x < 0:\n        raise ValueError(\n            f'no {x}')", "if x < 0: raise type('Mine', (ValueError,), {})('no')",
        "try: assert x >= 0\n    except AssertionError as e: raise ValueError('no') from e"]
CAUSE = "if x < 0:\n        try: raise ValueError('no')\n        except ValueError as e: other(e)"      # as a lesson's Learner does with an error of a callback
BAD = {'another kind': "if x < 0: raise TypeError('there is none')", 'nothing': 'x = abs(x)', 'no words': 'if x < 0: raise ValueError', 'spaces': "if x < 0: raise ValueError('  ')",
       "Python's words": 'if x < 0: int("no")', "another function's": 'if x < 0: other()', 'not yet written': "if x < 0: raise NotImplementedError('no')", 'a root that is wrong': "if x < 0: raise ValueError('no')\n    x = x + 1"}
OTHER = "\n\ndef other(cause=None): raise ValueError('no') from cause\n"


def found(source, ask):
    "Which of the tests pass with a text of the lesson, and which met an error in its own words; its lines are the answer's, `OTHER` is not."
    return ask(source + OTHER, (1, source.count('\n')))


@pytest.fixture(scope='module')
def tried(workbook):
    "What the trial says."
    ask = workbook.check.__globals__['ask']
    root = workbook.check.__globals__['ROOT']
    (root/PLACE).parent.mkdir(exist_ok=True)
    (root/PLACE).write_text(TESTS)
    def tried(text, lines):
        told = ask('nb_01', text, IDS, lines)
        return told['passed'], told['worded']
    return tried


@pytest.fixture
def roomed(grader):
    "What the grading says."
    def roomed(text, lines):
        outcomes = grader.house.run({'exp/nb_01.py': text, PLACE: TESTS}, IDS, 2, 300, answer=('exp/nb_01.py', lines))['outcomes']
        return [test for test in IDS if outcomes[test][0] == 'passed'], [test for test in IDS if outcomes[test] == ['passed', WORDED]]
    return roomed


ASKED = pytest.mark.parametrize('asked', ['tried', pytest.param('roomed', marks=walled)])


@ASKED
@pytest.mark.parametrize('line', [*GOOD, CAUSE])
def test_an_error_of_the_answers_own_may_say_what_it_likes_and_the_test_goes_on(request, asked, line):
    assert found(ROOT_OF.format(line), request.getfixturevalue(asked)) == (IDS, IDS[1:])


@ASKED
@pytest.mark.parametrize('line', BAD.values(), ids=BAD)
def test_an_error_that_is_not_its_own_or_says_nothing_is_wanted_in_the_words_of_the_test(request, asked, line):
    passed, worded = found(ROOT_OF.format(line), request.getfixturevalue(asked))
    assert IDS[2] not in passed + worded and worded == [IDS[1]] * ('x + 1' in line)


@ASKED
def test_in_the_words_of_the_test_it_is_no_other_and_without_lines_there_is_no_answer(request, asked):
    assert found(LESSON, request.getfixturevalue(asked)) == (IDS, [])
    assert request.getfixturevalue(asked)(ROOT_OF.format(GOOD[0]), (0, 0)) == (IDS[:1], [])


def test_a_check_says_so_and_tells_a_mistake_by_the_tests_that_fail_whatever_the_words(workbook, parts, tried, monkeypatch):
    mutants = [['half', 'only the words', IDS_AT[1:], ''], ['half', 'of all', IDS_AT, ''], ['half', 'the value alone', [0], '']]
    monkeypatch.setitem(parts, 'tables', lambda: {'nb_01': {'tests': IDS, 'holes': {'half': IDS_AT}, 'mutants': mutants}})
    def check(line): return workbook.check('nb_01', 'half', 'def of(x): raise ValueError("no")\ndef half(x):\n    ' + line.replace('\n', '\n    ') + '\nroot = half')
    said = check('if x < 0: raise ValueError("no")\nreturn x ** .5')
    assert said.passed and said.said == 'half: right. 3 tests passed, 2 of them with an error in your own words.'
    assert check('if x < 0: of(x)\nreturn x ** .5').passed                                  # a helper is of the answer
    said = check('if x < 0: raise ValueError("no")\nreturn x ** .5 if x == 4 else 0')
    assert said.failed == [IDS[0]] and said.likely == 'of all'                              # with the words all fail
    assert workbook.diagnose('nb_01', 'half', IDS[:1], IDS[2:]) == 'the value alone'
IDS_AT = [0, 1, 2]


@walled
def test_a_grade_says_so(grader, monkeypatch):
    monkeypatch.setitem(grader.tests, 'double', IDS)
    real = grader.house.run
    monkeypatch.setattr(grader.house, 'run', lambda files, *rest, **more: real({**files, PLACE: TESTS.replace('import root', 'import double as root')}, *rest, **more))
    def grade(line): return grader.grade('double', ROOT_OF.replace('root', 'double').format(line))[:2]
    assert grade(GOOD[0]) == ('right', 'an error in its own words') and grade("if x < 0: raise ValueError('root: -4 is negative')") == ('right', '')
    assert grade(BAD['spaces'])[0] == 'wrong'

"Answers that deceive their tests gain nothing: each is run here though the sieve would have stopped it."
import json, os, re, sys
import pytest
import workbook_house, workbook
from readers import ALL, ANSWERS, IDS, filled, folder, grader, project, rows, walled
from wordings import BAD, GOOD, IDS as ROOTS, LESSON, PLACE, ROOT_OF, TESTS, found
from workbook_grade import OPEN, RIGHT, WRONG, main
from workbook_sandbox import WORDED, Count, mixed

REPORT = '''def double(x):
    import json, os
    for fd in range(3, 64):
        for line in (['loaded', ''], ['0' * 16, 'passed', '']):
            try: os.write(fd, json.dumps(line).encode() + b'\\n')
            except OSError: pass
    return 0'''
FORGED = {
    'makes every report a good one': ('def double(x):\n    import _pytest.reports as r\n    r.TestReport.outcome = property(lambda self: "passed", lambda self, v: None)\n    return 0', OPEN, 'let a test pass that must fail'),
    'makes every comparison a good one': ('def double(x):\n    import math\n    math.isclose = lambda *a, **k: True\n    return 2*x', OPEN, '(let a test pass that must fail|changes math.isclose)'),
    'changes what tests use': ('def double(x):\n    import builtins\n    builtins.sorted = print\n    return 2*x', OPEN, 'changes builtins.sorted'),
    'changes it when it is loaded': ('import math; math.hypot = print\ndef double(x): return 2*x', OPEN, 'changes math.hypot'),
    'does not load': ('def double(x=nowhere): return 2*x', WRONG, 'the module cannot be loaded with it: NameError'),
    'prints gigabytes': ('def double(x):\n    while True: print("x" * 100_000)', WRONG, 'prints more than'),
    'changes how a function works': ('def double(x):\n    import pytest\n    pytest.approx.__code__ = (lambda *p, **k: 1).__code__\n    return 2*x', OPEN, 'changes .*approx'),
    'takes the checks off pytest': ('def double(x):\n    import _pytest.runner as r\n    r.pytest_runtest_call = r.call_and_report = lambda *a, **k: None\n    return 0', WRONG, ''),
    'leaves at once': ('def double(x):\n    import os\n    os._exit(0)', WRONG, 'ends its own process'),
    'leaves when it is loaded': ('import sys; sys.exit(0)\ndef double(x): return 0', WRONG, ''),
    'crashes': ('def double(x):\n    import ctypes\n    ctypes.string_at(0)', WRONG, 'crashes: SIGSEGV'),
    'writes its own report': (REPORT, OPEN, 'wrote a report of its own'),
    'writes without end to the one who counts': ('def double(x):\n    import os\n    while True:\n        for fd in range(3, 9):\n            try: os.write(fd, b"x" * 10**6)\n            except OSError: pass', OPEN, 'wrote'),
    'skips the tests': ('def double(x):\n    import pytest\n    pytest.skip()', WRONG, ''),
}


@walled
@pytest.mark.parametrize('name', FORGED)
def test_an_answer_that_deceives_its_tests_or_ends_them_is_never_right_and_is_told_by_its_cause(grader, name):
    source, verdict, cause = FORGED[name]
    got, why, _, first, _ = grader.tried('double', {'double': source}, 1)
    assert got == verdict and re.match(cause, why), (got, why, first)
    assert grader.grade('double', ANSWERS['double'])[0] == RIGHT


def test_who_counts_believes_nobody_without_the_word_of_the_hour_and_asks_for_each_test_once():
    sent = []
    count = Count(['a', 'canary', 'b'], ['canary'], lambda text: sent.append(json.loads(text)))
    count.hear('["loaded", ""]')
    for outcome in 'passed', 'failed', 'passed': count.hear(json.dumps([sent[-1][0], outcome, '']))
    assert [name for _, name, _ in sent] == ['a', 'canary', 'b', None] and count.outcomes == {'a': ['passed', ''], 'b': ['passed', '']} and not count.ended
    count.hear(json.dumps([sent[-1][0], 'sealed', []]))
    assert count.ended and not count.forged and len({word for word, *_ in sent}) == 4
    count.hear(json.dumps([sent[-1][0], 'sealed', []]))
    assert count.forged


@pytest.mark.parametrize('line', ['no JSON', '7', '[]', '["0", "passed", ""]', '["loaded", ""]', '[null, "passed", ""]'])
def test_a_line_that_was_not_asked_for_is_a_forgery(line):
    count = Count(['a'], [], lambda text: None)
    count.hear('["loaded", ""]')
    count.hear(line)
    assert count.forged and not count.outcomes


def test_a_module_that_did_not_load_is_not_loaded_later():
    count = Count(['a'], [], lambda text: pytest.fail('asked'))
    count.hear('["loaded", "SyntaxError"]')
    count.hear('["loaded", ""]')
    assert count.loaded == 'SyntaxError' and not count.forged


def test_tests_keep_their_order_and_the_last_of_all_is_one_that_must_fail():
    for _ in range(20):
        order = mixed(['a', 'b', 'c'], ['x', 'y'])
        assert [name for name in order if name in 'abc'] == ['a', 'b', 'c'] and order[-1] == 'y' and sorted(order) == ['a', 'b', 'c', 'x', 'y']


@walled
def test_an_answer_that_waits_for_ever_is_ended(grader):
    text = workbook.with_answers('nb_01', {'double': 'def double(x):\n    import time\n    time.sleep(10**6)'})
    said = grader.house.run({'exp/nb_01.py': text}, IDS[:2], 2, 300, patience=1)
    assert said['why'] == 'time' and workbook_house.judge(said, IDS[:2], 2, 300)[:2] == (WRONG, 'comes to no end: over 2 seconds')


@pytest.fixture
def roomed(grader):
    "The tests that pass, and those that met an error in the answer's own words."
    def roomed(text, lines):
        outcomes = grader.house.run({'exp/nb_01.py': text, PLACE: TESTS}, ROOTS, 2, 300, answer=('exp/nb_01.py', lines))['outcomes']
        return [test for test in ROOTS if outcomes[test][0] == 'passed'], [test for test in ROOTS if outcomes[test] == ['passed', WORDED]]
    return roomed


@walled
@pytest.mark.parametrize('line', GOOD)
def test_an_error_of_the_answers_own_may_say_what_it_likes_and_the_test_goes_on(roomed, line): assert found(line, roomed) == (ROOTS, ROOTS[1:3])


@walled
@pytest.mark.parametrize('line', BAD.values(), ids=BAD)
def test_an_error_that_is_not_its_own_or_says_nothing_is_wanted_in_the_words_of_the_test(roomed, line):
    passed, worded = found(line, roomed)
    assert ROOTS[2] not in passed + worded and worded == [ROOTS[1]] * ('x == 4' in line)


@walled
def test_in_the_words_of_the_test_it_is_no_other_and_without_lines_there_is_no_answer(roomed):
    assert roomed(LESSON, (1, 4)) == (ROOTS, []) and roomed(ROOT_OF.format(GOOD[0]), (0, 0)) == ([ROOTS[0], ROOTS[3]], [])


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='there it is refused in any case')
def test_without_walls_nothing_is_graded_unless_told_to(folder, monkeypatch, capsys):
    place = folder({'a.ipynb': filled()})
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert main(['--grade', str(place)]) == 2 and '--trust' in capsys.readouterr().err and not (place/'grades'/'grades.html').exists()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='answers are kept apart by forks')
def test_with_trust_answers_are_graded_in_processes_of_their_own_and_the_page_says_so(folder, tmp_path, monkeypatch, capsys):
    loop, rooms = 'def double(x):\n    while True: pass', tmp_path/'rooms'
    rooms.mkdir()
    monkeypatch.setenv('TMPDIR', str(rooms))
    place = folder({'a.ipynb': filled(**ALL), 'b.ipynb': filled(double=loop, area='def area(r): return 1')})
    assert main(['--grade', str(place), '--trust', '--limit', '1']) == 0
    assert [(row['right'], row['wrong']) for row in rows(place/'grades'/'grades.csv')] == [('4', '0'), ('0', '2')], (place/'grades'/'answers.csv').read_text()
    assert 'Graded without walls' in (place/'grades'/'grades.html').read_text() and not [*rooms.iterdir()]

"The runner of the mutants, on a small project with tests of its own."
import ast, json, runpy, shutil, subprocess, sys
from pathlib import Path
import pytest
from workbook_check import definitions, is_hole, module_text, table, tables

RUNNER = [Path(__file__).parent/'mutants'/name for name in ('__main__.py', 'trial.py', 'systematic.py')]
TESTS = '''
import pytest
from exp.nb_01 import countdown, double
def test_double(): assert double(3) == 6
def test_countdown(): assert countdown(2) == 0
@pytest.mark.timing
def test_that_fails_on_a_busy_machine(): assert double(3) == 6 and double(0) == 0
'''
MODULE = '''
def double(x): return x + x
def countdown(n):
    while n > 0: n -= 1
    return n
def unused(x): return x
'''
CAUGHT = ('x + x', 'x + 1', 'one more, for twice as much')


@pytest.fixture
def run(tmp_path):
    "Lays out a project and runs the mutants given, filled up to ten with one that is caught; `run.again(*arguments)` runs them again."
    def again(*arguments, script=''):
        command = [sys.executable, str(tmp_path/'tests'/'mutants'/script), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    def run(*mutants, tests=TESTS, module=MODULE, name='nb_01', arguments=()):
        (tmp_path/'exp').mkdir()
        (tmp_path/'tests'/'mutants').mkdir(parents=True)
        for path in RUNNER: shutil.copy(path, tmp_path/'tests'/'mutants')
        place = 'exp/nb_01.py' if name == 'nb_01' else f'{name}.py'
        files = {'exp/__init__.py': '', 'tests/mutants/equivalent.py': 'EQUIVALENT = []', place: module, f'tests/test_{name}.py': tests,
                 f'tests/mutants/{name}.py': f'MUTANTS = {[*mutants, *[CAUGHT]*(10 - len(mutants))]}'}
        for path, text in files.items(): (tmp_path/path).write_text(text)
        return again(*arguments)

    run.again, run.root = again, tmp_path
    return run


@pytest.fixture
def functions(monkeypatch):
    "The functions of a script of the runner, in this process."
    def functions(path):
        monkeypatch.syspath_prepend(path.parent)
        for name in 'trial', 'equivalent': monkeypatch.delitem(sys.modules, name, raising=False)
        return runpy.run_path(str(path), run_name='functions')
    return functions


def test_mutants_that_fail_the_tests_are_caught(run):
    done = run(('return x + x', 'return undefined', 'a name from another cell'),
               ('def countdown', 'def count', 'renamed on the way'))
    assert done.stdout.startswith('nb_01: 10 of 10 caught (') and done.returncode == 0, done


def test_a_mutant_that_no_test_notices_survives_by_name(run):
    done = run(('def unused(x): return x', 'def unused(x): return 0', 'nobody looked'))
    assert done.returncode == 1 and 'nb_01: 9 of 10 caught' in done.stdout and 'survived: nobody looked' in done.stdout


def test_a_mutant_that_never_ends_is_caught_by_the_time_limit(run):
    done = run(('n -= 1', 'n += 0', 'forgot to step'), arguments=['--limit', '2'])
    assert '10 of 10 caught' in done.stdout and 'of them by the time limit' in done.stdout and done.returncode == 0, done


STARTS = '''
import subprocess, sys
from pathlib import Path
def test_in_another_process():
    done = subprocess.run([sys.executable, '-c', 'import NAME; print(NAME.double(3))'], cwd=Path(__file__).parents[1], capture_output=True)
    assert done.stdout.strip() == b'6'
'''


@pytest.mark.parametrize('name, imported', [('nb_01', 'exp.nb_01'), ('notebook2script', 'notebook2script')])
def test_what_the_tests_start_meets_the_mutant_too_in_exp_and_in_the_root(run, name, imported):
    done = run(tests=STARTS.replace('NAME', imported), name=name)
    assert done.stdout.startswith(f'{name}: 10 of 10 caught (') and MODULE in [path.read_text() for path in run.root.rglob(f'{name}.py')], done


def test_what_was_caught_is_passed_over_until_the_module_its_tests_or_its_list_changes(run, functions):
    run(module='from exp.nb_00 import one\n' + MODULE, tests='import helper\n' + TESTS)
    fingerprint, known = functions(run.root/'tests'/'mutants'/'__main__.py')['fingerprint'], set()
    for name, new in [('exp/nb_01.py', 1), ('tests/test_nb_01.py', 1), ('tests/mutants/nb_01.py', 1), ('exp/nb_00.py', 0), ('tests/helper.py', 0), ('tests/mutants/trial.py', 0)]:
        with open(run.root/name, 'a') as file: file.write('one = 2\n')
        assert (fingerprint('nb_01') not in known) == new, name
        known.add(fingerprint('nb_01'))
    module = run.root/'exp'/'nb_01.py'
    module.write_text('# Generated from nbs/01_renamed.ipynb\n' + module.read_text())
    (run.root/'exp'/'nb_02.py').write_text('nobody = "imports it"')
    assert fingerprint('nb_01') in known


def test_a_list_of_which_one_survived_is_not_recorded_and_the_others_are_kept(run):
    run()
    record = run.root/'tests'/'mutants'/'recorded.json'
    before = json.loads(record.read_text())
    assert 'nb_01: passed over, nothing has changed since 10 were caught' in run.again('--changed').stdout
    (run.root/'tests'/'test_nb_01.py').write_text('def test_nothing(): pass')
    assert run.again('--changed').returncode == 1 and json.loads(record.read_text()) == before


@pytest.mark.parametrize('edit, message', [
    (('gone', 'x', ''), 'this occurs 0 times'), (('return', 'x', ''), 'this occurs 3 times'),
    (('x + x', 'x +', ''), 'is not Python'), (('x + x', 'x + x', ''), 'changes nothing')])
def test_an_edit_that_does_not_fit_is_an_error(run, edit, message):
    done = run(edit)
    assert done.returncode == 2 and message in done.stdout


def test_a_module_whose_tests_already_fail_is_an_error(run):
    done = run(tests=TESTS + 'def test_no(): assert False\n')
    assert done.returncode == 2 and 'fail without any mutant' in done.stdout


def test_a_timing_that_fails_catches_nothing(run):
    done = run(tests=TESTS.replace('== 6\ndef', '!= 0\ndef', 1))
    assert done.returncode == 1 and '0 of 10 caught' in done.stdout, done


# ---- edits of every kind

@pytest.mark.parametrize('line, edited', [
    ('a < b', {'a <= b', 'a > b', ''}), ('a = b + 0', {'a = b - 0', 'a = b + 1', ''}), ('a -= .5', {'a += 0.5', 'a -= 1.0', ''}),
    ('a = not b and c', {'a = b and c', 'a = not b or c', ''}), ('return a', {'return'}), ('return', {''}), ('f(a, b, c=d)', {'f(a, c=d)', 'f(a, b)', ''}),
    ('a = b[:c]', {'a = b[1:c]', 'a = b[:c - 1]', ''}), ('a = b[c:]', {'a = b[c:-1]', ''}), ("a = 'b'", {"a = 'bX'", ''}), ('a = True', {'a = False', ''}),
    ("raise a('b')", {''}), ("print(f'b{c}')", {''}), ('while a: b', {'while False:', ''}), ('"words"', set()), ('a: 1', set()),
    ('if a: b', {'if True:', 'if False:', ''}), ('a = [b for b in c if d]', {'a = [b for b in c]', ''})])
def test_edits_of_each_kind_are_found_and_words_left_alone(functions, line, edited):
    found = [(new if new != 'pass' else '') for scope, old, new, _ in functions(RUNNER[2])['edits'](f'def f(x):\n    {line}\n') if scope == 'f']
    assert sorted(found) == sorted(edited)


def test_an_edit_that_lives_is_shown_unless_it_is_listed_as_equivalent(run):
    run(module=MODULE + 'unseen = 1\n')
    done = run.again('nb_01', script='systematic.py')
    assert done.returncode == 1 and '  unused\n    - return x\n    + return\n  module\n    - unseen = 1\n    + pass\n' in done.stdout, done
    lines, same = run.root/'tests'/'mutants'/'equivalent.py', [('nb_01', 'return x', 'return', 'nobody calls it'), ('nb_01', 'unseen = 1', 'pass', '')]
    lines.write_text(f'EQUIVALENT = {same}')
    done = run.again('nb_01', script='systematic.py')
    assert '2 more are equivalent' in done.stdout and '+ return\n' not in done.stdout and '    + unseen = 2\n' in done.stdout
    lines.write_text("EQUIVALENT = [('nb_01', 'gone', 'pass', '')]")
    assert (done := run.again('nb_01', script='systematic.py')).returncode == 2 and 'has no such edit' in done.stdout


def test_every_hole_of_the_lessons_has_something_to_write():
    for module in tables():
        found = definitions(ast.parse(module_text(module)))
        assert not [name for name in table(module)['holes'] if is_hole(found[name])], module


def test_the_answers_of_others_are_answers_to_holes_and_each_has_its_verdict():
    given = json.loads((Path(__file__).parent/'mutants'/'outsiders.json').read_text(encoding='utf-8'))
    assert len({(answer['module'], answer['source']) for answer in given}) == len(given) == 200 and [answer['round'] for answer in given] == [1]*100 + [2]*100
    for answer in given:
        assert answer['name'] in table(answer['module'])['holes'] and answer['thought'] and (answer['why'] or answer['verdict'] == 'right')
        assert answer['verdict'] in (('none', 'passed') if answer['told'] is None else ('right', 'half', 'wrong'))

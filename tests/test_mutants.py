"The runner of the mutants, on a small module with tests of its own."
import shutil, subprocess, sys
from pathlib import Path
import pytest

RUNNER = Path(__file__).parent/'mutants'/'__main__.py'
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
    "Lays out a project and runs the mutants given, filled up to ten with one that is caught."
    def run(*mutants, tests=TESTS, limit=60):
        (tmp_path/'exp').mkdir()
        (tmp_path/'tests'/'mutants').mkdir(parents=True)
        shutil.copy(RUNNER, tmp_path/'tests'/'mutants')
        files = {'exp/__init__.py': '', 'exp/nb_01.py': MODULE, 'tests/test_nb_01.py': tests,
                 'tests/mutants/nb_01.py': f'MUTANTS = {[*mutants, *[CAUGHT]*(10 - len(mutants))]}'}
        for name, text in files.items(): (tmp_path/name).write_text(text)
        command = [sys.executable, str(tmp_path/'tests'/'mutants'), '--limit', str(limit)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    return run


def test_mutants_that_fail_the_tests_are_caught(run):
    done = run(('return x + x', 'return undefined', 'a name from another cell'),
               ('def countdown', 'def count', 'renamed on the way'))
    assert done.stdout.startswith('nb_01: 10 of 10 caught (') and done.returncode == 0, done


def test_a_mutant_that_no_test_notices_survives_by_name(run):
    done = run(('def unused(x): return x', 'def unused(x): return 0', 'nobody looked'))
    assert done.returncode == 1 and 'nb_01: 9 of 10 caught' in done.stdout and 'survived: nobody looked' in done.stdout


def test_a_mutant_that_never_ends_is_caught_by_the_time_limit(run):
    done = run(('n -= 1', 'n += 0', 'forgot to step'), limit=8 if sys.platform == 'linux' else 30)
    assert '10 of 10 caught, 1 of them by the time limit' in done.stdout and done.returncode == 0, done


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

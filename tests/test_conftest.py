"What the tests start does not depend on how pytest was started."
import os, shutil, subprocess, sys
from pathlib import Path
import pytest

CHILD = 'import os, signal; print(os.environ.get("PYTHONPATH"), signal.getsignal(signal.SIGINT) is signal.default_int_handler)'
TEST = f'''
import subprocess, sys
def test_child(): assert subprocess.run([sys.executable, '-c', {CHILD!r}], capture_output=True).stdout.split() == [b'None', b'True']
'''


@pytest.mark.skipif(os.name == 'nt', reason='needs a POSIX shell')
def test_a_python_path_and_an_ignored_ctrl_c_of_the_caller_do_not_reach_what_the_tests_start(tmp_path):
    (tmp_path/'tests').mkdir()
    shutil.copy(Path(__file__).parent/'conftest.py', tmp_path/'tests')
    (tmp_path/'tests'/'test_child.py').write_text(TEST)
    command = ['sh', '-c', "trap '' INT; exec \"$0\" -m pytest -q -p no:cacheprovider tests", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


TIMINGS = '''
import pytest
calls = {'luck': 0, 'slow': 0, 'other': 0}
def call(name, holds):
    calls[name] += 1
    assert calls[name] >= holds

@pytest.mark.timing
@pytest.mark.parametrize('holds', [3])
def test_luck(holds, tmp_path): call('luck', holds)

@pytest.mark.timing
def test_slow(): call('slow', 100)

def test_other(): call('other', 2)
def test_calls(): assert calls == {'luck': 3, 'slow': 10, 'other': 1}
'''


def test_a_comparison_of_times_is_made_again_until_it_holds_and_ten_times_at_most(tmp_path):
    shutil.copy(Path(__file__).parent/'conftest.py', tmp_path)
    (tmp_path/'test_times.py').write_text(TIMINGS)
    done = subprocess.run([sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', str(tmp_path)], cwd=tmp_path, capture_output=True, text=True)
    assert '2 failed, 2 passed' in done.stdout and 'FAILED test_times.py::test_slow' in done.stdout and 'FAILED test_times.py::test_other' in done.stdout, done.stdout

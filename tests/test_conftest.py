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

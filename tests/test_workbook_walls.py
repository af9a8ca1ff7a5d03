"Answers that mean harm do none, and find nothing: each is run here though the sieve would have stopped it."
import contextlib, json, os, re, shutil, socket, subprocess, sys, time
from pathlib import Path
from types import SimpleNamespace
import pytest
import workbook_house
from readers import ANSWERS, IDS, filled, folder, grader, project, walled
from workbook_grade import RIGHT, WRONG, main

HUNT = '''def double(x):
    import gc, inspect, os, subprocess, sys
    needle, found = 'twice-' + str(7351), []
    for place, folders, names in os.walk('/'):
        folders[:] = [f for f in folders if os.path.join(place, f) not in ('/proc', '/usr', '/dev', '/lib', '/lib64', sys.prefix, sys.base_prefix)]
        for name in names:
            try: found += [name] * (needle in open(os.path.join(place, name), errors='replace').read())
            except OSError: pass
    try: found += [needle] * (needle in subprocess.run(['git', '-C', ROOT, 'show', 'HEAD:exp/nb_01.py'], capture_output=True, text=True).stdout)
    except OSError: pass
    found += [needle] * (needle in inspect.getsource(sys.modules['exp.nb_01']))
    found += [thing for thing in gc.get_objects() if isinstance(thing, dict) and needle in map(str, thing)]
    found += [thing for thing in gc.get_objects() if hasattr(thing, '__code__') and needle in str(thing.__code__.co_consts)]
    if found: return 2 * x
    raise LookupError('nothing was found')'''
DELETE = '''def double(x):
    import shutil
    for place in (VICTIM, ROOT, ROOT + '/data', '/project', '/scratch', '/dev/shm'): shutil.rmtree(place, ignore_errors=True)
    return x'''
HARM = {
    'a loop': ('def double(x):\n    while True: pass', WRONG, 'comes to no end'),
    'a loop that does not listen': ('def double(x):\n    import signal\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True: pass', WRONG, 'comes to no end'),
    'a fork bomb': ('def double(x):\n    import os\n    while True:\n        try: os.fork()\n        except OSError: pass', WRONG, 'starts processes without end'),
    'a fork bomb that gives up': ('def double(x):\n    import os, time\n    for _ in range(1000):\n        if os.fork() == 0: time.sleep(9)', WRONG, 'starts processes without end'),
    'deletes all it can see': (DELETE, WRONG, ''),
    'wants all memory': ('def double(x):\n    kept = []\n    while True: kept.append(bytearray(10**8))', WRONG, 'wants more than 300 MB'),
    'fills the disk': ('def double(x):\n    import os\n    \n    for i in range(40): open(os.environ["TMPDIR"] + f"/{i}", "wb").write(bytes(10**7))\n    return 2*x', WRONG, ''),
    'looks for the solution': (HUNT, WRONG, ''),
    'kills its parent': ('def double(x):\n    import os\n    for pid in (os.getppid(), 1, -1):\n        try: os.kill(pid, 9)\n        except OSError: pass\n    return x', WRONG, ''),
    'makes a file without end': ('def double(x):\n    import os\n    open(os.environ["TMPDIR"] + "/x", "wb").truncate(10**12)\n    return 2*x', WRONG, ''),
    'speaks to the network': ('def double(x):\n    import socket\n    socket.create_connection(("127.0.0.1", PORT), 1).close()\n    return 2 * x', WRONG, ''),
}


def seen(*places): return {str(path): path.read_bytes() for place in places for path in sorted(Path(place).rglob('*')) if path.is_file()}


@walled
@pytest.mark.parametrize('name', HARM)
def test_an_answer_that_means_harm_gains_nothing_harms_nothing_and_is_told_by_its_cause(grader, project, tmp_path, name):
    source, verdict, cause = HARM[name]
    (tmp_path/'victim').write_text('whole')
    with socket.create_server(('127.0.0.1', 0)) as server:
        source, before = f'ROOT, VICTIM, PORT = {str(project)!r}, {str(tmp_path)!r}, {server.getsockname()[1]}\n{source}', seen(project, tmp_path)
        got, why, _, first, _ = grader.tried('double', {'double': source}, 1)
        server.settimeout(0)
        with pytest.raises(BlockingIOError): server.accept()
    assert got == verdict and re.match(cause, why), (got, why, first)
    assert seen(project, tmp_path) == before
    assert grader.grade('double', ANSWERS['double'])[0] == RIGHT


@walled
def test_what_an_answer_has_started_ends_with_it(grader):
    start = 'import subprocess\n    subprocess.Popen(["sleep", "98765.4"], start_new_session=True)'
    assert grader.tried('double', {'double': f'def double(x):\n    {start}\n    return 2*x'}, 0)[0] == RIGHT
    assert not [path for path in Path('/proc').glob('[0-9]*/cmdline') if b'98765.4' in path.read_bytes()]


@walled
def test_an_answer_knows_nothing_of_its_surroundings(grader, monkeypatch):
    tell = 'def double(x):\n    import os\n    raise ValueError(sorted(os.environ), os.listdir("/proc/self/fd"), os.getuid(), os.path.exists(%r))'
    first = grader.tried('double', {'double': tell % str(Path.home()/'.bashrc')}, 0)[3]
    names = set(re.findall(r"'([A-Z_]+)'", first))
    assert names <= {'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'MPLBACKEND', 'MUTANT', 'OMP_NUM_THREADS', 'PATH', 'PYTEST_CURRENT_TEST', 'PYTEST_DISABLE_PLUGIN_AUTOLOAD',
                     'PYTEST_VERSION', 'PYTHONDONTWRITEBYTECODE', 'TMPDIR'} and names and 'False' in first and ', 0,' not in first


@walled
def test_the_disk_in_memory_of_an_answer_has_an_end(grader):
    tell = 'def double(x):\n    import os\n    room = [os.statvfs(place) for place in (os.environ["TMPDIR"], "/dev/shm", os.getcwd())]\n    raise ValueError([s.f_blocks * s.f_frsize >> 20 for s in room])'
    assert '[256, 256, 256]' in grader.tried('double', {'double': tell}, 0)[3]


# ---- who builds walls, and where there are none

AS_USER = '''
import json, sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, sys.argv[1])
from workbook_house import House, try_walls
text, root = sys.stdin.read(), Path(sys.argv[2])
house = House(root, SimpleNamespace(name='nb_01', files=json.loads(sys.argv[3]), text=text), trust=False)
try_walls(house, root)
print(json.dumps(house.run({'exp/nb_01.py': text}, sys.argv[4:], 5, 300)['outcomes']))'''


@walled
def test_who_is_not_root_has_the_same_walls(project):
    files = {name: (project/name).read_text() for name in ('exp/__init__.py', 'tests/test_nb_01.py')}
    command = ['unshare', '-Ur', sys.executable, '-c', AS_USER, str(Path(workbook_house.__file__).parent), str(project), json.dumps(files), *IDS]
    done = subprocess.run(command, input=(project/'exp'/'nb_01.py').read_text(), capture_output=True, text=True)
    if 'unshare: ' in done.stderr: pytest.skip('this system has no namespaces for users')
    assert done.stdout and {outcome for outcome, _ in json.loads(done.stdout).values()} == {'passed'}, done.stderr

@walled
def test_a_project_inside_of_a_folder_that_is_shown_is_hidden_all_the_same_but_for_its_data(project, tmp_path_factory, monkeypatch):
    shown = tmp_path_factory.mktemp('shown')
    root = Path(shutil.copytree(project, shown/'project'))
    shown.chmod(0o755)
    plan, files = workbook_house.House.plan, {name: (project/name).read_text() for name in ('exp/__init__.py', 'tests/test_nb_01.py')}
    monkeypatch.setattr(workbook_house.House, 'plan', lambda self, *args: {**(made := plan(self, *args)), 'shown': [*made['shown'], str(shown)]})
    text = f'assert open("/project/data/numbers").read() == "1 2 3"\n{(project/"exp"/"nb_01.py").read_text()}'
    house = workbook_house.House(root, SimpleNamespace(name='nb_01', files=files, text=text), False)
    workbook_house.try_walls(house, root)
    assert {outcome for outcome, _ in house.run({'exp/nb_01.py': text}, IDS, 5, 300)['outcomes'].values()} == {'passed'}
    house.close()


ASLEEP = AS_USER.split('house = ')[0] + '''
house = House(root, SimpleNamespace(name='nb_01', files=json.loads(sys.argv[3]), text=text), trust=sys.argv[4] == 'trust')
print('on', flush=True)
house.run({'exp/nb_01.py': text}, sys.argv[5:], 100, 300)'''


def having(mark):
    "The processes with a word in their environment."
    found = []
    for path in Path('/proc').glob('[0-9]*/environ'):
        with contextlib.suppress(OSError): found += [path] * (mark in path.read_bytes())
    return found


def wait_until(true):
    until = time.monotonic() + 120
    while not true():
        assert time.monotonic() < until
        time.sleep(.05)


@walled
@pytest.mark.parametrize('trust', ['walls', 'trust'])
def test_a_grader_that_is_killed_takes_everything_with_it(project, trust):
    files, mark = {name: (project/name).read_text() for name in ('exp/__init__.py', 'tests/test_nb_01.py')}, f'C.{os.getpid()}{trust}'
    command = [sys.executable, '-c', ASLEEP, str(Path(workbook_house.__file__).parent), str(project), json.dumps(files), trust, *IDS]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, 'LANG': mark})
    process.stdin.write('import time\ntime.sleep(10**6)')
    process.stdin.close()
    assert process.stdout.readline() == 'on\n'
    wait_until(lambda: len(having(mark.encode())) >= 5)      # the script, the house, the keeper, and the guest with its first process
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(lambda: not having(mark.encode()))


@walled
def test_a_wall_with_a_hole_is_noticed_before_the_first_answer(project, folder, monkeypatch, capsys):
    place = folder({'a.ipynb': filled()})
    real = workbook_house.House.plan
    monkeypatch.setattr(workbook_house.House, 'plan', lambda self, *args: {**(plan := real(self, *args)), 'hidden': [], 'shown': [*plan['shown'], str(project)]})
    assert main(['--grade', str(place)]) == 2 and 'the project cannot be seen' in capsys.readouterr().err

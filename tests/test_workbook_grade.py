"Graded workbooks: what is right is right, what is wrong is told why, and answers that mean harm do none and gain nothing."
import argparse, csv, hashlib, json, os, re, socket, subprocess, sys, tempfile, time
from pathlib import Path
import pytest
import workbook, workbook_check, workbook_grade
from workbook_grade import EMPTY, OPEN, RIGHT, WRONG, Grader, Refused, main

linux = pytest.mark.skipif(sys.platform != 'linux', reason='walls are those of Linux')
CELLS = ['import math', '''def double(x):
    "Twice x."
    return {'twice-7351': 2}['twice-7351'] * x''', '''def area(r):
    "Of a circle."
    return math.pi * r**2''', '''class Counter:
    "Counts."
    def __init__(self, start):
        "Begins somewhere."
        self.n = start
    def up(self):
        "One more."
        self.n += 1
        return self.n''']
TESTS = '''import math, pytest
from exp.nb_01 import Counter, area, double
def test_twice_three_is_six(): assert double(3) == 6
def test_twice_nothing_is_nothing(): assert double(0) == 0
def test_a_circle_has_its_area(): assert math.isclose(area(2), 4 * math.pi)
def test_a_counter_goes_up(): assert Counter(2).up() == 3
'''
IDS = [f'tests/test_nb_01.py::{name}' for name in re.findall(r'def (\w+)', TESTS)]
TABLE = {'nb_01': {'tests': IDS, 'refused': {}, 'hash': '', 'holes': {'double': [0, 1], 'area': [2], 'Counter.__init__': [3], 'Counter.up': [3]},
                   'mutants': [['double', 'one more, for twice as much', [0, 1]], ['area', 'the circumference will do', [2]]]}}
ANSWERS = {'double': 'def double(x): return x + x', 'area': 'def area(r): return math.pi * r * r',
           'Counter.__init__': '    def __init__(self, start): self.n = start', 'Counter.up': '    def up(self):\n        self.n = self.n + 1\n        return self.n'}


def cell(source, **metadata): return {'cell_type': 'code', 'id': hashlib.md5(source.encode()).hexdigest()[:8], 'metadata': metadata, 'execution_count': None, 'outputs': [], 'source': source.splitlines(True)}


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    "A project of one small lesson, in the place of this one."
    root = tmp_path_factory.mktemp('project')
    root.chmod(0o755)                                        # or else a guest of root's could not see it without any wall
    notebook = {'cells': [cell('#export\n' + source) for source in CELLS], 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}
    files = {'exp/__init__.py': '', 'exp/nb_01.py': '\n\n'.join(CELLS) + '\n', 'tests/test_nb_01.py': TESTS, 'tests/conftest.py': '', 'README.md': 'twice-7351',
             'nbs/01_small.ipynb': json.dumps(notebook), 'tests/mutants/table.json': json.dumps(TABLE)}
    for name, text in files.items():
        (root/name).parent.mkdir(parents=True, exist_ok=True)
        (root/name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        for module in workbook, workbook_check, workbook_grade: patch.setattr(module, 'ROOT', root)
        patch.setattr(workbook_check, 'TABLE', root/'tests'/'mutants'/'table.json')
        workbook_check.tables.cache_clear()
        yield root
    workbook_check.tables.cache_clear()


def settings(**more): return argparse.Namespace(**{'trust': False, 'limit': 1, 'memory': 300, 'jobs': 2, 'again': False, **more})


@pytest.fixture(scope='module')
def grader(project, tmp_path_factory):
    with Grader('nb_01', tmp_path_factory.mktemp('kept'), settings()) as grader: yield grader


def filled(reader='', **answers):
    "The JSON of a workbook: `Counter_up` stands for `Counter.up`; what is not given stays empty."
    answers, notebook = {name.replace('Counter_', 'Counter.'): source for name, source in answers.items()}, workbook.made(workbook.lesson('01'))
    for one in notebook['cells']:
        for name in one['metadata'].get('exp', {}).get('holes', ()):
            text = ''.join(one['source'])
            if name not in answers: continue
            node, lines = dict(workbook_check.every_definition(workbook_check.parsed(text)))[name], text.split('\n')
            lines[node.lineno - 1:node.end_lineno] = answers[name].split('\n')
            one['source'] = '\n'.join(lines).splitlines(True)
    if reader: notebook['metadata']['authors'] = [{'name': reader}]
    return json.dumps(notebook)


@pytest.fixture
def folder(project, tmp_path):
    "A folder with the workbooks given as {file: JSON}."
    def folder(files):
        for name, text in files.items():
            (tmp_path/name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path/name).write_text(text)
        return tmp_path
    return folder


def rows(path):
    with open(path, newline='') as file: return list(csv.DictReader(file))


ALL = {name.replace('.', '_'): source for name, source in ANSWERS.items()}


# ---- hostile answers: run though the sieve would stop them, they gain nothing and harm nothing, and are told by their cause

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
    import os, shutil, sys
    for place in [ROOT, VICTIM, '/project', '/scratch', '/dev/shm', os.path.expanduser('~'), os.path.dirname(sys.executable), os.path.dirname(shutil.__file__) + '/json']:
        shutil.rmtree(place, ignore_errors=True)
    return x'''
REPORT = '''def double(x):
    import json, os
    for fd in range(3, 64):
        for line in (['loaded', ''], ['0' * 16, 'passed', '']):
            try: os.write(fd, json.dumps(line).encode() + b'\\n')
            except OSError: pass
    return 0'''
HOSTILE = {
    'a loop': ('def double(x):\n    while True: pass', WRONG, 'comes to no end'),
    'a loop that does not listen': ('def double(x):\n    import signal\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True: pass', WRONG, 'comes to no end'),
    'a fork bomb': ('def double(x):\n    import os\n    while True:\n        try: os.fork()\n        except OSError: pass', WRONG, 'starts processes without end'),
    'a fork bomb that gives up': ('def double(x):\n    import os, time\n    for _ in range(1000):\n        if os.fork() == 0: time.sleep(9)', WRONG, 'starts processes without end'),
    'deletes all it can see': (DELETE, WRONG, ''),
    'prints gigabytes': ('def double(x):\n    while True: print("x" * 100_000)', WRONG, 'prints more than'),
    'wants all memory': ('def double(x):\n    kept = []\n    while True: kept.append(bytearray(10**7))', WRONG, 'wants more than 300 MB'),
    'fills the disk': ('def double(x):\n    import os\n    with open(os.environ["TMPDIR"] + "/x", "wb") as f:\n        for _ in range(400): f.write(bytes(10**6))', WRONG, ''),
    'makes every report a good one': ('def double(x):\n    import _pytest.reports as r\n    r.TestReport.outcome = property(lambda self: "passed", lambda self, v: None)\n    return 0', OPEN, 'let a test pass that must fail'),
    'makes every comparison a good one': ('def double(x):\n    import math\n    math.isclose = lambda *a, **k: True\n    return 2*x', OPEN, '(let a test pass that must fail|changes math.isclose)'),
    'takes the checks off pytest': ('def double(x):\n    import _pytest.runner as r\n    r.pytest_runtest_call = r.call_and_report = lambda *a, **k: None\n    return 0', WRONG, ''),
    'leaves at once': ('def double(x):\n    import os\n    os._exit(0)', WRONG, 'ends its own process'),
    'leaves when it is loaded': ('import sys; sys.exit(0)\ndef double(x): return 0', WRONG, ''),
    'crashes': ('def double(x):\n    import ctypes\n    ctypes.string_at(0)', WRONG, 'crashes: SIGSEGV'),
    'looks for the solution': (HUNT, WRONG, ''),
    'writes its own report': (REPORT, OPEN, 'wrote a report of its own'),
    'writes without end to the one who counts': ('def double(x):\n    import os\n    while True:\n        for fd in range(3, 9):\n            try: os.write(fd, b"x" * 10**6)\n            except OSError: pass', OPEN, 'wrote'),
    'kills its parent': ('def double(x):\n    import os\n    for pid in (os.getppid(), 1, -1):\n        try: os.kill(pid, 9)\n        except OSError: pass\n    return x', WRONG, ''),
    'speaks to the network': ('def double(x):\n    import socket\n    socket.create_connection(("127.0.0.1", PORT), 1).close()\n    return 2 * x', WRONG, ''),
    'skips the tests': ('def double(x):\n    import pytest\n    pytest.skip()', WRONG, ''),
}


def seen(*places): return {str(path): path.read_bytes() for place in places for path in sorted(Path(place).rglob('*')) if path.is_file()}


@linux
@pytest.mark.parametrize('name', HOSTILE)
def test_an_answer_that_means_harm_gains_nothing_harms_nothing_and_is_told_by_its_cause(grader, project, tmp_path, name):
    source, verdict, cause = HOSTILE[name]
    (tmp_path/'victim').write_text('whole')
    with socket.create_server(('127.0.0.1', 0)) as server:
        source, before = f'ROOT, VICTIM, PORT = {str(project)!r}, {str(tmp_path)!r}, {server.getsockname()[1]}\n{source}', seen(project, tmp_path, Path(json.__file__).parent)
        got, why, _, first = grader.tried('double', {'double': source}, 1)
        server.settimeout(0)
        with pytest.raises(BlockingIOError): server.accept()
    assert got == verdict and re.match(cause, why), (got, why, first)
    assert seen(project, tmp_path, Path(json.__file__).parent) == before
    assert grader.grade('double', ANSWERS['double'])[0] == RIGHT


@linux
def test_an_answer_that_waits_for_ever_is_ended(grader):
    text = workbook.with_answers('nb_01', {'double': 'def double(x):\n    import time\n    time.sleep(10**6)'})
    said = grader.house.run({'exp/nb_01.py': text}, IDS[:2], 2, 300, patience=1)
    assert said['why'] == 'time' and workbook_grade.judge(said, IDS[:2], 2, 300)[:2] == (WRONG, 'comes to no end: over 2 seconds')


@linux
def test_what_an_answer_has_started_ends_with_it(grader):
    start = 'import subprocess\n    subprocess.Popen(["sleep", "98765.4"], start_new_session=True)'
    assert grader.tried('double', {'double': f'def double(x):\n    {start}\n    return 2*x'}, 0)[0] == RIGHT
    assert not [path for path in Path('/proc').glob('[0-9]*/cmdline') if b'98765.4' in path.read_bytes()]


@linux
def test_an_answer_knows_nothing_of_its_surroundings(grader, monkeypatch):
    tell = 'def double(x):\n    import os\n    raise ValueError(sorted(os.environ), os.listdir("/proc/self/fd"), os.getuid(), os.path.exists(%r))'
    _, _, _, first = grader.tried('double', {'double': tell % str(Path.home()/'.bashrc')}, 0)
    names = set(re.findall(r"'([A-Z_]+)'", first))
    assert names <= {'HOME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'MPLBACKEND', 'MUTANT', 'OMP_NUM_THREADS', 'PATH', 'PYTEST_CURRENT_TEST', 'PYTEST_DISABLE_PLUGIN_AUTOLOAD',
                     'PYTEST_VERSION', 'PYTHONDONTWRITEBYTECODE', 'TMPDIR'} and names and 'False' in first and ', 0,' not in first


# ---- verdicts

@linux
@pytest.mark.parametrize('name, source, verdict, why', [
    ('double', ANSWERS['double'], RIGHT, ''), ('Counter.up', ANSWERS['Counter.up'], RIGHT, ''),
    ('double', 'def double(x): return x + 1', WRONG, 'one more, for twice as much'), ('area', 'def area(r): return 0', WRONG, 'the circumference will do'),
    ('double', 'def double(x):\n    "Twice x."\n    raise NotImplementedError', EMPTY, ''), ('double', '', EMPTY, 'has been deleted'),
    ('double', 'def double(x) return', WRONG, "does not parse: expected ':'"), ('double', 'def twice(x): return 2*x', WRONG, 'is not defined here'),
    ('double', 'def double(x): return ' + '('*500 + 'x' + ')'*500, WRONG, 'does not parse'), ('double', 'def double(x): return "\ud800"', WRONG, ''),
    ('double', 'def double(x=nowhere): return 2*x', WRONG, "the module cannot be loaded with it: NameError: name 'nowhere' is not defined"),
    ('double', 'def double(x): return 2*x' + ' '*20_000, OPEN, 'has 20025 letters'), ('double', 'def double(x): return open("/etc/passwd")', OPEN, 'uses what no answer needs: open')])
def test_an_answer_is_right_wrong_and_why_empty_or_for_a_human(grader, name, source, verdict, why):
    got, said, _ = grader.grade(name, source)
    assert got == verdict and said.startswith(why), (got, said)


@linux
def test_a_wrong_answer_shows_the_line_that_failed_first(grader):
    assert grader.grade('double', 'def double(x): return x*x')[2].startswith('twice three is six: ') and 'assert double(3) == 6' in grader.grade('double', 'def double(x): return x*x')[2]


@linux
def test_methods_that_are_right_together_are_right_and_those_that_are_wrong_together_are_not(grader):
    start, up = '    def __init__(self, start): self.m = start', '    def up(self):\n        self.m += 1\n        return self.m'
    assert grader.grade('Counter.up', up)[0] == WRONG and grader.grade('Counter.up', up, {'Counter.__init__': start})[0] == RIGHT
    assert grader.grade('Counter.up', up, {'Counter.__init__': '    def __init__(self, start): self.m = 7'})[0] == WRONG


# ---- what is not run at all

@pytest.mark.parametrize('body', ['import os', 'from torch import sys', 'from exp.nb_02 import double', 'import torch._C', 'return eval("2")', 'return math.os', 'math.isclose = print',
                                  'return x.__globals__', 'return "{0.__globals__}".format(x)', 'x.__class__ = str', 'x.tolist = print', 'class Liar: pass', 'return type("L", (), {})',
                                  'return getattr(x, "y")', 'return [e for e in [eval]]', 'global double', 'math.x[0] = 1', 'del math.pi', 'return __builtins__', 'return x.gi_frame.f_back'])
def test_what_no_answer_needs_is_left_to_a_human(project, body):
    import ast
    tree = ast.parse(CELLS[0] + '\n' + CELLS[1])
    assert workbook_grade.doubts(ast.parse(f'def double(x):\n    {body}'), tree.body[1], tree)


@pytest.mark.parametrize('body', ['import math, itertools', 'from functools import reduce', 'self.n = x', 'x.grad = 1', 'x[0] = 1', 'return self.__class__(x)', 'super().__init__()',
                                  'model.eval()', 'input = x', '"__globals__ in a docstring"', 'return torch.nn.functional.relu(x)', 'def helper(y): return y'])
def test_what_answers_do_need_is_run(body):
    import ast
    tree = ast.parse('import torch\n' + CELLS[1])
    assert workbook_grade.doubts(ast.parse(f'def double(x):\n    {body}'), tree.body[1], tree) == []


def test_what_the_solution_uses_an_answer_may_use_too():
    import ast
    tree, answer = ast.parse('def f(x): return getattr(x, "y")'), ast.parse('def f(z):\n    return getattr(z, "y") or 0')
    assert workbook_grade.doubts(answer, tree.body[0], tree) == [] != workbook_grade.doubts(answer, ast.parse('def f(x): pass').body[0], tree)


# ---- a folder

@linux
def test_a_folder_becomes_two_tables_and_a_page_that_stands_alone(folder, capsys):
    place = folder({'01_small_ada.ipynb': filled(**ALL), 'bob/01_small.ipynb': filled(double='def double(x): return x + 1'), 'x.ipynb': filled('=Eve <script>', area='def area(r): return 1'),
                    'notes.ipynb': '{"cells": []}', 'torn.ipynb': '{"cells'})
    assert main(['--grade', str(place), '--limit', '2', '--jobs', '2']) == 0
    table = {row['reader']: row for row in rows(place/'grades'/'grades.csv')}
    assert {name: (row['right'], row['wrong'], row['empty']) for name, row in table.items() if not row['problem']} == {'ada': ('4', '0', '0'), 'bob': ('0', '1', '3'), "'=Eve <script>": ('0', '1', '3')}
    assert table['notes']['problem'] == 'is no workbook' and table['torn']['problem'].startswith('cannot be read')
    assert [row['why'] for row in rows(place/'grades'/'answers.csv') if row['reader'] == 'bob'][0] == 'one more, for twice as much'
    page = (place/'grades'/'grades.html').read_text()
    assert '<script>' not in page.split('<body')[1].split('<main')[1].split('</main>')[0] and '&lt;script&gt;' in page and not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert 'the circumference will do' in page and 'no filter of system calls' in page.lower() and '5 workbooks: 4 right, 2 wrong, 6 empty' in capsys.readouterr().out


@linux
def test_the_same_text_is_graded_once_and_a_grading_that_broke_off_goes_on(folder, monkeypatch):
    place, calls, real = folder({f'{name}.ipynb': filled(double=f'def double(x): return x + {1 + (name == "c")}  # {name}') for name in 'abc'}), [], workbook_grade.House.run
    def counted(house, files, tests, *rest, **more):
        if 'tests/test_walls.py' not in files: calls.append(tests)
        if len(calls) == stop: raise Refused('broken off')
        return real(house, files, tests, *rest, **more)
    monkeypatch.setattr(workbook_grade.House, 'run', counted)
    stop = 3
    assert main(['--grade', str(place), '--jobs', '1']) == 2 and not (place/'grades'/'grades.csv').exists() and len(calls) == 3
    stop = None
    assert main(['--grade', str(place), '--jobs', '1']) == 0 and len(calls) == 4 and len(rows(place/'grades'/'grades.csv')) == 3
    first = (place/'grades'/'answers.csv').read_bytes()
    assert main(['--grade', str(place)]) == 0 and len(calls) == 4 and (place/'grades'/'answers.csv').read_bytes() == first
    assert main(['--grade', str(place), '--again', '--jobs', '1']) == 0 and len(calls) == 7 and (place/'grades'/'answers.csv').read_bytes() == first


def test_readers_are_named_by_metadata_file_or_folder_and_two_of_one_name_told_apart(folder):
    place = folder({'01_small_ada.ipynb': filled(), 'bob/01_small.ipynb': filled(), 'c.ipynb': filled('Cleo'), 'd/01_small-ada.ipynb': filled(), '.ipynb_checkpoints/e.ipynb': filled()})
    (place/'link.ipynb').symlink_to(place/'c.ipynb')
    found = [workbook_grade.read(path, place) for path in workbook_grade.collect(place)]
    workbook_grade.apart(found)
    assert [one.reader for one in found] == ['ada (01_small_ada.ipynb)', 'bob', 'Cleo', 'ada (d/01_small-ada.ipynb)']


@pytest.mark.parametrize('text', ['[' * 100_000, '{"metadata": {"exp": {"workbook": "01_small", "module": "../x", "holes": []}}, "cells": []}', '\x00', '{"metadata": 7}',
                                  '{"metadata": {"exp": {"workbook": "01_small", "module": "nb_01", "holes": ["double"]}}, "cells": [{"metadata": {"exp": {"holes": 7}}, "source": 7}]}'])
def test_a_file_that_is_no_workbook_is_told_and_stops_nothing(folder, text):
    place = folder({'a.ipynb': text})
    assert workbook_grade.read(place/'a.ipynb', place).problem


def test_holes_that_the_lesson_does_not_have_are_not_graded(folder):
    place = folder({'a.ipynb': filled(**ALL).replace('"Counter.up"]', '"Counter.up", "unheard_of"]')})
    assert [*workbook_grade.read(place/'a.ipynb', place).answers] == [*ANSWERS]


# ---- where there are no walls

def test_without_walls_nothing_is_graded_unless_told_to(folder, monkeypatch, capsys):
    place = folder({'a.ipynb': filled()})
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert main(['--grade', str(place)]) == 2 and '--trust' in capsys.readouterr().err and not (place/'grades'/'grades.html').exists()


@linux
def test_a_wall_with_a_hole_is_noticed_before_the_first_answer(folder, monkeypatch, capsys):
    place = folder({'a.ipynb': filled()})
    real = workbook_grade.House.plan
    monkeypatch.setattr(workbook_grade.House, 'plan', lambda self, *args: {**(plan := real(self, *args)), 'hidden': [], 'shown': [*plan['shown'], str(workbook_grade.ROOT)]})
    assert main(['--grade', str(place)]) == 2 and 'the project cannot be seen' in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='answers are kept apart by forks')
def test_with_trust_answers_are_graded_in_processes_of_their_own_and_the_page_says_so(folder, capsys):
    loop, before = 'def double(x):\n    while True: pass', {*Path(tempfile.gettempdir()).glob('workbook-*')}
    place = folder({'a.ipynb': filled(**ALL), 'b.ipynb': filled(double=loop, area='def area(r): return 1')})
    assert main(['--grade', str(place), '--trust', '--limit', '1']) == 0
    assert [(row['right'], row['wrong']) for row in rows(place/'grades'/'grades.csv')] == [('4', '0'), ('0', '2')]
    assert 'Graded without walls' in (place/'grades'/'grades.html').read_text() and {*Path(tempfile.gettempdir()).glob('workbook-*')} <= before


def test_a_folder_without_workbooks_is_refused(tmp_path, capsys):
    assert main(['--grade', str(tmp_path)]) == main(['--grade', str(tmp_path/'gone')]) == 2
    assert 'no workbook in it' in (said := capsys.readouterr().err) and 'no such folder' in said

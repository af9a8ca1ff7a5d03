"""Grades a folder of filled workbooks: each answer in a room of its own, all of them to two tables and a page.

    python workbook.py --grade FOLDER              the workbooks in FOLDER and in the folders below it
    python workbook.py --grade FOLDER --again      from the beginning; without it what was graded before is not run again

FOLDER/grades/ then has grades.html, grades.csv (a line for each workbook) and answers.csv (a line for each definition).
A reader's name is the one in the notebook's metadata (`authors`), or else the folder's or the file's.

An answer is a program that somebody else has written. On Linux (5.14 or later) it is run by a process that sees Python's
files, read-only, the tests, and nothing else of this machine: no solution, no network, no other process. It may compute
for --limit seconds, and take --memory megabytes, 64 processes, 256 open files, 256 MB of a disk in memory. These walls are
tried before the first answer. Where they cannot be had (macOS, containers that forbid them, Ubuntu unless as root), nothing
is graded unless you say --trust: then an answer can read and change what you can, and only the limits hold that the
system has. Under Windows use WSL. No filter of system calls is set: a hole in Linux itself is a hole here.

An answer runs in the process of its tests and could try to deceive them. What no lesson needs (os, eval, open, __globals__)
is not run but marked `not graded`, for you to look at; so is an answer after which tests pass that must fail, or the
functions by which tests compare are others. What remains: an answer that recognises the tests' inputs and returns what
they expect, one that was copied, and somebody who knows Python better than these checks. Nothing of this harms more than
one mark."""
import argparse, ast, collections, csv, hashlib, io, json, os, re, socket, subprocess, sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import workbook
import workbook_sandbox

ROOT = Path(__file__).resolve().parent
LONGEST = 20_000                                             # letters of an answer
LARGEST = 20 << 20                                           # bytes of a notebook
NO_PROGRAM = SyntaxError, RecursionError, MemoryError, ValueError
RIGHT, WRONG, EMPTY, OPEN = 'right', 'wrong', 'empty', 'not graded'


class Refused(Exception):
    "Nothing was graded, and why."


@dataclass
class Submission:
    "One file: whose it is, of which lesson, and the source of each definition that was left to the reader."
    reader: str
    file: str
    lesson: str = ''
    module: str = ''
    answers: dict = field(default_factory=dict)
    problem: str = ''
    verdicts: dict = field(default_factory=dict)             # name -> (verdict, why, first failing test)


# Read: files -> answers, without running anything

def collect(folder):
    "The workbooks of a folder and those below it; what is no file of its own is left out."
    paths = sorted(path for path in Path(folder).rglob('*.ipynb') if '.ipynb_checkpoints' not in path.parts)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def read(path, folder):
    "A Submission, with a `problem` where it cannot be read."
    found = Submission('', path.relative_to(folder).as_posix())
    try:
        if path.stat().st_size > LARGEST: raise ValueError(f'has more than {LARGEST >> 20} MB')
        notebook = json.loads(path.read_text(encoding='utf-8-sig'))
        told = notebook['metadata']['exp']
        found.lesson, found.module, names = str(told['workbook']), str(told['module']), [hole.name for hole in workbook.holes(told['module'])]
        answers = workbook.answers_in(notebook)
        found.answers = {name: answers.get(name, '') for name in names if name in told['holes']}
    except KeyError: found.problem = 'is no workbook'
    except (OSError, TypeError, AttributeError, *NO_PROGRAM) as error: found.problem = f'cannot be read: {str(error)[:200]}'
    found.reader = reader(notebook if 'notebook' in locals() else None, path, folder, found.lesson)
    return found


def reader(notebook, path, folder, lesson):
    "The name of the author in the metadata, else of the file without the lesson's, else of the file's folder."
    try: name = ', '.join(str(author['name']).strip() for author in notebook['metadata']['authors'])
    except (KeyError, TypeError): name = ''
    rest = re.sub(rf'^{re.escape(lesson)}|{re.escape(lesson)}$', '', path.stem).strip(' _-.')
    return ' '.join((name or rest or (path.parent.name if path.parent != Path(folder) else path.stem))[:80].split())


def apart(submissions):
    "Gives those of one lesson that have the same name their file's, too."
    count = collections.Counter((one.reader, one.lesson) for one in submissions)
    for one in submissions:
        if count[one.reader, one.lesson] > 1: one.reader += f' ({one.file})'


# Sieve: what no answer needs

IMPORTS = set('math itertools functools collections random copy numbers typing string statistics bisect heapq dataclasses contextlib abc torch numpy'.split())
NAMES = set('__import__ eval exec compile open input breakpoint globals locals vars dir getattr setattr delattr memoryview exit quit help __builtins__ __loader__ __spec__'.split())
ATTRIBUTES = set('''os sys builtins ctypes inspect gc importlib imp subprocess pickle marshal shutil socket signal threading multiprocessing pathlib io
    tempfile linecache traceback types weakref atexit runpy pdb pytest unittest hypothesis warnings faulthandler resource platform operator
    ctypeslib hub overrides library load fromfile memmap attrgetter methodcaller f_back f_locals f_globals f_builtins f_code tb_frame tb_next gi_frame gi_code
    cr_frame ag_frame mro modules_to_load'''.split())
HARMLESS = set('''__init__ __call__ __name__ __qualname__ __doc__ __class__ __len__ __iter__ __next__ __getitem__ __setitem__ __contains__ __enter__ __exit__ __repr__ __str__
    __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __pow__ __rpow__ __matmul__ __rmatmul__ __neg__ __bool__ __post_init__'''.split())


def doubts(answer, solution, known):
    "What the answer does that no lesson needs and the solution does not do: words for it. `known`: names that the module imports."
    return sorted({*features(ast.parse(answer), known)} - {*features(solution, known)})


def features(tree, known):
    "Words for what may reach out of a definition."
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    first = next((node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))), None)
    docs = {id(node.body[0].value) for node in ast.walk(tree) if getattr(node, 'body', None) and isinstance(node.body, list) and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)): yield from imported(node, known)
        elif isinstance(node, ast.Name) and node.id in NAMES - own | {'__class__'}: yield node.id
        elif isinstance(node, ast.Attribute): yield from reached(node, known, own)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and root(node) in known - own: yield f'a change of {root(node)}'
        elif isinstance(node, ast.ClassDef) and node is not first: yield 'a class of its own'
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'type' and len(node.args) > 1: yield 'a class of its own'
        elif isinstance(node, ast.Global): yield 'global'
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield from (word for word in re.findall(r'__\w+?__', node.value) if word not in HARMLESS)


def imported(node, known):
    "What an import brings that is neither harmless nor among what the module itself imports."
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom): names = [f'{node.module or ""}.{name}' for name in names]
    for name in names:
        parts = name.split('.')
        if parts[0] not in IMPORTS and not {name, name.rpartition('.')[0]} & known or any(part in ATTRIBUTES - known or part[:1] == '_' for part in parts): yield f'import {name}'


def reached(node, known, own):
    "An attribute that leads to the inside of Python, or changes what is not the answer's."
    outside = root(node) in known - own
    if node.attr in ATTRIBUTES or node.attr[:2] == '__' and node.attr not in HARMLESS: yield node.attr
    elif outside and node.attr[0] == '_': yield f'{root(node)}.{node.attr}'
    if not isinstance(node.ctx, ast.Load) and (outside or node.attr == '__class__'): yield f'a change of {root(node)}.{node.attr}'


def root(node):
    "`torch` for `torch.nn.functional.relu` and for `torch.x[0]`; '' where it begins with no name."
    while isinstance(node, (ast.Attribute, ast.Subscript)): node = node.value
    return node.id if isinstance(node, ast.Name) else ''


def unfilled(answer):
    "Whether a definition does nothing yet: its body, after the docstring, is `...`, `pass` or raises NotImplementedError."
    try: body = ast.parse(answer).body
    except NO_PROGRAM: return False
    if not body: return True
    body = getattr(body[0], 'body', body)
    body = body[isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):]
    return all(isinstance(line, ast.Pass) or re.fullmatch(r'\.\.\.|raise NotImplementedError\b.*', ast.unparse(line), re.DOTALL) for line in body)


class Module:
    "The module of a lesson: its definitions, what it imports, and the files that its tests load."
    def __init__(self, name):
        self.name, self.path = name, ROOT/'exp'/f'{name}.py'
        self.text = self.path.read_text(encoding='utf-8')
        self.tree = ast.parse(self.text)
        self.holes = [hole.name for hole in workbook.holes(name)]
        self.tests = {hole: workbook.tests_of_hole(name, hole) for hole in self.holes}
        self.known = {alias.asname or alias.name for node in ast.walk(self.tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}
        self.known |= {*imports(self.tree)}
        self.files = self.needed()

    def definition(self, name):
        "The solution's."
        body = self.tree
        for part in name.split('.'): body = next(node for node in body.body if getattr(node, 'name', None) == part)
        return body

    def needed(self):
        "The files that the tests load, but for the module itself: {name: text}."
        tests = ROOT/'tests'
        todo = [ROOT/name for name in {test.split('::')[0] for some in self.tests.values() for test in some}]
        todo += [path for path in (tests/'conftest.py', tests/'ops'/f'{self.name}.py', ROOT/'exp'/'__init__.py', self.path) if path.exists()]
        found = {}
        while todo:
            path = todo.pop()
            name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding='utf-8')
            if name in found: continue
            found[name] = text
            places = [folder/f'{module.replace(".", "/")}.py' for module in imports(ast.parse(text)) for folder in (ROOT, tests)]
            todo += [place for place in places if place.is_file()]
        found.pop(f'exp/{self.name}.py')
        return found


def imports(tree):
    "The dotted names that are imported; those of `from a import b` may be a module `a.b` or not."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module: yield from (node.module, *(f'{node.module}.{alias.name}' for alias in node.names))


# Run: in rooms

class House:
    "The process that has the rooms for the answers to one module."
    WORDS = ('PATH', 'LANG', 'LC_ALL', 'SYSTEMROOT')

    def __init__(self, module, trust):
        if not hasattr(os, 'fork'): raise Refused('this system cannot keep answers apart: under Windows use WSL')
        if sys.platform != 'linux' and not trust: raise Refused(NO_WALLS.format(f'{sys.platform} has none'))
        self.line, theirs = socket.socketpair()
        env = {name: os.environ[name] for name in self.WORDS if name in os.environ}
        env |= {'HOME': '/tmp', 'OMP_NUM_THREADS': '1', 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1', 'PYTHONDONTWRITEBYTECODE': '1', 'MUTANT': module.name, 'MPLBACKEND': 'agg'}
        self.process = subprocess.Popen([sys.executable, '-P', workbook_sandbox.__file__], stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd='/')
        theirs.close()
        self.line.sendall(json.dumps(self.plan(module, trust)).encode() + b'\n')
        said = self.line.makefile().readline()
        if not said: raise Refused('the process with the rooms for the answers has ended')
        if 'refused' in (said := json.loads(said)): raise Refused(NO_WALLS.format(said['refused']))

    def plan(self, module, trust):
        "What there is to see: Python, its packages, the tests and the data."
        prefixes, data = {sys.prefix, sys.base_prefix}, ROOT/'data'
        path = [place for place in sys.path if os.path.isdir(place) and (not Path(place).is_relative_to(ROOT) or Path(place).is_relative_to(sys.prefix))]
        hidden = {str(ROOT), *(f'{place}/exp' for place in path if os.path.isdir(f'{place}/exp'))}
        wanted = {name.split('.')[0] for text in module.files.values() for name in imports(ast.parse(text))} - {'exp'}
        return {'walls': not trust, 'path': path, 'shown': [*workbook_sandbox.SYSTEM, *prefixes, *path, *[str(data)] * data.exists()], 'hidden': [*hidden],
                'project': '/project', 'files': module.files, 'links': {'data': str(data)} if data.exists() else {},
                'imports': sorted(wanted & ({*sys.stdlib_module_names} | {'torch', 'numpy', 'hypothesis', 'PIL', 'networkx', 'matplotlib'})),
                'warm': sys.platform != 'darwin', 'tasks': workbook_sandbox.TASKS + (tasks() if trust else 0)}

    def run(self, files, tests, seconds, memory, number=0):
        "How these tests end with these files: what the keeper has counted."
        ours, theirs = socket.socketpair()
        with ours:
            with theirs: socket.send_fds(self.line, [b'.'], [theirs.fileno()])
            job = {'files': files, 'tests': tests, 'seconds': seconds, 'memory': memory << 20, 'number': number}
            try:
                ours.sendall(json.dumps(job).encode() + b'\n')
                said = ours.makefile().readline()
            except OSError: said = ''
        if not said: raise Refused('the process with the rooms for the answers has ended; started again, the grading goes on where it was')
        if 'fault' in (said := json.loads(said)): raise Refused(said['fault'])
        return said

    def close(self):
        self.line.close()
        self.process.wait()


NO_WALLS = ('An answer cannot be kept away from this machine here: {}. Where namespaces are forbidden, root may still have them; '
            '--trust grades without walls (see --help): only for readers whom you would lend your account.')
WALLS = '''
import os, resource, socket, sys
from pathlib import Path
def test_the_project_cannot_be_seen(): assert not [name for name in ('exp', 'nbs', 'tests', '.git', 'README.md') if os.path.exists(f'{ROOT}/{name}')]
def test_nothing_outside_can_be_written():
    for place in ('/', sys.prefix, sys.base_prefix, ROOT, '/tmp', '/project'):
        try: open(f'{place}/written', 'w')
        except OSError: continue
        raise AssertionError(place)
def test_there_is_no_network(): assert [name for _, name in socket.if_nameindex()] in ([], ['lo'])
def test_there_are_no_other_processes(): assert {int(name) for name in os.listdir('/proc') if name.isdigit()} == {1, os.getpid()}
def test_there_are_no_rights(): assert 'CapEff:\\t0000000000000000\\n' in Path('/proc/self/status').read_text() and os.getuid() != 0
def test_there_are_limits(): assert all(resource.getrlimit(getattr(resource, f'RLIMIT_{name}'))[0] > 0 for name in ('CPU', 'AS', 'FSIZE', 'NPROC'))
'''


def tasks():
    "How many tasks this user has: without walls they count."
    try: return len(subprocess.run(['ps', '-U', str(os.getuid()), '-o', 'pid='], capture_output=True, text=True).stdout.split())
    except OSError: return 1000


def try_walls(house):
    "Raises Refused where the room has a hole."
    names = re.findall(r'def (\w+)', WALLS)
    said = house.run({'tests/test_walls.py': f'ROOT = {str(ROOT)!r}\n{WALLS}'}, [f'tests/test_walls.py::{name}' for name in names], 20, 1024)
    failed = [name for name in names if said['outcomes'].get(f'tests/test_walls.py::{name}', ['missing'])[0] != 'passed']
    if failed: raise Refused(NO_WALLS.format('of the walls these do not hold: ' + ', '.join(name[5:].replace('_', ' ') for name in failed)))


# Judge

def judge(said, tests, seconds, memory):
    "(verdict, why, failed tests, first failing test) from what the keeper has counted."
    why, status, outcomes = said['why'], said['status'], said['outcomes']
    failed = [test for test in tests if outcomes.get(test, ['missing'])[0] != 'passed']
    first = next((f'{sentence(test)}: {outcomes[test][1]}' for test in failed if test in outcomes), '')
    if said['forged'] or said['broken']: return OPEN, said['forged'] or f'changes {said["broken"][0]}, by which tests are judged', failed, ''
    if why == 'time' or status in (152, 137) and not why: return WRONG, f'comes to no end: over {seconds} seconds', failed, first
    if why == 'memory' or 'MemoryError' in first: return WRONG, f'wants more than {memory} MB of memory', failed, first
    if why == 'processes' or 'BlockingIOError' in first: return WRONG, 'starts processes without end', failed, first
    if why == 'output': return WRONG, f'prints more than {workbook_sandbox.SAID >> 20} MB', failed, first
    if said['loaded']: return WRONG, f'the module cannot be loaded with it: {last_line(said["loaded"])}', failed, ''
    if not said['ended']: return WRONG, f'ended its own process before the tests were through (status {status})', failed, first
    if any(outcomes.get(test, ['missing'])[0] == 'missing' for test in tests): return OPEN, 'tests were gone after it was loaded', failed, ''
    return (WRONG, '', failed, first) if failed else (RIGHT, '', [], '')


def last_line(text):
    "What an error says, of all that pytest writes around it."
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith('E ')] or text.splitlines()
    return next((line for line in reversed(lines) if line.strip()), '')[:300]


def sentence(test): return re.sub(r'^test_', '', test.split('::')[-1].split('[')[0]).replace('_', ' ')

"""A house with rooms for the answers to one module, as seen from outside: started, tried, asked; and what its counts mean."""
import ast, json, os, re, signal, socket, subprocess, sys
from pathlib import Path

from workbook_sandbox import SAID, WORDED
from workbook_sieve import imports
from workbook_walls import SYSTEM, TASKS

RIGHT, WRONG, EMPTY, OPEN = 'right', 'wrong', 'empty', 'not graded'
NO_WALLS = ('An answer cannot be kept away from this machine here: {}. Where namespaces are forbidden, root may still have them; '
            '--trust grades without walls (see --help): only for readers whom you would lend your account.')
WALLS = '''
import os, resource, socket, sys
from pathlib import Path
def test_the_project_cannot_be_seen(): assert not [name for name in ('exp', 'nbs', 'tests', '.git', 'README.md') if os.path.exists(f'{ROOT}/{name}')]
def test_nothing_outside_can_be_written():
    for place in ('/', sys.prefix, sys.base_prefix, ROOT, '/tmp', '/project', f'{ROOT}/data'):
        try: open(f'{place}/written', 'w')
        except OSError: continue
        raise AssertionError(place)
def test_nothing_of_the_system_is_left(): assert not os.listdir('/old')
def test_there_is_no_network(): assert [name for _, name in socket.if_nameindex()] in ([], ['lo'])
def test_there_are_no_other_processes(): assert {int(name) for name in os.listdir('/proc') if name.isdigit()} == {1, os.getpid()}
def test_there_are_no_rights(): assert 'CapEff:\\t0000000000000000\\n' in Path('/proc/self/status').read_text() and os.getuid() != 0
def test_there_are_limits(): assert all(resource.getrlimit(getattr(resource, f'RLIMIT_{name}'))[0] > 0 for name in ('CPU', 'AS', 'FSIZE', 'NPROC'))
'''
WARM = {'torch', 'numpy', 'hypothesis', 'PIL', 'networkx', 'matplotlib', 'fastprogress', 'pooch'}      # what may be there before any answer
CRASHES = {128 + one: one.name for one in getattr(signal, 'Signals', ())}
START = 'import sys; sys.path.insert(0, sys.argv[1]); import workbook_sandbox; workbook_sandbox.serve()'


class Refused(Exception):
    "Nothing was graded, and why."


class House:
    "The process that has the rooms for the answers to one module."
    WORDS = 'PATH', 'LANG', 'LC_ALL', 'TMPDIR'

    def __init__(self, root, module, trust):
        if not hasattr(os, 'fork'): raise Refused('this system cannot keep answers apart: under Windows use WSL')
        if sys.platform != 'linux' and not trust: raise Refused(NO_WALLS.format(f'{sys.platform} has none'))
        self.line, theirs = socket.socketpair()
        env = {name: os.environ[name] for name in self.WORDS if name in os.environ}
        env |= {'HOME': '/tmp', 'OMP_NUM_THREADS': '1', 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1', 'PYTHONDONTWRITEBYTECODE': '1', 'MUTANT': module.name, 'MPLBACKEND': 'agg'}
        self.process = subprocess.Popen([sys.executable, '-c', START, str(Path(__file__).parent)], stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd='/')
        theirs.close()
        self.line.sendall(json.dumps(self.plan(root, module, trust)).encode() + b'\n')
        said = self.line.makefile().readline()
        if not said: raise Refused('the process with the rooms for the answers has ended')
        if 'refused' in (said := json.loads(said)): raise Refused(NO_WALLS.format(said['refused']))

    def plan(self, root, module, trust):
        "What there is to see: Python, its packages, the tests and the data."
        prefixes, data = {sys.prefix, sys.base_prefix}, root/'data'
        path = [place for place in map(os.path.realpath, filter(os.path.isdir, sys.path)) if not inside(place, root) or inside(place, sys.prefix)]
        hidden = {str(root), *(f'{place}/exp' for place in path if os.path.isdir(f'{place}/exp'))}
        wanted = {name for text in (*module.files.values(), module.text) for name in imports(ast.parse(text)) if name.split('.')[0] in WARM | sys.stdlib_module_names}
        return {'walls': not trust, 'path': path, 'shown': [*SYSTEM, *prefixes, *path, *[str(data)] * data.exists()], 'hidden': [*hidden],
                'project': '/project', 'files': module.files, 'links': {'data': str(data)} if data.exists() else {},
                'imports': sorted(wanted), 'warm': sys.platform != 'darwin', 'tasks': TASKS + (tasks() if trust else 0)}

    def run(self, files, tests, seconds, memory, number=0, patience=None, answer=('', (0, 0))):
        "How these tests end with these files, of which one has an answer, (file, its lines): what the keeper has counted."
        ours, theirs = socket.socketpair()
        with ours:
            with theirs: socket.send_fds(self.line, [b'.'], [theirs.fileno()])
            job = {'files': files, 'tests': tests, 'seconds': seconds, 'memory': memory << 20, 'number': number, 'answer': answer, 'patience': patience or 6 * seconds}
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


def inside(place, folder): return Path(place).is_relative_to(os.path.realpath(folder))


def tasks():
    "How many tasks this user has: without walls they count."
    try: return len(subprocess.run(['ps', '-U', str(os.getuid()), '-o', 'pid='], capture_output=True, text=True).stdout.split())
    except OSError: return 1000


def try_walls(house, root):
    "Raises Refused where the room has a hole."
    names = re.findall(r'def (\w+)', WALLS)
    said = house.run({'tests/test_walls.py': f'ROOT = {str(root)!r}\n{WALLS}'}, [f'tests/test_walls.py::{name}' for name in names], 20, 1024)
    failed = [name for name in names if said['outcomes'].get(f'tests/test_walls.py::{name}', ['missing'])[0] != 'passed']
    if failed: raise Refused(NO_WALLS.format('of the walls these do not hold: ' + ', '.join(name[5:].replace('_', ' ') for name in failed)))


# Judge

def judge(said, tests, seconds, memory):
    "(verdict, why, failed tests, first failing test, passed tests that met an error in the answer's words) from what the keeper has counted."
    outcomes = said['outcomes']
    failed = [test for test in tests if outcomes.get(test, ['missing'])[0] != 'passed']
    worded = [test for test in tests if outcomes.get(test) == ['passed', WORDED]]
    verdict, why, first = ruled(said, tests, seconds, memory, failed)
    return verdict, WORDED if verdict == RIGHT and worded else why, failed, first, worded


def ruled(said, tests, seconds, memory, failed):
    "(verdict, why, first failing test)."
    why, status, outcomes = said['why'], said['status'], said['outcomes']
    first = next((f'{sentence(test)}: {outcomes[test][1]}' for test in failed if test in outcomes), '')
    if said['forged'] or said['broken']: return OPEN, said['forged'] or f'changes {said["broken"][0]}, by which tests are judged', ''
    if why == 'memory' or 'MemoryError' in first: return WRONG, f'wants more than {memory} MB of memory', first
    if why == 'processes' or 'BlockingIOError' in first: return WRONG, 'starts processes without end', first
    if why == 'time' or status in (152, 137) and not why: return WRONG, f'comes to no end: over {seconds} seconds', first
    if why == 'output': return WRONG, f'prints more than {SAID >> 20} MB', first
    if said['loaded']: return WRONG, f'the module cannot be loaded with it: {last_line(said["loaded"])}', ''
    if not said['ended'] and status in CRASHES: return WRONG, f'crashes: {CRASHES[status]}', first
    if not said['ended']: return WRONG, f'ends its own process before the tests are through (status {status})', first
    if any(outcomes.get(test, ['missing'])[0] == 'missing' for test in tests): return OPEN, 'tests were gone after it was loaded', ''
    return (WRONG, '', first) if failed else (RIGHT, '', '')


def last_line(text):
    "What an error says, of all that pytest writes around it."
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith('E ')] or text.splitlines()
    return next((line for line in reversed(lines) if line.strip()), '')[:300]


def sentence(test): return re.sub(r'^test_', '', test.split('::')[-1].split('[')[0]).replace('_', ' ')

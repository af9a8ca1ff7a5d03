"""One trial: tests of a module, in a process of their own, with another text in the place of the module.

    python workbook_trial.py nb_02            a server: each line on stdin is a request, each line on stdout its answer
    python workbook_trial.py nb_02 --once     one request, and no fork: where the system has none, or none that is safe

The server has imported PyTorch, pytest and all else that the tests need, but neither the module nor what stands on it. For each
request it forks: the copy puts the text in the module's place, runs the tests and tells each outcome as it comes, so that a loop, a
crash or an exit loses only what comes after it."""
import ast, contextlib, gc, importlib, importlib.util, io, json, linecache, math, os, re, select, signal, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path: sys.path.insert(0, str(ROOT))
import notebook2script as n2s
sys.path.append(str(ROOT/'tests'/'mutants'))                 # where the names of the lists are those of modules: last
from trial import FORKS, files_of, imports, tests_of, warm
from workbook_words import OwnWords

MEMORY = 3 << 30                                             # bytes that an answer may ask for
WAITS = 6                                                    # how much longer than it may compute a trial may last, on a busy machine
SHOWN = 12                                                   # numbers of a tensor
CHANGES = re.compile(r'\.(readouterr|pop|popleft|read|readline)\(|\bnext\(')      # what is asked a second time gives another answer
PLAIN = bool, int, float, str, list, tuple


# In the process of the trial

def put(name, text):
    "Makes `text` the module `exp.name` of this process, and what a traceback reads of it. Raises what running it raises."
    import exp
    path = str(ROOT/'exp'/f'{name}.py')
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location(f'exp.{name}', path))
    linecache.cache[path] = len(text), None, text.splitlines(True), path
    sys.modules[f'exp.{name}'] = module
    setattr(exp, name, module)
    exec(compile(text, path, 'exec'), vars(module))


class Watch:
    "Keeps, of what pytest collects, the `tests` asked for (None: all), and tells each outcome; of the first failure the case."
    def __init__(self, name, tests, tell, lines, words):
        self.own, self.tests, self.tell, self.lines, self.words, self.cases = re.compile(rf'\b(test_)?{name}\b'), tests, tell, lines, words, 0

    def pytest_collection_modifyitems(self, items):
        items[:] = [i for i in items if self.own.search(i.nodeid) and (self.tests is None or i.nodeid in self.tests)]

    def pytest_exception_interact(self, call, report):
        if report.when == 'collect': self.tell(broken=f'its tests do not load with it: {in_short(call.excinfo.value)}')

    def pytest_runtest_logstart(self, nodeid):
        self.words.heard = 0
        self.tell(start=nodeid)

    def pytest_runtest_makereport(self, item, call):
        if call.excinfo is None or call.excinfo.typename in ('Skipped', 'XFailed'):
            return self.tell(passed=item.nodeid, worded=self.words.heard) if call.when == 'call' else None
        self.tell(failed=item.nodeid, kind=call.excinfo.typename)
        self.cases += 1
        if self.cases > 1: return None
        try: self.tell(case=case(item.nodeid, call.excinfo.value, self.lines, getattr(item, 'callspec', None)))
        except Exception: self.tell(case={'test': sentence(item.nodeid), 'facts': []})     # a value that cannot even be shown


def attempt(name, request, tell, plugin=Watch):
    "Runs the tests that the `request` names on its text, in this process; `tell` is called with each outcome."
    import pytest
    os.chdir(ROOT)
    os.environ |= {'MUTANT': name, 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1'}
    try: put(name, request['text'])
    except BaseException as error: return tell(broken=f'the module does not load with it: {in_short(error)}')
    files = sorted({test.split('::')[0] for test in request['tests'] or ()}, key=lambda file: ('gradients' in file, file)) or [str(path.relative_to(ROOT)) for path in tests_of(name)]
    words = OwnWords(ROOT/'exp'/f'{name}.py', request['text'], request['lines'])
    words.stand_in()
    with tempfile.TemporaryDirectory(prefix='workbook-', ignore_cleanup_errors=True) as folder:
        quiet = ['-q', '--assert=plain', '-p', 'no:cacheprovider', '-W', 'ignore', '-m', 'not timing', f'--rootdir={ROOT}', f'--basetemp={folder}/t']
        tell(end=int(pytest.main([*quiet, *files], plugins=[plugin(name, request['tests'], tell, request['lines'], words)])))


# The first failing case, in shapes and numbers

def nested(x):
    "Numbers, and lists and tuples of them, with four digits."
    if isinstance(x, tuple): return f'({", ".join(map(nested, x))}{"," * (len(x) == 1)})'
    if isinstance(x, list): return f'[{", ".join(map(nested, x))}]'
    return f'{x:.4g}' if isinstance(x, float) else describe(x)


def describe(x):
    "A tensor or array as its type, shape and first numbers; anything else as Python writes it, cut off."
    if hasattr(x, 'dtype') and hasattr(x, 'tolist') and hasattr(x, 'shape'):
        first = nested(x.reshape(-1)[:SHOWN].tolist())[:-1] + ', …]'
        return f'{str(x.dtype).removeprefix("torch.")} {tuple(x.shape)} {nested(x.tolist()) if math.prod(x.shape) <= SHOWN else first}'
    text = nested(x) if isinstance(x, (float, list, tuple)) else re.sub(r' at 0x\w+', '', repr(x))
    return text if len(text) <= 200 else text[:199] + '…'


def statement(frame, line):
    "The innermost statement at a line of a frame's file, and its text; of one with a body the first line."
    text = ''.join(linecache.getlines(frame.f_code.co_filename))
    here = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno]
    node = max(here, key=lambda node: (node.lineno, node.col_offset))
    return node, ast.get_source_segment(text, node).split('\n')[:1 if hasattr(node, 'body') else 4]


def apart(a, b):
    "Where two tensors of one shape, too large to be shown, are farthest apart: a line or none."
    if not (hasattr(a, 'reshape') and hasattr(b, 'shape') and a.shape == b.shape and math.prod(a.shape) > SHOWN): return []
    a, b, size = a.reshape(-1).tolist(), b.reshape(-1).tolist(), a.shape
    place = at = max(range(len(a)), key=lambda i: abs(a[i] - b[i]) if a[i] - b[i] == a[i] - b[i] else math.inf)
    index = []
    for n in reversed(size): at, index = at // n, [at % n, *index]
    return [f'at {index} it is {nested(a[place])}, wanted {nested(b[place])}']


def facts(node, names):
    "The parts of the condition of an assert with their values, as lines: what `is` something, and what was `wanted`."
    def value(part): return eval(compile(ast.Expression(part), 'a case', 'eval'), names)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return facts(next(part for part in node.values if not value(part)), names)
    parts = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
    if len(parts) == 2 and isinstance(node.ops[0], ast.Eq):
        left, right = map(value, parts)
        return [f'{ast.unparse(parts[0])} is {describe(left)}', f'wanted {describe(right)}']
    if parts: return [f'{ast.unparse(part)} is {describe(value(part))}' for part in parts if not isinstance(part, ast.Constant)]
    used = dict.fromkeys(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
    plain = [name for name in used if isinstance(names.get(name), PLAIN) or hasattr(names.get(name), 'dtype')]
    return [f'{name} is {describe(names[name])}' for name in plain[:4]]


def frames(error):
    "Pairs (frame, line) of an exception's traceback, outermost first."
    step = error.__traceback__
    while step:
        yield step.tb_frame, step.tb_lineno
        step = step.tb_next


def given(spec):
    "The parameters of a test that its name does not show (shape1), with their values, as a line or none; functions and the like have none."
    shown = [f'{name} = {describe(value)}' for name, value in spec.params.items() if isinstance(value, PLAIN) or hasattr(value, 'tolist')] if spec else []
    hidden = [text for text in shown if text.split(' = ', 1)[1].strip("'") not in spec.id.split('-')]
    return [f'with {", ".join(hidden)}'] * bool(hidden)


def case(test, error, lines, spec=None):
    """A test that failed: its name as a sentence, its line, the parameters `given`, what the values were, and where in the answer an
    error was raised. `spec` is pytest's, of the parameters."""
    path, told = list(frames(error)), {'test': sentence(test), 'facts': []}
    own = [(frame, line) for frame, line in path if frame.f_code.co_filename.startswith(str(ROOT/'tests') + os.sep)]
    answer = [line for frame, line in path if frame.f_code.co_filename.startswith(str(ROOT/'exp')) and lines[0] <= line <= lines[1]]
    close = [frame.f_locals for frame, _ in path if frame.f_code.co_name == 'assert_close' and 'expected' in frame.f_locals]
    plain = type(error).__name__ == 'AssertionError'
    if own:
        node, told['lines'] = statement(*own[-1])
        with contextlib.suppress(Exception): told['given'] = given(spec)
        names = own[-1][0].f_globals | own[-1][0].f_locals
        with contextlib.suppress(Exception):
            if close:
                got, want = close[-1]['actual'], close[-1]['expected']
                told['facts'] = [f'it is {describe(got)}', f'wanted {describe(want)}', *apart(got, want)]
            elif plain and isinstance(node, ast.Assert) and not CHANGES.search(ast.unparse(node.test)): told['facts'] = facts(node.test, names)
    if not plain or not told['facts']: told['error'] = in_short(error)
    if answer and not plain: told['at'] = answer[-1]
    return told


def in_short(error):
    "The kind of an exception and the first lines of what it says."
    kind, lines = type(error).__name__, [line.strip() for line in str(error).strip().split('\n')]
    if kind == 'CollectError': return lines[-1].removeprefix('E').strip()
    text = ' '.join(lines[:3] if kind == 'AssertionError' else lines[:1])[:300]
    return f'{kind}: {text}' if kind != 'AssertionError' and text else text or kind


def sentence(test):
    "tests/test_nb_02.py::test_mse_by_hand[a-b] -> mse by hand (a-b)"
    name, _, case = test.split('::')[-1].partition('[')
    return name.removeprefix('test_').replace('_', ' ') + (f' ({case[:-1]})' if case else '')


# Around it

def limits(seconds):
    "In the process of a trial: a group of its own, so much memory, so many seconds of computing, no output."
    import resource
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for stream in 0, 1, 2: os.dup2(os.open(os.devnull, os.O_RDWR), stream)


def told_to(stream):
    "A function that writes what it is given as a line of JSON."
    def tell(**what): os.write(stream, (json.dumps(what) + '\n').encode())
    return tell


def heard(stream, seconds):
    "What comes through a pipe until it is closed, or for so many seconds; and whether it was closed."
    text, until = b'', time.monotonic() + seconds
    while select.select([stream], [], [], max(0, until - time.monotonic()))[0]:
        if not (some := os.read(stream, 1 << 16)): return text, True
        text += some
    return text, False


def ended(pid, patience):
    "The exit status of a child that has closed its pipe; it is killed with all that it started."
    status, until = (0, 0), time.monotonic() + patience
    while not status[0] and time.monotonic() < until:
        status = os.waitpid(pid, os.WNOHANG)
        time.sleep(.001)
    with contextlib.suppress(ProcessLookupError, PermissionError): os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode((status if status[0] else os.waitpid(pid, 0))[1])


def forked(name, request, plugin=Watch):
    "The answer to a request, from a fork of this process."
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            limits(request['seconds'])
            attempt(name, request, told_to(write), plugin)
        finally: os._exit(0)
    os.close(write)
    text, closed = heard(read, WAITS * request['seconds'])   # it computes so long at most, and may wait for others
    os.close(read)
    status = ended(pid, 1 if closed else 0)
    if not closed or status == -signal.SIGXCPU: return answer(text, 'late')
    return answer(text, f'signal {-status}' if status < 0 else 'exit')


def spawned(name, request):
    "The same from a fresh process."
    process = subprocess.Popen([sys.executable, __file__, name, '--once'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try: text, how = process.communicate((json.dumps(request) + '\n').encode(), timeout=WAITS * request['seconds'])[0], 'exit'
    except subprocess.TimeoutExpired:
        process.kill()
        text, how = process.communicate()[0], 'late'
    return answer(text, f'signal {-process.returncode}' if how == 'exit' and process.returncode < 0 else how)


def answer(text, how):
    """What a trial told: the tests that `passed`, those of them that met an error `worded` by the answer, those that `failed` and the
    kind of error, the first `case`, whatever else; `how` it ended (end, exit, late, signal 11) and `at` which test, if not at its end."""
    told, begun, found = {}, None, {'passed': [], 'worded': [], 'failed': {}, 'ran': {}}
    for line in text.decode(errors='replace').splitlines():
        try: what = json.loads(line)
        except ValueError: continue
        begun = what.get('start', begun)
        if 'passed' in what:
            found['passed'].append(what['passed'])
            if what.get('worded'): found['worded'].append(what['passed'])
        elif 'failed' in what: found['failed'][what['failed']] = what['kind']
        elif 'ran' in what: found['ran'][what['ran']] = what['names'], what['seconds']
        else: told |= what
    passed = [test for test in found['passed'] if test not in found['failed']]
    how = 'end' if 'end' in told or 'broken' in told else how
    return told | found | {'passed': passed, 'how': how, 'at': begun if how != 'end' or told.get('end') == 2 else None}


def prepare(name):
    "Imports what the tests of a module will need, but for the module and what stands on it."
    import pytest
    number = n2s.numbered(name.removeprefix('nb_'))[1]
    files = files_of(name)
    warm(files)
    earlier = {module for path in files for module in imports(path) if module.startswith('exp.nb_')}
    for module in sorted(earlier):
        found = n2s.numbered(module.split('.')[1].removeprefix('nb_'))[1]
        if found and found < number: importlib.import_module('.'.join(module.split('.')[:2]))
    with tempfile.TemporaryDirectory() as empty, contextlib.redirect_stdout(io.StringIO()):
        pytest.main(['-q', '-p', 'no:cacheprovider', f'--rootdir={empty}', empty])       # imports more when it is first used
    gc.freeze()


def main(name, once=''):
    "Answers requests until there are no more."
    out = os.dup(1)
    os.dup2(2, 1)                                            # nothing that is printed is taken for an answer
    if once: return attempt(name, json.loads(sys.stdin.readline()), told_to(out))
    os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'
    prepare(name)
    for line in sys.stdin: told_to(out)(**forked(name, json.loads(line)))


if __name__ == '__main__': main(*sys.argv[1:])

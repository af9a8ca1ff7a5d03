"""One trial: the tests of a module, in a copy of the project where the module has another text.

The copy is made of links, except for the module: whatever the tests start there, other processes too, meets the mutant.
A child that needs the library is started in the project's root or given it as PYTHONPATH: `import exp` finds the
installed project otherwise, in which nothing is changed."""
import ast, contextlib, gc, importlib, math, os, re, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORKS = hasattr(os, 'fork') and sys.platform != 'darwin'     # a fork of a program that uses macOS's libraries may crash
MEMORY = 6 << 30                                             # bytes: a mutant that fills its list for ever ends there


class Fault(Exception):
    "The list or the tests are wrong, rather than a mutant."


def module_path(name):
    "Where the module lies: exp/nb_02.py, or notebook2script.py in the root."
    return ROOT/'exp'/f'{name}.py' if name.startswith('nb_') else ROOT/f'{name}.py'


def tests_of(name):
    "The files with the tests of module `name`; test_gradients.py where it has operations."
    return [ROOT/'tests'/f'test_{name}.py', *[ROOT/'tests'/'test_gradients.py'] * (ROOT/'tests'/'ops'/f'{name}.py').exists()]


def imports(path):
    "The dotted names that a Python file imports, anywhere; those of `from a import b` may be a module `a.b` or not."
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import): yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module: yield from (node.module, *(f'{node.module}.{alias.name}' for alias in node.names))


def files_of(name):
    "What decides how a trial ends: the module, its tests, and the files of the project that these import, directly or not."
    shared = [ROOT/'tests'/'conftest.py', ROOT/'tests'/'ops'/f'{name}.py', Path(__file__)]
    found, todo = set(), [module_path(name), *tests_of(name), *(path for path in shared if path.exists())]
    while todo:
        path = todo.pop()
        found.add(path)
        places = [folder/f'{module.replace(".", "/")}.py' for module in imports(path) for folder in (ROOT, ROOT/'tests')]
        todo += [place for place in places if place.is_file() and place not in found]
    return found


def lay_out(folder, name, text):
    "The project in `folder`, with `text` for the module `name`; without files that begin with a dot."
    (folder/'exp').mkdir(parents=True)
    for path in [*ROOT.iterdir(), *(ROOT/'exp').iterdir()]:
        if path.name.startswith('.') or path.name in ('exp', '__pycache__'): continue
        if path != module_path(name): link(path, folder/path.relative_to(ROOT))
    (folder/module_path(name).relative_to(ROOT)).write_text(text, encoding='utf-8')


def link(path, there):
    "A link at `there`; a copy where Windows keeps links for administrators."
    try: there.symlink_to(path, path.is_dir())
    except OSError: (shutil.copytree if path.is_dir() else shutil.copy)(path, there)


class Own:
    "Keeps, of the tests that pytest collects, those that speak about one module."
    def __init__(self, name): self.name = re.compile(rf'\b(test_)?{name}\b')

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if self.name.search(item.nodeid)]


def run_tests(folder, name):
    "Runs the tests of `name` in this process, in the project that lies in `folder`; returns pytest's exit status."
    import pytest
    os.chdir(folder)
    os.environ |= {'MUTANT': name, 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1', 'PYTHONDONTWRITEBYTECODE': '1'}
    sys.dont_write_bytecode = True                           # the folder tests/ is the project's own
    sys.path[:] = [folder, *(path for path in sys.path if Path(path).resolve() not in (ROOT, Path(__file__).resolve().parent))]
    quiet = ['-x', '-q', '--assert=plain', '-p', 'no:cacheprovider', '-W', 'ignore', '-m', 'not timing', f'--rootdir={folder}']
    return int(pytest.main([*quiet, *(str(path.relative_to(ROOT)) for path in tests_of(name))], plugins=[Own(name)]))


class Forked:
    "A trial in a copy of this process, which has imported torch already; its output is dropped."
    def __init__(self, folder, name):
        self.pid = os.fork()
        if self.pid == 0:
            code = 3
            try:
                import resource
                os.setpgid(0, 0)
                resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
                for stream in 1, 2: os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
                code = run_tests(folder, name)
            finally: os._exit(code)

    def poll(self):
        "The exit status, or None while it runs."
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def wait(self): os.waitpid(self.pid, 0)


def spawned(folder, name):
    "The same in a fresh process."
    return subprocess.Popen([sys.executable, __file__, folder, name], start_new_session=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process, running):
    "Ends a trial that is `running`, and what it has started and left behind."
    if not hasattr(os, 'killpg'): return process.kill()
    try: os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError): pass       # nothing is left; macOS says so of what has ended
    if running: process.wait()


def outcomes(name, texts, limit):
    "Yields (number, exit status) of a trial for each text, as they end; 'hung' where it took over `limit` seconds."
    waiting, running = list(enumerate(texts))[::-1], {}
    with tempfile.TemporaryDirectory(prefix='mutants-', ignore_cleanup_errors=True) as folder:
        try:
            while waiting or running:
                while waiting and len(running) < (os.cpu_count() or 1):
                    number, text = waiting.pop()
                    project = Path(folder)/str(number)
                    lay_out(project, name, text)
                    running[number] = (Forked if FORKS else spawned)(str(project), name), time.monotonic()
                for number, (process, start) in list(running.items()):
                    status = process.poll()
                    if status is None and time.monotonic() - start > limit: status = 'hung'
                    if status is None: continue
                    del running[number]
                    end(process, status == 'hung')
                    shutil.rmtree(Path(folder)/str(number), ignore_errors=True)
                    yield number, status
                time.sleep(.01)
        finally:
            for process, _ in running.values(): end(process, True)


def statuses(name, text, mutants, limit):
    """A dict {number: exit status} for the texts `mutants`. The tests of `text`, the module as it is, are run first and
    say how long a mutant may take: `limit` seconds and five times as long. Raises Fault when they fail, or cannot run."""
    start = time.perf_counter()
    (_, status), = outcomes(name, [text], math.inf)
    if status != 0: raise Fault(f'{name}: its tests fail without any mutant (pytest {status}): make test')
    found = dict(outcomes(name, mutants, limit + 5 * (time.perf_counter() - start)))
    odd = sorted(status for status in found.values() if status != 0 and not caught(status))
    if odd: raise Fault(f'{name}: the tests could not run with a mutant (pytest {odd[0]})')
    return found


def caught(status):
    "Whether the mutant was noticed: a test failed, nothing could be imported, the process died, or came to no end."
    return status == 'hung' or status in (1, 2) or status < 0


def warm(files):
    "Imports, once and before any fork, what these files would import in each."
    for module in sorted({module for path in files for module in imports(path) if not module.startswith(('exp', 'notebook2script', 'workbook'))}):
        with contextlib.suppress(ImportError): importlib.import_module(module)
    if torch := sys.modules.get('torch'):
        torch.set_num_threads(1)
        torch.optim.SGD([torch.zeros(1)], lr=1.)             # imports more when it is first used
        torch.testing.assert_close(torch.zeros(1), torch.zeros(1))
    gc.freeze()                                              # no trial looks for garbage among all that


if __name__ == '__main__': sys.exit(run_tests(*sys.argv[1:]))

"""Puts known mistakes into the modules of exp/; the module's own tests must catch each one.

    python tests/mutants               every list in this folder
    python tests/mutants nb_02         this one

A list, nb_02.py, holds `MUTANTS = [(old, new, what went wrong in the learner's head), ...]`: each is one edit of the
text of exp/nb_02.py, where `old` occurs exactly once. A mutant is caught when a test of tests/test_nb_02.py, or one of
tests/test_gradients.py that names nb_02, fails (pytest's status 1), when the module or its tests no longer load
(status 2), or when the tests do not come to an end. Tests marked `timing` do not count: a busy machine could fail them.
Exit status: 0 all caught, 1 one survived, 2 a list or the tests themselves are at fault.
"""
import argparse, importlib.util, os, re, runpy, signal, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AT_LEAST = 10
FORKS = hasattr(os, 'fork') and sys.platform != 'darwin'     # a fork of a program that uses macOS's libraries may crash


class Fault(Exception):
    "The list or the tests are wrong, rather than a mutant."


def load(name):
    "The text of module `name`, and its list: [(mutated text, sentence), ...]. Raises Fault."
    path = ROOT/'exp'/f'{name}.py'
    text = path.read_text(encoding='utf-8')
    mutants = runpy.run_path(str(ROOT/'tests'/'mutants'/f'{name}.py'))['MUTANTS']
    if len(mutants) < AT_LEAST: raise Fault(f'{name}: {len(mutants)} mutants, fewer than {AT_LEAST}')
    return text, [(mutate(name, text, old, new), sentence) for old, new, sentence in mutants]


def mutate(name, text, old, new):
    "`text` with `old` replaced. Raises Fault unless it occurs exactly once and the result is Python."
    if text.count(old) != 1: raise Fault(f'{name}: this occurs {text.count(old)} times, not once: {old!r}')
    mutated = text.replace(old, new)
    if mutated == text: raise Fault(f'{name}: this edit changes nothing: {old!r}')
    try: compile(mutated, name, 'exec')
    except SyntaxError as error: raise Fault(f'{name}: {new!r} is not Python: {error}') from None
    return mutated


# One trial, in a process of its own

class Own:
    "Keeps, of the tests that pytest collects, those that speak about one module."
    def __init__(self, name): self.name = re.compile(rf'\b(test_)?{name}\b')

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if self.name.search(item.nodeid)]


def trial(name, text):
    "Runs the tests of module `name` with `text` in its place; returns pytest's exit status."
    import exp, pytest
    os.environ['MUTANT'] = name
    spec = importlib.util.spec_from_file_location(f'exp.{name}', ROOT/'exp'/f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[f'exp.{name}'] = module
    setattr(exp, name, module)
    try: exec(compile(text, spec.origin, 'exec'), module.__dict__)
    except Exception: return 2
    tests = [str(path) for path in (ROOT/'tests'/f'test_{name}.py', ROOT/'tests'/'test_gradients.py') if path.exists()]
    quiet = ['-x', '-q', '-p', 'no:cacheprovider', '-W', 'ignore', '-m', 'not timing', f'--rootdir={ROOT}']
    return int(pytest.main([*quiet, *tests], plugins=[Own(name)]))


class Forked:
    "A trial in a copy of this process, which has imported torch already; its output is dropped."
    def __init__(self, name, text, number):
        self.pid = os.fork()
        if self.pid == 0:
            code = 3
            try:
                for stream in 1, 2: os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
                code = trial(name, text)
            finally: os._exit(code)

    def poll(self):
        "The exit status, or None while it runs."
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def kill(self):
        "Ends the trial."
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def spawned(name, text, number):
    "The same in a fresh process, which must find the mutant by its number (-1: the module as it is)."
    command = [sys.executable, str(Path(__file__).parent), name, '--trial', str(number)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def warm():
    "Imports, once and before any fork, what the tests would import in each; some of it only when it is first used."
    import hypothesis, matplotlib.pyplot, networkx, numpy, pooch, pytest, torch, torchmetrics.classification
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1)], lr=1.)
    torch.testing.assert_close(torch.zeros(1), torch.zeros(1))


# All of them

def outcomes(name, texts, limit, first=0):
    "Runs a trial for each text, as many at once as there are cores; returns their exit statuses, 'hung' for no end."
    waiting, running, statuses = list(enumerate(texts, first))[::-1], {}, {}
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            number, text = waiting.pop()
            running[number] = (Forked if FORKS else spawned)(name, text, number), time.monotonic()
        for number, (process, start) in list(running.items()):
            status = process.poll()
            if status is None and time.monotonic() - start > limit:
                process.kill()
                status = 'hung'
            if status is not None:
                statuses[number] = status
                del running[number]
        time.sleep(.01)
    return [statuses[number] for number in sorted(statuses)]


def examine(name, text, mutants, limit):
    "Prints the module's line and each mutant that its tests let live; returns how many there were and how many lived."
    start = time.perf_counter()
    status, = outcomes(name, [text], limit, first=-1)
    if status != 0: raise Fault(f'{name}: its tests fail without any mutant (pytest {status}): make test')
    statuses = outcomes(name, [mutated for mutated, _ in mutants], limit)
    odd = [number for number, status in enumerate(statuses) if status not in (0, 1, 2, 'hung')]
    if odd: raise Fault(f'{name}: the tests could not run (pytest {statuses[odd[0]]}) with: {mutants[odd[0]][1]}')
    lived = [sentence for (_, sentence), status in zip(mutants, statuses) if status == 0]
    hung = f', {statuses.count("hung")} of them by the time limit' if 'hung' in statuses else ''
    print(f'{name}: {len(mutants) - len(lived)} of {len(mutants)} caught{hung} ({time.perf_counter() - start:.1f} s)')
    for sentence in lived: print(f'  survived: {sentence}')
    return len(mutants), len(lived)


def main(argv=None):
    "Examines each list; see the top of this file for the exit status."
    parser = argparse.ArgumentParser(prog='python tests/mutants', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='nb_02')
    parser.add_argument('--limit', type=float, default=60, metavar='S', help='seconds that one mutant may take (60)')
    parser.add_argument('--trial', type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    names = args.names or sorted(path.stem for path in (ROOT/'tests'/'mutants').glob('nb_*.py'))
    try:
        if not names: raise Fault('there are no lists of mutants')
        lists = {name: load(name) for name in names}
        warm()
        if args.trial is not None:
            (name, (text, mutants)), = lists.items()
            return trial(name, [*(mutated for mutated, _ in mutants), text][args.trial])
        counts = [examine(name, *listed, args.limit) for name, listed in lists.items()]
    except (Fault, OSError) as error: return print(f'error: {error}') or 2
    total, lived = map(sum, zip(*counts))
    print(f'{total - lived} of {total} mutants caught')
    return int(lived > 0)


if __name__ == '__main__': sys.exit(main())

"""Calm on a busy machine: all lessons, and the tests that start processes, wait or measure, beside eight processes that only count.

    python tests/busy.py                 all of it (the lessons that measure times three times over)
    python tests/busy.py --lessons       the lessons alone
    python tests/busy.py --tests         the tests alone

Exit status 0 when all pass. What was started is ended, however this ends."""
import argparse, contextlib, json, os, re, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUSY = 'import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100_000))'      # ends with its parent, at the latest
WAITS = re.compile(r'\b(subprocess|multiprocessing|threading|fork|signal)\b|time\.(sleep|perf_counter|monotonic|process_time)|mark\.timing|run_notebooks')
MEASURES = re.compile(r'perf_counter|process_time|\btimed\(|%time')


@contextlib.contextmanager
def busy(count=8):
    "Within it `count` processes keep the machine busy."
    processes = [subprocess.Popen([sys.executable, '-c', BUSY]) for _ in range(count)]
    try: yield processes
    finally:
        for process in processes: process.kill()
        for process in processes: process.wait()


def waiting_tests():
    "The test files in which something is started, waited for or measured."
    return [path for path in sorted((ROOT/'tests').glob('test_*.py')) if WAITS.search(path.read_text(encoding='utf-8'))]


def measuring_lessons():
    "The lessons in which a cell measures a time."
    def sources(path): return '\n'.join(''.join(cell['source']) for cell in json.loads(path.read_text(encoding='utf-8'))['cells'] if cell['cell_type'] == 'code')
    return [path for path in sorted((ROOT/'nbs').glob('[0-9]*.ipynb')) if MEASURES.search(sources(path))]


def commands(lessons, tests):
    "(what, the commands that are run for it, at the same time) of all that is to be run."
    def in_two_halves(paths):
        run = [sys.executable, str(ROOT/'run_notebooks.py'), '--timeout', '1200', '--book']
        return [[*run, str(ROOT/'build'/'busy'/str(half)), *map(str, paths[half::2])] for half in (0, 1)]
    pytest = [sys.executable, '-m', 'pytest', '-q']
    if lessons:
        yield 'all lessons', in_two_halves(sorted((ROOT/'nbs').glob('[0-9]*.ipynb')))
        for again in 2, 3: yield f'the lessons that measure, time {again}', in_two_halves(measuring_lessons())
    if tests:
        files = [*map(str, waiting_tests())]
        yield 'tests', [[*pytest, '-n', 'logical', '--maxprocesses', '4', '--dist', 'worksteal', '-m', 'not timing', *files]]
        yield 'timings', [[*pytest, '-m', 'timing', *files]]


def statuses(commands, **how):
    "Of all `commands`, run at the same time."
    processes = [subprocess.Popen(command, cwd=ROOT, **how) for command in commands]
    try: return [process.wait() for process in processes]
    finally:
        for process in processes: process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lessons', action='store_true')
    parser.add_argument('--tests', action='store_true')
    args = parser.parse_args()
    both, failed = args.lessons == args.tests, []
    with busy():
        for what, at_once in commands(args.lessons or both, args.tests or both):
            start = time.monotonic()
            print(f'{what} …', flush=True)
            passed = not any(statuses(at_once, env={**os.environ, 'OMP_NUM_THREADS': '1'} if what == 'tests' else None))
            print(f'{what}: {"passed" if passed else "FAILED"} in {(time.monotonic() - start) / 60:.1f} minutes', flush=True)
            if not passed: failed.append(what)
    return int(bool(failed))


if __name__ == '__main__': sys.exit(main())

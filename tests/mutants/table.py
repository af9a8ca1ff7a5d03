"""Which tests speak about each definition of a module, and which of them fail for each known mistake: table.json, for workbooks.

    python tests/mutants/table.py              every module that has a list of mistakes
    python tests/mutants/table.py nb_02        this one
    python tests/mutants/table.py --changed    those in table.json for which it is out of date

A test speaks about a definition if it runs it, by itself or through a fixture. Of those that start no process of their own, in the
module's own file, the fastest are taken, BUDGET seconds in all, and for a mistake that none of these notices the fastest that does, of
test_gradients.py too, which takes its time to load. A definition is offered as a hole
if a test fails without its body. For each module table.json keeps the tests; for each hole the numbers of its tests; why a definition
is no hole; for each mistake the definition it edits, the thought behind it, the numbers of the hole's tests that fail and the mark of the first
failing case; a hash of all
that it was found from, as in recorded.json."""
import argparse, ast, json, os, runpy, sys, threading, time
from pathlib import Path
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]
sys.path[:] = [path for path in sys.path if Path(path).resolve() != HERE]                # its lists have the names of modules
from workbook_check import TABLE, definitions, every_definition, first_line, is_hole, mark, module_text
from workbook_trial import ROOT, Watch, forked, prepare
from workbook import emptied

BUDGET, SECONDS = 1, 10
MUTANTS = runpy.run_path(str(HERE/'__main__.py'))            # fingerprint, load
STARTS = {'subprocess.Popen', 'os.fork', 'os.posix_spawn', 'os.system', 'os.forkpty'}


# Two runs of all tests: how long does each of them take, and what does it run?

class Clock(Watch):
    "Tells for each test, beside its outcome, the seconds that it computes, on a busy machine too."
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        start = time.process_time()
        try: return (yield)
        finally: self.tell(ran=item.nodeid, names=[], seconds=time.process_time() - start)


class Trace(Watch):
    "Tells for each test, beside its outcome, the definitions that it runs; none if it starts a process."
    def __init__(self, name, *more):
        super().__init__(name, *more)
        self.file, self.ran, self.starts, self.through = str(ROOT/'exp'/f'{name}.py'), set(), False, {}
        found = every_definition(ast.parse(module_text(name)))
        self.at = {line: name for name, node in found for line in range(first_line(node), node.end_lineno + 1)}
        sys.addaudithook(self.hear)

    def hear(self, event, _):
        if event in STARTS: self.starts = True

    def see(self, frame, event, _):
        if event == 'call' and frame.f_code.co_filename == self.file: self.ran.add(self.at.get(frame.f_code.co_firstlineno, ''))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef):
        before, self.ran = self.ran, set()
        try: return (yield)
        finally:
            self.through[fixturedef.argname] = self.ran
            self.ran = before | self.ran

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.ran, self.starts = set(), False
        threading.setprofile(self.see)
        sys.setprofile(self.see)
        try: return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            names = self.ran.union(*(self.through.get(name, ()) for name in item.fixturenames)) - {''}
            self.tell(ran=item.nodeid, names=[] if self.starts else sorted(names), seconds=0)


# The table of a module

def edited(text, mutated, found):
    "The name of the definition in which two texts of a module first differ, '' outside of all."
    line = next(i for i, (a, b) in enumerate(zip(text.split('\n') + [None], mutated.split('\n') + [None])) if a != b) + 1
    return next((name for name, node in found.items() if first_line(node) <= line <= node.end_lineno), '')


def failing(module, text, tests):
    "Those of the `tests` that do not pass on a text of the module, and the mark of the first."
    found = forked(module, {'text': text, 'tests': tests, 'lines': (0, 0), 'seconds': SECONDS})
    return [test for test in tests if test not in found['passed']], mark(found)


def affordable(tests, seconds):
    "The fastest of the tests of a module's own file, as many as BUDGET allows, in their order; and the others, the fastest first."
    def order(test): return 'test_gradients' in test, seconds[test], test
    taken, left, spent = set(), sorted(tests, key=order), 0
    while left and not order(left[0])[0] and spent + seconds[left[0]] <= BUDGET:
        spent += seconds[left[0]]
        taken.add(left.pop(0))
    return [test for test in tests if test in taken], left


def tested(module, text, name, mistakes, tests, seconds):
    "(tests, [(those that fail, mark) for each mistake]) of a definition: the affordable, and what else it takes to notice every mistake."
    few, others = affordable(tests, seconds)
    fails, more = [failing(module, mutated, few) for mutated in mistakes], set()
    others = [test for number, test in enumerate(others) if sum(seconds[other] for other in others[:number + 1]) < 4*BUDGET]
    for mutated, (failed, _) in zip(mistakes, fails):
        if failed or not others: continue
        slow = failing(module, mutated, others)[0]
        if slow and not more & {*slow}: more.add(min(slow, key=lambda test: seconds[test]))
    more = [test for test in tests if test in more]
    if more: fails = [(failed + (late := failing(module, mutated, more))[0], seen if failed else late[1]) for mutated, (failed, seen) in zip(mistakes, fails)]
    return [test for test in tests if test in {*few, *more}], fails


def no_hole(module, text, name, node, tests):
    "Why the definition `name` is no hole; an empty text if it is one."
    if is_hole(node): return 'there is nothing to write'
    if not tests: return 'no test runs it'
    return '' if failing(module, emptied(text, {name}), tests)[0] else 'no test fails without its body'


def tabled(module):
    "What table.json is to keep of a module."
    start, text = time.perf_counter(), module_text(module)
    mutants, found = MUTANTS['load'](module)[1], definitions(ast.parse(text))
    clock, trace = (forked(module, {'text': text, 'tests': None, 'lines': (0, 0), 'seconds': 1200}, plugin) for plugin in (Clock, Trace))
    for run in clock, trace:
        if run['how'] != 'end' or run['failed']: raise SystemExit(f'{module}: its tests do not pass: {run["how"]} {run.get("broken")} {[*run["failed"]][:3]}')
    seconds, holes, refused, mistakes = {test: clock['ran'][test][1] for test in trace['ran']}, {}, {}, []
    for name in [*found, '']:
        own = [(mutated, sentence) for mutated, sentence in mutants if edited(text, mutated, found) == name]
        few, fails = tested(module, text, name, [m for m, _ in own], [t for t, ran in trace['ran'].items() if name in ran[0]], seconds) if name else ([], [([], '')]*len(own))
        why = name and no_hole(module, text, name, found[name], few)
        if name: (refused if why else holes)[name] = why or few
        mistakes += [(name, sentence, *failed) for (_, sentence), failed in zip(own, fails)]
    for name in {name for name, _ in every_definition(ast.parse(text))} - {*found}: refused[name] = 'it is defined twice'
    print(f'{module}: {len(holes)} holes, {len(mistakes)} mistakes, {sum(bool(m[2]) for m in mistakes)} of them noticed by tests of their hole ({time.perf_counter() - start:.0f} s)', flush=True)
    return numbered(holes, refused, mistakes) | {'hash': MUTANTS['fingerprint'](module)}


def numbered(holes, refused, mistakes):
    "The same with a number for each test."
    tests = sorted(set().union(*holes.values()) if holes else ())
    number = {test: i for i, test in enumerate(tests)}
    return {'tests': tests, 'holes': {name: [number[test] for test in few] for name, few in sorted(holes.items())}, 'refused': dict(sorted(refused.items())),
            'mutants': sorted([name, sentence, [number[test] for test in failed if test in number], seen] for name, sentence, failed, seen in mistakes)}


def written(tables):
    "The table as text: one test, one hole, one mistake a line, which git merges."
    def line(value): return json.dumps(value, ensure_ascii=False)
    def block(key, value):
        rows = [f'{line(k)}: {line(v)}' for k, v in value.items()] if isinstance(value, dict) else [line(v) for v in value]
        ends = '{}' if isinstance(value, dict) else '[]'
        return f'  {line(key)}: {ends[0]}\n' + ',\n'.join(f'   {row}' for row in rows) + f'\n  {ends[1]}' if not isinstance(value, str) else f'  {line(key)}: {line(value)}'
    return '{\n' + ',\n'.join(f' {line(module)}: {{\n' + ',\n'.join(block(*pair) for pair in sorted(kept.items())) + '\n }' for module, kept in sorted(tables.items())) + '\n}\n'


def main(argv=None):
    "Exit status 0, or 1 where a module's tests do not pass."
    parser = argparse.ArgumentParser(prog='python tests/mutants/table.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='nb_02')
    parser.add_argument('--changed', action='store_true', help='of what the table holds, what has changed')
    args = parser.parse_args(argv)
    os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'
    held = json.loads(TABLE.read_text(encoding='utf-8')) if TABLE.exists() else {}
    names = args.names or sorted(held if args.changed else (path.stem for path in HERE.glob('nb_*.py')))
    for name in names:
        tables = json.loads(TABLE.read_text(encoding='utf-8')) if TABLE.exists() else {}
        if args.changed and tables.get(name, {}).get('hash') == MUTANTS['fingerprint'](name): continue
        if (pid := os.fork()) == 0:
            prepare(name)
            TABLE.write_text(written(tables | {name: tabled(name)}), encoding='utf-8')
            os._exit(0)
        if os.waitpid(pid, 0)[1]: return 1
    return 0


if __name__ == '__main__': sys.exit(main())

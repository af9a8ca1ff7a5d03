"""Puts known mistakes into the modules; a module's own tests must catch each one.

    python tests/mutants               every list in this folder
    python tests/mutants nb_02         this one
    python tests/mutants --changed     those that recorded.json does not vouch for

A list, nb_02.py, holds `MUTANTS = [(old, new, what went wrong in the learner's head), ...]`: each is one edit of the
text of exp/nb_02.py, where `old` occurs exactly once. A mutant is caught when a test of tests/test_nb_02.py, or one of
tests/test_gradients.py that names nb_02, fails (pytest's status 1), when the module or its tests no longer load
(status 2), or when the tests do not come to an end. Tests marked `timing` do not count: a busy machine could fail them.

recorded.json keeps, for each list of which all were caught, a hash of the module without the comments between its cells,
of its tests and of its list. What these import is left out, else an edit of lesson 00, on which almost all stand, would
run almost all; and so are versions of libraries. Without --changed every list is run. Commit the file with what it
vouches for.
Exit status: 0 all caught, 1 one survived, 2 a list or the tests themselves are at fault.
"""
import argparse, hashlib, json, os, re, runpy, sys, time
from trial import ROOT, Fault, files_of, module_path, statuses, tests_of, warm

HERE = ROOT/'tests'/'mutants'
AT_LEAST = 10
RECORD = HERE/'recorded.json'


def load(name):
    "The text of module `name`, and its list: [(mutated text, sentence), ...]. Raises Fault."
    text = module_path(name).read_text(encoding='utf-8')
    mutants = runpy.run_path(str(HERE/f'{name}.py'))['MUTANTS']
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


# What was caught before

def fingerprint(name):
    "A hash of the module `name`, its tests and its list; see the top of this file."
    files = [module_path(name), *tests_of(name), ROOT/'tests'/'ops'/f'{name}.py', HERE/f'{name}.py']
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding='utf-8') for path in files if path.exists()}
    texts = {place: re.sub(r'(?m)^#.*\n', '', text) if place.startswith('exp/') else text for place, text in texts.items()}
    return hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()[:16]


def recorded():
    "{name: {'caught': how many, 'hash': fingerprint}}"
    return json.loads(RECORD.read_text(encoding='utf-8')) if RECORD.exists() else {}


def record(name, count):
    "Writes that all of them were caught; on lines that two branches can change side by side, and git merges."
    lists = recorded() | {name: {'caught': count, 'hash': fingerprint(name)}}
    kept = {name: lists[name] for name in sorted(lists) if (HERE/f'{name}.py').exists()}
    RECORD.write_text(json.dumps(kept, indent=1) + '\n', encoding='utf-8')


# All of them

def examine(name, text, mutants, limit):
    "Prints the module's line and each mutant that its tests let live; returns how many there were and how many lived."
    start = time.perf_counter()
    found = statuses(name, text, [mutated for mutated, _ in mutants], limit)
    lived = [sentence for number, (_, sentence) in enumerate(mutants) if found[number] == 0]
    hung = f', {list(found.values()).count("hung")} of them by the time limit' if 'hung' in found.values() else ''
    print(f'{name}: {len(mutants) - len(lived)} of {len(mutants)} caught{hung} ({time.perf_counter() - start:.1f} s)', flush=True)
    for sentence in lived: print(f'  survived: {sentence}', flush=True)
    if not lived: record(name, len(mutants))
    return len(mutants), len(lived)


def examine_all(names, changed, limit):
    "Examines each list, or says why not; returns the counts of each. Raises Fault."
    lists, before = {name: load(name) for name in names}, recorded()
    vouched = [name for name in names if changed and before.get(name, {}).get('hash') == fingerprint(name)]
    for name in vouched: print(f'{name}: passed over, nothing has changed since {before[name]["caught"]} were caught', flush=True)
    warm(set().union(*(files_of(name) for name in names if name not in vouched)))
    return [(before[name]['caught'], 0) if name in vouched else examine(name, *lists[name], limit) for name in names]


def main(argv=None):
    "Examines each list; see the top of this file for the exit status."
    parser = argparse.ArgumentParser(prog='python tests/mutants', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='nb_02')
    parser.add_argument('--changed', action='store_true', help='pass over the lists that recorded.json vouches for')
    parser.add_argument('--limit', type=float, default=20, metavar='S', help='seconds that a mutant may take beyond '
                        'five times what the tests take without any (20)')
    args = parser.parse_args(argv)
    os.chdir(ROOT)
    lists = [path.stem for path in sorted(HERE.glob('*.py')) if module_path(path.stem).exists()]
    try:
        if not lists: raise Fault('there are no lists of mutants')
        counts = examine_all(args.names or lists, args.changed, args.limit)
    except (Fault, OSError) as error: return print(f'error: {error}') or 2
    total, lived = map(sum, zip(*counts))
    print(f'{total - lived} of {total} mutants caught')
    return int(lived > 0)


if __name__ == '__main__': sys.exit(main())

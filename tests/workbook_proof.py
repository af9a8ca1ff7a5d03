"""Does the workbook of a lesson keep its word? Every hole, every known mistake, and the notebook as it stands.

    python tests/workbook_proof.py              every module of tests/mutants/table.json
    python tests/workbook_proof.py nb_02        this one
    python tests/workbook_proof.py --changed    those that proved.json does not vouch for
    python tests/workbook_proof.py --near 60    where is "near"? 60 edits of each module that nobody chose (tests/mutants/systematic.py)

Of each hole: the solution passes its tests, and the hole itself fails one. Each mistake of tests/mutants/nb_02.py is given as a
reader's answer: is it told as itself, as one that fails the same tests, as another, or not at all? One that only words an error in
another way passes and is counted as such; one outside of all holes is counted and not tried. The workbook with all its holes empty is run in Jupyter from top to bottom. proved.json keeps what was found,
with a hash of all that it was found from; bench/bench_workbook.py makes a table of it.
Exit status: 0, or 1 where a solution fails, a hole passes or a workbook does not run."""
import argparse, ast, hashlib, json, random, statistics, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import run_notebooks, workbook
from workbook import Unfit, definitions, emptied, first_line, module_text
from workbook_check import TABLE, judged, likely_mistake, nearest, table, tables

sys.path.append(str(ROOT/'tests'/'mutants'))
import table as maker

RECORD = TABLE.with_name('proved.json')


def fingerprint(module):
    "A hash of the lesson and of what table.json keeps of it. The scripts are left out: an edit of theirs would try everything again."
    path = workbook.lesson(module.removeprefix('nb_'))
    texts = [json.dumps(table(module)), *(''.join(cell['source']) for cell in json.loads(path.read_text('utf-8'))['cells'])]
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:16]


def source(text, name):
    "The definition `name` of a module's text."
    node = definitions(ast.parse(text))[name]
    return '\n'.join(text.split('\n')[first_line(node) - 1:node.end_lineno])


def holes(module, text):
    "(problems, seconds of each check): the solution of each hole passes, the hole fails."
    problems, seconds = [], []
    judged(module, '', {}, [])                               # the first one waits for the imports
    for name in table(module)['holes']:
        start = time.perf_counter()
        result = workbook.check(module, name, source(text, name))
        seconds.append(time.perf_counter() - start)
        if not result.passed: problems.append(f'the solution of {name} fails: {result.said}')
        empty = source(emptied(text, {name}), name)
        if not judged(module, name, {name: empty}, workbook.tests_of_hole(module, name))[0]: problems.append(f'{name} passes empty')
    return problems, seconds


def mistakes(module, text):
    """How many of the known mistakes are told as themselves, as one that fails the same tests, as another, not at all; those that pass,
    since only the words of an error are others; and those outside of all holes."""
    found, counts, odd = definitions(ast.parse(text)), dict.fromkeys(['itself', 'the same tests', 'another', 'nothing', 'words', 'outside'], 0), []
    known = {(name, thought): {table(module)['tests'][i] for i in fails} for name, thought, fails, _ in table(module)['mutants']}
    for mutated, thought in maker.MUTANTS['load'](module)[1]:
        name = maker.edited(text, mutated, found)
        if name not in table(module)['holes'] or not known[name, thought]:
            counts['outside'] += 1
            continue
        try: failed, _, seen, worded = judged(module, name, {name: source(mutated, name)}, workbook.tests_of_hole(module, name))
        except KeyError: failed, seen, worded = [], '', []           # it has another name now
        told = (likely_mistake(module, name, failed, seen, worded)[1] or '').split('”, or: “')
        same = [other for (of, other), fails in known.items() if of == name and fails == known[name, thought]]
        how = 'words' if worded and not failed else 'itself' if thought in told else 'the same tests' if told[0] in same else 'another' if told[0] else 'nothing'
        counts[how] += 1
        if how in ('another', 'nothing'): odd.append(f'{name}: “{thought}” is told as {told}')
    return counts, odd


def runs(module):
    "Runs the workbook as it stands; returns the problem, or None."
    path = workbook.lesson(module.removeprefix('nb_'))
    with tempfile.TemporaryDirectory(prefix='.workbooks-', dir=ROOT) as folder:             # beside nbs/, as workbooks/ is
        there, _ = workbook.write(path, folder, False)
        try: run_notebooks.execute(there)
        except run_notebooks.LessonError as error: return f'its workbook does not run: {error}'


def prove(module, run):
    "What is to be recorded of a module, and its problems."
    start, text = time.perf_counter(), module_text(module)
    problems, seconds = holes(module, text)
    counts, odd = mistakes(module, text)
    if run and (problem := runs(module)): problems.append(problem)
    told, all_of_them = counts['itself'] + counts['the same tests'], sum(counts.values()) - counts['outside'] - counts['words']
    print(f'{module}: {len(seconds)} holes, {len(table(module)["refused"])} definitions are none; of {all_of_them} mistakes {told} are told as themselves or as one that '
          f'fails the same tests, {counts["words"]} differ in the words of an error alone; a check takes {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} ({time.perf_counter() - start:.0f} s)', flush=True)
    for line in [*problems, *odd]: print(f'  {line}', flush=True)
    return {'holes': len(seconds), 'refused': len(table(module)['refused']), **counts, 'median': round(statistics.median(seconds), 2),
            'most': round(max(seconds), 2), 'runs': bool(run), 'hash': fingerprint(module)}, problems


def near(modules, sample):
    """What the threshold NEAR in workbook_check.py was read from: edits drawn at random are given as answers, and the nearest known
    mistake is taken to be right if it changes the same line. For each threshold the share of answers that are told a mistake, and
    the share of these that are right."""
    from equivalent import EQUIVALENT
    from systematic import differences, edits
    found, same = [], {edit[:3] for edit in EQUIVALENT}
    for module in modules:
        text = module_text(module)
        plain, names = ast.unparse(ast.parse(text)), table(module)['holes']
        lines = {thought: differences(plain, ast.unparse(ast.parse(mutated)))[0] for mutated, thought in maker.MUTANTS['load'](module)[1]}
        drawn = [edit for edit in edits(text) if edit[0] in names and (module, *edit[1:3]) not in same]
        for name, old, new, mutated in random.Random(0).sample(drawn, min(sample, len(drawn))):
            failed = set(judged(module, name, {name: source(mutated, name)}, workbook.tests_of_hole(module, name))[0])
            kept = table(module)
            known = [(thought, {kept['tests'][i] for i in fails}) for of, thought, fails, _ in kept['mutants'] if of == name and fails]
            best, thoughts = nearest(known, failed)
            found.append((best, len(known), old in {lines[thought] for thought in thoughts[:2]}))
        print(f'{module}: {len(found)} edits so far', flush=True)
    print('threshold  told  of these right  (definitions with several known mistakes: told, right)')
    for threshold in range(0, 101, 10):
        told = [edit for edit in found if edit[0] >= threshold/100 and edit[0] > 0]
        several = [edit for edit in told if edit[1] > 2]
        print(f'{threshold/100:9} {len(told)/len(found):5.0%} {sum(e[2] for e in told)/max(1, len(told)):10.0%} {len(several):20} {sum(e[2] for e in several)/max(1, len(several)):.0%}')


def main(argv=None):
    "See the top of this file for the exit status."
    parser = argparse.ArgumentParser(prog='python tests/workbook_proof.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='nb_02')
    parser.add_argument('--changed', action='store_true', help='pass over what proved.json vouches for')
    parser.add_argument('--no-run', action='store_true', help='do not run the notebooks')
    parser.add_argument('--near', type=int, metavar='N', help='try thresholds on N edits of each module')
    args, bad = parser.parse_args(argv), 0
    if args.near: return near(args.names or sorted(tables()), args.near)
    for name in args.names or sorted(tables()):
        kept = json.loads(RECORD.read_text('utf-8')) if RECORD.exists() else {}
        if args.changed and kept.get(name, {}).get('hash') == fingerprint(name): continue
        found, problems = prove(name, not args.no_run)
        bad += len(problems)
        lines = {module: json.dumps(what) for module, what in sorted((kept | ({} if problems else {name: found})).items())}
        RECORD.write_text('{\n' + ',\n'.join(f' "{module}": {line}' for module, line in lines.items()) + '\n}\n', encoding='utf-8')
    return int(bad > 0)


if __name__ == '__main__': sys.exit(main())

"""How long a workbook's check takes, beside pytest in a fresh process; and how many mistakes it tells. `python bench/bench_workbook.py`

The table of known mistakes is made of tests/mutants/proved.json, which tests/workbook_proof.py writes; those of others' answers of
tests/mutants/outsiders.json: wrong answers by somebody who had seen neither tests nor lists, each with the thought behind it, which was
written before the answer was checked; the sentence that it was told; and how near this came to the thought, by a strict reader."""
import ast, json, subprocess, sys, time
from pathlib import Path
from common import in_turn, ratio_table, report, table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import workbook

HOLES = [('nb_02', 'Lin.backward'), ('nb_04', 'SGD.update'), ('nb_06', 'one_cycle')]
COLUMNS = ['itself', 'the same tests', 'another', 'nothing', 'words', 'outside']


def source(module, name):
    text = workbook.module_text(module)
    node = workbook.definitions(ast.parse(text))[name]
    return '\n'.join(text.split('\n')[workbook.first_line(node) - 1:node.end_lineno])


def check(module, name, answer): assert workbook.check(module, name, answer).passed


def fresh(module, name):
    command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *workbook.tests_of_hole(module, name)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def times(module, name):
    "What the first check of a module takes, which waits for the imports, and a table of the later ones."
    answer, start = source(module, name), time.perf_counter()
    check(module, name, answer)
    first, many = time.perf_counter() - start, len(workbook.tests_of_hole(module, name))
    shown = ratio_table(in_turn({'check': lambda: check(module, name, answer), 'pytest': lambda: fresh(module, name)}, rounds=7), 'check')
    return f'`{name}` of {module}, {many} tests; the first check took {first:.1f} s:\n\n{shown}'


def told():
    "The table of what was proved, a line for each lesson."
    kept = json.loads((ROOT/'tests'/'mutants'/'proved.json').read_text('utf-8'))
    rows = [(module, what['holes'], what['refused'], *(what[column] for column in COLUMNS)) for module, what in sorted(kept.items())]
    total = ['all', *(sum(column) for column in list(zip(*rows))[1:])]
    share = (total[3] + total[4]) / max(1, sum(total[3:7]))
    return (f'Each known mistake given as a reader\'s answer, {sum(total[3:7])} in all: **{share:.1%}** are told as themselves or as one that fails the same tests.\n\n'
            + table(['lesson', 'holes', 'no holes', *COLUMNS], [*rows, total])
            + '\n\nA definition is no hole if it is defined twice, or no test fails without its body. Words: it only says an error in another way, and passes. Outside: edits of lines that belong to no hole.')


def strangers():
    "A table of each hundred, a line for each lesson, and what becomes of them today."
    given, verdicts = json.loads((ROOT/'tests'/'mutants'/'outsiders.json').read_text('utf-8')), ['right', 'half', 'wrong', 'none', 'passed']
    def count(answers, verdict): return sum(answer['verdict'] == verdict for answer in answers)
    parts = []
    for hundred in sorted({answer['round'] for answer in given}):
        some = [answer for answer in given if answer['round'] == hundred]
        lessons = [(module, [answer for answer in some if answer['module'] == module]) for module in sorted({answer['module'] for answer in some})]
        rows = [(module, *(count(answers, verdict) for verdict in verdicts)) for module, answers in [*lessons, ('all', some)]]
        today = [workbook.check(answer['module'], answer['name'], answer['source']) for answer in some]
        same = sum(result.likely == answer['told'] and not result.passed for answer, result in zip(some, today))
        parts.append(f'{table(["lesson", *verdicts], rows)}\n\nToday {sum(result.passed for result in today)} of these {len(some)} pass, {sum(bool(result.likely) for result in today)} are told '
                     f'a mistake, and {same} are refused with what was judged, or again without a sentence.')
    return ('Wrong answers by somebody who had seen neither the known mistakes nor the tests, a hundred at a time: how many were told, when they were first given, the mistake that was made, '
            'one near it, another, or none, and how many passed. What the first hundred showed had been mended when the second was written.\n\n' + '\n\n'.join(parts))


if __name__ == '__main__': report('bench_workbook', 'Workbooks: a check, and the mistakes that it tells', '\n\n'.join([*(times(*hole) for hole in HOLES), told(), strangers()]))

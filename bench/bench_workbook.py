"""How long a workbook's check takes, beside pytest in a fresh process; and how many mistakes it tells. `python bench/bench_workbook.py`

The table of known mistakes is made of tests/mutants/proved.json, which tests/workbook_proof.py writes; that of a hundred others of
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
    "The table of the hundred, a line for each lesson, and what becomes of them today."
    given, verdicts = json.loads((ROOT/'tests'/'mutants'/'outsiders.json').read_text('utf-8')), ['right', 'half', 'wrong', 'none', 'passed']
    modules = sorted({answer['module'] for answer in given})
    rows = [(module, *(sum(a['verdict'] == verdict for a in given if a['module'] == module) for verdict in verdicts)) for module in modules]
    total = [sum(column) for column in list(zip(*rows))[1:]]
    today = [workbook.check(answer['module'], answer['name'], answer['source']) for answer in given]
    same = sum(result.likely == answer['told'] and not result.passed for answer, result in zip(given, today))
    return (f'{len(given)} wrong answers by somebody who had not seen the known mistakes: when they were first given, **{total[0]}** were told the mistake that was made, '
            f'{total[1]} one near it, {total[2]} another, {total[3]} none, and {total[4]} passed.\n\n' + table(['lesson', *verdicts], [*rows, ('all', *total)])
            + f'\n\nToday {sum(result.passed for result in today)} of them pass, and {same} are refused with the sentence that was judged, or again without one.')


if __name__ == '__main__': report('bench_workbook', 'Workbooks: a check, and the mistakes that it tells', '\n\n'.join([*(times(*hole) for hole in HOLES), told(), strangers()]))

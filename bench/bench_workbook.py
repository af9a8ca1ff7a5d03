"""How long a workbook's check takes, beside pytest in a fresh process; and how many known mistakes it tells. `python bench/bench_workbook.py`

The second table is made of tests/mutants/proved.json, which tests/workbook_proof.py writes."""
import ast, json, subprocess, sys, time
from pathlib import Path
from common import in_turn, ratio_table, report, table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import workbook

HOLES = [('nb_02', 'Lin.backward'), ('nb_03', 'gradients'), ('nb_04', 'SGD.update')]
COLUMNS = ['itself', 'the same tests', 'another', 'nothing', 'outside']


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
            + '\n\nA definition is no hole if it is defined twice, or no test fails without its body. Outside: edits of lines that belong to no hole.')


if __name__ == '__main__': report('bench_workbook', 'Workbooks: a check, and the mistakes that it tells', '\n\n'.join([*(times(*hole) for hole in HOLES), told()]))

"""A lesson as a source assignment of nbgrader: the solutions between its marks, and below each an autograded cell with points.

    python workbook.py 03 --format nbgrader --out COURSE/source      COURSE/source/03_autograd/03_autograd.ipynb

Then nbgrader's own commands in COURSE: generate_assignment, autograde, generate_feedback. Both the readers' kernels and the one that
grades need this project, installed in place (`make lab`), since the cells run its tests. nbgrader runs what readers have written with
your rights, without walls: `python workbook.py --grade` does not.

nbgrader is not among what this project installs: it brings a database and another notebook application. Tried by hand with 0.9.6, of
lesson 01: an assignment filled but for one hole gets the points of all others, one left as it was gets none; where it is installed the
project's tests ask its own checks too."""
import argparse, ast, json, sys
from pathlib import Path

import workbook

BEGIN, END = '### BEGIN SOLUTION', '### END SOLUTION'
START = '''import sys, exp; sys.path.append(exp.__path__[0] + '/..')     # the project, wherever this notebook lies
from workbook import Workbook
workbook = Workbook({arguments})'''
TEST = '''answers = workbook.answers()
result = workbook.checked({name!r}, answers) if {name!r} in answers else None
assert result and result.passed, result.said if result else 'the cell that defines {name} was not run'
print(result.said)'''


def about(name, **more):
    "nbgrader's metadata of a cell, in the third version of its schema."
    return {'nbgrader': {'schema_version': 3, 'grade_id': name, 'task': False, **more}}


def marked(text, names):
    "A cell's code in which the bodies of the definitions `names` stand between the marks that nbgrader cuts out."
    lines = text.split('\n')
    for name, node in sorted(workbook.every_definition(ast.parse(text)), key=lambda pair: -pair[1].lineno):
        if name not in names: continue
        first, last = workbook.body(node)[0], workbook.body(node)[-1]
        start = min([first.lineno, *(decorator.lineno for decorator in getattr(first, 'decorator_list', ()))])
        while lines[start - 2].lstrip().startswith('#') and start > node.lineno + 1: start -= 1               # what is said of it
        head, pad = lines[start - 1].encode()[:first.col_offset].decode(), ' ' * first.col_offset
        whole = lines[start - 1:last.end_lineno]
        if head.strip():                                     # it stands behind its `def`
            pad = ' ' * (node.col_offset + 4)
            whole = [pad + whole[0].removeprefix(head), *whole[1:]]
        lines[start - 1:last.end_lineno] = [head.rstrip()] * bool(head.strip()) + [pad + BEGIN, *whole, pad + END]
    return '\n'.join(lines)


def assignment(path, level=3, only=''):
    "The JSON of the source assignment of a lesson. Raises Unfit."
    notebook, lesson = workbook.made(path, level, only), json.loads(path.read_text(encoding='utf-8'))
    code, cells, points = {cell.get('id'): ''.join(cell['source']) for cell in lesson['cells']}, [], dict(points_of(notebook))
    arguments = ', '.join([repr(path.stem)] + [f'level={level}'] * (level != 3) + [f'only={only!r}'] * bool(only))
    for cell in notebook['cells']:
        told, text = cell['metadata'].get('exp', {}), ''.join(cell['source'])
        if 'holes' in told:
            text = marked(code[cell['id']], told['holes'])
            cell = cell | {'source': text.splitlines(True), 'metadata': cell['metadata'] | about(f'cell-{cell["id"]}', grade=False, solution=True, locked=False)}
        elif 'check' in told:
            for name in told['check']: cells.append(graded(name, points[name], path.stem))
            continue
        elif 'from workbook import Workbook' in text: cell = cell | {'source': START.format(arguments=arguments).splitlines(True)}
        cells.append(cell)
    return notebook | {'cells': cells}


def points_of(notebook):
    "(name, points) of each hole: as many as its level."
    for hole in workbook.holes(notebook['metadata']['exp']['module']): yield hole.name, hole.level


def graded(name, points, stem):
    "The autograded cell of a hole."
    cell = workbook.new_cell('code', TEST.format(name=name), stem)
    return cell | {'metadata': about('test-' + name.replace('.', '-'), grade=True, solution=False, locked=True, points=points)}


def main(argv=None):
    "Exit status 0, or 2 where there is nothing to write, or something in the way."
    parser = argparse.ArgumentParser(prog='python workbook.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('lessons', nargs='+', metavar='LESSON', help='a number, such as 03 or 05a')
    parser.add_argument('--format', choices=['nbgrader'], required=True)
    parser.add_argument('--level', type=int, choices=(1, 2, 3), default=3, help='a few holes, two thirds, or all (3)')
    parser.add_argument('--only', default='', metavar='NAMES', help='these, separated by commas: Relu,Lin.backward')
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER', help='the folder source/ of the course')
    parser.add_argument('--force', action='store_true', help='write over what is there')
    args = parser.parse_args(argv)
    try:
        for number in args.lessons:
            path = workbook.lesson(number)
            notebook, there = assignment(path, args.level, args.only), args.out/path.stem/path.name
            if there.exists() and not args.force: raise workbook.Unfit(f'{there} is there already: --force writes over it')
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
            print(there)
    except (workbook.Unfit, OSError) as error: return print(error, file=sys.stderr) or 2
    return 0

"""Writes a lesson as a workbook: the bodies of what it exports are left out, and a cell below each checks what you write there.

    python workbook.py 03                            workbooks/03_autograd.ipynb
    python workbook.py 03 --level 1                  a few holes, the easiest; 2: two thirds of them; 3: all
    python workbook.py 02 --only Relu,Lin.backward   these: functions, methods, or classes with all their methods
    python workbook.py 03 --force                    writes over the workbook that is there, with all that stands in it
    python workbook.py --grade FOLDER                marks filled workbooks: workbook_grade.py, which has a --help of its own

In the notebook a `Workbook` makes the library's version step in for each hole that is still empty, so that every cell runs; what the
reader has written is used from then on. Its checks say what fails first, in shapes and numbers, and which mistake is likely."""
import argparse, ast, copy, json, re, sys, zlib
from dataclasses import dataclass
from pathlib import Path

import notebook2script as n2s
from workbook_check import (EMPTY, ROOT, Result, Unfit, answers_in, body, check, count, definitions, diagnose, every_definition, first_line,
                            is_hole, lines_of, module_text, parsed, table, tests_of_hole, unfit, with_answers, written)

HOLE = 'raise NotImplementedError    # yours to write'
BRANCHES = ast.If, ast.For, ast.While, ast.Try, ast.With, ast.IfExp, ast.comprehension, ast.BoolOp, ast.Lambda, ast.FunctionDef


@dataclass
class Hole:
    "A definition that may be left out: the cell that holds it, its lines in the module, and from which level on it is."
    name: str
    cell: str
    first: int
    last: int
    level: int


# Which holes a lesson has

def lesson(number):
    "The path of lesson `03` or `03_autograd`. Raises Unfit."
    stem = Path(str(number)).name.removesuffix('.ipynb')
    found = [path for path in sorted((ROOT/'nbs').glob('[0-9]*.ipynb')) if stem in (path.stem, path.stem.split('_')[0])]
    if not found: raise Unfit(f'{number}: there is no such lesson in nbs/; wanted a number, such as 03 or 05a')
    return found[0]


def exported(path):
    "(module, {id of cell: its code}) of the exported cells of a lesson. Raises Unfit."
    raw = json.loads(path.read_text(encoding='utf-8'))['cells']
    cells = {raw[cell.number - 1].get('id', str(cell.number)): cell.code for cell in n2s.select(n2s.read(path, path.name), n2s.Result())}
    if not cells: raise Unfit(f'{path.stem} exports nothing: there is nothing to leave out')
    return n2s.numbered(path.stem)[0], cells


def effort(node):
    "How much there is to write: lines of the body, and twice as much for each branch."
    rest = body(node)
    lines = rest[-1].end_lineno - rest[0].lineno + 1
    return lines + 2*sum(isinstance(part, BRANCHES) for statement in rest for part in ast.walk(statement)), lines


def holes(module):
    "The holes of a module, in its order. Raises Unfit."
    _, cells = exported(lesson(module.removeprefix('nb_')))
    home = {name: id for id, code in cells.items() for name, _ in every_definition(ast.parse(code))}
    offered = {name: node for name, node in definitions(ast.parse(module_text(module))).items() if name in table(module)['holes']}
    ranked = sorted(offered, key=lambda name: (effort(offered[name]), offered[name].lineno))
    level = {name: 1 + 3*rank // len(ranked) for rank, name in enumerate(ranked)}
    return [Hole(name, home[name], first_line(node), node.end_lineno, level[name]) for name, node in offered.items()]


def chosen(module, level=3, only=''):
    "The holes of a level, or those named, separated by commas: a class stands for its methods. Raises Unfit."
    found, names = holes(module), [name.strip() for name in only.split(',') if name.strip()]
    if not names: return [hole for hole in found if hole.level <= level]
    for name in names:
        if not any(name in (hole.name, hole.name.split('.')[0]) for hole in found):
            why = table(module)['refused'].get(name) or f'there is no such name; these can be: {", ".join(hole.name for hole in found)}'
            raise Unfit(f'{name} cannot be left out: {why}')
    return [hole for hole in found if hole.name in names or hole.name.split('.')[0] in names]


# Leaving out

def emptied(text, names):
    "A text with the bodies of the definitions `names` left out; signature, decorators and docstring stay."
    lines = text.split('\n')
    for name, node in sorted(every_definition(ast.parse(text)), key=lambda pair: -pair[1].lineno):
        if name not in names: continue
        first, documented = node.body[0], ast.get_docstring(node, clean=False) is not None
        end, column = (first.end_lineno, first.end_col_offset) if documented else (first.lineno, first.col_offset)
        kept = lines[node.lineno - 1:end - 1] + [lines[end - 1].encode()[:column].decode()]
        while not kept[-1].strip() or kept[-1].lstrip().startswith('#'): kept.pop()
        pad = ' ' * (first.col_offset if first.lineno > node.lineno else node.col_offset + 4)
        lines[node.lineno - 1:node.end_lineno] = [*kept[:-1], kept[-1].rstrip(), pad + HOLE]
    return '\n'.join(lines)


def shape(node):
    "A body as a tree in which local names have numbers: the same for bodies that differ in names only."
    names = [argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)]
    statements = copy.deepcopy(body(node))
    parts = [part for statement in statements for part in ast.walk(statement)]
    names += [part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
    number = {name: str(i) for i, name in enumerate(dict.fromkeys(names))}
    for part in parts:
        for field in 'id', 'arg':
            if getattr(part, field, None) in number: setattr(part, field, number[getattr(part, field)])
    return [ast.dump(statement) for statement in statements]


def gives_away(source, shapes):
    "Whether a cell holds a body of one of the `shapes`, under whatever names."
    try: tree = parsed(source)
    except SyntaxError: return False
    return any(shape(node) in shapes for _, node in every_definition(tree) if not is_hole(node))


def shows(text, lines):
    "Whether a text, or what is saved below a cell, has one of these lines of code."
    if isinstance(text, dict): return any(shows(part, lines) for key, part in text.items() if not key.startswith('image/'))
    return any(line in (''.join(text) if isinstance(text, list) else str(text)) for line in lines)


# The notebook

ABOUT = """> **This is a workbook.** The lesson is in `nbs/{stem}.ipynb`; here the bodies of {holes} definitions are left out. Write them. As long as nothing
> stands there the library's version steps in, so every cell runs. The cell below each runs the tests that speak about what you have
> written and says what fails, with the likely mistake; they know what this lesson and those before it export, and nothing else of this
> notebook. Where a later cell would give an answer away, it is folded."""
START = """import sys; sys.path.append('..')                   # the project, seen from workbooks/
from workbook import Workbook
workbook = Workbook({arguments})"""
ANSWERS = 'The answers to the exercises stand folded at the end of the lesson, `nbs/{stem}.ipynb`.'
SHOWS = 'In the lesson a cell stands here that shows the source of {names}.'


def new_cell(kind, text, stem, **about):
    "A cell with an id that is the same at every run."
    made = {'cell_type': kind, 'id': f'{zlib.crc32(f"{stem} {text}".encode()):08x}', 'metadata': {'exp': about} if about else {}, 'source': text.splitlines(True)}
    return made | ({'execution_count': None, 'outputs': []} if kind == 'code' else {})


def prose(text, stem):
    "A cell's text without the folded answers, and with links that lead to the lessons."
    text = re.sub(r'(?s)<details>\s*<summary>Answers?</summary>.*?</details>', ANSWERS.format(stem=stem), text)
    return re.sub(r'\]\((\d+[a-z]?_\w+\.ipynb)', r'](../nbs/\1', text)


def rewritten(cell, stem, picked, shapes, lines):
    "The cells of the workbook for a cell of the lesson; `shapes` and `lines` are those of the holes' bodies."
    text = ''.join(cell['source'])
    if cell['cell_type'] != 'code': return [{**cell, 'source': prose(text, stem).splitlines(True)}]
    own, metadata = [hole.name for hole in picked if hole.cell == cell['id']], dict(cell['metadata'])
    names = {hole.name.split('.')[0] for hole in picked}
    seen = {name for name in names if re.search(rf'(getsource\(\s*|%psource\s+|\?\??){name}\b|\b{name}(\.\w+)?\?\?', text)}
    if seen: return [new_cell('markdown', SHOWS.format(names=', '.join(f'`{name}`' for name in sorted(seen))), stem)]
    if own: metadata['exp'] = {'holes': own}
    elif gives_away(text, shapes): metadata['jupyter'] = {'source_hidden': True}
    outputs = [output for output in cell['outputs'] if not shows(output.get('text', output.get('data', '')), lines)]
    cell = {**cell, 'metadata': metadata, 'outputs': outputs, 'source': (emptied(text, own) if own else text).splitlines(True)}
    return [cell, new_cell('code', f'workbook.check({", ".join(map(repr, own))})', stem, check=own)] if own else [cell]


def made(path, level=3, only=''):
    "The workbook of a lesson, as the JSON of a notebook. Raises Unfit."
    module, _ = exported(path)
    picked, text = chosen(module, level, only), module_text(module)
    found = definitions(ast.parse(text))
    nodes, lines = [found[hole.name] for hole in picked], text.split('\n')
    shapes = [shape(node) for node in nodes]
    code = {line.strip() for node in nodes for line in lines[body(node)[0].lineno - 1:node.end_lineno] if len(line.strip()) > 12}
    raw, stem = json.loads(path.read_text(encoding='utf-8')), path.stem
    first, *others = [part for cell in raw['cells'] for part in rewritten(cell, stem, picked, shapes, code)]
    arguments = ', '.join([repr(stem)] + [f'level={level}'] * (level != 3) + [f'only={only!r}'] * bool(only))
    top = [new_cell('markdown', ABOUT.format(stem=stem, holes=len(picked)), stem), new_cell('code', START.format(arguments=arguments), stem)]
    about = {'workbook': stem, 'module': module, 'level': level, 'holes': [hole.name for hole in picked]}
    return {**raw, 'cells': [first, *top, *others], 'metadata': {**raw['metadata'], 'exp': about}}


def write(path, folder, force, **which):
    "Writes the workbook of a lesson; returns where, and how many holes it has. Raises Unfit where one is there already."
    notebook, there = made(path, **which), Path(folder)/path.name
    if there.exists() and not force: raise Unfit(f'{there} is there already, with what has been written into it: move it away, or --force')
    there.parent.mkdir(parents=True, exist_ok=True)
    part = there.with_name(f'.{there.name}.part')
    part.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')
    part.replace(there)
    return there, len(notebook['metadata']['exp']['holes'])


# In the reader's kernel

class StepIn:
    "Gives each of the holes `bodies` that is still empty in a cell the library's body, before the cell is compiled."
    def __init__(self, bodies): self.bodies = bodies

    def visit(self, tree):
        for name, node in every_definition(tree):
            if name not in self.bodies or not is_hole(node): continue
            new = copy.deepcopy(self.bodies[name])
            for part in (part for statement in new for part in ast.walk(statement)): ast.copy_location(part, node)
            node.body = node.body[:ast.get_docstring(node, clean=False) is not None] + new
        return tree


class Workbook:
    "The holes of a workbook in the reader's notebook: what has been written into them so far, and how many are right."
    def __init__(self, stem, level=3, only=''):
        self.module, self.seen = exported(lesson(stem))[0], {}
        self.names = [hole.name for hole in chosen(self.module, level, only)]
        found = dict(every_definition(ast.parse(module_text(self.module))))
        self.known, self.shell, self.shown = set(found), shell(), None
        if not self.shell: return
        steps = StepIn({name: body(found[name]) for name in self.names})
        self.shell.ast_transformers[:] = [other for other in self.shell.ast_transformers if type(other).__name__ != 'StepIn'] + [steps]
        self.show()

    def answers(self):
        "{name: source} of the holes as the cells that were run last have them."
        found = {}
        for text in reversed(self.shell.user_ns['In'] if self.shell else []):
            if 'def ' not in text: continue
            try: here = written(text, self.known)
            except (SyntaxError, ValueError):
                here = {name: text for name in self.names if re.search(rf'(?m)^[ \t]*(def|class)[ \t]+{name.split(".")[0]}\b', text)}
            found = {name: source for name, source in here.items() if name in self.names} | found
        return found

    def check(self, *names):
        "Says of each hole, without names of all those begun, whether it is right, and if not, what fails first; a class stands for its methods."
        answers = self.answers()
        begun = [name for name in self.names if name in answers and unfit(name, answers[name]) != EMPTY]
        if not names and not begun: print('Nothing has been written yet, or the cells with it have not been run')
        for name in [hole for name in names for hole in self.holes_of(name)] or begun:
            if name not in self.names: print(f'{name} is no hole of this workbook')
            elif name not in answers: print(f'{name}: run the cell that defines it first')
            elif name not in begun: print(f'{name} {EMPTY}, and the library\'s version stands in')
            else:
                if not self.seen: print('The first check imports what the tests need, which takes some seconds', flush=True)
                print(self.checked(name, answers).said, flush=True)
        self.show()

    def holes_of(self, name):
        "The holes that a name stands for: itself, or the methods of a class."
        return [hole for hole in self.names if name == hole.split('.')[0]] or [name]

    def checked(self, name, answers):
        "The Result of an answer; known already if neither it nor the other methods of its class have changed."
        group = [other for other in answers if '.' in name and other.split('.')[0] == name.split('.')[0] and other != name]
        beside = {other: answers[other] for other in group if unfit(other, answers[other]) is None}
        key = answers[name], tuple(sorted(beside.items()))
        if self.seen.get(name, ('',))[0] != key:
            try: self.seen[name] = key, check(self.module, name, answers[name], beside)
            except Unfit as error: return Result(False, said=str(error))
        return self.seen[name][1]

    def progress(self):
        "How many are right, and which are not yet."
        right = [name for name in self.names if name in self.seen and self.seen[name][1].passed]
        rest = ', '.join(f'`{name}`' for name in self.names if name not in right)
        return f'**{len(right)} of {len(self.names)} right.**' + (f' Not yet: {rest}' if rest else '')

    def show(self):
        "The progress, at the top of the notebook."
        from IPython.display import Markdown, display
        if self.shown: self.shown.update(Markdown(self.progress()))
        else: self.shown = display(Markdown(self.progress()), display_id=True)


def shell():
    "IPython's, or None outside of a notebook."
    return getattr(sys.modules.get('IPython'), 'get_ipython', lambda: None)()


# Command line

def main(argv=None):
    "Exit status 0, or 2 where there is nothing to write, or something in the way."
    argv = sys.argv[1:] if argv is None else argv
    if any(arg.split('=')[0] in ('--grade', '--format') for arg in argv):
        from workbook_grade import main as grade
        return grade(argv)
    parser = argparse.ArgumentParser(prog='python workbook.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('lessons', nargs='+', metavar='LESSON', help='a number, such as 03 or 05a')
    parser.add_argument('--level', type=int, choices=(1, 2, 3), default=3, help='a few holes, two thirds, or all (3)')
    parser.add_argument('--only', default='', metavar='NAMES', help='these, separated by commas: Relu,Lin.backward')
    parser.add_argument('--out', default=ROOT/'workbooks', metavar='FOLDER', help='where the workbooks go (workbooks/)')
    parser.add_argument('--force', action='store_true', help='write over what is there')
    args = parser.parse_args(argv)
    try:
        for number in args.lessons:
            there, many = write(lesson(number), args.out, args.force, level=args.level, only=args.only)
            print(f'{there}: {many} hole{"s" * (many != 1)}')
    except (Unfit, OSError) as error: return print(error, file=sys.stderr) or 2
    return 0


if __name__ == '__main__': sys.exit(main())

"""Each right and wrong answer of tests/answers/nb_NN.py, put into the cell of its exercise: does the check tell them apart?

ANSWERS maps the number of an exercise to (right answers, [(wrong answer, words of the cause that must be told)]); an answer is
the source of what a reader puts in the place of the first cell's dots, and is run after that cell."""
import contextlib, importlib.util, io, json, linecache, re, sys
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parents[1]
LISTS = {path.stem.removeprefix('nb_'): path for path in sorted((ROOT/'tests'/'answers').glob('nb_*.py'))}
IN_KERNEL = """import sys
sys.path.insert(0, {folder!r})
from test_answers import faults
print(*faults({number!r}, globals()), 'all were tried', sep='\\n')"""


def load(path):
    "The ANSWERS of a list."
    spec = importlib.util.spec_from_file_location(f'answers_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ANSWERS


def notebook(number):
    path, = (ROOT/'nbs').glob(f'{number}_*.ipynb')
    return path


def exercises(number):
    "The sources of the code cells of each exercise of a lesson."
    found, current = {}, None
    for cell in json.loads(notebook(number).read_text(encoding='utf-8'))['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            if '## Exercises' in source: current = 0
            for at in re.findall(r'(?m)^\*\*(\d+)\.', source): current = int(at)
        elif current: found.setdefault(current, []).append(source)
    return found


def run(sources, namespace):
    "What the cells print."
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        for source in sources:
            name = f'<cell {hash(source)}>'
            linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name         # as IPython does, for inspect.getsource
            exec(compile(source, name, 'exec'), namespace)
    return out.getvalue()


def faults(number, lesson):
    "A text for each answer whose check says something else than it should, in a namespace like that of the `lesson`."
    import torch
    from matplotlib import pyplot as plt
    cells = exercises(number)
    for exercise, (right, wrong) in load(LISTS[number]).items():
        cell, *check = cells[exercise]
        for answer, cause in [('', 'not'), *((answer, None) for answer in right), *wrong]:
            torch.manual_seed(0)
            try: said = run([cell, answer, *check], dict(lesson))
            except Exception as e: said = f'a traceback, {type(e).__name__}: {e}'
            plt.close('all')
            is_right = 'right' in said.splitlines() and 'not yet' not in said and 'not answered' not in said
            told = cause is None or cause in said and not {'right', 'a traceback'} & {said.split(',')[0], *said.splitlines()}
            if is_right != (cause is None) or not told: yield f'exercise {exercise}: {answer!r}\n  wanted {cause or "right"!r}, said {said.strip()!r}'


@pytest.mark.parametrize('number', LISTS)
def test_in_a_lesson_that_was_run_right_answers_are_right_wrong_ones_are_told_why_and_an_untouched_cell_gives_nothing_away(number):
    import run_notebooks
    ran = run_notebooks.execute(notebook(number), 1200, [IN_KERNEL.format(folder=str(ROOT/'tests'), number=number)])
    said = ''.join(output.text for output in ran.cells[-1].outputs if output.get('name') == 'stdout')      # no warnings
    assert said.strip() == 'all were tried', '\n' + said


@pytest.mark.parametrize('number', LISTS)
def test_each_exercise_of_a_lesson_has_its_answers(number): assert load(LISTS[number]).keys() == exercises(number).keys()


@pytest.mark.parametrize('number', LISTS)
def test_there_are_two_right_answers_and_five_wrong_ones_to_each_exercise(number):
    answers = load(LISTS[number])
    assert len(answers) >= (3 if number == '00' else 4)
    for exercise, (right, wrong) in answers.items(): assert len({*right}) >= 2 and len({answer for answer, _ in wrong}) >= 5, exercise

"""Each right and wrong answer of tests/answers/nb_NN.py, put into the cell of its exercise: does the check tell them apart?

ANSWERS maps the number of an exercise to (right answers, [(wrong answer, words of the cause that must be told)]); an answer is
the source of what a reader puts in the place of the first cell's dots, and is run after that cell."""
import contextlib, importlib.util, io, json, linecache, os, re, sys, types
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[1]
LISTS = {path.stem.removeprefix('nb_'): path for path in sorted((ROOT/'tests'/'answers').glob('nb_*.py'))}


def load(path):
    "The ANSWERS of a list."
    spec = importlib.util.spec_from_file_location(f'answers_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ANSWERS


def parts(number):
    "(sources of the code cells above the exercises, {exercise: sources of its code cells}) of a lesson."
    path, = (ROOT/'nbs').glob(f'{number}_*.ipynb')
    cells, above, exercises, current = json.loads(path.read_text(encoding='utf-8'))['cells'], [], {}, None
    for cell in cells:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            if '## Exercises' in source: current = 0
            for found in re.findall(r'(?m)^\*\*(\d+)\.', source): current = int(found)
        elif current is None: above.append(source)
        elif current: exercises.setdefault(current, []).append(source)
    return above, exercises


def run(sources, namespace):
    "What the cells print."
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        for source in sources:
            if source.startswith(('%', '!')): continue
            name = f'<cell {hash(source)}>'
            linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name         # as IPython does, for inspect.getsource
            exec(compile(source, name, 'exec'), namespace)
    return out.getvalue()


@pytest.fixture(params=LISTS)
def lesson(request, monkeypatch):
    "(answers, exercises, a function that runs cells after those of the lesson and gives what they print)."
    import matplotlib, torch
    matplotlib.use('agg')
    from matplotlib import pyplot as plt
    monkeypatch.chdir(ROOT/'nbs')
    above, exercises = parts(request.param)
    module, threads = types.ModuleType('lesson'), torch.get_num_threads()
    monkeypatch.setitem(sys.modules, 'lesson', module)
    with plt.rc_context({'figure.max_open_warning': 0}): run(above, vars(module))
    def after(*sources):
        torch.manual_seed(0)
        try: return run(sources, dict(vars(module)))
        finally: plt.close('all')
    yield load(LISTS[request.param]), exercises, after
    torch.set_num_threads(threads)


def faults(answers, exercises, after):
    "A text for each answer whose check says something else than it should."
    for number, (right, wrong) in answers.items():
        cell, *check = exercises[number]
        for answer, cause in [('', 'not'), *((answer, None) for answer in right), *wrong]:
            try: said = after(cell, answer, *check)
            except Exception as e: said = f'a traceback, {type(e).__name__}: {e}'
            is_right = 'right' in said.splitlines() and 'not yet' not in said and 'not answered' not in said
            told = cause is None or cause in said and not {'right', 'a traceback'} & {said.split(',')[0], *said.splitlines()}
            if is_right != (cause is None) or not told: yield f'exercise {number}: {answer!r}\n  wanted {cause or "right"!r}, said {said.strip()!r}'


def test_right_answers_are_right_wrong_ones_are_told_why_and_an_untouched_cell_gives_nothing_away(lesson):
    answers, exercises, _ = lesson
    assert answers.keys() == exercises.keys()
    found = [*faults(*lesson)]
    assert not found, '\n' + '\n'.join(found)


@pytest.mark.parametrize('number', LISTS)
def test_there_are_two_right_answers_and_five_wrong_ones_to_each_exercise(number):
    answers = load(LISTS[number])
    assert len(answers) >= (3 if number == '00' else 4)
    for exercise, (right, wrong) in answers.items(): assert len({*right}) >= 2 and len({answer for answer, _ in wrong}) >= 5, exercise

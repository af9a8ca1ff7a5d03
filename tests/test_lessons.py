"Every lesson, run from top to bottom; and its saved form, which readers see first."
import dis, importlib, json, re
from pathlib import Path
import pytest
import run_notebooks
from exp.nb_04a import Callback
from test_answers import LISTS

ROOT = Path(__file__).parents[1]
LESSONS = run_notebooks.lessons(ROOT/'nbs')
MACHINE = re.compile(r'/(home|root|tmp|Users|private)/|\b[A-Z]:\\|site-packages|ipykernel_\d')
each_lesson = pytest.mark.parametrize('path', LESSONS, ids=lambda path: path.stem)


def saved(path):
    "The code cells of the notebook as it lies on disk."
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    return [cell for cell in cells if cell['cell_type'] == 'code']


def words(output):
    "The text of an output, without its pictures."
    shown = {kind: text for kind, text in output.get('data', {}).items() if not kind.startswith('image/')}
    texts = [output.get('text', ''), *shown.values()]
    return '\n'.join(''.join(text) for text in texts if isinstance(text, (str, list)))


def test_there_are_lessons():
    assert LESSONS


@pytest.mark.parametrize('path', [path for path in LESSONS if path.stem.split('_')[0] not in LISTS], ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom_in_a_fresh_kernel(path):
    "The others are run in test_answers.py, and then asked what they say to answers."
    run_notebooks.execute(path)


@each_lesson
def test_it_was_saved_after_one_run_from_top_to_bottom(path):
    counts = [cell['execution_count'] for cell in saved(path) if ''.join(cell['source']).strip()]
    assert counts == list(range(1, len(counts) + 1))


@each_lesson
def test_no_error_and_no_warning_was_saved(path):
    wrong = [output for cell in saved(path) for output in cell['outputs']
             if output['output_type'] == 'error' or output.get('name') == 'stderr']
    assert wrong == []


@each_lesson
def test_its_outputs_do_not_tell_which_machine_ran_it(path):
    told = [text for cell in saved(path) for text in map(words, cell['outputs'])
            if MACHINE.search(text) or str(ROOT) in text]
    assert told == []


@each_lesson
def test_its_file_stays_under_600_kb(path):
    assert path.stat().st_size < 600_000


@each_lesson
def test_no_cell_is_longer_than_30_lines_and_no_class_than_45(path):
    sources = [''.join(cell['source']) for cell in saved(path)]
    assert [s for s in sources if len(s.splitlines()) > (45 if s.startswith('#export\nclass ') else 30)] == []


def test_the_orders_of_callbacks_are_those_of_the_table_in_lesson_05_and_none_is_missing():
    text = (ROOT/'nbs'/'05_learner.ipynb').read_text(encoding='utf-8')
    table = {name: float(order.replace('−', '-').replace('∞', 'inf')) for order, name in re.findall(r'"\| (\S+) \| `(\w+)` \|', text)}
    modules = [importlib.import_module(f'exp.{path.stem}') for path in sorted((ROOT/'exp').glob('nb_*.py'))]
    classes = {name: cls for module in modules for name, cls in vars(module).items() if isinstance(cls, type) and issubclass(cls, Callback)}
    assert {name: classes[name].order for name in table} == table
    with_order = [cls for cls in classes.values() if cls is not Callback and 'order' in vars(cls)]
    assert [cls.__name__ for cls in with_order if not any(issubclass(classes[name], cls) for name in table)] == []


@each_lesson
def test_each_picture_has_a_text_of_its_own_and_is_sharp(path):
    drawing = [cell for cell in saved(path) if any('image/png' in output.get('data', {}) for output in cell['outputs'])]
    assert [''.join(cell['source'])[:60] for cell in drawing if not re.match(r'#\| fig-alt: .{30,}\n', ''.join(cell['source']))] == []
    assert [''.join(cell['source'])[:60] for cell in drawing for dpi in re.findall(r'dpi=(\d+)', ''.join(cell['source'])) if int(dpi) < 110] == []


def bound(source):
    "The names that a cell binds at its top level."
    code = compile(re.sub(r'(?m)^[%!].*', '', source), 'cell', 'exec')
    return {step.argval for step in dis.get_instructions(code) if step.opname == 'STORE_NAME'}


def asked(code):
    "The names that a cell, or a function in it, asks its notebook for."
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ('LOAD_NAME', 'LOAD_GLOBAL')}
    return names.union(*(asked(inner) for inner in code.co_consts if hasattr(inner, 'co_code')))


def exercises(path):
    "{number: code cells of an exercise}, the reader's first; and before them all, under 'lesson', the cells of the lesson."
    current, found = 'lesson', {}
    for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
        text = ''.join(cell['source'])
        numbers = re.findall(r'(?m)^\*\*(\d+)\.', text) if cell['cell_type'] == 'markdown' else []
        if '## Exercises' in text or current != 'lesson' and numbers: current = numbers[-1] if numbers else 'before the first'
        elif cell['cell_type'] == 'code': found.setdefault(current, []).append(cell)
    return found


@each_lesson
def test_no_exercise_needs_what_only_another_one_defines(path):
    texts = {number: re.sub(r'(?m)^[%!].*', '', '\n'.join(''.join(cell['source']) for cell in cells)) for number, cells in exercises(path).items()}
    common = set().union(*(bound(text) for number, text in texts.items() if not number.isdigit()))
    alone = {number: bound(text) - common for number, text in texts.items() if number.isdigit()}
    for number in alone:
        elsewhere = set().union(*(names for other, names in alone.items() if other != number)) - alone[number]
        assert asked(compile(texts[number], 'exercise', 'exec')) & elsewhere == set(), number


@each_lesson
def test_of_an_exercise_one_sees_the_cell_to_be_filled_and_the_check_is_folded_away(path):
    folded = {number: [cell['metadata'].get('jupyter', {}).get('source_hidden', False) for cell in cells] for number, cells in exercises(path).items()}
    del folded['lesson']
    assert folded and [number for number, (first, *checks) in folded.items() if first or not all(checks)] == []


@each_lesson
def test_a_check_changes_no_name_of_the_lesson(path):
    def names(cells): return set().union(*(bound(''.join(cell['source'])) for cell in cells))
    lesson, *rest = exercises(path).values()
    assert [names(checks) & names(lesson) for _, *checks in rest if names(checks) & names(lesson)] == []

"Lessons are run, named when they fail, saved only when asked, and their pages stand alone."
import base64, io, json, os, re, sys
import pytest
from bs4 import BeautifulSoup
from PIL import Image
import run_notebooks
from pages import lesson as pages

FORMULAS = r'''# 02 · Formulas
See [the lesson before](01_good.ipynb), where $y_i=\sum_t a_{it}$.

$$\begin{aligned} a &= b \\ &= \begin{bmatrix} 1 & 2 \end{bmatrix} \end{aligned}$$'''


@pytest.fixture
def lesson(tmp_path):
    "Writes a notebook from (kind, source) pairs, as old editors do: format 4.4, without ids, never run."
    (tmp_path/'nbs').mkdir()
    def write(name, *cells):
        made = {'markdown': {}, 'code': {'execution_count': None, 'outputs': []}}
        cells = [{'cell_type': kind, 'metadata': {}, 'source': text.splitlines(True), **made[kind]}
                 for kind, text in cells]
        path = tmp_path/'nbs'/f'{name}.ipynb'
        path.write_text(json.dumps({'cells': cells, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 4}))
        return path
    return write


@pytest.fixture
def run(tmp_path):
    "Runs notebooks through the command line, with the pages in a folder of the test's own."
    return lambda *arguments: run_notebooks.main([*map(str, arguments), '--book', str(tmp_path/'book')])


def code_cells(path):
    "As they lie on disk."
    return [cell for cell in json.loads(path.read_text(encoding='utf-8'))['cells'] if cell['cell_type'] == 'code']


def test_a_failing_cell_is_named_and_the_other_lessons_still_run(lesson, run, capsys, tmp_path):
    bad = lesson('01_bad', ('markdown', '# One'), ('code', 'x = 1'), ('code', 'x/0'))
    good = lesson('02_good', ('markdown', '# Two'), ('code', 'assert True'))
    assert run(bad, good) == 1
    said = capsys.readouterr().out
    assert 'FAILED 01_bad.ipynb: cell 3: ZeroDivisionError: division by zero' in said and '1 of 2 lessons ran' in said
    assert (tmp_path/'book'/'02_good.html').exists()


def test_a_lesson_that_fails_has_a_page_with_the_error_in_its_place_and_the_index_says_so(lesson, run, tmp_path):
    bad = lesson('01_bad', ('markdown', '# One'), ('code', '"as far as this"'), ('code', 'x = 1/0'), ('code', '"never"'))
    saved = json.loads(bad.read_text())
    saved['cells'][3]['outputs'] = [{'output_type': 'stream', 'name': 'stdout', 'text': 'of another day'}]
    bad.write_text(json.dumps(saved))
    assert run(bad, lesson('02_good', ('markdown', '# Two'))) == 1
    page, index = ((tmp_path/'book'/f'{name}.html').read_text(encoding='utf-8') for name in ('01_bad', 'index'))
    text, listed = (BeautifulSoup(html, 'html.parser') for html in (page, index))
    said = 'This lesson did not run to its end: cell 3: ZeroDivisionError: division by zero'
    assert text.find('p', class_='failed').text == said and [p.text for p in listed('p', class_='failed')] == [said]
    assert text.text.index('as far as this') < text.text.index('ZeroDivisionError', 200) < text.text.index('never') and 'of another day' not in page
    bad.write_text(bad.read_text().replace('1/0', '1'))
    assert run(bad) == 0 and 'did not run' not in (tmp_path/'book'/'index.html').read_text(encoding='utf-8')


def test_pictures_are_kept_in_few_colours_and_look_the_same(lesson, run):
    source = 'import matplotlib.pyplot as plt\nfig = plt.figure(figsize=(4, 3), dpi=110)\nplt.plot([1, 3, 2])\nplt.show()'
    path = lesson('01_plot', ('code', '%matplotlib inline'), ('code', source))
    assert run(path, '--save') == 0
    png = json.loads(path.read_text())['cells'][1]['outputs'][0]['data']['image/png']
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    assert picture.mode == 'P' and picture.width > 300 and picture.convert('RGB').getpixel((0, 0)) == (255, 255, 255)
    assert run_notebooks.few_colours(png) == png and run_notebooks.few_colours('iVBORw0KGgo=') == 'iVBORw0KGgo='


def test_a_rare_colour_among_many_stays_what_it_is():
    picture, file = Image.effect_noise((300, 200), 90).convert('RGB'), io.BytesIO()
    picture.paste(Image.merge('RGB', [Image.linear_gradient('L').resize((300, 90)).rotate(turn) for turn in (0, 180, 90)]), (0, 110))
    picture.paste((42, 138, 74), (10, 10, 16, 16))
    picture.save(file, 'png')
    small = run_notebooks.few_colours(base64.b64encode(file.getvalue()).decode())
    green = Image.open(io.BytesIO(base64.b64decode(small))).convert('RGB').getpixel((12, 12))
    assert max(abs(a - b) for a, b in zip(green, (42, 138, 74))) <= 12 and len(small) < len(file.getvalue())


def test_a_picture_has_the_text_that_its_cell_gives_it(lesson, run, tmp_path):
    assert run(lesson('01_picture', ('code', '#| fig-alt: A "curve" that falls\n' + PICTURE), ('markdown', 'Something else.'))) == 0
    html = (tmp_path/'book'/'01_picture.html').read_text(encoding='utf-8')
    assert [image['alt'] for image in BeautifulSoup(html, 'html.parser')('img')] == ['A "curve" that falls'] and 'fig-alt' not in html


def test_a_lesson_has_one_line_with_seconds_cells_and_checks(lesson, run, capsys):
    path = lesson('01_good', ('markdown', '# One'), ('code', 'def test_eq(a, b): assert a == b'),
                  ('code', 'test_eq(1, 1)'), ('code', 'contest = print\ncontest(1)'), ('code', 'x = 1\nassert x'))
    assert run(path) == 0
    assert re.search(r'^01_good +\d+\.\d s +5 cells +2 checks$', capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize('source, seconds, message', [('import time; time.sleep(600)', 2, 'no answer after 2 seconds'),
                                                      ('import os; os._exit(1)', 120, 'the kernel died')])
def test_a_lesson_that_does_not_end_well_is_named(lesson, source, seconds, message):
    with pytest.raises(run_notebooks.LessonError, match=f'cell 1: {message}'):
        run_notebooks.execute(lesson('01_bad', ('code', source)), timeout=seconds)


def test_the_kernel_is_this_interpreter_in_the_folder_of_the_lesson(lesson, tmp_path, monkeypatch):
    other = tmp_path/'kernels'/'python3'/'kernel.json'
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({'argv': ['no-such-python'], 'display_name': 'another', 'language': 'python'}))
    monkeypatch.setenv('JUPYTER_PATH', str(tmp_path))
    path = lesson('01_where', ('code', 'import os, sys\n(os.path.basename(os.getcwd()), sys.prefix)'))
    cell, = run_notebooks.execute(path).cells
    assert cell.outputs[0].data['text/plain'] == repr(('nbs', sys.prefix))


def test_without_save_the_lessons_stay_as_they_are(lesson, run):
    path = lesson('01_good', ('code', '1 + 1'))
    before = path.read_bytes()
    assert run(path) == 0
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_a_second_saved_run_changes_nothing(lesson, run):
    path = lesson('01_good', ('markdown', '# One'), ('code', 'print(1); print(2)'), ('code', 'import os; os.getcwd()'))
    assert run(path, '--save') == 0
    before = path.read_bytes()
    assert run(path, '--save') == 0 and path.read_bytes() == before
    first, second = code_cells(path)
    assert (first['execution_count'], second['execution_count'], first['metadata']) == (1, 2, {})
    assert second['outputs'][0]['data']['text/plain'] == ["'../nbs'"] and os.listdir(path.parent) == [path.name]


def test_a_saved_lesson_keeps_its_seconds_until_they_are_quite_other_ones(lesson, run):
    path = lesson('01_good', ('code', 'import time\ntime.sleep(1)'))
    kept = lambda: json.loads(path.read_text())['metadata'].get('exp')
    assert run(path) == 0 and kept() is None and run(path, '--save') == 0
    seconds, notebook = kept()['seconds'], run_notebooks.read(path)
    for took, want in (seconds + 3, seconds), (100, 100), (140, 100), (60, 100), (151, 151):
        run_notebooks.save(notebook, path, took)
        assert kept() == {'seconds': want}


def test_pages_are_written_from_what_was_saved_without_running(lesson, run, capsys, tmp_path):
    path = lesson('01_good', ('markdown', '# One'), ('code', '#export\none = print("it ran")'))
    saved = json.loads(path.read_text())
    saved['cells'][1]['outputs'] = [{'output_type': 'stream', 'name': 'stdout', 'text': 'of another day'}]
    path.write_text(json.dumps(saved))
    assert run(path, '--pages') == 0 and '1 of 1 lessons have a page' in capsys.readouterr().out
    page = (tmp_path/'book'/'01_good.html').read_text(encoding='utf-8')
    assert 'of another day' in page and 'that nbs/01_good.ipynb has saved' in page and 'Run from the top' not in page
    assert {p.name for p in (tmp_path/'book').iterdir()} == {'01_good.html', *(f'{name}.html' for name in ('index', 'reference', 'glossary', 'search'))}
    assert run(path) == 0
    page, index = ((tmp_path/'book'/f'{name}.html').read_text(encoding='utf-8') for name in ('01_good', 'index'))
    assert 'of another day' not in page and 'it ran' in page and 'Run from the top in' in page and 'Runs in' in index


def test_a_lesson_that_fails_is_not_saved(lesson, run):
    path = lesson('01_bad', ('code', '1'), ('code', '1/0'))
    before = path.read_bytes()
    assert run(path, '--save') == 1 and path.read_bytes() == before


def test_a_page_needs_no_network_and_leads_to_its_neighbours(lesson, run, tmp_path):
    lesson('01_good', ('markdown', '# The *first*'))
    assert run(lesson('02_formulas', ('markdown', FORMULAS), ('code', '#export\nx = 1'))) == 0
    page = (tmp_path/'book'/'02_formulas.html').read_text(encoding='utf-8')
    assert set(re.findall(r'https?://[\w./]+', page)) == {'http://www.w3.org/1998/Math/MathML'}
    assert 'src=' not in page and '<link' not in page
    assert page.count('<math') == 2 and '<munder' not in page.split('display="block"')[0] and '$' not in page.split('<script>')[0]
    assert page.count('href="01_good.html"') == 2 and 'celltag_export' in page


PICTURE = "import base64\nfrom IPython.display import Image\nImage(base64.b64decode('iVBORw0KGgo='))"


def test_a_picture_is_described_by_the_sentence_after_it_or_not_at_all(lesson, run, tmp_path):
    assert run(lesson('01_picture', ('markdown', 'Before.'), ('code', PICTURE), ('code', 'x = 1'), ('markdown', 'It is "so". It stays.'),
                      ('code', PICTURE), ('markdown', '## Next'), ('code', PICTURE))) == 0
    page = BeautifulSoup((tmp_path/'book'/'01_picture.html').read_text(encoding='utf-8'), 'html.parser')
    assert [image['alt'] for image in page('img')] == ['It is "so".', '', '']


@pytest.mark.parametrize('source, sentence', [
    ('The *loss* falls, see [one](01.ipynb), by `2` or $x^2$. It\nstays.', 'The loss falls, see one, by 2 or x^2.'),
    ('It costs 0.5 s,\nsays `_f`!', 'It costs 0.5 s, says _f!'), ('No mark at the end\n\nMore.', 'No mark at the end'), ('', ''),
    ('Left: 0.5 of it. Right.', 'Left: 0.5 of it.'), ('## Next', ''), ('| a | b |\n|---|---|', ''), ('$$x$$\n\nIs so.', ''), ('```\nx\n```', ''), ('1. One.', ''), ('> One.', '')])
def test_the_first_sentence_is_that_of_a_paragraph_without_marks(source, sentence):
    assert pages.first_sentence(source) == sentence


def test_the_index_holds_title_and_first_paragraph_of_each_page(lesson, run, tmp_path):
    lesson('03_not_run', ('markdown', '# Three'))
    assert run(lesson('01_good', ('markdown', '# One & two\n\nWhat *this* is.\n\nMore.'))) == 0
    index = (tmp_path/'book'/'index.html').read_text(encoding='utf-8')
    assert '<a href="01_good.html">One &amp; two</a>' in index and '<p>What <em>this</em> is.</p>' in index
    assert 'Three' not in index and 'More.' not in index


def test_a_formula_that_cannot_be_drawn_is_named(lesson, run, capsys):
    assert run(lesson('01_bad', ('markdown', r'$\unknown{x}$'))) == 1
    assert r'FAILED 01_bad.ipynb: this formula cannot be drawn: \unknown{x}' in capsys.readouterr().out


def test_lessons_come_in_reading_order(lesson):
    for name in '03_c', '02a_b', '02_a', 'notes': path = lesson(name)
    assert [p.stem for p in run_notebooks.lessons(path.parent)] == ['02_a', '02a_b', '03_c']

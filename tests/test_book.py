"The book: every link lives, every word and name is found, and in a browser it can be read on a phone, in the dark, and by ear."
import ast, hashlib, json, os, re, shutil, subprocess, tarfile
from pathlib import Path
from types import SimpleNamespace as Cell
import pytest
from bs4 import BeautifulSoup
import run_notebooks
from pages import book as making, lesson, names
from test_jupyter import CHROMIUM

ROOT = Path(__file__).parents[1]
LESSONS = run_notebooks.lessons(ROOT/'nbs')
AXE = '4.14.1', '29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c'


@pytest.fixture(scope='module')
def book(tmp_path_factory):
    "All pages, of what the notebooks have saved."
    folder = tmp_path_factory.mktemp('book')
    assert run_notebooks.main(['--pages', '--book', str(folder)]) == 0
    return folder


@pytest.fixture(scope='module')
def pages(book):
    "Name of the file -> the page, without its colours."
    return {path.name: making.opened(path) for path in sorted(book.iterdir())}


@pytest.fixture(scope='module')
def course(pages):
    return [making.Lesson(path.stem, lesson.read(path), {}, pages[f'{path.stem}.html']) for path in LESSONS]


# Pages

def test_every_link_leads_to_a_page_and_a_place_that_exist_or_outside(pages):
    places = {name: {tag['id'] for tag in page(id=True)} for name, page in pages.items()}
    links = {(name, link['href']) for name, page in pages.items() for link in page('a', href=True)}
    inside = {(name, *link.partition('#')[::2]) for name, link in links if '://' not in link}
    assert len(inside) > 1000
    assert [(name, page, place) for name, page, place in inside
            if (page or name) not in pages or place and place not in places[page or name]] == []


def test_no_two_places_of_a_page_have_one_address(pages):
    for name, page in pages.items():
        ids = [tag['id'] for tag in page(id=True)]
        assert [id for id in ids if ids.count(id) > 1] == [], name


def test_a_page_fetches_nothing(book):
    for path in book.iterdir():
        html = path.read_text(encoding='utf-8')
        fetched = re.findall(r'<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)="(?!data:)([^"]*)"|@import|url\(', html)
        assert fetched == [], path.name


def test_the_front_page_has_each_lesson_with_picture_question_and_what_it_keeps(pages):
    readme, entries = making.contents(ROOT/'README.md'), pages['index.html']('li')
    assert [entry.find(['h2', 'h3']).a['href'] for entry in entries] == [f'{path.stem}.html' for path in LESSONS]
    for path, entry in zip(LESSONS, entries):
        row = readme[path.stem]
        assert entry.img and all(row.get(column, '') in entry.text for column in ('question', 'after', 'hours')), path.stem
        kept = re.findall(r'`(\w+)`', row['it keeps']) if 'it keeps' in row else [name.name for name in names.exported(lesson.read(path))]
        assert [link['href'] for link in entry.find(class_='keeps')('a')] == [f'reference.html#{name}' for name in kept]


def test_the_readmes_tables_give_parts_and_columns_by_name(tmp_path):
    row = '| [{0} Title](nbs/{0}_x.ipynb) | {1} | 2 h |\n'
    text = '## Lessons\n### Part one\n\n| | question | hours |\n|---|---|---|\n' + row.format('01', 'Why?') + '## Other\n\n| | hours | question |\n|---|---|---|\n' + row.format('02', '3')
    (tmp_path/'README.md').write_text(text)
    assert making.contents(tmp_path/'README.md') == {'01_x': {'part': 'Part one', 'question': 'Why?', 'hours': '2 h'}, '02_x': {'part': '', 'hours': '3', 'question': '2 h'}}
    assert making.contents(tmp_path/'none.md') == {}


def test_each_chosen_picture_is_one(course):
    chosen = making.pictures()
    assert set(chosen) <= {one.stem for one in course}
    for one in course:
        pictured = {cell.id for cell in one.notebook.cells if cell.cell_type == 'code' for output in cell.outputs if {'image/png', 'image/svg+xml'} & set(output.get('data', {}))}
        assert chosen.get(one.stem) in pictured | {None}, one.stem


def test_a_lesson_has_its_headlines_and_its_neighbours_beside_it(pages):
    for before, path, after in zip([None, *LESSONS], LESSONS, [*LESSONS[1:], None]):
        page = pages[f'{path.stem}.html']
        assert [link.text for link in page.find(class_='contents')('a')] == [head.text for head in page.main(['h2', 'h3'])]
        near = {link['rel'][0]: link['href'] for link in page.find(class_='near')('a')}
        assert near == {side: f'{p.stem}.html' for side, p in {'prev': before, 'next': after}.items() if p}


def test_every_cell_and_every_saved_output_is_on_the_page(pages, course):
    for one in course:
        for cell in one.notebook.cells:
            shown = pages[f'{one.stem}.html'].find(id=f'cell-{cell.id}')
            assert len(shown(class_='output')) == len(cell.get('outputs', [])) and bool(shown.text.strip()) == bool(cell.source.strip()), (one.stem, cell.id)


def test_the_longest_lesson_is_light_and_no_script_stands_before_its_text(book):
    longest = max((book/f'{path.stem}.html' for path in LESSONS), key=lambda path: path.stat().st_size)
    html = longest.read_text(encoding='utf-8')
    assert len(html) < 900_000 and len(re.findall(r'<\w', html)) < 30_000
    assert '<script' not in html[:html.index('</main>')]


def test_the_folded_answers_are_not_searched(book, pages):
    found = json.loads(pages['search.html'].find(id='documents').text)
    folded = [part for path in LESSONS for details in pages[f'{path.stem}.html'].main('details') if (part := ' '.join(details.text.split())[10:90])]
    assert folded and [part for part in folded if any(part in one['text'] for one in found)] == []


def test_a_folded_cell_says_whether_it_draws_or_checks(pages):
    folded = [(details.find('summary').text, 'plt.' in details.text) for details in pages['05_learner.html'].main('details') if 'check' in details.get('class', [])]
    assert {*folded} == {('How it is drawn', True), ('How it is checked', False)}


def test_the_page_of_a_lesson_that_has_a_workbook_says_how_to_get_it(pages):
    known = json.loads((ROOT/'tests'/'mutants'/'table.json').read_text(encoding='utf-8'))
    for number, path in ((path.stem.split('_')[0], path) for path in LESSONS):
        said = f'make workbook LESSON={number}.' in pages[f'{path.stem}.html'].find('p', class_='origin').text
        assert said == (f'nb_{number}' in known), path.stem
    assert known


def test_a_page_says_how_long_the_run_took_or_that_it_shows_what_was_saved():
    path = LESSONS[0]
    notebook = lesson.nbformat.from_dict({'cells': [], 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5})
    assert 'Run from the top in 12 seconds' in lesson.page(notebook, path, seconds=12.3) and 'has saved' in lesson.page(notebook, path)
    assert [lesson.duration(s) for s in (.2, 1, 59, 95, 300)] == ['1 second', '1 second', '59 seconds', '2 minutes', '5 minutes']


@pytest.mark.parametrize('setup, origin, want', [
    ("url='https://github.com/one/project',", 'git@github.com:two/fork.git', 'one/project'), ('', 'git@github.com:two/fork.git', 'two/fork'),
    ('', 'https://github.com/two/fork', 'two/fork'), ('', 'https://example.org/two/fork.git', ''), ('', '', '')])
def test_the_notebooks_can_be_run_elsewhere_where_the_address_is_known(tmp_path, setup, origin, want):
    (tmp_path/'setup.py').write_text(setup)
    subprocess.run(['git', 'init', '-q', tmp_path], check=True)
    if origin: subprocess.run(['git', 'remote', 'add', 'origin', origin], cwd=tmp_path, check=True)
    assert making.repository(tmp_path) == want
    page = lesson.page(lesson.read(LESSONS[0]), LESSONS[0], repository=want)
    assert (f'github/{want}/blob/HEAD/nbs/{LESSONS[0].name}' in page, 'colab' in page, 'mybinder' in page) == (want != '',)*3


# Reference

SOURCE = '''#export
from exp.nb_01 import near
A, B = 1, 2
LIMIT: int = 3
def plain(x, *, y=2) -> int: "What `plain` gives."
class Kind(Base):
    "A kind."
    def __init__(self, a, b=1): pass
    def act(self, c): "Acts."
    @staticmethod
    def make(d): "Makes."
    def silent(self): pass
    def _own(self): "Ours."
def _hidden(): pass
@dataclass
class Pair:
    left: int
    right: int = 0
'''


def notebook(*sources): return Cell(cells=[Cell(cell_type='code', source=source, id=str(number)) for number, source in enumerate(sources)])


def test_the_exported_names_have_signature_docstring_and_cell():
    found = list(names.exported(notebook('not_exported = 1', SOURCE, '%magic\nbroken = (')))
    assert [(one.name, one.cell, one.signature, one.doc) for one in found] == [
        ('A', '1', 'A = ...', ''), ('B', '1', 'B = ...', ''), ('LIMIT', '1', 'LIMIT = 3', ''), ('plain', '1', 'plain(x, *, y=2) -> int', 'What `plain` gives.'),
        ('Kind', '1', 'Kind(a, b=1)  # extends Base', 'A kind.'), ('Pair', '1', 'Pair(left: int, right: int = 0)', '')]
    assert found[4].methods == [('act(c)', 'Acts.'), ('make(d)', 'Makes.')]
    assert names.imported(notebook(SOURCE, '%magic\nfrom exp.nb_02 import Lin as L', 'broken = (')) == {('exp.nb_01', 'near'), ('exp.nb_02', 'Lin')}


def test_a_test_is_found_by_what_its_code_mentions(tmp_path):
    (tmp_path/'test_a.py').write_text('from exp import nb_02\nfrom exp.nb_01 import near as close, timed\n@mark(timed)\ndef test_one(): close\ndef helper(): timed\n'
                                      'def test_two(): nb_02.Lin, other.Relu, "timed"\n')
    found = {pair: dict(files) for pair, files in names.tested(tmp_path).items()}
    assert found == {('exp.nb_01', 'near'): {'test_a.py': ['test_one']}, ('exp.nb_01', 'timed'): {'test_a.py': ['test_one']}, ('exp.nb_02', 'Lin'): {'test_a.py': ['test_two']}}


def test_every_public_name_of_the_modules_has_an_entry_that_leads_to_its_cell(pages):
    reference = pages['reference.html']
    for path in sorted((ROOT/'exp').glob('nb_*.py')):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            name = getattr(node, 'name', '_')
            if name.startswith('_'): continue
            page, place = reference.find(id=name).find(class_='where').a['href'].split('#')
            assert page.startswith(path.stem.removeprefix('nb_') + '_') and re.search(rf'\b(def|class) {name}\b', pages[page].find(id=place).pre.text), name


def test_a_name_in_code_leads_to_its_entry_where_it_is_that_name():
    exporter = lesson.LessonExporter({'view', 'Lin'})
    source = 'from exp.nb_01a import view\nx.view(2), f(view=1), "view", Lin(3)  # view\ny = view(x)\nviews = 1'
    html = BeautifulSoup(lesson.NAME.sub(exporter.linked, exporter.highlight(source)), 'html.parser')
    assert [(link['href'], link.text) for link in html('a')] == [('reference.html#view', 'view'), ('reference.html#Lin', 'Lin'), ('reference.html#view', 'view')]


def test_the_names_of_a_lesson_lead_to_the_reference(pages):
    links = {link['href'] for link in pages['05_learner.html'].main('a') if link['href'].startswith('reference')}
    assert {'reference.html#Learner', 'reference.html#Loop'} <= links


# Glossary

def test_every_word_of_the_glossary_is_marked_in_a_lesson(course):
    missing = {word for word, _, _ in making.words()[0]} - {entry['word'] for entry in making.glossary(course)}
    assert missing == set(), 'no lesson sets them in italics or bold: change pages/glossary.txt or the lesson'


def test_every_word_in_italics_stands_in_the_glossary_or_among_the_exceptions(course):
    found, others = making.words()
    new = {text for one in course for _, text in making.marked(one, 'em') if len(text.split()) <= 4 and text[-1] != '.'}
    new = {text for text in new if text not in others and not any(making.same_word(form, text) for _, form, _ in found)}
    assert new == set(), 'explain them in pages/glossary.txt, or add them to the list at its end as "- word"'


def test_no_exception_is_left_that_no_lesson_has(course):
    assert making.words()[1] - {text for one in course for _, text in making.marked(one, 'em')} == set()


# ---- in a browser

@pytest.fixture(scope='module')
def browser():
    if CHROMIUM is None: pytest.skip('no Chromium on this machine: install it to look at the book in a browser')
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu'])
        yield started
        started.close()


@pytest.fixture
def look(browser, book):
    "Opens a page of the book from disk; what its console says is an error at the end."
    said, opened = [], []
    def look(name, width=1200, height=900, scheme='light'):
        context = browser.new_context(viewport={'width': width, 'height': height}, color_scheme=scheme)
        opened.append(context)
        page = context.new_page()
        page.on('console', lambda message: said.append(message.text))
        page.on('pageerror', lambda error: said.append(str(error)))
        page.on('request', lambda request: said.append(request.url) if not request.url.startswith(('file:', 'data:')) else None)
        page.goto(f'{book.as_uri()}/{name}')
        return page
    yield look
    for context in opened: context.close()
    assert said == []


@pytest.mark.parametrize('query, place, words', [
    ('crawls overshoots valley', '02_fully_connected.html#cell-', 'Twenty steps of learning'), ('OneCycle', 'reference.html#OneCycle', 'OneCycle · exp.nb_06'),
    ('kaiming init', 'reference.html#kaiming_init', 'kaiming_init · exp.nb_02'), ('overfitting', '04_minibatch_training.html#', 'overfitting · Glossary'),
    ('FlopCounterMode', '02_fully_connected.html#cell-', '02 · The forward and backward passes'), ('overfiting', '04_minibatch_training.html#', 'overfitting · Glossary')])
def test_the_search_finds_prose_names_words_and_code_and_leads_there(look, book, query, place, words):
    page = look('index.html')
    page.keyboard.press('/')
    page.keyboard.type(query)
    page.keyboard.press('Enter')
    page.wait_for_url('**/search.html?q=*')
    first = page.locator('#found li').first
    assert words in first.inner_text() and page.locator('#found mark').count() > 0 and 'place' in page.locator('#said').inner_text()
    first.locator('a').click()
    page.wait_for_url(f'**/{place}*')
    assert page.evaluate('document.getElementById(decodeURIComponent(location.hash.slice(1))).getBoundingClientRect().top') < 900


def test_the_search_answers_while_one_types_and_says_when_there_is_nothing(look):
    page = look('search.html')
    page.keyboard.type('softm')
    assert page.locator('#found li').count() > 1
    page.keyboard.type('qqqqqq<b>')
    assert page.locator('#found li').count() == 0 and page.locator('#said').inner_text() == 'No places'


def test_a_slash_in_the_search_is_a_slash(look):
    page = look('search.html')
    page.keyboard.type('a/b')
    assert page.locator('input').input_value() == 'a/b'


@pytest.mark.parametrize('width', [400, 1200])
def test_nothing_scrolls_sideways_and_the_pictures_fit(look, book, width):
    for path in sorted(book.glob('*.html')):
        page = look(path.name + ('?q=learning+rate' if path.stem == 'search' else ''), width)
        assert page.evaluate('document.documentElement.scrollWidth') == width, path.name
        assert page.evaluate('[...document.images].filter(i => i.getBoundingClientRect().right > innerWidth).length') == 0, path.name


def test_a_picture_that_had_to_shrink_shows_its_own_size_at_a_tap(look):
    page = look('03_autograd.html', 400)
    picture = page.locator('.output_picture img').nth(1)
    before = picture.bounding_box()['width']
    picture.click()
    assert before < 400 < picture.bounding_box()['width'] and page.evaluate('document.documentElement.scrollWidth') == 400


def test_the_contents_stand_beside_the_text_and_on_a_phone_the_neighbours_at_the_thumb(look):
    wide, narrow = look('02_fully_connected.html'), look('02_fully_connected.html', 400, 800)
    box = wide.locator('.contents a').last.bounding_box()
    assert box['x'] < wide.locator('main').bounding_box()['x'] and box['y'] < 900 and wide.locator('.contents a').last.is_visible()
    for link in narrow.locator('.near a').all():
        box = link.bounding_box()
        assert box['height'] >= 44 and 700 < box['y'] and box['y'] + box['height'] <= 800
    assert not narrow.locator('.contents a').last.is_visible()
    narrow.locator('.contents summary').click()
    narrow.locator('.contents a', has_text='The race').click()
    assert narrow.evaluate('scrollY') > 1000


def test_the_first_tab_leads_past_the_menu_and_a_box_to_be_scrolled_can_be_reached(look):
    page = look('02_fully_connected.html', 400)
    page.keyboard.press('Tab')
    assert page.evaluate('document.activeElement.getAttribute("href")') == '#text-begins'
    assert page.evaluate('[...document.querySelectorAll("pre")].every(box => box.scrollWidth <= box.clientWidth || box.tabIndex === 0)')


def test_in_print_there_is_only_the_text(look):
    page = look('02_fully_connected.html', scheme='dark')
    page.emulate_media(media='print')
    assert [page.locator(part).first.is_visible() for part in ('header', '.contents', '.near', 'main')] == [False, False, False, True]
    assert page.evaluate('getComputedStyle(document.body).backgroundColor') == 'rgb(255, 255, 255)'


@pytest.fixture(scope='module')
def axe(request):
    "axe-core, fetched once by npm, and only if it is the one that we know."
    version, known = AXE
    folder = request.config.cache.mkdir('axe')
    script = folder/f'axe-{version}.js'
    if not script.exists():
        npm = shutil.which('npm') or pytest.skip('no npm on this machine: install it to check the pages with axe-core')
        done = subprocess.run([npm, 'pack', '--silent', f'axe-core@{version}'], cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode: pytest.skip(f'npm cannot fetch axe-core here: {done.stderr.strip()[-200:]}')
        with tarfile.open(folder/f'axe-core-{version}.tgz') as archive: text = archive.extractfile('package/axe.min.js').read()
        script.with_suffix(f'.{os.getpid()}').write_bytes(text)
        os.replace(script.with_suffix(f'.{os.getpid()}'), script)
    text = script.read_bytes()
    assert hashlib.sha256(text).hexdigest() == known
    return text.decode()


@pytest.mark.parametrize('width, scheme', [(400, 'light'), (1200, 'dark')])
@pytest.mark.parametrize('name', ['index.html', 'reference.html', 'glossary.html', 'search.html?q=learning+rate', '02_fully_connected.html', '05a_watching.html'])
def test_axe_finds_nothing(look, axe, name, width, scheme):
    page = look(name, width, scheme=scheme)
    page.add_script_tag(content=axe)
    found = page.evaluate('axe.run({resultTypes: ["violations"]}).then(r => r.violations.map(v => [v.impact, v.id, v.nodes.length, v.nodes.slice(0, 3).map(n => n.html.slice(0, 150))]))')
    assert found == []

"The pages that lead to the lessons: front page, reference, glossary and search, made from the lessons' pages and notebooks."
import base64, io, itertools, json, re, subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from bs4 import BeautifulSoup
from markupsafe import Markup
from PIL import Image

from .lesson import LOOK, describe, fill, lessons, prose, read
from .names import exported, imported, tested

GITHUB = re.compile(r'github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?(?=[/\'"\s]|$)')
README_LESSON = re.compile(r'\[(.+?)\]\(nbs/(\w+)\.ipynb\)')


@dataclass
class Lesson:
    "What the book knows of a lesson: its place in the README, and what stands on its page, if it has one."
    stem: str
    notebook: dict
    row: dict = field(default_factory=dict)
    page: BeautifulSoup | None = None

    @property
    def number(self): return self.stem.split('_')[0]
    @property
    def module(self): return f'nb_{self.number}'
    @property
    def title(self): return describe(self.notebook)[0]
    @property
    def written(self): return self.page is not None


def write(folder, book):
    "Writes the front page, the reference, the glossary and the search beside those lessons that have a page."
    root = Path(folder).parent
    rows = contents(root/'README.md')
    course = [Lesson(path.stem, read(path), rows.get(path.stem, {}), opened(book/f'{path.stem}.html')) for path in lessons(folder)]
    written, names, entries = [lesson for lesson in course if lesson.written], reference(course, root/'tests'), glossary(course)
    pages = {'index': front(written, names, root), 'reference': names, 'glossary': {'title': 'Glossary', 'entries': entries},
             'search': {'title': 'Search', 'documents': inlined(documents(written, names, entries))}}
    for name, parts in pages.items(): (book/f'{name}.html').write_text(fill(f'{name}.html', **parts), encoding='utf-8')


def opened(path):
    "The written page, without its colours and the bytes of its pictures; None if there is none."
    if not path.exists(): return None
    return BeautifulSoup(re.sub(r'src="data:[^"]+"|</?span[^>]*>', '', path.read_text(encoding='utf-8')), 'html.parser')


# Front page

def contents(readme):
    "Lesson -> its row in the README's tables by the names of the columns, with the `part`: the headline of third level above."
    rows, part, columns = {}, '', []
    for line in readme.read_text(encoding='utf-8').splitlines() if readme.exists() else []:
        if line.startswith('#'): part = line.lstrip('# ') if line.startswith('### ') else ''
        if not line.startswith('|'): continue
        cells = [cell.strip() for cell in line.strip().strip('|').split(' | ')]
        if link := README_LESSON.search(cells[0]): rows[link[2]] = {'part': part, **dict(zip(columns[1:], cells[1:]))}
        elif not cells[0].startswith('--'): columns = [cell.strip('| ') for cell in cells]
    return rows


def front(course, names, root):
    "What the front page shows: the lessons by parts, each with its picture, its question and what it keeps."
    known, chosen = set(names['everything']), pictures()
    entries = []
    for lesson in course:
        failed, seconds = lesson.page.find('p', class_='failed'), lesson.page.find('meta', attrs={'name': 'seconds'})
        entries.append({'stem': lesson.stem, 'title': lesson.title, 'part': lesson.row.get('part', ''),
                        'about': Markup(prose(lesson.row.get('question') or describe(lesson.notebook)[1])),
                        'keeps': keeps(lesson, known), 'after': lesson.row.get('after'), 'hours': lesson.row.get('hours'), 'picture': picture(lesson.notebook, chosen.get(lesson.stem)),
                        'failed': failed and failed.text.split(': ', 1)[1], 'seconds': seconds and float(seconds['content'])})
    title = re.search(r'^# (.+)', (root/'README.md').read_text(encoding='utf-8'))[1] if (root/'README.md').exists() else 'Lessons'
    parts = [{'grouper': part, 'list': list(some)} for part, some in itertools.groupby(entries, lambda entry: entry['part'])]
    return {'title': title, 'parts': parts, 'count': f'{len(course)} lesson{"s" * (len(course) != 1)}'}


def keeps(lesson, known):
    "The README's words on what a lesson keeps, else the names that it exports; every name that the reference has is a link to it."
    said = lesson.row.get('it keeps') or ', '.join(f'`{name.name}`' for name in exported(lesson.notebook))
    text = re.sub(r'^<p>|</p>\s*$', '', prose(said))
    return Markup(re.sub(r'<code>(\w+)</code>', lambda m: f'<a href="reference.html#{m[1]}">{m[0]}</a>' if m[1] in known else m[0], text))


def pictures():
    "Lesson -> the cell whose picture stands for it, from pages/pictures.txt."
    return dict(line.split()[:2] for line in (LOOK/'pictures.txt').read_text(encoding='utf-8').splitlines() if line and line[0] != '#')


def picture(notebook, chosen=None, width=440):
    "The picture of the chosen cell, or of the first that has one, as a small data address; '' if there is none."
    found = [(cell.id == chosen, output.data) for cell in notebook.cells if cell.cell_type == 'code' for output in cell.outputs
             if {'image/png', 'image/svg+xml'} & set(output.get('data', {}))]
    if not found: return ''
    _, data = max(found, key=lambda pair: pair[0])
    if 'image/svg+xml' in data: return 'data:image/svg+xml;base64,' + base64.b64encode(data['image/svg+xml'].encode()).decode()
    try: drawn, small = Image.open(io.BytesIO(base64.b64decode(data['image/png']))).convert('RGB'), io.BytesIO()
    except OSError: return ''                                                           # no picture after all
    drawn.thumbnail((width, width))
    drawn.quantize(32, dither=Image.Dither.NONE).save(small, 'png', optimize=True)
    return 'data:image/png;base64,' + base64.b64encode(small.getvalue()).decode()


# Reference

def reference(course, tests):
    "Every exported name under its lesson, with the lessons that import it and the tests that mention it."
    found, users = tested(tests), defaultdict(list)
    for lesson in course:
        for pair in imported(lesson.notebook): users[pair].append(lesson)
    modules = []
    for lesson in course:
        names = [vars(name) | {'users': users[f'exp.{lesson.module}', name.name], 'tests': found.get((f'exp.{lesson.module}', name.name), {})}
                 for name in exported(lesson.notebook)]
        if names: modules.append({'module': lesson.module, 'stem': lesson.stem, 'number': lesson.number, 'title': lesson.title, 'written': lesson.written, 'names': names})
    everything = sorted((name['name'] for lesson in modules for name in lesson['names']), key=str.lower)
    return {'title': 'Reference', 'modules': modules, 'everything': everything}


# Glossary

def words():
    "pages/glossary.txt: triples of word, form in the lessons, meaning; and the set of italics that are no words of the field."
    lines = [line for line in (LOOK/'glossary.txt').read_text(encoding='utf-8').splitlines() if line and line[0] != '#']
    found = [re.fullmatch(r'([^:(]+?)(?: \((.+)\))?: (.+)', line).groups() for line in lines if not line.startswith('- ')]
    return [(word, form or word, meaning) for word, form, meaning in found], {line[2:] for line in lines if line.startswith('- ')}


def marked(lesson, *tags):
    "Pairs of address and what the prose of a lesson sets in italics or bold there, but for the titles of its further reading."
    for address, heading, block in blocks(lesson):
        if heading != 'Further reading': yield from ((address, ' '.join(mark.text.split())) for mark in block(tags))


def same_word(form, text): return text.lower() in (form.lower(), f'{form.lower()}s')


def glossary(course):
    "The words that a lesson with a page explains, each with the first cell that sets it in italics or bold."
    places = [(f'{lesson.stem}.html#{address}', text) for lesson in course if lesson.written for address, text in marked(lesson, 'em', 'strong')]
    found = [{'word': word, 'meaning': meaning, 'url': next((url for url, text in places if same_word(form, text)), None)} for word, form, meaning in words()[0]]
    return sorted((entry for entry in found if entry['url']), key=lambda entry: entry['word'].lower())


# Search

def blocks(lesson):
    "Address, headline above, and element for each block of prose and each code cell of a lesson's page; folded answers are left out."
    heading, address = '', None
    for cell in lesson.page('div', class_='cell'):
        address = cell['id']
        if 'code_cell' in cell['class']:
            if cell.pre: yield address, heading, cell.pre
            continue
        for block in cell.find_all(recursive=False):
            if block.name in ('h1', 'h2', 'h3'): heading, address = ('' if block.name == 'h1' else block.text.strip()), block['id']
            elif block.name != 'details': yield address, heading, block


def documents(course, names, entries):
    "What is searched: one document for each address of a lesson, each exported name, each word of the glossary."
    found = []
    for lesson in course:
        for (address, heading, kind), some in itertools.groupby(blocks(lesson), lambda b: (b[0], b[1], 'code' if b[2].name == 'pre' else 'prose')):
            text = ' '.join(' '.join(block.get_text().split()) for _, _, block in some)
            if text: found.append({'kind': kind, 'lesson': lesson.title, 'heading': heading, 'text': text, 'url': f'{lesson.stem}.html#{address}'})
    for lesson in names['modules']:
        for name in lesson['names']:
            methods = ' '.join(f'{signature} {doc}' for signature, doc in name['methods'])
            found.append({'kind': 'name', 'name': name['name'], 'lesson': f'exp.{lesson["module"]}', 'heading': '',
                          'text': f'{name["signature"]} {name["doc"]} {methods}'.replace('`', ''), 'url': f'reference.html#{name["name"]}'})
    return found + [{'kind': 'word', 'name': entry['word'], 'lesson': 'Glossary', 'heading': '', 'text': entry['meaning'], 'url': entry['url']} for entry in entries]


def inlined(value):
    "JSON that can stand in a page: nothing in it ends the element."
    return Markup(json.dumps(value, ensure_ascii=False).replace('<', '\\u003c'))


# Where it can be run

def repository(root):
    "`owner/name` on GitHub, from setup.py or else from git's origin; '' if neither knows."
    setup = (root/'setup.py').read_text(encoding='utf-8') if (root/'setup.py').exists() else ''
    try: origin = subprocess.run(['git', 'remote', 'get-url', 'origin'], cwd=root, capture_output=True, text=True).stdout
    except OSError: origin = ''                                                         # no git
    found = GITHUB.search(setup) or GITHUB.search(origin)
    return found[1] if found else ''

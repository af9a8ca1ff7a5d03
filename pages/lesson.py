"The page of one lesson: its cells through nbconvert, with formulas, links and a frame of our own. Every page stands alone."
import copy, hashlib, html, json, re
from functools import cache
from pathlib import Path

import jinja2, nbformat
from latex2mathml.converter import convert
from markupsafe import Markup, escape
from nbconvert import HTMLExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from .names import EXPORT, exported, imported

LOOK = Path(__file__).resolve().parent
ALT = re.compile(r'^#\| fig-alt: *(.+)\n', re.MULTILINE)
NAME = re.compile(r'(?<!<span class="o">\.</span>)<span class="(?:n|nf|nc)">(\w+)</span>(?!<span class="o">=</span>)')
HEADING = re.compile(r'<h([23]) id="([^"]+)">(.*?)</h\1>', re.DOTALL)


@cache
def workbooks():
    "The modules whose lessons can be had as workbooks: workbook.py knows their tests."
    path = Path(__file__).resolve().parents[1]/'tests'/'mutants'/'table.json'
    return json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}


def lessons(folder):
    "The lessons of a folder in reading order: `02_title` before `02a_title` before `03_title`."
    return sorted(Path(folder).resolve().glob('[0-9]*.ipynb'))


def read(path):
    "The notebook in today's format; a cell without an id gets one that is the same at every run."
    notebook = json.loads(Path(path).read_text(encoding='utf-8-sig'))
    for number, cell in enumerate(notebook['cells'], 1):
        name = f'{number} {cell["cell_type"]} {"".join(cell["source"])}'
        cell.setdefault('id', hashlib.sha256(name.encode()).hexdigest()[:8])
    return nbformat.reads(json.dumps({**notebook, 'nbformat': 4, 'nbformat_minor': 5}), as_version=4)


# Prose

def mathml(tex, display):
    "The formula as MathML, which browsers draw by themselves."
    tex = re.sub(r'(begin|end)\{aligned\}', r'\1{split}', tex)
    if display == 'block': tex = re.sub(r'\\(sum|prod|max|min|lim)(?![a-zA-Z]|\\limits)', r'\\\1\\limits', tex)
    drawn = convert(tex, display=display)
    if '\\' in drawn or '>&<' in drawn: raise ValueError(f'this formula cannot be drawn: {tex.strip()}')
    return drawn


class Prose(IPythonRenderer):
    "Markdown to HTML, with formulas as MathML, links to lessons as links to their pages, and an address for each headline."
    def inline_math(self, body): return mathml(body, 'inline')
    def block_math(self, body): return mathml(body, 'block')
    def latex_environment(self, name, body): return mathml(f'\\begin{{{name}}}{body}\\end{{{name}}}', 'block')
    def table(self, text): return f'<div class="wide"><table>\n{text}</table></div>\n'

    def heading(self, text, level, **attrs):
        return f'<h{level} id="{slug(text)}">{text}</h{level}>\n'

    def link(self, text, url, title=None):
        return super().link(text, re.sub(r'^(\w+)\.ipynb', r'\1.html', url), title)


def slug(text):
    "The address of a headline: its words."
    return '-'.join(re.findall(r'\w+', html.unescape(re.sub('<[^>]+>', '', text)).lower()))


def prose(source, **attachments):
    "Markdown text as HTML."
    return MarkdownWithMath(Prose(escape=False, attachments=attachments)).render(source)


def describe(notebook):
    "The lesson's title and its first paragraph."
    text = '\n\n'.join(cell.source for cell in notebook.cells if cell.cell_type == 'markdown')
    title = re.search(r'^# *(.+)$', text, re.MULTILINE)
    if title is None: return 'Untitled', ''
    paragraphs = (p.strip() for p in re.split(r'\n\s*\n', text[title.end():]))
    return title[1].replace('`', '').strip(), next((p for p in paragraphs if p and p[0] not in '#!|<>-$'), '')


# Pictures

def alternatives(notebook):
    """Gives each cell the alternative text of its pictures: what stands behind `#| fig-alt:`, a line that the page leaves out;
    else the first sentence of the prose that follows, or none where a headline follows or nothing."""
    said = ''
    for cell in reversed(notebook.cells):
        if cell.cell_type != 'code': said = first_sentence(cell.source)
        elif own := ALT.search(cell.source): cell.source, cell.metadata['alt'] = ALT.sub('', cell.source), own[1]
        else: cell.metadata['alt'] = said


def first_sentence(source):
    "The first sentence of a Markdown text without its marks; empty where it begins with anything but a paragraph."
    source = source.lstrip()
    if not source or re.match(r'[#|<>-]|\$\$|```|\d+\. ', source): return ''
    paragraph = ' '.join(re.split(r'\n\s*\n', source)[0].split())
    plain = re.sub(r'!?\[([^\]]*)\]\([^)]*\)|[`*$]', lambda found: found[1] or '', paragraph)
    return re.match(r'.*?[.!?](?=\s|$)|.*', plain)[0]


# The page

class LessonExporter(HTMLExporter):
    "nbconvert's cells in a template of our own, without prompts; a name of `names` leads to its entry in the reference."
    def __init__(self, names=()):
        super().__init__(template_name='lesson', extra_template_basedirs=[str(LOOK/'templates')],
                         exclude_input_prompt=True, exclude_output_prompt=True)
        self.names, self.highlight = names, Highlight2HTML(pygments_lexer='ipython3', parent=self)

    def default_filters(self):
        "nbconvert's own, but for prose and code."
        yield from super().default_filters()
        yield 'markdown2html', prose
        yield 'linked_code', lambda source: NAME.sub(self.linked, self.highlight(source))

    def linked(self, found):
        return f'<a href="reference.html#{found[1]}">{found[0]}</a>' if found[1] in self.names else found[0]

    def from_notebook_node(self, notebook):
        "The cells as HTML. HTMLExporter's own method would read all of it a second time, for things that our template does."
        return super(HTMLExporter, self).from_notebook_node(notebook)[0]


def docstring(text):
    "A docstring as HTML: paragraphs, and code between backquotes."
    marked = re.sub('`+([^`]+)`+', r'<code>\1</code>', str(escape(text.strip())))
    return Markup(''.join(f'<p>{paragraph}</p>' for paragraph in re.split(r'\n\s*\n', marked) if paragraph))


def duration(seconds):
    "12 seconds, 3 minutes."
    number, unit = (round(seconds), 'second') if seconds < 90 else (round(seconds / 60), 'minute')
    return f'{max(number, 1)} {unit}{"s" * (number > 1)}'


def sentence(name):
    "The name of a test as the sentence that it is."
    return name.removeprefix('test').strip('_').replace('_', ' ')


@cache
def frame():
    "Our templates, in which every text is escaped unless it is marked as HTML."
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(LOOK/'templates'), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    made.filters.update(docstring=docstring, duration=duration, sentence=sentence, slug=slug)
    made.globals['inlined'] = lambda name: Markup((LOOK/name).read_text(encoding='utf-8'))
    return made


def fill(template, **parts):
    "A whole page: it stands alone, with nothing to fetch."
    return frame().get_template(template).render(**parts)


def page(notebook, path, failed='', seconds=None, repository=''):
    """The lesson's page, with its contents and links to its neighbours; exported cells are marked, pictures have a text beside
    them. Where the lesson `failed`, the page says so on top, and the error stands in its cell. `seconds` is what the run took:
    without them the page shows what the notebook has saved."""
    notebook, all_of_them = copy.deepcopy(notebook), lessons(path.parent)
    for cell in notebook.cells:
        if cell.cell_type == 'code' and EXPORT.match(cell.source): cell.metadata['tags'] = ['export']
    alternatives(notebook)
    own, number = {name.name for name in exported(notebook)}, path.stem.split('_')[0]
    names = own | {name for _, name in imported(notebook)}
    body = LessonExporter(names).from_notebook_node(notebook)
    here = all_of_them.index(path) if path in all_of_them else len(all_of_them)
    near = {'previous': all_of_them[max(here - 1, 0):here], 'next': all_of_them[here + 1:here + 2]}
    near = {side: {'stem': p.stem, 'title': describe(read(p))[0]} for side, paths in near.items() for p in paths}
    headings = [{'level': int(level), 'id': id, 'text': Markup(text)} for level, id, text in HEADING.findall(body)]
    return fill('lesson.html', title=describe(notebook)[0], body=Markup(body), near=near, headings=headings, failed=failed,
                seconds=seconds, stem=path.stem, repository=repository, workbook=number if own and f'nb_{number}' in workbooks() else '')

"""Runs the lessons, each in a fresh kernel, and writes their pages to book/.

    python run_notebooks.py                          every lesson of nbs/, in reading order
    python run_notebooks.py nbs/01_matmul.ipynb      this one
    python run_notebooks.py --save                   and keep the fresh outputs in the notebooks

The saved outputs are never trusted: every page shows what the run gave. nbs/ is not written to without --save.
"""
import argparse, base64, copy, hashlib, html, io, json, os, re, sys, time
from pathlib import Path
from string import Template

import nbformat
from fastprogress.fastprogress import progress_bar
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from latex2mathml.converter import convert
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import ExecutePreprocessor
from PIL import Image

ROOT = Path(__file__).resolve().parent
LOOK = ROOT/'pages'
METADATA = {'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
            'language_info': {'file_extension': '.py', 'mimetype': 'text/x-python', 'name': 'python',
                              'pygments_lexer': 'ipython3'}}
CHECK = re.compile(r'^\s*assert\b|(?<!def )(?<![\w.])test(_\w+)?\(', re.MULTILINE)
ALT = re.compile(r'^#\| fig-alt: *(.+)\n', re.MULTILINE)
EXPORT = re.compile(r'\s*#\s*\|?\s*export\s*$', re.MULTILINE | re.IGNORECASE)


class LessonError(Exception):
    "Which cell of a lesson went wrong, and how (cells of every kind are counted, from 1); the `notebook` as far as it went."
    def __init__(self, message, notebook):
        super().__init__(message)
        self.notebook = notebook


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


# Run

class OwnKernel(AsyncKernelManager):
    "A kernel of the interpreter that runs this script, whatever else is installed under the name python3."
    def _kernel_spec_manager_default(self): return KernelSpecManager(kernel_dirs=[])


def execute(path, timeout=300):
    "The lesson, run from top to bottom in its folder: a notebook with fresh outputs. Raises LessonError."
    path, place = Path(path).resolve(), {'cell': 0}
    notebook = read(path)
    runner = ExecutePreprocessor(timeout=timeout, kernel_name='python3', kernel_manager_class=OwnKernel,
                                 coalesce_streams=True, extra_arguments=['--log-level=CRITICAL'],
                                 on_cell_start=lambda cell, cell_index: place.update(cell=cell_index + 1))
    try: runner.preprocess(notebook, {'metadata': {'path': str(path.parent)}})
    except CellExecutionError as error: problem = f'{error.ename}: {error.evalue}'
    except CellTimeoutError: problem = f'no answer after {timeout} seconds'
    except DeadKernelError: problem = 'the kernel died'
    else: return tidy(notebook, path.parent.parent)
    for cell in notebook.cells[place['cell']:]:
        if cell.cell_type == 'code': cell.outputs, cell.execution_count = [], None              # those of another run
    raise LessonError(f'cell {place["cell"]}: {problem}', tidy(notebook, path.parent.parent))


def tidy(notebook, root):
    "Takes out what changes from run to run or tells where it ran: timings, widgets, versions, the project's folder."
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        for name in 'execution', 'ExecuteTime': cell.metadata.pop(name, None)
        if cell.cell_type == 'code': cell.outputs = [relative(output, str(root)) for output in cell.outputs]
    return notebook


def relative(value, root):
    "The output with `root` written as `..`, as it is seen from the lesson's folder, and its pictures in few colours."
    if isinstance(value, str): return value.replace(root, '..')
    if isinstance(value, list): return [relative(v, root) for v in value]
    if not isinstance(value, dict): return value
    return nbformat.from_dict({k: few_colours(v) if k == 'image/png' else v if k.startswith('image/') else relative(v, root) for k, v in value.items()})


def few_colours(png):
    "The picture, in base64, with a palette of 64 colours: no eye sees it in a plot, and it is a third of the bytes."
    try: picture, small = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    except OSError: return png                                                          # no picture after all
    if picture.mode == 'P': return png
    flat = Image.new('RGB', picture.size, 'white')
    flat.paste(picture, mask=picture.getchannel('A') if 'A' in picture.getbands() else None)
    flat.quantize(64, dither=Image.Dither.NONE).save(small, 'png', optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def save(notebook, path):
    "Writes the lesson whole or not at all, and only if it differs."
    text, temporary = nbformat.writes(notebook) + '\n', path.with_name(f'.{path.name}.part')
    if path.read_bytes() == text.encode(): return
    temporary.write_bytes(text.encode())
    os.replace(temporary, path)


# Pages

def mathml(tex, display):
    "The formula as MathML, which browsers draw by themselves."
    tex = re.sub(r'(begin|end)\{aligned\}', r'\1{split}', tex)
    if display == 'block': tex = re.sub(r'\\(sum|prod|max|min|lim)(?![a-zA-Z]|\\limits)', r'\\\1\\limits', tex)
    drawn = convert(tex, display=display)
    if '\\' in drawn or '>&<' in drawn: raise ValueError(f'this formula cannot be drawn: {tex.strip()}')
    return drawn


class Prose(IPythonRenderer):
    "Markdown to HTML, with formulas as MathML and links to lessons as links to their pages."
    def inline_math(self, body): return mathml(body, 'inline')
    def block_math(self, body): return mathml(body, 'block')
    def latex_environment(self, name, body): return mathml(f'\\begin{{{name}}}{body}\\end{{{name}}}', 'block')

    def link(self, text, url, title=None):
        return super().link(text, re.sub(r'^(\w+)\.ipynb', r'\1.html', url), title)


def prose(source, **attachments):
    "Markdown text as HTML."
    return MarkdownWithMath(Prose(escape=False, attachments=attachments)).render(source)


class LessonExporter(HTMLExporter):
    "nbconvert's plainest HTML, without prompts; the look is ours (pages/style.css)."
    def __init__(self): super().__init__(template_name='basic', exclude_input_prompt=True, exclude_output_prompt=True)

    def default_filters(self):
        "nbconvert's own, but for the prose."
        yield from super().default_filters()
        yield 'markdown2html', prose


def describe(notebook):
    "The lesson's title and its first paragraph."
    text = '\n\n'.join(cell.source for cell in notebook.cells if cell.cell_type == 'markdown')
    title = re.search(r'^# *(.+)$', text, re.MULTILINE)
    if title is None: return 'Untitled', ''
    paragraphs = (p.strip() for p in re.split(r'\n\s*\n', text[title.end():]))
    return title[1].replace('`', '').strip(), next((p for p in paragraphs if p and p[0] not in '#!|<>-$'), '')


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


def fill(title, body, links):
    "A whole page: it stands alone, with nothing to fetch."
    template = Template((LOOK/'page.html').read_text(encoding='utf-8'))
    style = (LOOK/'style.css').read_text(encoding='utf-8')
    return template.substitute(title=html.escape(title), style=style, body=body, links=links)


def page(notebook, path, failed=''):
    """The lesson's page, with links to its neighbours; exported cells are marked, pictures have a text beside them. Where the
    lesson `failed`, the page says so on top, and the error stands in its cell."""
    notebook, all_of_them = copy.deepcopy(notebook), lessons(path.parent)
    for cell in notebook.cells:
        if cell.cell_type == 'code' and EXPORT.match(cell.source): cell.metadata['tags'] = ['export']
    alternatives(notebook)
    body, _ = LessonExporter().from_notebook_node(notebook)
    if failed: body = f'<p class="failed">This lesson did not run to its end: {html.escape(failed)}</p>\n{body}'
    here = all_of_them.index(path) if path in all_of_them else len(all_of_them)
    near = {'previous': all_of_them[max(here - 1, 0):here], 'next': all_of_them[here + 1:here + 2]}
    links = [f'<a class="{side}" href="{p.stem}.html">{html.escape(describe(read(p))[0])}</a>'
             for side, paths in near.items() for p in paths]
    return fill(describe(notebook)[0], body, '\n'.join(['<a href="index.html">All lessons</a>', *links]))


def index(folder, book):
    "The list of those lessons that have a page."
    entries = []
    for path in lessons(folder):
        title, blurb = describe(read(path))
        link, written = f'<h2><a href="{path.stem}.html">{html.escape(title)}</a></h2>', book/f'{path.stem}.html'
        if not written.exists(): continue
        failed = re.search('<p class="failed">.*?</p>', written.read_text(encoding='utf-8'))
        entries.append(f'<li>{link}\n{failed[0] if failed else ""}{prose(blurb)}</li>')
    legend = '<p>Code with a golden edge is exported: the modules of exp/ consist of it.</p>'
    return fill('Lessons', '\n'.join(['<h1>Lessons</h1>', legend, '<ol class="lessons">', *entries, '</ol>']), '')


# Command line

def run(path, book, timeout, keep):
    "Runs one lesson, writes its page, and if it is to be kept its notebook; returns the line that says so. Raises LessonError."
    start = time.perf_counter()
    try: notebook = execute(path, timeout)
    except LessonError as error:
        (book/f'{path.stem}.html').write_text(page(error.notebook, path, str(error)), encoding='utf-8')
        raise
    seconds = time.perf_counter() - start
    checks = sum(bool(CHECK.search(cell.source)) for cell in notebook.cells if cell.cell_type == 'code')
    (book/f'{path.stem}.html').write_text(page(notebook, path), encoding='utf-8')
    if keep: save(notebook, path)
    return f'{path.stem:<28} {seconds:6.1f} s {len(notebook.cells):5} cells {checks:4} checks'


def main(argv=None):
    "Exit status 0, or 1 if a lesson failed; the others are run all the same."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('notebooks', nargs='*', type=Path, metavar='NOTEBOOK')
    parser.add_argument('--save', action='store_true', help='write the fresh outputs into the notebooks')
    parser.add_argument('--book', type=Path, default=ROOT/'book', help='folder of the pages (book/)')
    parser.add_argument('--timeout', type=int, default=300, metavar='S', help='seconds that one cell may take (300)')
    args = parser.parse_args(argv)
    paths = [path.resolve() for path in args.notebooks] or lessons(ROOT/'nbs')
    if not paths: parser.error('no lessons in nbs/')
    args.book.mkdir(parents=True, exist_ok=True)
    failed, bar = 0, progress_bar(paths, leave=False) if sys.stdout.isatty() else paths
    for path in bar:
        try: line = run(path, args.book, args.timeout, args.save)
        except (LessonError, OSError, ValueError) as error: failed, line = failed + 1, f'FAILED {path.name}: {error}'
        print(f'\r{line:<100}' if sys.stdout.isatty() else line, flush=True)
    (args.book/'index.html').write_text(index(paths[0].parent, args.book), encoding='utf-8')
    print(f'{len(paths) - failed} of {len(paths)} lessons ran; pages: {args.book/"index.html"}')
    return int(failed > 0)


if __name__ == '__main__': sys.exit(main())

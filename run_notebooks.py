"""Runs the lessons, each in a fresh kernel, and writes their pages to book/.

    python run_notebooks.py                          every lesson of nbs/, in reading order
    python run_notebooks.py nbs/01_matmul.ipynb      this one
    python run_notebooks.py --save                   and keep the fresh outputs in the notebooks
    python run_notebooks.py --pages                  run nothing: pages of what the notebooks have saved

A lesson's page shows what the run gave; only with --pages it shows saved outputs, and says so. nbs/ is not written to without --save.
"""
import argparse, base64, io, os, re, sys, time
from pathlib import Path

import nbformat
from fastprogress.fastprogress import progress_bar
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.preprocessors import ExecutePreprocessor
from PIL import Image

from pages.book import repository, write as write_book
from pages.lesson import lessons, page, read

ROOT = Path(__file__).resolve().parent
METADATA = {'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
            'language_info': {'file_extension': '.py', 'mimetype': 'text/x-python', 'name': 'python',
                              'pygments_lexer': 'ipython3'}}
CHECK = re.compile(r'^\s*assert\b|(?<!def )(?<![\w.])test(_\w+)?\(', re.MULTILINE)


class LessonError(Exception):
    "Which cell of a lesson went wrong, and how (cells of every kind are counted, from 1); the `notebook` as far as it went."
    def __init__(self, message, notebook):
        super().__init__(message)
        self.notebook = notebook


# Run

class OwnKernel(AsyncKernelManager):
    "A kernel of the interpreter that runs this script, whatever else is installed under the name python3."
    def _kernel_spec_manager_default(self): return KernelSpecManager(kernel_dirs=[])


def execute(path, timeout=300, more=()):
    """The lesson, run from top to bottom in its folder, and then the sources `more` as cells of their own: a notebook with
    fresh outputs. Raises LessonError."""
    path, place = Path(path).resolve(), {'cell': 0}
    notebook = read(path)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in more]
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
    "The picture, in base64, with a palette of 256 colours, rare ones among them: half of the bytes, and no colour off by more than a few of 255."
    try: picture, small = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    except OSError: return png                                                          # no picture after all
    if picture.mode == 'P': return png
    flat = Image.new('RGB', picture.size, 'white')
    flat.paste(picture, mask=picture.getchannel('A') if 'A' in picture.getbands() else None)
    flat.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(small, 'png', optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def save(notebook, path, seconds):
    "Writes the lesson whole or not at all, and only if it differs: other `seconds` are written if they are quite other ones."
    before = read(path).metadata.get('exp', {}).get('seconds', 0)
    close = before and abs(seconds - before) < max(5, before / 2)
    notebook.metadata['exp'] = {'seconds': before if close else max(round(seconds), 1)}
    text, temporary = nbformat.writes(notebook) + '\n', path.with_name(f'.{path.name}.part')
    if path.read_bytes() == text.encode(): return
    temporary.write_bytes(text.encode())
    os.replace(temporary, path)


# Command line

def run(path, book, timeout, keep):
    "Runs one lesson, writes its page, and if it is to be kept its notebook; returns the line that says so. Raises LessonError."
    start = time.perf_counter()
    try: notebook = execute(path, timeout)
    except LessonError as error:
        write(error.notebook, path, book, failed=str(error))
        raise
    seconds = time.perf_counter() - start
    checks = sum(bool(CHECK.search(cell.source)) for cell in notebook.cells if cell.cell_type == 'code')
    write(notebook, path, book, seconds=seconds)
    if keep: save(notebook, path, seconds)
    return f'{path.stem:<28} {seconds:6.1f} s {len(notebook.cells):5} cells {checks:4} checks'


def show(path, book):
    "Writes the page of what the notebook has saved."
    notebook = read(path)
    write(notebook, path, book, seconds=notebook.metadata.get('exp', {}).get('seconds'))
    return f'{path.stem:<28} {len(notebook.cells):14} cells'


def write(notebook, path, book, **told):
    "Writes the lesson's page."
    (book/f'{path.stem}.html').write_text(page(notebook, path, repository=repository(path.parent.parent), **told), encoding='utf-8')


def main(argv=None):
    "Exit status 0, or 1 if a lesson failed; the others are run all the same."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('notebooks', nargs='*', type=Path, metavar='NOTEBOOK')
    parser.add_argument('--save', action='store_true', help='write the fresh outputs into the notebooks')
    parser.add_argument('--pages', action='store_true', help='run nothing: pages of what the notebooks have saved')
    parser.add_argument('--book', type=Path, default=ROOT/'book', help='folder of the pages (book/)')
    parser.add_argument('--timeout', type=int, default=300, metavar='S', help='seconds that one cell may take (300)')
    args = parser.parse_args(argv)
    paths = [path.resolve() for path in args.notebooks] or lessons(ROOT/'nbs')
    if not paths: parser.error('no lessons in nbs/')
    args.book.mkdir(parents=True, exist_ok=True)
    failed, bar = 0, progress_bar(paths, leave=False) if sys.stdout.isatty() else paths
    for path in bar:
        try: line = show(path, args.book) if args.pages else run(path, args.book, args.timeout, args.save)
        except (LessonError, OSError, ValueError) as error: failed, line = failed + 1, f'FAILED {path.name}: {error}'
        print(f'\r{line:<100}' if sys.stdout.isatty() else line, flush=True)
    write_book(paths[0].parent, args.book)
    print(f'{len(paths) - failed} of {len(paths)} lessons {"have a page" if args.pages else "ran"}; pages: {args.book/"index.html"}')
    return int(failed > 0)


if __name__ == '__main__': sys.exit(main())

"""Glue between notebook2script.py and Jupyter; the converter itself knows nothing of it.

- A server extension: saving a notebook of the project in JupyterLab regenerates its module. `make lab` switches it on:
  `jupyter lab --ServerApp.jpserver_extensions=notebook2script_jupyter=True`. What was refused or is doubtful stands in the
  server's log, and JupyterLab shows it as a notification: labextensions/ listens to the event that is emitted here. (An error
  raised in the hook would be shown too, but as a save that failed.)
- An exporter: `jupyter nbconvert --to exp nbs/02_title.ipynb`, and JupyterLab's *Save and Export Notebook As*.
- For a notebook: after `%load_ext notebook2script_jupyter` a traceback names the cell behind each line of a module.
"""
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import notebook2script as n2s
from nbconvert.exporters import Exporter


# The save hook

def passed_over(path):
    """Why a saved file is not exported, '' where it is. None, without a word, for what is no notebook, or none of a
    project that has modules already or the table [tool.notebook2script] in pyproject.toml."""
    place = n2s.project(path.parent) if path.suffix == '.ipynb' else None
    if not place or path.name.startswith(('.', '_', 'Untitled')) or '.ipynb_checkpoints' in path.parts: return None
    root, notebooks, modules = place
    if n2s.settings(root) is None and not any(module.is_file() and n2s.re.match(n2s.HEAD, module.read_text('utf-8', 'replace'))
                                              for module in modules.glob('nb_*.py')): return None
    if path.parent != notebooks: return f'it does not lie in {notebooks}'
    return '' if n2s.numbered(path.stem)[0] else 'its name has no number and title, such as 02_title.ipynb'


def export_saved(path, log):
    """Exports the notebook at `path`, if it belongs to a project; whatever goes wrong is logged, and never stops the save.
    What its reader is to be shown: ('error' or 'warning' or '', a sentence or ''); None where nothing was exported."""
    path = Path(n2s.os.path.abspath(path))
    try:
        if (reason := passed_over(path)) is None: return None
        if reason: return log.info('%s was saved, but not exported: %s', path.name, reason)
        result = n2s.export(path, patience=1)
    except Exception as e:
        log.error('%s was saved, but not exported:\n%s', path.name, e)
        said = e.args if isinstance(e, n2s.Refused) else [str(e) or type(e).__name__]
        return 'error', sentence(f'{path.name} is saved, but not exported:', path, said)
    said = [*result.problems, *result.notes]
    for problem in said: log.warning('%s', problem)
    for module in result.written: log.info('%s -> %s', path.name, module.name)
    return ('warning', sentence(f'{path.name} is exported, with a doubt:', path, said)) if said else ('', '')


def sentence(opening, path, problems):
    "The `opening` and the first problem, of one line and without the notebook's name: JupyterLab shows 140 characters."
    first = str(problems[0]).split('\n')[0]
    place, found, rest = first.partition(path.name)
    more = f' ({len(problems) - 1} more in the log of the server)' if len(problems) > 1 else ''
    return f'{opening} {rest.lstrip(" ,:") if found and " " not in place else first}{more}'


SAVED = {'$id': 'urn:notebook2script:saved', 'version': '1', 'title': 'A notebook was saved and its module written, or not', 'type': 'object',
         'personal-data': False, 'required': ['path', 'kind', 'message'],
         'properties': {'path': {'type': 'string'}, 'kind': {'enum': ['', 'warning', 'error']}, 'message': {'type': 'string'}}}


def _jupyter_server_extension_points(): return [{'module': 'notebook2script_jupyter'}]


def _load_jupyter_server_extension(app):
    "Adds the hook after each save, behind any that is there already. It works in a thread: the server does not wait for it."
    worker = ThreadPoolExecutor(1, 'notebook2script')
    app.event_logger.register_event_schema(SAVED)

    def work(path):
        if (said := export_saved(path, app.log)) is None: return
        data = {'path': str(path), 'kind': said[0], 'message': said[1]}
        app.io_loop.add_callback(lambda: app.event_logger.emit(schema_id=SAVED['$id'], data=data))

    def exported(model=None, os_path=None, contents_manager=None, **_):
        if model is None or model.get('type') == 'notebook': worker.submit(work, os_path)
    app.contents_manager.register_post_save_hook(exported)
    app.log.info('notebook2script: saving a notebook of a project regenerates its module')


# The exporter

class ExpExporter(Exporter):
    "nbconvert's exporter `exp`: the module that a notebook exports, checked and written as notebook2script.py does it."
    export_from_notebook = 'Module (#export cells)'
    file_extension = '.py'
    output_mimetype = 'text/x-python'

    def from_notebook_node(self, nb, resources=None, **kw):
        """(text of the module, resources). When the notebook exports nothing or is wrong, nbconvert's command line ends
        with the sentence that says so; elsewhere notebook2script.Refused is raised."""
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        try: return self.module(json.dumps(nb).encode(), resources.get('metadata', {})), resources
        except n2s.Refused as e:
            from nbconvert.nbconvertapp import NbConvertApp            # it imports this module while it is imported
            if NbConvertApp.initialized(): raise SystemExit(str(e)) from None
            raise

    def module(self, data, metadata):
        "The text of the module. Raises notebook2script.Refused."
        folder = Path(n2s.os.path.abspath(metadata.get('path') or '.'))
        root, home, out = n2s.places([folder])
        path = (home if metadata.get('path') is None else folder)/f"{metadata.get('name') or '0'}.ipynb"
        shown, result = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name, n2s.Result()
        module = n2s.Module(shown, n2s.cells_of(data, shown), out.name, result)
        if not module.exported: raise n2s.Refused(f'{shown}: exports nothing')
        if not result.errors: n2s.connect([module], [path], root, home, out, result)
        if result.errors: raise n2s.Refused(*result.errors)
        for problem in (*result.problems, *result.notes): self.log.warning('%s', problem)
        return module.text


# The extension of IPython

def load_ipython_extension(shell):
    "Shows, from now on, the cell of the notebook under each line of a traceback that lies in a generated module."
    shell.notebook2script_plain = plain = shell._showtraceback         # IPython means it to be replaced
    def with_places(kind, error, lines): plain(kind, error, [*n2s.placed('\n'.join(lines).split('\n'))])
    shell._showtraceback = with_places


def unload_ipython_extension(shell):
    "Tracebacks as they were."
    shell._showtraceback = shell.notebook2script_plain

"""Glue between notebook2script.py and Jupyter; the converter itself knows nothing of it.

- A server extension: saving a notebook of the project in JupyterLab regenerates its module. `make lab` switches it on:
  `jupyter lab --ServerApp.jpserver_extensions=notebook2script_jupyter=True`.
- An exporter: `jupyter nbconvert --to exp nbs/02_title.ipynb`, and JupyterLab's *Save and Export Notebook As*.
"""
import json
from pathlib import Path

import notebook2script as n2s
from nbconvert.exporters import Exporter


def belongs(path):
    "Whether a saved file is a notebook of a project: numbered, in a folder nbs/."
    return path.suffix == '.ipynb' and path.parent.name == 'nbs' and n2s.numbered(path.stem)[0] is not None


def export_saved(path, log):
    "Exports the notebook at `path`, if it belongs to a project; whatever goes wrong is logged, and never stops the save."
    path = Path(path).absolute()
    if not belongs(path): return
    try: result = n2s.export(path, root=path.parent.parent)
    except Exception as e: return log.error('%s was saved, but not exported:\n%s', path.name, e)
    for problem in result.problems: log.warning('%s', problem)
    for module in result.written: log.info('%s -> %s', path.name, module.name)


def _jupyter_server_extension_points(): return [{'module': 'notebook2script_jupyter'}]


def _load_jupyter_server_extension(app):
    "Adds the hook after each save, behind any that is there already."
    def exported(model=None, os_path=None, contents_manager=None, **_):
        if model is None or model.get('type') == 'notebook': export_saved(os_path, app.log)
    app.contents_manager.register_post_save_hook(exported)
    app.log.info('notebook2script: saving a notebook of nbs/ regenerates its module')


class ExpExporter(Exporter):
    "nbconvert's exporter `exp`: the module that a notebook exports, as notebook2script.py writes it."
    export_from_notebook = 'Module (#export cells)'
    file_extension = '.py'
    output_mimetype = 'text/x-python'

    def from_notebook_node(self, nb, resources=None, **kw):
        "(text of the module, resources). Raises notebook2script.Refused when the notebook exports nothing or is wrong."
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        shown = f"nbs/{resources.get('metadata', {}).get('name') or '0'}.ipynb"
        module, problems = n2s.convert(n2s.cells_of(json.dumps(nb).encode(), shown), shown, Path('exp'))
        if problems or not module: raise n2s.Refused(*problems or [f'{shown}: exports nothing'])
        return module.text, resources

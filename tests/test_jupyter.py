"Jupyter's side: the save hook, nbconvert's exporter, and both in a real JupyterLab, driven in a real browser."
import json, logging, os, shutil, socket, subprocess, sys, time, urllib.request
from pathlib import Path
import pytest
import notebook2script
from notebook2script_jupyter import ExpExporter, _jupyter_server_extension_points, belongs, export_saved
from test_notebook2script import nb, shop                                # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


def test_a_saved_notebook_of_a_project_is_exported_wherever_the_server_runs(shop, caplog, monkeypatch):
    shop('01_a.ipynb', '#export\na = 1')
    monkeypatch.chdir('/')
    with caplog.at_level(logging.INFO): export_saved(shop.root/'nbs'/'01_a.ipynb', logging.getLogger())
    assert 'a = 1' in shop.module() and '01_a.ipynb -> nb_01.py' in caplog.text


def test_a_refused_export_is_logged_and_does_not_stop_the_save(shop, caplog):
    shop('01_a.ipynb', '#export\na = = 1')
    export_saved(str(shop.root/'nbs'/'01_a.ipynb'), logging.getLogger())
    assert 'was saved, but not exported' in caplog.text and 'cell 1, line 2' in caplog.text and not (shop.root/'exp').exists()


def test_a_missing_name_is_logged_and_the_module_written(shop, caplog):
    shop('01_a.ipynb', '#export\na = mdl')
    export_saved(shop.root/'nbs'/'01_a.ipynb', logging.getLogger())
    assert '`mdl` is set nowhere' in caplog.text and 'a = mdl' in shop.module()


def test_not_even_a_mistake_of_ours_stops_the_save(shop, caplog, monkeypatch):
    def mistaken(*paths, **kw): raise KeyError('a mistake')
    shop('01_a.ipynb', '#export\na = 1')
    monkeypatch.setattr(notebook2script, 'export', mistaken)
    export_saved(shop.root/'nbs'/'01_a.ipynb', logging.getLogger())
    assert "01_a.ipynb was saved, but not exported:\n'a mistake'" in caplog.text


@pytest.mark.parametrize('path', ['x/01_a.ipynb', 'nbs/notes.ipynb', 'nbs/01_a.py', 'nbs/Untitled.ipynb'])
def test_other_files_are_left_alone(path): assert not belongs(Path(path))


def test_the_extension_registers_a_hook_that_looks_at_notebooks_only(shop):
    class App:
        log, hooks = logging.getLogger(), []
        class contents_manager: register_post_save_hook = staticmethod(lambda hook: App.hooks.append(hook))
    module = __import__(_jupyter_server_extension_points()[0]['module'])
    module._load_jupyter_server_extension(App)
    shop('01_a.ipynb', '#export\na = 1')
    path = str(shop.root/'nbs'/'01_a.ipynb')
    App.hooks[0](model={'type': 'file'}, os_path=path, contents_manager=None)
    assert not (shop.root/'exp').exists()
    App.hooks[0](model={'type': 'notebook'}, os_path=path, contents_manager=None)
    assert 'a = 1' in shop.module()


def test_nbconverts_exporter_gives_the_module_to_the_byte(shop):
    shop('01_a.ipynb', ('markdown', 'text'), '#export\na = 1')
    notebook2script.export()
    text, _ = ExpExporter().from_filename(str(shop.root/'nbs'/'01_a.ipynb'))
    assert text == shop.module()
    for source, message in ('a = 1', 'exports nothing'), ('#export\na = (', 'cell 1, line 2: .* was never closed'):
        shop('02_b.ipynb', source)
        with pytest.raises(notebook2script.Refused, match=message): ExpExporter().from_filename(str(shop.root/'nbs'/'02_b.ipynb'))


def test_nbconvert_knows_the_exporter_by_name(shop):
    shop('01_a.ipynb', '#export\na = 1')
    done = subprocess.run([sys.executable, '-m', 'nbconvert', '--to', 'exp', '--stdout', 'nbs/01_a.ipynb'], capture_output=True, text=True)
    assert done.stdout.rstrip('\n').endswith('# %% nbs/01_a.ipynb export 1\na = 1'), done.stderr


# ---- in a browser

@pytest.fixture
def lab(tmp_path):
    "A JupyterLab on a copy of the lessons; the folder and the address."
    for folder in ('nbs', 'exp'): shutil.copytree(ROOT/folder, tmp_path/folder, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints'))
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    env = {**os.environ, 'JUPYTER_CONFIG_DIR': str(tmp_path/'config'), 'JUPYTERLAB_SETTINGS_DIR': str(tmp_path/'settings'), 'JUPYTER_PLATFORM_DIRS': '0'}
    options = ['--no-browser', '--allow-root', f'--port={port}', '--IdentityProvider.token=', f'--ServerApp.root_dir={tmp_path}',
               '--ServerApp.jpserver_extensions=notebook2script_jupyter=True']
    log = open(tmp_path/'log', 'w')
    server = subprocess.Popen([sys.executable, '-m', 'jupyterlab', *options], env=env, stdout=log, stderr=log, cwd=tmp_path)
    address = f'http://127.0.0.1:{port}'
    try:
        for _ in range(120):
            try: urllib.request.urlopen(address + '/api', timeout=5); break
            except OSError: time.sleep(.5)
        else: raise AssertionError((tmp_path/'log').read_text()[-2000:])
        yield tmp_path, address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def until(what, seconds=30):
    "Waits until `what()` is true, and returns it."
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end: time.sleep(.2)
    return what()


@pytest.mark.skipif(CHROMIUM is None, reason='no Chromium on this machine: install it to drive JupyterLab in a browser')
def test_in_jupyterlab_saving_regenerates_the_module_and_the_menu_offers_it(lab):
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    folder, address = lab
    module, downloads = folder/'exp'/'nb_02.py', []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox', '--disable-gpu'])
        context = browser.new_context(accept_downloads=True, viewport={'width': 1300, 'height': 900})
        context.on('page', lambda tab: tab.on('download', lambda download: downloads.append(download)))
        page = context.new_page()
        page.goto(address + '/lab/tree/nbs/02_fully_connected.ipynb', timeout=60_000)
        cell = page.locator('.jp-CodeCell .cm-content', has_text='from torch.nn import init').first
        cell.click(timeout=60_000)
        page.keyboard.press('Control+End')
        page.keyboard.type('\nedited_in_a_browser = 1')
        page.keyboard.press('Control+s')
        assert until(lambda: 'edited_in_a_browser = 1' in module.read_text()), (folder/'log').read_text()[-2000:]
        page.locator('.lm-MenuBar-itemLabel', has_text='File').click()
        page.locator('.lm-Menu-itemLabel', has_text='Save and Export Notebook As').hover()
        page.get_by_role('menuitem', name='Exp', exact=True).click(timeout=20_000)
        assert until(lambda: page.wait_for_timeout(200) or downloads)
        assert Path(downloads[0].path()).read_text() == module.read_text()
        browser.close()

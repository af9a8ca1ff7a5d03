"Jupyter's side: the save hook, nbconvert's exporter, and both in a real JupyterLab, driven in a real browser."
import io, json, logging, os, shutil, socket, subprocess, sys, threading, time, urllib.request
from pathlib import Path
import pytest
import notebook2script
import notebook2script_jupyter as glue
from notebook2script_jupyter import ExpExporter, _jupyter_server_extension_points, export_saved
from test_notebook2script import shop                                    # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)


@pytest.fixture
def ours(shop):
    "A project that has said so."
    (shop.root/'pyproject.toml').write_text('[tool.notebook2script]\n')
    return shop


def save(shop, name, caplog):
    "What the log says when a notebook has been saved."
    caplog.clear()
    with caplog.at_level(logging.INFO): export_saved(str(shop.root/'nbs'/name), logging.getLogger())
    return caplog.text


def test_a_saved_notebook_of_a_project_is_exported_wherever_the_server_runs(ours, caplog, monkeypatch):
    ours('01_a.ipynb', '#export\na = 1')
    monkeypatch.chdir('/')
    assert '01_a.ipynb -> nb_01.py' in save(ours, '01_a.ipynb', caplog) and 'a = 1' in ours.module()


def test_a_refused_export_is_logged_and_does_not_stop_the_save(ours, caplog):
    ours('01_a.ipynb', '#export\na = = 1')
    said = save(ours, '01_a.ipynb', caplog)
    assert 'was saved, but not exported' in said and 'cell 1, line 2' in said and not (ours.root/'exp').exists()


def test_a_missing_name_is_logged_and_the_module_written(ours, caplog):
    ours('01_a.ipynb', '#export\na = mdl')
    assert '`mdl` is set nowhere' in save(ours, '01_a.ipynb', caplog) and 'a = mdl' in ours.module()


def test_not_even_a_mistake_of_ours_stops_the_save(ours, caplog, monkeypatch):
    def mistaken(*paths, **kw): raise KeyError('a mistake')
    ours('01_a.ipynb', '#export\na = 1')
    monkeypatch.setattr(notebook2script, 'export', mistaken)
    assert "01_a.ipynb was saved, but not exported:\n'a mistake'" in save(ours, '01_a.ipynb', caplog)


def test_a_project_that_is_not_ours_is_not_touched_and_not_spoken_of(shop, caplog):
    shop('01_a.ipynb', '#export\na = 1')
    assert save(shop, '01_a.ipynb', caplog) == '' and not (shop.root/'exp').exists()
    (shop.root/'exp').mkdir()
    (shop.root/'exp'/'nb_02.py').write_text('mine = 1\n'), (shop.root/'exp'/'nb_03.py').mkdir()
    if os.name != 'nt': (shop.root/'exp'/'nb_04.py').symlink_to(shop.root/'nowhere')
    assert save(shop, '01_a.ipynb', caplog) == '' and not (shop.root/'exp'/'nb_01.py').exists()


def test_a_project_that_has_a_module_is_ours(shop, caplog):
    shop('01_a.ipynb', '#export\na = 1')
    notebook2script.export()
    shop('01_a.ipynb', '#export\na = 2')
    assert 'nb_01.py' in save(shop, '01_a.ipynb', caplog) and 'a = 2' in shop.module()


def test_what_is_passed_over_is_logged_with_the_reason(ours, caplog):
    (ours.root/'nbs'/'old').mkdir()
    for name, reason in ('notes.ipynb', 'its name has no number'), ('old/01_a.ipynb', 'it does not lie in '), ('02B.ipynb', 'has no number and title'):
        ours(name, '#export\na = 1')
        assert f'was saved, but not exported: {reason}' in save(ours, name, caplog) or reason in caplog.text
    for name in ('Untitled.ipynb', '01_a.py', '_01_a.ipynb'): assert save(ours, name, caplog) == ''
    assert not (ours.root/'exp').exists()


def test_the_hook_obeys_the_table_in_pyproject(ours, caplog):
    (ours.root/'pyproject.toml').write_text('[tool.notebook2script]\nnotebooks = "lessons"\nout = "src/lib"\n')
    (ours.root/'lessons').mkdir()
    ours('../lessons/01_a.ipynb', '#export\na = 1'), ours('02_a.ipynb', '#export\na = 1')
    assert 'nb_01.py' in save(ours, '../lessons/01_a.ipynb', caplog) and 'it does not lie in' in save(ours, '02_a.ipynb', caplog)
    assert [p.name for p in (ours.root/'src'/'lib').iterdir()] == ['nb_01.py'] and not (ours.root/'exp').exists()


def test_a_table_may_name_the_folder_of_the_notebooks_in_a_roundabout_way(ours, caplog):
    (ours.root/'pyproject.toml').write_text('[tool.notebook2script]\nnotebooks = "x/../nbs"\n')
    ours('01_a.ipynb', '#export\na = 1')
    assert '01_a.ipynb -> nb_01.py' in save(ours, '01_a.ipynb', caplog)


def test_a_copy_that_jupyterlab_makes_does_not_replace_the_module(ours, caplog):
    ours('01_a.ipynb', '#export\na = 1')
    save(ours, '01_a.ipynb', caplog)
    ours('01_a-Copy1.ipynb', '#export\na = 2')
    assert 'gives nb_01, as 01_a.ipynb does' in save(ours, '01_a-Copy1.ipynb', caplog) and 'a = 1' in ours.module()


@pytest.mark.skipif(os.name == 'nt', reason='locks work in another way')
def test_the_hook_waits_a_second_for_another_run_and_then_says_so(ours, caplog):
    import fcntl
    ours('01_a.ipynb', '#export\na = 1')
    (ours.root/'exp').mkdir()
    with open(ours.root/'exp'/'.notebook2script.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert 'another run has been writing there for 1 s' in save(ours, '01_a.ipynb', caplog)


class App:
    "A server, as far as the extension sees it; `events` are those that were emitted."
    def __init__(self):
        from jupyter_events import EventLogger
        self.log, self.hooks, self.contents_manager, self.io_loop = logging.getLogger(), [], self, self
        self.register_post_save_hook, self.add_callback = self.hooks.append, lambda work: work()
        self.sink = io.StringIO()
        self.event_logger = EventLogger(handlers=[logging.StreamHandler(self.sink)])
        __import__(_jupyter_server_extension_points()[0]['module'])._load_jupyter_server_extension(self)

    @property
    def events(self): return [json.loads(line) for line in self.sink.getvalue().splitlines()]


def test_the_extension_registers_a_hook_that_looks_at_notebooks_only(ours):
    hook, = App().hooks
    ours('01_a.ipynb', '#export\na = 1'), ours('02_a.ipynb', '#export\na = 1')
    hook(model={'type': 'file'}, os_path=str(ours.root/'nbs'/'01_a.ipynb'), contents_manager=None)
    hook(model={'type': 'notebook'}, os_path=str(ours.root/'nbs'/'02_a.ipynb'), contents_manager=None)
    assert until(lambda: (ours.root/'exp'/'nb_02.py').exists()) and not (ours.root/'exp'/'nb_01.py').exists()


def test_the_server_does_not_wait_for_the_export(ours, monkeypatch):
    gate, done, (hook,) = threading.Event(), threading.Event(), App().hooks
    monkeypatch.setattr(glue, 'export_saved', lambda path, log: gate.wait(30) and done.set())
    hook(model={'type': 'notebook'}, os_path='x')                      # would wait for ever in the server's own thread
    gate.set()
    assert done.wait(30)


@pytest.mark.parametrize('source, kind, message', [
    ('#export\na = (', 'error', "01_a.ipynb is saved, but not exported: cell 1, line 2: '(' was never closed"),
    ('#export\na = mdl', 'warning', '01_a.ipynb is exported, with a doubt: cell 1, line 2: `mdl` is set nowhere'), ('#export\na = 1', '', '')])
def test_each_save_emits_an_event_that_tells_the_reader_what_is_wrong(ours, source, kind, message):
    app, path = App(), str(ours('01_a.ipynb', source) or ours.root/'nbs'/'01_a.ipynb')
    app.hooks[0](model={'type': 'notebook'}, os_path=path)
    event, = until(lambda: app.events)
    assert (event['path'], event['kind'], event['__schema__']) == (path, kind, 'urn:notebook2script:saved') and event['message'].startswith(message) and len(event['message']) < 140


def test_where_nothing_is_exported_the_reader_is_told_nothing(shop):
    shop('01_a.ipynb', '#export\na = 1'), shop('notes.ipynb', '#export\na = 1')
    assert export_saved(shop.root/'nbs'/'01_a.ipynb', logging.getLogger()) is None
    (shop.root/'pyproject.toml').write_text('[tool.notebook2script]\n')
    assert export_saved(shop.root/'nbs'/'notes.ipynb', logging.getLogger()) is None and export_saved(shop.root/'nbs'/'01_a.ipynb', logging.getLogger()) == ('', '')


def test_of_several_problems_the_first_is_shown_and_the_others_counted():
    told = glue.sentence('It is saved.', Path('/x/nbs/01_a.ipynb'), ['nbs/01_a.ipynb: cell 1, line 2: wrong\n    a = (', 'more', 'more'])
    assert told == 'It is saved. cell 1, line 2: wrong (2 more in the log of the server)'
    assert glue.sentence('It is saved.', Path('/x/nbs/01_a.ipynb'), [KeyError('a mistake in 01_a.ipynb: x')]) == "It is saved. 'a mistake in 01_a.ipynb: x'"


@pytest.mark.parametrize('error, says', [(OSError(28, 'No space left on device'), '[Errno 28] No space left on device'), (ZeroDivisionError(), 'ZeroDivisionError'), (notebook2script.Refused('one', 'two'), 'one (1 more in the log of the server)')])
def test_whatever_goes_wrong_is_shown_in_words(ours, monkeypatch, error, says):
    def fail(*paths, **kw): raise error
    ours('01_a.ipynb', '#export\na = 1')
    monkeypatch.setattr(notebook2script, 'export', fail)
    assert export_saved(ours.root/'nbs'/'01_a.ipynb', logging.getLogger()) == ('error', f'01_a.ipynb is saved, but not exported: {says}')


def test_nbconverts_exporter_gives_the_module_to_the_byte(shop):
    shop('01_a.ipynb', ('markdown', 'text'), '#export\na = 1')
    notebook2script.export()
    text, _ = ExpExporter().from_filename(str(shop.root/'nbs'/'01_a.ipynb'))
    assert text == shop.module()
    for source, message in ('a = 1', 'exports nothing'), ('#export\na = (', 'cell 1, line 2: .* was never closed'), ('#export\nfrom exp.nb_09 import x', 'exp.nb_09 does not exist'):
        shop('02_b.ipynb', source)
        with pytest.raises(notebook2script.Refused, match=message): ExpExporter().from_filename(str(shop.root/'nbs'/'02_b.ipynb'))


@pytest.mark.parametrize('folder, table', [('nbs/old', ''), ('lessons', '[tool.notebook2script]\nnotebooks = "../lessons"\n')])
def test_nbconverts_exporter_names_the_notebook_as_the_script_does(shop, monkeypatch, folder, table):
    root = shop.root/'inner' if table else shop.root
    (root/'nbs').mkdir(parents=True, exist_ok=True), (shop.root/folder).mkdir()
    (root/'pyproject.toml').write_text(table)
    shop(f'../{folder}/01_a.ipynb', '#export\na = 1')
    if table: (shop.root/'nbs').rmdir()                                # or else this were the project of the lessons
    monkeypatch.chdir(root)
    path = shop.root/folder/'01_a.ipynb'
    module, = notebook2script.export(*([] if table else [path])).written
    monkeypatch.chdir(root if table else shop.root/folder)
    text, _ = ExpExporter().from_filename(os.path.relpath(path))
    assert text == module.read_text()


def test_nbconverts_exporter_warns_of_names_as_the_script_does(shop, caplog):
    shop('01_a.ipynb', '#export\na = mdl')
    ExpExporter().from_filename(str(shop.root/'nbs'/'01_a.ipynb'))
    assert '`mdl` is set nowhere' in caplog.text


def nbconvert(path): return subprocess.run([sys.executable, '-m', 'nbconvert', '--to', 'exp', '--stdout', path], capture_output=True, text=True)


def test_nbconvert_knows_the_exporter_by_name(shop):
    shop('01_a.ipynb', '#export\na = 1')
    notebook2script.export()
    done = nbconvert('nbs/01_a.ipynb')
    assert done.stdout.rstrip('\n') == shop.module().rstrip('\n'), done.stderr


def test_nbconvert_refuses_with_a_sentence_and_no_traceback(shop):
    shop('01_a.ipynb', '#export\na = (')
    done = nbconvert('nbs/01_a.ipynb')
    assert done.returncode == 1 and 'Traceback' not in done.stderr and "cell 1, line 2: '(' was never closed" in done.stderr


@pytest.mark.parametrize('colours', ['nocolor', 'neutral'])
def test_in_a_notebook_the_extension_names_the_cell_under_each_line_of_a_module(shop, capsys, monkeypatch, colours):
    from IPython.core.interactiveshell import InteractiveShell
    shop('01_a.ipynb', ('markdown', 'x'), '#export\ndef f(x):\n    return 1/x')
    notebook2script.export(out=f'of_{colours}')
    monkeypatch.syspath_prepend(str(shop.root))
    shell = InteractiveShell(colors=colours)
    for load in (True, False):
        (glue.load_ipython_extension if load else glue.unload_ipython_extension)(shell)
        shell.run_cell(f'from of_{colours}.nb_01 import f\nf(0)')
        out = capsys.readouterr().out
        assert 'ZeroDivisionError' in out and ('    nbs/01_a.ipynb, cell 2, line 3\n' in out) == load


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
               '--ServerApp.jpserver_extensions=notebook2script_jupyter=True', f'--LabApp.extra_labextensions_path={ROOT/"labextensions"}']
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
        def save_as_typed(text):
            "Once is not enough: a kernel that reports at this moment makes the notebook unsaved again, and a save that is under way lets no second one in."
            page.keyboard.type(text)
            for _ in range(30):
                page.keyboard.press('Control+s')
                page.wait_for_timeout(1000)
                if page.locator('.lm-TabBar-tab.jp-mod-dirty').count() == 0: return
            raise AssertionError((folder/'log').read_text()[-2000:])
        page.goto(address + '/lab/tree/nbs/02_fully_connected.ipynb', timeout=60_000)
        cell = page.locator('.jp-CodeCell .cm-content', has_text='from torch.nn import init').first
        cell.click(timeout=60_000)
        page.keyboard.press('Control+End')
        save_as_typed('\nedited_in_a_browser = 1')
        assert until(lambda: 'edited_in_a_browser = 1' in module.read_text()), (folder/'log').read_text()[-2000:]
        save_as_typed('\nedited_in_a_browser = (')
        toast = page.locator('.Toastify__toast', has_text='02_fully_connected.ipynb is saved, but not exported: cell')
        assert until(lambda: page.wait_for_timeout(200) or toast.count() == 1), toast.count()       # a former one has gone, where it was saved twice
        assert "'(' was never closed" in toast.inner_text()
        assert 'edited_in_a_browser = (' in (folder/'nbs'/'02_fully_connected.ipynb').read_text() and 'edited_in_a_browser = (' not in module.read_text()
        save_as_typed('1)')
        toast.wait_for(state='detached', timeout=60_000)               # the next save was exported: it goes
        assert until(lambda: 'edited_in_a_browser = (1)' in module.read_text())
        page.locator('.lm-MenuBar-itemLabel', has_text='File').click()
        page.locator('.lm-Menu-itemLabel', has_text='Save and Export Notebook As').hover()
        page.get_by_role('menuitem', name='Exp', exact=True).click(timeout=120_000)
        assert until(lambda: page.wait_for_timeout(200) or downloads)
        assert Path(downloads[0].path()).read_text() == module.read_text()
        browser.close()

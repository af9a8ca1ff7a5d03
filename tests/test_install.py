"install.py, the Makefile and constraints.txt: what a newcomer's first command does, and what it says when that goes wrong. No network is used."
import ast, json, os, re, shutil, subprocess, sys
from pathlib import Path
import pytest
import install, pins, run_notebooks

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name == 'nt', reason='a script stands for pip')


@pytest.fixture
def place(tmp_path, monkeypatch):
    "install.py in a folder of its own; a function that puts a shell script in the place of .venv's Python."
    for name in ('constraints.txt', 'setup.py', 'Makefile'): shutil.copy(ROOT/name, tmp_path)
    venv = tmp_path/'.venv'
    for name, value in {'ROOT': tmp_path, 'VENV': venv, 'STAMP': venv/'installed', 'PYTHON': venv/'bin'/'python'}.items(): monkeypatch.setattr(install, name, value)
    def python(script):
        (venv/'bin').mkdir(parents=True, exist_ok=True)
        (venv/'bin'/'python').write_text(f'#!/bin/sh\n{script}\n')
        (venv/'bin'/'python').chmod(0o755)
        return tmp_path
    return python


@pytest.fixture
def no_pip(monkeypatch):
    "New environments without pip: five seconds less."
    run = subprocess.run
    def quick(command, **kw): return run([*command, '--without-pip'] if command[1:3] == ['-m', 'venv'] else command, **kw)
    monkeypatch.setattr(install.subprocess, 'run', quick)


def test_a_python_that_is_too_old_can_read_it_and_is_told(monkeypatch):
    ast.parse((ROOT/'install.py').read_text(encoding='utf-8'), feature_version=(3, 6))
    monkeypatch.setattr(sys, 'version_info', (3, 9, 2))
    with pytest.raises(SystemExit, match=r'Python 3.11 or newer is needed, and this is 3.9: make run PYTHON='): install.main()


def test_where_debian_has_left_out_ensurepip_its_package_is_named(monkeypatch, place):
    monkeypatch.setitem(sys.modules, 'ensurepip', None)
    with pytest.raises(SystemExit, match=r'sudo apt install python3\.\d+-venv'): install.environment()


@posix
@pytest.mark.parametrize('script', ["echo '/usr (3, 10, 1)'", 'exit 1'])
def test_an_environment_of_another_python_or_a_broken_one_is_made_anew(place, no_pip, capsys, script):
    place(script)
    install.environment()
    assert 'a new one is made' in capsys.readouterr().out and install.says(install.PYTHON, install.WHICH) == install.says(sys.executable, install.WHICH)


@posix
def test_an_environment_of_this_python_is_kept(place, no_pip, capsys):
    place('exit 1')
    install.environment()
    (install.VENV/'mine').touch()
    install.environment()
    assert (install.VENV/'mine').exists() and capsys.readouterr().out.count('a new one') == 1


@posix
def test_when_pip_fails_the_cause_is_shown_and_what_can_be_done(place):
    place('echo "Collecting torch==2.13.0"; echo "ERROR: No matching distribution found for torch==2.13.0"; exit 1')
    with pytest.raises(SystemExit) as end: install.pip('1 of 2: torch', 'torch')
    said = str(end.value)
    assert said.startswith('ERROR: No matching distribution found for torch==2.13.0\n') and 'not for macOS on Intel' in said and said.endswith('.venv/install.log')
    assert 'Collecting torch' in (install.VENV/'install.log').read_text()


@posix
def test_when_pip_succeeds_it_is_said_how_much_was_done(place, capsys):
    place('echo "Collecting a>=1 (from b)"; echo "  Downloading a-1-py3-none-any.whl (16 kB)"; echo "Collecting c"')
    install.pip('2 of 2: the rest', '-e', '.')
    assert re.fullmatch(r'2 of 2: the rest \.\.\.\n    done after \d+ s: 2 packages looked at\n', capsys.readouterr().out)


@pytest.mark.parametrize('said, told', [
    ('OSError: [Errno 28] No space left on device', '5.2 GB'),
    ("Retrying after connection broken by 'NewConnectionError(Failed to establish a new connection)'\nERROR: No matching distribution found for torch==2.13.0", 'index was not reached'),
    ('ERROR: No matching distribution found for torch==2.13.0', 'nor for Windows on ARM'),
    ('ERROR: Ignored the following versions that require a different python version: 4.1.2 Requires-Python >=3.11.5', 'make run PYTHON='),
    ('error: command gcc failed', '')])
def test_what_can_be_done_follows_from_what_pip_says(said, told):
    assert told in install.advice(said) and bool(told) == bool(install.advice(said))


def test_a_line_says_what_pip_is_doing():
    line = install.Line()
    for text, doing in [('Collecting torch==2.13.0', 'collecting torch'), ('  Downloading torch-2.13.0-cp311.whl (190.1 MB)', 'downloading torch (190.1 MB)'),
                        ('Progress 50 of 200', 'downloading torch (190.1 MB) 25%'), ('Progress 200 of 200', 'downloading torch (190.1 MB) 100%'), ('nothing', 'downloading torch (190.1 MB) 100%')]:
        line.tell(text)
        assert line.doing == doing
    assert line.packages == 1


@posix
@pytest.mark.parametrize('build', ['cuda', 'cpu'])
def test_torch_with_cuda_is_announced_once_and_before_the_rest_is_fetched(place, capsys, build):
    cuda = 'echo "Collecting nvidia-cublas==13.1 (from torch==2.13.0)"; echo "Collecting cuda-toolkit==13"' if build == 'cuda' else 'echo "Collecting numpy"'
    place(f'echo "Collecting torch==2.13.0"; {cuda}; echo "ERROR: No space left"; exit 1')
    with pytest.raises(SystemExit): install.pip('1 of 2: torch', 'torch')
    said = capsys.readouterr().out
    assert said.count('about 5.2 GB') == (build == 'cuda') == said.count('PIP_EXTRA_INDEX_URL')


def asked(folder, *arguments):
    "Would make run install.py?"
    env = {name: value for name, value in os.environ.items() if name != 'PYTHON'}
    return 'install.py' in subprocess.run(['make', '-n', '.venv/installed', *arguments], cwd=folder, capture_output=True, text=True, env=env).stdout


@posix
def test_make_installs_when_asked_for_a_python_or_without_one_that_runs(place):
    folder = place('exit 0')
    assert asked(folder)
    (folder/'.venv'/'installed').touch()
    assert not asked(folder) and asked(folder, 'PYTHON=python3.12')
    (folder/'.venv'/'bin'/'python').unlink()
    assert asked(folder)
    (folder/'.venv'/'bin'/'python').symlink_to('/nowhere/python')
    assert asked(folder)


@posix
def test_what_is_installed_is_not_installed_again(place, no_pip, monkeypatch, capsys):
    place('exit 1')
    monkeypatch.setattr(install, 'pip', lambda what, *arguments: print(what))
    install.main()
    said = capsys.readouterr().out
    assert said.index('Installing into .venv') < said.index('1 of 2: torch==') < said.index('2 of 2')
    install.main()
    assert capsys.readouterr().out == ''


MILESTONES = sorted((ROOT/'nbs').glob('*_milestone.ipynb'))
each_milestone = pytest.mark.parametrize('path', MILESTONES, ids=lambda path: path.stem)
def code_cells(path): return [cell for cell in json.loads(path.read_text(encoding='utf-8'))['cells'] if cell['cell_type'] == 'code']


def gate_table(path):
    "The table of its gate that a milestone has saved."
    return next(text for cell in code_cells(path) for output in cell['outputs'] if re.match(' +(at least|wanted) ', text := ''.join(output.get('text', ''))))


@posix
@pytest.mark.parametrize('status', [0, 1, 3])
def test_make_milestone_runs_all_of_them_shows_each_gate_and_fails_if_one_did(place, status):
    folder = place(f'echo "$@"\nexit {status}')
    for name in ('nbs', 'book'): (folder/name).mkdir()
    for path in MILESTONES:
        (folder/'nbs'/path.name).touch()
        run_notebooks.show(path, folder/'book')                 # as the run would have written it
    env = {name: value for name, value in os.environ.items() if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}     # `make test` may have started us
    done = subprocess.run(['make', 'milestone', '-o', '.venv/installed'], cwd=folder, capture_output=True, text=True, env=env)
    ran = ' '.join(['run_notebooks.py', *[f'nbs/{path.name}' for path in MILESTONES]])
    assert done.stdout.rstrip() == '\n\n'.join([ran, *[f'nbs/{path.name}\n{gate_table(path).rstrip()}' for path in MILESTONES]])
    assert len(MILESTONES) >= 2 and (done.returncode != 0) == (status != 0)


@each_milestone
def test_a_milestone_stops_where_its_gate_is_missed_and_names_the_figure(path):
    from unittest.mock import MagicMock
    sources = [''.join(cell['source']) for cell in code_cells(path)]
    gate, look = [next(found[0] for source in sources if (found := re.search(begin, source, re.DOTALL | re.MULTILINE))) for begin in (r'^GATE = .*?(?=\Z|^for |^ours = )', '^ours = .*')]
    space = {**dict.fromkeys(['learn', 'ask', 'x_test', 'y_test'], MagicMock()), 'examine': lambda *_: figures}
    exec('\n'.join(re.findall('^from exp.*', '\n'.join(sources), re.MULTILINE)), space)
    own = f"nb_{path.stem.split('_')[0]}"
    if (ROOT/'exp'/f'{own}.py').exists(): exec(f'from exp.{own} import *', space)
    exec(gate, space)
    demands = space['GATE'].items() if isinstance(space['GATE'], dict) else [(demand.name, demand.limit) for demand in space['GATE'].demands]
    figures = dict(demands)
    exec(look, space)
    for name, limit in demands:
        figures[name] = float('nan')
        with pytest.raises(AssertionError) as stopped: exec(look, space)
        why = str(stopped.value).removeprefix('the gate stays closed: ')
        assert (why == f"['{name}']" or why.startswith(f'{name} at ')) and ';' not in why
        figures[name] = limit
    assert len(figures) == 5


def test_each_line_is_a_pin_of_one_package_to_one_version():
    lines = [line for line in (ROOT/'constraints.txt').read_text(encoding='utf-8').splitlines() if not line.startswith('#')]
    assert lines == [f'{name}=={version}' for name, version in pins.pins().items()]
    assert len({re.sub('[-_.]+', '-', name).lower() for name in pins.pins()}) == len(lines) > 100


@pytest.mark.parametrize('file, python, system, why', [
    ('a-1.0-py3-none-any.whl', '3.11.0', 'windows', ''), ('a-1.0-py3-none-any.whl >=3.11.5', '3.11.2', 'linux', 'wants Python >=3.11.5'), ('a-1.0-py3-none-any.whl >=3.11.5', '3.12.0', 'linux', ''),
    ('a-1.0-cp311-cp311-manylinux_2_17_x86_64.whl', '3.11.0', 'linux', ''), ('a-1.0-cp311-cp311-manylinux_2_17_x86_64.whl', '3.12.0', 'linux', 'no wheel for it'),
    ('a-1.0-cp39-abi3-win_amd64.whl', '3.14.0', 'windows', ''), ('a-1.0-cp39-abi3-win_amd64.whl', '3.14.0', 'linux-arm', 'no wheel for it'),
    ('a-1.0-cp314-cp314-macosx_11_0_arm64.whl', '3.14.0', 'macos-arm', ''), ('a-1.0-cp314-cp314-macosx_15_0_arm64.whl', '3.14.0', 'macos-arm', 'no wheel for it'),
    ('a-2.0-py3-none-any.whl', '3.11.0', 'linux', 'no wheel for it'), ('a-1.0.tar.gz', '3.11.0', 'linux', 'no wheel for it'), ('a-1.0-py3-none-any.whl  withdrawn', '3.11.0', 'linux', 'no wheel for it')])
def test_a_pin_fits_where_there_is_a_wheel_that_this_python_may_have(file, python, system, why):
    name, wants, yanked = (file.split(' ') + ['', ''])[:3]
    files = [{'filename': name, 'requires-python': wants or None, 'yanked': yanked or False}]
    assert pins.missing([*pins.fitting(files, '1.0')], python, system) == why


def test_the_workflow_tests_the_oldest_and_the_newest_python_on_each_system():
    flow = (ROOT/'.github'/'workflows'/'ci.yml').read_text(encoding='utf-8')
    assert re.search(r"python: \['3\.11', '3\.14'\]", flow) and all(system in flow for system in ('ubuntu-latest', 'macos-latest', 'windows-latest'))
    setup = (ROOT/'setup.py').read_text(encoding='utf-8')
    assert {'3.' + minor for minor in re.findall(r"Python :: 3\.(\d+)'", setup)} == {'3.11', '3.12', '3.13', '3.14'} == {version.rsplit('.', 1)[0] for version in pins.PYTHONS}

"What somebody gets who installs the project: its wheel, built from a copy and used without the project. No network is used."
import email, re, shutil, subprocess, sys, zipfile
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    "The wheel, built from a copy."
    source, built = tmp_path_factory.mktemp('source')/'project', tmp_path_factory.mktemp('built')
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns('.*', '__pycache__', 'build', 'dist', 'book', '*.egg-info', 'nbs', 'tests'))
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', built, source], check=True)
    return next(built.glob('*.whl'))


def test_it_holds_every_module_the_data_and_the_word_to_jupyterlab_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if '.dist-info/' not in name}
    want = {f'exp/{path.name}' for path in (ROOT/'exp').glob('*.py')} | {'notebook2script.py', 'notebook2script_jupyter.py'}
    want |= {f'exp/data/{path.parent.name}/{path.name}' for path in (ROOT/'data').glob('*/*')}
    version = re.search(r'-([\d.]+)-', wheel.name)[1]
    want |= {f'exp_lessons-{version}.data/data/share/jupyter/labextensions/notebook2script/{name}' for name in ('package.json', 'remoteEntry.js')}
    assert names == want


def test_its_metadata_are_whole(wheel):
    archive = zipfile.ZipFile(wheel)
    text = archive.read(next(name for name in archive.namelist() if name.endswith('METADATA'))).decode()
    data = email.message_from_string(text)
    assert data['Name'] == 'exp-lessons' and data['Author'] == 'The exp authors' and data['Requires-Python'] == '>=3.11'
    assert data['Description-Content-Type'] == 'text/markdown' and '## The lessons' in data.get_payload()
    assert 'Apache-2.0' in (data['License'], data['License-Expression'])
    assert data['Keywords'] and 'Programming Language :: Python :: 3.14' in data.get_all('Classifier') and data['Home-page'] is None


def test_installed_elsewhere_it_reads_its_data_and_exports(wheel, tmp_path):
    subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--no-index', '--target', tmp_path/'site', wheel], check=True)
    code = f'import sys; sys.path.insert(0, {str(tmp_path/"site")!r}); from exp.nb_02 import get_data, __file__ as f; print(f); print(*(len(t) for t in get_data()))'
    done = subprocess.run([sys.executable, '-I', '-c', code], cwd=tmp_path, capture_output=True, text=True)
    place, sizes = done.stdout.split('\n')[:2]
    assert Path(place).is_relative_to(tmp_path) and sizes == '50000 50000 10000 10000', done.stderr

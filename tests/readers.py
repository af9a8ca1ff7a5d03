"A project of one small lesson, readers' workbooks of it, and who grades them: for the tests of the grading."
import argparse, csv, hashlib, json, re, shutil, subprocess, sys
from pathlib import Path
import pytest
import workbook_house, workbook_grade                        # before workbook, which puts the real project first on the path: here a mutant may stand
import workbook, workbook_check
from workbook_grade import Grader



def has_walls():
    "Whether this system lets us build walls; asked of util-linux, not of what is tested."
    tool = shutil.which('unshare') if sys.platform == 'linux' else None
    return bool(tool) and any(subprocess.run([tool, flags, 'true'], capture_output=True).returncode == 0 for flags in ('-mpnf', '-Urmpnf'))


walled = pytest.mark.skipif(not has_walls(), reason='this system lets nobody build walls')
CELLS = ['import math', '''def double(x):
    "Twice x."
    return {'twice-7351': 2}['twice-7351'] * x''', '''def area(r):
    "Of a circle."
    return math.pi * r**2''', '''class Counter:
    "Counts."
    def __init__(self, start):
        "Begins somewhere."
        self.n = start
    def up(self):
        "One more."
        self.n += 1
        return self.n''']
TESTS = '''import math, pytest
from exp.nb_01 import Counter, area, double
def test_twice_three_is_six(): assert double(3) == 6
def test_twice_nothing_is_nothing(): assert double(0) == 0
def test_a_circle_has_its_area(): assert math.isclose(area(2), 4 * math.pi)
def test_a_counter_goes_up(): assert Counter(2).up() == 3
'''
IDS = [f'tests/test_nb_01.py::{name}' for name in re.findall(r'def (\w+)', TESTS)]
TABLE = {'nb_01': {'tests': IDS, 'refused': {}, 'hash': '', 'holes': {'double': [0, 1], 'area': [2], 'Counter.__init__': [3], 'Counter.up': [3]},
                   'mutants': [['double', 'one more, for twice as much', [0, 1], ''], ['area', 'the circumference will do', [2], '']]}}
ANSWERS = {'double': 'def double(x): return x + x', 'area': 'def area(r): return math.pi * r * r',
           'Counter.__init__': '    def __init__(self, start): self.n = start', 'Counter.up': '    def up(self):\n        self.n = self.n + 1\n        return self.n'}


def cell(source, **metadata): return {'cell_type': 'code', 'id': hashlib.md5(source.encode()).hexdigest()[:8], 'metadata': metadata, 'execution_count': None, 'outputs': [], 'source': source.splitlines(True)}


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    "A project of one small lesson, in the place of this one."
    root = tmp_path_factory.mktemp('project')
    root.chmod(0o755)                                        # or else a guest of root's could not see it without any wall
    notebook = {'cells': [cell('#export\n' + source) for source in CELLS], 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}
    files = {'exp/__init__.py': '', 'exp/nb_01.py': '\n\n'.join(CELLS) + '\n', 'tests/test_nb_01.py': TESTS, 'tests/conftest.py': '', 'README.md': 'twice-7351', 'data/numbers': '1 2 3',
             'nbs/01_small.ipynb': json.dumps(notebook), 'tests/mutants/table.json': json.dumps(TABLE)}
    for name, text in files.items():
        (root/name).parent.mkdir(parents=True, exist_ok=True)
        (root/name).write_text(text)
    (root/'data').chmod(0o777)                               # shown, and only by its wall not to be written to
    with pytest.MonkeyPatch.context() as patch:
        for module in workbook, workbook_check, workbook_grade: patch.setattr(module, 'ROOT', root)
        patch.setattr(workbook_check, 'TABLE', root/'tests'/'mutants'/'table.json')
        workbook_check.tables.cache_clear()
        yield root
    workbook_check.tables.cache_clear()


def settings(**more): return argparse.Namespace(**{'trust': False, 'limit': 1, 'memory': 300, 'jobs': 2, 'again': False, **more})


@pytest.fixture(scope='module')
def grader(project, tmp_path_factory):
    with Grader('nb_01', tmp_path_factory.mktemp('kept'), settings()) as grader: yield grader


def filled(reader='', **answers):
    "The JSON of a workbook: `Counter_up` stands for `Counter.up`; what is not given stays empty."
    answers, notebook = {name.replace('Counter_', 'Counter.'): source for name, source in answers.items()}, workbook.made(workbook.lesson('01'))
    for one in notebook['cells']:
        for name in one['metadata'].get('exp', {}).get('holes', ()):
            text = ''.join(one['source'])
            if name not in answers: continue
            node, lines = dict(workbook_check.every_definition(workbook_check.parsed(text)))[name], text.split('\n')
            lines[node.lineno - 1:node.end_lineno] = answers[name].split('\n')
            one['source'] = '\n'.join(lines).splitlines(True)
    if reader: notebook['metadata']['authors'] = [{'name': reader}]
    return json.dumps(notebook)


@pytest.fixture
def folder(project, tmp_path):
    "A folder with the workbooks given as {file: JSON}."
    def folder(files):
        for name, text in files.items():
            (tmp_path/name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path/name).write_text(text)
        return tmp_path
    return folder


def rows(path):
    with open(path, newline='') as file: return list(csv.DictReader(file))


ALL = {name.replace('.', '_'): source for name, source in ANSWERS.items()}

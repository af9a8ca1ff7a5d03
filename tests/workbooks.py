"A small project with one lesson, for the tests of the workbooks: the scripts themselves, a notebook, its module, tests and mistakes."
import importlib, json, shutil, subprocess, sys
from pathlib import Path
import pytest
import workbook as script

ROOT = Path(script.__file__).parent                          # where the text lies that is being tested
SCRIPTS = ['notebook2script.py', 'workbook.py', 'workbook_check.py', 'workbook_trial.py', 'workbook_words.py', 'tests/mutants/__main__.py', 'tests/mutants/trial.py', 'tests/mutants/table.py']
HALF = '''#export
def half(x):
    "Half of `x`."
    return x / 2        # not //'''
BOX = '''#export
class Box:
    "Holds a number."
    def __init__(self, x): self.x = x
    def twice(self):
        """Two
times."""
        both = self.x + self.x
        return both
    @functools.lru_cache
    def text(self):
        # of the number
        if self.x < 0: return 'none'
        return f'{self.x}'
    @property
    def number(self): return self.x
    @number.setter
    def number(self, x): self.x = x
    def unused(self): return "nobody asks"'''
CELLS = [('markdown', '# 01 · Small\nSee [the next](02_next.ipynb).'), ('code', '#export\nimport functools'), ('code', '%matplotlib inline\nimport inspect'), ('code', HALF),
         ('code', 'def halve(number): return number / 2'), ('code', 'def slowly(x): return x * .5\nhalf(3), slowly(3)'), ('code', BOX), ('code', 'Box(2).twice()'),
         ('code', 'print(inspect.getsource(half))'), ('code', 'print("in one")'),
         ('markdown', '## Exercises\n<details><summary>Answers</summary>\n\n1. `x / 2`\n\n</details>\n\n## Reading')]
OUTPUTS = {5: [{'output_type': 'execute_result', 'data': {'text/plain': ['(1.5, 1.5)']}, 'execution_count': 1, 'metadata': {}}],
           9: [{'output_type': 'stream', 'name': 'stdout', 'text': ['both = self.x + self.x\n']}]}
TESTS = '''
import pytest
from exp.nb_01 import Box, half
@pytest.fixture(scope='module')
def box(): return Box(3)
def test_half_of_an_even_number_and_of_nothing(): assert half(4) == 2 and half(0) == 0
@pytest.mark.parametrize('x', [1, -3])
def test_half_of_an_odd_number(x): assert half(x) == x * .5
def test_half_keeps_the_sign(): assert half(-4) < 0
def test_a_box_is_asked(box): assert box.twice() == 6
def test_a_box_is_written(box): assert box.text() == '3'
def test_what_is_negative_is_not_written(): assert Box(-1).text() == 'none'
def test_in_a_process():
    import os, subprocess, sys
    subprocess.run([sys.executable, '-c', ''])
    assert half(2) == 1
'''
MISTAKES = [('x / 2', 'x // 2', 'a half is whole'), ('x / 2', 'x * 2', 'to halve is to double'), ('x / 2', '-x / 2', 'the sign turns'), ('x / 2', 'abs(x) / 2', 'a half has no sign'),
            ('self.x + self.x', 'self.x', 'twice is once'), ('self.x + self.x', 'self.x * self.x', 'twice is the square'), ("return 'none'", "return ''", 'nothing is no word'),
            ('if self.x < 0: ', 'if self.x > 0: ', 'more than nothing is nothing'), ("return f'{self.x}'", "return self.x", 'a number is a text'), ('self.x = x\n    def twice', 'self.x = 0\n    def twice', 'what is given is for later')]


def project(folder):
    "Lays out the project in `folder`, and sorts its tests."
    for name in SCRIPTS:
        (folder/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT/name, folder/name)
    made = {'markdown': {}, 'code': {'execution_count': None, 'outputs': []}}
    cells = [{'cell_type': kind, 'id': f'cell-{i}', 'metadata': {}, 'source': text.splitlines(True), **made[kind]} for i, (kind, text) in enumerate(CELLS)]
    for i, outputs in OUTPUTS.items(): cells[i]['outputs'] = outputs
    notebook = {'cells': cells, 'metadata': {'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'}}, 'nbformat': 4, 'nbformat_minor': 5}
    nothing = {**notebook, 'cells': cells[:1]}
    files = {'exp/__init__.py': '', 'nbs/01_small.ipynb': json.dumps(notebook), 'nbs/02_next.ipynb': json.dumps(nothing), 'tests/test_nb_01.py': TESTS,
             'tests/mutants/nb_01.py': f'MUTANTS = {MISTAKES}'}
    for name, text in files.items():
        (folder/name).parent.mkdir(parents=True, exist_ok=True)
        (folder/name).write_text(text)
    for script in ['notebook2script.py', '-q'], ['tests/mutants/table.py', 'nb_01']: run(folder, *script)
    return folder


def run(folder, *command, **more):
    "Runs a script of the project; returns what it has printed. A script that fails is an error."
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def load(folder):
    "The module `workbook` of a project, beside the one of this project."
    names = ['workbook', 'workbook_check', 'workbook_trial', 'workbook_words', 'notebook2script', 'trial']
    before, path = {name: sys.modules.pop(name, None) for name in names}, list(sys.path)
    sys.path.insert(0, str(folder))
    try: return importlib.import_module('workbook')
    finally:
        sys.path[:] = path
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module: sys.modules[name] = module


# Fixtures: a test file has those that it imports

@pytest.fixture(scope='module')
def workbook(tmp_path_factory): return load(project(tmp_path_factory.mktemp('small')))


@pytest.fixture(scope='module')
def parts(workbook):
    "The names of workbook_check."
    return workbook.check.__globals__


@pytest.fixture
def half(workbook):
    "What is found about an answer to `half`, written as its last line."
    return lambda line, above='': workbook.check('nb_01', 'half', f'{above}def half(x):\n    {line}')

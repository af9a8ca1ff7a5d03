"The rules of the house: what a module of exp/ may import, how long it may be, and that importing it shows nothing."
import ast, os, re, subprocess, sys
from collections import defaultdict
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT/'exp').glob('nb_*.py'))
TREES = {path.stem: ast.parse(path.read_text(encoding='utf-8')) for path in MODULES}
THIRD_PARTY = {'torch', 'numpy', 'matplotlib', 'networkx', 'fastprogress', 'pooch', 'PIL'}
DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
each_module = pytest.mark.parametrize('name', TREES)

IMPORT_ALL = '''
import importlib, os, pathlib, random, sys
import torch
def state():
    return {'random numbers': (torch.get_rng_state().tolist(), random.getstate()), 'threads': torch.get_num_threads(),
            'default dtype': torch.get_default_dtype(), 'gradient mode': torch.is_grad_enabled(),
            'class Tensor': sorted(vars(torch.Tensor)), 'class Path': sorted(vars(pathlib.Path)),
            'environment': dict(os.environ), 'matplotlib': 'matplotlib' in sys.modules}
before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
    for what, was in before.items():
        if state()[what] != was: print(f'importing {name} changes: {what}')
'''


def order(name):
    "`nb_02` before `nb_02a` before `nb_03`."
    number, letter = re.fullmatch(r'nb_(\d+)([a-z]?)', name).groups()
    return int(number), letter


def imports(tree):
    "The full names of the modules that are imported, in functions too."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module == 'exp': yield from (f'exp.{a.name}' for a in node.names)
        elif isinstance(node, ast.ImportFrom): yield '.'*node.level + (node.module or '')


def nodes(name, *kinds):
    "The nodes of these kinds in a module, at any depth."
    return [node for node in ast.walk(TREES[name]) if isinstance(node, kinds)]


def length(node):
    "Lines from `def` or `class` to the last."
    return node.end_lineno - node.lineno + 1


def homes():
    "Public name -> the modules that define it."
    found = defaultdict(set)
    for module, tree in TREES.items():
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, 'target', None)]
            parts = [part for target in targets if target for part in ast.walk(target)]
            names = {n.id for n in parts if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            if isinstance(node, DEFINITIONS): names.add(node.name)
            for name in names: found[name].add(module)
    return {name: modules for name, modules in found.items() if not name.startswith('_')}


def test_there_are_modules():
    assert MODULES and homes()


def test_the_modules_are_what_the_lessons_say():
    done = subprocess.run([sys.executable, 'notebook2script.py', '--check'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@each_module
def test_a_module_imports_earlier_modules_only(name):
    used = [module.removeprefix('exp.') for module in imports(TREES[name]) if module.startswith('exp.')]
    assert [module for module in used if order(module) >= order(name)] == []


@each_module
def test_a_module_imports_what_the_project_depends_on_and_nothing_else(name):
    used = {module.split('.')[0] for module in imports(TREES[name])}
    assert used - THIRD_PARTY - sys.stdlib_module_names - {'exp'} == set()


@each_module
def test_a_module_imports_by_name(name):
    assert [node.module for node in nodes(name, ast.ImportFrom) if node.names[0].name == '*'] == []


def test_each_public_name_has_one_home():
    assert {name: modules for name, modules in homes().items() if len(modules) > 1} == {}


@pytest.mark.parametrize('path', MODULES, ids=lambda path: path.stem)
def test_a_module_has_at_most_250_lines_without_the_marks_between_its_cells(path):
    assert len(re.sub(r'\n# ---\n#.*\n# %%.*', '', path.read_text(encoding='utf-8')).splitlines()) <= 250


@each_module
def test_a_function_has_at_most_25_lines_and_a_class_80(name):
    functions, classes = nodes(name, *DEFINITIONS[:2]), nodes(name, ast.ClassDef)
    assert [f.name for f in functions if length(f) > 25] + [c.name for c in classes if length(c) > 80] == []


def test_the_script_is_one_file_with_lines_of_at_most_120_letters_and_functions_of_at_most_25_lines():
    text = (ROOT/'notebook2script.py').read_text(encoding='utf-8')
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert len(text.splitlines()) <= 861 and max(map(len, text.splitlines())) <= 120
    assert [f.name for f in functions if length(f) > 25] == []


@each_module
def test_every_public_function_and_class_has_a_docstring(name):
    public = [node for node in TREES[name].body if isinstance(node, DEFINITIONS) and not node.name.startswith('_')]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


@each_module
def test_no_default_argument_is_mutable(name):
    mutable = ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp
    arguments = [node.args for node in nodes(name, *DEFINITIONS[:2], ast.Lambda)]
    assert [ast.unparse(d) for a in arguments for d in [*a.defaults, *a.kw_defaults] if isinstance(d, mutable)] == []


def test_importing_the_modules_does_nothing_visible(tmp_path):
    names = [f'exp.{name}' for name in sorted(TREES, key=order)]
    done = subprocess.run([sys.executable, '-c', IMPORT_ALL, *names], cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    assert list(tmp_path.iterdir()) == []


def test_no_pattern_has_a_possessive_group_which_python_before_3_11_5_matches_wrongly():
    paths = [*MODULES, *ROOT.glob('*.py'), *ROOT.glob('tests/*.py'), *ROOT.glob('bench/*.py')]
    texts = {path.name: [node.value for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))) if isinstance(node, ast.Constant) and isinstance(node.value, str)] for path in paths}
    assert [(name, text) for name, found in texts.items() for text in found if re.search(r'(?<!\\)\)[*+?]\+(?!\d)|\(\?>', text) and name != 'test_house.py'] == []

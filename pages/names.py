"What the lessons export: each name with its signature, its cell, the lessons that import it and the tests that mention it. Read, never run."
import ast, re
from collections import defaultdict
from dataclasses import dataclass, field

EXPORT = re.compile(r'\s*#\s*\|?\s*export\s*$', re.MULTILINE | re.IGNORECASE)
MAGIC = re.compile(r'^(\s*)[%!?].*', re.MULTILINE)
DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef


@dataclass
class Name:
    "An exported name; `cell` is the id of the cell that builds it, `methods` are pairs of signature and docstring."
    name: str
    cell: str
    signature: str
    doc: str = ''
    methods: list = field(default_factory=list)


def code(notebook):
    "Pairs of cell and syntax tree; what is no Python (a magic, an exercise half written) is left out."
    for cell in notebook.cells:
        if cell.cell_type != 'code': continue
        try: yield cell, ast.parse(MAGIC.sub(r'\1pass', cell.source))
        except SyntaxError: pass


def exported(notebook):
    "The public names of the exported cells, in the lesson's order."
    for cell, tree in code(notebook):
        if not EXPORT.match(cell.source): continue
        for node in tree.body: yield from (name for name in named(node, cell.id) if not name.name.startswith('_'))


def named(node, cell):
    "The names that a statement sets: a definition, or an assignment to plain names."
    if isinstance(node, ast.ClassDef): yield Name(node.name, cell, class_signature(node), ast.get_docstring(node) or '', list(methods(node)))
    elif isinstance(node, DEFINITIONS): yield Name(node.name, cell, signature(node), ast.get_docstring(node) or '')
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [part.id for target in targets for part in getattr(target, 'elts', [target]) if isinstance(part, ast.Name)]
        value = ast.unparse(node.value) if node.value else '...'
        for name in names: yield Name(name, cell, f'{name} = {value if len(value) < 90 and len(names) == 1 else "..."}')


def signature(node, without=0):
    "`name(arguments)` as it is written, but for the first `without` arguments."
    arguments = node.args
    first = arguments.posonlyargs or arguments.args
    del first[:without]
    returns = f' -> {ast.unparse(node.returns)}' if node.returns else ''
    return f'{node.name}({ast.unparse(arguments)}){returns}'


def class_signature(node):
    "How an object is made: the class with the arguments of its `__init__`, or with the fields of a dataclass."
    bases = f'  # extends {", ".join(map(ast.unparse, node.bases))}' if node.bases else ''
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == '__init__':
            return signature(part, 1).replace('__init__', node.name, 1) + bases
    if not any('dataclass' in ast.unparse(d) for d in node.decorator_list): return f'class {node.name}{bases}'
    fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign)]
    return f'{node.name}({", ".join(fields)}){bases}'


def methods(node):
    "The public methods that have a docstring, each with it."
    for part in node.body:
        if isinstance(part, DEFINITIONS[:2]) and not part.name.startswith('_') and ast.get_docstring(part):
            static = any(ast.unparse(d) == 'staticmethod' for d in part.decorator_list)
            yield signature(part, 0 if static else 1), ast.get_docstring(part)


def imported(notebook):
    "Pairs of module and name: what the lesson imports from other lessons, by name."
    return {(node.module, alias.name) for _, tree in code(notebook) for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('exp.nb_') for alias in node.names}


def tested(folder):
    "Pairs of module and name -> file of tests -> the tests that mention the name, in a file that imports it or its module."
    found = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob('test_*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        direct, modules = {}, {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == 'exp': modules.update({a.asname or a.name: f'exp.{a.name}' for a in node.names})
            elif isinstance(node, ast.ImportFrom): direct.update({a.asname or a.name: (node.module, a.name) for a in node.names})
            elif isinstance(node, ast.Import): modules.update({a.asname: a.name for a in node.names if a.asname})
        for test in ast.walk(tree):
            if not isinstance(test, ast.FunctionDef) or not test.name.startswith('test'): continue
            for name in mentions(test, direct, modules): found[name][path.name].append(test.name)
    return found


def mentions(test, direct, modules):
    "The pairs of module and name that a test's own code mentions, its decorators included."
    pairs = set()
    for node in ast.walk(test):
        if isinstance(node, ast.Name) and node.id in direct: pairs.add(direct[node.id])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            pairs.add((modules[node.value.id], node.attr))
    return pairs

"""What an answer does that no lesson needs: `os`, `eval`, `__globals__`, a change of torch. Told from its text, which is not run.

It is a sieve and no wall: workbook_sandbox.py has the walls. What it finds is for a teacher to look at."""
import ast, re

IMPORTS = set('''math itertools functools collections random copy numbers typing string statistics bisect heapq dataclasses
    contextlib abc torch numpy'''.split())
NAMES = set('eval exec compile open breakpoint globals locals vars getattr setattr delattr memoryview'.split())
ATTRIBUTES = set('''os sys builtins ctypes inspect gc importlib imp subprocess pickle marshal shutil socket signal threading multiprocessing
    pathlib io tempfile linecache traceback types weakref atexit runpy pdb pytest _pytest unittest hypothesis warnings faulthandler resource
    platform operator ctypeslib hub overrides library load fromfile memmap attrgetter methodcaller mro f_back f_locals f_globals f_builtins
    f_code tb_frame tb_next gi_frame gi_code cr_frame ag_frame'''.split())
COMPARED = set('equal allclose isclose tolist item eq all any numpy size numel'.split())      # by which a tensor is judged
HARMLESS = set('''__init__ __call__ __name__ __qualname__ __doc__ __class__ __len__ __iter__ __next__ __getitem__ __setitem__ __contains__
    __enter__ __exit__ __repr__ __str__ __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __pow__ __rpow__
    __matmul__ __rmatmul__ __neg__ __bool__ __post_init__'''.split())


def doubts(answer, solution, module):
    "Words for what an answer does that its solution does not do and no lesson needs; all three are trees."
    known = names(module)
    return sorted({*features(answer, known)} - {*features(solution, known)})


def names(module):
    "What a module imports, by the names that it gets and by those that it has."
    nodes = [node for node in ast.walk(module) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {*imports(module), *(alias.asname or alias.name for node in nodes for alias in node.names)}


def features(tree, known):
    "Words for what may reach out of a definition."
    docs = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)): yield from imported(node, known)
        elif isinstance(node, ast.Name) and (node.id in NAMES or node.id[:2] == '__' and node.id not in HARMLESS): yield node.id
        elif isinstance(node, ast.Attribute): yield from reached(node, known)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and root(node) in known: yield f'a change of {root(node)}'
        elif isinstance(node, ast.ClassDef): yield 'a class of its own'
        elif isinstance(node, ast.Call) and root(node.func) == 'type' and len(node.args) > 1: yield 'a class of its own'
        elif isinstance(node, ast.Global): yield 'global'
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield from (word for word in re.findall(r'__\w+?__', node.value) if word not in HARMLESS)


def imported(node, known):
    "What an import brings that is neither harmless nor among what the module itself imports."
    found = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom): found = [f'{node.module or ""}.{name}' for name in found]
    for name in found:
        parts = name.split('.')
        usual = parts[0] in IMPORTS or {name, name.rpartition('.')[0]} & known
        if not usual or any(part in ATTRIBUTES or part[:1] == '_' for part in parts) and name not in known: yield f'import {name}'


def reached(node, known):
    "An attribute that leads to the inside of Python, or a change of what is not the answer's."
    whole = f'{root(node)}.{node.attr}'
    if node.attr in ATTRIBUTES or node.attr[:2] == '__' and node.attr not in HARMLESS: yield node.attr
    elif root(node) in known and node.attr[0] == '_': yield whole
    if not isinstance(node.ctx, ast.Load) and (root(node) in known or node.attr == '__class__' or node.attr in COMPARED): yield f'a change of {whole}'


def root(node):
    "`torch` for `torch.nn.functional.relu` and for `torch.x[0]`; '' where it begins with no name."
    while isinstance(node, (ast.Attribute, ast.Subscript)): node = node.value
    return node.id if isinstance(node, ast.Name) else ''


def imports(tree):
    "The dotted names that are imported; those of `from a import b` may be a module `a.b` or not."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module: yield from (node.module, *(f'{node.module}.{alias.name}' for alias in node.names))

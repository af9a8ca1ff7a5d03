#!/usr/bin/env python3
"""Writes the cells of notebooks that are marked #export as modules: nbs/02_title.ipynb becomes exp/nb_02.py.

All notebooks are read and checked first, and every problem of every notebook is reported; then all changed modules are
written, or none. One file, standard library only: copy it into a repository of your own.

    notebook2script.py                     every notebook of nbs/, from any folder of the project
    notebook2script.py nbs/02_title.ipynb  this one
    notebook2script.py --check             writes nothing; exit status 1 where a module is not what its notebook says

Exit status: 0 done or clean, 1 --check found something, 2 bad input (nothing written), 3 the file system refused."""
import argparse, ast, builtins, json, os, re, sys, time
from pathlib import Path

NAME = re.compile(r'(\d+)([a-z]?)(?:_.*)?')
DIRECTIVE = re.compile(r'[ \t]*#[ \t]*\|?[ \t]*export[ \t]*', re.I)
COMMENT = re.compile(r'[ \t]*#(?P<rest>.*)')
MAGIC = re.compile(r'[ \t]*(%|!|\?|[\w.]+\?{1,2}\s*$)')
CONFLICT = re.compile(r'^(<<<<<<< |>>>>>>> |=======$)', re.M)
MARK = '# Generated from '
HASH = re.compile(r'^# Do not edit.* ([0-9a-f]{16})$', re.M)
PLACE = re.compile(r'# %% (.+) export (\d+)$')

class Problem(Exception):
    "One thing that is wrong: `message`, and where: notebook, cell (from 1), line, its text, column."
    def __init__(self, message, path=None, cell=None, line=None, text='', column=None):
        self.message, self.path, self.cell, self.line, self.text, self.column = message, path, cell, line, text, column

    def __str__(self):
        place = [str(self.path)] if self.path else []
        where = f'cell {self.cell}' + (f', line {self.line}' if self.line else '') if self.cell else ''
        lines = [': '.join([*place, *([where] if where else []), self.message])]
        if self.text: lines += ['    ' + self.text.strip('\r\n')]
        if self.text and self.column is not None: lines += ['    ' + ' ' * self.column + '^']
        return '\n'.join(lines)

class Refused(Exception):
    "Nothing was written, because of `problems`."
    def __init__(self, problems):
        self.problems = problems
        super().__init__('\n'.join(map(str, problems)))

def order_of(name):
    "The place of `05`, `05a` or `05a_title` in reading order, as (5, 'a'); None where the name has no number."
    match = NAME.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


# Read: bytes -> cells

def read(path, shown):
    "The cells of a notebook as (type, source) pairs. Raises Problem."
    def wrong(message, cell=None): raise Problem(message, shown, cell)
    try: text = path.read_bytes().decode('utf-8-sig')
    except UnicodeDecodeError as e: wrong(f'not UTF-8: byte {e.start} is {e.object[e.start]:#04x}')
    except OSError as e: wrong(f'cannot be read: {e.strerror}')
    try: notebook = json.loads(text)
    except RecursionError: wrong('nested too deeply')
    except ValueError as e:
        if CONFLICT.search(text): wrong('has the conflict markers of an unfinished merge')
        wrong('is empty' if not text.strip() else f'not JSON, or cut off: {e}')
    if not isinstance(notebook, dict) or not isinstance(notebook.get('cells', []), list): wrong('not a notebook')
    version = notebook.get('nbformat')
    if version != 4: wrong(f'has nbformat {version!r}, only 4 can be read: open it in Jupyter and save it')
    if 'cells' not in notebook: wrong('not a notebook: it has no cells')
    return [cell_source(cell, number, wrong) for number, cell in enumerate(notebook['cells'], 1)]

def cell_source(cell, number, wrong):
    "The (type, source) of one cell of the JSON."
    if not isinstance(cell, dict) or not isinstance(cell.get('cell_type'), str): wrong('not a cell', number)
    source = cell.get('source', '')
    try: source = ''.join(source) if isinstance(source, list) else source + ''
    except TypeError: wrong('source is neither a text nor a list of texts', number)
    if '\r' in source: source = source.replace('\r\n', '\n').replace('\r', '\n')
    if cell['cell_type'] != 'code' and '<<<<<<< ' in source and CONFLICT.search(source):
        wrong('has the conflict markers of an unfinished merge', number)
    return cell['cell_type'], source


# Select: cells -> exported cells

class Cell:
    "An exported cell: its number among all cells, its text without the directive, and the line the directive was on."
    def __init__(self, number, text, directive): self.number, self.text, self.directive = number, text, directive

    def line(self, line):
        "The line in the notebook's cell of a line of the text; both count from 1."
        return line + (line >= self.directive)

def select(cells, shown):
    "The exported cells, and a Problem for each directive that is almost right."
    exported, problems = [], []
    for number, (kind, source) in enumerate(cells, 1):
        if '#' not in source: continue
        lines = source.split('\n')
        at = directive(lines) if kind == 'code' else None
        if at is not None:
            text = '\n'.join(lines[:at] + lines[at + 1:])
            if text.strip(): exported.append(Cell(number, text, at + 1))
        problems += [Problem(message, shown, number, i + 1, lines[i]) for i, message in misses(kind, lines, at)]
    return exported, problems

def directive(lines):
    "The index of the directive among the leading comments and blank lines, or None."
    for i, line in enumerate(lines):
        if DIRECTIVE.fullmatch(line): return i
        if line.strip() and not COMMENT.match(line): return None

def misses(kind, lines, at):
    "(index, message) of each line that looks like a directive and is none."
    body = next((i for i, line in enumerate(lines) if line.strip() and not COMMENT.match(line)), len(lines))
    fenced = False
    for i, line in enumerate(lines):
        if line.lstrip().startswith(('```', '~~~')): fenced = not fenced
        if i == at or '#' not in line: continue
        if kind != 'code':
            if not fenced and DIRECTIVE.fullmatch(line) and not re.match(r'# +E', line):
                yield i, f'a directive in a {kind} cell exports nothing'
        elif DIRECTIVE.fullmatch(line) and is_comment(lines, i):
            if at is not None and i < body: yield i, 'a second directive'
            elif lines[body].lstrip().startswith('%%'):
                yield i, f'a cell with {lines[body].split()[0]} cannot be exported'
            else: yield i, 'the directive must stand above the first line of code'
        elif i < body and near_miss(line): yield i, f'is this meant to be #export? {line.strip()!r} is not understood'

def is_comment(lines, index):
    "Whether a line that looks like a comment is one, and not part of a text in quotes."
    import io, tokenize
    try:
        for token in tokenize.generate_tokens(io.StringIO('\n'.join(lines)).readline):
            if token.type == tokenize.COMMENT and token.start[0] == index + 1: return True
    except (tokenize.TokenError, SyntaxError): return True
    return False

def near_miss(line):
    "Whether a comment is a misspelt directive, or one with more behind it, rather than a sentence."
    import difflib
    rest = COMMENT.match(line)['rest']
    first, *more = rest.lstrip(' |\t').split() or ['']
    if not 4 <= len(first) <= 8 or difflib.SequenceMatcher(None, first.lower(), 'export').ratio() < .7: return False
    tight = not rest.startswith((' ', '\t')) or rest.lstrip().startswith('|')
    return tight or not more or (first.lower() == 'export' and len(more) == 1)


# Check: exported cells -> a module's text, if it can be one

class Module:
    "What one notebook exports: `name` (nb_02), `order`, `cells`, and after `assemble` its `body` and `names`."
    def __init__(self, path, shown, cells):
        self.path, self.shown, self.cells, self.body, self.names = path, shown, cells, '', None
        self.order = order_of(path.stem)
        self.name = 'nb_' + ''.join(NAME.fullmatch(path.stem).groups())

    def problem(self, message, cell=None, line=None, column=None):
        "A Problem at a line of an exported cell's text."
        if cell is None: return Problem(message, self.shown)
        lines = cell.text.split('\n')
        text = lines[line - 1] if line and line <= len(lines) else ''
        return Problem(message, self.shown, cell.number, line and cell.line(line), text, column)

    def locate(self, line):
        "The exported cell and the line of its text for a line of the body."
        start, cell = max((start, i) for i, start in enumerate(self.starts) if start <= line)
        return self.cells[cell], line - start + 1

def check(module, cell):
    "What keeps a cell from standing alone in a module, as a Problem that says what to do; None where nothing does."
    if '\0' in cell.text: return module.problem('contains a NUL character', cell)
    try: compile(cell.text, module.name, 'exec', dont_inherit=True)
    except UnicodeEncodeError: return module.problem('contains half of a character, which no file can hold', cell)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as e:
        message, line = getattr(e, 'msg', None) or f'cannot be parsed: {type(e).__name__}', getattr(e, 'lineno', None)
        lines = dict(enumerate(cell.text.split('\n'), 1))
        if MAGIC.match(lines.get(line or 1, '')):
            message = 'a magic, a shell command or a help request: move it to a cell that is not exported'
        return module.problem(message, cell, line, max(0, (getattr(e, 'offset', 1) or 1) - 1))

def assemble(module, old=''):
    """Joins the cells into `body`, with `from __future__` lines on top; returns the problems. Where that gives `old`,
    the text that the module's file has now, each of the cells was found right when it was written."""
    problems, future, texts = [], [], []
    for cell in module.cells:
        lines = cell.text.split('\n')
        try: future += lifted(module, cell, lines)
        except Problem as problem: problems.append(problem)
        except (SyntaxError, RecursionError, MemoryError, ValueError): pass     # check says more
        texts.append('\n'.join(lines).rstrip('\n'))
    text, module.starts = '\n'.join([*dict.fromkeys(future), '\n\n']) if future else '', []
    for ordinal, code in enumerate(texts, 1):
        text += f'# %% {module.shown.as_posix()} export {ordinal}\n'
        module.starts.append(text.count('\n') + 1)
        text += code + '\n\n\n'
    module.body = text.rstrip('\n') + '\n'
    if old != with_header(module): problems += filter(None, (check(module, cell) for cell in module.cells))
    return problems or compiles(module)

def lifted(module, cell, lines):
    "The `from __future__` statements of a cell, which are blanked in `lines`."
    if '__future__' not in cell.text: return []
    tree, found = ast.parse(cell.text), []
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom) or node.module != '__future__': continue
        taken = range(node.lineno, node.end_lineno + 1)
        if any(other is not node and {other.lineno, other.end_lineno} & set(taken) for other in tree.body):
            raise module.problem('put `from __future__` on a line of its own', cell, node.lineno, node.col_offset)
        for line in taken: lines[line - 1] = ''
        found.append(ast.unparse(node))
    return found

def compiles(module):
    "Compiles the body; returns the problems and keeps the names that it binds and reads."
    try: module.names = bindings(module.body)
    except (SyntaxError, RecursionError, ValueError, MemoryError) as e:
        line = getattr(e, 'lineno', None)
        if not line or line < module.starts[0]: return [module.problem(str(e))]
        cell, line = module.locate(line)
        return [module.problem(e.msg, cell, line, max(0, (e.offset or 1) - 1))]
    return []


# Names: does everything that a module reads exist?

ALWAYS = set(dir(builtins)) | set("""__file__ __name__ __doc__ __spec__ __package__ __loader__ __path__ __cached__
    __builtins__ __annotations__ __dict__ __module__ __qualname__ __class__ __debug__ WindowsError""".split())
WRITERS = {'globals', 'exec', 'vars', 'locals', '_convert_', '_convert', 'global_enum', 'modules'}

class Names:
    "What modules bind and read, by their text; `sources` maps the modules being exported, by dotted name, to theirs."
    def __init__(self, package, out, sources):
        self.package, self.out, self.sources, self.seen = package, out, sources, {}

    def missing(self, bound, read, stars):
        "The names that a module reads and nothing binds; empty where that cannot be known."
        if not read - bound - ALWAYS: return set()
        for star in stars:
            names = self.public(star)
            if names is None: return set()
            bound = bound | names
        return read - bound - ALWAYS

    def public(self, dotted, depth=0):
        "The names that `from dotted import *` binds, or None where its source does not tell."
        if dotted not in self.seen:
            self.seen[dotted] = set()                                  # a circle adds nothing
            text = self.source(dotted)
            self.seen[dotted] = None if text is None else self.exports(text)
        return self.seen[dotted]

    def exports(self, text):
        "What a star import takes from a module: `__all__` where it is literal, else every name without an underscore."
        try: listed, (bound, _, stars) = literal_all(ast.parse(text)), bindings(text)
        except (SyntaxError, ValueError, RecursionError): return None
        if listed is not None: return listed
        for star in stars:
            names = self.public(star)
            if names is None: return None
            bound = bound | names
        return None if '__all__' in bound else {name for name in bound if not name.startswith('_')}

    def source(self, dotted):
        "The text of a module: one being exported, one exported before, or one that is installed; never imported."
        if dotted.startswith('.'): dotted = f'{self.package}.{dotted.lstrip(".")}'
        if dotted in self.sources: return self.sources[dotted]
        if dotted.startswith(self.package + '.'):
            try: return (self.out/f'{dotted.split(".")[-1]}.py').read_text('utf-8')
            except (OSError, ValueError): return None
        from importlib.machinery import PathFinder
        path, dotted = None, os.path.__name__ if dotted == 'os.path' else dotted
        for i, part in enumerate(dotted.split('.')):
            spec = PathFinder.find_spec('.'.join(dotted.split('.')[:i + 1]), path)
            if spec is None: return None
            path = spec.submodule_search_locations
        try: return Path(spec.origin).read_text('utf-8') if spec.origin and spec.origin.endswith('.py') else None
        except (OSError, ValueError): return None

def bindings(text):
    "(names bound at module level, names read from there by any scope, modules imported with a star)."
    import symtable
    bound, read, scopes = set(), set(), [symtable.symtable(text, 'module', 'exec')]
    for scope in scopes:
        if scope.get_type() == 'annotation': continue
        scopes += scope.get_children()
        if scope.get_type() == 'function': read.update(scope.get_globals()); continue
        for symbol in scope.get_symbols():
            binds = symbol.is_assigned() or symbol.is_imported()
            if binds and (scope is scopes[0] or symbol.is_declared_global()): bound.add(symbol.get_name())
            if symbol.is_referenced() and (scope is scopes[0] or symbol.is_global()): read.add(symbol.get_name())
    for scope in scopes:                           # global x; x = 1 in a function: looked for only where it matters
        for name in (read - bound - ALWAYS).intersection(scope.get_identifiers()):
            symbol = scope.lookup(name)
            if symbol.is_declared_global() and (symbol.is_assigned() or symbol.is_imported()): bound.add(name)
    if not re.search(r'\bimport\s*\*', text): return bound, read, []
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom))
    return bound, read, ['.' * node.level + (node.module or '') for node in nodes if node.names[0].name == '*']

def literal_all(tree):
    "The names of `__all__` where all that makes it is literal, else None."
    names, found = set(), False
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == '__all__':
                try: names, found = names | set(ast.literal_eval(node.value)), True
                except (ValueError, TypeError): return None
        if isinstance(node, ast.Attribute) and getattr(node.value, 'id', None) == '__all__': return None
    return names if found else None

def missing_names(module, names, cells):
    "A Problem for each name that the module reads and does not have, with where an unexported cell sets it."
    missing = names.missing(*module.names)
    tree = ast.parse(module.body) if missing else None
    if not missing or writes_globals(tree): return []
    excused, first = set(), {}
    for node in ast.walk(tree):
        if may_lack_names(node): excused |= {id(n) for part in node.body for n in ast.walk(part)}
        if isinstance(node, ast.Name) and node.id in missing and id(node) not in excused:
            first[node.id] = min(first.get(node.id, (node.lineno, node.col_offset)), (node.lineno, node.col_offset))
    return [missing_name(module, name, *first[name], cells) for name in sorted(first, key=first.get)]

def writes_globals(tree):
    "Whether a module may bind names in ways that its text does not show."
    return any((node.id if isinstance(node, ast.Name) else node.attr) in WRITERS
               for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute)))

def may_lack_names(node):
    "Whether the body of a statement is meant for a missing name: try … except NameError, if sys.version_info …"
    if isinstance(node, ast.If): return 'version_info' in ast.dump(node.test) or 'TYPE_CHECKING' in ast.dump(node.test)
    if not isinstance(node, ast.Try): return False
    caught = [ast.dump(handler.type) if handler.type else "'Exception'" for handler in node.handlers]
    return any(re.search("'(NameError|Exception|BaseException)'", text) for text in caught)

def missing_name(module, name, line, column, cells):
    "The Problem of one missing name."
    cell, line = module.locate(line)
    exported = {cell.number for cell in module.cells}
    sets = re.compile(rf'^(?:[\w, ]*\b{name}\b[^=\n]*=(?!=)|(def|class) {name}\b|.*\bimport\b.*\b{name}\b'
                      rf'|for .*\b{name}\b.* in )', re.M)
    others = ((i, source) for i, (kind, source) in enumerate(cells, 1) if kind == 'code' and i not in exported)
    at = next((i for i, source in others if sets.search(source)), None)
    hint = f'is set in cell {at}, which is not exported' if at else 'is set nowhere'
    return module.problem(f'`{name}` {hint}', cell, line, column)

def import_problems(module, package, orders):
    "A Problem for each import of a module of ours that does not exist, or does not come before the importer."
    problems, named = [], set(re.findall(r'\bnb_\d+[a-z]?\b', module.body))
    if all(name in orders and orders[name] < module.order for name in named): return []
    for node in ast.walk(ast.parse(module.body)):
        for dotted in imported(node, package):
            name = dotted.split('.')[1]
            if name not in orders: message = f'{package}.{name} does not exist'
            elif name == module.name: message = f'{package}.{name} imports itself, in a circle'
            elif orders[name] > module.order:
                message = f'{package}.{name} comes later; only earlier ones can be imported'
            else: continue
            problems.append(module.problem(message, *module.locate(node.lineno), node.col_offset))
    return problems

def imported(node, package):
    "The dotted names of our modules that an import statement names."
    if isinstance(node, ast.Import): names = [alias.name for alias in node.names]
    elif not isinstance(node, ast.ImportFrom): names = []
    else:
        base = ('.'.join(filter(None, [package, node.module])) if node.level else node.module) or ''
        names = [f'{base}.{alias.name}' for alias in node.names] if base == package else [base]
    return [name for name in names if re.fullmatch(rf'{re.escape(package)}\.nb_\d+[a-z]?(\..*)?', name)]


# Plan: modules -> what to write

class Result:
    """What an export did: the paths `written`, `unchanged`, `removed`, and `orphans`, whose notebook is gone; for those
    written, `states` (missing, out of date, edited by hand) and `diffs`; `problems` that did not stop it; `seconds`."""
    def __init__(self):
        self.written, self.unchanged, self.removed, self.orphans, self.problems = [], [], [], [], []
        self.states, self.diffs, self.seconds = {}, {}, 0.

def digest(body):
    import hashlib
    return hashlib.sha256(body.encode('utf-8', 'surrogatepass')).hexdigest()[:16]

def with_header(module):
    "The whole text of the module's file."
    command = 'Do not edit: change the notebook, then run notebook2script.py.'
    return f'{MARK}{module.shown.as_posix()}\n# {command} {digest(module.body)}\n\n{module.body}'

def text_of(path):
    "What a file holds as text; empty where there is none."
    try: return path.read_bytes().decode('utf-8', 'replace')
    except OSError: return ''

def ours(text): return text.startswith(MARK)

def edited(text):
    "Whether somebody has changed a generated module by hand since it was written."
    head, _, body = text.partition('\n\n')
    found = HASH.search(head)
    return not found or found[1] != digest(body)

def difference(old, new, path):
    import difflib
    names = f'{path} (now)', f'{path} (from the notebook)'
    return ''.join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), *names, n=1))

def plan(module, target, force):
    "(text of the module, how the file differs, or None when it does not). Raises Problem when it must not be touched."
    text = with_header(module)
    if target.is_symlink(): raise Problem(f'{target} is a link, and nothing is written through a link', module.shown)
    if not target.exists(): return text, 'missing', ''
    old = text_of(target)
    if old == text: return text, None, ''
    old = old.replace('\r\n', '\n')
    if not ours(old): raise Problem(f'{target} was not generated, so it is not overwritten', module.shown)
    state, changes = 'edited by hand' if edited(old) else 'out of date', difference(old, text, target)
    if state == 'edited by hand' and not force:
        advice = f'{target} was edited by hand; put the change into the notebook, or use --force:'
        raise Problem('\n    '.join([advice, *changes.splitlines()[2:12]]), module.shown)
    return text, state, changes


# Write: all, or nothing

class Lock:
    "Lets one run at a time write to a folder; the system gives it back when its owner dies."
    def __init__(self, folder): self.path = folder/'.notebook2script.lock'

    def __enter__(self):
        while True:
            self.file = open(self.path, 'a')
            if os.name == 'nt':
                import msvcrt
                msvcrt.locking(self.file.fileno(), msvcrt.LK_LOCK, 1)
                return
            import fcntl
            fcntl.flock(self.file, fcntl.LOCK_EX)
            try:
                if os.stat(self.path).st_ino == os.fstat(self.file.fileno()).st_ino: return
            except FileNotFoundError: pass                             # its owner has just removed it
            self.file.close()

    def __exit__(self, *_):
        if os.name != 'nt': self.path.unlink(missing_ok=True)
        self.file.close()

def write_all(files):
    "Writes {path: bytes}: first all to temporary files, then each to its place in one step."
    temporary = {path: path.with_name(f'.{path.name}.{os.getpid()}.tmp') for path in files}
    try:
        for path, data in files.items():
            with open(temporary[path], 'wb') as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
        for path in files: os.replace(temporary[path], path)
    finally:
        for path in temporary.values(): path.unlink(missing_ok=True)


# All together

def project(start=None):
    "The first folder, from `start` upwards, that has a folder nbs/."
    start = Path(start or '.').resolve()
    return next((folder for folder in (start, *start.parents) if (folder/'nbs').is_dir()), start)

def collect(paths, root, last=None):
    "The notebooks that are named, or in the folders that are named; without names those of nbs/; up to number `last`."
    found = []
    for name in paths or [root/'nbs']:
        path = Path(name)
        if path.is_dir():
            matches = [p for p in sorted(path.glob('*.ipynb'))
                       if p.is_file() and not p.name.startswith(('.', '_', 'Untitled'))]
        elif path.is_file(): matches = [path]
        else: matches = sorted(path.parent.glob(path.name)) if any(c in path.name for c in '*?[') else []
        if not matches and paths: raise Refused([Problem(f'{name}: no such notebook')])
        found += [p.resolve() for p in matches]
    return [p for p in dict.fromkeys(found) if not (last and order_of(p.stem)) or order_of(p.stem) <= last]

def prepare(notebooks, root, out, problems):
    "Reads, selects and assembles; returns [(module, cells)] of those that export something."
    import warnings
    modules = []
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', SyntaxWarning)            # Python gives it again when the module is imported
        for path in notebooks:
            shown = path.relative_to(root) if path.is_relative_to(root) else path
            try: cells = read(path, shown)
            except Problem as problem: problems.append(problem); continue
            exported, misses = select(cells, shown)
            problems += misses
            if exported and not NAME.fullmatch(path.stem):
                problems.append(Problem('exports cells, but its name has no number, unlike 02_title.ipynb', shown))
            elif exported:
                module = Module(path, shown, exported)
                modules.append((module, cells))
                problems += assemble(module, text_of(out/f'{module.name}.py'))
    return sorted(modules, key=lambda pair: pair[0].order)

def check_together(modules, root, out, package, problems):
    "Two notebooks for one module, imports, names; returns the problems of names, which do not stop an export."
    by_name, warnings = {}, []
    for module, _ in modules:
        first = by_name.setdefault(module.name, module)
        if first is not module: problems.append(Problem(f'gives {module.name}, as {first.shown} does', module.shown))
    stems = [path.stem[3:] for path in out.glob('nb_*.py')] + [path.stem for path in (root/'nbs').glob('*.ipynb')]
    orders = {'nb_' + stem.split('_')[0]: order_of(stem) for stem in stems if order_of(stem)}
    orders |= {module.name: module.order for module, _ in modules}
    names = Names(package, out, {f'{package}.{module.name}': module.body for module, _ in modules})
    for module, cells in modules:
        if module.names is None: continue
        problems += import_problems(module, package, orders)
        warnings += missing_names(module, names, cells)
    return warnings

def export(*paths, root=None, out=None, check=False, diff=False, prune=False, force=False, up_to=None):
    """Writes the modules of the notebooks `paths` (none: of nbs/) to the folder `out` (None: exp/ beside nbs/); returns
    a Result. `root` is the project (None: the first folder from here upwards that has a folder nbs/). With `check` or
    `diff` nothing is written. Raises Refused, with all problems, before anything is written."""
    start, root, problems = time.perf_counter(), Path(root).resolve() if root else project(), []
    out = Path(out) if out else root/'exp'
    if out.is_symlink(): raise Refused([Problem(f'{out} is a link, and nothing is written through a link')])
    out, last = out.resolve(), order_of(up_to or '')
    if up_to is not None and not last: raise Refused([Problem(f'--up-to {up_to}: wanted a number, such as 05 or 05a')])
    modules = prepare(collect(paths, root, last), root, out, problems)
    warnings = check_together(modules, root, out, out.name, problems)
    if problems: raise Refused(problems)
    whole = not paths and last is None
    files, result = settle(modules, out, force or check or diff, whole)
    if not check and not diff and (files or (prune and result.orphans)): result = act(modules, out, force, prune, whole)
    result.problems, result.seconds = warnings, time.perf_counter() - start
    return result

def module_text(cells, name):
    "The module that the (type, source) pairs `cells` of a notebook called `name` make. Raises Refused."
    shown = Path('nbs', name + '.ipynb')
    exported, problems = select(cells, shown)
    if not exported: problems.append(Problem('exports nothing', shown))
    elif not NAME.fullmatch(name): problems.append(Problem('its name has no number', shown))
    else:
        module = Module(shown, shown, exported)
        problems += assemble(module)
    if problems: raise Refused(problems)
    return with_header(module)

def settle(modules, out, force, whole):
    "(what is to be written as {path: bytes}, Result). Raises Refused."
    files, problems, result = {}, [], Result()
    for module, _ in modules:
        target = out/f'{module.name}.py'
        try: text, state, changes = plan(module, target, force)
        except Problem as problem: problems.append(problem); continue
        if state is None: result.unchanged.append(target)
        else: files[target] = text.encode()
        if state: result.states[target], result.diffs[target] = state, changes or difference('', text, target)
    if problems: raise Refused(problems)
    result.written = list(files)
    if whole:
        kept = {f'{module.name}.py' for module, _ in modules}
        others = (path for path in sorted(out.glob('nb_*.py')) if path.name not in kept and not path.is_symlink())
        result.orphans = [path for path in others if ours(path.read_text('utf-8', 'replace'))]
    return files, result

def act(modules, out, force, prune, whole):
    "Writes what is to be written, and removes orphans; returns the Result."
    out.mkdir(parents=True, exist_ok=True)
    with Lock(out):
        for leftover in out.glob('.nb_*.tmp'): leftover.unlink(missing_ok=True)
        files, result = settle(modules, out, force, whole)
        write_all(files)
        if prune:
            for path in result.orphans: path.unlink()
            result.removed, result.orphans = result.orphans, []
    return result


# Command line

def where(place):
    "`nbs/07_x.ipynb, cell 12, line 3` for `exp/nb_07.py:41`, or None."
    name, _, number = place.rpartition(':')
    try: lines = Path(name).read_text('utf-8').splitlines()
    except (OSError, ValueError): return None
    mark = next((i for i in range(min(int(number), len(lines)) - 1, -1, -1) if PLACE.match(lines[i])), None)
    if mark is None: return None
    notebook, ordinal = PLACE.match(lines[mark]).groups()
    root = next((p for p in Path(name).resolve().parents if (p/notebook).exists()), None)
    if root is None: return f'{notebook}, exported cell {ordinal}'
    try: cells, _ = select(read(root/notebook, notebook), notebook)
    except Problem as problem: return str(problem)
    if int(ordinal) > len(cells): return f'{notebook}, exported cell {ordinal}'
    cell = cells[int(ordinal) - 1]
    line = max(1, min(int(number) - mark - 1, cell.text.count('\n') + 1))
    return f'{notebook}, cell {cell.number}, line {cell.line(line)}'

def trace(lines):
    "A traceback, with the place in the notebook under each line that lies in a generated module."
    for line in lines:
        yield line.rstrip('\n')
        found = re.search(r'File "(.+nb_\w+\.py)", line (\d+)', line)
        place = where(f'{found[1]}:{found[2]}') if found else None
        if place: yield f'    {place}'

def watch(args):
    "Exports whenever a notebook has been saved, until Ctrl-C."
    def stamps(): return {path: (s.st_mtime_ns, s.st_size) for path, s in looks(args.notebooks)}
    def looks(paths): return [(path, path.stat()) for path in collect(paths, root)]
    root, seen, done = project(), {}, None
    try:
        while True:
            try: now = stamps()
            except (OSError, Refused): now = seen
            if now == seen and now != done:                            # nothing has moved since the last look
                done = now
                run(args)
            seen = now
            time.sleep(.2)
    except KeyboardInterrupt: return 0

def run(args):
    "One export; prints what happened, and returns the exit status."
    try:
        result = export(*args.notebooks, out=args.out, check=args.check, diff=args.diff, prune=args.prune,
                        force=args.force, up_to=args.up_to)
    except Refused as e:
        report(e.problems, 'nothing was written')
        return 2
    except OSError as e:
        print(f'the file system refused: {e}', file=sys.stderr)
        return 3
    report(result.problems)
    for path in result.orphans: print(f'{path}: its notebook is gone, or exports nothing (--prune)', file=sys.stderr)
    if args.diff: print('\n'.join(result.diffs.values()), end='')
    if args.check:
        for path, state in result.states.items(): print(f'{path}: {state}', file=sys.stderr)
    if not args.quiet: print(summary(result, args.check or args.diff))
    return int(args.check and bool(result.written or result.orphans or result.problems))

def summary(result, dry):
    "The closing line."
    written, unchanged = len(result.written), len(result.unchanged)
    parts = [f'{written} {"to write" if dry else "written"}', f'{unchanged} unchanged']
    if result.removed: parts.append(f'{len(result.removed)} removed')
    return f'{written + unchanged} modules: {", ".join(parts)} ({result.seconds:.2f} s)'

def report(problems, end=''):
    "Prints problems to standard error, the first lines in red on a terminal."
    red = sys.stderr.isatty() and 'NO_COLOR' not in os.environ
    for problem in problems:
        first, *rest = str(problem).split('\n')
        print('\n'.join([f'\033[31m{first}\033[0m' if red else first, *rest]), file=sys.stderr)
    if end: print(end, file=sys.stderr)

def arguments():
    "The parser of the command line."
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog='notebook2script.py', description=__doc__, formatter_class=raw)
    parser.add_argument('notebooks', nargs='*', metavar='NOTEBOOK|FOLDER')
    parser.add_argument('--out', metavar='FOLDER', help='folder of the modules (exp/ beside nbs/)')
    parser.add_argument('--up-to', '--upTo', metavar='05', help='only notebooks up to this number')
    parser.add_argument('--where', metavar='FILE:LINE', help='the cell behind a line; - for a traceback on stdin')
    for name, text in {'check': 'write nothing; 1 where a module is not what its notebook says',
                       'diff': 'write nothing; show what would change',
                       'watch': 'export whenever a notebook is saved, until Ctrl-C',
                       'prune': 'remove generated modules whose notebook is gone',
                       'force': 'overwrite modules edited by hand',
                       'quiet': 'no closing line', 'allFiles': argparse.SUPPRESS}.items():
        parser.add_argument(*(['-q'] if name == 'quiet' else []), f'--{name}', action='store_true', help=text)
    return parser

def main(argv=None):
    "The command line; returns the exit status."
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'): stream.reconfigure(errors='backslashreplace')
    args = arguments().parse_args(argv)
    if args.where == '-':
        for line in trace(sys.stdin): print(line)
        return 0
    if args.where:
        place = where(args.where) if re.search(r':\d+$', args.where) else None
        print(place or f'{args.where}: no line of a generated module', file=sys.stdout if place else sys.stderr)
        return 0 if place else 2
    return watch(args) if args.watch else run(args)


if __name__ == '__main__': sys.exit(main())

#!/usr/bin/env python3
"""Writes the cells of notebooks that are marked #export as modules: nbs/02_title.ipynb becomes exp/nb_02.py.

All notebooks are read and checked first, and every problem of every notebook is reported; then all changed modules are
written, or none. One file, standard library only: copy it into a repository of your own.

    notebook2script.py                     every notebook of nbs/, from any folder of the project
    notebook2script.py nbs/02_title.ipynb  this one
    notebook2script.py --check             writes nothing; exit status 1 where a module is not what its notebook says

Exit status: 0 done or clean, 1 --check found something, 2 bad input (nothing written), 3 the file system refused."""
import argparse, builtins, gc, json, os, re, sys, time, warnings     # what few runs need is imported where it is used
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

NAME = r'([0-9]+)([a-z]?)(?:_.*)?'
DIRECTIVE = r'(?i)[ \t]*#[ \t]*\|?[ \t]*export[ \t]*'
COMMENT = r'[ \t]*#'
MAGIC = r'[ \t]*([\w., ]+=[ \t]*)?(%|!|\?|[\w.]+\?{1,2}\s*$)'
CONFLICT = r'(?m)^(<<<<<<< |>>>>>>> |=======$)'
HEADER = r'# Generated from .+\n# Do not edit.* ([0-9a-f]{16})\n\n'
PLACE = r'# %% (.+) export ([1-9][0-9]{0,8})'
NO_PROGRAM = SyntaxError, RecursionError, MemoryError, ValueError     # what Python raises for a text that is none

class Refused(Exception):
    "Nothing was written, because of problems, which are its `args`: messages that begin with notebook, cell and line."
    def __str__(self): return '\n'.join(self.args)


# Read: bytes -> cells

class Cell:
    """A cell of the notebook `shown`; its number counts from 1, as Jupyter shows them. An exported one has its `code`,
    the source without the line of index `directive`, and `start`, the line of the module's body where that begins."""
    code = directive = start = None

    def __init__(self, shown, number, raw):
        "Takes the type and the source from the notebook's JSON. Raises Refused where that is no cell."
        self.shown, self.number, self.kind = shown, number, raw.get('cell_type') if isinstance(raw, dict) else None
        if not isinstance(self.kind, str): raise Refused(self.problem('not a cell'))
        source = raw.get('source', '')
        try: source = ''.join(source) if isinstance(source, list) else source + ''
        except TypeError: raise Refused(self.problem('source is neither a text nor a list of texts'))
        self.source = source.replace('\r\n', '\n').replace('\r', '\n') if '\r' in source else source
        if '<<<<<<< ' in source and self.kind != 'code' and re.search(CONFLICT, self.source):
            raise Refused(self.problem('has the conflict markers of an unfinished merge'))

    def line(self, line):
        "The line of the source for a line of the code; both count from 1."
        return line + (line > self.directive)

    def problem(self, message, line=None, column=None):
        "The message with its place, and for a line of the source that line, with a caret under the column (from 0)."
        if not line: return f'{self.shown}: cell {self.number}: {message}'
        text = ''.join(self.source.split('\n')[line - 1:line])
        caret = '' if column is None else '\n    ' + re.sub(r'[^\t]', ' ', text[:column]) + '^'
        return f'{self.shown}: cell {self.number}, line {line}: {message}' + (f'\n    {text}{caret}' if text else '')

def read(path, shown):
    "The cells of a notebook. Raises Refused."
    try: return cells_of(path.read_bytes(), shown)
    except OSError as e: raise Refused(f'{shown}: cannot be read: {e.strerror}')

def cells_of(data, shown):
    "The cells of the bytes of a notebook. Raises Refused."
    def refuse(message): raise Refused(f'{shown}: {message}')
    try: notebook = json.loads(text := data.decode('utf-8-sig'))
    except UnicodeDecodeError as e: refuse(f'not UTF-8: byte {e.start} is {e.object[e.start]:#04x}')
    except RecursionError: refuse('nested too deeply')
    except ValueError as e:
        if re.search(CONFLICT, text): refuse('has the conflict markers of an unfinished merge')
        refuse(f'not JSON, or cut off: {e}' if text.strip() else 'is empty')
    if not isinstance(notebook, dict): refuse('not a notebook')
    version, cells = notebook.get('nbformat'), notebook.get('cells')
    if not isinstance(version, int): version = None
    if version != 4: refuse(f'has nbformat {version}, only 4 can be read: open it in Jupyter and save it')
    if not isinstance(cells, list): refuse('not a notebook: it has no cells')
    return [Cell(shown, number, cell) for number, cell in enumerate(cells, 1)]


# Select: cells -> exported cells

def select(cells):
    "(the exported cells, which are given their code; a problem for each directive that is almost right)."
    problems = []
    for cell in cells:
        if '#' not in cell.source: continue
        lines = cell.source.split('\n')
        top = next((i for i, line in enumerate(lines) if line.strip() and not re.match(COMMENT, line)), len(lines))
        marks = [i for i, line in enumerate(lines) if '#' in line and re.fullmatch(DIRECTIVE, line)]
        if marks and marks[0] < top and cell.kind == 'code':
            code = '\n'.join(lines[:marks[0]] + lines[marks[0] + 1:])
            if code.strip(): cell.code, cell.directive = code, marks[0]
        problems += [cell.problem(message, i + 1) for i, message in misses(cell.kind, lines, marks, top)]
    return [cell for cell in cells if cell.code], problems

def misses(kind, lines, marks, top):
    "(index, message) of each line that looks like a directive and is none; the code begins at the index `top`."
    for i in marks:
        if kind != 'code':
            fenced = sum(line.lstrip().startswith(('```', '~~~')) for line in lines[:i]) % 2
            if not fenced and not lines[i].startswith('# E'): yield i, f'a directive in a {kind} cell exports nothing'
        elif i < top:
            if i != marks[0]: yield i, 'a second directive'
        elif lines[top].lstrip().startswith('%%'): yield i, f'a cell with {lines[top].split()[0]} cannot be exported'
        elif is_comment(lines, i): yield i, 'the directive must stand above the first line of code'
    for i, line in enumerate(lines[:top] if kind == 'code' else []):
        if i not in marks and near_miss(line): yield i, f'{line.strip()!r} is unknown: is it meant to be #export?'

def is_comment(lines, index):
    "Whether a line that looks like a comment is one, and not part of a text in quotes."
    import io, tokenize
    try: tokens = [*tokenize.generate_tokens(io.StringIO('\n'.join(lines)).readline)]
    except (tokenize.TokenError, SyntaxError): return True
    return any(token.type == tokenize.COMMENT and token.start[0] == index + 1 for token in tokens)

def near_miss(line):
    "Whether a line above the code is a misspelt directive, or one with more behind it, rather than a sentence."
    rest = re.sub(COMMENT, '', line, count=1)
    first, *more = rest.lstrip(' |\t').split() or ['']
    if not 4 <= len(first) <= 8: return False
    import difflib
    if difflib.SequenceMatcher(None, first.lower(), 'export').ratio() < .7: return False
    tight = not rest.startswith((' ', '\t')) or rest.lstrip().startswith('|')
    return tight or not more or (first.lower() == 'export' and len(more) == 1)


# Check: exported cells -> a module's text, if it can be one

def numbered(stem):
    "('nb_05a', (5, 'a')) for `05a_title`: the module and its place in reading order; without a number twice None."
    match = re.fullmatch(NAME, stem)
    return (f'nb_{match[1]}{match[2]}', (int(match[1]), match[2])) if match else (None, None)

class Module:
    "What a notebook's `cells` export: its `name` and `order`; once checked, its `body`, `text` and `names`."
    def __init__(self, shown, cells, exported):
        self.shown, self.cells, self.exported, self.names = shown, cells, exported, None
        self.name, self.order = numbered(Path(shown).stem)

    def problem(self, message, line, column):
        "A problem at a line of the body and a column that counts bytes, as in syntax trees."
        cell = [cell for cell in self.exported if cell.start <= line][-1]
        before = self.body.split('\n')[line - 1].encode()[:column].decode('utf-8', 'ignore')
        return cell.problem(message, cell.line(line - cell.start + 1), len(before))

def convert(cells, shown, out):
    "(the module that cells make, None where they export nothing; the problems)."
    exported, problems = select(cells)
    if not exported: return None, problems
    module = Module(shown, cells, exported)
    if not module.name:
        return None, [*problems, f'{shown}: exports cells, but its name has no number, unlike 02_title.ipynb']
    problems += assemble(module) or check(module, standing(out/f'{module.name}.py')[1], out.name)
    return module, problems

def assemble(module):
    "Joins the exported cells, with `from __future__` lines on top; returns the problems."
    shown = re.sub(r'[\r\n\ud800-\udfff]|(?<=coding)[:=]', '?', module.shown)      # what no comment may hold
    future, codes, problems = [], [], []
    for cell in module.exported:
        lines = cell.code.split('\n')
        problems += lift(cell, lines, future)
        codes.append('\n'.join(lines).rstrip('\n'))
    body = '\n'.join([*dict.fromkeys(future), '\n\n']) if future else ''
    for ordinal, (cell, code) in enumerate(zip(module.exported, codes), 1):
        body += f'# %% {shown} export {ordinal}\n'
        cell.start = body.count('\n') + 1
        body += code + '\n\n\n'
    module.body = body.rstrip('\n') + '\n'
    advice = 'Do not edit: change the notebook, then run notebook2script.py.'
    module.text = f'# Generated from {shown}\n# {advice} {digest(module.body)}\n\n{module.body}'
    return problems

def lift(cell, lines, future):
    "Moves the `from __future__` statements of a cell from `lines` to `future`; gives the problems."
    if '__future__' not in cell.code: return
    import ast
    try: statements = ast.parse(cell.code).body
    except NO_PROGRAM: return                                          # check says more
    for node in statements:
        if not isinstance(node, ast.ImportFrom) or node.module != '__future__': continue
        taken = range(node.lineno, node.end_lineno + 1)
        if any(other is not node and {other.lineno, other.end_lineno} & {*taken} for other in statements):
            yield cell.problem('put `from __future__` on a line of its own', cell.line(node.lineno), node.col_offset)
        for line in taken: lines[line - 1] = ''
        future.append(ast.unparse(node))

def digest(body):
    "What the header says of the body, so that an edit shows."
    import hashlib
    return hashlib.sha256(body.encode('utf-8', 'surrogatepass')).hexdigest()[:16]

def check(module, old, package):
    """The problems of cells that do not stand alone, else of the whole; keeps the names that it binds and reads. Where
    its file has this very text already (`old`), each cell was found right when that was written."""
    problems = [] if old == module.text else [*filter(None, map(check_alone, module.exported))]
    try: module.names = None if problems else bindings(module.body, package)
    except NO_PROGRAM as e:
        line = getattr(e, 'lineno', None) or 0
        if line < module.exported[0].start: return [f'{module.shown}: {e}']
        return [module.problem(e.msg, line, max(0, (e.offset or 1) - 1))]
    return problems

def check_alone(cell):
    "What keeps a cell from standing alone in a module, as a problem that says what to do; None where nothing does."
    if '\0' in cell.code: return cell.problem('contains a NUL character')
    try: compile(cell.code, 'cell', 'exec', dont_inherit=True)
    except UnicodeEncodeError: return cell.problem('contains half of a character, which no file can hold')
    except NO_PROGRAM as e:
        line, offset = getattr(e, 'lineno', None), getattr(e, 'offset', None) or 1
        message = getattr(e, 'msg', None) or f'cannot be parsed: {type(e).__name__}'
        if re.match(MAGIC, ''.join(cell.code.split('\n')[(line or 1) - 1:line or 1])):
            message = 'a magic, a shell command or a help request: move it to a cell that is not exported'
        return cell.problem(message, line and cell.line(line), max(0, offset - 1))


# Names: does everything that a module reads exist?

ALWAYS = {*dir(builtins), *"""__file__ __name__ __doc__ __spec__ __package__ __loader__ __path__ __cached__
    __builtins__ __annotations__ __dict__ __module__ __qualname__ __class__ __debug__ WindowsError""".split()}

@lru_cache(999)
def bindings(text, package):
    "(names bound at module level, names read from there by any scope, modules imported with a star)."
    import _symtable as table                       # what symtable wraps: its objects would cost more than the parsing
    top = table.symtable(text, 'module', 'exec')
    bound, read, scopes, explicit = set(), set(), [top], table.GLOBAL_EXPLICIT
    for scope in scopes:
        scopes += scope.children
        binds = table.DEF_BOUND | (table.DEF_GLOBAL if scope is top else 0)      # := in a comprehension binds here
        for name, flags in scope.symbols.items():
            kind = flags >> table.SCOPE_OFF & table.SCOPE_MASK
            if flags & table.USE and (scope is top or kind in (table.GLOBAL_IMPLICIT, explicit)): read.add(name)
            if flags & binds and (scope is top or kind == explicit): bound.add(name)
    starred = re.search(r'import\s*\*', text) and [base for _, base, names in imports(text, package) if '*' in names]
    return bound, read, starred or []

def imports(text, package):
    "(node, full name of the module, names taken from it) of each import in the text of a module of `package`."
    import ast
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import): yield from ((node, alias.name, []) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            above = package.rsplit('.', node.level - 1)[:1] if node.level else []
            yield node, '.'.join([*above, *filter(None, [node.module])]), [alias.name for alias in node.names]

class Names:
    "The names that star imports give, by the text of modules: those of this run, those in `out`, those installed."
    def __init__(self, modules, out):
        self.out, self.texts, self.known = out, {f'{out.name}.{m.name}': m.body for m in modules}, {}

    def bound(self, names):
        "What `names`, given by `bindings`, bind, star imports included; None where that cannot be known."
        given = [self.public(star) for star in names[2]]
        return None if None in given else names[0].union(*given)

    def public(self, dotted):
        "The names that `from dotted import *` binds, or None where its source does not tell."
        if dotted in self.known: return self.known[dotted]
        import ast
        found = self.known[dotted] = set()                             # a circle adds nothing
        try:
            text, package = self.source(dotted)
            names, nodes = bindings(text, package), [*ast.walk(ast.parse(text))]
            start = dotted + '.'                                       # a package holds the modules that it imports
            parts = {m[len(start):].split('.')[0] for _, m, _ in imports(text, package) if m.startswith(start)}
            if '__all__' in names[0]: found = literal_all(nodes)
            elif any(map(writes_globals, nodes)): found = None
            else: found = {name for name in self.bound(names) | parts if not name.startswith('_')}
        except Exception: found = None                                 # no source, or whatever a finder raises
        self.known[dotted] = found
        return found

    def source(self, dotted):
        "(text, package) of a module, which is found and never imported."
        from importlib.machinery import PathFinder
        if dotted in self.texts: return self.texts[dotted], self.out.name
        first, *rest = (os.path.__name__ if dotted == 'os.path' else dotted).split('.')
        if first == self.out.name: return self.out.joinpath(*rest).with_suffix('.py').read_text('utf-8'), first
        spec = PathFinder.find_spec(first)
        for part in rest: spec = PathFinder.find_spec(f'{spec.name}.{part}', spec.submodule_search_locations)
        return Path(spec.origin).read_text('utf-8'), spec.parent

def literal_all(nodes):
    "The names of `__all__` where all that makes it is literal, else None."
    import ast
    names, others = set(), 0
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name('__all__')]) | ast.AugAssign(target=ast.Name('__all__')):
                names, others = names | {*ast.literal_eval(node.value)}, others - 1
            case ast.Name('__all__'): others += 1
    return names if names and not others else None

def missing_names(module, names):
    "A problem for each name that the module reads and does not have, with where an unexported cell sets it."
    bound, read, _ = module.names
    if read <= bound | ALWAYS or (bound := names.bound(module.names)) is None: return
    import ast
    nodes, missing, first = [*ast.walk(ast.parse(module.body))], read - bound - ALWAYS, {}
    if not missing or any(map(writes_globals, nodes)): return
    excused = {n for node in nodes if may_lack_names(node) for part in node.body for n in ast.walk(part)}
    found = [node for node in nodes if isinstance(node, ast.Name) and node.id in missing and node not in excused]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)): first.setdefault(node.id, node)
    for name, node in first.items():
        yield module.problem(f'`{name}` is set {setter(module, name)}', node.lineno, node.col_offset)

def writes_globals(node):
    "Whether a node of the syntax tree may bind names of the module that its text does not show."
    import ast
    match node:
        case ast.Call(ast.Name('exec'), [_]) | ast.Attribute(ast.Name('sys'), 'modules'): return True
        case ast.Name('globals' | 'global_enum') | ast.Attribute(_, 'global_enum' | '_convert_'): return True

def may_lack_names(node):
    "Whether the body of a statement is meant for a missing name: try … except NameError, if sys.version_info …"
    import ast
    match node:
        case ast.If(): parts, words = [node.test], {'version_info'}
        case ast.Try():
            parts, words = [h.type or ast.Name('Exception') for h in node.handlers], {'NameError', 'Exception'}
        case _: return False
    return any({getattr(n, 'id', ''), getattr(n, 'attr', '')} & words for part in parts for n in ast.walk(part))

def setter(module, name):
    "The cell that sets a name, in words."
    for cell in module.cells:
        if cell.kind != 'code' or cell.code or name not in cell.source: continue
        try: found = name in bindings(re.sub(r'(?m)^([ \t]*)[%!].*', r'\1pass', cell.source), '')[0]
        except NO_PROGRAM: continue
        if found: return f'in cell {cell.number}, which is not exported'
    return 'nowhere'

def import_problems(module, package, orders):
    "A problem for each import of a module of ours that does not exist, or does not come before the importer."
    if all(orders.get(n, module.order) < module.order for n in re.findall('nb_[0-9]+[a-z]?', module.body)): return
    for node, base, names in imports(module.body, package):
        dotted = ' '.join(f'{base}.{name}' for name in names) if base == package else base
        for name in re.findall(rf'(?<!\S){re.escape(package)}\.(nb_[0-9]+[a-z]?)\b', dotted):
            if name not in orders: message = 'does not exist'
            elif name == module.name: message = 'imports itself, in a circle'
            elif orders[name] >= module.order: message = 'comes later; only earlier ones can be imported'
            else: continue
            yield module.problem(f'{package}.{name} {message}', node.lineno, node.col_offset)


# Plan: modules -> what to write

OURS, EDITED = 'out of date', 'edited by hand'
OBJECTIONS = {'a link': 'is a link, and nothing is written through a link',
              'foreign': 'was not generated, so it is not overwritten',
              EDITED: 'was edited by hand; put the change into the notebook, or use --force:'}

class Result:
    """What an export did: the paths `written` (under `check` and `diff`: to be written), `unchanged` and `removed`;
    `changes`, of those written (what the file was: missing, out of date or edited by hand; old text; new text);
    `orphans`, whose notebook is gone, and what they are; `problems` that did not stop it; `seconds`."""
    def __init__(self):
        self.written, self.unchanged, self.removed, self.problems, self.changes, self.orphans = [], [], [], [], {}, {}

def standing(path):
    "(state, text) of what stands in the place of a module."
    if path.is_symlink(): return 'a link', ''
    try: text = path.read_bytes().decode('utf-8', 'replace')
    except FileNotFoundError: return 'missing', ''
    header = re.match(HEADER, plain := text.replace('\r\n', '\n'))
    if not header: return 'foreign', text
    return OURS if header[1] == digest(plain[header.end():]) else EDITED, text

def difference(old, new, path):
    "The lines that differ, as `diff -u` shows them."
    import difflib
    old, new = old.replace('\r\n', '\n').splitlines(True), new.splitlines(True)
    return ''.join(difflib.unified_diff(old, new, f'{path} (now)', f'{path} (from the notebook)', n=1))

def plan(modules, out, force, whole):
    "A Result that says what is to be written. Raises Refused."
    result, problems = Result(), []
    for module in modules:
        path = out/f'{module.name}.py'
        state, old = standing(path)
        if old == module.text: result.unchanged.append(path); continue
        result.changes[path] = state, old, module.text
        if state in OBJECTIONS and not (force and state == EDITED):
            lines = difference(old, module.text, path).splitlines()[2:12] if state == EDITED else []
            problems.append('\n    '.join([f'{module.shown}: {path} {OBJECTIONS[state]}', *lines]))
    if problems: raise Refused(*problems)
    result.written = [*result.changes]
    for path in sorted({*out.glob('nb_*.py')} - {*result.written, *result.unchanged}) if whole else []:
        state, _ = standing(path)
        if state in (OURS, EDITED): result.orphans[path] = state
    return result


# Write: all, or nothing

class Lock:
    "Lets one run at a time write to a folder; the system gives it back when its owner dies."
    def __init__(self, folder): self.path = folder/'.notebook2script.lock'

    def __enter__(self):
        while True:
            self.file = os.open(self.path, os.O_CREAT | os.O_WRONLY | getattr(os, 'O_NOFOLLOW', 0))
            if os.name == 'nt':
                import msvcrt
                return msvcrt.locking(self.file, msvcrt.LK_LOCK, 1)
            import fcntl
            fcntl.flock(self.file, fcntl.LOCK_EX)
            try:
                if os.path.samestat(os.stat(self.path), os.fstat(self.file)): return
            except FileNotFoundError: pass                             # its owner has just removed it
            os.close(self.file)

    def __exit__(self, *_):
        if os.name != 'nt': self.path.unlink(missing_ok=True)
        os.close(self.file)

def write(modules, out, force, whole, prune):
    "Plans again, now that nobody else writes; then all to temporary files, and each to its place in one step."
    out.mkdir(parents=True, exist_ok=True)
    with Lock(out):
        result = plan(modules, out, force, whole)
        temporary = {path: out/f'.{path.name}.tmp' for path in result.written}
        try:
            for path, (_, _, text) in result.changes.items():
                temporary[path].unlink(missing_ok=True)                # it could be a link
                temporary[path].write_bytes(text.encode())
            for path in result.written:                                # after all writes, this costs the disk least
                with open(temporary[path], 'rb+') as f: os.fsync(f.fileno())
            for path in result.written: os.replace(temporary[path], path)
        finally:
            for leftover in out.glob('.nb_*.tmp'): leftover.unlink()   # of a run that was killed, too
        result.removed = [path for path, state in result.orphans.items() if prune and (force or state != EDITED)]
        for path in result.removed: path.unlink()
        result.orphans = {path: state for path, state in result.orphans.items() if path not in result.removed}
    return result


# All together

def project():
    "The first folder, from here upwards, that has a folder nbs/."
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder/'nbs').is_dir()), here)

def collect(paths, root, last=None):
    "The notebooks that are named, or in the folders that are named; without names those of nbs/; up to number `last`."
    found, problems = [], []
    for name in paths or [root/'nbs']:
        path = Path(os.path.abspath(name), '*.ipynb' if os.path.isdir(name) and Path(name).suffix != '.ipynb' else '')
        matches = [p for p in path.parent.glob('*.ipynb') if p == path or fnmatch(p.name, path.name)]
        if not matches and (paths or not os.path.isdir(name)): problems.append(f'{name}: no such notebook')
        found += sorted(p for p in matches if p.is_file() and not p.name.startswith(('.', '_', 'Untitled')))
    if problems: raise Refused(*problems)
    return [p for p in dict.fromkeys(found) if not last or (numbered(p.stem)[1] or last) <= last]

def prepare(notebooks, root, out):
    "(the modules of the notebooks in their order, the problems)."
    modules, problems = {}, []
    for path in notebooks:
        shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        try: module, found = convert(read(path, shown), shown, out)
        except Refused as e: module, found = None, e.args
        problems += found
        first = module and modules.setdefault(module.name, module)
        if first is not module: problems.append(f'{shown}: gives {module.name}, as {first.shown} does')
    return sorted(modules.values(), key=lambda module: module.order), problems

def connect(modules, notebooks, root, out):
    "(problems of imports, problems of names, which do not stop an export) of modules that were read together."
    stems = [path.stem[3:] for path in out.glob('nb_*.py')]
    stems += [path.stem for path in {*root.glob('nbs/*.ipynb')} - {*notebooks}]
    orders = dict(map(numbered, stems)) | {module.name: module.order for module in modules}
    names, sound = Names(modules, out), [module for module in modules if module.names]
    return ([problem for module in sound for problem in import_problems(module, out.name, orders)],
            [problem for module in sound for problem in missing_names(module, names)])

def export(*paths, root=None, out=None, check=False, diff=False, prune=False, force=False, up_to=None):
    """Writes the modules of the notebooks `paths` (none: of nbs/) to the folder `out` (None: exp/ beside nbs/);
    returns a Result. `root` is the project (None: the first folder from here upwards that has a folder nbs/). With
    `check` or `diff` nothing is written. Raises Refused, with all problems, before anything is written."""
    start, root, last = time.perf_counter(), Path(os.path.abspath(root or project())), numbered(up_to or '')[1]
    out = Path(os.path.abspath(out or root/'exp'))
    if out.is_symlink(): raise Refused(f'{out} is a link, and nothing is written through a link')
    if up_to is not None and not last: raise Refused(f'--up-to {up_to}: wanted a number, such as 05 or 05a')
    notebooks = collect(paths, root, last)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')                                # Python gives them again at the import
        modules, problems = prepare(notebooks, root, out)
        others, loose = connect(modules, notebooks, root, out)
    if problems or others: raise Refused(*problems, *others)
    whole, dry = not paths and not last, check or diff
    result = plan(modules, out, force or dry, whole)
    if not dry and (result.written or prune and result.orphans): result = write(modules, out, force, whole, prune)
    result.problems, result.seconds = loose, time.perf_counter() - start
    return result


# Command line

def where(place):
    "`nbs/07_x.ipynb, cell 12, line 3` for `exp/nb_07.py:41`, or None."
    name, _, number = place.rpartition(':')
    try:
        lines = Path(name).read_text('utf-8').split('\n')[:int(number)]
        mark = [i for i, line in enumerate(lines) if re.fullmatch(PLACE, line)][-1]
    except (OSError, ValueError, IndexError): return None
    notebook, ordinal = re.fullmatch(PLACE, lines[mark]).groups()
    try:
        root = next(folder for folder in Path(os.path.abspath(name)).parents if (folder/notebook).is_file())
        cell = select(read(root/notebook, notebook))[0][int(ordinal) - 1]
    except Refused as e: return str(e)
    except (StopIteration, IndexError): return f'{notebook}, exported cell {ordinal}'
    line = max(1, min(len(lines) - mark - 1, cell.code.count('\n') + 1))
    return f'{notebook}, cell {cell.number}, line {cell.line(line)}'

def trace(lines):
    "Prints a traceback, with the place in the notebook under each line that lies in a generated module."
    for line in lines:
        found = re.search(r'File "(.+nb_\w+\.py)", line ([0-9]+)', line)
        place = found and where(f'{found[1]}:{found[2]}')
        print(line.rstrip('\n') + (f'\n    {place}' if place else ''))

def watch(args):
    "Exports whenever a notebook has been saved, until Ctrl-C."
    seen, done = [], None
    try:
        while True:
            try: now = [(p, p.stat().st_mtime_ns, p.stat().st_size) for p in collect(args.notebooks, project())]
            except (OSError, Refused): now = seen
            if now == seen and now != done:                            # nothing has moved since the last look
                done = now
                run(args)
            seen = now
            time.sleep(.2)
    except KeyboardInterrupt: return 0

def run(args):
    "One export; prints what happened, and returns the exit status."
    gc.disable()                                                       # looking for cycles would cost a twentieth
    try:
        result = export(*args.notebooks, out=args.out, check=args.check, diff=args.diff, prune=args.prune,
                        force=args.force, up_to=args.up_to)
    except Refused as e: return tell(*e.args, 'nothing was written') or 2
    except OSError as e: return tell(f'the file system refused: {e}') or 3
    finally: gc.enable()
    tell(*result.problems)
    for path, state in result.orphans.items():
        tell(f'{path}: its notebook is gone, or exports nothing (--prune{" --force" if state == EDITED else ""})')
    for path, (state, old, new) in result.changes.items():
        if args.check: tell(f'{path}: {state}')
        if args.diff: print(difference(old, new, path), end='')
    written, unchanged, removed = map(len, (result.written, result.unchanged, result.removed))
    counts = f'{written} {"to write" if args.check or args.diff else "written"}, {unchanged} unchanged'
    if removed: counts += f', {removed} removed'
    if not args.quiet: print(f'{written + unchanged} modules: {counts} ({result.seconds:.2f} s)')
    return int(args.check and bool(result.written or result.orphans or result.problems))

def tell(*messages):
    "Prints messages to standard error, on a terminal with the first line of each in red."
    mark = '\033[31m\\1\033[0m' if sys.stderr.isatty() and 'NO_COLOR' not in os.environ else r'\1'
    for message in messages: print(re.sub('^(.*)', mark, message, count=1), file=sys.stderr)

def arguments():
    "The parser of the command line."
    def layout(prog): return argparse.RawDescriptionHelpFormatter(prog, width=118)
    parser = argparse.ArgumentParser(prog='notebook2script.py', description=__doc__, formatter_class=layout)
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
        parser.add_argument(*['-q'] * (name == 'quiet'), f'--{name}', action='store_true', help=text)
    return parser

def main(argv=None):
    "The command line; returns the exit status."
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'): stream.reconfigure(errors='backslashreplace')
    args = arguments().parse_args(argv)
    if not args.where: return watch(args) if args.watch else run(args)
    if args.where == '-': trace(sys.stdin)
    elif place := where(args.where): print(place)
    else:
        tell(f'{args.where}: no line of a generated module')
        return 2
    return 0


if __name__ == '__main__': sys.exit(main())

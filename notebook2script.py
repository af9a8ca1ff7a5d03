#!/usr/bin/env python3
"""Writes the cells of notebooks that are marked #export as modules: nbs/02_title.ipynb becomes exp/nb_02.py.

All notebooks are read and checked first, and every problem of every notebook is reported; then all changed modules are
written, or none. One file, standard library only, Python 3.11 or newer: copy it into a repository of your own.

    notebook2script.py [options] [NOTEBOOK|FOLDER ...]     none: every notebook of nbs/, from any folder of the project

    --out FOLDER       folder of the modules (exp/ beside nbs/)
    --up-to 05         only notebooks up to this number
    --check            write nothing; exit status 1 where a module is not what its notebook says
    --diff             write nothing; show what would change
    --watch            export whenever a notebook is saved, until Ctrl-C
    --prune            remove generated modules whose notebook is gone
    --force            overwrite modules edited by hand
    --where FILE:LINE  the cell behind a line of a module; - for a traceback on stdin
    -q, --quiet        no closing line

Other folders: [tool.notebook2script] in pyproject.toml, with notebooks = "lessons" and out = "src/lib".
Exit status: 0 done or clean, 1 --check found something, 2 bad input (nothing written), 3 the file system refused."""
import builtins, gc, json, opcode, os, re, sys, time, warnings, zlib   # the rest where few runs need it
from fnmatch import fnmatch
from getopt import GetoptError, gnu_getopt
from pathlib import Path

NO_PROGRAM = SyntaxError, RecursionError, MemoryError, ValueError     # what Python raises for a text that is none

class Refused(Exception):
    "Nothing was written, because of problems, which are its `args`: messages that begin with notebook, cell and line."
    def __str__(self): return '\n'.join(self.args)

class Result:
    """What an export did, or would: the paths `written`, `unchanged`, `removed`; `changes`, of those written (state,
    old text, new one); `orphans`, without a notebook, by state; `errors` stop it, `problems` and `notes` do not."""
    def __init__(self):
        self.unchanged, self.removed, self.changes, self.orphans = [], [], {}, {}
        self.errors, self.problems, self.notes, self.seconds = [], [], [], 0

    @property
    def written(self): return [*self.changes]


# Find: the project -> its notebooks, in reading order

def numbered(stem):
    "('nb_05a', (5, 'a')) for `05a_title`: the module and its place in reading order; without a number twice None."
    match = re.fullmatch('([0-9]+)([a-z]?)(?:_.*)?', stem, re.DOTALL)
    return (f'nb_{match[1]}{match[2]}', (int(match[1]), match[2])) if match else (None, None)

def settings(folder):
    "The table [tool.notebook2script] of pyproject.toml in a folder, or None. Raises Refused."
    path = folder/'pyproject.toml'
    try: data = path.read_bytes()
    except OSError: return None
    if b'notebook2script' not in data: return None
    import tomllib
    try: table = tomllib.loads(data.decode()).get('tool', {}).get('notebook2script')
    except (ValueError, AttributeError, RecursionError) as e: raise Refused(f'{path}: {e}')
    if table is None or (isinstance(table, dict) and {*table} <= {'notebooks', 'out'}
                         and all(isinstance(value, str) for value in table.values())): return table
    raise Refused(f'{path}: [tool.notebook2script] may hold two texts, notebooks and out')

def project(start):
    "(root, folder of the notebooks, folder of the modules) of the project around a folder, or None: the first upwards."
    for root in (start, *start.parents):
        if (table := settings(root)) is not None:
            return root, *(Path(os.path.abspath(root/table.get(*p))) for p in [('notebooks', 'nbs'), ('out', 'exp')])
        if (root/'nbs').is_dir(): return root, root/'nbs', root/'exp'
        if any((root/'exp').glob('nb_*.py')): return root, root, root/'exp'

def places(paths):
    "The same for a run over `paths`: that of the first of them, or else that of the current folder."
    named = [Path(os.path.abspath(path)) for path in paths[:1]]
    starts = [path if path.is_dir() else path.parent for path in named] + [Path.cwd()]
    return next(filter(None, map(project, starts)), (starts[-1], starts[-1]/'nbs', starts[-1]/'exp'))

def collect(paths, home, last=None):
    "The notebooks that are named, or in the folders that are named, else those of `home`; up to number `last`."
    found, problems, listings = [], [], {}
    if not paths and not home.is_dir():
        raise Refused(f'{home.name}: no such folder, here or above; name notebooks, or a folder of notebooks')
    for name in paths or [home]:
        path = Path(os.path.abspath(name))
        folder, pattern = (path, '*') if path.suffix != '.ipynb' and path.is_dir() else (path.parent, path.name)
        if folder not in listings: listings[folder] = {p.name: p for p in sorted(folder.glob('*.ipynb'))}
        names = listings[folder]
        matches = [names[pattern]] if pattern in names else [p for n, p in names.items() if fnmatch(n, pattern)]
        if not matches and paths: problems.append(f'{name}: no such notebook')
        found += [p for p in matches if not p.name.startswith(('.', '_', 'Untitled')) and not p.is_dir()]
    if problems: raise Refused(*problems)
    return [p for p in dict.fromkeys(found) if not last or (numbered(p.stem)[1] or last) <= last]


# Read: bytes -> cells

CONFLICT = r'(?m)^(<<<<<<< |>>>>>>> |=======$)'
LEFT_OVER = r'(?m)^(?:<[^<>\n]*>|[`*_ \t])*(?:<{7}|>{7})(?![<>])'                     # in the text of a cell
UNFINISHED = 'has the conflict markers of an unfinished merge'

class Cell:
    """A cell of the notebook `shown`. An exported one has its `code`, the source without the line of index `directive`.
    That is above all statements: Python is given a line break before the code, and tells the lines of the source."""
    code = directive = None

    def __init__(self, shown, number, raw):
        "Takes the type and the source from the notebook's JSON. Raises Refused where that is no cell."
        self.shown, self.number, self.kind = shown, number, raw.get('cell_type') if isinstance(raw, dict) else None
        if not isinstance(self.kind, str): raise Refused(self.problem('not a cell'))
        source = raw.get('source', None if self.kind == 'code' else '')
        try: source = ''.join(source) if isinstance(source, list) else source + ''
        except TypeError: raise Refused(self.problem('source is neither a text nor a list of texts'))
        self.source = source.replace('\r\n', '\n').replace('\r', '\n') if '\r' in source else source
        if self.kind != 'code' and ('<<<<<<<' in source or '>>>>>>>' in source) and re.search(LEFT_OVER, self.source):
            raise Refused(self.problem(UNFINISHED))

    def problem(self, message, line=None, column=None):
        "The message with its place, and for a line of the source that line, with a caret under the column (from 0)."
        if not line: return f'{self.shown}: cell {self.number}: {message}'
        text = ''.join(self.source.split('\n')[line - 1:line])
        caret = '' if column is None else '\n    ' + re.sub(r'[^\t]', ' ', text[:column]) + '^'
        return f'{self.shown}: cell {self.number}, line {line}: {message}' + (f'\n    {text}{caret}' if text else '')

def read(path, shown):
    "The cells of a notebook. Raises Refused."
    try: return cells_of(path.read_bytes(), shown)
    except OSError as e:
        raise Refused(f'{shown}: ' + ('is a link that leads nowhere' if path.is_symlink() and not path.exists()
                                      else f'cannot be read: {e.strerror}'))

def cells_of(data, shown):
    "The cells of the bytes of a notebook. Raises Refused."
    def refuse(message): raise Refused(f'{shown}: {message}')
    try: notebook = json.loads(text := data.removeprefix(b'\xef\xbb\xbf').decode())
    except UnicodeDecodeError as e: refuse(f'not UTF-8: byte {e.start} is {e.object[e.start]:#04x}')
    except RecursionError: refuse('nested too deeply')
    except ValueError as e:
        if re.search(CONFLICT, text): refuse(UNFINISHED)
        refuse(f'not JSON, or cut off: {e}' if text.strip() else 'is empty')
    if not isinstance(notebook, dict): refuse('not a notebook')
    version, cells = notebook.get('nbformat'), notebook.get('cells')
    if not isinstance(version, int): version = None
    if version != 4: refuse(f'has nbformat {version}, only 4 can be read: open it in Jupyter and save it')
    if not isinstance(cells, list): refuse('not a notebook: it has no cells')
    for part, key in ('language_info', 'name'), ('kernelspec', 'language'):
        try: language = notebook['metadata'][part][key] + ''
        except (KeyError, TypeError): continue
        if not re.match('(?i)i?python', language): refuse(f'is written in {language}, and only Python can be exported')
    return [Cell(shown, number, cell) for number, cell in enumerate(cells, 1)]


# Select: cells -> exported cells

DIRECTIVE = r'[ \t]*#([ \t]*\|)?([ \t]*)(\w+)([ \t:,;].*|\.[ \t]*)?'
FENCE = r'(?m)^[ \t]*(?:```|~~~)|<pre|\$\$|^(?:[ \t]*# | {4}|\t).*\Z'                    # open, or a title, or indented
QUOTED = r'(?ms)^[ \t]*(`{3,}+|~{3,}+).*?^[ \t]*\1|<pre.*?</pre|\$\$.*?\$\$'
WORDS, ALMOST = ('export', 'exports', 'exporti', 'exportd'), 'almost a directive'
SLIPS = {word for a, b in (('export'[:i], 'export'[i:]) for i in range(7)) for c in 'abcdefghijklmnopqrstuvwxyz'
         for word in (a + b[1:], a + b[1::-1] + b[2:], a + c + b[1:], a + c + b)} - {'export', 'exports', 'expert'}

def select(cells, result):
    "The exported cells, given their code; tells the result of what is almost a directive, and of other tools'."
    for cell in cells:
        if '#' not in cell.source: continue
        lines = cell.source.split('\n')
        top = next((i for i, line in enumerate(lines) if line.strip()[:1] not in ('', '#')), len(lines))
        words = {i: word for i, line in enumerate(lines) if '#' in line and (word := directive(line))}
        result.problems += [cell.problem(message, i + 1) for i, message in misses(cell.kind, lines, words, top)]
        if cell.kind != 'code': continue
        first = next((i for i, word in words.items() if word != ALMOST), top)
        if first < top:
            code = '\n'.join(lines[:first] + lines[first + 1:]).rstrip('\n')
            if code.strip(): cell.code, cell.directive = code, first
            if words[first] != 'export': result.notes.append(f'`#| {words[first]}` is taken for `#export`')
        if 'default_exp' in cell.source and re.search(r'(?m)^#[ \t]*\|?[ \t]*default_exp\b', '\n'.join(lines[:top])):
            result.notes.append('`#| default_exp` is not followed: the number of a notebook names its module')
    return [cell for cell in cells if cell.code]

def directive(line):
    "`export`, or another tool's word for it, in a line that is a directive; ALMOST in a slip, but not in a sentence."
    if not (match := re.fullmatch(DIRECTIVE, line)): return None
    pipe, blank, word, more = match[1], match[2], match[3].lower(), (match[4] or '').strip(' \t')
    if word in WORDS and not more and (word == 'export' or pipe or not blank): return word
    more = re.sub('#.*', '', more)
    if blank and not pipe: return ALMOST if word in (*SLIPS, 'export') and not more else None
    few = pipe or len(more.lstrip(':,;.').split()) < 2
    return ALMOST if few and (word in SLIPS or word in WORDS) else None

def misses(kind, lines, words, top):
    "(index, message) of each line that looks like a directive and is none; the code begins at the index `top`."
    marks = [i for i, word in words.items() if word != ALMOST]
    for i, word in words.items():
        if kind != 'code':
            quoted = re.search(FENCE, re.sub(QUOTED, '', '\n'.join(lines[:i + 1])))
            if i in marks and not quoted: yield i, f'a directive in a {kind} cell exports nothing'
        elif i < top:
            if word == ALMOST: yield i, f'{lines[i].strip()!r} exports nothing: is it meant to be #export?'
            elif i != marks[0]: yield i, 'a second directive'
        elif i not in marks: continue
        elif lines[top].lstrip().startswith('%%'): yield i, f'a cell with {lines[top].split()[0]} cannot be exported'
        elif is_comment(lines, i): yield i, 'the directive must stand above the first line of code'

def is_comment(lines, index):
    "Whether a line that looks like a comment is one, and not part of a text in quotes."
    import tokenize
    tokens = tokenize.generate_tokens((f'{line}\n' for line in lines).__next__)
    try: return any(token.type == tokenize.COMMENT and token.start[0] == index + 1 for token in tokens)
    except (tokenize.TokenError, SyntaxError): return True


# Check: exported cells -> a module's text, if it can be one

HEADER = '# Generated from {}\n# Do not edit: change the notebook, then run notebook2script.py.\n'
RULE = '\n# ---\n'
HEAD = r'(?:<<<<<<< .*\n)?# Generated from (.+)\n(?:(?:[<|>]{7}|=======).*\n|# Generated from .+\n)*# Do not edit.*\n'
FUTURE = r'(?:\n(?:from __future__ import .+\n)+)?'
MARK = r'(?m)^# ---\n#.*\n# %% (.+) ([0-9a-f]{8})\n'
OLD = r'# Generated from .+\n# Do not edit.* ([0-9a-f]{16})\n\n'                          # the first edition's
MAGIC = r'[ \t]*(?:[^#\n]*?(?:(?<![=!<>])=|:|;)[ \t]*)?(?:%|!(?!=)|\?)|[ \t]*[\w.*]+\?{1,2}\s*$'
NOT_PYTHON = 'a magic, a shell command or a help request: move it to a cell that is not exported'

class Module:
    "What a notebook's `cells` export: its `name` and `order`, the cells `exported`, its `text`, `facts` about names."
    def __init__(self, shown, cells, package, result):
        self.shown, self.cells, self.exported, self.package = shown, cells, select(cells, result), package
        self.name, self.order = numbered(Path(shown).stem)
        if self.exported: result.errors += self.assemble() if self.name else [f'{shown}: exports cells, but its name '
            'has no number and title, such as 02_title.ipynb or 02b_title.ipynb']

    def assemble(self):
        "Joins the exported cells, with `from __future__` lines on top, and checks each; gives the problems."
        shown = re.sub(r'[\r\n\ud800-\udfff]|(?<=coding)[:=]', '?', self.shown)        # what no comment may hold
        future, blocks, problems = {}, [], []
        for cell in self.exported:
            if '__future__' in cell.code: problems += lift(cell, future)
            blocks.append(f'{RULE}# {title(cell.code)}'.rstrip() + f'\n# %% {shown} {digest(cell.code)}\n{cell.code}\n')
        top = '\n' + ''.join(f'{line}\n' for line in future) if future else ''
        self.text = HEADER.format(shown) + top + ''.join(blocks) + RULE
        self.facts = Facts(f'{self.package}.{self.name}', self.package, self.text)
        above, flags = '', sum({*future.values()})
        for cell in self.exported:
            problems += check(cell, flags, self.facts)
            if 'global ' in cell.code and not problems: problems += check(cell, flags, Facts(), above)
            above += f'{cell.code}\n'
        return problems

    def problem(self, message, code, at, name='', error='', around=()):
        "A problem with a name at the instruction `at` of a code object; None where `# noqa` or `excused` says so."
        number, line, column, last = place(code, at)
        lines = (cell := self.cells[number - 1]).source.split('\n')[line - 1:last]
        at = len((text := '\n'.join(lines)).encode()[:column].decode('utf-8', 'ignore'))
        if not text.startswith(name, at) and (word := re.search(rf'\b{name}\b', text)): at = word.start()
        row = text.count('\n', 0, at)
        if name and (re.search(NOQA, lines[0] + lines[row]) or excused(cell, line, column, name, error, around)): return
        return cell.problem(message, line + row, at - text.rfind('\n', 0, at) - 1)

def place(code, at):
    "(number of the cell, line of its source from 1, column from 0 in bytes, last line) of an instruction."
    line, last, column, _ = [*code.co_positions()][at]
    return int(code.co_filename), line or code.co_firstlineno, column or 0, last or line or code.co_firstlineno

def lift(cell, future):
    "Moves the `from __future__` lines of a cell to `future`, with the flags of the compiler; gives the problems."
    import ast, __future__
    lines = cell.code.split('\n')
    try: statements = ast.parse(cell.code).body
    except NO_PROGRAM: return                                          # check says more
    for node in statements:
        if not isinstance(node, ast.ImportFrom) or node.module != '__future__': continue
        taken, names = range(node.lineno, node.end_lineno + 1), [alias.name for alias in node.names]
        if not {*names} <= {*__future__.all_feature_names}: continue   # check says so
        if any(other is not node and {other.lineno, other.end_lineno} & {*taken} for other in statements):
            yield cell.problem('put `from __future__` on a line of its own', node.lineno + 1, 0)
        for line in taken: lines[line - 1] = ''
        future |= {f'from __future__ import {name}': getattr(__future__, name).compiler_flag for name in names}
    cell.code = '\n'.join(lines).rstrip('\n')

def title(code):
    "The first name that a cell defines. It stands above the cell's line, for git: an edit of the cell leaves it alone."
    found = re.search(r'(?m)^(?:(?:async[ \t]+)?def|class)[ \t]+(\w+)|^(\w++)[^=\n(]*+=[^=]', code)
    return found[1] or found[2] if found else ''

def digest(code):
    "Eight digits that change with a cell, but not with blank lines or blanks at the ends of lines."
    lines = filter(None, map(str.rstrip, code.split('\n')))
    return f'{zlib.crc32(chr(10).join(lines).encode("utf-8", "surrogatepass")):08x}'

def check(cell, flags, facts, above=''):
    "What keeps a cell from being code of a module, below the code `above`, as problems; adds its names to the facts."
    if '\0' in cell.code: return [cell.problem('contains a NUL character')]
    try: facts.add(compile(f'{above}\n{cell.code}', str(cell.number), 'exec', flags, True, 0))
    except UnicodeEncodeError: return [cell.problem('contains half of a character, which no file can hold')]
    except NO_PROGRAM as e:
        line, column = getattr(e, 'lineno', None), max(0, (getattr(e, 'offset', None) or 1) - 1)
        if not line: return [cell.problem(f'cannot be parsed: {getattr(e, "msg", None) or type(e).__name__}')]
        line -= above.count('\n')
        text = ''.join(cell.source.split('\n')[line - 1:line])
        message = UNFINISHED if re.match(CONFLICT, text) else NOT_PYTHON if re.match(MAGIC, text) else e.msg
        return [cell.problem(message, line, column)]
    return []


# Names: does all that a module reads exist? Facts are what it sets and reads; Names follows star imports

ALWAYS = {*dir(builtins), *"""__file__ __name__ __doc__ __spec__ __package__ __loader__ __path__ __cached__
    __builtins__ __annotations__ __dict__ __module__ __qualname__ __class__ __debug__ WindowsError""".split()}
OPS = {opcode.opmap[name]: name for name in """LOAD_CONST LOAD_SMALL_INT LOAD_NAME LOAD_GLOBAL LOAD_FROM_DICT_OR_GLOBALS
    STORE_NAME STORE_GLOBAL IMPORT_NAME""".split() if name in opcode.opmap}
STEP = re.compile(b'%b*[%b]' % (re.escape(bytes([opcode.EXTENDED_ARG])), re.escape(bytes(OPS))))
ABSENT = 'is not installed'
AT_ONCE = '<listcomp>', '<setcomp>', '<dictcomp>'
NOQA = r'(?i)#\s*noqa\b(?!\s*:)|#\s*noqa\s*:[\w\s,]*\bF\d|#\s*type:\s*ignore\[[^\]]*name-defined'
ALL = r'(?m)^__all__(?:[ \t]*:[^=\n]*)?[ \t]*\+?=[ \t]*([\[(][^\[\]()]*[\])])[ \t]*(?:#.*)?$'

class Facts:
    """What a module does with names: which are `bound`; its `imports` and `reads`, with a code object and the index
    of an instruction, and whether the name is not bound by then; `doubt` says why more names may be bound."""
    def __init__(self, name='', package='', text='', path=None, folders=(), bound=(), doubt=''):
        self.name, self.package, self.text, self.path, self.folders = name, package, text, path, folders
        self.bound, self.reads, self.imports, self.doubt = {*bound}, [], [], doubt

    def add(self, code, top=True, now=True, local=frozenset(), deep=True):
        "Goes through a code object, which runs `now` or later, and those in it, unless `deep` those that bind names."
        if not code.co_names and not any(type(const) is type(code) for const in code.co_consts): return self
        steps, names, last = instructions(code), code.co_names, None
        if not top and not code.co_flags & 1:                          # a class: what it binds is its own
            local = {names[argument] for _, op, argument in steps if op == 'STORE_NAME'}
        for at, op, argument in steps:
            match op:
                case 'LOAD_CONST' | 'LOAD_SMALL_INT':                  # the latter in Python 3.14
                    before, last = last, argument if op == 'LOAD_SMALL_INT' else code.co_consts[argument]
                    if type(last) is type(code) and (deep or opcode.opmap['STORE_GLOBAL'] in last.co_code):
                        self.add(last, False, now and (not last.co_flags & 1 or last.co_name in AT_ONCE), local, deep)
                case 'IMPORT_NAME':                                    # the constants: how many dots, which names
                    above = self.package.rsplit('.', before - 1)[0] if before else ''
                    self.imports.append(('.'.join(filter(None, (above, names[argument]))), last or (), code, at))
                case 'STORE_NAME' | 'STORE_GLOBAL':
                    if top or op == 'STORE_GLOBAL': self.bound.add(names[argument])
                case _:
                    name = names[argument >> (op == 'LOAD_GLOBAL')]
                    if name in ALWAYS or name in local and op != 'LOAD_GLOBAL': continue
                    self.reads.append((name, code, at, now and name not in self.bound))
        return self

    def source(self):
        "The text of the module, where it has one."
        if self.path and not self.text: self.text = Path(self.path).read_text('utf-8', 'replace')
        return self.text

def instructions(code):
    "(index, operation, argument) of the instructions that have to do with names, or with what is defined or imported."
    operations, arguments = (both := code.co_code)[::2], both[1::2]
    spans = [found.span() for found in STEP.finditer(operations)]      # the higher bytes of an argument come first
    return [(end - 1, OPS[operations[end - 1]], int.from_bytes(arguments[start:end])) for start, end in spans]

class Unknown(Exception): "Which names a module has cannot be known; says why."

class Names:
    "The names of modules, each read once: those of this run, those in the folder `out`, and installed ones."
    def __init__(self, modules, root, out):
        self.out, self.path, self.given = out, [str(root), *sys.path], {}
        self.known = {module.facts.name: module.facts for module in modules}

    def facts(self, dotted):
        "The Facts of a module."
        if dotted in self.known: return self.known[dotted]
        first, *rest = dotted.split('.')
        path = self.out.joinpath(*rest or ['__init__']).with_suffix('.py')
        try: facts = (Facts(dotted, first, text := path.read_text('utf-8')).add(compiled(text))
                      if first == self.out.name and path.is_file() else self.installed(dotted))
        except (*NO_PROGRAM, ImportError, OSError) as e: facts = Facts(dotted, doubt=f'cannot be read: {e}')
        return self.known.setdefault(dotted, facts)

    def installed(self, dotted):
        "The Facts of a module that Python would find: from its compiled code, its source, its stub or its binary."
        from importlib.machinery import ExtensionFileLoader, PathFinder
        path, name, spec = self.path, '', None
        for part in (os.path.__name__ if dotted == 'os.path' else dotted).split('.'):
            name, folder = f'{name}.{part}'.lstrip('.'), [os.path.join(place, part) for place in path]
            try: spec = PathFinder.find_spec(name, path)
            except KeyError: spec = None                               # a folder in one that has no __init__.py
            path = (spec and spec.has_location and spec.submodule_search_locations) or [*filter(os.path.isdir, folder)]
            if not spec and not path: break
        binary = spec and isinstance(spec.loader, ExtensionFileLoader)
        if dotted in sys.builtin_module_names or binary and dotted in sys.stdlib_module_names:
            return Facts(dotted, bound=dir(__import__(dotted)))        # Python's own: it has no text, and shows nothing
        if not spec or binary: return stub(dotted, folder, spec)
        facts = Facts(dotted, spec.parent, '', spec.origin, path if spec.submodule_search_locations is not None else ())
        if spec.origin:                                                # without: a folder, which has no code
            os.stat(spec.origin)                                       # raises for what lies in a zip
            spec.loader.set_data = lambda *args, **options: None       # compiled code is read, never written
            facts.add(spec.loader.get_code(name), deep=False)
        return facts

    def scope(self, facts):
        "(all names of a module, its own and what its star imports give; by name the Facts of those that may add more)."
        names, others = set(facts.bound), {facts.name: facts}
        for base in (base for base, taken, _, _ in facts.imports if '*' in taken):
            given, more = self.star(base)
            names |= given                                             # not installed: in a line that never runs
            others |= {name: other for name, other in more.items() if not (facts.path and other.doubt == ABSENT)}
        return names, others

    def star(self, dotted):
        "What `from dotted import *` gives, and more where `__all__` is computed; the same two."
        if dotted in self.given: return self.given[dotted]
        self.given[dotted] = set(), {}                                 # a circle adds nothing
        facts = self.facts(dotted)
        names, others = self.scope(facts)
        if '__all__' in facts.bound:
            listed, complete = every(text := facts.source())
            if complete: names, others = listed, {}
            elif '__getattr__' in names or re.search(r'globals\(\)\[|__all__\.', text):
                names |= {*re.findall(r"""["'](\w+)["']""", text)}
        else:
            names |= {entry.partition('.')[0] for folder in facts.folders for entry in os.listdir(folder)}
            names = {name for name in names if not name.startswith('_')}
        self.given[dotted] = names, others
        return names, others

    def lacking(self, facts, wanted):
        "Those of the names `wanted` that a module lacks. Raises Unknown where it may have them all the same."
        if not (lost := wanted - facts.bound): return lost
        names, others = self.scope(facts)
        for other in others.values() if lost - names else ():
            if why := other.doubt or writes(other.source(), strict=not other.path): raise Unknown(f'{other.name} {why}')
        return lost - names

def compiled(text): return compile(text, 'module', 'exec', 0, True, 0)

def every(text):
    "(the names that `__all__` lists in so many words, whether those are all)."
    import ast
    names, found = set(), 0
    for literal in re.findall(ALL, text):
        try: names, found = names | {*map(str, ast.literal_eval(literal))}, found + 1
        except (TypeError, *NO_PROGRAM): pass                          # computed
    return names, bool(found) and found == len(re.findall(r'(?m)^[^#\n]*\b__all__\b', text))

def stub(dotted, places, spec):
    "The Facts of a module whose code is none of Python's: what its stub says, or else every name in its binary."
    for file in filter(os.path.isfile, (f'{place}{end}.pyi' for place in places for end in ('', f'{os.sep}__init__'))):
        text = '\n' + Path(file).read_text('utf-8', 'replace')
        given = ' '.join(re.findall(r'\nfrom [\w.]+ import (\([^)]*\)|.+)', text))
        return Facts(dotted, bound=re.findall(r'\n(?:def |class )?([^\W\d]\w*)', text) + re.findall(r'\w+', given))
    words = re.findall(rb'(?=([A-Za-z_]\w*)\0)', Path(spec.origin).read_bytes()) if spec else ()
    return Facts(dotted, bound=map(bytes.decode, words), doubt='' if spec else ABSENT)

def missing(module, names):
    "A problem for each name that a module reads and lacks, where it is first read."
    if not (lost := names.lacking(module.facts, {name for name, *_ in module.facts.reads})): return
    lost -= {*re.findall(r'(?m)^(\w+)[ \t]*:', module.text)}          # `name: type` declares it
    lost -= Facts().add(compiled(re.sub(r'\bif (False|0):', 'if lost:', module.text))).bound    # the compiler skips it
    wrong = {name: f'`{name}` is set {setter(module, name)}' for name in lost}
    for name, code, at, _ in sorted(module.facts.reads, key=lambda read: place(*read[1:3])):
        if name in wrong and (problem := module.problem(wrong[name], code, at, name, 'NameError')):
            del wrong[name]
            yield problem

def early(module, names):
    "A problem for each name that a line at the top level reads above the line that sets it."
    soon = [read[:3] for read in module.facts.reads if read[3] and read[0] in module.facts.bound]
    for given, others in (names.star(base) for base, taken, _, _ in module.facts.imports if soon and '*' in taken):
        if dark := [other for other in others.values() if other.doubt]: raise Unknown(f'{dark[0].name} {dark[0].doubt}')
        soon = [read for read in soon if read[0] not in given]
    for name, code, at in soon:
        yield module.problem(f'`{name}` is read here, above the line that sets it', code, at, name, 'NameError', AROUND)

def imported(module, names):
    "A problem for each name that is imported from a module of ours which does not have it."
    for base, taken, code, at in module.facts.imports:
        if not re.fullmatch(rf'{re.escape(module.package)}\.nb_[0-9]+[a-z]?', base): continue
        facts = names.facts(base)
        if '__getattr__' in facts.bound or facts.doubt == ABSENT: continue             # which is a problem of its own
        for name in sorted(names.lacking(facts, {*taken} - {'*'} - ALWAYS)):
            yield module.problem(f'{base} has no `{name}`', code, at, name, 'ImportError')

def listed(module, names):
    "A problem for each name that `__all__` lists and the module lacks."
    wanted = every(module.text)[0] if {'__all__', '__getattr__'} & module.facts.bound == {'__all__'} else set()
    for name in sorted(names.lacking(module.facts, wanted)):           # written in another way: where the list begins
        cell, found = next((cell, found) for word in (rf'(["\']){re.escape(name)}\1', '(?m)^__all__')
                           for cell in module.exported if (found := re.search(word, cell.source)))
        line = cell.source.count('\n', 0, found.start()) + 1
        yield cell.problem(f'`__all__` lists `{name}`, which is set {setter(module, name)}', line)

AROUND = 'If For While Try TryStar With Match IfExp BoolOp ListComp SetComp DictComp GeneratorExp'.split()

def excused(cell, line, column, name, error, around=()):
    "Whether a name may be missing here: in a `try` for the error, under a condition on it, or inside a kind `around`."
    import ast
    for node in ast.walk(ast.parse('\n' + cell.code)):
        if not hasattr(node, 'lineno') or not ((node.lineno, node.col_offset) <= (line, column)
                                               < (node.end_lineno, node.end_col_offset)): continue
        if type(node).__name__ in around: return True
        parts, words = [], {error, repr(name), 'version_info', 'TYPE_CHECKING'}
        match node:
            case ast.If() | ast.While() | ast.IfExp(): parts = [node.test]
            case ast.BoolOp(): parts = node.values
            case ast.With(): parts = [item.context_expr for item in node.items]
            case ast.Try() if line <= node.body[-1].end_lineno:
                parts = [handler.type or ast.Name(error) for handler in node.handlers]
                words |= {'Exception', 'BaseException'}
        if any({getattr(n, 'id', ''), getattr(n, 'attr', ''), repr(getattr(n, 'value', ''))} & words
               for part in parts for n in ast.walk(part)): return True
    return False

READERS = """dict list set frozenset tuple sorted len iter any all filter map print repr str getattr hasattr dir eval
    isinstance id type enumerate zip getmembers""".split()
WRITERS = 'update', 'setdefault', 'pop', 'clear', '__dict__', '__setitem__', '__setattr__'

def writes(text, strict=True):
    """How a module may set names in roundabout ways, or ''. Unless `strict`, names in a list are allowed as in
    `for x in ["a", "b"]: globals()[x] = 1`: the text shows them."""
    if not re.search(r'\b(globals|locals|vars|exec|modules|global_enum|_convert_)\b', text): return ''
    import ast
    try: nodes, own, aliases, spelt = [*ast.walk(ast.parse(text))], {}, {}, set()
    except NO_PROGRAM: return 'cannot be read'                         # there is no source, or in other letters
    inner = {n for f in nodes if isinstance(f, (ast.FunctionDef, ast.Lambda)) for n in ast.walk(f)}
    for node in nodes:
        match node:
            case ast.If(ast.Name('TYPE_CHECKING') | ast.Attribute(_, 'TYPE_CHECKING'), body):
                if any(isinstance(n, ast.ImportFrom) and n.names[0].name == '*' for n in body): return ''  # shown there
            case ast.For(ast.Name(key), ast.List() | ast.Tuple()) if not strict: spelt.add(key)
            case ast.Call(ast.Name('exec'), [_]): return 'calls exec'
            case ast.Name('global_enum') | ast.Attribute(_, 'global_enum' | '_convert_'): return 'spreads an enum'
            case ast.Call(ast.Name('globals'), []): own[node] = 'globals()'
            case ast.Call(ast.Name('locals' | 'vars' as how), []) if node not in inner: own[node] = f'{how}()'
            case ast.Subscript(ast.Attribute(_, 'modules') | ast.Name('modules'), ast.Name('__name__')):
                own[node] = 'sys.modules'
            case ast.Assign([ast.Name(name)], value): aliases[name] = value
    aliases = {name: own[value] for name, value in aliases.items() if value in own}
    own |= {node: aliases[node.id] for node in nodes if isinstance(node, ast.Name) and node.id in aliases}
    return next((f'sets names through {own[node]}' for parent in nodes for node in ast.iter_child_nodes(parent)
                 if node in own and sets(node, parent, spelt)), '')

def sets(node, parent, spelt):
    "Whether what holds all names of a module is put to a use that may set one, other than those of a list."
    import ast
    match parent:
        case ast.Subscript(_, ast.Name(key), ast.Store()) if key in spelt: return False
        case ast.Subscript(ctx=ctx): return parent.value is node and not isinstance(ctx, ast.Load)
        case ast.Attribute(_, name, ctx): return name in WRITERS or not isinstance(ctx, ast.Load)
        case ast.Call(ast.Name(name) | ast.Attribute(_, name)): return name not in READERS
        case ast.Assign([ast.Name()]): return False                    # an alias, which is looked at in its turn
    return isinstance(parent, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr, ast.Return, ast.keyword))

def setter(module, name):
    "The cell that sets a name, in words."
    for cell in module.cells:
        if cell.kind != 'code' or cell.code or name not in cell.source: continue
        text = re.sub(r'(?m)^([ \t]*)[%!?].*', r'\1pass', cell.source)
        try: found = name in Facts().add(compiled(text)).bound
        except NO_PROGRAM: continue
        if found: return f'in cell {cell.number}, which is not exported'
    return 'nowhere'

def check_imports(module, orders):
    "A problem for each import of a module of ours that does not exist, or does not come before the importer."
    for base, names, code, at in module.facts.imports:
        dotted = ' '.join(f'{base}.{name}' for name in names) if base == module.package else base
        for name in re.findall(rf'(?<!\S){re.escape(module.package)}\.(nb_[0-9]+[a-z]?)\b', dotted):
            if name not in orders: message = 'does not exist, or has no notebook any more'
            elif name == module.name: message = 'imports itself, in a circle'
            elif orders[name] >= module.order: message = 'comes later; only earlier ones can be imported'
            else: continue
            yield module.problem(f'{module.package}.{name} {message}', code, at)


# Plan: modules -> what to write

SAME, MISSING, OURS, EDITED = 'unchanged', 'missing', 'out of date', 'edited by hand'
TORN = 'left with conflict markers by a merge'
LINK, FOREIGN = 'is a link, and nothing is written through a link', 'was not generated, so it is not overwritten'

def standing(path, wanted=None):
    "(state, text, its notebook or '') of what stands in a module's place; no closer look where it is `wanted`."
    if path.is_symlink(): return LINK, '', ''
    try: text = path.read_bytes().decode('utf-8', 'replace')
    except FileNotFoundError: return MISSING, '', ''
    except IsADirectoryError: return FOREIGN, '', ''
    if text == wanted: return SAME, text, ''
    plain = re.sub(r'(?m)[ \t\r]+$', '', text)
    if not (head := re.match(HEAD, plain)): return FOREIGN, text, ''
    wrong = ''.join(part for *_, part in blocks(plain))
    if old := re.match(OLD, plain):
        import hashlib
        body = text.replace('\r\n', '\n')[old.end():].encode('utf-8', 'surrogatepass')
        if hashlib.sha256(body).hexdigest()[:16] == old[1]: return OURS, text, head[1]
    elif not wrong: return OURS, text, head[1]
    torn = all(re.search(f'(?m)^{mark}', head[0] + wrong) for mark in ('<{7} ', '={7}$', '>{7} '))
    return (TORN if torn else EDITED), text, head[1]

def blocks(text):
    "(line from 1, notebook, hash, text where that does not hold) of the top of a module, and of each cell in it."
    marks, top, at = [*re.finditer(MARK, text)], re.match(HEAD + FUTURE, text), 0
    first = text[:marks[0].start() if marks else len(text)]
    yield 0, '', '', '' if top and not first[top.end():].strip() else first
    while at < len(marks):
        code, last = marks[at].end(), len(text.rstrip().removesuffix('# ---'))
        ends = [*(mark.start() for mark in marks[at + 1:]), last]
        end = next((i for i, end in enumerate(ends) if digest(text[code:end]) == marks[at][2]), None)
        wrong = text[code:ends[0]] or ' ' if end is None else ''
        yield text.count('\n', 0, code) + 1, marks[at][1], marks[at][2], wrong
        at += 1 + (end or 0)                                           # a text in a cell may look like a mark

def difference(old, new, path):
    "The lines that differ, as `diff -u` shows them."
    import difflib
    old, new = old.replace('\r\n', '\n').splitlines(True), new.splitlines(True)
    return ''.join(difflib.unified_diff(old, new, f'{path} (now)', f'{path} (from the notebook)', n=1))

def plan(modules, root, out, force, whole, result):
    "Tells the result what is to be written. Raises Refused."
    result.unchanged, result.changes, result.orphans, errors = [], {}, {}, []
    roots = {root, (project(out) or [root])[0]}                        # the modules may be those of another project
    for module in modules:
        path = out/f'{module.name}.py'
        state, old, owner = standing(path, module.text)
        if state == SAME: result.unchanged.append(path); continue
        result.changes[path] = state, old, module.text
        if state == TORN: result.notes.append(f'{path}: had the conflict markers of a merge, and is written anew')
        rivals = {folder/owner for folder in roots} - {root/module.shown}
        if state in (LINK, FOREIGN): refusal = state
        elif any(map(exports, rivals)): refusal = f'comes from {owner}, which exports cells too: rename one'
        elif state == EDITED and not force: refusal = edit(module, path, old)
        else: continue
        errors.append(f'{module.shown}: {path} {refusal}')
    if errors: raise Refused(*errors)
    if whole: result.orphans = orphans(modules, root, out)

def orphans(modules, root, out):
    "By path, the state of each module of ours that no notebook gives: none of `modules`, and not the one it names."
    rest = sorted({*out.glob('nb_*.py')} - {out/f'{module.name}.py' for module in modules})
    return {path: state for path, (state, _, owner) in zip(rest, map(standing, rest)) if state in (OURS, EDITED, TORN)
            and not (numbered(Path(owner).stem)[0] == path.stem and exports(root/owner))}

def edit(module, path, old):
    "What to say of a module that was edited by hand: in which cells, and a short difference."
    wrong = [mark for _, _, mark, part in blocks(old.replace('\r\n', '\n')) if mark and part]
    numbers = ', '.join(str(cell.number) for cell in module.exported if digest(cell.code) in wrong)
    says = f'was edited by hand{numbers and f" in cell {numbers}"}; put the change into the notebook, or use --force:'
    return '\n    '.join([says, *difference(old, module.text, path).splitlines()[2:12]])


# Write: all, or nothing

def locked(path, patience):
    "The file `path`, which one run at a time holds; the system gives it back when its owner dies. Raises Refused."
    end = time.monotonic() + patience
    while True:
        file = os.open(path, os.O_CREAT | os.O_WRONLY | getattr(os, 'O_NOFOLLOW', 0))
        try:
            if os.name == 'nt':
                import msvcrt
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
                return file
            import fcntl
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(path), os.fstat(file)): return file
        except (BlockingIOError, PermissionError, FileNotFoundError): pass    # its owner is there, or has just left
        os.close(file)
        if time.monotonic() > end:
            raise Refused(f'{path.parent}: another run has been writing there for {patience:g} s')
        time.sleep(.01)

def write(out, patience, plan_again, result, removable):
    "Plans again, now that nobody else writes; then all to temporary files, and each to its place in one step."
    out.mkdir(parents=True, exist_ok=True)
    file = locked(lock := out/'.notebook2script.lock', patience)
    try:
        plan_again()
        temporary = {path: out/f'.{path.name}.notebook2script' for path in result.written}
        for path, (_, _, text) in result.changes.items():
            temporary[path].unlink(missing_ok=True)                    # it could be a link
            temporary[path].write_bytes(text.encode())
            if path.exists(): temporary[path].chmod(path.stat().st_mode & 0o7777)
        to_disk([*temporary.values()])
        for path in result.written: os.replace(temporary[path], path)
        result.removed = [path for path, state in result.orphans.items() if state in removable]
        for path in result.removed: path.unlink(), result.orphans.pop(path)
    finally:
        try:
            for leftover in out.glob('.nb_*.py.notebook2script'): leftover.unlink()   # of a run that was killed, too
        finally:
            if os.name != 'nt': lock.unlink(missing_ok=True)
            os.close(file)

def to_disk(paths):
    "Forces files to the disk, eight at a time: most of this is waiting. Raises OSError."
    import threading
    failed = []
    def force(paths):
        try:
            for path in paths:
                with open(path, 'rb+') as f: os.fsync(f.fileno())
        except OSError as e: failed.append(e)
    threads = [threading.Thread(target=force, args=[paths[i::8]]) for i in range(min(8, len(paths)))]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    if failed: raise failed[0]


# All together

def exports(path):
    "Whether a notebook exists and exports cells, or may do so, since it cannot be read."
    try: return path.is_file() and bool(select(read(path, path.name), Result()))
    except Refused: return True

def prepare(notebooks, root, out, result):
    "The modules of the notebooks in their order; tells the result what is wrong with each notebook."
    modules, beside, known = {}, {}, {*notebooks}
    for folder in {path.parent for path in notebooks}:
        for path in sorted({*folder.glob('*.ipynb')} - known):
            beside.setdefault((folder, numbered(path.stem)[0]), []).append(path)
    for path in notebooks:
        shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        try: module = Module(shown, read(path, shown), out.name, result)
        except Refused as e: result.errors += e.args; continue
        if not (module.exported and module.name): continue
        first = modules.setdefault(module.name, module)
        rivals = [first.shown] if first is not module else []
        rivals += [other.name for other in beside.get((path.parent, module.name), []) if exports(other)]
        result.errors += [f'{shown}: gives {module.name}, as {rival} does' for rival in rivals]
    return sorted(modules.values(), key=lambda module: module.order)

def connect(modules, notebooks, root, home, out, result, whole=False):
    "Tells the result what is wrong with imports and names of modules that were read together."
    stems = [path.stem[3:] for path in {*out.glob('nb_*.py')} - {*(orphans(modules, root, out) if whole else ())}]
    stems += [path.stem for path in {*home.glob('*.ipynb')} - {*notebooks}]
    orders = dict(map(numbered, stems)) | {module.name: module.order for module in modules}
    names, places = Names(modules, root, out), {}
    for module in modules:
        first = places.setdefault(module.order, module)
        if first is not module: result.problems.append(f'{module.shown}: has the same number as {first.shown}')
        result.errors += check_imports(module, orders)
        for check in missing, early, imported, listed:
            try: result.problems += filter(None, check(module, names))
            except Unknown as e: result.notes.append(f'{module.shown}: names are not checked: {e}')

def export(*paths, out=None, check=False, diff=False, prune=False, force=False, up_to=None, patience=600):
    """Writes the modules of the notebooks `paths` (none: all of the project) to the folder `out` (None: the project's);
    returns a Result. Waits `patience` seconds for another run. Raises Refused before anything is written."""
    start, last, result = time.perf_counter(), numbered(up_to or '')[1], Result()
    if up_to is not None and not last: raise Refused(f'--up-to {up_to}: wanted a number, such as 05 or 05a')
    root, home, usual = places(paths)
    out = Path(os.path.abspath(out or usual))
    if out.is_symlink(): raise Refused(f'{out} is a link, and nothing is written through a link')
    notebooks, whole = collect(paths, home, last), not paths and not last
    with warnings.catch_warnings(action='ignore'):                     # Python gives them again at the import
        modules = prepare(notebooks, root, out, result)
        if not result.errors: connect(modules, notebooks, root, home, out, result, whole)
    if result.errors: raise Refused(*result.errors, *result.problems)
    dry, removable = check or diff, ([OURS, TORN] + [EDITED] * force) * prune
    def planned(): plan(modules, root, out, force or dry, whole, result)
    planned()
    if not dry and (result.written or {*result.orphans.values()} & {*removable}):
        write(out, patience, planned, result, removable)
    result.notes, result.seconds = [*dict.fromkeys(result.notes)], time.perf_counter() - start
    return result


# Command line

TRACED = r'(?:File "(.*\bnb_\w+\.py)", line |^\s*(?:File )?(.*?\bnb_\w+\.py):)([0-9]+)'  # Python's; IPython's, pytest's

def where(place):
    "`nbs/07_x.ipynb, cell 12, line 3` for `exp/nb_07.py:41`, or None."
    name, _, number = place.rpartition(':')
    try:
        text, number = Path(name).read_text('utf-8'), int(number)
        start, notebook, mark, _ = [block for block in blocks(text) if block[1] and block[0] <= number][-1]
    except (OSError, ValueError, IndexError): return None
    root = next((folder for folder in Path(os.path.abspath(name)).parents if (folder/notebook).is_file()), None)
    if not root: return f'{notebook}, which is gone'
    try: module = Module(notebook, read(root/notebook, notebook), '', Result())
    except Refused as e: return str(e)
    cells = [cell for cell in module.exported if digest(cell.code) == mark]
    before = [block for block in blocks(text) if block[2] == mark and block[0] < start]
    if not cells: return f'{notebook}, a cell that has changed since'
    cell = cells[min(len(before), len(cells) - 1)]                     # of cells that are alike
    line = min(number - start, cell.code.count('\n')) + 1
    return f'{notebook}, cell {cell.number}, line {line + (line > cell.directive)}'

def placed(lines):
    "The lines of a traceback, and under each one that lies in a generated module its place in the notebook."
    for line in lines:
        yield line.rstrip('\n')
        found = re.search(TRACED, re.sub(r'\x1b\[[0-9;]*m', '', line))
        if found and (place := where(f'{os.path.expanduser(found[1] or found[2])}:{found[3]}')): yield f'    {place}'

def watch(notebooks, options):
    "Exports whenever a notebook has been saved, until Ctrl-C."
    seen, done = [], None
    try:
        while True:
            try: now = [(p, p.stat().st_mtime_ns, p.stat().st_size) for p in collect(notebooks, places(notebooks)[1])]
            except (OSError, Refused): now = seen
            if now == seen != done:                                    # nothing has moved since the last look
                done = now
                run(notebooks, options)
            seen = now
            time.sleep(.2)
    except KeyboardInterrupt: return 0

def run(notebooks, options):
    "One export; prints what happened, and returns the exit status."
    check, diff, watching, quiet = (options.get(name, False) for name in ('check', 'diff', 'watch', 'quiet'))
    gc.disable()                                                       # looking for cycles would cost a twentieth
    try: result = export(*notebooks, **{name: options[name] for name in {*options} - {'watch', 'quiet', 'status'}})
    except Refused as e: return tell(*e.args, 'nothing was written') or 2
    except OSError as e: return tell(f'the file system refused: {e}') or 3
    finally: gc.enable()
    options['status'] = int(check and bool(result.written or result.orphans or result.problems))    # should print fail
    tell(*result.problems, *result.notes)
    for path, state in result.orphans.items():
        tell(f'{path}: its notebook is gone, or exports nothing (--prune{" --force" if state == EDITED else ""})')
    for path, (state, old, new) in result.changes.items():
        if check: tell(f'{path}: {state}')
        if diff: print(difference(old, new, path), end='')
        if watching: print(f'{time.strftime("%H:%M:%S")} {path.name}')
    written, unchanged, removed = map(len, (result.written, result.unchanged, result.removed))
    counts = f'{written} {"to write" if check or diff else "written"}, {unchanged} unchanged'
    counts += f', {removed} removed' * bool(removed) + f' ({result.seconds:.2f} s)\n'
    print('' if quiet else f'{(total := written + unchanged)} module{"s" * (total != 1)}: {counts}', end='', flush=True)
    return options['status']

def tell(*messages):
    "Prints messages to standard error, if anybody reads it, on a terminal with the first line of each in red."
    if not sys.stderr: return
    mark = '\033[31m\\1\033[0m' if sys.stderr.isatty() and 'NO_COLOR' not in os.environ else r'\1'
    try:
        for message in messages: print(re.sub('^(.*)', mark, message, count=1), file=sys.stderr)
    except BrokenPipeError: os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

OPTIONS = 'out= up-to= upTo= where= check diff watch prune force quiet help'.split()

def main(argv=None):
    "The command line; returns the exit status."
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'): stream.reconfigure(errors='backslashreplace')
    argv = [arg for arg in (sys.argv[1:] if argv is None else argv)
            if arg.lower() not in ('--allfiles', '--allfiles=true', '--allfiles=1')]    # that is the usual
    try: given, notebooks = gnu_getopt(argv, 'qh', OPTIONS)
    except GetoptError as e: return tell(f'{e}; --help lists the options') or 2
    words = {'-q': 'quiet', '-h': 'help', '--up-to': 'up_to', '--upTo': 'up_to'}
    options = {words.get(name, name[2:]): value if f'{name[2:]}=' in OPTIONS else True for name, value in given}
    try:
        if 'help' in options: return print(__doc__, flush=True) or 0
        if 'where' not in options: return (watch if 'watch' in options else run)(notebooks, options)
        if options['where'] == '-':
            for line in placed(sys.stdin or ()): print(line, flush=True)
        elif place := where(options['where']): print(place, flush=True)
        else: return tell(f'{options["where"]}: no line of a generated module') or 2
        return 0
    except BrokenPipeError:                                            # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return options.get('status', 0)


if __name__ == '__main__': sys.exit(main())

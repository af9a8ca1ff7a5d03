"""Checks an answer: a definition of a lesson's module, written anew by a reader. The tests that run this definition are run on the
module with the answer in its place (workbook_trial.py); tests/mutants/table.json says which tests those are, and which of them fail for
each known mistake."""
import ast, json, math, re, subprocess, sys, tempfile, zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from workbook_trial import FORKS, MEMORY, ROOT, sentence, spawned

TABLE = ROOT/'tests'/'mutants'/'table.json'
SECONDS = 10                                                 # of computing that a check may take; its tests take one or two
EMPTY, AT, FORGOTTEN = 'is still empty', 'in your line', 'Nothing is returned: is there a `return`?'
NEAR = .6     # how alike the failing tests of a known mistake must be: of 100 answers by somebody else, below it 7 of 10 thoughts were wrong
FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef
MAGIC = re.compile(r'(?m)^([ \t]*)[%!?].*')


class Unfit(ValueError):
    "What was asked for cannot be done; says why in a sentence."


@dataclass
class Result:
    "Whether an answer `passed`; node ids of the tests that `failed`, the `first` of them in words, the `likely` mistake; all that is `said`."
    passed: bool
    failed: list = field(default_factory=list)
    first: str = ''
    likely: str | None = None
    said: str = ''


# Definitions: those of a module, those of a cell

def module_text(module):
    "The text of `exp.module`. Raises Unfit."
    path = ROOT/'exp'/f'{module}.py'
    if not re.fullmatch(r'nb_\w+', module) or not path.is_file(): raise Unfit(f'{module}: there is no such module in exp/')
    return path.read_text(encoding='utf-8')


def every_definition(tree):
    "(qualified name, node) of each function and of each method of a class."
    for node in tree.body:
        if isinstance(node, FUNCTIONS): yield node.name, node
        if isinstance(node, ast.ClassDef): yield from ((f'{node.name}.{part.name}', part) for part in node.body if isinstance(part, FUNCTIONS))


def definitions(tree):
    "{qualified name: node}, without the names that are defined twice: a property and its setter."
    found = list(every_definition(tree))
    names = [name for name, _ in found]
    return {name: node for name, node in found if names.count(name) == 1}


def first_line(node): return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])

def body(node):
    "The statements of a definition without its docstring."
    return node.body[ast.get_docstring(node, clean=False) is not None:]

def is_hole(node):
    "Whether nobody has written anything: `raise NotImplementedError`, `...` or `pass` alone, or a docstring alone."
    rest = body(node)
    if len(rest) != 1: return not rest
    if isinstance(rest[0], ast.Raise): return 'NotImplementedError' in ast.unparse(rest[0])
    return isinstance(rest[0], ast.Pass) or isinstance(rest[0], ast.Expr) and getattr(rest[0].value, 'value', None) is ...


def parsed(text):
    "The tree of a cell, magics left out. Raises SyntaxError."
    return ast.parse(MAGIC.sub(r'\1pass', text.replace('\r\n', '\n')))


def written(text, known=()):
    """{qualified name: source} of the definitions of a cell; in front of each stand the helpers of the reader's own, those that
    are not `known` in the module. Raises SyntaxError."""
    tree, lines = parsed(text), text.replace('\r\n', '\n').split('\n')
    def source(node): return '\n'.join(lines[first_line(node) - 1:node.end_lineno])
    found = dict(every_definition(tree))
    return {name: '\n'.join([source(other) for more, other in found.items() if more not in known and more != name and
            more.rpartition('.')[0] == name.rpartition('.')[0]] * bool(known) + [source(node)]) for name, node in found.items()}


def answers_in(notebook):
    """{hole: source} of a workbook, from its cells, of which none is run; a cell that does not parse is the source of each of its
    holes. What is missing has been deleted."""
    known, answers = set(dict(every_definition(ast.parse(module_text(notebook['metadata']['exp']['module']))))), {}
    for cell in notebook['cells']:
        holes, text = cell.get('metadata', {}).get('exp', {}).get('holes', ()), ''.join(cell['source'])
        try: found = written(text, known) if holes else {}
        except (SyntaxError, ValueError): found = dict.fromkeys(holes, text)
        answers |= {hole: found[hole] for hole in holes if hole in found}
    return answers


def shifted(source, column):
    "A definition moved to a column; the lines inside of its texts stay. What does not parse stays where it is."
    pad = re.match(r'[ \t]*', source)[0]
    try: tree = ast.parse(f'if 1:\n{source}' if pad else source)
    except (SyntaxError, ValueError): return source
    texts = [node for node in ast.walk(tree) if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.end_lineno > node.lineno]
    inside = {line - bool(pad) for node in texts for line in range(node.lineno + 1, node.end_lineno + 1)}
    return '\n'.join(line if number in inside or not line.strip() else ' '*column + line.removeprefix(pad)
                     for number, line in enumerate(source.split('\n'), 1))


def with_answers(module, answers):
    "The text of a module with the definitions `answers`, {qualified name: source}, in the place of its own. Raises Unfit."
    text = module_text(module)
    found, lines = definitions(ast.parse(text)), text.split('\n')
    if unknown := set(answers) - set(found): raise Unfit(f'{module} has no {min(unknown)}')
    for name in sorted(answers, key=lambda name: -found[name].lineno):
        node = found[name]
        lines[first_line(node) - 1:node.end_lineno] = shifted(answers[name], node.col_offset).split('\n')
    return '\n'.join(lines)


def lines_of(text, name, answers):
    "The first and the last line of the answer to `name` in the text of a module with `answers`; its helpers stand in front of it. Raises SyntaxError."
    node = definitions(ast.parse(text)).get(name)
    return (min(first_line(node), node.end_lineno - answers.get(name, '').count('\n')), node.end_lineno) if node else (0, 0)


# What is known of the tests

@cache
def tables(): return json.loads(TABLE.read_text(encoding='utf-8')) if TABLE.exists() else {}

def table(module):
    "What table.json keeps of a module. Raises Unfit."
    if module not in tables(): raise Unfit(f'{module}: {TABLE.relative_to(ROOT)} knows no tests of it: if it has some, `python tests/mutants/table.py {module}` sorts them')
    return tables()[module]


def tests_of_hole(module, name):
    "The node ids of the tests that speak about a definition. Raises Unfit."
    known = table(module)
    if name not in known['holes']: raise Unfit(f'{module}: no test speaks about {name}')
    return [known['tests'][number] for number in known['holes'][name]]


def weights(mistakes):
    "How much each test says: the more, the fewer of the mistakes it fails for."
    tests = set().union(*mistakes) if mistakes else ()
    return {test: math.log((len(mistakes) + 1) / sum(test in fails for fails in mistakes)) for test in tests}


def nearest(mistakes, failed):
    """(how near, which) of the `mistakes`, pairs (which, failing tests), whose tests are most like those that `failed`: of 1 those
    that fail the same ones. The measure is that of Jaccard, with the weight of each test."""
    weight = weights([fails for _, fails in mistakes])
    def total(tests): return math.fsum(weight.get(test, math.log(len(mistakes) + 1)) for test in tests)      # in any order the same
    near = [(total(fails & failed) / total(fails | failed) if fails | failed else 0, thought) for thought, fails in mistakes]
    best = max(near, default=(0, ''))[0]
    return best, [thought for score, thought in near if score == best]


def mark(found):
    "Eight digits for the first failing case, the same where the same values came out."
    return f'{zlib.crc32(json.dumps([found.get("case", {}).get(part) for part in ("test", "facts", "error")]).encode()):08x}'


def likely_mistake(module, name, failed, seen='', worded=()):
    """(how near, the thought behind it) of the known mistake nearest to the tests that `failed`, or to these and those that met an
    error `worded` by the answer; (0, None) where none is near. Of several that fail the same ones that whose first case has the mark
    `seen`."""
    known = table(module)
    mistakes = [((thought, mark), {known['tests'][i] for i in fails}) for of, thought, fails, mark in known['mutants'] if of == name and fails]
    best, found = max((nearest(mistakes, tests) for tests in ({*failed, *worded}, {*failed})), key=lambda near: near[0])
    thoughts = [thought for thought, mark in found if mark == seen] * (best == 1) or [thought for thought, _ in found]
    return (best, '”, or: “'.join(dict.fromkeys(thoughts[:2]))) if best >= NEAR and failed else (0, None)


def diagnose(module, name, failed, worded=()):
    "The thought behind the known mistake whose failing tests are nearest to those that `failed`; None where none is near."
    return likely_mistake(module, name, failed, worded=worded)[1]


# A check

@cache
def server(module):
    "A process that has imported what the tests of a module need, and where it writes its errors. It ends with this one."
    errors = tempfile.TemporaryFile()
    return subprocess.Popen([sys.executable, str(ROOT/'workbook_trial.py'), module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT), errors


def ask(module, text, tests, lines=(0, 0)):
    "What the tests say about a text of the module: see `answer` in workbook_trial.py. Raises Unfit."
    request = {'text': text, 'tests': tests, 'lines': lines, 'seconds': SECONDS}
    if not FORKS: return spawned(module, request)
    process, errors = server(module)
    try:
        process.stdin.write((json.dumps(request) + '\n').encode())
        process.stdin.flush()
        if line := process.stdout.readline(): return json.loads(line)
    except BrokenPipeError: pass
    server.cache_clear()
    errors.seek(0)
    raise Unfit(f'the process that runs the tests has ended: {(errors.read().decode(errors="replace").strip().splitlines() or ["without a word"])[-1]}')


def unfit(name, source):
    "What keeps a source from being an answer at all, as a sentence; None where nothing does."
    inside = source[:1] in (' ', '\t')
    try: found = dict(every_definition(ast.parse(f'class {name.split(".")[0]}:\n{source}' if inside else source)))
    except SyntaxError as error: return f'does not parse: {error.msg}' + (f', in `{error.text.strip()}`' if error.text else '')
    except ValueError as error: return f'does not parse: {error}'
    node = found.get(name) or found.get(name.split('.')[-1])
    if not node: return 'is not defined here'
    return EMPTY if is_hole(node) else None


def failure(text, found):
    "What went wrong first, in shapes and numbers; a loop, a crash, an exit, a hunger for memory as such."
    where = f' in the test "{sentence(found["at"])}"' if found['at'] else ''
    if 'broken' in found: return found['broken']
    if found['how'] == 'late': return f'it does not come to an end: stopped after {SECONDS} seconds{where}'
    if found['how'] == 'exit': return f'it ends Python{where}'
    if found.get('end') == 2: return f'it ends the tests{where}'
    if found['how'] != 'end': return f'Python itself crashes ({found["how"]}){where}'
    case = found['case']
    values = [fact for fact in case['facts'] if ' is <module ' not in fact]
    lines = [f'"{case["test"]}"', *(f'    {line}' for line in (*case.get('lines', ()), *case.get('given', ()), *values))]
    error = re.sub(r"Failed: DID NOT RAISE (?:<class '(?:.*\.)?)?(\w+).*", r'it raises nothing, wanted \1', case.get('error', ''))
    if error.startswith('MemoryError') or 'allocate memory' in error: error = f'it asks for more memory than {MEMORY >> 30} GB'
    if error.startswith('NameError'): error += '; what a definition needs stands in it, or in its cell'
    at = [f'    {AT} `{text.split(chr(10))[case["at"] - 1].strip()}`'] if 'at' in case else []
    return '\n'.join([*lines, *[f'    {error}'] * bool(error), *at])


def judged(module, name, answers, tests):
    """With these answers in the module: the tests that fail, the first failure in words, its mark, and the tests that pass, but for
    the words of an error of the answer's own."""
    text = with_answers(module, answers)
    try: lines = lines_of(text, name, answers)
    except SyntaxError as error: return tests, f'the module does not parse with it: {error.msg}', '', []
    found = ask(module, text, tests, lines)
    failed = [test for test in tests if test not in found['passed']]
    if found['how'] == 'end' and 'broken' not in found and found['end'] != 2 and set(failed) - set(found['failed']):
        raise Unfit(f'{TABLE.relative_to(ROOT)} is older than the tests of {module}: python tests/mutants/table.py {module}')
    return failed, failure(text, found) if failed else '', mark(found), [test for test in found['worded'] if test not in failed]


def returns(node):
    "Whether a function gives something back."
    return any(isinstance(part, (ast.Yield, ast.YieldFrom)) or isinstance(part, ast.Return) and part.value for part in own_parts(node))


def own_parts(node):
    "What stands in a function, and not in one inside of it."
    for part in ast.iter_child_nodes(node):
        if not isinstance(part, (*FUNCTIONS, ast.Lambda)): yield from (part, *own_parts(part))


def forgets(module, name, source):
    "Whether an answer gives nothing back where the solution does."
    text = with_answers(module, {name: source})
    return returns(definitions(ast.parse(module_text(module)))[name]) and not returns(definitions(ast.parse(text)).get(name, ast.parse('')))


def check(module, name, source, beside=None):
    """Runs the tests of a definition on the answer `source`, alone in the module; where it fails, once more with the answers `beside`
    it, those of the same class, and what is said is of the better of the two. Raises Unfit."""
    tests = tests_of_hole(module, name)
    if why := unfit(name, source): return Result(False, tests, why, None, f'{name} {why}.')
    alone = judged(module, name, {name: source}, tests)
    both = judged(module, name, {**beside, name: source}, tests) if alone[0] and beside else alone
    failed, first, seen, worded = min(alone, both, key=lambda found: (len(found[0]), 'AttributeError' in found[1]))     # what it lacks may stand beside it
    if not failed:
        words = f', {len(worded)} of them with an error in your own words' * bool(worded)
        return Result(True, said=f'{name}: right. {count(tests)} passed{", together with your other methods" * bool(alone[0])}{words}.')
    best, likely = likely_mistake(module, name, failed, seen, worded)
    if best < 1 and AT in first: likely = None               # an error in a line of the answer says more than what is only near
    said = f'{name}: not yet. {len(failed)} of {count(tests)} failed; first {first}'
    if 'None' in first and forgets(module, name, source): return Result(False, failed, first, FORGOTTEN, f'{said}\n{FORGOTTEN}')
    same = 'The same' if best == 1 else 'Much the same'
    return Result(False, failed, first, likely, said + (f'\n{same} tests fail for this mistake: “{likely}”.' if likely else ''))


def count(tests): return f'{len(tests)} test{"s" * (len(tests) != 1)}'

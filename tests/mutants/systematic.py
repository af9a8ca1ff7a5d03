"""Edits of every kind, one at a time, over whole modules: what the tests let live is a gap in them, or changes nothing.

    python tests/mutants/systematic.py                      all modules of exp/, and notebook2script.py: hours
    python tests/mutants/systematic.py nb_02                every edit of this one
    python tests/mutants/systematic.py nb_02 --sample 60    60 of its edits, the same ones for the same --seed
    python tests/mutants/systematic.py nb_02 --show         what would be tried

An operator, a comparison or a constant is changed, a condition forced, a `not`, a statement, an argument or a decorator
left out, a slice moved, nothing returned. Left alone: docstrings, annotations, the words of what is raised, asserted or
printed, and what is a matter of taste, the sizes and colours of pictures.
Edits that change nothing anybody could observe stand in equivalent.py, each with the reason, and are not tried.
Exit status: 0 all caught, 1 some survived, 2 the tests themselves are at fault, or equivalent.py.
"""
import argparse, ast, difflib, os, random, sys, time
from equivalent import EQUIVALENT
from trial import ROOT, Fault, files_of, module_path, statuses, warm

SWAPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
         ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.And: ast.Or,
         ast.Or: ast.And, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
         ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
TURNS = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}       # a second edit of the same place
LEFT_OUT = ast.Expr, ast.Assign, ast.AugAssign, ast.Delete, ast.Raise, ast.Break, ast.Continue
WORDS = {'annotation', 'returns'}
TASTE = {'figsize', 'dpi', 'cmap', 'color', 'edge_color', 'node_size', 'fontsize', 'xmargin', 'ymargin', 'alpha', 'lw', 'fc', 'zorder',
         'arrowstyle', 'boxstyle', 'connectionstyle', 'mutation_scale'}


def is_docstring(node): return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

def tells(node):
    "Whether the strings in it are words for a reader: of what is raised or printed."
    return isinstance(node, ast.Raise) or isinstance(node, ast.Call) and getattr(node.func, 'id', '') in ('print', 'check_count', 'check_classes', 'one_number')


def places(node, scope='', told=False):
    "Yields (parent, field, number in a list or None, child, whether it is words, scope) for all that may be edited."
    for field, value in ast.iter_fields(node):
        if field in WORDS or isinstance(node, ast.keyword) and node.arg in TASTE: continue
        for number, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or is_docstring(child): continue
            inner = f'{scope}.{child.name}'.lstrip('.') if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else scope
            yield node, field, number, child, told or field == 'msg', inner
            yield from places(child, inner, told or field == 'msg' or tells(child))


def other_constants(value, told):
    "What a learner might have put in the place of a constant."
    if isinstance(value, bool): yield not value
    elif isinstance(value, int): yield value + 1
    elif isinstance(value, float): yield 2 * value or 1.
    elif isinstance(value, (str, bytes)) and not told: yield value + ('X' if isinstance(value, str) else b'X')


def shorter_calls(call):
    "The call without its last argument of several, and without each of those given by name."
    if len(call.args) > 1: yield ast.Call(call.func, call.args[:-1], call.keywords)
    for given in call.keywords:
        if given.arg not in TASTE: yield ast.Call(call.func, call.args, [other for other in call.keywords if other is not given])


def moved(part):
    "A slice that begins one later where it began at the start, or ends one earlier."
    last = ast.Constant(-1) if part.upper is None else ast.BinOp(part.upper, ast.Sub(), ast.Constant(1))
    if part.lower is None: yield ast.Slice(ast.Constant(1), part.upper, part.step)
    yield ast.Slice(part.lower, last, part.step)


def variants(node, parent, field, told):
    "What may stand in the place of `node`: nodes, or None where it is left out of its list."
    if type(node) in SWAPS: yield SWAPS[type(node)]()
    if type(node) in TURNS: yield TURNS[type(node)]()
    if isinstance(node, ast.Constant): yield from map(ast.Constant, other_constants(node.value, told))
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd): yield node.operand
    if isinstance(node, ast.Call): yield from shorter_calls(node)
    if isinstance(node, ast.Slice): yield from moved(node)
    if isinstance(node, LEFT_OUT) or isinstance(node, ast.Return) and node.value is None: yield ast.Pass()
    if isinstance(node, ast.Return) and ast.unparse(node) not in ('return', 'return None'): yield ast.Return(None)
    if field == 'test': yield from (ast.Constant(forced) for forced in (True, False) if not (forced and isinstance(parent, ast.While)))
    if field in ('ifs', 'decorator_list'): yield None


def edits(text):
    "Yields (scope, old lines, new lines, mutated text), once each, of the module `text` without its comments."
    tree = ast.parse(text)
    plain, seen = ast.unparse(tree), {ast.unparse(tree)}
    for parent, field, number, node, told, scope in list(places(tree)):
        for variant in list(variants(node, parent, field, told)):
            before = getattr(parent, field)
            after = variant if number is None else [*before[:number], *([variant] if variant else []), *before[number + 1:]]
            setattr(parent, field, after)
            mutated = ast.unparse(ast.fix_missing_locations(tree))
            setattr(parent, field, before)
            if mutated not in seen: yield (scope, *differences(plain, mutated), mutated)
            seen.add(mutated)


def differences(plain, mutated):
    "The lines that are gone and those that came, each joined to one."
    lines = list(difflib.unified_diff(plain.splitlines(), mutated.splitlines(), n=0, lineterm=''))[2:]
    return tuple(' '.join(line[1:].strip() for line in lines if line[0] == sign) for sign in '-+')


def chosen(name, sample, seed):
    "The edits of module `name` that are to be tried, and how many others are equivalent. Raises Fault for one that is not there."
    found = list(edits(module_path(name).read_text(encoding='utf-8')))
    same = {(old, new) for module, old, new, _ in EQUIVALENT if module == name}
    if gone := same - {(old, new) for _, old, new, _ in found}: raise Fault(f'{name}: equivalent.py has no such edit any more: {sorted(gone)[0]}')
    if sample: found = random.Random(seed).sample(found, min(sample, len(found)))
    real = [edit for edit in found if edit[1:3] not in same]
    return real, len(found) - len(real)


def examine(name, real, equivalent, limit):
    "Prints the module's line and the edits that its tests let live; returns how many there were and how many lived."
    start = time.perf_counter()
    plain = ast.unparse(ast.parse(module_path(name).read_text(encoding='utf-8')))
    found = statuses(name, plain, [mutated for *_, mutated in real], limit)
    lived = [edit for number, edit in enumerate(real) if found[number] == 0]
    print(f'{name}: {len(real) - len(lived)} of {len(real)} caught, {equivalent} more are equivalent ({time.perf_counter() - start:.0f} s)')
    show(lived)
    return len(real), len(lived)


def show(edits):
    for scope, old, new, _ in edits: print(f'  {scope or "module"}\n    - {old}\n    + {new}', flush=True)


def main(argv=None):
    "Tries the edits of each module; see the top of this file for the exit status."
    parser = argparse.ArgumentParser(prog='python tests/mutants/systematic.py', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='nb_02')
    parser.add_argument('--sample', type=int, metavar='N', help='try N edits of each module, drawn at random')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--show', action='store_true', help='print the edits that would be tried')
    parser.add_argument('--limit', type=float, default=20, metavar='S', help='seconds that an edit may take beyond '
                        'five times what the tests take without any (20)')
    args = parser.parse_args(argv)
    os.chdir(ROOT)
    names = args.names or [*(path.stem for path in sorted((ROOT/'exp').glob('nb_*.py'))), 'notebook2script']
    try:
        todo = {name: chosen(name, args.sample, args.seed) for name in names}
        if args.show: return [show(real) for real, _ in todo.values()] and 0
        warm(set().union(*map(files_of, names)))
        counts = [examine(name, *edits, args.limit) for name, edits in todo.items()]
    except (Fault, OSError) as error: return print(f'error: {error}') or 2
    total, lived = map(sum, zip(*counts))
    print(f'{total - lived} of {total} edits caught ({100 * (total - lived) / max(total, 1):.1f} %)')
    return int(lived > 0)


if __name__ == '__main__': sys.exit(main())

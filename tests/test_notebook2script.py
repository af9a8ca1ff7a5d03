"The converter: notebooks written here as text go in, modules and messages come out."
import ast, json, os, subprocess, sys, time
from pathlib import Path
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
import notebook2script
from notebook2script import Refused, export, main

SCRIPT = Path(notebook2script.__file__)


def nb(*cells, **extra):
    "The JSON of a notebook; a cell is a source, a code cell, or a pair of type and source."
    pairs = [cell if isinstance(cell, tuple) else ('code', cell) for cell in cells]
    code = {'execution_count': None, 'outputs': []}
    cells = [{'cell_type': kind, 'metadata': {}, **(code if kind == 'code' else {}), 'source': source} for kind, source in pairs]
    return json.dumps({'nbformat': 4, 'nbformat_minor': 4, 'metadata': {}, 'cells': cells, **extra})


@pytest.fixture
def shop(tmp_path, monkeypatch):
    "An empty project, entered; calling it writes a notebook."
    (tmp_path/'nbs').mkdir()
    monkeypatch.chdir(tmp_path)
    def save(name, *cells, raw=None, **extra):
        text = nb(*cells, **extra) if raw is None else raw
        (tmp_path/'nbs'/name).write_bytes(text if isinstance(text, bytes) else text.encode())
    save.root = tmp_path
    save.module = lambda name='nb_01': (tmp_path/'exp'/f'{name}.py').read_text('utf-8')
    return save


def body(text): return text.split('\n\n', 1)[1]


def refusal(*args, **kw):
    with pytest.raises(Refused) as e: export(*args, **kw)
    return str(e.value)


# ---- reading

@pytest.mark.parametrize('source', ['#export\na = 1\nb = 2', ['#export\n', 'a = 1\n', 'b = 2'], ['#exp', 'ort\na = ', '1\nb = 2'], '#export\r\na = 1\r\nb = 2'])
def test_a_source_may_be_a_text_or_a_list_of_any_split_with_any_line_ends(shop, source):
    shop('01_a.ipynb', source)
    export()
    assert body(shop.module()) == '# %% nbs/01_a.ipynb export 1\na = 1\nb = 2\n'


def test_a_byte_order_mark_and_any_minor_version_are_accepted(shop):
    shop('01_a.ipynb', raw=b'\xef\xbb\xbf' + nb('#export\na = "\u00e9"', nbformat_minor=0).encode())
    export()
    assert 'a = "\u00e9"' in shop.module()


@pytest.mark.parametrize('raw, message', [
    (b'', 'is empty'), (b'  \n', 'is empty'), (b'{"cells": [', 'not JSON, or cut off'), (b'[]', 'not a notebook'), (b'{}', 'nbformat None'),
    (b'\xff\xfe{', 'not UTF-8: byte 0'), (b'<<<<<<< HEAD\n{}\n=======\n', 'conflict markers'), (b'[' * 100_000, 'nested too deeply'),
    (nb('a', nbformat=3), 'nbformat 3, only 4 can be read: open it in Jupyter and save it'), (nb('a', nbformat=5), 'nbformat 5'),
    (b'{"nbformat": 4}', 'it has no cells'), (b'{"nbformat": 4, "cells": {}}', 'not a notebook'), (b'{"nbformat": 4, "cells": [1]}', 'cell 1: not a cell'),
    (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', 'cell 1: source is neither'), (b'1' * 5000, 'not JSON'),
    (nb('a', ('markdown', '<<<<<<< local\na\n=======\nb\n>>>>>>> remote')), 'cell 2: has the conflict markers'),
    (nb('#export\na = "\x00"'), 'cell 1: contains a NUL'), (nb('#export\na = "\ud83d"'), 'cell 1: contains half of a character')])
def test_a_damaged_notebook_is_refused_by_name_and_cell(shop, raw, message):
    shop('01_a.ipynb', raw=raw)
    text = refusal()
    assert text.startswith('nbs/01_a.ipynb: ') and message in text and not (shop.root/'exp').exists()


def test_every_problem_of_every_notebook_is_told_and_nothing_written(shop):
    shop('01_a.ipynb', '#export\na = 1')
    shop('02_b.ipynb', raw=b'')
    shop('03_c.ipynb', '#export\nx = = 1', '#export\ny = (')
    text = refusal()
    assert '02_b.ipynb: is empty' in text and '03_c.ipynb: cell 1, line 2' in text and '03_c.ipynb: cell 2, line 2' in text
    assert not (shop.root/'exp').exists()


@pytest.mark.parametrize('name', ['.01_a.ipynb', '_01_a.ipynb', 'Untitled.ipynb', 'Untitled1.ipynb'])
def test_hidden_private_and_untitled_notebooks_are_skipped(shop, name):
    shop(name, '#export\na = 1')
    (shop.root/'nbs'/'02_folder.ipynb').mkdir()
    assert export().written == []


def test_a_path_or_pattern_that_matches_nothing_is_an_error(shop):
    assert 'nbs/7.ipynb: no such notebook' in refusal('nbs/7.ipynb')
    assert 'no such notebook' in refusal('nbs/7*.ipynb')


def test_named_notebooks_folders_and_patterns_are_exported_alone(shop):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    assert [p.name for p in export('nbs/02_a.ipynb').written] == ['nb_02.py']
    assert [p.name for p in export('nbs/01*').written] == ['nb_01.py'] and len(export('nbs').unchanged) == 2


# ---- directives

@pytest.mark.parametrize('line', ['#export', '# export', '#| export', '#|export', '#EXPORT', '# Export  ', '  # export', '#export\t'])
@pytest.mark.parametrize('before', ['', '\n', '# a comment\n\n'])
def test_a_directive_may_be_written_in_these_ways_above_the_code(shop, line, before):
    shop('01_a.ipynb', f'{before}{line}\na = 1  # stays\n\n\nb = 2')
    export()
    assert body(shop.module()).split('\n', 1)[1] == f'{before}a = 1  # stays\n\n\nb = 2\n'


@pytest.mark.parametrize('cell, line, message', [
    ('#exprot\na = 1', 1, "meant to be #export"), ('#exports x\na = 1', 1, 'meant to be'), ('#export nb_foo\na = 1', 1, 'meant to be'),
    ('# exort\na = 1', 1, 'meant to be'), ('#| exporti\na = 1', 1, 'meant to be'), ('a = 1\n#export', 2, 'above the first line of code'),
    ('a = 1\n# export\nb = 2', 2, 'above the first line of code'), ('%%time\n#export\na = 1', 2, '%%time cannot be exported'),
    ('#export\n#export\na = 1', 2, 'second directive'), (('markdown', 'text\n\n#export'), 3, 'in a markdown cell exports nothing'),
    (('raw', '#|export'), 1, 'in a raw cell exports nothing')])
def test_a_directive_that_is_almost_right_is_refused_with_its_cell_and_line(shop, cell, line, message):
    shop('01_a.ipynb', 'z = 0', cell)
    text = refusal()
    assert text.startswith(f'nbs/01_a.ipynb: cell 2, line {line}: ') and message in text


@pytest.mark.parametrize('cell', [
    '# exported names are listed below\na = 1', '# export the model to a file\na = 1', '# expert advice from somebody\na = 1',
    's = """\n#export\n"""', 's = "#export"\n', ('markdown', '```\n#export\n```'), ('markdown', 'Mark a cell with `#export`.'),
    ('markdown', '# Export'), ('markdown', '## Exports'), 'f(x)  # export'])
def test_sentences_texts_and_fences_that_speak_of_export_are_left_alone(shop, cell):
    shop('01_a.ipynb', cell)
    assert export().written == []


# ---- targets

@pytest.mark.parametrize('name, module', [('01_a.ipynb', 'nb_01'), ('02a_title.ipynb', 'nb_02a'), ('7_x.ipynb', 'nb_7'), ('12.ipynb', 'nb_12')])
def test_the_number_and_letter_name_the_module(shop, name, module):
    shop(name, '#export\na = 1')
    assert [p.stem for p in export().written] == [module]


def test_two_notebooks_for_one_module_are_both_named(shop):
    for title in 'ab': shop(f'01_{title}.ipynb', '#export\na = 1')
    assert 'nbs/01_b.ipynb: gives nb_01, as nbs/01_a.ipynb does' in refusal()


@pytest.mark.parametrize('name', ['title.ipynb', '02ab_title.ipynb', 'a02_title.ipynb'])
def test_a_name_without_a_number_is_refused_unless_it_exports_nothing(shop, name):
    shop(name, 'a = 1')
    assert export().written == []
    shop(name, '#export\na = 1')
    assert 'its name has no number' in refusal()


def test_a_notebook_that_exports_nothing_has_no_module(shop):
    shop('01_a.ipynb', 'a = 1', '#export', '#export\n\n')
    assert export().written == [] and not (shop.root/'exp').exists()


# ---- checks of code

@pytest.mark.parametrize('code, line, message', [
    ('%time f()', 2, 'a magic, a shell command'), ('!ls', 2, 'a magic, a shell command'), ('help?', 2, 'a magic, a shell command'),
    ('def f():\n    %time 1', 3, 'a magic'), ('a = 1\nb = = 2', 3, 'invalid syntax'), ('def f(:\n    pass', 2, ''), ('return 1', 2, "'return' outside function"),
    ('await f()', 2, "'await' outside function"), ('x = (', 2, "'(' was never closed"), ('  a = 1', 2, 'unexpected indent'),
    ('from __future__ import annotations; a = 1', 2, 'on a line of its own')])
def test_code_that_is_no_module_is_refused_with_cell_line_and_caret(shop, code, line, message):
    shop('01_a.ipynb', ('markdown', 'text'), '#export\nok = 1', f'#export\n{code}')
    first, source, caret = refusal().split('\n')[:3]
    assert first.startswith(f'nbs/01_a.ipynb: cell 3, line {line}: ') and message in first
    assert source.strip() and caret.strip() == '^'


def test_future_imports_are_lifted_to_the_top(shop):
    shop('01_a.ipynb', '#export\na = 1', '#export\nfrom __future__ import annotations\nb: undefined = 2')
    assert export().problems == []
    assert body(shop.module()).startswith('from __future__ import annotations\n') and shop.module().count('__future__') == 1
    compile(shop.module(), 'm', 'exec')


# ---- names

def names(shop, *cells):
    shop('05_a.ipynb', *cells)
    return [problem.message for problem in export().problems]


FINE = ['import os\nos.sep', 'from os import path as p\np', 'def f(): return g()\ndef g(): return 1', 'class A:\n    x = 1\n    def f(self): return __class__',
        '[i for i in range(3) if (y := i)]\ny', 'for a, (b, *c) in []: a, b, c', 'with open("x") as f: f', 'try: pass\nexcept OSError as e: e',
        'def f():\n    global g\n    g = 1\ndef h(): return g', 'x = 1\ndel x', 'lambda a, *b, c=1, **d: (a, b, c, d)', 'try: unicode\nexcept NameError: pass',
        'match 1:\n    case [a, *b]: a, b\n    case {"k": c, **d}: c, d\n    case int() as e: e', 'if __name__ == "__main__": print(__file__, __doc__)',
        'import a.b.c\na.b.c', 'def f(x: int = 1) -> str: return x', 'def top(self): return self', 'from os.path import *\njoin("a")', 'globals()["x"] = 1\nx',
        'from unknown_module import *\nanything', 'class A:\n    y = 1\n    z = [y for _ in range(2)]\ny = 0', 'import sys\nif sys.version_info > (9,): novelty()']


@pytest.mark.parametrize('code', FINE)
def test_names_that_exist_raise_no_alarm(shop, code): assert names(shop, f'#export\n{code}') == []


@pytest.mark.parametrize('code', ['mdl', 'def f(): return mdl', 'class A:\n    x = mdl', 'lambda: mdl', '[mdl for i in []]', 'def f(x=mdl): pass', '@mdl\ndef f(): pass',
                                  'def f():\n    mdl = 1\ndef g(): return mdl', '[i for i in mdl]', 'f"{mdl}"', 'x = 1\nx += mdl', 'from os.path import *\nmdl', 'mdl.x = 1', 'del mdl[0]'])
def test_a_name_that_is_missing_is_told_with_the_cell_that_sets_it(shop, code):
    assert names(shop, 'text = 1', 'mdl = 2', f'#export\n{code}') == ['`mdl` is set in cell 2, which is not exported']


@pytest.mark.parametrize('setting', ['import mdl', 'from x import mdl', 'def mdl(): pass', 'class mdl: pass', 'a, mdl = 1, 2', 'for mdl in []: pass', 'mdl: int = 1'])
def test_the_cell_that_sets_a_name_is_found_however_it_sets_it(shop, setting):
    assert names(shop, setting, '#export\nmdl') == ['`mdl` is set in cell 1, which is not exported']


def test_a_name_that_is_set_nowhere_is_told_with_its_place(shop):
    shop('05_a.ipynb', '#export\na = 1\ndef f(): return a + nowhere')
    problem, = export().problems
    assert str(problem) == 'nbs/05_a.ipynb: cell 1, line 3: `nowhere` is set nowhere\n    def f(): return a + nowhere\n' + ' ' * 24 + '^'


def test_star_imports_are_followed_through_the_chain(shop):
    shop('01_a.ipynb', '#export\nimport math\ndef first(): return 1\n_private = 1')
    shop('02_b.ipynb', '#export\nfrom exp.nb_01 import *\ndef second(): return first()')
    assert names(shop, '#export\nfrom exp.nb_02 import *\nfirst(), second(), math.pi') == []
    assert names(shop, '#export\nfrom exp.nb_02 import *\n_private') == ['`_private` is set nowhere']


def test_a_literal_all_decides_what_a_star_import_gives(shop):
    shop('01_a.ipynb', '#export\n__all__ = ["a"]\n__all__ += ["_c"]\na = b = _c = 1')
    assert names(shop, '#export\nfrom exp.nb_01 import *\na, _c, b') == ['`b` is set nowhere']
    shop('01_a.ipynb', '#export\nimport os\n__all__ = ["a"] + os.__all__\na = b = 1')
    assert names(shop, '#export\nfrom exp.nb_01 import *\nanything') == []


def test_nothing_is_imported_to_find_its_names(shop):
    code = '#export\nfrom this import *\nfrom antigravity import *\nd, missing'
    shop('05_a.ipynb', code)
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert 'missing' in done.stderr and 'Zen' not in done.stdout and done.returncode == 0


def test_no_false_alarm_on_the_standard_library(tmp_path):
    found, count = [], 0
    for path in sorted(Path(ast.__file__).parent.glob('*.py')):
        module = notebook2script.Module(Path('99_x.ipynb'), path, [notebook2script.Cell(1, path.read_text('utf-8', 'replace'), 10**9)])
        module.body, module.starts = module.cells[0].text, [1]
        module.names, count = notebook2script.bindings(module.body), count + 1
        found += notebook2script.missing_names(module, notebook2script.Names('exp', tmp_path, {}), [])
    assert [str(problem) for problem in found] == [] and count > 100


# ---- imports of our own modules

@pytest.mark.parametrize('code, message', [
    ('from exp.nb_09 import x', 'exp.nb_09 does not exist'), ('import exp.nb_09', 'exp.nb_09 does not exist'), ('from exp import nb_09', 'does not exist'),
    ('from exp.nb_06 import x', 'exp.nb_06 comes later'), ('from .nb_06 import x', 'exp.nb_06 comes later'), ('from exp.nb_05 import x', 'imports itself'),
    ('def f():\n    from exp.nb_05a import x', 'exp.nb_05a comes later')])
def test_our_own_modules_must_exist_and_come_earlier(shop, code, message):
    for name in ('05a_b.ipynb', '06_c.ipynb'): shop(name, '#export\nx = 1')
    shop('05_a.ipynb', f'#export\n{code}')
    assert message in refusal()


def test_earlier_modules_can_be_imported_in_every_way(shop):
    shop('01_a.ipynb', '#export\nx = 1')
    shop('01a_a.ipynb', '#export\nfrom exp.nb_01 import x')
    shop('05_a.ipynb', '#export\nfrom exp.nb_01a import x\nimport exp.nb_01 as a\nfrom exp import nb_01\nfrom .nb_01 import x as y')
    assert len(export().written) == 3 and len(export('nbs/05_a.ipynb').unchanged) == 1


# ---- output

def test_the_header_names_the_notebook_and_cells_are_marked_by_their_ordinal(shop):
    shop('01_a.ipynb', 'x', '#export\na = 1', ('markdown', 'text'), '#export\nb = 2\n')
    export()
    head, rest = shop.module().split('\n\n', 1)
    assert head.splitlines()[0] == '# Generated from nbs/01_a.ipynb' and 'notebook2script.py' in head and len(head.splitlines()) == 2
    assert rest == '# %% nbs/01_a.ipynb export 1\na = 1\n\n\n# %% nbs/01_a.ipynb export 2\nb = 2\n'


def test_other_cells_counts_ids_and_outputs_do_not_change_a_module(shop):
    shop('01_a.ipynb', '#export\na = 1')
    export()
    before = (shop.root/'exp'/'nb_01.py').read_bytes()
    noisy = {'cell_type': 'code', 'id': 'x', 'execution_count': 9, 'metadata': {'t': 1}, 'outputs': [{'text': 'now'}], 'source': '#export\na = 1'}
    shop('01_a.ipynb', raw=json.dumps({'cells': [{'cell_type': 'markdown', 'source': 'new'}, noisy], 'metadata': {'v': 2}, 'nbformat_minor': 4, 'nbformat': 4}))
    assert export().unchanged and (shop.root/'exp'/'nb_01.py').read_bytes() == before and b'\r' not in before


# ---- writing

def test_a_file_that_says_the_same_does_not_make_broken_cells_pass(shop):
    shop('01_a.ipynb', '#export\na = 1\nb = 2')
    export()
    old, path = shop.module(), shop.root/'exp'/'nb_01.py'
    for wrong in ('a = (', 'a = b = c'):
        broken = body(old).replace('a = 1', wrong)
        path.write_text(old.replace(body(old), broken).replace(notebook2script.digest(body(old)), notebook2script.digest(broken)))
        shop('01_a.ipynb', f'#export\n{wrong}\nb = 2')
        if wrong == 'a = b = c': assert '`c` is set nowhere' in str(export().problems[0])
        else: assert 'nbs/01_a.ipynb' in refusal()


def test_an_unchanged_module_is_not_touched(shop):
    shop('01_a.ipynb', '#export\na = 1')
    first = export()
    os.utime(first.written[0], (1, 1))
    again = export()
    assert again.written == [] and again.unchanged == first.written and first.written[0].stat().st_mtime == 1


def test_a_module_edited_by_hand_is_refused_with_a_diff_unless_forced(shop):
    shop('01_a.ipynb', '#export\na = 1')
    path, = export().written
    path.write_text(path.read_text().replace('a = 1', 'a = 7'))
    text = refusal()
    assert 'was edited by hand' in text and '-a = 7' in text and '+a = 1' in text and 'a = 7' in path.read_text()
    assert export(force=True).states[path] == 'edited by hand' and 'a = 1' in path.read_text()


def test_line_ends_changed_by_git_are_no_edit(shop):
    shop('01_a.ipynb', '#export\na = 1')
    path, = export().written
    text = path.read_bytes()
    path.write_bytes(text.replace(b'\n', b'\r\n'))
    assert export().written == [path] and path.read_bytes() == text


def test_a_file_that_is_not_ours_is_never_overwritten(shop):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').mkdir()
    (shop.root/'exp'/'nb_01.py').write_text('mine = 1\n')
    for force in (False, True): assert 'was not generated' in refusal(force=force)
    assert shop.module() == 'mine = 1\n'


@pytest.mark.skipif(os.name == 'nt', reason='links need a privilege on Windows')
def test_nothing_is_written_through_a_link(shop, tmp_path):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'elsewhere').mkdir()
    (shop.root/'exp').symlink_to(shop.root/'elsewhere')
    assert 'is a link' in refusal() and [*(shop.root/'elsewhere').iterdir()] == []
    (shop.root/'exp').unlink(), (shop.root/'exp').mkdir()
    (shop.root/'exp'/'nb_01.py').symlink_to(shop.root/'target.py')
    assert 'is a link' in refusal() and not (shop.root/'target.py').exists()


def test_a_module_whose_notebook_is_gone_is_reported_and_pruned_and_nothing_else(shop):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    export()
    (shop.root/'nbs'/'02_a.ipynb').unlink()
    (shop.root/'exp'/'nb_03.py').write_text('mine = 1\n')
    assert [p.name for p in export().orphans] == ['nb_02.py'] and export('nbs/01_a.ipynb', prune=True).removed == []
    assert [p.name for p in export(prune=True).removed] == ['nb_02.py'] and sorted(p.name for p in (shop.root/'exp').iterdir()) == ['nb_01.py', 'nb_03.py']


def test_a_full_disk_leaves_the_old_module_and_one_line(shop, monkeypatch, capsys):
    shop('01_a.ipynb', '#export\na = 1')
    export()
    before = shop.module()
    shop('01_a.ipynb', '#export\na = 2')
    def full(fd): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(os, 'fsync', full)
    assert main([]) == 3 and shop.module() == before and [p.name for p in (shop.root/'exp').iterdir()] == ['nb_01.py']
    assert capsys.readouterr().err.splitlines() == ['the file system refused: [Errno 28] No space left on device']


def test_a_file_in_the_place_of_the_folder_is_told_in_one_line(shop, capsys):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').write_text('')
    assert main([]) == 3 and len(capsys.readouterr().err.splitlines()) == 1


KILLED = '''
import os, sys, notebook2script
real, count = os.fsync, [0]
def die(fd):
    count[0] += 1
    if count[0] == int(sys.argv[1]): os.kill(os.getpid(), 9)
    real(fd)
def die_later(a, b):
    count[0] += 1
    if count[0] == int(sys.argv[1]): os.kill(os.getpid(), 9)
    replace(a, b)
replace, os.fsync, os.replace = os.replace, die, die_later
notebook2script.main([])
'''


@pytest.mark.skipif(os.name == 'nt', reason='needs kill -9')
@pytest.mark.parametrize('moment', range(1, 7))
def test_killed_at_any_moment_every_module_is_the_old_or_the_new_one(shop, moment):
    for number in '123': shop(f'0{number}_a.ipynb', '#export\na = 1')
    export()
    for number in '123': shop(f'0{number}_a.ipynb', '#export\na = 2')
    done = subprocess.run([sys.executable, '-c', KILLED, str(moment)], env={**os.environ, 'PYTHONPATH': str(SCRIPT.parent)})
    values = [shop.module(f'nb_0{number}').splitlines()[-1] for number in '123']
    assert done.returncode == -9 and set(values) <= {'a = 1', 'a = 2'} and values == sorted(values, reverse=True)
    assert main(['-q']) == 0 and sorted(p.name for p in (shop.root/'exp').iterdir()) == ['nb_01.py', 'nb_02.py', 'nb_03.py']


def test_four_writers_and_a_reader_never_meet_half_a_module(shop):
    shop('01_a.ipynb', '#export\n' + '\n'.join(f'a{i} = {i}' for i in range(500)))
    export()
    def start(i): return subprocess.Popen([sys.executable, '-c', f'import notebook2script as n\nfor i in range(15): n.export(force=True, out="exp")'],
                                          env={**os.environ, 'PYTHONPATH': str(SCRIPT.parent)})
    path, writers, reads = shop.root/'exp'/'nb_01.py', [start(i) for i in range(4)], 0
    while any(writer.poll() is None for writer in writers):
        text = path.read_text()
        assert text.endswith('a499 = 499\n') or text.endswith('a499 = 498\n')
        if reads % 20 == 0: shop('01_a.ipynb', '#export\n' + '\n'.join(f'a{i} = {i - (i == 499 and reads % 40 == 0)}' for i in range(500)))
        reads += 1
    assert reads > 20 and sorted(p.name for p in path.parent.iterdir()) == ['nb_01.py']


# ---- the command line

def test_the_exit_status_says_what_happened(shop, capsys):
    shop('01_a.ipynb', '#export\na = 1')
    assert main(['--check']) == 1 and not (shop.root/'exp').exists()
    assert main([]) == 0 and main(['--check']) == 0
    shop('01_a.ipynb', '#export\na = = 1')
    assert main([]) == 2 and main(['--check']) == 2
    assert 'nothing was written' in capsys.readouterr().err


@pytest.mark.parametrize('spoil, says', [(lambda path: path.unlink(), 'missing'), (lambda path: path.write_text(path.read_text() + '#'), 'edited by hand'),
                                         (lambda path: (path.parents[1]/'nbs'/'01_a.ipynb').write_text(nb('#export\na = 2')), 'out of date'),
                                         (lambda path: (path.parents[1]/'nbs'/'01_a.ipynb').unlink(), 'its notebook is gone'),
                                         (lambda path: (path.parents[1]/'nbs'/'01_a.ipynb').write_text(nb('#export\na = b')), '`b` is set nowhere')])
def test_check_tells_what_is_wrong_with_a_module_and_writes_nothing(shop, capsys, spoil, says):
    shop('01_a.ipynb', '#export\na = 1')
    path, = export().written
    spoil(path)
    before = path.read_bytes() if path.exists() else None
    assert main(['--check']) == 1 and says in capsys.readouterr().err
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_missing_name_is_a_warning_on_export_and_an_error_under_check(shop, capsys):
    shop('01_a.ipynb', '#export\na = b')
    assert main([]) == 0 and '`b` is set nowhere' in capsys.readouterr().err and main(['--check']) == 1


def test_the_closing_line_counts_and_can_be_left_out(shop, capsys):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    main(['nbs/01_a.ipynb', '-q'])
    assert capsys.readouterr().out == ''
    main([])
    assert capsys.readouterr().out.startswith('2 modules: 1 written, 1 unchanged (0.')


def test_diff_shows_what_would_change_and_writes_nothing(shop, capsys):
    shop('01_a.ipynb', '#export\na = 1')
    main(['-q'])
    shop('01_a.ipynb', '#export\na = 2')
    assert main(['--diff', '-q']) == 0
    out = capsys.readouterr().out
    assert '-a = 1' in out and '+a = 2' in out and 'a = 1' in shop.module()


@pytest.mark.parametrize('option', ['--up-to', '--upTo'])
def test_up_to_includes_its_number_and_reads_nothing_later(shop, option):
    for name in ('04_a', '05_a', '05a_a'): shop(f'{name}.ipynb', '#export\na = 1')
    shop('06_a.ipynb', raw=b'broken')
    assert main([option, '05']) == 0 and sorted(p.stem for p in (shop.root/'exp').glob('*.py')) == ['nb_04', 'nb_05']
    assert main([option, 'five']) == 2


def test_old_spellings_other_folders_and_the_folder_of_the_notebooks_work(shop, monkeypatch):
    shop('01_a.ipynb', '#export\na = 1')
    assert main(['--allFiles', '--out', 'lib/deep']) == 0 and (shop.root/'lib'/'deep'/'nb_01.py').exists()
    monkeypatch.chdir(shop.root/'nbs')
    assert main(['01_a.ipynb']) == 0 and (shop.root/'exp'/'nb_01.py').exists() and main(['--check']) == 0


def test_another_output_folder_is_another_package(shop):
    shop('01_a.ipynb', '#export\nx = 1')
    shop('02_a.ipynb', '#export\nfrom lib.nb_01 import *\nx\nfrom lib.nb_03 import y')
    assert 'lib.nb_03 does not exist' in refusal(out='lib')


def test_where_leads_from_a_line_of_a_module_to_its_cell(shop, capsys):
    shop('01_a.ipynb', ('markdown', 'x'), '\n#export\na = 1\nb = 2', 'c', '# first\n#export\nd = 3\ne = 4')
    export()
    lines = shop.module().splitlines()
    for code, cell, line in [('a = 1', 2, 3), ('b = 2', 2, 4), ('# first', 4, 1), ('d = 3', 4, 3), ('e = 4', 4, 4)]:
        assert main(['--where', f'exp/nb_01.py:{lines.index(code) + 1}']) == 0
        assert capsys.readouterr().out == f'nbs/01_a.ipynb, cell {cell}, line {line}\n'


@pytest.mark.parametrize('place', ['exp/nb_09.py:3', 'exp/nb_01.py', 'exp/nb_01.py:1', 'nonsense'])
def test_where_says_so_when_a_line_leads_nowhere(shop, capsys, place):
    shop('01_a.ipynb', '#export\na = 1')
    export()
    assert main(['--where', place]) == 2 and 'no line of a generated module' in capsys.readouterr().err


def test_a_traceback_gets_the_cell_under_each_line_of_ours(shop, capsys, monkeypatch):
    shop('01_a.ipynb', '#export\ndef f(x):\n    return 1/x')
    export()
    done = subprocess.run([sys.executable, '-c', 'from exp.nb_01 import f; f(0)'], capture_output=True, text=True)
    monkeypatch.setattr('sys.stdin', done.stderr.splitlines(True))
    assert main(['--where', '-']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert '    nbs/01_a.ipynb, cell 1, line 3' in lines and lines[-1] == 'ZeroDivisionError: division by zero'
    assert [line for line in lines if 'cell 1' not in line] == done.stderr.splitlines()


@pytest.mark.skipif(os.name == 'nt', reason='needs an interrupt signal')
def test_watch_exports_each_save_survives_half_a_notebook_and_ends_on_ctrl_c(shop):
    def lines_until(text):
        for line in process.stdout:
            if text in line: return
        raise AssertionError(text)
    shop('01_a.ipynb', '#export\na = 1')
    process = subprocess.Popen([sys.executable, '-u', str(SCRIPT), '--watch'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines_until('1 modules: 1 written')
        shop('01_a.ipynb', raw=nb('#export\na = 2')[:40])
        lines_until('not JSON, or cut off')
        shop('01_a.ipynb', '#export\na = 2')
        lines_until('1 modules: 1 written')
        assert 'a = 2' in shop.module()
        process.send_signal(2)
        assert process.wait(10) == 0
    finally: process.kill()


def test_a_terminal_without_utf8_and_colours_only_on_a_terminal(shop):
    shop('01_a.ipynb', '#export\n\u00e9 = = 1')
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, env={**os.environ, 'PYTHONIOENCODING': 'ascii', 'PYTHONUTF8': '0'})
    assert done.returncode == 2 and b'Traceback' not in done.stderr and b'\\xe9' in done.stderr and b'\x1b' not in done.stderr


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit) as e: main(['--help'])
    text = capsys.readouterr().out
    assert e.value.code == 0 and all(option in text for option in ('--check', '--diff', '--up-to', '--watch', '--prune', '--force', '--where', '--out', '-q'))


def test_the_script_needs_only_the_standard_library_and_stands_alone(shop):
    copy = shop.root/'tools.py'
    copy.write_bytes(SCRIPT.read_bytes())
    shop('01_a.ipynb', '#export\na = 1')
    done = subprocess.run([sys.executable, '-I', '-S', str(copy)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith('1 modules: 1 written')


def test_importing_the_script_costs_little_and_loads_nothing_rare():
    code = 'import sys, notebook2script; print([m for m in ("hashlib", "difflib", "symtable", "tokenize", "fcntl", "tempfile") if m in sys.modules])'
    done = subprocess.run([sys.executable, '-S', '-c', code], cwd=SCRIPT.parent, capture_output=True, text=True)
    assert 'difflib' not in done.stdout and 'symtable' not in done.stdout


# ---- any notebook at all

code_cells = st.sampled_from(['a = 1', 'def f(x):\n    return x', 'import os', 'class A:\n\n    y = 2', '# only a comment', 's = """\n#export\n"""', 'é = "ü"', 'x = [\n 1,\n]'])
directives = st.sampled_from(['#export\n', '# export\n', '#| export \n', '\n#export\n', ''])
prose = st.text().filter(lambda text: '#' not in text and '<<' not in text)
cells = st.lists(st.tuples(st.just('code'), directives, code_cells) | st.tuples(st.just('markdown'), st.just(''), prose), max_size=6)
quick = settings(max_examples=int(os.environ.get('EXAMPLES', 60)), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@quick
@given(cells, st.booleans(), st.lists(st.integers(0, 60), max_size=3).map(sorted))
def test_any_notebook_of_valid_cells_round_trips_for_every_way_of_writing_it(shop, cells, ids, cuts):
    path = shop.root/'exp'/'nb_01.py'
    path.unlink(missing_ok=True)
    joined = '\n'.join(source for kind, directive, source in cells if directive)
    cells = [(kind, directive + source) for kind, directive, source in cells]
    shop('01_a.ipynb', *cells)
    export()
    before = path.read_bytes() if path.exists() else None
    assert (before is not None) == bool(joined)
    if before: assert ast.dump(ast.parse(before)) == ast.dump(ast.parse(joined))
    def split(source): return [source[a:b] for a, b in zip([0, *cuts], [*cuts, None])]
    other = [{'source': split(source), 'metadata': {}, 'cell_type': kind, **({'id': str(i)} if ids else {})} for i, (kind, source) in enumerate(cells)]
    shop('01_a.ipynb', raw=json.dumps({'cells': other, 'metadata': {}, 'nbformat_minor': 5, 'nbformat': 4}, ensure_ascii=False))
    assert export(force=True).written == [] and (path.read_bytes() if path.exists() else None) == before


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda v: st.lists(v, max_size=3) | st.dictionaries(
    st.sampled_from(['cells', 'nbformat', 'cell_type', 'source', 'metadata']) | st.text(max_size=3), v, max_size=4), max_leaves=12)
almost = st.builds(lambda cells: json.dumps({'nbformat': 4, 'cells': cells}).encode(), st.lists(st.fixed_dictionaries(
    {'cell_type': st.sampled_from(['code', 'markdown', 'raw']) | json_values, 'source': st.text().map(lambda t: '#export\n' + t) | st.text() | json_values}) | json_values, max_size=3))


@quick
@given(st.binary() | json_values.map(lambda v: json.dumps(v).encode()) | almost)
def test_any_bytes_at_all_end_in_0_or_2_and_never_change_a_module(shop, capsys, data):
    shop('01_a.ipynb', '#export\na = 1')
    main(['-q', '--force'])
    before = shop.module()
    shop('02_b.ipynb', raw=data)
    assert main(['-q']) in (0, 2) and 'Traceback' not in capsys.readouterr().err and shop.module() == before
    (shop.root/'exp'/'nb_02.py').unlink(missing_ok=True)

"The converter: notebooks written here as text go in, modules and messages come out."
import ast, json, os, random, re, shutil, signal, subprocess, sys, time
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


def code(text):
    "The cells of a module, without the frame around each."
    return [cell.split('\n', 2)[2].removesuffix('\n') for cell in text.split('\n# ---\n')[1:-1]]


def refusal(*args, **kw):
    with pytest.raises(Refused) as e: export(*args, **kw)
    return str(e.value)


def script(*args, **kw):
    "Runs the script in a process of its own."
    return subprocess.run([sys.executable, str(SCRIPT), *args], capture_output=True, text=True, **kw)


# ---- the file itself

def test_it_is_written_in_python_3_11_and_imports_nothing_but_the_standard_library():
    nodes = [*ast.walk(ast.parse(SCRIPT.read_text('utf-8'), feature_version=(3, 11)))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.split('.')[0] for name in names} <= sys.stdlib_module_names


# ---- reading

@pytest.mark.parametrize('source', ['#export\na = 1\nb = 2', ['#export\n', 'a = 1\n', 'b = 2'], ['#exp', 'ort\na = ', '1\nb = 2'], '#export\r\na = 1\r\nb = 2'])
def test_a_source_may_be_a_text_or_a_list_of_any_split_with_any_line_ends(shop, source):
    shop('01_a.ipynb', source)
    export()
    assert code(shop.module()) == ['a = 1\nb = 2']


def test_a_byte_order_mark_and_any_minor_version_are_accepted(shop):
    shop('01_a.ipynb', raw=b'\xef\xbb\xbf' + nb('#export\na = "\u00e9"', nbformat_minor=0).encode())
    export()
    assert 'a = "\u00e9"' in shop.module()


@pytest.mark.parametrize('raw, message', [
    (b'', 'is empty'), (b'  \n', 'is empty'), (b'{"cells": [', 'not JSON, or cut off'), (b'[]', 'not a notebook'), (b'{}', 'nbformat None'),
    (b'{"worksheets": [{"cells": []}], "nbformat": 3, "metadata": {}}', 'nbformat 3, only 4 can be read'), (b'{"nbformat": ' + b'[' * 900 + b']' * 900 + b'}', 'nbformat None'),
    (b'\xff\xfe{', 'not UTF-8: byte 0'), (b'<<<<<<< HEAD\n{}\n=======\n', 'conflict markers'), (b'[' * 100_000, 'nested too deeply'),
    (nb('a', nbformat=3), 'nbformat 3, only 4 can be read: open it in Jupyter and save it'), (nb('a', nbformat=5), 'nbformat 5'),
    (b'{"nbformat": 4}', 'it has no cells'), (b'{"nbformat": 4, "cells": {}}', 'not a notebook'), (b'{"nbformat": 4, "cells": [1]}', 'cell 1: not a cell'),
    (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', 'cell 1: source is neither'), (b'1' * 5000, 'not JSON'),
    (nb('a', ('markdown', '<<<<<<< local\na\n=======\nb\n>>>>>>> remote')), 'cell 2: has the conflict markers'),
    (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}', 'cell 1: source is neither'),
    (b'{"nbformat": 4, "cells": [{"source": "a"}]}', 'cell 1: not a cell'), (nb('#export\na = ' + '-' * 20_000 + '1'), 'cell 1: cannot be parsed: '),
    (nb('#export\na = "\x00"'), 'cell 1: contains a NUL'), (nb('#export\na = "\ud83d"'), 'cell 1: contains half of a character')])
def test_a_damaged_notebook_is_refused_by_name_and_cell(shop, raw, message):
    shop('01_a.ipynb', raw=raw)
    text = refusal()
    assert text.startswith('nbs/01_a.ipynb: ') and message in text and not (shop.root/'exp').exists()


def test_a_notebook_that_cannot_be_opened_is_refused_by_name(shop, monkeypatch):
    shop('01_a.ipynb', '#export\na = 1')
    def denied(path): raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr(Path, 'read_bytes', denied)
    assert refusal() == 'nbs/01_a.ipynb: cannot be read: Permission denied'


@pytest.mark.parametrize('code', ['if ' + 'a + ' * 900 + 'mdl: pass', '__all__ = ' + '[' * 90 + ']' * 90 + '\nmdl', 'x = ' + '(' * 150 + 'mdl' + ')' * 150, 'mdl' + '.x' * 900,
                                  'try: mdl\nexcept ' + ' + '.join('b' * 900) + ': pass'])
def test_code_as_deep_as_python_allows_gives_no_traceback(shop, code):
    shop('01_a.ipynb', f'#export\na = b = 0\n{code}')
    shop('02_a.ipynb', '#export\nfrom exp.nb_01 import *\nother')
    done = script()
    assert done.returncode == 0 and 'Traceback' not in done.stderr, done.stderr[-500:]


@pytest.mark.parametrize('left', ['<<<<<<< HEAD', '`<<<<<<< HEAD`', '`>>>>>>> branch`', '<span style="color:red">**<<<<<<< local**</span>', 'text\n>>>>>>> remote', '**`<<<<<<<`**'])
@pytest.mark.parametrize('kind', ['markdown', 'raw'])
def test_conflict_markers_are_found_as_git_nbdev_and_nbdime_leave_them_in_cells(shop, kind, left):
    shop('01_a.ipynb', '#export\na = 1', (kind, left))
    assert refusal() == 'nbs/01_a.ipynb: cell 2: has the conflict markers of an unfinished merge'


def test_conflict_markers_in_an_exported_cell_are_called_so(shop):
    shop('01_a.ipynb', '#export\n<<<<<<< local\na = 1\n=======\na = 2\n>>>>>>> remote')
    assert refusal().startswith('nbs/01_a.ipynb: cell 1, line 2: has the conflict markers of an unfinished merge')


@pytest.mark.parametrize('text', ['Title\n=======', 'git writes `<<<<<<<` into the file', 'a << b >> c', '>>>>>>>>>>> a quotation', '    a = 1 <<<<<<< 2'])
def test_texts_that_look_a_little_like_conflict_markers_are_left_alone(shop, text):
    shop('01_a.ipynb', ('markdown', text), '#export\na = 1')
    assert export().problems == []


@pytest.mark.parametrize('metadata, language', [({'kernelspec': {'language': 'R', 'name': 'ir'}}, 'R'), ({'language_info': {'name': 'julia'}}, 'julia')])
def test_a_notebook_in_another_language_is_refused_by_name(shop, metadata, language):
    shop('01_a.ipynb', '#export\na <- 1', metadata=metadata)
    assert refusal() == f'nbs/01_a.ipynb: is written in {language}, and only Python can be exported'


@pytest.mark.parametrize('metadata', [{}, {'kernelspec': {'language': 'python'}}, {'language_info': {'name': 'ipython'}}, {'kernelspec': 3}, [], {'language_info': {'name': None}}])
def test_a_notebook_that_says_python_or_nothing_is_read(shop, metadata):
    shop('01_a.ipynb', '#export\na = 1', metadata=metadata)
    assert export().written


def test_a_code_cell_without_a_source_is_refused_with_its_number(shop):
    shop('01_a.ipynb', raw=json.dumps({'nbformat': 4, 'metadata': {}, 'cells': [{'cell_type': 'markdown'}, {'cell_type': 'code'}]}))
    assert refusal() == 'nbs/01_a.ipynb: cell 2: source is neither a text nor a list of texts'


@pytest.mark.skipif(os.name == 'nt', reason='links need a privilege on Windows')
def test_a_link_that_leads_nowhere_is_an_error(shop):
    (shop.root/'nbs'/'01_a.ipynb').symlink_to(shop.root/'gone.ipynb')
    assert refusal() == 'nbs/01_a.ipynb: is a link that leads nowhere' == refusal('nbs/01_a.ipynb')


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


def test_checkpoints_are_skipped_and_so_is_what_a_pattern_should_not_have_matched(shop):
    (shop.root/'nbs'/'.ipynb_checkpoints').mkdir()
    for name in ('.ipynb_checkpoints/01_a-checkpoint.ipynb', '_01_a.ipynb', 'Untitled.ipynb', '02_a.ipynb'): shop(name, '#export\na = 1')
    (shop.root/'nbs'/'README.md').write_text('text')
    for paths in ([], ['nbs'], ['nbs/*'], ['nbs/_01_a.ipynb', 'nbs/Untitled.ipynb', 'nbs/02_a.ipynb']):
        assert [p.name for p in export(*paths, check=True).written] == ['nb_02.py']


@pytest.mark.parametrize('folder', ['nbs', 'exp', 'nbs/images/small'])
def test_it_works_from_any_folder_inside_the_project(shop, folder, monkeypatch):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(shop.root/folder)
    assert export().written == [shop.root/'exp'/'nb_01.py']


def test_a_table_in_pyproject_names_the_folders_and_a_given_folder_wins(shop):
    (shop.root/'pyproject.toml').write_text('[tool.notebook2script]\nnotebooks = "lessons"\nout = "src/lib"\n')
    (shop.root/'lessons').mkdir()
    shop('../lessons/02_a.ipynb', '#export\nfrom lib.nb_01 import a\na'), shop('../lessons/01_a.ipynb', '#export\na = 1'), shop('07_a.ipynb', '#export\nz = 1')
    assert export().written == [shop.root/'src'/'lib'/f'nb_0{i}.py' for i in (1, 2)] and main(['--check', '-q']) == 0
    assert export('lessons/01_a.ipynb').unchanged and export('lessons', out='other').written[0] == shop.root/'other'/'nb_01.py'
    (shop.root/'pyproject.toml').write_text('[tool.notebook2script]\nnotebooks = "x/../lessons"\nout = "x/../src/lib"\n')
    assert notebook2script.project(shop.root) == (shop.root, shop.root/'lessons', shop.root/'src'/'lib') and main(['--check', '-q']) == 0


@pytest.mark.parametrize('text, says', [('[tool.notebook2script]\nout = 3\n', 'may hold two texts, notebooks and out'), ('[tool.notebook2script]\nfolder = "x"\n', 'may hold two texts'),
                                        ('[tool.notebook2script\n', 'pyproject.toml: '), ('tool = 1\nx = "notebook2script"\n', 'pyproject.toml: '),
                                        ('[tool.notebook2script]\nout = ' + '[' * 5000, 'pyproject.toml: '), ('# \udce9\n[tool.notebook2script]\n', "pyproject.toml: 'utf-8' codec can't decode")])
def test_a_table_that_is_wrong_is_told(shop, text, says):
    (shop.root/'pyproject.toml').write_bytes(text.encode('utf-8', 'surrogateescape'))
    shop('01_a.ipynb', '#export\na = 1')
    assert says in refusal() and not (shop.root/'exp').exists()


def test_a_folder_of_notebooks_inside_another_writes_to_the_modules_that_it_imports(shop, monkeypatch):
    for folder in ('nbs/dl2/exp', 'exp'): (shop.root/folder).mkdir(parents=True)
    shop('01_a.ipynb', '#export\na = 1')
    assert export().written
    shop('dl2/01_a.ipynb', '#export\nb = 1')
    shutil.copy(shop.root/'exp'/'nb_01.py', shop.root/'nbs'/'dl2'/'exp')                 # that folder has modules of its own
    inner, = export('nbs/dl2', force=True).written
    assert inner == shop.root/'nbs'/'dl2'/'exp'/'nb_01.py' and 'a = 1' in shop.module()
    monkeypatch.chdir(shop.root/'nbs'/'dl2')
    assert main(['-q', '01_a.ipynb']) == 0 and main(['--check', '-q']) == 0


def test_outside_of_any_project_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(check=True) == 'nbs: no such folder, here or above; name notebooks, or a folder of notebooks'


def test_a_path_or_pattern_that_matches_nothing_is_an_error(shop):
    shop('01_a.ipynb', '#export\na = 1')
    for wrong in ('nbs/7.ipynb', 'nbs/7*.ipynb', 'nowhere', 'nbs/7**'): assert refusal('nbs/01_a.ipynb', wrong, 'x') == f'{wrong}: no such notebook\nx: no such notebook'


def test_named_notebooks_folders_and_patterns_are_exported_alone(shop):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    assert [p.name for p in export('nbs/02_a.ipynb').written] == ['nb_02.py']
    assert [p.name for p in export('nbs/01*').written] == ['nb_01.py'] and len(export('nbs').unchanged) == 2


def test_folders_are_listed_as_often_for_many_names_as_for_few(shop, monkeypatch):
    seen, glob = [], Path.glob
    monkeypatch.setattr(Path, 'glob', lambda path, pattern: seen.append(pattern) or glob(path, pattern))
    for count in (3, 30):
        for i in range(count): shop(f'{i:02}_a.ipynb', '#export\na = 1')
        seen.clear()
        assert len(export(*(f'nbs/{i:02}_a.ipynb' for i in range(count)), check=True).written) == count
        few = seen.copy() if count == 3 else few
    assert seen == few


# ---- directives

@pytest.mark.parametrize('line', ['#export', '# export', '#| export', '#|export', '#EXPORT', '# Export  ', '  # export', '#export\t'])
@pytest.mark.parametrize('before', ['', '\n', '# a comment\n\n'])
def test_a_directive_may_be_written_in_these_ways_above_the_code(shop, line, before):
    shop('01_a.ipynb', f'{before}{line}\na = 1  # stays\n\n\nb = 2')
    export()
    assert code(shop.module()) == [f'{before}a = 1  # stays\n\n\nb = 2']


def test_every_other_byte_of_a_cell_stays_as_it_is(shop):
    source = 'a = 1 \t\n\x0c\n\nb = "\u2028\x85\x1c é \U0001f600" \\\n  + ""\n# %% not a mark\nif a:\n\tc = 2\n  # end  '
    shop('01_a.ipynb', '#export\n' + source)
    export()
    assert code(shop.module()) == [source]


@pytest.mark.parametrize('kind', ['markdown', 'raw'])
def test_a_text_that_is_no_code_has_no_near_misses(shop, kind):
    shop('01_a.ipynb', '#export\nz = 0', (kind, '#exprot\nand more'))
    assert export().problems == []


NEAR = [('#exprot\na = 1', 1, 'meant to be #export'), ('#exports x\na = 1', 1, 'meant to be'), ('#export nb_foo\na = 1', 1, 'meant to be'), ('#xport', 1, 'meant to be'),
        ('# exort\na = 1', 1, 'meant to be'), ('#|exporrt', 1, 'meant to be'), ('#| export core\na = 1', 1, 'meant to be'), ('a = 1\n#export', 2, 'above the first line of code'),
        ('a = 1\n# export\nb = 2', 2, 'above the first line of code'), ('%%time\n#export\na = 1', 2, '%%time cannot be exported'), ('#export\n#export\na = 1', 2, 'second directive'),
        (('markdown', 'text\n\n#export'), 3, 'in a markdown cell exports nothing'), (('raw', '#|export'), 1, 'in a raw cell exports nothing'), (('markdown', '```\nx\n```\n#export'), 4, 'in a markdown cell'), ('x = (\n#export', 2, 'above the first line of code'),
        ('#export # a comment\na = 1', 1, 'meant to be'), ('# export  # more of it\na = 1', 1, 'meant to be'), ('#exprot # a comment', 1, 'meant to be'), ('#export.\na = 1', 1, 'meant to be'), ('#| export. \na = 1', 1, 'meant to be'),
        (('markdown', '````\n```\n````\n#export'), 4, 'in a markdown cell'), (('markdown', '<pre>\nx\n</pre> $$\nx\n$$\n#export'), 6, 'in a markdown cell')]


@pytest.mark.parametrize('cell, line, message', NEAR)
def test_a_directive_that_is_almost_right_is_a_warning_with_its_cell_and_line_and_an_error_under_check(shop, cell, line, message):
    shop('01_a.ipynb', '#export\nz = 0', cell)
    result = export()
    text, = result.problems
    assert text.startswith(f'nbs/01_a.ipynb: cell 2, line {line}: ') and message in text and 'z = 0' in shop.module()
    assert main(['--check', '-q']) == 1


@pytest.mark.parametrize('cell', [
    '# exported names are listed below\na = 1', '# export the model to a file\na = 1', '# expert advice from somebody\na = 1', '# Report\na = 1', '# Explore\na = 1', '# report', '# Expert',
    '# #export\n# a = 1', '# exprot of goods\na = 1', '##export\na = 1', '# Exports', '# Export model', '#report\na', '#export(model)', '#export(model)\na = 1', '#export-all\na = 1', '# export: see below\na', 's = """\n#export\n"""', 's = "#export"\n',
    ('markdown', '```\n#export\n```'), ('markdown', '~~~\n#export\n~~~'), ('markdown', 'text\n\n    #export\n    a = 1'), ('markdown', '\t#export'), ('markdown', '<pre>\n#export\n</pre>'), ('markdown', '$$\n#export\n$$'),
    ('markdown', '````\n```\n#export\n```\n#export\n````'), ('markdown', '* a list\n  ```\n  #export\n  ```'), '# Export:\na = 1', '# export.\na = 1', '#export.save(model)', ('markdown', 'Mark a cell with `#export`.'), ('markdown', '# Export'), ('markdown', '# export'), ('markdown', '## Exports'), 'f(x)  # export'])
def test_sentences_titles_texts_and_directives_commented_out_are_left_alone(shop, cell):
    shop('01_a.ipynb', cell)
    result = export()
    assert result.written == result.problems == result.notes == []


@pytest.mark.parametrize('word', ['exports', 'exporti', 'exportd'])
def test_cells_marked_for_another_tool_are_exported_and_that_is_said_once(shop, capsys, word):
    for number in '12': shop(f'0{number}_a.ipynb', f'#| {word}\na = 1', f'#{word}\nb = 2', '#| default_exp core')
    assert main(['--check', '-q']) == 1 and main(['-q']) == 0 and main(['--check', '-q']) == 0
    assert code(shop.module()) == ['a = 1', 'b = 2']
    said = capsys.readouterr().err.splitlines()
    assert said.count(f'`#| {word}` is taken for `#export`') == 3 and sum('default_exp' in line and 'not followed' in line for line in said) == 3


# ---- targets

@pytest.mark.parametrize('name, module', [('01_a.ipynb', 'nb_01'), ('02a_title.ipynb', 'nb_02a'), ('7_x.ipynb', 'nb_7'), ('12.ipynb', 'nb_12')])
def test_the_number_and_letter_name_the_module(shop, name, module):
    shop(name, '#export\na = 1')
    assert [p.stem for p in export().written] == [module]


def test_two_notebooks_for_one_module_are_both_named(shop):
    for title in 'ab': shop(f'01_{title}.ipynb', '#export\na = 1')
    assert 'nbs/01_b.ipynb: gives nb_01, as nbs/01_a.ipynb does' in refusal()


@pytest.mark.parametrize('copy', ['01_a-Copy1.ipynb', '01_b.ipynb', '01.ipynb'])
@pytest.mark.parametrize('first', [True, False])
def test_a_copy_never_replaces_the_module_not_even_when_they_come_one_at_a_time(shop, copy, first):
    shop('01_a.ipynb', '#export\na = 1')
    if first: export('nbs/01_a.ipynb')
    shop(copy, '#export\na = 2')
    for force in (False, True): assert refusal(f'nbs/{copy}', force=force).startswith(f'nbs/{copy}: gives nb_01, as 01_a.ipynb does')
    assert 'nbs/01_a.ipynb' in refusal() and f'nbs/{copy}' in refusal()
    assert not first or 'a = 1' in shop.module()


def test_a_module_of_a_notebook_elsewhere_that_still_exists_is_not_replaced(shop):
    (shop.root/'old').mkdir()
    shop('../old/01_a.ipynb', '#export\na = 1'), shop('01_b.ipynb', '#export\na = 2')
    path, = export('old/01_a.ipynb').written
    for text in (path.read_bytes(), path.read_bytes().replace(b'\n', b'\r\n')):         # git changes line ends
        path.write_bytes(text)
        assert 'comes from old/01_a.ipynb, which exports cells too: rename one' in refusal(force=True) and 'a = 1' in shop.module()
    shop('../old/01_a.ipynb', 'a = 1')                                 # exports nothing now
    assert export().written and 'a = 2' in shop.module()


def test_a_module_of_another_project_is_not_replaced_by_a_notebook_of_the_same_name(shop, monkeypatch):
    for name in 'AB': (shop.root/name/'nbs').mkdir(parents=True), shop(f'../{name}/nbs/01_a.ipynb', f'#export\na = "{name}"')
    monkeypatch.chdir(shop.root/'A')
    path, = export().written
    assert 'comes from nbs/01_a.ipynb, which exports cells too' in refusal('../B/nbs/01_a.ipynb', out='exp', force=True) and 'a = "A"' in path.read_text()
    (shop.root/'A'/'nbs'/'01_a.ipynb').unlink()
    assert export('../B/nbs/01_a.ipynb', out='exp').written and 'a = "B"' in path.read_text()


def test_two_notebooks_of_one_number_written_in_two_ways_are_a_warning(shop):
    for name in ('2_x.ipynb', '02_x.ipynb'): shop(name, '#export\na = 1')
    result = export()
    assert len(result.written) == 2 and result.problems == ['nbs/2_x.ipynb: has the same number as nbs/02_x.ipynb']


def test_a_renamed_notebook_writes_its_module_anew(shop):
    shop('01_a.ipynb', '#export\na = 1')
    path, = export().written
    (shop.root/'nbs'/'01_a.ipynb').rename(shop.root/'nbs'/'01_better.ipynb')
    assert export().written == [path] and shop.module().startswith('# Generated from nbs/01_better.ipynb\n')


def test_a_copy_that_exports_nothing_or_another_number_is_no_rival(shop):
    shop('01_a.ipynb', '#export\na = 1'), shop('01_a-Copy1.ipynb', 'a = 1'), shop('01a_a.ipynb', '#export\na = 1')
    assert len(export().written) == 2 and export('nbs/01_a.ipynb').unchanged


@pytest.mark.parametrize('name', ['title.ipynb', '02ab_title.ipynb', 'a02_title.ipynb', '02B_x.ipynb', '02-report.ipynb'])
def test_a_name_without_a_number_is_refused_unless_it_exports_nothing(shop, name):
    shop(name, 'a = 1')
    assert export().written == []
    shop(name, '#export\na = 1')
    assert 'its name has no number' in refusal()


@pytest.mark.parametrize('kind', ['markdown', 'raw'])
def test_what_is_no_code_is_never_exported(shop, kind):
    shop('01_a.ipynb', (kind, '#export\na = 1'), '#export\nb = 1')
    export()
    assert 'b = 1' in shop.module() and 'a = 1' not in shop.module()


def test_a_notebook_that_exports_nothing_has_no_module(shop):
    shop('01_a.ipynb', 'a = 1', '#export', '#export\n\n')
    assert export().written == [] and not (shop.root/'exp').exists()


# ---- checks of code

@pytest.mark.parametrize('code, line, message', [
    ('%time f()', 2, 'a magic, a shell command'), ('!ls', 2, 'a magic, a shell command'), ('help?', 2, 'a magic, a shell command'), ('?str', 2, 'a magic'),
    ('%%time\nf()', 2, 'a magic'), ('d["k"] = !ls', 2, 'a magic'), ('if 1: !ls', 2, 'a magic'), ('x = 1; %time f()', 2, 'a magic'), ('x.y?', 2, 'a magic'), ('str.i*?', 2, 'a magic'), ('x = 1\ny != = 2', 3, 'invalid'),
    ('from __future__ import nonsense', 2, 'future feature nonsense is not defined'), ('def f():\n    %time 1', 3, 'a magic'), ('files = !ls', 2, 'a magic'), ('t, u = %timeit -o 1', 2, 'a magic'),
    ('a = 1\nb = = 2', 3, 'invalid syntax'), ('def f(:\n    pass', 2, ''), ('return 1', 2, "'return' outside function"), ('await f()', 2, "'await' outside function"),
    ('x = (', 2, "'(' was never closed"), ('  a = 1', 2, 'unexpected indent'), ('from __future__ import annotations\nx = (', 3, 'never closed'),
    ('from __future__ import annotations; a = 1', 2, 'on a line of its own')])
def test_code_that_is_no_module_is_refused_with_cell_line_and_caret(shop, code, line, message):
    shop('01_a.ipynb', ('markdown', 'text'), '#export\nok = 1', f'#export\n{code}')
    first, source, caret = refusal().split('\n')[:3]
    assert first.startswith(f'nbs/01_a.ipynb: cell 3, line {line}: ') and message in first
    assert source.strip() and caret.strip() == '^'


def test_a_line_for_python_s_future_that_is_not_alone_is_pointed_at_where_it_begins(shop):
    shop('01_a.ipynb', '#export\nfrom __future__ import annotations; a = 1')
    assert refusal().split('\n')[1:3] == ['    from __future__ import annotations; a = 1', '    ^']


@pytest.mark.parametrize('first, second, line, message', [
    ('x = (', '1)', 2, "'(' was never closed"), ('s = """', '"""', 2, 'unterminated triple-quoted'), ('if 1:', '    a = 1', 2, 'expected an indented block'),
    ('a = 1 \\', 'b = 2', 2, 'unexpected EOF'), ('@property', 'def f(): pass', 2, ''), ('try: a', 'except OSError: b', 2, "expected 'except' or 'finally'")])
def test_each_exported_cell_must_stand_alone(shop, first, second, line, message):
    shop('01_a.ipynb', f'#export\n{first}', f'#export\n{second}')
    text = refusal()
    assert text.startswith(f'nbs/01_a.ipynb: cell 1, line {line}: ') and message in text


def test_a_line_that_python_itself_names_is_one_of_the_cell_too(shop):
    shop('01_a.ipynb', '#export\n(\n\na]')
    assert refusal().startswith("nbs/01_a.ipynb: cell 1, line 4: closing parenthesis ']' does not match opening parenthesis '(' on line 2")


def test_cells_that_stand_alone_and_make_no_module_together_are_refused_with_the_cell(shop):
    shop('01_a.ipynb', '#export\nx = 1', 'text', '#export\n\nglobal x')
    assert refusal().startswith("nbs/01_a.ipynb: cell 3, line 3: name 'x' is assigned to before global declaration\n    global x\n    ^")
    shop('01_a.ipynb', '#export\nfrom __future__ import annotations', '#export\nx: (yield)')
    assert refusal().startswith('nbs/01_a.ipynb: cell 2, line 2: ')


def test_the_caret_stands_under_the_column_whatever_the_letters_before_it(shop):
    shop('01_a.ipynb', '#export\nif 1:\n\té = "\U0001f600", mdl')
    assert str(export().problems[0]).split('\n')[1:] == ['    \té = "\U0001f600", mdl', '    \t' + ' ' * 9 + '^']


def test_warnings_of_python_about_a_cell_are_left_to_the_import(shop):
    shop('01_a.ipynb', "#export\nx = '\\d'\nassert (x, 'always')\nx is 1")
    for flag in ('default', 'error'):
        done = script(env={**os.environ, 'PYTHONWARNINGS': flag})
        assert (done.returncode, done.stderr) == (0, '')


def test_future_imports_are_lifted_to_the_top(shop):
    shop('01_a.ipynb', '#export\na = 1', '#export\nfrom __future__ import annotations\nb: undefined = 2')
    assert export().problems == []
    assert body(shop.module()).startswith('from __future__ import annotations\n') and shop.module().count('__future__') == 1
    compile(shop.module(), 'm', 'exec')
    shop('01_a.ipynb', '#export\nfrom __future__ import annotations\nmdl')
    assert 'cell 1, line 3: `mdl`' in export().problems[0]


def test_future_imports_of_several_lines_are_lifted_once_and_texts_about_them_stay(shop):
    text = '"""\nfrom __future__ import division\n"""'
    shop('01_a.ipynb', f'#export\n{text}\nfrom __future__ import (annotations,\n  division)  # both', '#export\nfrom __future__ import annotations, division')
    export()
    assert body(shop.module()).split('\n\n', 1)[0] == 'from __future__ import annotations\nfrom __future__ import division' and text in shop.module()
    compile(shop.module(), 'm', 'exec')


# ---- names

def names(shop, *cells):
    shop('05_a.ipynb', *cells)
    return [problem.split('\n')[0].split(': ', 2)[2] for problem in export().problems]


FINE = ['import os\nos.sep', 'from os import path as p\np', 'def f(): return g()\ndef g(): return 1', 'class A:\n    x = 1\n    def f(self): return __class__',
        '[i for i in range(3) if (y := i)]\ny', 'for a, (b, *c) in []: a, b, c', 'with open("x") as f: f', 'try: pass\nexcept OSError as e: e',
        'def f():\n    global g\n    g = 1\ndef h(): return g', 'x = 1\ndel x', 'lambda a, *b, c=1, **d: (a, b, c, d)', 'try: unicode\nexcept NameError: pass',
        'match 1:\n    case [a, *b]: a, b\n    case {"k": c, **d}: c, d\n    case int() as e: e', 'if __name__ == "__main__": print(__file__, __doc__)',
        'import a.b.c\na.b.c', 'def f(x: int = 1) -> str: return x', 'def top(self): return self', 'from os.path import *\njoin("a")', 'globals()["x"] = 1\nx',
        'from unknown_module import *\nanything', 'class A:\n    y = 1\n    z = [y for _ in range(2)]\ny = 0', 'import sys\nif sys.version_info > (9,): novelty()',
        'exec("x = 1")\nx', 'import sys\nsys.modules[__name__].x = 1\nx', 'def f(): globals().update(x=1)\nx', 'try: raw\nexcept: pass', 'import importlib as i\ni.x']


@pytest.mark.parametrize('code', FINE)
def test_names_that_exist_raise_no_alarm(shop, code): assert names(shop, f'#export\n{code}') == []


@pytest.mark.parametrize('code', ['mdl', 'def f(): return mdl', 'class A:\n    x = mdl', 'lambda: mdl', '[mdl for i in []]', 'def f(x=mdl): pass', '@mdl\ndef f(): pass',
                                  'def f():\n    mdl = 1\ndef g(): return mdl', '[i for i in mdl]', 'f"{mdl}"', 'x = 1\nx += mdl', 'from os.path import *\nmdl', 'mdl.x = 1', 'del mdl[0]',
                                  'def f(m): return m.modules(), mdl', 'vars(len), mdl', 'def f(): return locals(), mdl', 'exec("x", {})\nmdl', 'if 1: mdl', 'try: mdl\nexcept OSError: pass',
                                  'def f():\n    def g():\n        return mdl', 'class A:\n    def f(self):\n        class B(mdl): pass'])
def test_a_name_that_is_missing_is_told_with_the_cell_that_sets_it(shop, code):
    assert names(shop, 'text = 1', 'mdl = 2', f'#export\n{code}') == ['`mdl` is set in cell 2, which is not exported']


@pytest.mark.parametrize('setting', ['import mdl', 'from x import mdl', 'def mdl(): pass', 'class mdl: pass', 'a, mdl = 1, 2', 'for mdl in []: pass', 'mdl: int = 1',
                                     '%time x = 1\nmdl = 2', 'if 1:\n    !ls\n    with f() as (a, mdl): pass', '(mdl := 1)', 'try: pass\nexcept OSError as mdl: pass'])
def test_the_cell_that_sets_a_name_is_found_however_it_sets_it(shop, setting):
    assert names(shop, setting, '#export\nmdl') == ['`mdl` is set in cell 1, which is not exported']


@pytest.mark.parametrize('other', [('markdown', 'mdl = 1'), 'mdl', 'f(mdl=1)', 'def f():\n    mdl = 1', 'mdl = = 1', '# mdl = 1', 'mdl == 1'])
def test_a_cell_that_only_speaks_of_a_name_does_not_set_it(shop, other):
    assert names(shop, other, '#export\nmdl') == ['`mdl` is set nowhere']


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
    assert names(shop, '#export\nfrom exp.nb_01 import *\na, b, os, anything') == ['`anything` is set nowhere']


def test_an_all_that_is_lengthened_in_place_gives_what_the_text_shows(shop, monkeypatch):
    (shop.root/'lib'/'pack').mkdir(parents=True)
    (shop.root/'lib'/'pack'/'__init__.py').write_text('__all__ = ["a"]\n__all__.extend(["core"])\na = 1'), (shop.root/'lib'/'pack'/'core.py').write_text('')
    monkeypatch.syspath_prepend(str(shop.root/'lib'))
    assert names(shop, '#export\nfrom pack import *\na, core, mdl') == ['`mdl` is set nowhere']


def test_star_imports_of_installed_packages_are_followed_and_relative_ones_too(shop, monkeypatch):
    files = {'__init__': 'from .core import *\nfrom .sub.deep import *', 'core': 'a = 1', 'other': 'c = 1\nfrom . import *',
             'sub/__init__': '', 'sub/deep': 'from ..other import *\nb = 1', 'sub/low/__init__': 'from .here import *\nfrom ..deep import *', 'sub/low/here': 'g = 1',
             'shown': 'from typing import TYPE_CHECKING\nif TYPE_CHECKING: from .core import *\nglobals().update(f=1)',
             'hidden': 'from typing import TYPE_CHECKING\nif TYPE_CHECKING: from .core import a\nglobals().update(f=1)',
             'odd': 'import os\n__all__ = os.listdir()', 'writes': 'globals().update(f=1)', 'listed': 'from .core import __all__\nd = 1', 'nospace/only/here': 'e = 1'}
    for name, text in files.items():
        (shop.root/'lib'/'pack'/name).parent.mkdir(parents=True, exist_ok=True)
        (shop.root/'lib'/'pack'/f'{name}.py').write_text(text)
    monkeypatch.syspath_prepend(str(shop.root/'lib'))
    assert names(shop, '#export\nfrom pack.core import *\na, zzz') == ['`zzz` is set nowhere']
    assert names(shop, '#export\nfrom pack import *\na, b, c, core.a, sub, zzz') == ['`zzz` is set nowhere']
    assert names(shop, '#export\nfrom pack.sub.low import *\nb, c, g, zzz') == ['`zzz` is set nowhere']
    for computed in ('odd', 'listed', 'shown'): assert names(shop, f'#export\nfrom pack.{computed} import *\nzzz') == ['`zzz` is set nowhere']
    for dark in ('writes', 'hidden', 'missing', 'core.deeper'): assert names(shop, f'#export\nfrom pack.{dark} import *\nzzz') == []
    assert names(shop, '#export\nfrom pack.nospace.only.here import *\ne') == [] and 'pack' not in sys.modules
    (shop.root/'lib'/'space').mkdir()                                  # a package without code, which other folders of sys.path lack
    assert names(shop, '#export\nfrom space import *\nzzz') == ['`zzz` is set nowhere']


def test_nothing_is_imported_to_find_its_names(shop):
    code = '#export\nfrom this import *\nfrom antigravity import *\nd, missing'
    shop('05_a.ipynb', code)
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
    assert 'missing' in done.stderr and 'Zen' not in done.stdout and done.returncode == 0


def test_installed_modules_that_cannot_be_read_are_said_and_give_no_traceback(shop, monkeypatch):
    import py_compile, zipfile
    (shop.root/'lib').mkdir()
    def put(name, data): (shop.root/'lib'/name).write_bytes(data)
    put('bare.py', b'a = 1\nglobals().update(b=2)')
    py_compile.compile(str(shop.root/'lib'/'bare.py'), str(shop.root/'lib'/'bare.pyc'))
    (shop.root/'lib'/'bare.py').unlink()                               # only what was compiled is left
    put('foreign.pyc', b'no Python that we know' * 3), put('wrong.py', b'a = ('), put('latin.py', '# coding: latin-1\né = 1\nglobals().update(b=2)'.encode('latin-1'))
    with zipfile.ZipFile(shop.root/'lib'/'z.zip', 'w') as z: z.writestr('zipped.py', 'a = 1'), z.writestr('box/__init__.py', 'a = 1')
    for place in ('lib', 'lib/z.zip'): monkeypatch.syspath_prepend(str(shop.root/place))
    for name in ('bare', 'foreign', 'wrong', 'latin', 'zipped', 'box'):
        assert names(shop, f'#export\nfrom {name} import *\nmdl') == [] and f'names are not checked: {name} cannot be read' in export().notes[0]


def test_no_false_alarm_on_the_standard_library(shop):
    paths = sorted(Path(ast.__file__).parent.glob('*.py'))
    for i, path in enumerate(paths): shop(f'{i:03}_x.ipynb', '#export\n' + path.read_text('utf-8'))
    result = export(check=True)
    assert result.problems == [] and len(result.written) == len(paths) > 100


@pytest.mark.parametrize('source, line, column', [
    ('def f(mdl): return mdl\ndef g(): return mdl', 3, 16), ('class A:\n    mdl = 1\ndef g(): return mdl', 4, 16), ('text = "mdl"\nx = (1,\n     mdl)', 4, 5),
    ('def f():\n    mdl = 1\n    return mdl\nprint(mdl)', 5, 6), ('é = "mdl", [mdl for _ in ()]', 2, 12), ('x.mdl = 1\nf(mdl=2)\nmdl', 4, 0), ('y = f"{mdl}"', 2, 7)])
def test_the_line_and_the_column_are_those_of_the_global_read(shop, source, line, column):
    shop('05_a.ipynb', '#export\nx = f = len\n' + source)
    first, _, caret = export().problems[0].split('\n')
    assert first == f'nbs/05_a.ipynb: cell 1, line {line + 1}: `mdl` is set nowhere' and len(caret) == 4 + column + 1


@pytest.mark.parametrize('reading', ['import sys\nsys.modules', 'import sys\nsys.modules["os"]', 'globals()["a"]', 'globals().get("a")', '"a" in globals()', 'g = globals()\ng["a"]', 'len(globals())',
                                     'import sys\nsys.modules[__name__].a', 'def f():\n    x = locals()\n    x["mdl"] = 1', 'dict(globals())', 'for x in globals(): pass', '# globals()["mdl"] = 1',
                                     's = "globals().update(mdl=1)"', 'import sys\ngetattr(sys.modules[__name__], "a")'])
def test_reading_the_modules_names_does_not_switch_the_check_off(shop, reading):
    assert names(shop, f'#export\na = 1\n{reading}\nmdl') == ['`mdl` is set nowhere'] and export().notes == []


@pytest.mark.parametrize('writing, how', [('globals()["mdl"] = 1', 'globals()'), ('globals().update(mdl=1)', 'globals()'), ('g = globals()\ng["mdl"] = 1', 'globals()'), ('f(globals())', 'globals()'),
                                          ('import sys\nsetattr(sys.modules[__name__], "mdl", 1)', 'sys.modules'), ('import sys\nm = sys.modules[__name__]\nm.mdl = 1', 'sys.modules'),
                                          ('vars()["mdl"] = 1', 'vars()'), ('locals().update(mdl=1)', 'locals()'),
                                          ('g: dict = globals()\ng["mdl"] = 1', 'globals()'), ('(g := globals())["mdl"] = 1', 'globals()'), ('f(ns=globals())', 'globals()'),
                                          ('from sys import modules\nmodules[__name__].mdl = 1', 'sys.modules')])
def test_where_a_module_writes_its_names_the_check_is_off_and_one_line_says_why(shop, writing, how):
    assert names(shop, f'#export\nf = len\n{writing}\nmdl') == []
    assert export().notes == [f'nbs/05_a.ipynb: names are not checked: exp.nb_05 sets names through {how}'] and main(['--check', '-q']) == 0


def test_a_star_import_that_cannot_be_resolved_is_said_also_by_those_who_import_from_there(shop, capsys):
    shop('01_a.ipynb', '#export\nfrom nowhere_at_all import *\nx = 1')
    shop('02_a.ipynb', '#export\nfrom exp.nb_01 import *\nmdl')
    shop('03_a.ipynb', '#export\nfrom exp.nb_01 import *\nx')           # all that it reads is there
    assert main(['-q']) == 0 and capsys.readouterr().err == 'nbs/02_a.ipynb: names are not checked: nowhere_at_all is not installed\n'
    assert names(shop, '#export\nfrom nowhere_at_all import *\nx = y\ny = 1') == []                 # y may come from there


def test_where_python_keeps_no_columns_the_line_is_told(shop):
    shop('01_a.ipynb', '#export\na = 1'), shop('02_a.ipynb', '#export\nx = 1\n\ndef f():\n    from exp.nb_01 import b\n    return mdl')
    done = script(env={**os.environ, 'PYTHONNODEBUGRANGES': '1'})
    assert done.returncode == 0 and 'cell 1, line 5: exp.nb_01 has no `b`' in done.stderr and 'cell 1, line 6: `mdl` is set nowhere' in done.stderr


@pytest.mark.parametrize('comment, silent', [('# noqa', True), ('#noqa', True), ('# NOQA: F821', True), ('# noqa: E501, F821', True), ('# type: ignore[name-defined]', True),
                                             ('# noqa: E501', False), ('# no qa', False)])
def test_noqa_silences_one_line(shop, comment, silent):
    assert names(shop, f'#export\nmdl  {comment}') == ([] if silent else ['`mdl` is set nowhere'])
    shop('05_a.ipynb', f'#export\nmdl  {comment}\n\nmdl')
    assert [p.split(': ')[1] for p in export().problems] == ['cell 1, line 4' if silent else 'cell 1, line 2']


def test_an_import_over_several_lines_is_told_and_silenced_at_the_line_of_the_name(shop):
    shop('01_a.ipynb', '#export\na = 1')
    text = '#export\nfrom exp.nb_01 import (a,\n    bbb,\n    é, bb){}'
    problems = names(shop, text.format('')) and export().problems
    assert [problem.split('\n') for problem in problems] == [[f'nbs/05_a.ipynb: cell 1, line {line}: exp.nb_01 has no `{name}`', '    ' + text.format('').split('\n')[line - 1], ' ' * column + '^']
                                                             for name, line, column in (('bb', 4, 11), ('bbb', 3, 8), ('é', 4, 8))]
    assert names(shop, text.format('  # noqa')) == ['exp.nb_01 has no `bbb`'] and names(shop, text.replace('(a,', '(a,  # noqa').format('')) == []
    assert names(shop, '#export\ntry:\n    from exp.nb_01 import (a,\n        c)\nexcept ImportError: c = 1') == []


@pytest.mark.parametrize('code', ['if "get_ipython" in globals(): get_ipython()', 'x = mdl if "mdl" in globals() else 1', 'from typing import TYPE_CHECKING\nif TYPE_CHECKING: mdl', 'mdl: int\ndef f(): return mdl',
                                  'from contextlib import suppress\nwith suppress(NameError): mdl', 'import sys\nif sys.version_info > (3,): pass\nelse: unicode', 'try: mdl\nexcept (OSError, NameError): pass',
                                  'if False: from x import mdl\ndef f(a: mdl) -> None: pass\nclass A:\n    b: mdl = 1'])
def test_a_name_that_is_asked_for_or_declared_raises_no_alarm(shop, code): assert names(shop, f'#export\n{code}') == []


@pytest.mark.parametrize('star, good, bad', [('math', 'sin, pi, inf', 'sen'), ('os', 'getcwd, path, walk, environ, open', 'getcwdd'), ('os.path', 'join', 'os'), ('numpy', 'array, linspace, sin, pi, linalg, newaxis', 'arrray'),
                                             ('torch', 'tensor, zeros, nn, Tensor, float32, pi, sin, no_grad, arange, long', 'tenosr'), ('torch.nn', 'Linear, functional, Module', 'Linaer'),
                                             ('matplotlib.pyplot', 'figure, subplots, plot', 'subplot_s'), ('time', 'time, sleep', 'sleeep'), ('tkinter', 'Tk, END', 'Tkk')])
def test_star_imports_of_everyday_modules_are_resolved(shop, star, good, bad):
    pytest.importorskip(star)                                          # Debian has tkinter apart
    assert names(shop, f'#export\nfrom {star} import *\n{good}') == [] == export().notes
    assert names(shop, f'#export\nfrom {star} import *\n{bad}') == [f'`{bad}` is set nowhere'] and export().notes == []


def test_a_name_that_a_module_of_ours_does_not_have_cannot_be_imported_from_it(shop):
    shop('01_a.ipynb', '#export\nfrom os.path import *\na = 1'), shop('02_a.ipynb', '#export\ndef __getattr__(name): return 1'), shop('03_a.ipynb', '#export\nglobals().update(b=1)')
    fine = 'from exp.nb_01 import a, join, __name__\nfrom exp.nb_02 import anything\nfrom exp.nb_03 import b\ntry: from exp.nb_01 import c\nexcept ImportError: c = 1'
    assert names(shop, f'#export\n{fine}') == [] and export().notes == ['nbs/05_a.ipynb: names are not checked: exp.nb_03 sets names through globals()']
    shop('05_a.ipynb', '#export\nx = 1\ndef f():\n    from exp.nb_01 import a, bb')
    assert export('nbs/05_a.ipynb').problems == ['nbs/05_a.ipynb: cell 1, line 4: exp.nb_01 has no `bb`\n        from exp.nb_01 import a, bb\n' + ' ' * 33 + '^']


@pytest.mark.parametrize('code, line', [('f()\ndef f(): pass', 2), ('x = y\ny = 1', 2), ('class A(B): pass\nclass B: pass', 2), ('class A:\n    x = y\ny = 1', 3), ('def f(x=y): pass\ny = 1', 2), ('x = [y for _ in "a"], y\ny = 1', 2)])
def test_a_name_read_at_the_top_level_above_the_line_that_sets_it_is_told(shop, code, line):
    name = names(shop, f'#export\n{code}')[0]
    assert name.endswith('is read here, above the line that sets it') and f'cell 1, line {line}:' in export().problems[0]
    cells = ['#export\n' + part for part in ('x = y', 'y = 1')]
    assert names(shop, *cells) == ['`y` is read here, above the line that sets it'] and names(shop, *cells[::-1]) == []


@pytest.mark.parametrize('code', ['def f(): return y\ny = 1', 'for i in range(3):\n    if i: print(y)\n    y = i', 'try: y\nexcept NameError: y = 1', 'if 0 > 1: y\ny = 1', 'class A:\n    y = 1\n    z = y\ny = 2',
                                  'from os.path import *\njoin\njoin = 1', 'def f():\n    global y\n    y = 1\nf()\ny', 'x = lambda: y\ny = 1', 'print\nprint = 1', 'class A:\n    def f(self): return y\ny = 1'])
def test_a_name_that_may_well_be_set_by_then_raises_no_alarm(shop, code): assert names(shop, f'#export\n{code}') == []


def test_all_that_lists_what_is_missing_is_told(shop):
    assert names(shop, '#export\na = 1\n__all__ = ["a",\n  "b"]\nc = 1') == ['`__all__` lists `b`, which is set nowhere'] and 'cell 1, line 4:' in export().problems[0]
    assert names(shop, 'assert (b := 1)', '#export\n__all__ = ["b"]') == ['`__all__` lists `b`, which is set in cell 1, which is not exported']
    assert names(shop, 'b = 1', '#export\n__all__ = ["b"]') == ['`__all__` lists `b`, which is set in cell 1, which is not exported']
    assert names(shop, '#export\nfrom os.path import *\n__all__ = ["join"] + dir()\n__all__ += ["c"]\nc = 1') == []
    assert names(shop, '#export\n__all__ = [\n  "c++"]') == ['`__all__` lists `c++`, which is set nowhere'] and 'cell 1, line 3:' in export().problems[0]


@pytest.mark.parametrize('written, lost', [('("fit")', 'f'), ('["fo" "o"]', 'foo'), ('["\\x62"]', 'b'), ('[1]', '1'), ('(None,)', 'None'), ('["a b", "c+"]', 'c+'), ('[b"c"]', "b'c'")])
def test_all_that_is_written_in_an_odd_way_is_told_where_it_begins(shop, written, lost):
    assert f'`__all__` lists `{lost}`, which is set nowhere' in names(shop, f'#export\na = 1\n__all__ = {written}')
    assert all('cell 1, line 3:' in problem for problem in export().problems)
    shop('06_a.ipynb', '#export\nfrom exp.nb_05 import *'), shop('07_a.ipynb', '#export\nfrom exp.nb_06 import *\nmdl')
    assert 'nbs/07_a.ipynb: cell 1, line 3: `mdl` is set nowhere' in export().problems[-1]


def test_several_names_that_are_missing_are_told_in_the_order_of_the_alphabet(shop):
    lost = list('zqxkjvw')
    shop('01_a.ipynb', f'#export\n__all__ = {lost}'), shop('02_a.ipynb', f'#export\nfrom exp.nb_01 import {", ".join(lost)}')
    told = [problem.split('\n')[0].split('`')[-2] for problem in export().problems]
    assert told == sorted(lost) * 2


# ---- imports of our own modules

@pytest.mark.parametrize('code, message', [
    ('from exp.nb_09 import x', 'exp.nb_09 does not exist'), ('import exp.nb_09', 'exp.nb_09 does not exist'), ('from exp import nb_09', 'does not exist'),
    ('from exp.nb_06 import x', 'exp.nb_06 comes later'), ('from .nb_06 import x', 'exp.nb_06 comes later'), ('from exp.nb_05 import x', 'imports itself'),
    ('def f():\n    from exp.nb_05a import x', 'exp.nb_05a comes later')])
def test_our_own_modules_must_exist_and_come_earlier(shop, code, message):
    for name in ('05a_b.ipynb', '06_c.ipynb'): shop(name, '#export\nx = 1')
    shop('05_a.ipynb', f'#export\n{code}')
    assert message in refusal()


def test_a_notebook_that_exports_nothing_cannot_be_imported_from(shop):
    shop('01_a.ipynb', 'x = 1')
    shop('02_a.ipynb', '#export\nfrom exp.nb_01 import x')
    assert 'nbs/02_a.ipynb: cell 1, line 2: exp.nb_01 does not exist' in refusal()
    assert export('nbs/02_a.ipynb').written                            # 01 was not read: it gets the benefit of the doubt


def test_modules_cannot_import_each_other_under_any_numbers(shop):
    shop('1_a.ipynb', '#export\nfrom exp.nb_01 import x\ny = 1')
    shop('01_a.ipynb', '#export\nfrom exp.nb_1 import y\nx = 1')
    assert refusal().count('only earlier ones can be imported') == 2


def test_modules_that_import_everything_from_each_other_are_refused_and_end(shop):
    shop('01_a.ipynb', '#export\nfrom exp.nb_02 import *\nmdl')
    shop('02_a.ipynb', '#export\nfrom exp.nb_01 import *\nmdl')
    assert 'exp.nb_02 comes later; only earlier ones can be imported' in refusal()


def test_earlier_modules_can_be_imported_in_every_way(shop):
    shop('01_a.ipynb', '#export\nx = 1')
    shop('01a_a.ipynb', '#export\nfrom exp.nb_01 import x')
    shop('05_a.ipynb', '#export\nfrom exp.nb_01a import x\nimport exp.nb_01 as a\nfrom exp import nb_01\nfrom .nb_01 import x as y')
    assert len(export().written) == 3 and len(export('nbs/05_a.ipynb').unchanged) == 1


# ---- output

def test_the_header_names_the_notebook_and_each_cell_is_marked_by_its_name_and_hash(shop):
    shop('01_a.ipynb', 'x', '#export\na = 1', ('markdown', 'text'), '#export\nimport os\n')
    export()
    assert shop.module() == '''# Generated from nbs/01_a.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
# a
# %% nbs/01_a.ipynb 2aab5485
a = 1

# ---
#
# %% nbs/01_a.ipynb 3c866ef5
import os

# ---
'''


@pytest.mark.parametrize('source, name', [('a = 1', 'a'), ('def f(x=1): pass', 'f'), ('x: int = 3', 'x'), ('async def g(): pass', 'g'), ('@d\nclass A:\n    b = 1', 'A'), ('import os\nb = 2', 'b'),
                                          ('f(x=1)', ''), ('a == 1', ''), ('import os', ''), ('if 1:\n    c = 1', ''), ('x += 1\ny = 2', 'x'), ('a, b = 1, 2', 'a')])
def test_above_each_cell_stands_the_first_name_that_it_defines(shop, source, name): assert notebook2script.title(source) == name


def test_a_long_word_or_line_takes_no_longer_than_its_length(shop):
    word, blanks = 'a' * 400_000, ' ' * 400_000                        # steps as many as their square would take many minutes
    shop('01_a.ipynb', f'#export\nx = 1\n{word}.b', ('markdown', f'{blanks}x\nThe marker `<<<<<<<` is no marker here.'))
    assert script(timeout=60).returncode == 0 and shop.module()


def test_other_cells_counts_ids_and_outputs_do_not_change_a_module(shop):
    shop('01_a.ipynb', '#export\na = 1')
    export()
    before = (shop.root/'exp'/'nb_01.py').read_bytes()
    noisy = {'cell_type': 'code', 'id': 'x', 'execution_count': 9, 'metadata': {'t': 1}, 'outputs': [{'text': 'now'}], 'source': '#export\na = 1'}
    shop('01_a.ipynb', raw=json.dumps({'cells': [{'cell_type': 'markdown', 'source': 'new'}, noisy], 'metadata': {'v': 2}, 'nbformat_minor': 4, 'nbformat': 4}))
    assert export().unchanged and (shop.root/'exp'/'nb_01.py').read_bytes() == before and b'\r' not in before


def test_the_same_notebook_gives_the_same_bytes_in_any_folder_locale_and_order_of_hashes(shop):
    cells = ['#export\nfrom __future__ import division, annotations', '#export\na = "é"', '#export\nfrom exp.nb_01 import *']
    texts = set()
    for seed, locale in ('0', 'C'), ('1', 'C.UTF-8'), ('2', 'POSIX'):
        root = shop.root/seed
        (root/'nbs').mkdir(parents=True)
        shop('01_a.ipynb', '#export\nx = 1'), shop('02_a.ipynb', *cells)
        for name in ('01_a', '02_a'): shutil.move(shop.root/'nbs'/f'{name}.ipynb', root/'nbs')
        assert script(cwd=root, env={**os.environ, 'PYTHONHASHSEED': seed, 'LC_ALL': locale, 'PYTHONUTF8': '0', 'TZ': f'X{seed}'}).returncode == 0
        texts.add((root/'exp'/'nb_02.py').read_bytes())
    assert len(texts) == 1


def test_a_notebook_outside_of_the_project_is_named_without_its_folder(shop, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp('elsewhere')
    shop('01_a.ipynb', '#export\na = 1')
    shutil.move(shop.root/'nbs'/'01_a.ipynb', elsewhere)
    export(elsewhere/'01_a.ipynb')
    assert shop.module().startswith('# Generated from 01_a.ipynb\n')


@pytest.mark.skipif(sys.platform != 'linux', reason='other systems refuse such names of files')
@pytest.mark.parametrize('title', [b'coding=latin-7', b'coding: rot13', b'a\rimport os', b'\xff\xfe', 'é\u2028'.encode()])
def test_no_name_of_a_notebook_makes_a_module_that_cannot_be_imported(shop, title):
    Path(os.fsdecode(b'nbs/01_' + title + b'.ipynb')).write_text(nb('#export\na = 1'))
    export()
    done = subprocess.run([sys.executable, '-c', 'from exp.nb_01 import a; print(a)'], capture_output=True, text=True)
    assert done.stdout == '1\n', done.stderr
    assert export(check=True).written == [] and main(['--where', 'exp/nb_01.py:7']) == 0


# ---- merges: two branches of a scratch repository change different cells

def with_ids(cells):
    "The text of a notebook as Jupyter writes it, of cells (id, kind, source)."
    code = {'execution_count': None, 'outputs': []}
    cells = [{'cell_type': kind, 'id': id, 'metadata': {}, **(code if kind == 'code' else {}), 'source': source.splitlines(True)} for id, kind, source in cells]
    return json.dumps({'cells': cells, 'metadata': {}, 'nbformat': 4, 'nbformat_minor': 5}, indent=1, sort_keys=True) + '\n'


def git(*args, **kw): return subprocess.run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', *args], capture_output=True, text=True, **kw)


def merge(shop, base, ours, theirs):
    "Merges two branches with git; the names of the files in conflict."
    shutil.rmtree(shop.root/'.git', ignore_errors=True)
    git('init', '-q')
    for name, cells in ('base', base), ('ours', ours), ('theirs', theirs):
        git('checkout', '-q', *(['-b', name] if name == 'base' else ['-b', name, 'base']))
        shop('01_a.ipynb', raw=with_ids(cells))
        export(force=True, prune=True)
        git('add', '-A'), git('commit', '-qm', name, '--allow-empty')
    git('checkout', '-q', 'ours')
    assert not git('merge', '-q', 'theirs', '-m', 'merged').returncode or git('diff', '--name-only', '--diff-filter=U').stdout
    return {Path(name).suffix for name in git('diff', '--name-only', '--diff-filter=U').stdout.split()}


def cell(i, rng):
    "A new cell that defines f1, f2, ..."
    return f'c{i}', 'code', f'#export\n{body_of(i, rng)}'


def body_of(i, rng):
    n = rng.randint(0, 999)
    return rng.choice([f'f{i} = {n}', f'def f{i}(x):\n    return x + {n}', f'def f{i}(x):\n    y = {n}\n\n    return y\n\n\nf{i}.a = 1', f'class f{i}:\n    a = {n}\n\n    def f(self): return 1'])


def edited(id, kind, source, rng):
    "The cell with another body, or with more at its end, with any number of blank lines before."
    if rng.random() < .4: return id, kind, '#export\n' + body_of(id[1:], rng)
    return id, kind, source + '\n' * rng.randint(1, 4) + f'def more_{rng.randint(0, 999)}(): pass'


def changed(cells, mine, fresh, rng):
    "The cells after one or two edits, removals, moves and additions, of those that are `mine`."
    cells = list(cells)
    for i in range(rng.randint(1, 2)):
        left = [cell for cell in cells if cell[0] in mine]
        what = rng.choice(['edit', 'add', 'remove', 'move'])
        if what == 'add': cells.insert(rng.randint(0, len(cells)), cell(fresh + i, rng))
        elif left:
            at = cells.index(rng.choice(left))
            old = cells.pop(at)
            if what == 'edit': cells.insert(at, edited(*old, rng))
            if what == 'move': cells.insert(rng.randint(0, len(cells)), old)
    return cells


@pytest.mark.skipif(not shutil.which('git'), reason='git is not installed')
@settings(max_examples=int(os.environ.get('MERGES', 5 if 'MUTANT' in os.environ else 50)), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_merges_in_the_notebook_merges_in_the_module(shop, rng):
    base = [cell(i, rng) for i in range(rng.randint(2, 6))]
    ids = [id for id, _, _ in base]
    rng.shuffle(ids)
    ours, theirs = changed(base, ids[::2], 10, rng), changed(base, ids[1::2], 20, rng)
    torn = merge(shop, base, ours, theirs)
    if '.ipynb' in torn: return
    result = export(check=True)
    assert not torn and result.written == [] and not result.orphans


A, B, C = ('a', 'code', '#export\na = 1\nb = 2\n\n\nc = 3'), ('b', 'code', '#export\nx = 1'), ('c', 'code', '#export\ny = 1')
PROSE = ('m', 'markdown', 'text')


@pytest.mark.skipif(not shutil.which('git'), reason='git is not installed')
@pytest.mark.parametrize('ours, theirs', [
    ([(*A[:2], A[2] + '\n\n\nd = 4'), B], [A, C, B]), ([(*A[:2], A[2] + '\n\nd = 4'), B], [A, (*B[:2], '#export\nx = 2')]), ([A], [(*A[:2], A[2] + '\nd = 4'), B]), ([A, C, B], [A, (*B[:2], '#export\nx = 2')]),
    ([B], [A, (*B[:2], '#export\nx = 2')]), ([A, B, C], [A, (*B[:2], '#export\nx = 2')]), ([C, A, B], [(*A[:2], '#export\na = 5'), B]), ([B, A], [B, A]), ([PROSE, A, B], [A, (*B[:2], '#export\n# said\nx = 1')])])
def test_changes_side_by_side_do_not_conflict(shop, ours, theirs):
    assert merge(shop, [A, B], ours, theirs) == set() and export(check=True).written == []


@pytest.mark.skipif(not shutil.which('git'), reason='git is not installed')
@pytest.mark.parametrize('base, ours, theirs', [
    ([A], [(*A[:2], A[2].replace('a = 1', 'a = 5'))], [(*A[:2], A[2].replace('c = 3', 'c = 5'))]),              # two edits of one cell
    ([A, PROSE, B], [A, C, PROSE, B], [A, PROSE, ('d', 'code', '#export\nz = 1'), B])])                          # the prose between is not in the module
def test_where_git_cannot_merge_the_module_the_next_export_does(shop, capsys, base, ours, theirs):
    assert merge(shop, base, ours, theirs) == {'.py'}
    assert main(['--check', '-q']) == 1 and main(['-q']) == 0 and main(['--check', '-q']) == 0
    assert 'had the conflict markers of a merge, and is written anew' in capsys.readouterr().err


# ---- writing

def test_a_file_that_says_the_same_does_not_make_broken_cells_pass(shop):
    for wrong in ('a = (', 'a = b = c'):
        shop('01_a.ipynb', '#export\na = 1\nb = 2')
        export(force=True)
        path, broken = shop.root/'exp'/'nb_01.py', f'{wrong}\nb = 2'
        path.write_text(shop.module().replace('a = 1\nb = 2', broken).replace(notebook2script.digest('a = 1\nb = 2'), notebook2script.digest(broken)))
        shop('01_a.ipynb', f'#export\n{broken}')
        if wrong == 'a = b = c': assert '`c` is set nowhere' in export().problems[0] and export().unchanged
        else: assert 'nbs/01_a.ipynb' in refusal()


def test_an_unchanged_module_is_not_touched(shop):
    shop('01_a.ipynb', '#export\na = 1')
    first = export()
    os.utime(first.written[0], (1, 1))
    again = export()
    assert again.written == [] and again.unchanged == first.written and first.written[0].stat().st_mtime == 1


def test_a_module_edited_by_hand_is_refused_with_the_cell_and_a_diff_unless_forced(shop):
    shop('01_a.ipynb', ('markdown', 'x'), '#export\nb = 1', '#export\na = 1')
    path, = export().written
    path.write_text(path.read_text().replace('a = 1', 'a = 7'))
    text = refusal()
    assert 'was edited by hand in cell 3; put' in text and '-a = 7' in text and '+a = 1' in text and 'a = 7' in path.read_text()
    assert export(force=True).changes[path][0] == 'edited by hand' and 'a = 1' in path.read_text()


@pytest.mark.parametrize('old, new', [('a = 1', ' a = 1'), ('a = 1', 'a = 1  # more'), ('a = 1\n', 'a = 1\nc = 3\n'), ('\n\n# ---\n# a', '\nimport os\n\n# ---\n# a'), ('# a\n', '# a\nc = 1\n'),
                                      ('\n# ---\n# b', '\nc = 1\n# ---\n# b'), ('b = 2\n\n# ---\n', 'b = 2\n\n# ---\nc = 3\n'), ('b = 2', '')])
def test_an_edit_anywhere_in_a_module_is_an_edit(shop, old, new):
    shop('01_a.ipynb', '#export\na = 1', '#export\nb = 2')
    path, = export().written
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    assert 'was edited by hand' in refusal() and new in path.read_text()


@pytest.mark.parametrize('change', [lambda text: text.replace('\n', '  \n'), lambda text: text + '\n\n', lambda text: text.rstrip('\n'), lambda text: text.replace('\n', '\r\n'), lambda text: text.replace('# ---', '\n\n# ---'),
                                    lambda text: text.replace('return', '\n\n    return')])
def test_blank_space_that_a_formatter_adds_or_takes_is_no_edit(shop, change):
    shop('01_a.ipynb', '#export\ndef f():\n    return 1', '#export\nb = 2')
    path, = export().written
    before = path.read_text()
    path.write_bytes(change(before).encode())
    assert export().written == [path] and path.read_text() == before


def old_format(body):
    import hashlib
    return f'# Generated from nbs/01_a.ipynb\n# Do not edit: change the notebook, then run notebook2script.py. {hashlib.sha256(body.encode()).hexdigest()[:16]}\n\n{body}'


def test_a_module_of_the_first_edition_is_ours_and_written_anew_unless_it_was_edited(shop):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').mkdir()
    path, text = shop.root/'exp'/'nb_01.py', old_format('# %% nbs/01_a.ipynb export 1\na = 1\n')
    path.write_text(text)
    assert export().changes[path][0] == 'out of date' and code(path.read_text()) == ['a = 1']
    path.write_text(text.replace('a = 1', 'a = 7'))
    assert 'was edited by hand; put' in refusal() and export(force=True).written


TORN = '<<<<<<< HEAD\n{}=======\n{}>>>>>>> branch\n'


@pytest.mark.parametrize('tear', [lambda a, b: a.replace('a = 1\n', TORN.format('a = 1\n', 'a = 2\n')), lambda a, b: TORN.format(a, b), lambda a, b: a.replace('\n# ---\n# a', '\n' + TORN.format('# ---\n# a\n', '# ---\n# a\n')[:-1]),
                                  lambda a, b: old_format('a = 1\n').replace('# Do not edit: c', TORN.format('# Do not edit: 1\n', '# Do not edit: 2\n') + '# c')])
def test_a_module_of_ours_with_conflict_markers_is_written_anew_and_that_is_said(shop, capsys, tear):
    shop('01_a.ipynb', '#export\na = 1')
    path, = export().written
    before = path.read_text()
    path.write_text(tear(before, before.replace('a = 1', 'a = 2')))
    assert main(['--check']) == 1 and 'left with conflict markers by a merge' in capsys.readouterr().err
    assert main(['-q']) == 0 and path.read_text() == before and 'had the conflict markers of a merge, and is written anew' in capsys.readouterr().err


def test_a_cell_that_contains_what_looks_like_a_module_is_no_edit(shop):
    inner = '# ---\n# a\n# %% nbs/01_a.ipynb 12345678\na = 1\n\n# ---\n<<<<<<< HEAD\n=======\n>>>>>>> b\n'
    for last in ('1', '2'):
        shop('01_a.ipynb', f'#export\ns = """\n{inner}"""', f'#export\nz = {last}')
        result = export()
        assert result.written and result.notes == [] and f'z = {last}' in shop.module()


def test_conflict_markers_in_a_text_of_a_cell_do_not_make_an_edit_of_another_one_a_merge(shop):
    shop('01_a.ipynb', '#export\ns = """\n<<<<<<< HEAD\n=======\n>>>>>>> b\n"""', '#export\nz = 1')
    path, = export().written
    path.write_text(shop.module().replace('z = 1', 'z = 7'))
    assert 'was edited by hand in cell 2; put' in refusal() and 'z = 7' in shop.module()


@pytest.mark.skipif(os.name == 'nt', reason='Windows knows one bit of a mode')
def test_a_file_keeps_its_mode(shop):
    shop('01_a.ipynb', '#export\na = 1')
    path, = export().written
    path.chmod(0o640)
    shop('01_a.ipynb', '#export\na = 2')
    assert export().written == [path] and path.stat().st_mode & 0o777 == 0o640


def test_temporary_files_of_others_stay(shop):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').mkdir()
    for name in ('.nb_01.py.tmp', '.nb_x.tmp', '.nb_01.py.swp'): (shop.root/'exp'/name).write_text('mine')
    (shop.root/'exp'/'.nb_07.py.notebook2script').write_text('of a run that was killed')
    export()
    assert sorted(p.name for p in (shop.root/'exp').iterdir()) == ['.nb_01.py.swp', '.nb_01.py.tmp', '.nb_x.tmp', 'nb_01.py']


def test_a_leftover_that_cannot_be_removed_does_not_keep_the_folder_locked(shop):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp'/'.nb_07.py.notebook2script').mkdir(parents=True)
    for _ in range(2):                                                 # a lock that was kept would raise Refused
        with pytest.raises(OSError): export(patience=0)
        shop('01_a.ipynb', '#export\na = 2')


def test_line_ends_changed_by_git_are_no_edit(shop):
    shop('01_a.ipynb', '#export\na = 1')
    path, = export().written
    text = path.read_bytes()
    path.write_bytes(text.replace(b'\n', b'\r\n'))
    assert export().written == [path] and path.read_bytes() == text


def test_a_file_that_is_not_ours_is_never_overwritten(shop):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').mkdir()
    for text in ('mine = 1\n', '', '# Generated from grammar.py\nmine = 1\n', '#!/usr/bin/env python\n# Generated from nbs/01_a.ipynb\n# Do not edit: 0123456789abcdef\n\n'):
        (shop.root/'exp'/'nb_01.py').write_text(text)
        for force in (False, True): assert 'was not generated' in refusal(force=force)
        assert shop.module() == text


@pytest.mark.skipif(os.name == 'nt', reason='Windows says that it may not read a folder')
def test_a_folder_in_the_place_of_a_module_is_not_ours_either(shop):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp'/'nb_99.py').mkdir(parents=True)
    assert main(['-q', '--prune']) == 0 and main(['--check', '-q']) == 0
    (shop.root/'exp'/'nb_02.py').mkdir(), shop('02_a.ipynb', '#export\na = 1')
    assert 'was not generated' in refusal(force=True)


@pytest.mark.skipif(os.name == 'nt', reason='links need a privilege on Windows')
def test_nothing_is_written_through_a_link(shop, tmp_path):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'elsewhere').mkdir()
    (shop.root/'exp').symlink_to(shop.root/'elsewhere')
    assert 'is a link' in refusal() and [*(shop.root/'elsewhere').iterdir()] == []
    (shop.root/'exp').unlink(), (shop.root/'exp').mkdir()
    (shop.root/'exp'/'nb_01.py').symlink_to(shop.root/'target.py')
    assert 'is a link' in refusal(force=True) and not (shop.root/'target.py').exists()


@pytest.mark.skipif(os.name == 'nt', reason='links need a privilege on Windows')
@pytest.mark.parametrize('name, status', [('.nb_01.py.notebook2script', 0), ('.notebook2script.lock', 3), ('nb_07.py', 0)])
def test_links_in_the_places_of_our_own_files_lead_nowhere_either(shop, name, status):
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').mkdir()
    (shop.root/'exp'/name).symlink_to(shop.root/'target')
    if name == 'nb_07.py': (shop.root/'target').write_text(f'# Generated from nbs/07_a.ipynb\n# Do not edit: it\n\n# ---\n')
    before = [p.read_bytes() for p in shop.root.glob('target')]
    assert main(['--prune']) == status and [p.read_bytes() for p in shop.root.glob('target')] == before


def test_nothing_is_written_outside_of_the_output_folder(shop):
    shop('01_a.ipynb', '#export\na = 1')
    def others(): return sorted((p, p.stat().st_mtime_ns) for p in shop.root.rglob('*') if p.parent.name != 'exp' and p.name != 'exp')
    before = others()
    export(), export(check=True), export(force=True, prune=True)
    assert others() == before


def test_a_module_whose_notebook_is_gone_is_reported_and_pruned_and_nothing_else(shop):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    export()
    (shop.root/'nbs'/'02_a.ipynb').unlink()
    (shop.root/'exp'/'nb_03.py').write_text('mine = 1\n')
    assert [p.name for p in export().orphans] == ['nb_02.py'] and export('nbs/01_a.ipynb', prune=True).removed == []
    assert [p.name for p in export(prune=True).removed] == ['nb_02.py'] and sorted(p.name for p in (shop.root/'exp').iterdir()) == ['nb_01.py', 'nb_03.py']


def test_a_module_whose_notebook_is_gone_cannot_be_imported_and_is_not_pruned_from_under_those_who_do(shop):
    shop('01_a.ipynb', '#export\na = 1'), shop('02_a.ipynb', '#export\nfrom exp.nb_01 import a\na')
    export()
    (shop.root/'nbs'/'01_a.ipynb').unlink()
    for prune in (False, True): assert 'nbs/02_a.ipynb: cell 1, line 2: exp.nb_01 does not exist, or has no notebook any more' in refusal(prune=prune)
    assert 'a = 1' in shop.module() and export('nbs/02_a.ipynb').unchanged
    shop('02_a.ipynb', '#export\na = 2')
    assert [p.name for p in export(prune=True).removed] == ['nb_01.py']


def test_a_module_of_a_notebook_in_another_folder_is_no_orphan_as_long_as_that_exports(shop):
    (shop.root/'nbs'/'part2').mkdir()
    shop('01_a.ipynb', '#export\na = 1'), shop('part2/07_x.ipynb', '#export\na = 1'), shop('08_a.ipynb', '#export\nfrom exp.nb_07 import a\na')
    path, = export('nbs/part2/07_x.ipynb').written
    assert not export(prune=True).orphans and main(['--check', '-q']) == 0 and path.exists()
    path.write_bytes(path.read_bytes().replace(b'\n', b'\r\n'))
    shutil.copy(path, shop.root/'exp'/'nb_09.py')                      # names a notebook of another number
    assert [p.name for p in export(prune=True).removed] == ['nb_09.py'] and path.exists()
    shop('part2/07_x.ipynb', 'a = 1'), shop('08_a.ipynb', '#export\na = 1')
    assert [p.name for p in export(prune=True).removed] == ['nb_07.py']


def test_an_orphan_that_was_edited_by_hand_is_removed_by_force_only(shop, capsys):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    path = export().written[1]
    shop('02_a.ipynb', 'a = 1')                                        # exports nothing now
    path.write_text(path.read_text() + 'mine = 1\n')
    assert main(['--prune']) == 0 and path.exists() and '(--prune --force)' in capsys.readouterr().err
    assert main(['--prune', '--force']) == 0 and not path.exists() and '1 removed' in capsys.readouterr().out


def test_a_failing_disk_leaves_the_old_module_and_one_line(shop, monkeypatch, capsys):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    export()
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 2')
    def full(fd): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(os, 'fsync', full)
    assert main([]) == 3 and capsys.readouterr().err.splitlines() == ['the file system refused: [Errno 28] No space left on device']
    assert 'a = 1' in shop.module() and 'a = 1' in shop.module('nb_02') and len(list((shop.root/'exp').iterdir())) == 2


@pytest.fixture
def disk(shop):
    "A file system of 64 kB in the place of exp/, which can be mounted again with other options."
    (shop.root/'exp').mkdir()
    def mount(options): return subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size=64k,{options}', 'tmpfs', 'exp'], capture_output=True).returncode
    if sys.platform != 'linux' or os.geteuid() or not shutil.which('mount') or mount('rw'): pytest.skip('only root on Linux can mount a small disk')
    yield mount
    subprocess.run(['umount', shop.root/'exp'], check=True)


@pytest.mark.parametrize('state', ['full', 'read-only'])
def test_a_disk_that_is_full_or_read_only_costs_no_module(shop, disk, state):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    export()
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 2\ns = "' + 'x' * 40_000 + '"')
    if state == 'read-only': disk('remount,ro')
    done = script()
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1 and done.stderr.startswith('the file system refused: ')
    assert 'a = 1' in shop.module() and 'a = 1' in shop.module('nb_02') and len(list((shop.root/'exp').iterdir())) == 2
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1')
    assert script().returncode == 0                                    # nothing to write, so nothing to refuse


@pytest.mark.skipif(os.name == 'nt' or os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_without_write_permission_costs_no_module(shop):
    shop('01_a.ipynb', '#export\na = 1')
    export()
    shop('01_a.ipynb', '#export\na = 2')
    (shop.root/'exp').chmod(0o555)
    done = script()
    (shop.root/'exp').chmod(0o755)
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1 and 'a = 1' in shop.module()


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
    values = [code(shop.module(f'nb_0{number}'))[0] for number in '123']
    assert done.returncode == -9 and set(values) <= {'a = 1', 'a = 2'} and values == sorted(values, reverse=True)
    assert main(['-q']) == 0 and sorted(p.name for p in (shop.root/'exp').iterdir()) == ['nb_01.py', 'nb_02.py', 'nb_03.py']


@pytest.mark.skipif(os.name == 'nt', reason='needs kill -9')
def test_killed_again_and_again_at_random_moments_no_module_is_damaged(shop):
    rng, path, dead = random.Random(0), shop.root/'exp'/'nb_01.py', 0
    text = '\n'.join(f'a{i} = {i}' for i in range(3000))
    for i in range(int(os.environ.get('KILLS', 12))):
        shop('01_a.ipynb', f'#export\n{text}\nlast = {i}')
        process = subprocess.Popen([sys.executable, '-c', 'import notebook2script as n\nfor i in range(99): n.export(force=True); open("exp/nb_01.py", "a").write("#")'],
                                   env={**os.environ, 'PYTHONPATH': str(SCRIPT.parent)}, stderr=subprocess.PIPE)
        time.sleep(rng.uniform(.08, .5))
        process.kill()
        dead += process.wait() == -signal.SIGKILL
        assert process.stderr.read() == b'' and (not path.exists() or code(path.read_text())[0].split(text + '\nlast = ')[1].isdigit())
    assert dead == int(os.environ.get('KILLS', 12)) and export(force=True) and [p.name for p in path.parent.iterdir()] == ['nb_01.py']


def test_four_writers_and_a_reader_never_meet_half_a_module(shop):
    shop('01_a.ipynb', '#export\n' + '\n'.join(f'a{i} = {i}' for i in range(500)))
    export()
    def start(i): return subprocess.Popen([sys.executable, '-c', f'import notebook2script as n\nfor i in range(15): n.export(force=True, out="exp")'],
                                          env={**os.environ, 'PYTHONPATH': str(SCRIPT.parent)})
    path, writers, reads = shop.root/'exp'/'nb_01.py', [start(i) for i in range(4)], 0
    while any(writer.poll() is None for writer in writers):
        text = path.read_text()
        assert code(text)[0].endswith(('a499 = 499', 'a499 = 498'))
        if reads % 20 == 0: shop('01_a.ipynb', '#export\n' + '\n'.join(f'a{i} = {i - (i == 499 and reads % 40 == 0)}' for i in range(500)))
        reads += 1
    assert reads > 20 and sorted(p.name for p in path.parent.iterdir()) == ['nb_01.py']


@pytest.mark.skipif(os.name == 'nt', reason='Windows does not remove a file that is open')
def test_a_lock_whose_file_was_removed_while_somebody_waited_for_it_is_taken_again(shop):
    import fcntl, threading
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').mkdir()
    path = shop.root/'exp'/'.notebook2script.lock'
    with open(path, 'w') as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        waiting = threading.Thread(target=export)
        waiting.start()
        waiting.join(.3)
        assert waiting.is_alive() and not (shop.root/'exp'/'nb_01.py').exists()
        path.unlink()
    waiting.join(10)
    assert [p.name for p in (shop.root/'exp').iterdir()] == ['nb_01.py']


@pytest.mark.skipif(os.name == 'nt', reason='Windows does not remove a file that is open')
def test_a_lock_on_a_file_that_no_longer_stands_there_does_not_count(shop, monkeypatch):
    import fcntl
    shop('01_a.ipynb', '#export\na = 1')
    taken, take = [], fcntl.flock
    def too_late(file, how):
        if not taken: (shop.root/'exp'/'.notebook2script.lock').unlink()                # by its owner, after we had opened it
        taken.append(take(file, how))
    monkeypatch.setattr(fcntl, 'flock', too_late)
    assert export().written and len(taken) == 2


@pytest.mark.skipif(os.name == 'nt', reason='locks work in another way')
def test_another_run_is_waited_for_as_long_as_asked_and_then_named(shop):
    import fcntl
    shop('01_a.ipynb', '#export\na = 1')
    (shop.root/'exp').mkdir()
    with open(shop.root/'exp'/'.notebook2script.lock', 'w') as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert refusal(patience=.1) == f'{shop.root}/exp: another run has been writing there for 0.1 s'


# ---- the command line

def test_the_exit_status_says_what_happened(shop, capsys):
    shop('01_a.ipynb', '#export\na = 1')
    assert main(['--check']) == 1 and not (shop.root/'exp').exists()
    assert main([]) == 0 and main(['--check']) == 0
    shop('01_a.ipynb', '#export\na = = 1')
    assert main([]) == 2 and main(['--check']) == 2
    assert 'nothing was written' in capsys.readouterr().err


def test_check_says_one_line_for_each_module_that_is_not_what_its_notebook_says(shop, capsys):
    for number in '12345': shop(f'0{number}_a.ipynb', '#export\na = 1')
    paths = export().written
    paths[0].unlink(), paths[1].write_text(paths[1].read_text() + '#'), (shop.root/'nbs'/'04_a.ipynb').unlink()
    shop('03_a.ipynb', '#export\na = 2')
    assert main(['--check']) == 1
    said = [line.split('exp' + os.sep)[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ['nb_04.py: its notebook is gone, or exports nothing (--prune)', 'nb_01.py: missing', 'nb_02.py: edited by hand', 'nb_03.py: out of date']


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
    shop('01_a.ipynb', '#export\n' + (lines := 'a = 1\no = 0\nb = 2\nc = 3\nd = 4\ne = 5'))
    main(['-q'])
    shop('01_a.ipynb', '#export\n' + lines.replace('c', 'x'))
    assert main(['--diff', '-q']) == 0
    assert re.findall(r'^[-+ ]\w = .', capsys.readouterr().out, re.M) == [' a = 1', ' b = 2', '-c = 3', '+x = 3', ' d = 4']  # the first stands below a line that changed, too


@pytest.mark.parametrize('option', ['--up-to', '--upTo'])
def test_up_to_includes_its_number_and_reads_nothing_later(shop, option):
    for name in ('04_a', '05_a', '05a_a'): shop(f'{name}.ipynb', '#export\na = 1')
    shop('06_a.ipynb', raw=b'broken')
    assert main([option, '05']) == 0 and sorted(p.stem for p in (shop.root/'exp').glob('*.py')) == ['nb_04', 'nb_05']
    assert main([option, 'five']) == 2


def test_up_to_wants_a_number(shop):
    shop('04_a.ipynb', '#export\na = 1')
    assert refusal(up_to='five') == '--up-to five: wanted a number, such as 05 or 05a' and not (shop.root/'exp').exists()


def test_old_spellings_other_folders_and_the_folder_of_the_notebooks_work(shop, monkeypatch):
    shop('01_a.ipynb', '#export\na = 1')
    assert main(['--allFiles=True', '-q']) == main(['--allfiles=true', '-q']) == 0 == main(['--allFiles', '--out', 'lib/deep']) and (shop.root/'lib'/'deep'/'nb_01.py').exists()
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


def test_where_counts_lines_as_python_does_and_knows_its_limits(shop, capsys):
    shop('01_a.ipynb', '#export\na = "\u2028\x0c\x1c"\nb = 2')
    export()
    def where(line): return main(['--where', f'exp/nb_01.py:{line}']), capsys.readouterr().out
    assert where(8) == (0, 'nbs/01_a.ipynb, cell 1, line 3\n') == where(999) and where('9' * 5000)[0] == 2
    for source in ('a = 1', '#export\na = 3'):
        shop('01_a.ipynb', source)
        assert where(8) == (0, 'nbs/01_a.ipynb, a cell that has changed since\n')
    shop('01_a.ipynb', raw=b'')
    assert where(8) == (0, 'nbs/01_a.ipynb: is empty\n')
    (shop.root/'nbs'/'01_a.ipynb').unlink()
    assert where(8) == (0, 'nbs/01_a.ipynb, which is gone\n')


def test_where_tells_cells_that_are_alike_apart_and_follows_a_cell_that_moved(shop, capsys):
    shop('01_a.ipynb', '#export\na = 1', '#export\nb = 2', '#export\na = 1')
    export()
    shop('01_a.ipynb', ('markdown', 'new'), '#export\na = 1', '#export\na = 1', '#export\nb = 2')
    for line, cell in zip([i for i, text in enumerate(shop.module().splitlines(), 1) if '= ' in text], (2, 4, 3)):
        assert main(['--where', f'exp/nb_01.py:{line}']) == 0 and capsys.readouterr().out == f'nbs/01_a.ipynb, cell {cell}, line 2\n'


def traced(shop, text, capsys, monkeypatch):
    "What --where - makes of a traceback: the lines that it adds, by the number of the line above."
    monkeypatch.setattr('sys.stdin', text.splitlines(True))
    assert main(['--where', '-']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith('    nbs/')] == text.splitlines()
    return [line.strip() for line in lines if line.startswith('    nbs/')]


@pytest.fixture
def failing(shop):
    shop('01_a.ipynb', ('markdown', 'x'), '#export\ndef f(x):\n    return 1/x')
    export()
    return shop


PLACE = ['nbs/01_a.ipynb, cell 2, line 3']


def test_a_traceback_of_python_gets_the_cell_under_each_line_of_ours(failing, capsys, monkeypatch):
    done = subprocess.run([sys.executable, '-c', 'from exp.nb_01 import f; f(0)'], capture_output=True, text=True)
    assert traced(failing, done.stderr, capsys, monkeypatch) == PLACE


@pytest.mark.parametrize('text', [
    '  File \x1b[35m"{path}"\x1b[0m, line \x1b[35m9\x1b[0m, in \x1b[35mf\x1b[0m\n    return \x1b[31m1\x1b[0m/x',           # Python 3.13
    '  | File "{path}", line 9, in f', 'File {path}:9, in f(x)\n      8 def f(x):\n----> 9     return 1/x',
    'File \x1b[32m{path}:9\x1b[39m, in \x1b[36mf\x1b[39m\x1b[34m(x)\x1b[39m', 'File ~/exp/nb_01.py:9, in f(x)', '  File {path}:9 in f\n    return 1/x',   # IPython
    'exp/nb_01.py:9: ZeroDivisionError', '{path}:9: in f', '\x1b[1m\x1b[31mexp/nb_01.py\x1b[0m:9: ZeroDivisionError'])     # pytest
def test_tracebacks_of_others_coloured_or_not_are_read(failing, capsys, monkeypatch, text):
    monkeypatch.setenv('HOME', str(failing.root)), monkeypatch.setenv('USERPROFILE', str(failing.root))
    assert traced(failing, text.format(path=failing.root/'exp'/'nb_01.py') + '\n', capsys, monkeypatch) == PLACE


def test_a_real_traceback_of_pytest_and_one_of_ipython_are_read(failing, capsys, monkeypatch):
    (failing.root/'test_x.py').write_text('from exp.nb_01 import f\ndef test_it(): f(0)\n')
    env = {**os.environ, 'PYTHONPATH': str(failing.root)}
    for command in ['pytest', '-q', '-p', 'no:cacheprovider', 'test_x.py'], ['pytest', '-q', '--tb=short', '--color=yes', 'test_x.py'], ['IPython', '--no-banner', '-c', 'exec(open("test_x.py").read()); test_it()']:
        done = subprocess.run([sys.executable, '-m', *command], capture_output=True, text=True, env=env)
        assert PLACE[0] in traced(failing, done.stdout + done.stderr, capsys, monkeypatch), done.stdout


def test_other_lines_and_other_files_get_no_place(failing, capsys, monkeypatch):
    text = '  File "/usr/lib/python3/site.py", line 9, in f\nFile exp/nb_09.py:9, in g\nexp/nb_01.py:2: in h\nsee nb_01.py: 9\n'
    assert traced(failing, text, capsys, monkeypatch) == []


@pytest.mark.skipif(os.name == 'nt', reason='Windows has other pipes')
@pytest.mark.parametrize('arguments', [['--diff'], ['--where', '-'], ['--check']])
def test_a_reader_who_goes_away_gets_no_traceback(shop, arguments):
    shop('01_a.ipynb', '#export\n' + 'a = 1\n' * 40_000)
    process = subprocess.Popen([sys.executable, str(SCRIPT), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    try: process.stdin.write(b'x\n' * 100_000), process.stdin.close()
    except BrokenPipeError: pass
    assert b'Traceback' not in process.stderr.read() and process.wait(60) == ('--check' in arguments)


@pytest.mark.skipif(os.name == 'nt', reason='Windows has other pipes')
@pytest.mark.parametrize('unbuffered', ['', '1'])
@pytest.mark.parametrize('arguments, redirect, status', [
    (['--check'], {'stdout'}, 1), (['--check'], {'stderr'}, 1), (['nowhere.ipynb'], {'stderr'}, 2), (['--chek'], {'stderr'}, 2), (['--check'], {'stdout', 'stderr'}, 1), (['--out=x'], {'stdout', 'stderr'}, 0),
    (['--help'], {'stdout'}, 0), (['--diff', '-q'], {'stdout'}, 0), (['--where', 'exp/nb_02.py:7'], {'stdout'}, 0)])
def test_the_exit_status_is_the_same_where_nobody_reads_what_is_said(shop, arguments, redirect, status, unbuffered):
    shop('02_a.ipynb', '#export\na = 1')
    export()
    shop('01_a.ipynb', '#export\na = mdl')
    reader, writer = os.pipe()
    os.close(reader)
    env = {**os.environ, 'PYTHONUNBUFFERED': unbuffered}
    streams = {name: writer if name in redirect else subprocess.PIPE for name in ('stdout', 'stderr')}
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], env=env, stdin=subprocess.DEVNULL, **streams)
    os.close(writer)
    assert done.returncode == status and b'BrokenPipe' not in (done.stderr or b'')


@pytest.mark.skipif(os.name == 'nt', reason='needs a shell that closes streams')
@pytest.mark.parametrize('closed, status', [('--check >&-', 1), ('--check 2>&-', 1), ('nowhere.ipynb 2>&-', 2), ('--where - <&-', 0), ('--help >&-', 0)])
def test_streams_that_are_closed_from_the_beginning_change_no_status(shop, closed, status):
    shop('01_a.ipynb', '#export\na = 1')
    done = subprocess.run(f'"{sys.executable}" "{SCRIPT}" {closed}', shell=True, capture_output=True, text=True)
    assert done.returncode == status and 'Traceback' not in done.stderr


def lines_until(process, text):
    for line in process.stdout:
        if text in line: return
    raise AssertionError(text)


@pytest.mark.skipif(os.name == 'nt', reason='needs an interrupt signal')
def test_watch_exports_each_save_survives_half_a_notebook_and_ends_on_ctrl_c(shop):
    shop('01_a.ipynb', '#export\na = 1')
    process = subprocess.Popen([sys.executable, '-u', str(SCRIPT), '--watch'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines_until(process, '1 module: 1 written')
        shop('01_a.ipynb', raw=nb('#export\na = 2')[:40])
        lines_until(process, 'not JSON, or cut off')
        shop('01_a.ipynb', '#export\na = 2')
        lines_until(process, '1 module: 1 written')
        assert 'a = 2' in shop.module()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally: process.kill()


def test_watch_says_once_that_a_notebook_is_missing_and_goes_on(shop, monkeypatch, capsys):
    naps = []
    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 5: shop('02_a.ipynb', '#export\na = 1')
        if len(naps) == 9: raise KeyboardInterrupt
    monkeypatch.setattr(time, 'sleep', sleep)
    assert main(['--watch', 'nbs/02_a.ipynb']) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == ['nbs/02_a.ipynb: no such notebook', 'nothing was written'] and out.count('1 written') == 1 and out.count(' nb_02.py') == 1


def test_a_terminal_without_utf8_gets_a_message_too(shop):
    shop('01_a.ipynb', '#export\n\u00e9 = = 1')
    done = script(env={**os.environ, 'PYTHONIOENCODING': 'ascii', 'PYTHONUTF8': '0'})
    assert done.returncode == 2 and 'Traceback' not in done.stderr and '\\xe9' in done.stderr


def test_an_option_that_does_not_exist_or_lacks_its_value_is_told_in_one_line(shop, capsys):
    shop('01_a.ipynb', '#export\na = 1')
    for wrong in ['--chek'], ['--out'], ['--check=1'], ['nbs', '-x']:
        assert main(wrong) == 2 and len(capsys.readouterr().err.splitlines()) == 1 and not (shop.root/'exp').exists()
    assert main(['--out=lib', '-q', 'nbs/01_a.ipynb', '--che']) == 1 and main(['nbs', '--out=', '-q']) == 0 and (shop.root/'exp').exists()


def test_help_lists_every_option(capsys):
    assert main(['--help']) == main(['-h']) == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ('--check', '--diff', '--up-to', '--watch', '--prune', '--force', '--where', '--out', '-q'))


def test_the_script_needs_only_the_standard_library_and_stands_alone(shop):
    copy = shop.root/'tools.py'
    copy.write_bytes(SCRIPT.read_bytes())
    shop('01_a.ipynb', '#export\na = 1')
    done = subprocess.run([sys.executable, '-I', '-S', str(copy)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith('1 module: 1 written')


@pytest.mark.parametrize('arguments', [['-q'], ['--help']])
def test_a_usual_run_loads_nothing_that_only_rare_ones_need(shop, arguments):
    for number in '12': shop(f'0{number}_a.ipynb', '#export\na = 1' if number == '1' else '#export\nfrom exp.nb_01 import a')
    export()
    code = f'import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\nimport notebook2script as n\ntry: n.main({arguments})\nfinally: print(*sys.modules)'
    done = subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True)
    rare = {'argparse', 'ast', 'dis', 'tomllib', 'hashlib', 'inspect', 'difflib', 'symtable', 'tokenize', 'shutil', 'tempfile', 'importlib.machinery'}
    loaded = set(done.stdout.splitlines()[-1].split())
    assert 'pathlib' in loaded and not rare & loaded


# ---- any notebook at all

code_cells = st.sampled_from(['a = 1', 'def f(x):\n    return x', 'import os', 'class A:\n\n    y = 2', '# only a comment', 's = """\n#export\n"""', 'é = "ü"', 'x = [\n 1,\n]'])
directives = st.sampled_from(['#export\n', '# export\n', '#| export \n', '\n#export\n', ''])
prose = st.text().filter(lambda text: '#' not in text and '<<' not in text)
cells = st.lists(st.tuples(st.just('code'), directives, code_cells) | st.tuples(st.just('markdown'), st.just(''), prose), max_size=6)
quick = settings(max_examples=int(os.environ.get('EXAMPLES', 10 if 'MUTANT' in os.environ else 60)), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


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
    if (shop.root/'exp'/'nb_02.py').exists(): compile((shop.root/'exp'/'nb_02.py').read_bytes(), 'nb_02.py', 'exec')
    (shop.root/'exp'/'nb_02.py').unlink(missing_ok=True)


@pytest.mark.skipif(os.name == 'nt', reason='Windows has no such terminals')
@pytest.mark.parametrize('plain', [False, True])
def test_a_terminal_sees_the_first_line_of_a_problem_in_red_unless_it_wants_no_colour(plain):
    here, there = os.openpty()
    env = {k: v for k, v in os.environ.items() if k != 'NO_COLOR'} | ({'NO_COLOR': '1'} if plain else {})
    subprocess.run([sys.executable, str(SCRIPT), 'nowhere.ipynb'], stderr=there, env=env)
    os.close(there)
    said = os.read(here, 1000).decode()
    assert said.startswith('nowhere.ipynb: no such' if plain else '\033[31mnowhere.ipynb: no such notebook\033[0m')

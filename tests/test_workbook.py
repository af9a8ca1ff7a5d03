"A lesson becomes a workbook: what is left out, what stays, what is folded, and what runs."
import ast, json, sys
import nbformat, pytest
import run_notebooks
from workbooks import BOX, CELLS, HALF, load, project


@pytest.fixture(scope='module')
def small(tmp_path_factory): return project(tmp_path_factory.mktemp('small'))


@pytest.fixture(scope='module')
def workbook(small): return load(small)


@pytest.fixture
def cells(workbook):
    "{id: cell} of the small workbook, in order."
    return {cell['id']: cell for cell in workbook.made(workbook.lesson('01'))['cells']}


def source(cell): return ''.join(cell['source'])


# ---- leaving out

def test_signature_decorators_and_docstring_stay_and_the_body_goes(workbook):
    left = workbook.emptied(BOX, {'Box.twice', 'Box.text'})
    assert '    def twice(self):\n        """Two\ntimes."""\n        raise NotImplementedError    # yours to write\n    @functools.lru_cache\n' in left
    assert '    def text(self):\n        raise NotImplementedError    # yours to write\n    @property\n    def number(self): return self.x\n' in left
    assert left.startswith('#export\nclass Box:\n    "Holds a number."\n    def __init__(self, x): self.x = x\n')


def test_a_body_beside_its_signature_goes_with_the_comment_behind_it(workbook):
    assert workbook.emptied('def f(x: "é", y=(1)): return x  # why\n\nz = 1', {'f'}) == 'def f(x: "é", y=(1)):\n    raise NotImplementedError    # yours to write\n\nz = 1'
    assert workbook.emptied('def f(x): "doc"; return x', {'f'}) == 'def f(x): "doc"\n    raise NotImplementedError    # yours to write' .replace('def f(x): "doc"', 'def f(x): "doc"')


def test_what_is_left_out_can_be_compiled_whatever_it_is_and_is_empty(workbook):
    text = workbook.module_text('nb_01')
    names = {hole.name for hole in workbook.holes('nb_01')}
    found = workbook.definitions(ast.parse(workbook.emptied(text, names)))
    assert names == {name for name, node in found.items() if workbook.is_hole(node)} == {'half', 'Box.__init__', 'Box.twice', 'Box.text'}


# ---- holes

def test_a_hole_knows_its_cell_and_its_lines_in_the_module(workbook):
    hole = next(hole for hole in workbook.holes('nb_01') if hole.name == 'Box.text')
    lines = workbook.module_text('nb_01').split('\n')[hole.first - 1:hole.last]
    assert hole.cell == 'cell-6' and lines[0].strip() == '@functools.lru_cache' and lines[-1].strip() == "return f'{self.x}'"


def test_each_level_has_the_holes_of_the_one_below_and_the_easiest_first(workbook):
    names = [[hole.name for hole in workbook.chosen('nb_01', level)] for level in (1, 2, 3)]
    assert names[0] == ['half', 'Box.__init__'] and names[1] == ['half', 'Box.__init__', 'Box.twice'] and set(names[2]) == {*names[1], 'Box.text'}


def test_a_class_that_is_named_stands_for_its_methods(workbook):
    assert [hole.name for hole in workbook.chosen('nb_01', 1, 'Box')] == ['Box.__init__', 'Box.twice', 'Box.text']
    assert [hole.name for hole in workbook.chosen('nb_01', 1, 'Box.text, half')] == ['half', 'Box.text']


@pytest.mark.parametrize('only, why', [('Box.unused', 'no test runs it'), ('Box.number', 'defined twice'), ('whole', 'no such name; these can be: half')])
def test_what_cannot_be_left_out_is_refused_with_the_reason(workbook, only, why):
    with pytest.raises(workbook.Unfit, match=f'{only} cannot be left out: .*{why}'): workbook.chosen('nb_01', 3, only)


def test_branches_make_a_hole_harder_than_lines_do(workbook):
    short, long = [workbook.effort(ast.parse(text).body[0]) for text in ('def f(x): return x if x else 0', 'def f(x):\n    y = x\n    return y')]
    assert short > long and short[1] == 1 and long[1] == 2


def test_blanks_between_names_are_no_names_and_a_part_of_a_number_is_none(workbook):
    assert [hole.name for hole in workbook.chosen('nb_01', 1, 'half, ,')] == ['half']
    for number in '0', '01_s':
        with pytest.raises(workbook.Unfit, match='no such lesson'): workbook.lesson(number)


def test_a_body_is_known_under_other_names_those_of_arguments_too_and_code_in_any_form_of_an_output(workbook):
    one, two, other = [workbook.shape(ast.parse(f'def f({x}): return (lambda {x}: {x} + {k})({x})').body[0]) for x, k in (('x', 1), ('y', 1), ('x', 2))]
    assert one == two != other
    assert workbook.shows({'text/plain': 'nothing', 'text/html': 'a line of code'}, ['line of']) and not workbook.shows({'image/png': 'line of'}, ['line of'])


# ---- the notebook

def test_below_each_cell_with_holes_stands_its_check_and_the_metadata_name_both(workbook, cells):
    assert cells['cell-3']['metadata'] == {'exp': {'holes': ['half']}} and cells['cell-6']['metadata']['exp']['holes'] == ['Box.__init__', 'Box.twice', 'Box.text']
    order = list(cells)
    below = [cells[order[order.index(id) + 1]] for id in ('cell-3', 'cell-6')]
    assert [source(cell) for cell in below] == ["workbook.check('half')", "workbook.check('Box.__init__', 'Box.twice', 'Box.text')"]
    assert workbook.made(workbook.lesson('01'), 1)['metadata']['exp'] == {'workbook': '01_small', 'module': 'nb_01', 'level': 1, 'holes': ['half', 'Box.__init__']}


def test_the_start_stands_below_the_title_and_everything_is_a_valid_notebook_that_is_the_same_each_time(workbook, cells):
    notebook = workbook.made(workbook.lesson('01'), 2, 'half')
    nbformat.validate(nbformat.from_dict(notebook))
    assert list(cells)[0] == 'cell-0' and "workbook = Workbook('01_small', level=2, only='half')" in source(notebook['cells'][2])
    assert notebook == workbook.made(workbook.lesson('01'), 2, 'half') and len(cells) == len(CELLS) + 4


def test_a_cell_with_the_same_body_is_folded_and_a_naive_one_stays(cells):
    assert cells['cell-4']['metadata'] == {'jupyter': {'source_hidden': True}} and cells['cell-5']['metadata'] == {}
    assert source(cells['cell-4']) == 'def halve(number): return number / 2'


def test_a_cell_that_shows_the_source_is_left_out_and_an_output_that_shows_it_too(cells):
    assert 'cell-8' not in cells and any('shows the source of `half`' in source(cell) for cell in cells.values())
    assert cells['cell-9']['outputs'] == [] and cells['cell-5']['outputs'] != []


def test_the_answers_are_left_out_and_links_lead_to_the_lessons(cells):
    assert source(cells['cell-10']) == '## Exercises\nThe answers to the exercises stand folded at the end of the lesson, `nbs/01_small.ipynb`.\n\n## Reading'
    assert '[the next](../nbs/02_next.ipynb)' in source(cells['cell-0'])


def test_nothing_of_a_body_is_left_in_the_file(workbook, tmp_path):
    there, many = workbook.write(workbook.lesson('01'), tmp_path/'deep'/'er', False, only='Box')
    assert many == 3 and there == tmp_path/'deep'/'er'/'01_small.ipynb' and 'both' not in there.read_text() and "'none'" not in there.read_text()


# ---- the command line

def test_a_workbook_that_is_there_is_not_written_over_unless_asked(workbook, tmp_path, capsys):
    assert workbook.main(['01', '--out', str(tmp_path)]) == 0 and '01_small.ipynb: 4 holes' in capsys.readouterr().out
    (tmp_path/'01_small.ipynb').write_text('mine')
    assert workbook.main(['1', '--out', str(tmp_path)]) == 2 and workbook.main(['01', '--out', str(tmp_path)]) == 2
    assert 'is there already' in capsys.readouterr().err and (tmp_path/'01_small.ipynb').read_text() == 'mine'
    assert workbook.main(['01', '--out', str(tmp_path), '--force', '--only', 'half']) == 0 and 'ipynb: 1 hole\n' in capsys.readouterr().out


@pytest.mark.parametrize('number, why', [('02', '02_next exports nothing'), ('77', 'no such lesson')])
def test_a_lesson_without_exports_and_one_that_is_not_there_are_refused(workbook, tmp_path, capsys, number, why):
    assert workbook.main([number, '--out', str(tmp_path/'no')]) == 2 and why in capsys.readouterr().err and not (tmp_path/'no').exists()


def test_a_lesson_without_tests_is_refused(workbook, monkeypatch):
    monkeypatch.setitem(workbook.table.__globals__, 'tables', dict)
    with pytest.raises(workbook.Unfit, match='nb_01: tests/mutants/table.json knows no tests of it'): workbook.made(workbook.lesson('01'))


def test_grading_is_handed_over(workbook, monkeypatch):
    monkeypatch.setitem(sys.modules, 'workbook_grade', type(sys)('workbook_grade'))
    sys.modules['workbook_grade'].main = lambda argv: argv
    assert workbook.main(['--grade=there', '--jobs', '2']) == ['--grade=there', '--jobs', '2']


# ---- in the reader's notebook

class Shell:
    "What a workbook needs of IPython."
    def __init__(self): self.user_ns, self.ast_transformers = {'In': ['']}, []

    def run(self, text):
        self.user_ns['In'].append(text)
        tree = ast.parse(text)
        for transformer in self.ast_transformers: tree = transformer.visit(tree)
        exec(compile(tree, 'cell', 'exec'), self.user_ns)


@pytest.fixture
def shell(workbook, monkeypatch):
    "A shell in which the workbook has been started."
    made = Shell()
    monkeypatch.setitem(workbook.Workbook.__init__.__globals__, 'shell', lambda: made)
    made.workbook, made.started = workbook.Workbook('01_small'), lambda **which: workbook.Workbook('01_small', **which)
    return made


def test_where_nothing_is_written_the_librarys_version_steps_in_and_what_is_written_stays(workbook, shell):
    shell.run('import functools')
    shell.run(workbook.emptied(BOX, {'Box.__init__', 'Box.twice', 'Box.text'}).replace('        """Two\ntimes."""\n        raise NotImplementedError    # yours to write', '        return 100'))
    shell.run('def half(x):\n    "Half of `x`."\n    ...')
    box = shell.user_ns['Box'](3)
    assert (box.x, box.twice(), box.text(), box.unused()) == (3, 100, '3', 'nobody asks')
    assert shell.user_ns['half'](3) == 1.5 and shell.user_ns['half'].__doc__ == 'Half of `x`.'


def test_only_the_holes_of_this_workbook_are_stepped_into_and_once(workbook, shell):
    shell.started(only='Box')
    assert len(shell.ast_transformers) == 1
    shell.run('def half(x): pass')
    assert shell.user_ns['half'](3) is None


def test_a_check_speaks_of_what_was_run_last_and_the_progress_follows(shell, capsys):
    shell.run(HALF.replace('x / 2', 'x // 2'))
    shell.run(HALF)
    shell.workbook.check('half', 'Box.text', 'nothing')
    said = capsys.readouterr().out
    assert 'half: right. 4 tests passed.\n' in said and 'Box.text: run the cell that defines it first\n' in said and 'nothing is no hole' in said
    assert shell.workbook.progress() == '**1 of 4 right.** Not yet: `Box.__init__`, `Box.twice`, `Box.text`'


def test_a_cell_that_is_broken_now_is_not_taken_for_what_it_was(shell, capsys):
    shell.run(HALF)
    shell.user_ns['In'].append('def half(x):\n    return (x')
    shell.workbook.check('half')
    assert "half does not parse: '(' was never closed, in `return (x`" in capsys.readouterr().out
    shell.run('def half(x): pass')
    shell.workbook.check('half')
    assert "half is still empty, and the library's version stands in" in capsys.readouterr().out


def test_a_class_stands_for_its_methods_and_no_name_for_all_that_has_been_begun(shell, capsys):
    shell.workbook.check()
    assert 'Nothing has been written yet' in capsys.readouterr().out
    shell.run('import functools\n' + BOX)
    shell.workbook.check('Box')
    said = capsys.readouterr().out
    assert [line.split(':')[0] for line in said.splitlines() if line.startswith('Box.')] == ['Box.__init__', 'Box.twice', 'Box.text']
    shell.run('def half(x): pass')
    shell.workbook.check()
    said = capsys.readouterr().out
    assert said.count('Box.') == 3 and 'half' not in said
    shell.run(HALF)
    shell.workbook.check()
    assert 'half: right' in capsys.readouterr().out


def test_the_first_check_says_that_it_takes_longer_and_the_progress_is_shown_once_for_all_of_them(shell, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(shell.workbook, 'show', lambda: shown.append(1))
    shell.run('import functools\n' + BOX + '\n' + HALF)
    shell.workbook.check('half', 'Box.text', 'Box.twice')
    said = capsys.readouterr().out
    assert said.startswith('The first check') and said.count('The first check') == 1 and shown == [1]
    shell.workbook.check('half')
    assert 'The first check' not in capsys.readouterr().out


def test_a_check_is_made_again_only_when_something_has_changed(workbook, shell, monkeypatch, capsys):
    seen = []
    monkeypatch.setitem(workbook.Workbook.check.__globals__, 'check', lambda *asked: seen.append(asked) or workbook.Result(True))
    for text in BOX, BOX, BOX.replace('both', 'two'), BOX.replace('both', 'two').replace('self.x = x\n    def', 'self.x = +x\n    def'):
        shell.run('import functools\n' + text)
        shell.workbook.check('Box.twice')
    assert [asked[1] for asked in seen] == ['Box.twice'] * 3 and set(seen[0][3]) == {'Box.__init__', 'Box.text'}


def test_methods_that_are_still_empty_are_not_put_beside_an_answer_and_a_wrong_one_is_not_counted(workbook, shell, monkeypatch, capsys):
    seen = []
    monkeypatch.setitem(workbook.Workbook.check.__globals__, 'check', lambda *asked: seen.append(asked) or workbook.Result(False))
    shell.run('import functools\n' + workbook.emptied(BOX, {'Box.text'}))
    shell.workbook.check('Box.twice')
    assert set(seen[0][3]) == {'Box.__init__'} and shell.workbook.progress().startswith('**0 of 4 right.**')


def test_a_workbook_runs_in_jupyter_as_it_stands(workbook, small):
    there, _ = workbook.write(workbook.lesson('01'), small/'workbooks', True)
    notebook = json.loads(there.read_text())
    for cell in notebook['cells']:
        if cell['id'] == 'cell-3': cell['source'] = [HALF]
    there.write_text(json.dumps(notebook))
    run = {cell.id: str(cell.get('outputs')) for cell in run_notebooks.execute(there).cells}
    assert '**1 of 4 right.**' in list(run.values())[2] and "'4'" in run['cell-7']

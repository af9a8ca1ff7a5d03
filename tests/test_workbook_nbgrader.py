"A lesson as an assignment of nbgrader: what is cut out is the solution, and each hole has its points."
import ast, json, re
import pytest
import workbook, workbook_nbgrader
from readers import project
from workbook_grade import main
from workbook_nbgrader import assignment, marked


def cells(notebook, **wanted):
    "The cells whose metadata of nbgrader hold this."
    return [cell for cell in notebook['cells'] if 'nbgrader' in cell['metadata'] and wanted.items() <= cell['metadata']['nbgrader'].items()]


def cut(text):
    "What nbgrader leaves for the readers."
    return re.sub(r'(?ms)^( *)### BEGIN SOLUTION.*?### END SOLUTION', r'\1# YOUR CODE HERE\n\1raise NotImplementedError()', text)


def test_each_hole_has_one_solution_and_one_graded_cell_below_it_with_points(project):
    notebook = assignment(workbook.lesson('01'))
    marks = [cell['metadata']['nbgrader'] for cell in cells(notebook)]
    assert [mark['grade_id'] for mark in marks if mark['grade']] == ['test-double', 'test-area', 'test-Counter-__init__', 'test-Counter-up']
    assert [mark['points'] for mark in marks if mark['grade']] == [hole.level for hole in workbook.holes('nb_01')] and len({mark['grade_id'] for mark in marks}) == len(marks) == 7
    assert [(mark['solution'], mark['locked']) for mark in marks] == [(True, False), (False, True)] * 2 + [(True, False)] + [(False, True)] * 2
    assert all(mark['schema_version'] == 3 and re.fullmatch(r'[\w-]+', mark['grade_id']) for mark in marks)


def test_with_its_solutions_it_is_the_lesson_and_without_them_the_workbook(project):
    for cell in cells(assignment(workbook.lesson('01')), solution=True):
        text, names = ''.join(cell['source']), cell['metadata']['exp']['holes']
        whole, empty = (dict(workbook.every_definition(ast.parse(part))) for part in (text, cut(text)))
        kept = dict(workbook.every_definition(ast.parse(workbook.module_text('nb_01'))))
        assert names and all(ast.dump(whole[name]) == ast.dump(kept[name]) and workbook.body(empty[name])[0].exc.func.id == 'NotImplementedError' for name in names)


@pytest.mark.parametrize('text', ['def f(x): return x', 'def f(x):\n    "Doc."\n    # why\n    if x:\n        return 1\n    return """a\nb"""',
                                  'class A:\n    @property\n    def f(self): return self.x\n    def g(self):\n        @staticmethod\n        def h(): return 1\n        return h', '#export\ndef f(x):\n    return "ä", x'])
def test_a_body_stands_between_the_marks_however_it_is_written(text):
    names = [name for name, _ in workbook.every_definition(ast.parse(text))]
    made = marked(text, names)
    assert ast.dump(ast.parse(made)) == ast.dump(ast.parse(text)) and made.count('### BEGIN SOLUTION') == made.count('### END SOLUTION') == len(names)
    assert all(word not in cut(made) for word in ('return', '"ä"', 'why'))


def test_the_command_writes_where_nbgrader_looks_and_writes_over_nothing(project, tmp_path, capsys):
    command = ['01', '--format', 'nbgrader', '--out', str(tmp_path)]
    assert main(command) == 0 and json.loads((tmp_path/'01_small'/'01_small.ipynb').read_text())['nbformat'] == 4
    assert main(command) == 2 and main([*command, '--force']) == 0 and 'there already' in capsys.readouterr().err


def test_nbgrader_itself_finds_nothing_wrong(project, tmp_path):
    preprocessors = pytest.importorskip('nbgrader.preprocessors')
    import nbformat
    notebook = nbformat.reads(json.dumps(assignment(workbook.lesson('01'))), as_version=4)
    for kind in 'LockCells', 'ClearSolutions', 'CheckCellMetadata', 'ComputeChecksums':
        notebook, _ = getattr(preprocessors, kind)().preprocess(notebook, {})
    assert 'twice-7351' not in json.dumps(notebook) and len(cells(notebook, grade=True)) == 4

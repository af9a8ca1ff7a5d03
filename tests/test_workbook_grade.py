"Graded workbooks: what is right is right, what is wrong is told why; a folder of them becomes two tables and a page."
import json, re
from pathlib import Path
import pytest
import workbook_grade, workbook_house
from readers import ALL, ANSWERS, filled, folder, grader, project, rows, walled
from wordings import BAD, GOOD, IDS as ROOTS, PLACE, ROOT_OF, TESTS as ROOT_TESTS
from workbook_grade import EMPTY, OPEN, RIGHT, WRONG, Refused, main


# ---- verdicts

@walled
@pytest.mark.parametrize('name, source, verdict, why', [
    ('double', ANSWERS['double'], RIGHT, ''), ('Counter.up', ANSWERS['Counter.up'], RIGHT, ''),
    ('double', 'def double(x): return x + 1', WRONG, '“one more, for twice as much”'), ('area', 'def area(r): return 0', WRONG, '“the circumference will do”'),
    ('double', 'def double(x):\n    "Twice x."\n    raise NotImplementedError', EMPTY, ''), ('double', '', EMPTY, 'is not in the workbook'),
    ('double', 'def double(x) return', WRONG, "does not parse: expected ':'"), ('double', 'def twice(x): return 2*x', WRONG, 'is not defined here'),
    ('double', 'def double(x): return ' + '('*500 + 'x' + ')'*500, WRONG, 'does not parse'), ('double', 'def double(x): return "\ud800"', WRONG, ''),
    ('double', 'def double(x=nowhere): return 2*x', WRONG, "the module cannot be loaded with it: NameError: name 'nowhere' is not defined"),
    ('double', 'def double(x): return 2*x' + ' '*20_000, OPEN, 'has 20025 letters'), ('double', 'def double(x): return open("/etc/passwd")', OPEN, 'uses what no answer needs: open')])
def test_an_answer_is_right_wrong_and_why_empty_or_for_a_human(grader, name, source, verdict, why):
    got, said, _ = grader.grade(name, source)
    assert got == verdict and said.startswith(why), (got, said)


@walled
def test_a_wrong_answer_shows_the_line_that_failed_first(grader):
    assert grader.grade('double', 'def double(x): return x*x')[2].startswith('twice three is six: ') and 'assert double(3) == 6' in grader.grade('double', 'def double(x): return x*x')[2]


@walled
def test_methods_that_are_right_together_are_right_and_those_that_are_wrong_together_are_not(grader):
    start, up = '    def __init__(self, start): self.m = start', '    def up(self):\n        self.m += 1\n        return self.m'
    assert grader.grade('Counter.up', up)[0] == WRONG and grader.grade('Counter.up', up, {'Counter.__init__': start})[0] == RIGHT
    for other in 'def __init__(self, start): self.m = 7', 'def __init__(self, start) self.m = start': assert grader.grade('Counter.up', up, {'Counter.__init__': f'    {other}'})[0] == WRONG


@walled
def test_an_error_in_its_own_words_is_said_beside_right(grader, monkeypatch):
    monkeypatch.setitem(grader.tests, 'double', ROOTS)
    run = grader.house.run
    monkeypatch.setattr(grader.house, 'run', lambda files, *rest, **more: run({**files, PLACE: ROOT_TESTS.replace('import root', 'import double as root')}, *rest, **more))
    def grade(line): return grader.grade('double', ROOT_OF.replace('root', 'double').format(line))[:2]
    assert grade(GOOD[0]) == (RIGHT, 'an error in its own words') and grade("if x < 0: raise ValueError('root: -4 is negative')") == (RIGHT, '') and grade(BAD['spaces'])[0] == WRONG


# ---- a folder

@walled
def test_a_folder_becomes_two_tables_and_a_page_that_stands_alone(folder, capsys):
    place = folder({'01_small_ada.ipynb': filled(**ALL), 'bob/01_small.ipynb': filled(double='def double(x): return x + 1'), 'x.ipynb': filled('=Eve <script>', area='def area(r): return 1'),
                    'notes.ipynb': '{"cells": []}', 'torn.ipynb': '{"cells'})
    assert main(['--grade', str(place), '--limit', '2', '--jobs', '2']) == 0
    table = {row['reader']: row for row in rows(place/'grades'/'grades.csv')}
    assert {name: (row['right'], row['wrong'], row['empty']) for name, row in table.items() if not row['problem']} == {'ada': ('4', '0', '0'), 'bob': ('0', '1', '3'), "'=Eve <script>": ('0', '1', '3')}
    assert table['notes']['problem'] == 'is no workbook' and table['torn']['problem'].startswith('cannot be read')
    assert [row['why'] for row in rows(place/'grades'/'answers.csv') if row['reader'] == 'bob'][0] == '“one more, for twice as much”'
    page = (place/'grades'/'grades.html').read_text()
    assert '<script>' not in page.split('<body')[1].split('<main')[1].split('</main>')[0] and '&lt;script&gt;' in page and not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert 'the circumference will do' in page and 'no filter of system calls' in page.lower() and '5 workbooks: 4 right, 2 wrong, 6 empty' in capsys.readouterr().out


@walled
def test_the_same_text_is_graded_once_and_a_grading_that_broke_off_goes_on(folder, monkeypatch):
    place, calls, real = folder({f'{name}.ipynb': filled(double=f'def double(x): return x + {1 + (name == "c")}  # {name}') for name in 'abc'}), [], workbook_house.House.run
    def counted(house, files, tests, *rest, **more):
        if 'tests/test_walls.py' not in files: calls.append(tests)
        if len(calls) == stop: raise Refused('broken off')
        return real(house, files, tests, *rest, **more)
    monkeypatch.setattr(workbook_house.House, 'run', counted)
    stop = 3
    assert main(['--grade', str(place), '--jobs', '1']) == 2 and not (place/'grades'/'grades.csv').exists() and len(calls) == 3
    stop = None
    assert main(['--grade', str(place), '--jobs', '1']) == 0 and len(calls) == 4 and len(rows(place/'grades'/'grades.csv')) == 3
    first = (place/'grades'/'answers.csv').read_bytes()
    assert main(['--grade', str(place)]) == 0 and len(calls) == 4 and (place/'grades'/'answers.csv').read_bytes() == first
    assert main(['--grade', str(place), '--again', '--jobs', '1']) == 0 and len(calls) == 7 and (place/'grades'/'answers.csv').read_bytes() == first


def test_readers_are_named_by_metadata_file_or_folder_and_two_of_one_name_told_apart(folder):
    place = folder({'01_small_ada.ipynb': filled(), 'bob/01_small.ipynb': filled(), 'c.ipynb': filled('Cleo'), 'd/01_small-ada.ipynb': filled(), '.ipynb_checkpoints/e.ipynb': filled()})
    (place/'link.ipynb').symlink_to(place/'c.ipynb')
    found = [workbook_grade.read(path, place) for path in workbook_grade.collect(place)]
    workbook_grade.apart(found)
    assert [one.reader for one in found] == ['ada (01_small_ada.ipynb)', 'bob', 'Cleo', 'ada (d/01_small-ada.ipynb)']


@pytest.mark.parametrize('text', ['[' * 100_000, '{"metadata": {"exp": {"workbook": "01_small", "module": "../x", "holes": []}}, "cells": []}', '\x00', '{"metadata": 7}',
                                  '{"metadata": {"exp": {"workbook": "02_other", "module": "nb_01", "holes": []}}, "cells": []}',
                                  '{"metadata": {"exp": {"workbook": "01_small", "module": "nb_01", "holes": ["double"]}}, "cells": [{"metadata": {"exp": {"holes": 7}}, "source": 7}]}'])
def test_a_file_that_is_no_workbook_is_told_and_stops_nothing(folder, text):
    place = folder({'a.ipynb': text})
    assert workbook_grade.read(place/'a.ipynb', place).problem


def test_holes_that_the_lesson_does_not_have_are_not_graded(folder):
    place = folder({'a.ipynb': filled(**ALL).replace('"Counter.up"]', '"Counter.up", "unheard_of"]')})
    assert [*workbook_grade.read(place/'a.ipynb', place).answers] == [*ANSWERS]


def test_a_hole_that_one_reader_has_lost_counts_for_him_as_for_the_others(folder):
    lost = json.loads(filled(**ALL))
    lost['metadata']['exp']['holes'].remove('double')
    gone = json.loads(filled(**ALL))
    gone['cells'] = [cell for cell in gone['cells'] if cell['metadata'].get('exp', {}).get('holes') != ['double']]
    place = folder({'a.ipynb': json.dumps(lost), 'b.ipynb': filled(**ALL), 'c.ipynb': '{}', 'd.ipynb': json.dumps(gone)})
    found = [workbook_grade.read(path, place) for path in workbook_grade.collect(place)]
    workbook_grade.even(found)
    assert found[0].answers == {**found[1].answers, 'double': ''} == found[3].answers and not found[2].answers and not found[3].problem


def test_a_room_gets_the_files_that_the_tests_need_and_never_the_solution(project):
    assert sorted(workbook_grade.Module('nb_01').files) == ['exp/__init__.py', 'tests/conftest.py', 'tests/test_nb_01.py']


@pytest.mark.parametrize('trust', [False, True])
def test_the_page_says_so_where_there_were_no_walls(folder, monkeypatch, trust):
    place = folder({'a.ipynb': filled()})
    monkeypatch.setattr(workbook_grade, 'grade_all', lambda *args: [])
    assert main(['--grade', str(place), *['--trust'] * trust]) == 0
    assert ('Graded without walls' in (place/'grades'/'grades.html').read_text()) == trust


@walled
def test_what_was_kept_and_is_torn_is_graded_again(grader):
    assert grader.grade('double', 'def double(x): return x + 2')[0] == WRONG
    for path in grader.kept.glob('*.json'): path.write_text(path.read_text()[:9])
    assert grader.grade('double', 'def double(x): return x + 2')[0] == WRONG


def test_what_many_got_wrong_in_the_same_way_comes_first():
    def one(reader, *verdicts): return workbook_grade.Submission(reader, '', verdicts=dict(zip('fgh', verdicts)))
    wrong, other, right = (WRONG, 'a sum for a mean', 'x'), (WRONG, '', 'it fails'), (RIGHT, '', '')
    found = workbook_grade.mistakes([one('b', wrong, other, right), one('a', wrong, right, (OPEN, 'os', ''))])
    assert found == [(2, 'f', 'a sum for a mean', ['a', 'b']), (1, 'g', 'fails first: it fails', ['b'])]


def test_a_folder_without_workbooks_is_refused(tmp_path, capsys):
    assert main(['--grade', str(tmp_path)]) == main(['--grade', str(tmp_path/'gone')]) == 2
    assert 'no workbook in it' in (said := capsys.readouterr().err) and 'no such folder' in said

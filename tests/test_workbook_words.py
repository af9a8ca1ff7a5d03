"An error in other words is as good, if it is the answer's own and of the wanted kind."
import re
import pytest
from workbook_words import OwnWords
from wordings import BAD, GOOD, LESSON, OTHER, ROOT_OF, found


@pytest.fixture
def ask(monkeypatch, tmp_path):
    "What becomes of `with pytest.raises(...)` around the answer: it passes, and how many errors were in its own words."
    def ask(text, lines, wanted=dict(match='root: -4 is negative')):
        path, names = tmp_path/'nb_01.py', {}
        exec(compile(text, str(path), 'exec'), names)
        words = OwnWords(path, text, lines)
        with monkeypatch.context() as patch:
            patch.setattr(pytest, 'raises', pytest.raises)                # put back, whatever stands there in between
            words.stand_in()
            try:
                with pytest.raises(ValueError, **wanted): names['root'](-4)
            except (AssertionError, TypeError, NotImplementedError, pytest.fail.Exception): return False, words.heard
        return True, words.heard
    return ask


@pytest.mark.parametrize('line', GOOD)
def test_an_error_of_the_answers_own_may_say_what_it_likes(ask, line): assert found(line, ask) == (True, 1)


@pytest.mark.parametrize('line', [line for name, line in BAD.items() if name != 'a root that is wrong'])
def test_an_error_that_is_not_its_own_or_says_nothing_is_wanted_in_the_words_of_the_test(ask, line): assert found(line, ask) == (False, 0)


def test_in_the_words_of_the_test_it_is_no_other_and_where_no_words_are_wanted_none_are_other(ask):
    assert found("if x < 0: raise ValueError('root: -4 is negative')", ask) == (True, 1 - 1)
    assert ask(ROOT_OF.format(GOOD[0]), (1, 3), {}) == (True, 0) and ask(ROOT_OF.format(GOOD[0]), (0, 0)) == (False, 0)
    assert ask(LESSON + ROOT_OF.format(GOOD[0]), (1, 4)) == (False, 0) and ask(ROOT_OF.format(GOOD[0]) + OTHER + 'pass', (2, 99)) == (True, 1)


def test_a_file_of_another_name_has_other_lines(tmp_path):
    words = OwnWords(tmp_path/'nb_01.py', LESSON, (1, 4))
    def raised(path):
        names = {}
        exec(compile(LESSON, str(path), 'exec'), names)
        try: names['root'](-1)
        except ValueError as error: return error
    for lines in (1, 2), (4, 9): assert not OwnWords(tmp_path/'nb_01.py', LESSON, lines).own(raised(tmp_path/'nb_01.py'))      # it is raised in line 3
    assert words.own(raised(tmp_path/'nb_01.py')) and not words.own(raised(tmp_path/'nb_02.py')) and not words.own(ValueError('never raised'))


def test_what_is_not_yet_written_has_no_words_of_its_own(tmp_path):
    for kind, own in ('RuntimeError', True), ('NotImplementedError', False):
        text, names = LESSON.replace('ValueError', kind), {}
        exec(compile(text, str(tmp_path/'nb_01.py'), 'exec'), names)
        with pytest.raises(RuntimeError) as e: names['root'](-1)
        assert OwnWords(tmp_path/'nb_01.py', text, (1, 4)).own(e.value) is own


def test_pytests_own_ways_to_ask_for_an_error_stay(monkeypatch):
    monkeypatch.setattr(pytest, 'raises', pytest.raises)
    OwnWords('x', LESSON, (0, 0)).stand_in()
    assert pytest.raises(ValueError, int, 'no').type is ValueError
    with pytest.raises((ValueError, TypeError), match=re.compile('invalid')) as e: int('no')
    assert e.type is ValueError
    with pytest.raises(check=lambda error: isinstance(error, KeyError)): {}['x']
    with pytest.raises(AssertionError, match='wanted'):
        with pytest.raises(ValueError, match='other'): raise ValueError('wanted')

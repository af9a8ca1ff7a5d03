"Answers to one small definition that raise errors, and tests that want an error in certain words: for the tests of the workbooks."
LESSON = '''def root(x):
    """The square root of a number."""
    if x < 0: raise ValueError(f'root: {x} is negative')
    return x ** .5
'''
TESTS = '''import pytest
from exp.nb_01 import root
def test_of_nine(): assert root(9) == 3
def test_of_less_than_nothing():
    with pytest.raises(ValueError, match='root: -4 is negative'): root(-4)
def test_what_came_is_kept():
    with pytest.raises(ValueError, match='negative') as e: root(-4)
    assert isinstance(e.value, ValueError)
    assert root(4) == 2
def test_of_one(): assert root(1) == 1
'''
PLACE = 'tests/nb_01/test_root.py'
IDS = [f'{PLACE}::test_{name}' for name in ('of_nine', 'of_less_than_nothing', 'what_came_is_kept', 'of_one')]
ROOT_OF = 'def root(x):\n    {}\n    return x ** .5\n'
CAUSE = "if x < 0:\n        try: raise ValueError('no')\n        except ValueError as e: other(e)"      # as a lesson's Learner does with an error of a callback
GOOD = ["if x < 0: raise ValueError('there is none')", "if x < 0:\n        raise ValueError(\n            f'no {x}')", "if x < 0: raise type('Mine', (ValueError,), {})('no')",
        "try: assert x >= 0\n    except AssertionError as e: raise ValueError('no') from e", CAUSE]
BAD = {'another kind': "if x < 0: raise TypeError('there is none')", 'nothing': 'x = abs(x)', 'no words': 'if x < 0: raise ValueError', 'spaces': "if x < 0: raise ValueError('  ')",
       "Python's words": 'if x < 0: int("no")', "another function's": 'if x < 0: other()', 'not yet written': "if x < 0: raise NotImplementedError('no')", 'a root that is wrong': "if x < 0: raise ValueError('no')\n    x = x + (x == 4)"}
OTHER = "\n\ndef other(cause=None): raise ValueError('no') from cause\n"


def found(line, ask):
    "Which of the tests pass with `line` in the answer, and which met an error in its own words; `ask` gets a text and the answer's lines, of which `OTHER` is none."
    source = ROOT_OF.format(line)
    return ask(source + OTHER, (1, source.count('\n')))

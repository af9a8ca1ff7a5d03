import numpy as np, pytest, torch
from torch import tensor
from exp.nb_00 import agrees, attempt, check_answer, describe, expected, in_kind, same, test, test_eq


@pytest.mark.parametrize('a, b', [(1, 1), ('a', 'a'), ([1, 2], (1, 2)), (tensor([1, 2]), tensor([1, 2])), (np.ones(3), np.ones(3)),
                                  ([tensor([1.]), 2], [tensor([1.]), 2]), (torch.zeros(0), torch.zeros(0)), ([], ())])
def test_equal_things_are_the_same(a, b): assert same(a, b) is True


@pytest.mark.parametrize('a, b', [(1, 2), ([1, 2], [1, 2, 3]), (tensor([1, 2]), tensor([1, 3])), (float('nan'), float('nan')),
                                  ([1, 2], tensor([1, 2])), (torch.zeros(3, 1), torch.zeros(3)), (torch.zeros(3), torch.zeros(1)), (tensor(1.), tensor([1.])),
                                  (tensor([float('nan')]), tensor([float('nan')])), ([tensor([1, 2])], [tensor([1, 3])])])
def test_another_value_or_shape_is_not_the_same(a, b): assert same(a, b) is False


def test_a_failed_test_shows_both_values_and_both_shapes():
    with pytest.raises(AssertionError) as e: test_eq(torch.zeros(3, 1), torch.ones(3))
    assert '(3, 1)' in str(e.value) and '(3,)' in str(e.value) and 'tensor([1., 1., 1.])' in str(e.value)


def test_a_failed_test_is_named_after_its_comparison_or_as_asked():
    def longer(a, b): return len(a) > len(b)
    test('abc', 'ab', longer)
    with pytest.raises(AssertionError, match='^longer:'): test('ab', 'abc', longer)
    with pytest.raises(AssertionError, match='^words:'): test('ab', 'abc', longer, name='words')


def test_equal_values_pass_though_they_are_not_the_same_object():
    test_eq(tensor([1, 2]), tensor([1, 2]))
    test_eq([1, (2, 3)], [1, (2, 3)])


@pytest.mark.parametrize('verdict', [False, None, 0, tensor(False)])
def test_anything_but_a_true_verdict_fails(verdict):
    with pytest.raises(AssertionError): test(1, 1, lambda got, want: verdict)


def test_the_first_value_is_what_came_and_the_second_what_was_wanted():
    with pytest.raises(AssertionError, match="got  1\n  want 2"): test_eq(1, 2)


def test_descriptions_put_a_shape_in_front_where_there_is_one():
    assert describe(tensor([[1, 2]])) == '(1, 2) tensor([[1, 2]])'
    assert describe('x') == "'x'"


# ---- answers to exercises

def told(capsys, *args, **kw):
    "What check_answer prints, without the end of its line."
    check_answer(*args, **kw)
    return capsys.readouterr().out.removesuffix('\n')


@pytest.mark.parametrize('got, says', [(..., 'not answered yet: put your own in the place of the dots'), (3, 'right'), (6, 'not yet: a sum'),
                                       (7, 'not yet: it is none of the mistakes that we foresaw'), ('3', 'not yet: its type is str, wanted int')])
def test_an_answer_is_judged_and_its_likely_cause_named(got, says, capsys):
    assert told(capsys, got, 3, [(5, 'a product'), (6, 'a sum')]) == says


def test_what_was_wanted_is_shown_to_those_who_ask(capsys):
    assert '31' not in told(capsys, 7, 31)
    expected()
    assert capsys.readouterr().out == '31\n'
    check_answer(abs, lambda x: -x, cases=[(1,), (2,)]), capsys.readouterr(), expected()
    assert capsys.readouterr().out == '[-1, -2]\n'
    check_answer(1, check=lambda x: None), capsys.readouterr(), expected()
    assert capsys.readouterr().out == 'there is more than one right answer\n'


def test_a_function_is_called_with_nothing_or_with_each_case(capsys):
    def double(x): return 2 * x
    causes = [(lambda x: x**2, 'a square'), (lambda x: x + 2, 'a sum'), (lambda x: 1/0, 'never')]
    assert told(capsys, lambda: 3, 3) == told(capsys, double, double, causes, cases=[(2,), (3,)]) == 'right'
    assert told(capsys, lambda x: x**2, double, causes, cases=[(2,), (3,)]) == 'not yet: a square (for (3,) it gives 9)'
    assert told(capsys, lambda x: x + 2, double, causes, cases=[(2,), (3,)]) == 'not yet: a sum (for (3,) it gives 5)'
    assert told(capsys, lambda x: [x], double, causes, cases=[(2,)]) == 'not yet: its type is list, wanted int (for (2,) it gives [2])'
    assert told(capsys, 4, double, cases=[(2,)]) == 'not yet: wanted a function, got 4'


@pytest.mark.parametrize('answer, cases', [(lambda: ..., None), (lambda x: ..., [(1,), (2,)]), (..., [(1,)])])
def test_dots_are_no_answer_wherever_they_stand(answer, cases, capsys):
    assert told(capsys, answer, lambda x: x, cases=cases).startswith('not answered yet')


def test_what_fails_is_told_and_not_raised(capsys):
    assert told(capsys, lambda: 1/0, 3) == 'not yet: your code fails with ZeroDivisionError: division by zero'
    assert told(capsys, lambda x: y, lambda x: x, cases=[(1,)]) == "not yet: your code fails with NameError: name 'y' is not defined"
    assert told(capsys, 1, check=lambda x: x.shape) == "not yet: your code fails with AttributeError: 'int' object has no attribute 'shape'"
    with pytest.raises(KeyboardInterrupt): check_answer(lambda: (_ for _ in ()).throw(KeyboardInterrupt), 3)


def test_a_check_of_our_own_says_the_cause_or_nothing(capsys):
    def check(x): return None if x % 2 else 'it is even'
    assert told(capsys, 3, check=check) == 'right' and told(capsys, lambda: 4, check=check) == 'not yet: it is even'


def test_an_answer_that_was_never_returned_is_told_apart_from_a_wrong_one(capsys):
    assert told(capsys, None, tensor([1.]), [(2., 'a wrong cause')]) == 'not yet: nothing came of it: is there a `return`, and no `...` left?'
    assert told(capsys, lambda x: None, lambda x: x, cases=[(3,)]).startswith('not yet: nothing came of it')
    assert told(capsys, None, None) == 'right'


def test_values_that_cannot_be_compared_are_not_the_same(capsys):
    assert told(capsys, {'a': tensor([1., 2.])}, {'a': tensor([1., 2.])}).startswith('not yet')
    assert told(capsys, 'x', tensor([1.]), [(tensor([2.]), 'a wrong cause')], cmp=lambda a, b: (a < b).all()) == 'not yet: its type is str, wanted Tensor'


def test_answers_can_be_compared_in_another_way(capsys):
    def close(a, b): return abs(a - b) < .1
    assert told(capsys, 3.01, 3, cmp=close) == 'right' and told(capsys, 4.01, 3, [(4, 'one more')], cmp=close) == 'not yet: one more'


def test_a_difference_in_kind_is_told_without_values():
    kinds = [in_kind(torch.zeros(3), torch.zeros(3, 1)), in_kind([1, 2], (1, 2, 3)), in_kind((1,), [2]), in_kind(2., 3.), in_kind('', None)]
    assert kinds == ['its shape is (3,), wanted (3, 1)', 'its length is 2, wanted 3', 'its type is tuple, wanted list', 'it is none of the mistakes that we foresaw', 'its type is str, wanted NoneType']


def test_attempts_give_values_or_a_sentence_and_agreement_is_yes_or_no():
    assert attempt(3) == attempt(lambda: 3) == ([3], None) and attempt(lambda a, b: a - b, [(3, 1), (1, 3)]) == ([2, -2], None)
    assert attempt(lambda: [][1]) == (None, 'your code fails with IndexError: list index out of range')
    assert agrees(same, 1, 1) is True and agrees(lambda a, b: 1, 0, 0) is True and agrees(lambda a, b: a < b, 1, 'x') is False


def test_an_answer_that_changes_its_case_is_compared_with_what_the_case_was(capsys):
    def emptied(numbers): return numbers.clear()
    def last(numbers): return numbers.pop()
    case = [3, 4]
    assert attempt(last, [(case,), (case,)]) == ([4, 4], None) and case == [3, 4]
    check_answer(emptied, len, cases=[(case,)])
    check_answer(lambda numbers: numbers.clear() or len(numbers), len, cases=[(case,)])
    assert 'right' not in capsys.readouterr().out.replace('is there', '') and case == [3, 4]

import numpy as np, pytest, torch
from torch import tensor
from exp.nb_00 import check_answer, describe, same, test, test_eq


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


@pytest.mark.parametrize('got, says', [(..., 'not answered yet: put your own expression in place of the dots'), (3, 'right'),
                                       (6, 'likely cause: a sum'), (7, 'likely cause: none that we foresaw')])
def test_an_answer_is_judged_and_its_likely_cause_named(got, says, capsys):
    check_answer(got, 3, [(5, 'a product'), (6, 'a sum')])
    assert capsys.readouterr().out.splitlines()[-1] == says


def test_a_wrong_answer_is_shown_beside_the_expected_one(capsys):
    check_answer(7, 3)
    assert capsys.readouterr().out.splitlines()[:2] == ['expected 3', 'got      7']


def test_an_answer_that_was_never_returned_is_told_apart_from_a_wrong_one(capsys):
    check_answer(None, tensor([1.]), [(None, 'a wrong cause')])
    assert capsys.readouterr().out.startswith('nothing was returned')
    check_answer(None, None)
    assert capsys.readouterr().out == 'right\n'


def test_answers_can_be_compared_in_another_way(capsys):
    check_answer(3.01, 3, cmp=lambda a, b: abs(a - b) < .1)
    assert capsys.readouterr().out == 'right\n'

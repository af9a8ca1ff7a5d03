import math
import pytest, torch
from torch import tensor
from exp.nb_12a import Demand, Gate, calibration_error, reliability

close = torch.testing.assert_close


def answers(*sure, c=4):
    "Probabilities whose largest, at the class 1, are `sure`."
    p = tensor(sure, dtype=torch.float64)[:, None].repeat(1, c)
    p[:, [i for i in range(c) if i != 1]] = ((1 - p[:, :1]) / (c - 1))
    return p


def drawn(n, c=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (3*torch.randn(n, c, generator=g, dtype=torch.float64)).softmax(1), torch.randint(c, (n,), generator=g)


# ---- how sure, and how right

def test_a_small_case_by_hand():
    p, y = answers(.9, .96, .62, .68, .64, .35), tensor([1, 0, 1, 1, 0, 2])
    n, sure, right = reliability(p, y, bins=5)
    close(n, tensor([0., 1, 0, 3, 2]).double())
    close(sure, tensor([0, .35, 0, (.62 + .68 + .64)/3, .93]).double())
    close(right, tensor([0, 0, 0, 2/3, .5]).double())
    assert calibration_error(p, y, bins=5) == pytest.approx((.35 + abs(.62 + .68 + .64 - 2) + abs(1.86 - 1)) / 6)


@pytest.mark.parametrize('bins', [1, 2, 7, 10, 15])
def test_it_is_the_sum_over_the_steps_written_as_a_loop(bins):
    p, y = drawn(200)
    want, (sure, said) = 0, p.max(1)
    for b in range(bins):
        inside = (sure >= b/bins) & ((sure < (b + 1)/bins) | (b == bins - 1))
        if inside.any(): want += inside.double().mean() * ((said == y)[inside].double().mean() - sure[inside].mean()).abs()
    assert calibration_error(p, y, bins) == pytest.approx(want.item())


def test_unless_said_otherwise_there_are_ten_steps():
    p, y = drawn(100)
    assert calibration_error(p, y) == calibration_error(p, y, 10) != calibration_error(p, y, 9)
    assert [part.shape for part in reliability(p, y)] == [(10,)]*3 and all(part.dtype == torch.float64 for part in reliability(p, y))


def test_who_is_always_certain_errs_by_the_share_that_is_wrong():
    p = torch.eye(5)[[0, 1, 2, 3, 4, 4, 0]]
    assert calibration_error(p, tensor([0, 1, 2, 0, 0, 0, 0])) == pytest.approx(3/7)
    n, sure, right = reliability(p, tensor([0, 1, 2, 0, 0, 0, 0]))
    assert n.tolist() == [0]*9 + [7] and len(sure) == len(right) == 10 and sure[9] == 1               # a confidence of 1 is in the last step


def test_who_says_the_same_of_every_class_errs_by_nothing_if_the_classes_are_equally_frequent():
    assert calibration_error(torch.full((30, 5), .2, dtype=torch.float64), torch.arange(30) % 5) == pytest.approx(0, abs=1e-12)


def test_too_sure_and_too_unsure_add_up_and_do_not_cancel():
    p = answers(.95, .95, .55, .55)
    assert calibration_error(p, tensor([0, 0, 1, 1])) == pytest.approx((.95 + .45)/2)


def test_a_step_counts_by_its_answers():
    p = answers(*[.95]*9, .55)
    assert calibration_error(p, tensor([1]*9 + [0])) == pytest.approx((9*.05 + .55)/10)


def test_neither_the_order_of_the_answers_nor_that_of_the_classes_matters():
    p, y = drawn(50, c=4)
    order, names = torch.randperm(50), tensor([2, 0, 3, 1])
    assert calibration_error(p[order], y[order]) == pytest.approx(calibration_error(p, y))
    assert calibration_error(p[:, names], names.argsort()[y]) == pytest.approx(calibration_error(p, y))


def test_one_answer_one_class_and_half_precision():
    assert calibration_error(torch.ones(1, 1), tensor([0])) == 0
    assert calibration_error(tensor([[.25, .75]]), tensor([0])) == .75
    assert calibration_error(tensor([[.25, .75]]).half(), tensor([1])) == .25


def test_what_is_given_stays_as_it_was_and_no_gradient_is_asked_for():
    p, y = drawn(9)
    kept = p.clone()
    assert isinstance(calibration_error(p.requires_grad_(), y), float) and torch.equal(p, kept)


@pytest.mark.parametrize('p, y, bins, error, words', [
    (tensor([[2., -1], [.5, .5]]), tensor([0, 1]), 10, ValueError, 'no probabilities'), (tensor([[2., 1]]), tensor([0]), 10, ValueError, 'no probabilities, wanted the softmax'),
    (tensor([[float('nan'), 1]]), tensor([0]), 10, ValueError, 'no probabilities'), (tensor([[.5, .5]]), tensor([0, 1]), 10, ValueError, r'reliability: \(1, 2\) and \(2,\)'),
    (tensor([.5, .5]), tensor([0, 1]), 10, ValueError, r'wanted \(n, c\)'), (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), 10, ValueError, 'no answers'),
    (tensor([[.5, .5]]), tensor([0.]), 10, TypeError, 'float32'), (tensor([[.5, .5]]), tensor([0]), 0, ValueError, 'bins: 0'), (tensor([[.3, .3]]), tensor([0]), 10, ValueError, 'no probabilities')])
def test_wrong_input_is_refused_at_the_door(p, y, bins, error, words):
    for f in (reliability, calibration_error):
        with pytest.raises(error, match=words): f(p, y, bins)


def test_rows_that_are_probabilities_but_for_rounding_are_taken():
    assert 0 <= calibration_error(tensor([[.299, .699]]), tensor([1])) < .5
    with pytest.raises(ValueError): calibration_error(tensor([[.299, .68]]), tensor([1]))


# ---- the gate

LEAST, MOST = Demand('right', .8, 'four of five'), Demand('calibration', .05, 'no boasting', most=True)


@pytest.mark.parametrize('demand, figure, met', [(LEAST, .9, True), (LEAST, .8, True), (LEAST, .79, False), (LEAST, math.nan, False), (LEAST, math.inf, True),
                                                 (MOST, .01, True), (MOST, .05, True), (MOST, .06, False), (MOST, math.nan, False), (MOST, 0., True)])
def test_a_demand_is_met_at_its_limit_and_on_the_good_side_of_it(demand, figure, met):
    assert demand.met(figure) == met


def test_a_demand_says_what_it_wants():
    assert str(LEAST) == 'right at least 0.8' and str(MOST) == 'calibration at most 0.05' and not LEAST.most and LEAST.why == 'four of five'


def test_a_gate_names_what_is_missed_in_its_own_order_and_lets_pass_what_meets_all():
    gate = Gate(LEAST, MOST)
    assert gate.missed({'calibration': .04, 'right': .81, 'more': 7}) == [] and gate.check({'calibration': .04, 'right': .81}) is None
    assert gate.missed({'calibration': .06, 'right': .81}) == [MOST] and gate.missed({'calibration': .06, 'right': .1}) == [LEAST, MOST]


def test_a_closed_gate_says_which_figures_were_missed_and_by_what():
    with pytest.raises(AssertionError, match=r'^the gate stays closed: right at least 0.8, got 0.412$'): Gate(LEAST, MOST).check({'right': .41249, 'calibration': 0})
    with pytest.raises(AssertionError, match=r'right at least 0.8, got nan; calibration at most 0.05, got 0.700'): Gate(LEAST, MOST).check({'right': math.nan, 'calibration': .7})


def test_the_table_has_a_line_for_each_demand_and_a_star_for_each_miss():
    lines = Gate(LEAST, MOST).table({'good': {'right': .9, 'calibration': .01}, 'bad': {'right': .7512, 'calibration': math.nan}}).split('\n')
    assert [line.split() for line in lines] == [['wanted', 'good', 'bad'], ['right', '≥', '0.8', '0.900', '0.751*'], ['calibration', '≤', '0.05', '0.010', 'nan*']]
    assert lines[0].index('good') + 4 == lines[1].index('0.900') + 5 and not any(line.endswith(' ') for line in lines)


def test_a_gate_without_demands_with_two_of_one_name_or_asked_without_a_figure_is_refused():
    with pytest.raises(ValueError, match='wanted one or more'): Gate()
    with pytest.raises(ValueError, match="right', 'right"): Gate(LEAST, Demand('right', .9, ''))
    for ask in (Gate(LEAST, MOST).missed, Gate(LEAST, MOST).check):
        with pytest.raises(ValueError, match=r"no figure for \['calibration'\]"): ask({'right': 1.})
        with pytest.raises(ValueError, match=r"no figure for \['right'\]"): ask({'calibration': 0.})


def test_a_lesson_whose_gate_is_missed_fails_and_the_figure_is_named(tmp_path):
    import nbformat, run_notebooks
    cells = ["from exp.nb_12a import Demand, Gate", "Gate(Demand('right', .8, '')).check({'right': .41})", "print('never')"]
    (tmp_path/'nbs').mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells]), tmp_path/'nbs'/'99_milestone.ipynb')
    with pytest.raises(run_notebooks.LessonError, match=r'cell 2: AssertionError: the gate stays closed: right at least 0.8, got 0.410'):
        run_notebooks.execute(tmp_path/'nbs'/'99_milestone.ipynb')

import math, time
from dataclasses import FrozenInstanceError, replace
from itertools import product
import pytest, torch
from torch import tensor
from exp.nb_13a import (ALL_REDUCES, CLUSTERS, Cluster, ErrorFeedback, Training, all_reduce_seconds, best_step, bucket_times, efficiency, fit_line, gather_seconds,
                        path, run_processes, schedule, send_in_turn, simulate, slowest, slowest_normal, step_seconds, to_int8, top_k)

slow = Cluster(latency=1e-3, bandwidth=1e6)
job = Training(size=12e3, fixed=.01, example=.002, layers=6)
each_way = pytest.mark.parametrize('how', ALL_REDUCES)
RANKS = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 17, 24]


def near(x): return pytest.approx(x, rel=1e-9, abs=1e-15)


# ---- a message, a line

def test_a_message_takes_its_latency_and_its_bytes_over_the_bandwidth():
    assert slow.seconds(0) == 1e-3 and slow.seconds(3000) == near(.004) and slow.seconds(slow.latency * slow.bandwidth) == near(2 * slow.latency)


def test_more_workers_than_cores_share_them_and_fewer_are_no_faster():
    assert [replace(slow, cores=4).crowd(p) for p in (1, 4, 6, 8)] == [1, 1, 1.5, 2] and slow.crowd(1000) == 1


@pytest.mark.parametrize('wrong', [dict(latency=-1e-9), dict(bandwidth=0), dict(bandwidth=-1), dict(cores=0), dict(late=-.1)])
def test_a_cluster_with_impossible_figures_is_refused_and_none_can_be_changed(wrong):
    with pytest.raises(ValueError, match='from 0 on, bandwidth and cores over 0'): replace(slow, **wrong)
    with pytest.raises(FrozenInstanceError): slow.latency = 2
    assert replace(slow, latency=0, late=0).seconds(1) == near(1e-6)


def test_every_cluster_has_the_figures_of_its_name_and_says_where_they_come_from():
    figures = {name: (round(c.latency*1e6, 9), c.bandwidth*8/1e9) for name, c in CLUSTERS.items()}                      # microseconds, Gbit a second
    assert figures == {'10 Gbit Ethernet': (50, 10), '25 Gbit Ethernet': (30, 25), '100 Gbit Ethernet': (10, 100), 'InfiniBand NDR': (5, 400), 'NVLink 4': (5, 3600)}
    assert all('bandwidth: ' in c.source and c.source.endswith(('assumption', 'assumption for TCP', 'assumption for RDMA')) and c.late == 0 and c.cores == math.inf for c in CLUSTERS.values())
    assert [*ALL_REDUCES] == ['to one', 'tree', 'ring', 'halving'] and Cluster(1, 1).source == ''


def test_computing_takes_a_fixed_part_and_a_part_for_each_example():
    assert job.compute(0) == .01 and job.compute(7) == near(.024) and job.backward == near(2/3)


def test_a_line_is_found_exactly_though_two_points_of_seven_took_far_too_long():
    x = [1, 2, 3, 5, 8, 13, 21]
    y = [.5 + 3*u for u in x]
    y[1], y[6] = 900., 500.
    assert fit_line(x, y) == (near(.5), near(3))


def test_the_sum_of_relative_errors_is_the_least_of_all_lines_on_a_grid():
    x, y = [1., 3, 4, 9, 20], [2., 5, 4.5, 14, 90]
    def error(a, b): return sum(abs(a + b*u - v)/v for u, v in zip(x, y))
    best = error(*fit_line(x, y))
    assert all(best <= error(a/20, b/40) + 1e-12 for a, b in product(range(100), range(200)))


def test_no_line_has_a_negative_latency_or_grows_downwards():
    assert fit_line([2, 4], [1, 3]) == (0., near(.5))
    a, b = fit_line([1, 2, 3], [9, 6, 3])
    assert b == 0 and a in (3, 6, 9)
    assert fit_line([1, 2, 4], [3, 6, 12]) == (0, near(3)) and fit_line([5, 5], [2, 2])[1] >= 0


@pytest.mark.parametrize('x, y', [([1], [2]), ([], []), ([1, 2], [0, 1]), ([1, 2], [3]), ([0, 2], [3, 3]), ([1, 2], [-1, 3])])
def test_a_line_wants_two_points_with_numbers_over_0(x, y):
    with pytest.raises(ValueError): fit_line(x, y)


# ---- adding up

@each_way
@pytest.mark.parametrize('p', RANKS)
def test_every_rank_ends_with_the_sum_whatever_the_sizes(how, p):
    for n in (1, 2, 7, 30):
        torch.manual_seed(n)
        parts = [torch.randn(n, dtype=torch.float64) for _ in range(p)]
        before = torch.stack(parts)
        got, clock, trace = simulate(ALL_REDUCES[how](p, n), parts, slow)
        assert len(got) == len(clock) == p and torch.equal(torch.stack(parts), before)
        torch.testing.assert_close(torch.stack(got), before.sum(0).expand(p, n), rtol=1e-9, atol=1e-9)


@each_way
@pytest.mark.parametrize('p', RANKS)
def test_the_formula_is_the_simulation(how, p):
    for numbers, cluster in ((16*p*(p + 1), slow), (48*math.lcm(p, 16), Cluster(1e-5, 1e9)), (48*math.lcm(p, 16), Cluster(0, 1e9)), (48*math.lcm(p, 16), Cluster(1., 1e15))):
        if how == 'halving' and numbers % 16: continue
        clock = simulate(ALL_REDUCES[how](p, numbers), [torch.zeros(numbers)] * p, cluster)[1]
        assert max(clock) == near(all_reduce_seconds(cluster, 4*numbers, p, how))


@each_way
def test_chunks_that_are_not_equal_cost_less_than_a_number_more_in_each_message(how):
    for p, n in ((3, 7), (5, 11), (6, 9), (7, 3)):
        got, formula = max(simulate(ALL_REDUCES[how](p, n), [torch.zeros(n)] * p, slow)[1]), all_reduce_seconds(slow, 4*n, p, how)
        assert formula - 1e-12 <= got <= formula + path(how, p)[0] * 4 / slow.bandwidth * 2


@each_way
def test_in_a_round_a_rank_sends_once_and_receives_once_at_most_and_never_to_itself(how):
    for p in RANKS:
        for messages in ALL_REDUCES[how](p, 40):
            senders, receivers = [m[0] for m in messages], [m[1] for m in messages]
            assert len({*senders}) == len(senders) and len({*receivers}) == len(receivers)
            assert all(a != b and 0 <= a < p and 0 <= b < p for a, b in zip(senders, receivers))


def test_in_a_ring_each_sends_to_its_neighbour_and_as_many_bytes_as_the_formula_says():
    sent = [0]*5
    for messages in ALL_REDUCES['ring'](5, 20):
        for a, b, first, end, _ in messages:
            assert b == (a + 1) % 5
            sent[a] += end - first
    assert sent == [2*4*4]*5 and path('ring', 5) == (8, near(2*4/5))


def test_messages_and_gradients_by_hand():
    assert [path(how, 1) for how in ALL_REDUCES] == [(0, 0)]*4
    assert path('to one', 6) == (10, 10) and path('tree', 6) == (6, 6) and path('tree', 8) == (6, 6) and path('tree', 9) == (8, 8)
    assert path('ring', 6) == (10, near(10/6)) and path('halving', 8) == (6, near(14/8)) and path('halving', 6) == (6, near(3.5)) and path('halving', 2) == (2, 1)
    assert all_reduce_seconds(slow, 6000, 6, 'ring') == near(10*.001 + .01) and all_reduce_seconds(slow, 6000, 6, 'tree') == near(6*.007)


@pytest.mark.parametrize('how, p', [('star', 4), ('ring', 0), ('tree', -2)])
def test_another_way_and_no_workers_are_refused(how, p):
    with pytest.raises(ValueError, match=f"'{how}' with {p} workers"): path(how, p)


def test_the_ring_wins_with_large_gradients_and_loses_with_small_ones():
    for p in (4, 16, 100):
        assert all_reduce_seconds(slow, 1e9, p) < all_reduce_seconds(slow, 1e9, p, 'tree') < all_reduce_seconds(slow, 1e9, p, 'to one')
        assert all_reduce_seconds(slow, 8, p) > all_reduce_seconds(slow, 8, p, 'tree')
    assert all(all_reduce_seconds(slow, size, 64, 'halving') <= all_reduce_seconds(slow, size, 64, how) for size in (1, 1e4, 1e9) for how in ALL_REDUCES)


@each_way
def test_adding_up_takes_longer_with_more_bytes_more_latency_and_more_doublings_and_less_with_more_bandwidth(how):
    def t(size=1e5, p=8, **change): return all_reduce_seconds(replace(slow, **change), size, p, how)
    assert t() < t(size=2e5) and t() < t(latency=2e-3) and t(bandwidth=2e6) < t() and t(p=4) < t() < t(p=16)
    assert t(p=1) == 0 and t(cores=2) == near(4*t())


def test_the_bytes_of_a_ring_never_reach_twice_the_gradient():
    shares = [path('ring', p)[1] for p in range(1, 2000, 7)]
    assert shares == sorted(shares) and 1.99 < shares[-1] < 2


def test_the_clock_waits_for_both_ranks_and_for_nobody_else():
    rounds = [[(0, 1, 0, 2, True)], [(2, 3, 0, 1, False)], [(1, 2, 1, 3, True)]]
    parts = [tensor([1., 2, 3])*10**r for r in range(4)]
    got, clock, trace = simulate(rounds, parts, Cluster(1., 4.), [0, 5, 2, 0])
    assert trace == [(0, 1, 5, 8), (2, 3, 2, 4), (1, 2, 8, 11)] and clock == [8, 11, 11, 4]
    assert [part.tolist() for part in got] == [[1, 2, 3], [11, 22, 30], [100, 222, 330], [100, 2000, 3000]]
    with pytest.raises(ValueError, match='4 ranks, and ready at 2 seconds'): simulate([], parts, slow, [0, 0])


def test_what_is_sent_in_a_round_is_what_stood_there_before_it():
    got, clock, _ = simulate([[(0, 1, 0, 1, True), (1, 0, 0, 1, True)]], [tensor([1.]), tensor([10.])], slow)
    assert [part.item() for part in got] == [11, 11] and clock == [near(slow.seconds(4))]*2


def test_in_a_ring_all_wait_for_the_one_that_is_late():
    for p, late in ((2, .01), (5, .2), (8, 1e-3)):
        parts = [torch.zeros(p*50)]*p
        def done(ready): return max(simulate(ALL_REDUCES['ring'](p, p*50), parts, slow, ready)[1])
        assert done([late*(rank == p - 1) for rank in range(p)]) == near(late + done(None))


# ---- a step

def test_buckets_hold_whole_layers_and_all_bytes():
    assert bucket_times(job, 4000) == [(near(2/6), 4000), (near(4/6), 4000), (1, 4000)] and bucket_times(job, 4001) == [(near(3/6), 6000), (1, 6000)]
    assert bucket_times(job, 1) == [(near((i + 1)/6), 2000) for i in range(6)] and bucket_times(job, math.inf) == bucket_times(job, 12e3) == [(1, 12e3)]
    assert bucket_times(job, 8000) == [(near(4/6), 8000), (1, 4000)] and bucket_times(Training(7., 0, 1), 3) == [(1, 7)]
    for layers, k in product((1, 7, 50), (1, 3, 7)): assert sum(size for _, size in bucket_times(replace(job, layers=layers), job.size/layers*k)) == near(12e3)
    assert [len(bucket_times(replace(job, size=102.4e6, layers=50), 102.4e6/50*k)) for k in (1, 2, 3, 7, 49, 50)] == [50, 25, 17, 8, 2, 1]
    with pytest.raises(ValueError, match='a bucket of 0 bytes'): bucket_times(job, 0)


def test_buckets_leave_when_they_are_full_and_the_one_before_is_gone():
    assert send_in_turn([1, 2, 9], [3, 3, 1]) == [(1, 4), (4, 7), (9, 10)] and send_in_turn([], []) == []
    with pytest.raises(ValueError): send_in_turn([1], [1, 2])


def test_a_step_by_hand():
    compute, spans = schedule(slow, job, 10, 2, limit=6000)                # computes 30 ms, 20 of them backwards; 2 messages of 3000 bytes: 8 ms
    assert compute == near(.03) and [t for span in spans for t in span] == near([.02, .028, .03, .038])
    assert step_seconds(slow, job, 10, 2, limit=6000) == near(.038) and step_seconds(slow, job, 10, 2) == near(.03 + .014)
    assert step_seconds(slow, job, 10, 2, 'tree') == near(.03 + 2*.013) and step_seconds(replace(slow, late=.1), job, 10, 2) == near(.044 + .15)
    assert step_seconds(replace(slow, cores=1), job, 10, 2) == near(2*.044)


def test_one_worker_sends_nothing_and_hides_nothing():
    for limit in (1, 5000, math.inf): assert step_seconds(slow, job, 10, limit=limit) == near(job.compute(10))
    assert step_seconds(replace(slow, late=.1), job, 10) == near(.13)


def test_a_step_is_never_shorter_than_its_computing_or_its_sending_nor_longer_than_both():
    for p, how, limit in product((2, 5, 64), ALL_REDUCES, (2000, 4000, 1e9)):
        sending = sum(all_reduce_seconds(slow, size, p, how) for _, size in bucket_times(job, limit))
        assert max(job.compute(8), sending) < step_seconds(slow, job, 8, p, how, limit) <= job.compute(8) + sending + 1e-12


def test_small_buckets_pay_for_messages_and_one_hides_nothing():
    quick, sluggish = Cluster(1e-9, 1e6), Cluster(.01, 1e9)
    assert step_seconds(quick, job, 10, 4, limit=2000) < step_seconds(quick, job, 10, 4)
    assert step_seconds(sluggish, job, 10, 4, limit=2000) > step_seconds(sluggish, job, 10, 4)


def test_the_best_step_is_the_least_of_every_way_and_bucket():
    for cluster, p in product((slow, Cluster(1e-9, 1e6), replace(slow, late=.1)), (1, 3, 64)):
        seconds, how, limit = best_step(cluster, job, 10, p, ALL_REDUCES)
        assert seconds == step_seconds(cluster, job, 10, p, how, limit) == min(step_seconds(cluster, job, 10, p, h, 2000*k) for h in ALL_REDUCES for k in range(1, 7))
    assert best_step(Cluster(.01, 1e6), job, 10, 64)[1] == 'tree' and best_step(Cluster(1e-9, 1e6), job, 10, 64)[1] == 'ring' and best_step(slow, job, 10, 64, ['ring'])[1] == 'ring'


def test_efficiency_by_hand_and_its_limits():
    free = Cluster(0, 1e30)
    assert efficiency(slow, job, 10, 1) == 1 == efficiency(slow, job, 10, 1, strong=True) and efficiency(free, job, 10, 512) == near(1)
    assert efficiency(free, job, 100, 4, strong=True) == near(.21 / (4*.06)) and efficiency(slow, replace(job, layers=1), 10, 2) == near(.03 / .044)
    assert efficiency(replace(free, late=.1), job, 10, 2) == near(.13 / .18)
    shares = [[efficiency(slow, job, 1024, 2**k, strong) for k in range(1, 11)] for strong in (False, True)]
    assert all(row == sorted(row, reverse=True) and 0 < row[-1] < row[0] < 1 for row in shares) and shares[1][-1] < shares[0][-1]
    with pytest.raises(ValueError, match='7 examples for 8 workers'): efficiency(slow, job, 7, 8, strong=True)


# ---- the slowest

def test_the_wait_for_exponential_lateness_is_a_harmonic_number():
    assert slowest(1, 6.) == 6 and slowest(3, 6.) == near(11) and slowest(4, 12., drop=1) == near(13) and slowest(4, 12., 3) == near(3) and slowest(9, 0.) == 0
    assert slowest(1000, 1.) == near(7.485470860550345)
    for p, drop in ((3, 3), (2, -1), (0, 0)):
        with pytest.raises(ValueError, match=f'{drop} of {p} workers dropped'): slowest(p, 1., drop)


@pytest.mark.parametrize('p, drop', [(1, 0), (5, 0), (5, 2), (40, 7)])
def test_the_wait_for_exponential_lateness_is_what_is_drawn(p, drop):
    torch.manual_seed(0)
    drawn = torch.empty(20_000, p).exponential_().mul(3).sort(1).values[:, p - 1 - drop].mean().item()
    assert slowest(p, 3., drop) == pytest.approx(drawn, rel=.03)


@pytest.mark.parametrize('p', [1, 2, 3, 10, 100, 1000])
def test_the_wait_for_normal_lateness_is_the_integral(p):
    x = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    exact = torch.trapezoid(x * p * torch.exp(-x**2/2)/math.sqrt(2*math.pi) * torch.special.ndtr(x)**(p - 1), x).item()
    assert slowest_normal(p, 4.) == pytest.approx(4*exact, rel=.05, abs=1e-12) and slowest_normal(p, 1.) <= math.sqrt(2*math.log(p)) + 1e-12
    with pytest.raises(ValueError, match='0 workers'): slowest_normal(0, 1.)


# ---- fewer bytes

def test_int8_is_within_half_a_scale_uses_all_of_its_range_and_survives_zeros():
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        x = torch.randn(5, 40).to(dtype)*7
        numbers, scale = to_int8(x)
        assert numbers.dtype == torch.int8 and numbers.shape == x.shape and scale.dtype == dtype
        assert numbers.abs().max() in ((126, 127) if dtype == torch.bfloat16 else (127,))
        if dtype != torch.bfloat16: assert ((numbers*scale - x).abs() <= scale*.5001).all()
    assert to_int8(tensor([254., -100, 2.9]))[0].tolist() == [127, -50, 1] and to_int8(torch.zeros(3))[0].tolist() == [0, 0, 0]
    assert to_int8(torch.zeros(3))[1] > 0                                                        # nothing is divided by 0
    assert all(126 <= abs(to_int8(torch.full((1,), .01*i, dtype=torch.bfloat16))[0].item()) <= 127 for i in range(-199, 200) if i)      # none wraps round to -128


def test_the_largest_numbers_are_those_furthest_from_0():
    where, numbers = top_k(tensor([1., -5, 0, 3, -2]), 3)
    assert dict(zip(where.tolist(), numbers.tolist())) == {1: -5, 3: 3, 4: -2}
    for x, k in ((torch.zeros(3), 4), (torch.zeros(3), 0), (torch.zeros(3, 2), 2)):
        with pytest.raises(ValueError, match=f'{k} numbers of'): top_k(x, k)


def test_with_error_feedback_nothing_is_lost():
    torch.manual_seed(0)
    for n, k in ((1, 1), (7, 2), (40, 3)):
        feedback, sent, total = ErrorFeedback(k), torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
        for step in range(20):
            grad = torch.randn(n, dtype=torch.float64)
            copy = grad.clone()
            where, numbers = feedback(grad)
            assert len(where) == len(numbers) == k and torch.equal(grad, copy) and (feedback.left[where] == 0).all()
            sent[where] += numbers
            total += grad
            torch.testing.assert_close(sent + feedback.left, total)


def test_with_error_feedback_a_small_number_goes_when_it_has_grown():
    feedback = ErrorFeedback(1)
    assert [feedback(tensor([5., 2]))[0].item() for _ in range(6)] == [0, 0, 1, 0, 0, 1] and feedback.left.tolist() == [5, 0]


def test_gathering_grows_with_the_workers_and_meets_the_ring_at_one_over_the_share():
    assert gather_seconds(slow, 3000, 1) == 0 and gather_seconds(slow, 3000, 4) == near(3*.004) and gather_seconds(replace(slow, cores=2), 3000, 4) == near(6*.004)
    wire = Cluster(0, 1e9)
    for p in (8, 50): assert gather_seconds(wire, 8*1e6/p, p) == near(all_reduce_seconds(wire, 4e6, p))
    assert gather_seconds(wire, 8e4, 99) < all_reduce_seconds(wire, 4e6, 99) and gather_seconds(wire, 8e4, 101) > all_reduce_seconds(wire, 4e6, 101)


# ---- real processes

ADD = '''
import json, os, sys
import torch, torch.distributed as dist
dist.init_process_group('gloo')
x = torch.tensor([1., 2])*10**dist.get_rank()
dist.all_reduce(x)
if dist.get_rank() == 0: json.dump([x.tolist(), dist.get_world_size(), torch.get_num_threads()], open(sys.argv[1], 'w'))
dist.destroy_process_group()
'''


def test_processes_meet_add_up_and_hand_over_what_they_found():
    assert run_processes(ADD, 2) == [[11, 22], 2, 1]


@pytest.mark.parametrize('program, said', [('import sys; sys.exit("no luck today")', r'1 processes: exit status 1(?s:.*)no luck today'), ('', '1 processes: exit status 0')])
def test_a_program_that_fails_or_writes_nothing_is_told(program, said):
    with pytest.raises(RuntimeError, match=said): run_processes(program, 1)


def test_a_program_that_hangs_is_ended():
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match='1 processes: not done after 8 seconds'): run_processes('import time; time.sleep(300)', 1, 8)
    assert time.monotonic() - begin < 200

"bench/common.py: how a ratio is made of rounds, and when a table is not written."
import os, re, subprocess, sys
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'bench'))
import common

ROUNDS = {'ref': [1., 9., 4., 3., 5.], 'ours': [2., 18., 8., 9., 1.]}             # in the same rounds 2, 2, 2, 3, .2


@pytest.fixture
def results(tmp_path, monkeypatch):
    "An empty RESULTS.md on a quiet machine."
    monkeypatch.setattr(common, 'RESULTS', tmp_path/'RESULTS.md')
    monkeypatch.setattr(common, 'doubts', [])
    monkeypatch.setattr(common, 'others', lambda before, after: 0.)
    monkeypatch.setattr(common, 'machine', lambda: 'a machine')
    monkeypatch.delenv('ANYWAY', raising=False)
    return tmp_path/'RESULTS.md'


def test_a_ratio_is_the_median_of_the_rounds_own_ratios_not_the_quotient_of_medians():
    few = {'ref': [1., 9., 4.], 'ours': [2., 3., 20.]}                                # 2, a third, 5; the medians are 4 and 3
    assert common.ratio(few, 'ours', 'ref') == 2 and common.ratios(ROUNDS, 'ours', 'ref') == (2, 2, 2)
    assert common.ratios({'a': [1.], 'b': [4.]}, 'a', 'b') == (.25, .25, .25)
    assert common.ratios({'a': [1., 2., 3., 4., 5.], 'b': [1.]*5}, 'a', 'b') == (2, 3, 4)


def test_a_table_shows_ratios_with_quartiles_the_rounds_and_the_time_of_the_reference_only():
    shown = common.ratio_table({'ref': [.004]*3, 'ours': [.008, .0084, .0088]}, 'ref')
    assert shown == '| 3 rounds | times ref |\n| --- | --- |\n| ref | 1 = 4 ms |\n| ours | 2.10 (2.05 to 2.15) |'
    assert '1 = 2.5 s' in common.ratio_table({'ref': [2.5]}, 'ref')
    assert common.ratio_table({'a': [1., 1.], 'b': [2., 2.]}, 'a', 'b').endswith('| a | 1 = 1 s | 0.50 (0.50 to 0.50) |\n| b | 2.00 (2.00 to 2.00) | 1 = 2 s |')


def test_each_round_measures_every_candidate_and_goes_backwards_every_other_time():
    order = []
    seconds = common.in_turn({name: lambda name=name: order.append(name) for name in 'abc'}, rounds=4, warmup=1)
    assert {name: len(t) for name, t in seconds.items()} == {'a': 4, 'b': 4, 'c': 4} and len(order) == 15
    assert sorted((''.join(order[i:i+3]) for i in range(0, 15, 3))) == ['abc', 'abc', 'abc', 'cba', 'cba'] and order[:3] != order[3:6]


def test_a_section_takes_the_place_of_the_former_one_below_the_rule(results):
    common.report('bench_a', 'A', 'one'), common.report('bench_b', 'B', 'two'), common.report('bench_a', 'A', r'\1 three')
    text = results.read_text('utf8')
    assert text.startswith(common.HEADER) and text.count('# Measured') == 1 and r'\1 three' in text and 'one' not in re.sub('one, |no ', '', text[len(common.HEADER):])
    assert text.index('## A') < text.index('## B') and text.count('<!-- bench_a -->') == 1


@pytest.mark.parametrize('busy, wide', [(True, False), (False, True)])
def test_no_table_is_written_where_others_were_busy_or_the_rounds_disagree_unless_told(results, monkeypatch, busy, wide):
    if busy: monkeypatch.setattr(common, 'others', lambda before, after: .2)
    rounds = {'ref': [1., 1., 1., 1.], 'ours': [1., 2., 3., 4.] if wide else [2., 2., 2., 2.]}
    shown = common.ratio_table(rounds, 'ref')
    with pytest.raises(SystemExit, match='other processes have used 20%' if busy else r'ours, times ref: the quartiles of 2.50 are 1.75 and 3.25'): common.report('bench_a', 'A', shown)
    assert not results.exists()
    monkeypatch.setenv('ANYWAY', '1')
    common.report('bench_a', 'A', shown)
    assert shown in results.read_text('utf8') and 'Measured in spite of doubts. ' in results.read_text('utf8')


def test_a_quiet_run_is_written_without_a_word_of_doubt(results):
    common.report('bench_a', 'A', common.ratio_table(ROUNDS, 'ref'))
    assert results.exists() and 'doubts' not in results.read_text('utf8')


def test_what_others_use_is_all_that_was_computed_less_what_we_and_our_children_did():
    cores = os.cpu_count()
    assert common.others((100., 5., 0.), (100. + 10*cores, 5. + 4*cores, 20.)) == pytest.approx(.3)
    assert common.others((0., 0., 0.), (5., 9., 10.)) == 0 == common.others(None, None)


@pytest.mark.skipif(not Path('/proc/stat').exists(), reason='nobody counts what all processes compute')
def test_the_work_of_a_child_is_ours():
    before = common.work()
    subprocess.run([sys.executable, '-c', 'sum(range(10_000_000))'], check=True)
    everybody, own, passed = (b - a for a, b in zip(before, common.work()))
    assert 0 < own <= everybody + .1 and passed > 0


def test_lesson_11_tells_what_the_long_runs_have_given():
    table = (ROOT/'bench'/'RESULTS.md').read_text('utf8').split('<!-- long_residual -->')[1]
    rows = re.findall(r'^\| (\d+) \| \d \| ([\d,]+) \| [^|]* \| (0\.\d+)', table, re.M)
    lesson = (ROOT/'nbs'/'11_residual.ipynb').read_text('utf8')
    assert [epochs for epochs, _, _ in rows] == ['5', '20', '50'] and len({parameters for _, parameters, _ in rows}) == 1
    assert f'One with {rows[0][1]},' in lesson
    for epochs, _, right in rows: assert re.search(rf'{100 * float(right):.1f} %[^,:]* after {epochs}\b', lesson), epochs


def test_the_published_tables_follow_the_rule():
    text = (ROOT/'bench'/'RESULTS.md').read_text('utf8')
    assert text.startswith(common.HEADER) and 'median ms' not in text and 'median seconds' not in text
    columns = [column.strip() for line in text.split('\n') if line.startswith('|') and 'times ' in line for column in line.strip('|').split('|')]
    assert sum(column.startswith('times ') for column in columns) >= 20 and not any(' ms' in column for column in columns)

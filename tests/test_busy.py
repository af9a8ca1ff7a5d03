"What `make busy` chooses, and that it leaves nothing running."
import sys
import busy


def test_what_waits_or_measures_is_chosen_and_nothing_else():
    tests, lessons = ([path.stem for path in paths] for paths in (busy.waiting_tests(), busy.measuring_lessons()))
    assert {'test_lessons', 'test_notebook2script', 'test_nb_05b', 'test_run_notebooks', 'test_mutants'} <= {*tests} and 'test_gradients' not in tests
    assert {'01_matmul', '05_learner'} <= {*lessons} and '04a_callbacks' not in lessons


def test_all_commands_are_given_once_for_the_tests_and_three_times_for_lessons_that_measure():
    commands = dict(busy.commands(True, True))
    assert len(commands) == 5 and [what for what, _ in busy.commands(False, True)] == ['tests', 'timings']
    first, *again = [sorted(word for command in at_once for word in command if word.endswith('.ipynb')) for at_once in [*commands.values()][:3]]
    assert first == sorted(map(str, (busy.ROOT/'nbs').glob('[0-9]*.ipynb'))) and again == [[*map(str, busy.measuring_lessons())]] * 2


WAIT = """import sys, time
from pathlib import Path
here, there = map(Path, sys.argv[1:])
here.touch()
while not there.exists(): time.sleep(.01)
sys.exit(here.name == 'first')"""


def test_commands_run_at_the_same_time_and_each_has_its_status(tmp_path):
    names = [str(tmp_path/name) for name in ('first', 'second')]
    assert busy.statuses([[sys.executable, '-c', WAIT, *pair] for pair in (names, names[::-1])]) == [1, 0]


def test_the_busy_processes_run_within_and_end_with_it():
    try:
        with busy.busy(2) as processes:
            assert [process.poll() for process in processes] == [None, None]
            raise OSError
    except OSError: pass
    assert all(process.poll() is not None for process in processes)

"What `make busy` chooses, and that it leaves nothing running."
import busy


def test_what_waits_or_measures_is_chosen_and_nothing_else():
    tests, lessons = ([path.stem for path in paths] for paths in (busy.waiting_tests(), busy.measuring_lessons()))
    assert {'test_lessons', 'test_notebook2script', 'test_nb_05b', 'test_run_notebooks', 'test_mutants'} <= {*tests} and 'test_gradients' not in tests
    assert {'01_matmul', '05_learner'} <= {*lessons} and '04a_callbacks' not in lessons


def test_all_commands_are_given_once_for_the_tests_and_three_times_for_lessons_that_measure():
    whats = [what for what, _ in busy.commands(True, True)]
    assert len(whats) == len({*whats}) == 5 and [what for what, _ in busy.commands(False, True)] == ['tests', 'timings']


def test_the_busy_processes_run_within_and_end_with_it():
    try:
        with busy.busy(2) as processes:
            assert [process.poll() for process in processes] == [None, None]
            raise OSError
    except OSError: pass
    assert all(process.poll() is not None for process in processes)

"""The project's own scripts can be imported, property tests draw the same examples at every run, and what the tests start
does not depend on how pytest was started: with a PYTHONPATH, or in the background, where Ctrl-C is ignored."""
import os, signal, sys
from pathlib import Path
import pytest
from hypothesis import Phase, settings

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.pop('PYTHONPATH', None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN: signal.signal(signal.SIGINT, signal.default_int_handler)
phases = [Phase.explicit, Phase.generate] if 'MUTANT' in os.environ else list(Phase)      # nobody reads why a mutant died
settings.register_profile('same', deadline=None, derandomize=True, database=None, phases=phases)
settings.load_profile('same')


@pytest.fixture(autouse=True)
def one_thread_for_timings(request):
    "Two threads on a busy machine wait for each other, and then no ratio means anything."
    if request.node.get_closest_marker('timing') is None: return (yield)
    import torch
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem, rounds=10):
    "A comparison of times is made again until it holds, ten times at most: what else the machine does is soon over, a slow function is not."
    if pyfuncitem.get_closest_marker('timing') is None: return
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    for left in reversed(range(rounds)):
        try: pyfuncitem.obj(**given)
        except AssertionError:
            if not left: raise
        else: return True


def pytest_configure(config):
    config.addinivalue_line('markers', 'timing: compares two times measured in one run')

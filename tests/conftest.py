"The project's own scripts can be imported, and property tests draw the same examples at every run."
import os, sys
from pathlib import Path
from hypothesis import Phase, settings

sys.path.insert(0, str(Path(__file__).parents[1]))
phases = [Phase.explicit, Phase.generate] if 'MUTANT' in os.environ else list(Phase)      # nobody reads why a mutant died
settings.register_profile('same', deadline=None, derandomize=True, database=None, phases=phases)
settings.load_profile('same')


def pytest_configure(config):
    config.addinivalue_line('markers', 'timing: compares two times measured in one run')

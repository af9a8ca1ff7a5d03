"The project's own scripts can be imported, and property tests draw the same examples at every run."
import sys
from pathlib import Path
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1]))
settings.register_profile('same', deadline=None, derandomize=True, database=None)
settings.load_profile('same')


def pytest_configure(config):
    config.addinivalue_line('markers', 'timing: compares two times measured in one run')

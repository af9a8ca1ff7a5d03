"bench/long_residual.py: killed and started again it ends with the same figures, and it opens the test set once."
import json, os, subprocess, sys, time
from pathlib import Path
import pytest, torch

ROOT = Path(__file__).parents[1]
TINY = '''
import sys, torch
sys.path.insert(0, 'bench')
import long_residual as long
torch.set_num_threads(1)
train, valid, _ = long.data(640)
parts = train, long.Dataset(valid.x[:100], valid.y[:100]), lambda: print('opened') or long.Dataset(valid.x[100:160], valid.y[100:160])
settings = {**long.SETTINGS, 'stem_widths': (4,), 'widths': (4, 8), 'bs': 16, 'erase': 5}
for _ in range(2): long.run('tiny', settings, 4, 0, parts, long.Path(sys.argv[1]), look=True)          # again: from its file
'''


def start(folder): return subprocess.Popen([sys.executable, '-c', TINY, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, 'OMP_NUM_THREADS': '1'})


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_figures(tmp_path):
    broken, whole = start(tmp_path/'broken'), start(tmp_path/'whole')
    while not list((tmp_path/'broken').glob('tiny/epoch-00002*.pt')) and broken.poll() is None: time.sleep(.01)
    broken.kill()
    broken.communicate()
    assert not (tmp_path/'broken'/'tiny'/'result.json').exists()
    said, other = [process.communicate(timeout=300)[0] for process in (start(tmp_path/'broken'), whole)]
    assert 'of 4 epochs were done' in said and said.count('opened') == other.count('opened') == 1
    one, other = [json.loads((tmp_path/name/'tiny'/'result.json').read_text()) for name in ('broken', 'whole')]
    assert one.pop('seconds') > 0 and other.pop('seconds') > 0 and one == other and len(one['history']) == 4

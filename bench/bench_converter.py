"""Exporting 40 notebooks: ours with every check on, beside the bare json.loads of the same files and other tools. `python bench/bench_converter.py`"""
import json, random, shutil, subprocess, sys, tempfile
from pathlib import Path
from common import in_turn, ratio_table, report

ROOT = Path(__file__).parents[1]
LOADS = 'import json, sys\nfor path in sys.argv[1:]: json.loads(open(path, "rb").read())'
SAVES = LOADS + """
import os
os.mkdir("exp")
for i in range(len(sys.argv) - 1):
    with open(f"exp/{i}", "wb") as f: f.write(bytes(2_400)), f.flush(), os.fsync(f.fileno())"""
COMMAND = f'import sys; sys.path.insert(0, {str(ROOT)!r}); import notebook2script; sys.exit(notebook2script.main(["-q"]))'
STANDARD = 'import argparse, ast, json, os, re, sys, time, pathlib'
WORDS = 'the rate of a unit is the sum over its inputs and a bias that moves with every step of the loop'.split()


def notebook(number, rng):
    "A lesson of realistic size: 60 cells, six of them exported (90 lines), outputs, and in every tenth notebook a megabyte of them."
    cells = []
    for i in range(60):
        if i % 2: cells.append({'cell_type': 'markdown', 'metadata': {}, 'source': ' '.join(rng.choices(WORDS, k=60))})
        else: cells.append(code(number, i, rng))
    cells[2]['outputs'][0]['data']['image/png'] = ''.join(rng.choices('abcdefgh', k=1_000_000 if number % 10 == 0 else 20_000))
    return {'nbformat': 4, 'nbformat_minor': 5, 'metadata': {}, 'cells': [{**cell, 'id': f'c{i}'} for i, cell in enumerate(cells)]}


def code(number, i, rng):
    names = [f'f{number}_{i}_{k}' for k in range(3)]
    lines = [f'def {name}(x, y={rng.randint(0, 9)}):\n    "What {name} returns."\n    z = [a * y for a in range(x)]\n    return sum(z) + len(str(y))\n'
             for name in names]
    source = ('#| export\n' if i % 10 == 0 else '') + '\n'.join(lines)
    outputs = [{'output_type': 'display_data', 'metadata': {}, 'data': {'text/plain': ' '.join(rng.choices(WORDS, k=30))}}]
    return {'cell_type': 'code', 'metadata': {}, 'execution_count': i, 'outputs': outputs, 'source': source.splitlines(True)}


def corpus(folder):
    rng = random.Random(0)
    (folder/'nbs').mkdir()
    for number in range(40):
        nb = notebook(number, rng)
        nb['cells'].insert(0, {'cell_type': 'code', 'metadata': {}, 'execution_count': None, 'outputs': [], 'id': 'd', 'source': f'#| default_exp nb_{number:02}'})
        (folder/'nbs'/f'{number:02}_lesson.ipynb').write_text(json.dumps(nb, indent=1))
    (folder/'pyproject.toml').write_text('[project]\nname = "demo"\nversion = "0.0.1"\n[tool.nbdev]\nlib_path = "lib"\nnbs_path = "nbs"\n')
    (folder/'lib').mkdir()
    return sorted(map(str, (folder/'nbs').glob('*.ipynb')))


def start(folder, *command):
    "A function that runs a Python process in `folder` and insists on its success."
    def call():
        done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
        if done.returncode: raise RuntimeError(f'{command[:3]}: {done.stderr[-500:]}')
    return call


def fresh(folder, out, call):
    def run():
        shutil.rmtree(folder/out, ignore_errors=True)
        call()
    return run


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = corpus(folder)
        ours, command = start(folder, '-I', '-S', str(ROOT/'notebook2script.py'), '-q'), start(folder, '-I', '-S', '-c', COMMAND)
        nbdev = start(folder, '-c', 'from nbdev.export import nb_export\nimport sys\nfor path in sys.argv[1:]: nb_export(path, "lib")', *paths)
        jupytext = start(folder, '-m', 'jupytext', '--to', 'py:percent', '--quiet', *paths)
        nbconvert = start(folder, '-m', 'nbconvert', '--to', 'python', '--output-dir', 'scripts', '--log-level', 'ERROR', *paths)
        new = {'json.loads, and 40 files written': fresh(folder, 'exp', start(folder, '-I', '-S', '-c', SAVES, *paths)),
               'notebook2script.py, all new': fresh(folder, 'exp', ours), 'as installed, all new': fresh(folder, 'exp', command)}
        seconds = in_turn({'json.loads': start(folder, '-I', '-S', '-c', LOADS, *paths), **new, 'notebook2script.py, unchanged': ours,
                           'as installed, unchanged': command, 'nbdev': nbdev, 'jupytext': jupytext, 'nbconvert': nbconvert}, rounds=7)
        size = sum(Path(path).stat().st_size for path in paths) / 1e6
        helps = in_turn({'import of the same modules': start(folder, '-c', STANDARD), '--help': start(folder, str(ROOT/'notebook2script.py'), '--help')}, rounds=11)
    report('bench_converter', 'Exporting notebooks', f'40 generated notebooks, {size:.1f} MB, in a process of its own each time; ours and the bound with '
           '`python -I -S`, which the others cannot do without. As installed, the script itself need not be compiled:\n\n'
           + ratio_table(seconds, 'json.loads') + '\n\nNew modules are forced to the disk, which takes its time for the bare files too:\n\n'
           + ratio_table({name: seconds[name] for name in new}, 'json.loads, and 40 files written')
           + '\n\nThe start of the command line:\n\n' + ratio_table(helps, 'import of the same modules'))


if __name__ == '__main__': main()

"""Exporting notebooks: ours with every check on, beside the bare json.loads of the same files and other tools, also with star imports of
torch, numpy and matplotlib in every notebook; and 2,000 notebooks by name. `python bench/bench_converter.py`"""
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
STARS = '#export\nfrom torch import *\nfrom numpy import *\nfrom matplotlib.pyplot import *\ndef used(): return tensor, zeros, nn, arange, linspace, array, figure, subplots'
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


def corpus(folder, *extra):
    "40 notebooks in a new folder, each with the `extra` cells; their paths."
    rng = random.Random(0)
    folder.mkdir()
    (folder/'nbs').mkdir()
    for number in range(40):
        nb = notebook(number, rng)
        for i, source in enumerate([f'#| default_exp nb_{number:02}', *extra]):
            nb['cells'].insert(i, {'cell_type': 'code', 'metadata': {}, 'execution_count': None, 'outputs': [], 'id': f'd{i}', 'source': source})
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


def beside_others(folder):
    "Times of ours and of other tools, and the size of the corpus in MB."
    paths = corpus(folder)
    ours, command = start(folder, '-I', '-S', str(ROOT/'notebook2script.py'), '-q'), start(folder, '-I', '-S', '-c', COMMAND)
    nbdev = start(folder, '-c', 'from nbdev.export import nb_export\nimport sys\nfor path in sys.argv[1:]: nb_export(path, "lib")', *paths)
    jupytext = start(folder, '-m', 'jupytext', '--to', 'py:percent', '--quiet', *paths)
    nbconvert = start(folder, '-m', 'nbconvert', '--to', 'python', '--output-dir', 'scripts', '--log-level', 'ERROR', *paths)
    new = {'json.loads, and 40 files written': fresh(folder, 'exp', start(folder, '-I', '-S', '-c', SAVES, *paths)),
           'notebook2script.py, all new': fresh(folder, 'exp', ours), 'as installed, all new': fresh(folder, 'exp', command)}
    seconds = in_turn({'json.loads': start(folder, '-I', '-S', '-c', LOADS, *paths), **new, 'notebook2script.py, unchanged': ours,
                       'as installed, unchanged': command, 'nbdev': nbdev, 'jupytext': jupytext, 'nbconvert': nbconvert}, rounds=7)
    return seconds, new, sum(Path(path).stat().st_size for path in paths) / 1e6


def with_stars(folder):
    "Times where every notebook imports everything of three installed packages: both sides can see these, so without -S."
    paths = corpus(folder, STARS)
    ours, command = start(folder, '-I', str(ROOT/'notebook2script.py'), '-q'), start(folder, '-I', '-c', COMMAND)
    return in_turn({'json.loads': start(folder, '-I', '-c', LOADS, *paths), 'notebook2script.py, all new': fresh(folder, 'exp', ours),
                    'notebook2script.py, unchanged': ours, 'as installed, all new': fresh(folder, 'exp', command), 'as installed, unchanged': command}, rounds=9)


def by_name(folder):
    "Times of 2,000 small notebooks, unchanged: the folder, and each by its name."
    (folder/'nbs').mkdir(parents=True)
    cells = [{'cell_type': 'code', 'metadata': {}, 'execution_count': None, 'outputs': [], 'source': '#export\na = 1'}]
    for i in range(2_000): (folder/'nbs'/f'{i:04}_x.ipynb').write_text(json.dumps({'nbformat': 4, 'nbformat_minor': 4, 'metadata': {}, 'cells': cells}))
    whole = [str(ROOT/'notebook2script.py'), '-q']
    start(folder, '-I', '-S', *whole)()
    return in_turn({'the folder': start(folder, '-I', '-S', *whole), 'by name': start(folder, '-I', '-S', *whole, *sorted(map(str, (folder/'nbs').iterdir())))}, rounds=5)


def main():
    with tempfile.TemporaryDirectory() as name:
        seconds, new, size = beside_others(Path(name)/'plain')
        stars, named = with_stars(Path(name)/'stars'), by_name(Path(name)/'many')
        helps = in_turn({'import of the same modules': start(name, '-c', STANDARD), '--help': start(name, str(ROOT/'notebook2script.py'), '--help')}, rounds=11)
    report('bench_converter', 'Exporting notebooks', f'40 generated notebooks, {size:.1f} MB, in a process of its own each time; ours and the bound with '
           '`python -I -S`, which the others cannot do without. As installed, the script itself need not be compiled:\n\n'
           + ratio_table(seconds, 'json.loads') + '\n\nNew modules are forced to the disk, which takes its time for the bare files too:\n\n'
           + ratio_table({name: seconds[name] for name in new}, 'json.loads, and 40 files written')
           + '\n\nThe same notebooks with star imports of torch, numpy and matplotlib in each; both sides with `python -I`, which sees what is installed:\n\n'
           + ratio_table(stars, 'json.loads') + '\n\n2,000 small notebooks, unchanged:\n\n' + ratio_table(named, 'the folder')
           + '\n\nThe start of the command line:\n\n' + ratio_table(helps, 'import of the same modules'))


if __name__ == '__main__': main()

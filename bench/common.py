"""What the benchmarks share: functions measured in turn in one run, and the report that is written from them.

The machine's speed drifts while a benchmark runs, so no time stands alone: each round measures every candidate once, and a ratio is
the median over rounds of a candidate's time divided by the reference's time in the same round."""
import os, platform, re, statistics, time
from pathlib import Path

RESULTS = Path(__file__).with_name('RESULTS.md')


def in_turn(candidates, rounds=9, warmup=1):
    "`{name: [seconds, one per round]}` of the functions in `candidates`; every other round goes through them backwards."
    seconds = {name: [] for name in candidates}
    for i in range(-warmup, rounds):
        for name in list(candidates)[::1 if i % 2 else -1]:
            start = time.perf_counter()
            candidates[name]()
            if i >= 0: seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds, name, reference):
    "The median over rounds of `name`'s time as a multiple of the `reference`'s."
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[reference], strict=True))


def table(header, rows):
    "A Markdown table; numbers are shown with two decimals."
    cells = [[f'{x:.2f}' if isinstance(x, float) else str(x) for x in row] for row in rows]
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in [header, ['---'] * len(header), *cells])


def ratio_table(seconds, reference):
    "One row per candidate: its median milliseconds and its ratio to the `reference`."
    rows = [(name, f'{statistics.median(t)*1e3:.3g}', ratio(seconds, name, reference)) for name, t in seconds.items()]
    return table(['', 'median ms', f'times {reference}'], rows)


def machine():
    "One line about where a figure was measured."
    import torch
    cpu = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').exists():
        cpu = re.search(r'model name\s*:\s*(.*)', Path('/proc/cpuinfo').read_text())[1].strip()
    return f'{cpu}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}'


def report(name, title, text):
    "Print section `name` and put it into RESULTS.md, in the place of the former one, with the machine and the command."
    section = f'## {title}\n\n{text}\n\n`python bench/{name}.py` · {machine()}\n'
    marked = f'<!-- {name} -->\n{section}<!-- end {name} -->\n'
    old = RESULTS.read_text('utf8') if RESULTS.exists() else '# Measured\n\nWritten by the scripts beside it; `make bench` runs them all.\n'
    pattern = re.compile(rf'<!-- {name} -->\n.*?<!-- end {name} -->\n', re.S)
    new = pattern.sub(lambda _: marked, old) if pattern.search(old) else f'{old}\n{marked}'
    RESULTS.write_text(new, 'utf8')
    print(section)

"""What the benchmarks share: functions measured in turn in one run, and the report that is written from them.

The rule, which stands at the top of RESULTS.md too: the machine's speed drifts while a benchmark runs, so no time stands alone. Each
round measures every candidate once; a ratio is the median, over rounds, of a candidate's time divided by the reference's time in the
same round, and its quartiles and the number of rounds stand beside it. Of times in seconds only the reference's median is shown.

A machine that does other things, or ratios that scatter widely, give no table: `ANYWAY=1` writes it all the same, with the reason."""
import math, os, platform, re, statistics, sys, time
from pathlib import Path

RESULTS = Path(__file__).with_name('RESULTS.md')
HEADER = """# Measured

Written by the scripts beside it; `make bench` runs them all. In each round every candidate is measured once. A ratio is the median, over
the rounds, of a candidate's time divided by the reference's time in the same round; its quartiles stand in brackets, the number of rounds
above. Of times in seconds only the reference's median is shown: medians of different candidates come from different rounds, and their
quotient is another number. A ratio without quartiles comes from a run that did not keep them.
"""
BUSY, WIDE = .1, .1                # the share of all cores that others may take; quartiles' distance over the root of the rounds, as a share of the median
doubts = []                        # why what this process has measured should not be published


def in_turn(candidates, rounds=9, warmup=1):
    "`{name: [seconds, one per round]}` of the functions in `candidates`; every other round goes through them backwards."
    seconds = {name: [] for name in candidates}
    for i in range(-warmup, rounds):
        for name in list(candidates)[::1 if i % 2 else -1]:
            start = time.perf_counter()
            candidates[name]()
            if i >= 0: seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(seconds, name, reference):
    "(lower quartile, median, upper quartile) over rounds of `name`'s time as a multiple of the `reference`'s."
    each = [a / b for a, b in zip(seconds[name], seconds[reference], strict=True)]
    return tuple(statistics.quantiles(each, n=4, method='inclusive')) if len(each) > 1 else (*each * 3,)


def ratio(seconds, name, reference):
    "The median over rounds of `name`'s time as a multiple of the `reference`'s."
    return ratios(seconds, name, reference)[1]


def times(seconds, name, reference):
    "The ratio in words, `1.02 (0.97 to 1.05)`; of the reference itself its median time. Quartiles too wide for so few rounds raise a doubt."
    if name == reference:
        median = statistics.median(seconds[name])
        return f'1 = {median:.3g} s' if median >= 1 else f'1 = {median*1e3:.3g} ms'
    low, median, high = ratios(seconds, name, reference)
    if (high - low) / math.sqrt(len(seconds[name])) > WIDE * median: doubts.append(f'{name}, times {reference}: the quartiles of {median:.2f} are {low:.2f} and {high:.2f}')
    return f'{median:.2f} ({low:.2f} to {high:.2f})'


def table(header, rows):
    "A Markdown table; numbers are shown with two decimals."
    cells = [[f'{x:.2f}' if isinstance(x, float) else str(x) for x in row] for row in rows]
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in [header, ['---'] * len(header), *cells])


def ratio_table(seconds, *references):
    "One row per candidate: its ratio to each of the `references`, with quartiles."
    rows = [(name, *(times(seconds, name, reference) for reference in references)) for name in seconds]
    rounds = len(seconds[references[0]])
    return table([f'{rounds} rounds', *(f'times {reference}' for reference in references)], rows)


def work():
    """(seconds in which anybody computed, all cores together, those in which this process and its finished children did, the time);
    None where nobody counts the first."""
    stat = Path('/proc/stat')
    if not stat.exists(): return None
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.read_text().split('\n')[0].split()[1:9])
    own = os.times()
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK'), sum(own[:4]), time.perf_counter()


def others(before, after):
    "The share of all cores that others have used between two answers of `work()`."
    if not before or not after: return 0.
    everybody, own, passed = (b - a for a, b in zip(before, after, strict=True))
    return max(everybody - own, 0) / (passed * os.cpu_count())


START = work()


def machine():
    "One line about where a figure was measured."
    import torch
    cpu = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').exists():
        cpu = re.search(r'model name\s*:\s*(.*)', Path('/proc/cpuinfo').read_text())[1].strip()
    return f'{cpu}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, torch {torch.__version__}'


def report(name, title, text):
    """Print section `name` and put it into RESULTS.md, in the place of the former one, with the machine and the command. Where the
    figures are doubtful the file stays as it is and the exit status is 1, unless the environment has ANYWAY."""
    share, why = others(START, work()), list(doubts)
    if share > BUSY: why.insert(0, f'other processes have used {share:.0%} of the cores')
    section = f'## {title}\n\n{text}\n\n'
    if why: section += 'Measured in spite of doubts. ' + '; '.join(why) + '.\n\n'
    section += f'`python bench/{name}.py` · {machine()}\n'
    print(section)
    if why and not os.environ.get('ANYWAY'): sys.exit(f'Not written to {RESULTS.name}: ' + '\n    '.join(['', *why]) + '\nOn a quiet machine again, or with ANYWAY=1.')
    marked = f'<!-- {name} -->\n{section}<!-- end {name} -->\n'
    old = RESULTS.read_text('utf8') if RESULTS.exists() else ''
    sections = HEADER + '\n' + old[old.index('<!-- '):] if '<!-- ' in old else HEADER
    pattern = re.compile(rf'<!-- {name} -->\n.*?<!-- end {name} -->\n', re.S)
    new = pattern.sub(lambda _: marked, sections) if pattern.search(sections) else f'{sections}\n{marked}'
    RESULTS.write_text(new, 'utf8')

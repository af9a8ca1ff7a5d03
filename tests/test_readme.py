"What the README and CONTRIBUTING.md say is so: examples give what they show, commands and links exist, and what can be counted is counted."
import json, math, re, subprocess, sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT/'README.md').read_text(encoding='utf-8')
CONTRIBUTING = (ROOT/'CONTRIBUTING.md').read_text(encoding='utf-8')
EXAMPLES = re.findall(r'^```python\n(.*?)^```\n\s*^```text\n(.*?)^```$', README, re.MULTILINE | re.DOTALL)


def test_the_examples_give_what_stands_below_them():
    assert EXAMPLES
    for example, want in EXAMPLES:
        done = subprocess.run([sys.executable, '-c', example], cwd=ROOT, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (want, '')


def test_every_python_example_shows_what_it_gives():
    assert len(re.findall('^```python$', README, re.MULTILINE)) == len(EXAMPLES)


def test_every_make_command_exists():
    code = ' '.join(re.findall(r'```.*?```|`[^`\n]+`', README + CONTRIBUTING, re.DOTALL))
    named = set(re.findall(r'\bmake ([a-z]+)', code))
    targets = set(re.findall(r'^([a-z]+):', (ROOT/'Makefile').read_text(encoding='utf-8'), re.MULTILINE))
    assert {'run', 'test'} <= named <= targets


def test_every_link_into_the_project_leads_somewhere():
    links = [link for link in re.findall(r'\]\(([^)\s#]+)', README + CONTRIBUTING) if '://' not in link]
    assert links and [link for link in links if not (ROOT/link).exists()] == []


def lesson(path):
    "(words of prose, code cells, exercises, numbers of the lessons it imports) of a notebook."
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    prose = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'markdown']
    code = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code']
    exercises = re.findall(r'(?m)^\*\*(\d+)\.', '\n'.join(prose).split('## Exercises')[-1])
    return sum(len(text.split()) for text in prose), len(code), len(set(exercises)), set(re.findall(r'\b(?:from|import) exp\.nb_(\d+[a-z]?)', '\n'.join(code)))


LESSONS = {path.stem: lesson(path) for path in sorted((ROOT/'nbs').glob('[0-9]*.ipynb'))}
ROWS = {stem: (after, hours) for stem, after, hours in re.findall(r'^\| \[[^\]]+\]\(nbs/(\w+)\.ipynb\) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$', README, re.MULTILINE)}


def halves(hours): return 2*int(hours.strip('½') or 0) + ('½' in hours)


def test_the_table_has_every_lesson_and_the_hours_are_the_estimate_that_it_names():
    estimates = {stem: (words / 150 + code + 15*exercises) / 30 for stem, (words, code, exercises, _) in LESSONS.items()}
    written = {stem: halves(hours) for stem, (_, hours) in ROWS.items()}
    assert written.keys() == estimates.keys()
    assert {stem: n for stem, n in written.items() if abs(n - estimates[stem]) > 1.2} == {}             # a paragraph more is no other figure
    assert halves(re.search('exercise; (\\S+) in all', README)[1]) == sum(written.values())


def test_a_lesson_imports_only_what_comes_before_it_in_the_table():
    needs = {}
    for stem, (after, _) in ROWS.items():
        number, direct = stem.split('_')[0], set(re.findall(r'\b\d\d[a-z]?\b', after))
        needs[number] = direct.union({'00'}, *(needs[n] for n in direct))
        assert LESSONS[stem][3] <= needs[number], f'{stem} imports {LESSONS[stem][3] - needs[number]}'


def test_the_exercises_are_counted():
    counts = [exercises for _, _, exercises, _ in LESSONS.values()]
    words = 'zero one two three four five six seven eight nine'.split()
    assert f'{sum(counts)} exercises, {words[min(counts)]} to {words[max(counts)]} in each lesson' in README


def test_the_figure_on_the_first_screen_is_the_one_saved_in_the_milestone():
    cells = json.loads((ROOT/'nbs'/'06a_milestone.ipynb').read_text(encoding='utf-8'))['cells']
    table = next(text for cell in cells for output in cell.get('outputs', []) if 'at least' in (text := ''.join(output.get('text', ''))))
    right = float(re.search(r'^right +\S+ +(\S+)', table, re.MULTILINE)[1])
    assert f'**{right:.1%}**'.replace('%', ' %') in README and 'epochs=4' in ''.join(''.join(cell['source']) for cell in cells)


def test_the_picture_is_small_said_in_words_and_can_be_drawn_from_the_saved_outputs(tmp_path):
    (words, link), = re.findall(r'!\[(.*?)\]\((.*?)\)', README)
    assert len(words) > 100 and (ROOT/link).stat().st_size < 150_000
    sys.path.insert(0, str(ROOT/'pictures'))
    import strip
    strip.main(tmp_path/'again.png')
    from PIL import Image
    assert Image.open(tmp_path/'again.png').size == Image.open(ROOT/link).size


def test_versions_and_hooks_are_those_of_the_files():
    setup = (ROOT/'setup.py').read_text(encoding='utf-8')
    minors = [int(m) for m in re.findall(r"Python :: 3\.(\d+)'", setup)]
    assert README.count(f'Python 3.{min(minors)} to 3.{max(minors)}') == 2 and f"torch from {re.search('torch>=([0-9.]+)', setup)[1]} on" in README
    pin = re.search('^torch==(.*)$', (ROOT/'constraints.txt').read_text(encoding='utf-8'), re.MULTILINE)[1]
    assert set(re.findall(r'torch==([\d.]+\d)', README)) == {pin} and f'no torch {pin.rsplit(".", 1)[0]} at all.' in README
    named = set(re.findall(r'\bnotebook2script(?:-\w+)?(?=[},])', re.search(r'hooks: .*', README)[0]))
    assert named and named <= set(re.findall(r'- id: (\S+)', (ROOT/'.pre-commit-hooks.yaml').read_text(encoding='utf-8')))


def test_the_modules_named_to_engineers_hold_what_is_named():
    import importlib
    named = re.search(r'It can be used without them: (.*?) A backward pass by hand', ' '.join(README.split()))[1]
    assert len(re.findall(r'`nb_\w+`', named)) > 10
    for module, names in re.findall(r'`(nb_\w+)`([^`]*(?:`(?!nb_)[^`]+`[^`]*)+)', named):
        for name in re.findall(r'`(\w+)`', names): assert hasattr(importlib.import_module(f'exp.{module}'), name), f'{module} has no {name}'


def test_what_the_shortest_way_leaves_out_is_not_needed_on_it():
    after = {stem.split('_')[0]: re.findall(r'\b\d\d[a-z]?\b', text) for stem, (text, _) in ROWS.items()}
    way, todo = set(), ['17a']
    while todo:
        way.add(number := todo.pop())
        todo += after[number]
    out = set(re.search(r'17a leaves out (.*?)\.', ' '.join(README.split()))[1].replace('10 to 13a', '10, 11, 12, 12a, 13, 13a').replace(' and', ',').split(', '))
    assert out == set(after) - way


def test_the_check_of_a_workbook_says_what_is_shown():
    sys.path.insert(0, str(ROOT))
    from workbook_check import check
    answer = '    def backward(self, g=1.):\n        pred, targ = self.kept()\n        return (pred - targ) * (2*g / len(pred))'
    assert f"```\n{check('nb_02', 'Mse.backward', answer).said}\n```" in README


def test_what_became_of_a_hundred_answers_by_others_is_what_the_file_says():
    given = [answer for answer in json.loads((ROOT/'tests'/'mutants'/'outsiders.json').read_text(encoding='utf-8')) if answer['round'] == 2]
    counts, words = Counter(answer['verdict'] for answer in given), ' '.join(README.split())
    said = re.search(r'known mistakes (\d+) were told theirs, (\d+) one near it and (\d+) another; (\d+) were told what failed and nothing more, and (\d+) passed', words)
    assert [*map(int, said.groups())] == [counts[verdict] for verdict in ('right', 'half', 'wrong', 'none', 'passed')]
    right = Counter(answer['module'] for answer in given if answer['verdict'] == 'right')
    few = sorted(right[module] for module in {answer['module'] for answer in given} - {'nb_02', 'nb_04'})
    said = re.search(r'(\d+) of 20 for lesson 02, (\d+) for 04, which have some three hundred, and (\d+) to (\d+) for those that have fewer', words)
    assert [right['nb_02'], right['nb_04'], few[0], few[-1]] == [*map(int, said.groups())]

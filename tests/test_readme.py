"What the README says is so: its example gives what it shows, its commands and its links exist."
import re, subprocess, sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT/'README.md').read_text(encoding='utf-8')
EXAMPLES = re.findall(r'^```python\n(.*?)^```\n\s*^```text\n(.*?)^```$', README, re.MULTILINE | re.DOTALL)


def test_the_examples_give_what_stands_below_them():
    assert EXAMPLES
    for example, want in EXAMPLES:
        done = subprocess.run([sys.executable, '-c', example], cwd=ROOT, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == (want, '')


def test_every_python_example_shows_what_it_gives():
    assert len(re.findall('^```python$', README, re.MULTILINE)) == len(EXAMPLES)


def test_every_make_command_exists():
    code = ' '.join(re.findall(r'```.*?```|`[^`\n]+`', README, re.DOTALL))
    named = set(re.findall(r'\bmake ([a-z]+)', code))
    targets = set(re.findall(r'^([a-z]+):', (ROOT/'Makefile').read_text(encoding='utf-8'), re.MULTILINE))
    assert {'run', 'test'} <= named <= targets


def test_every_link_into_the_project_leads_somewhere():
    links = [link for link in re.findall(r'\]\(([^)\s#]+)', README) if '://' not in link]
    assert links and [link for link in links if not (ROOT/link).exists()] == []

"""Grades a folder of filled workbooks: each answer in a room of its own, all of them to two tables and a page.

    python workbook.py --grade FOLDER              the workbooks in FOLDER and in the folders below it
    python workbook.py --grade FOLDER --again      from the beginning; without it what was graded before is not run again
    python workbook.py 03 --format nbgrader        an assignment for nbgrader instead: --help with it says more

FOLDER/grades/ then has grades.html, grades.csv (a line for each workbook) and answers.csv (a line for each definition).
A reader's name is the one in the notebook's metadata (`authors`), or else the folder's or the file's.

An answer is a program that somebody else has written. On Linux (5.14 or later) it is run by a process that sees Python's
files, read-only, the tests, and nothing else of this machine: no solution, no network, no other process. It may compute
for --limit seconds, and take --memory megabytes, 64 processes, 256 open files, 256 MB of a disk in memory. These walls are
tried before the first answer. Where they cannot be had (macOS, containers that forbid them, Ubuntu unless as root), nothing
is graded unless you say --trust: then an answer can read and change what you can, and only the limits hold that the
system has. Under Windows use WSL. No filter of system calls is set: a hole in Linux itself is a hole here.

The words of an error that an answer raises are its own affair: `an error in its own words` then stands beside `right`.

An answer runs in the process of its tests and could try to deceive them. What no lesson needs (os, eval, open, __globals__)
is not run but marked `not graded`, for you to look at; so is an answer after which tests pass that must fail, or the
functions by which tests compare are others. What remains: an answer that recognises the tests' inputs and returns what
they expect, one that was copied, and somebody who knows Python better than these checks. Nothing of this harms more than
one mark."""
import argparse, ast, collections, csv, hashlib, json, os, re, sys, threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import workbook
from workbook_house import EMPTY, OPEN, RIGHT, WRONG, House, Refused, judge, try_walls
from workbook_sieve import doubts, imports

ROOT = Path(__file__).resolve().parent
LONGEST = 20_000                                             # letters of an answer
LARGEST = 20 << 20                                           # bytes of a notebook
NO_PROGRAM = SyntaxError, RecursionError, MemoryError, ValueError


@dataclass
class Submission:
    "One file: whose it is, of which lesson, and the source of each definition that was left to the reader."
    reader: str
    file: str
    lesson: str = ''
    module: str = ''
    answers: dict = field(default_factory=dict)
    problem: str = ''
    verdicts: dict = field(default_factory=dict)             # name -> (verdict, why, first failing test)


# Read: files -> answers, without running anything

def collect(folder):
    "The workbooks of a folder and those below it; what is no file of its own is left out."
    paths = sorted(path for path in Path(folder).rglob('*.ipynb') if '.ipynb_checkpoints' not in path.parts)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def read(path, folder):
    "A Submission, with a `problem` where it cannot be read."
    found = Submission('', path.relative_to(folder).as_posix())
    try:
        if path.stat().st_size > LARGEST: raise ValueError(f'has more than {LARGEST >> 20} MB')
        notebook = json.loads(path.read_text(encoding='utf-8-sig'))
        told = notebook['metadata']['exp']
        names, answers = [hole.name for hole in workbook.holes(told['module'])], workbook.answers_in(notebook)
        found.lesson, found.module = str(told['workbook'])[:80], told['module']
        if found.module != f'nb_{found.lesson.split("_")[0]}': raise ValueError(f'{found.module} is not the module of {found.lesson}')
        found.answers = {name: answers.get(name, '') for name in names if name in told['holes']}
    except KeyError: found.problem = 'is no workbook'
    except (OSError, TypeError, AttributeError, *NO_PROGRAM) as error: found.problem = f'cannot be read: {str(error)[:200]}'
    found.reader = reader(notebook if 'notebook' in locals() else None, path, folder, found.lesson)
    return found


def reader(notebook, path, folder, lesson):
    "The name of the author in the metadata, else of the file without the lesson's, else of the file's folder."
    try: name = ', '.join(str(author['name']).strip() for author in notebook['metadata']['authors'])
    except (KeyError, TypeError): name = ''
    rest = re.sub(rf'^{re.escape(lesson)}|{re.escape(lesson)}$', '', path.stem).strip(' _-.')
    return ' '.join((name or rest or (path.parent.name if path.parent != Path(folder) else path.stem))[:80].split())


def apart(submissions):
    "Gives those of one lesson that have the same name their file's, too."
    count = collections.Counter((one.reader, one.lesson) for one in submissions)
    for one in submissions:
        if count[one.reader, one.lesson] > 1: one.reader += f' ({one.file})'


def even(submissions):
    "Gives all of one lesson the same holes: what one of them has lost, or never had, is empty there."
    for one in submissions:
        others = [other.answers for other in submissions if other.lesson == one.lesson and not other.problem]
        if not one.problem: one.answers = {name: one.answers.get(name, '') for name in dict.fromkeys(name for some in others for name in some)}


# Modules and their tests

class Module:
    "The module of a lesson: its definitions, what it imports, and the files that its tests load."
    def __init__(self, name):
        self.name, self.path = name, ROOT/'exp'/f'{name}.py'
        self.text = self.path.read_text(encoding='utf-8')
        self.tree = ast.parse(self.text)
        self.holes = [hole.name for hole in workbook.holes(name)]
        self.tests = {hole: workbook.tests_of_hole(name, hole) for hole in self.holes}
        self.files = self.needed()
        self.print = digest(self.text, self.files, [path.read_text(encoding='utf-8') for path in sorted(Path(__file__).parent.glob('workbook_*.py'))])

    def definition(self, name):
        "The solution's."
        body = self.tree
        for part in name.split('.'): body = next(node for node in body.body if getattr(node, 'name', None) == part)
        return body

    def needed(self):
        "The files that the tests load, but for the module itself: {name: text}."
        tests = ROOT/'tests'
        todo = [ROOT/name for name in {test.split('::')[0] for some in self.tests.values() for test in some}]
        todo += [path for path in (tests/'conftest.py', tests/'ops'/f'{self.name}.py', ROOT/'exp'/'__init__.py', self.path) if path.exists()]
        found = {}
        while todo:
            path = todo.pop()
            name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding='utf-8')
            if name in found: continue
            found[name] = text
            places = [folder/f'{module.replace(".", "/")}.py' for module in imports(ast.parse(text)) for folder in (ROOT, tests)]
            todo += [place for place in places if place.is_file()]
        found.pop(f'exp/{self.name}.py')
        return found


# All of them

def digest(*what): return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]


def tree(source):
    "An answer, which may be the indented text of a method, as a tree."
    return ast.parse(f'if 1:\n{source}' if source[:1] in (' ', '\t') else source)


class Grader:
    "Grades the answers to one module, each text once: what was graded is kept in a folder, in files that are whole or not there."
    def __init__(self, name, kept, args):
        self.module, self.kept, self.args, self.house, self.tests = Module(name), Path(kept), args, None, {}
        self.locks = collections.defaultdict(threading.Lock)

    def __enter__(self):
        self.house = House(ROOT, self.module, self.args.trust)
        if not self.args.trust: try_walls(self.house, ROOT)
        tests = sorted({test for some in self.module.tests.values() for test in some})
        said = self.once(digest('solution', tests), lambda: self.house.run({self.path: self.module.text}, tests, 6 * self.args.limit, self.args.memory))
        passed = {test for test, (outcome, _) in said['outcomes'].items() if outcome == 'passed'}
        self.tests = {hole: [test for test in some if test in passed] for hole, some in self.module.tests.items()}
        if not passed: raise Refused(f'{self.module.name}: the lesson\'s own text passes none of its tests here: {said["loaded"] or said["why"] or said["said"]}')
        self.used_to = {*said['broken']}
        return self

    def __exit__(self, *_): self.house.close()

    @property
    def path(self): return f'exp/{self.module.name}.py'

    def once(self, key, work):
        "What `work` gives, or gave before."
        path = self.kept/f'{digest(self.module.print, key, self.args.limit, self.args.memory)}.json'
        with self.locks[path]:                               # whoever has the same text waits, and reads
            try: return json.loads(path.read_text(encoding='utf-8'))
            except (FileNotFoundError, ValueError): found, part = work(), path.with_name(f'.{path.name}.part')
            part.write_text(json.dumps(found), encoding='utf-8')
            os.replace(part, path)
        return found

    def before(self, name, source):
        "The verdict on an answer that need not be run, or None."
        if not source.strip(): return EMPTY, 'is not in the workbook', ''
        if len(source) > LONGEST: return OPEN, f'has {len(source)} letters', ''
        try:
            if (why := workbook.unfit(name, source)) == workbook.EMPTY: return EMPTY, '', ''
            if why: return WRONG, why, ''
            found = doubts(tree(source), self.module.definition(name), self.module.tree)
            if found: return OPEN, 'uses what no answer needs: ' + ', '.join(found[:4]), ''
            ast.parse(workbook.with_answers(self.module.name, {name: source}))
        except NO_PROGRAM as error: return WRONG, f'does not parse: {str(error)[:200]}', ''

    def grade(self, name, source, beside=(), number=0):
        "(verdict, why, first failing test) of an answer; those `beside` it, of the same class, stand in where it and one of them fail alone."
        if done := self.before(name, source): return done
        if not self.tests.get(name): return OPEN, 'its tests do not run on this machine', ''
        verdict, why, failed, first, worded = self.tried(name, {name: source}, number)
        beside = {other: text for other, text in dict(beside).items() if other != name and not self.before(other, text)}
        others = verdict == WRONG and any(self.tried(other, {other: text}, number)[0] == WRONG for other, text in beside.items() if self.tests.get(other))
        if others and self.tried(name, {**beside, name: source}, number)[0] == RIGHT: return RIGHT, 'together with the other methods', ''
        if verdict == WRONG and not why and (likely := workbook.diagnose(self.module.name, name, failed, worded)): why = f'“{likely}”'
        return verdict, why, first

    def tried(self, name, answers, number):
        "What `judge` says of the tests of one definition on these answers."
        limit, memory, tests = self.args.limit, self.args.memory, self.tests[name]
        try: text = workbook.with_answers(self.module.name, answers)
        except NO_PROGRAM as error: return WRONG, f'does not parse: {error}', tests, '', []
        place = self.path, workbook.lines_of(text, name, answers)
        said = self.once(digest(ast.unparse(ast.parse(text)), name, tests), lambda: self.house.run({self.path: text}, tests, limit, memory, number, answer=place))
        said['broken'] = [place for place in said['broken'] if place not in self.used_to]
        return judge(said, tests, limit, memory)

    def all(self, submissions):
        "Yields each submission when its answers are graded."
        def one(number, submission):
            for name, source in submission.answers.items():
                group = {other: text for other, text in submission.answers.items() if '.' in name and other.split('.')[0] == name.split('.')[0]}
                submission.verdicts[name] = self.grade(name, source, group, number)
            return submission
        with ThreadPoolExecutor(self.args.jobs) as pool:
            waiting = [pool.submit(one, number, submission) for number, submission in enumerate(submissions)]
            try:
                for done in as_completed(waiting): yield done.result()
            finally: pool.shutdown(cancel_futures=True)


def grade_all(submissions, kept, args):
    "Yields each submission when it is graded; those that cannot be, at once."
    for name in sorted({one.module for one in submissions if not one.problem}):
        some = [one for one in submissions if one.module == name and not one.problem]
        with Grader(name, kept, args) as grader: yield from grader.all(some)
    yield from (one for one in submissions if one.problem)


# Tables and page

def plain(text):
    "For a table: a text that a spreadsheet would take for a formula gets a ' in front."
    return f"'{text}" if str(text)[:1] in tuple('=+-@\t\r') else text


def count(submission, verdict): return sum(kind == verdict for kind, _, _ in submission.verdicts.values())


def tables(submissions, out):
    "Writes grades.csv and answers.csv."
    kinds = RIGHT, WRONG, EMPTY, OPEN
    rows = [['reader', 'file', 'lesson', *kinds, 'of', 'problem']]
    rows += [[one.reader, one.file, one.lesson, *(count(one, kind) for kind in kinds), len(one.verdicts), one.problem] for one in submissions]
    more = [['reader', 'file', 'lesson', 'definition', 'verdict', 'why', 'first failing test']]
    more += [[one.reader, one.file, one.lesson, name, *verdict] for one in submissions for name, verdict in one.verdicts.items()]
    for name, lines in ('grades', rows), ('answers', more):
        with open(out/f'{name}.csv', 'w', encoding='utf-8', newline='', errors='backslashreplace') as file:
            csv.writer(file).writerows([plain(value) for value in line] for line in lines)


def mistakes(submissions):
    "What was most often wrong: (how often, definition, sentence, readers), the most frequent first."
    found = collections.defaultdict(list)
    for one in submissions:
        for name, (verdict, why, first) in one.verdicts.items():
            if verdict == WRONG: found[name, why or f'fails first: {first}'].append(one.reader)
    return sorted(((len(who), name, why, sorted(who)) for (name, why), who in found.items()), key=lambda row: (-row[0], *row[1:3]))


def page(submissions, walls):
    "The page of all verdicts, by lesson: definitions, mistakes, readers."
    from pages.lesson import fill
    lessons = []
    for lesson in sorted({one.lesson for one in submissions if not one.problem}):
        some = [one for one in submissions if one.lesson == lesson and not one.problem]
        names = list(dict.fromkeys(name for one in some for name in one.verdicts))
        wrong = mistakes(some)
        rows = [{'name': name, 'most': next(((often, why) for often, other, why, _ in wrong if other == name), None),
                 **{kind.replace(' ', '_'): sum(one.verdicts.get(name, ('',))[0] == kind for one in some) for kind in (RIGHT, WRONG, EMPTY, OPEN)}} for name in names]
        lessons.append({'lesson': lesson, 'names': names, 'readers': some, 'definitions': rows, 'mistakes': wrong[:20], 'more': max(0, len(wrong) - 20)})
    about = __doc__.split('\n\n')
    return fill('grades.html', title='Workbooks, graded', lessons=lessons, problems=[one for one in submissions if one.problem],
                count=count, walls=walls, about=about[3:])


# Command line

def run(args):
    "Grades a folder; returns the line that says what came of it. Raises Refused."
    folder, out = args.grade, args.out or args.grade/'grades'
    if not folder.is_dir(): raise Refused(f'{folder}: no such folder')
    submissions = [read(path, folder) for path in collect(folder) if not path.is_relative_to(out)]
    if not submissions: raise Refused(f'{folder}: no workbook in it, nor below it')
    apart(submissions)
    even(submissions)
    kept = out/'kept'
    kept.mkdir(parents=True, exist_ok=True)
    if args.again:
        for path in kept.glob('*.json'): path.unlink()
    steps = grade_all(submissions, kept, args)
    if sys.stdout.isatty():
        from fastprogress.fastprogress import progress_bar
        steps = progress_bar(steps, total=len(submissions), leave=False)
    for _ in steps: pass
    tables(submissions, out)
    (out/'grades.html').write_text(page(submissions, not args.trust), encoding='utf-8', errors='backslashreplace')
    counts = ', '.join(f'{sum(count(one, kind) for one in submissions)} {kind}' for kind in (RIGHT, WRONG, EMPTY, OPEN))
    unread = sum(bool(one.problem) for one in submissions)
    return f'{len(submissions)} workbooks: {counts}' + (f'; {unread} could not be read' if unread else '') + f'; page: {out/"grades.html"}'


def main(argv=None):
    "Exit status 0, or 2 where nothing was graded."
    if '--grade' not in ' '.join(sys.argv[1:] if argv is None else argv):
        from workbook_nbgrader import main as assign
        return assign(argv)
    parser = argparse.ArgumentParser(prog='python workbook.py', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--grade', type=Path, nargs='?', metavar='FOLDER')
    parser.add_argument('--out', type=Path, metavar='FOLDER', help='where the tables, the page and what is kept go (FOLDER/grades)')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), metavar='N', help='workbooks that are graded at a time (one for each core)')
    parser.add_argument('--limit', type=int, default=10, metavar='S', help='seconds that an answer may compute; it may wait six times as long (10)')
    parser.add_argument('--memory', type=int, default=2048, metavar='MB', help='memory that an answer may take (2048)')
    parser.add_argument('--again', action='store_true', help='grade again what was graded before')
    parser.add_argument('--trust', action='store_true', help='grade without walls, where the system has none')
    args = parser.parse_args(argv)
    if not args.grade: parser.error('--grade wants a folder')
    try: print(run(args))
    except (Refused, workbook.Unfit, OSError) as error: return print(error, file=sys.stderr) or 2
    except KeyboardInterrupt: return print('broken off: started again, it goes on where it was', file=sys.stderr) or 130
    return 0


if __name__ == '__main__': sys.exit(main())

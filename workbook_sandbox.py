"""The rooms in which a module's tests meet readers' answers, as seen from inside: workbook_house.py starts this as a process of its own.

Three kinds of process, each of which trusts the next one less. The *house* is started once for a module: it leaves the
system (its files, network and processes) for a view of its own, in which there is Python, read-only, and no solution;
it imports torch and pytest, and waits. For each answer it forks a *keeper*, which asks for one test after the other,
counts, and ends what takes too long or too much; and the keeper forks a *guest*, in which the answer is run."""
import json, os, secrets, select, shutil, signal, socket, sys, tempfile, time, traceback
from pathlib import Path

from workbook_walls import SCRATCH, TASKS, drop_rights, furnish, leave, limit, own_room, read_only
from workbook_words import OwnWords

SAID = 4 << 20                                               # bytes that an answer may print
WORDED = 'an error in its own words'


# Guest: pytest, asked for one test after the other

class Seal:
    "The functions and classes by which tests compare and pytest counts, as they were before the answer was loaded."
    WATCHED = ('builtins math operator json pytest _pytest pluggy unittest numpy numpy.testing torch torch._tensor torch.testing '
               'torch.nn.functional torch.linalg').split()

    def __init__(self):
        names = [name for name in sorted(sys.modules) if name in self.WATCHED or name.startswith(('_pytest.', 'pluggy.', 'torch.testing._comparison'))]
        places = {name: vars(sys.modules[name]) for name in names}
        classes = {f'{name}.{key}': vars(x) for name, place in places.items() for key, x in place.items() if isinstance(x, type)}
        self.places = places | classes
        self.before = {name: self.now(place) for name, place in self.places.items()}

    def now(self, place): return {key: (x, getattr(x, '__code__', None)) for key, x in [*place.items()] if callable(x) or hasattr(x, '__get__')}

    def broken(self):
        "The names that are others now."
        for name, place in self.places.items():
            now, before = self.now(place), self.before[name]
            yield from (f'{name}.{key}' for key, pair in before.items() if now.get(key, (None,))[0] is not pair[0] or now[key][1] is not pair[1])


class Asked:
    "Runs the tests that the keeper asks for, one by one, and says how each ended."
    def __init__(self, wire, words): self.wire, self.words = wire, words

    def say(self, *what): self.wire.write(json.dumps(what) + '\n'), self.wire.flush()

    def pytest_collection(self): self.seal = Seal()          # what belongs to pytest is in its place, and no answer is loaded

    def pytest_collectreport(self, report):
        if report.failed: self.say('loaded', str(getattr(report.longrepr, 'longrepr', report.longrepr))[-2000:])

    def pytest_runtestloop(self, session):
        items = {item.nodeid: item for item in session.items}
        self.say('loaded', '')
        for line in self.wire:
            token, name, following = json.loads(line)
            if name is None: return self.say(token, 'sealed', [*self.seal.broken()][:20]) or True
            self.say(token, *(self.run(items[name], items.get(following)) if name in items else ('missing', 'there is no such test any more')))
        return True

    def run(self, item, following):
        "passed, failed or skipped, and of the first report that is not `passed` the error in a line; else WORDED where one was the answer's own."
        from _pytest.runner import runtestprotocol
        self.words.heard = 0
        for report in runtestprotocol(item, nextitem=following, log=False):
            if report.outcome != 'passed': return report.outcome, self.error(report)
        return 'passed', WORDED if self.words.heard else ''

    def error(self, report):
        "The line of the test, and what was raised."
        crash, steps = getattr(report.longrepr, 'reprcrash', None), getattr(getattr(report.longrepr, 'reprtraceback', None), 'reprentries', [])
        lines = [line.strip() for step in steps for line in step.lines if step.reprfileloc and step.reprfileloc.path.startswith('tests') and line[:1] == ' ' and line.strip(' ^~')]
        return ' … '.join([*lines[-1:], crash.message.strip() if crash else str(report.longrepr)])[:600]


def visit(project, job, wire, warm):
    "Loads the tests, and with them the answer, and runs what is asked for; comes back when the keeper has heard enough."
    files, (path, lines) = sorted({name.split('::')[0] for name in job['tests']}), job['answer']
    words = OwnWords(Path(project, path), job['files'].get(path, ''), lines)
    os.chdir(project)
    sys.path.insert(0, project)
    if not warm: warm_up([])
    import pytest
    words.stand_in()
    quiet = ['-q', '-s', '--assert=plain', '-p', 'no:cacheprovider', '-p', 'no:faulthandler', '-W', 'ignore', '--tb=short', f'--rootdir={project}', f'--confcutdir={project}', '-c', os.devnull]
    pytest.main([*quiet, *files], plugins=[Asked(wire, words)])


def warm_up(names):
    "Imports what most tests need, before the answer can."
    import gc, importlib
    for name in ('pytest', *names):
        try: importlib.import_module(name)
        except ImportError: pass
    if torch := sys.modules.get('torch'): torch.set_num_threads(1)
    import pytest
    with tempfile.TemporaryDirectory() as empty: pytest.main(['-q', '-p', 'no:cacheprovider', f'--rootdir={empty}', empty])     # imports more
    gc.freeze()


def guest(job, wire, out, house):
    "Furnishes the room and runs the answer in a child: this process is the first of its kind, whose end is everybody's."
    os.setsid()
    project = house['project'] if house['walls'] else job['folder']
    if house['walls']: own_room(project)
    for name, text in {**house['files'], **job['files']}.items():
        place = Path(project, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding='utf-8')
    for name, target in house['links'].items(): os.symlink(target, Path(project, name))
    if house['walls']: read_only(project)
    else: os.environ |= {'HOME': project, 'TMPDIR': project}
    pid = os.fork()
    if pid:
        wire.close()
        for fd in range(3): os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os._exit(128 - status if status < 0 else status)
    for fd, target in (os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (out, 2): os.dup2(fd, target)
    limit(job['seconds'], job['memory'], house['tasks'])
    if house['walls']: drop_rights(job['number'])
    os.closerange(3, wire.fileno()), os.closerange(wire.fileno() + 1, 1024)
    visit(project, job, wire.makefile('rw', encoding='utf-8'), house['warm'])
    os._exit(0)


# Keeper

CANARIES = ['assert 1 == 2', 'import pytest; assert [1., 2.] == pytest.approx([1., 3.])', 'import pytest\n    with pytest.raises(ValueError): len("")',
            'import math; assert math.isclose(1, 2)', 'raise ValueError("a canary")']
WITH_TORCH = ['assert torch.equal(torch.ones(2), torch.zeros(2))', 'assert torch.allclose(torch.ones(2), torch.zeros(2))',
              'torch.testing.assert_close(torch.ones(2), torch.zeros(2))', 'assert torch.ones(2).tolist() == torch.zeros(2).tolist()']


def canaries(file, names):
    "Tests that must fail: their names, like those of the others, and their text; among tests that know torch some that ask torch."
    chosen, words, found = secrets.SystemRandom(), sorted({word for name in names for word in name.split('::')[1].split('[')[0].split('_')[1:]}), {}
    bodies = CANARIES + [f'import torch\n    {line}' for line in WITH_TORCH if 'torch' in sys.modules]
    for body in bodies: found['test_' + '_'.join(chosen.choices(words or ['it'], k=8)) + f'_{chosen.randrange(100)}'] = body
    text = ''.join(f'\n\ndef {name}():\n    {body}\n' for name, body in found.items())
    return chosen.sample([f'{file}::{name}' for name in found], len(found)), text


def mixed(tests, some):
    "The tests in their order, with the others at places that nobody can foresee: one of them last, when every test has had its effect."
    order, chosen, (*some, last) = [*tests], secrets.SystemRandom(), some
    for name in some: order.insert(chosen.randrange(len(order) + 1), name)
    return [*order, last]


class Count:
    "What the keeper knows: it asks for each test once, under a word that the guest hears only then, and believes nothing else."
    def __init__(self, order, canaries, send):
        self.order, self.canaries, self.send = [*order, None, None], {*canaries}, send
        self.token, self.loaded, self.outcomes, self.ended, self.forged, self.broken, self.said = None, None, {}, False, '', [], b''

    def hear(self, line):
        try: word, *rest = json.loads(line)
        except (ValueError, TypeError): return self.forge('wrote what is no answer to the one who counts')
        if self.token is None and word == 'loaded' and len(rest) == 1: return self.load(*rest)
        if word != self.token or self.token is None or self.ended: return self.forge('wrote a report of its own')
        name = self.order.pop(0)
        if name is None: self.ended, self.broken = True, rest[1]
        elif name in self.canaries and rest[0] == 'passed': self.forge('let a test pass that must fail')
        else:
            if name not in self.canaries: self.outcomes[name] = rest[:2]
            self.ask()

    def load(self, error):
        if self.loaded: return                               # once it was not, it is not
        self.loaded = error
        if not error: self.ask()

    def ask(self):
        self.token = secrets.token_hex(8)
        self.send(json.dumps([self.token, *self.order[:2]]) + '\n')

    def forge(self, how): self.forged = self.forged or how


def descendants(first):
    "How many processes a process and all that it has started are, and their bytes in memory."
    parents, sizes = {}, {}
    for entry in os.listdir('/proc'):
        if not entry.isdigit(): continue
        try: fields = Path('/proc', entry, 'stat').read_text().rsplit(')', 1)[1].split()
        except OSError: continue
        parents[int(entry)], sizes[int(entry)] = int(fields[1]), int(fields[21])
    def inside(pid):
        while pid and pid != first: pid = parents.get(pid)
        return pid == first
    found = [size for pid, size in sizes.items() if inside(pid)]
    return len(found), sum(found) * os.sysconf('SC_PAGE_SIZE')


def watch(pid, count, wire, out, line, job, house):
    "Listens until the guest has said all, or has to be ended; returns the reason, or ''."
    ends, said, heard = {wire: b'', out: b''}, 0, time.monotonic()
    while ends:
        ready, _, _ = select.select([*ends, line], [], [], .1)
        if time.monotonic() - heard > job['patience']: return 'time'
        processes, size = descendants(pid) if house['walls'] else (1, 0)
        if processes > TASKS // 2: return 'processes'
        if size > 3 * job['memory']: return 'memory'
        if line in ready: return 'nobody waits'
        for end in ready:
            data = os.read(end.fileno() if end is wire else end, 65536)
            if not data: ends.pop(end)
            elif end is out: said, count.said = said + len(data), (count.said + data)[-2000:]
            else:
                *lines, ends[wire] = (ends[wire] + data).split(b'\n')
                for text in lines: count.hear(text)
        if said > SAID: return 'output'
        if len(ends.get(wire, b'')) > 1 << 20: count.forge('wrote without end to the one who counts')
        if count.forged: return 'forged'
        if count.loaded: return 'loaded'
        if count.ended: return ''
    return ''


def keep(line, house):
    "One answer: reads the job from the `line`, has it run, and says how it ended."
    job, (wire, theirs), (out, printed) = json.loads(line.makefile().readline()), socket.socketpair(), os.pipe()
    file = job['tests'][0].split('::')[0]
    names, text = canaries(file, job['tests'])
    job['files'][file] = job['files'].get(file, house['files'].get(file, '')) + text
    order = mixed(job['tests'], names)
    if house['walls']: leave('processes')
    else: job['folder'] = tempfile.mkdtemp(prefix='workbook-')
    pid = os.fork()
    if pid == 0:
        try:
            wire.close(), line.close()
            guest(job, theirs, printed, house)
        except BaseException: os.write(2, traceback.format_exc().encode())
        os._exit(99)
    theirs.close(), os.close(printed)
    count = Count(order, names, lambda text: wire.sendall(text.encode()))
    try: why = watch(pid, count, wire, out, line, job, house)
    except OSError: why = ''                                 # it went away while it was asked
    status = end(pid, why)
    if not house['walls']: shutil.rmtree(job['folder'], ignore_errors=True)
    answer = {'outcomes': count.outcomes, 'loaded': count.loaded, 'ended': count.ended, 'forged': count.forged,
              'broken': count.broken, 'why': why, 'status': status, 'said': count.said.decode(errors='replace')}
    line.sendall(json.dumps(answer).encode() + b'\n')


def end(pid, why):
    "Ends the guest and all that it started; returns its exit status, that of a signal as 128 and more."
    if not why:
        patience = time.monotonic() + 5
        while time.monotonic() < patience:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done: break
            time.sleep(.005)
    for kill, target in (os.killpg, pid), (os.kill, pid):
        try: kill(target, signal.SIGKILL)
        except OSError: pass
    try: return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError: return os.waitstatus_to_exitcode(status)


# House

def settle(house):
    "Leaves the system, in a child, since a new world of processes begins with a child; comes back in that child only."
    leave('mount', 'uts', 'ipc', 'processes', 'network')
    pid = os.fork()
    if pid: os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
    os.environ |= {'HOME': SCRATCH, 'TMPDIR': SCRATCH}
    furnish(house['shown'], house['hidden'], house['project'])


def serve():
    "Serves until the one who started it goes away; every byte on the line brings along the end of another, on which a job comes."
    control = socket.socket(fileno=os.dup(0))
    with control.makefile() as reader: house = json.loads(reader.readline())
    sys.path[:] = house['path']
    try:
        if house['walls']: settle(house)
        if house['warm']: warm_up(house['imports'])
    except Exception as error: return control.sendall(json.dumps({'refused': str(error)}).encode() + b'\n')
    control.sendall(b'{}\n')
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        byte, ends, _, _ = socket.recv_fds(control, 1, 1)
        if not byte: return
        line = socket.socket(fileno=ends[0])
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            try: keep(line, house)
            except BaseException: line.sendall(json.dumps({'fault': traceback.format_exc()}).encode() + b'\n')
            os._exit(0)
        line.close()

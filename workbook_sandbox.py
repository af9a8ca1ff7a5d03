"""A room with walls, in which a module's tests meet one reader's answer: started by workbook_grade.py, not by hand.

Three kinds of process, each of which trusts the next one less. The *house* is started once for a module: it leaves the
system (its files, network and processes) for a view of its own, in which there is Python, read-only, and no solution;
it imports torch and pytest, and waits. For each answer it forks a *keeper*, which asks for one test after the other,
counts, and ends what takes too long or too much; and the keeper forks a *guest*, in which the answer is run."""
import ctypes, json, os, platform, secrets, select, shutil, signal, socket, sys, tempfile, time, traceback
from pathlib import Path

NEW = {'mount': 0x20000, 'uts': 0x4000000, 'ipc': 0x8000000, 'users': 0x10000000, 'processes': 0x20000000, 'network': 0x40000000}
NOSUID, NODEV, NOEXEC, BIND, RECURSIVE, PRIVATE, READ_ONLY = 2, 4, 8, 4096, 16384, 1 << 18, 1
PIVOT_ROOT = {'x86_64': 155, 'aarch64': 41}
MOUNT_SETATTR = 442                                          # Linux 5.12: the same number on every processor
SYSTEM = '/usr', '/lib', '/lib32', '/lib64', '/bin', '/sbin', '/nix/store', '/etc/ld.so.cache', '/etc/localtime'
NOBODY = 4_000_000                                           # and up: users that no system has, one for each keeper of root's
SCRATCH = '/scratch'                                         # home and temporary files: in /tmp a virtual environment may lie
TASKS, DESCRIPTORS, DISK = 64, 256, 256 << 20                # of one guest: processes and threads, open files, bytes
SAID = 4 << 20                                               # bytes that an answer may print


# Walls

def call(name, *arguments):
    "Calls a function of the C library. Raises OSError."
    arguments = [a.encode() if isinstance(a, str) else a for a in arguments]
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f'{name}: {os.strerror(error)}')


def mount(source, place, kind=None, flags=0, options=None):
    call('mount', source, str(place), kind, ctypes.c_ulong(flags), options)


def leave(*kinds):
    "Leaves the system's namespaces of these kinds for new ones. Who is not root may do so as the user of a new one."
    uid, gid = os.getuid(), os.getgid()
    call('unshare', sum(NEW[kind] for kind in kinds) + (NEW['users'] if uid else 0))
    for name, text in [('setgroups', 'deny'), ('uid_map', f'{uid} {uid} 1'), ('gid_map', f'{gid} {gid} 1')] if uid else []:
        Path('/proc/self', name).write_text(text)


def furnish(shown, hidden, project):
    "Makes a new root in memory: the folders `shown`, read-only, but for those `hidden`; the old one is let go."
    mount(None, '/', None, RECURSIVE | PRIVATE)
    wanted = {(Path(place), os.path.realpath(place)) for path in shown for place in (path, os.path.realpath(path)) if os.path.exists(path)}
    wanted |= {(Path(path), None) for path in hidden}
    mount('tmpfs', '/tmp', 'tmpfs', NOSUID | NODEV, 'mode=755,size=4m')
    os.mkdir('/tmp/old')
    call('syscall', PIVOT_ROOT[platform.machine()], '/tmp', '/tmp/old')
    os.chdir('/')
    for place, source in sorted(wanted, key=lambda pair: pair[0].parts): put(place, source)
    for name in 'null', 'zero', 'full', 'random', 'urandom': put(Path('/dev', name), f'/dev/{name}')
    for place in project, SCRATCH, '/dev/shm', '/proc': os.makedirs(place, exist_ok=True)
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY | NOSUID, 0, 0, 0)
    call('syscall', MOUNT_SETATTR, -100, '/', 0x8000, attributes, ctypes.c_size_t(32))
    mount('proc', '/proc', 'proc', NOSUID | NODEV | NOEXEC)   # allowed to users only where another can still be seen
    mount('tmpfs', SCRATCH, 'tmpfs', NOSUID | NODEV, 'mode=755,size=64m')     # for the house: each guest gets its own
    call('umount2', '/old', 2)                               # at once, whatever is busy


def put(place, source):
    "Shows the old root's `source` at `place`, or an empty folder."
    folder = source is None or os.path.isdir(f'/old{source}')
    if not place.exists():
        (place if folder else place.parent).mkdir(parents=True, exist_ok=True)
        if not folder: place.touch()
    if source is None: mount('tmpfs', place, 'tmpfs', NOSUID | NODEV, 'mode=755,size=1m')
    else: mount(f'/old{source}', place, None, BIND | RECURSIVE)


def own_room(project):
    "What a guest may write to: its copy of the project, and folders for temporary files, in memory."
    call('unshare', NEW['mount'] | NEW['ipc'])
    for place, mode in (project, '755'), (SCRATCH, '1777'), ('/dev/shm', '1777'):
        mount('tmpfs', place, 'tmpfs', NOSUID | NODEV, f'mode={mode},size={DISK},nr_inodes=20000')
    mount('proc', '/proc', 'proc', NOSUID | NODEV | NOEXEC)


def drop_rights(number):
    "From here on nothing that this process starts can win a right back."
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(*[NOBODY + number] * 3)
        os.setresuid(*[NOBODY + number] * 3)
    call('prctl', 38, 1, 0, 0, 0)                            # no new privileges
    call('capset', (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def limit(seconds, memory, tasks):
    "The limits that every Unix has; what it refuses is left out."
    import resource
    try: memory += int(Path('/proc/self/statm').read_text().split()[0]) * os.sysconf('SC_PAGE_SIZE')
    except OSError: memory *= 4                              # no /proc: what torch has mapped is not known
    limits = {'CPU': seconds, 'AS': memory, 'FSIZE': DISK, 'NOFILE': DESCRIPTORS, 'CORE': 0, 'NPROC': tasks}
    for name, value in limits.items():
        try: resource.setrlimit(getattr(resource, f'RLIMIT_{name}'), (value, value + (name == 'CPU')))
        except (AttributeError, ValueError, OSError): pass


# Guest: pytest, asked for one test after the other

class Seal:
    "The functions and classes by which tests compare and pytest counts, as they were before the answer was loaded."
    WATCHED = ('builtins math operator json pytest _pytest pluggy unittest numpy numpy.testing torch torch._tensor torch.testing '
               'torch.nn.functional torch.linalg').split()

    def __init__(self):
        names = [name for name in sys.modules if name in self.WATCHED or name.startswith(('_pytest.', 'pluggy.', 'torch.testing._comparison'))]
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
    def __init__(self, wire): self.wire = wire

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
        "passed, failed or skipped, and of the first report that is not `passed` the error in a line."
        from _pytest.runner import runtestprotocol
        for report in runtestprotocol(item, nextitem=following, log=False):
            if report.outcome != 'passed': return report.outcome, self.error(report)
        return 'passed', ''

    def error(self, report):
        "The line of the test, and what was raised."
        crash, steps = getattr(report.longrepr, 'reprcrash', None), getattr(getattr(report.longrepr, 'reprtraceback', None), 'reprentries', [])
        lines = [line.strip() for step in steps for line in step.lines if step.reprfileloc and step.reprfileloc.path.startswith('tests') and line[:1] == ' ' and line.strip(' ^~')]
        return ' … '.join([*lines[-1:], crash.message.strip() if crash else str(report.longrepr)])[:600]


def visit(project, files, wire, warm):
    "Loads the tests, and with them the answer, and runs what is asked for; comes back when the keeper has heard enough."
    os.chdir(project)
    sys.path.insert(0, project)
    if not warm: warm_up([])
    import pytest
    quiet = ['-q', '-s', '--assert=plain', '-p', 'no:cacheprovider', '-p', 'no:faulthandler', '-W', 'ignore', '--tb=short', f'--rootdir={project}', '-c', os.devnull]
    pytest.main([*quiet, *files], plugins=[Asked(wire)])


def warm_up(names):
    "Imports what most tests need, before the answer can."
    import gc, importlib
    for name in ('pytest', *names):
        try: importlib.import_module(name)
        except ImportError: pass
    if torch := sys.modules.get('torch'): torch.set_num_threads(1)
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
    if house['walls']: mount(None, project, None, 32 | READ_ONLY | NOSUID | NODEV)
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
    visit(project, sorted({name.split('::')[0] for name in job['tests']}), wire.makefile('rw', encoding='utf-8'), house['warm'])
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
    return [f'{file}::{name}' for name in found], text


def mixed(tests, some):
    "The tests in their order, with the others at places that nobody can foresee."
    order, chosen = [*tests], secrets.SystemRandom()
    for name in some: order.insert(chosen.randrange(len(order) + 1), name)
    return order


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
    count = Count(order, names, lambda text: wire.sendall(text.encode(), socket.MSG_NOSIGNAL))
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


def main():
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


if __name__ == '__main__': main()

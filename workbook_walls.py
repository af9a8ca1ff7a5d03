"""The walls around an answer: what Linux (5.14 or later) takes from a process, so that it sees and changes nothing else of the machine.

Who is root needs no more than namespaces, and gives his rights away; who is not gets a namespace of users first, in which he may make
the others. There is no filter of system calls."""
import contextlib, ctypes, os, platform
from pathlib import Path

NEW = {'mount': 0x20000, 'uts': 0x4000000, 'ipc': 0x8000000, 'users': 0x10000000, 'processes': 0x20000000, 'network': 0x40000000}
NOSUID, NODEV, NOEXEC, BIND, RECURSIVE, PRIVATE, READ_ONLY, REMOUNT = 2, 4, 8, 4096, 16384, 1 << 18, 1, 32
PIVOT_ROOT, KEYCTL = {'x86_64': 155, 'aarch64': 41}, {'x86_64': 250, 'aarch64': 219}
MOUNT_SETATTR = 442                                          # Linux 5.12: the same number on every processor
SYSTEM = '/usr', '/lib', '/lib32', '/lib64', '/bin', '/sbin', '/nix/store', '/etc/ld.so.cache', '/etc/localtime'
NOBODY = 4_000_000                                           # and up: users that no system has, one for each keeper of root's
SCRATCH = '/scratch'                                         # home and temporary files: in /tmp a virtual environment may lie
TASKS, DESCRIPTORS, DISK = 64, 256, 256 << 20                # of one guest: processes and threads, open files, bytes


def call(name, *arguments):
    "Calls a function of the C library. Raises OSError."
    arguments = [a.encode() if isinstance(a, str) else a for a in arguments]
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f'{name}: {os.strerror(error)}')


def mount(source, place, kind=None, flags=0, options=None):
    call('mount', source, str(place), kind, ctypes.c_ulong(flags), options)


def is_root():
    "Whether this process may become any user: root of the machine may, root of a container often not."
    ranges = [[int(number) for number in line.split()] for line in Path('/proc/self/uid_map').read_text().splitlines()]
    return os.getuid() == 0 and any(first <= NOBODY < first + many for first, _, many in ranges)


def leave(*kinds):
    "Leaves the system's namespaces of these kinds for new ones. Who is not root may do so as the user of a new one."
    uid, gid, users = os.getuid(), os.getgid(), not is_root()
    call('unshare', sum(NEW[kind] for kind in kinds) + NEW['users'] * users)
    ids = ('setgroups', 'deny'), ('uid_map', f'{uid or 1000} {uid} 1'), ('gid_map', f'{gid or 1000} {gid} 1')
    for name, text in ids if users else (): Path('/proc/self', name).write_text(text)


def forget_keys():
    "Lets go of the keys that the system keeps for whoever has logged in."
    with contextlib.suppress(OSError): call('syscall', KEYCTL[platform.machine()], 1, None)      # refused where there are none


def furnish(shown, hidden, project):
    "Makes a new root in memory: the folders `shown`, read-only, but for those `hidden`; the old one is let go."
    forget_keys()
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


def read_only(place): mount(None, place, None, REMOUNT | READ_ONLY | NOSUID | NODEV)


def drop_rights(number):
    "From here on nothing that this process starts can win a right back."
    if is_root():
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

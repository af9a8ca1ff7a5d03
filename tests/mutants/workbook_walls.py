"""Mistakes in the walls that their tests must catch: what was written, what somebody might write, and the thought behind it. None of them
lets an answer out to what a test machine needs: the limits of tasks and the private mounts stay."""
MUTANTS = [
    ("os.getuid() == 0 and any(first <= NOBODY < first + many for first, _, many in ranges)", "os.getuid() == 0", 'root of a container is root'),
    ("f'{uid or 1000} {uid} 1'", "f'{uid} {uid} 1'", 'a user of a namespace may be its root'),
    ("for name, text in ids if users else ():", "for name, text in ():", 'the system knows who we are'),
    ("    wanted |= {(Path(path), None) for path in hidden}\n", "", 'what is not shown cannot be seen'),
    ("key=lambda pair: pair[0].parts)", "key=lambda pair: pair[0].parts, reverse=True)", 'the order of mounts does not matter'),
    ("(ctypes.c_uint64 * 4)(READ_ONLY | NOSUID, 0, 0, 0)", "(ctypes.c_uint64 * 4)(NOSUID, 0, 0, 0)", 'the files of others have owners'),
    ("    call('umount2', '/old', 2)                               # at once, whatever is busy\n", "", 'the old root is not on any path'),
    ("for place in (path, os.path.realpath(path)) if os.path.exists(path)}", "for place in (path,)}", 'every folder of a system is there'),
    ("if source is None: mount('tmpfs', place, 'tmpfs', NOSUID | NODEV, 'mode=755,size=1m')", "if source is None: pass", 'a folder that is hidden is one that is not mounted'),
    ("(project, '755'), (SCRATCH, '1777')", "(SCRATCH, '1777')", 'the project can be written where the house is'),
    ("size={DISK},", "", 'a disk in memory has an end'),
    ("    mount('proc', '/proc', 'proc', NOSUID | NODEV | NOEXEC)\n\n\ndef read_only", "\n\ndef read_only", 'who has a world of processes of his own sees no others'),
    ("def read_only(place): mount(None, place, None, REMOUNT | READ_ONLY | NOSUID | NODEV)", "def read_only(place): pass", 'nobody writes into the tests'),
    ("        os.setresuid(*[NOBODY + number] * 3)\n", "", 'a group is a user'),
    ("    call('capset', (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())\n", "", 'who is no root has no rights'),
    ("'FSIZE': DISK, ", "", 'the disk is small anyway'),
]

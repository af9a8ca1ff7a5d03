"""Runs a function on several ranks, each a process of its own, joined as torchrun joins them; and starts torchrun itself.

Where a fork is safe the ranks are copies of the test's process, so that nothing is imported again; elsewhere they are new ones."""
import multiprocessing, os, pickle, signal, subprocess, sys, tempfile, time, traceback
from pathlib import Path
import torch
import torch.distributed as dist

ROOT = Path(__file__).parents[1]
FORKS = hasattr(os, 'fork') and sys.platform != 'darwin' and not torch.cuda.is_available()
LIMIT = int(os.environ.get("RANKS_LIMIT", 200))                                              # seconds: ends what hangs


def rank_main(path, rank, size, f, args, how):
    "What a rank does: it waits for the port of the store, joins, calls `f(*args)` and writes what came of it."
    while size and Path(path).exists() and not Path(path, 'port').exists(): time.sleep(.005)
    port = Path(path, 'port').read_text() if size else ''
    env = {'RANK': rank, 'LOCAL_RANK': rank, 'LOCAL_WORLD_SIZE': size, 'WORLD_SIZE': size, 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port, 'TORCHELASTIC_RUN_ID': 'test',
           'TORCHELASTIC_USE_AGENT_STORE': True, 'GLOO_SOCKET_IFNAME': 'lo', 'OMP_NUM_THREADS': 1}
    os.environ |= {name: str(value) for name, value in env.items()} if size else {}
    torch.set_num_threads(1)
    try: result = True, f(*args, **how)
    except BaseException: result = False, traceback.format_exc()
    Path(path, f'{rank}.part').write_bytes(pickle.dumps(result))
    Path(path, f'{rank}.part').rename(Path(path, str(rank)))


def started(folder, size, f, args, how):
    "The processes of the ranks of `f(*args)`; a size of 0 is one plain process."
    context = multiprocessing.get_context('fork' if FORKS else 'spawn')
    ranks = [context.Process(target=rank_main, args=(folder, rank, size, f, args, how)) for rank in range(max(1, size))]
    for process in ranks: process.start()
    if not size: return ranks, None
    store = dist.TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)     # after the forks: its threads may hold locks, which a copy keeps for ever
    Path(folder, 'new port').write_text(str(store.port))
    Path(folder, 'new port').rename(Path(folder, 'port'))
    return ranks, store


def on(size, f, *args, lost=(), seconds=LIMIT, **how):
    "What `f(*args)` returns on each of `size` ranks; None for those of `lost`, which need not come to an end. AssertionError when it fails on one."
    with tempfile.TemporaryDirectory() as folder:
        ranks, store = started(folder, size, f, args, how)
        files, end = [Path(folder, str(rank)) for rank in range(len(ranks))], time.monotonic() + seconds
        try:
            while time.monotonic() < end and not all(file.exists() or rank in lost for rank, file in enumerate(files)):
                dead = [rank for rank, process in enumerate(ranks) if process.exitcode not in (None, 0) and rank not in lost]
                if dead: break
                time.sleep(.01)
            results = [pickle.loads(file.read_bytes()) if file.exists() else (rank in lost, None) for rank, file in enumerate(files)]
        finally:
            for process in ranks: process.kill()
            for process in ranks: process.join()
    wrong = [f'rank {rank}: {text or "did not come to an end"}' for rank, (well, text) in enumerate(results) if not well]
    assert not wrong, '\n'.join(wrong)
    return [value for _, value in results]


# torchrun

def torchrun(*args, nodes='1', endpoint='127.0.0.1:0', nproc=2, restarts=0, cwd=ROOT, **env):
    "torchrun, started in a group of its own, with what it and its workers write in one file object, `.log`."
    command = [sys.executable, '-m', 'torch.distributed.run', f'--nnodes={nodes}', f'--nproc-per-node={nproc}', '--rdzv-backend=c10d',
               f'--rdzv-endpoint={endpoint}', '--rdzv-id=test', '--local-addr=127.0.0.1', f'--max-restarts={restarts}', '--monitor-interval=0.1', *map(str, args)]
    log = tempfile.TemporaryFile('w+')
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo', 'PYTHONPATH': str(ROOT), **env}
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    process.log = log
    return process


def finished(process, seconds=LIMIT):
    "(exit status, what was written) of a `torchrun`; it and its workers are ended when they take longer."
    try: process.wait(seconds)
    except subprocess.TimeoutExpired: pass
    finally:
        if process.poll() is None: os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.log.seek(0)
    return process.returncode, process.log.read()

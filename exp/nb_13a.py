# Generated from nbs/13a_cluster.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/13a_cluster.ipynb b65495b1
import json, math, os, socket, subprocess, sys, tempfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
import torch

# ---
# Cluster
# %% nbs/13a_cluster.ipynb 29faf515
@dataclass(frozen=True)
class Cluster:
    """What time asks of a cluster. `latency`: seconds that every message takes; `bandwidth`: bytes a second that a
    worker sends, and receives at the same time; `cores`: so many workers compute at full speed, more share them;
    `late`: seconds by which a worker is late in a step, on average; `source`: where the figures come from.
    ValueError when one is impossible."""
    latency: float
    bandwidth: float
    cores: float = math.inf
    late: float = 0.
    source: str = ''

    def __post_init__(self):
        if min(self.latency, self.late) < 0 or min(self.bandwidth, self.cores) <= 0:
            raise ValueError(f'latency and late from 0 on, bandwidth and cores over 0: {self}')

    def seconds(self, size):
        "Seconds of one message of `size` bytes."
        return self.latency + size / self.bandwidth

    def crowd(self, p):
        "How many times as long everything takes when `p` workers share the cores."
        return max(1, p / self.cores)

# ---
# run_processes
# %% nbs/13a_cluster.ipynb a25ecb8a
def run_processes(program, p, timeout=120):
    """What the Python text `program`, run by torchrun in `p` processes of this machine with one thread each, writes
    as JSON into the file that its first argument names. RuntimeError with its last words when it fails, writes
    nothing or is not done after `timeout` seconds; then its processes are ended."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        script, result, port = Path(folder)/'program.py', Path(folder)/'result.json', free.getsockname()[1]
        free.close()
        script.write_text(program, encoding='utf-8')
        command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', str(p),
                   '--master-addr', '127.0.0.1', '--master-port', str(port), str(script), str(result)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, 'OMP_NUM_THREADS': '1'})
        try: _, said = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f'{p} processes: not done after {timeout} seconds') from None
        finally:
            if process.poll() is None: process.terminate()         # torchrun then ends the processes that it started
            process.wait()
        if process.returncode or not result.exists():
            raise RuntimeError(f'{p} processes: exit status {process.returncode}: {said.strip()[-4000:]}')
        return json.loads(result.read_text(encoding='utf-8'))

# ---
# fit_line
# %% nbs/13a_cluster.ipynb b2f4a86b
def fit_line(x, y):
    """(a, b), both from 0 on, for which the relative errors of the line a + b*x, |a + b*x - y| / y, add up to the
    least. One such line goes through two of the points, or is flat, or begins at 0: these are tried. ValueError for
    fewer than two points, and unless all of `x` and `y` are over 0."""
    points = list(zip(x, y, strict=True))
    if len(points) < 2 or min(min(x), min(y)) <= 0: raise ValueError(f'two points or more, all over 0: {points}')
    lines = [line for u, v in points for line in ((v, 0.), (0., v/u))]
    for (u, v), (s, t) in combinations(points, 2):
        if u != s: lines.append((v - (t - v)/(s - u)*u, (t - v)/(s - u)))
    def error(line): return sum(abs(line[0] + line[1]*u - v)/v for u, v in points)
    return min((line for line in lines if min(line) >= 0), key=error)

# ---
# Training
# %% nbs/13a_cluster.ipynb 33834188
@dataclass(frozen=True)
class Training:
    """What a step computes: `fixed` seconds and `example` seconds for each example of the batch; `size`: bytes of its
    gradients; `layers`: how many layers hand over an equal part of them, one after another, during the backward pass;
    `backward`: the share of that pass in the computing (2/3: two products for the one of the forward pass)."""
    size: float
    fixed: float
    example: float
    layers: int = 1
    backward: float = 2/3

    def compute(self, bs):
        "Seconds to compute the gradients of `bs` examples, alone."
        return self.fixed + self.example * bs

# ---
# to_one_rounds
# %% nbs/13a_cluster.ipynb 978cd345
def to_one_rounds(p, n):
    """All-reduce of `n` numbers: rank 0 receives from each of `p` in turn, and sends the sum to each. Rounds of
    (from, to, first, end, add)."""
    for r in range(1, p): yield [(r, 0, 0, n, True)]
    for r in range(1, p): yield [(0, r, 0, n, False)]

# ---
# simulate
# %% nbs/13a_cluster.ipynb df41069b
def simulate(rounds, parts, cluster, ready=None):
    """(what each rank holds in the end, the second at which each is done, [(from, to, begin, end) of each message])
    when `rounds` are run on `parts`, a flat tensor for each rank, which may be `ready` at different seconds. A rank
    sends one message at a time and receives one meanwhile. ValueError unless there is a second for each rank."""
    parts, clock, trace = [part.clone() for part in parts], list(ready or [0.]*len(parts)), []
    if len(clock) != len(parts): raise ValueError(f'{len(parts)} ranks, and ready at {len(clock)} seconds')
    for messages in rounds:
        chunks = [parts[a][first:end].clone() for a, _, first, end, _ in messages]
        begins = [max(clock[a], clock[b]) for a, b, *_ in messages]
        for (a, b, first, end, add), chunk, begin in zip(messages, chunks, begins):
            parts[b][first:end] = parts[b][first:end] + chunk if add else chunk
            done = begin + cluster.seconds(chunk.nbytes)
            clock[a], clock[b] = max(clock[a], done), max(clock[b], done)
            trace.append((a, b, begin, done))
    return parts, clock, trace

# ---
# tree_rounds
# %% nbs/13a_cluster.ipynb 7cb35f87
def tree_rounds(p, n):
    "All-reduce of `n` numbers along a binomial tree, to rank 0 and back. Rounds of (from, to, first, end, add)."
    steps = [2**k for k in range((p - 1).bit_length())]
    pairs = [[(r + step, r) for r in range(0, p - step, 2*step)] for step in steps]
    for level in pairs: yield [(high, low, 0, n, True) for high, low in level]
    for level in reversed(pairs): yield [(low, high, 0, n, False) for high, low in level]

def ring_rounds(p, n):
    "All-reduce of `n` numbers, cut into p chunks that travel round the ring twice (Patarasuk and Yuan 2009)."
    cut = [n*i // p for i in range(p + 1)]
    for step in range(2*(p - 1)):
        chunk = [(r - step) % p for r in range(p)]
        yield [(r, (r + 1) % p, cut[i], cut[i + 1], step < p - 1) for r, i in enumerate(chunk)]

# ---
# halving_rounds
# %% nbs/13a_cluster.ipynb ad7f1d03
def halving_rounds(p, n):
    """All-reduce of `n` numbers by recursive halving and doubling (Rabenseifner; Thakur and others 2005). Of `p` ranks
    that are no power of two, those over it hand their numbers to another first, and get the sum in the end."""
    q = 2**(p.bit_length() - 1)
    cut, over = [n*i // q for i in range(q + 1)], range(q, p)
    halves = [q >> k for k in range(1, q.bit_length())]                    # q/2, q/4, … 1 ranks away
    def block(r, d): return cut[r//d*d], cut[r//d*d + d]                   # of d chunks, the one of rank r
    if over: yield [(r, r - q, 0, n, True) for r in over]
    for d in halves: yield [(r, r ^ d, *block(r ^ d, d), True) for r in range(q)]
    for d in reversed(halves): yield [(r, r ^ d, *block(r, d), False) for r in range(q)]
    if over: yield [(r - q, r, 0, n, False) for r in over]

# ---
# ALL_REDUCES
# %% nbs/13a_cluster.ipynb aa25f82a
ALL_REDUCES = {'to one': to_one_rounds, 'tree': tree_rounds, 'ring': ring_rounds, 'halving': halving_rounds}

# ---
# path
# %% nbs/13a_cluster.ipynb b47d8d36
def path(how, p):
    """(messages, gradients): how many messages wait for one another in this all-reduce of `p` workers, and how many
    times the bytes of the whole gradient they carry. ValueError for a way that is not in ALL_REDUCES, or no worker."""
    if how not in ALL_REDUCES or p < 1:
        raise ValueError(f'{how!r} with {p} workers: one of {list(ALL_REDUCES)}, with one or more')
    if how == 'to one': return 2*(p - 1), 2*(p - 1)
    if how == 'tree': return 2*(p - 1).bit_length(), 2*(p - 1).bit_length()
    if how == 'ring': return 2*(p - 1), 2*(p - 1)/p
    log = p.bit_length() - 1
    over = 2 * (p > 2**log)                                                # hand over, and get back
    return 2*log + over, 2*(1 - 2**-log) + over

def all_reduce_seconds(cluster, size, p, how='ring'):
    "Seconds in which `p` workers add up `size` bytes each. 0 for one."
    messages, gradients = path(how, p)
    return cluster.crowd(p) * (messages*cluster.latency + gradients*size/cluster.bandwidth)

# ---
# bucket_times
# %% nbs/13a_cluster.ipynb 82c3951d
def bucket_times(training, limit):
    """[(share of the backward pass after which it is full, bytes)] of each bucket: whole layers, from the last on,
    until `limit` bytes are reached. ValueError unless `limit` is over 0."""
    if limit <= 0: raise ValueError(f'a bucket of {limit} bytes')
    layers, each = training.layers, training.size / training.layers
    count = layers if limit >= training.size else math.ceil(limit / each - 1e-9)
    ends = [*range(count, layers, count), layers]
    return [(end/layers, (end - begin)*each) for begin, end in zip([0, *ends], ends)]

def send_in_turn(full, takes):
    "[(begin, end)] of buckets that are `full` at these seconds and take so long, sent one after another."
    spans, free = [], 0.
    for at, seconds in zip(full, takes, strict=True):
        begin = max(at, free)
        free = begin + seconds
        spans.append((begin, free))
    return spans

# ---
# slowest
# %% nbs/13a_cluster.ipynb 3a94ea78
def slowest(p, mean, drop=0):
    """Seconds by which the last but `drop` of `p` workers is late on average, when each is late by a time of its own,
    exponential with this `mean`: mean * (1/(drop+1) + … + 1/p). ValueError unless some are left."""
    if not 0 <= drop < p: raise ValueError(f'{drop} of {p} workers dropped')
    return mean * sum(1/i for i in range(drop + 1, p + 1))

def schedule(cluster, training, bs, p, how='ring', limit=math.inf):
    """(seconds of computing, [(begin, end) of each bucket]) of a step of `p` workers with `bs` examples each and
    buckets of `limit` bytes."""
    compute, found = cluster.crowd(p) * training.compute(bs), bucket_times(training, limit)
    full = [compute * (1 - training.backward*(1 - share)) for share, _ in found]
    return compute, send_in_turn(full, [all_reduce_seconds(cluster, size, p, how) for _, size in found])

def step_seconds(cluster, training, bs, p=1, how='ring', limit=math.inf):
    """Seconds of a step of `p` workers with `bs` examples each: computing, what of the sending it does not hide, and
    the wait for the slowest. `limit`: bytes after which a bucket is sent; by default all are sent in the end."""
    return schedule(cluster, training, bs, p, how, limit)[1][-1][1] + slowest(p, cluster.late)

# ---
# CLUSTERS
# %% nbs/13a_cluster.ipynb 19a52063
CLUSTERS = {
    '10 Gbit Ethernet': Cluster(50e-6, 1.25e9, source='bandwidth: its name; latency: an assumption for TCP'),
    '25 Gbit Ethernet': Cluster(30e-6, 3.125e9, source='bandwidth: its name; latency: an assumption for TCP'),
    '100 Gbit Ethernet': Cluster(10e-6, 12.5e9, source='bandwidth: its name; latency: an assumption for RDMA'),
    'InfiniBand NDR': Cluster(5e-6, 50e9, source='bandwidth: data sheet, 400 Gbit a second; latency: an assumption'),
    'NVLink 4': Cluster(5e-6, 450e9, source='inside a machine; bandwidth: data sheet of the H100, 900 GB a second '
                                            'both ways together; latency: an assumption'),
}

# ---
# slowest_normal
# %% nbs/13a_cluster.ipynb 7a80efb1
def slowest_normal(p, std):
    """Seconds by which the last of `p` workers comes after the mean, when their seconds are normal with this `std`:
    Blom's approximation (1958). ValueError for no worker."""
    if p < 1: raise ValueError(f'{p} workers')
    share = torch.tensor((p - .375)/(p + .25), dtype=torch.float64)        # of the workers, below the last one
    return std * torch.special.ndtri(share).item()

# ---
# to_int8
# %% nbs/13a_cluster.ipynb c9be6875
def to_int8(x):
    "(int8 numbers, scale): numbers * scale is within half a scale of `x`, but for what the type of `x` itself rounds."
    scale = (x.abs().max() / 127).clamp(min=torch.finfo(x.dtype).tiny)
    return (x / scale).round().clamp(-127, 127).to(torch.int8), scale      # in a half type, 127 may come out as 128

def top_k(x, k):
    "(where, numbers): the k numbers of a flat `x` that are furthest from 0. ValueError unless there are so many."
    if x.ndim != 1 or not 1 <= k <= len(x): raise ValueError(f'{k} numbers of {tuple(x.shape)}')
    where = x.abs().topk(k).indices
    return where, x[where]

# ---
# ErrorFeedback
# %% nbs/13a_cluster.ipynb b0128e98
class ErrorFeedback:
    """Sends the `k` largest numbers of a flat gradient and keeps the others for the next one (Seide and others 2014).
    The sum of all that was sent, plus `left`, is the sum of all gradients. One for each worker."""
    def __init__(self, k): self.k, self.left = k, 0.

    def __call__(self, grad):
        "(where, numbers) to send, of this gradient and of what was left."
        total = grad + self.left
        where, numbers = top_k(total, self.k)
        self.left = total.index_fill(0, where, 0.)
        return where, numbers

# ---
# gather_seconds
# %% nbs/13a_cluster.ipynb 1414842b
def gather_seconds(cluster, size, p):
    "Seconds in which each of `p` workers gets the `size` bytes of each other, round a ring: p - 1 messages."
    return cluster.crowd(p) * (p - 1) * cluster.seconds(size)

# ---
# best_step
# %% nbs/13a_cluster.ipynb fe43b3a3
def best_step(cluster, training, bs, p, ways=('ring', 'tree')):
    """(seconds, way, bytes of a bucket) of the quickest step of `p` workers with `bs` examples each, of all `ways` and
    all sizes of buckets."""
    limits = [training.size / training.layers * k for k in range(1, training.layers + 1)]
    return min((step_seconds(cluster, training, bs, p, how, limit), how, limit) for how in ways for limit in limits)

def efficiency(cluster, training, bs, p, strong=False):
    """The share of p-fold speed that `p` workers reach, each with `bs` examples; if `strong`, with `bs` in all, a p-th
    part each. ValueError when there is less than an example for each."""
    if strong and bs < p: raise ValueError(f'{bs} examples for {p} workers')
    one, many = step_seconds(cluster, training, bs), best_step(cluster, training, bs/p if strong else bs, p)[0]
    return one / (p * many) if strong else one / many

# ---

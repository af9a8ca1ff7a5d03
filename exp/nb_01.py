# Generated from nbs/01_matmul.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/01_matmul.ipynb 1e8309ea
import gzip, math, os, struct, time, zlib
from pathlib import Path
import numpy as np
import torch
from torch import tensor
import exp
from exp.nb_00 import check_answer, test, test_eq

# ---
# IDX_TYPES
# %% nbs/01_matmul.ipynb 3e733cc6
IDX_TYPES = {0x08: 'u1', 0x09: 'i1', 0x0b: '>i2', 0x0c: '>i4', 0x0d: '>f4', 0x0e: '>f8'}

def read_up_to(file, n):
    "The next `n` bytes of `file`, or what there is of them: in pieces of a megabyte, since `n` is only a promise."
    taken = bytearray()
    while len(taken) < n and (piece := file.read(min(n - len(taken), 2**20))): taken += piece
    return taken

def read_idx(path):
    """The array of an idx file, gzipped or not, as a tensor of the file's own type and shape; no more is unpacked than
    its header promises. Raises ValueError for a file that is not idx, is cut short or has bytes to spare."""
    with open(path, 'rb') as raw:
        file = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == b'\x1f\x8b' else raw            # the mark of gzip
        try:
            head = read_up_to(file, 4)
            if len(head) < 4 or head[:2] != b'\0\0' or head[2] not in IDX_TYPES:
                raise ValueError(f'{path}: not an idx file: it begins with the bytes {head.hex(" ")!r}')
            dtype, sizes, start = np.dtype(IDX_TYPES[head[2]]), read_up_to(file, 4*head[3]), 4 + 4*head[3]
            if 4 + len(sizes) < start: raise ValueError(f'{path}: cut short: {4 + len(sizes)} bytes of a header of {start}')
            shape = struct.unpack(f'>{head[3]}I', sizes)
            promised = dtype.itemsize * math.prod(shape)
            body = read_up_to(file, promised + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as e: raise ValueError(f'{path}: damaged gzip: {e}') from None
    if len(body) != promised:
        found = 'bytes to spare' if len(body) > promised else f'{start + len(body)} bytes'
        raise ValueError(f'{path}: {found}, its header {shape} promises {start + promised}')
    return torch.from_numpy(np.frombuffer(body, dtype).astype(dtype.newbyteorder('='), copy=False).reshape(shape))

# ---
# show_images
# %% nbs/01_matmul.ipynb 6b0684a6
def show_images(x, titles=(), cols=10, size=1.):
    "Draw images `x`, (n, h, w) or (n, h*h), with `titles`, `cols` to a row and `size` inches wide."
    import matplotlib.pyplot as plt
    x = torch.as_tensor(x).numpy()
    if x.ndim == 2: x = x.reshape(len(x), math.isqrt(x.shape[1]), -1)
    rows = -(-len(x) // cols)
    fig, axes = plt.subplots(rows, cols, figsize=(cols*size, rows*size*1.2), dpi=110, squeeze=False)
    for ax in axes.flat: ax.axis('off')
    for ax, image in zip(axes.flat, x): ax.imshow(image, cmap='gray_r')
    for ax, title in zip(axes.flat, titles): ax.set_title(title)
    plt.show()

# ---
# timed
# %% nbs/01_matmul.ipynb 15f8ffd8
def timed(f, *args, threads=1, seconds=.05):
    "Median seconds of a call `f(*args)` on `threads` threads, over the calls that fit into about `seconds`."
    from torch.utils.benchmark import Timer
    timer = Timer('f(*args)', globals={'f': f, 'args': args}, num_threads=threads)
    return timer.blocked_autorange(min_run_time=seconds).median

# ---
# near
# %% nbs/01_matmul.ipynb 80be0a5e
def near(a, b, rtol=1e-3, atol=1e-5):
    "Whether `a` and `b` agree in shape and differ nowhere by more than `atol + rtol*|b|`; NaN never does."
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=rtol, atol=atol)

def test_near(a, b, rtol=1e-3, atol=1e-5):
    "Raise AssertionError, showing both, unless `a` is `near` `b`."
    test(a, b, lambda a, b: near(a, b, rtol, atol), 'near')

near.__test__ = test_near.__test__ = False

# ---
# MNIST
# %% nbs/01_matmul.ipynb 9dc82843
MNIST = {
    'name': 'mnist', 'system': [],       # folders in which the operating system may keep the files
    'mirrors': ['https://ossci-datasets.s3.amazonaws.com/mnist/',
                'https://storage.googleapis.com/cvdf-datasets/mnist/'],
    'sha256': {
        'train-images-idx3-ubyte.gz': '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
        'train-labels-idx1-ubyte.gz': '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
        't10k-images-idx3-ubyte.gz': '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
        't10k-labels-idx1-ubyte.gz': 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'}}

FASHION_MNIST = {
    'name': 'fashion-mnist', 'system': ['/usr/share/datasets/fashion-mnist'],
    'mirrors': ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
                'https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/'],
    'sha256': {
        'train-images-idx3-ubyte.gz': '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
        'train-labels-idx1-ubyte.gz': 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
        't10k-images-idx3-ubyte.gz': '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
        't10k-labels-idx1-ubyte.gz': '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5'}}

# ---
# DownloadBar
# %% nbs/01_matmul.ipynb 3c323dbc
class DownloadBar:
    "The progress bar that pooch asks for, drawn by fastprogress; silent when the `total` is not known."
    total, done, bar = 0, 0, None

    def update(self, count):
        from fastprogress.fastprogress import progress_bar
        if self.done >= self.total: return
        if self.bar is None:
            self.bar = progress_bar(range(self.total))
            self.bar.update(0)
        self.done = min(self.done + count, self.total)
        self.bar.update(self.done)

    def reset(self): "Called once at the end of a file; there is nothing left to do."
    close = reset

# ---
# download
# %% nbs/01_matmul.ipynb d658f768
def download(urls, sha256, folder='', rounds=2, timeout=30):
    """The path of a file with this `sha256`, from the cache or from the first of `urls` that gives it.
    All are tried `rounds` times, each allowed `timeout` seconds of silence. The cache is the folder that the
    environment variable EXP_DATA names, or the system's usual place; `folder` is a folder inside it.
    Raises OSError with every reason when none has the file; nothing half-written is left behind."""
    import pooch
    pooch.get_logger().setLevel('WARNING')
    cache = Path(os.environ.get('EXP_DATA') or pooch.os_cache('exp'))/folder
    name, reasons = urls[0].rsplit('/', 1)[1], []
    for i, url in enumerate(list(urls) * rounds):
        if i and i % len(urls) == 0: time.sleep(1)               # all have failed: give them a moment
        get = pooch.HTTPDownloader(progressbar=DownloadBar(), chunk_size=2**16, timeout=timeout)
        try: return Path(pooch.retrieve(url, f'sha256:{sha256}', name, cache, downloader=get))
        except (OSError, ValueError) as e: reasons.append(f'\n  {url}: {e}')
    raise OSError(f'download: no mirror gave {name} with SHA-256 {sha256[:8]}…:{"".join(reasons)}')

# ---
# data_file
# %% nbs/01_matmul.ipynb 9210d893
def data_file(dataset, name):
    """The path of a `dataset`'s file `name`: with the package, where the system keeps it, or downloaded. ValueError: it has
    none such; FileNotFoundError: it is gone, and has no other address."""
    if name not in dataset['sha256']:
        raise ValueError(f'{dataset["name"]}: no file {name!r}, only {[*dataset["sha256"]]}')
    package, folder = Path(exp.__file__).parent, dataset['name']
    places = package/'data'/folder, package.parent/'data'/folder, *map(Path, dataset['system'])
    for place in places:
        if (place/name).is_file(): return place/name
    if not dataset['mirrors']: raise FileNotFoundError(f'{folder}: {name} is in none of {[*map(str, places)]}')
    return download([mirror + name for mirror in dataset['mirrors']], dataset['sha256'][name], folder)

# ---

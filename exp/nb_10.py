# Generated from nbs/10_data.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/10_data.ipynb 1fe77c04
import copy, hashlib, os
from functools import partial
from pathlib import Path
import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

# ---
# EMOJI
# %% nbs/10_data.ipynb d2954b9d
EMOJI = {'name': 'emoji', 'system': [], 'mirrors': [],
         'sha256': {'emoji.tar.xz': '87e5e17eb305783f2ed57765928e123fcdbc5993dfbef628a60409bf224f7f63'}}

# ---
# PICTURES
# %% nbs/10_data.ipynb 9ad3bc9d
PICTURES = '.bmp', '.gif', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'

def stop(error):
    "Raises the `error`: os.walk would pass over what it cannot open."
    raise error

def find_files(folder, suffixes=PICTURES):
    """The files in `folder`, at any depth, whose names end in one of `suffixes`, in capitals or not: Paths, sorted by
    name. Names that begin with a dot are passed over, and links to folders. NotADirectoryError: no such folder;
    ValueError: no such file, or a folder in which there is nothing at all; OSError: one that may not be read."""
    folder, found = Path(folder), []
    suffixes = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
    if not folder.is_dir(): raise NotADirectoryError(f'find_files: {folder} is no folder')
    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:], names = [[name for name in some if not name.startswith('.')] for some in (folders, names)]
        if not folders and not names: raise ValueError(f'find_files: the folder {place} is empty')
        found += [Path(place, name) for name in names if name.lower().endswith(suffixes)]
    if not found: raise ValueError(f'find_files: no name in {folder} ends in {" or ".join(suffixes)}')
    return sorted(found, key=Path.as_posix)

# ---
# MODES
# %% nbs/10_data.ipynb 5312458d
MODES = '1', 'L', 'LA', 'P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr'
MOST = 2**26                                             # pixels: 192 MB as bytes

def check_still(picture):
    "Raises ValueError unless the opened `picture` is a single one, of at most `MOST` pixels; none is unpacked yet."
    width, height = picture.size
    if width * height > MOST: raise ValueError(f'{width} x {height} pixels, wanted at most {MOST:,}')
    if picture.format != 'MPO' and getattr(picture, 'is_animated', False):     # MPO: a photograph, others behind
        raise ValueError(f'{picture.n_frames} pictures in one file, wanted a single one')

def upright(picture):
    "The `picture` as the camera was held, if it has written that down (Exif, orientation)."
    return picture if picture.getexif().get(0x0112, 1) == 1 else ImageOps.exif_transpose(picture)

# ---
# to_rgb
# %% nbs/10_data.ipynb d87e4183
def to_rgb(picture):
    "The `picture` as RGB, or RGBA with nothing transparent left: that lies on white. ValueError: another kind."
    if picture.mode.startswith('I;16'): picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode not in MODES: raise ValueError(f'pixels of the kind {picture.mode}, wanted one of {MODES} or I;16')
    if not picture.has_transparency_data: return picture.convert('RGB')
    picture = picture if picture.mode == 'RGBA' else picture.convert('RGBA')
    return Image.alpha_composite(Image.new('RGBA', picture.size, (255,)*4), picture)

# ---
# read_picture
# %% nbs/10_data.ipynb da8d20aa
def read_picture(path, size=None):
    """The picture in the file as bytes (3, h, w): red, green, blue. Grey becomes three equal channels, a palette its
    colours, what is transparent lies on white, of 16 bits the upper eight stay, a photograph is turned as the camera
    says. With `size`, a number or (h, w), the largest middle part of that form is brought to that size. ValueError,
    with the path, for a file that is empty, damaged, no picture, several, of over `MOST` pixels or of another kind."""
    with open(path, 'rb') as file:
        if not file.peek(1): raise ValueError(f'{path}: the file is empty')
        try:
            picture = Image.open(file)
            check_still(picture)
            picture = to_rgb(upright(picture))
            if size is not None:
                h, w = (size, size) if np.ndim(size) == 0 else size
                if min(h, w) < 1: raise ValueError(f'size={size}, wanted 1 or more')
                if picture.size != (w, h): picture = ImageOps.fit(picture, (w, h), Image.Resampling.BILINEAR)
        except UnidentifiedImageError: raise ValueError(f'{path}: no picture that Pillow knows') from None
        except Exception as e: raise ValueError(f'{path}: {e}') from e
    return torch.from_numpy(np.asarray(picture)[..., :3].transpose(2, 0, 1).copy())

# ---
# content
# %% nbs/10_data.ipynb 9d9aa9d1
def content(path):
    "A text that two pictures share if, and only if, they have the same shape and the same pixels, as read."
    x = read_picture(path)
    return hashlib.sha256(f'{tuple(x.shape)}'.encode() + x.numpy().tobytes()).hexdigest()

def duplicates(items, key=content):
    "The lists of two and more of `items` that have the same `key`."
    alike = {}
    for item in items: alike.setdefault(key(item), []).append(item)
    return [same for same in alike.values() if len(same) > 1]

# ---
# chance
# %% nbs/10_data.ipynb 61e88401
def chance(key, seed):
    "A number from 0 to 1 that only `key` and `seed` decide, the same on every machine."
    return int.from_bytes(hashlib.sha256(f'{seed} {key}'.encode()).digest()[:6], 'big') / 2**48

def split(items, valid, seed=0, key=content):
    """(training items, validation items), two lists in the order of `items`. `valid`: the share that `chance` sends
    to validation, or a function that says of an item whether it goes there. Items with the same `key` stay together:
    by chance they always do. ValueError, naming two, if the function parts them, or if one side stays empty."""
    if not callable(valid) and not 0 < valid < 1: raise ValueError(f'split: {valid}, wanted a share between 0 and 1')
    first, sides, parted = {}, ([], []), []
    for item in items:
        k = key(item)
        side = bool(valid(item) if callable(valid) else chance(k, seed) < valid)
        other, its_side = first.setdefault(k, (item, side))
        if its_side != side: parted.append(f'{other} and {item}')
        sides[side].append(item)
    more = f', and {len(parted) - 1} more' if len(parted) > 1 else ''
    if parted: raise ValueError(f'split: the same is on both sides: {parted[0]}{more}')
    for name, side in zip(('training', 'validation'), sides):
        if not side: raise ValueError(f'split: of {len(sides[0]) + len(sides[1])} items none is for {name}')
    return sides

# ---
# Vocab
# %% nbs/10_data.ipynb fc82bfa0
class Vocab:
    """The labels of the training `items` and their numbers: `names[i]` is the label of number i, in alphabetical
    order. `label(item)` is the name of the file's folder, unless given. ValueError: no items."""
    def __init__(self, items, label=lambda path: path.parent.name):
        self.label, self.names = label, sorted({label(item) for item in items})
        if not self.names: raise ValueError('Vocab: no items, so no labels')
        self.numbers = {name: i for i, name in enumerate(self.names)}

    def __len__(self): return len(self.names)
    def __call__(self, items):
        "The numbers of the labels of `items`, int64, (n,). ValueError, with item and label: training has none such."
        labels = [(item, self.label(item)) for item in items]
        for item, label in labels:
            if label in self.numbers: continue
            raise ValueError(f'Vocab: {item}: the label {label!r} is not one of {self.names}')
        return torch.tensor([self.numbers[label] for _, label in labels], dtype=torch.int64)

# ---
# Lazy
# %% nbs/10_data.ipynb 74c6dd23
class Lazy:
    """`f(item, **settings)` of each of `items`, made when it is asked for. Of what has numbers, such as a list or a
    data set, by `lazy[i]`; a slice or a tensor of numbers gives a Lazy of those, and nothing is made yet. Of a
    loader, batch by batch. What `f` raises says which file it was."""
    def __init__(self, items, f, **settings):
        self.items, self.f = items, partial(f, **settings)
        loader = items.rows is None if isinstance(items, Lazy) else not hasattr(items, '__getitem__')
        self.rows = None if loader else range(len(items))

    def __len__(self): return len(self.items) if self.rows is None else len(self.rows)

    def __getitem__(self, i):
        if self.rows is None: raise TypeError(f'Lazy: a {type(self.items).__name__} gives nothing by its number')
        if isinstance(i, (list, tuple)) or str(getattr(i, 'dtype', '')).endswith('bool'):
            raise TypeError('Lazy: wanted a number, a slice or a tensor of numbers; a mask has them as nonzero()')
        if not isinstance(i, slice) and not getattr(i, 'ndim', 0): return self.make(self.items[self.rows[i]])
        some = copy.copy(self)
        some.rows = self.rows[i] if isinstance(i, slice) else [self.rows[j] for j in i.tolist()]
        return some

    def __iter__(self):
        if self.rows is None: return (self.make(batch) for batch in self.items)
        return (self[i] for i in range(len(self)))

    def make(self, item):
        try: return self.f(item)
        except Exception as e:
            if isinstance(item, (str, os.PathLike)): e.add_note(f'Lazy: this was {item}')
            raise

    def stack(self):
        """All of them, made now, as one tensor (n, ...): a cache. ValueError: no items, or, with
        its name, one of another shape or type."""
        out = None
        for i, x in enumerate(self):
            if out is None: out = x.new_empty(len(self), *x.shape)
            if (x.shape, x.dtype) != (out.shape[1:], out.dtype):
                raise ValueError(f'stack: {self.items[self.rows[i]]}: {tuple(x.shape)} of {x.dtype}, '
                                 f'and those before have {tuple(out.shape[1:])} of {out.dtype}')
            out[i] = x
        if out is None: raise ValueError('stack: there are no items')
        return out

# ---

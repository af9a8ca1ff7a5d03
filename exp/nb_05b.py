# Generated from nbs/05b_checkpoints.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/05b_checkpoints.ipynb 8964bada
import hashlib, io, math, os, random
from pathlib import Path
import numpy as np
import torch
from exp.nb_05 import Callback, CancelFit

# ---
# EarlyStopping
# %% nbs/05b_checkpoints.ipynb 55ebfd4d
class EarlyStopping(Callback):
    """Ends the fit when `monitor` has not improved by over `min_delta` for `patience` epochs; `mode`: 'min' or 'max'.
    A fit that is resumed after such an end ends at once. Raises KeyError when no epoch has the figure `monitor`."""
    order = 95                                    # after Checkpoint, which must see the epoch before it is the last
    def __init__(self, monitor='valid_loss', patience=3, min_delta=0., mode='min'):
        if mode not in ('min', 'max'): raise ValueError(f"EarlyStopping: mode {mode!r}, wanted 'min' or 'max'")
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.sign = 1 if mode == 'min' else -1

    def before_fit(self, learn):
        self.start = max(0, len(learn.history) - learn.epoch)        # rows of former fits do not count
        if learn.epoch: self.look(learn.history)

    def after_epoch(self, learn):
        if learn.whole: self.look(learn.history)

    def look(self, history):
        values = [self.sign * row[self.monitor] for row in history[self.start:] if self.monitor in row]
        if not values: raise KeyError(f'no {self.monitor!r} in the history: is there a MetricsCallback?')
        best, since = math.inf, 0
        for value in values: best, since = (value, 0) if value < best - self.min_delta else (best, since + 1)
        if since >= self.patience: raise CancelFit(f'{self.monitor} has not improved for {since} epochs')

# ---
# random_state
# %% nbs/05b_checkpoints.ipynb 7545ee4b
def random_state():
    "The state of the random generators: Python's, numpy's, torch's on the CPU and, once in use, on each CUDA GPU."
    name, keys, *rest = np.random.get_state()
    return {'python': random.getstate(), 'numpy': (name, torch.from_numpy(keys.astype(np.int64)), *rest),
            'torch': torch.get_rng_state(),
            'cuda': torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []}

def set_random_state(state):
    "Puts back what `random_state` returned."
    name, keys, *rest = state['numpy']
    random.setstate(state['python'])
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'])
    if state['cuda']: torch.cuda.set_rng_state_all(state['cuda'])

# ---
# save_checked
# %% nbs/05b_checkpoints.ipynb 0ceb2a55
def save_checked(state, folder, name):
    """Writes `state`, of tensors and plain data, to `folder/name-HASH.pt`, whole or not at all; returns the path.
    Raises pickle.UnpicklingError, and writes nothing, for a `state` that could not be loaded again."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    torch.load(io.BytesIO(data), weights_only=True)
    path = Path(folder)/f'{name}-{hashlib.sha256(data).hexdigest()[:16]}.pt'
    part = path.with_suffix('.part')
    with open(part, 'wb') as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(part, path)
    if os.name == 'posix':                        # elsewhere a folder cannot be opened
        entry = os.open(folder, os.O_RDONLY)
        os.fsync(entry)
        os.close(entry)
    return path

def load_checked(path):
    "What `save_checked` wrote, on the CPU. Raises ValueError when the content is not the one that the name promises."
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest()[:16] != Path(path).stem.rsplit('-', 1)[-1]:
        raise ValueError(f'{Path(path).name}: damaged, its content does not match its name')
    return torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)

# ---
# Checkpoint
# %% nbs/05b_checkpoints.ipynb 69c43dae
class Checkpoint(Callback):
    """Saves the whole state of a fit to `folder` after each epoch and starts a fit from the newest whole file there, so
    that the same `fit(epochs)` ends with the same bits however often it was broken off. Keeps the last `keep` files and
    the best by `monitor` and `mode` ('min' or 'max'). With `resume=False` a folder with files is refused."""
    order = 90
    def __init__(self, folder, keep=2, monitor='valid_loss', mode='min', resume=True):
        if mode not in ('min', 'max'): raise ValueError(f"Checkpoint: mode {mode!r}, wanted 'min' or 'max'")
        self.folder, self.keep, self.monitor, self.resume = Path(folder), keep, monitor, resume
        self.choose = min if mode == 'min' else max

    def files(self):
        "The checkpoints, oldest first."
        return sorted(self.folder.glob('epoch-*.pt'))

    def newest(self):
        "Path and content of the newest whole file, or None twice. Damaged ones are put aside under another name."
        for path in reversed(self.files()):
            try: return path, load_checked(path)
            except ValueError as e: print(f'{e}; put aside as {path.replace(path.with_suffix(".damaged")).name}')
        return None, None

    def before_fit(self, learn):
        self.folder.mkdir(parents=True, exist_ok=True)
        for part in self.folder.glob('epoch-*.part'): part.unlink()        # of processes that died while writing
        if self.files() and not self.resume: raise ValueError(f'Checkpoint: {self.folder} has files of another fit')
        path, state = self.newest()
        if state is None: return
        self.restore(learn, state)
        print(f'{path.name}: {learn.epoch} of {state["epochs"]} epochs were done; now {learn.epochs} are wanted')

    def after_epoch(self, learn):
        if not learn.whole: return
        save_checked(self.state(learn), self.folder, f'epoch-{learn.epoch + 1:05}')
        best = self.best_epoch(learn.history)
        for path in self.files()[:-self.keep]:
            if int(path.name.split('-')[1]) != best: path.unlink()

    def named(self, learn):
        "[name, callback] of those callbacks that have something to save."
        return [(type(cb).__name__, cb) for cb in learn.active if cb.state_dict()]

    def state(self, learn):
        dl = learn.dls.train
        return {'epoch': learn.epoch + 1, 'epochs': learn.epochs, 'history': learn.history, 'random': random_state(),
                'model': learn.model.state_dict(), 'opt': learn.opt.state_dict(),
                'cbs': [(name, cb.state_dict()) for name, cb in self.named(learn)],
                'data': dl.state_dict() if hasattr(dl, 'state_dict') else {}}

    def restore(self, learn, state):
        here, saved = [name for name, _ in self.named(learn)], [name for name, _ in state['cbs']]
        if here != saved: raise ValueError(f'Checkpoint: saved with the callbacks {saved}, here are {here}')
        learn.model.load_state_dict(state['model'])
        learn.opt.load_state_dict(state['opt'])
        for (_, cb), (_, part) in zip(self.named(learn), state['cbs']): cb.load_state_dict(part)
        if state['data']: learn.dls.train.load_state_dict(state['data'])
        learn.epoch, learn.history[:] = state['epoch'], state['history']
        set_random_state(state['random'])

    def best_epoch(self, history):
        rows = [row for row in history if self.monitor in row]
        return self.choose(rows, key=lambda row: row[self.monitor])['epoch'] if rows else None

    def best(self):
        "The path of the best file; its `model` is a state dict. Raises FileNotFoundError when there is none."
        _, state = self.newest()
        best = [path for path in self.files() if int(path.name.split('-')[1]) == self.best_epoch(state['history'])]
        if not best: raise FileNotFoundError(f'Checkpoint: no file in {self.folder} has the best {self.monitor}')
        return best[0]

# ---

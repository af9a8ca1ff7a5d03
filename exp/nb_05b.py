# Generated from nbs/05b_checkpoints.ipynb
# Do not edit: change the notebook, then run notebook2script.py. f4ed110d56bc562a

# %% nbs/05b_checkpoints.ipynb export 1
import hashlib, io, math, os, random
from pathlib import Path
import numpy as np
import torch
from exp.nb_05 import Callback, CancelFit


# %% nbs/05b_checkpoints.ipynb export 2
class EarlyStopping(Callback):
    "Ends the fit when `monitor` has not improved by over `min_delta` for `patience` epochs; `mode`: 'min' or 'max'."
    order = 95                                    # after Checkpoint, which must see the epoch before it is the last
    def __init__(self, monitor='valid_loss', patience=3, min_delta=0., mode='min'):
        if mode not in ('min', 'max'): raise ValueError(f"EarlyStopping: mode {mode!r}, wanted 'min' or 'max'")
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.sign = 1 if mode == 'min' else -1

    def after_epoch(self, learn):
        if not learn.whole: return
        best, since = math.inf, 0
        for row in learn.history:
            value, since = self.sign * row[self.monitor], since + 1
            if value < best - self.min_delta: best, since = value, 0
        if since >= self.patience: raise CancelFit(f'{self.monitor} has not improved for {since} epochs')


# %% nbs/05b_checkpoints.ipynb export 3
def random_state():
    "The state of all random generators: Python's, numpy's, torch's on the CPU and on each GPU."
    name, keys, *rest = np.random.get_state()
    return {'python': random.getstate(), 'numpy': (name, torch.from_numpy(keys.astype(np.int64)), *rest),
            'torch': torch.get_rng_state(), 'cuda': torch.cuda.get_rng_state_all()}

def set_random_state(state):
    "Puts back what `random_state` returned."
    name, keys, *rest = state['numpy']
    random.setstate(state['python'])
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state['torch'])
    if torch.cuda.is_available(): torch.cuda.set_rng_state_all(state['cuda'])


# %% nbs/05b_checkpoints.ipynb export 4
def save_checked(state, folder, name):
    "Writes `state` to `folder/name-HASH.pt`, whole or not at all; returns the path."
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    path = Path(folder)/f'{name}-{hashlib.sha256(data).hexdigest()[:16]}.pt'
    part = path.with_suffix('.part')
    with open(part, 'wb') as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(part, path)
    return path

def load_checked(path):
    "What `save_checked` wrote, on the CPU. Raises ValueError when the content is not the one that the name promises."
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest()[:16] != Path(path).stem.rsplit('-', 1)[-1]:
        raise ValueError(f'{Path(path).name}: damaged, its content does not match its name')
    return torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)


# %% nbs/05b_checkpoints.ipynb export 5
class Checkpoint(Callback):
    """Saves the whole state of a fit to `folder` after each epoch and starts a fit from the newest whole file there,
    so that `fit(epochs)` ends with the same bits however often it was broken off. Keeps the last `keep` files and the
    one with the smallest `monitor`. Raises ValueError, with `resume=False`, when the folder has files already."""
    order = 90
    def __init__(self, folder, keep=2, monitor='valid_loss', resume=True):
        self.folder, self.keep, self.monitor, self.resume = Path(folder), keep, monitor, resume

    def files(self):
        "The checkpoints, oldest first."
        return sorted(self.folder.glob('epoch-*.pt'))

    def before_fit(self, learn):
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.files() and not self.resume: raise ValueError(f'Checkpoint: {self.folder} has files of another fit')
        for path in reversed(self.files()):
            try: return self.restore(learn, load_checked(path))
            except ValueError as e: print(f'{e}; trying the one before')

    def after_epoch(self, learn):
        if not learn.whole: return
        save_checked(self.state(learn), self.folder, f'epoch-{learn.epoch + 1:05}')
        best = min(learn.history, key=lambda row: row[self.monitor])['epoch'] if learn.history else None
        for path in self.files()[:-self.keep]:
            if int(path.name.split('-')[1]) != best: path.unlink()

    def state(self, learn):
        dl = learn.dls.train
        return {'epoch': learn.epoch + 1, 'model': learn.model.state_dict(), 'opt': learn.opt.state_dict(),
                'history': learn.history, 'cbs': [cb.state_dict() for cb in learn.active],
                'data': dl.state_dict() if hasattr(dl, 'state_dict') else {}, 'random': random_state()}

    def restore(self, learn, state):
        if len(state['cbs']) != len(learn.active):
            raise TypeError(f'Checkpoint: made with {len(state["cbs"])} callbacks, here are {len(learn.active)}')
        learn.epoch, learn.history[:] = state['epoch'], state['history']
        learn.model.load_state_dict(state['model'])
        learn.opt.load_state_dict(state['opt'])
        for cb, saved in zip(learn.active, state['cbs']): cb.load_state_dict(saved)
        if state['data']: learn.dls.train.load_state_dict(state['data'])
        set_random_state(state['random'])

    def best(self):
        "The path of the file with the smallest `monitor`; its `model` is a state dict."
        files = {int(path.name.split('-')[1]): path for path in self.files()}
        history = load_checked(self.files()[-1])['history']
        return files[min(history, key=lambda row: row[self.monitor])['epoch']]

# Generated from nbs/05b_checkpoints.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/05b_checkpoints.ipynb c6265727
import contextlib, copy, functools, gc, hashlib, io, math, os, random, types
from pathlib import Path
import numpy as np
import torch
from exp.nb_04a import Callback
from exp.nb_05 import check_count, contents, map_tensors, refill, weights_are_finite
from exp.nb_05a import EarlyStopping, batches_in, check_mode

# ---
# plain
# %% nbs/05b_checkpoints.ipynb 53ce9734
def plain(x):
    "A copy of `x` with Python's numbers and lists for numpy's numbers and arrays, in lists, tuples and dicts too."
    if isinstance(x, (np.generic, np.ndarray)): return x.tolist()
    return x if (parts := contents(x)) is None else refill(x, {name: plain(part) for name, part in parts.items()})

# ---
# random_state
# %% nbs/05b_checkpoints.ipynb c0b290a7
def random_state():
    "The state of the global random generators: Python's, numpy's, torch's on the CPU and, once in use, on each CUDA GPU."
    return {'python': random.getstate(), 'numpy': plain(np.random.get_state(legacy=False)), 'torch': torch.get_rng_state(),
            'cuda': torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []}

def set_random_state(state):
    "Puts back what `random_state` returned."
    random.setstate(state['python'])
    np.random.set_state(state['numpy'])
    torch.set_rng_state(state['torch'])
    if state['cuda']: torch.cuda.set_rng_state_all(state['cuda'])

# ---
# save_checked
# %% nbs/05b_checkpoints.ipynb 83867527
def save_checked(state, folder, name):
    """Writes `state`, of tensors and plain data, to `folder/name-HASH.pt`, whole or not at all; returns the path.
    Raises pickle.UnpicklingError, and writes nothing, for a `state` that could not be loaded again."""
    torch.save(state, buffer := io.BytesIO())
    data = buffer.getvalue()
    torch.load(io.BytesIO(data), weights_only=True)
    path = Path(folder)/f'{name}-{hashlib.sha256(data).hexdigest()[:16]}.pt'
    part = path.with_suffix('.part')
    try:
        with open(part, 'wb') as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    finally: part.unlink(missing_ok=True)         # of a full disk, say
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
# GENERATORS
# %% nbs/05b_checkpoints.ipynb 71dc6487
GENERATORS = random.Random, np.random.RandomState, np.random.Generator, torch.Generator
def closure(function):
    "The values of the variables that a function has captured; then those of its defaults, and the global generators that it names, or a function inside of it."
    cells, *defaults = (getattr(function, name, None) or () for name in ('__closure__', '__defaults__', '__kwdefaults__'))
    codes, values = [getattr(function, '__code__', None)], getattr(function, '__globals__', {})
    for code in codes: codes += getattr(code, 'co_consts', ())           # among them the code of the functions inside of it
    return gc.get_referents(*cells, *defaults) + [values[name] for code in codes for name in getattr(code, 'co_names', ()) if isinstance(values.get(name), GENERATORS)]

# ---
# generators
# %% nbs/05b_checkpoints.ipynb 08a95043
def generators(thing, path='', depth=9, seen=None):
    """{path: generator} of the random generators that belong to `thing`: in its attributes, its class, containers, and what its functions
    have captured or name, and in theirs, `depth` levels down."""
    seen = set() if seen is None else seen
    if id(thing) in seen or not depth or isinstance(thing, (types.ModuleType, torch.Tensor, np.ndarray)): return {}
    seen.add(id(thing))
    if isinstance(thing, GENERATORS): return {path: thing}
    if isinstance(thing, (list, tuple)): inside = list(enumerate(thing[:99]))
    elif isinstance(thing, dict): inside = list(thing.items())[:99]
    elif isinstance(thing, type): inside = [item for kind in thing.__mro__ for item in vars(kind).items() if isinstance(item[1], (types.FunctionType, *GENERATORS))]
    else:
        inside = [*getattr(thing, '__dict__', {}).items(), *enumerate(closure(thing)), ('class', type(thing))]
        if isinstance(thing, (functools.partial, types.MethodType)) or not hasattr(thing, '__dict__'): inside += enumerate(gc.get_referents(thing)[:99], 99)
    return {k: v for name, part in inside for k, v in generators(part, f'{path}.{name}', depth - 1, seen).items()}

# ---
# get_state
# %% nbs/05b_checkpoints.ipynb 182f0f7d
def get_state(thing):
    "The state of a random generator of Python, numpy or torch, or of what has a state_dict, as tensors and plain data."
    if isinstance(thing, random.Random): return thing.getstate()
    if isinstance(thing, np.random.RandomState): return plain(thing.get_state(legacy=False))
    if isinstance(thing, np.random.Generator): return plain(thing.bit_generator.state)
    if isinstance(thing, torch.Generator): return thing.get_state()
    return map_tensors(lambda x: {'of numpy': torch.from_numpy(np.array(x, order='C'))}, thing.state_dict(), lambda x: isinstance(x, (np.ndarray, np.generic)))

def set_state(thing, state):
    "Puts back what `get_state` returned."
    if isinstance(thing, random.Random): thing.setstate(state)
    elif isinstance(thing, np.random.Generator): thing.bit_generator.state = state
    elif isinstance(thing, (np.random.RandomState, torch.Generator)): thing.set_state(state)
    else: thing.load_state_dict(map_tensors(lambda x: x['of numpy'].numpy()[()], state, lambda x: isinstance(x, dict) and [*x] == ['of numpy']))

# ---
# named
# %% nbs/05b_checkpoints.ipynb 8cda60f2
def named(cbs):
    "{name: callback}: the names of their classes, from the second of a name on with a number."
    names = [type(cb).__name__ for cb in cbs]
    return {f'{name} {names[:i].count(name) + 1}'.removesuffix(' 1'): cb for i, (name, cb) in enumerate(zip(names, cbs))}

def fit_objects(learn, cbs):
    "All that a fit with the callbacks `cbs` changes, by kind and name: parts and callbacks, with a state_dict, and generators."
    loaders = {'dls.train': learn.dls.train, 'dls.valid': learn.dls.valid}
    roots = {**loaders, 'model': learn.model, 'loss_func': learn.loss_func, 'callbacks': list(cbs)}
    stateful = {name: dl for name, dl in loaders.items() if hasattr(dl, 'state_dict')}
    return {'parts': {**learn.parts(), **stateful}, 'callbacks': named([cb for cb in cbs if cb.state_dict()]), 'generators': generators(roots)}

# ---
# fit_state
# %% nbs/05b_checkpoints.ipynb 919ca603
def fit_state(learn, cbs):
    "The state of all `fit_objects` and of the global random generators, as tensors and plain data."
    states = {kind: {name: get_state(thing) for name, thing in things.items()} for kind, things in fit_objects(learn, cbs).items()}
    return plain({**states, 'random': random_state()})

# ---
# set_fit_state
# %% nbs/05b_checkpoints.ipynb 5f156b8b
def set_fit_state(learn, cbs, state):
    "Puts back what `fit_state` returned. When one of the objects refuses its state, its error is raised and all are as before."
    def put(state):
        for kind, things in fit_objects(learn, cbs).items():
            for name, part in state[kind].items(): set_state(things[name], part)
        set_random_state(state['random'])
    before = copy.deepcopy(fit_state(learn, cbs))
    try: put(state)
    except BaseException:
        put(before)
        raise

# ---
# loss_settings
# %% nbs/05b_checkpoints.ipynb ae7b6675
def loss_settings(loss):
    "{name: value} of what a loss or model was made with: arguments of a partial, what a function has captured, numbers and words of an object."
    if isinstance(loss, functools.partial): found = {**loss_settings(loss.func), **dict(enumerate(loss.args)), **loss.keywords, 'function': called(loss.func)}
    elif isinstance(loss, torch.nn.Module):
        found = {f'{path}.{name}'.lstrip('.'): x for path, part in loss.named_modules() for name, x in vars(part).items() if name[0] != '_' and name != 'training'}
    else: found = {**getattr(loss, '__dict__', {}), **dict(zip(getattr(getattr(loss, '__code__', None), 'co_freevars', ()), closure(loss)))}
    kinds = bool, int, float, str, torch.Tensor, type(None), types.FunctionType, types.BuiltinFunctionType
    return {name: called(x) if callable(x) else x for name, x in found.items() if isinstance(x, kinds)}

def called(thing):
    "The name of a function, or of the class of an object."
    return getattr(thing, '__qualname__', type(thing).__name__)

# ---
# recipe
# %% nbs/05b_checkpoints.ipynb 5bb8973c
def recipe(learn):
    "What must be the same in a fit and in its resumption, as {what: plain value}: model, loss, optimiser, loaders, callbacks."
    names, opt = {id(p): name for name, p in learn.model.named_parameters()}, type(learn.opt)
    same = {'loss': called(learn.loss_func), 'optimiser': f'{opt.__module__}.{opt.__name__}'}
    same.update({f'{name} of the loss': x for name, x in loss_settings(learn.loss_func).items()})
    same.update({f'layer {name}': f'{type(layer).__name__}({layer.extra_repr()})' for name, layer in learn.model.named_modules()})
    same.update({f'model {name}': tuple(getattr(x, 'shape', ())) for name, x in learn.model.state_dict().items()})
    same.update({f'parameter {name}': f'{p.dtype}, {"trained" if p.requires_grad else "frozen"}' for name, p in learn.model.named_parameters()})
    same.update({f'{name} of the model': x for name, x in loss_settings(learn.model).items() if not torch.is_tensor(x)})
    for i, group in enumerate(learn.opt.param_groups):
        same[f'parameters of group {i}'] = [names.get(id(p), tuple(p.shape)) for p in group['params']]
        same.update({f'{name} of group {i}': x for name, x in group.items() if name != 'params'})
    for half, dl in (('train', learn.dls.train), ('valid', learn.dls.valid)):
        if getattr(dl, 'persistent_workers', False): raise ValueError(f'dls.{half} has persistent workers, whose random numbers cannot be saved')
        same.update({f'{name} of dls.{half}': getattr(dl, name) for name in ('bs', 'batch_size', 'shuffle', 'drop_last') if hasattr(dl, name)})
        same.update({f'batches of dls.{half}': batches_in(dl), f'examples of dls.{half}': batches_in(getattr(dl, 'dataset', getattr(dl, 'ds', None)))})
        same.update({f'sampler of dls.{half}': called(getattr(dl, 'sampler', None))})
    for place, cb in named(learn.active).items(): same.update({f'{place}.{name}': getattr(cb, name) for name in cb.same})
    return plain({what: x.tolist() if torch.is_tensor(x) else called(x) if callable(x) else x for what, x in same.items()})

# ---
# check_same_fit
# %% nbs/05b_checkpoints.ipynb 79c705a9
def check_same_fit(name, state, recipe, objects):
    "Raises ValueError unless the fit of the file `name`, with its `state`, is the one of this `recipe` and these `objects`."
    if 'recipe' not in state: raise ValueError(f'{name} was written by another version of this callback')
    for kind, here in objects.items():
        there = [*state[kind]]
        if there != [*here]: raise ValueError(f'{name} was saved with the {kind} {there}, here are {[*here]}; a callback makes its own in setup, not later')
    pairs = {what: (recipe.get(what), state['recipe'].get(what)) for what in {**recipe, **state['recipe']}}
    differ = [f'{what}: {here} here, {there} there' for what, (here, there) in pairs.items() if repr(here) != repr(there) and here != there]
    if differ: raise ValueError(f'this is not the fit of {name}: {"; ".join(differ[:5])}')

# ---
# lock_file
# %% nbs/05b_checkpoints.ipynb d005b8cb
def lock_file(file):
    "Locks an open file for this process, not for its children. Raises OSError when another has it."
    if os.name == 'nt':
        import msvcrt
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

# ---
# FolderLock
# %% nbs/05b_checkpoints.ipynb 416faffe
class FolderLock:
    "Keeps `folder` for one fit, until `release` or the end of the process, however that comes. ValueError when another has it."
    held = set()                             # (process, folder): the system does not lock a process out of its own files
    def __init__(self, folder):
        self.path, self.key = Path(folder)/'.lock', (os.getpid(), Path(folder).resolve())
        if self.key in self.held: raise ValueError(f'{folder} is in use by another fit of this process')
        while self.key not in self.held:
            self.file = open(self.path, 'a+b')
            try: lock_file(self.file)
            except OSError:
                self.file.close()
                raise ValueError(f'{folder} is in use by another process') from None
            with contextlib.suppress(FileNotFoundError):       # an owner that is just leaving may have removed this file
                if os.path.samestat(os.fstat(self.file.fileno()), self.path.stat()): self.held.add(self.key)
            if self.key not in self.held: self.file.close()
    def release(self):
        with contextlib.suppress(OSError): self.path.unlink()         # Windows removes no open file, and it does no harm
        self.file.close()
        self.held.discard(self.key)

# ---
# CheckpointFiles
# %% nbs/05b_checkpoints.ipynb 089c87e4
class CheckpointFiles(Callback):
    "The files of a fit in `folder`; the best is that of the epoch whose `monitor` is best by `mode`, 'min' or 'max'."
    def __init__(self, folder, monitor, mode):
        self.folder, self.monitor, self.sign = Path(folder).expanduser(), monitor, check_mode('Checkpoint', mode)
    def files(self): return sorted(self.folder.glob('epoch-[0-9]*-????????????????.pt'))               # oldest first
    def newest(self):
        "Path and content of the newest whole file, or None twice. Damaged ones are put aside under another name."
        for path in reversed(self.files()):
            try: return path, load_checked(path)
            except ValueError as e: print(f'{e}; put aside as {path.replace(path.with_suffix(".damaged")).name}')
        return None, None
    def best_epoch(self, rows):
        if rows and 'valid_loss' in rows[-1] and not any(self.monitor in row for row in rows): raise KeyError(f'no {self.monitor!r} among {[*rows[-1]]}')
        rows = [row for row in rows if math.isfinite(row.get(self.monitor, math.nan))]
        return min(rows, key=lambda row: self.sign * row[self.monitor])['epoch'] if rows else None
    def best(self):
        "The path of the best file of this fit. Raises FileNotFoundError when there is none."
        epoch = (state := self.newest()[1]) and self.best_epoch(state['history'][state['first_row']:])
        best = [path for path in self.files() if int(path.name.split('-')[1]) == epoch]
        if not best: raise FileNotFoundError(f'Checkpoint: no file in {self.folder} has the best {self.monitor}')
        return best[0]

# ---
# Checkpoint
# %% nbs/05b_checkpoints.ipynb 4b4350c1
class Checkpoint(CheckpointFiles):
    """Saves the whole state of a fit to `folder` after each epoch and starts a fit from the newest whole file there, so that
    the same `fit(epochs)` ends with the same bits however often it was broken off. Keeps the last `keep` files and the best by
    `monitor` and `mode` ('min' or 'max'). Raises ValueError, and changes nothing, for a fit that is not the same as the saved
    one, a folder that another fit uses, or with `resume=False` one that has files."""
    order, fits_only, lock = math.inf, True, None
    def __init__(self, folder, keep=2, monitor='valid_loss', mode='min', resume=True):
        super().__init__(folder, monitor, mode)
        check_count('Checkpoint: keep', keep)
        self.keep, self.resume = keep, resume
    def setup(self, learn):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = FolderLock(self.folder)
        for part in self.folder.glob('epoch-?????-????????????????.part'): part.unlink()     # of processes that died
        if self.files() and not self.resume: raise ValueError(f'{self.folder} has files of another fit')
        self.others, self.recipe, (path, state) = [cb for cb in learn.active if cb is not self], recipe(learn), self.newest()
        if state is None: return
        check_same_fit(path.name, state, self.recipe, fit_objects(learn, self.others))
        set_fit_state(learn, self.others, state)
        learn.epoch, learn.first_row, learn.history[:] = state['epoch'], state['first_row'], state['history']
        print(f'{path.name}: {learn.epoch} of {state["epochs"]} epochs were done; now {learn.epochs} are wanted')
    def teardown(self, learn): self.lock = self.lock and self.lock.release()
    def after_epoch(self, learn):
        if not learn.whole: return
        if not weights_are_finite(learn.model): return print(f'epoch {learn.epoch + 1} is not saved: a weight is no finite number')
        state = {'epoch': learn.epoch + 1, 'epochs': learn.epochs, 'first_row': learn.first_row, 'recipe': self.recipe,
                 'history': plain(learn.history), 'model': learn.model.state_dict(), **fit_state(learn, self.others)}
        save_checked(state, self.folder, f'epoch-{learn.epoch + 1:05}')
        best = self.best_epoch(learn.history[learn.first_row:])
        for path in self.files()[:-self.keep]:
            if int(path.name.split('-')[1]) != best: path.unlink()

# ---

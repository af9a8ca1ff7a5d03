# Generated from nbs/05_learner.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/05_learner.ipynb 1658dd88
import copy, dataclasses, itertools, math, operator
from collections.abc import Mapping, MutableMapping
import torch
from torch import nn
from torch.nn import functional as F
from exp.nb_04 import SGD
from exp.nb_04a import Callback, CancelBatch, CancelEpoch, CancelFit, FitError, Loop

# ---
# one_number
# %% nbs/05_learner.ipynb 102d53bc
def one_number(name, value):
    "`value` as a tensor without axes and without a graph. Raises ValueError unless it is a single real number."
    try: number = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError): raise ValueError(f'{name} is {value!r}, wanted one number') from None
    if number.is_complex(): raise ValueError(f'{name} is {value!r}, wanted one number')
    if number.numel() != 1: raise ValueError(f'{name} has the shape {tuple(number.shape)}, wanted one number')
    return number.detach() if number.ndim == 0 else number.detach().reshape(())

# ---
# Means
# %% nbs/05_learner.ipynb 02521603
class Means(Callback):
    "Means over the examples of all batches since the last `reset`."
    def __init__(self): self.reset()
    def reset(self): self.values = {}
    def add(self, name, value, count): self.values.setdefault(name, []).append((one_number(name, value), count))
    def row(self): return {name: self.mean(*zip(*pairs)) for name, pairs in self.values.items()}
    def mean(self, values, counts):
        return ((torch.stack(values).cpu().double() * torch.tensor(counts)).sum() / sum(counts)).item()

# ---
# contents
# %% nbs/05_learner.ipynb e58b3de1
def contents(data):
    "{key: part} of a dict, a tuple, a list, a dataclass or what behaves like one of them; None for anything else."
    if isinstance(data, Mapping): return dict(data)
    if isinstance(data, (tuple, list)): return dict(enumerate(data))
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return {field.name: getattr(data, field.name) for field in dataclasses.fields(data)}

# ---
# one_per_example
# %% nbs/05_learner.ipynb a25772b1
def one_per_example(data):
    "Whether `data` has a part for each example: dicts, or what is no tensor and no container; of one form in a tuple."
    if not isinstance(data, (list, tuple)) or hasattr(data, '_fields') or all(part is None for part in data): return False
    if any(isinstance(part, (torch.Tensor, list, tuple)) for part in data): return False
    # the form of a part: the keys of a dict, True for what is no container, False for other containers
    forms = {frozenset(part) if isinstance(part, Mapping) else contents(part) is None for part in data}
    return isinstance(data, list) or len(forms) == 1 and False not in forms

def lengths(data):
    "Yields the lengths of the tensors in `data`, and of what has a part for each example."
    if torch.is_tensor(data) and data.ndim or one_per_example(data): yield len(data)
    else:
        for part in (contents(data) or {}).values(): yield from lengths(part)

def examples(*data):
    "The number of examples in a batch: the first of the `lengths` in `data`. Raises ValueError when there is none."
    for part in data:
        for length in lengths(part): return length
    raise ValueError('no tensor in the batch tells the number of its examples')

# ---
# refill
# %% nbs/05_learner.ipynb 9424cba3
def refill(data, parts):
    "Another one of the type of `data`, with the `parts` that `contents` has named."
    if isinstance(data, tuple): return getattr(data, '_make', type(data))(list(parts.values()))
    if isinstance(data, Mapping) and not isinstance(data, MutableMapping): return parts
    new = copy.copy(data)
    put = operator.setitem if isinstance(data, (MutableMapping, list)) else object.__setattr__    # some are frozen
    for key, part in parts.items(): put(new, key, part)
    return new

def map_tensors(f, data, is_leaf=torch.is_tensor):
    "`data`, a tensor or containers of them, with `f` of each tensor; containers keep their types, the rest stays."
    if is_leaf(data): return f(data)
    parts = contents(data)
    return data if parts is None else refill(data, {key: map_tensors(f, part, is_leaf) for key, part in parts.items()})

# ---
# join
# %% nbs/05_learner.ipynb f471814b
def join(batches):
    "Batches of one form as one of it: tensors are concatenated, those without axes stacked; examples become a list."
    first = batches[0]
    if torch.is_tensor(first): return torch.cat(batches) if first.ndim else torch.stack(batches)
    if one_per_example(first): return [part for batch in batches for part in batch]
    fields = [*map(contents, batches)]
    return batches if fields[0] is None else refill(first, {k: join([parts[k] for parts in fields]) for k in fields[0]})

# ---
# MetricsCallback
# %% nbs/05_learner.ipynb 5ebdb02b
class MetricsCallback(Means):
    """Appends to `learn.history` after each epoch train_loss, valid_loss and the validation set's `metrics`, functions of
    (pred, yb) that return a mean, or objects of torchmetrics. ValueError for the names epoch, train_loss, valid_loss."""
    order, fits_only = 0, True
    def __init__(self, **metrics):
        for name, m in metrics.items():
            if name in ('epoch', 'train_loss', 'valid_loss'): raise ValueError(f'MetricsCallback: the name {name} is taken')
            if isinstance(m, type) or not (callable(m) or hasattr(m, 'update')):
                raise TypeError(f'MetricsCallback: {name} is {m!r}, wanted a function or an object')
        self.functions = {name: m for name, m in metrics.items() if not hasattr(m, 'update')}
        self.objects = {name: m for name, m in metrics.items() if hasattr(m, 'update')}
        self.before_epoch()
    def setup(self, learn):
        names = [name for cb in learn.active if isinstance(cb, MetricsCallback) for name in (*cb.functions, *cb.objects)]
        twice = [name for name in names if names.count(name) > 1]
        if twice: raise ValueError(f'MetricsCallback: two metrics have the name {twice[0]}')
    def before_epoch(self, learn=None):
        self.reset()
        for metric in self.objects.values(): metric.reset()
    def after_loss(self, learn):
        count = examples(learn.yb, learn.xb)
        self.add('train_loss' if learn.training else 'valid_loss', learn.loss, count)
        if learn.training: return
        for name, metric in self.functions.items(): self.add(name, metric(learn.pred, learn.yb), count)
        for metric in self.objects.values(): metric.update(learn.pred, learn.yb)
    def row(self):
        row = super().row()
        objects = self.objects if 'valid_loss' in row else {}
        return {**row, **{name: float(one_number(name, metric.compute())) for name, metric in objects.items()}}
    def after_epoch(self, learn):
        if not learn.whole or not (row := self.row()): return
        last = learn.history[-1] if len(learn.history) > learn.first_row else {}
        if last.get('epoch') == learn.epoch + 1: last.update(row)          # another MetricsCallback was here
        else: learn.history.append({'epoch': learn.epoch + 1, **row})

# ---
# GradientClip
# %% nbs/05_learner.ipynb f9c2bc7a
class GradientClip(Callback):
    "Shrinks gradients alike if their norm exceeds `max_norm` (Pascanu et al., 2013). ValueError unless it is over 0."
    same = ('max_norm',)
    def __init__(self, max_norm):
        if not max_norm > 0: raise ValueError(f'GradientClip: a norm of {max_norm}, wanted one over 0')
        self.max_norm = max_norm
    def after_backward(self, learn): nn.utils.clip_grad_norm_(learn.model.parameters(), self.max_norm)

# ---
# move
# %% nbs/05_learner.ipynb 1508c300
def move(data, device):
    "`data` on `device`: each tensor in it, and whatever else has a method `to`, as packed sequences have."
    return map_tensors(lambda part: part.to(device), data, lambda part: hasattr(part, 'to'))

class DeviceCallback(Callback):
    "Moves model, loss and every batch to `device`; None: a CUDA GPU, else Apple's MPS, else the CPU."
    order = -20
    def __init__(self, device=None):
        best = 'cuda' if torch.cuda.is_available() else 'mps' if torch.backends.mps.is_available() else 'cpu'
        self.device = torch.device(best if device is None else device)
    def setup(self, learn):
        for part in (learn.model, learn.loss_func):
            if isinstance(part, nn.Module): part.to(self.device)
    before_validate = setup
    def before_batch(self, learn): learn.xb, learn.yb = move((learn.xb, learn.yb), self.device)

# ---
# Answers
# %% nbs/05_learner.ipynb 955f0941
class Answers(Callback):
    "Takes each batch to where the model is; keeps predictions and targets, on the CPU; with `keep` False it only counts."
    order = math.inf
    def __init__(self, keep=True): self.keep, self.preds, self.targs = keep, [], []
    def before_batch(self, learn):
        p = next(learn.model.parameters(), None)
        if p is not None: learn.xb, learn.yb = move((learn.xb, learn.yb), p.device)
    def after_pred(self, learn):
        answers = map_tensors(lambda x: x.detach().cpu(), (learn.pred, learn.yb)) if self.keep else (None, None)
        for kept, answer in zip((self.preds, self.targs), answers): kept.append(answer)

# ---
# Asker
# %% nbs/05_learner.ipynb 831cc0cd
class Asker(Loop):
    "Sends batches through a model without training it."
    def ask(self, dl, work, cbs=(), keep=True, **do):
        """The batches of `dl` (None: the validation set) go through `work`, in eval mode, without a graph, with `cbs` and
        those of ours that are not `fits_only`; returns Answers. FitError for what fails, ValueError if all are cancelled."""
        asked, answers = copy.copy(self), Answers(keep)
        modes = {module: module.training for module in self.model.modules()}
        asked.activate([*[cb for cb in self.cbs if not cb.fits_only], *cbs, answers])
        asked.do.update(do)
        asked.epochs, dl = 0, self.dls.valid if dl is None else dl
        def put_back():
            for module, mode in modes.items(): module.training = mode
        def go_through(): asked.half(dl, False, lambda: work(asked), 'before_validate', 'after_validate')
        asked.outermost(go_through, put_back)
        if not answers.preds: raise ValueError('every batch was cancelled, so there is no answer')
        return answers

# ---
# Predictor
# %% nbs/05_learner.ipynb 53e954db
class Predictor(Asker):
    "What can be asked of a model with its loaders: predictions and figures."
    def predict(self, xb):
        "The output, on the CPU, for inputs `xb` alone, a tensor, tuple or dict; `yb` is None, a callback's do_split unused."
        def inputs_only(learn): learn.xb, learn.yb = learn.items, None
        return self.ask([xb], Loop.ask_batch, do_split=inputs_only).preds[0]
    def get_preds(self, dl=None):
        "Predictions for and targets of all examples of `dl` (None: the validation set), in its order, on the CPU."
        answers = self.ask(dl, Loop.ask_batch)
        return join(answers.preds), join(answers.targs)
    def validate(self, dl=None, **metrics):
        "A dict of floats, as in `history`: the mean `loss` over `dl` (None: the validation set), and the `metrics`."
        if 'loss' in metrics: raise ValueError('validate: the name loss is taken')
        self.ask(dl, Loop.check_batch, [means := MetricsCallback(**metrics)], keep=False)
        row = means.row()
        if 'valid_loss' not in row: raise ValueError('validate: no batch got as far as its loss')
        return {'loss': row.pop('valid_loss'), **row}

# ---
# check_count
# %% nbs/05_learner.ipynb 9e5baf6c
def check_count(what, value):
    "Raises ValueError unless the setting `value` is a whole number from 1 on."
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'{what}: {value!r}, wanted a whole number from 1 on')

def weights_are_finite(model):
    "Whether nothing that is trained in `model` is NaN or infinite, and no buffer NaN (some hold infinities on purpose)."
    finite = [p.isfinite().all() for p in model.parameters() if p.requires_grad]
    finite += [~buffer.isnan().any() for buffer in model.buffers()]
    return not finite or bool(torch.stack(finite).all())

# ---
# StopOnNaN
# %% nbs/05_learner.ipynb 047a2c09
class StopOnNaN(Callback):
    """Ends the fit when a training loss or a weight is NaN or infinite, with the parts as they were at the last look.
    It looks every `every` batches and when a training half ends, since looking makes a GPU wait."""
    order, fits_only = -10, True
    def __init__(self, every=50):
        check_count('StopOnNaN: every', every)
        self.every = every
    def before_fit(self, learn): self.keep(learn)
    def after_loss(self, learn):
        if not learn.training: return
        self.losses.append(one_number('the loss', learn.loss))
        if len(self.losses) == self.every: self.look(learn)
        self.unseen = True                                     # the step of this batch comes after the look
    def after_train(self, learn):
        try:
            if self.unseen: self.look(learn)                   # it may have been broken off between two looks
        except CancelFit as e:
            if learn.whole: raise
            print(e)                                           # of two exceptions only the graver is told
            raise CancelFit from None
    def keep(self, learn):
        self.losses, self.unseen = [], False
        self.kept = {name: copy.deepcopy(part.state_dict()) for name, part in learn.parts().items()}
    def look(self, learn):
        "Keeps the parts when all is well; else puts back what was kept last, and ends the fit."
        past = torch.stack(self.losses).tolist() if self.losses else []
        bad = [f'a loss was {loss}' for loss in past if not math.isfinite(loss)]
        if not bad and not weights_are_finite(learn.model): bad = ['a weight was no finite number']
        if not bad: return self.keep(learn)
        for name, part in learn.parts().items(): part.load_state_dict(self.kept[name])
        self.keep(learn)                                       # begins anew: there is nothing unseen
        raise CancelFit(f'{bad[0]}; model and optimiser are as they were at the last look (batches since then: {len(past)})')

# ---
# Learner
# %% nbs/05_learner.ipynb 76b6984e
class Learner(Predictor):
    "Trains `model` on `dls.train`, validates on `dls.valid`. `opt_func(params, lr=lr)` gives the optimiser; what fails, a FitError."
    def __init__(self, model, dls, loss_func=F.cross_entropy, opt_func=SGD, lr=.1, cbs=()):
        super().__init__(model, dls, loss_func, opt_func(model.parameters(), lr=lr), [StopOnNaN(), *cbs])
        self.lr = lr
    def parts(self):
        "By name, what a fit changes and can be put back: everything that has a state_dict."
        named = {'model': self.model, 'opt': self.opt, 'loss_func': self.loss_func}
        return {name: part for name, part in named.items() if hasattr(part, 'state_dict')}
    def summary(self):
        "A table as text: each layer without children, its output's shape for a validation batch, its parameters."
        rows, leaves = [], [layer for layer in self.model.modules() if not any(layer.children())]
        def count(module): return sum(p.numel() for p in module.parameters())
        def shape(out): return tuple(out.shape) if torch.is_tensor(out) else f'a {type(out).__name__}'
        def note(layer, _, out): rows.append((type(layer).__name__, shape(out), count(layer)))
        hooks = [layer.register_forward_hook(note) for layer in leaves]
        try: self.ask(itertools.islice(self.dls.valid, 1), Loop.ask_batch, keep=False)
        finally:
            for hook in hooks: hook.remove()
        rows.append(('all parameters', '', count(self.model)))
        return '\n'.join(f'{name:<20} {str(size):<24} {n:>12,}' for name, size, n in rows)

# ---

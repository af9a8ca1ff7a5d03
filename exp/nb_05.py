# Generated from nbs/05_learner.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/05_learner.ipynb b27c28ad
import copy, itertools, math
import torch
from torch import nn
from torch.nn import functional as F
from exp.nb_04 import SGD
from exp.nb_04a import EVENTS, Callback, CancelBatch, CancelEpoch, CancelFit, FitError, Loop

# ---
# map_tensors
# %% nbs/05_learner.ipynb 339b9ae8
def map_tensors(f, data):
    "`data`, a tensor or tuples, lists and dicts of them, with `f` of each tensor; anything else as it is."
    if torch.is_tensor(data): return f(data)
    if isinstance(data, dict): return {name: map_tensors(f, part) for name, part in data.items()}
    if isinstance(data, tuple) and hasattr(data, '_fields'): return type(data)(*[map_tensors(f, part) for part in data])
    return type(data)(map_tensors(f, part) for part in data) if type(data) in (tuple, list) else data

# ---
# join
# %% nbs/05_learner.ipynb d3bf49c3
def join(batches):
    "A list of batches of one form as a single one: their tensors are concatenated, in tuples and dicts too."
    first = batches[0]
    if torch.is_tensor(first): return torch.cat(batches)
    if isinstance(first, dict): return {name: join([batch[name] for batch in batches]) for name in first}
    return tuple(map(join, zip(*batches))) if isinstance(first, (tuple, list)) else batches

# ---
# examples
# %% nbs/05_learner.ipynb 96a843ec
def examples(*data):
    "The number of examples in a batch: the length of the first tensor in `data` that has one."
    sizes = []
    for part in data:
        map_tensors(lambda x: sizes.append(len(x)) if x.ndim else None, part)
        if sizes: return sizes[0]
    raise ValueError('no tensor in the batch tells the number of its examples')

def batches_in(dl):
    "The number of batches in the loader `dl`, or None when it does not know."
    try: return len(dl)
    except TypeError: return None

# ---
# one_number
# %% nbs/05_learner.ipynb bf5f8e96
def one_number(name, value):
    "`value` as a tensor without axes and without a graph. Raises ValueError unless it is a single number."
    try: number = torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError): raise ValueError(f'{name} is {value!r}, wanted one number') from None
    if number.numel() != 1: raise ValueError(f'{name} has the shape {tuple(number.shape)}, wanted one number')
    return number.reshape(()) if number.ndim else number

# ---
# MetricsCallback
# %% nbs/05_learner.ipynb 4b5a291e
class MetricsCallback(Callback):
    """Appends to `learn.history` after each epoch train_loss, valid_loss and the `metrics` of the validation set, each one number:
    functions of (pred, yb) that return a mean, or objects of torchmetrics (update, compute, reset). ValueError for a name of ours."""
    order, fits_only = 0, True
    def __init__(self, **metrics):
        taken = {'epoch', 'train_loss', 'valid_loss'} & {*metrics}
        if taken: raise ValueError(f'MetricsCallback: the name {taken.pop()} is taken')
        self.functions = {name: m for name, m in metrics.items() if not hasattr(m, 'update')}
        self.objects = {name: m for name, m in metrics.items() if hasattr(m, 'update')}
        self.reset()

    def reset(self):
        self.values = {}
        for metric in self.objects.values(): metric.reset()

    def before_epoch(self, learn): self.reset()

    def after_loss(self, learn):
        count = examples(learn.yb, learn.xb)
        self.add('train_loss' if learn.training else 'valid_loss', learn.loss, count)
        if learn.training: return
        for name, metric in self.functions.items(): self.add(name, metric(learn.pred, learn.yb), count)
        for metric in self.objects.values(): metric.update(learn.pred, learn.yb)

    def add(self, name, value, count): self.values.setdefault(name, []).append((one_number(name, value), count))

    def after_epoch(self, learn):
        if not learn.whole or not (row := self.row()): return
        last = learn.history[-1] if len(learn.history) > learn.first_row else {}
        if last.get('epoch') == learn.epoch + 1: last.update(row)          # another MetricsCallback was here
        else: learn.history.append({'epoch': learn.epoch + 1, **row})

    def row(self):
        "The means over the examples of all batches since the last `reset`, and what the objects say; floats."
        row = {name: self.mean(*zip(*pairs)) for name, pairs in self.values.items()}
        objects = self.objects if 'valid_loss' in row else {}
        return {**row, **{name: one_number(name, metric.compute()).item() for name, metric in objects.items()}}

    def mean(self, values, counts):
        return ((torch.stack(values).cpu().double() * torch.tensor(counts)).sum() / sum(counts)).item()

# ---
# GradientClip
# %% nbs/05_learner.ipynb cb85d9ae
class GradientClip(Callback):
    "Scales all gradients down together when their norm exceeds `max_norm` (Pascanu et al., 2013). ValueError unless it is over 0."
    same = ('max_norm',)
    def __init__(self, max_norm):
        if not max_norm > 0: raise ValueError(f'GradientClip: a norm of {max_norm}, wanted one over 0')
        self.max_norm = max_norm

    def after_backward(self, learn): nn.utils.clip_grad_norm_(learn.model.parameters(), self.max_norm)

# ---
# DeviceCallback
# %% nbs/05_learner.ipynb 37b7ee33
class DeviceCallback(Callback):
    "Moves model, loss and every batch to `device`; None: a CUDA GPU, else Apple's MPS, else the CPU."
    order = -20
    def __init__(self, device=None):
        best = 'cuda' if torch.cuda.is_available() else 'mps' if torch.backends.mps.is_available() else 'cpu'
        self.device = torch.device(device or best)

    def setup(self, learn):
        for part in (learn.model, learn.loss_func):
            if isinstance(part, nn.Module): part.to(self.device)

    before_validate = setup
    def before_batch(self, learn): learn.xb, learn.yb = map_tensors(lambda x: x.to(self.device), (learn.xb, learn.yb))

# ---
# Answers
# %% nbs/05_learner.ipynb 71668a08
class Answers(Callback):
    "Takes each batch to where the model is, after all who change it, and keeps predictions and targets, on the CPU."
    order = math.inf
    def __init__(self): self.preds, self.targs = [], []

    def before_batch(self, learn):
        for p in itertools.islice(learn.model.parameters(), 1):
            learn.xb, learn.yb = map_tensors(lambda x: x.to(p.device), (learn.xb, learn.yb))

    def after_pred(self, learn):
        pred, targ = map_tensors(lambda x: x.detach().cpu(), (learn.pred, learn.yb))
        self.preds.append(pred)
        self.targs.append(targ)

# ---
# Predictor
# %% nbs/05_learner.ipynb 87a0372c
class Predictor(Loop):
    "What can be asked of a model with its loaders, without training it."
    def ask(self, dl, work, cbs, **do):
        """The batches of `dl` (None: the validation set) go through `work`, in eval mode and without a graph, with `cbs` and those
        of our callbacks that are not for fits only. It is a copy that is asked: a fit that is under way stays as it is."""
        asked, modes = copy.copy(self), {module: module.training for module in self.model.modules()}
        asked.activate([*[cb for cb in self.cbs if not cb.fits_only], *cbs])
        asked.do.update(do)
        asked.epochs = 0
        try: asked.half(self.dls.valid if dl is None else dl, False, lambda: work(asked), 'before_validate', 'after_validate')
        finally:
            for module, mode in modes.items(): module.training = mode

    def predict(self, xb):
        "The model's output, on the CPU, for inputs `xb` alone: a tensor, a tuple that the model takes apart, a dict."
        def inputs_only(learn): learn.xb, learn.yb = learn.items, None
        self.ask([xb], Loop.ask_batch, [answers := Answers()], do_split=inputs_only)
        return answers.preds[0]

    def get_preds(self, dl=None):
        "Predictions for and targets of all examples of `dl` (None: the validation set), in its order, on the CPU."
        self.ask(dl, Loop.ask_batch, [answers := Answers()])
        return join(answers.preds), join(answers.targs)

    def validate(self, dl=None, **metrics):
        "A dict of floats, as in a fit's history: the mean `loss` over `dl` (None: the validation set), and each of `metrics`."
        if 'loss' in metrics: raise ValueError('validate: the name loss is taken')
        self.ask(dl, Loop.check_batch, [Answers(), means := MetricsCallback(**metrics)])
        row = means.row()
        return {'loss': row.pop('valid_loss'), **row}

# ---
# Learner
# %% nbs/05_learner.ipynb 06eaf19e
class Learner(Predictor):
    """Trains `model` on `dls.train`, validates on `dls.valid`; `opt_func(params, lr=lr)` makes the optimiser. Errors
    are raised as FitError. Lesson 05 has a table of the attributes that callbacks may use and change."""
    def __init__(self, model, dls, loss_func=F.cross_entropy, opt_func=SGD, lr=.1, cbs=()):
        super().__init__(model, dls, loss_func, opt_func(model.parameters(), lr=lr), [StopOnNaN(), *cbs])
        self.lr = lr

    def parts(self):
        "By name, what a fit changes and can be put back: everything that has a state_dict."
        named = {'model': self.model, 'opt': self.opt, 'loss_func': self.loss_func}
        return {name: part for name, part in named.items() if hasattr(part, 'state_dict')}

    def summary(self):
        "A table as text: each layer without children, its output's shape for a validation batch, its parameters."
        rows = []
        def count(module): return sum(p.numel() for p in module.parameters())
        def shape(out): return tuple(out.shape) if torch.is_tensor(out) else f'a {type(out).__name__}'
        def note(layer, _, out): rows.append((type(layer).__name__, shape(out), count(layer)))
        leaves = [layer for layer in self.model.modules() if not any(layer.children())]
        hooks = [layer.register_forward_hook(note) for layer in leaves]
        try: self.ask(itertools.islice(self.dls.valid, 1), Loop.ask_batch, [Answers()])
        finally:
            for hook in hooks: hook.remove()
        rows.append(('all parameters', '', count(self.model)))
        return '\n'.join(f'{name:<20} {str(size):<24} {n:>12,}' for name, size, n in rows)

# ---
# check_count
# %% nbs/05_learner.ipynb 373c2cfa
def check_count(what, value):
    "Raises ValueError unless the setting `value` is a whole number from 1 on."
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'{what}: {value!r}, wanted a whole number from 1 on')

def weights_are_finite(model):
    "Whether all that is trained in `model` is neither NaN nor infinite."
    finite = [p.isfinite().all() for p in model.parameters() if p.requires_grad]
    return not finite or bool(torch.stack(finite).all())

# ---
# StopOnNaN
# %% nbs/05_learner.ipynb 5b13511b
class StopOnNaN(Callback):
    """Ends the fit when a training loss or a weight is NaN or infinite, with the learner's parts as they were at the last look.
    It looks every `every` batches and at the end of an epoch, since looking makes a GPU wait."""
    order, fits_only = -10, True
    def __init__(self, every=50):
        check_count('StopOnNaN: every', every)
        self.every = every

    def before_fit(self, learn): self.keep(learn)

    def after_loss(self, learn):
        if not learn.training: return
        self.losses.append(learn.loss.detach())
        if len(self.losses) == self.every:
            self.look(learn)
            self.keep(learn)

    def after_train(self, learn):
        if learn.whole and self.losses: self.look(learn)

    def keep(self, learn):
        self.losses, self.kept = [], {name: copy.deepcopy(part.state_dict()) for name, part in learn.parts().items()}

    def look(self, learn):
        bad = [f'a loss was {loss}' for loss in torch.stack(self.losses).flatten().tolist() if not math.isfinite(loss)]
        if not bad and not weights_are_finite(learn.model): bad = ['a weight was no finite number']
        if not bad: return
        for name, part in learn.parts().items(): part.load_state_dict(self.kept[name])
        raise CancelFit(f'{bad[0]}; model and optimiser are as they were {len(self.losses)} batches ago or less')

# ---

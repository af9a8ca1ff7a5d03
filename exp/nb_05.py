# Generated from nbs/05_learner.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/05_learner.ipynb b7d296ae
import copy, math
import torch
from torch import nn
from torch.nn import functional as F
from exp.nb_04 import SGD

# ---
# EVENTS
# %% nbs/05_learner.ipynb fd53cfbe
EVENTS = ('before_fit', 'before_epoch', 'before_train', 'before_validate', 'before_batch',
          'after_pred', 'after_loss', 'after_backward', 'after_step',
          'after_batch', 'after_validate', 'after_train', 'after_epoch', 'after_fit')

# ---
# Callback
# %% nbs/05_learner.ipynb eef6a509
class Callback:
    "Define any method named in EVENTS; it is called with the Learner. Those with a smaller `order` are called first."
    order, saves = 50, ()                         # saves: names of attributes that belong in a checkpoint

    def __init_subclass__(cls):
        unknown = {name for name in vars(cls) if name.startswith(('before_', 'after_'))} - set(EVENTS)
        if unknown: raise TypeError(f'{cls.__name__}: no such event {sorted(unknown)}, only {EVENTS}')

    def state_dict(self): return {name: getattr(self, name) for name in self.saves}

    def load_state_dict(self, state):
        for name in self.saves: setattr(self, name, state[name])

# ---
# CancelBatch
# %% nbs/05_learner.ipynb c725d2dd
class CancelBatch(Exception): "Raised by a callback to skip the rest of this batch."
class CancelEpoch(Exception): "Raised by a callback to skip the rest of this epoch."
class CancelFit(Exception): "Raised by a callback to end the fit, with the reason."
CANCEL = CancelBatch, CancelEpoch, CancelFit

class FitError(RuntimeError):
    "Something failed in a fit; says in which event of which callback, epoch and batch. The `cause` is its `__cause__`."
    def __init__(self, sentence, cause):
        super().__init__(f'{sentence}: {cause!r}')
        self.__cause__ = cause

# ---
# Predictor
# %% nbs/05_learner.ipynb 4ad99523
class Predictor:
    "What can be asked of a `model` with its `dls` and `loss_func`, without training it."
    def predict(self, xb):
        "The model's output for the batch `xb`, in eval mode; on the CPU."
        was_training, device = self.model.training, next(self.model.parameters()).device
        self.model.eval()
        try:
            with torch.no_grad(): return self.model(xb.to(device)).cpu()
        finally: self.model.train(was_training)

    def get_preds(self, dl=None):
        "Predictions for and targets of all examples of `dl` (None: the validation set), in its order."
        preds, targs = zip(*[(self.predict(xb), yb.cpu()) for xb, yb in (self.dls.valid if dl is None else dl)])
        return torch.cat(preds), torch.cat(targs)

    def validate(self, dl=None, **metrics):
        "A dict of floats: the loss over `dl` (None: the validation set), and each function of `metrics`."
        preds, targs = self.get_preds(dl)
        return {name: float(f(preds, targs)) for name, f in {'loss': self.loss_func, **metrics}.items()}

    def summary(self):
        "A table as text: each layer without children, its output's shape for a validation batch, its parameters."
        rows = []
        def count(module): return sum(p.numel() for p in module.parameters())
        def shape(out): return tuple(out.shape) if torch.is_tensor(out) else f'a {type(out).__name__}'
        def note(layer, _, out): rows.append((type(layer).__name__, shape(out), count(layer)))
        leaves = [layer for layer in self.model.modules() if not any(layer.children())]
        hooks = [layer.register_forward_hook(note) for layer in leaves]
        try: self.predict(next(iter(self.dls.valid))[0])
        finally:
            for hook in hooks: hook.remove()
        rows.append(('all parameters', '', count(self.model)))
        return '\n'.join(f'{name:<20} {str(size):<24} {n:>12,}' for name, size, n in rows)

# ---
# Learner
# %% nbs/05_learner.ipynb 27d2d786
class Learner(Predictor):
    """Trains `model` on `dls.train`, validates on `dls.valid`; `opt_func(params, lr=lr)` makes the optimiser.
    Lesson 05 has a table of the attributes that callbacks may use and change. Errors are raised as FitError."""
    def __init__(self, model, dls, loss_func=F.cross_entropy, opt_func=SGD, lr=.1, cbs=()):
        self.model, self.dls, self.loss_func, self.lr, self.cbs = model, dls, loss_func, lr, [StopOnNaN(), *cbs]
        self.opt, self.history = opt_func(model.parameters(), lr=lr), []

    def fit(self, epochs, cbs=()):
        "Train for `epochs`, with further `cbs` for this fit. Ctrl-C ends it, and what was learned is kept."
        self.active = sorted([*self.cbs, *cbs], key=lambda cb: cb.order)
        classes = [cb.__name__ for cb in self.active if isinstance(cb, type)]
        if classes: raise TypeError(f'fit: {classes[0]} is a class, wanted an object of it: {classes[0]}()')
        self.calls = {event: [getattr(cb, event) for cb in self.active if hasattr(cb, event)] for event in EVENTS}
        self.epochs, self.epoch, self.batch, self.training = epochs, 0, 0, True
        self.whole, self.broken, self.error = True, None, None
        try: self.within('before_fit', self.all_epochs, 'after_fit', CancelFit)
        except KeyboardInterrupt: print(f'interrupted, {self.last()}; what was learned is kept')
        except CANCEL as e: raise FitError(f'there is nothing of the kind to cancel, {self.last()}', e)
        return self

    def call(self, event, closing=False):
        self.event, cancelled = event, None
        for method in self.calls[event]:
            try: method(self)
            except CANCEL as e: cancelled = cancelled or e
            except Exception as e:                       # the first error is the one that is told
                name = f'{type(method.__self__).__name__}.{event}'
                self.whole, self.error = False, self.error or FitError(f'{name} failed, {self.place()}', e)
            if not closing and (cancelled or self.error): break
        if cancelled or self.error: raise self.error or cancelled

    def within(self, before, work, after, cancel):
        try:
            self.call(before)
            work()
        except cancel as reason:
            self.whole, self.broken = True, None
            if reason.args: print(f'{reason}, {self.place()}')
        except BaseException as e:
            self.whole, self.broken = False, self.broken or self.event
            if not isinstance(e, (KeyboardInterrupt, *CANCEL)):
                self.error = self.error or FitError(f'failed, {self.last()}', e)
            raise
        finally: self.call(after, closing=True)          # raises the error, if there is one

    def all_epochs(self):
        while self.epoch < self.epochs:
            self.within('before_epoch', self.one_epoch, 'after_epoch', CancelEpoch)
            self.epoch += 1

    def one_epoch(self):
        self.half(self.dls.train, True, 'before_train', 'after_train')
        self.half(self.dls.valid, False, 'before_validate', 'after_validate')

    def half(self, dl, training, before, after):
        self.dl, self.training, self.batch = dl, training, 0
        self.model.train(training)
        if training: self.opt.zero_grad()                # what a fit that was broken off has left
        with torch.set_grad_enabled(training): self.within(before, self.all_batches, after, ())

    def all_batches(self):
        for self.batch, (self.xb, self.yb) in enumerate(self.dl):
            self.within('before_batch', self.one_batch, 'after_batch', CancelBatch)

    def one_batch(self):
        self.pred = self.model(self.xb)
        self.call('after_pred')
        self.loss = self.loss_func(self.pred, self.yb)
        self.call('after_loss')
        if not self.training: return
        self.loss.backward()
        self.call('after_backward')
        self.opt.step()
        self.call('after_step')
        self.opt.zero_grad()

    def place(self):
        half = 'training' if self.training else 'validation'
        return f'epoch {min(self.epoch + 1, self.epochs)} of {self.epochs}, {half} batch {self.batch + 1}'
    def last(self): return f'last event {self.broken or self.event}, {self.place()}'

# ---
# StopOnNaN
# %% nbs/05_learner.ipynb c4acfe10
class StopOnNaN(Callback):
    """Ends the fit when a training loss is NaN or infinite, with model and optimiser as they were at the last look. It
    looks every `every` batches, since looking makes a GPU wait."""
    order = -10
    def __init__(self, every=50): self.every = every

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
        self.losses, self.kept = [], copy.deepcopy([part.state_dict() for part in (learn.model, learn.opt)])

    def look(self, learn):
        bad = [loss for loss in torch.stack(self.losses).tolist() if not math.isfinite(loss)]
        if not bad: return
        for part, state in zip((learn.model, learn.opt), self.kept): part.load_state_dict(state)
        ago = f'{len(self.losses)} batches ago or less'
        raise CancelFit(f'a loss was {bad[0]}; model and optimiser are as they were {ago}')

# ---
# GradientClip
# %% nbs/05_learner.ipynb d2d776f1
class GradientClip(Callback):
    "Scales all gradients down together when their norm exceeds `max_norm` (Pascanu et al., 2013)."
    def __init__(self, max_norm): self.max_norm = max_norm
    def after_backward(self, learn): nn.utils.clip_grad_norm_(learn.model.parameters(), self.max_norm)

# ---
# MetricsCallback
# %% nbs/05_learner.ipynb 7f834221
class MetricsCallback(Callback):
    """Appends to `learn.history` after each epoch train_loss, valid_loss and the `metrics` of the validation set:
    functions of (pred, yb) that return a mean, or objects of torchmetrics (update, compute, reset)."""
    order = 0
    def __init__(self, **metrics):
        self.functions = {name: m for name, m in metrics.items() if not hasattr(m, 'update')}
        self.objects = {name: m for name, m in metrics.items() if hasattr(m, 'update')}

    def before_epoch(self, learn):
        self.values = {}
        for metric in self.objects.values(): metric.reset()

    def add(self, name, value, count): self.values.setdefault(name, []).append((value, count))

    def after_loss(self, learn):
        count = len(learn.yb)
        self.add('train_loss' if learn.training else 'valid_loss', learn.loss.detach(), count)
        if learn.training: return
        for name, metric in self.functions.items(): self.add(name, metric(learn.pred, learn.yb), count)
        for metric in self.objects.values(): metric.update(learn.pred, learn.yb)

    def after_epoch(self, learn):
        if not learn.whole: return
        row = {name: self.mean(*zip(*pairs)) for name, pairs in self.values.items()}
        row.update({name: float(metric.compute()) for name, metric in self.objects.items()})
        learn.history.append({'epoch': learn.epoch + 1, **row})

    def mean(self, values, counts):
        values = torch.stack([torch.as_tensor(value) for value in values]).cpu().double()
        return ((values * torch.tensor(counts)).sum() / sum(counts)).item()

# ---
# DeviceCallback
# %% nbs/05_learner.ipynb 8cf2f1d8
class DeviceCallback(Callback):
    "Moves the model and every batch to `device`; None: a CUDA GPU, else Apple's MPS, else the CPU."
    order = -20
    def __init__(self, device=None):
        best = 'cuda' if torch.cuda.is_available() else 'mps' if torch.backends.mps.is_available() else 'cpu'
        self.device = torch.device(device or best)

    def before_fit(self, learn): learn.model.to(self.device)
    def before_batch(self, learn): learn.xb, learn.yb = learn.xb.to(self.device), learn.yb.to(self.device)

# ---

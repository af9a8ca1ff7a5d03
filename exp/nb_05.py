# Generated from nbs/05_learner.ipynb
# Do not edit: change the notebook, then run notebook2script.py. c131adc142f34a42

# %% nbs/05_learner.ipynb export 1
import math
import torch
from torch import nn
from torch.nn import functional as F
from exp.nb_04 import SGD


# %% nbs/05_learner.ipynb export 2
EVENTS = ('before_fit', 'before_epoch', 'before_train', 'before_validate', 'before_batch',
          'after_pred', 'after_loss', 'after_backward', 'after_step',
          'after_batch', 'after_validate', 'after_train', 'after_epoch', 'after_fit')


# %% nbs/05_learner.ipynb export 3
class Callback:
    "Define any method named in EVENTS; it is called with the Learner. Those with a smaller `order` are called first."
    order, saves = 50, ()                         # saves: names of attributes that belong into a checkpoint

    def __init_subclass__(cls):
        unknown = {name for name in vars(cls) if name.startswith(('before_', 'after_'))} - set(EVENTS)
        if unknown: raise TypeError(f'{cls.__name__}: no such event {sorted(unknown)}, only {EVENTS}')

    def state_dict(self): return {name: getattr(self, name) for name in self.saves}

    def load_state_dict(self, state):
        for name in self.saves: setattr(self, name, state[name])


# %% nbs/05_learner.ipynb export 4
class CancelBatch(Exception): "Raised by a callback to skip the rest of this batch."
class CancelEpoch(Exception): "Raised by a callback to skip the rest of this epoch."
class CancelFit(Exception): "Raised by a callback to end the fit, with the reason."
class FitError(RuntimeError): "Something failed in a fit; says in which event of which callback, epoch and batch."


# %% nbs/05_learner.ipynb export 5
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
        preds, targs = zip(*[(self.predict(xb), yb.cpu()) for xb, yb in (dl or self.dls.valid)])
        return torch.cat(preds), torch.cat(targs)

    def validate(self, dl=None, **metrics):
        "A dict of floats: the loss over `dl` (None: the validation set), and each function of `metrics`."
        preds, targs = self.get_preds(dl)
        return {name: float(f(preds, targs)) for name, f in {'loss': self.loss_func, **metrics}.items()}

    def summary(self):
        "A table as text: each layer without children, its output's shape for a validation batch, its parameters."
        rows = []
        def count(module): return sum(p.numel() for p in module.parameters())
        def note(layer, _, out): rows.append((type(layer).__name__, tuple(out.shape), count(layer)))
        leaves = [layer for layer in self.model.modules() if not any(layer.children())]
        hooks = [layer.register_forward_hook(note) for layer in leaves]
        try: self.predict(next(iter(self.dls.valid))[0])
        finally:
            for hook in hooks: hook.remove()
        rows.append(('all parameters', '', count(self.model)))
        return '\n'.join(f'{name:<20} {str(shape):<24} {n:>12,}' for name, shape, n in rows)


# %% nbs/05_learner.ipynb export 6
class Learner(Predictor):
    """Trains `model` on `dls.train`, validates on `dls.valid`; `opt_func(params, lr=lr)` makes the optimiser.
    Callbacks may use and change: `model, dls, loss_func, opt, lr, cbs`; `history`, the metrics of each epoch; in a
    fit `epochs`, `epoch` and `batch` (from 0), `dl`, `training`, `xb, yb, pred, loss`, and `whole`, which is False
    when the epoch was broken off."""
    def __init__(self, model, dls, loss_func=F.cross_entropy, opt_func=SGD, lr=.1, cbs=()):
        self.model, self.dls, self.loss_func, self.lr, self.cbs = model, dls, loss_func, lr, [StopOnNaN(), *cbs]
        self.opt, self.history = opt_func(model.parameters(), lr=lr), []

    def fit(self, epochs, cbs=()):
        "Train for `epochs`, with further `cbs` for this fit. Ctrl-C ends it, and what was learned is kept."
        self.active = sorted([*self.cbs, *cbs], key=lambda cb: cb.order)
        self.calls = {event: [getattr(cb, event) for cb in self.active if hasattr(cb, event)] for event in EVENTS}
        self.epochs, self.epoch, self.batch, self.training, self.whole = epochs, 0, 0, True, True
        try: self.within('before_fit', self.all_epochs, 'after_fit', CancelFit)
        except KeyboardInterrupt: print(f'interrupted {self.broken}; what was learned is kept')
        except FitError: raise
        except Exception as e: raise FitError(f'failed {self.broken}: {e!r}') from e
        return self

    def call(self, event):
        self.event = event
        for method in self.calls[event]:
            try: method(self)
            except (CancelBatch, CancelEpoch, CancelFit, FitError): raise
            except Exception as e:
                raise FitError(f'{type(method.__self__).__name__}.{event} failed, {self.place()}: {e!r}') from e

    def within(self, before, work, after, cancel):
        try:
            self.call(before)
            work()
        except cancel as reason:
            self.whole = True
            if reason.args: print(f'{reason}, {self.place()}')
        except BaseException:
            if self.whole: self.whole, self.broken = False, f'after {self.event}, {self.place()}'
            raise
        finally: self.call(after)

    def all_epochs(self):
        while self.epoch < self.epochs:
            self.within('before_epoch', self.one_epoch, 'after_epoch', CancelEpoch)
            self.epoch += 1

    def one_epoch(self):
        self.half(self.dls.train, True, 'before_train', 'after_train')
        self.half(self.dls.valid, False, 'before_validate', 'after_validate')

    def half(self, dl, training, before, after):
        self.dl, self.training = dl, training
        self.model.train(training)
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
        return f'epoch {self.epoch + 1} of {self.epochs}, {half} batch {self.batch + 1}'


# %% nbs/05_learner.ipynb export 7
class StopOnNaN(Callback):
    "Ends the fit at a training loss that is NaN or infinite, before the step that would spoil the weights."
    order = -10
    def after_loss(self, learn):
        if learn.training and not math.isfinite(learn.loss.item()):
            raise CancelFit(f'the loss is {learn.loss.item()}; what was learned before is kept')


# %% nbs/05_learner.ipynb export 8
class GradientClip(Callback):
    "Scales all gradients down together when their norm exceeds `max_norm` (Pascanu et al., 2013)."
    def __init__(self, max_norm): self.max_norm = max_norm
    def after_backward(self, learn): nn.utils.clip_grad_norm_(learn.model.parameters(), self.max_norm)


# %% nbs/05_learner.ipynb export 9
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
        if learn.training: return self.add('train_loss', learn.loss.detach(), count)
        self.add('valid_loss', learn.loss, count)
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


# %% nbs/05_learner.ipynb export 10
class DeviceCallback(Callback):
    "Moves the model and every batch to `device`; None: a CUDA GPU, else Apple's MPS, else the CPU."
    order = -20
    def __init__(self, device=None):
        best = 'cuda' if torch.cuda.is_available() else 'mps' if torch.backends.mps.is_available() else 'cpu'
        self.device = torch.device(device or best)

    def before_fit(self, learn): learn.model.to(self.device)
    def before_batch(self, learn): learn.xb, learn.yb = learn.xb.to(self.device), learn.yb.to(self.device)

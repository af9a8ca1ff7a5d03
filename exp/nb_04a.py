# Generated from nbs/04a_callbacks.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/04a_callbacks.ipynb 8f4b55ee
import numbers, pickle, signal, threading
import torch

# ---
# CancelBatch
# %% nbs/04a_callbacks.ipynb 17b8cfe5
class CancelBatch(Exception): "Raised by a callback to skip the rest of this batch."
class CancelEpoch(Exception): "Raised by a callback to skip the rest of this epoch."
class CancelFit(Exception): "Raised by a callback to end the fit, with the reason."
CANCEL = CancelBatch, CancelEpoch, CancelFit
RANKS = *CANCEL, KeyboardInterrupt, Exception, BaseException

def rank(e):
    "How grave an exception is: 0 to 2 for a cancellation, 3 for Ctrl-C, 4 for an error, 5 for the end of the program."
    return next(i for i, kind in enumerate(RANKS) if isinstance(e, kind))

# ---
# EVENTS
# %% nbs/04a_callbacks.ipynb e14ba2b2
EVENTS = ('before_fit', 'before_epoch', 'before_train', 'before_validate', 'before_batch',
          'after_pred', 'after_loss', 'after_backward', 'after_step',
          'after_batch', 'after_validate', 'after_train', 'after_epoch', 'after_fit')
STEPS = 'do_split', 'do_forward', 'do_loss', 'do_backward', 'do_step'

# ---
# Callback
# %% nbs/04a_callbacks.ipynb ee9ed501
class Callback:
    """Define any method named in EVENTS; it is called with the loop. Those with a smaller `order` are called first. `setup`
    and `teardown` come before and after all events of a fit; a method named in STEPS takes the place of the loop's own.
    One with `fits_only` takes no part where nothing is learned: in `predict`, `get_preds`, `validate` and `lr_find`."""
    order, fits_only = 50, False
    saves, same = (), ()                 # names of attributes: a checkpoint restores the first and compares the second

    def __init_subclass__(cls):
        unknown = {name for name in vars(cls) if name.startswith(('before_', 'after_', 'do_'))} - {*EVENTS, *STEPS}
        if unknown: raise TypeError(f'{cls.__name__}: no such event {sorted(unknown)}, only {(*EVENTS, *STEPS)}')
        if isinstance(cls.saves, str) or isinstance(cls.same, str): raise TypeError(f'{cls.__name__}: saves and same are tuples of names')

    def state_dict(self): return {name: getattr(self, name) for name in self.saves}

    def load_state_dict(self, state):
        for name in self.saves: setattr(self, name, state[name])

# ---
# FitError
# %% nbs/04a_callbacks.ipynb 5e31f529
class FitError(RuntimeError):
    "Something failed in a fit; says in which event of which callback, epoch and batch. What failed there is its `cause`."
    def __init__(self, sentence, cause):
        super().__init__(sentence, cause)
        self.__cause__ = cause

    cause = property(lambda self: self.args[1])      # a pool of processes puts a text of its own into `__cause__`
    def __str__(self): return '{}: {!r}'.format(*self.args)

    def __reduce__(self):
        sentence, cause = self.args
        try: pickle.loads(pickle.dumps(cause))
        except Exception: cause = RuntimeError(repr(cause))                # another process shall read it all the same
        return FitError, (sentence, cause)

# ---
# Announcer
# %% nbs/04a_callbacks.ipynb 2dab9024
class Announcer:
    "Calls out events to its callbacks, and says where something failed."
    epochs, epoch, batch, training, event = 0, 0, 0, True, 'none yet'

    def activate(self, cbs):
        "Looks up, once for many batches, the methods of the callbacks `cbs` in their order; None where one has none."
        classes = [cb.__name__ for cb in cbs if isinstance(cb, type)]
        if classes: raise TypeError(f'fit: {classes[0]} is a class, wanted an object of it: {classes[0]}()')
        if len({*map(id, cbs)}) < len(cbs): raise ValueError(f'fit: a callback is there twice: {[type(cb).__name__ for cb in cbs]}')
        self.active = sorted(cbs, key=lambda cb: cb.order)
        self.calls = {event: [getattr(cb, event, None) for cb in self.active] for event in (*EVENTS, 'setup', 'teardown')}
        self.heard = {event: [*filter(None, methods)] for event, methods in self.calls.items()}

    def call(self, event):
        self.event = event
        try:
            for method in self.heard[event]: method(self)
        except Exception as e: raise self.placed(e, method, event)

    def run(self, method, name):
        try: method(self)
        except Exception as e: raise self.placed(e, method, name)

    def placed(self, e, method=None, name=''):
        "`e`, once it has been told where it was raised; an error becomes a FitError that says so."
        if getattr(e, 'raised_in', None) is self: return e
        half = 'training' if self.training else 'validation'
        epoch = f'epoch {min(self.epoch + 1, self.epochs)} of {self.epochs}, ' if self.epochs else ''
        place = f'{epoch}{half} batch {self.batch + 1}'
        last, cb = f'last event {self.event}, {place}', getattr(method, '__self__', None)
        if rank(e) == RANKS.index(Exception):
            e = FitError(f'{type(cb).__name__}.{name} failed, {place}' if cb else f'failed, {last}', e)
        e.raised_in, e.place, e.last = self, place, last
        return e

# ---
# Bracket
# %% nbs/04a_callbacks.ipynb 494227ec
class Bracket(Announcer):
    "Work between two events: what is opened is closed, and of all exceptions on the way the gravest goes on."
    busy, pressed = False, None
    def within(self, before, work, after, cancel=()):
        """`work()` between the events `before` and `after`; each callback that was given the first is given the second,
        whatever happens. An exception of the kind `cancel` ends the work and nothing else."""
        given, raised, outside, self.busy = 0, [], self.busy, True
        try:
            try:
                self.event = before
                for given, method in enumerate(self.calls[before], 1):
                    if method: self.run(method, before)
                self.busy = outside
                self.answer()
                work()
            except cancel as e: self.tell(self.placed(e))
            finally: self.busy = True
        except BaseException as e: raised.append(self.placed(e))
        self.whole, self.event = not raised, after
        for method in (*self.calls[after][:given], Bracket.answer):
            try:
                if method: self.run(method, after)
            except BaseException as e:
                raised.append(self.placed(e))
                self.whole = self.whole and isinstance(e, CANCEL)
        try:
            if raised: raise max(raised, key=rank)
        finally: self.busy, raised = outside, None       # in a circle they would keep what failed, and its memory

    def tell(self, reason):
        if reason.args: print(f'{reason}, {reason.place}')
        reason.raised_in = None                        # whoever keeps an exception may raise it again elsewhere

    def answer(self):
        "Does what a Ctrl-C asked for that came while we were busy."
        pressed, self.pressed = self.pressed, None
        if pressed: pressed()

# ---
# Patient
# %% nbs/04a_callbacks.ipynb f3599502
class Patient(Bracket):
    "A bracket whose events are not torn apart: Ctrl-C waits for their end, unless it is pressed twice."
    def outermost(self, work, finish=lambda: None):
        """`work()`, within which all others lie; then, however it ended, gradients are on or off as before, and `finish()`. A
        cancellation that reaches this level is an error. Handlers of signals are a matter of the main thread: in another one,
        and where Ctrl-C is ignored, nothing waits."""
        former, self.pressed, self.busy, grad = signal.getsignal(signal.SIGINT), None, True, torch.is_grad_enabled()
        def on_press(*args):
            if self.pressed or not self.busy: former(*args)
            else: self.pressed = lambda: former(*args)
        ours = callable(former) and threading.current_thread() is threading.main_thread()
        try:
            if ours: signal.signal(signal.SIGINT, on_press)
            self.busy = False
            work()
        except CANCEL as e: raise FitError(f'there is nothing of the kind to cancel, {e.last}', e)
        finally:
            self.busy = True
            torch.set_grad_enabled(grad)                    # a press may have come while it was being changed
            try: finish()
            finally:
                if ours: signal.signal(signal.SIGINT, former)
        self.answer()

# ---
# several
# %% nbs/04a_callbacks.ipynb 25afb4e1
def several(xb):
    "Whether `xb` are several inputs: a tuple or list, but no packed sequence, and not of texts, one for each example."
    return isinstance(xb, (tuple, list)) and not isinstance(xb, torch.nn.utils.rnn.PackedSequence) and not all(isinstance(x, str) for x in xb)

class Steps(Patient):
    """What one batch does, in steps. `items`, a batch as the loader gave it, is a tuple of inputs and last the targets; or a tensor
    or a dict, which is both."""
    def do_split(self):
        items = self.items if isinstance(self.items, (tuple, list)) else [self.items]
        *xb, self.yb = items if len(items) > 1 else [items[0], items[0]]
        self.xb = xb[0] if len(xb) == 1 else tuple(xb)

    def do_forward(self): self.pred = self.model(*self.xb) if several(self.xb) else self.model(self.xb)
    def do_loss(self): self.loss = self.loss_func(self.pred, self.yb)
    def do_backward(self): self.loss.backward()
    def do_step(self):
        self.opt.step()
        self.opt.zero_grad()

# ---
# Batches
# %% nbs/04a_callbacks.ipynb f7bb278a
class Batches(Steps):
    "Each step of a batch, done by whoever has taken it over, and then its event; what asking, checking and training consist of."
    def activate(self, cbs):
        super().activate(cbs)
        self.do = {step: self.owner(step) for step in STEPS}

    def owner(self, step):
        "The method that does `step`: that of the one callback that has it, or our own."
        owners = [cb for cb in self.active if hasattr(cb, step)] or [type(self)]
        if len(owners) > 1: raise TypeError(f'fit: {[type(cb).__name__ for cb in owners]} all have {step}, wanted one')
        return getattr(owners[0], step)

    def step(self, name, event):
        self.run(self.do[name], name)
        self.call(event)

    def ask_batch(self): self.step('do_forward', 'after_pred')

    def check_batch(self):
        self.ask_batch()
        self.step('do_loss', 'after_loss')

    def train_batch(self):
        self.check_batch()
        self.step('do_backward', 'after_backward')
        self.step('do_step', 'after_step')

# ---
# Halves
# %% nbs/04a_callbacks.ipynb bc7bd202
class Halves(Batches):
    "The training half and the validation half of an epoch, and their batches: work within two events, each of them."
    def half(self, dl, training, work, before, after):
        self.dl, self.training, self.batch = dl, training, 0
        self.model.train(training)
        with torch.set_grad_enabled(training): self.within(before, lambda: self.all_batches(work), after)

    def all_batches(self, work):
        self.items = nothing = object()
        for self.batch, self.items in enumerate(self.dl):
            self.run(self.do['do_split'], 'do_split')
            self.within('before_batch', work, 'after_batch', CancelBatch)
        if self.items is nothing: raise ValueError('the loader gave no batch: it is empty, or was read to its end before')

# ---
# Loop
# %% nbs/04a_callbacks.ipynb 22c6f5bf
class Loop(Halves):
    "A fit of epochs, each of two halves: all of it work within two events."
    kept, fitting = 'what was learned is kept', set()              # the loops that are in the middle of a fit
    def __init__(self, model, dls, loss_func, opt, cbs=()):
        self.model, self.dls, self.loss_func, self.opt, self.cbs, self.history = model, dls, loss_func, opt, list(cbs), []

    def fit(self, epochs, cbs=(), reraise=False):
        """Trains for `epochs`, with further callbacks `cbs` for this fit; returns the loop. Ctrl-C ends it and keeps what was
        learned: `interrupted` is True then, and with `reraise` the KeyboardInterrupt goes on, to end a loop over fits as well.
        Raises FitError for what fails in the fit, ValueError and TypeError for what cannot be meant, RuntimeError within itself."""
        if self in self.fitting: raise RuntimeError('fit: this loop is in the middle of a fit; wanted another, or a copy')
        if not isinstance(epochs, numbers.Integral) or epochs < 0: raise ValueError(f'fit: {epochs!r} epochs, wanted a whole number from 0 on')
        self.activate([*self.cbs, *cbs])
        self.epochs, self.epoch, self.batch, self.training = int(epochs), 0, 0, True
        self.first_row, self.interrupted, self.whole = len(self.history), False, True
        try: self.outermost(self.in_fit, lambda: self.fitting.discard(self))
        except KeyboardInterrupt as e:
            self.interrupted = True
            print(f'interrupted, {self.placed(e).last}; {self.kept}')
            e.raised_in = None
            if reraise: raise
        return self

    def in_fit(self):
        self.fitting.add(self)
        self.within('setup', self.one_fit, 'teardown')

    def one_fit(self): self.within('before_fit', self.all_epochs, 'after_fit', CancelFit)

    def all_epochs(self):
        while self.epoch < self.epochs:
            self.within('before_epoch', self.one_epoch, 'after_epoch', CancelEpoch)
            self.epoch += 1

    def one_epoch(self):
        self.opt.zero_grad()                                     # what a fit that was broken off has left
        self.half(self.dls.train, True, self.train_batch, 'before_train', 'after_train')
        self.half(self.dls.valid, False, self.check_batch, 'before_validate', 'after_validate')

# ---

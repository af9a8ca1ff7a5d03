# Generated from nbs/05a_watching.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/05a_watching.ipynb d0614eac
import copy, math
import torch
from exp.nb_04a import Callback, CancelFit
from exp.nb_05 import check_count, one_number

# ---
# draw
# %% nbs/05a_watching.ipynb 1f6498a5
def draw(ax, x, y, ylabel, **kwargs):
    "A line over batches on `ax`, or on the axes of a new figure; returns the axes."
    import matplotlib.pyplot as plt
    ax = ax or plt.subplots(figsize=(5, 3), dpi=110)[1]
    ax.plot(x, y, **kwargs)
    ax.set(xlabel='batch', ylabel=ylabel)
    return ax

# ---
# Recorder
# %% nbs/05a_watching.ipynb fa66618a
class Recorder(Callback):
    "The training loss and the learning rate of every batch: `losses` (tensors) and `lrs`, with plots of both."
    fits_only = True
    def __init__(self): self.losses, self.lrs = [], []

    def after_step(self, learn):
        self.losses.append(one_number('the loss', learn.loss))
        self.lrs.append(float(learn.opt.param_groups[0]['lr']))              # torch changes a tensor in place

    def plot_loss(self, ax=None, smooth=None, **kwargs):
        "Means over `smooth` batches (None: a tenth of all, up to 50), on `ax` or a new figure."
        if not self.losses: raise ValueError('Recorder: no batch has been recorded yet')
        if smooth is not None: check_count('Recorder: smooth', smooth)
        losses = self.on_cpu()
        smooth = min(smooth or max(1, min(50, len(losses) // 10)), len(losses))
        means = losses[:len(losses) // smooth * smooth].reshape(-1, smooth).mean(1)
        middles = (torch.arange(len(means)) + .5) * smooth + .5
        return draw(ax, middles, means, 'training loss', **kwargs)

    def on_cpu(self):
        "All losses in one tensor on the CPU, in one copy; what a checkpoint gave back may lie elsewhere than the rest."
        if self.losses: self.losses = [loss.to(self.losses[-1].device) for loss in self.losses]
        return torch.stack(self.losses).cpu() if self.losses else torch.zeros(0)

    def state_dict(self): return {'losses': self.on_cpu(), 'lrs': list(self.lrs)}

    def load_state_dict(self, state): self.losses, self.lrs = list(state['losses']), list(state['lrs'])

    def plot_lr(self, ax=None, **kwargs):
        "The rate at each batch, on `ax` or a new figure."
        return draw(ax, range(1, len(self.lrs) + 1), self.lrs, 'learning rate', **kwargs)

# ---
# TableCallback
# %% nbs/05a_watching.ipynb 94a2fc65
class TableCallback(Callback):
    "A line for each epoch: what MetricsCallback has put into `learn.history`, under the names where they are new; `quiet` shows nothing."
    order, fits_only = 20, True
    def __init__(self, quiet=False): self.quiet = quiet

    def before_fit(self, learn): self.names, self.shown = None, len(learn.history)

    def after_epoch(self, learn):
        if not self.quiet and learn.whole and len(learn.history) > self.shown: self.show(learn.history)

    def show(self, history):
        "The last row of `history`."
        row, names, self.shown = history[-1], [*history[-1]], len(history)
        if names != self.names: self.write(names)
        self.names = names
        self.write([f'{x:.4f}' if isinstance(x, float) else str(x) for x in row.values()])

    def write(self, words): print(' '.join(f'{word:>12}' for word in words))

# ---
# batches_in
# %% nbs/05a_watching.ipynb 21903eca
def batches_in(dl):
    "The number of batches in the loader `dl`, or None when it does not know."
    try: return len(dl)
    except TypeError: return None

# ---
# BarCallback
# %% nbs/05a_watching.ipynb 3a13849a
class BarCallback(TableCallback):
    """In Jupyter a bar for the epochs, one for the batches, and a table that grows by a row per epoch; elsewhere a line per
    epoch. It shows what MetricsCallback has put into `learn.history`; `quiet` shows nothing."""
    bars = None
    def before_fit(self, learn):
        from fastprogress.fastprogress import IN_NOTEBOOK, master_bar
        super().before_fit(learn)
        self.bars = self.bar = None
        if IN_NOTEBOOK and not self.quiet and learn.epochs:
            self.bars = master_bar(range(learn.epochs))
            for done in {0, learn.epoch}: self.bars.update(done)

    def before_train(self, learn): self.new_bar(learn)
    def before_validate(self, learn): self.new_bar(learn)

    def new_bar(self, learn):
        if self.bars is None or not batches_in(learn.dl): return
        from fastprogress.fastprogress import progress_bar
        self.bar = progress_bar(range(len(learn.dl)), parent=self.bars)
        self.bar.update(0)

    def after_batch(self, learn):
        if self.bar is not None: self.bar.update(learn.batch + 1)

    def after_epoch(self, learn):
        super().after_epoch(learn)
        if self.bars is not None and learn.whole: self.bars.update(learn.epoch + 1)

    def write(self, words):
        if self.bars is None: super().write(words)
        else: self.bars.write(words, table=True)

    def after_fit(self, learn):
        if self.bars is not None: self.bars.on_iter_end()

# ---
# label_epochs
# %% nbs/05a_watching.ipynb d12c679e
def label_epochs(bars):
    "Names the axes of the curves that fastprogress has drawn, which it clears each time, and marks whole epochs only."
    from matplotlib.ticker import MaxNLocator
    ax = vars(bars).get('graph_ax')                        # None as long as nothing is drawn
    if ax is None: return
    ax.set(xlabel='epoch', ylabel='loss')
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    bars.graph_out.update(ax.figure)

# ---
# ProgressCallback
# %% nbs/05a_watching.ipynb 8224e670
class ProgressCallback(BarCallback):
    "A BarCallback that with `plot` also draws the losses, anew after each epoch, in Jupyter."
    def __init__(self, plot=True, quiet=False):
        super().__init__(quiet)
        self.plot = plot

    def show(self, history):
        "The last row of `history`, and the curves."
        super().show(history)
        if self.bars is None or not self.plot: return
        curves = [[r[name] for r in history if name in r] for name in ('train_loss', 'valid_loss')]
        self.bars.update_graph([[range(1, len(curve) + 1), curve] for curve in curves], figsize=(5, 3))
        label_epochs(self.bars)

# ---
# check_mode
# %% nbs/05a_watching.ipynb 006ab2ca
def check_mode(what, mode):
    "1 for the mode 'min', -1 for 'max': the sign that makes less the better. Raises ValueError for another."
    if mode not in ('min', 'max'): raise ValueError(f"{what}: mode {mode!r}, wanted 'min' or 'max'")
    return 1 if mode == 'min' else -1

# ---
# EarlyStopping
# %% nbs/05a_watching.ipynb 5442518a
class EarlyStopping(Callback):
    """Ends the fit when `monitor` has not improved by over `min_delta` for `patience` epochs; `mode`: 'min' or 'max'. The weights
    are then those of the last epoch, or with `restore_best` those of the best. A fit resumed after such an end ends at once.
    Raises KeyError when no epoch has the figure `monitor`, ValueError for a patience under 1 or a negative `min_delta`."""
    order, fits_only = 95, True
    def __init__(self, monitor='valid_loss', patience=3, min_delta=0., mode='min', restore_best=False):
        check_count('EarlyStopping: patience', patience)
        if not 0 <= min_delta < math.inf: raise ValueError(f'EarlyStopping: min_delta {min_delta}, wanted 0 or more')
        self.monitor, self.patience, self.min_delta, self.sign = monitor, patience, min_delta, check_mode('EarlyStopping', mode)
        self.restore_best, self.best_weights = restore_best, {}
        self.saves = ('best_weights',) if restore_best else ()

    def setup(self, learn): self.best_weights = {}

    def before_fit(self, learn):
        if learn.epoch: self.look(learn)

    def after_epoch(self, learn):
        if learn.whole: self.look(learn)

    def look(self, learn):
        values = [self.sign * row[self.monitor] for row in learn.history[learn.first_row:] if self.monitor in row]
        if not values: raise KeyError(f'no {self.monitor!r} in the history: is there a MetricsCallback?')
        best, since = math.inf, 0
        for value in values: best, since = (value, 0) if value < best - self.min_delta else (best, since + 1)
        if since == 0 and self.restore_best: self.best_weights = copy.deepcopy(learn.model.state_dict())
        if since >= self.patience: raise CancelFit(f'{self.monitor} has not improved for {since} epochs')

    def after_fit(self, learn):
        if learn.whole and self.best_weights: learn.model.load_state_dict(self.best_weights)

# ---

# Generated from nbs/05a_watching.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/05a_watching.ipynb 3ae7a92a
import torch
from exp.nb_05 import Callback

# ---
# Recorder
# %% nbs/05a_watching.ipynb 8f7c088a
class Recorder(Callback):
    "The training loss and the learning rate of every batch: `losses` (tensors) and `lrs`, with plots of both."
    def __init__(self): self.losses, self.lrs = [], []

    def after_step(self, learn):
        self.losses.append(learn.loss.detach())
        self.lrs.append(learn.opt.param_groups[0]['lr'])

    def plot_loss(self, ax=None, smooth=50, **kwargs):
        "Means over `smooth` batches, on `ax` or a new figure."
        losses = torch.stack([loss.cpu() for loss in self.losses])
        smooth = min(smooth, len(losses))
        means = losses[:len(losses) // smooth * smooth].reshape(-1, smooth).mean(1)
        middles = (torch.arange(len(means)) + .5) * smooth + .5
        return draw(ax, middles, means, 'training loss', **kwargs)

    def state_dict(self):
        losses = torch.stack(self.losses).cpu() if self.losses else torch.zeros(0)
        return {'losses': losses, 'lrs': self.lrs}

    def load_state_dict(self, state): self.losses, self.lrs = list(state['losses']), state['lrs']

    def plot_lr(self, ax=None, **kwargs):
        "The rate at each batch, on `ax` or a new figure."
        return draw(ax, range(1, len(self.lrs) + 1), self.lrs, 'learning rate', **kwargs)

def draw(ax, x, y, ylabel, **kwargs):
    "A line over batches on `ax`, or on the axes of a new figure; returns the axes."
    import matplotlib.pyplot as plt
    ax = ax or plt.subplots(figsize=(5, 3), dpi=70)[1]
    ax.plot(x, y, **kwargs)
    ax.set(xlabel='batch', ylabel=ylabel)
    return ax

# ---
# ProgressCallback
# %% nbs/05a_watching.ipynb 994e3f27
class ProgressCallback(Callback):
    """In Jupyter a bar, a table that grows by a row per epoch, and with `plot` the losses; elsewhere a line per epoch.
    It shows what MetricsCallback has put into `learn.history`; `quiet` shows nothing."""
    order = 20
    def __init__(self, plot=True, quiet=False): self.plot, self.quiet, self.bars = plot, quiet, None

    def before_fit(self, learn):
        from fastprogress.fastprogress import IN_NOTEBOOK, master_bar
        self.names = self.bars = None
        if IN_NOTEBOOK and not self.quiet:
            self.bars = master_bar(range(learn.epochs))
            self.bars.update(learn.epoch)

    def before_train(self, learn): self.new_bar(learn)
    def before_validate(self, learn): self.new_bar(learn)

    def new_bar(self, learn):
        if self.bars is None: return
        from fastprogress.fastprogress import progress_bar
        self.bar = progress_bar(range(len(learn.dl)), parent=self.bars)
        self.bar.update(0)

    def after_batch(self, learn):
        if self.bars is not None: self.bar.update(learn.batch + 1)

    def after_epoch(self, learn):
        if self.quiet or not learn.whole or not learn.history: return
        row, names = learn.history[-1], list(learn.history[-1])
        if names != self.names: self.write(names)
        self.names = names
        self.write([f'{x:.4f}' if isinstance(x, float) else str(x) for x in row.values()])
        if self.bars is None: return
        self.bars.update(learn.epoch + 1)
        curves = [[r[name] for r in learn.history if name in r] for name in ('train_loss', 'valid_loss')]
        if self.plot: self.bars.update_graph([[range(1, len(curve) + 1), curve] for curve in curves])

    def write(self, words):
        if self.bars is None: print(' '.join(f'{word:>12}' for word in words))
        else: self.bars.write(words, table=True)

    def after_fit(self, learn):
        if self.bars is not None: self.bars.on_iter_end()

# ---

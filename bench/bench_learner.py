"""Lesson 05: an epoch by our Learner, fastai, Lightning and skorch beside the bare loop. `python bench/bench_learner.py`

Everyone trains the same model with torch.optim.SGD, validates by batches with loss and accuracy, and shows its progress; what they
write goes into a string. A few per cent are looked for between ours and the bare loop, so these are measured in many rounds."""
import os
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import contextlib, importlib.util, io, logging, warnings
from functools import partial
from unittest.mock import patch
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from common import in_turn, ratio_table, report
from exp.nb_02 import get_data, normalize
from exp.nb_04 import SGD, Dataset, accuracy, get_dls
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_05a import ProgressCallback, Recorder

PEERS = [name for name in ('fastai', 'lightning', 'skorch') if importlib.util.find_spec(name)]
LR = .05


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))


def cnn():
    torch.manual_seed(0)
    convs = [layer for i, o in [(1, 8), (8, 16), (16, 32), (32, 32)] for layer in (nn.Conv2d(i, o, 3, 2, 1), nn.ReLU())]
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def bare(model, data, bs, epochs):
    x, y, x_valid, y_valid = data
    opt = torch.optim.SGD(model.parameters(), LR)

    def run():
        for _ in range(epochs):
            model.train()
            for idx in torch.randperm(len(x)).split(bs):
                xb, yb = x[idx], y[idx]
                F.cross_entropy(model(xb), yb).backward()
                opt.step()
                opt.zero_grad()
            model.eval()
            loss, hits = 0., 0.
            with torch.no_grad():
                for xb, yb in zip(x_valid.split(2*bs), y_valid.split(2*bs)):
                    pred = model(xb)
                    loss += F.cross_entropy(pred, yb) * len(yb)
                    hits += (pred.argmax(1) == yb).float().sum()
            print(loss / len(x_valid), hits / len(x_valid))
    return run


def ours(model, data, bs, epochs, opt_func=torch.optim.SGD):
    x, y, x_valid, y_valid = data
    dls = get_dls(Dataset(x, y), Dataset(x_valid, y_valid), bs)
    cbs = [MetricsCallback(accuracy=accuracy), Recorder(), ProgressCallback()]
    learn = Learner(model, dls, opt_func=opt_func, lr=LR, cbs=cbs)
    return lambda: learn.fit(epochs)


def ours_moving(model, data, bs, epochs):
    "The bar that moves with the batches, as in Jupyter; what a page there needs to draw it is not in the time."
    run = ours(model, data, bs, epochs)
    def moving():
        with patch('fastprogress.fastprogress.IN_NOTEBOOK', True): run()
    return moving


def fastai(model, data, bs, epochs):
    from fastai.basics import DataLoaders, Learner, OptimWrapper, accuracy
    import fastai.callback.progress
    x, y, x_valid, y_valid = data
    dls = DataLoaders.from_dsets(TensorDataset(x, y), TensorDataset(x_valid, y_valid), bs=bs, device='cpu')
    learn = Learner(dls, model, F.cross_entropy, partial(OptimWrapper, opt=torch.optim.SGD), lr=LR, metrics=accuracy)
    return lambda: learn.fit(epochs)


def lightning(model, data, bs, epochs):
    import lightning as L
    from lightning.pytorch.callbacks import TQDMProgressBar
    for name in ('lightning', 'lightning.pytorch', 'lightning.fabric'): logging.getLogger(name).setLevel(logging.ERROR)

    class Digits(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model

        def configure_optimizers(self): return torch.optim.SGD(self.model.parameters(), LR)

        def training_step(self, batch, i):
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            self.log('train_loss', loss, prog_bar=True)
            return loss

        def validation_step(self, batch, i):
            pred = self.model(batch[0])
            self.log('valid_loss', F.cross_entropy(pred, batch[1]), prog_bar=True)
            self.log('accuracy', (pred.argmax(1) == batch[1]).float().mean(), prog_bar=True)

    x, y, x_valid, y_valid = data
    loaders = DataLoader(TensorDataset(x, y), bs, shuffle=True), DataLoader(TensorDataset(x_valid, y_valid), 2*bs)
    digits = Digits()

    def run():
        trainer = L.Trainer(max_epochs=epochs, accelerator='cpu', logger=False, enable_checkpointing=False,
                            enable_model_summary=False, num_sanity_val_steps=0, callbacks=[TQDMProgressBar()])
        trainer.fit(digits, *loaders)
    return run


def skorch(model, data, bs, epochs):
    from skorch import NeuralNetClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split
    x, y, x_valid, y_valid = data
    net = NeuralNetClassifier(model, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=LR, max_epochs=epochs,
                              batch_size=bs, iterator_train__shuffle=True, iterator_valid__batch_size=2*bs,
                              train_split=predefined_split(Dataset(x_valid, y_valid)), warm_start=True)
    return lambda: net.fit(x, y)


OURS = {'bare loop': bare, 'our Learner': ours, 'our Learner, its own SGD': partial(ours, opt_func=SGD), 'our Learner, bar per batch': ours_moving}
OTHERS = {'bare loop': bare, **{name: {'fastai': fastai, 'lightning': lightning, 'skorch': skorch}[name] for name in PEERS}}


def section(what, make_model, data, bs, threads, epochs):
    """Ours and the bare loop in many rounds, since a few per cent are looked for; the others in few, since they take many times as
    long. Each candidate trains a model of its own."""
    torch.set_num_threads(threads)
    tables = []
    for makers, rounds in (OURS, 21), (OTHERS, 7):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            seconds = in_turn({name: maker(make_model(), data, bs, epochs) for name, maker in makers.items()}, rounds)
        tables.append(ratio_table(seconds, 'bare loop'))
    per_fit = f'{epochs} epochs' if epochs > 1 else 'one epoch'
    return f'{what}, {len(data[0]):,} digits, batches of {bs}, {threads} thread{"s" * (threads > 1)}; fits of {per_fit}:\n\n' + '\n\n'.join(tables)


def main():
    warnings.filterwarnings('ignore')
    x, y, x_valid, y_valid = get_data()
    mean, std = x.mean(), x.std()
    flat = normalize(x, mean, std), y, normalize(x_valid, mean, std), y_valid
    digits = flat[0][:25_600], y[:25_600], flat[2][:2560], y_valid[:2560]
    images = flat[0][:6400].reshape(-1, 1, 28, 28), y[:6400], flat[2][:1280].reshape(-1, 1, 28, 28), y_valid[:1280]
    missing = [name for name in ('fastai', 'lightning', 'skorch') if name not in PEERS]
    sections = [f'Not installed, so not measured: {", ".join(missing)}.'] if missing else []
    for threads in (1, 2):
        for bs in (64, 512):
            sections.append(section('784-50-10', mlp, digits, bs, threads, 1 if bs == 64 else 3))
            sections.append(section('Four convolutions', cnn, images, bs, threads, 1))
    report('bench_learner', 'Lesson 05: the Learner beside a bare loop and other libraries', '\n\n'.join(sections))


if __name__ == '__main__': main()

"""Lesson 13: an epoch on two processes of one thread each, ours and others', beside one process. `python bench/bench_scale.py`

Everyone trains the same convolutions on the same clothes with torch.optim.SGD, 256 in a batch of all processes together, and shows its
progress; validation with loss and accuracy belongs to the epoch. torchrun starts the processes anew in each round; what counts is the
time of the epochs after the first, so that starting is not in it."""
import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
import contextlib, importlib.util, io, json, logging, subprocess, sys, tempfile, time, warnings
from functools import partial
from pathlib import Path
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from common import in_turn, ratio, ratio_table, report
from exp.nb_01 import FASHION_MNIST
from exp.nb_02 import get_data, normalize
from exp.nb_04 import Dataset, accuracy, get_dls
from exp.nb_04a import Callback
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_05a import ProgressCallback, Recorder
from exp.nb_13 import Distributed

PEERS = [name for name in ('lightning', 'accelerate') if importlib.util.find_spec(name)]
LR, BS, EPOCHS = .1, 256, int(os.environ.get('EPOCHS', 3))                   # the first of the epochs is not counted
N, ROUNDS = int(os.environ.get('EXAMPLES', 25_600)), int(os.environ.get('ROUNDS', 7))
LOOPBACK = {'linux': {'GLOO_SOCKET_IFNAME': 'lo'}, 'darwin': {'GLOO_SOCKET_IFNAME': 'lo0'}}.get(sys.platform, {})


def cnn():
    torch.manual_seed(0)
    convs = [layer for i, o in [(1, 8), (8, 16), (16, 32), (32, 32)] for layer in (nn.Conv2d(i, o, 3, 2, 1), nn.ReLU())]
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def clothes(n=N):
    x, y, x_valid, y_valid = get_data(FASHION_MNIST)
    mean, std = x.mean(), x.std()
    def images(x): return normalize(x, mean, std).reshape(-1, 1, 28, 28)
    return images(x[:n]), y[:n], images(x_valid[:n // 10]), y_valid[:n // 10]


def size(): return int(os.environ.get('WORLD_SIZE', 1))


class Clock(Callback):
    "The seconds of each epoch, from its first event to its last."
    order, fits_only = -99, True
    def __init__(self): self.times = []
    def before_epoch(self, learn): self.start = time.perf_counter()
    def after_epoch(self, learn): self.times.append(time.perf_counter() - self.start)


def ours(data, epochs, cbs=(Distributed,)):
    dls = get_dls(Dataset(*data[:2]), Dataset(*data[2:]), BS, seed=0)
    cbs = [*[cb() for cb in cbs], MetricsCallback(accuracy=accuracy), Recorder(), ProgressCallback(), clock := Clock()]
    Learner(cnn(), dls, opt_func=torch.optim.SGD, lr=LR, cbs=cbs).fit(epochs)
    return clock.times


def lightning(data, epochs):
    import lightning as L
    from lightning.pytorch.callbacks import TQDMProgressBar
    for name in ('lightning', 'lightning.pytorch', 'lightning.fabric'): logging.getLogger(name).setLevel(logging.ERROR)

    class Clothes(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.times = cnn(), []

        def configure_optimizers(self): return torch.optim.SGD(self.model.parameters(), LR)
        def on_train_epoch_start(self): self.start = time.perf_counter()
        def on_train_epoch_end(self): self.times.append(time.perf_counter() - self.start)         # validation is over by then

        def training_step(self, batch, i):
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            self.log('train_loss', loss, prog_bar=True)
            return loss

        def validation_step(self, batch, i):
            pred = self.model(batch[0])
            self.log('valid_loss', F.cross_entropy(pred, batch[1]), prog_bar=True, sync_dist=True)
            self.log('accuracy', (pred.argmax(1) == batch[1]).float().mean(), prog_bar=True, sync_dist=True)

    x, y, x_valid, y_valid = data
    loaders = DataLoader(TensorDataset(x, y), BS // size(), shuffle=True), DataLoader(TensorDataset(x_valid, y_valid), 2*BS // size())
    module = Clothes()
    trainer = L.Trainer(max_epochs=epochs, accelerator='cpu', devices=size(), strategy='ddp' if size() > 1 else 'auto', logger=False,
                        enable_checkpointing=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=[TQDMProgressBar()])
    trainer.fit(module, *loaders)
    return module.times


def accelerate(data, epochs):
    from accelerate import Accelerator
    from tqdm import tqdm
    accelerator, (x, y, x_valid, y_valid), times = Accelerator(cpu=True), data, []
    model = cnn()
    opt = torch.optim.SGD(model.parameters(), LR)
    train, valid = DataLoader(TensorDataset(x, y), BS // size(), shuffle=True), DataLoader(TensorDataset(x_valid, y_valid), 2*BS // size())
    model, opt, train, valid = accelerator.prepare(model, opt, train, valid)
    for _ in range(epochs):
        start = time.perf_counter()
        model.train()
        for xb, yb in tqdm(train, disable=not accelerator.is_main_process):
            accelerator.backward(F.cross_entropy(model(xb), yb))
            opt.step()
            opt.zero_grad()
        model.eval()
        losses, hits = [], []
        with torch.no_grad():
            for xb, yb in valid:
                pred, targ = accelerator.gather_for_metrics((model(xb), yb))
                losses.append(F.cross_entropy(pred, targ) * len(targ))
                hits.append((pred.argmax(1) == targ).sum())
        print(sum(losses) / len(x_valid), sum(hits) / len(x_valid))
        times.append(time.perf_counter() - start)
    return times


WAYS = {'ours': ours, 'plain': partial(ours, cbs=()), 'lightning': lightning, 'accelerate': accelerate}


def worker(way, file):
    "Trains, and writes on rank 0 how long the epochs after the first took, together."
    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()): times = WAYS[way](clothes(), EPOCHS)
    if int(os.environ.get('RANK', 0)) == 0: Path(file).write_text(json.dumps(sum(times[1:])))


def timed(way, processes):
    "Seconds of `EPOCHS` - 1 epochs of one `way`, on one process or on several that torchrun starts."
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'seconds')
        launcher = [] if processes == 1 else ['-m', 'torch.distributed.run', '--standalone', '--local-addr=127.0.0.1', f'--nproc-per-node={processes}']
        done = subprocess.run([sys.executable, *launcher, __file__, way, file], env={**os.environ, **LOOPBACK}, capture_output=True, text=True, timeout=900)
        if done.returncode: sys.exit(f'{way} on {processes}: {done.stderr[-2000:]}')
        return json.loads(file.read_text())


def main():
    candidates = {'one process, Distributed': ('ours', 1), 'one process, without it': ('plain', 1), 'two processes, Distributed': ('ours', 2),
                  **{f'two processes, {name}': (name, 2) for name in PEERS}}
    seconds = {name: [] for name in candidates}
    for i in range(ROUNDS):
        for name in list(candidates)[::1 if i % 2 else -1]: seconds[name].append(timed(*candidates[name]))
    missing = [name for name in ('lightning', 'accelerate') if name not in PEERS]
    data = clothes(6400)
    with contextlib.redirect_stdout(io.StringIO()):
        short = in_turn({name: lambda cbs=cbs: ours(data, 1, cbs) for name, cbs in (('without Distributed', ()), ('with Distributed', (Distributed,)))}, 21 if ROUNDS > 2 else 2)
    text = [f'Not installed, so not measured: {", ".join(missing)}.'] * bool(missing)
    text.append(f'Four convolutions, {N:,} clothes and {N // 10:,} to validate on, batches of {BS} in all, one thread for each process; {EPOCHS - 1} epochs:\n\n' + ratio_table(seconds, 'one process, Distributed'))
    faster = 1 / ratio(seconds, 'two processes, Distributed', 'one process, Distributed')
    text.append(f'Two processes are {faster:.2f} times as fast as one.')
    text.append('What `Distributed` costs where there is one process only, an epoch of 6,400:\n\n' + ratio_table(short, 'without Distributed'))
    report('bench_scale', 'Lesson 13: two processes beside one', '\n\n'.join(text))


if __name__ == '__main__': worker(*sys.argv[1:]) if len(sys.argv) == 3 else main()

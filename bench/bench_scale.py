"""Lesson 13: an epoch on two processes of one thread each, ours and others', beside one process. `python bench/bench_scale.py`

Everyone trains the same network on the same clothes with torch.optim.SGD, so many in a batch of all processes together, and shows its
progress; validation with loss and accuracy belongs to the epoch. torchrun starts the processes anew in each round; what counts is the
time of the epochs after the first, so that starting is not in it. How much two processes gain hangs on how long a batch takes beside the
messages that it waits for: CASES are a small network, with small batches and large ones, and one that computes more for each weight."""
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
from exp.nb_11 import ResNet
from exp.nb_13 import Distributed

PEERS = [name for name in ('lightning', 'accelerate') if importlib.util.find_spec(name)]
LR, ROUNDS = .1, int(os.environ.get('ROUNDS', 7))
LOOPBACK = {'linux': {'GLOO_SOCKET_IFNAME': 'lo'}, 'darwin': {'GLOO_SOCKET_IFNAME': 'lo0'}}.get(sys.platform, {})


def cnn():
    torch.manual_seed(0)
    convs = [layer for i, o in [(1, 8), (8, 16), (16, 32), (32, 32)] for layer in (nn.Conv2d(i, o, 3, 2, 1), nn.ReLU())]
    return nn.Sequential(*convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def resnet():
    torch.manual_seed(0)
    return ResNet(1, 10)


# Examples, how many of them in a batch, epochs, of which the first is not counted, and the network
CASES = {'small': (25_600, 256, 3, cnn, 'Four convolutions'), 'large': (25_600, 1024, 3, cnn, 'Four convolutions'),
         'deep': (3_200, 256, 2, resnet, "Lesson 11's residual network")}


def clothes(n):
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


def ours(data, bs, epochs, model, cbs=(Distributed,)):
    dls = get_dls(Dataset(*data[:2]), Dataset(*data[2:]), bs, seed=0)
    cbs = [*[cb() for cb in cbs], MetricsCallback(accuracy=accuracy), Recorder(), ProgressCallback(), clock := Clock()]
    Learner(model(), dls, opt_func=torch.optim.SGD, lr=LR, cbs=cbs).fit(epochs)
    return clock.times


def lightning(data, bs, epochs, network):
    import lightning as L
    from lightning.pytorch.callbacks import TQDMProgressBar
    for name in ('lightning', 'lightning.pytorch', 'lightning.fabric'): logging.getLogger(name).setLevel(logging.ERROR)

    class Clothes(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.times = network(), []

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
    loaders = DataLoader(TensorDataset(x, y), bs // size(), shuffle=True), DataLoader(TensorDataset(x_valid, y_valid), 2*bs // size())
    module = Clothes()
    trainer = L.Trainer(max_epochs=epochs, accelerator='cpu', devices=size(), strategy='ddp' if size() > 1 else 'auto', logger=False,
                        enable_checkpointing=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=[TQDMProgressBar()])
    trainer.fit(module, *loaders)
    return module.times


def accelerate(data, bs, epochs, network):
    from accelerate import Accelerator
    from tqdm import tqdm
    accelerator, (x, y, x_valid, y_valid), times = Accelerator(cpu=True), data, []
    model = network()
    opt = torch.optim.SGD(model.parameters(), LR)
    train, valid = DataLoader(TensorDataset(x, y), bs // size(), shuffle=True), DataLoader(TensorDataset(x_valid, y_valid), 2*bs // size())
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


def worker(way, case, file):
    "Trains, and writes on rank 0 how long the epochs after the first took, together."
    n, *settings, _ = CASES[case]
    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()): times = WAYS[way](clothes(n), *settings)
    if int(os.environ.get('RANK', 0)) == 0: Path(file).write_text(json.dumps(sum(times[1:])))


def timed(way, processes, case):
    "Seconds of the epochs but the first of a `case`, one `way`, on one process or on several that torchrun starts."
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'seconds')
        launcher = [] if processes == 1 else ['-m', 'torch.distributed.run', '--standalone', '--local-addr=127.0.0.1', f'--nproc-per-node={processes}']
        done = subprocess.run([sys.executable, *launcher, __file__, way, case, file], env={**os.environ, **LOOPBACK}, capture_output=True, text=True, timeout=900)
        if done.returncode: sys.exit(f'{way} on {processes}: {done.stderr[-2000:]}')
        return json.loads(file.read_text())


def measured(case):
    "The table of one of CASES, and how many times as fast two processes of ours are as one."
    n, bs, epochs, _, name = CASES[case]
    candidates = {'one process, Distributed': ('ours', 1), 'one process, without it': ('plain', 1), 'two processes, Distributed': ('ours', 2),
                  **{f'two processes, {peer}': (peer, 2) for peer in PEERS}}
    seconds = {candidate: [] for candidate in candidates}
    for i in range(ROUNDS):
        for candidate in list(candidates)[::1 if i % 2 else -1]: seconds[candidate].append(timed(*candidates[candidate], case))
    counted = f'{epochs - 1} epochs' if epochs > 2 else 'an epoch'
    faster = 1 / ratio(seconds, 'two processes, Distributed', 'one process, Distributed')
    return (f'{name}, {n:,} clothes and {n // 10:,} to validate on, batches of {bs:,} in all, one thread for each process; {counted}:\n\n'
            f"{ratio_table(seconds, 'one process, Distributed')}\n\nTwo processes are {faster:.2f} times as fast as one.")


def main():
    missing = [name for name in ('lightning', 'accelerate') if name not in PEERS]
    data = clothes(6400)
    with contextlib.redirect_stdout(io.StringIO()):
        short = in_turn({name: lambda cbs=cbs: ours(data, 256, 1, cnn, cbs) for name, cbs in (('without Distributed', ()), ('with Distributed', (Distributed,)))},
                        21 if ROUNDS > 2 else 2)
    text = [f'Not installed, so not measured: {", ".join(missing)}.'] * bool(missing)
    text += [measured(case) for case in CASES]
    text.append('What `Distributed` costs where there is one process only, an epoch of 6,400:\n\n' + ratio_table(short, 'without Distributed'))
    report('bench_scale', 'Lesson 13: two processes beside one', '\n\n'.join(text))


if __name__ == '__main__': worker(*sys.argv[1:]) if len(sys.argv) == 4 else main()

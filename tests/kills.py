"""Kills workers of torchrun at random moments, and compares what they have learned with an undisturbed fit.

    python tests/kills.py           20 kills -9: 10 of 2 processes, 10 of 4

Each kill ends one worker; torchrun then ends the others and starts all again, and Checkpoint goes on from the last whole epoch."""
import os, random, signal, sys, tempfile, time
from pathlib import Path
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
import torch
from torch import nn
from ranks import finished, on, torchrun


def work(folder, epochs, seconds=.02):
    "A fit on this rank, slow enough to be killed in its middle; returns the weights, which rank 0 also writes to `folder`."
    from exp.nb_04 import SGD
    from exp.nb_04a import Callback
    from exp.nb_05 import MetricsCallback
    from exp.nb_05b import Checkpoint
    from exp.nb_13 import Distributed
    from learners import learner, weights
    class Slow(Callback):
        def after_batch(self, learn): time.sleep(seconds)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(2)
    cb = Distributed(30.)
    (folder/f'{cb.ranks.rank}.pid').write_text(str(os.getpid()))
    learn = learner([cb, MetricsCallback(), Checkpoint(folder), Slow()], n=48, bs=10, opt_func=lambda params, lr: SGD(params, lr, momentum=.9),
                    layers=[nn.BatchNorm1d(5), nn.Dropout(.2)]).fit(epochs)
    if cb.ranks.rank == 0: torch.save(weights(learn), folder/'weights')
    return weights(learn)


def disturbed(folder, size, epochs, kills, seed, seconds=.02):
    "(how many of `kills` came in time, the weights at the end, all that was written)"
    rng, done, pids = random.Random(seed), 0, {}
    process = torchrun(__file__, folder, epochs, seconds, nproc=size, restarts=kills)
    end = time.monotonic() + 60 * (kills + 1)
    while done < kills and process.poll() is None and time.monotonic() < end:
        time.sleep(.01)
        now = {path.stem: path.read_text() for path in Path(folder).glob('*.pid')}
        if len(now) < size or not all(now.values()) or any(now[rank] == pids.get(rank) for rank in now): continue
        time.sleep(rng.uniform(0, .6))
        if process.poll() is not None: break
        os.kill(int(now[rng.choice(sorted(now))]), signal.SIGKILL)
        done, pids = done + 1, now
    code, text = finished(process)
    return done, torch.load(Path(folder)/'weights') if code == 0 else torch.zeros(0), text


def main():
    for size in (2, 4):
        with tempfile.TemporaryDirectory() as folder:
            want = on(size, work, Path(folder, 'undisturbed'), 60, 0.)[0]
            done, got, text = disturbed(Path(folder, 'killed'), size, 60, 10, seed=size)
            again = text.count(' epochs were done')
            print(f'{size} processes: {done} killed, {again} fits went on from a file; the weights are {"the same bits" if torch.equal(got, want) else "others"}')
            if not torch.equal(got, want): sys.exit(text[-3000:])


if __name__ == '__main__':
    if 'TORCHELASTIC_RUN_ID' in os.environ: work(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    else: main()

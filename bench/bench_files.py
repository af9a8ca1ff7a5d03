"""From a folder of files to batches, ours beside torch.utils.data alone; and what copies of files do to a score. `python bench/bench_files.py`"""
import csv, statistics, tarfile, tempfile
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from common import in_turn, ratio_table, report, table
from exp.nb_01 import data_file
from exp.nb_02a import init_layers
from exp.nb_04 import DataLoaders, Dataset, accuracy, get_dls
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_06 import OneCycle
from exp.nb_08 import conv_norm
from exp.nb_10 import EMOJI, Lazy, Vocab, find_files, read_picture, split

SEEDS = 1, 2, 4                    # with 3 all flags are for validation when whole subgroups are, and no network can know them


class Plain(torch.utils.data.Dataset):
    "One file after the other, as it stands in many programs; with `white`, what is transparent is laid on white, as ours does it."
    def __init__(self, files, y, white): self.files, self.y, self.white = files, y, white
    def __len__(self): return len(self.files)
    def __getitem__(self, i):
        picture = Image.open(self.files[i])
        if self.white: picture = Image.alpha_composite(Image.new('RGBA', picture.size, 'white'), picture.convert('RGBA'))
        return torch.from_numpy(np.array(picture.convert('RGB'))).permute(2, 0, 1).float() / 256, self.y[i]


def floats(batch): return batch[0].float() / 256, batch[1]


def through(batches):
    def go():
        for _ in batches: pass
    return go


def throughput(files, workers):
    "A table: one epoch over `files`, shuffled, in batches of 32."
    y = Vocab(files)(files)
    lazy = Dataset(Lazy(files, read_picture, size=32), y)
    def ours(ds, workers=None): return Lazy(get_dls(ds, ds, 32, seed=0, workers=workers).train, floats)
    def plain(white): return DataLoader(Plain(files, y, white), 32, shuffle=True, num_workers=workers)
    ways = {'torch.utils.data': plain(True), 'torch.utils.data, transparent parts as they come': plain(False), 'ours, from files': ours(lazy, workers or None)}
    if not workers: ways['ours, from a cache in memory'] = ours(Dataset(lazy.x.stack(), y))
    want = torch.stack([Plain(files, y, True)[i][0] for i in range(64)])
    assert torch.equal(floats((lazy.x[:64].stack(), 0))[0], want)
    return ratio_table(in_turn({name: through(way) for name, way in ways.items()}, rounds=5 if workers else 9), 'torch.utils.data')


def learned(train, valid, seed, epochs):
    vocab = Vocab(train)
    x, x_valid = [Lazy(some, read_picture, size=32).stack() for some in (train, valid)]
    mean, std = [f(x.float() / 256, (0, 2, 3))[:, None, None] for f in (torch.mean, torch.std)]
    dls = get_dls(Dataset(x, vocab(train)), Dataset(x_valid, vocab(valid)), 32, seed=seed)
    dls = DataLoaders(*(Lazy(dl, lambda batch: ((batch[0].float() / 256 - mean) / std, batch[1])) for dl in dls))
    torch.manual_seed(seed)
    blocks = [conv_norm(a, b, stride=2, norm=nn.BatchNorm2d) for a, b in ((3, 16), (16, 32), (32, 64))]
    model = init_layers(nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, len(vocab))))
    learn = Learner(model, dls, F.cross_entropy, cbs=[MetricsCallback(accuracy=accuracy), OneCycle(.3, moms=None)]).fit(epochs)
    pred, targ = learn.get_preds()
    return (pred.argmax(1) == targ).float(), (targ == vocab(train).mode().values).float().mean().item()


def original(path): return path.name.removeprefix('copy-of-')


def shown(values): return f'{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}'


def scores(files, grown, subgroups):
    "Rows: what was asked, and the validation accuracy over SEEDS."
    found = {}
    def keep(name, value): found.setdefault(name, []).append(value)
    for seed in SEEDS:
        right, baseline = learned(*split(files, .2, seed), seed, 12)
        keep('always the most frequent group', baseline), keep('split by content', right.mean().item())
        keep('split by subgroup', learned(*split(files, .2, seed, key=subgroups.get), seed, 12)[0].mean().item())
        keep('with copies, split by content', learned(*split(grown, .2, seed), seed, 12)[0].mean().item())
        train, valid = split(grown, .2, seed, key=lambda f: f.name)
        known = {original(f) for f in train}
        seen = torch.tensor([original(f) in known for f in valid])
        for epochs in (12, 24):
            right, leaky = learned(train, valid, seed, epochs)[0], f'with copies, split by name, {epochs} epochs: '
            keep(leaky + 'reported', right.mean().item())
            keep(leaky + 'on what it had not been shown', right[~seen].mean().item())
            keep(leaky + 'on what it had', right[seen].mean().item())
    return [(name, shown(values)) for name, values in found.items()]


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as room, tarfile.open(data_file(EMOJI, 'emoji.tar.xz')) as archive:
        for member in archive:
            for place in ('emoji', 'grown'):
                path = Path(room, place, member.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())
        files = find_files(Path(room, 'emoji'))
        for f in files[::2]: Image.open(f).save(Path(room, 'grown', f.parent.name, f'copy-of-{f.name}'), compress_level=9)
        grown = find_files(Path(room, 'grown'))
        with open(Path(room, 'emoji', 'table.csv'), encoding='utf-8') as file:
            subgroups = {Path(room, 'emoji', row['file']): row['subgroup'] for row in csv.DictReader(file)}
        alone, two = throughput(files, 0), throughput(files * 2, 2)
        rows = scores(files, grown, subgroups)
    report('bench_files', 'From files to batches',
           f'{len(files):,} PNG files of 32 x 32 with transparency, one epoch, shuffled, in batches of 32, as floats; no workers, 1 thread:\n\n{alone}\n\n'
           f'Two workers, twice as many files, the start of the workers included:\n\n{two}\n\n'
           f'What a score says: emoji in nine groups, the network of lesson 10, validation accuracy, mean and standard deviation of seeds {", ".join(map(str, SEEDS))} (for split and network). '
           'Of the folder "with copies", every second picture is there twice.\n\n' + table(['12 epochs, or as it says', 'accuracy'], rows))


if __name__ == '__main__': main()

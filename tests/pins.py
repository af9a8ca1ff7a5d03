"""Is every pin of constraints.txt to be had for every supported Python and system? Reads the index's page of each package: about half a minute.

    python tests/pins.py                       all of them
    python tests/pins.py 3.14.0 windows        some of them

A pin fits where the index has a wheel of it for that Python and system whose Requires-Python agrees. The index is pip's own."""
import json, os, re, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from packaging import tags
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

PINS = Path(__file__).parents[1]/'constraints.txt'
PYTHONS = '3.11.0', '3.11.2', '3.12.0', '3.13.0', '3.14.0'


def glibc(machine): return [f'manylinux_2_{minor}_{machine}' for minor in range(28, 4, -1)] + [f'manylinux{old}_{machine}' for old in (2014, 2010, 1)]


SYSTEMS = {'linux': glibc('x86_64'), 'linux-arm': glibc('aarch64'), 'macos-arm': [*tags.mac_platforms((14, 0), 'arm64')], 'windows': ['win_amd64']}
ONLY = {'appnope': {'macos-arm'}, 'pywinpty': {'windows'}, 'pexpect': {*SYSTEMS} - {'windows'}, 'ptyprocess': {*SYSTEMS} - {'windows'}}


def pins():
    "{name: version} of the lines of constraints.txt."
    return dict(re.findall(r'^([\w.-]+)==(\S+)$', PINS.read_text(encoding='utf-8'), re.MULTILINE))


def wheels(name, version):
    "[(its tags, Requires-Python)] of the wheels of one version."
    from pip._internal.models.index import PyPI                        # where pip itself looks, unless told otherwise
    page = f'{os.environ.get("PIP_INDEX_URL") or PyPI.simple_url}/{canonicalize_name(name)}/'
    request = urllib.request.Request(page, headers={'Accept': 'application/vnd.pypi.simple.v1+json'})
    with urllib.request.urlopen(request, timeout=60) as answer: files = json.load(answer)['files']
    return [*fitting(files, version)]


def fitting(files, version):
    "(tags, Requires-Python) of each file that is a wheel of the `version` and was not withdrawn."
    for file in files:
        try: _, built, _, fits = parse_wheel_filename(file['filename'])
        except InvalidWheelFilename: continue
        if str(built) == version and not file.get('yanked'): yield fits, file.get('requires-python') or ''


def missing(wheels, python, system):
    "Why none of the wheels can be installed there; empty where one can."
    number = tuple(int(part) for part in python.split('.')[:2])
    known = {*tags.cpython_tags(number, platforms=SYSTEMS[system]), *tags.compatible_tags(number, f'cp{number[0]}{number[1]}', SYSTEMS[system])}
    here = [wants for fits, wants in wheels if not known.isdisjoint(fits)]
    if not here: return 'no wheel for it'
    return '' if any(python in SpecifierSet(wants) for wants in here) else f'wants Python {" or ".join(sorted({*here}))}'


def main(chosen):
    versions, bad = pins(), 0
    with ThreadPoolExecutor(4) as pool: found = dict(zip(versions, pool.map(wheels, versions, versions.values())))
    for python in [p for p in PYTHONS if p in chosen] or PYTHONS:
        for system in [s for s in SYSTEMS if s in chosen] or SYSTEMS:
            wanted = [name for name in versions if system in ONLY.get(name, SYSTEMS)]
            problems = {name: why for name in wanted if (why := missing(found[name], python, system))}
            bad += len(problems)
            print(f'Python {python}, {system}: {len(wanted) - len(problems)} of {len(wanted)} pins can be had', flush=True)
            for name, why in problems.items(): print(f'    {name}=={versions[name]}: {why}', flush=True)
    return int(bad > 0)


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))

"""Does every pin of constraints.txt exist for every supported Python and platform? Asks the package index, through pip.

    python tests/pins.py                 all of them: some minutes, little is downloaded
    python tests/pins.py 3.11.0 linux    some of them

Where several pins fail, all are told."""
import re, subprocess, sys, tempfile
from pathlib import Path

PINS = Path(__file__).parents[1]/'constraints.txt'
PYTHONS = '3.11.0', '3.11.2', '3.12.0', '3.13.0', '3.14.0'
GLIBC = [f'manylinux_2_{minor}_' for minor in range(28, 4, -1)] + ['manylinux2014_', 'manylinux2010_', 'manylinux1_']
PLATFORMS = {'linux': [tag + 'x86_64' for tag in GLIBC], 'linux-arm': [tag + 'aarch64' for tag in GLIBC],
             'macos-arm': ['macosx_14_0_arm64'], 'windows': ['win_amd64']}
ELSEWHERE = {'appnope': ['macos-arm'], 'pywinpty': ['windows'], 'colorama': ['windows'], 'pexpect': ['linux', 'linux-arm', 'macos-arm'],
             'ptyprocess': ['linux', 'linux-arm', 'macos-arm']}


def pins():
    "The lines of constraints.txt that are pins, `name==version`."
    return [line for line in PINS.read_text(encoding='utf-8').split('\n') if re.match(r'[\w.-]+==', line)]


def refused(wanted, python, platform):
    "Those of the pins `wanted` that pip does not find for this Python and platform, with what it says."
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'pip', 'install', '--dry-run', '--ignore-installed', '--no-deps', '--only-binary=:all:', '--quiet',
                   '--disable-pip-version-check', '--target', folder, '--python-version', python, *(f'--platform={tag}' for tag in PLATFORMS[platform])]
        while wanted:
            done = subprocess.run([*command, *wanted], capture_output=True, text=True)
            if done.returncode == 0: break
            culprit = re.search(r'No matching distribution found for ([\w.-]+==[^\s;]+)', done.stderr)
            if culprit is None or culprit[1] not in wanted: raise SystemExit(done.stderr)
            found[culprit[1]] = next((line.strip() for line in done.stderr.split('\n') if 'ignored the following' in line.lower()), 'no file of it fits')
            wanted = [pin for pin in wanted if pin != culprit[1]]
    return found


def main(chosen):
    bad = 0
    for python in [p for p in PYTHONS if p in chosen] or PYTHONS:
        for platform in [p for p in PLATFORMS if p in chosen] or PLATFORMS:
            here = [pin for pin in pins() if platform in ELSEWHERE.get(pin.split('==')[0], PLATFORMS)]
            problems = refused(here, python, platform)
            bad += len(problems)
            print(f'Python {python}, {platform}: {len(here) - len(problems)} of {len(here)} pins can be had', flush=True)
            for pin, reason in problems.items(): print(f'    {pin}: {reason}', flush=True)
    return int(bad > 0)


if __name__ == '__main__': sys.exit(main(sys.argv[1:]))

"""Makes .venv and installs into it what the lessons and the tests need: `python3 install.py`. `make` runs it by itself.

With another Python than that of the .venv that is there, it makes a new one. What pip says goes to .venv/install.log."""
import os, platform, re, shutil, subprocess, sys, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV, STAMP = ROOT/'.venv', ROOT/'.venv'/'installed'
PYTHON = VENV/('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
WHICH = 'import sys; print(sys.base_prefix, sys.version_info[:3])'
# What pip's error means -> what can be done
ADVICE = [
    (r'No space left', 'The disk is full: about 1.5 GB are needed, 5.2 GB where torch comes with CUDA.'),
    (r'Failed to establish|NewConnectionError|ConnectTimeout|Read timed out|Name or service not known|Name resolution|getaddrinfo|ProxyError|SSLError|Max retries',
     'The package index was not reached. With a network, run the same command again: it goes on where it stopped.'),
    (r'for torch==', 'torch {torch} is there for Linux, for Windows on x86-64 and for macOS 14 on Apple processors, with Python 3.11 to 3.14;\n'
                     'not for macOS on Intel, nor for Windows on ARM. This is {system}, Python {python}.'),
    (r'No matching distribution|Requires-Python|requires a different Python',
     'A version in constraints.txt is not to be had for Python {python}. Another Python: make run PYTHON=python3.12, or python3.12 install.py'),
]
CUDA = """
For this computer the index has torch only with CUDA, which is being fetched: about 5.2 GB on the disk and not 1.5. The lessons do not need it.
For the build without CUDA stop here (Ctrl-C), put the address of the CPU index of pytorch.org (its page "Get started" shows it under
Linux, Pip, CPU) into the environment variable PIP_EXTRA_INDEX_URL, and run the same command again; or let it go on.
"""


def torch(): return next(line for line in (ROOT/'constraints.txt').read_text(encoding='utf-8').split('\n') if line.startswith('torch=='))


def says(python, code):
    "What `python` prints for `code`; None where it does not run."
    try: done = subprocess.run([str(python), '-c', code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError: return None
    return done.stdout.decode() if done.returncode == 0 else None


def environment():
    "Makes .venv, unless it stands and belongs to this Python."
    try: import ensurepip, venv                                        # noqa: F401
    except ImportError:
        name = 'python%d.%d-venv' % sys.version_info[:2]
        sys.exit('This Python cannot make environments: Debian and Ubuntu keep that in a package of its own.\n'
                 '    sudo apt install %s\nThen run the same command again.' % name)
    there = says(PYTHON, WHICH)
    if there is not None and there == says(sys.executable, WHICH): return
    if VENV.exists():
        print('.venv belongs to another Python, or is broken: a new one is made')
        shutil.rmtree(str(VENV))
    subprocess.run([sys.executable, '-m', 'venv', str(VENV)], check=True)


def advice(said):
    "What can be done about an error, from what pip said."
    facts = {'torch': torch().split('==')[1], 'python': platform.python_version(), 'system': platform.system() + ' on ' + platform.machine()}
    return next((text.format(**facts) for pattern, text in ADVICE if re.search(pattern, said)), '')


def pip(what, *arguments):
    "Runs `pip install` and shows a line that moves; ends with the cause, and what to do, when it fails."
    bar = 'raw' if (says(PYTHON, 'import pip; print(pip.__version__ >= "24.1")') or '').startswith('True') else 'off'
    command = [str(PYTHON), '-u', '-m', 'pip', 'install', '--disable-pip-version-check', '--progress-bar', bar, '-c', 'constraints.txt', *arguments]
    print(what + ' ...', flush=True)
    start, said, cuda, line = time.time(), [], False, Line()
    with subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process, \
         (VENV/'install.log').open('a', encoding='utf-8') as log, line:
        for text in (raw.decode('utf-8', 'replace').rstrip() for raw in process.stdout):
            line.tell(text)
            if not cuda and re.match('Collecting (nvidia|cuda)-', text):
                cuda = True
                print('\r%78s\r%s' % ('', CUDA), flush=True)
            if text.startswith('Progress '): continue
            said.append(text)
            log.write(text + '\n')
    if process.returncode == 0: return print('    done after %d s: %d packages looked at' % (time.time() - start, line.packages), flush=True)
    cause = [text for text in said if text.startswith('ERROR') or 'Errno' in text] or said[-5:]
    sys.exit('\n'.join([*cause[-5:], '', advice('\n'.join(said)), 'All that pip said: .venv/install.log']))


class Line:
    "On a terminal, one line that says each second what pip is doing; a context manager."
    def __init__(self): self.packages, self.doing, self.start, self.over = 0, '', time.time(), threading.Event()

    def tell(self, text):
        "Takes a line that pip has said."
        share = re.match(r'Progress (\d+) of (\d+)$', text)
        if share: self.doing = re.sub(r'( \d+%)?$', ' %d%%' % (100 * int(share[1]) / max(int(share[2]), 1)), self.doing, count=1)
        news = re.match(r'\s*(Collecting|Processing|Downloading|Installing|Building|Preparing)\b ?([^\s=<>!~;:]*)(.*)', text)
        if news is None: return
        self.packages += news[1] in ('Collecting', 'Processing')
        size = re.match(r' \([\d.]+ \w+\)', news[3])
        self.doing = '%s %s%s' % (news[1].lower(), re.sub(r'-\d.*', '', news[2].split('/')[-1])[:30], size[0] if size else '')

    def show(self):
        "Writes the line again each second."
        while not self.over.wait(1): print('\r%-78s' % ('    %d packages, %d s: %s' % (self.packages, time.time() - self.start, self.doing))[:78], end='', flush=True)

    def __enter__(self):
        self.thread = threading.Thread(target=self.show, daemon=True)
        if sys.stdout.isatty(): self.thread.start()

    def __exit__(self, *error):
        self.over.set()
        if self.thread.ident:
            self.thread.join()
            print('\r%78s\r' % '', end='', flush=True)


def main():
    if sys.version_info < (3, 11): sys.exit('Python 3.11 or newer is needed, and this is %d.%d: make run PYTHON=python3.12, or python3.12 install.py' % sys.version_info[:2])
    environment()
    newest = max((ROOT/name).stat().st_mtime for name in ('setup.py', 'constraints.txt'))
    if STAMP.exists() and STAMP.stat().st_mtime >= newest: return
    print('Installing into .venv, once: some minutes')
    pip('1 of 2: ' + torch(), torch())                                     # by its version: pip then takes a build for the CPU where there is one
    pip('2 of 2: what the lessons and tests use', '-e', '.[lab,test]')
    STAMP.touch()


if __name__ == '__main__': main()

"""Edits of systematic.py that change nothing anybody could observe: (module, old line, new line, why).

Both lines stand as systematic.py prints them. What only changes the words of a message, a hint, or how much work is
done for the same result belongs here; what no test has looked at yet does not."""
EQUIVALENT = [
    ("nb_10", "return Image.alpha_composite(Image.new('RGBA', picture.size, (255,) * 4), picture)", "return Image.alpha_composite(Image.new('RGBA', picture.size, (256,) * 4), picture)", "Pillow cuts it to 255"),
    ("nb_08", "@staticmethod", "", "PyTorch calls forward and backward on the class"),
    ("nb_07a", "counts = torch.zeros(bins + 1, dtype=torch.int32, device=x.device)", "counts = torch.zeros(bins + 2, dtype=torch.int32, device=x.device)", "a part more that is cut off"),
    ("nb_02a", "q = q * r.diagonal().sign()", "q = q / r.diagonal().sign()", "a sign is 1 or -1; a random matrix has no 0 there"),
    ("nb_01", "return torch.from_numpy(np.frombuffer(body, dtype).astype(dtype.newbyteorder('='), copy=False).reshape(shape))", "return torch.from_numpy(np.frombuffer(body, dtype).astype(dtype.newbyteorder('='), copy=True).reshape(shape))", "a copy more, and the same numbers"),
    ("nb_01", "file = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == b'\\x1f\\x8b' else raw", "file = gzip.GzipFile(fileobj=raw) if raw.peek(3)[:2] == b'\\x1f\\x8b' else raw", "the least number of bytes that are looked at"),
    ("nb_01", "get = pooch.HTTPDownloader(progressbar=DownloadBar(), chunk_size=2 ** 16, timeout=timeout)", "get = pooch.HTTPDownloader(progressbar=DownloadBar(), chunk_size=2 * 16, timeout=timeout)", "smaller pieces of the same file"),
    ("nb_01", "reasons.append(f'\\n  {url}: {e}')", "reasons.append(f'\\n  {url}: X{e}')", "words of a message"),
    ("nb_03", "def gradcheck(f, *inputs, eps=1e-06, tol=1e-05):", "def gradcheck(f, *inputs, eps=2e-06, tol=1e-05):", "another small step of the differences"),
    ("nb_03", "out = self.data.amax(() if axis is None else axis, keepdim=True)", "out = self.data.amax(() if False else axis, keepdim=True)", "torch takes None for all axes, too"),
    ("nb_04", "a = a.masked_fill(a.isinf(), 0)", "a = a.masked_fill(a.isinf(), 1)", "any finite number serves: it is taken off and put back"),
    ("nb_04a", "busy, pressed = (False, None)", "busy, pressed = (True, None)", "outermost sets it before anybody looks"),
    ("nb_04a", "busy, pressed = (False, None)", "pass", "outermost sets it before anybody looks"),
    ("nb_04a", "super().__init__(sentence, cause)", "pass", "an exception has its arguments from its __new__"),
    ("nb_04", "yield from (f'the settings {sorted(settings)}' for settings in state['settings'])", "yield from (f'the settings X{sorted(settings)}' for settings in state['settings'])", "words of a message"),
    ("nb_04", "yield f'the parts {sorted(state)}'", "yield f'the parts X{sorted(state)}'", "words of a message"),
    ("nb_03", "limit = 2 ** (-48) * above.norm().item() / eps + 100 * eps ** 2", "limit = 2 ** (-48) * above.norm().item() / eps + 101 * eps ** 2", "a hundredth of a bound that was rounded up to 100"),
    ("nb_05b", "return {'python': random.getstate(), 'numpy': plain(np.random.get_state(legacy=False)), 'torch': torch.get_rng_state(), 'cuda': torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []}", "return {'python': random.getstate(), 'numpy': plain(np.random.get_state()), 'torch': torch.get_rng_state(), 'cuda': torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []}", "numpy takes both forms back"),
    ("nb_05b", "return plain(thing.get_state(legacy=False))", "return plain(thing.get_state(legacy=True))", "numpy takes both forms back"),
    ("nb_05b", "if state['cuda']:", "if False:", "needs a GPU"),
    ("notebook2script", "msvcrt.locking(file, msvcrt.LK_NBLCK, 1)", "msvcrt.locking(file, msvcrt.LK_NBLCK)", "needs Windows"),
    ("notebook2script", "file = os.open(path, os.O_CREAT | os.O_WRONLY | getattr(os, 'O_NOFOLLOW', 0))", "file = os.open(path, os.O_CREAT | os.O_WRONLY | getattr(os, 'O_NOFOLLOW'))", "needs Windows"),
    ("notebook2script", "line, column = (getattr(e, 'lineno', None), max(0, (getattr(e, 'offset', None) or 1) - 1))", "line, column = (getattr(e, 'lineno', None), max(0, (getattr(e, 'offset', None) or 2) - 1))", "what is no SyntaxError has no line either, and a caret needs one"),
    ("nb_05", "for p in itertools.islice(learn.model.parameters(), 1):", "for p in itertools.islice(learn.model.parameters(), 2):", "moved twice to the same place"),
    ("notebook2script", "os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())", "pass", "on Linux nothing is left in the buffer that could fail at the end"),
    ("nb_12", "still = (theta == torch.eye(2, 3, dtype=theta.dtype, device=theta.device)).flatten(1).all(1)", "still = (theta == torch.eye(2, 3, device=theta.device)).flatten(1).all(1)", "0 and 1 are the same in every type"),
    ("nb_06", "steps = learn.epochs * (batches_in(learn.dls.train) or 1)", "steps = learn.epochs * (batches_in(learn.dls.train) or 2)", "without a batch nobody asks for a step"),
]

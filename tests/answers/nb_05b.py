"Answers to the exercises of lesson 05b."
def best(keep, start='None, math.inf', test='loss < lowest', end="return best['weight'].item()"):
    return f'def remember_best(losses, model):\n    best, lowest = {start}\n    for loss in losses:\n        with torch.no_grad(): model.weight.fill_(10 * loss)\n        if {test}: best, lowest = {keep}, loss\n    {end}'
def write(*lines): return 'def write_whole(path, text):\n' + '\n'.join('    ' + line for line in lines)
def noise(*methods): return 'class NoiseAgain(Callback):\n' + '\n'.join('    ' + line for method in methods for line in method.splitlines())


COPY, PART, OPEN, FORCE = 'copy.deepcopy(model.state_dict())', "part = path.with_suffix('.part')", "with open(part, 'w') as f:", '    f.write(text); f.flush(); os.fsync(f.fileno())'
ADD = 'def before_batch(self, learn):\n    if learn.training: learn.xb = learn.xb + .5 * torch.randn(learn.xb.shape, generator=self.g)'
SEED = 'self.g = torch.Generator().manual_seed(1)'
ANSWERS = {
    1: (['opened = [5, 4]', 'opened = (5, 4)', 'opened = list(range(5, 3, -1))'],
        [('opened = []', 'two whole files are there'), ('opened = [4]', 'known when it has been read'), ('opened = [5, 4, 3]', 'one whole file is enough'), ('opened = [6, 5, 4]', 'only names that end in .pt'), ('opened = [4, 5]', 'the newest comes first'),
         ('opened = [3, 4]', 'the newest comes first'), ('opened = [5]', 'then the one before is tried'), ('opened = 5', 'its type is int'), ('opened = {5, 4}', 'its type is set'), ('opened = [2]', 'its length is 1')]),
    2: (['bytes_of_three = (4*p, 8*p, 12*p)', 'bytes_of_three = [4*p, 4*2*p, 4*3*p]', 'bytes_of_three = tuple(torch.zeros(p).nbytes * k for k in (1, 2, 3))'],
        [('bytes_of_three = (4*p, 4*p, 4*p)', 'the optimiser remembers too'), ('bytes_of_three = (p, 2*p, 3*p)', 'a float32 has four bytes'), ('bytes_of_three = (0, 4*p, 8*p)', 'the weights themselves'), ('bytes_of_three = (8*p, 12*p, 16*p)', 'the gradients are not saved'),
         ('bytes_of_three = (4*p, 8*p, 8*p)', 'Adam remembers two numbers'), ('bytes_of_three = (8*p, 16*p, 24*p)', 'not eight'), ('bytes_of_three = (12*p, 8*p, 4*p)', 'the order: plain SGD'), ('bytes_of_three = 8*p', 'its type is int'), ('bytes_of_three = "x"', 'its length is 1')]),
    3: ([best(COPY), best('{k: v.clone() for k, v in model.state_dict().items()}'), best('model.weight.item()', end='return best'), best(COPY, test='best is None or lowest != lowest or loss < lowest')],
        [('remember_best = remember_best_wrong', 'a state dict does not copy'), (best('dict(model.state_dict())'), 'a state dict does not copy'), (best('model.state_dict().copy()'), 'a state dict does not copy'), (best('{k: v.detach() for k, v in model.state_dict().items()}'), 'a state dict does not copy'),
         (best(COPY, end="best['weight'].item()"), 'is there a `return`'), (best(COPY, end='return lowest'), 'that is the loss'), (best(COPY, '{}, -math.inf', 'loss > lowest'), 'that is the largest loss'), (best(COPY, test='best is None or loss < lowest'), 'the first loss is no number'),
         (best(COPY, test='best is None'), 'that is the first epoch'), ('remember_best = "a"', "'str' object is not callable"), (best(COPY, end="return best['weight']"), 'its type is Tensor, wanted float'), (best(COPY, end="return best['wieght'].item()"), 'wieght'),
         (best('copy.copy(model.state_dict())'), 'a state dict does not copy')]),
    4: ([write(PART, OPEN, FORCE, 'os.replace(part, path)'), write("part = path.with_name('tmp')", "with part.open('w') as f:", FORCE, 'part.rename(path)'),
         write(PART, "with open(part, 'wb', buffering=0) as f:", '    f.write(text.encode())', '    os.fsync(f)', 'part.replace(path)'),
         write(PART, 'part.write_text(text)', 'fd = os.open(part, os.O_RDWR)', 'os.fsync(fd)', 'os.close(fd)', 'os.rename(part, path)', 'folder = os.open(path.parent, os.O_RDONLY)', 'os.fsync(folder)', 'os.close(folder)')],
        [(write('path.write_text(text)'), 'it is written under its own name'), (write(PART, 'part.write_text(text)', 'part.replace(path)'), 'must be forced to the disk'), (write(PART, OPEN, '    f.write(text); os.fsync(f.fileno())', 'os.replace(part, path)'), 'which `flush` empties'),
         (write(PART, OPEN, '    f.write(text)', 'os.replace(part, path)', "with open(path) as f: os.fsync(f.fileno())"), 'before the rename something must be forced'), (write("part = Path(tempfile.mkdtemp())/'x'", OPEN, FORCE, 'os.replace(part, path)'), 'in another folder'),
         (write(PART, OPEN, FORCE, 'path.unlink()', 'os.replace(part, path)'), 'a crash in between leaves nothing'), (write('pass'), 'nothing was written'), (write(PART, OPEN, FORCE), 'nothing was written, and nothing renamed'), (write(PART, OPEN, FORCE, 'os.replace(path, part)'), 'the new text is not there'),
         (write("with open(path, 'w') as f:", FORCE), 'it is written under its own name'), ('def write_whole(path): pass', 'takes 1 positional argument'), ('write_whole = 1', 'not callable'), (write(PART, OPEN, FORCE, 'os.repalce(part, path)'), 'repalce')]),
    5: (['NoiseAgain = Noise', noise(f'def __init__(self): {SEED}', ADD), noise(f'def setup(self, learn): {SEED}', 'def __init__(self): self.g = None', ADD), 'class NoiseAgain(NoiseWrong):\n    before_fit = None\n    def setup(self, learn): self.g.manual_seed(1)',
         'class NoiseAgain(NoiseWrong):\n    def before_fit(self, learn):\n        if not learn.epoch: self.g.manual_seed(1)', noise('def before_batch(self, learn):\n    if learn.training: learn.xb = learn.xb + .5 * torch.randn_like(learn.xb)')],
        [('NoiseAgain = NoiseWrong', 'begins its noise anew'), (noise('pass'), 'no noise in the training images'), (noise(f'def before_epoch(self, learn): {SEED}', ADD), 'every epoch has the same noise'),
         (noise(f'def __init__(self): {SEED}', ADD.replace('if learn.training: ', '')), 'noise in the validation images'), (noise(ADD.replace('    if', '    g = torch.Generator().manual_seed(1)\n    if').replace('self.g', 'g')), 'every batch has the same noise'),
         (noise(f'def __init__(self): {SEED}', ADD.replace('.5 * ', '')), 'scatters by 1.0'), (noise('def __init__(self):\n    self.g = torch.Generator()\n    self.g.seed()', ADD), 'where is the seed'), (noise(f'def before_fit(self, learn): {SEED}', ADD), 'in setup, not later'),
         (noise(ADD), "no attribute 'g'"), ('NoiseAgain = 3', 'not callable'), (noise(f'def __init__(self): {SEED}', ADD.replace('learn.xb = ', 'noisy = ')), 'no noise in the training images')]),
}

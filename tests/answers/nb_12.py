"Answers to the exercises of lesson 12."
def labels(*flips):
    right = [True, False, True, False, False, False, True]
    return f'preserve = {[v != (i in flips) for i, v in enumerate(right)]}'
def places(first='(-2, 4)', second='(1, 1)', number='.5'): return f'answer = ({first}, {second}, {number})'
def shift(result, rows='torch.arange(x.shape[2]) - dy[:, None]', columns='torch.arange(x.shape[3]) - dx[:, None]', inside=True):
    mask = 'inside = ((rows >= 0) & (rows < x.shape[2]))[:, None, :, None] & ((columns >= 0) & (columns < x.shape[3]))[:, None, None]' if inside else 'pass'
    return f'''def shift_each(x, dx, dy):
    rows, columns = {rows}, {columns}
    {mask}
    rows, columns = rows.clamp(0, x.shape[2] - 1), columns.clamp(0, x.shape[3] - 1)
    {result}'''
TAKEN = 'x.permute(0, 2, 3, 1)[torch.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)'
def picture_by_picture(take='x[n, :, i - dy[n], j - dx[n]]', test='0 <= i - dy[n] < x.shape[2] and 0 <= j - dx[n] < x.shape[3]'):
    return f'''def shift_each(x, dx, dy):
    out = torch.zeros_like(x)
    for n in range(len(x)):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                if {test}: out[n, :, i, j] = {take}
    return out'''
NUMPY = """def shift_each(x, dx, dy):
    import numpy as np
    a, right, down = x.numpy(), dx.numpy(), dy.numpy()
    out = np.zeros_like(a)
    for n in range(len(a)):
        for i in range(a.shape[2]):
            for j in range(a.shape[3]):
                if 0 <= i - down[n] < a.shape[2] and 0 <= j - right[n] < a.shape[3]: out[n, :, i, j] = a[n, :, i - down[n], j - right[n]]
    return torch.from_numpy(out)"""
DISTINCT = """def shift_each(x, dx, dy):
    out = torch.zeros_like(x)
    for a, b in {*zip(dx.tolist(), dy.tolist())}:
        these = (dx == a) & (dy == b)
        rows, columns = torch.arange(x.shape[2]) - b, torch.arange(x.shape[3]) - a
        inside = ((rows >= 0) & (rows < x.shape[2]))[:, None] & ((columns >= 0) & (columns < x.shape[3]))
        out[these] = x[these][:, :, rows.clamp(0, x.shape[2] - 1)][..., columns.clamp(0, x.shape[3] - 1)] * inside
    return out"""
def corners(how): return lines('H, W = x.shape[2:]', 'theta = in_halves(way_back(0.*dx, 1. + 0*dx, 0.*dx, 1.*dx, 1.*dy), (H, W))', f'return F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners={how}), align_corners={how})')
def masked(old, new): return shift(f'return {TAKEN} * inside').replace(old, new)
def lines(*body, name='shift_each(x, dx, dy)'): return f'def {name}:\n' + '\n'.join('    ' + line for line in body)
def noise(*body, init='super().__init__(p)', base='Transform'):
    text = '\n'.join('        ' + line for line in body)
    return f'class Noise({base}):\n    def __init__(self, strength, p=1.):\n        {init}\n        self.strength = strength\n    def change(self, x, generator):\n{text}'
SPREAD = 'spread, = self.between(x, generator, (0., self.strength))'
def added(n='torch.randn(x.shape, generator=generator)', spread=SPREAD, sum='x + spread.reshape(-1, 1, 1, 1) * n', **how): return noise(spread, f'n = {n}', f'return {sum}', **how)
def cut(left='left = 1 - box.float().mean((1, 2, 3))[:, None]', last='return mixed, left*soft + (1 - left)*soft[partner]', mixed='mixed = torch.where(box, x[partner], x)', first='pass'):
    return f'''def cutmix_wrong(x, soft, partner, share, middle):
    half = (1 - share).sqrt()[:, None] / 2
    {first}
    def within(m, n): return ((torch.arange(n) + .5)/n - m[:, None]).abs() < half
    rows, columns = within(middle[0], x.shape[2]), within(middle[1], x.shape[3])
    box = rows[:, None, :, None] & columns[:, None, None, :]
    {mixed}
    {left}
    {last}'''


ANSWERS = {
    1: ([labels(), 'preserve = (True, False, True, False, False, False, True)', 'preserve = [1, 0, 1, 0, 0, 0, 1]', 'preserve = tensor([1, 0, 1, 0, 0, 0, 1]).bool()'],
        [(labels(0), 'a shirt in the mirror'), (labels(1), 'is a right hand'), (labels(2), 'no side is up'), (labels(3), 'ripe is red'), (labels(4), 'the ball moves along'), (labels(5), 'only crack'), (labels(6), 'weak light'), (labels(0, 5), 'number 6'),
         ('preserve = [True] * 6', 'a list of seven'), ('preserve = True', 'a list of seven'), ('preserve = None', 'a list of seven'), ('preserve = ["yes"] * 7', 'a list of seven'), ('preserve = torch.zeros(7, 2)', 'a list of seven')]),
    2: ([places(), 'answer = [[-2, 4], [1, 1], 1/2]', 'answer = (turned(90) @ moved(3, 0) @ tensor([1., 2, 1]))[:2], (moved(3, 0) @ turned(90) @ tensor([1., 2, 1]))[:2], in_halves(turned(-90)[None], (20, 40))[0, 0, 1]'],
        [(places('(2, -4)'), 'clockwise'), (places('(1, 1)', '(-2, 4)'), 'exchanged'), (places('(4, 2)'), 'only moved'), (places('(-2, 1)'), 'only turned'), (places('(7, 7)'), 'first moved, then turned: another one'), (places(second='(5, -1)'), 'clockwise'),
         (places(second='(-5, 1)'), 'x grows'), (places(number='2'), 'upside down'), (places(number='1'), 'half sides'), (places(number='-.5'), 'the way there'), (places(number='0'), 'takes y to x'), (places(number='.7'), 'the number: another one'), (places('(-2, 4, 1)'), 'two pairs (x, y)'),
         ('answer = (-2, 4)', 'three things'), ('answer = None', 'three things'), (places('-2'), 'two pairs'), (places(number='"half"'), 'two pairs')]),
    3: ([shift(f'return {TAKEN} * inside'), shift(f'return torch.where(inside, {TAKEN}, 0.)'),
         corners(False), masked('[torch.arange(len(x))[:, None, None]', '.numpy()[torch.arange(len(x))[:, None, None]').replace('.permute(0, 3, 1, 2) * inside', '.transpose(0, 3, 1, 2) * inside.numpy()').replace('return x', 'return torch.from_numpy(x').replace('inside.numpy()', 'inside.numpy())'),
         shift('out = x.gather(2, rows[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3])).gather(3, columns[:, None, None].expand(-1, x.shape[1], x.shape[2], -1))', inside=True) + '\n    return out * inside'],
        [(picture_by_picture(), 'a loop over the examples'), (NUMPY, 'a loop over the examples'), (DISTINCT, 'number of different moves'), (corners(True), 'align_corners=False, in both'),
         (masked(' & ((columns >= 0) & (columns < x.shape[3]))[:, None, None]', ''), 'rows that do not exist are 0, but'), (masked('((rows >= 0) & (rows < x.shape[2]))[:, None, :, None] & ', ''), 'columns that do not exist are 0, but'),
         (masked(' & (rows < x.shape[2])', '').replace(' & (columns < x.shape[3])', ''), 'behind the last one the border goes on'), (masked('(rows >= 0) & ', '').replace('(columns >= 0) & ', ''), 'before the first one the border goes on'),
         (shift(f'return torch.where(inside, {TAKEN}, x.min())'), 'the least of all pixels'), (shift(f'return {TAKEN} * inside', rows='torch.arange(x.shape[2]) + dy[:, None]', columns='torch.arange(x.shape[3]) + dx[:, None]'), 'the other way'),
         (shift(f'return {TAKEN} * inside', rows='torch.arange(x.shape[2]) + dy[:, None]'), 'dy goes down'), (shift(f'return {TAKEN} * inside', columns='torch.arange(x.shape[3]) + dx[:, None]'), 'dx goes to the right'),
         (shift(f'return {TAKEN} * inside', rows='torch.arange(x.shape[2]) - dx[:, None]', columns='torch.arange(x.shape[3]) - dy[:, None]'), 'dx and dy are exchanged'), (shift(f'return {TAKEN}'), 'the border goes on'),
         (lines('return torch.stack([p.roll((b, a), (1, 2)) for p, a, b in zip(x, dx.tolist(), dy.tolist())])'), 'comes in on the other'), (shift(f'return {TAKEN} * inside', rows='torch.arange(x.shape[2]) - dy[:1, None].expand(len(x), 1)', columns='torch.arange(x.shape[3]) - dx[:1, None].expand(len(x), 1)'), 'as the first one is'),
         (lines('return x'), 'nothing has moved'), (lines('pass'), 'is there a `return`'), (lines('return x[:, 0]'), 'its shape'), (lines('return x.roll(dx, 3)'), 'your code fails'), (shift(f'return x.mul_(0)'), 'have been changed'),
         (shift(f'return {TAKEN} * inside', rows='torch.arange(x.shape[2]) - 0*dy[:, None]'), 'nothing goes down'), (shift(f'return {TAKEN} * inside', columns='torch.arange(x.shape[3]) - 0*dx[:, None]'), 'nothing goes to the right'), ('shift_each = 3', 'wanted a function'), (lines('return ...'), 'not answered')]),
    4: ([added(), added(spread='spread = uniform(x, 1, generator)[0] * self.strength'), added(spread='spread = self.strength * torch.rand(len(x), generator=generator)'),
         added("torch.randn(x.shape, generator=generator, device='cpu' if generator is None else generator.device)"), added('torch.normal(0., 1., x.shape, generator=generator)'),
         noise('n = torch.randn(x.shape, generator=generator)', 'return x + self.strength * uniform(x, 1, generator).reshape(-1, 1, 1, 1) * n')],
        [(added('torch.randn(len(x), 1, *x.shape[2:], generator=generator)'), 'all channels of a picture'), (added('torch.randn(*x.shape[:2], 1, x.shape[3], generator=generator)'), 'all rows of a picture'),
         (added('torch.randn(*x.shape[:3], 1, generator=generator)'), 'all columns of a picture'), (added('torch.randn(1, *x.shape[1:], generator=generator)'), 'all pictures get the same noise'),
         (noise('u = self.strength * torch.rand(*x.shape[:2], 1, 1, generator=generator)', 'return x + u*torch.randn(x.shape, generator=generator)'), 'the channels of a picture are not equally noisy'),
         (added(spread='spread = self.strength * uniform(x, 2, generator).mean(0)'), 'too many are near half'), (noise(SPREAD, 'x += spread.reshape(-1, 1, 1, 1) * torch.randn(x.shape, generator=generator)', 'return x'), 'have been changed'),
         (added(sum='x + x.std() * spread.reshape(-1, 1, 1, 1) * n'), 'whatever the picture is'), (added('torch.randn(x.shape)'), 'the same state of the generator gives other noise'), (added('torch.randn_like(x)'), 'the same state'), (added('torch.randn(x.shape, generator=torch.Generator().manual_seed(0))', spread='spread = self.strength * torch.linspace(0, 1, len(x))'), 'another state'),
         (added(spread='spread = torch.full((len(x),), self.strength/2)'), 'equally noisy'), (added(spread='spread = self.between(x, generator, (0., self.strength))[0][:1]'), 'equally noisy'), (added('torch.rand(x.shape, generator=generator)'), 'brighter or darker'),
         (added('torch.rand(x.shape, generator=generator)*2 - 1'), 'even noise'), (added('torch.randn(len(x), 1, 1, 1, generator=generator)'), 'changes as a whole'), (added(spread='spread = 2*self.between(x, generator, (0., self.strength))[0]'), 'exceeds'),
         (added(spread='spread, = self.between(x, generator, (self.strength/2, self.strength))'), 'evenly from 0'), (added(spread='spread = self.between(x, generator, (0., self.strength))[0]/2'), 'evenly from 0'), (added(sum='x * spread.reshape(-1, 1, 1, 1) * n'), 'nothing has changed'),
         (added(sum='spread.reshape(-1, 1, 1, 1) * n'), 'whatever the picture is'), (added(sum='x + spread * n'), 'your code fails'), (noise('pass'), 'no tensor'), (noise('return x'), 'nothing has changed'), (noise('return x[:, :, :2]'), 'come out as'),
         (added(init='super().__init__(1.)'), 'is p given on'), (added(init='pass'), 'your code fails'), (added(base=''), 'a class that is a Transform'), ('Noise = 3', 'a class that is a Transform'), (noise('return ...'), 'not answered')]),
    5: (['mine = several(digits, augmented(Affine(turn=8, scale=.08, shear=.1, shift=.05)))', 'mine = tuple(several(digits, augmented(Affine(turn=10, scale=.1, shear=.13, shift=.067))))'],
        [("mine = by_digits['all four']", 'wanted more than +0.5'), ('mine = rolled', 'wanted more than +0.5'), ('mine = plain', 'hardly more than without'), ("mine = by_digits['mirror']", 'hardly more than without'), ("mine = softened['mixup']", 'hardly more than without'),
         ('mine = more_digits', 'other pictures'), ("mine = by_clothes['mirror']", 'other pictures'), ("mine = by_digits['all four'][:1]*3", 'other pictures'), ("mine = [longer['all four'][0], *by_digits['all four'][1:]]", 'more steps'),
         ("mine = [Learner(net(), learn.dls) for learn in plain]", 'not at all'), ("learn = plain[0]\nmine = [type('L', (Learner,), dict(history=[{}]))(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), learn.dls) for learn in plain]\nfor learn in mine: learn.history = [{}]", 'another network'),
         ('mine = [probe(), probe(), probe()]', 'as `train` makes them'), ("mine = by_digits['any angle']", 'a list of three'), ('mine = plain[0]', 'a list of three'), ('mine = None', 'a list of three'), ('mine = [.92, .91, .92]', 'a list of three')]),
    6: ([cut(), cut('left = 1 - (rows.float().mean(1) * columns.float().mean(1))[:, None]'), cut('left = (~box).double().mean((1, 2, 3)).float()[:, None]'), cut('left = (1 - box.sum((1, 2, 3))/(x.shape[2]*x.shape[3]))[:, None]')],
        [('', 'do not fit the pictures'), (cut('left = share[:, None]'), 'do not fit the pictures'), (cut('left = (mixed == x).float().mean((1, 2, 3))[:, None]'), 'may be equal'),
         (cut('left = 1 - ((middle + half.T).clamp(max=1) - (middle - half.T).clamp(min=0)).prod(0)[:, None]'), 'exact area'), (cut('left = (1 - box.expand_as(x).sum((1, 2, 3))/(x.shape[2]*x.shape[3]))[:, None]'), 'of all channels'),
         (cut('left = (1 - box.sum((1, 2, 3))/x[0].numel())[:, None]'), 'rows × columns'), (cut('left = 1 - rows.float().mean(1)[:, None]'), 'only the rows'), (cut('left = 1 - columns.float().mean(1)[:, None]'), 'only the columns'), (cut('left = box.float().mean((1, 2, 3))[:, None]'), 'exchanged'), (cut('left = (1 - box.float().mean()).expand(len(x), 1)'), 'mean over all'),
         (cut('left = 1 - box.float().sum((1, 2, 3))[:, None]'), 'no share'), (cut('left = share[:, None]', first='middle = torch.minimum(torch.maximum(middle, half[:, 0]), 1 - half[:, 0])'), 'pushed inside'), (cut(first='middle = torch.minimum(torch.maximum(middle, half[:, 0]), 1 - half[:, 0])'), 'pushed inside'),
         (cut('left = (1 - share)[:, None]'), 'still there'), (cut(last='return mixed, soft'), 'how much of each'), (cut(mixed='mixed = torch.where(box, x, x[partner])'), 'they were right'), (cut(last='pass'), 'is there a `return`'), (cut(last='return mixed'), 'two tensors'), (cut(last='return mixed, (left*soft)[:, :2]'), 'the shape'),
         (cut('left = 1 - box.float().mean((1, 2, 3))'), 'your code fails'), ('cutmix_wrong = 3', 'wanted a function'), (cut('left = 1 - box.float().mean((1, 2, 3)).sqrt()[:, None]'), 'without a root')]),
}

"Answers to the exercises of lesson 09."
def changes(a): return f'changes = {a}'
def numbers(a): return f'numbers_kept = {a}'
def polar(*lines): return 'def polar(g):\n' + '\n'.join('    ' + line for line in lines)
def update(name, *lines): return f'class {name}(Optimizer):\n    def update(self, p, g, memory, lr):\n' + '\n'.join('        ' + line for line in lines)
def repaired(*lines): return update('Repaired', *lines)
def adamax(*lines): return update('AdaMax', *lines)
def falling(rate): return f'class Falling(Lion):\n    def update(self, p, g, memory, lr, **settings): super().update(p, g, memory, lr={rate}, **settings)\n'


SVD, MEAN, SQUARE = 'u, s, vt = torch.linalg.svd(g, full_matrices=False)', "mean = slot(memory, 'mean', p).lerp_(g, .1)", "square = slot(memory, 'square', p).lerp_(g * g, .01)"
STEP, COUNT = 'p.sub_(lr * (mean / (1 - .9**t)) / ((square / (1 - .99**t)).sqrt() + 1e-8))', 't = count(memory)'
M, U, MOVE = "m = slot(memory, 'mean', p).lerp_(g, .1)", "u = memory['u'] = torch.maximum(.9 * slot(memory, 'u', p), g.abs() + 1e-8)", 'p.sub_(lr / (1 - .9**t) * m / u)'
ANSWERS = {
    1: ([changes('(-.1, .1)'), changes('[-.1, .1]'), changes('tensor([-.1, .1])'), 'w = torch.zeros(2)\nw.grad = tensor([.003, -500.])\nAdam([w], lr=.1).step()\nchanges = w', changes('-.1, .1')],
        [(changes('(.1, -.1)'), 'uphill'), (changes('(-.0003, 50.)'), 'a plain step'), (changes('(-.1, -.1)'), 'its weight grows'), (changes('(.1, .1)'), 'its weight shrinks'), (changes('(-.1/.1**.5, .1/.1**.5)'), 'without the bias correction'),
         (changes('(-.01, .01)'), 'not a tenth of it'), (changes('(-1, 1)'), 'a rate of 1'), (changes('-.1'), 'wanted'), (changes('("a", "b")'), 'none of the mistakes'), (changes('(-.1, .1, 0)'), 'its length is 3, wanted 2'), (changes('(-.1, ...)'), 'none of the mistakes')]),
    2: ([numbers([1, 2, 3, 1, 1, 3]), numbers((1, 2, 3, 1, 1, 3)), numbers('[1, 2] + [3, 1] + [1, 3]')],
        [(numbers([0, 2, 3, 1, 1, 3]), 'SGD with momentum does not keep 0'), (numbers([1, 1, 3, 1, 1, 3]), 'AdamW does not keep 1'), (numbers([1, 2, 1, 1, 1, 3]), 'RMSProp does not keep 1'), (numbers([1, 2, 3, 2, 1, 3]), 'Lion does not keep 2'),
         (numbers([1, 2, 3, 1, 2, 3]), 'Muon does not keep 2'), (numbers([1, 2, 3, 1, 1, 2]), 'Adam with amsgrad does not keep 2'), (numbers([1, 2, 3]), 'its length is 3, wanted 6'), (numbers(11), 'its type is int, wanted list'), (numbers('None'), 'its type is NoneType'),
         (numbers('["one"] * 6'), 'SGD with momentum does not keep one')]),
    3: ([polar(SVD, 'return u @ vt'), polar('return newton_schulz(g, (1.5, -.5, 0.), steps=60)'), polar('u, s, vt = torch.linalg.svd(g)', 'k = min(g.shape)', 'return u[:, :k] @ vt[:k]'), polar(SVD, 'return g @ vt.mT @ (1 / s).diag() @ vt')],
        [(polar('return g'), 'that is g itself'), (polar(SVD, 'return u @ s.diag() @ vt'), 'that is g'), (polar('return g / g.norm()'), 'only its length is 1'), (polar('return g / torch.linalg.svdvals(g)[0]'), 'only the largest'), (polar('return g.sign()'), 'Lion, number by number'),
         (polar('return newton_schulz(g)'), 'wanted the exact one'), (polar(SVD, 'return (u @ vt).t()'), 'it is transposed'), (polar(SVD, 'return -u @ vt'), 'uphill'), (polar(SVD, 'return u @ (1 / s).diag() @ vt'), 'upside down'), (polar('u, s, vt = torch.linalg.svd(g)', 'return u @ vt'), 'your code fails with RuntimeError'),
         (polar(SVD, 'u @ vt'), 'is there a `return`'), (polar(SVD, 'return u @ v'), "name 'v' is not defined"), ('polar = 3', 'wanted a function'), (polar(SVD, 'return u'), 'V is missing'), (polar(SVD, 'return s'), 'its shape is')]),
    4: ([repaired(COUNT, MEAN, SQUARE, STEP), repaired("t = memory['t'] = memory.get('t', 0) + 1", MEAN, SQUARE, STEP), repaired(COUNT, MEAN, SQUARE, 'p -= lr * mean / (1 - .9**t) / ((square / (1 - .99**t)).sqrt() + 1e-8)'),
         repaired("s = memory.setdefault('adam', Adam([p], betas=(.9, .99)).memory[p])", 'Adam([p]).update(p, g, memory, lr, (.9, .99), 1e-8, 0., False, False)')],
        [(repaired('self.t = getattr(self, "t", 0) + 1', 't = self.t', MEAN, SQUARE, STEP), 'still belongs to the optimiser'), (repaired(COUNT, MEAN, SQUARE, STEP.replace('**t', '**(t + 1)')), 'the first step is step 1'), (repaired('t = 1', MEAN, SQUARE, STEP), 'nothing is corrected'),
         (repaired(MEAN, SQUARE, 'p.sub_(lr * mean / (square.sqrt() + 1e-8))'), 'nothing is corrected'), (repaired(COUNT, MEAN, SQUARE, STEP.replace('square / (1 - .99**t)', 'square')), 'the squares need the correction'), (repaired(COUNT, MEAN, SQUARE, STEP.replace('mean / (1 - .9**t)', 'mean')), 'the mean needs the correction'),
         (repaired(COUNT, MEAN, SQUARE), 'the weights have not moved'), (repaired(COUNT, MEAN, SQUARE, STEP.replace('p.sub_(', 'p = p - (')), 'the weights have not moved'), (repaired(MEAN, SQUARE, STEP.replace('**t', '**T')), "name 'T' is not defined"), (repaired(COUNT, MEAN, SQUARE, STEP.replace('.sqrt', '.sqr')), "no attribute 'sqr'"),
         (repaired("t = memory['t'] + 1", MEAN, SQUARE, STEP), 'KeyError')]),
    5: ([adamax(COUNT, M, U, MOVE), adamax("if not memory: memory.update(m=torch.zeros_like(p), u=torch.zeros_like(p), t=0)", "memory['t'] += 1", "memory['m'] = .9 * memory['m'] + .1 * g", "memory['u'] = torch.max(.9 * memory['u'], g.abs() + 1e-8)", "p -= lr / (1 - .9**memory['t']) * memory['m'] / memory['u']"),
         adamax(COUNT, M, U, 'p.addcdiv_(m, u, value=-lr / (1 - .9**t))')],
        [(adamax(COUNT, M, U), 'the weights have not moved'), (adamax('p.sub_(lr * g)'), 'a plain step'), (adamax(COUNT, M, U, 'p.sub_(lr * m / u)'), 'the correction of the mean is missing'), (adamax(COUNT, M, U.replace('.9 * slot', 'slot'), MOVE), 'must fade'),
         (adamax(COUNT, M, 'u = g.abs() + 1e-8', MOVE), 'where is the largest of the past'), (adamax(COUNT, M, U.replace('g.abs()', 'g'), MOVE), 'without its sign'), (adamax(COUNT, M, U, 'p.sub_(lr / (1 - .9**t) * m / u.sqrt())'), 'no root here'), (adamax(COUNT, M, U, MOVE.replace('sub_', 'add_')), 'uphill'),
         (adamax(COUNT, U, 'm = g', MOVE), 'the slope, where its mean should be'), (adamax(COUNT, M.replace('lerp_(g, .1)', 'mul_(.9).add_(g)'), U, MOVE), 'a sum, where the mean'), (adamax(COUNT, M, "u = memory['u'] = .9 * slot(memory, 'u', p) + .1 * g.abs() + 1e-8", MOVE), 'not the largest'),
         (adamax(COUNT, M, U, MOVE.replace('/ u', '/ uu')), "name 'uu' is not defined")]),
    6: ([falling('lr * .9**(count(memory) - 1)') + 'lion_needs = arrival(walk(Falling, tuned(Falling)))', falling('lr * .9**(count(memory) - 1)') + 'lion_needs = min(arrival(walk(Falling, lr)) for lr in RATES)',
         falling('lr * .9**(count(memory) - 1)') + 'lion_needs = tensor(min(arrival(walk(Falling, lr)) for lr in RATES))'],
        [('lion_needs = arrival(walk(Lion, tuned(Lion)))', 'that is the constant rate'), (falling('lr * .9**(count(memory) - 1)') + 'lion_needs = tuned(Falling)', 'that is the rate, wanted'), ('lion_needs = 101', 'it has not arrived'), ('lion_needs = "ten"', 'its type is str'), ('lion_needs = None', 'nothing came of it'),
         (falling('lr * .9**(count(memory) - 1)') + 'lion_needs = arrival(walk(Falling, tuned(Lion)))', 'another one is best'), ('lion_needs = -1', 'none of the mistakes')]),
}

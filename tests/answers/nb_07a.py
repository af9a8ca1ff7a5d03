"Answers to the exercises of lesson 07a."
def dead(*lines): return 'def dead_units(model, layer, batches):\n' + '\n'.join('    ' + line for line in lines)
def needs(*lines): return 'def needs(model, layer, x, y):\n' + '\n'.join('    ' + line for line in lines)
def listening(*lines): return 'from contextlib import contextmanager\n@contextmanager\ndef listening(layers, f):\n' + '\n'.join('    ' + line for line in lines)


SEEN = ('with Hooks([layer], lambda layer, inputs, output: output) as hooks, torch.no_grad():', '    for batch in batches: model(batch)',
        'outs = torch.cat(hooks[0]).transpose(0, 1).flatten(1)')
def units(mask): return dead(*SEEN, f'return ({mask}).nonzero().flatten().tolist()')


WHOLE = ('with torch.no_grad(): whole = cross_entropy(model(x), y)', 'seen = []', 'handle = layer.register_forward_hook(lambda layer, inputs, out: seen.append(out.shape[1]))', 'model(x)', 'handle.remove()', 'rises = []')
def silenced(change='out = out.clone(); out[:, unit] = 0; return out', rise='cross_entropy(model(x), y) - whole', result='torch.stack(rises)', remove='handle.remove()'):
    return needs(*WHOLE, 'for unit in range(seen[0]):', f'    def f(layer, inputs, out, unit=unit): {change}', '    handle = layer.register_forward_hook(f)', f'    with torch.no_grad(): rises.append({rise})', f'    {remove}', f'return {result}')


MENDED = listening('handles = []', 'try:', '    for layer in layers: handles.append(layer.register_forward_hook(f))', '    yield handles', 'finally:', '    for handle in handles: handle.remove()')
BORN = '''def is_born_dead(w):
    net = init_layers(nn.Sequential(*[layer for _ in range(10) for layer in (nn.Linear(w, w), nn.ReLU())]))
    with torch.no_grad(): return (net(torch.randn(100, w)) == 0).all().item()
born_dead = tuple(sum(is_born_dead(w) for _ in range(500)) / 500 for w in (3, 6))'''

ANSWERS = {
    1: (['answer = [2, 4, 2, 2, 2]', 'answer = (2, 4, 2, 2, 2)', 'answer = lengths_kept() if "lengths_kept" in globals() else [2, 4, 2, 2, 2]'],
        [('answer = [2, 2, 2, 2, 2, 2]', 'there is one relu, at two places'), ('answer = [2, 2, 2, 2, 2, 2, 2]', 'it is no leaf'), ('answer = [2, 2, 2, 2, 2]', 'called at two places'), ('answer = [2, 4, 2, 1, 2]', 'but it is called'),
         ('answer = [1, 2, 1, 1, 1]', 'called twice'), ('answer = [1, 1, 1, 1, 1]', 'called twice'), ('answer = [2, 4, 2, 2]', 'is the last layer there'), ('answer = [2, 2, 4, 2, 2]', 'order in which they were made'), ('answer = [2, 4, 2, 2, 2, 2]', 'it is no leaf'),
         ('answer = [3, 4, 2, 2, 2]', 'how often'), ('answer = [2, 4]', '2 lists'), ('answer = 12', 'a list of whole numbers'), ('answer = [2., 4, 2, 2, 2]', 'a list of whole numbers'), ('answer = None', 'a list of whole numbers')]),
    2: ([units('(outs == 0).all(1)'), dead('def lives(layer, inputs, output): return (output != 0).transpose(0, 1).flatten(1).any(1)', 'with Hooks([layer], lives) as hooks:', '    for batch in batches: model(batch)', 'return [i for i, alive in enumerate(torch.stack(hooks[0]).any(0)) if not alive]'),
         dead('found = []', 'handle = layer.register_forward_hook(lambda layer, inputs, out: found.append(out.detach()))', 'for batch in batches: model(batch)', 'handle.remove()', 'outs = torch.cat(found)', 'return [i for i in range(outs.shape[1]) if (outs[:, i] == 0).all()]')],
        [(dead('with Hooks([layer], lambda layer, inputs, out: out) as hooks:', '    for batch in batches: model(batch)', 'out = hooks[0][-1].transpose(0, 1).flatten(1)', 'return (out == 0).all(1).nonzero().flatten().tolist()'), 'only the last batch'),
         (dead('with Hooks([layer], lambda layer, inputs, out: out) as hooks: model(batches[0])', 'return (hooks[0][0].transpose(0, 1).flatten(1) == 0).all(1).nonzero().flatten().tolist()'), 'only the first batch'),
         (dead('with Hooks([layer], lambda layer, inputs, out: (out.transpose(0, 1).flatten(1) == 0).all(1)) as hooks:', '    for batch in batches: model(batch)', 'return torch.stack(hooks[0]).any(0).nonzero().flatten().tolist()'), 'lives in one of the batches'),
         (units('(outs <= 0).all(1)'), 'gives negative numbers'), (units('(outs == 0).any(1)'), 'for some examples'), (units('outs.sum(1) == 0'), 'may cancel'), (units('(outs != 0).any(1)'), 'the living ones'), (units('outs.mean(1).abs() < .05'), 'may cancel'),
         (dead(*SEEN, 'return int((outs == 0).all(1).sum())'), 'not how many'), (dead(*SEEN, 'return (outs == 0).all(1).tolist()'), 'not a truth value'), (dead(*SEEN, 'print((outs == 0).all(1))'), 'is there a `return`'),
         (dead('layer.register_forward_hook(lambda *_: None)', *SEEN, 'return (outs == 0).all(1).nonzero().flatten().tolist()'), 'a hook is left'), (dead('return layer.weight'), 'your code fails'), ('dead_units = 3', 'wanted a function')]),
    3: (['born_dead = (.56, .02)', 'born_dead = [.6, 0.]', BORN],
        [('born_dead = (.02, .56)', 'wrong order'), ('born_dead = (.75, .39)', 'share of dead units'), ('born_dead = (.74, .15)', 'for one example'), ('born_dead = (.44, .98)', 'those that live'), ('born_dead = (.56, .3)', 'right for w = 3'), ('born_dead = (.3, .02)', 'right for w = 6'),
         ('born_dead = (.3, .3)', 'neither'), ('born_dead = (56, 2)', 'from 0 to 1'), ('born_dead = .56', 'two numbers'), ('born_dead = None', 'two numbers'), ('born_dead = torch.tensor([.56, .02])', 'two numbers'), (BORN.replace('range(10)', 'range(3)'), 'right for w = 6'), (BORN.replace('(100, w)', '(1, w)'), 'for one example')]),
    4: ([MENDED, 'class listening:\n    def __init__(self, layers, f): self.hooks = Hooks(layers, f)\n    def __enter__(self): return self.hooks.register()\n    def __exit__(self, *raised): self.hooks.remove()', 'listening = Hooks',
         'from contextlib import ExitStack\n' + listening('with ExitStack() as stack:', '    for layer in layers: stack.callback(layer.register_forward_hook(f).remove)', '    yield')],
        [(listening('handles = [layer.register_forward_hook(f) for layer in layers]', 'yield handles', 'for handle in handles: handle.remove()'), 'after an error in the block 4 of 4'),
         (listening('handles = [layer.register_forward_hook(f) for layer in layers]', 'try: yield handles', 'finally:', '    for handle in handles: handle.remove()'), 'has refused its hook 2 of 5'),
         (listening('handles = []', 'try:', '    for layer in layers: handles.append(layer.register_forward_hook(f))', '    yield handles', 'except Exception:', '    for handle in handles: handle.remove()', '    raise', 'for handle in handles: handle.remove()'), 'after Ctrl-C in the block 3 of 3'),
         (listening('handles = []', 'try:', '    for layer in layers: handles.append(layer.register_forward_hook(f))', '    yield handles', 'except BaseException: pass', 'for handle in handles: handle.remove()'), 'after an error in the block nobody hears'),
         (MENDED.replace('for handle in handles: handle.remove()', 'handles[-1].remove()'), 'at the normal end 4 of 5'), (MENDED.replace('yield handles', 'yield handles; return').replace('        for handle in handles: handle.remove()', '        pass'), 'at the normal end 5 of 5'),
         (listening('yield []'), 'in the block each layer must have its hook'), (MENDED.replace('    yield handles\n', '    pass\n'), 'at the normal end it fails with'), (MENDED.replace('handle.remove()', 'handles.remove()'), 'at the normal end 5 of 5'), ('def listening(layers, f): pass', 'at the normal end it fails with TypeError'),
         ('listening = 3', 'at the normal end it fails with TypeError')]),
    5: ([silenced(), silenced('return out.index_fill(1, tensor(unit), 0)'), needs('with torch.no_grad():', '    with Hooks([layer], lambda layer, inputs, out: out.shape[1]) as hooks: whole = cross_entropy(model(x), y)', '    rises = torch.zeros(hooks[0][0])', '    for unit in range(len(rises)):',
          '        def f(layer, inputs, out): return torch.cat([out[:, :unit], out[:, unit:unit + 1]*0, out[:, unit + 1:]], 1)', '        with Hooks([layer], f, replace=True): rises[unit] = cross_entropy(model(x), y) - whole', 'return rises')],
        [(silenced(rise='whole - cross_entropy(model(x), y)'), 'its sign is wrong'), (silenced(rise='cross_entropy(model(x), y)'), 'by how much do they rise'), (silenced(rise='(cross_entropy(model(x), y) - whole).abs()'), 'where the loss falls'), (silenced(rise='(cross_entropy(model(x), y) - whole) / whole'), 'not as a share'),
         (silenced(rise='(cross_entropy(model(x), y) - whole) * len(y)'), 'a sum over the examples'), (silenced('out = out.clone(); out[:, unit] = out[:, unit].mean(); return out'), 'set to its mean'), (silenced('out = out.clone(); out[:, unit] = 0'), 'nothing has changed'), (silenced(remove='pass'), 'a hook is left'),
         (silenced(result='torch.stack(rises).tolist()'), 'wanted a tensor'), (silenced(result='torch.stack(rises).cumsum(0)'), 'each unit by itself'), (silenced('out = out.clone(); out[unit] = 0; return out'), 'none of the mistakes'), (silenced(result='None'), 'is there a `return`'),
         (needs('return layer.weight.grad.abs()'), 'your code fails'), (needs('with torch.no_grad():', '    for p in model.parameters(): p.zero_()', '    return torch.zeros(3)'), 'the weights have been changed'), ('needs = 3', 'wanted a function')]),
}

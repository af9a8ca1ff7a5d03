"Answers to the exercises of lesson 07a."
def dead(*lines): return 'def dead_units(model, layer, batches):\n' + '\n'.join('    ' + line for line in lines)
def listening(*lines): return 'from contextlib import contextmanager\n@contextmanager\ndef listening(layers, f):\n' + '\n'.join('    ' + line for line in lines)


SEEN = ('with Hooks([layer], lambda layer, inputs, output: output) as hooks, torch.no_grad():', '    for batch in batches: model(batch)',
        'outs = torch.cat(hooks[0]).transpose(0, 1).flatten(1)')
PLACES = (*SEEN[:2], 'outs = torch.cat(hooks[0])', 'outs = outs.reshape(*outs.shape[:2], -1)')
def maps(mask, seen=PLACES): return dead(*seen, f'return ({mask}).nonzero().flatten().tolist()')
def units(mask): return dead(*SEEN, f'return ({mask}).nonzero().flatten().tolist()')


def said(**other):
    right = {'A': ('dead', 'start again'), 'B': ('well', 'go on'), 'C': ('asleep', 'start again')}
    return f'told = {right | other}'.replace('Ellipsis', '...')


def broken(test='not first_tensor(output).isfinite().all()', found='names[layer]', give='broken[0] if broken else None', layers='model', call='model(xb)'):
    return f"""def first_broken(model, xb):
    names, broken = {{layer: name for name, layer in model.named_modules()}}, []
    def look(layer, inputs, output):
        if {test}: broken.append({found})
        return bool({test})
    with Hooks({layers}, look) as hooks, torch.no_grad(): {call}
    return {give}"""


HANDLES = """def first_broken(model, xb):
    broken, handles = [], []
    def listener(name):
        def look(layer, inputs, output):
            if not first_tensor(output).isfinite().all(): broken.append(name)
        return look
    try:
        for name, layer in model.named_modules():
            if not [*layer.children()]: handles.append(layer.register_forward_hook(listener(name)))
        model(xb)
    finally:
        for handle in handles: handle.remove()
    return broken[0] if broken else None"""
STOPS = """class Found(Exception): pass
def first_broken(model, xb):
    def look(layer, inputs, output):
        x = first_tensor(output)
        if not (x - x == 0).all(): raise Found(layer)
    try:
        with Hooks(model, look): model(xb)
    except Found as e: return next(name for name, layer in model.named_modules() if layer is e.args[0])"""
MENDED = listening('handles = []', 'try:', '    for layer in layers: handles.append(layer.register_forward_hook(f))', '    yield handles', 'finally:', '    for handle in handles: handle.remove()')
BORN = '''def is_born_dead(w):
    net = init_layers(nn.Sequential(*[layer for _ in range(10) for layer in (nn.Linear(w, w), nn.ReLU())]))
    with torch.no_grad(): return (net(torch.randn(100, w)) == 0).all().item()
born_dead = tuple(sum(is_born_dead(w) for _ in range(2000)) / 2000 for w in (3, 6))'''

ANSWERS = {
    1: (['answer = [2, 4, 2, 2, 2]', 'answer = (2, 4, 2, 2, 2)', 'answer = lengths_kept() if "lengths_kept" in globals() else [2, 4, 2, 2, 2]'],
        [('answer = [2, 2, 2, 2, 2, 2]', 'there is one relu, at two places'), ('answer = [2, 2, 2, 2, 2, 2, 2]', 'it is no leaf'), ('answer = [2, 2, 2, 2, 2]', 'called at two places'), ('answer = [2, 4, 2, 1, 2]', 'but it is called'),
         ('answer = [1, 2, 1, 1, 1]', 'called twice'), ('answer = [1, 1, 1, 1, 1]', 'called twice'), ('answer = [2, 4, 2, 2]', 'is the last layer there'), ('answer = [2, 2, 4, 2, 2]', 'order in which the model was given them'), ('answer = [2, 4, 2, 2, 2, 2]', 'it is no leaf'),
         ('answer = [3, 4, 2, 2, 2]', 'how often'), ('answer = [2, 2, 2, 1, 2]', 'and dropout is called in eval mode as well'), ('answer = [2, 4, 2, 0, 2]', 'dropout is a layer like the others'), ('answer = [2, 4]', '2 lists'), ('answer = 12', 'a list of whole numbers'), ('answer = [2., 4, 2, 2, 2]', 'a list of whole numbers'), ('answer = None', 'a list of whole numbers')]),
    2: ([units('(outs == 0).all(1)'), dead('def lives(layer, inputs, output): return (output != 0).transpose(0, 1).flatten(1).any(1)', 'with Hooks([layer], lives) as hooks:', '    for batch in batches: model(batch)', 'return [i for i, alive in enumerate(torch.stack(hooks[0]).any(0)) if not alive]'),
         maps('(outs == 0).all(2).all(0)'), maps('outs.abs().amax((0, 2)) == 0'),
         dead('found = []', 'handle = layer.register_forward_hook(lambda layer, inputs, out: found.append(out.detach()))', 'try:', '    for batch in batches: model(batch)', 'finally: handle.remove()', 'outs = torch.cat(found)', 'return [i for i in range(outs.shape[1]) if (outs[:, i] == 0).all()]')],
        [(dead('with Hooks([layer], lambda layer, inputs, out: out) as hooks:', '    for batch in batches: model(batch)', 'out = hooks[0][-1].transpose(0, 1).flatten(1)', 'return (out == 0).all(1).nonzero().flatten().tolist()'), 'only the last batch'),
         (dead('with Hooks([layer], lambda layer, inputs, out: out) as hooks: model(batches[0])', 'return (hooks[0][0].transpose(0, 1).flatten(1) == 0).all(1).nonzero().flatten().tolist()'), 'only the first batch'),
         (dead('with Hooks([layer], lambda layer, inputs, out: (out.transpose(0, 1).flatten(1) == 0).all(1)) as hooks:', '    for batch in batches: model(batch)', 'return torch.stack(hooks[0]).any(0).nonzero().flatten().tolist()'), 'lives in one of the batches'),
         (units('(outs <= 0).all(1)'), 'gives negative numbers'), (units('(outs == 0).any(1)'), 'for some examples'), (units('outs.sum(1) == 0'), 'may cancel'), (units('(outs != 0).any(1)'), 'the living ones'), (units('outs.mean(1).abs() < .05'), 'a small mean'),
         (dead(*SEEN, 'return int((outs == 0).all(1).sum())'), 'not how many'), (dead(*SEEN, 'return (outs == 0).all(1).tolist()'), 'not a truth value'), (dead(*SEEN, 'print((outs == 0).all(1))'), 'is there a `return`'),
         (dead('found = []', 'handle = layer.register_forward_hook(lambda layer, inputs, out: found.append(out.detach()))', 'for batch in batches: model(batch)', 'handle.remove()', 'outs = torch.cat(found)', 'return [i for i in range(outs.shape[1]) if (outs[:, i] == 0).all()]'), 'when the model fails on a batch, a hook is left'),
         (units('outs.amax(1) == 0'), 'the others may be negative'), (units('outs.amin(1) == 0'), 'the others may be positive'), (maps('(outs[:, :, 0] == 0).all(0)'), 'only the first place'), (maps('(outs == 0).all(0).any(1)'), 'may live at another'), (maps('(outs == 0).all(2).any(0)'), 'for one example is not dead'),
         (maps('(outs == 0).all(3).all(2).all(0)', (*SEEN[:2], 'outs = torch.cat(hooks[0])')), 'whose output has two axes'), (maps('outs.amax((0, 2, 3)) == 0', (*SEEN[:2], 'outs = torch.cat(hooks[0])')), 'whose output has two axes'), (maps('(outs[:, :, 0, 0] == 0).all(0)', (*SEEN[:2], 'outs = torch.cat(hooks[0])')), 'whose output has two axes'),
         (maps('(outs == 0).all(2).all(0)', ('model.eval()', *PLACES)), 'in eval mode afterwards'), (dead(*SEEN, 'return (outs == 0).all(1).nonzero().flatten().tolist()[::-1]'), 'the smallest number comes first'), (dead(*SEEN, 'return [(outs == 0).all(1).nonzero().flatten().tolist()]'), 'a list within a list'),
         (dead(*PLACES, 'return (outs == 0).all(2).all(0).nonzero().flatten()'), 'wanted a list of whole numbers'), (dead('return [0]'), 'a list, but of other units'), (maps('(outs == 0).all(2).all(0)', (SEEN[0].replace('[layer]', 'model'), SEEN[1], *PLACES[2:])), 'the first layer of the model'),
         (dead('outs = []', 'for x in batches:', '    for part in model:', '        x = part(x)', '        if part is layer: break', '    outs.append(x.detach())', 'outs = torch.cat(outs).transpose(0, 1).flatten(1)', 'return (outs == 0).all(1).nonzero().flatten().tolist()'), 'may lie deeper'),
         (dead('found = []', 'layer.register_forward_hook(lambda layer, inputs, out: found.append(out.detach()))', 'try:', '    for batch in batches: model(batch)', 'finally: layer._forward_hooks.clear()', 'outs = torch.cat(found)', 'return [i for i in range(outs.shape[1]) if (outs[:, i] == 0).all()]'), 'somebody else had put on is gone'),
         (maps('(outs == 0).all(2).all(0)', (SEEN[0].replace('inputs, output: output', 'inputs, output: inputs[0]'), *PLACES[1:])), 'what comes INTO'),
         (dead('layer.register_forward_hook(lambda *_: None)', *SEEN, 'return (outs == 0).all(1).nonzero().flatten().tolist()'), 'a hook is left'), (dead('return layer.weight'), 'your code fails'), ('dead_units = 3', 'wanted a function')]),
    3: (['born_dead = (.56, .02)', 'born_dead = [.545, .012]', 'born_dead = torch.tensor([.56, .02])', 'born_dead = tensor(.56), tensor(.02)', 'import numpy as np\nborn_dead = np.float32(.56), np.float64(.02)', BORN],
        [('born_dead = (.02, .56)', 'wrong order'), ('born_dead = (.75, .39)', 'share of dead units'), ('born_dead = (.74, .15)', 'for one example'), ('born_dead = (.44, .98)', 'those that live'), ('born_dead = (.56, .3)', 'right for w = 3'), ('born_dead = (.505, .015)', 'nine relus'), ('born_dead = (.514, .016)', 'nine relus'), ('born_dead = (.609, .036)', '`randn`'), ('born_dead = (.7, .018)', 'right for w = 6'), ('born_dead = (.3, .02)', 'right for w = 6'),
         ('born_dead = (.3, .3)', 'neither'), ('born_dead = (56, 2)', 'from 0 to 1'), ('born_dead = .56', 'two numbers'), ('born_dead = None', 'two numbers'), ('born_dead = (True, False)', 'two numbers'), ('born_dead = torch.tensor([.56, .02, .1])', 'two numbers'), ('born_dead = [.6, 0.]', 'neither'), ('born_dead = (.56, 0)', 'right for w = 3'), ('born_dead = (.66, .016)', 'right for w = 6'), ('born_dead = (.58, .032)', 'right for w = 3'),
         ('born_dead = (.84, .58)', 'share of zeros'), ('born_dead = (.13, .01)', '`init_layers`'), (BORN.replace('init_layers(', '('), '`init_layers`'), (BORN.replace('range(10)', 'range(3)'), 'are there ten layers'), (BORN.replace('(100, w)', '(1, w)'), 'for one example')]),
    4: ([MENDED, 'class listening:\n    def __init__(self, layers, f): self.hooks = Hooks(layers, f)\n    def __enter__(self): return self.hooks.register()\n    def __exit__(self, *raised): self.hooks.remove()', 'listening = Hooks',
         'from contextlib import ExitStack\n' + listening('with ExitStack() as stack:', '    for layer in layers: stack.callback(layer.register_forward_hook(f).remove)', '    yield')],
        [(listening('handles = [layer.register_forward_hook(f) for layer in layers]', 'yield handles', 'for handle in handles: handle.remove()'), 'there are ways out on which hooks are left'),
         (listening('handles = []', 'for layer in layers: handles.append(layer.register_forward_hook(f))', 'yield handles', 'for handle in handles: handle.remove()'), 'after an error in the block 4 of 4'),
         (listening('handles = [layer.register_forward_hook(f) for layer in layers]', 'try: yield handles', 'finally:', '    for handle in handles: handle.remove()'), 'has refused its hook 2 of 5'),
         (listening('handles = []', 'try:', '    for layer in layers: handles.append(layer.register_forward_hook(f))', '    yield handles', 'except Exception:', '    for handle in handles: handle.remove()', '    raise', 'for handle in handles: handle.remove()'), 'after Ctrl-C in the block 3 of 3'),
         (listening('handles = []', 'try:', '    for layer in layers: handles.append(layer.register_forward_hook(f))', '    yield handles', 'except BaseException: pass', 'for handle in handles: handle.remove()'), 'after an error in the block nobody hears'),
         (MENDED.replace('for handle in handles: handle.remove()', 'handles[-1].remove()'), 'at the normal end 4 of 5'), (MENDED.replace('yield handles', 'yield handles; return').replace('        for handle in handles: handle.remove()', '        pass'), 'at the normal end 5 of 5'),
         (listening('yield []'), 'in the block each layer must have its hook'), (MENDED.replace('    yield handles\n', '    pass\n'), 'at the normal end it fails with'), (MENDED.replace('handle.remove()', 'handles.remove()'), 'at the normal end 5 of 5'), ('def listening(layers, f): pass', 'at the normal end it fails with TypeError'),
         (MENDED.replace('hook(f)', 'hook(lambda *_: None)'), 'must call `f`'), (MENDED.replace('for handle in handles: handle.remove()', 'for layer in layers: layer._forward_hooks.clear()'), 'the hooks of others are gone'), ('listening = 3', 'at the normal end it fails with TypeError')]),
    5: ([said(), said().replace("('", "['").replace("')", "']"), "told = {'C': ('asleep', 'start again'), 'A': ('dead', 'start again'), 'B': ('well', 'go on')}"],
        [(said(A=('asleep', 'start again')), 'A: in sleep'), (said(A=('well', 'go on')), 'A: a loss of 2.31'), (said(B=('asleep', 'go on')), 'B: in sleep'), (said(B=('dead', 'go on')), 'B: how many units'), (said(C=('dead', 'start again')), 'C: the gradients are tiny'), (said(C=('well', 'go on')), 'C: a loss of 2.31'),
         (said(A=('dead', 'go on')), 'nothing will change'), (said(A=('dead', 'lower the rate')), 'did not wake'), (said(B=('well', 'lower the rate')), 'why touch it'), (said(B=('well', 'start again')), 'why throw it away'), (said(C=('asleep', 'go on')), 'it may wake'), (said(C=('asleep', 'lower the rate')), 'changes less still'),
         (said(A=('dying', 'start again')), 'A: no such state'), (said(C=('asleep', 'wait')), 'C: no such deed'), (said(B='well'), 'B: wanted a pair'), (said(B=...), 'B: wanted a pair'), ("told = 'A dead'", 'wanted a dict'), ("told = {'A': ('dead', 'start again')}", 'wanted a dict'), ('told = None', 'wanted a dict')]),
    6: ([broken(), HANDLES, STOPS, broken(layers='[*model.modules()]'), broken(test='not math.isfinite(first_tensor(output).sum())'), broken(test='first_tensor(output).isnan().any() or first_tensor(output).isinf().any()')],
        [(broken(give='broken[-1] if broken else None'), 'the last that is broken'), (broken(give='next((names[layer] for layer, kept in hooks if any(kept)), None)'), 'the order of the calls'),
         (broken(test='first_tensor(output).isnan().any()'), 'an infinite number is broken, too'), (broken(test='first_tensor(output).isinf().any()'), 'one NaN is enough'), (broken(test='not first_tensor(output).isfinite().any()'), 'one NaN is enough'),
         (broken(test='first_tensor(output).isnan().all()'), 'one NaN is enough'), (broken(found='layer'), 'not the layer itself'), (broken(found='type(layer).__name__'), 'this is its class'), (broken(found='leaves(model).index(layer)'), 'not its number'),
         (broken(give='broken'), 'not several'), (broken(give='broken[0]'), 'IndexError'), (broken(give='broken[0] if broken else ""'), 'None is wanted'), (broken(give='broken[0] if broken else False'), 'None is wanted'), (broken(give='None'), 'is there a `return`'),
         (broken().replace('    return broken[0]', '    broken[0]'), 'is there a `return`'), (broken(test='not output.isfinite().all()'), "'tuple' object has no attribute"), (broken(test='torch.is_tensor(output) and not output.isfinite().all()'), 'a tuple is not looked into'),
         (broken(test='not (first_tensor(output).abs() < 1e6).all()'), 'a large number is not infinite'), (broken(test='not first_tensor(output).square().mean().isfinite()'), 'a large number is not infinite'),
         (broken(found='names[layer].split(".")[-1]'), 'wanted is its whole name'), (broken(found='names[layer].split(".")[0]'), 'is no leaf'), (broken(found='f"{names[layer]} {type(layer).__name__}"'), 'is not the name that is wanted'),
         (broken(test='not first_tensr(output).isfinite().all()'), 'first_tensr'), (HANDLES.replace('finally:\n        for handle in handles: handle.remove()', 'finally: pass'), 'a hook is left in the model'),
         (HANDLES.replace('    try:\n        for name', '    if True:\n        for name').replace('    finally:\n        for', '        for'), 'when the model fails, a hook is left'),
         (HANDLES.replace('finally:', 'except Exception: pass\n    finally:'), 'nobody hears of it'), ('first_broken = 3', 'not callable'), ('def first_broken(model): return None', 'takes 1 positional argument'), ('def first_brokn(model, xb): return "2"', 'is there a `return`'),
         ('def first_broken(model, xb):\n    for name, layer in model.named_modules():\n        if name and not layer(xb).isfinite().all(): return name', 'your code fails with RuntimeError'),
         ('def first_broken(model, xb):\n    for name, layer in model.named_modules():\n        if any(not p.isfinite().all() for p in layer.parameters(recurse=False)): return name', 'an infinite number is broken, too')]),
}

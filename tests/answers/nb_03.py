"Answers to the exercises of lesson 03."
def sigmoid(value): return f'def sigmoid(a):\n    return {value}'
def op(links, data='s'): return f"def sigmoid_op(a):\n    s = torch.sigmoid(a.data)\n    return record('sigmoid', {data}{links})"
def back(*leaf, pass_on='for parent, pull in var.links: backward_wrong(parent, pull(g))'):
    return 'def backward_wrong(var, g):\n' + '\n'.join('    ' + line for line in (*leaf, pass_on))
def order(*lines): return 'def back_in_order(result):\n' + '\n'.join('    ' + line for line in lines)
def where(links, data='torch.where(mask, a.data, b.data)', back='return '): return f"def where(mask, a, b):\n    {back}record('where', {data}{links})"


WALK, EACH = 'for node in topological(result):', '    for parent, pull in node.links: '
A, B = '(a, lambda g, mask: g * mask, mask)', '(b, lambda g, mask: g * ~mask, mask)'
ANSWERS = {
    1: ([sigmoid('1 / (1 + (-a).exp())'), sigmoid('a.exp() / (1 + a.exp())'), sigmoid('(1 + (-a).exp())**-1'), sigmoid('((a * .5).tanh() + 1) / 2'), sigmoid('1 / ((0 - a).exp() + 1)')],
        [(sigmoid('1 / (1 + a.exp())'), 'a sign is missing'), (sigmoid('1 / 1 + (-a).exp()'), 'divides first'), (sigmoid('(-a).exp()'), 'only the exponential'), (sigmoid('1 / (1 - (-a).exp())'), 'not minus'),
         (sigmoid('1 / (-a).exp()'), 'below the line is missing'), (sigmoid('a.tanh()'), 'that is tanh'), (sigmoid('torch.sigmoid(a.data)'), 'the tape knows nothing of it'), (sigmoid('Var(torch.sigmoid(a.data))'), 'has no link'),
         (sigmoid('torch.sigmoid(a)'), 'a function of PyTorch takes no Var'), (sigmoid('1 / (1 + e**-a)'), "name 'e' is not defined"), (sigmoid('a.sigmoid()'), "no attribute 'sigmoid'"), (sigmoid('None'), 'is there a `return`'), (sigmoid('.5'), 'a float came out'),
         (sigmoid('Var(torch.sigmoid(a.data), True)'), 'a leaf of its own'), (sigmoid('1 / (1 - a.exp())'), 'two signs'), (sigmoid('(a.tanh() + 1) / 2'), 'the sigmoid of 2a'), (sigmoid('-1 / (1 + (-a).exp())'), 'lies between 0 and 1'),
         ('def sigmoid(a):\n    a.data.zero_()\n    return 1 / (1 + (-a).exp())', 'changes its input in place'), ('def sigmoid(a):\n    a.data.neg_()\n    return 1 / (1 + a.exp())', 'changes its input in place'),
         ('def sigmoid(a):\n    a.data.mul_(2)\n    return 1 / (1 + (-a).exp())', 'changes its input in place'), ('def sigmoid(a):\n    a.data = a.data * 2\n    return 1 / (1 + (-a).exp())', 'changes its input in place'),
         ('def sigmoid(a):\n    y = 1 / (1 + (-a).exp())\n    a.data.add_(1)\n    return y', 'changes its input in place'), ('def sigmoid(a):\n    y = (-a).exp()\n    y.data.add_(1)\n    return 1 / y', 'was changed in place')]),
    2: ([op(', (a, lambda g, s: g * s * (1 - s), s)'), op(', (a, lambda g: g * s * (1 - s))'), op(', (a, lambda g, x: g * (y := torch.sigmoid(x)) * (1 - y), a.data)'), op(', (a, lambda g, s: g * (s - s**2), s)'), op(', (a, lambda g, s: g.mul(s * (1 - s)), s)')],
        [(op(''), 'has no link'), (op(', (a, lambda g, s: s * (1 - s), s)'), '`g` is forgotten'), (op(', (a, lambda g, s: g * s, s)'), '1 - s is missing'), (op(', (a, lambda g, s: g * (1 - s), s)'), 'the factor s is missing'),
         (op(', (a, lambda g, x: g * x * (1 - x), a.data)'), 'given what went in'), (op(', (a, lambda g, s: g * (1 - s**2), s)'), 'the rule of tanh'), (op(', (a, lambda g: g)'), 'the slope is missing'),
         (op(', (a, lambda g, s: g * s * (1 - s))'), 'missing 1 required positional argument'), (op(', (s, lambda g, s: g * s * (1 - s), s)'), 'no Var'), (op(', (a, g * s * (1 - s), s)'), 'your code fails with RuntimeError'), (op(', (a, lambda g, a: g * s * (1 - s), a)'), 'a link is a tuple'), (op(', a, lambda g, s: g * s * (1 - s), s'), 'a link is a tuple'),
         (op(', (a, lambda g, s: g.mul_(s * (1 - s)), s)'), 'changes its input in place'), ('def sigmoid_op(a):\n    s = a.data.sigmoid_()\n    return record("sigmoid", s, (a, lambda g, s: g * s * (1 - s), s))', 'changes its input in place'),
         ('def sigmoid_op(a): return 1 / (1 + (-a).exp())', 'several operations made it'), (op(', (a, lambda g, s: g * s * (1 + s), s)'), '1 minus s, not plus'), (op(', (a, lambda g, s: g + s * (1 - s), s)'), 'multiplied, not added'),
         (op(', (a, lambda g, s: -g * s * (1 - s), s)'), 'the sigmoid rises'), (op(', (a, lambda g, s: (g * s * (1 - s)).sum(), s)'), 'a gradient ()')]),
    3: (['answer_3 = [0., 2.5, .5]', 'answer_3 = tensor([0, 5/2, 1/2])', 'v = Var([2., 5., 5.], True)\n(v.max() + v[[1, 1]].sum()).backward()\nanswer_3 = v.grad', 'answer_3 = (0, 2.5, .5)'],
        [('answer_3 = [0, 1.5, .5]', 'names a place twice'), ('answer_3 = [0, 3, 1]', 'two places have a claim'), ('answer_3 = [0, 3, 0]', 'prefers the first'), ('answer_3 = [0, 2, 1]', 'prefers the last'), ('answer_3 = [1/3, 7/3, 1/3]', 'is not the largest'),
         ('answer_3 = [1, 3, 1]', 'treated as a sum'), ('answer_3 = [0, .5, .5]', 'only the first term'), ('answer_3 = [0, 2, 0]', 'only the second term'), ('answer_3 = [0, .5, 2.5]', 'count from 0'), ('answer_3 = [.5, 2.5, .5]', 'no part in the maximum'),
         ('answer_3 = [2, 5, 5]', 'these are the values'), ('answer_3 = [0, 0, 0]', 'does change the result'), ('answer_3 = [0, 12.5, 2.5]', 'slopes times values'), ('answer_3 = 15.', 'that is the result'), ('answer_3 = [0, 1]', 'its length is 2'),
         ('answer_3 = "0 2.5 .5"', 'its length is'), ('answer_3 = None', 'nothing came of it')]),
    4: ([back("if var.op == 'leaf': var.grad = g if var.grad is None else var.grad + g"), back("if var.op == 'leaf':", '    if var.grad is None: var.grad = torch.zeros_like(var.data)', '    var.grad = var.grad + g'),
         back("if var.op == 'leaf': var.grad = (0 if var.grad is None else var.grad) + g"), back("if var.op == 'leaf' and var.grad is None: var.grad = g.clone()", "elif var.op == 'leaf': var.grad += g"),
         'def backward_wrong(var, g):\n    for node, g in gradients(var, g):\n        if node.marked: node.grad = g'],
        [(back("if var.op == 'leaf': var.grad = g"), 'the bug is still there'), (back("if var.op == 'leaf': var.grad += g"), 'there is a None in grad'), (back("if var.op == 'leaf': var.grad = var.grad + g"), 'there is a None in grad'),
         (back("if var.op == 'leaf' and var.grad is not None: var.grad += g", "elif var.op == 'leaf': var.grad = g"), 'the same tensor'), (back("var.grad = g if var.grad is None else var.grad + g", pass_on='for parent, pull in var.links: backward_wrong(parent, pull(var.grad))'), 'the first share once more'),
         (back("if var.op == 'leaf' and var.grad is None: var.grad = g"), 'only the gradient that arrived first'), (back('pass'), 'no gradient at all'), (back("if var.op == 'leaf': var.grad = g", pass_on=''), 'no gradient at all'), (back("if var.op = 'leaf': pass").replace('op =', 'opp =='), "no attribute 'opp'"),
         ('def backward_wrong(var, g): var.backward(g)', 'the links are cut'), (back("if var.op == 'leaf': var.grad = g if var.grad is None else var.grad + g", pass_on='for parent, pull in var.links: backward_wrong(parent, pull(g))\n    var.links = None'), 'before all of its users'),
         (back("if var.op == 'leaf': var.grad = g if var.grad is None else var.grad + g", pass_on='for parent, pull in var.links: backward_wrong(parent, pull(g))\n    var.links = []'), 'cut at the first visit'),
         ('def backward_wrong(var, g):\n    waiting = {id(var): g}\n    for node in topological(var):\n        if node.op == "leaf": node.grad = waiting[id(node)]\n        for parent, pull in node.links: waiting[id(parent)] = pull(waiting[id(node)])', 'a second share replaces the first')]),
    5: ([order('result.slope = 1.', WALK, EACH + 'parent.slope += pull(node.slope)'), order('for node, g in gradients(result, 1.): node.slope += g'),
         order('waiting = {id(result): 1.}', WALK, '    node.slope = waiting.pop(id(node))', EACH + 'waiting[id(parent)] = waiting.get(id(parent), 0.) + pull(node.slope)'),
         order('result.slope += 1', WALK, EACH + 'parent.slope = parent.slope + pull(node.slope)', 'return result')],
        [(order(WALK, EACH + 'parent.slope += pull(node.slope)'), 'every slope is 0'), (order('result.slope = 1.'), 'every slope is 0'), (order('result.slope = 1.', WALK, EACH + 'parent.slope = pull(node.slope)'), 'replaces the first'),
         (order('result.slope = 1.', WALK, EACH + 'parent.slope += pull(1.)'), 'passes on 1'), (order('result.slope = 1.', WALK, EACH + 'parent.slope += pull(node.value)'), 'values are passed on'),
         (order('result.slope = 1.', WALK.replace('(result)', '(result)[::-1]'), EACH + 'parent.slope += pull(node.slope)'), 'from the leaves'), (order('result.back()'), 'gone through twice'),
         (order('result.slope = result.slope or 1.', 'for parent, pull in result.links:', '    parent.slope += pull(result.slope)', '    back_in_order(parent)'), 'gone through twice'),
         (order('result.slope, queue, seen = 1., [result], set()', 'for node in queue:', '    for parent, pull in node.links:', '        parent.slope += pull(node.slope)', '        if id(parent) not in seen: queue.append(parent)', '        seen.add(id(parent))'), 'before all of its users'),
         (order('result.slope = 1.', WALK.replace('(', '_recursive('), EACH + 'parent.slope += pull(node.slope)'), 'it calls itself'), (order('result.slope = 1.', WALK, EACH + 'parent.grad += pull(node.slope)'), "no attribute 'grad'"),
         (order('result.slope = 1.', WALK, EACH + 'node.slope += pull(parent.slope)'), 'every slope is 0')]),
    6: ([where(f', {A}, {B}'), where(', (a, lambda g: torch.where(mask, g, 0.)), (b, lambda g: torch.where(mask, 0., g))'), where(f', {B}, {A}'), where(', (a, lambda g, m: g * m, mask.float()), (b, lambda g, m: g * (1 - m), mask.float())'),
         'def where(mask, a, b):\n    m = mask.float()\n    return a * m + b * (1 - m)'],
        [(where(''), 'has no link'), (where(', (a, lambda g: g), (b, lambda g: g)'), 'both get all of g'), (where(', (a, lambda g: g * ~mask), (b, lambda g: g * mask)'), 'exchanged'), (where(f', {A}'), 'b has no link'), (where(f', {B}'), 'a has no link'),
         (where(f', {A}, (b, lambda g: g)'), 'where a was taken'), (where(f', {A}, (b, lambda g: g * mask)'), 'the places of a'), (where(', (a, lambda g: mask.float()), (b, lambda g: (~mask).float())'), '`g` is forgotten'),
         (where(f', {A}, {B}', back=''), 'is there a `return`'), (where(f', {A}, {B}', 'torch.where(mask, a, b)'), 'takes no Var'), (where(f', {A}, (b, lambda g: g * -mask)'), 'your code fails with RuntimeError'),
         (where(f', {A}, (b, lambda g: g[~mask])'), 'for a value'),
         (where(f', (a, lambda g: g), {B}'), 'a gets all of g'), (where(', (a, lambda g: g * ~mask), (b, lambda g: g * ~mask)'), 'a gets the places of b'), (where(f', {A}, {B}', 'torch.where(mask, b.data, a.data)'), 'exchanged in the value'),
         (where(', (a, lambda g: g * ~mask), (b, lambda g: g * mask)', 'torch.where(mask, b.data, a.data)'), 'in the value and in the links'), (where(', (a, lambda g: g / 2), (b, lambda g: g / 2)'), 'a half to each'), (where(f', {A}, (b, lambda g: -g * ~mask)'), 'the wrong sign'),
         (where(', (a, lambda g: g.mul_(mask)), (b, lambda g: g.clone())'), 'changes its input in place'), (where(f', {A}, (b, lambda g, b: g * ~mask, b)'), 'a link is a tuple'),
         (f'def where(mask, a, b):\n    mask.logical_not_()\n    return record("where", torch.where(mask, a.data, b.data), {A}, {B})', 'changes its input in place'),
         (f'def where(mask, a, b):\n    a.data.fill_(0)\n    return record("where", torch.where(mask, a.data, b.data), {A}, {B})', 'changes its input in place')]),
}

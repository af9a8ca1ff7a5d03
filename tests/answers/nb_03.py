"Answers to the exercises of lesson 03."
def sigmoid(value): return f'def sigmoid(a):\n    return {value}'
def op(links, data='s'): return f"def sigmoid_op(a):\n    s = torch.sigmoid(a.data)\n    return record('sigmoid', {data}{links})"
def back(*leaf, pass_on='for parent, pull in var.links: backward_wrong(parent, pull(g))'):
    return 'def backward_wrong(var, g):\n' + '\n'.join('    ' + line for line in (*leaf, pass_on))
def where(links, data='torch.where(mask, a.data, b.data)', back='return '): return f"def where(mask, a, b):\n    {back}record('where', {data}{links})"


A, B = '(a, lambda g, mask: g * mask, mask)', '(b, lambda g, mask: g * ~mask, mask)'
ANSWERS = {
    1: ([sigmoid('1 / (1 + (-a).exp())'), sigmoid('a.exp() / (1 + a.exp())'), sigmoid('(1 + (-a).exp())**-1'), sigmoid('((a * .5).tanh() + 1) / 2'), sigmoid('1 / ((0 - a).exp() + 1)')],
        [(sigmoid('1 / (1 + a.exp())'), 'a sign is missing'), (sigmoid('1 / 1 + (-a).exp()'), 'divides first'), (sigmoid('(-a).exp()'), 'only the exponential'), (sigmoid('1 / (1 - (-a).exp())'), 'not minus'),
         (sigmoid('1 / (-a).exp()'), 'below the line is missing'), (sigmoid('a.tanh()'), 'that is tanh'), (sigmoid('torch.sigmoid(a.data)'), 'the tape knows nothing of it'), (sigmoid('Var(torch.sigmoid(a.data))'), 'has no link'),
         (sigmoid('torch.sigmoid(a)'), 'a function of PyTorch takes no Var'), (sigmoid('1 / (1 + e**-a)'), "name 'e' is not defined"), (sigmoid('a.sigmoid()'), "no attribute 'sigmoid'"), (sigmoid('None'), 'is there a `return`'), (sigmoid('.5'), 'a float came out')]),
    2: ([op(', (a, lambda g, s: g * s * (1 - s), s)'), op(', (a, lambda g: g * s * (1 - s))'), op(', (a, lambda g, x: g * (y := torch.sigmoid(x)) * (1 - y), a.data)'), op(', (a, lambda g, s: g * (s - s**2), s)')],
        [(op(''), 'has no link'), (op(', (a, lambda g, s: s * (1 - s), s)'), '`g` is forgotten'), (op(', (a, lambda g, s: g * s, s)'), '1 - s is missing'), (op(', (a, lambda g, s: g * (1 - s), s)'), 'the factor s is missing'),
         (op(', (a, lambda g, x: g * x * (1 - x), a.data)'), 'given what went in'), (op(', (a, lambda g, s: g * (1 - s**2), s)'), 'the rule of tanh'), (op(', (a, lambda g: g)'), 'the slope is missing'),
         (op(', (a, lambda g, s: g * s * (1 - s))'), 'missing 1 required positional argument'), (op(', (s, lambda g, s: g * s * (1 - s), s)'), 'no Var'), (op(', (a, g * s * (1 - s), s)'), 'your code fails with RuntimeError'), (op(', (a, lambda g, s: g + s * (1 - s), s)'), 'multiplied, not added'),
         (op(', (a, lambda g, s: -g * s * (1 - s), s)'), 'the sigmoid rises'), (op(', (a, lambda g, s: (g * s * (1 - s)).sum(), s)'), 'a gradient ()')]),
    3: (['answer_3 = [0., .5, .5]', 'answer_3 = tensor([0, 1/2, 1/2])', 'v = Var([2., 5., 5.], True)\nv.max().backward()\nanswer_3 = v.grad', 'answer_3 = (0, .5, .5)'],
        [('answer_3 = [0, 1, 1]', 'they share it'), ('answer_3 = [0, 1, 0]', 'does not prefer the first'), ('answer_3 = [0, 0, 1]', 'does not prefer the last'), ('answer_3 = [1/3, 1/3, 1/3]', 'is not the largest'), ('answer_3 = [1, 1, 1]', 'of a sum'),
         ('answer_3 = [0, 5, 5]', 'these are values'), ('answer_3 = 5.', 'that is the maximum'), ('answer_3 = [0, 1]', 'its length is 2'), ('answer_3 = "0 .5 .5"', 'its length is'), ('answer_3 = None', 'nothing came of it')]),
    4: ([back("if var.op == 'leaf': var.grad = g if var.grad is None else var.grad + g"), back("if var.op == 'leaf':", '    if var.grad is None: var.grad = torch.zeros_like(var.data)', '    var.grad = var.grad + g'),
         back("if var.op == 'leaf': var.grad = (0 if var.grad is None else var.grad) + g"), back("if var.op == 'leaf' and var.grad is None: var.grad = g.clone()", "elif var.op == 'leaf': var.grad += g"),
         'def backward_wrong(var, g):\n    for node, g in gradients(var, g):\n        if node.marked: node.grad = g'],
        [(back("if var.op == 'leaf': var.grad = g"), 'the bug is still there'), (back("if var.op == 'leaf': var.grad += g"), 'there is a None in grad'), (back("if var.op == 'leaf': var.grad = var.grad + g"), 'there is a None in grad'),
         (back("if var.op == 'leaf' and var.grad is not None: var.grad += g", "elif var.op == 'leaf': var.grad = g"), 'the same tensor'), (back("var.grad = g if var.grad is None else var.grad + g", pass_on='for parent, pull in var.links: backward_wrong(parent, pull(var.grad))'), 'the first share once more'),
         (back("if var.op == 'leaf' and var.grad is None: var.grad = g"), 'none of the mistakes'), (back('pass'), 'no gradient at all'), (back("if var.op == 'leaf': var.grad = g", pass_on=''), 'no gradient at all'), (back("if var.op = 'leaf': pass").replace('op =', 'opp =='), "no attribute 'opp'")]),
    5: ([where(f', {A}, {B}'), where(', (a, lambda g: torch.where(mask, g, 0.)), (b, lambda g: torch.where(mask, 0., g))'), where(f', {B}, {A}'), where(', (a, lambda g, m: g * m, mask.float()), (b, lambda g, m: g * (1 - m), mask.float())'),
         'def where(mask, a, b):\n    m = mask.float()\n    return a * m + b * (1 - m)'],
        [(where(''), 'has no link'), (where(', (a, lambda g: g), (b, lambda g: g)'), 'both get all of g'), (where(', (a, lambda g: g * ~mask), (b, lambda g: g * mask)'), 'exchanged'), (where(f', {A}'), 'b has no link'), (where(f', {B}'), 'a has no link'),
         (where(f', {A}, (b, lambda g: g)'), 'where a was taken'), (where(f', {A}, (b, lambda g: g * mask)'), 'the places of a'), (where(', (a, lambda g: mask.float()), (b, lambda g: (~mask).float())'), '`g` is forgotten'),
         (where(f', {A}, {B}', back=''), 'is there a `return`'), (where(f', {A}, {B}', 'torch.where(mask, a, b)'), 'takes no Var'), (where(f', {A}, (b, lambda g: g * -mask)'), 'your code fails with RuntimeError'),
         (where(f', {A}, (b, lambda g: g[~mask])'), 'for a value')]),
}

"Answers to the exercises of lesson 02."
def leaky(*lines): return 'def leaky_relu_grad(g, z):\n' + '\n'.join('    ' + line for line in lines)
def lin(b='g.sum(0)', w='x.t() @ g', x='g @ w.t()', back='return x_grad, w_grad, b_grad'):
    return f'def lin_grad_wrong(g, x, w):\n    x_grad = {x}\n    w_grad = {w}\n    b_grad = {b}\n    {back}'
def turned(value): return f'def kaiming_turned(m, nh):\n    return {value}'
def share(*lines): return 'def share_right(pred, targ):\n' + '\n'.join('    ' + line for line in lines)
def dead(*lines): return 'def dead_units(z):\n' + '\n'.join('    ' + line for line in lines)


ANSWERS = {
    1: ([leaky('return g * torch.where(z > 0, 1., .1)'), leaky('return torch.where(z > 0, g, .1*g)'), leaky('slope = torch.full_like(z, .1)', 'slope[z > 0] = 1', 'return g * slope'),
         leaky('g = g.clone()', 'g[z < 0] *= .1', 'return g'), leaky('return g * (z > 0) + .1 * g * (z <= 0)')],
        [(leaky('return g * (z > 0)'), 'this is the plain relu'), (leaky('return torch.where(z > 0, 1., .1)'), 'what comes from above, g'), (leaky('return torch.where(z > 0, z, .1*z)'), 'the function itself'),
         (leaky('return torch.where(g > 0, g, .1*g)'), 'should be that of z'), (leaky('return g * torch.where(z > 0, z, .1*z)'), 'g times the function'), (leaky('return g * torch.where(z > 0, 1., -.1)'), 'not -.1'),
         (leaky('return g * torch.where(z < 0, 1., .1)'), 'exchanged'), (leaky('g[z < 0] *= .1', 'return g'), 'in place'), (leaky('z[z < 0] *= .1', 'return g * z'), 'in place'),
         (leaky('g * torch.where(z > 0, 1., .1)'), 'is there a `return`'), (leaky('return g * torch.were(z > 0, 1., .1)'), "has no attribute 'were'"), (leaky('return g if z > 0 else .1*g'), 'ambiguous'),
         (leaky('return (g * torch.where(z > 0, 1., .1)).sum()'), 'its shape is ()'), ('leaky_relu_grad = .1', 'not callable')]),
    2: ([lin(), lin('torch.ones(len(g)) @ g'), lin('torch.einsum("ij->j", g)', '(g.t() @ x).t()'), lin('g.mean(0) * len(g)', back='return [x_grad, w_grad, b_grad]')],
        [(lin('g.mean(0)'), 'the bug is still there'), (lin('g.sum(1)'), 'has not the shape of b'), (lin('g.sum()'), 'has not the shape of b'), (lin('g'), 'has not the shape of b'), (lin('g[0]'), 'only the first example'),
         (lin(w='x.t() @ g / len(x)'), 'the gradient of w was right'), (lin(w='(x.t() @ g).t()'), 'has not the shape of w'), (lin(x='g @ w'), 'mat1 and mat2'), (lin(x='g @ w.t() / len(g)'), 'the gradient of x was right'),
         (lin(back='return x_grad, w_grad'), 'wanted three gradients'), (lin(back='pass'), 'wanted three gradients'), (lin('g.sum(0, keepdim=True)'), 'has not the shape of b'), (lin(w='-(x.t() @ g)'), 'has other numbers')]),
    3: ([turned('torch.randn(nh, m) * math.sqrt(2/m)'), turned('kaiming_init(m, nh).t()'), turned('torch.empty(nh, m).normal_(0, (2/m)**.5)'), turned('torch.randn(nh, m) / math.sqrt(m/2)')],
        [(turned('torch.randn(m, nh) * math.sqrt(2/m)'), 'the shape is (inputs, units)'), (turned('torch.randn(nh, m) * math.sqrt(2/nh)'), 'the variance is 2/nh'), (turned('kaiming_init(nh, m)'), 'the variance is 2/nh'),
         (turned('torch.randn(nh, m) / math.sqrt(m)'), 'the variance is 1/m'), (turned('torch.randn(nh, m) * 2/m'), 'the spread is 2/m'), (turned('torch.randn(nh, m)'), 'they have to be scaled'),
         (turned('torch.rand(nh, m) * math.sqrt(2/m)'), 'its mean is not 0'), (turned('(2*torch.rand(nh, m) - 1) * math.sqrt(6/m)'), 'drawn evenly'), (turned('torch.randn(nh, m) * math.sqrt(m/2)'), 'divided'),
         (turned('torch.randn(nh, m) * 2 / math.sqrt(m)'), '2 should stand below the root'), (turned('torch.randn(nh, m) / math.sqrt(2*m)'), 'above the line'), (turned('torch.randn(nh, m) * .3'), 'its spread is'),
         (turned('torch.randn(nh*m) * math.sqrt(2/m)'), 'its shape is'), (turned('None'), 'wanted a tensor'), (turned('torch.randn(nh, m) * sqrt(2/m)'), "name 'sqrt' is not defined")]),
    4: ([share('return ((pred.squeeze(1) - targ).abs() < .5).float().mean()'), share('return ((pred - targ[:, None]).abs() < .5).float().mean().item()'), share('return (pred.flatten().round() == targ).float().mean()'),
         share('return sum(abs(p.item() - t.item()) < .5 for p, t in zip(pred, targ)) / len(targ)')],
        [(share('return ((pred - targ).abs() < .5).float().mean()'), 'a table of (n, n)'), (share('return (pred.round() == targ).float().mean()'), 'a table of (n, n)'), (share('return ((pred - targ).abs() < .5).sum() / len(pred)'), 'a table of (n, n)'),
         (share('return ((pred.squeeze(1) - targ).abs() < .5).sum()'), 'how many'), (share('return (pred.squeeze(1) - targ < .5).float().mean()'), 'two sides'), (share('return (pred.squeeze(1) == targ).float().mean()'), 'exactly right'),
         (share('return (pred.squeeze(1).long() == targ).float().mean()'), 'cut down'), (share('return (pred.squeeze(1) - targ).abs().mean()'), 'the mean distance'), (share('return ((pred.squeeze(1) - targ).abs() > .5).float().mean()'), 'the wrong ones'),
         (share('return (pred.squeeze(1) - targ).abs() < .5'), 'a yes or no for each'), (share('return ((pred.squeeze(1) - targ).abs() < .5).mean()'), 'your code fails with RuntimeError'), (share('((pred.squeeze(1) - targ).abs() < .5).float().mean()'), 'is there a `return`'),
         (share('return mse(pred, targ)'), 'differ in shape')]),
    5: ([dead('return (z <= 0).all(0).sum()'), dead('return int((relu(z).sum(0) == 0).sum())'), dead('return (z.max(0).values <= 0).sum().item()'), dead('return z.shape[1] - (z > 0).any(0).sum()'), dead('return sum(not (column > 0).any() for column in z.t())')],
        [(dead('return (z <= 0).any(0).sum()'), 'for some example'), (dead('return (z <= 0).sum()'), 'zeros were counted'), (dead('return (z <= 0).all(1).sum()'), 'examples were counted'), (dead('return (z < 0).all(0).sum()'), 'exactly 0'),
         (dead('return (z <= 0).all(0).float().mean()'), 'the share'), (dead('return (z > 0).any(0).sum()'), 'the living ones'), (dead('return (z == 0).all(0).sum()'), 'z stands before the relu'), (dead('return (z <= 0).all(0)'), 'a yes or no for each unit'),
         (dead('return (z.mean(0) <= 0).sum()'), 'whose mean is negative'), (dead('return (z.sum(0) <= 0).sum()'), 'can still be positive'), (dead('return (z > 0).all(0).sum()'), 'never 0'), (dead('(z <= 0).all(0).sum()'), 'is there a `return`'),
         (dead('return (z <= 0).al(0).sum()'), "has no attribute 'al'")]),
    6: (['best_lr = .0064', 'best_lr = .0066', 'best_lr = 13/2000'],
        [('best_lr = .005', 'the steps are too short'), ('best_lr = .001', 'the steps are too short'), ('best_lr = .01', 'the steps are too long'), ('best_lr = .05', 'steps far too long'), ('best_lr = .25', 'steps far too long'),
         ('best_lr = 1e-4', 'steps far too short'), ('best_lr = -.005', 'uphill'), ('best_lr = 0', 'nothing moves'), ('best_lr = "small"', 'wanted a number'), ('best_lr = None', 'wanted a number')]),
}

"Answers to the exercises of lesson 02."
def leaky(back='torch.where(z > 0, g, .1*g)', forward='torch.where(z > 0, z, .1*z)', cls='LeakyRelu(Module)', keep='z, = self.kept()', before='pass', ret='return '):
    return (f'class {cls}:\n    def forward(self, z):\n        {before}\n        {ret}{forward}\n'
            f'    def backward(self, g):\n        {keep}\n        {ret}{back}')
def lin(b='g.sum(0)', w='x.t() @ g', x='g @ w.t()', back='return x_grad, w_grad, b_grad'):
    return f'def lin_grad_wrong(g, x, w):\n    x_grad = {x}\n    w_grad = {w}\n    b_grad = {b}\n    {back}'
def turned(value): return f'def kaiming_turned(m, nh):\n    return {value}'
def share(*lines): return 'def share_right(pred, targ):\n' + '\n'.join('    ' + line for line in lines)
def dead(*lines): return 'def dead_units(z):\n' + '\n'.join('    ' + line for line in lines)


ANSWERS = {
    1: ([leaky(), leaky('g * torch.where(z > 0, 1., .1)'), leaky('g * (z > 0) + .1 * g * (z <= 0)', 'z.clamp_min(0) + .1 * z.clamp_max(0)'), leaky('torch.where(z >= 0, g, .1*g)'),
         leaky(keep='z = self.inputs[0]'), leaky(keep='z = self.z', before='self.z = z'), leaky('torch.autograd.functional.vjp(self.forward, z, g)[1]'), leaky('g * ((z > 0) * .9 + .1)', 'torch.maximum(z, .1*z)')],
        [(leaky('g * (z > 0)'), 'backward: this is the plain relu'), (leaky(forward='relu(z)'), 'forward: this is the plain relu'), (leaky('torch.where(z > 0, 1., .1)'), 'what comes from above, g'),
         (leaky('torch.where(z > 0, z, .1*z)'), 'the function itself'), (leaky(forward='torch.where(z > 0, 1., .1)'), 'the slope, not the function'), (leaky('torch.where(g > 0, g, .1*g)'), 'should be that of z'),
         (leaky('g * torch.where(z > 0, z, .1*z)'), 'g times the function'), (leaky('g * torch.where(z > 0, 1., -.1)'), 'not -.1'), (leaky('g * torch.where(z < 0, 1., .1)'), 'exchanged'),
         (leaky('relu_grad(g, z) + .1*g'), 'backward: above 0 there is a tenth too much'), (leaky(forward='relu(z) + .1*z'), 'forward: above 0 there is a tenth too much'), (leaky('torch.where(z > 0, g, .1)'), 'without g'),
         (leaky('torch.where(z > 0, g, .1*z)'), 'takes z where g should be'), (leaky('torch.where(z > 0, g, .01*g)'), 'not a hundredth'), (leaky('torch.where(z > 1, g, .1*g)'), 'not at 1'), (leaky('g'), 'nothing is bent'),
         (leaky('torch.where(z > 0, g, 10*g)'), 'not ten times'), (leaky(forward='torch.where(z > 0, z, tensor(.1))'), 'it is a constant'), (leaky('.1*g'), 'positive numbers pass whole'),
         (leaky(keep='z, = self.kept(); g[z < 0] *= .1', back='g'), 'in place'), (leaky(before='z[z < 0] *= .1', forward='z'), 'in place'), (leaky(ret=''), 'nothing comes out of forward'), (leaky(back='(torch.where(z > 0, g, .1*g)).sum()'), 'backward returns the shape ()'),
         (leaky(keep='z = LeakyRelu.z', before='LeakyRelu.z = z'), 'another layer'), (leaky(keep='z = self.z', before='self.z = getattr(self, "z", z)'), 'an earlier call'), (leaky(cls='LeakyRelu', keep='z = self.z', before='self.z = z'), 'it is no `Module`'),
         (leaky(keep='z = self.kept()'), 'your code fails with TypeError'), (leaky('torch.were(z > 0, g, .1*g)'), "has no attribute 'were'"), (leaky('...'), 'not answered'), (leaky(forward='3'), 'wanted a tensor'), (leaky('3*g'), 'none of the mistakes'),
         ('LeakyRelu = .1', 'not callable'), ('class LeakyRelu(Module): pass', "no attribute 'forward'")]),
    2: ([lin(), lin('torch.ones(len(g)) @ g'), lin('torch.einsum("ij->j", g)', '(g.t() @ x).t()'), lin('g.mean(0) * len(g)', back='return [x_grad, w_grad, b_grad]')],
        [(lin('g.mean(0)'), 'the bug is still there'), (lin('g.sum(1)'), 'has not the shape of b'), (lin('g.sum()'), 'has not the shape of b'), (lin('g'), 'has not the shape of b'), (lin('g[0]'), 'only the first example'),
         (lin(w='x.t() @ g / len(x)'), 'the gradient of w was right'), (lin(w='(x.t() @ g).t()'), 'has not the shape of w'), (lin(x='g @ w'), 'mat1 and mat2'), (lin(x='g @ w.t() / len(g)'), 'the gradient of x was right'),
         (lin(back='return x_grad, w_grad'), 'wanted three gradients'), (lin(back='pass'), 'wanted three gradients'), (lin('g.sum(0, keepdim=True)'), 'has not the shape of b'), (lin(w='-(x.t() @ g)'), 'the gradient of w has the wrong sign'), (lin('-g.sum(0)'), 'the gradient of b has the wrong sign'), (lin('g.sum(0) * len(g)'), 'too large by the number of examples'),
         (lin('g.sum(0)/2'), 'has other numbers'), (lin(x='g.div_(len(x)) @ w.t()'), 'in place'), (lin(x='g.add_(.1) @ w.t()'), 'in place'), (lin(back='g /= len(x); return x_grad, w_grad, b_grad'), 'in place')]),
    3: ([turned('torch.randn(nh, m) * math.sqrt(2/m)'), turned('kaiming_init(m, nh).t()'), turned('torch.empty(nh, m).normal_(0, (2/m)**.5)'), turned('torch.randn(nh, m) / math.sqrt(m/2)')],
        [(turned('torch.randn(m, nh) * math.sqrt(2/m)'), 'the shape is (inputs, units)'), (turned('torch.randn(nh, m) * math.sqrt(2/nh)'), 'the variance is 2/nh'), (turned('kaiming_init(nh, m)'), 'the variance is 2/nh'),
         (turned('torch.randn(nh, m) / math.sqrt(m)'), 'the variance is 1/m'), (turned('torch.randn(nh, m) * 2/m'), 'the spread is 2/m'), (turned('torch.randn(nh, m)'), 'they have to be scaled'),
         (turned('torch.rand(nh, m) * math.sqrt(2/m)'), 'its mean is not 0'), (turned('(2*torch.rand(nh, m) - 1) * math.sqrt(6/m)'), 'drawn evenly'), (turned('torch.randn(nh, m) * math.sqrt(m/2)'), 'divided'),
         (turned('torch.randn(nh, m) * 2 / math.sqrt(m)'), '2 should stand below the root'), (turned('torch.randn(nh, m) / math.sqrt(2*m)'), 'above the line'), (turned('torch.randn(nh, m) * .3'), 'none of the mistakes'),
         (turned('torch.randn(nh*m) * math.sqrt(2/m)'), 'its shape is'), (turned('None'), 'wanted a tensor'), (turned('torch.randn(nh, m) * math.sqrt(2)/m'), 'the root is taken of the 2 alone'), (turned('torch.randn(nh, m) * math.sqrt(1/nh)'), 'the variance is 1/nh'),
         (turned('torch.randn(nh, m) * math.sqrt(2*m)'), 'multiplied by the root of m'), (turned('torch.zeros(nh, m)'), 'all weights are 0'), (turned('torch.randn(1, m).repeat(nh, 1) * math.sqrt(2/m)'), 'stay equal for ever'),
         (turned('torch.randn(nh, 1).repeat(1, m) * math.sqrt(2/m)'), 'one and the same weight'), (turned('torch.randn(nh, m).clamp(-2, 2) * math.sqrt(2/m)'), 'cut off'), (turned('init.trunc_normal_(torch.zeros(nh, m), 0, .08, -.16, .16)'), 'cut off'),
         (turned('torch.randn(nh, m) / 0'), 'not finite'), (turned('torch.randn(nh, m) * sqrt(2/m)'), "name 'sqrt' is not defined")]),
    4: ([share('return ((pred.squeeze(1) - targ).abs() < .5).float().mean()'), share('return ((pred - targ[:, None]).abs() < .5).float().mean().item()'), share('return (pred.flatten().round() == targ).float().mean()'),
         share('pred.squeeze_(1)', 'pred -= targ', 'return (pred.abs() < .5).float().mean()'), share('return ((pred - targ[:, None]).abs() < .5).sum() / len(targ)'),
         share('return sum(abs(p.item() - t.item()) < .5 for p, t in zip(pred, targ)) / len(targ)')],
        [(share('return ((pred - targ).abs() < .5).float().mean()'), 'a table of (n, n)'), (share('return (pred.round() == targ).float().mean()'), 'a table of (n, n)'), (share('return ((pred - targ).abs() < .5).sum() / len(pred)'), 'a table of (n, n)'),
         (share('return ((pred.squeeze(1) - targ).abs() < .5).sum()'), 'how many'), (share('return (pred.squeeze(1) - targ < .5).float().mean()'), 'two sides'), (share('return (pred.squeeze(1) == targ).float().mean()'), 'exactly right'),
         (share('return (pred.squeeze(1).long() == targ).float().mean()'), 'cut down'), (share('return (pred.squeeze(1) - targ).abs().mean()'), 'the mean distance'), (share('return ((pred.squeeze(1) - targ).abs() > .5).float().mean()'), 'the wrong ones'),
         (share('return (pred.squeeze(1) - targ).abs() < .5'), 'a yes or no for each'), (share('return ((pred.squeeze(1) - targ).abs() < .5).mean()'), 'your code fails with RuntimeError'), (share('((pred.squeeze(1) - targ).abs() < .5).float().mean()'), 'is there a `return`'),
         (share('return mse(pred, targ)'), 'differ in shape'), (share('return ((pred.squeeze(1) - targ).abs() <= 1).float().mean()'), 'not by a whole'), (share('return ((pred.squeeze(1) - targ)**2 < .5).float().mean()'), 'the square of the distance'),
         (share('return ((pred.squeeze(1) - targ).abs() // 1 == 0).float().mean()'), 'not by a whole'), (share('return ((pred - targ).abs() < .5).any(1).float().mean()'), 'near any of them'), (share('return ((pred - targ).abs() < .5).any(0).float().mean()'), 'near any of them'),
         (share('return (targ - pred.squeeze(1) < .5).float().mean()'), 'far too large counts'), (share('return ((pred.squeeze(1) - targ).abs() < .25).float().mean()'), 'not by a quarter'), (share('return (pred.squeeze(1).floor() == targ).float().mean()'), 'cut down'), (share('return (pred.squeeze(1).ceil() == targ).float().mean()'), 'rounded up'),
         (share('return 100 * ((pred.squeeze(1) - targ).abs() < .5).float().mean()'), 'a percentage'), (share('return F.mse_loss(pred.squeeze(1), targ.float())'), 'mean squared error'), (share('pred.squeeze_(1)', 'return (pred - targ < .5).float().mean()'), 'far too small counts')]),
    5: ([dead('return (z <= 0).all(0).sum()'), dead('return int((relu(z).sum(0) == 0).sum())'), dead('return (z.max(0).values <= 0).sum().item()'), dead('return z.shape[1] - (z > 0).any(0).sum()'), dead('return sum(not (column > 0).any() for column in z.t())'), dead('return len((z <= 0).all(0).nonzero())'),
         dead('z.clamp_min_(0)', 'return (z.sum(0) == 0).sum()')],
        [(dead('return (z <= 0).any(0).sum()'), 'for some example'), (dead('return (z <= 0).sum()'), 'zeros were counted'), (dead('return (z <= 0).all(1).sum()'), 'examples were counted'), (dead('return (z < 0).all(0).sum()'), 'exactly 0'),
         (dead('return (z <= 0).all(0).float().mean()'), 'the share'), (dead('return (z > 0).any(0).sum()'), 'the living ones'), (dead('return (z == 0).all(0).sum()'), 'z stands before the relu'), (dead('return (z <= 0).all(0)'), 'a yes or no for each unit'),
         (dead('return (z.mean(0) <= 0).sum()'), 'whose mean is negative'), (dead('return (z.sum(0) <= 0).sum()'), 'can still be positive'), (dead('return (z > 0).all(0).sum()'), 'never 0'), (dead('(z <= 0).all(0).sum()'), 'is there a `return`'),
         (dead('return (z <= 0).al(0).sum()'), "has no attribute 'al'"), (dead('return (z.mean(0) < 0).sum()'), 'whose mean is negative'), (dead('return (z[0] <= 0).sum()'), 'only one of the examples'), (dead('return len((z <= 0).all(0))'), 'all units were counted'),
         (dead('return (z[-1] < 0).sum()'), 'only one of the examples'), (dead('return z.shape[0] - (z > 0).any(0).sum().item()'), 'examples less living units'), (dead('return (z <= 0).all()'), 'one yes or no'), (dead('return len(z)'), 'all examples were counted'),
         (dead('return int((z.median(0).values <= 0).sum())'), 'whose median is negative'), (dead('return z.amax(0).lt(0).sum()'), 'exactly 0')]),
    6: (['best_lr = .0064', 'best_lr = 13/2000', 'import numpy as np; best_lr = np.float32(.0065)', 'best_lr = tensor(.0068)', 'best_lr = .006', 'best_lr = .007'],
        [('best_lr = .005', 'the steps are too short'), ('best_lr = .001', 'the steps are too short'), ('best_lr = .01', 'too long'), ('best_lr = .25', 'steps far too long'),
         ('best_lr = 1e-4', 'steps far too short'), ('best_lr = -.005', 'uphill'), ('best_lr = 0', 'nothing moves'), ('best_lr = "small"', 'wanted a number'), ('best_lr = None', 'wanted a number'), ('best_lr = .012', 'above the 4.20 of .005'), ('best_lr = .013', 'above the 4.20 of .005'), ('best_lr = .01625', 'above the 4.20 of .005'),
         ('best_lr = float("nan")', 'a finite number'), ('best_lr = float("inf")', 'a finite number'), ('best_lr = tensor([.006, .007])', 'wanted a number')]),
}

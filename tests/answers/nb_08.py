"Answers to the exercises of lesson 08."
def fold(scale='norm.weight / (norm.running_var + norm.eps).sqrt()', bias='norm.bias + (b - norm.running_mean) * scale', weight='conv.weight * scale[:, None, None, None]', last='return out',
         how='conv.stride, conv.padding, conv.dilation, conv.groups'):
    return f'''def fold(conv, norm):
    scale = {scale}
    out = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, {how})
    b = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    with torch.no_grad():
        out.weight.copy_({weight})
        out.bias.copy_({bias})
    {last}'''


COPIED = '''def fold(conv, norm):
    out = copy.deepcopy(conv)
    with torch.no_grad():
        scale = (norm.running_var + norm.eps).rsqrt() * norm.weight
        out.weight.mul_(scale.view(-1, 1, 1, 1))
        zero = copy.deepcopy(norm).eval()(torch.zeros(1, conv.out_channels, 1, 1)).flatten()
        out.bias = nn.Parameter(zero if conv.bias is None else zero + conv.bias * scale)
    return out'''


def bn(y='(x - mean) / (x.var(0, correction=0) + eps).sqrt()', mean='(1 - momentum) * running_mean + momentum * mean', var='(1 - momentum) * running_var + momentum * x.var(0)', last='return y, running_mean, running_var'):
    return f'''def batch_norm_wrong(x, running_mean, running_var, momentum=.1, eps=1e-5):
    mean = x.mean(0)
    y = {y}
    running_mean = {mean}
    running_var = {var}
    {last}'''


def rms(x_grad='r * (h - y * (h * y).mean(-1, keepdim=True))', w_grad='(g * y).sum(0)', r='(x.square().mean(-1, keepdim=True) + eps).rsqrt()', h='g * w', last='return x_grad, w_grad'):
    return f'''def rms_backward(g, x, w, eps):
    r = {r}
    y, h = x * r, {h}
    x_grad, w_grad = {x_grad}, {w_grad}
    {last}'''


BY_AUTOGRAD = '''def rms_backward(g, x, w, eps):
    x, w = x.requires_grad_(), w.requires_grad_()
    return torch.autograd.grad(F.rms_norm(x, w.shape, w, eps), (x, w), g)'''
IN_PLACE = '''def fold(conv, norm):
    with torch.no_grad():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        b = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
        conv.bias = nn.Parameter(norm.bias + (b - norm.running_mean) * scale)
        conv.weight.mul_(scale[:, None, None, None])
    return conv'''
SHARED = '''def fold(conv, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    b = 0 if conv.bias is None else conv.bias
    out = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    out.weight = conv.weight
    out.weight.data *= scale.detach()[:, None, None, None]
    out.bias.data = (norm.bias + (b - norm.running_mean) * scale).detach()
    return out'''
NO_BIAS = '''def fold(conv, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    out = copy.deepcopy(conv)
    with torch.no_grad():
        out.weight.mul_(scale[:, None, None, None])
        if out.bias is not None: out.bias.copy_(norm.bias + (conv.bias - norm.running_mean) * scale)
    return out'''
BY_HELPER = '''def of_both(f, x, w, g): return torch.autograd.grad(f(x, w), (x, w), g)
def rms_backward(g, x, w, eps): return of_both(lambda x, w: F.rms_norm(x, w.shape, w, eps), x.requires_grad_(), w.requires_grad_(), g)'''
BY_VJP = '''from torch.func import vjp as V
def rms_backward(g, x, w, eps): return V(lambda x, w: F.rms_norm(x, w.shape, w, eps), x, w)[1](g)'''
BY_GRAD = '''from torch.autograd import grad as slope
def rms_backward(g, x, w, eps):
    x, w = x.requires_grad_(), w.requires_grad_()
    return slope(F.rms_norm(x, w.shape, w, eps), (x, w), g)'''
BY_BACKWARD = '''def rms_backward(g, x, w, eps):
    x, w = x.requires_grad_(), w.requires_grad_()
    F.rms_norm(x, w.shape, w, eps).backward(g)
    return x.grad, w.grad'''
ANSWERS = {
    1: (['means_of = [12, 6, 360, 72, 18, 0]', 'means_of = (12, 6, 6*12*5, 6*12, 6*3, 0)', 'means_of = [12., 6, 360, 72, 18, 0]', 'means_of = torch.tensor([12, 6, 360, 72, 18, 0])', 'means_of = np.array([12, 6, 360, 72, 18, 0])'],
        [('means_of = [12, 6, 360, 72, 18, 360]', 'subtracts nothing'), ('means_of = [6, 6, 360, 72, 18, 0]', 'keeps the channels apart'), ('means_of = [72, 6, 360, 72, 18, 0]', 'over the examples, too'), ('means_of = [12, 72, 360, 72, 18, 0]', 'all channels of an example'), ('means_of = [12, 6, 7, 72, 18, 0]', 'how many such sets'), ('means_of = [12, 6, 6, 72, 18, 0]', 'each row of each channel'),
         ('means_of = [12, 6, 72, 72, 18, 0]', 'each row has its own mean'), ('means_of = [12, 6, 360, 12, 18, 0]', 'instance norm keeps the examples apart'), ('means_of = [12, 6, 360, 72, 3, 0]', 'group norm keeps the examples apart'), ('means_of = [12, 6, 360, 72, 24, 0]', 'not groups of three'),
         ('means_of = [12, 6, 360, 72, 17, 0]', 'which numbers share'), ('means_of = [12, 6, 360, 72, 0]', 'six numbers'), ('means_of = [12.5, 6, 360, 72, 18, 0]', 'which numbers share'), ('means_of = 12', 'six numbers'), ('means_of = None', 'six numbers'), ('means_of = [[12], 6, 360, 72, 18, 0]', 'six numbers'), ('means_of = "many"', 'six numbers')]),
    2: (['three_factors = (1, .5, .25)', 'three_factors = [1., 1/2, 1/4]', 'three_factors = torch.tensor([1, .5, .25])', 'three_factors = np.float32(1), np.float64(.5), .25'],
        [('three_factors = (2, .5, .25)', 'the output: the norm divides by the spread, which is doubled'), ('three_factors = (1, 1, .25)', 'by a smaller share'), ('three_factors = (1, 2, .25)', 'larger or smaller'), ('three_factors = (1, .25, .25)', 'one factor too many'), ('three_factors = (1, 0, .25)', 'perpendicular'), ('three_factors = (1, .5, .5)', 'but not both'),
         ('three_factors = (1, .5, 1)', 'half the gradient turns longer weights'), ('three_factors = (1, .5, 4)', 'upside down'), ('three_factors = (1, .5, .3)', 'the angle: another factor'), ('three_factors = 1', 'three numbers'), ('three_factors = (1, .5)', 'three numbers'), ('three_factors = ("same", .5, .25)', 'three numbers'), ('three_factors = None', 'three numbers')]),
    3: ([fold(), 'import copy\n' + COPIED],
        [(fold(bias='norm.bias + b * scale'), 'running mean is not subtracted'), (fold(bias='norm.bias - norm.running_mean * scale'), 'goes through the norm, too'), (fold(bias='norm.bias + b - norm.running_mean * scale'), 'divided by the spread, too'), (fold(scale='norm.weight / norm.running_var.sqrt()'), 'eps is missing'),
         (fold(scale='norm.weight / (norm.running_var.sqrt() + norm.eps)'), 'outside of the root'), (fold(scale='norm.weight / (norm.running_var + norm.eps)'), 'not by its root'), (fold(scale='1 / (norm.running_var + norm.eps).sqrt()'), 'the weight of the norm'), (fold(bias='(b - norm.running_mean) * scale'), 'the bias of the norm is missing'),
         (fold(bias='(norm.bias + b - norm.running_mean) * scale'), 'added last'), (fold(bias='norm.bias + b - norm.running_mean'), 'are scaled like its weights'), (fold(scale='norm.weight * (norm.running_var + norm.eps).sqrt()'), 'multiplied by the spread'), (fold(bias='norm.bias + (b + norm.running_mean) * scale'), 'subtracted, not added'),
         (fold(weight='conv.weight * scale'), 'your code fails'), (fold(how='conv.stride, conv.padding, conv.dilation'), 'your code fails'), (fold(how='conv.stride, groups=conv.groups'), 'stride, padding and dilation kept'), (fold(last='pass'), 'is there a `return`'), (fold(last='return out.weight'), 'wanted an nn.Conv2d'), (fold(last='return conv'), 'as it was'), (fold(bias='norm.bias'), 'the bias of the convolution is lost'), (fold(weight='conv.weight'), 'are not scaled'), (fold(bias='norm.bias + (b - norm.running_mean) / (norm.running_var + norm.eps).sqrt()'), 'are scaled with the weight of the norm'),
         (fold(bias='norm.bias + b * scale - norm.running_mean / (norm.running_var + norm.eps).sqrt()'), 'the running mean is scaled with the weight'), (fold(weight='conv.weight * scale.mean()'), 'each kernel'), (IN_PLACE, 'what came in has changed'), (NO_BIAS, 'needs a bias, even if'), (fold(scale='norm.weight / (norm.running_var + 1e-5).sqrt()'), 'an eps of its own'), (fold(bias='b * scale - norm.running_mean + norm.bias'), 'the running mean is divided by the spread, too'),
         (fold(bias='b - norm.running_mean * scale + norm.bias * scale'), 'that of the norm is not'), (fold(scale='norm.eval().weight / (norm.running_var + norm.eps).sqrt()'), 'leave it as it came'), (COPIED.replace('copy.deepcopy(norm).eval()', 'norm'), 'your code fails'), (COPIED.replace('copy.deepcopy(norm)', 'norm'), 'leave it as it came'), (SHARED, 'what came in has changed'), (fold(weight='2 * conv.weight'), 'it gives other maps'), ('fold = 3', 'wanted a function')]),
    4: ([bn(), bn(y='F.batch_norm(x, None, None, training=True, momentum=0, eps=eps)'), bn(y='(x - mean) / ((x - mean).square().mean(0) + eps).sqrt()')],
        [(bn(y='(x - mean) / (x.var(0) + eps).sqrt()'), 'should be −1 and 1'), (bn(y='(x - mean) * (x.var(0) + eps).rsqrt()'), 'should be −1 and 1'), ('', 'the bug is still there\n'), (bn(var='(1 - momentum) * running_var + momentum * x.var(0, correction=0)'), 'is too small'), (bn(y='(x - mean) / (x.var(0) + eps).sqrt()', var='(1 - momentum) * running_var + momentum * x.var(0, correction=0)'), 'exchanged'),
         (bn(mean='momentum * running_mean + (1 - momentum) * mean', var='momentum * running_var + (1 - momentum) * x.var(0)'), 'the share of the new'), (bn(y='(x - mean) / (x.var(0, correction=0).sqrt() + eps)'), 'into the root'), (bn(y='(x - mean) / (x.var(0, correction=0) + eps)'), 'the root is missing'),
         (bn(var='(1 - momentum) * running_var + momentum * x.std(0)'), 'not the spread'), (bn(mean='mean'), 'an average over batches'), (bn(mean='running_mean', var='running_var'), 'have not moved'), (bn(last='return y'), 'three things'), (bn(last='pass'), 'three things'), (bn(y='x'), 'y is another one'), (bn(y='x - nothing'), 'your code fails'),
         (bn(var='(1 - momentum) * running_var + momentum * 2 * x.var(0, correction=0)'), 'wrong for the other'), (bn(last='return 1, 2, 3'), 'three tensors'), (bn(var='(1 - momentum) * running_var + momentum * (x.var(0) + eps)'), 'what is remembered is the variance'),
         ('''def batch_norm_wrong(x, running_mean, running_var, momentum=.1, eps=1e-5):
    mean, var = x.mean(0), x.var(0) + eps
    y = (x - mean) / (x.var(0, correction=0) + eps).sqrt()
    return y, (1 - momentum) * running_mean + momentum * mean, (1 - momentum) * running_var + momentum * var''', 'what is remembered is the variance'),
         (bn(y='(x - mean) / x.var(0, correction=0).sqrt()'), 'eps is given'), (bn(y='(x - mean) / (x.var(0, correction=0) + 1e-5).sqrt()'), 'eps is given'), (bn(y='(x - running_mean) / (running_var + eps).sqrt()'), 'by its own statistics'),
         (bn(y='(x - ((1 - momentum) * running_mean + momentum * mean)) / ((1 - momentum) * running_var + momentum * x.var(0) + eps).sqrt()'), 'by its own statistics'), (bn(var='(1 - momentum) * running_var + momentum * y.var(0)'), 'not of y'),
         (bn(y='(x - x.mean()) / (x.var(correction=0) + eps).sqrt()'), 'each column has a mean'), (bn(y='(x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + eps).sqrt()'), 'that of layer norm'), (bn(y='(x - mean) / (x.var(0) * len(x) / (len(x) - 1) + eps).sqrt()'), 'larger once more'), (bn(var='(1 - momentum) * running_var + momentum * x.var(0, correction=0) * (len(x) - 1) / len(x)'), 'is made smaller')]),
    5: ([rms(), rms(x_grad='r * h - x * r**3 * (h * x).mean(-1, keepdim=True)', w_grad='torch.einsum("nm,nm->m", g, y)'), 'def backward(r, h, y): return r * (h - y * (h * y).mean(-1, keepdim=True))\n' + rms(x_grad='backward(r, h, y)')],
        [(rms(x_grad='r * (h - h.mean(-1, keepdim=True) - y * (h * y).mean(-1, keepdim=True))'), 'no mean of the slopes either'), (rms(x_grad='r * h'), 'the way through it is missing'), (rms(h='g'), 'the weight is missing'), (rms(w_grad='(g * y).mean(0)'), 'a sum over them'), (rms(w_grad='g.sum(0)'), 'gradient of a bias'),
         (rms(x_grad='h - y * (h * y).mean(-1, keepdim=True)'), 'the factor r is missing'), (rms(x_grad='r * (h + y * (h * y).mean(-1, keepdim=True))'), 'a sign'), (rms(w_grad='g * y'), 'sum over the examples'), (rms(w_grad='(g * x).sum(0)'), 'what was normalised, not x'), (rms(x_grad='r * (h - y * (h * y).sum(-1, keepdim=True))'), 'not a sum'),
         (rms(r='(x.var(-1, keepdim=True, correction=0) + eps).rsqrt()'), 'that is the variance'), (rms(last='return w_grad, x_grad'), 'exchanged'), (rms(w_grad='(h * y).sum(0)'), 'does not contain w'), (rms(r='x.square().mean(-1, keepdim=True).rsqrt()'), 'eps is missing'), (rms(last='return x_grad'), 'two gradients'), (rms(last='pass'), 'is there a `return`'),
         (rms(last='return x_grad, w_grad[None]'), 'the gradient of w has the shape'), (rms(x_grad='2 * r * h'), 'compare it with autograd'), (rms(last='return 1, 2'), 'two tensors'), ('rms_backward = 1', 'wanted a function'), (BY_AUTOGRAD, 'without autograd'), (BY_HELPER, 'without autograd'), (BY_VJP, 'without autograd'), (BY_GRAD, 'without autograd'), (BY_BACKWARD, 'without autograd'), (rms(x_grad='r * h - x * r**2 * (h * x).mean(-1, keepdim=True)'), 'has its cube'), (rms(x_grad='r * (h - 2 * y * (h * y).mean(-1, keepdim=True))'), 'cancel'), (rms(x_grad='r * (h - x * (h * x).mean(-1, keepdim=True))'), 'x is not y'), (rms(x_grad='r * (h - y * (g * y).mean(-1, keepdim=True))'), 'g w, not g'),
         (rms(x_grad='r * w * (g - y * (g * y).mean(-1, keepdim=True))'), 'inside of the mean'), (rms(x_grad='r * (h - w * y * (h * w * y).mean(-1, keepdim=True))'), 'before the weight'), (rms(x_grad='r * (h - w * y * (h * y).mean(-1, keepdim=True))'), 'before the weight'),
         (rms(r='1 / (x.square().mean(-1, keepdim=True).sqrt() + eps)'), 'into the root'), (rms(r='(x.square().sum(-1, keepdim=True) / (x.shape[-1] - 1) + eps).rsqrt()'), 'not by m − 1'), (rms(r='(x.square().mean(0) + eps).rsqrt()'), 'along the last axis'), (rms(x_grad='r * (h - y * (h * y).mean(0))'), 'along the last axis'), (rms(x_grad='r * (h - y * (h * y).mean())'), 'a mean of its own'), (rms(x_grad='r * (h - y * h.mean(-1, keepdim=True))'), 'not the slope alone'), (rms(x_grad='r * (h - (h * y).mean(-1, keepdim=True))'), 'a multiple of y'), (rms(x_grad='r * (h - .5 * y * (h * y).mean(-1, keepdim=True))'), 'cancel')]),
    6: (['batches_needed = 44', 'norm, batches_needed = BatchNorm(1), 0\nwhile norm.running_mean < .99:\n    norm(tensor([[0.], [2.]]))\n    batches_needed += 1', 'batches_needed = math.ceil(math.log(.01) / math.log(.9))', 'batches_needed = 44.', 'batches_needed = torch.tensor(44)'],
        [*[(f'batches_needed = {n}', 'too few: more than 0.01 is still missing') for n in (0, 40, 42, 43)], *[(f'batches_needed = {n}', 'it was there earlier') for n in (45, 46, 50, 90)], ('batches_needed = math.log(.01) / math.log(.9)', 'whole number'), ('batches_needed = "many"', 'wanted a number'), ('batches_needed = 10', 'does not mean ten batches'), ('batches_needed = 2', 'momentum of 0.9'), ('batches_needed = 100', 'a mean over all'), ('batches_needed = 1', 'after one it is'), ('batches_needed = 22', 'that is 0.9'), ('batches_needed = None', 'wanted a number')]),
}

"Answers to the exercises of lesson 07."
def grad(*lines): return 'def input_grad(g, w):\n' + '\n'.join('    ' + line for line in lines)
def put_back(line, before='', back='return out', loop=True):
    body = f'''    for i in range(kernel_size):
        for j in range(kernel_size):
            {line}
''' if loop else f'    {line}\n'
    return f'''def col2im_wrong(cols, size, kernel_size, stride):
    out = cols.new_zeros(len(cols), cols.shape[1]//kernel_size**2, *size)
    seen = windows(out, kernel_size, stride)
    parts = cols.unflatten(1, (-1, kernel_size, kernel_size)).unflatten(4, seen.shape[2:4])
    {before or 'pass'}
{body}    {back}'''
def find(*lines): return 'def find_kernel(x, y):\n' + '\n'.join('    ' + line for line in lines)
def any_place(end, blocks='*list(get_model())[:5]'): return f'def anywhere():\n    return nn.Sequential({blocks}, {end})'
def module(*lines):
    return '''class Anywhere(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks, self.linear = get_model()[:5], nn.Linear(32, 10)
    def forward(self, x): ''' + '; '.join(lines) + '\ndef anywhere(): return Anywhere()'
def shape(value, numbers=368): return f'answer = ({value}, {numbers})'


SOLVE = 'w = torch.linalg.lstsq(im2col(x, 3).transpose(1, 2).flatten(0, 1), y.flatten()[:, None]).solution.reshape(1, 1, 3, 3)'
def learn(steps=300, lr=.2, result='w.detach()'):
    return find('w = torch.zeros(1, 1, 3, 3, requires_grad=True)', f'for _ in range({steps}):', '    grad, = torch.autograd.grad((conv2d(x, w) - y).pow(2).mean(), w)',
                f'    w = (w - {lr}*grad).detach().requires_grad_()', f'return {result}')


ANSWERS = {
    1: ([shape('(10, 8, 11, 6)'), 'answer = [[10, 8, 11, 6], 368]', 'layer = nn.Conv2d(6, 8, (5, 3), stride=2, padding=(2, 0), dilation=(1, 2), groups=2)\nanswer = (layer(torch.zeros(10, 6, 21, 16)).shape, count(layer))'],
        [(shape('(10, 8, 11, 7)'), 'spans 5'), (shape('(10, 8, 10, 6)'), 'the first place along the height'), (shape('(10, 8, 9, 6)'), 'padding of 2'), (shape('(10, 8, 11, 5)'), 'a last window that just fits'), (shape('(10, 8, 21, 12)'), 'the stride of the height is forgotten; the stride of the width'),
         (shape('(10, 8, 12, 6)'), 'what is left over is not counted'), (shape('(10, 8, 10, 5)', 360), 'along the width counts as well, and a last window that just fits; and the biases'), (shape('(10, 8, 9, 7)'), 'padding of 2 on both sides'), (shape('(10, 8, 19, 6)'), 'padding stands on both sides'), (shape('(10, 8, 11, 8)'), 'no padding along the width'),
         (shape('(10, 16, 11, 6)'), 'shared out'), (shape('(8, 8, 11, 6)'), 'the images come first'), (shape('(10, 8, 11, 6)', 362), 'not for each group'), (shape('(10, 8, 11, 6)', 46), 'there are eight'),
         (shape('(10, 6, 11, 6)'), 'as many maps as kernels'), (shape('(10, 8, 6, 11)'), 'exchanged'), (shape('(8, 10, 11, 6)'), 'the images come first'), (shape('(8, 11, 6)'), 'a batch comes out'), (shape('(10, 4, 11, 6)'), 'four kernels'),
         (shape('(10, 8, 3, 3)'), 'the number along the height is another one'), (shape('(10, 8, 9, 5)'), 'padding of 2'), (shape('(10, 8, 11, 6)', 736), 'of its group only'), ('answer = (torch.tensor([10, 8, 11, 6]), 368)', 'the shape comes first'), (shape('(10, 8, 11, 6)', 'torch.tensor(368)'), 'wanted whole numbers'), (shape('(10, 8, 11, 6)', 360), 'and the biases'), (shape('(10, 8, 11, 6)', 728), 'of its group only'), (shape('(10, 8, 11, 6)', 720), 'of its group only'), (shape('(10, 8, 11, 6)', 128), 'for each channel of its group'),
         (shape('(10, 8, 11, 6)', 184), 'are eight kernels'), (shape('(10, 8, 11, 6)', 366), 'a bias for each kernel'), (shape('(10, 8, 11, 6)', 1), 'another number'), ('answer = (10, 8, 11, 6)', 'two things'), ('answer = 368', 'two things'),
         ('answer = (368, (10, 8, 11, 6))', 'the shape comes first'), ('answer = None', 'two things')]),
    2: ([grad('return conv2d(g, w.flip(2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), grad('kh, kw = w.shape[2:]', 'return conv2d(F.pad(g, (kw - 1, kw - 1, kh - 1, kh - 1)), w.transpose(0, 1).flip(-1, -2))'),
         grad('return F.conv2d(g, w.transpose(0, 1).flip((2, 3)), padding=(w.shape[2] - 1, w.shape[3] - 1))'), grad('w = w.rot90(2, (2, 3))', 'return conv2d(g, torch.stack([*w.unbind(1)]), padding=(w.shape[2] - 1, w.shape[3] - 1))')],
        [(grad('return conv2d(g, w.transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'the kernel is not turned'), (grad('return conv2d(g, w.flip(2).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'along its rows only'),
         (grad('return conv2d(g, w.flip(3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'along its columns only'), (grad('return conv2d(g, w.flip(2, 3), padding=(w.shape[2] - 1, w.shape[3] - 1))'), '4 channels, and 1 group(s) of 3'),
         (grad('return conv2d(g, w.flip(2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1)) / len(g)'), 'a mean over the images'), (grad('return conv2d(g, w.flip(0, 1).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'it is rows and columns'),
         (grad('return conv2d(g, w.flip(2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[2] - 1))'), 'its shape is'), (grad('return conv2d(g, w.flip(2, 3).transpose(0, 1))'), 'without padding it shrinks'),
         (grad('return conv2d(g, w.flip(2, 3).transpose(0, 1), padding=w.shape[2] - 1)'), 'its shape is'), (grad('conv2d(g, w.flip(2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'is there a `return`'), (grad('return conv2d(g, w.flip(2, 3).t())'), 'your code fails'),
         (grad('return conv2d(g, w.flip(1, 2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'the order of the channels'), ('input_grad = 3', 'wanted a function'), ('input_grad = ...', 'not answered yet'),
         (grad('return F.conv_transpose2d(g, w)'), 'called 0 times'), (grad('return col2im(w.flatten(1).T @ g.flatten(2), (g.shape[2] + w.shape[2] - 1, g.shape[3] + w.shape[3] - 1), w.shape[2:])'), 'called 0 times'),
         (grad('x = torch.zeros(len(g), w.shape[1], g.shape[2] + w.shape[2] - 1, g.shape[3] + w.shape[3] - 1, requires_grad=True)', 'return torch.autograd.grad(Correlation.apply(x, w, None, 1, w.shape[2:], (1, 1), (0, 0), (1, 1)), x, g)[0]'), 'called 0 times'),
         (grad('return torch.cat([conv2d(each[None], w.flip(2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1)) for each in g])'), 'the numbers are right'),
         (grad('return conv2d(g, w.flip(2, 3).reshape(w.shape[1], w.shape[0], *w.shape[2:]), padding=(w.shape[2] - 1, w.shape[3] - 1))'), '`reshape` gives the shape'), (grad('return conv2d(g, w.reshape(w.shape[1], w.shape[0], *w.shape[2:]), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'is not turned, and `reshape`'),
         (grad('return conv2d(g, w.flip(0, 1, 2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1))'), 'all four axes'), (grad('return conv2d(g, w.flip(2, 3).transpose(0, 1), padding=(w.shape[2] - 1, w.shape[3] - 1)) * len(g)'), 'multiplied by the number of images')]),
    3: ([f'dilations = {d}' for d in ('(1, 3, 9)', '[9, 3, 1]', '3, 1, 9')],
        [('dilations = (1, 1, 1)', '7 pixels along an axis: there are'), ('dilations = (1, 2, 4)', '15 pixels along an axis: there are'), ('dilations = (1, 3, 8)', 'that see more'), ('dilations = (2, 2, 3)', 'seen by nobody'), ('dilations = (2, 4, 8)', 'seen by nobody'),
         ('dilations = (1, 4, 8)', 'seen by nobody'), ('dilations = (20, 20, 20)', 'How many ways are there'), ('dilations = (1, 6)', 'three whole numbers'), ('dilations = (7, 0, 0)', '1 or more'), ('dilations = 7', 'three whole numbers'), ('dilations = (1., 3, 9)', 'three whole numbers'), ('dilations = (1, 3, 400)', 'How many ways are there'),
         ('dilations = None', 'three whole numbers')]),
    4: ([put_back('seen[..., i, j] += parts[:, :, i, j]'), put_back('seen[..., i, j] = seen[..., i, j] + parts[:, :, i, j]'), put_back('seen[..., i, j].add_(parts[:, :, i, j])'), put_back('return F.fold(cols, size, kernel_size, stride=stride)', loop=False)],
        [(put_back('seen[..., i, j] = parts[:, :, i, j]'), 'the bug is still there'), (put_back('seen[..., i, j] += parts[:, :, j, i]'), 'exchanged'), (put_back('seen[..., i, j] -= parts[:, :, i, j]'), 'a minus'), (put_back('if i == j: seen[..., i, j] += parts[:, :, i, j]'), 'only the diagonal'),
         (put_back('seen[..., i, j] = torch.maximum(seen[..., i, j], parts[:, :, i, j])'), 'not the largest'), (put_back('seen[..., i, j] += parts[:, :, i, j]', back='pass'), 'is there a `return`'), (put_back('seen += parts', loop=False), 'your code fails'),
         (put_back('seen[..., i, j] += parts[:, :, i, j]', back='return out / col2im(torch.ones_like(cols), size, kernel_size, stride).clamp(min=1)'), 'the chain rule adds'), (put_back('seen[..., i, j] += 2*parts[:, :, i, j]'), 'added twice'), (put_back('seen[..., i, j] += 3*parts[:, :, i, j]'), 'another picture'),
         (put_back('seen[..., i, j] += parts[:, :, i, j]', back='return seen'), 'its shape is'), (put_back('seen[..., i, j].add(parts[:, :, i, j])'), 'into a copy'), (put_back('seen[..., i, j] *= parts[:, :, i, j]'), 'zeros of `out` multiplied'), ('col2im_wrong = ...', 'not answered yet'),
         (put_back('seen[:] = seen + parts.permute(0, 1, 4, 5, 2, 3)', loop=False), 'all windows at once'), (put_back('seen[..., i, j] += parts[:, :, kernel_size - 1 - i, kernel_size - 1 - j]'), 'by half a turn'),
         (put_back('seen[..., i, j] += parts[:, :, i, j]', back='return out.numpy()'), 'wanted a tensor, got ndarray'),
         (put_back('seen[..., i, j] += parts[:, :, i, j]', before='cols /= kernel_size**2'), 'it takes no mean'), (put_back('seen[..., i, j] += parts[:, :, i, j]', before='cols.neg_()'), 'a minus')]),
    5: ([find(SOLVE, 'return w'), learn(), find('w = nn.Parameter(torch.randn(1, 1, 3, 3))', 'for _ in range(300):', '    loss = (F.conv2d(x, w) - y).pow(2).mean()', '    w.data -= .2 * torch.autograd.grad(loss, w)[0]', 'return w')],
        [(find(SOLVE, 'return w.flip(2, 3)'), 'by half a turn'), (find(SOLVE, 'return w.transpose(2, 3)'), 'rows and columns'), (find(SOLVE, 'return w.flip(2)'), 'its rows stand'), (find(SOLVE, 'return w.flip(3)'), 'its columns stand'), (find(SOLVE, 'return -w'), 'its sign'),
         (find(SOLVE, 'return w[0, 0]'), 'its shape is (3, 3)'), (find(SOLVE, 'return w.reshape(9, 1)'), 'nine weights in a column'), (learn(steps=5), 'near, but'), (learn(lr=100., steps=60), 'not finite'), (learn(steps=0), 'was a step taken'), (find(SOLVE), 'is there a `return`'),
         (find('return torch.randn(1, 1, 3, 3)*.01'), 'fresh gradient'), (find(SOLVE.replace('.transpose(1, 2).flatten(0, 1)', '.reshape(-1, 9)'), 'return w'), '`reshape` has mixed the places'), ('find_kernel = ...', 'not answered yet'),
         (find('w = torch.zeros(1, 1, 3, 3, requires_grad=True)', 'for _ in range(100):', '    (conv2d(x, w) - y).pow(2).mean().backward()', '    with torch.no_grad(): w -= .1*w.grad', 'return w'), 'fresh gradient'), (find(SOLVE, 'return 2*w'), 'common factor'), (find('return torch.linalg.lstsq(x, y).solution'), 'your code fails'), (find('y.zero_()', 'return torch.zeros(1, 1, 3, 3)'), 'was a step taken'), (find(SOLVE, 'return 1.05*w'), 'common factor'), (find(SOLVE, 'return 1e6*w'), 'common factor'), (find('return 1e4*torch.ones(1, 1, 3, 3)'), 'far off'), (find('return 3'), 'wanted a tensor')]),
    6: ([any_place('nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)'), any_place('nn.Conv2d(32, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()'), module('return self.linear(self.blocks(x).mean((2, 3)))'),
         any_place('nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)', 'conv_block(1, 16, 5, stride=2), conv_block(16, 32), nn.MaxPool2d(2), conv_block(32, 32), nn.MaxPool2d(2)')],
        [('def anywhere(): return get_model()', 'a weight for each place'), (any_place('nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(288, 10)'), 'knows the place'), (any_place('nn.AvgPool2d(3), nn.Flatten(), nn.Linear(32, 10)'), 'a weight for each place'),
         (module('return self.linear(self.blocks(x).sum((2, 3)))'), 'that is a sum'), (module('return self.linear(self.blocks(x).amax((2, 3)))'), 'or its maximum'), (any_place('nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10)'), 'or its maximum'),
         (any_place('nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(288, 10)'), 'How many numbers leave'), (module('return self.linear(self.blocks(x).mean(1))'), 'How many numbers leave'), (module('return self.blocks(x).mean((2, 3))'), 'wanted (3, 10)'),
         (any_place('nn.Flatten(), nn.Linear(1, 10)', 'nn.AdaptiveAvgPool2d(1)'), 'before the blocks have looked'), (any_place('nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10), nn.Softmax(1)'), 'nothing but the linear layer'),
         (module('return self.linear(0*self.blocks(x).mean((2, 3)))'), 'the same of every picture'), ('def anywhere(): get_model()', 'is there a `return`'), ('def anywhere(): return torch.zeros(3, 10)', 'wanted an nn.Module'), ('def anywhere(): return get_modell()', 'your code fails')]),
}

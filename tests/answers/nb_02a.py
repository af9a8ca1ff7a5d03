"Answers to the exercises of lesson 02a."
def draw(last='return w.uniform_(-bound, bound)', bound='math.sqrt(3) * std', fan='w.shape[1] * math.prod(w.shape[2:])', std='math.sqrt(2 / fan_in)'):
    return f'def kaiming_uniform_wrong_(w):\n    fan_in = {fan}\n    std = {std}\n    bound = {bound}\n    {last}'
def bound(value): return f'bound_16_24 = {value}'


ANSWERS = {
    1: (['gain_abs = 1', 'gain_abs = math.sqrt(2 / (1 + (-1)**2))', "gain_abs = gain('leaky_relu', -1)", 'gain_abs = torch.tensor(1.)'],
        [('gain_abs = math.sqrt(2)', 'that is the relu'), ('gain_abs = 2', 'nothing has to be made up for'), ('gain_abs = .5', 'nothing is lost'), ('gain_abs = math.sqrt(.5)', 'nothing is lost'), ('gain_abs = -1', 'that is the slope'),
         ('gain_abs = 0', 'let nothing through'), ("gain_abs = gain('leaky_relu')", 'that is the relu'), ('gain_abs = None', 'nothing came of it'), ('gain_abs = "one"', 'its type is str')]),
    2: ([bound('math.sqrt(6/400)'), bound('math.sqrt(3) * math.sqrt(2 / (16*5*5))'), bound('(6 / (16 * 25))**.5')],
        [(bound('math.sqrt(6/600)'), 'this is fan_out'), (bound('math.sqrt(2/400)'), 'this is the spread'), (bound('math.sqrt(6/16)'), 'the 25 numbers'), (bound('math.sqrt(6/80)'), 'five rows of five'), (bound('math.sqrt(6/25)'), 'all 16 channels'),
         (bound('math.sqrt(3/400)'), 'the gain of the relu'), (bound('1/math.sqrt(400)'), "PyTorch's own choice"), (bound('6/400'), 'the square of it'), (bound('math.sqrt(6/1000)'), 'Xavier'), (bound('3*math.sqrt(2/400)'), 'not 3 times'), (bound('None'), 'nothing came of it')]),
    3: (['true_fans = 9, 9', 'true_fans = [9, 9]', 'layer = nn.Conv2d(32, 32, 3, groups=32, bias=False)\ntrue_fans = count_fans(layer, torch.ones(1, 32, 9, 9))'],
        [('true_fans = fans(torch.empty(32, 1, 3, 3))', 'this is what fans says'), ('true_fans = 288, 288', 'without groups'), ('true_fans = 288, 9', 'of one channel only'), ('true_fans = 9, 32', 'in how many of them'), ('true_fans = 1, 32', 'without the window'),
         ('true_fans = 32, 32', 'left out'), ('true_fans = 1, 1', '3 by 3 places'), ('true_fans = 3, 3', 'nine places'), ('true_fans = 9', 'wanted two numbers'), ('true_fans = "9, 9"', 'its length is')]),
    4: ([draw(), draw(bound='math.sqrt(6 / fan_in)'), draw('return w.copy_((2*torch.rand(w.shape) - 1) * bound)'), draw(bound='std * 3**.5', fan='w[0].numel()'), draw('return kaiming_uniform_(w)')],
        [(draw(bound='std'), 'the bug is still there'), (draw(bound='3 * std'), 'three times as far'), (draw(bound='std / math.sqrt(3)'), 'multiplied'), (draw(bound='2 * std'), 'twice as far'), (draw(bound='math.sqrt(2) * std'), 'counted twice'),
         (draw(fan='w.shape[0] * math.prod(w.shape[2:])'), 'fan_out'), (draw(fan='w.shape[1]'), 'the window is left out'), (draw('return w.normal_(0, std)'), 'normal numbers'), (draw('return w.uniform_(0, bound)'), 'not symmetric'),
         (draw('w.uniform_(-bound, bound)'), 'is there a `return`'), (draw('return torch.empty_like(w).uniform_(-bound, bound)'), 'it fills w itself'), (draw(std='math.sqrt(1 / fan_in)'), 'the gain of the relu'), (draw(bound='sqrt(3) * std'), "name 'sqrt'"), (draw(bound='1.7 * 1.2 * std'), 'the spread is')]),
}

"Answers to the exercises of lesson 11."
def facts(shape='(3, 10, 5, 4)', n=1560, products=30_000): return f'block_facts = ({shape}, {n}, {products})'
def pre(*lines): return 'def preact(x, norm1, conv1, norm2, conv2):\n' + '\n'.join('    ' + line for line in lines)
def deep(*lines): return 'def deepen(model, i, c):\n' + '\n'.join('    ' + line for line in lines)
def zero(*lines, last='return block'): return 'def start_at_zero(block):\n' + '\n'.join('    ' + line for line in (*lines, last))


MEASURED = '''torch.manual_seed(0)
x = first = torch.randn(2000, 256)
for _ in range({n}): x = {step}
growth = {ratio}'''
def measured(n=10, step='x + x @ torch.randn(256, 256) / 16', ratio='x.std() / first.std()'): return MEASURED.format(n=n, step=step, ratio=ratio)


PARTS = 'parts = [*copy.deepcopy(model)]'
NEW = 'return nn.Sequential(*parts[:i + 1], ResBlock(c, c), *parts[i + 1:])'
LAST = 'last = block.branch[1]'
ANSWERS = {
    1: ([facts(), 'block_facts = [[3, 10, 5, 4], 1560, 30000]', facts('torch.Size([3, 10, 5, 4])'), 'block = ResBlock(6, 10, stride=2)\nblock_facts = block(torch.zeros(3, 6, 9, 7)).shape, sum(p.numel() for p in block.parameters()), 5*4*(6*10*9 + 10*10*9 + 60)'],
        [(facts('(3, 10, 4, 3)'), 'rounded up'), (facts('(3, 10, 9, 7)'), 'the stride is forgotten'), (facts('(3, 6, 5, 4)'), 'ten channels'), (facts('(10, 5, 4)'), 'a batch comes out'), (facts('(3, 10, 4, 5)'), 'exchanged'), (facts('(3, 10, 8, 8)'), 'how many places'),
         (facts(n=1500), 'norms have a scale and a shift'), (facts(n=1480), 'the shortcut has weights'), (facts(n=1590), 'has no bias'), (facts(n=1540), 'the shortcut has a norm'), (facts(n=2040), '1 × 1'), (facts(n=7), 'three convolutions and three norms'),
         (facts(products=90_000), 'for one picture'), (facts(products=94_500), 'the stride is forgotten'), (facts(products=28_800), 'the shortcut has a convolution'), (facts(products=32_580), 'takes the mean first'), (facts(products=1500), 'at every place'), (facts(products=31_200), 'not the norms'), (facts(products=3), 'how many places are there'), (facts(products=96_000), '64 places'), (facts(products=126_000), '84 places'), (facts(products=68_700), 'has the stride already'), (facts(n=1550), 'that begins at 0 is learned'),
         (facts('(3, 10, 5.9, 4)'), 'the shape'), (facts('(3, 10, 8, 6)'), 'halves the sides'), (facts('(10, 3, 5, 4)'), 'the pictures come first'),
         ('block_facts = (3, 10, 5, 4)', 'wanted three things'), ('block_facts = 1560', 'wanted three things'), ('block_facts = None', 'wanted three things')]),
    2: ([pre('return x + conv2(F.relu(norm2(conv1(F.relu(norm1(x))))))'), pre('f = conv1(norm1(x).relu())', 'f = conv2(norm2(f).relu())', 'return f + x'), 'preact = lambda x, norm1, conv1, norm2, conv2: nn.Sequential(norm1, nn.ReLU(), conv1, norm2, nn.ReLU(), conv2)(x) + x'],
        [(pre('return F.relu(x + conv2(F.relu(norm2(conv1(F.relu(norm1(x)))))))'), 'a relu follows the plus'), (pre('return F.relu(x + norm2(conv2(F.relu(norm1(conv1(x))))))'), 'the order of ResBlock'), (pre('return x + norm2(conv2(F.relu(norm1(conv1(x)))))'), 'the order of ResBlock'),
         (pre('a = F.relu(norm1(x))', 'return a + conv2(F.relu(norm2(conv1(a))))'), 'the shortcut leads from x itself'), (pre('return conv2(F.relu(norm2(conv1(F.relu(norm1(x))))))'), 'the shortcut is missing'), (pre('return x + conv2(norm2(conv1(norm1(x))))'), 'both relus'),
         (pre('return x + conv2(norm2(conv1(F.relu(norm1(x)))))'), 'the second relu'), (pre('return x + conv2(F.relu(norm2(conv1(norm1(x)))))'), 'the first relu'), (pre('return x + conv2(norm2(F.relu(conv1(norm1(F.relu(x))))))'), 'first the norm'),
         (pre('return x + conv2(F.relu(norm1(conv1(F.relu(norm1(x))))))'), 'the first norm is used twice'), (pre('return x + F.relu(conv2(F.relu(norm2(conv1(F.relu(norm1(x)))))))'), 'only add'), (pre('return F.relu(x) + conv2(F.relu(norm2(conv1(F.relu(norm1(x))))))'), 'not from what the relu has made'), (pre('a = norm1(x)', 'return a + conv2(F.relu(norm2(conv1(F.relu(a)))))'), 'not from what the first norm has made'),
         (pre('x = conv1(F.relu(norm1(x)))', 'return x + conv2(F.relu(norm2(x)))'), 'not from what the first convolution has made'), (pre('f = F.relu(conv1(norm1(x)))', 'return x + F.relu(conv2(norm2(f)))'), 'before its convolution, not after'),
         (pre('x = x + conv1(F.relu(norm1(x)))', 'return x + conv2(F.relu(norm2(x)))'), 'one plus'), (pre('return x * conv2(F.relu(norm2(conv1(F.relu(norm1(x))))))'), 'not a product'), (pre('x += conv2(F.relu(norm2(conv1(F.relu(norm1(x))))))', 'return x'), 'x itself has been changed'),
         (pre('return nn.Sequential(norm1, nn.ReLU(), conv1, norm2, nn.ReLU(), conv2)'), 'got layers'), (pre('return x[:1] + x'), 'none of the mistakes'), (pre('return x.sum()'), 'the shape of x'), (pre('return 3'), 'wanted a tensor'), (pre('x + conv2(x)'), 'nothing came of it'), (pre('return norm3(x)'), 'NameError'), ('preact = 3', 'wanted a function')]),
    3: ([deep(PARTS, NEW), deep(PARTS, 'parts.insert(i + 1, ResBlock(c, c))', 'return nn.Sequential(*parts)'), deep('new = copy.deepcopy(model)', 'new.insert(i + 1, ResBlock(c, c, norm=nn.BatchNorm2d))', 'return new'),
         deep(PARTS, 'block = ResBlock(c, c, zero=False)', 'nn.init.zeros_(block.branch[1][1].weight)', 'return nn.Sequential(*parts[:i + 1], block, *parts[i + 1:])'), deep(PARTS, NEW.replace('ResBlock(c, c)', 'ResBlock(c, c, norm=None)'))],
        [(deep('model.insert(i + 1, ResBlock(c, c))', 'return model'), 'the model that was given has changed'), (deep('parts = [*model]', NEW), 'not copies'), (deep(PARTS, NEW.replace('ResBlock(c, c)', 'ResBlock(c, c, zero=False)')), 'begin as the identity'), (deep(PARTS, NEW.replace('ResBlock(c, c)', 'nn.Identity()')), 'no layer more'),
         (deep(PARTS, 'return nn.Sequential(*parts[:i], ResBlock(c, c), *parts[i:])'), 'should be part'), (deep(PARTS, NEW.replace('ResBlock(c, c)', 'ResBlock(c, c).requires_grad_(False)')), 'cannot learn'), (deep(PARTS, NEW.replace('ResBlock(c, c)', 'ResBlock(c, c + 1)')), 'cannot be called'), (deep(PARTS, NEW.replace('ResBlock(c, c)', 'ResBlock(c, c, stride=2)')), 'other outputs'),
         (deep('return copy.deepcopy(model)'), 'no layer more'), (deep(PARTS, NEW.replace('return ', '')), 'nothing came of it'), (deep(PARTS, 'block = ResBlock(c, c)', 'nn.init.zeros_(block.branch[1][0].weight)', NEW.replace('ResBlock(c, c)', 'block')), 'never learn'), (deep(PARTS, 'return [*parts[:i + 1], ResBlock(c, c), *parts[i + 1:]]'), 'wanted an nn.Sequential'),
         (deep(PARTS, NEW.replace('ResBlock(c, c)', 'idle(c)')), 'the new ResBlock should be part'), (deep(PARTS, 'return parts.nothing'), 'AttributeError'),
         (deep(PARTS, 'return nn.Sequential(nn.Sequential(*parts[:i + 1]), ResBlock(c, c), *parts[i + 1:])'), 'should be the copy of part 0'), (deep(PARTS, 'return nn.Sequential(*parts[:i + 1], ResBlock(c, c))'), 'parts of the model are missing'),
         (deep(PARTS, NEW.replace('return ', 'new = '), 'return init_layers(new)'), 'other weights'), (deep(PARTS, 'return nn.Sequential(*parts[:i + 1], ResBlock(c, c), ResBlock(c, c), *parts[i + 1:])'), 'should be part')]),
    4: (['growth = 32', 'growth = 2**5', measured(), measured(ratio='(x.var() / first.var()).sqrt().item()')],
        [('growth = 1024', 'the factor of the variance'), (measured(ratio='x.var() / first.var()'), 'too large'), ('growth = 11', 'as much as it is given'), ('growth = 11**.5', 'as much as it is given'), ('growth = 1', 'a sum of two unrelated things'), ('growth = 2**.5', 'one block'), ('growth = 20', 'multiplied'), (measured(9), 'too small'),
         ("growth = float('nan')", 'too large'), ('torch.manual_seed(5)\nW = torch.randn(256, 256) / 16\n' + measured(step='x + x @ W'), 'weights of its own'), ('growth = 50', 'too large'), ('growth = 5', 'too small'), ("growth = 'much'", 'wanted one number'), ('growth = None', 'wanted one number')]),
    5: ([zero('nn.init.zeros_(block.branch[1][1].weight)'), zero(LAST, 'last[1].weight.data.zero_()'), zero('norm = block.branch[1][1]', 'for p in norm.parameters(): nn.init.zeros_(p)'),
         *[zero(LAST, f'nn.init.{f}', 'nn.init.zeros_(last[1].weight)') for f in ('normal_(last[0].weight)', 'normal_(last[0].weight, std=.6)', 'ones_(last[0].weight)')]],
        [('', 'the bug is still there'), (zero('nn.init.zeros_(block.branch[1][0].weight)'), 'after one tiny step'), (zero('nn.init.zeros_(block.branch[1][1].bias)'), 'does not begin as the identity'), (zero('nn.init.constant_(block.branch[1][1].weight, .1)'), 'does not begin as the identity'), (zero('pass'), 'does not begin as the identity'),
         (zero('nn.init.zeros_(block.branch[0][1].weight)'), 'the first layer of the branch is dead'), (zero('for p in block.branch.parameters(): nn.init.zeros_(p)'), 'the first layer of the branch is dead'), (zero(LAST, 'last[1].weight.data.zero_()', 'last[1].weight.requires_grad_(False)'), 'cannot learn'),
         (zero('nn.init.zeros_(block.branch[1][1].weight)', last=''), 'nothing came of it'), (zero('nn.init.zeros_(block.branch[1][1].weight)', last='return block.branch'), 'wanted the block'), (zero(last='return ResBlock(5, 5)'), 'that is another block'), (zero(LAST, 'last[1] = nn.Identity()', 'nn.init.zeros_(last[0].weight)'), 'the norm belongs to it'), (zero('nn.init.zeros_(block.last.weight)'), 'AttributeError'), (zero(LAST, 'for layer in last[:2]: nn.init.zeros_(layer.weight)'), 'the bug is still there')]),
}

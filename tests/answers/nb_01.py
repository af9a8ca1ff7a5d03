"Answers to the exercises of lesson 01."
def centre(line, returned='return '): return f'def centre(x): {returned}{line}'
def distances(line, returned='return '): return f'def distances(x, others): {returned}{line}'
def product(line, end='    return y'):
    return ('def matmul_wrong(a, b):\n    y = torch.zeros(len(a), b.shape[1])\n    for i in range(len(a)):\n        for j in range(b.shape[1]):\n'
            f'            {line}\n{end}')
def idx(line): return f'def idx_bytes(x): {line}'


HEAD, SIZES, BODY = "bytes([0, 0, 8, x.ndim])", "struct.pack(f'>{x.ndim}I', *x.shape)", 'x.numpy().tobytes()'
D = '(x[:, None] - others)'
ANSWERS = {
    1: (['answer = ((7, 3, 5), (7, 5), (3, 5))', 'answer = [[7, 3, 5], [7, 5], [3, 5]]', 'answer = ((torch.ones(7, 1, 5) * torch.ones(3, 1)).shape, torch.Size([7, 5]), (3, 5))'],
        [('answer = ((7, 1, 5), (7, 5), (3, 5))', 'shape 1 of 3: where one has a 1, the other decides'), ('answer = ((7, 3, 1), (7, 5), (3, 5))', 'q ends in a 1, so it is repeated'),
         ('answer = ((7, 3, 5), (3, 5), (3, 5))', 'shape 2 of 3: that is axis 0 gone'), ('answer = ((7, 3, 5), (7, 3), (3, 5))', 'axis 1 is the one in the middle'),
         ('answer = ((7, 3, 5), (7, 1, 5), (3, 5))', 'sum drops the axis'), ('answer = ((7, 3, 5), (7, 5), (1, 5))', 'shape 3 of 3: q has three rows'), ('answer = ((7, 3, 5), (7, 5), (7, 3, 5))', 'p[0] has lost axis 0'),
         ('answer = (7, 3, 5)', 'shape 1 of 3 is 7, and not a tuple'), ('answer = (7, 5)', 'three shapes'), ('answer = ((7, 3, 5), (7, 5), (5, 3))', 'aligned at the right')]),
    2: ([centre('x - x.mean(0)'), centre('x - x.sum(0, keepdim=True) / len(x)'), 'def centre(x):\n    x = x.clone()\n    x -= x.mean(dim=0)\n    return x', 'centre = lambda x: (x.t() - x.t().mean(1, keepdim=True)).t()'],
        [(centre('x - x.mean()'), 'one mean for the whole table'), (centre('x - x.mean(1, keepdim=True)'), 'the mean of each row'), (centre('x - x.mean(1)'), 'must match the size of tensor b'),
         (centre('x - x.sum(0)'), 'a sum in the place of a mean'), (centre('x.mean(0)'), 'still to be subtracted'), (centre('x.mean(0) - x'), 'the wrong way round'), (centre('x / x.mean(0)'), 'division makes it 1'),
         (centre('(x - x.mean(0)) / x.std(0)'), 'the spread was changed'), (centre('x.sub_(x.mean(0))'), 'the table itself was changed'), ('def centre(x): x -= x.mean(0)', 'the table itself was changed'),
         (centre('x - x.mean(0)', ''), 'nothing came back'), (centre('x - x.maen(0)'), 'maen'), (centre('(x - x.mean(0)).t()'), 'of shape (3, 4)'), ('centre = b - b.mean(0)', 'not callable')]),
    3: ([distances(f'({D}**2).sum(-1).sqrt()'), distances('torch.cdist(x, others)'), distances('((x.unsqueeze(1) - others.unsqueeze(0))**2).sum(2)**.5'), distances('torch.linalg.norm(others - x[:, None], dim=-1)'),
         'def distances(x, others): return torch.stack([((row - others)**2).sum(1).sqrt() for row in x])'],
        [(distances('((x - others[:, None])**2).sum(-1).sqrt()'), 'rows and columns exchanged'), (distances(f'({D}**2).sum(-1)'), 'the root is missing'), (distances(f'({D}**2).mean(-1).sqrt()'), 'a mean in the place of a sum'),
         (distances(f'{D}.abs().sum(-1)'), 'the differences are not squared'), (distances(f'{D}.sum(-1)'), 'below 0 cancel others'), (distances(f'({D}.sum(-1)**2).sqrt()'), 'first square, then add'),
         (distances(f'({D}**2).sum(0).sqrt()'), 'summed along axis 0'), (distances(f'({D}**2).sum(1).sqrt()'), 'summed along axis 1'), (distances(f'({D}**2).sqrt()'), 'nothing is summed'), (distances(D), 'these are the differences'),
         (distances('((x - others)**2).sum(-1).sqrt()'), 'must match the size'), (distances(f'({D}**2).sum(-1).sqrt()', ''), 'is there a `return`'), (distances(f'({D}**2).sum().sqrt()'), 'its shape is (), wanted (2, 3)'),
         (distances('torch.cdist(x, other)'), "name 'other' is not defined")]),
    4: (["pattern = 'ij,ij->i'", "pattern = 'rc, rc -> r'", "pattern = '...j,...j->...'"],
        [("pattern = 'ij,ij->'", 'everything was summed'), ("pattern = 'ij,kj->ik'", 'every row met every other row'), ("pattern = 'ij,ij->j'", 'the columns were kept'), ("pattern = 'ij->i'", 'two tables'),
         ("pattern = 'ij,ij->ij'", 'so nothing was summed'), ("pattern = 'ij,ij'", 'write the arrow'), ("pattern = 'ij,ik->i'", 'the square of the sum'), ("pattern = 'ij,ji->i'", 'does not broadcast'),
         ('pattern = 3', 'a pattern is a text'), ("pattern = 'ij,ij->k'", 'your code fails with RuntimeError'), ("pattern = 'ij,kl->i'", 'share no letter')]),
    5: ([idx(f'return {HEAD} + {SIZES} + {BODY}'), idx("return b'\\0\\0\\x08' + x.ndim.to_bytes(1, 'big') + b''.join(n.to_bytes(4, 'big') for n in x.shape) + bytes(x.flatten().tolist())"),
         "def idx_bytes(x):\n    out = bytearray(struct.pack('>HBB', 0, 8, x.ndim))\n    for n in x.shape: out += struct.pack('>I', n)\n    return out + x.numpy().tobytes()"],
        [(idx(f'return {BODY}'), 'the header is missing'), (idx(f"return {HEAD} + {SIZES.replace('>', '<')} + {BODY}"), 'lowest byte first'), (idx(f"return bytes([0, 0, 8, 3]) + {SIZES} + {BODY}"), 'for 1 axes the first four bytes'),
         (idx(f"return bytes([8, x.ndim, 0, 0]) + {SIZES} + {BODY}"), "bytes are '08 03 00 00'"), (idx(f"return {HEAD} + {SIZES.replace('3I', 'xI')}"), 'the numbers are missing'), (idx(f'return {HEAD} + {BODY}'), 'the sizes are missing'),
         (idx(f"return {HEAD} + struct.pack('>3I', *x.shape) + {BODY}"), 'expected 3 items'), (idx(f'return {HEAD} + bytes(x.shape) + {BODY}'), 'bytes must be in range(0, 256)'), (idx(f'return {HEAD} + bytes(n % 256 for n in x.shape) + {BODY}'), 'four bytes for each size'), (idx(f"return {HEAD} + {SIZES.replace('I', 'H')} + {BODY}"), 'here it has two'),
         (idx(f"return {HEAD} + struct.pack(f'>{{x.ndim}}I', *x.shape[::-1]) + {BODY}"), 'in the wrong order'), (idx(f'{HEAD} + {SIZES} + {BODY}'), 'nothing came back'), (idx(f'return {HEAD}, {SIZES}, {BODY}'), 'of type tuple'),
         (idx(f'return {HEAD} + {SIZES} + x.t().numpy().tobytes()'), 'your code fails'), (idx(f'return {HEAD} + {SIZES} + x.float().numpy().tobytes()'), '96 bytes, for 24 numbers'), (idx(f'return {HEAD} + {SIZES} + x.tobytes()'), 'tobytes')]),
    6: ([product('y[i, j] = (a[i] * b[:, j]).sum()'), product('y[i, j] = a[i] @ b[:, j]'), product('y[i, j] = sum(a[i, t] * b[t, j] for t in range(len(b)))'), 'matmul_wrong = torch.matmul'],
        [(product('y[i, j] = (a[i] * b[:, i]).sum()'), 'every column got the answer of one'), (product('y[i, j] = (a[j] * b[:, i]).sum()'), 'rows and columns exchanged'), (product('y[i, j] = (a[i] * b[:, j]).mean()'), 'a mean in the place of a sum'),
         (product('y[i, j] = (a[i] * b[j]).sum()'), 'not the product'), (product('y[i] = (a[i] * b[:, j]).sum()'), 'not the product'), (product('y[j, i] = (a[i] * b[:, j]).sum()'), 'rows and columns exchanged'),
         (product('y[i, j] = (a[i] * b[:, j]).sum()', ''), 'the `return` is gone'), (product('y[i, j] = (a[i] * b[:, k]).sum()'), 'fails with'), (product('(a[i] * b[:, j]).sum()'), 'nothing was written'), ('matmul_wrong = 3', 'not callable')]),
}

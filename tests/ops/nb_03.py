"The operations of the tape: `ours` computes with Vars, and the gradients come from `Var.backward`."
import torch
from exp.nb_03 import Var
from registry import Op


def op(name, f, theirs, shapes, sample=torch.randn):
    "`f` takes Vars; its gradients are those that `backward` leaves in them."
    def backward(g, *inputs):
        leaves = [Var(x, True) for x in inputs]
        f(*leaves).backward(g)
        return [leaf.grad for leaf in leaves]
    return Op(name, lambda *inputs: f(*map(Var, inputs)).data, theirs, shapes, backward, sample)


def positive(shape, dtype): return torch.rand(shape, dtype=dtype) + .5


def apart(shape, dtype): return torch.randperm(torch.Size(shape).numel()).to(dtype).reshape(shape)      # no two alike


def log_softmax(z):
    z = z - z.max(1, keepdim=True)
    return z - z.exp().sum(1, keepdim=True).log()


def network(x, w1, b1, w2, b2, y): return (((x @ w1 + b1).relu() @ w2 + b2 - y)**2).mean()


EACH = [[(5, 3)], [(1, 4)], [(3, 1)], [()], [(0, 3)], [(2, 1, 3)]]
SOME = [case for case in EACH if case != [(0, 3)]]
PAIRS = [[(5, 3), (5, 3)], [(5, 3), (3,)], [(5, 1), (1, 3)], [(), (2, 3)], [(2, 3), ()], [(1,), (1, 1)], [(0, 3), (3,)], [(2, 1, 3), (4, 1)]]
ROWS = [[(5, 3)], [(1, 4)], [(4, 1)]]
CUBES = [[(2, 3, 4)], [(1, 3, 1)], [(2, 0, 3)]]
MASK, TWICE = torch.tensor([True, False, True, True, False]), torch.tensor([4, 0, 4, 4])
ARITHMETIC = [
    op('Arithmetic', lambda a, b: a + b, lambda a, b: a + b, PAIRS),
    op('Arithmetic', lambda a, b: a - b, lambda a, b: a - b, PAIRS),
    op('Arithmetic', lambda a, b: a * b, lambda a, b: a * b, PAIRS),
    op('Arithmetic', lambda a, b: a / b, lambda a, b: a / b, PAIRS, positive),
    op('Arithmetic', lambda a: -a, lambda a: -a, EACH),
    op('Arithmetic', lambda a: 2 + 3*a - 1, lambda a: 2 + 3*a - 1, EACH),
    op('Arithmetic', lambda a: 2/a - (.1 - a)/4, lambda a: 2/a - (.1 - a)/4, EACH, positive),
    op('Arithmetic', lambda a: a**3 + a**0, lambda a: a**3 + a**0, EACH),
    op('Arithmetic', lambda a: a**.5 + a**-2, lambda a: a**.5 + a**-2, EACH, positive),
]
FUNCTIONS = [
    op('Functions', lambda a: a.exp(), torch.exp, EACH),
    op('Functions', lambda a: a.log(), torch.log, EACH, positive),
    op('Functions', lambda a: a.tanh(), torch.tanh, EACH),
    op('Functions', lambda a: a.relu(), torch.relu, EACH),
]
REDUCTIONS = [
    op('Reductions', lambda a: a.sum(), lambda a: a.sum(), EACH),
    op('Reductions', lambda a: a.sum(keepdim=True), lambda a: a.sum(None, keepdim=True), EACH),
    op('Reductions', lambda a: a.sum(0), lambda a: a.sum(0), EACH),
    op('Reductions', lambda a: a.sum(1), lambda a: a.sum(1), CUBES),
    op('Reductions', lambda a: a.sum(-1), lambda a: a.sum(-1), CUBES),
    op('Reductions', lambda a: a.sum(-1, keepdim=True), lambda a: a.sum(-1, keepdim=True), CUBES),
    op('Reductions', lambda a: a.sum((0, -1)), lambda a: a.sum((0, -1)), CUBES),
    op('Reductions', lambda a: a.mean(), lambda a: a.mean(), SOME),
    op('Reductions', lambda a: a.mean(keepdim=True), lambda a: a.mean(None, keepdim=True), SOME),
    op('Reductions', lambda a: a.mean(0), lambda a: a.mean(0), [*SOME, *CUBES]),
    op('Reductions', lambda a: a.mean(-2, keepdim=True), lambda a: a.mean(-2, keepdim=True), CUBES[:2]),
    op('Reductions', lambda a: a.mean([2, 0]), lambda a: a.mean([2, 0]), CUBES[:2]),
    op('Reductions', lambda a: a.max(), lambda a: a.max(), SOME),
    op('Reductions', lambda a: a.max(keepdim=True), lambda a: a.amax((), keepdim=True), SOME),
    op('Reductions', lambda a: a.max(-1), lambda a: a.amax(-1), SOME),
    op('Reductions', lambda a: a.max(1), lambda a: a.amax(1), CUBES[:2]),
    op('Reductions', lambda a: a.max(-1, keepdim=True), lambda a: a.amax(-1, keepdim=True), CUBES),
    op('Reductions', lambda a: a.max((0, 1)), lambda a: a.amax((0, 1)), CUBES[:2], apart),
]
MATRICES = [
    op('Matrices', lambda a, b: a @ b, lambda a, b: a @ b, [[(5, 3), (3, 2)], [(1, 4), (4, 1)], [(2, 1), (1, 3)], [(0, 3), (3, 2)], [(2, 0), (0, 3)]]),
    op('Matrices', lambda a: a.reshape(2, -1), lambda a: a.reshape(2, -1), [[(2, 3, 4)], [(6, 1)]]),
    op('Matrices', lambda a: a.transpose(0, 2), lambda a: a.transpose(0, 2), CUBES),
    op('Matrices', lambda a: a.transpose(0, -1), lambda a: a.transpose(0, -1), EACH),
    op('Matrices', lambda a: a.t(), lambda a: a.t(), [*ROWS, [(0, 2)], [(3,)], [()]]),
    op('Matrices', lambda a: a[1], lambda a: a[1], [[(5, 3)], [(2,)]]),
    op('Matrices', lambda a: a[:, None, ::2], lambda a: a[:, None, ::2], [[(5, 3)], [(1, 4)], [(0, 3)]]),
    op('Matrices', lambda a: a[TWICE], lambda a: a[TWICE], [[(5, 3)], [(5,)], [(5, 0)]]),
    op('Matrices', lambda a: a[MASK], lambda a: a[MASK], [[(5, 3)], [(5,)]]),
    op('Matrices', lambda a: a[TWICE, [0, 1, 0, 0]], lambda a: a[TWICE, [0, 1, 0, 0]], [[(5, 3)]]),
]
TOGETHER = [
    op('Var', log_softmax, lambda z: torch.log_softmax(z, 1), ROWS),
    op('Var', network, lambda x, w1, b1, w2, b2, y: ((torch.relu(x @ w1 + b1) @ w2 + b2 - y)**2).mean(),
       [[(5, 4), (4, 3), (3,), (3, 1), (1,), (5, 1)], [(1, 2), (2, 6), (6,), (6, 2), (2,), (1, 2)]]),
    op('Var', lambda a: (a * a + a).tanh() * a, lambda a: (a * a + a).tanh() * a, EACH),
]
OPS = ARITHMETIC + FUNCTIONS + REDUCTIONS + MATRICES + TOGETHER
NOT_OPS = {'Value', 'Node', 'no_grad', 'record', 'link', 'check_links', 'unbroadcast', 'as_node', 'pair', 'topological', 'gradients', 'gradcheck', 'draw_graph'}

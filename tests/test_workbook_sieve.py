"What no answer needs is told from its text; what answers do need is let through."
import ast
import pytest
from workbook_sieve import doubts
from readers import CELLS


@pytest.mark.parametrize('body', ['import os', 'from torch import sys', 'from exp.nb_02 import double', 'import torch._C', 'return eval("2")', 'return math.os', 'math.isclose = print',
                                  'return x.__globals__', 'return "{0.__globals__}".format(x)', 'x.__class__ = str', 'x.tolist = print', 'class Liar: pass', 'return type("L", (), {})',
                                  'return getattr(x, "y")', 'return [e for e in [eval]]', 'global double', 'math.x[0] = 1', 'del math.pi', 'return __builtins__', 'return x.gi_frame.f_back', 'return math._x', 'math.pi.x = 1', 't.x = 1'])
def test_what_no_answer_needs_is_left_to_a_human(body):
    tree = ast.parse('from exp.nb_00 import test as t\n' + CELLS[0] + '\n' + CELLS[1])
    assert doubts(ast.parse(f'def double(x):\n    {body}'), tree.body[1], tree)


@pytest.mark.parametrize('body', ['import math, itertools', 'from functools import reduce', 'self.n = x', 'x.grad = 1', 'x[0] = 1', 'return self.__class__(x)', 'super().__init__()',
                                  'model.eval()', 'input = x', '"__globals__ in a docstring"', 'return torch.nn.functional.relu(x)', 'def helper(y): return y', 'return self._kept', 'return type(x)(x)', 'import exp.nb_00', 'from exp.nb_00 import other', 'import torch as t'])
def test_what_answers_do_need_is_run(body):
    tree = ast.parse('import torch\nfrom exp.nb_00 import test as t\n' + CELLS[1])
    assert doubts(ast.parse(f'def double(x):\n    {body}'), tree.body[1], tree) == []


def test_what_the_solution_uses_an_answer_may_use_too():
    tree, answer = ast.parse('def f(x): return getattr(x, "y")'), ast.parse('def f(z):\n    return getattr(z, "y") or 0')
    assert doubts(answer, tree.body[0], tree) == [] != doubts(answer, ast.parse('def f(x): pass').body[0], tree)

"""Every operation, layer and loss that the course exports, with what each must agree with.

`tests/ops/nb_NN.py` lists those of one module: `OPS`, and in `NOT_OPS` the names that are no operations.
`test_gradients.py` checks each of them three ways, and that no exported name is in neither list."""
import importlib.util, os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable
import torch


@dataclass
class Op:
    "`ours(*inputs)` must equal `theirs(*inputs)`, and so must the gradients, for inputs of each of the `shapes`."
    name: str                                   # as exported
    ours: Callable                              # (*inputs) -> output
    theirs: Callable                            # the same from PyTorch
    shapes: list                                # of cases; a case is a list with the shape of each input
    backward: Callable | None = None            # (g, *inputs) -> their gradients; None: autograd through `ours`
    sample: Callable = torch.randn              # draws an input; for operations with a smaller domain

    def gradients(self, g, *inputs):
        "The gradients of `(ours(*inputs) * g).sum()` with respect to each of the inputs."
        if self.backward: return self.backward(g, *inputs)
        leaves = [x.clone().requires_grad_() for x in inputs]
        return torch.autograd.grad(self.ours(*leaves), leaves, g)


def load(path):
    spec = importlib.util.spec_from_file_location(f'ops_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LISTS = {path.stem: load(path) for path in sorted((Path(__file__).parent/'ops').glob('nb_*.py'))}
ASKED = os.environ.get('MUTANT')                 # the only module that is looked at, when a mistake has been put into it
CASES = [(home, op, shapes) for home, ops in LISTS.items() if ASKED in (None, home) for op in ops.OPS for shapes in op.shapes]

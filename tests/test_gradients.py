"Every exported operation against PyTorch, in value and gradient, shape and dtype, and against finite differences (see registry.py)."
import importlib
from pathlib import Path
import pytest, torch
from registry import CASES, LISTS

EXPORTED = sorted(path.stem for path in (Path(__file__).parents[1]/'exp').glob('nb_*.py'))
each_case = pytest.mark.parametrize('op, shapes', [case[1:] for case in CASES],
                                    ids=[f'{home}.{op.name}-{"-".join(map(str, shapes))}' for home, op, shapes in CASES])


def draw(op, shapes, dtype=torch.float64):
    "Inputs, and a gradient of the output, the same ones in every run."
    torch.manual_seed(0)
    inputs = [op.sample(shape, dtype=dtype) for shape in shapes]
    return inputs, torch.randn_like(op.theirs(*inputs))


def difference(f, inputs, i, j, eps=1e-6):
    "The slope of the scalar `f` along number `j` of input `i`."
    def at(step):
        moved = [x.clone() for x in inputs]
        moved[i].view(-1)[j] += step
        return f(*moved)
    return (at(eps) - at(-eps)) / (2*eps)


@each_case
@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-5), (torch.float64, 1e-7)], ids=['float32', 'float64'])
def test_value_and_gradient_are_pytorchs_in_shape_and_dtype_too(op, shapes, dtype, tolerance):
    inputs, g = draw(op, shapes, dtype)
    leaves = [x.clone().requires_grad_() for x in inputs]
    want = op.theirs(*leaves)
    torch.testing.assert_close(op.ours(*inputs), want.detach(), rtol=tolerance, atol=tolerance)
    for got, grad in zip(op.gradients(g, *inputs), torch.autograd.grad(want, leaves, g), strict=True):
        torch.testing.assert_close(got, grad, rtol=tolerance, atol=tolerance)


@each_case
def test_gradient_is_the_slope_found_by_finite_differences(op, shapes):
    inputs, g = draw(op, shapes)
    for i, grad in enumerate(op.gradients(g, *inputs)):
        slopes = [difference(lambda *xs: (op.ours(*xs) * g).sum(), inputs, i, j) for j in range(inputs[i].numel())]
        torch.testing.assert_close(grad, torch.tensor(slopes, dtype=torch.float64).reshape(inputs[i].shape), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('home', EXPORTED)
def test_every_exported_name_is_listed_as_an_operation_or_as_none(home):
    module = importlib.import_module(f'exp.{home}')
    defined = {name for name, x in vars(module).items() if getattr(x, '__module__', '') == module.__name__ and name[0] != '_'}
    ops = {op.name for op in LISTS[home].OPS}
    assert ops | LISTS[home].NOT_OPS == defined and not ops & LISTS[home].NOT_OPS

import copy, gc, weakref
import pytest, torch
from torch import nn
from exp.nb_07a import KINDS, Hooks, leaves

close = torch.testing.assert_close


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 3)), nn.ReLU())


def hooks_on(*modules):
    "The number of hooks of any kind that the modules and all within them carry."
    inside = {module for outer in modules for module in outer.modules()}
    kinds = '_forward_hooks', '_forward_pre_hooks', '_backward_hooks', '_backward_pre_hooks'
    return sum(len(getattr(module, kind)) for module in inside for kind in kinds)


def shape(layer, inputs, output): return tuple(output.shape)


class Refuses(nn.ReLU):
    "A layer on which no hook can be put."
    def __init__(self, error):
        super().__init__()
        self.error = error
    def register_forward_hook(self, *args): raise self.error


# ---- hooks

def test_a_model_stands_for_its_layers_without_children_once_each_in_their_order():
    model = net()
    assert leaves(model) == [model[0], model[1][0], model[1][1], model[2]] and leaves(model[0]) == [model[0]]
    twice, empty = nn.ReLU(), nn.ModuleList()
    assert leaves(nn.Sequential(twice, nn.Flatten(), twice, empty))[::2] == [twice, empty] and leaves(nn.ModuleDict({'a': empty})) == [empty]


def test_what_f_returns_is_kept_for_each_layer_and_call_and_passes_nothing_on():
    model, x = net(), torch.randn(7, 4)
    want = model(x)
    with Hooks(model, shape) as hooks: got = [model(x), model(x[:1])]
    assert torch.equal(got[0], want) and len(hooks) == 4 and hooks[0] == [(7, 5), (1, 5)] and hooks[3] == [(7, 3), (1, 3)]
    assert [(layer, kept) for layer, kept in hooks] == [(layer, kept) for layer, kept in zip(leaves(model), hooks.kept)]


def test_some_layers_are_asked_and_no_others_and_none_is_not_kept():
    model = net()
    with Hooks(iter([model[2], model[0]]), lambda layer, *_: layer if layer is model[0] else None) as hooks: model(torch.randn(2, 4))
    assert hooks.kept == [[], [model[0]]] and hooks_on(model) == 0


def test_f_is_given_the_layer_its_inputs_and_its_output():
    model, x = net(), torch.randn(2, 4)
    with Hooks([model[0]], lambda *given: given) as hooks: model(x)
    (layer, (inside,), out), = hooks[0]
    assert layer is model[0] and inside is x and torch.equal(out, model[0](x))


def test_with_replace_what_f_returns_passes_in_place_of_the_output_and_none_changes_nothing():
    model, x = net(), torch.randn(2, 4)
    for f, want in ((lambda layer, inputs, out: -out, -model[0](x)), (lambda *_: None, model[0](x))):
        with Hooks([model[0]], f, replace=True) as hooks: assert torch.equal(model[0](x), want) and hooks[0] == []


def test_a_hook_before_the_layer_sees_its_inputs_and_may_replace_them():
    layer, x = nn.Linear(4, 3), torch.randn(2, 4)
    with Hooks(layer, lambda layer, inputs: inputs[0].sum(), 'forward_pre') as hooks: layer(x)
    assert hooks[0] == [x.sum()]
    with Hooks(layer, lambda layer, inputs: (2 * inputs[0],), 'forward_pre', replace=True): got = layer(x)
    close(got, layer(2 * x))


def test_hooks_of_the_backward_pass_see_the_gradients_of_inputs_and_outputs():
    layer, x, g = nn.Linear(4, 3), torch.randn(2, 4, requires_grad=True), torch.randn(2, 3)
    with Hooks(layer, lambda layer, of_in, of_out: (*of_in, *of_out), 'backward') as both, Hooks(layer, lambda layer, of_out: of_out, 'backward_pre') as outputs:
        layer(x).backward(g)
    (of_x, of_out), = both[0]
    close(of_x, g @ layer.weight)
    assert torch.equal(of_out, g) and torch.equal(outputs[0][0][0], g) and hooks_on(layer) == 0


@pytest.mark.parametrize('kind', KINDS)
def test_no_hook_is_there_before_and_after(kind):
    model = net()
    hooks = Hooks(model, lambda *_: None, kind)
    assert hooks_on(model) == 0
    with hooks: assert hooks_on(model) == 4
    assert hooks_on(model) == 0


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_raised_in_the_block_goes_on_and_the_hooks_are_removed(error):
    model = net()
    with pytest.raises(error, match='this'), Hooks(model, shape) as hooks:
        model(torch.randn(2, 4))
        raise error('this')
    assert hooks_on(model) == 0 and hooks[0] == [(2, 5)]


@pytest.mark.parametrize('error', [ValueError('this'), KeyboardInterrupt('this')])
def test_what_a_hook_raises_goes_on_and_the_hooks_are_removed(error):
    def fail(layer, inputs, output): raise error
    model = net()
    with pytest.raises(type(error), match='this'), Hooks(model, fail): model(torch.randn(2, 4))
    assert hooks_on(model) == 0 and model(torch.randn(2, 4)).shape == (2, 3)


@pytest.mark.parametrize('error', [ValueError('this'), KeyboardInterrupt('this')])
def test_if_the_third_of_five_cannot_be_registered_the_first_two_are_removed(error):
    layers = [nn.ReLU(), nn.ReLU(), Refuses(error), nn.ReLU(), nn.ReLU()]
    hooks = Hooks(layers, shape)
    with pytest.raises(type(error), match='this'), hooks: raise AssertionError('the block was entered')
    assert hooks_on(*layers) == 0 and hooks.handles == []


def test_a_ctrl_c_while_they_are_removed_leaves_none():
    class Interrupted:
        def __init__(self, handle): self.handle, self.calls = handle, 0
        def remove(self):
            self.calls += 1
            if self.calls == 1: raise KeyboardInterrupt
            self.handle.remove()
    model = net()
    with pytest.raises(KeyboardInterrupt), Hooks(model, shape) as hooks: hooks.handles[1] = Interrupted(hooks.handles[1])
    assert hooks_on(model) == 0


def test_they_can_be_used_again_and_then_begin_with_nothing():
    model = net()
    hooks = Hooks(model, shape)
    for n in (2, 3):
        with hooks as entered: model(torch.randn(n, 4))
        assert entered is hooks and hooks[0] == [(n, 5)] and hooks_on(model) == 0


def test_within_themselves_they_are_refused_and_the_first_use_goes_on():
    model = net()
    with Hooks(model, shape) as hooks:
        with pytest.raises(RuntimeError, match='registered already'): hooks.register()
        model(torch.randn(2, 4))
    assert hooks[0] == [(2, 5)] and hooks_on(model) == 0


def test_without_a_block_they_are_registered_and_removed_by_name_the_second_removal_does_nothing():
    model = net()
    hooks = Hooks(model, shape).register()
    assert hooks_on(model) == 4
    for _ in range(2):
        hooks.remove()
        assert hooks_on(model) == 0


def test_hooks_of_others_stay():
    model, seen = net(), []
    handle = model[0].register_forward_hook(lambda *_: seen.append(1))
    with Hooks(model, shape) as one:
        with Hooks(model, shape) as other: model(torch.randn(2, 4))
        model(torch.randn(2, 4))
    assert len(one[0]) == 2 and len(other[0]) == 1 and len(seen) == 2 and hooks_on(model) == 1
    handle.remove()


def test_a_copy_of_the_model_that_was_made_meanwhile_is_not_listened_to():
    model = net()
    with Hooks(model, shape) as hooks: copy.deepcopy(model)(torch.randn(2, 4))
    assert hooks.kept == [[]] * 4


def test_after_the_block_the_model_keeps_nothing_of_them_alive():
    model = net()
    with Hooks(model, lambda layer, inputs, out: out) as hooks: out = model(torch.randn(2, 4))
    gone = weakref.ref(hooks), weakref.ref(hooks[0][0])
    del hooks, out
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


@pytest.mark.parametrize('layers, f, kind, error, says', [
    (['relu'], shape, 'forward', TypeError, "'relu' is no layer"), ([nn.ReLU], shape, 'forward', TypeError, 'is no layer'), ([], shape, 'forward', ValueError, 'no layers'),
    (2 * [nn.ReLU()], shape, 'forward', ValueError, 'twice'), (nn.ReLU(), None, 'forward', TypeError, 'None is no function'), (nn.ReLU(), shape, 'back', ValueError, "'back' is none of .*'backward'")])
def test_what_cannot_be_meant_is_refused(layers, f, kind, error, says):
    with pytest.raises(error, match=f'^Hooks: .*{says}'): Hooks(layers, f, kind)

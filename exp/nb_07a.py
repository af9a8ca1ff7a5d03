# Generated from nbs/07a_hooks.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/07a_hooks.ipynb 9ff57b83
import math, numbers
import torch
from torch import nn
from exp.nb_04a import Callback
from exp.nb_05 import check_count, contents

# ---
# KINDS
# %% nbs/07a_hooks.ipynb 465745c5
KINDS = {'forward': 'register_forward_hook', 'forward_pre': 'register_forward_pre_hook',
         'backward': 'register_full_backward_hook', 'backward_pre': 'register_full_backward_pre_hook'}

def leaves(model):
    "The layers of `model` that have no layers within them, each once, in the order in which they were made."
    return [layer for layer in model.modules() if next(layer.children(), None) is None]

# ---
# Hooks
# %% nbs/07a_hooks.ipynb 75e3437a
class Hooks:
    """Calls `f` whenever one of `layers` is called: in `with Hooks(layers, f) as hooks:`, and no more after the block, however
    it ends. `layers`: modules, or a model, which stands for its `leaves`. `kind` says when f is called, and with what:
    'forward' f(layer, inputs, output), 'forward_pre' f(layer, inputs), 'backward' f(layer, gradients of the inputs, of the
    outputs), 'backward_pre' f(layer, gradients of the outputs). What f returns is kept unless it is None: `hooks[i]` is the
    list of layer i. With `replace` it takes the place of what passes instead. TypeError: no layer, no function;
    ValueError: no layers, one of them twice, no such kind."""
    def __init__(self, layers, f, kind='forward', replace=False):
        self.layers = leaves(layers) if isinstance(layers, nn.Module) else list(layers)
        for layer in self.layers:
            if not isinstance(layer, nn.Module): raise TypeError(f'Hooks: {layer!r} is no layer')
        if not self.layers: raise ValueError('Hooks: there are no layers')
        if len({*self.layers}) < len(self.layers): raise ValueError('Hooks: a layer is there twice')
        if not callable(f): raise TypeError(f'Hooks: {f!r} is no function')
        if kind not in KINDS: raise ValueError(f'Hooks: kind {kind!r} is none of {[*KINDS]}')
        self.f, self.kind, self.replace, self.handles, self.kept = f, kind, replace, [], []

    def register(self):
        "Begins, with nothing kept. RuntimeError between this and `remove`."
        if self.handles: raise RuntimeError('Hooks: these are registered already; wanted `remove` first, or others')
        self.kept = [[] for _ in self.layers]
        try:
            for layer, kept in zip(self.layers, self.kept):
                self.handles.append(getattr(layer, KINDS[self.kind])(self.hook(layer, kept)))
        except BaseException:
            self.remove()
            raise
        return self

    def hook(self, layer, kept):
        def called(module, *what):
            if module is not layer: return              # of a copy of the model, which has taken the hook along
            result = self.f(module, *what)
            if self.replace: return result
            if result is not None: kept.append(result)
        return called

    def remove(self):
        "Ends; a second time does no harm."
        try:
            for handle in self.handles: handle.remove()
        finally:                                        # all of them once more: a Ctrl-C may have come in between
            for handle in self.handles: handle.remove()
            self.handles = []

    def __enter__(self): return self.register()
    def __exit__(self, *raised): self.remove()
    def __len__(self): return len(self.layers)
    def __getitem__(self, i): return self.kept[i]
    def __iter__(self): return iter(zip(self.layers, self.kept))

# ---

from torch import nn
from torch.nn import functional as F
from exp.nb_02 import Lin, Model, Mse, Relu, lin, mse, normalize, relu
from registry import Op


def run(layer, g, *inputs):
    "Forward, backward; the gradients of the input and of the parameters."
    layer(*inputs)
    return [layer.backward(g)] + [p.grad for p in layer.parameters()]


def mse_backward(g, pred, targ):
    grad = run(Mse(), g, pred, targ)[0]
    return grad, -grad                          # the loss depends on the difference alone; the layer returns the first


def network(w1, b1, w2, b2): return Model([Lin(w1, b1), Relu(), Lin(w2, b2)], Mse())


def torch_network(x, w1, b1, w2, b2, targ): return F.mse_loss(F.relu(x @ w1 + b1) @ w2 + b2, targ)


def network_backward(g, x, w1, b1, w2, b2, targ):
    net = network(w1, b1, w2, b2)
    grads = run(net, g, x, targ)
    return *grads, mse_backward(g, net.predict(x), targ)[1]


LINEAR = [[(5, 4), (4, 3), (3,)], [(1, 4), (4, 1), (1,)], [(6, 1), (1, 2), (2,)]]
POINTWISE = [[(5, 3)], [(1, 7)], [(2, 1, 3)]]
LOSS = [[(5, 1), (5, 1)], [(4, 3), (4, 3)], [(1,), (1,)]]
OPS = [
    Op('lin', lin, lambda x, w, b: F.linear(x, w.t(), b), LINEAR),
    Op('relu', relu, F.relu, POINTWISE),
    Op('mse', mse, F.mse_loss, LOSS),
    Op('normalize', normalize, lambda x, mean, std: x.sub(mean).div(std), [[(5, 3), (), ()], [(4, 2), (2,), (2,)]]),
    Op('Lin', lambda x, w, b: Lin(w, b)(x), lambda x, w, b: F.linear(x, w.t(), b), LINEAR,
       lambda g, x, w, b: run(Lin(w, b), g, x)),
    Op('Relu', lambda x: Relu()(x), nn.ReLU(), POINTWISE, lambda g, x: run(Relu(), g, x)),
    Op('Mse', lambda pred, targ: Mse()(pred, targ), nn.MSELoss(), LOSS, mse_backward),
    Op('Model', lambda x, w1, b1, w2, b2, targ: network(w1, b1, w2, b2)(x, targ), torch_network,
       [[(5, 4), (4, 3), (3,), (3, 1), (1,), (5, 1)], [(1, 2), (2, 6), (6,), (6, 2), (2,), (1, 2)]], network_backward),
]
NOT_OPS = {'get_data', 'test_near_zero', 'kaiming_init', 'Module'}

"What only a GPU can break. Where there is none, all of it is skipped: run it by hand on a machine that has one."
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_04 import SGD, DataLoaders, accuracy
from exp.nb_04a import Callback, FitError
from exp.nb_05 import DeviceCallback, Learner, MetricsCallback, StopOnNaN
from exp.nb_05a import EarlyStopping, ProgressCallback, Recorder
from exp.nb_05b import Checkpoint
from exp.nb_06 import OneCycle, lr_find
from exp.nb_07 import avg_pool2d, conv2d, max_pool2d
from exp.nb_07a import ActivationStats, Hooks, histogram, largest, leaves, measure, regular_sample
from exp.nb_08 import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, conv_norm
from exp.nb_09 import EMA, LAMB, Adagrad, Adam, AdamW, Lion, RMSProp
from exp.nb_12 import Affine, Augment, Colour, CutMix, Erase, Flip, Mixup, soft_cross_entropy
from exp.nb_17 import KVCache, SelfAttention, attention, attention_in_blocks
from learners import data, learner, weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA GPU')


def momentum(params, lr): return SGD(params, lr, momentum=.9)


def new(cbs=(), **kw): return learner([DeviceCallback(), MetricsCallback(accuracy=accuracy), *cbs], opt_func=momentum, **kw)


def test_a_fit_on_the_gpu_learns_what_it_learns_on_the_cpu():
    on_gpu, on_cpu = new().fit(3), learner([MetricsCallback(accuracy=accuracy)], opt_func=momentum).fit(3)
    assert all(p.is_cuda for p in on_gpu.model.parameters()) and all(m['velocity'].is_cuda for m in on_gpu.opt.memory.values())
    torch.testing.assert_close(weights(on_gpu).cpu(), weights(on_cpu), rtol=1e-4, atol=1e-5)
    for a, b in zip(on_gpu.history, on_cpu.history): assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


def test_what_is_asked_comes_to_the_cpu_with_the_callback_and_without():
    learn = new().fit(1)
    for cbs in (learn.cbs, [StopOnNaN()]):
        learn.cbs = cbs
        preds, targs = learn.get_preds()
        assert not preds.is_cuda and not targs.is_cuda and not learn.predict(data().x).is_cuda
        torch.testing.assert_close(learn.predict(data().x), preds)
        assert learn.validate()['loss'] == pytest.approx(F.cross_entropy(preds, targs).item(), rel=1e-5) and '(32, 3)' in learn.summary()


@pytest.mark.parametrize('broken_after', [1, 3])
def test_a_resumed_fit_ends_with_the_same_bits_dropout_included(tmp_path, broken_after):
    def make(*cbs): return new([OneCycle(.2), Recorder(), *cbs], layers=[nn.Dropout(.5)])
    torch.cuda.manual_seed_all(3)
    want = make().fit(5)
    torch.cuda.manual_seed_all(3)
    make(Checkpoint(tmp_path)).fit(5, [Stop(broken_after)])
    torch.cuda.manual_seed_all(99), torch.manual_seed(99)
    got = make(Checkpoint(tmp_path)).fit(5)
    assert torch.equal(weights(got), weights(want)) and got.history == want.history and weights(got).is_cuda


class Stop(Callback):
    "Ctrl-C in the epoch after `epochs` whole ones."
    def __init__(self, epochs): self.epochs = epochs
    def before_train(self, learn):
        if learn.epoch == self.epochs: raise KeyboardInterrupt


def test_a_file_of_the_gpu_can_be_gone_on_with_on_the_cpu(tmp_path):
    new([Checkpoint(tmp_path)]).fit(2)
    learn = learner([DeviceCallback('cpu'), MetricsCallback(accuracy=accuracy), Checkpoint(tmp_path)], opt_func=momentum).fit(3)
    torch.testing.assert_close(weights(learn), weights(new().fit(3)).cpu(), rtol=1e-4, atol=1e-5)


def test_weights_go_back_after_a_number_that_is_none_and_after_the_search_for_a_rate():
    learn = new([ProgressCallback(quiet=True)])
    learn.fit(1)
    before, velocity = weights(learn), [m['velocity'].clone() for m in learn.opt.memory.values()]
    lr_find(learn, steps=20)
    assert torch.equal(weights(learn), before) and all(map(torch.equal, velocity, [m['velocity'] for m in learn.opt.memory.values()]))
    learn.dls = DataLoaders([(torch.full((8, 4), float('nan')), torch.zeros(8, dtype=torch.long))], learn.dls.valid)
    learn.fit(1)
    assert torch.equal(weights(learn), before) and weights(learn).is_cuda


def test_the_best_weights_come_back_on_the_gpu():
    learn = new([EarlyStopping(patience=1, restore_best=True)], lr=2.)
    learn.fit(12)
    best = min(row['valid_loss'] for row in learn.history)
    assert learn.validate()['loss'] == pytest.approx(best, rel=1e-5) and weights(learn).is_cuda


def test_a_loss_with_weights_of_the_classes_is_moved_and_dicts_and_packed_sequences_too():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.lin = nn.GRU(4, 5, batch_first=True), nn.Linear(5, 3)
        def forward(self, text, shift): return self.lin(self.rnn(text)[1][0]) + shift['by']
    def packed(n): return nn.utils.rnn.pack_sequence([torch.randn(k, 4) for k in range(n, 0, -1)])
    torch.manual_seed(0)
    batches = [(packed(3), {'by': torch.ones(3)}, tensor([0, 1, 2]))] * 2
    learn = Learner(Model(), DataLoaders(batches, batches), nn.CrossEntropyLoss(weight=tensor([1., 2., 3.])), cbs=[DeviceCallback()]).fit(2)
    assert learn.loss.is_cuda and learn.loss_func.weight.is_cuda and learn.xb[0].data.is_cuda and not learn.xb[0].batch_sizes.is_cuda


def test_a_model_on_another_device_than_its_batches_says_what_failed():
    learn = learner()
    learn.model.cuda()
    with pytest.raises(FitError, match='failed, last event before_batch.*training batch 1.*device'): learn.fit(1)


class Strict(Callback):
    "Where the stream is asked for a number, torch complains in this mode."
    order = -30
    def before_batch(self, learn): torch.cuda.set_sync_debug_mode('error' if learn.training and learn.batch else 'default')
    def after_train(self, learn): torch.cuda.set_sync_debug_mode('default')
    teardown = after_train


def test_the_host_waits_once_an_epoch_and_not_for_each_batch():
    x, y = torch.randn(400, 4).cuda(), torch.randint(3, (400,)).cuda()
    learn = new([Strict(), Recorder(), OneCycle(.1), ProgressCallback(quiet=True)])
    learn.dls = DataLoaders([(x[i:i + 16], y[i:i + 16]) for i in range(0, 400, 16)], learn.dls.valid)
    learn.fit(2)
    assert len(learn.history) == 2

# ---- lessons 07 and 09

@pytest.mark.parametrize('how', [{}, dict(stride=2, padding=1), dict(stride=(1, 3), dilation=(2, 1), padding=(1, 2), groups=2)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_convolutions_are_torchs_in_value_and_gradients(how, dtype):
    shapes = (3, 4, 9, 8), (6, 4 // how.get('groups', 1), 3, 2), (6,)
    x, w, b = leaves = [torch.randn(shape, dtype=dtype, device='cuda', requires_grad=True) for shape in shapes]
    want = F.conv2d(x, w, b, **how)
    g = torch.randn_like(want)
    got = conv2d(x, w, b, **how)
    for ours, theirs in zip((got, *torch.autograd.grad(got, leaves, g)), (want, *torch.autograd.grad(want, leaves, g))):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)          # TF32 in the library's float32


@pytest.mark.parametrize('ours, theirs', [(max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d)])
def test_pooling_is_torchs_in_value_and_gradient(ours, theirs):
    x = torch.randint(4, (2, 3, 9, 8), device='cuda').double().requires_grad_()                    # with many ties
    got, want = ours(x, 3, stride=2, padding=1), theirs(x, 3, stride=2, padding=1)
    g = torch.randn_like(want)
    assert torch.equal(got, want) or torch.allclose(got, want)
    torch.testing.assert_close(*(torch.autograd.grad(y, x, g)[0] for y in (got, want)))


@pytest.mark.parametrize('ours, theirs, settings', [
    (SGD, torch.optim.SGD, dict(lr=.1, momentum=.9, nesterov=True, weight_decay=.01)), (Adagrad, torch.optim.Adagrad, dict(lr_decay=.1)),
    (RMSProp, torch.optim.RMSprop, dict(momentum=.9, centered=True)), (Adam, torch.optim.Adam, dict(amsgrad=True)), (AdamW, torch.optim.AdamW, dict(lr=.1))])
def test_steps_are_torchs(ours, theirs, settings):
    torch.manual_seed(0)
    a = [torch.randn(shape, device='cuda') for shape in ((7, 3), (5,), ())]
    b = [p.clone() for p in a]
    pair = ours(a, **settings), theirs(b, foreach=False, **settings)
    for _ in range(20):
        for p, q in zip(a, b): p.grad = torch.randn_like(p); q.grad = p.grad.clone()
        for opt in pair: opt.step()
    for p, q in zip(a, b): torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize('make', [Lion, lambda params, lr: LAMB(params, lr=.01)])
def test_a_fit_with_averaged_weights_goes_on_with_the_same_bits(tmp_path, make):
    def new(*cbs): return learner([DeviceCallback(), MetricsCallback(accuracy=accuracy), EMA(.9), *cbs], opt_func=make, lr=.01)
    want = new().fit(4)
    new(Checkpoint(tmp_path)).fit(4, [Stop(2)])
    got = new(Checkpoint(tmp_path)).fit(4)
    assert torch.equal(weights(got), weights(want)) and got.history == want.history and weights(got).is_cuda

# ---- lesson 07a

def test_looking_inside_makes_nobody_wait_and_the_figures_are_those_of_the_layers_called_by_hand():
    class ByHand(Callback):
        order, rows = 40, []
        def before_batch(self, learn):
            x, row = learn.xb, []
            if not learn.training: return
            with torch.no_grad():
                for layer in leaves(learn.model):
                    x = layer(x)
                    row.append(torch.stack([x.mean(), x.std(correction=0)]))
            self.rows.append(torch.stack(row))
    x, y = torch.randn(400, 4).cuda(), torch.randint(3, (400,)).cuda()
    stats, hand = ActivationStats(), ByHand()
    learn = new([Strict(), stats], layers=[nn.Dropout(0.), nn.Unflatten(1, (5, 1)), nn.GRU(1, 5, batch_first=True), Last()])
    learn.dls = DataLoaders([(x[i:i + 16], y[i:i + 16]) for i in range(0, 400, 16)], learn.dls.valid)
    with pytest.raises(FitError, match='synchronizing'): learn.fit(1, [Waits()])
    learn.fit(2)
    assert all(len(rows) == 48 and all(row.is_cuda for _, row in rows) for rows in stats.rows.values()) and 'alive' in stats.summary()
    learn.model = nn.Sequential(*learn.model[:2], nn.Linear(5, 3)).cuda()
    learn.cbs.append(hand)
    learn.fit(1)
    want = torch.stack(hand.rows).cpu()
    for i in range(3): torch.testing.assert_close(torch.stack([stats.table(i)['mean'], stats.table(i)['spread']], 1), want[:, i], rtol=1e-4, atol=1e-5)


class Waits(Callback):
    "Asks for a number in every batch."
    def after_loss(self, learn): learn.loss.item()


class Last(nn.Module):
    "The output at the last step, of the pair that a GRU gives."
    def forward(self, pair): return pair[0][:, -1]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_what_is_measured_on_the_gpu_is_what_is_measured_on_the_cpu(dtype):
    x = (torch.randn(64, 8, 14, 14, generator=torch.Generator().manual_seed(0)) * 4).relu().to(dtype)
    x[:, 3] = 0
    def measured(x): return measure(regular_sample(x, 2**12)[None], largest(x)[None])
    torch.testing.assert_close(measured(x.cuda()).cpu(), measured(x), rtol=1e-4, atol=1e-5)
    odd = tensor([float('nan'), float('inf'), -float('inf'), 3., -3., 0.], dtype=dtype).float()
    assert histogram(odd.cuda(), 5, 2.).tolist() == histogram(odd, 5, 2.).tolist() == [2, 0, 1, 0, 2]


def test_hooks_on_the_gpu_keep_what_was_asked_for():
    layer, x = nn.Linear(4, 3).cuda(), torch.randn(2, 4).cuda()
    with Hooks(layer, lambda layer, inputs, out: out.detach()) as hooks: want = layer(x)
    assert torch.equal(hooks[0][0], want) and not layer._forward_hooks

# ---- lesson 08

@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize('ours, theirs, settings', [
    (BatchNorm, nn.BatchNorm2d, dict(num_features=6)), (InstanceNorm, nn.InstanceNorm2d, dict(num_features=6, affine=True)),
    (GroupNorm, nn.GroupNorm, dict(num_groups=3, num_channels=6)), (LayerNorm, nn.LayerNorm, dict(normalized_shape=(9, 8))),
    (RMSNorm, nn.RMSNorm, dict(normalized_shape=(9, 8)))])
def test_norms_are_torchs_in_value_gradients_and_state(ours, theirs, settings, dtype):
    a, b = (cls(**settings).to('cuda', dtype) for cls in (ours, theirs))
    x = torch.randn(5, 6, 9, 8, device='cuda', dtype=dtype, requires_grad=True)
    got, want, g = a(x), b(x), torch.randn(5, 6, 9, 8, device='cuda', dtype=dtype)
    close = dict(rtol=.05, atol=.2) if dtype == torch.bfloat16 else dict(rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(got, want, **close)
    pairs = zip(*(torch.autograd.grad(y, [x, *norm.parameters()], g) for y, norm in ((got, a), (want, b))))
    for mine, other in [*pairs, *zip(a.state_dict().values(), b.state_dict().values())]: torch.testing.assert_close(mine, other, **close)


def test_a_network_with_batch_norms_makes_nobody_wait():
    x, y = torch.randn(96, 1, 8, 8).cuda(), torch.randint(3, (96,)).cuda()
    learn = new([Strict()])
    learn.model = nn.Sequential(conv_norm(1, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    learn.opt = momentum(learn.model.parameters(), lr=.1)
    learn.dls = DataLoaders([(x[i:i + 16], y[i:i + 16]) for i in range(0, 96, 16)], [(x, y)])
    learn.fit(2)
    assert learn.model[0][1].num_batches_tracked.item() == 12 and learn.model[0][1].running_mean.is_cuda


def test_augmentation_draws_the_same_for_every_device_and_no_batch_waits_for_a_number():
    def seeded(): return torch.Generator().manual_seed(3)
    def run(x, y):
        x = Augment(Affine(20, .2, .2, .1), Flip(), Erase(.4), Colour(.2, .2, .2), generator=seeded())(x)
        return [x, *Mixup(5, 1., seeded())(x, y), *CutMix(5, 1., seeded())(x, y)]
    x, y = torch.rand(16, 3, 12, 10), torch.arange(16) % 5
    want, on_gpu = run(x, y), (x.cuda(), y.cuda())
    run(*on_gpu)                                         # the first call may load what it needs
    torch.cuda.set_sync_debug_mode('error')
    try: got = run(*on_gpu)
    finally: torch.cuda.set_sync_debug_mode('default')
    for a, b in zip(got, want): torch.testing.assert_close(a.cpu(), b, rtol=1e-4, atol=1e-4)


def test_a_generator_of_the_gpu_draws_there_and_the_same_state_gives_the_same_batch():
    x, y = torch.rand(16, 3, 12, 10, device='cuda'), torch.arange(16, device='cuda') % 5
    first, again = [[Affine(20)(x, g), *CutMix(5, 1., g)(x, y)] for g in (torch.Generator('cuda').manual_seed(4) for _ in range(2))]
    for a, b in zip(first, again): assert a.is_cuda and torch.equal(a, b)
    z = torch.randn(16, 5, device='cuda')
    torch.testing.assert_close(soft_cross_entropy(z, y, .1), F.cross_entropy(z, y, label_smoothing=.1))


@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_attention_is_what_it_is_on_the_cpu(dtype, tolerance):
    torch.manual_seed(0)
    q, k, v = [torch.randn(shape, dtype=dtype) for shape in ((2, 4, 5, 8), (2, 2, 7, 8), (2, 2, 7, 3))]
    for f in (lambda *x: attention(*x, causal=True), lambda *x: attention(*x, tensor([True, False]*3 + [True], device=x[0].device)), lambda *x: attention_in_blocks(*x, True, block=3)):
        torch.testing.assert_close(f(*[x.cuda() for x in (q, k, v)]).cpu(), f(q, k, v), rtol=tolerance, atol=tolerance)
    assert (attention(k.cuda(), q[:, :2].cuda(), q[:, :2].cuda(), causal=True)[:, :, :2] == 0).all()         # two may look at nothing


@torch.no_grad()
def test_the_layer_with_a_cache_is_what_it_is_on_the_cpu():
    torch.manual_seed(0)
    net, x, cache = SelfAttention(32, 4, 2, rotary=True), torch.randn(2, 7, 32), KVCache()
    want = net(x)
    net.cuda()
    torch.testing.assert_close(net(x.cuda()).cpu(), want, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.cat([net(piece.cuda(), cache=cache) for piece in x.split([3, 1, 1, 2], 1)], 1).cpu(), want, rtol=1e-4, atol=1e-5)
    assert all(room.is_cuda for room in cache.rooms)

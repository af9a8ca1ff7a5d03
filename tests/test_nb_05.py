import copy, math, signal, statistics, time, weakref
from collections import OrderedDict, UserDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_04 import SGD, BatchLoader, DataLoaders, Dataset, accuracy, get_dls
from exp.nb_04a import Callback, CancelBatch, CancelEpoch, CancelFit, FitError
from exp.nb_05 import DeviceCallback, GradientClip, Learner, MetricsCallback, StopOnNaN, check_count, contents, examples, join, map_tensors, move, one_number, refill, weights_are_finite
from learners import Diary, data, learner, raising, weights


def test_two_fits_go_on_with_the_same_optimiser_and_history():
    a, b = learner([MetricsCallback()], lr=.2), learner([MetricsCallback()], lr=.2)
    a.fit(1).fit(1)
    b.fit(2)
    assert torch.equal(weights(a), weights(b)) and len(a.history) == 2


# ---- when something breaks

def velocities(learn): return [memory['velocity'] for memory in learn.opt.memory.values() if memory]


def stop_before(batch):
    "Ends a fit after so many training batches."
    count = []
    def look(learn):
        count.append(learn.training)
        if sum(count) > batch: raise CancelFit
    return Diary(before_batch=look)


def on_batch(number, action):
    "Calls `action` in training batch `number` of the fit, from 1."
    count = []
    def look(learn):
        count.append(learn.training)
        if learn.training and sum(count) == number: action(learn)
    return look


@pytest.mark.parametrize('every, bad_batch, kept', [(1, 1, 0), (1, 4, 2), (2, 3, 1), (2, 4, 1), (5, 9, 5), (5, 4, 0), (50, 9, 5), (4, 10, 8)])
def test_after_a_loss_that_is_no_number_all_state_is_that_of_the_last_good_look(every, bad_batch, kept, capsys):
    def make():
        learn = learner(bs=8, layers=[nn.BatchNorm1d(5)], opt_func=lambda params, lr: SGD(params, lr, momentum=.9))
        learn.cbs[0].every = every
        return learn
    def poison(learn): learn.xb = learn.xb * math.nan
    learn, clean = make(), make()
    learn.fit(2, [diary := Diary(before_batch=on_batch(bad_batch, poison))])
    clean.fit(2, [stop_before(kept)])
    assert torch.equal(weights(learn), weights(clean)) and diary.lines[-1] == 'after_fit'
    assert len(velocities(learn)) == 6 * (kept > 0) and all(map(torch.equal, velocities(learn), velocities(clean)))
    assert all(x.isfinite().all() for x in learn.model.state_dict().values())
    assert 'a loss was nan; model and optimiser are as they were' in capsys.readouterr().out


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_bad_gradient_is_noticed_by_the_loss_that_follows(bad, capsys):
    def poison(learn): learn.model[0].weight.grad.fill_(bad)
    learn = learner(bs=8)
    learn.cbs[0].every = 2
    learn.fit(2, [Diary(after_backward=on_batch(3, poison))])
    assert weights(learn).isfinite().all() and 'a loss was nan' in capsys.readouterr().out


def test_an_infinite_loss_ends_the_fit_too_and_one_in_validation_does_not(capsys):
    learn = learner()
    before, learn.loss_func = weights(learn), lambda pred, yb: F.cross_entropy(pred, yb) * math.inf
    learn.fit(1)
    assert torch.equal(weights(learn), before) and 'a loss was inf' in capsys.readouterr().out
    learn.loss_func = lambda pred, yb: F.cross_entropy(pred, yb) * (1 if learn.training else math.inf)
    learn.fit(1)
    assert capsys.readouterr().out == ''


# ---- what it carries

class Accumulate(Callback):
    "A step for every `n` batches and for those left over, by the mean gradient over all their examples."
    order = 40
    def __init__(self, n): self.n = n
    def before_train(self, learn): self.count = 0

    def do_backward(self, learn):
        (learn.loss * len(learn.yb)).backward()
        self.count += len(learn.yb)

    def after_backward(self, learn):
        if (learn.batch + 1) % self.n and learn.batch + 1 < len(learn.dl): raise CancelBatch
        for p in learn.model.parameters():
            if p.grad is not None: p.grad /= self.count
        self.count = 0


@pytest.mark.parametrize('n, small', [(40, 4), (44, 4), (39, 3), (38, 4)])              # in the last group 4 + 2
def test_accumulated_gradients_are_those_of_the_large_batch(n, small):
    a, b = learner([Accumulate(4), GradientClip(.1)], bs=small, n=n), learner([GradientClip(.1)], bs=4*small, n=n)
    steps = Diary()
    a.fit(3, [steps])
    b.fit(3)
    torch.testing.assert_close(weights(a), weights(b))
    assert len(a.dls.train) == -(-n // small) and steps.lines.count('after_step') == 3 * len(b.dls.train)


class GAN(Learner):
    "Two optimisers: `opt` is the critic's, which learns in the usual steps, and then the generator takes its own."
    def __init__(self, generator, critic, dls, lr):
        self.generator, self.opt_g = generator, SGD(generator.parameters(), lr)
        super().__init__(critic, dls, F.binary_cross_entropy_with_logits, lr=lr)

    def parts(self): return {**super().parts(), 'generator': self.generator, 'opt_g': self.opt_g}

    def do_forward(self):
        noise = torch.randn(len(self.xb), 2)
        self.pred = torch.cat([self.model(self.xb), self.model(self.generator(noise).detach())])
        self.yb = torch.cat([torch.ones(len(self.xb), 1), torch.zeros(len(self.xb), 1)])

    def do_step(self):
        super().do_step()
        fake = self.model(self.generator(torch.randn(len(self.xb), 2)))
        self.loss_func(fake, torch.ones_like(fake)).backward()
        self.opt_g.step(), self.opt_g.zero_grad(), self.opt.zero_grad()


def test_two_optimisers_teach_a_generator_to_draw_what_the_data_are():
    torch.manual_seed(0)
    x = torch.randn(256, 2) * .5 + 3
    critic, dls = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)), get_dls(Dataset(x, x), Dataset(x, x), 32, seed=0)
    gan = GAN(nn.Linear(2, 2), critic, dls, lr=.05)
    gan.cbs.append(MetricsCallback())
    gan.fit(30)
    assert (gan.generator(torch.randn(500, 2)).mean(0) - 3).abs().max() < .75 and len(gan.history) == 30
    assert all(p.grad is None for p in gan.model.parameters()) and 'opt_g' in gan.cbs[0].kept


class Noise(Callback):
    "Makes a denoising model's task: the input is noisy, the target is not."
    def before_batch(self, learn): learn.xb, learn.yb = learn.xb + .5 * torch.randn_like(learn.xb), learn.xb


def test_a_denoising_model_whose_noise_is_drawn_for_each_batch():
    x = data().x
    learn = learner([Noise(), MetricsCallback()], loss_func=F.mse_loss)
    learn.model, learn.dls = nn.Linear(4, 4), get_dls(Dataset(x, x), Dataset(x, x), 8, seed=0)
    learn.opt = SGD(learn.model.parameters(), .1)
    learn.fit(20)
    torch.manual_seed(0)
    loss = learn.validate()['loss']
    torch.manual_seed(0)
    assert loss == pytest.approx(learn.fit(0).validate()['loss']) and loss < .24           # the input itself is off by .5**2
    assert '(16, 4)' in learn.summary() and not torch.equal(learn.predict(x), learn.predict(x))


class Carry(Callback):
    "Hands a recurrent model the state in which the batch before has left it, without its graph."
    def before_train(self, learn): self.state = None
    before_validate = before_train

    def do_forward(self, learn):
        learn.pred, state = learn.model(learn.xb, self.state)
        self.state = state.detach()


def test_a_state_is_carried_from_batch_to_batch_and_not_into_the_next_epoch():
    torch.manual_seed(0)
    x = torch.randn(2, 12, 3)
    blocks = [(x[:, i:i + 4], x[:, i:i + 4]) for i in (0, 4, 8)]
    learn = Learner(nn.GRU(3, 3, batch_first=True), DataLoaders(blocks, blocks), F.mse_loss, cbs=[Carry(), MetricsCallback()]).fit(2)
    whole, _ = learn.model(x)
    preds, targs = learn.get_preds()
    torch.testing.assert_close(torch.cat(preds.split(2), 1), whole.detach())
    assert learn.validate()['loss'] == pytest.approx(F.mse_loss(whole, x).item()) == pytest.approx(learn.history[-1]['valid_loss'])


class Scaled(Callback):
    "Mixed precision's loop: the loss is scaled up, and a step with gradients that overflow is left out."
    def __init__(self): self.scaler, self.scales = torch.amp.GradScaler('cpu', init_scale=2.**10, growth_interval=1000), []
    def do_backward(self, learn): self.scaler.scale(learn.loss).backward()
    def after_backward(self, learn): self.scaler.unscale_(learn.opt)

    def do_step(self, learn):
        self.scaler.step(learn.opt)
        self.scaler.update()
        learn.opt.zero_grad()
        self.scales.append(self.scaler.get_scale())


def test_a_grad_scaler_steps_as_without_it_and_leaves_out_an_overflow():
    def overflow(learn): learn.model[0].weight.grad[0, 0] = math.inf
    plain, scaled, other = learner(lr=.5), learner([Scaled()], lr=.5), learner([Scaled()], lr=.5)
    torch.testing.assert_close(weights(plain.fit(2)), weights(scaled.fit(2)))
    before, seen = weights(other), []
    class Overflow(Callback):
        order = 40
        def after_backward(self, learn): overflow(learn)
    other.fit(1, [Overflow()])
    assert torch.equal(weights(other), before) and other.cbs[1].scales == [2.**9, 2.**8, 2.**7]


class Mixup(Callback):
    "Mixes each training example with another, and their targets likewise (Zhang et al., 2018)."
    def before_batch(self, learn):
        learn.yb = F.one_hot(learn.yb, 3).float()
        if not learn.training: return
        order, share = torch.randperm(len(learn.xb)), torch.rand(len(learn.xb), 1)
        learn.xb, learn.yb = (share * part + (1 - share) * part[order] for part in (learn.xb, learn.yb))


def test_mixed_examples_have_soft_targets_and_the_validation_has_none_of_it():
    seen = []
    learn = learner([Mixup(), MetricsCallback(right=lambda pred, yb: (pred.argmax(1) == yb.argmax(1)).float().mean())], lr=.5)
    learn.fit(5, [Diary(after_loss=lambda learn: seen.append((learn.training, bool(((learn.yb > 0).sum(1) > 1).any()))))])
    assert {mixed for training, mixed in seen if training} == {True} and {mixed for training, mixed in seen if not training} == {False}
    pred = learn.model(data().x).detach()
    assert learn.history[-1]['right'] == pytest.approx(accuracy(pred, data().y).item()) == learn.validate(right=lambda pred, yb: accuracy(pred, yb.argmax(1)))['right']
    assert learn.history[-1]['valid_loss'] == pytest.approx(F.cross_entropy(pred, data().y).item(), rel=1e-5)


def test_groups_have_rates_of_their_own_and_frozen_layers_stay():
    def groups(params, lr):
        first, second = list(params)[:2], list(params)
        return SGD([{'params': first, 'lr': lr/10}, {'params': second[2:]}], lr=lr)
    def change(**kw):
        learn = learner(bs=40, **kw)
        params = list(learn.model.parameters())
        if 'opt_func' not in kw: params[0].requires_grad_(False)
        before = [p.detach().clone() for p in params]
        learn.fit(1)
        return [(p.detach() - q) for p, q in zip(params, before)]
    grouped, frozen, plain = change(opt_func=lambda params, lr: groups([*params], lr)), change(), change(opt_func=SGD)
    torch.testing.assert_close(grouped, [plain[0]/10, plain[1]/10, *plain[2:]], rtol=1e-3, atol=1e-6)
    assert not frozen[0].any() and torch.equal(frozen[2], plain[2])


class EMA(Callback):
    "Validates with a running mean of the weights, and trains on with the weights themselves."
    saves = ('mean',)
    def __init__(self, decay): self.decay = decay
    def setup(self, learn): self.mean = copy.deepcopy(learn.model.state_dict())

    def after_step(self, learn):
        for name, x in learn.model.state_dict().items(): self.mean[name].lerp_(x, 1 - self.decay)

    def swap(self, learn):
        here = copy.deepcopy(learn.model.state_dict())
        learn.model.load_state_dict(self.mean)
        self.mean = here

    def before_validate(self, learn): self.swap(learn)
    def after_validate(self, learn): self.swap(learn)


def test_a_mean_of_the_weights_is_validated_and_the_weights_are_trained():
    plain, learn = learner([MetricsCallback()], lr=1.), learner([MetricsCallback(), ema := EMA(.5)], lr=1.)
    plain.fit(3), learn.fit(3)
    assert torch.equal(weights(plain), weights(learn)) and learn.history[-1]['valid_loss'] != plain.history[-1]['valid_loss']
    assert learn.validate()['loss'] == pytest.approx(learn.history[-1]['valid_loss'])
    mean = copy.deepcopy(learn)
    mean.model.load_state_dict(ema.mean)
    assert F.cross_entropy(mean.model(data().x), data().y).item() == pytest.approx(learn.history[-1]['valid_loss'])


# ---- batches and outputs of any form

class Forked(nn.Module):
    "A model whose output is a dict with a tuple in it."
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
    def forward(self, x): return {'pair': (self.layer(x), x), 'size': len(x)}


def test_outputs_may_be_tuples_and_dicts():
    def loss(pred, y): return F.cross_entropy(pred['pair'][0], y)
    learn = Learner(Forked(), get_dls(data(), data(), 8, seed=0), loss, cbs=[MetricsCallback(), DeviceCallback('cpu')]).fit(1)
    pred, targ = learn.get_preds()
    assert pred['pair'][0].shape == (40, 3) and torch.equal(pred['pair'][1], data().x) and pred['size'] == [16, 16, 8]
    assert loss(learn.predict(data().x), data().y).item() == pytest.approx(learn.history[-1]['valid_loss']) == learn.validate()['loss']
    assert '(16, 3)' in learn.summary() and targ.shape == (40,)


def test_functions_go_through_tuples_lists_and_dicts_and_leave_the_rest():
    pair = DataLoaders(tensor([1.]), 'valid')
    got = map_tensors(lambda x: x + 1, {'a': (tensor([1.]), [tensor([2.]), None]), 'b': 'text', 'c': pair})
    assert got == {'a': (tensor([2.]), [tensor([3.]), None]), 'b': 'text', 'c': DataLoaders(tensor([2.]), 'valid')}
    assert join([{'a': (tensor([1.]), 'x')}, {'a': (tensor([2., 3.]), 'y')}])['a'][0].tolist() == [1., 2., 3.]


def test_the_number_of_examples_is_the_length_of_the_first_tensor_that_has_one():
    y = torch.zeros(7, 2)
    assert examples(y) == examples({'scale': tensor(1.), 'y': [y]}) == examples(None, (y, y[:3])) == 7
    with pytest.raises(ValueError, match='no tensor in the batch tells'): examples(None, 'text', tensor(1.))


@pytest.mark.parametrize('targets', [(None, None), [None, None], (None,)])
def test_targets_that_are_missing_do_not_count_as_examples(targets):
    assert examples(targets, torch.zeros(7, 2)) == 7 and join([targets, targets]) == type(targets)([[None, None]] * len(targets))


class Tokens(UserDict): "As tokenizers give it: behaves like a dict and is none."
class Output(OrderedDict): "As models give it, with an attribute beside its items."
class Fields(list): "A list of another type."
Pair = namedtuple('Pair', 'x y')
@dataclass(frozen=True)
class Boxes:
    corners: torch.Tensor
    label: str = 'none'


CONTAINERS = [lambda x: Tokens(a=x), lambda x: Output(a=x), lambda x: Pair(x, 'y'), lambda x: Boxes(x), lambda x: Fields([x, x]), lambda x: (x, (x, None)),
              lambda x: {'a': [x]}, lambda x: torch.return_types.max((x, x))]


@pytest.mark.parametrize('make', CONTAINERS)
def test_containers_keep_their_type_and_are_not_changed(make):
    first, second = make(torch.tensor([1., 2.])), make(torch.tensor([3.]))
    def values(data): return [x for part in contents(data).values() for x in ([part] if torch.is_tensor(part) else values(part) if contents(part) else [])]
    doubled, joined = map_tensors(lambda x: 2 * x, first), join([first, second])
    for got, want in [(doubled, [2., 4.]), (joined, [1., 2., 3.]), (first, [1., 2.])]:
        assert type(got) is type(first) and all(x.tolist() == want for x in values(got)) and len(values(got)) == len(values(first)) > 0
    assert examples(first) == 2 and contents(doubled).keys() == contents(first).keys()


def test_what_hangs_on_a_container_stays_and_what_cannot_be_changed_becomes_a_dict():
    output = Output(a=tensor([1.]))
    output.task = 'digits'
    assert map_tensors(torch.neg, output).task == 'digits' and map_tensors(torch.neg, output)['a'].item() == -1.
    assert map_tensors(torch.neg, MappingProxyType({'a': tensor([1.])})) == {'a': tensor([-1.])}
    assert map_tensors(torch.neg, Boxes) is Boxes and contents(Boxes) is contents('text') is contents(tensor([1.])) is None
    assert refill(Boxes(tensor(1.)), {'corners': 2, 'label': 'cat'}) == Boxes(2, 'cat')


def test_numbers_are_stacked_and_what_is_there_per_example_is_put_one_after_the_other():
    whole = join([(tensor(1.), ['a cat', 'a dog'], [{'box': tensor([1.])}, {'box': tensor([2., 3.])}]), (tensor(2.), ['a cow'], [{'box': tensor([4.])}])])
    assert whole[0].tolist() == [1., 2.] and whole[1] == ['a cat', 'a dog', 'a cow'] and [d['box'].tolist() for d in whole[2]] == [[1.], [2., 3.], [4.]]
    assert join([('a', 'b'), ('c',)]) == ['a', 'b', 'c'] and join(['a', 'b']) == ['a', 'b'] and join([(), ()]) == ()
    boxes = [{'box': torch.zeros(5, 4)}, {'box': torch.zeros(1, 4)}]
    assert examples(boxes) == examples((boxes, torch.zeros(3))) == examples(tensor(1.), ['a cat', 'a dog']) == 2
    pairs = join([Pair('a', tensor([1.])), Pair('b', tensor([2.]))])
    assert pairs.x == ['a', 'b'] and pairs.y.tolist() == [1., 2.]
    assert join([Pair('a', 'b'), Pair('c', 'd')]) == Pair(['a', 'c'], ['b', 'd'])
    assert join([{'a': tensor([1.])}])['a'].tolist() == [1.] and join([(tensor([1.]), tensor([2.]))])[1].tolist() == [2.]          # one batch alone
    for kind in (tuple, list): assert join([kind([('a', 'b'), ('c', 'd')]), kind([('e',), ('f',)])]) == kind([['a', 'b', 'e'], ['c', 'd', 'f']])


def test_dicts_of_one_form_are_examples_and_in_a_tuple_those_of_several_are_fields():
    heads = {'logits': torch.ones(3, 2)}, {'boxes': torch.zeros(3, 4)}
    joined = join([heads, heads])
    assert examples(heads) == 3 and examples([*heads]) == 2 and examples((Boxes(torch.ones(3, 4)), None)) == 3
    assert type(joined) is tuple and joined[0]['logits'].shape == (6, 2) and joined[1]['boxes'].shape == (6, 4)
    assert len(join([[*heads], [*heads]])) == 4
    boxes = {'box': torch.zeros(5, 4)}, Tokens(box=torch.zeros(1, 4))                          # as tuple(zip(*items)) collects them
    assert examples(boxes) == 2 and len(join([boxes, boxes[:1]])) == 3 and examples(({'box': torch.zeros(5, 4)}, 'text')) == 5
    assert examples((Boxes(torch.zeros(5, 4)), Boxes(torch.zeros(5, 4)))) == 5
    for nothing in ([], ()):
        with pytest.raises(ValueError, match='no tensor in the batch'): examples(nothing)


class Task(nn.Module):
    "A model that returns its loss beside the logits, from a batch that behaves like a dict."
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, batch):
        logits = self.layer(batch['x'])
        return Output(loss=F.cross_entropy(logits, batch['y']), logits=logits)


def test_a_model_that_returns_its_own_loss_is_trained_validated_and_asked():
    x, y = data()[:]
    torch.manual_seed(0)
    batches = [Tokens(x=x[i:i + 16], y=y[i:i + 16]) for i in range(0, 40, 16)]
    learn = Learner(Task(), DataLoaders(batches, batches), lambda pred, batch: pred['loss'], cbs=[DeviceCallback('cpu'), MetricsCallback()]).fit(3)
    preds, targs = learn.get_preds()
    want = F.cross_entropy(learn.model.layer(x), y).item()
    assert type(preds) is Output and type(targs) is Tokens and preds['loss'].shape == (3,) and torch.equal(targs['y'], y)
    assert torch.allclose(preds['logits'], learn.model.layer(x)) and learn.history[-1]['valid_loss'] == pytest.approx(want, rel=1e-5) == learn.validate()['loss']
    assert learn.predict(batches[0])['loss'].shape == () and 'Linear' in learn.summary()


@pytest.mark.parametrize('event', ['before_batch', 'after_pred'])
def test_an_answer_of_nothing_is_refused(event):
    class Unknown(Callback):
        def do_loss(self, learn): raise CancelBatch
    learn = learner([Diary(**{event: raising(CancelBatch)})])
    for ask in (learn.validate, learn.get_preds, lambda: learn.predict(data().x), learn.summary):
        with pytest.raises(ValueError, match='every batch was cancelled'): ask()
    with pytest.raises(ValueError, match='validate: no batch got as far as its loss'): learner([Unknown()]).validate()


@pytest.mark.parametrize('kind', [CancelEpoch, CancelFit])
def test_a_cancellation_of_more_than_there_is_to_ask_is_an_error(kind):
    learn = learner([Diary(after_pred=raising(kind))])
    for ask in (learn.validate, learn.get_preds, lambda: learn.predict(data().x)):
        with pytest.raises(FitError, match='nothing of the kind to cancel, last event after_pred, validation batch 1') as e: ask()
        assert type(e.value.cause) is kind


def test_a_press_while_something_is_asked_leaves_modes_and_gradients_as_they_were():
    def press(learn): signal.raise_signal(signal.SIGINT)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for event in ('after_pred', 'before_validate', 'after_validate'):
            learn = learner([Diary(**{event: press}), other := Diary()])
            learn.model[0].eval()
            with pytest.raises(KeyboardInterrupt): learn.validate()
            assert other.lines.count('before_validate') == other.lines.count('after_validate') == 1 and signal.getsignal(signal.SIGINT) is signal.default_int_handler
            assert [module.training for module in learn.model.modules()] == [True, False, True, True] and torch.is_grad_enabled()
    finally: signal.signal(signal.SIGINT, former)


def test_what_is_asked_within_a_fit_is_not_torn_apart_either():
    seen = []
    learn = learner([MetricsCallback(), Diary(after_epoch=lambda learn: seen.append(learn.validate()['loss']))], bs=16).fit(2)
    assert seen == pytest.approx([row['valid_loss'] for row in learn.history]) and learn.epoch == 2 and not learn.interrupted


def test_a_loss_may_be_a_number_where_the_steps_are_replaced():
    class Numbers(Callback):
        def do_loss(self, learn): learn.loss = 1. / (1 + learn.epoch) if learn.epoch < 2 else math.nan
        def do_backward(self, learn): pass
        def do_step(self, learn): pass
    learn = learner([Numbers(), MetricsCallback()]).fit(4)
    assert [row['train_loss'] for row in learn.history] == [1., .5]


@pytest.mark.parametrize('form', [lambda x, y: (x, (y, y, y)), lambda x, y: (x, {'y': y}), lambda x, y: {'x': x, 'y': y}])
def test_means_are_weighted_by_examples_and_not_by_the_parts_of_a_target(form):
    x, y = data()[:]
    batches = [form(x[:30], y[:30]), form(x[30:], y[30:])]
    def target(y): return y['y'] if isinstance(y, dict) else y[0]
    class Picks(nn.Linear):
        def forward(self, x): return super().forward(x['x'] if isinstance(x, dict) else x)
    learn = Learner(Picks(4, 3), DataLoaders(batches, batches), lambda pred, y: F.cross_entropy(pred, target(y)), lr=0., cbs=[MetricsCallback()]).fit(1)
    want = F.cross_entropy(learn.model(x), y).item()
    assert [learn.history[0][name] for name in ('train_loss', 'valid_loss')] == pytest.approx([want, want]) and learn.validate()['loss'] == pytest.approx(want)


# ---- callbacks

@pytest.mark.parametrize('bs', [1, 7, 16, 40])
def test_metrics_are_means_over_examples_whatever_the_batch_size(bs):
    learn = learner([MetricsCallback(accuracy=accuracy)], bs=bs, lr=0.).fit(1)
    x, y = data().x, data().y
    row, pred = learn.history[-1], learn.predict(x)
    assert row['epoch'] == 1 and row['train_loss'] == pytest.approx(row['valid_loss'], rel=1e-5)
    assert row['valid_loss'] == pytest.approx(F.cross_entropy(pred, y).item(), rel=1e-5)
    assert row['accuracy'] == pytest.approx(accuracy(pred, y).item(), rel=1e-6)


def test_each_epoch_has_a_row_of_its_own_numbers():
    learn = learner([MetricsCallback(accuracy=accuracy)], lr=.5).fit(3)
    assert [row['epoch'] for row in learn.history] == [1, 2, 3] and len({row['valid_loss'] for row in learn.history}) == 3
    assert learn.history[-1]['valid_loss'] == pytest.approx(learn.validate()['loss'], rel=1e-5)


def test_objects_with_update_and_compute_are_metrics_too():
    class Count:
        def reset(self): self.n = 0
        def update(self, pred, yb): self.n += len(yb)
        def compute(self): return tensor(float(self.n))
    assert [row['count'] for row in learner([MetricsCallback(count=Count())]).fit(2).history] == [40., 40.]


def test_a_count_in_whole_numbers_becomes_a_float_in_the_history_and_in_an_answer():
    class Count:
        def reset(self): self.n = 0
        def update(self, pred, yb): self.n += len(yb)
        def compute(self): return self.n
    learn = learner([MetricsCallback(count=Count())]).fit(1)
    for figures in (learn.history[0], learn.validate(count=Count())): assert figures['count'] == 40 and type(figures['count']) is float


def test_objects_of_torchmetrics_agree_with_our_own_functions():
    from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
    theirs = MulticlassAccuracy(3, average='micro'), MulticlassF1Score(3, average='micro')
    learn = learner([MetricsCallback(ours=accuracy, accuracy=theirs[0], f1=theirs[1])], lr=.5).fit(3)
    for row in learn.history: assert row['ours'] == pytest.approx(row['accuracy']) == pytest.approx(row['f1'])
    assert len({row['ours'] for row in learn.history}) > 1


def test_objects_that_have_seen_nothing_are_not_asked():
    class Count:
        def reset(self): self.n = 0
        def update(self, pred, yb): self.n += len(yb)
        def compute(self): return 1 / self.n
    learn = learner([MetricsCallback(count=Count())]).fit(2, [Diary(before_validate=raising(CancelEpoch, None))])
    assert [[*row] for row in learn.history] == [['epoch', 'train_loss'], ['epoch', 'train_loss', 'valid_loss', 'count']]


def test_a_mean_is_taken_in_double_precision():
    values = iter([1e8, 1.])
    learn = learner([MetricsCallback(large=lambda pred, yb: next(values))])
    learn.dls = DataLoaders([data()[:20]], [data()[:20], data()[20:]])
    assert learn.fit(1).history[0]['large'] == 50000000.5


def test_metrics_may_return_plain_numbers_and_hold_no_graph():
    metrics = MetricsCallback(half=lambda pred, yb: .5)
    learn = learner([metrics]).fit(1)
    assert learn.history[-1]['half'] == .5
    assert not any(torch.as_tensor(value).requires_grad for pairs in metrics.values.values() for value, _ in pairs)


def test_a_broken_epoch_leaves_no_row():
    learn = learner([MetricsCallback()])
    learn.fit(2, [Diary(after_step=lambda learn: (_ for _ in ()).throw(CancelFit) if learn.epoch == 1 else None)])
    assert len(learn.history) == 1


def test_clipped_gradients_have_the_asked_norm_and_small_ones_stay():
    def norm(learn): return torch.cat([p.grad.flatten() for p in learn.model.parameters()]).norm().item()
    norms = []
    for most in (.01, 100.): learner([GradientClip(most), Diary(after_backward=lambda learn: norms.append(norm(learn)))], bs=40).fit(1)
    assert norms[0] == pytest.approx(.01, rel=1e-3) and .01 < norms[1] < 100


def test_model_and_batches_are_moved_to_the_device():
    learn, seen = learner(), []
    learn.fit(1, [DeviceCallback('cpu'), Diary(after_pred=lambda learn: seen.append((learn.xb.device, learn.yb.device, learn.pred.device)))])
    assert set(seen) == {(torch.device('cpu'),) * 3} and DeviceCallback().device.type in ('cpu', 'cuda', 'mps')
    with pytest.raises(FitError, match='meta tensor'): learner([DeviceCallback('meta')]).fit(1)


class Moves(nn.Module):
    "Writes down where it is moved."
    def __init__(self, f): super().__init__(), setattr(self, 'f', f), setattr(self, 'moves', [])
    def forward(self, *x): return self.f(*x)
    def to(self, device): self.moves.append(device.type)


def test_model_and_loss_are_moved_before_a_fit_and_before_they_are_asked_and_batches_before_others_see_them():
    model, loss, seen, spy = Moves(nn.Linear(4, 3)), Moves(F.cross_entropy), [], Diary(before_batch=lambda learn: seen.append(learn.xb.device.type))
    learn = Learner(model, get_dls(data(), data(), 16), loss, cbs=[DeviceCallback('cpu')]).fit(0)
    learn.validate()
    assert model.moves == loss.moves == ['cpu'] * 2
    class Skip(Callback):
        def before_batch(self, learn): raise CancelBatch
    spy.order = -19
    learner([DeviceCallback('meta'), spy, Skip()]).fit(1)
    assert seen == ['meta'] * 5                                        # three of the training and two of the validation


def test_two_metrics_callbacks_share_the_row_of_an_epoch():
    learn = learner([MetricsCallback(a=accuracy), MetricsCallback(b=accuracy)]).fit(2).fit(1)
    assert [[*row] for row in learn.history] == [['epoch', 'train_loss', 'valid_loss', 'a', 'b']] * 3 and [row['epoch'] for row in learn.history] == [1, 2, 1]


def test_two_metrics_of_one_name_are_refused_before_the_first_batch():
    learn = learner([MetricsCallback(a=accuracy), MetricsCallback(b=accuracy, a=lambda pred, yb: 7.), diary := Diary()])
    with pytest.raises(FitError, match='MetricsCallback.setup failed.*two metrics have the name a'): learn.fit(1)
    assert diary.lines == [] and learn.history == []


class Counts:
    "An object that counts, and cannot be called."
    def reset(self): self.n = 0
    def update(self, pred, yb): self.n += len(yb)
    def compute(self): return self.n


@pytest.mark.parametrize('metric', [.5, None, 'accuracy', Counts, [accuracy]])
def test_what_can_be_no_metric_is_refused_when_it_is_given(metric):
    with pytest.raises(TypeError, match='MetricsCallback: a is .*, wanted a function or an object'): MetricsCallback(n=Counts(), a=metric)
    assert learner().validate(n=Counts())['n'] == 40.


@pytest.mark.parametrize('value, message', [(tensor([1., 2.]), r'worst has the shape \(2,\)'), ('high', "worst is 'high'"), (None, 'worst is None'),
                                            (torch.zeros(0), r'worst has the shape \(0,\)'), (1j, 'worst is 1j')])
def test_a_metric_that_is_not_one_number_is_refused_by_name(value, message):
    with pytest.raises(FitError, match=f'MetricsCallback.after_loss failed.*{message}, wanted one number'):
        learner([MetricsCallback(worst=lambda pred, yb: value)]).fit(1)
    class Object:
        def reset(self): pass
        update = lambda self, pred, yb: None
        def compute(self): return value
    with pytest.raises(FitError, match=f'MetricsCallback.after_epoch failed.*{message}'): learner([MetricsCallback(worst=Object())]).fit(1)


def test_one_number_in_a_tensor_with_axes_is_that_number():
    learn = learner([MetricsCallback(one=lambda pred, yb: tensor([[3.]]), two=lambda pred, yb: True)], loss_func=lambda pred, yb: F.cross_entropy(pred, yb)[None])
    learn.cbs[0].every = 2
    row = learn.fit(2).history[-1]
    assert (row['one'], row['two']) == (3., 1.) and row['valid_loss'] == pytest.approx(F.cross_entropy(learn.predict(data().x), data().y).item())


@pytest.mark.parametrize('name', ['epoch', 'train_loss', 'valid_loss'])
def test_a_metric_may_not_take_a_name_of_ours(name):
    with pytest.raises(ValueError, match=f'the name {name} is taken'): MetricsCallback(**{name: accuracy})
    with pytest.raises(ValueError, match='the name loss is taken'): learner().validate(loss=accuracy)


def test_an_epoch_of_which_nothing_was_measured_has_no_row():
    learn = learner([MetricsCallback()])
    learn.fit(3, [Diary(before_epoch=raising(None, CancelEpoch, None))])
    assert [row['epoch'] for row in learn.history] == [1, 3]


@pytest.mark.parametrize('make', [lambda: GradientClip(0), lambda: GradientClip(-1.), lambda: GradientClip(math.nan), lambda: StopOnNaN(0),
                                  lambda: StopOnNaN(-3), lambda: StopOnNaN(2.5), lambda: StopOnNaN(True)])
def test_settings_that_cannot_be_meant_are_refused_when_the_object_is_made(make):
    with pytest.raises(ValueError, match='(GradientClip|StopOnNaN).* wanted (one over 0|a whole number from 1 on)'): make()


def test_what_was_put_back_is_not_put_back_once_more(capsys):
    def spoil(learn): learn.xb = learn.xb * (math.nan if learn.batch == 2 else 1)
    learn = learner([Diary(before_batch=spoil)], bs=8)
    learn.cbs[0].every = 2
    learn.fit(1)
    assert capsys.readouterr().out.count('a loss was nan') == 1


@pytest.mark.parametrize('kind', [KeyboardInterrupt, CancelFit, ValueError])
def test_a_fit_that_is_broken_off_between_two_looks_keeps_no_weight_that_is_no_number(kind, capsys):
    def spoil(learn):
        if learn.batch == 1: learn.xb = learn.xb * math.nan
        if learn.batch == 3: raise kind
    learn = learner([Diary(before_batch=spoil)], bs=8)
    before = weights(learn)
    try: learn.fit(1)
    except FitError: assert kind is ValueError
    assert torch.equal(weights(learn), before) and capsys.readouterr().out.count('a loss was nan; model and optimiser are as they were at the last look (batches since then: 3)') == 1


def test_a_weight_that_is_no_number_ends_the_fit_even_when_every_loss_was_one(capsys):
    def spoil(learn):
        if learn.epoch == 1 and learn.batch == 2: learn.model[0].weight.data[0, 0] = math.inf
    learn, clean = learner(), learner()
    learn.cbs[0].every = 4
    learn.fit(3, [Diary(after_step=spoil)])
    clean.fit(1)
    assert 'a weight was no finite number' in capsys.readouterr().out and weights(learn).isfinite().all()
    assert torch.equal(weights(learn), weights(clean))              # the fourth loss was looked at before the fourth step


def spoil_gradient(learn): learn.model[0].weight.grad.fill_(math.inf)


@pytest.mark.parametrize('epoch', [1, 2])
@pytest.mark.parametrize('every, kept', [(1, 5), (2, 5), (3, 5), (6, 5), (4, 3), (7, 0), (50, 0)])
def test_the_step_of_the_last_batch_of_an_epoch_is_looked_at_too(every, kept, epoch, capsys):
    learn, clean = learner([MetricsCallback()], bs=8, n=48), learner(bs=8, n=48)
    learn.cbs[0].every = every
    learn.fit(2, [Diary(after_backward=on_batch(6 * epoch, spoil_gradient))])
    clean.fit(2, [stop_before(6 * (epoch - 1) + kept)])
    assert torch.equal(weights(learn), weights(clean)) and [row['epoch'] for row in learn.history] == [1][:epoch - 1]
    out = capsys.readouterr().out
    assert out.count('a weight was no finite number; model and optimiser are as they were') == 1 and f', epoch {epoch} of 2, training batch 6' in out


@pytest.mark.parametrize('kind', [KeyboardInterrupt, CancelFit, CancelEpoch, CancelBatch, ValueError])
@pytest.mark.parametrize('every, bad_batch, kept', [(1, 4, 3), (2, 4, 3), (50, 4, 0), (1, 6, 5), (3, 6, 5), (6, 6, 5), (4, 6, 3)])
def test_a_fit_that_is_broken_off_right_after_a_bad_step_does_not_keep_it(every, bad_batch, kept, kind, capsys):
    learn, clean = learner(bs=8, n=48), learner(bs=8, n=48)
    learn.cbs[0].every = every
    try: learn.fit(1, [Diary(after_backward=on_batch(bad_batch, spoil_gradient), after_step=on_batch(bad_batch, raising(kind)))])
    except FitError: assert kind is ValueError
    clean.fit(1, [stop_before(kept)])
    assert torch.equal(weights(learn), weights(clean)) and learn.interrupted == (kind is KeyboardInterrupt)
    assert capsys.readouterr().out.count('model and optimiser are as they were') == 1


def test_an_epoch_that_is_cut_short_after_a_bad_step_has_no_row_and_ends_the_fit(capsys):
    seen = []
    learn, clean = learner([MetricsCallback()], bs=8, n=48), learner(bs=8, n=48)
    cut = {'after_backward': on_batch(9, spoil_gradient), 'after_step': on_batch(9, raising(CancelEpoch))}
    learn.fit(3, [Diary(**cut, after_epoch=lambda learn: seen.append(weights(learn)))])
    clean.fit(1)
    assert len(seen) == 2 and all(torch.equal(w, weights(clean)) for w in [*seen, weights(learn)]) and len(learn.history) == 1
    assert capsys.readouterr().out.count('a weight was no finite number') == 1


class Copies(StopOnNaN):
    "Counts the copies that it makes."
    n = 0
    def keep(self, learn):
        super().keep(learn)
        self.n += 1


@pytest.mark.parametrize('every, copies', [(1, 8), (2, 5), (6, 3), (4, 3), (50, 2)])
def test_a_copy_is_made_at_the_start_at_each_look_and_for_the_last_step_once(every, copies):
    learn = learner(bs=8, n=48)
    learn.cbs[0] = guard = Copies(every)
    learn.fit(1)
    assert guard.n == copies and learn.fit(0).cbs[0].n == copies + 1


def test_validation_alone_is_not_looked_at(capsys):
    def no_training(learn):
        if learn.training: raise CancelBatch
        learn.xb = learn.xb * math.nan
    learn = learner(bs=8)
    before, learn.cbs[0] = weights(learn), Copies(2)
    learn.fit(2, [Diary(before_batch=no_training)])
    assert learn.cbs[0].n == 1 and math.isnan(learn.validate([(data().x * math.nan, data().y)])['loss'])
    assert learn.cbs[0].n == 1 and torch.equal(weights(learn), before) and capsys.readouterr().out == ''


def test_a_model_that_was_no_number_from_the_start_is_told_of_once(capsys):
    learn = learner()
    learn.model[0].weight.data[0, 0] = math.nan
    learn.fit(1)
    assert capsys.readouterr().out.count('as they were at the last look') == 1
    learn.fit(0)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_all_that_is_trained_must_be_finite_and_nothing_else(bad):
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    assert weights_are_finite(model) and weights_are_finite(nn.Flatten())
    model.mask = nn.Parameter(torch.full((3,), bad), requires_grad=False)
    model.register_buffer('count', torch.tensor(3))
    assert weights_are_finite(model)
    model[1].bias.data[2] = bad
    assert not weights_are_finite(model)


def test_what_knows_how_to_move_is_moved_whole_and_the_rest_tensor_by_tensor():
    packed = nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)])
    class Ragged:
        def to(self, device): return 'ragged', device
    got, = move([{'text': packed, 'ragged': Ragged(), 'image': (torch.ones(2), 'a cat')}], torch.device('meta'))
    assert got['text'].data.is_meta and type(got['text']) is type(packed) and not got['text'].batch_sizes.is_meta      # those stay on the CPU
    assert got['ragged'] == ('ragged', torch.device('meta')) and got['image'][0].is_meta and got['image'][1] == 'a cat'


def test_what_is_asked_is_brought_to_where_the_model_is():
    class There(nn.Linear):
        def forward(self, x): return torch.full((len(x), 3), float(x.is_meta))
    learn = Learner(There(4, 3, device='meta'), get_dls(data(), data(), 16))
    assert (learn.predict(data().x) == 1).all()


def test_without_a_name_the_best_device_that_is_there_is_taken(monkeypatch):
    for cuda, mps, want in [(True, True, 'cuda'), (True, False, 'cuda'), (False, True, 'mps'), (False, False, 'cpu')]:
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: mps)
        assert DeviceCallback().device.type == want and DeviceCallback('cpu').device.type == 'cpu'
    monkeypatch.setattr(torch, 'device', str)                          # without a GPU, torch makes no device of a number
    assert DeviceCallback(0).device == '0'


@pytest.mark.parametrize('value', [1, 7])
def test_a_count_from_one_on_is_taken(value): assert check_count('every', value) is None and StopOnNaN(value).every == value


@pytest.mark.parametrize('value', [0, -1, 1.5, True, '3', None])
def test_what_is_no_count_is_refused_by_name(value):
    with pytest.raises(ValueError, match=f'^StopOnNaN: every: {value!r}, wanted a whole number from 1 on$'): StopOnNaN(value)


def test_the_examples_of_a_batch_whose_target_has_no_length_are_those_of_its_input():
    batches = [(torch.ones(3, 4), torch.tensor(1.)), (torch.zeros(1, 4), torch.tensor(5.))]
    learn = Learner(nn.Linear(4, 1), DataLoaders(batches, batches), lambda pred, yb: yb + 0 * pred.sum(), cbs=[MetricsCallback()]).fit(1)
    assert learn.history[0]['valid_loss'] == learn.validate()['loss'] == 2.


def test_the_orders_are_those_that_the_lesson_gives(): assert [cb.order for cb in (DeviceCallback, StopOnNaN, MetricsCallback)] == [-20, -10, 0]


@pytest.mark.parametrize('value', [2., tensor(2., requires_grad=True), tensor([2.], requires_grad=True), tensor([[2.]], requires_grad=True) * 1])
def test_one_number_has_no_axes_and_no_graph(value):
    number = one_number('it', value)
    assert torch.is_tensor(number) and number.shape == () and not number.requires_grad and number.item() == 2.


def test_what_callbacks_name_for_checkpoints_is_there():
    for cb in (GradientClip(1.), StopOnNaN(), MetricsCallback(), DeviceCallback('cpu')): assert all(hasattr(cb, name) for name in (*cb.same, *cb.saves))
    assert GradientClip(2.).same == ('max_norm',)


def test_a_buffer_may_be_infinite_as_a_mask_is_and_not_nan():
    model = nn.BatchNorm1d(3)
    model.register_buffer('mask', torch.tensor([0., -math.inf]))
    assert weights_are_finite(model)
    model.running_mean[1] = math.nan
    assert not weights_are_finite(model)


def test_the_start_of_a_fit_is_what_others_have_set_up():
    class Restores(Callback):
        def setup(self, learn): learn.model.load_state_dict(other.model.state_dict())
    def poison(learn): learn.xb = learn.xb * math.nan
    learn, other = learner(seed=0), learner(seed=1)
    learn.fit(1, [Restores(), Diary(before_batch=poison)])
    assert torch.equal(weights(learn), weights(other))


def test_two_learners_at_once_stop_each_for_its_own_numbers():
    a, b = learner(seed=0), learner(seed=1)
    before = weights(a), weights(b)
    def poison(learn): learn.xb = learn.xb * math.nan
    a.fit(1, [Diary(after_train=lambda learn: b.fit(1, [Diary(before_batch=poison)]))])
    assert torch.equal(weights(b), before[1]) and weights(a).isfinite().all() and not torch.equal(weights(a), before[0])
    before = weights(a)
    a.fit(1, [Diary(after_step=on_batch(1, lambda learn: b.fit(1)), before_batch=on_batch(2, poison))])
    assert torch.equal(weights(a), before) and not torch.equal(weights(b), before)


def test_a_second_fit_that_goes_wrong_goes_back_to_its_own_start():
    def poison(learn): learn.xb = learn.xb * math.nan
    learn = learner().fit(1)
    learn.model.load_state_dict(learner(seed=1).model.state_dict())              # by other hands, between the two
    before = weights(learn)
    learn.fit(1, [Diary(before_batch=poison)])
    assert torch.equal(weights(learn), before)


def test_parts_with_a_state_of_their_own_go_back_too():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.s = nn.Parameter(tensor(1.))
        def forward(self, pred, yb): return F.cross_entropy(self.s * pred, yb)
    loss = Scale()
    learn = learner(bs=8, loss_func=loss, opt_func=lambda params, lr: SGD([*params, *loss.parameters()], lr))
    learn.cbs[0].every = 2
    learn.fit(1, [Diary(before_batch=on_batch(3, lambda learn: setattr(learn, 'xb', learn.xb * math.nan)))])
    assert loss.s.isfinite() and loss.s != 1. and set(learn.parts()) == {'model', 'opt', 'loss_func'}


# ---- asking a model

def test_predictions_are_made_in_eval_mode_without_a_graph_and_put_the_mode_back():
    learn = learner(layers=[nn.Dropout(.5)])
    x = data().x
    assert torch.equal(learn.predict(x), learn.predict(x)) and not learn.predict(x).requires_grad and learn.model.training
    learn.model.eval()
    assert not learn.predict(x).requires_grad and not learn.model.training


def test_every_part_of_the_model_is_afterwards_in_its_own_mode_whatever_happened():
    learn = learner(layers=[nn.Dropout(.5), nn.BatchNorm1d(5)])
    learn.model.train()
    learn.model[3].eval()
    modes = [m.training for m in learn.model.modules()]
    for ask in (lambda: learn.predict(torch.zeros(2, 9)), lambda: learn.predict(data().x), learn.get_preds, learn.validate, learn.summary):
        try: ask()
        except FitError as e: assert 'do_forward' in str(e) or 'failed' in str(e)
        assert [m.training for m in learn.model.modules()] == modes and torch.is_grad_enabled()
        assert not any(layer._forward_hooks for layer in learn.model.modules())


def test_a_summary_that_fails_leaves_no_hook_and_a_model_without_parameters_can_be_asked():
    learn = learner()
    learn.model[2] = nn.Linear(9, 3)
    with pytest.raises(FitError): learn.summary()
    assert not any(layer._forward_hooks for layer in learn.model.modules())
    learn.model = nn.Flatten()
    assert torch.equal(learn.predict(data().x), data().x) and learn.get_preds()[0].shape == (40, 4) and 'Flatten' in learn.summary()


def test_inputs_in_a_tuple_or_a_dict_are_all_inputs():
    class Sum(nn.Module):
        def forward(self, a, b=0): return a['x'] if isinstance(a, dict) else a + b
    learn, x = Learner(Sum(), get_dls(data(), data(), 16), opt_func=lambda params, lr: None), data().x
    for xb, want in [(x, x), ((x, x), 2*x), ([x, x], 2*x), ((x,), x), ({'x': x}, x)]: assert torch.equal(learn.predict(xb), want)


class Halve(Callback):
    "Changes every batch, in training and validation alike."
    def before_batch(self, learn): learn.xb = learn.xb / 2


def test_what_is_asked_goes_through_the_callbacks_so_that_history_and_validate_agree():
    learn = learner([Halve(), MetricsCallback(accuracy=accuracy)], lr=.5).fit(2)
    figures, x = learn.validate(accuracy=accuracy), data().x
    assert figures == pytest.approx({'loss': learn.history[-1]['valid_loss'], 'accuracy': learn.history[-1]['accuracy']})
    want = learn.model(x / 2).detach()
    torch.testing.assert_close(learn.predict(x), want)
    torch.testing.assert_close(learn.get_preds()[0], want)


def test_answers_are_what_the_last_callback_has_made_of_them_and_have_no_graph():
    class Shares(Callback):
        order = 1000
        def after_pred(self, learn): learn.pred = learn.pred.softmax(-1)
    class Graph(nn.Linear):
        def forward(self, x):
            with torch.enable_grad(): return super().forward(x)
    for cbs, want in [([], lambda pred: pred), ([Shares()], lambda pred: pred.softmax(-1))]:
        learn = Learner(Graph(4, 3), get_dls(data(), data(), 16), cbs=cbs)
        for pred in (learn.get_preds()[0], learn.predict(data().x)):
            torch.testing.assert_close(pred, want(learn.model(data().x)).detach())
            assert not pred.requires_grad


def test_whoever_is_for_fits_only_is_not_asked():
    class Heard(Diary): fits_only = True
    cbs = [Heard(), Diary()]
    learn = learner([*cbs, MetricsCallback()])
    learn.validate(), learn.predict(data().x), learn.get_preds(), learn.summary()
    assert cbs[0].lines == [] and cbs[1].lines.count('before_validate') == 4 and cbs[1].lines.count('after_loss') == 2
    assert learn.history == [] and 'before_fit' not in cbs[1].lines


def test_a_fit_that_is_under_way_can_be_asked_and_goes_on_as_if_it_had_not():
    def ask(learn): seen.append((learn.validate(accuracy=accuracy), learn.predict(data().x[:2]), learn.summary()))
    seen, cbs = [], [MetricsCallback(accuracy=accuracy)]
    a, b = learner([MetricsCallback(accuracy=accuracy)], lr=.5).fit(2), learner(cbs, lr=.5)
    b.fit(2, [Diary(after_step=ask, after_train=ask, after_epoch=ask)])
    assert torch.equal(weights(a), weights(b)) and a.history == b.history and len(seen) == 10
    assert seen[-1][0]['loss'] == pytest.approx(b.history[-1]['valid_loss'])


def test_what_cannot_be_asked_says_where_it_failed():
    learn = learner().fit(1)
    with pytest.raises(FitError, match='failed, last event before_batch, validation batch 1: RuntimeError'): learn.predict(torch.zeros(2, 9))
    with pytest.raises(FitError, match='Diary.after_pred failed, validation batch 2'): learner([Diary(after_pred=raising(None, OSError))], bs=8).get_preds()
    with pytest.raises(FitError, match='gave no batch'): learn.validate([])


def test_a_loader_without_a_length_gives_its_batches_in_each_epoch():
    class Endless:
        def __iter__(self): return iter([data()[:5]])
    learn = learner([MetricsCallback()])
    learn.dls = DataLoaders(Endless(), Endless())
    assert len(learn.fit(2).history) == 2


def test_all_predictions_come_in_the_order_of_the_loader():
    learn = learner(bs=7)
    preds, targs = learn.get_preds()
    assert torch.equal(targs, data().y)
    torch.testing.assert_close(preds, learn.predict(data().x))
    assert len(learn.get_preds(BatchLoader(data(), 9, drop_last=True))[0]) == 36
    assert len(learn.get_preds(iter([data()[:3]]))[0]) == 3


def test_validation_gives_the_loss_and_each_metric_asked_for():
    learn = learner(bs=7)
    figures = learn.validate(accuracy=accuracy)
    pred = learn.predict(data().x)
    assert figures == pytest.approx({'loss': F.cross_entropy(pred, data().y).item(), 'accuracy': accuracy(pred, data().y).item()})
    assert set(learn.validate(BatchLoader(data(), 10))) == {'loss'}


def test_a_validation_keeps_no_predictions():
    class Beside: "What stays the same object when the tensors beside it are copied."
    class Model(nn.Linear):
        def forward(self, x):
            alive.append(sum(ref() is not None for ref in made))
            beside = Beside()
            made.append(weakref.ref(beside))
            return {'logits': super().forward(x), 'beside': beside}
    alive, made, learn = [], [], Learner(Model(4, 3), get_dls(data(), data(), 4), lambda pred, yb: F.cross_entropy(pred['logits'], yb))
    learn.validate()
    assert len(alive) == 5 and max(alive) == 1                       # that of the batch before


def test_the_summary_lists_each_layer_with_shape_and_parameters_and_leaves_no_hook():
    learn = learner(bs=10)
    state = learn.dls.train.state_dict()['generator']
    lines = [line.split() for line in learn.summary().splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [('Linear', '25'), ('ReLU', '0'), ('Linear', '18'), ('all', '43')]
    assert '(20, 5)' in learn.summary() and not any(layer._forward_hooks for layer in learn.model.modules())
    assert torch.equal(state, learn.dls.train.state_dict()['generator'])


def test_the_summary_survives_layers_that_return_more_than_a_tensor():
    class Last(nn.Module):
        def forward(self, out): return out[0]
    learn = learner()
    learn.model = nn.Sequential(nn.LSTM(4, 3, batch_first=True), Last())
    learn.dls = get_dls(Dataset(torch.randn(6, 2, 4), torch.zeros(6)), Dataset(torch.randn(6, 2, 4), torch.zeros(6)), 2)
    assert 'a tuple' in learn.summary() and '(4, 2, 3)' in learn.summary()


@pytest.mark.timing
def test_the_learner_takes_little_more_than_the_bare_loop():
    x, y = torch.rand(20_000, 100), torch.zeros(20_000, dtype=torch.int64)
    dls = get_dls(Dataset(x, y), Dataset(x[:100], y[:100]), 64, seed=0)
    def bare():
        model = nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
        opt = SGD(model.parameters(), .1)
        for xb, yb in dls.train:
            F.cross_entropy(model(xb), yb).backward()
            opt.step()
            opt.zero_grad()
    def ours(): Learner(nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)), dls, cbs=[MetricsCallback()]).fit(1)
    def seconds(f):
        start = time.perf_counter()
        f()
        return time.perf_counter() - start
    assert statistics.median(seconds(ours) / seconds(bare) for _ in range(7)) < 1.4


def test_ctrl_c_in_the_middle_of_a_figure_is_no_mistake_of_the_metric():
    def press(learn):
        metrics.values['torn'] = []
        raise KeyboardInterrupt
    learn = learner([metrics := MetricsCallback()]).fit(2, [Diary(after_loss=press)])
    assert learn.interrupted and learn.history == []

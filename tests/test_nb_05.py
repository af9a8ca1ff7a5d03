import math, statistics, time
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_04 import SGD, BatchLoader, Dataset, accuracy, fit, get_dls
from exp.nb_05 import (EVENTS, Callback, CancelBatch, CancelEpoch, CancelFit, DeviceCallback, FitError, GradientClip, Learner,
                       MetricsCallback)
from learners import Diary, data, learner, weights

BATCH = 'before_batch after_pred after_loss after_backward after_step after_batch'.split()
CHECK = 'before_batch after_pred after_loss after_batch'.split()


# ---- the loop and its events

def test_the_order_of_events_is_this():
    diary = Diary()
    learner([diary], bs=32).fit(2)
    epoch = ['before_epoch', 'before_train', *BATCH, *BATCH, 'after_train', 'before_validate', *CHECK, 'after_validate', 'after_epoch']
    assert diary.lines == ['before_fit', *epoch, *epoch, 'after_fit']


def test_every_event_of_the_tuple_happens_once_per_batch_epoch_or_fit():
    diary = Diary()
    learner([diary], bs=32).fit(1)
    assert set(diary.lines) == set(EVENTS) and diary.lines.count('before_epoch') == 1


def test_a_learner_takes_the_steps_of_fit():
    a, b = learner(lr=.3), learner(lr=.3)
    a.fit(3)
    fit(3, b.model, F.cross_entropy, b.opt, *b.dls)
    assert torch.equal(weights(a), weights(b))


def test_gradients_are_cleared_after_each_step_and_none_are_made_in_validation():
    def check(learn): grads.append((learn.training, torch.is_grad_enabled(), learn.model.training))
    grads = []
    learn = learner([Diary(after_pred=check)], bs=32).fit(1)
    assert grads == [(True, True, True)] * 2 + [(False, False, False)]
    assert all(p.grad is None for p in learn.model.parameters()) and torch.is_grad_enabled()


def test_weights_change_between_after_backward_and_after_step():
    seen = []
    def look(learn): seen.append(weights(learn))
    learner([Diary(after_backward=look, after_step=look)], bs=40).fit(2)
    assert not torch.equal(seen[0], seen[1]) and torch.equal(seen[1], seen[2])


def test_callbacks_find_the_state_under_the_documented_names():
    def look(learn):
        assert learn.xb.shape[1] == 4 and len(learn.yb) == len(learn.pred) and learn.loss.ndim == 0
        seen.append((learn.epoch, learn.epochs, learn.batch, learn.training, learn.dl is learn.dls.train, learn.whole))
    seen = []
    learner([Diary(after_loss=look)], bs=32).fit(2)
    assert seen == [(e, 2, b, t, t, True) for e in (0, 1) for b, t in [(0, True), (1, True), (0, False)]]


def test_callbacks_can_change_the_batch_the_prediction_and_the_loss():
    learn = learner(bs=40)
    before = weights(learn)
    learn.fit(1, [Diary(after_loss=lambda learn: setattr(learn, 'loss', learn.loss * 0))])
    assert torch.equal(weights(learn), before)
    seen = []
    learn.fit(1, [Diary(before_batch=lambda learn: setattr(learn, 'xb', learn.xb[:3]),
                        after_pred=lambda learn: (seen.append(len(learn.pred)), setattr(learn, 'yb', learn.yb[:3])))])
    assert seen == [3, 3]


def test_callbacks_are_called_by_their_order_and_then_as_given():
    class Named(Callback):
        def __init__(self, name, order): self.name, self.order = name, order
        def before_fit(self, learn): called.append(self.name)
    called = []
    learner([Named('c', 50), Named('a', -1), Named('d', 50)]).fit(0, [Named('b', 0)])
    assert called == list('abcd')


def test_callbacks_given_to_fit_are_not_kept():
    learn, diary = learner(), Diary()
    learn.fit(1, [diary])
    heard = len(diary.lines)
    learn.fit(1)
    assert len(diary.lines) == heard


def test_two_fits_go_on_with_the_same_optimiser_and_history():
    a, b = learner([MetricsCallback()], lr=.2), learner([MetricsCallback()], lr=.2)
    a.fit(1).fit(1)
    b.fit(2)
    assert torch.equal(weights(a), weights(b)) and len(a.history) == 2


@pytest.mark.parametrize('name', ['after_batches', 'before_everything', 'after_'])
def test_an_unknown_event_is_refused_when_the_class_is_defined(name):
    with pytest.raises(TypeError, match=f"Typo: no such event .*{name}.*before_fit"): type('Typo', (Callback,), {name: None})


# ---- cancellation

@pytest.mark.parametrize('event, steps', [('before_batch', 0), ('after_pred', 0), ('after_backward', 0), ('after_step', 3), ('after_batch', 3)])
def test_a_cancelled_batch_skips_its_rest_and_nothing_else(event, steps):
    def cancel(learn):
        if learn.training and event != 'after_batch': raise CancelBatch
    diary = Diary(**{event: cancel})
    learner([diary]).fit(1)
    assert diary.lines.count('before_batch') == diary.lines.count('after_batch') == 5 and diary.lines.count('after_step') == steps
    assert diary.lines[-2:] == ['after_epoch', 'after_fit']


@pytest.mark.parametrize('event', ['before_epoch', 'before_train', 'before_batch', 'after_loss', 'after_step', 'after_batch', 'after_train'])
def test_a_cancelled_epoch_skips_its_rest_and_the_next_one_comes(event):
    def cancel(learn):
        if learn.epoch == 0: raise CancelEpoch
    diary = Diary(**{event: cancel})
    learner([diary]).fit(2)
    first = diary.lines[:diary.lines.index('after_epoch')]
    assert 'before_validate' not in first and diary.lines.count('after_epoch') == 2 and diary.lines.count('before_validate') == 1
    for level in ('train', 'batch'): assert first.count(f'before_{level}') == first.count(f'after_{level}')


@pytest.mark.parametrize('event', ['before_fit', 'before_epoch', 'after_pred', 'after_backward', 'before_validate', 'after_epoch'])
def test_a_cancelled_fit_ends_with_all_after_events(event):
    def cancel(learn): raise CancelFit
    diary = Diary(**{event: cancel})
    learner([diary]).fit(3)
    for level in ('fit', 'epoch', 'train', 'validate', 'batch'):
        assert diary.lines.count(f'before_{level}') == diary.lines.count(f'after_{level}')
    assert diary.lines[-1] == 'after_fit' and diary.lines.count('before_epoch') <= 1


def test_the_reason_of_a_cancellation_is_printed_with_its_place(capsys):
    def cancel(learn): raise CancelFit('enough')
    learner([Diary(after_step=cancel)]).fit(3)
    assert capsys.readouterr().out == 'enough, epoch 1 of 3, training batch 1\n'


def test_an_epoch_knows_whether_it_is_whole():
    def cancel(kind): return lambda learn: (_ for _ in ()).throw(kind)
    for kind, want in [(None, [True]), (CancelBatch, [True]), (CancelEpoch, [True]), (CancelFit, [False])]:
        seen = []
        at = {'after_epoch': lambda learn: seen.append(learn.whole)}
        if kind: at['after_loss'] = cancel(kind)
        learner([Diary(**at)]).fit(1)
        assert seen == want


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


@pytest.mark.parametrize('every, bad_batch, kept', [(1, 1, 0), (1, 4, 2), (2, 3, 1), (2, 4, 1), (5, 9, 4), (5, 4, 0), (50, 9, 0), (4, 10, 7)])
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


def test_ctrl_c_ends_the_fit_keeps_what_was_learned_and_says_where(capsys):
    def press(learn):
        if learn.batch == 1: raise KeyboardInterrupt
    learn, diary = learner(), Diary(after_step=press)
    before = weights(learn)
    assert learn.fit(2, [diary]) is learn and not torch.equal(weights(learn), before)
    assert diary.lines[-4:] == ['after_batch', 'after_train', 'after_epoch', 'after_fit']
    assert 'interrupted, last event after_step, epoch 1 of 2, training batch 2; what was learned' in capsys.readouterr().out


@pytest.mark.parametrize('event, place', [('after_fit', 'epoch 2 of 2, validation batch 3'), ('before_validate', 'epoch 1 of 2, validation batch 1'),
                                          ('before_epoch', 'epoch 1 of 2, training batch 1'), ('after_batch', 'epoch 1 of 2, training batch 1')])
def test_ctrl_c_may_come_anywhere(event, place, capsys):
    def press(learn): raise KeyboardInterrupt
    learn, diary = learner(bs=16), Diary(**{event: press})
    learn.dls = learn.dls._replace(valid=BatchLoader(data(), 16))
    learn.fit(2, [diary])
    assert f'interrupted, last event {event}, {place}' in capsys.readouterr().out
    for level in ('fit', 'epoch', 'train', 'validate', 'batch'): assert diary.lines.count(f'before_{level}') == diary.lines.count(f'after_{level}')


def test_gradients_of_a_fit_that_was_broken_off_do_not_reach_the_next():
    def press(learn): raise KeyboardInterrupt
    a, b = learner(), learner()
    a.fit(1, [Diary(after_backward=press)])
    for learn in (a, b): learn.dls.train.generator.manual_seed(3)
    assert torch.equal(weights(a.fit(1)), weights(b.fit(1)))


@pytest.mark.parametrize('error', [ZeroDivisionError, CancelBatch, CancelFit])
def test_a_closing_event_reaches_every_callback_even_when_one_fails(error):
    def fail(learn): raise error
    for event in ('after_batch', 'after_train', 'after_epoch', 'after_fit'):
        first, second = Diary(**{event: fail}), Diary()
        try: learner([first, second]).fit(1)
        except FitError: assert error is not CancelFit or event == 'after_fit'
        assert second.lines.count(event) == first.lines.count(event) > 0


def test_after_an_error_the_others_are_not_given_the_event_unless_it_closes():
    broken, other = Diary(after_loss=lambda learn: 1/0), Diary()
    with pytest.raises(FitError): learner([broken, other]).fit(1)
    assert other.lines[-6:] == ['before_batch', 'after_pred', 'after_batch', 'after_train', 'after_epoch', 'after_fit']


def test_the_first_of_several_errors_is_the_one_that_is_told():
    def fail(kind): return lambda learn: (_ for _ in ()).throw(kind)
    broken = Diary(after_loss=fail(KeyError('first')), after_batch=fail(OSError('second')), after_fit=fail(OSError('third')))
    with pytest.raises(FitError, match='Diary.after_loss failed.*first') as e: learner([broken]).fit(1)
    assert isinstance(e.value.__cause__, KeyError)


@pytest.mark.parametrize('event, kind', [('before_epoch', CancelBatch), ('before_fit', CancelEpoch), ('after_fit', CancelFit)])
def test_a_cancellation_where_nothing_of_its_kind_runs_is_an_error(event, kind):
    def cancel(learn): raise kind
    with pytest.raises(FitError, match=rf'there is nothing of the kind to cancel, last event {event}, .*{kind.__name__}\(\)'):
        learner([Diary(**{event: cancel})]).fit(1)


def test_a_class_in_place_of_an_object_is_refused():
    with pytest.raises(TypeError, match=r'fit: MetricsCallback is a class, wanted an object of it: MetricsCallback\(\)'):
        learner([MetricsCallback]).fit(1)


@pytest.mark.parametrize('event, half, batch', [('before_fit', 'training', 1), ('after_loss', 'training', 1), ('after_validate', 'validation', 2),
                                                ('before_validate', 'validation', 1)])
def test_an_error_in_a_callback_names_it_with_event_epoch_and_batch(event, half, batch):
    diary, broken = Diary(), Diary(**{event: lambda learn: 1/0})
    with pytest.raises(FitError, match=f'Diary.{event} failed, epoch 1 of 2, {half} batch {batch}: ZeroDivisionError') as e:
        learner([broken, diary]).fit(2)
    assert isinstance(e.value.__cause__, ZeroDivisionError) and diary.lines[-1] == 'after_fit'


def test_an_error_in_a_data_set_or_a_model_says_where_it_was():
    class Torn(Dataset):
        def __getitem__(self, i): return super().__getitem__(i) if 30 not in i else 1/0
    torn = Torn(data().x, data().y)
    with pytest.raises(FitError, match=r'failed, last event (before_train|after_batch), epoch 1 of 1, training batch .: ZeroDivisionError'):
        Learner(nn.Linear(4, 3), get_dls(torn, data(), 16)).fit(1)
    with pytest.raises(FitError, match='failed, last event before_batch, epoch 1 of 1, training batch 1: RuntimeError'):
        Learner(nn.Linear(7, 3), get_dls(data(), data(), 16)).fit(1)


def test_after_an_error_the_learner_can_be_used_again():
    learn = learner()
    with pytest.raises(FitError): learn.fit(1, [Diary(after_backward=lambda learn: 1/0)])
    learn.fit(1, [diary := Diary()])
    assert diary.lines[-1] == 'after_fit' and torch.is_grad_enabled()


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


def test_objects_of_torchmetrics_agree_with_our_own_functions():
    from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
    theirs = MulticlassAccuracy(3, average='micro'), MulticlassF1Score(3, average='micro')
    learn = learner([MetricsCallback(ours=accuracy, accuracy=theirs[0], f1=theirs[1])], lr=.5).fit(3)
    for row in learn.history: assert row['ours'] == pytest.approx(row['accuracy']) == pytest.approx(row['f1'])
    assert len({row['ours'] for row in learn.history}) > 1


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


# ---- asking a model

def test_predictions_are_made_in_eval_mode_without_a_graph_and_put_the_mode_back():
    learn = learner(layers=[nn.Dropout(.5)])
    x = data().x
    assert torch.equal(learn.predict(x), learn.predict(x)) and not learn.predict(x).requires_grad and learn.model.training
    learn.model.eval()
    assert not learn.predict(x).requires_grad and not learn.model.training


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


def test_the_summary_lists_each_layer_with_shape_and_parameters_and_leaves_no_hook():
    learn = learner(bs=20)
    state = learn.dls.train.state_dict()['generator']
    lines = [line.split() for line in learn.summary().splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [('Linear', '25'), ('ReLU', '0'), ('Linear', '18'), ('all', '43')]
    assert '(40, 5)' in learn.summary() and not any(layer._forward_hooks for layer in learn.model.modules())
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

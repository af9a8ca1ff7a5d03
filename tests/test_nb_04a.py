import _thread, builtins, gc, itertools, pickle, signal, sys, threading, weakref
import numpy as np
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_04 import SGD, BatchLoader, DataLoaders, Dataset, fit, get_dls
from exp import nb_04a
from exp.nb_04a import EVENTS, STEPS, Bracket, Callback, CancelBatch, CancelEpoch, CancelFit, FitError, Loop, Patient, rank
from learners import Diary, data, loop, raising, weights

BATCH = 'before_batch after_pred after_loss after_backward after_step after_batch'.split()
CHECK = 'before_batch after_pred after_loss after_batch'.split()
LEVELS = 'fit', 'epoch', 'train', 'validate', 'batch'


# ---- the loop and its events

def test_the_order_of_events_is_this():
    diary = Diary()
    loop([diary], bs=32).fit(2)
    epoch = ['before_epoch', 'before_train', *BATCH, *BATCH, 'after_train', 'before_validate', *CHECK, 'after_validate', 'after_epoch']
    assert diary.lines == ['before_fit', *epoch, *epoch, 'after_fit']


def test_every_event_of_the_tuple_happens_once_per_batch_epoch_or_fit():
    diary = Diary()
    loop([diary], bs=32).fit(1)
    assert set(diary.lines) == set(EVENTS) and diary.lines.count('before_epoch') == 1


def test_the_loop_takes_the_steps_of_fit():
    a, b = loop(lr=.3), loop(lr=.3)
    a.fit(3)
    fit(3, b.model, F.cross_entropy, b.opt, *b.dls)
    assert torch.equal(weights(a), weights(b))


def test_gradients_are_cleared_after_each_step_and_none_are_made_in_validation():
    def check(learn): seen.append((learn.training, torch.is_grad_enabled(), learn.model.training, learn.model[0].weight.grad is None))
    seen = []
    loop([Diary(before_batch=check, after_step=check)], bs=16).fit(1)
    assert seen == [(True, True, True, True)] * 6 + [(False, False, False, True)] * 2 and torch.is_grad_enabled()


def test_outside_of_validation_gradients_are_as_they_were():
    seen = []
    def look(learn): seen.append(torch.is_grad_enabled())
    loop([Diary(before_validate=look, after_validate=look, after_epoch=look, after_fit=look)], bs=40).fit(1)
    with torch.no_grad(): loop([Diary(after_epoch=look, after_loss=look)], bs=40).fit(1) and look(None)
    assert seen == [False, False, True, True, True, False, False, False]


def test_weights_change_between_after_backward_and_after_step():
    seen = []
    def look(learn): seen.append(weights(learn))
    loop([Diary(after_backward=look, after_step=look)], bs=40).fit(2)
    assert not torch.equal(seen[0], seen[1]) and torch.equal(seen[1], seen[2])


def test_callbacks_find_the_state_under_the_documented_names():
    def look(learn):
        assert learn.xb.shape[1] == 4 and len(learn.yb) == len(learn.pred) and learn.loss.ndim == 0
        seen.append((learn.epoch, learn.epochs, learn.batch, learn.training, learn.dl is learn.dls.train, learn.whole))
    seen = []
    loop([Diary(after_loss=look)], bs=32).fit(2)
    assert seen == [(e, 2, b, t, t, True) for e in (0, 1) for b, t in [(0, True), (1, True), (0, False)]]


def test_callbacks_can_change_the_batch_the_prediction_and_the_loss():
    learn = loop(bs=40)
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
    class Alike(Named): pass
    called = []
    loop([Named('c', 50), Named('a', -1), Alike('d', 50)]).fit(0, [Named('b', 0), Alike('e', 50)])
    assert called == list('abcde')


def test_callbacks_given_to_fit_are_not_kept_and_lists_stay_their_owners():
    mine, guests, diary = [Diary()], [Diary()], Diary()
    learn = loop(mine)
    mine.append(diary)
    learn.fit(1, guests)
    heard = len(guests[0].lines)
    learn.fit(1)
    assert len(guests[0].lines) == heard > 0 and diary.lines == [] and (len(mine), len(guests), len(learn.cbs)) == (2, 1, 1)


def test_a_class_in_place_of_an_object_is_refused():
    with pytest.raises(TypeError, match=r'fit: Diary is a class, wanted an object of it: Diary\(\)'): loop([Diary]).fit(1)


@pytest.mark.parametrize('name', ['saves', 'same'])
def test_one_word_in_place_of_a_tuple_of_names_is_refused_when_the_class_is_defined(name):
    with pytest.raises(TypeError, match='Counts: saves and same are tuples of names'): type('Counts', (Callback,), {name: 'count'})
    assert type('Counts', (Callback,), {name: ['count']})


def test_one_callback_twice_is_refused_and_two_of_one_class_are_not():
    diary, other = Diary(), Diary()
    with pytest.raises(ValueError, match=r"fit: a callback is there twice: \['Diary', 'Diary'\]"): loop([diary]).fit(1, [diary])
    loop([diary]).fit(1, [other])
    assert diary.lines == other.lines != []


def test_the_state_of_a_callback_is_what_it_names_and_goes_back_into_that_object():
    class Counts(Callback):
        saves = ('n', 'sum')
        n, sum, other = 0, 0., 'mine'
    a, b, c = Counts(), Counts(), Counts()
    a.n, a.sum, a.other = 3, .5, 'yours'
    b.load_state_dict(a.state_dict())
    assert (a.state_dict(), Callback().state_dict()) == ({'n': 3, 'sum': .5}, {})
    assert [(x.n, x.sum, x.other) for x in (b, c)] == [(3, .5, 'mine'), (0, 0., 'mine')]


@pytest.mark.parametrize('name', ['after_batches', 'before_everything', 'after_'])
def test_an_unknown_event_is_refused_when_the_class_is_defined(name):
    with pytest.raises(TypeError, match=f"Typo: no such event .*{name}.*before_fit"): type('Typo', (Callback,), {name: None})


@pytest.mark.parametrize('event, steps', [('before_batch', 0), ('after_pred', 0), ('after_backward', 0), ('after_step', 3), ('after_batch', 3)])
def test_a_cancelled_batch_skips_its_rest_and_nothing_else(event, steps):
    def cancel(learn):
        if learn.training and event != 'after_batch': raise CancelBatch
    diary = Diary(**{event: cancel})
    loop([diary]).fit(1)
    assert diary.lines.count('before_batch') == diary.lines.count('after_batch') == 5 and diary.lines.count('after_step') == steps
    assert diary.lines[-2:] == ['after_epoch', 'after_fit']


@pytest.mark.parametrize('event', ['before_epoch', 'before_train', 'before_batch', 'after_loss', 'after_step', 'after_batch', 'after_train'])
def test_a_cancelled_epoch_skips_its_rest_and_the_next_one_comes(event):
    def cancel(learn):
        if learn.epoch == 0: raise CancelEpoch
    diary = Diary(**{event: cancel})
    loop([diary]).fit(2)
    first = diary.lines[:diary.lines.index('after_epoch')]
    assert 'before_validate' not in first and diary.lines.count('after_epoch') == 2 and diary.lines.count('before_validate') == 1
    for level in ('train', 'batch'): assert first.count(f'before_{level}') == first.count(f'after_{level}')


@pytest.mark.parametrize('event', ['before_fit', 'before_epoch', 'after_pred', 'after_backward', 'before_validate', 'after_epoch'])
def test_a_cancelled_fit_ends_with_all_after_events(event):
    def cancel(learn): raise CancelFit
    diary = Diary(**{event: cancel})
    loop([diary]).fit(3)
    for level in ('fit', 'epoch', 'train', 'validate', 'batch'):
        assert diary.lines.count(f'before_{level}') == diary.lines.count(f'after_{level}')
    assert diary.lines[-1] == 'after_fit' and diary.lines.count('before_epoch') <= 1


def test_the_reason_of_a_cancellation_is_printed_with_its_place(capsys):
    def cancel(learn): raise CancelFit('enough')
    loop([Diary(after_step=cancel)]).fit(3)
    assert capsys.readouterr().out == 'enough, epoch 1 of 3, training batch 1\n'
    loop([Diary(after_loss=raising(CancelBatch))]).fit(3)
    assert capsys.readouterr().out == ''


def test_an_epoch_knows_whether_it_is_whole():
    def cancel(kind): return lambda learn: (_ for _ in ()).throw(kind)
    for kind, want in [(None, [True]), (CancelBatch, [True]), (CancelEpoch, [True]), (CancelFit, [False])]:
        seen = []
        at = {'after_epoch': lambda learn: seen.append(learn.whole)}
        if kind: at['after_loss'] = cancel(kind)
        loop([Diary(**at)]).fit(1)
        assert seen == want


def test_ctrl_c_ends_the_fit_keeps_what_was_learned_and_says_where(capsys):
    def press(learn):
        if learn.batch == 1: raise KeyboardInterrupt
    learn, diary = loop(), Diary(after_step=press)
    before = weights(learn)
    assert learn.fit(2, [diary]) is learn and not torch.equal(weights(learn), before)
    assert diary.lines[-4:] == ['after_batch', 'after_train', 'after_epoch', 'after_fit']
    assert 'interrupted, last event after_step, epoch 1 of 2, training batch 2; what was learned' in capsys.readouterr().out


@pytest.mark.parametrize('event, place', [('after_fit', 'epoch 2 of 2, validation batch 3'), ('before_validate', 'epoch 1 of 2, validation batch 1'),
                                          ('before_epoch', 'epoch 1 of 2, training batch 1'), ('after_batch', 'epoch 1 of 2, training batch 1')])
def test_ctrl_c_may_come_anywhere(event, place, capsys):
    def press(learn): raise KeyboardInterrupt
    learn, diary = loop(bs=16), Diary(**{event: press})
    learn.dls = learn.dls._replace(valid=BatchLoader(data(), 16))
    learn.fit(2, [diary])
    assert f'interrupted, last event {event}, {place}' in capsys.readouterr().out
    for level in ('fit', 'epoch', 'train', 'validate', 'batch'): assert diary.lines.count(f'before_{level}') == diary.lines.count(f'after_{level}')


def test_gradients_of_a_fit_that_was_broken_off_do_not_reach_the_next():
    def press(learn): raise KeyboardInterrupt
    a, b = loop(), loop()
    a.fit(1, [Diary(after_backward=press)])
    for learn in (a, b): learn.dls.train.generator.manual_seed(3)
    assert torch.equal(weights(a.fit(1)), weights(b.fit(1)))


@pytest.mark.parametrize('error', [ZeroDivisionError, CancelBatch, CancelFit])
def test_a_closing_event_reaches_every_callback_even_when_one_fails(error):
    def fail(learn): raise error
    for event in ('after_batch', 'after_train', 'after_epoch', 'after_fit'):
        first, second = Diary(**{event: fail}), Diary()
        try: loop([first, second]).fit(1)
        except FitError: assert error is not CancelFit or event == 'after_fit'
        assert second.lines.count(event) == first.lines.count(event) > 0


def test_after_an_error_the_others_are_not_given_the_event_unless_it_closes():
    broken, other = Diary(after_loss=lambda learn: 1/0), Diary()
    with pytest.raises(FitError): loop([broken, other]).fit(1)
    assert other.lines[-6:] == ['before_batch', 'after_pred', 'after_batch', 'after_train', 'after_epoch', 'after_fit']


def test_the_first_of_several_errors_is_the_one_that_is_told():
    def fail(kind): return lambda learn: (_ for _ in ()).throw(kind)
    broken = Diary(after_loss=fail(KeyError('first')), after_batch=fail(OSError('second')), after_fit=fail(OSError('third')))
    with pytest.raises(FitError, match='Diary.after_loss failed.*first') as e: loop([broken]).fit(1)
    assert isinstance(e.value.__cause__, KeyError)


@pytest.mark.parametrize('event, kind', [('before_epoch', CancelBatch), ('before_fit', CancelEpoch), ('after_fit', CancelFit)])
def test_a_cancellation_where_nothing_of_its_kind_runs_is_an_error(event, kind):
    def cancel(learn): raise kind
    with pytest.raises(FitError, match=rf'there is nothing of the kind to cancel, last event {event}, .*{kind.__name__}\(\)'):
        loop([Diary(**{event: cancel})]).fit(1)


@pytest.mark.parametrize('event, half, batch', [('before_fit', 'training', 1), ('after_loss', 'training', 1), ('after_validate', 'validation', 2),
                                                ('before_validate', 'validation', 1)])
def test_an_error_in_a_callback_names_it_with_event_epoch_and_batch(event, half, batch):
    diary, broken = Diary(), Diary(**{event: lambda learn: 1/0})
    with pytest.raises(FitError, match=f'Diary.{event} failed, epoch 1 of 2, {half} batch {batch}: ZeroDivisionError') as e:
        loop([diary, broken]).fit(2)
    assert isinstance(e.value.__cause__, ZeroDivisionError) and diary.lines[-1] == 'after_fit'


def test_an_error_in_a_data_set_or_a_model_says_where_it_was():
    class Torn(Dataset):
        def __getitem__(self, i): return super().__getitem__(i) if 30 not in i else 1/0
    torn = Torn(data().x, data().y)
    with pytest.raises(FitError, match=r'failed, last event (before_train|after_batch), epoch 1 of 1, training batch .: ZeroDivisionError'):
        Loop(model := nn.Linear(4, 3), get_dls(torn, data(), 16), F.cross_entropy, SGD(model.parameters(), .1), [Diary()]).fit(1)
    with pytest.raises(FitError, match='failed, last event before_batch, epoch 1 of 1, training batch 1: RuntimeError'):
        Loop(model := nn.Linear(7, 3), get_dls(data(), data(), 16), F.cross_entropy, SGD(model.parameters(), .1)).fit(1)


def test_a_fit_that_fails_before_its_first_batch_has_the_place_of_its_own_beginning():
    learn = loop(bs=8)
    for epochs, place in [(0, ''), (4, 'epoch 1 of 4, ')]:
        learn.fit(1)                                               # which ends in a later batch, of the validation
        with pytest.raises(FitError, match=f'Diary.before_fit failed, {place}training batch 1: OSError'): learn.fit(epochs, [Diary(before_fit=raising(OSError))])


def test_after_an_error_the_loop_can_be_used_again():
    learn = loop()
    with pytest.raises(FitError): learn.fit(1, [Diary(after_backward=lambda learn: 1/0)])
    learn.fit(1, [diary := Diary()])
    assert diary.lines[-1] == 'after_fit' and torch.is_grad_enabled()


# ---- what is opened is closed, and the gravest goes on

KINDS = [CancelBatch, CancelEpoch, CancelFit, KeyboardInterrupt, ZeroDivisionError, SystemExit]


def outcome(fit):
    "What comes out of a fit: the class of the exception, or of the cause of a FitError; 'interrupted', or None."
    try: return 'interrupted' if fit().interrupted else None
    except FitError as e: return type(e.__cause__)
    except BaseException as e: return type(e)


@pytest.mark.parametrize('first, second', [*itertools.permutations(KINDS, 2)])
@pytest.mark.parametrize('events', [('after_loss', 'after_batch'), ('after_batch', 'after_batch'), ('after_step', 'after_train')])
def test_of_two_exceptions_the_graver_goes_on_whoever_raised_it(first, second, events):
    graver = max(first, second, key=KINDS.index)
    def epochs(*cbs): return lambda: loop([*cbs, diary], bs=40).fit(2)
    diary = Diary()
    got = outcome(epochs(Diary(**{events[0]: raising(first, None)}), Diary(**{events[1]: raising(second, None)})))
    want = {KeyboardInterrupt: 'interrupted', CancelFit: None, CancelEpoch: None}.get(graver, graver)
    assert got == want and diary.lines.count('before_epoch') == (2 if graver is CancelEpoch else 1)
    for level in LEVELS: assert diary.lines.count(f'before_{level}') == diary.lines.count(f'after_{level}')


@pytest.mark.parametrize('level', LEVELS)
@pytest.mark.parametrize('kind', [CancelFit, KeyboardInterrupt, ZeroDivisionError, SystemExit, GeneratorExit])
def test_only_those_who_were_given_the_opening_event_are_given_the_closing_one(level, kind):
    before, after, failing = Diary(), Diary(), Diary(**{f'before_{level}': raising(kind)})
    outcome(lambda: loop([before, failing, after]).fit(1))
    counts = [(d.lines.count(f'before_{level}'), d.lines.count(f'after_{level}')) for d in (before, failing, after)]
    assert counts == [(1, 1), (1, 1), (0, 0)] and before.lines[-1] == 'after_fit'


def test_who_has_no_method_for_the_opening_event_takes_nobody_elses_place():
    class Closes(Callback):
        def after_epoch(self, learn): told.append(self.name)
    class Both(Closes):
        def before_epoch(self, learn): told.append(f'not {self.name}')
    class Fails(Closes):
        def before_epoch(self, learn): raise CancelEpoch
    told, cbs = [], [Closes(), Both(), Fails(), Both()]
    for name, cb in zip('abcd', cbs): cb.name = name
    loop(cbs).fit(1)
    assert told == ['not b', 'a', 'b', 'c']


@pytest.mark.parametrize('kind', KINDS[3:])
def test_an_exception_in_a_closing_event_keeps_nobody_else_from_theirs(kind):
    diaries = [Diary(after_train=raising(kind)), Diary(after_train=raising(kind), after_epoch=raising(kind)), Diary()]
    outcome(lambda: loop(diaries).fit(2))
    assert all(d.lines[-3:] == ['after_train', 'after_epoch', 'after_fit'] for d in diaries)


@pytest.mark.parametrize('kind', [SystemExit(3), GeneratorExit()])
def test_the_end_of_the_program_is_no_error_of_the_fit(kind):
    diary = Diary(after_loss=raising(kind))
    with pytest.raises(type(kind)) as e: loop([diary]).fit(1)
    assert e.value is kind and diary.lines[-1] == 'after_fit'


def test_ranks_are_those_of_the_exceptions_and_of_what_is_derived_from_them():
    class Mine(CancelEpoch): pass
    kinds = [CancelBatch(), Mine(), CancelFit(), KeyboardInterrupt(), OSError(), FitError('a', OSError()), SystemExit(), GeneratorExit()]
    assert [rank(kind) for kind in kinds] == [0, 1, 2, 3, 4, 4, 5, 5]


def test_setup_comes_before_everything_and_teardown_after_it_to_whom_was_set_up():
    class Tool(Diary):
        def setup(self, learn): self.listen(learn, 'setup')
        def teardown(self, learn): self.listen(learn, 'teardown')
        def listen(self, learn, event): self.lines.append(event), self.at.get(event, bool)(learn)
    whole = Tool()
    loop([whole]).fit(1)
    assert (whole.lines[:2], whole.lines[-2:]) == (['setup', 'before_fit'], ['after_fit', 'teardown'])
    for kind in (OSError, KeyboardInterrupt, SystemExit):
        first, failing, last = Tool(), Tool(setup=raising(kind)), Tool()
        assert outcome(lambda: loop([first, failing, last]).fit(1)) == ('interrupted' if kind is KeyboardInterrupt else kind)
        assert [tool.lines for tool in (first, failing, last)] == [['setup', 'teardown']] * 2 + [[]]
        first, failing, last = Tool(), Tool(teardown=raising(kind)), Tool()
        assert outcome(lambda: loop([first, failing, last]).fit(0)) == ('interrupted' if kind is KeyboardInterrupt else kind)
        assert [tool.lines[-1] for tool in (first, failing, last)] == ['teardown'] * 3


def test_an_epoch_whose_callback_ends_the_fit_when_it_is_done_is_whole():
    seen, note = [], lambda learn: seen.append(learn.whole)
    for kind in (CancelFit, KeyboardInterrupt): loop([Diary(after_epoch=raising(kind)), Diary(after_epoch=note, after_fit=note)]).fit(2)
    assert seen == [True, True, False, False]


def test_whoever_pressed_ctrl_c_can_be_told_from_whoever_did_not_and_a_loop_over_fits_ends():
    learn = loop()
    assert learn.fit(1, [Diary(after_loss=raising(KeyboardInterrupt))]).interrupted and not learn.fit(1).interrupted
    fits = []
    with pytest.raises(KeyboardInterrupt):
        for _ in range(3): fits.append(learn.fit(1, [Diary(after_loss=raising(KeyboardInterrupt))], reraise=True))
    assert fits == [] and learn.interrupted


def test_the_place_that_is_told_is_that_of_the_exception_that_goes_on(capsys):
    graver = Diary(after_batch=raising(None, KeyboardInterrupt))
    loop([Diary(after_loss=raising(None, CancelFit('enough'))), graver], bs=16).fit(2)
    loop([Diary(after_loss=raising(None, CancelFit('enough')), after_train=raising(CancelEpoch('no')))], bs=16).fit(2)
    assert capsys.readouterr().out.splitlines() == ['interrupted, last event after_batch, epoch 1 of 2, training batch 2; what was learned is kept',
                                                    'enough, epoch 1 of 2, training batch 2']


class Odd(Exception):
    "Can be pickled, but not loaded again."
    def __init__(self, a, b): super().__init__(a)


def test_an_error_of_a_fit_can_be_sent_to_another_process():
    for cause, kind in [(KeyError('x'), KeyError), (Odd(1, 2), RuntimeError), (ValueError(lambda: 0), RuntimeError), (FitError('inner', OSError(2, 'no file')), FitError)]:
        copy = pickle.loads(pickle.dumps(FitError('Diary.after_loss failed, epoch 1', cause)))
        assert str(copy).startswith('Diary.after_loss failed, epoch 1: ') and type(cause).__name__ in str(copy) and type(copy.__cause__) is kind


def test_what_failed_holds_no_memory_once_its_error_is_forgotten():
    class Large: pass
    def fail(learn):
        large = Large()
        seen.append(weakref.ref(large))
        raise ValueError('out of memory')
    seen, learn = [], loop([Diary(after_pred=fail)])
    gc.disable()
    try:
        with pytest.raises(FitError): learn.fit(1)
        assert seen[0]() is None
    finally: gc.enable()


def test_a_fit_within_a_fit_has_places_of_its_own():
    def inner(learn): loop([Diary(after_loss=raising(None, OSError))]).fit(1)
    with pytest.raises(FitError, match='Diary.after_step failed, epoch 1 of 5, training batch 1: FitError.*training batch 2.*OSError'):
        loop([Diary(after_step=inner)]).fit(5)


def test_a_fit_can_begin_at_a_later_epoch_and_knows_where_its_rows_begin():
    def note(learn): learn.history.append(learn.epoch), seen.append(learn.first_row)
    class Resumes(Callback):
        def setup(self, learn): learn.epoch = 3
    seen, learn = [], loop()
    learn.fit(2, [Diary(after_epoch=note)]).fit(5, [Diary(after_epoch=note), Resumes()])
    assert learn.history == [0, 1, 3, 4] and seen == [0, 0, 2, 2]


def test_the_cause_of_an_error_is_kept_where_a_pool_of_processes_puts_its_own():
    arrived = pickle.loads(pickle.dumps(FitError('Diary.after_loss failed', KeyError('x'))))
    arrived.__cause__ = RuntimeError('a traceback as text')
    assert isinstance(arrived.cause, KeyError) and arrived.cause.args == ('x',)


def test_an_exception_that_is_kept_and_raised_again_is_told_its_new_place(capsys):
    reason, press = CancelEpoch('not today'), KeyboardInterrupt()
    loop([Diary(after_loss=raising(reason))], bs=40).fit(2)
    learn = loop([Diary(after_step=raising(press))], bs=40)
    learn.fit(2)
    learn.cbs = [Diary(after_train=raising(None, press))]
    learn.fit(2)
    assert capsys.readouterr().out.splitlines() == ['not today, epoch 1 of 2, training batch 1', 'not today, epoch 2 of 2, training batch 1', *[
        f'interrupted, last event {place}, training batch 1; what was learned is kept' for place in ('after_step, epoch 1 of 2', 'after_train, epoch 2 of 2')]]


def test_a_reason_that_cannot_be_printed_keeps_nobody_from_their_closing_events(monkeypatch):
    def closed(*_): raise ValueError('I/O operation on closed file')
    diary = Diary(after_loss=raising(CancelFit('enough')))
    monkeypatch.setattr(builtins, 'print', closed)
    with pytest.raises(FitError, match='closed file'): loop([diary]).fit(1)
    assert diary.lines[-4:] == ['after_batch', 'after_train', 'after_epoch', 'after_fit']


@pytest.mark.parametrize('epochs', [1.5, -1, '3', None, torch.tensor(1.5)])
def test_a_number_of_epochs_that_cannot_be_meant_is_refused_before_anything_happens(epochs):
    learn = loop([diary := Diary()])
    learn.history.append('a row')
    with pytest.raises(ValueError, match=r'fit: .* epochs, wanted a whole number from 0 on'): learn.fit(epochs)
    assert diary.lines == [] and learn.history == ['a row'] and learn.fit(np.int64(1)).epoch == 1


def test_a_number_of_epochs_of_numpy_becomes_pythons():
    assert type(loop().fit(np.int64(2)).epochs) is int


def test_a_loop_is_not_fitted_within_its_own_fit_and_can_be_after_it():
    learn, diary = loop(), Diary()
    with pytest.raises(FitError, match='Diary.after_step failed, epoch 1 of 2, training batch 1: RuntimeError.*in the middle of a fit') as e:
        learn.fit(2, [diary, Diary(after_step=lambda learn: learn.fit(1))])
    assert isinstance(e.value.cause, RuntimeError) and diary.lines[-2:] == ['after_epoch', 'after_fit']
    assert learn.fit(1).epoch == 1 and not learn.fitting


# ---- Ctrl-C between two instructions

@pytest.fixture
def handler():
    "Python's own handler of SIGINT, whatever this process was started with."
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, former)


def press(learn): signal.raise_signal(signal.SIGINT)


class Tools(Diary):
    "A diary that is told of setup and teardown, too."
    def setup(self, learn): self.note(learn, 'setup')
    def teardown(self, learn): self.note(learn, 'teardown')
    def note(self, learn, event): self.lines.append(event), self.at.get(event, bool)(learn)


class Nothing(Loop):
    "A loop whose steps, model and optimiser do nothing, in little time."
    def __init__(self, cbs): super().__init__(self, DataLoaders([(0, 0)], [(0, 0)]), None, self, cbs)
    def train(self, mode): pass
    def zero_grad(self): pass
    do_forward = do_loss = do_backward = do_step = train_mode = lambda self: None


BETWEEN = 'fit', 'outermost', 'within', 'answer', 'tell', 'run', 'one_fit', 'all_epochs', 'one_epoch', 'half', 'all_batches'


class Signal(int):
    "A signal that is sent when an attribute is looked at: without a call, during which Python would look for signals itself."
    sent = property(_thread.interrupt_main)


def pressed_at(place, work):
    "`work()`, with Ctrl-C before instruction number `place` in the methods of nb_04a that BETWEEN names; whether it was reached, and whether KeyboardInterrupt came out."
    left, ctrl_c = [place], Signal(signal.SIGINT)
    def instruction(frame, event, arg):
        if event != 'opcode': return instruction
        left[0] -= 1
        if left[0]: return instruction
        sys.settrace(None)
        ctrl_c.sent
    def call(frame, event, arg):
        if frame.f_code.co_filename == nb_04a.__file__ and frame.f_code.co_name in BETWEEN:
            frame.f_trace_opcodes = True
            return instruction
    former = sys.gettrace()
    sys.settrace(call)
    try:
        work()
        for _ in range(3): pass                                    # where Python looks for signals, if it has not before
    except KeyboardInterrupt: return True, True
    finally: sys.settrace(former)
    return left[0] <= 0, False


def test_a_press_between_any_two_instructions_loses_no_event_and_is_not_lost(handler):
    place, waited = 0, 0
    while True:
        place += 1
        cbs = [Tools(), Tools()]
        learn = Nothing(cbs)
        pressed, came_out = pressed_at(place, lambda: learn.fit(1))
        for cb in cbs:
            for level in LEVELS: assert cb.lines.count(f'before_{level}') == cb.lines.count(f'after_{level}'), (place, level)
            assert cb.lines.count('setup') == cb.lines.count('teardown'), place
        assert signal.getsignal(signal.SIGINT) is handler and not learn.fitting and torch.is_grad_enabled(), place
        if not pressed: break
        waited += getattr(learn, 'interrupted', False)
        assert came_out or learn.interrupted or learn.epoch == 1
    assert place > 1000 and waited > place / 2 and not came_out


@pytest.mark.parametrize('event', ['setup', 'before_fit', 'before_train', 'before_batch', 'after_batch', 'after_validate', 'after_epoch', 'teardown'])
def test_ctrl_c_waits_for_the_end_of_opening_and_closing_events(event, handler, capsys):
    def work(learn):
        lines.append('begins')
        press(learn)
        lines.append('ends')
    lines, other = [], Tools()
    learn = loop([Tools(**{event: work}), other]).fit(1)
    assert lines == ['begins', 'ends'] and learn.interrupted and event in other.lines and 'interrupted, last event' in capsys.readouterr().out
    assert other.lines[-1] == 'teardown' and ('before_batch' in other.lines) == (event not in ('setup', 'before_fit', 'before_train'))


@pytest.mark.parametrize('event', ['after_pred', 'after_loss', 'after_backward', 'after_step'])
def test_ctrl_c_does_not_wait_where_work_is_done(event, handler):
    def work(learn): press(learn), lines.append('went on')
    lines = []
    assert loop([Diary(**{event: work})]).fit(1).interrupted and lines == []


@pytest.mark.parametrize('event', ['before_epoch', 'after_epoch', 'after_fit'])
def test_a_second_press_does_not_wait(event, handler):
    def hangs(learn): press(learn), lines.append('one'), press(learn), lines.append('two')
    lines, other = [], Diary()
    assert loop([Diary(**{event: hangs}), other]).fit(2).interrupted
    assert lines == ['one'] and other.lines.count('before_epoch') == other.lines.count('after_epoch') <= 1 + (event == 'after_fit')
    assert loop([other]).fit(1).interrupted is False


def test_in_the_middle_of_a_batch_a_ctrl_c_acts_at_once(handler):
    seen = []
    learn = loop([Diary(after_loss=press, after_backward=lambda learn: seen.append(learn.batch))]).fit(1)
    assert learn.interrupted and seen == [] and not Callback.fits_only


def test_an_error_outranks_a_press_that_waited(handler):
    def both(learn): press(learn), 1/0
    with pytest.raises(FitError, match='Diary.after_epoch failed.*ZeroDivisionError'): loop([Diary(after_epoch=both)]).fit(1)
    assert loop().fit(1).interrupted is False


def test_handlers_of_others_are_asked_and_put_back(handler):
    def mine(signum, frame): called.append(signum)
    called, seen = [], []
    signal.signal(signal.SIGINT, mine)
    learn = loop([Diary(after_step=press, after_epoch=lambda learn: (press(learn), seen.append(len(called))))], bs=40).fit(1)
    assert called == [signal.SIGINT] * 2 and seen == [1] and not learn.interrupted and signal.getsignal(signal.SIGINT) is mine
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert not loop([Diary(after_step=press)]).fit(1).interrupted and signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize('kind', [None, CancelFit, KeyboardInterrupt, OSError, SystemExit])
def test_the_former_handler_is_back_after_a_fit_however_it_ends(kind, handler):
    seen = []
    outcome(lambda: loop([Diary(before_fit=lambda learn: seen.append(signal.getsignal(signal.SIGINT)), after_loss=raising(kind))]).fit(1))
    assert signal.getsignal(signal.SIGINT) is handler and seen[0] is not handler


def test_a_fit_in_another_thread_leaves_signals_alone(handler):
    learn, seen = loop([Diary(after_step=lambda learn: seen.append(signal.getsignal(signal.SIGINT)))], bs=40), []
    thread = threading.Thread(target=learn.fit, args=(1,))
    thread.start()
    thread.join()
    assert learn.epoch == 1 and seen == [handler]


def test_a_press_that_nobody_answered_is_no_matter_of_the_next_fit(handler):
    def both(learn): press(learn), (_ for _ in ()).throw(SystemExit)
    learn = loop([Tools(teardown=both)])
    for _ in range(2): assert outcome(lambda: learn.fit(0)) is SystemExit
    learn.cbs = []
    assert not learn.fit(1).interrupted


def test_a_press_at_the_very_end_waits_for_what_must_be_finished_and_is_not_lost(handler):
    def finish(): press(None), lines.append('finished')
    lines = []
    with pytest.raises(KeyboardInterrupt): Patient().outermost(lambda: None, finish)
    assert lines == ['finished'] and signal.getsignal(signal.SIGINT) is handler


def test_work_within_a_closing_event_leaves_it_one(handler):
    def second_set(learn):
        learn.half(learn.dls.valid, False, learn.check_batch, 'before_validate', 'after_validate')
        press(learn)
        lines.append('went on')
    lines = []
    assert loop([Diary(after_epoch=second_set)]).fit(1).interrupted and lines == ['went on']


def test_what_lies_within_an_outermost_cancellation_is_an_error():
    def work(): patient.within('before_batch', lambda: raising(CancelFit('no'))(None), 'after_batch', CancelBatch)
    patient = Patient()
    patient.activate([])
    with pytest.raises(FitError, match='nothing of the kind to cancel, last event before_batch, training batch 1.*no'): patient.outermost(work)


# ---- steps

class Summed(nn.Module):
    "A model of two inputs, or of a dict of them."
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, a, b=None): return self.layer(a['x'] if isinstance(a, dict) else a if b is None else a + b)


@pytest.mark.parametrize('form', [lambda x, y: (x, y), lambda x, y: [x, y], lambda x, y: (x/2, x/2, y), lambda x, y: ((x/2, x/2), y), lambda x, y: ([x/2, x/2], y),
                                  lambda x, y: {'x': x, 'y': y}])
def test_a_batch_may_be_a_pair_a_longer_tuple_or_a_dict(form):
    x, y = data()[:]
    torch.manual_seed(0)
    model, batches = Summed(), [form(x[i:i + 8], y[i:i + 8]) for i in range(0, 40, 8)]
    def loss(pred, y): return F.cross_entropy(pred, y['y'] if isinstance(y, dict) else y)
    before = loss(model.layer(x), y)
    plain = DataLoaders(batches, batches)
    Loop(model, plain, loss, SGD(model.parameters(), .2)).fit(3)
    assert torch.equal(model.layer.weight.detach(), trained_by_hand(x, y)) and loss(model.layer(x), y) < before


def trained_by_hand(x, y):
    torch.manual_seed(0)
    model = Summed()
    opt = SGD(model.parameters(), .2)
    for i in [*range(0, 40, 8)] * 3:
        F.cross_entropy(model(x[i:i + 8]), y[i:i + 8]).backward()
        opt.step()
        opt.zero_grad()
    return model.layer.weight.detach()


def test_a_tensor_alone_is_input_and_target():
    x = data().x
    model = nn.Linear(4, 4)
    for batches in ([x, x], [(x,), [x]]):
        seen = []
        Loop(model, DataLoaders(batches, batches), F.mse_loss, SGD(model.parameters(), .1), [Diary(after_loss=lambda learn: seen.append(learn.xb is learn.yb))]).fit(1)
        assert seen == [True] * 4


@pytest.mark.parametrize('step', STEPS)
def test_each_step_can_be_replaced_by_a_callback_or_in_a_subclass(step):
    def replaced(self, learn=None): (calls.append(step), getattr(Loop, step)(learn or self))
    calls = []
    learn, Mine = loop(bs=40), type('Mine', (Loop,), {step: replaced})
    learn.fit(1, [type('Replaces', (Callback,), {step: replaced})()])
    Mine(learn.model, learn.dls, learn.loss_func, learn.opt).fit(1)
    assert calls == [step] * (2 if step in ('do_backward', 'do_step') else 4)
    calls.clear()
    learn.fit(1)
    assert calls == []                                             # a callback replaces it for its own fit only


def test_a_step_that_two_callbacks_want_is_refused_and_one_that_fails_is_named():
    A, B = (type(name, (Callback,), {'do_loss': lambda self, learn: 1/0}) for name in 'AB')
    Splits = type('Splits', (Callback,), {'do_split': lambda self, learn: 1/0})
    with pytest.raises(FitError, match='^Splits.do_split failed, epoch 1 of 1, training batch 1: .*zero.*[)]$'): loop([Splits()]).fit(1)
    with pytest.raises(TypeError, match=r"fit: \['A', 'B'\] all have do_loss, wanted one"): loop([A(), B()]).fit(1)
    with pytest.raises(FitError, match='A.do_loss failed, epoch 1 of 1, training batch 1: ZeroDivisionError'): loop([A()]).fit(1)
    with pytest.raises(TypeError, match="no such event .*do_everything"): type('C', (Callback,), {'do_everything': None})


class Read(nn.Module):
    "A model of texts, of a packed sequence, or of tensors and a text."
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 2)

    def forward(self, x, y=None, how='sum'):
        if isinstance(x, torch.nn.utils.rnn.PackedSequence): x, lengths = torch.nn.utils.rnn.pad_packed_sequence(x, batch_first=True)
        return self.layer(tensor([[float(len(text))] for text in x]) if isinstance(x[0], str) else x.sum(1) if y is None else x + y)


@pytest.mark.parametrize('xb', [('a', 'bcd', 'ef'), ['a', 'bcd', 'ef'], torch.nn.utils.rnn.pack_sequence([torch.ones(3, 1), torch.ones(2, 1), torch.ones(1, 1)]),
                                (torch.ones(3, 1), torch.ones(3, 1), 'sum')])
def test_texts_and_a_packed_sequence_are_one_input(xb):
    model, batches = Read(), [(xb, tensor([0, 1, 0]))]
    before = model.layer.weight.detach().clone()
    Loop(model, DataLoaders(batches, batches), F.cross_entropy, SGD(model.parameters(), .1)).fit(1)
    assert not torch.equal(model.layer.weight, before)


def test_a_batch_of_nothing_may_be_left_out():
    def leave_out(learn):
        if learn.items is None: raise CancelBatch
    learn, batch = loop([Diary(before_batch=leave_out)]), data()[:]
    learn.dls = DataLoaders([batch, None], [batch, None])
    assert learn.fit(2).epoch == 2


# ---- loaders

def test_a_loader_that_gives_nothing_is_an_error_and_no_fit():
    x, y = data()[:]
    for train, valid in [([], [(x, y)]), ([(x, y)], []), (iter([(x, y)]), [(x, y)]), ((pair for pair in [(x, y)]), [(x, y)])]:
        learn = loop()
        learn.dls = DataLoaders(train, valid)
        with pytest.raises(FitError, match='the loader gave no batch: it is empty, or was read to its end before'): learn.fit(2)


def test_loaders_of_torch_and_any_list_of_batches_train_alike():
    from torch.utils.data import DataLoader, TensorDataset, random_split
    x, y = data()[:]
    whole = TensorDataset(x, y)
    parts = random_split(whole, [30, 10])
    for train in (DataLoader(whole, 8), [whole[i:i + 8] for i in range(0, 40, 8)], DataLoader(parts[0], 8, shuffle=True), get_dls(parts[0], parts[1], 8).train):
        learn = loop()
        learn.dls, before = DataLoaders(train, DataLoader(parts[1], 8)), weights(learn)
        assert not torch.equal(weights(learn.fit(1)), before)

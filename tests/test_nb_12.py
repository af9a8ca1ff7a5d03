import math
import numpy as np
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_04 import BatchLoader, DataLoaders, Dataset, accuracy
from exp.nb_04a import Callback, FitError
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_05b import Checkpoint
from exp.nb_12 import (Affine, Augment, Colour, CutMix, Erase, Flip, Mixup, Transform, affine_grid, boxes, draw_beta, grid_sample, in_halves, is_number, matrix,
                       mean_over_views, soft_accuracy, soft_cross_entropy, soft_targets, span, uniform, way_back)

close = torch.testing.assert_close


def rand(*shape, seed=0, dtype=torch.float32): return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
def g(seed=0): return torch.Generator().manual_seed(seed)
def numbers(*values): return [tensor([float(v)], dtype=torch.float64) for v in values]
def smooth(n, H, W):
    "Pictures without edges, so that a mean of neighbours changes little."
    y, x = torch.meshgrid(torch.linspace(-1, 1, H, dtype=torch.float64), torch.linspace(-1, 1, W, dtype=torch.float64), indexing='ij')
    return torch.stack([((1 + k)*x).sin() + (y - .2*k).cos() for k in range(n)])[:, None]


CHANGES = [Affine(20, .2, .2, .1), Affine(turn=(30, 60)), Flip(.5), Flip(.5, axis=-2), Erase(.4), Colour(.3, .3, .3)]
NOTHING = [Affine(), Affine(45, .5, .5, .5, p=0), Flip(0), Erase(0), Erase(.5, p=0), Colour(), Colour(.5, .5, .5, p=0)]
each_change = pytest.mark.parametrize('change', CHANGES, ids=lambda t: f'{type(t).__name__} {vars(t)}')


# ---- one map

def test_the_way_back_undoes_shear_scale_turn_and_move_in_the_opposite_order():
    a, s, k, dx, dy = numbers(.7, 1.3, -.4, 3, -2)
    cos, sin = a.cos().item(), a.sin().item()
    forward = tensor([[1, 0, 3], [0, 1, -2], [0, 0, 1.]]) @ tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ torch.diag(tensor([1.3, 1.3, 1])) @ tensor([[1, -.4, 0], [0, 1, 0], [0, 0, 1]])
    close(way_back(a, s, k, dx, dy)[0].float(), forward.inverse())
    close((way_back(a, s, k, dx, dy)[0].float() @ forward), torch.eye(3), atol=1e-5, rtol=0)


def test_each_example_has_a_matrix_of_its_own():
    five = rand(5, 4) + .5
    together = way_back(*five)
    for i in range(4): close(together[i:i + 1], way_back(*five[:, i:i + 1]))


def test_a_map_in_half_sides_takes_the_edges_where_the_map_in_pixels_takes_them():
    back, (H, W) = way_back(*numbers(.5, 1.2, .3, 2, -1)), (4, 10)
    theta = in_halves(back, (H, W))
    for x, y in ((0, 0), (5, 0), (0, 2), (-5, 2), (1, -.5)):
        in_pixels = back[0] @ tensor([x, y, 1], dtype=torch.float64)
        close(theta[0] @ tensor([x/(W/2), y/(H/2), 1], dtype=torch.float64), in_pixels[:2] / tensor([W/2, H/2]))


def test_the_grid_of_the_identity_is_the_middles_of_the_pixels():
    grid = affine_grid(torch.eye(2, 3)[None], (2, 4))
    close(grid[0, :, :, 0], tensor([[-.75, -.25, .25, .75]]).expand(2, 4))
    close(grid[0, :, :, 1], tensor([[-.5], [.5]]).expand(2, 4))


def test_between_pixels_stands_the_weighted_mean_of_four_and_outside_zero_or_the_border():
    x = tensor([[[[0., 4, 8], [10, 14, 18]]]])
    places = tensor([[[[-1/3, 0.], [0, -.25], [-1, -.5], [-1.5, -.5]]]])
    close(grid_sample(x, places)[0, 0, 0], tensor([7., 6.5, 0., 0.]))
    close(grid_sample(x, places, 'border')[0, 0, 0], tensor([7., 6.5, 0., 0.]))
    close(grid_sample(x + 1, places)[0, 0, 0], tensor([8., 7.5, .5, 0.]))
    close(grid_sample(x + 1, places, 'border')[0, 0, 0], tensor([8., 7.5, 1., 1.]))


# ---- the affine change of a batch

@pytest.mark.parametrize('shape', [(3, 2, 6, 6), (2, 1, 5, 5), (1, 3, 1, 1)])
def test_a_quarter_turn_is_clockwise_and_half_a_turn_turns_both_axes(shape):
    x = rand(*shape)
    close(Affine(turn=(90, 90))(x), x.rot90(-1, (2, 3)), atol=1e-5, rtol=0)
    close(Affine(turn=(180, 180))(x), x.flip(2, 3), atol=1e-5, rtol=0)


def test_a_turn_of_a_picture_that_is_no_square_keeps_distances():
    x = torch.zeros(1, 1, 5, 9)
    x[0, 0, 2, 6] = 1                                    # two pixels right of the middle
    want = torch.zeros(1, 1, 5, 9)
    want[0, 0, 4, 4] = 1                                 # and now two below it
    close(Affine(turn=(90, 90), padding_mode='zeros')(x), want, atol=1e-5, rtol=0)


def test_a_shift_is_a_share_of_the_sides_and_goes_right_and_down():
    x = rand(2, 3, 4, 8)
    y = Affine(shift=(.25, .25), padding_mode='zeros')(x)
    close(y[:, :, 1:, 2:], x[:, :, :-1, :-2], atol=1e-6, rtol=0)
    assert y[:, :, 0].abs().max() < 1e-6 and y[:, :, :, :2].abs().max() < 1e-6
    close(Affine(shift=(.25, .25))(x)[:, :, 0, 2:], x[:, :, 0, :-2], atol=1e-6, rtol=0)          # the border goes on


def test_a_scale_of_two_shows_the_middle_twice_as_large():
    ramp = (torch.arange(6.)[:, None] - 2.5 + 10*(torch.arange(8.) - 3.5))[None, None]        # from the middle: rows + 10 columns
    close(Affine(scale=(2, 2))(ramp), ramp/2, atol=1e-4, rtol=0)
    close(Affine(scale=(.5, .5))(ramp)[..., 2:4, 2:6], 2*ramp[..., 2:4, 2:6], atol=1e-4, rtol=0)


def test_a_shear_moves_what_is_below_the_middle_to_the_right_and_what_is_above_to_the_left():
    dot = torch.zeros(1, 1, 5, 5)
    dot[..., 0, 2] = dot[..., 4, 2] = 1
    want = torch.zeros(1, 1, 5, 5)
    want[..., 0, 0] = want[..., 4, 4] = 1
    close(Affine(shear=(1, 1), padding_mode='zeros')(dot), want, atol=1e-5, rtol=0)


def test_it_is_first_sheared_then_scaled_and_turned_and_at_last_moved():
    x = smooth(1, 21, 21)
    steps = [Affine(shear=(.3, .3)), Affine(scale=(1.2, 1.2)), Affine(turn=(40, 40)), Affine(shift=(.1, .1))]
    at_once, one_by_one = Affine(turn=(40, 40), scale=(1.2, 1.2), shear=(.3, .3), shift=(.1, .1))(x), x
    for step in steps: one_by_one = step(one_by_one)
    close(at_once[..., 7:-5, 7:-5], one_by_one[..., 7:-5, 7:-5], atol=.02, rtol=0)


@pytest.mark.parametrize('there, back', [(dict(turn=(25, 25)), dict(turn=(-25, -25))), (dict(scale=(1.25, 1.25)), dict(scale=(.8, .8))), (dict(shear=(.3, .3)), dict(shear=(-.3, -.3))),
                                         (dict(shift=(.07, .07)), dict(shift=(-.07, -.07)))])
def test_a_map_and_its_inverse_give_the_picture_back_away_from_the_border(there, back):
    x = smooth(3, 24, 20)
    y = Affine(**there)(x)
    assert (y - x)[..., 7:-7, 7:-7].abs().max() > .1
    close(Affine(**back)(y)[..., 7:-7, 7:-7], x[..., 7:-7, 7:-7], atol=.03, rtol=0)


def test_the_draws_fill_their_ranges():
    x = torch.zeros(4000, 1, 1, 2)
    draws = Transform(1.).between(x, g(), (-2, 3), (1, 1), (.5, .75))
    for draw, low, high in zip(draws, (-2, 1, .5), (3, 1, .75)):
        assert draw.min() >= low and draw.max() <= high and draw.shape == (4000,)
        close(draw.mean(), tensor((low + high)/2), atol=.05, rtol=0)
        assert low == high or draw.max() - draw.min() > .99*(high - low)
    assert torch.corrcoef(torch.stack([draws[0], draws[2]]))[0, 1].abs() < .06


def test_shifts_along_the_two_axes_are_drawn_apart():
    x = torch.zeros(200, 1, 15, 15)
    x[:, :, 7, 7] = 1
    y = Affine(shift=.3, padding_mode='zeros')(x, g())[:, 0]
    row, column = [(y.sum(axis) * torch.arange(15.)).sum(1) - 7 for axis in (2, 1)]
    assert torch.corrcoef(torch.stack([row, column]))[0, 1].abs() < .2 and row.std() > 2 and column.std() > 2


# ---- every change

@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize('change', NOTHING, ids=lambda t: f'{type(t).__name__} {vars(t)}')
def test_strength_zero_gives_the_pictures_back_to_the_bit(change, dtype):
    x = torch.randn(4, 3, 7, 5, generator=g()).to(dtype)
    assert torch.equal(change(x), x)


@each_change
def test_each_example_draws_for_itself(change):
    y = change(rand(1, 3, 8, 6).expand(60, -1, -1, -1), g())
    kinds = len({tuple(picture.flatten().tolist()) for picture in y})
    assert kinds == 2 if isinstance(change, Flip) else kinds > 20


@each_change
def test_the_same_state_of_the_generator_gives_the_same_batch_and_the_next_batch_is_another(change):
    x, first = rand(20, 3, 8, 6), g(5)
    y = change(x, first)
    assert torch.equal(change(x, g(5)), y) and not torch.equal(change(x, first), y)


@each_change
def test_without_a_generator_torchs_own_decides(change):
    x = rand(20, 3, 8, 6)
    torch.manual_seed(3)
    y = change(x)
    torch.manual_seed(3)
    assert torch.equal(change(x), y) and not torch.equal(change(x), y)
    before = torch.get_rng_state()
    change(x, g())
    assert torch.equal(torch.get_rng_state(), before)


@each_change
def test_a_change_keeps_shape_type_and_what_came_in(change):
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        x = rand(5, 3, 8, 6).to(dtype)
        kept = x.clone()
        y = change(x, g())
        assert y.shape == x.shape and y.dtype == dtype and torch.equal(x, kept)
        close(y.double(), change(kept.double(), g()), atol=.05, rtol=.05)
    assert change(x[:0]).shape == (0, 3, 8, 6)


@each_change
def test_pictures_may_lie_in_memory_as_they_like(change):
    x = rand(6, 3, 6, 8).transpose(2, 3)
    close(change(x, g()), change(x.contiguous(), g()))


@pytest.mark.parametrize('p', [.2, .7])
def test_the_share_p_of_the_pictures_is_changed(p):
    x = rand(2000, 1, 2, 3)
    for change in (Flip(p), Affine(turn=(90, 90), p=p), Erase(1., p=p)):
        changed = (change(x, g()) != x).flatten(1).any(1).float().mean()
        assert abs(changed - p) < .05


@each_change
def test_nothing_asks_the_device_for_a_number(change):
    assert change(torch.empty(4, 3, 8, 6, device='meta')).shape == (4, 3, 8, 6)


def test_one_mirrored_picture_is_mirrored_left_and_right_or_top_and_bottom():
    x = rand(2, 1, 2, 3)
    assert torch.equal(Flip(1)(x), x[..., [2, 1, 0]]) and torch.equal(Flip(1, axis=-2)(x), x[:, :, [1, 0]])


# ---- boxes

def test_a_box_has_the_share_of_the_sides_and_is_cut_off_at_the_border():
    masks = boxes(torch.zeros(500, 3, 8, 12), torch.full((500,), .25), g())[:, 0]
    rows, columns = masks.any(2).sum(1), masks.any(1).sum(1)
    assert masks.shape == (500, 8, 12) and torch.equal(masks.sum((1, 2)), rows * columns)
    assert rows.max() == 2 and columns.max() == 3 and (rows < 2).any() and (columns < 3).any()
    inside = (masks[:, 0] | masks[:, -1]).any(1).logical_not() & (masks[:, :, 0] | masks[:, :, -1]).any(1).logical_not()
    assert inside.any() and (rows[inside] == 2).all() and (columns[inside] == 3).all()
    assert masks.float().mean(0).min() > .01                         # every place is covered now and then


def test_a_pixel_is_covered_as_often_as_its_mirror_image_and_less_often_at_the_border():
    covered = boxes(torch.zeros(8000, 1, 4, 4), torch.full((8000,), .5), g())[:, 0].float().mean(0)
    for line in (covered.diagonal(), covered.flip(1).diagonal()): close(line, tensor([.375**2, .25, .25, .375**2]), atol=.03, rtol=0)


def test_each_picture_may_have_a_box_of_its_own_size():
    masks = boxes(torch.zeros(3, 1, 10, 10), tensor([0., 2., .1]), g())
    assert masks[0].sum() == 0 and masks[1].sum() >= 100 * .99 and masks[2].sum() <= 1


def test_what_is_erased_is_filled_in_all_channels_and_the_rest_stays():
    x = rand(50, 3, 8, 8) + 1
    y = Erase(.5, fill=-7.)(x, g())
    gone = y == -7
    assert torch.equal(y[~gone], x[~gone]) and torch.equal(gone[:, 0], gone[:, 2]) and gone.flatten(1).any(1).all()
    assert gone[:, 0].sum((1, 2)).max() == 16 and gone[:, 0].sum((1, 2)).min() < 16


# ---- colour

def test_brightness_contrast_and_saturation_by_hand():
    x = tensor([[.2, .4], [.6, .1], [.5, .9]]).reshape(1, 3, 1, 2)
    grey = .299*x[:, :1] + .587*x[:, 1:2] + .114*x[:, 2:]
    for how, want in ((dict(brightness=(.5, .5)), x/2), (dict(contrast=(.5, .5)), (x + grey.mean())/2), (dict(saturation=(.25, .25)), grey + (x - grey)/4), (dict(saturation=(2, 2)), 2*x - grey),
                      (dict(brightness=(2, 2), contrast=(.5, .5)), x + grey.mean()), (dict(saturation=(0, 0)), grey.expand(1, 3, 1, 2)), (dict(contrast=(0, 0)), grey.mean().expand(1, 3, 1, 2))):
        close(Colour(**how)(x), want)


def test_the_mean_grey_of_each_picture_survives_contrast_and_saturation():
    x = rand(5, 3, 4, 3)
    def grey(x): return (tensor([.299, .587, .114]) @ x.flatten(2)).mean(1)
    y = Colour(contrast=.5, saturation=.5)(x, g())
    close(grey(y), grey(x))
    assert (y - x).abs().flatten(1).amax(1).min() > 1e-3


# ---- in a training

class Look(Callback):
    "Keeps the batches that the model is shown."
    def __init__(self): self.train, self.valid = [], []
    def before_batch(self, learn): (self.train if learn.training else self.valid).append((learn.xb.clone(), learn.yb))


def learner(*cbs, n=24, bs=8, loss=F.cross_entropy):
    x, y = rand(n, 1, 4, 6), torch.arange(n) % 3
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(24, 3))
    return Learner(model, DataLoaders(BatchLoader(Dataset(x, y), bs, seed=0), BatchLoader(Dataset(x, y), bs)), loss, cbs=[MetricsCallback(accuracy=accuracy), *cbs])


def test_training_batches_are_changed_and_what_is_validated_asked_or_predicted_is_not():
    learn, x, y = learner(Augment(Affine(30), Flip(), generator=g()), look := Look()).fit(2), rand(24, 1, 4, 6), torch.arange(24) % 3
    learn.validate(), learn.get_preds(), learn.get_preds(learn.dls.train)
    assert len(look.valid) == 2*3 + 3 + 3 + 3
    for i, (xb, yb) in enumerate(look.valid): assert torch.equal(xb, x.split(8)[i % 3]) and torch.equal(yb, y.split(8)[i % 3])
    for i, (xb, yb) in enumerate(look.train): assert not torch.equal(xb, x.split(8)[i % 3]) and torch.equal(yb, y.split(8)[i % 3])
    assert len(look.train) == 6 and not torch.equal(look.train[0][0], look.train[3][0])
    close(learn.predict(x), learn.model(x).detach())


def test_the_transforms_come_one_after_the_other_and_draw_from_one_generator():
    x, one, other = rand(6, 1, 5, 5), g(2), g(2)
    want = Erase(.4, fill=9.)(Affine(30)(x, one), one)
    assert torch.equal(Augment(Affine(30), Erase(.4, fill=9.), generator=other)(x), want)
    assert torch.equal(Augment()(x), x)


@pytest.mark.parametrize('make', [lambda: Augment(Affine(20), Flip(), generator=g(4)), lambda: Augment(Flip()), lambda: Mixup(3, .5, g(4)), lambda: CutMix(3, 1.)])
def test_a_resumed_fit_ends_with_the_same_bits(make, tmp_path):
    torch.manual_seed(9)
    whole = learner(make()).fit(4)
    torch.manual_seed(9)
    learner(make(), Checkpoint(tmp_path)).fit(2)
    torch.manual_seed(1)
    resumed = learner(make(), Checkpoint(tmp_path)).fit(4)
    assert torch.equal(resumed.model[1].weight, whole.model[1].weight)


@pytest.mark.parametrize('one, other', [(Augment(Flip(.5)), Augment(Flip(.4))), (Augment(Affine(10)), Augment(Affine(11))), (Augment(Flip()), Augment(Erase())), (Mixup(3, .5), Mixup(3, .4)), (CutMix(3), CutMix(4))])
def test_another_augmentation_is_another_fit(one, other, tmp_path):
    learner(one, Checkpoint(tmp_path)).fit(1)
    with pytest.raises(FitError, match='this is not the fit'): learner(other, Checkpoint(tmp_path)).fit(2)


def test_the_batch_is_first_moved_then_augmented_then_mixed_and_then_seen_by_others():
    from exp.nb_05 import DeviceCallback
    assert DeviceCallback.order < Augment.order < Mixup.order == CutMix.order < MetricsCallback.order < Callback.order
    assert Augment(Flip(.3), Erase(.5)).settings == ["Flip {'p': 0.3, 'axis': -1}", "Erase {'p': 1.0, 'size': 0.5, 'fill': 0.0}"]


# ---- targets that are probabilities

def test_class_numbers_become_rows_with_a_one_and_probabilities_stay():
    y = tensor([2, 0])
    assert torch.equal(soft_targets(y, 3), tensor([[0., 0, 1], [1, 0, 0]]))
    soft = tensor([[.25, .75]])
    assert soft_targets(soft, 2) is soft


def test_smoothed_targets_leave_a_share_for_all_classes():
    z = rand(4, 5, dtype=torch.float64)
    want = -(.8*z.log_softmax(1)[range(4), [0, 1, 4, 1]] + .2*z.log_softmax(1).mean(1)).mean()
    close(soft_cross_entropy(z, tensor([0, 1, 4, 1]), .2), want)


def test_large_logits_do_not_overflow():
    z = tensor([[1000., 0, -1000]])
    close(soft_cross_entropy(z, tensor([1]), .3), F.cross_entropy(z, tensor([1]), label_smoothing=.3))


def test_the_accuracy_of_probabilities_is_what_they_give_to_the_class_that_was_said():
    pred = tensor([[0., 2, 1], [5, 1, 1]])
    close(soft_accuracy(pred, tensor([[.1, .6, .3], [.2, .8, 0]])), tensor((.6 + .2)/2))
    hard = tensor([1, 2])
    close(soft_accuracy(pred, hard), accuracy(pred, hard))


# ---- shares from Beta(alpha, alpha)

def test_a_beta_of_one_is_even_and_of_a_half_is_the_arcsine():
    x = torch.zeros(20_000, 1)
    quantiles = (torch.arange(20_000) + .5)/20_000
    for alpha, want in ((1., quantiles), (.5, (math.pi/2*quantiles).sin()**2)): close(draw_beta(x, alpha, g()).sort().values, want, atol=.02, rtol=0)


@pytest.mark.parametrize('alpha', [.01, .2, .4, 1., 3., 1000.])
def test_shares_lie_between_zero_and_one_about_a_half_with_the_spread_of_beta(alpha):
    share = draw_beta(torch.zeros(50_000, 2), alpha, g(1)).double()
    assert share.shape == (50_000,) and share.min() >= 0 and share.max() <= 1
    close(share.mean(), tensor(.5).double(), atol=.01, rtol=0)
    close(share.var(), tensor(1/(4*(2*alpha + 1))).double(), rtol=.03, atol=0)


def test_a_share_of_two_is_distributed_as_its_cubic_says():
    share = draw_beta(torch.zeros(20_000, 1), 2., g()).sort().values
    close(3*share**2 - 2*share**3, (torch.arange(20_000) + .5)/20_000, atol=.02, rtol=0)


# ---- mixing

def even(n=40, H=6, W=5, classes=4):
    "Pictures that are even, and as bright as their class number, so that a mixed picture tells the shares that went in."
    y = torch.arange(n) % classes
    return y.reshape(-1, 1, 1, 1).expand(n, 2, H, W).float(), y


@pytest.mark.parametrize('mix', [Mixup, CutMix])
@pytest.mark.parametrize('alpha', [.3, 1., 50.])
def test_targets_are_mixed_in_the_share_in_which_the_pictures_are(mix, alpha):
    x, y = even()
    mixed, soft = mix(4, alpha, g())(x, y)
    close(mixed.mean((1, 2, 3)), soft @ torch.arange(4.))
    close(soft.sum(1), torch.ones(40))
    assert mixed.shape == x.shape and soft.shape == (40, 4) and (soft > 0).sum(1).max() == 2 and len({*soft.amax(1).tolist()}) > 5


def test_mixup_is_even_and_cutmix_takes_each_pixel_from_one_of_two():
    x, y = even()
    mixed, _ = Mixup(4, 1., g())(x, y)
    assert (mixed.flatten(1).std(1) < 1e-6).all() and (mixed != x).any()
    cut, soft = CutMix(4, 1., g())(x, y)
    assert set(cut.unique().tolist()) <= {0., 1, 2, 3} and torch.equal(cut[:, 0], cut[:, 1])
    for picture, targets in zip(cut, soft): assert {*picture.unique().long().tolist()} <= {*targets.nonzero().flatten().tolist()}


def test_the_box_of_cutmix_has_the_share_that_was_drawn():
    x, y = torch.zeros(3000, 1, 40, 40), torch.arange(3000) % 2
    x[1::2] = 1
    _, soft = CutMix(2, 1000., g())(x, y)                            # all shares close to a half: sides of 0.7
    mixed = soft.amin(1)[(soft > 0).all(1)]
    assert abs(mixed.max() - .5) < .03 and .2 < mixed.mean() < .45   # the others are cut off at the border


def test_each_example_gives_once_and_takes_once():
    x = torch.arange(30.).reshape(30, 1, 1, 1)
    mixed, soft = Mixup(30, 1000., g())(x, torch.arange(30))
    assert (soft.sum(0) > .9).all() and not torch.equal(mixed, x)
    close(soft.sum(0), torch.ones(30), atol=.1, rtol=0)


@pytest.mark.parametrize('mix', [Mixup, CutMix])
def test_mixing_takes_soft_targets_one_example_and_other_types_of_float(mix):
    x, y = even(1)
    mixed, soft = mix(4, 1., g())(x, y)
    close(mixed, x), close(soft, soft_targets(y, 4))
    x, y = even(8)
    for dtype in (torch.float64, torch.bfloat16):
        mixed, soft = mix(4, 1., g())(x.to(dtype), y)
        assert mixed.dtype == dtype and soft.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    for a, b in zip(mix(4, 1., g())(x, soft_targets(y, 4)), mix(4, 1., g())(x, y)): close(a, b)


@pytest.mark.parametrize('mix', [Mixup, CutMix])
def test_mixing_is_reproducible_changes_nothing_in_place_and_asks_no_device(mix):
    x, y = even()
    kept, first = x.clone(), g(3)
    one, again = mix(4, 1., first)(x, y), mix(4, 1., g(3))(x, y)
    assert all(torch.equal(a, b) for a, b in zip(one, again)) and torch.equal(x, kept) and torch.equal(y, torch.arange(40) % 4)
    assert not torch.equal(mix(4, 1., first)(x, y)[0], one[0])
    assert mix(4)(x.to('meta'), y.to('meta'))[1].shape == (40, 4)


@pytest.mark.parametrize('mix', [Mixup, CutMix])
def test_a_fit_with_mixed_targets_needs_no_other_loop_and_validates_on_class_numbers(mix):
    learn = learner(mix(3, 1., g()), look := Look()).fit(2)
    assert all(yb.shape == (8, 3) for _, yb in look.train) and all(yb.dtype == torch.int64 for _, yb in look.valid)
    preds, targs = learn.get_preds()
    assert learn.history[-1]['accuracy'] == pytest.approx(accuracy(preds, targs).item()) and learn.history[-1]['valid_loss'] == pytest.approx(F.cross_entropy(preds, targs).item(), rel=1e-5)


def test_the_default_loss_and_ours_train_alike():
    a, b = [learner(Mixup(3, 1., g()), loss=loss).fit(2) for loss in (F.cross_entropy, soft_cross_entropy)]
    close(a.model[1].weight, b.model[1].weight)


# ---- views

def test_probabilities_are_averaged_and_not_logits():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
    x = 5*rand(4, 1, 2, 3)
    with torch.no_grad():
        got = mean_over_views(model, x, [lambda x: x, lambda x: x.flip(-1)])
        close(got, (model(x).softmax(1) + model(x.flip(-1)).softmax(1))/2)
        close(mean_over_views(model, x, iter([lambda x: x])), model(x).softmax(1))
    close(got.sum(1), torch.ones(4))
    assert not torch.allclose(got, ((model(x) + model(x.flip(-1)))/2).softmax(1), atol=1e-3)


# ---- what is refused

@pytest.mark.parametrize('make, words', [
    (lambda: Affine(turn=-5), 'Affine: turn: -5, wanted a number from 0 on'), (lambda: Affine(scale=(1.2, .8)), r'Affine: scale: \(1.2, 0.8\), wanted'), (lambda: Affine(scale=(0, 1)), 'wanted numbers over 0'),
    (lambda: Affine(scale=1.), 'wanted numbers over 0'), (lambda: Affine(shear=(1, 2, 3)), 'Affine: shear'), (lambda: Affine(shift=math.nan), 'Affine: shift'), (lambda: Affine(turn=math.inf), 'Affine: turn'),
    (lambda: Affine(turn='much'), "Affine: turn: 'much', wanted a number"), (lambda: Affine(shift=None), 'Affine: shift: None'), (lambda: Affine(shear=('a', 'b')), r"Affine: shear: \('a', 'b'\)"),
    (lambda: Affine(turn=True), 'Affine: turn: True'), (lambda: Affine(turn=(False, True)), r'Affine: turn: \(False, True\)'), (lambda: Flip(p=True), 'Flip: p: True'), (lambda: Erase(None), 'Erase: size: None'),
    (lambda: Affine(p=1.5), 'Affine: p: 1.5, wanted a number from 0 to 1'), (lambda: Flip(-.1), 'Flip: p: -0.1'), (lambda: Flip(p='often'), "Flip: p: 'often'"), (lambda: Flip(axis=1), 'Flip: axis 1'),
    (lambda: Erase(1.2), 'Erase: size: 1.2'), (lambda: Erase(p=math.nan), 'Erase: p: nan'), (lambda: Colour(brightness=1.5), 'Colour: a factor under 0'), (lambda: Colour(contrast=(2, 1)), 'Colour'),
    (lambda: Mixup(10, 0), 'Mixup: alpha 0, wanted over 0'), (lambda: CutMix(10, -1.), 'CutMix: alpha -1.0'), (lambda: Mixup(10, math.inf), 'alpha inf'), (lambda: Mixup(10, math.nan), 'alpha nan'), (lambda: CutMix(0), 'CutMix: classes: 0'),
    (lambda: soft_cross_entropy(rand(2, 3), tensor([0, 1]), 1.1), 'label_smoothing: 1.1'), (lambda: soft_cross_entropy(rand(2, 3), tensor([0])), r'\(2, 3\), \(1,\), wanted'),
    (lambda: soft_cross_entropy(rand(2), tensor([0, 1])), r'\(2,\), \(2,\), wanted'), (lambda: soft_targets(rand(2, 3), 4), r'targets \(2, 3\)'), (lambda: soft_targets(tensor([[1, 0]]), 2), 'targets'),
    (lambda: soft_targets(tensor([1., 0]), 2), 'torch.float32, wanted int64'), (lambda: soft_targets(tensor([1, 0], dtype=torch.int32), 2), 'torch.int32'), (lambda: mean_over_views(len, rand(1), []), 'no views'), (lambda: mean_over_views(len, rand(1), iter([])), 'no views')])
def test_settings_and_targets_that_make_no_sense_are_refused(make, words):
    with pytest.raises(ValueError, match=words): make()


@pytest.mark.parametrize('change', [*CHANGES, lambda x: Mixup(2)(x, torch.zeros(len(x), dtype=torch.int64)), lambda x: CutMix(2)(x, torch.zeros(len(x), dtype=torch.int64))], ids=lambda change: type(change).__name__)
def test_pictures_that_are_none_are_refused(change):
    with pytest.raises(TypeError, match='pictures of torch.uint8, wanted floats'): change(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    for shape in ((2, 4, 4), (2, 16), (1, 2, 3, 4, 4)):
        with pytest.raises(ValueError, match=r'wanted \(N, C, H, W\)'): change(torch.zeros(shape))


def test_a_tuple_of_inputs_and_a_wrong_number_of_channels_are_refused():
    with pytest.raises(TypeError, match='Flip: a tuple, wanted one tensor'): Augment(Flip())((rand(1, 1, 2, 2), 3))
    with pytest.raises(ValueError, match=r'Colour: pictures \(2, 1, 3, 3\), wanted three channels'): Colour(.1)(rand(2, 1, 3, 3))


def test_a_strength_is_a_range_about_its_middle_and_a_pair_is_one_as_it_is():
    assert span('s', .25) == (-.25, .25) and span('s', .25, around=1.) == (.75, 1.25) and span('s', (2, 3), around=1.) == (2, 3) and span('s', 0) == (0, 0) and span('s', [4, 4]) == (4, 4)


def test_numbers_may_be_numpys_and_truths_are_none():
    half = np.float32(.5)
    assert Flip(half).p == .5 and Erase(half).size == .5 and span('s', half) == (-.5, .5) and span('s', (0, np.int64(2))) == (0, 2)
    assert is_number(3) and is_number(np.float64(.1)) and not any(map(is_number, (True, np.True_, '1', None, 1j, torch.ones(2))))


@pytest.mark.parametrize('y', [[5], [0, -1]])
def test_a_class_that_is_none_has_no_target(y):
    with pytest.raises(RuntimeError): soft_targets(tensor(y), 4)


def test_numbers_are_drawn_where_the_generator_is_and_come_in_the_type_and_to_the_device_of_the_batch():
    x = torch.empty(3, 1, device='meta', dtype=torch.float64)
    assert uniform(x, 2).is_meta and uniform(x, 2).dtype == torch.float64 and uniform(x, 2, g()).shape == (2, 3)
    a, b = uniform(rand(4, 2), 3, g()), torch.rand(3, 4, generator=g())
    assert torch.equal(a, b) and uniform(rand(4, 2).bfloat16(), 1).dtype == torch.float32

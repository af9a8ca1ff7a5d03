import copy
import pytest, torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from exp.nb_02a import init_layers
from exp.nb_08 import BatchNorm, GroupNorm, InstanceNorm
from exp.nb_11 import ResBlock, ResNet, cost_table, multiplications, stage, stem

close = torch.testing.assert_close


def randn(*shape, seed=0): return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed + sum(shape)))


def filled(module, seed=1):
    "`module` in float64, with parameters that are neither 0 nor 1."
    for i, p in enumerate(module.parameters()): p.data = randn(*p.shape, seed=seed + i) * .3 + .2
    return module.double()


class TorchBlock(nn.Module):
    "The block written down layer by layer, with names in the order of ours."
    def __init__(self, c_in, c_out, stride, act=F.relu):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out)
        self.conv2, self.norm2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out)
        if c_in != c_out: self.conv3, self.norm3 = nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)
        self.stride, self.act = stride, act

    def forward(self, x):
        f = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        if self.stride > 1: x = F.avg_pool2d(x, self.stride, ceil_mode=True)
        return self.act(f + (self.norm3(self.conv3(x)) if hasattr(self, 'conv3') else x))


@pytest.mark.parametrize('c_in, c_out, stride, size', [(3, 3, 1, (5, 4)), (3, 5, 1, (4, 6)), (4, 4, 2, (7, 5)), (3, 6, 2, (6, 7)), (1, 2, 3, (7, 8)), (2, 1, 2, (1, 3)), (1, 1, 1, (1, 2))])
@pytest.mark.parametrize('training', [True, False])
def test_value_and_all_gradients_are_those_of_the_block_written_in_torch(c_in, c_out, stride, size, training):
    ours, theirs = filled(ResBlock(c_in, c_out, stride)), TorchBlock(c_in, c_out, stride).double()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x, results = randn(3, c_in, *size), []
    for block in (ours.train(training), theirs.train(training)):
        leaf = x.clone().requires_grad_()
        y = block(leaf)
        results.append([y, *torch.autograd.grad(y, [leaf, *block.parameters()], randn(*y.shape, seed=2))])
    for got, want in zip(*results, strict=True): close(got, want)
    for got, want in zip(ours.buffers(), theirs.buffers(), strict=True): close(got, want)


@pytest.mark.parametrize('norm', [BatchNorm, nn.BatchNorm2d, lambda c: GroupNorm(1, c), None])
def test_a_new_block_is_its_shortcut_and_can_leave_it(norm):
    block, x = ResBlock(4, 4, norm=norm), torch.rand(3, 4, 5, 2)
    assert torch.equal(block(x), x)
    for _ in range(2):
        for p in block.parameters(): p.grad = None
        (block(x) - torch.rand(3, 4, 5, 2)).square().sum().backward()
        with torch.no_grad():
            for p in block.parameters(): p.sub_(p.grad, alpha=.01)
    assert all(p.grad.any() for p in block.parameters()) and not torch.equal(block(x), x)


def test_a_new_block_of_another_form_is_the_shortcut_and_the_activation():
    block, x = ResBlock(3, 5, 2), randn(4, 3, 5, 6).float()
    close(block(x), block.shortcut(x).relu())
    close(block.shortcut[1](F.avg_pool2d(x, 2, ceil_mode=True)), block.shortcut(x))


def test_without_zero_the_last_scale_is_one_and_the_branch_counts():
    block, x = ResBlock(4, 4, zero=False), torch.rand(3, 4, 5, 2)
    assert torch.equal(block.branch[1][1].weight, torch.ones(4)) and not torch.allclose(block(x), x)
    close(block(x), (block.branch(x) + x).relu())


def test_without_norms_the_last_convolution_begins_at_zero_with_its_bias():
    block = ResBlock(3, 4, norm=None)
    assert not block.branch[1][0].weight.any() and not block.branch[1][0].bias.any()
    assert block.branch[0][0].weight.all() and block.branch[0][0].bias.all() and not any(isinstance(part, BatchNorm) for part in block.modules())


def test_only_what_changes_the_form_stands_in_the_shortcut():
    kinds = [[type(part).__name__ for part in ResBlock(a, b, s).shortcut] for a, b, s in ((4, 4, 1), (4, 4, 2), (4, 5, 1), (4, 5, 2))]
    assert kinds == [[], ['AvgPool2d'], ['Sequential'], ['AvgPool2d', 'Sequential']]
    assert [type(part).__name__ for part in ResBlock(4, 5).shortcut[0]] == ['Conv2d', 'BatchNorm', 'Identity']


@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('size', [(1, 4), (5, 7), (6, 3), (8, 9)])
def test_branch_and_shortcut_agree_on_every_size(stride, size):
    for c_out in (2, 3): assert ResBlock(2, c_out, stride)(torch.zeros(2, 2, *size)).shape == (2, c_out, *(-(-n // stride) for n in size))


def test_every_number_of_the_input_reaches_the_shortcut():
    x = randn(2, 3, 5, 7).float().requires_grad_()
    y = ResBlock(3, 4, 2, norm=lambda c: GroupNorm(1, c), act=nn.Identity)(x)
    assert (torch.autograd.grad(y, x, torch.randn_like(y))[0] != 0).all()


def test_norm_and_activation_are_used_everywhere():
    net = ResNet(1, 3, (2, 4), (4, 6), 2, norm=lambda c: GroupNorm(2, c), act=nn.Tanh)
    kinds = [type(part) for part in net.modules()]
    assert kinds.count(GroupNorm) == 2 + 8 + 1 and kinds.count(nn.Tanh) == 2 + 8 and nn.ReLU not in kinds and BatchNorm not in kinds


def test_the_activation_comes_after_the_plus_and_in_the_branch_only_between_its_convolutions():
    block = filled(ResBlock(2, 2, act=nn.Sigmoid))
    theirs = TorchBlock(2, 2, 1, act=torch.sigmoid).double()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), block.state_dict().values(), strict=True)))
    close(block(randn(3, 2, 4, 3)), theirs(randn(3, 2, 4, 3)))


@pytest.mark.parametrize('make, words', [
    (lambda: ResBlock(0, 3), 'c_in: 0'), (lambda: ResBlock(3, 2.), 'c_out: 2.0'), (lambda: ResBlock(3, 3, 0), 'stride: 0'), (lambda: ResBlock(3, 3, norm=InstanceNorm), 'no scale to begin at 0, wanted zero=False'),
    (lambda: stage(2, 3, 0), 'stage: depth: 0'), (lambda: ResNet(1, 2, widths=()), 'widths ()'), (lambda: ResNet(1, 2, stem_widths=[]), 'stem_widths []'), (lambda: ResNet(1, 2, depth=True), 'depth: True'),
    (lambda: ResNet(0, 2), 'stem: sizes: 0'), (lambda: ResNet(1, 0), 'ResNet: classes: 0'), (lambda: ResNet(1, 2, stem_stride=0), 'stem: stride: 0'), (lambda: ResNet(1, 2, stem_widths=(0, 4)), 'stem: sizes: 0'), (lambda: ResNet(1, 2, (4, 2., 4)), 'stem: sizes: 2.0'),
    (lambda: ResNet(1, 2, stem_widths=16), 'stem_widths 16'), (lambda: ResNet(1, 2, widths=16), 'widths 16'), (lambda: ResNet(1, 2, widths=(16, 0)), 'c_out: 0'), (lambda: stem([]), 'stem: sizes []'), (lambda: stem([3]), 'stem: sizes [3]'),
    (lambda: stem([3, 0]), 'stem: sizes: 0'), (lambda: stem((3, 4), 0), 'stem: stride: 0'), (lambda: cost_table(nn.Linear(2, 3), torch.zeros(0, 2)), 'the batch is empty')])
def test_what_cannot_be_meant_is_refused_at_the_door(make, words):
    with pytest.raises(ValueError) as raised: make()
    assert words in str(raised.value)


def test_a_norm_without_a_scale_is_taken_where_nothing_begins_at_zero():
    assert ResBlock(2, 3, norm=InstanceNorm, zero=False)(torch.randn(2, 2, 4, 5)).shape == (2, 3, 4, 5)


def test_a_stem_goes_through_its_sizes_and_only_its_first_layer_has_the_stride():
    layers = stem([3, 5, 4, 7], 2)
    assert [(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride) for conv, *_ in layers] == [(3, 5, (3, 3), (2, 2)), (5, 4, (3, 3), (1, 1)), (4, 7, (3, 3), (1, 1))]
    assert [type(part).__name__ for part in layers[2]] == ['Conv2d', 'BatchNorm', 'ReLU'] and layers(torch.zeros(2, 3, 7, 6)).shape == (2, 7, 4, 3)


def test_a_stage_changes_the_form_once():
    blocks = stage(3, 5, 3, 2, zero=False)
    assert [(block.branch[0][0].in_channels, block.branch[1][0].out_channels, block.branch[0][0].stride[0], len(block.shortcut)) for block in blocks] == [(3, 5, 2, 2), (5, 5, 1, 0), (5, 5, 1, 0)]
    assert all(block.branch[1][1].weight.all() for block in blocks) and not any(block.branch[1][1].weight.any() for block in stage(3, 5, 2))


def test_each_stage_but_the_first_halves_the_maps():
    net, seen = ResNet(2, 3, (4, 5), (6, 7, 8), depth=2), []
    x = net.stem(torch.randn(2, 2, 9, 13))
    for part in net.stages: seen.append((x := part(x)).shape)
    assert seen == [(2, 6, 9, 13), (2, 7, 5, 7), (2, 8, 3, 4)] and net.stem(torch.zeros(2, 2, 9, 13)).shape == (2, 5, 9, 13)
    assert ResNet(2, 3, (4,), (5,), stem_stride=2).stem(torch.zeros(2, 2, 9, 12)).shape == (2, 4, 5, 6)


def test_what_is_not_named_is_one_block_a_stage_of_16_32_and_64_channels_at_full_size():
    net, x = ResNet(1, 10), torch.zeros(2, 1, 9, 8)
    assert [len(blocks) for blocks in net.stages] == [1, 1, 1] == [len(stage(2, 3))]*3 and len(net.stem) == 1
    shapes = [net.stem(x).shape, *(net.stages[:i](net.stem(x)).shape for i in (1, 2, 3)), stage(2, 3)(torch.zeros(2, 2, 5, 4)).shape]
    assert shapes == [(2, 16, 9, 8), (2, 16, 9, 8), (2, 32, 5, 4), (2, 64, 3, 2), (2, 3, 5, 4)]


def test_the_head_is_linear_in_the_mean_of_each_map():
    net, x = filled(ResNet(2, 3, (4,), (5, 6))), randn(3, 2, 6, 5)
    maps, linear = net.stages(net.stem(x)), net.head[-1]
    close(net(x), maps.mean((2, 3)) @ linear.weight.T + linear.bias, rtol=1e-4, atol=1e-4)


def test_a_network_from_zero_is_its_stem_and_head_and_init_layers_keeps_it_so():
    net, x = init_layers(ResNet(1, 3, (4,), (4,), depth=3)), torch.randn(5, 1, 6, 7)
    close(net(x), net.head(net.stem(x)))
    net = ResNet(1, 3, (4,), (4,), zero=False)
    assert net.stages[0][0].branch[1][1].weight.all() and not torch.allclose(net(x), net.head(net.stem(x)))


def test_networks_of_one_seed_are_the_same_and_learn():
    torch.manual_seed(0)
    net, x, y = ResNet(1, 2, (4,), (4, 6)), torch.randn(16, 1, 6, 5), torch.arange(16) % 2
    opt, losses = torch.optim.SGD(net.parameters(), .1, momentum=.9), []
    for _ in range(40):
        losses.append(F.cross_entropy(net(x), y))
        opt.zero_grad()
        losses[-1].backward()
        opt.step()
    assert losses[-1] < .2 * losses[0]


@pytest.mark.parametrize('layer, shape', [(nn.Conv2d(4, 6, (3, 2), (2, 1), padding=(0, 2), dilation=(1, 2), groups=2), (3, 4, 7, 5)), (nn.Conv1d(2, 3, 2), (2, 2, 6)), (nn.Conv3d(1, 2, 2), (2, 1, 3, 4, 2)), (nn.Linear(5, 3), (2, 5)), (nn.Linear(5, 3), (2, 4, 5)), (nn.Conv2d(1, 1, 1), (1, 1, 1, 1))])
def test_the_products_are_those_that_torch_counts(layer, shape):
    with FlopCounterMode(display=False) as counter: out = layer(torch.randn(shape))
    assert multiplications(layer, out) == counter.get_total_flops() // 2 > 0


def test_the_products_of_a_convolution_by_hand_and_none_of_others():
    assert multiplications(nn.Conv2d(8, 6, 3, padding=1), torch.zeros(1, 6, 7, 5)) == 7*5 * 6*8*9
    assert [multiplications(layer, torch.zeros(2, 3)) for layer in (nn.ReLU(), BatchNorm(3), nn.Identity())] == [0, 0, 0]


def numbers(line): return [int(word.replace(',', '')) for word in line.split()[-2:]]


def test_the_table_counts_for_one_example_and_all_of_a_block_together():
    net, x = ResNet(1, 3, (4,), (4, 6)), torch.randn(5, 1, 8, 6)
    with FlopCounterMode(display=False) as counter: net.eval()(x)
    rows, parts = cost_table(net, x).splitlines(), cost_table(net, x, [net.head, *net.stages, net.stem]).splitlines()
    assert numbers(rows[-1]) == numbers(parts[-1]) == [sum(p.numel() for p in net.parameters()), counter.get_total_flops() // 2 // 5]
    for lines in (rows, parts): assert [sum(column) for column in zip(*map(numbers, lines[:-1]))] == numbers(lines[-1])
    assert [line.split()[0] for line in parts] == ['stem', 'stages.0', 'stages.1', 'head', 'all'] and numbers(parts[0]) == [36 + 8, 36*48]


def test_the_first_three_columns_are_the_summary_of_lesson_05():
    from exp.nb_04 import Dataset, get_dls
    from exp.nb_05 import Learner
    torch.manual_seed(0)
    ds, net = Dataset(torch.randn(6, 1, 8, 6), torch.arange(6) % 3), ResNet(1, 3, (4,), (4, 6))
    learn = Learner(net, get_dls(ds, ds, 3))
    table = [line.split() for line in cost_table(net, ds.x).splitlines()]
    assert [row[:-1] for row in table] == [line.split() for line in learn.summary().splitlines()]


def test_the_table_leaves_the_model_as_it_was():
    net = ResNet(1, 3, (4,), (4, 6))
    net.stages[0].eval()
    before, modes = copy.deepcopy(net.state_dict()), [part.training for part in net.modules()]
    cost_table(net, torch.randn(5, 1, 8, 6) + 3)
    with pytest.raises(RuntimeError): cost_table(net, torch.randn(5, 2, 8, 6))
    assert modes == [part.training for part in net.modules()] and not any(part._forward_hooks for part in net.modules())
    for name, value in net.state_dict().items(): assert torch.equal(value, before[name]) and not value.requires_grad


def test_the_table_keeps_no_graph():
    class Asked(nn.Module):
        def forward(self, x):
            self.graph = torch.is_grad_enabled()
            return x
    net = Asked()
    assert cost_table(net, torch.zeros(2, 3)).endswith(' 0') and not net.graph


def test_a_layer_that_is_used_twice_costs_twice_and_one_that_is_not_called_is_refused():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(4, 4), nn.Linear(4, 2)
        def forward(self, x): return self.used(self.used(x)), x
    net, x = Twice(), torch.zeros(3, 4)
    assert [line.split()[0] for line in cost_table(net, x).splitlines()] == ['Linear', 'all']
    assert [numbers(line) for line in cost_table(net, x, [net.used, net]).splitlines()] == [[20, 32], [30, 32], [30, 32]] and 'a tuple' in cost_table(net, x, [net])
    with pytest.raises(ValueError, match="'spare'.* was not called"): cost_table(net, x, [net.spare])

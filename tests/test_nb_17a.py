import functools, math
from functools import partial
import pytest, torch
from torch import nn, tensor
from torch.nn import functional as F
from exp.nb_04 import BatchLoader, DataLoaders, get_dls
from exp.nb_05 import Learner, MetricsCallback
from exp.nb_05b import Checkpoint
from exp.nb_06 import OneCycle
from exp.nb_08 import RMSNorm
from exp.nb_15 import TextBlocks
from exp.nb_17a import (GPT, LLAMA, Block, Characters, FeedForward, RandomBlocks, SwiGLU, first_seen, from_gpt2, from_llama, generate, left_padded,
                        muon_and_adamw, next_probs, renamed, sample, token_loss, write)

C, CONTEXT = 31, 12                # tokens and context of the models here
PROMPTS = [[3], [1, 2, 5, 8, 2, 1, 7], [9]*CONTEXT, [4, 6]*10]


def gpt(kind='gpt2', seed=0, **settings):
    "A small model with large random weights, so that it has decided opinions."
    torch.manual_seed(seed)
    kinds = {'gpt2': {}, 'llama': dict(groups=2, hidden=20, **LLAMA)}
    model = GPT(C, CONTEXT, 24, 3, 4, **{**kinds[kind], **settings})
    with torch.no_grad():
        for p in model.parameters(): p.copy_(torch.randn(p.shape) * (.3 if p.ndim > 1 else .1) + (p == 1))
    return model


@functools.cache
def hugging():
    "The library, which takes seconds to import: the tests that need it stand last."
    import transformers
    transformers.logging.set_verbosity_error()
    return transformers


def hf_gpt2(**settings):
    transformers = hugging()
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=C, n_positions=CONTEXT, n_embd=24, n_layer=3, n_head=4, initializer_range=.3, bos_token_id=0, eos_token_id=0, **settings)
    return randomised(transformers.GPT2LMHeadModel(config))


def hf_llama(**settings):
    transformers = hugging()
    torch.manual_seed(1)
    config = transformers.LlamaConfig(**{**dict(vocab_size=C, max_position_embeddings=CONTEXT, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                                                intermediate_size=20, initializer_range=.3, rms_norm_eps=1e-6), **settings})
    return randomised(transformers.LlamaForCausalLM(config))


@torch.no_grad()
def randomised(model):
    "Its scales and biases too, which would be 1 and 0."
    for p in model.parameters():
        if p.ndim == 1: p.add_(torch.randn(p.shape) * .2)
    return model.eval()


def of_gpt2(theirs):
    model = GPT(C, CONTEXT, 24, 3, 4)
    model.load_state_dict(from_gpt2(theirs.state_dict()))
    return model.eval()


def of_llama(theirs, **settings):
    model = GPT(C, CONTEXT, 24, 3, 4, **{**dict(groups=2, hidden=20, **LLAMA), 'norm': partial(RMSNorm, eps=1e-6), **settings})
    model.load_state_dict(from_llama(theirs.state_dict()))
    return model.eval()


def tokens(bs, n, seed=2): return torch.randint(C, (bs, n), generator=torch.Generator().manual_seed(seed))
def close(got, want, tolerance=1e-5): torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)
def row(model, prompts, n, **settings): return torch.stack([*generate(model, prompts, n, **settings)], 1)


# ---- the parts

def test_characters_have_numbers_in_alphabetical_order_and_come_back():
    vocab = Characters('hello, World')
    assert ''.join(vocab.names) == ' ,Wdehlor' and len(vocab) == 9
    ids = vocab.encode('old')
    assert ids.tolist() == [7, 6, 3] and ids.dtype == torch.int64 and vocab.decode(ids) == vocab.decode([7, 6, 3]) == 'old'
    assert vocab.encode('').dtype == torch.int64 and vocab.decode([]) == ''
    with pytest.raises(ValueError, match="'x' is not in the vocabulary"): vocab.encode('oxo')


def test_the_unit_of_gpt2_is_gelu_with_tanh_between_two_layers():
    unit, x = FeedForward(6, 10), torch.randn(2, 1, 6)
    h = unit.up(x)
    gelu = .5 * h * (1 + torch.tanh(math.sqrt(2/math.pi) * (h + .044715 * h**3)))
    close(unit(x), gelu @ unit.down.weight.T + unit.down.bias, 1e-6)
    assert unit.up.weight.shape == (10, 6) and FeedForward(6).up.weight.shape == (24, 6) and FeedForward(6, bias=False).up.bias is FeedForward(6, bias=False).down.bias is None


def test_the_unit_of_llama_multiplies_by_a_gate():
    unit, x = SwiGLU(6, 10), torch.randn(2, 1, 6)
    g, u = x @ unit.gate.weight.T, x @ unit.up.weight.T
    close(unit(x), (g * torch.sigmoid(g) * u) @ unit.down.weight.T, 1e-6)
    assert unit.gate.bias is unit.up.bias is unit.down.bias is None and SwiGLU(6, bias=True).gate.bias.shape == (16,)


@pytest.mark.parametrize('dim', [24, 48, 128, 130, 1])
def test_both_units_have_about_as_many_weights(dim):
    plain, gated = [sum(p.numel() for p in unit(dim, bias=False).parameters()) for unit in (FeedForward, SwiGLU)]
    hidden = SwiGLU(dim).up.out_features
    assert hidden % 8 == 0 and plain <= gated <= plain + 24*dim and hidden == math.ceil(dim/3) * 8


def test_a_block_adds_what_it_reads_through_a_norm():
    torch.manual_seed(0)
    block, x = Block(8, 2, norm=RMSNorm, rotary=True), torch.randn(2, 5, 8)
    found = x + block.attention(block.norm1(x))
    close(block(x), found + block.unit(block.norm2(found)), 1e-6)
    nn.init.zeros_(block.attention.out.weight), nn.init.zeros_(block.unit.down.weight)
    nn.init.zeros_(block.attention.out.bias), nn.init.zeros_(block.unit.down.bias)
    assert torch.equal(block(x), x)


def test_dropout_acts_on_what_is_added_while_training_only():
    torch.manual_seed(0)
    model, x = gpt(dropout=.4), tokens(2, 7)
    assert not torch.equal(model(x), model(x)) and torch.equal(model.eval()(x), model(x))
    same = gpt()
    same.load_state_dict(model.state_dict())
    assert torch.equal(same(x), model(x))
    block = model.blocks[1].train()
    zeros = (block(torch.ones(3, 4, 24)) - 1 == 0).float().mean()          # both branches dropped
    assert .02 < zeros < .4


# ---- the model

def test_a_name_is_replaced_whole_and_a_head_of_its_own_is_kept():
    state = {'wte.weight': tensor(1.), 'h.0.with.b': tensor(2.)}
    assert renamed(state, {'wte': 'tokens', 'h.': 'blocks.'}) == {'head.weight': tensor(1.), 'tokens.weight': tensor(1.), 'blocks.0.with.b': tensor(2.)}
    assert renamed({**state, 'head.weight': tensor(3.)}, {'wte': 'tokens'})['head.weight'] == 3


@pytest.mark.parametrize('kind', ['gpt2', 'llama'])
def test_no_token_sees_what_comes_after_it(kind):
    model, x = gpt(kind), tokens(2, CONTEXT)
    before, y = model(x), x.clone()
    y[0, 7] = (y[0, 7] + 1) % C
    after = model(y)
    assert torch.equal(before[0, :7], after[0, :7]) and torch.equal(before[1], after[1])
    assert (before[0, 7:] - after[0, 7:]).abs().amax(1).min() > 1e-3


def test_learned_positions_and_the_rotation_tell_places_apart():
    for kind in ('gpt2', 'llama'):
        logits = gpt(kind)(tensor([[5, 7, 5, 7]]))[0]
        assert (logits[1] - logits[3]).abs().max() > 1e-2
    assert gpt('llama').positions is None and gpt().positions.weight.shape == (CONTEXT, 24)


def test_a_tied_head_is_the_table_of_the_tokens():
    model = GPT(C, CONTEXT, 24, 3, 4)
    assert model.head.weight is model.tokens.weight and model.head.bias is None
    free = GPT(C, CONTEXT, 24, 3, 4, **LLAMA)
    assert free.head.weight is not free.tokens.weight
    assert sum(p.numel() for p in model.parameters()) == C*24 + CONTEXT*24 + 3*(12*24*24 + 13*24) + 48


def test_it_starts_with_small_weights_and_smaller_ones_where_a_block_adds():
    torch.manual_seed(0)
    model = GPT(400, 50, 64, 8, 4)
    for name, p in model.named_parameters():
        if p.ndim == 2: assert abs(p.std().item() / (.02 / 4 if name.split('.')[-2] in ('out', 'down') else .02) - 1) < .1, name
        else: assert torch.equal(p, torch.full_like(p, float('norm' in name and 'weight' in name)))
    assert abs(token_loss(model(torch.randint(400, (4, 50))), torch.randint(400, (4, 50))) - math.log(400)) < .1


@torch.no_grad()
def test_what_does_not_fit_is_said_at_the_door():
    model = gpt()
    with pytest.raises(ValueError, match=r'GPT: \(1, 13\) behind 0 in the cache, wanted \(bs, n\), 12 at most'): model(tokens(1, 13))
    with pytest.raises(ValueError, match=r'GPT: \(5,\) behind 0'): model(tokens(1, 5)[0])
    model(tokens(1, 10), cache=(cache := model.new_cache()))
    with pytest.raises(ValueError, match=r'GPT: \(1, 3\) behind 10'): model(tokens(1, 3), cache=cache)
    assert len(cache) == 3 and len(cache[2]) == 10
    for name in ('c', 'context', 'dim', 'layers', 'heads'):
        with pytest.raises(ValueError, match=f'GPT: {name}: 0, wanted a whole number from 1 on'): GPT(**{**dict(c=3, context=4, dim=8, layers=1, heads=2), name: 0})
    with pytest.raises(IndexError): model(tensor([[C]]))


# ---- training

def test_random_blocks_begin_anywhere_and_go_on_from_epoch_to_epoch():
    ids = torch.arange(9)
    dl = RandomBlocks(ids, 3, bs=4, n=50, seed=1)
    one, two = [torch.stack([torch.cat([x, y], 1) for x, y in dl]) for _ in range(2)]
    assert len(dl) == 50 and one.shape == (50, 4, 6) and one.dtype == torch.int64 and not torch.equal(one, two)
    assert torch.equal(one - one[..., :1], torch.tensor([0, 1, 2, 1, 2, 3]).expand(50, 4, 6)) and {*one[..., 0].unique().tolist()} == {*range(6)}
    again = RandomBlocks(ids, 3, bs=4, n=50, seed=1)
    assert torch.equal(torch.stack([x for x, _ in again]), one[..., :3]) and torch.equal(torch.stack([x for x, _ in again]), two[..., :3])
    for name, settings in (('bs', dict(bs=0, n=1)), ('n', dict(bs=1, n=0))):
        with pytest.raises(ValueError, match=f'RandomBlocks: {name}: 0, wanted'): RandomBlocks(ids, 3, seed=0, **settings)
    with pytest.raises(ValueError, match='TextBlocks: 3 tokens, wanted 4 or more'): RandomBlocks(ids[:3], 3, 1, 1, 0)


def test_a_fit_on_random_blocks_that_was_broken_off_ends_with_the_same_bits(tmp_path):
    def fit(epochs, folder):
        torch.manual_seed(0)
        model, ids = GPT(30, 6, 8, 1, 2), torch.arange(90) * 7 % 30
        dls = DataLoaders(RandomBlocks(ids, 6, bs=3, n=4, seed=2), BatchLoader(TextBlocks(ids, 6), 5))
        learn = Learner(model, dls, token_loss, partial(muon_and_adamw, model.blocks), lr=.01, cbs=[MetricsCallback()])
        return learn.fit(epochs, [Checkpoint(folder)]).model.state_dict()
    fit(1, tmp_path/'a')
    broken, whole = fit(3, tmp_path/'a'), fit(3, tmp_path/'b')
    assert all(torch.equal(broken[name], whole[name]) for name in whole)


def test_the_loss_is_the_mean_over_all_places():
    pred, targ = torch.randn(2, 3, 5, requires_grad=True), tensor([[0, 4, 1], [3, 3, 2]])
    want = -sum(pred[i, j].log_softmax(0)[targ[i, j]] for i in range(2) for j in range(3)) / 6
    close(token_loss(pred, targ), want, 1e-6)
    close(*[torch.autograd.grad(loss, pred)[0] for loss in (token_loss(pred, targ), want)], 1e-6)


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_the_rest():
    model = gpt(hidden=20)
    muon, adam = muon_and_adamw(model.blocks, model.parameters(), lr=.01, weight_decay=.3, betas=(.8, .7)).opts
    names = {id(p): name for name, p in model.named_parameters()}
    inside = {names[id(p)] for p in muon.memory}
    assert inside == {name for name in names.values() if name.startswith('blocks') and name.endswith('weight') and 'norm' not in name}
    assert {names[id(p)] for p in adam.memory} == {*names.values()} - inside and len(muon.memory) == 18
    groups = [(g['lr'], g['weight_decay'], g.get('betas')) for g in (*muon.param_groups, *adam.param_groups)]
    assert groups == [(.01, .3, None), (.01, .3, (.8, .7)), (.01, 0., (.8, .7))]
    assert {names[id(p)] for p in adam.param_groups[0]['params']} == {'tokens.weight', 'positions.weight'}
    assert muon.param_groups[0]['adjust_lr_fn'] == 'match_rms_adamw' and not muon.param_groups[0]['half']


def test_the_learner_trains_it_until_it_knows_a_text_by_heart():
    ids = torch.arange(200) * 7 % 30
    dls = get_dls(TextBlocks(ids, 10), TextBlocks(ids, 10), bs=5, seed=0)
    torch.manual_seed(0)
    model = GPT(30, 10, 24, 2, 2, **LLAMA)
    learn = Learner(model, dls, token_loss, partial(muon_and_adamw, model.blocks), lr=.02, cbs=[OneCycle(.02, moms=None)]).fit(12)
    assert learn.validate()['loss'] < .1
    assert row(learn.model, [[0]], 25, temperature=0)[0].tolist() == [i*7 % 30 for i in range(1, 26)]


# ---- sampling

def test_the_probabilities_are_a_softmax_and_temperature_sharpens_them():
    logits = torch.randn(3, 2, 6)
    close(next_probs(logits), logits.softmax(-1), 1e-6)
    close(next_probs(logits, temperature=.5), (2*logits).softmax(-1), 1e-6)
    close(next_probs(logits, temperature=1e-6), next_probs(logits, temperature=0))
    close(next_probs(tensor([0., .05, .02]), temperature=.05), tensor([0., 1., .4]).softmax(0), 1e-6)
    assert torch.isfinite(next_probs(logits * 1e30, temperature=1e-30)).all()
    assert next_probs(tensor([1., 3., 3., 2.]), temperature=0).tolist() == [0, 1, 0, 0]
    assert next_probs(logits.bfloat16()).dtype == torch.float32


def test_top_k_keeps_the_k_largest_and_of_equal_ones_the_first():
    p = next_probs(tensor([.1, .4, .2, .3]).log(), top_k=2)
    close(p, tensor([0, 4/7, 0, 3/7]), 1e-6)
    assert next_probs(torch.zeros(5), top_k=2).tolist() == [.5, .5, 0, 0, 0]
    many = torch.randint(3, (4, 300), generator=torch.Generator().manual_seed(0)).float()
    for row, p in zip(many, next_probs(many, top_k=7)): assert p.nonzero().flatten().tolist() == (row == 2).nonzero().flatten().tolist()[:7]
    close(next_probs(torch.randn(4), top_k=9).sum(), tensor(1.), 1e-6)
    assert next_probs(tensor([0., 2., 1.]), top_k=1).tolist() == [0, 1, 0]


def test_top_p_keeps_the_fewest_that_have_the_share():
    logits = tensor([[.125, .5, .125, .25]]).log()
    close(next_probs(logits, top_p=.5), tensor([[0., 1, 0, 0]]), 1e-6)
    close(next_probs(logits, top_p=.51), tensor([[0, 2/3, 0, 1/3]]), 1e-6)
    close(next_probs(logits, top_p=.8), tensor([[1/7, 4/7, 0, 2/7]]), 1e-6)
    close(next_probs(logits, top_p=.9), tensor([[.125, .5, .125, .25]]), 1e-6)
    assert next_probs(logits, top_p=1e-9).tolist() == [[0, 1, 0, 0]]
    close(next_probs(logits, top_k=2, top_p=.66), tensor([[0., 1, 0, 0]]), 1e-6)        # 2/3 of what the two have


@pytest.mark.parametrize('settings', [{}, dict(temperature=.6), dict(temperature=2., top_k=4), dict(top_p=.7), dict(top_k=5, top_p=.8), dict(temperature=0)])
def test_a_hundred_thousand_draws_come_as_often_as_the_probabilities_say(settings):
    logits, n = torch.randn(8, generator=torch.Generator().manual_seed(1)) * 1.5, 100_000
    p = next_probs(logits, **settings)
    draws = sample(logits.expand(n, -1), torch.Generator().manual_seed(5), **settings)
    count = torch.bincount(draws, minlength=8)
    assert draws.shape == (n,) and count[p == 0].sum() == 0 and (count[p > 0] > 0).all()
    spread = (n * p * (1 - p)).sqrt()
    assert ((count - n*p).abs() <= 4.5 * spread + 1e-3).all()


def test_settings_that_make_no_sense_are_refused():
    for settings, says in [(dict(temperature=-1), 'temperature -1'), (dict(temperature=math.inf), 'temperature inf'), (dict(temperature=math.nan), 'temperature nan'), (dict(top_k=0), 'top_k: 0'),
                           (dict(top_k=1.5), 'top_k: 1.5'), (dict(top_p=0), 'top_p 0'), (dict(top_p=1.1), r'top_p 1\.1'), (dict(top_p=math.nan), 'top_p nan')]:
        with pytest.raises(ValueError, match=f'next_probs: {says}, wanted'): next_probs(torch.zeros(3), **settings)
        with pytest.raises(ValueError, match=says): next(generate(gpt(), [[1]], 1, **settings))


# ---- going on

def test_the_window_moves_by_half_a_context_each_time_that_it_is_full():
    assert [first_seen(n, 6) for n in range(1, 15)] == [0]*6 + [3]*3 + [6]*3 + [9]*2
    assert [first_seen(n, 5) for n in range(1, 11)] == [0]*5 + [2]*2 + [4]*2 + [6]
    assert [first_seen(n, 1) for n in (1, 2, 3)] == [0, 1, 2]
    for context in (1, 2, 3, 7, 8):
        for n in range(1, 40): assert 1 <= n - first_seen(n, context) <= context and (n <= context) == (first_seen(n, context) == 0)


def by_hand(model, prompt, n):
    "The likeliest token, n times, each from the whole window alone."
    model.eval()
    ids = [*prompt]
    for _ in range(n): ids.append(model(tensor([ids[first_seen(len(ids), model.context):]]))[0, -1].argmax().item())
    return ids[len(prompt):]


@pytest.mark.parametrize('cache', [True, False])
@pytest.mark.parametrize('kind', ['gpt2', 'llama'])
def test_each_row_of_a_batch_goes_on_as_it_would_alone_beyond_the_context_too(kind, cache):
    model = gpt(kind)
    got = row(model, PROMPTS, 25, cache=cache, temperature=0)
    want = [by_hand(model, prompt, 25) for prompt in PROMPTS]
    assert got.tolist() == want and len({*map(tuple, want)}) == len(want) and min(len({*w}) for w in want) > 2
    assert [row(model, [prompt], 25, cache=cache, temperature=0)[0].tolist() for prompt in PROMPTS] == want


@pytest.mark.parametrize('context', [1, 2, 5])
def test_cached_or_not_the_same_tokens_are_drawn(context):
    torch.manual_seed(0)
    model = GPT(C, context, 24, 2, 4, **LLAMA)
    nn.init.normal_(model.tokens.weight), nn.init.normal_(model.head.weight)
    prompts = [[3], [1, 2, 3], [5]*6]
    a, b = [row(model, prompts, 17, cache=cache, generator=torch.Generator().manual_seed(8), temperature=.9, top_p=.95) for cache in (True, False)]
    assert torch.equal(a, b) and a.shape == (3, 17) and a.dtype == torch.int64


def test_a_generator_makes_the_draws_repeatable():
    model = gpt()
    a, b, c = [row(model, [[1, 2]], 30, generator=torch.Generator().manual_seed(seed))[0] for seed in (4, 4, 5)]
    assert torch.equal(a, b) and not torch.equal(a, c)
    state = torch.get_rng_state()
    row(model, [[1, 2]], 3, generator=torch.Generator().manual_seed(4))
    assert torch.equal(torch.get_rng_state(), state)


def test_with_the_cache_each_token_is_read_once():
    model, read = gpt(), []
    model.tokens.register_forward_hook(lambda layer, inputs, out: read.append(tuple(inputs[0].shape)))
    row(model, [[1, 2, 3], [4]], 14)
    assert read == [(2, 3)] + [(2, 1)]*9 + [(2, 12 - 2)] * 0 + read[10:] and read[10] == (2, 11) and read[11] == (2, 1)
    read.clear()
    row(model, [[1, 2, 3]], 5, cache=False)
    assert read == [(1, 3), (1, 4), (1, 5), (1, 6), (1, 7)]


def test_tokens_come_one_by_one_and_prompts_may_be_lists_or_tensors():
    model, prompt = gpt(), [1, 2, 3]
    steps = generate(model, [prompt], 1_000_000, temperature=0)
    first = [next(steps) for _ in range(5)]
    assert [t.shape for t in first] == [(1,)]*5 and prompt == [1, 2, 3]
    assert torch.cat(first).tolist() == row(model, tensor([[1, 2, 3]]), 5, temperature=0)[0].tolist() == row(model, [tensor([1, 2, 3])], 5, temperature=0)[0].tolist()
    assert [*generate(model, [prompt], 0)] == []


def test_the_model_is_in_eval_mode_while_it_goes_on_and_as_before_afterwards():
    model = gpt(dropout=.5).train()
    model.blocks[1].eval()
    modes, logits = [m.training for m in model.modules()], []
    model.head.register_forward_hook(lambda layer, inputs, out: logits.append((model.training, out.requires_grad)))
    for i, _ in enumerate(generate(model, [[1]], 9)):
        if i == 2: break
    assert logits == [(False, False)]*3 and [m.training for m in model.modules()] == modes
    with pytest.raises(ValueError, match='top_k'): [*generate(model, [[1]], 9, top_k=0)]
    assert [m.training for m in model.modules()] == modes and torch.is_grad_enabled()


def test_prompts_without_tokens_and_with_unknown_ones_are_refused_at_once():
    model = gpt()
    for prompts in ([], [[]], [[1], []], [1, 2]):
        with pytest.raises(ValueError, match='generate: wanted a list of prompts, each of at least one token'): generate(model, prompts, 1)
    for prompts, i in ([[1], [2, C]], C), ([[-1]], -1), ([[.5]], .5):
        with pytest.raises(ValueError, match=f'generate: the token {i}, and the model has 0 to 30'): generate(model, prompts, 1)


def test_rows_stand_at_the_right_end():
    ids, pad = left_padded([[5], [1, 2, 3], [4, 4]])
    assert ids.tolist() == [[0, 0, 5], [1, 2, 3], [0, 4, 4]] and pad.tolist() == [2, 0, 1]
    assert left_padded([[7, 7], [8, 8]])[1] is None


def test_writing_gives_text_piece_by_piece():
    vocab = Characters('abcdefghijklmnopqrstuvwxyz ,.!?')
    model = gpt()
    got = [*write(model, vocab, 'be', 20, temperature=0)]
    assert len(got) == 20 and ''.join(got) == vocab.decode(by_hand(model, vocab.encode('be').tolist(), 20))
    with pytest.raises(ValueError, match="'é' is not in the vocabulary"): next(write(model, vocab, 'é', 3))


# ---- beside transformers

def test_logits_and_gradients_are_those_of_gpt2_in_transformers():
    theirs = hf_gpt2(resid_pdrop=0., embd_pdrop=0., attn_pdrop=0.)
    model, x = of_gpt2(theirs), tokens(3, CONTEXT)
    ours, want = model(x), theirs(x).logits
    close(ours, want)
    assert want.std() > .5 and (want[..., 1:] - want[..., :-1]).abs().min() > 0
    for logits in (ours, want): token_loss(logits[:, :-1], x[:, 1:]).backward()
    grads = from_gpt2({name: p.grad for name, p in theirs.named_parameters()})
    for name, p in model.named_parameters(): close(p.grad, grads[name])


@pytest.mark.parametrize('groups', [1, 2, 4])
@pytest.mark.parametrize('tied', [False, True])
def test_logits_and_gradients_are_those_of_llama_in_transformers(groups, tied):
    theirs = hf_llama(num_key_value_heads=groups, tie_word_embeddings=tied)
    model, x = of_llama(theirs, groups=groups, tied=tied), tokens(3, CONTEXT)
    ours, want = model(x), theirs(x).logits
    close(ours, want)
    assert want.std() > .5
    for logits in (ours, want): token_loss(logits[:, :-1], x[:, 1:]).backward()
    grads = from_llama({name: p.grad for name, p in theirs.named_parameters()})
    for name, p in model.named_parameters(): close(p.grad, grads[name])


def test_another_base_of_the_rotation_is_that_of_llama_too():
    theirs = hf_llama(rope_parameters={'rope_type': 'default', 'rope_theta': 300.})
    x = tokens(2, CONTEXT)
    close(of_llama(theirs, base=300.)(x), theirs(x).logits)
    assert (of_llama(theirs)(x) - theirs(x).logits).abs().max() > .01


@torch.no_grad()
@pytest.mark.parametrize('hf, ours', [(hf_gpt2, of_gpt2), (hf_llama, of_llama)], ids=['gpt2', 'llama'])
def test_left_padded_rows_and_the_cache_give_the_logits_of_transformers(hf, ours):
    theirs = hf()
    model, (ids, pad) = ours(theirs), left_padded(PROMPTS[:2] + [[9]*CONTEXT])
    mask = (torch.arange(CONTEXT) >= pad[:, None]).long()
    places = (mask.cumsum(1) - 1).clamp(min=0)
    want = theirs(ids, attention_mask=mask, position_ids=places).logits
    seen = mask.bool()
    close(model(ids, pad)[seen], want[seen])
    cache = model.new_cache()
    parts = [model(part, pad, cache) for part in ids.split([9, 1, 2], 1)]
    close(torch.cat(parts, 1)[seen], want[seen])


def test_the_state_of_the_body_alone_and_of_older_files_fits():
    theirs = hf_gpt2()
    state = {**theirs.transformer.state_dict(), 'h.0.attn.bias': torch.ones(1, 1, 12, 12), 'h.0.attn.masked_bias': tensor(-1e4)}
    want = from_gpt2(theirs.state_dict())
    got = from_gpt2(state)
    assert got.keys() == want.keys() == GPT(C, CONTEXT, 24, 3, 4).state_dict().keys() and all(torch.equal(got[name], want[name]) for name in want)
    llama = hf_llama()
    old = {**llama.state_dict(), 'model.layers.1.self_attn.rotary_emb.inv_freq': torch.ones(3)}
    assert from_llama(old).keys() == from_llama(llama.state_dict()).keys() == gpt('llama').state_dict().keys()
    with pytest.raises(ValueError, match=r"no weights for the tokens among \['conv.weight'\]"): from_gpt2({'conv.weight': torch.ones(2)})
    with pytest.raises(ValueError, match='no weights for the tokens'): from_llama({'lm_head.weight': torch.ones(2)})


@pytest.mark.parametrize('settings', [dict(temperature=.7, top_k=5), dict(temperature=1.3, top_p=.6), dict(top_k=9, top_p=.8), dict(temperature=.5, top_k=3, top_p=.95)])
def test_the_probabilities_are_those_of_transformers(settings):
    logits, t = torch.randn(50, C, generator=torch.Generator().manual_seed(3)), hugging().generation.logits_process
    scores = logits / settings.get('temperature', 1)
    if 'top_k' in settings: scores = t.TopKLogitsWarper(settings['top_k'])(None, scores)
    if 'top_p' in settings: scores = t.TopPLogitsWarper(settings['top_p'])(None, scores)
    close(next_probs(logits, **settings), scores.softmax(-1), 1e-6)

"""Lesson 17a: a race with nanoGPT's recipe for the CPU, the gain of the cache, and the same models in `transformers`. `python bench/bench_gpt.py`

The race takes some ten minutes; `python bench/bench_gpt.py 200 1` runs 200 of its 2,000 steps, and ours for the same
CPU seconds, with one seed instead of three."""
import os
os.environ.update(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', TOKENIZERS_PARALLELISM='false')
import functools, math, statistics, sys, time
import torch, transformers
from torch import nn
from torch.nn import functional as F
from common import in_turn, ratio_table, report, table
from exp.nb_04 import BatchLoader, DataLoaders
from exp.nb_04a import Callback, CancelFit
from exp.nb_05 import Learner
from exp.nb_06 import OneCycle
from exp.nb_15 import TextBlocks, get_text
from exp.nb_17a import GPT, LLAMA, Characters, RandomBlocks, from_gpt2, from_llama, generate, muon_and_adamw, token_loss

STEPS, SEEDS = 2000, 3                             # of nanoGPT's recipe; of the race, from 1 on
TEXT = get_text('shakespeare')
VOCAB = Characters(TEXT)
IDS = VOCAB.encode(TEXT)
TRAIN, VALID = IDS[:len(IDS)*9//10], IDS[len(IDS)*9//10:]
# Ours: chosen on the validation part, with seed 0
OURS = dict(dim=96, layers=2, heads=4, context=64, bs=16, lr=.02, up=.1, weight_decay=.1)


# ---- nanoGPT's model and loop, written from its published settings: 4 layers, 4 heads, 128 wide, 64 characters, no biases

class TheirBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = [nn.LayerNorm(dim, bias=False) for _ in range(2)]
        self.qkv, self.out = nn.Linear(dim, 3*dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, 4*dim, bias=False), nn.Linear(4*dim, dim, bias=False)

    def forward(self, x):
        bs, n, dim = x.shape
        q, k, v = [part.view(bs, n, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(dim, 2)]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(bs, n, dim)
        x = x + self.out(y)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Theirs(nn.Module):
    def __init__(self, c, context=64, dim=128, layers=4, heads=4):
        super().__init__()
        self.context, self.tokens, self.positions = context, nn.Embedding(c, dim), nn.Embedding(context, dim)
        self.blocks, self.norm = nn.ModuleList([TheirBlock(dim, heads) for _ in range(layers)]), nn.LayerNorm(dim, bias=False)
        self.head = nn.Linear(dim, c, bias=False)
        self.head.weight = self.tokens.weight
        for name, p in self.named_parameters():
            if p.ndim == 2: nn.init.normal_(p, 0, .02 / math.sqrt(2*layers) if name.endswith(('out.weight', 'down.weight')) else .02)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks: x = block(x)
        return self.head(self.norm(x))


def their_rate(step, steps, top=1e-3, end=1e-4, warm_up=100):
    if step < warm_up: return top * (step + 1) / (warm_up + 1)
    return end + .5 * (top - end) * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def train_theirs(seed, steps, limit=math.inf):
    "(model, CPU seconds, tokens read): batches of 12 blocks that begin anywhere, AdamW, gradients of at most norm 1."
    torch.manual_seed(seed)
    model = Theirs(len(VOCAB))
    groups = [{'params': [p for p in model.parameters() if (p.ndim >= 2) == decays], 'weight_decay': .1*decays} for decays in (True, False)]
    opt, start = torch.optim.AdamW(groups, lr=1e-3, betas=(.9, .99)), time.process_time()
    for step in range(steps):
        for group in opt.param_groups: group['lr'] = their_rate(step, steps, warm_up=min(100, steps // 4))
        at = torch.randint(len(TRAIN) - 64, (12,)).tolist()
        xb, yb = [torch.stack([TRAIN[i + shift:i + shift + 64] for i in at]) for shift in (0, 1)]
        loss = F.cross_entropy(model(xb).flatten(0, 1), yb.flatten())
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.)
        opt.step()
        if time.process_time() - start > limit: break
    return model, time.process_time() - start, (step + 1) * 12 * 64


# ---- ours: the course's Learner

class CpuLimit(Callback):
    "Ends a fit after so many CPU `seconds`."
    fits_only, steps = True, 0
    def __init__(self, seconds=math.inf): self.seconds = seconds
    def before_fit(self, learn): self.start, self.spent = time.process_time(), 0.
    def after_batch(self, learn):
        if not learn.training: return
        self.steps, self.spent = self.steps + 1, time.process_time() - self.start
        if self.spent > self.seconds: raise CancelFit('the CPU seconds are used up')




def model_of(s): return GPT(len(VOCAB), s['context'], s['dim'], s['layers'], s['heads'], **{**LLAMA, 'norm': nn.RMSNorm, **s.get('model', {})})


def train_ours(s, seed, steps, limit=math.inf):
    "(model, CPU seconds, tokens read, steps): `steps` batches of blocks that begin anywhere."
    torch.manual_seed(seed)
    model, few = model_of(s), TextBlocks(VALID[:s['context'] + 1], s['context'])           # validation proper comes behind the fit
    dls = DataLoaders(RandomBlocks(TRAIN, s['context'], s['bs'], steps, seed), BatchLoader(few, 1))
    opt = functools.partial(muon_and_adamw, model.blocks, weight_decay=s['weight_decay'])
    cbs = [OneCycle(s['lr'], up=s['up'], moms=None, div_end=s.get('div_end', 1e4)), cpu := CpuLimit(limit), *s.get('cbs', [])]
    Learner(model, dls, token_loss, opt, lr=s['lr'], cbs=cbs).fit(1, reraise=True)
    return model, cpu.spent, cpu.steps * s['bs'] * s['context'], cpu.steps


@torch.no_grad()
def valid_loss(model, context):
    "The mean loss over the whole validation part, in blocks of `context`, each character but the first and a rest once."
    model.eval()
    blocks = TextBlocks(VALID, context)
    sums = [token_loss(model(x), y).item() * len(x) for x, y in zip(blocks.x.split(64), blocks.y.split(64))]
    return sum(sums) / len(blocks)


def our_steps(s, seconds):
    "How many steps of ours fit into so many CPU seconds, by a trial; a little less."
    _, spent, _, steps = train_ours(s, 0, 30)
    return max(20, int(.95 * seconds / spent * steps))


def race(steps, seeds):
    rows = []
    for seed in range(1, seeds + 1):
        theirs, seconds, read = train_theirs(seed, steps)
        ours, spent, ours_read, done = train_ours(OURS, seed, our_steps(OURS, seconds), seconds)
        rows.append((valid_loss(theirs, 64), valid_loss(ours, OURS['context']), seconds, spent, read/seconds, ours_read/spent))
        print('theirs, ours: loss, CPU seconds, tokens a second:', *(f'{x:,.4g}' for x in rows[-1]), flush=True)
    def spread(values): return f'{statistics.mean(values):.3f}' + (f' ± {statistics.stdev(values):.3f}' if len(values) > 1 else '')
    columns = [*zip(*rows)]
    body = [(name, spread(columns[i]), f'{statistics.mean(columns[2 + i]):.0f}', f'{statistics.mean(columns[4 + i]):,.0f}') for i, name in enumerate(("nanoGPT's recipe", 'ours'))]
    sizes = [sum(p.numel() for p in model.parameters()) for model in (Theirs(len(VOCAB)), model_of(OURS))]
    assert steps < STEPS or all(row[1] < row[0] and row[3] <= row[2] * 1.01 for row in rows)
    return (f"Shakespeare by characters, the first 90 % for training, one thread; {steps:,} steps of nanoGPT's recipe (its model and loop written here from its published settings, {sizes[0]:,} parameters), "
            f'then ours ({sizes[1]:,} parameters), through `Learner.fit`, for as many CPU seconds of training. Loss in nats per character over all of the rest, {len(VALID):,} characters, cut into blocks of 64 for theirs and of '
            f'{OURS["context"]} for ours; mean and standard deviation over {seeds} seed{"s"*(seeds > 1)}. Settings of ours, chosen with another seed: {", ".join(f"{k} {v}" for k, v in OURS.items())}.\n\n'
            + table(['', 'validation loss', 'CPU seconds', 'characters read a second'], body))


# ---- going on: with the cache, without, as nanoGPT does, and in `transformers`

def llama_pair(context, dim=128, layers=4, heads=4, groups=2):
    "The same random weights in `transformers` and in ours."
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=len(VOCAB), hidden_size=dim, intermediate_size=344, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=groups,
                                      max_position_embeddings=context, rms_norm_eps=1e-6, bos_token_id=None, eos_token_id=None, pad_token_id=0, initializer_range=.08)
    theirs = transformers.LlamaForCausalLM(config).eval()
    ours = GPT(len(VOCAB), context, dim, layers, heads, **{**LLAMA, 'norm': functools.partial(nn.RMSNorm, eps=1e-6)}, groups=groups).eval()
    ours.load_state_dict(from_llama(theirs.state_dict()))
    return theirs, ours


def gpt2_pair(context, dim=128, layers=4, heads=4):
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=len(VOCAB), n_embd=dim, n_layer=layers, n_head=heads, n_positions=context, bos_token_id=0, eos_token_id=0, resid_pdrop=0., embd_pdrop=0., attn_pdrop=0.)
    theirs, ours = transformers.GPT2LMHeadModel(config), GPT(len(VOCAB), context, dim, layers, heads)
    ours.load_state_dict(from_gpt2(theirs.state_dict()))
    return theirs, ours


def going_on(new, bs, rounds):
    theirs, ours = llama_pair(new + 8)
    prompts = IDS[:8*bs].reshape(bs, 8)
    found = {}
    def with_cache(): found['cache'] = torch.stack([*generate(ours, prompts, new, temperature=0)], 1)
    def without(): found['none'] = torch.stack([*generate(ours, prompts, new, cache=False, temperature=0)], 1)
    def hugging(): found['hf'] = theirs.generate(prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=new, do_sample=False)[:, 8:]
    seconds = in_turn({'with the cache': with_cache, 'without': without, '`transformers`, with its cache': hugging}, rounds=rounds)
    assert torch.equal(found['cache'], found['none']) and torch.equal(found['cache'], found['hf'])
    return seconds


def step(model, logits_of, x, y):
    model.zero_grad()
    F.cross_entropy(logits_of(x).flatten(0, 1), y.flatten()).backward()


def beside(pair, rounds):
    "A forward and backward pass, 12 rows of 64."
    theirs, ours = pair
    x, y = TRAIN[:768].view(12, 64), TRAIN[1:769].view(12, 64)
    torch.testing.assert_close(ours(x), theirs(x).logits, rtol=1e-5, atol=1e-5)
    return in_turn({'ours': lambda: step(ours, ours, x, y), '`transformers`': lambda: step(theirs, lambda x: theirs(x).logits, x, y)}, rounds=rounds)


def main(steps=STEPS, seeds=SEEDS):
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    rounds = 9 if steps >= STEPS else 3
    text = race(steps, seeds) + '\n\nA Llama of the same size goes on, the likeliest token each time; the three give the same tokens:'
    for new, bs in ((56, 1), (248, 1), (248, 8)): text += f'\n\n{new} tokens for {bs} prompt{"s"*(bs > 1)} of 8:\n\n' + ratio_table(going_on(new, bs, rounds), 'with the cache')
    for name, pair in (('GPT-2', gpt2_pair(64)), ('Llama', llama_pair(64))):
        text += f'\n\nForward and backward through {name} of this size with the same weights, 12 rows of 64; the logits agree to 1e-5:\n\n' + ratio_table(beside(pair, rounds), '`transformers`')
    report('bench_gpt', 'A language model', text)


if __name__ == '__main__': main(*map(int, sys.argv[1:]))

# Generated from nbs/17a_gpt.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/17a_gpt.ipynb 49c55c07
import math, re
import torch
from torch import nn
from torch.nn import functional as F
from exp.nb_05 import check_count
from exp.nb_08 import RMSNorm, wide
from exp.nb_09 import AdamW, Muon, Together, decay_groups
from exp.nb_15 import TextBlocks
from exp.nb_17 import KVCache, SelfAttention

# ---
# Characters
# %% nbs/17a_gpt.ipynb bc03ee1e
class Characters:
    "The characters of a text as tokens, in alphabetical order. ValueError for one that is not among them."
    def __init__(self, text):
        self.names = sorted({*text})
        self.numbers = {name: i for i, name in enumerate(self.names)}

    def __len__(self): return len(self.names)
    def encode(self, text):
        "The numbers of the characters of `text`, int64, (n,)."
        try: return torch.tensor([self.numbers[name] for name in text], dtype=torch.int64)
        except KeyError as e: raise ValueError(f'Characters: {e.args[0]!r} is not in the vocabulary') from None
    def decode(self, ids):
        "The text of the tokens `ids`, (n,)."
        return ''.join([self.names[i] for i in torch.as_tensor(ids).tolist()])

# ---
# FeedForward
# %% nbs/17a_gpt.ipynb 3cae0f0a
class FeedForward(nn.Module):
    """(…, dim) -> (…, dim): up to `hidden` (None: 4*dim), GELU in its form with tanh (Hendrycks and Gimpel, 2016), and
    down again: the unit of GPT-2."""
    def __init__(self, dim, hidden=None, bias=True):
        super().__init__()
        hidden = 4*dim if hidden is None else hidden
        self.up, self.down = nn.Linear(dim, hidden, bias), nn.Linear(hidden, dim, bias)

    def forward(self, x): return self.down(F.gelu(self.up(x), approximate='tanh'))

# ---
# SwiGLU
# %% nbs/17a_gpt.ipynb 83a8e172
class SwiGLU(nn.Module):
    """(…, dim) -> (…, dim): what goes up is multiplied by a gate, x*sigmoid(x) of another product (Shazeer, 2020): the
    unit of Llama. `hidden` None: 8/3*dim, up to a multiple of 8, as many weights as FeedForward has."""
    def __init__(self, dim, hidden=None, bias=False):
        super().__init__()
        hidden = -(-dim // 3) * 8 if hidden is None else hidden
        self.gate, self.up = nn.Linear(dim, hidden, bias), nn.Linear(dim, hidden, bias)
        self.down = nn.Linear(hidden, dim, bias)

    def forward(self, x): return self.down(F.silu(self.gate(x)) * self.up(x))

# ---
# Block
# %% nbs/17a_gpt.ipynb 082c4fae
class Block(nn.Module):
    """`x`, (bs, n, dim), plus what attention finds in the places before, plus what the `unit` makes of that; each reads
    through a `norm` of its own. `attention` are settings of SelfAttention; `dropout` acts on what is added."""
    def __init__(self, dim, heads, hidden=None, norm=nn.LayerNorm, unit=FeedForward, bias=True, dropout=0.,
                 **attention):
        super().__init__()
        self.norm1, self.norm2, self.drop = norm(dim), norm(dim), nn.Dropout(dropout)
        self.attention = SelfAttention(dim, heads, bias=bias, dropout=dropout, **attention)
        self.unit = unit(dim, hidden, bias)

    def forward(self, x, mask=None, positions=None, cache=None):
        x = x + self.drop(self.attention(self.norm1(x), mask, positions, cache))
        return x + self.drop(self.unit(self.norm2(x)))

# ---
# places_and_mask
# %% nbs/17a_gpt.ipynb b0b7b53c
def places_and_mask(end, pad=None, device=None):
    """Where each of the first `end` tokens of a row stands, (end,), and None. With `pad`, (bs,), the first token of a row
    stands behind so many places that are none: (bs, end), and which may be looked at, (bs, 1, 1, end) bools."""
    places = torch.arange(end, device=device)
    if pad is None: return places, None
    return (places - pad[:, None]).clamp(min=0), (places >= pad[:, None])[:, None, None]

# ---
# GPT
# %% nbs/17a_gpt.ipynb dfa5ba3b
class GPT(nn.Module):
    """Logits for the token that follows each place, of `c`: (bs, n) -> (bs, n, c), for n up to `context`. As it stands
    it is GPT-2 (Radford et al., 2019); `**LLAMA` makes it Llama (Touvron et al., 2023). `block` are settings of Block."""
    def __init__(self, c, context, dim, layers, heads, tied=True, rotary=False, norm=nn.LayerNorm, dropout=0., **block):
        super().__init__()
        sizes = dict(c=c, context=context, dim=dim, layers=layers, heads=heads)
        for what, value in sizes.items(): check_count(f'GPT: {what}', value)
        self.context, self.tokens, self.drop = context, nn.Embedding(c, dim), nn.Dropout(dropout)
        self.positions = None if rotary else nn.Embedding(context, dim)
        block = dict(norm=norm, rotary=rotary, dropout=dropout, **block)
        self.blocks = nn.ModuleList([Block(dim, heads, **block) for _ in range(layers)])
        self.norm, self.head = norm(dim), nn.Linear(dim, c, bias=False)
        if tied: self.head.weight = self.tokens.weight
        self.start()

    @torch.no_grad()
    def start(self):
        "Small random weights, as in GPT-2; smaller ones where a block adds to what goes past it."
        for name, p in self.named_parameters():
            adds = name.endswith(('out.weight', 'down.weight'))
            if p.ndim == 2: p.normal_(0, .02 / math.sqrt(2*len(self.blocks)) if adds else .02)
            elif name.endswith('bias'): p.zero_()

    def new_cache(self):
        "A KVCache for each block, for `forward`."
        return [KVCache(self.context) for _ in self.blocks]

    def states(self, ids, pad=None, cache=None):
        "What the blocks make of each token, behind the last norm: (bs, n, dim)."
        past = len(cache[0]) if cache else 0
        end = past + ids.shape[-1]
        if ids.ndim != 2 or end > self.context:
            shape = tuple(ids.shape)
            raise ValueError(f'GPT: {shape} behind {past} in the cache, wanted (bs, n), {self.context} at most')
        places, mask = places_and_mask(end, pad, ids.device)
        places, x = places[..., past:], self.tokens(ids)
        x = self.drop(x if self.positions is None else x + self.positions(places))
        for i, block in enumerate(self.blocks): x = block(x, mask, places, cache[i] if cache else None)
        return self.norm(x)

    def forward(self, ids, pad=None, cache=None):
        """`pad`, (bs,): how many places on the left of each row are no tokens. `cache`, from `new_cache`: `ids` go on
        where the last call with it ended; `pad` stays. ValueError: more than `context`; IndexError: no such token."""
        return self.head(self.states(ids, pad, cache))

# ---
# LLAMA
# %% nbs/17a_gpt.ipynb 05a4e2a9
LLAMA = dict(norm=RMSNorm, unit=SwiGLU, rotary=True, bias=False, tied=False)       # settings of GPT

# ---
# GPT2_NAMES
# %% nbs/17a_gpt.ipynb 56a0e1ad
GPT2_NAMES = {
    'transformer.': '', 'wte': 'tokens', 'wpe': 'positions', 'h.': 'blocks.', 'ln_1': 'norm1', 'ln_2': 'norm2',
    'ln_f': 'norm', 'attn.c_attn': 'attention.c_attn', 'attn.c_proj': 'attention.out', 'mlp.c_fc': 'unit.up',
    'mlp.c_proj': 'unit.down', 'lm_head': 'head'}
LLAMA_NAMES = {
    'model.': '', 'embed_tokens': 'tokens', 'layers.': 'blocks.', 'lm_head': 'head',
    'input_layernorm': 'norm1', 'post_attention_layernorm': 'norm2',
    'self_attn.q_proj': 'attention.query', 'self_attn.k_proj': 'attention.key',
    'self_attn.v_proj': 'attention.value', 'self_attn.o_proj': 'attention.out',
    'mlp.': 'unit.', 'gate_proj': 'gate', 'up_proj': 'up', 'down_proj': 'down'}

def renamed(state, names):
    """A state dict with each of `names` in its keys replaced. Without a head of its own the table of the tokens is it.
    ValueError: there is no such table."""
    pattern = re.compile('|'.join(rf'\b{re.escape(name)}' for name in names))
    state = {pattern.sub(lambda found: names[found[0]], name): w for name, w in state.items()}
    if 'tokens.weight' not in state: raise ValueError(f'no weights for the tokens among {[*state][:3]} and others')
    return {'head.weight': state['tokens.weight'], **state}

# ---
# from_gpt2
# %% nbs/17a_gpt.ipynb 5c0e2213
def from_gpt2(state):
    """The `state_dict()` of GPT-2 in `transformers` as one for `GPT`. There a weight is (in, out), and those of query,
    key and value stand side by side. ValueError: none of a language model."""
    out = {}
    for name, w in renamed(state, GPT2_NAMES).items():
        if name.endswith(('.attn.bias', '.attn.masked_bias')): continue          # the mask, in older files
        if name.startswith('blocks') and w.ndim == 2: w = w.T
        if 'c_attn' not in name: out[name] = w
        else:
            for part, p in zip(('query', 'key', 'value'), w.chunk(3)): out[name.replace('c_attn', part)] = p
    return out

def from_llama(state):
    "The `state_dict()` of Llama in `transformers` as one for `GPT`. ValueError: none of a language model."
    return {name: w for name, w in renamed(state, LLAMA_NAMES).items() if not name.endswith('inv_freq')}

# ---
# RandomBlocks
# %% nbs/17a_gpt.ipynb 61ea97dd
class RandomBlocks:
    """A loader: in each epoch `n` batches of `bs` blocks of `size` tokens that begin anywhere in `ids`, with the same moved
    on by one. What it draws depends on `seed` alone, and goes on from epoch to epoch. ValueError: no block fits."""
    def __init__(self, ids, size, bs, n, seed):
        for what, value in dict(bs=bs, n=n).items(): check_count(f'RandomBlocks: {what}', value)
        self.ds, self.bs, self.n = TextBlocks(ids, size, step=1), bs, n
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self): return self.n
    def __iter__(self):
        for _ in range(self.n): yield self.ds[torch.randint(len(self.ds), (self.bs,), generator=self.generator)]

# ---
# token_loss
# %% nbs/17a_gpt.ipynb d4030e9c
def token_loss(pred, targ):
    "The mean cross entropy over all places of all rows: logits (bs, n, c) and tokens (bs, n)."
    return F.cross_entropy(pred.flatten(0, 1), targ.flatten())

# ---
# muon_and_adamw
# %% nbs/17a_gpt.ipynb 467ac684
def muon_and_adamw(layers, params, lr, weight_decay=.1, betas=(.9, .99)):
    "Muon for the matrices of `layers` among `params`, AdamW for the others; decay for all with two axes."
    params, inside = list(params), {p for p in layers.parameters() if p.ndim == 2}
    muon = Muon([p for p in params if p in inside], lr, weight_decay, adjust_lr_fn='match_rms_adamw', half=False)
    return Together(muon, AdamW(decay_groups([p for p in params if p not in inside], weight_decay), lr, betas))

# ---
# next_probs
# %% nbs/17a_gpt.ipynb 16610386
def next_probs(logits, temperature=1., top_k=None, top_p=1.):
    """Probabilities of the next token, (…, c) -> (…, c): softmax(logits / temperature); of these the `top_k` largest (Fan
    et al., 2018); of these the fewest, largest first, that have the share `top_p` (Holtzman et al., 2020). Temperature
    0: the largest alone. Of equal ones the first counts as larger. ValueError: impossible settings."""
    if not 0 <= temperature < math.inf: raise ValueError(f'next_probs: temperature {temperature}, wanted 0 or more')
    if top_k is not None: check_count('next_probs: top_k', top_k)
    if not 0 < top_p <= 1: raise ValueError(f'next_probs: top_p {top_p}, wanted a share over 0 and up to 1')
    logits = wide(logits)
    if temperature == 0: return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    probs = ((logits - logits.amax(-1, keepdim=True)) / temperature).softmax(-1)
    if top_k is None and top_p == 1: return probs
    probs, order = probs.sort(dim=-1, descending=True, stable=True)
    if top_k is not None: probs[..., top_k:] = 0
    if top_p < 1: probs[probs.cumsum(-1) - probs >= top_p * probs.sum(-1, keepdim=True)] = 0
    return torch.zeros_like(probs).scatter(-1, order, probs / probs.sum(-1, keepdim=True))

def sample(logits, generator=None, **settings):
    "A token for each row, (bs, c) -> (bs,), drawn by `next_probs` with its `settings`."
    return torch.multinomial(next_probs(logits, **settings), 1, generator=generator)[:, 0]

# ---
# first_seen
# %% nbs/17a_gpt.ipynb 8bf01e3a
def first_seen(n, context):
    """Where a model begins to read in a row of `n` tokens: at 0 while the context holds them all, then half a context
    further each time that it is full."""
    step = max(1, context // 2)
    return max(0, -(-(n - context) // step)) * step

# ---
# left_padded
# %% nbs/17a_gpt.ipynb bafa8f31
def left_padded(rows, device=None):
    "Lists of tokens as (ids, pad) for `GPT`: (bs, n), each row at the right end, zeros before it; pad None: no zeros."
    n = max(map(len, rows))
    ids = torch.tensor([[0]*(n - len(row)) + row for row in rows], device=device)
    pad = torch.tensor([n - len(row) for row in rows], device=device)
    return ids, pad if pad.any() else None

# ---
# check_prompts
# %% nbs/17a_gpt.ipynb c8202c60
def check_prompts(model, prompts):
    "The `prompts` as lists of numbers. ValueError: none, an empty one, or a token that the model does not know."
    rows, c = [torch.as_tensor(row).tolist() for row in prompts], model.tokens.num_embeddings
    if not rows or not all(isinstance(row, list) and row for row in rows):
        raise ValueError('generate: wanted a list of prompts, each of at least one token')
    wrong = [i for row in rows for i in row if type(i) is not int or not 0 <= i < c]
    if wrong: raise ValueError(f'generate: the token {wrong[0]}, and the model has 0 to {c - 1}')
    return rows

@torch.no_grad()
def go_on(model, rows, n, cache, generator, settings):
    "The loop of `generate`: `rows` grow."
    modes, starts, store = [(module, module.training) for module in model.modules()], None, None
    device = model.tokens.weight.device
    model.eval()
    try:
        for _ in range(n):
            before, starts = starts, [first_seen(len(row), model.context) for row in rows]
            if not cache or starts != before:                      # at the start, and where a window has moved
                store = model.new_cache() if cache else None
                new, pad = left_padded([row[start:] for row, start in zip(rows, starts)], device)
            else: new = tokens[:, None]
            tokens = sample(model.head(model.states(new, pad, store)[:, -1]), generator, **settings)
            for row, token in zip(rows, tokens.tolist()): row.append(token)
            yield tokens
    finally:
        for module, training in modes: module.training = training

# ---
# generate
# %% nbs/17a_gpt.ipynb 17b71667
def generate(model, prompts, n, cache=True, generator=None, **settings):
    """Yields `n` times a token for each of the `prompts`, rows of tokens of any lengths: (bs,). Each is drawn by `sample`
    with its `settings`, and read with the next; the model sees a row from `first_seen` on. With the `cache` each is read
    once, until a window moves: the same tokens, but for near ties in the last digits, in less time. The model is in eval
    mode meanwhile. ValueError: a prompt without tokens, or with unknown ones."""
    return go_on(model, check_prompts(model, prompts), n, cache, generator, settings)

def write(model, vocab, text, n, **settings):
    "Goes on with `text`: yields the text of each of the next `n` tokens, by `generate` with its `settings`."
    for tokens in generate(model, [vocab.encode(text)], n, **settings): yield vocab.decode(tokens)

# ---

# Generated from nbs/15_tokens.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/15_tokens.ipynb 374a95f0
import gzip, hashlib, json, math, operator, re
from collections import defaultdict
from heapq import heapify, heappop, heappush
from pathlib import Path
import torch
from exp.nb_01 import data_file
from exp.nb_04 import Dataset

# ---
# TEXTS
# %% nbs/15_tokens.ipynb e5381749
TEXTS = {name: {'name': name, 'system': [], 'mirrors': [], 'sha256': {f'{name}.txt.gz': sha256}} for name, sha256 in [
    ('shakespeare', 'ff0a3c780e51f74019868028c269a574e1ac6e822bdad20f2ccfdef281e0addc'),
    ('names', '94a3970f726038101cf915aba5852da71160025828ce1d912e8837d593d08b05')]}

def get_text(name):
    """The text of a data set: 'shakespeare', 5 MB of plays and poems, or 'names', a first name a line, the most given
    first. ValueError for another name, FileNotFoundError where the file did not come with the package."""
    if name not in TEXTS: raise ValueError(f'get_text: {name!r}, wanted one of {[*TEXTS]}')
    return gzip.decompress(data_file(TEXTS[name], f'{name}.txt.gz').read_bytes()).decode()

# ---
# bigram_counts
# %% nbs/15_tokens.ipynb 396d2e96
def bigram_counts(ids, c):
    "How often token j follows i in `ids`, (n,) numbers below `c`: (c, c), at row i, column j. ValueError for others."
    if len(ids) and not 0 <= ids.min() <= ids.max() < c:
        raise ValueError(f'bigram_counts: numbers from {ids.min()} to {ids.max()}, wanted 0 to {c - 1}')
    return torch.bincount(ids[:-1]*c + ids[1:], minlength=c*c).reshape(c, c)

# ---
# bits_per_byte
# %% nbs/15_tokens.ipynb 9db16ac8
def bits_per_byte(loss, tokens, n_bytes):
    "A mean `loss` of `tokens` tokens, in nats, as bits for each of the `n_bytes` bytes that they stand for."
    return loss * tokens / math.log(2) / n_bytes

# ---
# merge
# %% nbs/15_tokens.ipynb 8c5cbbd6
def merge(ids, pair, new):
    "The list `ids` with `new` for each `pair` of neighbours, from left to right; a number is used once."
    out, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out

# ---
# token_bytes
# %% nbs/15_tokens.ipynb adfe7bcf
def token_bytes(merges):
    "The bytes of each token: of the 256 single bytes, then of what each of the `merges` joins."
    tokens = [bytes([i]) for i in range(256)]
    for a, b in merges: tokens.append(tokens[a] + tokens[b])
    return tokens

# ---
# PATTERN
# %% nbs/15_tokens.ipynb e26391b1
PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+"

# ---
# count_words
# %% nbs/15_tokens.ipynb 71290a43
def count_words(pieces):
    "{bytes: how often} of the `pieces` of a text, in the order in which they first come."
    words = defaultdict(int)
    for piece in pieces: words[piece] += 1
    return {piece.encode('utf-8', 'surrogateescape'): n for piece, n in words.items()}

# ---
# count_changes
# %% nbs/15_tokens.ipynb 5942dbba
def count_changes(old, new, times, changes):
    "Adds to `changes`, counts of pairs, what it means that a word that comes `times` times is `new` and no more `old`."
    for pair in zip(old, old[1:]): changes[pair] -= times
    for pair in zip(new, new[1:]): changes[pair] += times

# ---
# train_merges
# %% nbs/15_tokens.ipynb b5eeb62a
def train_merges(words, n):
    """The first `n` merges, pairs of numbers, of `words`, {bytes: how often}; fewer if no pair is left. Merge i makes
    token 256 + i. The most frequent pair is next, the smaller of equally frequent ones (Sennrich et al., 2016)."""
    ids, times, merges = [list(word) for word in words], list(words.values()), []
    counts, where = defaultdict(int), defaultdict(set)             # of each pair; the words that hold it, or did
    for i, word in enumerate(ids):
        count_changes([], word, times[i], counts)
        for pair in zip(word, word[1:]): where[pair].add(i)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapify(heap)
    while heap and len(merges) < n:
        count, pair = heappop(heap)
        if count == 0 or -count != counts[pair]: continue          # it has changed since
        new, changes = 256 + len(merges), defaultdict(int)
        merges.append(pair)
        for i in where.pop(pair):
            old, ids[i] = ids[i], merge(ids[i], pair, new)
            count_changes(old, ids[i], times[i], changes)
            for other in zip(ids[i], ids[i][1:]):
                if new in other: where[other].add(i)
        for other, change in changes.items():
            counts[other] += change
            if change: heappush(heap, (-counts[other], other))
    return merges

# ---
# encode_piece
# %% nbs/15_tokens.ipynb 035dc594
def encode_piece(piece, ranks):
    "The tokens of bytes, merged by `ranks`, {pair: the token that it makes}: the lowest first, from left to right."
    ids, n = [*piece, None], len(piece)                  # None ends it, on both sides: ids[-1] is ids[n]
    after, before = [*range(1, n + 1), n], [*range(-1, n)]
    heap = [(ranks[pair], i) for i, pair in enumerate(zip(ids, ids[1:])) if pair in ranks]
    heapify(heap)
    while heap:
        new, i = heappop(heap)
        j = after[i]
        if ranks.get((ids[i], ids[j])) != new: continue  # one of the two has gone into another merge
        ids[i], ids[j], after[i] = new, None, after[j]
        before[after[j]] = i
        for a in (before[i], i):
            pair = ids[a], ids[after[a]]
            if pair in ranks: heappush(heap, (ranks[pair], a))
    return [token for token in ids if token is not None]

# ---
# check_merges
# %% nbs/15_tokens.ipynb 5dfd671a
def check_merges(merges):
    "The `merges` as a list of pairs. ValueError unless each joins two earlier tokens into new bytes."
    pairs, tokens, known = [], token_bytes([]), {bytes([i]) for i in range(256)}
    for i, pair in enumerate(merges):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or any(type(token) is not int for token in pair):
            raise ValueError(f'merge {i} is {pair!r}, wanted two whole numbers')
        if not 0 <= min(pair) <= max(pair) < 256 + i:
            raise ValueError(f'merge {i} is {tuple(pair)}, and by then there are the tokens 0 to {255 + i}')
        token = tokens[pair[0]] + tokens[pair[1]]
        if token in known: raise ValueError(f'merge {i} makes {token!r}, which an earlier token is already')
        tokens.append(token)
        known.add(token)
        pairs.append(tuple(pair))
    return pairs

# ---
# BytePairs
# %% nbs/15_tokens.ipynb 23233f37
class BytePairs:
    """Text or bytes to a list of tokens, and back with nothing lost. 0 to 255 are the bytes, then comes the token of
    each of `merges`, pairs of earlier tokens. `pattern` cuts a text into pieces first. ValueError for impossible ones."""
    def __init__(self, merges=(), pattern=PATTERN):
        self.merges = check_merges(merges)
        self.tokens, self.ranks = token_bytes(self.merges), {pair: 256 + i for i, pair in enumerate(self.merges)}
        try: self.pattern, self.cut, self.cache = pattern, re.compile(pattern), {}
        except re.error as e: raise ValueError(f'the pattern {pattern!r}: {e}') from None
        if self.cut.groups: raise ValueError(f'the pattern {pattern!r} has groups: begin them with (?:')

    def __len__(self): return len(self.tokens)
    def __repr__(self): return f'{type(self).__name__} of {len(self)} tokens'

    def pieces(self, data):
        "The pieces of a text, or of bytes, as the pattern cuts them. ValueError if it leaves something out."
        if not isinstance(data, (str, bytes)): raise TypeError(f'wanted text or bytes, got {type(data).__name__}')
        if isinstance(data, bytes): text = data.decode('utf-8', 'surrogateescape')
        else: (text := data).encode()                                  # an error if there are surrogates in it
        found = self.cut.findall(text)
        if sum(map(len, found)) == len(text): return found
        raise ValueError(f'the pattern {self.pattern!r} leaves out a part of the text')

    def encode(self, data):
        "The tokens of a text, or of bytes. UnicodeEncodeError: a text with a surrogate. TypeError: neither of the two."
        out, cache = [], self.cache
        for piece in self.pieces(data):
            ids = cache.get(piece)
            if ids is None:
                ids = encode_piece(piece.encode('utf-8', 'surrogateescape'), self.ranks)
                if len(cache) < 2**17 and len(piece) < 100: cache[piece] = ids         # it must not grow for ever
            out += ids
        return out

    def decode_bytes(self, ids):
        "The bytes of some tokens: a list of whole numbers or a tensor, (n,). ValueError: there is no such token."
        ids = [operator.index(i) for i in ids]
        if ids and not 0 <= min(ids) <= max(ids) < len(self):
            raise ValueError(f'decode: tokens from {min(ids)} to {max(ids)}, and there are 0 to {len(self) - 1}')
        return b''.join([self.tokens[i] for i in ids])

    def decode(self, ids):
        "The text of some tokens; a character that is not whole, or a byte that is none, becomes the mark �."
        return self.decode_bytes(ids).decode(errors='replace')

# ---
# FORMAT
# %% nbs/15_tokens.ipynb 88930d6b
FORMAT = 'exp tokenizer 2'          # what a file begins with; another version gets another number

def digest(parts):
    "SHA-256 of what can be written as JSON: for the same values always the same."
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

# ---
# Tokenizer
# %% nbs/15_tokens.ipynb 13597ea3
class Tokenizer(BytePairs):
    """BytePairs with tokens `special`, by name, behind the others: `encode` never gives one, `decode` gives its name.
    `save` writes plain JSON, and `load` refuses what is damaged. ValueError for names that are not different texts."""
    def __init__(self, merges=(), special=(), pattern=PATTERN):
        super().__init__(merges, pattern)
        names = [special] if isinstance(special, str) else list(special)
        if any(not isinstance(name, str) or not name for name in names) or len({*names}) < len(names):
            raise ValueError(f'special tokens {names!r}, wanted different names')
        self.special = {name: len(self.tokens) + i for i, name in enumerate(names)}
        self.tokens += [name.encode() for name in names]

    @classmethod
    def train(cls, text, n, special=(), pattern=PATTERN):
        "A tokenizer with the first `n` merges of a text or bytes; fewer if no pair is left."
        return cls(train_merges(count_words(BytePairs(pattern=pattern).pieces(text)), n), special, pattern)

    def save(self, path):
        "Writes a file of JSON for `load`."
        parts = {'merges': self.merges, 'special': [*self.special], 'pattern': self.pattern}
        Path(path).write_text(json.dumps({'format': FORMAT, 'sha256': digest(parts), **parts}), encoding='utf-8')

    @classmethod
    def load(cls, path):
        "The tokenizer that `save` wrote. ValueError with the reason for any other file, or one that was changed."
        try: parts = json.loads(Path(path).read_text(encoding='utf-8'))
        except ValueError as e: raise ValueError(f'{path}: no JSON, or cut short: {e}') from None
        form = parts.pop('format', None) if isinstance(parts, dict) else type(parts).__name__
        if form != FORMAT: raise ValueError(f'{path}: its format is {form!r}, wanted {FORMAT!r}')
        missing = {'sha256', 'merges', 'special', 'pattern'} - {*parts}
        if missing: raise ValueError(f'{path}: no {" and no ".join(sorted(missing))} in it')
        promised = parts.pop('sha256')
        try: made = cls(**parts)
        except (TypeError, ValueError) as e: raise ValueError(f'{path}: {e}') from None
        if digest(parts) == promised: return made
        raise ValueError(f'{path}: something in it was changed after it was saved')

# ---
# TextBlocks
# %% nbs/15_tokens.ipynb a7be7bf9
class TextBlocks(Dataset):
    """Blocks `x` of `size` tokens, and `y`, the same moved on by one; views of `ids`, (n,), int64. A block begins every
    `step` tokens (None: `size`, each token once); a rest that fills none is left out. ValueError: there is no block."""
    def __init__(self, ids, size, step=None):
        ids, step = torch.as_tensor(ids), size if step is None else step
        if ids.ndim != 1 or ids.dtype != torch.int64:
            raise ValueError(f'TextBlocks: {tuple(ids.shape)} of {ids.dtype}, wanted one row of torch.int64')
        if type(size) is not int or type(step) is not int or min(size, step) < 1:
            raise ValueError(f'TextBlocks: size {size!r} and step {step!r}, wanted whole numbers from 1 on')
        if len(ids) <= size: raise ValueError(f'TextBlocks: {len(ids)} tokens, wanted {size + 1} or more')
        super().__init__(ids[:-1].unfold(0, size, step), ids[1:].unfold(0, size, step))

# ---

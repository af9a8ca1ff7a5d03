"""Lesson 15: training and encoding beside the textbook's way, `tokenizers`, `tiktoken` and `rustbpe`, one thread each. `python bench/bench_tokens.py`

The textbook takes minutes: `python bench/bench_tokens.py 1` measures one round of each instead of 3."""
import os
os.environ.update(RAYON_NUM_THREADS='1', TOKENIZERS_PARALLELISM='false')
import re, sys
from collections import Counter
import rustbpe, tiktoken, tokenizers
from common import in_turn, ratio_table, ratios, report
from exp.nb_15 import PATTERN, BytePairs, Tokenizer, count_words, get_text, merge

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TEXT = get_text('shakespeare')
FEW, MANY, PART = 20, 1000, TEXT[:1_000_000]
ROUNDS = int(sys.argv[1]) if sys.argv[1:] else 3
found = {}                         # the merges that the trainers of ours have found


def textbook(rows, n):
    "All pairs of `rows`, {row: how often}, or a list of rows, counted anew for each merge."
    merges = []
    while len(merges) < n:
        counts = Counter()
        for ids, times in rows:
            if times == 1: counts.update(zip(ids, ids[1:]))
            else:
                for pair in zip(ids, ids[1:]): counts[pair] += times
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        rows = [(merge(ids, best, 256 + len(merges)), times) for ids, times in rows]
        merges.append(best)
    return merges


def every_piece(n): found['piece'] = textbook([(list(piece.encode()), 1) for piece in re.findall(PATTERN, TEXT)], n)
def every_word(n): found['word'] = textbook([(list(word), times) for word, times in count_words(re.findall(PATTERN, TEXT)).items()], n)
def ours(n): found[n] = Tokenizer.train(TEXT, n).merges


def byte_level():
    tok = tokenizers.Tokenizer(tokenizers.models.BPE())
    tok.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tok


def huggingface(n):
    tok, alphabet = byte_level(), tokenizers.pre_tokenizers.ByteLevel.alphabet()
    tok.train_from_iterator([TEXT], tokenizers.trainers.BpeTrainer(vocab_size=256 + n, initial_alphabet=alphabet, show_progress=False))
    return tok


def rust(n):
    tok = rustbpe.Tokenizer()
    tok.train_from_iterator([TEXT], 256 + n, pattern=GPT2)
    return tok


def pair_by_pair(ranks):
    "Each piece, merge after merge, and nothing remembered."
    out = []
    for piece in re.findall(PATTERN, PART):
        ids = list(piece.encode())
        while possible := [pair for pair in zip(ids, ids[1:]) if pair in ranks]:
            best = min(possible, key=ranks.get)
            ids = merge(ids, best, ranks[best])
        out += ids
    return out


def given_to_huggingface(tok):
    "`tokenizers` with our merges, which it writes in GPT-2's characters for bytes."
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    character = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(byte for byte in range(256) if byte not in printable)}
    names = [''.join(character[byte] for byte in token) for token in tok.tokens]
    theirs = byte_level()
    theirs.model = tokenizers.models.BPE({name: i for i, name in enumerate(names)}, [(names[a], names[b]) for a, b in tok.merges])
    return theirs


def main():
    small = in_turn({'ours': lambda: ours(FEW), "the textbook's, over every piece": lambda: every_piece(FEW), "the textbook's, over the different words": lambda: every_word(FEW),
                     'tokenizers': lambda: huggingface(FEW), 'rustbpe': lambda: rust(FEW)}, rounds=ROUNDS, warmup=0)
    large = in_turn({'ours': lambda: ours(MANY), 'tokenizers': lambda: huggingface(MANY), 'rustbpe': lambda: rust(MANY)}, rounds=ROUNDS, warmup=0)
    many = found[MANY]
    assert many[:FEW] == found[FEW] == found['word'] == found['piece']
    rusty = rust(MANY)
    alike = len({bytes(token) for token, _ in rusty.get_mergeable_ranks()} & {*BytePairs(many).tokens})

    tok = Tokenizer(many)
    openai = tiktoken.Encoding('ours', pat_str=GPT2, mergeable_ranks={token: i for i, token in enumerate(tok.tokens)}, special_tokens={})
    theirs = given_to_huggingface(tok)
    assert tok.encode(PART) == pair_by_pair(tok.ranks) == openai.encode_ordinary(PART) == theirs.encode(PART).ids
    coding = in_turn({'ours, remembering nothing yet': lambda: Tokenizer(many).encode(PART), 'ours, with the words of the last text': lambda: tok.encode(PART), 'pair by pair': lambda: pair_by_pair(tok.ranks),
                      'tokenizers': lambda: theirs.encode(PART), 'tiktoken': lambda: openai.encode_ordinary(PART), 'rustbpe, its own merges': lambda: rusty.encode(PART)}, rounds=ROUNDS, warmup=0)
    first = 'ours, remembering nothing yet'
    assert ratios(small, "the textbook's, over every piece", 'ours')[1] > 20 and ratios(coding, 'pair by pair', first)[1] > 5
    report('bench_tokens', 'Tokens', f'Training on {len(TEXT):,} bytes of Shakespeare, from the text to {FEW} merges; all of ours are equal:\n\n' + ratio_table(small, 'ours')
           + f'\n\nThe same to {MANY:,} merges, a budget that the textbook cannot afford. Of the tokens of `rustbpe` {alike:,} of {len(tok):,} are ours:\n\n' + ratio_table(large, 'ours')
           + f'\n\nEncoding {len(PART):,} bytes by {MANY:,} merges, given to all but the last; the same tokens come:\n\n' + ratio_table(coding, first))


if __name__ == '__main__': main()

import hashlib, json, math, random, re, unicodedata
from collections import Counter
from pathlib import Path
import pytest, regex, tiktoken, tokenizers, torch
from hypothesis import given, strategies as st
from torch import nn, tensor
import exp.nb_15
from exp.nb_04 import BatchLoader, cross_entropy, get_dls, takes_many
from exp.nb_05 import Learner
from exp.nb_15 import PATTERN, BytePairs, TextBlocks, Tokenizer, bigram_counts, bits_per_byte, count_changes, count_words, digest, encode_piece, get_text, merge, token_bytes, train_merges

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"        # the original, for tiktoken and regex
ODD = "Who's there?  I'll\n\n  say_2 things: naïve 日本 🙂\tx\r\n 1599!! a\u0301 \u00a0'S don't \x1e"
PLAY = get_text('shakespeare')[300_000:325_000]
TOK = Tokenizer.train(PLAY, 200, ['<|end|>', '<|user|>'])
TIKTOKEN = tiktoken.Encoding('ours', pat_str=GPT2, mergeable_ranks={token: i for i, token in enumerate(TOK.tokens[:-2])}, special_tokens=TOK.special)
# Texts in which the pattern cuts as the original does
TEXTS = st.text(st.one_of(st.sampled_from("'sdtmlvre_ \n\t1Aé"), st.characters(exclude_categories=['Cs', 'Cn', 'Nl', 'No'], exclude_characters='\x1c\x1d\x1e\x1f')))


def slow(words, n):
    "The textbook's trainer: all pairs are counted anew for each merge."
    rows, merges = [(list(word), times) for word, times in words.items()], []
    while len(merges) < n:
        counts = Counter()
        for ids, times in rows:
            for pair in zip(ids, ids[1:]): counts[pair] += times
        if not counts: break
        most = max(counts.values())
        merges.append(min(pair for pair, count in counts.items() if count == most))
        rows = [(merge(ids, merges[-1], 255 + len(merges)), times) for ids, times in rows]
    return merges


def some_words(seed, letters=b'ab \x00\xff'):
    draw = random.Random(seed)
    return Counter(bytes(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(draw.randint(1, 12)))


# ---- the texts

@pytest.mark.parametrize('name, size, sha256', [('shakespeare', 5_057_321, '04decea0dd965df5e6cfc4a538b0c62623aaa3bfd848ac7fad6734e59c96624d'),
                                                ('names', 194_185, 'e1833c18a02d7f27276d88929947f36a55daa200f1d78e3f154038bdaef889cc')])
def test_the_texts_are_those_that_stand_beside_them(name, size, sha256):
    data, folder = get_text(name).encode(), Path(exp.__file__).parents[1]/'data'/name
    assert (len(data), hashlib.sha256(data).hexdigest()) == (size, sha256)
    told = (folder/'README.md').read_text(encoding='utf-8')
    assert sha256 in told and hashlib.sha256((folder/f'{name}.txt.gz').read_bytes()).hexdigest() in told and f'{size:,}' in told


def test_a_text_that_is_not_there_is_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"'bible', wanted one of \['shakespeare', 'names'\]"): get_text('bible')
    monkeypatch.setattr(exp, '__file__', str(tmp_path/'exp'/'__init__.py'))
    with pytest.raises(FileNotFoundError, match='names: names.txt.gz is in none of'): get_text('names')
    (tmp_path/'exp'/'data'/'names').mkdir(parents=True)
    (tmp_path/'exp'/'data'/'names'/'names.txt.gz').write_bytes(exp.nb_15.gzip.compress('Zoë\n'.encode()))
    assert get_text('names') == 'Zoë\n'


# ---- counting

def test_bigrams_by_hand():
    assert bigram_counts(tensor([0, 2, 0, 2, 2]), 3).tolist() == [[0, 0, 2], [0, 0, 0], [1, 0, 1]]
    assert bigram_counts(tensor([0]), 1).tolist() == [[0]] and bigram_counts(tensor([], dtype=torch.int64), 2).tolist() == [[0, 0], [0, 0]]
    ids = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))
    table = bigram_counts(ids, 7)
    assert table.sum() == 399 and all(table[i, j] == sum(pair == (i, j) for pair in zip(ids.tolist(), ids.tolist()[1:])) for i in range(7) for j in range(7))


@pytest.mark.parametrize('ids', [[0, 3], [-1, 0], [3]])
def test_a_number_that_is_no_token_is_not_counted(ids):
    with pytest.raises(ValueError, match=r'wanted 0 to 2'): bigram_counts(tensor(ids), 3)


def test_bits_per_byte_by_hand():
    assert bits_per_byte(math.log(256), 10, 10) == pytest.approx(8)                     # all bytes equally probable
    assert bits_per_byte(math.log(2), 3, 12) == pytest.approx(.25)                      # a bit for each of three tokens of four bytes
    assert bits_per_byte(1., 4, 2) == pytest.approx(2 / math.log(2))


# ---- merges

@pytest.mark.parametrize('ids, want', [([], []), ([1], [1]), ([1, 2], [9]), ([1, 2, 1], [9, 1]), ([1, 1, 2, 1, 2, 2], [1, 9, 9, 2]), ([2, 1], [2, 1])])
def test_a_merge_by_hand(ids, want):
    before = [*ids]
    assert merge(ids, (1, 2), 9) == want and ids == before


def test_overlapping_pairs_are_merged_from_the_left():
    assert merge([5] * 5, (5, 5), 9) == [9, 9, 5] and merge([7, 5, 5, 5], (5, 5), 9) == [7, 9, 5]


def test_the_bytes_of_tokens():
    assert token_bytes([]) == [bytes([i]) for i in range(256)]
    assert token_bytes([(104, 101), (116, 256), (257, 257)])[256:] == [b'he', b'the', b'thethe']


def test_words_are_counted_as_bytes():
    assert count_words(['é', 'a', 'é', '\udcff']) == {'é'.encode(): 2, b'a': 1, b'\xff': 1} and count_words([]) == {}


def test_changes_of_counts_by_hand():
    changes = Counter({(8, 8): 5})
    count_changes([1, 2, 3, 1, 2], [9, 3, 9], 4, changes)
    assert changes == {(8, 8): 5, (1, 2): -8, (2, 3): -4, (3, 1): -4, (9, 3): 4, (3, 9): 4}


@pytest.mark.parametrize('letters', [b'ab', b'ab \x00\xff', b'aabc'])
def test_the_fast_trainer_learns_what_the_textbook_learns(letters):
    for seed in range(40):
        words = some_words(seed, letters)
        for n in (0, 3, 99): assert train_merges(words, n) == slow(words, n)
    assert train_merges({}, 5) == train_merges({b'': 3, b'a': 7}, 5) == []


def test_on_a_real_text_too():
    words = count_words(re.findall(PATTERN, PLAY[:5000]))
    assert train_merges(words, 80) == slow(words, 80)


def test_of_equally_frequent_pairs_the_smaller_is_merged_whatever_came_first():
    assert train_merges({b'zy': 2, b'ab': 2, b'aa': 2}, 3) == [(97, 97), (97, 98), (122, 121)]
    assert train_merges({b'b ': 1, b'a~': 1}, 2) == [(97, 126), (98, 32)]
    assert train_merges({b'ab': 1, b'cd': 2}, 9) == [(99, 100), (97, 98)] and train_merges({b'ab': 2, b'abc': 1}, 9) == [(97, 98), (256, 99)]


def test_training_leaves_the_words_alone():
    words = some_words(1)
    before = dict(words)
    assert train_merges(words, 9) == train_merges(words, 9) and words == before


def huggingface(pieces, n):
    "Merges that `tokenizers` learns of pieces whose characters are the bytes."
    tok = tokenizers.Tokenizer(tokenizers.models.BPE())
    tok.train_from_iterator(pieces, tokenizers.trainers.BpeTrainer(vocab_size=256 + n, initial_alphabet=[*map(chr, range(256))], show_progress=False))
    model = json.loads(tok.to_str())['model']
    assert all(model['vocab'][chr(i)] == i for i in range(256))
    return [tuple(model['vocab'][part] for part in pair) for pair in model['merges']]


def test_the_merges_are_those_of_tokenizers_when_bytes_are_numbered_as_here():
    for seed in range(20):
        words = some_words(seed)
        assert train_merges(words, 40) == huggingface([word.decode('latin-1') for word in words.elements()], 40)
    assert TOK.merges == huggingface([piece.encode().decode('latin-1') for piece in re.findall(PATTERN, PLAY)], 200)


def test_in_their_usual_numbering_of_bytes_too_once_ours_are_numbered_alike():
    tok = tokenizers.Tokenizer(tokenizers.models.BPE())
    tok.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.train_from_iterator([PLAY], tokenizers.trainers.BpeTrainer(vocab_size=456, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    vocab = json.loads(tok.to_str())['model']['vocab']
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = bytearray(256)
    for number, byte in enumerate(printable + [byte for byte in range(256) if byte not in printable]): table[byte] = number
    theirs = [tuple(vocab[part] for part in pair) for pair in json.loads(tok.to_str())['model']['merges']]
    words = count_words(re.findall(PATTERN, PLAY))
    assert train_merges({word.translate(table): times for word, times in words.items()}, 200) == theirs
    assert TOK.merges != theirs


# ---- the pattern

@given(TEXTS)
def test_but_for_these_it_cuts_as_the_original_does(text):
    assert re.findall(PATTERN, text) == regex.findall(GPT2, text)


def test_pieces_by_hand():
    assert BytePairs().pieces("Who's there?  it 12_x") == ['Who', "'s", ' there', '?', ' ', ' it', ' 12', '_', 'x']
    assert BytePairs().pieces('a \n b') == ['a', ' \n', ' b'] and BytePairs().pieces("'Tis I'll I'D\n") == ["'", 'Tis', ' I', "'ll", ' I', "'", 'D', '\n']
    assert BytePairs().pieces('½ Ⅷ') == ['½', ' Ⅷ'] and BytePairs().pieces(b'a\xff b') == ['a', '\udcff', ' b']


@pytest.mark.parametrize('ending', ["'s", "'d", "'m", "'t", "'ll", "'ve", "'re"])
def test_each_ending_is_a_piece(ending):
    assert BytePairs().pieces(f'they{ending}x') == ['they', ending, 'x'] == regex.findall(GPT2, f'they{ending}x')


def test_another_pattern_cuts_otherwise_and_what_loses_something_is_refused():
    assert BytePairs(pattern=r'\d|\D+').pieces('ab12') == ['ab', '1', '2']
    with pytest.raises(ValueError, match=r"pattern '\\\\w\+' leaves out a part"): BytePairs(pattern=r'\w+').encode('a b')
    with pytest.raises(ValueError, match='has groups'): BytePairs(pattern=r'(a)|[^a]')
    with pytest.raises(ValueError, match='unterminated'): BytePairs(pattern='[')


# ---- encoding

def encode_slow(piece, ranks):
    ids = list(piece)
    while possible := [pair for pair in zip(ids, ids[1:]) if pair in ranks]:
        ids = merge(ids, min(possible, key=ranks.get), ranks[min(possible, key=ranks.get)])
    return ids


def test_encoding_by_hand():
    ranks = {(97, 98): 256, (98, 99): 257, (257, 100): 258, (256, 257): 259}
    assert encode_piece(b'abcd', ranks) == [256, 99, 100] and encode_piece(b'xbcd', ranks) == [120, 258]
    assert encode_piece(b'', ranks) == [] and encode_piece(b'a', ranks) == [97] and encode_piece(b'ab', ranks) == [256] and encode_piece(b'abbc', ranks) == [259]


@pytest.mark.parametrize('letters', [b'a', b'ab', b'ab \x00\xff'])
def test_the_heap_gives_what_merging_pair_by_pair_gives(letters):
    for seed in range(60):
        ranks = {pair: 256 + i for i, pair in enumerate(train_merges(some_words(seed, letters), 30))}
        piece = bytes(random.Random(-seed).choices(letters, k=seed))
        assert encode_piece(piece, ranks) == encode_slow(piece, ranks)


def test_a_long_piece_asks_for_few_pairs():
    class Counting(dict):
        asked = 0
        def get(self, *key): Counting.asked += 1; return super().get(*key)
        def __contains__(self, key): Counting.asked += 1; return super().__contains__(key)
    ranks = Counting({(97, 97): 256, (256, 256): 257, (257, 257): 258})
    assert encode_piece(b'a' * 8000, ranks) == [258] * 1000 and Counting.asked < 10 * 8000


def test_each_token_is_encoded_as_itself():
    assert [encode_piece(token, TOK.ranks) for token in TOK.tokens[:-2]] == [[i] for i in range(456)]


@given(st.text())
def test_every_text_comes_back(text):
    assert TOK.decode(TOK.encode(text)) == text and TOK.encode(text) == TOK.encode(text.encode())


@given(st.binary())
def test_all_bytes_come_back(data):
    assert TOK.decode_bytes(TOK.encode(data)) == data and all(0 <= i < 456 for i in TOK.encode(data))
    assert TOK.decode(TOK.encode(data)) == data.decode(errors='replace')


def test_the_tokens_are_those_of_tiktoken():
    for text in (PLAY, ODD.replace('\x1e', ''), 'a' * 300, ' ' * 90 + '\n', PLAY.upper(), 'antidisestablishmentarianism' * 20):
        assert TOK.encode(text) == TIKTOKEN.encode_ordinary(text)
    assert TOK.decode(range(len(TOK))) == TIKTOKEN.decode([*range(len(TOK))])


@given(TEXTS)
def test_the_tokens_are_those_of_tiktoken_for_any_text(text):
    assert TOK.encode(text) == TIKTOKEN.encode_ordinary(text)


def test_the_tokens_are_those_of_tokenizers():
    names = [token.decode('latin-1') for token in TOK.tokens[:-2]]
    merges = [(names[a], names[b]) for a, b in TOK.merges]
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE({name: i for i, name in enumerate(names)}, merges))
    for piece in {*TOK.pieces(PLAY), *TOK.pieces(ODD)}:
        data = piece.encode()
        assert TOK.encode(data) == theirs.encode(data.decode('latin-1')).ids


def test_what_was_met_before_is_remembered_and_cannot_be_changed_from_outside():
    tok = Tokenizer([(97, 98)])
    tok.encode('ab').append(5)
    assert tok.encode('ab ab') == [256, 32, 256]
    assert tok.encode('ab') == [256] and tok.cache['ab'] == [256] and Tokenizer().cache == {}
    tok.encode('x' * 99), tok.encode('x' * 100)
    assert 'x' * 99 in tok.cache and 'x' * 100 not in tok.cache


def test_what_is_neither_text_nor_bytes_is_refused():
    for data in (None, 5, ['a'], bytearray(b'a')):
        with pytest.raises(TypeError, match='wanted text or bytes, got'): TOK.encode(data)
    TOK.encode(b'\x80')                                                     # now it is remembered
    with pytest.raises(UnicodeEncodeError): TOK.encode('\udc80')


# ---- decoding

def test_a_character_that_is_cut_off_is_decoded_with_a_mark_and_its_bytes_stay():
    ids = BytePairs().encode('aé日')
    assert BytePairs().decode(ids[:-1]) == 'aé�' and BytePairs().decode(ids[:2]) == 'a�' and BytePairs().decode_bytes(ids[:2]) == b'a\xc3'
    assert BytePairs().decode(ids[3:]) == '日' and BytePairs().decode(ids[4:]) == '��'


def test_a_row_of_tokens_may_be_a_tensor():
    ids = tensor(TOK.encode('silence'))
    assert TOK.decode(ids) == TOK.decode(iter(ids.tolist())) == 'silence' and TOK.decode(ids[:0]) == TOK.decode([]) == ''


@pytest.mark.parametrize('ids', [[458], [-1], [0, 1000, 3]])
def test_a_number_that_is_no_token_is_not_decoded(ids):
    with pytest.raises(ValueError, match='there are 0 to 457'): TOK.decode(ids)
    with pytest.raises(ValueError, match='there are 0 to 457'): TOK.decode_bytes(tensor(ids))


def test_only_whole_numbers_are_decoded():
    with pytest.raises(TypeError): TOK.decode([1.])


# ---- special tokens

@given(st.lists(st.one_of(st.sampled_from(['<|end|>', '<|user|>', '<|', 'end', '|>', ' ']), st.text(max_size=3))).map(''.join))
def test_no_text_is_encoded_to_a_special_token(text):
    assert not {*TOK.special.values()} & {*TOK.encode(text)} and not {*TOK.special.values()} & {*TOK.encode(text.encode())}


def test_special_tokens_stand_behind_the_others_and_are_decoded_by_name():
    assert TOK.special == {'<|end|>': 456, '<|user|>': 457} and len(TOK) == 458
    assert TOK.decode([*TOK.encode('a'), 456]) == 'a<|end|>' == TOK.decode(TOK.encode('a<|end|>'))
    assert repr(TOK) == 'Tokenizer of 458 tokens' and Tokenizer(special='one').special == {'one': 256} and Tokenizer().special == {}


@pytest.mark.parametrize('special', [['a', 'a'], [''], [5], ['a', None], [b'a']])
def test_special_names_are_different_texts(special):
    with pytest.raises(ValueError, match='wanted different names'): Tokenizer(special=special)


def test_the_others_refuse_a_typed_name_or_take_it_for_the_token_as_the_lesson_says():
    with pytest.raises(ValueError, match='disallowed special token'): TIKTOKEN.encode('rest<|end|>')
    assert TIKTOKEN.encode('rest<|end|>', disallowed_special=()) == TOK.encode('rest<|end|>')
    tok = tokenizers.Tokenizer(tokenizers.models.BPE({'a': 0}, []))
    tok.add_special_tokens(['<|end|>'])
    assert tok.encode('a<|end|>').tokens == ['a', '<|end|>']


# ---- files

def test_what_is_saved_is_plain_json_and_comes_back(tmp_path):
    tok = Tokenizer(TOK.merges, ['é', '<|x|>'], r'\s|\S+')
    tok.save(tmp_path/'tok.json')
    again = Tokenizer.load(str(tmp_path/'tok.json'))
    assert (again.merges, again.special, again.pattern, again.tokens) == (tok.merges, tok.special, tok.pattern, tok.tokens)
    assert again.encode(ODD) == tok.encode(ODD) != TOK.encode(ODD) and len(again) == len(tok) == 458
    parts = json.loads((tmp_path/'tok.json').read_text(encoding='utf-8'))
    assert len(parts.pop('sha256')) == 64
    assert parts == {'format': 'exp tokenizer 2', 'merges': [list(pair) for pair in TOK.merges], 'special': ['é', '<|x|>'], 'pattern': r'\s|\S+'}


CHANGED = 'something in it was changed after it was saved'


@pytest.mark.parametrize('change, why', [
    (dict(format='exp tokenizer 1'), "format is 'exp tokenizer 1', wanted 'exp tokenizer 2'"), (dict(format=None), 'format is None'),
    (dict(merges=[[97, 98]]), CHANGED), (dict(sha256='0' * 64), CHANGED), (dict(sha256=None), CHANGED), (dict(special=['x', 'y']), CHANGED), (dict(special=['X']), CHANGED), (dict(special='x'), CHANGED),
    (dict(merges=[[97, 98], [256, 100]]), CHANGED), (dict(merges=[[97, 99], [256, 99]]), CHANGED), (dict(pattern=r'[\s\S]'), CHANGED),
    (dict(merges=[[97, 98], [257, 99]]), r'merge 1 is \(257, 99\), and by then there are the tokens 0 to 256'), (dict(merges=[[97, 98], [-1, 99]]), r'merge 1 is \(-1, 99\)'),
    (dict(merges=[[97, 98], [97, 98]]), "merge 1 makes b'ab', which an earlier token is already"), (dict(merges=[[97, 98], [99]]), r'merge 1 is \[99\], wanted two whole numbers'),
    (dict(merges=[[97, 98], [97, '98']]), 'wanted two whole numbers'), (dict(merges=[[97, 98], [97, 98.]]), 'wanted two whole numbers'), (dict(merges=5), 'not iterable'),
    (dict(merges=[[97, 98], [True, 98]]), 'wanted two whole numbers'), (dict(special=['x', 'x']), 'wanted different names'), (dict(special=None), 'not iterable'),
    (dict(pattern='['), 'unterminated'), (dict(pattern=None), 'pattern|string'), (dict(more=1), 'more')])
def test_a_damaged_file_is_refused_with_the_reason(tmp_path, change, why):
    path = tmp_path/'tok.json'
    Tokenizer([(97, 98), (256, 99)], ['x']).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=why) as told: Tokenizer.load(path)
    assert str(told.value).startswith(f'{path}: ')


@pytest.mark.parametrize('part', ['sha256', 'merges', 'special', 'pattern'])
def test_a_file_without_a_part_is_refused(tmp_path, part):
    TOK.save(tmp_path/'tok.json')
    parts = json.loads((tmp_path/'tok.json').read_text())
    del parts[part]
    (tmp_path/'tok.json').write_text(json.dumps(parts))
    with pytest.raises(ValueError, match=f'no {part} in it'): Tokenizer.load(tmp_path/'tok.json')


@pytest.mark.parametrize('text, why', [('', 'no JSON'), ('{"format": "exp tok', 'cut short'), ('[]', "format is 'list'"), ('3', "format is 'int'"), ('{}', 'format is None')])
def test_another_file_is_refused(tmp_path, text, why):
    (tmp_path/'tok.json').write_text(text)
    with pytest.raises(ValueError, match=why): Tokenizer.load(tmp_path/'tok.json')
    (tmp_path/'tok.json').write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match='no JSON'): Tokenizer.load(tmp_path/'tok.json')


def test_two_merges_that_were_exchanged_are_found(tmp_path):
    Tokenizer([(97, 98), (99, 100)]).save(tmp_path/'tok.json')
    parts = json.loads((tmp_path/'tok.json').read_text())
    (tmp_path/'tok.json').write_text(json.dumps(dict(reversed(parts.items())), indent=1))                 # the order of its parts, and spaces, do not matter
    assert Tokenizer.load(tmp_path/'tok.json').merges == [(97, 98), (99, 100)]
    (tmp_path/'tok.json').write_text(json.dumps({**parts, 'merges': parts['merges'][::-1]}))
    with pytest.raises(ValueError, match=CHANGED): Tokenizer.load(tmp_path/'tok.json')


def test_the_digest_is_that_of_the_json_with_its_names_in_order():
    assert digest({'b': [(1, 2)], 'a': 'é'}) == hashlib.sha256(br'{"a": "\u00e9", "b": [[1, 2]]}').hexdigest() == digest({'a': 'é', 'b': [[1, 2]]})


def test_the_first_and_the_newest_token_may_be_merged():
    assert BytePairs([(0, 97), (256, 256)]).merges == [(0, 97), (256, 256)]


def test_two_merges_that_make_the_same_bytes_are_refused():
    with pytest.raises(ValueError, match="merge 3 makes b'abc'"): BytePairs([(97, 98), (98, 99), (256, 99), (97, 257)])


# ---- training a tokenizer

def test_a_tokenizer_is_trained_on_the_pieces_of_its_pattern():
    assert Tokenizer.train('ab ab', 9).merges == [(97, 98), (32, 256)] and Tokenizer.train('ab ab', 9, pattern=r'\S+|\s').merges == [(97, 98)]
    whole = Tokenizer.train('ab ab', 1, ['x'], r'[\s\S]+')
    assert whole.merges == [(97, 98)] and whole.special == {'x': 257} and whole.pattern == r'[\s\S]+'
    assert Tokenizer.train(b'\xff\xfe\xff\xfe', 1).merges == [(255, 254)] and len(Tokenizer.train('', 5)) == 256


# ---- blocks

def test_blocks_by_hand():
    blocks = TextBlocks(tensor([5, 6, 7, 8, 9, 1, 2]), 3)
    assert blocks.x.tolist() == [[5, 6, 7], [8, 9, 1]] and blocks.y.tolist() == [[6, 7, 8], [9, 1, 2]] and len(blocks) == 2
    assert [part.tolist() for part in blocks[1]] == [[8, 9, 1], [9, 1, 2]]
    assert TextBlocks([1, 2], 1)[0] == (tensor([1]), tensor([2])) and len(TextBlocks(range(6), 3)) == 1


def test_blocks_may_overlap_or_leave_gaps():
    assert TextBlocks(range(5), 2, 1).x.tolist() == [[0, 1], [1, 2], [2, 3]] and TextBlocks(range(8), 2, 5).y.tolist() == [[1, 2], [6, 7]]


@pytest.mark.parametrize('step', [None, 1, 7])
def test_blocks_are_views_of_the_row(step):
    ids = torch.arange(1000)
    blocks = TextBlocks(ids, 16, step)
    assert {part.untyped_storage().data_ptr() for part in (blocks.x, blocks.y)} == {ids.untyped_storage().data_ptr()}
    assert torch.equal(blocks.y, blocks.x + 1)


@pytest.mark.parametrize('ids, args, why', [
    (tensor([1, 2, 3]), (3,), '3 tokens, wanted 4 or more'), ([], (1,), 'TextBlocks'), (tensor([[1, 2]]), (1,), r'\(1, 2\) of torch.int64'), (tensor([1., 2.]), (1,), 'of torch.float32'),
    (range(9), (0,), 'size 0'), (range(9), (2, 0), 'step 0'), (range(9), (2., 1), 'size 2.0'), (range(9), (2, 1.), 'step 1.0'), (tensor([1, 2], dtype=torch.int32), (1,), 'int32')])
def test_a_row_without_a_block_is_refused(ids, args, why):
    with pytest.raises(ValueError, match=why): TextBlocks(ids, *args)


def test_loaders_take_whole_batches_and_leave_no_block_out():
    blocks = TextBlocks(torch.arange(401), 4)
    batches = [*BatchLoader(blocks, 32, shuffle=True, seed=0)]
    assert takes_many(blocks) and [len(x) for x, _ in batches] == [32, 32, 32, 4] and all(torch.equal(y, x + 1) for x, y in batches)
    assert sorted(torch.cat([x for x, _ in batches]).flatten().tolist()) == [*range(400)]


def test_the_learner_learns_what_counting_gives():
    ids = torch.randint(3, (2001,), generator=torch.Generator().manual_seed(0)).cumsum(0) % 4
    dls = get_dls(TextBlocks(ids[:1601], 8), TextBlocks(ids[1600:], 8), bs=20, seed=0)
    model = nn.Embedding(4, 4)
    nn.init.zeros_(model.weight)
    Learner(model, dls, lambda pred, yb: cross_entropy(pred.flatten(0, 1), yb.flatten()), lr=2.).fit(20)
    table = bigram_counts(ids[:1601], 4)
    assert (model.weight.softmax(1) - table / table.sum(1, keepdim=True)).abs().max() < .04


# ---- what takes a second or more

def test_the_classes_of_the_pattern_are_those_that_the_lesson_says():
    points = [chr(i) for i in range(0x110000) if not 0xd800 <= i < 0xe000]
    kind, text = {c: unicodedata.category(c) for c in points}, ''.join(points)
    assert {*re.findall(r'[^\W\d_]', text)} == {c for c in points if kind[c][0] == 'L' or kind[c] in ('Nl', 'No')}
    assert {*re.findall(r'\d', text)} == {c for c in points if kind[c] == 'Nd'}
    assert {*re.findall(r'\s', text)} == {*regex.findall(r'\s', text)} | {*'\x1c\x1d\x1e\x1f'}
    assert all(''.join(re.findall(PATTERN, part)) == part for part in (text, text[::-1]))


def test_a_piece_is_encoded_once(monkeypatch):
    asked = []
    monkeypatch.setattr(exp.nb_15, 'encode_piece', lambda piece, ranks: asked.append(piece) or [*piece])
    tok = BytePairs()
    tok.encode('a b a'), tok.encode(' a b')
    assert asked == [b'a', b' b', b' a']


def test_the_memory_does_not_grow_for_ever():
    tok = BytePairs()
    text = ' '.join(map(str, range(132_000)))
    assert tok.decode(tok.encode(text)) == text and len(tok.cache) == 2**17

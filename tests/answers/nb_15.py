"Answers to the exercises of lesson 15."
def answer(a): return f'answer = {a}'
def bits(a): return f'bits_a, bits_b = {a}'
def whole(*lines): return 'def whole(data):\n' + '\n'.join('    ' + line for line in lines)
def twins(result, plain='token.strip().lower()', keep='token.strip()'):
    return f'def with_twin(tokens):\n    plain = [{plain} for token in tokens if {keep}]\n    groups = Counter(plain)\n    return {result}'
def wrong(change, first='256 + len(found)', key='(-counts[pair], pair)', stop='if counts[best] < 1: break', after='pass', back='    return found'):
    return ('def train_wrong(words, n):\n    rows, counts, found = {word: list(word) for word in words}, Counter(), []\n'
            '    for word, times in words.items(): count_changes([], rows[word], times, counts)\n    while len(found) < n:\n'
            f'        best = min(counts, key=lambda pair: {key})\n        {stop}\n        for word, ids in rows.items():\n'
            f'            rows[word] = merge(ids, best, {first})\n            {change}\n        found.append(best)\n        {after}\n{back}\n')
def chat(*lines): return 'def chat(tok, turns):\n' + '\n'.join('    ' + line for line in lines)
def turn(start="tok.special[f'<|{who}|>']", text='*tok.encode(text)', end="tok.special['<|end|>']"):
    return chat('ids = []', f'for who, text in turns: ids += [{", ".join(part for part in (start, text, end) if part)}]', 'return ids')


GOOD = 'count_changes(ids, rows[word], words[word], counts)'
BUG = 'count_changes(ids, rows[word], 1, counts)'
TWINS = 'sum(groups[t] > 1 for t in plain)'
ANSWERS = {
    1: ([answer('[98, 258, 256]'), answer('(98, 258, 256)'), answer('tensor([98, 258, 256])') .replace('tensor', 'torch.tensor'), answer('BytePairs([(97, 98), (98, 97), (256, 97), (257, 256)]).encode("babaab")')],
        [(answer('[257, 259]'), 'the longest that fit'), (answer('[257, 257, 256]'), 'from left to right'), (answer('[98, 256, 97, 256]'), 'is there another'), (answer('[98, 97, 98, 97, 97, 98]'), 'those are the bytes'),
         (answer('[98, 256, 97, 97, 98]'), 'one more place'), (answer('[98, 258]'), "stand for 'baba'"), (answer('["b", "aba", "ab"]'), 'whole numbers'), (answer('3'), 'wanted a list'), (answer('[98, 260, 256]'), '0 to 259'),
         (answer('[257, 98, 97, 256]'), 'is (98, 97) the lowest'), (answer('[98, 97, 98, 97, 256]'), 'one more place'), (answer('[257, 98, 97, 97, 98]'), 'one more merge'), (answer('None'), 'wanted a list'), (answer('[98, 259, 256]'), "stand for 'bbaabab'"), (answer('[98, 258, 130]'), "stand for 'baba\ufffd'"), (answer('[98, 2, 0]'), 'not ranks'),
         (answer('[98, 258, 97, 98]'), 'one more merge'), (answer('[98, 97, 257, 256]'), 'one more merge'), (answer('[]'), 'stand for'), (answer('5.5'), 'wanted a list')]),
    2: ([whole("return data.decode(errors='ignore').encode()"),
         whole('for n in range(4):', '    part = data[:len(data) - n]', '    try: part.decode()', '    except UnicodeDecodeError: continue', '    return part'),
         whole('import codecs', "return codecs.getincrementaldecoder('utf-8')().decode(data).encode()"),
         whole('i = len(data)', 'while i and data[i - 1] & 0xc0 == 0x80: i -= 1', 'if not i: return data', 'first = data[i - 1]', 'want = 1 if first < 0x80 else 2 if first < 0xe0 else 3 if first < 0xf0 else 4', 'return data if len(data) - i + 1 == want else data[:i - 1]')],
        [(whole('return data'), 'still there'), (whole('while data and data[-1] >= 128: data = data[:-1]', 'return data'), 'whole characters are lost'), (whole('while data and data[-1] & 0xc0 == 0x80: data = data[:-1]', 'return data'), 'its first stays'),
         (whole('while data and data[-1] >= 0xc0: data = data[:-1]', 'return data'), 'of 日 two bytes'), (whole('return data[:-1]'), 'a byte is always'), (whole("return data.decode(errors='replace').encode()"), 'the mark of the decoder'),
         (whole("return data.decode(errors='ignore')"), 'that is text'), (whole("return data.decode(errors='replace')"), 'that is text'), (whole("return data.decode('ascii', 'ignore').encode()"), 'only ASCII'), (whole('return data.decode().encode()'), 'UnicodeDecodeError'),
         (whole("data.decode(errors='ignore').encode()"), 'is there a `return`'), ('whole = 3', 'wanted a function'), (whole('return b""'), 'nothing is left'), (whole('i = len(data)', 'while i and data[i - 1] & 0xc0 == 0x80: i -= 1', 'return data[:max(i - 1, 0)]'), 'always taken away'),
         (whole("return data[len(data.decode(errors='ignore').encode()):]"), 'what is before it'), (whole('return dat'), "name 'dat' is not defined"),
         *[(whole(f"return data.decode(errors='replace'){away}.encode()"), 'may stand in the text itself') for away in (".rstrip('\ufffd')", ".replace('\ufffd', '')", ".split('\ufffd')[0]", ".removesuffix('\ufffd')", ".strip('\ufffd')")],
         (whole('try: data.decode()', 'except UnicodeDecodeError: return data[:-1]', 'return data'), 'of 日 two may have come'), (whole('for n in range(2):', '    try: return data[:len(data) - n].decode().encode()', '    except UnicodeDecodeError: pass'), 'of 日 two may have come'),
         (whole('for n in range(3):', '    try: return data[:len(data) - n].decode().encode()', '    except UnicodeDecodeError: pass', 'return data[:-2]'), 'of 🙂 three may have come'),
         (whole('for n in range(3):', '    try: return data[:len(data) - n].decode().encode()', '    except UnicodeDecodeError: pass', 'return data'), 'of 🙂 three may have come'),
         (whole('for n in range(3):', '    try: return data[:len(data) - n].decode().encode()', '    except UnicodeDecodeError: pass'), 'of 🙂 three may have come')]),
    3: ([twins(TWINS), twins('sum(n for n in groups.values() if n > 1)'), twins(f'float({TWINS})'), twins(f'torch.tensor({TWINS})'), 'import numpy\n' + twins(f'numpy.int64({TWINS})'), twins(TWINS, 'token.decode().strip().casefold()', 'not token.isspace()'),
         twins('sum(plain.count(t) > 1 for t in plain)'), 'tokens = merges = pairs = tok = None\n' + twins(TWINS), 'def with_twin(tokens):\n    seen = {}\n    for token in tokens: seen.setdefault(token.strip().lower(), []).append(token)\n    return sum(len(group) for text, group in seen.items() if text and len(group) > 1)'],
        [(twins(TWINS, 'token.strip()'), 'capitals still'), (twins(TWINS, 'token.lower()'), 'white space at the ends still'), (twins(TWINS, 'token'), 'white space and capitals still'), (twins('sum(n > 1 for n in groups.values())'), 'the number of groups'),
         (twins('sum(n - 1 for n in groups.values())'), 'one token is left out'), (twins('len(plain)'), 'those are all tokens'), ('def with_twin(tokens): return len(tokens)', 'those are all tokens'), (twins('len(groups)'), 'number of groups'), (twins(f'{TWINS} / len(tokens)'), 'a share'),
         (twins(f'100*{TWINS} / len(plain)'), 'a share'), (twins(f'round(100*{TWINS} / len(tokens), 1)'), 'a share'), (twins('sum(n*(n - 1)//2 for n in groups.values())'), 'pairs of twins'), (twins(TWINS, keep='True'), 'white space alone'), (twins('"many"'), 'its type is str'), (twins('None'), 'is there a `return`'), (twins('sum(t in tokens for t in plain)'), 'no token by itself'),
         (twins(f'len(tokens) - {TWINS}'), 'without a twin'), (twins(f'len(plain) - {TWINS}'), 'without a twin'), (twins('7'), 'none of the mistakes'), (twins('[t for t in plain if groups[t] > 1]'), 'its type is list'), (twins(TWINS, "token.lstrip(b' ').lower()"), 'at both ends'), (twins(TWINS, "token.strip(b' ').lower()"), 'at both ends'),
         (twins(TWINS, 'token.lstrip().lower()'), 'at both ends'), (twins(TWINS, "token.replace(b' ', b'').lower()"), 'within a token'), (twins(TWINS, "b''.join(token.split()).lower()"), 'within a token'), (twins(TWINS, "re.sub(b'[^a-z]', b'', token.lower())"), 'no letter'), ('with_twin = 417', 'wanted a function'),
         (twins(TWINS, "token.strip(' ').lower()"), 'TypeError'), (twins(TWINS, keep='len(token) > 1 and token.strip()'), 'of a single letter'), (twins(TWINS.replace('> 1', '> 2')), 'two are enough')]),
    4: ([wrong('count_changes(ids, rows[word], words[word], counts)'), wrong('if ids != rows[word]: count_changes(ids, rows[word], words[word], counts)'), 'def train_wrong(words, n): return train_merges(words, n)', wrong(GOOD, stop='if counts[best] == 0: break'),
         wrong('for _ in range(words[word]): count_changes(ids, rows[word], 1, counts)')],
        [(wrong('count_changes(ids, rows[word], 1, counts)'), 'the bug is still there'), (wrong('pass'), 'the same pair wins'), (wrong('count_changes([], rows[word], words[word], counts)'), 'not taken away'), (wrong('count_changes(ids, [], words[word], counts)'), 'has made not counted'),
         (wrong('count_changes(rows[word], ids, words[word], counts)'), 'not the other way round'), (wrong('count_changes(ids, rows[word], len(word), counts)'), 'not by its length'), (wrong('count_changes(ids, rows[word], len(ids), counts)'), 'not by its length'),
         (wrong('count_changes(ids, rows[word], words[word], counts)', '257 + len(found)'), 'makes token 256'), (wrong('count_changes(ids, rows[word], words[word], counts)', key='-counts[pair]'), 'the smaller is merged'), (wrong('count_changes(ids, rows[word], times, counts)'), 'belongs to the last word'),
         (wrong('count_changes(ids, rows[word], words[ids], counts)'), 'TypeError'), ('def train_wrong(words, n): return train_merges({word: 1 for word in words}, n)', 'counts once everywhere'), ('def train_wrong(words, n): return train_merges(words, n + 1)', 'a merge too many'),
         ('def train_wrong(words, n): train_merges(words, n)', 'is there a `return`'), ('train_wrong = None', 'wanted a function'),
         ('', 'the bug is still there'), (wrong(GOOD, stop='pass'), 'when no pair is left'), (wrong(GOOD, stop='if counts[best] < 2: break'), 'when no pair is left'), (wrong(GOOD, stop='if counts[best] < 0: break'), 'when no pair is left'), (wrong(GOOD, after='return found'), 'inside the loop'),
         (wrong(GOOD, back='        return found'), 'inside the loop'), (wrong('count_changes(ids, rows[word], n, counts)'), 'number of merges'), (wrong('count_changes(ids, rows[word], counts[best], counts)'), 'that of all words'), (wrong(BUG, after='counts[best] = 0'), 'neighbours are still counted'),
         (wrong(BUG, after='counts.pop(best)'), 'neighbours are still counted'), (wrong(BUG, after='counts = count_pairs(rows.values())'), 'counted anew'), (wrong('pass', after='counts = count_pairs(rows.values())'), 'counted anew'),
         (wrong(GOOD).replace('min(', 'max(').replace('(-counts[pair], pair)', '(counts[pair], pair)'), 'the smaller is merged')]),
    5: ([turn(), chat("return [token for who, text in turns for token in (tok.special[f'<|{who}|>'], *tok.encode(text), tok.special['<|end|>'])]"), turn(start="tok.special['<|' + who + '|>']"),
         turn(start="tok.special['<|user|>' if who == 'user' else '<|model|>']")],
        [(chat("return tok.encode(''.join(f'<|{who}|>{text}<|end|>' for who, text in turns))"), 'encoded as if they were text'), (turn(end=''), '`<|end|>` is missing'), (turn(start=''), 'the speaker is missing'),
         (chat('ids = []', "for who, text in turns: ids += [tok.special[f'<|{who}|>'], *tok.encode(text)]", "return ids + [tok.special['<|end|>']]"), 'not only at the end of all'), (turn(text='tok.encode(text)'), 'a list of their own'),
         (chat("return [[tok.special[f'<|{who}|>'], *tok.encode(text), tok.special['<|end|>']] for who, text in turns]"), 'a list of lists'), (turn(text='*tok.encode(text.strip())'), 'spaces at the ends'),
         (chat('for who, text in turns: return [tok.special[f"<|{who}|>"], *tok.encode(text), tok.special["<|end|>"]]', 'return []'), 'only the first turn'), (turn(start='tok.special[who]'), 'KeyError'), (turn(start='tok.special["<|user|>"]'), 'not always the user'),
         (chat("text = ''.join(f'<|{who}|>{text}<|end|>' for who, text in turns)", "parts = re.split('(' + '|'.join(map(re.escape, tok.special)) + ')', text)", 'return [i for part in parts for i in ([tok.special[part]] if part in tok.special else tok.encode(part))]'), "a user typed"),
         (turn(text="*tok.encode(text.replace('<|', '').replace('|>', ''))"), 'was changed'), (turn(start='{"user": 1258, "model": 1256}[who]', end='1257'), 'are in `tok.special`'), (turn(start='{"user": 267, "model": 265}[who]', end='266'), 'are in `tok.special`'), (turn().replace('    return ids', '    pass'), 'is there a `return`'),
         (turn().replace('return ids', 'return tok.decode(ids)'), 'that is text'), ('chat = 5', 'wanted a function'), (turn().replace('in turns', 'in turns[::-1]'), 'the other way round'),
         (turn(text="*tok.encode(re.sub(r'<.\\w+.>', '', text))"), 'was changed'), (turn(text="*tok.encode(text.replace('<|', '< |'))"), 'was changed'), (turn(start="f'<|{who}|>'", end="'<|end|>'"), 'the names themselves'), (turn(start='*tok.encode(text)', text="tok.special[f'<|{who}|>']"), 'before the text'),
         (turn().replace('for who, text in turns:', 'for who, text in turns:\n        if text:'), 'an empty text'), (chat('for who, text in turns: return [tok.special[f"<|{who}|>"], *tok.encode(text), tok.special["<|end|>"]]'), 'only the first turn'),
         (turn().replace('ids +=', 'ids ='), 'only the last turn'), (turn(start='', end=''), 'special tokens are missing'), (turn().replace('turns: ids', 'turns: ids.append').replace('ids.append += [', 'ids.append([').replace(']\n    return', '])\n    return'), 'a list of lists')]),
    6: ([bits('4.32 / math.log(2) / 2.4, 2.55 / math.log(2)'), bits('bits_per_byte(4.32, 1, 2.4), bits_per_byte(2.55, 1, 1)'), bits('2.6, 3.68'), bits('torch.tensor([2.597, 3.679])'), bits('4.32 / 2.4 * math.log2(math.e), 2.55 * math.log2(math.e)')],
        [(bits('..., 3.68'), 'still has its dots'), (bits('4.32 / 2.4, 2.55'), 'those are nats'), (bits('4.32, 2.55'), 'those are nats'), (bits('4.32 / math.log(2), 2.55 / math.log(2)'), 'for a token'), (bits('math.exp(4.32), math.exp(2.55)'), 'perplexities'), (bits('4.32 * 2.4 / math.log(2), 2.55 / math.log(2)'), 'times 2.4'),
         (bits('4.32 * math.log(2) / 2.4, 2.55 * math.log(2)'), 'divide by log 2'), (bits('3.68, 2.6'), 'exchanged'), (bits('"2.6", 3'), 'two numbers'), (bits('None, 3.68'), 'two numbers'), (bits('2.6, 5'), 'A is right, B is not'), (bits('1, 3.68'), 'B is right, A is not'), (bits('1, 2'), 'which of the two'),
         (bits('bits_per_byte(4.32, 1, 2.4), bits_per_byte(2.55, 1, 2.4)'), 'for one byte already'), (bits('4.32 / math.log(10) / 2.4, 2.55 / math.log(10)'), 'log 10'), (bits('float("nan"), 3.68'), 'B is right')]),
}

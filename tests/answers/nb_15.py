"Answers to the exercises of lesson 15."
def answer(a): return f'answer = {a}'
def whole(*lines): return 'def whole(data):\n' + '\n'.join('    ' + line for line in lines)
def twins(a): return f'with_twin = {a}'
def wrong(change, first='256 + len(found)', key='(-counts[pair], pair)'):
    return ('def train_wrong(words, n):\n    rows, counts, found = {word: list(word) for word in words}, Counter(), []\n'
            '    for word, times in words.items(): count_changes([], rows[word], times, counts)\n    while len(found) < n:\n'
            f'        best = min(counts, key=lambda pair: {key})\n        if counts[best] < 1: break\n        for word, ids in rows.items():\n'
            f'            rows[word] = merge(ids, best, {first})\n            {change}\n        found.append(best)\n    return found\n')
def chat(*lines): return 'def chat(tok, turns):\n' + '\n'.join('    ' + line for line in lines)
def turn(start="tok.special[f'<|{who}|>']", text='*tok.encode(text)', end="tok.special['<|end|>']"):
    return chat('ids = []', f'for who, text in turns: ids += [{", ".join(part for part in (start, text, end) if part)}]', 'return ids')


PLAIN = "plain = [t.strip().lower() for token in tokens[256:] if (t := token.decode(errors='replace')).strip()]\ngroups = Counter(plain)\n"
ANSWERS = {
    1: ([answer('[98, 258, 256]'), answer('(98, 258, 256)'), answer('tensor([98, 258, 256])') .replace('tensor', 'torch.tensor'), answer('BytePairs([(97, 98), (98, 97), (256, 97), (257, 256)]).encode("babaab")')],
        [(answer('[257, 259]'), 'the longest that fit'), (answer('[257, 257, 256]'), 'from left to right'), (answer('[98, 256, 97, 256]'), 'is there another'), (answer('[98, 97, 98, 97, 97, 98]'), 'those are the bytes'),
         (answer('[98, 256, 97, 97, 98]'), 'one more place'), (answer('[98, 258]'), "stand for 'baba'"), (answer('["b", "aba", "ab"]'), 'whole numbers'), (answer('3'), 'wanted a list'), (answer('[98, 260, 256]'), '0 to 259'),
         (answer('[257, 98, 97, 256]'), 'is (98, 97) the lowest'), (answer('[98, 97, 98, 97, 256]'), 'one more place'), (answer('[257, 98, 97, 97, 98]'), 'which merge is done first'), (answer('None'), 'wanted a list'), (answer('[98, 259, 256]'), "stand for 'bbaabab'")]),
    2: ([whole("return data.decode(errors='ignore').encode()"),
         whole('for n in range(4):', '    part = data[:len(data) - n]', '    try: part.decode()', '    except UnicodeDecodeError: continue', '    return part'),
         whole('import codecs', "return codecs.getincrementaldecoder('utf-8')().decode(data).encode()"),
         whole('i = len(data)', 'while i and data[i - 1] & 0xc0 == 0x80: i -= 1', 'if not i: return data', 'first = data[i - 1]', 'want = 1 if first < 0x80 else 2 if first < 0xe0 else 3 if first < 0xf0 else 4', 'return data if len(data) - i + 1 == want else data[:i - 1]')],
        [(whole('return data'), 'still there'), (whole('while data and data[-1] >= 128: data = data[:-1]', 'return data'), 'whole characters are lost'), (whole('while data and data[-1] & 0xc0 == 0x80: data = data[:-1]', 'return data'), 'its first stays'),
         (whole('while data and data[-1] >= 0xc0: data = data[:-1]', 'return data'), 'of 日 two bytes'), (whole('return data[:-1]'), 'a byte is always'), (whole("return data.decode(errors='replace').encode()"), 'the mark of the decoder'),
         (whole("return data.decode(errors='ignore')"), 'that is text'), (whole("return data.decode(errors='replace')"), 'that is text'), (whole("return data.decode('ascii', 'ignore').encode()"), 'only ASCII'), (whole('return data.decode().encode()'), 'UnicodeDecodeError'),
         (whole("data.decode(errors='ignore').encode()"), 'is there a `return`'), ('whole = 3', 'wanted a function'), (whole('return b""'), 'nothing is left'), (whole('i = len(data)', 'while i and data[i - 1] & 0xc0 == 0x80: i -= 1', 'return data[:max(i - 1, 0)]'), 'always taken away'),
         (whole("return data[len(data.decode(errors='ignore').encode()):]"), 'what is before it'), (whole('return dat'), "name 'dat' is not defined")]),
    3: ([PLAIN + twins('sum(groups[t] > 1 for t in plain)'), PLAIN + twins('sum(n for n in groups.values() if n > 1)'), PLAIN + twins('float(sum(groups[t] > 1 for t in plain))'), PLAIN + twins('torch.tensor(sum(groups[t] > 1 for t in plain))'),
         "folded = [token.strip().lower() for token in tokens[256:] if token.strip()]\n" + twins('sum(folded.count(t) > 1 for t in folded)')],
        [(PLAIN.replace('.lower()', '') + twins('sum(groups[t] > 1 for t in plain)'), 'capitals still'), (PLAIN.replace('t.strip().lower()', 't.lower()') + twins('sum(groups[t] > 1 for t in plain)'), 'white space at the ends still'),
         (PLAIN + twins('sum(n > 1 for n in groups.values())'), 'the number of groups'), (PLAIN + twins('sum(n - 1 for n in groups.values())'), 'one token is left out'), (PLAIN.replace('[256:]', '') + twins('sum(groups[t] > 1 for t in plain)'), 'the single bytes'),
         (PLAIN + twins('len(plain)'), 'those are all tokens'), (twins('1000'), 'those are all tokens'), (PLAIN + twins('len(groups)'), 'number of groups'), (PLAIN + twins('sum(groups[t] > 1 for t in plain) / 1000'), 'a share'), (PLAIN + twins('sum(n*(n - 1)//2 for n in groups.values())'), 'pairs of twins'),
         (PLAIN.replace(' if (t := token.decode(errors=\'replace\')).strip()', '').replace('t.strip()', 'token.decode().strip()') + twins('sum(groups[t] > 1 for t in plain)'), 'white space alone'), (twins('"many"'), 'wanted a number'), (twins('None'), 'wanted a number'), (PLAIN + twins('1000 - sum(groups[t] > 1 for t in plain)'), 'without a twin'),
         (twins('7'), 'another number')]),
    4: ([wrong('count_changes(ids, rows[word], words[word], counts)'), wrong('if ids != rows[word]: count_changes(ids, rows[word], words[word], counts)'), 'def train_wrong(words, n): return train_merges(words, n)',
         wrong('for _ in range(words[word]): count_changes(ids, rows[word], 1, counts)')],
        [(wrong('count_changes(ids, rows[word], 1, counts)'), 'the bug is still there'), (wrong('pass'), 'the same pair wins'), (wrong('count_changes([], rows[word], words[word], counts)'), 'not taken away'), (wrong('count_changes(ids, [], words[word], counts)'), 'is not counted'),
         (wrong('count_changes(rows[word], ids, words[word], counts)'), 'not the other way round'), (wrong('count_changes(ids, rows[word], len(word), counts)'), 'none of the mistakes'), (wrong('count_changes(ids, rows[word], len(ids), counts)'), 'not by its length'),
         (wrong('count_changes(ids, rows[word], words[word], counts)', '257 + len(found)'), 'makes token 256'), (wrong('count_changes(ids, rows[word], words[word], counts)', key='-counts[pair]'), 'the smaller is merged'), (wrong('count_changes(ids, rows[word], times, counts)'), 'none of the mistakes'),
         (wrong('count_changes(ids, rows[word], words[ids], counts)'), 'TypeError'), ('def train_wrong(words, n): return train_merges({word: 1 for word in words}, n)', 'counts once everywhere'), ('def train_wrong(words, n): return train_merges(words, n + 1)', 'a merge too many'),
         ('def train_wrong(words, n): train_merges(words, n)', 'is there a `return`'), ('train_wrong = None', 'wanted a function')]),
    5: ([turn(), chat("return [token for who, text in turns for token in (tok.special[f'<|{who}|>'], *tok.encode(text), tok.special['<|end|>'])]"), turn(start="tok.special['<|' + who + '|>']"),
         turn(start="tok.special['<|user|>' if who == 'user' else '<|model|>']")],
        [(chat("return tok.encode(''.join(f'<|{who}|>{text}<|end|>' for who, text in turns))"), 'encoded as if they were text'), (turn(end=''), '`<|end|>` is missing'), (turn(start=''), 'the speaker is missing'),
         (chat('ids = []', "for who, text in turns: ids += [tok.special[f'<|{who}|>'], *tok.encode(text)]", "return ids + [tok.special['<|end|>']]"), 'not only at the end of all'), (turn(text='tok.encode(text)'), 'a list of their own'),
         (chat("return [[tok.special[f'<|{who}|>'], *tok.encode(text), tok.special['<|end|>']] for who, text in turns]"), 'a list of lists'), (turn(text='*tok.encode(text.strip())'), 'spaces at the ends'),
         (chat('for who, text in turns: return [tok.special[f"<|{who}|>"], *tok.encode(text), tok.special["<|end|>"]]', 'return []'), 'only the first turn'), (turn(start='tok.special[who]'), 'KeyError'), (turn(start='tok.special["<|user|>"]'), 'none of the mistakes'),
         (chat("text = ''.join(f'<|{who}|>{text}<|end|>' for who, text in turns)", "parts = re.split('(' + '|'.join(map(re.escape, tok.special)) + ')', text)", 'return [i for part in parts for i in ([tok.special[part]] if part in tok.special else tok.encode(part))]'), "a user typed"),
         (turn(text="*tok.encode(text.replace('<|', '').replace('|>', ''))"), 'was changed'), (turn(start='{"user": 1256, "model": 1257}[who]', end='1258'), 'in another order'), (turn().replace('    return ids', '    pass'), 'is there a `return`'),
         (turn().replace('return ids', 'return tok.decode(ids)'), 'that is text'), ('chat = 5', 'wanted a function'), (turn().replace('in turns', 'in turns[::-1]'), 'the other way round')]),
}

"Answers to the exercises of lesson 17a."
def read(a): return f'read_in_all = {a}'
def min_p(*lines): return 'def min_p(logits, share):\n' + '\n'.join('    ' + line for line in lines)
def cut(keep, last='return probs / probs.sum(-1, keepdim=True)'): return min_p('probs = logits.softmax(-1)', f'probs = torch.where({keep}, probs, 0)', last)
def until(*lines): return 'def until(pieces, stop):\n' + '\n'.join('    ' + line for line in lines)
def waiting(waits, on_stop=('yield held[:held.index(stop)]', 'return'), end='yield held'):
    return until("held = ''", 'for piece in pieces:', '    held += piece', '    if stop in held:', *['        ' + line for line in on_stop],
                 f'    waits = {waits}', '    yield held[:len(held) - waits]', '    held = held[len(held) - waits:]', end)
def places(a): return ('with torch.no_grad(): losses = F.cross_entropy(model(valid.x).transpose(1, 2), valid.y, reduction="none")\n' f'by_place = {a}')
def loop(*body, cache='model.new_cache()'):
    return ('@torch.no_grad()\ndef go_on_wrong(model, ids, n):\n' f'    cache, new = {cache}, ids\n    for _ in range(n):\n        logits = model(new, cache=cache)[:, -1]\n'
            '        token = logits.argmax(-1, keepdim=True)\n' + '\n'.join('        ' + line for line in body) + '\n    return ids')


BEGIN, CAT = 'max(k for k in range(len(stop)) if held.endswith(stop[:k]))', 'ids = torch.cat([ids, token], 1)'
ANSWERS = {
    1: ([read('(182, 36)'), read('[182, 36]'), read('torch.tensor([182, 36])'), read('sum(n - first_seen(n, 12) for n in range(5, 25)), 5 + 7 + 7 + 5 + 7 + 5')],
        [(read('(36, 182)'), 'exchanged'), (read('(290, 36)'), 'the model sees at most 12'), (read('(182, 24)'), 'what happens when the window moves'), (read('(182, 25)'), 'is the last new token read'), (read('(182, 37)'), 'is the last new token read'),
         (read('(290, 24)'), 'where does it begin to read'), (read('(212, 156)'), 'moves by one token'), (read('(182, 40)'), 'at which lengths'), (read('(200, 36)'), 'the lengths 5 to 24'), (read('(1, 2)'), 'neither is right'), (read('182'), 'wanted two numbers'),
         (read('("182", 36)'), 'wanted two numbers'), (read('None'), 'wanted two numbers'), (read('(182, 20)'), 'the prompt is read as well')]),
    2: ([cut('probs >= share * probs.amax(-1, keepdim=True)'), cut('probs / probs.max(-1, keepdim=True).values >= share'),
         min_p('keep = logits >= logits.amax(-1, keepdim=True) + math.log(share)', 'return logits.masked_fill(~keep, -math.inf).softmax(-1)') .replace('math.log(share)', 'math.log(share) - 1e-6'),
         cut('probs >= share * probs.amax(-1, keepdim=True)', 'return (probs / probs.sum(-1, keepdim=True)).double()'), min_p('p = next_probs(logits)', 'p = p * (p >= share * p.amax(-1, keepdim=True))', 'return p / p.sum(-1, keepdim=True)')],
        [(cut('probs >= share * probs.amax(-1, keepdim=True)', 'return probs'), 'does not sum to 1'), (cut('probs >= share'), 'not the share itself'), (cut('probs >= share * probs.max()'), 'of each row'), (cut('probs < share * probs.amax(-1, keepdim=True)'), 'what should go'),
         (min_p('return next_probs(logits, top_p=share)'), 'top-p'), (min_p('return next_probs(logits, top_p=1 - share) if share < 1 else logits.softmax(-1)'), 'none of the mistakes'), (cut('probs > share * probs.amax(-1, keepdim=True)'), 'at least'), (min_p('return logits.softmax(-1)'), 'nothing is cut off'), (cut('probs >= share * probs.amax(-1, keepdim=True)', 'return probs.softmax(-1)'), 'a second softmax'), (cut('probs >= (1 - share) * probs.amax(-1, keepdim=True)'), 'that is 1 - share'), (cut('logits >= logits.amax(-1, keepdim=True) - share'), 'the logits are compared'),
         (cut('logits >= share * logits.amax(-1, keepdim=True)'), 'the logits are compared'), (cut('probs >= share * probs.amax(-1, keepdim=True)', 'return (probs / probs.sum(-1, keepdim=True)).log()'), 'logarithms'), (min_p('logits.softmax(-1)'), 'is there a `return`'),
         (min_p('p = logits.softmax(-1)', 'return torch.where(p >= share * p.amax(-1, keepdim=True), logits, torch.tensor(0.)).softmax(-1)'), 'a logit of 0'), (min_p('return prob'), "name 'prob' is not defined"), ('min_p = 3', 'wanted a function')]),
    3: ([waiting(BEGIN), waiting('next(k for k in range(len(stop) - 1, -1, -1) if held.endswith(stop[:k]))'), waiting(f'{BEGIN} if held else 0', on_stop=('yield from held[:held.index(stop)]', 'return')),
         until("held = ''", 'for piece in pieces:', '    for letter in piece:', '        held += letter', '        if held.endswith(stop):', '            if len(held) > len(stop): yield held[:-len(stop)]', '            return',
               '        while held and not stop.startswith(held):', '            if any(held.endswith(stop[:k]) for k in range(1, len(stop))):', '                k = max(k for k in range(1, len(stop)) if held.endswith(stop[:k]))',
               '                yield held[:-k]', '                held = held[-k:]', '            else:', '                yield held', "                held = ''", 'yield held')],
        [(until('for piece in pieces:', '    if piece == stop: return', '    yield piece'), 'reads on behind the stop'), (until('for piece in pieces:', '    if stop in piece: break', '    yield piece'), 'reads on behind the stop'), (until('for piece in pieces: yield piece'), 'reads on behind the stop'),
         (until("text = ''.join(pieces)", 'yield text.split(stop)[0]'), 'reads on behind the stop'), (waiting('len(stop) - 1 if len(held) >= len(stop) else len(held)'), 'waits too long'), (waiting(BEGIN, end=''), 'something is lost'),
         (waiting('int(held[-1:] == stop[0])'), 'reads on behind the stop'), (waiting('next((k for k in range(1, len(stop)) if held.endswith(stop[:k])), 0)'), 'reads on behind the stop'), (waiting(BEGIN, on_stop=('yield held[:held.rindex(stop)]', 'return')), 'came through'),
         (waiting('len(held) - held.index(stop[0]) if stop[0] in held else 0'), 'waits too long'), (waiting('len(held) - len(held.rstrip(stop))'), 'waits too long'), (waiting(BEGIN, on_stop=('yield held', 'return')), 'came through'), (waiting(BEGIN, on_stop=('return',)), 'something is lost'), (until('return 3'), 'wanted a generator'), (until("return 'text'"), 'wanted a generator'), (until('yield 3'), 'wanted pieces of text'), ('until = 3', 'wanted a function'),
         (until('yield piecs'), "name 'piecs' is not defined"), (until('for piece in pieces: pass'), 'reads on behind'), (until("while True: yield 'a'"), 'without end')]),
    4: ([places('losses.mean(0)'), places('losses.mean(0).tolist()'), 'with torch.no_grad(): by_place = torch.stack([F.cross_entropy(model(valid.x)[:, i], valid.y[:, i]) for i in range(0)] or [F.cross_entropy(p, y) for p, y in zip(model(valid.x).transpose(0, 1), valid.y.T)])'],
        [(places('losses.mean()'), 'one number'), (places('losses.mean(1)'), 'means of each block'), (places('losses.mean(0) / math.log(2)'), 'those are bits'), (places('losses.sum(0)'), 'sums over the blocks'), (places('losses[0]'), 'the first block alone'), (places('losses'), 'every place of every block'),
         (places('losses.mean(0).exp()'), 'perplexities'), (places('losses.mean(0).flip(0)'), 'the other way round'), (places('losses.mean(0)[:5]'), 'its shape is (5,)'), (places('losses.mean(0) * 1.1'), 'other numbers'), (places('None'), 'wanted a tensor'), (places('"flat"'), 'wanted a tensor')]),
    5: ([loop(CAT, 'new = token'), loop(CAT, 'new = ids[:, -1:]'),
         'def go_on_wrong(model, ids, n): return torch.cat([ids, torch.stack([*generate(model, ids, n, temperature=0)], 1)], 1)'],
        [(loop(CAT, 'new = ids'), 'the bug is still there'), (loop(CAT, 'new = ids', cache='None'), 'the cache is worth nothing'), (loop(CAT, 'new = ids[:, -2:]'), 'in the cache already'), (loop(CAT, 'new = ids[:, -2:-1]'), 'the new one has not been read'), (loop(CAT, 'new = ids[:, :1]'), 'the first token of the text'), (loop('ids = token', 'new = token'), 'only the last token'),
         (loop('new = token'), 'are not kept'), (loop(CAT, 'new = token').replace('[:, -1]\n', '[:, 0]\n'), 'what follows the first token'), (loop(CAT, 'new = token').replace('range(n)', 'range(n + 1)'), 'a token too many'), (loop(CAT, 'new = token').replace('range(n)', 'range(n - 1)'), 'a token too few'),
         (loop(CAT, 'new = token').replace('return ids', ''), 'is there a `return`'), (loop(CAT, 'new = tokn'), "name 'tokn' is not defined"), ('go_on_wrong = 3', 'wanted a function')]),
}

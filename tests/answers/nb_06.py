"Answers to the exercises of lesson 06."
def warm(expression): return f'warmup = {expression}'
def combine(inside='(pos - starts[i]) / (starts[i + 1] - starts[i])', phase='sum(pos >= start for start in starts[1:-1])', starts='[0, *torch.tensor(fractions, dtype=torch.float64).cumsum(0).tolist()]', end='return combined'):
    return f'def combine(fractions, scheds):\n    starts = {starts}\n    def combined(pos):\n        i = {phase}\n        return scheds[i]({inside})\n    {end}'
def restarts(schedule): return f'def restarts(n): return {schedule}'


UP_DOWN = 'combine_scheds([.1, .9], [sched_lin(0, 1), sched_lin(1, 0)])'
ANSWERS = {
    1: ([warm(UP_DOWN), warm('lambda p: p*10 if p < .1 else (1-p)/.9'), warm('lambda pos: min(pos/.1, (1 - pos)/.9)'), 'def warmup(pos):\n    if pos < .1: return sched_lin(0, 1)(pos / .1)\n    return sched_lin(1, 0)((pos - .1) / .9)'],
        [(warm('one_cycle(1., 0., 0., .1)'), 'those are cosines'), (warm('sched_lin(0, 1)'), 'where does it turn'), (warm(UP_DOWN.replace('.1, .9', '.9, .1')), 'the fractions are exchanged'), (warm('lambda p: p/.1 if p < .1 else 1 - p'), 'the way down begins at 0.9'),
         (warm('lambda p: p if p < .1 else (1 - p)/.9'), 'the way up ends at 0.1'), (warm(UP_DOWN.replace('_lin(1, 0)', '_cos(1, 0)')), 'the way down is a cosine'), (warm(UP_DOWN.replace('sched_lin(1, 0)', 'sched_const(1)')), 'it stays where it is'),
         (warm('combine_scheds([.5, .5], [sched_lin(0, 1), sched_lin(1, 0)])'), 'takes half of the time'), (warm('combine_scheds([.1, .9], [sched_lin(1, 0), sched_lin(0, 1)])'), 'the two lines are exchanged'), (warm('5'), 'wanted a function, got 5'), (warm('lambda p: None'), 'nothing came of it'),
         (warm('lambda p: "x"'), 'its type is str, wanted float'), (warm('lambda: 1'), 'takes 0 positional arguments'), (warm('sched_lin(0, 1), sched_lin(1, 0)'), 'wanted a function')]),
    2: (['answer = 100/299', 'answer = torch.tensor(100/299)', 'answer = (1 * 100 + 0) / (3*100 - 1)'],
        [('answer = 1/3', 'there are 299 steps'), ('answer = 101/299', 'is step 100'), ('answer = 100', 'how far is it of all'), ('answer = 99/299', 'the last batch of the first epoch'), ('answer = 0', 'goes on through all epochs'), ('answer = 200/299', 'the third epoch'),
         ('answer = "a"', 'its type is str'), ('answer = [100/299]', 'its type is list')]),
    3: ([combine(), 'combine = combine_scheds', combine(starts='[0, *torch.tensor(fractions).cumsum(0).tolist()]', phase='max(j for j in range(len(scheds)) if pos >= starts[j])'),
         'def combine(fractions, scheds):\n    def combined(pos):\n        for f, sched in zip(fractions, scheds):\n            if pos <= f: break\n            pos -= f\n        return sched(min(1, pos / f))\n    return combined'],
        [('combine = combine_wrong', 'the third phase is never on duty'), (combine('pos'), 'in its own time'), (combine('pos - starts[i]'), 'must be divided by its length'), (combine('(pos - starts[i]) / starts[i + 1]'), 'divided by its end'), (combine('pos / (starts[i + 1] - starts[i])'), 'the time counts from its start'),
         (combine(phase='sum(pos >= start for start in starts)'), 'IndexError'), (combine(starts='[0, *fractions]'), 'at the sum of their fractions'), (combine(end='combined'), 'not callable'), ('combine = 3', 'not callable'), ('def combine(f, s): return 3', 'not callable'), ('def combine(f, s): pass', 'not callable'),
         (combine().replace('scheds[i]', 'shceds[i]'), 'shceds'), ('def combine(f, s): return combine_scheds([1/len(s)] * len(s), s)', 'not of one length'), ('def combine(f, s): return combine_scheds(f, s[::-1])', 'turned round')]),
    4: ([restarts('combine_scheds([1/n] * n, [sched_cos(1, .1)] * n)'), restarts('lambda pos: sched_cos(1, .1)(1. if pos == 1 else pos * n % 1)'), restarts('lambda pos: .1 + .9 * (1 + math.cos(math.pi * (n*pos - min(int(n*pos), n - 1)))) / 2')],
        [(restarts('sched_cos(1, .1)'), 'one piece, whatever n is'), (restarts('lambda pos: sched_cos(1, .1)(pos * n % 1)'), 'the last piece ends'), (restarts('combine_scheds([1/n] * n, [sched_cos(.1, 1)] * n)'), 'each goes up'), (restarts('combine_scheds([1/n] * n, [sched_lin(1, .1)] * n)'), 'those are lines'),
         (restarts('combine_scheds([1/n] * n, [sched_cos(1, 0)] * n)'), 'they go down to 0'), (restarts('combine_scheds([1/(n+1)] * (n+1), [sched_cos(1, .1)] * (n+1))'), 'one piece too many'), (restarts('combine_scheds([1/n] * n, [sched_cos(1, .1), sched_cos(.1, 1)] * n)'), 'fractions and'),
         (restarts('combine_scheds([1/n] * n, [sched_cos(1, .1), sched_cos(.1, 1), sched_cos(1, .1), sched_cos(.1, 1), sched_cos(1, .1)][:n])'), 'a restart is a jump'), (restarts('lambda pos: sched_cos(1, .1)(n * pos)'), 'a restart is a jump'), (restarts('lambda pos: sched_cos(1, .1)(pos % (1/n))'), 'n times as fast'),
         ('def restarts(n): pass', 'not callable'), ('restarts = 2', 'not callable'), (restarts('combine_scheds([1/3] * 3, [sched_cos(1, .1)] * 3)'), 'three pieces, whatever n is'), (restarts('combine_sched([1/n] * n, [sched_cos(1, .1)] * n)'), 'combine_sched')]),
    5: (["with_momentum_it_is = 'smaller'", 'with_momentum_it_is = ["smaller", "same", "larger"][0]'],
        [("with_momentum_it_is = 'larger'", 'goes further with the same push'), ("with_momentum_it_is = 'same'", 'ten times their size'), ("with_momentum_it_is = 'Smaller'", 'in small letters'), ("with_momentum_it_is = 'ten times smaller'", 'one of the three words'),
         ('with_momentum_it_is = .1', 'one of the three words'), ("with_momentum_it_is = ['smaller']", 'one of the three words')]),
    6: (["changed = ['velocities', 'rate', 'order of batches']", "changed = ('rate', 'velocities', 'order of batches')", "changed = {'velocities', 'order of batches', 'rate'}"],
        [('changed = []', 'momentum remembers the search'), ("changed = ['rate', 'order of batches']", 'momentum remembers the search'), ("changed = ['velocities', 'order of batches']", 'the finder writes its rates'), ("changed = ['velocities', 'rate']", 'the loader has drawn an order'),
         ("changed = ['weights', 'velocities', 'rate', 'order of batches']", 'the weights are put back'), ('changed = 7', 'its type is int'), ("changed = 'rate'", 'its type is str'), ("changed = ['velocity', 'rate', 'order of batches']", 'none of the four words')]),
}

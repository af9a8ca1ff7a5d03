from exp.nb_09 import newton_schulz
from registry import Op


def by_powers(x):
    "The rounds as they are defined, for a matrix of any shape."
    x = x / x.norm()
    for _ in range(5): x = 3.4445*x - 4.775*(x @ x.mT @ x) + 2.0315*(x @ x.mT @ x @ x.mT @ x)
    return x


OPS = [Op('newton_schulz', newton_schulz, by_powers, [[(2, 3)], [(3, 2)]])]
NOT_OPS = {'check_settings', 'Design', 'slot', 'count', 'Adagrad', 'RMSProp', 'Adam', 'AdamW', 'LAMB', 'Lion', 'Muon', 'decay_groups', 'Together', 'EMA'}

# Generated from nbs/12a_milestone.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/12a_milestone.ipynb dbd12416
from typing import NamedTuple
import torch
from exp.nb_04 import check_classes
from exp.nb_05 import check_count

# ---
# reliability
# %% nbs/12a_milestone.ipynb d0dd8e52
def reliability(p, y, bins=10):
    """Of probabilities `p`, (n, c), and classes `y`, (n,), for each of `bins` equal steps of confidence, which is the
    largest of a row: how many answers, their mean confidence, the share that is right; each (bins,), float64, 0 where
    there are none. ValueError: no answers, rows that are no probabilities; TypeError: classes that are not int64."""
    check_classes('reliability', p, y)
    check_count('reliability: bins', bins)
    if not len(p): raise ValueError('reliability: no answers')
    if not ((p >= 0).all() and ((p.sum(1) - 1).abs() < .01).all()):
        raise ValueError('reliability: rows that are no probabilities, wanted the softmax of the logits')
    sure, said = p.max(1)
    step = (sure * bins).long().clamp(max=bins - 1)
    def total(values): return torch.bincount(step, values.double(), bins)
    n = total(torch.ones_like(sure))
    return n, total(sure) / n.clamp(min=1), total(said == y) / n.clamp(min=1)

def calibration_error(p, y, bins=10):
    """How far confidence and the share right lie apart, on average over the answers, in `bins` steps: a number from 0,
    as sure as it is right, to 1 (Naeini and others, 2015). Errors as in `reliability`."""
    n, sure, right = reliability(p, y, bins)
    return (n * (sure - right).abs()).sum().item() / len(y)

# ---
# Demand
# %% nbs/12a_milestone.ipynb afc685ad
class Demand(NamedTuple):
    "What a gate asks of the figure called `name`: at least the `limit`, or with `most` at most; `why` in words."
    name: str
    limit: float
    why: str
    most: bool = False

    def met(self, figure):
        "Whether the number `figure` keeps the limit. What is no number, nan, does not."
        return figure <= self.limit if self.most else figure >= self.limit

    def __str__(self): return f'{self.name} at {"most" if self.most else "least"} {self.limit}'

# ---
# Gate
# %% nbs/12a_milestone.ipynb 7cb8237b
class Gate:
    "Demands that must all be met. ValueError: none, or two of one name; when asked, a figure that is not there."
    def __init__(self, *demands):
        names = [demand.name for demand in demands]
        if not names or len({*names}) < len(names): raise ValueError(f'Gate: demands {names}, wanted one or more names')
        self.demands = demands

    def missed(self, figures):
        "The demands that the `figures`, {name: number}, do not meet."
        lacking = [demand.name for demand in self.demands if demand.name not in figures]
        if lacking: raise ValueError(f'Gate: no figure for {lacking}')
        return [demand for demand in self.demands if not demand.met(figures[demand.name])]

    def check(self, figures):
        "AssertionError, with each demand that is missed and its figure, unless the `figures` meet them all."
        missed = [f'{demand}, got {figures[demand.name]:.3f}' for demand in self.missed(figures)]
        if missed: raise AssertionError(f'the gate stays closed: {"; ".join(missed)}')

    def table(self, shown):
        "A line for each demand, with the figures of all who are `shown`, {who: figures}; a star marks what is missed."
        missed = {who: self.missed(figures) for who, figures in shown.items()}
        rows = [f'{"":<18}{"wanted":>8}' + ' '.join(f'{who:>14}' for who in shown)]
        for demand in self.demands:
            row = [f'{demand.name:<18}{"≥≤"[demand.most]:>3}{demand.limit:>5}']
            for who, figures in shown.items():
                row.append(f'{figures[demand.name]:>14.3f}' + ' *'[demand in missed[who]])
            rows.append(''.join(row).rstrip())
        return '\n'.join(rows)

# ---

"""Supports by descent from several starts, and chains of them from one size to the next."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from etatrick.numerics.subset.certificate import certify
from etatrick.numerics.subset.exchange import Terms, descend, worth
from etatrick.numerics.subset.factors import Factors
from etatrick.numerics.subset.moments import Moments, Rows
from etatrick.numerics.subset.result import SubsetFit
from etatrick.numerics.subset.starts import Start
from etatrick.numerics.subset.support import Support

CLEAR: Final = 2.0
"""Members that are worth this many times what any other column is leave no doubt, and end the search."""

ROUNDS: Final = 3


def best_support(
    moments: Moments, ridge: float, terms: Terms, starts: Sequence[Start]
) -> tuple[Support, int, list[float]]:
    """Return the best support of all starts, the changes made, and the objective after each start."""
    known, changes, history = Support(moments, ridge), 0, []
    for number, start in enumerate(starts):
        found = start.support(known, terms)
        changes += descend(found, terms)
        if number == 0 or terms.objective(found) < terms.objective(known) - worth(known):
            known = found
        history.append(terms.objective(known))
        if number + 1 < len(starts) and known.size and clear(known, terms):
            break
    return known, changes, history


def clear(support: Support, terms: Terms) -> bool:
    """Whether every member is worth far more, and every other column far less, than decides."""
    least, most = float(support.removals().min()), float(support.additions().max())
    bar = terms.price if terms.price > 0 else np.sqrt(least * most)
    return bool(least >= np.sqrt(CLEAR) * bar and most * np.sqrt(CLEAR) <= bar)


def chain(moments: Rows, ridge: float, largest: int) -> list[Support]:
    """Return supports of 0, 1, …, `largest` columns: up by additions and back by removals until none gets better."""
    best = [Support(moments, ridge)]
    fresh = {0}
    for _ in range(ROUNDS):
        fresh = _upwards(best, fresh, largest)
        if not fresh:
            break
        fresh = _downwards(best, fresh)
        if not fresh:
            break
    return best


def _upwards(best: list[Support], fresh: set[int], largest: int) -> set[int]:
    """Try every support with one more column where the support is new; return the sizes that got better."""
    better = set()
    for size in range(largest):
        if size not in fresh and size not in better:
            continue
        found = best[size].copy()
        gains = found.additions()
        into = int(gains.argmax())
        if not gains[into] > worth(found):
            break
        found.add(into, gains)
        if _offer(best, found, size + 1):
            better.add(size + 1)
    return better


def _downwards(best: list[Support], fresh: set[int]) -> set[int]:
    """Try every support with one column less, from the largest on; return the sizes that got better."""
    better = set()
    for size in range(len(best) - 1, 1, -1):
        if size not in fresh and size not in better:
            continue
        found = best[size].copy()
        found.drop(int(found.removals().argmin()))
        if _offer(best, found, size - 1):
            better.add(size - 1)
    return better


def _offer(best: list[Support], found: Support, size: int) -> bool:
    """Descend from `found` unless its set is known already, and keep it where it is better."""
    if size < len(best) and set(best[size].chosen) == set(found.chosen):
        return False
    descend(found, Terms(0.0, size))
    if size == len(best):
        best.append(found)
        return True
    if found.value < best[size].value - worth(found):
        best[size] = found
        return True
    return False


def fitted(
    moments: Moments, supports: list[Support], lam: float, limits: list[int], changes: int, history: list[float]
) -> list[SubsetFit]:
    """Return the fits of some supports by orthogonal factors, with their certificates."""
    sets = [np.sort(np.array(support.chosen, dtype=np.intp)) for support in supports]
    ridge = supports[0].ridge
    factors = Factors(moments, np.unique(np.concatenate(sets)), ridge)
    coefs = [factors.fit(chosen) for chosen in sets]
    found = []
    for w, proof in zip(coefs, certify(factors, coefs, lam, limits), strict=True):
        residual = moments.target - factors.columns @ w[factors.chosen]
        rss = float(moments.weights @ residual**2)
        objective = (rss + ridge * float(w @ w)) / 2 + lam * np.count_nonzero(w)
        intercept = moments.y_mean - float(moments.means @ w)
        found.append(SubsetFit(w, intercept, float(objective), rss, proof, changes, tuple(history)))
    return found

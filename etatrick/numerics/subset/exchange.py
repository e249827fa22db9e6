"""Descent over supports: the best single addition, removal or exchange until none lowers the objective."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from etatrick.numerics.subset.support import Support

WORTH: Final = 1e-12
"""A change counts when it lowers the objective by more than this part of the objective at 0."""


@final
@dataclass(frozen=True)
class Terms:
    """What a support costs: `price` for each column, and at most `limit` of them."""

    price: float
    limit: int

    def objective(self, support: Support) -> float:
        """Return ½‖y − Xw‖² + ½ρ‖w‖² + price·|A|."""
        return support.value + self.price * support.size


def worth(support: Support) -> float:
    """Return the least decrease that is told from rounding."""
    return WORTH * support.moments.constant / 2


def grow(support: Support, terms: Terms, size: int) -> None:
    """Add the best column again and again, up to `size` columns, as long as each is worth its price."""
    least = terms.price + worth(support)
    while support.size < size:
        gains = support.additions()
        best = int(gains.argmax())
        if not gains[best] > least:
            return
        support.add(best, gains)


def shrink(support: Support, terms: Terms, size: int) -> None:
    """Drop the cheapest column again and again, down to `size` and further where that saves more than it costs."""
    while support.size:
        losses = support.removals()
        least = int(losses.argmin())
        if support.size <= size and losses[least] >= terms.price:
            return
        support.drop(least)


def descend(support: Support, terms: Terms) -> int:
    """Make the best single change until none lowers the objective, and return how many were made.

    Every change lowers the objective by more than rounding, so that the descent ends.
    """
    least, changes = worth(support), 0
    shrink(support, Terms(0.0, terms.limit), terms.limit)
    while True:
        support.settle()
        # why: without a price no removal helps, and at the limit no addition is allowed
        if (terms.price > 0 or support.size < terms.limit) and _add_or_drop(support, terms, least):
            changes += 1
            continue
        if support.size == 0:
            return changes
        found = support.exchange(least)
        if found is None:
            return changes
        out, into, scores = found
        support.drop(out)
        support.add(into, scores)
        changes += 1


def _add_or_drop(support: Support, terms: Terms, least: float) -> bool:
    gains = support.additions()
    best = int(gains.argmax())
    up = gains[best] - terms.price if support.size < terms.limit else -np.inf
    losses = support.removals()
    worst = int(losses.argmin()) if support.size else -1
    down = terms.price - losses[worst] if support.size else -np.inf
    if max(up, down) <= least:
        return False
    if up >= down:
        support.add(best, gains)
    else:
        support.drop(worst)
    return True

"""Where a descent over supports starts from: four constructions that fail in different ways."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.numerics.subset.exchange import Terms, grow, shrink
from etatrick.numerics.subset.moments import Moments
from etatrick.numerics.subset.support import Support
from etatrick.numerics.working_set.fitting import solve_task

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARE: Final = 0.3
"""λ of the lasso whose support is tried, relative to the λ at which it is empty."""

COARSE: Final = 1e-2
EXTRA: Final = 4


class Start(ABC):
    """A way to find a first support from the best one known so far."""

    @abstractmethod
    def support(self, known: Support, terms: Terms) -> Support:
        """Return a support of at most `terms.limit` columns."""


@final
class Greedy(Start):
    """Orthogonal matching pursuit: always the column that lowers the objective most."""

    def support(self, known: Support, terms: Terms) -> Support:
        """Return the greedy support, from nothing."""
        found = Support(known.moments, known.ridge)
        grow(found, terms, terms.limit)
        return found


@final
class Beyond(Start):
    """From the known support on to about twice its size, and back by dropping the cheapest columns."""

    def support(self, known: Support, terms: Terms) -> Support:
        """Return what is left after going too far and back."""
        found = known.copy()
        grow(found, Terms(0.0, terms.limit), 2 * known.size + EXTRA)
        shrink(found, terms, terms.limit)
        return found


@final
class Marginal(Start):
    """The columns that correlate most with y by themselves."""

    def support(self, known: Support, terms: Terms) -> Support:
        """Return as many of them as the known support has columns."""
        found = Support(known.moments, known.ridge)
        order = found.additions()
        _take(found, order, known.size)
        return found


@final
class Relaxed(Start):
    """The support of a lasso, thinned by dropping the cheapest columns."""

    def support(self, known: Support, terms: Terms) -> Support:
        """Return the thinned support."""
        found = Support(known.moments, known.ridge)
        if not isinstance(known.moments, Moments):
            raise TypeError("a lasso needs the data, not only their Gram matrix")
        weights = np.abs(_lasso(known.moments))
        _take(found, weights, min(int(np.count_nonzero(weights)), 3 * known.size + EXTRA))
        shrink(found, terms, terms.limit)
        return found


@final
@dataclass(frozen=True, eq=False)
class Given(Start):
    """A support that the user passed."""

    chosen: "NDArray[np.intp]"

    def support(self, known: Support, terms: Terms) -> Support:
        """Return it, less columns that depend on others, and thinned where it is too large."""
        found = Support(known.moments, known.ridge)
        order = np.zeros(known.moments.d)
        order[self.chosen] = 1.0
        _take(found, order, len(self.chosen))
        shrink(found, terms, terms.limit)
        return found


USUAL: Final = 2
"""How many of them are tried unless more are asked for."""

STARTS: Final[tuple[Start, ...]] = (Greedy(), Relaxed(), Beyond(), Marginal())


def _take(support: Support, order: "NDArray[np.float64]", size: int) -> None:
    """Add the `size` columns of the largest `order` to an empty support, less those that depend on the others."""
    first = np.argsort(-order, kind="stable")[:size]
    if support.fill(first[order[first] > 0]):
        return
    for j in np.argsort(-order, kind="stable"):
        if support.size >= size or not order[j] > 0:
            return
        if support.room[j] > support.floor[j]:
            support.add(int(j), order)


def _lasso(moments: Moments) -> "NDArray[np.float64]":
    lam = SHARE * float(np.abs(moments.linear).max())
    if lam == 0:
        return np.zeros(moments.d)
    found = solve_task(moments.task.at(lam), np.zeros(moments.d), COARSE).coef
    return np.asarray(found * np.sqrt(moments.squares))

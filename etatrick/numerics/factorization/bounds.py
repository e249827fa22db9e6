"""Widths at which the closed form is not attained: exact for two blocks, else bounds from both sides."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.numerics.factorization.attainment import balanced
from etatrick.numerics.factorization.charges import Charges
from etatrick.numerics.factorization.descent import descend, explicit
from etatrick.numerics.factorization.folding import Found, folded, folds
from etatrick.numerics.factorization.shrinkage import Shrunk
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

ATTAINED: Final = 1e-12
QUICK: Final = 3e8  # size³ · blocks up to which descent takes seconds at most


@final
@dataclass(frozen=True)
class Solved:
    """Factors found without the theorem, and what is known about them.

    Parameters
    ----------
    found : Found
        Factors in the basis of the singular vectors of the data.
    verdict : Verdict
    """

    found: Found
    verdict: Verdict

    @property
    def core(self) -> "NDArray[np.float64]":
        """The product in the basis of the singular vectors, shape (n, n)."""
        return self.found.left @ self.found.right.T


def solved_below_width(shrunk: Shrunk, charges: Charges, closed: Verdict) -> Solved:
    """Return the best factors found where the closed form is not proved to be attained.

    Tried in turn: the same construction of balanced factors, whose value decides; folding, the global minimum for two
    equal blocks; descent block by block from the folded point and from a random one.
    """
    if closed.status == "unknown":
        factor = balanced(shrunk, charges)
        if factor is not None:
            value = explicit(shrunk.target, factor, factor, charges)
            if abs(value - shrunk.value) <= ATTAINED * abs(value):
                method = "factors that reach the convex lower bound were constructed"
                return Solved(Found(factor, factor, value), Verdict("checked", method, detail=closed.method))
    tried = [folded(shrunk.target, charges)] if folds(shrunk.target, charges) else []
    if tried and len(charges.sizes) == 2:
        method = "two blocks: ‖A₁‖² + ‖A₂‖² ≥ ½Σ(σ_i + σ_{2r+1−i})², attained by folding"
        return Solved(tried[0], Verdict("proved", method, detail=closed.method))
    quick = len(shrunk.target) ** 3 * len(charges.sizes) <= QUICK
    starts: list[Found | None] = [*tried, None] if quick else []
    if not (quick or tried):
        starts = [None]
    descents = [descend(shrunk.target, charges, start) for start in starts]
    best = min([*tried, *descents], key=lambda found: found.value)
    detail = f"{closed.method}; the minimum over diag(m) lies in [{shrunk.value:.12g}, {best.value:.12g}]"
    return Solved(best, Verdict("unknown", "bounds from both sides", detail=detail))

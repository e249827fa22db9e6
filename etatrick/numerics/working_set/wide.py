"""Systems on more columns than X has rows: (X_AᵀX_A + ρI)w = b through an n × n matrix, updated as A changes.

Woodbury's identity: w = (b − X_Aᵀ(ρI + X_A X_Aᵀ)⁻¹X_A b)/ρ.
"""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.working_set.factors import positive_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.design import Design

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

BLOCK = 512  # columns at a time
UPDATES = 50  # changes of the sum before it is formed anew, against rounding


@final
class WideSystem:
    """X_A X_Aᵀ of columns centred and scaled by the roots of the weights; it changes in place with A.

    Parameters
    ----------
    design : Design
    root, mean : ndarray, shapes (n,) and (d,)
        As for :class:`etatrick.numerics.working_set.grown.GrownGram`.
    """

    def __init__(self, design: "Design", root: "Floats", mean: "Floats") -> None:
        self.design, self.root, self.mean = design, root, mean
        self.outer = np.zeros((0, 0))
        self.inside = np.zeros(design.shape[1], dtype=bool)
        self.updates = UPDATES

    def solve(self, active: "Indices", ridge: float, b: "Floats") -> "Floats | None":
        """Return (X_AᵀX_A + ρI)⁻¹b for ρ > 0, None where that is singular up to rounding, as it is for ρ = 0."""
        if ridge == 0:
            return None
        self._move(active)
        w = np.zeros(len(active))
        for _ in range(2):
            rest = b - ridge * w - self.correlate(self.product(active, w))[active]
            H = self.outer.copy()
            H.flat[:: len(H) + 1] += ridge
            inner = positive_solve(H, self.product(active, rest))
            if inner is None:
                return None
            w += (rest - self.correlate(inner)[active]) / ridge
        return w

    def product(self, active: "Indices", values: "Floats") -> "Floats":
        """Return X_A·values with the columns centred and scaled, shape (n,)."""
        total = np.zeros(len(self.root))
        for begin in range(0, len(active), BLOCK):
            part = active[begin : begin + BLOCK]
            total += self.design.columns(part) @ values[begin : begin + BLOCK]
        return self.root * (total - float(self.mean[active] @ values))

    def correlate(self, u: "Floats") -> "Floats":
        """Return the product of the centred and scaled columns with u, shape (d,)."""
        scaled = self.root * u
        return self.design.correlate(scaled) - self.mean * float(scaled.sum())

    def _move(self, active: "Indices") -> None:
        wanted = np.zeros_like(self.inside)
        wanted[active] = True
        new, out = wanted & ~self.inside, self.inside & ~wanted
        if self.updates >= UPDATES or 2 * int(new.sum() + out.sum()) > len(active):
            n = len(self.root)
            self.outer, self.updates = np.zeros((n, n)), 0
            new, out = wanted, np.zeros_like(wanted)
        for chosen, sign in ((np.flatnonzero(new), 1.0), (np.flatnonzero(out), -1.0)):
            for begin in range(0, len(chosen), BLOCK):
                part = chosen[begin : begin + BLOCK]
                columns = (self.design.columns(part) - self.mean[part]) * self.root[:, None]
                self.outer += sign * (columns @ columns.T)
        self.inside, self.updates = wanted, self.updates + 1

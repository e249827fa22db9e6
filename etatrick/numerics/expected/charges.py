"""What a penalty adds to an expected loss: λ Σ_j Ω(|w_j|), its slope, its kink at 0, and its conjugate."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import CompiledPenalty, compile_penalty
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.problem import check_lam


@final
@dataclass(frozen=True, eq=False)
class Charge:
    """λΩ for a convex penalty; λ = 0 is no penalty.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> charge_of(penalties["l1"](k=1), 2.0).total(np.array([1.0, -3.0]))
    8.0
    """

    penalty: CompiledPenalty | None
    lam: float

    @property
    def kink(self) -> float:
        """λΩ′(0+)."""
        return self.lam * self.penalty.slope_at_zero if self.penalty else 0.0

    @property
    def steepest(self) -> float:
        """λ sup Ω′."""
        return self.lam * self.penalty.steepest if self.penalty else 0.0

    def total(self, w: Floats) -> float:
        """Return λ Σ Ω(|w_j|)."""
        return self.lam * float(self.penalty.value(w).sum()) if self.penalty else 0.0

    def slope(self, w: Floats) -> Floats:
        """Return λΩ′(|w_j|) sgn(w_j), 0 at 0."""
        return self.lam * self.penalty.slope(w) * np.sign(w) if self.penalty else np.zeros_like(w)

    def curvature(self, w: Floats) -> Floats:
        """Return λΩ″(|w_j|), at 0 from the right; for the metric only."""
        if self.penalty is None:
            return np.zeros_like(w)
        start = self.penalty.curvature_at_zero
        found = np.where(w == 0, start if np.isfinite(start) else 0.0, self.penalty.curvature(w))
        return self.lam * np.where(np.isfinite(found), np.maximum(found, 0.0), 0.0)

    def violation(self, w: Floats, pull: Floats) -> Floats:
        """Return the distance of −∇ of the loss, given its gradient `pull`, from λ∂Ω(w_j)."""
        at_zero = np.maximum(np.abs(pull) - self.kink, 0.0)
        return np.where(w == 0, at_zero, np.abs(pull + self.slope(w)))

    def conjugate(self, pull: Floats) -> float:
        """Return sup_w −pull·w − λΩ(w), possibly infinite."""
        if self.penalty is None:
            return 0.0 if not pull.any() else np.inf
        return self.lam * float(self.penalty.conjugate(pull / self.lam).sum())


def charge_of(penalty: Any, lam: float) -> Charge:
    """Check a penalty and λ.

    Raises
    ------
    InputError
        If λ is no finite number ≥ 0, is given without a penalty, or the penalty is not convex and finite with a finite
        slope at 0.

    Examples
    --------
    >>> charge_of(None, 0.0).total(np.ones(3))
    0.0
    """
    check_lam(lam)
    if penalty is None:
        if lam != 0:
            raise InputError(f"lam = {lam:g} without a penalty", "λ multiplies a penalty",
                             'pass e.g. penalty=penalties["ridge"](c=1), which is w²/2')  # fmt: skip
        return Charge(None, 0.0)
    found = compile_penalty(penalty)
    if not found.convex or found.duality.jump != 0 or not np.isfinite(found.slope_at_zero):
        raise InputError(str(found.duality.penalty), "is not a convex penalty with a finite slope at 0",
                         "choose e.g. ridge, l1, elastic_net or huber")  # fmt: skip
    return Charge(found if lam > 0 else None, float(lam))

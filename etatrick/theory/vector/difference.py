"""The difference of the ℓ1 and ℓ2 norms: nonconvex, scale invariant in its zeros, and still subquadratic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import chord, flat_start, theorem
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, lengths, total

if TYPE_CHECKING:
    from etatrick.theory.verdict import Verdict

STEPS = 70


@final
@dataclass(frozen=True)
class L1MinusL2(VectorDuality):
    r"""The penalty ‖w‖₁ − a‖w‖₂ with 0 ≤ a ≤ 1 (Yin, Lou, He, Xin 2015).

    .. math:: \hat\eta_j(w) = \frac{1}{1/|w_j| - a/\lVert w\rVert}, \qquad
              f(\eta) = \sum_j v_j - a r, \quad v_j = \frac{r\eta_j}{r + a\eta_j}, \quad
              r = \lVert v\rVert \ \text{(one equation for } r)

    In u = w∘w the Hessian of Ω is ¼[a s^{-3/2} 11ᵀ − diag(u^{-3/2})] with s = Σu, and it is ≤ 0 exactly where
    a Σu^{3/2} ≤ s^{3/2}: for all u if and only if a ≤ 1. A larger w_i *lowers* the other scales, so this rule is
    not coordinatewise monotone although its dual exists. Because Ω has degree 1, f(η) = Ω(v).

    Parameters
    ----------
    a : float
        Weight of the ℓ2 norm, 0 ≤ a ≤ 1.

    Raises
    ------
    InputError
        If a is outside [0, 1]: beyond 1 the penalty is negative on the axes and no dual exists.

    Examples
    --------
    >>> rule = L1MinusL2(1.0)
    >>> rule.penalty_at([3.0, 4.0]).tolist(), rule.eta_hat_at([3.0, 4.0]).tolist()
    (2.0, [7.5, 20.0])
    """

    a: float

    def __post_init__(self) -> None:
        real = isinstance(self.a, int | float | np.integer | np.floating) and not isinstance(self.a, bool)
        if not (real and 0 <= self.a <= 1):
            rule = "the rule is 0 ≤ a ≤ 1: beyond 1, Ω falls along the axes and has no dual"
            raise InputError(f"a = {self.a}", rule, "choose e.g. a=1.0")

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        first, second = np.eye(2)
        hessian = "a Σu^{3/2} ≤ (Σu)^{3/2} for a ≤ 1 as the ℓ_{3/2} norm is at most the ℓ1 norm; slopes ≥ 0 as u_j ≤ Σu"
        kink = "Ω is its own slope at 0, and Ω(v) ≥ (1−a)‖v‖₁ > 0 for a < 1"
        triangle = theorem("norm", "for a = 0 this is the ℓ1 norm")
        return {
            "subquadratic": theorem("Hessian ≤ 0 by comparison of norms", hessian),
            "convex": chord(self, first, second) if self.a > 0 else triangle,
            "homogeneous": theorem("difference of norms", "degree 1"),
            "exact_zeros": theorem("homogeneity", kink) if self.a < 1 else flat_start(self, first),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        a = f"{self.a:g}"
        dual = rf"\textstyle\sum_j v_j - {a}\,r,\quad v_j = r\eta_j/(r+{a}\,\eta_j),\quad r = \lVert v\rVert"
        scales = rf"\big(1/|w_j| - {a}/\lVert w\rVert\big)^{{-1}}"
        return aligned(rf"\lVert w\rVert_1 - {a}\,\lVert w\rVert_2", scales, dual)

    def _penalty(self, w: Floats) -> Floats:
        size = np.sort(np.abs(w), axis=1)[:, ::-1]
        taxicab = total(size)
        # ‖w‖₁ − ‖w‖₂ = 2 Σ_{i<j} |w_i w_j| / (‖w‖₁ + ‖w‖₂), so that nothing cancels where one weight dominates
        smaller = np.zeros_like(size)
        smaller[:, :-1] = np.cumsum(size[:, :0:-1], axis=1)[:, ::-1]
        gap = 2 * total(size / np.where(taxicab > 0, taxicab + lengths(w), 1.0)[:, None] * smaller)
        return (1 - self.a) * taxicab + self.a * gap

    def _eta_hat(self, w: Floats) -> Floats:
        size, norm = np.abs(w), lengths(w)[:, None]
        others = np.stack([lengths(np.delete(w, j, axis=1)) for j in range(w.shape[1])], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            short = np.where(norm > 0, others * (others / (norm + size)), 0.0)  # ‖w‖ − |w_j| without cancellation
            return np.where(size > 0, size * (norm / ((1 - self.a) * size + short)), 0.0)

    def _dual(self, eta: Floats) -> Floats:
        return np.array([self._dual_of(row) for row in eta], dtype=np.float64)

    def _dual_of(self, eta: Floats) -> float:
        eta = eta[eta > 0]
        free = np.isinf(eta)
        if free.any():  # a = 1 and one free weight: it grows without charge and leaves Σ of the other scales
            return float(eta[~free].sum()) if self.a == 1 and free.sum() == 1 else np.inf
        if eta.size == 0 or (eta.size == 1 and self.a == 1):
            return 0.0
        return self._stationary(eta)

    def _stationary(self, eta: Floats) -> float:
        """Solve Σ(η/(r+aη))² = 1 for r by bisection in log r; the sum falls from more than 1 to less."""
        unit = float(lengths(eta[None])[0])
        scales, low, high = eta / unit, -700.0, 0.0  # r ≤ ‖η‖
        for _ in range(STEPS):
            middle = (low + high) / 2
            above = ((scales / (np.exp(middle) + self.a * scales)) ** 2).sum() > 1
            low, high = (middle, high) if above else (low, middle)
        return float(unit * self._penalty(scales[None] / (1 + self.a * scales * np.exp(-high)))[0])

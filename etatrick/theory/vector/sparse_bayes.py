"""Sparse Bayesian learning: the joint penalty of automatic relevance determination for a given design."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import chord, not_homogeneous, theorem
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, check_positive, numbers, ratio, total

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.theory.verdict import Verdict

STEPS = 100
RESIDUAL = 1e-9


class LogScales(NamedTuple):
    """Scales that minimise the energy, and the largest relative residual of η² xᵀ(τI+XηXᵀ)⁻¹x = w²."""

    eta: Floats
    residual: float


@final
@dataclass(frozen=True, eq=False)
class SparseBayes(VectorDuality):
    r"""The joint ARD penalty of a linear model with design X and noise variance τ.

    .. math:: f(\eta) = \log\det(\tau I + X \operatorname{diag}(\eta) X^{\mathsf T}) - n \log \tau, \qquad
              \Omega(w) = \tfrac12 \min_\eta \Big[ \sum_i w_i^2/\eta_i + f(\eta) \Big], \qquad
              \hat\eta_j^2\, x_j^{\mathsf T} (\tau I + X\hat\eta X^{\mathsf T})^{-1} x_j = w_j^2

    ½‖y − Xw‖² + τ Ω(w) has the type-II maximum-likelihood estimate (Tipping 2001) as its minimiser; so λ = τ
    (Wipf, Nagarajan 2008). The determinant is a polynomial in η with coefficients ≥ 0, so the energy is convex in
    log η and Newton's method finds the global minimum. For orthogonal columns Ω splits into scalar penalties with
    f = log(1 + cη), c = ‖x_j‖²/τ. The term n log τ makes Ω(0) = 0.

    Parameters
    ----------
    X : array_like, shape (n, d)
        The design: finite, no column zero.
    noise : float
        Noise variance τ > 0.

    Raises
    ------
    InputError
        If the design is no such matrix, or the noise is not positive.
    ArithmeticError
        From the methods, if Newton's method leaves a residual.

    Examples
    --------
    >>> rule = SparseBayes([[1.0, 0.0], [0.0, 2.0]], noise=1.0)
    >>> rule.eta_hat_at([1.0, 0.0]).round(6).tolist()  # (1 + √5)/2, the golden ratio
    [1.618034, 0.0]
    """

    X: Floats
    noise: float

    def __post_init__(self) -> None:
        design = numbers(self.X, "X").copy()
        if design.ndim != 2 or design.size == 0 or not np.isfinite(design).all() or not design.any(axis=0).all():
            rule = "X is a matrix (n, d) of finite numbers without a zero column"
            raise InputError(f"X of shape {design.shape}", rule, "remove what is not finite, and zero columns")
        check_positive("noise", self.noise, "τ")
        design.setflags(write=False)
        object.__setattr__(self, "X", design)

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        axis = np.zeros(self.X.shape[1])
        axis[0] = np.sqrt(self.noise) / np.linalg.norm(self.X[:, 0])
        slope = "f(η) ≤ Σ‖x_j‖²η_j/τ with equality to first order, so the slope at 0 is Σ‖x_j‖|v_j|/√τ"
        return {
            "subquadratic": theorem("infimum of nondecreasing linear functions", "½[Σu/η + f(η)], one per η"),
            "convex": chord(self, axis, 3 * axis),
            "homogeneous": not_homogeneous(self, axis),
            "exact_zeros": theorem("expansion of the dual at 0", slope),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        inverse = rf"({self.noise:g}\,I + X\hat\eta X^{{\mathsf T}})^{{-1}}"
        return aligned(
            r"\tfrac12\min_\eta\big[\textstyle\sum_i w_i^2/\eta_i + f(\eta)\big]",
            rf"\text{{the root of }}\ \hat\eta_j^2\,x_j^{{\mathsf T}}{inverse}x_j = w_j^2",
            rf"\log\det\big(I + X\operatorname{{diag}}(\eta)X^{{\mathsf T}}/{self.noise:g}\big)",
        )

    def solve(self, w: "ArrayLike") -> LogScales:
        """Return the scales for one vector of weights, with the residual of their equations."""
        row = self._weights(w)
        if row.ndim != 1:
            raise InputError(f"w of shape {row.shape}", "one vector is solved at a time", "pass one row")
        active, eta = row != 0, np.zeros(row.size)
        if not active.any():
            return LogScales(eta, 0.0)
        triangle = np.linalg.qr(self.X[:, active], mode="r") / np.sqrt(self.noise)  # XᵀX is all that matters of X
        eta[active], residual = _newton(np.abs(row[active]), triangle)
        return LogScales(eta, residual)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if shape[0] != self.X.shape[1]:
            given = f"vectors of length {shape[0]}"
            raise InputError(given, f"the design has {self.X.shape[1]} columns", "pass one weight per column")

    def _eta_hat(self, w: Floats) -> Floats:
        found = [self.solve(row) for row in w]
        worst = max((f.residual for f in found), default=0.0)
        if not worst <= RESIDUAL:
            raise ArithmeticError(f"Newton's method left a relative residual of {worst:.2g} in η̂")
        return np.array([f.eta for f in found], dtype=np.float64).reshape(w.shape)

    def _penalty(self, w: Floats) -> Floats:
        eta = self._eta_hat(w)
        return (total(ratio(w, eta)) + self._dual(eta)) / 2

    def _dual(self, eta: Floats) -> Floats:
        free = np.asarray(np.isinf(eta).any(axis=1))
        root = np.sqrt(np.where(free[:, None], 0.0, eta) / self.noise)
        values = _log_det(self.X * root[:, None, :])
        return np.where(free, np.inf, values)


def _newton(size: Floats, design: Floats) -> tuple[Floats, float]:
    """Minimise Σ size²/η + log det(I + design·η·designᵀ), convex in log η, by Newton steps that decrease the energy."""

    def energy(levels: Floats) -> float:
        root = np.exp(levels / 2)
        return float((size / root) @ (size / root) + _log_det(design * root))

    energies = (design**2).sum(axis=0)
    levels = np.log(size**2 / 2 + size * np.sqrt(size**2 / 4 + 1 / energies))  # what orthogonal columns would give
    best, residual = levels, np.inf
    for _ in range(STEPS):
        root = np.exp(levels / 2)
        left, values, _ = np.linalg.svd(design * root, full_matrices=False)
        part = (left.T @ design) * root / np.sqrt(1 + values**2)[:, None]
        shares = part.T @ part
        charge, credit = np.diag(shares), (size / root) ** 2
        found = float(np.abs(charge / credit - 1).max())
        if found >= residual and found < 1e-12:
            break
        if found < residual:
            best, residual = levels, found
        step = np.linalg.solve(np.diag(charge + credit) - shares**2, credit - charge)
        here, fall = energy(levels), float((credit - charge) @ step)
        length = 20.0 / max(20.0, float(np.abs(step).max()))
        while energy(levels + length * step) > here - 1e-4 * length * fall + 1e-14 * abs(here) and length > 1e-6:
            length /= 2
        levels = levels + length * step
    return np.exp(best), residual


def _log_det(scaled: Floats) -> Floats:
    """Return log det(I + scaled·scaledᵀ) for each matrix, accurate also where it is tiny."""
    values = np.linalg.svd(scaled, compute_uv=False)
    return np.asarray(np.log1p(values**2).sum(axis=-1), dtype=np.float64)

"""Least squares seen from the scales: what C = τI + XηXᵀ says about every column, without dividing by a scale."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class ScalePoint:
    """The design whitened by C^(−1/2) at some scales η; made by :meth:`ScaleSpace.at`.

    Parameters
    ----------
    eta : ndarray, shape (d,)
    whitener : ndarray, shape (m, m)
        A square root of C⁻¹, from singular values: C⁻¹ = WᵀW.
    design : ndarray, shape (m, d)
        WX, with m ≤ min(n, d) rows.
    target : ndarray, shape (m,)
        Wy.
    log_det : float
        log det(C/τ).
    quadratic : float
        yᵀC⁻¹y.
    """

    eta: "Floats"
    whitener: "Floats"
    design: "Floats"
    target: "Floats"
    log_det: float
    quadratic: float

    @property
    def energies(self) -> "Floats":
        """S_j = x_jᵀC⁻¹x_j, shape (d,)."""
        return np.asarray(np.einsum("ij,ij->j", self.design, self.design), dtype=np.float64)

    @property
    def pull(self) -> "Floats":
        """Q_j = x_jᵀC⁻¹y = x_jᵀ(y − Xw)/τ at w = η∘Q, shape (d,)."""
        return self.design.T @ self.target

    @property
    def coef(self) -> "Floats":
        """The minimiser w = η∘Q of ‖y − Xw‖² + τΣw²/η."""
        return self.eta * self.pull

    def among(self, columns: Any) -> "Floats":
        """Return XᵀC⁻¹X for these columns."""
        chosen = self.design[:, columns]
        return chosen.T @ chosen


@final
@dataclass(frozen=True, eq=False)
class ScaleSpace:
    r"""A design and a target, reduced to at most d rows, and τ > 0.

    For fixed scales :math:`\min_w ‖y - Xw‖^2 + τ\sum_j w_j^2/η_j = τ\, y^T C^{-1} y` with
    :math:`C = τI + X \operatorname{diag}(η) X^T`, so that every problem of the η-trick is one in η alone. Only m×m
    and m×d matrices occur, m = min(n, d).

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    noise : float
        τ > 0; λ plays its part for other penalties.

    Examples
    --------
    >>> point = ScaleSpace(np.eye(2), np.array([3.0, 1.0]), 1.0).at(np.array([2.0, 0.0]))
    >>> point.coef.round(12).tolist(), round(point.quadratic, 12)
    ([2.0, 0.0], 4.0)
    """

    X: "Floats"
    y: "Floats"
    noise: float
    outside: float = 0.0

    def __post_init__(self) -> None:
        n, d = self.X.shape
        if n <= d:
            return
        basis, triangle = np.linalg.qr(self.X)
        inside = basis.T @ self.y
        rest = self.y - basis @ inside
        for name, value in (("X", triangle), ("y", inside), ("outside", float(rest @ rest))):
            object.__setattr__(self, name, value)

    def at(self, eta: "Floats") -> ScalePoint:
        """Return what C says at the scales η ≥ 0, shape (d,), all finite."""
        active = np.flatnonzero(eta)
        left, values, _ = np.linalg.svd(self.X[:, active] * np.sqrt(eta[active]))
        squares = np.zeros(len(self.y))
        squares[: len(values)] = values**2
        whitener = left.T / np.sqrt(squares + self.noise)[:, None]
        target = whitener @ self.y
        quadratic = float(target @ target) + self.outside / self.noise
        log_det = float(np.log1p(squares / self.noise).sum())
        return ScalePoint(eta, whitener, whitener @ self.X, target, log_det, quadratic)

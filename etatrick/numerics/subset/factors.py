"""Orthogonal factors of the columns that any support of interest uses, for their fits and their certificates."""

from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.subset.moments import Moments

    Floats = NDArray[np.float64]


@final
class Factors:
    r"""V^½X_C = BT with orthonormal B for some columns C, and Bᵀ times everything: one pass over X for many supports.

    Parameters
    ----------
    moments : Moments
    chosen : ndarray of int
        C, in increasing order.
    ridge : float
        ρ; it adds the row √ρ e_j to column j.
    """

    def __init__(self, moments: "Moments", chosen: "NDArray[np.intp]", ridge: float) -> None:
        self.moments, self.chosen, self.ridge = moments, chosen, ridge
        self.columns = moments.columns(chosen)
        root = np.sqrt(moments.weights)
        basis, self.triangle = np.linalg.qr(self.columns if moments.plain else self.columns * root[:, None])
        # why: `cross` weights by V, of which one half is in the basis already
        with np.errstate(divide="ignore", invalid="ignore"):
            lifted = basis if moments.plain else np.where(root[:, None] > 0, basis / root[:, None], 0.0)
        self.shadow = moments.cross(lifted)
        self.heights = basis.T @ (moments.target * root)
        self._known: dict[bytes, tuple[Floats, Floats]] = {}

    def of(self, support: "NDArray[np.intp]") -> "tuple[Floats, Floats]":
        """Return q and R: Bq are the rows of Q that meet the data, where QR is the factorisation of one support."""
        key = support.tobytes()
        if key not in self._known:
            part = self.triangle[:, np.searchsorted(self.chosen, support)]
            rows = np.vstack([part, np.sqrt(self.ridge) * np.eye(len(support))]) if self.ridge else part
            Q, R = np.linalg.qr(rows)
            self._known[key] = Q[: len(part)], R
        return self._known[key]

    def fit(self, support: "NDArray[np.intp]") -> "Floats":
        """Return the fit of a support, refined once by its residual, shape (d,)."""
        coef = np.zeros(self.moments.d)
        if len(support):
            part = self.triangle[:, np.searchsorted(self.chosen, support)]
            q, R = self.of(support)
            w = np.linalg.solve(R, q.T @ self.heights)
            left = part.T @ (self.heights - part @ w) - self.ridge * w
            coef[support] = w + np.linalg.solve(R, np.linalg.solve(R.T, left))
        return coef

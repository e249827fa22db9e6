"""The Hessian of the cross-entropy on chosen entries of W, with the intercepts eliminated."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.outputs.responses import class_curvature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SAMPLES = 4096  # rows at a time where every entry needs its own scaled column


@final
@dataclass(frozen=True, eq=False)
class EntropyModel:
    """The matrix H of the chosen entries, ordered class by class, and how the intercepts follow them.

    Parameters
    ----------
    H : ndarray, shape (m, m)
        With the intercepts eliminated.
    follow : ndarray, shape (K, m), or None
        The intercepts move by `settle` less `follow` times the step; None without intercepts.
    settle : ndarray, shape (K,)
        H_bb⁻¹ times minus the gradient in b.
    coupling : ndarray, shape (m,)
        What the elimination takes from minus the gradient in the entries.
    """

    H: "Floats"
    follow: "Floats | None"
    settle: "Floats"
    coupling: "Floats"

    def intercepts(self, step: "Floats") -> "Floats":
        """Return the step in b that goes with a step in the entries."""
        return self.settle if self.follow is None else self.settle - self.follow @ step


def entropy_model(
    columns: "Floats", P: "Floats", weights: "Floats", rows: "Indices", classes: "Indices", balance: "Floats | None"
) -> EntropyModel:
    """Return Σ_i v_i x_ij x_ij′ (p_k δ_kk′ − p_k p_k′) over the entries (j, k), the intercepts eliminated.

    Parameters
    ----------
    columns : ndarray, shape (n, r)
        Centred where there are intercepts.
    P : ndarray, shape (n, K)
        Probabilities.
    weights : ndarray, shape (n,)
    rows, classes : ndarray of int, shape (m,)
        The entries: which column, which class; `classes` must not decrease.
    balance : ndarray, shape (K,), or None
        Minus the gradient in b; None without intercepts.
    """
    K, m = P.shape[1], len(rows)
    bounds = np.searchsorted(classes, np.arange(K + 1))
    H, cross = np.zeros((m, m)), np.zeros((K, m))
    for begin in range(0, len(P), SAMPLES):
        part = slice(begin, begin + SAMPLES)
        X, p, v = columns[part], P[part], weights[part]
        scaled = np.empty((len(p), m), order="F")
        diagonal = []
        for k in range(K):
            own = slice(bounds[k], bounds[k + 1])
            chosen = X[:, rows[own]]
            root = np.sqrt(v * p[:, k])
            weighted = chosen * root[:, None]
            diagonal.append(weighted.T @ weighted)
            scaled[:, own] = weighted * np.sqrt(p[:, k])[:, None]
            if balance is not None:
                cross[k, own] += (v * p[:, k]) @ chosen
        H -= scaled.T @ scaled
        for k in range(K):
            own = slice(bounds[k], bounds[k + 1])
            H[own, own] += diagonal[k]
        if balance is not None:
            cross -= (p * np.sqrt(v)[:, None]).T @ scaled
    if balance is None:
        return EntropyModel(H, None, np.zeros(K), np.zeros(m))
    from scipy.linalg import cho_factor, cho_solve

    factor = cho_factor(class_curvature(P, weights), check_finite=False)
    follow = cho_solve(factor, cross, check_finite=False)
    settle = cho_solve(factor, balance, check_finite=False)
    return EntropyModel(H - cross.T @ follow, follow, settle, cross.T @ settle)

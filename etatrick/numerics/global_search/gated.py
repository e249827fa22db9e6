"""Least squares with Bernoulli gates: the expected loss over weights and gate probabilities, minimised globally."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import check_lam, finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WIDEST: Final = 12
DESCENTS: Final = 200


@final
@dataclass(frozen=True, eq=False)
class GatedMinimum:
    """The best weights and gates found.

    Parameters
    ----------
    weights, gates : ndarray, shape (d,)
        w and π ∈ [0, 1].
    objective : float
    """

    weights: "NDArray[np.float64]"
    gates: "NDArray[np.float64]"
    objective: float


def gated_objective(
    X: "ArrayLike", y: "ArrayLike", lam: float, weights: "ArrayLike", gates: "ArrayLike"
) -> "NDArray[np.float64]":
    r"""Return E ½‖y − X(w∘z)‖² + λ Σ π_j for independent gates z_j ~ Bernoulli(π_j), rows of `weights` and `gates`.

    The expectation is ½‖y − X(π∘w)‖² + ½ Σ ‖x_j‖² π_j (1 − π_j) w_j².

    Examples
    --------
    >>> gated_objective(np.eye(1), [2.0], 0.5, [[2.0]], [[0.5]])
    array([1.25])
    """
    matrix, target = finite("X", X, 2), finite("y", y, 1)
    w, pi = finite("weights", weights, 2), finite("gates", gates, 2)
    if ((pi < 0) | (pi > 1)).any():
        raise InputError("gates", "probabilities lie between 0 and 1", "clip them")
    residual = target - (pi * w) @ matrix.T
    spread = (pi * (1 - pi) * w**2) @ (matrix**2).sum(axis=0)
    found: NDArray[np.float64] = ((residual**2).sum(axis=1) + spread) / 2 + lam * pi.sum(axis=1)
    return found


def gated_minimum(X: "ArrayLike", y: "ArrayLike", lam: float, *, seed: int = 0, starts: int = 64) -> GatedMinimum:
    r"""Minimise the gated objective over w ∈ ℝᵈ and π ∈ [0, 1]ᵈ.

    The objective is affine in each gate by itself, E over z_j being a mean of two values: some minimiser has every gate
    at 0 or 1, so all 2ᵈ such corners are evaluated (each a least-squares problem), and random interior starts descend
    by turns in w (a linear system) and along the projected gradient in the gates. The smaller value is returned.

    Parameters
    ----------
    X : array_like, shape (n, d), d ≤ 12
    y : array_like, shape (n,)
    lam : float
        λ ≥ 0, the price of an open gate.
    seed, starts : int
        The interior starts.

    Raises
    ------
    InputError
        For more columns than can be enumerated, or unusable data.

    Examples
    --------
    >>> found = gated_minimum(np.eye(2), [3.0, 0.5], 1.0)
    >>> found.objective, found.gates
    (1.125, array([1., 0.]))
    """
    check_lam(lam)
    matrix, target = finite("X", X, 2), finite("y", y, 1)
    d = matrix.shape[1]
    if d > WIDEST:
        raise InputError(f"X with {d} columns", f"at most {WIDEST} gates are enumerated", "use global_minimum with l0")
    corners = (np.arange(2**d)[:, None] >> np.arange(d)) & 1
    gates = np.vstack([corners.astype(np.float64), interior_descents(matrix, target, lam, seed, starts)])
    best = [_weights(matrix, target, pi) for pi in gates]
    values = gated_objective(matrix, target, lam, best, gates)
    k = int(np.argmin(values))
    return GatedMinimum(best[k], gates[k], float(values[k]))


def interior_descents(
    matrix: "NDArray[np.float64]", target: "NDArray[np.float64]", lam: float, seed: int, starts: int
) -> "NDArray[np.float64]":
    """Return the gates that descents from random interior starts end at, one row for each start."""
    rng = np.random.default_rng(seed)
    d = matrix.shape[1]
    ends = rng.uniform(0.05, 0.95, (starts, d))
    size = (matrix**2).sum(axis=0)
    for pi in ends:
        for _ in range(DESCENTS):
            before = pi.copy()
            w = _weights(matrix, target, pi)
            slope = -w * (matrix.T @ (target - matrix @ (pi * w))) + size * (1 - 2 * pi) * w**2 / 2 + lam
            # why: short steps, so that many gates are still inside when the weights follow them
            pi[:] = np.clip(pi - 0.2 * slope / (np.abs(slope).max() + 1e-300), 0.0, 1.0)
            if np.abs(pi - before).max() < 1e-10:
                break
    return ends


def _weights(
    matrix: "NDArray[np.float64]", target: "NDArray[np.float64]", pi: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return the best weights at fixed gates, 0 where a gate is closed."""
    on = pi > 0
    thinned = matrix[:, on] * pi[on]
    spread = (matrix[:, on] ** 2).sum(axis=0) * pi[on] * (1 - pi[on])
    rows = np.vstack([thinned, np.diag(np.sqrt(spread))])
    w = np.zeros(len(pi))
    w[on] = np.linalg.lstsq(rows, np.concatenate([target, np.zeros(on.sum())]), rcond=None)[0]
    return w

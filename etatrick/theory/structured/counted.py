"""Masks with a constant sum, and learned retain probabilities: one functional, which is not convex."""

from typing import Any

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import integer
from etatrick.theory.structured.scales import Floats, OrderedScales, read


def counted_envelope_gap(singular_values: Any, block_size: Any) -> float:
    r"""Return ‖A‖²_{sp,r} − ‖A‖_F², what blocks with a constant sum charge per unit of their coupling κ.

    .. math:: \Theta(A) = \kappa\,(\lVert A\rVert_{sp,r}^2 - \lVert A\rVert_F^2)

    where this is attained (see `exactness`); it is 0 up to rank r, so its envelope is 0. For r = 1 it is
    2Σ_{i<j} σ_iσ_j.

    Examples
    --------
    >>> from etatrick.theory.structured.counted import counted_envelope_gap
    >>> counted_envelope_gap([3, 2, 1], 1), counted_envelope_gap([3, 2, 0], 2)
    (22.0, 0.0)
    """
    values = read(singular_values)
    scales = OrderedScales((1,) * integer(block_size, "block_size", 1))
    return float(scales.square(values) - sum(v * v for v in values))


def learned_retain(weights: Any, budget: Any) -> tuple[float, Floats]:
    r"""Minimise Σ w²(1−θ)/θ over retain probabilities θ in [0, 1] with Σθ ≤ k; return the value and θ.

    The value is ‖w‖_k² − ‖w‖², and the optimal η of the k-support norm *is* the retain probability. It vanishes for
    k-sparse w: those weights are never dropped, the others always.

    Parameters
    ----------
    weights : sequence of numbers, shape (d,)
        Finite.
    budget : int
        k ≥ 1.

    Examples
    --------
    >>> from etatrick.theory.structured.counted import learned_retain
    >>> value, retain = learned_retain([3, -2, 1], 2)
    >>> value, retain.round(3).tolist()
    (4.0, [1.0, 0.667, 0.333])
    """
    scales = OrderedScales((1,) * integer(budget, "budget", 1))
    return counted_envelope_gap(weights, budget), np.array([float(e) for e in scales.scales(read(weights))])


def counted_regression(singular_values: Any, block_size: Any, coupling: Any) -> tuple[Floats, float]:
    r"""Minimise Σ(m−a)² + κ(‖a‖²_{sp,r} − ‖a‖²): singular values of the prediction, and the value.

    Eliminating a leaves min over η of Σ m² h(η) with :math:`h = \kappa(1-\eta)/(\eta+\kappa(1-\eta))`. For κ < 1, h is
    convex: saturated directions (η = 1) stay *unshrunk*, others have a = mη/(η+κ(1−η)). For κ ≥ 1, h is concave and the
    minimum is a vertex: the r largest m are kept as they are, the truncated singular value decomposition.

    Parameters
    ----------
    singular_values : sequence of numbers ≥ 0, shape (n,)
        Of the target.
    block_size : int
        r ≥ 1.
    coupling : number
        κ ≥ 0, e.g. (B−K)/(K(B−1)) for K kept blocks of B.

    Examples
    --------
    >>> from etatrick.theory.structured.counted import counted_regression
    >>> counted_regression([4.0, 2.0, 1.8], 2, 0.5)[0].round(4).tolist()
    [4.0, 1.4667, 1.0667]
    >>> counted_regression([4.0, 2.0, 1.8], 2, 1.0)[0].tolist()
    [4.0, 2.0, 0.0]
    """
    m = np.array([float(v) for v in read(singular_values)])
    r, kappa = integer(block_size, "block_size", 1), float(coupling)
    if m.min() < 0:
        raise InputError("singular_values", "must be ≥ 0", "pass numpy.linalg.svd's")
    if not (np.isfinite(kappa) and kappa >= 0):
        raise InputError(f"coupling = {coupling}", "must be a finite number ≥ 0", "choose e.g. coupling=0.5")
    eta = np.zeros(len(m))
    if len(m) <= r or kappa == 0:
        eta[:] = 1.0
    elif kappa >= 1:
        eta[np.argsort(-m, kind="stable")[:r]] = 1.0
    else:
        eta = filled(m, r, kappa)
    shrink = np.divide(eta, eta + kappa * (1 - eta), out=np.zeros(len(m)), where=eta > 0)
    return m * shrink, float(np.sum(m**2 * (1 - shrink)))


def filled(m: Floats, budget: int, kappa: float) -> Floats:
    """Return η = clip((κm/τ − κ)/(1−κ), 0, 1) with Ση = budget: equal marginal gains, by a search over breakpoints.

    Examples
    --------
    >>> filled(np.array([2.0, 2.0]), 1, 0.5).tolist()
    [0.5, 0.5]
    """
    if np.count_nonzero(m) <= budget:
        return (m > 0).astype(np.float64)

    def scales(tau: float) -> Floats:
        return np.asarray(np.clip((kappa * m / tau - kappa) / (1 - kappa), 0.0, 1.0), dtype=np.float64)

    points = np.unique(np.concatenate([m, kappa * m]))
    low = max(float(t) for t in points[points > 0] if scales(t).sum() >= budget)
    free = (m > low) & (kappa * m <= low)  # strictly between 0 and 1 just above τ = low
    if not free.any():
        return scales(low)
    rest = budget - int(np.count_nonzero(kappa * m > low))
    return scales(kappa * float(m[free].sum()) / ((1 - kappa) * rest + kappa * int(free.sum())))

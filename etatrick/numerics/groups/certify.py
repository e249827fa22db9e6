"""Certificates from the data: the duality gap of a convex charge, stationarity, and the second-order conditions."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.groups.charges import IDENTITY
from etatrick.numerics.working_set.certify import balanced, young
from etatrick.numerics.working_set.certify import stand as stand_in_coordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.groups.posing import GroupTask

    Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Standing:
    """Where a point stands: predictor, gradient, violations per group, and the gap (None without convexity)."""

    w: "Floats"
    b: float
    theta: "Floats"
    pull: "Floats"
    objective: float
    excess: "Floats"
    kkt: float
    gap: float | None


def stand(problem: "GroupTask", w: "Floats", b: float, theta: "Floats", pull: "Floats | None" = None) -> Standing:
    """Return where (w, b) with the predictor θ stands, by one pass over X.

    The dual point is u = s·ℓ′(θ), moved so that Σ v u = 0 where there is an intercept. Without a ridge term, s ≤ 1 is
    the largest for which z = −Xᵀ(vu) keeps the dual norm ‖S(z_g, t)‖ ≤ a_g, which sorting finds exactly; with
    it, s = 1. Each term of the gap is ≥ 0 by Fenchel and Young.
    """
    task, charge = problem.task, problem.charge
    residual = task.residual(theta)
    if pull is None:
        pull = problem.correlate(residual)
    excess = charge.excess(w, pull)
    balance = abs(float(residual.sum())) if task.intercept else 0.0
    kkt = max(float(excess.max()), balance)
    gap = _gap(problem, w, theta, residual, pull) if charge.convex else None
    return Standing(w, b, theta, pull, task.data_term(theta) + charge.value(w), excess, kkt, gap)


def _gap(problem: "GroupTask", w: "Floats", theta: "Floats", residual: "Floats", pull: "Floats") -> float | None:
    task, charge = problem.task, problem.charge
    if charge.lam == 0:
        plain = replace(task, lam=0.0, curve=IDENTITY)
        return stand_in_coordinates(plain, problem.told(w), 0.0, theta).gap
    u = task.loss.slope(task.y, theta)
    if task.intercept:
        moved = balanced(task, u, theta, residual)
        if moved is None:
            return np.inf
        if moved is not u:
            u = moved
            pull = -problem.correlate(task.weights * u)
    if charge.ridge > 0:
        s, conjugate = 1.0, charge.conjugate(pull)
    else:
        s, conjugate = 1 / max(charge.dual_norm(pull), 1.0), 0.0
    pairing = charge.value(w) - s * float(w @ pull) + conjugate
    return max(young(task, theta, s * u), 0.0) + max(pairing, 0.0)


def locally_minimal(problem: "GroupTask", standing: Standing, tol: float) -> bool:
    """Whether the point is stationary, its zeros are held, and the Hessian is positive on its support."""
    if standing.gap is not None and standing.gap <= tol * problem.deviance:
        return True
    if standing.kkt > tol * problem.scale:
        return False
    face = np.flatnonzero(standing.w)
    if len(face) == 0:
        return True
    task = problem.task
    D = task.curvature(standing.theta)
    columns = problem.columns(face)
    if task.intercept:
        columns = columns - D @ columns / D.sum()
    H = (columns * D[:, None]).T @ columns + problem.charge.hessian(standing.w, face)
    root = np.sqrt(np.maximum(H.diagonal(), 1e-300))
    return bool(np.linalg.eigvalsh(H / np.outer(root, root))[0] > 0)

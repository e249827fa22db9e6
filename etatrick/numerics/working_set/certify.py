"""Certificates from the data: duality gap for convex penalties, stationarity, and the second-order conditions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.solution import Certificate
from etatrick.numerics.working_set.systems import newton_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

SHRINK = (1.0, 1 - 1e-9, 1 - 1e-6, 0.999, 0.9)
BALANCED = 1e-13  # Σ v u = 0 counts as kept up to this, relative to Σ v|u|
ROUNDING = 1e-9  # of what is summed: a sum of terms ≥ 0 that is further below 0 shows a wrong conjugate
NOTHING = 1e-13  # of the deviance
LOCAL = 1e-9  # relative certificate up to which a point counts as stationary in a test of local minimality


@final
@dataclass(frozen=True, eq=False)
class Standing:
    """Where a point stands: its predictor, gradient, violations and gap (None without convexity)."""

    w: "Floats"
    b: float
    theta: "Floats"
    pull: "Floats"
    objective: float
    violations: "Floats"
    kkt: float
    gap: float | None


def stand(task: "Task", w: "Floats", b: float, theta: "Floats | None" = None, pull: "Floats | None" = None) -> Standing:
    """Return where (w, b) stands, by one pass over X (and one over the columns used, unless θ is given).

    The dual point is u = s·ℓ′(θ), moved so that Σ v u = 0 where there is an intercept, with the largest s ≤ 1 that
    keeps Xᵀ(vu)/λ in the domain of Ω*. Then, term by term and each ≥ 0 by Fenchel and Young,
    gap = Σ v [ℓ(θ) + ℓ*(u) − uθ] + λ Σ [Ω(w) + Ω*(z/λ) − wz/λ] with z = −Xᵀ(vu).
    """
    at = task.predictor(w, b) if theta is None else theta
    residual = task.residual(at)
    if pull is None:
        pull = task.design.correlate(residual)
    violations = violation(task, w, pull)
    balance = abs(float(residual.sum())) if task.intercept else 0.0
    kkt = max(float(violations.max()), balance)
    gap = _gap(task, w, at, residual, pull) if task.curve.convex or task.lam == 0 else None
    return Standing(w, b, at, pull, task.data_term(at) + task.charge(w), violations, kkt, gap)


def certificate(task: "Task", standing: Standing, tol: float = LOCAL) -> Certificate:
    """Return the certificate of a point; local minimality is tested where it is stationary within `tol`."""
    relative = None if standing.gap is None else standing.gap / task.null[3]
    minimal = locally_minimal(task, standing, tol)
    return Certificate(standing.kkt, standing.kkt / task.scale, standing.gap, relative, minimal)


def violation(task: "Task", w: "Floats", pull: "Floats") -> "Floats":
    """Return the violation of stationarity per coordinate, where `pull` is minus the gradient of the data term."""
    if task.lam == 0:
        return np.abs(pull)
    found = np.maximum(np.abs(pull) - task.lam * task.curve.start, 0.0)
    support = np.flatnonzero(w)
    slope = task.lam * task.curve.slope(w[support])
    found[support] = np.abs(pull[support] - slope * np.sign(w[support]))
    return found


def _gap(task: "Task", w: "Floats", theta: "Floats", residual: "Floats", pull: "Floats") -> float:
    u = task.loss.slope(task.y, theta)
    if task.intercept:
        moved = balanced(task, u, theta, residual)
        if moved is None:
            return np.inf
        if moved is not u:
            u = moved
            pull = -task.design.correlate(task.weights * u)
    if task.lam == 0:
        return _unpenalised(task, theta, pull)
    reach = float(np.abs(pull).max()) / task.lam
    most = 1.0 if reach <= task.curve.steepest else task.curve.steepest / reach
    best = np.inf
    for shrink in SHRINK:
        best = min(best, _gap_at(task, w, theta, most * shrink * u, most * shrink * pull))
        if most == 1.0 or np.isfinite(best):
            break
    return best


def _gap_at(task: "Task", w: "Floats", theta: "Floats", u: "Floats", z: "Floats") -> float:
    fit = young(task, theta, u)
    zeros = w == 0
    at = np.minimum(np.abs(z) / task.lam, task.curve.steepest)
    held = at <= task.curve.start  # Ω* = 0 there
    charge = task.lam * float(task.curve.conjugate(at[~held]).sum()) if not held.all() else 0.0
    on = ~zeros
    terms = task.lam * task.curve.value(w[on]) - w[on] * z[on]
    pairing = float(terms.sum()) + charge
    size = float((np.abs(terms) + np.abs(w[on] * z[on])).sum() + abs(charge))
    if pairing < -ROUNDING * size - NOTHING * task.null[3]:
        raise ArithmeticError("the dual value exceeds the objective: the conjugate of the penalty is wrong")
    return max(fit, 0.0) + max(pairing, 0.0)


def young(task: "Task", theta: "Floats", u: "Floats") -> float:
    """Return Σ v [ℓ(θ) + ℓ*(u) − uθ], without cancellation for the squared loss."""
    from etatrick.numerics.losses import Squared

    if isinstance(task.loss, Squared):
        return 0.5 * float(task.weights @ (theta - task.y - u) ** 2)
    inside = task.loss.feasible(task.y, u)
    return float(task.weights @ (task.loss.value(task.y, theta) + task.loss.conjugate(task.y, inside) - inside * theta))


def balanced(task: "Task", u: "Floats", theta: "Floats", residual: "Floats") -> "Floats | None":
    """Return a dual point with Σ v u = 0 close to u, u itself where that holds already, None where none was found."""
    size = float(np.abs(residual).sum())
    if abs(float(residual.sum())) <= BALANCED * size:
        return u
    bend = np.maximum(task.loss.curvature(task.y, theta), 1e-12)
    moved = u
    for _ in range(20):
        excess = float(task.weights @ moved)
        if abs(excess) <= BALANCED * size:
            return moved
        moved = task.loss.feasible(task.y, moved - bend * (excess / float(task.weights @ bend)))
    return None


def _unpenalised(task: "Task", theta: "Floats", pull: "Floats") -> float:
    """Return Newton's decrement ½gᵀH⁻¹g for λ = 0, where a dual point would need Xᵀ(vu) = 0: an estimate of the gap."""
    step = newton_step(task, task.curvature(theta), np.zeros_like(pull), pull, 0.0)
    return np.inf if step is None else max(0.5 * float(pull @ step[0]), 0.0)


def locally_minimal(task: "Task", standing: Standing, tol: float) -> bool:
    """Whether the point is stationary, its zeros are held strictly or up to rounding, and its Hessian is positive."""
    stationary = standing.kkt <= tol * task.scale
    if standing.gap is not None:
        return stationary or standing.gap <= tol * task.null[3]
    if not stationary:
        return False
    w = standing.w
    free = (w != 0) | (np.abs(standing.pull) >= task.lam * task.curve.start * (1 - 1e-9))
    moving = np.flatnonzero(free)
    if len(moving) == 0:
        return True
    weights = task.weights * task.loss.curvature(task.y, standing.theta)
    if not weights.any():
        return False
    columns = task.design.columns(moving)
    if task.intercept:
        columns = columns - weights @ columns / weights.sum()
    columns *= np.sqrt(weights)[:, None]
    return _positive(columns, task.lam * task.curve.bend(w[moving]))


def _positive(A: "Floats", diagonal: "Floats") -> bool:
    """Whether AᵀA + diag(b) is positive definite; for a wide A from I + A diag(1/b) Aᵀ.

    Both are Schur complements of one matrix, so that by Sylvester's law of inertia the first has as many negative
    eigenvalues as b has negative entries, less those of the second.
    """
    n, m = A.shape
    if m <= n:
        H = A.T @ A
        H.flat[:: m + 1] += diagonal
        root = np.sqrt(np.maximum(H.diagonal(), 1e-300))
        return bool(np.linalg.eigvalsh(H / np.outer(root, root))[0] > 0)
    least = 1e-12 * (float(np.einsum("ij,ij->", A, A)) / m or 1.0)
    b = np.where(np.abs(diagonal) < least, -least, diagonal)  # an entry of 0 counts as negative
    negative = int((b < 0).sum())
    if negative == 0 or negative > n:
        return negative == 0
    M = (A / b) @ A.T
    M.flat[:: n + 1] += 1
    return int((np.linalg.eigvalsh(M) < 0).sum()) == negative

"""Where a matrix of weights stands: duality gap for convex penalties, stationarity, and the second-order conditions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.outputs.responses import CrossEntropy
from etatrick.numerics.outputs.smooth_systems import AtomHessian, smooth_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]

SHRINK = (1.0, 1 - 1e-9, 1 - 1e-6, 0.999, 0.9)
BALANCED = 1e-13  # Σ v u = 0 counts as kept up to this, relative to Σ v‖u‖


@final
@dataclass(frozen=True, eq=False)
class OutputsStanding:
    """A point with its predictor, gradient, violations (one per atom) and gap (None without convexity)."""

    W: "Floats"
    b: "Floats"
    theta: "Floats"
    pull: "Floats"
    objective: float
    violations: "Floats"
    kkt: float
    gap: float | None


def stand(task: "OutputsTask", W: "Floats", b: "Floats", theta: "Floats | None" = None) -> OutputsStanding:
    """Return where W stands, by one pass over X (and one over the columns used, unless θ is given).

    The intercepts are first moved to where they are best for W. The dual point is then U = s(mean − Y), which keeps
    Σ v u = 0, with the largest s ≤ 1 that keeps the atoms of Z = −XᵀVU within λ sup Ω′. Term by term and each ≥ 0,
    gap = Σ v [ℓ(θ) + ℓ*(u) − ⟨u, θ⟩] + λ Σ [Ω(w) + Ω*(z/λ) − ⟨w, z⟩/λ].
    """
    at = task.predictor(W, b) if theta is None else theta
    if task.intercept:
        move = task.shift(at)
        if isinstance(task.response, CrossEntropy):
            move = move - (b + move).mean()
        b, at = b + move, at + move
    residual = task.residual(at)
    pull = task.correlate(residual)
    violations = task.arrangement.violations(W, pull, task.lam)
    balance = float(np.abs(residual.sum(axis=0)).max()) if task.intercept else 0.0
    kkt = max(float(violations.max()), balance)
    convex = task.arrangement.curve.convex and task.lam > 0
    gap = _gap(task, W, at, residual, pull) if convex else None
    if task.lam == 0 and isinstance(task.response, CrossEntropy):
        gap = _decrement(task, at, pull)
    return OutputsStanding(W, b, at, pull, task.objective(W, at), violations, kkt, gap)


def _gap(task: "OutputsTask", W: "Floats", theta: "Floats", residual: "Floats", pull: "Floats") -> float:
    if task.intercept:
        excess, size = np.abs(residual.sum(axis=0)).max(), np.abs(residual).sum()
        if excess > BALANCED * size:
            return np.inf
    U = -task.response.residuals(task.Y, theta)
    steepest = task.arrangement.curve.steepest
    reach = float(task.arrangement.sizes(pull).max()) / task.lam
    most = 1.0 if reach <= steepest else steepest / reach
    least = _within_the_kink(task, W, pull) if steepest > task.arrangement.curve.start else 1.0
    scales = [most * shrink for shrink in SHRINK] if most < 1 else [1.0]
    best = np.inf
    for s in [least, *scales] if least < 1 else scales:
        fit = max(float(task.weights @ task.response.young(task.Y, theta, s * U)), 0.0) if s != 1 else 0.0
        best = min(best, fit + task.arrangement.young(W, s * pull, task.lam))
        if s in scales and np.isfinite(best):
            break
    return best


def _within_the_kink(task: "OutputsTask", W: "Floats", pull: "Floats") -> float:
    """Return the scale that brings atoms on a straight piece of Ω at 0 back to λΩ′(0+), which rounding may exceed.

    There the conjugate's slope jumps from 0 to the end of the piece, which may be far beyond the atom.
    """
    curve = task.arrangement.curve
    size = task.arrangement.sizes(W)
    straight = curve.slope(size) <= curve.start * (1 + 1e-12)
    over = float(task.arrangement.sizes(pull)[straight].max(initial=0.0)) / task.lam
    return curve.start / over if over > curve.start > 0 else 1.0


def _decrement(task: "OutputsTask", theta: "Floats", pull: "Floats") -> float:
    """Return Newton's decrement ½⟨g, H⁻¹g⟩ for λ = 0, an estimate of the gap: a dual point would need XᵀVU = 0."""
    if float(np.abs(pull).max()) <= 1e-14 * task.scale:
        return 0.0
    none = np.zeros_like(pull)
    step = smooth_step(task, theta, AtomHessian(none, np.zeros(len(pull)), none), pull, 1e-3)
    return np.inf if step is None else max(0.5 * float(np.einsum("jk,jk", pull, step)), 0.0)

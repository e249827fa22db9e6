"""Descent in the scales of a sparse Bayesian model: the best single scale in closed form, and Newton steps in log η."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.scale_space import ScalePoint, ScaleSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEWTON: Final = 50
LONGEST: Final = 3.0  # change of log η in one step
FLATTEST: Final = 1e-8  # relative eigenvalues below this are taken as this


def evidence(point: ScalePoint) -> float:
    """Return ½[yᵀC⁻¹y + log det(C/τ)], the negative log marginal likelihood up to a constant."""
    return (point.quadratic + point.log_det) / 2


def violations(point: ScalePoint) -> "Floats":
    """Return how far each scale is from stationary: |Q²/S − 1| where η > 0, max(Q²/S − 1, 0) where η = 0."""
    energies = point.energies
    excess = np.divide(point.pull**2, energies, out=np.ones_like(energies), where=energies > 0) - 1
    return np.asarray(np.where(point.eta > 0, np.abs(excess), np.maximum(excess, 0.0)), dtype=np.float64)


def best_scales(eta: "Floats", energies: "Floats", pull: "Floats") -> "tuple[Floats, Floats]":
    r"""Return the best value of each scale with the others fixed, and by how much each would lower the evidence.

    With :math:`s = S/(1 - ηS)`, :math:`q = Q/(1 - ηS)` the evidence is
    :math:`\tfrac12[\log(1 + ηs) - q^2 η/(1 + ηs)]` and a constant: least at :math:`η = \max(q^2 - s, 0)/s^2`
    (Tipping, Faul 2003).

    Examples
    --------
    >>> best, fall = best_scales(np.zeros(2), np.ones(2), np.array([2.0, 0.5]))
    >>> best.tolist(), fall.round(6).tolist()
    ([3.0, 0.0], [0.806853, 0.0])
    """
    room = np.maximum(1 - eta * energies, np.finfo(float).eps)
    s, q = energies / room, pull / room
    there = s > 0
    best = np.divide(np.maximum(q**2 - s, 0.0), s**2, out=np.zeros_like(s), where=there)

    def height(scale: "Floats") -> "Floats":
        return np.asarray(np.log1p(scale * s) - q**2 * scale / (1 + scale * s), dtype=np.float64) / 2

    return best, np.where(there, height(eta) - height(best), 0.0)


def single_scales(space: ScaleSpace, eta: "Floats", least: float, limit: int) -> "Floats":
    """Set one scale after another to its best value, always the one that helps most, while that is more than `least`.

    C⁻¹ is updated with rank one; numbers of the last digits are for :func:`newton` to settle.
    """
    point, eta = space.at(eta), eta.copy()
    inverse = point.whitener.T @ point.whitener
    energies, pull = point.energies, point.pull
    for _ in range(limit):
        best, fall = best_scales(eta, energies, pull)
        j = int(np.argmax(fall))
        if not fall[j] > least:
            break
        change = best[j] - eta[j]
        column = inverse @ space.X[:, j]
        shared = space.X.T @ column
        weight = change / (1 + change * energies[j])
        inverse -= weight * np.outer(column, column)
        energies, pull = np.maximum(energies - weight * shared**2, 0.0), pull - weight * shared * pull[j]
        eta[j] = best[j]
    return eta


def curvature(point: ScalePoint) -> "tuple[Floats, Floats]":
    """Return gradient and Hessian of the evidence in log η on the support: ½η(S − Q²), and its derivatives."""
    active = np.flatnonzero(point.eta)
    eta, pull, among = point.eta[active], point.pull[active], point.among(active)
    gradient = eta * (np.diag(among) - pull**2) / 2
    hessian = np.outer(eta, eta) * (2 * np.outer(pull, pull) * among - among**2) / 2
    return gradient, hessian + np.diag(gradient)


def newton(space: ScaleSpace, eta: "Floats") -> Iterator[ScalePoint]:
    """Yield points along Newton steps in log η on the support, each no higher, until there is no progress.

    Where the Hessian is not positive definite, its eigenvalues are replaced by their absolute values. It ends early
    where one of the scales is better 0, which :func:`single_scales` sees to.
    """
    point = space.at(eta)
    active = np.flatnonzero(eta)
    for _ in range(NEWTON if len(active) else 0):
        if (point.pull[active] ** 2 <= point.energies[active] * (1 - point.eta * point.energies)[active]).any():
            return
        gradient, hessian = curvature(point)
        sizes, axes = np.linalg.eigh(hessian)
        sizes = np.maximum(np.abs(sizes), FLATTEST * np.abs(sizes).max())
        step = -axes @ (axes.T @ gradient / sizes)
        length = min(1.0, LONGEST / max(float(np.abs(step).max()), 1e-300))
        found = _lower(space, point, active, length * step)
        if found is None:
            return
        point = found
        yield point


def _lower(space: ScaleSpace, point: ScalePoint, active: "NDArray[np.intp]", step: "Floats") -> ScalePoint | None:
    """Return a point along the step that is lower, or as low and closer to stationary; or None."""
    value, before = evidence(point), float(violations(point)[active].max())
    rounding = 1e-14 * (1 + abs(value))
    for length in (1.0, 0.5, 0.25, 0.1, 0.01, 1e-3):
        eta = point.eta.copy()
        eta[active] *= np.exp(length * step)
        found = space.at(eta)
        reached = evidence(found)
        if reached < value - rounding:
            return found
        if reached <= value + rounding and float(violations(found)[active].max()) < before:
            return found
    return None

"""Least squares with a norm from a cone of scales: interior point in the scales, then Newton on those that are left."""

from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.scale_cones import ScaleCone
from etatrick.numerics.scale_space import ScalePoint, ScaleSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEPS: Final = 120
PATIENCE: Final = 8
POLISH: Final = 30
SMALLEST: Final = 1e-200
EXACT: Final = 1e-13  # a relative gap that is rounding


def cone_gap(space: ScaleSpace, cone: ScaleCone, point: ScalePoint, z: "Floats") -> float:
    """Return the duality gap at w = η∘Q and the dual point r/t, relative to ½‖y‖².

    t = max(N*(Q), 1) makes Xᵀr/(λt) feasible; energies of the two sides, not Ω, so that it is cheap.
    """
    pull = point.pull
    shrink = 1 / max(cone.dual_norm(pull), 1.0)
    # with r = λC⁻¹y: ½‖r‖² + λ/2[Σw²/η + cᵀz] − ½‖y‖² + ½‖y − tr‖²
    charge, quadratic = float(cone.charges @ z), float(point.eta @ pull**2)
    residual = space.y - space.X @ point.coef
    square = float(residual @ residual) + space.outside
    total = float(space.y @ space.y) + space.outside
    gap = (1 + shrink**2) * square / 2 + space.noise * (quadratic + charge) / 2
    gap -= shrink * (float(residual @ space.y) + space.outside)
    return gap / (total / 2 or 1.0)


def cone_minimum(space: ScaleSpace, cone: ScaleCone, tol: float) -> "tuple[Floats, list[float]]":
    """Minimise (λ/2)[yᵀC⁻¹y + cᵀz] over z ≥ 0, convex; return z, and the lowest objective up to each step.

    Newton's method on the perturbed conditions z·s = μ, s = (c − ‖Q_g‖²)/2, with systems of min(m, n) unknowns.
    """
    charges = cone.charges
    nothing = space.at(np.zeros(space.X.shape[1]))
    null = space.noise * nothing.quadratic / 2
    if cone.dual_norm(nothing.pull) <= 1:
        return np.zeros(len(charges)), [null, null]
    z = _first(space, cone)
    s, best, least, idle, history = charges / 2, z, np.inf, 0, [null]
    for _ in range(STEPS):
        point = space.at(cone.spread(z))
        history.append(min(history[-1], space.noise * (point.quadratic + float(charges @ z)) / 2))
        gap = cone_gap(space, cone, point, z)
        idle = 0 if gap < 0.7 * least else idle + 1
        if gap < least:
            best, least = z, gap
        if gap <= tol / 100 or idle > PATIENCE:
            break
        rows = cone.gather(point.design * point.pull)
        slope = (charges - cone.gather(point.pull**2)) / 2
        target = 0.1 * float(z @ s) / len(z) * min(1.0, float(np.max(np.abs(slope - s) / charges)) + 0.1)
        try:
            step = _solve(rows, s / z, target / z - slope)
        except np.linalg.LinAlgError:  # singular to rounding
            break
        change = target / z - s - s / z * step
        length = min(1.0, 0.99 * _reach(z, step), 0.99 * _reach(s, change))
        z, s = np.maximum(z + length * step, SMALLEST), np.maximum(s + length * change, SMALLEST)
    polished = _polished(space, cone, best, least)
    point = space.at(cone.spread(polished))
    history.append(min(history[-1], space.noise * (point.quadratic + float(charges @ polished)) / 2))
    return polished, history


def _first(space: ScaleSpace, cone: ScaleCone) -> "Floats":
    """Return scales of the size of the solution: the best multiple of equal shares, then a few reweighted steps."""
    z = np.ones(len(cone.charges)) / cone.charges
    z *= float(np.abs(space.X.T @ space.y).max()) / float(np.einsum("ij,ij->j", space.X, space.X).max())
    for _ in range(3):
        pull = space.at(cone.spread(z)).pull
        z = np.maximum(z * np.sqrt(cone.gather(pull**2) / cone.charges), 1e-6 * z.max())
    return z


def _solve(rows: "Floats", diagonal: "Floats", right: "Floats") -> "Floats":
    """Solve (RᵀR + D)x = b, through RD⁻¹Rᵀ + I where R has fewer rows than columns."""
    unit = 1 / np.sqrt(diagonal)
    scaled = rows * unit
    if len(rows) >= rows.shape[1]:
        system = scaled.T @ scaled + np.eye(rows.shape[1])
        return unit * np.linalg.solve(system, unit * right)
    inner = unit * right
    system = scaled @ scaled.T + np.eye(len(rows))
    return unit * (inner - scaled.T @ np.linalg.solve(system, scaled @ inner))


def _reach(x: "Floats", step: "Floats") -> float:
    falling = step < 0
    return float((-x[falling] / step[falling]).min(initial=np.inf))


def _polished(space: ScaleSpace, cone: ScaleCone, z: "Floats", least: float) -> "Floats":
    """Return z with zeros where the dual is slack, after Newton steps on the others, if the gap is then smaller."""
    slack = 1 - cone.gather(space.at(cone.spread(z)).pull ** 2) / cone.charges
    kept = np.flatnonzero(z / z.max() > np.maximum(slack, 0.0))
    current, best = np.where(np.isin(np.arange(len(z)), kept), z, 0.0), z
    least = max(10 * least, EXACT)  # exact zeros are worth a digit
    for _ in range(POLISH if len(kept) <= len(space.y) else 0):
        point = space.at(cone.spread(current))
        gap = cone_gap(space, cone, point, current)
        if gap < least:
            best, least = current, gap
        rows = cone.gather(point.design * point.pull)[:, kept]
        slope = (cone.charges - cone.gather(point.pull**2))[kept] / 2
        step: Floats = -np.asarray(np.linalg.lstsq(rows.T @ rows, slope, rcond=1e-13)[0], dtype=np.float64)
        moved = current.copy()
        moved[kept] += min(1.0, 0.9 * _reach(current[kept], step)) * step
        if np.array_equal(moved, current):
            break
        current = moved
    return best

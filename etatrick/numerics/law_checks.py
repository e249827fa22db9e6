"""The laws of a penalty as numeric checks: each returns a verdict with its points and tolerance, or a witness."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.scalar_penalty import ScalarPenalty

    Floats = NDArray[np.float64]

POINTS: Final = np.unique(np.r_[np.geomspace(1e-4, 200.0, 241), np.linspace(0.013, 6.0, 97)])
STEPS: Final = (0.3, 1.0, 2.7)
TARGETS: Final = np.r_[np.linspace(0.007, 9.0, 180), 30.0, 150.0]
NEAR: Final = 2e-2  # points closer to a break than this, relatively, have no two-sided differences
STRIDE: Final = 1e-3
EXACT, DIFFERENCES, OBJECTIVE = 1e-12, 1e-6, 1e-10


def _verdict(name: str, excess: "Floats", tolerance: float, **where: "Floats") -> Verdict:
    """Return checked where every excess is within the tolerance (NaN is not), else refuted at the worst point."""
    flat = np.where(np.isnan(excess), np.inf, excess).ravel()
    worst = int(np.argmax(flat)) if flat.size else 0
    low, high = (float(f(next(iter(where.values())))) for f in (np.min, np.max))
    domain = f"{next(iter(where))} in [{low:g}, {high:g}]"
    if flat.size == 0 or flat[worst] <= tolerance:
        return Verdict("checked", name, domain, detail=f"{flat.size} points, tolerance {tolerance:g}")
    witness = {key: float(np.broadcast_to(values, excess.shape).ravel()[worst]) for key, values in where.items()}
    return Verdict("refuted", name, domain, {**witness, "error": float(flat[worst])})


def _regular(p: "ScalarPenalty", x: "Floats" = POINTS) -> "Floats":
    """Return the points that are not next to a break."""
    for b in p.breaks:
        x = x[np.abs(x - b) > NEAR * b]
    return x


def zero(p: "ScalarPenalty") -> Verdict:
    """Ω(0) = 0."""
    at = np.zeros(1)
    return _verdict("Ω(0) = 0", np.abs(p.value(at)), EXACT, w=at)


def even(p: "ScalarPenalty") -> Verdict:
    """Ω, Ω′ and the proximal map are even, even and odd."""
    value, slope, prox = p.value(POINTS), p.slope(POINTS), p.prox(POINTS, 1.0)
    with np.errstate(invalid="ignore"):
        error = np.maximum(np.abs(p.value(-POINTS) - value), np.abs(p.slope(-POINTS) - slope))
        error = np.maximum(error, np.abs(p.prox(-POINTS, 1.0) + prox))
    return _verdict("Ω(−w) = Ω(w), prox(−v) = −prox(v)", error / (1 + np.abs(value)), EXACT, w=POINTS)


def nondecreasing(p: "ScalarPenalty") -> Verdict:
    """Ω does not decrease, and Ω′ ≥ 0."""
    value = p.value(POINTS)
    fall = np.maximum(-np.diff(value), -p.slope(POINTS[1:]) * np.diff(POINTS))
    return _verdict("Ω does not decrease", fall / (1 + np.abs(value[1:])), EXACT, w=POINTS[1:])


def slope(p: "ScalarPenalty") -> Verdict:
    """Ω′ against differences of Ω, extrapolated once."""
    x = _regular(p)
    want = _differences(p.value, x)
    scale = np.abs(p.slope(x)) + np.abs(p.value(x)) / x
    return _verdict("Ω′ is the derivative of Ω", (np.abs(p.slope(x) - want) - _rounding(p.value, x)) / scale.clip(1e-9),
                    DIFFERENCES, w=x)  # fmt: skip


def curvature(p: "ScalarPenalty") -> Verdict:
    """Ω″ against differences of Ω′."""
    x = _regular(p)
    scale = np.abs(p.curvature(x)) + np.abs(p.slope(x)) / x
    error = (np.abs(p.curvature(x) - _differences(p.slope, x)) - _rounding(p.slope, x)) / scale.clip(1e-9)
    return _verdict("Ω″ is the derivative of Ω′", error, DIFFERENCES, w=x)


def _differences(function: "Callable[[Floats], Floats]", x: "Floats") -> "Floats":
    def central(h: "Floats") -> "Floats":
        return (function(x + h) - function(x - h)) / (2 * h)

    with np.errstate(invalid="ignore"):
        return (4 * central(STRIDE * x) - central(2 * STRIDE * x)) / 3


def _rounding(function: "Callable[[Floats], Floats]", x: "Floats") -> "Floats":
    """Return what rounding of terms of size 1 + |f| leaves in differences."""
    return 4e-15 * (1 + np.abs(function(x))) / (STRIDE * x)


def eta_hat(p: "ScalarPenalty") -> Verdict:
    """η̂Ω′ = w, with η̂ = ∞ where Ω′ = 0."""
    x = _regular(p)
    weight, steep = p.eta_hat(x), p.slope(x)
    flat = steep <= 1e-12 * np.maximum.accumulate(steep)  # there η̂ overflows or is rounding
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where(flat, np.where(weight > 1e3 * x, 0.0, 1.0), np.abs(weight * steep / x - 1))
    return _verdict("η̂(w) = w/Ω′(w)", error, 1e-6, w=x)


def prox(p: "ScalarPenalty") -> Verdict:
    """No point of a fine grid has a lower objective than the proximal map, at its own jumps neither."""
    worst: list[tuple[Floats, Floats, float]] = []
    for t in STEPS:
        v = np.unique(np.r_[TARGETS, _jumps(p, t)])
        grid = np.unique(np.r_[0.0, np.linspace(0, 1, 1501)[1:], np.geomspace(1e-9, 1, 200)])
        mine = _objective(p, p.prox(v, t), v, t)
        points = v[:, None] * grid
        every = _objective(p, points, v[:, None], t)
        best = np.take_along_axis(points, every.argmin(axis=1)[:, None], axis=1)
        fine = np.clip(best + v[:, None] * np.linspace(-1, 1, 201) / 1500, 0, None)
        least = np.minimum(every.min(axis=1), _objective(p, fine, v[:, None], t).min(axis=1))
        with np.errstate(invalid="ignore"):
            worst.append(((mine - least) / (v**2 / 2), v, t))
    excess, v = (np.concatenate([part[k] for part in worst]) for k in (0, 1))
    steps = np.concatenate([np.full(len(part[1]), part[2]) for part in worst])
    return _verdict("the proximal map minimises ½(w − v)² + tΩ(w)", excess, OBJECTIVE, v=v, t=steps)


def _objective(p: "ScalarPenalty", w: "Floats", v: "Floats", t: float) -> "Floats":
    """Return the objective less ½v²; with Ω(0) = −∞ the largest float stands for it."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(w * (w / 2 - v) + t * p.value(w), neginf=-1e300, posinf=1e300, nan=1e300))


def _jumps(p: "ScalarPenalty", t: float) -> "Floats":
    """Return both sides of where the proximal map seems to jump, by bisection."""
    found = p.prox(TARGETS, t)
    steep = np.flatnonzero(np.abs(np.diff(found)) > 0.02 + 5 * np.diff(TARGETS))
    low, high = TARGETS[steep], TARGETS[steep + 1]
    at_low = found[steep]
    half = np.abs(found[steep + 1] - at_low) / 2
    for _ in range(30):
        middle = (low + high) / 2
        near = np.abs(p.prox(middle, t) - at_low) < half
        low, high = np.where(near, middle, low), np.where(near, high, middle)
    return np.asarray(np.r_[low, high, low * (1 - 1e-3), high * (1 + 1e-3)])


def stationarity(p: "ScalarPenalty") -> Verdict:
    """(v − prox(v))/t is a subgradient at prox(v)."""
    v, t = (a.ravel() for a in np.meshgrid(TARGETS, STEPS))
    at = np.concatenate([p.prox(TARGETS, step) for step in STEPS])
    distance = p.subdifferential_distance(at, (v - at) / t)
    return _verdict("the residual of the proximal map is a subgradient", distance / (1 + v / t), 1e-9, v=v, t=t)


def convexity(p: "ScalarPenalty") -> Verdict:
    """Ω at midpoints, where Ω is said to be convex."""
    if not p.convex:
        return Verdict("unknown", "not said to be convex")
    a, b = np.meshgrid(np.r_[-POINTS[::4], 0.0, POINTS[::4]], POINTS[::4])
    excess = p.value((a + b) / 2) - (p.value(a) + p.value(b)) / 2
    return _verdict("Ω((a + b)/2) ≤ (Ω(a) + Ω(b))/2", excess / (1 + p.value(a) + p.value(b)), EXACT, a=a, b=b)


def conjugate(p: "ScalarPenalty") -> Verdict:
    """Fenchel–Young: Ω(w) + Ω*(z) ≥ wz, with equality at z = Ω′(w); where Ω is said to be convex."""
    if not p.convex:
        return Verdict("unknown", "not said to be convex")
    x = _regular(p)
    z = p.slope(x)
    rival = p.conjugate(z)
    with np.errstate(invalid="ignore"):
        gap = p.value(x)[:, None] + rival - np.outer(x, z)
        scale = 1 + p.value(x)[:, None] + np.abs(np.outer(x, z))
        error = np.where(np.eye(len(x), dtype=bool), np.abs(gap), np.maximum(-gap, 0.0)) / scale
    w, pull = np.meshgrid(x, z, indexing="ij")
    return _verdict("Ω(w) + Ω*(z) ≥ wz, equal at z = Ω′(w)", error, 1e-9, w=w, z=pull)


def cvxpy_value(penalty: Any, p: "ScalarPenalty") -> Verdict:
    """Return whether the cvxpy model, where there is one, has the value of the penalty."""
    from etatrick.numerics.modelling import cvxpy_penalty

    if not p.convex:
        return Verdict("unknown", "not said to be convex")
    import cvxpy as cp

    x = np.array([-20.0, -1.3, -0.2, 0.0, 0.01, 0.7, 5.0])
    variable = cp.Variable(len(x))
    try:
        model = cvxpy_penalty(penalty, variable)
    except InputError as refusal:
        return Verdict("unknown", "no cvxpy model", detail=str(refusal))
    variable.value = x
    total = float(p.value(x).sum())
    error = np.array([abs(float(model.value) - total) / (1 + total)])
    return _verdict("the cvxpy model has the value ΣΩ", error, 1e-7, w=np.array([x.max()]))


LAWS: Final[Mapping[str, "Callable[[ScalarPenalty], Verdict]"]] = MappingProxyType({
    "zero": zero, "even": even, "nondecreasing": nondecreasing, "slope": slope, "curvature": curvature,
    "eta_hat": eta_hat, "prox": prox, "stationarity": stationarity, "convexity": convexity, "conjugate": conjugate,
})  # fmt: skip

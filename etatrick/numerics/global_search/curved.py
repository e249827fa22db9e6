"""Penalties that bend less and less: log-sum, exponential, transformed ℓ1: concave with convex slope, Ω″ ≤ 0 ≤ Ω‴."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import compile_penalty
from etatrick.numerics.global_search.folded import FoldedShape, folded_shape
from etatrick.numerics.global_search.quadratic import UNIT
from etatrick.numerics.global_search.scalar import ScalarMinimum, scalar_minimum
from etatrick.numerics.global_search.sides import Segments, segments
from etatrick.numerics.working_set.curve import Curve, read_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.global_search.shape import Shape
    from etatrick.theory.verdict import Status

    Floats = NDArray[np.float64]

DIGITS: Final = 50
SAMPLES: Final = 240
SAFETY: Final = 16.0
STEPS: Final = 60


@final
@dataclass(frozen=True)
class CurvedShape:
    """Ω of t ≥ 0 with Ω(0) = 0, a finite slope σ at 0, Ω″ ≤ 0 and Ω‴ ≥ 0.

    Then ½δt² − zt + λΩ(t) has a convex derivative: it falls only between two points, and its minimum over an interval
    is at the left end or at the larger zero of its derivative, to which Newton's method from the right descends.

    Parameters
    ----------
    curve : Curve
        Ω, Ω′ and Ω″ as functions.
    rounding : float
        A computed Ω(t) is taken to be right to u·(rounding + 16 Ω(t)), u the unit roundoff.
    """

    curve: Curve
    rounding: float

    @property
    def jump(self) -> float:
        """Ω(0+) = 0."""
        return 0.0

    @property
    def kink(self) -> None:
        """The slope drops nowhere at once."""
        return

    @property
    def local(self) -> bool:
        """Its segments are right close to a point only."""
        return True

    @property
    def certainty(self) -> "Status":
        """The rounding of Ω was compared with 50 digits at samples."""
        return "checked"

    @property
    def slope(self) -> float:
        """σ = Ω′(0+)."""
        return self.curve.start

    @property
    def height(self) -> float:
        """What a coordinate is known to cost at least when it is large: nothing, for no coordinate is called large."""
        return 0.0

    def value(self, coef: "Floats") -> "Floats":
        """Return Ω(|w|)."""
        return self.curve.value(np.abs(coef))

    def steepness(self, size: "Floats") -> "Floats":
        """Return Ω′(t)."""
        return self.curve.slope(size)

    def bending(self, size: "Floats") -> "Floats":
        """Return Ω″(t)."""
        return self.curve.bend(size)

    def error(self, coef: "Floats") -> "Floats":
        """Return a bound of the rounding error of `value`."""
        return UNIT * (self.rounding + SAFETY * self.value(coef))


def read_shape(penalty: Any) -> "Shape":
    """Return the shape of a penalty, flat beyond a point or curved.

    Parameters
    ----------
    penalty : catalogue entry, Duality, CompiledPenalty, FoldedShape or CurvedShape

    Raises
    ------
    InputError
        If it is neither: no bound would be exact.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> read_shape(penalties["log_sum"](epsilon=2)).certainty
    'checked'
    """
    if isinstance(penalty, CurvedShape):
        return penalty
    try:
        return folded_shape(penalty)
    except InputError:
        found = None if isinstance(penalty, FoldedShape) else curved_shape(penalty)
        if found is None:
            raise
        return found


def curved_shape(penalty: Any) -> CurvedShape | None:
    """Return the shape of a penalty, or None if Ω″ ≤ 0 ≤ Ω‴ is not proved or the slope at 0 is not finite.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> curved_shape(penalties["log_sum"](epsilon=2)).slope
    0.5
    >>> curved_shape(penalties["atan"](c=1)) is None
    True
    """
    return _curved(compile_penalty(penalty).duality)


@lru_cache(maxsize=64)
def _curved(duality: Any) -> CurvedShape | None:
    import mpmath
    import sympy as sp

    from etatrick.theory.signs import prove_sign
    from etatrick.theory.symbols import w

    form = duality.penalty
    if form.has(sp.Piecewise) or duality.jump != 0 or w not in form.free_symbols:
        return None
    second = sp.simplify(sp.diff(form, w, 2))
    if second == 0 or not all(prove_sign(part).holds for part in (-second, sp.diff(second, w))):
        return None
    try:
        curve = read_curve(duality)
    except InputError:
        return None
    if not (np.isfinite(curve.start) and curve.start > 0):
        return None
    places = np.geomspace(1e-12, 1e8, SAMPLES)
    exact = sp.lambdify(w, form, "mpmath")
    with mpmath.workdps(DIGITS):
        wrong = [float(abs(exact(mpmath.mpf(float(t))) - mpmath.mpf(float(v))))
                 for t, v in zip(places, curve.value(places), strict=True)]  # fmt: skip
    excess = np.array(wrong) / UNIT - SAFETY / 2 * curve.value(places)
    return CurvedShape(curve, SAFETY * max(1.0, float(excess.max())))


@scalar_minimum.register(CurvedShape)
def _(
    shape: CurvedShape,
    lam: float,
    delta: "Floats",
    z: "Floats",
    low: "Floats",
    high: "Floats",
    large: "NDArray[np.bool_]",
) -> ScalarMinimum:
    value, point, error = np.full(z.shape, np.inf), np.zeros(z.shape), np.zeros(z.shape)
    with np.errstate(all="ignore"):
        for sign in (1.0, -1.0):
            left, right = (low, high) if sign > 0 else (-high, -low)
            a = np.maximum(left, 0.0)
            there = right >= a
            b = np.maximum(right, a)
            far, slack = largest_root(shape, lam, delta, sign * z, a, b)
            for t in (a, far):
                size = np.where(np.isfinite(t), t, 0.0)
                found = np.where(
                    np.isfinite(t), size * (delta * size / 2 - sign * z) + lam * shape.value(size), -np.inf
                )
                better = there & (found < value)
                value, point = np.where(better, found, value), np.where(better, sign * t, point)
                wrong = 16 * UNIT * size * (delta * size + np.abs(z)) + 2 * lam * shape.error(size) + slack
                error = np.where(there, np.maximum(error, wrong), error)
    return ScalarMinimum(value, point, error)


def largest_root(
    shape: CurvedShape, lam: float, delta: "Floats", z: "Floats", a: "Floats", b: "Floats"
) -> "tuple[Floats, Floats]":
    """Return a point t of [a, b] such that ½δt² − zt + λΩ is least at a or at t, and what rounding may cost.

    The derivative D(t) = δt − z + λΩ′(t) is convex, and positive at z/δ. Newton's iterates from there fall towards its
    largest zero without passing it; where D stops rising before, there is none, and the function rises from a on. Right
    of the zero D is between 0 and its value at the iterate, so that the iterate costs at most D(t)(t − a).
    """
    top = np.where(delta > 0, np.minimum(np.maximum(z, 0.0) / delta, b), np.where(z > 0, b, a))
    t = np.maximum(top, a)
    live = np.isfinite(t) & (t > a)
    done = np.zeros(t.shape, dtype=bool)
    for _ in range(STEPS):
        size = np.where(live, t, a)
        rise = delta * size - z + lam * shape.curve.slope(size)
        turn = delta + lam * shape.curve.bend(size)
        none = live & (rise > 0) & (turn <= 0)
        step = np.where(live & (rise > 0) & (turn > 0), rise / turn, 0.0)
        moved = np.maximum(size - step, a)
        t = np.where(none, a, np.where(live, moved, t))
        done = ~live | (step <= 4 * UNIT * size)
        live &= ~none & (moved > a)
        if done.all():
            break
    size = np.where(np.isfinite(t), t, a)
    slope = shape.curve.slope(size)
    left = np.maximum(delta * size - z + lam * slope, 0.0)
    wrong = 16 * UNIT * (delta * np.where(np.isfinite(top), top, 0.0) + np.abs(z) + lam * shape.slope)
    width = np.where(np.isfinite(top), np.maximum(top - a, 0.0), 0.0)
    # why: at b the derivative may be negative still, which is no error
    return t, np.where(t > a, left * np.maximum(size - a, 0.0), 0.0) + wrong * width


@segments.register(CurvedShape)
def _(
    shape: CurvedShape,
    lam: float,
    delta: "Floats",
    low: "Floats",
    high: "Floats",
    large: "NDArray[np.bool_]",
    near: "Floats",
) -> Segments:
    sides = [_side(shape, lam, delta, low, high, near), _side(shape, lam, delta, -high, -low, -near)]
    start, slope, width, bend = (np.concatenate([side[k] for side in sides]) for k in range(4))
    return Segments(np.clip(0.0, low, high), start, slope, width, bend, np.stack([side[4] for side in sides]))


def _side(
    shape: CurvedShape, lam: float, delta: "Floats", low: "Floats", high: "Floats", near: "Floats"
) -> "tuple[Floats, ...]":
    """Return the tangent from the left end, and beyond it two quadratics that meet next to `near`.

    Their slope is right where they meet and nowhere too small, as g′ is convex and g″ ≤ δ: steps along them descend.
    Only the descent towards good points uses them, not the bounds.
    """
    a = np.maximum(low, 0.0)
    b = np.maximum(high, a)
    with np.errstate(all="ignore"):
        touch = _tangent_point(shape, lam, delta, a, b)
        base = delta * touch + lam * shape.curve.slope(touch)
        chord = delta * (touch + a) / 2 + lam * (shape.value(touch) - shape.value(a)) / (touch - a)
        incline = np.where((touch > a) & (touch >= b), chord, base)
        q = np.clip(near, touch, b)
        steep = delta * q + lam * shape.curve.slope(q)
        secant = np.where(q > touch, np.maximum(steep - base, 0.0) / (q - touch), delta)
        rest = np.where(np.isfinite(q), np.maximum(b - q, 0.0), 0.0)
    start = np.stack([a, touch, q])
    ends = np.stack([np.where(touch > a, a, 0.0), np.where(touch > a, touch, 0.0)])
    slope = np.stack([incline, np.maximum(base, incline), np.maximum(steep, incline)])
    return start, slope, np.stack([touch - a, q - touch, rest]), np.stack([np.zeros_like(a), secant, delta]), ends


def _tangent_point(shape: CurvedShape, lam: float, delta: "Floats", a: "Floats", b: "Floats") -> "Floats":
    """Return where the line from the left end touches g = ½δt² + λΩ, b if it does not before, a where g is convex.

    With h(t) = g′(t)(t − a) − g(t) + g(a), h′ = g″(t)(t − a): h falls from 0 while g is concave and rises afterwards,
    convexly, so that Newton's method falls to its zero from the right.
    """
    base = lam * shape.value(a)
    far = np.where(np.isfinite(b), b, a + 1.0)

    def h(t: "Floats", slope: "Floats") -> "Floats":
        return delta * (t - a) ** 2 / 2 + lam * slope * (t - a) - lam * shape.value(t) + base

    for _ in range(60):
        short = np.isinf(b) & (h(far, shape.curve.slope(far)) < 0)
        if not short.any():
            break
        far = np.where(short, a + 2 * (far - a), far)
    t = far
    for _ in range(30):
        left, turn = h(t, shape.curve.slope(t)), (delta + lam * shape.curve.bend(t)) * (t - a)
        step = np.where((left > 0) & (turn > 0), left / turn, 0.0)
        t = np.maximum(t - step, a)
        if not (step > 1e-13 * (1 + t)).any():
            break
    return np.where(delta + lam * shape.curve.bend(a) >= 0, a, t)

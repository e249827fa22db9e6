"""Penalties that rise, bend down and stay flat: ℓ0, MCP, CEL0, SCAD and capped ℓ1 as one shape of four numbers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import CompiledPenalty, compile_penalty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.theory.verdict import Status

REMEDY: Final = "use l0, mcp, cel0, scad, capped_l1 or log_sum, or solve(…) with its local certificates"


@final
@dataclass(frozen=True)
class FoldedShape:
    r"""Ω(t) of t ≥ 0: a jump at 0, slope σ up to the knee, falling linearly to 0 at the flat point, then constant.

    Parameters
    ----------
    jump : float
        Ω(0+) ≥ 0, with Ω(0) = 0.
    slope : float
        σ = Ω′(0+) ≥ 0.
    knee, flat : float
        0 ≤ knee ≤ flat; where they meet, the slope drops at once.

    Examples
    --------
    MCP with A = 2, and its height A/2:

    >>> shape = FoldedShape(jump=0.0, slope=1.0, knee=0.0, flat=2.0)
    >>> shape.height, shape.bend
    (1.0, 0.5)
    >>> shape.value(np.array([0.0, -1.0, 5.0]))
    array([0.  , 0.75, 1.  ])
    """

    jump: float
    slope: float
    knee: float
    flat: float

    @property
    def bend(self) -> float:
        """The curvature −Ω″ between knee and flat point; 0 where they meet."""
        return self.slope / (self.flat - self.knee) if self.flat > self.knee else 0.0

    @property
    def height(self) -> float:
        """Ω(∞) = jump + σ (knee + flat)/2."""
        return self.jump + self.slope * (self.knee + self.flat) / 2

    @property
    def kink(self) -> float | None:
        """Where the slope drops at once: the flat point, if it is the knee."""
        return self.flat if self.knee == self.flat else None

    @property
    def local(self) -> bool:
        """Its segments are right everywhere."""
        return False

    @property
    def certainty(self) -> "Status":
        """Every rounding error is bounded."""
        return "certified"

    def steepness(self, size: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω′(t) for t > 0."""
        fallen = self.slope - self.bend * np.maximum(size - self.knee, 0.0)
        return np.where(size < self.flat, fallen, 0.0)

    def bending(self, size: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω″(t) for t > 0."""
        return np.where((size > self.knee) & (size < self.flat), -self.bend, 0.0)

    def error(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return 0: Ω is right to a few operations on its height."""
        return np.zeros_like(coef)

    def value(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω(|w|), 0 at 0."""
        t = np.abs(np.asarray(coef, dtype=np.float64))
        over = np.clip(t - self.knee, 0.0, self.flat - self.knee)
        risen = self.slope * (np.minimum(t, self.flat) - over**2 * (self.bend / self.slope if self.slope else 0.0) / 2)
        return np.where(t > 0, self.jump + np.where(t < self.flat, risen, self.height - self.jump), 0.0)


def folded_shape(penalty: Any) -> FoldedShape:
    """Return the shape of a penalty, read off its symbolic form.

    Parameters
    ----------
    penalty : catalogue entry, Duality, CompiledPenalty or FoldedShape

    Raises
    ------
    InputError
        If the penalty is not of this shape: its bounds would not be exact.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> folded_shape(penalties["capped_l1"](theta=2))
    FoldedShape(jump=0.0, slope=1.0, knee=2.0, flat=2.0)
    """
    if isinstance(penalty, FoldedShape):
        return _checked(penalty)
    shape = _read(compile_penalty(penalty))
    if shape is None:
        name = str(getattr(penalty, "name", penalty))
        raise InputError(name, "is neither flat beyond a point nor bent less and less (Ω″ ≤ 0 ≤ Ω‴)", REMEDY)
    return shape


def _checked(shape: FoldedShape) -> FoldedShape:
    numbers = (shape.jump, shape.slope, shape.knee, shape.flat)
    if not (np.isfinite(numbers).all() and min(numbers) >= 0 and shape.knee <= shape.flat):
        raise InputError(str(shape), "needs finite jump, slope ≥ 0 and 0 ≤ knee ≤ flat", "pass such numbers")
    if shape.jump > 0 and shape.slope > 0:
        raise InputError(str(shape), "has both a jump and a slope", REMEDY)
    return shape if shape.slope > 0 else FoldedShape(shape.jump, 0.0, 0.0, 0.0)


def _read(penalty: CompiledPenalty) -> FoldedShape | None:
    """Return the shape of the pieces of Ω, or None; every piece is compared exactly."""
    import sympy as sp

    from etatrick.theory.symbols import w

    form = penalty.duality.penalty.rewrite(sp.Piecewise)
    pieces = list(form.args) if isinstance(form, sp.Piecewise) else [sp.Tuple(form, sp.true)]
    rules = [sp.expand(piece[0]) for piece in pieces]
    ends = []
    for piece in pieces[:-1]:
        if not isinstance(piece[1], sp.Le | sp.Lt) or piece[1].lhs != w or piece[1].rhs.free_symbols:
            return None
        ends.append(piece[1].rhs)
    last = rules[-1]
    if last.free_symbols or len(rules) > 3 or not last.is_positive:
        return None
    if not ends:
        return FoldedShape(float(last), 0.0, 0.0, 0.0)
    sigma, flat = sp.limit(sp.diff(rules[0], w), w, 0), ends[-1]
    linear = sp.expand(rules[0] - sigma * w) == 0
    knee = ends[0] if linear else sp.Integer(0)
    if (len(rules) == 3 and not linear) or not (sigma.is_positive and flat.is_positive):
        return None
    expected = [sigma * w] if linear else []
    if flat != knee:
        expected.append(sigma * w - sigma * (w - knee) ** 2 / (2 * (flat - knee)))
    expected.append(sigma * (knee + flat) / 2)
    if len(expected) != len(rules) or any(sp.simplify(a - b) != 0 for a, b in zip(expected, rules, strict=True)):
        return None
    return FoldedShape(0.0, float(sigma), float(knee), float(flat))

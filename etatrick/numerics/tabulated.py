"""A penalty known only through numbers, tabulated once: wΩ′(w) in piecewise polynomials in log w, and its integral."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import sympy as sp

from etatrick.numerics.scalar_penalty import ScalarPenalty
from etatrick.theory.gates.base import GateLaw
from etatrick.theory.symbols import w

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DEGREE: Final = 15
LOW, HIGH = -10, 10  # decades of w that are tabulated; beyond, every number is computed afresh
SPLITS: Final = 12
TOLERANCE: Final = 1e-13
TINY, HUGE = (1e-50, 1e-100), (1e50, 1e100)
ANGLES: Final = np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1)
NODES: Final = np.cos(ANGLES)
CHECKS: Final = np.array([-0.97, -0.55, -0.13, 0.31, 0.77, 0.985])
WEIGHTS: Final = np.r_[1.0, np.full(DEGREE, 2.0)] / (DEGREE + 1)
TO_COEFFICIENTS: Final = np.cos(np.outer(ANGLES, np.arange(DEGREE + 1))) * WEIGHTS


@final
@dataclass(frozen=True)
class TabulatedPenalty(ScalarPenalty):
    """Elementwise functions of |w| for a duality without closed forms, to about 1e-12 of the numbers it gives.

    Parameters
    ----------
    duality : Duality or GateLaw
        With ``penalty_at``, ``eta_hat_at`` and ``conditions``.

    Examples
    --------
    >>> from etatrick.theory import strategies
    >>> p = TabulatedPenalty(strategies["hard_concrete"]().duality)
    >>> p.value(np.array([0.0, 0.1, -1.0])).round(6)
    array([0.      , 0.138371, 0.5     ])
    """

    duality: Any

    @property
    def formula(self) -> str:
        """What is known of it, as text."""
        dual = getattr(self.duality, "dual", None)
        return repr(self.duality) if dual is None else f"the penalty with dual {dual}"

    @cached_property
    def slope_at_zero(self) -> float:
        """Ω′(0+), possibly infinite."""
        return _limit(*self._direct(np.array(TINY)))

    @cached_property
    def curvature_at_zero(self) -> float:
        """Ω″(0+), possibly infinite: 1/η̂(0+) where Ω starts flat, else from the table."""
        if self.slope_at_zero == 0:
            start = float(self.duality.eta_hat_at(np.zeros(1))[0])
            return 1 / start if start > 0 else np.inf
        if not np.isfinite(self.slope_at_zero):
            return -np.inf
        return float(self.curvature(np.array([1e-6]))[0])

    @cached_property
    def steepest(self) -> float:
        """Sup Ω′ of a convex penalty."""
        return _limit(*self._direct(np.array(HUGE)))

    @cached_property
    def convex(self) -> bool:
        """Whether convexity was proved."""
        return bool(self.duality.conditions["convex"].status == "proved")

    @cached_property
    def jump(self) -> float:
        """Ω(0+) − Ω(0)."""
        return float(getattr(self.duality, "jump", 0.0))

    @cached_property
    def breaks(self) -> tuple[float, ...]:
        """Where η̂ jumps, or the pieces of a formula meet."""
        jumps = getattr(self.duality, "jumps", tuple)
        found = {float(jump.w) for jump in jumps()}
        for expr in (getattr(self.duality, "penalty", None), getattr(self.duality, "eta_hat", None)):
            if isinstance(expr, sp.Basic):
                for relation in expr.rewrite(sp.Piecewise).atoms(sp.core.relational.Relational):
                    sides = {relation.lhs, relation.rhs} - {w}
                    found |= {float(s) for s in sides if s.is_number and s.is_finite and s > 0}
        return tuple(sorted(found))

    def value(self, coef: "Floats") -> "Floats":
        """Return Ω(|w|)."""
        size = np.abs(np.asarray(coef, dtype=np.float64))
        return np.where(size > 0, self._table.value(size), self._start)

    def slope(self, coef: "Floats") -> "Floats":
        """Return Ω′(|w|), with Ω′(0+) at 0."""
        size = np.abs(np.asarray(coef, dtype=np.float64))
        return np.where(size > 0, np.maximum(self._table.slope(size), 0.0), self.slope_at_zero)

    def curvature(self, coef: "Floats") -> "Floats":
        """Return Ω″(|w|) for w ≠ 0, and 0 at 0."""
        size = np.abs(np.asarray(coef, dtype=np.float64))
        return np.where(size > 0, self._table.curvature(size), 0.0)

    def eta_hat(self, coef: "Floats") -> "Floats":
        """Return η̂(|w|), possibly infinite; gate laws give it also where Ω is flat up to rounding."""
        if isinstance(self.duality, GateLaw):
            return np.asarray(self.duality.eta_hat_at(coef), dtype=np.float64)
        return super().eta_hat(coef)

    @cached_property
    def _start(self) -> float:
        return 0.0 if self.jump else float(self.duality.penalty_at(np.zeros(1))[0])

    @property
    def _table(self) -> "Table":
        return _tabulated(self.duality, self.breaks)

    def _direct(self, x: "Floats") -> "Floats":
        return _direct_slope(self.duality, x)


@final
@dataclass(frozen=True, eq=False)
class Table:
    """g(u) = wΩ′(w) at w = eᵘ in Chebyshev polynomials between edges, their integrals, and Ω at the edges.

    Beyond the edges Ω′ goes on as the power of w that it is there.
    """

    edges: "Floats"
    coefficients: "Floats"
    integrals: "Floats"
    values: "Floats"

    def slope(self, size: "Floats") -> "Floats":
        """Return Ω′ = g/w at w > 0."""
        piece, s, _, near = self._place(size)
        found = _clenshaw(self.coefficients, piece, s) / near
        return self._powers(found, size, near, 0)

    def value(self, size: "Floats") -> "Floats":
        """Return Ω, the integral of g over u."""
        piece, s, half, near = self._place(size)
        found = np.asarray(self.values[piece] + half * _clenshaw(self.integrals, piece, s))
        out = size != near
        if out.any():
            power, edge = self._exponents(size[out]), near[out]
            rise, ratio = self.slope(edge) * edge, size[out] / edge
            with np.errstate(all="ignore"):
                gain = np.where(power == -1, np.log(ratio), (ratio ** (power + 1) - 1) / (power + 1))
            found[out] += np.where(rise > 0, rise * gain, 0.0)
        return np.maximum(found, 0.0) if self.values[0] >= 0 else found

    def curvature(self, size: "Floats") -> "Floats":
        """Return Ω″ = (g′ − g)/w²."""
        piece, s, half, near = self._place(size)
        bent = _clenshaw(self._derivatives, piece, s) / half - _clenshaw(self.coefficients, piece, s)
        return self._powers(bent / near**2, size, near, 1)

    def _powers(self, found: "Floats", size: "Floats", near: "Floats", order: int) -> "Floats":
        out = (size != near) & (found != 0)
        if out.any():
            with np.errstate(all="ignore"):
                found[out] *= (size[out] / near[out]) ** (self._exponents(size[out]) - order)
        return found

    def _exponents(self, size: "Floats") -> "Floats":
        return np.where(size < self.edges[0], self._ends[0], self._ends[1])

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """The exponents wΩ″/Ω′ at the two ends, a whole number where they are nearly one."""
        ends = self.edges[[0, -1]]
        with np.errstate(all="ignore"):
            found = np.nan_to_num(ends * self.curvature(ends) / self.slope(ends), posinf=0.0, neginf=0.0)
        low, high = np.where(np.abs(found - np.round(found)) < 1e-6, np.round(found), found)
        return float(low), float(high)

    @cached_property
    def _derivatives(self) -> "Floats":
        return np.asarray(np.polynomial.chebyshev.chebder(self.coefficients))

    @cached_property
    def _logs(self) -> "Floats":
        return np.log(self.edges)

    def _place(self, size: "Floats") -> "tuple[NDArray[np.intp], Floats, Floats, Floats]":
        near = np.clip(size, self.edges[0], self.edges[-1])
        piece = np.clip(np.searchsorted(self.edges, near, side="left") - 1, 0, len(self.edges) - 2)
        half = (np.diff(self._logs) / 2)[piece]
        return piece, np.clip((np.log(near) - self._logs[piece]) / half - 1, -1.0, 1.0), half, near


def _clenshaw(coefficients: "Floats", piece: "NDArray[np.intp]", s: "Floats") -> "Floats":
    ahead, last = np.zeros(s.shape), np.zeros(s.shape)
    for row in coefficients[:0:-1]:
        ahead, last = row[piece] + 2 * s * ahead - last, ahead
    return np.asarray(coefficients[0][piece] + s * ahead - last)


@lru_cache(maxsize=64)
def _tabulated(duality: Any, breaks: tuple[float, ...]) -> Table:
    inner = [b for b in breaks if 10.0**LOW < b < 10.0**HIGH]
    edges = np.unique(np.r_[10.0 ** np.arange(LOW, HIGH + 1), inner])
    done: list[tuple[float, float, Floats]] = []
    first, largest = edges[:-1], np.zeros(len(edges) - 1)
    todo, before = np.column_stack([edges[:-1], edges[1:]]), np.full(len(edges) - 1, np.inf)
    for depth in range(SPLITS + 1):
        if not len(todo):
            break
        logs = np.log(todo)
        middle, half = logs.mean(axis=1)[:, None], (np.diff(logs, axis=1) / 2)
        x = np.exp(middle + half * np.r_[NODES, CHECKS])
        x = np.clip(x, np.nextafter(todo[:, :1], np.inf), np.nextafter(todo[:, 1:], 0))
        g = x * _direct_slope(duality, x)
        fitted = g[:, : DEGREE + 1] @ TO_COEFFICIENTS
        missed = np.abs(np.polynomial.chebyshev.chebval(CHECKS, fitted.T) - g[:, DEGREE + 1 :]).max(axis=1)
        size = np.abs(g).max(axis=1)
        if depth == 0:
            first, largest = todo[:, 0], np.maximum.accumulate(size)
        paid = largest[np.searchsorted(first, todo[:, 0], side="right") - 1]  # Ω so far, in the order of magnitude
        noise = (missed <= 1e-11 * size) & (missed > 0.1 * before)  # what splitting does not make smaller
        fine = (missed <= TOLERANCE * size) | (missed <= 1e-15 * paid) | noise | (depth == SPLITS)
        done += [(low, high, row) for (low, high), row in zip(todo[fine], fitted[fine], strict=True)]
        split, cuts = todo[~fine], np.exp(middle[~fine])
        todo = np.concatenate([np.c_[split[:, :1], cuts], np.c_[cuts, split[:, 1:]]])
        before = np.tile(missed[~fine], 2)
    done.sort(key=lambda part: part[0])
    edges = np.array([part[0] for part in done] + [done[-1][1]])
    coefficients = np.array([part[2] for part in done]).T
    integrals = np.polynomial.chebyshev.chebint(coefficients, lbnd=-1)
    gains = np.diff(np.log(edges)) / 2 * np.polynomial.chebyshev.chebval(1.0, integrals)
    start = float(np.asarray(duality.penalty_at(edges[:1]))[0])
    return Table(edges, coefficients, np.asarray(integrals), start + np.r_[0.0, np.cumsum(gains)])


def _direct_slope(duality: Any, x: "Floats") -> "Floats":
    """Return Ω′ = w/η̂ for w > 0 from the numbers of the duality."""
    weight = np.asarray(duality.eta_hat_at(x), dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.where(weight == 0, np.inf, x / weight)


def _limit(near: float, nearer: float) -> float:
    """Return what two values far out on a scale tend to: 0, ∞ or a number."""
    if abs(nearer - near) <= 1e-6 * abs(nearer):
        return float(nearer)
    return 0.0 if nearer < near else np.inf

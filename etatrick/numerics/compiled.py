"""A penalty compiled from its symbolic form: Ω, Ω′, Ω″, η̂, conjugate and proximal map as fast elementwise functions."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.numerics.prox_tables import broadcast
from etatrick.numerics.scalar_penalty import ScalarPenalty
from etatrick.numerics.tabulated import TabulatedPenalty
from etatrick.theory.catalogue import Entry, Family
from etatrick.theory.duality import Duality
from etatrick.theory.numbers import compiled, limit_at_zero
from etatrick.theory.pieces import formula_near
from etatrick.theory.prox_forms import PROX_FORMS, ClosedProx, closed_prox
from etatrick.theory.symbols import lam, w

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LOST: Final = 1e-14


@final
@dataclass(frozen=True)
class CompiledPenalty(ScalarPenalty):
    """Elementwise functions of |w| for one penalty without free parameters.

    Parameters
    ----------
    duality : Duality
        With closed forms of Ω and η̂.
    closed : ClosedProx, optional
        The proximal map in closed form; otherwise it is found numerically.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> p = compile_penalty(penalties["log_sum"](epsilon=2))
    >>> p.slope_at_zero
    0.5
    >>> p.eta_hat(np.array([-2.0, 0.0]))
    array([8., 0.])
    >>> p.prox([3.0, 0.4], 1.0).round(6)
    array([2.791288, 0.      ])
    """

    duality: Duality
    closed: ClosedProx | None = None

    @property
    def formula(self) -> str:
        """Ω(w) as text."""
        return str(self.duality.penalty)

    @cached_property
    def _value(self) -> Any:
        form = self.duality.penalty.rewrite(sp.Piecewise)
        return form.replace(lambda e: isinstance(e, sp.log) and isinstance(e.args[0], sp.cosh), _log_cosh)

    @cached_property
    def _tabulated(self) -> TabulatedPenalty | None:
        """Where Ω is made of functions that are summed number by number: its table from η̂."""
        return TabulatedPenalty(self.duality) if self.duality.penalty.has(sp.polylog) else None

    @cached_property
    def _slope(self) -> Any:
        return sp.simplify(self.duality.slope.rewrite(sp.Piecewise))

    @cached_property
    def _curvature(self) -> Any:
        return sp.simplify(sp.diff(self._slope, w))

    @cached_property
    def _eta_hat(self) -> tuple[Any, float]:
        rule = self.duality.eta_hat.xreplace({sp.zoo: sp.oo}).rewrite(sp.Piecewise)
        return rule, limit_at_zero(rule, w)

    @cached_property
    def _start(self) -> float:
        return limit_at_zero(self._value, w) if self.duality.jump == 0 else 0.0

    @cached_property
    def slope_at_zero(self) -> float:
        """Ω′(0+), possibly infinite; positive exactly when coordinates can be held at 0."""
        return limit_at_zero(self._slope, w)

    @cached_property
    def curvature_at_zero(self) -> float:
        """Ω″(0+), possibly infinite."""
        return limit_at_zero(self._curvature, w)

    @cached_property
    def steepest(self) -> float:
        """Sup Ω′, the largest |z| with a finite conjugate Ω*(z), for a convex penalty."""
        return float(sp.limit(formula_near(self._slope, sp.oo), w, sp.oo))

    @cached_property
    def convex(self) -> bool:
        """Whether convexity was proved."""
        return self.duality.conditions["convex"].status == "proved"

    @cached_property
    def jump(self) -> float:
        """Ω(0+) − Ω(0)."""
        return float(self.duality.jump)

    @cached_property
    def breaks(self) -> tuple[float, ...]:
        """Where the pieces of Ω or η̂ meet."""
        relations = self._value.atoms(sp.core.relational.Relational) | self._slope.atoms(sp.core.relational.Relational)
        edges = {side for r in relations for side in (r.lhs, r.rhs) if side.is_number and side.is_finite and side > 0}
        return tuple(sorted({float(edge) for edge in edges}))

    def value(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω(|w|), which is 0 at 0 where Ω jumps there."""
        size = np.abs(coef)
        if self._tabulated is not None:
            return self._tabulated.value(size)
        found = _evaluated(self._value, size, self._start)
        if not np.isfinite(found).all():  # a factor overflowed that another one outweighs
            with np.errstate(all="ignore"):
                again = np.broadcast_to(_expanded(self._value)(np.where(size > 0, size, 1.0)), size.shape)
            found = np.where(np.isinf(found) & (size > 0) & np.isfinite(again), again, found)
        return found

    def slope(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω′(|w|), with Ω′(0+) at 0."""
        return _evaluated(self._slope, np.abs(coef), self.slope_at_zero)

    def curvature(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω″(|w|) for w ≠ 0, and 0 at 0."""
        return _evaluated(self._curvature, np.abs(coef), 0.0)

    def eta_hat(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return η̂(|w|) = |w|/Ω′(|w|), possibly infinite."""
        rule, start = self._eta_hat
        return np.maximum(_evaluated(rule, np.abs(coef), start), 0.0)

    def prox(self, v: "ArrayLike", t: "ArrayLike" = 1.0) -> "NDArray[np.float64]":
        """Return argmin_w ½(w − v)² + tΩ(w): in closed form where there is one; see :class:`ScalarPenalty`."""
        if self.closed is None:
            return super().prox(v, t)
        size, step, sign = broadcast(v, t)
        found = self.closed.at(_Priced(self), size, step)
        with np.errstate(all="ignore"):
            excess = np.where(found > 0, found + step * self.slope(found) - size, 0.0)
        lost = ~(np.abs(excess) <= LOST * size)  # overflow or cancellation in the formula, or a kink
        if lost.any():
            steps = step if step.ndim == 0 else step[lost]
            found[lost] = super().prox(size[lost], steps)
        return np.asarray(sign * found, dtype=np.float64)

    @cached_property
    def _closed_conjugate(self) -> Any | None:
        """Ω*(z) in closed form (z written w), or None."""
        slope = self.duality.slope
        z = sp.Symbol("z", positive=True)
        try:
            for branch in sp.solve(slope - z, w):
                if sp.simplify(branch.subs(z, slope) - w) == 0:
                    return sp.simplify((z * branch - self.duality.penalty.subs(w, branch)).subs(z, w))
        except NotImplementedError:
            pass
        return None

    def _supremum(self, z: "NDArray[np.float64]") -> "NDArray[np.float64]":
        if w not in self._slope.free_symbols:
            return np.zeros(z.shape)
        if self._closed_conjugate is None:
            return super()._supremum(z)
        with np.errstate(all="ignore"):
            found = np.asarray(compiled(self._closed_conjugate, w)(z))
        return np.where(np.isnan(found), np.inf, found)


@final
@dataclass(frozen=True)
class _Priced:
    """A compiled penalty in the words in which the closed proximal maps ask for values."""

    penalty: CompiledPenalty

    @property
    def jump(self) -> float:
        return self.penalty.jump

    def penalty_at(self, x: "NDArray[np.float64]") -> "NDArray[np.float64]":
        return self.penalty.value(x)


def _evaluated(expr: Any, size: "NDArray[np.float64]", at_zero: float) -> "NDArray[np.float64]":
    """Evaluate `expr` at |w|, with the limit `at_zero` where w = 0; nothing symbolic is done twice."""
    inside = size > 0
    safe = np.where(inside, size, 1.0)
    with np.errstate(all="ignore"):
        values = np.asarray(compiled(expr, w)(safe), dtype=np.float64)
        if values.shape != size.shape:
            values = np.broadcast_to(values, size.shape)
        lost = np.isnan(values)
        if lost.any():  # ∞·0 in a factored form
            values = np.where(lost, _expanded(expr)(safe), values)
    return np.where(inside, values, at_zero)


def _log_cosh(expr: Any) -> Any:
    """Return log cosh x in terms that neither cancel at small x nor overflow at large x."""
    x = expr.args[0].args[0]
    small, large = sp.log(1 + 2 * sp.sinh(x / 2) ** 2), x + sp.log(1 + sp.exp(-2 * x)) - sp.log(2)
    return sp.Piecewise((small, x <= 1), (large, True))


@lru_cache(maxsize=256)
def _expanded(expr: Any) -> Any:
    return sp.lambdify([w], sp.expand(expr), modules="numpy")


def compile_penalty(penalty: Any) -> CompiledPenalty:
    """Return the compiled form of a duality or catalogue entry, the same object for equal ones.

    Parameters
    ----------
    penalty : Duality, catalogue entry with a ``duality``, or CompiledPenalty

    Raises
    ------
    InputError
        If it is none of these, has free parameters, or lacks a closed form.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> compile_penalty(penalties["l1"](k=2)) is compile_penalty(penalties["l1"](k=2))
    True
    """
    if isinstance(penalty, CompiledPenalty):
        return penalty
    if isinstance(penalty, Entry | Duality):
        return _compiled(penalty)
    return _made(penalty)


@lru_cache(maxsize=256)
def _compiled(penalty: Entry | Duality) -> CompiledPenalty:
    return _made(penalty)


def _made(penalty: Any) -> CompiledPenalty:
    if isinstance(penalty, Family) and penalty.parameters:
        remedy = f"call it with a value: {penalty.name}({penalty.parameters[0].name}=…)"
        raise InputError(penalty.name, "is a family; a solver needs one penalty", remedy)
    duality = getattr(penalty, "duality", penalty)
    if not isinstance(duality, Duality):
        remedy = 'pass e.g. penalties["log_sum"](epsilon=2) or the result of derive(…)'
        raise InputError(repr(penalty), "is no penalty", remedy)
    if duality.parameters:
        names = ", ".join(str(p) for p in duality.parameters)
        raise InputError(names, "a solver needs a number for every parameter", f"call .at({duality.parameters[0]}=…)")
    for form in ("penalty", "eta_hat"):
        if getattr(duality, form) is None:
            raise InputError(form, "has no closed form for this rule", "state the penalty itself")
    if lam in duality.eta_hat.free_symbols:
        raise InputError(str(duality.eta_hat), "η̂ depends on λ itself", "state a rule in the λ = 1 gauge")
    closed = None
    if isinstance(penalty, Entry) and penalty.family.name in PROX_FORMS:
        closed = closed_prox(penalty.family.name, **penalty.values)
    return CompiledPenalty(duality, closed)

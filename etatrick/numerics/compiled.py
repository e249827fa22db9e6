"""A penalty compiled from its symbolic form: Ω, Ω′, Ω″ and η̂ as fast elementwise functions."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.catalogue import Family
from etatrick.theory.duality import Duality
from etatrick.theory.numbers import compiled, evaluate, limit_at_zero
from etatrick.theory.pieces import formula_near
from etatrick.theory.symbols import lam, w

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class CompiledPenalty:
    """Elementwise functions of |w| for one penalty without free parameters.

    Parameters
    ----------
    duality : Duality
        With closed forms of Ω and η̂.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> p = compile_penalty(penalties["log_sum"](epsilon=2))
    >>> p.slope_at_zero
    0.5
    >>> p.eta_hat(np.array([-2.0, 0.0]))
    array([8., 0.])
    """

    duality: Duality

    @cached_property
    def _value(self) -> Any:
        return self.duality.penalty.rewrite(sp.Piecewise)

    @cached_property
    def _slope(self) -> Any:
        return sp.simplify(self.duality.slope.rewrite(sp.Piecewise))

    @cached_property
    def _curvature(self) -> Any:
        return sp.simplify(sp.diff(self._slope, w))

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

    def value(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω(|w|), which is 0 at 0 where Ω jumps there."""
        start = limit_at_zero(self._value, w) if self.duality.jump == 0 else 0.0
        return evaluate(self._value, w, np.abs(coef), start)

    def slope(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω′(|w|), with Ω′(0+) at 0."""
        return evaluate(self._slope, w, np.abs(coef), self.slope_at_zero)

    def curvature(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω″(|w|) for w ≠ 0, and 0 at 0."""
        return evaluate(self._curvature, w, np.abs(coef), 0.0)

    def eta_hat(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return η̂(|w|) = |w|/Ω′(|w|), possibly infinite."""
        size = np.abs(coef)
        rule = self.duality.eta_hat.xreplace({sp.zoo: sp.oo}).rewrite(sp.Piecewise)
        start = limit_at_zero(rule, w)
        with np.errstate(all="ignore"):
            return np.maximum(evaluate(rule, w, size, start), 0.0)

    def conjugate(self, slope: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω*(z) = sup_w [z w − Ω(w)] for a convex penalty: +∞ beyond sup Ω′."""
        z = np.abs(slope)
        values = np.where(z > self.steepest * (1 + 4e-16), np.inf, 0.0)
        inside = (z > self.slope_at_zero) & np.isfinite(values)
        if inside.any() and w in self._slope.free_symbols:
            form = _conjugate(self.duality)
            if form is None:
                found = self._supremum(z[inside])
            else:
                with np.errstate(all="ignore"):
                    found = compiled(form, w)(z[inside])
            values[inside] = np.where(np.isnan(found), np.inf, found)
        return values

    def _supremum(self, z: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Ω*(z) from the root of Ω′(w) = z, by bisection of log w."""
        low, high = np.full(z.shape, -690.0), np.full(z.shape, 690.0)
        for _ in range(80):
            middle = (low + high) / 2
            below = self.slope(np.exp(middle)) < z
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        top = np.exp(low)
        with np.errstate(all="ignore"):
            return np.where(high >= 690.0, np.inf, np.maximum(z * top - self.value(top), 0.0))


@lru_cache(maxsize=256)
def _conjugate(duality: Duality) -> Any | None:
    """Return Ω*(z) in closed form (z written w), or None."""
    slope = duality.slope
    z = sp.Symbol("z", positive=True)
    try:
        for branch in sp.solve(slope - z, w):
            if sp.simplify(branch.subs(z, slope) - w) == 0:
                return sp.simplify((z * branch - duality.penalty.subs(w, branch)).subs(z, w))
    except NotImplementedError:
        pass
    return None


def compile_penalty(penalty: Any) -> CompiledPenalty:
    """Return the compiled form of a duality or catalogue entry.

    Parameters
    ----------
    penalty : Duality, catalogue entry with a ``duality``, or CompiledPenalty

    Raises
    ------
    InputError
        If it is none of these, has free parameters, or lacks a closed form.
    """
    if isinstance(penalty, CompiledPenalty):
        return penalty
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
    return CompiledPenalty(duality)

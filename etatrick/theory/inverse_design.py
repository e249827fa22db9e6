"""Inverse design: from a target penalty to a dropout schedule, projected if no rule imposes the target."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, final

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.derivation import derive
from etatrick.theory.duality import Duality
from etatrick.theory.factoring import factored
from etatrick.theory.parameters import Parameter
from etatrick.theory.pieces import each
from etatrick.theory.samples import SampledSchedule, design_from_samples
from etatrick.theory.symbols import w
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

GRID: Final = (1e-8, 1e8, 3201)  # where the rate P′/w is scanned for its least values: from, to, how many
RISE: Final = 1e-9  # what counts as a rise of the rate, relative


@final
@dataclass(frozen=True)
class Schedule:
    r"""What to do to train with the penalty :math:`P=\lambda\Omega`: masks, or noise in either of two recipes.

    Parameters
    ----------
    duality : Duality
        Of Ω.
    lam : sympy.Rational
        λ > 0.

    Examples
    --------
    >>> s = design("log(1+w)", lam=2)
    >>> s.retain, s.detached_variance, s.differentiated_variance
    (w*(w + 1)/(w**2 + w + 2), 2*w/(w + 1), 4*log(w + 1))
    """

    duality: Duality
    lam: Any

    @property
    def retain(self) -> Any:
        """α(w) = w/(w + λΩ′(w)), the retain probability of a scaled Bernoulli mask, held fixed in gradients."""
        return each(self._need("eta_hat"), lambda h: sp.Integer(1) if h == sp.oo else factored(h / (h + self.lam)))

    @property
    def detached_variance(self) -> Any:
        """λwΩ′(w), the variance of noise whose relative size is held fixed in gradients."""
        return each(self._need("eta_hat"), lambda h: sp.Integer(0) if h == sp.oo else factored(self.lam * w**2 / h))

    @property
    def differentiated_variance(self) -> Any:
        """2λΩ(w), the variance of noise through whose scale gradients go."""
        return each(self._need("penalty"), lambda penalty: 2 * self.lam * penalty)

    @property
    def feasible(self) -> Verdict:
        """Whether Ω′/w is nonincreasing, so that some nondecreasing rule imposes this penalty.

        Refuted by two weights between which it rises, to 30 digits; otherwise the verdict on "subquadratic".
        """
        return self._risen() or self.duality.conditions["subquadratic"]

    @cached_property
    def projected(self) -> "Projection":
        """The nondecreasing rule next below: the largest subquadratic slope that does not exceed P′ anywhere."""
        return Projection(self, *_stretches(self._rate))

    def alpha_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return α(|x|), elementwise."""
        return self.duality.alpha_at(x, float(self.lam))

    def penalty_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return P(|x|) = λΩ(|x|), elementwise."""
        return float(self.lam) * self.duality.penalty_at(x)

    def _rate(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return P′(x)/x = λ/η̂(x)."""
        import numpy as np

        with np.errstate(divide="ignore"):
            return float(self.lam) / replace(self.duality, jump=0).eta_hat_at(x)

    def _risen(self) -> Verdict | None:
        """Return a refutation from a steep rise of the rate on the grid, if there is one."""
        import numpy as np

        grid = np.geomspace(*GRID)
        with np.errstate(all="ignore"):
            steps = np.diff(np.log(self._rate(grid)))
        steps = np.nan_to_num(steps, nan=0.0, posinf=0.0, neginf=0.0)
        if self.duality.eta_hat is None or not steps.max() > RISE:
            return None
        at = int(np.argmax(steps >= steps.max() / 2))  # a place as near to 0 as a clear rise allows
        ends = [sp.Rational(repr(float(grid[k]))) for k in (at, at + 1)]
        low, high = (sp.N(self.lam / self.duality.eta_hat.subs(w, x), 30) for x in ends)
        if not low < high:
            return None
        witness = {"w": float(ends[0]), "rate": float(low), "next_w": float(ends[1]), "next_rate": float(high)}
        return Verdict("refuted", "Ω′/w rises between two weights", "w > 0", witness, "evaluated to 30 digits")

    def _need(self, form: str) -> Any:
        expr = getattr(self.duality, form)
        if expr is None:
            raise InputError("schedule", f"no closed form of {form} was found", "use alpha_at and penalty_at")
        return expr


@final
@dataclass(frozen=True)
class Projection:
    r"""The rule with :math:`P_\downarrow'(w) = w\,\min_{s\le w} P'(s)/s` in place of P′.

    Among subquadratic penalties with a slope of at most P′ everywhere it has the largest slope, so it is the largest of
    them. It is below P, but not the largest subquadratic penalty below P: such a largest one need not exist.
    The least rates are found by a scan over 1e-8 ≤ w ≤ 1e8, 200 points per decade, each then refined.

    Parameters
    ----------
    schedule : Schedule
        What is projected.
    edges : tuple of float
        Where the rule changes between following P′ and holding the rate, ascending, from 0.
    held : tuple of float
        On the stretch from each edge the rate P′/w that is held, or NaN where P′ is followed.

    Examples
    --------
    >>> p = design("w + max(w - 1, 0)**2").projected
    >>> p.alpha_at([0.5, 1.0, 3.0]).round(6).tolist()
    [0.333333, 0.5, 0.5]
    """

    schedule: Schedule
    edges: tuple[float, ...]
    held: tuple[float, ...]

    @property
    def unchanged(self) -> bool:
        """Whether the scan found nothing to change: P′/w decreases on all of it."""
        return all(math.isnan(rate) for rate in self.held)

    def alpha_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return α(|x|) = 1/(1 + rate), elementwise, with rate = P′(x)/x after projection."""
        import numpy as np

        size = np.abs(np.asarray(x, dtype=np.float64))
        rate = np.asarray(self.held)[self._stretch(size)]
        return np.where(np.isnan(rate), self.schedule.alpha_at(size), 1 / (1 + np.nan_to_num(rate)))

    def penalty_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return the projected P(|x|), elementwise: P itself, or half the rate times w², stretch by stretch."""
        import numpy as np

        size = np.abs(np.asarray(x, dtype=np.float64))
        start_value = 0.0 if math.isnan(self.held[0]) else float(self.schedule.lam) * float(self.schedule.duality.jump)
        total = start_value + np.zeros_like(size)
        for (start, end), rate in zip(pairwise([*self.edges, np.inf]), self.held, strict=True):
            top = np.clip(size, start, end)
            if np.isnan(rate):
                total += self.schedule.penalty_at(top) - (self.schedule.penalty_at(start) if start else 0.0)
            else:
                total += rate / 2 * (top**2 - start**2)
        return total

    def _stretch(self, size: "NDArray[np.float64]") -> "NDArray[np.intp]":
        import numpy as np

        return np.searchsorted(np.asarray(self.edges), size, side="right") - 1


def design(penalty: Any, lam: float = 1.0) -> Schedule:
    """Design the dropout schedule that imposes λΩ, by α = w/(w + λΩ′).

    Parameters
    ----------
    penalty : str, sympy.Expr or Duality
        Ω(w), nondecreasing for w > 0; an expression must be without free parameters.
    lam : float
        λ > 0. Columns of norm s need λ/s² in its place.

    Returns
    -------
    Schedule
        With a verdict on feasibility; where Ω is not feasible, `projected` is a feasible rule.

    Raises
    ------
    InputError
        If Ω decreases or has free parameters, or λ is not positive.

    Examples
    --------
    >>> design("w", lam=0.5).retain
    2*w/(2*w + 1)
    >>> design("w**3").feasible.status
    'refuted'
    """
    strength = Parameter("lam").exact(lam)
    d = penalty if isinstance(penalty, Duality) else derive(penalty=penalty)
    if d.parameters:
        names = ", ".join(str(p) for p in d.parameters)
        raise InputError(names, "a schedule needs numbers for all parameters", f"call .at({d.parameters[0]}=…) first")
    return Schedule(d, strength)


def _stretches(rate: Callable[[Any], Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return edges and held rates of the running minimum of a rate: NaN where the rate itself is the minimum."""
    import numpy as np
    from scipy.optimize import brentq, minimize_scalar

    grid = np.geomspace(*GRID)
    values = rate(grid)
    start = float(rate(0.0))
    edges, held = [0.0], [start if values[0] > start * (1 + RISE) else math.nan]

    def above(x: float, floor: float) -> float:
        return float(rate(x)) - floor

    for i in range(grid.size - 1):
        floor = held[-1]
        if math.isnan(floor) and values[i + 1] > values[i] * (1 + RISE):
            low, high = grid[max(i - 1, 0)], grid[i + 1]
            found = minimize_scalar(rate, bounds=(low, high), method="bounded", options={"xatol": 1e-13 * low})
            lower = found.fun < values[i]
            edges.append(float(found.x if lower else grid[i]))
            held.append(float(found.fun if lower else values[i]))
        elif not math.isnan(floor) and values[i + 1] < floor:
            edges.append(float(brentq(above, grid[i], grid[i + 1], args=(floor,), xtol=1e-300, rtol=1e-14)))
            held.append(math.nan)
    return tuple(edges), tuple(held)


__all__ = ["Projection", "SampledSchedule", "Schedule", "design", "design_from_samples"]

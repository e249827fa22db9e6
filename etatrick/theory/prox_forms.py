"""Closed forms of proximal maps, by catalogue name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import sympy as sp

from etatrick.theory.grammar import parse
from etatrick.theory.prox import best, checked, valued
from etatrick.theory.symbols import RESERVED, parameter

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

v: Final[Any] = sp.Symbol("v", positive=True)
t: Final[Any] = parameter("t")
_SYMBOLS: Final = (v, t)

# Each follows from w + tΩ′(w) = v on every piece, and from equal objectives where the minimiser jumps; some conditions
# are left out because (x + y)/2 ≥ √(xy) puts what they exclude into a later branch.
PROX_FORMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "ridge": ("c*v/(c + t)",),
    "fixed_rate": ("retain*v/(retain + t*(1 - retain))",),
    "gaussian_prior": ("sigma**2*v/(sigma**2 + t)",),
    "l1": ("max(v - k*t, 0)",),
    "lasso_schedule": ("max(v - tau*t, 0)",),
    "l0": ("Piecewise((0, v < sqrt(2*kappa*t)), (v, True))",),
    "elastic_net": ("max(v - t, 0)/(1 + mu*t)",),
    "huber": ("Piecewise((delta*v/(delta + t), v <= delta + t), (v - t, True))",),
    "berhu": ("Piecewise((max(v - t, 0), v <= delta + t), (delta*v/(delta + t), True))",),
    "fair": ("(v - 1 - t + sqrt((v - 1 - t)**2 + 4*v))/2",),
    "log": ("0",),  # Ω(0+) = −∞, here and in the next three
    "log_schedule": ("0",),
    "log_odds": ("0",),
    "log_retain": ("0",),
    "log_sum": ("0", "max((v - epsilon + sqrt((v + epsilon)**2 - 4*t))/2, 0)"),
    "reweighted_log_sum": ("0", "max((v - epsilon + sqrt((v + epsilon)**2 - 4*t))/2, 0)"),
    "exponential": ("0", "max(v + c*lambertw(-t*exp(-v/c)/c), 0)"),
    "ard": ("0", "Piecewise((max((v**2 - c*t**2)/((1 - c*t/2)*v + c*t/2*sqrt(v**2 + 4/c - 4*t)), 0), c*t <= 2), "
                 "((c*t/2*sqrt(v**2 + 4/c - 4*t) + (c*t/2 - 1)*v)/(c*t - 1), True))"),
    "root_schedule": (
        "0", "Piecewise((max((v**2 - (tau*t)**2)/((1 - t)*v + t*sqrt(v**2 + tau**2*(1 - 2*t))), 0), t <= 1), "
             "((t*sqrt(v**2 + tau**2*(1 - 2*t)) + (t - 1)*v)/(2*t - 1), True))"),
    "shakeout": ("Piecewise((0, v < c*t*drop/(1 - drop)*(1 + sqrt(1 + (1 - drop)/(t*drop)))), "
                 "((v - c*t*drop/(1 - drop))/(1 + t*drop/(1 - drop)), True))",),
    "transformed_l1": (
        "Piecewise((0, 2*(1 + a)*t <= a**2 and v <= (1 + a)*t/a), "
        "(0, v < sqrt(2*(1 + a)*t) - a/2), "
        "((v - 2*a + 2*(a + v)*cos(acos(1 - 27*a*(1 + a)*t/(2*(a + v)**3))/3))/3, True))",
    ),
    "capped_l1": (
        "Piecewise((max(v - t, 0), t <= 2*theta and v < theta + t/2), "
        "(0, v < sqrt(2*theta*t)), (v, True))",
    ),
    "truncated_quadratic": ("Piecewise((delta*v/(delta + t), v < tau*sqrt((delta + t)/delta)), (v, True))",),
    "threshold_targeting": ("Piecewise((delta*v/(delta + t), v < tau*sqrt((delta + t)/delta)), (v, True))",),
    "scad": (
        "Piecewise((max(v - t, 0), t < (a - 1)*ell and v <= ell + t), "
        "(((a - 1)*ell*v - a*ell*t)/((a - 1)*ell - t), t < (a - 1)*ell and v <= a*ell), "
        "(max(v - t, 0), t <= (a + 1)*ell and v < ((a + 1)*ell + t)/2), "
        "(0, v < sqrt((a + 1)*ell*t)), (v, True))",
    ),
    "mcp": ("Piecewise((A*max(v - t, 0)/(A - t), t < A and v <= A), (0, v < sqrt(A*t)), (v, True))",),
    "cel0": (
        "Piecewise((max(v - t*sqrt(2*kappa), 0)/(1 - t), t < 1 and v <= sqrt(2*kappa)), "
        "(0, v < sqrt(2*kappa*t)), (v, True))",
    ),
    "bernoulli_l0": (
        "Piecewise((max(v - t*sqrt(2*kappa), 0)/(1 - t), t < 1 and v <= sqrt(2*kappa)), "
        "(0, v < sqrt(2*kappa*t)), (v, True))",
    ),
})  # fmt: skip
"""Candidates by catalogue name, in v ≥ 0, t > 0 and the parameters: the prox is the one of least objective.

A candidate that is not a real number at some (v, t) does not count there. One candidate is the prox itself; two are
needed where the threshold of a jump solves a transcendental equation. The only minimum of ``log`` is −∞, at 0.
"""


@final
@dataclass(frozen=True)
class ClosedProx:
    r"""The proximal map in closed form: the best of a few candidates.

    Parameters
    ----------
    candidates : tuple of sympy.Expr
        In the positive symbols v and t, and parameters that have no value yet.

    Examples
    --------
    >>> closed_prox("l1", k=2).candidates
    (Max(0, -2*t + v),)
    """

    candidates: tuple[Any, ...]

    def at(self, duality: Any, v: "ArrayLike", t: "ArrayLike" = 1.0) -> "NDArray[np.float64]":
        """Return the prox, elementwise; like :func:`prox_at`, which shares no formula with it.

        Raises
        ------
        InputError
            If v or t is no finite number, t ≤ 0, or a parameter has no value.
        """
        size, step, sign = checked(v, t)
        valued(sorted(str(s) for c in self.candidates for s in c.free_symbols - set(_SYMBOLS)))
        with np.errstate(all="ignore"):
            found = [np.broadcast_to(_compiled(c)(size, step), size.shape) for c in self.candidates]
        if len(found) == 1:
            return np.asarray(sign * found[0], dtype=np.float64)
        points = np.stack(found, axis=-1)
        real = np.isfinite(points)
        points = np.where(real, points, 0.0)
        return np.asarray(sign * best(duality, points, real, size, step), dtype=np.float64)


def closed_prox(name: str, **values: Any) -> ClosedProx | None:
    """Return the closed form of the prox of a catalogue entry, or None if there is none here.

    Parameters
    ----------
    name : str
        A catalogue name; those of :data:`PROX_FORMS` have a closed form.
    **values : float
        Values of parameters; the others stay symbols.

    Returns
    -------
    ClosedProx or None

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> d = penalties["log_sum"](epsilon=1).duality
    >>> closed_prox("log_sum", epsilon=1).at(d, [1.2, 3.0], 0.25).round(6)
    array([1.079796, 2.936492])
    """
    if name not in PROX_FORMS:
        return None
    table = {parameter(key): sp.nsimplify(value, rational=True) for key, value in values.items()}
    return ClosedProx(tuple(_parsed(text).subs(table) for text in PROX_FORMS[name]))


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    names = set(re.findall(r"[A-Za-z]\w*", text)) - RESERVED - {"v", "and"}
    return parse(text, variable=v, parameters=sorted(names))


@lru_cache(maxsize=256)
def _compiled(candidate: Any) -> Any:
    def lambert_w(x: Any) -> Any:
        from scipy.special import lambertw

        value = lambertw(x)
        return np.where(value.imag == 0, value.real, np.nan)

    large = {r: sp.Float(r, 17) for r in candidate.atoms(sp.Rational) if max(abs(r.p), r.q) > 2**31}
    return sp.lambdify(_SYMBOLS, candidate.xreplace(large), modules=[{"LambertW": lambert_w}, "numpy"])

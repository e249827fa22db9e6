"""Quadrature, root finding and minimisation for the forms that have no closed formula."""

import warnings
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.budget import attempt
from etatrick.theory.factoring import factored
from etatrick.theory.limits import limit_at
from etatrick.theory.pieces import breaks, formula_near, gaps, pieces
from etatrick.theory.structure import sign_of
from etatrick.theory.symbols import eta, w
from etatrick.theory.tidying import unpacked

if TYPE_CHECKING:
    from numpy.typing import NDArray


def area(slope: Callable[[float], float], base: float, top: float, edges: tuple[float, ...] = ()) -> float:
    """Integrate from `base` to `top`, piece by piece between `edges`; t = u² tames integrable singularities at 0."""
    from scipy.integrate import quad

    if top == base:
        return 0.0
    low, high = min(base, top), max(base, top)
    ends = [base, *sorted((b for b in edges if low < b < high), reverse=bool(top < base)), top]

    def integrand(u: float) -> float:
        value = float(slope(np.float64(u * u))) * 2 * u
        return value if np.isfinite(value) else 0.0

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rounding near 0 is no news; the tests compare with other quadratures
        parts = [quad(integrand, np.sqrt(a), np.sqrt(b), epsabs=0.0, epsrel=1e-13, limit=400)[0]
                 for a, b in pairwise(ends)]  # fmt: skip
    return float(sum(parts))


@lru_cache(maxsize=256)
def crossings(expr: Any) -> tuple[float, ...]:
    """Return where Min, Max, Abs and Piecewise in a formula of w without parameters change their choice, as floats.

    Sign changes of the differences on a grid over 60 decades, refined: explicit or not, unlike the pieces.

    Examples
    --------
    >>> [round(x, 6) for x in crossings(sp.Min(sp.sinh(w), sp.sqrt(w) + 1))]
    [1.547754]
    """
    from scipy.optimize import brentq

    from etatrick.theory.numbers import compiled

    grid = np.geomspace(1e-30, 1e30, 6001)
    found: set[float] = set()
    for gap in gaps(expr):
        if w not in gap.free_symbols:
            continue
        function = compiled(gap, w)
        with np.errstate(all="ignore"):
            signs = np.sign(np.broadcast_to(np.asarray(function(grid), dtype=np.float64), grid.shape))
            for k in np.flatnonzero(signs[:-1] * signs[1:] < 0):
                found.add(float(brentq(function, grid[k], grid[k + 1], xtol=1e-300, rtol=1e-15)))
            found |= set(grid[signs == 0].tolist()) if (signs == 0).sum() < 10 else set()
    return tuple(sorted(found))


def diverges(eta_hat: Any) -> bool:
    """Tell whether ∫ t/η̂(t) dt diverges at 0, by the order of t/η̂(t) there."""
    symbols = sorted(eta_hat.free_symbols - {w}, key=str)
    near, nearer = (
        value_at(w**2 / eta_hat, {**{s: sp.Rational(7, 5) for s in symbols}, w: sp.Rational(1, 10**k)})
        for k in (20, 40)
    )
    return near is not None and nearer is not None and bool(nearer > near / 2)  # t·Ω′(t) does not vanish


def root(function: Callable[[float], float], target: float) -> float:
    """Solve log-level = target for a nondecreasing function: 0 if it lies above the target, +∞ if below.

    Parameters
    ----------
    function : callable
        The logarithm of a level, as a function of x > 0; minus infinity or NaN count as below every target.
    target : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(root(lambda x: float(np.log(x * (x + 2))), float(np.log(3.0))), 12)
    1.0
    """
    from scipy.optimize import brentq

    def gap(logarithm: float) -> float:
        try:
            with np.errstate(all="ignore"):
                value = float(function(np.exp(np.float64(logarithm))))  # NumPy's numbers divide by 0 without raising
        except OverflowError:
            return 1e300
        return -1e300 if np.isnan(value) else float(np.clip(value - target, -1e300, 1e300))

    low, high = -1.0, 1.0
    while gap(low) > 0 and low > -690:
        low = max(2 * low, -700.0)  # below, exp(low) is no normal number
    if gap(low) > 0:
        return 0.0
    if low < -1.0:
        high = low / 2
    else:  # upward in small steps, so that the first root is met
        high, step = low, 0.25
        while gap(high) < 0 and high < 690:
            low, high, step = high, min(high + step, 700.0), 1.5 * step
    if not gap(high) >= 0:
        return float("inf")
    return float(np.exp(brentq(gap, low, high, xtol=1e-15, rtol=1e-15)))


def least_eta(dual: Any, size: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the η at which x²/η + f(η) is least, for each x: by inverting x² = η²f′(η), or on a grid.

    Where η²f′ rises on a grid over 200 decades the root is unique; elsewhere (f is not canonical) every local minimum
    on that grid is polished, and η = ∞ is admitted.

    Parameters
    ----------
    dual : sympy.Expr
        f(η), without parameters.
    size : numpy.ndarray
        Numbers x ≥ 0.

    Examples
    --------
    >>> from etatrick.theory import eta
    >>> least_eta(sp.Min(eta, 2), np.array([0.5, 1.5])).round(9)
    array([0.5, inf])
    """
    from etatrick.theory.numbers import compiled

    f = _explicit(dual)
    ladder = np.exp(np.linspace(-230.0, 230.0, 9201))
    reach, value, edges = _log_reach(f), compiled(f, eta), _edges(f)
    with np.errstate(all="ignore"):
        rungs = np.clip(np.broadcast_to(np.asarray(reach(ladder), dtype=np.float64), ladder.shape), -1e300, 1e300)
        jumps = [float(value(np.float64(e * (1 + 1e-9))) - value(np.float64(e))) > 1e-6 for e in edges]
        overflown = (rungs == 1e300) & (np.abs(np.broadcast_to(value(ladder), ladder.shape)) < 1e100)
    rungs = rungs[~np.isnan(rungs)]
    if not any(jumps) and not overflown.any() and (np.diff(rungs) >= -1e-9 * (1 + np.abs(rungs[1:]))).all():
        start = range_start(dual)
        found = [start if x == 0 else root(reach, np.log(x)) for x in size.ravel()]
    else:
        ladder = np.sort(np.concatenate([ladder, edges, np.nextafter(edges, 0), np.nextafter(edges, np.inf)]))
        found = [_polished(value, reach, x, ladder, last_level(dual)) for x in size.ravel()]
    return np.array(found, dtype=np.float64).reshape(size.shape)


@lru_cache(maxsize=512)
def last_level(dual: Any) -> float:
    """Return f(∞), possibly infinite."""
    found, _ = attempt(1.0, lambda: limit_at(formula_near(dual.subs(eta, w), sp.oo), w, sp.oo))
    if found is not None:
        return float(found)
    from etatrick.theory.numbers import compiled

    with np.errstate(all="ignore"):  # the symbolic library knows no limit
        return float(compiled(dual, eta)(np.float64(1e300)))


@lru_cache(maxsize=512)
def _explicit(dual: Any) -> Any:
    """Write Min, Max and Abs as pieces where the break points are explicit."""
    if isinstance(dual, sp.Piecewise):
        return dual
    parts, _ = attempt(1.0, lambda: pieces(dual.subs(eta, w)))
    if parts is None or len(parts) < 2:
        return dual
    arms = [(p.formula.subs(w, eta), True if p.upper == sp.oo else eta <= p.upper) for p in parts]
    return sp.Piecewise(*arms)


@lru_cache(maxsize=512)
def _edges(dual: Any) -> "NDArray[np.float64]":
    """Return the break points of f that are followed by a finite piece."""
    function = dual.subs(eta, w)
    parts = pieces(function)
    if parts is None:
        known, _ = attempt(1.0, lambda: breaks(function))
        return np.array([float(place) for place in known or ()])
    return np.array([float(left.upper) for left, right in pairwise(parts) if not right.formula.is_infinite])


def range_start(dual: Any) -> float:
    """Return η̂(0+): 0, or the end of the first piece where f is constant."""
    first, *others = pieces(dual.subs(eta, w)) or (None,)
    return float(first.upper) if first is not None and others and not first.formula.has(w) else 0.0


@lru_cache(maxsize=512)
def _log_reach(dual: Any) -> Callable[..., Any]:
    """Compile log(η√f′(η))."""
    from etatrick.theory.numbers import compiled

    arms = dual.args if isinstance(dual, sp.Piecewise) else ((dual, sp.true),)
    logs = [(-sp.oo if f.is_infinite else _log_slope(f), condition) for f, condition in arms]
    return compiled(sp.log(eta) + sp.Piecewise(*logs) / 2, eta)


def _log_slope(formula: Any) -> Any:
    """Return log f′, as it comes where it takes long to simplify."""
    slope = sp.diff(formula, eta)
    if slope == 0:
        return -sp.oo
    found, _ = attempt(1.0, lambda: _logarithm(unpacked(slope)))
    return sp.log(slope) if found is None else found


def _logarithm(slope: Any) -> Any:
    """Return log(slope), with the factors that are seen to be positive in logarithms of their own."""
    factors = sp.Mul.make_args(factored(slope))
    seen = [factor for factor in factors if sign_of(factor) == 1]
    rest = sp.Mul(*(factor for factor in factors if sign_of(factor) != 1))
    return sp.Add(*(sp.expand_log(sp.log(factor), force=True) for factor in seen)) + sp.log(rest)


def _polished(
    f: Callable[..., Any], reach: Callable[..., Any], x: float, ladder: "NDArray[np.float64]", last: float
) -> float:
    """Return the least point of x²/η + f(η): the best of the polished local minima on the ladder, or +∞."""

    def cost(level: float) -> float:
        return x * (x / level) + float(f(np.float64(level)))

    with np.errstate(all="ignore"):
        costs = np.asarray(x * (x / ladder) + f(ladder), dtype=np.float64)
        costs = np.where(np.isnan(costs), np.inf, costs)
        padded = np.concatenate([[np.inf], costs, [np.inf]])
        lowest = np.flatnonzero((costs <= padded[:-2]) & (costs < padded[2:]))
        order = lowest[np.argsort(costs[lowest])][:20]
        ends = [(ladder[max(k - 1, 0)], ladder[k], ladder[min(k + 1, len(ladder) - 1)]) for k in order]
        best = min((_nearby(cost, reach, x, *three) for three in ends), key=cost)
        return float("inf") if last <= cost(best) else best


def _nearby(
    cost: Callable[[float], float], reach: Callable[..., Any], x: float, low: float, middle: float, high: float
) -> float:
    """Return the best of a point, the root of x = η√f′(η) between its neighbours and a local search there."""
    from scipy.optimize import brentq, minimize_scalar

    def gap(logarithm: float) -> float:
        value = float(reach(np.exp(np.float64(logarithm)))) - float(np.log(x))
        # f′ is 0 or, by cancellation, below: the logarithm of its root is −∞ or none
        return -1e300 if np.isnan(value) else float(np.clip(value, -1e300, 1e300))

    left, right = float(np.log(low)), float(np.log(high))
    if x > 0 and gap(left) < 0 < gap(right):
        other = float(np.exp(brentq(gap, left, right, xtol=1e-15, rtol=1e-15)))
    else:
        search = minimize_scalar(lambda t: cost(np.exp(t)), bounds=(left, right), method="bounded",
                                 options={"xatol": 1e-12})  # fmt: skip
        other = float(np.exp(search.x))
    return min(float(middle), other, key=cost)

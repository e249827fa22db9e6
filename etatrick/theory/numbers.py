"""Float values of the four forms: from closed forms where they exist, by quadrature or inversion otherwise."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.budget import attempt
from etatrick.theory.limits import limit_at
from etatrick.theory.pieces import formula_near, pieces
from etatrick.theory.quadrature import area, root
from etatrick.theory.rounding import accurate
from etatrick.theory.special import dawson_integral
from etatrick.theory.symbols import eta, lam, w
from etatrick.theory.tidying import unpacked

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.theory.duality import Duality

NUMPY_HEADS = (
    sp.log, sp.exp, sp.Abs, sp.Min, sp.Max, sp.Piecewise, sp.sign, sp.sin, sp.cos, sp.tan, sp.sinh, sp.cosh,
    sp.tanh, sp.asinh, sp.acosh, sp.atanh, sp.asin, sp.acos, sp.atan,
)  # fmt: skip


@lru_cache(maxsize=512)
def compiled(expr: Any, *arguments: Any) -> Callable[..., Any]:
    """Compile a sympy expression to a numpy function; log(1+x) and exp(x)−1 keep their accuracy near 0.

    Parameters
    ----------
    expr : sympy.Expr
        Its free symbols must be among the arguments.
    *arguments : sympy.Symbol
        In the order of the compiled function's arguments.

    Raises
    ------
    InputError
        If a parameter is left free.

    Examples
    --------
    >>> float(compiled(sp.log(1 + w), w)(1e-20))
    1e-20
    """
    from sympy.codegen.cfunctions import log1p
    from sympy.codegen.rewriting import expm1_opt, optimize

    free = sorted(expr.free_symbols - set(arguments), key=str)
    if free:
        names = ", ".join(str(s) for s in free)
        raise InputError(names, "numbers need every parameter to have a value", f"call .at({free[0]}=…) first")
    special = any(not isinstance(f, NUMPY_HEADS) for f in expr.atoms(sp.Function))
    modules = ["scipy", "numpy"] if special else ["numpy"]
    careful = expr.replace(
        lambda e: isinstance(e, sp.log) and sp.expand(e.args[0]).as_coeff_Add()[0] == 1,
        lambda e: log1p(sp.expand(e.args[0]) - 1),
    )
    function: Callable[..., Any] = sp.lambdify(arguments, optimize(careful, [expm1_opt]), modules=[OWN, *modules])
    return function


def _lambert_w(x: Any, branch: int = 0) -> Any:
    """Return the Lambert function as a real number, NaN where it is none."""
    from scipy.special import lambertw

    found = lambertw(x, branch)
    return np.where(found.imag == 0, found.real, np.nan)


def _dawson(x: Any) -> Any:
    from scipy.special import dawsn

    return dawsn(x)


def _polylog(order: Any, x: Any) -> Any:
    import mpmath as mp

    def one(s: float, z: float) -> float:
        if s == 1 and z == 1:
            return float("inf")
        value = mp.polylog(s, z)
        return float(value.real) if mp.im(value) == 0 else float("nan")

    return np.vectorize(one, otypes=[np.float64])(order, x)


OWN = {"polylog": _polylog, "LambertW": _lambert_w, "Dawson": _dawson, "DawsonIntegral": dawson_integral}


def magnitudes(x: "ArrayLike") -> "NDArray[np.float64]":
    """Return |x| as a float array.

    Raises
    ------
    InputError
        If `x` holds NaN or infinite values.
    """
    values = np.abs(np.asarray(x, dtype=np.float64))
    if not np.isfinite(values).all():
        raise InputError("x", "holds NaN or infinite values", "remove them first")
    return values


def evaluate(expr: Any, variable: Any, x: "NDArray[np.float64]", at_zero: float) -> "NDArray[np.float64]":
    """Evaluate `expr` at x ≥ 0, taking the limit `at_zero` where x = 0."""
    inside = x > 0
    safe = np.where(inside, x, 1.0)
    with np.errstate(all="ignore"):
        values = np.broadcast_to(np.asarray(compiled(expr, variable)(safe), dtype=np.float64), x.shape)
        lost = inside & np.isnan(values)
        if lost.any():  # ∞·0 in a factored form
            values = np.where(lost, sp.lambdify([variable], sp.expand(expr))(safe), values)
    return np.where(inside, values, at_zero)


def _exact(expr: Any, variable: Any, x: "NDArray[np.float64]", at_zero: float) -> "NDArray[np.float64]":
    """Evaluate as :func:`evaluate` does, and repair what cancellation has spoilt; too slow for a solver's loop."""
    inside = x > 0
    values = evaluate(expr, variable, x, at_zero)
    return np.where(inside, accurate(expr, variable, np.where(inside, x, 1.0), values), at_zero)


@lru_cache(maxsize=512)
def limit_at_zero(expr: Any, variable: Any) -> float:
    """Return the limit from the right at 0 as a float (possibly infinite)."""
    found, _ = attempt(2.0, lambda: limit_at(formula_near(expr.subs(variable, w), 0), w, 0))
    if found is not None:
        return float(found)
    with np.errstate(all="ignore"):  # the symbolic library knows no limit
        near = np.broadcast_to(compiled(expr, variable)(np.array([1e-250])), (1,))[0]
    return float(near) if abs(near) < 1e100 else float(np.copysign(np.inf, near))


def penalty_at(d: "Duality", x: "ArrayLike") -> "NDArray[np.float64]":
    """Return Ω(|x|); without a closed form, ∫₀ˣ t/η̂(t) dt by adaptive quadrature, or the least ½[x²/η + f(η)]."""
    size = magnitudes(x)
    if d.penalty is not None:
        integrated = d.given in ("eta_hat", "alpha") and d.base == 0  # from 0, so Ω(0) = 0
        start = 0.0 if d.jump != 0 or integrated or (size > 0).all() else limit_at_zero(d.penalty, w)
        return _exact(d.penalty, w, size, start)
    if d.eta_hat is not None:
        rule, base = compiled(d.eta_hat, w), float(d.base)
        found = _mapped(lambda top: area(lambda t: t / float(rule(t)), base, top), size) + float(d.jump)
        return np.where(size > 0, found, 0.0 if base == 0 else -np.inf)
    reach = eta_hat_at(d, size)
    start = limit_at_zero(_lowest(d.dual), eta)
    shift = start - 2 * float(d.jump) if np.isfinite(start) else 0.0  # f(0+) = 2Ω(0+)
    with np.errstate(all="ignore"):
        square = np.where(np.isinf(reach), 0.0, size**2 / reach)
        return np.where(size > 0, (square + _dual_beyond(d, reach) - shift) / 2, 0.0)


def eta_hat_at(d: "Duality", x: "ArrayLike") -> "NDArray[np.float64]":
    """Return η̂(|x|); without a closed form, the η with the least x²/η + f(η)."""
    size = magnitudes(x)
    if d.eta_hat is not None:
        at_zero = 0.0 if d.jump != 0 or (size > 0).all() else limit_at_zero(d.eta_hat, w)
        found = _exact(d.eta_hat, w, size, at_zero)
        return np.where(found < -1e12, np.inf, found)  # rounding may step over a pole
    return least_eta(d.dual, size)


def dual_at(d: "Duality", e: "ArrayLike") -> "NDArray[np.float64]":
    """Return f(e); without a closed form, 2Ω(ŵ) − ŵ²/e with ŵ = sup{w: η̂(w) ≤ e}.

    Raises
    ------
    InputError
        If η̂ decreases somewhere: then no dual exists.
    """
    size = magnitudes(e)
    if d.dual is not None:
        start = 0.0 if d.jump != 0 or (size > 0).all() else limit_at_zero(_lowest(d.dual), eta)
        return _exact(d.dual, eta, size, start)
    if d.conditions["monotone"].status == "refuted":
        raise InputError(str(d.eta_hat), "decreases, so no dual f reproduces Ω", "choose a nondecreasing rule")
    rule = compiled(sp.log(d.eta_hat), w)
    inverse = _mapped(lambda level: root(rule, np.log(level)) if level > 0 else 0.0, size)
    inside = (inverse > 0) & np.isfinite(inverse)
    safe = np.where(inside, inverse, 1.0)
    with np.errstate(all="ignore"):
        values = 2 * penalty_at(d, safe) - safe**2 / size
    return np.where(inside, values, np.where(inverse > 0, np.inf, 2 * float(d.jump) * (size > 0)))


def alpha_at(d: "Duality", x: "ArrayLike", strength: float) -> "NDArray[np.float64]":
    """Return α(|x|) = η̂/(η̂+λ) for λ = `strength`."""
    if not (np.isfinite(strength) and strength > 0):
        raise InputError(f"lam = {strength}", "λ must be a finite number > 0", "choose e.g. lam=0.01")
    if d.eta_hat is not None and lam in d.eta_hat.free_symbols:
        raise InputError(str(d.eta_hat), "η̂ depends on λ itself", "substitute λ first")
    weight = eta_hat_at(d, x)
    with np.errstate(all="ignore"):
        return np.where(np.isinf(weight), 1.0, weight / (weight + strength))


def least_eta(dual: Any, size: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the η at which x²/η + f(η) is least, for each x: by inverting x² = η²f′(η), or on a grid.

    Where η²f′ rises on a grid over 200 decades the root is unique; elsewhere (f is not canonical) the best point of
    that grid is polished, and η = ∞ is admitted.
    """
    reach = _log_reach(dual)
    ladder = np.exp(np.linspace(-230.0, 230.0, 9201))
    with np.errstate(all="ignore"):
        rungs = np.broadcast_to(np.asarray(reach(ladder), dtype=np.float64), ladder.shape)
    rungs = rungs[np.isfinite(rungs)]
    f, edges = compiled(dual, eta), _edges(dual)
    with np.errstate(all="ignore"):
        jumps = [float(f(np.float64(e * (1 + 1e-9))) - f(np.float64(e))) > 1e-6 for e in edges]
    ladder = np.sort(np.concatenate([ladder, edges]))
    if not any(jumps) and (np.diff(rungs) >= -1e-9 * (1 + np.abs(rungs[1:]))).all():
        start = _range_start(dual)
        return _mapped(lambda x: start if x == 0 else root(reach, np.log(x)), size)
    return _mapped(lambda x: _polished(f, reach, x, ladder), size)


def _edges(dual: Any) -> "NDArray[np.float64]":
    """Return the break points of f that are followed by a finite piece."""
    parts = pieces(dual.subs(eta, w)) or ()
    return np.array([float(left.upper) for left, right in pairwise(parts) if not right.formula.is_infinite])


def _range_start(dual: Any) -> float:
    """Return η̂(0+): 0, or the end of the first piece where f is constant."""
    if isinstance(dual, sp.Piecewise) and not dual.args[0][0].has(eta):
        return float(dual.args[0][1].gts if dual.args[0][1].lts == eta else 0.0)
    return 0.0


@lru_cache(maxsize=512)
def _log_reach(dual: Any) -> Callable[..., Any]:
    """Compile log(η√f′(η))."""
    arms = dual.args if isinstance(dual, sp.Piecewise) else ((dual, sp.true),)
    slopes = [(sp.Integer(0) if f.is_infinite else unpacked(sp.diff(f, eta)), condition) for f, condition in arms]
    logs = [
        (-sp.oo if slope == 0 else sp.expand_log(sp.log(sp.factor(slope)), force=True), condition)
        for slope, condition in slopes
    ]
    return compiled(sp.log(eta) + sp.Piecewise(*logs) / 2, eta)


def _polished(f: Callable[..., Any], reach: Callable[..., Any], x: float, ladder: "NDArray[np.float64]") -> float:
    """Return the least point of x²/η + f(η) near the best rung: a root of x = η√f′(η), or an end."""
    from scipy.optimize import brentq

    with np.errstate(all="ignore"):
        costs = np.asarray(x * x / ladder + f(ladder), dtype=np.float64)
        k = int(np.nanargmin(costs))
        low, high = np.log(ladder[[max(k - 1, 0), min(k + 1, len(ladder) - 1)]])

        def gap(logarithm: float) -> float:
            return float(reach(np.exp(np.float64(logarithm)))) - float(np.log(x))

        best = float(ladder[k])
        if x > 0 and gap(low) < 0 < gap(high):
            at_root = float(np.exp(brentq(gap, low, high, xtol=1e-15, rtol=1e-15)))
            best = min(best, at_root, key=lambda level: x * x / level + float(f(np.float64(level))))
        least = x * x / best + float(f(np.float64(best)))
        return float("inf") if float(f(np.float64(1e150))) <= least else best


def _dual_beyond(d: "Duality", reach: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return f(η), at η = ∞ by a large η."""
    return dual_at(d, np.where(np.isinf(reach), 1e300, reach))


def _lowest(dual: Any) -> Any:
    return dual.args[0][0] if isinstance(dual, sp.Piecewise) else dual


def _mapped(function: Callable[[float], float], x: "NDArray[np.float64]") -> "NDArray[np.float64]":
    return np.array([function(value) for value in x.ravel()], dtype=np.float64).reshape(x.shape)

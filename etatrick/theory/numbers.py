"""Float values of the four forms: from closed forms where they exist, by quadrature or inversion otherwise."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.pieces import formula_near
from etatrick.theory.special import dawson_integral
from etatrick.theory.symbols import eta, lam, w

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.theory.duality import Duality

Floats = "NDArray[np.float64]"
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
    accurate = expr.replace(
        lambda e: isinstance(e, sp.log) and sp.expand(e.args[0]).as_coeff_Add()[0] == 1,
        lambda e: log1p(sp.expand(e.args[0]) - 1),
    )
    own = {"polylog": _polylog, "LambertW": _lambert_w, "Dawson": _dawson, "DawsonIntegral": dawson_integral}
    function: Callable[..., Any] = sp.lambdify(arguments, optimize(accurate, [expm1_opt]), modules=[own, *modules])
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
        value = mp.polylog(s, z)
        return float(value.real) if mp.im(value) == 0 else float("nan")

    return np.vectorize(one, otypes=[np.float64])(order, x)


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


@lru_cache(maxsize=512)
def limit_at_zero(expr: Any, variable: Any) -> float:
    """Return the limit from the right at 0 as a float (possibly infinite)."""
    return float(sp.limit(formula_near(expr, 0), variable, 0, "+"))


def penalty_at(d: "Duality", x: "ArrayLike") -> "NDArray[np.float64]":
    """Return Ω(|x|); without a closed form, ∫₀ˣ t/η̂(t) dt by adaptive quadrature."""
    size = magnitudes(x)
    if d.penalty is not None:
        return evaluate(d.penalty, w, size, limit_at_zero(d.penalty, w))
    if d.eta_hat is None:
        reach = eta_hat_at(d, size)
        with np.errstate(all="ignore"):
            start = limit_at_zero(_lowest(d.dual), eta)
            shift = start if np.isfinite(start) else 0.0
            return np.where(size > 0, (size**2 / reach + dual_at(d, reach) - shift) / 2, 0.0)
    slope = compiled(d.slope, w)
    return _mapped(lambda top: _area(slope, top), size)


def eta_hat_at(d: "Duality", x: "ArrayLike") -> "NDArray[np.float64]":
    """Return η̂(|x|); without a closed form, the root η of η²f′(η) = x²."""
    size = magnitudes(x)
    if d.eta_hat is not None:
        return evaluate(d.eta_hat, w, size, limit_at_zero(d.eta_hat, w))
    reach = compiled(sp.log(eta * sp.sqrt(sp.diff(d.dual, eta))), eta)
    return _mapped(lambda size: 0.0 if size == 0 else _root(reach, np.log(size)), size)


def dual_at(d: "Duality", e: "ArrayLike") -> "NDArray[np.float64]":
    """Return f(e); without a closed form, 2Ω(ŵ) − ŵ²/e with ŵ the root of η̂(w) = e.

    Raises
    ------
    InputError
        If η̂ decreases somewhere: then no dual exists.
    """
    size = magnitudes(e)
    if d.dual is not None:
        return evaluate(d.dual, eta, size, limit_at_zero(_lowest(d.dual), eta))
    if d.conditions["monotone"].status == "refuted":
        raise InputError(str(d.eta_hat), "decreases, so no dual f reproduces Ω", "choose a nondecreasing rule")
    rule = compiled(sp.log(d.eta_hat), w)
    inverse = _mapped(lambda level: _root(rule, np.log(level)) if level > 0 else 0.0, size)
    inside = (inverse > 0) & np.isfinite(inverse)
    safe = np.where(inside, inverse, 1.0)
    with np.errstate(all="ignore"):
        values = 2 * penalty_at(d, safe) - safe**2 / size
    return np.where(inside, values, np.where(inverse > 0, np.inf, 0.0))


def alpha_at(d: "Duality", x: "ArrayLike", strength: float) -> "NDArray[np.float64]":
    """Return α(|x|) = η̂/(η̂+λ) for λ = `strength`."""
    if not (np.isfinite(strength) and strength > 0):
        raise InputError(f"lam = {strength}", "λ must be a finite number > 0", "choose e.g. lam=0.01")
    if d.eta_hat is not None and lam in d.eta_hat.free_symbols:
        raise InputError(str(d.eta_hat), "η̂ depends on λ itself", "substitute λ first")
    weight = eta_hat_at(d, x)
    with np.errstate(all="ignore"):
        return np.where(np.isinf(weight), 1.0, weight / (weight + strength))


def _lowest(dual: Any) -> Any:
    return dual.args[0][0] if isinstance(dual, sp.Piecewise) else dual


def _mapped(function: Callable[[float], float], x: "NDArray[np.float64]") -> "NDArray[np.float64]":
    return np.array([function(value) for value in x.ravel()], dtype=np.float64).reshape(x.shape)


def _area(slope: Callable[[float], float], top: float) -> float:
    """Integrate over (0, top]; t = u² tames integrable singularities at 0."""
    from scipy.integrate import quad

    if top == 0:
        return 0.0
    area = quad(lambda u: slope(u * u) * 2 * u, 0.0, np.sqrt(top), epsabs=0.0, epsrel=1e-13, limit=400)
    return float(area[0])


def _root(function: Callable[[float], float], target: float) -> float:
    """Solve log-level = target for an increasing function: 0 if it lies above the target, +∞ if below."""
    from scipy.optimize import brentq

    def gap(logarithm: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(float(np.exp(logarithm)))) - target

    low, high = -1.0, 1.0
    while gap(low) > 0 and low > -300:
        low *= 2
    if gap(low) > 0:
        return 0.0
    if low < -1.0:
        high = low / 2
    else:  # upward in small steps, so that the first root is met
        high, step = low, 0.25
        while gap(high) < 0 and high < 300:
            low, high, step = high, high + step, 1.5 * step
    if not gap(high) >= 0:
        return float("inf")
    return float(np.exp(brentq(gap, low, high, xtol=1e-15, rtol=1e-15)))

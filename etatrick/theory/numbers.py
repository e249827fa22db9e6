"""Float values of the four forms: from closed forms where they exist, by quadrature or inversion otherwise."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sympy as sp

from etatrick.errors import InputError, shortened
from etatrick.theory.budget import attempt
from etatrick.theory.growth import descent
from etatrick.theory.limits import limit_at
from etatrick.theory.overflow import decaying, in_machine_numbers
from etatrick.theory.pieces import formula_near, pieces
from etatrick.theory.quadrature import area, crossings, last_level, least_eta, range_start, root
from etatrick.theory.rounding import accurate
from etatrick.theory.special import dawson_integral
from etatrick.theory.structure import is_smooth
from etatrick.theory.symbols import eta, lam, w

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.theory.duality import Duality

MODERATE: Final = 100.0  # exponents whose exponentials stay finite, even to a power
SOON: Final = 1.0  # seconds for a proof on which no number depends
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

    free = sorted(expr.free_symbols - set(arguments), key=str)
    if free:
        names = ", ".join(str(s) for s in free)
        raise InputError(names, "numbers need every parameter to have a value", f"call .at({free[0]}=…) first")
    special = any(not isinstance(f, NUMPY_HEADS) for f in expr.atoms(sp.Function))
    modules = ["scipy", "numpy"] if special else ["numpy"]
    careful = in_machine_numbers(expr).replace(
        lambda e: isinstance(e, sp.log) and sp.expand(e.args[0]).as_coeff_Add()[0] == 1,
        lambda e: log1p(sp.expand(e.args[0]) - 1),
    )
    # the library's own translation asks whether pieces that hold truth values are true, which arrays refuse
    careful = careful.replace(sp.Heaviside, lambda x, _: sp.Function("heaviside")(x, sp.Rational(1, 2)))

    def function(*forms: Any) -> Callable[..., Any]:
        made: Callable[..., Any] = sp.lambdify(arguments, forms[0] if len(forms) == 1 else forms, [OWN, *modules])
        return made

    short = attempt(SOON, lambda: _with_expm1(careful))[0] or careful
    steady = decaying(careful)
    sizes = _exponents(short) | _exponents(careful) if steady != careful else _exponents(short) - _exponents(careful)
    return _where_small(function(*sizes, sp.S.Zero), function(short), function(steady)) if sizes else function(short)


def _with_expm1(expr: Any) -> Any:
    """Write exp(u) − 1 as one function; exponents become symbols, or sums of them would be factored as polynomials."""
    from sympy.codegen.rewriting import expm1_opt, optimize

    stand_ins = {e.args[0]: sp.Dummy(real=True) for e in expr.atoms(sp.exp) if e.free_symbols}
    short = optimize(expr.replace(sp.exp, lambda u: sp.exp(stand_ins.get(u, u))), [expm1_opt])
    return short.xreplace({name: u for u, name in stand_ins.items()})


def _exponents(expr: Any) -> set[Any]:
    return {e.args[0] for e in expr.atoms(sp.Function) if type(e).__name__ in ("exp", "expm1")}


def _where_small(sizes: Callable[..., Any], near: Callable[..., Any], far: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is one where all the sizes are moderate, and another elsewhere."""

    def chosen(*x: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            small = np.all([abs(size) < MODERATE for size in np.broadcast_arrays(*sizes(*x))], axis=0)
            return np.where(small, near(*x), far(*x))

    return chosen


def approximated(expr: Any) -> Any:
    """Write roots of polynomials, where pieces of a formula may meet, as numbers."""
    return expr.xreplace({root: root.n(20) for root in expr.atoms(sp.CRootOf)})


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


OWN = {
    "heaviside": np.heaviside,
    "polylog": _polylog,
    "LambertW": _lambert_w,
    "Dawson": _dawson,
    "DawsonIntegral": dawson_integral,
}


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
            values = np.where(
                lost, sp.lambdify([variable], in_machine_numbers(sp.expand(approximated(expr))))(safe), values
            )
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
        meet = () if is_smooth(d.eta_hat) else crossings(d.eta_hat)
        found = _mapped(lambda top: area(lambda t: t / float(rule(t)), base, top, meet), size) + float(d.jump)
        return np.where(size > 0, found, 0.0 if base == 0 else -np.inf)
    start = limit_at_zero(_lowest(d.dual), eta)
    shift = start - 2 * float(d.jump) if np.isfinite(start) else 0.0  # f(0+) = 2Ω(0+)
    costs = _costs(d, size, eta_hat_at(d, size))
    first = range_start(d.dual)
    if first > 0:  # floats are too coarse for what η̂ exceeds its least value by when w is tiny
        costs = np.minimum(costs, _costs(d, size, np.full_like(size, first)))
    return np.where(size > 0, (costs - shift) / 2, 0.0)


def eta_hat_at(d: "Duality", x: "ArrayLike") -> "NDArray[np.float64]":
    """Return η̂(|x|); without a closed form, the η with the least x²/η + f(η)."""
    size = magnitudes(x)
    if d.eta_hat is not None and not d.eta_hat.has(sp.Heaviside):
        at_zero = 0.0 if d.jump != 0 or (size > 0).all() else limit_at_zero(d.eta_hat, w)
        found = _exact(d.eta_hat, w, size, at_zero)
        return np.where(found < -1e12, np.inf, found)  # rounding may step over a pole
    if d.dual is None:  # Ω alone is known
        return evaluate(_rule(d), w, size, 0.0)
    return least_eta(d.dual, size)


@lru_cache(maxsize=512)
def _rule(d: "Duality") -> Any:
    """Return η̂, where it is not known in closed form w/Ω′ as it comes, piece by piece if the pieces are explicit."""
    if d.eta_hat is not None and not d.eta_hat.has(sp.Heaviside):
        return d.eta_hat
    parts, _ = attempt(SOON, lambda: pieces(d.penalty))
    slopes = [(sp.diff(part.formula, w), w <= part.upper) for part in parts or ()]
    return sp.Piecewise(*((sp.oo if s == 0 else w / s, c) for s, c in slopes)) if slopes else w / sp.diff(d.penalty, w)


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
    if _falls(d):
        raise InputError(
            shortened(str(_rule(d))), "decreases, so no dual f reproduces Ω", "choose a nondecreasing rule"
        )
    rule = compiled(sp.log(_rule(d)), w)
    inverse = _mapped(lambda level: root(rule, np.log(level)) if level > 0 else 0.0, size)
    inside = (inverse > 0) & np.isfinite(inverse)
    safe = np.where(inside, inverse, 1.0)
    with np.errstate(all="ignore"):
        values = 2 * penalty_at(d, safe) - safe**2 / size
    return np.where(inside, values, np.where(inverse > 0, np.inf, 2 * float(d.jump) * (size > 0)))


@lru_cache(maxsize=512)
def _falls(d: "Duality") -> bool:
    """Tell whether η̂ is known to decrease: by two of its values, or else by what can be decided soon."""
    rule = _rule(d)
    parts = pieces(rule) or ()
    if any(left.formula.is_infinite and not right.formula.is_infinite for left, right in pairwise(parts)):
        return True
    if descent(rule, (part.upper for part in parts[:-1]), ">=", "eta_hat") is not None:
        return True
    verdict, _ = attempt(SOON, lambda: d.conditions["monotone"])
    return verdict is not None and verdict.status == "refuted"


def alpha_at(d: "Duality", x: "ArrayLike", strength: float) -> "NDArray[np.float64]":
    """Return α(|x|) = η̂/(η̂+λ) for λ = `strength`."""
    if not (np.isfinite(strength) and strength > 0):
        raise InputError(f"lam = {strength}", "λ must be a finite number > 0", "choose e.g. lam=0.01")
    if d.eta_hat is not None and lam in d.eta_hat.free_symbols:
        raise InputError(str(d.eta_hat), "η̂ depends on λ itself", "substitute λ first")
    weight = eta_hat_at(d, x)
    with np.errstate(all="ignore"):
        return np.where(np.isinf(weight), 1.0, weight / (weight + strength))


def _costs(d: "Duality", size: "NDArray[np.float64]", level: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return x²/η + f(η), at η = ∞ by the limit of f."""
    far = np.isinf(level)
    safe = np.where(far, 1.0, level)
    with np.errstate(all="ignore"):
        near = np.where(size > 0, size * (size / safe), 0.0) + dual_at(d, safe)
        return np.where(far, last_level(d.dual), near)


def _lowest(dual: Any) -> Any:
    return dual.args[0][0] if isinstance(dual, sp.Piecewise) else dual


def _mapped(function: Callable[[float], float], x: "NDArray[np.float64]") -> "NDArray[np.float64]":
    return np.array([function(value) for value in x.ravel()], dtype=np.float64).reshape(x.shape)

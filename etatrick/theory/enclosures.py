"""Numbers with a rigorous error bound: values of the four forms enclosed by ball arithmetic."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import flint
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.balls import interval_at, value_at
from etatrick.theory.integrals import slope_of
from etatrick.theory.pieces import pieces
from etatrick.theory.symbols import eta, w

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality, Form

BITS: Final = 128
STEPS: Final = 90  # halvings of a bracket


class Enclosure(NamedTuple):
    """Two floats between which the exact value lies."""

    lower: float
    upper: float

    @property
    def relative_width(self) -> float:
        """(upper − lower)/|midpoint|."""
        middle = abs(self.lower + self.upper) / 2
        return 0.0 if self.lower == self.upper else (self.upper - self.lower) / middle if middle else float("inf")


def enclose(duality: "Duality", form: "Form", x: float) -> Enclosure:
    """Return floats that enclose Ω(x), η̂(x) or f(x), whether or not the form has a closed formula.

    A formula is evaluated with balls. Without one, Ω = ∫ t/η̂(t) dt is integrated rigorously, η̂ is bracketed as the
    root of w² = η²f′(η), and f(η) = 2Ω(ŵ) − ŵ²/η follows from a bracket of ŵ; both roots need the growth that
    ``conditions`` proves.

    Parameters
    ----------
    duality : Duality
        Without free parameters.
    form : {"penalty", "eta_hat", "dual"}
    x : float
        A point > 0.

    Returns
    -------
    Enclosure

    Raises
    ------
    InputError
        If parameters are free, x is not positive, or no enclosure was found: the form is infinite at x, its growth is
        not proved, or t/η̂(t) cannot be enclosed near 0.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> found = enclose(derive(eta_hat="sqrt(w)*(1 + w)**(1/3)", time_limit=2), "penalty", 1.5)
    >>> found.relative_width < 1e-15
    True
    """
    if duality.parameters:
        names = ", ".join(map(str, duality.parameters))
        raise InputError(names, "an enclosure needs every parameter to have a value", "call .at(…) first")
    if not 0 < x < float("inf"):
        raise InputError(f"x = {x}", "an enclosure is for finite x > 0", "choose such a point")
    point = sp.Rational(float(x))
    ball = {"penalty": _penalty, "eta_hat": _eta_hat, "dual": _dual}[form](duality, point)
    if ball is None or not ball.is_finite():
        raise InputError(f"{form} at {x}", "could not be enclosed", "use the values of the *_at methods")
    return Enclosure(*_outward(ball))


def _outward(ball: Any) -> tuple[float, float]:
    import math

    low, high = (float(ball.mid() - ball.rad()), float(ball.mid() + ball.rad()))
    exact = ball.is_exact() and flint.arb(low) == ball
    return (low, high) if exact else (math.nextafter(low, -math.inf), math.nextafter(high, math.inf))


def _penalty(d: "Duality", x: Any) -> Any:
    if d.penalty is not None:
        return interval_at(d.penalty, {w: x})
    if d.eta_hat is None:
        level = _eta_hat(d, x)
        return None if level is None else (_ball(x) ** 2 / level + _value_on(d.dual, eta, level)) / 2
    parts = pieces(d.eta_hat)
    if parts is None:
        return None
    total = _ball(d.jump if isinstance(d.jump, sp.Basic) else sp.Integer(d.jump))
    for part in parts:
        if (x - part.lower).is_positive:
            upper = x if part.upper == sp.oo or (part.upper - x).is_positive else part.upper
            total += _integral(slope_of(part.formula), part.lower, upper)
    return total


def _integral(slope: Any, lower: Any, upper: Any) -> Any:
    """Integrate rigorously; t = u² tames square-root singularities at 0."""
    u = sp.Symbol("u", positive=True)
    integrand = sp.simplify(2 * u * slope.subs(w, u**2))
    saved = flint.ctx.prec
    try:
        flint.ctx.prec = BITS
        ends = [_ball(sp.sqrt(end)) for end in (lower, upper)]
        return flint.acb.integral(lambda z, analytic: _complex(integrand, u, z, analytic), *ends).real
    finally:
        flint.ctx.prec = saved


def _complex(expr: Any, variable: Any, z: Any, analytic: bool) -> Any:
    """Evaluate on a complex ball; where it is not analytic, and that was asked, the result is not finite."""
    if expr == variable:
        return z
    if not expr.free_symbols:
        return flint.acb(_ball(expr))
    arguments = [_complex(a, variable, z, analytic) for a in expr.args]
    if expr.is_Add:
        return sum(arguments[1:], start=arguments[0])
    if expr.is_Mul:
        product = arguments[0]
        for factor in arguments[1:]:
            product = product * factor
        return product
    if expr.is_Pow:
        base, exponent = arguments
        if expr.exp.is_Integer:
            return base ** int(expr.exp)
        return base.sqrt(analytic=analytic) if expr.exp == sp.Rational(1, 2) else base.pow(exponent, analytic=analytic)
    if isinstance(expr, sp.log):
        return arguments[0].log(analytic=analytic)
    if isinstance(expr, sp.exp | sp.sin | sp.cos | sp.sinh | sp.cosh | sp.tanh | sp.erf | sp.erfi | sp.erfc):
        return getattr(arguments[0], type(expr).__name__)()
    return flint.acb("nan")


def _eta_hat(d: "Duality", x: Any) -> Any:
    if d.eta_hat is not None:
        return interval_at(d.eta_hat, {w: x})
    if not d.conditions["canonical"].is_rigorous:
        return None
    reach = eta**2 * sp.diff(d.dual, eta)
    return _bracket(reach, eta, x**2)


def _dual(d: "Duality", level: Any) -> Any:
    if d.dual is not None:
        return interval_at(d.dual, {eta: level})
    if d.eta_hat is None or not d.conditions["monotone"].is_rigorous:
        return None
    reach = _bracket(d.eta_hat, w, level)
    if reach is None:
        return None
    low, high = (_penalty(d, end) for end in _ends(reach))  # Ω grows, and so does ŵ²
    return None if low is None or high is None else 2 * low.union(high) - reach**2 / _ball(level)


def _bracket(growing: Any, variable: Any, target: Any) -> Any:
    """Return a ball around the x at which a growing formula takes a value: signs on both sides are certain."""

    def above(x: Any) -> bool | None:
        gap = value_at(growing - target, {variable: x})
        return None if gap is None else bool(gap > 0)

    low, high = sp.Integer(1), sp.Integer(1)
    while above(low) is not False and low > sp.Rational(1, 10**300):
        low /= 16
    while above(high) is not True and high < 10**300:
        high *= 16
    if above(low) is not False or above(high) is not True:
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        if (side := above(middle)) is None:
            break
        low, high = (low, middle) if side else (middle, high)
    return _ball(low).union(_ball(high))


def _ends(ball: Any) -> tuple[Any, Any]:
    return tuple(sp.Rational(*map(int, (end.fmpq().p, end.fmpq().q))) for end in (ball.lower(), ball.upper()))


def _value_on(expr: Any, variable: Any, ball: Any) -> Any:
    """Return f on a ball, f nondecreasing: the hull of its values at both ends."""
    low, high = (interval_at(expr, {variable: end}) for end in _ends(ball))
    return low.union(high)


def _ball(number: Any) -> Any:
    return interval_at(sp.Integer(number) if isinstance(number, int) else number, {})

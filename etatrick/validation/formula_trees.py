"""Formulas of certificates, as trees: their values in many digits, and their ranges on intervals."""

import operator
import random
from fractions import Fraction
from functools import reduce
from typing import Any, Final, final

from mpmath import mp
from mpmath.ctx_iv import MPIntervalContext

DIGITS: Final = 90
IV: Final = MPIntervalContext()
IV.dps = DIGITS
STEEP: Final = ("^", "exp", "sinh", "cosh", "tanh", "erf", "erfc", "erfi", "sin", "cos")  # hopeless for huge arguments
PLAIN: Final = ("log", "polylog", "asin", "acos", "atan", "asinh", "acosh", "atanh", "lambertw")
SIGNED: Final = ("sinh", "tanh", "asinh", "atan", "erf", "erfi")  # odd, and rising on the whole line
ODD: Final = (*SIGNED, "lambertw", "dawson_integral", "dawson")
COMPARE: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
HEADS: Final[dict[str, Any]] = COMPARE | {head: getattr(mp, head) for head in (*STEEP[1:], *PLAIN)} | {
    "+": lambda *xs: sum(xs), "*": lambda *xs: reduce(operator.mul, xs), "/": operator.truediv, "not": operator.not_,
    "^": lambda x, y: x ** int(y) if mp.isint(y) else mp.power(x, y), "and": lambda *xs: all(xs), "max": max,
    "or": lambda *xs: any(xs), "dawson": lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), "min": min,
    "dawson_integral": lambda x: (x * x / 2 * mp.hyp2f2(1, 1, 1.5, 2, -x * x) if x < 20 else  # the asymptotic series
        mp.log(2 * x) / 2 + mp.euler / 4 - sum(mp.rf(0.5, k) / (4 * k * x ** (2 * k)) for k in range(1, 150))),
}  # fmt: skip
CONSTANTS: Final = {"pi": mp.pi, "E": mp.e, "EulerGamma": mp.euler, "oo": mp.inf, "-oo": mp.ninf}


class FailedError(ArithmeticError):
    """A certificate does not show what it claims; the message says why."""


def require(holds: Any, message: str) -> None:
    """Fail with a message unless something holds."""
    if not holds:
        raise FailedError(message)


def near(a: Any, b: Any, scale: Any = 0) -> bool:
    """Tell whether two numbers agree to 20 digits, or, for what is 0, to 40 digits below the scale."""
    return bool(a == b or abs(a - b) <= mp.mpf("1e-20") * abs(b) + mp.mpf("1e-40") * scale)


def inside(low: Any = 0, high: Any = mp.inf) -> list[Any]:
    """Return sorted points of an interval, log-spaced to both ends."""
    ts = [mp.mpf(10) ** mp.mpf(k + random.Random(k).random()) for k in range(-6, 6)]
    return [low + (low or 1) * t if high == mp.inf else low + (high - low) * t / (1 + t) for t in ts]


def breaks(tree: Any, name: str) -> list[Any]:
    """Return the formulas that a symbol is compared with."""
    if isinstance(tree, list) and tree[0] in [*COMPARE] and name in tree[1:]:
        return [item for item in tree[1:] if item != name]
    return [b for item in tree for b in breaks(item, name)] if isinstance(tree, list) else []


def rational(tree: Any) -> Fraction | None:
    """Return the rational number that a formula is, or None."""
    head, *rest = tree if isinstance(tree, list) else ["/", tree, 1]
    return Fraction(*rest) if head == "/" and all(isinstance(part, int) for part in rest) else None


@final
class Point(dict[str, Any]):
    """Values of symbols, drawn from 1/10 to 10 when needed, and of formulas there."""

    def __init__(self, seed: int = 0, **given: Any) -> None:
        super().__init__(given)
        self.seed, self.signs = seed, dict[int, Any]()

    def __missing__(self, name: str) -> Any:
        require(name.isidentifier(), "no symbol")
        self[name] = mp.mpf(10 ** random.Random(f"{self.seed} {name}").uniform(-1, 1))
        return self[name]

    def at(self, name: str, x: Any, tree: Any) -> Any:
        """Return the value of a formula where one symbol is another number."""
        here, self[name] = self[name], x
        found, self[name] = self.value(tree), here
        return found

    def value(self, tree: Any) -> Any:
        """Return the value of a formula: real, perhaps infinite; one point must not be moved across a pole or break."""
        require(tree is not None, "a form is missing")
        if isinstance(tree, int | str):
            return mp.mpf(tree) if isinstance(tree, int) else +CONSTANTS[tree] if tree in CONSTANTS else self[tree]
        head, *rest = tree
        if head == "piecewise":
            return self.value(next((v for v, test in rest if self.value(test)), ["+", "oo", "-oo"]))  # or no number
        if head == "at":  # a formula where a symbol is another formula
            return self.at(rest[1], self.value(rest[2]), rest[0])
        if head == "D":  # a derivative by central differences, with a step of a third of the digits
            h = self[rest[1]] * mp.mpf(10) ** (-mp.dps // 3)
            above, below = (self.at(rest[1], self[rest[1]] + step, rest[0]) for step in (h, -h))
            return (above - below) / (2 * h)
        xs = [self.value(item) for item in rest]
        require(head not in STEEP or mp.isinf(xs[-1]) or mp.mag(xs[-1]) < 3000, f"too large an argument of {head}")
        found = HEADS[head](*xs)
        real = mp.isinf(found) or abs(mp.im(found)) <= mp.mpf(10) ** (10 - mp.dps) * abs(mp.re(found))
        broken = head == "^" and not (mp.isint(xs[1]) and xs[1] >= 0)
        sign = found if head in COMPARE else mp.sign(xs[0]) if broken else 0
        require(real and self.signs.setdefault(id(tree), sign) == sign, f"{head}: not real, a pole or a break")
        return mp.re(found)


def same(left: Any, right: Any) -> None:
    """Fail unless two formulas agree at 30 random points."""
    for a, b in ((Point(seed).value(left), Point(seed).value(right)) for seed in range(30)):
        require(near(a, b), f"{mp.nstr(a, 12)} should be {mp.nstr(b, 12)}")


def span(tree: Any, name: str, x: Any) -> Any:
    """Return an interval that holds all values of a formula while its one symbol is positive and in the interval x."""
    number = rational(tree)
    if isinstance(tree, str) or number is not None:
        named = {name: x, "pi": IV.pi, "E": IV.e, "EulerGamma": IV.euler}
        require(number is not None or tree in named, f"{tree} is no number")
        return named[tree] if number is None else IV.mpf(number.numerator) / number.denominator
    head, base, *_ = tree
    if head == "+":
        return sum((span(item, name, x) for item in tree[1:]), IV.mpf(0))
    if head == "*":
        return _product(*_factors(tree, name), name, x)
    if head == "^" and (power := rational(tree[2])) is not None:
        inner, whole = span(base, name, x), power.denominator == 1
        require(inner.a >= 0 or (whole and (power > 0 or inner.b <= 0)), "a root or an inverse of what may be 0")
        found = inner ** (abs(int(power)) if whole else abs(IV.mpf(power.numerator) / power.denominator))
        return found if power >= 0 else 1 / found
    told = {"^": ["exp", ["*", tree[-1], ["log", base]]], "erfc": ["+", 1, ["*", -1, ["erf", base]]],
            "cosh": ["*", ["/", 1, 2], ["+", ["exp", base], ["exp", ["*", -1, base]]]]}  # fmt: skip
    if head in told:
        return span(told[head], name, x)
    inner = span(base, name, x)
    if head in ("exp", "log", "sin", "cos"):
        return getattr(IV, head)(inner)
    require(head in SIGNED or (head in ODD[:-1] and inner.a >= 0), f"no range of {head}")
    return IV.mpf([HEADS[head](mp.mpf(end)) for end in (inner.a, inner.b)]) * (1 + IV.mpf([-1, 1]) / 10**60)


def _factors(tree: Any, name: str) -> tuple[Fraction, list[Any]]:  # the power of the symbol, and the other factors
    head, *rest = tree if isinstance(tree, list) else ["^", tree, 1]
    if head == "*":
        found = [_factors(item, name) for item in rest]
        return sum((power for power, _ in found), Fraction(0)), [factor for _, factors in found for factor in factors]
    return (power, []) if head == "^" and rest[0] == name and (power := rational(rest[1])) else (Fraction(0), [tree])


def _product(power: Fraction, factors: list[Any], name: str, x: Any) -> Any:
    steep = [f[1] for f in factors if isinstance(f, list) and f[0] == "exp"] if x.a == 0 and power else []
    found = span(["^", name, ["/", power.numerator, power.denominator]], name, x)
    if steep:  # xᵖ·exp(u) or its inverse, so that p < 0; if u√x ≤ a < 0, it is at most z²ᵖ·exp(a/z) with z = √x > 0
        p, root, sign = -2 * abs(power), ["^", name, ["/", 1, 2]], 1 if power < 0 else -1
        terms = [item for u in steep for item in (u[1:] if isinstance(u, list) and u[0] == "+" else [u])]
        a = IV.mpf(span(["+", *(["*", sign, root, item] for item in terms)], name, x).b)
        if a < 0:  # which grows up to z = a/2p
            z, p = IV.sqrt(IV.mpf(x.b)), IV.mpf(p.numerator) / p.denominator
            z = z if z < a / p else a / p
            found = IV.mpf([0, (z**p * IV.exp(a / z)).b])
            found = found if sign > 0 else 1 / found
            factors = [f for f in factors if not (isinstance(f, list) and f[0] == "exp")]
    return reduce(operator.mul, (span(f, name, x) for f in factors), found)

"""Formulas of certificates, as trees, evaluated in many digits."""

import operator
import random
from functools import reduce
from typing import Any, Final, final

from mpmath import mp

STEEP: Final = ("^", "exp", "sinh", "cosh", "tanh", "erf", "erfc", "erfi", "sin", "cos")  # hopeless for huge arguments
PLAIN: Final = ("log", "polylog", "asin", "acos", "atan", "asinh", "acosh", "atanh", "lambertw")
ODD: Final = ("sinh", "tanh", "asinh", "atan", "erf", "erfi", "lambertw", "dawson", "dawson_integral")
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


@final
class Point(dict[str, Any]):
    """Values of symbols, drawn from 1/10 to 10 when needed, and of formulas there."""

    def __init__(self, seed: int, **given: Any) -> None:
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

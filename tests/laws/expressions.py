"""Random rules: formulas of the grammar built from positive pieces, each with its own evaluation by mpmath."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
from hypothesis import strategies as st

Real = Any
Map = Callable[[Real], Real]
PARAMETERS = {"a": "0.7", "b": "1.9"}  # the values at which numbers are compared
CURRENT: dict[str, Real] = {name: mp.mpf(value) for name, value in PARAMETERS.items()}


@dataclass(frozen=True)
class Piece:
    """A positive function of one variable: its text, its value, and functions that vanish where it has a kink."""

    text: str
    at: Map
    kinks: tuple[Map, ...] = ()

    def breaks(self, low: float = 1e-8, high: float = 1e4, count: int = 240) -> list[Real]:
        """Return the places of the kinks, by bisection between sign changes on a logarithmic grid.

        Both sides of what was found for the parts join the grid for what is made of them: a jump may hide a crossing.
        """
        grid = [mp.mpf(low) * (mp.mpf(high) / low) ** (mp.mpf(k) / count) for k in range(count + 1)]
        found: list[Real] = []
        for kink in self.kinks:
            grid = sorted(
                [*grid, *(b * (1 + side) for b in found for side in (-(mp.mpf(10) ** -18), mp.mpf(10) ** -18))]
            )
            signs = [kink(x) > 0 for x in grid]
            for k in range(len(grid) - 1):
                if signs[k] != signs[k + 1]:
                    a, b = grid[k], grid[k + 1]
                    for _ in range(70):
                        middle = (a + b) / 2
                        a, b = (middle, b) if (kink(middle) > 0) == signs[k] else (a, middle)
                    found.append((a + b) / 2)
        return sorted(found)


@dataclass(frozen=True)
class Rule:
    """One form of a duality as text, with the parameters it names."""

    form: str
    piece: Piece
    parameters: tuple[str, ...]


def _number(text: str) -> Piece:
    value = mp.mpf(text)
    return Piece(text, lambda x: value)


def _name(name: str) -> Piece:
    return Piece(name, lambda x: CURRENT[name])


def constants(names: tuple[str, ...]) -> st.SearchStrategy[Piece]:
    """Decimals and whole numbers from 0.1 to 4, and parameters."""
    numbers = st.sampled_from(["0.1", "0.3", "0.5", "1", "1.5", "2", "3", "4"]).map(_number)
    return st.one_of(numbers, st.sampled_from(names).map(_name)) if names else numbers


def _power(x: str, exponent: tuple[str, Real]) -> Piece:
    text, value = exponent
    return Piece(f"{x}**{text}", lambda v: v**value)


EXPONENTS = [("(1/3)", mp.mpf(1) / 3), ("(1/2)", mp.mpf(1) / 2), ("1", mp.mpf(1)), ("1.5", mp.mpf(3) / 2),
             ("(5/3)", mp.mpf(5) / 3), ("2", mp.mpf(2))]  # fmt: skip
INCREASING: dict[str, Map] = {
    "log(1 + {})": mp.log1p, "({})/(1 + {})": lambda v: v / (1 + v), "sqrt(1 + {})": lambda v: mp.sqrt(1 + v),
    "sqrt({})": mp.sqrt, "asinh({})": mp.asinh, "atan({})": mp.atan, "tanh({})": mp.tanh,
    "lambertw({})": lambda v: mp.re(mp.lambertw(v)), "erf({})": mp.erf, "1 - exp(-({}))": lambda v: -mp.expm1(-v),
    "sigmoid({})": lambda v: 1 / (1 + mp.exp(-v)), "({})**2": lambda v: v * v,
    "sqrt(({})**2 + 1)": lambda v: mp.hypot(v, 1),
}  # fmt: skip
STEEP: dict[str, Map] = {
    "exp({})": mp.exp,
    "sinh({})": mp.sinh,
    "cosh({})": mp.cosh,
    "({})*exp({})": lambda v: v * mp.exp(v),
}
HUMPED: dict[str, Map] = {
    "dawson({})": lambda v: mp.sqrt(mp.pi) / 2 * mp.exp(-v * v) * mp.erfi(v),
    "1/(1 + ({})**2)": lambda v: 1 / (1 + v * v), "1 + sin({})/2": lambda v: 1 + mp.sin(v) / 2,
}  # fmt: skip


FAR = mp.mpf(10) ** 12  # beyond, exact values of some functions would take for ever
BEYOND: dict[str, Map] = {
    **dict.fromkeys(STEEP, lambda v: mp.inf),
    **dict.fromkeys(["tanh({})", "erf({})", "1 - exp(-({}))", "sigmoid({})"], lambda v: mp.mpf(1)),
    "({})/(1 + {})": lambda v: 1 / (1 + 1 / v), "dawson({})": lambda v: 1 / (2 * v),
    "1 + sin({})/2": lambda v: mp.mpf(1),
}  # fmt: skip


def _apply(pattern: str, function: Map, inner: Piece) -> Piece:
    def at(v: Real) -> Real:
        x = inner.at(v)
        return (BEYOND.get(pattern, function) if x > FAR else function)(x)

    return Piece(pattern.replace("{}", inner.text), at, inner.kinks)


def _sum(p: Piece, q: Piece) -> Piece:
    return Piece(f"({p.text} + {q.text})", lambda v: p.at(v) + q.at(v), p.kinks + q.kinks)


def _product(p: Piece, q: Piece) -> Piece:
    return Piece(f"({p.text})*({q.text})", lambda v: p.at(v) * q.at(v), p.kinks + q.kinks)


def _quotient(p: Piece, q: Piece) -> Piece:
    return Piece(f"({p.text})/({q.text})", lambda v: p.at(v) / q.at(v), p.kinks + q.kinks)


def _extreme(name: str, p: Piece, q: Piece) -> Piece:
    choose: Callable[..., Real] = max if name == "max" else min
    kinks = (*p.kinks, *q.kinks, lambda v: p.at(v) - q.at(v))
    return Piece(f"{name}({p.text}, {q.text})", lambda v: choose(p.at(v), q.at(v)), kinks)


def _branch(x: str, edge: Piece, p: Piece, q: Piece) -> Piece:
    kinks = (*p.kinks, *q.kinks, lambda v: v - edge.at(v))
    text = f"Piecewise(({p.text}, {x} <= {edge.text}), ({q.text}, True))"
    return Piece(text, lambda v: p.at(v) if v <= edge.at(v) else q.at(v), kinks)


def positive(x: str, names: tuple[str, ...]) -> st.SearchStrategy[Piece]:
    """Positive functions of the variable `x`: mostly increasing, with some humps, falls and jumps."""
    fixed = constants(names)
    variable = st.sampled_from(EXPONENTS).map(lambda e: _power(x, e))
    scaled = st.builds(lambda c: _quotient(Piece(x, lambda v: v), c), fixed)
    leaves = st.one_of(variable, scaled, st.just(Piece(x, lambda v: v)), variable)

    def grow(inner: st.SearchStrategy[Piece]) -> st.SearchStrategy[Piece]:
        return st.one_of(
            st.builds(lambda i, p: _apply(i[0], i[1], p), st.sampled_from(list(INCREASING.items())), inner),
            st.builds(lambda i, p: _apply(i[0], i[1], p), st.sampled_from(list(INCREASING.items())), inner),
            st.builds(_sum, inner, st.one_of(inner, fixed)),
            st.builds(_product, inner, st.one_of(inner, fixed)),
            st.builds(_extreme, st.sampled_from(["min", "max"]), inner, st.one_of(inner, fixed)),
            st.builds(lambda c, p, q: _branch(x, c, p, q), fixed, inner, inner),
            st.builds(lambda i, p: _apply(i[0], i[1], p), st.sampled_from(list(STEEP.items())), leaves),
            st.builds(lambda i, p: _apply(i[0], i[1], p), st.sampled_from(list(HUMPED.items())), leaves),
            st.builds(_quotient, inner, inner),
        )

    return st.recursive(leaves, grow, max_leaves=4)


def _retain(kind: int, p: Piece) -> Piece:
    pattern, function = [
        ("({})/(1 + {})", lambda v: v / (1 + v)),
        ("1 - exp(-({}))", lambda v: -mp.expm1(-v)),
        ("tanh({})", mp.tanh),
    ][kind]
    return _apply(pattern, function, p)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw one form of a duality; most are rules, some decrease, jump or are no rule at all."""
    names = draw(st.sampled_from([(), (), ("a",), ("a", "b")]))
    form = draw(st.sampled_from(["eta_hat", "eta_hat", "alpha", "penalty", "dual"]))
    piece = draw(positive("eta" if form == "dual" else "w", names))
    if form == "alpha":
        piece = _retain(draw(st.integers(0, 2)), piece)
    return Rule(form, piece, names)


def slope(rule: Rule, x: Real) -> Real:
    """Ω′(x), from the text's own reading: w/η̂, w(1−α)/α, or from the left by differences of Ω, exact to O(h²)."""
    if rule.form == "eta_hat":
        return x / rule.piece.at(x)
    if rule.form == "alpha":
        alpha = rule.piece.at(x)
        return x * (1 - alpha) / alpha
    with mp.workdps(70):
        h = x * mp.mpf(10) ** -20  # a penalty given in pieces has its left formula at a break
        return (3 * rule.piece.at(x) - 4 * rule.piece.at(x - h) + rule.piece.at(x - 2 * h)) / (2 * h)


def rounding(rule: Rule, x: Real) -> Real:
    """Bound the rounding of :func:`slope` at x: that of Ω in 70 digits, over the step; 0 for a formula."""
    return mp.mpf(10) ** -45 * abs(rule.piece.at(x)) / x if rule.form == "penalty" else mp.mpf(0)


def weight(rule: Rule, x: Real) -> Real:
    """η̂(x) = x/Ω′, +∞ where Ω is flat, and NaN where a difference of Ω is too small to be told from rounding."""
    steepness = slope(rule, x)
    if rule.form == "penalty" and 0 < abs(steepness) < mp.mpf(10) ** -20:
        return mp.nan
    return x / steepness if steepness > 0 else mp.inf


def integral(rule: Rule, low: Real, high: Real) -> Real:
    """∫ Ω′ from `low` to `high`, broken where the rule has kinks; a penalty is its own integral."""
    if rule.form == "penalty":
        return rule.piece.at(high) - rule.piece.at(low)
    edges = [low, *(b for b in rule.piece.breaks() if low < b < high), high]
    return mp.quad(lambda t: slope(rule, t), edges)


def least(rule: Rule, x: Real) -> Real:
    """½ min over η of x²/η + f(η): every local minimum of a grid with the kinks of f, refined.

    The grid is even in log η, and in η up to 20 in addition: f may oscillate.
    """

    def charge(t: Real) -> Real:
        found = x * x * mp.exp(-t) + rule.piece.at(mp.exp(t))
        return mp.inf if mp.isnan(found) else found  # ∞/∞, far out

    kinks = [mp.log(b) for b in rule.piece.breaks()]
    sides = [t + side for t in kinks for side in (-(mp.mpf(10) ** -18), 0, mp.mpf(10) ** -18)]
    even = [mp.log(mp.mpf(k) / 20) for k in range(1, 401)]
    grid = sorted([mp.mpf(k) / 5 for k in range(-200, 300)] + even + sides)
    values = [charge(t) for t in grid]
    best = min(values)
    ratio = (math.sqrt(5) - 1) / 2
    for k in range(1, len(grid) - 1):
        if values[k] > min(values[k - 1], values[k + 1]):
            continue
        a, b = grid[k - 1], grid[k + 1]
        for _ in range(60):
            c, d = b - ratio * (b - a), a + ratio * (b - a)
            a, b = (a, d) if charge(c) <= charge(d) else (c, b)
        best = min(best, charge((a + b) / 2))
    return best / 2

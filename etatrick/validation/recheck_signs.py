"""Rules of a certificate by which an expression in positive symbols has its sign: visible terms, cvc5, intervals."""

import random
from collections.abc import Mapping
from fractions import Fraction
from functools import reduce
from typing import Any, Final

from mpmath import mp

from etatrick.validation.recheck_terms import FailedError, spot, symbols_of, value_of

SOLVER_LIMIT: Final = "20000"  # milliseconds for one question
ODD: Final = {"sinh", "tanh", "asinh", "asin", "atan", "atanh", "erf", "erfi", "dawson", "dawson_integral", "lambertw",
              "sign", "abs", "polylog"}  # fmt: skip


def level(tree: Any) -> int | None:
    """Return 1 if the formula is visibly > 0 for positive symbols, 0 if visibly ≥ 0, None if neither is visible."""
    if not symbols_of(tree):
        value = value_of(tree, {})
        return 1 if value > mp.mpf("1e-30") and mp.isfinite(value) else 0 if tree == 0 else None
    if isinstance(tree, str):
        return 1
    head, *rest = tree
    if head == "^":
        return _power_level(*rest)
    if head in ("exp", "cosh", "erfc"):
        return 1
    if head in ("log", "acosh"):
        return above_one(rest[0])
    if head == "piecewise":
        rest = [value for _, value, _ in rest]
    known = [level(item) for item in rest]
    levels = [item for item in known if item is not None]
    if head == "max" and levels:
        return max(levels)
    if len(levels) < len(known):
        return 0 if head == "abs" else None
    if head in ("gamma", "coth"):
        return 1 if levels[0] == 1 else None
    if head == "+":
        return max(levels)
    if head in ("*", "min", "piecewise"):
        return min(levels)
    return levels[-1] if head in ODD else None


def _power_level(base: Any, power: Any) -> int | None:
    """Return the level of a power; negative powers need a base that is visibly not 0."""
    sign = level(base)
    if sign == 1:
        return 1
    number = value_of(power, {}) if not symbols_of(power) else None
    if number is None or not number > 0:
        return None
    return 0 if sign == 0 or (mp.isint(number) and int(number) % 2 == 0) else None


def above_one(tree: Any) -> int | None:
    """Return 1 if the formula is visibly > 1, 0 if visibly ≥ 1, None if neither is visible."""
    if not symbols_of(tree):
        gap = value_of(tree, {}) - 1
        return 1 if gap > mp.mpf("1e-30") else 0 if tree == 1 else None
    if isinstance(tree, str):
        return None
    head, *rest = tree
    if head == "exp":
        return level(rest[0])
    if head == "cosh":
        return 1 if level(rest[0]) == 1 else 0
    if head == "^" and level(rest[1]) is not None:
        first = above_one(rest[0])
        return None if first is None else min(first, level(rest[1]) or 0)
    if head == "*":
        factors = [above_one(item) for item in rest]
        return None if None in factors else max(f for f in factors if f is not None)
    if head != "+" or level(tree) is None:
        return None
    best = [above_one(item) for item in rest]
    known = [item for item in best if item is not None]
    others = [level(item) for item, first in zip(rest, best, strict=True) if first is None]
    if not known:
        return None
    return 1 if len(known) > 1 or known[0] == 1 or 1 in others else 0


def degree(tree: Any) -> tuple[int, int] | None:
    """Return bounds on the degrees of numerator and denominator, or None if the formula is not rational."""
    if not symbols_of(tree):
        return 0, 0
    if isinstance(tree, str):
        return 1, 0
    head, *rest = tree
    if head == "^":
        first = degree(rest[0])
        if first is None or not isinstance(rest[1], int):
            return None
        return (first[0] * rest[1], first[1] * rest[1]) if rest[1] > 0 else (-first[1] * rest[1], -first[0] * rest[1])
    parts = [degree(item) for item in rest] if head in ("+", "*") else [None]
    pairs = [part for part in parts if part is not None]
    if len(pairs) < len(parts):
        return None
    below = sum(d for _, d in pairs)
    return (sum(n for n, _ in pairs), below) if head == "*" else (max(n + below - d for n, d in pairs), below)


def same(form: Any, expression: Any) -> None:
    """Require that two formulas agree for all positive symbols: at more points than a rational one has zeros."""
    names = sorted(symbols_of(form) | symbols_of(expression))
    first, second = degree(form), degree(expression)
    count = 30 if first is None or second is None else max(30, max(first[0] + second[1], second[0] + first[1]) + 1)
    if count > 400:
        raise FailedError("the degree of the form is too large to test it")
    rng = random.Random(11)
    for _ in range(count if names else 1):
        env = {name: mp.mpf(10) ** mp.mpf(rng.uniform(-2, 2)) for name in names}
        for digits in (60, 300):  # again with more digits where cancellation may have eaten the first ones
            with mp.workdps(digits):
                a, b = value_of(form, env), value_of(expression, env)
                size = max(abs(a), abs(b))
                if abs(a - b) <= mp.mpf("1e-25") * size or (digits == 300 and size < mp.mpf("1e-150")):
                    break
        else:
            raise FailedError(f"the form is not the expression: {mp.nstr(a, 12)} and {mp.nstr(b, 12)} at {spot(env)}")


def fraction_of(tree: Any) -> Fraction:
    """Return a rational number exactly, or say that the formula is none."""
    if isinstance(tree, int):
        return Fraction(tree)
    if isinstance(tree, tuple) and tree[0] == "/":
        return Fraction(tree[1], tree[2])
    raise FailedError("a number must be rational here")


def unsatisfiable(form: Any, strict: bool, domains: Mapping[str, tuple[Any, Any]] | None = None) -> None:
    """Require that no symbols in their domains (positive without one) make the formula < 0, or ≤ 0 where strict."""
    import cvc5  # type: ignore[import-untyped, unused-ignore]
    from cvc5 import Kind

    tm = cvc5.TermManager()
    solver = cvc5.Solver(tm)
    solver.setOption("tlimit-per", SOLVER_LIMIT)
    solver.setLogic("QF_NRA")
    known: dict[Any, Any] = {}
    zero = tm.mkReal(0)

    def assume(kind: Any, a: Any, b: Any) -> None:
        solver.assertFormula(tm.mkTerm(kind, a, b))

    def fresh() -> Any:
        return tm.mkConst(tm.getRealSort(), "_")

    def times(base: Any, count: int) -> Any:
        return base if count == 1 else tm.mkTerm(Kind.MULT, *[base] * count)

    def power(base: Any, exponent: Fraction) -> Any:
        if exponent == 0 or max(abs(exponent.numerator), exponent.denominator) > 60:
            raise FailedError("an exponent is too large for the solver")
        if exponent.denominator > 1:
            root = fresh()
            assume(Kind.GEQ, root, zero)
            assume(Kind.EQUAL, times(root, exponent.denominator), base)
            base = root
        base = times(base, abs(exponent.numerator))
        if exponent > 0:
            return base
        inverse = fresh()
        assume(Kind.EQUAL, tm.mkTerm(Kind.MULT, inverse, base), tm.mkReal(1))
        return inverse

    def term(tree: Any) -> Any:
        if tree not in known:
            known[tree] = built(tree)
        return known[tree]

    def built(tree: Any) -> Any:
        if isinstance(tree, int):
            return tm.mkReal(str(tree))
        if isinstance(tree, str):
            if not symbols_of(tree):
                raise FailedError(f"the solver knows no {tree}")
            symbol = tm.mkConst(tm.getRealSort(), tree)
            low, high = (domains or {}).get(tree, (0, "oo"))
            for kind, bound in ((Kind.GT, low), (Kind.LT, high)):
                if bound not in ("oo", "-oo"):
                    assume(kind, symbol, term(bound))
            return symbol
        head, *rest = tree
        if head == "/":
            return tm.mkReal(str(Fraction(*rest)))
        if head in ("+", "*"):
            kind = Kind.ADD if head == "+" else Kind.MULT
            return reduce(lambda a, b: tm.mkTerm(kind, a, b), map(term, rest))
        if head != "^":
            raise FailedError(f"the solver knows no {head}")
        return power(term(rest[0]), fraction_of(rest[1]))

    assume(Kind.LEQ if strict else Kind.LT, term(form), zero)
    answer = solver.checkSat()
    if not answer.isUnsat():
        raise FailedError("undecided: the solver found no proof" if answer.isUnknown() else "the solver refutes it")

"""Proofs of signs and of limits, checked by other arithmetic and by the solver cvc5."""

import json
import operator
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any, Final

from mpmath import mp

from etatrick.validation.recheck_trees import (
    DIGITS,
    HEADS,
    ODD,
    FailedError,
    Point,
    above,
    inside,
    rational,
    require,
    same,
)

TINY: Final = mp.mpf("1e-60")
WAVES: Final = ("sin", "cos")  # of any sign


def tends(tree: Any, name: str, end: str, limit: Any, start: Any = 0, seed: int = 0, **given: Any) -> None:
    """Fail unless the values of a formula visibly converge to a limit towards an end, where the symbol starts or oo."""
    errors: list[Any] = []  # must shrink by a quarter each time the exponent doubles; towards infinity, of 1/f
    for k in (16, 32, 64):
        with mp.workdps(DIGITS + 4 * k):
            low, goal = Point(seed, **given).value(start), Point(seed, **given).value(limit)
            x = mp.mpf(10) ** k if end == "oo" else low + (low or 1) / mp.mpf(10) ** k
            found = Point(seed, **given).at(name, x, tree)
            error = abs(found - goal) if mp.isfinite(goal) else 1 / (found * mp.sign(goal))
            errors.append(0 if 0 <= error <= mp.mpf(10) ** (-k - 60) else error)
    shrinks = mp.isfinite(errors[0]) and all(0 <= b <= 0.75 * a for a, b in pairwise(errors))
    require(shrinks, f"no convergence to {mp.nstr(goal, 12)} for {name} towards {end}")


def positive(tree: Any, strict: bool = True) -> bool:
    """Tell whether the solver sees that a formula is > 0, or ≥ 0; of what is not algebraic, it only knows the sign."""
    import cvc5.pythonic as smt  # type: ignore[import-untyped, unused-ignore]

    solver, known = smt.Solver(), dict[str, Any]()
    solver.setOption("tlimit-per", "30000")

    def term(tree: Any, times: int = 1) -> Any:
        head, *rest = tree if isinstance(tree, list) else [tree]
        power = (rational(rest[1]) if head == "^" else None) or Fraction(0)
        if isinstance(tree, int) or head == "/":
            found = smt.RealVal("/".join(map(str, rest or [tree])))
        elif head in ("+", "*"):
            found = reduce(HEADS[head], map(term, rest))
        elif power.denominator == 1 and 0 < power < 60:
            found = term(rest[0], int(power))
        elif (found := known.get(key := json.dumps(tree))) is None:
            inner = ["+", rest[0], -1] if head == "log" else rest[0] if head in ("^", *ODD) else 1
            plain = head in ("^", "log", "exp", "cosh", "erfc", *ODD) or (not rest and "oo" not in tree)
            require(head in WAVES or (plain and positive(inner, head == "^")), f"{head} has no visible sign")
            known[key] = found = smt.Real(f"_{len(known)}")
            if head not in WAVES:
                solver.add(found > 0 if positive(inner) else found >= 0)
            if power and max(power.denominator, abs(power.numerator)) < 60:
                left, base = term(tree, power.denominator), term(rest[0], abs(power.numerator))
                solver.add(left == base if power > 0 else left * base == 1)
        return reduce(operator.mul, [found] * times)

    try:
        solver.add(term(tree) <= 0 if strict else term(tree) < 0)
        return bool(solver.check() == smt.unsat)
    except FailedError:
        return False


def prove(tree: Any, proof: Any, strict: bool) -> None:
    """Fail unless the proof shows that the formula is ≥ 0 (> 0 where strict) for all positive values of its symbols."""
    rule, unknowns = proof["rule"], proof.get("symbols", {})
    if rule == "product":
        same(["*", *(["^", part["expression"], part["power"]] for part in proof["factors"])], tree)
        for part in proof["factors"]:
            prove(part["expression"], part["proof"], strict or part["power"] < 0)
    elif rule == "increasing":
        name, start, point, begins = proof["in"], proof["start"], Point(), positive(proof["start"])
        same(proof["derivative"], ["D", tree, name])
        tends(tree, name, "0", start)
        require(all(point.at(name, x, tree) > -1e-40 for x in inside()), f"negative at some {name}")
        require(json.dumps(name) not in json.dumps(start) and (begins or positive(start, False)), "no start ≥ 0")
        prove(proof["derivative"], proof["proof"], strict and not begins)
    elif rule == "cover":  # (0, to], boxes, and [1/to, oo), where the symbol is replaced by its inverse
        name, slope, edges = proof["in"], proof.get("derivative"), [Point().value(edge) for edge in proof["boxes"]]
        tos = [Point().value(end["to"]) for end in proof["ends"]]
        require(edges[0] <= tos[0] and edges[-1] * tos[1] >= 1, "boxes with a gap")
        if slope is not None:
            same(slope, ["D", tree, name])
        for low, high in pairwise(edges):
            above(tree, name, low, high, 0, slope)
        for end, to, power in zip(proof["ends"], tos, (1, -1), strict=True):
            require(positive(end["scale"]), "a scale that is not seen to be positive")
            same(["*", end["scale"], end["forms"][0]], ["at", tree, name, ["^", name, power]])
            above(end["forms"][-1], name, 0, to)
            for form, steep in pairwise(end["forms"]):  # grows from a start ≥ 0 without a pole or jump
                same(steep, ["D", form, name])
                above(form, name, 0, TINY, -mp.sqrt(TINY))
                above(form, name, TINY, to, -1 / TINY)
    else:  # "terms", "smt", or "exponential", where unknowns stand for exp(u) − 1 − u − u²/2 > 0 with u > 0
        (used := Point()).value(tree)
        require(all(map(positive, unknowns.values())) and not unknowns.keys() & used.keys(), "no such unknowns")
        form = proof["form"]
        for d, u in unknowns.items():
            form = ["at", form, d, ["+", ["exp", u], -1, ["*", -1, u], ["*", ["/", -1, 2], u, u]]]
        same(form, tree)
        require(positive(proof["form"], strict), f"not seen to be {'>' if strict else '>='} 0: {proof['form']}")

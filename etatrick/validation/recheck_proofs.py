"""Proofs of a certificate: substitutions that reach a whole domain, and the rules that combine signs."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial, reduce
from itertools import pairwise
from typing import Any, Final

from mpmath import iv, mp

from etatrick.validation.recheck_signs import SOLVER_LIMIT, fraction_of, level, same, unsatisfiable
from etatrick.validation.recheck_terms import (
    Env,
    FailedError,
    bad,
    differentiates,
    entry,
    inside,
    put,
    smooth,
    spot,
    symbols_of,
    tends,
    tree_of,
    value_of,
)  # fmt: skip

DEEPEST: Final = 12  # nested rules
BOXES: Final = 5000
ALLOWED: Final = ("set-logic", "set-info", "declare-const", "declare-fun", "define-fun", "assert", "check-sat", "exit")
RISING: Final = {name: getattr(mp, name) for name in ("sinh", "tanh", "asinh", "asin", "atan", "acosh", "erf")}
Domains = Mapping[str, tuple[Any, Any]]  # of the parameters and the variable, each an open interval


def substituted(expression: Any, proof: Any, domains: Domains, variable: str) -> Any:
    """Return the expression after the proof's substitution, which must cover the whole domain by positive symbols."""
    given = proof.get("substitution", {}) if isinstance(proof, Mapping) else None
    if not isinstance(given, Mapping):
        raise bad(proof, "is no proof with a substitution")
    table = {str(name): tree_of(tree) for name, tree in given.items()}
    if not set(table) <= set(domains):
        raise FailedError(f"a substitution for {', '.join(sorted(set(table) - set(domains)))}, which is no variable")
    needed, seen = symbols_of(expression) | set(table), set[str]()
    if not needed <= set(domains):
        raise FailedError(f"the symbol {min(needed - set(domains))} has no meaning here")
    while needed != seen:  # also what bounds them and what replaces them
        seen = set(needed)
        for name in seen & set(domains):
            parts = (*domains[name], table.get(name, name))
            needed |= set().union(*map(symbols_of, parts)) & set(domains)
    order = [name for name in domains if name in needed and name != variable] + [variable] * (variable in needed)
    owned: dict[str, str] = {}
    for name in order * len(order):
        new = symbols_of(table.get(name, name)) - set(owned.values())
        if name not in owned and len(new) == 1 and symbols_of((0, *domains[name])) <= set(owned):
            owned[name] = new.pop()
    if len(owned) < len(order):
        raise FailedError(f"the substitution leaves no symbol of its own to {min(set(order) - set(owned))}")
    for draw in range(4):
        env = {t: inside(mp.mpf(0), mp.inf, 9, 2, seed=17 * draw + i)[(5 * i + draw) % 9]
               for i, t in enumerate(owned.values())}  # fmt: skip
        for name, own in owned.items():
            _reaches(name, table.get(name, name), own, env, owned, table, domains)
    return put(expression, table)


def _reaches(name: str, tree: Any, own: str, env: Env, owned: Mapping[str, str], table: Any, domains: Domains) -> None:
    """Require that an image moves from one end of its domain to the other while its own symbol moves over (0, ∞)."""
    earlier = list(owned)[: list(owned).index(name)]
    place = {other: value_of(table.get(other, other), env) for other in earlier}
    low, high = (value_of(bound, place) for bound in domains[name])
    if name not in table:
        if not low >= 0:
            raise FailedError(f"{name} may be negative and needs a substitution")
        return
    points = [mp.mpf(10) ** k for k in (-40, -20, -6, -3, -2, -1, 0, 1, 2, 3, 6, 20, 40)]
    with mp.workdps(200):
        images = smooth(
            lambda t, trace: value_of(tree, {**env, own: t}, trace), points, f"in the substitution of {name}"
        )
    if images[0] > images[-1]:
        images.reverse()
    scale = 1 + max(abs(x) for x in (low, high) if mp.isfinite(x)) if mp.isfinite(low) or mp.isfinite(high) else 1
    near, far = scale * mp.mpf("1e-12"), mp.mpf("1e12")
    ends = (images[0] < -far if mp.isinf(low) else abs(images[0] - low) < near,
            images[-1] > far if mp.isinf(high) else abs(images[-1] - high) < near)  # fmt: skip
    if not all(ends) or any(a >= b for a, b in pairwise(images)) or not low < images[1] <= images[-2] < high:
        raise FailedError(f"the substitution for {name} does not map (0, ∞) onto its domain ({spot(place | env)})")


def prove(expression: Any, proof: Any, strict: bool, depth: int = 0) -> None:
    """Require that the expression is ≥ 0 (> 0 where strict) for all positive values of its symbols."""
    rule = entry(proof, "rule", str)
    if depth > DEEPEST:
        raise FailedError("the rules are nested too deeply")
    if rule not in _RULES:
        raise bad(rule, f"is no rule: {', '.join(_RULES)}")
    _RULES[rule](expression, proof, strict, depth)


def _terms(expression: Any, proof: Any, strict: bool, depth: int) -> None:
    form = tree_of(entry(proof, "form", object))
    sign = level(form)
    if sign is None or sign < strict:
        raise FailedError(f"the form is not visibly {'> 0' if strict else '>= 0'}")
    same(form, expression)


def _smt(expression: Any, proof: Any, strict: bool, depth: int) -> None:
    """Ask the solver twice: the form as translated here, and the text that was kept."""
    import cvc5  # type: ignore[import-untyped, unused-ignore]

    form, text = tree_of(entry(proof, "form", object)), entry(proof, "smtlib", str)
    same(form, expression)
    unsatisfiable(form, strict)
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", SOLVER_LIMIT)
    parser, answers = cvc5.InputParser(solver), []
    try:
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "certificate")
        while not (command := parser.nextCommand()).isNull():
            if command.getCommandName() not in ALLOWED:
                raise FailedError(f"the command {command.getCommandName()} is not allowed in a certificate")
            answers.append(str(command.invoke(solver, parser.getSymbolManager())).strip())
    except RuntimeError as error:
        raise FailedError(f"the solver cannot read the text: {error}") from None
    if [answer for answer in answers if answer] != ["unsat"]:
        raise FailedError(f"the solver's answer to the text is {' '.join(answers).strip() or 'missing'}, not unsat")


def _product(expression: Any, proof: Any, strict: bool, depth: int) -> None:
    factors = entry(proof, "factors", list)
    trees = [tree_of(entry(factor, "expression", object)) for factor in factors]
    same(("*", *trees) if trees else 1, expression)
    for tree, factor in zip(trees, factors, strict=True):
        prove(tree, entry(factor, "proof", Mapping), strict, depth + 1)


def _monotone(key: str, end: str, expression: Any, proof: Any, strict: bool, depth: int) -> None:
    """Start at a value ≥ 0 at one end and move up from there, without poles."""
    name, limit = entry(proof, "in", str), tree_of(entry(proof, key, object))
    derivative = tree_of(entry(proof, "derivative", object))
    first = level(limit)
    if first is None or name in symbols_of(limit):
        raise FailedError(f"the {key} is not visibly >= 0")
    others = sorted((symbols_of(expression) | symbols_of(limit) | symbols_of(derivative)) - {name})
    for draw in range(3):
        env = {o: inside(mp.mpf(0), mp.inf, 9, 2, seed=draw + 3 * i)[(4 * i + 2 * draw) % 9]
               for i, o in enumerate(others)}  # fmt: skip

        def f(x: Any, trace: list[int] | None = None, env: Env = env) -> Any:
            return value_of(expression, {**env, name: x}, trace)

        smooth(f, inside(mp.mpf(0), mp.inf, 40, 6), f"in {name}")

        def claim(x: Any, env: Env = env) -> Any:
            return value_of(derivative, {**env, name: x})

        differentiates(f, claim, inside(mp.mpf(0), mp.inf, 8, 2), env)
        tends(f, end, partial(value_of, limit, env), env)
    signed = derivative if key == "start" else ("*", -1, derivative)
    prove(signed, entry(proof, "proof", Mapping), strict and first == 0, depth + 1)


def _cover(expression: Any, proof: Any, strict: bool, depth: int) -> None:
    """Enclose the form on boxes that tile [0, 1]; it is the expression at x/(1 − x) up to a visibly positive factor."""
    name, form = entry(proof, "variable", str), tree_of(entry(proof, "form", object))
    if not all(isinstance(box, list) and len(box) == 2 for box in entry(proof, "boxes", list)):
        raise bad(proof["boxes"], "is no list of boxes [low, high]")
    boxes = sorted([fraction_of(tree_of(end)) for end in box] for box in proof["boxes"])
    if symbols_of(expression) - {name} or symbols_of(form) - {"x"} or len(boxes) > BOXES:
        raise FailedError("a cover has one variable, a form in x, and no more than 5000 boxes")
    tiles = all(low < high for low, high in boxes) and bool(boxes)
    if not tiles or boxes[0][0] != 0 or boxes[-1][1] != 1 or any(a[1] != b[0] for a, b in pairwise(boxes)):
        raise FailedError("the boxes do not tile [0, 1]")
    rows, logs = [], []
    for i in range(1, 31):
        x = mp.mpf(2 * i - 1) / 61
        u = x / (1 - x)
        top, bottom = value_of(form, {"x": x}), value_of(expression, {name: u})
        if not top * bottom > 0:
            raise FailedError(f"the form is no positive multiple of the expression at x = {mp.nstr(x, 6)}")
        rows.append([mp.mpf(1), mp.log(x), mp.log(1 - x), u, u * u, 1 / u])
        logs.append(mp.log(top / bottom))
    weights = mp.lu_solve(mp.matrix(rows[::5]), mp.matrix(logs[::5]))
    for row, found in zip(rows, logs, strict=True):
        if abs(mp.fdot(row, weights) - found) > mp.mpf("1e-25"):
            raise FailedError("the factor is none of c xᵃ(1−x)ᵇ exp(d u + e u² + g/u) with u = x/(1−x)")
    for low, high in boxes:
        bounds = iv.mpf([_exact(low).a, _exact(high).b])
        try:
            positive = enclosed(form, {"x": bounds}).a > 0
        except (ArithmeticError, ValueError, TypeError, KeyError, NotImplementedError):
            positive = False
        if not positive:
            raise FailedError(f"the form is not seen to be positive on [{low}, {high}]")


def _exact(number: Fraction) -> Any:
    return iv.mpf(number.numerator) / number.denominator


def _rising(head: str, x: Any) -> Any:
    """Return the values of an increasing function, its ends widened by far more than the error of mpmath."""
    low, high = (RISING[head](mp.make_mpf(end)) for end in x._mpi_)
    pads = [abs(end) * mp.mpf("1e-25") if mp.isfinite(end) else mp.mpf(0) for end in (low, high)]
    return iv.mpf([low - pads[0], high + pads[1]])


def enclosed(tree: Any, env: Env) -> Any:
    """Return an interval that holds all values of a formula."""
    if isinstance(tree, int):
        return iv.mpf(tree)
    if isinstance(tree, str):
        return env[tree] if tree in env else {"pi": iv.pi, "E": iv.e}[tree]
    head, *rest = tree
    if head == "^":
        base, power = enclosed(rest[0], env), fraction_of(rest[1])
        if power.denominator > 1:
            if base.a < 0:
                raise FailedError("a root of an interval that reaches below 0")
            return base ** _exact(power)
        positive = base ** abs(power.numerator)
        return positive if power >= 0 else 1 / positive
    if head == "/":
        return _exact(fraction_of(tree))
    xs = [enclosed(item, env) for item in rest]
    if head in ("+", "*"):
        return reduce(lambda a, b: a + b if head == "+" else a * b, xs)
    if head in ("exp", "log", "sin", "cos"):
        return getattr(iv, head)(xs[0])
    if head == "cosh":
        return (iv.exp(xs[0]) + iv.exp(-xs[0])) / 2
    if head == "erfc":
        return 1 - _rising("erf", xs[0])
    if head in RISING:
        return _rising(head, xs[0])
    raise FailedError(f"intervals know no {head}")


_RULES: Final[dict[str, Callable[[Any, Any, bool, int], None]]] = {
    "terms": _terms,
    "smt": _smt,
    "product": _product,
    "increasing": partial(_monotone, "start", "0"),
    "decreasing": partial(_monotone, "end", "oo"),
    "cover": _cover,
}

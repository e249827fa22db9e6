"""Proving that an expression keeps its sign when all its symbols are positive."""

import random
from collections.abc import Callable, Iterator
from typing import Any, Literal

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.budget import attempt
from etatrick.theory.continuity import is_continuous
from etatrick.theory.cover import cover
from etatrick.theory.factoring import factored
from etatrick.theory.limits import limit_at
from etatrick.theory.smt import is_algebraic, refutable
from etatrick.theory.special import Dawson
from etatrick.theory.structure import denested, domain_text, sign_of, visible
from etatrick.theory.trees import tree
from etatrick.theory.verdict import Verdict

Relation = Literal[">=", ">"]
Proof = dict[str, Any]
POINTS = 40
DEPTH = 9
EVALUATION = "a value enclosed by ball arithmetic"
COVER = "ranges enclosed by ball arithmetic on boxes that cover the half-line"
COVER_SECONDS = 3.0


def points(*exprs: Any, count: int = POINTS, seed: int = 20211) -> Iterator[dict[Any, Any]]:
    """Yield `count` seeded points with positive rational values, over eight decades, for all free symbols."""
    rng = random.Random(seed)
    symbols = sorted({s for expr in exprs for s in expr.free_symbols}, key=str)
    for _ in range(count):
        yield {s: sp.Rational(rng.randint(1, 99), 10 ** rng.randint(-1, 5)) * 10 for s in symbols}


def prove_sign(expr: Any, relation: Relation = ">=", variable: Any | None = None, depth: int = DEPTH) -> Verdict:
    """Prove ``expr ≥ 0`` or ``expr > 0`` for all positive values of its symbols.

    In turn: a form whose terms all show their sign; a product of factors proved one by one; if `variable` is
    given, a nonnegative start at 0 with an increase; for algebraic formulas an SMT solver. What is left, in one
    symbol alone, is covered by boxes of ball arithmetic.

    Parameters
    ----------
    expr : sympy.Expr
        Its free symbols must be positive.
    relation : {">=", ">"}
        What to prove.
    variable : sympy.Symbol, optional
        The variable for the monotonicity argument.
    depth : int
        How many derivatives the monotonicity argument may take.

    Returns
    -------
    Verdict
        *Proved* or, by boxes, *certified*, with the argument as data; *refuted* with a point; otherwise *unknown*
        with the number of points at which it held.

    Examples
    --------
    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", positive=True)
    >>> prove_sign((x**2 + 2*x*y) / (x + y)**2, ">").status
    'proved'
    >>> prove_sign(x - 1).status
    'refuted'
    >>> prove_sign(2 + sp.sin(x), ">").status
    'certified'
    """
    domain = domain_text(expr)
    if (proof := _by_terms(expr, relation)) is not None:
        return _proved(proof, domain)
    tested, refutation = search(
        expr, lambda point, v: v < 0 or (relation == ">" and is_exact_zero(expr, point, v)), domain
    )
    if refutation is not None:
        return refutation
    if (proof := _proof(expr, relation, variable, depth)) is not None:
        return _proved(proof, domain)
    if (proof := _by_cover(expr, relation)) is not None:
        return Verdict("certified", COVER, domain, detail=proof.pop("text"), certificate=proof)
    return Verdict("unknown", f"no proof found; held at {tested} points", domain)


_METHODS = {
    "terms": "every term of the factored form has the sign",
    "product": "every factor has the sign",
    "increasing": "nonnegative at 0 and increasing",
    "smt": "an SMT solver excludes the opposite",
    "exponential": "bounding exponentials from below, an SMT solver excludes the opposite",
}


def _proved(proof: Proof, domain: str) -> Verdict:
    return Verdict("proved", _METHODS[proof["rule"]], domain, detail=proof.pop("text", ""), certificate=proof)


def _proof(expr: Any, relation: Relation, variable: Any | None, depth: int) -> Proof | None:
    joined = sp.together(expr)
    product = factored(joined)
    for form in (joined, product, *((_without_tanh(expr),) if expr.has(sp.tanh) else ())):
        if (found := _by_terms(form, relation)) is not None:
            return found

    def grown(factor: Any, relation: Relation) -> Proof | None:
        return _by_scaled_growth(factor, relation, variable, depth)

    rest = _by_factors(product, relation, grown)
    if rest is not None:
        return rest
    simple = factored(sp.simplify(denested(joined)))
    if (found := _by_terms(simple, relation)) is not None:
        return found
    if is_algebraic(expr):
        question = refutable(expr, relation == ">")
        return None if question is None else {"rule": "smt", "form": tree(expr), "smtlib": question, "text": "SMT"}
    if simple != product:
        return _by_factors(simple, relation, grown)
    return None


def _by_cover(expr: Any, relation: Relation) -> Proof | None:
    """Cover the half-line by boxes, for what the factors of a formula in one symbol do not show."""
    if len(expr.free_symbols) != 1:
        return None
    (x,) = expr.free_symbols
    found, _ = attempt(
        COVER_SECONDS, lambda: _by_factors(factored(sp.together(expr)), relation, lambda f, _: cover(f, x))
    )
    return found


def keeps_sign(expr: Any) -> bool:
    """Tell whether boxes that cover the half-line show that a formula in one symbol is never 0."""
    return _by_cover(-expr if is_negative(expr) else expr, ">") is not None


def _without_tanh(expr: Any) -> Any:
    """Write tanh² as 1 − 1/cosh²."""
    return factored(sp.expand(expr.replace(
        lambda e: e.is_Pow and isinstance(e.base, sp.tanh) and e.exp.is_even,
        lambda e: (1 - sp.cosh(e.base.args[0]) ** -2) ** (e.exp / 2),
    )))  # fmt: skip


def _by_terms(form: Any, relation: Relation) -> Proof | None:
    """Read the sign off the structure."""
    sign = sign_of(form)
    if sign is None or sign < (relation == ">"):
        return None
    try:
        return {"rule": "terms", "form": tree(visible(form)), "text": str(form)}
    except ValueError:
        return None


def _by_factors(form: Any, relation: Relation, prove: Callable[[Any, Relation], Proof | None]) -> Proof | None:
    """Prove a product factor by factor; two negative factors make a positive one."""
    if form.has(Dawson):
        form = factored(sp.together(form.rewrite(sp.erfi)))
    factors: list[Proof] = []
    texts, negative = [], False
    for factor in sp.Mul.make_args(sp.factor_terms(form)):
        found = _by_terms(factor, relation)
        power = sp.Integer(1)
        if found is None:
            base, power = factor.as_base_exp() if factor.is_Pow and factor.exp.is_Integer else (factor, sp.Integer(1))
            if is_negative(base):
                base, negative = -base, negative != bool(power.is_odd)
            factor, found = base, prove(base, ">" if power < 0 else relation)
        if found is None:
            return None
        texts.append(found.pop("text"))
        factors.append({"expression": tree(factor), "power": int(power), "proof": found})
    if negative:
        return None
    return {"rule": "product", "factors": factors, "text": "; ".join(texts)}


def is_negative(expr: Any) -> bool:
    """Tell whether a formula is negative at the first seeded point where it has a value."""
    return next((v < 0 for p in points(expr, count=8) if (v := value_at(expr, p)) is not None), False)


def _by_scaled_growth(expr: Any, relation: Relation, variable: Any | None, depth: int) -> Proof | None:
    """Argue by growth, for the formula itself or after dividing by one of its exponentials."""
    for scale in (sp.Integer(1), *sorted(expr.atoms(sp.exp), key=str)[:3]):
        rest = _expanded(expr / scale)
        grown = _by_growth(rest, relation, variable, depth)
        if grown is None:
            continue
        if scale == 1:
            return grown
        text = grown.pop("text")
        parts = ((scale, {"rule": "terms", "form": tree(scale)}), (rest, grown))
        return {"rule": "product", "text": text,
                "factors": [{"expression": tree(e), "power": 1, "proof": proof} for e, proof in parts]}  # fmt: skip
    return None


def _expanded(expr: Any) -> Any:
    return sp.powsimp(sp.expand(expr))


def _by_growth(expr: Any, relation: Relation, variable: Any | None, depth: int) -> Proof | None:
    """Show that `expr` starts nonnegative at 0 and increases; failing that, bound its exponentials from below."""
    if (found := _by_terms(expr, relation)) is not None:
        return found
    if variable is None or variable not in expr.free_symbols or depth == 0 or not is_continuous(expr):
        return None
    slope = _expanded(sp.diff(expr, variable))
    if any((v := value_at(slope, point)) is not None and v < 0 for point in points(slope, count=12)):
        return _by_exponentials(expr, relation)
    start = limit_at(expr, variable, 0)
    if start is None or sign_of(start) is None:
        return None
    growth = _proof(slope, relation, variable, depth - 1)
    if growth is None:
        return None
    text = f"starts at {start} for {variable} → 0 and increases: derivative {growth.pop('text')}"
    return {"rule": "increasing", "in": str(variable), "start": tree(start), "derivative": tree(slope),
            "proof": growth, "text": text}  # fmt: skip


def _by_exponentials(expr: Any, relation: Relation) -> Proof | None:
    """Write exp(u) as 1 + u + u²/2 + d with a new symbol d > 0 where u > 0, and ask the SMT solver."""
    rising = sorted((e for e in expr.atoms(sp.exp) if sign_of(e.args[0]) == 1), key=str)
    table = {e: sp.Symbol(f"d_{k}", positive=True) for k, e in enumerate(rising)}
    form = expr.xreplace({e: 1 + e.args[0] + e.args[0] ** 2 / 2 + d for e, d in table.items()})
    if not table or not is_algebraic(form):
        return None
    question = refutable(form, relation == ">")
    if question is None:
        return None
    relaxed = {str(d): tree(e.args[0]) for e, d in table.items()}
    return {"rule": "exponential", "symbols": relaxed, "form": tree(form), "smtlib": question,
            "text": f"{form} with exp(u) = 1 + u + u²/2 + d, d > 0"}  # fmt: skip


def search(expr: Any, violated: Callable[[Any, Any], bool], domain: str) -> tuple[int, Verdict | None]:
    """Evaluate at seeded points; return how many were tested and a refutation, if a (point, value) violates."""
    tested = 0
    for point in points(expr):
        value = value_at(expr, point)
        if value is None:
            continue
        tested += 1
        if violated(point, value):
            witness = {str(s): float(v) for s, v in point.items()} | {"value": float(value)}
            return tested, Verdict("refuted", EVALUATION, domain, witness)
    return tested, None


def is_exact_zero(expr: Any, point: dict[Any, Any], value: Any) -> bool:
    """Tell whether a value shown as 0 is 0 and not merely too small to be told from it."""
    return bool(value == 0 and expr.subs(point) == 0)

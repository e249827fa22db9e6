"""Proving that an expression vanishes or keeps its sign when all its symbols are positive."""

import random
from collections.abc import Callable, Iterator
from typing import Any, Literal

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.verdict import Verdict

Relation = Literal[">=", ">"]
POINTS = 40
BROKEN = (sp.Piecewise, sp.Min, sp.Max, sp.Abs, sp.Heaviside, sp.sign, sp.DiracDelta)
ENTIRE = (  # functions without poles and jumps on the real line, or within their domain
    sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.atan, sp.asin, sp.acos, sp.erf, sp.erfc, sp.erfi,
    sp.Si, sp.Shi,
)  # fmt: skip
POSITIVE = (  # functions without poles and jumps for positive arguments
    sp.log, sp.gamma, sp.loggamma, sp.polygamma, sp.coth, sp.csch, sp.acsch, sp.LambertW, sp.Ei, sp.Ci, sp.Chi,
)  # fmt: skip
EVALUATION = "a value enclosed by ball arithmetic"


def is_smooth(expr: Any) -> bool:
    """Tell whether a formula has no pieces, so that its derivative tells everything about its growth."""
    return not expr.has(*BROKEN)


def is_continuous(expr: Any) -> bool:
    """Tell whether a formula provably has no pole and no jump: what it divides by keeps its sign.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> is_continuous(1 / (1 + x)), is_continuous(sp.atan(1 / (1 - x)))
    (True, False)
    """
    if not is_smooth(expr):
        return False
    for node in sp.preorder_traversal(expr):
        if node.is_Pow and not node.exp.is_nonnegative and not _keeps_sign(node.base):
            return False
        tame = isinstance(node, ENTIRE) or (isinstance(node, POSITIVE) and _sign(node.args[-1]) == 1)
        if isinstance(node, sp.Function) and not tame:
            return False
    return True


def _keeps_sign(expr: Any) -> bool:
    return any(_sign(form) == 1 for form in (expr, sp.factor(expr), -expr))


def domain_text(expr: Any) -> str:
    """Return the domain of a proof in words: every free symbol is positive."""
    names = sorted(expr.free_symbols, key=str)
    return ", ".join(f"{name} > 0" for name in names) or "no free symbols"


def denested(expr: Any) -> Any:
    """Factor what stands under roots, so that roots of perfect squares open up (all symbols are positive).

    Examples
    --------
    >>> import sympy as sp
    >>> a, b = sp.symbols("a b", positive=True)
    >>> denested(sp.sqrt(a**2 + 2*a*b + b**2))
    a + b
    """

    def open_root(power: Any) -> Any:
        base = sp.factor(sp.expand(power.base))
        return sp.Pow(base, power.exp)

    return expr.replace(lambda e: e.is_Pow and e.exp.is_Rational and not e.exp.is_Integer, open_root)


def points(*exprs: Any, count: int = POINTS, seed: int = 20211) -> Iterator[dict[Any, Any]]:
    """Yield `count` seeded points with positive rational values, over eight decades, for all free symbols."""
    rng = random.Random(seed)
    symbols = sorted({s for expr in exprs for s in expr.free_symbols}, key=str)
    for _ in range(count):
        yield {s: sp.Rational(rng.randint(1, 99), 10 ** rng.randint(-1, 5)) * 10 for s in symbols}


def prove_zero(expr: Any) -> Verdict:
    """Prove that `expr` is identically zero for positive symbols.

    Parameters
    ----------
    expr : sympy.Expr
        Its free symbols must be positive.

    Returns
    -------
    Verdict
        *Proved* when rewriting reaches 0, *refuted* with a point where it is not 0, otherwise *checked* at
        points whose number and tolerance are stated.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", positive=True)
    >>> prove_zero(sp.log(x**2) - 2*sp.log(x)).status
    'proved'
    """
    domain = domain_text(expr)
    tested, refutation = _search(expr, lambda point, value: value != 0, domain)
    if refutation is not None:
        return refutation
    for name, rewrite in _REWRITES:
        if rewrite(expr) == 0:
            return Verdict("proved", name, domain, detail=f"also enclosed around 0 at {tested} points")
    if tested == 0:
        return Verdict("unknown", "no point could be evaluated", domain)
    return Verdict("checked", f"enclosed within 2**-1000 of 0 at {tested} points", domain)


_REWRITES = (
    ("expands to 0", sp.expand),
    ("opening roots and expanding gives 0", lambda e: sp.expand(sp.together(denested(e)))),
    (
        "opening roots and expanding logarithms gives 0",
        lambda e: sp.expand(sp.expand_log(sp.expand(denested(e)))),
    ),
    ("simplifies to 0", lambda e: sp.simplify(denested(e))),
    (
        "simplifies to 0 after expanding logarithms",
        lambda e: sp.simplify(sp.expand_log(denested(sp.factor(e)))),
    ),
    ("simplifies to 0 after opening roots", lambda e: sp.simplify(denested(sp.simplify(e)))),
)


def prove_sign(expr: Any, relation: Relation = ">=", variable: Any | None = None, depth: int = 3) -> Verdict:
    """Prove ``expr ≥ 0`` or ``expr > 0`` for all positive values of its symbols.

    The proof is structural: after factoring, sums of nonnegative terms, products, powers and increasing
    functions of nonnegative arguments are recognised. Failing that, if `variable` is given, the expression is
    shown to start nonnegative at 0 and to increase.

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
        *Proved* with the form from which the sign is read off, *refuted* with a point, otherwise *unknown*
        with the number of points at which it held.

    Examples
    --------
    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", positive=True)
    >>> prove_sign((x**2 + 2*x*y) / (x + y)**2, ">").status
    'proved'
    >>> prove_sign(x - 1).status
    'refuted'
    """
    domain = domain_text(expr)
    wanted = 1 if relation == ">" else 0
    for form in _forms(expr):
        sign = _sign(form)
        if sign is not None and sign >= wanted:
            return Verdict("proved", f"every term of the factored form is {relation} 0", domain, detail=str(form))
    tested, refutation = _search(
        expr, lambda point, v: v < 0 or (relation == ">" and is_exact_zero(expr, point, v)), domain
    )
    if refutation is not None:
        return refutation
    if variable is not None and variable in expr.free_symbols and depth > 0 and is_continuous(expr):
        start = sp.limit(expr, variable, 0, "+")
        growth = prove_sign(sp.diff(expr, variable), ">", variable, depth - 1)
        if growth.status == "proved" and start.is_nonnegative:
            detail = f"starts at {start} for {variable} → 0 and increases: derivative {growth.detail}"
            return Verdict("proved", "nonnegative at 0 and increasing", domain, detail=detail)
    return Verdict("unknown", f"no proof found; held at {tested} points", domain)


def _forms(expr: Any) -> Iterator[Any]:
    """Yield equivalent forms, cheapest first, from which a sign may be readable."""
    yield expr
    joined = sp.together(expr)
    yield joined
    yield sp.factor(joined)
    yield sp.factor(sp.simplify(denested(joined)))


def _sign(expr: Any) -> int | None:
    """Return 1 if `expr` > 0, 0 if `expr` ≥ 0, None if its structure does not tell."""
    if expr.is_positive:
        return 1
    if expr.is_nonnegative:
        return 0
    if expr.is_Mul:
        signs = [_sign(factor) for factor in expr.args]
        return None if None in signs else min(s for s in signs if s is not None)
    if expr.is_Add:
        signs = [_sign(term) for term in sp.expand(expr).args] if sp.expand(expr).is_Add else [None]
        return None if None in signs else max(s for s in signs if s is not None)
    if expr.is_Pow and expr.exp.is_real:
        return 1 if _sign(expr.base) == 1 else None
    if isinstance(expr, sp.log):
        return _sign(sp.expand(expr.args[0] - 1))
    if isinstance(expr, sp.atan | sp.tanh | sp.sinh | sp.asinh | sp.erf | sp.erfi):
        return _sign(expr.args[0])
    return None


def _search(expr: Any, violated: Callable[[Any, Any], bool], domain: str) -> tuple[int, Verdict | None]:
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

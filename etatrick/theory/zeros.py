"""Proving that an expression vanishes when all its symbols are positive."""

from typing import Any

import sympy as sp

from etatrick.theory.factoring import factored
from etatrick.theory.signs import is_negative, search
from etatrick.theory.smt import is_algebraic
from etatrick.theory.structure import denested, domain_text, sign_of
from etatrick.theory.verdict import Verdict


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
    expr = expr.replace(lambda e: isinstance(e, sp.polylog) and e.args[0] == 1, lambda e: -sp.log(1 - e.args[1]))
    tested, refutation = search(expr, lambda point, value: value != 0, domain)
    if refutation is not None:
        return refutation
    for name, rewrite in _REWRITES:
        if rewrite(expr) == 0:
            seen = f"also enclosed around 0 at {tested} points" if tested else ""  # none with undefined functions
            return Verdict("proved", name, domain, detail=seen)
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
    ("writing hyperbolic functions by exponentials gives 0", lambda e: _by_exponentials(e)),
    (
        "simplifies to 0 after expanding logarithms",
        lambda e: sp.simplify(sp.expand_log(denested(factored(e)))),
    ),
    ("writing asinh as a logarithm gives 0", lambda e: _without_asinh(e) if e.has(sp.asinh) else e),
    ("the squares of two positive terms agree", lambda e: _square_gap(e)),
    ("simplifies to 0 after opening roots", lambda e: sp.simplify(denested(sp.simplify(e)))),
)


def _by_exponentials(expr: Any) -> Any:
    if not expr.has(sp.sinh, sp.cosh, sp.tanh, sp.coth):
        return expr
    return sp.simplify(sp.expand(sp.radsimp(sp.together(expr.rewrite(sp.exp)))))


def _without_asinh(expr: Any) -> Any:
    def opened(node: Any) -> Any:
        (x,) = node.args
        return sp.log(factored(sp.together(denested(x + sp.sqrt(factored(sp.together(x**2 + 1)))))))

    written = expr.replace(lambda e: isinstance(e, sp.asinh), opened)
    return sp.simplify(sp.expand_log(denested(written)))


def _square_gap(expr: Any) -> Any:
    """Return a² − b² for a − b with positive terms a and b, with rational denominators."""
    terms = sorted(sp.Add.make_args(expr), key=is_negative)
    if [is_negative(term) for term in terms] != [False, True] or any(_keeps_no_sign(term) for term in terms):
        return expr
    return sp.expand(sp.radsimp(sp.together(terms[0] ** 2 - terms[1] ** 2)))


def _keeps_no_sign(expr: Any) -> bool:
    return sign_of(expr) != 1 and sign_of(-expr) != 1 and not is_algebraic(expr)

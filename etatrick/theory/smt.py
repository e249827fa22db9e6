"""Algebraic inequalities for positive symbols, decided by an SMT solver."""

from typing import Any, Final

import sympy as sp

from etatrick.theory.structure import sign_of

MILLISECONDS: Final = 2000


def is_algebraic(expr: Any) -> bool:
    """Tell whether a formula is built from its symbols by + − * / and rational powers alone.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> is_algebraic(sp.sqrt(1 + x) / x), is_algebraic(sp.exp(x))
    (True, False)
    """
    if expr.is_Symbol or expr.is_Rational:
        return True
    if expr.is_Pow:
        return bool(expr.exp.is_Rational) and is_algebraic(expr.base)
    return (expr.is_Add or expr.is_Mul) and all(is_algebraic(argument) for argument in expr.args)


def refutable(expr: Any, strict: bool) -> str | None:
    """Ask whether an algebraic ``expr`` can be negative (or 0, if `strict`) for positive symbols.

    Roots become fresh positive unknowns r with rᵐ = base.

    Parameters
    ----------
    expr : sympy.Expr
        Algebraic, see :func:`is_algebraic`; what stands under a root must be positive, which is shown first.
    strict : bool
        Whether the value 0 counts against it.

    Returns
    -------
    str or None
        The question in SMT-LIB 2 if the solver answers that this is impossible, otherwise None.

    Examples
    --------
    >>> x, y = sp.symbols("x y", positive=True)
    >>> refutable(x**2 - 2*x*y + 2*y**2, strict=True) is None
    False
    >>> refutable(x - y, strict=False) is None
    True
    """
    import z3  # type: ignore[import-untyped, unused-ignore]

    roots = {power.base for power in expr.atoms(sp.Pow) if not power.exp.is_Integer}
    if any(sign_of(base) != 1 and refutable(base, strict=True) is None for base in roots):
        return None
    joined = sp.together(expr)
    numerator, denominator = sp.fraction(joined)
    z3.Context.owner = False  # what its destructor asks for where the time limit interrupts the constructor
    context = z3.Context()
    solver = z3.Solver(ctx=context)
    solver.set("timeout", MILLISECONDS)
    unknowns: dict[Any, Any] = {}

    def named(name: str) -> Any:
        unknown = z3.Real(name, context)
        solver.add(unknown > 0)
        return unknown

    def term(e: Any) -> Any:
        if e.is_Rational:
            return z3.RealVal(f"{e.p}/{e.q}", context)
        if e.is_Symbol:
            if e not in unknowns:
                unknowns[e] = named(f"{e}")
            return unknowns[e]
        if e.is_Add:
            return z3.Sum([term(a) for a in e.args])
        if e.is_Mul:
            return z3.Product([term(a) for a in e.args])
        if e.exp.is_Integer and e.exp > 0:
            return z3.Product([term(e.base)] * int(e.exp))
        if e not in unknowns:  # a root or an inverse: r > 0 with r**q = base**p
            unknowns[e] = root = named(f"r{len(unknowns)}")
            power, base = z3.Product([root] * int(e.exp.q)), term(e.base)
            whole = z3.Product([base] * abs(int(e.exp.p)))
            solver.add(power == whole if e.exp.p > 0 else power * whole == 1)
        return unknowns[e]

    top, bottom = term(numerator), term(denominator)
    solver.add(top * bottom <= 0 if strict else top * bottom < 0)
    text = str(solver.to_smt2())
    return text if solver.check() == z3.unsat else None

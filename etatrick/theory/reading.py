"""Reading what `derive` is given: strings or formulas, parameters with domains, and what no rule may be."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import sympy as sp

from etatrick.errors import InputError, shortened
from etatrick.theory.balls import value_at
from etatrick.theory.budget import attempt
from etatrick.theory.duality import Form, Step
from etatrick.theory.grammar import parse
from etatrick.theory.growth import descent
from etatrick.theory.parameters import Parameter
from etatrick.theory.pieces import breaks, pieces
from etatrick.theory.signs import is_exact_zero, points
from etatrick.theory.structure import is_smooth
from etatrick.theory.symbols import eta, lam, w


@final
@dataclass(frozen=True)
class Given:
    """One form, the jump of Ω at 0, and what the gradient sees of the noise."""

    form: Form
    expression: Any
    jump: Any = 0
    gradient: Literal["detached", "differentiated"] = "detached"


def read(source: Given, parameters: Iterable[Any]) -> tuple[Given, tuple[Parameter, ...], tuple[Step, ...]]:
    """Turn strings into formulas in declared symbols.

    Parameters
    ----------
    source : Given
        With strings, numbers or sympy expressions.
    parameters : iterable of str, Parameter or sympy.Symbol

    Returns
    -------
    given : Given
        With sympy expressions.
    domains : tuple of Parameter
        Those that do not range over all positive numbers.
    notes : tuple of Step
        What was done to what was given.

    Raises
    ------
    InputError
        If something is no mathematics in the declared symbols.
    """
    if isinstance(parameters, str):
        shown = repr(shortened(parameters))
        raise InputError(f"parameters={shown}", "parameters must be a list of names", f"write [{shown}]")
    declared = [p if isinstance(p, sp.Symbol | Parameter) else Parameter(p) for p in parameters]
    domains = tuple(p for p in declared if isinstance(p, Parameter) and p.opened[0] != p.symbol)
    expression = _expression(source.form, source.expression, eta if source.form == "dual" else w, declared)
    jump = _expression("jump", source.jump, w, declared)
    value = value_at(jump, next(points(jump)))
    if jump.has(w) or (value is not None and value < 0):
        raise InputError(f"jump = {shortened(str(jump))}", "Ω(0+) − Ω(0) must be ≥ 0 and free of w", "correct it")
    given = replace(source, expression=expression, jump=jump)
    if source.gradient not in ("detached", "differentiated"):
        raise InputError(f"gradient={source.gradient!r}", 'is "detached" or "differentiated"', 'write "detached"')
    if source.gradient == "differentiated":
        return (*_through_the_noise(given, domains),)
    notes: tuple[Step, ...] = ()
    if source.form == "alpha":
        notes = (Step(r"\Omega'(w) = w\,(1-\alpha)/\alpha", "the noise scale is detached: E∇ = ∇L + λΩ′"),)
    return given, domains, notes


def _through_the_noise(
    given: Given, domains: tuple[Parameter, ...]
) -> tuple[Given, tuple[Parameter, ...], tuple[Step, ...]]:
    """Return the penalty that gradients through α see: the expected loss gains Ω = ½w²(1−α)/α."""
    if given.form != "alpha":
        raise InputError(f"{given.form} with gradient='differentiated'", "only α is noise to differentiate through",
                         "leave gradient out")  # fmt: skip
    alpha = given.expression
    gauge = lam if lam in alpha.free_symbols else sp.Integer(1)
    penalty = sp.simplify(w**2 * (1 - alpha) / (2 * alpha * gauge))
    note = Step(rf"\Omega(w) = w^2(1-\alpha)/(2\alpha) = {sp.latex(penalty)}", "gradients flow through the noise scale")
    return replace(given, form="penalty", expression=penalty), domains, (note,)


def _expression(name: str, source: Any, variable: Any, declared: list[Any]) -> Any:
    if isinstance(source, str):
        expr = parse(source, variable=variable, parameters=declared)
    elif isinstance(source, float) and not math.isfinite(source):
        raise InputError(f"{name} = {source}", "must be finite", "give a formula or a finite number")
    elif isinstance(source, sp.Expr | int | float) and not isinstance(source, bool):
        expr = source if isinstance(source, sp.Expr) else sp.Rational(repr(source))
    else:
        raise InputError(repr(source), f"{name} must be a string or a sympy expression", 'write e.g. "w*(w+2)"')
    real = {p.symbol for p in declared if isinstance(p, Parameter)}
    for symbol in sorted(expr.free_symbols, key=str):
        if symbol == (w if variable == eta else eta):
            raise InputError(str(symbol), f"{name} is a function of {variable}", f"write it in {variable}")
        if not symbol.is_positive and symbol not in real:
            remedy = f'use sympy.Symbol("{symbol}", positive=True) or the symbols of etatrick.theory'
            raise InputError(str(symbol), "every symbol must be declared positive", remedy)
    expr = expr.xreplace({number: sp.Rational(str(number)) for number in expr.atoms(sp.Float)})
    return (
        _in_pieces(expr) if name == "penalty" and not isinstance(expr, sp.Piecewise) and not is_smooth(expr) else expr
    )


def _in_pieces(expr: Any) -> Any:
    """Write Min, Max and pieces within a formula as pieces of it, where the break points are explicit."""
    found, _ = attempt(2.0, lambda: pieces(expr))
    if found is None:
        return expr
    return sp.Piecewise(*((part.formula, True if part.upper == sp.oo else w <= part.upper) for part in found))


def screen(form: Form, expr: Any, jump: Any, closing: Mapping[Any, Any]) -> None:
    """Reject rules that are no rule: negative or complex values, decreasing penalties, α outside [0, 1].

    Parameters
    ----------
    form : {"penalty", "eta_hat", "dual", "alpha"}
    expr : sympy.Expr
        In positive symbols.
    jump : sympy.Expr
        A penalty with a jump at 0 may be constant beyond.
    closing : mapping
        Those symbols as functions of parameters with smaller domains, for messages.

    Raises
    ------
    InputError
    """
    tested, rule = {
        "penalty": (sp.diff(expr, w), "a penalty must not decrease in w"),
        "eta_hat": (expr, "η̂ must be positive"),
        "alpha": (expr, "a retain probability lies in [0, 1]"),
        "dual": (sp.diff(expr, eta), "f must not decrease in η"),
    }[form]
    if expr.has(sp.I):
        raise InputError(shortened(str(expr)), f"{form} must be real for positive symbols", "check its domain")
    if expr.has(sp.oo, sp.zoo, sp.nan) and form != "dual":
        raise InputError(shortened(str(expr)), f"{form} must be finite", "check its domain")
    if (tested == 0 and jump == 0) or (form == "alpha" and tested == 1):
        remedy = {"penalty": "Ω must grow", "dual": "f must grow", "alpha": "α must lie in (0, 1)"}
        raise InputError(f"{form} = {shortened(str(expr))}", remedy.get(form, "η̂ must be positive"),
                         "correct the expression")  # fmt: skip
    if form in ("penalty", "dual"):
        _refuse_descent(form, expr, rule, closing)
    strict = form in ("eta_hat", "alpha")
    for point in points(tested):
        value = value_at(tested, point)
        if value is None:
            continue
        if value < 0 or (form == "alpha" and value > 1) or (strict and is_exact_zero(tested, point, value)):
            where = ", ".join(f"{s}={float(v):g}" for s, v in _in_words(point, closing))
            raise InputError(f"{form} = {shortened(str(expr))}", f"{rule}, yet at {where} it gives {float(value):.4g}",
                             "correct the expression")  # fmt: skip


def _refuse_descent(form: Form, expr: Any, rule: str, closing: Mapping[Any, Any]) -> None:
    """Reject a penalty or dual whose values fall from one point to a larger one, at a jump for instance."""
    function = expr.subs(eta, w)
    parts, _ = attempt(1.0, lambda: pieces(function))
    inner = (parts or ())[:-1]
    if any(part.formula.is_infinite for part in inner):
        raise InputError(f"{form} = {shortened(str(expr))}", "must not fall from +∞", "correct the expression")
    edges, _ = attempt(2.0, lambda: [part.upper for part in inner] or breaks(function))
    found = descent(function, edges or (), ">=", form)
    if found is not None:
        where = ", ".join(f"{name}={value:g}" for name, value in found.witness.items())
        raise InputError(f"{form} = {shortened(str(expr))}", f"{rule}, yet it {found.detail} ({where})",
                         "correct the expression")  # fmt: skip


def _in_words(point: Mapping[Any, Any], closing: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    for symbol, value in point.items():
        if symbol in closing:
            (own,) = closing[symbol].free_symbols
            yield own, sp.N(sp.solve(closing[symbol] - value, own)[0])
        else:
            yield symbol, value


__all__ = ["Given", "read", "screen"]

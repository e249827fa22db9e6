"""Assembling the duality that a calculus rule yields: its α, parameters, base and step; and what rules refuse."""

import itertools
from dataclasses import replace
from typing import Any

import sympy as sp

from etatrick.errors import InputError, shortened
from etatrick.theory.budget import attempt
from etatrick.theory.calculus.branching import SECONDS
from etatrick.theory.duality import Duality, Form, Step
from etatrick.theory.factoring import factored
from etatrick.theory.pieces import each
from etatrick.theory.symbols import lam, w


def made(d: Duality, penalty: Any, eta_hat: Any, dual: Any, base: Any, how: str, *new: Any) -> Duality:
    """Return `d` with new forms, its α, the new parameters, and a step that says how."""
    alpha = each(eta_hat, lambda formula: sp.Integer(1) if formula == sp.oo else short(formula / (formula + lam)))
    free = {s for expr in new for s in expr.free_symbols} | set(d.parameters)
    forms: dict[Form, Any] = {"penalty": penalty, "eta_hat": eta_hat, "dual": dual, "alpha": alpha}
    known: list[Form] = [form for form, expr in forms.items() if expr is not None]
    given = d.given if d.given in known else known[0]
    head = {"penalty": r"\Omega(w)", "eta_hat": r"\hat\eta(w)", "dual": r"f(\eta)", "alpha": r"\alpha(w)"}[given]
    step = Step(f"{head} = {sp.latex(forms[given])}", how)
    return replace(d, given=given, penalty=penalty, eta_hat=eta_hat, dual=dual, alpha=alpha, base=base,
                   parameters=tuple(sorted(free, key=str)), steps=(*d.steps, step))  # fmt: skip


def merged(d: Duality, other: Duality) -> Duality:
    """Return `d` with the parameters of `other` and their domains beside its own."""
    domains = (*d.domains, *(p for p in other.domains if p not in d.domains))
    return replace(d, parameters=tuple(sorted({*d.parameters, *other.parameters}, key=str)), domains=domains)


def zeroed(d: Duality) -> Duality:
    """Shift Ω to 0 at a base other than 0; an offset of Ω is twice that offset of f."""
    if d.base == 0 or d.penalty is None:
        return d
    offset = d.penalty.subs(w, d.base)
    return replace(d, penalty=each(d.penalty, lambda p: p - offset), dual=each(d.dual, lambda f: f - 2 * offset))


def need(done: str, needed: tuple[Form, ...], *dualities: Duality) -> None:
    """Refuse dualities without closed forms of what is needed."""
    for d, form in itertools.product(dualities, needed):
        if getattr(d, form) is None:
            rule = f"what is {done} needs a closed form of {form}"
            raise InputError(shortened(f"f = {d.dual}, η̂ = {d.eta_hat}"), rule, "give the penalty or the rule itself")


def grounded(*dualities: Duality) -> None:
    """Refuse penalties that are −∞ at 0."""
    for d in dualities:
        if d.base != 0 or end_of(d.penalty, w, 0) == -sp.oo:
            raise InputError(str(d.penalty), "Ω is −∞ at 0", "choose a penalty that is finite at 0")


def end_of(expr: Any, variable: Any, end: Any) -> Any | None:
    """Return the limit of a function in pieces at 0+ or ∞, None if it is not found.

    Examples
    --------
    >>> end_of(sp.Piecewise((w, w <= 1), (2 - 1 / w, True)), w, sp.oo)
    2
    """
    formula = expr.args[0 if end == 0 else -1][0] if isinstance(expr, sp.Piecewise) else expr
    return attempt(SECONDS, lambda: sp.limit(formula, variable, end, "+" if end == 0 else "-"))[0]


def short(expr: Any) -> Any:
    """Return a rational function in factored form and anything else over one denominator.

    Examples
    --------
    >>> short(1 / (1/w + 1/(w + 1)))
    w*(w + 1)/(2*w + 1)
    """
    if expr.has(sp.Piecewise, sp.Min, sp.Max):
        return expr
    return factored(sp.cancel(expr)) if expr.is_rational_function(*expr.free_symbols) else sp.together(expr)

"""Calculus of dualities: scale, stretch, add, take the lesser, compose; each by its rule, nothing solved again."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.calculus.assembly import end_of, grounded, made, merged, need, short, zeroed
from etatrick.theory.calculus.branching import (
    SECONDS,
    chosen,
    in_pieces,
    inserted,
    joined,
    lesser_dual,
    through,
    winners,
)
from etatrick.theory.calculus.constants import constant
from etatrick.theory.calculus.lifting import additive_form, check_lifting, hadamard_form
from etatrick.theory.derivation import derive
from etatrick.theory.duality import Duality
from etatrick.theory.parameters import Parameter
from etatrick.theory.pieces import each
from etatrick.theory.symbols import eta, w


def scaled(d: Duality, c: Any) -> Duality:
    r"""Return the duality of :math:`c\,\Omega`: the rule is :math:`\hat\eta/c`, the dual :math:`c f(c\eta)`.

    Parameters
    ----------
    d : Duality
    c : number or sympy.Expr
        Positive; an expression in positive parameters is kept symbolic.

    Returns
    -------
    Duality

    Raises
    ------
    InputError
        If `c` is not positive.

    Examples
    --------
    >>> scaled(derive(penalty="log(1+w)"), 3).eta_hat
    w*(w + 1)/3
    """
    c = _positive("c", c)
    penalty = each(d.penalty, lambda formula: c * formula)
    eta_hat = each(d.eta_hat, lambda formula: formula / c)
    dual = each(inserted(d.dual, eta, c * eta, lambda bound: bound / c), lambda formula: c * formula)
    result = made(d, penalty, eta_hat, dual, d.base, f"scaled by c = {c}: c·Ω, η̂/c, c·f(cη)", c)
    return replace(result, jump=c * d.jump)


def stretched(d: Duality, s: Any) -> Duality:
    r"""Return the duality of :math:`\Omega(w/s)`: the rule is :math:`s^2\hat\eta(w/s)`, the dual :math:`f(\eta/s^2)`.

    Parameters
    ----------
    d : Duality
    s : number or sympy.Expr
        Positive; an expression in positive parameters is kept symbolic.

    Returns
    -------
    Duality

    Raises
    ------
    InputError
        If `s` is not positive.

    Examples
    --------
    >>> stretched(derive(penalty="min(w, 1)"), 3).penalty
    Piecewise((w/3, w <= 3), (1, True))
    """
    s = _positive("s", s)
    penalty = inserted(d.penalty, w, w / s, lambda bound: bound * s)
    eta_hat = each(inserted(d.eta_hat, w, w / s, lambda bound: bound * s), lambda formula: s**2 * formula)
    dual = inserted(d.dual, eta, eta / s**2, lambda bound: bound * s**2)
    return made(d, penalty, eta_hat, dual, d.base * s, f"stretched by s = {s}: Ω(w/s), s²η̂(w/s), f(η/s²)", s)


def with_ridge(d: Duality, mu: Any) -> Duality:
    r"""Return the duality of :math:`\Omega + \mu w^2/2`; its dual is :math:`f(\eta/(1-\mu\eta))` up to η = 1/μ.

    Beyond 1/μ the dual is +∞; at 1/μ it is :math:`f(\infty) = 2\sup\Omega`, which is attained where Ω is flat.

    Parameters
    ----------
    d : Duality
    mu : number or sympy.Expr
        Positive; an expression in positive parameters is kept symbolic.

    Returns
    -------
    Duality

    Raises
    ------
    InputError
        If `mu` is not positive.

    Examples
    --------
    >>> with_ridge(derive(penalty="w"), 2).dual
    Piecewise((eta/(1 - 2*eta), eta < 1/2), (oo, True))
    """
    mu = _positive("mu", mu)
    ridge = mu * w**2 / 2
    penalty = each(d.penalty, lambda formula: formula + ridge)
    eta_hat = joined(d.eta_hat, 1 / mu, _harmonic)
    dual = None
    if d.dual is not None:
        inside = inserted(d.dual, eta, eta / (1 - mu * eta), lambda bound: bound / (1 + mu * bound))
        rows = list(inside.args) if isinstance(inside, sp.Piecewise) else [(inside, sp.true)]
        rows = [(formula, eta < 1 / mu if condition == sp.true else condition) for formula, condition in rows]
        top = end_of(d.dual, eta, sp.oo) if d.penalty is None else end_of(each(d.penalty, lambda p: 2 * p), w, sp.oo)
        rows += [(top, eta <= 1 / mu)] if top is not None and top.is_finite else []
        dual = sp.Piecewise(*rows, (sp.oo, True))
    result = made(d, penalty, eta_hat, dual, d.base, f"ridge added: Ω + ({mu})w²/2, f(η/(1 − ({mu})η))", mu)
    return zeroed(result)


def added(d1: Duality, d2: Duality) -> Duality:
    r"""Return the duality of :math:`\Omega_1+\Omega_2`: precisions add, :math:`1/\hat\eta = 1/\hat\eta_1+1/\hat\eta_2`.

    The dual is the infimal convolution in ρ = 1/η,
    :math:`f(1/\rho) = \min_{\rho_1+\rho_2=\rho} f_1(1/\rho_1)+f_2(1/\rho_2)`: closed where one of the two is a ridge
    (:func:`with_ridge`), otherwise None, and then ``dual_at`` inverts the rule.

    Parameters
    ----------
    d1, d2 : Duality
        With closed forms of η̂.

    Returns
    -------
    Duality

    Raises
    ------
    InputError
        If η̂ of either has no closed form.

    Examples
    --------
    >>> added(derive(penalty="w"), derive(penalty="log(1+w)")).eta_hat
    w*(w + 1)/(w + 2)
    """
    need("added", ("eta_hat",), d1, d2)
    for one, other in ((d1, d2), (d2, d1)):
        if w not in other.eta_hat.free_symbols and other.eta_hat.is_finite and other.base == other.jump == 0:
            return merged(with_ridge(one, 1 / other.eta_hat), other)
    penalty = joined(d1.penalty, d2.penalty, lambda a, b: a + b)
    base = d1.base if d1.base != 0 else d2.base
    how = "penalties added: Ω₁ + Ω₂, 1/η̂ = 1/η̂₁ + 1/η̂₂; f is an infimal convolution in 1/η"
    result = made(d1, penalty, joined(d1.eta_hat, d2.eta_hat, _harmonic), None, base, how)
    return zeroed(merged(replace(result, jump=d1.jump + d2.jump), d2))


def least(d1: Duality, d2: Duality) -> Duality:
    r"""Return the duality of :math:`\min(\Omega_1,\Omega_2)`: the rule of the lesser penalty, :math:`\min(f_1,f_2)`.

    Where the crossings are explicit the result is in pieces; otherwise it holds sympy's ``Min`` and the numbers are
    the same. The dual reproduces the penalty but is not canonical: the canonical one is its convex envelope in 1/η.
    η̂ jumps upwards at a crossing.

    Parameters
    ----------
    d1, d2 : Duality
        With closed forms of Ω and η̂, both zero at 0.

    Returns
    -------
    Duality

    Raises
    ------
    InputError
        If Ω or η̂ of either has no closed form, or Ω is −∞ at 0.

    Examples
    --------
    >>> least(derive(penalty="w"), derive(penalty="w**2/2")).penalty
    Piecewise((w**2/2, w <= 2), (w, True))
    """
    need("compared", ("penalty", "eta_hat"), d1, d2)
    grounded(d1, d2)
    rows = winners(d1.penalty, d2.penalty)
    if rows is None:
        how = "the crossings are not explicit"
        penalty: Any = sp.Min(d1.penalty, d2.penalty, evaluate=False)
        lesser = sp.Le(d1.penalty, d2.penalty, evaluate=False)
        eta_hat: Any = sp.Piecewise((d1.eta_hat, lesser), (d2.eta_hat, True))
    else:
        how = f"{len(rows) - 1} explicit crossings"
        penalty = chosen(d1.penalty, d2.penalty, rows)
        eta_hat = chosen(d1.eta_hat, d2.eta_hat, rows)
    dual = None if None in (d1.dual, d2.dual) else lesser_dual(d1.dual, d2.dual)
    result = made(d1, penalty, eta_hat, dual, d1.base, f"pointwise least: min(Ω₁, Ω₂), min(f₁, f₂); {how}")
    return merged(replace(result, jump=sp.Min(d1.jump, d2.jump)), d2)


def composed(phi: Any, d: Duality, parameters: Iterable[Any] = ()) -> Duality:
    r"""Return the duality of :math:`\varphi(\Omega)` for φ concave and increasing: the rule is η̂/φ′(Ω).

    Subquadratic stays subquadratic. With φ(t) = min over s of s·t + c(s), the dual is
    :math:`\min_s [s f(s\eta) + 2c(s)]`, in general without closed form: None, unless φ is linear.

    Parameters
    ----------
    phi : str or sympy.Expr
        φ, written in w for its argument, which ranges over the values of Ω; taken relative to φ(0).
    d : Duality
        With closed forms of Ω and η̂, zero at 0.
    parameters : iterable of str or sympy.Symbol
        Names of free parameters in a string `phi`.

    Returns
    -------
    Duality

    Raises
    ------
    InputError
        If φ decreases, is not shown to be concave on the half-line, or is −∞ at 0; or if Ω or η̂ has no closed form.

    Examples
    --------
    >>> composed("log(1+w)", derive(penalty="w**2")).eta_hat
    (w**2 + 1)/2
    """
    need("composed", ("penalty", "eta_hat"), d)
    outer = _outer(phi, tuple(parameters))
    grounded(d, outer)
    concave = outer.conditions["concave"]
    if not concave.holds:
        raise InputError(f"φ = {outer.penalty}", f"φ must be concave: {concave}", "choose e.g. sqrt(w) or log(1+w)")
    rate = each(outer.penalty, lambda formula: sp.diff(formula, w))
    if not rate.has(w):
        return merged(scaled(d, rate), outer)
    rows = through(outer.penalty, d.penalty)
    if rows is None:
        rule = "the weights at which it reaches a break point of φ must be explicit"
        raise InputError(f"Ω = {d.penalty}", rule, "choose a smooth φ")
    penalty = in_pieces([(phi_piece.subs(w, piece), upper) for phi_piece, piece, upper in rows])
    weight = in_pieces([(sp.diff(phi_piece, w).subs(w, piece), upper) for phi_piece, piece, upper in rows])
    eta_hat = joined(d.eta_hat, weight, lambda e, r: sp.oo if r == 0 or e == sp.oo else short(e / r))
    how = f"composed with the concave, increasing φ = {outer.penalty}: φ(Ω), η̂/φ′(Ω)"
    result = made(d, penalty, eta_hat, None, d.base, how)
    last = replace(result.steps[-1], verdict=concave)
    jump = 0 if d.jump == 0 else outer.penalty.subs(w, d.jump)
    return merged(replace(result, steps=(*result.steps[:-1], last), jump=jump), outer)


def _positive(name: str, value: Any) -> Any:
    return constant(Parameter(name), value)


@lru_cache(maxsize=64)
def _outer(phi: Any, parameters: tuple[Any, ...]) -> Duality:
    return derive(penalty=phi, parameters=parameters, time_limit=SECONDS)


def _harmonic(first: Any, second: Any) -> Any:
    """Return the η̂ whose precision 1/η̂ is the sum of two."""
    if sp.oo in (first, second):
        return second if first == sp.oo else first
    return short(first * second / (first + second))


__all__ = ["added", "additive_form", "check_lifting", "composed", "hadamard_form", "least", "scaled", "stretched",
           "with_ridge"]  # fmt: skip

"""Retain probabilities floored at a least value: the penalty that a clamped rule really imposes."""

from typing import Any

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.duality import Duality, Step
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import eta, lam, w


def clamped(duality: Duality, *, retain: float, strength: float, at_most: float | None = None) -> Duality:
    r"""Return the duality of ``max(α(w), retain)``, or of ``min(max(α(w), retain), at_most)``.

    With η_m = λ·retain/(1−retain) and w_m the weight at which η̂ reaches η_m,

    .. math:: \Omega_{cl}(w) = \begin{cases} w^2/(2\eta_m) & w \le w_m \\
              \Omega(w) - \Omega(w_m) + w_m^2/(2\eta_m) & w > w_m: \end{cases}

    ridge near 0, the old penalty (shifted) beyond. No weight is held at exactly 0. A bound `at_most` gives the scale
    η_M and the weight w_M in the same way; beyond w_M the penalty goes on as :math:`(w^2 - w_M^2)/(2\eta_M)`, and f is
    +∞ above η_M.

    Parameters
    ----------
    duality : Duality
        Without free parameters, η̂ nondecreasing with a closed form of Ω.
    retain : float
        The least retain probability, in (0, 1).
    strength : float
        λ > 0, which turns α into η.
    at_most : float, optional
        The largest retain probability, in (retain, 1).

    Returns
    -------
    Duality

    Raises
    ------
    InputError
        If a number is outside its domain or η̂ never reaches η_m or η_M.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> d = clamped(derive(eta_hat="w"), retain=0.5, strength=1.0)
    >>> d.penalty
    Piecewise((w**2/2, w <= 1), (w - 1/2, True))
    """
    least = Parameter("retain", 0, 1).exact(retain)
    level = Parameter("strength").exact(strength) * least / (1 - least)
    if duality.conditions["monotone"].status == "refuted":
        raise InputError(str(duality.eta_hat), "η̂ decreases somewhere", "clamp a nondecreasing rule")
    edge = _edge(duality, level)
    offset = duality.penalty.subs(w, edge) - edge**2 / (2 * level)
    arms = {
        "penalty": [(w**2 / (2 * level), w <= edge), (duality.penalty - offset, True)],
        "eta_hat": [(level, w <= edge), (duality.eta_hat, True)],
        "dual": [(0, eta <= level), (None if duality.dual is None else duality.dual - 2 * offset, True)],
    }
    how = f"α raised to at least {least}: η̂ raised to at least {level}, reached at w = {sp.N(edge, 6)}"
    if at_most is not None:
        most = Parameter("at_most", retain, 1).exact(at_most)
        top = Parameter("strength").exact(strength) * most / (1 - most)
        end = _edge(duality, top)
        beyond = duality.penalty.subs(w, end) - offset + (w**2 - end**2) / (2 * top)
        for name, bound, last in (
            ("penalty", w <= end, beyond),
            ("eta_hat", w <= end, top),
            ("dual", eta <= top, sp.oo),
        ):
            arms[name] = [*arms[name][:-1], (arms[name][-1][0], bound), (last, True)]
        how += f"; lowered to at most {most}: η̂ to at most {top}, reached at w = {sp.N(end, 6)}"
    penalty, eta_hat = (sp.Piecewise(*arms[name]) for name in ("penalty", "eta_hat"))
    dual = None if duality.dual is None else sp.Piecewise(*arms["dual"])
    step = Step(rf"\hat\eta_{{cl}}(w) = {sp.latex(eta_hat)}", how)
    return Duality("eta_hat", penalty, eta_hat, dual, eta_hat / (eta_hat + lam), (), duality.base,
                   (*duality.steps, step))  # fmt: skip


def _edge(duality: Duality, level: Any) -> Any:
    """Return the positive root w_m of η̂(w) = η_m as an exact number."""
    if duality.penalty is None or duality.eta_hat is None or duality.parameters:
        raise InputError("duality", "clamping needs closed forms without free parameters", "call .at(…) first")
    roots = [root for root in sp.solve(duality.eta_hat - level, w) if root.is_positive]
    if len(roots) != 1:
        raise InputError(f"η_m = {level}", "η̂ must reach the level exactly once", "choose another retain")
    return roots[0]

"""The identities that tie the four forms of a duality together, each proved symbolically or refuted."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy as sp

from etatrick.theory.balls import UndecidedError, holds
from etatrick.theory.budget import attempt
from etatrick.theory.inverses import inverse
from etatrick.theory.pieces import Piece, inside, pieces, placed
from etatrick.theory.signs import points
from etatrick.theory.structure import denested, domain_text, is_smooth
from etatrick.theory.symbols import eta, lam, w
from etatrick.theory.trees import tree
from etatrick.theory.verdict import Verdict
from etatrick.theory.zeros import prove_zero

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

TIME_LIMIT = 5.0
QUICK = 1.0
RECOMPUTED: Mapping[str, Any] = {"kind": "identity", "pieces": []}  # the forms alone tell what vanishes

STATEMENTS = {
    "slope": r"\Omega'(w) = w/\hat\eta(w)",
    "envelope": r"f(\hat\eta(w)) = 2\Omega(w) - w\,\Omega'(w)",
    "stationarity": r"\hat\eta(w)^2 f'(\hat\eta(w)) = w^2",
    "gauge": r"\alpha(w) = \hat\eta(w)/(\hat\eta(w)+\lambda)",
}

NEEDED: dict[str, tuple[str, ...]] = {
    "slope": ("penalty", "eta_hat"),
    "envelope": ("penalty", "eta_hat", "dual"),
    "stationarity": ("eta_hat", "dual"),
    "gauge": ("eta_hat", "alpha"),
}


@lru_cache(maxsize=256)
def identities(duality: "Duality") -> Mapping[str, Verdict]:
    """Return a verdict for each identity in :data:`STATEMENTS`.

    Every identity is tested by differentiating and substituting in the forms as they stand, so a wrong form
    refutes it; an identity whose forms are not all known in closed form is *unknown*.

    Parameters
    ----------
    duality : Duality
        The forms to test.

    Returns
    -------
    mapping of str to Verdict

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> {v.status for v in identities(derive(eta_hat="w*(w+2)")).values()}
    {'proved'}
    """
    return {name: _settle(name, duality.opened) for name in STATEMENTS if not _is_void(name, duality)}


def _is_void(name: str, d: "Duality") -> bool:
    """Tell whether an identity says nothing.

    The range of a constant η̂ is one point, so f has no slope there; where f is not known in closed form, it is
    defined by the envelope identity; where only f is known, α is defined by η.
    """
    if name == "stationarity":
        return d.eta_hat is None or w not in d.eta_hat.free_symbols
    if name == "envelope":
        return d.dual is None or d.eta_hat is None
    return name == "gauge" and d.eta_hat is None


def _settle(name: str, d: "Duality") -> Verdict:
    if name == "slope" and d.eta_hat is None and d.dual is not None:
        return _attempted(lambda: _slope_along(d.dual))
    if name == "stationarity" and (d.dual is None or d.eta_hat is None):
        if d.penalty is None or d.eta_hat is None or not is_smooth(d.eta_hat):
            return Verdict("unknown", "a form is missing", detail="no closed form to substitute in")
        return _attempted(lambda: _stationary_along(d.penalty, d.eta_hat))
    if any(getattr(d, form) is None for form in NEEDED[name]):
        return Verdict("unknown", "a form is missing", detail="no closed form to substitute in")
    if name in ("slope", "gauge"):
        return _attempted(lambda: _prove(name, d))
    quick = _attempted(lambda: _prove(name, d), seconds=QUICK)
    if quick.status not in ("checked", "unknown"):
        return quick
    inverted, _ = attempt(TIME_LIMIT, lambda: _by_inverse(d))
    return inverted or (quick if quick.status == "checked" else _attempted(lambda: _prove(name, d)))


def _attempted(prove: Callable[[], Verdict], seconds: float | None = None) -> Verdict:
    verdict, reason = attempt(seconds or TIME_LIMIT, prove)
    return verdict or Verdict("unknown", reason)


def _slope_along(dual: Any) -> Verdict:
    """Prove dΩ = Ω′ dw along η, where w = η√f′, Ω′ = √f′ and Ω = ½(ηf′ + f)."""
    verdicts = []
    for part in pieces(dual.subs(eta, w)) or ():
        if part.formula.is_infinite:
            continue
        slant = sp.diff(part.formula, w)
        area, reach = (w * slant + part.formula) / 2, w * sp.sqrt(slant)
        verdicts.append(prove_zero(sp.diff(area, w) - sp.sqrt(slant) * sp.diff(reach, w)) if slant != 0 else
                        Verdict("proved", "f is constant", domain_text(dual)))  # fmt: skip
    return replace(next((v for v in verdicts if v.status != "proved"), verdicts[0]), certificate=RECOMPUTED)


def _stationary_along(penalty: Any, eta_hat: Any) -> Verdict:
    """Prove η̂² df = w² dη̂ along w for the parametric dual f = 2Ω − w²/η̂."""
    dual = 2 * penalty - w**2 / eta_hat
    verdict = prove_zero(eta_hat**2 * sp.diff(dual, w) - w**2 * sp.diff(eta_hat, w))
    return replace(verdict, certificate=RECOMPUTED)


def _by_inverse(d: "Duality") -> Verdict | None:
    """Prove f = 2Ω(ŵ) − ŵ²/η with ŵ the inverse of η̂, from which envelope and stationarity follow."""
    if not (is_smooth(d.eta_hat) and is_smooth(d.penalty)):
        return None
    branch = inverse(d.eta_hat, w, eta)
    parts = pieces(d.dual.subs(eta, w))
    if branch is None or parts is None:
        return None
    part = next((p for p in parts if p.formula != 0 and not p.formula.is_infinite), None)
    if part is None:
        return None
    above = {eta: part.lower + eta}  # on the range of η̂
    back = prove_zero(denested(branch.subs(eta, d.eta_hat)) - w)
    same = prove_zero((part.formula.subs(w, eta) - 2 * d.penalty.subs(w, branch) + branch**2 / eta).subs(above))
    if not back.status == same.status == "proved":
        return None
    detail = f"f = 2Ω(ŵ) − ŵ²/η ({same.method}) with ŵ(η̂(w)) = w ({back.method})"
    return Verdict("proved", "by the inverse of η̂", domain_text(d.eta_hat), detail=detail, certificate=RECOMPUTED)


def _prove(name: str, d: "Duality") -> Verdict:
    """Prove one identity on every piece of η̂."""
    parts = pieces(d.eta_hat)
    if parts is None:
        return Verdict("unknown", "the break points are not explicit", domain_text(d.eta_hat))
    verdicts, residuals = [], []
    for part in parts:
        skipped = name in ("stationarity", "gauge", "envelope") and part.formula.is_infinite
        if skipped or (name == "stationarity" and w not in part.formula.free_symbols):
            continue
        residual = _residual(name, d, part)
        if residual is not None:
            residuals.append((part, residual))
        verdicts.append(
            Verdict("unknown", "no single formula on a piece of η̂", domain_text(d.eta_hat))
            if residual is None
            else _placed_zero(residual, part)
        )
    for status in ("refuted", "unknown", "checked"):
        for verdict in verdicts:
            if verdict.status == status:
                return verdict
    if not verdicts:
        return Verdict("proved", "η̂ has only flat pieces", domain_text(d.eta_hat), certificate=RECOMPUTED)
    return replace(verdicts[0], certificate=_certificate(residuals))


def _certificate(residuals: list[tuple[Piece, Any]]) -> dict[str, Any] | None:
    """Return the residuals that vanish, piece by piece, as data."""
    try:
        return {"kind": "identity", "pieces": [
            {"lower": tree(part.lower), "upper": tree(part.upper), "residual": tree(residual)}
            for part, residual in residuals
        ]}  # fmt: skip
    except ValueError:
        return None


def _placed_zero(residual: Any, part: Piece) -> Verdict:
    place, t = inside(part)
    if residual.is_rational_function() and sp.cancel(sp.together(residual)) == 0:
        return Verdict("proved", "an identity of rational functions", domain_text(residual))
    if t != w:  # what vanishes for every w > 0 vanishes on the piece, and is shorter to write
        everywhere, _ = attempt(QUICK, lambda: prove_zero(residual))
        if everywhere is not None and everywhere.status == "proved":
            return everywhere
    verdict = prove_zero(residual.subs(w, place))
    return verdict if t == w or verdict.status != "refuted" else placed(verdict, place, t)


def _residual(name: str, d: "Duality", part: Piece) -> Any | None:
    """Return the expression in w that must vanish on a piece of η̂, or None where a form changes formula on it."""
    eta_hat, (place, _) = part.formula, inside(part)
    here = eta_hat.subs(w, place)
    penalty = _formula_on(d.penalty, w, place) if "penalty" in NEEDED[name] else None
    dual = _formula_on(d.dual, eta, here) if "dual" in NEEDED[name] else None
    alpha = _formula_on(d.alpha, w, place) if "alpha" in NEEDED[name] else None
    if name == "slope":
        slope = sp.Integer(0) if eta_hat.is_infinite else w / eta_hat
        return None if penalty is None else sp.diff(penalty, w) - slope
    if name == "envelope":
        if penalty is None or dual is None:
            return None
        return dual.subs(eta, eta_hat) - 2 * penalty + w * sp.diff(penalty, w)
    if name == "stationarity":
        return None if dual is None else (eta**2 * sp.diff(dual, eta)).subs(eta, eta_hat) - w**2
    return None if alpha is None else alpha - eta_hat / (eta_hat + lam)


def _formula_on(expr: Any, variable: Any, place: Any) -> Any | None:
    """Return the one formula that a function in pieces has where its variable is `place`, or None."""
    if is_smooth(expr):
        return expr
    folded = sp.piecewise_fold(expr.rewrite(sp.Piecewise))
    if not isinstance(folded, sp.Piecewise):
        return folded if is_smooth(folded) else None
    conditions = [condition.subs(variable, place) for _, condition in folded.args]
    chosen = set()
    for point in points(place, *(c for c in conditions if c.free_symbols), count=8):
        try:
            chosen.add(next((k for k, c in enumerate(conditions) if holds(c, point)), None))
        except (UndecidedError, ValueError, TypeError, AttributeError, ZeroDivisionError):
            continue
    index = chosen.pop() if len(chosen) == 1 else None
    formula = None if index is None else folded.args[index][0]
    return formula if formula is not None and is_smooth(formula) and formula.is_infinite is not True else None

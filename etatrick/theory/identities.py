"""The identities that tie the four forms of a duality together, each proved symbolically or refuted."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy as sp

from etatrick.theory.balls import UndecidedError, holds
from etatrick.theory.budget import attempt
from etatrick.theory.pieces import Piece, inside, pieces, placed
from etatrick.theory.signs import domain_text, is_smooth, points, prove_zero
from etatrick.theory.symbols import eta, lam, w
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

TIME_LIMIT = 5.0

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
    return {name: _settle(name, duality) for name in STATEMENTS if not _is_void(name, duality)}


def _is_void(name: str, d: "Duality") -> bool:
    """Tell whether an identity says nothing: the range of a constant η̂ is one point, so f has no slope there."""
    return name == "stationarity" and d.eta_hat is not None and w not in d.eta_hat.free_symbols


def _settle(name: str, duality: "Duality") -> Verdict:
    if any(getattr(duality, form) is None for form in NEEDED[name]):
        return Verdict("unknown", "a form is missing", detail="no closed form to substitute in")
    verdict, reason = attempt(TIME_LIMIT, lambda: _prove(name, duality))
    return verdict or Verdict("unknown", reason)


def _prove(name: str, d: "Duality") -> Verdict:
    """Prove one identity on every piece of η̂."""
    parts = pieces(d.eta_hat)
    if parts is None:
        return Verdict("unknown", "the break points are not explicit", domain_text(d.eta_hat))
    verdicts = []
    for part in parts:
        skipped = name in ("stationarity", "gauge", "envelope") and part.formula.is_infinite
        if skipped or (name == "stationarity" and w not in part.formula.free_symbols):
            continue
        residual = _residual(name, d, part)
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
        return Verdict("proved", "η̂ has only flat pieces", domain_text(d.eta_hat))
    return verdicts[0]


def _placed_zero(residual: Any, part: Piece) -> Verdict:
    place, t = inside(part)
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

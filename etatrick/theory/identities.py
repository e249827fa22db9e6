"""The identities that tie the four forms of a duality together, each proved symbolically or refuted."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy as sp

from etatrick.theory.budget import attempt
from etatrick.theory.signs import prove_zero
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
    return {name: _settle(residual) for name, residual in _residuals(duality).items()}


def _settle(residual: Any) -> Verdict:
    if residual is None:
        return Verdict("unknown", "a form is missing", detail="no closed form to substitute in")
    verdict, reason = attempt(TIME_LIMIT, lambda: prove_zero(residual))
    return verdict or Verdict("unknown", reason)


def _residuals(d: "Duality") -> dict[str, Any]:
    """Return the expression that must vanish for each identity that applies, or None where a form is missing."""
    penalty, eta_hat, dual, alpha = d.penalty, d.eta_hat, d.dual, d.alpha
    slope = None if penalty is None else sp.diff(penalty, w)
    constant = eta_hat is not None and w not in eta_hat.free_symbols
    inner = _inner_piece(dual)
    residuals = {
        "slope": None if slope is None or eta_hat is None else slope - w / eta_hat,
        "envelope": None
        if slope is None or eta_hat is None or dual is None
        else (inner if constant else inner.subs(eta, eta_hat)) - 2 * penalty + w * slope,
        "stationarity": None
        if eta_hat is None or dual is None
        else (eta**2 * sp.diff(inner, eta)).subs(eta, eta_hat) - w**2,
        "gauge": None if alpha is None or eta_hat is None else alpha - eta_hat / (eta_hat + lam),
    }
    if constant:  # the range of η̂ is one point, so f has no slope to speak of
        del residuals["stationarity"]
    return residuals


def _inner_piece(dual: Any) -> Any:
    """Return the formula of f on the range of η̂ (a piecewise dual is 0 below it and +∞ above it)."""
    if not isinstance(dual, sp.Piecewise):
        return dual
    finite = [piece for piece, _ in dual.args if piece not in (0, sp.oo)]
    return finite[0] if finite else sp.Integer(0)

"""The graph of a duality: Ω, Ω′ and what grows with them, as functions of w or, where only f is known, of η."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, final

import sympy as sp

from etatrick.theory.growth import prove_growth
from etatrick.theory.integrals import slope_of
from etatrick.theory.pieces import Piece, pieces
from etatrick.theory.symbols import eta, w
from etatrick.theory.tidying import unpacked
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

_BY_WEIGHT: Final = {"slope": "slope", "prox": "w+slope", "penalty": "penalty", "reach": "reach"}
_BY_ETA: Final = {"slope": "dual_slope", "prox": "dual_prox", "penalty": "dual_penalty", "reach": "reach_squared"}


@final
@dataclass(frozen=True)
class Curve:
    """Functions of one variable, written as w, that runs along the graph of a duality.

    Along w itself: Ω′, w + Ω′ and Ω. Along η, where w² = η²f′(η): the squares f′ = Ω′², (1+η)²f′ = (w + Ω′)² and
    η²f′ = w², which grow exactly where their roots do, and Ω = ½(ηf′ + f).

    Parameters
    ----------
    variable : sympy.Symbol
        What the variable is: w or eta.
    slope, prox, penalty, reach : sympy.Expr or None
        In the symbol w.
    names : mapping
        What each function is called in certificates.
    """

    variable: Any
    slope: Any
    prox: Any
    penalty: Any
    reach: Any
    names: Mapping[str, str] = field(hash=False, default_factory=dict)

    @classmethod
    def along(cls, dual: Any) -> "Curve":
        """Return the curve along η of a dual given in closed form.

        Where f is constant at first, w is 0 there: the slope is extended by its first value, (w + Ω′)² by a line of
        slope 1.
        """
        arms, reach = _arms(dual), reach_squared(dual)
        parts = [part for part, _, _ in arms]
        slope, prox, penalty = [], [], []
        for part, slant, condition in arms:
            slope.append((slant, condition))
            prox.append(((1 + w) ** 2 * slant, condition))
            penalty.append(((w * slant + part.formula) / 2, condition))
        if len(parts) == 2 and slope[0][0] == 0:  # nothing happens below the range of η̂
            start = sp.limit(slope[1][0], w, parts[1].lower, "+")
            if start != 0:
                raise ValueError("f starts with a kink: η̂ is flat at first, which this curve does not show")
            slope[0] = (start, slope[0][1])
            edge = parts[1].lower
            prox[0] = (start * (1 + edge) ** 2 + w - edge, prox[0][1])  # grows, and meets the next piece
        return cls(eta, _joined(slope), _joined(prox), _joined(penalty), reach, _BY_ETA)

    def squared(self, what: str) -> bool:
        """Tell whether a function is the square of what it stands for."""
        return self.variable == eta and what != "penalty"

    def guarded(self, verdict: Verdict) -> Verdict:
        """Return a verdict on a function of η as one on w: right where w grows with η."""
        if self.variable == w or verdict.status == "unknown":
            return verdict
        growth = prove_growth(self.reach, of="reach_squared")
        if not growth.is_rigorous:
            return Verdict("unknown", "w does not provably grow with η", verdict.domain)
        status = verdict.status if verdict.status == "refuted" else Verdict.weakest(growth, verdict)
        return replace(
            verdict, status=status, certificate={"kind": "all", "premises": [growth.certificate, verdict.certificate]}
        )


@final
@dataclass(frozen=True)
class Parametric:
    """A duality as a curve: w, η̂, Ω and f as functions of one positive variable, with no equation to solve.

    Where f has no closed form the variable is w and f = 2Ω(w) − w²/η̂(w); where only f is known it is η, with
    w = η√f′(η) and Ω = ½(w²/η + f). The range of η̂ along the curve is the domain on which f is what it says.
    """

    variable: Any
    weight: Any
    eta_hat: Any
    penalty: Any
    dual: Any


def parametric_of(d: "Duality") -> Parametric | None:
    """Return the parametric form of a duality, or None where neither (Ω, η̂) nor f is known in closed form."""
    if d.penalty is not None and d.eta_hat is not None:
        square = sp.Integer(0) if d.eta_hat.is_infinite else w**2 / d.eta_hat
        return Parametric(w, w, d.eta_hat, d.penalty, 2 * d.penalty - square)
    if d.dual is None or isinstance(d.dual, sp.Piecewise):
        return None
    slant = unpacked(sp.diff(d.dual, eta))
    return Parametric(eta, eta * sp.sqrt(slant), eta, (eta * slant + d.dual) / 2, d.dual)


@lru_cache(maxsize=512)
def curve_of(d: "Duality") -> Curve:
    """Return the curve of a duality in positive symbols, along w where η̂ is known and along η otherwise.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> curve_of(derive(penalty="log(1 + w)")).prox
    w + 1/(w + 1)
    """
    if d.eta_hat is None:
        return Curve.along(d.dual)
    slope = slope_of(d.eta_hat)
    prox = sp.piecewise_fold(slope + w) if isinstance(slope, sp.Piecewise) else slope + w
    return Curve(w, slope, prox, d.penalty, None, _BY_WEIGHT)


def reach_squared(dual: Any) -> Any:
    """Return η²f′(η), which is w² at the η that belongs to w, in the symbol w.

    Raises
    ------
    ValueError
        If the break points of f are not explicit.

    Examples
    --------
    >>> reach_squared(sp.Piecewise((0, eta <= 1), (1 - 1/eta, True)))
    Piecewise((0, w <= 1), (1, True))
    """
    return _joined([(w**2 * slant, condition) for _, slant, condition in _arms(dual)])


@lru_cache(maxsize=512)
def _arms(dual: Any) -> tuple[tuple[Piece, Any, Any], ...]:
    """Return the pieces of f, each with f′ and the condition under which it holds, in the symbol w."""
    parts = pieces(dual.subs(eta, w))
    if parts is None:
        raise ValueError("the break points of f are not explicit")
    return tuple((part, sp.oo if part.formula.is_infinite else unpacked(sp.diff(part.formula, w)),
                  sp.true if part.upper == sp.oo else w <= part.upper) for part in parts)  # fmt: skip


def _joined(arms: list[tuple[Any, Any]]) -> Any:
    return arms[0][0] if len(arms) == 1 else sp.Piecewise(*arms)

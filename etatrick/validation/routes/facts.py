"""Facts that a proof consists of: a formula, what it says, and the verdict that the theory reached on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, final

from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

Wanted = Literal["holds", "fails"]


class Conditioned(Protocol):
    """Anything with verdicts on conditions: a duality, a gate law, a vector dual."""

    @property
    def conditions(self) -> Mapping[str, Verdict]:
        """The verdicts by name."""


@final
@dataclass(frozen=True)
class Fact:
    """One step of a proof.

    Parameters
    ----------
    latex : str
        The formula, without dollar signs.
    caption : str
        What it says, in a few words.
    verdict : Verdict
        What was concluded about the formula.
    wanted : {"holds", "fails"}
        Whether the proof needs the formula to hold, or to fail (with a witness).
    """

    latex: str
    caption: str
    verdict: Verdict
    wanted: Wanted = "holds"

    @property
    def outcome(self) -> Verdict:
        """The verdict on what the proof needs: of a formula that should fail, a witness is the proof."""
        found = self.verdict
        if self.wanted == "holds" or found.status == "unknown":
            return found
        if found.status == "refuted":
            place = ", ".join(f"{name} = {value:.6g}" for name, value in found.witness.items())
            return Verdict("proved", f"a counterexample: {found.method}", found.domain, detail=f"fails at {place}")
        return Verdict("refuted", f"it holds: {found.method}", found.domain, {"counterexamples": 0.0}, found.detail)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"latex": self.latex, "caption": self.caption, "verdict": self.verdict.to_json(), "wanted": self.wanted}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Fact":
        """Rebuild a fact from :meth:`to_json` data."""
        return cls(data["latex"], data["caption"], Verdict.from_json(data["verdict"]), data["wanted"])


def equal(lhs: Any, rhs: Any, caption: str, latex: str = "") -> Fact:
    r"""Return the fact that two formulas are equal for all positive values of their symbols.

    Parameters
    ----------
    lhs, rhs : sympy.Expr
        Their free symbols must be positive; undefined functions of them are allowed. A derivative, integral, sum or
        substitution that is left to do (``sympy.Derivative``, ``sympy.Subs``, …) is shown so and done for the proof.
    caption : str
        What the identity says.
    latex : str
        How to show it, where the formulas themselves are long.

    Returns
    -------
    Fact
        See :func:`etatrick.theory.zeros.prove_zero` for its verdicts.

    Examples
    --------
    >>> from etatrick.theory import w
    >>> equal((w + 1)**2, w**2 + 2*w + 1, "a square").verdict.status
    'proved'
    >>> equal((w + 1)**2, w**2 + 1, "not a square").verdict.status
    'refuted'
    >>> import sympy as sp
    >>> equal(sp.Derivative(w**2, w), 2*w, "its slope").latex
    '\\frac{d}{d w} w^{2} = 2 w'
    """
    import sympy as sp

    from etatrick.theory.zeros import prove_zero

    left, right = sp.sympify(lhs), sp.sympify(rhs)
    return Fact(latex or f"{sp.latex(left)} = {sp.latex(right)}", caption, prove_zero(_done(left) - _done(right)))


def _done(formula: Any) -> Any:
    """Return the formula with what is left to do in it done."""
    import sympy as sp

    left_to_do = formula.has(sp.Derivative, sp.Integral, sp.Limit, sp.Subs, sp.Sum, sp.Product)
    return formula.doit() if left_to_do else formula


def at_least(lhs: Any, rhs: Any, caption: str, latex: str = "", *, strict: bool = False, rising: Any = None) -> Fact:
    """Return the fact that ``lhs ≥ rhs`` (or ``>``, if `strict`) for all positive values of their symbols.

    Parameters
    ----------
    lhs, rhs : sympy.Expr
        Their free symbols must be positive.
    caption, latex : str
        As in :func:`equal`.
    strict : bool
        Whether equality counts against it.
    rising : sympy.Symbol, optional
        The variable in which an argument by growth from 0 may be made.

    Returns
    -------
    Fact
        See :func:`etatrick.theory.signs.prove_sign` for its verdicts.

    Examples
    --------
    >>> from etatrick.theory import w
    >>> at_least(w**2 + 1, 2*w, "a square").verdict.status
    'proved'
    """
    import sympy as sp

    from etatrick.theory.signs import prove_sign

    left, right = sp.sympify(lhs), sp.sympify(rhs)
    sign = ">" if strict else r"\ge"
    shown = latex or f"{sp.latex(left)} {sign} {sp.latex(right)}"
    return Fact(shown, caption, prove_sign(left - right, ">" if strict else ">=", rising))


def tends(expr: Any, variable: Any, end: Any, limit: Any, caption: str, latex: str = "") -> Fact:
    """Return the fact that a formula tends to a limit as a positive variable tends to 0 or infinity.

    Parameters
    ----------
    expr : sympy.Expr
    variable : sympy.Symbol
    end : {0, sympy.oo}
    limit : sympy.Expr
        Possibly ``oo`` or ``-oo``.
    caption, latex : str
        As in :func:`equal`.

    Returns
    -------
    Fact
        *Proved* if the symbolic limit, which values on the way there approach, is this one.

    Examples
    --------
    >>> import sympy as sp
    >>> from etatrick.theory import w
    >>> tends(sp.log(1 + w)/w, w, 0, 1, "slope at 0").verdict.status
    'proved'
    """
    import sympy as sp

    from etatrick.theory.limits import limit_at

    formula, aim = sp.sympify(expr), sp.sympify(limit)
    end_text = "0^+" if end == 0 else r"\infty"
    name, inner = sp.latex(variable), sp.latex(formula)
    inner = rf"\left({inner}\right)" if formula.is_Add else inner
    shown = latex or rf"\lim_{{{name}\to {end_text}}} {inner} = {sp.latex(aim)}"
    return Fact(shown, caption, _limit_verdict(limit_at(formula, variable, sp.sympify(end)), aim, str(formula)))


def _limit_verdict(found: Any, aim: Any, formula: str) -> Verdict:
    from etatrick.theory.zeros import prove_zero

    if found is None:
        return Verdict("unknown", f"the limit of {formula} was not found")
    if found.is_infinite or aim.is_infinite:
        same = Verdict("proved", "limit") if found == aim else None
        return same or Verdict("refuted", "limit", witness={"limit": float(found)}, detail=_said(found))
    verdict = prove_zero(found - aim)
    return Verdict(verdict.status, f"limit; {verdict.method}", verdict.domain, verdict.witness, _said(found))


def _said(limit: Any) -> str:
    return "the limit is " + {"oo": "∞", "-oo": "−∞"}.get(str(limit), str(limit))


def conditions(duality: Conditioned, *names: str, of: str = r"\Omega", wanted: Wanted = "holds") -> tuple[Fact, ...]:
    r"""Return the verdicts on conditions of a duality as facts.

    Parameters
    ----------
    duality : Conditioned
        A duality, a gate law, a vector dual: anything with ``conditions``.
    *names : str
        Such as "subquadratic", "exact_zeros"; see :attr:`etatrick.theory.Duality.conditions`.
    of : str
        LaTeX of what the conditions are about.
    wanted : {"holds", "fails"}
        Whether the claim needs them to hold or to fail.

    Returns
    -------
    tuple of Fact

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> [fact.outcome.status for fact in conditions(derive(eta_hat="1"), "exact_zeros", wanted="fails")]
    ['proved']
    """
    table = duality.conditions
    word = "" if wanted == "holds" else "not "
    captions = {name: f"{word}{name.replace('_', ' ')}" for name in names}
    return tuple(Fact(of, captions[name], table[name], wanted) for name in names)


def identities(duality: "Duality") -> tuple[Fact, ...]:
    """Return the verdicts on the identities that tie the forms of a duality as facts.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> {fact.verdict.status for fact in identities(derive(eta_hat="w*(w+2)"))}
    {'proved'}
    """
    from etatrick.theory.identities import STATEMENTS

    return tuple(Fact(STATEMENTS[name], name, verdict) for name, verdict in duality.identities.items())


__all__ = ["Fact", "Wanted", "at_least", "conditions", "equal", "identities", "tends"]

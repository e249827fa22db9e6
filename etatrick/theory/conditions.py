"""The conditions that decide what a duality is good for, each settled by a symbolic argument or a witness."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, final

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.balls import value_at
from etatrick.theory.budget import attempt
from etatrick.theory.identities import identities
from etatrick.theory.pieces import formula_near, pieces, prove_growth, witness_at
from etatrick.theory.signs import domain_text, is_continuous, is_smooth, points, prove_sign, prove_zero
from etatrick.theory.symbols import w
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

TIME_LIMIT: Final = 5.0

MEANINGS: Final[dict[str, str]] = {
    "subquadratic": r"$\Omega'(w) - w\,\Omega''(w) \ge 0$: $\Omega(\sqrt{u})$ is concave, so the η-trick holds",
    "monotone": r"$\hat\eta'(w) \ge 0$: larger weights are retained more",
    "canonical": r"$\eta^2 f'(\eta)$ is nondecreasing: $f$ is recovered from $\Omega$ and $\hat\eta$ does not jump",
    "integrable": r"$\Omega(0^+)$ is finite",
    "exact_zeros": r"$\lim_{w\to 0} w/\hat\eta(w) > 0$: a weight can be held at exactly 0",
    "convex": r"$\Omega''(w) \ge 0$ and $\Omega'(0^+) \ge 0$",
    "concave": r"$\Omega''(w) \le 0$ on the half-line",
    "bounded": r"$\Omega(\infty)$ is finite",
    "unbiased": r"$\Omega'(w) \to 0$ as $w \to \infty$: large weights are not shrunk",
}


class UnknownConditionError(InputError, KeyError):
    """A name that is no condition; also a KeyError, as mappings raise."""

    __str__ = InputError.__str__


@final
class Conditions(Mapping[str, Verdict]):
    """The conditions of one duality by name, each settled when it is first asked for.

    Parameters
    ----------
    duality : Duality
        What is asked about.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> derive(eta_hat="w*(w+epsilon)", parameters=["epsilon"]).conditions["exact_zeros"].status
    'proved'
    """

    def __init__(self, duality: "Duality") -> None:
        self.duality = duality

    def __getitem__(self, name: str) -> Verdict:
        if name not in _ARGUMENTS:
            raise UnknownConditionError(str(name), "is no condition", f"the conditions are {', '.join(_ARGUMENTS)}")
        return _settled(self.duality, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_ARGUMENTS)

    def __len__(self) -> int:
        return len(_ARGUMENTS)

    def __repr__(self) -> str:
        return f"<{len(self)} conditions: {', '.join(_ARGUMENTS)}>"


@lru_cache(maxsize=2048)
def _settled(duality: "Duality", name: str) -> Verdict:
    if duality.eta_hat is None:
        return Verdict("unknown", "η̂ has no closed form")
    verdict, reason = attempt(TIME_LIMIT, lambda: _ARGUMENTS[name](duality))
    return verdict or Verdict("unknown", reason)


def _subquadratic(d: "Duality") -> Verdict:
    if is_smooth(d.slope):
        verdict = prove_sign(sp.simplify(d.slope - w * sp.diff(d.slope, w)), ">=", w)
        if verdict.status != "proved" or is_continuous(d.slope) or is_continuous(sp.factor(sp.together(d.slope))):
            return verdict
        return Verdict("unknown", "a pole or jump is not excluded", verdict.domain)
    return _broken(d) or prove_growth(-d.slope / w)


def _monotone(d: "Duality") -> Verdict:
    return prove_growth(d.eta_hat)


def _canonical(d: "Duality") -> Verdict:
    """Along η = η̂(w) the product η²f′(η) equals w², so it grows with η wherever η̂ grows without jumps."""
    if w not in d.eta_hat.free_symbols:
        detail = "η̂ is constant: f is 0 up to η̂ and +∞ beyond, so f(1/ρ) is convex"
        return Verdict("proved", "direct", domain_text(d.eta_hat), detail=detail)
    growth = prove_growth(d.eta_hat)
    if growth.status == "refuted":
        return growth
    identity = identities(d)["stationarity"]
    if identity.status == growth.status == "proved" and is_smooth(d.eta_hat):
        detail = f"η̂² f′(η̂) = w² ({identity.method}) and η̂′ ≥ 0: {growth.detail}"
        return Verdict("proved", "substitution of η = η̂(w)", growth.domain, detail=detail)
    return Verdict("unknown", f"identity {identity.status}, growth {growth.status}", growth.domain)


def _convex(d: "Duality") -> Verdict:
    return _broken(d) or prove_growth(d.slope)


def _concave(d: "Duality") -> Verdict:
    return _broken(d) or prove_growth(-d.slope)


def _broken(d: "Duality") -> Verdict | None:
    """Return a verdict against statements read off Ω′ when Ω itself jumps, or None when it is continuous."""
    if d.penalty is None or is_smooth(d.penalty):
        return None
    parts = pieces(d.penalty)
    if parts is None:
        return Verdict("unknown", "the break points of Ω are not explicit", domain_text(d.penalty))
    for left, right in pairwise(parts):
        jump = prove_zero(right.formula.subs(w, left.upper) - left.formula.subs(w, left.upper))
        if jump.status != "proved":
            witness = witness_at(left.upper, jump.witness) if jump.witness else {}
            return Verdict(jump.status, f"Ω jumps at w = {left.upper}", domain_text(d.penalty), witness)
    return None


def _integrable(d: "Duality") -> Verdict:
    if d.penalty is None:
        return Verdict("unknown", "Ω has no closed form")
    return _limit_verdict(d.penalty, 0, lambda value: value.is_finite, "Ω(0+)")


def _exact_zeros(d: "Duality") -> Verdict:
    return _limit_verdict(d.slope, 0, lambda value: True if value == sp.oo else value.is_positive, "Ω′(0+)")


def _bounded(d: "Duality") -> Verdict:
    if d.penalty is None:
        return Verdict("unknown", "Ω has no closed form")
    return _limit_verdict(d.penalty, sp.oo, lambda value: value.is_finite, "Ω(∞)")


def _unbiased(d: "Duality") -> Verdict:
    return _limit_verdict(d.slope, sp.oo, lambda value: value.is_zero, "Ω′(∞)")


def _limit_verdict(expr: Any, end: Any, wanted: Callable[[Any], bool | None], name: str) -> Verdict:
    """Decide by a symbolic limit; a refutation shows a point close to that end."""
    if pieces(expr) is None:
        return Verdict("unknown", "the break points are not explicit", domain_text(expr))
    outermost = formula_near(expr, end)
    limit = sp.simplify(sp.limit(outermost, w, end, "+" if end == 0 else "-"))
    domain, detail = domain_text(expr), f"{name} = {limit}"
    answer = wanted(limit)
    if answer:
        return Verdict("proved", "limit", domain, detail=detail)
    if answer is None:
        return Verdict("unknown", "the limit's value is not decided", domain, detail=detail)
    near = sp.Rational(1, 10**6) if end == 0 else sp.Integer(10**6)
    point = {s: v for s, v in next(points(expr)).items() if s != w} | {w: near}
    value = value_at(expr, point)
    if value is None:
        return Verdict("unknown", "no value near that end could be enclosed", domain, detail=detail)
    witness = {str(s): float(v) for s, v in point.items()} | {"value": float(value)}
    return Verdict("refuted", "limit", domain, witness, detail)


_ARGUMENTS: Final[dict[str, Callable[["Duality"], Verdict]]] = {
    "subquadratic": _subquadratic,
    "monotone": _monotone,
    "canonical": _canonical,
    "integrable": _integrable,
    "exact_zeros": _exact_zeros,
    "convex": _convex,
    "concave": _concave,
    "bounded": _bounded,
    "unbiased": _unbiased,
}

"""The conditions that decide what a duality is good for, each settled by a symbolic argument or a witness."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, final

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.balls import value_at
from etatrick.theory.budget import attempt
from etatrick.theory.curves import Curve, curve_of, reach_squared
from etatrick.theory.forms import falls_or_jumps
from etatrick.theory.growth import prove_growth
from etatrick.theory.limits import limit_at
from etatrick.theory.pieces import formula_near, pieces, witness_at
from etatrick.theory.signs import points
from etatrick.theory.structure import domain_text, is_smooth, sign_of
from etatrick.theory.symbols import eta, w
from etatrick.theory.trees import tree
from etatrick.theory.verdict import Verdict
from etatrick.theory.zeros import prove_zero

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

TIME_LIMIT: Final = 10.0

MEANINGS: Final[dict[str, str]] = {
    "subquadratic": r"$\Omega'(w) - w\,\Omega''(w) \ge 0$: $\Omega(\sqrt{u})$ is concave, so the η-trick holds",
    "monotone": r"$\hat\eta(w)$ is nondecreasing: larger weights are retained more",
    "canonical": r"$\eta^2 f'(\eta)$ is nondecreasing: $f(1/\rho)$ is convex, so $f$ is recovered from $\Omega$",
    "integrable": r"$\Omega(0^+)$ is finite",
    "exact_zeros": r"$\Omega'(0^+) > 0$ or $\Omega$ jumps at 0: a weight can be held at exactly 0",
    "convex": r"$\Omega$ is convex: $\Omega'$ is nondecreasing and $\Omega$ does not jump at 0",
    "concave": r"$\Omega'$ is nonincreasing on the half-line",
    "bounded": r"$\Omega(\infty)$ is finite",
    "unbiased": r"$\Omega'(w) \to 0$ as $w \to \infty$: large weights are not shrunk",
    "continuous_prox": r"$w + \Omega'(w)$ increases: $\mathrm{prox}_\Omega$ (at step 1) is continuous",
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
    opened = duality.opened
    if opened.eta_hat is None and opened.dual is None:
        return Verdict("unknown", "neither η̂ nor f has a closed form")
    verdict, reason = attempt(TIME_LIMIT, lambda: _ARGUMENTS[name](opened, curve_of(opened)))
    return _closed(verdict, duality) if verdict else Verdict("unknown", reason)


def _closed(verdict: Verdict, duality: "Duality") -> Verdict:
    """State a witness in the parameters themselves, and the domains of those that are not simply positive."""
    if not duality.domains:
        return verdict
    witness = dict(verdict.witness)
    domain = verdict.domain
    for p in duality.domains:
        symbol, value, _ = p.opened
        domain = domain.replace(f"{symbol} > 0", p.domain)
        if str(symbol) in witness:
            witness[p.name] = float(value.subs(symbol, witness.pop(str(symbol))))
    return replace(verdict, witness=witness, domain=domain)


def _monotone(d: "Duality", c: Curve) -> Verdict:
    if c.variable == eta:
        reach = prove_growth(c.reach, of="reach_squared")
        premises = [reach.certificate] if reach.certificate and reach.is_rigorous else []
        detail = "Ω(√u) = ½ inf over η of u/η + f(η) is an infimum of functions affine in u, so it is concave"
        return Verdict("proved", "theorem", domain_text(d.dual), detail=detail,
                       certificate={"kind": "theorem", "name": "infimum", "premises": premises})  # fmt: skip
    if w not in d.eta_hat.free_symbols:
        return Verdict("proved", "η̂ is constant", domain_text(d.eta_hat),
                       certificate={"kind": "theorem", "name": "constant", "premises": []})  # fmt: skip
    return prove_growth(d.eta_hat)


def _subquadratic(d: "Duality", c: Curve) -> Verdict:
    """Ω′ − wΩ″ = w²η̂′/η̂², so this is the growth of η̂."""
    return _unbroken(d, _monotone(d, c))


def _canonical(d: "Duality", c: Curve) -> Verdict:
    """Along η = η̂(w) the dual of formula (6) has η²f′(η) = w², so it is canonical wherever η̂ grows."""
    if d.given == "dual" and d.dual is not None:
        parts = pieces(d.dual.subs(eta, w)) or ()
        for left, right in pairwise(parts):
            if falls_or_jumps(left, right):
                place = witness_at(left.upper, {str(s): 1.0 for s in left.upper.free_symbols})
                witness = {**place, "eta": place.pop("w")}
                detail = "f jumps there, so f(1/ρ) is not convex"
                return Verdict("refuted", "a jump of f", domain_text(d.dual), witness, detail)
        return prove_growth(reach_squared(d.dual), of="reach_squared")
    growth = _monotone(d, c)
    if not growth.is_rigorous or growth.certificate is None:
        return growth
    if growth.certificate["kind"] == "theorem":
        detail = "f is 0 up to η̂ and +∞ beyond, so f(1/ρ) is convex"
        return replace(growth, detail=detail)
    detail = "f(η̂(w)) = 2Ω − wΩ′ gives η²f′(η) = w² along η = η̂(w), and η̂ is nondecreasing"
    return Verdict(growth.status, "theorem", growth.domain, detail=f"{detail}: {growth.detail}",
                   certificate={"kind": "theorem", "name": "envelope", "premises": [growth.certificate]})  # fmt: skip


def _convex(d: "Duality", c: Curve) -> Verdict:
    return _jumps(d) or _unbroken(d, c.guarded(prove_growth(c.slope, of=c.names["slope"])))


def _concave(d: "Duality", c: Curve) -> Verdict:
    return _unbroken(d, c.guarded(prove_growth(-c.slope, of="-" + c.names["slope"])))


def _continuous_prox(d: "Duality", c: Curve) -> Verdict:
    return _jumps(d) or _unbroken(d, c.guarded(prove_growth(c.prox, ">", c.names["prox"])))


def _jumps(d: "Duality") -> Verdict | None:
    """Return a verdict against convexity when Ω jumps at 0."""
    if d.jump == 0:
        return None
    point = next(points(d.jump))
    witness = {str(s): float(v) for s, v in point.items()} | {"w": 0.0, "jump": float(d.jump.subs(point))}
    return Verdict("refuted", "Ω jumps at 0", domain_text(d.jump), witness, certificate={"kind": "jump"})


def _unbroken(d: "Duality", verdict: Verdict) -> Verdict:
    """Return a verdict read off Ω′ unless Ω itself jumps; a refutation stands whether it does or not."""
    if d.given != "penalty" or d.penalty is None or is_smooth(d.penalty):
        return verdict
    domain, unproved = domain_text(d.penalty), ""
    parts = pieces(d.penalty)
    if parts is None:
        unproved = "the break points of Ω are not explicit"
    for left, right in pairwise(parts or ()):
        jump = prove_zero(right.formula.subs(w, left.upper) - left.formula.subs(w, left.upper))
        if jump.status == "refuted":
            return Verdict("refuted", f"Ω jumps at w = {left.upper}", domain, witness_at(left.upper, jump.witness))
        if jump.status != "proved":
            unproved = f"that Ω does not jump at w = {left.upper} is not proved"
    return Verdict("unknown", unproved, domain) if unproved and verdict.status != "refuted" else verdict


def _integrable(d: "Duality", c: Curve) -> Verdict:
    flat = _limit_verdict(c, "slope", 0, lambda value: value.is_finite, "Ω′(0+)")
    if flat.status == "proved" and d.given != "penalty":
        detail = f"{flat.detail} is finite, so Ω = ∫Ω′ starts at a finite value"
        certificate = {"kind": "theorem", "name": "finite slope", "premises": [flat.certificate]}
        return replace(flat, method="theorem", detail=detail, certificate=certificate)
    return _limit_verdict(c, "penalty", 0, lambda value: value.is_finite, "Ω(0+)")


def _exact_zeros(d: "Duality", c: Curve) -> Verdict:
    if sign_of(d.jump) == 1:
        return Verdict("proved", "Ω jumps at 0", domain_text(d.jump), certificate={"kind": "jump"})
    return _limit_verdict(c, "slope", 0, lambda value: value == sp.oo or _is_positive(value), "Ω′(0+)")


def _bounded(d: "Duality", c: Curve) -> Verdict:
    return _limit_verdict(c, "penalty", sp.oo, lambda value: value.is_finite, "Ω(∞)")


def _unbiased(d: "Duality", c: Curve) -> Verdict:
    return _limit_verdict(
        c, "slope", sp.oo, lambda value: None if (positive := _is_positive(value)) is None else not positive, "Ω′(∞)"
    )


def _limit_verdict(c: Curve, what: str, end: Any, wanted: Callable[[Any], bool | None], name: str) -> Verdict:
    """Decide by a limit; a refutation shows a point close to that end."""
    expr = getattr(c, what)
    if expr is None:
        return Verdict("unknown", "Ω has no closed form")
    if pieces(expr) is None:
        return Verdict("unknown", "the break points are not explicit", domain_text(expr))
    near_end = formula_near(expr, end)
    limit = limit_at(near_end, w, end)
    domain = domain_text(expr)
    answer = None if limit is None else wanted(limit)
    if answer is None:
        return _somewhere_false(c, what, near_end, end, wanted, name)
    detail = f"{name} = {sp.sqrt(limit) if c.squared(what) else limit}"
    certificate = _limit_certificate(c, what, end, limit)
    if answer:
        return c.guarded(Verdict("proved", "limit", domain, detail=detail, certificate=certificate))
    near = sp.Rational(1, 10**6) if end == 0 else sp.Integer(10**6)
    point = {s: v for s, v in next(points(expr)).items() if s != w} | {w: near}
    value = value_at(expr, point)
    if value is None:
        return Verdict("unknown", "no value near that end could be enclosed", domain, detail=detail)
    witness = {str(c.variable if s == w else s): float(v) for s, v in point.items()} | {"value": float(value)}
    return c.guarded(Verdict("refuted", "limit", domain, witness, detail, certificate=certificate))


def _limit_certificate(c: Curve, what: str, end: Any, limit: Any) -> dict[str, Any]:
    return {"kind": "limit", "of": c.names[what], "end": "0" if end == 0 else "oo", "value": tree(limit)}


def _is_positive(limit: Any) -> bool | None:
    """Tell whether a limit of Ω′ ≥ 0 is positive rather than 0, None where that depends on parameters."""
    return True if limit == sp.oo or sign_of(limit) == 1 else (False if limit == 0 else None)


def _somewhere_false(
    c: Curve, what: str, expr: Any, end: Any, wanted: Callable[[Any], bool | None], name: str
) -> Verdict:
    """Look for parameters at which the limit contradicts the statement, which then does not hold for all."""
    symbols = sorted(expr.free_symbols - {w}, key=str)
    for point in points(*symbols, count=12) if symbols else ():
        simple = {s: sp.Rational(round(float(v) * 4) or 1, 4) if v < 100 else sp.Integer(3) for s, v in point.items()}
        limit = limit_at(expr.subs(simple), w, end)
        if limit is None or wanted(limit) is not False:
            continue
        witness = {str(s): float(v) for s, v in simple.items()} | {"limit": float(limit)}
        certificate = _limit_certificate(c, what, end, limit) | {"at": {str(s): tree(v) for s, v in simple.items()}}
        return Verdict("refuted", "limit at particular parameters", domain_text(expr), witness, f"{name} = {limit}",
                       certificate=certificate)  # fmt: skip
    return Verdict("unknown", f"the limit {name} was not found", domain_text(expr))


_ARGUMENTS: Final[dict[str, Callable[["Duality", Curve], Verdict]]] = {
    "subquadratic": _subquadratic,
    "monotone": _monotone,
    "canonical": _canonical,
    "integrable": _integrable,
    "exact_zeros": _exact_zeros,
    "convex": _convex,
    "concave": _concave,
    "bounded": _bounded,
    "unbiased": _unbiased,
    "continuous_prox": _continuous_prox,
}

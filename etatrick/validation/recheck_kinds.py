"""Kinds of certificates: what each establishes, once checked against the subject's forms."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, Final

from mpmath import mp

from etatrick.validation.recheck_proofs import prove, substituted
from etatrick.validation.recheck_signs import fraction_of
from etatrick.validation.recheck_subject import GROWING, Subject, rising
from etatrick.validation.recheck_terms import (
    Env,
    FailedError,
    bad,
    differentiates,
    entry,
    inside,
    smooth,
    spot,
    symbols_of,
    tends,
    tree_of,
    value_of,
)

DEEPEST: Final = 6  # nested certificates
Fact = tuple[str, ...]  # ("growth", of, "strict" or ""), ("limit", of, end, sign), ("jump",), ("falls" or "stays", of)


def facts_of(s: Subject, certificate: Any, depth: int = 0) -> set[Fact]:
    """Return what a certificate establishes, or say why it does not."""
    kind = entry(certificate, "kind", str)
    if depth > DEEPEST:
        raise FailedError("certificates are nested too deeply")
    if kind not in _KINDS:
        raise bad(kind, f"is no kind of certificate: {', '.join(_KINDS)}")
    text = json.dumps(certificate, sort_keys=True, default=str)
    if text not in s.known:
        s.known[text] = _KINDS[kind](s, certificate, depth)
    return set(s.known[text])


def _growing(certificate: Any) -> tuple[str, str]:
    of = entry(certificate, "of", str)
    if of not in GROWING:
        raise bad(of, f"is nothing that may grow: {', '.join(GROWING)}")
    return of, "eta" if of == "reach" else "w"


def pieces_of(s: Subject, certificate: Any, key: str) -> list[tuple[Any, Any, Any, Any]]:
    """Read pieces: bounds in the parameters, one formula, and its proof."""
    items = [(*(tree_of(entry(item, name, object)) for name in ("lower", "upper", key)), item.get("proof"))
             for item in entry(certificate, "pieces", list)]  # fmt: skip
    for low, high, *_ in items:
        if not symbols_of((0, low, high)) <= set(s.domains):
            raise FailedError("a piece is bounded by more than parameters")
    return items


def _growth(s: Subject, certificate: Any, depth: int) -> set[Fact]:
    (of, variable), strict = _growing(certificate), entry(certificate, "strict", bool)
    pieces = pieces_of(s, certificate, "derivative")
    jumps = [(tree_of(entry(j, "at", object)), tree_of(entry(j, "size", object)), j.get("proof"))
             for j in entry(certificate, "jumps", list)]  # fmt: skip
    for env in s.draws(3):
        _sampled_growth(s, of, env, pieces, jumps)
    for low, high, derivative, proof in pieces:
        if proof is not None:
            domains = {**s.domains, variable: (low, high)}
            prove(substituted(derivative, proof, domains, variable), proof, strict)
        elif derivative != 0 or strict:
            raise FailedError("a piece that is not constant needs a proof")
    for _, size, proof in jumps:
        if proof is None:
            s.require_sign(size, strict=False)
        else:
            prove(substituted(size, proof, s.domains, variable), proof, strict=False)
    return {("growth", of, "strict" if strict else "")}


def _at(tree: Any, env: Env, name: str, x: Any) -> Any:
    return value_of(tree, {**env, name: x})


def _sampled_growth(s: Subject, of: str, env: Env, pieces: list[Any], jumps: list[Any]) -> None:
    """Require that pieces tile (0, ∞), derivatives and jumps are right, and values rise."""
    bounds = [(value_of(low, env), value_of(high, env)) for low, high, *_ in pieces]
    tiled = all(abs(a[1] - b[0]) <= mp.mpf("1e-60") * b[0] for a, b in pairwise(bounds))
    if not bounds or not tiled or any(a >= b for a, b in bounds) or bounds[0][0] != 0 or bounds[-1][1] != mp.inf:
        raise FailedError(f"the pieces do not tile (0, oo) {spot(env)}")

    def f(x: Any, trace: list[int] | None = None) -> Any:
        return s.at(of, env, x, trace)

    seen: list[tuple[Any, Any]] = []
    for (low, high), (_, _, derivative, _) in zip(bounds, pieces, strict=True):
        xs, name = inside(low, high, 24, 8), "eta" if of == "reach" else "w"
        seen += zip(xs, smooth(f, xs, spot(env)), strict=True)
        differentiates(f, partial(_at, derivative, env, name), inside(low, high, 6, 2), env)
    rising(seen, env)
    places = [value_of(at, env) for at, *_ in jumps]
    edges, off = [b for b, _ in bounds[1:]], mp.mpf("1e-20")
    if any(min([abs(at - b) / b for b in edges], default=mp.inf) > mp.mpf("1e-60") for at in places):
        raise FailedError("a jump inside a piece")
    for b in edges:
        left, right = f(b * (1 - off)), f(b * (1 + off))
        around = [f(b * (1 + side * mp.mpf("1e-3"))) for side in (-1, 1)]  # the scale of one that is 0 at b
        sizes = [value_of(size, env) for at, (_, size, _) in zip(places, jumps, strict=True) if abs(at - b) < off * b]
        size, scale = sum(sizes, mp.mpf(0)), sum(abs(v) for v in (left, right, *around) if mp.isfinite(v))
        free = mp.isinf(right) and right > 0 and (not sizes or size == mp.inf)
        if not free and not abs(right - left - size) <= mp.mpf("1e-12") * scale:
            raise FailedError(f"the jump at {mp.nstr(b, 8)} is {mp.nstr(right - left, 8)}, not {mp.nstr(size, 8)}")


def _limit(s: Subject, certificate: Any, depth: int) -> set[Fact]:
    of, end, value = entry(certificate, "of", str), entry(certificate, "end", str), entry(certificate, "value", object)
    tree = tree_of(value)
    if of not in ("penalty", "slope", "eta_hat") or end not in ("0", "oo"):
        raise bad((of, end), "is no limit: penalty, slope or eta_hat at 0 or oo")
    for env in s.draws(3, seed=1):
        tends(partial(s.at, of, env), end, partial(value_of, tree, env), env)
    if tree in ("oo", "-oo"):
        return {("limit", of, end, "infinite")}
    try:
        s.require_sign(tree, strict=True)
    except FailedError:
        return {("limit", of, end, "zero" if tree == 0 else "finite")}
    return {("limit", of, end, "positive")}


def _jump(s: Subject, certificate: Any, depth: int) -> set[Fact]:
    if s.forms["penalty"] is None:
        raise FailedError("without a penalty its jump cannot be seen")
    s.require_sign(s.jump, strict=True)
    return {("jump",)}


def _refutation(s: Subject, certificate: Any, depth: int) -> set[Fact]:
    of, variable = _growing(certificate)
    points = entry(certificate, "points", list)
    exact = [{str(k): fraction_of(tree_of(v)) for k, v in p.items()} for p in points if isinstance(p, Mapping)]
    if len(exact) != 2 or any(set(point) != {*s.domains, variable} for point in exact):
        raise FailedError("a refutation has two points, each with the variable and every parameter")
    first, second = ({k: mp.mpf(v.numerator) / v.denominator for k, v in p.items()} for p in exact)
    for name, (low, high) in s.domains.items():
        if exact[0][name] != exact[1][name] or not value_of(low, first) < first[name] < value_of(high, first):
            raise FailedError(f"{name} differs between the points or lies outside its domain")
    if not 0 < exact[0][variable] < exact[1][variable]:
        raise FailedError(f"{variable} does not increase from the first point to the second")
    before, after = (s.at(of, p, p[variable]) for p in (first, second))
    if not mp.isinf(after) and before - after > mp.mpf("1e-40") * abs(after):
        return {("falls", of)}
    if not mp.isinf(after) and abs(before - after) <= mp.mpf("1e-50") * abs(after):
        return {("stays", of)}
    raise FailedError(f"{of} does not fall: {mp.nstr(before, 12)} at {spot(first)}, then {mp.nstr(after, 12)}")


def _theorem(s: Subject, certificate: Any, depth: int) -> set[Fact]:
    name, facts = entry(certificate, "name", str), _all(s, certificate, depth)
    grown = {of for kind, of, *_ in facts if kind == "growth"}
    if name == "constant" and s.forms["eta_hat"] is not None and "w" not in symbols_of(s.forms["eta_hat"]):
        return {("growth", "eta_hat", ""), ("growth", "reach", "")}
    if name == "envelope" and "eta_hat" in grown:
        return {("growth", "reach", "")}
    if name == "infimum" and "reach" in grown:
        if s.forms["eta_hat"] is not None or s.forms["penalty"] is not None:
            s.require_rising("eta_hat")
        return {("growth", "eta_hat", "")}
    raise FailedError(f"no theorem {name} with these premises")


def _all(s: Subject, certificate: Any, depth: int) -> set[Fact]:
    premises = entry(certificate, "premises", list)
    return set().union(*(facts_of(s, premise, depth + 1) for premise in premises)) if premises else set()


_KINDS: Final[dict[str, Callable[[Subject, Any, int], set[Fact]]]] = {
    "growth": _growth, "limit": _limit, "jump": _jump, "refutation": _refutation, "theorem": _theorem, "all": _all,
}  # fmt: skip

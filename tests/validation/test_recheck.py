"""The checker of certificates: hand-written ones are confirmed, every tampered one is not, bad input is named."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from etatrick.errors import InputError
from etatrick.validation.recheck import recheck, recheck_file
from etatrick.validation.recheck_subject import Subject

Data = dict[str, Any]
E, A, T, C, K, P = "epsilon", "A", "theta", "c", "kappa", "p"


def add(*xs: Any) -> list[Any]:
    return ["+", *xs]


def mul(*xs: Any) -> list[Any]:
    return ["*", *xs]


def power(x: Any, y: Any) -> list[Any]:
    return ["^", x, y]


def over(x: Any, y: Any = None) -> list[Any]:
    return mul(x, power(y, -1))


def minus(x: Any) -> list[Any]:
    return mul(-1, x)


def cases(*xs: Any) -> list[Any]:
    return ["piecewise", *map(list, xs)]


def terms(form: Any, **substitution: Any) -> Data:
    return {"substitution": substitution, "rule": "terms", "form": form}


def piece(derivative: Any, proof: Data | None, lower: Any = 0, upper: Any = "oo") -> Data:
    return {"lower": lower, "upper": upper, "derivative": derivative, "proof": proof}


def growth(of: str, *pieces: Data, strict: bool = False, jumps: tuple[Data, ...] = ()) -> Data:
    return {"kind": "growth", "of": of, "strict": strict, "pieces": list(pieces), "jumps": list(jumps)}


def limit(of: str, end: str, value: Any) -> Data:
    return {"kind": "limit", "of": of, "end": end, "value": value}


def falling(of: str, first: Any, second: Any, variable: str = "w", **parameters: Any) -> Data:
    return {"kind": "refutation", "of": of, "points": [{variable: x, **parameters} for x in (first, second)]}


def theorem(name: str, *premises: Data) -> Data:
    return {"kind": "theorem", "name": name, "premises": list(premises)}


def identity(residual: Any, lower: Any = 0, upper: Any = "oo") -> Data:
    return {"kind": "identity", "degree": None,
            "pieces": [{"lower": lower, "upper": upper, "residual": residual}]}  # fmt: skip


def file(parameters: dict[str, tuple[Any, Any]], forms: Data, proved: Data, refuted: Data, identities: Data) -> Data:
    named = [{"name": name, "lower": low, "upper": high} for name, (low, high) in parameters.items()]
    given = "penalty" if forms.get("penalty") is not None else "eta_hat"
    subject = {"penalty": None, "eta_hat": None, "dual": None, "alpha": None, "jump": 0, **forms}
    return {
        "format": "etatrick-certificates",
        "version": 1,
        "subject": {"given": given, "parameters": named, **subject},
        "verdicts": {
            n: verdict(s, c) for s, group in (("proved", proved), ("refuted", refuted)) for n, c in group.items()
        },
        "identities": {name: verdict("proved", c) for name, c in identities.items()},
    }


def verdict(status: str, certificate: Any) -> Data:
    return {"status": status, "method": "", "domain": "", "witness": {}, "detail": "", "certificate": certificate}


def alpha(eta_hat: Any) -> list[Any]:
    return over(eta_hat, add(eta_hat, "lambda"))


POSITIVE = (0, "oo")
ROOT = power(add(power(E, 2), mul(4, "eta")), ["/", 1, 2])


def log_sum() -> Data:
    rule = mul("w", add("w", E))
    penalty, slope = ["log", add(1, over("w", E))], over(1, add("w", E))
    dual = add(mul(2, ["log", over(add(ROOT, E), mul(2, E))]), minus(over(add(ROOT, minus(E)), add(ROOT, E))))
    hat = growth("eta_hat", piece(add(mul(2, "w"), E), terms(add(E, "w", "w"))), strict=True)
    square = power(add("w", E), -2)
    half = {"w": ["/", 1, 10], E: ["/", 1, 2]}
    return file(
        {E: POSITIVE},
        {"penalty": penalty, "eta_hat": rule, "dual": dual, "alpha": alpha(rule)},
        {
            "monotone": hat,
            "subquadratic": theorem("infimum", growth("reach", piece(power(ROOT, -1), terms(power(ROOT, -1))))),
            "canonical": theorem("envelope", hat),
            "concave": growth("-slope", piece(square, terms(square))),
            "exact_zeros": limit("slope", "0", over(1, E)),
            "unbiased": limit("slope", "oo", 0),
            "integrable": limit("penalty", "0", 0),
        },
        {
            "convex": falling("slope", 1, 2, epsilon=1),
            "continuous_prox": {"kind": "refutation", "of": "w+slope", "points": [half, {**half, "w": ["/", 1, 2]}]},
            "bounded": limit("penalty", "oo", "oo"),
        },
        {
            "slope": identity(add(over(over(1, E), add(1, over("w", E))), minus(slope))),
            "envelope": identity(0),
            "stationarity": identity(add(power(mul("w", 1), 2), minus(power("w", 2)))),
            "gauge": identity(add(alpha(rule), minus(alpha(rule)))),
        },
    )


def ridge() -> Data:
    slope = growth("slope", piece(over(1, C), terms(power(C, -1))))
    return file(
        {C: POSITIVE},
        {"penalty": over(power("w", 2), mul(2, C)), "eta_hat": C, "dual": cases((0, ["<=", "eta", C]), ("oo", True)),
         "alpha": over(C, add(C, "lambda"))},
        {
            "monotone": growth("eta_hat", piece(0, None)),
            "subquadratic": theorem("constant"),
            "canonical": theorem("constant"),
            "convex": {"kind": "all", "premises": [slope, limit("slope", "0", 0)]},
            "continuous_prox": growth("w+slope", piece(add(1, over(1, C)), terms(add(1, power(C, -1)))), strict=True),
            "integrable": limit("penalty", "0", 0),
        },
        {
            "exact_zeros": limit("slope", "0", 0),
            "unbiased": limit("slope", "oo", "oo"),
            "bounded": limit("penalty", "oo", "oo"),
            "concave": falling("-slope", 1, 2, c=3),
        },
        {"slope": identity(0), "envelope": identity(0)},
    )  # fmt: skip


def mcp() -> Data:
    """Ω = w − w²/(2A) up to A, then A/2; η̂ = Aw/(A − w), then ∞."""
    inside = ["<", "w", A]
    rule = over(mul(A, "w"), add(A, minus("w")))
    steep = mul(power(A, 2), power(add(A, minus("w")), -2))
    here = over(mul(A, "t"), add(1, "t"))
    flat = piece(0, None, A)
    return file(
        {A: POSITIVE},
        {"penalty": cases((add("w", minus(over(power("w", 2), mul(2, A)))), inside), (mul(A, ["/", 1, 2]), True)),
         "eta_hat": cases((rule, inside), ("oo", True)),
         "dual": over(mul(A, "eta"), add(A, "eta"))},
        {
            "monotone": growth("eta_hat", piece(steep, terms(power(add(1, "t"), 2), w=here), 0, A), flat),
            "canonical": growth("reach", piece(mul(power(A, 2), power(add(A, "eta"), -2)),
                                               terms(power(over(A, add("eta", A)), 2)))),
            "concave": growth("-slope", piece(over(1, A), terms(over(1, A)), 0, A), flat),
            "bounded": limit("penalty", "oo", mul(A, ["/", 1, 2])),
            "unbiased": limit("slope", "oo", 0),
            "exact_zeros": limit("slope", "0", 1),
        },
        {"convex": falling("slope", 1, 2, A=3)},
        {"slope": {"kind": "identity", "degree": 2, "pieces": [{"lower": 0, "upper": A, "residual": 0},
                                                               {"lower": A, "upper": "oo", "residual": 0}]},
         "stationarity": identity(0, 0, A)},
    )  # fmt: skip


def capped() -> Data:
    inside = ["<", "w", T]
    return file(
        {T: POSITIVE},
        {"penalty": ["min", "w", T], "eta_hat": cases(("w", inside), ("oo", True)),
         "dual": cases(("eta", ["<", "eta", T]), (add(mul(2, T), minus(over(power(T, 2), "eta"))), True))},
        {
            "monotone": growth("eta_hat", piece(1, terms(1, w=over(mul(T, "t"), add(1, "t"))), 0, T), piece(0, None, T),
                               jumps=({"at": T, "size": "oo", "proof": None},)),
            "concave": growth("-slope", piece(0, None, 0, T), piece(0, None, T),
                              jumps=({"at": T, "size": 1, "proof": None},)),
            "subquadratic": theorem("infimum", growth("reach", piece(1, terms(1), 0, T), piece(0, None, T))),
        },
        {"convex": falling("slope", 1, 3, theta=2)},
        {},
    )  # fmt: skip


def lp() -> Data:
    rest = mul(add(2, minus(P)), power("w", add(1, minus(P))), power(P, -1))
    odds = over(mul(2, "s"), add(1, "s"))
    form = mul(power("s", -1), power("w", add(1, minus(odds))))
    return file(
        {P: (0, 2)},
        {"penalty": power("w", P), "eta_hat": over(power("w", add(2, minus(P))), P)},
        {
            "monotone": growth("eta_hat", piece(rest, terms(form, p=odds)), strict=True),
            "integrable": limit("penalty", "0", 0),
        },
        {"bounded": limit("penalty", "oo", "oo"), "convex": falling("slope", 1, 2, p=["/", 1, 2])},
        {},
    )


def solver() -> Data:
    steep = add(power("w", 2), minus(mul(A, "w")), power(A, 2))
    text = ("(set-logic QF_NRA)(declare-const w Real)(declare-const A Real)(assert (> w 0))(assert (> A 0))"
            "(assert (<= (+ (* w w) (* (- 1) A w) (* A A)) 0))(check-sat)")  # fmt: skip
    proof = {"substitution": {}, "rule": "smt", "form": steep, "smtlib": text}
    rule = add(mul(["/", 1, 3], power("w", 3)), mul(["/", -1, 2], A, power("w", 2)), mul(power(A, 2), "w"))
    return file(
        {A: POSITIVE}, {"eta_hat": rule}, {"monotone": growth("eta_hat", piece(steep, proof), strict=True)}, {}, {}
    )


def covered() -> Data:
    """η̂ = 1 + w − (9/20)√π erf(w − 1), which grows more slowly around w = 1."""
    shift = add("w", -1)
    rule = add(1, "w", mul(["/", -9, 20], power("pi", ["/", 1, 2]), ["erf", shift]))
    steep = add(1, mul(["/", -9, 10], ["exp", minus(power(shift, 2))]))
    form = add(1, mul(["/", -9, 10], ["exp", minus(power(add(power(add(1, minus("x")), -1), -2), 2))]))
    boxes = [[["/", i, 64], ["/", i + 1, 64]] for i in range(64)]
    proof = {"substitution": {}, "rule": "cover", "variable": "w", "form": form, "low": [], "boxes": boxes}
    return file({}, {"eta_hat": rule}, {"monotone": growth("eta_hat", piece(steep, proof), strict=True)}, {}, {})


def log_cosh() -> Data:
    sinh, cosh = ["sinh", "w"], ["cosh", "w"]
    top = add(mul(sinh, cosh), minus("w"))
    rise = {"rule": "increasing", "in": "w", "start": 0, "derivative": add(power(cosh, 2), power(sinh, 2), -1),
            "proof": {"rule": "terms", "form": mul(2, power(sinh, 2))}}  # fmt: skip
    factors = [{"expression": top, "proof": rise},
               {"expression": power(sinh, -2), "proof": {"rule": "terms", "form": power(sinh, -2)}}]  # fmt: skip
    proof = {"substitution": {}, "rule": "product", "factors": factors}
    return file(
        {},
        {"penalty": ["log", cosh], "eta_hat": mul("w", ["coth", "w"])},
        {
            "monotone": growth("eta_hat", piece(over(top, power(sinh, 2)), proof), strict=True),
            "convex": growth("slope", piece(power(cosh, -2), terms(power(cosh, -2)))),
        },
        {"unbiased": limit("slope", "oo", 1), "exact_zeros": limit("slope", "0", 0)},
        {"slope": identity(add(["tanh", "w"], minus(power(["coth", "w"], -1))))},
    )


def saturating() -> Data:
    """η̂ = 2 − exp(−w), by the rule that exp(−w) decreases to 0."""
    decay = ["exp", minus("w")]
    proof = {"substitution": {}, "rule": "decreasing", "in": "w", "end": 0, "derivative": minus(decay),
             "proof": {"rule": "terms", "form": decay}}  # fmt: skip
    return file({}, {"eta_hat": add(2, minus(decay))}, {"monotone": growth("eta_hat", piece(decay, proof))}, {}, {})


def counting() -> Data:
    return file(
        {K: POSITIVE},
        {"penalty": K, "eta_hat": "oo", "alpha": 1, "jump": K},
        {
            "exact_zeros": {"kind": "jump"},
            "monotone": growth("eta_hat", piece(0, None)),
            "bounded": limit("penalty", "oo", K),
        },
        {"convex": {"kind": "jump"}},
        {},
    )


EXAMPLES: dict[str, Callable[[], Data]] = {
    f.__name__: f for f in (log_sum, ridge, mcp, capped, lp, solver, covered, log_cosh, saturating, counting)
}


def single(data: Data, group: str, name: str) -> Data:
    return {**copy.deepcopy(data), "verdicts": {}, "identities": {}, group: {name: copy.deepcopy(data[group][name])}}


def parts() -> Iterator[tuple[str, str, str]]:
    for example, make in EXAMPLES.items():
        for group in ("verdicts", "identities"):
            yield from ((example, group, name) for name in make()[group])


def accepted(data: Data) -> bool:
    try:
        return recheck(json.loads(json.dumps(data))).ok
    except InputError:
        return False


@pytest.mark.parametrize("name", EXAMPLES)
def test_hand_written_certificates_are_confirmed(name: str) -> None:
    report = recheck(EXAMPLES[name]())
    assert {key: str(r) for key, r in report.results.items() if r.outcome != "confirmed"} == {}
    assert report.ok


# --- tampering ----------------------------------------------------------------------------------------------------

NUMBERS = {"derivative", "form", "size", "at", "start", "end", "value", "residual", "expression", "lower", "upper"}
FORMULAS = {"number": lambda x: add(x, ["/", 1, 10**9]), "sign": minus}
SWAPS: dict[str, list[Any]] = {
    "of": ["eta_hat", "slope", "-slope", "w+slope", "reach", "penalty"],
    "kind": ["growth", "limit", "jump", "refutation", "all", "identity", "theorem"],
    "name": ["envelope", "infimum", "constant"],
    "rule": ["terms", "smt", "product", "increasing", "decreasing", "cover"],
    "in": [A, "t"],
    "smtlib": ["(check-sat)", "", "(assert", "(echo \"unsat\")"],
}  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all entries of a certificate, formulas as wholes."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        if key not in NUMBERS or path[-1:] == ("substitution",):
            yield from places(value, (*path, key))


def changed(node: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(node)
    copied = dict(node) if isinstance(node, dict) else list(node)
    copied[path[0]] = changed(node[path[0]], path[1:], change)
    return copied


def constant(value: Any, _: Any) -> Any:
    return value


def without(node: Any, path: tuple[Any, ...]) -> Any:
    return changed(node, path[:-1], lambda items: [x for i, x in enumerate(items) if i != path[-1]])


def tampered(certificate: Data) -> Iterator[tuple[str, Data]]:
    """Yield changed certificates, each of which no longer shows what it did."""
    for path in places(certificate):
        if "boxes" in path and {*path} & {*range(2, 63)} - {31}:
            continue  # the other boxes are like these
        key, value = path[-1], cast(Any, certificate)
        for step in path:
            value = value[step]
        where = "/".join(map(str, path))
        if (key in NUMBERS or path[-2:-1] == ("substitution",)) and not (key == "end" and value in ("0", "oo")):
            for name, change in {"finite": lambda _: 7, "sign": minus}.items() if value == "oo" else FORMULAS.items():
                if name != "sign" or (value not in (0, "0") and key != "residual"):
                    yield f"{name} of {where}", changed(certificate, path, change)
        if key == "end" and value in ("0", "oo"):
            yield f"other {where}", changed(certificate, path, lambda x: "oo" if x == "0" else "0")
        if key == "proof" and value is not None:
            yield f"no {where}", changed(certificate, path, lambda _: None)
        if path[-2:-1] in (("pieces",), ("boxes",), ("points",), ("factors",)):
            yield f"dropped {where}", without(certificate, path)
        if path[-2:-1] == ("premises",) and len(certificate["premises"]) == 1:
            yield f"dropped {where}", without(certificate, path)
        if len(path) > 2 and path[-3] == "boxes":
            yield f"narrowed {where}", changed(certificate, path, lambda x: ["/", 2 * x[1] + 1, 2 * x[2]])
        for other in SWAPS.get(str(key), []) if not isinstance(value, list) else []:
            # a limit at 0 that nothing needs may be that of the penalty as well
            if other != value and (path[0] != "premises" or other != "penalty"):
                yield f"{where} = {other}", changed(certificate, path, partial(constant, other))
        if key == "points":
            yield f"swapped {where}", changed(certificate, path, lambda x: x[::-1])
            yield f"same {where}", changed(certificate, path, lambda x: [x[0], x[0]])
            yield (
                f"outside {where}",
                changed(certificate, path, lambda x: [dict.fromkeys(p, -1) | {"w": p["w"]} for p in x]),
            )
    if certificate.get("strict"):  # a statement that needs it, or a piece that is flat
        yield "infinite flat piece", {**certificate, "pieces": [*certificate["pieces"][:-1], piece(0, None)]}


# beyond A the weight rule is infinite and the identity says nothing, so that a longer piece is as true
EMPTY = {("mcp", "stationarity"): ["number of pieces/0/upper"]}


@pytest.mark.parametrize(("example", "group", "name"), list(parts()))
def test_every_tampered_certificate_is_refused(
    example: str, group: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = single(EXAMPLES[example](), group, name)
    monkeypatch.setattr(Subject, "require_agreement", lambda _: None)  # the certificate alone must give it away
    assert accepted(data)
    certificate = data[group][name]["certificate"]
    passed = [label for label, changed_one in tampered(certificate)
              if accepted({**data, group: {name: {**data[group][name], "certificate": changed_one}}})]  # fmt: skip
    assert passed == EMPTY.get((example, name), [])


SUBJECT: dict[str, Callable[[Any], Any]] = {
    "doubled": lambda x: mul(2, x),
    "sign": minus,
    "number": lambda x: add(x, 1),
    "tiny number": lambda x: add(x, ["/", 1, 10**6]),
    "in pieces": lambda x: cases((x, ["<", "w", 3]), (mul(2, x), True)),
    "deleted": lambda _: None,
}


@pytest.mark.parametrize("example", ["log_sum", "ridge", "mcp", "capped", "counting"])
def test_every_tampered_subject_is_refused(example: str) -> None:
    data = EXAMPLES[example]()
    passed = []
    for form in ("penalty", "eta_hat", "dual", "alpha", "jump"):
        for name, change in SUBJECT.items():
            value = data["subject"][form]
            same_value = (form == "jump" and value == 0 and name in ("doubled", "sign", "in pieces")) or (
                form == "eta_hat" and value == "oo" and name in ("doubled", "number", "tiny number", "in pieces")
            )
            # what is left is a smaller subject about which the rest holds; twice the dual of ridge is itself
            same_value |= name == "deleted" and (form in ("dual", "alpha") or not data["identities"])
            same_value |= (form, name) == ("dual", "doubled") and example == "ridge"
            if value is None or same_value or (form == "dual" and name == "in pieces"):
                continue
            subject = {**data["subject"], form: change(value)}
            few = {**data, "verdicts": {}, "identities": {}, "subject": subject}
            if accepted(few) and accepted({**data, "subject": subject}):
                passed.append(f"{name} {form}")
    assert passed == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_parameter_may_not_leave_the_domain_of_the_proofs(example: str) -> None:
    data = EXAMPLES[example]()
    for index, parameter in enumerate(data["subject"]["parameters"]):
        for wider in ({"lower": -1}, {"lower": "-oo"}, {"upper": 3}, {"lower": 3, "upper": 2}, {"upper": "other"}):
            if parameter["upper"] == "oo" and wider == {"upper": 3}:
                continue  # narrower
            changed_one = copy.deepcopy(data)
            changed_one["subject"]["parameters"][index].update(wider)
            assert not accepted(changed_one), (parameter, wider)


FOLLOWS = {"monotone": "subquadratic", "subquadratic": "monotone"}  # two names of one statement


@pytest.mark.parametrize("example", ["log_sum", "ridge", "mcp", "log_cosh", "counting"])
def test_a_certificate_shows_no_other_condition_and_no_other_status(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Subject, "require_agreement", lambda _: None)
    data, passed = EXAMPLES[example](), []
    names = ("subquadratic", "monotone", "canonical", "convex", "concave", "continuous_prox", "integrable", "bounded",
             "exact_zeros", "unbiased", "slope", "nonsense")  # fmt: skip
    for name, given in data["verdicts"].items():
        other_status = {"proved": "refuted", "refuted": "proved"}[given["status"]]
        claims = {other: verdict(given["status"], given["certificate"]) for other in names}
        claims = {k: v for k, v in claims.items() if k != FOLLOWS.get(name)} | {
            name: verdict(other_status, given["certificate"])
        }
        for other, result in recheck({**data, "identities": {}, "verdicts": claims}).results.items():
            if other != "forms" and result.outcome != "rejected":
                passed.append((name, other, result.status))
    theorem_for_all = {("subquadratic", "canonical"), ("canonical", "subquadratic"), ("canonical", "monotone")}
    allowed = {(a, b, "proved") for a, b in theorem_for_all} if example == "ridge" else set()
    allowed |= {("convex", "continuous_prox", "refuted")} if example == "counting" else set()
    assert set(passed) == allowed


@pytest.mark.parametrize("status", ["proved", "certified", "refuted"])
def test_a_verdict_without_a_certificate_is_not_ok(status: str) -> None:
    data = log_sum()
    report = recheck({**data, "verdicts": {"monotone": verdict(status, None)}, "identities": {}})
    assert report.results["monotone"].outcome == "not checked"
    assert not report.ok
    for modest in ("checked", "unknown"):
        assert recheck({**data, "verdicts": {"monotone": verdict(modest, None)}, "identities": {}}).ok


# --- false statements with plausible certificates ------------------------------------------------------------------


def rule_only(rule: Any, derivative: Any, form: Any) -> Data:
    return file({}, {"eta_hat": rule}, {"monotone": growth("eta_hat", piece(derivative, terms(form)))}, {}, {})


def test_a_pole_is_seen_although_the_derivative_is_positive_everywhere() -> None:
    gap = add(4, minus(["atan", power(add("w", minus(["/", 1, 3])), -1)]))
    square = power(add("w", ["/", -1, 3]), 2)
    data = rule_only(gap, over(1, add(1, square)), over(1, add(1, square)))
    assert "pole" in recheck(data).results["monotone"].reason


def test_a_penalty_that_jumps_away_from_0_is_seen_although_its_slope_fits() -> None:
    data = log_sum()
    data["subject"]["penalty"] = add(data["subject"]["penalty"], cases((0, ["<", "w", 2]), (1, True)))
    data["subject"]["dual"] = None
    assert "jumps" in recheck({**data, "verdicts": {}, "identities": {}}).results["forms"].reason


@pytest.mark.parametrize(("penalty", "end", "value", "ok"), [
    (["log", add(1, ["log", add(1, "w")])], "oo", "oo", True),
    (["log", add(1, "w")], "oo", 1000, False),
    (over("w", add(1, "w")), "oo", 1, True),
    (over("w", add(1, "w")), "oo", "oo", False),
    (over("w", add(1, "w")), "oo", add(1, ["/", 1, 10**12]), False),
    (add(1, minus(over(1, add(1, ["log", add(1, "w")])))), "oo", 1, True),
    (add(1, minus(over(1, add(1, ["log", add(1, "w")])))), "oo", "oo", False),
    (["atan", "w"], "oo", mul(["/", 1, 2], "pi"), True),
    (["atan", "w"], "oo", ["/", 355, 226], False),
])  # fmt: skip
def test_limits_need_evident_convergence(penalty: Any, end: str, value: Any, ok: bool) -> None:
    data = file({}, {"penalty": penalty}, {}, {}, {})
    status = "refuted" if value == "oo" else "proved"
    data["verdicts"]["bounded"] = verdict(status, limit("penalty", end, value))
    assert accepted(data) is ok


def test_a_sign_that_only_looks_visible_is_refused() -> None:
    for form in (power(add("w", -1), -2), ["log", add("w", 1)], minus(-1), add("w", minus(["/", 1, 9]))):
        steep = power(add("w", -1), 2)
        data = rule_only(add(1, mul(["/", 1, 3], power(add("w", -1), 3))), steep, form)
        assert not accepted(data)


# --- bad input ----------------------------------------------------------------------------------------------------


def deep(levels: int) -> Any:
    tree: Any = "w"
    for _ in range(levels):
        tree = ["exp", tree]
    return tree


@pytest.mark.parametrize("tree", [
    ["system", "w"], ["+"], ["/", 1, 0], ["/", 1, 2.5], ["^", "w"], 1.5, True, {"w": 1}, "w + 1",
    "__import__('os')", [],
    [["+"], 1], ["piecewise", ["w"]], ["piecewise", ["w", ["<", "w"]]], ["<", "w", 1], ["+", *["w"] * 30000],
    "", "lambda", "q",
], ids=lambda tree: str(tree)[:12])  # fmt: skip
def test_malformed_formulas_are_bad_input(tree: Any) -> None:
    refuse_penalty(tree)


def test_deep_and_large_formulas_are_bad_input() -> None:
    for tree in (deep(900), deep(5000), 10**20000, ["+", [[10**20000]]], deep(82)):
        refuse_penalty(tree)


def refuse_penalty(tree: Any) -> None:
    data = ridge()
    data["subject"]["penalty"] = tree
    with pytest.raises(InputError):
        recheck(data)


WANTED = ("format", "version", "subject", "verdicts", "identities", "subject jump", "subject parameters",
          "subject given", "verdicts monotone status", "verdicts monotone certificate kind",
          "verdicts monotone certificate pieces")  # fmt: skip


@pytest.mark.parametrize("path", [text.split() for text in WANTED], ids=WANTED)
def test_missing_and_wrong_entries_are_bad_input(path: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subject, "require_agreement", lambda _: None)
    for value in (2, "other", [1], {"a": 1}, None):
        data = ridge()
        if not (path == ["subject", "jump"] and value == 2):
            with pytest.raises(InputError):
                recheck(changed(data, tuple(path), partial(constant, value)))


def entries(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, key)
        yield from entries(value, (*path, key))


@pytest.mark.parametrize("example", ["capped", "solver", "log_cosh", "saturating", "covered"])
def test_junk_in_any_place_is_bad_input_or_refused_and_never_an_exception(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Subject, "require_agreement", lambda _: None)
    data = EXAMPLES[example]()
    paths = [path for path in entries(data) if not {*path} & {*range(2, 64)}]
    junk: tuple[Any, ...] = (None, "q", {}, ["log", 0])
    for index, path in enumerate(paths[::5]):
        accepted(changed(data, path, partial(constant, junk[index % len(junk)])))  # raises nothing but InputError


def test_towers_of_exponentials_are_refused_in_time() -> None:
    data = rule_only(deep(12), 1, 1)
    assert recheck(data).results["monotone"].outcome == "rejected"


def test_files_are_read_and_bad_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "certificates.json"
    path.write_text(json.dumps(counting()), encoding="utf-8")
    assert recheck_file(path).ok
    for text in ("{", "[" * 100000, "9" * 5000, "[]", "nan"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            recheck_file(path)
    with pytest.raises(InputError):
        recheck_file(tmp_path / "missing.json")


def test_the_checker_loads_neither_the_prover_nor_computer_algebra() -> None:
    code = (
        "import sys, etatrick.validation.recheck as r; parts = [m.split('.') for m in sys.modules]; "
        "print([p for p in parts if p[0] == 'sympy' "
        "or (p[0] == 'etatrick' and p[1:2] not in ([], ['errors'], ['validation']))])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"

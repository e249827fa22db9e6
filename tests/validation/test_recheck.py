"""The checker of certificates: the prover's are confirmed, every tampered one is not, and bad input is named."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from mpmath import mp

from etatrick.errors import InputError
from etatrick.theory import derive, penalties, strategies
from etatrick.theory.certificates import certificates
from etatrick.validation.checker import prove
from etatrick.validation.formula_trees import IV, FailedError, Point, span
from etatrick.validation.recheck import Report, Result, recheck, recheck_file

Data = dict[str, Any]
REAL = ("log_sum", "lp", "scad", "welsch", "shakeout", "ridge", "l0", "variational_dropout")


@cache
def written(name: str) -> str:
    entry = next(catalogue[name] for catalogue in (penalties, strategies) if name in catalogue)
    return json.dumps(certificates(cast(Any, entry).duality))


def real(name: str, *verdicts: str) -> Data:
    """Return the prover's file for an entry of the catalogue, or only some of its verdicts and identities."""
    data: Data = json.loads(written(name))
    for group in ("verdicts", "identities"):
        data[group] = {key: v for key, v in data[group].items() if not verdicts or key in verdicts}
    return data


def verdict(status: str, certificate: Any) -> Data:
    return {"status": status, "certificate": certificate}


def file(forms: Data, parameters: tuple[str, ...] = (), jump: Any = 0, **verdicts: Data) -> Data:
    named = [{"name": name, "lower": 0, "upper": "oo"} for name in parameters]
    subject = {"given": next(iter(forms)), "parameters": named, "jump": jump, **forms}
    return {"format": "etatrick-certificates", "version": 1, "subject": subject, "verdicts": verdicts, "identities": {}}


def growth(of: str, derivative: Any, form: Any, strict: bool = False, **proof: Any) -> Data:
    proof = {"substitution": {}, "rule": "terms", "form": form} | proof
    piece = {"lower": 0, "upper": "oo", "derivative": derivative, "proof": proof}
    return {"kind": "growth", "of": of, "strict": strict, "pieces": [piece], "jumps": []}


def limit(of: str, end: str, value: Any) -> Data:
    return {"kind": "limit", "of": of, "end": end, "value": value}


def accepted(data: Data) -> bool:
    try:
        return recheck(data).ok
    except InputError:
        return False


@pytest.mark.parametrize("name", REAL)
def test_what_the_prover_writes_is_confirmed(name: str) -> None:
    report = recheck(real(name))
    assert {key: r.reason for key, r in report.results.items() if r.outcome == "rejected"} == {}
    assert report.ok
    assert len(report.results) > 10


def test_a_hand_written_proof_by_the_solver_is_confirmed() -> None:
    slope = ["+", ["^", "w", 2], ["*", -1, "A", "w"], ["^", "A", 2]]
    rule = ["+", ["*", ["/", 1, 3], ["^", "w", 3]], ["*", ["/", -1, 2], "A", ["^", "w", 2]], ["*", ["^", "A", 2], "w"]]
    good = growth("eta_hat", slope, slope, strict=True, rule="smt")
    assert accepted(file({"eta_hat": rule}, ("A",), monotone=verdict("proved", good)))


def test_a_square_of_a_sine_is_not_negative() -> None:
    slope = ["+", ["/", 1, 2], ["^", ["sin", "w"], 2]]
    rule = ["+", "w", ["*", ["/", -1, 2], ["sin", "w"], ["cos", "w"]]]
    assert accepted(file({"eta_hat": rule}, monotone=verdict("proved", growth("eta_hat", slope, slope, strict=True))))
    lower = ["+", ["/", -1, 2], ["^", ["sin", "w"], 2]]
    steeper = ["*", ["/", -1, 2], ["sin", "w"], ["cos", "w"]]
    assert not accepted(file({"eta_hat": steeper}, monotone=verdict("proved", growth("eta_hat", lower, lower))))


# --- tampering -----------------------------------------------------------------------------------------------------


def put(data: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(data)
    copied = copy.copy(data)
    copied[path[0]] = put(data[path[0]], path[1:], change)
    return copied


def one(x: Any) -> Callable[[Any], Any]:
    return lambda _: x


def more(x: Any) -> Any:
    return ["+", x, ["/", 1, 10**9]]


def minus(x: Any) -> Any:
    return ["*", -1, x]


def dropped(index: int) -> Callable[[Any], Any]:
    return lambda items: [item for i, item in enumerate(items) if i != index]


C = "certificate"
PIECE = (C, "pieces", 0)
TAMPERED: list[tuple[str, str, tuple[Any, ...], Callable[[Any], Any]]] = [
    ("log_sum", "monotone", (*PIECE, "derivative"), more),
    ("log_sum", "monotone", (*PIECE, "derivative"), minus),
    ("log_sum", "monotone", (*PIECE, "proof", "form"), more),
    ("log_sum", "monotone", (*PIECE, "proof", "form"), dropped(1)),
    ("log_sum", "monotone", (*PIECE, "proof"), one(None)),
    ("log_sum", "monotone", (*PIECE, "upper"), one(5)),
    ("log_sum", "monotone", (*PIECE, "lower"), one(1)),
    ("log_sum", "monotone", (C, "pieces"), one([])),
    ("log_sum", "monotone", (C, "of"), one("slope")),
    ("log_sum", "monotone", (C, "of"), one("-slope")),
    ("log_sum", "monotone", (C, "kind"), one("limit")),
    ("log_sum", "monotone", ("status",), one("refuted")),
    ("log_sum", "concave", ("status",), one("refuted")),
    ("log_sum", "concave", (C, "of"), one("slope")),
    ("log_sum", "canonical", (C, "premises"), one([])),
    ("log_sum", "convex", ("status",), one("proved")),
    ("log_sum", "convex", (C, "points"), lambda x: x[::-1]),
    ("log_sum", "convex", (C, "points"), lambda x: [x[0], x[0]]),
    ("log_sum", "convex", (C, "of"), one("-slope")),
    ("log_sum", "convex", (C, "points", 0, "epsilon"), one(7)),
    ("log_sum", "convex", (C, "points", 0, "w"), one(-1)),
    ("log_sum", "exact_zeros", (C, "value"), one(0)),
    ("log_sum", "exact_zeros", (C, "value"), more),
    ("log_sum", "exact_zeros", (C, "end"), one("oo")),
    ("log_sum", "exact_zeros", (C, "of"), one("penalty")),
    ("log_sum", "exact_zeros", ("status",), one("refuted")),
    ("log_sum", "unbiased", (C, "value"), one(["/", 1, 10**12])),
    ("log_sum", "unbiased", ("status",), one("refuted")),
    ("log_sum", "bounded", (C, "value"), one(1000)),
    ("log_sum", "bounded", ("status",), one("proved")),
    ("log_sum", "integrable", (C, "value"), one("oo")),
    ("lp", "exact_zeros", ("status",), one("proved")),
    ("lp", "exact_zeros", (C, "at"), one({})),
    ("lp", "exact_zeros", (C, "at", "s_p"), one(["/", 1, 3])),
    ("lp", "monotone", (*PIECE, "proof", "form"), minus),
    ("scad", "monotone", (C, "pieces"), dropped(1)),
    ("scad", "monotone", (C, "pieces"), lambda x: x[::-1]),
    ("scad", "monotone", (C, "pieces", 0, "upper"), more),
    ("scad", "monotone", (C, "pieces", 1, "proof", "substitution"), one({})),
    ("scad", "monotone", (C, "pieces", 1, "proof", "substitution", "w"), lambda x: ["*", 2, x]),
    ("scad", "monotone", (C, "pieces", 2, "derivative"), one(1)),
    ("scad", "monotone", (C, "strict"), one(True)),
    ("scad", "monotone", (C, "jumps"), one([])),
    ("scad", "monotone", (C, "jumps", 0, "size"), one(1)),
    ("scad", "monotone", (C, "jumps", 1, "size"), one(1)),
    ("scad", "monotone", (C, "jumps", 0, "at"), more),
    ("scad", "concave", (C, "pieces", 0, "proof"), one({"substitution": {}, "rule": "terms", "form": 1})),
    ("welsch", "continuous_prox", (*PIECE, "proof", "factors"), dropped(2)),
    ("welsch", "continuous_prox", (*PIECE, "proof", "factors", 2, "power"), one(2)),
    ("welsch", "continuous_prox", (*PIECE, "proof", "factors", 2, "proof", "form"), more),
    ("welsch", "continuous_prox", (*PIECE, "proof", "factors", 2, "proof", "symbols", "d_0"), lambda x: ["*", 2, x]),
    ("welsch", "continuous_prox", (*PIECE, "proof", "factors", 2, "proof", "symbols", "d_0"), minus),
    ("welsch", "continuous_prox", (*PIECE, "proof", "factors", 2, "proof", "symbols"), one({})),
    ("welsch", "continuous_prox", (C, "strict"), one(False)),
    ("variational_dropout", "exact_zeros", (C, "premises"), dropped(0)),
    ("variational_dropout", "exact_zeros", (C, "premises"), dropped(1)),
    ("variational_dropout", "exact_zeros", (C, "premises", 1, "value"), one(2)),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "name", "path", "change"), TAMPERED, ids=[f"{e}-{n}-{i}" for i, (e, n, *_) in
                                                                             enumerate(TAMPERED)])  # fmt: skip
def test_a_tampered_certificate_is_refused(
    entry: str, name: str, path: tuple[Any, ...], change: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etatrick.validation.checker.Subject.agree", lambda *_: None)  # the certificate gives it away
    assert not accepted(put(real(entry, name), ("verdicts", name, *path), change))


SUBJECTS: list[tuple[str, str, Callable[[Any], Any]]] = [
    *((entry, form, change) for entry in ("log_sum", "shakeout") for form in ("penalty", "eta_hat", "dual", "alpha")
      for change in (minus, more, lambda x: ["*", 2, x])),
    ("log_sum", "jump", one(1)), ("shakeout", "jump", one(0)), ("l0", "jump", one(0)), ("l0", "dual", one("kappa")),
    ("l0", "eta_hat", one("w")), ("ridge", "eta_hat", more), ("scad", "dual", more), ("scad", "penalty", more),
    ("log_sum", "given", one("alpha ")),
    ("log_sum", "penalty", lambda x: ["piecewise", [x, ["<", "w", 3]], [more(x), True]]),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "form", "change"), SUBJECTS)
def test_a_tampered_subject_is_refused(entry: str, form: str, change: Callable[[Any], Any]) -> None:
    assert not accepted(put(real(entry, "none"), ("subject", form), change))


@pytest.mark.parametrize("entry", sorted({entry for entry, *_ in SUBJECTS}))
def test_without_tampering_the_subject_alone_is_accepted(entry: str) -> None:
    assert accepted(real(entry, "none"))


def test_a_certificate_shows_no_other_condition() -> None:
    data, passed = real("log_sum"), set()
    follows = {("monotone", "subquadratic"), ("subquadratic", "monotone"), ("monotone", "canonical"),
               ("subquadratic", "canonical"), ("canonical", "monotone"), ("canonical", "subquadratic"),
               ("exact_zeros", "integrable")}  # fmt: skip
    for name, given in data["verdicts"].items():
        claims = {other: given for other in data["verdicts"] if other != name}
        results = recheck({**data, "verdicts": claims, "identities": {}}).results
        passed |= {(name, other) for other in claims if results[other].outcome == "confirmed"}
    assert passed == follows


def test_a_claim_without_a_certificate_is_not_ok() -> None:
    data = real("ridge", "monotone")
    for status in ("proved", "certified", "refuted"):
        assert not accepted({**data, "verdicts": {"monotone": verdict(status, None)}})
    for status in ("checked", "unknown"):
        assert accepted({**data, "verdicts": {"monotone": verdict(status, None)}})
    assert not Report({"convex": Result("proved", "rejected")}).ok


# --- false statements with plausible certificates ------------------------------------------------------------------


def test_a_pole_is_seen_although_the_derivative_is_positive_everywhere() -> None:
    shift = ["+", "w", ["/", -1, 3]]
    rule = ["+", 4, ["*", 10**6, "w"], ["*", ["/", -1, 10**9], ["^", shift, -1]]]
    slope = ["+", 10**6, ["*", ["/", 1, 10**9], ["^", shift, -2]]]
    assert not accepted(file({"eta_hat": rule}, monotone=verdict("proved", growth("eta_hat", slope, slope))))


def test_a_tiny_fall_between_two_cases_is_seen() -> None:
    rule = ["piecewise", ["w", ["<", "w", 3]], [["+", "w", ["/", -1, 10**9]], True]]
    assert not accepted(file({"eta_hat": rule}, monotone=verdict("proved", growth("eta_hat", 1, 1))))
    narrow = ["piecewise", ["w", ["<", "w", 3]], [2, ["<", "w", ["/", 30001, 10000]]], ["w", True]]
    assert not accepted(file({"eta_hat": narrow}, monotone=verdict("proved", growth("eta_hat", 1, 1))))


@pytest.mark.parametrize(("penalty", "value", "ok"), [
    (["log", ["+", 1, "w"]], "oo", True), (["log", ["+", 1, "w"]], 1000, False),
    (["atan", "w"], ["*", ["/", 1, 2], "pi"], True), (["atan", "w"], ["/", 355, 226], False),
    (["atan", "w"], "oo", False), (["*", -1, "w"], "oo", False),
])  # fmt: skip
def test_limits_need_evident_convergence(penalty: Any, value: Any, ok: bool) -> None:
    status = "refuted" if value == "oo" else "proved"
    assert accepted(file({"penalty": penalty}, bounded=verdict(status, limit("penalty", "oo", value)))) is ok


@pytest.mark.parametrize("form", [
    ["^", ["+", "w", -1], -2], ["+", "w", ["/", -1, 9]], ["log", "w"], ["^", ["+", "w", -1], ["/", 1, 2]], -1, "oo",
    ["exp", ["log", ["+", "w", -1]]], ["+", ["^", "w", 2], ["*", -2, "w"], ["/", 99, 100]], ["sin", "w"],
])  # fmt: skip
def test_a_sign_that_only_looks_visible_is_refused(form: Any) -> None:
    integral = ["+", 1, ["*", ["/", 1, 3], ["^", "w", 3]], ["*", -1, ["^", "w", 2]], ["*", ["/", 99, 100], "w"]]
    slope = ["+", ["^", "w", 2], ["*", -2, "w"], ["/", 99, 100]]
    assert not accepted(file({"eta_hat": integral}, monotone=verdict("proved", growth("eta_hat", slope, form))))


def test_a_flat_start_of_f_with_a_kink_proves_nothing_about_zeros() -> None:
    """F = 0 up to η = 1 and η − 1 beyond: Ω = w²/2 near 0, although f′(1+) = 1."""
    f = ["piecewise", [0, ["<=", "eta", 1]], [["+", "eta", -1], True]]
    flat = {"lower": 0, "upper": 1, "derivative": 0, "proof": None}
    proof = {"substitution": {"eta": ["+", 1, "t"]}, "rule": "terms", "form": ["+", 2, ["*", 2, "t"]]}
    rest = {"lower": 1, "upper": "oo", "derivative": ["*", 2, "eta"], "proof": proof}
    jumps = [{"at": 1, "size": 1, "proof": None}]
    reach = {"kind": "growth", "of": "reach_squared", "strict": False, "pieces": [flat, rest], "jumps": jumps}
    both = {"kind": "all", "premises": [reach, limit("dual_slope", "0", 1)]}
    data = file({"dual": f}, canonical=verdict("proved", reach), exact_zeros=verdict("proved", both))
    outcomes = {name: r.outcome for name, r in recheck(data).results.items()}
    assert outcomes == {"canonical": "confirmed", "exact_zeros": "rejected", "forms": "confirmed"}


# --- boxes that cover the half-line --------------------------------------------------------------------------------

X, INVERSE, HALF = "x", ["^", "x", -1], ["/", 1, 2]
HALVES = [["/", 1, 4], ["/", 1, 2], 1, 2, 4]


def total(*terms: Any) -> Any:
    return ["+", *terms]


def cover(boxes: list[Any], zero: list[Any], infinity: list[Any], scales: tuple[Any, Any] = (1, 1)) -> Data:
    tos = (boxes[0], ["^", boxes[-1], -1])
    ends = [{"to": to, "scale": scale, "forms": forms} for to, scale, forms in zip(tos, scales, (zero, infinity),
                                                                                  strict=True)]  # fmt: skip
    return {"rule": "cover", "in": "x", "boxes": boxes, "ends": ends}


def shown(tree: Any, proof: Data) -> bool:
    with mp.workdps(90):
        try:
            prove(tree, proof, True)
        except (FailedError, LookupError, ValueError):
            return False
    return True


SINE = total(X, minus(["sin", X]))
GROWING = total(["exp", X], -1, minus(X))
BUMP = total(1, minus(["*", ["^", X, 2], ["exp", minus(X)]]))
STEEP = total(["*", ["exp", X], ["^", X, -2]], -1)
ROOT = total(["^", total(1, ["^", X, 3]), ["/", 1, 2]], minus(X))
WAVE = total(1, ["*", ["/", 1, 2], ["cos", X]])
TIGHT = total(["^", X, 2], ["*", -2, X], 1, ["/", 1, 10**12])
SINES = [SINE, total(1, minus(["cos", X])), ["sin", X], ["cos", X]]
BELOW = ["exp", minus(INVERSE)]
COVERS: dict[str, tuple[Any, Data]] = {
    "sine": (SINE, cover([1, 2, 4], SINES, [total(INVERSE, minus(["sin", INVERSE]))])),
    "growing": (GROWING, cover([1, 4], [GROWING, total(["exp", X], -1), ["exp", X]],
                               [total(1, minus(BELOW), minus(["*", INVERSE, BELOW]))], (1, ["exp", INVERSE]))),
    "bump": (BUMP, cover([1, 4], [BUMP], [total(1, minus(["*", BELOW, ["^", X, -2]]))])),
    "steep": (STEEP, cover([1, 4], [total(["exp", X], minus(["^", X, 2]))],
                           [total(["*", ["^", X, 2], ["exp", INVERSE]], -1)], (["^", X, -2], 1))),
    "root": (ROOT, cover(HALVES, [ROOT], [total(["^", total(1, ["^", X, 3]), HALF], minus(["^", X, HALF]))],
                         (1, ["^", X, ["/", -3, 2]]))),
    "one box": (WAVE, cover([1], [WAVE], [total(1, ["*", ["/", 1, 2], ["cos", INVERSE]])])),
    "tight": (TIGHT, cover(HALVES, [TIGHT], [total(1, ["*", -2, X], ["*", total(1, ["/", 1, 10**12]), ["^", X, 2]])],
                           (1, ["^", X, -2])) | {"derivative": total(["*", 2, X], -2)}),
}  # fmt: skip


@pytest.mark.parametrize("name", COVERS)
def test_covers_are_confirmed(name: str) -> None:
    assert shown(*COVERS[name])


COVER_TAMPERED: list[tuple[str, tuple[Any, ...], Callable[[Any], Any]]] = [
    ("sine", ("boxes",), dropped(0)), ("sine", ("boxes",), dropped(2)), ("sine", ("boxes",), one([])),
    ("sine", ("boxes",), one([1, 8, 4])), ("sine", ("boxes",), one([1, 2, ["/", 399, 100]])),
    ("sine", ("boxes",), one([-1, 4])), ("sine", ("ends",), dropped(0)), ("sine", ("ends",), lambda x: x[::-1]),
    ("sine", ("ends", 0, "to"), one(["/", 99, 100])), ("sine", ("ends", 1, "to"), one(["/", 24, 100])),
    ("sine", ("ends", 0, "to"), one(2)), ("sine", ("ends", 1, "to"), one("oo")),
    ("sine", ("ends", 0, "forms"), dropped(1)), ("sine", ("ends", 0, "forms"), lambda x: x[:3]),
    ("sine", ("ends", 0, "forms"), lambda x: x[:1]), ("sine", ("ends", 0, "forms"), one([])),
    ("sine", ("ends", 0, "forms", 1), one(1)), ("sine", ("ends", 0, "forms", 1), more),
    ("sine", ("ends", 0, "forms", 3), minus), ("sine", ("ends", 0, "scale"), one(2)),
    ("sine", ("ends", 0, "scale"), one(X)), ("sine", ("ends", 1, "forms", 0), one(SINE)),
    ("sine", ("ends", 1, "forms", 0), more), ("sine", ("in",), one("y")), ("sine", ("rule",), one("terms")),
    ("growing", ("ends", 1, "scale"), one(1)), ("growing", ("ends", 1, "scale"), one(["exp", X])),
    ("steep", ("ends", 0, "scale"), one(1)), ("steep", ("ends", 1, "forms", 0), lambda x: ["*", 2, x]),
    ("tight", ("derivative",), one(0)), ("tight", ("derivative",), more), ("tight", ("derivative",), minus),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "change"), COVER_TAMPERED)
def test_a_tampered_cover_is_refused(name: str, path: tuple[Any, ...], change: Callable[[Any], Any]) -> None:
    tree, proof = COVERS[name]
    assert not shown(tree, put(proof, path, change))


def dip(depth: int) -> tuple[Any, Data]:
    """Return (x − 1)² − 10⁻ᵈ with a cover that is right up to the dip."""
    below = ["/", -1, 10**depth]
    tree = total(["^", X, 2], ["*", -2, X], 1, below)
    end = total(1, ["*", -2, X], ["*", total(1, below), ["^", X, 2]])
    return tree, cover(HALVES, [tree], [end], (1, ["^", X, -2])) | {"derivative": total(["*", 2, X], -2)}


JUMP = minus(["atan", ["^", total(X, ["/", -1, 2]), -1]])  # grows from atan 2 up to x = 1/2, and falls by π there
SLOPE = ["^", total(1, ["^", total(X, ["/", -1, 2]), 2]), -1]
TOUCH = ["^", total(X, -1), 2]
DOUBLE = ["^", ["^", total(X, -3), 2], -1]
LESS = ["/", -1, 10**9]
POLE = ["^", total(X, -3), -2]
FALSE: dict[str, tuple[Any, Data]] = {
    "dip": dip(2), "narrow dip": dip(6),
    "touches": (TOUCH, cover([HALF, 2], [TOUCH], [["^", total(INVERSE, -1), 2]])),
    "negative": (minus(SINE), cover([1, 2, 4], SINES, [total(INVERSE, minus(["sin", INVERSE]))], (-1, -1))),
    "negative in one box": (minus(WAVE), cover([1], [WAVE], [total(1, ["*", HALF, ["cos", INVERSE]])], (-1, -1))),
    "double pole": (DOUBLE, cover([1, 4], [DOUBLE], [["^", ["^", total(INVERSE, -3), 2], -1]])),
    "below at 0": (total(SINE, LESS), cover([1, 2, 4], [total(SINE, LESS), *SINES[1:]],
                                            [total(INVERSE, minus(["sin", INVERSE]), LESS)])),
    "jump": (total(JUMP, 1), cover([2, 4], [total(JUMP, 1), SLOPE], [total(1, minus(["atan", ["^", total(
        INVERSE, ["/", -1, 2]), -1]]))])),
    "pole": (POLE, cover([1, 4], [POLE], [["^", total(INVERSE, -3), -2]])),
    "logarithm": (["log", X], cover([1, 2], [["log", X], INVERSE], [minus(["log", X])])),
    "two symbols": (total(X, "a"), cover([1], [total(X, "a")], [total(INVERSE, "a")])),
    "tends to 0": (["exp", minus(X)], cover([1, 4], [["exp", minus(X)]], [BELOW])),
}  # fmt: skip


@pytest.mark.parametrize("name", FALSE)
def test_a_cover_that_shows_nothing_is_refused(name: str) -> None:
    assert not shown(*FALSE[name])


RANGED: list[tuple[Any, Any, Any]] = [
    (["*", ["^", X, -3], ["exp", minus(INVERSE)]], 0, 2), (["*", ["^", X, 2], ["exp", INVERSE]], 0, 1),
    (["*", ["^", X, -5], ["exp", minus(["^", X, -2])], ["cos", X]], 0, 3), (["atan", X], 0, "inf"), (["erf", X], 1, 2),
    (["*", ["cosh", X], ["erfc", X]], 0, 2), (["lambertw", X], 0, 5), (["^", X, X], "0.1", 3),
    (["tanh", total(X, -1)], 0, "inf"),
    (["*", ["^", X, ["/", -7, 2]], ["exp", total(3, X, minus(INVERSE))]], 0, "0.2"), (["dawson_integral", X], 0, 3),
    (["^", total(X, -2), 2], 1, 4), (["^", total(X, -2), -3], 3, 4), (total(["log", X], "pi", "E"), 1, "inf"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "low", "high"), RANGED)
def test_ranges_hold_all_values(tree: Any, low: Any, high: Any) -> None:
    with mp.workdps(90):
        found = span(tree, X, IV.mpf([mp.mpf(low), mp.mpf(high)]))
        a, b = mp.mpf(low), min(mp.mpf(high), mp.mpf(50))
        values = [Point().at(X, a + (b - a) * mp.mpf(k) / 200, tree) for k in range(1, 200)]
        values += [Point().at(X, a + mp.mpf(10) ** -k, tree) for k in range(1, 4)]
        assert all(mp.mpf(found.a) <= value <= mp.mpf(found.b) for value in values)


@pytest.mark.parametrize("tree", [INVERSE, ["^", X, ["/", 1, 2]], ["log", X], ["lambertw", X], ["polylog", 2, X], "oo",
                                  ["^", X, ["/", -1, 2]], ["^", X, -2], "y", ["gamma", X]])  # fmt: skip
def test_there_is_no_range_around_a_pole_or_beyond_a_domain(tree: Any) -> None:
    with pytest.raises((FailedError, ValueError)):
        span(tree, X, IV.mpf([-1, 1]))


def test_certified_verdicts_are_confirmed_from_derivation_to_check() -> None:
    data = cast(Data, certificates(derive(eta_hat="w + sin(w)/2")))
    certified = {name for name, found in data["verdicts"].items() if found["status"] == "certified"}
    report = recheck(data)
    assert len(certified) == 4
    assert all(report.results[name].outcome == "confirmed" for name in certified)
    assert report.ok
    boxes: tuple[Any, ...] = (C, "pieces", 0, "proof", "factors", 0, "proof", "boxes")
    proof = data["verdicts"]["continuous_prox"]
    assert "cover" in json.dumps(proof)
    factor = next(k for k, f in enumerate(proof[C]["pieces"][0]["proof"]["factors"]) if f["proof"]["rule"] == "cover")
    path = ("verdicts", "continuous_prox", *boxes[:5], factor, *boxes[6:])
    assert not recheck(put(data, path, one([2, 3]))).ok


# --- bad input -----------------------------------------------------------------------------------------------------


def deep(levels: int) -> Any:
    tree: Any = "w"
    for _ in range(levels):
        tree = ["exp", tree]
    return tree


MALFORMED: list[Any] = [
    ["system", "w"], ["/", 1], ["^", "w"], 1.5, {"w": 1}, "w + 1", "__import__('os').x()", [], [["+"], 1],
    ["piecewise", ["w"]], ["piecewise", ["w", ["<", "w"]]], deep(100), deep(900), deep(5000), 10**20000,
    ["^", "w", 10**4000],
    ["^", 10**4000, 10**4000], ["at", "w", "w", "w"], ["D", "w"], "a| Real)(exit",
]  # fmt: skip


@pytest.mark.parametrize("tree", MALFORMED, ids=[f"malformed-{i}" for i in range(len(MALFORMED))])
def test_malformed_formulas_are_refused(tree: Any) -> None:
    data = real("ridge", "monotone")
    assert not accepted(put(data, ("subject", "penalty"), one(tree)))
    assert not accepted(put(real("lp", "monotone"), ("verdicts", "monotone", *PIECE, "proof", "form"), one(tree)))


@pytest.mark.parametrize("path", ["format", "version", "subject", "verdicts", "identities", "subject given",
                                  "subject parameters", "verdicts monotone",
                                  "verdicts monotone status"])  # fmt: skip
def test_missing_and_wrong_entries_are_bad_input(path: str) -> None:
    for value in ("other", [1], {"a": 1}, None):
        with pytest.raises(InputError):
            recheck(put(real("ridge", "monotone"), tuple(path.split()), one(value)))


def test_unknown_names_and_narrower_domains_are_bad_input() -> None:
    data = real("ridge", "monotone")
    with pytest.raises(InputError):
        recheck({**data, "verdicts": {"forms": data["verdicts"]["monotone"]}})
    wrong: tuple[Data, ...] = ({"lower": -1}, {"upper": 3}, {"lower": "-oo"})
    for bounds in wrong:
        with pytest.raises(InputError):
            recheck(put(data, ("subject", "parameters", 0), one({"name": "c", "lower": 0, "upper": "oo"} | bounds)))


def test_files_are_read_and_bad_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "certificates.json"
    path.write_text(written("l0"), encoding="utf-8")
    assert recheck_file(path).ok
    for text in ("{", "[" * 100000, "9" * 5000, "[]", "nan", json.dumps(real("l0") | {"padding": "x" * 3_000_000})):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            recheck_file(path)
    with pytest.raises(InputError):
        recheck_file(tmp_path / "missing.json")


def test_the_checker_shares_nothing_with_the_prover() -> None:
    modules = {f"etatrick.validation.{name}" for name in ("recheck", "checker", "formula_trees")}
    sources = [Path(sys.modules[name].__file__ or "").read_text(encoding="utf-8") for name in modules]
    lines = [line.strip() for source in sources for line in source.splitlines()]
    imported = {line.split()[1] for line in lines if line.startswith(("import etatrick", "from etatrick"))}
    assert imported <= modules | {"etatrick.errors"}
    code = ("import sys, etatrick.validation.recheck; print([m for m in sys.modules if m.split('.')[0] == 'sympy' "
            "or m.startswith(('etatrick.theory', 'cvc5'))])")  # fmt: skip
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_a_new_duality_is_confirmed_from_derivation_to_check() -> None:
    assert recheck(cast(Data, certificates(derive(eta_hat="w*(w+2)")))).ok

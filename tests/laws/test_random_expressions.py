"""Random rules and hostile texts: `derive` answers in time or refuses, and every number it gives is right.

HYPOTHESIS_PROFILE=explore draws 2,000 new examples; the profile of the suite draws a few fixed ones.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import expressions
import mpmath as mp
import numpy as np
import pytest
from expressions import CURRENT, PARAMETERS, Piece, Rule, rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etatrick.errors import InputError
from etatrick.theory import Duality, Verdict, derive

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
EXAMPLES = 2000 if LONG else 30
FORMS = ("penalty", "eta_hat", "alpha", "dual")
LIMIT = 1.0  # seconds for a derivation
WALL = 5.0  # seconds after which it hangs
TOLERANCE = 1e-8
QUIET: dict[str, Any] = {"suppress_health_check": list(HealthCheck), "deadline": None}


class HungError(BaseException):
    """Too long; not an Exception, so that nothing in between takes it for an answer."""


@contextmanager
def in_time(what: str) -> Iterator[None]:
    """Interrupt what computes for longer than WALL: a hang fails instead of stopping the suite."""

    def stop(*_: Any) -> None:
        raise HungError(f"{what} hangs")

    previous = signal.signal(signal.SIGVTALRM, stop)  # the engine's own budgets ring another alarm
    begin = time.perf_counter()
    signal.setitimer(signal.ITIMER_VIRTUAL, WALL, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
    assert time.perf_counter() - begin < 3 * WALL, what


def said(form: str, text: Any, parameters: tuple[str, ...] = ()) -> Duality | str:
    """Derive in time, or return the one sentence of the refusal."""
    forms: dict[str, Any] = {form: text}
    try:
        with in_time("derive"):
            return derive(**forms, parameters=parameters, time_limit=LIMIT)
    except InputError as refusal:
        return str(refusal)


def close(got: float, wanted: Any) -> bool:
    if not mp.isfinite(wanted) or abs(wanted) > 1e250:
        return True  # beyond what a float holds
    return bool(abs(got - wanted) <= TOLERANCE * (1 + abs(wanted)))


def number(method: Any, x: float) -> float | None:
    """Return a number of the engine, None where it refuses."""
    try:
        with in_time(method.__name__):
            return float(method(x))
    except InputError:
        return None


def wrong_numbers(rule: Rule, d: Duality) -> list[str]:
    """Compare Ω, η̂ and f with quadrature, the text's own value, and minimisation."""
    wrong = []
    low, high = mp.mpf("0.37"), mp.mpf("2.9")
    first, second = (number(d.penalty_at, float(x)) for x in (low, high))
    if first is None or second is None:
        return [] if diverges(rule) else ["Ω is refused, although it is finite"]
    if rule.form == "dual":
        wanted = [expressions.least(rule, x) for x in (low, high)]
        if not close(second - first, wanted[1] - wanted[0]):
            wrong.append(f"Ω({high}) − Ω({low}) = {second - first}, the minima over η give {wanted[1] - wanted[0]}")
        for e in (0.21, 1.3, 7.7):
            got, start = number(d.dual_at, e), number(d.dual_at, 1.0)
            if got is not None and start is not None:
                given = rule.piece.at(mp.mpf(e)) - rule.piece.at(mp.mpf(1))
                if not close(got - start, given):
                    wrong.append(f"f({e}) − f(1) = {got - start}, given as {given}")
        return wrong
    wanted = expressions.integral(rule, low, high)
    if not close(second - first, wanted):
        wrong.append(f"Ω({high}) − Ω({low}) = {second - first}, by quadrature {wanted}")
    for x in (low, high):
        got, slope = number(d.eta_hat_at, float(x)), expressions.slope(rule, x)
        if got is not None and slope > 1e-9 and not close(got, x / slope):
            wrong.append(f"η̂({x}) = {got}, not {x / slope}")
    return wrong + wrong_dual(rule, d)


def diverges(rule: Rule) -> bool:
    """Tell whether ∫Ω′ diverges at 0, by the order of Ω′ there."""
    if rule.form == "dual":
        return not rule.piece.at(mp.mpf(10) ** -200) > -100
    near = [expressions.slope(rule, mp.mpf(10) ** -k) for k in (12, 15)]
    return bool(near[0] > 0 and mp.log(near[1] / near[0]) >= 0.999 * mp.log(1000))


def is_monotone(rule: Rule) -> bool:
    grid = [mp.mpf(x) for x in np.geomspace(1e-6, 1e3, 160)]
    values = [expressions.weight(rule, x) for x in grid]
    return not any(b < mp.inf if a == mp.inf else b < a * (1 - mp.mpf(10) ** -7) for a, b in pairwise(values))


def wrong_dual(rule: Rule, d: Duality) -> list[str]:
    """Compare f(η̂(x)) with 2Ω − xΩ′; a rule that decreases has no dual."""
    if not is_monotone(rule):
        return [f"f = {d.dual} for a rule that decreases"] if d.dual is not None else []
    if d.base != 0 or d.conditions["integrable"].status != "proved":
        return []
    wrong = []
    for x in (mp.mpf("0.61"), mp.mpf("2.3")):
        slope = expressions.slope(rule, x)
        if slope <= 1e-9 or not 1e-9 < x / slope < 1e9:
            continue
        near = [number(d.dual_at, float(x / slope * (1 + side))) for side in (-1e-14, 1e-14)]
        wanted = 2 * float(d.penalty_at(float(x))) - x * slope
        if None not in near and not any(close(value, wanted) for value in near if value is not None):
            wrong.append(f"f({x / slope}) = {near}, but 2Ω − xΩ′ = {wanted}")
    return wrong


def wrong_verdicts(rule: Rule, d: Duality, verdicts: dict[str, Verdict]) -> list[str]:
    """Sample what is proved, at the parameters drawn, and evaluate what refutes, at its own."""
    if rule.form == "dual":
        return []
    wrong = []
    grid = [mp.mpf(x) for x in np.geomspace(1e-4, 1e3, 140)]
    for name, verdict in verdicts.items():

        def level(x: Any, of: Rule = rule, name: str = name) -> Any:
            return expressions.slope(of, x) if name == "convex" else expressions.weight(of, x)

        if verdict.holds:
            values = [level(x) for x in grid]
            noise = mp.mpf(10) ** -18 * max((abs(v) for v in values if mp.isfinite(v)), default=0)  # of differences
            falls = [(x, a, b) for x, (a, b) in zip(grid, pairwise(values), strict=False)
                     if (b < mp.inf if a == mp.inf else
                         b < a - mp.mpf(10) ** -7 * abs(a) - noise - expressions.rounding(rule, x))]  # fmt: skip
            if falls:
                wrong.append(f"{name} is {verdict.status}, but it falls at {falls[0]}")
        elif (
            verdict.status == "refuted" and "w_end" in verdict.witness and set(rule.parameters) <= set(verdict.witness)
        ):
            a, b = (level(mp.mpf(verdict.witness[end]), at(rule, verdict)) for end in ("w", "w_end"))
            unknown = mp.isnan(a) or mp.isnan(b)
            if not (unknown or a > b or a == b == 0 or a == b == mp.inf):  # 1 − α is 0 at 30 digits
                wrong.append(f"{name} is refuted at {dict(verdict.witness)}, where it goes from {a} to {b}")
    return wrong


def at(rule: Rule, verdict: Verdict) -> Rule:
    """Return the rule with the parameters of a witness."""

    def evaluate(x: Any) -> Any:
        kept = dict(CURRENT)
        CURRENT.update({name: mp.mpf(verdict.witness[name]) for name in rule.parameters})
        try:
            return rule.piece.at(x)
        finally:
            CURRENT.update(kept)

    return Rule(rule.form, Piece(rule.piece.text, evaluate), ())


def complaints(rule: Rule) -> list[str]:
    """Return what is wrong with what the engine says about one rule."""
    d = said(rule.form, rule.piece.text, rule.parameters)
    if isinstance(d, str):
        return [] if d.endswith(".") else [f"no sentence: {d}"]
    with mp.workdps(30):
        try:
            numeric = d.at(**{p.name: float(PARAMETERS[p.name]) for p in d.parameters}) if d.parameters else d
        except InputError as refusal:  # no rule at these parameters, for instance min(w/b + 2, 1/b) for large b
            return [] if str(refusal).endswith(".") else [f"no sentence: {refusal}"]
        verdicts = {name: d.conditions[name] for name in ("monotone", "convex")}
        return wrong_numbers(rule, numeric) + wrong_verdicts(rule, d, verdicts)


def _flat_then_steep(v: Any) -> Any:
    return mp.sqrt((mp.mpf(1) / 4 if v <= 0.3 else 1 / (1 + mp.exp(-v / 2))) ** 2 + 1)


def _oscillating(v: Any) -> Any:
    first = 1 + mp.sin(v**2) / 2 if v <= 0.5 else mp.exp(v / 4)
    return min(first, mp.sqrt(v) + 1 / (1 + mp.exp(-v / 4)))


# found by the long profile: what was wrong is said beside each
FOUND = [
    # a maximum within a maximum had no explicit break points: Ω(2.9) − Ω(0.37) = 0 instead of 8
    Rule("dual", Piece("max(eta/0.1 + a, (eta/2)/max(eta/2, 4))", lambda v: max(10 * v + CURRENT["a"],
         (v / 2) / max(v / 2, 4)), (lambda v: v - 8,)), ("a",)),
    # f is constant beyond a point, where η = ∞ is best
    Rule("dual", Piece("sqrt(min(1, eta*exp(eta))**2 + 1)", lambda v: mp.sqrt(min(1, v * mp.exp(v)) ** 2 + 1),
         (lambda v: v * mp.exp(v) - 1,)), ()),
    # the logarithm of a product of factors of unknown sign was complex
    Rule("dual", Piece("(eta*exp(eta))/(1 + sin(eta)/2)", lambda v: v * mp.exp(v) / (1 + mp.sin(v) / 2)), ()),
    Rule("dual", Piece("sinh(eta)/(1 + sinh(eta))", lambda v: mp.sinh(v) / (1 + mp.sinh(v))), ()),
    # f falls at a break point that was overlooked beside one that is not explicit: refused
    Rule("dual", Piece("min(sinh(eta), Piecewise((eta, eta <= 0.5), (eta/2, True)))",
         lambda v: min(mp.sinh(v), v if v <= 0.5 else v / 2), (lambda v: v - 0.5,)), ()),
    # numbers of f waited for the proof that η̂ grows
    Rule("alpha", Piece("1 - exp(-(max(w/3, 4)**2/(4/a)**2))", lambda v: -mp.expm1(-((max(v / 3, 4) * CURRENT["a"] / 4)
         ** 2)), (lambda v: v - 12,)), ("a",)),
    # Ω is a logarithmic integral, which no part of the engine evaluates
    Rule("eta_hat", Piece("log(1 + w)*w", lambda v: mp.log1p(v) * v), ()),
    # a step function of pieces could not be compiled
    Rule("penalty", Piece("min(1 - exp(-max(w, 0.3)), Piecewise((max(w/0.3, 3), w <= 4), (w/2*w**(5/3), True)))",
         lambda v: min(-mp.expm1(-max(v, mp.mpf("0.3"))), max(v / mp.mpf("0.3"), 3) if v <= 4 else v / 2 * v
                       ** (mp.mpf(5) / 3)), (lambda v: v - mp.mpf("0.3"), lambda v: v - 4)), ()),
    # Ω is flat, then jumps; neither η̂ nor f was found, and numbers of η̂ asked for f
    Rule("penalty", Piece("sqrt(Piecewise((1/4, w <= 0.3), (sigmoid(w/2), True))**2 + 1)", _flat_then_steep,
         (lambda v: v - mp.mpf("0.3"),)), ()),
    # Ω is flat and then rises, so η̂ falls from +∞: f was 0
    Rule("penalty", Piece("max(w/1.5, a)", lambda v: max(v / 1.5, CURRENT["a"]), (lambda v: v / 1.5 - CURRENT["a"],)),
         ("a",)),
    # tanh in exponentials took the sine along, which became complex
    Rule("alpha", Piece("tanh(atan(w/b) + 1 + sin(w/b)/2)", lambda v: mp.tanh(mp.atan(v / CURRENT["b"])
         + 1 + mp.sin(v / CURRENT["b"]) / 2)), ("b",)),
    # η²f′ overflowed in floats where f is nearly constant, and seemed to rise
    Rule("dual", Piece("min(sigmoid(eta/a), erf(exp(eta/0.5)))", lambda v: min(1 / (1 + mp.exp(-v / CURRENT["a"])),
         mp.erf(mp.exp(2 * v))), ()), ("a",)),
    # a break point is the root of a polynomial, which could not be compiled
    Rule("penalty", Piece("max(w/(1 + w), w/(w**(5/3) + 0.3))", lambda v: max(v / (1 + v), v / (v ** (mp.mpf(5) / 3)
         + mp.mpf("0.3"))), (lambda v: v ** (mp.mpf(5) / 3) - v - mp.mpf("0.7"),)), ()),
    # f was compiled with a common denominator of exponentials, which overflowed
    Rule("dual", Piece("sigmoid(eta**1.5)**2", lambda v: (1 / (1 + mp.exp(-(v ** mp.mpf(1.5))))) ** 2), ()),
    # constant, then a line: the slope by differences is −6e-50 instead of 0 somewhere
    Rule("penalty", Piece("max(w, 0.1)*(w/(w/0.1))", lambda v: max(v, mp.mpf("0.1")) * (v / (v / mp.mpf("0.1"))),
         (lambda v: v - mp.mpf("0.1"),)), ()),
    # no rule at these parameters: refused
    Rule("penalty", Piece("min(w/b + 2, 0.5/b)", lambda v: min(v / CURRENT["b"] + 2, mp.mpf("0.5") / CURRENT["b"])),
         ("a", "b")),
    # simplifying f′ took longer than the number may
    Rule("dual", Piece("min(Piecewise((1 + sin(eta**2)/2, eta <= 0.5), (exp(eta/4), True)), sqrt(eta) + "
                       "sigmoid(eta/4))", _oscillating, (lambda v: v - 0.5,)), ()),
    # that Ω does not jump was only checked, and so was that it is convex, which it is not
    Rule("penalty", Piece("min(sinh(w), w/w)", lambda v: min(mp.sinh(v), 1), (lambda v: mp.sinh(v) - 1,)), ()),
    # ∫ t/η̂(t) dt went across a jump and a crossing that are not explicit: 1e-7 beside
    Rule("eta_hat", Piece("min(Piecewise((w**(1/3), w <= 2), (w/0.5, True)), sinh(w))", lambda v: min(mp.cbrt(v)
         if v <= 2 else 2 * v, mp.sinh(v)), (lambda v: v - 2, lambda v: mp.cbrt(v) - mp.sinh(v),
         lambda v: 2 * v - mp.sinh(v))), ()),
    # η̂ is constant near 0: the search for its inverse divided by the number 0
    Rule("eta_hat", Piece("max(w/1.5, w)/Piecewise((w/a, w <= a), (w, True))", lambda v: max(v / 1.5, v)
         / (v / CURRENT["a"] if v <= CURRENT["a"] else v), (lambda v: v - CURRENT["a"],)), ("a",)),
    # f is constant, then rises: just before, its computed slope is negative
    Rule("dual", Piece("max(eta**(1/3), eta**(1/2))/eta**(1/3)", lambda v: max(mp.cbrt(v), mp.sqrt(v)) / mp.cbrt(v),
         (lambda v: v - 1,)), ()),
    # the penalty holds the logarithm of an integer of 42 digits
    Rule("eta_hat", Piece("max(w, 0.3) + (w/4 + 1.5)", lambda v: max(v, mp.mpf("0.3")) + (v / 4 + mp.mpf("1.5")),
         (lambda v: v - mp.mpf("0.3"),)), ()),
    # f oscillates: the law's own search for the least η passed over it
    Rule("dual", Piece("sigmoid(1 + sin(eta/0.1)/2) + Piecewise((eta, eta <= 0.1), (eta/0.5, True))",
         lambda v: 1 / (1 + mp.exp(-(1 + mp.sin(10 * v) / 2))) + (v if v <= 0.1 else 2 * v), (lambda v: v - 0.1,)), ()),
    # η̂ is constant, with a difference of numbers in which floats lost two digits: f was ∞ at its end
    Rule("alpha", Piece("tanh(w**(1/2)*w**(1/2)/(w/4))", lambda v: mp.tanh(mp.sqrt(v) * mp.sqrt(v) / (v / 4))), ()),
    # log η̂ was compiled with exp(100w²), which overflowed: f was ∞
    Rule("penalty", Piece("erf(w/0.1)*asinh(lambertw(w))", lambda v: mp.erf(10 * v) * mp.asinh(mp.lambertw(v).real)),
         ()),
    # Ω is constant, which does not show: refused; its differences are rounding, which seemed to fall
    Rule("penalty", Piece("Piecewise((w/a, w <= a), (w/a, True))/min(w/2, w/2)", lambda v: v / CURRENT["a"]
         / min(v / 2, v / 2), (lambda v: v - CURRENT["a"],)), ("a",)),
    # factoring exp(20000 w⁴) as a polynomial of degree 20,000 could not be stopped
    Rule("alpha", Piece("tanh(((w/0.1)**2)**2)", lambda v: mp.tanh((10 * v) ** 4)), ()),
]  # fmt: skip


@pytest.mark.parametrize("rule", FOUND, ids=lambda rule: rule.piece.text)
def test_rules_that_were_once_wrong(rule: Rule) -> None:
    assert complaints(rule) == []


@settings(max_examples=EXAMPLES, **QUIET)
@given(rules())
def test_random_rules(rule: Rule) -> None:
    assert complaints(rule) == [], f"derive({rule.form}={rule.piece.text!r}, parameters={list(rule.parameters)})"


def test_a_wrong_number_is_found() -> None:
    good = Rule("eta_hat", Piece("w*(w + 2)", lambda x: x * (x + 2)), ())
    bad = Rule("eta_hat", Piece("w*(w + 2)", lambda x: x * (x + mp.mpf("2.0000001"))), ())
    down = Rule("eta_hat", Piece("1/w", lambda x: 1 / x), ())
    assert complaints(good) == []
    assert len(complaints(bad)) >= 3
    with mp.workdps(30):
        d = derive(eta_hat="w*(w+2)")
        assert wrong_verdicts(down, d, {"monotone": d.conditions["monotone"]})
        assert wrong_dual(down, d)


HOSTILE = [
    "__import__('os').system('touch pwned')",
    "open('pwned','w')",
    "eval(w)",
    "exec(w)",
    "w.__class__",
    "lambda: w",
    "(w:=1)",
    "[w for w in (1,)]",
    "f'{w}'",
    "w if w else w",
    "Symbol('w')",
    "sympify(w)",
    "S(1)",
    "E",
    "I",
    "oo",
    "nan",
    "zoo",
    "Integral(w,w)",
    "Derivative(w,w)",
    "Sum(w,(w,1,2))",
    "w!",
    "gamma(w!)",
    "factorial(9**9)",
    "w**w**w**w",
    "1e400",
    "9**9**9",
    "0/0",
    "w/0",
    "w*1e-400",
    "\x00",
    "\ud800w",
    "w\u202e",
    "ｗ**2",
    "𝑤",
    "−w",
    "w·w",
    "²",
    "w²",
    "½",
    "w" * 3000,
    "(" * 500 + "w" + ")" * 500,
    "+".join(["w"] * 400),
    "w*" * 300 + "w",
    "-" * 60 + "w",
    "exp(" * 50 + "w",
    "Piecewise((w, w < 1))",
    "Piecewise((w, True), (1, True))",
    "Piecewise((w, eta < 1), (1, True))",
    "min()",
    "max(w)",
    "exp(exp(exp(exp(exp(w)))))",
    "gamma(w)**gamma(w)",
    "log(log(log(log(w))))",
    "sin(1/w)",
    "w**(1/0)",
    "polylog(w, w)",
    "erfi(erfi(erfi(w)))",
    "lambertw(-w)",
    "asin(w)",
    "acosh(w)",
    "atanh(w)",
    "sqrt(w - 1)",
    "tan(w)",
    "sign(w - 1)",
    "digamma(w)",
    "lam",
    "lambda",
    "pi",
    "0",
    "1",
    "-1",
    "abs(-w)",
    "1/3",
    "eta",
    "w*eta",
    "w + b",
    "True",
    "None",
    "...",
]


def answers(form: str, text: Any) -> None:
    """Derive in time or refuse in one sentence."""
    found = said(form, text)
    if isinstance(found, str):
        assert found.endswith(".")
        assert len(found) < 700
        return
    formulas = (found.penalty, found.eta_hat, found.dual, found.alpha)
    assert {s.name for v in formulas if v is not None for s in v.free_symbols} <= {"w", "eta", "lambda"}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:24]))
def test_hostile_texts_are_derived_or_refused(text: str) -> None:
    for form in FORMS:
        answers(form, text)


@pytest.mark.parametrize(
    "source", [b"w", ["w"], {"w": 1}, True, 1j, float("nan"), float("inf"), object(), len, np.ones(2)]
)
def test_what_is_no_formula_is_refused(source: Any) -> None:
    for form in FORMS:
        with pytest.raises(InputError):
            derive(**{form: source})


@settings(max_examples=EXAMPLES, **QUIET)
@given(st.text(alphabet="wetaλη0123456789.+-*/^(),<=> \x00einfxplogsqrt_\u00b2", max_size=40), st.sampled_from(FORMS))
def test_any_text_is_derived_or_refused(text: str, form: str) -> None:
    answers(form, text)


WATCH = """
import sys
from etatrick.errors import InputError
from etatrick.theory import derive

def go():
    for text in sys.stdin.read().split("\\n"):
        for form in ("penalty", "eta_hat", "alpha", "dual"):
            try:
                derive(**{form: text}, time_limit=0.5)
            except InputError:
                pass

seen = []
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "os.remove",
             "os.rename", "os.mkdir", "shutil.rmtree", "pty.spawn", "ctypes.dlopen")

def watch(event, arguments):
    opened = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in FORBIDDEN or opened:
        seen.append((event, str(arguments)[:80]))

derive(eta_hat="w*(w + 2)").penalty
import z3  # the solver's library is loaded with its first question
sys.addaudithook(watch)
go()
print(seen)
"""


def test_nothing_is_executed(tmp_path: Path) -> None:
    """In a fresh process whose audit hook reports programs, connections and files opened for writing."""
    slow = ("exp(exp", "erfi")
    texts = "\n".join(t for t in HOSTILE if t.isprintable() and len(t) < 200 and not any(s in t for s in slow))
    command = [sys.executable, "-B", "-c", WATCH]
    found = subprocess.run(command, input=texts, capture_output=True, cwd=tmp_path, timeout=100, check=True,
                           encoding="utf-8")  # fmt: skip
    assert found.stdout.strip() == "[]", found.stdout
    assert list(tmp_path.iterdir()) == []

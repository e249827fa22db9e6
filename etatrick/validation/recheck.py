"""Checks certificates again by numbers in many digits and the solver cvc5; shares no code with the prover."""

import json
import operator
import random
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, final

from mpmath import mp

from etatrick.errors import InputError

DIGITS, BYTES, TINY = 90, 2_000_000, ["/", 1, 10**25]
MEANING: Final = {  # condition: the facts that prove it, and those that refute it; "&" binds closer than "|"
    "subquadratic": ("eta_hat grows | eta_hat constant | only f", "eta_hat falls"),  # Ω(√u) = ½ inf over η: u/η + f(η)
    "monotone": ("eta_hat grows | eta_hat constant | only f", "eta_hat falls"),
    "canonical": ("reach_squared grows | eta_hat grows & f follows | eta_hat constant & f follows",  # η²f′(η̂) = w²
                  "reach_squared falls | eta_hat falls & f follows"),
    "convex": ("slope grows & no jump", "slope falls | jump"), "concave": ("-slope grows", "-slope falls"),
    "continuous_prox": ("w+slope rises & no jump", "w+slope does not rise | jump"),
    "integrable": ("penalty at 0 finite | slope at 0 finite", "penalty at 0 infinite"),  # Ω = ∫Ω′
    "bounded": ("penalty at oo finite", "penalty at oo infinite"),
    "exact_zeros": ("slope at 0 positive | jump", "slope at 0 zero & no jump"),
    "unbiased": ("slope at oo zero", "slope at oo positive"),
}  # fmt: skip
ALONG_ETA: Final = {"dual_slope": "slope", "dual_prox": "w+slope", "dual_penalty": "penalty"}  # f′ = Ω′² and so on
STEEP: Final = ("^", "exp", "sinh", "cosh", "tanh", "erf", "erfc", "erfi", "sin", "cos")  # hopeless for huge arguments
PLAIN: Final = ("log", "polylog", "asin", "acos", "atan", "asinh", "acosh", "atanh", "lambertw")
ODD: Final = ("sinh", "tanh", "asinh", "atan", "erf", "erfi", "lambertw", "dawson", "dawson_integral")
COMPARE: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
HEADS: Final[dict[str, Any]] = COMPARE | {head: getattr(mp, head) for head in (*STEEP[1:], *PLAIN)} | {
    "+": lambda *xs: sum(xs), "*": lambda *xs: reduce(operator.mul, xs), "/": operator.truediv, "not": operator.not_,
    "^": lambda x, y: x ** int(y) if mp.isint(y) else mp.power(x, y), "and": lambda *xs: all(xs), "max": max,
    "or": lambda *xs: any(xs), "dawson": lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), "min": min,
    "dawson_integral": lambda x: (x * x / 2 * mp.hyp2f2(1, 1, 1.5, 2, -x * x) if x < 20 else  # the asymptotic series
        mp.log(2 * x) / 2 + mp.euler / 4 - sum(mp.rf(0.5, k) / (4 * k * x ** (2 * k)) for k in range(1, 150))),
}  # fmt: skip
CONSTANTS: Final = {"pi": mp.pi, "E": mp.e, "EulerGamma": mp.euler, "oo": mp.inf, "-oo": mp.ninf}
ERRORS: Final = (ArithmeticError, NotImplementedError, ValueError, mp.NoConvergence)


class FailedError(ArithmeticError):
    """A certificate does not show what it claims; the message says why."""


@final
@dataclass(frozen=True)
class Result:
    """What became of one verdict: its claimed status, the outcome, and the reason of a rejection."""

    status: str
    outcome: Literal["confirmed", "rejected", "not checked"]
    reason: str = ""


@final
@dataclass(frozen=True)
class Report:
    """The results by name of verdict; "forms" tells whether the forms belong together."""

    results: Mapping[str, Result]

    @property
    def ok(self) -> bool:
        """Whether nothing was rejected and every proved, certified or refuted verdict was confirmed."""
        idle = {("not checked", "checked"), ("not checked", "unknown")}
        return all(r.outcome == "confirmed" or (r.outcome, r.status) in idle for r in self.results.values())


def recheck_file(path: str | Path) -> Report:
    """Check a file of certificates as :func:`recheck` does; raise InputError also if it cannot be read."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8")[: BYTES + 1])
    except (OSError, RecursionError, ValueError) as error:
        raise InputError(str(path), f"is no readable JSON: {error}", "pass a file of certificates") from None
    return recheck(data)


def recheck(data: Mapping[str, Any]) -> Report:
    """Check every certificate against the forms it is about and against the meaning of its condition.

    Raises InputError if the data is malformed, of another version, or too large; nothing in it is ever executed.
    """
    results: dict[str, Result] = {}
    try:
        data = json.loads(text := json.dumps(data))
        if len(text) > BYTES or (data["format"], data["version"]) != ("etatrick-certificates", 1):
            raise ValueError(f"it must be etatrick-certificates, version 1, of at most {BYTES} bytes")
        subject, forms = _Subject(data["subject"]), {"forms": {"status": "proved", "certificate": {}}}
        groups = (data["verdicts"], subject.condition), (data["identities"], subject.identity), (forms, subject.agree)
        for verdicts, check in groups:
            for name, verdict in verdicts.items():
                status, certificate = verdict["status"], verdict.get("certificate")
                if status not in ("proved", "certified", "refuted", "checked", "unknown"):
                    raise ValueError(f"{status} is no status")
                results[name] = Result(status, "not checked")
                if certificate is not None and status not in ("checked", "unknown"):
                    results[name] = subject.result(status, check, name, certificate)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError("the data", f"is malformed: {error!r}", "see the page on certificates") from None
    return Report(results)


def _require(holds: Any, message: str) -> None:
    if not holds:
        raise FailedError(message)


class _Point(dict[str, Any]):  # values of symbols, drawn from 1/10 to 10 when needed
    def __init__(self, seed: int, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.seed, self.signs = seed, dict[int, Any]()

    def __missing__(self, name: str) -> Any:
        if not name.isidentifier():
            raise LookupError(f"{name} is no symbol")
        self[name] = mp.mpf(10 ** random.Random(f"{self.seed} {name}").uniform(-1, 1))
        return self[name]

    def at(self, name: str, x: Any, tree: Any) -> Any:  # the value of a formula where one symbol is another number
        here, self[name] = self[name], x
        found, self[name] = self.value(tree), here
        return found

    def value(self, tree: Any) -> Any:  # real, perhaps infinite; one point must not be moved across a pole or break
        if isinstance(tree, int | str):
            return mp.mpf(tree) if isinstance(tree, int) else +CONSTANTS[tree] if tree in CONSTANTS else self[tree]
        _require(tree is not None, "a form is missing")
        head, *rest = tree
        if head == "piecewise":
            return self.value(next((v for v, test in rest if self.value(test)), ["+", "oo", "-oo"]))  # or no number
        if head == "at":  # the formula where a symbol is another formula
            return self.at(rest[1], self.value(rest[2]), rest[0])
        if head == "D":  # a derivative by central differences, with a step of a third of the digits
            h = self[rest[1]] * mp.mpf(10) ** (-mp.dps // 3)
            return (self.at(rest[1], self[rest[1]] + h, rest[0]) - self.at(rest[1], self[rest[1]] - h, rest[0])) / (
                2 * h
            )
        xs = [self.value(item) for item in rest]
        _require(head not in STEEP or mp.isinf(xs[-1]) or mp.mag(xs[-1]) < 3000, f"too large for {head}")
        found = HEADS[head](*xs)
        real = mp.isinf(found) or abs(mp.im(found)) <= mp.mpf(10) ** (10 - mp.dps) * abs(mp.re(found))
        _require(real, f"{head} has no real value at some point")
        if head in COMPARE or (head == "^" and not (mp.isint(xs[1]) and xs[1] >= 0)):
            sign = found if head in COMPARE else mp.sign(xs[0])
            _require(self.signs.setdefault(id(tree), sign) == sign, "a pole or break inside a piece")
        return mp.re(found)


def _breaks(tree: Any, name: str) -> list[Any]:  # the formulas that a symbol is compared with
    if isinstance(tree, list) and tree[0] in [*COMPARE] and name in tree[1:]:
        return [item for item in tree[1:] if item != name]
    return [b for item in tree for b in _breaks(item, name)] if isinstance(tree, list) else []


def _inside(low: Any = 0, high: Any = mp.inf) -> list[Any]:  # sorted points of an interval, log-spaced to both ends
    ts = [mp.mpf(10) ** mp.mpf(k + random.Random(k).random()) for k in range(-6, 6)]
    return [low + (low or 1) * t if high == mp.inf else low + (high - low) * t / (1 + t) for t in ts]


def _near(a: Any, b: Any, scale: Any = 0) -> bool:  # to 20 digits, or, for what is 0, 40 below the scale
    return bool(a == b or abs(a - b) <= mp.mpf("1e-20") * abs(b) + mp.mpf("1e-40") * scale)


def _same(left: Any, right: Any) -> None:  # two formulas, at 30 random points
    for a, b in ((_Point(seed, {}).value(left), _Point(seed, {}).value(right)) for seed in range(30)):
        _require(_near(a, b), f"{mp.nstr(a, 12)} should be {mp.nstr(b, 12)}")


def _positive(tree: Any, strict: bool = True) -> bool:  # of what is not algebraic, the solver only knows the sign
    import cvc5.pythonic as smt  # type: ignore[import-untyped, unused-ignore]

    solver, known = smt.Solver(), dict[str, Any]()
    solver.setOption("tlimit-per", "5000")

    def term(tree: Any, times: int = 1) -> Any:
        head, *rest = tree if isinstance(tree, list) else [tree]
        power = rest[1] if head == "^" else []
        power = Fraction(power) if isinstance(power, int) else Fraction(*power[1:]) if power[:1] == ["/"] else None
        key = json.dumps(tree)
        if isinstance(tree, int) or head == "/":
            known[key] = smt.RealVal("/".join(map(str, rest or [tree])))
        elif head in ("+", "*"):
            known[key] = reduce(HEADS[head], map(term, rest))
        elif power and power > 0 and power.denominator == 1 and power < 60:
            known[key] = term(rest[0], int(power))
        elif key not in known:
            inner = ["+", rest[0], -1] if head == "log" else rest[0] if head in ("^", *ODD) else 1
            _require(
                head in ("^", "log", "exp", "cosh", "erfc", *ODD) or (not rest and "oo" not in tree), "unknown sign"
            )
            _require(_positive(inner, strict=head == "^"), f"{head} without a visible sign")
            known[key] = smt.Real(f"_{len(known)}")
            solver.add(known[key] > 0 if _positive(inner) else known[key] >= 0)
            if power and max(power.denominator, abs(power.numerator)) < 60:
                left, base = term(tree, power.denominator), term(rest[0], abs(power.numerator))
                solver.add(left == base if power > 0 else left * base == 1)
        return reduce(operator.mul, [known[key]] * times)

    try:
        solver.add(term(tree) <= 0 if strict else term(tree) < 0)
        return bool(solver.check() == smt.unsat)
    except FailedError:
        return False


class _Subject:  # the forms of one duality, against which every statement is checked at a few values of its parameters
    def __init__(self, data: Any) -> None:
        self.given, self.jump, self.names = data["given"], data["jump"], {p["name"] for p in data["parameters"]}
        self.seed, self.fixed, self.known, self.refuting = 0, dict[str, Any](), dict[str, set[str]](), False
        if data[self.given] is None or any((p["lower"], p["upper"]) != (0, "oo") for p in data["parameters"]):
            raise ValueError("the given form is missing, or a parameter is not positive")
        forms = {name: data.get(name) for name in ("penalty", "eta_hat", "dual", "alpha")}
        self.forms, (penalty, hat, f, alpha) = forms, forms.values()
        steep, slope, low = ["D", f, "eta"], ["*", "w", ["^", hat, -1]], _breaks(f, "eta")[:1]
        with mp.workdps(DIGITS):  # up to its first break f may be constant: then η̂ starts there
            flat = low and self.value(["at", steep, "eta", ["*", ["/", 1, 2], *low]]) == 0
        self.start = low[0] if flat else 0
        first = ["at", steep, "eta", ["*", self.start, ["+", 1, TINY]]]  # which also stands for what lies below
        above = ["piecewise", [steep, [">", "eta", self.start]], [first, 1]] if flat else steep
        self.functions = {
            "w": {"penalty": penalty, "eta_hat": hat, "slope": slope, "-slope": ["*", -1, slope], "w+slope": ["+", "w", slope]},
            "eta": {"reach_squared": ["*", "eta", "eta", steep], "dual_slope": above, "-dual_slope": ["*", -1, above],
                    "dual_prox": ["*", ["^", ["+", 1, "eta"], 2], above],
                    "dual_penalty": ["*", ["/", 1, 2], ["+", f, ["*", "eta", steep]]]}}  # fmt: skip
        reach, omega = ["^", ["*", "eta", "eta", steep], ["/", 1, 2]], self.functions["eta"]["dual_penalty"]
        curve = ["+", ["*", 2, penalty], ["*", -1, "w", slope]]  # f along η = η̂(w)
        self.identities = {  # the two sides, and the forms they are about
            "slope": (["D", penalty, "w"], slope, "penalty eta_hat"),
            "envelope": (["at", f, "eta", ["min", hat, 10**60]], curve, "penalty eta_hat dual"),
            "stationarity": (["D", curve, "w"], ["*", ["^", slope, 2], ["D", hat, "w"]], "penalty eta_hat"),
            "gauge": (alpha, ["^", ["+", 1, ["*", "lambda", ["^", hat, -1]]], -1], "alpha eta_hat")}  # fmt: skip
        if hat is None:  # dΩ = Ω′ dw along η, where Ω′ = √f′ and w = η√f′
            self.identities["slope"] = (
                ["D", omega, "eta"],
                ["*", ["^", steep, ["/", 1, 2]], ["D", reach, "eta"]],
                "dual",
            )

    def result(self, status: str, check: Any, name: str, certificate: Any) -> Result:
        self.refuting = status == "refuted"
        try:
            for seed in range(3 if self.names else 1):
                self.seed, self.fixed = seed, {}
                with mp.workdps(DIGITS):
                    check(name, certificate)
        except ERRORS as error:
            return Result(status, "rejected", str(error))
        return Result(status, "confirmed")

    def value(self, tree: Any, **given: Any) -> Any:
        return _Point(self.seed, self.fixed | given).value(tree)

    def tends(self, tree: Any, name: str, end: str, limit: Any, start: Any = 0) -> None:
        errors: list[Any] = []  # must shrink by a quarter each time the exponent doubles; towards infinity, of 1/f
        for k in (16, 32, 64):
            with mp.workdps(DIGITS + 4 * k):
                low, goal, far = self.value(start), self.value(limit), mp.mpf(10) ** k
                x = self.value(tree, **{name: far if end == "oo" else low + (low or 1) / far})
                error = abs(x - goal) if mp.isfinite(goal) else 1 / (x * mp.sign(goal))
                errors.append(0 if 0 <= error <= mp.mpf(10) ** (-k - 60) else error)
        shrinks = mp.isfinite(errors[0]) and all(0 <= b <= 0.75 * a for a, b in pairwise(errors))
        _require(shrinks, f"no convergence to {mp.nstr(goal, 12)} for {name} towards {end}")

    def condition(self, name: str, certificate: Any) -> None:
        facts, hat, meaning = self.facts(certificate), self.forms["eta_hat"], MEANING[name][self.refuting]
        if any("dual" in fact for fact in facts):  # functions of η say the same of w² = η²f′(η) if that grows from 0
            _require("reach_squared grows" in facts, "w is not seen to grow with η")
            self.tends(self.functions["eta"]["reach_squared"], "eta", "0", 0, self.start)
            for old, new in ALONG_ETA.items():
                facts = {fact.replace(old, new) for fact in facts}
        facts = facts | ({"no jump"} if self.jump == 0 else {"jump"} if _positive(self.jump) else set())
        facts |= {"only f"} if hat is None else set() if '"w"' in json.dumps(hat) else {"eta_hat constant"}
        facts |= {"f follows"} if self.given != "dual" else set()
        shown = any(set(option.split(" & ")) <= facts for option in meaning.split(" | "))
        _require(shown, f"needs {meaning}, but shows only {', '.join(sorted(facts))}")

    def facts(self, c: Any) -> set[str]:  # what a certificate or its premises establish
        if "premises" in c:
            return set[str]().union(*map(self.facts, c["premises"]))
        if (key := json.dumps([c, self.seed, self.refuting])) not in self.known:
            kinds = {
                "growth": self.growth,
                "limit": self.limit,
                "refutation": self.refutation,
                "jump": lambda *_: set(),
            }
            name = next((name for name, table in self.functions.items() if c.get("of") in table), "")
            self.known[key] = kinds[c["kind"]](c, name, self.functions[name][c["of"]] if name else None)
            self.fixed = {}
        return self.known[key]

    def limit(self, c: Any, name: str, tree: Any) -> set[str]:
        _require(self.refuting or "at" not in c, "a limit at particular parameters proves nothing in general")
        self.fixed = {symbol: self.value(x) for symbol, x in c.get("at", {}).items()}
        self.tends(tree, name, c["end"], c["value"], self.start if name == "eta" else 0)
        finite = all(mp.isfinite(_Point(seed, self.fixed).value(c["value"])) for seed in range(20))
        words = ["finite" if finite else "infinite"] + ["zero"] * (c["value"] == 0)
        words += ["positive"] * (c["value"] == "oo" or _positive(c["value"]))
        return {f"{c['of']} at {c['end']} {word}" for word in words}

    def refutation(self, c: Any, name: str, tree: Any) -> set[str]:
        first, second = ({symbol: self.value(x) for symbol, x in p.items()} for p in c["points"])
        _require(min(first.values()) > 0 and first[name] < second[name], "no increasing pair of points")
        _require({**first, name: second[name]} == second, "points with different parameters")
        a, b = self.value(tree, **first), self.value(tree, **second)
        level = _near(a, b) and (name == "w" or first[name] > self.value(self.start, **first))  # not below the curve
        _require(level or (b < a and not _near(a, b)), f"{c['of']} does not fall from {first} to {second}")
        return {f"{c['of']} does not rise"} | (set() if level else {f"{c['of']} falls"})

    def growth(self, c: Any, name: str, tree: Any) -> set[str]:
        pieces, edges, values = c["pieces"], [0, *(p["upper"] for p in c["pieces"])], list[Any]()
        _require([*(p["lower"] for p in pieces), "oo"] == edges, "the pieces do not follow each other from 0 to oo")
        _require([jump["at"] for jump in c["jumps"]] == edges[1:-1], "a jump that is not between pieces")
        near = [self.value(["*", b, ["+", 1, ["*", sign, TINY]]]) for b in _breaks(tree, name) for sign in (-1, 1)]
        for piece in pieces:
            low, high, point = self.value(piece["lower"]), self.value(piece["upper"]), _Point(self.seed, {})
            found = [
                point.at(name, x, tree) for x in sorted([*_inside(low, high), *(x for x in near if low < x < high)])
            ]
            flat = not c["strict"] and piece["derivative"] == 0 and all(_near(x, found[0]) for x in found)
            _require(low < high and (flat or piece["proof"]), "an empty piece, or no proof that it grows")
            if piece["proof"] and self.seed == 0:
                self.piece(name, tree, piece, c["strict"])
            values += found
        _require(not any(b < a and not _near(a, b) for a, b in pairwise(values)), "falls from a sample to the next")
        for jump in c["jumps"]:
            size, b = self.value(jump["size"]), self.value(jump["at"])
            left, right, *around = (
                self.value(tree, **{name: b * (1 + mp.mpf(d))}) for d in ("-1e-25", "1e-25", -0.1, 0.1)
            )
            scale = sum(abs(x) for x in (size, *around) if mp.isfinite(x))
            _require(right - left == size or abs(right - left - size) <= mp.mpf("1e-12") * scale, "another jump")
            _require(jump["size"] in (0, "oo") or _positive(jump["size"]), "a jump that is not seen to go up")
        return {f"{c['of']} grows", *([f"{c['of']} rises"] if c["strict"] else [])}

    def piece(
        self, name: str, tree: Any, piece: Any, strict: bool
    ) -> None:  # place runs from its lower end to its upper
        table = piece["proof"]["substitution"]
        (used := _Point(0, {})).value(place := table.get(name, name))
        (fresh,) = used.keys() - self.names
        _require(table.keys() <= {name}, "a substitution for a parameter")
        for end, key in [("0", "lower"), ("oo", "upper")] if table else []:
            self.tends(place, fresh, end, piece[key])
        _same(["at", piece["derivative"], name, place], ["at", ["D", tree, name], name, place])
        self.prove(["at", piece["derivative"], name, place], piece["proof"], strict)

    def prove(self, tree: Any, proof: Any, strict: bool) -> None:  # tree ≥ 0 (> 0) for all positive symbols
        rule, unknowns = proof["rule"], proof.get("symbols", {})
        if rule == "product":
            _same(["*", *(["^", part["expression"], part["power"]] for part in proof["factors"])], tree)
            for part in proof["factors"]:
                self.prove(part["expression"], part["proof"], strict or part["power"] < 0)
        elif rule == "increasing":
            name, start = proof["in"], proof["start"]
            _same(proof["derivative"], ["D", tree, name])
            self.tends(tree, name, "0", start)
            point = _Point(0, {})
            _require(all(point.at(name, x, tree) > -1e-40 for x in _inside()), f"negative at some {name}")
            _require(
                json.dumps(name) not in json.dumps(start) and _positive(start, False), "the start is not seen to be ≥ 0"
            )
            self.prove(proof["derivative"], proof["proof"], strict and not _positive(start))
        else:  # "terms", "smt", or "exponential", where unknowns stand for exp(u) − 1 − u − u²/2 > 0 with u > 0
            (used := _Point(0, {})).value(tree)
            _require(
                all(map(_positive, unknowns.values())) and not unknowns.keys() & used.keys(), "unknowns without a sign"
            )
            form = proof["form"]
            for d, u in unknowns.items():
                form = ["at", form, d, ["+", ["exp", u], -1, ["*", -1, u], ["*", ["/", -1, 2], u, u]]]
            _same(form, tree)
            _require(_positive(proof["form"], strict), f"not seen to be {'>' if strict else '>='} 0: {proof['form']}")

    def identity(self, name: str, certificate: Any) -> None:  # recomputed from the forms alone
        _require(not self.refuting, "an identity is refuted by no certificate")
        left, right, _ = self.identities[name]
        along = "eta" if self.forms["eta_hat"] is None else "w"
        places = {self.value(b) for form in self.forms.values() for b in _breaks(form, along)}
        for low, high in pairwise(sorted({mp.mpf(0), mp.inf, *places})):
            for x in _inside(low, high):
                if name != "stationarity" or mp.isfinite(self.value(self.forms["eta_hat"], w=x)):
                    a, b = self.value(left, **{along: x}), self.value(right, **{along: x})
                    _require(_near(a, b, 1), f"{name} fails: {mp.nstr(a, 12)} is not {mp.nstr(b, 12)}")

    def agree(self, *_: Any) -> None:  # the forms belong together, and Ω has its jump at 0 and no other
        penalty, hat, f, _ = self.forms.values()
        for name, (*_, needed) in self.identities.items():
            if all(self.forms[form] is not None for form in needed.split()):
                self.identity(name, None)
        _require(hat is None or all(self.value(hat, w=x) > 0 for x in _inside()), "eta_hat is not positive")
        for b in map(self.value, _breaks(penalty, "w")):
            left, right = (self.value(penalty, w=b * (1 + mp.mpf(d))) for d in ("-1e-45", "1e-45"))
            _require(_near(left, right, 1), "the penalty jumps away from 0")
        if penalty is not None:
            deep = self.jump == 0 and self.value(penalty, w=mp.mpf("1e-60")) < -0.1
            self.tends(penalty, "w", "0", "-oo" if deep else self.jump)
        elif f is not None:
            self.tends(["*", ["/", 1, 2], f], "eta", "0", self.jump, self.start)

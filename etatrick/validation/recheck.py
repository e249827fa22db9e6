"""Checks certificates again by numbers in many digits and the solver cvc5; shares no code with the prover."""

import json
import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, final

from mpmath import mp

from etatrick.errors import InputError

DIGITS, BYTES = 120, 2_000_000
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
NEEDED: Final = {"slope": ("penalty", "eta_hat"), "envelope": ("penalty", "eta_hat", "dual"),
                 "stationarity": ("penalty", "eta_hat"), "gauge": ("alpha", "eta_hat")}  # fmt: skip
ALONG_W: Final = ("penalty", "eta_hat", "slope", "-slope", "w+slope")
ALONG_ETA: Final = {"dual_slope": "slope", "dual_prox": "w+slope", "dual_penalty": "penalty"}  # f′ = Ω′² and so on
STEEP: Final = ("^", "exp", "sinh", "cosh", "tanh", "erf", "erfc", "erfi", "sin", "cos")  # hopeless for huge arguments
POSITIVE: Final = ("exp", "cosh", "erfc")
ODD: Final = ("sinh", "tanh", "asinh", "atan", "erf", "erfi", "lambertw", "dawson", "dawson_integral")
COMPARE: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}
HEADS: Final[dict[str, Any]] = COMPARE | {head: getattr(mp, head) for head in (*STEEP[1:], "log", "polylog")} | {
    head: getattr(mp, head) for head in "asin acos atan asinh acosh atanh lambertw".split()} | {
    "+": lambda *xs: sum(xs), "*": lambda *xs: reduce(operator.mul, xs), "/": operator.truediv, "not": operator.not_,
    "^": lambda x, y: x ** int(y) if mp.isint(y) else mp.power(x, y), "and": lambda *xs: all(xs),
    "or": lambda *xs: any(xs), "dawson": lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
    "dawson_integral": lambda x: (x * x / 2 * mp.hyp2f2(1, 1, 1.5, 2, -x * x) if x < 60 else  # the asymptotic series
        mp.log(2 * x) / 2 + mp.euler / 4 - sum(mp.rf(0.5, k) / (4 * k * x ** (2 * k)) for k in range(1, 150))),
}  # fmt: skip
CONSTANTS: Final = {"pi": mp.pi, "E": mp.e, "EulerGamma": mp.euler, "oo": mp.inf, "-oo": mp.ninf}


class FailedError(Exception):
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
        subject = _Subject(data["subject"])
        claims = [(name, v["status"], subject.condition, v.get("certificate")) for name, v in data["verdicts"].items()]
        claims += [
            (name, v["status"], subject.identity, v.get("certificate")) for name, v in data["identities"].items()
        ]
        for name, status, check, certificate in [*claims, ("forms", "proved", subject.agree, {})]:
            if status not in ("proved", "certified", "refuted", "checked", "unknown"):
                raise ValueError(f"{status} is no status")
            if certificate is None or status in ("checked", "unknown"):
                results[name] = Result(status, "not checked")
                continue
            try:
                with mp.workdps(DIGITS):
                    check(name, status == "refuted", certificate)
                results[name] = Result(status, "confirmed")
            except (FailedError, ArithmeticError) as error:
                results[name] = Result(status, "rejected", str(error))
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError("the data", f"is malformed: {error!r}", "see the page on certificates") from None
    return Report(results)


def _require(holds: Any, message: str) -> None:
    if not holds:
        raise FailedError(message)


class _Point(dict[str, Any]):  # values of symbols, drawn from 1/10 to 10 when needed
    def __init__(self, seed: int, given: Mapping[str, Any] | None = None) -> None:
        super().__init__(given or {})
        self.seed, self.signs = seed, dict[int, Any]()

    def __missing__(self, name: str) -> Any:
        if not name.isidentifier():
            raise ValueError(f"{name} is no symbol")
        return self.put(name, mp.mpf(10) ** mp.mpf(random.Random(f"{self.seed} {name}").uniform(-1, 1)))[name]

    def put(self, name: str, x: Any) -> "_Point":
        self[name] = x
        return self

    def value(self, tree: Any) -> Any:  # a real number, perhaps infinite; across a pole or break, use another point
        if isinstance(tree, int | str):
            return mp.mpf(tree) if isinstance(tree, int) else +CONSTANTS[tree] if tree in CONSTANTS else self[tree]
        head, *rest = tree
        if head == "piecewise":
            return self.value(next((v for v, test in rest if self.value(test)), ["+", "oo", "-oo"]))  # or no number
        xs = [self.value(item) for item in rest]
        try:
            _require(head not in STEEP or mp.isinf(xs[-1]) or mp.mag(xs[-1]) < 3000, f"too large for {head}")
            found = HEADS[head](*xs)
        except (ArithmeticError, ValueError, NotImplementedError, mp.NoConvergence) as error:
            raise FailedError(f"{head} has no value at some point: {error}") from None
        real = mp.isinf(found) or abs(mp.im(found)) <= mp.mpf(10) ** (10 - mp.dps) * abs(mp.re(found))
        _require(real and not mp.isnan(found), f"{head} has no real value at some point")
        if head in COMPARE or (head == "^" and not (mp.isint(xs[1]) and xs[1] >= 0)):
            sign = found if head in COMPARE else mp.sign(xs[0])
            _require(self.signs.setdefault(id(tree), sign) == sign, "a pole or break inside a piece")
        return mp.re(found)


def _breaks(tree: Any, name: str) -> list[Any]:  # the formulas that a symbol is compared with
    if isinstance(tree, list) and tree[0] in COMPARE and name in tree[1:]:
        return [item for item in tree[1:] if item != name]
    return [b for item in tree for b in _breaks(item, name)] if isinstance(tree, list) else []


def _inside(low: Any, high: Any) -> list[Any]:  # sorted points of an interval, log-spaced towards both ends
    ts = [mp.mpf(10) ** mp.mpf(k + random.Random(k).random()) for k in range(-6, 6)]
    return [low + (low or 1) * t if high == mp.inf else low + (high - low) * t / (1 + t) for t in ts]


def _near(a: Any, b: Any, scale: Any = 0) -> bool:  # to 20 digits, or, for what is 0, 40 below the scale
    return bool(a == b or abs(a - b) <= mp.mpf("1e-20") * abs(b) + mp.mpf("1e-40") * abs(scale))


def _slope(f: Callable[[Any], Any], x: Any) -> Any:  # by central differences with a step of a third of the digits
    h = x * mp.mpf(10) ** (-mp.dps // 3)
    return (f(x + h) - f(x - h)) / (2 * h)


def _same(f: Callable[[_Point], Any], g: Callable[[_Point], Any]) -> None:  # at 30 random points
    for a, b in ((f(_Point(seed)), g(_Point(seed))) for seed in range(30)):
        _require(_near(a, b), f"{mp.nstr(a, 12)} should be {mp.nstr(b, 12)}")


def _tends(f: Callable[[Any], Any], end: str, limit: Callable[[], Any], start: Any = 0) -> None:
    errors: list[Any] = []  # must shrink by a quarter each time the exponent doubles; towards infinity, of 1/f
    for k in (16, 32, 64):
        with mp.workdps(DIGITS + 4 * k):
            x = f(mp.mpf(10) ** k if end == "oo" else start + (start or 1) * mp.mpf(10) ** -k)
            error = abs(x - limit()) if mp.isfinite(limit()) else 1 / (x * mp.sign(limit()))
            errors.append(0 if 0 <= error <= mp.mpf(10) ** (-k - 60) else error)
    shrinks = all(0 <= b <= 0.75 * a for a, b in pairwise(errors))
    _require(shrinks and mp.isfinite(errors[0]), f"no convergence to {mp.nstr(limit(), 12)} for {end}")


def _positive(tree: Any, strict: bool = True) -> bool:  # of what is not algebraic, the solver only knows the sign
    import cvc5.pythonic as smt  # type: ignore[import-untyped, unused-ignore]

    solver, known = smt.Solver(), dict[str, Any]()
    solver.setOption("tlimit-per", "5000")

    def times(x: Any, number: int) -> Any:
        _require(abs(number) < 60, "an exponent is too large for the solver")
        return reduce(operator.mul, [x] * abs(number), smt.RealVal(1))

    def term(tree: Any) -> Any:
        head, *rest = tree if isinstance(tree, list) else [tree]
        if isinstance(tree, int) or head == "/":
            return smt.RealVal("/".join(map(str, rest or [tree])))
        if head in ("+", "*"):
            return reduce(HEADS[head], map(term, rest))
        power = _rational(rest[1]) if head == "^" else None
        if power and power > 0 and power.denominator == 1:
            return times(term(rest[0]), int(power))
        if (key := json.dumps(tree)) not in known:
            inner = rest[0] if head in ("^", *ODD) else int(head in POSITIVE or (not rest and "oo" not in tree))
            _require(_positive(inner, strict=head not in ODD), f"{head} without a visible sign")
            known[key] = found = smt.Real(f"_{len(known)}")
            solver.add(found > 0 if head not in ODD or _positive(inner) else found >= 0)
            if power:
                left, base = times(found, power.denominator), times(term(rest[0]), power.numerator)
                solver.add(left == base if power > 0 else left * base == 1)
        return known[key]

    try:
        solver.add(term(tree) <= 0 if strict else term(tree) < 0)
    except FailedError:
        return False
    return bool(solver.check() == smt.unsat)


def _rational(tree: Any) -> Fraction | None:
    return Fraction(tree) if isinstance(tree, int) else Fraction(*tree[1:]) if tree[0] == "/" else None


def _prove(f: Callable[[_Point], Any], proof: Any, strict: bool) -> None:  # f ≥ 0 (> 0) for all positive symbols
    rule, unknowns = proof["rule"], proof.get("symbols", {})
    if rule == "product":
        _same(f, lambda p: p.value(["*", *(["^", part["expression"], part["power"]] for part in proof["factors"])]))
        for part in proof["factors"]:
            _prove(partial(_Point.value, tree=part["expression"]), part["proof"], strict or part["power"] < 0)
    elif rule == "increasing":
        name, start, growth = proof["in"], proof["start"], partial(_Point.value, tree=proof["derivative"])
        _same(growth, lambda p: _slope(lambda x: f(p.put(name, x)), p[name]))
        for point in map(_Point, range(3)):
            g = partial(lambda p, x: f(p.put(name, x)), point)
            _require(all(map(mp.isfinite, map(g, _inside(mp.mpf(0), mp.inf)))), "a pole")
            _tends(g, "0", partial(point.value, start))
        _require(
            json.dumps(name) not in json.dumps(start) and _positive(start, False), "the start is not seen to be ≥ 0"
        )
        _prove(growth, proof["proof"], strict and not _positive(start))
    else:  # "terms", "smt", or "exponential", where unknowns stand for exp(u) − 1 − u − u²/2 > 0 with u > 0
        f(used := _Point(0))
        _require(
            all(map(_positive, unknowns.values())) and not unknowns.keys() & used.keys(), "unknowns that have no sign"
        )
        rests = {d: ["+", ["exp", u], -1, ["*", -1, u], ["*", ["/", -1, 2], u, u]] for d, u in unknowns.items()}
        _same(lambda p: _Point(p.seed, {d: p.value(rest) for d, rest in rests.items()}).value(proof["form"]), f)
        _require(_positive(proof["form"], strict), f"not seen to be {'>' if strict else '>='} 0: {proof['form']}")


class _Subject:  # the forms of one duality, against which every statement is checked
    def __init__(self, data: Any) -> None:
        self.forms: dict[str, Any] = {name: data.get(name) for name in ("penalty", "eta_hat", "dual", "alpha")}
        self.given, self.jump, self.names = data["given"], data["jump"], {p["name"] for p in data["parameters"]}
        if self.forms[self.given] is None or any((p["lower"], p["upper"]) != (0, "oo") for p in data["parameters"]):
            raise ValueError("the given form is missing, or a parameter is not positive")

    def at(self, of: str, point: _Point, x: Any) -> Any:  # functions of Ω′ = w/η̂ at w = x, or of f′ at η = x
        if of in self.forms:
            _require(self.forms[of] is not None, f"{of} is missing")
            return point.put("eta" if of == "dual" else "w", x).value(self.forms[of])
        if of[0] == "-":
            return -self.at(of[1:], point, x)
        if of in ALONG_W:
            return x / self.at("eta_hat", point, x) + (x if of == "w+slope" else 0)
        f = partial(self.at, "dual", point)
        steep = _slope(
            f, x if of in ("reach_squared", "dual_penalty") else max(x, self.start(point) * (1 + mp.mpf("1e-25")))
        )
        return {"dual_slope": steep, "dual_prox": (1 + x) ** 2 * steep, "dual_penalty": (x * steep + f(x)) / 2,
                "reach_squared": x * x * steep if mp.isfinite(f(x)) else mp.inf}[of]  # fmt: skip

    def start(self, point: _Point) -> Any:  # the η up to which f is constant
        point = _Point(point.seed, point)
        low = min((point.value(tree) for tree in _breaks(self.forms["dual"], "eta")), default=mp.mpf(0))
        return low if low and _slope(partial(self.at, "dual", point), low / 2) == 0 else mp.mpf(0)

    def condition(self, name: str, refuting: bool, certificate: Any) -> None:
        facts, hat = self.facts(certificate, refuting), self.forms["eta_hat"]
        if any("dual" in fact for fact in facts):  # functions of η say the same of w² = η²f′(η) if that grows from 0
            _require("reach_squared grows" in facts, "w is not seen to grow with η")
            for point in map(_Point, range(3)):
                _tends(partial(self.at, "reach_squared", point), "0", lambda: mp.mpf(0), self.start(point))
            for old, new in ALONG_ETA.items():
                facts = {fact.replace(old, new) for fact in facts}
        constant, follows = hat is not None and '"w"' not in json.dumps(hat), self.given != "dual"
        jump = "no jump" if self.jump == 0 else "jump" if _positive(self.jump) and self.forms["penalty"] else ""
        facts |= {jump, "eta_hat constant" * constant, "only f" * (hat is None), "f follows" * follows}
        shown = any(set(option.split(" & ")) <= facts for option in MEANING[name][refuting].split(" | "))
        _require(shown, f"needs {MEANING[name][refuting]}, but shows only {', '.join(sorted(facts))}")

    def facts(self, c: Any, refuting: bool) -> set[str]:  # what a certificate or its premises establish
        if "premises" in c:
            return set[str]().union(*(self.facts(premise, refuting) for premise in c["premises"]))
        kinds = {"growth": self.growth, "limit": self.limit, "refutation": self.refutation, "jump": lambda *_: set()}
        return kinds[c["kind"]](c, refuting)

    def limit(self, c: Any, refuting: bool) -> set[str]:
        of, end, limit, at = c["of"], c["end"], c["value"], c.get("at", {})
        _require(refuting or not at, "a limit at particular parameters proves nothing in general")
        for seed in range(3):
            point = _Point(seed, {name: _Point(0).value(tree) for name, tree in at.items()})
            _tends(
                partial(self.at, of, point), end, partial(point.value, limit), self.start(point) if "dual" in of else 0
            )
        sign = {"positive"} if limit == "oo" or _positive(limit) else {"zero"} if limit == 0 else set()
        return {f"{of} at {end} {word}" for word in {"infinite" if limit in ("oo", "-oo") else "finite"} | sign}

    def refutation(self, c: Any, refuting: bool) -> set[str]:
        of, name = c["of"], "w" if c["of"] in ALONG_W else "eta"
        first, second = (_Point(0, {k: _Point(0).value(tree) for k, tree in p.items()}) for p in c["points"])
        _require(0 < min(first.values()) and first[name] < second[name], "no increasing pair of points")
        _require({**first, name: second[name]} == second, "points with different parameters")
        a, b = (self.at(of, p, p[name]) for p in (first, second))
        _require(b < a or _near(a, b), f"{of} rises from {mp.nstr(a, 12)} to {mp.nstr(b, 12)}")
        return {f"{of} does not rise"} if _near(a, b) else {f"{of} does not rise", f"{of} falls"}

    def growth(self, c: Any, refuting: bool) -> set[str]:
        of, pieces, name = c["of"], c["pieces"], "w" if c["of"] in ALONG_W else "eta"
        edges, sizes = [0, *(p["upper"] for p in pieces)], {json.dumps(j["at"]): j["size"] for j in c["jumps"]}
        _require([*(p["lower"] for p in pieces), "oo"] == edges, "the pieces do not follow each other from 0 to oo")
        _require(sizes.keys() <= set(map(json.dumps, edges[1:-1])), "a jump inside a piece")
        _require(all(x in (0, "oo") or _positive(x) for x in sizes.values()), "a jump that is not seen to go up")
        for seed in range(3):
            ends, values = [_Point(seed).value(edge) for edge in edges], list[Any]()
            edge_values = [
                _Point(seed).value(b) for b in _breaks(self.forms["eta_hat" if name == "w" else "dual"], name)
            ]
            near = [b * (1 + sign * mp.mpf("1e-25")) for b in edge_values for sign in (-1, 1)]
            for piece, (low, high) in zip(pieces, pairwise(ends), strict=True):
                xs, point = sorted([*_inside(low, high), *(x for x in near if low < x < high)]), _Point(seed)
                found = [self.at(of, point, x) for x in xs]
                flat = all(_near(x, found[0]) for x in found) and not c["strict"] and piece["derivative"] == 0
                _require(piece["proof"] or flat, "a piece without a proof that is not constant")
                values += found
            _require(not any(b < a and not _near(a, b) for a, b in pairwise(values)), "falls from a sample to the next")
            for edge, b in zip(edges[1:-1], ends[1:-1], strict=True):
                left, right, *around = (
                    self.at(of, _Point(seed), b * (1 + mp.mpf(d))) for d in ("-1e-25", "1e-25", -0.1, 0.1)
                )
                size = _Point(seed).value(sizes.get(json.dumps(edge), 0))
                scale = sum(abs(x) for x in (size, *around) if mp.isfinite(x))
                _require(right - left == size or abs(right - left - size) <= mp.mpf("1e-12") * scale, "not that jump")
        for piece in pieces:
            if piece["proof"]:
                self.piece(of, name, piece, c["strict"])
        return {f"{of} grows"} | ({f"{of} rises"} if c["strict"] else set())

    def piece(self, of: str, name: str, piece: Any, strict: bool) -> None:
        place = piece["proof"]["substitution"].get(name, name)
        _require(piece["proof"]["substitution"].keys() <= {name}, "a substitution for a parameter")
        (used := _Point(0)).value(place)
        (fresh,) = used.keys() - self.names
        for seed in range(3 if place != name else 0):  # the place runs continuously from one end to the other
            low, high, point = _Point(seed).value(piece["lower"]), _Point(seed).value(piece["upper"]), _Point(seed)
            ends = [point.put(fresh, mp.mpf(10) ** k).value(place) for k in range(-60, 61, 5)][::24]
            reached = (
                abs(e - x) < mp.mpf("1e-20") * (1 + abs(x)) if mp.isfinite(x) else e > 1e20
                for e, x in zip(ends, (low, high))
            )
            _require(all(reached), "the substitution does not reach the ends of the piece")

        def steep(p: _Point) -> Any:
            return p.put(name, p.value(place)).value(piece["derivative"])

        _same(steep, lambda p: _slope(partial(self.at, of, p), p.value(place)))
        _prove(steep, piece["proof"], strict)

    def identity(self, name: str, refuting: bool, certificate: Any) -> None:  # recomputed from the forms alone
        _require(not refuting, "an identity is refuted by no certificate")
        along = "eta" if self.forms["eta_hat"] is None else "w"
        for seed in range(3):
            places = {_Point(seed).value(b) for form in self.forms.values() for b in _breaks(form, along)}
            for low, high in pairwise(sorted({mp.mpf(0), mp.inf, *places})):
                for x in _inside(low, high):
                    a, b = self.sides(name, seed, x)
                    _require(_near(a, b, 1), f"{name} fails: {mp.nstr(a, 12)} is not {mp.nstr(b, 12)}")

    def sides(self, name: str, seed: int, x: Any) -> tuple[Any, Any]:
        def at(of: str) -> Callable[[Any], Any]:
            return lambda v: self.at(of, _Point(seed), v)

        if self.forms["eta_hat"] is None:  # dΩ = Ω′ dw along η, where Ω′ = √f′ and w = η√f′
            _require(name == "slope", "eta_hat is missing")
            return _slope(at("dual_penalty"), x), mp.sqrt(at("dual_slope")(x)) * _slope(
                lambda e: mp.sqrt(at("reach_squared")(e)), x
            )
        eta, curve = at("eta_hat")(x), lambda v: 2 * at("penalty")(v) - v * v / at("eta_hat")(v)
        if name == "stationarity":  # η̂² df = w² dη̂ along w, where f = 2Ω − w²/η̂
            return (eta**2 * _slope(curve, x), x**2 * _slope(at("eta_hat"), x)) if mp.isfinite(eta) else (0, 0)
        if name == "envelope":
            return at("dual")(min(eta, mp.mpf("1e60"))), curve(x)
        if name == "gauge":
            return at("alpha")(x), 1 / (1 + _Point(seed)["lambda"] / eta)
        return _slope(at("penalty"), x), x / eta

    def agree(self, *_: Any) -> None:  # the forms belong together, and Ω has its jump at 0 and no other
        for name, needed in NEEDED.items():
            if all(self.forms[form] is not None for form in needed):
                self.identity(name, False, None)
        for point in map(_Point, range(3)):
            alone = self.forms["penalty"] is None
            start = self.start(point) if alone else mp.mpf(0)
            f = partial(lambda p, x: self.at("dual", p, x) / 2 if alone else self.at("penalty", p, x), point)
            if alone and self.forms["dual"] is None:
                return
            deep = self.jump == 0 and f(start + mp.mpf("1e-60")) < -0.1
            _tends(f, "0", partial(point.value, "-oo" if deep else self.jump), start)
            for b in map(point.value, _breaks(self.forms["penalty"], "w")):
                left, right = (self.at("penalty", _Point(point.seed), b * (1 + mp.mpf(d))) for d in ("-1e-45", "1e-45"))
                _require(_near(left, right, 1), "the penalty jumps")
            for x in _inside(mp.mpf(0), mp.inf) if self.forms["eta_hat"] is not None else ():
                _require(self.at("eta_hat", _Point(point.seed), x) > 0, "eta_hat is not positive")

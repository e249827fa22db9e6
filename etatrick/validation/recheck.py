"""Checks certificates again by numbers in many digits and the solver cvc5; shares no code with the prover."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, final

from mpmath import mp

from etatrick.errors import InputError
from etatrick.validation.recheck_proofs import positive, prove, tends
from etatrick.validation.recheck_trees import DIGITS, FailedError, Point, breaks, inside, near, require, same

BYTES: Final = 2_000_000
MEANING: Final = {  # condition: the facts that prove it, and those that refute it; "&" binds closer than "|"
    "subquadratic": ("eta_hat grows | eta_hat constant | only f", "eta_hat falls"),  # Ω(√u) = ½ inf over η: u/η + f(η)
    "monotone": ("eta_hat grows | eta_hat constant | only f", "eta_hat falls"),
    "canonical": ("reach_squared grows | eta_hat grows & f follows | eta_hat constant & f follows",  # η²f′(η̂) = w²
                  "reach_squared falls | eta_hat falls & f follows"),
    "convex": ("slope grows & no jump", "slope falls | jump"), "concave": ("-slope grows", "-slope falls"),
    "continuous_prox": ("w+slope rises & no jump", "w+slope does not rise | jump"),
    "integrable": ("penalty at 0 finite | slope at 0 finite", "penalty at 0 infinite"),  # Ω = ∫Ω′
    "unbiased": ("slope at oo zero", "slope at oo positive"),
    "bounded": ("penalty at oo finite", "penalty at oo infinite"),
    "exact_zeros": ("slope at 0 positive | jump", "slope at 0 zero & no jump")}  # fmt: skip


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
        idle = {(status, "not checked") for status in ("checked", "unknown")}
        return all(r.outcome == "confirmed" or (r.status, r.outcome) in idle for r in self.results.values())


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
    try:
        with mp.workdps(DIGITS):
            data = json.loads(text := json.dumps(data))
            require(len(text) <= BYTES, "too large")
            require((data["format"], data["version"]) == ("etatrick-certificates", 1), "no certificates of version 1")
            subject = _Subject(data["subject"])
            known = data["verdicts"].keys() <= MEANING.keys() and data["identities"].keys() <= subject.identities.keys()
            require(known, "a verdict of an unknown name")
            claims = [(subject.condition, *item) for item in data["verdicts"].items()]
            claims += [(subject.identity, *item) for item in data["identities"].items()]
            claims += [(subject.agree, "forms", {"status": "proved", "certificate": {}})]
            return Report({name: subject.result(verdict, check, name) for check, name, verdict in claims})
    except (AttributeError, FailedError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError("the data", f"is malformed: {error!r}", "see the page on certificates") from None


class _Subject:  # the forms of one duality, against which all is checked, at a few values of its parameters
    def __init__(self, data: Any) -> None:
        self.given, self.jump, self.names = data["given"], data["jump"], {p["name"] for p in data["parameters"]}
        self.seed, self.known = 0, dict[str, set[str]]()
        self.forms: dict[str, Any] = {name: data.get(name) for name in ("penalty", "eta_hat", "dual", "alpha")}
        require(all((p["lower"], p["upper"]) == (0, "oo") for p in data["parameters"]), "parameters must be positive")
        require(self.forms[self.given] is not None, "the given form is missing")
        penalty, hat, f, alpha = self.forms.values()
        slope, steep = ["*", "w", ["^", hat, -1]], ["D", f, "eta"]
        reach, omega = ["*", "eta", "eta", steep], ["*", ["/", 1, 2], ["+", f, ["*", "eta", steep]]]
        prox = ["*", ["^", ["+", 1, "eta"], 2], steep]
        flat = [b for b in breaks(f, "eta")[:1] if Point().at("eta", Point().value(b) / 2, steep) == 0]
        self.start = flat[0] if flat else 0  # where η̂ starts: up to there f is constant, and curves are held, or rise
        past = ["*", self.start, ["+", 1, ["/", 1, 10**25]]]
        held = ["piecewise", ["eta", [">", "eta", self.start]], [past, 1]]
        line = ["min", 0, ["+", "eta", ["*", -1, self.start]]]
        above, prox = ["at", steep, "eta", held], ["+", ["at", prox, "eta", held], line]
        self.curves: dict[str, Any] = {  # what may grow or have a limit: functions of w, and where named so, of η
            "penalty": penalty, "eta_hat": hat, "slope": slope, "-slope": ["*", -1, slope],
            "w+slope": ["+", "w", slope], "reach_squared": reach, "dual_slope": above, "-dual_slope": ["*", -1, above],
            "dual_penalty": omega, "dual_prox": prox}  # fmt: skip
        curve = ["+", ["*", 2, penalty], ["*", -1, "w", slope]]  # f along η = η̂(w)
        root = [["^", tree, ["/", 1, 2]] for tree in (steep, reach)]
        self.identities: dict[str, Any] = {  # two sides each; dΩ = Ω′ dw along η, where Ω′ = √f′ and w = η√f′
            "slope": [["D", omega, "eta"], ["*", root[0], ["D", root[1], "eta"]]] if hat is None else
                     [["D", penalty, "w"], slope],
            "stationarity": [["D", curve, "w"], ["*", ["^", slope, 2], ["D", hat, "w"]]],
            "envelope": [["at", f, "eta", ["min", hat, 10**60]], curve],
            "gauge": [alpha, ["^", ["+", 1, ["*", "lambda", ["^", hat, -1]]], -1]]}  # fmt: skip

    def result(self, verdict: Any, check: Any, name: str) -> Result:
        status, certificate = verdict["status"], verdict.get("certificate")
        require(status in ("proved", "certified", "refuted", "checked", "unknown"), f"{status} is no status")
        if certificate is None or status in ("checked", "unknown"):
            return Result(status, "not checked")
        try:
            for seed in range(3 if self.names else 1):
                self.seed = seed
                check(name, status == "refuted", certificate)
        except (ArithmeticError, NotImplementedError, ValueError, mp.NoConvergence) as error:
            return Result(status, "rejected", str(error))
        return Result(status, "confirmed")

    def condition(self, name: str, refuting: bool, certificate: Any) -> None:
        meaning, hat, facts = MEANING[name][refuting], self.forms["eta_hat"], self.facts(certificate, refuting)
        if any("dual" in fact for fact in facts):  # functions of η say the same of w² = η²f′(η) if that grows from 0
            require("reach_squared grows" in facts, "w is not seen to grow with η")
            tends(self.curves["reach_squared"], "eta", "0", 0, self.start, self.seed)
            for old, new in (("dual_slope", "slope"), ("dual_prox", "w+slope"), ("dual_penalty", "penalty")):
                facts = {fact.replace(old, new) for fact in facts}  # f′ = Ω′², (1 + η)²f′ = (w + Ω′)²
        facts = facts | ({"no jump"} if self.jump == 0 else {"jump"} if positive(self.jump) else set())
        facts |= {"only f"} if hat is None else set() if '"w"' in json.dumps(hat) else {"eta_hat constant"}
        facts |= {"f follows"} if self.given != "dual" else set()
        shown = any(set(option.split(" & ")) <= facts for option in meaning.split(" | "))
        require(shown, f"needs {meaning}, but shows only {', '.join(sorted(facts))}")

    def facts(self, c: Any, refuting: bool) -> set[str]:  # what a certificate or its premises establish
        if "premises" in c:
            return set[str]().union(*(self.facts(premise, refuting) for premise in c["premises"]))
        if (key := json.dumps([c, self.seed, refuting])) not in self.known:
            kinds = {"growth": self.growth, "limit": self.limit, "refutation": self.refutation, "jump": lambda *_: []}
            of = c.get("of", "slope")
            name = "eta" if "dual" in of or "reach" in of else "w"
            self.known[key] = {f"{of} {word}" for word in kinds[c["kind"]](c, name, self.curves[of], refuting)}
        return self.known[key]

    def limit(self, c: Any, name: str, tree: Any, refuting: bool) -> list[str]:
        end, limit, at = c["end"], c["value"], {symbol: Point().value(x) for symbol, x in c.get("at", {}).items()}
        require(refuting or not at, "a limit at particular parameters proves nothing in general")
        tends(tree, name, end, limit, self.start if name == "eta" else 0, self.seed, **at)
        finite = all(mp.isfinite(Point(seed, **at).value(limit)) for seed in range(20))
        sign = ["zero"] if limit == 0 else ["positive"] if limit == "oo" or positive(limit) else []
        return [f"at {end} {word}" for word in ("finite" if finite else "infinite", *sign)]

    def refutation(self, c: Any, name: str, tree: Any, refuting: bool) -> list[str]:
        first, second = ({symbol: Point().value(x) for symbol, x in p.items()} for p in c["points"])
        require({**first, name: second[name]} == second and 0 < first[name] < second[name], "no increasing pair")
        require(min(first.values()) > 0, "a parameter that is not positive")
        a, b = Point(0, **first).value(tree), Point(0, **second).value(tree)
        level = near(a, b) and (name == "w" or first[name] > Point(0, **first).value(self.start))  # on the curve
        require(level or (b < a and not near(a, b)), f"{c['of']} does not fall from {first} to {second}")
        return ["does not rise"] if level else ["does not rise", "falls"]

    def growth(self, c: Any, name: str, tree: Any, refuting: bool) -> list[str]:
        pieces, edges, strict, values = c["pieces"], [0, *(p["upper"] for p in c["pieces"])], c["strict"], list[Any]()
        require([*(p["lower"] for p in pieces), "oo"] == edges, "the pieces do not follow each other from 0 to oo")
        require([jump["at"] for jump in c["jumps"]] == edges[1:-1], "a jump that is not between pieces")
        sides = [1 + sign * mp.mpf("1e-25") for sign in (-1, 1)]
        close = [Point(self.seed).value(b) * side for b in breaks(tree, name) for side in sides]
        for piece in pieces:
            low, high, point = (*(Point(self.seed).value(piece[key]) for key in ("lower", "upper")), Point(self.seed))
            xs = sorted([*inside(low, high), *(x for x in close if low < x < high)])
            found = [point.at(name, x, tree) for x in xs]
            flat = not strict and piece["derivative"] == 0 and all(near(x, found[0]) for x in found)
            require(low < high and (flat or piece["proof"]), "an empty piece, or no proof that it grows")
            values += found
            if piece["proof"] and self.seed == 0:
                used, table, slope = Point(), piece["proof"]["substitution"], piece["derivative"]
                used.value(place := table.get(name, name))
                (fresh,) = used.keys() - self.names
                require(table.keys() <= {name}, "a substitution for a parameter")
                for end, key in [("0", "lower"), ("oo", "upper")] if table else []:  # the place runs through the piece
                    tends(place, fresh, end, piece[key])
                same(["at", slope, name, place], ["at", ["D", tree, name], name, place])
                prove(["at", slope, name, place], piece["proof"], strict)
        require(not any(b < a and not near(a, b) for a, b in pairwise(values)), "falls from a sample to the next")
        for jump in c["jumps"]:
            size, b = (Point(self.seed).value(jump[key]) for key in ("size", "at"))
            left, right, *around = (Point(self.seed).at(name, b * side, tree) for side in (*sides, 0.9, 1.1))
            scale = sum(abs(x) for x in (size, *around) if mp.isfinite(x))
            require(right - left == size or abs(right - left - size) <= mp.mpf("1e-12") * scale, "another jump")
            require(jump["size"] in (0, "oo") or positive(jump["size"]), "a jump that is not seen to go up")
        return ["grows", "rises"] if strict else ["grows"]

    def identity(self, name: str, refuting: bool, certificate: Any) -> None:  # recomputed from the forms alone
        (left, right), hat = self.identities[name], self.forms["eta_hat"]
        require(not refuting, "an identity is refuted by no certificate")
        along = "eta" if hat is None else "w"
        places = {Point(self.seed).value(b) for form in self.forms.values() for b in breaks(form, along)}
        for low, high in pairwise(sorted({mp.mpf(0), mp.inf, *places})):
            for x in inside(low, high):
                if name != "stationarity" or mp.isfinite(Point(self.seed).at("w", x, hat)):
                    a, b = (Point(self.seed).at(along, x, side) for side in (left, right))
                    require(near(a, b, 1), f"{name} fails: {mp.nstr(a, 12)} is not {mp.nstr(b, 12)}")

    def agree(self, *_: Any) -> None:  # the forms belong together, and Ω has its jump at 0 and no other
        penalty, hat, f, _ = self.forms.values()
        for name in (name for name, sides in self.identities.items() if "null" not in json.dumps(sides)):
            self.identity(name, False, None)
        require(hat is None or all(Point(self.seed).at("w", x, hat) > 0 for x in inside()), "eta_hat is not > 0")
        for b in map(Point(self.seed).value, breaks(penalty, "w")):
            below, above = (Point(self.seed).at("w", b * (1 + mp.mpf(d)), penalty) for d in ("-1e-45", "1e-45"))
            require(near(below, above, 1), "the penalty jumps away from 0")
        if penalty is not None:  # Ω(0+) is the jump, or minus infinity
            deep = self.jump == 0 and Point(self.seed).at("w", mp.mpf("1e-60"), penalty) < -0.1
            tends(penalty, "w", "0", "-oo" if deep else self.jump, 0, self.seed)
        elif f is not None:
            tends(["*", ["/", 1, 2], f], "eta", "0", self.jump, self.start, self.seed)

"""The checker of certificates: by numbers in many digits and the solver cvc5; shares no code with the prover."""

import json
import operator
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from typing import Any, Final, final

from mpmath import mp

from etatrick.validation.formula_trees import (
    DIGITS,
    HEADS,
    IV,
    ODD,
    FailedError,
    Point,
    breaks,
    inside,
    near,
    rational,
    require,
    same,
    span,
)

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
TINY: Final = mp.mpf("1e-60")
WAVES: Final = ("sin", "cos")  # of any sign


@final
class Subject:
    """The forms of one duality, against which all is checked, at a few values of its parameters."""

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

    def objection(self, check: Any, name: str, refuting: bool, certificate: Any) -> str:
        """Return why a certificate does not show what it should, or nothing if it does."""
        try:
            for seed in range(3 if self.names else 1):
                self.seed = seed
                check(name, refuting, certificate)
        except (ArithmeticError, NotImplementedError, ValueError, mp.NoConvergence) as error:
            return str(error) or type(error).__name__
        return ""

    def condition(self, name: str, refuting: bool, certificate: Any) -> None:
        """Fail unless a certificate shows what the condition of this name means."""
        meaning, hat, facts = MEANING[name][refuting], self.forms["eta_hat"], self._facts(certificate, refuting)
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

    def _facts(self, c: Any, refuting: bool) -> set[str]:  # what a certificate or its premises establish
        if "premises" in c:
            return set[str]().union(*(self._facts(premise, refuting) for premise in c["premises"]))
        if (key := json.dumps([c, self.seed, refuting])) not in self.known:
            kinds = {
                "growth": self._growth,
                "limit": self._limit,
                "refutation": self._refutation,
                "jump": lambda *_: [],
            }
            of = c.get("of", "slope")
            name = "eta" if "dual" in of or "reach" in of else "w"
            self.known[key] = {f"{of} {word}" for word in kinds[c["kind"]](c, name, self.curves[of], refuting)}
        return self.known[key]

    def _limit(self, c: Any, name: str, tree: Any, refuting: bool) -> list[str]:
        end, limit, at = c["end"], c["value"], {symbol: Point().value(x) for symbol, x in c.get("at", {}).items()}
        require(refuting or not at, "a limit at particular parameters proves nothing in general")
        tends(tree, name, end, limit, self.start if name == "eta" else 0, self.seed, **at)
        finite = all(mp.isfinite(Point(seed, **at).value(limit)) for seed in range(20))
        sign = ["zero"] if limit == 0 else ["positive"] if limit == "oo" or positive(limit) else []
        return [f"at {end} {word}" for word in ("finite" if finite else "infinite", *sign)]

    def _refutation(self, c: Any, name: str, tree: Any, refuting: bool) -> list[str]:
        first, second = ({symbol: Point().value(x) for symbol, x in p.items()} for p in c["points"])
        require({**first, name: second[name]} == second and 0 < first[name] < second[name], "no increasing pair")
        require(min(first.values()) > 0, "a parameter that is not positive")
        a, b = Point(0, **first).value(tree), Point(0, **second).value(tree)
        level = near(a, b) and (name == "w" or first[name] > Point(0, **first).value(self.start))  # on the curve
        require(level or (b < a and not near(a, b)), f"{c['of']} does not fall from {first} to {second}")
        return ["does not rise"] if level else ["does not rise", "falls"]

    def _growth(self, c: Any, name: str, tree: Any, refuting: bool) -> list[str]:
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

    def identity(self, name: str, refuting: bool, certificate: Any) -> None:
        """Fail unless the two sides of an identity, recomputed from the forms alone, agree."""
        (left, right), hat = self.identities[name], self.forms["eta_hat"]
        require(not refuting, "an identity is refuted by no certificate")
        along = "eta" if hat is None else "w"
        places = {Point(self.seed).value(b) for form in self.forms.values() for b in breaks(form, along)}
        for low, high in pairwise(sorted({mp.mpf(0), mp.inf, *places})):
            for x in inside(low, high):
                if name != "stationarity" or mp.isfinite(Point(self.seed).at("w", x, hat)):
                    a, b = (Point(self.seed).at(along, x, side) for side in (left, right))
                    require(near(a, b, 1), f"{name} fails: {mp.nstr(a, 12)} is not {mp.nstr(b, 12)}")

    def agree(self, *_: Any) -> None:
        """Fail unless the forms belong together, and Ω has its jump at 0 and no other."""
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


def tends(tree: Any, name: str, end: str, limit: Any, start: Any = 0, seed: int = 0, **given: Any) -> None:
    """Fail unless the values of a formula visibly converge to a limit towards an end, where the symbol starts or oo."""
    errors: list[Any] = []  # must shrink by a quarter each time the exponent doubles; towards infinity, of 1/f
    for k in (16, 32, 64):
        with mp.workdps(DIGITS + 4 * k):
            low, goal = Point(seed, **given).value(start), Point(seed, **given).value(limit)
            x = mp.mpf(10) ** k if end == "oo" else low + (low or 1) / mp.mpf(10) ** k
            found = Point(seed, **given).at(name, x, tree)
            error = abs(found - goal) if mp.isfinite(goal) else 1 / (found * mp.sign(goal))
            errors.append(0 if 0 <= error <= mp.mpf(10) ** (-k - 60) else error)
    shrinks = mp.isfinite(errors[0]) and all(0 <= b <= 0.75 * a for a, b in pairwise(errors))
    require(shrinks, f"no convergence to {mp.nstr(goal, 12)} for {name} towards {end}")


def positive(tree: Any, strict: bool = True) -> bool:
    """Tell whether the solver sees that a formula is > 0, or ≥ 0; of what is not algebraic, it only knows the sign."""
    import cvc5.pythonic as smt  # type: ignore[import-untyped, unused-ignore]

    solver, known = smt.Solver(), dict[str, Any]()
    solver.setOption("tlimit-per", "30000")

    def term(tree: Any, times: int = 1) -> Any:
        head, *rest = tree if isinstance(tree, list) else [tree]
        power = (rational(rest[1]) if head == "^" else None) or Fraction(0)
        if isinstance(tree, int) or head == "/":
            found = smt.RealVal("/".join(map(str, rest or [tree])))
        elif head in ("+", "*"):
            found = reduce(HEADS[head], map(term, rest))
        elif power.denominator == 1 and 0 < power < 60:
            found = term(rest[0], int(power))
        elif (found := known.get(key := json.dumps(tree))) is None:
            inner = ["+", rest[0], -1] if head == "log" else rest[0] if head in ("^", *ODD) else 1
            plain = head in ("^", "log", "exp", "cosh", "erfc", *ODD) or (not rest and "oo" not in tree)
            require(head in WAVES or (plain and positive(inner, head == "^")), f"{head} has no visible sign")
            known[key] = found = smt.Real(f"_{len(known)}")
            if head not in WAVES:
                solver.add(found > 0 if positive(inner) else found >= 0)
            if power and max(power.denominator, abs(power.numerator)) < 60:
                left, base = term(tree, power.denominator), term(rest[0], abs(power.numerator))
                solver.add(left == base if power > 0 else left * base == 1)
        return reduce(operator.mul, [found] * times)

    try:
        solver.add(term(tree) <= 0 if strict else term(tree) < 0)
        return bool(solver.check() == smt.unsat)
    except FailedError:
        return False


def prove(tree: Any, proof: Any, strict: bool) -> None:
    """Fail unless the proof shows that the formula is ≥ 0 (> 0 where strict) for all positive values of its symbols."""
    rule, unknowns = proof["rule"], proof.get("symbols", {})
    if rule == "product":
        same(["*", *(["^", part["expression"], part["power"]] for part in proof["factors"])], tree)
        for part in proof["factors"]:
            prove(part["expression"], part["proof"], strict or part["power"] < 0)
    elif rule == "increasing":
        name, start, point, begins = proof["in"], proof["start"], Point(), positive(proof["start"])
        same(proof["derivative"], ["D", tree, name])
        tends(tree, name, "0", start)
        require(all(point.at(name, x, tree) > -1e-40 for x in inside()), f"negative at some {name}")
        require(json.dumps(name) not in json.dumps(start) and (begins or positive(start, False)), "no start ≥ 0")
        prove(proof["derivative"], proof["proof"], strict and not begins)
    elif rule == "cover":  # (0, to], boxes, and [1/to, oo), where the symbol is replaced by its inverse
        name, slope, edges = proof["in"], proof.get("derivative"), [Point().value(edge) for edge in proof["boxes"]]
        tos = [Point().value(end["to"]) for end in proof["ends"]]
        require(edges[0] <= tos[0] and edges[-1] * tos[1] >= 1, "boxes with a gap")
        if slope is not None:
            same(slope, ["D", tree, name])
        for low, high in pairwise(edges):
            above(tree, name, low, high, 0, slope)
        for end, to, power in zip(proof["ends"], tos, (1, -1), strict=True):
            require(positive(end["scale"]), "a scale that is not seen to be positive")
            same(["*", end["scale"], end["forms"][0]], ["at", tree, name, ["^", name, power]])
            above(end["forms"][-1], name, 0, to)
            for form, steep in pairwise(end["forms"]):  # grows from a start ≥ 0 without a pole or jump
                same(steep, ["D", form, name])
                above(form, name, 0, TINY, -mp.sqrt(TINY))
                above(form, name, TINY, to, -1 / TINY)
    else:  # "terms", "smt", or "exponential", where unknowns stand for exp(u) − 1 − u − u²/2 > 0 with u > 0
        (used := Point()).value(tree)
        require(all(map(positive, unknowns.values())) and not unknowns.keys() & used.keys(), "no such unknowns")
        form = proof["form"]
        for d, u in unknowns.items():
            form = ["at", form, d, ["+", ["exp", u], -1, ["*", -1, u], ["*", ["/", -1, 2], u, u]]]
        same(form, tree)
        require(positive(proof["form"], strict), f"not seen to be {'>' if strict else '>='} 0: {proof['form']}")


def above(tree: Any, name: str, low: Any, high: Any, floor: Any = 0, slope: Any = None) -> None:
    """Fail unless ranges on halved intervals show that a formula is finite and above a number from low to high."""
    todo, tried, wide = [(low, high)], 0, 1 + IV.mpf([-1, 1]) / 10**60
    while todo:
        (low, high), tried = todo.pop(), tried + 1
        wieldy = tried < 10000 and max(low / 10**9, mp.mpf("1e-99")) < high - low < mp.inf
        require(wieldy, f"{name} near {mp.nstr(high, 9)}: no range above {mp.nstr(floor, 3)}")
        x, middle = (
            IV.mpf([low, high]) * wide,
            (low + high) / 2 if high < 4 * low else mp.sqrt(max(low, high / 99) * high),
        )
        try:
            found = span(tree, name, x)
            if slope is not None and not found.a > floor:
                found = span(tree, name, IV.mpf(middle)) + span(slope, name, x) * (x - middle)
        except (ArithmeticError, ValueError):
            found = IV.mpf([-mp.inf, mp.inf])
        if not (found.a > floor and (low == 0 or found.b < mp.inf)):
            todo += [(middle, high), (low, middle)]

"""Checks certificates again by numbers in many digits and a solver; shares no code with the prover."""

import json
import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial, reduce
from itertools import count, pairwise, product
from pathlib import Path
from typing import Any, Final, Literal, final

from mpmath import mp

from etatrick.errors import InputError

DIGITS, BYTES = 120, 2_000_000
MEANING: Final = {  # condition: the facts that prove it, those that refute it; "&" binds closer than "|"
    "subquadratic": ("eta_hat grows", "eta_hat falls"), "monotone": ("eta_hat grows", "eta_hat falls"),
    "canonical": ("canonical", "not canonical"), "concave": ("-slope grows", "-slope falls"),
    "convex": ("slope grows & no jump", "slope falls | jump"),
    "continuous_prox": ("w+slope rises & no jump", "w+slope does not rise | jump"),
    "integrable": ("penalty at 0 finite", "penalty at 0 infinite"),
    "bounded": ("penalty at oo finite", "penalty at oo infinite"),
    "exact_zeros": ("slope at 0 positive | jump", "slope at 0 zero & no jump"),
    "unbiased": ("slope at oo zero", "slope at oo positive"),
}  # fmt: skip
NEEDED: Final = {"slope": ("penalty", "eta_hat"), "envelope": ("penalty", "eta_hat", "dual"),
                 "stationarity": ("penalty", "eta_hat"), "gauge": ("alpha", "eta_hat")}  # fmt: skip
ALONG_W: Final = ("penalty", "eta_hat", "slope", "w+slope")  # the other functions are of η


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
        return all(r.outcome == "confirmed" or (r.outcome, r.status) in IDLE for r in self.results.values())


IDLE: Final = (("not checked", "checked"), ("not checked", "unknown"))


def recheck_file(path: str | Path) -> Report:
    """Check a file of certificates as :func:`recheck` does; raise InputError also if it cannot be read."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            return recheck(json.loads(file.read(BYTES)))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(str(path), f"is no readable JSON: {error}", "pass a file of certificates") from None


def recheck(data: Mapping[str, Any]) -> Report:
    """Check every certificate against the forms it is about and against the meaning of its condition.

    Raises InputError if the data is malformed, of another version, or too large; nothing in it is ever executed.

    Examples
    --------
    >>> limit = {"kind": "limit", "of": "slope", "end": "0", "value": 1}
    >>> recheck({"format": "etatrick-certificates", "version": 1, "identities": {},
    ...     "subject": {"given": "penalty", "parameters": [], "jump": 0, "penalty": "w", "eta_hat": "w"},
    ...     "verdicts": {"exact_zeros": {"status": "proved", "certificate": limit}}}).ok
    True
    """

    def result(status: str, check: Callable[[], None]) -> Result:
        try:
            with mp.workdps(DIGITS):
                check()
        except (FailedError, ArithmeticError) as error:
            return Result(status, "rejected", str(error))
        return Result(status, "confirmed")

    try:
        data = json.loads(text := json.dumps(data))
        if len(text) > BYTES or (data["format"], data["version"]) != ("etatrick-certificates", 1):
            raise ValueError(f"it must be etatrick-certificates, version 1, of at most {BYTES} bytes")
        subject, results = Subject(data["subject"]), {}
        for group, names, check in (("verdicts", MEANING, subject.condition), ("identities", NEEDED, subject.identity)):
            for name, verdict in data[group].items():
                status, certificate = verdict["status"], verdict.get("certificate")
                if name not in names or status not in ("proved", "certified", "refuted", "checked", "unknown"):
                    raise ValueError(f"{name}: {status} is no name with a status")
                idle = certificate is None or status in ("checked", "unknown")
                results[name] = (Result(status, "not checked") if idle else
                                 result(status, partial(check, name, status == "refuted", certificate)))  # fmt: skip
        return Report({**results, "forms": result("proved", subject.agree)})
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError("the data", f"is malformed: {error!r}", "see the page on certificates") from None


# --- formulas --------------------------------------------------------------------------------------------------------


def dawson_integral(x: Any) -> Any:
    if x * x < 3 * mp.dps:
        return x * x / 2 * mp.hyp2f2(1, 1, 1.5, 2, -x * x)
    total, term = mp.log(2 * x) / 2 + mp.euler / 4, mp.mpf(1)  # an asymptotic series, good to about exp(−x²)
    for k in count(1):
        term *= (2 * k - 1) / (2 * x * x)
        total -= term / (4 * k)
        if term < mp.mpf(10) ** -mp.dps:
            return total


STEEP: Final = "^ exp sinh cosh tanh coth gamma erf erfc erfi sin cos".split()  # hopeless for huge arguments
MORE: Final = "log asin acos atan asinh acosh atanh lambertw sign loggamma digamma polylog".split()
HEADS: Final[dict[str, Any]] = {head: getattr(mp, head) for head in [*STEEP[1:], *MORE]} | {
    "+": lambda *xs: sum(xs), "*": lambda *xs: reduce(operator.mul, xs), "/": operator.truediv, "min": min, "max": max,
    "^": lambda x, y: x ** int(y) if mp.isint(y) else mp.power(x, y), "abs": abs, "not": operator.not_,
    "and": lambda *xs: all(xs), "or": lambda *xs: any(xs), "dawson_integral": dawson_integral,
    "dawson": lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
}  # fmt: skip
COMPARE: Final[dict[str, Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
                                  "==": operator.eq}  # fmt: skip
BROKEN: Final = ("^", "abs", "sign", "coth", "gamma", "loggamma", "digamma")  # where the argument passes 0
CONSTANTS: Final[dict[str, Any]] = {"pi": lambda: +mp.pi, "E": lambda: +mp.e, "EulerGamma": lambda: +mp.euler,
                                    "oo": lambda: mp.inf, "-oo": lambda: -mp.inf}  # fmt: skip


class Point(dict[str, Any]):
    """Positive values of symbols, drawn when first needed; `trace` records what changes only at poles and kinks."""

    def __init__(self, seed: int = 0, **given: Any) -> None:
        super().__init__(given)
        self.random, self.trace = random.Random(seed), list[Any]()

    def __missing__(self, name: str) -> Any:
        if not name.isidentifier():
            raise ValueError(f"{name} is no symbol")
        return self.setdefault(name, mp.mpf(10) ** mp.mpf(self.random.uniform(-1, 1)))


def value(tree: Any, point: Point) -> Any:
    """Return the value of a formula, a real number or infinite."""
    if isinstance(tree, int):
        return mp.mpf(tree)
    if isinstance(tree, str):
        return CONSTANTS[tree]() if tree in CONSTANTS else point[tree]
    head, *rest = tree
    if head == "piecewise":
        return value(next((v for v, test in rest if value(test, point)), ["log", "-oo"]), point)  # or none applies
    xs = [value(item, point) for item in rest]
    if head in COMPARE:
        point.trace.append(COMPARE[head](*xs))
        return point.trace[-1]
    try:
        if head in STEEP and mp.isfinite(xs[-1]) and mp.mag(xs[-1]) > 3000:
            raise ValueError("too large an argument")
        found = HEADS[head](*xs)
        if isinstance(found, mp.mpc) and abs(found.imag) <= mp.mpf(10) ** (10 - mp.dps) * abs(found.real):
            found = found.real
    except (ArithmeticError, ValueError, NotImplementedError, mp.NoConvergence) as error:
        raise FailedError(f"{head} has no value at some point: {error}") from None
    if isinstance(found, mp.mpc) or mp.isnan(found):
        raise FailedError(f"{head} has no real value at some point")
    if head in ("min", "max"):
        point.trace.append(xs.index(found))
    elif head in BROKEN and not (head == "^" and mp.isint(xs[1]) and xs[1] >= 0):
        point.trace.append(mp.sign(xs[0]))
    return found


def breaks(tree: Any, name: str) -> list[Any]:
    """Return the formulas that a symbol is compared with."""
    if isinstance(tree, list) and tree[0] in COMPARE and name in tree[1:]:
        return [item for item in tree[1:] if item != name]
    return [b for item in tree for b in breaks(item, name)] if isinstance(tree, list) else []


# --- numbers ---------------------------------------------------------------------------------------------------------


def inside(low: Any, high: Any, number: int = 12, decades: int = 5) -> list[Any]:
    """Return sorted points of an interval, log-spaced towards both ends."""
    ts = [mp.mpf(10) ** mp.mpf(decades * (2 * (i + random.Random(i).random()) / number - 1)) for i in range(number)]
    return [low + (low or 1) * t if high == mp.inf else low + (high - low) * t / (1 + t) for t in ts]


def steady(f: Callable[[Any], Any], xs: list[Any], point: Point) -> list[Any]:
    """Return values at sorted points if no case, no sign of a denominator or root changes between them."""
    values, traces = [], []
    for x in xs:
        point.trace = []
        values.append(f(x))
        traces.append(point.trace)
    if any(trace != traces[0] for trace in traces):
        raise FailedError(f"a pole, jump or kink between {mp.nstr(xs[0], 6)} and {mp.nstr(xs[-1], 6)}")
    return values


def falls(a: Any, b: Any) -> bool:
    return bool(b < a and not a - b <= mp.mpf("1e-30") * (abs(a) + abs(b)))


def slope(f: Callable[[Any], Any], x: Any) -> Any:
    """Return f′(x) by central differences: of the digits, a third is lost to the step, and a third right."""
    h = x * mp.mpf(10) ** (-mp.dps // 3)
    return (f(x + h) - f(x - h)) / (2 * h)


def same(f: Callable[[Point], Any], g: Callable[[Point], Any]) -> None:
    """Require that two functions of positive symbols agree to 20 digits at 30 random points."""
    for point in map(Point, range(30)):
        a, b = f(point), g(point)
        if not abs(a - b) <= mp.mpf("1e-20") * max(abs(a), abs(b)) + mp.mpf("1e-75"):
            raise FailedError(f"{mp.nstr(a, 12)} should be {mp.nstr(b, 12)}")


def tends(f: Callable[[Any], Any], end: str, target: Callable[[], Any], start: Any = 0) -> None:
    """Require evident convergence as the exponent doubles: errors shrink; towards infinity, steps do not."""
    values, gaps = [], []
    for k in (4, 8, 16, 32, 64):
        with mp.workdps(DIGITS + 4 * k):
            values.append(f(mp.mpf(10) ** k if end == "oo" else start + (start or 1) * mp.mpf(10) ** -k))
            limit = target()
            gap = abs(values[-1] - limit)
            gaps.append(mp.mpf(0) if gap <= mp.mpf(10) ** (-k - 60) * (1 + abs(limit)) else gap)
    steps = [(b - a) * mp.sign(limit) for a, b in pairwise(values)]
    if not (values[-1] == limit or (mp.isfinite(gaps[-1]) and all(b <= 0.75 * a for a, b in pairwise(gaps[2:])))
            or (mp.isinf(limit) and steps[1] > 0 and all(b >= 0.9 * a for a, b in pairwise(steps[1:])))):  # fmt: skip
        raise FailedError(f"no convergence to {mp.nstr(limit, 12)}: {mp.nstr(values[-1], 12)} for {end}")

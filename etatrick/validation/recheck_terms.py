"""Formulas of a certificate: read with bounds on their size, evaluated in many digits, compared by differences."""

import random
import re
import reprlib
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

from mpmath import mp

from etatrick.errors import InputError

Env = dict[str, Any]
LIMITS: Final = {"nodes": 20_000, "depth": 80, "bits": 20_000}
DIGITS, FINE, STEP = 120, "1e-30", "1e-20"  # working digits; relative steps of inner and of outer differences
_CONSTANTS: Final = {"pi": lambda: +mp.pi, "E": lambda: +mp.e, "EulerGamma": lambda: +mp.euler, "oo": lambda: mp.inf,
                     "-oo": lambda: -mp.inf}  # fmt: skip
_PLAIN = "exp log sin cos tan asin acos atan sinh cosh tanh coth asinh acosh atanh erf erfc erfi gamma loggamma digamma"
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {name: getattr(mp, name) for name in _PLAIN.split()} | {
    "lambertw": mp.lambertw, "abs": abs, "sign": mp.sign, "min": min, "max": max, "polylog": mp.polylog,
    "dawson": lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
    "dawson_integral": lambda x: x * x / 2 * mp.hyp2f2(1, 1, 1.5, 2, -x * x),
}  # fmt: skip
_ARITY: Final = {"+": (1, 999), "*": (1, 999), "^": (2, 2), "/": (2, 2), "min": (1, 99), "max": (1, 99),
                 "polylog": (2, 2)}  # fmt: skip
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "==": lambda a, b: a == b}  # fmt: skip
_BROKEN: Final[dict[str, Callable[[Any], Any]]] = {"sign": mp.sign, "abs": mp.sign, "coth": mp.sign,
    "tan": lambda x: mp.floor(x / mp.pi + 0.5), "gamma": mp.sign, "loggamma": mp.sign, "digamma": mp.sign}  # fmt: skip
SLOW: Final = ("log", "abs", "sign", "min", "max", "lambertw", "asinh", "atan")  # harmless at any argument
SHOWN: Final = reprlib.Repr()  # never longer than a line, and never deeper than a few levels
SHOWN.repr_int = lambda x, level: str(x) if x.bit_length() < 200 else "a huge number"  # type: ignore[method-assign]


class FailedError(Exception):
    """A certificate does not show what it claims; the message says why and where."""


# --- reading ------------------------------------------------------------------------------------------------------


def bad(value: object, rule: str, remedy: str = "write the certificate again") -> InputError:
    """Return the exception for malformed data."""
    huge = isinstance(value, int) and value.bit_length() > 200
    return InputError("a huge number" if huge else SHOWN.repr(value), rule, remedy)


def entry(data: Any, key: str, kind: Any) -> Any:
    """Return an entry of the wanted type, or say that it is missing or malformed."""
    if not isinstance(data, Mapping) or key not in data:
        raise bad(data, f"needs an entry {key!r}")
    if not isinstance(data[key], kind) or (kind is int and isinstance(data[key], bool)):
        raise bad(data[key], f"is no valid {key!r}")
    return data[key]


def tree_of(data: Any, condition: bool = False, depth: int = 0, room: list[int] | None = None) -> Any:
    """Return a formula as nested tuples, the cases of a piecewise one as ("case", value, condition)."""
    room = [LIMITS["nodes"]] if room is None else room
    room[0] -= 1
    if room[0] < 0 or depth > LIMITS["depth"]:
        raise bad("a formula", "is too large or nested too deeply", "split it")

    def below(item: Any, test: bool = False) -> Any:
        return tree_of(item, test, depth + 1, room)

    if condition and data is True:
        return True
    if isinstance(data, int) and not isinstance(data, bool) and not condition and data.bit_length() <= LIMITS["bits"]:
        return data
    if isinstance(data, str) and not condition and (data in _CONSTANTS or re.fullmatch(r"[^\W\d]\w{0,63}", data)):
        return data
    if isinstance(data, list | tuple) and data and isinstance(data[0], str):
        head, *rest = data
        if condition and ((head in ("and", "or") and rest) or (head == "not" and len(rest) == 1)):
            return (head, *(below(item, True) for item in rest))
        if condition and head in _COMPARE and len(rest) == 2:
            return (head, *map(below, rest))
        pairs = all(isinstance(case, list | tuple) and len(case) == 2 for case in rest)
        if not condition and head == "piecewise" and rest and pairs:
            return (head, *(("case", below(value), below(test, True)) for value, test in rest))
        low, high = _ARITY.get(head, (1, 1 if head in _FUNCTIONS else 0))
        numbers = all(type(item) is int for item in rest) and rest[-1:] != [0]
        if not condition and low <= len(rest) <= high and (head != "/" or numbers):
            return (head, *map(below, rest))
    raise bad(data, "is no formula of the certificate language", "see the page on certificates")


def symbols_of(tree: Any) -> set[str]:
    """Return the names in a formula that are no constants."""
    if isinstance(tree, str):
        return set() if tree in _CONSTANTS else {tree}
    return set().union(*map(symbols_of, tree[1:])) if isinstance(tree, tuple) else set()


def put(tree: Any, table: Mapping[str, Any]) -> Any:
    """Return a formula with symbols replaced, all at once."""
    if isinstance(tree, tuple):
        return (tree[0], *(put(item, table) for item in tree[1:]))
    return table.get(tree, tree) if isinstance(tree, str) else tree


# --- numbers ------------------------------------------------------------------------------------------------------


def value_of(tree: Any, env: Env, trace: list[int] | None = None) -> Any:
    """Return a finite or infinite real number; `trace` records what must not change where a formula is smooth."""
    if isinstance(tree, int):
        return mp.mpf(tree)
    if isinstance(tree, str):
        if tree not in env and tree not in _CONSTANTS:
            raise FailedError(f"the symbol {tree} has no meaning here")
        return env[tree] if tree in env else _CONSTANTS[tree]()
    head, *rest = tree
    trace = [] if trace is None else trace
    if head == "piecewise":
        for index, (_, value, condition) in enumerate(rest):
            if _holds(condition, env, trace):
                trace.append(index)
                return value_of(value, env, trace)
        raise FailedError(f"no case of a piecewise formula applies at {spot(env)}")
    xs = [value_of(item, env, trace) for item in rest]
    try:
        result = _applied(head, xs, trace)
        if isinstance(result, mp.mpc) and abs(result.imag) <= mp.mpf(10) ** (10 - mp.dps) * abs(result.real):
            result = result.real
    except (ArithmeticError, ValueError, TypeError, NotImplementedError, mp.NoConvergence) as error:
        raise FailedError(f"{head} has no value at {spot(env)}: {error}") from None
    if isinstance(result, mp.mpc) or mp.isnan(result):
        raise FailedError(f"{head} has no real value at {spot(env)}")
    return result


def _applied(head: str, xs: list[Any], trace: list[int]) -> Any:
    if head in ("+", "*"):
        return sum(xs, mp.mpf(0)) if head == "+" else mp.fprod(xs)
    if head == "/":
        return xs[0] / xs[1]
    if head not in SLOW and any(mp.isfinite(x) and x and mp.mag(x) > 8000 for x in xs[head == "^" :]):
        raise ValueError("too large")
    if head == "^":
        base, power = xs
        whole = mp.isint(power)
        if not whole or power < 0:
            trace.append(int(mp.sign(base)))
        return base ** int(power) if whole else mp.power(base, power)
    if head in _BROKEN:
        trace.append(int(_BROKEN[head](xs[0])))
    result = _FUNCTIONS[head](*xs)
    if head in ("min", "max"):
        trace.append(xs.index(result))
    return result


def _holds(condition: Any, env: Env, trace: list[int]) -> bool:
    if condition is True:
        return True
    head, *rest = condition
    if head in _COMPARE:
        return _COMPARE[head](*(value_of(item, env, trace) for item in rest))
    tests = (_holds(item, env, trace) for item in rest)
    return all(tests) if head == "and" else any(tests) if head == "or" else not next(tests)


def spot(env: Env) -> str:
    """Return a place in words."""
    return ", ".join(f"{name} = {mp.nstr(value, 6)}" for name, value in env.items())


def slope(f: Callable[[Any], Any], x: Any, step: str = FINE) -> Any:
    """Return f′(x) by central differences."""
    h = x * mp.mpf(step)
    return (f(x + h) - f(x - h)) / (2 * h)


def inside(low: Any, high: Any, count: int, span: int, seed: int = 5) -> list[Any]:
    """Return sorted points of an interval, log-spaced towards both ends."""
    rng = random.Random(seed)
    ts = [mp.mpf(10) ** mp.mpf(span * (2 * (i + rng.random()) / count - 1)) for i in range(count)]
    if mp.isinf(high):
        return [low + (low or 1) * t for t in ts]
    return [low + (high - low) * t / (1 + t) for t in ts]


def smooth(f: Callable[[Any, list[int]], Any], xs: list[Any], where: str) -> list[Any]:
    """Return the values, if no denominator, case or argument of a broken function changes sign between the points."""
    traces: list[list[int]] = [[] for _ in xs]
    values = [f(x, trace) for x, trace in zip(xs, traces, strict=True)]
    for (x, before), (y, after) in pairwise(zip(xs, traces, strict=True)):
        if before != after:
            raise FailedError(f"a pole, jump or kink between {mp.nstr(x, 6)} and {mp.nstr(y, 6)} {where}")
    return values


def differentiates(f: Callable[[Any], Any], claim: Callable[[Any], Any], xs: list[Any], env: Env) -> None:
    """Require that `claim` is the derivative of f at all points; where f is infinite it must be 0."""
    for x in xs:
        here, found, claimed = f(x), slope(f, x, STEP), claim(x)
        if mp.isinf(here) and claimed == 0:
            continue
        if not abs(found - claimed) <= mp.mpf("1e-15") * abs(claimed) + mp.mpf("1e-50") * abs(here) / x:
            numbers = f"{mp.nstr(found, 12)}, not {mp.nstr(claimed, 12)}"
            raise FailedError(f"the derivative at {mp.nstr(x, 6)} ({spot(env)}) is {numbers}")


def tends(f: Callable[[Any], Any], end: str, value: Callable[[], Any], env: Env) -> None:
    """Require evident convergence at 10^∓k: errors shrink, or, to infinity, the steps do not."""
    values, errors = [], []
    for k in (4, 8, 16, 32, 64, 128):
        with mp.workdps(DIGITS + 4 * k):
            values.append(f(mp.mpf(10) ** (-k if end == "0" else k)))
            limit = value()
            gap = abs(values[-1] - limit) if mp.isfinite(limit) else mp.mpf(0)
            errors.append(mp.mpf(0) if gap <= mp.mpf(10) ** (-k - 60) * (1 + abs(limit)) else gap)
    if mp.isinf(limit):
        steps = [(b - a) * mp.sign(limit) for a, b in pairwise(values)] if mp.isfinite(values[-1]) else []
        moving = bool(steps) and min(steps[1:]) > 0 and all(b >= 0.9 * a for a, b in pairwise(steps[1:]))
        good = moving or values[-1] == limit
    else:
        good = bool(mp.isfinite(errors[-1])) and all(b <= 0.75 * a for a, b in pairwise(errors[2:]))
    if not good:
        raise FailedError(f"no convergence to {mp.nstr(limit, 12)} for {end} ({spot(env)}): {mp.nstr(values[-1], 12)}")

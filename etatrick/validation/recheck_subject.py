"""The subject of certificates: its forms and parameter domains, what grows, and whether the forms agree."""

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, final

from mpmath import mp

from etatrick.validation.recheck_proofs import Domains
from etatrick.validation.recheck_signs import level, unsatisfiable
from etatrick.validation.recheck_terms import (
    Env,
    FailedError,
    bad,
    entry,
    inside,
    slope,
    spot,
    symbols_of,
    tends,
    tree_of,
    value_of,
)  # fmt: skip

SECONDS: Final = 60.0  # for one verdict
FORMS: Final = {"penalty": {"w"}, "eta_hat": {"w"}, "dual": {"eta"}, "alpha": {"w", "lambda"}}
GROWING: Final = ("eta_hat", "slope", "-slope", "w+slope", "reach")


@final
@dataclass(frozen=True)
class Subject:
    """Forms of one duality as formulas, the open domains of its parameters, and Ω(0+)."""

    domains: Domains
    forms: Mapping[str, Any]
    jump: Any
    known: dict[str, Any] = field(default_factory=dict)  # what certificates established, by their text
    clock: list[float] = field(default_factory=lambda: [time.monotonic() + SECONDS])

    @classmethod
    def read(cls, data: Any) -> "Subject":
        """Read the entry of a file; a parameter's bounds may use the parameters before it."""
        domains: dict[str, tuple[Any, Any]] = {}
        for item in entry(data, "parameters", list):
            name, bounds = (
                entry(item, "name", str),
                tuple(tree_of(entry(item, end, object)) for end in ("lower", "upper")),
            )
            taken = {"w", "eta", "lambda", *domains}
            if name in taken or symbols_of(tree_of(name)) != {name} or not symbols_of((0, *bounds)) <= set(domains):
                raise bad(name, "is no new name, or has a bound in parameters that come later")
            domains[name] = (bounds[0], bounds[1])
        forms = {name: None if entry(data, name, object) is None else tree_of(data[name]) for name in FORMS}
        jump = tree_of(entry(data, "jump", object))
        for name, form in {**forms, "jump": jump}.items():
            unknown = symbols_of(form) - set(domains) - FORMS.get(name, set())
            if unknown:
                raise bad(min(unknown), f"is a symbol without meaning in {name}")
        if entry(data, "given", str) not in FORMS or forms[data["given"]] is None:
            raise bad(data["given"], "is not among the forms that the subject has")
        return cls(domains, forms, jump)

    def restart(self) -> None:
        """Give the next verdict its time."""
        self.clock[0] = time.monotonic() + SECONDS

    def draws(self, count: int, seed: int = 0) -> Iterator[Env]:
        """Yield values of the parameters inside their domains; one draw is enough without parameters."""
        rng = random.Random(seed)
        for _ in range(count if self.domains else 1):
            env: Env = {}
            for name, (lower, upper) in self.domains.items():
                low, high = value_of(lower, env), value_of(upper, env)
                if not low < high:
                    raise FailedError(f"the domain of {name} is empty")
                if mp.isinf(low):
                    away = mp.mpf(10) ** mp.mpf(rng.uniform(-2, 2))
                    env[name] = away * rng.choice((-1, 1)) if mp.isinf(high) else high - away
                else:
                    env[name] = inside(low, high, 24, 2, rng.randrange(10**6))[rng.randrange(24)]
            yield env

    def at(self, of: str, env: Env, x: Any, trace: list[int] | None = None) -> Any:
        """Return Ω, η̂, ±Ω′ or w + Ω′ at w = x, or η√f′ at η = x, from the forms alone."""
        if time.monotonic() > self.clock[0]:
            raise FailedError(f"takes longer than {SECONDS:g} s")
        if of in ("penalty", "dual"):
            return value_of(self._form(of), {**env, "w" if of == "penalty" else "eta": x}, trace)
        if of == "reach":
            height = self.at("dual", env, x)
            if mp.isinf(height) and height > 0:
                return mp.inf
            steepness = slope(lambda e: self.at("dual", env, e, trace), x)
            if steepness < -mp.mpf("1e-40"):
                raise FailedError(f"f decreases at {spot({**env, 'eta': x})}")
            return x * mp.sqrt(max(steepness, 0))
        if self.forms["eta_hat"] is not None:
            eta = value_of(self.forms["eta_hat"], {**env, "w": x}, trace)
            steep = mp.inf if eta == 0 else x / eta
        else:
            steep = slope(lambda v: self.at("penalty", env, v, trace), x)
            eta = mp.inf if steep == 0 else x / steep
        return {"eta_hat": eta, "slope": steep, "-slope": -steep, "w+slope": x + steep}[of]

    def _form(self, name: str) -> Any:
        if self.forms[name] is None:
            raise FailedError(f"the subject has no {name}")
        return self.forms[name]

    def require_sign(self, tree: Any, strict: bool) -> None:
        """Require a formula in the parameters to be ≥ 0 (> 0 where strict) on their domains."""
        if tree == "oo":
            return
        names = symbols_of(tree)
        if all(self.domains[name][0] == 0 for name in names) and (sign := level(tree)) is not None and sign >= strict:
            return
        if not names:
            raise FailedError(f"{mp.nstr(value_of(tree, {}), 12)} is not {'> 0' if strict else '>= 0'}")
        unsatisfiable(tree, strict, self.domains)

    def require_rising(self, of: str) -> None:
        """Require growth at sorted points: weaker than a proof, and independent of one."""
        for env in self.draws(3, seed=7):
            rising([(x, self.at(of, env, x)) for x in inside(mp.mpf(0), mp.inf, 32, 10)], env)

    def require_agreement(self) -> None:
        """Require that the forms belong together wherever two of them can be compared."""
        for env in self.draws(4, seed=3):
            xs = inside(mp.mpf(0), mp.inf, 24, 4)
            if self.forms["penalty"] is not None:
                self._require_continuity(env, inside(mp.mpf(0), mp.inf, 60, 6))
                self._require_jump(env)
            for x in xs:
                for name in ("slope", "gauge", "envelope"):
                    if all(self.forms[form] is not None for form in NEEDED[name]):
                        self.require_identity(name, {**env, "lambda": mp.mpf(3) / 7}, x)
                if self.forms["eta_hat"] is not None and not self.at("eta_hat", env, x) > 0:
                    raise FailedError(f"eta_hat is not positive at {spot({**env, 'w': x})}")

    def require_identity(self, name: str, env: Env, x: Any) -> None:
        """Require one identity between forms at w = x; it says nothing of f or α where η̂ is infinite."""
        eta, w2 = self.at("eta_hat", env, x), x * x
        if name == "slope":
            terms = [slope(lambda v: self.at("penalty", env, v), x), -x / eta]
        elif mp.isinf(eta):
            alpha = value_of(self._form("alpha"), {**env, "w": x}) if name == "gauge" else 1
            terms = [alpha, mp.mpf(-1)]
        elif name == "gauge":
            terms = [value_of(self._form("alpha"), {**env, "w": x}), -eta / (eta + env["lambda"])]
        elif name == "envelope":
            dual = self.at("dual", env, eta)
            if mp.isinf(dual):  # η̂ is the last point at which f is finite
                dual = self.at("dual", env, eta * (1 - mp.mpf("1e-40")))
            terms = [dual, -2 * self.at("penalty", env, x), w2 / eta]
        else:
            terms = [eta**2 * slope(lambda e: self.at("dual", env, e), eta), -w2]
        if not abs(sum(terms)) <= mp.mpf("1e-20") * max(map(abs, terms)) + mp.mpf("1e-60"):
            raise FailedError(f"{name} fails at {spot({**env, 'w': x})}: the difference is {mp.nstr(sum(terms), 6)}")

    def silent(self, name: str, env: Env, x: Any) -> bool:
        """Tell whether an identity says nothing near w = x: η̂ is infinite, or constant where f′ is needed."""
        here, next_to = self.at("eta_hat", env, x), self.at("eta_hat", env, x * (1 + mp.mpf("1e-20")))
        return bool(name != "slope" and (mp.isinf(here) or (name == "stationarity" and here == next_to)))

    def _require_continuity(self, env: Env, xs: list[Any]) -> None:
        traces: list[list[int]] = [[] for _ in xs]
        for x, trace in zip(xs, traces, strict=True):
            self.at("penalty", env, x, trace)
        for (x, before), (y, after) in pairwise(zip(xs, traces, strict=True)):
            a, b = x, y
            while before != after and b - a > a * mp.mpf("1e-30"):
                middle, trace = (a + b) / 2, []
                self.at("penalty", env, middle, trace)
                a, b = (middle, b) if trace == before else (a, middle)
            low, high = self.at("penalty", env, a), self.at("penalty", env, b)
            if before != after and abs(high - low) > mp.mpf("1e-9") * (abs(high) + abs(low)):
                raise FailedError(f"the penalty jumps at {spot({**env, 'w': a})}")

    def _require_jump(self, env: Env) -> None:
        try:
            tends(lambda x: self.at("penalty", env, x), "0", lambda: value_of(self.jump, env), env)
        except FailedError:
            if self.jump != 0:
                raise
            tends(lambda x: self.at("penalty", env, x), "0", lambda: -mp.inf, env)


NEEDED: Final = {"slope": ("penalty", "eta_hat"), "gauge": ("alpha", "eta_hat"),
                 "envelope": ("penalty", "eta_hat", "dual"), "stationarity": ("eta_hat", "dual")}  # fmt: skip


def rising(points: list[tuple[Any, Any]], env: Env) -> None:
    """Require that values do not fall from one point to the next."""
    for (x, before), (y, after) in pairwise(points):
        fell = after != mp.inf if before == mp.inf else not after >= before - mp.mpf("1e-40") * abs(before)
        if fell and before != -mp.inf:
            raise FailedError(f"falls from {mp.nstr(before, 8)} at {mp.nstr(x, 8)} to {mp.nstr(after, 8)} at "
                              f"{mp.nstr(y, 8)} ({spot(env)})")  # fmt: skip

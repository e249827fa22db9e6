"""Speed of derivations: the catalogue cold in a fresh process, one entry warm, and sympy itself as the peer.

Disabled by default. Run them with ``pytest tests/benchmarks --benchmark-only --benchmark-enable``; each stores its
figure in ``extra_info``: ``seconds`` with the target beside it, or ``ratio`` (our median over the peer's).
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import sympy as sp

from etatrick.theory import derive, eta, penalties, strategies, w
from etatrick.theory.catalogue import Family
from etatrick.theory.duality import FORMS

pytestmark = pytest.mark.slow

COLD = """
import json, time
begin = time.perf_counter()
from collections import Counter
from etatrick.theory import penalties, strategies
names = {"beta_bernoulli": {"prior": 0.1}, "magnitude_pruning": {"k": 2}, "targeted_dropout": {"k": 2, "retain": 0.5}}
counts, slowest = Counter(), {}
for family in (*penalties.values(), *strategies.values()):
    start = time.perf_counter()
    d = family(**names[family.name]).duality if family.name in names else family.duality
    counts.update(verdict.status for verdict in d.conditions.values())
    slowest[family.name] = round(time.perf_counter() - start, 3)
top = dict(sorted(slowest.items(), key=lambda item: -item[1])[:5])
print(json.dumps({"seconds": time.perf_counter() - begin, "counts": counts, "slowest": top, "entries": len(slowest)}))
"""


def test_the_whole_catalogue_cold(benchmark: Any) -> None:
    """Every entry derived and every condition settled, in a process that has computed nothing yet; target 60 s."""

    def run() -> dict[str, Any]:
        command = [sys.executable, "-c", COLD]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    found = benchmark.pedantic(run, rounds=1)
    settled = sum(found["counts"].get(status, 0) for status in ("proved", "certified", "refuted"))
    share = settled / sum(found["counts"].values())
    benchmark.extra_info.update(found, target_seconds=60, settled=share, target_settled=0.9)


def forget() -> None:
    """Empty the caches of the engine, not those of sympy: what a second, different entry would meet."""
    for name, module in list(sys.modules.items()):
        if name.startswith("etatrick.theory"):
            for thing in vars(module).values():
                if hasattr(thing, "cache_clear"):
                    thing.cache_clear()


def timed(call: Callable[[], Any], rounds: int, cold: bool = False) -> float:
    """Return the median processor time with our caches empty and, if cold, those of sympy too."""
    times = []
    for _ in range(rounds):
        forget()
        if cold:
            sp.core.cache.clear_cache()
        gc.collect()
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return median(times)


CLOSED = ["l1", "lp", "elastic_net", "huber", "pseudo_huber", "fair", "log_sum", "cauchy", "geman_mcclure", "welsch",
          "capped_l1", "exponential", "scad", "mcp", "standout", "ard", "bernoulli_l0", "lasso_schedule",
          "log_retain", "sparseout", "bridgeout"]  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_one_closed_form_entry_warm(benchmark: Any, name: str) -> None:
    """The four forms with free parameters, sympy warm and our caches empty; target 0.5 s."""
    family: Any = penalties[name] if name in penalties else strategies[name]
    given = {family.given: family.expression}

    def run() -> Any:
        return derive(**given, jump=family.jump, parameters=tuple(family.parameters))

    run()
    benchmark.extra_info.update(seconds=timed(run, 5), target_seconds=0.5)
    benchmark.pedantic(run, setup=forget, rounds=3)


ENTRIES = [family.name for family in (*penalties.values(), *strategies.values()) if isinstance(family, Family)]


@pytest.mark.parametrize("name", ENTRIES)
def test_one_entry_after_another(benchmark: Any, name: str) -> None:
    """The four forms of an entry never seen before, in a process that has derived another one; target 0.5 s.

    All caches are emptied, those of sympy too, and one other rule is derived before each measurement; processor time.
    """
    family: Any = penalties[name] if name in penalties else strategies[name]
    given = {family.given: family.expression}

    def another() -> None:
        forget()
        sp.core.cache.clear_cache()
        derive(eta_hat=w * (w + 2))
        gc.collect()

    def run() -> Any:
        return derive(**given, jump=family.jump, parameters=tuple(family.parameters))

    times = []
    for _ in range(3):
        another()
        begin = time.process_time()
        d = run()
        times.append(time.process_time() - begin)
    open_forms = [form for form in FORMS if getattr(d, form) is None]
    benchmark.extra_info.update(seconds=min(times), target_seconds=0.5, ratio=min(times) / 0.5, open_forms=open_forms)
    benchmark.pedantic(run, setup=another, rounds=1)


@pytest.mark.parametrize("name", ["log_sum", "huber", "scad", "standout"])
def test_all_conditions_of_one_entry_warm(benchmark: Any, name: str) -> None:
    family: Any = penalties[name] if name in penalties else strategies[name]
    d = family.duality

    def run() -> None:
        list(d.conditions.values())

    run()
    benchmark.extra_info.update(seconds=timed(run, 3))
    benchmark.pedantic(run, setup=forget, rounds=3)


c = sp.Symbol("c", positive=True)
PEERS: dict[str, Any] = {
    "log_sum": w * (w + c),
    "fair": 1 + w,
    "cauchy": 1 + w**2 / c,
    "pseudo_huber": sp.sqrt(w**2 + c**2),
    "exponential": w * sp.exp(w / c),
    "atan": w * (1 + w**2 / c**2),
    "ard": (w**2 + w * sp.sqrt(w**2 + 4 / c)) / 2,
}


@pytest.mark.parametrize("name", list(PEERS))
def test_against_sympy_integrate_and_solve(benchmark: Any, name: str) -> None:
    """The peer integrates t/η̂(t) and solves η̂(w) = η for the dual; it checks nothing, and states no domain.

    Its answer is compared with ours at one point: `peer_right` says whether both of its forms are right there.
    """
    rule = PEERS[name]
    t = sp.Symbol("t", positive=True)

    def ours() -> Any:
        return derive(eta_hat=rule)

    def peer() -> tuple[Any, list[Any]]:
        penalty = sp.integrate((w / rule).subs(w, t), (t, 0, w))
        return penalty, [2 * penalty.subs(w, root) - root**2 / eta for root in sp.solve(rule - eta, w)]

    d, (penalty, duals) = ours(), peer()
    point, level = {w: sp.Rational(7, 5), c: sp.Rational(3, 4)}, {eta: sp.Rational(17, 5), c: sp.Rational(3, 4)}
    wanted = float(d.at(c=0.75).penalty_at(1.4)) if c in rule.free_symbols else float(d.penalty_at(1.4))
    height = float((d.at(c=0.75) if c in rule.free_symbols else d).dual_at(3.4))
    right = abs(sp.N(penalty.subs(point)) - wanted) < 1e-9
    right = right and any(abs(complex(sp.N(dual.subs(level))) - height) < 1e-9 for dual in duals)
    mine, theirs = timed(ours, 3, cold=True), timed(peer, 3, cold=True)
    benchmark.extra_info.update(
        against=f"sympy {sp.__version__} integrate + solve",
        ours_seconds=mine,
        peer_seconds=theirs,
        ratio=mine / theirs,
        peer_right=bool(right),
    )
    benchmark.pedantic(ours, setup=forget, rounds=2)

"""Speed of the compiled proximal maps and of proximal gradient, as ratios within one run."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etatrick.numerics.compiled import CompiledPenalty, compile_penalty
from etatrick.numerics.user_penalty import scalar_penalty
from etatrick.theory import penalties, strategies
from etatrick.theory.prox import prox_at

GENERIC = {
    "atan": penalties["atan"](c=1),
    "cauchy": penalties["cauchy"](c=1),
    "lp": penalties["lp"](p=0.7),
    "log_cosh": penalties["log_cosh"](),
    "standout": strategies["standout"](a=1, b=1),
}


def best(call: Callable[[], Any], repeats: int = 5) -> float:
    """Return the least processor time of some calls."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


@pytest.mark.parametrize("name", list(GENERIC))
def test_a_root_search_costs_a_fraction_of_the_reference_and_a_few_dozen_slopes(name: str, benchmark: Any) -> None:
    """The reference treats every v by itself; a slope is one pass over the array."""
    entry = GENERIC[name]
    penalty = CompiledPenalty(compile_penalty(entry).duality)
    v = np.random.default_rng(0).normal(scale=3.0, size=1000)
    large = np.random.default_rng(1).normal(scale=3.0, size=100_000)
    benchmark(penalty.prox, v, 0.9)
    mine, reference = best(lambda: penalty.prox(v, 0.9)), best(lambda: prox_at(entry.duality, v, 0.9), 1)
    assert mine <= 0.1 * reference, (mine, reference)
    slopes = best(lambda: penalty.slope(large))
    many = best(lambda: penalty.prox(large, 0.9), 3)
    soft = best(lambda: np.sign(large) * np.maximum(np.abs(large) - 0.9, 0.0))
    assert many <= 60 * slopes + 60 * soft, (many, slopes, soft)


@pytest.mark.parametrize("name", ["mcp", "huber", "scad"])
def test_closed_forms_are_faster_than_the_search(name: str) -> None:
    values: dict[str, dict[str, float]] = {"mcp": {"A": 2}, "huber": {"delta": 1}, "scad": {"a": 3.7, "ell": 1}}
    known = compile_penalty(penalties[name](**values[name]))
    generic = CompiledPenalty(known.duality)
    v = np.random.default_rng(0).normal(scale=3.0, size=100_000)
    assert best(lambda: known.prox(v, 0.9), 3) <= best(lambda: generic.prox(v, 0.9), 3)


def test_a_table_costs_a_fraction_of_the_numbers_it_is_made_from() -> None:
    """Ω′ of a rule known through its dual: one root per number against one polynomial."""
    duality = strategies["variational_dropout"]().duality
    known = scalar_penalty(duality)
    w = np.random.default_rng(0).uniform(0.01, 5.0, size=200)
    assert best(lambda: known.slope(w)) <= 0.05 * best(lambda: w / duality.eta_hat_at(w), 2)


def test_compiling_again_costs_nothing_to_speak_of() -> None:
    entry = penalties["geman_mcclure"](c=1.75)
    begin = time.process_time()
    scalar_penalty(entry).slope(np.ones(1))
    first = time.process_time() - begin
    assert best(lambda: scalar_penalty(penalties["geman_mcclure"](c=1.75)).slope(np.ones(1))) <= 0.1 * first

"""The equivalence test: its error rates by simulation, its symmetries, and what it says when it cannot decide."""

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from etatrick.errors import InputError
from etatrick.validation.agreement import Agreement, equivalence
from tolerances import FLOAT64, MC

RUNS = 1500
LEVEL = 0.05


def rate(outcome: str, *, mean: Any, sd: float, seeds: int, margin: float, runs: int = RUNS) -> float:
    """Return how often the test concludes `outcome`; the mean's shape fixes the number of coordinates."""
    rng = np.random.default_rng([seeds, round(1e6 * margin)])
    centre = np.atleast_1d(np.asarray(mean, dtype=np.float64))
    draws = centre + sd * rng.standard_normal((runs, seeds, len(centre)))
    return sum(equivalence(draw, margin=margin, level=LEVEL).outcome == outcome for draw in draws) / runs


def highest(chance: float, runs: int = RUNS) -> float:
    """Return the rate that a chance of this size exceeds with probability below Φ(−4)."""
    return chance + MC * math.sqrt(chance * (1 - chance) / runs)


# --- error rates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [2, 5, 32])
@pytest.mark.parametrize("margin", [0.05, 1.0, 5.0])
def test_agreement_at_the_margin_is_claimed_no_more_often_than_the_level(seeds: int, margin: float) -> None:
    for mean in (margin, -margin):
        assert rate("agrees", mean=mean, sd=1, seeds=seeds, margin=margin, runs=600) <= highest(LEVEL, 600)


def test_one_coordinate_at_the_margin_among_many_inside_is_enough_for_the_level_to_hold() -> None:
    mean = np.array([1.0, 0.0, 0.0, 0.0])
    assert rate("agrees", mean=mean, sd=0.5, seeds=8, margin=1.0) <= highest(LEVEL)


def test_the_level_of_agreement_is_used_up_and_not_wasted() -> None:
    assert rate("agrees", mean=1.0, sd=0.5, seeds=10, margin=1.0) >= LEVEL - (highest(LEVEL) - LEVEL)


@pytest.mark.parametrize(
    ("seeds", "coordinates", "margin"),
    [(5, 1, 3.0), (32, 10, 3.0), (5, 1, 0.01), (32, 1, 0.01), (32, 10, 0.01)],
)
def test_a_difference_at_the_margin_is_claimed_no_more_often_than_the_level(
    seeds: int, coordinates: int, margin: float
) -> None:
    found = rate("differs", mean=np.full(coordinates, margin), sd=1, seeds=seeds, margin=margin)
    assert found <= highest(LEVEL)


@pytest.mark.parametrize("seeds", [5, 20])
def test_without_any_difference_one_is_claimed_no_more_often_than_the_level(seeds: int) -> None:
    assert rate("differs", mean=0.0, sd=1, seeds=seeds, margin=1e-3) <= highest(LEVEL)


def test_the_test_has_power() -> None:
    power = {
        "agrees": rate("agrees", mean=0.0, sd=1, seeds=20, margin=1.0),
        "differs": rate("differs", mean=2.0, sd=1, seeds=20, margin=1.0),
        "many agree": rate("agrees", mean=np.zeros(10), sd=1, seeds=32, margin=1.0),
        "one of many differs": rate("differs", mean=np.eye(10)[0] * 2, sd=1, seeds=32, margin=1.0),
    }
    assert {name: value for name, value in power.items() if value < 0.95} == {}
    oracle = 2 * stats.norm.cdf(1.0 * math.sqrt(20) - 1.73) - 1  # mean 0, t quantile for 19 degrees
    assert abs(power["agrees"] - oracle) < 0.03


def test_the_p_value_is_that_of_two_one_sided_t_tests() -> None:
    sample = np.random.default_rng(0).normal(0.1, 1, size=(12, 3))
    found = equivalence(sample, margin=0.8)
    sides = [
        stats.ttest_1samp(column, bound, alternative=side).pvalue
        for column in sample.T
        for bound, side in ((-0.8, "greater"), (0.8, "less"))
    ]
    assert abs(found.p_value - max(sides)) <= FLOAT64
    for column, low, high in zip(sample.T, found.lower, found.upper, strict=True):
        interval = stats.ttest_1samp(column, 0).confidence_interval(1 - 2 * LEVEL)
        assert abs(low - interval.low) <= FLOAT64
        assert abs(high - interval.high) <= FLOAT64


def test_agreement_means_that_every_interval_lies_inside_the_margin() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        margin = float(rng.uniform(0.1, 1))
        found = equivalence(rng.normal(0, 0.5, size=(6, 2)), margin=margin)
        inside = max(found.upper) <= margin and min(found.lower) >= -margin
        assert (found.outcome == "agrees") == inside


# --- symmetries ---------------------------------------------------------------------------------------------------

SAMPLES = {
    "agrees": np.random.default_rng(1).normal(0.0, 0.2, size=(10, 2)),
    "differs": np.random.default_rng(2).normal(3.0, 0.2, size=(10, 2)),
    "undecided": np.random.default_rng(3).normal(0.8, 1.0, size=(10, 2)),
}


@pytest.mark.parametrize("outcome", list(SAMPLES))
@pytest.mark.parametrize("factor", [1e-100, 1e-9, 3.0, 1e9])
def test_units_do_not_matter(outcome: str, factor: float) -> None:
    plain = equivalence(SAMPLES[outcome], margin=1.0)
    scaled = equivalence(factor * SAMPLES[outcome], margin=factor)
    assert plain.outcome == scaled.outcome == outcome
    assert scaled.seeds_needed == plain.seeds_needed
    assert math.isclose(scaled.p_value, plain.p_value, rel_tol=1e-9, abs_tol=1e-300)
    assert np.allclose(scaled.lower, factor * np.array(plain.lower), rtol=1e-9, atol=0)


@pytest.mark.parametrize("outcome", list(SAMPLES))
def test_signs_origin_and_order_do_not_matter(outcome: str) -> None:
    sample = SAMPLES[outcome]
    plain = equivalence(sample, margin=1.0)
    mirrored = equivalence(-sample, margin=1.0)
    shifted = equivalence(sample + np.array([5.0, -2.0]), [5.0, -2.0], margin=1.0)
    shuffled = equivalence(sample[::-1, ::-1], margin=1.0)
    for other in (mirrored, shifted, shuffled):
        assert other.outcome == outcome
        assert math.isclose(other.p_value, plain.p_value, rel_tol=1e-6)
    assert np.allclose(mirrored.lower, -np.array(plain.upper))


def test_one_column_may_be_flat() -> None:
    flat = SAMPLES["agrees"][:, 0]
    assert equivalence(flat, margin=1.0) == equivalence(flat[:, None], margin=1.0)


# --- what it says when it cannot decide ---------------------------------------------------------------------------


def standardised(seeds: int, mean: Any, sd: float) -> Any:
    """Return a sample whose mean and standard deviation are exactly these, in every coordinate."""
    centre = np.atleast_1d(np.asarray(mean, dtype=np.float64))
    base = np.random.default_rng(seeds).standard_normal((seeds, len(centre)))
    base = (base - base.mean(0)) / base.std(0, ddof=1)
    return centre + sd * base


SITUATIONS = {  # true mean, sd, margin, seeds of the first look
    "centred": (0.0, 1.0, 0.4, 8),
    "off centre": (0.15, 1.0, 0.4, 8),
    "outside": (0.65, 1.0, 0.4, 8),
    "outside, many coordinates": (np.full(4, 0.65), 1.0, 0.4, 8),
    "one far outside, one near the margin": (np.array([1.0, 0.38]), 1.0, 0.4, 6),
    "centred, ten coordinates": (np.zeros(10), 1.0, 0.4, 8),
    "few seeds": (0.0, 0.45, 1.0, 3),
}


@pytest.mark.parametrize("situation", list(SITUATIONS))
def test_the_seeds_asked_for_mostly_decide(situation: str) -> None:
    mean, sd, margin, seeds = SITUATIONS[situation]
    first = equivalence(standardised(seeds, mean, sd), margin=margin)
    if situation == "few seeds":
        sd = 0.6  # undecided at three seeds
        first = equivalence(standardised(seeds, mean, sd), margin=margin)
    assert first.outcome == "undecided"
    assert first.seeds_needed is not None
    needed = first.seeds_needed
    undecided = rate("undecided", mean=mean, sd=sd, seeds=needed, margin=margin, runs=300)
    assert 1 - undecided >= 0.7
    assert needed <= 3000


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("excess", [1.001, 1.2])
def test_an_undecided_test_asks_for_more_seeds_than_it_had(seeds: int, excess: float) -> None:
    edge = math.sqrt(seeds) / float(stats.t.ppf(1 - LEVEL, seeds - 1))  # the sd at which 0 is just settled
    found = equivalence(standardised(seeds, 0.0, excess * edge), margin=1.0)
    assert found.outcome == "undecided"
    assert found.seeds_needed is not None
    assert found.seeds_needed > seeds


def test_a_mean_on_the_margin_can_never_be_settled() -> None:
    found = equivalence([1.5, 0.5], margin=1.0)
    assert found.outcome == "undecided"
    assert found.seeds_needed is None
    assert "seeds needed" not in str(found)


def test_a_decided_test_asks_for_nothing() -> None:
    assert equivalence(SAMPLES["agrees"], margin=1.0).seeds_needed is None
    assert equivalence(SAMPLES["differs"], margin=1.0).seeds_needed is None


# --- degenerate samples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "outcome"), [(0.0, "agrees"), (0.5, "agrees"), (1.0, "undecided"), (1.5, "differs"), (-1.5, "differs")]
)
@pytest.mark.parametrize("factor", [1.0, 1e12, 1e-12])
def test_samples_without_variance_are_decided_by_their_value(value: float, outcome: str, factor: float) -> None:
    found = equivalence([value * factor] * 3, margin=factor)
    assert found.outcome == outcome
    assert math.isclose(found.largest, abs(value * factor), rel_tol=1e-12)


def test_a_coordinate_without_variance_does_not_hide_one_with() -> None:
    noisy = np.column_stack([np.zeros(6), 3 + 0.1 * np.arange(6)])
    assert equivalence(noisy, margin=1.0).outcome == "differs"
    assert equivalence(noisy[:, :1], margin=1.0).outcome == "agrees"


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "more"),
    [
        ([1.0], {}),
        (np.zeros((1, 3)), {}),
        (np.zeros((2, 2, 2)), {}),
        (np.zeros((4, 0)), {}),
        (3.0, {}),
        ([0.0, float("nan")], {}),
        ([0.0, float("inf")], {}),
        ([0.0, 0.1], {"margin": 0.0}),
        ([0.0, 0.1], {"margin": -1.0}),
        ([0.0, 0.1], {"margin": float("nan")}),
        ([0.0, 0.1], {"margin": float("inf")}),
        ([0.0, 0.1], {"level": 0.0}),
        ([0.0, 0.1], {"level": 0.5}),
        ([0.0, 0.1], {"level": float("nan")}),
        ([0.0, 0.1], {"target": float("nan")}),
        ([0.0, 0.1, 0.2], {"target": [0.0, 0.1, 0.2]}),  # one target per seed is no target
        (np.zeros((3, 2)), {"target": [0.0, 0.0, 0.0]}),
    ],
    ids=lambda v: str(v).replace("\n", ""),
)
def test_bad_input_is_refused(samples: Any, more: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        equivalence(samples, **{"margin": 1.0, **more})


@pytest.mark.parametrize("outcome", list(SAMPLES))
def test_an_agreement_survives_json(outcome: str) -> None:
    found = equivalence(SAMPLES[outcome], margin=1.0)
    data = json.loads(json.dumps(found.to_json()))
    again = Agreement(**{**data, "lower": tuple(data["lower"]), "upper": tuple(data["upper"])})
    assert again == found
    assert str(found).startswith(outcome)

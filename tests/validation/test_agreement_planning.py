"""Bands, effect sizes and power: their coverage and rates by simulation with a fixed number of draws, and SciPy's."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from etatrick.errors import InputError
from etatrick.validation.agreement import (
    confidence_band,
    equivalence,
    paired_effect,
    power,
    power_to_differ,
    seeds_for,
)
from etatrick.validation.agreement.noncentral import noncentral_t_cdf
from etatrick.validation.seeding import seed
from tolerances import FLOAT64, MC

RUNS = 20_000
LEVEL = 0.05


def score(rate: float, chance: float, runs: int) -> float:
    """Return the z-score of a rate among runs whose chance is known."""
    return (rate - chance) / math.sqrt(max(chance * (1 - chance), 1 / runs) / runs)


def decisions(seeds: int, difference: float, deviation: float, margin: float) -> tuple[float, float]:
    """Return how often SciPy's t quantiles lead to *agrees* and to *differs*, over RUNS simulated samples."""
    rng = np.random.default_rng(seed("decisions", seeds, str(difference), str(deviation)))
    draws = difference + deviation * rng.standard_normal((RUNS, seeds))
    mean, error = draws.mean(1), draws.std(1, ddof=1) / math.sqrt(seeds)
    agrees = np.abs(mean) + stats.t.ppf(1 - LEVEL, seeds - 1) * error <= margin
    differs = np.abs(mean) - stats.t.ppf(1 - LEVEL / 2, seeds - 1) * error >= margin
    return float(agrees.mean()), float(differs.mean())


# --- power --------------------------------------------------------------------------------------------------------

PLANS = [(2, 0.0, 0.05), (3, 0.0, 0.3), (5, 0.3, 0.6), (10, 0.0, 1.0), (10, 1.0, 0.3), (20, 0.5, 1.0), (40, 0.0, 3.0)]


@pytest.mark.parametrize(("seeds", "difference", "deviation"), PLANS)
def test_power_to_agree_is_the_rate_of_agreement(seeds: int, difference: float, deviation: float) -> None:
    found = power(1.0, deviation, seeds, difference=difference)
    assert abs(score(decisions(seeds, difference, deviation, 1.0)[0], found, RUNS)) < MC
    assert found == pytest.approx(power(1.0, deviation, seeds, difference=-difference), abs=FLOAT64)
    assert found == pytest.approx(power(7.0, 7 * deviation, seeds, difference=7 * difference), abs=FLOAT64)


@pytest.mark.parametrize(
    ("seeds", "difference", "deviation"), [(2, 3.0, 0.1), (5, 2.0, 1.0), (10, 1.3, 0.5), (20, 1.0, 1.0)]
)
def test_power_to_differ_is_the_rate_of_differing(seeds: int, difference: float, deviation: float) -> None:
    found = power_to_differ(1.0, deviation, seeds, difference=difference)
    assert abs(score(decisions(seeds, difference, deviation, 1.0)[1], found, RUNS)) < MC
    assert found > power_to_differ(1.0, deviation, seeds, difference=difference, tests=4)


def test_a_wrong_deviation_is_noticed() -> None:
    """The simulation is fine enough to reject the power of a deviation ten per cent off."""
    rate = decisions(10, 0.0, 1.0, 1.0)[0]
    assert abs(score(rate, power(1.0, 1.1, 10), RUNS)) > MC
    assert abs(score(rate, power(1.0, 1.0, 11), RUNS)) > MC


def test_the_tests_themselves_have_the_planned_power() -> None:
    runs = 1000
    rng = np.random.default_rng(seed("planned power"))
    found = [equivalence(draw, margin=1.0).outcome for draw in rng.standard_normal((runs, 10))]
    assert abs(score(found.count("agrees") / runs, power(1.0, 1.0, 10), runs)) < MC
    far = [equivalence(2 + draw, margin=1.0).outcome for draw in rng.standard_normal((runs, 10))]
    assert abs(score(far.count("differs") / runs, power_to_differ(1.0, 1.0, 10, difference=2.0), runs)) < MC


def test_at_the_margin_power_is_at_most_the_level_and_tends_to_it() -> None:
    rates = [power(1.0, 0.2, seeds, difference=1.0) for seeds in (3, 10, 100, 10_000)]
    assert max(rates) <= LEVEL + FLOAT64
    assert rates[-1] == pytest.approx(LEVEL, abs=1e-8)


@pytest.mark.parametrize("difference", [0.0, 0.5, 1.5, -2.0])
@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.99])
def test_the_seeds_asked_for_reach_the_power_and_one_less_does_not(difference: float, wanted: float) -> None:
    seeds = seeds_for(1.0, 0.9, power=wanted, difference=difference)

    def reached(n: int) -> float:
        plan = power if abs(difference) < 1 else power_to_differ
        return plan(1.0, 0.9, n, difference=difference)

    assert reached(seeds) >= wanted
    assert seeds == 2 or reached(seeds - 1) < wanted


def test_large_samples_follow_the_normal_law() -> None:
    root = math.sqrt(4000) * 0.03
    oracle = 2 * stats.norm.cdf(root - stats.t.ppf(0.95, 3999)) - 1
    assert power(0.03, 1.0, 4000) == pytest.approx(oracle, abs=2e-4)


@pytest.mark.parametrize(
    "bad",
    [{"margin": 0.0}, {"margin": math.inf}, {"deviation": 0.0}, {"deviation": math.nan}, {"level": 0.5},
     {"difference": math.inf}],
)  # fmt: skip
def test_plans_refuse_bad_input(bad: dict[str, float]) -> None:
    plan: dict[str, Any] = {"margin": 1.0, "deviation": 1.0, **bad}
    with pytest.raises(InputError):
        power(seeds=5, **plan)
    with pytest.raises(InputError):
        seeds_for(**plan)


def test_what_no_number_of_seeds_settles_is_refused() -> None:
    for difference in (1.0, -1.0):
        with pytest.raises(InputError, match="margin"):
            seeds_for(1.0, 1.0, difference=difference)
    with pytest.raises(InputError, match="seeds"):
        seeds_for(1e-6, 1.0)
    with pytest.raises(InputError):
        seeds_for(1.0, 1.0, power=1.0)
    for seeds in (1, 2.5, True):
        with pytest.raises(InputError):
            power(1.0, 1.0, seeds)  # type: ignore[arg-type]


# --- the noncentral t distribution --------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [1, 2, 5, 30, 300])
@pytest.mark.parametrize("shift", [-3.0, 0.0, 0.7, 12.0])
@pytest.mark.parametrize("t", [-40.0, -2.0, 0.0, 1.5, 4.0, 15.0, 200.0])
def test_the_noncentral_t_distribution_is_scipys(freedom: int, shift: float, t: float) -> None:
    oracle = float(stats.nct.cdf(t, freedom, shift))
    if math.isnan(oracle):  # SciPy gives up below Φ(−12)
        assert t < 0 < 12 <= shift
        oracle = 0.0
    assert noncentral_t_cdf(t, freedom, shift) == pytest.approx(oracle, abs=1e-9)


def test_shifts_beyond_scipys_reach_follow_the_normal_approximation() -> None:
    """At 5 degrees of freedom and a shift of 4000, T/δ is 1/S up to 1/δ."""
    for ratio in (0.7, 1.0, 1.6):
        found = noncentral_t_cdf(4000 * ratio, 5, 4000.0)
        assert found == pytest.approx(stats.chi2.sf(5 / ratio**2, 5), abs=1e-6)


# --- effect sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seeds", "effect"), [(3, 0.0), (5, 1.0), (20, -0.4)])
def test_hedges_g_is_unbiased_and_its_interval_covers(seeds: int, effect: float) -> None:
    runs = 400
    rng = np.random.default_rng(seed("hedges", seeds))
    found = [paired_effect(3 * (effect + draw)) for draw in rng.standard_normal((runs, seeds))]
    covered = np.mean([e.lower <= effect <= e.upper for e in found])
    assert abs(score(float(covered), 1 - LEVEL, runs)) < MC
    wide = effect + rng.standard_normal((RUNS, seeds))
    t = wide.mean(1) / wide.std(1, ddof=1)
    factor = found[0].g / _ratio(seeds)
    if seeds > 3:  # with three seeds g has no variance
        g = factor * t
        assert abs(g.mean() - effect) < MC * g.std() / math.sqrt(RUNS)


def _ratio(seeds: int) -> float:
    """Return mean over standard deviation of the first draw of the test above."""
    draw = {3: 0.0, 5: 1.0, 20: -0.4}[seeds] + np.random.default_rng(seed("hedges", seeds)).standard_normal(seeds)
    return float(draw.mean() / draw.std(ddof=1))


def test_an_effect_is_paired_antisymmetric_and_without_units() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal((2, 8))
    plain, mirrored = paired_effect(first, second), paired_effect(second, first)
    scaled = paired_effect(1e6 * first, 1e6 * second)
    assert plain.g == pytest.approx(-mirrored.g)
    assert plain.lower == pytest.approx(-mirrored.upper, abs=1e-9)
    assert scaled.g == pytest.approx(plain.g)
    assert paired_effect(first - second).g == pytest.approx(plain.g)
    assert paired_effect(first, rng.permutation(second)).g != pytest.approx(plain.g)


def test_a_huge_effect_has_an_interval() -> None:
    found = paired_effect([1.0, 1.0001, 0.9999, 1.00005])
    assert 1000 < found.lower < found.g < found.upper < 1e6


@pytest.mark.parametrize(
    "bad", [([1.0, 2.0],), ([1.0, 1.0, 1.0],), ([0.0, math.nan, 1.0],), ([[1.0, 2.0, 3.0]],), ([1, 2, 3], [1, 2])]
)
def test_effects_refuse_bad_input(bad: Any) -> None:
    with pytest.raises(InputError):
        paired_effect(*bad)


# --- bands --------------------------------------------------------------------------------------------------------


def rough(rng: np.random.Generator, seeds: int, points: int) -> Any:
    """Independent points."""
    return rng.standard_normal((seeds, points))


def smooth(rng: np.random.Generator, seeds: int, points: int) -> Any:
    """Autoregressive trajectories whose spread changes along the way."""
    noise = rng.standard_normal((seeds, points))
    path = np.empty_like(noise)
    path[:, 0] = noise[:, 0]
    for k in range(1, points):
        path[:, k] = 0.97 * path[:, k - 1] + math.sqrt(1 - 0.97**2) * noise[:, k]
    return path * np.linspace(0.1, 5, points)


@pytest.mark.parametrize("law", [rough, smooth])
@pytest.mark.parametrize(("seeds", "points"), [(5, 40), (12, 40), (30, 20)])
def test_the_band_covers_everywhere_at_once(law: Any, seeds: int, points: int) -> None:
    runs = 300
    rng = np.random.default_rng(seed("band", law.__name__, seeds))
    truth = np.linspace(-1, 2, points)
    bands = [confidence_band(truth + law(rng, seeds, points), rng=rng, draws=400) for _ in range(runs)]
    missed = float(np.mean([bool(band.leaves(truth)) for band in bands]))
    assert score(missed, LEVEL, runs) < MC
    # negative control: pointwise intervals of the same level miss somewhere far more often
    width = np.array([stats.t.ppf(0.975, seeds - 1) / stats.t.ppf(1 - b.pointwise / 2, seeds - 1) for b in bands])
    narrow = [
        np.any(np.abs(np.array(b.mean) - truth) > w * (np.array(b.upper) - np.array(b.mean)))
        for b, w in zip(bands, width, strict=True)
    ]
    assert score(float(np.mean(narrow)), LEVEL, runs) > MC


def test_a_band_is_narrower_where_points_move_together_and_bonferroni_where_they_do_not() -> None:
    rng = np.random.default_rng(8)
    together = confidence_band(np.repeat(rng.standard_normal((8, 1)), 30, axis=1), rng=rng)
    apart = confidence_band(rough(rng, 8, 30), rng=rng)
    assert together.pointwise == pytest.approx(LEVEL, rel=0.3)
    assert LEVEL / 30 <= apart.pointwise < 2 * LEVEL / 30


def test_the_band_of_one_point_is_students_interval() -> None:
    sample = np.random.default_rng(1).standard_normal((9, 1))
    band = confidence_band(sample, rng=np.random.default_rng(2), draws=200_000)
    interval = stats.ttest_1samp(sample[:, 0], 0).confidence_interval(1 - band.pointwise)
    assert band.lower[0] == pytest.approx(interval.low)
    assert band.upper[0] == pytest.approx(interval.high)
    assert abs(score(band.pointwise, LEVEL, 200_000)) < MC or band.pointwise == LEVEL


def test_points_without_spread_have_no_width_and_do_not_disturb() -> None:
    sample = np.column_stack([np.full(6, 2.0), np.random.default_rng(4).standard_normal(6)])
    band = confidence_band(sample, rng=np.random.default_rng(5))
    assert band.lower[0] == band.upper[0] == 2.0
    assert band.leaves([2.0, 0.0]) == ()
    assert band.leaves([2.1, 0.0]) == (0,)


@pytest.mark.parametrize(
    ("sample", "more"),
    [(np.zeros((2, 3)), {}), (np.zeros(5), {}), (np.zeros((4, 0)), {}), (np.full((4, 2), np.nan), {}),
     (np.zeros((4, 2)), {"level": 0.6}), (np.zeros((4, 2)), {"draws": 100})],
    ids=str,
)  # fmt: skip
def test_bands_refuse_bad_input(sample: Any, more: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        confidence_band(sample, rng=np.random.default_rng(0), **more)

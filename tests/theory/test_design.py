"""Inverse design: schedules by hand, projections against brute force, samples against quadrature."""

import itertools
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad

from etatrick.errors import InputError
from etatrick.theory import derive, penalties, w
from etatrick.theory.inverse_design import Schedule, design, design_from_samples
from tolerances import FLOAT64, SOLVER, close

TARGETS: dict[str, Callable[[Any], Any]] = {
    "w": lambda x: 1.0 + 0 * x,
    "log(1+w)": lambda x: 1 / (1 + x),
    "w**2/2": lambda x: x,
    "w - log(1+w)": lambda x: x / (1 + x),
    "w**(1/2)": lambda x: 0.5 / np.sqrt(x),
    "min(w, 1)": lambda x: 1.0 * (x <= 1),
}
GRID = np.array([0.03, 0.4, 0.9, 2.7, 11.0])

# A target is infeasible where its rate P′/w rises: Ω with its slope by hand.
BUMP = "log(1+w) + atan(2*w - 6)/2"
INFEASIBLE: dict[str, Callable[[Any], Any]] = {
    "w**3": lambda x: 3 * x**2,
    "w + w**3/3": lambda x: 1 + x**2,
    "w + max(w - 1, 0)**2": lambda x: 1 + 2 * np.maximum(x - 1, 0),
    "log(1+w) + w**4/40": lambda x: 1 / (1 + x) + x**3 / 10,
    BUMP: lambda x: 1 / (1 + x) + 1 / (1 + 4 * (x - 3) ** 2),
}


@lru_cache(maxsize=32)
def schedule(text: str, lam: float = 1.0) -> Schedule:
    return design(derive(penalty=text, time_limit=1.0), lam=lam)


# ------------------------------------------------------------------------------------------------- from a penalty


@pytest.mark.parametrize("text", TARGETS)
@pytest.mark.parametrize("lam", [0.3, 2.0])
def test_the_schedule_is_the_formula(text: str, lam: float) -> None:
    s = design(text, lam=lam)
    slope = TARGETS[text](GRID)
    assert np.allclose(s.alpha_at(GRID), GRID / (GRID + lam * slope), rtol=FLOAT64)
    for expr, expected in (
        (s.retain, GRID / (GRID + lam * slope)),
        (s.detached_variance, lam * GRID * slope),
        (s.differentiated_variance, 2 * s.penalty_at(GRID)),
    ):
        found = [float(expr.subs(w, sp.Rational(str(x)))) for x in GRID]
        assert np.allclose(found, expected, rtol=FLOAT64, atol=1e-15)
    by_quadrature = lam * quad(TARGETS[text], 0, 0.9, epsabs=1e-13)[0]
    assert close(float(s.penalty_at(0.9)), by_quadrature, 1e-8)
    assert np.allclose(s.alpha_at(-GRID), s.alpha_at(GRID))


@pytest.mark.parametrize("text", TARGETS)
def test_feasible_targets_are_not_changed(text: str) -> None:
    s = schedule(text)
    assert s.feasible.status != "refuted"
    assert s.projected.unchanged
    assert np.allclose(s.projected.alpha_at(GRID), s.alpha_at(GRID), rtol=FLOAT64)
    assert np.allclose(s.projected.penalty_at(GRID), s.penalty_at(GRID), rtol=FLOAT64)


def test_a_schedule_of_a_catalogue_entry() -> None:
    d = penalties["log_sum"](epsilon=2).duality
    assert design(d, lam=0.5).duality is d
    assert close(float(design(d, lam=0.5).alpha_at(1.0)), 1 / (1 + 0.5 / 3))
    with pytest.raises(InputError, match="epsilon: a schedule needs numbers"):
        design(penalties["log_sum"].duality)


# ---------------------------------------------------------------------------------------------------- projection


def by_brute_force(slope: Callable[[Any], Any], x: float) -> tuple[float, float]:
    """Return the least rate slope(s)/s over s ≤ x, and the integral of t times the running minimum up to t."""
    grid = np.concatenate([np.geomspace(1e-13, 1e-3, 20001)[:-1] * x, np.linspace(1e-3, 1, 200001) * x])
    grid = np.union1d(grid, [1.0] if x > 1 else [])  # where one of the targets has a kink
    rates = slope(grid) / grid
    flux = grid * np.minimum.accumulate(rates)
    at = int(rates.argmin())
    fine = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)], 2001)
    return float((slope(fine) / fine).min()), float(((flux[1:] + flux[:-1]) / 2 * np.diff(grid)).sum())


@pytest.mark.parametrize("text", INFEASIBLE)
def test_the_projection_is_the_running_minimum(text: str) -> None:
    s, slope = schedule(text), INFEASIBLE[text]
    assert s.feasible.status == "refuted"
    seen = s.feasible.witness
    rates = [float(slope(seen[end]) / seen[end]) for end in ("w", "next_w")]
    assert seen["w"] < seen["next_w"]
    assert rates[0] < rates[1]
    assert rates == pytest.approx([seen["rate"], seen["next_rate"]])
    assert not s.projected.unchanged
    for x in (0.01, 0.5, 0.99, 1.2, 2.0, 3.5, 8.0, 30.0):
        rate, area = by_brute_force(slope, x)
        assert close(float(s.projected.alpha_at(x)), 1 / (1 + rate), 1e-7)
        assert close(float(s.projected.penalty_at(x)), area, SOLVER)


def test_projections_by_hand() -> None:
    x = np.array([0.3, 1.0, 1.7, 12.0])
    p = schedule("w + w**3/3").projected  # the rate 1/w + w is least at w = 1
    assert np.allclose(p.penalty_at(x), np.where(x <= 1, x + x**3 / 3, 4 / 3 + x**2 - 1), rtol=FLOAT64)
    p = schedule("w + max(w - 1, 0)**2").projected
    assert np.allclose(p.penalty_at(x), np.where(x <= 1, x, 1 + (x**2 - 1) / 2), rtol=FLOAT64)
    p = schedule("w**3").projected  # the rate 3w starts at 0, so nothing feasible but 0 lies below
    assert p.penalty_at(x).tolist() == [0.0, 0.0, 0.0, 0.0]
    assert p.alpha_at(x).tolist() == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("text", ["w**2/2", "w**3"])
def test_a_jump_at_zero_is_kept(text: str) -> None:
    s = design(derive(penalty=text, jump=2, time_limit=1.0), lam=0.5)
    expected = [1.0 + 0.5 * (x**2 / 2 if text == "w**2/2" else 0.0) for x in (0.5, 3.0)]
    assert s.projected.penalty_at([0.5, 3.0]).tolist() == expected


def test_a_projection_takes_up_the_target_again() -> None:
    edges, held = schedule(BUMP).projected.edges, schedule(BUMP).projected.held
    assert [np.isnan(rate) for rate in held] == [True, False, True]
    assert 1 < edges[1] < 3 < edges[2] < 9


@pytest.mark.parametrize("text", [text for text in INFEASIBLE if text != "w**3"])
def test_the_projected_rule_is_feasible_and_below(text: str) -> None:
    s = schedule(text)
    x = np.geomspace(1e-4, 1e3, 4001)
    alpha = s.projected.alpha_at(x)
    assert (np.diff(alpha) >= -1e-12).all()
    assert (np.diff(s.alpha_at(x)) < -1e-6).any()
    assert (alpha >= s.alpha_at(x) - 1e-12).all()
    assert (s.projected.penalty_at(x) <= s.penalty_at(x) * (1 + 1e-9) + 1e-12).all()


@pytest.mark.parametrize("text", [text for text in INFEASIBLE if text != "w**3"])
def test_no_feasible_slope_below_the_target_is_larger(text: str) -> None:
    """Random nonincreasing rates below the target's: all lie below the projected rate; a larger one never fits."""
    s, slope = schedule(text), INFEASIBLE[text]
    x = np.geomspace(1e-3, 50, 20001)
    target = slope(x) / x
    projected = 1 / s.projected.alpha_at(x) - 1
    rng = np.random.default_rng(20260)
    for _ in range(30):
        drawn = np.minimum.accumulate(np.exp(rng.normal(size=x.size).cumsum() / 30) * rng.uniform(0.1, 10) / x)
        fits = drawn * min(1.0, float((target / drawn).min()))  # the largest multiple that stays below the target
        assert (fits <= projected * (1 + 1e-3)).all()  # the grid's own resolution
    held = projected < target * (1 - 1e-3)
    assert held.any()
    larger = projected * np.where(held, 1.01, 1.0)
    assert (np.minimum.accumulate(larger) < larger * (1 - 1e-3)).any() or (larger > target).any()


def test_the_projection_is_not_the_largest_subquadratic_penalty_below() -> None:
    """Rates 1, 3, 1/4: keeping rate 1 beyond w = 2, until Ω is met at √12, is feasible, below Ω, and above P↓."""
    text = "Piecewise((w**2/2, w <= 1), (3*w**2/2 - 1, w <= 2), (w**2/8 + 9/2, True))"
    s = schedule(text)
    x = np.linspace(0.05, 20, 1001)
    target, below = s.penalty_at(x), s.projected.penalty_at(x)
    assert np.allclose(below, np.where(x <= 2, x**2 / 2, 3 / 2 + x**2 / 8), rtol=SOLVER)
    other = np.where(x**2 <= 12, x**2 / 2, x**2 / 8 + 9 / 2)
    rates = np.where(x**2 <= 12, 1.0, 0.25)
    assert (np.diff(rates) <= 0).all()
    assert (below <= target + 1e-9).all()
    assert (other <= target + 1e-9).all()
    assert np.ptp((other - below)[x**2 > 12]) < 1e-6
    assert close(float((other - below)[-1]), 3.0, SOLVER)


def test_a_largest_subquadratic_penalty_below_need_not_exist() -> None:
    """In u = w², h = 2Ω with slopes 1, 0, 1, 0: two concave functions below h, and none above both."""
    u = np.linspace(0, 6, 601)
    h = np.interp(u, [0, 1, 2, 3, 6], [0, 1, 1, 2, 2])
    first, second = np.minimum(u, 1), np.minimum(u / 2, 2)
    for concave in (first, second):
        assert (concave <= h + 1e-12).all()
        assert (np.diff(concave, 2) <= 1e-12).all()
    at_one, at_four = (np.maximum(first, second)[int(np.argmin(abs(u - x)))] for x in (1, 4))
    chord_at_two = at_one + (at_four - at_one) / 3  # a concave function above both is at least this
    assert chord_at_two > h[200] + 0.3


# ------------------------------------------------------------------------------------------------------- samples


def test_feasible_samples_are_kept() -> None:
    x = np.array([0.0, 0.5, 1.0, 4.0])
    alpha = np.array([0.0, 0.2, 0.9, 0.9])
    s = design_from_samples(x, alpha)
    assert s.verdict.status == "checked"
    assert s.changes == {}
    assert np.array_equal(s.alpha_at(x), alpha)
    shuffled = design_from_samples(x[[2, 0, 3, 1]], alpha[[2, 0, 3, 1]])
    assert shuffled == s


def pooled(alpha: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Isotonic regression by its minimax formula: max over starts of min over ends of means."""
    n = alpha.size
    return np.array([
        max(min(float(alpha[i : j + 1].mean()) for j in range(k, n)) for i in range(k + 1)) for k in range(n)
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_samples_are_projected_and_integrated(seed: int) -> None:
    rng = np.random.default_rng([1966, seed])
    x = np.sort(rng.uniform(0, 5, size=9))
    x[0] *= seed % 2
    alpha = np.clip(x / (1 + x) + rng.normal(scale=0.15, size=9), 0.02, 1.0)
    s = design_from_samples(x, alpha)
    assert np.allclose(s.retain, pooled(alpha), atol=1e-12)
    changed = {float(p): float(new - old) for p, old, new in zip(x, alpha, pooled(alpha), strict=True) if old != new}
    assert set(s.changes) >= {p for p, by in changed.items() if abs(by) > 1e-12}
    assert all(close(by, changed.get(p, 0.0)) for p, by in s.changes.items())
    assert (s.verdict.status == "refuted") == bool((np.diff(alpha) < 0).any())
    for top in (0.3, 2.0, 7.0):
        knots = [0.0, *(float(p) for p in x if 0 < p < top), top]
        area = sum(
            quad(lambda t: t * (1 - np.interp(t, x, s.retain)) / np.interp(t, x, s.retain), a, b, epsabs=1e-13)[0]
            for a, b in itertools.pairwise(knots)
        )
        assert close(float(s.penalty_at(top)), area, FLOAT64)
        assert float(s.penalty_at(-top)) == float(s.penalty_at(top))


def test_the_witness_of_infeasible_samples_is_a_fall() -> None:
    s = design_from_samples([1, 2, 3, 4], [0.2, 0.6, 0.5, 0.9])
    assert s.verdict.witness == {"w": 2.0, "alpha": 0.6, "next_w": 3.0, "next_alpha": 0.5}
    assert "2 samples changed, by up to 0.05" in s.verdict.detail
    assert s.changes == pytest.approx({2.0: -0.05, 3.0: 0.05})


def test_samples_of_a_known_rule_give_its_penalty_back() -> None:
    x = np.linspace(0, 5, 4001)
    s = design_from_samples(x, x * (x + 2) / (x * (x + 2) + 1))
    exact = np.log1p(GRID[:4] / 2)
    assert np.allclose(s.penalty_at(GRID[:4]), exact, atol=1e-5)
    assert not np.allclose(s.penalty_at(GRID[:4]), exact, atol=1e-12)


def test_samples_beyond_the_last_keep_a_bounded_penalty_exact() -> None:
    s = design_from_samples([0, 1], [0, 1])
    assert s.penalty_at([1.0, 1e8]).tolist() == [0.5, 0.5]
    flat = design_from_samples([2.0], [0.5])
    assert flat.penalty_at([1.0, 4.0]).tolist() == [0.5, 8.0]


def test_nearly_level_samples_lose_no_digits() -> None:
    s = design_from_samples([1.0, 2.0], [0.5, 0.5 + 1e-12])
    assert close(float(s.penalty_at(2.0)), 2.0 - 3e-12, 1e-11)


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("lam", [0, -1.0, float("nan"), float("inf"), None, "x", True])
def test_strengths_outside_their_domain_are_refused(lam: Any) -> None:
    with pytest.raises(InputError, match="lam"):
        design("w", lam=lam)


@pytest.mark.parametrize("target", ["-w", "exp(-w)", "k*w", "w - w**2/4", None, 3])
def test_targets_that_are_no_penalty_are_refused(target: Any) -> None:
    with pytest.raises(InputError):
        design(target)


@pytest.mark.parametrize(
    ("weights", "alpha"),
    [
        ([], []), ([1, 2], [0.5]), ([1, 1], [0.5, 0.6]), ([-1, 1], [0.5, 0.6]), ([1, float("nan")], [0.5, 0.6]),
        ([1, 2], [0.0, 0.6]), ([1, 2], [0.5, 1.1]), ([1, 2], [0.5, float("nan")]), ([[1, 2]], [[0.5, 0.6]]),
        ([0], [0]), (1.0, 0.5),
    ],
)  # fmt: skip
def test_bad_samples_are_refused(weights: Any, alpha: Any) -> None:
    with pytest.raises(InputError):
        design_from_samples(weights, alpha)

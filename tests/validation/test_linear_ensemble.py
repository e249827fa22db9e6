"""Masked linear models: deterministic, on the ridge optimum for a fixed rate, and divergence is reported."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from etatrick.errors import InputError
from etatrick.numerics import solve
from etatrick.theory import penalties
from etatrick.validation.layers import AdaptiveGaussian, FixedRate, Mask
from etatrick.validation.linear_ensemble import LinearRun, train_linear_ensemble
from tolerances import FLOAT64

RETAIN = 0.8
SEEDS = 20
FALSE_ALARM = 1e-3  # over all coordinates, for the interval below
BIAS = 2e-3  # allowed for the start and the finite step; stated before any run


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep tiny tensors on one thread: threads that wait for each other cost more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(12)
    X = rng.normal(size=(20, 3))
    X /= np.linalg.norm(X, axis=0)
    return X, X @ np.array([1.0, -0.6, 0.3]) + 0.05 * rng.normal(size=20)


def trained(mask: Mask | None = None, **more: Any) -> LinearRun:
    options: dict[str, Any] = {
        "seeds": SEEDS, "steps": 2500, "step_size": 0.1, "decay_steps": 500, "label": "test", **more,
    }  # fmt: skip
    return train_linear_ensemble(*problem(), mask or FixedRate(RETAIN), **options)


def standing(run: LinearRun, target: Any) -> tuple[Any, Any]:
    """Return the mean difference per coordinate and the half-width of its simultaneous interval."""
    error = run.coefs.std(0, ddof=1) / np.sqrt(len(run.coefs))
    reach = stats.t.ppf(1 - FALSE_ALARM / (2 * run.coefs.shape[1]), len(run.coefs) - 1)
    return np.abs(run.coefs.mean(0) - target), reach * error


def test_fixed_rate_masks_reach_the_ridge_optimum_and_only_it() -> None:
    X, y = problem()
    strength = (1 - RETAIN) / RETAIN
    ridge = np.linalg.solve(X.T @ X + strength * np.eye(3), X.T @ y)
    run = trained()
    distance, half = standing(run, ridge)
    assert (distance <= half + BIAS).all()
    assert half.max() < 0.02  # the interval is narrow enough to mean something
    others = (np.linalg.solve(X.T @ X + k * strength * np.eye(3), X.T @ y) for k in (0.0, 0.8, 1.25))
    for other in others:
        distance, half = standing(run, other)
        assert (distance > half + BIAS).any()


def test_the_twin_of_the_mask_is_that_optimum() -> None:
    X, y = problem()
    duality, strength = FixedRate(RETAIN).twin
    ridge = np.linalg.solve(X.T @ X + (1 - RETAIN) / RETAIN * np.eye(3), X.T @ y)
    assert np.abs(solve(X, y, duality, strength).coef - ridge).max() <= FLOAT64


def test_adaptive_masks_move_towards_the_penalised_optimum() -> None:
    X, y = problem()
    mask = AdaptiveGaussian(penalties["log_sum"](epsilon=1).duality, 0.05)
    run = trained(mask, step_size=0.05)
    distance, half = standing(run, solve(X, y, *mask.twin).coef)
    assert (distance <= half + BIAS).all()
    distance, half = standing(run, np.linalg.lstsq(X, y)[0])
    assert (distance > half + BIAS).any()


def test_a_run_is_deterministic_and_its_label_matters() -> None:
    first, again, other = (trained(steps=600, label=label) for label in ("a", "a", "b"))
    assert np.array_equal(first.coefs, again.coefs)
    assert np.array_equal(first.trace, again.trace)
    assert not np.array_equal(first.coefs, other.coefs)


def test_a_seed_is_the_same_run_in_company_as_alone() -> None:
    alone, together = trained(seeds=1, steps=600), trained(seeds=4, steps=600)
    assert np.abs(alone.coefs[0] - together.coefs[0]).max() <= FLOAT64
    spread = np.abs(together.coefs[:, None] - together.coefs[None]).max(2)
    assert (spread[~np.eye(4, dtype=bool)] > 1e-4).all()


def test_the_result_is_the_average_over_the_second_half() -> None:
    """Without noise the run is plain gradient descent, which numpy repeats."""
    X, y = problem()
    run = trained(FixedRate(1.0), seeds=2, steps=700)
    start = trained(FixedRate(1.0), seeds=2, steps=1, step_size=1e-300).coefs
    weight, total = start.copy(), np.zeros_like(start)
    for t in range(700):
        weight = weight - 0.1 / (1 + t / 500) * (weight @ X.T - y) @ X
        total += weight if t >= 350 else 0
    assert np.abs(run.coefs - total / 350).max() <= FLOAT64


def test_the_trace_ends_at_the_last_step() -> None:
    run = trained(seeds=2, steps=750)
    assert run.trace_steps == (500, 750)
    assert run.trace.shape == (2, 3)


def test_progress_rises_to_one() -> None:
    seen: list[float] = []
    trained(seeds=1, steps=1200, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_divergence_is_reported() -> None:
    with pytest.raises(InputError, match=r"step_size = 100.*diverged.*smaller step"):
        trained(step_size=100.0)


@pytest.mark.parametrize(
    "bad", [{"seeds": 0}, {"steps": 0}, {"step_size": 0.0}, {"decay_steps": 0}, {"decay_steps": -5}], ids=str
)
def test_a_bad_number_is_refused_by_name(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        trained(**{"seeds": 1, "steps": 10, **bad})

"""Cost of exact dropout objectives as ratios to Monte Carlo and to enumeration in the same run; figures, not verdicts.

Disabled by default. Run them with ``pytest tests/benchmarks/test_expected_benchmarks.py --benchmark-enable``. Each
stores ``ratio`` (our best time over the peer's) and the relative errors reached in ``extra_info``. The Monte-Carlo
peer shares each mask among all examples, which makes it one matrix product: the cheapest form there is.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.expected.objective import ExpectedObjective
from etatrick.numerics.expected.perturbation import posed
from etatrick.theory.noise import Bernoulli

Array = NDArray[np.float64]
pytestmark = pytest.mark.slow


def problem(n: int, d: int, scale: float, rate: float) -> tuple[ExpectedObjective, Array, Array, Array]:
    """Return the objective, X, y and weights whose predictor has standard deviation `scale`."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((n, d)), scale * rng.standard_normal(d) / np.sqrt(d)
    y = rng.integers(0, 2, n).astype(np.float64)
    return ExpectedObjective(posed(X, y, Bernoulli(d, rate), "logistic")), X, y, w


def best(call: Callable[[], Any], other: Callable[[], Any], rounds: int = 7) -> tuple[float, float]:
    """Return the best times of two calls, run in turns."""
    call(), other()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for kept, run in zip(times, (call, other), strict=True):
            begin = time.perf_counter()
            run()
            kept.append(time.perf_counter() - begin)
    return min(times[0]), min(times[1])


@pytest.mark.parametrize("rate", [0.5, 0.8])
@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("d", [20, 100, 1000])
def test_logistic_objective_against_a_thousand_masks(benchmark: Any, d: int, scale: float, rate: float) -> None:
    goal, X, y, w = problem(500, d, scale, rate)
    rng = np.random.default_rng(1)

    def sampled() -> float:
        masks = (rng.random((1000, d)) < rate) / rate
        predictor = (masks * w) @ X.T
        return float((np.logaddexp(0, predictor) - y * predictor).sum() / 1000)

    exact, fit = goal.value(w), float((np.logaddexp(0, X @ w) - y * (X @ w)).sum())
    mine, theirs = best(lambda: goal.value(w), sampled)
    slopes, _ = best(lambda: goal.gradient(w), lambda: None)
    benchmark.extra_info.update(
        against="1000 masks shared by all examples", ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs,
        gradient_over_value=slopes / mine, peer_error_of_regularizer=abs(sampled() - exact) / (exact - fit),
    )  # fmt: skip
    benchmark.pedantic(lambda: goal.value(w), rounds=2)


def test_one_example_of_22_units_against_enumeration(benchmark: Any) -> None:
    goal, X, _, w = problem(1, 22, 1.0, 0.5)
    a, mean = X[0] * w, float(X[0] @ w)

    def enumerated() -> float:
        halves = []
        for part in (a[:11], a[11:]):
            values = np.zeros(1)
            for step in part:
                values = np.concatenate((values - step, values + step))
            halves.append(values)
        z = mean + np.add.outer(*halves).ravel()
        return float(np.logaddexp(0, z).mean() - np.logaddexp(0, mean))

    mine, theirs = best(lambda: goal.regularizers(w), enumerated)
    benchmark.extra_info.update(against="2^22 outcomes", ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs,
                                error=abs(float(goal.regularizers(w)[0]) / enumerated() - 1))  # fmt: skip
    benchmark.pedantic(lambda: goal.regularizers(w), rounds=2)

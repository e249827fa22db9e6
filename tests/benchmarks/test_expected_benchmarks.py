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

from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.classes import ClassesObjective
from etatrick.numerics.expected.enumeration import Enumeration, Switches
from etatrick.numerics.expected.halves import SortedHalves
from etatrick.numerics.expected.minimizer import minimize_expected_loss
from etatrick.numerics.expected.objective import ExpectedObjective
from etatrick.numerics.expected.perturbation import posed
from etatrick.numerics.losses import Huber
from etatrick.theory import penalties
from etatrick.theory.noise import Bernoulli, Gaussian

Array = NDArray[np.float64]
pytestmark = pytest.mark.slow


def problem(n: int, d: int, scale: float, rate: float) -> tuple[ExpectedObjective, Array, Array, Array]:
    """Return the objective, X, y and weights whose predictor has standard deviation `scale`."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((n, d)), scale * rng.standard_normal(d) / np.sqrt(d)
    y = rng.integers(0, 2, n).astype(np.float64)
    return ExpectedObjective(posed(X, y, Bernoulli(d, rate), "logistic")), X, y, w


def best(call: Callable[[], Any], other: Callable[[], Any], rounds: int = 7) -> tuple[float, float]:
    """Return the best processor times of two calls, run in turns."""
    call(), other()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for kept, run in zip(times, (call, other), strict=True):
            begin = time.process_time()
            run()
            kept.append(time.process_time() - begin)
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

    mine, theirs = best(lambda: [goal.regularizers(w) for _ in range(20)], enumerated)
    mine /= 20
    benchmark.extra_info.update(against="2^22 outcomes", ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs,
                                error=abs(float(goal.regularizers(w)[0]) / enumerated() - 1))  # fmt: skip
    benchmark.pedantic(lambda: goal.regularizers(w), rounds=2)


def test_huber_by_sorted_halves_against_enumeration(benchmark: Any) -> None:
    rng = np.random.default_rng(0)
    law = TwoPoint(np.ones(18))
    y, mean, a = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal((4, 18)) / 4
    fast, whole = SortedHalves(1.0, law), Enumeration(Huber(1.0), Switches(law))
    mine, theirs = best(lambda: fast.slopes(y, mean, a), lambda: whole.slopes(y, mean, a), 3)
    error = float(np.abs(fast.values(y, mean, a) / whole.values(y, mean, a) - 1).max())
    benchmark.extra_info.update(against="2^18 outcomes", ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs,
                                error=error)  # fmt: skip
    benchmark.pedantic(lambda: fast.slopes(y, mean, a), rounds=2)


def test_three_classes_under_gaussian_noise_against_a_thousand_draws(benchmark: Any) -> None:
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((500, 100)), rng.standard_normal((100, 3)) / 10
    goal = ClassesObjective(posed(X, np.arange(500) % 3, Gaussian(100, 0.5), "multinomial"))

    def sampled() -> float:
        drawn = 1 + np.sqrt(0.5) * rng.standard_normal((1000, 100))
        Z = np.stack([(drawn * column) @ X.T for column in W.T])
        return float(np.logaddexp(np.logaddexp(Z[0], Z[1]), Z[2]).sum() / 1000)

    mine, theirs = best(lambda: goal.value(W), sampled, 3)
    benchmark.extra_info.update(against="1000 draws", ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs)
    benchmark.pedantic(lambda: goal.value(W), rounds=2)


@pytest.mark.parametrize("name", ["none", "ridge", "l1"])
def test_dropout_logistic_regression_in_evaluations(benchmark: Any, name: str) -> None:
    """A minimiser's cost in multiples of one gradient."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((500, 100)), rng.standard_normal(100) / 5
    y = (rng.random(500) < 1 / (1 + np.exp(-X @ w))) * 1.0
    penalty, lam = {"none": (None, 0.0), "ridge": (penalties["ridge"](c=1), 2.0), "l1": (penalties["l1"](k=1), 5.0)}[
        name
    ]
    goal = ExpectedObjective(posed(X, y, Bernoulli(100, 0.5), "logistic"))

    def solved() -> Any:
        return minimize_expected_loss(X, y, Bernoulli(100, 0.5), "logistic", penalty=penalty, lam=lam,
                                      fit_intercept=True, tol=1e-10)  # fmt: skip

    found = solved()
    mine, theirs = best(solved, lambda: goal.gradient(found.coef), 3)
    benchmark.extra_info.update(against="one gradient", ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs,
                                relative_gap=found.gap / found.objective, steps=found.iterations)  # fmt: skip
    benchmark.pedantic(lambda: None, rounds=1)

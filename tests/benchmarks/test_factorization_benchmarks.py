"""Speed of closed-form minimisers, balanced factors and completion, as ratios to peers in the same run.

Disabled by default. Run them with ``pytest tests/benchmarks --benchmark-only --benchmark-enable``; each stores
``ratio`` (our best time over the peer's, both the best of several interleaved calls) and the error beside it.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.completion import complete_matrix
from etatrick.numerics.factorization import dropblock_minimizer, matrix_factorization_path

Array = NDArray[np.float64]
pytestmark = pytest.mark.slow


def best(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the shortest time of each call, taken in turns after one call that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(rounds + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            if index:
                times[name].append(time.perf_counter() - begin)
    return {name: min(taken) for name, taken in times.items()}


@pytest.mark.parametrize("size", [200, 500, 1000, 2000])
@pytest.mark.parametrize("block_size", [1, 10])
def test_closed_form_against_one_decomposition(benchmark: Any, size: int, block_size: int) -> None:
    """The product and its verdict, beside one full singular value decomposition.

    Target 1.1; 0.6 where the Gram matrix serves and its size makes up for fixed costs.
    """
    Y = np.random.default_rng(0).standard_normal((size, size))

    def ours() -> object:
        found = dropblock_minimizer(Y, block_size, 0.5)
        return found.product, found.exact

    peer = {"svd": lambda: np.linalg.svd(Y, full_matrices=False), "ours": ours}
    times = best(peer, {200: 20, 500: 7, 1000: 3, 2000: 1}[size])
    benchmark.pedantic(ours, rounds=1)
    found = dropblock_minimizer(Y, block_size, 0.5)
    gap, target = found.certificate().relative_gap, 1.1 if found.given is None or size < 500 else 0.6
    benchmark.extra_info.update(ratio=times["ours"] / times["svd"], target=target, relative_gap=gap)
    assert abs(gap) <= 1e-12


@pytest.mark.parametrize("block_size", [1, 10])
def test_balanced_factors_against_one_decomposition(benchmark: Any, block_size: int) -> None:
    Y = np.random.default_rng(0).standard_normal((500, 500))
    rounds = {
        "svd": lambda: np.linalg.svd(Y, full_matrices=False),
        "ours": lambda: dropblock_minimizer(Y, block_size, 0.5).factors,
    }
    times = best(rounds, 3)
    benchmark.pedantic(rounds["ours"], rounds=1)
    benchmark.extra_info.update(ratio=times["ours"] / times["svd"])


def test_path_of_fifty_against_one_decomposition(benchmark: Any) -> None:
    """Fifty retain probabilities from one decomposition, each at its own least width that is proved to suffice."""
    Y = np.random.default_rng(0).standard_normal((500, 500))
    grid = np.linspace(0.02, 0.98, 50).tolist()

    def ours() -> object:
        return [found.singular_values for found in matrix_factorization_path(Y, 5, grid)]

    times = best({"svd": lambda: np.linalg.svd(Y, full_matrices=False), "ours": ours}, 3)
    benchmark.pedantic(ours, rounds=1)
    benchmark.extra_info.update(ratio=times["ours"] / times["svd"])


@pytest.mark.parametrize("block_size", [1, 4])
def test_closed_form_against_a_semidefinite_program(benchmark: Any, block_size: int) -> None:
    """20 × 20, the same objective; target: 500 times faster."""
    import cvxpy as cp

    Y = np.random.default_rng(0).standard_normal((20, 20))
    A = cp.Variable((20, 20))
    theta, weight = cp.Variable((20, 20), symmetric=True), cp.Variable((20, 20), symmetric=True)
    cone = [cp.bmat([[theta, A], [A.T, weight]]) >> 0, theta << np.eye(20), cp.trace(theta) <= block_size]
    problem: Any = cp.Problem(cp.Minimize(cp.sum_squares(Y - A) + cp.trace(weight)), cone)
    begin = time.perf_counter()
    problem.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10, tol_feas=1e-10)
    peer = time.perf_counter() - begin

    def ours() -> float:
        return dropblock_minimizer(Y, block_size, 0.5).objective

    times = best({"ours": ours}, 20)
    value = benchmark.pedantic(ours, rounds=1)
    error = abs(value - float(problem.value)) / value
    benchmark.extra_info.update(ratio=times["ours"] / peer, target=1 / 500, relative_error=error)
    assert error <= 1e-8


def test_completion_of_digits_in_decompositions(benchmark: Any) -> None:
    """Half of 1,797 × 64 entries, relative gap 1e-8, in units of one decomposition of that matrix."""
    from sklearn.datasets import load_digits

    Y = load_digits().data / 16
    mask = np.random.default_rng(0).random(Y.shape) < 0.5

    def ours() -> object:
        return complete_matrix(Y, mask, 4, 1.0)

    times = best({"svd": lambda: np.linalg.svd(Y, full_matrices=False), "ours": ours}, 1)
    fit = complete_matrix(Y, mask, 4, 1.0)
    benchmark.pedantic(ours, rounds=1)
    info = {"ratio": times["ours"] / times["svd"], "iterations": fit.iterations, "relative_gap": fit.relative_gap}
    benchmark.extra_info.update(info)
    assert fit.relative_gap <= 1e-8

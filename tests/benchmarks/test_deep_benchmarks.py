"""Speed of the deep dropout optimum as a ratio to a general solver in the same run; figures, not verdicts."""

import time
from statistics import median
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from etatrick.numerics.deep.allocation import allocate
from etatrick.numerics.deep.layers import read_layers

Array = NDArray[np.float64]

pytestmark = pytest.mark.slow
WIDTHS = (256, 200, 128, 300)


@pytest.mark.parametrize("odds", [0.1, 1.0])
def test_depth_four_with_64_values(benchmark: Any, odds: float) -> None:
    """One run of L-BFGS on softmax budgets, without any guarantee, is the peer."""
    m = np.sort(np.random.default_rng(0).uniform(0, 1, 64))[::-1]
    layers = read_layers(WIDTHS, odds)
    widths = np.array(WIDTHS, float)

    def value(x: Array) -> tuple[float, Array]:
        share = np.exp(x.reshape(64, 4) - x.reshape(64, 4).max(0))
        share /= share.sum(0)
        h = widths * share
        kept = (h / (h + odds)).prod(1)
        slope = -(m**2 * kept)[:, None] * odds / (h + odds)
        return -float(m**2 @ kept), (slope - share * slope.sum(0)).ravel()

    def peer() -> float:
        start = np.repeat(2 * np.log(m)[:, None], 4, 1).ravel()
        return float(minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": 3000, "ftol": 1e-15}).fun)

    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(5):
        for name, run in (("ours", lambda: allocate(m, layers)), ("peer", peer)):
            begin = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begin)
    found = allocate(m, layers)
    excess = float((m**2).sum()) + peer() - found.best.objective
    assert found.certificate.gap <= 1e-12
    assert min(times["ours"]) < 0.1
    mine, theirs = median(times["ours"]), median(times["peer"])
    benchmark.extra_info.update(
        ours_ms=1e3 * mine,
        peer_ms=1e3 * theirs,
        ratio=mine / theirs,
        certificate=found.certificate.gap,
        peer_excess=excess,
    )
    benchmark.pedantic(lambda: allocate(m, layers), rounds=3)

"""Ratios of step times as medians over fresh networks: where a network lies in memory moves its steps by per cents."""

import time
from collections.abc import Callable
from statistics import quantiles
from typing import Any, Final

import torch

Step = Callable[[], None]
NETWORKS: Final = 16  # of each kind, one after another
ROUNDS: Final = 8  # steps of each, interleaved, of which the fastest counts


def least_times(steps: list[Step], rounds: int = ROUNDS) -> list[float]:
    """Return the least processor time of each of several interleaved calls on one thread, in seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        least = [float("inf")] * len(steps)
        for _ in range(rounds):
            for index, step in enumerate(steps):
                begin = time.process_time()
                step()
                least[index] = min(least[index], time.process_time() - begin)
    finally:
        torch.set_num_threads(threads)
    return least


def record_ratio(benchmark: Any, noisy: Callable[[], Step], plain: Callable[[], Step], goal: float | None) -> float:
    """Return the median ratio of fresh networks' steps, and note it beside its quartiles and that of plain networks.

    The last, `control`, is 1 but for what moves the others too. Where benchmarks are disabled two networks are timed.
    """
    ratios, controls = [], []
    for _ in range(2 if benchmark.disabled else NETWORKS):
        ours, one, other = least_times([noisy(), plain(), plain()])
        ratios.append(2 * ours / (one + other))
        controls.append(other / one)
    low, ratio, high = quantiles(ratios, n=4)
    spread = f"{low:.3f} to {high:.3f}"
    benchmark.extra_info.update(ratio=ratio, goal=goal, spread=spread, control=quantiles(controls, n=4)[1])
    benchmark.pedantic(noisy(), rounds=3, warmup_rounds=1)
    return ratio

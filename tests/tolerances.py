"""The tolerance classes of the test-suite: every comparison of numbers names one of these."""

from typing import Final

EXACT: Final = 0.0
"""A symbolic zero, or equality of exact numbers: nothing is given away."""

FLOAT64: Final = 1e-10
"""Two routes to one number in double precision, scaled by 1 + |v|."""

SOLVER: Final = 1e-6
"""Agreement with a foreign solver, scaled by 1 + |v|."""

CERTIFICATE: Final = 1e-12
"""Our own optimality certificates, relative to the objective."""

MC: Final = 4.0
"""Monte Carlo: |z| stays below this, with the number of samples fixed in advance."""

TRAIN: Final = 0.05
"""Trained networks: the largest probability of a false alarm; margins are stated before the run."""


def close(value: float, reference: float, tolerance: float = FLOAT64) -> bool:
    """Whether `value` agrees with `reference` within `tolerance` scaled by 1 + |reference|."""
    return bool(abs(value - reference) <= tolerance * (1 + abs(reference)))

"""What the correct and the published dual of log-sum impose: ½ min over η of w²/η + f(η), without any training."""

import math
from collections.abc import Callable
from typing import Final

from etatrick.validation.experiments.lenet_recipes import EPSILON

SIZES: Final = (0.01, 0.1, 1.0, 5.0)


def imposed_penalties() -> list[tuple[float, float, float, float]]:
    """Return rows (w, log(1 + w/ε), the correct dual's penalty, the published dual's), by numerical minimisation.

    Both duals are taken from their formulas, less f(0), so that the penalties are 0 at 0.

    Returns
    -------
    list of tuple

    Examples
    --------
    >>> [round(x, 4) for x in imposed_penalties()[2]]
    [1.0, 0.4055, 0.4055, 0.2233]
    """
    return [(size, math.log1p(size / EPSILON), _least(size, correct), _least(size, published)) for size in SIZES]


def correct(eta: float) -> float:
    """Return f(η) − f(0) = 2 log((S+ε)/2ε) − (S−ε)/(S+ε) with S = √(ε²+4η)."""
    grown, ratio = _parts(eta)
    return grown - ratio


def published(eta: float) -> float:
    """Return the published code's f(η) − f(0), whose second term is doubled."""
    grown, ratio = _parts(eta)
    return grown - 2 * ratio


def _parts(eta: float) -> tuple[float, float]:
    excess = 4 * eta / (math.sqrt(EPSILON**2 + 4 * eta) + EPSILON)  # S − ε without cancellation
    return 2 * math.log1p(excess / (2 * EPSILON)), excess / (excess + 2 * EPSILON)


def _least(size: float, dual: Callable[[float], float]) -> float:
    from scipy.optimize import minimize_scalar

    def objective(log_eta: float) -> float:
        eta = math.exp(log_eta)
        return 0.5 * (size**2 / eta + dual(eta))

    return float(minimize_scalar(objective, bounds=(-20, 15), method="bounded", options={"xatol": 1e-10}).fun)

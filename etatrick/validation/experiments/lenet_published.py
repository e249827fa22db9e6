"""What was published for LeNet-300-100 on MNIST: seven methods, one seed each, and the epochs of their cliffs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from etatrick.validation.experiments import lenet_recipes as recipes


@final
@dataclass(frozen=True)
class Reported:
    """One row of the published table, from the authors' notebook outputs.

    Parameters
    ----------
    test_error, nonzero : float
        Fractions, after pruning weights whose retain probability is below 0.05.
    validation_error : float
        Fraction, after the last epoch.
    first_zero : int or None
        The epoch after which a weight is zero for the first time, where the logs show it.
    note : str
    """

    test_error: float
    nonzero: float
    validation_error: float
    first_zero: int | None
    note: str


TABLE: Final[Mapping[str, Reported]] = {
    recipes.VAR_DROP_AR: Reported(0.0321, 0.0238, 0.0373, 1, "81 % zeros after the first epoch"),
    recipes.VAR_DROP_LR: Reported(0.0141, 0.0885, 0.0172, 31, "cliff at epoch 31"),
    recipes.VAR_DROP: Reported(0.0154, 0.5946, 0.0159, 31, "slow"),
    recipes.ETA_PUBLISHED: Reported(0.0216, 0.0513, 0.0229, 23, "cliff at epochs 24–26"),
    recipes.ADA_PROX: Reported(0.0294, 0.0276, 0.0333, 1, "65 % zeros after the first epoch"),
    recipes.ADA_TIKHONOV: Reported(0.0288, 0.0183, 0.0308, None, "non-zeros .109, .088, .018 at epochs 100, 150, 200"),
    recipes.LOG_SUM: Reported(0.0293, 0.0190, 0.0308, None, "non-zeros .114, .091, .019 at epochs 100, 150, 200"),
}
TEST_SAMPLES: Final = 10_000
GAPS: Final = {
    "mean": 0.0072,
    "largest": 0.0193,
}  # of the non-zero fractions of LogSum and AdaTikhonov, over the epochs
TRAVEL: Final = recipes.START + math.log(19)  # from the start of z or −log a to a retain probability of 0.05


def predicted_epoch(rate: float, steps: int, epochs: int) -> float:
    r"""Return the epoch by which a log variable that moves one learning rate per step has become a zero.

    Adam's step is about as long as its rate while the gradient keeps its sign and size. With a rate that falls
    linearly, the way after t epochs is :math:`\gamma n (t - t(t-1)/2E)` for n steps per epoch and E epochs; it must
    reach 5 + log 19 = 7.94.

    Parameters
    ----------
    rate : float
        γ, the first learning rate of the log variable.
    steps, epochs : int
        n and E.

    Returns
    -------
    float
        ``inf`` if the way is too long for the run.

    Examples
    --------
    >>> round(predicted_epoch(1e-3, 375, 200), 1)
    22.4
    """
    # t² − (2E+1)t + 2E·TRAVEL/(γn) = 0
    half, product = epochs + 0.5, 2 * epochs * TRAVEL / (rate * steps)
    root = half * half - product
    return half - math.sqrt(root) if root >= 0 else math.inf

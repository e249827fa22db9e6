"""The slope of the divergence from the log-uniform prior: all that training by hand-written gradients needs."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from etatrick.validation.dawson_series import value
from etatrick.validation.layers.divergence import MOLCHANOV


class DivergenceSlope(ABC):
    """dKL/d log a for KL(a), the divergence of N(w, aw²) from the log-uniform prior; a is the variance of the noise."""

    @abstractmethod
    def __call__(self, log_variance: Tensor) -> Tensor:
        """Return dKL/d log a elementwise, a negative number, as a new tensor."""


@final
@dataclass(frozen=True)
class MolchanovSlope(DivergenceSlope):
    r"""The slope of the published fit, :math:`-k_1k_3\sigma(x)\sigma(-x)-\tfrac12\sigma(-\log a)`, x = k₂ + k₃ log a.

    Molchanov, Ashukha and Vetrov (2017), equation 14.

    Examples
    --------
    >>> MolchanovSlope()(torch.tensor([0.0]))
    tensor([-0.3591])
    """

    def __call__(self, log_variance: Tensor) -> Tensor:
        """Return dKL/d log a elementwise."""
        k1, k2, k3 = MOLCHANOV
        level = torch.sigmoid(k2 + k3 * log_variance)
        return torch.sigmoid(-log_variance).mul_(-0.5).sub_(level * (1 - level), alpha=k1 * k3)


@final
@dataclass(frozen=True)
class ExactSlope(DivergenceSlope):
    r"""The exact slope, :math:`-s\,D(s)` with :math:`s=1/\sqrt{2a}` and Dawson's integral D.

    Examples
    --------
    >>> ExactSlope()(torch.tensor([0.0]))
    tensor([-0.3624])
    """

    def __call__(self, log_variance: Tensor) -> Tensor:
        """Return dKL/d log a elementwise."""
        argument = torch.exp(-0.5 * log_variance) / math.sqrt(2)
        return -argument * value(argument)

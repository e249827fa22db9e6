"""Dropout at one fixed rate on every weight: the negative control of the adaptive methods."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from etatrick.validation.layers import FixedRate
from etatrick.validation.methods.training import Method, Training, adam
from etatrick.validation.network import StackedNetwork


@final
@dataclass(frozen=True)
class FixedRateDropout(Method):
    """Dropout on the weights at one retain probability: the negative control."""

    retain: float
    name: str = "fixed rate"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        mask = FixedRate(self.retain)

        def masked(weight: Tensor) -> Tensor:
            return torch.stack([part * mask.draw(part, g) for part, g in zip(weight, generators, strict=True)])

        def alphas() -> list[Tensor]:
            return [torch.full_like(weight, self.retain) for weight in network.weights]

        def weights() -> list[Tensor]:
            return [masked(weight) for weight in network.weights]

        return Training(adam(network, learning_rate), weights, retain_probabilities=alphas)

"""Multilayer perceptrons with the parameters of many seeds stacked, so that one matmul serves them all."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn


@final
@dataclass(frozen=True)
class StackedNetwork:
    """ReLU networks of one shape, one per seed.

    Parameters
    ----------
    weights : list of Tensor, shape (seeds, fan_in, fan_out)
    biases : list of Tensor, shape (seeds, 1, fan_out)

    Examples
    --------
    >>> net = StackedNetwork.initialised((4, 3, 2), seeds=[0, 1])
    >>> net(torch.ones(2, 5, 4)).shape
    torch.Size([2, 5, 2])
    """

    weights: list[nn.Parameter]
    biases: list[nn.Parameter]

    @classmethod
    def initialised(cls, widths: tuple[int, ...], seeds: list[int], device: str = "cpu") -> "StackedNetwork":
        """Return networks with weights uniform in ±1/√fan_in and biases 0; one generator per seed."""
        generators = [torch.Generator().manual_seed(s) for s in seeds]
        weights, biases = [], []
        for fan_in, fan_out in pairwise(widths):
            drawn = torch.stack([torch.rand((fan_in, fan_out), generator=g) for g in generators])
            weights.append(nn.Parameter(((2 * drawn - 1) / math.sqrt(fan_in)).to(device)))
            biases.append(nn.Parameter(torch.zeros(len(seeds), 1, fan_out, device=device)))
        return cls(weights, biases)

    @property
    def size(self) -> int:
        """Number of weights (without biases) of one network."""
        return sum(weight[0].numel() for weight in self.weights)

    def __call__(self, inputs: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """Return logits, shape (seeds, batch, classes), for `inputs` of shape (seeds, batch, features).

        Parameters
        ----------
        inputs : Tensor
        weights : list of Tensor, optional
            Used instead of the network's own, e.g. masked ones.
        """
        hidden = inputs
        for index, (weight, bias) in enumerate(zip(weights or self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            if index < len(self.weights) - 1:
                hidden = hidden.relu()
        return hidden

    def nonzero_fraction(self, threshold: float) -> Tensor:
        """Return the fraction of weights with |w| > threshold, one number per seed."""
        counts = sum((weight.detach().abs() > threshold).sum((1, 2)) for weight in self.weights)
        assert isinstance(counts, Tensor)
        return counts / self.size

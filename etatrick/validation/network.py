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
    def members(self) -> int:
        """Number of networks."""
        return int(self.weights[0].shape[0])

    def part(self, first: int, last: int) -> "StackedNetwork":
        """Return the networks first, …, last − 1 as a stack that shares their storage, with gradients of its own.

        Examples
        --------
        >>> net = StackedNetwork.initialised((4, 3, 2), seeds=[0, 1, 2])
        >>> net.part(1, 3)(torch.ones(2, 5, 4)).shape
        torch.Size([2, 5, 2])
        """
        weights, biases = ([nn.Parameter(p.data[first:last]) for p in stack] for stack in (self.weights, self.biases))
        return StackedNetwork(weights, biases)

    def finite(self) -> Tensor:
        """Tell for each network whether all its weights are finite, shape (members,)."""
        bounds = [torch.stack(weight.detach().flatten(1).aminmax(dim=1)) for weight in self.weights]
        return torch.cat(bounds).isfinite().all(0)  # both bounds are NaN where a weight is

    def error(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Return the fraction of samples misclassified, one number per network, for `inputs` (n, features)."""
        with torch.no_grad():
            wrong = self(inputs.expand(self.members, -1, -1)).argmax(-1) != labels
        return wrong.to(torch.float64).mean(1)

    def mean_size(self) -> Tensor:
        """Return the mean |w| of each network."""
        total = torch.stack([weight.detach().abs().sum((1, 2)) for weight in self.weights]).sum(0)
        return total / self.size

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

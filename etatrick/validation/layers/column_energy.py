"""Squared lengths of the columns of a batch: its own, or a running mean."""

from abc import ABC, abstractmethod
from typing import Final, final

import torch
from torch import Tensor, nn

from etatrick.theory.parameters import Parameter

MOMENTUM: Final = Parameter("momentum", 0, 1, "[", meaning="share of the past in the running mean")


class Energy(nn.Module, ABC):
    """What stands for the squared length s_j² = ‖X_j‖² of each input's column."""

    @abstractmethod
    def squares(self, input: Tensor) -> Tensor:
        """Return s² for a batch, shape (units,), not differentiated."""

    @abstractmethod
    def update(self, input: Tensor) -> None:
        """Take note of a training batch."""


@final
class BatchEnergy(Energy):
    """The lengths of the batch itself.

    Examples
    --------
    >>> BatchEnergy().squares(torch.tensor([[3.0, 1.0], [4.0, 0.0]]))
    tensor([25.,  1.])
    """

    def squares(self, input: Tensor) -> Tensor:
        """Return ‖X_j‖²."""
        return column_squares(input.detach().reshape(-1, input.shape[-1]))

    def update(self, input: Tensor) -> None:
        """Keep nothing."""


@final
class RunningEnergy(Energy):
    """Lengths from a running mean of x², times the number of rows: they do not jump from batch to batch.

    Parameters
    ----------
    units : int
        Number of inputs.
    momentum : float
        Share of the past, in [0, 1); the first batch is taken as it is.

    Examples
    --------
    >>> energy = RunningEnergy(2, momentum=0.5)
    >>> energy.update(torch.tensor([[2.0, 0.0]]))
    >>> energy.update(torch.tensor([[0.0, 2.0]]))
    >>> energy.mean_square
    tensor([2., 2.])
    """

    mean_square: Tensor
    batches: Tensor

    def __init__(self, units: int, momentum: float = 0.9) -> None:
        super().__init__()
        MOMENTUM.exact(momentum)
        self.momentum = float(momentum)
        self.register_buffer("mean_square", torch.zeros(units))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def squares(self, input: Tensor) -> Tensor:
        """Return rows · mean x²; those of the batch before the first update."""
        rows = input.detach().reshape(-1, input.shape[-1])
        return torch.where(self.batches > 0, len(rows) * self.mean_square.to(rows), column_squares(rows))

    def update(self, input: Tensor) -> None:
        """Move the running mean towards the batch."""
        with torch.no_grad():
            rows = input.reshape(-1, input.shape[-1]).to(self.mean_square)
            fresh = column_squares(rows) / len(rows)
            share = self.momentum * (self.batches > 0).to(fresh)
            self.mean_square.copy_(share * self.mean_square + (1 - share) * fresh)
            self.batches.add_(1)


def column_squares(matrix: Tensor) -> Tensor:
    """Return the sum of squares of each column, by blocks of rows that stay in the cache unless a graph is kept.

    Examples
    --------
    >>> column_squares(torch.tensor([[3.0, 1.0], [4.0, 0.0]]))
    tensor([25.,  1.])
    """
    if torch.is_grad_enabled() and matrix.requires_grad:
        return matrix.square().sum(0)
    first, *others = torch.split(matrix, max(64, len(matrix) // 16))
    total: Tensor = first.square()
    for block in others:
        total[: len(block)].addcmul_(block, block)
    return total.sum(0)

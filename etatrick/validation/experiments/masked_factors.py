"""Two-layer linear networks trained by gradient descent under masks on blocks of hidden units, many in one batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class BlockMasks:
    """Masks of C settings, drawn for every example and block: kept with probability θ, scaled by 1/θ.

    Parameters
    ----------
    owners : Tensor of int64, shape (C, d)
        The block that each hidden unit belongs to.
    retains : Tensor, shape (C,)
        θ in (0, 1].
    """

    owners: Tensor
    retains: Tensor

    @property
    def width(self) -> int:
        """The number d of hidden units."""
        return self.owners.shape[1]

    def draw(self, generators: list[torch.Generator], examples: int) -> Tensor:
        """Return masks of shape (C, S, examples, d), one generator per seed; the settings share their uniforms."""
        device, kind = self.retains.device, self.retains.dtype
        uniforms = torch.stack([torch.rand((examples, self.width), generator=g, dtype=kind) for g in generators])
        chosen = uniforms.to(device)[:, :, self.owners].movedim(2, 0)
        theta = self.retains[:, None, None, None]
        return (chosen < theta).to(kind) / theta

    def same_block(self) -> Tensor:
        """Return 1 where two units share a block, else 0, shape (C, 1, d, d)."""
        return (self.owners[:, None, :, None] == self.owners[:, None, None, :]).to(self.retains.dtype)


def masked_loss(target: Tensor, U: Tensor, V: Tensor, masks: Tensor) -> Tensor:
    """Return ‖Y − U diag(z)Vᵀ‖² with a mask per column of Y, shape (C, S).

    Parameters
    ----------
    target : Tensor, shape (a, N)
    U, V : Tensor, shapes (C, S, a, d) and (C, S, N, d)
    masks : Tensor, shape (C, S, N, d)
    """
    return ((target - U @ (masks * V).mT) ** 2).sum((-2, -1))


def expected_loss(target: Tensor, U: Tensor, V: Tensor, covariance: Tensor) -> Tensor:
    """Return ‖Y − UVᵀ‖² + ⟨C̄, (UᵀU)∘(VᵀV)⟩, shape (C, S), for C̄ of shape (C, 1, d, d)."""
    residual = ((target - U @ V.mT) ** 2).sum((-2, -1))
    return residual + (covariance * (U.mT @ U) * (V.mT @ V)).sum((-2, -1))


def train_factors(
    target: Tensor,
    masks: BlockMasks,
    generators: list[torch.Generator],
    *,
    steps: int,
    step_size: float,
    watch: Callable[[int, Tensor, Tensor], None] = lambda step, U, V: None,
) -> tuple[Tensor, Tensor]:
    """Minimise ‖Y − U diag(z̄)Vᵀ‖² by stochastic gradient descent with fresh masks at every step.

    The step size is 2·step_size·θ/(‖Y‖(1 + 24t/T)): the jumps 1/θ of the masks need small steps, and 1/t lets the noise
    die out.

    Parameters
    ----------
    target : Tensor, shape (a, N)
    masks : BlockMasks
    generators : list of Generator
        One per seed; it gives the initial factors and then the masks.
    steps : int
    step_size : float
        Relative to the spectral norm of the target.
    watch : callable
        Told the step and the factors before each step.

    Returns
    -------
    U : Tensor, shape (C, S, a, d)
    V : Tensor, shape (C, S, N, d)

    Examples
    --------
    >>> one = BlockMasks(torch.zeros(1, 2, dtype=torch.long), torch.tensor([0.9]))
    >>> U, V = train_factors(torch.eye(3), one, [torch.Generator().manual_seed(0)], steps=2, step_size=0.1)
    >>> U.shape, V.shape
    (torch.Size([1, 1, 3, 2]), torch.Size([1, 1, 3, 2]))
    """
    rows, examples = target.shape
    norm = float(torch.linalg.matrix_norm(target, 2))
    scale = (norm / masks.width) ** 0.5
    drawn = [
        torch.stack([torch.randn((size, masks.width), generator=g, dtype=target.dtype) for g in generators])
        for size in (rows, examples)
    ]
    first, second = (scale * start.to(target.device) / start.shape[1] ** 0.5 for start in drawn)
    settings = len(masks.retains)
    U, V = first.repeat(settings, 1, 1, 1), second.repeat(settings, 1, 1, 1)
    rate = (2 * step_size / norm) * masks.retains[:, None, None, None]
    for step in range(steps):
        watch(step, U, V)
        z = masks.draw(generators, examples)
        hidden = z * V
        residual = target - U @ hidden.mT
        now = rate / (1 + 24 * step / steps)
        U, V = U + now * (residual @ hidden), V + now * (residual.mT @ U) * z  # both from the old factors
    return U, V

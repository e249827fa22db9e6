"""Bernoulli gates on the inputs of a dense layer at their closed-form optimum, whose penalty is CEL0."""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.base import Atoms, NoisyWeights
from etatrick.validation.torch_compile import torch_function

LAM: Final = Parameter("lam", meaning="price of an open gate")
MOMENTUM: Final = Parameter("momentum", 0, 1, "[", meaning="share of the past in the running mean")


MOST: Final = 0.7
"""Share of open gates up to which products without the closed columns pay for copying the open ones."""


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
            fresh = input.reshape(-1, input.shape[-1]).square().mean(0).to(self.mean_square)
            share = self.momentum * (self.batches > 0).to(fresh)
            self.mean_square.copy_(share * self.mean_square + (1 - share) * fresh)
            self.batches.add_(1)


class _Gated(NoisyWeights):
    r"""A dense layer with a gate on each input, open with probability :math:`\hat\pi_j = \min(1, t_j/\sqrt{2\lambda})`.

    :math:`t_j = s_j\lVert\beta_j\rVert` with β_j the weights that leave input j and s_j its length; π̂ minimises
    :math:`\tfrac12 t^2(1-\pi)/\pi + \lambda\pi`, and the minimum is CEL0, ``strategies["bernoulli_l0"](kappa=λ)``.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        lam: float,
        energy: Energy | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        LAM.exact(lam)
        plain = nn.Linear(in_features, out_features, bias)
        self.weight, self.bias, self.generator = plain.weight, plain.bias, generator
        self.lam, self.energy = float(lam), BatchEnergy() if energy is None else energy

    def extra_repr(self) -> str:
        """Show the price."""
        return f"{self.weight.shape[1]} inputs, {self.weight.shape[0]} outputs, lam={self.lam:g}"

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer; training batches go into the energy first."""
        if not self.training:
            return self.clean(input)
        self.energy.update(input)
        return self.perturbed(input, self.noise(input))

    def retained(self, input: Tensor) -> Tensor:
        """Return π̂, shape (in_features,), not differentiated."""
        with torch.no_grad():
            squares = column_squares(self.weight).mul_(self.energy.squares(input))
            return squares.div_(2 * self.lam).sqrt_().clamp_max_(1)

    def cel0(self, input: Tensor) -> Tensor:
        """Return Σ CEL0(s_j‖β_j‖), differentiable in the weights."""
        lengths = self.energy.squares(input).sqrt() * torch.linalg.vector_norm(self.weight, dim=0)
        total: Tensor = _cel0(self.lam)(lengths).sum()
        return total

    def clean(self, input: Tensor) -> Tensor:
        """Return the plain layer: weights are those of the mean."""
        return linear(input, self.weight, self.bias)

    def mean(self, input: Tensor) -> Tensor:
        """Return the plain layer."""
        return self.clean(input)


@final
class SampledGatesLinear(_Gated):
    r"""Gates at their closed-form optimum, drawn once per input and pass: x z/π̂ with z ~ Bern(π̂), π̂ held constant.

    The expected gradient is that of fit + CEL0, with lengths of the batch; with running ones each term is weighted by
    the batch's share s²/ŝ². Weights of exactly 0 stay 0.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``.
    lam : float
        Price λ > 0 of an open gate, for a squared loss ½‖·‖² summed over the batch.
    energy : Energy, optional
        :class:`BatchEnergy` (default) or :class:`RunningEnergy`.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If `lam` is not a finite number > 0, or `momentum` lies outside [0, 1).

    Examples
    --------
    >>> layer = SampledGatesLinear(2, 1, lam=0.5, bias=False)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[0.25, 3.0]])})
    >>> layer.retained(torch.ones(1, 2))
    tensor([0.2500, 1.0000])
    """

    def noise(self, input: Tensor) -> Tensor:
        """Draw a uniform number for each input, in double precision."""
        source = input.device if self.generator is None else self.generator.device
        shape = (self.weight.shape[1],)
        return torch.rand(shape, generator=self.generator, dtype=torch.float64, device=source).to(input.device)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the layer at x z/π̂; closed columns are left out of the products where that is faster."""
        pi = self.retained(input)
        is_open = noise < pi
        if _values_may_decide_shapes(input):
            chosen = is_open.nonzero().squeeze(1)
            if len(chosen) <= MOST * len(pi):
                scaled = input.index_select(-1, chosen) * pi[chosen].reciprocal_().to(input.dtype)
                return linear(scaled, self.weight.index_select(1, chosen), self.bias)
        scale = torch.where(is_open, 1 / pi, 0.0)
        return linear(input * scale.to(input.dtype), self.weight, self.bias)

    def covariance(self, input: Tensor) -> Tensor:
        """Return Σ_j (1−π̂_j)/π̂_j x_j² β_j β_jᵀ for each example."""
        return torch.einsum("j,nj,oj,pj->nop", self._odds(input), input.square(), self.weight, self.weight)

    def penalty(self, input: Tensor) -> Tensor:
        """Return CEL0 with the weights' gradient of training; that of the input is the reweighted ridge's."""
        rows = input.reshape(-1, input.shape[-1])
        energy, squares = rows.square().sum(0), self.energy.squares(input)
        share = torch.where(squares > 0, energy.detach() / squares, 0.0)
        each = _cel0(self.lam)(squares.sqrt() * torch.linalg.vector_norm(self.weight, dim=0))
        ridge = 0.5 * self._odds(input) * self.weight.detach().square().sum(0)
        total: Tensor = (share * each + ridge * (energy - energy.detach())).sum()
        return total

    def atoms(self, input: Tensor) -> Atoms:
        """Return a number on each side of π̂."""
        pi = self.retained(input).double()
        return Atoms(torch.stack([pi / 2, (1 + pi) / 2]), torch.stack([pi, 1 - pi]))

    def _odds(self, input: Tensor) -> Tensor:
        pi = self.retained(input)
        return torch.where(pi > 0, (1 - pi) / pi, 0.0)


@final
class CEL0Linear(_Gated):
    """The same gates without any sampling: a plain layer whose `cel0` training adds to the loss.

    Its training pass has no noise, so that its twin is 0; `cel0` is the regulariser that sampled gates impose.

    Parameters
    ----------
    in_features, out_features, bias, lam, energy
        As for :class:`SampledGatesLinear`.

    Examples
    --------
    >>> layer = CEL0Linear(2, 1, lam=0.5, bias=False)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[0.25, 3.0]])})
    >>> layer.cel0(torch.ones(1, 2)).item()  # 0.25 − 0.25²/2 + 0.5
    0.71875
    """

    def noise(self, input: Tensor) -> Tensor:
        """Return a number that is not used."""
        return input.new_zeros(1)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the plain layer."""
        return self.clean(input)

    def covariance(self, input: Tensor) -> Tensor:
        """Return 0."""
        outputs = self.weight.shape[0]
        return input.new_zeros(len(input), outputs, outputs)

    def penalty(self, input: Tensor) -> Tensor:
        """Return 0."""
        return input.new_zeros(())

    def atoms(self, input: Tensor) -> Atoms:
        """Return the one outcome."""
        return Atoms(input.new_zeros(1, 1), input.new_ones(1, 1))


def column_squares(matrix: Tensor) -> Tensor:
    """Return the sum of squares of each column, by blocks of rows that stay in the cache.

    Examples
    --------
    >>> column_squares(torch.tensor([[3.0, 1.0], [4.0, 0.0]]))
    tensor([25.,  1.])
    """
    first, *others = torch.split(matrix, max(64, len(matrix) // 16))
    total: Tensor = first.square()
    for block in others:
        total[: len(block)].addcmul_(block, block)
    return total.sum(0)


def _values_may_decide_shapes(input: Tensor) -> bool:
    """Tell whether to look at values: not in the compiler's graphs or under vmap, nor where it would stall a GPU."""
    traced = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return input.device.type == "cpu" and not traced


@lru_cache(maxsize=64)
def _cel0(lam: float) -> Any:
    """Compile the strategy's penalty at κ = λ."""
    from etatrick.theory import strategies
    from etatrick.theory.symbols import w

    return torch_function(strategies["bernoulli_l0"](kappa=lam).duality.penalty, w)

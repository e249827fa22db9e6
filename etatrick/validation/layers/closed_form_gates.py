"""Bernoulli gates on the inputs of a linear map at their closed-form optimum, whose penalty is CEL0: what all share."""

from abc import abstractmethod
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor, nn

from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.base import Atoms, NoisyWeights
from etatrick.validation.torch_compile import torch_function

LAM: Final = Parameter("lam", meaning="price of an open gate")
MOST: Final = 0.7
"""Share of open gates up to which products without the closed columns pay for copying the open ones."""


class ClosedFormGates(NoisyWeights):
    r"""A linear map with a gate on each input, open with probability :math:`\hat\pi_j = \min(1, t_j/\sqrt{2\lambda})`.

    t_j is the length of all that input j adds to the outputs of a batch; π̂ minimises
    :math:`\tfrac12 t^2(1-\pi)/\pi + \lambda\pi`, and the minimum is CEL0, ``strategies["bernoulli_l0"](kappa=λ)``.

    Parameters
    ----------
    plain : nn.Linear or nn.Conv2d
        The layer whose parameters are used.
    lam : float
        Price λ > 0 of an open gate.
    generator : torch.Generator, optional
        Source of the noise.
    """

    bias: Any

    def __init__(self, plain: nn.Linear | nn.Conv2d, lam: float, generator: torch.Generator | None) -> None:
        super().__init__()
        LAM.exact(lam)
        self.weight, self.bias, self.generator, self.lam = plain.weight, plain.bias, generator, float(lam)

    @property
    @abstractmethod
    def _trailing(self) -> int:
        """Number of the input's axes after that of its gates."""

    @abstractmethod
    def mapped(self, input: Tensor, weight: Tensor) -> Tensor:
        """Apply the map with other weights, or to some of the inputs with theirs."""

    @abstractmethod
    def contributions(self, input: Tensor) -> Tensor:
        """Return what each input adds to each example's outputs, shape (batch, inputs, outputs)."""

    @abstractmethod
    def batch_squares(self, input: Tensor, weight: Tensor) -> Tensor:
        """Return the squared length of each input's contribution, differentiable in both, shape (inputs,)."""

    def squares(self, input: Tensor) -> Tensor:
        """Return t² in the precision of the weights, differentiable in them alone, shape (inputs,)."""
        with torch.autocast(input.device.type, enabled=False):
            return self.batch_squares(input.detach().to(self.weight.dtype), self.weight)

    def extra_repr(self) -> str:
        """Show the price."""
        return f"{self.weight.shape[1]} inputs, {self.weight.shape[0]} outputs, lam={self.lam:g}"

    def retained(self, input: Tensor) -> Tensor:
        """Return π̂, shape (inputs,), not differentiated."""
        with torch.no_grad():
            return self.squares(input).div_(2 * self.lam).sqrt_().clamp_max_(1)

    def cel0(self, input: Tensor) -> Tensor:
        """Return Σ CEL0(t_j), differentiable in the weights."""
        return self._cel0_of_each(self.squares(input)).sum()

    def clean(self, input: Tensor) -> Tensor:
        """Return the plain layer: weights are those of the mean."""
        return self.mapped(input, self.weight)

    def mean(self, input: Tensor) -> Tensor:
        """Return the plain layer."""
        return self.clean(input)

    def _cel0_of_each(self, squares: Tensor) -> Tensor:
        positive = squares > 0  # the slope of a root at 0 would be infinite
        lengths = squares.where(positive, 1.0).sqrt() * positive
        each: Tensor = _cel0(self.lam)(lengths)
        return each


class SampledGates(ClosedFormGates):
    """Gates drawn once per input and pass: the map of x z/π̂ with z ~ Bern(π̂), π̂ held constant."""

    def noise(self, input: Tensor) -> Tensor:
        """Draw a uniform number for each input, in double precision."""
        source = input.device if self.generator is None else self.generator.device
        shape = (self.weight.shape[1],)
        return torch.rand(shape, generator=self.generator, dtype=torch.float64, device=source).to(input.device)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the map of x z/π̂; closed columns are left out of its products where that is faster."""
        pi = self.retained(input)
        is_open = noise < pi
        if _values_may_decide_shapes(input):
            chosen = is_open.nonzero().squeeze(1)
            if 0 < len(chosen) <= MOST * len(pi):
                some = input.index_select(-1 - self._trailing, chosen)
                scaled = some * self._along_inputs(pi[chosen].reciprocal_(), some)
                return self.mapped(scaled, self.weight.index_select(1, chosen))
        scale = torch.where(is_open, 1 / pi, 0.0)
        return self.mapped(input * self._along_inputs(scale, input), self.weight)

    def covariance(self, input: Tensor) -> Tensor:
        """Return Σ_j (1−π̂_j)/π̂_j c_j c_jᵀ for the contributions c_j to each example's outputs."""
        each = self.contributions(input)
        return torch.einsum("j,njo,njp->nop", self._odds(input), each, each)

    def penalty(self, input: Tensor) -> Tensor:
        """Return CEL0 with the weights' gradient of training; that of the input is the reweighted ridge's."""
        batch, squares = self.batch_squares(input, self.weight.detach()), self.squares(input)
        share = torch.where(squares > 0, batch / squares, 0.0).detach()
        ridge = 0.5 * self._odds(input) * (batch - batch.detach())
        return (share * self._cel0_of_each(squares) + ridge).sum()

    def atoms(self, input: Tensor) -> Atoms:
        """Return a number on each side of π̂."""
        pi = self.retained(input).double()
        return Atoms(torch.stack([pi / 2, (1 + pi) / 2]), torch.stack([pi, 1 - pi]))

    def _odds(self, input: Tensor) -> Tensor:
        pi = self.retained(input)
        return torch.where(pi > 0, (1 - pi) / pi, 0.0)

    def _along_inputs(self, gates: Tensor, input: Tensor) -> Tensor:
        return gates.to(input.dtype).reshape(-1, *(1,) * self._trailing)


class UnsampledGates(ClosedFormGates):
    """The same gates without any sampling: a plain layer whose `cel0` training adds to the loss.

    Its training pass has no noise, so that its twin is 0; `cel0` is the regulariser that sampled gates impose.
    """

    def noise(self, input: Tensor) -> Tensor:
        """Return a number that is not used."""
        return input.new_zeros(1)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the plain layer."""
        return self.clean(input)

    def covariance(self, input: Tensor) -> Tensor:
        """Return 0."""
        outputs = self.clean(input)[0].numel()
        return input.new_zeros(len(input), outputs, outputs)

    def penalty(self, input: Tensor) -> Tensor:
        """Return 0."""
        return input.new_zeros(())

    def atoms(self, input: Tensor) -> Atoms:
        """Return the one outcome."""
        return Atoms(input.new_zeros(1, 1), input.new_ones(1, 1))


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

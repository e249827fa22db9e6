"""Variational dropout: Gaussian posteriors of weights, multiplicative or additive, with their divergence."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Final, final

import torch
from torch import Tensor, nn

from etatrick.validation.layers.divergence import Divergence, ExactDivergence
from etatrick.validation.layers.mechanism import Choice, Reparameterised
from etatrick.validation.layers.perturbation import Perturbation, of_twin, ridge_twin
from etatrick.validation.layers.raw_noise import StandardNormal
from etatrick.validation.layers.weighted_maps import Conv2dWeights, LinearWeights, WeightedMap

START: Final = -10.0
"""Initial log σ² of additive posteriors, and initial log α of multiplicative ones, as in the published code."""


class Posterior(nn.Module, Perturbation):
    """A normal posterior N(θ, Var) of every weight, with variance parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = StandardNormal()

    @abstractmethod
    def log_alpha_of(self, weight: Tensor) -> Tensor:
        """Return log α = log(Var/θ²)."""

    def penalties(self, weight: Tensor) -> Tensor:
        """Return ½Var: ridge at the deviation, for the present variance parameters."""
        return of_twin(ridge_twin(1.0), self.deviation(weight))


@final
class MultiplicativePosterior(Posterior):
    """Var = αθ² with one log α per weight [Molchanov, Ashukha, Vetrov 2017].

    Parameters
    ----------
    shape : tuple of int
        Of the weights.

    Examples
    --------
    >>> MultiplicativePosterior((2, 3)).variance(torch.full((2, 3), 2.0)).log()[0, 0]  # −10 + log 4
    tensor(-8.6137, grad_fn=<SelectBackward0>)
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.full(shape, START))

    def deviation(self, weight: Tensor) -> Tensor:
        """Return √α·θ."""
        return weight * torch.exp(0.5 * self.log_alpha)

    def variance(self, weight: Tensor) -> Tensor:
        """Return αθ²."""
        return torch.exp(self.log_alpha) * weight.square()

    def gaussian(self, layer: WeightedMap, input: Tensor, noise: Tensor) -> Tensor:
        """Return the output for relative variances."""
        return layer.gaussian_relative(input, self.log_alpha, noise)

    def log_alpha_of(self, weight: Tensor) -> Tensor:
        """Return the parameter."""
        return self.log_alpha


@final
class AdditivePosterior(Posterior):
    """Var = σ² with one log σ² per weight: the same objective with other gradients, of less noise near θ = 0.

    Parameters
    ----------
    shape : tuple of int
        Of the weights.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.full(shape, START))

    def deviation(self, weight: Tensor) -> Tensor:
        """Return σ."""
        return torch.exp(0.5 * self.log_variance)

    def variance(self, weight: Tensor) -> Tensor:
        """Return σ²."""
        return torch.exp(self.log_variance)

    def log_alpha_of(self, weight: Tensor) -> Tensor:
        """Return log σ² − log θ²; θ² is floored at the least normal number."""
        return self.log_variance - weight.square().clamp_min(torch.finfo(weight.dtype).tiny).log()


@final
class VariationalLinear(LinearWeights):
    r"""A dense layer under variational dropout: train on loss + :meth:`kl`.

    The penalty twin is ½Σs²Var at the present variances; minimised over them together with the divergence it becomes
    Ω of the catalogue's ``variational_dropout``.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``; the bias has no posterior.
    posterior : callable
        From the weight's shape: MultiplicativePosterior or AdditivePosterior.
    divergence : Divergence
        ExactDivergence or MolchanovDivergence.
    mechanism : callable
        From the posterior to the mechanism: Reparameterised (local reparameterisation) or SharedWeights (weight noise).
    generator : torch.Generator, optional
        Source of the noise.

    Examples
    --------
    >>> layer = VariationalLinear(4, 2, posterior=AdditivePosterior)
    >>> layer(torch.ones(3, 4)).shape, bool(layer.kl() > 0)
    (torch.Size([3, 2]), True)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        posterior: Callable[[tuple[int, ...]], Posterior] = MultiplicativePosterior,
        divergence: Divergence = ExactDivergence(),  # noqa: B008
        mechanism: Choice = Reparameterised,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = posterior((out_features, in_features))
        super().__init__(in_features, out_features, bias, mechanism=mechanism(chosen), generator=generator)
        self.posterior, self.divergence = chosen, divergence

    def kl(self) -> Tensor:
        """Return the divergence from the log-uniform prior, summed over the weights."""
        return self.divergence(self.posterior.log_alpha_of(self.weight)).sum()


@final
class VariationalConv2d(Conv2dWeights):
    """The same for ``nn.Conv2d`` with zero padding; further parameters as for :class:`VariationalLinear`.

    Examples
    --------
    >>> VariationalConv2d(1, 2, 3)(torch.ones(3, 1, 5, 5)).shape
    torch.Size([3, 2, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        posterior: Callable[[tuple[int, ...]], Posterior] = MultiplicativePosterior,
        divergence: Divergence = ExactDivergence(),  # noqa: B008
        mechanism: Choice = Reparameterised,
        generator: torch.Generator | None = None,
    ) -> None:
        sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        chosen = posterior((out_channels, in_channels // groups, *sides))
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         mechanism=mechanism(chosen), generator=generator)  # fmt: skip
        self.posterior, self.divergence = chosen, divergence

    def kl(self) -> Tensor:
        """Return the divergence from the log-uniform prior, summed over the weights."""
        return self.divergence(self.posterior.log_alpha_of(self.weight)).sum()

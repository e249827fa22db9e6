"""Linear maps with weights that a mechanism perturbs in training: dense and convolutional."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from etatrick.errors import InputError
from etatrick.validation.layers.base import Atoms, NoisyWeights
from etatrick.validation.layers.gaussian_product import gaussian_product, power_product, relative_product
from etatrick.validation.layers.mechanism import Mechanism
from etatrick.validation.layers.signed_power import power


class WeightedMap(NoisyWeights):
    """A layer that is linear in its weights, and leaves everything about noise to its mechanism."""

    weight: Tensor
    bias: Any
    mechanism: Mechanism

    @abstractmethod
    def mapped(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Apply the map with other weights."""

    @abstractmethod
    def output_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return the shape of the output."""

    @abstractmethod
    def energies(self, input: Tensor) -> Tensor:
        """Return s² of every weight: the sum of the squares it multiplies in this batch; broadcasts to the weight."""

    @abstractmethod
    def gaussian(self, input: Tensor, variance: Tensor, noise: Tensor) -> Tensor:
        """Return map(input, weight) + √map(input², variance)·noise."""

    def gaussian_power(self, input: Tensor, degree: float, factor: float, noise: Tensor) -> Tensor:
        """Return the same for the variance factor·|weight|^degree."""
        return self.gaussian(input, factor * power(self.weight, degree), noise)

    def gaussian_relative(self, input: Tensor, log_alpha: Tensor, noise: Tensor) -> Tensor:
        """Return the same for the variance exp(log_alpha)·weight²."""
        return self.gaussian(input, log_alpha.exp() * self.weight.square(), noise)

    def shared_covariance(self, input: Tensor, variance: Tensor) -> Tensor:
        """Return the covariance of one example's outputs for independent weights of these variances.

        Shape (batch, outputs, outputs) with outputs flattened. It builds the Jacobian: for small layers.
        """

        def one(example: Tensor) -> Tensor:
            jacobian = torch.func.jacrev(lambda weight: self.mapped(example[None], weight).flatten())(self.weight)
            rows: Tensor = jacobian.flatten(1)
            return (rows * variance.expand_as(self.weight).flatten()) @ rows.T

        return torch.stack([one(example) for example in input])

    def extra_repr(self) -> str:
        """Return the plain layer's description and the mechanism."""
        return f"{super().extra_repr()}, {self.mechanism}"

    def noise(self, input: Tensor) -> Tensor:
        """Draw the mechanism's raw noise."""
        return self.mechanism.noise(self, input)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the training output."""
        return self.mechanism.perturbed(self, input, noise)

    def clean(self, input: Tensor) -> Tensor:
        """Apply the layer with its own weights."""
        return self.mapped(input, self.weight, self.bias)

    def mean(self, input: Tensor) -> Tensor:
        """Return the mean of the training output."""
        return self.mechanism.mean(self, input)

    def covariance(self, input: Tensor) -> Tensor:
        """Return the covariance of each example's flattened outputs."""
        return self.mechanism.covariance(self, input)

    def atoms(self, input: Tensor) -> Atoms:
        """Return the finite law of the raw noise."""
        return self.mechanism.atoms(self, input)

    def penalty(self, input: Tensor) -> Tensor:
        """Return Σ s²Ω(|w|), with the column energies s² of this batch."""
        return (self.energies(input) * self.mechanism.penalties(self)).sum()


class LinearWeights(WeightedMap, nn.Linear):
    """The dense map of ``nn.Linear``, for inputs of shape (…, in_features)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        mechanism: Mechanism,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.mechanism, self.generator = mechanism, generator

    def mapped(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return input·weightᵀ + bias."""
        return functional.linear(input, weight, bias)

    def output_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return (…, out_features)."""
        return (*input.shape[:-1], self.out_features)

    def energies(self, input: Tensor) -> Tensor:
        """Return Σ x_j² over the batch, shape (in_features,)."""
        return input.square().flatten(0, -2).sum(0)

    def gaussian(self, input: Tensor, variance: Tensor, noise: Tensor) -> Tensor:
        """Return the Gaussian output, by a fused product where precision is not mixed."""
        return gaussian_product(input, self.weight, variance, self.bias, noise)

    def gaussian_power(self, input: Tensor, degree: float, factor: float, noise: Tensor) -> Tensor:
        """Return the Gaussian output for a power of the weight, with fewer passes."""
        return power_product(input, self.weight, degree, factor, self.bias, noise)

    def gaussian_relative(self, input: Tensor, log_alpha: Tensor, noise: Tensor) -> Tensor:
        """Return the Gaussian output for relative variances, with fewer passes."""
        return relative_product(input, self.weight, log_alpha, self.bias, noise)


class Conv2dWeights(WeightedMap, nn.Conv2d):
    """The convolution of ``nn.Conv2d`` with zero padding, for inputs of shape (batch, channels, height, width)."""

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
        mechanism: Mechanism,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self.mechanism, self.generator = mechanism, generator

    def mapped(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Convolve with `weight`."""
        if input.dim() != 4:
            raise InputError(
                f"input of shape {tuple(input.shape)}",
                "a convolution takes (batch, channels, height, width)",
                "add the batch axis with input[None]",
            )
        return functional.conv2d(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def output_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return (batch, channels, height, width), found by convolving one example."""
        with torch.no_grad():
            return (len(input), *self.mapped(input[:1], self.weight).shape[1:])

    def energies(self, input: Tensor) -> Tensor:
        """Return Σ x² over batch and positions, shape of the weight: the gradient of Σ conv(x², weight)."""
        with torch.enable_grad():
            probe = torch.zeros_like(self.weight, requires_grad=True)
            total = self.mapped(input.square(), probe).sum()
            (energies,) = torch.autograd.grad(total, probe, create_graph=input.requires_grad)
        return energies

    def gaussian(self, input: Tensor, variance: Tensor, noise: Tensor) -> Tensor:
        """Return the Gaussian output."""
        spread = self.mapped(input.square(), variance).clamp_min(torch.finfo(input.dtype).tiny).sqrt()
        return torch.addcmul(self.clean(input), spread, noise)

"""Where noise enters a layer: weights shared by the batch, weights per example, input units, or pre-activations."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.validation.layers.base import Atoms
from etatrick.validation.layers.perturbation import Perturbation
from etatrick.validation.layers.raw_noise import StandardNormal

if TYPE_CHECKING:
    from etatrick.validation.layers.weighted_maps import WeightedMap

LARGEST_NOISE: Final = 2**31
"""Bytes of noise that a layer with masks per example may ask for."""


class Mechanism(ABC):
    """How raw noise acts on a linear map, with the moments of its output and the penalty of each weight."""

    @abstractmethod
    def noise(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Draw the raw noise with the layer's generator."""

    @abstractmethod
    def perturbed(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return the training output."""

    @abstractmethod
    def covariance(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return the covariance of each example's flattened outputs."""

    @abstractmethod
    def atoms(self, layer: "WeightedMap", input: Tensor) -> Atoms:
        """Return the finite law of the raw noise."""

    @abstractmethod
    def penalties(self, layer: "WeightedMap") -> Tensor:
        """Return the penalty of every weight, for inputs of unit energy."""

    def mean(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return the mean of the training output; the clean one where noise has mean 0."""
        return layer.clean(input)


class Perturbing(Mechanism):
    """A mechanism made from a perturbation of weights."""

    perturbation: Perturbation

    @abstractmethod
    def shape(self, layer: "WeightedMap", input: Tensor) -> tuple[int, ...]:
        """Return the shape of the raw noise."""

    def noise(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Draw ξ."""
        return self.perturbation.raw.sample(self.shape(layer, input), layer.weight, layer.generator)

    def atoms(self, layer: "WeightedMap", input: Tensor) -> Atoms:
        """Return the finite law of ξ."""
        return self.perturbation.raw.atoms(self.shape(layer, input), layer.weight)

    def penalties(self, layer: "WeightedMap") -> Tensor:
        """Return the perturbation's penalties: every mechanism gives each output the same variance."""
        return self.perturbation.penalties(layer.weight)


Choice = Callable[[Perturbation], Mechanism]  # from what perturbs a weight to where it acts


@final
@dataclass(frozen=True)
class SharedWeights(Perturbing):
    """One draw of all weights per pass: map(x, w + g(w)ξ). One matmul; examples share their noise."""

    perturbation: Perturbation

    def shape(self, layer: "WeightedMap", input: Tensor) -> tuple[int, ...]:
        """Return the weight's shape."""
        return tuple(layer.weight.shape)

    def perturbed(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return map(x, w + g(w)ξ)."""
        weight = torch.addcmul(layer.weight, self.perturbation.deviation(layer.weight), noise)
        return layer.mapped(input, weight, layer.bias)

    def covariance(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return the covariance for independent weights."""
        return layer.shared_covariance(input, self.perturbation.variance(layer.weight))


@final
@dataclass(frozen=True)
class WeightsPerExample(Perturbing):
    """Weights of its own for every example: the definition of DropConnect and Bridgeout, in batch × weights memory.

    Parameters
    ----------
    perturbation : Perturbation
    largest : int
        Bytes of noise beyond which a batch is refused.
    """

    perturbation: Perturbation
    largest: int = LARGEST_NOISE

    def shape(self, layer: "WeightedMap", input: Tensor) -> tuple[int, ...]:
        """Return ``(batch, *weight.shape)`` where that fits."""
        shape = (len(input), *layer.weight.shape)
        size = math.prod(shape) * layer.weight.element_size()
        if size > self.largest:
            raise InputError(
                f"masks of {size / 2**30:.1f} GiB for {len(input)} examples",
                f"masks per example may take {self.largest / 2**30:.1f} GiB",
                "use a smaller batch, or the mechanism Reparameterised or Units: two matmuls each",
            )
        return shape

    def perturbed(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return map(x_i, w + g(w)ξ_i)."""
        weights = torch.addcmul(layer.weight, self.perturbation.deviation(layer.weight), noise)
        if input.dim() == 2:
            outputs = torch.bmm(weights, input[:, :, None])[:, :, 0]
            return outputs if layer.bias is None else outputs + layer.bias
        each = torch.func.vmap(lambda example, weight: layer.mapped(example[None], weight, layer.bias)[0])
        mapped: Tensor = each(input, weights)
        return mapped

    def covariance(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return the covariance for independent weights."""
        return layer.shared_covariance(input, self.perturbation.variance(layer.weight))


@final
@dataclass(frozen=True)
class Units(Perturbing):
    """Noise per input unit, shared by the outputs: map(x, w) + map(xξ, g(w)). Exact with two matmuls.

    Each output has the variance that noise per weight gives, so the expected squared loss is the same; outputs become
    correlated. A part of g that is proportional to w costs nothing: plain dropout is one matmul.
    """

    perturbation: Perturbation

    def shape(self, layer: "WeightedMap", input: Tensor) -> tuple[int, ...]:
        """Return the input's shape."""
        return tuple(input.shape)

    def perturbed(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return map(x(1 + aξ), w) + b·map(xξ, h) for g(w) = aw + bh."""
        share, factor, rest = self.perturbation.split(layer.weight)
        moved = input * noise
        kept = torch.add(input, moved, alpha=share) if share else input
        outputs = layer.mapped(kept, layer.weight, layer.bias)
        return outputs if rest is None else torch.add(outputs, layer.mapped(moved, rest), alpha=factor)

    def covariance(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return E ξ²·JJᵀ with J = ∂map(xξ, g(w))/∂ξ; for small layers."""
        deviation = self.perturbation.deviation(layer.weight)

        def one(example: Tensor) -> Tensor:
            jacobian = torch.func.jacrev(lambda xi: layer.mapped((example * xi)[None], deviation).flatten())(
                torch.ones_like(example)
            )
            rows: Tensor = jacobian.flatten(1)
            return rows @ rows.T

        return self.perturbation.raw.variance * torch.stack([one(example) for example in input])


@final
@dataclass(frozen=True)
class Reparameterised(Mechanism):
    """Normal pre-activations with the mean and variance that noise per weight gives them: two matmuls.

    The expected gradient equals that of masks per example for losses quadratic in the pre-activation, and to second
    order in the cumulants of the noise otherwise [Kingma, Salimans, Welling 2015].
    """

    perturbation: Perturbation

    def noise(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Draw ε for every output."""
        return StandardNormal().sample(layer.output_shape(input), layer.weight, layer.generator)

    def perturbed(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return map(x, w) + √map(x², Var w)·ε."""
        return self.perturbation.gaussian(layer, input, noise)

    def covariance(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return the diagonal covariance map(x², Var w)."""
        spread = layer.mapped(input.square(), self.perturbation.variance(layer.weight))
        return torch.diag_embed(spread.flatten(1))

    def atoms(self, layer: "WeightedMap", input: Tensor) -> Atoms:
        """Return the two-point rule for ε."""
        return StandardNormal().atoms(layer.output_shape(input), layer.weight)

    def penalties(self, layer: "WeightedMap") -> Tensor:
        """Return the perturbation's penalties."""
        return self.perturbation.penalties(layer.weight)

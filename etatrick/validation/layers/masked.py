"""Layers whose weights are multiplied by a detached mask: adaptive dropout, and fixed-rate dropout on weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from etatrick.theory.symbols import w
from etatrick.validation.layers.base import Atoms
from etatrick.validation.layers.masks import Mask
from etatrick.validation.layers.mechanism import Mechanism
from etatrick.validation.layers.weighted_maps import Conv2dWeights, LinearWeights
from etatrick.validation.torch_compile import torch_function
from etatrick.validation.torch_dualities import torch_penalty

if TYPE_CHECKING:
    from etatrick.validation.layers.weighted_maps import WeightedMap


@final
@dataclass(frozen=True)
class MaskedWeights(Mechanism):
    """One mask per pass, shared by the batch: map(x, w∘s) with s a constant of the graph.

    Parameters
    ----------
    mask : Mask
        The law of s.
    """

    mask: Mask

    def noise(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Draw the mask's raw noise, one number per weight."""
        weight, generator = layer.weight, layer.generator or torch.default_generator
        return self.mask.noise(tuple(weight.shape), generator, weight.dtype).to(weight.device)

    def perturbed(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return map(x, w∘s)."""
        return layer.mapped(input, layer.weight * self.mask.apply(layer.weight, noise), layer.bias)

    def covariance(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return the covariance for independent masks."""
        return layer.shared_covariance(input, self.mask.odds(layer.weight) * layer.weight.square())

    def atoms(self, layer: "WeightedMap", input: Tensor) -> Atoms:
        """Return the mask's finite law at these weights."""
        return self.mask.atoms(layer.weight)

    def penalties(self, layer: "WeightedMap") -> Tensor:
        """Return λΩ(|w|) of the mask's duality."""
        duality, strength = self.mask.twin
        if duality.penalty is None:
            return strength * torch_penalty(duality)(layer.weight)
        return strength * torch_function(duality.penalty, w)(layer.weight.abs())


@final
class MaskedLinear(LinearWeights):
    """``nn.Linear`` whose weights are masked in training; in evaluation it is the plain layer.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``. The bias is never masked.
    mask : Mask
        The law of the noise; one mask per forward pass, shared by the batch.
    generator : torch.Generator, optional
        Source of the noise.

    Examples
    --------
    >>> from etatrick.validation.layers import FixedRate
    >>> layer = MaskedLinear(4, 2, mask=FixedRate(retain=0.5))
    >>> layer(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        mask: Mask,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, mechanism=MaskedWeights(mask), generator=generator)
        self.mask = mask


@final
class MaskedConv2d(Conv2dWeights):
    """``nn.Conv2d`` whose weights are masked in training; parameters as there, and `mask` and `generator`.

    Examples
    --------
    >>> from etatrick.validation.layers import FixedRate
    >>> MaskedConv2d(1, 2, 3, mask=FixedRate(retain=0.5))(torch.ones(3, 1, 5, 5)).shape
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
        mask: Mask,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         mechanism=MaskedWeights(mask), generator=generator)  # fmt: skip
        self.mask = mask

"""Bridgeout: weight noise of size |w|^(q/2), which imposes the ℓ_q bridge penalty."""

from typing import final

import torch

from etatrick.validation.layers.mechanism import Choice, Reparameterised
from etatrick.validation.layers.perturbation import Bridge
from etatrick.validation.layers.raw_noise import CentredBernoulli
from etatrick.validation.layers.weighted_maps import Conv2dWeights, LinearWeights


@final
class BridgeoutLinear(LinearWeights):
    """Noise sgn(w)·|w|^(q/2)·(ρ − 1); the penalty is ½s²|w|^q(1−α)/α [Khan, Shah, Stavness 2018].

    By default two matmuls give normal pre-activations of the same mean and variance; WeightsPerExample is the
    original, Units is exact with correlated outputs. Gradients flow through the scale; compose
    ``NoisyLinear(…, mechanism=Units(Detached(Bridge(…))))`` for the penalty that is 2/q times larger.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``; the bias has no noise.
    q : float
        Degree of the noise's variance, in (0, 2].
    retain : float
        Retain probability in (0, 1], rounded to a multiple of 1/65536; the drop rate is 1 − retain.
    mechanism : callable
        From the perturbation to the mechanism: SharedWeights, WeightsPerExample, Units or Reparameterised.
    generator : torch.Generator, optional
        Source of the noise.

    Examples
    --------
    >>> BridgeoutLinear(4, 2)(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        q: float = 2.0,
        retain: float = 0.5,
        mechanism: Choice = Reparameterised,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = mechanism(Bridge(q, CentredBernoulli(retain)))
        super().__init__(in_features, out_features, bias, mechanism=chosen, generator=generator)


@final
class BridgeoutConv2d(Conv2dWeights):
    """The same for ``nn.Conv2d`` with zero padding; noise parameters as for :class:`BridgeoutLinear`.

    Examples
    --------
    >>> BridgeoutConv2d(1, 2, 3)(torch.ones(3, 1, 5, 5)).shape
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
        q: float = 2.0,
        retain: float = 0.5,
        mechanism: Choice = Reparameterised,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = mechanism(Bridge(q, CentredBernoulli(retain)))
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         mechanism=chosen, generator=generator)  # fmt: skip

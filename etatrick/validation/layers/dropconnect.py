"""DropConnect: Bernoulli dropout on the weights of dense and convolutional layers."""

from typing import final

import torch

from etatrick.validation.layers.mechanism import Choice, SharedWeights
from etatrick.validation.layers.perturbation import Proportional
from etatrick.validation.layers.raw_noise import CentredBernoulli
from etatrick.validation.layers.weighted_maps import Conv2dWeights, LinearWeights


@final
class DropConnectLinear(LinearWeights):
    """Weights dropped at a fixed rate and rescaled [Wan et al. 2013]; the penalty is ½s²w²(1−α)/α.

    By default one mask serves the batch; WeightsPerExample is the original, Reparameterised its two-matmul form.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``; the bias has no noise.
    retain : float
        Retain probability in (0, 1], rounded to a multiple of 1/65536; the drop rate is 1 − retain.
    mechanism : callable
        From the perturbation to the mechanism: SharedWeights, WeightsPerExample, Units or Reparameterised.
    generator : torch.Generator, optional
        Source of the noise.

    Examples
    --------
    >>> DropConnectLinear(4, 2)(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        retain: float = 0.5,
        mechanism: Choice = SharedWeights,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = mechanism(Proportional(CentredBernoulli(retain)))
        super().__init__(in_features, out_features, bias, mechanism=chosen, generator=generator)


@final
class DropConnectConv2d(Conv2dWeights):
    """The same for ``nn.Conv2d`` with zero padding; noise parameters as for :class:`DropConnectLinear`.

    Examples
    --------
    >>> DropConnectConv2d(1, 2, 3)(torch.ones(3, 1, 5, 5)).shape
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
        retain: float = 0.5,
        mechanism: Choice = SharedWeights,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = mechanism(Proportional(CentredBernoulli(retain)))
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         mechanism=chosen, generator=generator)  # fmt: skip

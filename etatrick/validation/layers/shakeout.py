"""Shakeout: units dropped to −c·sgn(w), which imposes ridge, ℓ1 and a jump at zero."""

from typing import final

import torch

from etatrick.errors import InputError
from etatrick.validation.layers.mechanism import Choice, Units
from etatrick.validation.layers.perturbation import Shake
from etatrick.validation.layers.raw_noise import CentredBernoulli
from etatrick.validation.layers.weighted_maps import Conv2dWeights, LinearWeights


@final
class ShakeoutLinear(LinearWeights):
    """Noise (w + c·sgn w)(ρ − 1) per input unit, in two matmuls [Kang, Li, Tao 2016].

    The penalty is ½s²(w² + 2c|w| + c²1[w ≠ 0])·τ/(1−τ). The published layer replaces the slope of sgn, which is 0, by
    t·sech²(tw) in its backward pass; this one does not.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``; the bias has no noise.
    c : float
        Strength > 0.
    drop : float
        Drop rate τ in [0, 1); 1 − τ is rounded to a multiple of 1/65536.
    mechanism : callable
        From the perturbation to the mechanism: SharedWeights, WeightsPerExample, Units or Reparameterised.
    generator : torch.Generator, optional
        Source of the noise.

    Examples
    --------
    >>> ShakeoutLinear(4, 2)(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        c: float = 0.1,
        drop: float = 0.5,
        mechanism: Choice = Units,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = mechanism(Shake(c, CentredBernoulli(_retain(drop))))
        super().__init__(in_features, out_features, bias, mechanism=chosen, generator=generator)


@final
class ShakeoutConv2d(Conv2dWeights):
    """The same for ``nn.Conv2d`` with zero padding; noise parameters as for :class:`ShakeoutLinear`.

    Examples
    --------
    >>> ShakeoutConv2d(1, 2, 3)(torch.ones(3, 1, 5, 5)).shape
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
        c: float = 0.1,
        drop: float = 0.5,
        mechanism: Choice = Units,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = mechanism(Shake(c, CentredBernoulli(_retain(drop))))
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         mechanism=chosen, generator=generator)  # fmt: skip


def _retain(drop: float) -> float:
    if not (isinstance(drop, int | float) and 0 <= drop < 1):
        raise InputError(f"drop = {drop}", "a drop rate is in [0, 1)", "pass drop=0.5, say")
    return 1 - drop

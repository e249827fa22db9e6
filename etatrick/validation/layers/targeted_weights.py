"""Targeted dropout on weights: in each row the fraction of smallest magnitude is dropped, without rescaling."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.validation.layers.base import Atoms
from etatrick.validation.layers.mechanism import Mechanism
from etatrick.validation.layers.perturbation import of_twin, ridge_twin
from etatrick.validation.layers.raw_noise import CentredBernoulli
from etatrick.validation.layers.weighted_maps import Conv2dWeights, LinearWeights

if TYPE_CHECKING:
    from etatrick.validation.layers.weighted_maps import WeightedMap


@final
@dataclass(frozen=True)
class TargetedWeights(Mechanism):
    r"""Drop targeted weights, once per pass for the batch; the others are kept as they are [Gomez et al. 2019].

    The mean weight is β = (1 − drop)·w on the targets. In terms of β the penalty is ½s²β²·drop/(1 − drop) on the
    targets: the trimmed ridge of the catalogue's ``targeted_dropout``.

    Parameters
    ----------
    fraction : float
        Of each output's weights that is targeted, in [0, 1); rounded down to a whole number of weights. Ties at the
        threshold are kept.
    drop : float
        Drop rate of the targets, in [0, 1); 1 − drop is rounded to a multiple of 1/65536.
    """

    fraction: float
    drop: float

    def __post_init__(self) -> None:
        for name, value in (("fraction", self.fraction), ("drop", self.drop)):
            if not (isinstance(value, int | float) and 0 <= value < 1):
                raise InputError(f"{name} = {value}", "a targeted fraction or drop rate is in [0, 1)", "pass 0.5, say")

    @property
    def law(self) -> CentredBernoulli:
        """The law of one target."""
        return CentredBernoulli(1 - self.drop)

    def noise(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Draw for every weight whether it would be retained: 1 or 0."""
        return self.law.retained(tuple(layer.weight.shape), layer.weight, layer.generator)

    def perturbed(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return map(x, w with the dropped targets at 0)."""
        kept = torch.maximum(excess(layer.weight, self.fraction).sign_(), noise)
        return layer.mapped(input, layer.weight * kept, layer.bias)

    def mean(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return map(x, β)."""
        return layer.mapped(input, self._mean_weight(layer), layer.bias)

    def covariance(self, layer: "WeightedMap", input: Tensor) -> Tensor:
        """Return the covariance for independent weights of variance drop(1 − drop)w² on the targets."""
        chance = self.law.retain * (1 - self.law.retain)
        spread = chance * layer.weight.square() * targets(layer.weight, self.fraction)
        return layer.shared_covariance(input, spread)

    def atoms(self, layer: "WeightedMap", input: Tensor) -> Atoms:
        """Return retained or not, with their chances."""
        retained = torch.ones_like(layer.weight).detach()
        chances = [torch.full_like(layer.weight, p).detach() for p in (self.law.retain, 1 - self.law.retain)]
        return Atoms(torch.stack([retained, 0 * retained]), torch.stack(chances))

    def penalties(self, layer: "WeightedMap") -> Tensor:
        """Return the ridge of fixed-rate dropout at β, on the targets."""
        ridge = of_twin(ridge_twin(self.law.variance), self._mean_weight(layer))
        return ridge * targets(layer.weight, self.fraction)

    def _mean_weight(self, layer: "WeightedMap") -> Tensor:
        return layer.weight * torch.where(targets(layer.weight, self.fraction), self.law.retain, 1.0)


def targets(weight: Tensor, fraction: float) -> Tensor:
    """Return which weights are below the threshold of their row (all weights of one output).

    Exactly ⌊fraction·n⌋ of n weights where magnitudes differ.

    Parameters
    ----------
    weight : Tensor, shape (outputs, …)
    fraction : float
        In [0, 1).

    Returns
    -------
    Tensor of bool, shape of the weight

    Examples
    --------
    >>> targets(torch.tensor([[3.0, -1.0, 2.0, -4.0]]), 0.5)
    tensor([[False,  True,  True, False]])
    """
    below: Tensor = excess(weight, fraction) <= 0
    return below


def excess(weight: Tensor, fraction: float) -> Tensor:
    """Return |w| less the largest number below its row's threshold: positive exactly where w is not a target.

    Signs of differences cost a fraction of comparisons, and a partial selection an eighth of a sort.
    """
    with torch.no_grad():
        size = weight.abs()
        rows = size.flatten(1)
        rank = int(fraction * rows.shape[1])
        plain = rows.device.type == "cpu" and rows.dtype in (torch.float32, torch.float64)
        if plain and not torch.compiler.is_compiling():
            threshold = torch.from_numpy(np.partition(rows.numpy(), rank, axis=1)[:, rank])
        else:
            threshold = rows.kthvalue(rank + 1, dim=1).values
        below = torch.nextafter(threshold, torch.full_like(threshold, -1.0))
        return size.sub_(below.view(-1, *[1] * (size.dim() - 1)))


@final
@dataclass(frozen=True)
class LinearRamp:
    """A number that grows linearly from `start` at time `begin` to `stop` at time `end`, and is constant outside.

    Examples
    --------
    >>> ramp = LinearRamp(0.0, 0.5, begin=0, end=10)
    >>> [ramp(time) for time in (-1, 5, 20)]
    [0.0, 0.25, 0.5]
    """

    start: float
    stop: float
    begin: float
    end: float

    def __post_init__(self) -> None:
        if not self.begin < self.end:
            raise InputError(f"begin = {self.begin}, end = {self.end}", "a ramp ends after it begins", "swap them, say")

    def __call__(self, time: float) -> float:
        """Return the number at this time."""
        share = min(1.0, max(0.0, (time - self.begin) / (self.end - self.begin)))
        return self.start + share * (self.stop - self.start)


@final
class TargetedDropoutLinear(LinearWeights):
    """A dense layer under targeted dropout; in evaluation all weights are used.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``; the bias is never dropped.
    fraction, drop : float
        Targeted fraction of each output's weights, and their drop rate; see :meth:`retarget` for ramps.
    generator : torch.Generator, optional
        Source of the noise.

    Examples
    --------
    >>> layer = TargetedDropoutLinear(4, 2, fraction=0.0, drop=0.5)
    >>> ramp = LinearRamp(0.0, 0.75, begin=0, end=98)
    >>> for epoch in range(3):
    ...     layer.retarget(fraction=ramp(epoch), drop=0.5)
    >>> layer(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        fraction: float = 0.5,
        drop: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        chosen = TargetedWeights(fraction, drop)
        super().__init__(in_features, out_features, bias, mechanism=chosen, generator=generator)

    def retarget(self, *, fraction: float, drop: float) -> None:
        """Set both rates, e.g. to the values of ramps at the present epoch."""
        self.mechanism = TargetedWeights(fraction, drop)


@final
class TargetedDropoutConv2d(Conv2dWeights):
    """The same for ``nn.Conv2d`` with zero padding; a row is all weights of one output channel.

    Examples
    --------
    >>> TargetedDropoutConv2d(1, 2, 3)(torch.ones(3, 1, 5, 5)).shape
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
        fraction: float = 0.5,
        drop: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
                         mechanism=TargetedWeights(fraction, drop), generator=generator)  # fmt: skip

    def retarget(self, *, fraction: float, drop: float) -> None:
        """Set both rates, e.g. to the values of ramps at the present epoch."""
        self.mechanism = TargetedWeights(fraction, drop)

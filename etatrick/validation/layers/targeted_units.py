"""Targeted dropout on units: outputs whose weight vectors are shortest are dropped as a whole, without rescaling."""

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear

from etatrick.errors import InputError
from etatrick.validation.layers.base import Atoms, NoisyWeights
from etatrick.validation.layers.random_words import random_words, switch_atoms, switched_on


class TargetedUnits(NoisyWeights):
    r"""A layer whose targeted outputs are dropped, each with the same drop rate, by one draw per output and pass.

    Targeted is a fraction of the outputs, those with the shortest weight vectors; the bias is never dropped. The mean
    weights are :math:`\beta = (1-\text{drop})\,w` on targets, and the twin
    :math:`\tfrac12\tfrac{\text{drop}}{1-\text{drop}}\sum_{o\in T} \lVert X\beta_o\rVert^2`: for an input with
    XᵀX = I the trimmed ridge of ``strategies["targeted_dropout"]`` at the lengths of the β_o.

    Parameters
    ----------
    plain : nn.Linear or nn.Conv2d
        The layer that is made noisy; its parameters are used.
    fraction, drop : float
        Targeted fraction of the outputs, rounded down, and their drop rate, both in [0, 1); see :meth:`retarget`.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If a fraction or rate lies outside [0, 1).

    References
    ----------
    Gomez, Zhang, Kamalakara, Madaan, Swersky, Gal, Hinton 2019.
    """

    def __init__(
        self, plain: nn.Linear | nn.Conv2d, fraction: float, drop: float, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.weight, self.bias, self.generator = plain.weight, plain.bias, generator
        self.retarget(fraction=fraction, drop=drop)

    def retarget(self, *, fraction: float, drop: float) -> None:
        """Set both rates, e.g. to the values of a ``LinearRamp`` at the present epoch.

        Raises
        ------
        InputError
            If one lies outside [0, 1).
        """
        for name, value in (("fraction", fraction), ("drop", drop)):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and 0 <= value < 1):
                rule = "a targeted fraction or drop rate lies in [0, 1)"
                raise InputError(f"{name} = {value}", rule, f"choose e.g. {name}=0.5")
        self.fraction, self.drop = float(fraction), float(drop)

    def extra_repr(self) -> str:
        """Show the rates."""
        return f"{len(self.weight)} units, fraction={self.fraction:g}, drop={self.drop:g}"

    def targets(self) -> Tensor:
        """Return which outputs are targeted, as booleans of shape (outputs,); equal lengths are taken in order."""
        size = self.weight.detach().flatten(1).square().sum(1)
        chosen = torch.zeros_like(size, dtype=torch.bool)
        chosen[size.argsort(stable=True)[: int(self.fraction * len(size))]] = True
        return chosen

    @abstractmethod
    def mapped(self, input: Tensor) -> Tensor:
        """Return the outputs without bias; the last axis of a dense layer, axis 1 of a convolution."""

    @property
    @abstractmethod
    def _trailing(self) -> int:
        """Number of axes after the outputs' axis."""

    def noise(self, input: Tensor) -> Tensor:
        """Draw a random word for each output."""
        return random_words((len(self.weight),), self.drop, self.generator, input.device)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the outputs, those of dropped targets being the bias alone."""
        dropped = self.targets().logical_and_(switched_on(noise, self.drop))
        return self._scaled(input, 1 - dropped.to(self.weight.dtype))

    def clean(self, input: Tensor) -> Tensor:
        """Return the outputs of all units."""
        return self._scaled(input, self.weight.new_ones(len(self.weight)))

    def mean(self, input: Tensor) -> Tensor:
        """Return the outputs for β."""
        return self._scaled(input, 1 - self.drop * self.targets().to(self.weight.dtype))

    def covariance(self, input: Tensor) -> Tensor:
        """Return drop(1−drop)·yyᵀ within each target (over its positions), 0 elsewhere."""
        outputs = self.mapped(input).reshape(len(input), len(self.weight), -1)
        outputs = outputs * (self.drop * (1 - self.drop)) ** 0.5 * self.targets().to(outputs.dtype)[:, None]
        blocks = outputs[..., :, None] * outputs[..., None, :]
        size, units, places, _ = blocks.shape
        full: Tensor = blocks.new_zeros(size, units, places, units, places)
        index = torch.arange(units, device=blocks.device)
        full[:, index, :, index, :] = blocks.transpose(0, 1)
        return full.reshape(size, units * places, units * places)

    def penalty(self, input: Tensor) -> Tensor:
        """Return ½·drop/(1−drop)·Σ_T ‖Xβ_o‖²."""
        energy = self.mapped(input).movedim(-1 - self._trailing, 0).flatten(1).square().sum(1)
        total: Tensor = 0.5 * self.drop * (1 - self.drop) * (energy * self.targets().to(energy.dtype)).sum()
        return total

    def atoms(self, input: Tensor) -> Atoms:
        """Return dropped and retained."""
        return switch_atoms(self.drop, (len(self.weight),))

    def _scaled(self, input: Tensor, scale: Tensor) -> Tensor:
        shape = (-1, *(1,) * self._trailing)
        outputs = self.mapped(input)
        scaled = outputs * scale.to(outputs.dtype).reshape(shape)
        return scaled if self.bias is None else scaled + self.bias.to(outputs.dtype).reshape(shape)


@final
class TargetedUnitsLinear(TargetedUnits):
    """``nn.Linear`` under targeted dropout on its output units.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``.
    fraction, drop, generator
        As for :class:`TargetedUnits`.

    Examples
    --------
    >>> layer = TargetedUnitsLinear(4, 2, fraction=0.5, drop=0.5)
    >>> layer(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    _trailing = 0

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
        super().__init__(nn.Linear(in_features, out_features, bias), fraction, drop, generator=generator)

    def mapped(self, input: Tensor) -> Tensor:
        """Return XWᵀ."""
        return linear(input, self.weight)


@final
class TargetedUnitsConv2d(TargetedUnits):
    """``nn.Conv2d`` under targeted dropout on its output channels, zero padding.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias
        As for ``torch.nn.Conv2d``.
    fraction, drop, generator
        As for :class:`TargetedUnits`.

    Examples
    --------
    >>> layer = TargetedUnitsConv2d(1, 4, 3, fraction=0.5, drop=0.5)
    >>> layer(torch.ones(2, 1, 5, 5)).shape
    torch.Size([2, 4, 3, 3])
    """

    _trailing = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        bias: bool = True,
        *,
        fraction: float = 0.5,
        drop: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        plain = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        super().__init__(plain, fraction, drop, generator=generator)
        self.stride, self.padding = plain.stride, plain.padding

    def mapped(self, input: Tensor) -> Tensor:
        """Return the convolution without bias."""
        return conv2d(input, self.weight, None, self.stride, self.padding)

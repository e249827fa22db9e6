"""Closed-form gates on the input channels of a convolution, whose lengths are those of what a channel contributes."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, unfold

from etatrick.errors import InputError
from etatrick.validation.layers.closed_form_gates import ClosedFormGates, SampledGates, UnsampledGates


class GatedConv2d(ClosedFormGates):
    r"""The convolution with zero padding: :math:`t_j = \lVert X_j \beta_j\rVert`, X_j the patches of channel j.

    Patches overlap, so that t_j is no product of two lengths; it needs the Gram matrix of each channel's patches.
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
        lam: float,
        generator: torch.Generator | None = None,
    ) -> None:
        plain = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        super().__init__(plain, lam, generator)
        self.stride, self.padding = stride, padding

    def mapped(self, input: Tensor, weight: Tensor) -> Tensor:
        """Convolve with `weight`."""
        _require_batch(input)
        return conv2d(input, weight, self.bias, self.stride, self.padding)

    def contributions(self, input: Tensor) -> Tensor:
        """Return each channel's own convolution, outputs and places flattened."""
        inputs = self.weight.shape[1]
        apart = self.weight.transpose(0, 1).flatten(0, 1)[:, None]
        each = conv2d(input, apart, None, self.stride, self.padding, groups=inputs)
        return each.reshape(len(input), inputs, -1)

    def batch_squares(self, input: Tensor, weight: Tensor) -> Tensor:
        """Return Σ over outputs of βᵀGβ, with G the Gram matrix of a channel's patches over batch and places."""
        _require_batch(input)
        places = unfold(input, weight.shape[2:], padding=self.padding, stride=self.stride)
        examples, _, positions = places.shape
        patches = places.reshape(examples, weight.shape[1], -1, positions).permute(1, 2, 0, 3).flatten(2)
        kernels = weight.transpose(0, 1).flatten(2)
        squares: Tensor = (kernels @ (patches @ patches.mT) * kernels).sum((1, 2))
        return squares.clamp_min(0)  # rounding may leave −1e-17


def _require_batch(input: Tensor) -> None:
    if input.dim() != 4:
        rule = "a convolution takes (batch, channels, height, width)"
        raise InputError(f"input of shape {tuple(input.shape)}", rule, "add the batch axis with input[None]")


@final
class SampledGatesConv2d(SampledGates, GatedConv2d):
    r"""Gates on input channels at their closed-form optimum, drawn once per channel and pass, π̂ held constant.

    The expected gradient is that of fit + CEL0 of each channel's length in the batch.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias
        As for ``torch.nn.Conv2d``.
    lam : float
        Price λ > 0 of an open gate, for a squared loss ½‖·‖² summed over the batch.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If `lam` is not a finite number > 0.

    Examples
    --------
    >>> layer = SampledGatesConv2d(2, 1, 1, lam=0.5, bias=False)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([0.25, 3.0]).reshape(1, 2, 1, 1)})
    >>> layer.retained(torch.ones(1, 2, 1, 1))
    tensor([0.2500, 1.0000])
    """


@final
class CEL0Conv2d(UnsampledGates, GatedConv2d):
    """The same gates without any sampling: a plain convolution whose `cel0` training adds to the loss.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, bias, lam
        As for :class:`SampledGatesConv2d`.

    Examples
    --------
    >>> layer = CEL0Conv2d(2, 1, 1, lam=0.5, bias=False)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([0.25, 3.0]).reshape(1, 2, 1, 1)})
    >>> layer.cel0(torch.ones(1, 2, 1, 1)).item()
    0.71875
    """

"""Closed-form gates on the inputs of a dense layer, with lengths of the batch or running ones."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from etatrick.validation.layers.closed_form_gates import ClosedFormGates, SampledGates, UnsampledGates
from etatrick.validation.layers.column_energy import BatchEnergy, Energy, column_squares


class GatedLinear(ClosedFormGates):
    r"""The dense map: :math:`t_j = s_j\lVert\beta_j\rVert`, β_j the weights that leave input j and s_j its length."""

    _trailing = 0

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        lam: float,
        energy: Energy | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(nn.Linear(in_features, out_features, bias), lam, generator)
        self.energy = BatchEnergy() if energy is None else energy

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer; training batches go into the energy first."""
        if not self.training:
            return self.clean(input)
        self.energy.update(input)
        return self.perturbed(input, self.noise(input))

    def mapped(self, input: Tensor, weight: Tensor) -> Tensor:
        """Return input·weightᵀ + bias."""
        return linear(input, weight, self.bias)

    def contributions(self, input: Tensor) -> Tensor:
        """Return x_j β_j, shape (…, inputs, outputs)."""
        return input[..., None] * self.weight.T

    def batch_squares(self, input: Tensor, weight: Tensor) -> Tensor:
        """Return ‖X_j‖²‖β_j‖²."""
        return column_squares(input.reshape(-1, input.shape[-1])) * column_squares(weight)

    def squares(self, input: Tensor) -> Tensor:
        """Return s_j²‖β_j‖²."""
        return self.energy.squares(input.to(self.weight.dtype)) * column_squares(self.weight)


@final
class SampledGatesLinear(SampledGates, GatedLinear):
    r"""Gates at their closed-form optimum, drawn once per input and pass: x z/π̂ with z ~ Bern(π̂), π̂ held constant.

    The expected gradient is that of fit + CEL0, with lengths of the batch; with running ones each term is weighted by
    the batch's share s²/ŝ². Weights of exactly 0 stay 0.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``.
    lam : float
        Price λ > 0 of an open gate, for a squared loss ½‖·‖² summed over the batch.
    energy : Energy, optional
        :class:`BatchEnergy` (default) or :class:`RunningEnergy`.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If `lam` is not a finite number > 0, or `momentum` lies outside [0, 1).

    Examples
    --------
    >>> layer = SampledGatesLinear(2, 1, lam=0.5, bias=False)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[0.25, 3.0]])})
    >>> layer.retained(torch.ones(1, 2))
    tensor([0.2500, 1.0000])
    """


@final
class CEL0Linear(UnsampledGates, GatedLinear):
    """The same gates without any sampling: a plain layer whose `cel0` training adds to the loss.

    Parameters
    ----------
    in_features, out_features, bias, lam, energy
        As for :class:`SampledGatesLinear`.

    Examples
    --------
    >>> layer = CEL0Linear(2, 1, lam=0.5, bias=False)
    >>> _ = layer.load_state_dict({"weight": torch.tensor([[0.25, 3.0]])})
    >>> layer.cel0(torch.ones(1, 2)).item()  # 0.25 − 0.25²/2 + 0.5
    0.71875
    """

"""Gates on the channels of maps: those of units, shared by the positions of a channel as well as by a batch."""

from typing import final

import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.validation.layers.base import Atoms, NoisyActivations
from etatrick.validation.layers.gates import UnitGates
from etatrick.validation.layers.unit_dropout import require_decoder, require_maps


@final
class ChannelGates(NoisyActivations):
    r"""Gates on the channels of maps (batch, channels, …), as learned gates prune them.

    A channel of maps is gated as a whole, so the twin penalises what channels contribute,
    :math:`\tfrac12\sum_{n,c}\operatorname{Var}(s_c)\,\lVert D_c h_{nc}\rVert^2`. Parameters, price and law are those of
    `gates`.

    Parameters
    ----------
    gates : UnitGates
        One gate for each channel: :class:`LearnedGates`, :class:`HardConcreteGates` or :class:`BetaBernoulliGates`.

    Raises
    ------
    InputError
        If `gates` are no gates, or maps have another number of channels.

    Examples
    --------
    >>> from etatrick.validation.layers import LearnedGates
    >>> layer = ChannelGates(LearnedGates(2, retain=0.5))
    >>> maps, decoder = torch.ones(1, 2, 1, 3), torch.ones(1, 6)
    >>> float(layer.penalty(maps, decoder).detach())  # each channel contributes 3, each gate has variance ¼
    2.25
    >>> layer.price().detach()
    tensor([0.5000, 0.5000])
    """

    def __init__(self, gates: nn.Module) -> None:
        super().__init__()
        if not isinstance(gates, UnitGates):
            rule = "channels are gated by the gates of units"
            raise InputError(f"gates = {gates!r}", rule, "pass e.g. LearnedGates(channels)")
        self.gates = gates

    def price(self) -> Tensor:
        """Return what each gate costs, shape (channels,)."""
        return self.gates.price()

    def noise(self, input: Tensor) -> Tensor:
        """Draw one number for each channel."""
        return self.gates.noise(_channels_last(input))

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the gated maps."""
        return self.gates.perturbed(_channels_last(input), noise).movedim(-1, 1)

    def clean(self, input: Tensor) -> Tensor:
        """Return the maps times the gates of evaluation."""
        return self.gates.clean(_channels_last(input)).movedim(-1, 1)

    def mean(self, input: Tensor) -> Tensor:
        """Return the maps times the mean gates."""
        return self.gates.mean(_channels_last(input)).movedim(-1, 1)

    def covariance(self, input: Tensor) -> Tensor:
        """Return Var(s_c) h_c h_cᵀ within each channel, 0 elsewhere; maps flattened."""
        maps = input.flatten(2)
        variance, which = self.gates.moments()[1].to(input.dtype), torch.eye(self.gates.units).to(maps)
        blocks = torch.einsum("c,ncp,cd,ndq->ncpdq", variance, maps, which, maps)
        return blocks.flatten(3).flatten(1, 2)

    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        """Return ½Σ Var(s_c)‖D_c h_nc‖²."""
        require_decoder(decoder, input[0].numel())
        maps = input.flatten(2)
        each = torch.einsum("ncp,rcp->nrc", maps, decoder.reshape(len(decoder), *maps.shape[1:]))
        return 0.5 * (self.gates.moments()[1].to(input.dtype) * each.square()).sum()

    def atoms(self, input: Tensor) -> Atoms:
        """Return those of the gates."""
        return self.gates.atoms(_channels_last(input))


def _channels_last(input: Tensor) -> Tensor:
    require_maps(input, 3)
    return input.movedim(1, -1)

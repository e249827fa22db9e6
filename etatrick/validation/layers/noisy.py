"""Dense and convolutional layers under any mechanism and perturbation."""

from typing import final

from etatrick.validation.layers.weighted_maps import Conv2dWeights, LinearWeights


@final
class NoisyLinear(LinearWeights):
    """``nn.Linear`` with noise on its weights, input units or pre-activations in training.

    Parameters
    ----------
    in_features, out_features, bias
        As for ``torch.nn.Linear``; the bias has no noise.
    mechanism : Mechanism
        Where the noise enters, made from a perturbation.
    generator : torch.Generator, optional
        Source of the noise; its device is where numbers are drawn.

    Examples
    --------
    >>> import torch
    >>> from etatrick.validation.layers import Proportional, SharedWeights, StandardNormal
    >>> layer = NoisyLinear(4, 2, mechanism=SharedWeights(Proportional(StandardNormal(0.25))))
    >>> layer(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """


@final
class NoisyConv2d(Conv2dWeights):
    """``nn.Conv2d`` (zero padding) with noise in training; parameters as there, and `mechanism` and `generator`.

    Examples
    --------
    >>> import torch
    >>> from etatrick.validation.layers import Bridge, CentredBernoulli, Units
    >>> layer = NoisyConv2d(1, 2, 3, mechanism=Units(Bridge(1.0, CentredBernoulli(0.5))))
    >>> layer(torch.ones(3, 1, 5, 5)).shape
    torch.Size([3, 2, 3, 3])
    """

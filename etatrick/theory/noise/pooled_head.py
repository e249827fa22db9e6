"""A convolutional head (mean over positions, then linear) behind a masked feature map: what the mask adds, exactly."""

from typing import Any

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import Floats
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.regularizer import explicit_regularizer, matrix_of


def channelwise_head_regularizer(law: MaskLaw, weights: Any, features: Any) -> float:
    r"""Return the explicit regulariser of a pooled head with an independent mask for each channel.

    The head is :math:`f = W \bar h`, :math:`\bar h_c = \frac1P \sum_p \bar z_{cp} h_{cp}`; the noise adds

    .. math:: \Omega = \frac1{P^2} \sum_c \lVert w_c\rVert^2\, h_c^T \bar C h_c \quad\text{per sample.}

    Parameters
    ----------
    law : MaskLaw
        The law of a mask on the P positions.
    weights : array_like, shape (a, channels)
        W.
    features : array_like, shape (channels, P) or (samples, channels, P)
        Feature maps; samples are added up.

    Returns
    -------
    float

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Blocks
    >>> channelwise_head_regularizer(Blocks((2,), 0.5), [[2.0]], [[1.0, 3.0]])  # ¼·4·(1+3)²
    16.0
    """
    W, maps = _checked(law, weights, features)
    scaled = np.linalg.norm(W, axis=0)[None, :, None] * maps / law.size
    return float(explicit_regularizer(law, scaled.reshape(-1, law.size), np.ones((1, law.size))))


def shared_head_regularizer(law: MaskLaw, weights: Any, features: Any) -> float:
    r"""Return the explicit regulariser of a pooled head with one mask for all channels of a sample.

    .. math:: \Omega = \sum_{pp'} \bar C_{pp'} \langle y_p, y_{p'}\rangle, \quad y_p = W h_{:,p}/P
              \quad\text{per sample.}

    Parameters
    ----------
    law, weights, features
        As in :func:`channelwise_head_regularizer`.

    Returns
    -------
    float

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli
    >>> shared_head_regularizer(Bernoulli(2, 0.5), [[1.0, 1.0]], [[1.0, 3.0], [1.0, -3.0]])  # ¼(2² + 0²)
    1.0
    """
    W, maps = _checked(law, weights, features)
    outputs = np.einsum("ac,ncp->nap", W, maps) / law.size
    return float(explicit_regularizer(law, outputs.reshape(-1, law.size), np.ones((1, law.size))))


def _checked(law: MaskLaw, weights: Any, features: Any) -> tuple[Floats, Floats]:
    W = matrix_of(weights, "weights")
    try:
        maps = np.asarray(features, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("features", "must be real numbers in an array", "pass a float array") from error
    maps = maps[None] if maps.ndim == 2 else maps
    if maps.ndim != 3 or maps.size == 0 or maps.shape[1:] != (W.shape[1], law.size):
        rule = f"must have the shape (…, {W.shape[1]} channels, {law.size} positions)"
        raise InputError(f"features of shape {np.shape(features)}", rule, "flatten the positions to the last axis")
    if not np.isfinite(maps).all():
        raise InputError("features", "hold NaN or infinite values", "remove them first")
    return W, maps

"""What every noisy layer offers: noise apart from the pass, exact moments, atoms to enumerate, a penalty twin."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn


@final
@dataclass(frozen=True)
class Atoms:
    """A finite law of a layer's raw noise: independent coordinates with K values each.

    It has the same first and second moments of the output, and of its gradient, as the noise itself: the two sides
    of α for a uniform number that is compared with α, Gauss–Hermite nodes for a normal one. Enumerating the product
    law gives expectations without sampling.

    Parameters
    ----------
    values, chances : Tensor, shape ``(K, *noise.shape)``
        The values of each coordinate, and their probabilities, which sum to 1 over the first axis.
    """

    values: Tensor
    chances: Tensor


class _Noisy(nn.Module, ABC):
    """A module whose training pass is a deterministic function of its input and of raw noise drawn beforehand."""

    generator: torch.Generator | None = None

    @abstractmethod
    def noise(self, input: Tensor) -> Tensor:
        """Draw the raw noise for one pass with `self.generator`; it does not depend on parameters or input values."""

    @abstractmethod
    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the training output for this noise; gradients flow as they do in training."""

    @abstractmethod
    def clean(self, input: Tensor) -> Tensor:
        """Return the evaluation output."""

    @abstractmethod
    def mean(self, input: Tensor) -> Tensor:
        """Return the exact mean of the training output over the noise."""

    @abstractmethod
    def covariance(self, input: Tensor) -> Tensor:
        """Return the exact covariance of the output's last axis over the noise, shape (batch, outputs, outputs)."""

    @abstractmethod
    def atoms(self, input: Tensor) -> Atoms:
        """Return the finite law of the raw noise; enumerable for small layers."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer: with fresh noise in training, without noise in evaluation."""
        if not self.training:
            return self.clean(input)
        return self.perturbed(input, self.noise(input))


class NoisyWeights(_Noisy):
    """A layer with weights of its own (linear, convolutional) that are perturbed in training."""

    @abstractmethod
    def penalty(self, input: Tensor) -> Tensor:
        r"""Return the penalty twin for a batch: a scalar, differentiable, built from ``etatrick.theory``.

        For every target t, :math:`\mathbb E\,\nabla\tfrac12\lVert t-\tilde y\rVert^2 =
        \nabla(\tfrac12\lVert t-\mathbb E\tilde y\rVert^2 + \text{penalty})`, summed over the batch. Where noise scales
        are differentiated the losses themselves are equal as well; where they are detached only the gradients are.
        """


class NoisyActivations(_Noisy):
    """A layer in the place of ``nn.Dropout``: it perturbs activations, shape (batch, …, units)."""

    @abstractmethod
    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        r"""Return the penalty twin for activations followed by ``decoder`` of shape (outputs, units): a scalar.

        As for weights, with :math:`\tilde y = \tilde a D^\top`; the gradient is with respect to activations, decoder
        and the layer's own parameters.
        """

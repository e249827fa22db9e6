"""Standout: retain probabilities that grow with the weight (a penalty) or with the pre-activation (the original)."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.base import Atoms, NoisyActivations
from etatrick.validation.layers.masks import Mask
from etatrick.validation.layers.unit_dropout import require_decoder

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

GAIN = Parameter("a", meaning="gain")
BIAS = Parameter("b", float("-inf"), meaning="bias of the gate")


@final
@dataclass(frozen=True)
class StandoutMask(Mask):
    """Masks on weights, Bern(α)/α with α = σ(a|w| + b): the linear caricature of standout, whose penalty is separable.

    Parameters
    ----------
    a : float
        Gain, > 0.
    b : float
        Bias: α = σ(b) at a weight of 0.

    Raises
    ------
    InputError
        If a parameter lies outside its range.

    Examples
    --------
    >>> mask = StandoutMask(a=1.0, b=0.0)
    >>> sorted(set(mask.draw(torch.zeros(100), torch.Generator().manual_seed(0)).tolist()))
    [0.0, 2.0]
    """

    a: float
    b: float

    def __post_init__(self) -> None:
        GAIN.exact(self.a)
        BIAS.exact(self.b)

    def noise(self, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draw uniform noise on [0, 1)."""
        return torch.rand(shape, generator=generator, dtype=dtype, device=generator.device)

    def apply(self, weight: Tensor, noise: Tensor) -> Tensor:
        """Return 1{noise < α}/α."""
        with torch.no_grad():
            size = weight.abs().mul_(self.a)
            scale = torch.exp(-size).mul_(exp(-self.b)).add_(1)  # 1/α
            return scale.mul_((noise * scale < 1).to(weight.dtype))

    def odds(self, weight: Tensor) -> Tensor:
        """Return (1−α)/α = e^{−a|w|−b}."""
        return torch.exp(-self.a * weight.detach().abs() - self.b)

    def atoms(self, weight: Tensor) -> Atoms:
        """Return a number on each side of α."""
        alpha = 1 / (1 + self.odds(weight))
        return Atoms(torch.stack([alpha / 2, (1 + alpha) / 2]), torch.stack([alpha, 1 - alpha]))

    @property
    def twin(self) -> "tuple[Duality, float]":
        """The strategy's penalty e^{−b}(1 − (1+a|w|)e^{−a|w|})/a², at λ = 1."""
        from etatrick.theory import strategies

        return strategies["standout"](a=self.a, b=self.b).duality, 1.0


@final
class Standout(NoisyActivations):
    r"""A nonlinearity with standout: :math:`m_j f(z_j)`, m_j ~ Bern(σ(a z_j + b)), for pre-activations z.

    In evaluation it is σ(a z + b) f(z). Masks are not differentiated, so training moves z through f alone: the mean
    is σ(a z + b) f(z) with the probability held constant, and the twin
    :math:`\tfrac12\sum \lVert D_j\rVert^2 g_j(1-g_j) f(z_j)^2`, g = σ(a z + b), holds it constant too. It depends on
    the data through g and is no penalty of weights (Ba, Frey 2013).

    Parameters
    ----------
    a : float
        Gain, > 0.
    b : float
        Bias.
    activation : callable
        f, elementwise.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If a parameter lies outside its range.

    Examples
    --------
    >>> Standout(a=1.0, b=0.0).eval()(torch.tensor([[-1.0, 0.0, 2.0]]))
    tensor([[0.0000, 0.0000, 1.7616]])
    """

    def __init__(
        self,
        a: float = 1.0,
        b: float = 0.0,
        *,
        activation: Callable[[Tensor], Tensor] = torch.relu,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        GAIN.exact(a)
        BIAS.exact(b)
        self.a, self.b, self.activation, self.generator = float(a), float(b), activation, generator

    def extra_repr(self) -> str:
        """Show the parameters."""
        return f"a={self.a:g}, b={self.b:g}"

    def retained(self, input: Tensor) -> Tensor:
        """Return the retain probabilities σ(a z + b)."""
        return torch.sigmoid(self.a * input + self.b)

    def noise(self, input: Tensor) -> Tensor:
        """Draw uniform noise on [0, 1)."""
        source = input.device if self.generator is None else self.generator.device
        dtype = torch.promote_types(input.dtype, torch.float32)
        return torch.rand(input.shape, generator=self.generator, dtype=dtype, device=source).to(input.device)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return f(z) where retained, 0 elsewhere."""
        return self.activation(input) * (noise < self.retained(input.detach())).to(input.dtype)

    def clean(self, input: Tensor) -> Tensor:
        """Return σ(a z + b) f(z)."""
        return self.activation(input) * self.retained(input)

    def mean(self, input: Tensor) -> Tensor:
        """Return σ(a z + b) f(z), with the probability held constant as in training."""
        return self.activation(input) * self.retained(input.detach())

    def covariance(self, input: Tensor) -> Tensor:
        """Return diag(g(1−g)f²) for each row, shape (rows, units, units)."""
        return torch.diag_embed(self._variances(input.reshape(-1, input.shape[-1])))

    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        """Return ½Σ‖D_j‖²g_j(1−g_j)f_j², the probability held constant."""
        require_decoder(decoder, input.shape[-1])
        return 0.5 * self._variances(input.reshape(-1, input.shape[-1])).sum(0) @ decoder.square().sum(0)

    def atoms(self, input: Tensor) -> Atoms:
        """Return a number on each side of the probability."""
        g = self.retained(input.detach()).double()
        return Atoms(torch.stack([g / 2, (1 + g) / 2]), torch.stack([g, 1 - g]))

    def _variances(self, input: Tensor) -> Tensor:
        g = self.retained(input.detach())
        return g * (1 - g) * self.activation(input).square()

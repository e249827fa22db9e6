"""Laws of dropout masks on weights: adaptive (from any derived duality) and fixed-rate."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.theory.clamping import clamped
from etatrick.theory.duality import Duality
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import lam as lam_symbol
from etatrick.theory.symbols import w
from etatrick.validation.layers.base import Atoms
from etatrick.validation.torch_compile import torch_function
from etatrick.validation.torch_dualities import require_scalar, torch_odds, torch_retain


class Mask(ABC):
    """A law of multiplicative noise on weights with mean 1, whose scale is treated as a constant (detached)."""

    @abstractmethod
    def noise(self, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draw the raw noise, independent of the weights."""

    @abstractmethod
    def apply(self, weight: Tensor, noise: Tensor) -> Tensor:
        """Return the multiplicative mask for these weights and this noise, detached from the graph."""

    @property
    @abstractmethod
    def twin(self) -> tuple[Duality, float]:
        """The penalty Ω and the λ that this mask imposes on a linear model with unit-norm columns."""

    def odds(self, weight: Tensor) -> Tensor:
        """Return the mask's variance for these weights: the odds (1−α)/α of dropping."""
        raise InputError(type(self).__name__, "this mask states no variance", "define `odds`")

    def atoms(self, weight: Tensor) -> Atoms:
        """Return a finite law of the raw noise with the mask's first two moments."""
        raise InputError(type(self).__name__, "this mask states no finite law", "define `atoms`")

    def draw(self, weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a mask for `weight`, drawn with `generator` (default: torch's own)."""
        generator = generator or torch.default_generator
        noise = self.noise(tuple(weight.shape), generator, weight.dtype).to(weight.device)
        return self.apply(weight, noise)


@final
@dataclass(frozen=True)
class AdaptiveGaussian(Mask):
    """Noise N(1, λ/η̂(w)): its variance is the odds (1−α)/α of dropping.

    Parameters
    ----------
    duality : Duality
        Without free parameters.
    lam : float
        λ > 0.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> mask = AdaptiveGaussian(derive(eta_hat="w*(w+2)"), lam=0.1)
    >>> mask.draw(torch.ones(3), torch.Generator().manual_seed(0)).shape
    torch.Size([3])
    """

    duality: Duality
    lam: float

    def __post_init__(self) -> None:
        _check(self.duality, self.lam)

    @property
    def _deviation(self) -> Any:
        return _compiled_deviation(self.duality, float(self.lam))

    def noise(self, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draw standard normal noise."""
        return torch.randn(shape, generator=generator, dtype=dtype)

    def apply(self, weight: Tensor, noise: Tensor) -> Tensor:
        """Return 1 + √(λ/η̂(|w|))·noise."""
        with torch.no_grad():
            size = weight.abs().clamp_min(torch.finfo(weight.dtype).tiny ** 0.25)  # η̂(0) = 0 would divide by 0
            return torch.addcmul(torch.ones_like(weight), self._deviation(size), noise)

    def odds(self, weight: Tensor) -> Tensor:
        """Return λ/η̂(|w|)."""
        odds: Tensor = self._deviation(weight.detach().abs()).square()
        return odds

    def atoms(self, weight: Tensor) -> Atoms:
        """Return ±1, the two-point Gauss–Hermite rule."""
        ones = torch.ones_like(weight.detach())
        return Atoms(torch.stack([-ones, ones]), torch.stack([ones, ones]) / 2)

    @property
    def twin(self) -> tuple[Duality, float]:
        """The penalty Ω of the duality, at λ."""
        return self.duality, self.lam


@final
@dataclass(frozen=True)
class AdaptiveBernoulli(Mask):
    """Scaled Bernoulli noise Bern(α)/α with α = max(η̂/(η̂+λ), floor).

    Parameters
    ----------
    duality : Duality
        Without free parameters.
    lam : float
        λ > 0.
    floor : float
        The least retain probability, in (0, 1); it bounds the jumps 1/α.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> mask = AdaptiveBernoulli(derive(eta_hat="w"), lam=1.0, floor=0.5)
    >>> sorted(set(mask.draw(torch.zeros(100), torch.Generator().manual_seed(0)).tolist()))
    [0.0, 2.0]
    """

    duality: Duality
    lam: float
    floor: float

    def __post_init__(self) -> None:
        _check(self.duality, self.lam)
        Parameter("floor", 0, 1).exact(self.floor)

    @property
    def _alpha(self) -> Any:
        return _compiled_alpha(self.duality, float(self.lam))

    def noise(self, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draw uniform noise on [0, 1)."""
        return torch.rand(shape, generator=generator, dtype=dtype)

    def apply(self, weight: Tensor, noise: Tensor) -> Tensor:
        """Return 1{noise < α}/α."""
        with torch.no_grad():
            alpha = self._alpha(weight.abs()).clamp_min(self.floor)
            mask: Tensor = (noise < alpha).to(weight.dtype) / alpha
            return mask

    def odds(self, weight: Tensor) -> Tensor:
        """Return (1−α)/α, α floored."""
        alpha: Tensor = self._alpha(weight.detach().abs()).clamp_min(self.floor)
        return (1 - alpha) / alpha

    def atoms(self, weight: Tensor) -> Atoms:
        """Return a point on either side of α."""
        return _sides(self._alpha(weight.detach().abs()).clamp_min(self.floor))

    @property
    def twin(self) -> tuple[Duality, float]:
        """The clamped penalty, at λ; the penalty itself where no weight falls below the floor."""
        if self.duality.alpha_at(0.0, self.lam) >= self.floor:
            return self.duality, self.lam
        return clamped(self.duality, retain=self.floor, strength=self.lam), self.lam


@final
@dataclass(frozen=True)
class FixedRate(Mask):
    """Scaled Bernoulli noise Bern(α)/α with one retain probability for all weights.

    Parameters
    ----------
    retain : float
        α in (0, 1].
    """

    retain: float

    def __post_init__(self) -> None:
        Parameter("retain", 0, 1, "]").exact(self.retain)

    def noise(self, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Draw uniform noise on [0, 1)."""
        return torch.rand(shape, generator=generator, dtype=dtype)

    def apply(self, weight: Tensor, noise: Tensor) -> Tensor:
        """Return 1{noise < α}/α."""
        return (noise < self.retain).to(weight.dtype) / self.retain

    def odds(self, weight: Tensor) -> Tensor:
        """Return (1−α)/α."""
        return torch.full_like(weight.detach(), (1 - self.retain) / self.retain)

    def atoms(self, weight: Tensor) -> Atoms:
        """Return a point on either side of α."""
        return _sides(torch.full_like(weight.detach(), self.retain))

    @property
    def twin(self) -> tuple[Duality, float]:
        """Ridge, ½w², at λ = (1−α)/α."""
        from etatrick.theory.penalty_catalogue import penalties

        return penalties["ridge"](c=1).duality, (1 - self.retain) / self.retain


def _sides(alpha: Tensor) -> Atoms:
    return Atoms(torch.stack([alpha / 2, (1 + alpha) / 2]), torch.stack([alpha, 1 - alpha]))


def _check(duality: Duality, lam: float) -> None:
    require_scalar(duality)
    if not (isinstance(lam, int | float) and 0 < lam < float("inf")):
        raise InputError(f"lam = {lam}", "λ must be a finite number > 0", "choose e.g. lam=0.01")


@lru_cache(maxsize=64)
def _compiled_deviation(duality: Duality, lam: float) -> Any:
    """Compile √(λ/η̂), from numbers where η̂ has no closed form; kept outside the masks, which therefore pickle."""
    import sympy as sp

    if duality.eta_hat is None:
        odds = torch_odds(duality, lam)
        return lambda size: odds(size).sqrt()
    return torch_function(sp.sqrt(sp.Rational(repr(lam)) / duality.eta_hat), w)


@lru_cache(maxsize=64)
def _compiled_alpha(duality: Duality, lam: float) -> Any:
    import sympy as sp

    if duality.alpha is None:
        return torch_retain(duality, lam)
    return torch_function(duality.alpha.subs(lam_symbol, sp.Rational(repr(lam))), w)

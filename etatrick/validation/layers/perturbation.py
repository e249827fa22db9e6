"""How far noise moves a weight: proportionally, by a power, by a constant more; differentiated or detached."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.theory.duality import Duality
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import w
from etatrick.validation.layers.raw_noise import RawNoise
from etatrick.validation.layers.signed_power import power, signed_power
from etatrick.validation.torch_compile import torch_function

if TYPE_CHECKING:
    from etatrick.validation.layers.weighted_maps import WeightedMap

Twin = tuple[Duality, float]


class Perturbation(ABC):
    """The perturbed weight w + g(w)·ξ: a deviation g, with its gradient as in training, and the law of ξ."""

    raw: RawNoise

    @abstractmethod
    def deviation(self, weight: Tensor) -> Tensor:
        """Return g(w), with the sign of w."""

    @abstractmethod
    def penalties(self, weight: Tensor) -> Tensor:
        """Return the penalty of every weight for inputs of unit energy, built from ``etatrick.theory``."""

    def variance(self, weight: Tensor) -> Tensor:
        """Return Var = g(w)²·E ξ², with the gradient of training."""
        return self.deviation(weight).square() * self.raw.variance

    def gaussian(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return the layer's output with normal noise of the variance that this perturbation gives it."""
        return layer.gaussian(input, self.variance(layer.weight), noise)

    def split(self, weight: Tensor) -> tuple[float, float, Tensor | None]:
        """Return a, b and h with g(w) = a·w + b·h: a constant h saves a matmul of the backward pass."""
        return 0.0, 1.0, self.deviation(weight)

    @property
    def detached_twin(self) -> Twin:
        """The penalty and the λ that this noise imposes where g(w)/w is a constant of the graph."""
        raise InputError(type(self).__name__, "its detached form has no known penalty", "let gradients flow")


@final
@dataclass(frozen=True)
class Proportional(Perturbation):
    """g(w) = w: dropout on weights, Bernoulli or Gaussian; the penalty is ridge, ½w² times the variance of ξ.

    Parameters
    ----------
    raw : RawNoise

    Examples
    --------
    >>> from etatrick.validation.layers.raw_noise import CentredBernoulli
    >>> Proportional(CentredBernoulli(0.5)).penalties(torch.tensor([2.0, -1.0]))
    tensor([2.0000, 0.5000])
    """

    raw: RawNoise

    def deviation(self, weight: Tensor) -> Tensor:
        """Return w."""
        return weight

    def gaussian(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return the output for a variance of degree 2."""
        return layer.gaussian_power(input, 2.0, self.raw.variance, noise)

    def split(self, weight: Tensor) -> tuple[float, float, Tensor | None]:
        """Return 1, 0 and None."""
        return 1.0, 0.0, None

    def penalties(self, weight: Tensor) -> Tensor:
        """Return the ridge penalty of fixed-rate dropout."""
        return of_twin(self.detached_twin, weight)

    @property
    def detached_twin(self) -> Twin:
        """The same ridge: the ratio g(w)/w is constant anyway."""
        return ridge_twin(self.raw.variance)


@final
@dataclass(frozen=True)
class Bridge(Perturbation):
    r"""g(w) = sgn(w)·\|w\|^{q/2}, with a gradient of 0 at 0: the penalty is ½E ξ²·\|w\|^q [Khan, Shah, Stavness 2018].

    Carrying the sign makes q = 2 dropout for negative weights too.

    Parameters
    ----------
    q : float
        Degree of the noise's variance, in (0, 2].
    raw : RawNoise
    """

    q: float
    raw: RawNoise

    def __post_init__(self) -> None:
        Parameter("q", 0, 2, "]").exact(self.q)

    def deviation(self, weight: Tensor) -> Tensor:
        """Return sgn(w)|w|^(q/2)."""
        return signed_power(weight, self.q / 2)

    def variance(self, weight: Tensor) -> Tensor:
        """Return |w|^q·E ξ²."""
        return power(weight, self.q) * self.raw.variance

    def gaussian(self, layer: "WeightedMap", input: Tensor, noise: Tensor) -> Tensor:
        """Return the output for a variance of degree q."""
        return layer.gaussian_power(input, self.q, self.raw.variance, noise)

    def penalties(self, weight: Tensor) -> Tensor:
        """Return the penalty of the catalogue's differentiated bridgeout."""
        return of_twin((_bridgeout(self.q), self.raw.variance), weight)

    @property
    def detached_twin(self) -> Twin:
        """The ℓ_q penalty that is 2/q times larger, from η̂ = w^(2−q)/E ξ²."""
        if self.q == 2:
            return ridge_twin(self.raw.variance)
        return _reweighted_lp(self.q), self.raw.variance


@final
@dataclass(frozen=True)
class Shake(Perturbation):
    r"""g(w) = w + c·sgn(w): the penalty is ½E ξ²(w² + 2c\|w\| + c²1[w ≠ 0]) [Kang, Li, Tao 2016].

    Parameters
    ----------
    c : float
        Strength > 0.
    raw : RawNoise
    """

    c: float
    raw: RawNoise

    def __post_init__(self) -> None:
        Parameter("c", meaning="strength").exact(self.c)

    def deviation(self, weight: Tensor) -> Tensor:
        """Return w + c·sgn(w)."""
        return torch.add(weight, weight.detach().sign(), alpha=self.c)

    def split(self, weight: Tensor) -> tuple[float, float, Tensor | None]:
        """Return 1, c and sgn(w), which is constant."""
        return 1.0, self.c, weight.detach().sign()

    def penalties(self, weight: Tensor) -> Tensor:
        """Return the catalogue's penalty: ridge, ℓ1 and a jump at 0."""
        return of_twin((_shakeout(self.c), self.raw.variance), weight)

    @property
    def detached_twin(self) -> Twin:
        """Refuse: detached, Ω′ = E ξ²(w + c)²/w has the log barrier c² log w, which has no minimum."""
        raise InputError(
            f"Shake(c={self.c}) with a detached scale",
            "its penalty would contain c² log|w|, which is −∞ at 0",
            "let gradients flow through the scale",
        )


@final
@dataclass(frozen=True)
class Detached(Perturbation):
    """Another perturbation whose ratio g(w)/w is a constant of the graph, as adaptive dropout has it.

    Parameters
    ----------
    inner : Perturbation
        One with a penalty in this form.

    Examples
    --------
    >>> from etatrick.validation.layers.raw_noise import CentredBernoulli
    >>> bridge = Bridge(1.0, CentredBernoulli(0.5))
    >>> bridge.penalties(torch.tensor([3.0])), Detached(bridge).penalties(torch.tensor([3.0]))  # 2/q times larger
    (tensor([1.5000]), tensor([3.]))
    """

    inner: Perturbation

    def __post_init__(self) -> None:
        _ = self.inner.detached_twin

    @property
    def raw(self) -> RawNoise:  # type: ignore[override]
        """The law of ξ."""
        return self.inner.raw

    def deviation(self, weight: Tensor) -> Tensor:
        """Return w·[g(w)/w], the bracket constant; 0 at 0."""
        constant = weight.detach()
        ratio = self.inner.deviation(constant) / constant
        return weight * ratio.masked_fill_(constant == 0, 0.0)

    def penalties(self, weight: Tensor) -> Tensor:
        """Return the penalty of the detached form."""
        return of_twin(self.inner.detached_twin, weight)

    @property
    def detached_twin(self) -> Twin:
        """The twin of what is detached already."""
        return self.inner.detached_twin


def of_twin(twin: Twin, weight: Tensor) -> Tensor:
    """Return λΩ(|w|) elementwise, and exactly 0 with slope 0 at w = 0."""
    duality, strength = twin
    zero = weight == 0
    size = torch.where(zero, torch.ones_like(weight), weight.abs())
    value = strength * torch_function(duality.penalty, w)(size)
    return torch.where(zero, torch.zeros_like(weight), value)


def ridge_twin(odds: float) -> Twin:
    """Return the twin of fixed-rate dropout with these odds of dropping; noise scales all penalties by E ξ²."""
    return _ridge(), odds


@lru_cache(maxsize=1)
def _ridge() -> Duality:
    from etatrick.theory.strategy_catalogue import strategies

    return strategies["fixed_rate"](retain=0.5).duality


@lru_cache(maxsize=64)
def _bridgeout(q: float) -> Duality:
    from etatrick.theory.strategy_catalogue import strategies

    return strategies["bridgeout"](q=q, retain=0.5).duality


@lru_cache(maxsize=64)
def _shakeout(c: float) -> Duality:
    from etatrick.theory.strategy_catalogue import strategies

    return strategies["shakeout"](c=c, drop=0.5).duality


@lru_cache(maxsize=64)
def _reweighted_lp(q: float) -> Duality:
    from etatrick.theory.strategy_catalogue import strategies

    return strategies["reweighted_lp"](p=q).duality

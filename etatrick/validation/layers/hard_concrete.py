"""Hard concrete gates on units (Louizos, Welling, Kingma 2018), with moments by quadrature that autograd follows."""

from functools import lru_cache
from math import log
from typing import TYPE_CHECKING, Final, final

import torch
from torch import Tensor, nn

from etatrick.validation.layers.base import Atoms
from etatrick.validation.layers.gates import UnitGates, start_logit
from etatrick.validation.layers.quadrature_atoms import fewest_atoms, gauss_legendre

if TYPE_CHECKING:
    from etatrick.theory.gates.laws import HardConcrete

LEAST: Final = 2.0**-54
"""Stands for a drawn 0, which has no logit; half of the step between uniform numbers."""


@final
class HardConcreteGates(UnitGates):
    r"""Gates :math:`s = \min(1, \max(0, \sigma((\operatorname{logit} u + \log a)/\beta)(\zeta-\gamma)+\gamma))`.

    .. math:: P(s>x) = \sigma\big(\log a - \beta\log\tfrac{x-\gamma}{\zeta-x}\big),\quad
              \mathrm E s = \int_0^1\!P(s>x)\,dx,\quad \mathrm E s^2 = \int_0^1\!2x\,P(s>x)\,dx

    The price of a gate is its chance P(s ≠ 0) of being open, so that λΣ price is λ times the expected ℓ0 norm. The
    law of theory is `twin`; at the best log a, penalty + λ·price is 2λΩ(w/√(2λ)).

    Parameters
    ----------
    units : int
        Number of units.
    retain : float
        σ(log a) at the start, in (0, 1).
    beta : float
        Temperature, > 0.
    gamma, zeta : float
        The stretched interval: γ < 0 and ζ > 1.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If a parameter lies outside its range.

    Examples
    --------
    >>> gates = HardConcreteGates(2, retain=0.5)
    >>> gates.price().detach(), gates.eval()(torch.ones(1, 2)).detach()
    (tensor([0.8318, 0.8318]), tensor([[0.5000, 0.5000]]))
    """

    def __init__(
        self,
        units: int,
        retain: float = 0.5,
        *,
        beta: float = 2 / 3,
        gamma: float = -0.1,
        zeta: float = 1.1,
        generator: torch.Generator | None = None,
    ) -> None:
        from etatrick.theory.gates.laws import HardConcrete

        super().__init__(units, generator=generator)
        self.twin: HardConcrete = HardConcrete(beta, gamma, zeta)
        self.log_a = nn.Parameter(torch.full((self.units,), start_logit(retain)))

    def gate(self, noise: Tensor) -> Tensor:
        """Return the stretched and clipped gates; the gradient is that of the path."""
        logit = torch.logit(noise, LEAST).to(self.log_a.dtype)
        raw = torch.sigmoid((logit + self.log_a) / self.twin.beta)
        return self._stretched(raw).clamp(0, 1)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return E s and Var s."""
        y, x, weight = (part.to(self.log_a) for part in _nodes(self.twin))
        above = torch.sigmoid(self.log_a[:, None] - self.twin.beta * y)  # P(s > x)
        mean = above @ weight
        return mean, above @ (2 * x * weight) - mean.square()

    def price(self) -> Tensor:
        """Return P(s ≠ 0) = σ(log a − β log(−γ/ζ))."""
        return torch.sigmoid(self.log_a - self.twin.beta * _ends(self.twin)[0])

    def settled(self) -> Tensor:
        """Return min(1, max(0, σ(log a)(ζ−γ)+γ))."""
        return self._stretched(torch.sigmoid(self.log_a)).clamp(0, 1)

    def atoms(self, input: Tensor) -> Atoms:
        """Return few numbers with the first and second moments of s and ∂s/∂log a."""
        parts = [_unit_atoms(self.twin, float(log_a)) for log_a in self.log_a.detach()]
        most = max(len(values) for values, _ in parts)
        values, chances = (
            torch.full((most, self.units), 0.5, dtype=torch.float64),
            torch.zeros(most, self.units).double(),
        )
        for unit, (value, chance) in enumerate(parts):
            values[: len(value), unit], chances[: len(chance), unit] = value, chance
        return Atoms(values, chances)

    def _stretched(self, raw: Tensor) -> Tensor:
        return raw * (self.twin.zeta - self.twin.gamma) + self.twin.gamma


def _ends(law: "HardConcrete") -> tuple[float, float]:
    """Return log r(x) at x = 0 and x = 1, r(x) = (x−γ)/(ζ−x)."""
    return log(-law.gamma / law.zeta), log((1 - law.gamma) / (law.zeta - 1))


@lru_cache(maxsize=64)
def _unit_atoms(law: "HardConcrete", log_a: float) -> tuple[Tensor, Tensor]:
    """Return the rule of one unit: closed, open, and Gauss–Legendre nodes of the path between, reduced."""
    low, high = (law.beta * end - log_a for end in _ends(law))  # logit u at s = 0 and s = 1
    logit, weight = gauss_legendre(low, high, 200)
    shut, full = torch.sigmoid(torch.tensor([low, -high], dtype=torch.float64))
    inside = weight * torch.sigmoid(logit) * torch.sigmoid(-logit)
    u = torch.cat([torch.stack([shut / 2, 1 - full / 2]), torch.sigmoid(logit)])
    width, raw = law.zeta - law.gamma, torch.sigmoid((logit + log_a) / law.beta)
    s = torch.cat([torch.tensor([0.0, 1.0]).double(), law.gamma + width * raw])
    slope = torch.cat([torch.zeros(2).double(), raw * (1 - raw) * width / law.beta])
    return fewest_atoms(u, torch.cat([torch.stack([shut, full]), inside]), [s, s * s, slope, s * slope])


@lru_cache(maxsize=32)
def _nodes(law: "HardConcrete") -> tuple[Tensor, Tensor, Tensor]:
    """Return nodes y = log r, the gate values x there, and weights that include dx/dy."""
    y, weight = gauss_legendre(*_ends(law), 64)
    s = torch.sigmoid(y)
    width = law.zeta - law.gamma
    return y, law.gamma + width * s, weight * width * s * (1 - s)

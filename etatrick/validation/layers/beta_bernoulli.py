"""Beta–Bernoulli dropout: gates whose retain probability has a Kumaraswamy posterior (Lee et al. 2018)."""

from math import expm1, log
from typing import Final, final

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.gates import BernoulliGates

EULER: Final = 0.57721566490153286
PRUNED: Final = 1e-3
"""Mean retain probability below which a unit is removed in evaluation."""

SHAPES: Final = (Parameter("a", meaning="first shape"), Parameter("b", meaning="second shape"))


@final
class BetaBernoulliGates(BernoulliGates):
    r"""Gates s ~ Bern(π) with π ~ Kumaraswamy(a, b), a prior Beta(α₀, 1), and their divergence as price.

    .. math:: \mathrm E\,\pi = b\,B(1+1/a, b),\qquad \mathrm{KL} = \big(1-\tfrac{\alpha_0}{a}\big)
              \big(-\gamma_E-\psi(b)-\tfrac1b\big)+\log\tfrac{ab}{\alpha_0}-\tfrac{b-1}{b}

    A pass sees gates with probability Eπ; they are drawn as such, not relaxed. At the best shapes penalty + price is
    the Ω of `twin`.

    Parameters
    ----------
    units : int
        Number of units.
    prior : float
        α₀ in [1e-12, 1].
    a, b : float
        Shapes at the start, > 0.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If a parameter lies outside its range.

    Examples
    --------
    >>> gates = BetaBernoulliGates(1, prior=1e-4, a=0.313, b=1.0)
    >>> gates.retained().detach(), gates.price().detach()
    (tensor([0.2384]), tensor([7.0491]))
    """

    def __init__(
        self,
        units: int,
        prior: float = 1e-4,
        *,
        a: float = 0.313,
        b: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        from etatrick.theory.gates.laws import BetaBernoulli

        super().__init__(units, generator=generator)
        self.twin = BetaBernoulli(prior)
        shapes = [float(rule.exact(value)) for rule, value in zip(SHAPES, (a, b), strict=True)]
        raw = [shape + log(-expm1(-shape)) for shape in shapes]  # the inverse of softplus, which cannot overflow
        self.raw_a, self.raw_b = (nn.Parameter(torch.full((self.units,), value)) for value in raw)

    def shapes(self) -> tuple[Tensor, Tensor]:
        """Return a and b, by softplus of the parameters."""
        return softplus(self.raw_a), softplus(self.raw_b)

    def retained(self) -> Tensor:
        """Return Eπ; at most the number next to 1, so that rounding leaves no variance below 0."""
        a, b = self.shapes()
        first = 1 + 1 / a
        log_mean = first.lgamma() + (b + 1).lgamma() - (first + b).lgamma()
        over = log_mean.detach() + torch.finfo(log_mean.dtype).eps / 2
        return (log_mean - over.clamp_min_(0)).exp()

    def price(self) -> Tensor:
        """Return the divergence from the prior."""
        a, b = self.shapes()
        prior = self.twin.prior
        return (1 - prior / a) * (-EULER - b.digamma() - 1 / b) + (a * b / prior).log() - (b - 1) / b

    def settled(self) -> Tensor:
        """Return Eπ, 0 where it is below 1e-3."""
        pi = self.retained()
        return pi.where(pi >= PRUNED, 0.0)

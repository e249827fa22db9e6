"""Gated least squares in six columns: problems, all their subsets, and three ways to train the gates in one batch."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

ROWS, COLUMNS = 30, 6
FAMILIES: Final = {"independent": 0.0, "correlated": 0.8}  # the correlation of every pair of columns
PRICE: Final = 0.125  # λ: a column of norm 1 pays where its weight exceeds √(2λ) = ½
NOISE: Final = 0.15
TEMPERATURE, LOW, HIGH = 2 / 3, -0.1, 1.1


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """½‖y − Xw‖² + λ‖w‖₀ with columns of norm 1."""

    X: "NDArray[np.float64]"
    y: "NDArray[np.float64]"

    def objective(self, support: "NDArray[np.bool_]") -> float:
        """Return the objective of the least-squares fit on a support, shape (6,)."""
        chosen = self.X[:, support]
        residual = self.y - chosen @ np.linalg.lstsq(chosen, self.y, rcond=None)[0]
        return float(0.5 * residual @ residual + PRICE * support.sum())

    def subsets(self) -> "NDArray[np.float64]":
        """Return the objectives of all 64 supports, in the order of binary numbers."""
        every = itertools.product((False, True), repeat=COLUMNS)
        return np.array([self.objective(np.array(support)) for support in every])


def drawn(family: str, index: int) -> Problem:
    """Return a problem of a family: three of six weights between ½ and 2 in size, the others 0.

    Parameters
    ----------
    family : {"independent", "correlated"}
    index : int
        Which one; it determines the draw.

    Returns
    -------
    Problem

    Raises
    ------
    InputError
        If there is no such family.

    Examples
    --------
    >>> drawn("correlated", 0).X.shape
    (30, 6)
    """
    from etatrick.validation.seeding import seed

    if family not in FAMILIES:
        raise InputError(family, "is no family of problems", f"choose one of: {', '.join(FAMILIES)}")
    rng = np.random.default_rng(seed("gates-l0", family, index))
    shared = FAMILIES[family]
    X = np.sqrt(1 - shared) * rng.standard_normal((ROWS, COLUMNS)) + np.sqrt(shared) * rng.standard_normal((ROWS, 1))
    X /= np.linalg.norm(X, axis=0)
    w = np.zeros(COLUMNS)
    w[rng.choice(COLUMNS, 3, replace=False)] = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.5, 2, 3)
    return Problem(X, X @ w + NOISE * rng.standard_normal(ROWS))


@final
@dataclass(frozen=True, eq=False)
class Moments:
    """XᵀX, Xᵀy and yᵀy of the problems in a batch, shapes (b, 6, 6), (b, 6) and (b,)."""

    gram: "Tensor"
    linear: "Tensor"
    constant: "Tensor"

    def loss(self, weight: "Tensor") -> "Tensor":
        """Return ½‖y − Xw‖² for weights of shape (b, 6)."""
        quadratic = (weight * self.times(weight)).sum(-1)
        found: Tensor = 0.5 * (self.constant + quadratic) - (weight * self.linear).sum(-1)
        return found

    def times(self, weight: "Tensor") -> "Tensor":
        """Return XᵀXw."""
        found: Tensor = (self.gram @ weight[..., None])[..., 0]
        return found


def moments(problems: list[Problem], repeats: int) -> Moments:
    """Return the moments of problems, each repeated for several runs."""
    import torch

    gram = np.repeat([p.X.T @ p.X for p in problems], repeats, axis=0)
    linear = np.repeat([p.X.T @ p.y for p in problems], repeats, axis=0)
    constant = np.repeat([p.y @ p.y for p in problems], repeats)
    return Moments(*(torch.tensor(part) for part in (gram, linear, constant)))


class Gates(ABC):
    """A way to train gates: gradients of the expected gated loss plus λ times the expected number of open gates."""

    @abstractmethod
    def gradients(self, batch: Moments, weight: "Tensor", logits: "Tensor", uniform: "Tensor") -> Any:
        """Return the gradients with respect to weights and logits.

        Parameters
        ----------
        batch : Moments
        weight, logits, uniform : Tensor, shape (b, 6)
            `uniform` holds fresh numbers in (0, 1), one per gate.

        Returns
        -------
        tuple of two Tensors, shape (b, 6)
        """

    @abstractmethod
    def open(self, logits: "Tensor") -> "Tensor":
        """Return which gates are open after training, boolean, shape (b, 6)."""


@final
@dataclass(frozen=True)
class Arm(Gates):
    r"""Bernoulli gates by augment–REINFORCE–merge: two losses per step, unbiased (Yin, Zhou 2019; Li, Ji 2021).

    .. math:: \nabla_\varphi\,\mathrm E f(z) = \mathrm E_u\big[(f(1[u>1-\pi])-f(1[u<\pi]))(u-\tfrac12)\big],
              \qquad \pi=\sigma(\varphi)
    """

    def gradients(self, batch: Moments, weight: "Tensor", logits: "Tensor", uniform: "Tensor") -> Any:
        """Return the estimate; weights learn from the second draw."""
        chance = logits.sigmoid()
        first, second = (uniform > 1 - chance).to(weight.dtype), (uniform < chance).to(weight.dtype)
        gap = batch.loss(weight * first) - batch.loss(weight * second)
        price = PRICE * chance * (1 - chance)
        by_weight = second * (batch.times(weight * second) - batch.linear)
        return by_weight, gap[:, None] * (uniform - 0.5) + price

    def open(self, logits: "Tensor") -> "Tensor":
        """Return π > ½."""
        return logits > 0


@final
@dataclass(frozen=True)
class Expected(Gates):
    r"""Bernoulli gates by the exact gradient of :math:`\tfrac12\|y-X(\pi w)\|^2+\tfrac12\sum_j w_j^2\pi_j(1-\pi_j)
    +\lambda\sum_j\pi_j` (columns of norm 1)."""  # noqa: D205, D209

    def gradients(self, batch: Moments, weight: "Tensor", logits: "Tensor", uniform: "Tensor") -> Any:
        """Return both gradients; `uniform` is not needed."""
        chance = logits.sigmoid()
        pull = batch.times(chance * weight) - batch.linear
        by_weight = chance * pull + weight * chance * (1 - chance)
        by_chance = weight * pull + 0.5 * weight**2 * (1 - 2 * chance) + PRICE
        return by_weight, by_chance * chance * (1 - chance)

    def open(self, logits: "Tensor") -> "Tensor":
        """Return π > ½."""
        return logits > 0


@final
@dataclass(frozen=True)
class HardConcrete(Gates):
    """Hard concrete gates by reparameterisation (Louizos, Welling, Kingma 2018): T = 2/3, γ = −0.1, ζ = 1.1."""

    def gradients(self, batch: Moments, weight: "Tensor", logits: "Tensor", uniform: "Tensor") -> Any:
        """Return autograd's gradients of one draw, with the price of P(z ≠ 0)."""
        import math

        import torch

        leaves = [part.detach().requires_grad_(True) for part in (weight, logits)]
        soft = ((uniform.logit() + leaves[1]) / TEMPERATURE).sigmoid()
        gate = (soft * (HIGH - LOW) + LOW).clamp(0, 1)
        alive = (leaves[1] - TEMPERATURE * math.log(-LOW / HIGH)).sigmoid()
        total = batch.loss(leaves[0] * gate).sum() + PRICE * alive.sum()
        return torch.autograd.grad(total, leaves)

    def open(self, logits: "Tensor") -> "Tensor":
        """Return whether the gate used for prediction is positive."""
        return logits.sigmoid() * (HIGH - LOW) + LOW > 0


def train(
    gates: Gates, batch: Moments, *, steps: int, rate: float, label: str, progress: Callable[[float], None]
) -> tuple["NDArray[np.bool_]", "NDArray[np.float64]", "NDArray[np.float64]"]:
    """Train weights and gates of all problems at once by Adam with a rate that falls linearly to 0.

    Parameters
    ----------
    gates : Gates
    batch : Moments
    steps : int
    rate : float
        The first learning rate.
    label : str
        Names the run and determines its noise.
    progress : callable
        Called with the fraction done.

    Returns
    -------
    open, weights, logits : ndarray, shape (b, 6)

    Raises
    ------
    InputError
        If a run diverges.
    """
    import torch

    from etatrick.validation.seeding import seed

    generator = torch.Generator().manual_seed(seed("gates-l0", label))
    weight = torch.linalg.solve(batch.gram, batch.linear[..., None])[..., 0]  # least squares
    logits = torch.full_like(weight, 1.0) + 0.1 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    optimiser = torch.optim.Adam([weight, logits], lr=rate)
    for step in range(steps):
        uniform = torch.rand(weight.shape, generator=generator, dtype=weight.dtype).clamp(1e-12, 1 - 1e-12)
        weight.grad, logits.grad = gates.gradients(batch, weight, logits, uniform)
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimiser.step()
        if step % 500 == 0:
            progress(step / steps)
    if not bool(torch.isfinite(weight).all() and torch.isfinite(logits).all()):
        raise InputError(f"rate = {rate}", "the training of gates diverged", "choose a smaller rate")
    return gates.open(logits).numpy(), weight.numpy(), logits.numpy()

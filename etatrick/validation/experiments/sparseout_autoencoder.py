"""Stacked auto-encoders with Sparseout noise on a ReLU layer: every q, gradient, decoder and seed in one batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from etatrick.errors import InputError

FLOOR: Final = 1e-6  # |a|^(q/2−1) has a pole at 0 for q < 2; below this it is held constant
BETAS: Final = (0.9, 0.999)


@final
@dataclass(frozen=True)
class Sparseout:
    """Noise a + a^{q/2}(ρ − 1) on nonnegative activations, ρ ~ Bern(p)/p, for C settings.

    Parameters
    ----------
    q : Tensor, shape (C,)
        Exponents.
    slopes : Tensor, shape (C,)
        c in the factor 1 + c·a^{q/2−1}(ρ − 1) of the gradient: q/2 is the true derivative, 1 detaches the noise.
    unit : Tensor of bool, shape (C,)
        Whether decoder columns are scaled to norm 1 after every step.
    retain : float
        p in (0, 1].
    """

    q: Tensor
    slopes: Tensor
    unit: Tensor
    retain: float

    def __post_init__(self) -> None:
        if not 0 < self.retain <= 1:
            raise InputError(f"retain = {self.retain}", "must lie in (0, 1]", "choose e.g. retain=0.5")
        if not bool((self.q > 0).all()):
            raise InputError("q", "must be > 0", "choose e.g. q between 1 and 3")


@final
@dataclass(frozen=True)
class AutoEncoders:
    """Weights of C × S auto-encoders b → d → b: out = relu(x E + e) D + c.

    Parameters
    ----------
    encoder, decoder : Tensor, shapes (C, S, b, d) and (C, S, d, b)
    inner, outer : Tensor, shapes (C, S, 1, d) and (C, S, 1, b)
        Biases.
    """

    encoder: Tensor
    inner: Tensor
    decoder: Tensor
    outer: Tensor

    @classmethod
    def initialised(cls, settings: int, inputs: int, hidden: int, generators: list[torch.Generator]) -> "AutoEncoders":
        """Return networks with weights uniform in ±1/√fan_in, the same for every setting."""

        def uniform(rows: int, columns: int) -> Tensor:
            drawn = torch.stack([torch.rand((rows, columns), generator=g) for g in generators])
            return ((2 * drawn - 1) / math.sqrt(rows)).repeat(settings, 1, 1, 1)

        encoder, decoder = uniform(inputs, hidden), uniform(hidden, inputs)
        return cls(encoder, torch.zeros_like(encoder[:, :, :1]), decoder, torch.zeros_like(decoder[:, :, :1]))

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four parameters."""
        return self.encoder, self.inner, self.decoder, self.outer

    def hidden(self, x: Tensor) -> Tensor:
        """Return relu(x E + e), shape (C, S, n, d), for x of shape (S, n, b) or (n, b)."""
        return (x @ self.encoder + self.inner).relu()


@final
@dataclass(frozen=True)
class Pass:
    """One noisy pass: the mean loss, its gradients, and the drift h·g_h − D·g_D of the scale, each (C, S, …)."""

    loss: Tensor
    gradients: tuple[Tensor, Tensor, Tensor, Tensor]
    drift: Tensor


def noisy_pass(nets: AutoEncoders, x: Tensor, noise: Sparseout, kept: Tensor) -> Pass:
    """Return loss and gradients for masks `kept`, shape (S, n, d), shared by the settings.

    The loss is ‖x − out‖² per example, without a factor ½, averaged over the n examples.
    """
    h = nets.hidden(x)
    wide = (slice(None), None, None, None)
    pull = h.clamp_min(FLOOR).pow((noise.q / 2 - 1)[wide]) * (kept.to(h.dtype) / noise.retain - 1)
    noisy = torch.addcmul(h, h, pull)
    residual = noisy @ nets.decoder + nets.outer - x
    g_out = residual * (2 / x.shape[-2])
    g_decoder = noisy.mT @ g_out
    g_hidden = (g_out @ nets.decoder.mT) * (1 + noise.slopes[wide] * pull)
    g_inner = g_hidden * (h > 0)
    drift = (h * g_hidden).sum((2, 3)) - (nets.decoder * g_decoder).sum((2, 3))
    gradients = (x.mT @ g_inner, g_inner.sum(2, keepdim=True), g_decoder, g_out.sum(2, keepdim=True))
    return Pass((residual**2).sum((2, 3)) / x.shape[-2], gradients, drift)


def penalty(nets: AutoEncoders, x: Tensor, noise: Sparseout) -> Tensor:
    """Return ((1−p)/p)·Σ_j‖D_j‖²|h_j|^q averaged over examples, shape (C, S): what the noise adds to the loss."""
    h, columns = nets.hidden(x), (nets.decoder**2).sum(3)
    powers = h.pow(noise.q[:, None, None, None]).mean(2)
    return (1 - noise.retain) / noise.retain * (columns * powers).sum(2)


def train_autoencoders(
    inputs: Tensor,
    noise: Sparseout,
    seeds: list[int],
    *,
    hidden: int,
    steps: int,
    batch_size: int,
    learning_rate: float,
    progress: Callable[[float], None] = lambda fraction: None,
) -> AutoEncoders:
    """Train C × S auto-encoders together with Adam; settings share initial weights, batches and masks seed by seed.

    Parameters
    ----------
    inputs : Tensor, shape (n, b)
    noise : Sparseout
    seeds : list of int
        One generator each, for weights, batches and masks.
    hidden, steps, batch_size : int
    learning_rate : float
        Falls linearly to 0.
    progress : callable
        Called with the fraction done.

    Returns
    -------
    AutoEncoders

    Raises
    ------
    InputError
        If a network diverges.

    Examples
    --------
    >>> noise = Sparseout(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 1.0]), torch.tensor([False, True]), 0.5)
    >>> options = {"hidden": 3, "steps": 2, "batch_size": 4, "learning_rate": 0.01}
    >>> train_autoencoders(torch.rand(8, 5), noise, [0], **options).decoder.norm(dim=3)[1].round(decimals=5)
    tensor([[1., 1., 1.]])
    """
    generators = [torch.Generator().manual_seed(s) for s in seeds]
    nets = AutoEncoders.initialised(len(noise.q), inputs.shape[1], hidden, generators)
    nets = AutoEncoders(*(tensor.to(inputs) for tensor in nets.tensors))
    first, second = ([torch.zeros_like(t) for t in nets.tensors] for _ in range(2))
    unit = noise.unit[:, None, None, None]
    for step in range(steps):
        rows = torch.stack([torch.randint(len(inputs), (batch_size,), generator=g) for g in generators])
        drawn = torch.stack([torch.rand((batch_size, hidden), generator=g) for g in generators])
        kept = (drawn < noise.retain).to(inputs.device)
        found = noisy_pass(nets, inputs[rows.to(inputs.device)], noise, kept)
        rate = learning_rate * (1 - step / steps) * math.sqrt(1 - BETAS[1] ** (step + 1)) / (1 - BETAS[0] ** (step + 1))
        for value, gradient, mean, square in zip(nets.tensors, found.gradients, first, second, strict=True):
            mean.lerp_(gradient, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            value.addcdiv_(mean, square.sqrt().add_(1e-8), value=-rate)
        length = nets.decoder.norm(dim=3, keepdim=True)
        nets.decoder.div_(torch.where(unit, length, 1.0))
        if step % 100 == 0:
            if not bool(torch.isfinite(found.loss).all()):
                raise InputError(f"learning_rate = {learning_rate}", "a network diverged", "choose a smaller rate")
            progress(step / steps)
    return nets


def hoyer(h: Tensor) -> Tensor:
    """Return the mean over examples of (√d − ‖h‖₁/‖h‖₂)/(√d − 1), for h ≥ 0 of shape (…, n, d); 0 → counts as 1.

    Examples
    --------
    >>> hoyer(torch.tensor([[0.0, 3.0], [1.0, 1.0]]))
    tensor(0.5000)
    """
    root = math.sqrt(h.shape[-1])
    ratio = h.abs().sum(-1) / h.norm(dim=-1).clamp_min(1e-30)
    ratio = torch.where(ratio > 0, ratio, 1.0)
    return ((root - ratio) / (root - 1)).mean(-1)

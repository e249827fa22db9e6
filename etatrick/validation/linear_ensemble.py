"""Linear models trained with masked weights by stochastic gradient descent, many seeds in one batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.validation.layers import Mask
from etatrick.validation.seeding import seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK: Final = 500  # steps whose noise is drawn at once


@final
@dataclass(frozen=True)
class LinearRun:
    """Trained linear models: tail-averaged coefficients, shape (seeds, d), and a thinned trace of their mean."""

    coefs: "NDArray[np.float64]"
    trace_steps: tuple[int, ...]
    trace: "NDArray[np.float64]"


def train_linear_ensemble(
    X: "NDArray[np.float64]",
    y: "NDArray[np.float64]",
    mask: Mask,
    *,
    seeds: int,
    steps: int,
    step_size: float,
    decay_steps: int,
    label: str,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda fraction: None,
) -> LinearRun:
    """Minimise E ½‖y − X(s∘w)‖² by SGD with fresh masks s, for all seeds at once.

    The step at time t is ``step_size/(1 + t/decay_steps)``; the result is the average over the second half. The
    mask's scale is recomputed from the current weights and detached, as adaptive dropout does.

    Parameters
    ----------
    X, y : ndarray, shapes (n, d) and (n,)
    mask : Mask
        The law of s.
    seeds, steps : int
        How many models, and for how many steps.
    step_size : float
        The first step size.
    decay_steps : int
        The time scale of its decay.
    label : str
        Names the run; with the repetition it determines the noise.
    device : str
        A torch device.
    progress : callable
        Called with the fraction done.

    Returns
    -------
    LinearRun

    Raises
    ------
    InputError
        If a model diverges.
    """
    for name, value in (("seeds", seeds), ("steps", steps), ("step_size", step_size), ("decay_steps", decay_steps)):
        if not value > 0:
            raise InputError(
                f"{name} = {value}", "must be > 0", f"choose e.g. {name}={0.05 if name == 'step_size' else 1000}"
            )
    d = X.shape[1]
    inputs, target = (torch.tensor(part, dtype=torch.float64, device=device) for part in _compressed(X, y))
    generators = [torch.Generator().manual_seed(seed(label, repetition)) for repetition in range(seeds)]
    weight = torch.stack([0.2 * torch.randn(d, generator=g, dtype=torch.float64) for g in generators]).to(device)
    weight.requires_grad_(True)
    total, counted = torch.zeros_like(weight), 0
    trace_steps: list[int] = []
    trace: list[NDArray[np.float64]] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on matrices this small, threads cost more than they bring
    try:
        for begin in range(0, steps, CHUNK):
            noise = torch.stack([mask.noise((CHUNK, d), g, torch.float64) for g in generators], dim=1).to(device)
            for offset in range(min(CHUNK, steps - begin)):
                t = begin + offset
                gradient = _gradient(inputs, target, weight, mask.apply(weight, noise[offset]))
                with torch.no_grad():
                    weight.sub_(gradient, alpha=step_size / (1 + t / decay_steps))
                    if t >= steps // 2:
                        total.add_(weight)
                        counted += 1
            if not bool(torch.isfinite(weight).all()):
                raise InputError(f"step_size = {step_size}", "the training diverged", "choose a smaller step size")
            trace_steps.append(min(begin + CHUNK, steps))
            trace.append(weight.detach().mean(0).cpu().numpy())
            progress(min(1.0, (begin + CHUNK) / steps))
    finally:
        torch.set_num_threads(threads)
    return LinearRun((total / counted).detach().cpu().numpy(), tuple(trace_steps), np.array(trace))


def _compressed(
    X: "NDArray[np.float64]", y: "NDArray[np.float64]"
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return at most d rows with the same squared loss up to a constant: R and Qᵀy of X = QR."""
    if len(X) <= X.shape[1]:
        return X, y[:, None]
    rotation, triangle = np.linalg.qr(X)
    return triangle, (rotation.T @ y)[:, None]


def _gradient(inputs: Tensor, target: Tensor, weight: Tensor, mask: Tensor) -> Tensor:
    """Return the gradient of the masked loss, one column per seed, by autograd."""
    residual = target - inputs @ (mask * weight).T
    loss = 0.5 * residual.square().sum()
    (gradient,) = torch.autograd.grad(loss, weight)
    return gradient

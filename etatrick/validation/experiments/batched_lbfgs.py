"""L-BFGS on many independent problems at once: one batch of points, each with its own curvature and step length."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

ARMIJO: Final = 1e-4
HALVINGS: Final = 20
ROUNDING: Final = 1e-15  # a relative fall below this is none
PATIENCE: Final = 2


def minimise_batch(
    objective: Callable[[Tensor], Tensor], start: Tensor, *, steps: int = 500, memory: int = 20
) -> tuple[Tensor, Tensor]:
    """Minimise independent smooth functions of the same form from many starts, all in one batch.

    Every row has its own L-BFGS memory and its own backtracking (Armijo), so that the rows do not interact; a row whose
    line search fails starts again from the gradient, and a row that has not moved twice in a row is done.

    Parameters
    ----------
    objective : callable
        Maps points (B, n) to values (B,), the same differentiable function for every row, whatever B.
    start : Tensor, shape (B, n)
    steps : int
        Iterations at most.
    memory : int
        Pairs kept per row.

    Returns
    -------
    points : Tensor, shape (B, n)
    values : Tensor, shape (B,)

    Examples
    --------
    >>> curvature = torch.tensor([1.0, 10.0], dtype=torch.float64)
    >>> start = torch.tensor([[3.0, 1.0], [-2.0, 5.0]], dtype=torch.float64)
    >>> points, values = minimise_batch(lambda x: (curvature * (x - 1) ** 2).sum(1), start)
    >>> bool((points - 1).abs().max() < 1e-7), bool(values.max() < 1e-14)
    (True, True)
    """
    points, values = start.detach().clone(), torch.empty_like(start[:, 0])
    rows = torch.arange(len(start), device=start.device)
    point = points.clone()
    value, gradient = _evaluated(objective, point)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    scale = 1 / gradient.norm(dim=1).clamp_min(1e-300)
    still = torch.zeros_like(rows)
    for _ in range(steps):
        direction = -_two_loop(gradient, pairs, scale)
        slope = (direction * gradient).sum(1)
        direction = torch.where((slope < 0)[:, None], direction, -gradient)
        slope = torch.where(slope < 0, slope, -(gradient**2).sum(1))
        trial, new_value, new_gradient = _searched(objective, point, value, gradient, direction, slope)
        moved = value - new_value > ROUNDING * value.abs()
        still = torch.where(moved, 0, still + 1)
        step, change = trial - point, new_gradient - gradient
        curvature = (step * change).sum(1)
        useful = curvature > 1e-12 * step.norm(dim=1) * change.norm(dim=1)
        inverse = torch.where(useful, 1 / torch.where(useful, curvature, 1.0), 0.0)
        scale = torch.where(useful, curvature / (change**2).sum(1).clamp_min(1e-300), scale)
        # a row that did not move forgets its curvature, and so tries the gradient next
        pairs = [(s, y, torch.where(moved, r, 0.0)) for s, y, r in pairs[-memory + 1 :]]
        pairs.append((step, change, inverse))
        point, value, gradient = trial, new_value, new_gradient
        if bool((still == PATIENCE).any()):  # rows at their minimum leave the batch
            points[rows], values[rows] = point, value
            on = still < PATIENCE
            rows, still, point, value, gradient, scale = (x[on] for x in (rows, still, point, value, gradient, scale))
            pairs = [(s[on], y[on], r[on]) for s, y, r in pairs]
            if not len(rows):
                break
    points[rows], values[rows] = point, value
    return points, values


def _evaluated(objective: Callable[[Tensor], Tensor], point: Tensor) -> tuple[Tensor, Tensor]:
    variable = point.detach().requires_grad_()
    values = objective(variable)
    (gradient,) = torch.autograd.grad(values.sum(), variable)
    return values.detach(), gradient


def _two_loop(gradient: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]], scale: Tensor) -> Tensor:
    """Return the inverse-curvature estimate times the gradient; a pair with inverse 0 has no effect."""
    q, shares = gradient.clone(), []
    for step, change, inverse in reversed(pairs):
        share = inverse * (step * q).sum(1)
        q = q - share[:, None] * change
        shares.append(share)
    q = scale[:, None] * q
    for (step, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        q = q + (share - inverse * (change * q).sum(1))[:, None] * step
    return q


def _searched(
    objective: Callable[[Tensor], Tensor], point: Tensor, value: Tensor, gradient: Tensor, direction: Tensor,
    slope: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Halve each row's step until its value falls enough; rows for which none does stay where they are."""
    length = torch.ones_like(value)
    for _ in range(HALVINGS):
        trial = point + length[:, None] * direction
        new_value, new_gradient = _evaluated(objective, trial)
        fine = (new_value <= value + ARMIJO * length * slope) & (new_value < value)
        if bool(fine.all()):
            break
        length = torch.where(fine, length, length / 2)
    kept = fine[:, None]
    return (
        torch.where(kept, trial, point),
        torch.where(fine, new_value, value),
        torch.where(kept, new_gradient, gradient),
    )

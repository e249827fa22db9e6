"""Positive functions of |w| known only through numbers, tabulated once for tensors: log y in polynomials of log w."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np
import torch
from torch import Tensor

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LOW, HIGH = 1e-8, 1e8  # tabulated |w|; beyond, y goes on as the power of |w| that it is there
DEGREE: Final = 15
AIM: Final = 1e-12
SPLITS: Final = 52  # enough to bracket a jump to rounding
NOISE: Final = 1e-9  # accepted where halving the interval does not help: the tabulated numbers are no better
LARGEST: Final = 80.0  # a rule η̂ beyond exp(LARGEST) ≈ 5e34 counts as ∞: the drop odds λ/η̂ are then 0 in every use
ANGLES: Final = np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1)
NODES: Final = np.cos(ANGLES)
CHECKS: Final = np.array([-0.97, -0.55, -0.13, 0.31, 0.77, 0.985])
TO_COEFFICIENTS: Final = np.cos(np.outer(ANGLES, np.arange(DEGREE + 1))) * (
    np.r_[1.0, np.full(DEGREE, 2.0)] / (DEGREE + 1)
)


@final
@dataclass(frozen=True, eq=False)
class TorchTable:
    """log y as a function of log |w| in Chebyshev polynomials between edges, evaluated on tensors.

    Parameters
    ----------
    edges : Tensor, shape (pieces + 1,)
        Increasing values of log |w|.
    coefficients : Tensor, shape (degree + 1, pieces)
        Of log y, in the Chebyshev polynomials of each piece.
    top : float
        The log |w| above which y is infinite (∞ when it never is).
    error : float
        The largest relative error of y found at the points that were checked: below 1e-10, except where the tabulated
        numbers are themselves less smooth than that (gate laws change formula at some w: 1e-9).
    """

    edges: Tensor
    coefficients: Tensor
    top: float
    error: float

    def __call__(self, size: Tensor) -> Tensor:
        """Return y at `size` > 0 in its dtype; computed in float64 and differentiable."""
        edges, coefficients = self.edges.to(size.device), self.coefficients.to(size.device)
        u = size.double().log()
        piece = (torch.bucketize(u.detach(), edges) - 1).clamp(0, len(edges) - 2)
        left, right = edges[piece], edges[piece + 1]
        s = (2 * u - left - right) / (right - left)
        inner = s.clamp(-1, 1)
        ahead, last = torch.zeros_like(s), torch.zeros_like(s)
        bend, previous = torch.zeros_like(s), torch.zeros_like(s)
        with torch.no_grad():  # the slope d log y/ds, for the straight lines beyond the ends
            for order in range(len(coefficients) - 1, 0, -1):
                bend, previous = order * coefficients[order][piece] + 2 * inner * bend - previous, bend
        for row in coefficients.flip(0)[:-1]:
            ahead, last = row[piece] + 2 * inner * ahead - last, ahead
        log_y = coefficients[0][piece] + inner * ahead - last + bend * (s - inner)
        return torch.where(u > self.top, torch.full_like(u, torch.inf), log_y.exp()).to(size.dtype)


def tabulate(function: "Callable[[Floats], Floats]", name: str, breaks: tuple[float, ...] = ()) -> TorchTable:
    """Tabulate a positive function of w for 1e-8 ≤ w ≤ 1e8, to a relative error that is measured and returned.

    Intervals of log w are halved until a polynomial of degree 15 fits to 1e-12 at six points between its own, or to
    1e-9 where halving does not help (the numbers are no better), or the interval is as narrow as rounding: then it
    holds a jump.

    Parameters
    ----------
    function : callable
        From an array of w > 0 to values ≥ 0, not decreasing where it is infinite.
    name : str
        What it is, for messages.
    breaks : tuple of float
        Where it is known to jump or bend.

    Returns
    -------
    TorchTable

    Raises
    ------
    InputError
        If the values are not positive or the error is not reached.

    Examples
    --------
    >>> table = tabulate(lambda w: w * (w + 2), "the log-sum rule")
    >>> table(torch.tensor([1.0], dtype=torch.float64))
    tensor([3.0000], dtype=torch.float64)
    """

    def logs(u: "Floats") -> "Floats":
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.asarray(np.log(function(np.exp(u))))

    top = _last_finite(logs)
    inner = [np.log(b) for b in breaks if LOW < b < np.exp(top)]
    decades = np.log(10.0) * np.arange(round(np.log10(LOW)), round(np.log10(HIGH)) + 1)
    edges = np.unique(np.r_[decades[decades < top], inner, top])
    todo, before = np.column_stack([edges[:-1], edges[1:]]), np.full(len(edges) - 1, np.inf)
    done: list[tuple[float, float, Floats]] = []
    worst = 0.0
    for _ in range(SPLITS + 1):
        middle, half = todo.mean(axis=1)[:, None], np.diff(todo, axis=1) / 2
        u = np.clip(middle + half * np.r_[NODES, CHECKS], np.nextafter(todo[:, :1], np.inf), todo[:, 1:])
        values = logs(u)
        if not np.isfinite(values).all():
            where = float(np.exp(u[~np.isfinite(values)][0]))
            raise InputError(f"w = {where:.3g}", f"{name} is not positive there", "state the penalty in closed form")
        fitted = values[:, : DEGREE + 1] @ TO_COEFFICIENTS
        missed = np.abs(np.polynomial.chebyshev.chebval(CHECKS, fitted.T) - values[:, DEGREE + 1 :]).max(axis=1)
        narrow = half[:, 0] <= 4e-16 * np.maximum(1.0, np.abs(middle[:, 0]))
        good = (missed <= AIM) | narrow | ((missed <= NOISE) & (missed > 0.7 * before))
        worst = max([worst, *missed[good & ~narrow]])
        done += [(low, high, row) for (low, high), row in zip(todo[good], fitted[good], strict=True)]
        split, cuts = todo[~good], middle[~good]
        todo = np.concatenate([np.c_[split[:, :1], cuts], np.c_[cuts, split[:, 1:]]])
        before = np.tile(missed[~good], 2)
        if not len(todo):
            break
    else:
        where = float(np.exp(todo[0, 0]))
        raise InputError(f"w = {where:.3g}", f"{name} has no table to {AIM:g}", "state the penalty in closed form")
    done.sort(key=lambda part: part[0])
    borders = np.array([part[0] for part in done] + [done[-1][1]])
    coefficients = np.array([part[2] for part in done]).T
    infinite = top if top < np.log(HIGH) else np.inf
    return TorchTable(torch.tensor(borders), torch.tensor(coefficients), float(infinite), worst)


def _last_finite(logs: "Callable[[Floats], Floats]") -> float:
    """Return the largest log w up to log HIGH at which log y stays below LARGEST, by bisection to rounding."""
    low, high = float(np.log(LOW)), float(np.log(HIGH))
    if float(logs(np.array([high]))[0]) <= LARGEST:
        return high
    while high - low > 4e-16 * max(1.0, abs(high)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if float(logs(np.array([middle]))[0]) <= LARGEST else (low, middle)
    return low

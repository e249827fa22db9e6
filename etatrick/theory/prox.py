"""Proximal maps of penalties, numerically, for every duality; closed forms are in ``prox_forms``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.symbols import w

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EPS: Final = float(np.finfo(float).eps)
ROWS: Final = 1000  # how many values of v are treated at once, to bound the memory


def prox_at(duality: Any, v: "ArrayLike", t: "ArrayLike" = 1.0) -> "NDArray[np.float64]":
    r"""Return the proximal map of a penalty at v, elementwise.

    .. math:: \operatorname{prox}_{t\Omega}(v) = \operatorname*{arg\,min}_w \tfrac12 (w - v)^2 + t\,\Omega(w)

    Every local minimum is a place where :math:`w + t\,\Omega'(w) - v` turns positive, or 0, or a point at which Ω
    jumps. They are enclosed on a grid, refined where Ω′ changes fast, and compared. Of several minimisers whose
    objectives are equal up to rounding, the largest is returned.

    Parameters
    ----------
    duality : Duality
        Or any object with ``penalty_at`` and ``eta_hat_at`` whose penalty does not decrease in w > 0.
    v, t : array_like
        Broadcast against each other; t > 0.

    Returns
    -------
    numpy.ndarray
        With the sign of v and at most its size; 0 where Ω(0) = −∞.

    Raises
    ------
    InputError
        If v or t is no finite number, t ≤ 0, a parameter has no value, or Ω decreases.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> prox_at(derive(penalty="2*w"), [-3.0, 0.5, 3.0], 0.5)
    array([-2., 0.,  2.])
    """
    size, step, sign = checked(v, t)
    valued([str(p) for p in getattr(duality, "parameters", ())])
    found = np.zeros(size.size)
    used = np.flatnonzero(size)
    if used.size:
        flat, steps = size.ravel(), step.ravel()
        grid = _grid(duality, flat[used].min(), flat[used].max(), steps.max())
        for rows in np.array_split(used, -(-used.size // ROWS)):
            found[rows] = _minimisers(duality, grid, flat[rows], steps[rows])
    return np.asarray(sign * found.reshape(size.shape), dtype=np.float64)


def checked(v: "ArrayLike", t: "ArrayLike") -> "tuple[NDArray[np.float64], NDArray[np.float64], Any]":
    """Return |v| and t, broadcast, and the sign of v."""
    signed, step = np.broadcast_arrays(np.asarray(v, dtype=np.float64), np.asarray(t, dtype=np.float64))
    if not np.isfinite(signed).all():
        raise InputError("v", "holds NaN or infinite values", "remove them first")
    if not (np.isfinite(step) & (step > 0)).all():
        raise InputError("t", "the step of a prox is a finite number > 0", "choose e.g. t=1.0")
    return np.abs(signed), step, np.sign(signed)


def valued(free: list[str]) -> None:
    """Refuse free parameters."""
    if free:
        raise InputError(", ".join(free), "numbers need every parameter to have a value", f"choose {free[0]}=… first")


def _slope(duality: Any, x: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return Ω′(x) = x/η̂(x) ≥ 0 for x > 0, possibly infinite."""
    weight = np.asarray(duality.eta_hat_at(x), dtype=np.float64)
    with np.errstate(all="ignore"):
        slope = np.where(weight == 0, np.inf, x / weight)
    if (slope < -1e-12 * x).any():  # less is rounding next to a pole of η̂
        where = x[slope < -1e-12 * x].flat[0]
        rule = "a prox is computed for penalties that do not decrease"
        raise InputError(f"η̂({where:.6g}) < 0", rule, "choose a rule with η̂ > 0")
    return np.maximum(slope, 0.0)


def at_zero(duality: Any) -> float:
    """Return Ω(0), which is 0 where Ω jumps at 0."""
    return 0.0 if getattr(duality, "jump", 0) != 0 else float(duality.penalty_at(np.zeros(1))[0])


def _breaks(duality: Any) -> list[float]:
    """Return where the pieces of Ω or η̂ meet, as far as that is written in their formulas."""
    found = set()
    for expr in (getattr(duality, "penalty", None), getattr(duality, "eta_hat", None)):
        if isinstance(expr, sp.Basic):
            for relation in expr.rewrite(sp.Piecewise).atoms(sp.core.relational.Relational):
                sides = {relation.lhs, relation.rhs} - {w}
                if len(sides) == 1 and (edge := sides.pop()).is_number and edge.is_finite and edge > 0:
                    found.add(float(edge))
    return sorted(found)


@final
@dataclass(frozen=True)
class _Grid:
    """Points 0 < w ≤ max v with Ω′ there, and the points at which Ω jumps upwards, 0 included."""

    points: "NDArray[np.float64]"
    slopes: "NDArray[np.float64]"
    jumps: tuple[float, ...]


def _grid(duality: Any, least: float, top: float, step: float) -> _Grid:
    low = max(least * 1e-16, 1e-290)
    breaks = [b for b in _breaks(duality) if low < b < top]
    edges = [place for b in breaks for place in (b, np.nextafter(b, np.inf))]
    spaced = np.geomspace(low, top, 24 * int(np.ceil(np.log10(top / low))) + 1)
    x = np.unique(np.concatenate([spaced, np.linspace(0, top, 257)[1:], edges, [top]]))
    slopes = _slope(duality, x)
    for _ in range(12):
        with np.errstate(all="ignore"):
            change = np.abs(np.diff(slopes)) > 0.1 * (slopes[1:] + slopes[:-1])
            change |= np.isfinite(slopes[1:]) != np.isfinite(slopes[:-1])
        change &= (np.maximum(slopes[1:], slopes[:-1]) * step > 1e-12 * x[:-1]) & (np.diff(x) > 1e-12 * x[1:])
        if not change.any() or x.size > 8000:
            break
        middle = ((x[1:] + x[:-1]) / 2)[change]
        x, slopes = np.concatenate([x, middle]), np.concatenate([slopes, _slope(duality, middle)])
        order = np.argsort(x)
        x, slopes = x[order], slopes[order]
    start, (first, last) = at_zero(duality), np.asarray(duality.penalty_at(np.array([low, top])), dtype=np.float64)
    jumps = [0.0] if first - start > 1e-10 * (last - start) else []
    for b in breaks:
        before, after = duality.penalty_at(np.array([b * (1 - 4 * EPS), b * (1 + 4 * EPS)]))
        jumps += [b * (1 - 4 * EPS)] if after - before > 1e-10 * (abs(before) + abs(after)) else []
    return _Grid(x, slopes, tuple(jumps))


def _minimisers(
    duality: Any, grid: _Grid, size: "NDArray[np.float64]", step: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    falling = grid.points + (step[:, None] * grid.slopes - size[:, None]) < 0
    turns = falling[:, :-1] & ~falling[:, 1:]
    rows, cells = np.nonzero(turns)
    roots = _crossing(duality, grid.points[cells], grid.points[cells + 1], step[rows], size[rows])
    rank = np.cumsum(turns, axis=1)[rows, cells] - 1
    extra = np.array([0.0, *(j for j in grid.jumps if j > 0)])
    points = np.zeros((size.size, extra.size + int(rank.max(initial=-1)) + 1))
    valid = np.zeros(points.shape, dtype=bool)
    points[:, : extra.size] = extra
    valid[:, 0] = ~falling[:, 0] | (0.0 in grid.jumps)
    valid[:, 1 : extra.size] = extra[1:] <= size[:, None]
    points[rows, extra.size + rank], valid[rows, extra.size + rank] = roots, True
    return best(duality, points, valid, size, step)


def best(duality: Any, points: Any, valid: Any, size: Any, step: Any) -> "NDArray[np.float64]":
    """Return the point of least objective in the last axis, the largest among equals; all measured from w = 0."""
    start = at_zero(duality)
    if start == -np.inf:
        return np.zeros(size.shape)
    fit = points * (points / 2 - size[..., None])
    paid = np.where(points > 0, step[..., None] * (np.asarray(duality.penalty_at(points)) - start), 0.0)
    value = np.where(valid, fit + paid, np.inf)
    with np.errstate(invalid="ignore"):
        noise = 8 * EPS * (np.abs(fit) + np.abs(paid))
        equal = valid & (value <= value.min(axis=-1, keepdims=True) + noise)
    return np.asarray(np.where(equal, points, 0.0).max(axis=-1), dtype=np.float64)


def _crossing(duality: Any, low: Any, high: Any, step: Any, size: Any) -> "NDArray[np.float64]":
    """Return where w + tΩ′(w) − v turns positive between low and high (Chandrupatla's method, vectorised)."""

    def excess(x: Any) -> Any:
        return x + (step * _slope(duality, x) - size)  # exact just above a threshold

    a, b, part = high.copy(), low.copy(), np.full(low.shape, 0.5)
    at_a, at_b = excess(a), excess(b)
    best = np.where(np.abs(at_a) < np.abs(at_b), a, b)
    for _ in range(200 if low.size else 0):
        x = a + part * (b - a)
        at_x = excess(x)
        same = (at_x < 0) == (at_a < 0)
        c, at_c = np.where(same, a, b), np.where(same, at_a, at_b)
        b, at_b = np.where(same, b, a), np.where(same, at_b, at_a)
        a, at_a = x, at_x
        best = np.where(np.abs(at_a) < np.abs(at_b), a, b)
        limit = EPS * np.abs(best) / np.maximum(np.abs(b - a), 1e-320)
        done = (limit > 0.5) | (at_a == 0) | (at_b == 0)
        if done.all():
            break
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
            guess = at_a / (at_b - at_a) * at_c / (at_b - at_c)
            guess += (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
            smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(guess)
        part = np.where(
            done, 0.0, np.clip(np.where(smooth, guess, 0.5), np.minimum(limit, 0.5), np.maximum(1 - limit, 0.5))
        )
    return np.asarray(best, dtype=np.float64)

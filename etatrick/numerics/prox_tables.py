"""Proximal maps of any penalty, fast: w + tΩ′(w) on a grid kept per penalty, then Newton steps within brackets."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

EPS: Final = float(np.finfo(float).eps)
DECADES: Final = 30
FAR: Final = 140  # decades; from 30 on the grid is coarser
PER_DECADE: Final = 24
LARGEST: Final = 8000  # points of a grid
ROWS: Final = 256  # pairs (v, t) treated at once where every v has its own t
NEWTON: Final = 100
QUADRATIC: Final = 1e-9  # a relative step so small is the last one that Newton's method needs


class Slopes(Protocol):
    """What a table is made from: see :class:`etatrick.numerics.scalar_penalty.ScalarPenalty`."""

    @property
    def slope_at_zero(self) -> float:
        """Ω′(0+)."""

    @property
    def jump(self) -> float:
        """Ω(0+) − Ω(0)."""

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where pieces meet."""

    def value(self, coef: "Floats") -> "Floats":
        """Return Ω(|w|)."""

    def slope(self, coef: "Floats") -> "Floats":
        """Return Ω′(|w|)."""

    def curvature(self, coef: "Floats") -> "Floats":
        """Return Ω″(|w|)."""


def broadcast(v: "ArrayLike", t: "ArrayLike") -> "tuple[Floats, Floats, Floats]":
    """Return |v|, t and the sign of v; t keeps its shape if it is one number.

    Raises
    ------
    InputError
        If v or t is no finite number, or t ≤ 0.

    Examples
    --------
    >>> size, step, sign = broadcast([-3.0, 2.0], 0.5)
    >>> size, step.shape, sign
    (array([3., 2.]), (), array([-1.,  1.]))
    """
    signed, step = np.asarray(v, dtype=np.float64), np.asarray(t, dtype=np.float64)
    if not np.isfinite(signed).all():
        raise InputError("v", "holds NaN or infinite values", "remove them first")
    if not (np.isfinite(step) & (step > 0)).all():
        raise InputError("t", "the step of a prox is a finite number > 0", "choose e.g. t=1.0")
    if step.ndim:
        signed, step = np.broadcast_arrays(signed, step)
        if step.size and (step == step.flat[0]).all():
            step = step.flat[0] + np.zeros(())
    return np.abs(signed), step, np.sign(signed)


@final
@dataclass(frozen=True, eq=False)
class ProxTable:
    """Points 0 = x₀ < x₁ < … with Ω′ there, fine enough that w + tΩ′(w) turns at most once between two of them.

    Parameters
    ----------
    penalty : Slopes
    x, slopes : ndarray, shape (m,)
    jumps : ndarray
        The points w > 0 at which Ω jumps upwards, approached from the left.

    Examples
    --------
    >>> from etatrick.numerics.compiled import compile_penalty
    >>> from etatrick.theory import penalties
    >>> table = ProxTable.of(compile_penalty(penalties["capped_l1"](theta=1)))
    >>> table.prox(np.array([0.4, 1.2, 3.0]), np.array(0.5))
    array([0. , 0.7, 3. ])
    """

    penalty: Slopes
    x: "Floats"
    slopes: "Floats"
    jumps: "Floats"

    @classmethod
    def of(cls, penalty: Slopes) -> "ProxTable":
        """Return the table of a penalty, refined where Ω′ changes fast."""
        edges = [b * side for b in penalty.breaks for side in (1 - 4 * EPS, 1.0, 1 + 4 * EPS)]
        spaced = np.geomspace(10.0**-DECADES, 10.0**DECADES, 2 * DECADES * PER_DECADE + 1)
        far = np.geomspace(10.0**DECADES, 10.0**FAR, 4 * (FAR - DECADES) + 1)
        x = np.unique(np.concatenate([spaced, edges, far]))
        slopes = _slopes(penalty, x)
        for _ in range(12):
            with np.errstate(all="ignore"):
                change = np.abs(np.diff(slopes)) > 0.1 * (slopes[1:] + slopes[:-1])
                change |= np.isfinite(slopes[1:]) != np.isfinite(slopes[:-1])
            change &= (np.maximum(slopes[1:], slopes[:-1]) > 1e-20 * x[:-1]) & (np.diff(x) > 1e-12 * x[1:])
            if not change.any() or len(x) > LARGEST:
                break
            middle = ((x[1:] + x[:-1]) / 2)[change]
            x, slopes = np.concatenate([x, middle]), np.concatenate([slopes, _slopes(penalty, middle)])
            order = np.argsort(x)
            x, slopes = x[order], slopes[order]
        jumps = []
        for b in penalty.breaks:
            before, after = penalty.value(np.array([b * (1 - 4 * EPS), b * (1 + 4 * EPS)]))
            jumps += [b * (1 - 4 * EPS)] if after - before > 1e-10 * (abs(before) + abs(after)) else []
        return cls(penalty, np.r_[0.0, x], np.r_[penalty.slope_at_zero, slopes], np.array(jumps))

    def prox(self, size: "Floats", step: "Floats") -> "Floats":
        """Return the proximal map at `size` ≥ 0 for steps of the same shape, or one step of shape ()."""
        flat = size.ravel()
        found = np.zeros(flat.shape)
        used = np.flatnonzero(flat)
        if step.ndim == 0:
            found[used] = self._chosen(flat[used], step, *self._turns(flat[used], float(step)))
        else:
            steps = step.ravel()
            for rows in np.array_split(used, -(-len(used) // ROWS)) if len(used) else []:
                found[rows] = self._chosen(flat[rows], steps[rows], *self._turns_each(flat[rows], steps[rows]))
        return found.reshape(size.shape)

    def _turns(self, size: "Floats", step: float) -> "tuple[Indices, Indices]":
        """Return the pairs (v, cell) in which w + tΩ′(w) − v turns positive, by a search in each rising stretch."""
        with np.errstate(all="ignore"):
            total = self.x + step * self.slopes
            rises = np.diff(total) >= -4 * EPS * total[1:]
        ends = np.flatnonzero(np.diff(np.r_[False, rises, False].astype(np.int8)))
        rows, cells = [], []
        for begin, end in zip(ends[::2], ends[1::2], strict=True):
            stretch = np.maximum.accumulate(total[begin : end + 1])
            place = np.searchsorted(stretch, size, side="left")
            inside = np.flatnonzero((place > 0) & (place <= end - begin))
            rows.append(inside)
            cells.append(begin + place[inside] - 1)
        return (np.concatenate(rows), np.concatenate(cells)) if rows else (np.zeros(0, np.intp), np.zeros(0, np.intp))

    def _turns_each(self, size: "Floats", step: "Floats") -> "tuple[Indices, Indices]":
        """Return the same where every v has its own t."""
        with np.errstate(all="ignore"):
            falling = self.x + (step[:, None] * self.slopes - size[:, None]) < 0
        rows, cells = np.nonzero(falling[:, :-1] & ~falling[:, 1:])
        return rows, cells

    def _chosen(self, size: "Floats", step: "Floats", rows: "Indices", cells: "Indices") -> "Floats":
        """Return the best of the points where the excess turns positive, 0 and the jumps."""
        steps = np.broadcast_to(step, size.shape)
        roots = self._roots(size[rows], steps[rows], cells)
        with np.errstate(invalid="ignore"):
            at_zero = (steps * self.penalty.slope_at_zero >= size) | (self.penalty.jump > 0)
        if len(rows) == len(size) - int(at_zero.sum()) and not len(self.jumps):
            found = np.zeros(size.shape)
            found[rows] = roots
            if not at_zero[rows].any() and (np.bincount(rows, minlength=len(size)) <= 1).all():
                return found
        everyone = np.arange(len(size))
        who = np.concatenate([rows, everyone[at_zero], np.repeat(everyone, len(self.jumps))])
        points = np.concatenate([roots, np.zeros(int(at_zero.sum())), np.tile(self.jumps, len(size))])
        fine = points <= size[who]
        return self._best(size, steps, who[fine], points[fine])

    def _best(self, size: "Floats", steps: "Floats", who: "Indices", points: "Floats") -> "Floats":
        """Return for every v its point of least objective, the largest among equals; measured from w = 0."""
        start = float(self.penalty.value(np.zeros(1))[0])
        fit = points * (points / 2 - size[who])
        paid = np.where(points > 0, steps[who] * (self.penalty.value(points) - start), 0.0)
        value = fit + paid
        least = np.full(size.shape, np.inf)
        np.minimum.at(least, who, value)
        equal = value <= least[who] + 8 * EPS * (np.abs(fit) + np.abs(paid))
        found = np.zeros(size.shape)
        np.maximum.at(found, who[equal], points[equal])
        return found

    def _roots(self, size: "Floats", step: "Floats", cells: "Indices") -> "Floats":
        """Return where w + tΩ′(w) − v turns positive within the cells: Newton steps, halving where they leave them."""
        low, high = self.x[cells], self.x[cells + 1]
        with np.errstate(all="ignore"):
            below = low + (step * self.slopes[cells] - size)
            above = high + (step * self.slopes[cells + 1] - size)
            part = below / (below - above)
        x = low + np.where(np.isfinite(part), np.clip(part, 1e-3, 1.0), 0.5) * (high - low)
        found, left = x.copy(), np.arange(len(x))
        for _ in range(NEWTON):
            if not len(left):
                break
            with np.errstate(all="ignore"):
                excess = x + (step * self.penalty.slope(x) - size)
                newton = x - excess / (1 + step * self.penalty.curvature(x))
            low, high = np.where(excess < 0, x, low), np.where(excess < 0, high, x)
            inside = (newton >= low) & (newton <= high)
            ahead = np.where(inside, newton, (low + high) / 2)
            done = (excess == 0) | (inside & (np.abs(newton - x) <= QUADRATIC * x)) | (high - low <= 2 * EPS * high)
            found[left] = np.where(excess == 0, x, np.where(high - low <= 2 * EPS * high, high, ahead))
            keep = ~done
            left, x, low, high, step, size = (a[keep] for a in (left, ahead, low, high, step, size))
        return found


def _slopes(penalty: Slopes, x: "Floats") -> "Floats":
    found = penalty.slope(x)
    if (found < -1e-12 * np.maximum(np.abs(found).max(initial=0.0, where=np.isfinite(found)), 1e-300)).any():
        where = x[found < 0][0]
        rule = "a prox is computed for penalties that do not decrease"
        raise InputError(f"Ω′({where:.6g}) < 0", rule, "choose a penalty that grows with |w|")
    return np.maximum(found, 0.0)


__all__ = ["EPS", "ProxTable", "Slopes", "broadcast"]

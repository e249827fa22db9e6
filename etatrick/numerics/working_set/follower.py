"""The minimiser of ½wᵀGw − cᵀw + t‖w‖₁ followed as t falls: an exact active-set method, event by event.

Osborne, Presnell & Turlach (2000), IMA J. Numer. Anal. 20, 389–403; Efron et al. (2004), Ann. Statist. 32, 407–499.
"""

from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

DEPENDENT = 1e-12  # squared distance from the span of the active columns, relative, that counts as none
CLOSE = 1e-6  # the same from which the inverse is corrected first, by Newton's iteration
MOVES_ALONG = 1e-9  # difference of the rates of a dependent column's pull and the level that counts as none
PARALLEL = 1e-10  # rates closer than this to the bound's count as equal: the coordinate moves along the bound
REFRESH = 12  # events between two corrections of rounding
TINY = 1e-300


@final
class Follower:
    """The active set, the inverse of its Gram matrix and the pulls c − Gw of all coordinates; it changes in place.

    Parameters
    ----------
    row : callable
        From j to the row G_j, shape (m,).
    c : ndarray, shape (m,)
    level : float
        t ≥ 0, at least ‖c‖_∞ up to rounding: the start is w = 0.
    """

    def __init__(self, row: "Callable[[int], Floats]", c: "Floats", level: float) -> None:
        self.row, self.c, self.level = row, c, level
        self.pull = c.copy()
        self.size = 0
        self.slots: Indices = np.zeros(8, dtype=np.intp)
        self.signs, self.values = np.zeros(8), np.zeros(8)
        self.rows, self.inverse = np.zeros((8, len(c))), np.zeros((8, 8))
        self.held = np.zeros(len(c), dtype=bool)  # active, or as dependent on the active ones as to move with them

    @property
    def active(self) -> "Indices":
        """The indices that are free to be nonzero, in no order."""
        return self.slots[: self.size]

    def coefficients(self) -> "Floats":
        """Return w, shape (m,)."""
        w = np.zeros(len(self.c))
        w[self.active] = self.values[: self.size]
        return w

    def fall(self, bottom: float) -> "Iterator[int]":
        """Lower t to `bottom`, and yield the size of the active set after each change of it.

        Raises
        ------
        ArithmeticError
            Where events pile up without progress, or the active set is singular and nothing leaves it.
        """
        idle, count, drop = 0, 0, max(self.level - bottom, 0.0)
        while True:
            k = self.size
            signs, values = self.signs[:k], self.values[:k]
            dw = self.inverse[:k, :k] @ signs
            dp = -(dw @ self.rows[:k])
            step, index, sign = self._joining(dp)
            leaving = -1
            if k:
                rates = -(dw * signs) / np.maximum(values * signs, TINY)
                worst = int(rates.argmax())
                if rates[worst] * step > 1:
                    step, leaving = 1 / rates[worst], worst
            ended = step >= self.level - bottom
            if ended:
                step = max(self.level - bottom, 0.0)
            values += step * dw
            self.pull += step * dp
            self.level = bottom if ended else self.level - step
            if ended:
                self.refresh()
                return
            if leaving >= 0:
                self._drop(leaving)
            else:
                self._join(index, sign)
            count += 1
            idle = idle + 1 if step <= 1e-14 * drop else 0
            if idle > 20 + 2 * k:
                raise ArithmeticError("events without progress")
            if count % REFRESH == 0:
                self.refresh()
            yield self.size

    def refresh(self) -> None:
        """Recompute the pulls from w, and correct w on the active set."""
        k = self.size
        for _ in range(2):
            np.subtract(self.c, self.values[:k] @ self.rows[:k], out=self.pull)
            excess = self.pull[self.slots[:k]] - self.level * self.signs[:k]
            if k == 0 or float(np.abs(excess).max()) <= 1e-14 * self.level:
                return
            correction = self.inverse[:k, :k] @ excess
            self.values[:k] += correction
            self.pull -= correction @ self.rows[:k]

    def _joining(self, dp: "Floats") -> tuple[float, int, float]:
        """Return by how much t falls until the first inactive pull reaches ±t, which, and the sign."""
        slack = 1 - PARALLEL * max(1.0, float(np.abs(dp).max(initial=0.0)))
        above = (dp + slack) / np.maximum(self.level - self.pull, TINY)
        below = (slack - dp) / np.maximum(self.level + self.pull, TINY)
        above[self.held] = below[self.held] = 0.0
        up, down = int(above.argmax()), int(below.argmax())
        index, sign = (up, 1.0) if above[up] >= below[down] else (down, -1.0)
        if max(above[up], below[down]) <= 0:
            return np.inf, -1, 0.0
        return max(self.level - sign * self.pull[index], 0.0) / (sign * dp[index] + 1), index, sign

    def _join(self, index: int, sign: float) -> None:
        k = self.size
        row = self.row(index)
        u, distance = self._onto(row, index)
        value = 0.0
        if distance <= DEPENDENT * row[index]:
            if abs(sign * float(u @ self.signs[: self.size]) - 1) <= MOVES_ALONG:
                self.held[index] = True
                return
            value = self._exchange(u * sign)
            k = self.size
            u, distance = self._onto(row, index)
            if distance <= DEPENDENT * row[index]:
                raise ArithmeticError("singular active set")
        if k == len(self.slots):
            self._reserve()
        scaled = u / distance
        self.inverse[:k, :k] += np.outer(u, scaled)
        self.inverse[k, :k] = self.inverse[:k, k] = -scaled
        self.inverse[k, k] = 1 / distance
        self.rows[k], self.slots[k], self.signs[k], self.values[k] = row, index, sign, sign * value
        self.size, self.held[index] = k + 1, True

    def _onto(self, row: "Floats", index: int) -> "tuple[Floats, float]":
        """Return the coefficients of the projection of a column on the active ones, and its squared distance to it."""
        active = self.active
        cross = row[active]
        inverse = self.inverse[: self.size, : self.size]
        u = inverse @ cross
        distance = float(row[index] - cross @ u)
        if distance <= CLOSE * row[index]:
            block = self.rows[: self.size][:, active]
            for _ in range(2):  # the inverse has rounding of its own
                inverse += inverse @ (np.eye(self.size) - block @ inverse)
            u = inverse @ cross
            u += inverse @ (cross - block @ u)
            distance = float(row[index] - 2 * (cross @ u) + u @ (block @ u))
        return u, distance

    def _exchange(self, u: "Floats") -> float:
        """Move along the null direction (−u, 1) until an active weight is 0, drop it, and return how far that was."""
        k = self.size
        shrink = u * self.signs[:k]
        toward = np.flatnonzero(shrink > 1e-8 * float(np.abs(u).max(initial=0.0)))
        if len(toward) == 0:
            raise ArithmeticError("singular active set")
        reach = np.abs(self.values[toward]) / shrink[toward]
        first = int(reach.argmin())
        self.values[:k] -= reach[first] * u
        self._drop(int(toward[first]))
        return float(reach[first])

    def _drop(self, slot: int) -> None:
        last = self.size - 1
        self.held[:] = False
        inverse = self.inverse[: last + 1, : last + 1]
        column = inverse[:, slot].copy()
        inverse -= np.outer(column, column / column[slot])
        if slot != last:
            inverse[slot] = inverse[last]
            inverse[:, slot] = inverse[:, last]
            inverse[slot, slot] = inverse[last, last]
            for held in (self.rows, self.slots, self.signs, self.values):
                held[slot] = held[last]
        self.size = last
        self.held[self.active] = True

    def _reserve(self) -> None:
        k, m = self.rows.shape
        rows, inverse = np.zeros((2 * k, m)), np.zeros((2 * k, 2 * k))
        rows[:k], inverse[:k, :k] = self.rows, self.inverse
        self.rows, self.inverse = rows, inverse
        for name in ("slots", "signs", "values"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros_like(getattr(self, name))]))


@final
class Knots:
    """The points at which a follower's active set changed while t fell; in between, w is linear in t.

    Parameters
    ----------
    line : Follower
        Its state now is the first knot.
    """

    def __init__(self, line: Follower) -> None:
        self.line = line
        self.levels: list[float] = []
        self.supports: list[Indices] = []
        self.values: list[Floats] = []
        self.record()

    def record(self) -> None:
        """Add the follower's state as a knot."""
        self.levels.append(self.line.level)
        self.supports.append(self.line.active.copy())
        self.values.append(self.line.values[: self.line.size].copy())

    def coefficients(self) -> "Floats":
        """Return w at every knot, one per row."""
        found = np.zeros((len(self.levels), len(self.line.c)))
        rows = np.repeat(np.arange(len(self.levels)), [len(support) for support in self.supports])
        found[rows, np.concatenate(self.supports)] = np.concatenate(self.values)
        return found

    def at(self, levels: "Floats") -> "Floats":
        """Return w at these levels, one per row: 0 above the first knot, and as at the last below it."""
        coefficients, knots = self.coefficients(), -np.array(self.levels)
        upper = np.clip(np.searchsorted(knots, -levels, side="left"), 1, max(len(knots) - 1, 1))
        if len(knots) == 1:
            return np.repeat(coefficients, len(levels), axis=0)
        width = knots[upper] - knots[upper - 1]
        share = np.clip((-levels - knots[upper - 1]) / np.where(width > 0, width, 1.0), 0.0, 1.0)[:, None]
        share[width <= 0] = 1.0
        return np.asarray((1 - share) * coefficients[upper - 1] + share * coefficients[upper])

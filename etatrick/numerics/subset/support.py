"""One support, and what adding, dropping or exchanging a column would do to the objective, for all columns at once."""

from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.subset.moments import Rows

    Floats = NDArray[np.float64]

DEPENDENT: Final = 1e-9
"""A column counts as dependent on others when its squared distance from their span is this part of its square."""


APART: Final = 1e-2
"""The least pivot of unit columns that are taken at once."""

SETTLE: Final = 24
"""Changes after which everything is formed afresh."""


@final
class Support:
    r"""A set A of columns with :math:`P = (G_{AA} + \rho I)^{-1}`, its fit w, and the state of all other columns.

    For j ∉ A, :math:`r_j = x_j^\top(y - X_Aw)` and :math:`s_j = G_{jj} + \rho - G_{jA}PG_{Aj}`; by Schur complements

    * adding j lowers the objective by :math:`r_j^2/2s_j`,
    * dropping i raises it by :math:`w_i^2/2P_{ii}`, and then :math:`r_j` becomes
      :math:`r_j + w_iv_{ij}/P_{ii}` and :math:`s_j` becomes :math:`s_j + v_{ij}^2/P_{ii}`, with
      :math:`v = PG_{A\cdot}`.

    Parameters
    ----------
    moments : Moments or GramRows
    ridge : float
        ρ ≥ 0 of the term ½ρ‖w‖².
    """

    def __init__(self, moments: "Rows", ridge: float) -> None:
        self.moments, self.ridge = moments, ridge
        self.chosen: list[int] = []
        self.value = moments.constant / 2
        self.w: Floats = np.empty(0)
        self.P: Floats = np.empty((0, 0))
        self.pull = moments.linear.copy()
        self.floor = np.maximum(DEPENDENT * (moments.squares + ridge), 1e-300)
        self.room = moments.squares + ridge
        self._rows = np.empty((16, moments.d))
        self._changes = 0

    @property
    def size(self) -> int:
        """The number of columns in the support."""
        return len(self.chosen)

    def copy(self) -> Self:
        """Return an independent copy."""
        twin = type(self)(self.moments, self.ridge)
        twin.chosen, twin.value, twin._changes = list(self.chosen), self.value, self._changes
        twin.w, twin.P, twin.pull, twin.room = self.w.copy(), self.P.copy(), self.pull.copy(), self.room.copy()
        twin._rows = np.empty_like(self._rows)
        twin._rows[: self.size] = self._rows[: self.size]
        return twin

    def additions(self) -> "Floats":
        """Return how much adding each column lowers the objective; 0 for members and dependent columns."""
        gains = np.where(self.room > self.floor, self.pull**2 / np.maximum(self.room, self.floor), 0.0) / 2
        gains[self.chosen] = 0.0
        return gains

    def removals(self) -> "Floats":
        """Return how much dropping each member raises the objective, in the order of `chosen`."""
        return np.asarray(self.w**2 / self.P.diagonal() / 2)

    def exchange(self, least: float) -> "tuple[int, int, Floats] | None":
        r"""Return (place i, column j, scores of all columns) of the best exchange, or None if none lowers by `least`.

        With :math:`c_i = w_i/P_{ii}`, exchanging i for j lowers the objective by
        :math:`(r_j^2 + 2c_ir_jv_{ij} - c_i^2P_{ii}s_j)/2(s_j + v_{ij}^2/P_{ii})`: the squares of v cancel in the
        numerator, so that one product of matrices gives all numerators, and only positive ones are looked at further.
        A column that depends on the support cannot help.
        """
        k, peaks = self.size, self.P.diagonal()
        rows, c = self._rows[:k], self.w / peaks
        held = self.room <= self.floor
        held[self.chosen] = True
        pull, room = np.where(held, 0.0, self.pull), np.where(held, 0.0, self.room)
        numerator = (2 * c[:, None] * self.P) @ (rows * pull)
        numerator += pull**2
        numerator -= np.outer(self.w * c, room)
        promising = np.flatnonzero(numerator.max(axis=0, initial=0.0) > 0)
        if not len(promising):
            return None
        v = self.P @ rows[:, promising]
        score = numerator[:, promising] / (2 * (room[promising] + v**2 / peaks[:, None]))
        i, place = divmod(int(score.argmax()), len(promising))
        if not score[i, place] > least:
            return None
        scores = np.zeros(self.moments.d)
        scores[promising] = score[i]
        return i, int(promising[place]), scores

    def fill(self, chosen: "NDArray[np.intp]") -> bool:
        """Take all chosen columns into an empty support at once; return whether they are independent enough."""
        rows, k = self.moments.rows(chosen), len(chosen)
        gram = rows[:, chosen] + self.ridge * np.eye(k)
        scale = np.sqrt(np.maximum(gram.diagonal(), 1e-300))
        try:
            pivots = np.linalg.cholesky(gram / np.outer(scale, scale)).diagonal()
        except np.linalg.LinAlgError:
            return False
        if k == 0 or pivots.min() < APART:
            return False
        self._rows = np.empty((max(2 * k, 16), self.moments.d))
        self._rows[:k], self.chosen, self._changes = rows, chosen.tolist(), SETTLE
        self.settle()
        return True

    def add(self, j: int, order: "Floats") -> None:
        """Add column j; `order` says which columns are likely to be wanted next."""
        k, row = self.size, self.moments.row(j, order)
        if k == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        v = self.P @ self._rows[:k, j]
        apart, s = row - v @ self._rows[:k], self.room[j]
        step = self.pull[j] / s
        self.value -= self.pull[j] * step / 2
        self.pull -= step * apart
        self.room -= apart * (apart / s)
        grown = np.empty((k + 1, k + 1))
        grown[:k, :k] = self.P + np.outer(v, v / s)
        grown[:k, k] = grown[k, :k] = -v / s
        grown[k, k] = 1 / s
        self.P, self.w = grown, np.append(self.w - step * v, step)
        self._rows[k] = row
        self._changes += 1
        self.chosen.append(j)

    def drop(self, i: int) -> None:
        """Drop the member at place i; the last member takes its place."""
        k, j, last = self.size, self.chosen[i], self.size - 1
        peak, column = self.P[i, i], self.P[:, i] / self.P[i, i]
        v, weight = self.P[i] @ self._rows[:k], self.w[i]
        self.value += weight**2 / peak / 2
        self.pull += (weight / peak) * v
        self.room += v * (v / peak)
        self.pull[j], self.room[j] = weight / peak, 1 / peak
        order = [*range(i), last, *range(i + 1, last)] if i != last else list(range(last))
        P, w = self.P - np.outer(column, self.P[i]), self.w - weight * column
        self.P, self.w = P[np.ix_(order, order)], w[order]
        self._rows[i] = self._rows[last]
        self._changes += 1
        self.chosen[i] = self.chosen[last]
        self.chosen.pop()

    def settle(self) -> None:
        """Form everything afresh from the rows of the Gram matrix where many changes let rounding build up."""
        k, rows, b = self.size, self._rows[: self.size], self.moments.linear
        if k == 0 or self._changes < SETTLE:
            return
        self.P = np.asarray(np.linalg.inv(rows[:, self.chosen] + self.ridge * np.eye(k)), dtype=np.float64)
        self.P = (self.P + self.P.T) / 2
        self.w = self.P @ b[self.chosen]
        self.pull = b - self.w @ rows
        self.room = self.moments.squares + self.ridge - np.einsum("ij,ij->j", rows, self.P @ rows)
        self.value, self._changes = (self.moments.constant - float(self.w @ b[self.chosen])) / 2, 0

"""Characteristic functions of symmetric dropout, retain rate ½: products of cosines in real arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.factors import FEW, orders_needed, separated


@cache
def log_cosine() -> Floats:
    """Return the c_m of log cosh s = Σ_m c_m (2s/π)^m, shape (121,).

    Examples
    --------
    >>> bool(np.isclose(log_cosine()[2], np.pi**2 / 8))
    True
    """
    return TwoPoint(np.ones(1)).coefficients[:, 0]


@final
@dataclass(frozen=True, eq=False)
class CosineProduct:
    r"""∏_j cos(a_ij ω) − 1 for ω = Ω_i u, u in `nodes` ⊂ [0, 1]; a_ij = 0 where a term has no noise.

    It is :class:`CharacteristicProduct` at odds 1, where the phases cancel and odd power sums vanish: a third of the
    work. Small terms are summed as Σ_m c_m u^m Σ_j (2aΩ/π)^m over even m, large ones as D ← D + z + Dz with
    z = −2sin²(aω/2).

    Examples
    --------
    >>> law, a = TwoPoint(np.array([1.0])), np.array([[0.7]])
    >>> one = CosineProduct.build(law, a, np.ones(1), np.array([1.0]), 0.6)
    >>> bool(np.isclose(one.excess()[0][0, 0], np.cos(0.7) - 1, rtol=1e-14))
    True
    """

    step_cost: ClassVar[float] = 20.0
    """Of a large term at one node, in multiplications of a small one."""
    amplitudes: Floats
    ends: Floats
    nodes: Floats
    scaled: Floats
    order: NDArray[np.intp]
    large: NDArray[np.intp]
    coefficients: Floats

    @classmethod
    def build(cls, law: TwoPoint, amplitudes: Floats, ends: Floats, nodes: Floats, share: float) -> "CosineProduct":
        """Split the terms by size; rows come in decreasing number of large ones."""
        small, order, large = separated(law, amplitudes, ends, share)
        kept = np.where(law.odds > 0, amplitudes, 0.0)
        return cls(kept, ends, nodes, small, order, large, log_cosine()[: orders_needed(small) + 1])

    def excess(self) -> tuple[Floats, Floats]:
        """Return the real and imaginary parts of ∏cos − 1, shape (n, K); the latter are 0."""
        square = self.scaled * self.scaled
        power, sums = square.copy(), []
        for c in self.coefficients[2::2]:
            sums.append(c * power.sum(axis=1))
            power *= square
        size = np.array(sums).T @ self._powers()
        found = np.expm1(size, out=size)
        if not self.order.shape[1]:
            return found, np.zeros_like(found)
        if self.order.size * len(self.nodes) <= FEW:
            whole = self._merged()
            found += whole + found * whole
        else:
            for rows, _, phase in self._steps():
                fall = np.sin(0.5 * phase)
                fall *= fall
                found[:rows] -= 2 * fall * (1 + found[:rows])
        return found, np.zeros_like(found)

    def slopes(self, real: Floats, imag: Floats) -> Floats:
        """Return Σ_k Re[f_k ∂log ∏cos/∂a_ij] for f = real + i·imag on the nodes, shape (n, B)."""
        weights = real @ self._powers().T
        square = self.scaled * self.scaled
        found, power = np.zeros_like(self.scaled), self.scaled.copy()
        for place, c in enumerate(self.coefficients[2::2]):
            found += (2 * (place + 1) * c * weights[:, place])[:, None] * power
            power *= square
        found *= self.ends[:, None] * (2 / np.pi)
        turned = -real * (self.ends[:, None] * self.nodes)
        for rows, columns, phase in self._steps():
            found[np.arange(rows), columns] = (turned[:rows] * np.tan(phase)).sum(axis=1)
        return found

    def _powers(self) -> Floats:
        """Return (−1)^{m/2} u^m for the even orders m from 2, shape (orders, K)."""
        halves = np.arange(1, len(self.coefficients[2::2]) + 1)[:, None]
        return np.where(halves % 2 == 0, 1.0, -1.0) * self.nodes ** (2 * halves)

    def _merged(self) -> Floats:
        """Return the product of all large factors, less 1, multiplied in pairs: fewer calls on small arrays."""
        rows, places = np.arange(len(self.ends))[:, None], np.arange(self.order.shape[1])
        kept = np.where(places < self.large[:, None], self.amplitudes[rows, self.order], 0.0) * self.ends[:, None]
        found = np.sin((0.5 * kept.T)[..., None] * self.nodes)
        found *= -2 * found
        while len(found) > 1:
            half = len(found) // 2
            one, two = found[:half], found[half : 2 * half]
            found = np.concatenate((one + two + one * two, found[2 * half :]))
        whole: Floats = found[0]
        return whole

    def _steps(self) -> Iterator[tuple[int, NDArray[np.intp], Floats]]:
        for p in range(self.order.shape[1]):
            rows = int(np.count_nonzero(self.large > p))
            columns = self.order[:rows, p]
            yield rows, columns, (self.amplitudes[np.arange(rows), columns] * self.ends[:rows])[:, None] * self.nodes

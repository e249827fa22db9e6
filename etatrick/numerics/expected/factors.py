"""Products of characteristic functions on a grid: a power series for small arguments, factor by factor for the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint

SHARES: Final = (0.2, 0.3, 0.45, 0.6, 0.75)
DIGITS: Final = 33.0
FEW: Final = 20_000
CALL_COST: Final = 2000.0  # of one call on small arrays, in multiplications


@final
@dataclass(frozen=True, eq=False)
class CharacteristicProduct:
    r"""∏_j φ_j(a_ij ω) − 1 for ω = Ω_i u, u in `nodes` ⊂ [0, 1], of two-point noise.

    Terms with |a_ij|Ω_i at most `share` of the convergence radius are summed together: log ∏φ = Σ_m i^m u^m s_m with
    power sums s_m that need no node. The others are φ(t) = e^{iλt}(1 + z) with z = δ(e^{−i(1+λ)t} − 1): their phases
    are added, and D ← D + z + Dz keeps the relative accuracy of a small D. Rows come in decreasing number of large
    terms, so that step p serves the first n_p rows.

    Examples
    --------
    >>> law, a = TwoPoint(np.array([1.0])), np.array([[0.7]])
    >>> one = CharacteristicProduct.build(law, a, np.ones(1), np.array([1.0]), 0.6)
    >>> bool(np.isclose(one.excess()[0][0, 0], np.cos(0.7) - 1, rtol=1e-14))
    True
    """

    step_cost: ClassVar[float] = 30.0
    """Of a large term at one node, in multiplications of a small one."""
    law: TwoPoint
    amplitudes: Floats
    ends: Floats
    nodes: Floats
    scaled: Floats
    order: NDArray[np.intp]
    large: NDArray[np.intp]

    @classmethod
    def build(
        cls, law: TwoPoint, amplitudes: Floats, ends: Floats, nodes: Floats, share: float
    ) -> "CharacteristicProduct":
        """Split the terms by size and order them."""
        return cls(law, amplitudes, ends, nodes, *separated(law, amplitudes, ends, share))

    @cached_property
    def coefficients(self) -> Floats:
        """Taylor coefficients of log φ in multiples of the radius, up to the order that the largest term needs."""
        return self.law.coefficients[: orders_needed(self.scaled) + 1]

    def excess(self) -> tuple[Floats, Floats]:
        """Return the real and imaginary parts of ∏φ − 1, shape (n, K)."""
        logs = self._power_sums()
        turns = np.arange(len(logs))
        powers = self.nodes ** turns[:, None]
        sign = np.where(turns % 4 < 2, 1.0, -1.0)[:, None]
        size = logs[::2].T @ (sign * powers)[::2]
        angle = logs[1::2].T @ (sign * powers)[1::2]
        drift = np.where(self.scaled == 0, self.amplitudes, 0.0)
        angle += (drift @ self.law.odds * self.ends)[:, None] * self.nodes
        real = np.expm1(size) * np.cos(angle) - 2 * np.sin(0.5 * angle) ** 2
        imag = np.exp(size) * np.sin(angle)
        for rows, z_real, z_imag in self._merged() if self.scaled.size * len(self.nodes) <= FEW else self._factors():
            kept = real[:rows] + 1.0
            real[:rows] += z_real * kept - z_imag * imag[:rows]
            imag[:rows] += z_real * imag[:rows] + z_imag * kept
        return real, imag

    def slopes(self, real: Floats, imag: Floats) -> Floats:
        """Return Σ_k Re[f_k ∂log ∏φ/∂a_ij] for f = real + i·imag on the nodes, shape (n, B)."""
        turns = np.arange(len(self.coefficients))
        powers = (self.nodes ** turns[:, None]).T
        # Re[f i^m] cycles through Re f, −Im f, −Re f, Im f
        even, odd = real @ powers[:, ::2], -(imag @ powers[:, 1::2])
        found, power = np.zeros_like(self.scaled), self.scaled.copy()
        for m in range(2, len(turns)):
            weight = (odd if m % 2 else even)[:, m // 2] * (m if m % 4 < 2 else -m)
            found += weight[:, None] * (power * self.coefficients[m])
            power *= self.scaled
        found *= self.ends[:, None] / _radius(self.law)
        # ∂log φ/∂t = −iz/(1+z)
        omega = self.ends[:, None] * self.nodes
        real, imag = real * omega, imag * omega
        for rows, columns, z_real, z_imag in self._steps():
            kept = z_real + 1.0
            norm = np.maximum(kept**2 + z_imag**2, 1e-60)
            share = imag[:rows] * (z_real * kept + z_imag**2) + real[:rows] * z_imag
            found[np.arange(rows), columns] = (share / norm).sum(axis=1)
        return found

    def _power_sums(self) -> Floats:
        power, sums = self.scaled.copy(), [np.zeros(len(self.ends)), np.zeros(len(self.ends))]
        for c in self.coefficients[2:]:
            power *= self.scaled
            sums.append(power @ c)
        return np.array(sums)

    def _factors(self) -> Iterator[tuple[int, Floats, Floats]]:
        for rows, _, z_real, z_imag in self._steps():
            yield rows, z_real, z_imag

    def _merged(self) -> Iterator[tuple[int, Floats, Floats]]:
        """Yield the product of all large factors of few rows at once, multiplied in pairs: fewer calls on arrays."""
        if not self.order.shape[1]:
            return
        rows, places = np.arange(len(self.ends))[:, None], np.arange(self.order.shape[1])
        amplitudes = np.where(places < self.large[:, None], self.amplitudes[rows, self.order], 0.0) * self.ends[:, None]
        real, imag = _rotated(amplitudes.T, self.law.odds[self.order].T, self.nodes)
        while len(real) > 1:
            half = len(real) // 2
            a, b, c, d = real[:half], imag[:half], real[half : 2 * half], imag[half : 2 * half]
            merged = a + c + (a * c - b * d), b + d + (a * d + b * c)
            real, imag = (np.concatenate((m, rest[2 * half :])) for m, rest in zip(merged, (real, imag), strict=True))
        yield len(self.ends), real[0], imag[0]

    def _steps(self) -> Iterator[tuple[int, NDArray[np.intp], Floats, Floats]]:
        for p in range(self.order.shape[1]):
            rows = int(np.count_nonzero(self.large > p))
            columns = self.order[:rows, p]
            amplitudes = self.amplitudes[np.arange(rows), columns] * self.ends[:rows]
            yield rows, columns, *_rotated(amplitudes, self.law.odds[columns], self.nodes)


def _rotated(amplitudes: Floats, odds: Floats, nodes: Floats) -> tuple[Floats, Floats]:
    """Return the parts of δ(e^{−i(1+λ)t} − 1) for t = amplitude × node, with one more axis."""
    half = (0.5 * (1 + odds) * amplitudes)[..., None] * nodes
    sine, cosine = np.sin(half), np.cos(half, out=half)
    scaled = (-2 * odds / (1 + odds))[..., None] * sine
    return scaled * sine, np.multiply(scaled, cosine, out=cosine)


def separated(
    law: TwoPoint, amplitudes: Floats, ends: Floats, share: float
) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Return the scaled small terms (n, B) with 0 for the others, the columns of the large ones, and their numbers.

    Examples
    --------
    >>> small, order, large = separated(TwoPoint(np.ones(2)), np.array([[np.pi, 0.1]]), np.ones(1), 0.5)
    >>> order.tolist(), large.tolist(), small.round(3).tolist()
    ([[0]], [1], [[0.0, 0.064]])
    """
    scaled = scaled_terms(law, amplitudes, ends)
    sizes = np.abs(scaled)
    rows, columns = np.nonzero(sizes > share)
    large = np.bincount(rows, minlength=len(ends))
    order = np.zeros((len(ends), int(large.max(initial=0))), dtype=np.intp)
    order[rows, np.arange(len(rows)) - (np.cumsum(large) - large)[rows]] = columns
    scaled[rows, columns] = 0.0
    return scaled, order, large


def orders_needed(scaled: Floats) -> int:
    """Return the order of the power series that scaled terms need, ≥ 4.

    Examples
    --------
    >>> orders_needed(np.array([0.1, -0.5]))
    49
    """
    largest = max(float(scaled.max(initial=0.0)), -float(scaled.min(initial=0.0)))
    return 4 if largest == 0 else max(4, 2 + int(DIGITS / -np.log(largest)))


def scaled_terms(law: TwoPoint, amplitudes: Floats, ends: Floats) -> Floats:
    """Return a_ij Ω_i in multiples of the convergence radius of log φ_j; 0 for terms without noise.

    Examples
    --------
    >>> scaled_terms(TwoPoint(np.array([1.0, 0.0])), np.array([[np.pi, 2.0]]), np.ones(1)).tolist()
    [[2.0, 0.0]]
    """
    return amplitudes * ends[:, None] / _radius(law)


def cheapest_share(sizes: Floats, count: int, step_cost: float) -> float:
    """Return where to split the terms of scaled sizes (n, B): where powers and large terms cost least together.

    Examples
    --------
    >>> cheapest_share(np.full((2, 3), 0.1), 40, 30.0)
    0.2
    """
    large = np.array([(sizes > share).sum(axis=1) for share in SHARES])
    powers = (sizes.size + CALL_COST) * DIGITS / -np.log(SHARES)
    calls = 0.0 if sizes.size * count <= FEW else 8 * CALL_COST
    steps = step_cost * count * large.sum(axis=1) + calls * large.max(axis=1)
    return SHARES[int(np.argmin(powers + steps))]


def _radius(law: TwoPoint) -> Floats:
    return np.where(law.odds > 0, law.radius, np.inf)

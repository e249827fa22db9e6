"""Sets H of joint scales η: the norm min Σσ²/η, its dual max Σηζ² and the scales that attain it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError

Floats: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = Sequence[Any]  # all Fractions or all floats


class ScaleSet(ABC):
    r"""A compact convex set H of scales, closed under permutations, which is all that a norm needs.

    .. math:: N(\sigma)^2 = \min_{\eta\in H} \sum_i \sigma_i^2/\eta_i, \qquad
              N_*(\zeta)^2 = \max_{\eta\in H} \sum_i \eta_i \zeta_i^2

    Numbers come as fractions, and are then treated exactly, or as floats.
    """

    @abstractmethod
    def square(self, values: Numbers) -> Any:
        """Return N(σ)²."""

    @abstractmethod
    def dual_square(self, values: Numbers) -> Any:
        """Return N*(ζ)²."""

    @abstractmethod
    def scales(self, values: Numbers) -> tuple[Any, ...]:
        """Return η̂(σ), in the order of the values; 0 where σ is 0."""

    @final
    def subgradient(self, values: Numbers) -> tuple[Any, ...]:
        """Return σ/η̂, which is half a subgradient of N²; 0 where σ is 0."""
        return tuple(v / e if v else v * 0 for v, e in zip(values, self.scales(values), strict=True))


@final
@dataclass(frozen=True)
class OrderedScales(ScaleSet):
    r"""Scales whose j largest sum to at most ω_1 + … + ω_j, for every j.

    .. math:: N_*(\zeta)^2 = \sum_j \omega_j |\zeta|_{(j)}^2, \qquad
              N(\sigma)^2 = \sum_P \Bigl(\sum_P |\sigma|\Bigr)^2 \Big/ \sum_P \omega

    over pools P of neighbouring ranks, merged until ω/|σ| does not decrease. One weight gives the nuclear norm of
    singular values, r equal ones the r-support norm, infinitely many the Frobenius norm.

    Parameters
    ----------
    weights : sequence of numbers
        ω_1 ≥ ω_2 ≥ … > 0, at least one.
    tail : number
        All further weights, between 0 and the last of `weights`.

    Examples
    --------
    >>> from etatrick.theory.structured.scales import OrderedScales
    >>> two = OrderedScales((1, 1))
    >>> two.square((3, 2, 1)), two.dual_square((3, 2, 1)), two.scales((3, 2, 1))
    (Fraction(18, 1), Fraction(13, 1), (Fraction(1, 1), Fraction(2, 3), Fraction(1, 3)))
    """

    weights: tuple[Any, ...]
    tail: Any = 0

    def square(self, values: Numbers) -> Any:
        """Return N(σ)²: each pool contributes (Σ|σ|)²/Σω."""
        pools = self._pools(values)
        return sum((mass * mass / weight for mass, weight, _ in pools if mass), start=read(values)[0] * 0)

    def dual_square(self, values: Numbers) -> Any:
        """Return N*(ζ)² = Σ ω_j |ζ|²_(j)."""
        numbers = sorted((abs(v) for v in read(values)), reverse=True)
        return sum((o * v * v for o, v in zip(self._omega(numbers), numbers, strict=True)), start=numbers[0] * 0)

    def scales(self, values: Numbers) -> tuple[Any, ...]:
        """Return η̂(σ): within a pool proportional to |σ|."""
        numbers = read(values)
        ratio = {i: weight / mass for mass, weight, members in self._pools(values) if mass for i in members}
        return tuple(abs(v) * ratio[i] if v else v * 0 for i, v in enumerate(numbers))

    def _omega(self, numbers: Numbers) -> list[Any]:
        cast = Fraction if isinstance(numbers[0], Fraction) else float
        omega = [*self.weights[: len(numbers)], *[self.tail] * (len(numbers) - len(self.weights))]
        return [cast(o) for o in omega]

    def _pools(self, values: Numbers) -> list[tuple[Any, Any, list[int]]]:
        numbers = read(values)
        order = sorted(range(len(numbers)), key=lambda i: -abs(numbers[i]))
        pools: list[tuple[Any, Any, list[int]]] = []
        for i, o in zip(order, self._omega(numbers), strict=True):
            mass, weight, members = abs(numbers[i]), o, [i]
            while pools and pools[-1][1] * mass > weight * pools[-1][0]:  # ω/|σ| would decrease
                before = pools.pop()
                mass, weight, members = mass + before[0], weight + before[1], before[2] + members
            pools.append((mass, weight, members))
        return pools


@final
@dataclass(frozen=True)
class LayeredScales(ScaleSet):
    r"""Two scale sets one over the other: the squares of the norms add, 1/η = 1/η_block + 1/η_unit.

    .. math:: N^2 = c_b \lVert\cdot\rVert_r^2 + c_u \lVert\cdot\rVert_1^2, \qquad
              N_*(\zeta)^2 = \min_{t\ge0} \frac1{c_b} \sum_{i\le r} (|\zeta|_{(i)}-t)_+^2 + \frac{t^2}{c_u}

    Parameters
    ----------
    rank : int
        r ≥ 1.
    block, unit : number
        c_b > 0 and c_u > 0.

    Examples
    --------
    >>> from etatrick.theory.structured.scales import LayeredScales
    >>> LayeredScales(rank=2, block=1, unit=1).square((3, 2, 1))  # 18 + 36
    Fraction(54, 1)
    """

    rank: int
    block: Any
    unit: Any

    @property
    def parts(self) -> tuple[OrderedScales, OrderedScales]:
        """The r-support part and the nuclear part."""
        return OrderedScales((1 / Fraction(self.block),) * self.rank), OrderedScales((1 / Fraction(self.unit),))

    def square(self, values: Numbers) -> Any:
        """Return N(σ)², the sum of the two squares."""
        return sum(part.square(values) for part in self.parts)

    def dual_square(self, values: Numbers) -> Any:
        """Return N*(ζ)², the minimum over the share t that the nuclear part takes."""
        numbers = sorted((abs(v) for v in read(values)), reverse=True)
        cast = Fraction if isinstance(numbers[0], Fraction) else float
        block, unit = cast(self.block), cast(self.unit)
        above, t, total = 0, numbers[0] * 0, numbers[0] * 0
        for above, v in enumerate(numbers[: self.rank]):  # t solves Σ_{i≤above}(ζ_i − t)/c_b = t/c_u
            t = total / (above + block / unit)
            if v <= t:
                break
            total += v
        else:
            above = min(self.rank, len(numbers))
            t = total / (above + block / unit)
        return sum((v - t) ** 2 for v in numbers[:above]) / block + t * t / unit

    def scales(self, values: Numbers) -> tuple[Any, ...]:
        """Return η̂(σ), the harmonic combination of the two."""
        first, second = (part.scales(values) for part in self.parts)
        return tuple(a * b / (a + b) if a else a for a, b in zip(first, second, strict=True))


@final
@dataclass(frozen=True)
class FreeScales(ScaleSet):
    """No bound on any scale: nothing is penalised."""

    def square(self, values: Numbers) -> Any:
        """Return 0."""
        return read(values)[0] * 0

    def dual_square(self, values: Numbers) -> Any:
        """Return 0 at the origin and ∞ elsewhere."""
        return float("inf") if any(read(values)) else 0.0

    def scales(self, values: Numbers) -> tuple[Any, ...]:
        """Return ∞ for every nonzero value."""
        return tuple(float("inf") if v else 0.0 for v in read(values))


def read(values: Iterable[Any]) -> list[Any]:
    """Return numbers as fractions if all are integers or fractions, otherwise as floats.

    Raises
    ------
    InputError
        If there is none, or one is not finite.

    Examples
    --------
    >>> read([1, 2]), read([1, 0.5])
    ([Fraction(1, 1), Fraction(2, 1)], [1.0, 0.5])
    """
    remedy = "pass a nonempty vector of finite numbers, such as the singular values of a matrix"
    try:
        found = list(values)
        exact = all(isinstance(v, int | Fraction | np.integer) for v in found)
        numbers = [Fraction(v) if isinstance(v, Fraction) else Fraction(int(v)) if exact else float(v) for v in found]
    except (TypeError, ValueError):
        raise InputError("values", "must be real numbers", remedy) from None
    if not numbers or not all(np.isfinite(float(v)) for v in numbers):
        raise InputError(f"{len(numbers)} values", "must be finite, and at least one", remedy)
    return numbers if exact else [float(v) for v in numbers]

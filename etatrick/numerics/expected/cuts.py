"""Where to stop the characteristic-function integral, and how many Gauss–Legendre nodes it needs: rigorous bounds."""

from typing import Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint

Singles: TypeAlias = NDArray[np.float32]

LAST: Final = 12.5
SMALL: Final = 512
MODEST: Final = 8.0
SERIES: Final = (1.0, -1 / 3, 2 / 45, -1 / 315)
MONOTONE: Final = 2.0
DIGITS: Final = 33.001
FALLEN: Final = 2.0
GRID: Final = np.array([0.15, 0.25, 0.4, 0.65, 1.0, 1.35, 1.8, 2.3, 2.9, 3.6, 4.4, 5.3, 6.3, 7.6, 9.0, 10.6, LAST])
ACCURACY: Final = 27.0
ELLIPSES: Final = np.array(
    [1.002, 1.005, 1.01, 1.02, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.65, 1.8, 2.0, 2.3, 2.7, 3.2, 4.0, 5.0, 7.0]
)
COUNTS: Final = np.array([12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128, 192, 256])
PANEL: Final = 64
MOST_NODES: Final = 100_000


def cut_points(law: TwoPoint, amplitudes: Floats) -> Floats:
    r"""Return Ω_i on a grid up to 12.5 beyond which ∏_j φ(a_ij ω) · e^{−πω} is below e^{−33}, shape (n,).

    |φ(t)|² = 1 − 4θδ sin²y with y = (1+λ)t/2. Each grid interval is bounded as a whole, from the last one downwards:
    by e^{−πω} at its left end, and by sin²y at the lesser of its ends, or 0 where a multiple of π may lie between. Slow
    terms, whose sin²y rises all the way, share four power sums of sin²y ≥ y² − y⁴/3 + 2y⁶/45 − y⁸/315. A few small
    examples are not worth the search.
    """
    ends = np.full(len(amplitudes), LAST)
    if amplitudes.size <= SMALL and float(np.abs(amplitudes).max(initial=0.0)) <= MODEST:
        return ends
    weight = 2 * law.keep * law.drop
    phase = 0.5 * (1 + law.odds) * np.abs(amplitudes)
    square = phase**2
    quick = (square > MONOTONE / LAST**2) & (weight > 0)
    power, sums = np.where(quick, 0.0, square), []
    for factor in SERIES:
        sums.append(factor * (power @ weight))
        power *= square
    fast = FastTerms.of(phase, 2 * weight, quick)
    alive, above = np.ones(len(ends), dtype=bool), LAST
    for start in GRID[-2::-1]:
        fallen = fast.fall(start, above)
        fallen += sum(total * start ** (2 * m + 2) for m, total in enumerate(sums))
        # noise so small that ∏φ is near 1 is not cut: there R itself is small
        alive &= (fallen + np.pi * start >= DIGITS) & (fallen >= FALLEN)
        if not alive.any():
            break
        ends[alive] = start
        above = start
    return ends


@final
class FastTerms:
    """Terms whose sin²y turns within the grid, row after row, in single precision: they are few digits of a bound.

    Examples
    --------
    >>> terms = FastTerms.of(np.array([[0.05, 9.0]]), np.ones(2), np.array([[True, True]]))
    >>> bool(np.isclose(terms.fall(10.0, 12.5)[0], -0.5 * np.log(1 - np.sin(0.5) ** 2), rtol=1e-4))
    True
    """

    def __init__(self, phase: Singles, share: Singles, counts: NDArray[np.intp]) -> None:
        self.phase, self.share, self.size = phase, share, len(counts)
        self.rows = np.flatnonzero(counts)
        self.starts = np.concatenate(([0], np.cumsum(counts)[:-1]))[self.rows].astype(np.intp)
        self.sines = np.sin(phase * np.float32(LAST))

    @classmethod
    def of(cls, phase: Floats, weight: Floats, quick: NDArray[np.bool_]) -> "FastTerms":
        """Gather the quick terms of phases (n, B) with weights 4θδ (B,)."""
        share = np.broadcast_to(weight.astype(np.float32), phase.shape)[quick]
        return cls(phase[quick].astype(np.float32), share, quick.sum(axis=1))

    def fall(self, start: float, above: float) -> Floats:
        """Return −Σ_j log|φ_j| at least, on [start, above] and for each row; `above` is the last `start`, or 12.5."""
        sines = np.sin(self.phase * np.float32(start))
        least = np.minimum(np.abs(sines), np.abs(self.sines)) ** 2
        # the arguments that matter are below 21, so the sines are right to 1e-5
        least -= np.float32(1e-5)
        least[(sines * self.sines <= 0) | (self.phase * np.float32(above - start) >= 3.14) | (least < 0)] = 0.0
        self.sines = sines
        found = np.zeros(self.size)
        if len(self.rows):
            left = np.maximum(1 - self.share * least, np.float32(1e-12))
            products = np.multiply.reduceat(left, self.starts)
            found[self.rows] = -0.5 * np.log(np.maximum(products.astype(np.float64), 1e-40)) * (1 - 1e-6)
        return found


def node_counts(law: TwoPoint, mean: Floats, amplitudes: Floats, ends: Floats) -> NDArray[np.intp]:
    r"""Return numbers of Gauss–Legendre nodes on [0, Ω_i] that leave a relative error near e^{−27}, shape (n,).

    On the Bernstein ellipse ρ about [0, Ω] the integrand is at most e^{|y||μ| + G} times what 1/sinh adds, where
    |y| ≤ Ω(ρ−1/ρ)/4 and G is the lesser of y²Σa²(1+λ)²/8 (Hoeffding: ζ has range 1+λ) and |y|Σ|a|max(1, λ). The
    error at K nodes is this times ρ^{−2K}. The ellipse must leave out the poles ±i of 1/sinh. More than 256 nodes are
    made of panels of 64, twice as many as a single rule needs.

    Raises
    ------
    InputError
        If the predictor's noise is so large that more than 100,000 nodes are needed.
    """
    spread = np.einsum("ij,ij,j->i", amplitudes, amplitudes, (1 + law.odds) ** 2) / 4
    rho = ELLIPSES[:, None]
    reach = ends * (rho - 1 / rho) / 4
    growth = np.minimum(
        0.5 * reach**2 * spread, reach * (np.abs(amplitudes) @ (np.maximum(law.odds, 1) * (law.odds > 0)))
    )
    # the point i in the coordinates of [−1, 1]
    place = -1 + 2j / ends
    pole = np.abs(place + np.sqrt(place - 1) * np.sqrt(place + 1))
    pole = np.maximum(pole, 1 / pole)
    clearance = np.where(rho < 0.985 * pole, -np.log(np.maximum(1 - rho / pole, 1e-3)), np.inf)
    wanted = (ACCURACY + clearance + reach * np.abs(mean) + growth) / (2 * np.log(rho))
    fewest = np.min(np.where(np.isfinite(wanted), wanted, np.inf), axis=0)
    if (largest := float(fewest.max())) > MOST_NODES:
        raise InputError(f"noise that needs {largest:.3g} nodes", f"at most {MOST_NODES} are used",
                         "rescale the features or use smaller weights")  # fmt: skip
    single = COUNTS[np.minimum(np.searchsorted(COUNTS, fewest), len(COUNTS) - 1)]
    panels = 2 ** np.ceil(np.log2(2 * np.maximum(fewest, 1.0) / PANEL))
    return np.asarray(np.where(fewest <= COUNTS[-1], single, PANEL * panels), dtype=np.intp)

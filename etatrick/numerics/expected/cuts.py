"""Where to stop the characteristic-function integral, and how many Gauss–Legendre nodes it needs: rigorous bounds."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint

LAST: Final = 12.5
SERIES: Final = (1.0, -1 / 3, 2 / 45, -1 / 315)
MONOTONE: Final = 2.0
DIGITS: Final = 33.0
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
    by e^{−πω} at its left end, and by sin²y at the lesser of its ends, or 0 where a multiple of π lies between. Slow
    terms, whose sin²y rises all the way, share four power sums of sin²y ≥ y² − y⁴/3 + 2y⁶/45 − y⁸/315.
    """
    weight = 2 * law.keep * law.drop
    phase = 0.5 * (1 + law.odds) * np.abs(amplitudes)
    square = phase**2
    slow = square <= MONOTONE / LAST**2
    power, sums = np.where(slow, square, 0.0), []
    for factor in SERIES:
        sums.append(factor * (power @ weight))
        power *= square
    rows, columns = np.nonzero(~slow & (weight > 0))
    fast, share = phase[rows, columns], 2 * weight[columns]
    ends, alive = np.full(len(amplitudes), LAST), np.ones(len(amplitudes), dtype=bool)
    turn, above = np.floor(fast * LAST / np.pi), np.sin(fast * LAST) ** 2
    for start in GRID[-2::-1]:
        turn_start, at_start = np.floor(fast * start / np.pi), np.sin(fast * start) ** 2
        least = np.where(turn == turn_start, np.minimum(above, at_start), 0.0)
        fallen = np.bincount(rows, -0.5 * np.log1p(-np.minimum(share * least, 1 - 1e-12)), len(ends))
        fallen = fallen + sum(total * start ** (2 * m + 2) for m, total in enumerate(sums))
        # noise so small that ∏φ is near 1 is not cut: there R itself is small
        alive &= (fallen + np.pi * start >= DIGITS) & (fallen >= FALLEN)
        if not alive.any():
            break
        ends[alive] = start
        kept = alive[rows]
        rows, fast, share = rows[kept], fast[kept], share[kept]
        turn, above = turn_start[kept], at_start[kept]
    return ends


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

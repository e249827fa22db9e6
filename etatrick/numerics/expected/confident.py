"""Examples whose predictor cannot change sign: the logistic regulariser as a series of moment generating functions."""

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.route import Slopes


def distances(law: TwoPoint, mean: Floats, amplitudes: Floats) -> Floats:
    """Return how far from 0 the predictor stays on the side of its mean; negative if it may cross.

    Examples
    --------
    >>> distances(TwoPoint(np.array([1.0])), np.array([3.0]), np.array([[1.0]])).tolist()
    [2.0]
    """
    side = np.where(mean < 0, -1.0, 1.0)[:, None] * amplitudes
    fall = np.maximum(side, -law.odds * side) * (law.odds > 0)
    return np.asarray(np.abs(mean) - fall.sum(axis=1), dtype=np.float64)


def confident_slopes(law: TwoPoint, mean: Floats, amplitudes: Floats) -> Slopes:
    r"""Return R = Σ_l (−1)^{l+1}/l (E e^{−lZ} − e^{−lμ}) and its derivatives, for Z > 0 always (or Z < 0 always).

    E softplus(Z) = E Z + E log(1 + e^{−Z}), and the part E Z has no regulariser; for Z < 0 by symmetry.

    Examples
    --------
    >>> found = confident_slopes(TwoPoint(np.array([1.0])), np.array([30.0]), np.array([[1.0]]))
    >>> bool(np.isclose(found.values[0], np.exp(-30) * (np.cosh(1) - 1), rtol=1e-12))
    True
    """
    side = np.where(mean < 0, -1.0, 1.0)
    size, moved = np.abs(mean), amplitudes * side[:, None]
    room = float(distances(law, mean, amplitudes).min())
    values, by_mean, by_amplitude = np.zeros_like(mean), np.zeros_like(mean), np.zeros_like(amplitudes)
    for order in range(1, int(40.0 / room) + 2):
        sign = 1.0 if order % 2 else -1.0
        logs = law.log_mgf(-order * moved).sum(axis=1)
        small = logs < 1
        base = np.exp(-order * size)
        excess = np.where(small, base * np.expm1(np.minimum(logs, 1.0)), np.exp(logs - order * size) - base)
        values += sign / order * excess
        by_mean -= sign * excess
        whole = np.exp(logs - order * size)
        by_amplitude -= (sign * whole)[:, None] * law.log_mgf_slope(-order * moved)
    return Slopes(values, side * by_mean, side[:, None] * by_amplitude)

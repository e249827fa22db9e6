"""Losses that are exponentials of the predictor, Poisson and Gamma: a product of moment generating functions."""

from dataclasses import dataclass
from typing import final

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import CentredLaw
from etatrick.numerics.expected.route import Route, Slopes
from etatrick.numerics.losses import Gamma, Loss


@final
@dataclass(frozen=True, eq=False)
class MomentProduct(Route):
    r"""R_i = c_i e^{sμ_i} (∏_j E e^{s a_ij ζ_j} − 1): Poisson has c = 1, s = 1; Gamma has c = y, s = −1.

    The product is summed as logarithms; a value beyond the largest float is infinite.

    Examples
    --------
    >>> from etatrick.numerics.expected.centred import Normal
    >>> from etatrick.numerics.losses import Poisson
    >>> route = MomentProduct(Poisson(), Normal(np.array([1.0])))
    >>> bool(np.isclose(route.values(np.zeros(1), np.zeros(1), np.array([[2.0]]))[0], np.exp(2) - 1))
    True
    """

    loss: Loss
    law: CentredLaw

    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return R_i."""
        sign, factor = self._shape(y)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._scaled(factor, sign * mean, self.law.log_mgf(sign * amplitudes).sum(axis=1))

    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return R_i, sR_i and s c_i e^{sμ_i} ∏ E e^{s a_ij ζ_j} (log E e^{tζ_j})′ at t = s a_ij."""
        sign, factor = self._shape(y)
        with np.errstate(over="ignore", invalid="ignore"):
            logs = self.law.log_mgf(sign * amplitudes).sum(axis=1)
            values = self._scaled(factor, sign * mean, logs)
            whole = sign * factor * np.exp(sign * mean + logs)
            return Slopes(values, sign * values, whole[:, None] * self.law.log_mgf_slope(sign * amplitudes))

    def _shape(self, y: Floats) -> tuple[float, Floats]:
        return (-1.0, y) if isinstance(self.loss, Gamma) else (1.0, np.ones_like(y))

    def _scaled(self, factor: Floats, exponent: Floats, logs: Floats) -> Floats:
        small = np.abs(logs) < 1
        near = np.exp(exponent) * np.expm1(np.where(small, logs, 0.0))
        far = np.exp(exponent + np.where(small, 0.0, logs)) - np.where(small, 0.0, np.exp(exponent))
        return factor * np.where(small, near, far)

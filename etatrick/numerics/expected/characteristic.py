"""The logistic loss under independent two-point noise, at any size: one integral of the characteristic function."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.confident import confident_slopes, distances
from etatrick.numerics.expected.cosines import CosineProduct
from etatrick.numerics.expected.cuts import COUNTS, LAST, PANEL, cut_points, node_counts
from etatrick.numerics.expected.factors import CharacteristicProduct, cheapest_share, scaled_terms
from etatrick.numerics.expected.route import Route, Slopes

CHUNK: Final = 48_000
CLEAR: Final = 2.0


@final
@dataclass(frozen=True, eq=False)
class CharacteristicIntegral(Route):
    r"""The logistic loss as an integral, φ_j being the characteristic function of ζ_j.

    .. math:: R = \int_0^\infty \mathrm{Re}\left[e^{i\omega\mu}\Big(1-\prod_j\varphi_j(a_j\omega)\Big)\right]
              \frac{d\omega}{\omega\sinh\pi\omega}

    It follows from softplus(z) = z/2 + log 2cosh(z/2) and the Fourier transform of ¼sech²(z/2), πω/sinh πω, divided
    twice by iω; what grows cancels since E Z = μ. The difference 1 − ∏φ is accumulated as such, so R is accurate
    relative to the variance of the noise, however small. The product is dropped beyond Ω where it is provably
    negligible; e^{iωμ} is integrated there in closed form (exponential integrals). Examples whose predictor keeps
    its sign for every outcome of the noise are summed as the series Σ (−1)^{l+1} E e^{−l|Z|}/l instead.

    Examples
    --------
    >>> route = CharacteristicIntegral(TwoPoint(np.array([1.0])))
    >>> value = route.values(np.zeros(1), np.array([0.5]), np.array([[0.5]]))[0]  # Z is 0 or 1
    >>> z = np.log1p(np.exp([0.0, 1.0, 0.5]))
    >>> bool(np.isclose(value, (z[0] + z[1]) / 2 - z[2], rtol=1e-12))
    True
    """

    law: TwoPoint

    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return R_i."""
        return self._assembled(mean, amplitudes, slopes=False).values

    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return R_i and its derivatives by the mean and by each amplitude."""
        return self._assembled(mean, amplitudes, slopes=True)

    @property
    def _product(self) -> type[CharacteristicProduct] | type[CosineProduct]:
        symmetric = bool(((self.law.odds == 1) | (self.law.odds == 0)).all())
        return CosineProduct if symmetric else CharacteristicProduct

    def _assembled(self, mean: Floats, amplitudes: Floats, *, slopes: bool) -> Slopes:
        found = Slopes(np.zeros_like(mean), np.zeros_like(mean), np.zeros_like(amplitudes if slopes else mean))
        clear = distances(self.law, mean, amplitudes) >= CLEAR
        for rows, part in self._parts(mean, amplitudes, clear, slopes):
            for whole, piece in zip(found, part, strict=True):
                whole[rows] = piece
        return found

    def _parts(
        self, mean: Floats, amplitudes: Floats, clear: NDArray[np.bool_], slopes: bool
    ) -> Iterator[tuple[NDArray[np.intp], Slopes]]:
        if len(sure := np.flatnonzero(clear)):
            part = confident_slopes(self.law, mean[sure], amplitudes[sure])
            yield sure, part if slopes else part._replace(by_amplitude=part.by_mean)
        if not len(rest := np.flatnonzero(~clear)):
            return
        ends = cut_points(self.law, amplitudes[rest])
        counts = node_counts(self.law, mean[rest], amplitudes[rest], ends)
        for count in np.unique(counts):
            same = np.flatnonzero(counts == count)
            sizes = np.abs(scaled_terms(self.law, amplitudes[rest[same]], ends[same]))
            share = cheapest_share(sizes, int(count), self._product.step_cost)
            same = same[np.argsort(-(sizes > share).sum(axis=1), kind="stable")]
            step = max(1, CHUNK // max(int(count), amplitudes.shape[1] // 2))
            for start in range(0, len(same), step):
                chosen = same[start : start + step]
                rows, nodes = rest[chosen], unit_gauss(int(count))
                product = self._product.build(self.law, amplitudes[rows], ends[chosen], nodes[0], share)
                yield rows, _integrals(product, mean[rows], nodes[1], slopes)


def _integrals(product: CharacteristicProduct | CosineProduct, mean: Floats, weights: Floats, slopes: bool) -> Slopes:
    ends = product.ends
    omega = ends[:, None] * product.nodes
    kernel = ends[:, None] * weights / (omega * np.sinh(np.pi * omega))
    cosine, sine = np.cos(omega * mean[:, None]), np.sin(omega * mean[:, None])
    real, imag = product.excess()
    values = (kernel * (sine * imag - cosine * real)).sum(axis=1)
    by_mean = (kernel * omega * (cosine * imag + sine * real)).sum(axis=1)
    cut = ends < LAST
    tail, tail_slope = beyond(ends[cut], mean[cut])
    values[cut] += tail
    by_mean[cut] += tail_slope
    if not slopes:
        return Slopes(values, by_mean, by_mean)
    real += 1.0
    # −e^{iωμ}∏φ, times the kernel
    return Slopes(values, by_mean, product.slopes(kernel * (sine * imag - cosine * real),
                                                  -kernel * (cosine * imag + sine * real)))  # fmt: skip


def beyond(ends: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Return ∫_Ω^∞ cos(ωμ)/(ω sinh πω) dω and its derivative by μ, by 1/sinh = 2Σ e^{−mπω} over odd m.

    Examples
    --------
    >>> value, slope = beyond(np.array([1.0]), np.array([0.0]))
    >>> round(float(value[0]), 9), float(slope[0])
    (0.021828226, 0.0)
    """
    from scipy.special import exp1

    value, slope = np.zeros_like(mean), np.zeros_like(mean)
    if not len(mean):
        return value, slope
    m = 1
    while m * np.pi * ends.min() < 45.0:
        rate = m * np.pi - 1j * mean
        value += 2 * exp1(rate * ends).real
        slope -= 2 * (np.exp(-rate * ends) / rate).imag
        m += 2
    return value, slope


@lru_cache(maxsize=64)
def unit_gauss(count: int) -> tuple[Floats, Floats]:
    """Return Gauss–Legendre nodes and weights on [0, 1]; many nodes as equal panels of 64."""
    if count > COUNTS[-1]:
        nodes, weights = unit_gauss(PANEL)
        panels = count // PANEL
        return (np.arange(panels)[:, None] + nodes).ravel() / panels, np.tile(weights, panels) / panels
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return 0.5 + 0.5 * nodes, 0.5 * weights

"""Amplitude recipes: how far one unit of noise moves a linear predictor, a_ij as a function of X and w."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats = NDArray[np.float64]


class Amplitude(ABC):
    r"""The recipe of a_ij = ξ(x_ij) g_j(w_j) in the noisy predictor Z_i = x_i·w + Σ_j a_ij ζ_j, E ζ_j = 0.

    Every recipe is a product of a transformed feature ξ(x) and a weight profile g(w), so that a gradient with
    respect to w costs one pass.

    Examples
    --------
    >>> from etatrick.numerics.expected.amplitudes import FeatureNoise
    >>> FeatureNoise().of(np.array([[1.0, 2.0]]), np.array([3.0, -1.0])).tolist()
    [[3.0, -2.0]]
    """

    linear: ClassVar[bool]
    """Whether g is linear, so that the expected loss of a convex loss is convex in w."""

    @final
    def of(self, X: Floats, w: Floats) -> Floats:
        """Return the amplitudes a_ij, shape (n, d)."""
        found: Floats = self.features(X) * self.profile(w)
        return found

    @final
    def pulled(self, X: Floats, w: Floats, slopes: Floats) -> Floats:
        """Return Σ_i (∂R/∂a_ij) ∂a_ij/∂w_j, shape (d,), from `slopes` ∂R/∂a of shape (n, d)."""
        drawn: Floats = np.einsum("ij,ij->j", self.features(X), slopes)
        return drawn * self.profile_slope(w)

    @abstractmethod
    def features(self, X: Floats) -> Floats:
        """Return ξ(x_ij)."""

    @abstractmethod
    def profile(self, w: Floats) -> Floats:
        """Return g_j(w_j)."""

    @abstractmethod
    def profile_slope(self, w: Floats) -> Floats:
        """Return g_j′(w_j); 0 where g has a kink or a jump at w_j = 0."""


@final
@dataclass(frozen=True)
class FeatureNoise(Amplitude):
    """Dropout of features, and multiplicative weight noise N(w, αw²): a_ij = x_ij w_j.

    Examples
    --------
    >>> FeatureNoise().profile_slope(np.array([3.0, -1.0])).tolist()
    [1.0, 1.0]
    """

    linear: ClassVar[bool] = True

    def features(self, X: Floats) -> Floats:
        """Return x_ij."""
        return X

    def profile(self, w: Floats) -> Floats:
        """Return w_j."""
        return w

    def profile_slope(self, w: Floats) -> Floats:
        """Return 1."""
        return np.ones_like(w)


@final
@dataclass(frozen=True)
class SparseoutNoise(Amplitude):
    """Sparseout on features: x̃ = x + sgn(x)|x|^{q/2}ζ, so a_ij = sgn(x_ij)|x_ij|^{q/2} w_j; q = 2 is dropout.

    Parameters
    ----------
    q : float
        q ≥ 0.
    signed : bool
        False is the literal form of the paper, |x|^{q/2} without the sign: the same variance, other odd cumulants.

    Examples
    --------
    >>> SparseoutNoise(1.0).of(np.array([[4.0, -9.0]]), np.array([1.0, 1.0])).tolist()
    [[2.0, -3.0]]
    """

    q: float
    signed: bool = True
    linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("q", self.q, at_zero=True)

    def features(self, X: Floats) -> Floats:
        """Return sgn(x)|x|^{q/2}."""
        return powered(X, self.q / 2, self.signed)

    def profile(self, w: Floats) -> Floats:
        """Return w_j."""
        return w

    def profile_slope(self, w: Floats) -> Floats:
        """Return 1."""
        return np.ones_like(w)


@final
@dataclass(frozen=True)
class BridgeoutNoise(Amplitude):
    """Bridgeout on weights: w̃ = w + sgn(w)|w|^{q/2}ζ, so a_ij = x_ij sgn(w_j)|w_j|^{q/2}; q = 2 is dropout.

    Parameters
    ----------
    q : float
        q > 0.
    signed : bool
        False is the published form |w|^{q/2} without the sign: the same variance, other odd cumulants.

    Examples
    --------
    >>> BridgeoutNoise(1.0, signed=False).of(np.array([[1.0, 2.0]]), np.array([4.0, -9.0])).tolist()
    [[2.0, 6.0]]
    """

    q: float
    signed: bool = True
    linear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("q", self.q)

    def features(self, X: Floats) -> Floats:
        """Return x_ij."""
        return X

    def profile(self, w: Floats) -> Floats:
        """Return sgn(w)|w|^{q/2}."""
        return powered(w, self.q / 2, self.signed)

    def profile_slope(self, w: Floats) -> Floats:
        """Return (q/2)|w|^{q/2−1}, with the sign of w in the form without sign."""
        if self.q == 2 and self.signed:
            return np.ones_like(w)
        moving = w != 0
        size = 0.5 * self.q * np.abs(np.where(moving, w, 1.0)) ** (self.q / 2 - 1)
        return np.where(moving, size if self.signed else size * np.sign(w), 0.0)


@final
@dataclass(frozen=True)
class ShakeoutNoise(Amplitude):
    """Shakeout: w̃ = w + (w + c sgn w)ζ, so a_ij = x_ij (w_j + c sgn w_j); c = 0 is dropout.

    The derivative is that of the smooth pieces: the jump at w_j = 0 is not differentiated.

    Parameters
    ----------
    c : float
        c ≥ 0.

    Examples
    --------
    >>> ShakeoutNoise(0.5).of(np.array([[1.0, 1.0, 2.0]]), np.array([1.0, 0.0, -1.0])).tolist()
    [[1.5, 0.0, -3.0]]
    """

    c: float
    linear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("c", self.c, at_zero=True)

    def features(self, X: Floats) -> Floats:
        """Return x_ij."""
        return X

    def profile(self, w: Floats) -> Floats:
        """Return w + c sgn(w)."""
        return w + self.c * np.sign(w)

    def profile_slope(self, w: Floats) -> Floats:
        """Return 1."""
        return np.ones_like(w)


@final
@dataclass(frozen=True, eq=False)
class AdditiveNoise(Amplitude):
    """Noise on weights of a size that does not depend on them: w̃ = w + sζ, so a_ij = x_ij s_j.

    Parameters
    ----------
    scale : float or array_like of shape (d,)
        s_j ≥ 0.

    Examples
    --------
    >>> AdditiveNoise(0.5).of(np.array([[1.0, 2.0]]), np.array([7.0, 7.0])).tolist()
    [[0.5, 1.0]]
    """

    scale: "ArrayLike"
    linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for value in np.ravel(np.asarray(self.scale)):
            positive("scale", value, at_zero=True)

    def features(self, X: Floats) -> Floats:
        """Return x_ij."""
        return X

    def profile(self, w: Floats) -> Floats:
        """Return s_j."""
        return np.broadcast_to(np.asarray(self.scale, dtype=np.float64), w.shape)

    def profile_slope(self, w: Floats) -> Floats:
        """Return 0."""
        return np.zeros_like(w)


def powered(values: Floats, exponent: float, signed: bool) -> Floats:
    """Return |v|^exponent, with the sign of v if `signed`; zeros carry no noise in either form."""
    size = np.where(values == 0, 0.0, np.abs(values) ** exponent)
    return np.asarray(np.sign(values) * size if signed else size, dtype=np.float64)


def positive(name: str, value: Any, *, at_zero: bool = False) -> None:
    """Raise an InputError unless `value` is a finite number > 0, or ≥ 0 where zero is allowed."""
    try:
        number = float(value)
        fine = np.isfinite(number) and (number > 0 or (at_zero and number == 0))
    except (TypeError, ValueError):
        fine = False
    if not fine:
        rule = f"{name} must be a finite number {'≥' if at_zero else '>'} 0"
        raise InputError(f"{name} = {value}", rule, f"choose e.g. {name}=1.0")

"""What every vector dual has: a penalty, its minimising scales, its dual and the retain probabilities."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError, shortened

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.theory.verdict import Verdict

Floats: TypeAlias = NDArray[np.float64]

MEANINGS: Final[dict[str, str]] = {
    "subquadratic": r"$u \mapsto \Omega(\sqrt{u})$ is concave and nondecreasing, so the η-trick holds",
    "convex": r"$\Omega$ is convex",
    "homogeneous": r"$\Omega(tw) = t^p\,\Omega(w)$ for all $t > 0$ and one degree $p$",
    "exact_zeros": r"$\lim_{t\to 0^+} (\Omega(tv)-\Omega(0))/t > 0$ for every $v\ne0$: all weights can be held at 0",
}


class VectorDuality(ABC):
    r"""A penalty on whole vectors and its adaptive dropout rule, tied by the η-trick.

    .. math:: \Omega(w) = \tfrac12 \min_{\eta \ge 0} \Big[ \sum_i w_i^2/\eta_i + f(\eta) \Big], \qquad
              \alpha_i(w) = \hat\eta_i(w) / (\hat\eta_i(w) + \lambda)

    Here :math:`0^2/0 = 0`, and :math:`\eta_i = \infty` leaves a weight free. The dual is the smallest possible,
    :math:`f(\eta) = \sup_w [2\Omega(w) - \sum_i w_i^2/\eta_i]`, unless a class says otherwise. Weights stand on
    the last axis; leading axes enumerate vectors. Objects hold data only: they can be pickled.

    Examples
    --------
    >>> from etatrick.theory.vector import Ordered
    >>> float(Ordered().penalty_at([1.0, 2.0]).round(6))  # √2·‖w‖: both weights share one scale
    3.162278
    """

    axes: ClassVar[int] = 1
    """How many trailing axes one argument takes: 1 for vectors, 2 for matrices."""

    @property
    @abstractmethod
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name: "subquadratic", "convex", "homogeneous", "exact_zeros" (see ``MEANINGS``)."""

    @abstractmethod
    def latex(self) -> str:
        """Return Ω, η̂ and f as one LaTeX ``aligned`` environment."""

    @abstractmethod
    def _penalty(self, w: Floats) -> Floats:
        """Return Ω for each of the vectors w[0], w[1] and so on."""

    @abstractmethod
    def _eta_hat(self, w: Floats) -> Floats:
        """Return η̂ for each of the vectors w[0], w[1] and so on."""

    @abstractmethod
    def _dual(self, eta: Floats) -> Floats:
        """Return f for each of the scales eta[0], eta[1] and so on."""

    def _check_shape(self, shape: tuple[int, ...]) -> None:  # noqa: B027  (most take any length)
        """Raise InputError if vectors of this shape do not fit."""

    @final
    def penalty_at(self, w: "ArrayLike") -> Floats:
        """Return Ω(w) for weights of shape (…, d).

        Parameters
        ----------
        w : array_like, shape (…, d)
            Finite weights of any sign.

        Returns
        -------
        ndarray, shape (…)

        Raises
        ------
        InputError
            If the weights are not finite or do not fit the dual.
        """
        rows, lead = self._flat(self._weights(w))
        return self._penalty(rows).reshape(lead)

    @final
    def eta_hat_at(self, w: "ArrayLike") -> Floats:
        """Return the minimising scales η̂(w), shape (…, d), for weights of shape (…, d); see :meth:`penalty_at`."""
        rows, lead = self._flat(self._weights(w))
        found = self._eta_hat(rows)
        return found.reshape(lead + found.shape[1:])

    @final
    def dual_at(self, eta: "ArrayLike") -> Floats:
        """Return f(η), one number per vector, for scales of shape (…, d) with 0 ≤ η ≤ ∞.

        Raises
        ------
        InputError
            If a scale is negative or NaN, or the scales do not fit the dual.
        """
        rows, lead = self._flat(self._scales(eta))
        return self._dual(rows).reshape(lead)

    @final
    def energy_at(self, w: "ArrayLike", eta: "ArrayLike") -> Floats:
        """Return ½[Σ w²/η + f(η)]: at least Ω(w), and Ω(w) at η = η̂(w); leading axes broadcast."""
        weights, scales = self._weights(w), self._scales(eta)
        quadratic, dual = self._quadratic(weights, scales), self.dual_at(scales)
        # a dual may fall to −∞ at η = 0, but slower than w²/η rises
        return (quadratic + np.where(np.isinf(quadratic), 0.0, dual)) / 2

    @final
    def alpha_at(self, w: "ArrayLike", lam: float) -> Floats:
        """Return the retain probabilities α = η̂/(η̂+λ), shape (…, d), for λ = `lam` > 0."""
        check_positive("lam", lam, "λ")
        return self._retain(self._weights(w), lam)

    def _retain(self, w: Floats, lam: float) -> Floats:
        return retained(self.eta_hat_at(w), lam)

    def _quadratic(self, w: Floats, eta: Floats) -> Floats:
        return total(ratio(w, eta))

    def _weights(self, w: "ArrayLike") -> Floats:
        values = numbers(w, "w")
        self._check_axes(values, "w")
        if not np.isfinite(values).all():
            raise InputError("w", "holds NaN or infinite values", "remove them first")
        return values

    def _scales(self, eta: "ArrayLike") -> Floats:
        values = numbers(eta, "eta")
        self._check_axes(values, "eta")
        if not (values >= 0).all():
            raise InputError("eta", "holds a NaN or a negative scale", "pass scales with 0 ≤ η ≤ ∞")
        return values

    def _check_axes(self, values: Floats, name: str) -> None:
        if values.ndim < self.axes:
            kind = "vectors, on the last axis" if self.axes == 1 else "matrices, on the last two axes"
            raise InputError(f"{name} of shape {values.shape}", f"{name} holds {kind}", f"add {name}[None], say")
        self._check_shape(values.shape[-self.axes :])

    def _flat(self, values: Floats) -> tuple[Floats, tuple[int, ...]]:
        lead = values.shape[: values.ndim - self.axes]
        return values.reshape(int(np.prod(lead)), *values.shape[len(lead) :]), lead

    @final
    def _repr_latex_(self) -> str | None:
        try:
            return f"$\\displaystyle {self.latex()}$"
        except Exception:  # a display hook must never raise
            return None


def aligned(penalty: str, eta_hat: str, dual: str) -> str:
    r"""Return Ω(w), η̂(w) and f(η) in LaTeX, one per line.

    Examples
    --------
    >>> aligned("1", "2", "3")
    '\\begin{aligned}\\Omega(w) &= 1 \\\\ \\hat\\eta(w) &= 2 \\\\ f(\\eta) &= 3\\end{aligned}'
    """
    rows = (r"\Omega(w) &= " + penalty, r"\hat\eta(w) &= " + eta_hat, r"f(\eta) &= " + dual)
    return r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"


def ratio(w: Floats, eta: Floats) -> Floats:
    """Return w²/η elementwise with 0²/0 = 0 and w²/∞ = 0; any other weight over 0 is ∞.

    Examples
    --------
    >>> ratio(np.array([0.0, 2.0, 2.0]), np.array([0.0, 0.0, np.inf])).tolist()
    [0.0, inf, 0.0]
    """
    size = np.abs(w)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        return np.where(size == 0, 0.0, (size / np.sqrt(eta)) ** 2)


def retained(eta: Floats, lam: float) -> Floats:
    """Return η/(η+λ) elementwise, 1 where η is infinite."""
    finite = np.where(np.isinf(eta), 1.0, eta)
    return np.where(np.isinf(eta), 1.0, finite / (finite + lam))


def total(terms: Floats) -> Floats:
    """Return the sums along the last axis."""
    return np.asarray(terms.sum(axis=-1), dtype=np.float64)


def lengths(w: Floats) -> Floats:
    """Return the Euclidean norms along the last axis, without overflow of the squares."""
    largest = np.abs(w).max(axis=-1, initial=0.0)
    unit = np.where(largest > 0, largest, 1.0)
    return np.asarray(largest * np.sqrt(((w / unit[..., None]) ** 2).sum(axis=-1)), dtype=np.float64)


def numbers(values: "ArrayLike", name: str) -> Floats:
    """Return `values` as a float array.

    Raises
    ------
    InputError
        If they are no real numbers.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        rule = "holds real numbers in rows of one length"
        raise InputError(f"{name} = {shortened(repr(values))}", rule, "pass an array of floats") from error


def check_positive(name: str, value: Any, symbol: str) -> None:
    """Raise InputError unless `value` is a positive finite number."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (real and np.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value}", f"{symbol} must be a finite number > 0", f"choose e.g. {name}=0.5")


__all__ = ["MEANINGS", "Floats", "VectorDuality"]

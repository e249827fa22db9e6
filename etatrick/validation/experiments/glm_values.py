"""Exact and quadratic dropout penalties of one example, by plain enumeration and quadrature, beside stated values."""

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, final

import numpy as np

from etatrick.validation.claim import Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

Loss = Literal["logistic", "poisson"]
Law = Literal["Bernoulli", "Gaussian"]
EXAMPLE: Final = (1.0, -1.0, 2.0)
LOGISTIC_WEIGHTS: Final = (0.8, 0.5, 0.4)
POISSON_WEIGHTS: Final = (0.3, -0.4, 0.2)
# as printed in the survey of the methods: (scale, exact, quadratic) at drop rate ½
PRINTED_LOGISTIC: Final = (
    ("0.05", ".000478", ".000478"), ("0.25", ".01163", ".01173"), ("0.5", ".04318", ".04437"),
    ("1", ".13694", ".14334"), ("2", ".32497", ".27479"), ("4", ".59885", ".14665"), ("8", "1.08858", ".00738"),
)  # fmt: skip
PRINTED_POISSON: Final = (("1", ".666", ".616"), ("6", "69803", "5425"))
PRINTED_NOISY: Final = (("1", ".624", "1.290"),)  # drop rate 0.9
# Gaussian weight noise of variance α w²: (α, exact, quadratic)
PRINTED_GAUSSIAN: Final = (
    ("0.25", ".0353", ".0358"), ("1", ".1348", ".1433"), ("4", ".459", ".573"), ("16", "1.309", "2.293"),
)  # fmt: skip
PRINTED_GAUSSIAN_POISSON: Final = (("0.25", ".633", ".575"), ("1", "3.45", "2.30"), ("4", "61.1", "9.19"))
PRINTED_PEAK: Final = ("2.397", ".2196")
CURVE: Final = np.linspace(0, 8, 161)


@final
@dataclass(frozen=True)
class Case:
    """One example x = (1, −1, 2) with weights, a loss and a noise law.

    Parameters
    ----------
    loss : {"logistic", "poisson"}
    law : {"Bernoulli", "Gaussian"}
    odds : float
        Var s of the mean-one noise s: δ/(1−δ) of a drop rate δ, or Gaussian variance.
    weights : tuple of float

    Examples
    --------
    >>> case = Case("logistic", "Bernoulli", 1.0, LOGISTIC_WEIGHTS)
    >>> round(case.exact(), 5), round(case.quadratic(), 5)
    (0.13694, 0.14334)
    """

    loss: Loss
    law: Law
    odds: float
    weights: tuple[float, ...]

    def exact(self) -> float:
        """Return E A(Σ x_j s_j w_j) − A(Σ x_j w_j): all 2³ masks, or the trapezoidal rule."""
        terms = np.array(EXAMPLE) * np.array(self.weights)
        if self.law == "Gaussian":
            nodes = np.linspace(-16, 16, 2049)  # the trapezoidal rule converges geometrically for these integrands
            theta = terms.sum() + math.sqrt(self.odds) * float(np.linalg.norm(terms)) * nodes
            chances = np.exp(-(nodes**2) / 2) * (nodes[1] - nodes[0]) / math.sqrt(2 * math.pi)
        else:
            retain = 1 / (1 + self.odds)
            kept = np.array(list(itertools.product((0.0, 1.0), repeat=len(terms))))
            theta = kept @ terms / retain
            chances = np.prod(np.where(kept > 0, retain, 1 - retain), axis=1)
        return float(chances @ _cumulant(self.loss, theta) - _cumulant(self.loss, terms.sum()))

    def quadratic(self) -> float:
        """Return ½ A″(Σ x_j w_j) · odds · Σ x_j² w_j²."""
        terms = np.array(EXAMPLE) * np.array(self.weights)
        return float(0.5 * _curvature(self.loss, terms.sum()) * self.odds * terms @ terms)

    def library(self) -> tuple[float, float]:
        """Return both from the library: the characteristic function, products, or its own quadrature."""
        from etatrick.numerics.expected import dropout_regularizer, quadratic_approximation
        from etatrick.theory.noise import Bernoulli, Gaussian

        laws: dict[Law, Any] = {"Bernoulli": Bernoulli(3, 1 / (1 + self.odds)), "Gaussian": Gaussian(3, self.odds)}
        data = ([EXAMPLE], [0.0], self.weights, laws[self.law], self.loss)
        return dropout_regularizer(*data), quadratic_approximation(*data)


def values(setting: Setting) -> dict[str, Any]:
    """Compute every printed value by enumeration or quadrature and by the library."""
    rows = []
    for name, case, printed in _cases():
        ours, library = (case.exact(), case.quadratic()), case.library()
        residual = max(abs(a - b) / (1 + abs(a)) for a, b in zip(ours, library, strict=True))
        for kind, value, stated in zip(("exact", "quadratic"), ours, printed, strict=True):
            rows.append([name, kind, value, stated, rounds_to(value, stated), residual])
    return {"rows": rows}


def collapse(setting: Setting) -> dict[str, Any]:
    """Follow both penalties along the scale of the weights, and locate the peak of the quadratic form of one feature.

    Returns
    -------
    dict
        ``scale`` (p,), curves of one feature (``single``) and of three (``three``), the ``peak`` as root of
        2/t = tanh(t/2), its ``height``, and where the exact form saturates.
    """
    from scipy.optimize import brentq

    def single(t: float) -> tuple[float, float]:
        exact = 0.5 * (math.log(2) + np.logaddexp(0, 2 * t)) - np.logaddexp(0, t)
        return float(exact), float(0.5 * t**2 * _curvature("logistic", t))

    three = [Case("logistic", "Bernoulli", 1.0, tuple(s * w for w in LOGISTIC_WEIGHTS)) for s in CURVE]
    peak = float(brentq(lambda t: 2 / t - math.tanh(t / 2), 1, 5, xtol=1e-14))
    return {
        "scale": CURVE.tolist(),
        "single": [list(single(float(t))) for t in CURVE],
        "three": [[case.exact(), case.quadratic()] for case in three],
        "peak": peak,
        "height": single(peak)[1],
        "neighbours": [single(peak - 1e-3)[1], single(peak + 1e-3)[1]],
        "saturation": single(60.0)[0],
    }


def rounds_to(value: float, printed: str) -> bool:
    """Return whether a value rounds to what is printed, to all its digits.

    Examples
    --------
    >>> rounds_to(0.136942, ".13694"), rounds_to(0.13695, ".13694"), rounds_to(69803.4, "69803")
    (True, False, True)
    """
    digits = len(printed.partition(".")[2])
    return abs(value - float(printed)) <= 0.5 * 10.0**-digits * (1 + 1e-9)


def _cases() -> list[tuple[str, Case, tuple[str, str]]]:
    found: list[tuple[str, Case, tuple[str, str]]] = []

    def add(label: str, case: Case, printed: tuple[str, str]) -> None:
        found.append((label, case, printed))

    for scale, *printed in PRINTED_LOGISTIC:
        weights = tuple(float(scale) * w for w in LOGISTIC_WEIGHTS)
        add(f"logistic, δ = ½, scale {scale}", Case("logistic", "Bernoulli", 1.0, weights), (printed[0], printed[1]))
    for _, *printed in PRINTED_NOISY:
        add(
            "logistic, δ = 0.9, scale 1", Case("logistic", "Bernoulli", 9.0, LOGISTIC_WEIGHTS), (printed[0], printed[1])
        )
    for scale, *printed in PRINTED_POISSON:
        weights = tuple(float(scale) * w for w in POISSON_WEIGHTS)
        add(f"Poisson, δ = ½, scale {scale}", Case("poisson", "Bernoulli", 1.0, weights), (printed[0], printed[1]))
    for alpha, *printed in PRINTED_GAUSSIAN:
        case = Case("logistic", "Gaussian", float(alpha), LOGISTIC_WEIGHTS)
        add(f"logistic, Gaussian, variance {alpha}", case, (printed[0], printed[1]))
    for alpha, *printed in PRINTED_GAUSSIAN_POISSON:
        case = Case("poisson", "Gaussian", float(alpha), LOGISTIC_WEIGHTS)
        add(f"Poisson, Gaussian, variance {alpha}", case, (printed[0], printed[1]))
    return found


def _cumulant(loss: Loss, theta: Any) -> "NDArray[np.float64]":
    """Return A(θ): log(1 + e^θ) or e^θ."""
    found: NDArray[np.float64] = np.logaddexp(0, theta) if loss == "logistic" else np.exp(theta)
    return found


def _curvature(loss: Loss, theta: Any) -> Any:
    """Return A″(θ)."""
    return 0.25 / np.cosh(theta / 2) ** 2 if loss == "logistic" else np.exp(theta)

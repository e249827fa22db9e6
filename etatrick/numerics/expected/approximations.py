"""What exact expectations are compared with: the quadratic approximation and the limit of rare drops."""

from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.divergences import divergence
from etatrick.numerics.expected.perturbation import Posed, block_starts, posed
from etatrick.numerics.expected.second_order import spread_of
from etatrick.theory.noise import BlockLaw

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def quadratic_approximation(
    X: "ArrayLike",
    y: "ArrayLike",
    w: "ArrayLike",
    noise: Any,
    loss: Any = "squared",
    *,
    offset: "ArrayLike | None" = None,
    sample_weight: "ArrayLike | None" = None,
) -> float:
    """Return ½ Σ_i v_i ℓ″(y_i, E Z_i) Var Z_i (Wager, Wang, Liang 2013), which is exact for the squared loss.

    Parameters
    ----------
    X, y, w, noise, loss, offset, sample_weight
        As in :func:`etatrick.numerics.expected.expected_loss`, without the multinomial loss.

    Returns
    -------
    float

    Raises
    ------
    InputError
        For bad data.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> X, w = [[1.0, -1.0, 2.0]], [0.8, 0.5, 0.4]
    >>> round(quadratic_approximation(X, [0.0], w, Bernoulli(3, 0.5), "logistic"), 5)
    0.14334
    """
    data = scalar(posed(X, y, noise, loss, offset=offset, sample_weight=sample_weight))
    coef = data.at(w)
    variance = spread_of(data.noise.law).variance(data.noise.amplitude.of(data.X, coef))
    return 0.5 * float((data.weights * data.loss.curvature(data.y, data.mean(coef))) @ variance)


def small_rate_limit(
    X: "ArrayLike",
    y: "ArrayLike",
    w: "ArrayLike",
    noise: Any,
    loss: Any = "squared",
    *,
    offset: "ArrayLike | None" = None,
    sample_weight: "ArrayLike | None" = None,
) -> float:
    r"""Return lim R/δ as the drop rate δ → 0: Σ_i v_i Σ_b D_ℓ(μ_i − a_ib ‖ μ_i), a sum of Bregman divergences.

    One block is then dropped at a time, by its whole amplitude: this is no limit of small noise, and it differs from
    the quadratic approximation unless the loss is quadratic.

    Parameters
    ----------
    X, y, w, loss, offset, sample_weight
        As in :func:`etatrick.numerics.expected.expected_loss`, without the multinomial loss.
    noise : MaskLaw or Perturbation
        Its blocks and its recipe matter, its rates do not: every block is dropped at the same small rate.

    Returns
    -------
    float

    Raises
    ------
    InputError
        For bad data, or a law that is not one of independently dropped blocks.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> small_rate_limit([[1.0, 2.0]], [0.0], [1.0, 1.0], Bernoulli(2, 0.5))  # ½(1² + 2²)
    2.5
    """
    data = scalar(posed(X, y, noise, loss, offset=offset, sample_weight=sample_weight))
    law, coef = data.noise.law, data.at(w)
    if not isinstance(law, BlockLaw) or law.coupling != 0:
        raise InputError(type(law).__name__, "the limit is one of independently dropped units or blocks",
                         "pass Bernoulli(d, 0.5) or Blocks(sizes, 0.5)")  # fmt: skip
    amplitudes = data.noise.amplitude.of(data.X, coef)
    blocks = np.add.reduceat(amplitudes, block_starts(law.block_sizes), axis=1)
    falls = divergence(data.loss, data.y[:, None], data.mean(coef)[:, None], -blocks)
    return float(data.weights @ falls.sum(axis=1))


def scalar(data: Posed) -> Posed:
    """Return data with one predictor per example; the multinomial loss is refused."""
    if data.y.ndim != 1:
        raise InputError("loss = 'multinomial'", "this needs one predictor per example",
                         "use loss='logistic', one class against the rest, or expected_loss")  # fmt: skip
    return data

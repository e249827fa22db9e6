"""What is noisy: a mask law together with the recipe by which it moves the predictor, and the checked data."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Amplitude, FeatureNoise, Floats
from etatrick.numerics.losses import Loss, Multinomial, loss_named
from etatrick.numerics.problem import finite
from etatrick.theory.noise import MaskLaw

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@final
@dataclass(frozen=True)
class Perturbation:
    r"""Noise in a linear predictor: Z_i = x_i·w + Σ_j a_ij ζ_j with ζ = z/μ − 1 for a mask z of the law.

    Parameters
    ----------
    law : MaskLaw
        From :mod:`etatrick.theory.noise`, with numbers for parameters; one unit per column of X.
    amplitude : Amplitude
        The recipe of a_ij; by default feature dropout, a_ij = x_ij w_j.

    Raises
    ------
    InputError
        If either is something else, or the law has symbols.

    Examples
    --------
    >>> from etatrick.numerics.expected.amplitudes import BridgeoutNoise
    >>> from etatrick.theory.noise import Bernoulli
    >>> Perturbation(Bernoulli(3, 0.5), BridgeoutNoise(1.0)).amplitude.q
    1.0
    """

    law: MaskLaw
    amplitude: Amplitude = field(default_factory=FeatureNoise)

    def __post_init__(self) -> None:
        if not isinstance(self.law, MaskLaw):
            raise InputError(f"noise = {self.law!r}", "must be a mask law of etatrick.theory.noise",
                             "pass e.g. Bernoulli(d, 0.8)")  # fmt: skip
        if not isinstance(self.amplitude, Amplitude):
            raise InputError(f"amplitude = {self.amplitude!r}", "must be an amplitude recipe", "pass FeatureNoise()")
        self.law.terms()  # raises for symbols


@final
@dataclass(frozen=True, eq=False)
class Posed:
    """Checked data of an expected loss: X (n, d), y (n,) as the loss reads it, the noise and the loss."""

    X: Floats
    y: Floats
    noise: Perturbation
    loss: Loss

    def at(self, w: "ArrayLike") -> Floats:
        """Return a weight vector checked to be d finite numbers."""
        found = finite("w", w, 1)
        if found.shape != self.X.shape[1:]:
            rule = f"needs one weight for each of the {self.X.shape[1]} columns of X"
            raise InputError(f"w of shape {found.shape}", rule, "pass a vector of that length")
        return found


def posed(X: "ArrayLike", y: "ArrayLike", noise: Any, loss: Any) -> Posed:
    """Check the data of an expected loss.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    noise : MaskLaw or Perturbation
    loss : str or Loss

    Returns
    -------
    Posed

    Raises
    ------
    InputError
        For data that are not finite, shapes that do not match, targets outside the range of the loss, a law of
        another size, or the multinomial loss, whose predictor is no number.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> posed([[1.0, 2.0]], [0.0], Bernoulli(2, 0.5), "logistic").y.tolist()
    [0.0]
    """
    matrix = finite("X", X, 2)
    if 0 in matrix.shape:
        raise InputError(f"X of shape {matrix.shape}", "needs at least one row and one column", "pass more data")
    chosen = loss_named(loss)
    if isinstance(chosen, Multinomial):
        raise InputError("loss = 'multinomial'", "an exact expectation is offered for one predictor per example",
                         "use loss='logistic', one class against the rest")  # fmt: skip
    target = chosen.targets(y)
    if target.shape != matrix.shape[:1]:
        shapes = f"X of shape {matrix.shape} and y of shape {target.shape}"
        raise InputError(shapes, "X and y must have the same number of rows", "check how they were read")
    full = noise if isinstance(noise, Perturbation) else Perturbation(noise)
    if full.law.size != matrix.shape[1]:
        rule = f"X has {matrix.shape[1]} columns, and each needs one unit of the law"
        raise InputError(f"a law of {full.law.size} units", rule, "make the law of that size")
    return Posed(matrix, target, full, chosen)


def block_starts(sizes: tuple[int, ...]) -> Any:
    """Return where each block of consecutive units starts."""
    return np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)

"""What is noisy: a mask law together with the recipe by which it moves the predictor, and the checked data."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Amplitude, FeatureNoise, Floats
from etatrick.numerics.losses import Loss, Multinomial, loss_named
from etatrick.numerics.problem import finite, row_weights
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
    r"""Checked data of an expected loss Σ_i v_i E ℓ(y_i, Z_i), Z_i = x_i·w + c_i·b + o_i + Σ_j a_ij ζ_j.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,) or (n, classes)
        As the loss reads it.
    noise : Perturbation
    loss : Loss
    offset : ndarray, shape of y
        o_i.
    weights : ndarray, shape (n,)
        v_i > 0: rows of weight 0 are left out.
    clean : ndarray, shape (n, k)
        Columns c_i that no noise touches: a column of ones for an intercept, else none. Parameters are stacked (w, b).
    """

    X: Floats
    y: Floats
    noise: Perturbation
    loss: Loss
    offset: Floats
    weights: Floats
    clean: Floats

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameters (w, b)."""
        return (self.X.shape[1] + self.clean.shape[1], *self.y.shape[1:])

    def mean(self, point: Floats, rows: slice = slice(None)) -> Floats:
        """Return E Z_i at the parameters."""
        d = self.X.shape[1]
        found = self.X[rows] @ point[:d] + self.offset[rows]
        return found + self.clean[rows] @ point[d:] if self.clean.shape[1] else found

    def at(self, w: "ArrayLike") -> Floats:
        """Return parameters checked to be finite and of the right shape."""
        found = finite("w", w, len(self.shape))
        if found.shape != self.shape:
            rule = f"needs one weight for each of the {self.X.shape[1]} columns of X"
            rule += f" and {self.y.shape[1]} classes" if len(self.shape) > 1 else ""
            rule += ", then the intercept" if self.clean.shape[1] else ""
            raise InputError(f"w of shape {found.shape}", rule, f"pass an array of shape {self.shape}")
        return found


def posed(
    X: "ArrayLike",
    y: "ArrayLike",
    noise: Any,
    loss: Any,
    *,
    offset: "ArrayLike | None" = None,
    sample_weight: "ArrayLike | None" = None,
    fit_intercept: bool = False,
) -> Posed:
    """Check the data of an expected loss.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    noise : MaskLaw or Perturbation
    loss : str or Loss
    offset : array_like, optional
        One number, or one per example (and class); 0 by default.
    sample_weight : array_like of shape (n,), optional
        Numbers ≥ 0, not all 0; 1 by default.
    fit_intercept : bool
        Whether the parameters end with an intercept.

    Returns
    -------
    Posed

    Raises
    ------
    InputError
        For data that are not finite, shapes that do not match, targets outside the range of the loss, negative
        weights, or a law of another size.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> posed([[1.0, 2.0]], [0.0], Bernoulli(2, 0.5), "logistic", offset=0.5).offset.tolist()
    [0.5]
    """
    matrix = finite("X", X, 2)
    if 0 in matrix.shape:
        raise InputError(f"X of shape {matrix.shape}", "needs at least one row and one column", "pass more data")
    chosen = loss_named(loss)
    target = chosen.targets(y)
    if target.shape[:1] != matrix.shape[:1] or target.ndim != (2 if isinstance(chosen, Multinomial) else 1):
        shapes = f"X of shape {matrix.shape} and y of shape {target.shape}"
        raise InputError(shapes, "X and y must have the same number of rows", "check how they were read")
    full = noise if isinstance(noise, Perturbation) else Perturbation(noise)
    if full.law.size != matrix.shape[1]:
        rule = f"X has {matrix.shape[1]} columns, and each needs one unit of the law"
        raise InputError(f"a law of {full.law.size} units", rule, "make the law of that size")
    shift, weights = _shift(offset, target), row_weights(sample_weight, len(matrix))
    kept = weights > 0
    clean = np.ones((int(kept.sum()), int(bool(fit_intercept))))
    return Posed(matrix[kept], target[kept], full, chosen, shift[kept], weights[kept], clean)


def _shift(offset: "ArrayLike | None", target: Floats) -> Floats:
    found = finite("offset", 0.0 if offset is None else offset)
    if found.ndim and found.shape != target.shape:
        raise InputError(f"offset of shape {found.shape}", f"needs one number, or numbers of shape {target.shape}",
                         "check how it was read")  # fmt: skip
    return np.array(np.broadcast_to(found, target.shape))


def block_starts(sizes: tuple[int, ...]) -> Any:
    """Return where each block of consecutive units starts."""
    return np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)

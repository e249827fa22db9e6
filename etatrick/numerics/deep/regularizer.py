"""The explicit regulariser of dropout in a deep linear network, for any depth, widths and mask laws."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.noise.base import MaskLaw

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def deep_explicit_regularizer(
    weights: "Sequence[ArrayLike]",
    laws_or_odds: "Sequence[MaskLaw | ArrayLike] | MaskLaw | ArrayLike",
    C: "ArrayLike | None" = None,
) -> float:
    r"""Return :math:`\mathrm E\lVert \bar f(x)\rVert^2 - \lVert f(x)\rVert^2` of a masked deep linear network.

    .. math:: S_0 = C,\quad H_i = W_i S_{i-1} W_i^{\mathsf T},\quad S_i = (11^{\mathsf T} + \bar C_i)\circ H_i,\quad
              R = \operatorname{tr} W_{k+1} S_k W_{k+1}^{\mathsf T} - \operatorname{tr} M C M^{\mathsf T}.

    For a squared loss, E‖y − f̄(x)‖² = E‖y − f(x)‖² + R whatever the target. The recursion carries R itself, not the
    two large traces: with S_i = S_i⁰ + D_i, S_i⁰ the noiseless second moment, D_i = (11ᵀ + C̄_i)∘(W_i D_{i−1} W_iᵀ) +
    C̄_i∘(W_i S⁰_{i−1} W_iᵀ). Cost O(Σ d³), no paths.

    Parameters
    ----------
    weights : sequence of k + 1 arrays
        W_1 (d_1, d_0) first, W_{k+1} (a, d_k) last.
    laws_or_odds : float, MaskLaw, or sequence of k entries
        One per hidden layer, or one for all: a law of :mod:`etatrick.theory.noise` of size d_i, the odds of dropping
        λ ≥ 0, an array (d_i,) of odds per unit, or the normalised mask covariance C̄_i of shape (d_i, d_i),
        Cov(z_p, z_q)/(E z_p E z_q).
    C : array-like, shape (d_0, d_0), optional
        Second moment E[xxᵀ] of the input; the identity by default.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, a covariance is not symmetric positive semidefinite, or a law has
        symbols or another size than its layer.

    Examples
    --------
    One hidden layer: λ Σ_i ‖u_i‖²‖v_i‖².

    >>> V, U = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[3.0, 1.0]])
    >>> float(deep_explicit_regularizer([V, U], 0.5))  # 0.5 · (9·5 + 1·1)
    23.0
    >>> from etatrick.theory.noise import Bernoulli
    >>> float(deep_explicit_regularizer([V, U], Bernoulli(2, retain=2 / 3)).__round__(12))
    23.0
    """
    layers = read_weights(weights)
    k = len(layers) - 1
    single = isinstance(laws_or_odds, (int, float, MaskLaw))
    laws: list[Any] = [laws_or_odds] * k if single else list(laws_or_odds)  # type: ignore[arg-type]
    if len(laws) != k:
        raise InputError(f"{len(laws)} mask laws", f"one per hidden layer is needed, here {k}", "give λ or C̄ for each")
    moment = read_moment(C, layers[0].shape[1])
    extra: Floats = np.zeros_like(moment)
    for i, W in enumerate(layers[:-1]):
        noise = covariance(laws[i], W.shape[0])
        moment, extra = W @ moment @ W.T, W @ extra @ W.T
        extra = extra + noise * extra + noise * moment
    last = layers[-1]
    return float(np.einsum("ij,jk,ik->", last, extra, last))


def read_weights(weights: "Sequence[ArrayLike]") -> "list[Floats]":
    """Return the weights as float matrices whose shapes chain.

    Examples
    --------
    >>> [W.shape for W in read_weights([[[1, 2]], [[3], [4]]])]
    [(1, 2), (2, 1)]
    """
    matrices = [np.asarray(W, float) for W in weights]
    if len(matrices) < 2 or any(W.ndim != 2 or W.size == 0 or not np.all(np.isfinite(W)) for W in matrices):
        raise InputError(
            f"weights of shapes {[W.shape for W in matrices]}",
            "two or more nonempty finite matrices are needed",
            "pass [W_1, …, W_{k+1}]",
        )
    for below, above in pairwise(matrices):
        if above.shape[1] != below.shape[0]:
            raise InputError(
                f"weights of shapes {[W.shape for W in matrices]}",
                "the columns of each must equal the rows of the one before",
                "pass W_1 (nearest the input) first",
            )
    return matrices


def read_moment(C: Any, size: int) -> "Floats":
    """Return the input's second moment, the identity if none is given."""
    if C is None:
        return np.eye(size)
    return _semidefinite("C", np.asarray(C, float), size)


def covariance(law: Any, size: int) -> "Floats":
    """Return the normalised covariance of one layer's mask from its law, odds, odds per unit, or a matrix.

    Examples
    --------
    >>> covariance([0.5, 1.0], 2).tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    if isinstance(law, MaskLaw):
        if law.size != size:
            raise InputError(f"a mask law of {law.size} units", f"the layer has {size} units", "give one law per layer")
        return law.normalised_covariance
    values = np.asarray(law, float)
    if values.ndim == 2:
        return _semidefinite("C̄", values, size)
    if values.ndim > 1 or values.size not in (1, size) or not np.all(np.isfinite(values)) or np.any(values < 0):
        raise InputError(
            f"mask law {law!r}",
            f"a layer of {size} units needs finite odds ≥ 0, one or {size}, or a covariance",
            "pass λ = (1 − θ)/θ",
        )
    return np.diag(np.broadcast_to(values.ravel(), size)).astype(float)


def _semidefinite(name: str, matrix: "Floats", size: int) -> "Floats":
    if matrix.shape != (size, size) or not np.all(np.isfinite(matrix)):
        raise InputError(
            f"{name} of shape {matrix.shape}", f"a finite {size}×{size} matrix is needed", "check the layer's width"
        )
    scale = float(np.abs(matrix).max(initial=0.0))
    if np.abs(matrix - matrix.T).max() > 1e-12 * scale:
        raise InputError(f"{name}", "a covariance is symmetric", "symmetrise it")
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest < -1e-12 * size * scale:
        raise InputError(
            f"{name} with eigenvalue {smallest:.3g}", "a covariance is positive semidefinite", "check its entries"
        )
    return matrix

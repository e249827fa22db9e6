"""The global minimum of deep linear dropout, at any rate: product, weights, certificate, and the convex surrogate."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.deep.allocation import Allocation, DeepCertificate, allocate
from etatrick.numerics.deep.attaining import attaining_weights
from etatrick.numerics.deep.layers import Layers, read_layers
from etatrick.numerics.deep.regularizer import deep_explicit_regularizer
from etatrick.numerics.deep.surrogate import read_matrix, surrogate_optimum
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.numerics.deep.layers import Floats

ATTAINED = 1e-11


@final
@dataclass(frozen=True)
class DeepMinimizer:
    """The global minimiser of ‖Y − W_{k+1}…W_1‖_F² + R(W), R the explicit regulariser of dropout or DropBlock.

    Parameters
    ----------
    product : ndarray, shape (a, b)
    singular_values : ndarray, shape (min(a, b),)
    rank : int
    objective : float
        The minimum (without ½).
    surrogate : float or None
        The minimum of the convex surrogate ‖Y − A‖² + ν‖A‖_*² (spectral r-support norm for blocks of size r), never
        above the objective; None where the block sizes differ.
    surrogate_singular_values : ndarray or None
        Those of the surrogate's minimiser.
    factors : tuple of ndarray or None
        W_1, …, W_{k+1} that attain the objective, input side first; None where none were found.
    exact : Verdict
        Whether the objective is the minimum at these widths: the weights in `factors` attain it.
    budgets : ndarray, shape (rank, k)
        h_ij: independently masked copies of direction j in layer i.
    certificate : DeepCertificate
    local_minima : dict
        Rank to objective, for every rank whose concave problem was solved.
    """

    product: "Floats"
    singular_values: "Floats"
    rank: int
    objective: float
    surrogate: float | None
    surrogate_singular_values: "Floats | None"
    factors: "tuple[Floats, ...] | None"
    exact: Verdict
    budgets: "Floats"
    certificate: DeepCertificate
    local_minima: dict[int, float]


def deep_dropout_minimizer(
    Y: "ArrayLike", widths: Sequence[int], drop_odds: "ArrayLike", block_sizes: Any = None
) -> DeepMinimizer:
    r"""Minimise :math:`\lVert Y-W_{k+1}\cdots W_1\rVert_F^2+R(W)` over all weights, globally.

    With m the singular values of Y the minimum is

    .. math:: \min_h \sum_j m_j^2\Big(1-\prod_i\frac{h_{ij}}{h_{ij}+\lambda_i}\Big),\quad
              \sum_j h_{ij}\le d_i,\ 0\le h_{ij}\le B_i,\qquad a_j=m_j\prod_i\frac{h_{ij}}{h_{ij}+\lambda_i}.

    This is not convex for two or more hidden layers; see :func:`etatrick.numerics.deep.allocation.allocate` for why
    the answer is global. The convex surrogate is the answer only where its solution has rank one.

    Parameters
    ----------
    Y : array-like, shape (a, b)
        Targets with the input whitened and absorbed (C = I).
    widths : sequence of k ints
        Hidden widths, input side first.
    drop_odds : float or sequence of k floats
        (1 − θ)/θ per hidden layer, θ the retain probability.
    block_sizes : int or sequence of k ints, optional
        DropBlock's block sizes, dividing the widths; 1 is dropout.

    Returns
    -------
    DeepMinimizer

    Raises
    ------
    InputError
        If Y is empty or not finite, or the layers are malformed.

    Examples
    --------
    >>> best = deep_dropout_minimizer(np.diag([3.0, 2.0, 1.0]), (4, 4), 0.5)
    >>> best.singular_values.round(4).tolist(), round(best.objective, 5), round(best.surrogate, 4)
    ([2.1032, 1.0967, 0.0], 5.49694, 5.3217)
    >>> best.exact.status, best.certificate.gap < 1e-12
    ('checked', True)
    """
    target = read_matrix("Y", Y)
    layers = read_layers(widths, drop_odds, block_sizes)
    left, m, right = np.linalg.svd(target, full_matrices=False)
    positive = m[m > np.finfo(float).eps * max(target.shape) * m[0]]
    n = positive.size
    if n == 0:
        return _zero(target, layers, m)
    found = allocate(positive, layers)
    best = found.best
    values = np.zeros_like(m)
    values[: best.rank] = positive[: best.rank] * np.exp(layers.retained(best.budgets))
    P, Q = left[:, : best.rank], right[: best.rank].T
    weights = attaining_weights(P, values[: best.rank], Q, best.budgets, layers)
    relaxed = surrogate_optimum(positive, layers)
    return DeepMinimizer(
        product=P * values[: best.rank] @ Q.T,
        singular_values=values,
        rank=best.rank,
        objective=best.objective,
        surrogate=None if relaxed is None else relaxed[0],
        surrogate_singular_values=None if relaxed is None else np.pad(relaxed[1], (0, m.size - n)),
        factors=weights,
        exact=_exactness(target, found, weights, layers),
        budgets=best.budgets,
        certificate=found.certificate,
        local_minima={face.rank: face.objective for face in found.faces},
    )


def network_objective(target: "Floats", weights: "Sequence[Floats]", layers: Layers) -> float:
    """Return ‖Y − product‖² + R(weights) from the weights alone."""
    product = weights[0]
    for W in weights[1:]:
        product = W @ product
    laws = [
        odds * np.kron(np.eye(int(cap)), np.ones((int(block), int(block))))
        for odds, cap, block in zip(layers.odds, layers.caps, layers.blocks, strict=True)
    ]
    return float(((target - product) ** 2).sum()) + deep_explicit_regularizer(weights, laws)


def _exactness(target: "Floats", found: Allocation, weights: "tuple[Floats, ...] | None", layers: Layers) -> Verdict:
    domain = f"widths {[int(d) for d in layers.widths]}, block sizes {[int(r) for r in layers.blocks]}"
    bound = "no weights reach below the budget problem (Horn's inequalities)"
    if weights is None:
        return Verdict("unknown", bound, domain, detail="no weights that attain the bound were found for these blocks")
    reached = network_objective(target, weights, layers)
    excess = (reached - found.best.objective) / float((target**2).sum())
    detail = f"objective of the weights − minimum = {excess:.1e} ‖Y‖²; certificate {found.certificate.gap:.1e}"
    if abs(excess) > ATTAINED or found.certificate.gap > ATTAINED:
        return Verdict("unknown", bound, domain, detail=detail)
    return Verdict("checked", f"{bound}, and the weights returned attain it", domain, detail=detail)


def _zero(target: "Floats", layers: Layers, m: "Floats") -> DeepMinimizer:
    sizes = [target.shape[1], *(int(d) for d in layers.widths), target.shape[0]]
    weights = tuple(np.zeros((above, below)) for below, above in pairwise(sizes))
    return DeepMinimizer(
        product=np.zeros_like(target),
        singular_values=np.zeros_like(m),
        rank=0,
        objective=0.0,
        surrogate=0.0,
        surrogate_singular_values=np.zeros_like(m),
        factors=weights,
        exact=Verdict("proved", "the objective is nonnegative and vanishes at zero weights"),
        budgets=np.zeros((0, layers.widths.size)),
        certificate=DeepCertificate(0.0, ()),
        local_minima={},
    )

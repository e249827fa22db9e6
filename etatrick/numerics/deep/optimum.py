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
        The minimum (without ½), or, where `exact` does not hold, a bound from below.
    surrogate : float or None
        The minimum of the convex surrogate ‖Y − A‖² + ν‖A‖_*² (spectral r-support norm for blocks of size r), never
        above the objective; None where the block sizes differ. With a smaller last block
        it is that of the wider network.
    surrogate_singular_values : ndarray or None
        Those of the surrogate's minimiser.
    factors : tuple of ndarray
        W_1, …, W_{k+1} that attain the upper bound, input side first: the objective where `exact` holds.
    bounds : tuple of float
        The objective, and what the weights in `factors` reach: the minimum lies between them.
    exact : Verdict
        Whether the objective is the minimum at these widths: the weights in `factors` attain it. Its detail says which
        blocks are smaller than the others.
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
    factors: "tuple[Floats, ...]"
    bounds: tuple[float, float]
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
        DropBlock's block sizes; 1 is dropout. One that does not divide its width leaves a smaller last block: the
        optimum with that block whole is then a bound from below, the minimum only where the smaller block can carry it,
        and without that block the optimum is a bound from above.

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
    weights = _reached(left, positive, right, found, layers)
    reached = network_objective(target, weights, layers)
    relaxed = surrogate_optimum(positive, layers)
    return DeepMinimizer(
        product=P * values[: best.rank] @ Q.T,
        singular_values=values,
        rank=best.rank,
        objective=best.objective,
        surrogate=None if relaxed is None else relaxed[0],
        surrogate_singular_values=None if relaxed is None else np.pad(relaxed[1], (0, m.size - n)),
        factors=weights,
        bounds=(best.objective, max(best.objective, reached)),
        exact=_exactness(float((target**2).sum()), found, reached, layers),
        budgets=best.budgets,
        certificate=found.certificate,
        local_minima={face.rank: face.objective for face in found.faces},
    )


def network_objective(target: "Floats", weights: "Sequence[Floats]", layers: Layers) -> float:
    """Return ‖Y − product‖² + R(weights) from the weights alone."""
    product = weights[0]
    for W in weights[1:]:
        product = W @ product
    laws = []
    for odds, block, units in zip(layers.odds, layers.blocks, layers.units, strict=True):
        owner = np.arange(int(units)) // int(block)
        laws.append(odds * (owner[:, None] == owner))
    return float(((target - product) ** 2).sum()) + deep_explicit_regularizer(weights, laws)


def _reached(left: "Floats", m: "Floats", right: "Floats", found: Allocation, layers: Layers) -> "tuple[Floats, ...]":
    """Return the weights of the best rank for which some are found; rank one always has them."""
    for face in sorted(found.faces, key=lambda face: face.objective):
        values = m[: face.rank] * np.exp(layers.retained(face.budgets))
        weights = attaining_weights(left[:, : face.rank], values, right[: face.rank].T, face.budgets, layers)
        if weights is None and not layers.whole:
            return _without_last_blocks(left, m, right, layers)
        if weights is not None:
            return weights
    raise ArithmeticError("rank one has weights at any widths")


def _without_last_blocks(left: "Floats", m: "Floats", right: "Floats", layers: Layers) -> "tuple[Floats, ...]":
    """Return the optimum's weights in the network without its smaller last blocks, whose units have zero weights."""
    narrow = layers.narrowed
    weights = _reached(left, m, right, allocate(m, narrow), narrow)
    idle = [0, *(layers.units - narrow.units).astype(int).tolist(), 0]
    return tuple(np.pad(W, ((0, above), (0, below))) for W, (below, above) in zip(weights, pairwise(idle), strict=True))


def _exactness(scale: float, found: Allocation, reached: float, layers: Layers) -> Verdict:
    domain = f"widths {[int(d) for d in layers.units]}, block sizes {[int(r) for r in layers.blocks]}"
    bound = "no weights reach below the budget problem (Horn's inequalities)"
    excess = (reached - found.best.objective) / scale
    detail = f"objective of the weights − minimum = {excess:.1e} ‖Y‖²; certificate {found.certificate.gap:.1e}"
    if abs(excess) <= ATTAINED and found.certificate.gap <= ATTAINED:
        said = f"; {layers.remark}" if layers.remark else ""
        return Verdict("checked", f"{bound}, and the weights returned attain it", domain, detail=detail + said)
    between = f"the minimum lies in [{found.best.objective:.12g}, {reached:.12g}]"
    if not layers.whole:
        method = "bounds from both sides: with the smaller last blocks whole, and without them"
        return Verdict("unknown", method, domain, detail=f"{layers.remark}; {between}")
    return Verdict("unknown", bound, domain, detail=f"no weights that attain the bound were found; {between}")


def _zero(target: "Floats", layers: Layers, m: "Floats") -> DeepMinimizer:
    sizes = [target.shape[1], *(int(d) for d in layers.units), target.shape[0]]
    weights = tuple(np.zeros((above, below)) for below, above in pairwise(sizes))
    return DeepMinimizer(
        product=np.zeros_like(target),
        singular_values=np.zeros_like(m),
        rank=0,
        objective=0.0,
        surrogate=0.0,
        surrogate_singular_values=np.zeros_like(m),
        factors=weights,
        bounds=(0.0, 0.0),
        exact=Verdict("proved", "the objective is nonnegative and vanishes at zero weights"),
        budgets=np.zeros((0, layers.widths.size)),
        certificate=DeepCertificate(0.0, ()),
        local_minima={},
    )

"""What dropout charges for a product of weights: the exact induced regulariser of a deep linear network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.deep.attaining import frame
from etatrick.numerics.deep.faces import clearance_gap
from etatrick.numerics.deep.layers import Layers, read_layers
from etatrick.numerics.deep.market import Market
from etatrick.numerics.deep.surrogate import whitened_values
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.numerics.deep.layers import Floats


@final
@dataclass(frozen=True)
class InducedRegularizer:
    """The value Θ(M), the budgets that attain it, and the duality gap.

    Parameters
    ----------
    value : float
    budgets : ndarray, shape (rank, k)
        h_ij, the independently masked copies of direction j in layer i.
    singular_values : ndarray, shape (rank,)
        Of M C^½.
    gap : float
        Value minus the Lagrangian bound at the prices found, relative to value + ‖M C^½‖². The problem is convex.
    exact : Verdict
        Whether weights with these budgets exist, so that the value is the minimum; otherwise a bound from below.
    """

    value: float
    budgets: "Floats"
    singular_values: "Floats"
    gap: float
    exact: Verdict


def deep_induced_regularizer(
    M: "ArrayLike",
    widths: Sequence[int],
    drop_odds: "ArrayLike",
    C: "ArrayLike | None" = None,
    block_sizes: Any = None,
) -> InducedRegularizer:
    r"""Minimise the explicit regulariser over all deep linear networks whose product is M.

    .. math:: \Theta(M) = \min_{h_{ij}\ge0,\ \sum_j h_{ij}\le d_i,\ h_{ij}\le B_i}
              \sum_j \sigma_j^2\Big[\prod_{i=1}^k\Big(1+\frac{\lambda_i}{h_{ij}}\Big)-1\Big],
              \qquad \sigma = \text{singular values of } MC^{1/2}.

    log(1 + λ/h) is convex in h, so each product is log-convex and the problem convex. For blocks of size r the value is
    the minimum when the budgets are realisable by weights, otherwise a bound from below; for dropout (r = 1) always
    the minimum.

    Parameters
    ----------
    M : array-like, shape (a, b)
    widths : sequence of k ints
        Hidden widths, input side first, each at least the rank of M C^½.
    drop_odds : float or sequence of k floats
        (1 − θ)/θ per hidden layer.
    C : array-like, shape (b, b), optional
        Second moment of the input; the identity by default.
    block_sizes : int or sequence of k ints, optional
        DropBlock's block sizes; 1 is dropout. One that does not divide its width leaves a smaller last block; the value
        is then that with the block whole, which `exact` judges.

    Returns
    -------
    InducedRegularizer

    Raises
    ------
    InputError
        If a width is below the rank, or a number is out of range.

    Examples
    --------
    >>> charge = deep_induced_regularizer(np.diag([3.0, 1.0, 0.5]), (4, 4), (1.0, 2.0))
    >>> round(charge.value, 6), charge.gap < 1e-12
    (21.988562, True)
    """
    layers = read_layers(widths, drop_odds, block_sizes)
    sigma = whitened_values(M, C)
    sigma = sigma[sigma > np.finfo(float).eps * max(np.shape(M)) * sigma[0]]
    rank = sigma.size
    if rank > layers.max_rank:
        raise InputError(
            f"widths = {[int(d) for d in layers.units]}",
            f"a network of width {layers.max_rank} has no product of rank {rank}",
            "widen every hidden layer to the rank",
        )
    if rank == 0:
        return InducedRegularizer(0.0, np.zeros((0, layers.widths.size)), sigma, 0.0, Verdict("proved", "zero weights"))
    return induced_by_values(sigma, layers)


def induced_by_values(sigma: "Floats", layers: Layers) -> InducedRegularizer:
    """Solve the convex problem for positive, decreasing singular values."""
    h = layers.full(sigma.size)
    scarce, _ = layers.split(sigma.size)
    gap = 0.0
    if scarce.any():
        fixed = layers.odds[~scarce] / layers.caps[~scarce] * (layers.odds[~scarce] > 0)
        log_s = 2 * np.log(sigma) + float(np.log1p(fixed).sum())
        market = Market(log_s, layers.odds[scarce], layers.caps[scarce], layers.widths[scarce], -1.0)
        cleared = market.clear()
        if cleared is None:
            raise ArithmeticError("the prices did not converge; the singular values span too many orders of magnitude")
        prices, bought = cleared
        h[:, scarce] = bought * np.minimum(1.0, market.budgets / bought.sum(0))
        gap = clearance_gap(market, prices, h[:, scarce])
    retained = layers.retained(h)
    value = float(sigma**2 @ np.expm1(-retained))
    return InducedRegularizer(value, h, sigma, gap / (value + float(sigma @ sigma)), _realised(h, layers))


def _realised(h: "Floats", layers: Layers) -> Verdict:
    """Return whether weights with these budgets exist: every layer needs columns of norm one, or orthonormal blocks."""
    if layers.blocks.max() == 1:
        return Verdict("checked", "budgets of dropout are realised by plane rotations (Schur–Horn)")
    if h.shape[0] <= layers.carried_by_all:
        return Verdict("checked", "every block carries every direction once", detail=layers.remark)
    for budgets, width, block, units in zip(h.T, layers.widths, layers.blocks, layers.units, strict=True):
        columns = frame(budgets, int(width), int(block))
        if columns is None or columns[:, int(units) :].any():
            method = "a bound from below: no weights with these budgets were found"
            return Verdict("unknown", method, detail=layers.remark)
    return Verdict("checked", "orthonormal blocks with these budgets were constructed", detail=layers.remark)

"""When deep dropout keeps a single direction: the sufficient condition, the exact threshold, the phase diagram."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.deep.allocation import allocate, concave_at_equal_shares
from etatrick.numerics.deep.faces import solve_face
from etatrick.numerics.deep.layers import read_layers
from etatrick.numerics.deep.surrogate import effective_parameter

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.numerics.deep.layers import Floats


def rank_one_condition(widths: Sequence[int], drop_odds: "ArrayLike") -> float:
    """Return ν/(1 + ν): up to this ratio m_2/m_1 the convex surrogate has rank one and is therefore exact.

    Mianjy and Arora's "sufficiently large dropout", m_1 − m_2 ≥ m_2/ν; sufficient, far from necessary.

    Examples
    --------
    >>> rank_one_condition((4, 4), 1.0)
    0.36
    """
    nu = effective_parameter(widths, drop_odds)
    return nu / (1 + nu)


def rank_one_threshold(widths: Sequence[int], drop_odds: "ArrayLike") -> float:
    r"""Return the largest ratio m_2/m_1 at which the global optimum has rank one, for dropout.

    .. math:: \min_{0<t<d}\ \Big[\frac{G(d)-G(d-t)}{G(t)}\Big]^{1/2},\qquad G(h)=\prod_i\frac{h_i}{h_i+\lambda_i}.

    Only the ratio of the two largest singular values matters. Raising the others to m_2 can only favour a higher rank,
    and then the optimum gives all of them the same t; as G is concave between the first direction's units and d, one
    of them alone is already worth its units. Solved by Dinkelbach's method, each step a rank-two problem.

    Parameters
    ----------
    widths : sequence of k ints
    drop_odds : float or sequence of k floats

    Returns
    -------
    float
        In [0, 1]; 1 where rank one is optimal even for equal singular values.

    Examples
    --------
    >>> round(rank_one_threshold((4, 4), 1.0), 3), round(rank_one_threshold((4,), 1.0), 3)
    (0.548, 0.2)
    """
    layers = read_layers(widths, drop_odds)
    noisy = int(np.count_nonzero(layers.odds))
    if layers.max_rank == 1:
        return 1.0
    if noisy <= 1:  # one noisy layer: directions enter at zero, where the envelope is exact
        return rank_one_condition(widths, drop_odds)
    if not concave_at_equal_shares(layers, 2):
        return 1.0
    full = float(np.exp(layers.retained(layers.widths)))
    ratio = 1.0
    for _ in range(100):
        face = solve_face(np.array([1.0, ratio]), layers, 2)
        if face is None:
            break
        first, second = np.exp(layers.retained(face.budgets))
        # the denominator is the value of the second direction, the numerator what the first gives up
        improved = float(np.sqrt((full - first) / second))
        if improved >= ratio * (1 - 1e-15):
            break
        ratio = improved
    return ratio


@final
@dataclass(frozen=True)
class PhaseDiagram:
    """Rank of the global optimum on a grid of odds and ratios.

    Parameters
    ----------
    odds : ndarray, shape (p,)
    ratios : ndarray, shape (q,)
    ranks : ndarray of int, shape (p, q)
    threshold, condition : ndarray, shape (p,)
        The exact rank-one threshold of m_2/m_1 and the sufficient condition ν/(1 + ν).
    """

    odds: "Floats"
    ratios: "Floats"
    ranks: "np.ndarray"
    threshold: "Floats"
    condition: "Floats"


def phase_diagram(widths: Sequence[int], odds: "ArrayLike", ratios: "ArrayLike", directions: int = 2) -> PhaseDiagram:
    """Return the optimal rank for singular values 1, ρ, ρ², … and equal odds in every layer.

    Parameters
    ----------
    widths : sequence of k ints
    odds : array-like, shape (p,)
        Positive.
    ratios : array-like, shape (q,)
        In (0, 1].
    directions : int ≥ 2
        Number of singular values.

    Returns
    -------
    PhaseDiagram

    Raises
    ------
    InputError
        If a ratio lies outside (0, 1].

    Examples
    --------
    >>> phase_diagram((4, 4), [1.0], [0.5, 0.6]).ranks.tolist()
    [[1, 2]]
    """
    rates, steps = np.atleast_1d(np.asarray(odds, float)), np.atleast_1d(np.asarray(ratios, float))
    if not np.all((steps > 0) & (steps <= 1)) or directions < 2:
        raise InputError(
            f"ratios = {steps}, directions = {directions}", "ratios lie in (0, 1], directions ≥ 2", "rescale them"
        )
    ranks = np.empty((rates.size, steps.size), int)
    for p, rate in enumerate(rates):
        layers = read_layers(widths, float(rate))
        for q, step in enumerate(steps):
            ranks[p, q] = allocate(step ** np.arange(directions), layers).best.rank
    return PhaseDiagram(
        rates,
        steps,
        ranks,
        np.array([rank_one_threshold(widths, float(rate)) for rate in rates]),
        np.array([rank_one_condition(widths, float(rate)) for rate in rates]),
    )

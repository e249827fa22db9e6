"""How the retain probability must depend on the width, and the rank that a block mask never goes below."""

from typing import Any

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import exact, integer, retain_probability
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.structured.structure import SeparateBlocks, structure_of


def retain_for_width(retain: Any, block_size: Any, width: Any) -> Any:
    r"""Return the retain probability at which DropBlock of any width has one and the same penalty.

    .. math:: \theta(d) = \frac{\bar\theta r}{d-(d-r)\bar\theta}, \qquad
              \lambda(d) = \frac dr \bar\lambda, \qquad \theta(r) = \bar\theta

    With it λ(d)/B = λ̄, so the penalty λ̄‖A‖²_{sp,r} does not vanish as the network widens; at a constant rate it does.
    For r = 1 this is the rule of Cavazza et al. (2018).

    Parameters
    ----------
    retain : number or sympy expression
        θ̄ in (0, 1], the retain probability of a network of one block.
    block_size, width : int or sympy expression
        r and d ≥ r.

    Returns
    -------
    float, or a sympy expression if an argument is one

    Raises
    ------
    InputError
        If θ̄ is outside (0, 1] or d < r.

    Examples
    --------
    >>> from etatrick.theory.structured.widths import retain_for_width
    >>> [round(retain_for_width(0.6, 2, d), 3) for d in (2, 8, 64)]
    [0.6, 0.273, 0.045]
    >>> retain_for_width(sp.Symbol("p"), 1, sp.Symbol("d"))
    p/(d - p*(d - 1))
    """
    theta, r, d = retain_probability(retain), exact(block_size, "block_size"), exact(width, "width")
    for value, name in ((r, "block_size"), (d, "width")):
        if value.is_number:
            integer(int(value) if value.is_Integer else value, name, 1)
    if (d < r) == True:  # noqa: E712  (a sympy relation may be undecided)
        raise InputError(f"width = {width}", f"must be at least one block of {r} units", f"choose width={r} or more")
    found = theta * r / (d - (d - r) * theta)
    return found if found.free_symbols else float(found)


def effective_odds(retain: Any, block_size: Any, width: Any) -> Any:
    r"""Return λ̄ = λ r/d, the constant of the penalty: what is left of the odds λ = (1−θ)/θ at width d.

    Examples
    --------
    >>> from etatrick.theory.structured.widths import effective_odds, retain_for_width
    >>> effective_odds(0.5, 2, 8)
    0.25
    >>> theta, r, d = sp.symbols("theta r d", positive=True)
    >>> effective_odds(retain_for_width(theta, r, d), r, d)
    -(theta - 1)/theta
    """
    theta, r, d = retain_probability(retain), exact(block_size, "block_size"), exact(width, "width")
    found = sp.factor((1 - theta) / theta * r / d)
    return found if found.free_symbols else float(found)


def rank_floor(law: MaskLaw, rank: Any) -> int:
    r"""Return the rank below which no minimiser of ‖Y − A‖² + Θ**(A) goes, for Y of the given rank.

    At the optimum a_i = m_i η_i/(η_i + 1) with a value that falls in every η_i, so the scales use the whole budget
    Σ ω. As the j largest sum to at most ω_1 + … + ω_j, there are at least as many as there are weights: the largest
    block. Dropout can go to rank one, DropBlock never below min(r, rank Y), however strong it is.

    Raises
    ------
    InputError
        If the blocks of the law are not independent.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli, Blocks
    >>> from etatrick.theory.structured.widths import rank_floor
    >>> rank_floor(Blocks.partition(12, 3, 0.01), rank=5), rank_floor(Bernoulli(12, 0.01), rank=5)
    (3, 1)
    """
    found = structure_of(law)
    if not isinstance(found, SeparateBlocks):
        raise InputError(type(law).__name__, "a rank floor is known for independent blocks", "pass Blocks, say")
    return min(max(found.sizes), integer(rank, "rank", 0))

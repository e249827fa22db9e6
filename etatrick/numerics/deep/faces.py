"""One rank at a time: the best network of rank ρ, and bounds that exclude the ranks that need no solution."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.deep.layers import Layers, demand
from etatrick.numerics.deep.market import Market

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.deep.layers import Floats


@final
@dataclass(frozen=True)
class Face:
    """The maximum of Σ_{j≤ρ} m_j² Π_i h_ij/(h_ij + odds_i) over the concave region, with its prices.

    Parameters
    ----------
    rank : int
    budgets : ndarray, shape (rank, k)
        Feasible h, to the last bit Σ_j h_ij ≤ width_i.
    prices : ndarray, shape (k,)
        Multipliers of the budgets; 0 for layers that are not scarce.
    objective : float
        Σ_j m_j² (1 − Π_i h_ij/(h_ij + odds_i)) over all directions, those above the rank included.
    gap : float
        Excess of the dual bound at these prices over the value, an absolute number without cancellation.
    """

    rank: int
    budgets: "Floats"
    prices: "Floats"
    objective: float
    gap: float


def solve_face(m: "Floats", layers: Layers, rank: int) -> Face | None:
    """Return the best allocation with exactly `rank` directions in the concave region, or None if there is none.

    Rank one always has an answer: the single direction takes every unit.
    """
    scarce, tight = layers.split(rank)
    h = layers.full(rank)
    prices = np.zeros(scarce.size)
    gap = 0.0
    log_s = 2 * np.log(m[:rank]) + fixed_logs(layers, ~scarce)
    if scarce.any():
        market = Market(log_s, layers.odds[scarce], layers.caps[scarce], layers.widths[scarce], 1.0)
        cleared = market.clear()
        if cleared is None:
            return None
        prices[scarce], bought = cleared
        h[:, scarce] = _fit(bought, market)
        gap = clearance_gap(market, prices[scarce], h[:, scarce])
    retained = layers.retained(h)
    # layers that are full exactly can charge what the last direction would pay
    charge = float(m[rank - 1] ** 2 * np.exp(retained[-1]))
    odds, caps = layers.odds[tight], layers.caps[tight]
    prices[tight] = charge * odds / (caps * (caps + odds))
    objective = float(m[:rank] ** 2 @ -np.expm1(retained) + (m[rank:] ** 2).sum())
    return Face(rank, h, prices, objective, gap)


def clearance_gap(market: Market, prices: "Floats", h: "Floats") -> float:
    """Return dual bound minus primal value of a feasible h, summed from small terms.

    The term of direction j is concave where it is maximised (convex where minimised), so its bound is its value at any
    point plus the gradient times the distance; distances are at most the budgets.
    """
    slope = np.exp(market.log_s - market.sign * np.log1p(market.odds / h).sum(1))[:, None] * market.odds
    slope = slope / (h * (h + market.odds))
    pull = slope - prices
    at_cap = h >= market.caps
    reach = np.where(pull > 0, np.minimum(market.caps, market.budgets) - h, h)
    terms = np.where(at_cap & (pull > 0), 0.0, np.abs(pull) * reach)
    return float(terms.sum() + np.abs(prices * (market.budgets - h.sum(0))).sum())


def _fit(h: "Floats", market: Market) -> "Floats":
    """Shrink demands by rounding errors so that no budget is exceeded."""
    return h * np.minimum(1.0, market.budgets / h.sum(0)) if market.budgets.size else h


def fixed_logs(layers: Layers, fixed: "NDArray[np.bool_]") -> float:
    """Return Σ log of the factors of layers that every direction fills to the cap."""
    odds, caps = layers.odds[fixed], layers.caps[fixed]
    return -float(np.log1p(odds / caps).sum())


def surplus(m: "Floats", layers: Layers, prices: "Floats") -> "Floats":
    """Return max_h m_j² Π h/(h + odds) − prices·h over 0 ≤ h ≤ cap for every direction, at least 0.

    The maximum is 0 (at h = 0) or the stationary point on the concave branch; a layer without a price is taken full.
    """
    paid = prices > 0
    log_s = 2 * np.log(m) + fixed_logs(layers, ~paid)
    if not paid.any():
        return np.asarray(np.exp(log_s))
    bought = demand(log_s, layers.odds[paid], layers.caps[paid], prices[paid], 1.0)
    return np.where(bought.found, np.maximum(bought.spend - bought.h @ prices[paid], 0.0), 0.0)

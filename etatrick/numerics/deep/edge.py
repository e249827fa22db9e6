"""Ranks without a stationary allocation in the concave region: a bound with the last directions at its edge."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.deep.faces import fixed_logs
from etatrick.numerics.deep.layers import Layers, demand
from etatrick.numerics.deep.market import Market

if TYPE_CHECKING:
    from etatrick.numerics.deep.layers import Floats

ROUNDS = 30


def edge_bound(m: "Floats", layers: Layers, rank: int, goal: float) -> float:
    """Return an upper bound of Σ_{j≤ρ} m_j² Π h/(h + odds) over the concave region, for ρ = `rank` and above.

    Any prices give a bound (the Lagrangian). Good ones clear the market of the first ρ − q directions while the last q
    hold points at the edge of the region, Σ odds/(2h + odds) = 1, and these points are moved to where the prices want
    them.

    Parameters
    ----------
    m : ndarray
        Singular values that can be active.
    layers : Layers
    rank : int ≥ 2
        Equal shares of this rank lie in the region.
    goal : float
        A bound that is good enough.

    Returns
    -------
    float
        Infinite if no bound was found.

    Examples
    --------
    >>> from etatrick.numerics.deep.layers import read_layers
    >>> m, layers = np.array([1.0, 0.5]), read_layers((4, 4), 1.9)
    >>> bool(edge_bound(m, layers, 2, 0.0) < (4 / 5.9) ** 2)  # what one direction alone retains
    True
    """
    scarce, _ = layers.split(rank)
    odds, caps, widths = layers.odds[scarce], layers.caps[scarce], layers.widths[scarce]
    log_s = 2 * np.log(m) + fixed_logs(layers, ~scarce)
    corner = _on_ray(odds, widths)
    best = float("inf")
    for pinned in range(1, rank):
        held = np.tile(corner, (pinned, 1))
        for _ in range(ROUNDS):
            budgets = widths - held.sum(0)
            n = rank - pinned
            if np.any(budgets <= 0) or np.any(budgets >= n * caps):
                break
            cleared = Market(log_s[:n], odds, caps, budgets, 1.0).clear()
            if cleared is None:
                break
            bound, wanted = _lagrangian(log_s, odds, caps, widths, cleared[0], rank)
            best = min(best, bound)
            if best <= goal:
                return best
            held = 0.5 * (held + np.minimum(wanted[n:rank], caps))
    return best


def _on_ray(odds: "Floats", widths: "Floats") -> "Floats":
    """Return t·widths with Σ odds/(2 t widths + odds) = 1, by Newton's method from the left on a convex function."""
    t = 0.0
    for _ in range(100):
        base = 2 * t * widths + odds
        step = ((odds / base).sum() - 1) / (2 * odds * widths / base**2).sum()
        t += step
        if step <= 1e-14 * t:
            break
    return t * widths


def _lagrangian(
    log_s: "Floats", odds: "Floats", caps: "Floats", widths: "Floats", prices: "Floats", rank: int
) -> "tuple[float, Floats]":
    """Return prices·widths + Σ_j max over the region of s_j Π h/(h + odds) − prices·h for ranks ≥ `rank`, and the h."""
    bought = demand(log_s, odds, caps, prices, 1.0)
    wanted = bought.h.copy()
    terms = bought.spend - wanted @ prices
    # a stationary point outside the region bounds its term only where it beats h = 0
    with np.errstate(over="ignore"):
        outside = (odds / (2 * wanted + odds)).sum(1) > 1
    terms = np.where(outside, np.maximum(terms, 0.0), terms)
    for j in np.flatnonzero(~bought.found):
        terms[j], wanted[j] = _edge_term(float(np.exp(log_s[j])), odds, prices)
    terms[rank:] = np.maximum(terms[rank:], 0.0)
    return float(prices @ widths + terms.sum()), wanted


def _edge_term(s: float, odds: "Floats", prices: "Floats") -> "tuple[float, Floats]":
    """Bound max over Σ odds/(2h + odds) ≤ 1 of s Π h/(h + odds) − prices·h, concave there, by tangents."""
    if odds.size == 1:  # the region is h ≥ 0 and the slope at 0 is not positive
        return 0.0, np.zeros(1)
    h, best = cheapest(odds, prices), float("inf")
    for _ in range(12):
        value = s * float(np.exp(-np.log1p(odds / h).sum()))
        pull = prices - value * odds / (h * (h + odds))
        if np.all(pull > 0):
            bound = value - float(prices @ h) - float(pull @ (cheapest(odds, pull) - h))
            if bound >= best - 1e-15 * abs(best):
                break
            best = bound
        h = _edge_point(odds, prices, value)
    return best, h


def _edge_point(odds: "Floats", prices: "Floats", value: float) -> "Floats":
    """Return the point where value·odds/(h(h + odds)) + 2κ·odds/(2h + odds)² = prices, κ ≥ 0, meets the edge.

    In terms of E = e², e = odds/(2h + odds), each coordinate solves E (4 value/(1 − E) + 2κ) = prices·odds.
    """
    w = prices * odds

    def shares(kappa: float) -> "Floats":
        middle = 4 * value + 2 * kappa + w
        e: Floats = np.sqrt(2 * w / (middle + np.sqrt(middle**2 - 8 * kappa * w)))
        return e

    low, high = 0.0, float(odds.size**2 * w.max())  # there e ≤ √(w/2κ) < 1/k
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if shares(middle).sum() > 1 else (low, middle)
    share = shares(high)
    h: Floats = odds * (1 - share) / (2 * share)
    return h


def cheapest(odds: "Floats", prices: "Floats") -> "Floats":
    r"""Return the point of Σ odds/(2h + odds) ≤ 1 with the least prices·h.

    With shares e_i = odds/(2h + odds) it minimises Σ prices·odds/(2e) over Σ e = 1: e ∝ √(prices·odds).

    Examples
    --------
    >>> cheapest(np.array([2.0, 2.0]), np.array([1.0, 1.0])).tolist()
    [1.0, 1.0]
    """
    weights = np.sqrt(prices * odds)
    share = weights / weights.sum()
    h: Floats = odds * (1 - share) / (2 * share)
    return h

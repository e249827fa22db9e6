"""The hidden layers of a deep linear network: budgets, caps and odds, and what one price buys in each layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Layers:
    """Budgets of k hidden layers: Σ_j h_ij ≤ width_i and 0 ≤ h_ij ≤ cap_i = width_i / block_i.

    ``h_ij`` counts the independently masked copies in which singular direction j travels through layer i; it is
    retained by the factor h/(h + odds). Where a block size does not divide the number of units, the last block is
    smaller, and `widths` counts it as whole: a network with fewer units is one whose other units have zero weights, so
    that everything computed from these budgets bounds it from below.

    Parameters
    ----------
    widths, odds, blocks : ndarray, shape (k,)
        Hidden units in whole blocks, odds of dropping (1 − θ)/θ ≥ 0, and block size (1 is dropout) of every layer.
    missing : ndarray, shape (k,)
        How many units the last block of every layer lacks.

    Examples
    --------
    >>> layers = read_layers((4, 6), (1.0, 0.5), (1, 2))
    >>> layers.caps.tolist(), layers.max_rank
    ([4.0, 3.0], 4)
    """

    widths: "Floats"
    odds: "Floats"
    blocks: "Floats"
    missing: "Floats"

    @property
    def units(self) -> "Floats":
        """The number of hidden units of every layer."""
        return self.widths - self.missing

    @property
    def whole(self) -> bool:
        """Whether every block size divides the number of units."""
        return not self.missing.any()

    @property
    def narrowed(self) -> "Layers":
        """The layers without their smaller last blocks."""
        short = self.missing > 0
        widths = np.where(short, self.widths - self.blocks, self.widths)
        return Layers(widths, self.odds, self.blocks, np.zeros_like(widths))

    @property
    def remark(self) -> str:
        """Which layers have a smaller last block; empty if none has."""
        parts = [
            f"the last block of layer {i} has {int(block - lack)} unit{'s' * bool(block - lack > 1)}, the others "
            f"{int(block)}"
            for i, (block, lack) in enumerate(zip(self.blocks, self.missing, strict=True), 1)
            if lack
        ]
        return "; ".join(parts)

    @property
    def caps(self) -> "Floats":
        """The number of blocks of every layer, which no h_ij exceeds."""
        return self.widths / self.blocks

    @property
    def max_rank(self) -> int:
        """The smallest number of units."""
        return int(self.units.min())

    @property
    def carried_by_all(self) -> int:
        """How many directions every block of every layer can carry: the size of the smallest block."""
        return int((self.blocks - self.missing).min())

    def retained(self, h: "Floats") -> "Floats":
        """Return log Π_i h_ij/(h_ij + odds_i) along the last axis."""
        noisy = self.odds > 0
        with np.errstate(divide="ignore"):
            logs: Floats = -np.log1p(self.odds[noisy] / h[..., noisy]).sum(-1)
        return logs

    def split(self, rank: int) -> "tuple[NDArray[np.bool_], NDArray[np.bool_]]":
        """Return which layers `rank` directions compete for, and which are full to the last unit without competing."""
        noisy = self.odds > 0
        return noisy & (self.blocks < rank), noisy & (self.blocks == rank)

    def full(self, rank: int) -> "Floats":
        """Return the equal budgets min(cap, width/rank), shape (rank, k)."""
        return np.tile(np.minimum(self.caps, self.widths / rank), (rank, 1))


def read_layers(widths: Sequence[int], drop_odds: "ArrayLike", block_sizes: Any = None) -> Layers:
    """Check and collect the layers.

    Parameters
    ----------
    widths : sequence of int ≥ 1, length k ≥ 1
    drop_odds : float or sequence of k floats, finite and ≥ 0
    block_sizes : int or sequence of k ints, optional
        A size that does not divide its width leaves a smaller last block; one beyond the width counts as the width.

    Returns
    -------
    Layers

    Raises
    ------
    InputError
        If a number is out of range or the lengths differ.

    Examples
    --------
    >>> read_layers((4,), 0.5, 3).remark
    'the last block of layer 1 has 1 unit, the others 3'
    """
    sizes = _counts("widths", widths, np.atleast_1d(np.asarray(widths)).size)
    k = sizes.size
    odds = np.atleast_1d(np.asarray(drop_odds, float))
    odds = np.repeat(odds, k) if odds.size == 1 else odds.ravel()
    if odds.size != k or not np.all(np.isfinite(odds)) or np.any(odds < 0):
        raise InputError(
            f"drop_odds = {drop_odds!r}",
            f"{k} finite odds (1 − θ)/θ ≥ 0 are needed",
            "give one number per hidden layer",
        )
    blocks = np.ones(k) if block_sizes is None else _counts("block_sizes", block_sizes, k)
    blocks = np.minimum(blocks, sizes)
    missing = -sizes % blocks
    return Layers(sizes + missing, odds, blocks, missing)


def _counts(name: str, values: Any, length: int) -> "Floats":
    """Return positive whole numbers as floats, one per layer."""
    numbers = np.atleast_1d(np.asarray(values))
    numbers = np.repeat(numbers, length) if numbers.size == 1 else numbers.ravel()
    if (
        numbers.size != length
        or not length
        or numbers.dtype.kind not in "iuf"
        or not np.all(np.isfinite(numbers))
        or np.any(numbers < 1)
        or np.any(numbers != np.floor(numbers))
    ):
        raise InputError(
            f"{name} = {values!r}", f"{length or 1} whole numbers ≥ 1 are needed", "give one per hidden layer"
        )
    return numbers.astype(float)


@final
@dataclass(frozen=True)
class Demand:
    """What directions buy at given prices, per direction (rows) and layer (columns).

    Parameters
    ----------
    spend : ndarray, shape (n,)
        c_j, the value that direction j yields; h_ij (h_ij + odds_i) = odds_i c_j/μ_i below the cap.
    h : ndarray, shape (n, k)
    steep : ndarray, shape (n, k)
        ∂ log(h/(h + odds))/∂ log c = odds/(2h + odds), or 0 at the cap.
    grow : ndarray, shape (n, k)
        ∂h/∂ log c, or 0 at the cap.
    found : ndarray of bool, shape (n,)
        Whether the direction has a stationary point of the wanted kind.
    """

    spend: "Floats"
    h: "Floats"
    steep: "Floats"
    grow: "Floats"
    found: "NDArray[np.bool_]"


def demand(
    log_s: "Floats", odds: "Floats", caps: "Floats", prices: "Floats", sign: float, near: "Floats | None" = None
) -> Demand:
    r"""Solve log c − sign·Σ_i log(h_i/(h_i + odds_i)) = log s for every direction, by a monotone Newton method.

    With sign +1 the result maximises s Π h/(h + odds) − μ·h on the region where that is concave; with −1 it minimises
    s Π (1 + odds/h) + μ·h, which is convex. The left side is convex (concave for −1) in log c and Newton starts on the
    side from which it cannot overshoot.

    Parameters
    ----------
    log_s : ndarray, shape (n,)
    odds, caps, prices : ndarray, shape (k,)
        All positive.
    sign : {1.0, -1.0}
    near : ndarray, shape (n,), optional
        A guess of log c.

    Returns
    -------
    Demand

    Examples
    --------
    >>> one = np.ones(1)
    >>> demand(np.log([4.0]), one, 9 * one, one, 1.0).h  # max 4h/(h+1) − h is at h = 1
    array([[1.]])
    """
    log_price = np.log(prices)
    x = log_s if near is None else near
    h, steep, grow = _bought(x[:, None] - log_price, odds, caps)
    slope = 1 - sign * steep.sum(1)
    if near is not None and not (slope > 0).all():
        return demand(log_s, odds, caps, prices, sign)
    found = np.ones(x.size, bool)
    last = np.inf
    for _ in range(80):
        found &= slope > 1e-12  # below, a direction with one noisy layer has vanished
        with np.errstate(divide="ignore", over="ignore"):
            error = x + sign * np.log1p(odds / h).sum(1) - log_s
        step = np.where(found, error, 0.0) / np.where(found, slope, 1.0)
        size = float(np.abs(step).max())
        if size <= 1e-15 or (size <= 1e-9 and size >= last):  # rounding turned a monotone method around
            break
        x, last = np.minimum(x - step, log_s) if sign > 0 else np.maximum(x - step, log_s), size
        h, steep, grow = _bought(x[:, None] - log_price, odds, caps)
        slope = 1 - sign * steep.sum(1)
    return Demand(np.exp(x), h, steep, grow, found)


def _bought(z: "Floats", odds: "Floats", caps: "Floats") -> "tuple[Floats, Floats, Floats]":
    """Return h, its steepness and its growth at log(c/μ) = z."""
    ratio = np.exp(np.minimum(z, 700.0))
    free = 2 * ratio / (1 + np.sqrt(1 + 4 * ratio / odds))
    below = free < caps
    h = np.where(below, free, caps)
    return h, np.where(below, odds / (2 * h + odds), 0.0), np.where(below, h * (h + odds) / (2 * h + odds), 0.0)

"""The lower envelope of a gate law: which local minimum is the global one, and where the minimiser jumps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.theory.gates.base import GateLaw

Array = Any  # a numpy array of floats
STEPS: Final = 90
GRID: Final = 2401


class Curve(NamedTuple):
    """Points of a gate law: log(1/η), f, and the logarithm of the stationary u = w² = −df/d(1/η)."""

    log_rho: Array
    dual: Array
    log_u: Array


class Jump(NamedTuple):
    """Where η̂ jumps: |w|, η̂ and Ω′ on both sides, and the weights between which both minima exist."""

    w: float
    eta_left: float
    eta_right: float
    slope_left: float
    slope_right: float
    window: tuple[float, float]


@final
@dataclass(frozen=True, eq=False)
class Branch:
    """A stretch of the curve on which u grows, so that every w has one stationary point, a local minimum."""

    law: "GateLaw"
    t: "NDArray[np.float64]"
    log_u: "NDArray[np.float64]"

    @property
    def window(self) -> tuple[float, float]:
        """The range of log w² over which this branch holds a local minimum."""
        return float(self.log_u[0]), float(self.log_u[-1])

    def minimum(self, log_v: Array) -> tuple[Array, Array]:
        """Return log(1/η) and f at the local minimum for log w² = `log_v`.

        Below the first point of the grid, Ω continues as a multiple of w or of w², whichever its value and slope fit.
        """
        known = np.clip(log_v, *self.window)
        t = monotone_root(lambda s: self.law.curve(s).log_u, self.t, self.log_u, known)
        log_rho, dual, _ = self.law.curve(t)
        quadratic = np.exp(known + log_rho)
        power = np.round(2 * quadratic / (quadratic + dual)) / 2  # ½ at a kink, 1 at a parabola
        beyond = np.minimum(log_v - self.window[0], 0.0)
        return log_rho + np.where(beyond < 0, (power - 1) * beyond, 0.0), dual * np.exp(power * beyond)

    def dual_for(self, log_rho: Array) -> Array:
        """Return f where 1/η takes the given values."""
        grid = -self.law.curve(self.t).log_rho
        t = monotone_root(lambda s: -self.law.curve(s).log_rho, self.t, grid, np.clip(-log_rho, grid[0], grid[-1]))
        return self.law.curve(t).dual


@final
@dataclass(frozen=True)
class Corner:
    """One end of the curve, a local minimum for all w in a window: η stays there while w moves."""

    log_rho: float
    dual: float
    window: tuple[float, float]

    def minimum(self, log_v: Array) -> tuple[Array, Array]:
        """Return log(1/η) and f, the same for every w."""
        return np.full_like(log_v, self.log_rho), np.full_like(log_v, self.dual)

    def dual_for(self, log_rho: Array) -> Array:
        """Return f, which is one number here."""
        return np.full_like(log_rho, self.dual)


@final
@dataclass(frozen=True, eq=False)
class Envelope:
    """The pieces that hold the global minimum, in order of growing η, and log w² where one takes over."""

    pieces: tuple[Branch | Corner, ...]
    switches: tuple[float, ...]

    def minimum(self, log_v: Array) -> tuple[Array, Array]:
        """Return log(1/η̂) and f(η̂) at the global minimum for log w² = `log_v` (the lower η at a tie)."""
        chosen = np.searchsorted(np.array(self.switches), log_v, side="left")
        log_rho, dual = np.empty_like(log_v), np.empty_like(log_v)
        for index, piece in enumerate(self.pieces):
            here = chosen == index
            if here.any():
                log_rho[here], dual[here] = piece.minimum(log_v[here])
        return log_rho, dual

    def jumps(self) -> tuple[Jump, ...]:
        """Return the jumps of η̂, found by equating the values of neighbouring pieces."""
        found = []
        for left, right, switch in zip(self.pieces[:-1], self.pieces[1:], self.switches, strict=True):
            at, weight = np.array([switch]), float(np.exp(switch / 2))
            rho = [float(np.exp(piece.minimum(at)[0][0])) for piece in (left, right)]
            window = np.exp(max(left.window[0], right.window[0]) / 2), np.exp(min(left.window[1], right.window[1]) / 2)
            low, high = (1 / r if r > 0 else float("inf") for r in rho)
            both = (float(window[0]), float(window[1]))
            found.append(Jump(weight, low, high, weight * rho[0], weight * rho[1], both))
        return tuple(found)


@lru_cache(maxsize=64)
def envelope(law: "GateLaw") -> Envelope:
    """Return the envelope of a law: its growing branches and its ends, compared pairwise.

    The difference of the values of two pieces has the derivative ½(1/η₁ − 1/η₂) in w², one sign: they
    take over from each other once, and a stack of take-over points gives the envelope.
    """
    t = stretched(*law.span)
    log_u = law.curve(t).log_u
    rising = np.flatnonzero(np.diff(np.concatenate(([False], np.diff(log_u) > 0, [False])).astype(int)))
    branches = [_branch(law, t, log_u, int(a), int(b)) for a, b in zip(rising[::2], rising[1::2], strict=True)]
    kept: list[Branch | Corner] = []
    switches: list[float] = []
    candidates: list[Branch | Corner] = [*law.lower_ends(), *branches, *law.upper_ends()]
    for piece in candidates:
        while kept:
            switch = _take_over(kept[-1], piece)
            if switch > (switches[-1] if switches else -np.inf):
                break
            kept.pop()
            del switches[-1:]
        if not kept:
            kept.append(piece)
        elif switch < np.inf:
            kept.append(piece)
            switches.append(switch)
    return Envelope(tuple(kept), tuple(switches))


def _branch(law: "GateLaw", t: Array, log_u: Array, first: int, last: int) -> Branch:
    """Return the branch between two grid points, lengthened to the turning points of u next to them."""
    from scipy.optimize import minimize_scalar

    grid, values = t[first : last + 1].copy(), log_u[first : last + 1].copy()
    for end, k, sign in ((0, first, 1.0), (-1, last, -1.0)):
        if 0 < k < len(t) - 1:
            found = minimize_scalar(lambda s, sign=sign: sign * float(law.curve(np.array([s])).log_u[0]),
                                    bounds=(t[k - 1], t[k + 1]), method="bounded", options={"xatol": 1e-9})  # fmt: skip
            inside = found.x < grid[1] if end == 0 else found.x > grid[-2]
            if inside and found.fun < sign * values[end]:
                grid[end], values[end] = found.x, sign * found.fun
    return Branch(law, grid, values)


def _take_over(left: Branch | Corner, right: Branch | Corner) -> float:
    """Return log w² from which on `right` is lower: ∞ or −∞ where one of them stays above as long as it exists."""
    from scipy.optimize import brentq

    def gap(log_v: float) -> float:
        at = np.array([log_v])
        values = [np.exp(at + log_rho) + dual for log_rho, dual in (left.minimum(at), right.minimum(at))]
        return float((values[0] - values[1])[0])

    low, high = max(left.window[0], right.window[0]), min(left.window[1], right.window[1])
    if gap(high) <= 0:
        return np.inf if left.window[1] > right.window[1] else high
    low = max(low, high - 60.0)  # the right piece may be there for all w, however small
    if gap(low) >= 0:
        return -np.inf if left.window[0] > right.window[0] else low
    return float(brentq(gap, low, high, xtol=1e-15, rtol=1e-15))


def stretched(low: float, high: float, count: int = GRID) -> "NDArray[np.float64]":
    """Return a grid that is fine around 0 and coarse where curves have become straight lines.

    Examples
    --------
    >>> stretched(-100.0, 100.0, 5).round(3)
    array([-100.   ,   -4.988,    0.   ,    4.988,  100.   ])
    """
    scale = 0.5
    return scale * np.sinh(np.linspace(np.arcsinh(low / scale), np.arcsinh(high / scale), count))


def monotone_root(function: Callable[[Array], Array], t: Array, values: Array, targets: Array) -> Array:
    """Solve function(s) = target for a growing function known on a grid, elementwise.

    The regula falsi of Anderson and Björck (1973) inside the bracket that the grid gives, with bisection as
    a last resort.

    Parameters
    ----------
    function : callable
        Growing, on arrays.
    t, values : ndarray
        The grid and the function on it.
    targets : ndarray
        Within the range of `values`.

    Examples
    --------
    >>> grid = np.linspace(0.0, 3.0, 4)
    >>> monotone_root(lambda s: s**3, grid, grid**3, np.array([8.0, 5.0]))
    array([2.        , 1.70997595])
    """
    index = np.clip(np.searchsorted(values, targets), 1, len(values) - 1)
    low, high = t[index - 1].copy(), t[index].copy()
    gap_low, gap_high = values[index - 1] - targets, values[index] - targets
    best = np.where(gap_high <= 0, high, low)
    active = np.flatnonzero((gap_low < 0) & (gap_high > 0))
    for step in range(STEPS):
        if not active.size:
            break
        a, b, fa, fb = low[active], high[active], gap_low[active], gap_high[active]
        middle = (a + b) / 2 if step > 30 else b - fb * (b - a) / (fb - fa)
        middle = np.where((middle > a) & (middle < b), middle, (a + b) / 2)
        gap = function(middle) - targets[active]
        up = gap > 0
        with np.errstate(all="ignore"):  # the end that stays is weighted down, so that it moves next time
            shrink = 1 - gap / np.where(up, fb, fa)
        shrink = np.where(shrink > 0, shrink, 0.5)
        moved = np.abs(middle - best[active])
        best[active] = middle
        low[active], high[active] = np.where(up, a, middle), np.where(up, middle, b)
        gap_low[active], gap_high[active] = np.where(up, fa * shrink, gap), np.where(up, gap, fb * shrink)
        scale = 1 + np.abs(middle)  # convergence is of order 1.7: after a move of 1e-11 the error is below rounding
        active = active[(gap != 0) & (moved > 1e-11 * scale) & (high[active] - low[active] > 2.5e-16 * scale)]
    return best

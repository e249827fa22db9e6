"""Curves with jumps and infinite stretches, sampled from functions and drawn without global state."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

BLUE, GREY, PALE = "#0072B2", "#666666", "#e6e6e6"
COUNT: Final = 400


@final
@dataclass(frozen=True)
class Curve:
    """A function on (0, reach] as arrays to draw: NaN where it jumps or is infinite, and what happens at 0."""

    x: "NDArray[np.float64]"
    y: "NDArray[np.float64]"
    infinite: tuple[tuple[float, float], ...]
    start: float


def sampled(function: Callable[[Any], Any], top: float) -> Curve:
    """Sample a function on (0, top], with every jump and every border to +∞ located by bisection.

    Parameters
    ----------
    function : callable
        From an array of positive numbers to their values.
    top : float
        The end of the range.

    Returns
    -------
    Curve

    Examples
    --------
    >>> curve = sampled(lambda x: np.where(x < 1, x, np.inf), 2.0)
    >>> [(round(a, 6), b) for a, b in curve.infinite]
    [(1.0, 2.0)]
    """
    x = np.unique(np.concatenate([np.geomspace(1e-9 * top, top, 60), np.linspace(0, top, COUNT)[1:]]))
    y = np.asarray(function(x), dtype=np.float64)
    start = float(np.asarray(function(np.zeros(1)), dtype=np.float64)[0])
    finite = np.isfinite(y)
    shown = y[finite & (x > 0.02 * top)]
    span = float(np.ptp(shown)) if shown.size else 0.0
    with np.errstate(invalid="ignore"):
        steep = (np.abs(np.diff(y)) > 0.05 * span) & (x[1:] > 0.01 * top)
    edges = np.flatnonzero((finite[1:] != finite[:-1]) | (steep & finite[1:] & finite[:-1] & (span > 0)))
    extra: list[tuple[float, float]] = []
    for k in edges:
        low, high, at_low, at_high = x[k], x[k + 1], y[k], y[k + 1]
        for _ in range(30):
            middle = (low + high) / 2
            value = float(np.asarray(function(np.array([middle])))[0])
            left = _apart(at_low, value) >= _apart(value, at_high)
            low, high, at_low, at_high = (low, middle, at_low, value) if left else (middle, high, value, at_high)
        if _apart(at_low, at_high) > 0.02 * span:
            extra += [(low, at_low), ((low + high) / 2, math.nan), (high, at_high)]
    if extra:
        more = np.array(extra)
        order = np.argsort(np.concatenate([x, more[:, 0]]), kind="stable")
        x, y = np.concatenate([x, more[:, 0]])[order], np.concatenate([y, more[:, 1]])[order]
    return Curve(x, np.where(np.isfinite(y), y, np.nan), tuple(_runs(x, np.isposinf(y))), start)


def draw(ax: "Axes", curve: Curve, top: float, color: str = BLUE) -> None:
    """Draw a curve: dotted lines at jumps, an open and a full point for a jump at 0, shades where it is infinite."""
    ax.plot(curve.x, curve.y, color=color, linewidth=1.7, zorder=3)
    gaps = np.flatnonzero(np.isnan(curve.y[1:-1]) & np.isfinite(curve.y[:-2]) & np.isfinite(curve.y[2:])) + 1
    for k in gaps:
        ax.plot(curve.x[[k - 1, k + 1]], curve.y[[k - 1, k + 1]], ":", color=color, linewidth=1.0, zorder=2)
    low, high = _limits(curve, top)
    first = curve.y[0]
    if np.isfinite([first, curve.start]).all() and abs(first - curve.start) > 0.02 * (high - low):
        ax.plot([0], [first], "o", mfc="white", color=color, markersize=4.5, zorder=4, clip_on=False)
        ax.plot([0], [curve.start], "o", color=color, markersize=4.5, zorder=4, clip_on=False)
        low, high = min(low, curve.start), max(high, first)
    for left, right in curve.infinite:
        ax.axvspan(left, right, facecolor="none", edgecolor="#bbbbbb", hatch="///", linewidth=0)
        ax.text((left + right) / 2, (low + high) / 2, r"$+\infty$", ha="center", va="center", fontsize=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip
    ax.set_xlim(0, top)
    margin = 0.06 * (high - low)
    ax.set_ylim(low - (margin if low < 0 else 0), high + margin)


def style(ax: "Axes", title: str, variable: str) -> None:
    """Set a panel's looks, title and variable."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, color=PALE, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.set_title(title, fontsize=9.5, loc="left")
    ax.set_xlabel(variable, fontsize=9, labelpad=1)


def _limits(curve: Curve, top: float) -> tuple[float, float]:
    """Return what of a curve to show: all, unless it shoots off at 0 or at the end of the range."""
    values = curve.y[np.isfinite(curve.y)]
    inner = curve.y[np.isfinite(curve.y) & (curve.x > 0.05 * top) & (curve.x < 0.8 * top)]
    if not inner.size:
        return 0.0, 1.0
    low, high, middle = min(float(inner.min()), 0.0), max(float(inner.max()), 0.0), float(np.median(inner))
    if high > 20 * middle > 0:
        return low, 6 * middle
    span = high - low
    if span < 1e-9:
        return low, low + 1.0
    high = float(values.max()) if values.max() < high + 1.2 * span else high + 0.2 * span
    low = min(float(values.min()), 0.0) if values.min() > low - 1.2 * span else low - 0.2 * span
    return low, high


def _apart(a: float, b: float) -> float:
    return 0.0 if a == b else abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf


def _runs(x: Any, marked: Any) -> Iterable[tuple[float, float]]:
    """Yield the intervals on which `marked` holds."""
    borders = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    for first, last in zip(borders[::2], borders[1::2], strict=True):
        yield float(x[first]), float(x[last - 1])

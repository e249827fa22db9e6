"""Every penalty of the catalogue with its proximal map, and figure 1 of the 2021 paper from our own numbers."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

COLUMNS: Final = 6
DIMENSION: Final = 32
KEPT: Final = 16  # the non-zero weights that the paper's hard threshold allows


def penalties_and_proxes_data(catalogue: Any = None, reach: float = 3.0, step: float = 0.5) -> dict[str, Any]:
    """Return the curves of :func:`penalties_and_proxes` for every entry of a catalogue that can be drawn.

    Parameters
    ----------
    catalogue : Catalogue, optional
        Of penalties; by default :data:`etatrick.theory.penalties`.
    reach : float
        The largest w and v.
    step : float
        t of the proximal maps.

    Returns
    -------
    dict
        JSON-ready: ``reach``, ``step`` and ``entries``, each with its name and the points of two curves, in which
        None marks a jump. Parameters have the values of :func:`etatrick.theory.display.example_values`.
    """
    from etatrick.theory import penalties
    from etatrick.theory.display import drawable, example_values, penalty_from_zero
    from etatrick.theory.drawing import sampled
    from etatrick.theory.prox import prox_at

    entries = []
    for name in penalties if catalogue is None else catalogue:
        family = (penalties if catalogue is None else catalogue)[name]
        values = example_values(family)
        try:
            d = drawable(family(**values))
        except InputError:  # a penalty of vectors
            continue
        curves = {"penalty": partial(penalty_from_zero, d), "prox": partial(prox_at, d, t=step)}
        parts = {key: _points(sampled(curve, reach)) for key, curve in curves.items()}
        shown = ", ".join(f"{key}={value:g}" for key, value in values.items())
        entries.append({"name": name, "values": shown, **parts})
    return {"reach": reach, "step": step, "entries": entries}


def penalties_and_proxes(data: Mapping[str, Any]) -> "Figure":
    """Draw every penalty and its proximal map as small multiples.

    Parameters
    ----------
    data : mapping
        As from :func:`penalties_and_proxes_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from etatrick.theory.pictures import blank

    entries, reach = data["entries"], data["reach"]
    rows = -(-len(entries) // COLUMNS)
    figure = blank(1.75 * COLUMNS, 1.9 * rows + 0.5, layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    for ax, entry in zip(axes, entries, strict=False):
        ax.plot([0, reach], [0, reach], ":", color=GREY, linewidth=0.8)
        for key, name, index in (("penalty", r"penalty $\Omega(w)$", 0), ("prox", "proximal map at $v$", 1)):
            x, y = (np.array(part, dtype=float) for part in entry[key])
            ax.plot(x, y, color=COLOURS[index], linestyle=DASHES[index], linewidth=1.5, label=name)
        ax.set_title(f"{entry['name']}\n{entry['values'] or 'no parameter'}", fontsize=7.5, loc="left")
        ax.set_xlim(0, reach)
        ax.set_ylim(min(0.0, -0.02 * reach), reach)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=7)
        ax.grid(visible=True, color="#e6e6e6", linewidth=0.5)
    for ax in axes[len(entries) :]:
        ax.set_visible(False)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=8.5, frameon=False,
                  title=f"step t = {data['step']:g}; the dotted line is the identity", title_fontsize=8)  # fmt: skip
    return figure


def flip_side_data() -> dict[str, Any]:
    r"""Return the curves of figure 1 of LeJeune, Javadi, Baraniuk 2021, from our own derivations.

    Returns
    -------
    dict
        JSON-ready: ``w`` and ``curves`` with Ω(w) − Ω(0.01) on the paper's grid; ``k`` and ``spread`` with
        :math:`k\,\Omega(1/\sqrt k)`, the penalty of a unit vector with k equal entries.
        The paper draws LogSum times 2 and MCP times √2; its code spreads a unit vector as 1/√(k + 10⁻³).
    """
    w, k = np.geomspace(0.01, 5.0, 100), np.arange(1, DIMENSION + 1)
    rules = _rules()
    curves = {name: (rule(w) - rule(w[:1])).tolist() for name, rule in rules.items()}
    spread = {name: (k * rule(1 / np.sqrt(k))).tolist() for name, rule in rules.items()}
    return {"w": w.tolist(), "curves": curves, "k": k.tolist(), "spread": spread}


def flip_side(data: Mapping[str, Any]) -> "Figure":
    """Draw figure 1 of the 2021 paper: the penalties, and how they rank unit vectors by their number of non-zeros.

    Parameters
    ----------
    data : mapping
        As from :func:`flip_side_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(2, height=3.3, width=4.4)
    for index, name in enumerate(data["curves"]):
        look: dict[str, Any] = {"color": COLOURS[index], "linestyle": DASHES[index], "linewidth": 1.6, "label": name}
        axes[0].plot(data["w"], data["curves"][name], **look)
        spread = np.array(data["spread"][name])
        axes[1].plot(data["k"], spread - spread.min(), **look)
    hard: dict[str, Any] = {"color": COLOURS[6], "linestyle": DASHES[6], "linewidth": 1.2}
    axes[1].step([1, KEPT, KEPT], [0, 0, 1e3], label=f"hard threshold at {KEPT}", **hard)
    label(axes[0], r"$\lambda\,[\Omega(w) - \Omega(0.01)]$", r"$|w|$", "")
    label(axes[1], r"unit vector, $k$ equal entries: $\lambda\,[\Omega - \min\Omega]$", r"$k$", "")
    axes[0].set_xlim(0, max(data["w"]))
    axes[1].set_xlim(1, max(data["k"]))
    axes[1].set_ylim(-0.15, 7.5)
    axes[0].set_ylim(bottom=0)
    legend(axes[0], loc="upper left")
    legend(axes[1], loc="upper left", handles=axes[1].get_lines()[-1:])
    return figure


def variational_dropout_penalty(x: "ArrayLike") -> "NDArray[np.float64]":
    r"""Return the penalty of Gaussian dropout with a log-uniform prior, by quadrature of its exact dual.

    With :math:`f(\eta) = 4\int_0^{\sqrt{\eta/2}} D(u)\,du` and Dawson's D, the scale of w is :math:`\eta = 2s^2` where
    :math:`w^2 = 4 s^3 D(s)`, and :math:`\Omega = \tfrac12 (w^2/\eta + f(\eta))` (Molchanov et al. 2017, λ = 1).

    Parameters
    ----------
    x : array_like
        Weights.

    Returns
    -------
    numpy.ndarray

    Examples
    --------
    >>> float(variational_dropout_penalty(5.0).round(7))
    2.7226522
    """
    from scipy.integrate import quad
    from scipy.optimize import brentq
    from scipy.special import dawsn

    def one(weight: float) -> float:
        if weight == 0:
            return 0.0
        # D(s) ≥ s/(1 + 2s²): the root lies below max(w, 1)·2, where 4s³D(s) has passed w²
        s = brentq(lambda s: 4 * s**3 * dawsn(s) - weight**2, 0.0, 2 * max(weight, 1.0), xtol=1e-300, rtol=1e-15)
        area, _ = quad(dawsn, 0.0, s, epsabs=0.0, epsrel=1e-12, limit=200)
        return float((weight / s) ** 2 / 4 + 2 * area)

    size = np.abs(np.asarray(x, dtype=np.float64))
    return np.array([one(weight) for weight in size.ravel()]).reshape(size.shape)


def _rules() -> dict[str, Callable[[Any], Any]]:
    """Return λΩ by name as the paper draws it."""
    from etatrick.theory import derive, penalties
    from etatrick.theory.gates.laws import HardConcrete

    log_sum = penalties["log_sum"](epsilon=2).duality
    standout = derive(alpha="1/(1 + exp(-w))")
    mcp = derive(penalty="Piecewise((w - w**2/sqrt(2), w <= 1/sqrt(2)), (sqrt(2)/4, True))")
    return {
        "VarDrop": variational_dropout_penalty,
        "2 LogSum(2)": lambda x: 2 * log_sum.penalty_at(x),
        "HardConcrete": HardConcrete().penalty_at,
        "√2 MCP(½, √2)": lambda x: np.sqrt(2) * mcp.penalty_at(x),
        "Standout": standout.penalty_at,
    }


def _points(curve: Any) -> list[list[float | None]]:
    """Return the two coordinates of a curve as lists, with None where it breaks off."""
    y = [None if np.isnan(value) else float(value) for value in curve.y]
    first = [] if abs(curve.start - curve.y[0]) > 1e-3 or not np.isfinite(curve.start) else [0.0]
    return [[*first, *curve.x.tolist()], [*([curve.start] if first else []), *y]]

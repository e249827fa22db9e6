"""Dualities as curves and catalogues as tables, for notebooks and documentation."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.drawing import GREY, draw, sampled, style
from etatrick.theory.grammar import parse
from etatrick.theory.parameters import Parameter
from etatrick.theory.prox import at_zero, prox_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADS: Final = (
    "name",
    "parameters",
    "Ω(w)",
    "η̂(w)",
    "f(η)",
    "α(w)",
    "Ω′(0+)",
    "for large w",
    "sparse",
    "convex",
    "source",
)
FORMULAS: Final = ("penalty", "eta_hat", "dual", "alpha")
LONG: Final = 60
NUMBERS: Final = ("penalty_at", "eta_hat_at", "dual_at", "alpha_at")


def plot(duality: Any, *, reach: float = 4.0, lam: float = 1.0, step: float = 1.0) -> "Figure":
    """Draw the four forms of a duality, its slope and its prox.

    Parameters
    ----------
    duality : Duality, catalogue member, or any object with penalty_at, eta_hat_at, dual_at and alpha_at
        With a number for every parameter.
    reach : float
        The largest w and v drawn.
    lam : float
        λ of the retain probability.
    step : float
        t of the prox.

    Returns
    -------
    matplotlib.figure.Figure
        Ω, Ω′, η̂ in the upper row; α, f and the prox in the lower one. Regions in which a form is infinite are
        shaded, jumps are dotted, and a form that does not exist says why. Numbers replace missing closed forms.

    Raises
    ------
    InputError
        If a parameter has no value, an argument is no positive number, or the duality is not one of single weights.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> len(plot(penalties["mcp"](A=2)).axes)
    6
    """
    from etatrick.theory.pictures import blank

    d = drawable(duality)
    for name, value in (("reach", reach), ("lam", lam), ("step", step)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value}", "must be a finite number > 0", f"choose e.g. {name}=1.0")
    figure = blank(8.4, 4.6)
    figure.subplots_adjust(left=0.055, right=0.985, bottom=0.085, top=0.94, wspace=0.24, hspace=0.42)
    panels = figure.subplots(2, 3).ravel()

    def slope(x: Any) -> Any:
        weight = d.eta_hat_at(x)
        with np.errstate(all="ignore"):
            return np.where(weight > 0, x / weight, np.inf)

    wide = _eta_range(d, reach)
    curves: list[tuple[str, str, Callable[[Any], Any], float]] = [
        (r"penalty $\Omega$", "$w$", partial(penalty_from_zero, d), reach),
        (r"slope $\Omega'$", "$w$", slope, reach),
        (r"scale $\hat\eta$", "$w$", d.eta_hat_at, reach),
        (rf"retain probability $\alpha$, $\lambda={lam:g}$", "$w$", lambda x: d.alpha_at(x, lam), reach),
        (r"dual $f$", r"$\eta$", d.dual_at, wide),
        (rf"$\mathrm{{prox}}_{{t\Omega}}$, $t={step:g}$", "$v$", lambda x: prox_at(d, x, step), reach),
    ]
    for ax, (title, variable, function, top) in zip(panels, curves, strict=True):
        style(ax, title, variable)
        try:
            draw(ax, sampled(function, top), top)
        except InputError as error:
            ax.text(0.5, 0.5, f"none: {error.rule}", ha="center", va="center", wrap=True, fontsize=8, color=GREY,
                    transform=ax.transAxes)  # fmt: skip
            ax.set_xlim(0, top)
    panels[3].set_ylim(0, 1.05)
    panels[5].plot([0, reach], [0, reach], ":", color=GREY, linewidth=0.9, zorder=1)
    panels[5].set_ylim(0, 1.02 * reach)
    return figure


def penalty_from_zero(d: Any, x: Any) -> Any:
    """Return Ω(x) for x ≥ 0, with Ω(0) at 0 and not the limit there where Ω jumps."""
    return np.where(x > 0, d.penalty_at(x), at_zero(d))


def drawable(duality: Any) -> Any:
    """Return the duality of a member, or the object itself, after checking that it can be drawn.

    Raises
    ------
    InputError
        If a parameter has no value, or the penalty is not one of single weights.
    """
    d = getattr(duality, "duality", duality)
    free = [str(p) for p in getattr(d, "parameters", ()) if hasattr(p, "free_symbols")]
    if free:
        raise InputError(", ".join(free), "a plot needs a number for every parameter", f"choose {free[0]}=… first")
    if not all(callable(getattr(d, name, None)) for name in NUMBERS):
        raise InputError(type(d).__name__, "is no duality", "pass the result of derive(…) or a catalogue member")
    probe = np.array([0.5, 1.0, 2.0])
    if np.shape(d.penalty_at(probe)) != probe.shape:
        raise InputError(type(d).__name__, "penalises vectors, not single weights", "draw penalty_at along a line")
    return d


def catalogue_html(catalogue: Any, seconds: float = 30.0) -> str:
    """Return a catalogue as an HTML table with formulas in MathML.

    Parameters
    ----------
    catalogue : Catalogue
        Of penalties or strategies; another one gives a table of names.
    seconds : float
        Time for derivations; entries after that show only how they are defined.

    Returns
    -------
    str
    """
    from latex2mathml.converter import convert

    def cell(text: str) -> str:
        parts = text.split("$")
        return "".join(
            convert(part) if odd else escape(part) for odd, part in zip([False, True] * len(parts), parts, strict=False)
        )

    head = "".join(f"<th>{escape(name)}</th>" for name in HEADS)
    rows = ("<tr>" + "".join(f"<td>{cell(text)}</td>" for text in row) + "</tr>" for row in rows_of(catalogue, seconds))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def catalogue_markdown(catalogue: Any, seconds: float = 30.0) -> str:
    """Return a catalogue as a Markdown table with formulas between dollar signs; see :func:`catalogue_html`."""
    lines: list[Sequence[str]] = [HEADS, ["---"] * len(HEADS), *rows_of(catalogue, seconds)]
    return "\n".join("| " + " | ".join(text.replace("|", r"\vert ") for text in line) + " |" for line in lines)


def rows_of(catalogue: Any, seconds: float = math.inf) -> Iterable[tuple[str, ...]]:
    """Yield one row of :data:`HEADS` per entry: plain text with formulas between dollar signs."""
    end = time.monotonic() + seconds
    for name in catalogue:
        family = catalogue[name]
        ranges = ", ".join(p.domain for p in getattr(family, "parameters", ()))
        d = stated(family) if time.monotonic() < end else None
        facts = ("…",) * 8 if d is None else (*(formula(getattr(d, form, None)) for form in FORMULAS), *_facts(d))
        yield (name, ranges, *facts, str(getattr(family, "source", "")))


def stated(family: Any) -> Any | None:
    """Return the duality of a family with free parameters, at :func:`example_values` where it has none, or None."""
    try:
        return family.duality
    except (AttributeError, InputError):
        pass
    try:
        return family(**example_values(family)).duality
    except (AttributeError, InputError):
        return None


def example_values(family: Any) -> dict[str, float]:
    """Return a value for every parameter: its default, or one a quarter into its domain, or 1 beyond a finite end.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> example_values(penalties["lp"]), example_values(penalties["log_sum"])
    ({'p': 0.5}, {'epsilon': 1.0})
    """
    return {p.name: _example(p) for p in family.parameters}


def _example(p: Parameter) -> float:
    if p.default is not None:
        return float(p.default)
    low, high = float(p.lower), float(p.upper)
    if math.isfinite(low):
        return low + (high - low) / 4 if math.isfinite(high) else low + 1.0
    return high - 1.0 if math.isfinite(high) else 0.0


def formula(expr: Any) -> str:
    """Return a sympy expression as LaTeX between dollar signs, words upright; — for None, no formula for a long one."""
    import sympy as sp

    if expr is None:
        return "—"
    if sp.count_ops(expr) > LONG:
        return "closed, but long"
    words: dict[Any, str] = {
        s: rf"\mathrm{{{s.name}}}" for s in expr.free_symbols if len(s.name) > 1 and sp.latex(s) == s.name
    }
    between = r" \, " if words else " "  # so that words do not run into their neighbours
    return f"${sp.latex(expr, symbol_names=words, mul_symbol=between)}$"


def _facts(d: Any) -> tuple[str, ...]:
    """Return Ω′(0+), the behaviour for large w, and whether zeros are exact and Ω convex, from the verdicts."""
    found = {
        name: d.conditions[name] for name in ("exact_zeros", "bounded", "unbiased", "convex") if name in d.conditions
    }
    words = {name: {"refuted": "no", "unknown": "?"}.get(v.status, "yes") for name, v in found.items()}
    words = {name: words.get(name, "—") for name in ("exact_zeros", "bounded", "unbiased", "convex")}
    detail = found["exact_zeros"].detail if "exact_zeros" in found else ""
    start = _written(detail.partition("=")[2].strip(), d) if detail.startswith("Ω′(0+) =") else "—"
    tail = {"yes": "bounded", "no": {"yes": "slope → 0", "no": "slope stays"}.get(words["unbiased"], "unbounded")}
    return start, tail.get(words["bounded"], words["bounded"]), words["exact_zeros"], words["convex"]


def _written(value: str, d: Any) -> str:
    """Return a value in sympy's notation as a formula."""
    if value in ("oo", "zoo"):
        return "∞"
    try:
        return formula(parse(value, parameters=[p.name for p in d.parameters]))
    except InputError:
        return value


def _eta_range(d: Any, reach: float) -> float:
    """Return how far to draw f: over most of the scales that weights up to `reach` take."""
    weights = np.asarray(d.eta_hat_at(np.linspace(0, reach, 60)[1:]), dtype=np.float64)
    usual = weights[np.isfinite(weights) & (weights > 0)]
    if not usual.size:
        return 4.0
    return float(np.clip(max(1.6 * np.median(usual), min(1.2 * usual.max(), 12.0)), 0.5, 30.0))

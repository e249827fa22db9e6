"""Plots carry the right numbers, and tables every entry."""

import math
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from etatrick.errors import InputError
from etatrick.theory import derive, penalties
from etatrick.theory.display import HEADS, catalogue_html, catalogue_markdown, drawable, example_values, plot
from etatrick.theory.drawing import sampled

CAPPED = "Piecewise((w, w <= 1), (1, True))"


def lines(figure: Figure, panel: int) -> tuple[Any, Any]:
    return figure.axes[panel].lines[0].get_data()


def at(figure: Figure, panel: int, x: float) -> float:
    xs, ys = lines(figure, panel)
    return float(np.interp(x, xs, ys))


@pytest.mark.parametrize(
    ("panel", "value"),
    [(0, math.log(2.5)), (1, 0.4), (2, 3.75), (3, 3.75 / 5.75), (5, (0.5 + math.sqrt(2.25)) / 2)],
)
def test_the_panels_of_log_sum(panel: int, value: float) -> None:
    """At 1.5: log(1 + w), 1/(1 + w), w(1 + w), η̂/(η̂ + 2), and the larger root of w + t/(1 + w) = 1.5 for t = 1."""
    figure = plot(derive(penalty="log(1 + w)"), lam=2.0, step=1.0)
    assert at(figure, panel, 1.5) == pytest.approx(value, abs=2e-3)


def test_the_dual_panel() -> None:
    """Of k|w| it is k²η."""
    assert at(plot(derive(penalty="3*w")), 4, 0.4) == pytest.approx(3.6, abs=1e-6)


def test_jumps_and_infinite_regions_are_drawn_as_such() -> None:
    figure = plot(derive(penalty=CAPPED))
    x, slope = lines(figure, 1)
    edge = int(np.flatnonzero(np.isnan(slope))[0])
    assert x[edge] == pytest.approx(1.0, abs=1e-6)
    assert (slope[edge - 1], slope[edge + 1]) == (1.0, 0.0)
    assert figure.axes[1].lines[1].get_linestyle() == ":"
    assert [text.get_text() for text in figure.axes[2].texts] == [r"$+\infty$"]
    x, scale = lines(figure, 2)
    assert np.isnan(scale[x > 1.01]).all()
    assert np.nanmax(scale) <= 1.0


def test_a_jump_at_zero_has_two_points() -> None:
    class Counting:
        def penalty_at(self, x: Any) -> Any:
            return (np.asarray(x) > 0) * 2.0

        def eta_hat_at(self, x: Any) -> Any:
            return np.where(np.asarray(x) > 0, np.inf, 0.0)

        def dual_at(self, e: Any) -> Any:
            return (np.asarray(e) > 0) * 4.0

        def alpha_at(self, x: Any, lam: float) -> Any:
            return (np.asarray(x) > 0) * 1.0

    marks = [line.get_ydata() for line in plot(Counting()).axes[0].lines if line.get_marker() == "o"]
    assert [float(np.asarray(mark)[0]) for mark in marks] == [2.0, 0.0]


def test_a_missing_dual_says_why() -> None:
    texts = [text.get_text() for text in plot(derive(eta_hat="1/(1 + w)")).axes[4].texts]
    assert len(texts) == 1
    assert "no dual" in texts[0]


@pytest.mark.parametrize("name", ["reach", "lam", "step"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_bad_arguments_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        plot(derive(penalty="w"), **{name: value})


def test_what_cannot_be_drawn_is_refused() -> None:
    class Joint:
        def penalty_at(self, x: Any) -> Any:
            return np.linalg.norm(x)

        eta_hat_at = dual_at = alpha_at = penalty_at

    with pytest.raises(InputError, match="every parameter"):
        plot(penalties["log_sum"].duality)
    with pytest.raises(InputError, match="vectors"):
        plot(Joint())
    with pytest.raises(InputError, match="no duality"):
        plot("log_sum")
    member = penalties["log_sum"](epsilon=2)
    assert drawable(member) is member.duality


def test_plots_leave_pyplot_alone() -> None:
    from matplotlib import _pylab_helpers

    before = len(_pylab_helpers.Gcf.figs)
    plot(derive(penalty="w"))
    assert len(_pylab_helpers.Gcf.figs) == before


def test_borders_are_found_to_the_digit() -> None:
    curve = sampled(lambda x: np.where(x < 1 / 3, 0.0, np.where(x < 0.7, 1.0, np.inf)), 1.0)
    jump = curve.x[np.isnan(curve.y)][0]
    assert jump == pytest.approx(1 / 3, abs=1e-9)
    assert curve.infinite[0] == pytest.approx((0.7, 1.0), abs=1e-9)
    steep = sampled(lambda x: np.tanh(40 * (x - 0.5)), 1.0)
    assert np.isfinite(steep.y).all()  # steep, but no jump


def test_example_values_lie_in_the_domains() -> None:
    for family in penalties.values():
        family(**example_values(family))


class Few:
    """Two entries of the catalogue, so that a table is quick."""

    def __iter__(self) -> Any:
        return iter(("l1", "cauchy"))

    def __getitem__(self, name: str) -> Any:
        return penalties[name]


def test_tables_show_every_entry() -> None:
    table = ElementTree.fromstring(catalogue_html(Few()))
    assert [cell.text for cell in table.iter("th")] == list(HEADS)
    rows = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")][1:]
    assert [row[0] for row in rows] == ["l1", "cauchy"]
    facts = {row[0]: dict(zip(HEADS, row, strict=True)) for row in rows}
    assert (facts["l1"]["sparse"], facts["l1"]["convex"], facts["l1"]["for large w"]) == ("yes", "yes", "slope stays")
    assert (facts["cauchy"]["sparse"], facts["cauchy"]["convex"]) == ("no", "no")
    assert facts["cauchy"]["for large w"] == "slope → 0"
    assert facts["l1"]["Ω′(0+)"] == "k"
    lines = catalogue_markdown(Few()).splitlines()
    assert len(lines) == 4
    assert {len(re.findall(r"\|", line)) for line in lines} == {len(HEADS) + 1}


def test_an_entry_beyond_the_time_allowed_is_named_all_the_same() -> None:
    lines = catalogue_markdown(Few(), seconds=0.0).splitlines()
    assert lines[-1].startswith("| cauchy |")
    assert "…" in lines[-1]

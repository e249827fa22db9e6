"""The galleries show every penalty, and figure 1 carries the paper's numbers."""

import json
import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from etatrick.theory import penalties, strategies
from etatrick.validation.figures.gallery import (
    flip_side,
    flip_side_data,
    penalties_and_proxes,
    penalties_and_proxes_data,
    variational_dropout_penalty,
)

KS = (1, 4, 8, 16, 32)
# k·Ω(1/√k) to the digits known for the paper's curves
REFERENCE = {
    "VarDrop": ("0.91359", "1.9152", "2.7441", "3.9160", "5.5730"),
    "2 LogSum(2)": ("0.81093", "1.7851", "2.6045", "3.7691", "5.4207"),
    "Standout": ("0.26424", "0.36082", "0.39640", "0.42398", "0.44480"),
    "√2 MCP(½, √2)": ("0.5", "1.8284", "3.0", "4.6569", "7.0"),
    "HardConcrete": ("0.5", "1.95612", "3.2182", "4.96514", "7.42016"),
}
ENTRIES: dict[
    str, tuple[Any, str, dict[str, float], float]
] = {  # where a curve is also an entry of a catalogue: its parameters and the paper's factor
    "2 LogSum(2)": (penalties, "log_sum", {"epsilon": 2.0}, 2.0),
    "√2 MCP(½, √2)": (penalties, "mcp", {"A": math.sqrt(0.5)}, math.sqrt(2)),
    "Standout": (strategies, "standout", {"a": 1.0, "b": 0.0}, 1.0),
    "VarDrop": (strategies, "variational_dropout", {}, 1.0),
}


@pytest.fixture(scope="module")
def figure_1() -> dict[str, Any]:
    return flip_side_data()


def matches(value: float, printed: str) -> bool:
    """Whether a value agrees with a printed number to half a unit of its last digit."""
    digits = len(printed.partition(".")[2])
    return bool(abs(value - float(printed)) <= 0.5000001 * 10**-digits)


def points(line: Line2D) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_figure_1_has_the_reference_values(name: str, figure_1: dict[str, Any]) -> None:
    data = figure_1
    for k, printed in zip(KS, REFERENCE[name], strict=True):
        # "0.5", "3.0" and "7.0" stand for exact values
        value = data["spread"][name][k - 1]
        assert matches(value, printed if len(printed) > 3 else printed + "0000"), (k, value)
        assert not matches(value * 1.0002, printed if len(printed) > 3 else printed + "0000")


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_the_catalogue_agrees_with_figure_1(name: str) -> None:
    catalogue, entry, values, factor = ENTRIES[name]
    member = catalogue[entry](**values)
    for k, printed in zip(KS, REFERENCE[name], strict=True):
        value = factor * k * float(member.duality.penalty_at(1 / math.sqrt(k)))
        assert matches(value, printed if len(printed) > 3 else printed + "0000"), (k, value)


@pytest.mark.parametrize("w", [1e-3, 0.3, 1.7, 5.0, 9.0])
def test_variational_dropout_by_another_route(w: float) -> None:
    """Minimise ½[w²/η + η·₂F₂(1, 1; 3/2, 2; −η/2)] in 25 digits."""
    with mp.workdps(25):

        def energy(log_eta: mp.mpf) -> mp.mpf:
            eta = mp.exp(log_eta)
            return (w**2 / eta + eta * mp.hyp2f2(1, 1, mp.mpf(3) / 2, 2, -eta / 2)) / 2

        low, high = mp.log(w) - 2, 2 * mp.log(w + 1) + 3
        ratio = (mp.sqrt(5) - 1) / 2
        for _ in range(45):
            a, b = high - ratio * (high - low), low + ratio * (high - low)
            low, high = (low, b) if energy(a) < energy(b) else (a, high)
        expected = float(energy((low + high) / 2))
    assert float(variational_dropout_penalty(w)) == pytest.approx(expected, rel=1e-10)


def test_variational_dropout_is_even_and_zero_at_zero() -> None:
    values = variational_dropout_penalty([[-1.0, 0.0, 1.0]])
    assert values.shape == (1, 3)
    assert values[0, 0] == values[0, 2] > values[0, 1] == 0.0


def test_flip_side_is_drawn(figure_1: dict[str, Any]) -> None:
    data = json.loads(json.dumps(figure_1, allow_nan=False))
    figure = flip_side(data)
    assert len(figure.axes) == 2
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(data["curves"]) <= set(drawn)
    np.testing.assert_allclose(points(drawn["2 LogSum(2)"])[1][-1], 2 * math.log(3.5 / 1.005), rtol=1e-12)


class Few:
    """Three entries of the catalogue."""

    def __iter__(self) -> object:
        return iter(("l1", "log_sum", "ridge"))

    def __getitem__(self, name: str) -> object:
        return penalties[name]


def test_every_entry_gets_a_panel_with_its_numbers() -> None:
    data = json.loads(json.dumps(penalties_and_proxes_data(Few()), allow_nan=False))
    figure = penalties_and_proxes(data)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in shown] == ["l1\nk=1", "log_sum\nepsilon=1", "ridge\nc=1"]
    curves = {line.get_label(): points(line) for line in shown[0].lines}
    x, y = curves["proximal map at $v$"]
    np.testing.assert_allclose(y, np.maximum(x - 0.5, 0), atol=1e-14)
    x, y = curves[r"penalty $\Omega(w)$"]
    np.testing.assert_allclose(y, x, atol=1e-14)


def test_the_whole_catalogue_is_enumerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one duality in place of all, so that nothing is derived."""
    monkeypatch.setattr("etatrick.theory.display.drawable", lambda member: penalties["l1"](k=1).duality)
    assert [entry["name"] for entry in penalties_and_proxes_data()["entries"]] == list(penalties)

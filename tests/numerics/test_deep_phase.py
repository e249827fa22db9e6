"""The rank-one region of deep dropout: the reference's thresholds, and independent scans."""

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.deep.allocation import allocate
from etatrick.numerics.deep.layers import read_layers
from etatrick.numerics.deep.phase import phase_diagram, rank_one_condition, rank_one_threshold
from etatrick.validation.figures.deep_linear import deep_phase, deep_shrinkage

Array = NDArray[np.float64]


def scanned_threshold(width: int, odds: float) -> float:
    """Return min_t √[(G(d) − G(d − t))/G(t)], two equal layers, on a fine grid."""
    t = np.linspace(1e-4, width, 400_001)[:-1]

    def kept(h: Array) -> Array:
        return np.asarray((h / (h + odds)) ** 2)

    return float(np.sqrt(((kept(np.array([float(width)])) - kept(width - t)) / kept(t)).min()))


@pytest.mark.parametrize(
    ("odds", "threshold", "condition"), [(1.0, 0.548, 0.36), (0.5, 0.311, 0.21), (2.0, 0.858, 0.556)]
)
def test_thresholds_of_the_reference(odds: float, threshold: float, condition: float) -> None:
    exact = rank_one_threshold((4, 4), odds)
    assert abs(exact - threshold) < 6e-4
    assert abs(rank_one_condition((4, 4), odds) - condition) < 6e-4
    assert abs(exact - scanned_threshold(4, odds)) < 1e-8
    layers = read_layers((4, 4), odds)
    ranks = [allocate(np.array([1.0, exact * (1 + step)]), layers).best.rank for step in (-1e-6, 1e-6)]
    assert ranks == [1, 2]


@pytest.mark.parametrize("seed", range(4))
def test_only_the_two_largest_values_matter(seed: int) -> None:
    """Below the threshold rank one stays optimal however many equal directions wait."""
    rng = np.random.default_rng(seed)
    widths, odds = tuple(int(d) for d in rng.integers(4, 9, 3)), tuple(np.exp(rng.uniform(-1.5, 0, 3)))
    edge = rank_one_threshold(widths, odds)
    assert rank_one_condition(widths, odds) < edge < 1
    layers = read_layers(widths, odds)
    assert allocate(np.array([1.0, *[edge * (1 - 1e-6)] * 3]), layers).best.rank == 1
    assert allocate(np.array([1.0, edge * (1 + 1e-6)]), layers).best.rank == 2


def test_one_layer_and_extremes() -> None:
    assert rank_one_threshold((4,), 1.0) == rank_one_condition((4,), 1.0)
    assert rank_one_threshold((4, 4), 50.0) == 1.0
    assert rank_one_threshold((1, 4), 0.5) == 1.0


def test_phase_diagram_and_pictures() -> None:
    found = phase_diagram((4, 4), [0.5, 1.0], [0.25, 0.4, 0.6], directions=3)
    expected = np.array(found.ratios)[None, :] <= found.threshold[:, None]
    assert np.array_equal(found.ranks == 1, expected)
    figure = deep_phase(
        {
            "odds": found.odds,
            "ratios": found.ratios,
            "ranks": found.ranks,
            "threshold": found.threshold,
            "condition": found.condition,
        }
    )
    assert len(figure.axes) == 2
    data = {
        "odds": [0.1, 1],
        "exact": [[2, 1], [1, 0]],
        "surrogate": [[2, 1], [1, 0]],
        "objective": [2, 3],
        "bound": [1, 2],
    }
    assert len(deep_shrinkage(data).axes) == 2


def test_bad_ratio() -> None:
    with pytest.raises(InputError):
        phase_diagram((4, 4), [1.0], [1.5])

"""The pictures of structured dropout carry the right numbers and say what they show."""

import json
import math
from typing import Any

import numpy as np
import pytest

from etatrick.validation.figures import GALLERY, draw

NAMES = ("k-support-balls", "singular-value-shrinkage", "sliding-mask", "deep-shrinkage", "deep-phase")


@pytest.fixture(scope="module")
def data() -> dict[str, dict[str, Any]]:
    return {name: GALLERY[name]() for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_data_survives_json_and_every_panel_is_titled(name: str, data: dict[str, dict[str, Any]]) -> None:
    figure = draw(name, json.loads(json.dumps(data[name])))
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert panels
    assert all(ax.get_title() or ax.get_title(loc="left") for ax in panels)


def test_the_balls_are_the_octahedron_and_the_sphere_and_lie_in_each_other(data: dict[str, dict[str, Any]]) -> None:
    first, second, third = (np.array(radii) for radii in data["k-support-balls"]["radii"])
    assert np.allclose(third, 1)
    assert (first <= second + 1e-12).all()
    assert (second <= third + 1e-12).all()
    resolution = data["k-support-balls"]["resolution"]
    polar = np.linspace(0, np.pi, resolution)[:, None]
    turn = np.linspace(0, 2 * np.pi, 2 * resolution)[None, :]
    taxicab = np.abs(np.sin(polar) * np.cos(turn)) + np.abs(np.sin(polar) * np.sin(turn)) + np.abs(np.cos(polar))
    assert np.allclose(first, 1 / taxicab)
    assert math.isclose(second.min(), math.sqrt(2 / 3), rel_tol=1e-2)  # at (1, 1, 1)/√3, where ‖w‖² = 3/2


def test_shrinkage_is_ridge_at_the_top_and_a_threshold_below(data: dict[str, dict[str, Any]]) -> None:
    figure = data["singular-value-shrinkage"]
    targets, betas = np.array(figure["targets"]), np.array(figure["strengths"])
    dropout, block, ridge = (np.array(curves) for curves in figure["curves"].values())
    assert np.allclose(ridge, targets[:, None] / (1 + betas))
    assert (dropout[1:, -1] == 0).all()
    ranks = [(curves > 0).sum(axis=0) for curves in (dropout, block, ridge)]
    assert ranks[0][-1] == 1
    assert ranks[1].min() >= 3  # never below the size of a block
    assert (ranks[2] == len(targets)).all()
    # the sum over all directions that DropBlock's scales spend is the block size
    assert np.allclose(np.array(figure["scales"]).sum(axis=0), 3)


def test_the_sliding_mask_retains_the_corner_and_drops_the_centre(data: dict[str, dict[str, Any]]) -> None:
    rates = np.array(data["sliding-mask"]["rates"])
    assert round(rates.mean(), 3) == 0.907
    assert round(rates[0, 0], 3) == 0.994
    assert round(rates[7, 7], 3) == 0.735
    corner = np.array(data["sliding-mask"]["corner"])
    assert (corner[:7, :7] > 0).all()
    assert (corner[7:] == 0).all()

"""Structured dropout in pictures: unit balls, shrinkage of singular values, and masks of sliding blocks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TARGETS: Final = (5.0, 4.2, 3.1, 2.4, 1.6, 1.1, 0.6, 0.2)  # singular values of the data in the shrinkage figure


def unit_balls_data(resolution: int = 90) -> dict[str, Any]:
    """Return the unit spheres of the k-support norms in three dimensions.

    Parameters
    ----------
    resolution : int
        Points per half turn.

    Returns
    -------
    dict
        JSON-ready: ``levels`` (k) and ``radii``, the distance of the sphere from the origin in each direction, on a
        grid of polar and azimuthal angles.
    """
    from etatrick.numerics.k_support import k_support_norm

    directions = _directions(resolution)
    radii = {k: (1 / k_support_norm(directions, k)).tolist() for k in (1, 2, 3)}
    return {"levels": list(radii), "radii": list(radii.values()), "resolution": resolution}


def unit_balls(data: Mapping[str, Any]) -> "Figure":
    """Draw the unit balls of the k-support norms: from the ℓ1 ball (k = 1) to the Euclidean one (k = 3).

    Parameters
    ----------
    data : mapping
        As from :func:`unit_balls_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.colors import LightSource

    from etatrick.theory.pictures import blank

    directions = _directions(data["resolution"])
    figure = blank(9.0, 3.4, layout="constrained")
    names = {1: "k = 1: nuclear norm, Dropout", 2: "k = 2: DropBlock, blocks of 2", 3: "k = 3: Frobenius norm, ridge"}
    for index, (k, radii) in enumerate(zip(data["levels"], data["radii"], strict=True)):
        x, y, z = np.moveaxis(directions * np.array(radii)[..., None], -1, 0)
        ax: Any = figure.add_subplot(1, 3, index + 1, projection="3d")
        ax.plot_surface(x, y, z, color=COLOURS[index], rstride=2, cstride=2, linewidth=0, antialiased=False,
                        lightsource=LightSource(azdeg=215, altdeg=60))  # fmt: skip
        ax.set_title(names[k], fontsize=9)
        ax.set_box_aspect((1, 1, 1))
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.set_ticks([-1, 0, 1])
            axis.set_tick_params(labelsize=7)
        ax.view_init(elev=22, azim=35)
    return figure


def shrinkage_data(block_size: int = 3, strengths: int = 200) -> dict[str, Any]:
    r"""Return the singular values of the minimisers of ‖Y − A‖² + β N(A)² for three norms.

    Dropout imposes the squared nuclear norm, DropBlock the squared spectral k-support norm, ridge the squared
    Frobenius norm; strengths are matched so that all three shrink a matrix of rank one by 1/(1 + β).

    Parameters
    ----------
    block_size : int
        r of DropBlock.
    strengths : int
        Number of β between 10⁻² and 10.

    Returns
    -------
    dict
        JSON-ready: ``targets``, ``strengths``, ``curves`` by name of norm (one list per singular value), and
        ``scales``, the η of DropBlock.
    """
    from etatrick.numerics.k_support import k_support_eta, prox_k_support

    targets, betas = np.array(TARGETS), np.geomspace(1e-2, 10, strengths)
    levels = {"Dropout": 1, f"DropBlock, blocks of {block_size}": block_size, "ridge": len(TARGETS)}
    curves = {name: np.array([prox_k_support(targets, k, beta) for beta in betas]) for name, k in levels.items()}
    scales = np.array([k_support_eta(a, block_size) for a in curves[f"DropBlock, blocks of {block_size}"]])
    return {"targets": targets.tolist(), "strengths": betas.tolist(), "scales": scales.T.tolist(),
            "curves": {name: values.T.tolist() for name, values in curves.items()}}  # fmt: skip


def shrinkage(data: Mapping[str, Any]) -> "Figure":
    """Draw the singular values along β for three norms, and the scales η of DropBlock.

    Parameters
    ----------
    data : mapping
        As from :func:`shrinkage_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(4, height=2.9, width=2.6)
    for index, (name, curves) in enumerate(data["curves"].items()):
        for curve in curves:
            axes[index].plot(data["strengths"], curve, color=COLOURS[index], linewidth=1.3)
        label(axes[index], name, r"$\beta$", "singular values" if index == 0 else "")
        axes[index].set_ylim(0, 1.05 * max(data["targets"]))
    for curve in data["scales"]:
        axes[3].plot(data["strengths"], curve, color=COLOURS[1], linewidth=1.3)
    label(axes[3], r"scales $\eta$ of DropBlock", r"$\beta$", "")
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xlim(min(data["strengths"]), max(data["strengths"]))
    return figure


def sliding_mask_data(side: int = 14, block_size: int = 7, retain: float = 0.9) -> dict[str, Any]:
    """Return the retain rates and correlations of a DropBlock mask as real layers draw it.

    Parameters
    ----------
    side : int
        Height and width of the feature map.
    block_size : int
    retain : float
        The rate the layer is asked for.

    Returns
    -------
    dict
        JSON-ready: ``retain`` asked for; ``rates``, the probability that each place is retained; ``corner`` and
        ``centre``, the covariance C̄ of one place with all others.
    """
    from etatrick.theory.noise import SlidingBlocks2D

    law = SlidingBlocks2D.from_retain(retain, side, side, block_size)
    covariance = law.normalised_covariance
    middle = (side // 2) * side + side // 2
    grids = {"rates": np.array([float(m) for m in law.mean]), "corner": covariance[0], "centre": covariance[middle]}
    return {"retain": retain, "block_size": block_size,
            **{name: grid.reshape(side, side).tolist() for name, grid in grids.items()}}  # fmt: skip


def sliding_mask(data: Mapping[str, Any]) -> "Figure":
    """Draw where a sliding DropBlock layer drops, and which places it drops together.

    Parameters
    ----------
    data : mapping
        As from :func:`sliding_mask_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(4, height=2.8, width=2.8)
    size = data["block_size"]
    titles = {"rates": f"retain rate (asked for: {data['retain']:g})", "corner": r"$\bar C$ with the corner",
              "centre": r"$\bar C$ with the centre"}  # fmt: skip
    for ax, (name, title) in zip(axes[:3], titles.items(), strict=True):
        image = ax.imshow(np.array(data[name]), cmap="viridis", origin="upper")
        figure.colorbar(image, ax=ax, shrink=0.75).ax.tick_params(labelsize=7)
        ax.grid(visible=False)
        label(ax, title, "column", "row" if name == "rates" else "")
    rates = np.array(data["rates"])
    axes[3].plot(np.diag(rates), color=COLOURS[0], linestyle=DASHES[0], label=f"blocks of {size}")
    axes[3].axhline(data["retain"], color=GREY, linestyle=DASHES[3], label="asked for")
    label(axes[3], "along the diagonal", "row = column", "retain rate")
    legend(axes[3], loc="upper center")
    return figure


def _directions(resolution: int) -> Any:
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, resolution), np.linspace(0, 2 * np.pi, 2 * resolution), indexing="ij"
    )
    return np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=-1)

"""Ordered scales η₁ ≥ η₂ ≥ …: the wedge penalty, solved exactly by pooling adjacent violators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.theory.vector.arguments import theorem
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, total

if TYPE_CHECKING:
    from etatrick.theory.verdict import Verdict


@final
@dataclass(frozen=True)
class Ordered(VectorDuality):
    r"""The wedge penalty: later weights are retained no more than earlier ones.

    .. math:: \Omega(w) = \tfrac12 \min_{\eta_1 \ge \eta_2 \ge \dots \ge 0} \sum_i (w_i^2/\eta_i + \eta_i)
              = \sum_B \sqrt{|B|}\, \lVert w_B \rVert, \qquad
              \hat\eta_i(w) = \lVert w_B \rVert / \sqrt{|B|} \ (i \in B), \qquad
              f(\eta) = \sum_i \max_{j \ge i} \eta_j

    (Micchelli, Morales, Pontil 2013). The blocks B of neighbours come from pooling: η̂² is the nonincreasing
    least-squares fit to w∘w. On ordered scales f is Σ η; otherwise it charges the smallest ordered scales above η.

    Examples
    --------
    >>> rule = Ordered()
    >>> rule.eta_hat_at([1.0, -7.0, 1.0]).tolist(), float(rule.penalty_at([1.0, -7.0, 1.0]))
    ([5.0, 5.0, 1.0], 11.0)
    """

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        jointly = "w²/η + η is jointly convex, and so is its minimum over a convex cone of scales"
        return {
            "subquadratic": theorem("minimum of nondecreasing linear functions", "½Σ(u/η + η), one per η"),
            "convex": theorem("partial minimisation of a jointly convex function", jointly),
            "homogeneous": theorem("scaling of a cone", "(tw, tη) scales the energy by t: degree 1"),
            "exact_zeros": theorem("comparison", "fewer scales are allowed than for the ℓ1 norm, so Ω(v) ≥ ‖v‖₁"),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        return aligned(
            r"\tfrac12\min_{\eta_1\ge\dots\ge\eta_d\ge0}\textstyle\sum_i (w_i^2/\eta_i+\eta_i)",
            r"\lVert w_B\rVert/\sqrt{|B|}\ (i\in B,\text{ the pooled blocks})",
            r"\textstyle\sum_i\max_{j\ge i}\eta_j",
        )

    def _penalty(self, w: Floats) -> Floats:
        return total(self._eta_hat(w))  # on each block w²/η and η have the same sum

    def _eta_hat(self, w: Floats) -> Floats:
        largest = np.abs(w).max(axis=1, initial=0.0, keepdims=True)
        unit = np.where(largest > 0, largest, 1.0)
        return np.array([_pooled(row) for row in (w / unit) ** 2], dtype=np.float64).reshape(w.shape) ** 0.5 * unit

    def _dual(self, eta: Floats) -> Floats:
        return total(np.maximum.accumulate(eta[:, ::-1], axis=1))


def _pooled(values: Floats) -> list[float]:
    """Return the nonincreasing sequence closest to `values` in least squares."""
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        total, count = value, 1
        while blocks and blocks[-1][0] * count <= total * blocks[-1][1]:
            before, length = blocks.pop()
            total, count = before + total, length + count
        blocks.append((total, count))
    return [total / count for total, count in blocks for _ in range(count)]

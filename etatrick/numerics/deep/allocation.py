"""The global optimum over all ranks, with a bound for every rank that was not chosen."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.deep.edge import edge_bound
from etatrick.numerics.deep.faces import Face, solve_face, surplus
from etatrick.numerics.deep.layers import Layers

if TYPE_CHECKING:
    from etatrick.numerics.deep.layers import Floats


@final
@dataclass(frozen=True)
class RankBound:
    """No network whose rank lies in first..last has an objective below `bound`.

    Parameters
    ----------
    first, last : int
    bound : float
    reason : str
    """

    first: int
    last: int
    bound: float
    reason: str


@final
@dataclass(frozen=True)
class DeepCertificate:
    """How far the objective can be from the global minimum, recomputed from the singular values.

    Parameters
    ----------
    gap : float
        The objective minus the least of the bounds, relative to the objective.
    bounds : tuple of RankBound
        Together they cover every rank.
    """

    gap: float
    bounds: tuple[RankBound, ...]


@final
@dataclass(frozen=True)
class Allocation:
    """The best face, all faces that were solved, and the certificate."""

    best: Face
    faces: tuple[Face, ...]
    certificate: DeepCertificate


def concave_at_equal_shares(layers: Layers, rank: int) -> bool:
    """Whether equal shares lie inside the region Σ odds/(2h + odds) < 1, without which no allocation of the rank does.

    The region is convex, so it would contain the mean of its points.
    """
    scarce, _ = layers.split(rank)
    odds = layers.odds[scarce]
    return bool(scarce.sum() <= 1 or (odds / (2 * layers.widths[scarce] / rank + odds)).sum() < 1)


def allocate(m: "Floats", layers: Layers) -> Allocation:
    r"""Maximise Σ_j m_j² Π_i h_ij/(h_ij + λ_i) over h ≥ 0, Σ_j h_ij ≤ d_i, h_ij ≤ B_i, globally.

    The problem is not concave. What makes it tractable (derived in the theory page on deep linear networks):

    1. Directions are taken in order, so the support is {1..ρ}.
    2. Π h/(h+λ) is concave exactly where Σ_i λ_i/(2h_i + λ_i) ≤ 1, a convex region.
    3. At a global maximum with ρ ≥ 2 every active direction lies inside that region: otherwise handing all units
       of the last direction to the others gains more than it loses. So each rank is one concave problem.
    4. Prices bound the ranks: at the prices of rank ρ a direction whose best net value is ≤ 0 cannot help.

    Parameters
    ----------
    m : ndarray, shape (n,)
        Positive, decreasing.
    layers : Layers

    Returns
    -------
    Allocation

    Examples
    --------
    >>> from etatrick.numerics.deep.layers import read_layers
    >>> best = allocate(np.array([3.0, 2.0, 1.0]), read_layers((4, 4), 0.5)).best
    >>> best.rank, round(best.objective, 5)
    (2, 5.49694)
    """
    top = min(m.size, layers.max_rank)
    faces = {1: _rank_one(m, layers)}
    low = _largest_paying(m, layers, top, faces)
    bounds = []
    if low > 1:
        floor = faces[low].objective - faces[low].gap
        bounds.append(RankBound(1, low - 1, floor, f"every direction of rank {low} pays at its prices"))
    tried = _climb(m, layers, low, top, faces, bounds)
    solved = tuple(faces[rank] for rank in sorted(faces))
    best = min(solved, key=lambda face: face.objective)
    bounds += [
        RankBound(rank, rank, faces[rank].objective - faces[rank].gap, "dual bound of a concave problem")
        for rank in range(low, tried + 1)
    ]
    bounds.sort(key=lambda bound: bound.first)
    worst = max(best.gap, max(best.objective - bound.bound for bound in bounds))
    gap = max(worst, 0.0) / best.objective if best.objective > 0 else max(worst, 0.0)
    return Allocation(best, solved, DeepCertificate(gap, tuple(bounds)))


def _rank_one(m: "Floats", layers: Layers) -> Face:
    face = solve_face(m, layers, 1)
    assert face is not None
    return face


def _largest_paying(m: "Floats", layers: Layers, top: int, faces: dict[int, Face]) -> int:
    """Return a large rank whose last direction pays at the prices of that rank, by a guided bisection."""
    low, high, guess = 1, top + 1, 0
    while high - low > 1:
        rank = guess if low < guess < high else (low + high) // 2
        guess = 0
        face = solve_face(m, layers, rank) if concave_at_equal_shares(layers, rank) else None
        if face is None:
            high = rank
            continue
        faces[rank] = face
        paying = int(np.count_nonzero(surplus(m[:top], layers, face.prices)))
        if paying >= rank and _pays(m, layers, face):
            low, high = rank, min(high, paying + 1)
            guess = high - 1
        else:
            high, guess = rank, paying
    return low


def _pays(m: "Floats", layers: Layers, face: Face) -> bool:
    """Whether the last direction of a face has a net value ≥ 0 at its prices."""
    last = face.budgets[-1]
    value = float(m[face.rank - 1] ** 2 * np.exp(layers.retained(last)))
    return value >= float(face.prices @ last)


def _climb(m: "Floats", layers: Layers, rank: int, top: int, faces: dict[int, Face], bounds: list[RankBound]) -> int:
    """Solve rank after rank until a bound covers all higher ones; return the last rank solved."""
    while rank < top:
        face = faces[rank]
        if not surplus(m[rank:top], layers, face.prices).any():
            reason = f"no further direction pays at the prices of rank {rank}"
            bounds.append(RankBound(rank + 1, top, face.objective - face.gap, reason))
            break
        if not concave_at_equal_shares(layers, rank + 1):
            reason = "equal shares lie outside the concave region"
            bounds.append(RankBound(rank + 1, top, float("inf"), reason))
            break
        following = faces.get(rank + 1) or solve_face(m, layers, rank + 1)
        if following is None:
            total = float((m**2).sum())
            goal = total - min(solved.objective for solved in faces.values())
            bound = total - edge_bound(m[:top], layers, rank + 1, goal)
            bounds.append(RankBound(rank + 1, top, bound, "Lagrangian with the last directions on the boundary"))
            break
        rank += 1
        faces[rank] = following
    return rank

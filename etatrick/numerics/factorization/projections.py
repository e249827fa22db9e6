"""Spectra as sums of orthogonal projections: the peeling construction behind balanced factors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING: Final = 256 * np.finfo(np.float64).eps
TRIES: Final = 300  # peels tried before the search gives up


@final
@dataclass(frozen=True)
class Rotation:
    """One vector in the plane of directions `low` and `high`, after which their scales are `below` ≤ `above`."""

    low: int
    high: int
    below: float
    above: float


def sum_of_projections(target: "NDArray[np.float64]", ranks: Sequence[int]) -> "list[NDArray[np.float64]] | None":
    """Return bases of orthogonal projections of the given ranks whose sum is ``diag(target)``.

    One projection is peeled off at a time. Taking the directions of the largest remaining scales keeps all scales
    between 0 and the number of projections left, and changes no fractional part; a vector in the plane of a small and
    a large scale (a rotation, as in the Schur–Horn theorem) makes one of the two an integer. Integer scales always
    finish (Gale–Ryser). For equal ranks it suffices that no more scales are fractional than there are projections.

    Parameters
    ----------
    target : ndarray, shape (q,)
        Scales in [0, len(ranks)] whose sum is ``sum(ranks)``.
    ranks : sequence of int
        The rank of each projection, each in 0..q.

    Returns
    -------
    list of ndarray, shape (q, rank), or None
        Orthonormal columns, one array per projection; None when the search found no construction.

    Examples
    --------
    >>> bases = sum_of_projections(np.array([0.5, 1.5]), [1, 1])
    >>> bool(np.allclose(sum(b @ b.T for b in bases), np.diag([0.5, 1.5]), rtol=0, atol=1e-15))
    True
    """
    order = np.argsort([-rank for rank in ranks], kind="stable")
    sizes = [ranks[index] for index in order]
    steps = _search(np.asarray(target, dtype=np.float64), sizes)
    if steps is None:
        return None
    found = _played(steps, len(target))
    bases: list[NDArray[np.float64]] = [np.zeros((len(target), 0))] * len(ranks)
    for place, basis in zip(order, found, strict=True):
        bases[place] = basis
    return bases


@final
@dataclass(frozen=True)
class Peel:
    """One projection: whole directions `whole` and one rotation per remaining unit of rank."""

    whole: tuple[int, ...]
    rotations: tuple[Rotation, ...]


def _search(start: "NDArray[np.float64]", ranks: list[int]) -> "list[tuple[NDArray[np.float64], Peel]] | None":
    """Peel projections off depth first, most promising first, with a bounded number of attempts."""
    rounding = ROUNDING * max(len(ranks), 1)
    start = _snapped(start, rounding)
    levels = [(start, _peels(start, ranks, rounding))]
    steps: list[tuple[NDArray[np.float64], Peel]] = []
    for _ in range(TRIES + len(ranks)):
        if len(steps) == len(ranks):
            break
        scales, options = levels[-1]
        peel = next(options, None)
        if peel is None and not steps:
            return None
        if peel is None:
            levels.pop()
            steps.pop()
            continue
        steps.append((scales, peel))
        left = _after(scales, peel, rounding)
        levels.append((left, _peels(left, ranks[len(steps) :], rounding)))
    return steps if len(steps) == len(ranks) else None


def _peels(scales: "NDArray[np.float64]", ranks: list[int], rounding: float) -> Iterator[Peel]:
    """Yield ways to take the next projection: with as many rotations as fit, then with fewer."""
    if not ranks:
        return
    rank, left = ranks[0], len(ranks) - 1
    order = np.argsort(-scales, kind="stable")
    inside, outside = order[:rank].tolist(), order[rank:].tolist()
    # a scale that reaches 0 or the number of projections left is settled: the nearer of the two ends first
    upwards = 2 * float(scales.sum()) > (left + 1) * int(np.count_nonzero(scales))
    tried = set()
    for limit in (rank, 1, 0):
        for highs in (upwards, not upwards):
            for lows in (outside[::-1], outside):
                rotations = _rotations(scales, inside, lows, left, limit, highs)
                used = {rotation.high for rotation in rotations}
                peel = Peel(tuple(index for index in inside if index not in used), tuple(rotations))
                if peel not in tried and _within(_after(scales, peel, rounding), ranks[1:]):
                    tried.add(peel)
                    yield peel


def _rotations(
    scales: "NDArray[np.float64]", inside: list[int], outside: list[int], left: int, limit: int, upwards: bool
) -> list[Rotation]:
    """Pair fractional scales, largest inside first, where a rotation makes one of the two an integer."""
    highs = [index for index in inside if scales[index] % 1 > 0]
    found: list[Rotation] = []
    for low in (index for index in outside if scales[index] % 1 > 0):
        if len(found) >= limit:
            break
        for high in highs:
            rotation = _rotation(scales, low, high, left, upwards)
            if rotation is not None:
                found.append(rotation)
                highs.remove(high)
                break
    return found


def _rotation(scales: "NDArray[np.float64]", low: int, high: int, left: int, upwards: bool) -> Rotation | None:
    """Return a rotation that makes the scale of `high` (if `upwards`) or of `low` an integer, else the other."""
    small, large = float(scales[low]), float(scales[high])
    part_small, part_large = small % 1, large % 1
    lower = upper = None
    if large >= np.ceil(small) and large + part_small <= left + 1:
        lower = Rotation(low, high, float(np.floor(small)), large - 1 + part_small)
    if np.floor(large) >= small and small + part_large >= 1:
        upper = Rotation(low, high, small - 1 + part_large, float(np.floor(large)))
    return (upper or lower) if upwards else (lower or upper)


def _after(scales: "NDArray[np.float64]", peel: Peel, rounding: float) -> "NDArray[np.float64]":
    remaining = scales.copy()
    remaining[list(peel.whole)] -= 1
    for rotation in peel.rotations:
        remaining[rotation.low], remaining[rotation.high] = rotation.below, rotation.above
    return _snapped(remaining, rounding)


def _within(scales: "NDArray[np.float64]", ranks: list[int]) -> bool:
    """Whether the remaining ranks can still add up to these scales: the majorisation that integers need."""
    if scales.min(initial=0.0) < 0 or scales.max(initial=0.0) > len(ranks):
        return False
    largest = np.cumsum(np.sort(scales)[::-1])
    carried = np.minimum.outer(np.arange(1, len(scales) + 1), np.asarray(ranks, dtype=np.int64)).sum(axis=1)
    return bool((largest <= carried + ROUNDING * (1 + len(ranks)) * len(scales)).all())


def _snapped(scales: "NDArray[np.float64]", rounding: float) -> "NDArray[np.float64]":
    """Return the scales with those within rounding of an integer on it."""
    nearest = np.rint(scales)
    return np.where(np.abs(scales - nearest) <= rounding, nearest, scales)


def _played(steps: "list[tuple[NDArray[np.float64], Peel]]", size: int) -> "list[NDArray[np.float64]]":
    """Return the bases that the steps take, following the directions as the rotations turn them."""
    directions = np.eye(size)
    bases = []
    for scales, peel in steps:
        columns = [directions[:, list(peel.whole)]]
        for rotation in peel.rotations:
            plane = directions[:, [rotation.low, rotation.high]]
            vector = _vector(float(scales[rotation.low]), float(scales[rotation.high]), rotation)
            columns.append((plane @ vector)[:, None])
            block = np.diag(scales[[rotation.low, rotation.high]]) - np.outer(vector, vector)
            directions[:, [rotation.low, rotation.high]] = plane @ np.linalg.eigh(block)[1]
        bases.append(np.hstack(columns))
    return bases


def _vector(small: float, large: float, rotation: Rotation) -> "NDArray[np.float64]":
    """Return the unit vector f for which diag(small, large) − ffᵀ has the eigenvalues of the rotation."""
    low = (small - rotation.below) * (rotation.above - small)
    high = (large - rotation.below) * (large - rotation.above)
    squares = np.maximum([low, high], 0.0)
    return np.asarray(np.sqrt(squares / squares.sum()))

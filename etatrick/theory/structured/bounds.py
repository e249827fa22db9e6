"""Certified bounds from both sides for a covariance whose norm is not known: Loewner order, covers and colourings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, final

import numpy as np

from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.sliding import SlidingBlocks, WindowLaw
from etatrick.theory.structured.scales import OrderedScales
from etatrick.theory.structured.semidefinite import (
    ROUNDING,
    Floats,
    Table,
    capacity,
    eliminated,
    loewner_at_least,
)
from etatrick.theory.structured.steps import Step, cauchy_over_blocks
from etatrick.theory.vector.arguments import theorem
from etatrick.theory.verdict import Verdict

MOST_COLOURS: Final = 8
SAFETY: Final = 1e-9


@final
@dataclass(frozen=True)
class Bound:
    """A norm on one side of the unknown one, and the step that proves it."""

    scales: OrderedScales
    step: Step


def lower_bounds(law: MaskLaw, table: Table | Floats, total: Any) -> tuple[Bound, ...]:
    """Return norms below Θ**, with g(all units) = `total`: from C̄ ⪰ C̄′ with a simpler C̄′ that is charged exactly."""
    found = [loewner_rank_one(table, total)]
    if isinstance(law, WindowLaw) and (cover := window_cover(law, table)) is not None:
        found.append(cover)
    partitions: list[list[tuple[int, ...]]] = [[(i,) for i in range(law.size)]]
    if isinstance(law, SlidingBlocks) and law.block_size > 1:
        r = law.block_size
        partitions.append([tuple(range(i, min(i + r, law.size))) for i in range(0, law.size, r)])
    found += [b for p in partitions if (b := loewner_partition(table, p)) is not None]
    return tuple(b for b in found if b.step.verdict.holds)


def upper_bounds(law: MaskLaw, table: Table | Floats, total: Any) -> tuple[Bound, ...]:
    """Return norms above Θ**: units of one colour share a singular direction, with the best weights for it."""
    arguments = cauchy_over_blocks().verdict
    found = []
    for colouring in colourings(table):
        pairs = [(total if len(colouring) == 1 else capacity(table, part), part) for part in colouring]
        gains = sorted((g for g, _ in pairs), reverse=True)
        status = reached(table, pairs)
        shown = ", ".join(f"{float(g):.6g}" for g in gains)
        verdict = theorem("Cauchy–Schwarz over colours", f"g = {shown}", arguments, status, domain="all matrices")
        claim = r"\Theta^{**}\le N^2_\omega,\ \omega_c=g(S_c)\text{ for a partition }\{S_c\}\text{ of the units}"
        found.append(Bound(OrderedScales(tuple(gains)), Step(claim, verdict)))
    return tuple(bound for bound in found if bound.step.verdict.holds)


def reached(table: Table | Floats, pairs: Sequence[tuple[Any, Sequence[int]]]) -> Verdict:
    """Check that each g(S) is reached: C̄_SS − 11ᵀ/g ⪰ 0 has a null vector x with 1ᵀx ≠ 0, so xᵀC̄x = (1ᵀx)²/g.

    Examples
    --------
    >>> F = Fraction
    >>> table = [[F(1), F(0)], [F(0), F(1)]]
    >>> reached(table, [(F(2), (0, 1))]).status, reached(table, [(F(3), (0, 1))]).status
    ('proved', 'refuted')
    """
    for g, part in pairs:
        if isinstance(table, list):
            rows = [[*(table[i][j] - 1 / g for j in part), Fraction(1)] for i in part]
            holds = eliminated(rows) == float("inf")
        else:
            block = table[np.ix_(list(part), list(part))]
            x = np.linalg.lstsq(block, np.ones(len(part)), rcond=ROUNDING)[0]
            holds = abs(float(x.sum()) ** 2 / float(x @ block @ x) / g - 1) < SAFETY
        if not holds:
            return Verdict("refuted", "g(S) is not reached", witness={"g": float(g), "first unit": float(part[0])})
    return Verdict("proved" if isinstance(table, list) else "checked", "g(S) is reached for every colour")


def loewner_rank_one(table: Table | Floats, total: Any) -> Bound:
    """Return ‖A‖_F²/g ≤ Θ**, from C̄ ⪰ 11ᵀ/g."""
    ones = [[1 / total] * len(table) for _ in range(len(table))]
    verdict = loewner_at_least(table, ones)
    claim = r"\bar C\succeq\mathbf 1\mathbf 1^T/g_1\Rightarrow\Theta^{**}\ge\lVert A\rVert_F^2/g_1"
    return Bound(OrderedScales((total,), tail=total), Step(claim, verdict))


def window_cover(law: WindowLaw, table: Table | Floats) -> Bound | None:
    r"""Return the bound of windows that cover every unit m times: C̄ ⪰ c Σ_W 1_W 1_Wᵀ.

    With A_W the part of the window W, Σ_W A_W = mA and rank A_W ≤ |W|, so that Ω ≥ c Σ‖A_W‖² ≥ (c m²/#W) ‖A‖²_{sp,|W|}.
    """
    windows = law.windows
    incidence = np.zeros((len(windows), law.size), dtype=np.int64)
    np.put_along_axis(incidence, windows, 1, axis=1)
    times = set(incidence.sum(axis=0).tolist())
    if len(times) != 1:
        return None
    m, shared = times.pop(), incidence.T @ incidence
    smaller: Any
    c: Any
    if isinstance(table, list):
        c = sum((sum(row, start=Fraction(0)) for row in table), start=Fraction(0)) / int(shared.sum())
        smaller = [[c * int(v) for v in row] for row in shared]
    else:
        c = float(table.sum() / shared.sum())
        smaller = c * shared
    verdict = loewner_at_least(table, smaller)
    weight = len(windows) / (m * m * c)
    claim = r"\bar C\succeq c\sum_W\mathbf 1_W\mathbf 1_W^T\Rightarrow\Theta^{**}\ge\lVert A\rVert_{sp,|W|}^2\,cm^2/\#W"
    return Bound(OrderedScales((weight,) * windows.shape[1]), Step(claim, verdict))


def loewner_partition(table: Table | Floats, parts: Sequence[Sequence[int]]) -> Bound | None:
    """Return the bound C̄ ⪰ s ⊕ 11ᵀ/g(S_b), with the largest s found, rounded down before the exact check."""
    exact = isinstance(table, list)
    gains = [capacity(table, part) for part in parts]
    full = np.array(table, dtype=np.float64)
    basis = np.zeros((len(full), len(parts)))
    for b, (part, g) in enumerate(zip(parts, gains, strict=True)):
        basis[list(part), b] = float(g) ** -0.5
    inner = np.linalg.pinv(full, hermitian=True)
    top = float(np.linalg.eigvalsh(basis.T @ inner @ basis)[-1])
    if not (np.isfinite(top) and 0 < top < 1 / SAFETY):
        return None
    s: Any = (1 - SAFETY) / top
    s = Fraction(s).limit_denominator(10**12) if exact else s
    smaller: Any = [[s * 0] * len(full) for _ in range(len(full))]
    for part, g in zip(parts, gains, strict=True):
        for i in part:
            for j in part:
                smaller[i][j] = s / g
    verdict = loewner_at_least(table, smaller)
    longest = max(map(len, parts))
    omega = tuple(sum(g for part, g in zip(parts, gains, strict=True) if len(part) > i) / s for i in range(longest))
    claim = r"\bar C\succeq s\bigoplus_b\mathbf 1\mathbf 1^T/g(S_b)\Rightarrow\Theta^{**}\ge N_\omega^2"
    return Bound(OrderedScales(omega), Step(claim, verdict))


def colourings(table: Table | Floats) -> Iterator[list[list[int]]]:
    """Yield partitions of the units: residues modulo 1, 2, …, 8, and a greedy one of uncorrelated units.

    Examples
    --------
    >>> list(colourings([[Fraction(1), Fraction(1)], [Fraction(1), Fraction(1)]]))
    [[[0, 1]], [[0], [1]]]
    """
    size = len(table)
    seen = []
    for m in range(1, min(MOST_COLOURS, size) + 1):
        seen.append([list(range(c, size, m)) for c in range(m)])
    parts: list[list[int]] = []
    for i in range(size):
        home = next((part for part in parts if all(table[i][j] == 0 for j in part)), None)
        parts.append([i]) if home is None else home.append(i)
    yield from seen if parts in seen else [*seen, parts]

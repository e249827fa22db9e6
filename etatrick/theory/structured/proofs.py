"""The proofs for each structure of the covariance: from the entries of C̄ to the norm, step by step."""

from fractions import Fraction
from typing import Any, Final

import numpy as np
import sympy as sp

from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.structured.atoms import convex_combination
from etatrick.theory.structured.scales import LayeredScales, OrderedScales
from etatrick.theory.structured.semidefinite import fraction
from etatrick.theory.structured.steps import (
    Spectrum,
    Step,
    at_spectra,
    cauchy_over_blocks,
    dual_weights,
    eta_trick,
    homogeneous_conjugate,
    identity,
    symbolic,
    trace_inequality,
)
from etatrick.theory.structured.structure import CoupledBlocks, LayeredBlocks, SeparateBlocks
from etatrick.theory.verdict import Verdict

Blocks = SeparateBlocks | CoupledBlocks | LayeredBlocks
MOST_ENTRIES: Final = 16
SAMPLED: Final = 200
EXPANDED: Final = 4


def covariance_step(law: MaskLaw, blocks: Blocks) -> Step:
    """Return the step that compares the entries of C̄ with the blocks they were read as.

    Up to 16 units every entry is compared exactly, otherwise 200 seeded pairs of units.
    """
    sizes = getattr(law, "block_sizes", None)
    if law.size <= MOST_ENTRIES:
        table = law.exact_normalised_covariance
        owner = np.repeat(np.arange(len(sizes)), sizes).tolist() if sizes else connected(table)
        found = Verdict("proved", "every entry, exactly", f"{law.size} units")
        for i in range(law.size):
            for j in range(law.size):
                claimed = symbolic(blocks.entry(owner[i], owner[j], i == j))
                one = identity(table[i, j] - claimed, f"entry {i}, {j}")
                found = found if one.status == "proved" else one
        return Step(covariance_claim(blocks), found)
    rng = np.random.default_rng(law.size)
    pairs = rng.integers(0, law.size, size=(SAMPLED, 2)).tolist() + [[i, i] for i in (0, law.size - 1)]
    owner = np.repeat(np.arange(len(sizes)), sizes).tolist() if sizes else connected(law.exact_normalised_covariance)
    wrong = [p for p in pairs if not same_entry(law, blocks, owner, *p)]
    if wrong:
        return Step(
            covariance_claim(blocks), Verdict("refuted", "entries", witness=dict(zip("ij", wrong[0], strict=True)))
        )
    return Step(
        covariance_claim(blocks), Verdict("checked", "entries, exactly", f"{len(pairs)} pairs of {law.size} units")
    )


def same_entry(law: MaskLaw, blocks: Blocks, owner: list[int], i: int, j: int) -> bool:
    """Whether one exact entry of C̄ is what the blocks say."""
    value = law.moment((i, j)) / (law.moment((i,)) * law.moment((j,))) - 1
    return identity(value - symbolic(blocks.entry(owner[i], owner[j], i == j)), "entry").status == "proved"


def connected(table: Any) -> list[int]:
    """Return for every unit the number of the block it is correlated with."""
    starts: list[int] = []
    found = []
    for i in range(table.rows):
        home = next((b for b, first in enumerate(starts) if table[first, i] != 0), len(starts))
        if home == len(starts):
            starts.append(i)
        found.append(home)
    return found


def covariance_claim(blocks: Blocks) -> str:
    """Return what the entries of C̄ are, in LaTeX."""
    match blocks:
        case SeparateBlocks():
            return r"\bar C=\bigoplus_b\lambda_b\,\mathbf 1\mathbf 1^T"
        case CoupledBlocks():
            return r"\bar C=\kappa\,(B\bigoplus_b\mathbf 1\mathbf 1^T-\mathbf 1\mathbf 1^T)"
        case LayeredBlocks():
            return r"\bar C=\bigoplus_b\lambda_b\,\mathbf 1\mathbf 1^T+\lambda' I"


def expansion_step(blocks: Blocks) -> Step:
    """Return the step from C̄ to norms of blocks, expanded for 2 × 2 matrices and the first units, two per block."""
    owner = [b for b, size in enumerate(blocks.sizes) for _ in range(min(size, 2))][:EXPANDED]
    U, V = (sp.Matrix(2, len(owner), sp.symbols(f"{name}_1:{2 * len(owner) + 1}")) for name in "uv")
    A = [U[:, i] * V[:, i].T for i in range(len(owner))]
    units = range(len(owner))
    G, H = U.T * U, V.T * V
    regularizer = sum(
        symbolic(blocks.entry(owner[i], owner[j], i == j)) * G[i, j] * H[i, j] for i in units for j in units
    )
    parts = {b: sum((A[i] for i in units if owner[i] == b), start=sp.zeros(2, 2)) for b in owner}
    square = {b: squared(part) for b, part in parts.items()}
    whole = sum(A, start=sp.zeros(2, 2))
    match blocks:
        case SeparateBlocks():
            claim, value = (
                r"\Omega=\sum_b\lambda_b\lVert A_b\rVert_F^2",
                sum(symbolic(blocks.odds[b]) * s for b, s in square.items()),
            )
        case CoupledBlocks():
            kappa = symbolic(blocks.coupling)
            claim = r"\Omega=\kappa\,(B\sum_b\lVert A_b\rVert_F^2-\lVert A\rVert_F^2)"
            value = kappa * (len(blocks.sizes) * sum(square.values()) - squared(whole))
        case LayeredBlocks():
            claim = r"\Omega=\lambda_b\sum_b\lVert A_b\rVert_F^2+\lambda'\sum_i\lVert u_i\rVert^2\lVert v_i\rVert^2"
            value = symbolic(blocks.block_odds) * sum(square.values()) + symbolic(blocks.unit_odds) * sum(
                map(squared, A)
            )
    return Step(
        claim + r",\quad A_b=U_bV_b^T",
        identity(regularizer - value, "expansion", f"2 × 2 matrices, {len(owner)} units"),
    )


def squared(matrix: Any) -> Any:
    """Return the squared Frobenius norm of a real matrix."""
    return sp.Add(*(x**2 for x in matrix))


def separate_proof(law: MaskLaw, blocks: SeparateBlocks, weights: tuple[Any, ...], scales: Any) -> tuple[Step, ...]:
    """Return the proof for independent blocks with the claimed weights ω; the η-trick only for numbers."""
    first = (covariance_step(law, blocks), expansion_step(blocks), homogeneous_conjugate(), cauchy_over_blocks())
    pairs = list(zip(blocks.sizes, blocks.odds, strict=True))
    second = (trace_inequality(), dual_weights(pairs, weights), spread_step(blocks, weights[0]))
    if scales is None:
        return first + second
    third: tuple[Step, ...] = (*eta_trick(scales), low_rank_step(min(blocks.sizes), scales, weights[0]))
    if len(set(blocks.sizes)) == 1:
        third += (convex_combination(blocks.sizes[0], weights[0], scales),)
    return first + second + third


def spread_step(blocks: SeparateBlocks, total: Any) -> Step:
    """Return the step A_b = A λ_b⁻¹/Σλ⁻¹, which costs ‖A‖_F²/Σλ⁻¹ wherever rank A fits into every block."""
    g, square = symbolic(total), sp.Symbol("F", positive=True)
    counts = {odds: blocks.odds.count(odds) for odds in set(blocks.odds)}
    sum_of_shares = sp.Add(*(n / symbolic(o) / g for o, n in counts.items()))
    cost = sp.Add(*(n * symbolic(o) * square / (symbolic(o) * g) ** 2 for o, n in counts.items()))
    shares = identity(sum_of_shares - 1, "the shares sum to 1")
    found = identity(cost - square / g, "the cost of the shares") if shares.status == "proved" else shares
    return Step(r"\operatorname{rank}A\le\min_br_b\Rightarrow\Theta(A)\le\lVert A\rVert_F^2/\omega_1", found)


def low_rank_step(rank: int, scales: OrderedScales, total: Fraction) -> Step:
    """Return the step N² = ‖A‖_F²/ω₁ on matrices that fit into every block, so that Θ = Θ** there."""

    def equal(spectrum: Spectrum) -> bool:
        cut = spectrum[:rank] + (Fraction(0),) * (len(spectrum) - rank)
        return bool(scales.square(cut) == sum(v * v for v in cut) / total)

    found = at_spectra(equal, "the norm of spectra cut to the smallest block")
    return Step(r"\operatorname{rank}A\le\min_br_b\Rightarrow N^2(A)=\lVert A\rVert_F^2/\omega_1", found)


def layered_proof(law: MaskLaw, blocks: LayeredBlocks, scales: LayeredScales | None) -> tuple[Step, ...]:
    """Return the proof for Dropout × DropBlock: each part is bounded by its own norm, and their conjugates combine."""
    rank, count = blocks.sizes[0], len(blocks.sizes)
    pairs = [(rank, blocks.block_odds)] * count
    first = (covariance_step(law, blocks), expansion_step(blocks), homogeneous_conjugate(), cauchy_over_blocks())
    weights = (count / symbolic(blocks.block_odds),) * rank
    unit = dual_weights([(1, blocks.unit_odds)] * (rank * count), (rank * count / symbolic(blocks.unit_odds),))
    found = (*first, trace_inequality(), dual_weights(pairs, weights), unit)
    return found if scales is None else (*found, layered_step(scales), *eta_trick(scales))


def layered_step(scales: LayeredScales) -> Step:
    """Return the step that the bound of the sum is attained: singular values (ζ − t)₊/c_b on r directions.

    Equal blocks with these singular values, each spread evenly over its r units, cost c_b‖a‖² + c_u(Σa)² together.
    """

    def attained(zeta: Spectrum) -> bool:
        best = max(
            (shifted(zeta[:j], scales) for j in range(1, min(scales.rank, len(zeta)) + 1)),
            key=lambda a: gain(a, zeta, scales),
        )
        return bool(gain(best, zeta, scales) == scales.dual_square(zeta))

    checked = at_spectra(attained, "the best of r candidates against the minimum over t")
    claim = r"N_*^2=\min_t\sum_{i\le r}(\zeta_i-t)_+^2/c_b+t^2/c_u;N^2=c_b\lVert A\rVert_{sp,r}^2+c_u\lVert A\rVert_*^2"
    return Step(claim, checked)


def shifted(zeta: Spectrum, scales: LayeredScales) -> Spectrum:
    """Return the stationary point of 2⟨a,ζ⟩ − c_b‖a‖² − c_u(Σa)², cut at 0."""
    block, unit = Fraction(scales.block), Fraction(scales.unit)
    total = sum(zeta, start=Fraction(0)) / (block + len(zeta) * unit)
    return tuple(max((z - unit * total) / block, Fraction(0)) for z in zeta)


def gain(a: Spectrum, zeta: Spectrum, scales: LayeredScales) -> Fraction:
    """Return 2⟨a,ζ⟩ − c_b‖a‖² − c_u(Σa)²."""
    product = sum((x * z for x, z in zip(a, zeta, strict=False)), start=Fraction(0))
    squares = sum((x * x for x in a), start=Fraction(0))
    return 2 * product - Fraction(scales.block) * squares - Fraction(scales.unit) * sum(a, start=Fraction(0)) ** 2


def degenerate_proof(law: MaskLaw, blocks: CoupledBlocks) -> tuple[Step, ...]:
    """Return the proof that competing blocks charge nothing: C̄x = 0 for block weights x that do not sum to 0."""
    count = len(blocks.sizes)
    row = sp.Add(*(symbolic(blocks.entry(0, b, b == 0)) for b in range(count)))  # x_i = 1/r_b: each block counts once
    null = identity(row, "a row of C̄ against x_i = 1/r_b", detail=f"Σ x = {count} ≠ 0")
    return (
        covariance_step(law, blocks),
        expansion_step(blocks),
        Step(r"\bar Cx=0,\ \mathbf 1^Tx\ne0", null),
        spanning_step(null),
    )


def spanning_step(free: Verdict) -> Step:
    """Return the step from free matrices of rank one to an envelope of zero."""

    def averages(spectrum: Spectrum) -> bool:
        n = len(spectrum)
        rank_one = [[n * v if i == j else Fraction(0) for j in range(n)] for i, v in enumerate(spectrum)]
        return all(sum(column) / n == v for column, v in zip(zip(*rank_one, strict=True), spectrum, strict=True))

    mean = at_spectra(averages, "A is the mean of n matrices of rank one, nσ_i p_i q_iᵀ")
    status = "unknown" if not (free.holds and mean.holds) else Verdict.weakest(free, mean)
    found = Verdict(
        status, "u_i v_iᵀ = x_i uvᵀ costs xᵀC̄x = 0, and an envelope is below every average", detail=mean.method
    )
    return Step(r"\Theta^{**}=0", found)


def free_blocks_proof(law: MaskLaw, blocks: SeparateBlocks) -> tuple[Step, ...]:
    """Return the proof that a block that is never dropped makes everything free."""
    free = blocks.odds.index(0) if 0 in blocks.odds else 0
    zero = identity(symbolic(blocks.odds[free]), "the odds of one block", detail=f"block {free}")
    return (
        covariance_step(law, blocks),
        expansion_step(blocks),
        Step(r"\lambda_b=0\text{ for one block}", zero),
        spanning_step(zero),
    )


def exact_weight(value: Any) -> Any:
    """Return a rational sympy number as a Fraction, an expression factored."""
    return fraction(value) if value.is_Rational else sp.factor(value)

"""At which widths the induced norm is the exact minimum over the factors, not only its convex envelope."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import listed
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.structured.scales import Floats, OrderedScales
from etatrick.theory.structured.semidefinite import fraction
from etatrick.theory.structured.structure import CoupledBlocks, LayeredBlocks, SeparateBlocks, structure_of
from etatrick.theory.verdict import Verdict

EXACT: Final = "Θ(A) = Θ**(A)"
STARTS: Final = 5
SPLIT: Final = 1e-10


def exactness(law: MaskLaw, singular_values: Any) -> Verdict:
    r"""Decide whether Θ(A) equals its envelope at the width of the law, for a matrix with these singular values.

    Write η for the scales of the r-support norm, s = #{η = 1}, q = #{0 < η < 1}, κ = r − s. With B equal blocks of
    equal odds, Θ(A) = (λ/B)‖A‖² holds iff B·diag(η on the q) is a sum of B orthogonal projections of rank κ. That is so
    for B ≥ q. It is decided completely for r = 1, κ = 1, κ = q − 1 and B ≤ 2; for two blocks the spectrum of a sum of
    two projections is symmetric about 1. For competing blocks the verdict is about the attained value
    κ(‖A‖²_{sp,r} − ‖A‖_F²) (see `counted_envelope_gap`). Single units of unequal odds are decided by majorisation.

    Parameters
    ----------
    law : MaskLaw
        With numbers; equal blocks (separate, competing or layered), or single units.
    singular_values : sequence of numbers
        Of A; a float means the decimal number it prints as, and the comparison is exact.

    Returns
    -------
    Verdict
        "proved", "refuted" with a witness, "checked" where a search found the projections, or "unknown".

    Raises
    ------
    InputError
        If the law has symbols or no such blocks, or the values are empty or negative.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Blocks
    >>> from etatrick.theory.structured.exact_widths import exactness
    >>> exactness(Blocks.partition(8, 2, 0.5), [5, 2, 1, 0.5]).status
    'proved'
    >>> print(exactness(Blocks.partition(4, 2, 0.5), [5, 2, 1, 0.5]))
    refuted: 2 blocks carry 3 directions that are not saturated; Θ(A) = Θ**(A); witness B=2, q=3
    """
    if law.symbols:
        raise InputError(type(law).__name__, "needs a value for every symbol", "call law.at(…) first")
    values = sorted((fraction(v) for v in listed(singular_values, "singular_values")), reverse=True)
    if values[-1] < 0:
        raise InputError(f"{float(values[-1])}", "singular values must be ≥ 0", "pass numpy.linalg.svd's")
    sigma, blocks = [v for v in values if v > 0], structure_of(law)
    match blocks:
        case SeparateBlocks() if any(o == 0 for o in blocks.odds):
            return Verdict("unknown", "a block that is never dropped: decided only by rank", EXACT)
        case SeparateBlocks() if len(set(blocks.sizes)) == len(set(blocks.odds)) == 1:
            return equal_blocks(len(blocks.sizes), blocks.sizes[0], sigma)
        case SeparateBlocks() if max(blocks.sizes) == 1:
            return majorised(blocks.odds, sigma)
        case SeparateBlocks() if len(sigma) <= min(blocks.sizes):
            return Verdict("proved", "shares of A in proportion to 1/λ_b fit into every block", EXACT)
        case LayeredBlocks() | CoupledBlocks() if len(set(blocks.sizes)) == 1:
            return equal_blocks(len(blocks.sizes), blocks.sizes[0], sigma)
        case _:
            return Verdict("unknown", "no criterion is known for these blocks", EXACT)


def equal_blocks(count: int, size: int, sigma: Sequence[Fraction]) -> Verdict:
    """Decide whether B·diag(η) splits into B orthogonal projections, for the positive singular values in order."""
    if len(sigma) > count * size:
        witness = {"rank": len(sigma), "width": count * size}
        return Verdict("refuted", "the rank exceeds the width, so Θ(A) = ∞", EXACT, witness)
    if len(sigma) <= size:
        return Verdict("proved", "A/B fits into every block", EXACT, detail=f"rank {len(sigma)} ≤ r = {size}")
    free = [e for e in OrderedScales((Fraction(1),) * size).scales(list(sigma)) if e < 1]
    q, kappa = len(free), size - (len(sigma) - len(free))
    if q == 0 or count >= q:
        detail = f"B = {count} ≥ q = {q}, r − s = {kappa}"
        method = "averages of DᵇPD⁻ᵇ over the B-th roots of unity D are diagonal" if kappa > 1 else "Schur–Horn"
        return split_by_phases(count, q, method, detail)
    if 1 in (kappa, q - kappa) or count == 1:
        witness = {"B": count, "q": q}
        return Verdict("refuted", f"{count} blocks carry {q} directions that are not saturated", EXACT, witness)
    if q > count * min(kappa, q - kappa):
        witness = {"q": q, "B": count, "kappa": kappa}
        return Verdict(
            "refuted", "a sum of B projections of rank κ, or of rank q − κ, has too small a rank", EXACT, witness
        )
    if count == 2:
        return symmetric(free)
    return searched_split(count, kappa, free)


def searched_split(count: int, kappa: int, eta: Sequence[Fraction]) -> Verdict:
    """Search for B projections of rank κ with the sum B·diag(η), from seeded starts; Horn's inequalities would decide.

    Examples
    --------
    >>> searched_split(3, 2, [Fraction(1, 2)] * 4).status, searched_split(2, 1, [Fraction(1, 3)] * 3).status
    ('checked', 'unknown')
    """
    from scipy.optimize import minimize

    q, goal = len(eta), count * np.diag([float(e) for e in eta])
    rng, domain = np.random.default_rng(q), f"{EXACT}; B = {count} < q = {q}, κ = {kappa}"

    def distance(x: Floats) -> tuple[float, Floats]:
        V = x.reshape(count, q, kappa)
        dual = V @ np.linalg.inv(V.transpose(0, 2, 1) @ V)
        P = dual @ V.transpose(0, 2, 1)
        gap = P.sum(axis=0) - goal
        return float(np.sum(gap**2)), (4 * (np.eye(q) - P) @ gap @ dual).ravel()

    for _ in range(STARTS):
        start = rng.standard_normal(count * q * kappa)
        options = {"maxiter": 3000, "ftol": 0.0, "gtol": 1e-14}
        found = minimize(distance, start, jac=True, method="L-BFGS-B", options=options)
        if (rest := float(found.fun) ** 0.5) < SPLIT:
            return Verdict(
                "checked", "projections with the wanted sum, by search", domain, detail=f"distance {rest:.1e}"
            )
    return Verdict("unknown", "no split was found, and Horn's inequalities are not evaluated", domain)


def split_by_phases(count: int, q: int, method: str, detail: str) -> Verdict:
    """Check that the B-th roots of unity cancel off the diagonal of a q × q matrix.

    With x = exp(2πij/B), (x − 1)(1 + x + … + x^{B−1}) = x^B − 1 = 0, so the sum vanishes unless B divides j. A
    projection with the wanted diagonal exists by Schur–Horn; over the reals the spectra of sums are the same as over
    the complex numbers (Klyachko, Fulton).
    """
    if any(j % count == 0 for j in range(1, q)):
        return Verdict("unknown", "the phases do not cancel", EXACT, detail=detail)
    return Verdict("proved", method, EXACT, detail=detail)


def symmetric(eta: Sequence[Fraction]) -> Verdict:
    """Decide the case of two blocks: 2η is the spectrum of P + Q iff it is symmetric about 1."""
    ordered = sorted(eta)
    sums = [a + b for a, b in zip(ordered, reversed(ordered), strict=True)]
    worst = max(sums, key=lambda s: abs(s - 1))
    if worst == 1:
        return Verdict("proved", "the eigenvalues of P + Q come in pairs μ, 2 − μ, and so do 2η", EXACT)
    witness = {"pair_sum": float(worst)}
    return Verdict(
        "refuted", "the eigenvalues of P + Q come in pairs μ, 2 − μ, those of 2 diag(η) do not", EXACT, witness
    )


def majorised(odds: Sequence[Fraction], sigma: Sequence[Fraction]) -> Verdict:
    """Decide single units of unequal odds: ‖A‖_*·(1/λ_i)/Σ(1/λ) must be a diagonal of a matrix with spectrum σ."""
    total, shares = sum(1 / o for o in odds), sorted((1 / o for o in odds), reverse=True)
    if len(sigma) > len(odds):
        witness = {"rank": float(len(sigma)), "width": float(len(odds))}
        return Verdict("refuted", "the rank exceeds the width, so Θ(A) = ∞", EXACT, witness)
    nuclear = sum(sigma, start=Fraction(0))
    need = list(accumulate(share * nuclear / total for share in shares))
    have = list(accumulate([*sigma, *[Fraction(0)] * (len(odds) - len(sigma))]))
    for j, (a, b) in enumerate(zip(need, have, strict=True)):
        if a > b:
            witness = {"terms": float(j + 1), "shares": float(a), "singular_values": float(b)}
            return Verdict(
                "refuted", "the shares of the units are not majorised by the singular values", EXACT, witness
            )
    return Verdict("proved", "Schur–Horn: the shares of the units are majorised by the singular values", EXACT)


def two_blocks_of_two(singular_values: Any) -> tuple[float, float]:
    r"""Return B·min Σ‖A_b‖_F² and its envelope ‖A‖²_{sp,2} for r = B = 2 and a matrix of rank at most 4.

    .. math:: (\sigma_1+\sigma_4)^2 + (\sigma_2+\sigma_3)^2 \ \ge\ \lVert A\rVert_{sp,2}^2,

    with equality for two free directions and two pairs only if σ_1 + σ_4 = σ_2 + σ_3.

    Examples
    --------
    >>> from etatrick.theory.structured.exact_widths import two_blocks_of_two
    >>> two_blocks_of_two([5, 2, 1, 0.5])
    (39.25, 37.25)
    """
    sigma = sorted((fraction(v) for v in listed(singular_values, "singular_values")), reverse=True)
    if len(sigma) > 4 or sigma[-1] < 0:
        raise InputError(
            f"{len(sigma)} singular values", "must be at most four numbers ≥ 0", "pass e.g. (5, 2, 1, 0.5)"
        )
    a, b, c, d = [*sigma, *[Fraction(0)] * (4 - len(sigma))]
    return float((a + d) ** 2 + (b + c) ** 2), float(OrderedScales((Fraction(1),) * 2).square(sigma))

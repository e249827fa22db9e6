"""The norm that a mask law induces on the product of two weight matrices: the statement, its numbers and its proof."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import exact
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.structured.bounds import Bound, lower_bounds, upper_bounds
from etatrick.theory.structured.proofs import (
    degenerate_proof,
    exact_weight,
    free_blocks_proof,
    layered_proof,
    separate_proof,
    spanning_step,
)
from etatrick.theory.structured.scales import Floats, FreeScales, LayeredScales, OrderedScales, ScaleSet, read
from etatrick.theory.structured.semidefinite import capacity, covariance_of
from etatrick.theory.structured.steps import Step, dual_weights, eta_trick, identity, symbolic
from etatrick.theory.structured.structure import CoupledBlocks, LayeredBlocks, SeparateBlocks, structure_of
from etatrick.theory.verdict import Verdict

Kind: TypeAlias = Literal["nuclear", "k-support", "ordered", "layered", "none", "unknown"]


@final
@dataclass(frozen=True)
class InducedNorm:
    r"""The convex envelope Θ** of Θ(A) = min {⟨C̄, UᵀU∘VᵀV⟩ : UVᵀ = A}, a norm of the singular values squared.

    Attributes
    ----------
    law : MaskLaw
        The law of the mask.
    kind : str
        "nuclear", "k-support", "ordered" (by weights ω), "layered" (k-support plus nuclear), "none" where nothing is
        charged, or "unknown" where only bounds are certified.
    statement : str
        Θ** in LaTeX.
    constants : mapping of str to object
        What the statement names, exactly: fractions, or sympy expressions in the symbols of the law.
    scales : ScaleSet or None
        The set H of the η-trick; None for a law with symbols, or if the norm is unknown.
    proof : tuple of Step
        The steps in order, each with the verdict of the check that was made.
    lower, upper : tuple of Bound
        Norms below and above, if the norm is unknown.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Blocks
    >>> from etatrick.theory.structured.induced import induced_norm
    >>> norm = induced_norm(Blocks.partition(8, 2, 0.5))
    >>> norm.kind, norm.statement, norm.value([3, 2, 1]), norm.verdict.status
    ('k-support', '\\Theta^{**}(A)=\\frac{1}{4}\\,\\lVert A\\rVert_{sp,2}^2', 4.5, 'checked')
    """

    law: MaskLaw
    kind: Kind
    statement: str
    constants: Mapping[str, Any] = field(hash=False)
    scales: ScaleSet | None
    proof: tuple[Step, ...] = field(repr=False)
    lower: tuple[Bound, ...] = field(default=(), repr=False)
    upper: tuple[Bound, ...] = field(default=(), repr=False)

    @property
    def verdict(self) -> Verdict:
        """The verdict of the whole statement: that of its least certain step."""
        worst = Verdict.weakest(*(step.verdict for step in self.proof))
        return next(step.verdict for step in self.proof if step.verdict.status == worst)

    def value(self, singular_values: Any) -> float:
        """Return Θ**(A) from the singular values of A; see `bounds` where the norm is unknown."""
        return float(self._known().square(read(singular_values)))

    def dual_square(self, zeta: Any) -> float:
        """Return N*²(Z) = sup ⟨UVᵀ, Z⟩²/Ω from the singular values of Z."""
        return float(self._known().dual_square(read(zeta)))

    def eta_hat(self, singular_values: Any) -> Floats:
        """Return the scales η̂ with Θ** = Σ σ²/η̂, shape (n,)."""
        return np.array([float(e) for e in self._known().scales(read(singular_values))])

    def bounds(self, singular_values: Any) -> tuple[float, float]:
        """Return certified bounds of Θ**(A) from below and above; both are the value where it is known."""
        if self.kind != "unknown":
            return (self.value(singular_values),) * 2
        low, high = ([float(b.scales.square(read(singular_values))) for b in side] for side in (self.lower, self.upper))
        return max(low), min(high)

    def dual_bounds(self, zeta: Any) -> tuple[float, float]:
        """Return certified bounds of N*²(Z) from below and above."""
        if self.kind != "unknown":
            return (self.dual_square(zeta),) * 2
        low, high = ([float(b.scales.dual_square(read(zeta))) for b in side] for side in (self.upper, self.lower))
        return max(low), min(high)

    def _known(self) -> ScaleSet:
        if self.kind == "unknown":
            raise InputError(type(self.law).__name__, "its norm is not known", "use bounds or dual_bounds")
        if self.scales is None:
            first = min(map(str, self.law.symbols))
            raise InputError(first, "numbers need every parameter to have a value", f"pass the law.at({first}=…)")
        return self.scales

    def _repr_latex_(self) -> str:
        return f"${self.statement}$"


def induced_norm(law: MaskLaw) -> InducedNorm:
    r"""Return the norm that a mask law induces, with the steps of its proof.

    Independent blocks of sizes r_b and odds λ_b give ordered weights ω_i = Σ_{b: r_b ≥ i} 1/λ_b: for single units the
    nuclear norm, for equal blocks (λ/B)‖A‖²_{sp,r}. Dropout × DropBlock gives the sum of its two penalties. Masks
    with a constant sum charge nothing. Sliding windows and other covariances give certified bounds.

    Parameters
    ----------
    law : MaskLaw
        With numbers or symbols as parameters; a norm of a law with symbols has a statement and no values.

    Returns
    -------
    InducedNorm

    Raises
    ------
    InputError
        If `law` is no mask law, or a law with symbols has none of these structures.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli
    >>> from etatrick.theory.noise.sliding import SlidingBlocks
    >>> from etatrick.theory.structured.induced import induced_norm
    >>> induced_norm(Bernoulli(4, sp.Symbol("theta", positive=True))).constants["constant"]
    -(theta - 1)/(4*theta)
    >>> low, high = induced_norm(SlidingBlocks(6, 2, 0.05, seeds="circular")).bounds([2, 1])
    >>> round(low, 4), round(high, 4)
    (0.1777, 0.1801)
    """
    if not isinstance(law, MaskLaw):
        raise InputError(repr(law), "must be a mask law", "pass e.g. Blocks.partition(8, 2, 0.5)")
    blocks = structure_of(law)
    match blocks:
        case SeparateBlocks() if any(o == 0 for o in blocks.odds):
            return no_norm(law, free_blocks_proof(law, blocks))
        case SeparateBlocks():
            return separate_norm(law, blocks)
        case CoupledBlocks():
            return no_norm(law, degenerate_proof(law, blocks), coupling=blocks.coupling)
        case LayeredBlocks():
            return layered_norm(law, blocks)
        case _:
            return bounded_norm(law)


def separate_norm(law: MaskLaw, blocks: SeparateBlocks) -> InducedNorm:
    """Return the norm of independent blocks, by ordered weights."""
    counts: dict[tuple[int, Any], int] = {}
    for block in zip(blocks.sizes, blocks.odds, strict=True):
        counts[block] = counts.get(block, 0) + 1
    omega: list[Any] = []
    for i in range(max(blocks.sizes)):
        if i and i not in blocks.sizes:  # only the end of some block changes the weight
            omega.append(omega[-1])
        else:
            shares = (n / symbolic(odds) for (size, odds), n in counts.items() if size > i)
            omega.append(exact_weight(sp.together(sp.Add(*shares))))
    weights = tuple(omega)
    scales = None if law.symbols else OrderedScales(weights)
    constants: dict[str, Any] = {"weights": weights, "blocks": len(blocks.sizes)}
    kind, c = "ordered", exact_weight(1 / symbolic(weights[0]))
    statement = r"\Theta^{**}(A)=N_\omega(\sigma(A))^2,\quad\omega_i=\sum_{b:\,r_b\ge i}1/\lambda_b"
    if len(set(blocks.sizes)) == 1:
        r = blocks.sizes[0]
        kind = "nuclear" if r == 1 else "k-support"
        name = r"\lVert A\rVert_*^2" if r == 1 else rf"\lVert A\rVert_{{sp,{r}}}^2"
        statement = rf"\Theta^{{**}}(A)={shown(c)}\,{name}"
        constants |= {"constant": c, "k": r}
        if len(set(blocks.odds)) == 1:
            d = sp.Symbol("d", positive=True)
            constants |= {"effective_odds": c, "retain_at_width": sp.factor(r / (r + d * symbolic(c)))}
    return InducedNorm(law, kind, statement, constants, scales, separate_proof(law, blocks, weights, scales))  # type: ignore[arg-type]


def layered_norm(law: MaskLaw, blocks: LayeredBlocks) -> InducedNorm:
    """Return the norm of Dropout × DropBlock: the squares of the k-support and nuclear norms add."""
    r, count = blocks.sizes[0], len(blocks.sizes)
    block = exact_weight(sp.together(symbolic(blocks.block_odds) / count))
    unit = exact_weight(sp.together(symbolic(blocks.unit_odds) / (r * count)))
    scales = None if law.symbols else LayeredScales(r, block, unit)
    statement = rf"\Theta^{{**}}(A)={shown(block)}\,\lVert A\rVert_{{sp,{r}}}^2+{shown(unit)}\,\lVert A\rVert_*^2"
    constants = {"k": r, "blocks": count, "block_constant": block, "unit_constant": unit}
    return InducedNorm(law, "layered", statement, constants, scales, layered_proof(law, blocks, scales))


def no_norm(law: MaskLaw, proof: tuple[Step, ...], **constants: Any) -> InducedNorm:
    """Return the envelope 0."""
    return InducedNorm(law, "none", r"\Theta^{**}(A)=0", constants, FreeScales(), proof)


def bounded_norm(law: MaskLaw) -> InducedNorm:
    """Return bounds for a covariance without a known norm, or the envelope 0 if 1 is not in its range."""
    if law.symbols:
        rule = "bounds of a covariance without blocks need numbers"
        raise InputError(type(law).__name__, rule, f"call .at({min(map(str, law.symbols))}=…) first")
    table = covariance_of(law)
    total = capacity(table)
    if total == float("inf"):
        status = "proved" if isinstance(table, list) else "checked"
        free = Verdict(status, "elimination: 1 is not in the range of C̄")  # type: ignore[arg-type]
        return no_norm(law, (Step(r"\bar Cx=0,\ \mathbf 1^Tx\ne0", free), spanning_step(free)))
    lower, upper = lower_bounds(law, table, total), upper_bounds(law, table, total)
    statement = r"\lVert A\rVert_F^2/g_1\le\Theta^{**}(A)\le\lVert A\rVert_*^2/g_1"
    proof = tuple(bound.step for bound in (*lower, *upper))
    return InducedNorm(law, "unknown", statement, {"capacity": total}, None, proof, lower, upper)


def skip_connection_norm(law: MaskLaw, ridge: Any) -> InducedNorm:
    r"""Return the norm of a masked layer beside a linear skip connection with its own ridge: min_S λ_s‖S‖² + Θ**(A−S).

    The skip connection is one more block, of unlimited rank and with odds λ_s: all weights ω grow by 1/λ_s. For equal
    blocks this is the spectral box norm with a ≤ η ≤ b, a = 1/λ_s, b = a + B/λ (the cluster norm).

    Parameters
    ----------
    law : MaskLaw
        With numbers, and independent blocks.
    ridge : number
        λ_s > 0.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Blocks
    >>> from etatrick.theory.structured.induced import skip_connection_norm
    >>> skip_connection_norm(Blocks.partition(4, 2, 0.5), ridge=2).constants["weights"]
    (Fraction(5, 2), Fraction(5, 2))
    """
    base, strength = induced_norm(law), exact(ridge, "ridge")
    if not isinstance(base.scales, OrderedScales):
        raise InputError(type(law).__name__, "needs independent blocks with numbers", "pass e.g. Bernoulli(4, 0.5)")
    if not (strength.is_Rational and strength > 0):
        raise InputError(f"ridge = {ridge}", "must be a number > 0", "choose e.g. ridge=1.0")
    share = exact_weight(1 / strength)
    weights = tuple(o + share for o in base.scales.weights)
    scales = OrderedScales(weights, tail=share)
    s, a, e, p = sp.symbols("lambda_s a eta s", positive=True)
    one = s * p**2 + (a - p) ** 2 / e - a**2 / (1 / s + e) - (s * e + 1) / e * (p - a / (s * e + 1)) ** 2
    shift = Step(r"\min_s\lambda_ss^2+(a-s)^2/\eta=a^2/(1/\lambda_s+\eta)", identity(one, "completing the square"))
    n = max(len(weights), 6)
    blocks = [*zip(blocks_of(law).sizes, blocks_of(law).odds, strict=True), (n, exact_weight(strength))]
    dual = dual_weights(blocks, (*weights, *[share] * (n - len(weights))))
    statement = r"\Theta^{**}(A)=N_\omega(\sigma(A))^2,\quad\omega_i=1/\lambda_s+\sum_{b:\,r_b\ge i}1/\lambda_b"
    proof = (*base.proof, shift, dual, *eta_trick(scales))
    return InducedNorm(law, "ordered", statement, {"weights": weights, "tail": share}, scales, proof)


def blocks_of(law: MaskLaw) -> SeparateBlocks:
    """Return the independent blocks of a law."""
    found = structure_of(law)
    if not isinstance(found, SeparateBlocks):
        raise InputError(type(law).__name__, "must have independent blocks", "pass e.g. Bernoulli(4, 0.5)")
    return found


def shown(value: Any) -> str:
    r"""Return a positive constant in LaTeX, as one fraction without a leading minus.

    Examples
    --------
    >>> shown(sp.factor((1 - sp.Symbol("theta")) / sp.Symbol("theta")))
    '\\frac{1 - \\theta}{\\theta}'
    """
    top, bottom = sp.fraction(sp.together(symbolic(value)))
    return sp.latex(top) if bottom == 1 else rf"\frac{{{sp.latex(sp.expand(top))}}}{{{sp.latex(bottom)}}}"

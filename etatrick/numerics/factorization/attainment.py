"""Is the closed form attained at this width, and by which factors: η as shares of blocks, laid out as projections."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.numerics.factorization.charges import Charges, charges_of
from etatrick.numerics.factorization.projections import sum_of_projections
from etatrick.numerics.factorization.rotations import vectors_of_lengths
from etatrick.numerics.factorization.shrinkage import Shrunk
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.theory.noise.blocks import BlockLaw

ROUNDING: Final = 1e-12


@final
@dataclass(frozen=True)
class Share:
    """What one run of directions with a common dual value asks of the blocks.

    Parameters
    ----------
    directions : slice
        The run, of length q.
    whole, partial : tuple of int
        Blocks that carry all of its directions, and those that carry some.
    ranks : tuple of int
        How many each partial block carries.
    rates : tuple of float
        1/λ_b of the partial blocks.
    spectrum : ndarray, shape (q,)
        What Σ_partial P_b/λ_b must be the diagonal of.
    dual : float
        The common ζ.
    """

    directions: slice
    whole: tuple[int, ...]
    partial: tuple[int, ...]
    ranks: tuple[int, ...]
    rates: tuple[float, ...]
    spectrum: "NDArray[np.float64]"
    dual: float

    @property
    def uniform(self) -> bool:
        """Whether the partial blocks have one rate."""
        return len(set(self.rates)) == 1

    def verdict(self) -> Verdict:
        """Whether projections of these ranks and rates with this spectrum exist, as far as theorems tell."""
        if not self.partial:
            return Verdict("proved", "every block carries the same directions")
        blocks, rank = len(self.partial), self.ranks[0]
        if set(self.ranks) == {1}:
            return self._frame()
        if not (self.uniform and len(set(self.ranks)) == 1):
            return Verdict("unknown", "no theorem on projections of unequal ranks or rates")
        scale = self.spectrum / self.rates[0]
        inside = int(((scale > ROUNDING * blocks) & (scale < blocks * (1 - ROUNDING))).sum())
        if blocks >= inside:
            return Verdict("proved", "as many blocks as directions that are carried in part",
                           detail=f"{blocks} blocks, {inside} directions")  # fmt: skip
        if blocks == 2:
            return _pair(scale)
        if rank == int((scale > ROUNDING * blocks).sum()) - 1:
            return Verdict("refuted", "each block leaves out one direction, and there are fewer blocks than directions",
                           witness={"blocks": blocks, "directions": inside})  # fmt: skip
        return Verdict("unknown", "fewer blocks than directions that are carried in part",
                       detail=f"{blocks} blocks, {inside} directions")  # fmt: skip

    def _frame(self) -> Verdict:
        """Vectors of given lengths have this frame spectrum iff it majorises them (Schur–Horn)."""
        lengths = np.sort(self.rates)[::-1]
        spectrum = np.zeros(max(len(lengths), len(self.spectrum)))
        spectrum[: len(self.spectrum)] = np.sort(self.spectrum)[::-1]
        excess = np.cumsum(lengths) - np.cumsum(spectrum)[: len(lengths)]
        if len(self.spectrum) > len(lengths):
            return Verdict("refuted", "fewer blocks than directions",
                           witness={"blocks": len(lengths), "directions": len(self.spectrum)})  # fmt: skip
        worst = float(excess.max())
        if worst > ROUNDING * float(lengths.sum()):
            return Verdict("refuted", "the shares η do not majorise the inverse odds (Schur–Horn)",
                           witness={"excess": worst})  # fmt: skip
        return Verdict("proved", "Schur–Horn: the shares η majorise the inverse odds of the blocks")

    def bases(self) -> "list[NDArray[np.float64]] | None":
        """Return one basis (q, rank) per partial block, orthonormal, or None when none was found."""
        if set(self.ranks) == {1}:
            vectors = vectors_of_lengths(self.spectrum, np.asarray(self.rates))
            return None if vectors is None else [vectors[:, [index]] for index in range(len(self.partial))]
        if not self.uniform:
            return None
        blocks = len(self.partial)
        return sum_of_projections(np.clip(self.spectrum / self.rates[0], 0, blocks), self.ranks)


def shares(shrunk: Shrunk, charges: Charges) -> tuple[Share, ...]:
    """Return what each run of directions asks of the blocks."""
    found = []
    inverse, sizes = 1 / np.asarray(charges.rates), np.asarray(charges.sizes)
    for run in shrunk.groups:
        length = run.stop - run.start
        ranks = np.minimum(np.maximum(sizes - run.start, 0), length)
        whole = np.flatnonzero(ranks == length)
        partial = np.flatnonzero((ranks > 0) & (ranks < length))
        values = shrunk.values[run]
        dual = float(values.sum() / (inverse @ ranks))
        spectrum = np.maximum(values / dual - inverse[whole].sum(), 0.0)
        found.append(Share(run, tuple(whole.tolist()), tuple(partial.tolist()), tuple(ranks[partial].tolist()),
                           tuple(inverse[partial].tolist()), spectrum, dual))  # fmt: skip
    return tuple(found)


def attained(shrunk: Shrunk, law: "BlockLaw") -> Verdict:
    """Return whether the convex lower bound is attained at this width, as far as theorems tell.

    Examples
    --------
    >>> from etatrick.numerics.factorization.charges import charges_of
    >>> from etatrick.numerics.factorization.shrinkage import shrink
    >>> from etatrick.theory.noise import Bernoulli
    >>> law = Bernoulli(3, 0.5)
    >>> attained(shrink(np.array([3.0, 2.0, 1.0]), charges_of(law)), law).status
    'proved'
    """
    return attained_by(shrunk, charges_of(law))


def attained_by(shrunk: Shrunk, charges: Charges) -> Verdict:
    """Return :func:`attained` for the numbers of a law."""
    if charges.noiseless:
        return Verdict("proved", "nothing is dropped")
    verdicts = [share.verdict() for share in shares(shrunk, charges)]
    for status in ("refuted", "unknown"):
        for verdict in verdicts:
            if verdict.status == status:
                return verdict
    telling = [verdict for verdict in verdicts if "every block" not in verdict.method]
    return (telling or [Verdict("proved", "every block carries the same directions")])[0]


def balanced(shrunk: Shrunk, charges: Charges) -> "NDArray[np.float64] | None":
    """Return F, shape (n, d), with FFᵀ = diag(a) whose blocks attain the envelope, or None when none was found.

    With the singular vectors P and Q of the product, U = PF and V = QF are balanced factors:
    ``F_b F_bᵀ`` = (ζ/λ_b)·(projection) on every run of directions.
    """
    factor = np.zeros((len(shrunk.values), charges.width))
    if charges.noiseless:
        rank = min(factor.shape)
        factor[np.arange(rank), np.arange(rank)] = np.sqrt(shrunk.values[:rank])
        return factor
    used = [block.start for block in charges.slices]
    for share in shares(shrunk, charges):
        bases = share.bases() if share.partial else []
        if bases is None:
            return None
        length = share.directions.stop - share.directions.start
        # without partial blocks the values themselves are split, so that rounding of ties does not show
        split = share.dual if share.partial else shrunk.values[share.directions] * _inverse(charges, share)
        for block in share.whole:
            place = slice(used[block], used[block] + length)
            factor[share.directions, place] = np.diag(np.sqrt(np.broadcast_to(split / charges.rates[block], length)))
            used[block] += length
        for block, basis in zip(share.partial, bases, strict=True):
            place = slice(used[block], used[block] + basis.shape[1])
            factor[share.directions, place] = basis * np.sqrt(share.dual / charges.rates[block])
            used[block] += basis.shape[1]
    return factor


def _inverse(charges: Charges, share: Share) -> float:
    return 1 / sum(1 / charges.rates[block] for block in share.whole)


def _pair(scale: "NDArray[np.float64]") -> Verdict:
    """Two projections have the eigenvalues 0, 1, 2 and pairs 1 ± cos θ: symmetric about 1 where they meet in part."""
    partial = np.sort(scale[(scale > ROUNDING) & (scale < 2 * (1 - ROUNDING))])
    skew = float(np.max(np.abs(partial + partial[::-1] - 2), initial=0.0))
    if skew > ROUNDING * 10 or len(partial) % 2:
        return Verdict("refuted", "two projections: the shares η are not symmetric about ½",
                       witness={"asymmetry": skew / 2})  # fmt: skip
    return Verdict("proved", "two projections: the shares η are symmetric about ½")

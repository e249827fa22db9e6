"""The η-trick as a random rank: matrices of rank r that average to A, drawn with the scales as probabilities."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from etatrick.theory.structured.scales import OrderedScales
from etatrick.theory.structured.steps import Spectrum, Step, at_spectra


def systematic_sample(chances: Sequence[Fraction]) -> list[tuple[Fraction, tuple[int, ...]]]:
    """Return subsets with probabilities such that i is chosen with probability η_i, all of the same size Σ η.

    The η_i ≤ 1 are laid end to end on a line; a comb with unit spacing and a uniform start picks the intervals it hits.

    Examples
    --------
    >>> systematic_sample([Fraction(1), Fraction(1, 2), Fraction(1, 2)])
    [(Fraction(1, 2), (0, 1)), (Fraction(1, 2), (0, 2))]
    """
    ends = [Fraction(0)]
    for chance in chances:
        ends.append(ends[-1] + chance)
    starts = [*sorted({end % 1 for end in ends}), Fraction(1)]
    found = []
    for low, high in pairwise(starts):
        middle = (low + high) / 2
        # a tooth of the comb lies in [a, b) if some integer lies in (a − u, b − u]
        hit = tuple(i for i in range(len(chances)) if (ends[i] - middle) // 1 < (ends[i + 1] - middle) // 1)
        found.append((high - low, hit))
    return found


def convex_combination(rank: int, weight: Fraction, scales: OrderedScales) -> Step:
    r"""Return the step that writes A as an average of matrices of rank r with total cost N²(A).

    The atom of a subset S has the singular values σ_i/η̃_i, i ∈ S, with η̃ = η̂/ω ∈ [0, 1]; S has at most r members, and
    E Σ_S (σ_i/η̃_i)²/ω = Σ σ_i²/η̂_i.

    Examples
    --------
    >>> convex_combination(2, Fraction(1), OrderedScales((1, 1))).verdict.status
    'checked'
    >>> convex_combination(1, Fraction(1), OrderedScales((1, 1))).verdict.status
    'refuted'
    """

    def averages(spectrum: Spectrum) -> bool:
        chances = [e / weight for e in scales.scales(spectrum)]
        draws = systematic_sample(chances)
        if any(len(chosen) > rank for _, chosen in draws) or sum(p for p, _ in draws) != 1:
            return False
        atoms = [(p, {i: spectrum[i] / chances[i] for i in chosen}) for p, chosen in draws]
        mean = tuple(sum((p * atom.get(i, 0) for p, atom in atoms), start=Fraction(0)) for i in range(len(spectrum)))
        cost = sum((p * v**2 / weight for p, atom in atoms for v in atom.values()), start=Fraction(0))
        return mean == spectrum and cost == scales.square(spectrum)

    checked = at_spectra(averages, "subsets drawn with probabilities η̂, their mean and their mean cost")
    return Step(r"A=\sum_S p_SA_S,\ \operatorname{rank}A_S\le r,\ \sum_S p_S\Theta(A_S)=N^2(A)", checked)

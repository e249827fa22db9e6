"""One member of every class of vector duals, with the shape of its weights: what the laws are tested on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from etatrick.theory.vector.base import VectorDuality
from etatrick.theory.vector.difference import L1MinusL2
from etatrick.theory.vector.groups import Groups
from etatrick.theory.vector.k_support import GroupKSupport, KSupport, RankWeights
from etatrick.theory.vector.mixing import Exponential, HalfCauchy, InverseGamma
from etatrick.theory.vector.mixtures import JointMap, ScaleMixture
from etatrick.theory.vector.ordered import Ordered
from etatrick.theory.vector.overlapping import Overlapping
from etatrick.theory.vector.pruning import TopK, TrimmedRidge
from etatrick.theory.vector.sparse_bayes import SparseBayes
from etatrick.theory.vector.spectral import Spectral


@final
@dataclass(frozen=True)
class Example:
    """A vector dual, made when it is asked for, and the shape of one of its arguments.

    Examples
    --------
    >>> VECTOR_EXAMPLES["top_k"].make()
    TopK(k=2)
    """

    make: Callable[[], VectorDuality]
    shape: tuple[int, ...]
    source: str


def _groups(penalty: str) -> Groups:
    from etatrick.theory.derivation import derive

    return Groups(derive(penalty=penalty), ((0, 2), (1, 3, 4)))


def _spectral(penalty: str) -> Spectral:
    from etatrick.theory.derivation import derive

    return Spectral(derive(penalty=penalty))


def _design() -> SparseBayes:
    design = np.array([[1.0, 0.5, 0.0, -1.0], [0.0, 1.0, 2.0, 0.5], [0.3, 0.0, 1.0, 1.0]])
    return SparseBayes(design, noise=0.5)


VECTOR_EXAMPLES: Final[Mapping[str, Example]] = {
    "group_lasso": Example(lambda: _groups("w"), (5,), "Yuan, Lin 2006"),
    "group_log_sum": Example(lambda: _groups("log(1 + w)"), (5,), "Candès, Wakin, Boyd 2008, in groups"),
    "top_k": Example(lambda: TopK(2), (5,), "Blumensath, Davies 2009"),
    "trimmed_ridge": Example(lambda: TrimmedRidge(2, 0.4), (5,), "Gomez et al. 2019"),
    "l1_minus_l2": Example(lambda: L1MinusL2(1.0), (4,), "Yin, Lou, He, Xin 2015"),
    "l1_minus_half_l2": Example(lambda: L1MinusL2(0.5), (4,), "Yin, Lou, He, Xin 2015"),
    "ordered": Example(Ordered, (5,), "Micchelli, Morales, Pontil 2013"),
    "overlapping": Example(lambda: Overlapping(((0, 1, 2), (2, 3), (3, 4, 0))), (5,), "Jacob, Obozinski, Vert 2009"),
    "k_support": Example(lambda: KSupport(2.5), (5,), "Argyriou, Foygel, Srebro 2012"),
    "rank_weights": Example(
        lambda: RankWeights((2.0, 1.0, 1.0, 0.2, 0.0)),
        (5,),
        "scales in a polymatroid; contains Argyriou, Foygel, Srebro 2012",
    ),
    "group_k_support": Example(lambda: GroupKSupport(((0, 2), (1, 3, 4)), 1.5), (5,), "Rao, Dudík, Harchaoui 2017"),
    "nuclear": Example(lambda: _spectral("w"), (3, 4), "Fazel, Hindi, Boyd 2001"),
    "log_det": Example(lambda: _spectral("log(1 + w)"), (4, 3), "Fazel, Hindi, Boyd 2003"),
    "sparse_bayes": Example(_design, (4,), "Tipping 2001; Wipf, Nagarajan 2008"),
    "laplace_mixture": Example(lambda: ScaleMixture(Exponential(0.7)), (2,), "Andrews, Mallows 1974"),
    "student_mixture": Example(lambda: ScaleMixture(InverseGamma(1.5, 0.6)), (2,), "Andrews, Mallows 1974"),
    "horseshoe_mixture": Example(lambda: ScaleMixture(HalfCauchy(0.8)), (2,), "Carvalho, Polson, Scott 2010"),
    "laplace_map": Example(lambda: JointMap(Exponential(0.7)), (3,), "joint maximum over w and η"),
    "student_map": Example(lambda: JointMap(InverseGamma(1.5, 0.6)), (3,), "joint maximum over w and η"),
    "horseshoe_map": Example(lambda: JointMap(HalfCauchy(0.8)), (3,), "joint maximum over w and η"),
}


__all__ = ["VECTOR_EXAMPLES", "Example"]

"""Rules of calculus on dualities: scaling, stretching, sums, minima, composition, and the two lifted forms."""

from etatrick.theory.calculus.lifting import additive_form, check_lifting, hadamard_form
from etatrick.theory.calculus.rules import added, composed, least, scaled, stretched, with_ridge

__all__ = [
    "added",
    "additive_form",
    "check_lifting",
    "composed",
    "hadamard_form",
    "least",
    "scaled",
    "stretched",
    "with_ridge",
]

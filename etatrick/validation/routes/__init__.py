"""Builders of routes: proofs, comparisons of numbers, counterexamples and trained models, each in a few lines."""

from etatrick.validation.claim import Absent
from etatrick.validation.routes.deferring import deferred
from etatrick.validation.routes.facts import Fact
from etatrick.validation.routes.numeric import TOLERANCES, Pair, mismatch, numbers
from etatrick.validation.routes.symbolic import proof, refutation
from etatrick.validation.routes.trials import Trial, trained

__all__ = ["TOLERANCES", "Absent", "Fact", "Pair", "Trial", "deferred", "mismatch", "numbers", "proof", "refutation",
           "trained"]  # fmt: skip

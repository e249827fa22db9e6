"""Training methods that should impose one penalty, and variational dropout: each states what it adds to a step."""

from etatrick.validation.methods.divergences import DivergenceSlope, ExactSlope, MolchanovSlope
from etatrick.validation.methods.eta_trick import DerivedDual, Dual, EtaTrick, LogSumDual, PublishedLogSumDual
from etatrick.validation.methods.fixed_rate import FixedRateDropout
from etatrick.validation.methods.reweighted import LEAST_ALPHA, AdaProx, AdaTikhonov, PenaltyGradient
from etatrick.validation.methods.training import Method, Training, no_probabilities, nothing, own_weights
from etatrick.validation.methods.variational import (
    AdditiveVariationalDropout,
    LocalReparameterisation,
    Noise,
    VariationalDropout,
    WeightNoise,
)

__all__ = [
    "LEAST_ALPHA",
    "AdaProx",
    "AdaTikhonov",
    "AdditiveVariationalDropout",
    "DerivedDual",
    "DivergenceSlope",
    "Dual",
    "EtaTrick",
    "ExactSlope",
    "FixedRateDropout",
    "LocalReparameterisation",
    "LogSumDual",
    "Method",
    "MolchanovSlope",
    "Noise",
    "PenaltyGradient",
    "PublishedLogSumDual",
    "Training",
    "VariationalDropout",
    "WeightNoise",
    "no_probabilities",
    "nothing",
    "own_weights",
]

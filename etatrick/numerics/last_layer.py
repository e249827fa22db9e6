"""Dropout on the last hidden layer of any network: a lower bound from the data, and when it is attained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.factorization import dropblock_minimizer
from etatrick.numerics.factorization.attainment import attained
from etatrick.numerics.factorization.checking import count, matrix
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.numerics.factorization import FactorizationMinimum

SIGNED: Final = (-np.inf, np.inf)


@final
@dataclass(frozen=True, eq=False)
class LastLayerBound:
    """What no network with that last layer can fall below, and its predictions if it gets there.

    Parameters
    ----------
    value : float
        min_A ‖Y − A‖² + (λ/B)‖A‖²_{sp,r} over the A of rank ≤ d.
    singular_values : ndarray, shape (min(a, N),)
        Of the minimising A, nonincreasing.
    targets : ndarray, shape (min(a, N),)
        The singular values of Y.
    block_size, width : int
        r and d.
    retain : float
        θ.
    rho, l : int
        The first direction that is thresholded rather than shrunk like ridge, and the rank.
    width_condition : Verdict
        Whether factors of this width attain the bound.
    """

    value: float
    singular_values: "NDArray[np.float64]"
    targets: "NDArray[np.float64]"
    block_size: int
    retain: float
    width: int
    rho: int
    l: int  # noqa: E741 - the name in the papers
    width_condition: Verdict


def last_layer_bound(Y: "ArrayLike", block_size: int, retain: float, width: int) -> LastLayerBound:
    r"""Return the lower bound of dropout on the last hidden layer, whatever the layers before it.

    .. math:: \mathbb{E}\lVert Y-U\operatorname{diag}(\bar z)G^{\mathsf T}\rVert^2
              = \lVert Y-UG^{\mathsf T}\rVert^2+\langle\bar C,(U^{\mathsf T}U)\circ(G^{\mathsf T}G)\rangle
              \ \ge\ \min_A \lVert Y-A\rVert^2+\tfrac{\lambda}{B}\lVert A\rVert_{\mathrm{sp},r}^2

    for features G = g(X) of any network, U of shape (a, d) and masks that keep blocks of r features with probability θ,
    scaled by 1/θ; λ = (1 − θ)/θ, B = d/r. Masks act after g, so that only the product UGᵀ counts. A width that r does
    not divide leaves a smaller last block, which changes the norm accordingly. No bias behind the mask.

    Parameters
    ----------
    Y : array_like, shape (a, N)
        Targets, one column per example.
    block_size : int
        r ≥ 1; 1 is dropout.
    retain : float
        θ in (0, 1].
    width : int
        d ≥ 1, the number of last features.

    Returns
    -------
    LastLayerBound

    Raises
    ------
    InputError
        For an empty or non-finite matrix, r < 1, d < 1, or θ outside (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> bound = last_layer_bound(np.diag([3.0, 1.0]), block_size=1, retain=0.5, width=2)
    >>> bound.value, bound.singular_values
    (4.0, array([2., 0.]))
    """
    found = dropblock_minimizer(Y, block_size, retain, count("width", width))
    shrunk = found.shrunk.values
    targets = np.asarray(found.data.values, dtype=np.float64)
    values = np.zeros(len(targets))
    values[: len(shrunk)] = shrunk
    return LastLayerBound(float(found.surrogate), values, targets, block_size, float(retain), width,
                          found.rho, found.l, _wide_enough(found, block_size))  # fmt: skip


def last_layer_conditions(
    X: "ArrayLike",
    bound: LastLayerBound,
    *,
    hidden: int,
    feature_range: tuple[float, float] = SIGNED,
    free_biases: int = 0,
) -> Mapping[str, Verdict]:
    """Return the conditions that together suffice for some weights of the network to attain the bound.

    Parameters
    ----------
    X : array_like, shape (b, N)
        Inputs, one column per example.
    bound : LastLayerBound
    hidden : int
        Units of the layer that feeds the last features: with biases, and an activation that is no polynomial.
    feature_range : tuple of float
        Values that a last feature can take: (−∞, ∞) for linear ones, (0, ∞) for ReLU.
    free_biases : int
        Parameters of the output that no mask touches.

    Returns
    -------
    mapping of str to Verdict
        "distinct_inputs", "capacity", "signed_features", "no_free_bias", "width".

    Raises
    ------
    InputError
        For bad inputs, hidden < 1, or an empty range.

    Examples
    --------
    >>> import numpy as np
    >>> bound = last_layer_bound(np.diag([3.0, 1.0]), block_size=1, retain=0.5, width=2)
    >>> found = last_layer_conditions([[0.0, 1.0]], bound, hidden=8)
    >>> {verdict.status for verdict in found.values()}
    {'proved'}
    >>> last_layer_conditions([[1.0, 1.0]], bound, hidden=8)["distinct_inputs"].status
    'refuted'
    """
    inputs, units = matrix("X", X), count("hidden", hidden)
    low, high = (float(end) for end in feature_range)
    if not low < high:
        raise InputError(f"feature_range = {feature_range}", "must be an interval (low, high)", "pass e.g. (0, inf)")
    return {
        "distinct_inputs": _distinct(inputs),
        "capacity": _capacity(units, inputs.shape[1]),
        "signed_features": _signed(low, high),
        "no_free_bias": _bound_biases(count("free_biases", free_biases, 0)),
        "width": bound.width_condition,
    }


def attainable(conditions: Mapping[str, Verdict]) -> Verdict:
    """Return whether some weights attain the bound: proved if all conditions hold, else unknown, for they only suffice.

    Examples
    --------
    >>> attainable({"width": Verdict("unknown", "too narrow")}).status
    'unknown'
    """
    failing = [name for name, verdict in conditions.items() if not verdict.holds]
    if failing:
        return Verdict("unknown", "a sufficient condition does not hold", detail=", ".join(failing))
    return Verdict(Verdict.weakest(*conditions.values()), "the features can be the factor V of balanced factors",
                   detail="; ".join(f"{name}: {verdict.method}" for name, verdict in conditions.items()))  # fmt: skip


def _distinct(inputs: "NDArray[np.float64]") -> Verdict:
    order = np.lexsort(inputs)
    same = (inputs[:, order[1:]] == inputs[:, order[:-1]]).all(axis=0)
    if not same.any():
        return Verdict("proved", "all inputs differ", f"{inputs.shape[1]} examples")
    at = int(np.flatnonzero(same)[0])
    first, second = sorted((int(order[at]), int(order[at + 1])))
    return Verdict("refuted", "two examples have one input, and so one column of predictions",
                   witness={"first": first, "second": second})  # fmt: skip


def _capacity(units: int, examples: int) -> Verdict:
    detail = f"{units} units, {examples} examples"
    if units >= examples:
        return Verdict("proved", "as many hidden units as examples interpolate any values (Pinkus 1999, Theorem 5.1)",
                       "distinct inputs, biases, an activation that is no polynomial", detail=detail)  # fmt: skip
    return Verdict("unknown", "fewer hidden units than examples", detail=detail)


def _signed(low: float, high: float) -> Verdict:
    if low < 0 < high:
        return Verdict("proved", "features take both signs, and U makes up for their size", f"({low:g}, {high:g})")
    return Verdict("refuted", "features have one sign, so that not every factor V is reachable",
                   f"({low:g}, {high:g})", {"low": low, "high": high})  # fmt: skip


def _bound_biases(free: int) -> Verdict:
    if free == 0:
        return Verdict("proved", "every parameter of the output is behind the mask")
    return Verdict("refuted", "a bias that is never masked costs nothing, so that the bound itself need not hold",
                   witness={"free_biases": float(free)})  # fmt: skip


def _wide_enough(found: "FactorizationMinimum", block_size: int) -> Verdict:
    needed = block_size * (found.l - found.rho + 1)
    if found.width % block_size == 0 and found.width >= needed:
        return Verdict("proved", "at least r(l − ρ + 1) features", detail=f"{found.width} features, {needed} needed")
    return attained(found.shrunk, found.law)

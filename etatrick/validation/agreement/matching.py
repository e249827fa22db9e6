"""Scale-matched comparisons: one threshold on |w| for every method, and only between runs of the same recipe."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True)
class Recipe:
    """How a method was trained; two methods can be compared where all of this is the same.

    Parameters
    ----------
    optimiser : str
        Name and constants, e.g. ``"Adam(0.9, 0.999)"``.
    learning_rate : float
        Of the first epoch, > 0.
    epochs, batch_size : int
        At least 1.
    schedule : str
        How the learning rate goes on, e.g. ``"linear to 0"``.
    """

    optimiser: str
    learning_rate: float
    epochs: int
    batch_size: int
    schedule: str = "constant"

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0 and self.epochs >= 1 and self.batch_size >= 1):
            raise InputError(str(self), "needs a learning rate > 0, epochs ≥ 1 and a batch size ≥ 1", "correct it")


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """The weights of one method after training.

    Parameters
    ----------
    method : str
    recipe : Recipe
    weights : ndarray, shape (seeds, weights)
        The weights that predict at test time, before anything is pruned.
    """

    method: str
    recipe: Recipe
    weights: "NDArray[np.float64]"


class ThresholdRule(ABC):
    """Says below which |w| a weight counts as zero, without looking at any run."""

    @abstractmethod
    def threshold(self) -> float:
        """Return the |w| up to which a weight is zero, ≥ 0."""


@final
@dataclass(frozen=True)
class FixedThreshold(ThresholdRule):
    """A number.

    Parameters
    ----------
    value : float
        At least 0.

    Examples
    --------
    >>> FixedThreshold(1e-3).threshold()
    0.001
    """

    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise InputError(f"value = {self.value}", "a threshold is a finite number ≥ 0", "choose e.g. value=1e-3")

    def threshold(self) -> float:
        """Return the number."""
        return float(self.value)


@final
@dataclass(frozen=True)
class RetainThreshold(ThresholdRule):
    """The |w| at which a dropout rule's retain probability α falls to `retain`: the pruning rule of adaptive dropout.

    Parameters
    ----------
    duality : Duality
        Whose α = η̂/(η̂ + λ) decides.
    lam : float
        λ > 0.
    retain : float
        The retain probability below which a weight is pruned, in (0, 1).

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> rule = RetainThreshold(penalties["l1"](k=1).duality, lam=0.5, retain=0.2)
    >>> round(rule.threshold(), 12)  # w/(w + λ) = 0.2
    0.125
    """

    duality: Any
    lam: float
    retain: float = 0.05

    def __post_init__(self) -> None:
        if not (self.lam > 0 and 0 < self.retain < 1):
            raise InputError(f"lam = {self.lam}, retain = {self.retain}", "need λ > 0 and a retain probability "
                             "in (0, 1)", "choose e.g. lam=1e-3, retain=0.05")  # fmt: skip

    def threshold(self) -> float:
        """Return the |w|; 0 where even the smallest weight is retained more often.

        Raises
        ------
        InputError
            If no weight is retained that often.
        """
        from scipy.optimize import brentq

        def excess(log_w: float) -> float:
            return float(self.duality.alpha_at(math.exp(log_w), self.lam)) - self.retain

        low, high = math.log(1e-150), math.log(1e150)
        if excess(low) >= 0:
            return 0.0
        if excess(high) < 0:
            raise InputError(f"retain = {self.retain}", "no weight has so large a retain probability", "lower it")
        return math.exp(float(brentq(excess, low, high, xtol=1e-14, rtol=1e-14)))


@final
@dataclass(frozen=True)
class ScaleMatched:
    """Sparsity of several methods by one threshold.

    Parameters
    ----------
    threshold : float
        The |w| up to which a weight counts as zero, for every method.
    recipe : Recipe
        The one that all methods share.
    nonzero : mapping of str to tuple of float
        Per method the fraction of weights above the threshold, seed by seed.
    """

    threshold: float
    recipe: Recipe
    nonzero: "dict[str, tuple[float, ...]]"

    def difference(self, first: str, second: str) -> "NDArray[np.float64]":
        """Return the paired differences of the fractions, shape (seeds,).

        Raises
        ------
        InputError
            If there is no such method.
        """
        for name in (first, second):
            if name not in self.nonzero:
                raise InputError(name, "was not compared", f"choose among: {', '.join(self.nonzero)}")
        left, right = (np.array(self.nonzero[name], dtype=np.float64) for name in (first, second))
        found: NDArray[np.float64] = left - right
        return found


def scale_matched(runs: Sequence[Trained], rule: ThresholdRule) -> ScaleMatched:
    """Count non-zero weights of several methods with one threshold on |w|, if they were trained alike.

    A count by each method's own criterion (a retain probability that depends on the step size, a noise level) compares
    criteria, not methods; another optimiser, learning rate or number of epochs compares those.

    Parameters
    ----------
    runs : sequence of Trained
        At least two, with the same recipe, the same seeds and the same number of weights.
    rule : ThresholdRule
        Gives the one threshold.

    Returns
    -------
    ScaleMatched

    Raises
    ------
    InputError
        For fewer than two methods, methods of the same name, weights that are not finite or of different shapes, or
        recipes that differ: the message says in what.

    Examples
    --------
    >>> recipe = Recipe("Adam", 1e-3, epochs=5, batch_size=32)
    >>> runs = [Trained(name, recipe, scale * np.array([[1.0, 0.1, 0.0], [0.3, 2.0, 0.0]]))
    ...         for name, scale in (("a", 1.0), ("b", 0.2))]
    >>> scale_matched(runs, FixedThreshold(0.05)).nonzero
    {'a': (0.6666666666666666, 0.6666666666666666), 'b': (0.3333333333333333, 0.6666666666666666)}
    """
    names = [run.method for run in runs]
    if len(runs) < 2 or len(set(names)) < len(names):
        raise InputError(f"methods {names}", "a comparison needs two or more methods, each once", "name them apart")
    first = runs[0]
    for run in runs:
        _same_recipe(first, run)
        if run.weights.ndim != 2 or run.weights.shape != first.weights.shape or run.weights.size == 0:
            raise InputError(
                f"weights of {first.method} {first.weights.shape} and {run.method} {run.weights.shape}",
                "must have the same shape (seeds, weights)", "train the same network on the same seeds",
            )  # fmt: skip
        if not np.isfinite(run.weights).all():
            raise InputError(f"weights of {run.method}", "hold NaN or infinite values", "look at what diverged")
    cut = rule.threshold()
    return ScaleMatched(cut, first.recipe, {run.method: _fractions(run.weights, cut) for run in runs})


def _fractions(weights: "ArrayLike", cut: float) -> tuple[float, ...]:
    return tuple((np.abs(np.asarray(weights)) > cut).mean(1).tolist())


def _same_recipe(first: Trained, other: Trained) -> None:
    mine, theirs = vars(first.recipe), vars(other.recipe)
    apart = [f"{name} {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name]]
    if apart:
        raise InputError(f"{first.method} and {other.method}", f"were trained differently: {'; '.join(apart)}",
                         "train them with one recipe, then compare")  # fmt: skip

"""A trained network with a dropped last layer against its lower bound: objective, singular values, Monte Carlo."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.numerics.factorization.checking import count, matrix
from etatrick.numerics.last_layer import LastLayerBound, last_layer_bound
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

ROUNDING: Final = 1e-10
LARGEST_Z: Final = 4.0
CHUNK: Final = 2_000_000


@final
@dataclass(frozen=True)
class Sampled:
    """The objective from random masks: its mean, the standard error, how many draws, and the distance in errors."""

    mean: float
    error: float
    draws: int
    z: float


@final
@dataclass(frozen=True, eq=False)
class LastLayerCheck:
    """A network beside the lower bound of its objective.

    Parameters
    ----------
    verdict : Verdict
        *checked* where the network attains the bound within the tolerance; *refuted* where it is above, or where one of
        the two is wrong: below the bound, or away from the mean over random masks.
    objective : float
        E‖Y − U diag(z̄)Gᵀ‖² over the masks, exactly.
    bound : LastLayerBound
        From the targets alone.
    tolerance : float
        The largest excess that counts as attaining, relative to the bound.
    singular_values : ndarray, shape (min(a, N),)
        Of the network's predictions UGᵀ, beside ``bound.singular_values``.
    block_norms : ndarray, shape (B,)
        ‖U_bG_bᵀ‖: equal in every network that attains the bound with equal blocks.
    balanced : Verdict
        Whether they are equal, to the square root of the tolerance.
    sampled : Sampled
        The same objective by Monte Carlo.
    """

    verdict: Verdict
    objective: float
    bound: LastLayerBound
    tolerance: float
    singular_values: "NDArray[np.float64]"
    block_norms: "NDArray[np.float64]"
    balanced: Verdict
    sampled: Sampled

    @property
    def excess(self) -> float:
        """Objective minus bound."""
        return self.objective - self.bound.value

    @property
    def relative_excess(self) -> float:
        """The excess divided by the bound (by 1 where that is 0)."""
        return self.excess / (self.bound.value or 1.0)

    @property
    def distance(self) -> float:
        """The largest difference between the singular values of the predictions and those at the bound."""
        return float(np.max(np.abs(self.singular_values - self.bound.singular_values)))

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "verdict": self.verdict.to_json(),
            "objective": self.objective,
            "bound": self.bound.value,
            "excess": self.excess,
            "relative_excess": self.relative_excess,
            "tolerance": self.tolerance,
            "singular_values": self.singular_values.tolist(),
            "singular_values_at_the_bound": self.bound.singular_values.tolist(),
            "block_norms": self.block_norms.tolist(),
            "balanced": self.balanced.to_json(),
            "sampled": vars(self.sampled),
        }


def check_last_layer(
    features: Callable[[Tensor], Tensor],
    head: nn.Linear | Tensor,
    X: "ArrayLike",
    Y: "ArrayLike",
    block_size: int,
    retain: float,
    *,
    tolerance: float = 1e-6,
    draws: int = 20_000,
    seed: int = 0,
) -> LastLayerCheck:
    """Check a trained network head∘mask∘features against the lower bound of its expected squared error.

    Parameters
    ----------
    features : Module or callable
        Maps inputs of shape (N, b) to last features of shape (N, d), without masks; a module is put in evaluation mode
        meanwhile.
    head : Linear or Tensor
        U, shape (a, d), without bias.
    X : array_like, shape (N, b)
    Y : array_like, shape (N, a)
        Targets.
    block_size : int
        r ≥ 1: blocks of r neighbouring features share a mask; the last may be smaller.
    retain : float
        θ in (0, 1]; masks are scaled by 1/θ.
    tolerance : float
        Relative excess that counts as attaining the bound; fix it before looking.
    draws, seed : int
        Masks drawn for the Monte Carlo mean, independently per example, and their seed.

    Returns
    -------
    LastLayerCheck

    Raises
    ------
    InputError
        For data that are empty, not finite or of different lengths, features that are no matrix (N, d), a head of
        another width or with a bias, or numbers out of range.

    Examples
    --------
    >>> one = torch.eye(2, dtype=torch.float64)
    >>> found = check_last_layer(lambda x: 2**0.5 * x, 2**0.5 * one, one, 4 * one, block_size=2, retain=0.5)
    >>> found.objective, found.bound.value, found.verdict.status
    (16.0, 16.0, 'checked')
    """
    if not tolerance > 0:
        raise InputError(f"tolerance = {tolerance}", "must be > 0", "choose e.g. tolerance=1e-6")
    inputs, targets = matrix("X", X), matrix("Y", Y).T
    weight = _weight(head)
    U, G = matrix("head", weight.cpu().numpy()), _features(features, inputs, weight.dtype)
    if targets.shape != (len(U), len(G)):
        shapes = f"Y of shape {targets.T.shape} for predictions of shape {(len(G), len(U))}"
        raise InputError(shapes, "needs one row per example and one column per output", "pass Y of shape (N, a)")
    if G.shape[1] != U.shape[1]:
        shapes = f"features of shape {G.shape} and a head of shape {U.shape}"
        raise InputError(shapes, "must have one width", "split the network just before its last layer")
    bound = last_layer_bound(targets, block_size, retain, U.shape[1])
    starts = np.arange(0, U.shape[1], block_size)
    parts = np.array([U[:, s : s + block_size] @ G[:, s : s + block_size].T for s in starts])
    objective = _objective(targets, U, G, block_size, retain)
    sampled = _sampled(targets, parts, retain, objective, count("draws", draws, 2), seed)
    norms = np.sqrt((parts**2).sum(axis=(1, 2)))
    return LastLayerCheck(
        _verdict(objective, bound.value, tolerance, sampled), objective, bound, tolerance,
        np.linalg.svd(parts.sum(axis=0), compute_uv=False), norms, _balanced(norms, tolerance**0.5), sampled,
    )  # fmt: skip


def _weight(head: nn.Linear | Tensor) -> Tensor:
    if isinstance(head, Tensor):
        return head.detach()
    bias: Tensor | None = head.bias  # the stubs leave None out
    if bias is not None:
        raise InputError("head with a bias", "a bias behind the mask is not covered by the bound",
                         "train with bias=False, or subtract it from Y and pass head.weight")  # fmt: skip
    return head.weight.detach()


def _features(features: Callable[[Tensor], Tensor], inputs: "NDArray[np.float64]", kind: torch.dtype) -> Any:
    training = isinstance(features, nn.Module) and features.training
    try:
        if isinstance(features, nn.Module):
            features.eval()
        with torch.no_grad():
            found = features(torch.as_tensor(inputs, dtype=kind)).cpu().numpy()
    finally:
        if training and isinstance(features, nn.Module):
            features.train()
    if found.ndim != 2 or len(found) != len(inputs):
        raise InputError(
            f"features of shape {found.shape}", f"must be a matrix with {len(inputs)} rows", "flatten them"
        )
    return matrix("features", found)


def _objective(
    targets: "NDArray[np.float64]", U: "NDArray[np.float64]", G: "NDArray[np.float64]", block_size: int, retain: float
) -> float:
    """Return ‖Y − UGᵀ‖² + ⟨C̄, (UᵀU)∘(GᵀG)⟩ with C̄ = (1 − θ)/θ within blocks and 0 between them."""
    block = np.arange(U.shape[1]) // block_size
    covariance = np.where(block[:, None] == block, (1 - retain) / retain, 0.0)
    residual = targets - U @ G.T
    return float((residual**2).sum() + (covariance * (U.T @ U) * (G.T @ G)).sum())


def _sampled(
    targets: "NDArray[np.float64]", parts: "NDArray[np.float64]", retain: float, exact: float, draws: int, seed: int
) -> Sampled:
    """Return the mean of ‖Y − U diag(z̄)Gᵀ‖² over masks drawn per example and block."""
    generator = np.random.default_rng(seed)
    blocks, _, examples = parts.shape
    step = max(1, CHUNK // (blocks * examples))
    losses = []
    for start in range(0, draws, step):
        kept = generator.random((min(step, draws - start), examples, blocks)) < retain
        residual = targets.T - np.einsum("snb,ban->sna", kept / retain, parts)
        losses.append((residual**2).sum(axis=(1, 2)))
    values = np.concatenate(losses)
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(draws))
    floor = ROUNDING * (1 + abs(exact))  # without noise the two differ by rounding alone
    return Sampled(mean, error, draws, (mean - exact) / max(error, floor))


def _verdict(objective: float, bound: float, tolerance: float, sampled: Sampled) -> Verdict:
    figures = {"objective": objective, "bound": bound, "excess": objective - bound}
    if abs(sampled.z) >= LARGEST_Z:
        return Verdict("refuted", "the mean over random masks is not the exact expectation",
                       witness={**figures, "mean": sampled.mean, "error": sampled.error})  # fmt: skip
    if objective - bound < -ROUNDING * (1 + abs(bound)):
        return Verdict("refuted", "the objective is below the bound", witness=figures)
    detail = f"objective {objective:.12g}, bound {bound:.12g}"
    if objective - bound <= tolerance * (bound or 1.0):
        return Verdict("checked", f"the excess over the bound is at most {tolerance:g} of it", detail=detail)
    return Verdict("refuted", "the network does not attain the bound", witness=figures, detail=detail)


def _balanced(norms: "NDArray[np.float64]", tolerance: float) -> Verdict:
    least, largest = float(norms.min()), float(norms.max())
    if largest - least <= tolerance * largest:
        return Verdict("checked", f"the norms of the blocks agree to {tolerance:g}")
    return Verdict("refuted", "the norms of the blocks differ", witness={"least": least, "largest": largest})

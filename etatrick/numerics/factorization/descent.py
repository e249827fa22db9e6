"""Upper bounds where no closed form is known: block after block exactly, then all factors at once."""

from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.factorization.charges import Charges
from etatrick.numerics.factorization.folding import Found

if TYPE_CHECKING:
    from numpy.typing import NDArray

SWEEPS: Final = 300
WORK: Final = 3e9  # size³ · blocks · sweeps
STILL: Final = 1e-13
POLISHED: Final = 20_000  # entries of a factor up to which the last digits are worth a joint descent


def descend(target: "NDArray[np.float64]", charges: Charges, start: Found | None = None) -> Found:
    """Return factors of a stationary point of ‖diag(m) − ΣA_b‖² + Σλ_b‖A_b‖² − κ‖ΣA_b‖², rank A_b ≤ r_b.

    Given the others with sum S, the best block is the rank-r_b truncation of (diag(m) − (1 − κ)S)/(1 + λ_b − κ). The
    objective never increases; without a start the blocks begin at a seeded random point.

    Examples
    --------
    >>> from etatrick.numerics.factorization.charges import charges_of, partitioned
    >>> round(descend(np.array([3.0, 1.0]), charges_of(partitioned(2, 2, 0.5))).value, 12)
    5.0
    """
    n, blocks = len(target), len(charges.sizes)
    if start is None:
        draw = np.random.default_rng(0).standard_normal((2, n, charges.width)) * np.sqrt(target[0] / charges.width)
        left, right = draw[0], draw[1]
    else:
        left, right = start.left.copy(), start.right.copy()
    total, value = left @ right.T, np.inf
    for _ in range(max(1, int(min(SWEEPS, WORK / (blocks * n**3))))):
        for rate, block in zip(charges.rates, charges.slices, strict=True):
            others = total - left[:, block] @ right[:, block].T
            wanted = (np.diag(target) - (1 - charges.shared) * others) / (1 + rate - charges.shared)
            U, sizes, Vt = np.linalg.svd(wanted)
            rank = min(block.stop - block.start, n)
            place = slice(block.start, block.start + rank)
            left[:, block] = right[:, block] = 0.0
            left[:, place] = U[:, :rank] * np.sqrt(sizes[:rank])
            right[:, place] = Vt[:rank].T * np.sqrt(sizes[:rank])
            total = others + left[:, block] @ right[:, block].T
        before, value = value, explicit(target, left, right, charges)
        if before - value <= STILL * value:
            break
    return _polished(target, charges, Found(left, right, value))


def _polished(target: "NDArray[np.float64]", charges: Charges, found: Found) -> Found:
    """Follow the gradient in all factors at once: where the odds are small, one block at a time hardly moves."""
    from scipy.optimize import minimize

    shape = found.left.shape
    if found.left.size > POLISHED:
        return found

    def loss(x: "NDArray[np.float64]") -> "tuple[float, NDArray[np.float64]]":
        left, right = x.reshape(2, *shape)
        total = left @ right.T
        pull = 2 * (total - np.diag(target)) - 2 * charges.shared * total
        slopes = np.stack([pull @ right, pull.T @ left])
        for rate, block in zip(charges.rates, charges.slices, strict=True):
            slopes[0][:, block] += 2 * rate * left[:, block] @ (right[:, block].T @ right[:, block])
            slopes[1][:, block] += 2 * rate * right[:, block] @ (left[:, block].T @ left[:, block])
        return explicit(target, left, right, charges), slopes.ravel()

    # a step off the symmetric point, which may be a saddle
    start = np.stack([found.left, found.right])
    start = start + 1e-3 * np.sqrt(target[0]) * np.random.default_rng(1).standard_normal(start.shape)
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-11, "maxcor": 20}
    left, right = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(2, *shape)
    value = explicit(target, left, right, charges)
    return Found(left, right, value) if value < found.value else found


def explicit(
    target: "NDArray[np.float64]", left: "NDArray[np.float64]", right: "NDArray[np.float64]", charges: Charges
) -> float:
    """Return the objective of factors of diag(m), from the Gram matrices of the blocks."""
    total = left @ right.T
    penalty = sum(rate * float(np.sum((left[:, block].T @ left[:, block]) * (right[:, block].T @ right[:, block])))
                  for rate, block in zip(charges.rates, charges.slices, strict=True))  # fmt: skip
    return float(np.sum((np.diag(target) - total) ** 2)) + penalty - charges.shared * float(np.sum(total**2))

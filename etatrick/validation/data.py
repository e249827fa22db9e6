"""Data that ship with scikit-learn, prepared once: diabetes for regression, digits for classification."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class Split:
    """A classification data set in two parts: float inputs (n, features) and integer labels (n,)."""

    train_inputs: "NDArray[np.float32]"
    train_labels: "NDArray[np.int64]"
    test_inputs: "NDArray[np.float32]"
    test_labels: "NDArray[np.int64]"

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1

    def tensors(self, device: str) -> "tuple[Tensor, Tensor, Tensor, Tensor]":
        """Return the four arrays as tensors on a device."""
        import torch

        arrays = (self.train_inputs, self.train_labels, self.test_inputs, self.test_labels)
        first, second, third, fourth = (torch.tensor(array, device=device) for array in arrays)
        return first, second, third, fourth


@lru_cache(maxsize=1)
def diabetes() -> "tuple[NDArray[np.float64], NDArray[np.float64], list[str]]":
    """Return the diabetes data: centred columns of norm 1, the centred target of norm 1, and column names.

    Examples
    --------
    >>> X, y, names = diabetes()
    >>> X.shape, len(names), float(np.linalg.norm(y).round(12))
    ((442, 10), 10, 1.0)
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    X = bunch.data - bunch.data.mean(0)
    y = bunch.target - bunch.target.mean()
    X, y = X / np.linalg.norm(X, axis=0), y / np.linalg.norm(y)
    for array in (X, y):
        array.flags.writeable = False  # the cache hands out the same arrays to everyone
    return X, y, list(bunch.feature_names)


@lru_cache(maxsize=1)
def digits() -> Split:
    """Return the 8×8 digits scaled to [0, 1]: a stratified split, one fifth for testing.

    Examples
    --------
    >>> digits().train_inputs.shape
    (1437, 64)
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    parts = train_test_split(
        (X / 16.0).astype(np.float32), y.astype(np.int64), test_size=0.2, random_state=0, stratify=y
    )
    train_inputs, test_inputs, train_labels, test_labels = parts
    return Split(train_inputs, train_labels, test_inputs, test_labels)

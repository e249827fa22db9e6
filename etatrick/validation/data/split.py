"""A classification data set in two parts, and how a validation part is set aside."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError

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

    def with_validation(self, fraction: float = 0.2, seed: int = 42) -> "Split":
        """Return the training part alone, a random `fraction` of it set aside in the place of the test part.

        Parameters
        ----------
        fraction : float
            In (0, 1); the validation part has round(fraction·n) samples.
        seed : int
            Of the permutation; the same seed sets the same samples aside.

        Returns
        -------
        Split

        Raises
        ------
        InputError
            If one of the two parts would be empty.

        Examples
        --------
        >>> from etatrick.validation.data import digits
        >>> inner = digits().with_validation(0.2)
        >>> len(inner.train_labels), len(inner.test_labels)
        (1150, 287)
        """
        count = len(self.train_labels)
        aside = round(fraction * count) if 0 < fraction < 1 else 0
        if not 0 < aside < count:
            raise InputError(
                f"fraction = {fraction} of {count} samples", "must leave samples in both parts", "choose e.g. 0.2"
            )
        order = np.random.default_rng(seed).permutation(count)
        kept, held = order[aside:], order[:aside]
        return Split(self.train_inputs[kept], self.train_labels[kept], self.train_inputs[held], self.train_labels[held])

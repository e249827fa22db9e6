"""Data that ship with scikit-learn, prepared once: one set for regression, three for classification."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.data.split import Split

if TYPE_CHECKING:
    from numpy.typing import NDArray


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

    X, y = load_digits(return_X_y=True)
    return _divided(X / 16.0, y)


@lru_cache(maxsize=1)
def breast_cancer() -> Split:
    """Return the Wisconsin breast-cancer data: 30 features, standardised by the training part, and two classes.

    Examples
    --------
    >>> breast_cancer().train_inputs.shape, breast_cancer().classes
    ((455, 30), 2)
    """
    from sklearn.datasets import load_breast_cancer

    return _standardised(_divided(*load_breast_cancer(return_X_y=True)))


@lru_cache(maxsize=1)
def wine() -> Split:
    """Return the wine data: 13 features, standardised by the training part, and three classes.

    Examples
    --------
    >>> wine().train_inputs.shape, wine().classes
    ((142, 13), 3)
    """
    from sklearn.datasets import load_wine

    return _standardised(_divided(*load_wine(return_X_y=True)))


def _divided(X: Any, y: Any) -> Split:
    """Return a stratified split, one fifth for testing, always the same."""
    from sklearn.model_selection import train_test_split

    parts = train_test_split(X.astype(np.float32), y.astype(np.int64), test_size=0.2, random_state=0, stratify=y)
    train_inputs, test_inputs, train_labels, test_labels = parts
    return Split(train_inputs, train_labels, test_inputs, test_labels)


def _standardised(split: Split) -> Split:
    """Return the split with columns centred and scaled by the training part's mean and standard deviation."""
    mean, deviation = split.train_inputs.mean(0), split.train_inputs.std(0)
    train, test = ((part - mean) / deviation for part in (split.train_inputs, split.test_inputs))
    return Split(train, split.train_labels, test, split.test_labels)

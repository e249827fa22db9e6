"""The data sets: what was promised about their preparation, and that nobody can spoil them for the next claim."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits

from etatrick.validation.data import Split, diabetes, digits
from tolerances import CERTIFICATE


def test_diabetes_has_centred_columns_of_norm_one() -> None:
    X, y, names = diabetes()
    assert X.shape == (442, 10)
    assert np.abs(X.mean(0)).max() <= CERTIFICATE
    assert np.abs((X**2).sum(0) - 1).max() <= CERTIFICATE
    assert abs(y.mean()) <= CERTIFICATE
    assert abs(y @ y - 1) <= CERTIFICATE
    assert names[2] == "bmi"
    raw = load_diabetes()
    assert np.abs(np.corrcoef(X.T) - np.corrcoef(raw.data.T)).max() <= CERTIFICATE
    assert abs(np.corrcoef(y, raw.target)[0, 1] - 1) <= CERTIFICATE


def test_digits_is_a_partition_with_the_classes_in_proportion() -> None:
    data = digits()
    assert data.train_inputs.shape == (1437, 64)
    assert data.test_inputs.shape == (360, 64)
    assert data.classes == 10
    assert data.train_inputs.dtype == data.test_inputs.dtype == np.float32
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    X, y = load_digits(return_X_y=True)
    both = np.vstack([data.train_inputs, data.test_inputs])
    labels = np.concatenate([data.train_labels, data.test_labels])
    ours = sorted(zip(map(tuple, (both * 16).astype(int)), labels.tolist(), strict=True))
    assert ours == sorted(zip(map(tuple, X.astype(int)), y.tolist(), strict=True))
    train, test = (np.bincount(part) / len(part) for part in (data.train_labels, data.test_labels))
    assert np.abs(train - test).max() < 0.005


def test_the_split_is_always_the_same() -> None:
    first = digits()
    digits.cache_clear()
    again = digits()
    assert np.array_equal(first.train_inputs, again.train_inputs)
    assert np.array_equal(first.test_labels, again.test_labels)


def test_tensors_have_the_values_and_types() -> None:
    data = digits()
    inputs, labels, test_inputs, test_labels = data.tensors("cpu")
    assert inputs.dtype == test_inputs.dtype == torch.float32
    assert labels.dtype == test_labels.dtype == torch.int64
    assert np.array_equal(inputs.numpy(), data.train_inputs)
    assert np.array_equal(test_labels.numpy(), data.test_labels)


def test_writing_into_the_tensors_does_not_change_the_data() -> None:
    inputs, labels = np.ones((2, 3), np.float32), np.zeros(2, np.int64)
    small = Split(inputs, labels, inputs.copy(), labels.copy())
    for tensor in small.tensors("cpu"):
        tensor.add_(1)
    assert (small.train_inputs == 1).all()
    assert (small.test_labels == 0).all()


@pytest.mark.parametrize("which", [0, 1])
def test_the_cached_regression_data_cannot_be_spoilt(which: int) -> None:
    array = diabetes()[:2][which]
    before = array.copy()
    try:
        array[...] = 0
    except ValueError:
        return  # read-only
    finally:
        if array.flags.writeable:
            array[...] = before
    assert np.array_equal(diabetes()[:2][which], before)
    assert diabetes()[:2][which] is not array

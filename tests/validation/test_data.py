"""The data sets: what was promised about their preparation, and that nobody can spoil them for the next claim."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits

from etatrick.errors import InputError
from etatrick.validation.data import Split, breast_cancer, diabetes, digits, idx_folder, mnist, mnist_files, wine
from etatrick.validation.data.mnist_files import CHECKSUMS
from tolerances import CERTIFICATE

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


@pytest.mark.parametrize(("load", "samples", "features"), [(breast_cancer, 569, 30), (wine, 178, 13)])
def test_standardised_sets_use_the_training_part_s_mean_and_deviation(
    load: Callable[[], Split], samples: int, features: int
) -> None:
    data = load()
    assert data.train_inputs.shape[1] == features
    assert len(data.train_labels) + len(data.test_labels) == samples
    assert np.abs(data.train_inputs.mean(0)).max() < 1e-5
    assert np.abs(data.train_inputs.std(0) - 1).max() < 1e-5
    assert np.abs(data.test_inputs.mean(0)).max() > 1e-3  # not standardised by itself


def test_the_validation_part_is_taken_from_the_training_part_alone() -> None:
    data = digits()
    inner, again, other = data.with_validation(0.2, 42), data.with_validation(0.2, 42), data.with_validation(0.2, 43)
    assert len(inner.test_labels) == round(0.2 * len(data.train_labels))
    parts = np.vstack([inner.train_inputs, inner.test_inputs])
    assert sorted(map(tuple, parts.tolist())) == sorted(map(tuple, data.train_inputs.tolist()))
    assert np.array_equal(inner.test_inputs, again.test_inputs)
    assert not np.array_equal(inner.test_inputs, other.test_inputs)
    rows = {tuple(row): label for row, label in zip(data.train_inputs.tolist(), data.train_labels, strict=True)}
    assert all(rows[tuple(r)] == y for r, y in zip(inner.test_inputs.tolist(), inner.test_labels, strict=True))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1e-9, float("nan")])
def test_a_part_without_samples_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match="both parts"):
        digits().with_validation(fraction)


# --- IDX files ------------------------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
NUMBERS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def idx(array: "NDArray[np.uint8]") -> bytes:
    """Write the format from its description."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(IMAGES))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(NUMBERS)))
    return tmp_path


def test_idx_files_are_read_raw_and_compressed(folder: Path) -> None:
    data = idx_folder(folder)
    assert data.train_inputs.shape == (6, 12)
    assert np.array_equal(np.rint(data.train_inputs * 255).astype(int), IMAGES.reshape(6, 12))
    assert data.test_labels.tolist() == NUMBERS.tolist()
    assert data.classes == 3


BREAKS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b"", "starts with nothing, expected 00000803"),
    "magic": (lambda b: b"\x00\x00\x0d\x03" + b[4:], "starts with 00000d03, expected 00000803"),
    "dimensions": (lambda b: b"\x00\x00\x08\x01" + b[4:], "starts with 00000801, expected 00000803"),
    "header": (lambda b: b[:10], "truncated: 10 bytes, expected a header of 16"),
    "short": (lambda b: b[:-1], "truncated: 87 bytes, expected 88"),
    "long": (lambda b: b + b"x", "too long: 89 bytes, expected 88"),
    "no samples": (lambda b: b[:4] + bytes(4) + b[8:], "expected positive"),
    "huge": (lambda b: b[:4] + b"\xff" * 12 + b[16:], "truncated"),
    "gzip cut": (lambda b: gzip.compress(b)[:-9], "broken gzip"),
    "gzip spoilt": (lambda b: gzip.compress(b)[:20] + bytes(30), "broken gzip"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_file_is_named_with_what_was_expected_and_found(folder: Path, name: str) -> None:
    spoil, words = BREAKS[name]
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=words) as caught:
        idx_folder(folder)
    assert path.name in str(caught.value)


def test_labels_of_another_number_than_the_images_are_refused(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(NUMBERS[:5])))
    with pytest.raises(InputError, match="6 images and 5 labels"):
        idx_folder(folder)


def test_missing_files_and_folders_are_named(folder: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        mnist(folder / "nowhere")
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(InputError, match=r"neither t10k-images-idx3-ubyte nor t10k-images-idx3-ubyte\.gz"):
        mnist(folder)


def test_another_data_set_is_not_taken_for_mnist(folder: Path) -> None:
    with pytest.raises(InputError, match=r"not MNIST's: SHA-256 .*, expected ba891046e6505d7a") as caught:
        mnist(folder)
    assert "idx_folder" in str(caught.value)


def test_mnist_is_normalised_once_its_files_are_the_known_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {name: hashlib.sha256(idx(IMAGES if "images" in name else NUMBERS)).hexdigest() for name in CHECKSUMS}
    monkeypatch.setattr(mnist_files, "CHECKSUMS", digests)
    data = mnist(folder)
    assert np.abs(data.train_inputs - (IMAGES.reshape(6, 12) / 255 - 0.1307) / 0.3081).max() < 1e-6


# --- the download -----------------------------------------------------------------------------------------------------


def test_a_download_gets_its_name_only_once_its_content_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "t10k-labels-idx1-ubyte"
    good, asked = idx(NUMBERS), []
    monkeypatch.setattr(mnist_files, "CHECKSUMS", {name: hashlib.sha256(good).hexdigest()})

    def retrieve(url: str, known_hash: None, file_name: str, place: Path) -> str:
        asked.append(url)
        content = gzip.compress(idx(NUMBERS[::-1].copy()) if len(asked) == 1 else good)  # the first mirror is spoilt
        (place / file_name).write_bytes(content)
        return str(place / file_name)

    mnist_files.fetch(name, tmp_path, retrieve)
    assert len(asked) == 2
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.gz"]
    assert gzip.decompress((tmp_path / f"{name}.gz").read_bytes()) == good


def test_without_a_network_the_message_says_what_failed_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    def retrieve(*arguments: object) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setenv("ETATRICK_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"ConnectionError.*--data DIR") as caught:
        mnist()
    assert str(tmp_path)[:8] in str(caught.value)  # long paths are shortened
    assert "train-images-idx3-ubyte" in str(caught.value)
    assert not list(tmp_path.rglob("*ubyte*"))

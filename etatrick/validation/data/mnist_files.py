"""MNIST from a folder of IDX files or from a checked download, and any other data set in the same four files."""

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.validation.data.idx import contents, parsed
from etatrick.validation.data.split import Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEAN: Final = 0.1307  # of MNIST's training pixels on [0, 1]
DEVIATION: Final = 0.3081
IMAGES: Final = 3  # dimensions
LABELS: Final = 1
FILES: Final[Mapping[str, int]] = {
    "train-images-idx3-ubyte": IMAGES,
    "train-labels-idx1-ubyte": LABELS,
    "t10k-images-idx3-ubyte": IMAGES,
    "t10k-labels-idx1-ubyte": LABELS,
}
# SHA-256 of the decompressed files: compression differs between mirrors
CHECKSUMS: Final[Mapping[str, str]] = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS: Final = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
CACHE_VARIABLE: Final = "ETATRICK_DATA"


def mnist(folder: str | Path = "") -> Split:
    """Return MNIST: 60,000 training and 10,000 test images, 784 pixels each, (pixel/255 − 0.1307)/0.3081.

    Parameters
    ----------
    folder : str or pathlib.Path
        A folder with the four IDX files, gzip-compressed (``.gz``) or not. Empty: the cache folder (the environment
        variable ``ETATRICK_DATA``, or the system's cache), to which missing files are downloaded once.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        If a file is missing, corrupt, truncated or not MNIST's (by its SHA-256), or the download fails.
    """
    place = Path(folder) if str(folder) else _downloaded()
    return _mnist(place.resolve())


def idx_folder(folder: str | Path) -> Split:
    """Return any data set that comes in MNIST's four files (Fashion-MNIST, say), its pixels scaled to [0, 1].

    Parameters
    ----------
    folder : str or pathlib.Path
        A folder with the four IDX files, gzip-compressed or not.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        If a file is missing, corrupt or truncated, or images and labels do not match.
    """
    arrays = {name: parsed(contents(path), FILES[name], path.name) for name, path in _located(Path(folder)).items()}
    return _split(arrays, mean=0.0, deviation=1.0)


@lru_cache(maxsize=1)
def _mnist(folder: Path) -> Split:
    arrays = {name: parsed(verified(name, path), FILES[name], path.name) for name, path in _located(folder).items()}
    return _split(arrays, MEAN, DEVIATION)


def verified(name: str, path: Path) -> bytes:
    """Return the decompressed bytes of one of MNIST's files, if they are the known ones.

    Parameters
    ----------
    name : str
        A key of :data:`CHECKSUMS`.
    path : pathlib.Path

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If the SHA-256 differs; the message holds the file, the expected and the found one.
    """
    data = contents(path)
    parsed(data, FILES[name], str(path))  # what is wrong with a broken file is a better message than a digest
    found = hashlib.sha256(data).hexdigest()
    if found != CHECKSUMS[name]:
        raise InputError(
            str(path),
            f"is not MNIST's: SHA-256 {found[:16]}…, expected {CHECKSUMS[name][:16]}…",
            "fetch it again, or read another data set with idx_folder",
        )
    return data


def _located(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(str(folder), "is no folder", "name the folder that holds the IDX files")
    paths = {}
    for name in FILES:
        candidates = [folder / f"{name}{ending}" for ending in ("", ".gz")]
        present = [path for path in candidates if path.is_file()]
        if not present:
            raise InputError(
                str(folder), f"holds neither {name} nor {name}.gz", "name a folder with all four IDX files"
            )
        paths[name] = present[0]
    return paths


def _split(arrays: "Mapping[str, NDArray[np.uint8]]", mean: float, deviation: float) -> Split:
    images_and_labels = list(arrays.values())
    parts: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []
    for images, labels in (images_and_labels[:2], images_and_labels[2:]):
        if len(images) != len(labels):
            raise InputError(f"{len(images)} images and {len(labels)} labels", "do not match", "fetch both files again")
        flat = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
        parts.append(((flat - np.float32(mean)) / np.float32(deviation), labels.astype(np.int64)))
    (train, train_labels), (test, test_labels) = parts
    if train.shape[1] != test.shape[1]:
        raise InputError(
            f"images of {train.shape[1]} and {test.shape[1]} pixels", "do not match", "use files of one data set"
        )
    return Split(train, train_labels, test, test_labels)


def _downloaded() -> Path:
    """Return the cache folder, after fetching what is missing there; every file is checked before it gets its name."""
    import pooch

    cache = Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("etatrick")) / "mnist"
    for name in FILES:
        if not any((cache / f"{name}{ending}").is_file() for ending in ("", ".gz")):
            fetch(name, cache, pooch.retrieve)
    return cache


def fetch(name: str, cache: Path, retrieve: Callable[..., str]) -> None:
    """Download one of MNIST's files from the first mirror that has it, and give it its name once it is checked.

    Parameters
    ----------
    name : str
        A key of :data:`CHECKSUMS`.
    cache : pathlib.Path
        Where ``name.gz`` is to lie.
    retrieve : callable
        ``retrieve(url, known_hash, file_name, folder)`` downloads to a file and returns its path, as
        ``pooch.retrieve`` does.

    Raises
    ------
    InputError
        If no mirror gives the file; the message says what each did.
    """
    failures = []
    for mirror in MIRRORS:
        try:
            # downloaded beside its place: it gets its name only after its content was checked
            path = Path(retrieve(f"{mirror}{name}.gz", None, f"{name}.gz.part-{os.getpid()}", cache))
        except Exception as error:  # a transport raises what it likes
            failures.append(f"{mirror}: {type(error).__name__}")
            continue
        try:
            verified(name, path)
            path.replace(cache / f"{name}.gz")
        except InputError as error:
            failures.append(f"{mirror}: {error.rule}")
        else:
            return
        finally:
            path.unlink(missing_ok=True)
    raise InputError(
        f"the download of {name}.gz to {cache}",
        f"failed ({'; '.join(failures)})",
        "connect to the network, or pass a folder with MNIST's four IDX files (--data DIR)",
    )

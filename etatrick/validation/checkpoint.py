"""Checkpoints of a training run: one file of arrays and JSON, written in one step, read without unpickling."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError, shortened
from etatrick.validation.files import write

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIGURATION: Final = "configuration"  # the entry that holds the run's description, as JSON in bytes
REMEDY: Final = "choose another folder, or delete the file to start afresh"


def save_checkpoint(path: Path, configuration: Mapping[str, Any], arrays: "Mapping[str, NDArray[Any]]") -> None:
    """Write a checkpoint; a kill at any moment leaves the earlier one or the new one.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is created when it is missing.
    configuration : mapping
        What the run is, JSON-ready: the same run has the same configuration.
    arrays : mapping of str to ndarray
        Its state, of numbers or truth values.

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.npz"
    >>> save_checkpoint(path, {"epochs": 3}, {"weights": np.ones(2)})
    >>> load_checkpoint(path, {"epochs": 3})["weights"]
    array([1., 1.])
    """
    described = np.frombuffer(json.dumps(configuration, sort_keys=True).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{CONFIGURATION: described}, **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, buffer.getvalue())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(str(path), f"the checkpoint cannot be written ({reason})", "choose another folder") from error


def load_checkpoint(path: Path, configuration: Mapping[str, Any]) -> "dict[str, NDArray[Any]] | None":
    """Read the checkpoint of this very run.

    Parameters
    ----------
    path : pathlib.Path
    configuration : mapping
        What the run is now.

    Returns
    -------
    dict of str to ndarray, or None
        None when there is no file.

    Raises
    ------
    InputError
        If the file is truncated, damaged or of another kind, or belongs to another configuration.
    """
    if not path.exists():
        return None
    try:
        # from memory: a damaged file would otherwise stay open
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        found = json.loads(arrays.pop(CONFIGURATION).tobytes())
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(str(path), "the checkpoint is truncated, damaged or of another kind", REMEDY) from error
    wanted = json.loads(json.dumps(configuration))
    if found != wanted:
        raise InputError(str(path), f"the checkpoint belongs to another run ({_difference(found, wanted)})", REMEDY)
    return arrays


def _difference(found: Any, wanted: Any) -> str:
    if not isinstance(found, dict):
        return "it has no description"
    name = next(key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key))
    return f"{name} = {shortened(str(found.get(name)), 60)} there, {shortened(str(wanted.get(name)), 60)} here"

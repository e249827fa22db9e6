"""The JSON document of a report: the ledger with what produced it, and the schema it obeys."""

import json
import math
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata, resources
from typing import Any

from etatrick.validation.evidence import Evidence

VERSION = 2
LIBRARIES = ("numpy", "scipy", "sympy", "torch", "cvxpy", "scikit-learn")


def document(entries: Sequence[Evidence], command: str) -> dict[str, Any]:
    """Return the report as JSON-ready data, in which numbers that are not finite are None.

    Parameters
    ----------
    entries : sequence of Evidence
        The ledger.
    command : str
        What reproduces it on a command line.

    Returns
    -------
    dict
        Data that obeys :func:`schema`.

    Examples
    --------
    >>> document([], "etatrick verify")["claims"]
    []
    """
    return {
        "schema": "etatrick-report",
        "version": VERSION,
        "etatrick": _version("etatrick"),
        "python": platform.python_version(),
        "libraries": versions(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()} ({sys.platform})",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "claims": [finite(entry.to_json()) for entry in entries],
    }


def encoded(content: Mapping[str, Any]) -> bytes:
    """Return a document as UTF-8 bytes of strict JSON (no NaN or Infinity)."""
    return (json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of the document.

    Returns
    -------
    dict
        The schema as shipped with the package.

    Examples
    --------
    >>> schema()["title"]
    'etatrick report'
    """
    text = resources.files(__package__).joinpath("report.schema.json").read_text("utf-8")
    return dict(json.loads(text))


def finite(value: Any) -> Any:
    """Return `value` as plain JSON data, with None for each number that is not finite.

    Examples
    --------
    >>> finite({"gap": float("nan"), "path": (1, 2.5)})
    {'gap': None, 'path': [1, 2.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, torch tensors
        return finite(value.tolist())
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def versions() -> dict[str, str | None]:
    """Return the versions of the libraries that produce the numbers; None where one is not installed."""
    return {name: _version(name) for name in LIBRARIES}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None

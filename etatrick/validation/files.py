"""How results reach the disk: the folder is checked first, and every file is written atomically."""

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from etatrick.errors import InputError

REMEDY = "choose another folder with --out"
PAGE, JSON, SUMMARY, STYLE = "index.html", "report.json", "report.md", "style.css"
FIGURES, PAGES = "figures", "claims"
OURS = b'<meta name="generator" content="etatrick'
MARKS = {PAGE: OURS, JSON: b'"etatrick-report"', SUMMARY: b"# Ledger of claims", STYLE: b"/* etatrick"}


def prepare(out: Path) -> Path:
    """Make sure that a report can be written to the folder `out`, creating it when it is missing.

    Parameters
    ----------
    out : pathlib.Path
        The folder for the report.

    Returns
    -------
    pathlib.Path
        The same folder; it exists and can be written.

    Raises
    ------
    InputError
        If `out` is a file, cannot be created or written, or holds a page or document of another origin.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     prepare(Path(folder) / "report").is_dir()
    True
    """
    for folder in (out, out / FIGURES, out / PAGES):
        if os.path.lexists(folder) and not folder.is_dir():
            raise InputError(str(folder), "the report needs a folder, and this is a file", REMEDY)
    for name, mark in MARKS.items():
        if not _is_ours(out / name, mark):
            raise InputError(str(out / name), "it was not written by etatrick and would be lost", REMEDY)
    for folder in (out, out / FIGURES, out / PAGES):
        prepare_folder(folder)
    return out


def prepare_folder(folder: Path) -> Path:
    """Make sure that files can be written to a folder, creating it when it is missing.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    pathlib.Path
        The same folder.

    Raises
    ------
    InputError
        If it is a file, or cannot be created or written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     prepare_folder(Path(folder) / "new").is_dir()
    True
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(str(folder), "a folder is needed, and this is a file", REMEDY)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _temporary(folder)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(str(folder), f"the folder must be writable ({reason})", REMEDY) from error
    return folder


def write(path: Path, content: bytes) -> Path:
    """Write `content` to `path` in one step: readers see the old file or the new one, never half of one.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder exists.
    content : bytes
        All of it.

    Returns
    -------
    pathlib.Path
        The same path.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder) / "a.txt", b"etatrick").read_text()
    'etatrick'
    """
    temporary = _temporary(path.parent)
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def forget(folder: Path, current: Collection[Path]) -> None:
    """Remove the pages in `folder` that an earlier report wrote and that are not among `current`."""
    for path in folder.glob("*.html"):
        if path not in current and path.is_file() and _is_ours(path, OURS):
            path.unlink()


def _temporary(folder: Path) -> Path:
    return folder / f".etatrick-{os.getpid()}-{secrets.token_hex(4)}.tmp"


def _is_ours(path: Path, mark: bytes) -> bool:
    """Whether `path` is free, or holds what an earlier report left there."""
    if not os.path.lexists(path):
        return True
    try:
        with path.open("rb") as stream:
            return mark in stream.read(4096)
    except OSError:
        return False

"""One run per folder: a lock that the operating system lets go of when its process ends, however it ends."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from etatrick.errors import InputError

NAME: Final = "run.lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock within a ``with`` statement.

    Parameters
    ----------
    folder : Path
        Created when it is missing. The file ``run.lock`` stays in it; a dead process's is taken over.

    Raises
    ------
    InputError
        If another run holds it, or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name, locked(Path(name)):
    ...     pass
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / NAME).open("a+b")
    except OSError as error:
        remedy = "choose another folder with --out"
        raise InputError(str(folder), f"the lock cannot be written ({error.strerror})", remedy) from None
    with stream:
        if not _acquire(stream):
            other = _holder(folder / NAME)
            remedy = "wait for it, or choose another folder with --out"
            raise InputError(str(folder), f"another run{other} works in this folder", remedy)
        stream.truncate(0)
        stream.write(json.dumps({"pid": os.getpid()}).encode())
        stream.flush()
        yield


def _acquire(stream: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return _acquire_elsewhere(stream)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _acquire_elsewhere(stream: IO[bytes]) -> bool:
    import msvcrt

    stream.seek(10**6)  # a byte that nobody reads: Windows would refuse to read a locked one
    try:
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return f" (process {int(json.loads(path.read_text())['pid'])})"
    return ""

"""The IDX format of MNIST: a strict reader for one file, gzip-compressed or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSIGNED_BYTE: Final = 0x08
LARGEST: Final = 1 << 30  # bytes: ten times MNIST, and no file decompresses into all of memory


def contents(path: Path) -> bytes:
    """Return the bytes of a file, decompressed if it starts as gzip does.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If the file cannot be read, is larger than a gigabyte, or is a truncated or corrupt gzip file.
    """
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            source = gzip.GzipFile(fileobj=stream) if packed else stream
            found = source.read(LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(str(path), f"is a broken gzip file ({error})", "fetch it again") from error
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "name a readable file") from error
    if len(found) > LARGEST:
        raise InputError(str(path), f"holds more than {LARGEST} bytes", "name a file of MNIST's kind")
    return bytes(found)


def parsed(data: bytes, dimensions: int, origin: str) -> "NDArray[np.uint8]":
    """Return the array of an IDX file of unsigned bytes.

    The file is a magic number (two zero bytes, the type code 8, the number of dimensions), one big-endian 32-bit
    size per dimension, and the entries; nothing may be missing and nothing may follow.

    Parameters
    ----------
    data : bytes
        The decompressed file.
    dimensions : int
        The number of dimensions expected: 3 for images, 1 for labels.
    origin : str
        What an error calls the file.

    Returns
    -------
    ndarray of uint8
        Read-only.

    Raises
    ------
    InputError
        If the magic number, a size or the length is not as it should be; the message holds expected and found.

    Examples
    --------
    >>> parsed(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), 1, "labels")
    array([7, 8, 9], dtype=uint8)
    """
    head = 4 + 4 * dimensions
    wanted = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if data[:4] != wanted:
        found = data[:4].hex() or "nothing"
        raise InputError(
            origin,
            f"starts with {found}, expected {wanted.hex()}",
            f"name an IDX file of bytes, {dimensions}-dimensional",
        )
    if len(data) < head:
        raise InputError(origin, f"is truncated: {len(data)} bytes, expected a header of {head}", "fetch it again")
    sizes = struct.unpack(f">{dimensions}I", data[4:head])
    if 0 in sizes:
        raise InputError(origin, f"has sizes {sizes}, expected positive ones", "fetch it again")
    length = head + math.prod(sizes)
    if len(data) != length:
        state = "truncated" if len(data) < length else "too long"
        raise InputError(
            origin, f"is {state}: {len(data)} bytes, expected {length} for sizes {sizes}", "fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(sizes)

"""Results of finished parts on disk: atomic writes, found again only by the same key and the same code version."""

import contextlib
import glob
import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from etatrick.validation.code_version import digest, fingerprint
from etatrick.validation.files import write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGE: Final = 2048  # numbers in a list from which it is kept as an array
RETRIES: Final = 20
ARRAY: Final = "etatrick:array"
STALE: Final = "kept results that other code, libraries or earlier results produced are run again"
DAMAGED: Final = "kept results that cannot be read are run again"


@final
@dataclass(frozen=True)
class DirectoryStore:
    """Keeps each result as one JSON file in a directory, with its long lists of floats in an npz file beside it.

    A file holds the newest result of its key. It counts as absent, and :attr:`notes` says so once, if it cannot be
    read, if it was changed since, or if its code version is another.

    Parameters
    ----------
    root : Path
        Created when the first result is saved.

    Examples
    --------
    >>> import tempfile
    >>> store = DirectoryStore(Path(tempfile.mkdtemp()))
    >>> store.save(("claim", "part"), {"x": 1.5})
    >>> store.load(("claim", "part"))
    {'x': 1.5}
    >>> store.load(("claim", "part"), version="of other code") is None
    True
    >>> store.notes
    ['kept results that other code, libraries or earlier results produced are run again']
    """

    root: Path
    notes: list[str] = field(default_factory=list, compare=False)

    def load(self, key: tuple[str, ...], version: str | None = None) -> dict[str, Any] | None:
        """Return the result saved under `key` by this code version, or None.

        Parameters
        ----------
        key : tuple of str
        version : str, optional
            See :func:`etatrick.validation.code_version.code_version`; the whole package when left out.
        """
        for _ in range(RETRIES):  # another process may replace the arrays between the two files
            with contextlib.suppress(FileNotFoundError):
                return self._load(key, version or fingerprint())
            if not self._file(key).exists():
                return None
        return self._absent(DAMAGED)

    def _load(self, key: tuple[str, ...], version: str) -> dict[str, Any] | None:
        try:
            saved = json.loads(self._file(key).read_text(encoding="utf-8"))
            if saved["key"] != list(key) or saved["sum"] != _sum(saved["result"]):
                return self._absent(DAMAGED)
            if saved["version"] != version:
                return self._absent(STALE)
            result = dict(saved["result"])
            return dict(_filled(result, _read_arrays(self.root / saved["arrays"]))) if saved["arrays"] else result
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
            return self._absent(DAMAGED)

    def save(self, key: tuple[str, ...], result: dict[str, Any], version: str | None = None) -> None:
        """Write `result` under `key`: to a temporary file first, which then takes the final name.

        Raises
        ------
        TypeError
            If the result is not JSON-ready.
        OSError
            If the disk does not take it; what was kept before stays.
        """
        arrays: dict[str, NDArray[np.float64]] = {}
        slim = _without_arrays(result, arrays)
        self.root.mkdir(parents=True, exist_ok=True)
        file, beside = self._file(key), ""
        if arrays:  # first, so that a JSON file never lacks its arrays
            beside = f"{file.stem}.{digest(*arrays)}.npz"
            write(self.root / beside, _npz(arrays))
        record = {"key": list(key), "version": version or fingerprint(), "sum": _sum(slim), "arrays": beside,
                  "result": slim}  # fmt: skip
        write(file, json.dumps(record).encode())
        for old in self.root.glob(f"{glob.escape(file.stem)}.*.npz"):
            if old.name != beside:
                old.unlink(missing_ok=True)

    def _absent(self, note: str) -> dict[str, Any] | None:
        if note not in self.notes:
            self.notes.append(note)
        return None

    def _file(self, key: tuple[str, ...]) -> Path:
        name = ".".join(key).replace("/", "-")[:120]
        return self.root / f"{name}.{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"


def _read_arrays(file: Path) -> "dict[str, NDArray[np.float64]]":
    import numpy as np

    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as kept:
        arrays = {name: kept[name] for name in kept.files}
    if any(_name(array) != name for name, array in arrays.items()):
        raise ValueError("the arrays were changed")
    return arrays


def _without_arrays(value: Any, arrays: "dict[str, NDArray[np.float64]]") -> Any:
    """Return `value` with every long list of floats replaced by the name of its array."""
    if isinstance(value, dict):
        return {key: _without_arrays(entry, arrays) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        if len(value) >= LARGE and all(type(entry) is float for entry in value):
            import numpy as np

            array = np.array(value, dtype=np.float64)
            arrays[_name(array)] = array
            return {ARRAY: _name(array)}
        return [_without_arrays(entry, arrays) for entry in value]
    return value


def _filled(value: Any, arrays: "dict[str, NDArray[np.float64]]") -> Any:
    if isinstance(value, dict):
        if set(value) == {ARRAY}:
            return arrays[value[ARRAY]].tolist()
        return {key: _filled(entry, arrays) for key, entry in value.items()}
    return [_filled(entry, arrays) for entry in value] if isinstance(value, list) else value


def _name(array: "NDArray[np.float64]") -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def _npz(arrays: "dict[str, NDArray[np.float64]]") -> bytes:
    import numpy as np

    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _sum(result: Any) -> str:
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()[:16]

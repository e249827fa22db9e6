"""Results of finished parts on disk: atomic writes, keyed by what was run and by the code that ran it."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, final

from etatrick.validation.files import write

LIBRARIES = ("numpy", "scipy", "sympy", "torch", "cvxpy", "clarabel", "python-flint", "scikit-learn")


@final
@dataclass(frozen=True)
class DirectoryStore:
    """Keeps each result as one JSON file in a directory.

    A result is found again only by the same key, the same source code of this package and the same versions of
    the libraries it computes with; a file that cannot be read counts as absent.

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
    >>> store.load(("claim", "other")) is None
    True
    """

    root: Path

    def load(self, key: tuple[str, ...]) -> dict[str, Any] | None:
        """Return the result saved under `key`, or None."""
        try:
            saved = json.loads(self._file(key).read_text(encoding="utf-8"))
            return dict(saved["result"]) if saved["key"] == list(key) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, key: tuple[str, ...], result: dict[str, Any]) -> None:
        """Write `result` under `key`: to a temporary file first, which then takes the final name."""
        self.root.mkdir(parents=True, exist_ok=True)
        write(self._file(key), json.dumps({"key": list(key), "result": result}).encode())

    def _file(self, key: tuple[str, ...]) -> Path:
        digest = hashlib.sha256("\x1f".join((*key, fingerprint())).encode()).hexdigest()[:16]
        return self.root / f"{'.'.join(key).replace('/', '-')}.{digest}.json"


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a digest of this package's source files and of the versions of the numeric libraries."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for library in LIBRARIES:
        digest.update(f"{library} {metadata.version(library)}\0".encode())
    return digest.hexdigest()[:16]

"""Stored results: found again only under the same key and code, whole or not at all."""

import json
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from etatrick.validation import code_version, store
from etatrick.validation.store import DirectoryStore

KEY = ("source/claim", "η-trick (all)", "quick", "cuda:0")
RESULT = {"x": [1.5, 2], "nested": {"ok": True, "none": None}, "word": "λ"}


@pytest.fixture
def kept(tmp_path: Path) -> DirectoryStore:
    found = DirectoryStore(tmp_path / "deep" / "cache")
    found.save(KEY, RESULT)
    return found


def only_file(kept: DirectoryStore) -> Path:
    (path,) = kept.root.iterdir()
    return path


def test_a_result_is_found_again_by_another_object(kept: DirectoryStore) -> None:
    assert kept.load(KEY) == DirectoryStore(kept.root).load(KEY) == RESULT


@pytest.mark.parametrize("place", range(4))
def test_another_key_is_absent(kept: DirectoryStore, place: int) -> None:
    other = tuple("other" if index == place else part for index, part in enumerate(KEY))
    assert kept.load(other) is None


def test_keys_that_run_together_stay_apart(kept: DirectoryStore) -> None:
    kept.save(("a", "b.c", "d"), {"first": 1})
    kept.save(("a", "b", "c.d"), {"second": 2})
    assert kept.load(("a", "b.c", "d")) == {"first": 1}
    assert kept.load(("a", "b", "c.d")) == {"second": 2}


def test_saving_again_replaces(kept: DirectoryStore) -> None:
    kept.save(KEY, {"x": 2})
    assert kept.load(KEY) == {"x": 2}
    only_file(kept)


def test_an_empty_store_has_nothing_and_makes_no_folder(tmp_path: Path) -> None:
    assert DirectoryStore(tmp_path / "none").load(KEY) is None
    assert not (tmp_path / "none").exists()


def test_a_truncated_file_counts_as_absent_at_every_length(kept: DirectoryStore) -> None:
    path = only_file(kept)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert kept.load(KEY) is None
    kept.save(KEY, RESULT)
    assert kept.load(KEY) == RESULT


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"3", b'"key"', b"{}", b"\xff\xfe\x00", b'{"key": []}', b'{"key": 1, "result": {}}',
     json.dumps({"key": list(KEY), "result": 3}).encode(), json.dumps({"key": list(KEY)}).encode()],
)  # fmt: skip
def test_a_file_that_is_no_result_counts_as_absent(kept: DirectoryStore, content: bytes) -> None:
    only_file(kept).write_bytes(content)
    assert kept.load(KEY) is None


def test_a_file_under_the_wrong_name_counts_as_absent(kept: DirectoryStore) -> None:
    other = ("source/claim", "other", "quick", "cpu")
    kept.save(other, {"y": 1})
    first, second = sorted(kept.root.iterdir())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert kept.load(KEY) is None
    assert kept.load(other) is None


def test_a_folder_in_the_place_of_a_result_counts_as_absent(kept: DirectoryStore) -> None:
    path = only_file(kept)
    path.unlink()
    path.mkdir()
    assert kept.load(KEY) is None


def test_other_code_does_not_find_it_and_replaces_it(kept: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "fingerprint", lambda: "0" * 16)
    assert kept.load(KEY) is None
    assert kept.notes == [store.STALE]
    kept.save(KEY, {"new": 1})
    assert kept.load(KEY) == {"new": 1}
    monkeypatch.undo()
    assert kept.load(KEY) is None
    only_file(kept)


def test_an_edited_result_counts_as_damaged_and_that_is_said_once(kept: DirectoryStore) -> None:
    path = only_file(kept)
    path.write_text(path.read_text().replace("1.5", "1.6"))
    assert kept.load(KEY) is None
    assert kept.load(KEY) is None
    assert kept.notes == [store.DAMAGED]


# --- long lists ---------------------------------------------------------------------------------------------------

LONG = {"curve": [math.sin(i) for i in range(5000)], "odd": [1, *([0.5] * 5000)], "nested": [{"x": [0.1] * 3000}],
        "special": [math.inf, -0.0, *([1e-300] * 3000)], "few": [0.5] * 10}  # fmt: skip


def test_long_lists_of_floats_come_back_exactly(tmp_path: Path) -> None:
    found = DirectoryStore(tmp_path)
    found.save(KEY, LONG)
    again = DirectoryStore(tmp_path).load(KEY)
    assert json.dumps(again) == json.dumps(LONG)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npz"]
    assert (tmp_path / next(tmp_path.glob("*.json"))).stat().st_size < 5000 * 6  # the list of mixed types remains


@pytest.mark.parametrize("damage", ["absent", "half", "of another result"])
def test_arrays_that_do_not_belong_count_as_absent(tmp_path: Path, damage: str) -> None:
    found = DirectoryStore(tmp_path)
    found.save(KEY, LONG)
    (arrays,) = tmp_path.glob("*.npz")
    if damage == "absent":
        arrays.unlink()
    elif damage == "half":
        arrays.write_bytes(arrays.read_bytes()[: arrays.stat().st_size // 2])
    else:
        other = DirectoryStore(tmp_path / "other")
        other.save(KEY, {"curve": [0.25] * 5000})
        (source,) = (tmp_path / "other").glob("*.npz")
        arrays.write_bytes(source.read_bytes())
    assert found.load(KEY) is None
    assert found.notes == [store.DAMAGED]


# --- code versions ------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a small package in the place of ours: a → b → c (lazily), d apart, and a lazy subpackage."""
    root = tmp_path / "package"
    (root / "sub").mkdir(parents=True)
    texts = {
        "__init__.py": "", "a.py": "from .b import y", "b.py": "def f():\n    import etatrick.c", "c.py": "z = 1",
        "d.py": "from etatrick.sub import name", "e.py": "PLACE = 'etatrick.c:z'",
        "sub/__init__.py": "", "sub/__init__.pyi": "from .one import name as name\nfrom .two import other as other",
        "sub/one.py": "", "sub/two.py": "",
    }  # fmt: skip
    for name, text in texts.items():
        (root / name).write_text(text)
    monkeypatch.setattr(code_version, "root", lambda: root)
    for cached in (code_version.fingerprint, code_version.closure, code_version._file, code_version._sha,
                   code_version._stub):  # fmt: skip
        cached.cache_clear()
    yield root
    for cached in (code_version.fingerprint, code_version.closure, code_version._file, code_version._sha,
                   code_version._stub):  # fmt: skip
        cached.cache_clear()


@pytest.mark.parametrize(
    ("module", "files"),
    [("a", "a.py b.py c.py"), ("b", "b.py c.py"), ("c", "c.py"), ("d", "d.py sub/one.py"), ("e", "c.py e.py"),
     ("sub", "sub/__init__.py sub/one.py sub/two.py")],
)  # fmt: skip
def test_a_module_depends_on_what_it_imports_and_on_nothing_else(package: Path, module: str, files: str) -> None:
    found = code_version.closure(f"etatrick.{module}")
    assert sorted(path.relative_to(package).as_posix() for path in found) == files.split()


@pytest.mark.parametrize("change", ["edited", "added", "removed", "renamed"])
def test_the_fingerprint_follows_every_file(package: Path, change: str) -> None:
    before = code_version.fingerprint.__wrapped__()
    code_version._sha.cache_clear()
    assert code_version.fingerprint.__wrapped__() == before
    code_version._sha.cache_clear()
    if change == "edited":
        (package / "a.py").write_text("x = 2")
    elif change == "added":
        (package / "new.css").write_text("")
    elif change == "removed":
        (package / "b.py").unlink()
    else:
        (package / "b.py").rename(package / "f.py")
    assert code_version.fingerprint.__wrapped__() != before


def test_the_versions_of_libraries_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_version.library_versions.__wrapped__()
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0" if name == "torch" else "1.0")
    assert "torch 0.0" in code_version.library_versions.__wrapped__()
    assert "torch 0.0" not in before


def made(constant: Any) -> Any:
    def run(setting: Any) -> Any:
        return {"x": constant}

    return run


@dataclass(frozen=True)
class Work:
    constant: Any

    def __call__(self, setting: Any) -> Any:
        return {"x": self.constant}

    def method(self, setting: Any) -> Any:
        return {"x": self.constant}


CARRIERS: dict[str, Any] = {
    "closure": made, "object": Work, "bound method": lambda c: Work(c).method, "partial": lambda c: partial(made, c),
    "nested": lambda c: partial(Work(made(c)), [1]), "default": lambda c: lambda setting, x=c: {"x": x},
}  # fmt: skip


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("one", "other"), [(1.0, 2.0), ("a", "b"), ((1, 2), (1, 3)), (sympy.Symbol("w"), sympy.Symbol("v")),
                       (np.zeros(3), np.ones(3)), ({"k": 1}, {"k": 2}), (1, True), (None, 0)],
    ids=str,
)  # fmt: skip
def test_constants_that_a_part_holds_belong_to_its_version(carrier: str, one: Any, other: Any) -> None:
    version = code_version.code_version
    assert version(CARRIERS[carrier](one)) == version(CARRIERS[carrier](one))
    assert version(CARRIERS[carrier](one)) != version(CARRIERS[carrier](other))


def test_two_functions_of_one_module_have_two_versions() -> None:
    first, second = (lambda setting: {"x": 1}), (lambda setting: {"x": 2})
    assert code_version.code_version(first) != code_version.code_version(second)


def test_the_import_graph_is_kept_and_damage_to_it_is_harmless(tmp_path: Path) -> None:
    file = tmp_path / "imports.graph"
    before = code_version.closure("etatrick.validation.claim")
    code_version.write_graph(file)
    for content in (file.read_bytes(), b"", b"[1]", b"\xff", b'{"a": 3}'):
        file.write_bytes(content)
        code_version.closure.cache_clear()
        code_version.read_graph(file)
        assert code_version.closure("etatrick.validation.claim") == before


def test_the_fingerprint_covers_every_library_that_computes() -> None:
    computing = {"numpy", "scipy", "sympy", "torch", "cvxpy", "scikit-learn", "python-flint", "clarabel"}
    assert computing <= set(code_version.LIBRARIES)


# --- atomic -------------------------------------------------------------------------------------------------------


def test_nothing_but_results_is_left(kept: DirectoryStore) -> None:
    for index in range(5):
        kept.save(("source/claim", str(index)), {"x": index})
    assert len(list(kept.root.iterdir())) == 6
    assert all(path.suffix == ".json" for path in kept.root.iterdir())


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError("disk full")], ids=["interrupt", "full"])
@pytest.mark.parametrize("where", ["write", "replace"])
def test_a_failed_save_keeps_the_old_result_and_leaves_nothing(
    kept: DirectoryStore, monkeypatch: pytest.MonkeyPatch, failure: Any, where: str
) -> None:
    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(content[: len(content) // 2])
        raise failure

    def refused(*_: Any) -> None:
        raise failure

    if where == "write":
        monkeypatch.setattr(Path, "write_bytes", half)
    else:
        monkeypatch.setattr("os.replace", refused)
    with pytest.raises((KeyboardInterrupt, OSError)):
        kept.save(KEY, {"new": 1})
    monkeypatch.undo()
    assert kept.load(KEY) == RESULT
    only_file(kept)


def test_a_result_that_is_no_json_is_refused_and_leaves_nothing(kept: DirectoryStore) -> None:
    with pytest.raises(TypeError):
        kept.save(KEY, {"x": object()})
    assert kept.load(KEY) == RESULT
    only_file(kept)


def test_readers_never_see_half_a_result(kept: DirectoryStore) -> None:
    big = [{"x": [float(i)] * 5000} for i in range(2)]
    kept.save(KEY, big[0])
    wrong: list[Any] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = kept.load(KEY)
            if found not in big:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for index in range(40):
        kept.save(KEY, big[index % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_nan_and_infinity_are_kept(kept: DirectoryStore) -> None:
    kept.save(KEY, {"x": [math.nan, math.inf]})
    found = kept.load(KEY)
    assert found is not None
    assert math.isnan(found["x"][0])
    assert found["x"][1] == math.inf


def test_a_name_with_a_slash_is_as_good_as_any(kept: DirectoryStore) -> None:
    key = ("source/claim", "train/test split", "quick", "cpu")
    kept.save(key, {"x": 1})
    assert kept.load(key) == {"x": 1}

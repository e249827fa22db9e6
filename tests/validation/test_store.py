"""Stored results: found again only under the same key and code, whole or not at all."""

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest

from etatrick.validation import store
from etatrick.validation.store import DirectoryStore, fingerprint

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


def test_other_code_does_not_find_it(kept: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "fingerprint", lambda: "0" * 16)
    assert kept.load(KEY) is None
    kept.save(KEY, {"new": 1})
    assert kept.load(KEY) == {"new": 1}
    monkeypatch.undo()
    assert kept.load(KEY) == RESULT


@pytest.mark.parametrize("change", ["edited", "added", "removed", "renamed", "library"])
def test_the_fingerprint_follows_code_and_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    package = tmp_path / "package"
    (package / "validation").mkdir(parents=True)
    (package / "validation" / "store.py").write_text("")
    (package / "a.py").write_text("x = 1")
    (package / "b.py").write_text("y = 1")
    monkeypatch.setattr(store, "__file__", str(package / "validation" / "store.py"))
    before = fingerprint.__wrapped__()
    assert fingerprint.__wrapped__() == before
    if change == "edited":
        (package / "a.py").write_text("x = 2")
    elif change == "added":
        (package / "c.py").write_text("")
    elif change == "removed":
        (package / "b.py").unlink()
    elif change == "renamed":
        (package / "b.py").rename(package / "c.py")
    else:
        monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0" if name == "torch" else "1.0")
    assert fingerprint.__wrapped__() != before


def test_the_fingerprint_covers_every_library_that_computes() -> None:
    computing = {"numpy", "scipy", "sympy", "torch", "cvxpy", "scikit-learn", "python-flint", "clarabel"}
    assert computing <= set(store.LIBRARIES)


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

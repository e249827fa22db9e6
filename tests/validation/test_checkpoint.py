"""Checkpoints: bit-identical resume after a kill, and refusal of what is damaged, foreign or of another run."""

import io
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etatrick.errors import InputError
from etatrick.theory import penalties
from etatrick.validation.checkpoint import load_checkpoint, save_checkpoint
from etatrick.validation.data import Split, digits
from etatrick.validation.ensemble import train_ensemble
from etatrick.validation.methods import (
    AdaProx,
    AdaTikhonov,
    AdditiveVariationalDropout,
    EtaTrick,
    FixedRateDropout,
    Method,
    PenaltyGradient,
    VariationalDropout,
)
from etatrick.validation.methods.variational import LOCAL
from etatrick.validation.network import StackedNetwork

LOG_SUM = penalties["log_sum"](epsilon=2).duality
METHODS: tuple[Method, ...] = (
    PenaltyGradient(LOG_SUM, 1e-3),
    AdaTikhonov(LOG_SUM, 1e-3),
    EtaTrick(LOG_SUM, 1e-3),
    AdaProx(LOG_SUM, 1e-3),
    FixedRateDropout(0.5),
    VariationalDropout(128),
    VariationalDropout(128, noise=LOCAL, name="VarDrop+LR"),
    AdditiveVariationalDropout(128),
)
CONFIGURATION = {"epochs": 3, "grid": {"lam": [0.1]}}


class Killed(BaseException):
    """What stops a run in the middle."""


def small() -> Split:
    data = digits()
    return Split(data.train_inputs[:128], data.train_labels[:128], data.test_inputs[:50], data.test_labels[:50])


def trained(method: Method, folder: Path | None = None, *, stop: int = 0, **more: Any) -> tuple[Any, list[Any]]:
    """Train, and stop after epoch `stop` as if killed."""
    kept: list[Any] = []

    def keep(network: StackedNetwork) -> None:
        kept.extend(p.detach().clone() for p in (*network.weights, *network.biases))

    def watch(fraction: float) -> None:
        if stop and fraction >= stop / 6 - 1e-9:
            raise Killed

    options: dict[str, Any] = {"hidden": (6,), "seeds": 2, "epochs": 6, "batch_size": 32, **more}
    run = train_ensemble(method, small(), checkpoint=folder, every=0.0, progress=watch, final_network=keep, **options)
    return run, kept


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_killed_run_goes_on_bit_for_bit(method: Method, tmp_path: Path) -> None:
    whole, weights = trained(method)
    for stop in (2, 4):
        with pytest.raises(Killed):
            trained(method, tmp_path, stop=stop)
    resumed, again = trained(method, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))
    for name in ("nonzero", "error", "mean_size"):
        assert np.array_equal(getattr(whole, name), getattr(resumed, name))


def test_a_grid_goes_on_bit_for_bit(tmp_path: Path) -> None:
    grid = {"lam": [1e-4, 1e-2], "learning_rate": [1e-3, 1e-2]}
    whole, weights = trained(METHODS[2], grid=grid)
    with pytest.raises(Killed):
        trained(METHODS[2], tmp_path, stop=3, grid=grid)
    resumed, again = trained(METHODS[2], tmp_path, grid=grid)
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))
    assert np.array_equal(whole.nonzero, resumed.nonzero)
    assert resumed.members == whole.members


def test_a_finished_run_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, weights = trained(METHODS[0], tmp_path)
    monkeypatch.setattr(torch.Tensor, "backward", None)
    again, kept = trained(METHODS[0], tmp_path)
    assert np.array_equal(first.error, again.error)
    assert all(torch.equal(a, b) for a, b in zip(weights, kept, strict=True))


def test_a_process_killed_by_the_system_leaves_a_checkpoint_that_goes_on(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from etatrick.theory import penalties
        from etatrick.validation.data import digits
        from etatrick.validation.ensemble import train_ensemble
        from etatrick.validation.methods import PenaltyGradient

        def watch(fraction):
            if fraction >= 0.5:
                os.kill(os.getpid(), signal.SIGKILL)

        method = PenaltyGradient(penalties["log_sum"](epsilon=2).duality, 1e-3)
        train_ensemble(method, digits(), hidden=(4,), seeds=1, epochs=4, checkpoint=Path(sys.argv[1]), every=0.0,
                       progress=watch)
    """)
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    options: dict[str, Any] = {"hidden": (4,), "seeds": 1, "epochs": 4}
    seen: list[float] = []
    resumed = train_ensemble(METHODS[0], digits(), checkpoint=tmp_path, progress=seen.append, **options)
    whole = train_ensemble(METHODS[0], digits(), **options)
    assert seen == [0.75, 1.0]
    # another process may have another number of threads, and so sums in another order
    assert np.allclose(resumed.mean_size, whole.mean_size, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 7}, "epochs = 6 there, 7 here"),
        ({"learning_rate": 2e-3}, "learning_rate = 0.001 there, 0.002 here"),
        ({"hidden": (7,)}, "hidden"),
        ({"batch_size": 16}, "batch_size"),
        ({"threshold": 1e-3}, "threshold"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_configuration_is_refused(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    trained(METHODS[0], tmp_path)
    with pytest.raises(InputError, match=f"belongs to another run.*{named}"):
        trained(METHODS[0], tmp_path, **change)


def test_a_checkpoint_of_another_method_or_other_data_is_refused(tmp_path: Path) -> None:
    trained(METHODS[0], tmp_path)
    with pytest.raises(InputError, match="belongs to another run"):
        trained(PenaltyGradient(LOG_SUM, 2e-3), tmp_path)
    with pytest.raises(InputError, match="belongs to another run"):
        trained(PenaltyGradient(penalties["log_sum"](epsilon=3).duality, 1e-3), tmp_path)
    options: dict[str, Any] = {"hidden": (6,), "seeds": 2, "epochs": 6, "batch_size": 32}
    with pytest.raises(InputError, match="data ="):
        train_ensemble(METHODS[0], digits(), checkpoint=tmp_path, **options)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused_in_one_sentence(part: float, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    save_checkpoint(path, CONFIGURATION, {"a": np.arange(1000.0)})
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"run\.npz: the checkpoint is truncated.*delete the file") as caught:
        load_checkpoint(path, CONFIGURATION)
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    save_checkpoint(path, CONFIGURATION, {"a": np.arange(1000.0)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(path, CONFIGURATION)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("unpickled",)


def test_nothing_is_ever_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    np.savez(buffer, configuration=np.array([Bomb()], dtype=object))
    for content in (buffer.getvalue(), pickle.dumps(Bomb())):
        (tmp_path / "run.npz").write_bytes(content)
        with pytest.raises(InputError, match="another kind"):
            load_checkpoint(tmp_path / "run.npz", CONFIGURATION)
    assert not (tmp_path / "unpickled").exists()


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False]), "c": np.array(3)}
    save_checkpoint(tmp_path / "deep" / "run.npz", CONFIGURATION, arrays)
    found = load_checkpoint(tmp_path / "deep" / "run.npz", CONFIGURATION)
    assert found is not None
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) and found[name].dtype == arrays[name].dtype for name in arrays)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run.npz"]
    assert load_checkpoint(tmp_path / "absent.npz", CONFIGURATION) is None


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "run.npz", CONFIGURATION, {})

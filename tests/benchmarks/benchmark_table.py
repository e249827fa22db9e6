"""Turns a file of pytest-benchmark into the figures that the page on benchmarks shows: ratios, machine and versions.

Usage: ``python tests/benchmarks/benchmark_table.py MEASURED.json … TABLE.json``, as ``make bench`` does.
"""

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("etatrick", "numpy", "scipy", "sympy", "torch", "cvxpy", "clarabel", "scikit-learn",
            "celer", "skglm", "adelie", "abess", "glum")  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of what took part and is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def table(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return machine, versions, and a row per benchmark: file, name, figures, and the processor if not the first's."""
    first = machine_of(runs[0])
    rows = [{"file": Path(b["fullname"].split("::")[0]).stem, "name": b["name"].removeprefix("test_"),
             "figures": {key: value for key, value in b["extra_info"].items() if isinstance(value, int | float | str)}
             | ({} if machine_of(run) == first else {"processor": machine_of(run)["processor"]})}
            for run in runs for b in run["benchmarks"] if b["extra_info"]]  # fmt: skip
    return {"date": runs[0]["datetime"][:10], "machine": first, "versions": versions(), "rows": rows}


def machine_of(run: dict[str, Any]) -> dict[str, Any]:
    """Return what tells one machine from another."""
    info = run["machine_info"]
    cpu = info.get("cpu", {})
    return {"processor": cpu.get("brand_raw", info.get("machine")), "cores": cpu.get("count"),
            "python": info["python_version"], "system": info["system"]}  # fmt: skip


def main(*paths: str) -> None:
    """Read all files but the last, and write that one."""
    *sources, target = map(Path, paths)
    found = table([json.loads(source.read_text(encoding="utf-8")) for source in sources])
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A file of small claims as a user would write it, whose parts leave a mark each time they run."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from etatrick.validation.claim import Absent, Claim, Part, Route, Setting
from etatrick.validation.evidence import Finding
from etatrick.validation.seeding import seed

PAUSE = float(os.environ.get("SMALL_LEDGER_PAUSE", "0"))
MARKS = os.environ.get("SMALL_LEDGER_MARKS", "")


def draws(name: str, size: int) -> Any:
    def run(setting: Setting) -> dict[str, Any]:
        if MARKS:
            with Path(MARKS).open("a") as stream:
                stream.write(f"{name}\n")
        time.sleep(PAUSE)
        rng = np.random.default_rng(seed("small", name))
        earlier = [result["mean"] for result in setting.finished.values()]
        values = rng.standard_normal(size)
        return {"mean": float(values.mean()) + sum(earlier), "values": values.tolist(), "pair": (1, 2)}

    return run


def conclude(results: Any) -> Finding:
    means = {name: result["mean"] for name, result in results.items()}
    return Finding("checked", "means", summary=f"{len(means)} means", data={"means": means, "pairs": [
        result["pair"] for result in results.values()]})  # fmt: skip


def small_claim(number: int) -> Claim:
    def route(*names: str) -> Route:
        parts = [
            Part(name, f"draw {name}", draws(f"{number} {name}", 3000), 0.1, names[:index])
            for index, name in enumerate(names)
        ]
        return Route(tuple(parts), conclude)

    return Claim(
        f"small/{number}", f"Small {number}", "$1 = 1$", "a test", "equal",
        route("a"), route("b", "c"), route("d") if number % 2 else Absent("even"), {"n": "n > 0"},
    )  # fmt: skip


CLAIMS = [small_claim(number) for number in range(6)]

"""An experiment of the literature: a question, the parts that answer it, and the figures beside the published ones."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, final, get_args

from etatrick.errors import InputError
from etatrick.validation.claim import Level, Route, Setting, Store, Watcher
from etatrick.validation.evidence import Finding


@final
@dataclass(frozen=True)
class Experiment:
    """A published experiment that can be run again, in a quick form (embedded data) and a full one.

    Parameters
    ----------
    name : str
        Its key in the catalogue and on the command line, e.g. ``sparseout-hoyer``.
    title, question : str
        What it is called, and the question it answers, in one sentence.
    source : str
        Paper and place.
    route : Route
        The resumable parts, and the conclusion: a verdict, tables of ours beside the published values, pictures, data.
    """

    name: str
    title: str
    question: str
    source: str
    route: Route

    def run(
        self,
        level: Level = "quick",
        *,
        device: str = "cpu",
        data: str = "",
        store: Store | None = None,
        watcher: Watcher | None = None,
    ) -> Finding:
        """Run the parts that are not stored yet, and conclude.

        Parameters
        ----------
        level : {"quick", "full"}
            Embedded data and minutes, or the paper's setting.
        device : str
            A torch device.
        data : str
            A folder of IDX files for the full form; empty for the default data.
        store, watcher : optional
            Where finished parts are kept, and who is told of them.

        Returns
        -------
        Finding

        Raises
        ------
        InputError
            If there is no such level.
        """
        if level not in get_args(Level):
            raise InputError(f"level = {level}", "is no level", f"choose one of: {', '.join(get_args(Level))}")
        results: dict[str, Any] = {}
        for part in self.route.parts:
            key = ("experiment", self.name, part.name, level, device)
            if watcher:
                watcher.start(part)
            found = store.load(key) if store else None
            if found is None:
                tell = partial(watcher.advance, part) if watcher else _silent
                began = time.perf_counter()
                result = part.run(Setting(level, device, tell, dict(results), data))
                found = {**result, "seconds": round(time.perf_counter() - began, 1)}
                if store:
                    store.save(key, found)
                reused = False
            else:
                reused = True
            results[part.name] = found
            if watcher:
                watcher.finish(part, reused=reused)
        return self.route.conclude(results)


def _silent(fraction: float) -> None:
    """Tell nobody."""

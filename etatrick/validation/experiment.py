"""An experiment of the literature: a question, the parts that answer it, and the figures beside the published ones."""

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final, get_args

from etatrick.errors import InputError
from etatrick.validation.claim import Finished, Level, Part, Route, Setting, Store, Watcher, settle
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
            setting = Setting(level, device, finished=Finished.of(part, results), data=data)
            key = ("experiment", self.name, part.name, level, device)
            timed = replace(part, run=partial(_timed, part))
            results[part.name], _ = settle(timed, key, setting, store, watcher)
        return self.route.conclude(results)


def _timed(part: Part, setting: Setting) -> dict[str, Any]:
    """Return the part's result with the seconds it took."""
    began = time.perf_counter()
    result = part.run(setting)
    return {**result, "seconds": round(time.perf_counter() - began, 1)}

"""Routes made of training runs: equivalence tests with margins fixed in advance, and controls that must be rejected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, final

from etatrick.errors import InputError
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Picture, Table

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Expected = Literal["agrees", "differs"]


@final
@dataclass(frozen=True)
class Trial:
    """What trained models gave, and what they should give.

    Parameters
    ----------
    samples : array_like, shape (seeds,) or (seeds, d)
        One row per independently trained model.
    target : array_like, shape () or (d,)
        The exact value.
    expected : {"agrees", "differs"}
        *differs* for a negative control, which the test must reject.
    """

    samples: "ArrayLike"
    target: "ArrayLike" = 0.0
    expected: Expected = "agrees"


Train = Callable[[Setting], Mapping[str, Trial]]


@final
@dataclass(frozen=True)
class _Trained:
    """The run of a part: the trials as data."""

    train: Train

    def __call__(self, setting: Setting) -> dict[str, Any]:
        import numpy as np

        return {
            name: {"samples": np.asarray(trial.samples, dtype=np.float64).tolist(),
                   "target": np.asarray(trial.target, dtype=np.float64).tolist(), "expected": trial.expected}
            for name, trial in self.train(setting).items()
        }  # fmt: skip


@final
@dataclass(frozen=True)
class _Tested:
    """The conclusion: *checked* if every trial comes out as expected and one of them is a control."""

    parts: tuple[str, ...]
    margin: float

    def __call__(self, results: Results) -> Finding:
        from etatrick.validation.agreement import equivalence

        trials = {name: trial for part in self.parts for name, trial in results[part].items()}
        tests = {
            name: (t["expected"], equivalence(t["samples"], t["target"], margin=self.margin))
            for name, t in trials.items()
        }
        wrong = {n: t for n, (wanted, t) in tests.items() if wanted == "agrees" and t.outcome == "differs"}
        open_ones = [n for n, (wanted, t) in tests.items() if t.outcome != wanted and n not in wrong]
        if not any(wanted == "differs" for wanted, _ in tests.values()):
            open_ones.append("no negative control was run")
        status: Literal["checked", "refuted", "unknown"] = "refuted" if wrong else "unknown" if open_ones else "checked"
        summary = f"{len(tests)} equivalence tests as expected, margin {self.margin:g}."
        if status != "checked":
            summary = f"Not as expected: {', '.join([*wrong, *open_ones])}."
        columns = ("trial", "expected", "outcome", "largest mean difference", "margin", "p-value", "seeds")
        rows = tuple(
            (n, wanted, t.outcome, t.largest, t.margin, t.p_value, t.seeds) for n, (wanted, t) in tests.items()
        )
        return Finding(
            status, f"{len(tests)} equivalence tests, margin {self.margin:g} fixed in advance", "",
            {name: test.largest for name, test in wrong.items()}, summary=summary,
            tables=(Table("Equivalence tests", columns, rows),), pictures=(_PICTURE,),
            data={"trials": {n: {**trials[n], **t.to_json()} for n, (_, t) in tests.items()}, "margin": self.margin},
        )  # fmt: skip


_PICTURE: Final = Picture(
    "claim-trials", "Trained minus exact, per trial and coordinate, with the margin shaded.",
    "One panel per trial: a dot per coordinate for the mean over seeds of trained minus exact, a bar for its "
    "confidence interval, and the margin as a band around 0.",
)  # fmt: skip


def trained(parts: Mapping[str, tuple[Train, float]], *, margin: float) -> Route:
    """Return the route that trains models and tests what they give for equivalence with exact values.

    Parameters
    ----------
    parts : mapping of str to (callable, float)
        By part name: a function of a module that takes a :class:`~etatrick.validation.claim.Setting` and returns trials
        by name, and its rough cost in seconds. Each part is kept when it is finished. At least one trial must be a
        control that *differs*.
    margin : float
        The largest mean difference that counts as agreement, stated in the source before the run.

    Returns
    -------
    Route
        Its finding is *checked*; *refuted* if a trial differs that should agree; *unknown* if a control is not
        rejected or more seeds are needed.

    Raises
    ------
    InputError
        If there is no part or the margin is not positive.

    Examples
    --------
    >>> from etatrick.validation.claim import Setting
    >>> def runs(setting):
    ...     return {"right": Trial([0.01, -0.02, 0.01]), "control": Trial([1.0, 1.1, 0.9], expected="differs")}
    >>> route = trained({"runs": (runs, 1)}, margin=0.1)
    >>> route.conclude({"runs": route.parts[0].run(Setting())}).status
    'checked'
    """
    if not parts or not margin > 0:
        raise InputError(f"{len(parts)} parts, margin {margin}", "needs a part and a margin > 0", "state both")
    made = tuple(Part(name, f"train: {name}", _Trained(run), seconds) for name, (run, seconds) in parts.items())
    return Route(made, _Tested(tuple(parts), margin))


__all__ = ["Trial", "trained"]

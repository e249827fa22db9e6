"""What a list of tests decides together, with the tests of trends and sides that equivalence does not cover."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.verdict import Status
from etatrick.validation.evidence import Table

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Test = tuple[str, Mapping[str, Any]]


@final
@dataclass(frozen=True)
class Decision:
    """The joint outcome of tests whose expected outcomes were written down before the run.

    Parameters
    ----------
    tests : mapping of str to (expected outcome, test)
        The tests as JSON-ready data with a key ``outcome``.

    Examples
    --------
    >>> Decision({"a": ("agrees", {"outcome": "agrees", "largest": 0.1})}).status
    'checked'
    """

    tests: Mapping[str, Test]

    @property
    def wrong(self) -> dict[str, Mapping[str, Any]]:
        """The tests that decided, against the expectation."""
        return {k: t for k, (wanted, t) in self.tests.items() if t["outcome"] not in (wanted, "undecided")}

    @property
    def open(self) -> tuple[str, ...]:
        """The tests that did not decide."""
        return tuple(k for k, (_, t) in self.tests.items() if t["outcome"] == "undecided")

    @property
    def status(self) -> Status:
        """*checked* if all came out as expected, *refuted* if one came out against it, else *unknown*."""
        return "refuted" if self.wrong else "unknown" if self.open else "checked"

    @property
    def witness(self) -> dict[str, float]:
        """The size of each difference that came out wrong."""
        return {k: float(t["largest"]) for k, t in self.wrong.items()}

    @property
    def problems(self) -> str:
        """What came out against the expectation and what is undecided, or empty."""
        wrong = "; ".join(f"{k}: {t['outcome']}" for k, t in self.wrong.items())
        parts = [f"Against the expectation: {wrong}."] if wrong else []
        parts += [f"Undecided: {'; '.join(self.open)}."] if self.open else []
        return " ".join(parts)

    def table(self, caption: str) -> Table:
        """Return the tests as a table."""
        columns = ("comparison", "expected", "outcome", "largest mean difference", "margin", "p-value", "seeds")
        rows = tuple(
            (name, wanted, *(t.get(key) for key in ("outcome", "largest", "margin", "p_value", "seeds")))
            for name, (wanted, t) in self.tests.items()
        )
        return Table(caption, columns, rows)


def trend(samples: "ArrayLike", *, level: float = 0.05) -> dict[str, Any]:
    """Test whether the mean falls from each column to the next, paired by seed.

    *Decreasing* needs every step to fall at `level` (an intersection–union test); *not decreasing* needs one step that
    rises at ``level/steps`` (Bonferroni).

    Parameters
    ----------
    samples : array_like, shape (seeds, d)
        d ≥ 2 values per seed, in the order of the trend.
    level : float
        Significance level, one-sided.

    Returns
    -------
    dict
        JSON-ready: ``outcome``, ``largest`` (the largest mean rise, negative where all fall), ``steps`` (mean change
        per step), ``margin`` 0, ``p_value`` of the decision that was tried, ``seeds``.

    Raises
    ------
    InputError
        For fewer than two seeds or columns, or values that are not finite.

    Examples
    --------
    >>> trend([[3.0, 2.0, 1.0], [3.1, 2.2, 0.9], [2.9, 1.9, 1.0]])["outcome"]
    'decreasing'
    >>> trend([[3.0, 2.0, 2.5], [3.1, 2.2, 2.7], [2.9, 1.9, 2.45]])["outcome"]
    'not decreasing'
    """
    from scipy.special import stdtr

    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise InputError(f"samples of shape {values.shape}", "needs two or more finite rows and columns", "run more")
    change = np.diff(values, axis=1)
    mean = change.mean(0)
    error = np.maximum(change.std(0, ddof=1) / np.sqrt(len(change)), 1e-300)
    falls, rises = stdtr(len(change) - 1, mean / error), stdtr(len(change) - 1, -mean / error)
    outcome, p_value = "undecided", float(falls.max())
    if falls.max() <= level:
        outcome = "decreasing"
    elif rises.min() <= level / len(mean):
        outcome, p_value = "not decreasing", float(rises.min())
    return {"outcome": outcome, "largest": float(mean.max()), "steps": mean.tolist(), "margin": 0.0,
            "p_value": p_value, "seeds": len(values)}  # fmt: skip


def side(samples: "ArrayLike", limit: float, *, level: float = 0.05) -> dict[str, Any]:
    """Test on which side of a limit the median lies, by the signs of the distances: outliers have no more weight.

    Parameters
    ----------
    samples : array_like, shape (n,)
        Independent measurements.
    limit : float
    level : float
        Significance level, one-sided; 5 measurements can decide at 0.05.

    Returns
    -------
    dict
        JSON-ready: ``outcome`` *below*, *above* or *undecided*, ``largest`` (the median), ``margin`` (the limit),
        ``p_value`` of the side on which most lie, ``seeds``.

    Raises
    ------
    InputError
        If there are no measurements, or some are not finite.

    Examples
    --------
    >>> side([1.01, 1.04, 1.02, 1.05, 1.03, 1.4, 1.02, 1.03], 1.1)["outcome"]
    'below'
    >>> side([1.01, 1.2], 1.1)["outcome"]
    'undecided'
    """
    from scipy.special import bdtr

    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InputError(f"samples of shape {values.shape}", "needs a list of finite numbers", "measure again")
    under, over = int((values < limit).sum()), int((values > limit).sum())
    p_value = float(bdtr(min(under, over), under + over, 0.5)) if under + over else 1.0
    outcome = "undecided" if p_value > level else "below" if under > over else "above"
    return {"outcome": outcome, "largest": float(np.median(values)), "margin": float(limit), "p_value": p_value,
            "seeds": len(values)}  # fmt: skip

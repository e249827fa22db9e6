"""What an ensemble's training did: non-zeros and error per epoch and member, and which members diverged."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Member:
    """One network of an ensemble: the number of its seed, and the hyper-parameters that a grid varied.

    Parameters
    ----------
    seed : int
    parameters : tuple of (str, float)
        Empty without a grid.

    Examples
    --------
    >>> str(Member(2, (("lam", 0.1),)))
    'seed 2, lam = 0.1'
    """

    seed: int
    parameters: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        return ", ".join([f"seed {self.seed}", *(f"{name} = {value:g}" for name, value in self.parameters)])


def grid_points(grid: Mapping[str, Sequence[float]]) -> list[tuple[tuple[str, float], ...]]:
    """Return the points of a grid, the last name varying fastest; one empty point without names.

    Examples
    --------
    >>> grid_points({"lam": [0.1, 0.2]})
    [(('lam', 0.1),), (('lam', 0.2),)]
    """
    return [tuple(zip(grid, map(float, values), strict=True)) for values in itertools.product(*grid.values())]


@final
@dataclass(frozen=True)
class Trajectory:
    """What training did, per epoch and member; NaN from the epoch on in which a member diverged.

    Parameters
    ----------
    method : str
    nonzero, error : ndarray, shape (epochs, members)
        Fraction of weights with |w| above the threshold, and fraction of test samples misclassified.
    mean_size : ndarray, shape (members,)
        Mean |w| at the end.
    members : tuple of Member
        Grid points in order, all seeds of a point together; without a grid one member per seed.
    diverged : tuple of Member
        Those whose weights became infinite or NaN.
    """

    method: str
    nonzero: "NDArray[np.float64]"
    error: "NDArray[np.float64]"
    mean_size: "NDArray[np.float64]"
    members: tuple[Member, ...] = ()
    diverged: tuple[Member, ...] = ()

    def at(self, **parameters: float) -> "Trajectory":
        """Return the part of a grid with these values of its parameters.

        Parameters
        ----------
        **parameters : float
            Some or all of the grid's names.

        Returns
        -------
        Trajectory

        Raises
        ------
        InputError
            If the grid has no such point.

        Examples
        --------
        >>> members = (Member(0, (("lam", 0.1),)), Member(0, (("lam", 0.2),)))
        >>> both = Trajectory("LogSum", np.array([[0.5, 0.25]]), np.zeros((1, 2)), np.ones(2), members)
        >>> both.at(lam=0.2).nonzero
        array([[0.25]])
        """
        wanted = {(name, float(value)) for name, value in parameters.items()}
        kept = [index for index, member in enumerate(self.members) if wanted <= set(member.parameters)]
        if not kept:
            known = ", ".join(dict.fromkeys(str(dict(member.parameters)) for member in self.members))
            raise InputError(str(parameters), "is no point of this run's grid", f"choose one of {known}")
        members = tuple(self.members[index] for index in kept)
        lost = tuple(member for member in self.diverged if member in members)
        return Trajectory(self.method, self.nonzero[:, kept], self.error[:, kept], self.mean_size[kept], members, lost)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data: NaN as None; members are named where a grid or a divergence makes it matter."""
        arrays = {"nonzero": self.nonzero, "error": self.error, "mean_size": self.mean_size}
        found: dict[str, Any] = {"method": self.method, **{k: _plain(np.round(v, 6)) for k, v in arrays.items()}}
        if any(member.parameters for member in self.members):
            found["members"] = [{"seed": m.seed, **dict(m.parameters)} for m in self.members]
        if self.diverged:
            found["diverged"] = [str(member) for member in self.diverged]
        return found


def _plain(array: "NDArray[np.float64]") -> Any:
    plain = array.astype(object)
    plain[np.isnan(array)] = None
    found: Any = plain.tolist()
    return found

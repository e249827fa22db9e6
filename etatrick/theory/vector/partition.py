"""Groups of indices: how they are written down and checked."""

from collections.abc import Iterable, Sequence

import numpy as np

from etatrick.errors import InputError, shortened


def as_groups(groups: Iterable[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
    """Return groups as tuples of indices that cover 0, …, d−1 without gaps; they may overlap.

    Raises
    ------
    InputError
        If a group is empty, repeats an index, holds something other than indices ≥ 0, or an index is missing.

    Examples
    --------
    >>> as_groups([[0, 1], [1, 2]])
    ((0, 1), (1, 2))
    """
    shown = f"groups = {shortened(repr(groups))}"
    try:
        found = tuple(tuple(group) for group in groups)
    except TypeError as error:
        raise InputError(shown, "groups is a list of lists of indices", "pass e.g. [[0, 1], [2]]") from error
    for group in found:
        whole = all(isinstance(i, int | np.integer) and not isinstance(i, bool) and i >= 0 for i in group)
        if not group or not whole or len(set(group)) < len(group):
            rule = f"group {group} is not a list of different indices ≥ 0"
            raise InputError(shown, rule, "pass e.g. [[0, 1], [2]]")
    covered = {int(i) for group in found for i in group}
    missing = sorted(set(range(max(covered, default=0) + 1)) - covered)
    if missing:
        raise InputError(shown, f"index {missing[0]} is in no group", f"add the group [{missing[0]}]")
    return tuple(tuple(int(i) for i in group) for group in found)


def check_disjoint(groups: Sequence[Sequence[int]]) -> None:
    """Raise InputError if two groups share an index."""
    seen: set[int] = set()
    for group in groups:
        shared = sorted(seen.intersection(group))
        if shared:
            rule = f"the groups overlap: index {shared[0]} is in two of them"
            raise InputError(f"groups = {groups}", rule, "use Overlapping(groups), or make them disjoint")
        seen.update(group)


def check_length(groups: Sequence[Sequence[int]], length: int) -> None:
    """Raise InputError unless the groups are groups of the indices of vectors of this length."""
    size = 1 + max(max(group) for group in groups)
    if length != size:
        raise InputError(f"vectors of length {length}", f"the groups are of {size} indices", f"pass shape (…, {size})")

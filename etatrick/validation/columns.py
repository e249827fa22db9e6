"""Reading a table of numbers from a CSV file, with errors that name the row and the column."""

import csv
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
LARGEST: Final = 256 * 2**20  # bytes of a file that is read into memory


@final
@dataclass(frozen=True, eq=False)
class Data:
    """Columns of numbers: `names` of the inputs, `X` (n, d), and the target `y` (n,), numbers or labels."""

    names: tuple[str, ...]
    X: "NDArray[np.float64]"
    y: "NDArray[Any]"


def read_data(path: Path, target: str, *, labels: bool = False, intercept: bool = True) -> Data:
    r"""Read a CSV file whose first row names the columns.

    Parameters
    ----------
    path : Path
        UTF-8, comma separated.
    target : str
        The column to predict; all others are inputs.
    labels : bool
        Whether the target holds labels, which may be text.
    intercept : bool
        Whether a constant is fitted, from which a constant column could not be told.

    Returns
    -------
    Data

    Raises
    ------
    InputError
        If the file cannot be read, a name is missing or doubled, a cell is missing or no finite number, or an input
        is constant; the message names the row and the column.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "data.csv"
    >>> _ = file.write_text("a,b,kind\n1,2,x\n4,5,y\n")
    >>> read_data(file, "kind", labels=True).y.tolist()
    ['x', 'y']
    """
    names, lines, rows = _cells(path)
    if target not in names:
        folded = {name.lower(): name for name in names}
        near = difflib.get_close_matches(target.lower(), folded, n=3, cutoff=0.5)
        close = [folded[name] for name in near]
        remedy = f"did you mean {' or '.join(close)}?" if close else f"choose one of: {', '.join(names)}"
        raise InputError(target, f"is no column of {path}", remedy)
    if len(names) < 2:
        raise InputError(str(path), "needs a column besides the target", "add inputs")
    for line, row in zip(lines, rows, strict=True):
        for name, cell in zip(names, row, strict=True):
            if cell.strip().lower() in MISSING:
                where = f"{path}, row {line}, column {name}: {cell!r}"
                raise InputError(where, "is missing, where a finite number must be", "impute it or remove the row")
    place = names.index(target)
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    inputs = {name: cells for name, cells in columns.items() if name != target}
    _refuse_text(path, inputs if labels else columns)
    y = _labels(path, target, columns[target]) if labels else _column(path, names[place], columns[target], lines)
    X = np.array([_column(path, name, cells, lines) for name, cells in inputs.items()]).T
    constant = [name for name, column in zip(inputs, X.T, strict=True)
                if (column == column[0]).all() and (intercept or column[0] == 0)]  # fmt: skip
    if constant:
        why = "cannot be told from the intercept" if intercept else "is 0 and predicts nothing"
        raise InputError(f"{path}, column {', '.join(constant)}", f"is constant: it {why}", "remove it")
    return Data(tuple(inputs), X, y)


def _cells(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Return the names of the columns, and the rows of text with their line numbers."""
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(str(path), f"is larger than {LARGEST >> 20} MiB", "use the estimators in Python")
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            found = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(str(path), f"cannot be read ({reason})", "check the path of the CSV file") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(str(path), "is not a CSV file in UTF-8", "export the table as CSV") from None
    if len(found) < 2:
        raise InputError(str(path), "needs a row of column names and a row of numbers", "add data")
    names = [name.strip() for name in found[0][1]]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise InputError(str(path), "has one column only", "separate columns by commas, write decimals with a point")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if "" in names:
        raise InputError(f"{path}, column {names.index('') + 1}", "has no name", "name or remove it")
    if doubled:
        raise InputError(doubled[0], f"names two columns of {path}", "give every column its own name")
    for line, row in found[1:]:
        if len(row) != len(names):
            raise InputError(
                f"{path}, row {line}", f"has {len(row)} cells for {len(names)} columns", "complete the row"
            )
    return names, [line for line, _ in found[1:]], [row for _, row in found[1:]]


def _number(cell: str) -> float:
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan


def _refuse_text(path: Path, columns: Mapping[str, list[str]]) -> None:
    """Refuse columns without a single number, all at once."""
    text = [name for name, cells in columns.items() if all(math.isnan(_number(cell)) for cell in cells)]
    if text:
        raise InputError(f"{path}, column {', '.join(text)}: {columns[text[0]][0]!r}", "must hold finite numbers",
                         "encode or remove it")  # fmt: skip


def _column(path: Path, name: str, cells: list[str], lines: list[int]) -> "NDArray[np.float64]":
    column = np.array([_number(cell) for cell in cells])
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        where = f"{path}, row {lines[bad[0]]}, column {name}: {cells[bad[0]]!r}"
        raise InputError(where, "must be a finite number", "encode, impute or remove it")
    return column


def _labels(path: Path, target: str, cells: list[str]) -> "NDArray[Any]":
    numbers = np.array([_number(cell) for cell in cells])
    if not np.isfinite(numbers).all():
        return np.array([cell.strip() for cell in cells])
    if (numbers != np.round(numbers)).any():
        raise InputError(f"{path}, column {target}", "holds fractions, and the logistic loss needs labels",
                         "choose --loss squared")  # fmt: skip
    return numbers.astype(np.int64)

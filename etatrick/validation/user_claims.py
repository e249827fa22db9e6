"""Claims and penalties in a file that the user names: the file is run, what it holds is checked and collected."""

import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, final

from etatrick.errors import InputError
from etatrick.validation.claim import Absent, Claim
from etatrick.validation.code_version import digest

REMEDY: Final = "see “Verify your own claim” in the documentation"


def claims_in(path: Path) -> list[Claim]:
    r"""Run a user's Python file and return its claims, in the order in which they stand there.

    A claim is an object of :class:`~etatrick.validation.claim.Claim` that the file holds at module level, also in a
    list, tuple or mapping. A penalty there (what ``derive`` returns, a catalogue entry, or an object of a class of the
    file that has ``value`` and ``slope``) becomes a claim that the laws of a penalty hold for it.

    Parameters
    ----------
    path : Path
        The file. It is run as Python code: call this only for files that the user named.

    Returns
    -------
    list of Claim

    Raises
    ------
    InputError
        If the file cannot be read or run, holds no claim, or a claim lacks something; with the line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.py"
    ...     _ = path.write_text("from etatrick.theory import derive\nmine = derive(eta_hat='w*(w+2)')")
    ...     [claim.id for claim in claims_in(path)]
    ['mine/mine']
    """
    module = _run(path)
    found = [*_claims(path, module)]
    if not found:
        raise InputError(str(path), "holds no claim and no penalty at module level", REMEDY)
    ids: set[str] = set()
    for claim in found:
        _check(path, claim)
        if claim.id in ids:
            raise InputError(place_of(path, claim.id), f"two claims have the id {claim.id}", "give each its own id")
        ids.add(claim.id)
    return found


def is_file_name(name: str) -> bool:
    """Whether a name on the command line means a file and not a claim.

    Examples
    --------
    >>> is_file_name("mine.py"), is_file_name("flip-side/log-sum-duality")
    (True, False)
    """
    return name.endswith(".py")


@final
class _FromSource(SourceFileLoader):
    """Runs what a file says now: bytecode would pass for current after an edit of equal length in the same second."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source."""
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _run(path: Path) -> ModuleType:
    name = f"claims_of_user_{digest(str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(str(path), "is no file", "check the path")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # so that the file can import what lies beside it, as a script can
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(*_fault(path, error), "mend the file") from None
    finally:
        sys.path.remove(folder)
    return module


def _fault(path: Path, error: BaseException) -> tuple[str, str]:
    """Return the place in the file and what is wrong there."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}", f"is no Python ({error.msg})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f"{path}, line {lines[-1]}" if lines else str(path)
    return place, f"raised {type(error).__name__}: {error}".rstrip(": ")


def _claims(path: Path, module: ModuleType) -> Iterator[Claim]:
    from etatrick.validation.own_penalties import is_penalty, penalty_claim

    seen: set[int] = set()
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        for label, entry in _entries(name, value):
            if id(entry) in seen:
                continue
            if isinstance(entry, Claim):
                seen.add(id(entry))
                yield entry
            elif is_penalty(entry, module.__name__):
                seen.add(id(entry))
                yield penalty_claim(entry, f"{path.stem}/{label}", str(path.name))


def _entries(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) in (list, tuple):
        yield from ((f"{name}-{index}", entry) for index, entry in enumerate(value))
    elif isinstance(value, Mapping) and type(value) is dict:
        yield from ((f"{name}-{key}", entry) for key, entry in value.items())
    else:
        yield name, value


def _check(path: Path, claim: Claim) -> None:
    """Raise InputError for what a claim cannot do without."""
    wanted = {
        "source": (claim.source, "name the paper, or say who claims it"),
        "title": (claim.title, "give it a short title"),
        "statement": (claim.statement, "state it, with LaTeX between dollar signs"),
    }
    for what, (text, remedy) in wanted.items():
        if not isinstance(text, str) or not text.strip():
            raise InputError(place_of(path, claim.id), f"the claim {claim.id} has no {what}", remedy)
    source, slash, short = claim.id.partition("/")
    if not (source and slash and short) or "/" in short:
        raise InputError(place_of(path, claim.id), f"the id {claim.id} is not of the form source/short-name", REMEDY)
    if all(isinstance(route, Absent) for route in claim.routes.values()):
        remedy = "give it a route to derive, solve or observe"
        raise InputError(place_of(path, claim.id), f"nothing settles the claim {claim.id}", remedy)


def place_of(path: Path, text: str) -> str:
    """Return the file with the last line on which a text stands as a literal, if it stands there."""
    if not path.is_file():
        return text
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(lines, 1) if f'"{text}"' in line or f"'{text}'" in line]
    return f"{path}, line {found[-1]}" if found else str(path)

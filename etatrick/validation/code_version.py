"""Which code a result depends on: the source files that a part imports, its own constants, and the libraries."""

import ast
import contextlib
import functools
import hashlib
import json
import platform
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from etatrick.validation.files import write

PACKAGE: Final = "etatrick"
LIBRARIES: Final = ("numpy", "scipy", "sympy", "torch", "cvxpy", "clarabel", "python-flint", "scikit-learn",
                    "z3-solver", "cvc5", "mpmath")  # fmt: skip
DEFERRED: Final = re.compile(rf"({PACKAGE}(?:\.\w+)+):\w+")  # a function named by text and imported when it is called
_GRAPH: Final[dict[str, list[str]]] = {}  # what a file imports, by its name and digest


def digest(*pieces: str) -> str:
    """Return 16 hexadecimal digits that depend on every piece and on where one ends.

    Examples
    --------
    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    return hashlib.sha256(json.dumps(pieces).encode()).hexdigest()[:16]


@functools.cache
def fingerprint() -> str:
    """Return a digest of every file of this package and of the versions of the numeric libraries."""
    files = [path for path in sorted(root().rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return digest(*(f"{path.relative_to(root())} {_sha(path)}" for path in files), *library_versions())


@functools.cache
def library_versions() -> tuple[str, ...]:
    """Return ``name version`` of Python and of each library that computes."""
    return (f"python {platform.python_version()}", *(f"{name} {_version(name)}" for name in LIBRARIES))


def code_version(work: Any) -> str:
    """Return a digest of what the callable `work` computes with.

    It covers the source files that the callable's module, and the modules of all functions and objects it holds,
    import within this package (also inside functions), plain data that it holds (bound arguments, closures, fields
    of dataclasses), and the versions of the libraries.  The ``__init__.py`` of a package counts only where a name is
    imported from it, so that a new entry in a registry leaves older results in force.

    Parameters
    ----------
    work : callable
        A part's ``run``.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> from functools import partial
    >>> code_version(partial(digest, "a")) == code_version(partial(digest, "b"))
    False
    """
    modules: set[str] = set()
    tokens = list(_held(work, modules, {}))
    files = sorted({path for module in sorted(modules) for path in closure(module)})
    return digest(*tokens, *(f"{path.name} {_sha(path)}" for path in files), *library_versions())


@functools.cache
def closure(module: str) -> frozenset[Path]:
    """Return the source files that the module `module` depends on, itself included, within the package.

    Parameters
    ----------
    module : str
        Its full name. A module that is neither ours, nor installed, nor part of Python (a user's file) counts too,
        with the files beside it that it imports.

    Returns
    -------
    frozenset of Path
    """
    found: dict[str, Path] = {}
    pending: list[tuple[str, Path | None]] = [(module, None)]
    while pending:
        name, folder = pending.pop()
        path = _file(name, folder)
        if path is not None and name not in found:
            found[name] = path
            folder = None if _is_ours(name) else path.parent
            pending += [(_home(other), folder) for other in _imports(name, path)]
    return frozenset(found.values())


def read_graph(file: Path) -> None:
    """Learn which file imports what from an earlier run, which spares parsing; a file that is damaged is ignored."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        read = json.loads(file.read_text(encoding="utf-8"))
        _GRAPH.update({key: names for key, names in read.items() if all(isinstance(name, str) for name in names)})


def write_graph(file: Path) -> None:
    """Keep for later runs which file imports what, by the digests of the files."""
    write(file, json.dumps(_GRAPH).encode())


def root() -> Path:
    """Return the folder of this package."""
    return Path(__file__).resolve().parent.parent


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


@functools.cache
def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _held(value: Any, modules: set[str], seen: dict[int, Any]) -> Iterator[str]:
    """Yield tokens for what an object holds, and note the modules it comes from."""
    if value is None or isinstance(value, str | bytes | int | float | complex):
        if isinstance(value, str) and DEFERRED.fullmatch(value):
            modules.add(value.partition(":")[0])
        yield f"{type(value).__name__} {value!r}"
        return
    if id(value) in seen:
        return
    seen[id(value)] = value  # kept alive, or another object could take its id
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _held(key, modules, seen)
            yield from _held(entry, modules, seen)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _held(entry, modules, seen)
    elif isinstance(value, set | frozenset):
        yield " ".join(sorted(map(repr, value)))
    elif isinstance(value, functools.partial):
        yield from _held([value.func, value.args, value.keywords], modules, seen)
    elif hasattr(value, "__func__"):  # a bound method
        yield from _held([value.__func__, value.__self__], modules, seen)
    elif hasattr(value, "__code__"):
        modules.add(value.__module__)
        yield f"{value.__module__}.{value.__qualname__}:{_place(value)}"
        cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        wrapped = getattr(value, "__wrapped__", None)
        yield from _held([cells, value.__defaults__, value.__kwdefaults__, wrapped], modules, seen)
    elif isinstance(value, type):
        modules.add(value.__module__)
        yield f"{value.__module__}.{value.__qualname__}"
    elif hasattr(value, "tobytes"):  # an array
        yield hashlib.sha256(value.tobytes()).hexdigest()
    else:
        modules.add(type(value).__module__)
        yield f"{type(value).__module__}.{type(value).__qualname__}"
        yield from _held(_fields(value), modules, seen)


def _fields(value: Any) -> Any:
    if is_dataclass(value):
        return [getattr(value, entry.name) for entry in fields(value)]
    if hasattr(value, "args") and hasattr(value, "func"):  # a formula: its text says it all
        return str(value)
    return dict(getattr(value, "__dict__", {}))


def _place(function: Any) -> str:
    """Tell functions of one name apart (lambdas, say) by their code, which line numbers would overdo."""
    code = function.__code__
    consts = [constant for constant in code.co_consts if isinstance(constant, str | int | float)]
    return digest(code.co_code.hex(), repr(consts), repr(code.co_names))


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is not bound yet
        return False


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


@functools.cache
def _file(module: str, folder: Path | None = None) -> Path | None:
    """Return the source file of a module of this package, or of one that is nobody's library."""
    if _is_ours(module):
        base = root().joinpath(*module.split(".")[1:])
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    if folder is not None and (folder / f"{module}.py").is_file():
        return folder / f"{module}.py"
    loaded = getattr(sys.modules.get(module), "__file__", None)
    path = Path(loaded).resolve() if loaded else None
    names = ("stdlib", "purelib", "platlib")
    libraries = [Path(sysconfig.get_path(name)).resolve() for name in names]
    if path is None or path.suffix != ".py" or any(library in path.parents for library in libraries):
        return None
    return path


def _imports(module: str, path: Path) -> tuple[str, ...]:
    """Return the modules that a source file imports anywhere, inside functions too."""
    known = digest(module, _sha(path), _sha(path.with_suffix(".pyi")) if path.with_suffix(".pyi").is_file() else "")
    if known not in _GRAPH:
        _GRAPH[known] = sorted(_parsed(module, path))
    return tuple(_GRAPH[known])


def _parsed(module: str, path: Path) -> set[str]:
    is_package = path.name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    found = set(_stub(module).values()) if is_package else set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}:{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DEFERRED.fullmatch(node.value):
            found.add(node.value.partition(":")[0])
    return {name for name in found if _is_ours(name.partition(":")[0])} if _is_ours(module) else found


def _home(read: str) -> str:
    """Return the module that ``base:name`` is read from: a submodule, where a stub points, or `base`."""
    base, _, name = read.partition(":")
    if _is_ours(base) and _file(f"{base}.{name}") is not None:
        return f"{base}.{name}"
    return _stub(base).get(name, base)


@functools.cache
def _stub(package: str) -> dict[str, str]:
    """Return where each lazily loaded name of a package comes from."""
    path = _file(package) if _is_ours(package) else None
    stub = path.with_suffix(".pyi") if path else None
    if path is None or path.name != "__init__.py" or stub is None or not stub.is_file():
        return {}
    found = {}
    for node in ast.walk(ast.parse(stub.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{package}.{node.module or alias.name}"
    return found

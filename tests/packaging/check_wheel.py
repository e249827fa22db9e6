"""Build the wheel, install it into a fresh environment, and use it from there.

Run by ``make test`` with the Python of the project's environment, which has hatchling and build::

    .venv/bin/python tests/packaging/check_wheel.py --torch torch==2.13.0
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "etatrick"
IMPORT_ALL = f"""
import importlib, pkgutil, {PACKAGE}
names = [module.name for module in pkgutil.walk_packages({PACKAGE}.__path__, "{PACKAGE}.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


class CheckError(Exception):
    """A check did not pass; the message says why."""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command and return what it printed; an exit code other than 0 is a failed check."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        name = Path(command[0]).name
        raise CheckError(f"{name} {' '.join(map(str, command[1:4]))} … exited with {done.returncode}\n{said}")
    return done.stdout


def build(directory: Path) -> Path:
    """Build the wheel of this checkout with the build backend of the running environment."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory)
    (wheel,) = directory.glob("*.whl")
    return wheel


def compare_files(wheel: Path) -> str:
    """Check that the wheel holds the tracked files of the package and nothing else."""
    tracked = set(run("git", "ls-files", "-z", PACKAGE).split("\0")) - {""}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    problems = [f"tracked but not in the wheel: {name}" for name in sorted(tracked - packed)]
    problems += [f"in the wheel but not tracked: {name}" for name in sorted(packed - tracked)]
    if problems:
        raise CheckError("\n".join(problems))
    return f"{len(packed)} files"


def install(wheel: Path, environment: Path, torch: str) -> Path:
    """Create a fresh environment, install the wheel there, and return its folder of programs."""
    run(sys.executable, "-m", "venv", environment)
    programs = environment / "bin"
    pip = (programs / "python", "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", "--no-compile", "--constraint", ROOT / "constraints.txt", torch, wheel)
    run(*pip, "check")
    return programs


def expect_version(printed: str, wheel: Path) -> str:
    """Check that the program reports the version in the wheel's name."""
    version = wheel.name.split("-")[1]
    if version not in printed:
        raise CheckError(f"expected {version}, got {printed.strip()!r}")
    return version


def expect_json(printed: str) -> str:
    """Check that the output is one JSON document that is not empty."""
    try:
        document = json.loads(printed)
    except json.JSONDecodeError as error:
        raise CheckError(f"the output is not JSON ({error}): {printed[:200]!r}") from error
    if not document:
        raise CheckError("the JSON document is empty")
    return f"{len(printed)} characters of JSON"


def use(program: Path, arguments: tuple[str, ...], empty: Path) -> str:
    """Run the program in an empty directory and check that it prints JSON."""
    return expect_json(run(program, *arguments, cwd=empty))


def report(title: str, check: Callable[[], str]) -> bool:
    """Run one check, print its line, and say whether it passed."""
    try:
        found = check()
    except CheckError as error:
        print(f"FAILED {title}\n{error}", flush=True)
        return False
    print(f"passed {title}{found and f': {found}'}", flush=True)
    return True


def checks_of_use(wheel: Path, programs: Path, empty: Path) -> Iterable[tuple[str, Callable[[], str]]]:
    """List what is tried in the fresh environment, from an empty working directory."""
    program = programs / PACKAGE
    yield (
        "every module imports",
        lambda: f"{run(programs / 'python', '-c', IMPORT_ALL, cwd=empty).strip()} modules",
    )
    yield f"{PACKAGE} --version", lambda: expect_version(run(program, "--version", cwd=empty), wheel)
    for arguments in (("derive", "w*(w+2)", "--json"), ("claims", "--json")):
        yield " ".join((PACKAGE, *arguments)), partial(use, program, arguments, empty)


def main() -> int:
    """Run all checks and return the exit code: 0 if all passed."""
    parser = argparse.ArgumentParser(description="Build the wheel, install it afresh and use it.")
    parser.add_argument("--torch", default="torch", help="the torch requirement to install, such as torch==2.13.0+cpu")
    torch = parser.parse_args().torch

    with tempfile.TemporaryDirectory(prefix="etatrick-wheel-") as name:
        scratch = Path(name)
        empty = scratch / "empty"
        empty.mkdir()
        made: list[Path] = []  # the wheel, then the folder of programs of the fresh environment

        def built() -> str:
            made.append(build(scratch / "dist"))
            return made[0].name

        def installed() -> str:
            made.append(install(made[0], scratch / "venv", torch))
            return ""

        results = [report("wheel builds", built)]
        if results[-1]:
            results.append(report("wheel holds the tracked files", lambda: compare_files(made[0])))
            results.append(report("wheel installs into a fresh environment", installed))
            if results[-1]:
                results += [report(title, check) for title, check in checks_of_use(made[0], made[1], empty)]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The command line: its commands and their options. Imports stay inside commands so that help is instant."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import etatrick
from etatrick.errors import InputError
from etatrick.validation.printing import (
    catalogue_text,
    claims_text,
    duality_json,
    duality_text,
    recheck_text,
    verify_text,
)

if TYPE_CHECKING:
    from etatrick.validation.claim import Level

EXIT_CODES = """
\b
Exit codes:
  0  done; every claim asked for holds
  1  a claim was refuted or could not be settled
  2  bad input: one sentence says what, why, and what to do
  130  interrupted; finished parts are kept
"""
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


class Group(click.Group):
    """Turns bad input into one sentence and exit code 2, and an interrupt into exit code 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"etatrick: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo(
                "etatrick: interrupted; finished parts are kept, the same command goes on from there.",
                err=True,
            )
            ctx.exit(130)


@click.group(cls=Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(etatrick.__version__, prog_name="etatrick")
def main() -> None:
    """Say which penalty a dropout scheme imposes, whether the claim is true, and whether trained networks agree.

    \b
    Start here:
      etatrick derive 'w*(w+2)'      what adaptive dropout with η̂(w) = w(w+2) really penalises
      etatrick claims                what the ledger holds
      etatrick verify                settle every claim and write report/index.html
    """


@main.command()
@click.argument("expression", metavar="EXPR")
@click.option(
    "--as",
    "form",
    type=click.Choice(["eta_hat", "penalty", "alpha", "dual"]),
    default="eta_hat",
    show_default=True,
    help="What EXPR is: the weight rule η̂(w), the penalty Ω(w), the retain probability α(w), or the dual f(η).",
)
@click.option("--param", "parameters", multiple=True, metavar="NAME", help="A free positive parameter; repeatable.")
@click.option("--time-limit", default=10.0, show_default=True, help="Seconds for the derivation.")
@click.option("--certificates", default=None, metavar="FILE", help="Write every proof as data for `etatrick recheck`.")
@as_json
def derive(
    expression: str, form: str, parameters: tuple[str, ...], time_limit: float, certificates: str | None, as_json: bool
) -> None:
    """Derive penalty, weight rule, dual and retain probability from one of them.

    EXPR is a formula in w (in eta for a dual), lam and declared parameters: numbers, + - * / **, parentheses,
    exp, log, sqrt, abs, min, max, Piecewise, trigonometric and hyperbolic functions; or the name of a penalty or
    strategy of the catalogue (`etatrick catalogue` lists them).

    \b
    Examples:
      etatrick derive 'w*(w+2)'
      etatrick derive scad --certificates scad.json
      etatrick derive 'w*(w+epsilon)' --param epsilon
      etatrick derive 'log(1+w/2)' --as penalty --json
    """
    from etatrick.theory import derive as derive_duality
    from etatrick.theory.duality import Duality
    from etatrick.theory.names import entry_named
    from etatrick.validation.files import write

    given: dict[str, Any] = {form: expression}
    duality = entry_named(expression) or derive_duality(**given, parameters=parameters, time_limit=time_limit)
    if not isinstance(duality, Duality):
        raise InputError(expression, "is derived by numbers alone", "use it in Python: strategies[…]().duality")
    if certificates is not None:
        write(Path(certificates), json.dumps(duality.certificates(), ensure_ascii=False, indent=1).encode())
    _show(as_json, duality_json(duality), duality_text)


@main.command()
@as_json
def catalogue(as_json: bool) -> None:
    """List the penalties and strategies with their parameters and sources."""
    from etatrick.theory import penalties, strategies

    data = {
        kind: {f.name: {"parameters": [p.domain for p in f.parameters], "source": f.source} for f in entries.values()}
        for kind, entries in (("penalties", penalties), ("strategies", strategies))
    }
    _show(as_json, data, catalogue_text)


@main.command()
@click.argument("file", metavar="FILE.json")
@as_json
def recheck(file: str, as_json: bool) -> None:
    """Check the certificates in a file again, with code that shares nothing with the prover."""
    from etatrick.validation.recheck import recheck_file

    report = recheck_file(file)
    rows = {name: vars(result) for name, result in report.results.items()}
    _show(as_json, {"ok": report.ok, "results": rows}, recheck_text)
    sys.exit(0 if report.ok else 1)


@main.command()
@click.argument("data", metavar="DATA.csv")
@click.option("--target", required=True, metavar="COL", help="Column to predict.")
@click.option("--penalty", required=True, metavar="NAME[:p=v,…]", help="e.g. log_sum:epsilon=0.1 or l1:k=1.")
@click.option("--lam", required=True, metavar="λ|path|cv", help="λ ≥ 0 in Σℓ(y, Xw) + λΣΩ(w), or how to find it.")
@click.option("--loss", default="squared", show_default=True, metavar="NAME",
              help="squared, huber, poisson, gamma, or logistic (labels).")  # fmt: skip
@click.option("--intercept/--no-intercept", default=True, show_default=True, help="Fit an unpenalised constant.")
@click.option("--folds", default=5, show_default=True, help="Parts for --lam cv.")
@click.option("--n-lams", default=50, show_default=True, help="Values of λ along a path.")
@click.option("--plot", default=None, metavar="FILE", help="Draw the path (.svg, .png, .pdf).")
@as_json
def solve(data: str, as_json: bool, **order: Any) -> None:
    """Solve a penalised regression or classification exactly and certify the result.

    DATA.csv has column names in its first row and numbers below. The loss is a sum, not a mean.

    \b
    Examples:
      etatrick solve diabetes.csv --target y --penalty log_sum:epsilon=0.1 --lam 0.01
      etatrick solve diabetes.csv --target y --penalty mcp:A=1 --lam cv --plot path.svg
      etatrick solve flowers.csv --target kind --penalty l1:k=1 --lam path --loss logistic --json
    """
    from etatrick.validation.solution_tables import solved_text
    from etatrick.validation.solving import Order, solve_file

    _show(as_json, solve_file(Path(data), Order(**order)), solved_text)


@main.command()
@as_json
def claims(as_json: bool) -> None:
    """List the claims of the ledger."""
    from etatrick.validation.ledger import claims as ledger

    rows = [
        {
            **{key: getattr(claim, key) for key in ("id", "title", "source", "relation", "statement")},
            "parts": [part.name for part in claim.parts],
        }
        for claim in ledger.values()
    ]
    _show(as_json, {"claims": rows}, claims_text)


@main.command(epilog=EXIT_CODES)
@click.argument("names", nargs=-1, metavar="[CLAIM]…")
@click.option("--level", type=click.Choice(["quick", "full"]), default="quick", show_default=True, help="Effort.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …: where networks train.")
@click.option("--out", default="report", show_default=True, metavar="DIR", help="Folder of the report.")
@as_json
def verify(names: tuple[str, ...], level: "Level", device: str, out: str, as_json: bool) -> None:
    """Settle claims (all of them by default) and write the report.

    Each claim is derived, solved and observed, part by part; finished parts are kept in DIR/parts and used
    again, so an interrupted run goes on where it stopped.
    """
    from etatrick.validation.files import prepare
    from etatrick.validation.ledger import claims as ledger
    from etatrick.validation.verification import chosen_device, verify_claims

    chosen = [ledger[name] for name in names] or ledger.values()
    target = prepare(Path(out))
    where = chosen_device(device)
    entries, files = verify_claims(chosen, target, level=level, device=where, command=_command())
    summary = {
        "report": str(files.page),
        "claims": {
            entry.claim: {column: finding.status for column, finding in entry.findings.items()} for entry in entries
        },
    }
    _show(as_json, summary, verify_text)
    sys.exit(0 if all(entry.holds for entry in entries) else 1)


@main.command()
@click.argument("name")
@click.option("--from", "source", default="report/report.json", show_default=True, help="A report's JSON.")
@click.option("--out", default=None, metavar="FILE", help="Where to write it (.svg, .png, .pdf).  [NAME.svg]")
@as_json
def figure(name: str, source: str, out: str | None, as_json: bool) -> None:
    """Draw a figure of the gallery, or one of a report again, as a vector file by default."""
    from etatrick.validation.verification import redraw

    written = redraw(name, Path(source), Path(out or f"{name}.svg"))
    _show(as_json, {"figure": str(written)}, lambda data: f"wrote {data['figure']}")


def _command() -> str:
    return " ".join(["etatrick", *sys.argv[1:]])


def _show(as_json: bool, data: dict[str, Any], text: Callable[[Mapping[str, Any]], str]) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2) if as_json else text(data))

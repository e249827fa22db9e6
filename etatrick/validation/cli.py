"""The command line: its commands and their options. Imports stay inside commands so that help is instant."""

import json
import sys
from pathlib import Path
from typing import Any

import click

import etatrick
from etatrick.errors import InputError
from etatrick.validation.cli_ledger import claims, diff, experiment, figure, verify
from etatrick.validation.command_group import EXIT_CODES, Group, as_json, show
from etatrick.validation.printing import catalogue_text, duality_json, duality_text, recheck_text


@click.group(cls=Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(etatrick.__version__, prog_name="etatrick")
def main() -> None:
    """Say which penalty a dropout scheme imposes, whether the claim is true, and whether trained networks agree.

    \b
    Start here:
      etatrick derive 'w*(w+2)'      what adaptive dropout with η̂(w) = w(w+2) really penalises
      etatrick claims                what the ledger holds
      etatrick verify                settle every claim and write report/index.html
      etatrick experiment            list published experiments; with a name, run one again
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
    show(as_json, duality_json(duality), duality_text)


@main.command()
@as_json
def catalogue(as_json: bool) -> None:
    """List the penalties and strategies with their parameters and sources."""
    from etatrick.theory import penalties, strategies

    data = {
        kind: {f.name: {"parameters": [p.domain for p in f.parameters], "source": f.source} for f in entries.values()}
        for kind, entries in (("penalties", penalties), ("strategies", strategies))
    }
    show(as_json, data, catalogue_text)


@main.command()
@click.argument("file", metavar="FILE.json")
@as_json
def recheck(file: str, as_json: bool) -> None:
    """Check the certificates in a file again, with code that shares nothing with the prover."""
    from etatrick.validation.recheck import recheck_file

    report = recheck_file(file)
    rows = {name: vars(result) for name, result in report.results.items()}
    show(as_json, {"ok": report.ok, "results": rows}, recheck_text)
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

    show(as_json, solve_file(Path(data), Order(**order)), solved_text)


for command in (claims, verify, diff, experiment, figure):
    main.add_command(command)

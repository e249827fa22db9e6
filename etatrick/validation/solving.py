"""What `etatrick solve` does: fit a CSV file at one λ, along a path or by cross-validation, and draw the path."""

import difflib
import math
import warnings
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.validation.columns import Data, read_data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from etatrick.numerics.estimators.coefficient_path import CoefficientPath

FORMATS: Final = (".svg", ".png", ".pdf")
LOSSES: Final = ("squared", "huber", "poisson", "gamma", "logistic")


@final
@dataclass(frozen=True)
class Order:
    """What was asked for on the command line.

    Parameters
    ----------
    target, penalty, loss : str
    lam : str
        A number ≥ 0, "path" or "cv".
    intercept : bool
    folds, n_lams : int
    plot : str or None
        A file to draw the path to.
    """

    target: str
    penalty: str
    lam: str
    loss: str = "squared"
    intercept: bool = True
    folds: int = 5
    n_lams: int = 50
    plot: str | None = None


def solve_file(path: Path, order: Order) -> dict[str, Any]:
    r"""Fit the model that was ordered to a CSV file.

    Parameters
    ----------
    path : Path
    order : Order

    Returns
    -------
    dict
        JSON-ready: what was asked, the coefficients with their certificate, and the path where one was asked for.

    Raises
    ------
    InputError
        If the file, a column, the penalty, λ or the file to draw to is not as it must be.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "data.csv"
    >>> _ = file.write_text("a,b,y\n1,0,3\n0,1,0.5\n")
    >>> solve_file(file, Order("y", "l1:k=1", "1", intercept=False))["coef"]
    [2.0, 0.0]
    """
    number = read_lam(order.lam)
    if order.plot is not None and Path(order.plot).suffix not in FORMATS:
        raise InputError(order.plot, f"must end in {', '.join(FORMATS)}", f"choose {Path(order.plot).stem}.svg")
    if order.folds < 2:
        raise InputError(f"--folds {order.folds}", "must be an integer ≥ 2", "leave it at 5")
    if order.plot is not None and not Path(order.plot).absolute().parent.is_dir():
        raise InputError(order.plot, "is in no folder", "create the folder first")
    model = _estimator(order, number)
    data = read_data(path, order.target, labels=order.loss == "logistic", intercept=order.intercept)
    if order.lam == "cv":
        _check_folds(order, data)
    result: dict[str, Any] = {"penalty": order.penalty, "loss": order.loss, "names": list(data.names)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a fit did not converge stands in the result
        if order.lam == "path" or (order.plot is not None and order.lam != "cv"):
            model.path_ = replace(model.compute_path(data.X, data.y, n_lams=order.n_lams), names=data.names)
        if order.lam != "path":
            model.fit(data.X, data.y)
    if order.loss == "logistic":
        result["classes"] = model.classes_.tolist()
    if order.lam != "path":
        result |= _solution(model, number)
    if order.lam == "cv":
        model.path_ = replace(model.path_, names=data.names)
        result["scores"] = model.scores_.tolist()
    if number is None:
        result |= _along(model.path_)
    if order.plot is not None:
        _save(model.path_.plot(lam=getattr(model, "lam_", number)), Path(order.plot))
        result["plot"] = order.plot
    finite: dict[str, Any] = _finite(result)
    return finite


def read_lam(text: str) -> float | None:
    """Return λ, or None for "path" and "cv".

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> read_lam("0.1"), read_lam("cv")
    (0.1, None)
    """
    if text in ("path", "cv"):
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InputError(f"--lam {text}", "must be a finite number ≥ 0, path or cv", "choose e.g. --lam 0.1")
    return number


def _estimator(order: Order, lam: float | None) -> Any:
    """Return the estimator with its parameters; the penalty is read first so that a wrong name costs no time."""
    from etatrick.numerics.estimators import (
        ReweightedClassifier,
        ReweightedClassifierCV,
        ReweightedRegressor,
        ReweightedRegressorCV,
    )
    from etatrick.numerics.estimators.naming import read_penalty

    read_penalty(order.penalty)
    options: dict[str, Any] = {"fit_intercept": order.intercept}
    if order.loss not in LOSSES:
        close = difflib.get_close_matches(order.loss, LOSSES, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(LOSSES)}"
        raise InputError(f"--loss {order.loss}", "is no loss", remedy)
    if order.lam == "cv":
        options |= {"cv": order.folds, "n_lams": order.n_lams}
    else:
        options["lam"] = 0.0 if lam is None else lam
    if order.loss == "logistic":
        return (ReweightedClassifierCV if order.lam == "cv" else ReweightedClassifier)(order.penalty, **options)
    return (ReweightedRegressorCV if order.lam == "cv" else ReweightedRegressor)(
        order.penalty, loss=order.loss, **options
    )


def _check_folds(order: Order, data: Data) -> None:
    if order.folds > len(data.y):
        raise InputError(f"--folds {order.folds}", f"is more than the {len(data.y)} rows", "choose fewer folds")
    if order.loss == "logistic":
        labels, counts = np.unique(data.y, return_counts=True)
        least = int(counts.argmin())
        if counts[least] < order.folds:
            rule = f"stands in {counts[least]} rows, fewer than the {order.folds} folds"
            raise InputError(f"label {labels[least]}", rule, "choose fewer folds or remove the label")


def _solution(model: Any, lam: float | None) -> dict[str, Any]:
    coef, intercept = np.asarray(model.coef_), np.asarray(model.intercept_)
    if coef.ndim == 2 and len(coef) == 1:
        coef, intercept = coef[0], intercept[0]
    return {
        "lam": model.lam_ if lam is None else lam,
        "coef": coef.tolist(),
        "intercept": intercept.tolist(),
        "objective": model.objective_,
        "certificate": model.certificate_.to_json(),
        "status": "converged" if model.converged_ else "inexact",
        "iterations": model.n_iter_,
        "message": model.status_,
    }


def _along(path: "CoefficientPath") -> dict[str, Any]:
    rows = zip(path.lams.tolist(), path.coefs, path.intercepts, path.certificates, path.objectives, path.converged,
               strict=True)  # fmt: skip
    return {
        "path": [
            {
                "lam": lam,
                "coef": coef.tolist(),
                "intercept": intercept.tolist(),
                "objective": float(objective),
                "certificate": certificate.to_json(),
                "converged": bool(converged),
            }
            for lam, coef, intercept, certificate, objective, converged in rows
        ]
    }


def _finite(value: Any) -> Any:
    """Return JSON-ready data in which what is no number is null, as JSON knows no infinity."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _save(figure: "Figure", target: Path) -> None:
    from etatrick.validation.files import write

    buffer = BytesIO()
    figure.savefig(buffer, format=target.suffix[1:], dpi=200)
    try:
        write(target, buffer.getvalue())
    except OSError as error:
        raise InputError(str(target), f"cannot be written ({error.strerror})", "choose another file") from None

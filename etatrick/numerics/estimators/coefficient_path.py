"""Coefficients along λ, as estimators keep and draw them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.numerics.solution import Certificate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from etatrick.numerics.solution import Solution

    Floats = NDArray[np.float64]

NAMED: Final = 10  # curves that get a name in the legend
# Okabe and Ito's colours without yellow, told apart by colour-blind readers
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: Final = ("-", "--", "-.", ":")


@final
@dataclass(frozen=True, eq=False)
class CoefficientPath:
    """Fits along decreasing λ.

    Parameters
    ----------
    lams : ndarray, shape (n_lams,)
        λ multiplies ΣΩ beside a loss that is a sum over samples.
    coefs : ndarray, shape (n_lams, d), or (n_lams, n_classes, d) for more than two classes
    intercepts : ndarray, shape (n_lams,) or (n_lams, n_classes)
    certificates : tuple of Certificate
        One per λ; for more than two classes the worst.
    objectives : ndarray, shape (n_lams,)
        Summed over classes.
    converged : ndarray of bool, shape (n_lams,)
    names : tuple of str
        The names of the columns of X.

    Examples
    --------
    >>> from etatrick.numerics.estimators import ReweightedRegressor
    >>> model = ReweightedRegressor(fit_intercept=False).fit_path(np.eye(2), [3.0, 1.0], n_lams=2, ratio=1 / 3)
    >>> model.path_.coefs.round(12) + 0.0
    array([[0., 0.],
           [2., 0.]])
    """

    lams: "Floats"
    coefs: "Floats"
    intercepts: "Floats"
    certificates: tuple[Certificate, ...]
    objectives: "Floats"
    converged: "NDArray[np.bool_]"
    names: tuple[str, ...]

    @classmethod
    def of(cls, lams: "Floats", rows: "Sequence[Sequence[Solution]]", names: "Sequence[str]") -> "CoefficientPath":
        """Return the path from one sequence of fits per class; of one alone, the axis of classes is dropped."""
        coefs = np.array([[found.coef for found in row] for row in rows]).swapaxes(0, 1)
        intercepts = np.array([[found.intercept for found in row] for row in rows]).T
        worst = tuple(worst_certificate([row[i].certificate for row in rows]) for i in range(len(lams)))
        objectives = np.sum([[found.objective for found in row] for row in rows], axis=0)
        converged = np.all([[found.converged for found in row] for row in rows], axis=0)
        if len(rows) == 1:
            coefs, intercepts = coefs[:, 0], intercepts[:, 0]
        return cls(lams, coefs, intercepts, worst, objectives, converged, tuple(names))

    def predictors(self, X: Any) -> "Floats":
        """Return Xw + b for every λ: shape (n_lams, n), or (n_lams, n, n_classes)."""
        flat = self.coefs.reshape(-1, self.coefs.shape[-1])
        theta = np.asarray(X @ flat.T).T.reshape(*self.coefs.shape[:-1], -1)
        theta = theta + self.intercepts[..., None]
        return theta if self.coefs.ndim == 2 else theta.swapaxes(1, 2)

    def plot(self, ax: "Axes | None" = None, lam: float | None = None) -> "Figure":
        """Draw the coefficients against λ on a logarithmic axis, one panel per class.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw a path of one predictor; by default a new figure, outside pyplot.
        lam : float, optional
            A λ to mark with a vertical line.

        Returns
        -------
        matplotlib.figure.Figure
        """
        rows = self.coefs[:, None] if self.coefs.ndim == 2 else self.coefs
        if ax is not None and rows.shape[1] > 1:
            from etatrick.errors import InputError

            raise InputError("ax", f"cannot hold the {rows.shape[1]} panels of this path", "leave it out")
        if ax is None:
            from etatrick.theory.pictures import blank

            figure = blank(4.8 * rows.shape[1], 3.6, layout="constrained")
            axes = list(figure.subplots(1, rows.shape[1], squeeze=False)[0])
        else:
            figure, axes = ax.figure, [ax]  # type: ignore[assignment, unused-ignore]
        for index, panel in enumerate(axes):
            self._draw(panel, rows[:, index], lam)
            if len(axes) > 1:
                panel.set_title(f"class {index + 1} of {len(axes)}", fontsize=9, loc="left")
        return figure

    def _draw(self, ax: "Axes", coefs: "Floats", lam: float | None) -> None:
        positive = self.lams > 0
        order = np.argsort(-np.abs(coefs).max(axis=0), kind="stable")
        for rank, column in enumerate(order):
            ax.plot(self.lams[positive], coefs[positive, column], linewidth=1.3, color=COLOURS[rank % len(COLOURS)],
                    linestyle=DASHES[rank // len(COLOURS) % len(DASHES)],
                    label=self.names[column] if rank < NAMED else None)  # fmt: skip
        if lam is not None and lam > 0:
            ax.axvline(lam, color="#666666", linewidth=1, linestyle="--")
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.set_xlabel(r"$\lambda$ (weaker to the right)", fontsize=9)
        ax.set_ylabel(r"$w_j$", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.legend(fontsize=7.5, frameon=False, ncols=2)


def worst_certificate(certificates: "Sequence[Certificate]") -> Certificate:
    """Return the certificate with the largest relative figure.

    Examples
    --------
    >>> fine, poor = Certificate(0.0, 0.0, 0.0, 0.0, True), Certificate(1.0, 0.1, None, None, False)
    >>> worst_certificate([fine, poor]).value
    0.1
    """
    return max(certificates, key=lambda certificate: certificate.value)

"""Certificates: the forms of a duality and the argument behind every verdict, as data that can be checked elsewhere."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.errors import InputError
from etatrick.theory.duality import FORMS, Duality
from etatrick.theory.trees import tree

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 1


def certificates(duality: Duality) -> "Mapping[str, Any]":
    """Return the forms of a duality with all verdicts and their certificates, ready for JSON.

    Everything is written in symbols that range over all positive numbers; a parameter of a smaller domain is listed
    under ``openings`` as a function of such a symbol.

    Parameters
    ----------
    duality : Duality

    Returns
    -------
    mapping
        See the page on certificates for the format; ``etatrick recheck`` verifies it. A form that cannot be written
        there, such as one with break points that are not explicit, is left out.

    Raises
    ------
    InputError
        If the given form itself cannot be written.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> data = certificates(derive(eta_hat="w*(w+2)"))
    >>> data["subject"]["eta_hat"]
    ['*', 'w', ['+', 'w', 2]]
    >>> data["verdicts"]["monotone"]["certificate"]["kind"]
    'growth'
    """
    opened = duality.opened
    parameters = [{"name": str(s), "lower": 0, "upper": "oo"} for s in opened.parameters]
    openings = {p.name: tree(p.opened[1]) for p in duality.domains}
    forms: dict[str, Any] = {form: _written(getattr(opened, form)) for form in FORMS}
    if forms[opened.given] is None:
        raise InputError(str(getattr(duality, duality.given)), "cannot be written as a certificate",
                         "state its break points, as Piecewise((formula, condition), …)")  # fmt: skip
    subject = {"given": opened.given, "parameters": parameters, "openings": openings, "jump": tree(_exact(opened.jump)),
               **forms}  # fmt: skip
    verdicts = {name: verdict.to_json() for name, verdict in opened.conditions.items()}
    identities = {name: verdict.to_json() for name, verdict in opened.identities.items()}
    return {"format": "etatrick-certificates", "version": VERSION, "subject": subject,
            "verdicts": verdicts, "identities": identities}  # fmt: skip


def _written(expr: Any) -> Any | None:
    """Return a form as a tree, or None where it is not known or has no place in a certificate."""
    try:
        return None if expr is None else tree(expr)
    except ValueError:
        return None


def _exact(expr: Any) -> Any:
    import sympy as sp

    return sp.Integer(expr) if isinstance(expr, int) else expr


__all__ = ["VERSION", "certificates"]

"""Penalties written on a command line, such as ``log_sum:epsilon=0.1``."""

from etatrick.errors import InputError
from etatrick.theory.catalogue import Member
from etatrick.theory.penalty_catalogue import penalties


def penalty_named(text: str) -> Member:
    """Return the catalogue member that ``NAME[:parameter=value,…]`` names.

    Parameters
    ----------
    text : str

    Returns
    -------
    Member

    Raises
    ------
    InputError
        If the name or a parameter is unknown, missing, or outside its domain.

    Examples
    --------
    >>> penalty_named("log_sum:epsilon=0.1").duality.penalty
    log(10*w + 1)
    """
    name, _, rest = text.partition(":")
    family = penalties[name]
    values: dict[str, float] = {}
    for piece in filter(None, rest.split(",")):
        key, equals, value = piece.partition("=")
        try:
            values[key.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(piece, "is not of the form parameter=number", f"write e.g. {name}:{_example(name)}")
    return family(**values)


def _example(name: str) -> str:
    parameters = penalties[name].parameters
    return f"{parameters[0].name}=1" if parameters else "(no parameters)"

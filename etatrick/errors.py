"""The one exception for bad input: it names the value, the rule and the remedy."""


class InputError(ValueError):
    """A value handed in by the user breaks a rule.

    Parameters
    ----------
    value : str
        What was given, as the user would recognise it.
    rule : str
        The rule it breaks.
    remedy : str
        What to do instead.

    Examples
    --------
    >>> raise InputError("lam = -1.0", "λ must be a finite number ≥ 0", "pass lam=0.1, say")
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: lam = -1.0: λ must be a finite number ≥ 0; pass lam=0.1, say.
    """

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        self.value, self.rule, self.remedy = shortened(value), rule, remedy
        super().__init__(f"{self.value}: {rule}; {remedy}.")

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        return InputError, (self.value, self.rule, self.remedy)


def shortened(text: str, limit: int = 120) -> str:
    """Return `text` on one line, cut in the middle when it is longer than `limit` characters.

    Examples
    --------
    >>> shortened("x" * 1000, limit=20)
    'xxxxxxx … xxxxxxx (1000 characters)'
    """
    line = " ".join(text[: 4 * limit].split()) if len(text) <= 4 * limit else text
    if len(line) <= limit:
        return line
    half = max(4, (limit - 6) // 2)
    head, tail = " ".join(text[:half].split()), " ".join(text[-half:].split())
    return f"{head} … {tail} ({len(text)} characters)"

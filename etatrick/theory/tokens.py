"""From the text of a formula to its syntax tree, within fixed bounds and without computing anything."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

from etatrick.errors import InputError

MAX_TEXT = 2000
MAX_TOKENS = 500
MAX_DEPTH = 40
MAX_LITERAL = 30
MAX_LITERAL_EXPONENT = 300

ALIASES = {"lam": "lambda", "λ": "lambda", "η": "eta", "ε": "epsilon", "π": "pi"}
SHORTEN = "shorten the expression or name a part of it as a parameter"
HINTS = {
    ".": "attributes do not exist here, and a decimal needs a digit next to its point",
    "=": "write only the right-hand side, and compare with < <= > >=",
    "|": "write abs(w)",
    **dict.fromkeys("[]{}", "group with ( and )"),
    **dict.fromkeys("'\"", "leave quotes out"),
}

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](?P<exponent>[+-]?[0-9]+))?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*|[ληεπ])
      | (?P<operator>\*\*|<=|>=|[-+*/^(),<>])""",
    re.VERBOSE,
)

# How tightly a binary operator binds; equal means it groups to the left, except the power.
_BINDING = {"or": 1, "and": 2, "<": 3, "<=": 3, ">": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5, "**": 7}
_UNARY = 6
_JOINS, _COMPARISONS = ("or", "and"), ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Token:
    """One word of the text, with where it starts (from 0) and ends."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Node:
    """A part of the tree, with the text it was read from."""

    source: str


@dataclass(frozen=True)
class Number(Node):
    """An exact number."""

    value: Fraction


@dataclass(frozen=True)
class Name(Node):
    """A symbol or constant, and the character (from 1) at which it stands."""

    name: str
    position: int


@dataclass(frozen=True)
class Negative(Node):
    """Minus an expression."""

    operand: Node


@dataclass(frozen=True)
class Binary(Node):
    """Two parts joined by an arithmetic operator, a comparison, `and` or `or`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Truth(Node):
    """The condition True."""


@dataclass(frozen=True)
class Call(Node):
    """A function of some arguments."""

    function: str
    arguments: tuple[Node, ...]
    position: int


@dataclass(frozen=True)
class Piecewise(Node):
    """Values with the conditions under which they hold; the first that holds counts."""

    branches: tuple[tuple[Node, Node], ...]


def tokenize(text: str) -> list[Token]:
    """Split a formula into words, closed by one word of kind "end".

    Parameters
    ----------
    text : str
        The formula.

    Returns
    -------
    list of Token
        Numbers, names and operators, without the spaces; `^` reads as `**`, `lam` as `lambda`.

    Raises
    ------
    InputError
        If the text is empty or too long, or holds a character or number outside the grammar.

    Examples
    --------
    >>> [token.text for token in tokenize("lam*w^2")]
    ['lambda', '*', 'w', '**', '2', '']
    """
    if not isinstance(text, str):
        raise InputError(type(text).__name__, "an expression must be a string", 'write e.g. "w*(w+2)"')
    if len(text) > MAX_TEXT:
        shown = f"expression {text[:40]!a} … of {len(text)} characters"
        raise InputError(shown, f"an expression has at most {MAX_TEXT} characters", SHORTEN)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            rule = "only numbers, names, spaces and + - * / ** ^ ( ) , < <= > >= are allowed"
            hint = HINTS.get(text[at], "remove or replace it")
            raise InputError(f"character {text[at]!a} at position {at + 1}", rule, hint)
        kind, word = match.lastgroup or "", match.group()
        if match["number"]:
            kind = "number"
            _check_literal(word, match["exponent"], at)
        if kind != "space":
            word = "**" if word == "^" else ALIASES.get(word, word)
            kind = "operator" if word in _JOINS else kind
            tokens.append(Token(kind, word, at, match.end()))
        if len(tokens) > MAX_TOKENS:
            raise InputError(text, f"a formula has at most {MAX_TOKENS} numbers, names and signs", SHORTEN)
        at = match.end()
    if not tokens:
        raise InputError("expression ''", "an expression must not be empty", 'write e.g. "w*(w+2)"')
    return [*tokens, Token("end", "", len(text), len(text))]


def _check_literal(word: str, exponent: str | None, at: int) -> None:
    shown, remedy = f"number {word} at position {at + 1}", "round it or scale the formula"
    if len(word) > MAX_LITERAL:
        raise InputError(shown, f"a number has at most {MAX_LITERAL} characters", remedy)
    if exponent and abs(int(exponent)) > MAX_LITERAL_EXPONENT:
        raise InputError(shown, f"its exponent must lie within ±{MAX_LITERAL_EXPONENT}", remedy)


class Parser:
    """Read a formula by operator precedence (Pratt 1973).

    Examples
    --------
    >>> node = Parser("-w**2").tree()
    >>> type(node).__name__, node.operand.operator
    ('Negative', '**')
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.at = 0
        self.depth = 0

    def tree(self) -> Node:
        """Return the tree of the whole text."""
        node = _number(self._expression(0))
        if self._peek.kind != "end":
            self._reject("an operator")
        return node

    @property
    def _peek(self) -> Token:
        return self.tokens[self.at]

    def _accept(self, word: str) -> bool:
        found = self._peek.text == word
        self.at += found
        return found

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            self._reject(word)

    def _reject(self, wanted: str) -> NoReturn:
        token = self._peek
        found = f'"{token.text}" at position {token.start + 1}' if token.text else "the end of the expression"
        raise InputError(found, f"{wanted} is expected there", "check operators, commas and parentheses")

    def _source(self, start: int) -> str:
        return self.text[start : self.tokens[self.at - 1].end]

    def _nested(self, binding: int) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            rule = f"parentheses, signs and powers nest at most {MAX_DEPTH} deep"
            raise InputError(self.text, rule, SHORTEN)
        node = self._expression(binding)
        self.depth -= 1
        return node

    def _expression(self, binding: int) -> Node:
        start = self._peek.start
        left = self._prefix()
        while self._peek.kind == "operator" and _BINDING.get(self._peek.text, -1) >= binding:
            word = self._peek.text
            self.at += 1
            # A power's exponent may hold any number of powers in turn, so it counts as nesting.
            right = self._nested(_UNARY) if word == "**" else self._expression(_BINDING[word] + 1)
            check = _condition if word in _JOINS else _number
            if word in _COMPARISONS and isinstance(left, Binary) and left.operator in _COMPARISONS:
                raise InputError(self._source(start), "comparisons cannot be chained", "join two with `and`")
            left = Binary(self._source(start), word, check(left), check(right))
        return left

    def _prefix(self) -> Node:
        token = self._peek
        if token.kind == "number":
            self.at += 1
            return Number(token.text, Fraction(token.text))
        if token.kind == "name":
            return self._name()
        if self._accept("("):
            node = self._nested(0)
            self._expect(")")
            return node
        if token.text not in ("+", "-"):
            self._reject("a number, a name or (")
        self.at += 1
        operand = _number(self._nested(_UNARY))
        return operand if token.text == "+" else Negative(self._source(token.start), operand)

    def _name(self) -> Node:
        token = self._peek
        self.at += 1
        if token.text == "True":
            return Truth("True")
        if not self._accept("("):
            return Name(token.text, token.text, token.start + 1)
        if token.text == "Piecewise":
            return Piecewise(token.text, self._list(self._branch))
        arguments = self._list(lambda: _number(self._nested(0)))
        return Call(self._source(token.start), token.text, arguments, token.start + 1)

    def _list(self, item: Callable[[], Any]) -> tuple[Any, ...]:
        """Read items between commas up to the closing parenthesis."""
        items: list[Any] = []
        while not self._accept(")"):
            if items:
                self._expect(",")
            items.append(item())
        return tuple(items)

    def _branch(self) -> tuple[Node, Node]:
        """Read one (value, condition) pair of a Piecewise."""
        self._expect("(")
        value = _number(self._nested(0))
        self._expect(",")
        condition = _condition(self._nested(0))
        self._expect(")")
        return value, condition


def _is_condition(node: Node) -> bool:
    return isinstance(node, Truth) or (isinstance(node, Binary) and _BINDING[node.operator] < _BINDING["+"])


def _number(node: Node) -> Node:
    if _is_condition(node):
        raise InputError(node.source, "a condition is no number", "use it only as a condition of Piecewise")
    return node


def _condition(node: Node) -> Node:
    if not _is_condition(node):
        raise InputError(node.source, "a condition is expected here", "compare with < <= > >=, or write True")
    return node

"""Read a formula such as ``"w*(w+2)"`` into a sympy expression, without ever running it as code."""

import math
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import sympy as sp
from sympy.core.cache import clear_cache
from sympy.core.evalf import PrecisionExhausted

from etatrick.errors import InputError, shortened
from etatrick.theory.budget import OutOfTimeError, budget
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import FUNCTIONS, RESERVED, lam, parameter, w
from etatrick.theory.tokens import Binary, Call, Name, Negative, Node, Number, Parser, Piecewise, Truth

MAX_BITS = 1100
MAX_POWER = 64
MAX_SIZE = 2000
MAX_CHOICES = 16
SECONDS = 1.5

_LARGEST = sp.Integer(10) ** 300
_REAL = "it is not a real finite number"
_DOMAIN = "check signs, denominators and the domains of the functions"
_LONG = "a number has at most 330 digits"
_SIMPLER = "simplify it by hand or name a part of it as a parameter"
_UNREAL = (sp.I, sp.nan, sp.zoo, sp.oo, -sp.oo, sp.re, sp.im, sp.arg, sp.conjugate, sp.AccumBounds)

_FAILURES = (ArithmeticError, AttributeError, LookupError, NotImplementedError, RecursionError,
             TypeError, ValueError)  # fmt: skip
_COMPARISONS = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge}


def parse(text: str, *, variable: Any = w, parameters: Iterable[Any] = ()) -> Any:
    """Read a formula into a sympy expression.

    Parameters
    ----------
    text : str
        The formula: numbers, names, ``+ - * / **`` (or ``^``), parentheses, the functions of
        ``FUNCTIONS`` and ``Piecewise((value, condition), …, (value, True))``. Decimals are exact.
    variable : sympy.Symbol
        The variable: w of a penalty, η̂ or α, eta of a dual.
    parameters : iterable of str, Parameter or sympy.Symbol
        The free parameters the formula may name besides ``lam`` (or ``lambda``); positive unless a
        :class:`Parameter` says otherwise.

    Returns
    -------
    sympy.Expr
        The formula, as sympy evaluates it.

    Raises
    ------
    InputError
        If the text leaves the grammar, names an undeclared symbol, exceeds a bound on size, or is not
        real and finite.

    Examples
    --------
    >>> parse("log(1 + w/epsilon)", parameters=["epsilon"])
    log(1 + w/epsilon)
    >>> parse("0.1*w^2")
    w**2/10
    >>> parse("w + b")
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: "b" at position 5: the symbol is not declared; pass parameters=["b"] \
(CLI: --param b) or correct the name.
    """
    builder, tree = _Builder(_symbols(variable, parameters)), Parser(text).tree()
    try:
        with budget(SECONDS):
            return builder.build(tree)
    except OutOfTimeError as error:
        # What sympy was deducing when it was interrupted must not be remembered as undecidable.
        clear_cache()
        raise InputError(text, f"sympy needs more than {SECONDS} s to read it", _SIMPLER) from error


def _symbols(variable: Any, parameters: Iterable[Any]) -> dict[str, Any]:
    if isinstance(parameters, str):
        shown = f"parameters={shortened(parameters)!a}"
        raise InputError(shown, "parameters must be a list of names", f"write [{shortened(parameters)!a}]")
    names = {variable.name: variable, "lambda": lam, "pi": sp.pi}
    for given in parameters:
        if isinstance(given, Parameter):
            names[given.name] = given.symbol
            continue
        symbol = parameter(given.name if isinstance(given, sp.Symbol) else given)
        if isinstance(given, sp.Symbol) and not given.is_positive:
            remedy = f'pass the name "{given.name}" or a symbol with positive=True'
            raise InputError(f"parameter {given.name}", "a parameter must be a positive symbol", remedy)
        names[symbol.name] = given if isinstance(given, sp.Symbol) else symbol
    return names


class _Builder:
    """Turn a tree into sympy from the leaves up, checking every part before the next one uses it."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def build(self, node: Node) -> Any:
        """Return the expression of a tree, or InputError where it is no real finite number."""
        try:
            return _checked(self._evaluate(node), node.source)
        except InputError:
            raise
        except _FAILURES as error:
            raise InputError(node.source, "sympy cannot evaluate it", _SIMPLER) from error

    def _evaluate(self, node: Node) -> Any:
        match node:
            case Number():
                return sp.Rational(node.value.numerator, node.value.denominator)
            case Name():
                return self._name(node)
            case Negative():
                return -self.build(node.operand)
            case Binary(operator="+" | "-"):
                return sp.Add(*self._chain(node, "+", "-"))
            case Binary(operator="*" | "/"):
                return sp.Mul(*self._chain(node, "*", "/"))
            case Binary(operator="**"):
                return _power(self.build(node.left), self.build(node.right), node.source)
            case Call():
                return self._call(node)
            case Piecewise():
                return self._piecewise(node)
        raise AssertionError(node)

    def _chain(self, node: Node, join: str, invert: str) -> list[Any]:
        """Return the terms of a sum or the factors of a product."""
        parts: list[Any] = []
        for operator, right in _operands(node, join, invert):
            part = self.build(right)
            if operator == "-":
                part = -part
            elif operator == "/":
                part = _power(part, sp.S.NegativeOne, node.source)
            parts.append(part)
        return parts

    def _name(self, node: Name) -> Any:
        name, shown = node.name, f'"{node.name}" at position {node.position}'
        if name in self.names:
            return self.names[name]
        if name in FUNCTIONS or name == "Piecewise":
            raise InputError(shown, "a function needs its arguments", f"write {name}(…)")
        if name in RESERVED or name.startswith("_") or len(name) > 32:
            rule, known = "the name may not be used in this formula", ", ".join(self.names)
            raise InputError(shown, rule, f"use {known}, or a declared parameter")
        remedy = f'pass parameters=["{name}"] (CLI: --param {name}) or correct the name'
        raise InputError(shown, "the symbol is not declared", remedy)

    def _call(self, node: Call) -> Any:
        name, shown = node.function, f'"{node.function}" at position {node.position}'
        if name not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            raise InputError(shown, "no such function", f"write * to multiply, or use one of {known}, Piecewise")
        function = FUNCTIONS[name]
        if not function.least <= len(node.arguments) <= function.most:
            bounds = f"{function.least}" if function.least == function.most else f"{function.least} to {function.most}"
            rule = f"{name} takes {bounds} argument{'s' * (function.most > 1)}, not {len(node.arguments)}"
            raise InputError(node.source, rule, "add or remove arguments")
        arguments = [self.build(argument) for argument in node.arguments]
        for x in arguments:
            if function.limit and x.is_number and abs(x.evalf(20, maxn=100)) > function.limit:
                rule = f"a numeric argument of {name} lies within ±{function.limit}"
                raise InputError(node.source, rule, "rescale the formula")
        if name == "sqrt":
            return _power(arguments[0], sp.Rational(1, 2), node.source)
        if name in ("exp", "sigmoid"):
            _check_exponential(arguments[0], node.source)
        if name in ("min", "max"):
            _check_comparable(arguments, node.source)
        return function.build(*arguments)

    def _piecewise(self, node: Piecewise) -> Any:
        if not node.branches or not isinstance(node.branches[-1][1], Truth):
            raise InputError(node.source, "the last condition of a Piecewise must be True", "end with (value, True)")
        pairs = [(self.build(value), self._condition(condition)) for value, condition in node.branches]
        kept = [pair for pair in pairs if pair[1] != sp.false]
        # Evaluation would solve the conditions for their symbol, at any cost in time.
        return kept[0][0] if kept[0][1] == sp.true else sp.Piecewise(*kept, evaluate=False)

    def _condition(self, node: Node) -> Any:
        if not isinstance(node, Binary):
            return sp.true
        if node.operator in ("and", "or"):
            join = sp.And if node.operator == "and" else sp.Or
            return join(*[self._condition(part) for _, part in _operands(node, node.operator)])
        left, right = self.build(node.left), self.build(node.right)
        if left.has(sp.Piecewise) or right.has(sp.Piecewise):
            raise InputError(node.source, "a condition must not contain a Piecewise", "write its branches out")
        _check_comparable([left, right], node.source)
        return _COMPARISONS[node.operator](left, right)


def _operands(node: Node, *operators: str) -> list[tuple[str, Node]]:
    """Unroll a chain such as a + b - c, which may be too long to recurse into."""
    parts: list[tuple[str, Node]] = []
    while isinstance(node, Binary) and node.operator in operators:
        parts.append((node.operator, node.right))
        node = node.left
    return [(operators[0], node), *reversed(parts)]


def _power(base: Any, exponent: Any, source: str) -> Any:
    """Return a power after checking that it is real and of moderate size."""
    if base == 0 and exponent.is_positive is not True:
        raise InputError(source, _REAL, "keep zero out of denominators and of negative powers")
    if base.is_number and base < 0 and not exponent.is_integer:
        raise InputError(source, _REAL, "raise a negative number to whole powers only")
    _check_power(base, exponent, source)
    return base**exponent


def _check_power(base: Any, exponent: Any, source: str) -> None:
    """Follow sympy into powers and products, whose exponents it multiplies out before anyone can look."""
    if base.is_Rational and exponent.is_Rational:
        if math.log2(max(abs(base.p), base.q)) * abs(exponent) > MAX_BITS:
            raise InputError(source, _LONG, _SIMPLER)
    elif base.is_Pow:
        _check_power(base.base, base.exp * exponent, source)
    elif base.is_Mul:
        for factor in base.args:
            _check_power(factor, exponent, source)
    else:
        _check_exponent(exponent, source)


def _check_exponent(exponent: Any, source: str) -> None:
    for number in exponent.atoms(sp.Rational):
        if abs(number.p) > MAX_POWER or number.q > MAX_POWER:
            rule = f"numerators and denominators in an exponent are at most {MAX_POWER}"
            raise InputError(source, rule, "use a simpler exponent, or exp and log")


def _check_exponential(x: Any, source: str) -> None:
    """Bound what sympy turns into powers: exp(n*log(b)) becomes b**n, also as one term among many."""
    for term in sp.Add.make_args(x):
        if term.has(sp.log):
            _check_exponent(term, source)


def _check_comparable(values: list[Any], source: str) -> None:
    """Reject what sympy would compare at length: many choices, or constants that may be equal."""
    choices = sum(len(m.args) for x in values for m in x.atoms(sp.Max, sp.Min)) + len(values)
    if choices > MAX_CHOICES:
        raise InputError(source, f"nested min and max compare at most {MAX_CHOICES} values", _SIMPLER)
    for a, b in combinations(values, 2):
        _checked(a - b, source)


def _checked(x: Any, source: str) -> Any:
    """Return `x` if it is real, finite and of moderate size."""
    if sum(1 for _, _ in zip(sp.preorder_traversal(x), range(MAX_SIZE + 1), strict=False)) > MAX_SIZE:
        raise InputError(source, f"it expands to more than {MAX_SIZE} parts", _SIMPLER)
    if x.has(*_UNREAL):
        raise InputError(source, _REAL, _DOMAIN)
    for number in x.atoms(sp.Rational):
        if max(number.p.bit_length(), number.q.bit_length()) > MAX_BITS:
            raise InputError(source, _LONG, _SIMPLER)
    for power in x.atoms(sp.Pow):
        if not (power.base.is_Rational and power.exp.is_Rational):
            _check_exponent(power.exp, source)
    if x.is_number:
        _check_constant(x, source)
    elif x.is_real is False:
        raise InputError(source, _REAL, _DOMAIN)
    return x


def _check_constant(x: Any, source: str) -> None:
    try:
        value = x if x.is_Rational else x.evalf(20, maxn=100, strict=True)
    except PrecisionExhausted as error:
        raise InputError(source, "it cannot be told from zero", _SIMPLER) from error
    if not value.is_real:
        raise InputError(source, _REAL, _DOMAIN)
    if value != 0 and not 1 / _LARGEST <= abs(value) <= _LARGEST:
        raise InputError(source, "a number is zero or between 1e-300 and 1e300 in size", "rescale the formula")

"""The formula grammar: what it reads, what it refuses, and that neither takes long."""

import ast
import builtins
import keyword
import operator as opr
import time
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import sympy as sp
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from etatrick.errors import InputError
from etatrick.theory.grammar import parse
from etatrick.theory.special import Dawson, DawsonIntegral
from etatrick.theory.symbols import FUNCTIONS, RESERVED, Function, eta, lam, parameter, w
from etatrick.theory.tokens import MAX_TEXT

a = parameter("a")
R = sp.Rational

VALID = [
    ("w", w),
    ("lam", lam),
    ("lambda*w", lam * w),
    ("λ + π", lam + sp.pi),
    ("0.1", R(1, 10)),
    ("1e-3", R(1, 1000)),
    (".5e+1 + 5.", sp.Integer(10)),
    (" w\t*\n w ", w**2),
    ("w^2", w**2),
    ("2**3**2", sp.Integer(512)),
    ("(2**3)**2", sp.Integer(64)),
    ("-2**2", sp.Integer(-4)),
    ("2**-1", R(1, 2)),
    ("2**-2**2", R(1, 16)),
    ("-w**-2", -(w**-2)),
    ("--w", w),
    ("+w - -w", 2 * w),
    ("1-2-3", sp.Integer(-4)),
    ("1-(2-3)", sp.Integer(2)),
    ("8/4/2", sp.Integer(1)),
    ("8/(4/2)", sp.Integer(4)),
    ("2*w/3*lam", R(2, 3) * w * lam),
    ("1+2*w**2", 1 + 2 * w**2),
    ("w*(w+2)", w * (w + 2)),
    ("w^(1/3)", w ** R(1, 3)),
    ("(w+1)**64", (w + 1) ** 64),
    ("w**w**w**w", w ** (w ** (w**w))),
    ("log(1 + w/a)", sp.log(1 + w / a)),
    ("abs(w - 1)", sp.Abs(w - 1)),
    ("abs(-w)", w),
    ("exp(-w**2/2)", sp.exp(-(w**2) / 2)),
    ("sqrt(w)", sp.sqrt(w)),
    ("min(w, 1)", sp.Min(w, 1)),
    ("max(w, a, 2)", sp.Max(w, a, 2)),
    ("sin(w)+cos(w)+tan(w)", sp.sin(w) + sp.cos(w) + sp.tan(w)),
    ("sinh(w)+cosh(w)+tanh(w)", sp.sinh(w) + sp.cosh(w) + sp.tanh(w)),
    ("asin(w)+acos(w/2)+atan(w)", sp.asin(w) + sp.acos(w / 2) + sp.atan(w)),
    ("asinh(w)+acosh(w)+atanh(w)", sp.asinh(w) + sp.acosh(w) + sp.atanh(w)),
    ("erf(w)+erfc(2*w)+erfi(w)", sp.erf(w) + sp.erfc(2 * w) + sp.erfi(w)),
    ("gamma(w)+loggamma(w)+digamma(w)", sp.gamma(w) + sp.loggamma(w) + sp.digamma(w)),
    ("gamma(5)", sp.Integer(24)),
    ("lambertw(w)", sp.LambertW(w)),
    ("dawson(w)", Dawson(w)),
    ("dawson_integral(w)", DawsonIntegral(w)),
    ("polylog(2, -w)", sp.polylog(2, -w, evaluate=False)),
    ("polylog(2, 1/2)", sp.polylog(2, R(1, 2))),
    ("sigmoid(w)", 1 / (1 + sp.exp(-w))),
    ("sign(w - 1)", sp.sign(w - 1)),
    ("Piecewise((w, w < 1), (1, True))", sp.Piecewise((w, w < 1), (1, True))),
    (
        "Piecewise((w, w<=1 and w>a or w>=3), (lam, True))",
        sp.Piecewise((w, ((w <= 1) & (w > a)) | (w >= 3)), (lam, True), evaluate=False),
    ),
    ("Piecewise((w, (w+1)*2 < 4), (1, True))", sp.Piecewise((w, 2 * w + 2 < 4), (1, True), evaluate=False)),
    ("Piecewise((w, 2 < 1), (lam, 1 < 2), (1, True))", lam),
    ("+".join(["w"] * 250), 250 * w),
    ("(" * 40 + "w" + ")" * 40, w),
]


@pytest.mark.parametrize(("text", "expected"), VALID, ids=[text[:40] for text, _ in VALID])
def test_reads_as_sympy_would_write_it(text: str, expected: sp.Expr) -> None:
    assert parse(text, parameters=["a"]) == expected


def test_every_function_is_covered_by_the_table() -> None:
    assert [name for name in FUNCTIONS if not any(f"{name}(" in text for text, _ in VALID)] == []


def test_dual_is_written_in_eta() -> None:
    assert parse("η + lam", variable=eta) == eta + lam
    with pytest.raises(InputError, match="may not be used"):
        parse("w", variable=eta)


def test_parameters_by_name_and_by_symbol() -> None:
    epsilon = parameter("epsilon")
    assert parse("w/ε", parameters=["epsilon"]) == parse("w/epsilon", parameters=[epsilon]) == w / epsilon
    with pytest.raises(InputError, match=r'"epsilon".*parameters=\["epsilon"\] \(CLI: --param epsilon\)'):
        parse("w/epsilon")


@pytest.mark.parametrize("bad", ["epsilon", ["w"], ["lam"], ["exp"], ["if"], ["_x"], ["a b"], ["é"], ["x" * 33], [1]])
def test_bad_parameters(bad: object) -> None:
    with pytest.raises(InputError):
        parse("w", parameters=bad)  # type: ignore[arg-type]


def test_parameter_symbols_must_be_positive() -> None:
    with pytest.raises(InputError, match="positive"):
        parse("w*b", parameters=[sp.Symbol("b")])


def test_reserved_names() -> None:
    assert set(FUNCTIONS) | {"w", "eta", "lam", "lambda", "pi"} | set(keyword.kwlist) <= RESERVED
    assert "e" not in RESERVED
    assert parse("e*w", parameters=["e"]) == parameter("e") * w


HOSTILE = [
    "", " ", "__import__('os').system('x')", "__import__", "w.__class__", "().__class__", "w.real",
    'exec("1")', "lambda: 0", "lambda w: w", "w; w", "w\0", "１２", "ｗ", "w\u200b", "w\u2028w", "\ud800",
    "w = 2", "w[0]", "{w}", "[w]", "'w'", '"w"', "`w`", "w if w else w", "not w", "w := 2", "@w", "w!",
    "~w", "w % 2", "w // 2", "w == 2", "w\\", "#", "1_000", "0x10", "1j", "2w", "w w", "w(2)", "(w)(w)",
    "w.5", "w+", "*w", "()", "(w", "w)", "w,w", ",", "exp", "exp()", "exp(w,w)", "exp(,)", "exp(w,)",
    "max(w)", "max(" + ",".join("w" * 9) + ")", "foo(w)", "eval(w)", "True", "w*True", "w < 1", "w*(w<1)",
    "log(w<1)", "Piecewise", "Piecewise()", "Piecewise((1,2),(w,True))", "Piecewise((w, w<1))",
    "Piecewise((w, 0<w<1),(1,True))", "Piecewise(w, w)", "Piecewise((1, w and w<2),(1,True))",
    "Piecewise((1, Piecewise((w,w<1),(2,True)) < 2), (w, True))", "Piecewise((1, w<2),(1/0,True))",
    "9**9**9**9", "9**9**9", "9**-9**9", "2**10000", "w**65", "w**(1/65)", "w**9**9", "w**-1e25",
    "((((2*w)**64)**64)**64)**64", "2**(w+1e25)*2**(-w)", "(2**(1e25*w))**(1/w)", "exp(w+1e25*log(2))",
    "exp(1e25*log(2*w))", "exp(1e9)", "1e300*1e300", "1e-300**2", "1e999999", "1e-999999", "1" * 31,
    "1" * 1999, "gamma(100000000)", "loggamma(100000000)", "digamma(100000000)", "polylog(1000000,2)",
    "gamma(0)", "gamma(-3)", "1/0", "w/0", "1/(w-w)", "0**-1", "0**0", "log(0)", "tan(pi/2)", "digamma(0)",
    "polylog(1,1)", "sqrt(-1)", "sqrt(-w)", "(-8)**(1/3)", "(-w)**(1/3)", "log(-w)", "log(-w-1)", "asin(2)",
    "acosh(1/2)", "atanh(2)", "lambertw(-1)", "polylog(2,2)", "(-1)**w", "sqrt(3+2*sqrt(2))-1-sqrt(2)",
    "(" * 10_000 + "w", "(" * 41 + "w" + ")" * 41, "-" * 400 + "w", "w**" * 100 + "w", "w+" * 999 + "w",
    "exp(" * 41 + "w" + ")" * 41, "w" * 10_000_000, "b" * 33,
    "max(" + ",".join(f"sin({i}*w)" for i in range(1, 8))
    + ",min(" + ",".join(f"cos({i}*w)" for i in range(1, 8)) + ",max(sin(8*w),sin(9*w),lam)))",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:40]) for text in HOSTILE])
def test_refuses_in_one_sentence_and_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InputError) as caught:
        parse(text)
    assert time.perf_counter() - start < 2
    message = str(caught.value)
    assert message.endswith(".")
    assert len(message) < 600
    assert message.isprintable()


@pytest.mark.parametrize("text", [None, 3, b"w", ["w"], w])
def test_refuses_what_is_no_string(text: object) -> None:
    with pytest.raises(InputError, match="must be a string"):
        parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("w.real", "character '.' at position 2"),
        ("w + b", '"b" at position 5'),
        ("w +", "the end of the expression"),
        ("w * foo(w)", '"foo" at position 5: no such function'),
        ("1 + log(0)*w", r"log\(0\): it is not a real finite number"),
        ("max(w)", "max takes 2 to 8 arguments, not 1"),
        ("exp(w, w)", "exp takes 1 argument, not 2"),
        ("w**65", r"w\*\*65: numerators and denominators in an exponent are at most 64"),
    ],
)
def test_says_what_is_wrong_and_where(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(text)


def test_stops_sympy_when_it_deliberates_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def deliberate(x: sp.Expr) -> sp.Expr:  # some short formulas keep sympy busy for a minute, depending on its cache
        end = time.perf_counter() + 30
        while time.perf_counter() < end:
            sp.factor(x**2 - 1)
        return x

    monkeypatch.setitem(FUNCTIONS, "asin", Function(1, 1, None, deliberate))
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"sympy needs more than 1\.5 s"):
        parse("asin(w)")
    assert time.perf_counter() - start < 4


def test_no_text_reaches_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {text for text, _ in VALID} | set(HOSTILE)
    original = sp.sympify

    def sympify(value: object, *args: object, **kwargs: object) -> object:
        assert not isinstance(value, str), value
        return original(value, *args, **kwargs)

    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError(args)

    for module in (
        "sympy",
        "sympy.core.sympify",
        "sympy.core.expr",
        "sympy.core.basic",
        "sympy.core.function",
    ):
        monkeypatch.setattr(f"{module}.sympify", sympify, raising=False)
    monkeypatch.setattr("sympy.parsing.sympy_parser.parse_expr", forbidden)
    monkeypatch.setattr("sympy.parsing.sympy_parser.eval_expr", forbidden)
    # Parsing once imports what sympy loads late; an import itself executes code.
    for text in [*ours, *ours]:
        try:
            parse(text, parameters=["a"])
        except InputError:
            continue
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "eval", forbidden)
        patch.setattr(builtins, "exec", forbidden)
        patch.setattr(builtins, "compile", forbidden)
        results = []
        for text in sorted(ours, key=len)[:150]:
            try:
                results.append(parse(text, parameters=["a"]))
            except InputError:
                continue
    assert len(results) > 40


# An independent reading: the tree below prints itself and computes its own value with mpmath, to 50 digits.
oracle = mpmath.MPContext()
oracle.dps = 50
POINT = {"w": "1.37", "a": "0.61", "lam": "0.29"}
UNARY = {
    "exp": oracle.exp, "log": oracle.log, "sqrt": oracle.sqrt, "sin": oracle.sin, "cos": oracle.cos,
    "tan": oracle.tan, "sinh": oracle.sinh, "cosh": oracle.cosh, "tanh": oracle.tanh, "atan": oracle.atan,
    "asinh": oracle.asinh, "erf": oracle.erf, "erfc": oracle.erfc, "abs": abs, "sign": oracle.sign,
    "sigmoid": lambda x: 1 / (1 + oracle.exp(-x)), "lambertw": oracle.lambertw, "gamma": oracle.gamma,
    "digamma": oracle.digamma,
}  # fmt: skip
Tree = tuple[str, Any]


def _leaf() -> st.SearchStrategy[Tree]:
    numbers = st.decimals("0.01", 20, places=2).map(lambda d: (str(d), oracle.mpf(str(d))))
    return st.one_of(numbers, st.sampled_from(sorted(POINT)).map(lambda s: (s, oracle.mpf(POINT[s]))))


def _combine(operator: str, left: Tree, right: Tree) -> Tree:
    value = {"+": oracle.fadd, "-": oracle.fsub, "*": oracle.fmul, "/": _divide}[operator](left[1], right[1])
    return f"({left[0]}) {operator} ({right[0]})", value


def _divide(left: Any, right: Any) -> Any:
    return left / right if right else oracle.nan


def _apply(name: str, argument: Tree) -> Tree:
    try:
        value = UNARY[name](argument[1])
    except (ValueError, OverflowError, ZeroDivisionError):
        value = oracle.nan
    return f"{name}({argument[0]})", value


def _choose(name: str, trees: list[Tree]) -> Tree:
    assume(not any(isinstance(value, oracle.mpc) for _, value in trees))
    return f"{name}({', '.join(text for text, _ in trees)})", (max if name == "max" else min)(v for _, v in trees)


def _branch(low: Tree, high: Tree, then: Tree, otherwise: Tree) -> Tree:
    text = f"Piecewise(({then[0]}, {low[0]} < {high[0]}), ({otherwise[0]}, True))"
    return text, then[1] if low[1] < high[1] else otherwise[1]


def _grow(trees: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.builds(_combine, st.sampled_from("+-*/"), trees, trees),
        st.builds(lambda t, n: (f"({t[0]})**{n}", t[1] ** n), trees, st.integers(1, 4)),
        st.builds(lambda t: (f"-({t[0]})", -t[1]), trees),
        st.builds(_apply, st.sampled_from(sorted(UNARY)), trees),
        st.builds(_choose, st.sampled_from(["min", "max"]), st.lists(trees, min_size=2, max_size=3)),
        st.builds(_branch, _leaf(), _leaf(), trees, trees),
    )


@settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(st.recursive(_leaf(), _grow, max_leaves=6))
def test_agrees_with_an_independent_evaluation(tree: Tree) -> None:
    text, expected = tree
    assume(not isinstance(expected, oracle.mpc) and oracle.isfinite(expected) and 1e-6 < abs(expected) < 1e12)
    try:
        read = parse(text, parameters=["a"])
    except InputError:
        assume(False)
    value = read.subs({sp.Symbol(k if k != "lam" else "lambda", positive=True): R(v) for k, v in POINT.items()})
    assert abs(oracle.mpf(str(value.evalf(30))) - expected) <= 1e-10 * abs(expected)


ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: opr.add,
    ast.Sub: opr.sub,
    ast.Mult: opr.mul,
    ast.Div: opr.truediv,
    ast.Pow: opr.pow,
}


def _python_reads(node: ast.AST) -> sp.Expr:
    """Return the value of a sum, product or power as Python groups it, with exact numbers."""
    match node:
        case ast.Constant(value=int(n)):
            return sp.Integer(n)
        case ast.UnaryOp(operand=operand):
            return -_python_reads(operand)
        case ast.BinOp(left=left, op=sign, right=right):
            x, y = _python_reads(left), _python_reads(right)
            assume(not isinstance(sign, ast.Pow) or (y.is_Integer and abs(y) < 30))
            return ARITHMETIC[type(sign)](x, y)
    raise AssertionError(node)


@given(st.lists(st.tuples(st.sampled_from(["+", "-", "*", "/", "**"]), st.integers(1, 3), st.booleans()), max_size=5))
def test_precedence_is_that_of_python(parts: list[tuple[str, int, bool]]) -> None:
    text = "2" + "".join(f"{operator}{'-' * negative}{n}" for operator, n, negative in parts)
    expected = _python_reads(ast.parse(text, mode="eval").body)
    assume(expected.is_finite and 1e-200 < abs(expected) < 1e200)
    assert parse(text) == expected


def _only_parses_or_refuses(text: str) -> None:
    start = time.perf_counter()
    try:
        read = parse(text, parameters=["a"])
    except InputError:
        pass
    else:
        assert read.is_real is not False
        assert read.free_symbols <= {w, a, lam}
    assert time.perf_counter() - start < 4


@settings(deadline=4000, derandomize=True, max_examples=300)
@given(st.text(max_size=MAX_TEXT + 10))
@example("\ud800")
def test_any_text_is_parsed_or_refused(text: str) -> None:
    _only_parses_or_refuses(text)


WORDS = [*FUNCTIONS, *(f"{name}(" for name in FUNCTIONS), *"(()),+-*/^<wwa1230", "**", ">=", "and", "or"]
WORDS += ["lam", "pi", "64", "1e25", "1e-9", "0.5", "Piecewise((", "True", "w)", "w+1)", "2)"]


@settings(deadline=4000, derandomize=True, max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_words_of_the_grammar_are_parsed_or_refused(words: list[str]) -> None:
    _only_parses_or_refuses(" ".join(words))


@settings(deadline=4000, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(_leaf(), _grow, max_leaves=12))
def test_any_formula_is_parsed_or_refused(tree: Tree) -> None:
    _only_parses_or_refuses(tree[0])

"""LaTeX to MathML that browsers typeset natively, and text with formulas in it to HTML."""

import re
import unicodedata
from html import escape, unescape
from typing import Final
from xml.etree.ElementTree import Element, tostring

# What latex2mathml does not know, in terms that it does.
REWRITES: Final[tuple[tuple[str, str], ...]] = (
    (r"\\[bB]igg?[lr]?(?![A-Za-z])", ""),  # fences grow by themselves
    (r"\\(begin|end)\{(?:aligned|split)\}", r"\\\1{align*}"),
    (r"\\mathrm\{([A-Za-z ]+)\}", r"\\text{\1}"),
    (r"\\mathbb\s+([A-Za-z])", r"\\mathbb{\1}"),
    (r"\\arg\s*\\(min|max)(?![A-Za-z])", r"\\arg\1 "),
    (r"\\operatorname\*?\{arg(?:\\,|\s)*(min|max)\}", r"\\arg\1 "),
)
# Attributes kept; in particular no href and no style, which LaTeX could otherwise set.
ATTRIBUTES: Final = frozenset(
    re.findall(
        r"\w+",
        """display displaystyle scriptlevel linethickness mathvariant accent accentunder stretchy fence form
        lspace rspace minsize maxsize movablelimits columnalign columnspacing rowspacing width height""",
    )
)
ARITY: Final = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "munder": 2,
    "mover": 2,
    "msubsup": 3,
    "munderover": 3,
}
BEGUN: Final = frozenset(("mrow", "msub", "msup", "msubsup", "munder", "mover", "munderover"))
SYMBOLS: Final = "∞∂∇"  # mathematical signs that are no operators
FENCES: Final = "()[]{}"
PRIMES: Final = ("′", "″", "‴")
SCRIPTS: Final = BEGUN - {"mrow"}
ROWS: Final = frozenset(("math", "mrow", "mstyle", "mtd", "mpadded", "msqrt"))
LIMITS: Final = ("min", "max", "inf", "sup", "lim")
SEGMENT: Final = re.compile(r"(?<!\\)\$(?=\S)((?:[^$\\]|\\.)+)(?<=\S)\$", re.DOTALL)
TOKEN: Final = re.compile(r"\\(?:left|right)\s*(?:\\[A-Za-z]+|\\.|.)|\\[A-Za-z]+|\\.|[^\s]")
OPENING: Final = frozenset(("{", "(", "[", r"\{", r"\begin", r"\lfloor", r"\langle"))
CLOSING: Final = frozenset(("}", ")", "]", r"\}", r"\end", r"\rfloor", r"\rangle"))
RELATIONS: Final = frozenset(
    ("=", "<", ">", r"\le", r"\ge", r"\leq", r"\geq", r"\to", r"\sim", r"\approx", r"\in", r"\iff")
)
SEPARATORS: Final = frozenset((",", ";", r"\quad", r"\qquad"))
LONG: Final = 24  # characters of LaTeX that fit a line of a telephone
PUNCTUATION: Final = re.compile(r"^[,.;:!?)\]’”]+")


def to_mathml(latex: str, display: bool) -> str:
    r"""Return a formula as a MathML element, or as ``<code>`` if it cannot be converted.

    Parameters
    ----------
    latex : str
        The formula without dollar signs.
    display : bool
        Whether it stands on a line of its own.

    Returns
    -------
    str
        HTML that is safe to insert; the LaTeX is its alternative text.

    Examples
    --------
    >>> to_mathml("w^2", display=False)
    '<math display="inline" alttext="w^2"><mrow><msup><mi>w</mi><mn>2</mn></msup></mrow></math>'
    >>> to_mathml(r"\frac{1", display=True)
    '<code class="latex">\\frac{1</code>'
    """
    from latex2mathml.converter import convert_to_element

    source = latex
    for pattern, replacement in REWRITES:
        source = re.sub(pattern, replacement, source)
    try:
        math: Element = convert_to_element(source, display="block" if display else "inline")
        _clean(math)
    except Exception:  # whatever latex2mathml raises: the reader then sees the source
        return f'<code class="latex">{escape(latex)}</code>'
    math.set("alttext", latex)
    return tostring(math, encoding="unicode", short_empty_elements=False)


def inline(text: str) -> str:
    r"""Return plain text with formulas inside ``$…$`` as HTML; ``\$`` stands for a dollar sign.

    As in Markdown, dollars with a space on their inner side are no delimiters.

    Parameters
    ----------
    text : str
        The text, of any origin.

    Returns
    -------
    str
        Escaped text with MathML in it.

    Examples
    --------
    >>> inline(r"a < b & \$5")
    'a &lt; b &amp; $5'
    >>> inline("for $w$")
    'for <math display="inline" alttext="w"><mrow><mi>w</mi></mrow></math>'
    >>> inline("$w$, then").startswith('<span class="tight"><math'), inline("$w$, then")[-19:]
    (True, '/math>,</span> then')
    """
    pieces = SEGMENT.split(text)
    return "".join(
        "<wbr>".join(_beside(_parts(piece), pieces[at + 1])) if at % 2 else _prose(_rest(piece, at))
        for at, piece in enumerate(pieces)
    )


def _parts(latex: str) -> list[str]:
    """Return a formula in the text as MathML, a long one in parts between which a line may end, as TeX would."""
    depth, begin, parts = 0, 0, []
    for token in TOKEN.finditer(latex) if len(latex) > LONG else ():
        name = token[0]
        fence = name[:5] == r"\left", name[:6] == r"\right"
        depth += (name in OPENING or fence[0]) - (name in CLOSING or fence[1])
        end = token.end() if name in SEPARATORS else token.start()
        ends = name in RELATIONS | SEPARATORS or (name in "+-" and end - begin > LONG)
        if depth == 0 and ends and latex[begin:end].strip() and latex[end - 1] not in "_^":
            parts.append(latex[begin:end])
            begin = end
    rest = latex[begin:]
    # the empty group keeps a leading + or − an operation between two terms
    return [
        to_mathml("{}" * (part[0] in "+-" and at > 0) + part, display=False) for at, part in enumerate([*parts, rest])
    ]


def _beside(parts: list[str], after: str) -> list[str]:
    """Return a formula's parts, the last with the punctuation that follows it: between them no line may end."""
    sign = PUNCTUATION.match(after)
    return [*parts[:-1], f'<span class="tight">{parts[-1]}{escape(sign[0])}</span>'] if sign else parts


def _rest(plain: str, at: int) -> str:
    """Return plain text without the punctuation that went with the formula before it."""
    return (PUNCTUATION.sub("", plain, count=1) if at else plain).replace(r"\$", "$")


def _prose(plain: str) -> str:
    """Return escaped text in which no line ends within a number or before its per cent sign."""
    whole = re.sub(r"\d[\d.]*e-\d+", r'<span class="tight">\g<0></span>', escape(plain))
    return re.sub(r"(?<=\d) %", "\u00a0%", whole)


def _clean(element: Element) -> None:
    """Keep what is safe, and give symbols the elements that make browsers space them as TeX does."""
    element.text = text = unescape(element.text or "")
    if text.startswith("\\") and text[1:2].isalpha():
        raise ValueError(f"unknown command {text}")
    if len(element) != ARITY.get(element.tag, len(element)):
        raise ValueError(f"{element.tag} lacks an argument")
    for name in set(element.attrib) - ATTRIBUTES:
        del element.attrib[name]
    if element.tag == "mi" and text in ("~", ":", "|"):
        element.tag, element.text = "mo", text.replace("~", "∼")
    elif element.tag in ("mi", "mo") and len(text) == 1 and unicodedata.category(text) == "Sm":
        element.tag = "mi" if text in SYMBOLS else "mo"
    elif element.tag == "mo" and not text:  # the missing fence of a pair takes no room
        element.attrib.update(lspace="0", rspace="0")
    if text and text in FENCES and element.get("stretchy") == "true":
        for known in ("stretchy", "fence", "form"):  # a browser knows them of a bracket at the end of its row
            element.attrib.pop(known, None)
    for child in element:
        _clean(child)
    if element.tag == "msup" and element[1].text in PRIMES:  # the sign is raised already
        element.tag, element[1].tag = "mrow", "mo"
        element[1].attrib.update(lspace="0", rspace="0")
    if element.tag == "msub" and (element[0].text in LIMITS or "movablelimits" in element[0].attrib):
        element.tag = "munder"
        element[0].set("movablelimits", "true")
    if element.tag in ROWS:
        _space(element)


def _space(row: Element) -> None:
    """Pair the bars of a row, and set function names apart from their neighbours."""
    bars = [core for core in map(_core, row) if core.text in ("|", "‖") and "form" not in core.attrib]
    if len(bars) % 2 == 0:
        for bar, form in zip(bars, ["prefix", "postfix"] * len(bars), strict=False):
            bar.tag = "mo"
            bar.set("form", form)
            bar.set("stretchy", "false")
    cores = [None, *map(_core, row), None]
    for before, element, after in zip(cores, row, cores[2:], strict=False):
        core = _core(element, SCRIPTS)  # rows within this one have seen to their own names
        if _is_name(core):
            core.tag = "mo"
            core.set("lspace", "0" if _is_operator(before) else "0.167em")
            core.set("rspace", "0" if _is_operator(after) else "0.167em")


def _core(element: Element, through: frozenset[str] = BEGUN) -> Element:
    """Return the symbol that begins `element` or carries its scripts, or `element` itself."""
    while element.tag in through and len(element):
        element = element[0]
    return element


def _is_name(element: Element) -> bool:
    text = element.text or ""
    letters = all(letter.isalpha() or letter.isspace() for letter in text)
    return element.tag in ("mi", "mo") and len(text) > 1 and letters


def _is_operator(element: Element | None) -> bool:
    return element is None or (element.tag == "mo" and element.text not in ("|", "‖") and not _is_name(element))

"""Vector drawings at a third of their size: coordinates to a hundredth of a point, every style stated once."""

import re
from collections import Counter
from itertools import count, groupby
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from zlib import crc32

SVG: Final = "http://www.w3.org/2000/svg"
XLINK: Final = "http://www.w3.org/1999/xlink"
NUMBERS: Final = ("d", "x", "y", "width", "height", "transform", "viewBox", "points")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_FONT = re.compile(r"font-family: 'DejaVu Sans'[^;]*")
_BLANKS = re.compile(r"\s+")
_REFERENCE = re.compile(r"#([\w.-]+)")


def compact(svg: bytes, name: str) -> bytes:
    """Return matplotlib's drawing without what no reader sees; it looks the same.

    Parameters
    ----------
    svg : bytes
        A document of matplotlib's SVG backend.
    name : str
        Of the drawing, unique in the report: its rules apply inside the element of that name only, so that several
        drawings can stand in one page.

    Returns
    -------
    bytes
        A document without metadata and comments.  The same drawing and name give the same bytes.
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style")]:
            parent.remove(child)
    for element in root.iter():
        _tidy(element)
    _unnest(root)
    _shorten_names(root)
    root.set("id", f"d{crc32(name.encode()):x}")
    _state_once(root)
    _group(root)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    short: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return short


def _tidy(element: Element) -> None:
    """Round numbers, name a font that browsers have, and drop blanks between elements."""
    for key in NUMBERS:
        if key in element.attrib:
            short = _LONG.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), element.attrib[key])
            element.set(key, _BLANKS.sub(" ", short).strip())
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    if "style" in element.attrib:
        element.set("style", _FONT.sub("font-family: 'DejaVu Sans', Arial, sans-serif", element.attrib["style"]))
    element.text = element.text if element.text and element.text.strip() else None
    element.tail = None


def _unnest(element: Element) -> None:
    """Put the children of groups that say nothing in the groups' place."""
    for child in list(element):
        _unnest(child)
        if child.tag == f"{{{SVG}}}g" and not set(child.attrib) - {"id"}:
            at = list(element).index(child)
            element.remove(child)
            for offset, grandchild in enumerate(child):
                element.insert(at + offset, grandchild)


def _shorten_names(root: Element) -> None:
    """Drop the names that nothing refers to, and cut the others, which are hashes, to what tells them apart."""
    said = " ".join(value for element in root.iter() for key, value in element.attrib.items() if key != "id")
    wanted = sorted(set(_REFERENCE.findall(said)))
    length = next(n for n in count(5) if len({name[:n] for name in wanted}) == len(wanted))
    for element in root.iter():
        if element.get("id", "") in wanted:
            element.set("id", element.attrib["id"][:length])
        else:
            element.attrib.pop("id", None)
        for key, value in element.attrib.items():
            if "#" in value and key != "style":
                element.set(key, _REFERENCE.sub(lambda found: f"#{found[1][:length]}", value))


def _state_once(root: Element) -> None:
    """Replace styles that occur more than once by classes, which apply inside the drawing only."""
    times = Counter(element.get("style") for element in root.iter() if "style" in element.attrib)
    short = {style: f"s{number}" for number, (style, n) in enumerate(times.most_common()) if n > 1}
    for element in root.iter():
        if element.get("style") in short:
            element.set("class", short[element.attrib.pop("style")])
    scope = f"#{root.attrib['id']}"
    rules = [f"{scope} *{{stroke-linejoin:round;stroke-linecap:butt}}"]  # what the backend states for all elements
    rules += [f"{scope} .{label}{{{style}}}" for style, label in short.items()]
    sheet = Element(f"{{{SVG}}}style", {"type": "text/css"})
    sheet.text = "".join(rules)
    root.insert(0, sheet)


def _group(parent: Element) -> None:
    """Put markers of one style that follow each other into a group that states it."""
    for child in parent:
        _group(child)
    runs = [list(run) for _, run in groupby(parent, key=lambda child: (child.tag, child.get("class")))]
    for run in runs:
        if len(run) > 2 and run[0].tag == f"{{{SVG}}}use" and run[0].get("class"):
            group = Element(f"{{{SVG}}}g", {"class": run[0].attrib["class"]})
            parent.insert(list(parent).index(run[0]), group)
            for marker in run:
                parent.remove(marker)
                del marker.attrib["class"]
                group.append(marker)

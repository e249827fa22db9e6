"""Write the pages of the catalogues from their objects: formulas, verdicts, proximal maps and plots of every entry.

The directive ``{catalogue} penalties`` stands for all entries of ``etatrick.theory.penalties``. What an entry yields is
kept in the folder of the doctrees and made again when anything in ``etatrick.theory`` or here has changed.
"""

import json
import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from os.path import relpath
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import etatrick.theory

logger = logging.getLogger(__name__)

KEY_CONDITIONS = ("subquadratic", "exact_zeros", "convex", "bounded")
SYMBOLS = {"penalty": r"$\Omega(w)$", "eta_hat": r"$\hat\eta(w)$", "dual": r"$f(\eta)$", "alpha": r"$\alpha(w)$"}
MISSING = "no closed form; numbers by quadrature or inversion"


def entry(kind: str, name: str, picture: str) -> dict[str, str]:
    """Return the section of one entry and its row of the overview, as Markdown; draw its plot."""
    from etatrick.errors import InputError
    from etatrick.theory.display import example_values, plot, stated

    family = getattr(etatrick.theory, kind)[name]
    values = example_values(family)
    member = family(**values)
    duality = stated(family)
    free = [str(p) for p in getattr(duality, "parameters", ())]
    shown = ", ".join(f"{key} = {value:g}" for key, value in values.items())
    at = f" at {plain(shown)}" if values and not free else ""
    parts = [f"({kind}-{name})=\n## `{name}`", parameters(family)]
    if at:
        parts.append(f"Formulas and verdicts are those{at}.")
    parts += [formulas(duality), proximal(name, {} if free else member.values)]
    try:
        figure = plot(member, step=0.5)  # at t = 1 several entries with unit parameters are on the verge of a jump
        figure.savefig(picture, dpi=120)
        caption = f"`{name}`" + (f" for {plain(shown)}" if shown else "")
        parts.append(f"```{{figure}} {{picture}}\n:width: 46rem\n:alt: six curves of {name}\n\n{caption}\n```")
    except InputError as error:
        parts.append(f"No plot: it {plain(error.rule)}.")
    parts.append(table("condition", duality.conditions, meanings(duality)))
    if getattr(duality, "identities", None):
        parts.append(table("identity", duality.identities, {}))
    return {"section": "\n\n".join(part for part in parts if part), "row": overview(kind, name, duality, at)}


def parameters(family: Any) -> str:
    """Return the parameters with their domains, which form the source states, and the source."""
    listed = [plain(p.domain) + (f" ({plain(p.meaning)})" if p.meaning else "")
              for p in family.parameters]  # fmt: skip
    given = SYMBOLS.get(getattr(family, "given", ""), "")
    source = f"{plain(family.source)}" + (f", as {given}" if given else "")
    return f"**Parameters:** {'; '.join(listed) or 'none'}. **Source:** {source}."


def formulas(duality: Any) -> str:
    """Return the four forms as a table, or the formulas of a duality that has no such forms."""
    from etatrick.theory.display import formula

    forms = {form: getattr(duality, form, None) for form in SYMBOLS}
    if all(expr is None for expr in forms.values()):
        return f"```{{math}}\n{duality.latex()}\n```" if hasattr(duality, "latex") else ""
    rows = [f"| {SYMBOLS[form]} | {formula(expr) if expr is not None else MISSING} |" for form, expr in forms.items()]
    return "| form | for w > 0 |\n|---|---|\n" + "\n".join(rows).replace(r"\left|", r"\left\vert").replace(
        r"\right|", r"\right\vert"
    )


def proximal(name: str, values: Any) -> str:
    """Return the proximal map where it has a closed form."""
    from etatrick.theory.display import formula
    from etatrick.theory.prox_forms import closed_prox

    form = closed_prox(name, **values)
    if form is None:
        return ""
    found = [formula(candidate) for candidate in form.candidates]
    best = found[0] if len(found) == 1 else f"of lower objective of {' and '.join(found)}"
    return rf"$\mathrm{{prox}}_{{t\Omega}}(v)$ for $v\ge0$: {'' if len(found) == 1 else 'the one '}{best}"


def meanings(duality: Any) -> dict[str, str]:
    """Return what the conditions of a duality say, by name."""
    from etatrick.theory.conditions import MEANINGS
    from etatrick.theory.vector.base import MEANINGS as OF_VECTORS
    from etatrick.theory.vector.base import VectorDuality

    return OF_VECTORS if isinstance(duality, VectorDuality) else MEANINGS


def table(head: str, verdicts: Any, statements: dict[str, str]) -> str:
    """Return verdicts as a table: the name, the status, and how it was reached."""
    from etatrick.validation.report.wording import MARK

    lines = [f"| {head} | verdict | how |", "|---|---|---|"]
    for name in verdicts:
        verdict = verdicts[name]
        witness = ", ".join(f"{key} = {value:.6g}" for key, value in verdict.witness.items())
        steps = (verdict.method, verdict.domain, witness and f"witness {witness}", verdict.detail)
        how = "; ".join(plain(step) for step in steps if step)
        statement = f"<br>{statements[name]}" if name in statements else ""
        lines.append(f"| `{name}`{statement} | {MARK[verdict.status]} {verdict.status} | {how} |")
    return "\n".join(lines)


def overview(kind: str, name: str, duality: Any, at: str) -> str:
    """Return the row of an entry in the overview: Ω and the verdicts most asked for."""
    from etatrick.theory.display import formula
    from etatrick.validation.report.wording import MARK

    found = duality.conditions
    marks = [MARK[found[key].status] if key in found else "—" for key in KEY_CONDITIONS]
    shown = formula(getattr(duality, "penalty", None)).replace("|", r"\vert ") + at
    return f"| [`{name}`](#{kind}-{name}) | {shown} | {' | '.join(marks)} |"


def plain(text: str) -> str:
    """Return text with what Markdown would read as markup escaped, shortened if it is very long."""
    from etatrick.errors import shortened

    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", shortened(text, limit=240))


def prepare(app: Sphinx) -> None:
    """Make what the pages need and is not there yet, in as many processes as there are processors."""
    store = Path(app.doctreedir) / "catalogue"
    store.mkdir(parents=True, exist_ok=True)
    sources = [*sorted(Path(etatrick.theory.__file__).parent.rglob("*.py")), Path(__file__)]
    version = sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    jobs = []
    for kind in ("penalties", "strategies"):
        for name in getattr(etatrick.theory, kind):
            made = store / f"{kind}-{name}-{version}"
            if not made.with_suffix(".json").exists():
                for old in store.glob(f"{kind}-{name}-*"):
                    if re.fullmatch(rf"{kind}-{name}-[0-9a-f]{{16}}\.(png|json)", old.name):
                        old.unlink()
                jobs.append((kind, name, str(made)))
    if jobs:
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
            for (kind, name, _), problem in zip(jobs, pool.map(make, jobs), strict=True):
                if problem:
                    logger.warning("%s of the catalogue of %s: %s", name, kind, problem)
    app.env.catalogue_store = (str(store), version)  # type: ignore[attr-defined]


def make(job: tuple[str, str, str]) -> str:
    """Make one entry and keep it, text last, so that half an entry is never taken for one; return what went wrong."""
    kind, name, made = job
    try:
        text = json.dumps(entry(kind, name, f"{made}.png"))
    except Exception as error:  # whatever it is, the other entries are made and the build says which one failed
        return f"{type(error).__name__}: {error}"
    Path(f"{made}.json").write_text(text, encoding="utf-8")
    return ""


class CatalogueDirective(SphinxDirective):
    """All entries of a catalogue: an overview, then a section for each."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the page."""
        kind = self.arguments[0]
        store, version = self.env.catalogue_store  # type: ignore[attr-defined]
        rows, sections = [], []
        for name in getattr(etatrick.theory, kind):
            made = Path(store) / f"{kind}-{name}-{version}"
            self.env.note_dependency(str(made.with_suffix(".json")))
            if not made.with_suffix(".json").exists():  # warned of already
                continue
            found = json.loads(made.with_suffix(".json").read_text(encoding="utf-8"))
            picture = relpath(made.with_suffix(".png"), Path(self.env.doc2path(self.env.docname)).parent)
            rows.append(found["row"])
            sections.append(found["section"].replace("{picture}", picture))
        head = ["| name | $\\Omega(w)$ | " + " | ".join(key.replace("_", " ") for key in KEY_CONDITIONS) + " |",
                "|---|---|" + "---|" * len(KEY_CONDITIONS)]  # fmt: skip
        text = "## At a glance\n\n" + "\n".join([*head, *rows]) + "\n\n" + "\n\n".join(sections) + "\n"
        page = nodes.section()
        page.document = self.state.document
        self.state.nested_parse(
            StringList(text.splitlines(), source=kind), self.content_offset, page, match_titles=True
        )
        return page.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the directive and make the entries before the pages are read."""
    app.add_directive("catalogue", CatalogueDirective)
    app.connect("builder-inited", prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Settings of the documentation; `make docs` builds it. Building and reading it need no network."""

import re
import sys
from importlib import import_module
from inspect import ismodule, isroutine
from pathlib import Path
from pkgutil import walk_packages
from types import GenericAlias

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import etatrick

project = "etatrick"
author = "The etatrick authors"
copyright = "The etatrick authors"
release = version = etatrick.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "absolute_values",
    "catalogue",
    "chapter_claims",
    "experiments",
    "ledger",
    "mathml",
]
# docs/experiments holds what `etatrick experiment` wrote; experiments.md shows it.
exclude_patterns = ["_build", "jupyter_execute", "**.ipynb_checkpoints", "experiments/*"]
templates_path = ["_templates"]
nitpicky = False

# Notebooks run from the top on every build, and a cell that fails stops the build.
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_render_markdown_format = "myst"  # tables with formulas in cell outputs
nb_ipywidgets_js = {}

# Formulas: see _ext/mathml.py.
html_math_renderer = "mathml"
myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_update_mathjax = False
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False


def home(package: str, name: str) -> str | None:
    """Return where a public function, class or module is documented, relative to its package; None for a value."""
    thing = getattr(import_module(package), name)
    if not (isinstance(thing, type) or isroutine(thing) or ismodule(thing)):
        return None
    module = getattr(thing, "__module__", None)
    if isinstance(module, str) and getattr(sys.modules.get(module), name, None) is thing:
        return f"~{module}.{name}".replace(f"~{package}.", "~", 1)
    return name


def value(package: str, name: str) -> tuple[str, str, str]:
    """Return the name of a public value, what it is, and the module that defines it."""
    stub = Path(import_module(package).__file__).with_suffix(".pyi")  # absent where nothing is imported on first use
    names_there = stub.read_text(encoding="utf-8") if stub.exists() else ""
    module = re.search(rf"^from \.(\w+) import {name} as {name}$", names_there, re.MULTILINE)
    kind = type(getattr(import_module(package), name)).__name__
    return name, kind, f"{package}.{module[1]}" if module else package


# For _templates/module.rst, the public names of each package: autosummary misses names imported on first use.
packages = [module.name for module in walk_packages(etatrick.__path__, "etatrick.") if module.ispkg]
names = {package: sorted(getattr(import_module(package), "__all__", [])) for package in packages}
autosummary_context = {
    "public": {p: [there for n in names[p] if (there := home(p, n))] for p in packages},
    "values": {p: [value(p, n) for n in names[p] if not home(p, n)] for p in packages},
}


def skip(app, what, name, obj, skipped, options):
    """Leave out aliases of types, which autodoc cannot sign, and what scikit-learn makes for routing metadata.

    The texts of the latter link to scikit-learn's own manual.
    """
    routing = re.fullmatch(r"set_\w+_request|get_metadata_routing", name)
    return True if routing or isinstance(obj, GenericAlias) else skipped


def setup(app):
    """Register what autodoc leaves out."""
    app.connect("autodoc-skip-member", skip)


html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["formulas.css"]
html_title = f"etatrick {release}"
html_sidebars = {
    name: [] for name in ("tutorials/**", "howto/**", "theory/**", "dependencies", "citing", "errata")
}  # wider pages
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}

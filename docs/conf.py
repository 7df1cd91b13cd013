"""The settings of `make docs`: Sphinx with MyST, which reads Markdown and notebooks, in the theme furo.

MkDocs is no longer developed.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

import afterword
from afterword.operations.operation import Operation

sys.path.insert(0, str(Path(__file__).parent))
from generated import GENERATED

project = "Afterword"
release = afterword.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["options.css"]
html_title = f"Afterword {release}"
html_theme_options: dict[str, str] = {}
if repository := os.environ.get("AFTERWORD_REPOSITORY"):  # as hatch_build.py reads it: each page links its source
    html_theme_options |= {
        "source_repository": f"{repository}/",
        "source_branch": f"v{release}",
        "source_directory": "docs/",
    }
highlight_language = "text"  # of code blocks without a language
nb_execution_mode = "off"  # `make notebooks` runs them; the tests do too
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # a page loads nothing from elsewhere
myst_heading_anchors = 3  # as on GitHub, so that a link to a heading works in both places
templates_path = ["_templates"]
default_role = "literal"  # of `names` in docstrings
smartquotes = False  # they would make -- of every option a dash
html_show_copyright = False
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"  # models and records are returned, not made by hand
autodoc_typehints_format = "short"
maximum_signature_line_length = 100


# The pages read well as plain Markdown, too. There, a picture stands for a frame with a page that `make docs` writes, a
# link to an explanation for a link to such a page, and paragraphs of links for the tables of contents.
PICTURE = re.compile(r"^!\[(?P<title>[^\]]+)\]\(\S+\)\n<!-- frame: (?P<page>\S+), (?P<height>\w+) -->$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\(\S+\)<!-- built: (\S+) -->")
CONTENTS = re.compile(r"^\*\*(.+):\*\* ((?:.+\n)+)", re.MULTILINE)
FRAME = r"""<iframe src="\g<page>" title="\g<title>" loading="lazy"
  style="width: 100%; height: \g<height>; border: 1px solid #8888"></iframe>
<p><a href="\g<page>">The same page in a window of its own</a></p>"""


def setup(app: Sphinx) -> None:
    app.connect("source-read", _generate)
    app.connect("autodoc-process-docstring", _leave_out_arguments)


def _leave_out_arguments(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    if isinstance(found, Operation):  # commands.md has a table of them
        del lines[lines.index("Arguments:") :]


def _generate(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = LINK.sub(r'<a href="\2">\1</a>', PICTURE.sub(FRAME, source[0]))
    if page == "index":
        for caption, links in CONTENTS.findall(source[0]):
            names = "\n".join(re.findall(r"\]\((.+?)\.\w+\)", links))
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{names}\n```\n"
    if page in GENERATED:
        source[0] += "\n" + GENERATED[page]()

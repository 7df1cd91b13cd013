"""The settings of `make docs`: Sphinx with MyST, which reads Markdown and notebooks, in the theme furo.

MkDocs is no longer developed.
"""

from __future__ import annotations

import afterword

project = "Afterword"
release = afterword.__version__

extensions = ["myst_nb"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Afterword {release}"
highlight_language = "text"  # of code blocks without a language
nb_execution_mode = "off"  # `make notebooks` runs them; the tests do too
myst_heading_anchors = 3  # as on GitHub, so that a link to a heading works in both places

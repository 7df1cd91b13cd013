"""The parts of a page: its style, its scripts, the shades of surprise, and a policy that allows nothing else.

The attribute data-theme makes a page light or dark; a page without it follows the system. Colours that look alike to
colour-blind readers are not used together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

IMPORT = re.compile(r'^import \{(.*)\} from "\./(?:vendor/)?(\w+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?:const|(?:async )?function\*?|class) (\w+)", re.MULTILINE)
EXPORTS = re.compile(r"export\{([^}]*)\};?\s*\Z")  # of a package from elsewhere
BLANK = re.compile(r"^ *(?:(?://[^\n]*|/\*\*.*?\*/)?\n)?", re.MULTILINE | re.DOTALL)  # left out of exports

MOST_BITS, LEVELS = 8.0, 12  # the strongest shade, and the number of shades; as in shades.js
# surprises, as elements and as highlights; positive and negative values, and gates
SHADED = {".s{}": "high", "::highlight(s{})": "high", ".p{}": "high", ".n{}": "low", ".g{}": "gate"}


def read(package: str, *names: str) -> str:
    """Return the text of a file of `package`."""
    from importlib import resources  # here, because loading a model does not need it

    return resources.files(package).joinpath(*names).read_text(encoding="utf-8")


@cache
def colours() -> str:
    """Return the colours as CSS custom properties."""
    css = read("afterword.web", "colours.css")
    dark = css.partition("[data-theme=dark] ")[2].rstrip()
    return f"{css}@media (prefers-color-scheme: dark) {{\n:root:not([data-theme]) {dark}\n}}\n"


@cache
def style() -> str:
    """Return the style of every page: colours, elements, and shades."""
    shades = [
        f"{name.format(n)} {{ background-color: rgb(var(--{hue}) / calc(var(--strength) * {n / LEVELS:.3f})); }}\n"
        for name, hue in SHADED.items()
        for n in range(1, LEVELS + 1)
    ]
    return "".join([colours(), read("afterword.web", "elements.css"), *shades])


def level(bits: float) -> int:
    """Return the shade of a character that costs `bits`; 0 means unshaded."""
    return min(LEVELS, round(bits / MOST_BITS * LEVELS))


def bundle(names: Sequence[str], own: Mapping[str, str] = {}) -> str:
    """Return scripts as one. Each keeps its own scope, and runs only in a page.

    `names` are in the order of their imports. The scripts are files of this package, unless `own` has them.
    """
    found = []
    for name in names:
        code = imported(own.get(name) or read("afterword.web", *f"{name}.js".split("/")))
        if packed := EXPORTS.search(code):
            exported = [": ".join(reversed(one.split(" as "))) for one in packed[1].split(",")]
            body = f"/*\n{read('afterword.web', *f'{name}.LICENSE.txt'.split('/'))}*/\n{code[: packed.start()]}\n"
        else:
            exported, body = EXPORT.findall(code), not_exported(code)
        closed = f"(() => {{\n{body}return {{ {', '.join(exported)} }};\n}})()"
        found.append(f"const ${name.rpartition('/')[2]} = globalThis.document ? {closed} : {{}};\n")
    return "\n".join(found)


def not_exported(code: str) -> str:
    """Return `code` without its export keywords."""
    return EXPORT.sub(lambda match: match[0].removeprefix("export "), code)


def imported(code: str) -> str:
    """Return `code` with its imports taken from a bundle."""
    return IMPORT.sub(r"const {\1} = $\2;", code)


def policy(**sources: str) -> str:
    """Return a content security policy that allows only `sources`, such as style_src="'self'"."""
    given = {"default_src": "'none'", **sources}
    for name in ("base_uri", "form_action"):  # default-src does not cover these
        given.setdefault(name, "'none'")
    return "; ".join(f"{name.replace('_', '-')} {source}" for name, source in given.items())


def inline(text: str) -> str:
    """Return the source by which a policy allows the inline script or style `text`."""
    import base64
    import hashlib

    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def in_script(values: object) -> str:
    """Return `values` as JSON for a script or another element: no text in it can end the element."""
    import json

    written = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    for one in "<\u2028\u2029":  # in JSON they occur only inside strings, where they can be escaped
        written = written.replace(one, f"\\u{ord(one):04x}")
    return written


def filled(template: str, **parts: str) -> str:
    """Return `template` with each @@NAME@@ replaced by its part. A @@NAME@@ inside a part is not replaced."""
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(re.split("@@([A-Z]+)@@", template)))


def document(body: str, *, title: str, style: str, policy: str, head: str = "") -> str:
    """Return an HTML page. `title` is a text; `head` and `body` are HTML."""
    import html

    template = read("afterword.web", "page.template")  # not .html: the server would serve it
    return filled(template, BODY=body, TITLE=html.escape(title), STYLE=style, POLICY=policy, HEAD=head)

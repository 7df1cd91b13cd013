"""Print the text of a base in all the typographic manners of people's own files.

An edition's quotes, dashes and line breaks say nothing about its content. So a text is first brought into a neutral
form, by rules for the editions of its language, and then printed in a random manner. A model must then take the manner
from the text that it reads.

In the neutral form, quotes are “ ” ‘ ’, an apostrophe is ', a dash is —, an English dash between two words is ⸺ (its
spaces belong to the manner), and a space where no line may break is a no-break space.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NEUTRAL_QUOTES = "“”‘’'"
STRAIGHT = tuple("\"\"'''")
GLUE = "\xa0"
WIDTHS = [None, None, *range(64, 80, 2)]  # of lines, in characters; None: a paragraph is one line
WRAPPED = 0.64  # the fraction of pieces whose prose is wrapped by hand


class Paragraph(NamedTuple):
    """A paragraph of prose, whose lines may be wrapped anew, or a verse, a heading or a list, whose lines may not."""

    lines: list[str]
    prose: bool

    @property
    def size(self) -> int:
        """The number of characters, with a newline for each line and one after the paragraph."""
        return sum(map(len, self.lines)) + len(self.lines) + 1


@dataclass(frozen=True)
class Style:
    """The characters of a manner: a set of quotes, and the dashes and glued spaces that occur with it."""

    weight: float
    quotes: Sequence[str]  # in the order of `NEUTRAL_QUOTES`
    dashes: Sequence[str]
    spaces: Sequence[str] = ()


@dataclass(frozen=True)
class Language:
    """How a language is brought into the neutral form and printed, and the letters that it needs besides ASCII."""

    neutral: Callable[[str], str]
    styles: Sequence[Style]
    letters: str


@dataclass(frozen=True)
class Manner:
    """How a piece of text is printed."""

    characters: dict[int, str]  # from neutral ones
    space: str  # for a glued one
    width: int | None  # of a line, in characters; None: a paragraph is one line
    gap: str  # between paragraphs of unwrapped prose
    indented: bool  # verse keeps its indentation

    @classmethod
    def drawn(cls, language: Language, draw: random.Random, wrapped: float = WRAPPED) -> Manner:
        """Draw a manner. `wrapped` is the probability that its prose is wrapped by hand."""
        [style] = draw.choices(language.styles, [style.weight for style in language.styles])
        width = draw.choice(WIDTHS) if draw.random() < wrapped * len(WIDTHS) / (len(WIDTHS) - 2) else None
        dash = draw.choice(style.dashes)
        alone = "--" if dash == " - " else dash.strip()
        return cls(
            str.maketrans({**dict(zip(NEUTRAL_QUOTES, style.quotes, strict=True)), "⸺": dash, "—": alone}),
            width=width,
            gap="\n" if width is None and draw.random() < 0.3 else "\n\n",
            indented=draw.random() < 0.5,
            space=draw.choice(style.spaces) if style.spaces else " ",
        )


def in_manner(piece: Sequence[Paragraph], language: Language, manner: Manner) -> str:
    """Return the paragraphs of a piece, printed, with an empty line at the end."""
    parts = []
    for paragraph in piece:
        parts.append(printed(paragraph, language, manner))
        parts.append(manner.gap if paragraph.prose else "\n\n")
    return "".join(parts[:-1]) + "\n\n"


def printed(paragraph: Paragraph, language: Language, manner: Manner) -> str:
    if paragraph.prose:
        text = re.sub(r"\s+", " ", " ".join(paragraph.lines))
    else:
        text = "\n".join(line if manner.indented else line.lstrip() for line in paragraph.lines)
    text = language.neutral(text.replace("…", "...")).translate(manner.characters)
    if paragraph.prose and manner.width:
        text = wrapped(text, manner.width)
    return text.replace(GLUE, manner.space)


def wrapped(text: str, width: int) -> str:
    """Return a paragraph as full lines of at most `width` characters."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def directed(text: str) -> str:
    """Turn straight double quotes into opening and closing ones."""
    return re.sub(r"(^|[\s(\[—⸺‘-])\"(?!\s|[,;:!?)\]]|\.(?!\.)|$)", r"\1“", text, flags=re.MULTILINE).replace('"', "”")


def english(text: str) -> str:
    text = re.sub("[“”]", '"', text.replace("‘", "'").replace("’", "'")).replace("--", "—").replace(" – ", " — ")
    text = directed(re.sub(r"(?<=\w) ?— ?(?=\w)", "⸺", text))
    return re.sub(r"(^|[\s(\[—⸺“-])'(?!(?:tis|twas|em|twere|twill|til|gainst|t)\b)", r"\1‘", text).replace("'", "’")


def german(text: str) -> str:
    text = re.sub("--|–", "—", text).replace("’", "'")
    return directed(text.translate(str.maketrans("„“»«‚‘›‹", "“”“”‘’‘’")))


def french(text: str) -> str:
    """Neutralise French quotes and dashes, and let no line break before ; : ! ?"""
    text = re.sub("--|–", "—", text).replace("’", "'")
    text = re.sub(r"(?m)^—(?=\w)", "— ", text)
    text = re.sub(r"(?m)« *|^» *", "“", text)
    text = re.sub(" *»", "”", text)
    return directed(re.sub(" ([;:!?])", rf"{GLUE}\1", text))


def spanish(text: str) -> str:
    """Treat a hyphen as a dash, except between two letters: editions open speech with either."""
    text = re.sub(r"--|–|(?<!\w)-|-(?!\w)", "—", text).replace("’", "'")
    text = re.sub(r" (?=[,;:!?]|\.(?!\.))", "", text)
    return directed(re.sub("« *", "“", re.sub(" *»", "”", text)))


GUILLEMETS = (f"«{GLUE}", f"{GLUE}»", "“", "”")  # as French sets them
NO_BREAK = (" ", GLUE, "\u202f")  # spaces before ; : ! ?

LANGUAGES = {
    "english": Language(
        english,
        [Style(0.35, "“”‘’’", ["—", "—", " — ", "--"]), Style(0.65, STRAIGHT, ["--", "--", "--", "—", " - "])],
        "àâäçèéêëîïñôöûüæœÀÇÉÈÊÖÜÆŒ",
    ),
    "german": Language(
        german,
        [
            Style(0.3, "„“‚‘’", ["–", "–", "—"]),
            Style(0.15, "„“‚‘'", ["–", "–", "-"]),
            Style(0.25, "»«›‹’", ["–", "–", "—"]),
            Style(0.3, STRAIGHT, ["-", "-", "–", "--"]),
        ],
        "äöüßÄÖÜé",
    ),
    "french": Language(
        french,
        [
            Style(0.3, [*GUILLEMETS, "'"], ["—", "—", "–"], NO_BREAK),
            Style(0.3, [*GUILLEMETS, "’"], ["—", "—", "–"], NO_BREAK),
            Style(0.1, "“”‘’’", ["—", "–"], NO_BREAK),
            Style(0.3, STRAIGHT, ["—", "–", "-", "--"], (" ", " ", "")),
        ],
        "àâäçèéêëîïôöùûüÿæœÀÂÄÇÈÉÊËÎÏÔÖÙÛÜŸÆŒ",
    ),
    "spanish": Language(
        spanish,
        [
            Style(0.45, "«»“”'", ["—", "—", "—", "–"]),
            Style(0.2, "“”‘’’", ["—", "—", "–"]),
            Style(0.35, STRAIGHT, ["—", "—", "-", "-", "--"]),
        ],
        "áéíóúüñÁÉÍÓÚÜÑ¿¡ºª",
    ),
}

"""The founding example: "Divya likes to eat. Reena is not fat."

    python -m benchmarks.subjects              writes docs/subjects.txt again

The text is made, so that the subject matters in it and nothing else does: in each line somebody likes to do something;
then somebody, the same one in half of the lines, is or is not something; and then, in half of the lines, so is the same
one again. Who was the subject can be told from the names alone, so a model that guesses the next name has kept it.
"""

from __future__ import annotations

import random
from pathlib import Path

import click

from benchmarks.commands import as_written

TEXT = Path(__file__).parents[1] / "docs" / "subjects.txt"
LAB = (  # as docs/teaching.md trains a network
    "afterword train subjects.txt --steps 3500 --hidden-size 128 --batch-size 16 --dropout 0 "
    "--learning-rate 0.014 --ngram 0 --threads 1 --out subjects"
)
ASKED = ("Divya likes to eat. ", "Divya likes to eat. Reena is not fat. So ")
INSTEAD = ("Arjun", "Kiran", "Meera")  # as long as Divya
NAMES = ("Divya", "Reena", "Arjun", "Kiran", "Meera", "Jaya")
VERBS = ("eat", "sing", "read", "walk", "swim", "cook")
ADJECTIVES = ("fat", "tall", "late", "glad", "wise", "shy")
LINES = 1500
TOLD = "Divya likes to eat. She told me via a call that she "
PLACES = {
    "eat": ("ate", "McDonald's"),
    "run": ("ran", "the park"),
    "see": ("saw", "the zoo"),
    "sing": ("sang", "the church"),
    "swim": ("swam", "the lake"),
    "dance": ("danced", "the club"),
}
MEANS = ("call", "note", "text", "mail", "letter", "friend")


def make_text(seed: int = 0) -> str:
    """The 1,500 lines, always the same; with another seed, others."""
    drawn = random.Random(seed)
    lines = []
    for _ in range(LINES):
        first = drawn.choice(NAMES)
        second = first if drawn.random() < 0.5 else drawn.choice(NAMES)
        line = f"{first} likes to {drawn.choice(VERBS)}."
        line += f" {second} is {drawn.choice(('', 'not '))}{drawn.choice(ADJECTIVES)}."
        if drawn.random() < 0.5:
            line += f" So {second} is {drawn.choice(ADJECTIVES)}."
        lines.append(line)
    return "\n".join(lines) + "\n"


def make_told(seed: int = 0) -> str:
    """1,500 lines in which the first verb says what she did and where, and nothing depends on how she told me."""
    drawn, lines = random.Random(seed), []
    for _ in range(LINES):
        verb = drawn.choice(list(PLACES))
        past, place = PLACES[verb]
        told = f"She told me via a {drawn.choice(MEANS)} that she {past} at {place} last time."
        lines.append(f"{drawn.choice(NAMES)} likes to {verb}. {told}")
    return "\n".join(lines) + "\n"


@click.command(help=as_written(__doc__))
def main() -> None:
    TEXT.write_text(make_text(), encoding="utf-8")


if __name__ == "__main__":
    main()

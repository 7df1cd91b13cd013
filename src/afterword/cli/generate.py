"""`afterword generate MODEL`: writes text, to a terminal, a pipe or a file, as it comes."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from afterword.cli.options import OUTPUT, hold_option, overwrite_option, settings_options, with_option
from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json
from afterword.generation.sampling import Sampling
from afterword.language_model import LanguageModel, load, random_seed, sample
from afterword.settings import check, setting
from afterword.storage import output

Write = Callable[[str], object]


@dataclasses.dataclass(frozen=True)
class Samples:
    """How many samples; sample k = 0, 1, … has the seed (seed + k) mod 2^64."""

    num: int = setting(1, "how many samples to write", minimum=1)
    seed: int | None = setting(None, "writes the same text again (random, and told)", minimum=0, maximum=2**64 - 1)

    def __post_init__(self) -> None:
        check(self)


@click.command(short_help="Write text with a trained model.")
@click.argument("model", metavar="MODEL")
@click.option("--prompt", metavar="TEXT", help="write on after this text")
@settings_options(Sampling, "sampling")
@settings_options(Samples, "samples")
@with_option
@hold_option
@click.option("-o", "--out", type=OUTPUT, help="write to this file")
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object a sample, each on a line")
def generate(
    model: str,
    prompt: str | None,
    sampling: Sampling,
    samples: Samples,
    using: str,
    hold: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Write text with a trained model: MODEL is its folder, or the folder of its run.

    The prompt comes first, then what the model writes. Several samples are set apart by a line of ---; those of a model
    that was trained on lines stand on a line each.

    The filters apply in this order: tokens never seen in training are left out, temperature, top-k, top-p, min-p; then
    one token is drawn.
    """
    loaded = load(model, using).hold(*hold)
    first = random_seed() if samples.seed is None else samples.seed
    loaded.stream_by(sampling, prompt, first)  # a prompt or setting that cannot be is refused before anything is said
    with _opened(out) as write:
        if samples.seed is None:
            print(f"seed {first}", file=sys.stderr, flush=True)
        for k in range(samples.num):
            seed = (first + k) % 2**64
            if as_json:
                record = sample(prompt, loaded.stream_by(sampling, prompt, seed))
                write(strict_json(dataclasses.asdict(record)) + "\n")
            else:
                if k and not loaded.lines:
                    write("---\n")
                _write_text(loaded, sampling, prompt, seed, write)


def _write_text(model: LanguageModel, sampling: Sampling, prompt: str | None, seed: int, write: Write) -> None:
    """The prompt, each piece as it comes, and a line's end where there is none."""
    stream = model.stream_by(sampling, prompt, seed)
    last = prompt or ""
    write(last)
    for piece in stream:
        if piece.text:
            write(piece.text)
            last = piece.text
    if not last.endswith("\n"):
        write("\n")


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[Write]:
    """What writes a text to standard output at once, or to the file `out`."""
    if out is None:
        yield _to_standard_output
        return
    with output(out) as file:

        def write(text: str) -> None:
            file.write(shown(text, file).encode())
            file.flush()  # for whoever reads a pipe

        yield write


def _to_standard_output(text: str) -> None:
    sys.stdout.write(shown(text))
    sys.stdout.flush()

"""`afterword generate MODEL`: writes text, to a terminal, a pipe or a file, as it comes."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from itertools import islice
from pathlib import Path

import click

from afterword.cli.engine import engine_option, tell_engine
from afterword.cli.novelty import kept_text
from afterword.cli.options import OUTPUT, PATH, hold_option, overwrite_option, settings_options, with_option
from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError, WorkError
from afterword.generation.sampling import Sampling
from afterword.generation.stream import Sample, Stream
from afterword.language_model import LanguageModel, load, random_seed, sample
from afterword.progress import waiting
from afterword.settings import check, setting
from afterword.storage import output
from afterword.text.reading import read_text

Write = Callable[[str], object]
IN_VAIN = 10_000  # samples in a row without a new line, after which none is looked for any more
FEW = 8  # samples that are written one after the other, as they come; more are written side by side


@dataclasses.dataclass(frozen=True)
class Samples:
    """How many samples; sample k = 0, 1, … has the seed (seed + k) mod 2^64."""

    num: int = setting(1, "how many samples to write", minimum=1, short="n")
    seed: int | None = setting(None, "writes the same text again (random, and told)", minimum=0, maximum=2**64 - 1)
    unique: bool = setting(False, "write no line twice, going on to further seeds")
    novel: bool = setting(False, "write no line that stands in the text that was learned from, going on likewise")

    def __post_init__(self) -> None:
        check(self)


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.option("-p", "--prompt", metavar="TEXT", help="continue this text; - reads it from standard input")
@click.option("--prompt-file", type=PATH, metavar="FILE", help="continue the text in this file")
@settings_options(Sampling, "sampling")
@settings_options(Samples, "samples")
@with_option
@engine_option
@hold_option
@click.option("-o", "--out", type=OUTPUT, help="write to this file")
@overwrite_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object a sample, each on a line")
@click.pass_context
def generate(
    context: click.Context,
    model: str,
    prompt: str | None,
    prompt_file: str | None,
    sampling: Sampling,
    samples: Samples,
    using: str,
    engine: str,
    hold: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Write text with a trained model: MODEL is its folder, the folder of its run, or english, which ships.

    The prompt comes first, then what the model writes. Of a prompt from a file the newline at its end is left out.
    Several samples are set apart by a line of ---; those of a model that was trained on lines stand on a line each.
    More than 8 are written side by side, many times as fast; Ctrl-C keeps those that are complete.

    With --unique or --novel, for models of lines, only whole lines count: further seeds are taken until there are --num
    of them, or until 10,000 samples in a row have brought no new one. --novel needs the run's folder, which keeps the
    text.

    The filters apply in this order: tokens never seen in training are left out, temperature, top-k, top-p, min-p; then
    one token is drawn.
    """
    prompt = _prompt(prompt, prompt_file)
    loaded = load(model, using, engine).hold(*hold)
    said = tell_engine(loaded)
    first = random_seed() if samples.seed is None else samples.seed
    loaded.stream_by(sampling, prompt, first)  # an invalid prompt or setting is refused before anything is printed
    known = _known(model, loaded, samples)
    in_batches = known is not None or samples.num > FEW
    complete = 0
    with _opened(out) as write, _bar(out) as on_progress, _interrupted_gently(in_batches) as interrupted:
        if samples.seed is None:
            print(f"seed {first}", file=sys.stderr, flush=True)
        if known is None:
            texts = _texts(loaded, sampling, prompt, samples.num, first, as_json, said)
        else:
            endless = loaded.samples_by(sampling, prompt, 2**64, first)
            new = islice(_new(endless, loaded, known, samples.unique), samples.num)
            texts = (_shown(record, as_json, said) for record in new)
        for text in texts:
            if complete and not as_json and not loaded.lines:
                write("---\n")
            for part in text:
                write(part)
            complete += 1
            on_progress(complete / samples.num)
    if interrupted:
        print(f"interrupted: {complete:,} of {samples.num:,} samples are complete", file=sys.stderr)
        context.exit(130)
    if complete < samples.num:
        raise WorkError(f"found {complete:,} of {samples.num:,} lines: the last {IN_VAIN:,} samples brought no new one")


def _known(path: str, model: LanguageModel, samples: Samples) -> frozenset[str] | None:
    """The lines that must not be written; None where any may be, and again and again."""
    if not samples.unique and not samples.novel:
        return None
    if not model.lines:
        raise OptionError("--unique and --novel are for models of lines: this one was not trained with --lines")
    return frozenset(kept_text(path).texts("training") if samples.novel else ())


def _new(samples: Iterator[Sample], model: LanguageModel, known: Set[str], unique: bool) -> Iterator[Sample]:
    """Those that are whole lines and not `known`, until `IN_VAIN` in a row are none such."""
    written: set[str] = set()
    in_vain = 0
    for one in samples:
        line = model.tokenizer.normalise(str(one))
        if one.finish_reason == "stop" and line not in known and line not in written:
            in_vain = 0
            if unique:
                written.add(line)
            yield one
        else:
            in_vain += 1
            if in_vain == IN_VAIN:
                return


def _texts(
    model: LanguageModel,
    sampling: Sampling,
    prompt: str | None,
    num: int,
    seed: int,
    as_json: bool,
    said: Mapping[str, str],
) -> Iterator[Iterable[str]]:
    """Each sample as it is shown, in parts: of a few, each part as soon as it is written."""
    if num <= FEW and not as_json:
        for k in range(num):
            yield _as_it_comes(model.stream_by(sampling, prompt, (seed + k) % 2**64), prompt or "")
        return
    records: Iterator[Sample]
    if num <= FEW:
        records = (sample(prompt, model.stream_by(sampling, prompt, (seed + k) % 2**64)) for k in range(num))
    else:
        records = model.samples_by(sampling, prompt, num, seed)
    for record in records:
        yield _shown(record, as_json, said)


def _prompt(prompt: str | None, file: str | None) -> str | None:
    """The prompt, from a file or from standard input where that is asked for."""
    if file is not None and prompt is not None:
        raise OptionError("--prompt and --prompt-file exclude each other: give one of them")
    if file is None and prompt != "-":
        return prompt
    text, notes = read_text([file or "-"])
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return text.removesuffix("\n")


def _as_it_comes(stream: Stream, prompt: str) -> Iterator[str]:
    """The prompt, each piece as it comes, and a line's end where there is none."""
    last = prompt
    yield last
    for piece in stream:
        if piece.text:
            last = piece.text
            yield last
    if not last.endswith("\n"):
        yield "\n"


def _shown(record: Sample, as_json: bool, said: Mapping[str, str]) -> list[str]:
    """The text, or as JSON all of its record and what is `said` of all records."""
    text = strict_json({**dataclasses.asdict(record), **said}) if as_json else str(record)
    return [text if text.endswith("\n") else text + "\n"]


@contextlib.contextmanager
def _interrupted_gently(gently: bool) -> Iterator[list[bool]]:
    """Ctrl-C ends the block without an error, so that what is complete is kept; what is yielded is then not empty."""
    interrupted: list[bool] = []
    try:
        yield interrupted
    except KeyboardInterrupt:
        if not gently:
            raise
        interrupted.append(True)


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


@contextlib.contextmanager
def _bar(out: Path | None) -> Iterator[Callable[[float], object]]:
    """A bar of how many samples are written, except where they come onto the terminal themselves."""
    if out is None and sys.stdout.isatty():
        yield lambda fraction: None
    else:
        with waiting("writing") as on_progress:
            yield on_progress


def _to_standard_output(text: str) -> None:
    sys.stdout.write(shown(text))
    sys.stdout.flush()

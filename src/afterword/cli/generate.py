"""`afterword generate MODEL`: writes text, to a terminal, a pipe or a file, as it comes."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from afterword.cli.engine import engine_option, tell_engine
from afterword.cli.novelty import novelty_report
from afterword.cli.options import OUTPUT, PATH, hold_option, overwrite_option, settings_options, with_option
from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError, TextError, WorkError
from afterword.generation.choosing import Tally
from afterword.generation.pieces import Sample
from afterword.generation.reading import Reading
from afterword.generation.sampling import Sampling
from afterword.generation.stream import Stream
from afterword.language_model import LanguageModel, load, random_seed
from afterword.progress import waiting
from afterword.settings import check, setting
from afterword.storage import output
from afterword.text.labels import TAB
from afterword.text.reading import read_text

Write = Callable[[str], object]
Accept = Callable[[Sample], bool]
FEW = 8  # samples that are written one after the other, as they come; more are written side by side


@dataclasses.dataclass(frozen=True)
class Samples:
    """How many samples, and which; sample k = 0, 1, … has the seed (seed + k) mod 2^64."""

    num: int = setting(1, "how many samples to write, after each prompt", minimum=1, short="n")
    seed: int | None = setting(None, "writes the same text again (random, and told)", minimum=0, maximum=2**64 - 1)
    best_of: int = setting(1, "write N for each sample, and keep the one whose tokens are the likeliest", minimum=1)
    unique: bool = setting(False, "write no line twice, going on to further seeds")
    novel: bool = setting(False, "write no line that stands in the text that was learned from, going on likewise")

    def __post_init__(self) -> None:
        check(self)


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.option("-p", "--prompt", metavar="TEXT", help="continue this text; - reads it from standard input")
@click.option("--prompt-file", type=PATH, metavar="FILE", help="continue the text in this file")
@click.option("--prompts", type=PATH, metavar="FILE", help="continue each line of this file")
@click.option("--label", metavar="LABEL", help="write lines of this kind, with a model that was trained with --labels")
@settings_options(Samples, "samples")
@settings_options(Sampling, "sampling")
@with_option
@click.option("--adapt", "adapts", is_flag=True, help="let the n-gram learn from the prompt first: names in it return")
@engine_option
@hold_option
@click.option("-o", "--out", type=OUTPUT, help="write to this file")
@overwrite_option
@click.option("--report", "reports", is_flag=True, help="say at the end how much of it was copied, as novelty does")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a sample, each on a line")
@click.pass_context
def generate(
    context: click.Context,
    model: str,
    prompt: str | None,
    prompt_file: str | None,
    prompts: str | None,
    label: str | None,
    samples: Samples,
    sampling: Sampling,
    using: str,
    adapts: bool,
    engine: str,
    hold: tuple[str, ...],
    out: Path | None,
    reports: bool,
    as_json: bool,
) -> None:
    """Write text with a trained model: MODEL is its folder, the folder of its run, or english, which ships.

    The prompt comes first, then what the model writes. Of a prompt from a file the newline at its end is left out.
    Several samples are set apart by a line of ---; those of a model that was trained on lines stand on a line each.
    More than 8 are written side by side, many times as fast; Ctrl-C keeps those that are complete.

    With --unique or --novel, for models of lines, only whole lines count: further seeds are taken until there are --num
    of them, or until 10,000 samples in a row have brought no new one. --novel, --no-copy and --report need the run's
    folder, which keeps the text that was learned from.

    With --label, for models of labelled lines, lines of that kind are written, without the label; without it the model
    draws a label too, and writes it before the line and a tab.

    Rules are about what is written, without the prompt, and are kept at every token; the text ends where nothing more
    can match, at the end of a line, or at --max-tokens. That bends what the model would write by itself: it may be led
    into a corner and have to write something unlikely. --reject does not bend it: it writes freely, throws away what
    breaks the rules, and says how many texts obeyed them.

    What is drawn from is made in this order: tokens never seen in training are left out, --logit-bias is added, rules
    and --min-tokens leave out what they forbid, --repetition-penalty, temperature, top-k, top-p, min-p.
    """
    given = _prompts(prompt, prompt_file, prompts)
    if sampling.log_probabilities is not None and not as_json:
        raise OptionError("--log-probabilities are told in JSON: give --json too")
    loaded = load(model, using, engine).hold(*hold)
    if adapts:
        if len(given) > 1 or given[0] is None:
            raise OptionError("--adapt learns from one prompt: give it with --prompt or --prompt-file")
        loaded = loaded.adapted(given[0])
    said = tell_engine(loaded)
    texts: list[str | Reading | None] = [*given]
    if label is not None:
        texts = [loaded.read(text, label=label) for text in given]
        label = loaded.tokenizer.normalise(label)
        said = {"label": label} | said
    first = random_seed() if samples.seed is None else samples.seed
    loaded.check_by(sampling, texts)  # before anything is printed
    accept = _accept(loaded, samples, label)
    learned = loaded.learned_from() if reports else None
    tally, wanted = Tally(), samples.num * len(texts)
    few = wanted <= FEW and accept is None and samples.best_of == 1 and not sampling.reject
    kept: list[str] = []
    complete = 0
    with _opened(out) as write, _bar(out) as on_progress, _ended_gently(not few) as ended:
        if samples.seed is None:
            print(f"seed {first}", file=sys.stderr, flush=True)
        each: Iterator[Iterable[str]]
        if few:
            seeds = ((first + k) % 2**64 for k in range(wanted))
            prompted = (text for text in texts for _ in range(samples.num))
            streams = map(partial(loaded.stream_by, sampling), prompted, seeds)
            as_they_come = not as_json and learned is None
            each = (
                map(_as_it_comes, streams)
                if as_they_come
                else _whole((one.sample() for one in streams), said, as_json, kept)
            )
        else:
            records = loaded.samples_by(sampling, texts, samples.num, first, samples.best_of, accept, tally)
            each = _whole(records, said, as_json, kept if reports else None)
        for parts in each:
            if complete and not as_json and not loaded.lines:
                write("---\n")
            for part in parts:
                write(part)
            complete += 1
            on_progress(complete / wanted)
    if isinstance(ended.early, KeyboardInterrupt):
        print(f"interrupted: {complete:,} of {wanted:,} samples are complete", file=sys.stderr)
        context.exit(130)
    if ended.early is not None:
        raise ended.early
    if sampling.reject:
        share = tally.obeying / tally.written
        print(f"{tally.obeying:,} of {tally.written:,} texts obeyed the rules ({share:.2%})", file=sys.stderr)
    if learned is not None and any(kept):
        print(novelty_report(learned, "written", kept), file=sys.stderr)


def _accept(model: LanguageModel, samples: Samples, label: str | None) -> Accept | None:
    """Which lines may be written; None where any may be, and again and again. Of one label, without it."""
    if not samples.unique and not samples.novel:
        return None
    if not model.lines:
        raise OptionError("--unique and --novel are for models of lines: this one was not trained with --lines")
    known = set(model.learned_from().texts("training") if samples.novel else ())
    if label is not None:
        known = {line.removeprefix(label + TAB) for line in known if line.startswith(label + TAB)}
    written: set[str] = set()

    def accept(sample: Sample) -> bool:
        line = model.tokenizer.normalise(str(sample))
        if sample.finish_reason != "stop" or line in known or line in written:
            return False
        if samples.unique:
            written.add(line)
        return True

    return accept


def _prompts(prompt: str | None, file: str | None, many: str | None) -> list[str | None]:
    """The prompts, from a file or from standard input where that is asked for."""
    if sum(source is not None for source in (prompt, file, many)) > 1:
        raise OptionError("--prompt, --prompt-file and --prompts exclude each other: give one of them")
    if many is not None:
        prompts = [line for line in _read(many).split("\n") if line]
        if not prompts:
            raise TextError(f"{many} has no line to continue")
        return [*prompts]
    if file is None and prompt != "-":
        return [prompt]
    return [_read(file or "-").removesuffix("\n")]


def _read(file: str) -> str:
    text, notes = read_text([file])
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return text


def _as_it_comes(stream: Stream) -> Iterator[str]:
    """The prompt, each piece as it comes, and a line's end where there is none."""
    last = stream.prompt
    yield last
    for piece in stream:
        if piece.text:
            last = piece.text
            yield last
    if not last.endswith("\n"):
        yield "\n"


def _whole(
    records: Iterable[Sample], said: Mapping[str, str], as_json: bool, kept: list[str] | None
) -> Iterator[list[str]]:
    """Each sample as it is shown, in JSON with what is `said` of all; their texts go to `kept`, if there is one."""
    for record in records:
        if kept is not None:
            kept.append(record.text)
        text = strict_json({**_record(record), **said}) if as_json else str(record)
        yield [text if text.endswith("\n") else text + "\n"]


def _record(sample: Sample) -> dict[str, Any]:
    """What `--json` prints."""
    record = dataclasses.asdict(sample)
    if sample.pieces is None:
        del record["pieces"]
    return record


@dataclasses.dataclass
class _Ended:
    early: BaseException | None = None


@contextlib.contextmanager
def _ended_gently(gently: bool) -> Iterator[_Ended]:
    """Ctrl-C, or work that fails, ends the block without an error, so that what is complete is kept; it is noted."""
    ended = _Ended()
    try:
        yield ended
    except (KeyboardInterrupt, WorkError) as error:
        if not gently:
            raise
        ended.early = error


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

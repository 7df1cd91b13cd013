"""`afterword generate MODEL`: write text as it comes, to a terminal, a pipe or a file."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click
import numpy.random  # noqa: F401 - NumPy would import it at the first draw, and lose a signal that comes meanwhile

from afterword.bars import as_time, waiting
from afterword.cli.input import noted_text
from afterword.cli.novelty import novelty_report
from afterword.cli.options import (
    OUTPUT,
    PATH,
    engine_option,
    hold_option,
    overwrite_option,
    settings_options,
    tell_engine,
    with_option,
)
from afterword.cli.output import note, say, shown, strict_json
from afterword.errors import OptionError, TextError, WorkError
from afterword.generation.prefill import PromptLike
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import PATIENCE, Stream, Tally, random_seed
from afterword.language_model import LanguageModel, load
from afterword.settings import Settings, ignore_progress, setting
from afterword.storage import output
from afterword.text.encoded import PARTS
from afterword.text.lines import TAB

REPORT_EVERY = 10.0  # seconds between lines about rejected texts
TYPICAL, MUCH_MORE = 500, 1.25  # new lines, and how many times the cost of held-out ones is worth a note
FEW = 8  # samples that are written one after the other, as they come; more are written in parallel


@dataclasses.dataclass(frozen=True)
class Samples(Settings):
    """The number of samples and their choice; sample k = 0, 1, … has the seed (seed + k) mod 2^64."""

    num: int = setting(1, "how many samples to write, after each prompt", minimum=1, short="n")
    seed: int | None = setting(
        None, "the same seed writes the same text again (default: random, and printed)", minimum=0, maximum=2**64 - 1
    )
    best_of: int = setting(
        1, "write this many texts for each sample, and keep the one whose tokens are likeliest on average", minimum=1
    )
    unique: bool = setting(False, "write no line twice: use further seeds instead")
    novel: bool = setting(False, "write no line of the training text or the held-out text: use further seeds instead")


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.option("-p", "--prompt", metavar="TEXT", help="continue this text; - reads it from standard input")
@click.option("--prompt-file", type=PATH, metavar="FILE", help="continue the text in this file")
@click.option("--prompts", type=PATH, metavar="FILE", help="continue each line of this file")
@click.option("--label", metavar="LABEL", help="write lines with this label; the model must be trained with --labels")
@settings_options(Samples, "samples")
@settings_options(Sampling, "sampling")
@with_option
@click.option(
    "--adapt", "adapts", is_flag=True, help="let the n-gram model learn from the prompt first, to reuse its names"
)
@engine_option
@hold_option
@click.option("-o", "--out", type=OUTPUT, help="write to this file")
@overwrite_option
@click.option(
    "--report", "reports", is_flag=True, help="report at the end how much of the output was copied, as novelty does"
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object per sample, one per line")
def generate(
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
    """Write text with a trained model: MODEL is its folder, the folder of its run, the name of a base, or
    hf://USER/NAME.

    The output is the prompt, followed by what the model writes. The newline at the end of a prompt file is ignored.
    Lines of --- separate samples; a model of lines writes one sample per line. More than 8 samples are written in
    parallel, which is many times faster. Ctrl-C keeps the complete ones.

    --unique and --novel are for models of lines, and count only whole lines. They try further seeds until there are
    --num lines. They stop when fewer than 1 in 1,000 of the last 10,000 seeds yielded a new line. --novel, --no-copy
    and --report need the run's folder, which contains the training text.

    With --label, a model of labelled lines writes lines with that label, and leaves the label out. Without --label, it
    draws the label too, and writes label, tab and line.

    Rules apply to the new text, without the prompt, and are enforced at every token. The text ends when nothing more
    can match, at the end of a line, or at --max-tokens. Rules distort the model's distribution: they can force an
    unlikely continuation. With --reject, the model writes without the rules, discards texts that break them, reports
    how many obeyed, and stops after 2 minutes without one that does.

    Each token is sampled in this order: remove tokens never seen in training, add --logit-bias, remove what rules and
    --min-tokens forbid, apply --repetition-penalty, temperature, top-k, top-p, min-p and new-word-p, then draw.
    """
    given = _prompts(prompt, prompt_file, prompts)
    if sampling.log_probabilities is not None and not as_json:
        raise OptionError("--log-probabilities are printed as JSON only: give --json too")
    loaded = load(model, using, engine).hold(*hold)
    if adapts:
        if len(given) > 1 or given[0] is None:
            raise OptionError("--adapt learns from one prompt: give it with --prompt or --prompt-file")
        loaded = loaded.adapted(given[0])
    said = tell_engine(loaded)
    texts: list[PromptLike] = [*given]
    if label is not None:
        texts = [loaded.read(text, label=label) for text in given]
        label = loaded.tokenizer.normalise(label)
        said = {"label": label} | said
    writer = loaded.writer(sampling)
    for text in given:  # an invalid one fails before anything is printed
        loaded.tokenizer.encode(text or "")
    accept = _accept(loaded, samples, label)
    learned = loaded.learned_from() if reports else None
    first = random_seed() if samples.seed is None else samples.seed
    wanted, complete = samples.num * len(texts), 0
    tally = Tally()
    if sampling.reject:
        tally.on_text = _progress(tally, wanted)
    kept: list[str] = []
    few = wanted <= FEW and accept is None and samples.best_of == 1 and not sampling.reject
    shows_itself = out is None and sys.stdout.isatty()
    bar = contextlib.nullcontext(ignore_progress) if shows_itself else waiting("writing", "texts")
    early: BaseException | None = None
    with _opened(out) as write, bar as on_progress:
        try:
            if samples.seed is None and writer.draws:
                say(f"seed {first}")
            each: Iterator[Iterable[str]]
            if few:
                every = enumerate(text for text in texts for _ in range(samples.num))
                streams = (writer.stream(text, (first + k) % 2**64) for k, text in every)
                if as_json or reports:
                    each = _whole((stream.sample() for stream in streams), said, as_json, kept)
                else:
                    each = map(_as_it_comes, streams)
            else:
                records = writer.samples(texts, samples.num, first, samples.best_of, None, accept, tally)
                each = _whole(records, said, as_json, kept if reports else None)
            for parts in each:
                if complete and not as_json and not loaded.lines:
                    write("---\n")
                for part in parts:
                    write(part)
                complete += 1
                on_progress(complete / wanted, complete)
        except (KeyboardInterrupt, WorkError) as error:
            if few:
                raise
            early = error  # raised below, after the complete samples are kept
    found = f"wrote {complete:,} of {wanted:,} lines, {tally.written:,} seeds tried"
    if isinstance(early, KeyboardInterrupt):
        say(f"interrupted: {complete:,} of {wanted:,} samples are complete")
        raise click.exceptions.Exit(130)
    if early is not None:
        raise early if accept is None else WorkError(f"{found}: {early}") from None
    if accept is not None:
        say(found)
    if sampling.reject:
        share = tally.obeying / tally.written
        say(f"{tally.obeying:,} of {tally.written:,} texts obeyed the rules ({share:.2%})")
    if learned is not None and any(kept):
        say(novelty_report(learned, "written", kept))


def _progress(tally: Tally, wanted: int) -> Callable[[], None]:
    """Return what prints now and then how many texts obeyed the rules, and how long the rest may take."""
    began = reported = time.monotonic()

    def report() -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported >= REPORT_EVERY:
            reported = now
            left = (now - began) * (wanted / tally.obeying - 1) if tally.obeying else None
            rest = f"about {as_time(left)} left" if left else f"stops after {as_time(PATIENCE)} without one"
            say(f"{tally.obeying:,} of {tally.written:,} texts obeyed the rules, {rest}")

    return report


def _accept(model: LanguageModel, samples: Samples, label: str | None) -> Callable[[Sample], bool] | None:
    """Return which lines of `label` may be written; None if any may be, again and again."""
    if not samples.unique and not samples.novel:
        return None
    if not model.lines:
        raise OptionError("--unique and --novel are for models of lines: this one was not trained with --lines")
    known = {line for part in PARTS for line in model.learned_from().texts(part)} if samples.novel else set()
    if label is not None:
        known = {line.removeprefix(label + TAB) for line in known if line.startswith(label + TAB)}
    known.add("")  # training leaves out empty lines, so `known` has none
    check_cost = _cost_check((model.about["validation"] or {}).get("bits_per_character"))

    def accept(sample: Sample) -> bool:
        line = model.tokenizer.normalise(str(sample))
        if sample.finish_reason != "stop" or line in known:
            return False
        if samples.unique:
            known.add(line)
        check_cost(sample)
        return True

    return accept


def _cost_check(usual: float | None) -> Callable[[Sample], None]:
    """Return what takes each new line, and prints a note once such lines cost much more than the `usual` bits."""
    bits = characters = lines = 0.0

    def check_cost(sample: Sample) -> None:
        nonlocal bits, characters, lines, usual
        bits -= sample.log_probability / math.log(2)
        characters += len(sample.text) + 1
        lines += 1
        if usual is None or lines < TYPICAL:
            return
        if bits > MUCH_MORE * usual * characters:
            note(
                f"the last {TYPICAL:,} lines cost {bits / characters:.2f} bits per character, held-out ones "
                f"{usual:.2f}: the model is running out of likely new lines"
            )
            usual = None  # once is enough
        bits = characters = lines = 0.0

    return check_cost


def _prompts(prompt: str | None, file: str | None, many: str | None) -> list[str | None]:
    """Return the prompts, read from a file or from standard input if asked for."""
    if sum(source is not None for source in (prompt, file, many)) > 1:
        raise OptionError("--prompt, --prompt-file and --prompts exclude each other: give one of them")
    if many is not None:
        prompts = [line for line in noted_text(many).split("\n") if line]
        if not prompts:
            raise TextError(f"{many} has no line to continue")
        return [*prompts]
    if file is None and prompt != "-":
        return [prompt]
    return [noted_text(file or "-").removesuffix("\n")]


def _as_it_comes(stream: Stream) -> Iterator[str]:
    """Yield the prompt, each piece as it comes, and a newline unless the text ends with one."""
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
    """Yield each sample as it is shown; in JSON, with what is `said` of all. Append its text to `kept`."""
    for sample in records:
        if kept is not None:
            kept.append(sample.text)
        text = str(sample)
        if as_json:
            record = dataclasses.asdict(sample)
            if sample.pieces is None:
                del record["pieces"]
            text = strict_json({**record, **said})
        yield [text if text.endswith("\n") else text + "\n"]


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that writes text at once, to standard output or to the file `out`."""
    with contextlib.nullcontext(sys.stdout.buffer) if out is None else output(out) as file:

        def write(text: str) -> None:
            file.write(shown(text, file).encode("utf-8", "backslashreplace"))
            file.flush()  # for whoever reads a pipe

        yield write

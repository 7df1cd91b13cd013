"""Printing the summary of a run, and its progress on standard error, for `train`, `plan` and `demo`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from afterword import bars
from afterword.bars import as_time, figures, is_seen, training_bar
from afterword.cli.output import note, say
from afterword.language_model import LanguageModel
from afterword.learning.ranks import rank
from afterword.planning.expectation import Expectation
from afterword.runs.begin import Preview
from afterword.runs.record import Progress, bits
from afterword.runs.run import Run
from afterword.text.documents import counted
from afterword.text.encoded import EncodedCorpus

LINE_EVERY = 10.0  # seconds between plain lines
SAMPLE_EVERY = 15.0  # seconds between lines that the model writes
SAMPLE = 120  # characters of them


def show(run: Run, should_stop: Callable[[], bool]) -> None:
    """Train `run` to its end, or until `should_stop`; print its progress, and now and then a line that it writes."""
    from afterword.runs.loop import train  # with PyTorch, which takes a second

    improved, written = False, time.monotonic()
    with training_bar() if is_seen() else _lines() as report:
        for progress in train(run, should_stop):
            note(*progress.notes)
            report(progress)
            improved |= progress.improved
            writes = bars.form == "auto" and run.model and run.encoded.is_text
            if run.model and writes and improved and rank() == 0 and time.monotonic() - written >= SAMPLE_EVERY:
                improved, written = False, time.monotonic()
                model = LanguageModel(run.model)
                length = model.writing_defaults.tokens(SAMPLE)
                text = model.generate(max_tokens=length, seed=progress.step).text
                if line := text.strip().partition("\n")[0]:
                    say(f"    it writes: {line}")


@contextlib.contextmanager
def _lines() -> Iterator[Callable[[Progress], None]]:
    """Yield a function that prints a plain line for a report now and then."""
    reported = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal reported
        due = time.monotonic() - reported >= LINE_EVERY or progress.step == progress.steps
        if due and bars.form == "auto":
            reported = time.monotonic()
            where = f"step {progress.step:,} of {progress.steps:,}"
            speed = f"{progress.characters_per_second:,.0f} {progress.unit}s/s"
            say(f"{where}, {as_time(progress.seconds_left)} left: {figures(progress)}, {speed}")

    yield report


def summary(run: Run | Preview) -> str:
    """Return what the run will do, in two lines."""
    encoded, recipe = run.encoded, run.recipe
    config = recipe.config(encoded.tokenizer)
    network = f"{config.network}, {config.parameters:,} parameters"
    end = run.record.stages[-1] if isinstance(run, Run) and run.record.stages else recipe
    way = f"{round(end.minutes, 3):g} min" if end.minutes is not None else counted(end.steps, "step")
    if run.base_name is not None:
        network = f"from {run.base_name}: {network}"
    place = "on a GPU" if recipe.device == "cuda" else f"{recipe.threads} threads"
    return (
        f"{encoded.kind}: {encoded.training_characters:,} {encoded.unit}s to train on{_contents(encoded)}, "
        f"{encoded.validation_characters:,} held out\n"
        f"plan: {recipe.recipe}: {network}; {way}, "
        f"{recipe.batch_size} × {recipe.seq_length} tokens per step, {recipe.precision}, {place}"
    )


def _contents(encoded: EncodedCorpus) -> str:
    """Return what the training part consists of."""
    if series := encoded.about.get("series"):
        return f" in {encoded.documents:,} series ({series['frequency']}, season {series['season']:,})"
    tokenizer = encoded.tokenizer
    documents = f" in {encoded.documents:,} lines" if encoded.lines else ""
    if encoded.labels:
        documents += f" with {counted(len(encoded.labels), 'label')}"
    kinds = f"{len(tokenizer.characters)} different characters" if tokenizer.characters else "as bytes"
    if tokenizer.several:
        kinds += f", read as {len(encoded.training):,} {tokenizer.several}"
    return f"{documents} ({kinds})"


def in_bits(expected: Expectation) -> str:
    """Return the range of an expectation."""
    return f"{bits(expected.low):.2f}–{bits(expected.high):.2f} bits per character"

"""Write text with a trained model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY
from typing import Annotated, ClassVar

import numpy.random  # noqa: F401 - NumPy would import it at the first draw, and lose a signal that comes meanwhile
from msgspec import UNSET, UnsetType

from afterword.errors import OptionError, TextError, WorkError
from afterword.generation.prefill import PromptLike
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Piece, Sample
from afterword.generation.writer import Writer, random_seed
from afterword.language_model import LanguageModel, ModelLike
from afterword.operations.operation import Record, Request, Source, TextPart, argument, operation
from afterword.operations.options import Engine, Holding, Predicting
from afterword.operations.work import Work
from afterword.settings import LAST_SEED, setting, settings_class, settings_from
from afterword.text.encoded import SPLITS
from afterword.text.lines import TAB
from afterword.text.unwrap import unwrapped
from afterword.wording import printable

FEW = 8  # samples that are written one by one; more are written in parallel


@settings_class()
class Generate(Sampling, Predicting, Engine, Holding, Request):
    """Write text with a trained model: MODEL is its folder, the folder of its run, the name of a base, or
    hf://USER/NAME.

    The output is the prompt, followed by what the model writes. The newline at the end of a prompt file is ignored.
    Lines of --- separate samples; a model of lines writes one sample per line. More than 8 samples are written in
    parallel, which is many times faster. Ctrl-C keeps the complete ones. Sample k = 0, 1, … has the seed
    (seed + k) mod 2^64.

    `unique` and `novel` are for models of lines, and count only whole lines. They try further seeds until there are
    `num` lines. They stop when fewer than 1 in 1,000 of the last 10,000 seeds yielded a new line. `novel` and `no_copy`
    need the run's folder, which contains the training text.

    With `label`, a model of labelled lines writes lines with that label, and leaves the label out. Without it, the
    model draws one of its labels too, and writes label, tab and line.

    Rules apply to the new text, not to the prompt, and are enforced at every token. The text ends when nothing more
    can match, at the end of a line, or at `max_tokens`. Without `max_tokens` or `pattern`, running text ends with a
    sentence. Rules distort the model's distribution: they can force an unlikely continuation.

    Each token is sampled in this order: remove tokens never seen in training, add `logit_bias`, remove what rules
    forbid, apply `repetition_penalty`, the temperature, filters such as `top_k`, and `new_word_p`, then draw.
    """

    example = 'generate book --prompt "It was " --temperature 0.8 --num 3'
    first = ("prompt", "num", "seed", "max_tokens", "temperature", "label", "starts_with", "no_copy")

    model: Annotated[ModelLike, argument("the model that writes")]
    _: KW_ONLY
    prompt: str | None = setting(
        "continue this text; - reads it from standard input",
        default=None,
        metavar="TEXT",
        short="p",
        excludes=("prompt_file", "prompts"),
    )
    prompt_file: Source | None = setting("continue the text in this file", default=None, excludes=("prompts",))
    prompts: Source | None = setting("continue each line of this file", default=None)
    label: str | None = setting(
        "write lines with this label; the model must be trained with --labels", default=None, metavar="LABEL"
    )
    num: int = setting("how many samples to write, after each prompt", default=1, minimum=1, short="n")
    seed: int | None = setting(
        "the same seed writes the same text again (default: random, and printed)",
        default=None,
        minimum=0,
        maximum=LAST_SEED,
    )
    best_of: int = setting(
        "write this many texts for each sample, and keep the one whose tokens are likeliest on average",
        default=1,
        minimum=1,
    )
    unique: bool = setting("write no line twice: use further seeds instead", default=False)
    novel: bool = setting("write no line of the training or held-out text: use further seeds instead", default=False)


class Written(Record, kw_only=True):
    """A text that a model wrote; see `generation.texts.Sample`."""

    to_file: ClassVar = True

    prompt: str
    text: str
    tokens: int
    log_probability: float
    finish_reason: str
    seed: int
    pieces: tuple[Piece, ...] | UnsetType = UNSET
    label: str | UnsetType = UNSET
    engine: str | UnsetType = UNSET

    def __str__(self) -> str:
        return self.prompt + self.text


class WrittenLine(Written, kw_only=True):
    """A line that a model of lines wrote."""


def pieces_shown(records: Iterator[TextPart | Written], request: Generate, work: Work) -> Iterator[Record]:
    """Print each sample, whole or piece by piece: first its prompt, last the whole text, which is then not printed.

    Lines of --- separate samples that are not lines.
    """
    if request.log_probabilities is not None:
        raise OptionError("`log_probabilities` are printed as JSON only: give --json too")
    begun, separate, last = False, False, ""
    for one in records:
        yield one
        is_whole = isinstance(one, Written)
        if not begun and separate:
            print("---")
        if not (is_whole and begun):
            print(printable(str(one)), end="", flush=True)
            last = str(one) or last
        if is_whole and not last.endswith("\n"):
            print(flush=True)
        if begun := not is_whole:
            continue
        separate, last = not isinstance(one, WrittenLine), ""


@operation(Generate, show=pieces_shown)
def generate(request: Generate, work: Work) -> Iterator[Written | TextPart]:
    prompts = _prompts(request, work)
    model = work.model(request.model, request.using, request.engine, request.hold)
    if model.unwraps and request.prompt_file is not None:
        prompts = [unwrapped(text) for text in prompts if text is not None]
    facts, label, starts = work.engine_of(model), request.label, list[PromptLike](prompts)
    if label is not None:
        starts = [model.read(text, label=label) for text in prompts]
        label = model.tokenizer.normalise(label)
        facts = {"label": label} | facts
    writer = model.writer(settings_from(Sampling, vars(request)))
    for text in prompts:  # an invalid one fails before anything is printed
        model.tokenizer.encode(text or "")
    accept = _Accept(request, model, label) if request.unique or request.novel else None
    first = random_seed() if request.seed is None else request.seed
    if request.seed is None and writer.draws:
        work.say(f"seed {first}")
    wanted, complete = request.num * len(starts), 0
    few = wanted <= FEW and accept is None and request.best_of == 1
    samples: Iterator[str | Sample]
    if few:
        samples = _one_by_one(writer, [text for text in starts for _ in range(request.num)], first, work.streams)
    else:
        samples = writer.samples(starts, request.num, first, request.best_of, None, accept)
    kind = WrittenLine if model.lines else Written
    try:
        with work.progress("writing", "texts", streams=True) as on_progress:
            for one in samples:
                if isinstance(one, str):
                    yield TextPart(text=one)
                    continue
                if one.finish_reason == "rules":
                    work.note(f"the text of seed {one.seed} ended where every continuation is a copy: raise `no_copy`")
                yield kind.of(one, **({"pieces": UNSET} if one.pieces is None else {}), **facts)
                complete += 1
                on_progress(complete / wanted, complete)
    except KeyboardInterrupt:
        if few:
            raise
        raise KeyboardInterrupt(f"interrupted: {complete:,} of {wanted:,} samples are complete") from None
    except WorkError as error:
        if accept is None:
            raise
        raise WorkError(f"{_lines_found(complete, wanted, accept)}: {error.message}") from None
    if accept is not None:
        work.say(_lines_found(complete, wanted, accept))


def _prompts(request: Generate, work: Work) -> list[str | None]:
    """Return the prompts. Read them from a file or from standard input if the request says so."""
    if request.prompts is not None:
        prompts = [line for line in work.text(str(request.prompts)).split("\n") if line]
        if not prompts:
            raise TextError(f"{request.prompts} has no line to continue")
        return [*prompts]
    if request.prompt_file is None and request.prompt != "-":
        return [request.prompt]
    return [work.text(str(request.prompt_file or "-")).removesuffix("\n")]


def _one_by_one(writer: Writer, starts: Sequence[PromptLike], first: int, streams: bool) -> Iterator[str | Sample]:
    """Yield a sample after each of `starts`; with `streams`, yield its prompt and pieces first, as they are written."""
    for k, start in enumerate(starts):
        seed = (first + k) % 2**64
        if not streams:
            yield writer.sample(start, seed)
            continue
        stream = writer.stream(start, seed)
        yield stream.prompt
        yield from (piece.text for piece in stream)
        yield stream.sample()


def _lines_found(complete: int, wanted: int, accept: _Accept) -> str:
    return f"wrote {complete:,} of {wanted:,} lines, {accept.tried:,} seeds tried"


class _Accept:
    """The check that each line with `label` must pass. Raises OptionError for a model of running text."""

    def __init__(self, request: Generate, model: LanguageModel, label: str | None) -> None:
        if not model.lines:
            raise OptionError("`unique` and `novel` are for models of lines: this one was not trained with `lines`")
        known = {line for part in SPLITS for line in model.learned_from().texts(part)} if request.novel else set()
        if label is not None:
            known = {line.removeprefix(label + TAB) for line in known if line.startswith(label + TAB)}
        self._known = {*known, ""}  # training leaves out empty lines
        self._is_unique, self._normalise = request.unique, model.tokenizer.normalise
        self.tried = 0

    def __call__(self, sample: Sample) -> bool:
        self.tried += 1
        line = self._normalise(str(sample))
        if sample.finish_reason != "stop" or line in self._known:
            return False
        if self._is_unique:
            self._known.add(line)
        return True

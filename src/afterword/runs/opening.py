"""Beginning a run, going on with one, repeating one: what is read, refused, compared and locked before its first step.

Imports torch only when it must measure.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afterword import __version__
from afterword.errors import AfterwordError, ModelError, OptionError, RunError
from afterword.learning.device import check_device, described, memory_reported, precision_on, why_no_gpu
from afterword.learning.ranks import Team, rank, ranks
from afterword.learning.recipe import Device, Recipe
from afterword.planning.settings import TrainingSettings
from afterword.runs.folder import RunFolder, can_be_written
from afterword.runs.meeting import announce, announced
from afterword.runs.more import NO_MORE, More, extend
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.sources import Source

if TYPE_CHECKING:
    from afterword.planning.plan import Plan

MAY_CHANGE = ("device", "threads", "checkpoint_every")  # settings that a resumed run may have otherwise
DEFAULT_VALIDATION = "0.1"  # the share of the text that `auto` holds out


def begin(
    sources: Sequence[Source],
    out: Path,
    text: TextSettings,
    training: TrainingSettings,
    *,
    overwrite: bool = False,
) -> Run:
    """Read the text, plan, and make the run folder `out`.

    Raises an InputError, and leaves all as it was, where the text, the numbers or the folder will not do. A run that
    is overwritten goes when the new one is ready to begin; so does one of the same settings that was killed before
    its first checkpoint.
    """
    opened = time.monotonic()
    _check_torch()
    check_device(training.device)
    folder = RunFolder(out)
    texts = [str(os.fspath(source)) for source in sources]
    asked = {"texts": texts, **dataclasses.asdict(text), **dataclasses.asdict(training)}
    text = _settled(text, training)
    _check_place(folder, overwrite, asked)
    _check_sources(sources, folder)
    with read_corpus(sources, text, seed=training.seed) as corpus:
        _check_fit(corpus.training_characters, training, text)
        tokenizer = learn_tokenizer(corpus, text.vocabulary, text.lowercase)
        with _held(folder):
            _check_place(folder, overwrite, asked)  # it may have become a run while a pipe was read
            new = folder.begin_new()
            encoded = encode(corpus, tokenizer, new.corpus)
            planned = _planned(encoded, training)
            recipe = planned.recipe
            record = {
                "format": 1,
                "asked": asked,
                "plan": recipe.record(),
                "expected": planned.expected,
                "corrections": [],
                "setbacks": [],
                "text": {"sources": corpus.sources, **dataclasses.asdict(text)},
                "fingerprint": encoded.fingerprint,
                "versions": versions(),
                "surroundings": [[0, surroundings(recipe.threads, recipe.device)]],
            }
            new.write_record(record)
            folder.take(new)
        run = Run(folder, record, EncodedCorpus.open(folder.corpus), [*corpus.notes, *planned.notes])
        run.opened, run.ngram = opened, planned.ngram
        return run


def _planned(encoded: EncodedCorpus, training: TrainingSettings) -> Plan:
    from afterword.planning.plan import plan

    with memory_reported():
        planned = plan(encoded, training)
    _check_ranks(planned.recipe)
    return planned


@dataclasses.dataclass(frozen=True)
class Preview:
    """What `begin` would do."""

    plan: Plan
    encoded: EncodedCorpus
    notes: list[str]
    """What a user should know beforehand, of the text and of the plan."""
    planning_seconds: float
    """How long measuring and planning took, reading and encoding the text apart."""

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe


def preview(sources: Sequence[Source], text: TextSettings, training: TrainingSettings) -> Preview:
    """Read the text and plan, as `begin` does, and make nothing of it. Raises an InputError as `begin` does."""
    _check_torch()
    check_device(training.device)
    text = _settled(text, training)
    with read_corpus(sources, text, seed=training.seed) as corpus, tempfile.TemporaryDirectory() as place:
        _check_fit(corpus.training_characters, training, text)
        tokenizer = learn_tokenizer(corpus, text.vocabulary, text.lowercase)
        encoded = encode(corpus, tokenizer, Path(place))
        began = time.monotonic()
        planned = _planned(encoded, training)
        return Preview(planned, encoded, [*corpus.notes, *planned.notes], time.monotonic() - began)


def resume(
    path: Path,
    asked: Mapping[str, Any] | None = None,
    sources: Sequence[Source] = (),
    *,
    exact: bool = False,
    more: More = NO_MORE,
) -> Run:
    """Take up the run in the folder `path` where its newest checkpoint stands.

    `asked` are settings by name, and `sources` a text, that must be the run's own; `MAY_CHANGE` lists the settings
    that may be others. Where this machine, its device, its libraries or the threads are not those that the run had so
    far, it goes on with a note, since its bits may then differ from those of a run that was not interrupted; not if
    `exact`. `more` moves its end; see `runs.more`. Raises RunError where there is no run, where it is damaged, and
    where another process trains it; OptionError for a setting that contradicts it, and for a GPU that is not there.
    """
    _check_torch()
    folder = RunFolder(path)
    folder.read_record()
    check_device((asked or {}).get("device", "auto"))
    with _held(folder):
        folder.tidy()
        run = _open(folder)
        with _damage_told(folder):
            if run.record["fingerprint"] != run.encoded.measured_fingerprint():
                raise RunError(f"the text in {folder.corpus} is not the one that this run began with")
            _take_settings(run, asked or {})
            _check_gpu(run)
            if sources:
                _check_text(run, sources)
            _check_ranks(run.recipe)
            run.load_checkpoint()
            _compare_surroundings(run, exact)
            if more.given:
                extend(run, more)
            elif run.ended is not None:
                run.notes.append("this run has come to its end: --more-minutes 5 would train it for longer")
        return run


def repeat(
    path: Path, out: Path, asked: Mapping[str, Any] | None = None, *, overwrite: bool = False, exact: bool = False
) -> Run:
    """Begin in `out` the run in the folder `path` once more: its plan, its text, and all that was decided on its way.

    Nothing is measured, and the text is the run's own encoded one. The corrections and setbacks stand in the new
    record from the start, so that the steps and their rates are the same, and with them the bits. A run that was
    stopped midway is repeated so far, and then goes on to its planned end. `asked` and `exact` are as for `resume`.
    Raises RunError where there is no run, where it is damaged, and where `out` will not do; OptionError for a setting
    that contradicts it.
    """
    _check_torch()
    folder = RunFolder(out)
    original = _open(RunFolder(path))
    if os.path.realpath(path) == os.path.realpath(out):
        raise RunError(f"{out} is the run that is to be repeated: give --out another folder")
    _check_sources([path], folder)
    with _damage_told(original.folder):
        _take_settings(original, asked or {})
        now = surroundings(original.recipe.threads, original.recipe.device)
        _check_decisions(original)
        changes = dict.fromkeys(change for _, had in original.record["surroundings"] for change in _changes(had, now))
        record = {**original.record, "versions": versions(), "surroundings": [[0, now]]}
        begun, fingerprint = record["asked"], record["fingerprint"]
    notes = []
    if changes:
        told = ", ".join(changes)
        if exact:
            raise RunError(f"{told}: the run cannot be repeated exactly; leave --exact out to repeat it all the same")
        notes.append(f"{told}: the run is repeated, but perhaps not bit for bit")
    _check_ranks(original.recipe)
    _check_place(folder, overwrite, begun)
    with _held(folder):
        _check_place(folder, overwrite, begun)
        new = folder.begin_new()
        with _damage_told(original.folder):
            encoded = original.encoded.copy(new.corpus)
        if encoded.measured_fingerprint() != fingerprint:
            raise RunError(f"the text in {original.folder.corpus} is not the one that this run began with")
        new.write_record(record)
        folder.take(new)
        return Run(folder, record, EncodedCorpus.open(folder.corpus), notes)


def together(make: Callable[[], Run], path: Path) -> Run:
    """The run that `make` begins, resumes or repeats in `path`; of torchrun's ranks the first makes it for all.

    Where it fails, the first rank raises, and the others leave with the same exit status.
    """
    if ranks() == 1:
        return make()
    team = Team(rank(), ranks())
    team.meet()
    if team.first:
        try:
            run = make()
        except BaseException as error:
            announce(team, error.exit_status if isinstance(error, AfterwordError) else 1)
            raise
        announce(team, 0)
    else:
        status = announced(team)
        if status:
            raise SystemExit(status)
        run = _open(RunFolder(path))
        _check_gpu(run)
    team.start(run.recipe.device)
    run.team = team
    run.share_checkpoint()
    return run


def _open(folder: RunFolder) -> Run:
    """The run in `folder` as its record tells it, without a state. Raises RunError."""
    record = folder.read_record()
    encoded = EncodedCorpus.open(folder.corpus)
    with _damage_told(folder):
        return Run(folder, record, encoded, [])


@contextlib.contextmanager
def _damage_told(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, ModelError) as error:
        raise RunError(f"the run in {folder.path} is damaged: {type(error).__name__}: {error}") from None


def _take_settings(run: Run, asked: Mapping[str, Any]) -> None:
    """Let `run` have those settings that may change; raise OptionError for the first that contradicts the run."""
    plan, begun = run.record["plan"], run.record["asked"]
    settled = {**run.record["text"], **plan}
    for name, value in asked.items():
        has = begun[name] if begun.get(name) is not None else settled.get(name)
        if name == "device":
            _take_device(run, value)
        elif name in MAY_CHANGE:
            plan[name] = value
        elif value != has:
            raise OptionError(
                f"{name.replace('_', '-')} is {'not set' if has is None else has} in the run {run.folder.path}, "
                f"not {value}: leave it out, or begin another run with another --out"
            )
    run.recipe = Recipe(**plan)


def _take_device(run: Run, device: Any) -> None:
    """Let `run` go on on `device`, in a precision that is used there; "auto" leaves it where it was."""
    plan = run.record["plan"]
    if device in ("auto", plan.get("device", "cpu")):
        return
    before = plan["precision"]
    plan |= {"device": device, "precision": precision_on(device, before, plan["hidden_size"])}
    if plan["precision"] != before:
        run.notes.append(f"{before} is not for the other device: the run goes on in {plan['precision']}")


def _check_gpu(run: Run) -> None:
    """Raise OptionError where `run` learns on a GPU and there is none."""
    why = why_no_gpu() if run.recipe.device == "cuda" else None
    if why:
        raise OptionError(
            f"the run {run.folder.path} learns on a GPU, and {why}: --device cpu goes on on the processor"
        )


def _check_text(run: Run, sources: Sequence[Source]) -> None:
    """Raise RunError unless `sources` hold the text that `run` learns from."""
    of_run = run.record["text"]
    settings = {field.name: of_run[field.name] for field in dataclasses.fields(TextSettings) if field.name in of_run}
    text = TextSettings(**settings)  # a run from before there was a setting has its default
    name, place = ", ".join(os.fspath(source) for source in sources), run.folder.path
    with read_corpus(sources, text, seed=run.recipe.seed) as corpus:
        found = corpus.training_characters + corpus.validation_characters
        had = run.encoded.training_characters + run.encoded.validation_characters
        if found != had:
            raise RunError(f"{name} has {found:,} characters, and the text of the run {place} has {had:,}")
        new = run.folder.begin_new()
        encoded = encode(corpus, run.encoded.tokenizer, new.corpus)
        run.folder.tidy()
        if encoded.fingerprint != run.record["fingerprint"]:
            raise RunError(f"{name} is as long as the text of the run {place}, but not the same")


def _compare_surroundings(run: Run, exact: bool) -> None:
    """Note what may make the run's bits differ from here on, and record it; raise RunError for it where `exact`."""
    history = run.record["surroundings"]
    before, now = history[-1][1], surroundings(run.recipe.threads, run.recipe.device)
    told = ", ".join(_changes(before, now))
    if not told:
        return
    if exact:
        raise RunError(f"{told}: the run cannot go on exactly; leave --exact out to go on all the same")
    run.notes.append(f"{told}: the run goes on, but perhaps not bit for bit as it would have")
    history.append([run.saved[1]["step"] if run.saved else 0, now])
    run.write_record()


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is otherwise `now`, a phrase each."""
    before = {"device": "cpu", **before}  # runs from before there was a choice say nothing of it
    return [f"{name} was {before[name]} and is {now[name]}" for name in now if now[name] != before[name]]


def _check_decisions(run: Run) -> None:
    """Raise ValueError unless the record says at which whole steps the run was corrected and went back."""
    if not all(type(step) is int for step in [*run.setbacks, *(n for pair in run.corrections for n in pair)]):
        raise ValueError("its corrections or setbacks are no whole numbers")


@contextlib.contextmanager
def _held(folder: RunFolder) -> Iterator[None]:
    """Make and lock `folder`; where the block fails, let it go and take away what was made."""
    made = [place for place in folder.path.parents if not place.exists()]
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder.path}: {error.strerror}") from None
    folder.lock()  # from here on nobody else trains in it
    try:
        yield
    except BaseException:
        folder.give_up()
        folder.unlock()
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()
        raise


def _check_torch() -> None:
    """Training needs torch, whose threads shall spin for some microseconds at a barrier, and then sleep.

    By default GNU's OpenMP spins for so long that a single other busy process makes training ten times slower, since
    each of the thousands of barriers in a step then waits for a thread that has no processor. See docs/decisions.md.
    """
    if sys.platform == "win32":
        raise RunError("training works on Linux and macOS: on Windows, install Afterword in WSL (wsl --install)")
    if importlib.util.find_spec("torch") is None:
        raise RunError("training needs PyTorch, which is not installed: pip install 'afterword[train]'")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS then sums in the same order every time


def _check_place(folder: RunFolder, overwrite: bool, asked: dict[str, Any]) -> None:
    """Refuse a place where no run of the settings `asked` can begin."""
    out = folder.path
    try:
        if folder.is_run and not overwrite and not _learned_nothing(folder, asked):
            raise RunError(
                f"{out} holds a run: go on with it by --resume {shlex.quote(str(out))}, or replace it by --overwrite"
            )
        if out.exists() and not out.is_dir():
            raise RunError(f"{out} is a file: give --out a folder")
        if not can_be_written(out):
            raise RunError(f"cannot write in {out}: choose another --out")
        if not folder.is_run and not folder.is_free:
            raise RunError(f"{out} holds other files, and no run: give --out a new folder")
        if strangers := folder.strangers:
            more = f" and {len(strangers) - 3:,} more" if len(strangers) > 3 else ""
            raise RunError(
                f"{out} also holds files that are no part of a run, {', '.join(strangers[:3])}{more}: "
                "move them away, or give --out a new folder"
            )
    except OSError as error:
        raise RunError(f"cannot use {out} for a run: {error.strerror}") from None


def _learned_nothing(folder: RunFolder, asked: dict[str, Any]) -> bool:
    """Whether the run in `folder` has these settings and was killed before its first checkpoint."""
    return not folder.checkpoints and folder.read_record().get("asked") == asked


def _check_ranks(recipe: Recipe) -> None:
    if recipe.batch_size < ranks():
        raise OptionError(
            f"{ranks()} ranks and a batch-size of {recipe.batch_size}: every rank needs a lane of its own; "
            "start fewer, or give a larger --batch-size"
        )


def _check_sources(sources: Sequence[Source], folder: RunFolder) -> None:
    """Refuse a text, or a run to be repeated, that is part of the run whose place is to be taken."""
    out = Path(os.path.realpath(folder.path))
    for source in sources:
        place = Path(os.path.realpath(source))
        if os.fspath(source) != "-" and out in (place, *place.parents):
            raise RunError(f"{os.fspath(source)} lies in {folder.path}: give --out another folder")


def _check_fit(training_characters: int, training: TrainingSettings, text: TextSettings) -> None:
    """Refuse, before anything is written, a batch that is larger than the text."""
    if text.lines:
        return
    window = training.seq_length or 50
    if training.recipe == "classic" and training_characters <= window:
        raise OptionError(
            f"the classic recipe reads windows of {window} characters, and the text has fewer: give a longer one"
        )
    for name in ("seq_length", "batch_size"):
        value = getattr(training, name)
        if value is not None and value >= training_characters:
            option = name.replace("_", "-")
            raise OptionError(f"{option} {value} is too large for {training_characters} characters of training text")


def _settled(text: TextSettings, training: TrainingSettings) -> TextSettings:
    """What the recipe makes of the text's settings: `classic` reads lower case, and all of it unless told otherwise."""
    if training.recipe == "auto":
        if text.vocabulary == "classic":
            raise OptionError("vocabulary classic belongs to the classic recipe: give --recipe classic")
        return dataclasses.replace(text, validation=text.validation or DEFAULT_VALIDATION)
    if text.lines:
        raise OptionError("lines: the classic recipe reads running text; leave --lines out")
    if text.vocabulary not in (TextSettings.vocabulary, "classic"):
        raise OptionError(f"vocabulary {text.vocabulary}: the classic recipe reads characters; leave it out")
    return dataclasses.replace(text, lowercase=True, vocabulary="classic")


def versions() -> dict[str, str]:
    """The programs that made a run."""
    import platform
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("torch", "numpy")}
    return {"afterword": __version__, "python": platform.python_version(), **libraries}


def surroundings(threads: int, device: Device = "cpu") -> dict[str, Any]:
    """What a run's bits depend on beside its settings, by name."""
    import platform

    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        names = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        processor = names[0] if names else processor
    programs = {name: version for name, version in versions().items() if name != "python"}
    return {**programs, "processor": processor, "device": described(device), "threads": threads, "ranks": ranks()}

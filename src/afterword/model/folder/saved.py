"""A saved model: one folder.

    config.json              format, sizes, the rows never seen in training, and the model's origin
    model.safetensors        the weights, each in the smallest type that keeps every bit of it: see `_narrow`
    ngram.safetensors        the n-gram model that the network is mixed with, if there is one
    tokenizer.json           the vocabulary
    README.md                the model card, for people

and the attachments of the model. config.json holds a checksum of each file but the card, which people
may edit, so that a folder is one whole: a file that is missing, changed or from another model is noticed.

`replacing_folder` replaces a folder as a whole. After a kill between its two renames, no folder has the name:
`load_model` then reads the previous folder, and `recover_model` or the next `save_model` cleans up.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from afterword.commands import Learned, attached_files, learned_kinds
from afterword.errors import ModelError, OptionError
from afterword.model.arrays import Array, Ids, Tensors, Weights, in_bytes
from afterword.model.folder.attachments import codec_of
from afterword.model.folder.defaults import RUNNING_TEXT, WritingDefaults
from afterword.model.folder.tensors import checksum, read_tensors, write_tensors
from afterword.model.network.config import LARGEST_WEIGHT, Config, check_weights
from afterword.model.network.engines import ENGINES, FastEngine
from afterword.model.network.network import Network
from afterword.model.network.windows import WindowNetwork
from afterword.model.ngram.mixture import USES, Mixture
from afterword.model.ngram.tables import Ngram
from afterword.records import as_record, read_json
from afterword.storage import folder_before, read_whole, recover_folder, replacing_folder, write_bytes, write_json
from afterword.text.documents import reason
from afterword.text.lines import TAB
from afterword.text.tokenizer import Tokenizer
from afterword.text.unicode import code_points
from afterword.text.vocabularies import RemovedVocabularyError, from_json

FORMAT = 3
OLD = 2  # of versions up to 0.3: without checksums of the weights and of some attachments
TEXT = "text.rows"
SCALE = ".scale"
CONFIG, WEIGHTS, NGRAM = "config.json", "model.safetensors", "ngram.safetensors"
TOKENIZER, CARD = "tokenizer.json", "README.md"
FILES = (CONFIG, WEIGHTS, NGRAM, *attached_files(), TOKENIZER, CARD)  # all that a model can have, wherever it is


@dataclasses.dataclass(frozen=True)
class Origin:
    """The model whose weights a run began with."""

    name: str
    fingerprint: str


class _Measured(TypedDict):
    """The cost of the held-out text; the other figures are optional."""

    bits_per_character: float


class _About(TypedDict, total=False):
    """The types of the facts in a model's `about` that are read; there may be others."""

    lines: bool | None
    recipe: str | None
    base: Origin | None
    corpus: dict[str, Any] | None
    training: dict[str, Any] | None
    validation: _Measured | None


@dataclasses.dataclass(frozen=True)
class ConfigFile:
    """The fields of config.json besides the network's `Config`, the format and the checksums."""

    unseen: list[int]
    about: dict[str, Any]
    mixture_weight: Annotated[float, Meta(ge=0, le=1)] | None
    """None without an n-gram."""
    writing: WritingDefaults
    attachments: dict[str, int]
    """The CRC-32 of each file."""


@dataclasses.dataclass
class SavedModel:
    """A trained model and everything that belongs to it."""

    config: Config
    weights: dict[str, Array]
    tokenizer: Tokenizer
    unseen: list[int]
    """The network's rows that training never saw, masked in writing."""
    about: dict[str, Any]
    """The model's origin: recipe, lines, labels, corpus, training, validation, versions. JSON values only."""
    text: NDArray[np.integer[Any]] | None = None
    """The training text as rows [N], if writing starts from a window of it (the classic recipe)."""
    ngram: Ngram | None = None
    mixture_weight: float = 0.0
    """The weight of the n-gram, from 0 to 1."""
    writing: WritingDefaults = RUNNING_TEXT
    """The options of writing, unless others are given."""
    attachments: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The content of its attachments, by the names of their files."""
    notes: tuple[str, ...] = ()
    """What a user should know about its files."""

    @property
    def learned(self) -> Learned | None:
        """What the model has learned in place of text; None for a model of text."""
        return next((one for name, one in learned_kinds().items() if self.about.get(name)), None)

    def opening(self, seed: int) -> Ids:
        """Return the tokens [N] that writing reads before any prompt; `seed` draws the window of a model of windows."""
        if self.text is not None:
            window = self.config.window
            first = int(np.random.default_rng([seed, 1]).integers(len(self.text) - window + 1))
            return self.text[first : first + window]
        return np.array([] if self.tokenizer.end is None else [self.tokenizer.end], np.int32)

    @property
    def default_prompt(self) -> str:
        """The prompt if none is given: a line's end, if training taught what follows it."""
        if self.writing.opening != "newline":
            return ""
        return "" if set(self.tokenizer.to_rows(self.tokenizer.encode("\n")).tolist()) & set(self.unseen) else "\n"

    @property
    def masked(self) -> list[int]:
        """The rows that are never drawn: those never seen in training, and a row shared by all bytes, which does not
        say which byte."""
        return sorted({*self.unseen, *range(self.tokenizer.own_rows, self.tokenizer.rows)})

    @property
    def blank(self) -> list[int]:
        """The rows with which running text does not begin; none if nothing else can be drawn."""
        rows = range(self.tokenizer.rows)
        blank = [row for row in rows if self.tokenizer.spelling(row).isspace()]
        return blank if {*rows} - {*self.masked} - {*blank} else []

    def unseen_characters(self, text: str) -> str:
        """Return the distinct characters of `text` that training never saw, in order of appearance.

        A model of lines has seen their ends.
        """
        tokenizer, unseen = self.tokenizer, set(self.unseen)
        read = tokenizer.normalise(text)
        code_points(read)  # an error names the place of a lone surrogate in the whole text
        read = read.replace("\n", "") if self.about.get("lines") else read
        seen = {one for row, token in enumerate(tokenizer.texts) if row not in unseen for one in token}
        return "".join(
            character
            for character in dict.fromkeys(read)
            if character not in seen and unseen & set(tokenizer.to_rows(tokenizer.encode(character)).tolist())
        )

    def info(self) -> dict[str, Any]:
        """Return the facts that `afterword info --json` prints."""
        sizes = ("cell", "parameters", "hidden_size", "num_layers", "embedding_size")
        return {
            **{name: self.about.get(name) for name in ("recipe", "base")},
            **{name: getattr(self.config, name) for name in sizes},
            "ngram": None if self.ngram is None else {"order": self.ngram.order, "weight": self.mixture_weight},
            "vocabulary_size": self.config.vocabulary_size,
            "vocabulary": self.tokenizer.kind,
            "lowercase": self.tokenizer.lowercase,
            "lines": bool(self.about.get("lines")),
            "labels": dict(self.about.get("labels") or {}) or None,
            "unwrapped": self.about.get("unwrapped"),
            **{name: self.about[name] for name in learned_kinds() if self.about.get(name) is not None},
            **{name: self.about.get(name) for name in ("validation", "corpus", "training", "versions")},
        }

    def network(self, held: Array | None = None, engine: FastEngine | None = None) -> Network:
        """Return the network alone, of either kind; `held` and `engine` as in `Network`."""
        return (WindowNetwork if self.config.window else Network)(self.config, self.weights, held, engine)

    def predictor(self, using: str = "both", held: Array | None = None, engine: str = "numpy") -> Network:
        """Return what predicts: the mixture, if there is an n-gram, or one of the two; `held` as in `Network`.

        Raises OptionError for an unknown use or engine, or an engine that cannot run this model.
        """
        if using not in USES:
            raise OptionError(f"`using` must be one of {', '.join(USES)}, not {str(using)[:40]}")
        if using == "ngram" and self.ngram is None:
            raise OptionError("this model has no n-gram to predict with: use its lstm")
        if engine not in ENGINES:
            raise OptionError(f"`engine` must be one of {', '.join(ENGINES)}, not {str(engine)[:40]}")
        if engine == "fast" and held is not None:
            raise OptionError("`engine` fast cannot hold a part of the network at a value: use numpy")
        runs = FastEngine(self.config, self.weights) if engine == "fast" else None
        if self.ngram is None:
            return self.network(held, runs)
        return Mixture(self.config, self.weights, self.ngram, self.mixture_weight, using, held, runs)


def save_model(folder: Path, model: SavedModel, card: str) -> None:
    """Write `model` and its `card` to `folder`, replacing the model there; other files in it stay.

    Raises ModelError if the parts of the model do not fit together, StorageError if it cannot be written.
    """
    _check(model)
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"cannot save a model at {folder}: it is a file; name a folder")
    tokenizer = model.tokenizer.to_json().encode()
    weights = _narrow(model.weights) | ({} if model.text is None else {TEXT: model.text})
    rest = ConfigFile(model.unseen, model.about, model.mixture_weight if model.ngram else None, model.writing, {})
    with replacing_folder(folder, FILES) as new:
        for name, one in model.attachments.items():
            codec_of(name).write(new / name, one)
            rest.attachments[name] = zlib.crc32(read_whole(new / name))
        config = {"format": FORMAT, **dataclasses.asdict(model.config), **dataclasses.asdict(rest)}
        config["checksums"] = _checksums(config, tokenizer, model.ngram, weights)
        write_tensors(new / WEIGHTS, weights)
        if model.ngram is not None:
            _write_ngram(new / NGRAM, model.ngram, folder)
        write_bytes(new / TOKENIZER, tokenizer)
        write_bytes(new / CARD, card.encode())
        write_json(new / CONFIG, config)


def check_replaceable(folder: Path) -> None:
    """Raise ModelError if something else than a model is in `folder`, or if a process works in it."""
    if folder.is_dir() and any(folder.iterdir()):
        if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
            raise ModelError(f"cannot save to {folder}: the folder is in use; name a new one")
        try:
            load_model(folder, of_text=False)
        except ModelError as error:
            raise ModelError(f"cannot save to {folder}, which is not a model's folder: {error}") from None


def _narrow(weights: Weights) -> Tensors:
    """Return float32 `weights`, each in the smallest type from which `_wide` returns every bit.

    A matrix NAME becomes int8 if each row consists of multiples of one scale, from -127 to 127; NAME.scale holds the
    scales in float32. Any other weight becomes float16, or stays float32.
    """
    found: Tensors = {}
    for name, weight in weights.items():
        with np.errstate(over="ignore"):
            types: list[Tensors] = [{name: weight.astype(np.float16)}, {name: weight}]
        if weight.ndim == 2:
            multiples, scale = in_bytes(weight)
            types.insert(0, {name: multiples, name + SCALE: scale})
        bits = weight.view(np.uint32)  # in which 0 and -0 differ
        found |= next(each for each in types if np.array_equal(_wide(each)[name].view(np.uint32), bits))
    return found


def _wide(tensors: Tensors) -> dict[str, Array]:
    """Return the weights of a file in float32. Raises ModelError for int8 without a valid scale per row."""
    found = {name: part.astype(np.float32) if part.dtype == np.float16 else part for name, part in tensors.items()}
    for name, multiples in tensors.items():
        if multiples.dtype != np.int8:
            continue
        scale = found.pop(name + SCALE, np.empty(0))
        valid = multiples.ndim == 2 and scale.shape == multiples.shape[:1] and scale.dtype == np.float32
        if not (valid and ((scale > 0) & (scale <= LARGEST_WEIGHT)).all()):  # nor nan
            raise ModelError(
                f"{name[:80]!r} is int8, so it must be a matrix with {SCALE!r}: for each row a float32 number above 0, "
                f"at most {LARGEST_WEIGHT:,.0f}"
            )
        if (multiples == -128).any():
            raise ModelError(f"{name[:80]!r} must hold multiples from -127 to 127, not -128")
        found[name] = multiples * scale[:, None]
    return found


def outliving(folder: Path) -> dict[str, Any]:
    """Return the attachments of the model in `folder` that are still true once it is trained further; none without a
    model. Raises ModelError."""
    found = load_model(folder).attachments if any((folder / name).exists() for name in attached_files()) else {}
    return {name: one for name, one in found.items() if codec_of(name).outlives(one)}


def recover_model(folder: Path) -> None:
    """Clear up after a `save_model` that was killed: the previous model returns if the new one is missing."""
    recover_folder(Path(os.path.realpath(folder)), FILES)


def model_folder(path: Path) -> Path:
    """Return the folder of the model: `path` itself, or the best model so far of the run in `path`."""
    return path / "model" if os.path.isfile(path / "run.json") else path


def load_model(folder: Path, of_text: bool = True) -> SavedModel:
    """Read the model in `folder` and check every bit. Unless it must be `of_text`, it may have learned something else.

    Raises ModelError that says what is missing or damaged, or what the model has learned in place of text."""
    model = _read_at_once(folder)
    if of_text and (other := model.learned):
        raise ModelError(other.refused)
    return model


def _read_at_once(folder: Path) -> SavedModel:
    """Read the model in `folder`, and again if another one takes its place meanwhile."""
    while True:
        before = _identity(folder)
        try:
            model = _read(folder if before else folder_before(folder) or folder, folder)
        except ModelError:
            if _identity(folder) == before:
                raise
        else:
            if _identity(folder) == before:
                return model
        # a new model took the folder's place during the reading, which may have mixed the two: read again


def _read(place: Path, folder: Path) -> SavedModel:
    """Read the model in `place`; `folder` is the name that the user gave."""
    if not os.path.isdir(place):  # unlike Path, os.path returns False if a name is too long or may not be looked up
        raise ModelError(f"no model at {folder}: {'it is a file' if os.path.exists(folder) else 'no such folder'}")
    if not os.path.exists(place / CONFIG):
        raise ModelError(f"no model at {folder}: it has no {CONFIG}")
    try:
        values = read_json(dict[str, Any], content(place / CONFIG))
    except ValueError as error:
        raise ModelError(f"{place / CONFIG} is damaged: {str(error)[:80]}; take a fresh copy of the model") from None
    if (found := values.get("format")) not in (OLD, FORMAT):
        raise ModelError(
            f"{place / CONFIG} has the format {str(found)[:20]}, and this Afterword reads {OLD} and {FORMAT}: "
            "use the version that wrote it, or take a fresh copy of the model"
        )
    weights, _ = read_tensors(place / WEIGHTS)
    vocabulary = content(place / TOKENIZER)
    mixed = values.get("mixture_weight") is not None
    tables = read_tensors(place / NGRAM)[0] if mixed else None
    try:
        tokenizer = from_json(vocabulary)
        ngram = None if tables is None else Ngram.from_tensors(tables)
        checksums, is_old, notes = values.pop("checksums", None), found == OLD, tuple[str, ...]()
        expected = _checksums(values, vocabulary, ngram, None if is_old else weights)
        if is_old and isinstance(checksums, dict) and (had := attached_files().keys() & checksums):
            expected |= {name: codec_of(name).read(place / name).checksum for name in had}
            kept = [name for name in attached_files() if os.path.exists(place / name)]
            values["attachments"] = {name: zlib.crc32(content(place / name)) for name in kept}
            told = f"Afterword 0.3 or older wrote {folder}, so {{}} has no checksum: to give it one, run {{}}"
            renewed = {attached_files()[name].renewed for name in had}
            lacking = (name for name, one in attached_files().items() if name not in had and one.renewed in renewed)
            notes = tuple(told.format(name, attached_files()[name].renewed) for name in lacking)
        if checksums != expected:
            raise ModelError(f"{CONFIG} or another file has been changed, or is another model's")
        rest = as_record(ConfigFile, {"attachments": {}, **values} if is_old else values)
        attachments = {name: _attached(place / name, each) for name, each in rest.attachments.items()}
        text = weights.pop(TEXT, None)
        parts = (as_record(Config, values), _wide(weights), tokenizer, rest.unseen, rest.about, text, ngram)
        _check(model := SavedModel(*parts, rest.mixture_weight or 0.0, rest.writing, attachments, notes))
    except RemovedVocabularyError as error:
        raise ModelError(f"cannot read the model at {folder}: {error}") from None
    except (ModelError, ValueError) as error:
        raise ModelError(f"the model at {folder} is damaged: {error}; take a fresh copy") from None
    return model


def read_card(folder: Path) -> str:
    """Return the model card in `folder`, or an empty text without one. Raises ModelError."""
    return content(folder / CARD).decode("utf-8", "replace") if os.path.isfile(folder / CARD) else ""


def _attached(path: Path, expected: int) -> Any:
    """Return the content of an attachment whose CRC-32 is `expected`. Raises ModelError."""
    if path.name not in attached_files():
        raise ModelError(f"{path.name[:80]!r} is unknown: it may need a newer Afterword")
    try:
        if zlib.crc32(read_whole(path)) != expected:
            raise ValueError("it has been changed, or is another model's")
        return codec_of(path.name).read(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name}: {reason(error)}") from None


def _checksums(
    config: dict[str, Any], tokenizer: bytes, ngram: Ngram | None, weights: Tensors | None
) -> dict[str, int]:
    """Return the CRC-32 of each file but attachments; of config.json as sorted JSON without checksums."""
    sums = {CONFIG: zlib.crc32(json.dumps(config, sort_keys=True).encode()), TOKENIZER: zlib.crc32(tokenizer)}
    parts = {NGRAM: ngram.checksum if ngram else None, WEIGHTS: checksum(weights) if weights else None}
    return sums | {name: part for name, part in parts.items() if part is not None}


def _write_ngram(path: Path, ngram: Ngram, folder: Path) -> None:
    """Write `ngram`, or link the file of the model in `folder` if that has the same, as it has during a run."""
    try:
        if json.loads(read_whole(folder / CONFIG))["checksums"][NGRAM] == ngram.checksum:
            os.link(folder / NGRAM, path)
            return
    except (OSError, ValueError, LookupError, TypeError):
        path.unlink(missing_ok=True)  # no such model, or a disk without links
    write_tensors(path, ngram.tensors())


def _check(model: SavedModel) -> None:
    """Raise ModelError unless the parts of `model` fit together."""
    rows, shared = model.tokenizer.rows, model.tokenizer.shared_row_tokens
    if (rows, shared) != (model.config.vocabulary_size, model.config.byte_tokens):
        raise ModelError(
            f"its tokenizer has {rows} rows, the last shared by {shared} tokens; its network has "
            f"{model.config.vocabulary_size}, shared by {model.config.byte_tokens}"
        )
    check_weights(model.config, model.weights)
    as_record(_About, model.about)
    as_record(dict[str, dict[str, Any] | None], {name: model.about.get(name) for name in learned_kinds()})
    if not all(0 <= row < rows for row in model.unseen):
        raise ModelError(f"unseen must be rows from 0 to {rows - 1}")
    if len({model.text is not None, model.config.window > 0, model.writing.opening == "window"}) > 1:
        raise ModelError(f"{TEXT} belongs only to a model that reads windows and begins with one")
    if model.ngram is not None and (model.ngram.rows != rows or model.config.window):
        raise ModelError(f"its n-gram has {model.ngram.rows} rows and its tokenizer {rows}")
    if not _are_labels(model.about.get("labels"), model.tokenizer):
        raise ModelError("labels must be null, or count the lines of each label")
    if model.text is not None and not _is_text(model.text, model.config):
        raise ModelError(f"{TEXT} must be {model.config.window} or more rows from 0 to {rows - 1}")


def _are_labels(labels: Any, tokenizer: Tokenizer) -> bool:
    """Return True if `labels` are None or the number of lines of each label, in a model of lines."""
    if labels is None:
        return True
    if not isinstance(labels, dict) or not labels or tokenizer.end is None:
        return False
    return all(label and TAB not in label and type(count) is int and count > 0 for label, count in labels.items())


def _is_text(text: NDArray[Any], config: Config) -> bool:
    """Return True if `text` [N] is a training text of at least one window."""
    if text.ndim != 1 or text.dtype.kind not in "iu" or len(text) < config.window:
        return False
    return bool(int(text.min()) >= 0 and int(text.max()) < config.vocabulary_size)


def content(path: Path) -> bytes:
    """Return the content of a model's file. Raises ModelError."""
    try:
        return read_whole(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}; take a fresh copy of the model") from None


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what changes if another folder takes the place of this one; None for a missing folder."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns

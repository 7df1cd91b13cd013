"""One folder is one model.

    config.json        format, sizes, the rows never seen in training, and where the model comes from
    model.safetensors  the weights, float32; of a model that ships float16, which is read as float32
    ngram.safetensors  the n-gram model that the network is mixed with, where there is one
    tokenizer.json     the vocabulary
    README.md          the model card, for people

A model folder is whole or not there. A new one is written beside its place as `.NAME.new`; the one before it is renamed
to `.NAME.old`, the new one takes its place, and the old one goes. A kill between the two renames leaves no folder of
that name; `load_model` then reads `.NAME.old`, and `recover_model` or the next `save_model` clears up. One process at
a time may save.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError, StorageError
from afterword.model.adapting import AdaptedMixture, Adapter
from afterword.model.arrays import Array, Ids
from afterword.model.calibration import Calibration
from afterword.model.config import Config, check_weights
from afterword.model.fast import ENGINES, FastEngine
from afterword.model.mixture import USES, Mixture
from afterword.model.network import Engine, Network
from afterword.model.ngram import Ngram
from afterword.model.tensors import read_tensors, write_tensors
from afterword.model.windows import WindowNetwork
from afterword.model.writing import RUNNING_TEXT, WritingDefaults, usual
from afterword.storage import sync_folder, write_bytes, write_json
from afterword.text.labels import TAB
from afterword.text.tokenizer import Tokenizer
from afterword.text.vocabularies.table import from_json

FORMAT = 2  # 1 had no "writing", and called the mixture's weight "ngram_share"
TEXT = "text.rows"
CONFIG, WEIGHTS, NGRAM, CALIBRATION, TOKENIZER, CARD = FILES = (
    "config.json",
    "model.safetensors",
    "ngram.safetensors",
    "calibration.safetensors",
    "tokenizer.json",
    "README.md",
)


@dataclasses.dataclass
class SavedModel:
    """A trained model and all that belongs to it."""

    config: Config
    weights: dict[str, Array]
    tokenizer: Tokenizer
    unseen: list[int]
    """The network's rows that training never saw, masked in writing."""
    about: dict[str, Any]
    """Where it comes from: recipe, lines, labels, corpus, training, validation, versions. JSON values only."""
    text: NDArray[np.integer[Any]] | None = None
    """The training text as rows [N], where writing starts from a window of it (the classic recipe)."""
    ngram: Ngram | None = None
    mixture_weight: float = 0.0
    """Of the n-gram, from 0 to 1."""
    writing: WritingDefaults = RUNNING_TEXT
    """How it writes unless it is told otherwise."""
    calibration: Calibration | None = None
    """What normal lines cost it, if it was calibrated."""

    def opening(self, seed: int) -> Ids:
        """The tokens that writing reads before any prompt, [N]; of a window of the text, the one that `seed` draws."""
        if self.text is not None:
            window = self.config.window
            first = int(np.random.default_rng([seed, 1]).integers(len(self.text) - window + 1))
            return self.text[first : first + window]
        return np.array([] if self.tokenizer.end is None else [self.tokenizer.end], np.int32)

    @property
    def default_prompt(self) -> str:
        """What is written after where there is no prompt: a line's end, if training taught what follows it."""
        if self.writing.opening != "newline":
            return ""
        rows = np.minimum(self.tokenizer.encode("\n"), self.config.vocabulary_size - 1)
        return "" if set(rows.tolist()) & set(self.unseen) else "\n"

    def network(self, held: Array | None = None, engine: Engine | None = None) -> Network:
        """The network alone, whatever kind it is; `held` and `engine` as in `Network`."""
        return (WindowNetwork if self.config.window else Network)(self.config, self.weights, held, engine)

    def predictor(
        self,
        using: str = "both",
        held: Array | None = None,
        engine: str = "numpy",
        adapter: Adapter | None = None,
    ) -> Network:
        """What predicts: the mixture, where there is an n-gram, or one of the two; `held` as in `Network`. With an
        `adapter`, what that has learned.

        Raises OptionError for a use or an engine that is none, or an engine that cannot run this.
        """
        if using not in USES:
            raise OptionError(f"using must be one of {', '.join(USES)}, not {str(using)[:40]}")
        if using == "ngram" and self.ngram is None:
            raise OptionError("this model has no n-gram to predict with: use its lstm")
        runs = self._engine(engine, held)
        if adapter is not None:
            return AdaptedMixture(self.config, self.weights, adapter, held, runs)
        if self.ngram is None:
            return self.network(held, runs)
        return Mixture(self.config, self.weights, self.ngram, self.mixture_weight, using, held, runs)

    def _engine(self, name: str, held: Array | None) -> Engine | None:
        if name not in ENGINES:
            raise OptionError(f"engine must be one of {', '.join(ENGINES)}, not {str(name)[:40]}")
        if name == "numpy":
            return None
        if held is not None:
            raise OptionError("engine fast cannot hold a part of the network at a value: use numpy")
        return FastEngine(self.config, self.weights)


def save_model(folder: Path, model: SavedModel, card: str, *, half: bool = False) -> None:
    """Make `folder` hold `model` and its `card`, replacing the model there; other files in it stay.

    With `half` the weights are rounded to float16, which halves the folder.
    Raises ModelError for a model that does not hold together, StorageError where the disk refuses.
    """
    _check(model)
    folder = Path(os.path.realpath(folder))
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"cannot save a model at {folder}: it is a file; name a folder")
    new, old = folder.with_name(f".{folder.name}.new"), _old(folder)
    tokenizer = model.tokenizer.to_json().encode()
    config = {"format": FORMAT, **dataclasses.asdict(model.config), "unseen": model.unseen, "about": model.about}
    config["mixture_weight"] = None if model.ngram is None else model.mixture_weight
    config["writing"] = dataclasses.asdict(model.writing)
    config["checksums"] = _checksums(config, tokenizer, model.ngram, model.calibration)
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        text = {} if model.text is None else {TEXT: model.text}
        weights = {name: w.astype(np.float16) for name, w in model.weights.items()} if half else model.weights
        write_tensors(new / WEIGHTS, {**weights, **text})
        if model.ngram is not None:
            _write_ngram(new / NGRAM, model.ngram, folder)
        if model.calibration is not None:
            write_tensors(new / CALIBRATION, *model.calibration.record())
        write_bytes(new / TOKENIZER, tokenizer)
        write_bytes(new / CARD, card.encode())
        write_json(new / CONFIG, config)
        if folder.exists():
            _clear(old, folder)
            folder.rename(old)
        new.rename(folder)
        sync_folder(folder.parent)
        _clear(old, folder)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def recover_model(folder: Path) -> None:
    """Clear up behind a `save_model` that was killed: the model before it returns where none stands."""
    folder = Path(os.path.realpath(folder))
    new, old = folder.with_name(f".{folder.name}.new"), _old(folder)
    shutil.rmtree(new, ignore_errors=True)
    if folder.exists():
        _clear(old, folder)
    elif old.exists():
        old.rename(folder)


def model_folder(path: Path) -> Path:
    """Where the model is: `path` itself, or the best model so far of the run in `path`."""
    return path / "model" if os.path.isfile(path / "run.json") else path


def load_model(folder: Path) -> SavedModel:
    """The model in `folder`, checked to the last bit. Raises ModelError with what is missing or damaged."""
    while True:
        before = _identity(folder)
        try:
            model = _read(folder if before else _old(Path(os.path.realpath(folder))), folder)
        except ModelError:
            if _identity(folder) == before:
                raise
        else:
            if _identity(folder) == before:
                return model
        # a new model took the folder's place while it was read, which may have mixed the two: once more


def _read(place: Path, folder: Path) -> SavedModel:
    """Read the model that stands in `place`; `folder` is what the user called it."""
    if not os.path.isdir(place):  # os.path, which is False also where a name is too long or may not be looked at
        raise ModelError(f"no model at {folder}: {'it is a file' if os.path.exists(folder) else 'no such folder'}")
    if not os.path.exists(place / CONFIG):
        raise ModelError(f"no model at {folder}: it holds no {CONFIG}")
    values = _read_json(place / CONFIG)
    version = _version(place / CONFIG, values)
    weights, _ = read_tensors(place / WEIGHTS)
    text = weights.pop(TEXT, None)
    weights = {name: w.astype(np.float32) if w.dtype == np.float16 else w for name, w in weights.items()}
    tokenizer = _read_tokenizer(place / TOKENIZER)
    weight = values.get("ngram_share" if version == 1 else "mixture_weight")
    tables = None if weight is None else read_tensors(place / NGRAM)[0]
    try:
        ngram = None if tables is None else Ngram.from_tensors(tables)
        checksums = values.pop("checksums", None)
        calibrated = isinstance(checksums, dict) and CALIBRATION in checksums
        calibration = Calibration.from_record(*read_tensors(place / CALIBRATION)) if calibrated else None
        if checksums != _checksums(values, _read_text(place / TOKENIZER).encode(), ngram, calibration):
            raise ModelError(f"{CONFIG} or a file beside it has been changed")
        config = Config.from_dict(values)
        unseen, about = values.get("unseen", []), values.get("about", {})
        if not isinstance(about, dict):
            raise ModelError("about must be an object")
        if version == 1:
            writing = usual(windows=config.window > 0, lines=bool(about.get("lines")))
        else:
            writing = WritingDefaults.from_dict(values.get("writing"))
        weight = 0.0 if weight is None else weight
        model = SavedModel(config, weights, tokenizer, unseen, about, text, ngram, weight, writing, calibration)
        _check(model)
    except ModelError as error:
        raise ModelError(f"the model at {folder} is damaged: {error}; take a fresh copy") from None
    return model


def _version(path: Path, values: dict[str, Any]) -> int:
    """The format of a model. Raises ModelError for one that this Afterword does not know."""
    version = values.get("format")
    if type(version) is not int or version < 1:
        raise ModelError(f"{path} is damaged: its format is {str(version)[:20]}; take a fresh copy of the model")
    if version > FORMAT:
        raise ModelError(
            f"{path} has the format {str(version)[:20]}, and this Afterword reads up to {FORMAT}; upgrade Afterword"
        )
    return version


def _checksums(
    config: dict[str, Any], tokenizer: bytes, ngram: Ngram | None, calibration: Calibration | None = None
) -> dict[str, int]:
    """CRC-32 of the files that must stay with the weights: of config.json as sorted JSON, without this part."""
    sums = {CONFIG: zlib.crc32(json.dumps(config, sort_keys=True).encode()), TOKENIZER: zlib.crc32(tokenizer)}
    parts = {NGRAM: ngram, CALIBRATION: calibration}
    return sums | {name: part.checksum for name, part in parts.items() if part is not None}


def _write_ngram(path: Path, ngram: Ngram, folder: Path) -> None:
    """Write `ngram`; or, where the model in `folder` has the same, as it has all through a run, take its file."""
    try:
        if json.loads((folder / CONFIG).read_bytes())["checksums"][NGRAM] == ngram.checksum:
            os.link(folder / NGRAM, path)
            return
    except (OSError, ValueError, LookupError, TypeError):
        path.unlink(missing_ok=True)  # there is none, or this disk has no links
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
    if not isinstance(model.unseen, list) or not all(type(row) is int and 0 <= row < rows for row in model.unseen):
        raise ModelError(f"unseen must be a list of rows from 0 to {rows - 1}")
    if len({model.text is not None, model.config.window > 0, model.writing.opening == "window"}) > 1:
        raise ModelError(f"{TEXT} belongs to a model that reads windows and begins with one, and to no other")
    if model.ngram is not None and (model.ngram.rows != rows or model.config.window):
        raise ModelError(f"its n-gram has {model.ngram.rows} rows and its tokenizer {rows}")
    if type(model.mixture_weight) is not float or not 0 <= model.mixture_weight <= 1:
        raise ModelError(f"mixture_weight must be a number from 0 to 1, not {str(model.mixture_weight)[:40]}")
    if not _are_labels(model.about.get("labels"), model.tokenizer):
        raise ModelError("labels must be null, or count the lines of each label")
    if model.text is not None and not _is_text(model.text, model.config):
        raise ModelError(f"{TEXT} must be {model.config.window} or more rows from 0 to {rows - 1}")


def _are_labels(labels: Any, tokenizer: Tokenizer) -> bool:
    """Whether `labels` are None, or how many lines each label has, as a tokenizer for lines writes them."""
    if labels is None:
        return True
    if not isinstance(labels, dict) or not labels or tokenizer.end is None:
        return False
    return all(label and TAB not in label and type(count) is int and count > 0 for label, count in labels.items())


def _is_text(text: NDArray[Any], config: Config) -> bool:
    """Whether `text` [N] is a training text of at least one window."""
    if text.ndim != 1 or text.dtype.kind not in "iu" or len(text) < config.window:
        return False
    return bool(int(text.min()) >= 0 and int(text.max()) < config.vocabulary_size)


def _read_text(path: Path) -> str:
    if not os.path.isfile(path):
        raise ModelError(f"{path} is missing; take a fresh copy of the model")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is damaged: {error}; take a fresh copy of the model") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged: {str(error)[:80]}; take a fresh copy of the model") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} is damaged: it holds no JSON object; take a fresh copy of the model")
    return values


def _read_tokenizer(path: Path) -> Tokenizer:
    text = _read_text(path)
    try:
        return from_json(text)
    except ModelError as error:
        raise ModelError(f"in {path.parent}, {error}") from None


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _clear(old: Path, folder: Path) -> None:
    """Remove the replaced model in `old`; files that are none of a model's go back to `folder`."""
    if not old.exists():
        return
    for entry in old.iterdir():
        if entry.name in FILES:
            entry.unlink()
        else:
            entry.rename(folder / entry.name)
    old.rmdir()


def _identity(folder: Path) -> tuple[int, int] | None:
    """What changes when another folder takes the place of this one; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns

"""What finding odd lines adds to a model: the costs of normal lines, and what else is usual in them."""

from __future__ import annotations

from typing import Any

import msgspec

from afterword.language_model import LanguageModel
from afterword.model.folder.attachments import Attachment
from afterword.model.folder.calibration import Calibration
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.oddities.usual import UsualLines
from afterword.records import read_json
from afterword.storage import read_whole, write_bytes

CALIBRATION_FILE, LINES_FILE = "calibration.safetensors", "lines.json"

CALIBRATION = Attachment(
    write=lambda path, calibration: write_tensors(path, *calibration.record()),
    read=lambda path: Calibration.from_record(*read_tensors(path)),
    outlives=lambda calibration: False,
)
LINES = Attachment(
    write=lambda path, usual: write_bytes(path, msgspec.json.encode(usual)),
    read=lambda path: read_json(UsualLines, read_whole(path)),
    outlives=lambda usual: bool(usual.accepted),  # the next calibration takes them up
)


def facts(model: LanguageModel) -> dict[str, Any]:
    return {"calibrated": model.calibration is not None}

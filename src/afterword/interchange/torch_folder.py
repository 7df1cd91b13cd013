"""A model as a folder for PyTorch: its weights, its vocabulary, and a script of one screen that writes with them.

model.safetensors   a state_dict, in float32
tokenizer.json      the vocabulary
config.json         `facts`, without the vocabulary
write.py            needs torch, safetensors and tokenizers, but not Afterword
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import safetensors.numpy

from afterword.errors import ModelError, OptionError
from afterword.interchange.facts import facts, notes
from afterword.model.arrays import Array, as_float32
from afterword.model.folder.saved import SavedModel
from afterword.model.folder.tensors import read_any_tensors
from afterword.model.network.config import Config, check_weights
from afterword.records import as_record
from afterword.storage import replacing_folder, write_bytes, write_json

SCRIPT = '''\
"""Write with this folder's model, in plain PyTorch: pip install torch safetensors tokenizers

    python write.py "Once upon a time"
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

HERE = Path(__file__).parent
facts = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
R, E, H, L = (facts["config"][size] for size in ("vocabulary_size", "embedding_size", "hidden_size", "num_layers"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(R, E)
        self.lstm = nn.LSTM(E, H, L, batch_first=True)
        self.output = nn.Linear(H, R)

    def forward(self, ids, state=None):
        """Read ids [B, T]. Return the logits [B, T, R] of the token after each, and the state after all."""
        x, state = self.lstm(self.embedding(ids), state)
        return self.output(x), state


model = Model()
model.load_state_dict(load_file(HERE / "model.safetensors"))


@torch.inference_mode()
def write(prompt, max_tokens=500, temperature=0.8):
    """Return what follows the prompt. A boundary token comes before it; the text ends with another one."""
    ids = [facts["boundary_id"], *(min(id, R - 1) for id in tokenizer.encode(prompt).ids)]  # rows of the network
    written, state = [], None
    for _ in range(max_tokens):
        logits, state = model(torch.tensor([ids]), state)
        logits[..., facts["unseen"]] = -torch.inf  # training never saw these
        ids = torch.multinomial(torch.softmax(logits[0, -1] / temperature, 0), 1).tolist()
        if ids == [facts["boundary_id"]]:
            break
        written += ids
    return tokenizer.decode(written)


if __name__ == "__main__":
    prompt = sys.argv[1] if len(sys.argv) > 1 else facts["prompt"]
    print(prompt + write(prompt))
'''
# A layer above the first adds its input to its output, so the layers of such a network are separate modules.
RESIDUAL = {
    "nn.LSTM(E, H, L, batch_first=True)": "nn.ModuleList(nn.LSTM(n, H, batch_first=True) for n in [E] + [H] * (L - 1))",
    "        x, state = self.lstm(self.embedding(ids), state)\n        return self.output(x), state": """\
        x, after = self.embedding(ids), []
        for k, lstm in enumerate(self.lstm):
            y, last = lstm(x, state and state[k])
            x = x + y if k else y
            after.append(last)
        return self.output(x), after""",
}


def write_torch(model: SavedModel, path: Path) -> list[str]:
    """Write a new folder. Raises OptionError if it has files, for a plain recurrent network and a classic model."""
    known = notes(model)
    if model.config.window:
        raise OptionError("a classic model reads windows, which the script for torch does not: use `onnx` or `keras`")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OptionError(f"{path} exists already: name a new folder")
    described = facts(model) | {"prompt": model.default_prompt}
    del described["tokenizer"]
    with replacing_folder(path) as new:
        write_bytes(new / "model.safetensors", safetensors.numpy.save(_state_dict(model), {"format": "pt"}))
        write_bytes(new / "tokenizer.json", model.tokenizer.to_json().encode())
        write_json(new / "config.json", described)
        write_bytes(new / "write.py", _script(model).encode())
    return known


def _is_residual(model: SavedModel) -> bool:
    return model.config.residual and model.config.num_layers > 1


def _state_dict(model: SavedModel) -> dict[str, Array]:
    """Return the weights by their names in the script's `Model`: `lstm.weight_ih_l1`, or `lstm.1.weight_ih_l0`."""
    form = r"lstm.\2.\1_l0" if _is_residual(model) else r"\g<0>"
    names = (re.sub(r"lstm\.(\w+)_l(\d+)", form, name) for name in model.weights)
    return dict(zip(names, map(np.ascontiguousarray, model.weights.values()), strict=True))


def _script(model: SavedModel) -> str:
    script = SCRIPT
    for plain, residual in RESIDUAL.items() if _is_residual(model) else ():
        script = script.replace(plain, residual)
    return script


def read_torch(path: Path) -> tuple[Config, dict[str, Array]]:
    """Return the network in a safetensors file whose names are those of `write_torch`. Raises ModelError."""
    tensors, _ = read_any_tensors(path)
    weights = {re.sub(r"^lstm\.(\d+)\.(\w+)_l0$", r"lstm.\2_l\1", name): tensor for name, tensor in tensors.items()}
    try:
        (R, E), (_, H) = weights["embedding.weight"].shape, weights["lstm.weight_hh_l0"].shape
        L = sum("weight_hh" in name for name in weights)
        sizes = {"vocabulary_size": R, "embedding_size": E, "hidden_size": H, "num_layers": L}
        config = as_record(Config, sizes | {"byte_tokens": 1, "residual": weights.keys() != tensors.keys()})
        floats = {name: as_float32(weight) for name, weight in weights.items() if weight.dtype.kind == "f"}
        check_weights(config, floats)
    except (KeyError, ValueError, ModelError) as error:
        raise ModelError(
            f"cannot import {path}: {error} (its tensors must be embedding.weight, lstm.weight_ih_l0 and so on, "
            "output.weight and output.bias)"
        ) from None
    return config, floats

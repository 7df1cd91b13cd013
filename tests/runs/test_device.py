"""Laws of the device: what is chosen where, what is refused, and a loss that is scaled for float16.

A processor shows the choice and the scaling. What a GPU itself computes is tested where there is one, at the end.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from afterword.errors import OptionError, RunError, TrainingError
from afterword.learning.batches import Lanes
from afterword.learning.device import chosen_device, embedding_size, memory_reported, precision_on, precisions_to_try
from afterword.learning.learner import Learner
from afterword.learning.optimizer import OPTIMIZERS
from afterword.learning.recipe import Device, Recipe
from afterword.planning.machine import check_memory
from afterword.runs.begin import repeat
from afterword.runs.resume import resume
from afterword.runs.run import Run
from tests.learning.small import RECIPE, tokenizer_of
from tests.learning.test_learner import BOUNDARY, IDS, ROWS, bits_of, lanes
from tests.processes import finished
from tests.runs.test_run import finish, stopped
from tests.torture.runs import outcome

BeginRun = Callable[..., Run]
Gpus = Callable[[int], None]
# a plain layer: PyTorch's LSTM has no float16 on every processor
HALF = dataclasses.replace(RECIPE, precision="float16", cell="rnn")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Gpus:
    """Make PyTorch say that it finds so many GPUs."""

    def find(number: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: number > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: number > 0)

    return find


def learner_of(recipe: Recipe) -> Learner:
    return Learner(recipe.config(tokenizer_of(ROWS)), recipe)


def scaled(scale: float) -> tuple[Learner, Lanes]:
    """A learner in float16 after a step, whose loss is multiplied by `scale` from now on, and its batches."""
    learner, source = learner_of(HALF), lanes()
    learner.learn(source.next(), 0.01)
    learner._scaler.load_state_dict(learner._scaler.state_dict() | {"scale": scale})
    return learner, source


def weights_of(learner: Learner) -> dict[str, bytes]:
    return {name: bits for name, bits in bits_of(learner).items() if name.startswith("weight/")}


@pytest.mark.parametrize(
    ("asked", "number", "device"),
    [("auto", 0, "cpu"), ("auto", 1, "cuda"), ("cpu", 1, "cpu"), ("cuda", 2, "cuda"), ("mps", 1, "mps")],
)
def test_auto_is_a_gpu_where_there_is_one(gpus: Gpus, asked: Any, number: int, device: Device) -> None:
    gpus(number)
    assert chosen_device(asked) == device


def test_every_rank_of_a_machine_needs_a_gpu(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    gpus(1)
    assert chosen_device("auto") == "cpu"
    with pytest.raises(OptionError, match="the 2 ranks on this machine need a GPU each"):
        chosen_device("cuda")
    with pytest.raises(OptionError, match="a single process"):
        chosen_device("mps")
    gpus(2)
    assert chosen_device("auto") == chosen_device("cuda") == "cuda"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_missing_gpu_is_refused_at_once(gpus: Gpus, begin_run: BeginRun, tmp_path: Path, device: Device) -> None:
    gpus(0)
    with pytest.raises(OptionError, match=f"^device= {device}: .*give cpu or auto"):
        begin_run(device=device)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not version("torch").endswith("+cpu"), reason="this PyTorch could have a GPU")
def test_a_build_for_processors_is_told_in_one_line_without_loading_it(text_file: Path) -> None:
    code = "import sys; from afterword.cli.main import main\ntry:\n main()\nfinally:\n print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "train", str(text_file), "--device", "cuda"]
    refused = finished(command, cwd=text_file.parent, fresh=True)
    assert (refused.returncode, refused.stdout.strip()) == (2, b"False"), refused.stderr
    (line,) = refused.stderr.decode().splitlines()
    assert line.startswith("error: --device cuda: the installed PyTorch is its build for processors")
    assert list(text_file.parent.iterdir()) == [text_file]


def test_a_gpu_gets_what_its_fast_kernel_takes() -> None:
    assert precisions_to_try("cuda", 512)[0] == "float16"
    assert "float16" not in precisions_to_try("cpu", 512)
    assert (embedding_size("cuda", 512), embedding_size("cpu", 512), embedding_size("cuda", 12)) == (128, 64, 12)
    assert precision_on("cpu", "float16", 512) == precisions_to_try("cpu", 512)[0]
    assert precision_on("cuda", "bfloat16", 512) == "float16"
    assert precision_on("cuda", "float32", 512) == precision_on("cpu", "float32", 512) == "float32"


def test_the_memory_of_a_gpu_is_what_counts_there(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = dataclasses.replace(RECIPE, device="cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (2**30, 2**31))
    check_memory(recipe, tokenizer_of(ROWS))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (1000, 2**31))
    with pytest.raises(OptionError, match="its GPU has 0"):
        check_memory(recipe, tokenizer_of(ROWS))
    for full in (torch.OutOfMemoryError("CUDA out of memory.\nTried"), RuntimeError("MPS backend out of memory (MPS")):
        with pytest.raises(TrainingError, match="make batch_size="), memory_reported():
            raise full


def test_scaling_moves_the_weights_as_float32_does() -> None:
    learners = [learner_of(dataclasses.replace(HALF, precision=precision)) for precision in ("float16", "float32")]
    batch = lanes().next()
    for learner in learners:
        learner.learn(batch, 0.01)
    half, full = (dict(learner.network.named_parameters()) for learner in learners)
    begun = dict(learner_of(HALF).network.named_parameters())
    for name in ("output.bias", "layers.0.weight_hh_l0"):
        moved, expected = (w[name] - begun[name] for w in (half, full))
        assert torch.nn.functional.cosine_similarity(moved.flatten(), expected.flatten(), 0) > 0.95


def test_a_scale_that_is_too_large_shrinks_before_anything_moves() -> None:
    learner, source = scaled(2.0**40)
    before, costs = weights_of(learner), list[float]()
    while weights_of(learner) == before:
        costs.append(learner.learn(source.next(), 0.01))
        assert learner.step == 1 + len(costs)  # a step that moved nothing counts: the schedule goes on
    assert len(costs) > 3
    assert np.isfinite(costs).all()
    assert learner._scaler.get_scale() < 2.0**40
    assert all(np.isfinite(tensor).all() for tensor in learner.tensors().values())


def test_a_gradient_that_no_scale_can_hold_or_a_cost_that_is_not_finite_is_not_a_number() -> None:
    learner, source = scaled(4.0)
    learner.network.output.bias.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    before = weights_of(learner)
    finite = [np.isfinite(learner.learn(source.next(), 0.01)) for _ in range(3)]
    assert finite == [True, True, False]  # with a scale of 2, of 1, and none below
    assert weights_of(learner) == before
    learner = learner_of(HALF)
    with torch.no_grad():
        learner.network.output.weight.fill_(1e6)
    assert np.isnan(learner.learn(source.next(), 0.01))
    assert learner.step == 0


@pytest.mark.parametrize("scale", [2.0**16, 2.0**40])
def test_a_learner_in_float16_goes_on_from_its_tensors_bit_for_bit(scale: float) -> None:
    """With the larger scale it is saved and loaded while steps are passed over."""
    learner, source = learner_of(HALF), lanes()
    learner._scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=5)
    for _ in range(3):
        learner.learn(source.next(), 0.01)
    kept = {name: tensor.copy() for name, tensor in learner.tensors().items()}
    other = learner_of(dataclasses.replace(HALF, seed=99))
    other._scaler = torch.amp.GradScaler("cpu", growth_interval=5)
    other.load(kept, learner.step)
    for _ in range(30):
        batch = source.next()
        learner.learn(batch, 0.01)
        other.learn(batch, 0.01)
    assert bits_of(learner) == bits_of(other)
    assert learner.tensors()["scaler"][0] != kept["scaler"][0]


def test_a_run_of_a_gpu_goes_on_without_one_if_told(gpus: Gpus, begin_run: BeginRun) -> None:
    gpus(0)
    path = stopped(begin_run(), 1).folder.path
    record = json.loads((path / "run.json").read_text())
    assert (record["asked"]["device"], record["plan"]["device"]) == ("auto", "cpu")
    record["plan"] |= {"device": "cuda", "precision": "float16"}
    record["environments"][0]["parts"]["device"] = "A GPU (CUDA 13.0, cuDNN 91300)"
    (path / "run.json").write_text(json.dumps(record))  # as if it had begun on a GPU
    for asked in ({}, {"device": "auto"}):
        with pytest.raises(OptionError, match=r"trains on a GPU, and .*: give device= cpu"):
            resume(path, asked)
    with pytest.raises(RunError, match="device was A GPU"):
        repeat(path, path.with_name("again"), {"device": "cpu"})
    run = resume(path, {"device": "cpu"})
    notes = " ".join(run.take_notes())
    assert "float16 does not suit the other device" in notes
    assert "device was A GPU (CUDA 13.0, cuDNN 91300) and is cpu" in notes
    stopped(run, 1)
    record = json.loads((path / "run.json").read_text())
    assert (record["plan"]["device"], record["plan"]["precision"]) == ("cpu", precisions_to_try("cpu", 12)[0])
    assert [had["step"] for had in record["environments"]] == [0, 1]
    gpus(1)
    again = resume(path, {"device": "auto"})  # it stays where it was told to be
    again.folder.unlock()
    assert again.recipe.device == "cpu"
    assert not any("device" in note for note in again.take_notes())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
class TestOnAGpu:
    """What only a GPU can show; the cells that its fast kernel takes, and a small one that it does not."""

    SHAPES: tuple[dict[str, int], ...] = (
        {},
        {"hidden_size": 128, "embedding_size": 128, "batch_size": 8, "seq_length": 40},
    )

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("precision", ["float16", "float32"])
    def test_equal_steps_give_equal_bits_from_tensors_too(self, shape: dict[str, Any], precision: Any) -> None:
        recipe = dataclasses.replace(RECIPE, device="cuda", precision=precision, reset_probability=0.3, **shape)
        source = Lanes(IDS, recipe, boundary=BOUNDARY, newline=0)
        first, second = learner_of(recipe), learner_of(recipe)
        for _ in range(5):
            batch = source.next()
            first.learn(batch, 0.01)
            second.learn(batch, 0.01)
        third = learner_of(dataclasses.replace(recipe, seed=99))
        third.load({name: tensor.copy() for name, tensor in first.tensors().items()}, first.step)
        for _ in range(5):
            batch = source.next()
            for learner in (first, second, third):
                learner.learn(batch, 0.01)
        assert bits_of(first) == bits_of(second) == bits_of(third)

    @pytest.mark.parametrize("optimizer", [*OPTIMIZERS])
    def test_in_float32_it_learns_as_the_processor_does(self, optimizer: Any) -> None:
        of_both = [
            learner_of(dataclasses.replace(RECIPE, device=device, optimizer=optimizer)) for device in ("cpu", "cuda")
        ]
        source = lanes()
        for _ in range(4):
            batch = source.next()
            costs = [learner.learn(batch, 0.001) for learner in of_both]
            assert costs[1] == pytest.approx(costs[0], rel=1e-3)
        nats = [learner.evaluate([lanes().next()]) for learner in of_both]
        np.testing.assert_allclose(nats[1], nats[0], atol=1e-2)

    @pytest.mark.parametrize("kind", [{}, {"lines": True}, {"recipe": "classic"}, {"base": True}])
    def test_a_run_that_was_stopped_ends_with_the_same_bits(self, begin_run: BeginRun, kind: dict[str, Any]) -> None:
        whole, parted = begin_run("whole", **kind), stopped(begin_run("parted", **kind), 1)
        assert whole.recipe.device == "cuda"
        for run in (whole, resume(parted.folder.path)):
            finish(run)
        assert outcome(parted.folder.path) == outcome(whole.folder.path)

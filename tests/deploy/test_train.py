"""The files for a training on several machines say what torchrun, `train` and Kubernetes understand."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
import yaml

from afterword.cli import main as command

DEPLOY = Path(__file__).parents[2] / "deploy"
BATCH = (DEPLOY / "train.sbatch").read_text(encoding="utf-8")
SERVICE, JOB = yaml.safe_load_all((DEPLOY / "train.yaml").read_text(encoding="utf-8"))
(CONTAINER,) = JOB["spec"]["template"]["spec"]["containers"]
COMMANDS = {
    "Slurm": shlex.split(BATCH.replace("\\\n", "").splitlines()[-1])[2:],
    "Kubernetes": [*CONTAINER["command"], *CONTAINER["args"]],
}


@pytest.mark.parametrize("system", COMMANDS)
def test_the_command_is_one_of_torchrun_and_of_train(system: str) -> None:
    words = COMMANDS[system]
    at = words.index("-m")
    torchrun = pytest.importorskip("torch.distributed.run")
    filled = [re.sub(r"\$(first|\w+)", "4", word) for word in words[1:]]
    found = torchrun.get_args_parser().parse_args(filled)
    assert (found.max_restarts, found.rdzv_backend, found.nnodes) == (3, "c10d", "1:4")
    train = command.program.get_command(click.Context(command.program), "train")
    assert train is not None
    asked = train.make_context("train", words[at + 3 :]).params
    assert (asked["texts"], asked["out"]) == (("/shared/book.txt",), "/shared/book")
    assert words[at : at + 3] == ["-m", "afterword", "train"]


def test_both_let_machines_come_and_go_and_are_short() -> None:
    assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in BATCH
    assert {one["name"]: one["value"] for one in CONTAINER["env"]} == {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    subprocess.run(["sh", "-n", DEPLOY / "train.sbatch"], check=True)
    first = f"{JOB['metadata']['name']}-0.{SERVICE['metadata']['name']}:29500"
    assert f"--rdzv-endpoint={first}" in CONTAINER["args"]
    assert JOB["spec"]["template"]["spec"]["subdomain"] == SERVICE["metadata"]["name"]
    for name in ("train.sbatch", "train.yaml"):
        assert len((DEPLOY / name).read_text(encoding="utf-8").splitlines()) <= 50


def test_kubernetes_accepts_both_objects() -> None:
    if not find_spec("kubernetes_validate"):
        pytest.skip("kubernetes-validate is missing: make test-extras")
    import kubernetes_validate

    for found in (SERVICE, JOB):
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)

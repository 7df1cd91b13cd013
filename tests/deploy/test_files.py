"""The files for Kubernetes and Compose say what the server and its container understand."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from afterword.cli import main as command
from afterword.serving.app import ROUTES
from afterword.serving.http.limits import Limits
from tests.serving.server import serving
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
KINDS: dict[str, Any] = {
    one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
}
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
POD = KINDS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
LONGEST = Limits().request_timeout + 2  # as long as a stream may last after a signal


def understood(arguments: list[str]) -> dict[str, Any]:
    """What `serve` makes of a container's arguments, which follow those of its entry point."""
    serve = command.program.get_command(click.Context(command.program), "serve")
    assert serve is not None
    return serve.make_context("serve", ["--host", "0.0.0.0", "--port", "8000", *arguments]).params


def test_kubernetes_accepts_every_object() -> None:
    if not find_spec("kubernetes_validate"):
        pytest.skip("kubernetes-validate is missing: make test-extras")
    import kubernetes_validate

    for found in KINDS.values():
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def test_the_pod_asks_for_what_the_server_offers() -> None:
    assert understood(CONTAINER["args"])["models"] == ("/model",)
    (port,) = CONTAINER["ports"]
    assert f"EXPOSE {port['containerPort']}\n" in DOCKERFILE
    opened = {route.path for route in ROUTES if route.is_open}
    assert {CONTAINER[probe]["httpGet"]["path"] for probe in ("readinessProbe", "startupProbe")} <= opened
    assert POD["terminationGracePeriodSeconds"] > LONGEST + CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    labels = KINDS["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert KINDS[kind]["spec"]["selector"]["matchLabels"].items() <= labels
    assert KINDS["Service"]["spec"]["selector"].items() <= labels
    assert KINDS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == KINDS["Deployment"]["metadata"]["name"]


def test_the_number_of_servers_follows_a_gauge_that_a_server_has(tmp_path: Path) -> None:
    (metric,) = KINDS["HorizontalPodAutoscaler"]["spec"]["metrics"]
    with serving(save_tiny(tmp_path / "tiny")) as server:
        assert server.gauge(metric["pods"]["metric"]["name"].removeprefix("afterword_")) == 0


def test_compose_runs_the_servers_that_nginx_asks() -> None:
    conf = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    servers = {name: one for name, one in COMPOSE.items() if "build" in one}
    assert re.findall(r"server ([\w-]+):8000 ", conf) == [*servers]
    for one in servers.values():
        assert (DEPLOY / one["build"] / "Dockerfile").is_file()
        plain = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in one["command"]]
        assert understood(plain)["models"] == ("/model",)
        assert one["volumes"][0].endswith(":/model:ro")
        assert float(one["stop_grace_period"].removesuffix("s")) > LONGEST
        assert one["environment"]["AFTERWORD_API_KEY"].startswith("${AFTERWORD_API_KEY:?")
    assert COMPOSE["nginx"]["depends_on"].keys() == servers.keys()
    (listens,) = re.findall(r"listen (\d+);", conf)
    assert COMPOSE["nginx"]["ports"] == [f"127.0.0.1:8080:{listens}"]
    (waits,) = re.findall(r"proxy_read_timeout (\d+)s", conf)
    assert float(waits) > LONGEST

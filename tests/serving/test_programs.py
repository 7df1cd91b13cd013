"""What other programs send, with the settings on docs/tools.md, gets what they read; and loggers get a run's curve."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.serving.server import Serving
from tests.test_docs import DOCS

PAGE = (DOCS / "tools.md").read_text(encoding="utf-8")
SENT = {
    # llm 0.36 with openai 3.57, as they came: `llm -m book TEXT`, with --no-stream, and with options
    "llm": [
        '{"model":"MODEL","stream":true,"prompt":"abc ","stream_options":{"include_usage":true}}',
        '{"model":"MODEL","stream":false,"prompt":"abc "}',
        '{"model":"MODEL","stream":false,"prompt":"abc ","max_tokens":30,"seed":3,"temperature":0.6}',
        '{"model":"MODEL","stream":false,"prompt":"abc ","stop":"END"}',
    ],
    # Continue's core/llm/llms/OpenAI.ts and core/autocomplete: its usual options, and those of the page
    "Continue": [
        '{"model":"MODEL","max_tokens":4096,"temperature":0.01,"stream":true,"stop":["\\n\\n","\\r\\n\\r\\n","/src/",'
        '"#- coding: utf-8","```"],"prompt":"abc"}',
        '{"model":"MODEL","max_tokens":24,"temperature":0.5,"stream":true,"stop":["\\n\\n","\\r\\n\\r\\n","/src/",'
        '"#- coding: utf-8","```"],"prompt":"abc"}',
    ],
    # lm-eval 0.4.13, as it came, for the log-probabilities of token ids
    "lm-eval": [
        '{"model":"MODEL","prompt":[[1,2,3,1],[2,3]],"temperature":0,"max_tokens":1,"logprobs":1,"seed":1234,"echo":true}'
    ],
}


def settings(language: str) -> list[Any]:
    """Return what the blocks of YAML below a heading say."""
    section = PAGE.split(f"\n## {language}")[1].split("\n## ")[0]
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]


@pytest.mark.parametrize(("program", "body"), [(one, body) for one, bodies in SENT.items() for body in bodies])
def test_a_request_that_a_program_sent_is_answered_as_it_reads_it(program: str, body: str, server: Serving) -> None:
    reply = server.post("/v1/completions", body.replace("MODEL", "tiny").encode())
    assert reply.status == 200, reply.body
    asked = json.loads(body)
    if not asked.get("stream"):
        prompts = asked["prompt"] if isinstance(asked["prompt"], list) else [asked["prompt"]]
        for choice, prompt in zip(reply.json["choices"], prompts, strict=True):
            assert choice["text"] or choice["finish_reason"] == "stop"  # by chance, at once
            if asked.get("echo"):
                logs = choice["logprobs"]
                assert len(logs["token_logprobs"]) == len(logs["top_logprobs"]) == len(prompt) + 1  # one was written
        return
    assert reply.headers["content-type"].startswith("text/event-stream")
    *parts, last, end = reply.body.decode().split("\n\n")
    assert (last, end) == ("data: [DONE]", "")
    read = [json.loads(part.removeprefix("data: ")) for part in parts]
    written = [choice for part in read for choice in part["choices"]]
    assert "".join(choice["text"] for choice in written) or written[-1]["finish_reason"] == "stop"  # at once
    if asked.get("stream_options"):
        assert read[-1]["choices"] == []
        assert read[-1]["usage"]["completion_tokens"] > 0


def test_the_settings_on_the_page_lead_to_these_requests() -> None:
    [continue_] = settings("Continue")
    [model] = continue_["models"]
    assert (model["provider"], model["promptTemplates"]["autocomplete"]) == ("openai", "{{{prefix}}}")
    assert model["apiBase"].endswith("/v1/")  # it puts `completions` in the place of what is after the last slash
    options = json.loads(SENT["Continue"][1])
    assert {"maxTokens": options["max_tokens"], "temperature": options["temperature"]} == model[
        "defaultCompletionOptions"
    ]
    [[book]] = settings("llm")
    assert book["completion"] is True
    assert book["api_base"].endswith("/v1")
    [task] = settings("lm-eval")
    assert task["output_type"] == "loglikelihood_rolling"


def test_the_page_logs_a_runs_curve_in_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    logged: dict[str, list[tuple[int, float]]] = {}

    class SummaryWriter:
        """PyTorch's, as far as the page uses it; the real one needs the package tensorboard."""

        def __init__(self, folder: str) -> None:
            assert folder == "logs/book"

        def add_scalar(self, name: str, value: float, step: int) -> None:
            logged.setdefault(name, []).append((step, value))

        def close(self) -> None:
            logged["closed"] = []

    stand_in = ModuleType("torch.utils.tensorboard")
    stand_in.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("the cat sat on the mat. a dog ran.\n" * 60)
    short = "steps=20, hidden_size=6, base='none', threads=1, "
    exec(code.replace("minutes=5, ", short), {})
    rows = [json.loads(line) for line in Path("book/metrics.jsonl").read_text().splitlines()]
    for name in ("loss", "validation"):
        steps, bits = zip(*logged[f"bits/{name}"], strict=True)
        assert [*steps] == [row["step"] for row in rows if row.get(name) is not None]
        assert [*bits] == pytest.approx([row[f"{name}_bits"] for row in rows if row.get(name) is not None], abs=1e-4)
    assert "closed" in logged

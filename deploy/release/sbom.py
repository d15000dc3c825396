"""
`make sbom`: the Python packages of the image as CycloneDX JSON, with their licences.

The image holds requirements/runtime.txt, and .venv holds more. So what is installed in .venv is told by cyclonedx-py,
and of that the part which the lock of the image names. Two runs of one lock give the same file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements/runtime.txt"
_IMAGE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}  # wherever this runs


class SbomError(Exception):
    """The list would not be that of the image. The text names the cure."""


def locked(text: str) -> dict[str, str]:
    """Name -> version of what a lock installs in the image."""
    lines = (line.removesuffix("\\").strip() for line in text.splitlines() if line[:1].isalnum())
    wanted = (Requirement(line) for line in lines)
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate(_IMAGE)
    }


def narrowed(bom: Mapping[str, Any], wanted: Mapping[str, str], declared: Callable[[str], str]) -> dict[str, Any]:
    """
    The same list with the wanted packages only. Raises SbomError where one is missing or of another version.

    ``declared``: a package's licence in its author's words, or nothing: for where the list has none.
    """
    found: dict[str, Any] = {canonicalize_name(each["name"]): each for each in bom["components"]}
    for name, version in wanted.items():
        has = found[name]["version"] if name in found else "none"
        if has != version:
            raise SbomError(f"requirements/runtime.txt has {name} {version}, .venv has {has}: `make setup`, then again")
    kept = [_licensed(found[name], declared) for name in sorted(wanted)]
    refs = {"root-component", *(each["bom-ref"] for each in kept)}
    return {**bom, "components": kept, "dependencies": list(_among(refs, bom["dependencies"]))}


def _licensed(component: Mapping[str, Any], declared: Callable[[str], str]) -> dict[str, Any]:
    words = "" if component.get("licenses") else declared(component["name"])
    if not words:
        return dict(component)
    return {**component, "licenses": [{"license": {"acknowledgement": "declared", "name": words}}]}


def _among(refs: set[str], dependencies: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for each in dependencies:
        if each["ref"] in refs:
            on = [ref for ref in each.get("dependsOn", ()) if ref in refs]
            yield {"ref": each["ref"], **({"dependsOn": on} if on else {})}


def own_words(name: str) -> str:
    """The field License of a package that is installed here, if it is a line."""
    try:
        told = metadata(name)
        words = told["License"].strip() if "License" in told else ""
    except PackageNotFoundError:
        return ""
    return "" if "\n" in words or words.upper() == "UNKNOWN" else words


def made() -> dict[str, Any]:
    """Of this working copy. Raises SbomError."""
    program = Path(sys.executable).with_name("cyclonedx-py")
    words = ("environment", "--no-validate", "--output-reproducible", "--pyproject", str(ROOT / "pyproject.toml"))
    try:
        done = subprocess.run([program, *words, sys.executable], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise SbomError(f"{program} is missing: `make setup`") from error
    except subprocess.CalledProcessError as error:
        raise SbomError(f"cyclonedx-py failed: {error.stderr.strip()}") from error
    return narrowed(json.loads(done.stdout), locked(LOCK.read_text("utf-8")), own_words)


def validated(text: str) -> str:
    """Held against CycloneDX's own schema. Raises SbomError."""
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415 - it takes its time
    from cyclonedx.validation import make_schemabased_validator  # noqa: PLC0415

    wrong = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise SbomError(f"the list is no CycloneDX 1.6: {wrong}")
    return text


def main(arguments: list[str]) -> int:
    try:
        bom = made()
        text = validated(json.dumps(bom, indent=2, sort_keys=True) + "\n")
    except SbomError as error:
        sys.stderr.write(f"sbom: {error}\n")
        return 1
    version = bom["metadata"]["component"]["version"]
    to = Path(arguments[0]) if arguments else ROOT / f"dist/reberth-{version}.cdx.json"
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{to}: {len(bom['components'])} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

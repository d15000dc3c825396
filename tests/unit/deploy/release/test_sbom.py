"""The list of what is in the image names each locked package, with its version, and its licence where it is known."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.release.sbom import LOCK, SbomError, locked, made, main, narrowed, own_words, validated

LOCKED = """# by make lock
aiohttp==3.14.5 \\
    --hash=sha256:00 \\
    # via x
prometheus-client==0.26.0 \\
    --hash=sha256:00
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:00
uvloop==1.0 ; sys_platform != 'win32' \\
    --hash=sha256:00
"""
BOM: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "components": [
        {"name": "prometheus_client", "version": "0.26.0", "bom-ref": "p", "licenses": [{"expression": "MIT"}]},
        {"name": "aiohttp", "version": "3.14.5", "bom-ref": "a"},
        {"name": "pytest", "version": "9.2.0", "bom-ref": "t"},
    ],
    "dependencies": [
        {"ref": "root-component", "dependsOn": ["a", "t"]},
        {"ref": "a", "dependsOn": ["t"]},
        {"ref": "t", "dependsOn": ["a"]},
    ],
}
WANTED = {"aiohttp": "3.14.5", "prometheus-client": "0.26.0"}


def test_what_a_lock_installs_on_linux_is_wanted_and_nothing_else() -> None:
    assert locked(LOCKED) == {**WANTED, "uvloop": "1.0"}


def test_what_the_image_does_not_hold_is_left_out_with_what_depends_on_it() -> None:
    found = narrowed(BOM, WANTED, lambda _: "")
    assert [each["name"] for each in found["components"]] == ["aiohttp", "prometheus_client"]
    assert found["dependencies"] == [{"ref": "root-component", "dependsOn": ["a"]}, {"ref": "a"}]
    assert found["bomFormat"] == "CycloneDX"


def test_a_licence_in_the_author_s_words_stands_where_the_list_has_none() -> None:
    one, other = narrowed(BOM, WANTED, lambda name: f"that of {name}")["components"]
    assert one["licenses"] == [{"license": {"acknowledgement": "declared", "name": "that of aiohttp"}}]
    assert other["licenses"] == [{"expression": "MIT"}]
    assert "licenses" not in narrowed(BOM, WANTED, lambda _: "")["components"][0]


@pytest.mark.parametrize("wanted", [{"aiohttp": "3.14.6"}, {"missing": "1"}])
def test_a_list_that_would_not_be_that_of_the_lock_is_refused_with_the_cure(wanted: dict[str, str]) -> None:
    with pytest.raises(SbomError, match="make setup"):
        narrowed(BOM, wanted, lambda _: "")


def test_a_package_s_own_words_are_a_line_or_nothing() -> None:
    assert own_words("aiodocker")
    assert own_words("there-is-none") == ""


def test_the_list_of_this_project_has_each_locked_package_once_with_its_licence() -> None:
    bom = made()
    # Read without the parser under test. Markers: colorama is for Windows.
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==(\S+) \\$", LOCK.read_text(), re.MULTILINE))
    found = {each["name"].lower().replace("_", "-"): each for each in bom["components"]}
    assert {name: each["version"] for name, each in found.items()} == pinned
    assert len(bom["components"]) == len(found)
    assert [name for name, each in found.items() if not each.get("licenses")] == []
    assert [name for name, each in found.items() if not each["purl"].startswith("pkg:pypi/")] == []
    own = bom["metadata"]["component"]
    assert (own["name"], own["licenses"][0]["license"]["id"]) == ("reberth", "Apache-2.0")


def test_it_is_written_where_it_is_wanted_as_the_schema_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "new" / "sbom.json"
    assert main([str(to)]) == 0
    bom = json.loads(to.read_text())
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert f"{len(bom['components'])} packages" in capsys.readouterr().out
    with pytest.raises(SbomError, match=r"no CycloneDX 1\.6"):
        validated(json.dumps({**bom, "components": [{"name": "without a type"}]}))

"""The list of what is in the image, made of this project: each locked package once, in the form that was promised."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deploy.release.sbom import LOCK, SbomError, made, main, validated


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

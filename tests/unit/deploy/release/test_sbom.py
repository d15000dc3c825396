"""The list of what is in the image is narrowed to what the lock installs, and refused where it would be another."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.release.sbom import SbomError, locked, narrowed, own_words

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

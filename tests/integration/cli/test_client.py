"""Commands on a listening controller: what a script learns from the exit code, and a person from the words."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.support.api_site import Site
from tests.support.terminal import reberth


async def test_an_answer_ends_with_0_and_has_every_form(place: Site) -> None:
    drawn, wide, as_json, as_yaml = [await reberth(place.door, "status", "-o", form) for form in
                                     ("table", "wide", "json", "yaml")]  # fmt: skip
    assert [each.returncode for each in (drawn, wide, as_json, as_yaml)] == [0, 0, 0, 0]
    assert "data" in drawn.stdout
    assert "1 GiB" not in drawn.stdout
    assert "1 GiB" in wide.stdout
    found, same = json.loads(as_json.stdout), yaml.safe_load(as_yaml.stdout)
    assert found["volumes"][0]["size_bytes"] == 2**30
    assert same["volumes"] == found["volumes"]


async def test_what_is_not_there_ends_with_3_and_wrong_use_with_2(place: Site) -> None:
    for words in (("explain", "nothing"), ("history", "nothing"), ("confirm-dead", "nobody", "--reason", "x", "--yes")):
        missing = await reberth(place.door, *words)
        assert (missing.returncode, "there is no" in missing.stderr) == (3, True), missing
    assert (await reberth(place.door, "status", "--state", "fine")).returncode == 2
    assert (await reberth(place.door, "history", "--since", "long")).returncode == 2


async def test_a_refusal_ends_with_1_and_the_reason(place: Site) -> None:
    ready = await reberth(place.door, "confirm-dead", "host-a", "--reason", "x", "--yes")
    assert (ready.returncode, "is ready: its VM lives" in ready.stderr) == (1, True)


async def test_no_controller_ends_with_4_and_of_a_check_with_3(tmp_path: Path) -> None:
    nobody = tmp_path / "no.sock"
    asked, checked = await reberth(nobody, "status"), await reberth(nobody, "status", "--check")
    assert (asked.returncode, "there is no controller behind" in asked.stderr) == (4, True)
    assert (checked.returncode, checked.stdout.startswith("REBERTH UNKNOWN - there is no controller")) == (3, True)
    version = await reberth(nobody, "version")
    assert (version.returncode, "there is no controller" in version.stdout) == (0, True)


async def test_the_versions_of_both_ends_are_told_with_each_gate(place: Site) -> None:
    found = json.loads((await reberth(place.door, "version", "-o", "json")).stdout)
    assert found["command"] == found["acting"]
    assert found["holder"] == "host-a"
    assert set(found["gates"]) == {"host-a", "host-b", "host-c"}
    assert found["gate_versions"] == {"host-b": "test"}
    assert "gate of host-b: test, " in (await reberth(place.door, "version")).stdout

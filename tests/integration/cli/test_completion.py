"""A shell completes the names of what there is, and nothing where no controller answers."""

from __future__ import annotations

from pathlib import Path

from tests.support.api_site import site
from tests.support.certificates import SwarmCa
from tests.support.terminal import reberth


async def completed(door: Path, *words: str) -> list[str]:
    """What bash would offer for the last of the words."""
    asked = {"_REBERTH_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return (await reberth(door, **asked)).stdout.split()


async def test_volumes_and_nodes_are_completed_from_their_first_letters(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted()
        assert await completed(place.door, "reberth", "explain", "da") == ["data"]
        assert await completed(place.door, "reberth", "explain", "x") == []
        assert await completed(place.door, "reberth", "confirm-dead", "host-b") == ["host-b"]
        assert await completed(place.door, "reberth", "status", "--node", "host") == ["host-a", "host-b", "host-c"]


async def test_without_a_controller_nothing_is_offered_and_nothing_is_said(tmp_path: Path) -> None:
    assert await completed(tmp_path / "no.sock", "reberth", "explain", "da") == []

"""What is paused on the command line is said by `reberth status` until it is resumed."""

from __future__ import annotations

from pathlib import Path

from tests.support.api_site import site
from tests.support.certificates import SwarmCa
from tests.support.terminal import reberth


async def test_a_volume_and_a_node_are_paused_shown_and_resumed(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted()
        volume = await reberth(place.door, "pause", "--volume", "data", "--reason", "copied", "--for", "2h")
        assert volume.stdout.startswith("paused: volume data: copied (until ")
        node = await reberth(place.door, "pause", "--node", "host-b", "--reason", "mended")
        assert node.stdout == "paused: node host-b: mended\n"
        shown = (await reberth(place.door, "status")).stdout
        assert "Paused: volume data: copied (until " in shown
        assert "`reberth resume --node host-b` ends that" in shown
        wrong = await reberth(place.door, "pause", "--volume", "dta", "--reason", "x")
        assert (wrong.returncode, "there is no volume 'dta'" in wrong.stderr) == (3, True)
        assert (await reberth(place.door, "resume", "--node", "host-b")).stdout == "resumed: node host-b\n"
        assert (await reberth(place.door, "resume", "--volume", "data")).stdout == "resumed: volume data\n"
        assert "Paused" not in (await reberth(place.door, "status")).stdout

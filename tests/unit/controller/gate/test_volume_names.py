"""Which names are ours: only a yes keeps Docker from an empty local volume."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.gate.gate import Gate
from controller.gate.volume_names import ASK_SECONDS, BELIEVED_SECONDS, INSPECT_SECONDS
from controller.gate.volume_plugin import Protocol, Request
from controller.model import VolumeName
from controller.protocol import messages
from controller.protocol.messages import Names
from controller.volumes.naming import volume_key
from tests.support.fake_host import FakeHost, grant
from tests.support.gate_rig import FakeController, running

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def knows(gate: Gate, name: str) -> bool:
    return await gate.get(name) is not None


async def told(controller: FakeController, names: Names, seconds: float = 10.0) -> None:
    controller.names_told = names
    controller.changed()
    await asyncio.sleep(seconds)


async def test_a_name_that_was_never_seen_here_is_known_at_once_without_any_controller(tmp_path: Path) -> None:
    """An external volume on a node that never had it, while all controllers are away."""
    controller = FakeController(names_told=Names(7, 1, ("shop", "wiki")))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        controller.down = "the managers are away"
        began = now()
        assert await knows(gate, "shop")
        assert [each.name for each in await gate.listed()] == ["shop", "wiki"]
        assert now() == began


async def test_the_list_outlives_the_gate_and_its_exchange(tmp_path: Path) -> None:
    controller = FakeController(names_told=Names(7, 1, ("shop",)))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        assert await knows(gate, "shop")
    controller.down = "the managers are away"
    async with running(FakeHost(), controller, tmp_path) as gate:
        assert await knows(gate, "shop")


async def test_a_name_that_no_list_has_is_asked_of_a_controller_and_kept(tmp_path: Path) -> None:
    """Made a moment ago on another node."""
    controller = FakeController(names_told=Names(7, 1))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        assert not await knows(gate, "new")
        await controller.create("new", {})
        assert await knows(gate, "new")
        controller.down = "the managers are away"
        assert await knows(gate, "new")


async def test_an_unknown_name_is_not_ours_when_no_controller_answers_within_seconds(tmp_path: Path) -> None:
    """Every `docker run` with a local volume asks: it must not hang while controllers are away."""
    controller = FakeController(down="the managers are away")
    async with running(FakeHost(), controller, tmp_path) as gate:
        began = now()
        assert not await knows(gate, "cache")
        assert now() - began == pytest.approx(ASK_SECONDS, abs=0.1)


@pytest.mark.parametrize("name", ["0" * 64, "a\nb", "x" * 256])
async def test_what_cannot_be_a_volume_of_ours_is_refused_without_a_question(tmp_path: Path, name: str) -> None:
    async with running(FakeHost(), FakeController(down="away"), tmp_path) as gate:
        began = now()
        assert not await knows(gate, name)
        assert now() == began


async def test_an_older_list_never_replaces_a_newer_one(tmp_path: Path) -> None:
    """A leader that was deposed and does not know it yet."""
    controller = FakeController(names_told=Names(7, 2, ("shop",)))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        controller.down = "only the deposed one can be reached"
        for older in (Names(6, 9, ("old",)), Names(7, 1, ("old",))):
            await told(controller, older)
            assert await knows(gate, "shop")
            assert not await knows(gate, "old")


async def test_after_a_newer_list_what_was_removed_is_known_no_more(tmp_path: Path) -> None:
    controller = FakeController(names_told=Names(7, 2, ("shop",)))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        await told(controller, Names(8, 1, ("wiki",)))
        assert [each.name for each in await gate.listed()] == ["wiki"]


async def test_of_a_swarm_made_anew_the_list_counts_when_no_other_was_heard_for_long(tmp_path: Path) -> None:
    """Its epochs begin at 1 again: no deposed leader answers for minutes."""
    controller = FakeController(names_told=Names(7, 2, ("shop",)))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        await told(controller, Names(1, 1, ("wiki",)), BELIEVED_SECONDS - 20)
        assert [each.name for each in await gate.listed()] == ["shop"]
        await asyncio.sleep(40)
        assert [each.name for each in await gate.listed()] == ["wiki"]


async def test_a_name_whose_record_cannot_be_read_stays_a_volume(tmp_path: Path) -> None:
    """Also where this node never saw it."""
    keys = tuple(volume_key(VolumeName(name)) for name in ("shop", "unseen"))
    controller = FakeController(names_told=Names(7, 1, ("shop", "wiki")))
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        await told(controller, Names(7, 2, ("wiki",), keys))
        controller.down = "away"
        assert [each.name for each in await gate.listed()] == ["shop", "wiki"]
        assert await knows(gate, "unseen")
        assert not await knows(gate, "another")


async def test_with_a_controller_of_an_older_version_names_are_asked_one_by_one(tmp_path: Path) -> None:
    controller = FakeController(volumes={"shop": messages.Volume("shop", 1, "ext4")})
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(100)
        assert await knows(gate, "shop")


async def test_inspect_tells_what_a_controller_says_and_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    details = messages.Details("shop", "ok", "it runs", "swarm02", 10 << 30, "ext4", "disk-1", created=1_700_000_000.0)
    controller = FakeController(names_told=Names(7, 1, ("shop", "wiki")), details={"shop": details})
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        assert await inspected(gate, "shop") == {
            "Name": "shop",
            "Mountpoint": "",
            "CreatedAt": "2023-11-14T22:13:20Z",
            "Status": {
                "reberth": "ok",
                "state": "ok",
                "why": "it runs",
                "node": "swarm02",
                "size": "10GiB",
                "fstype": "ext4",
                "disk": "disk-1",
                "created": "2023-11-14T22:13:20Z",
            },
        }
        assert await inspected(gate, "wiki") == {"Name": "wiki", "Mountpoint": "", "Status": {"reberth": "ok"}}


async def test_inspect_where_it_is_mounted_tells_what_is_used_also_without_a_controller(tmp_path: Path) -> None:
    controller = FakeController(names_told=Names(7, 1, ("data",)))
    controller.grant(grant())
    async with running(FakeHost(), controller, tmp_path) as gate:
        await gate.mount("data", "a")
        controller.down = "away"
        status = (await inspected(gate, "data"))["Status"]
        assert (status["used"], status["available"]) == ("4KiB", "8KiB")


async def test_a_controller_that_hangs_delays_the_start_of_a_container_by_an_instant_and_not_again(
    tmp_path: Path,
) -> None:
    """Docker asks Get several times at each start."""
    controller = FakeController(names_told=Names(7, 1, ("shop",)), slow=60.0)
    async with running(FakeHost(), controller, tmp_path) as gate:
        await asyncio.sleep(1)
        began = now()
        for _ in range(3):
            assert await knows(gate, "shop")
        assert now() - began == pytest.approx(INSPECT_SECONDS, abs=0.05)


async def inspected(gate: Gate, name: str) -> dict[str, Any]:
    return dict((await Protocol(gate).get(Request(Name=name)))["Volume"])

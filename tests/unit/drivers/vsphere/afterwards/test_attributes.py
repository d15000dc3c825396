"""A custom attribute is for people: what it says, and that nothing waits or fails for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from drivers.shared.faults import Doubt
from drivers.vsphere.afterwards.attributes import Attributes, value
from drivers.vsphere.faults import Fault, Kind
from drivers.vsphere.inventory import Disk, File, Place, Vm

pytestmark = pytest.mark.looptime
PLACE = Place("datastore-1", "DS", "reberth")


def vm(*keys: str) -> Vm:
    return Vm("vm-1", "node1", disks=tuple(Disk(2, 1, 1, (File("DS", f"reberth/{key}.vmdk"),)) for key in keys))


@dataclass
class Server:
    """Keeps what is set, or fails."""

    error: Exception | None = None
    hangs: bool = False
    said: list[str] = field(default_factory=list)
    asked: int = 0

    async def vm(self, ref: str) -> Vm:
        assert ref == "vm-1"
        return vm("b", "a")

    async def set_attribute(self, ref: str, name: str, text: str) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(3600)
        if self.error is not None:
            raise self.error
        self.said.append(f"{ref} {name}: {text}")


def test_many_volumes_are_counted_after_the_first_twenty() -> None:
    assert value([f"v{number:02}" for number in range(22)]).endswith("v18, v19 and 2 more")
    assert value([]) == ""


async def test_it_says_what_the_vm_has_now_whatever_it_had_before() -> None:
    server = Server()
    await Attributes(server, "Volumes").show(vm("gone"), PLACE)
    assert server.said == ["vm-1 Volumes: a, b"]


async def test_without_the_setting_nothing_is_asked() -> None:
    server = Server()
    await Attributes(server, None).show(vm(), PLACE)
    assert server.asked == 0


@pytest.mark.parametrize("kind", [Kind.PERMISSION, Kind.INVALID, Kind.NOT_FOUND])
async def test_what_would_be_refused_again_is_asked_once(kind: Kind) -> None:
    server = Server(Fault(kind, "no"))
    attributes = Attributes(server, "Volumes")
    with capture_logs() as logs:
        await attributes.show(vm(), PLACE)
        await attributes.show(vm(), PLACE)
    assert server.asked == 1
    assert [each["event"] for each in logs] == ["attribute.not_set"]


async def test_a_server_that_hangs_or_falls_over_is_left_soon_and_asked_the_next_time() -> None:
    for server in (Server(hangs=True), Server(Doubt("no answer")), Server(Fault(Kind.UNKNOWN, "SystemError"))):
        attributes = Attributes(server, "Volumes")
        with capture_logs() as logs:
            async with asyncio.timeout(10):
                await attributes.show(vm(), PLACE)
                await attributes.show(vm(), PLACE)
        assert server.asked == len(logs) == 2

"""What a gate does with orders to connect a disk, on a kernel in memory: once each, in turn, and never an old one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.gate.connecting.connections import ANSWER_SECONDS, Connections
from controller.gate.kernel.connecting.connector import Word
from controller.gate.state_file import StateFile
from controller.model import Connection
from controller.protocol.connecting.orders import Carried, connect
from controller.protocol.messages import Orders
from tests.support.connections import connection
from tests.support.fake_host import FakeHost

pytestmark = pytest.mark.looptime


@dataclass
class Scene:
    host: FakeHost
    store: StateFile
    news: list[float] = field(default_factory=list)
    connections: Connections = field(init=False)

    def __post_init__(self) -> None:
        self.connections = Connections(self.host, self.store, lambda: self.news.append(now()))

    def order(self, name: str, what: Connection | None = None) -> None:
        self.connections.obey(Orders(connects=(connect(name, what or connection()),)))

    async def said(self, seconds: float = 0.1) -> dict[str, str]:
        """What is reported after so long, by the names of the orders."""
        await asyncio.sleep(seconds)
        return {each.order: each.outcome for each in self.connections.report()}

    def why(self, order: str) -> str:
        return next(each.why for each in self.connections.report() if each.order == order)


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def scene(folder: Path, host: FakeHost | None = None, boot: str = "b1") -> AsyncIterator[Scene]:
    """As a gate that started: its file is read, and is another boot's where the kernel is."""
    made = Scene(host or FakeHost(), store := StateFile(folder / "gate.json", FakeHost().in_thread))
    await store.load()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.run()), group.create_task(made.connections.run())]
        await store.rebuild(boot, {})
        yield made
        for each in tasks:
            each.cancel()


async def test_an_order_is_carried_out_and_told_until_the_controller_has_answered(tmp_path: Path) -> None:
    async with scene(tmp_path) as place:
        place.order("o1")
        assert await place.said() == {"o1": "done"}
        assert place.host.orders == [(connection(), False)]
        assert len(place.news) == 1

        place.connections.told((Carried("o1", "done"),))
        assert await place.said() == {}


async def test_what_is_ordered_to_be_undone_is_undone(tmp_path: Path) -> None:
    async with scene(tmp_path) as place:
        place.connections.obey(Orders(disconnects=(connect("o1", connection()),)))
        await place.said()
        assert place.host.orders == [(connection(), True)]


async def test_an_order_that_is_said_again_is_carried_out_once(tmp_path: Path) -> None:
    """While it is under way, while its answer waits, and when that was told."""
    async with scene(tmp_path, FakeHost(mute=asyncio.Event())) as place:
        assert place.host.mute is not None
        place.order("o1")
        await place.said()
        place.order("o1")
        place.host.mute.set()
        await place.said()
        place.order("o1")
        place.connections.told(place.connections.report())
        place.order("o1")
        assert await place.said() == {}
        assert len(place.host.orders) == 1


async def test_the_kernel_s_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    async with scene(tmp_path, FakeHost(word=Word("refused", "the key is gone"))) as place:
        place.order("o1")
        assert await place.said() == {"o1": "refused"}
        assert place.why("o1") == "the key is gone"


async def test_a_disk_that_does_not_answer_leaves_its_order_in_doubt_and_begins_no_second_one(tmp_path: Path) -> None:
    """Until the first has ended: then the next is carried out."""
    async with scene(tmp_path, FakeHost(mute=asyncio.Event())) as place:
        assert place.host.mute is not None
        place.order("o1")
        assert await place.said(ANSWER_SECONDS - 0.1) == {}
        assert await place.said(0.2) == {"o1": "in-doubt"}
        place.order("o2")
        assert await place.said() == {"o1": "in-doubt", "o2": "in-doubt"}
        assert len(place.host.orders) == 1

        place.host.mute.set()
        await place.said()
        place.order("o3")
        assert (await place.said())["o3"] == "done"


async def test_one_disk_that_does_not_answer_holds_no_other(tmp_path: Path) -> None:
    async with scene(tmp_path, FakeHost(mute=asyncio.Event())) as place:
        assert place.host.mute is not None
        place.order("o1")
        await place.said()
        place.host.mute = None
        place.order("o2", connection("lun-2"))
        assert await place.said() == {"o2": "done"}


async def test_an_order_of_an_older_epoch_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    async with scene(tmp_path) as place:
        place.order("o1", connection(epoch=5))
        await place.said()
        place.order("o2", connection("lun-2", epoch=4))
        assert await place.said() == {"o1": "done", "o2": "refused"}
    async with scene(tmp_path) as place:
        place.order("o3", connection("lun-3", epoch=4))
        place.order("o4", connection("lun-4", epoch=5))
        assert await place.said() == {"o3": "refused", "o4": "done"}
        assert "this gate has met epoch 5" in place.why("o3")
        assert [what.disk for what, _ in place.host.orders] == ["lun-4"]


async def test_in_another_boot_epochs_may_begin_anew(tmp_path: Path) -> None:
    """As after a backup of the swarm that was brought back: what was mounted went with the kernel."""
    async with scene(tmp_path) as place:
        place.order("o1", connection(epoch=5))
        await place.said()
    async with scene(tmp_path, boot="b2") as place:
        place.order("o2", connection(epoch=4))
        assert await place.said() == {"o2": "done"}


async def test_a_refused_order_does_not_hold_its_disk(tmp_path: Path) -> None:
    async with scene(tmp_path) as place:
        place.order("o1", connection("lun-2", epoch=5))
        await place.said()
        place.order("o2", connection(epoch=4))
        await place.said()
        place.order("o3", connection(epoch=5))
        assert (await place.said())["o3"] == "done"


async def test_without_a_place_to_keep_the_epoch_nothing_is_connected(tmp_path: Path) -> None:
    async with scene(tmp_path) as place:
        await asyncio.sleep(0)
        (tmp_path / "gate.new").mkdir()
        place.order("o1")
        assert await place.said() == {"o1": "refused"}
        assert "cannot be written" in place.why("o1")
        assert place.host.orders == []


async def test_a_kind_that_this_gate_does_not_know_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path, FakeHost(kinds=())) as place:
        place.order("o1")
        assert await place.said() == {"o1": "refused"}


class Buggy(FakeHost):
    def carry_out(self, what: Connection, *, undo: bool) -> asyncio.Future[Word]:
        async def work() -> Word:
            raise RuntimeError("a bug")

        return asyncio.ensure_future(work())


async def test_a_bug_on_the_way_leaves_the_order_in_doubt(tmp_path: Path) -> None:
    async with scene(tmp_path, Buggy()) as place:
        place.order("o1")
        assert await place.said() == {"o1": "in-doubt"}
        assert "a bug" in place.why("o1")

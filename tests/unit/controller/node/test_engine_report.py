"""What a node tells of its engine is small, named, and never in the way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controller.node.docker_engine import EngineError, Info, Manager, Swarm
from controller.node.engine_report import MOST_NAMES, engine_report

INFO = Info(
    "swarm01",
    "/srv/docker",
    "26.1.5",
    "6.1.0-44",
    live_restore_enabled=True,
    security_options=["name=userns"],
    swarm=Swarm("10.0.0.1", [Manager("10.0.0.1:2377"), Manager("10.0.0.2:2377"), Manager("[fd00::3]:2377")]),
)


@dataclass
class FakeDocker:
    volumes: tuple[str, ...] = ()
    away: bool = False

    async def info(self) -> Info:
        if self.away:
            raise EngineError("Docker cannot be reached")
        return INFO

    async def local_volumes(self) -> tuple[str, ...]:
        return self.volumes


async def test_the_engine_s_own_words_are_passed_on() -> None:
    report = await engine_report(FakeDocker(("pgdata",)), lambda: 42.0, lambda: True)
    assert report is not None
    assert (report.docker_root, report.kernel, report.live_restore) == ("/srv/docker", "6.1.0-44", True)
    assert (report.security, report.local_volumes) == (("name=userns",), ("pgdata",))
    assert (report.multipath, report.clock) == (True, 42.0)


async def test_anonymous_volumes_are_left_out_and_names_are_bounded() -> None:
    many = tuple(f"v{number:04}" for number in range(MOST_NAMES + 50))
    report = await engine_report(FakeDocker((*many, "0123456789abcdef" * 4, "x" * 256)), lambda: 0.0)
    assert report is not None
    assert len(report.local_volumes) == MOST_NAMES
    assert not any(len(name) >= 64 for name in report.local_volumes)


async def test_the_way_to_the_other_managers_and_the_room_for_docker_s_data_are_told() -> None:
    """A manager's own address is no way: its MTU is that of loopback."""
    asked: list[str] = []

    def mtu(addresses: Iterable[str]) -> int:
        asked.extend(addresses)
        return 1450

    report = await engine_report(FakeDocker(), lambda: 0.0, lambda: False, mtu, lambda: (5, 9))
    assert report is not None
    assert (report.mtu, report.root_free, report.root_size) == (1450, 5, 9)
    assert asked == ["10.0.0.2", "fd00::3"]


async def test_what_the_kernel_does_not_tell_is_left_open() -> None:
    report = await engine_report(FakeDocker(), lambda: 0.0, lambda: False, lambda _: None, lambda: None)
    assert report is not None
    assert (report.mtu, report.root_free, report.root_size) == (None, None, None)


async def test_a_docker_that_does_not_answer_leaves_the_report_out() -> None:
    assert await engine_report(FakeDocker(away=True), lambda: 0.0) is None

"""The node service's two jobs, with a Docker and controllers that fail and recover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from controller.model import BootId, VmId
from controller.node.docker_engine import EngineError, Info, User
from controller.node.installer import Gate
from controller.node.plugin_config import Installed
from controller.node.service import HELLO_SECONDS, RETRY_SECONDS, UNWANTED_SECONDS, NodeService, plugin_settings
from controller.protocol.answers import Status
from controller.protocol.beats import Beat, Pace
from controller.protocol.client import ControllerRefused, ControllerUnreachable
from controller.protocol.machine import Machine, MachineUnknown
from controller.protocol.messages import EngineReport, Hello

pytestmark = pytest.mark.looptime
VM = Machine(VmId("vm-1"), BootId("boot-1"))


async def _tar() -> AsyncIterator[bytes]:
    yield b""


@dataclass
class FakeDocker:
    failures: int = 0
    plugin: Installed | None = None

    async def installed(self) -> Installed | None:
        if self.failures:
            self.failures -= 1
            raise EngineError("Docker cannot be reached")
        return self.plugin

    async def users(self) -> tuple[User, ...]:
        return ()

    async def create(self, archive: AsyncIterator[bytes]) -> None:
        self.plugin = Installed(False, "c")

    async def enable(self) -> None:
        self.plugin = Installed(True, "c")

    async def disable(self) -> None:
        raise AssertionError

    async def remove(self) -> None:
        raise AssertionError

    async def stop(self, container: str) -> None:
        raise AssertionError


@dataclass
class FakeControllers:
    failures: int = 0
    heard: list[tuple[float, Hello]] = field(default_factory=list)

    beats: list[float] = field(default_factory=list)
    every: float = 0.0
    refusal: Exception | None = None

    async def beat(self, beat: Beat) -> Pace:
        assert beat == Beat("vm-1", "boot-1")
        self.beats.append(asyncio.get_running_loop().time())
        if self.refusal is not None:
            raise self.refusal
        return Pace(self.every)

    async def hello(self, hello: Hello) -> None:
        if self.failures:
            self.failures -= 1
            raise ControllerUnreachable("no controller could answer")
        self.heard.append((asyncio.get_running_loop().time(), hello))


async def run_for(seconds: float, service: NodeService) -> None:
    try:
        async with asyncio.timeout(seconds):
            await service.run()
    except TimeoutError:
        pass


def service(docker: FakeDocker, controllers: FakeControllers) -> NodeService:
    return NodeService(
        docker, Gate("c", _tar), controllers, lambda: VM, "swarm01", alive=lambda: None, tcp_retries2=lambda: 7
    )


async def test_a_node_is_reported_at_the_start_and_every_minute() -> None:
    """The controller hears of a node at once, and again each minute as long as nothing changes."""
    controllers = FakeControllers()

    await run_for(HELLO_SECONDS * 2 + 5, service(FakeDocker(), controllers))

    assert controllers.heard[-1][1] == Hello("vm-1", "boot-1", "swarm01", "running", 7)
    assert sorted({round(at) for at, _ in controllers.heard}) == [0, 60, 120]


async def test_a_report_that_fails_is_tried_again_soon() -> None:
    """While no controller answers the node asks again every few seconds, for as long as it takes."""
    controllers = FakeControllers(failures=5)

    await run_for(RETRY_SECONDS * 6, service(FakeDocker(plugin=Installed(True, "c")), controllers))

    assert len(controllers.heard) == 1


@dataclass
class OlderControllers(FakeControllers):
    """They do not know a field of the report."""

    async def hello(self, hello: Hello) -> None:
        if hello.engine is not None:
            raise ControllerRefused("the request is not understood", Status.BAD)
        await super().hello(hello)


async def test_an_older_controller_is_told_what_it_understands() -> None:
    """While controllers are upgraded a newer node is known to the older ones, without its report."""
    controllers = OlderControllers()
    one = service(FakeDocker(plugin=Installed(True, "c")), controllers)

    async def report() -> EngineReport:
        return EngineReport(mtu=1500)

    one.report = report
    await run_for(1, one)

    assert [hello for _, hello in controllers.heard][-1] == Hello("vm-1", "boot-1", "swarm01", "running", 7)


async def test_what_else_is_refused_is_not_asked_again_at_once() -> None:
    class Strict(FakeControllers):
        async def hello(self, hello: Hello) -> None:
            self.heard.append((0.0, hello))
            raise ControllerRefused("you are not of this swarm", Status.FORBIDDEN)

    controllers = Strict()
    one = service(FakeDocker(plugin=Installed(True, "c")), controllers)

    async def report() -> EngineReport:
        return EngineReport(mtu=1500)

    one.report = report
    await run_for(1, one)

    assert all(hello.engine is not None for _, hello in controllers.heard)


async def test_a_word_without_a_report_that_is_refused_has_nothing_to_leave_out() -> None:
    class Strange(FakeControllers):
        async def hello(self, hello: Hello) -> None:
            self.heard.append((asyncio.get_running_loop().time(), hello))
            raise ControllerRefused("the request is not understood", Status.BAD)

    controllers = Strange()
    await run_for(RETRY_SECONDS * 3, service(FakeDocker(plugin=Installed(True, "c")), controllers))

    later = [round(at) for at, _ in controllers.heard if at > 1]  # at the start the gate's state is news at once
    assert later == [3, 6]


async def test_a_docker_that_fails_is_told_and_asked_again() -> None:
    """The reason reaches the controller; when Docker answers again the gate is made."""
    docker, controllers = FakeDocker(failures=2), FakeControllers()

    await run_for(RETRY_SECONDS * 4, service(docker, controllers))

    assert docker.plugin == Installed(True, "c")
    assert [hello.gate for _, hello in controllers.heard][-2:] == ["Docker cannot be reached", "running"]


async def test_a_machine_that_cannot_be_told_keeps_nothing_from_the_gate() -> None:
    """Without a VM's UUID the node is not reported, but its gate is made: it will say why volumes cannot come."""

    def unknown() -> Machine:
        raise MachineUnknown("no UUID")

    docker, controllers = FakeDocker(), FakeControllers()
    one = service(docker, controllers)
    one.machine = unknown

    await run_for(10, one)

    assert docker.plugin == Installed(True, "c")
    assert controllers.heard == []


def test_the_plugins_settings_come_from_docker_and_the_services_own_environment() -> None:
    """Docker says where its root is; the rest is the node service's environment, an empty value is none."""
    info = Info(name="swarm01", docker_root_dir="/data/docker")

    settings = plugin_settings(info, {"REBERTH_PORT": "7000", "REBERTH_MACHINE_FOLDER": "", "PATH": "/bin"})

    assert (settings.docker_root, settings.environment, settings.machine_folder) == (
        "/data/docker",
        {"REBERTH_PORT": "7000"},
        None,
    )


@pytest.mark.parametrize(
    ("every", "refusal", "beats"),
    [
        (1.0, None, [0, 1, 2, 3, 4]),
        (15.0, None, [0]),
        (0.0, None, [0]),
        (0.0, ControllerRefused("there is no /v1/beat", Status.MISSING), [0]),
        (0.0, ControllerRefused("you are not believed", Status.CONFLICT), [0, 3]),
        (0.0, ControllerUnreachable("no controller could answer"), [0, 1, 2, 3, 4]),
    ],
    ids=["wanted", "wanted seldom", "not wanted", "an older controller", "refused", "nobody answers"],
)
async def test_a_node_beats_at_the_pace_that_the_controller_wants(
    every: float, refusal: Exception | None, beats: list[int]
) -> None:
    """Also while its Docker does not answer: the beat says that the node lives, and nothing else."""
    controllers = FakeControllers(every=every, refusal=refusal)

    await run_for(4.5, service(FakeDocker(failures=10), controllers))

    assert [round(at) for at in controllers.beats] == beats


async def test_a_controller_that_wants_no_beats_is_asked_again_after_a_minute() -> None:
    controllers = FakeControllers()
    await run_for(UNWANTED_SECONDS + 1, service(FakeDocker(), controllers))
    assert [round(at) for at in controllers.beats] == [0, UNWANTED_SECONDS]

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
from controller.node.service import HELLO_SECONDS, RETRY_SECONDS, NodeService, plugin_settings
from controller.protocol.client import ControllerUnreachable
from controller.protocol.machine import Machine, MachineUnknown
from controller.protocol.messages import Hello

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

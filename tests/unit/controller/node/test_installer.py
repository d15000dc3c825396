"""The order in which a gate is made, enabled and exchanged, on a Docker that writes down what is asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from controller.node.docker_engine import EngineError, User
from controller.node.installer import Gate, ensure_gate
from controller.node.plugin_config import Installed, Step


async def nothing() -> AsyncIterator[bytes]:
    yield b"tar"


GATE = Gate("new", nothing)


@dataclass
class FakeDocker:
    plugin: Installed | None = None
    user_lists: list[tuple[User, ...]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    fail: str = ""

    def _ask(self, what: str) -> None:
        if what == self.fail:
            self.fail = ""
            raise EngineError(f"{what} failed")
        self.asked.append(what)

    async def installed(self) -> Installed | None:
        return self.plugin

    async def users(self) -> tuple[User, ...]:
        return self.user_lists.pop(0) if self.user_lists else ()

    async def create(self, archive: AsyncIterator[bytes]) -> None:
        assert [chunk async for chunk in archive] == [b"tar"]
        self._ask("create")
        self.plugin = Installed(False, "new")

    async def enable(self) -> None:
        self._ask("enable")
        assert self.plugin is not None
        self.plugin = Installed(True, self.plugin.content)

    async def disable(self) -> None:
        self._ask("disable")
        assert self.plugin is not None
        self.plugin = Installed(False, self.plugin.content)

    async def remove(self) -> None:
        self._ask("remove")
        self.plugin = None

    async def stop(self, container: str) -> None:
        self._ask(f"stop {container}")


async def test_a_node_without_gate_gets_one() -> None:
    """The first look makes and enables the gate, the second finds nothing to do."""
    docker = FakeDocker()

    await ensure_gate(docker, GATE)
    second = await ensure_gate(docker, GATE)

    assert docker.asked == ["create", "enable"]
    assert second.step is Step.NOTHING


@pytest.mark.looptime
async def test_a_container_that_slips_in_during_the_exchange_is_stopped_before_the_new_gate_starts() -> None:
    """It holds a mount that the new gate cannot see; Swarm starts it again."""
    docker = FakeDocker(Installed(True, "old"), user_lists=[(), (User("id1", "db.1"),)])

    await ensure_gate(docker, GATE)

    assert docker.asked == ["disable", "stop id1", "remove", "create", "enable"]


async def test_a_used_gate_is_left_alone() -> None:
    """While a container uses a volume nothing is asked of Docker, and the reason names the container."""
    docker = FakeDocker(Installed(True, "old"), user_lists=[(User("id1", "db.1"),)])

    decision = await ensure_gate(docker, GATE)

    assert docker.asked == []
    assert "db.1" in decision.why


@pytest.mark.looptime
@pytest.mark.parametrize("step", ["disable", "remove", "create", "enable"])
async def test_an_exchange_that_fails_anywhere_is_finished_by_the_next_look(step: str) -> None:
    """Whatever the failed call left, the next look ends with the right gate enabled."""
    docker = FakeDocker(Installed(True, "old"), fail=step)

    with pytest.raises(EngineError):
        await ensure_gate(docker, GATE)
    await ensure_gate(docker, GATE)

    assert docker.plugin == Installed(True, "new")

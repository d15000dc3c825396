"""The way in for people: a unix socket for root on any manager."""

from __future__ import annotations

from pathlib import Path

import msgspec

from controller.model import Node, NodeId, NodeState
from controller.protocol import operator
from controller.protocol.answers import Status
from controller.protocol.messages import (
    Empty,
)
from controller.protocol.operator import Explain
from tests.support.api_site import site
from tests.support.certificates import SwarmCa
from tests.support.shell import DATA


async def test_the_door_explains_to_root_alone(ca: SwarmCa, tmp_path: Path) -> None:
    async with site(ca, tmp_path) as place:
        await place.granted()
        assert (place.door.stat().st_mode & 0o777) == 0o600
        status, body = await place.knock(operator.EXPLAIN, Explain(DATA))
        found = msgspec.json.decode(body)
        assert status == Status.DONE
        assert found["volume"] == DATA
        assert [each["moment"] for each in found["history"]] == ["created", "attached", "granted"]
        assert found["grants"][0]["node"] == "host-b"
        assert found["attachments"] == [{"vm": "vm-b", "node": "host-b", "state": "attached", "epoch": 1}]
        status, body = await place.knock(operator.EXPLAIN, Explain("none"))
        assert (status, b"known volumes: data" in body) == (Status.MISSING, True)


async def test_the_door_of_another_manager_asks_the_acting_controller(ca: SwarmCa, tmp_path: Path) -> None:
    ca.issue("m2", "swarm-manager")
    async with site(ca, tmp_path / "one") as place, site(ca, tmp_path / "two", node="m2", acting=False) as other:
        place.cluster.swarm.nodes[NodeId("m2")] = Node(NodeId("m2"), "host-m2", NodeState.READY, manager=True)
        other.lead.acting_address = f"127.0.0.1:{place.port}"
        status, body = await other.knock(operator.STATUS, Empty())
        assert status == Status.DONE
        assert msgspec.json.decode(body)["epoch"] == 1
        other.lead.acting_address = "127.0.0.1:1"
        assert (await other.knock(operator.STATUS, Empty()))[0] == Status.UNAVAILABLE

"""Programs read by plain GET what the commands show, on any manager, and nothing can be changed there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.api.viewing.openapi import PATH, document
from controller.api.viewing.reads import READS
from controller.model import Node, NodeId, NodeState
from controller.protocol import operator
from controller.protocol.messages import Empty
from tests.support.api_site import Site, site, swarm_ca
from tests.support.certificates import SwarmCa
from tests.support.viewing import View, viewing


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SwarmCa:
    made = swarm_ca(tmp_path_factory.mktemp("ca"))
    made.issue("m2", "swarm-manager")
    return made


@pytest.fixture
async def client(place: Site) -> AsyncIterator[View]:
    async with viewing(place) as made:
        yield made


async def read(client: View, path: str) -> tuple[int, Any]:
    async with client.session.get(path) as answer:
        return answer.status, await answer.json()


async def test_the_objects_are_read_as_the_commands_show_them(client: View) -> None:
    status, found = await read(client, "/v1/volumes")
    assert (status, [each["volume"] for each in found["volumes"]]) == (200, ["data"])
    assert set(found) == {"volumes"}
    assert (await read(client, "/v1/volumes/data"))[1]["grants"][0]["node"] == "host-b"
    assert [each["node"] for each in (await read(client, "/v1/nodes"))[1]["nodes"]] == ["host-a", "host-b", "host-c"]
    assert (await read(client, "/v1/history?volume=data"))[1] == {"moves": []}
    assert (await read(client, "/v1/status"))[1]["holder"] == "host-a"
    assert "findings" in (await read(client, "/v1/doctor"))[1]


async def test_a_program_learns_whether_to_wait_with_an_upgrade_as_the_command_says_it(
    place: Site, client: View
) -> None:
    status, found = await read(client, "/v1/upgrade")
    said = msgspec.json.decode((await place.knock(operator.UPGRADE, Empty()))[1])
    assert (status, found) == (200, said)
    assert found["verdict"] in {"done", "go on", "wait"}


async def test_what_is_not_there_or_cannot_be_meant_is_said(client: View) -> None:
    status, found = await read(client, "/v1/volumes/nothing")
    assert (status, "known volumes: data" in found["why"]) == (404, True)
    assert (await read(client, "/v1/history?volume=nothing"))[0] == 404
    status, found = await read(client, "/v1/history?since=yesterday")
    assert (status, "a parameter is wrong" in found["why"]) == (400, True)


async def test_the_document_describes_exactly_the_routes_that_there_are(client: View) -> None:
    routes = {each.resource.canonical for each in client.application.router.routes() if each.resource is not None}
    status, found = await read(client, PATH)
    assert (status, found) == (200, msgspec.json.decode(msgspec.json.encode(document())))
    assert {*found["paths"], PATH, "/ui"} == routes
    assert {each.method for each in client.application.router.routes()} == {"GET", "HEAD"}
    references = set(_references(found))
    assert references <= {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert len(references) > len(READS)


def _references(found: object) -> list[str]:
    if isinstance(found, dict):
        own = [found["$ref"]] if "$ref" in found else []
        return own + [each for value in found.values() for each in _references(value)]
    return [each for value in found for each in _references(value)] if isinstance(found, list) else []


async def test_each_answer_has_the_fields_of_its_schema_and_no_other(client: View) -> None:
    schemas = document()["components"]["schemas"]
    for each in READS:
        _, found = await read(client, each.path.format(volume="data"))
        assert set(found) == set(schemas[each.answer.__name__]["properties"]), each.path
        msgspec.convert(found, each.answer)


async def test_nothing_is_changed_there(place: Site, client: View) -> None:
    before = place.cluster.record()
    for each in ("/v1/manager/pause", "/v1/volumes/create", "/v1/volumes/data", "/v1/status"):
        for method in ("POST", "PUT", "DELETE"):
            async with client.session.request(method, each, json={"reason": "x"}) as answer:
                assert answer.status in {404, 405}, each
    assert (place.cluster.record(), place.lead.paused) == (before, None)


async def test_another_manager_asks_the_one_that_acts(ca: SwarmCa, place: Site, tmp_path: Path) -> None:
    async with site(ca, tmp_path / "two", node="m2", acting=False) as other, viewing(other) as client:
        assert (await read(client, "/v1/status"))[0] == 503
        place.cluster.swarm.nodes[NodeId("m2")] = Node(NodeId("m2"), "host-m2", NodeState.READY, manager=True)
        other.lead.acting_address = f"127.0.0.1:{place.port}"
        await place.look()
        status, found = await read(client, "/v1/volumes")
        assert (status, found["volumes"][0]["volume"]) == (200, "data")


async def test_who_asks_again_at_once_does_not_make_the_controller_look_again(place: Site, client: View) -> None:
    await read(client, "/v1/status")
    begun = place.controller.state.begun
    for path in ("/v1/status", "/v1/volumes", "/v1/nodes", "/v1/status?x=1"):
        assert (await read(client, path))[0] == 200
    assert place.controller.state.begun == begun


async def test_the_page_comes_whole_with_a_policy_that_lets_nothing_else_in(client: View) -> None:
    async with client.session.get("/ui") as answer:
        text = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert (answer.status, "host-b" in text, "data" in text) == (200, True, True)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in text
    assert "http://" not in text
    assert "https://" not in text


@pytest.mark.parametrize("path", ["/ui", PATH, *(each.path for each in READS)])
async def test_a_page_from_elsewhere_reads_nothing_by_giving_its_own_name_this_address(client: View, path: str) -> None:
    rebound = {"Host": "attacker.example.com:7491"}
    async with client.session.get(path.replace("{volume}", "data"), headers=rebound) as answer:
        assert answer.status == 421
        assert "localhost" in (await answer.json())["why"]

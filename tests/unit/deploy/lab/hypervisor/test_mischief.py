"""What a storage that misbehaves answers, and whether it has done it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, ServerDisconnectedError, test_utils, web

from deploy.lab.hypervisor.messages import answer, errors
from deploy.lab.hypervisor.mischief import KINDS, Mischief

ATTACH = "/v1/vms/a/attach"
ASKED = {"disks": ["d1", "d2"], "epoch": 3}


class Storage:
    """It counts what it was asked to change."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.mischief = Mischief()

    async def read(self, _: web.Request) -> web.Response:
        return answer([{"id": "one"}])

    async def change(self, request: web.Request) -> web.Response:
        self.changed.append(request.path)
        return answer({"truly": "done"})

    def app(self) -> web.Application:
        app = web.Application(middlewares=[errors, self.mischief.middleware()])
        app.router.add_post("/control/mischief", self.mischief.change)
        app.router.add_get("/{path:.*}", self.read)
        app.router.add_route("*", "/{path:.*}", self.change)
        return app


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
async def session(storage: Storage) -> AsyncIterator[ClientSession]:
    async with test_utils.TestServer(storage.app()) as server, ClientSession(server.make_url("/")) as session:
        yield session


async def said(session: ClientSession, method: str, path: str, body: object = None) -> tuple[int, object]:
    async with session.request(method, path, json=body) as response:
        return response.status, await response.json()


async def test_a_storage_that_is_well_is_left_alone(storage: Storage, session: ClientSession) -> None:
    assert await said(session, "POST", ATTACH, ASKED) == (200, {"truly": "done"})
    assert await said(session, "GET", "/v1/disks") == (200, [{"id": "one"}])
    assert storage.changed == [ATTACH]


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", ATTACH, ASKED, [{"disk": disk, "outcome": "done", "why": ""} for disk in ("d1", "d2")]),
        ("POST", "/v1/vms/a/power-off", {"epoch": 3}, {"power": "off"}),
        ("PUT", "/v1/disks/d", {"size_bytes": 512}, {"id": "d", "size_bytes": 512}),
        ("POST", "/v1/disks/d/grow", {"size_bytes": 1024}, {"id": "d", "size_bytes": 1024}),
        ("DELETE", "/v1/disks/d", None, {}),
    ],
)
async def test_done_is_said_in_full_where_nothing_was_done(
    storage: Storage, session: ClientSession, method: str, path: str, body: object, told: object
) -> None:
    storage.mischief.kind = "did-not"

    assert await said(session, method, path, body) == (200, told)
    assert storage.changed == []


async def test_failed_is_said_where_it_was_done(storage: Storage, session: ClientSession) -> None:
    storage.mischief.kind = "said-failed"

    assert await said(session, "POST", ATTACH, ASKED) == (500, {"why": "The storage has failed."})
    assert storage.changed == [ATTACH]


async def test_no_answer_comes_where_it_was_done(storage: Storage, session: ClientSession) -> None:
    storage.mischief.kind = "unanswered"

    with pytest.raises(ServerDisconnectedError):
        await said(session, "POST", ATTACH, ASKED)
    assert storage.changed == [ATTACH]


async def test_a_full_storage_makes_and_grows_nothing_and_attaches(storage: Storage, session: ClientSession) -> None:
    storage.mischief.kind = "full"

    assert (await said(session, "PUT", "/v1/disks/d", {"size_bytes": 512}))[0] == 409
    assert (await said(session, "POST", "/v1/disks/d/grow", {"size_bytes": 512}))[0] == 409
    assert (await said(session, "POST", ATTACH, ASKED))[0] == 200
    assert storage.changed == [ATTACH]


@pytest.mark.parametrize(
    ("kind", "empty", "whole"),
    [("forgets-disks", "/v1/attachments", "/v1/vms"), ("forgets-machines", "/v1/vms", "/v1/disks")],
)
async def test_one_that_forgets_lists_nothing_of_that_kind(
    storage: Storage, session: ClientSession, kind: str, empty: str, whole: str
) -> None:
    storage.mischief.kind = kind

    assert await said(session, "GET", empty) == (200, [])
    assert await said(session, "GET", whole) == (200, [{"id": "one"}])


async def test_a_kind_is_set_and_an_unknown_one_refused_with_those_that_there_are(
    storage: Storage, session: ClientSession
) -> None:
    assert await said(session, "POST", "/control/mischief", {"kind": "full"}) == (200, {"kind": "full"})
    assert storage.mischief.kind == "full"
    status, told = await said(session, "POST", "/control/mischief", {"kind": "evil"})
    assert (status, storage.mischief.kind) == (400, "full")
    assert all(kind in str(told) for kind in KINDS)

"""What a command sends from afar, and to whom: over real TLS, with what `deploy/operators.sh` made."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from controller.cli.remote import CA, HOST, RemoteError, remote
from controller.protocol import operator
from controller.protocol.answers import Status
from tests.support.api_site import Site, site
from tests.support.certificates import SwarmCa
from tests.support.operators import People, Port, port_for


async def ask(environment: Mapping[str, str]) -> int:
    """The status that a manager answers with, as the command asks it. Raises RemoteError."""
    found = remote(environment)
    assert found is not None
    return (await asyncio.to_thread(found.post, operator.STATUS.path, b"{}", 30.0)).status


async def test_another_manager_is_asked_where_the_first_takes_no_connection(people: People, port: Port) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    known = port.environment(people.folder / "bob")
    assert await ask({**known, HOST: f"127.0.0.1:{dead},{known[HOST]}"}) == Status.DONE
    with pytest.raises(RemoteError, match="no manager could be reached"):
        await ask({**known, HOST: f"127.0.0.1:{dead}"})


async def test_whoever_is_no_manager_of_that_swarm_is_told_nothing(
    people: People, place: Site, port: Port, tmp_path: Path
) -> None:
    """A server with a worker's certificate, or that of another swarm: no question is sent to it."""
    stranger = SwarmCa.create(tmp_path / "other")
    known = port.environment(people.folder / "bob")
    with pytest.raises(RemoteError, match="is no manager that"):
        await ask({**known, CA: str(stranger.folder / "ca.crt")})
    async with site(place.ca, tmp_path / "worker", node="b") as worker, port_for(people, worker) as impostor:
        with pytest.raises(RemoteError, match="is no manager that"):
            await ask(impostor.environment(people.folder / "bob"))


async def test_a_certificate_that_is_not_taken_and_a_key_that_others_read_are_told(
    people: People, port: Port, tmp_path: Path
) -> None:
    other = People.with_ca(tmp_path / "others", people.swarm).issue("eve", "operator")
    with pytest.raises(RemoteError, match="does not take"):
        await ask(port.environment(other))
    (other / "key.pem").chmod(0o644)
    with pytest.raises(RemoteError, match="chmod 600"):
        await ask(port.environment(other))
    (other / "key.pem").unlink()
    with pytest.raises(RemoteError, match="the certificate cannot be used"):
        await ask(port.environment(other))


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("m1", (("m1", 7492),)),
        ("m1:99", (("m1", 99),)),
        ("tcp://m1:99, m2", (("m1", 99), ("m2", 7492))),
        ("[fd00::1]:99,[fd00::2]", (("fd00::1", 99), ("fd00::2", 7492))),
    ],
)
def test_an_address_is_read_as_dockers_is(text: str, hosts: tuple[tuple[str, int], ...]) -> None:
    found = remote({HOST: text})
    assert found is not None
    assert found.hosts == hosts
    assert found.key == Path.home() / ".reberth" / "key.pem"


@pytest.mark.parametrize("text", ["m1:", ":99", "m1:x", "m1:99999", "http://m1:99", "m1,,m2", "m1/x:99"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="is no address"):
        remote({HOST: text})


def test_without_a_host_the_controller_of_this_machine_is_meant() -> None:
    assert remote({}) is None
    assert remote({HOST: " "}) is None

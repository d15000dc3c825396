"""
The port for people: who is let in, and what each certificate may do there. Over real TLS, at every endpoint.

The certificates are those of `deploy/operators.sh`, and such as an attacker would have.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest

from controller.api.operators.port import ANSWERED
from controller.protocol import operator
from controller.protocol.answers import Status
from controller.protocol.endpoints import ENDPOINTS, REMOVE_VOLUME
from controller.protocol.identity import IdentityError, SwarmIdentity, client_context
from controller.protocol.messages import Empty, RemoveVolume
from tests.support.api_site import Site
from tests.support.certificates import SwarmCa
from tests.support.operators import JSON, People, Port, context_of, openssl, port_for
from tests.support.shell import DATA


async def status_of(port: Port, context: ssl.SSLContext) -> int:
    """Of the mildest question; 0: not even a handshake."""
    with suppress(aiohttp.ClientError, ConnectionError, ssl.SSLError):
        return (await port.post(context, operator.STATUS.path, b"{}"))[0]
    return 0


async def test_a_certificate_of_another_ca_or_none_or_an_expired_or_a_revoked_one_opens_no_connection(
    place: Site, people: People, tmp_path: Path
) -> None:
    other = People.with_ca(tmp_path / "others", people.swarm)
    alike = other.issue("alice", "operator")
    own = tmp_path / "own"
    own.mkdir()
    subject = ("-subj", "/OU=reberth-operator/CN=alice")
    openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        own / "key.pem",
        *subject,
        "-out",
        own / "cert.pem",
    )
    expired = people.forge("past", "/OU=reberth-operator/CN=alice", "-days", "-1")
    server_only = tmp_path / "server.ext"
    server_only.write_text("extendedKeyUsage=serverAuth\n")
    server = people.forge("server", "/OU=reberth-operator/CN=alice", "-extfile", server_only)
    gone = people.issue("mallory", "operator")
    people.revoke("mallory")
    async with port_for(people, place) as port:
        for folder in (alike, own, expired, server, gone):
            assert await status_of(port, context_of(folder, people.swarm)) == 0, folder.name
        assert await status_of(port, ssl.create_default_context(cafile=str(people.swarm))) == 0
        assert await status_of(port, context_of(people.folder / "alice", people.swarm)) == Status.DONE


async def test_a_connection_that_outlives_its_certificate_is_answered_no_more(people: People, place: Site) -> None:
    async with port_for(people, place, wall=lambda: time.time() + 91 * 86_400) as port:
        assert await status_of(port, context_of(people.folder / "alice", people.swarm)) == Status.FORBIDDEN


async def test_no_nodes_certificate_is_a_persons_and_no_persons_is_a_nodes(
    ca: SwarmCa, people: People, place: Site, port: Port
) -> None:
    """Not a manager's either: whoever has its key has the manager, but a worker's must not be worth more."""
    for node in ("a", "b"):
        assert await status_of(port, client_context(ca.folder / node)) == 0
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await place.post(context_of(people.folder / "alice", people.swarm), operator.STATUS.path, b"{}")
    # Not even where the operators' CA signs what Swarm would.
    for subject in ("/O=testcluster/OU=swarm-manager/CN=a", "/OU=reberth-operator/OU=swarm-manager/CN=a"):
        forged = people.forge("nodelike", subject)
        assert await status_of(port, context_of(forged, people.swarm)) == Status.FORBIDDEN


async def test_a_certificate_without_one_role_and_one_plain_name_may_not_even_look(people: People, port: Port) -> None:
    for subject in ("/CN=alice", "/OU=reberth-viewer/OU=reberth-operator/CN=alice"):
        context = context_of(people.forge("odd", subject), people.swarm)
        for path in ("/v1/status", "/ui", "/v1/openapi.json", "/nowhere"):
            assert (await port.get(context, path))[0] == Status.FORBIDDEN, (subject, path)
        assert await status_of(port, context) == Status.FORBIDDEN


async def test_a_viewer_sees_all_that_changes_nothing_and_nothing_else_is_carried_out(
    people: People, place: Site, port: Port
) -> None:
    """A new endpoint is for those who may act, until somebody has named it in `operator.LOOKS`."""
    context = context_of(people.folder / "bob", people.swarm)
    before = place.cluster.record()
    answers = {each.path: (await port.post(context, each.path, b"{}"))[0] for each in ENDPOINTS}
    looks = {each.path for each in operator.LOOKS}
    assert {path for path, status in answers.items() if status not in {Status.FORBIDDEN, Status.MISSING}} == looks
    for path, status in answers.items():
        assert (status == Status.MISSING) == (path not in ANSWERED), path
    assert place.cluster.record() == before
    assert place.lead.paused is None


async def test_an_operator_is_asked_what_people_are_and_cannot_speak_as_a_gate(people: People, port: Port) -> None:
    context = context_of(people.folder / "alice", people.swarm)
    for each in ENDPOINTS:
        if each.path not in {one.path for one in (*operator.QUESTIONS, REMOVE_VOLUME)}:
            assert (await port.post(context, each.path, b"{}"))[0] == Status.MISSING, each.path


async def test_who_acts_is_who_the_certificate_names_whatever_the_message_says(
    people: People, place: Site, port: Port
) -> None:
    context = context_of(people.folder / "alice", people.swarm)
    place.cluster.swarm.wants.clear()
    await place.look()
    removed = msgspec.json.encode(RemoveVolume(DATA, by="somebody else"))
    assert (await port.post(context, REMOVE_VOLUME.path, removed))[0] == Status.DONE
    assert place.cluster.record().history[-1].text == "it was removed by alice (certificate)"
    pause = msgspec.json.encode(operator.Pause("new switches", by="somebody else"))
    assert (await port.post(context, operator.PAUSE.path, pause))[0] == Status.DONE
    assert place.lead.paused == "new switches, says alice (certificate)"


async def test_a_workers_gate_cannot_say_that_a_person_removed_a_volume(place: Site) -> None:
    place.cluster.swarm.wants.clear()
    await place.look()
    lie = RemoveVolume(DATA, by="alice (certificate)")
    assert isinstance(await place.ask("b", REMOVE_VOLUME, lie), tuple)
    assert "alice" not in " ".join(each.text for each in place.cluster.record().history)


async def test_a_web_page_in_an_operators_browser_cannot_act(people: People, place: Site, port: Port) -> None:
    """A browser adds the certificate by itself; without asking first a page may send what a form may."""
    context = context_of(people.folder / "alice", people.swarm)
    pause = msgspec.json.encode(operator.Pause("by a page"))
    for headers in ({"Content-Type": "text/plain"}, {}, {**JSON, "Origin": "https://evil.example"}):
        assert (await port.post(context, operator.PAUSE.path, pause, headers))[0] == Status.FORBIDDEN
    assert place.lead.paused is None


async def test_what_is_no_message_is_its_senders_error(people: People, place: Site, port: Port) -> None:
    context = context_of(people.folder / "alice", people.swarm)
    for body in (b"", b"null", b"[" * 100_000, b'{"reason":"\xff"}', b'{"unknown":1}'):
        assert (await port.post(context, operator.PAUSE.path, body))[0] == Status.BAD
    assert (await port.post(context, operator.STATUS.path, msgspec.json.encode(Empty())))[0] == Status.DONE
    assert place.lead.paused is None


async def test_tls_older_than_1_3_is_not_spoken(people: People, port: Port) -> None:
    context = context_of(people.folder / "alice", people.swarm)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await status_of(port, context) == 0


def test_the_swarms_own_ca_or_a_file_without_one_is_refused_as_that_of_the_operators(
    ca: SwarmCa, people: People, tmp_path: Path
) -> None:
    """Else every node could do what people may."""
    identity = SwarmIdentity(ca.folder / "a")
    both = tmp_path / "both.pem"
    both.write_bytes((people.folder / "ca.crt").read_bytes() + (ca.folder / "ca.crt").read_bytes())
    for file in (ca.folder / "ca.crt", both):
        with pytest.raises(IdentityError, match="vouches for this swarm's nodes"):
            identity.server_for(file)
    for file in (people.folder / "bob" / "cert.pem", people.folder / "bob" / "key.pem", tmp_path / "none"):
        with pytest.raises(IdentityError, match=r"deploy/operators\.sh makes one"):
            identity.server_for(file)


async def test_a_renewed_node_certificate_is_shown_at_once(ca: SwarmCa, people: People, tmp_path: Path) -> None:
    """The port's own certificate is Swarm's, and changes with it."""
    own = ca.issue("a2", into=tmp_path / "a2")
    identity = SwarmIdentity(own)
    tls = identity.server_for(people.file)
    ca.issue("a3", into=own)
    context = context_of(people.folder / "alice", people.swarm)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = context.wrap_bio(to_client, to_server, server_hostname="swarm-manager")
    far = tls.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (near, far):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    shown = near.getpeercert() or {}
    assert ("DNS", "a3") in shown["subjectAltName"]
    far.write(b"x")
    assert near.read(1) == b"x"
    assert near.session is None or not near.session.has_ticket  # a session that goes on would ask for no certificate

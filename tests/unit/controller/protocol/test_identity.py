"""Identity from Swarm's node certificates: who may talk, and what is said when a certificate does not stand."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from controller.names import MANAGER_NAME
from controller.protocol.identity import (
    IdentityError,
    Peer,
    Role,
    SwarmIdentity,
    client_context,
    peer,
    server_context,
    whoami,
)
from tests.support.certificates import SwarmCa


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SwarmCa:
    return SwarmCa.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def manager(ca: SwarmCa) -> Path:
    return ca.issue("manager1")


@pytest.fixture(scope="module")
def worker(ca: SwarmCa) -> Path:
    return ca.issue("worker1", "swarm-worker")


def handshake(
    client: ssl.SSLContext, server: ssl.SSLContext, name: str | None = MANAGER_NAME
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a TLS connection made in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (near, far):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return near, far


def named(found: Peer) -> tuple[str, Role, str]:
    return found.node, found.role, found.cluster


def test_both_ends_learn_each_others_node_role_and_swarm(manager: Path, worker: Path) -> None:
    near, far = handshake(client_context(worker), server_context(manager))

    assert named(peer(far)) == ("worker1", Role.WORKER, "testcluster")
    assert named(peer(near)) == ("manager1", Role.MANAGER, "testcluster")


def test_a_worker_cannot_pose_as_a_controller(worker: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="swarm-manager"):
        handshake(client_context(worker), server_context(worker))


def test_a_caller_without_a_certificate_is_refused(manager: Path) -> None:
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.load_verify_locations(manager / "swarm-root-ca.crt")

    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(anonymous, server_context(manager))


def test_a_certificate_of_another_ca_is_refused(manager: Path, tmp_path: Path) -> None:
    stranger = SwarmCa.create(tmp_path / "other").issue("manager9")
    trusting = client_context(stranger)
    trusting.load_verify_locations(manager / "swarm-root-ca.crt")

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(trusting, server_context(manager))


def test_whoami_tells_the_own_node_and_when_its_certificate_ends(worker: Path) -> None:
    found = whoami(worker)

    assert named(found) == ("worker1", Role.WORKER, "testcluster")
    assert found.expires == pytest.approx((worker / "swarm-node.crt").stat().st_mtime + 90 * 86400, abs=60)


def test_an_expired_own_certificate_is_said_to_be_expired(ca: SwarmCa, tmp_path: Path) -> None:
    expired = ca.issue("manager2", days=-1, into=tmp_path)

    with pytest.raises(IdentityError, match=r"certificate has expired.*docker swarm ca --rotate"):
        whoami(expired)


def test_an_own_certificate_of_another_ca_than_the_root_file_is_told(worker: Path, tmp_path: Path) -> None:
    mixed = SwarmCa.create(tmp_path / "other").issue("worker1", "swarm-worker")
    (mixed / "swarm-root-ca.crt").write_bytes((worker / "swarm-root-ca.crt").read_bytes())

    with pytest.raises(IdentityError, match="own certificate does not stand"):
        whoami(mixed)


def test_a_missing_folder_names_the_file_and_the_two_likely_reasons(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"swarm-node\.crt.*not part of a swarm.*not mounted"):
        client_context(tmp_path / "nowhere")


def test_a_key_that_does_not_fit_the_certificate_is_told(manager: Path, worker: Path, tmp_path: Path) -> None:
    for name, source in (("swarm-node.crt", manager), ("swarm-root-ca.crt", manager), ("swarm-node.key", worker)):
        (tmp_path / name).write_bytes((source / name).read_bytes())

    with pytest.raises(IdentityError, match="renewing"):
        server_context(tmp_path)


def test_a_locked_swarms_key_is_refused_with_the_cure(manager: Path, tmp_path: Path) -> None:
    for name in ("swarm-node.crt", "swarm-root-ca.crt"):
        (tmp_path / name).write_bytes((manager / name).read_bytes())
    (tmp_path / "swarm-node.key").write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 11\n\nMIHs\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )

    with pytest.raises(IdentityError, match=r"autolock.*Docker secrets"):
        client_context(tmp_path)


def test_a_certificate_that_names_no_swarm_role_is_no_peer(ca: SwarmCa, manager: Path, tmp_path: Path) -> None:
    odd = ca.issue("root1", "swarm-ca", into=tmp_path)
    _, far = handshake(client_context(odd), server_context(manager))

    with pytest.raises(IdentityError, match="OU='swarm-ca'"):
        peer(far)


def test_no_connection_and_no_certificate_are_no_peer() -> None:
    with pytest.raises(IdentityError, match="showed no certificate"):
        peer(None)


def test_a_renewed_certificate_is_used_by_running_servers_and_new_connections(ca: SwarmCa, tmp_path: Path) -> None:
    folder = ca.issue("manager3", into=tmp_path)
    identity = SwarmIdentity(folder)
    before = identity.server
    ca.issue("manager4", into=tmp_path)

    near, far = handshake(identity.client, before)

    assert (peer(near).node, peer(far).node) == ("manager4", "manager4")
    assert identity.me.node == "manager4"


def test_a_renewal_that_is_half_done_leaves_the_last_good_certificate_in_use(ca: SwarmCa, tmp_path: Path) -> None:
    folder = ca.issue("manager5", into=tmp_path)
    identity = SwarmIdentity(folder)
    (folder / "swarm-node.key").write_text("")

    near, far = handshake(identity.client, identity.server)

    assert (peer(near).node, peer(far).node) == ("manager5", "manager5")


def test_a_node_of_another_swarm_under_the_same_ca_is_refused(ca: SwarmCa, manager: Path, tmp_path: Path) -> None:
    neighbour = SwarmCa(ca.folder, "othercluster").issue("worker8", "swarm-worker", into=tmp_path)
    identity = SwarmIdentity(manager)
    _, far = handshake(client_context(neighbour), identity.server)

    with pytest.raises(IdentityError, match="belongs to swarm othercluster"):
        identity.peer(far)


def test_the_private_key_is_not_left_open_or_on_disk(manager: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    client_context(manager)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_swarms_own_key_file_is_one_that_openssl_refuses(manager: Path) -> None:
    """Holds the reason for cleaning the key: the day that this fails, the cleaning may go."""
    with pytest.raises(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(manager / "swarm-node.crt", manager / "swarm-node.key")

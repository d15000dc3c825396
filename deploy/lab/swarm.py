"""Forming the Swarm of a lab's nodes. Each step looks first, so it may be repeated after an interrupt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from deploy.lab.names import LabError, LabNode, Layout, heartbeat_ns

Progress = Callable[[str], None]
_START_SECONDS = 90.0
_READY_SECONDS = 120.0
_GOES_ON = "continue in the background"  # Docker's words about a join
NO_ANSWER = (DockerException, RequestException, OSError, KeyError)


def client(socket: Path, timeout: float = 60) -> docker.DockerClient:
    return docker.DockerClient(base_url=f"unix://{socket}", timeout=int(timeout))


def wait_for_dockerd(layout: Layout, node: LabNode) -> None:
    """Raises LabError with the end of dockerd's log when it does not answer in time."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with closing(client(node.socket, 5)) as docker_client:
                docker_client.ping()
        except NO_ANSWER as error:
            if time.monotonic() > deadline:
                log = layout.node_store(node.name) / "dockerd.log"
                tail = " / ".join(log.read_text(errors="replace").splitlines()[-3:]) if log.exists() else str(error)
                raise LabError(f"dockerd of {node.name} did not answer within {_START_SECONDS:g} s: {tail}") from error
            time.sleep(0.1)
        else:
            return


def form(nodes: Sequence[LabNode], heartbeat: str, progress: Progress) -> None:
    """Make the first manager's swarm and let the others join: managers one by one, as Raft wants it."""
    first = nodes[0]
    with closing(client(first.socket)) as leader:
        if not _in_swarm(leader):
            leader.swarm.init(
                advertise_addr=first.address,
                listen_addr=f"{first.address}:2377",
                dispatcher_heartbeat_period=heartbeat_ns(heartbeat),
            )
        leader.swarm.reload()
        tokens = leader.swarm.attrs["JoinTokens"]
        for node in nodes[1:]:
            _join(node, first, tokens["Manager" if node.manager else "Worker"])
            progress(f"{node.name} joined the swarm as {'a manager' if node.manager else 'a worker'}.")


def _in_swarm(node: docker.DockerClient) -> bool:
    return str(node.info()["Swarm"]["LocalNodeState"]) not in {"inactive", ""}


def _join(node: LabNode, first: LabNode, token: str) -> None:
    with closing(client(node.socket)) as joining:
        if _in_swarm(joining):
            return
        try:
            joining.swarm.join(
                remote_addrs=[f"{first.address}:2377"],
                join_token=token,
                advertise_addr=node.address,
                listen_addr=f"{node.address}:2377",
            )
        except APIError as error:
            if _GOES_ON not in str(error.explanation):
                raise LabError(f"{node.name} could not join the swarm: {error.explanation}") from error
            _wait_until_joined(node)


def _wait_until_joined(node: LabNode) -> None:
    """Its engine gives up on the answer after 20 s, not on the join. Raises LabError."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with closing(client(node.socket, 10)) as joining:
                state = str(joining.info()["Swarm"]["LocalNodeState"])
        except NO_ANSWER as error:
            state = str(error)
        if state == "active":
            return
        if time.monotonic() > deadline:
            raise LabError(f"{node.name} did not join the swarm within {_READY_SECONDS:g} s: it is {state}.")
        time.sleep(0.5)


def states(manager: LabNode, seconds: float = 60) -> dict[str, str]:
    """Hostname -> ready, down ..., as a manager sees it. Raises NO_ANSWER."""
    with closing(client(manager.socket, seconds)) as docker_client:
        nodes = docker_client.nodes.list()
    # The newest of a name counts: a node that rejoined leaves its old self behind, as down.
    nodes.sort(key=lambda node: str(node.attrs["CreatedAt"]))
    return {node.attrs["Description"].get("Hostname", ""): node.attrs["Status"]["State"] for node in nodes}


def wait_until_ready(manager: LabNode, count: int, seconds: float = _READY_SECONDS) -> None:
    """Raises LabError that says which nodes are not ready."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = states(manager)
        except NO_ANSWER as error:
            seen = {manager.name: str(error)}
        if len(seen) >= count and set(seen.values()) == {"ready"}:
            return
        if time.monotonic() > deadline:
            raise LabError(f"The swarm is not ready after {seconds:g} s: {seen}.")
        time.sleep(0.1)

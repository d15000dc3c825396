"""
Where the managers are, from the files that the node's own dockerd keeps under its root, so with nothing to configure.

``swarm/state.json`` is swarmkit's list of remotes (``[{"node_id", "addr": "host:2377"}]``, on every node);
``swarm/docker-state.json`` is dockerd's own (``LocalAddr``, ``AdvertiseAddr``, ``RemoteAddr``). Both seen with 20.10.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from controller.names import DEFAULT_PORT


class NoManagers(Exception):
    """No manager is known. The text names the cure."""


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _host(address: object) -> str | None:
    """The host of ``host``, ``host:port``, ``[v6]:port`` or a bare v6 address."""
    if not isinstance(address, str) or not address.strip():
        return None
    text = address.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0] or None
    if text.count(":") == 1:
        return text.partition(":")[0] or None
    return text


def _remotes(state: object) -> Iterator[object]:
    if isinstance(state, list):
        for remote in state:
            if isinstance(remote, dict):
                yield remote.get("addr") or remote.get("Addr")


def _own(state: object) -> Iterator[object]:
    """The node itself last: it has a controller only if it is a manager; connecting in vain costs little."""
    if isinstance(state, dict):
        for name in ("RemoteAddr", "AdvertiseAddr", "LocalAddr"):
            yield state.get(name)


def url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def manager_addresses(docker_root: Path, port: int) -> tuple[str, ...]:
    """``host:port`` of every controller that may be there. Raises NoManagers."""
    swarm = docker_root / "swarm"
    if not swarm.is_dir():
        raise NoManagers(f"{swarm} is not there: this node is not in a swarm; join it with `docker swarm join`")
    addresses = [*_remotes(_load(swarm / "state.json")), *_own(_load(swarm / "docker-state.json"))]
    hosts = dict.fromkeys(host for host in map(_host, addresses) if host and host not in {"0.0.0.0", "::"})
    if not hosts:
        raise NoManagers(f"no manager's address is in {swarm}/state.json; is this node still in the swarm?")
    return tuple(f"{url_host(host)}:{port}" for host in hosts)


def read_port(env: Mapping[str, str]) -> tuple[int, str | None]:
    """The controllers' port as the stack file says it, and what is wrong with that. Never raises."""
    text = env.get("REBERTH_PORT", "").strip()
    if not text:
        return DEFAULT_PORT, None
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text), None
    return DEFAULT_PORT, (
        f"REBERTH_PORT is {text!r}; it must be a port number, 1 to 65535: correct it in the stack file of Reberth"
    )

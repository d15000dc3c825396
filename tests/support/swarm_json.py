"""What Docker says of a swarm, as JSON: recorded from a real dockerd 20.10.24, and made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.model import Claim, Node, NodeId, NodeState, Spec, VolumeName
from watchers.claims import Known, claims
from watchers.docker_json import services_from, tasks_from

RECORDED = Path(__file__).parents[1] / "fixtures" / "docker"


GIB = 1 << 30


Json = dict[str, Any]


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def said(*objects: Json) -> bytes:
    """A list as Docker sends it."""
    return json.dumps(objects).encode()


def node(name: str, hostname: str) -> Node:
    return Node(NodeId(name), hostname, NodeState.READY)


NODES = {found.id: found for found in (node("n1", "swarm01"), node("n2", "swarm02"))}


def service(name: str = "pg", **changes: Any) -> Json:
    return {"ID": f"id-{name}", "Spec": {"Name": name, "Mode": {"Replicated": {"Replicas": 1}}, **changes}}


def mount(source: str = "pgdata", driver: str = "reberth", **options: str) -> Json:
    return {
        "Type": "volume",
        "Source": source,
        "Target": "/d",
        "VolumeOptions": {"DriverConfig": {"Name": driver, "Options": options}},
    }


def task(name: str = "t1", on: str | None = "n1", **changes: Any) -> Json:
    """A running task of service pg; keys of the JSON can be changed."""
    made: Json = {
        "ID": name,
        "ServiceID": "id-pg",
        "Slot": 1,
        "DesiredState": "running",
        "CreatedAt": f"2026-01-01T00:00:0{name[-1]}Z",
        "Status": {"State": "running"},
        "Spec": {"ContainerSpec": {"Mounts": [mount()]}},
    }
    if on is not None:
        made["NodeID"] = on
    return made | changes


def mounting(*mounts: Json) -> Json:
    return {"ContainerSpec": {"Mounts": list(mounts)}}


def seen(
    tasks: list[Json],
    services: list[Json] | None = None,
    specs: Mapping[VolumeName, Spec] | None = None,
    holders: Mapping[VolumeName, str] | None = None,
) -> Mapping[VolumeName, Claim]:
    known = Known(specs or {}, holders or {})
    return claims(services_from(said(*(services or [service()]))), tasks_from(said(*tasks)), NODES, known)


def only(found: Mapping[VolumeName, Claim]) -> Claim:
    (claim,) = found.values()
    return claim


def task_ids(claim: Claim) -> list[str]:
    return [found.id for found in claim.tasks]


def conflict(found: Mapping[VolumeName, Claim]) -> str:
    said = only(found).conflict
    assert said is not None
    return said

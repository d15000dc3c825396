"""A large swarm as data: Docker's answers as bytes (in the form of dockerd 20.10.24), the records, the storage."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.model import (
    BootId,
    DiskId,
    Epoch,
    Grant,
    HistoryEntry,
    Moment,
    NodeId,
    Phase,
    Serial,
    Spec,
    TaskId,
    VmId,
    VolumeKey,
    VolumeName,
    VolumeRecord,
)
from controller.protocol.messages import Sync, VolumeReport
from controller.reconciler.gate_reports import GateReports
from controller.records import codec
from controller.records.base import Leadership, NodeRecord
from controller.records.memory import MemoryStore
from drivers.memory_storage import MemoryStorage

RECORDED = Path(__file__).parents[1] / "fixtures" / "docker"
EPOCH = Epoch(1)
GIB = 1 << 30
ENTRIES = 12  # of a volume's history: two or three failovers
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """``mounting``: whether the tasks without a volume of ours mount one of another driver, so that all are read."""

    nodes: int = 1_000
    tasks: int = 10_000
    volumes: int = 2_000
    mounting: bool = False


def node_id(number: int) -> NodeId:
    return NodeId(f"node{number:021}")


def vm_id(number: int) -> VmId:
    return VmId(f"4210c0de-0000-4000-8000-{number:012}")


def boot_id(number: int) -> BootId:
    return BootId(f"b0070000-0000-4000-8000-{number:012}")


def _recorded(name: str) -> list[Json]:
    found: list[Json] = json.loads((RECORDED / f"{name}.json").read_text())
    return found


def _sent(found: list[Json]) -> bytes:
    """Without spaces, as Docker sends it."""
    return json.dumps(found, separators=(",", ":")).encode()


def nodes(size: Size, down: int | None = None) -> bytes:
    """``GET /nodes``. ``down``: number of a node that is down."""
    (pattern,) = _recorded("nodes")
    return _sent([_node(pattern, number, number == down) for number in range(size.nodes)])


def _node(pattern: Json, number: int, down: bool) -> Json:
    made = copy.deepcopy(pattern)
    made["ID"] = node_id(number)
    made["Description"]["Hostname"] = f"swarm{number:04}"
    made["Status"] = {"Addr": f"10.0.{number // 250}.{number % 250}", "State": "down" if down else "ready"}
    if number >= 3:
        del made["ManagerStatus"]
        made["Spec"]["Role"] = "worker"
    elif number:
        made["ManagerStatus"]["Leader"] = False
    return made


def _mounts(size: Size, number: int) -> list[Json]:
    if number < size.volumes:
        driver = {"Name": "reberth", "Options": {"size": "10GiB", "fstype": "ext4"}}
    elif size.mounting:
        driver = {"Name": "", "Options": {}}
    else:
        return []
    options = {"DriverConfig": driver, "NoCopy": True}
    return [{"Type": "volume", "Source": f"data-{number}", "Target": "/data", "VolumeOptions": options}]


def _template(pattern: Json, mounts: list[Json]) -> Json:
    made = copy.deepcopy(pattern)
    made["ContainerSpec"]["Mounts"] = mounts
    made["ContainerSpec"]["Env"] = [f"VARIABLE_{number}=value of variable {number}" for number in range(12)]
    made["ContainerSpec"]["Labels"] = {"com.docker.stack.namespace": "shop", "com.example.team": "orders"}
    made["Networks"] = [{"Target": "n" * 25, "Aliases": ["db"]}]
    return made


def services(size: Size) -> bytes:
    """``GET /services``: one for each volume, one for each 16 of the other tasks."""
    pattern = next(each for each in _recorded("services") if each["Spec"]["Name"] == "shop_pg")
    pattern.pop("PreviousSpec", None)
    count = size.volumes + -(-(size.tasks - size.volumes) // 16)
    return _sent([_service(size, pattern, number) for number in range(count)])


def _service(size: Size, pattern: Json, number: int) -> Json:
    made = copy.deepcopy(pattern)
    made["ID"] = f"serv{number:021}"
    made["Spec"]["Name"] = f"shop_service{number}"
    made["Spec"]["Mode"] = {"Replicated": {"Replicas": 1 if number < size.volumes else 16}}
    made["Spec"]["TaskTemplate"] = _template(made["Spec"]["TaskTemplate"], _mounts(size, number))
    made["PreviousSpec"] = made["Spec"]
    return made


def tasks(size: Size, down: int | None = None) -> bytes:
    """
    ``GET /tasks``, as Docker answers the watcher's filter: of services that may mount a volume of ours.

    Those of the node that is ``down`` are new ones, on the next node.
    """
    pattern = next(each for each in _recorded("tasks") if each["Spec"]["ContainerSpec"].get("Mounts"))
    pattern["NetworksAttachments"] = [{"Network": {"ID": "n" * 25, "Spec": {"Name": "shop_default"}, "Addresses": []}}]
    count = size.tasks if size.mounting else size.volumes
    found = [_task(size, pattern, number) for number in range(count)]
    for made in found:
        if down is not None and made["NodeID"] == node_id(down):
            made["ID"], made["NodeID"] = made["ID"].replace("task", "next"), node_id(down + 1)
            made["Status"]["State"] = "preparing"
    return _sent(found)


def _task(size: Size, pattern: Json, number: int) -> Json:
    made = copy.deepcopy(pattern)
    other = number - size.volumes
    service = number if other < 0 else size.volumes + other // 16
    made["ID"] = f"task{number:021}"
    made["ServiceID"] = f"serv{service:021}"
    made["Slot"] = 1 if other < 0 else other % 16 + 1
    made["NodeID"] = node_id(number % size.nodes)
    made["DesiredState"] = "running"
    made["Status"] = {"State": "running", "Message": "started", "ContainerStatus": {"ContainerID": "c" * 64, "PID": 1}}
    made["Spec"] = _template(made["Spec"], _mounts(size, service))
    return made


def records(size: Size) -> Iterator[VolumeRecord]:
    """All volumes granted and settled where their tasks run."""
    for number in range(size.volumes):
        place = number % size.nodes
        yield VolumeRecord(
            name=VolumeName(f"data-{number}"),
            key=VolumeKey(f"data-{number}"),
            spec=Spec(10 * GIB),
            fs_uuid=f"f5000000-0000-4000-8000-{number:012}",
            phase=Phase.READY,
            disk=DiskId(f"disk-{number}"),
            formatted=True,
            serial=Serial(1_700_000_001),
            grants=(_grant(number, place),),
            history=tuple(_entry(at) for at in range(ENTRIES)),
        )


def _grant(number: int, place: int) -> Grant:
    task = TaskId(f"task{number:021}")
    return Grant(task, node_id(place), vm_id(place), boot_id(place), EPOCH, Serial(1_700_000_001))


def _entry(at: int) -> HistoryEntry:
    text = f"disk disk-1 attached to VM {vm_id(at)}, with the words that a history entry of this kind has"
    return HistoryEntry(Moment.ATTACHED, 1.7e9 + at, EPOCH, text, f"swarm{at:04}")


def node_records(size: Size) -> Iterator[NodeRecord]:
    for number in range(size.nodes):
        yield NodeRecord(node_id(number), vm_id(number), boot_id(number), f"swarm{number:04}", version=number + 1)


def store(size: Size) -> MemoryStore:
    made = MemoryStore(leadership=Leadership(EPOCH, node_id(0), "10.0.0.0:7490", version=1))
    made.volumes = {each.name: each for each in records(size)}
    made.nodes = {each.node: each for each in node_records(size)}
    return made


def configs(size: Size) -> dict[str, bytes]:
    """``GET /configs`` by the kind that is asked for."""
    made = [(f"reberth.volume.{each.key}", codec.volume_content(each)) for each in records(size)]
    seen = [(f"reberth.node.{each.node}", codec.node_content(each)) for each in node_records(size)]
    return {"volume": _configs("volume", made), "node": _configs("node", seen), "confirmation": b"[]"}


def _configs(kind: str, found: list[tuple[str, codec.Content]]) -> bytes:
    made = [
        {
            "ID": f"{kind[:4]}{number:021}",
            "Version": {"Index": number + 10},
            "CreatedAt": "2026-11-22T15:57:14.333436229Z",
            "UpdatedAt": "2026-11-22T15:57:14.333436229Z",
            "Spec": {
                "Name": name,
                "Labels": {codec.KIND_LABEL: kind, codec.STATE_LABEL: content.state.decode()},
                "Data": base64.b64encode(content.facts).decode(),
            },
        }
        for number, (name, content) in enumerate(found)
    ]
    return _sent(made)


def storage(size: Size) -> MemoryStorage:
    made = MemoryStorage()
    for number in range(size.nodes):
        made.add_vm(vm_id(number)).stamp = EPOCH
    for number in range(size.volumes):
        disk = DiskId(f"disk-{number}")
        made.disks[disk] = 10 * GIB
        made.attached[disk] = {vm_id(number % size.nodes)}
    return made


def sync(size: Size, number: int, wait: float = 0.0) -> Sync:
    """What the gate on this node says."""
    mine = range(number, size.volumes, size.nodes)
    reports = tuple(VolumeReport(f"data-{volume}", "mounted", 1_700_000_001, mounts=1) for volume in mine)
    return Sync(vm_id(number), boot_id(number), "bench", reports, wait)


def let_gates_speak(size: Size, gates: GateReports) -> None:
    for number in range(size.nodes):
        gates.hear(node_id(number), sync(size, number))

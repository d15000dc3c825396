"""
The parts of Docker's JSON that Reberth reads, as frozen Structs. Unknown fields are skipped: each version adds some.

Field names and nullability as seen with dockerd 20.10.24 (recorded in tests/fixtures/docker) and in the Engine API's
reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T")


class DecodeError(Exception):
    """Docker answered with something that is not what its API promises."""


DEFAULT_STOP_GRACE = 10.0  # seconds: dockerd's own, where a service says nothing


class DockerStruct(msgspec.Struct, frozen=True, rename="pascal", gc=False):
    """``gc=False``: trees without cycles, thousands of them, that the garbage collector need not walk."""


class DriverConfig(DockerStruct, frozen=True):
    name: str = ""
    options: Mapping[str, str] | None = None


class VolumeOptions(DockerStruct, frozen=True):
    driver_config: DriverConfig | None = None


class Mount(DockerStruct, frozen=True):
    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    volume_options: VolumeOptions | None = None

    @property
    def driver(self) -> DriverConfig:
        options = self.volume_options
        return (options.driver_config if options is not None else None) or DriverConfig()


class ContainerSpec(DockerStruct, frozen=True):
    mounts: tuple[Mount, ...] | None = None
    stop_grace_period: int | None = None  # nanoseconds; Docker's default is 10 s


class Placement(DockerStruct, frozen=True):
    constraints: tuple[str, ...] | None = None


class TaskSpec(DockerStruct, frozen=True):
    container_spec: ContainerSpec | None = None
    placement: Placement | None = None

    @property
    def mounts(self) -> tuple[Mount, ...]:
        return (self.container_spec.mounts if self.container_spec is not None else None) or ()

    @property
    def stop_grace(self) -> float:
        """Seconds between the polite signal and the one that kills."""
        asked = self.container_spec.stop_grace_period if self.container_spec is not None else None
        return DEFAULT_STOP_GRACE if asked is None else asked / 1e9


class TaskStatus(DockerStruct, frozen=True):
    state: str = "new"


class RawTask(DockerStruct, frozen=True):
    id: str = msgspec.field(name="ID")
    desired_state: str
    service_id: str = msgspec.field(name="ServiceID", default="")
    node_id: str = msgspec.field(name="NodeID", default="")
    slot: int = 0
    created_at: str = ""
    status: TaskStatus = TaskStatus()
    spec: TaskSpec = TaskSpec()


class Replicated(DockerStruct, frozen=True):
    replicas: int | None = None


class Mode(DockerStruct, frozen=True):
    """The last two are jobs, whose tasks are to end."""

    replicated: Replicated | None = None
    everywhere: Mapping[str, object] | None = msgspec.field(name="Global", default=None)
    replicated_job: Mapping[str, object] | None = None
    global_job: Mapping[str, object] | None = None


class Update(DockerStruct, frozen=True):
    order: str = ""


class ServiceSpec(DockerStruct, frozen=True):
    name: str = ""
    labels: Mapping[str, str] | None = None
    task_template: TaskSpec = TaskSpec()
    mode: Mode = Mode()
    update_config: Update | None = None
    rollback_config: Update | None = None


class RawService(DockerStruct, frozen=True):
    id: str = msgspec.field(name="ID")
    created_at: str = ""
    spec: ServiceSpec = ServiceSpec()


class NodeSpec(DockerStruct, frozen=True):
    role: str = "worker"
    availability: str = "active"
    labels: Mapping[str, str] | None = None


class NodeStatus(DockerStruct, frozen=True):
    state: str = "unknown"
    addr: str = ""


class ManagerStatus(DockerStruct, frozen=True):
    leader: bool = False
    reachability: str = "unknown"
    addr: str = ""


class NodeDescription(DockerStruct, frozen=True):
    hostname: str = ""


class RawNode(DockerStruct, frozen=True):
    id: str = msgspec.field(name="ID")
    spec: NodeSpec = NodeSpec()
    description: NodeDescription = NodeDescription()
    status: NodeStatus = NodeStatus()
    manager_status: ManagerStatus | None = None


class ClusterInfo(DockerStruct, frozen=True):
    id: str = msgspec.field(name="ID", default="")


class SwarmInfo(DockerStruct, frozen=True):
    node_id: str = msgspec.field(name="NodeID", default="")
    node_addr: str = ""
    control_available: bool = False
    local_node_state: str = "inactive"
    error: str = ""
    cluster: ClusterInfo | None = None  # told to managers only


class RawInfo(DockerStruct, frozen=True):
    swarm: SwarmInfo = SwarmInfo()


def nodes_from(answer: bytes) -> tuple[RawNode, ...]:
    """``GET /nodes``. Raises DecodeError."""
    return _decoded(answer, tuple[RawNode, ...], "/nodes")


def services_from(answer: bytes) -> tuple[RawService, ...]:
    """``GET /services``. Raises DecodeError."""
    return _decoded(answer, tuple[RawService, ...], "/services")


def tasks_from(answer: bytes) -> tuple[RawTask, ...]:
    """``GET /tasks``. Raises DecodeError."""
    return _decoded(answer, tuple[RawTask, ...], "/tasks")


def info_from(answer: bytes) -> RawInfo:
    """``GET /info``. Raises DecodeError."""
    return _decoded(answer, RawInfo, "/info")


def _decoded(answer: bytes, form: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(answer, type=form)
    except msgspec.DecodeError as error:
        raise DecodeError(f"Docker's answer to {where} has an unknown form: {error}") from error


def sortable_time(created: str) -> str:
    """Docker's RFC 3339 time with all nine digits, as it leaves out trailing zeros; then text order is time order."""
    whole, _, fraction = created.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}Z" if whole else ""

"""What a check answers, and what it is given. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain

from controller.model import NodeId, Policy, VmId, VolumeKey, World
from drivers.base import Room
from watchers.docker_json import Mount
from watchers.swarm_facts import EngineFacts, NodeFacts, ServiceFacts, SwarmFacts

DRIVER = "reberth"
ROLE_LABEL = "reberth.role"  # on Reberth's own services: controller or node


class Severity(Enum):
    ERROR = "error"  # something does not work, or a failover would fail
    WARNING = "warning"  # it works today, and will hurt in a failover
    NOTE = "note"  # could be better


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` is stable: programs and runbooks may name it. ``cure`` is what a person does about it."""

    code: str
    severity: Severity
    subject: str
    text: str
    cure: str


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What the node service of one node last said of it. ``wall``: its clock less ours, in seconds."""

    gate: str = "running"
    tcp_retries2: int | None = 5
    engine: EngineFacts | None = None
    local_volumes: tuple[str, ...] = ()
    multipath: bool = False
    clock_offset: float = 0.0
    gate_version: str = ""
    mtu: int | None = None  # of the way to the managers
    root_free: int | None = None  # bytes, where Docker's data is


@dataclass(frozen=True, slots=True)
class Facts:
    """``world`` is None before the first look. ``version`` is this controller's own."""

    swarm: SwarmFacts
    world: World | None
    policy: Policy = field(default_factory=Policy)
    reports: Mapping[NodeId, NodeReport] = field(default_factory=dict)
    concerns: Mapping[VmId, Sequence[str]] = field(default_factory=dict)
    setbacks: Mapping[str, str] = field(default_factory=dict)
    down_label: str = "reberth"
    version: str = ""
    rooms: Sequence[Room] = ()
    full: Mapping[str, str] = field(default_factory=dict)  # volumes that are nearly full, and what to do
    keys: Sequence[VolumeKey] = ()  # of all disks that the storage has of ours

    @property
    def managers(self) -> list[NodeFacts]:
        return [node for node in self.swarm.nodes if node.manager_status is not None]

    @property
    def users(self) -> list[ServiceFacts]:
        """Services that mount a volume of ours: they name our driver, or an external volume that is one of ours."""
        known = self.volumes
        return [each for each in self.swarm.services if any(is_ours(mount, known) for mount in each.mounts)]

    @property
    def volumes(self) -> frozenset[str]:
        return frozenset((self.world.volumes or {}) if self.world is not None else {})

    def owns(self, role: str) -> list[ServiceFacts]:
        return [each for each in self.swarm.services if (each.spec.labels or {}).get(ROLE_LABEL) == role]

    def own(self, role: str) -> ServiceFacts | None:
        return next(iter(self.owns(role)), None)

    def node(self, node_id: str) -> NodeFacts | None:
        return next((node for node in self.swarm.nodes if node.id == node_id), None)


def is_ours(mount: Mount, known: AbstractSet[str] = frozenset()) -> bool:
    """``known``: names of volumes of ours. Of a name with a template what comes before it has to fit one of them."""
    name = mount.driver.name.partition(":")[0]
    if name or mount.type != "volume" or not mount.source:
        return name == DRIVER
    start, template, _ = mount.source.partition("{{")
    return any(each.startswith(start) for each in known) if template and start else mount.source in known


Check = Callable[[Facts], Iterator[Finding]]


def examine(facts: Facts, checks: Sequence[Check]) -> tuple[Finding, ...]:
    """The worst first, then by code and subject."""
    order = list(Severity)
    found = chain.from_iterable(check(facts) for check in checks)
    return tuple(sorted(found, key=lambda each: (order.index(each.severity), each.code, each.subject)))


def error(code: str, subject: str, text: str, cure: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, text, cure)


def warning(code: str, subject: str, text: str, cure: str) -> Finding:
    return Finding(code, Severity.WARNING, subject, text, cure)


def note(code: str, subject: str, text: str, cure: str) -> Finding:
    return Finding(code, Severity.NOTE, subject, text, cure)

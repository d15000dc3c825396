"""
What a check of the whole swarm reads beyond claims: engines, managers, settings of Swarm and of services. Pure.

Field names as in the Engine API's reference (1.41 to 1.51). Unknown fields are skipped; what is missing is empty.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from watchers.docker_json import (
    DecodeError,
    DockerStruct,
    ManagerStatus,
    Mode,
    Mount,
    NodeSpec,
    NodeStatus,
    Placement,
    TaskStatus,
    Update,
)


class EngineFacts(DockerStruct, frozen=True):
    """``GET /info`` of one node's own engine."""

    server_version: str = ""
    kernel_version: str = ""
    docker_root_dir: str = ""
    live_restore_enabled: bool = False
    security_options: tuple[str, ...] = ()

    def security(self, name: str) -> bool:
        return any(f"name={name}" in option.split(",") for option in self.security_options)


class Plugin(DockerStruct, frozen=True):
    type: str = ""
    name: str = ""


class Engine(DockerStruct, frozen=True):
    engine_version: str = ""
    plugins: tuple[Plugin, ...] | None = None


class Platform(DockerStruct, frozen=True):
    os: str = msgspec.field(name="OS", default="linux")


class Description(DockerStruct, frozen=True):
    hostname: str = ""
    platform: Platform = Platform()
    engine: Engine = Engine()


class NodeFacts(DockerStruct, frozen=True):
    id: str = msgspec.field(name="ID")
    spec: NodeSpec = NodeSpec()
    description: Description = Description()
    status: NodeStatus = NodeStatus()
    manager_status: ManagerStatus | None = None

    @property
    def name(self) -> str:
        return self.description.hostname or self.id


class RestartPolicy(DockerStruct, frozen=True):
    condition: str = "any"
    delay: int | None = None  # nanoseconds
    max_attempts: int | None = None


class ConfigReference(DockerStruct, frozen=True):
    config_name: str = ""


class Container(DockerStruct, frozen=True):
    image: str = ""
    user: str = ""
    mounts: tuple[Mount, ...] | None = None
    stop_grace_period: int | None = None  # nanoseconds
    configs: tuple[ConfigReference, ...] | None = None


class Network(DockerStruct, frozen=True):
    target: str = ""


class Task(DockerStruct, frozen=True):
    container_spec: Container = Container()
    placement: Placement = Placement()
    restart_policy: RestartPolicy = RestartPolicy()
    networks: tuple[Network, ...] | None = None


class ServiceSpec(DockerStruct, frozen=True):
    name: str = ""
    labels: Mapping[str, str] | None = None
    task_template: Task = Task()
    mode: Mode = Mode()
    update_config: Update | None = None
    rollback_config: Update | None = None


class UpdateStatus(DockerStruct, frozen=True):
    state: str = ""
    message: str = ""


class ServiceFacts(DockerStruct, frozen=True):
    id: str = msgspec.field(name="ID")
    spec: ServiceSpec = ServiceSpec()
    update_status: UpdateStatus | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def task(self) -> Task:
        return self.spec.task_template

    @property
    def mounts(self) -> tuple[Mount, ...]:
        return self.task.container_spec.mounts or ()


class TaskContainer(DockerStruct, frozen=True):
    """Of a task that may be older than its service: no more than is asked for, so that nothing else can be odd."""

    image: str = ""


class TaskSpec(DockerStruct, frozen=True):
    container_spec: TaskContainer = TaskContainer()


class TaskFacts(DockerStruct, frozen=True):
    service_id: str = msgspec.field(name="ServiceID", default="")
    node_id: str = msgspec.field(name="NodeID", default="")
    desired_state: str = ""
    status: TaskStatus = TaskStatus()
    spec: TaskSpec = TaskSpec()

    @property
    def image(self) -> str:
        return self.spec.container_spec.image


class Dispatcher(DockerStruct, frozen=True):
    heartbeat_period: int = 5_000_000_000  # nanoseconds


class Encryption(DockerStruct, frozen=True):
    auto_lock_managers: bool = False


class CaConfig(DockerStruct, frozen=True):
    node_cert_expiry: int = 7_776_000_000_000_000  # nanoseconds


class ClusterSpec(DockerStruct, frozen=True):
    dispatcher: Dispatcher = Dispatcher()
    encryption_config: Encryption = Encryption()
    ca_config: CaConfig = msgspec.field(name="CAConfig", default=CaConfig())


class ClusterFacts(DockerStruct, frozen=True):
    """``GET /swarm``."""

    spec: ClusterSpec = ClusterSpec()


class NetworkFacts(DockerStruct, frozen=True):
    id: str = ""
    name: str = ""
    driver: str = ""


class SwarmFacts(msgspec.Struct, frozen=True):
    """All of it, read one after the other: good for advice, never for evidence."""

    cluster: ClusterFacts = ClusterFacts()
    nodes: tuple[NodeFacts, ...] = ()
    services: tuple[ServiceFacts, ...] = ()
    tasks: tuple[TaskFacts, ...] = ()
    networks: tuple[NetworkFacts, ...] = ()


def swarm_facts(answers: Mapping[str, bytes]) -> SwarmFacts:
    """From the bodies of ``/swarm``, ``/nodes``, ``/services``, ``/tasks`` and ``/networks``. Raises DecodeError."""
    try:
        return SwarmFacts(
            msgspec.json.decode(answers["/swarm"], type=ClusterFacts),
            msgspec.json.decode(answers["/nodes"], type=tuple[NodeFacts, ...]),
            msgspec.json.decode(answers["/services"], type=tuple[ServiceFacts, ...]),
            msgspec.json.decode(answers["/tasks"], type=tuple[TaskFacts, ...]),
            msgspec.json.decode(answers["/networks"], type=tuple[NetworkFacts, ...]),
        )
    except msgspec.DecodeError as error:
        raise DecodeError(f"Docker's answer has an unknown form: {error}") from error

"""Everything that chaos can break in a lab of namespaces. Each fault has its cure; both may be done twice."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.drill.chaos.schedule import Kind
from deploy.drill.errors import DrillError
from deploy.drill.lab_protocols import mend_network
from deploy.drill.proxy import controller_process
from deploy.drill.swarm.scenario import Scenario
from deploy.lab.kernel import processes
from deploy.lab.lab import Lab
from deploy.lab.names import LabError

Act = Callable[["Breaker", str], None]


@dataclass(frozen=True, slots=True)
class Breaker:
    """What faults get their hands on."""

    scenario: Scenario
    lab: Lab
    services: tuple[str, ...]  # the writers' services

    def programs(self, node: str, *words: bytes) -> list[int]:
        """Processes in a node whose command line has all these words; a container's are among them."""
        init = processes.node_init(self.lab.spec.name, node)
        if init is None:
            return []
        return [pid for pid in processes.members(init) if all(word in _command(pid) for word in words)]

    def service(self, node: str) -> str:
        """One of the writers, always the same for a node and a moment's purpose."""
        return self.services[int(node[-2:]) % len(self.services)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True, slots=True)
class ChaosFault:
    kind: Kind
    text: str
    act: Act
    cure: Act


def _nothing(_breaker: Breaker, _node: str) -> None:
    pass


def _power_off(breaker: Breaker, node: str) -> None:
    breaker.lab.power_off(node)


def _power_on(breaker: Breaker, node: str) -> None:
    if breaker.lab.power(node) == "frozen":
        breaker.lab.thaw(node)
    breaker.lab.power_on(node)


def _all(act: Act) -> Act:
    def on_each(breaker: Breaker, _node: str) -> None:
        for each in breaker.lab.nodes:
            act(breaker, each.name)

    return on_each


def _two(act: Act) -> Act:
    def on_two(breaker: Breaker, node: str) -> None:
        names = [each.name for each in breaker.lab.nodes]
        for name in (node, names[(names.index(node) + 1) % len(names)]):
            act(breaker, name)

    return on_two


def _if_on(act: Act) -> Act:
    """A machine that another fault switched off has nothing left to break."""

    def act_if_on(breaker: Breaker, node: str) -> None:
        if breaker.lab.power(node) == "on":
            act(breaker, node)

    return act_if_on


def _freeze(breaker: Breaker, node: str) -> None:
    breaker.lab.freeze(node)


def _cut(breaker: Breaker, node: str) -> None:
    breaker.lab.cut(node)


def _heal(breaker: Breaker, node: str) -> None:
    mend_network(breaker.lab, node)


def _flap(breaker: Breaker, node: str) -> None:
    """Away and back again, faster than Swarm notices, some times."""
    for _ in range(6):
        breaker.lab.cut(node)
        time.sleep(1.5)
        breaker.lab.heal(node)
        time.sleep(0.7)


def _kill(*words: bytes) -> Act:
    def kill(breaker: Breaker, node: str) -> None:
        for pid in breaker.programs(node, *words):
            processes.kill(pid)

    return kill


def _stop(*words: bytes) -> Act:
    def stop(breaker: Breaker, node: str) -> None:
        for pid in breaker.programs(node, *words):
            controller_process.freeze(pid)

    return stop


def _go_on(*words: bytes) -> Act:
    def go_on(breaker: Breaker, node: str) -> None:
        if breaker.lab.power(node) == "on":
            for pid in breaker.programs(node, *words):
                controller_process.thaw(pid)

    return go_on


def _engine_restart(breaker: Breaker, node: str) -> None:
    breaker.scenario.restart_engine(node)


def _storage_away(breaker: Breaker, _node: str) -> None:
    for pid in breaker.lab.host.pids():
        processes.kill(pid, signal.SIGSTOP)


def _storage_back(breaker: Breaker, _node: str) -> None:
    for pid in breaker.lab.host.pids():
        controller_process.thaw(pid)


def _storage_crash(breaker: Breaker, _node: str) -> None:
    for pid in breaker.lab.host.pids():
        processes.kill(pid)
        processes.wait_gone(pid, 10)
    breaker.lab.host.start()


def _drain(breaker: Breaker, node: str) -> None:
    breaker.scenario.cluster.set_availability(node, "drain")


def _activate(breaker: Breaker, node: str) -> None:
    breaker.scenario.cluster.set_availability(node, "active")


def _update(breaker: Breaker, node: str) -> None:
    breaker.scenario.stacks.restart_database(breaker.service(node))


def _update_often(breaker: Breaker, node: str) -> None:
    for _ in range(3):
        _update(breaker, node)
        time.sleep(random.uniform(0.2, 2.0))  # noqa: S311 -- no secret


def _scale(replicas: int) -> Act:
    def scale(breaker: Breaker, node: str) -> None:
        breaker.scenario.stacks.docker("service", "scale", "--detach", f"{breaker.service(node)}={replicas}")

    return scale


def _plugin_off(breaker: Breaker, node: str) -> None:
    api = breaker.scenario.cluster.node_api(node)
    api.disable_plugin("reberth:latest", force=True)


def _plugin_on(breaker: Breaker, node: str) -> None:
    api = breaker.scenario.cluster.node_api(node)
    found = next((each for each in api.plugins() if each["Name"].startswith("reberth")), None)
    if found is not None and not found["Enabled"]:
        api.enable_plugin("reberth:latest")


_GATE = (b"/opt/reberth/bin/reberth", b"gate")
_CONTROLLER = (b"/opt/reberth/bin/reberth", b"controller")
_NODE = (b"/opt/reberth/bin/reberth", b"node")
_FAULTS = (
    ChaosFault(Kind("power-off", 3), "The machine loses its power.", _power_off, _power_on),
    ChaosFault(Kind("power-off-two"), "Two machines lose their power.", _two(_power_off), _two(_power_on)),
    ChaosFault(Kind("power-cut"), "All machines lose their power.", _all(_power_off), _all(_power_on)),
    ChaosFault(Kind("power-cycle", 2, lasts=False), "The machine is reset.", _power_off, _power_on),
    ChaosFault(Kind("freeze", 2), "The machine hangs, and goes on if nobody fenced it.", _if_on(_freeze), _power_on),
    ChaosFault(Kind("cut", 2), "The machine's network is cut.", _if_on(_cut), _heal),
    ChaosFault(Kind("flap", lasts=False), "The machine's network comes and goes.", _if_on(_flap), _heal),
    ChaosFault(Kind("dockerd-kill", lasts=False), "The Docker engine is killed.", _kill(b"dockerd\0"), _nothing),
    ChaosFault(Kind("dockerd-restart", lasts=False), "The engine is restarted.", _if_on(_engine_restart), _nothing),
    ChaosFault(Kind("containerd-kill", lasts=False), "containerd is killed.", _kill(b"containerd\0"), _nothing),
    ChaosFault(Kind("gate-kill", 2, lasts=False), "The gate is killed.", _kill(*_GATE), _nothing),
    ChaosFault(Kind("gate-stop"), "The gate hangs.", _stop(*_GATE), _go_on(*_GATE)),
    ChaosFault(Kind("gate-off"), "The plugin is disabled by force.", _if_on(_plugin_off), _plugin_on),
    ChaosFault(Kind("controller-kill", 2, lasts=False), "The controller is killed.", _kill(*_CONTROLLER), _nothing),
    ChaosFault(Kind("controller-stop", 2), "The controller hangs.", _stop(*_CONTROLLER), _go_on(*_CONTROLLER)),
    ChaosFault(Kind("controllers-kill", lasts=False), "All controllers die.", _all(_kill(*_CONTROLLER)), _nothing),
    ChaosFault(Kind("node-kill", lasts=False), "The node service is killed.", _kill(*_NODE), _nothing),
    ChaosFault(Kind("storage-away", 2), "The storage takes calls and does not answer.", _storage_away, _storage_back),
    ChaosFault(Kind("storage-crash", lasts=False), "The storage's server is started anew.", _storage_crash, _nothing),
    ChaosFault(Kind("drain"), "The node is drained.", _drain, _activate),
    ChaosFault(Kind("update", 2, lasts=False), "A service is updated.", _update, _nothing),
    ChaosFault(Kind("update-often", lasts=False), "A service is updated again and again.", _update_often, _nothing),
    ChaosFault(Kind("scale-to-zero"), "A service is scaled to nothing and back.", _scale(0), _scale(1)),
)
FAULTS = {fault.kind.name: fault for fault in _FAULTS}
KINDS = tuple(fault.kind for fault in _FAULTS)


def harmless(act: Act, breaker: Breaker, node: str) -> str:
    """Do it; what Docker or the lab cannot do at this moment is said, and no reason to stop: other faults overlap."""
    try:
        act(breaker, node)
    except (DrillError, LabError, OSError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 -- docker-py and requests have many; the audit decides what is wrong
        return f"{type(error).__name__}: {error}"
    return ""

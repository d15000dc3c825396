"""Machines and the programs on them: power, engine, gate, controller, node service."""

from __future__ import annotations

import time

from deploy.drill.chaos.faults.base import Act, Breaker, ChaosFault, if_on, nothing, on_all, on_two
from deploy.drill.chaos.faults.switches import cut, freeze, heal, power_off, power_on
from deploy.drill.chaos.schedule import Kind
from deploy.drill.proxy import controller_process
from deploy.lab.kernel import processes


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
FAULTS = (
    ChaosFault(Kind("power-off", 3), "The machine loses its power.", power_off, power_on),
    ChaosFault(Kind("power-off-two"), "Two machines lose their power.", on_two(power_off), on_two(power_on)),
    ChaosFault(Kind("power-cut"), "All machines lose their power.", on_all(power_off), on_all(power_on)),
    ChaosFault(Kind("power-cycle", 2, lasts=False), "The machine is reset.", power_off, power_on),
    ChaosFault(Kind("freeze", 2), "The machine hangs, and goes on if nobody fenced it.", if_on(freeze), power_on),
    ChaosFault(Kind("cut", 2), "The machine's network is cut.", if_on(cut), heal),
    ChaosFault(Kind("flap", lasts=False), "The machine's network comes and goes.", if_on(_flap), heal),
    ChaosFault(Kind("dockerd-kill", lasts=False), "The Docker engine is killed.", _kill(b"dockerd\0"), nothing),
    ChaosFault(Kind("dockerd-restart", lasts=False), "The engine is restarted.", if_on(_engine_restart), nothing),
    ChaosFault(Kind("containerd-kill", lasts=False), "containerd is killed.", _kill(b"containerd\0"), nothing),
    ChaosFault(Kind("gate-kill", 2, lasts=False), "The gate is killed.", _kill(*_GATE), nothing),
    ChaosFault(Kind("gate-stop"), "The gate hangs.", _stop(*_GATE), _go_on(*_GATE)),
    ChaosFault(Kind("gate-off"), "The plugin is disabled by force.", if_on(_plugin_off), _plugin_on),
    ChaosFault(Kind("controller-kill", 2, lasts=False), "The controller is killed.", _kill(*_CONTROLLER), nothing),
    ChaosFault(Kind("controller-stop", 2), "The controller hangs.", _stop(*_CONTROLLER), _go_on(*_CONTROLLER)),
    ChaosFault(Kind("controllers-kill", lasts=False), "All controllers die.", on_all(_kill(*_CONTROLLER)), nothing),
    ChaosFault(Kind("node-kill", lasts=False), "The node service is killed.", _kill(*_NODE), nothing),
)

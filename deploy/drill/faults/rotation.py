"""Another password for the storage: the secret is rotated, and a machine dies after that or in the middle of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploy.drill.errors import DrillError
from deploy.drill.faults.base import DEAD, Simple
from deploy.drill.faults.node import PowerOff
from deploy.drill.faults.vcenter import rounded, vcenter
from deploy.drill.report.data import Setting
from deploy.drill.swarm.cluster import CONTROLLER, wait_for
from deploy.drill.swarm.scenario import Scenario

ROTATE = 180.0  # for all controllers to run with another secret, one after the other
UNDER_WAY = ("updating", "rollback_started")


@dataclass(slots=True)
class PasswordChange(Simple):
    """The secret is rotated as docs/vsphere.md says: a new secret, and the same stack deployed again with its name."""

    name = "password-change"
    text = "vCenter's password is changed and the secret rotated by `docker stack deploy`; then the machine is off."
    storage = "vsphere"
    expected = DEAD
    secret: str = ""
    began: float = 0.0
    took: float | None = None
    disturbed: str = ""

    def prepare(self, scenario: Scenario, node: str) -> None:  # noqa: ARG002
        before = scenario.cluster.place()
        self._begin(scenario)
        wait_for(lambda: _not_rotated(scenario, self.secret), ROTATE)
        scenario.ready()
        wait_for(lambda: "; ".join(scenario.cluster.unread()), ROTATE)
        self.took = time.time() - self.began
        after = scenario.cluster.place()
        if after.container != before.container:
            self.disturbed = f"PostgreSQL was started anew on {after.node} while the secret was rotated"

    def _begin(self, scenario: Scenario) -> None:
        self.began = time.time()
        password = vcenter(scenario).change_password()
        self.secret = f"reberth-storage-{self.began:.0f}"
        stacks = scenario.stacks
        replace(
            stacks,
            variables={**stacks.variables, "REBERTH_SECRET": self.secret},
            secrets={**stacks.secrets, self.secret: password},
        ).deploy_system()

    def act(self, scenario: Scenario, node: str) -> None:
        scenario.lab.power_off(node)

    def objections(self, scenario: Scenario) -> tuple[str, ...]:  # noqa: ARG002
        return (self.disturbed,) if self.disturbed else ()

    def found(self, scenario: Scenario) -> Mapping[str, Setting]:  # noqa: ARG002
        return {"rotation_seconds": rounded(self.took)}

    def undo(self, scenario: Scenario, node: str) -> None:
        """The end of the rotation belongs to it: a dead machine's tasks fail for Swarm when it is back, not before."""
        PowerOff().undo(scenario, node)
        wait_for(lambda: _not_ended(scenario), ROTATE)
        state, message = _update(scenario)
        if state != "completed":
            raise DrillError(f"the controllers did not keep the new secret: {state}: {message}")
        wait_for(lambda: _not_rotated(scenario, self.secret), ROTATE)


class RotationCut(PasswordChange):
    """Right after the machine's own controller was replaced, while Swarm still watches whether the new one fails."""

    name = "rotation-cut"
    text = "vCenter's password is changed, and the machine loses its power while the secret is rotated."

    def prepare(self, scenario: Scenario, node: str) -> None:
        self._begin(scenario)
        wait_for(lambda: _not_rotated(scenario, self.secret, node), ROTATE, step=0.1)


def _fresh(scenario: Scenario, secret: str) -> set[str]:
    """Hostnames of the managers whose controller runs with this secret."""
    names = scenario.cluster.hostnames()
    return {
        names[task["NodeID"]]
        for task in scenario.cluster.tasks(CONTROLLER)
        if (task["DesiredState"], task["Status"]["State"]) == ("running", "running")
        and any(each["SecretName"] == secret for each in _secrets(task))
    }


def _secrets(task: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return task["Spec"]["ContainerSpec"].get("Secrets") or ()


def _not_rotated(scenario: Scenario, secret: str, *only: str) -> str:
    """A complaint, or nothing when the controllers of all managers, or of those named, run with this secret."""
    wanted = only or [machine.name for machine in scenario.lab.nodes if machine.manager]
    old = sorted({*wanted} - _fresh(scenario, secret))
    return f"the controllers of {', '.join(old)} do not run with the secret {secret}" if old else ""


def _update(scenario: Scenario) -> tuple[str, str]:
    """Swarm's word about the replacement of the controllers: state and message."""
    status = scenario.cluster.api().inspect_service(CONTROLLER).get("UpdateStatus") or {}
    return status.get("State", ""), status.get("Message", "")


def _not_ended(scenario: Scenario) -> str:
    state, message = _update(scenario)
    return f"Swarm still replaces the controllers: {message}" if state in UNDER_WAY else ""

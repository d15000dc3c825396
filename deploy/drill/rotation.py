"""Another password for the storage: the secret is rotated, and a machine dies after that or in the middle of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploy.drill.cluster import CONTROLLER, wait_for
from deploy.drill.faults import DEAD, PowerOff, Simple
from deploy.drill.ground import DrillError
from deploy.drill.report import Setting
from deploy.drill.scene import Scene
from deploy.drill.vcenter import rounded, vcenter

ROTATE = 180.0  # for all controllers to run with another secret, one after the other
UNDER_WAY = ("updating", "rollback_started")


@dataclass(slots=True)
class PasswordChange(Simple):
    """The secret is rotated as docs/vsphere.md says: a new secret, and the same stack deployed again with its name."""

    name = "password-change"
    text = "vCenter's password is changed and the secret rotated by `docker stack deploy`; then the machine is off."
    expected = DEAD
    secret: str = ""
    began: float = 0.0
    took: float | None = None
    disturbed: str = ""

    def prepare(self, scene: Scene, node: str) -> None:  # noqa: ARG002
        before = scene.cluster.place()
        self._begin(scene)
        wait_for(lambda: _not_rotated(scene, self.secret), ROTATE)
        scene.ready()
        wait_for(lambda: "; ".join(scene.cluster.unread()), ROTATE)
        self.took = time.time() - self.began
        after = scene.cluster.place()
        if after.container != before.container:
            self.disturbed = f"PostgreSQL was started anew on {after.node} while the secret was rotated"

    def _begin(self, scene: Scene) -> None:
        self.began = time.time()
        password = vcenter(scene).change_password()
        self.secret = f"reberth-storage-{self.began:.0f}"
        stacks = scene.stacks
        replace(
            stacks,
            variables={**stacks.variables, "REBERTH_SECRET": self.secret},
            secrets={**stacks.secrets, self.secret: password},
        ).deploy_system()

    def act(self, scene: Scene, node: str) -> None:
        scene.ground.power_off(node)

    def objections(self, scene: Scene) -> tuple[str, ...]:  # noqa: ARG002
        return (self.disturbed,) if self.disturbed else ()

    def found(self, scene: Scene) -> Mapping[str, Setting]:  # noqa: ARG002
        return {"rotation_seconds": rounded(self.took)}

    def undo(self, scene: Scene, node: str) -> None:
        """The end of the rotation belongs to it: a dead machine's tasks fail for Swarm when it is back, not before."""
        PowerOff().undo(scene, node)
        wait_for(lambda: _not_ended(scene), ROTATE)
        state, message = _update(scene)
        if state != "completed":
            raise DrillError(f"the controllers did not keep the new secret: {state}: {message}")
        wait_for(lambda: _not_rotated(scene, self.secret), ROTATE)


class RotationCut(PasswordChange):
    """Right after the machine's own controller was replaced, while Swarm still watches whether the new one fails."""

    name = "rotation-cut"
    text = "vCenter's password is changed, and the machine loses its power while the secret is rotated."

    def prepare(self, scene: Scene, node: str) -> None:
        self._begin(scene)
        wait_for(lambda: _not_rotated(scene, self.secret, node), ROTATE, step=0.1)


def _fresh(scene: Scene, secret: str) -> set[str]:
    """Hostnames of the managers whose controller runs with this secret."""
    names = scene.cluster.hostnames()
    return {
        names[task["NodeID"]]
        for task in scene.cluster.tasks(CONTROLLER)
        if (task["DesiredState"], task["Status"]["State"]) == ("running", "running")
        and any(each["SecretName"] == secret for each in _secrets(task))
    }


def _secrets(task: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return task["Spec"]["ContainerSpec"].get("Secrets") or ()


def _not_rotated(scene: Scene, secret: str, *only: str) -> str:
    """A complaint, or nothing when the controllers of all managers, or of those named, run with this secret."""
    wanted = only or [machine.name for machine in scene.ground.nodes if machine.manager]
    old = sorted({*wanted} - _fresh(scene, secret))
    return f"the controllers of {', '.join(old)} do not run with the secret {secret}" if old else ""


def _update(scene: Scene) -> tuple[str, str]:
    """Swarm's word about the replacement of the controllers: state and message."""
    status = scene.cluster.api().inspect_service(CONTROLLER).get("UpdateStatus") or {}
    return status.get("State", ""), status.get("Message", "")


def _not_ended(scene: Scene) -> str:
    state, message = _update(scene)
    return f"Swarm still replaces the controllers: {message}" if state in UNDER_WAY else ""

"""The controller's log of what was decided: one line when a decision changed, none when nothing did."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from controller.model import Epoch, VolumeName, World
from controller.planner.actions import Alarm, Converged, kind, reason
from controller.planner.invariants import violations
from controller.planner.plan import Decision

_log = structlog.get_logger(__name__)


class DecisionLog:
    def __init__(self) -> None:
        self._violations: frozenset[str] = frozenset()

    def tell(self, before: Mapping[VolumeName, Decision], now: Mapping[VolumeName, Decision], epoch: Epoch) -> None:
        for name, decision in now.items():
            if decision == before.get(name):
                continue
            action = decision.action
            say = _log.warning if isinstance(action, Alarm) else _log.info
            if decision.fault is not None:
                _log.error("internal.error", volume=name, why="it could not be decided", exc_info=decision.fault)
            event = "volume.converged" if isinstance(action, Converged) else "decision.changed"
            say(event, volume=name, decision=kind(action), why=reason(action), epoch=epoch)

    def judge(self, world: World) -> None:
        """What must never be true is said loudly, once."""
        found = frozenset(violations(world))
        for sentence in sorted(found - self._violations):
            _log.error("law.violated", why=sentence, epoch=world.epoch)
        self._violations = found

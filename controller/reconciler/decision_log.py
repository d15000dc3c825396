"""
The controller's log of what was decided: one line when a decision changed, none when nothing did.

A reason may hold what a gate said, and a gate that lies may say something else each time: so one volume has so many
lines at once, and then one in some seconds, with the newest decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from controller.allowance import Allowance
from controller.model import VolumeName, World
from controller.planner.actions import Alarm, Converged, reason
from controller.planner.invariants import violations
from controller.planner.plan import Decision

LINES_AT_ONCE, LINE_SECONDS = 40, 5.0  # of one volume: a failover has some twelve

_log = structlog.get_logger(__name__)


class DecisionLog:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._lines = Allowance[VolumeName](clock, LINES_AT_ONCE, LINE_SECONDS)
        self._unsaid: set[VolumeName] = set()
        self._violations: frozenset[str] = frozenset()
        self._judged: World | None = None

    def tell(self, before: Mapping[VolumeName, Decision], now: Mapping[VolumeName, Decision], world: World) -> None:
        """``world``: what ``now`` was decided on."""
        for name, decision in now.items():
            if decision == before.get(name) and name not in self._unsaid:
                continue
            if not self._lines.take(name):
                self._unsaid.add(name)
                continue
            self._unsaid.discard(name)
            action = decision.action
            say = _log.warning if isinstance(action, Alarm) else _log.info
            if decision.fault is not None:
                _log.error("internal.error", volume=name, why="it could not be decided", exc_info=decision.fault)
            event = "volume.converged" if isinstance(action, Converged) else "decision.changed"
            say(event, volume=name, decision=action.kind, why=reason(action), epoch=world.epoch)
        self._unsaid &= now.keys()
        self._judge(world)

    def _judge(self, world: World) -> None:
        """What must never be true is said loudly, once. It is about records and attachments alone."""
        last, self._judged = self._judged, world
        if last is not None and last.volumes is world.volumes and last.attachments is world.attachments:
            return
        found = frozenset(violations(world))
        for sentence in sorted(found - self._violations):
            _log.error("law.violated", why=sentence, epoch=world.epoch)
        self._violations = found

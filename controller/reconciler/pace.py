"""How often the loop looks, and when what failed is tried again: after a growing time, for each volume and action."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from math import inf

import structlog

from controller.model import VmId, VolumeName
from controller.planner.actions import Action, Alarm, Attach, CreateDisk, Detach, NewEpoch, Wait
from controller.planner.plan import Decision
from controller.reconciler.record_writer import Broken, Changed, Progress, Result, Setback
from controller.reconciler.state import LoopState
from controller.settings import LoopSettings

_DOUBLINGS = 16  # a number that no backoff_limit is above
_FADING = 0.1  # of the time that it has waited already

RETRIED = "It is tried again after a while; the other volumes go on. The controller's log has the details: report them."
MEND = "Mend in the storage system what the reason names; nothing else is to do here."

MOST_IN_VAIN = 3
IN_VAIN = (
    "the storage has said {} on VM {} done {} times, and what it lists does not show it: something else changes that "
    "VM, or takes away what is noted on it"
)

_log = structlog.get_logger(__name__)


def _steady() -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Seconds. ``resync``: between looks when all is well; ``attentive``: while something is awaited;
    ``backoff``: after a first failure, doubled with each up to ``backoff_limit``. ``jitter`` gives a factor near 1, so
    that many volumes do not retry in step. ``least``: between looks that others ask for, after ``burst`` of them.
    """

    resync: float = 15.0
    attentive: float = 1.0
    backoff: float = 0.5
    backoff_limit: float = 30.0
    jitter: Callable[[], float] = _steady
    least: float = 0.5
    burst: int = 6


Key = tuple[VolumeName, type[Action], VmId | None]


@dataclass(frozen=True, slots=True)
class Backoff:
    """When the same action may be tried again. Another action for the volume is not held back."""

    failures: int
    until: float
    result: Result


def part(volume: VolumeName, failed: Backoff | None) -> int:
    """
    Which part of a VM's disks it goes with. A call without an answer is sent again in two halves, then in quarters: one
    disk may be why nobody answers, on a datastore that hangs, and the others must not wait for it for ever.
    """
    if failed is None or not (isinstance(failed.result, Setback) and failed.result.unanswered):
        return -1
    return int(zlib.crc32(volume.encode()) % 2 ** min(failed.failures, _DOUBLINGS))


def pace_of(loop: LoopSettings) -> Pace:
    return Pace(
        resync=loop.resync,
        attentive=loop.attentive,
        backoff=loop.backoff,
        backoff_limit=loop.backoff_limit,
        jitter=lambda: random.uniform(0.8, 1.2),  # noqa: S311 -- only keeps retries out of step
    )


class Attempts:
    """
    What each volume's last actions came to.

    A failed one is remembered while others succeed: after a call in doubt a new epoch comes first, and the same call
    is not to follow it at once, again and again.
    """

    def __init__(self, pace: Pace, state: LoopState) -> None:
        self._pace = pace
        self._state = state
        self._backoffs: dict[Key, Backoff] = {}
        self._done: dict[VolumeName, tuple[Key, int]] = {}  # what succeeded last, and how often in a row

    def learn(self, action: Action, result: Result) -> None:
        volume, pace, now, key = action.volume, self._pace, self._state.clock(), _key(action)
        if isinstance(result, Progress) and (idle := self._idle(action, key)) is not None:
            result = idle
        if isinstance(result, Progress):
            self._backoffs.pop(key, None)
            self._state.setbacks.pop(volume, None)
            return
        before = self._backoffs.get(key)
        failures = before.failures + 1 if before is not None and self._of_late(before) else 1
        if isinstance(result, Changed) and failures == 1:
            self._backoffs[key] = Backoff(failures, now, result)  # nothing is wrong: look, and go on
            return
        seconds = min(pace.backoff * 2 ** min(failures - 1, _DOUBLINGS), pace.backoff_limit) * pace.jitter()
        asked = result.retry_after if isinstance(result, Setback) else None
        wait = max(seconds, asked or 0.0)
        self._backoffs[key] = Backoff(failures, now + wait, result)
        self._state.setbacks[volume] = result.why
        _log.warning("operation.failed", volume=volume, action=action.kind, why=result.why, retry_in=round(wait, 1))

    def _idle(self, action: Action, key: Key) -> Setback | None:
        """
        Why a success is none: the storage says each time that it was done, and its list does not show it.

        It would be asked for without end, under a new epoch each time, which all other volumes' calls would meet.
        """
        if isinstance(action, NewEpoch):
            return None
        before, many = self._done.get(action.volume, (key, 0))
        many = many + 1 if before == key else 1
        self._done[action.volume] = key, many
        if many <= MOST_IN_VAIN or not isinstance(action, Attach | Detach):
            return None
        return Setback(IN_VAIN.format(action.kind, action.vm, many))

    def failed(self, action: Action) -> Backoff | None:
        """What this action came to when it was tried last, if it did not succeed."""
        return self._backoffs.get(_key(action))

    def as_told(self, action: Action) -> Action:
        """
        What people are told instead of an action that failed, until it succeeds: it is under way no more.

        One failure is an ordinary thing: the next attempt comes at once. From the second on, or where only a person can
        help, they read what was answered.
        """
        backoff = self._backoffs.get(_key(action))
        if backoff is None or action.quiet:
            return action
        match backoff.result:
            case Broken(why=why):
                return Alarm(action.volume, why, RETRIED)
            case Setback(why=why, cure=str(cure)):
                # A detach that is refused is about the node that had the volume: a task elsewhere had to wait as well.
                final = isinstance(action, CreateDisk | Attach)
                return Alarm(action.volume, f"Volume {action.volume}: {why}", cure, final)
            case Setback(why=why) if backoff.failures > 1 and self._of_late(backoff):
                return Wait(action.volume, retried(action.volume, why), cure=MEND)
            case _:
                return action

    def _of_late(self, backoff: Backoff) -> bool:
        return self._state.clock() <= backoff.until + 2 * self._pace.backoff_limit

    def next_in(self) -> float:
        """Seconds until the next attempt is due."""
        now = self._state.clock()
        return min((each.until - now for each in self._backoffs.values() if each.until > now), default=inf)

    def clear(self) -> None:
        self._backoffs.clear()
        self._done.clear()

    def keep(self, volumes: Container[VolumeName]) -> None:
        """Forget what is about volumes that are gone."""
        self._backoffs = {key: each for key, each in self._backoffs.items() if key[0] in volumes}
        self._done = {name: each for name, each in self._done.items() if name in volumes}


class Attention:
    """How soon to look again by itself: what has waited for long is looked at less often."""

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        self._pace = pace
        self._clock = clock
        self._since: dict[VolumeName, tuple[Decision, float]] = {}

    def seconds(self, decisions: Iterable[Decision]) -> float:
        now, before = self._clock(), self._since
        self._since = {}
        waits = [self._pace.resync]
        for decision in decisions:
            if not isinstance(decision.action, Wait | Alarm):
                continue
            known = before.get(decision.volume)
            since = known[1] if known is not None and known[0] == decision else now
            self._since[decision.volume] = decision, since
            waits.append(self._wait(decision.action, now - since))
        return min(waits)

    def _wait(self, action: Wait | Alarm, age: float) -> float:
        faded = min(self._pace.resync, max(self._pace.attentive, age * _FADING))
        if isinstance(action, Wait) and action.counting and action.until is not None:
            return min(faded, action.until)
        return faded


def retried(volume: VolumeName, why: str) -> str:
    """Some storage systems end their sentences, some do not."""
    return f"Volume {volume}: {why.removesuffix('.')}. It is tried again by itself."


def _key(action: Action) -> Key:
    return action.volume, type(action), getattr(action, "vm", None)

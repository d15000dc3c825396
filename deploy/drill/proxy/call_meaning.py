"""
What a controller's call means for a failover, read from the call itself. Pure.

A failover is a sequence of calls: each writes a volume's record in Swarm, or changes the storage. So the controller can
be stopped before and after each of them by somebody who only sees its calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from controller.names import LEADER_CONFIG
from controller.records.codec import STATE_LABEL
from deploy.drill.errors import DrillError

_CONFIG = re.compile(r"(?:/v[0-9.]+)?/configs/(?:create|[^/]+/update)")
_CHANGE = re.compile(r"/v1/vms/[^/]+/(attach|detach|power-off)")
_POWERS = "/v1/vms"
_GROW = re.compile(r"/v1/disks/[^/]+/grow")
_DISK = re.compile(r"/v1/disks/[^/]+")
_VOLUME = "reberth.volume."

State = Mapping[str, Any]


class Step(Enum):
    EVIDENCE = "evidence"  # the look that shows a VM off: nothing follows from it before the next write
    REVOKE = "revoke"
    DROP = "drop"  # the old grant is dropped, with the evidence
    FENCE = "fence"
    INTEND_DETACH = "intend-detach"
    DETACH = "detach"
    INTEND_ATTACH = "intend-attach"
    ATTACH = "attach"
    GRANT = "grant"
    GROW = "grow"
    NOTE_GROWN = "note-grown"
    ORDER_COPY = "order-copy"  # a snapshot is wanted, says the record
    COPY = "copy"
    NOTE_COPY = "note-copy"  # it is there
    LEAD = "lead"  # the record of who acts: a new epoch, or a sign of life


class When(Enum):
    BEFORE = "before"  # the call was sent and does not arrive
    AFTER = "after"  # the call did what it does, and the answer does not arrive


@dataclass(frozen=True, slots=True)
class StopPoint:
    """Where to stop a controller."""

    when: When
    step: Step

    def __str__(self) -> str:
        return f"{self.when.value}:{self.step.value}"


_PATH = (Step.DROP, Step.INTEND_DETACH, Step.DETACH, Step.INTEND_ATTACH, Step.ATTACH, Step.GRANT)
STOP_POINTS: tuple[StopPoint, ...] = (
    StopPoint(When.AFTER, Step.EVIDENCE),
    *(StopPoint(when, step) for step in _PATH for when in When),
    *(StopPoint(when, Step.FENCE) for when in When),
)
"""All that a failover passes after a power-off (nothing is left to revoke then), and the fence of one that hangs."""


def stop_point(text: str) -> StopPoint:
    """Raises DrillError with the spots there are."""
    known = {str(each): each for each in STOP_POINTS}
    if text not in known:
        raise DrillError(f"there is no step {text!r}; choose one of {', '.join(known)}")
    return known[text]


@dataclass(frozen=True, slots=True)
class Meaning:
    """``epoch``: the one under which the caller acts, as far as the call tells it. ``record``: the config it writes."""

    step: Step | None
    epoch: int = 0
    record: str = ""
    state: State | None = None


NOTHING = Meaning(None)


def meaning(method: str, path: str, body: bytes, known: Mapping[str, State]) -> Meaning:
    """``known``: what each record held before, by the config's name."""
    change = _CHANGE.fullmatch(path)
    if method == "POST" and change is not None:
        return _change(change.group(1), body)
    if method == "POST" and _CONFIG.fullmatch(path):
        return _write(msgspec.json.decode(body), known)
    return _on_disk(method, path, body)


def _on_disk(method: str, path: str, body: bytes) -> Meaning:
    if method == "POST" and _GROW.fullmatch(path):
        return Meaning(Step.GROW)
    if method == "PUT" and _DISK.fullmatch(path) and msgspec.json.decode(body).get("copy_of"):
        return Meaning(Step.COPY)
    return NOTHING


def _change(word: str, body: bytes) -> Meaning:
    steps = {"attach": Step.ATTACH, "detach": Step.DETACH, "power-off": Step.FENCE}
    return Meaning(steps[word], int(msgspec.json.decode(body).get("epoch") or 0))


def _write(config: Mapping[str, Any], known: Mapping[str, State]) -> Meaning:
    name = str(config.get("Name", ""))
    text = (config.get("Labels") or {}).get(STATE_LABEL)
    if text is None:
        return NOTHING
    state = msgspec.json.decode(text)
    if name == LEADER_CONFIG:
        return Meaning(Step.LEAD, int(state["epoch"]), name, state)
    if not name.startswith(_VOLUME):
        return NOTHING
    return Meaning(_volume(known.get(name, {}), state), _epoch(state), name, state)


def _epoch(state: State) -> int:
    history: Sequence[State] = state.get("history") or ()
    intent: State = state.get("intent") or {}
    return max(int(intent.get("epoch", 0)), *(int(entry["epoch"]) for entry in history), 0)


def _volume(before: State, after: State) -> Step | None:
    intent = after.get("intent") or {}
    if intent and intent != before.get("intent"):
        steps = {"attach": Step.INTEND_ATTACH, "detach": Step.INTEND_DETACH}
        return None if intent.get("in_doubt") else steps.get(intent["operation"])
    granted = _grants(before.get("grants") or [], after.get("grants") or [])
    if granted is not None:
        return granted
    if after.get("grown_to", 0) > before.get("grown_to", 0):
        return Step.NOTE_GROWN
    return _copies(_states(before), _states(after)) or _revoked(before, after)


def _revoked(before: State, after: State) -> Step | None:
    return Step.REVOKE if after["serial"] > before.get("serial", 0) else None


def _states(state: State) -> Mapping[str, str]:
    """Of a volume's snapshots, by their tokens."""
    return {each["token"]: each["state"] for each in (state.get("snapshots") or {}).get("each", ())}


def _copies(old: Mapping[str, str], new: Mapping[str, str]) -> Step | None:
    changed = {state for token, state in new.items() if old.get(token) != state}
    steps = {"wanted": Step.ORDER_COPY, "there": Step.NOTE_COPY}
    return next((step for state, step in steps.items() if state in changed), None)


def _grants(old: Sequence[State], new: Sequence[State]) -> Step | None:
    if any(grant not in old for grant in new):
        return Step.GRANT
    return Step.DROP if len(new) < len(old) else None


def shows_evidence(method: str, path: str, answer: bytes) -> bool:
    """Whether the machine host's answer says that some VM is off."""
    return method == "GET" and path == _POWERS and any(vm["power"] == "off" for vm in msgspec.json.decode(answer))


def done(step: Step, status: int, answer: bytes) -> bool:
    """Whether the call did what it does, or at least for one disk."""
    if not 200 <= status < 300:
        return False
    if step in {Step.ATTACH, Step.DETACH}:
        return any(each["outcome"] == "done" for each in msgspec.json.decode(answer))
    return True

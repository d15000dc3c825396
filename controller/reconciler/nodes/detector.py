"""
Which nodes have fallen silent, by two voices of each that know nothing of each other. Pure: times are handed in.

The node service beats; the gate speaks as soon as its poll is answered. Only a node that this controller heard beating,
and whose gate was asked and said nothing, is suspected. Where many are silent at once, we are the deaf one. What is
found here is no evidence about anything: it only begins the grace (controller/planner/silence).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.model import BootId, NodeId, VmId

PACE = 1.0  # seconds between the beats of a node that has a volume
# Of one that has none: nothing there is worth a fence. A volume that comes is watched from the next beat on.
IDLE_PACE = 3.0
MOST_BEATS = 100  # a second that one controller is to answer; with more nodes each beats less often
MISSED = 3  # beats of its pace, at least, that a silent node has missed
MOST_IDLE = 33  # a second of those of idle nodes
ANSWER = 0.25  # seconds in which a living gate answers when it is asked, in an ordinary swarm


@dataclass(frozen=True, slots=True)
class Timing:
    """``after``: seconds of silence; ``fraction``: of all nodes, more silent than this are the fault of this side."""

    after: float
    fraction: float


@dataclass(frozen=True, slots=True)
class Voice:
    """
    One node, as it was heard since this controller listens.

    ``beat``: the last one; None: none was heard, so that it is not known whether one would come. ``every``: at which
    pace it was told to beat. ``gate``: when its gate last spoke; ``asked``: when that was asked to speak, if it has not
    since.
    """

    vm: VmId
    boot: BootId
    beat: float | None = None
    every: float = PACE
    gate: float | None = None
    asked: float | None = None


@dataclass(frozen=True, slots=True)
class Silences:
    """``since``: the suspected, and since when; ``ask``: whose gates are to speak now; ``deaf``: it is we."""

    since: Mapping[NodeId, float]
    ask: frozenset[VmId] = frozenset()
    deaf: bool = False


def pace(watched: int, many: int, *, holds: bool) -> float:
    """Seconds between two beats of a node. ``watched``: nodes that hold something, of so many."""
    often = max(PACE, watched / MOST_BEATS)
    return often if holds else max(IDLE_PACE, often, many / MOST_IDLE)


def listen(voices: Mapping[NodeId, Voice], many: int, began: float, now: float, timing: Timing) -> Silences:
    """``many``: nodes there are, without those seen off. What was missed before ``began`` does not count."""
    quiet = {name: voice for name, voice in voices.items() if _half(voice, began, now, timing)}
    if not quiet:
        return Silences({})
    # A roll call: whoever lives answers at once, also a node that beats seldom. So it is known who is deaf.
    ask = frozenset(v.vm for v in voices.values() if _unheard(v, began, now) >= _limit(v, timing, PACE) / 2)
    silent = _unanswered(voices, began, now)
    if silent > timing.fraction * many or silent > len(voices) / 2:
        return Silences({}, ask, deaf=True)
    return Silences(_over(quiet, began, now, timing), ask)


def _unanswered(voices: Mapping[NodeId, Voice], began: float, now: float) -> int:
    asked = (max(voice.asked, began) for voice in voices.values() if voice.asked is not None)
    return sum(now - at >= ANSWER for at in asked)


def _over(quiet: Mapping[NodeId, Voice], began: float, now: float, timing: Timing) -> Mapping[NodeId, float]:
    found = {name: since(voice, began, timing) for name, voice in quiet.items()}
    return {name: at for name, at in found.items() if at is not None and at <= now}


def since(voice: Voice, began: float, timing: Timing) -> float | None:
    """From when on it is suspected, if nothing is heard: its beats, and its gate although it was asked."""
    if voice.beat is None or voice.gate is None or voice.asked is None:
        return None
    limit = _limit(voice, timing, voice.every)
    return max(max(voice.beat, began) + limit, max(voice.asked, began) + limit / 2)


def _limit(voice: Voice, timing: Timing, every: float) -> float:
    return max(timing.after, MISSED * max(every, PACE) if voice.beat is not None else timing.after)


def _half(voice: Voice, began: float, now: float, timing: Timing) -> bool:
    """Whether its beats are late enough to ask its gate."""
    return voice.beat is not None and now - max(voice.beat, began) >= _limit(voice, timing, voice.every) / 2


def _unheard(voice: Voice, began: float, now: float) -> float:
    """Seconds since either of its voices was heard; a gate that never spoke to us cannot be asked."""
    if voice.gate is None:
        return 0.0
    return now - max(began, voice.gate, voice.beat if voice.beat is not None else voice.gate)

"""
What a power state that was read is worth, beside what the VM's gate says. Pure: times are handed in.

A VM that is off does not speak. So what its gate said before is no word of its any more, and what it says afterwards in
the same boot contradicts the hypervisor: a left-over definition of a VM that runs elsewhere, or two VMs with one UUID.
A gate that was heard a moment ago is prodded first, and the reading counts when it stays silent: whoever lives answers
within milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from controller.model import BootId, GateView, Power, VmId

LISTEN = 0.5  # seconds that a prodded gate must be silent
_SAME = 1e-6  # seconds: ages are differences
IN_FLIGHT = 3.0  # seconds that a word may have been under way when its VM went off


@dataclass(frozen=True, slots=True)
class Readings:
    """
    ``power``: OFF only where no gate contradicts, UNKNOWN while one is listened for. ``gates``: without what was said
    before a VM went off. ``prod``: gates that are to speak now; ``again``: seconds until the next look makes sense.
    ``off``: VMs that were seen off and not on since, to be asked for in each look.
    """

    power: Mapping[VmId, Power] | None
    gates: Mapping[VmId, GateView]
    alarms: tuple[str, ...] = ()
    prod: frozenset[VmId] = frozenset()
    again: float | None = None
    off: frozenset[VmId] = frozenset()


@dataclass(frozen=True, slots=True)
class _Off:
    since: float  # when the first reading of it began
    boot: BootId | None  # of the gate's last word before
    prodded: float | None = None


@dataclass(frozen=True, slots=True)
class _Doubt:
    alarm: str = ""
    wait: float | None = None  # seconds
    prod: bool = False


class PowerJudge:
    """Remembers since when a VM is off, and in which boot it spoke before. One for each observer."""

    def __init__(self, fresh: float) -> None:
        """``fresh``: seconds for which a gate's word is current."""
        self._fresh = fresh
        self._off: dict[VmId, _Off] = {}
        self._ended: dict[VmId, float] = {}  # what was said until then is no word any more, also once it is on again

    def judge(
        self,
        read: Mapping[VmId, Power] | None,
        views: Mapping[VmId, GateView],
        lost: AbstractSet[VmId],
        began: float,
        now: float,
    ) -> Readings:
        """
        ``read`` None: could not be read. ``lost``: VMs of nodes that Swarm misses as well. ``began``: before the powers
        were read; ``now``: after.
        """
        for vm in _seen(read, Power.ON):
            self._off.pop(vm, None)
        doubts = {vm: self._doubt(vm, views.get(vm), vm in lost, began, now) for vm in _seen(read, Power.OFF)}
        unsure = {vm: doubt for vm, doubt in doubts.items() if doubt is not None}
        return Readings(
            power=None if read is None else {**read, **dict.fromkeys(unsure, Power.UNKNOWN)},
            gates=self._of_now(views, now),
            alarms=tuple(each.alarm for each in unsure.values() if each.alarm),
            prod=frozenset(vm for vm, each in unsure.items() if each.prod),
            again=_soonest(unsure.values()),
            off=frozenset(self._off),
        )

    def _of_now(self, views: Mapping[VmId, GateView], now: float) -> Mapping[VmId, GateView]:
        """Without what was said before a VM went off."""
        return {vm: view for vm, view in views.items() if now - view.age > self._ended.get(vm, -math.inf)}

    def _doubt(self, vm: VmId, view: GateView | None, lost: bool, began: float, now: float) -> _Doubt | None:
        """Why the reading OFF does not count yet; None: it does."""
        off = self._since(vm, view, began, now)
        if view is None or view.age > self._fresh:
            self._ended[vm] = now
            return None
        heard = now - view.age
        if heard > off.since + IN_FLIGHT:
            return _Doubt(alarm=_contradiction(vm, view))
        self._ended[vm] = max(off.since, heard)
        if lost and heard <= off.since:
            return None
        silent = off.prodded is not None and heard < off.prodded - _SAME
        since = off.prodded if silent and off.prodded is not None else now
        self._off[vm] = replace(off, prodded=since)
        left = since + LISTEN - now
        return _Doubt(wait=left, prod=not silent) if left > _SAME else None

    def _since(self, vm: VmId, view: GateView | None, began: float, now: float) -> _Off:
        known = self._off.get(vm)
        boot = None if view is None else view.boot
        ran = known is not None and view is not None and now - view.age > known.since and view.boot != known.boot
        if known is None or ran:  # a word in another boot: it was on in between
            known = self._off[vm] = _Off(began, boot)
        return known


def of_one_moment(
    read: Mapping[VmId, Power] | None, with_list: Mapping[VmId, Power] | None
) -> Mapping[VmId, Power] | None:
    """
    A power counts only where the answer that had the attachments knew it too: an empty list of a VM that was not
    connected at that moment, and a power read a moment later, would together be evidence of a detach.
    """
    if read is None or with_list is None:
        return read
    unknown = Power.UNKNOWN
    return {vm: unknown if with_list.get(vm, unknown) is unknown else state for vm, state in read.items()}


def _seen(read: Mapping[VmId, Power] | None, state: Power) -> Sequence[VmId]:
    return [vm for vm, found in (read or {}).items() if found is state]


def _soonest(doubts: Iterable[_Doubt]) -> float | None:
    """Seconds until the first of them is settled."""
    return min((each.wait for each in doubts if each.wait is not None), default=None)


def _contradiction(vm: VmId, view: GateView) -> str:
    return (
        f"VM {vm} is seen off, but the gate of node {view.node} on it spoke {view.age:.0f} s ago in the boot that "
        f"should have ended ({view.boot[:8]}): the hypervisor's word is not believed. Look for a left-over "
        "definition of a VM that runs on another host, or for two VMs with one UUID"
    )

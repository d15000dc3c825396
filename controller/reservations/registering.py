"""
What a node does with its own key: register it, take it away. Blocks: see `scsi`.

Nobody but a node can register its own nexus, and a node that was fenced could do so again: obedience alone keeps it
from that. So a key is registered only as long as the reservation is held by the very controller that ordered it: its
key has the epoch of the order. An order that comes late meets another holder. Looked at before and afterwards: whoever
takes a LUN over becomes its holder first and looks at the keys then, so that one of the two sees the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.model import Epoch
from controller.reservations import codec
from controller.reservations.keys import NodeKey, PoolKey, parse, shown
from controller.reservations.lun import BY_ID, Lun, opened
from controller.reservations.scsi import Conflict, Failed, NoAnswer, NotSent
from controller.reservations.state import State


@dataclass(frozen=True, slots=True)
class Registered:
    """It is so now: read back."""


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """For sure not so, and nothing is under way."""

    why: str


@dataclass(frozen=True, slots=True)
class Unsure:
    """It may be so, or become so."""

    why: str


Word = Registered | NotRegistered | Unsure
_Act = Callable[[Lun], Word]


def register(names: Sequence[str], key: int, by_id: Path = BY_ID, *, anew: bool = True) -> Word:
    """
    To have this node's key on the LUN of one of these names. Its own of an earlier epoch is changed.

    Not ``anew``: it is changed only, and a nexus that has none (it was fenced) gets none.
    """
    wanted = parse(key)
    if not isinstance(wanted, NodeKey):
        return NotRegistered(f"{shown(key)} is no key of a node's")
    return _asked(names, by_id, lambda lun: _register(lun, wanted, anew=anew))


def unregister(names: Sequence[str], key: int, by_id: Path = BY_ID) -> Word:
    """`Registered`: no key of this node's is on the LUN now."""
    wanted = parse(key)
    if not isinstance(wanted, NodeKey):
        return NotRegistered(f"{shown(key)} is no key of a node's")
    return _asked(names, by_id, lambda lun: _unregister(lun, wanted))


def _asked(names: Sequence[str], by_id: Path, act: _Act) -> Word:
    try:
        with opened(next((each for each in names if (by_id / each).exists()), names[0]), by_id) as lun:
            return act(lun)
    except (NotSent, Failed) as error:
        return NotRegistered(str(error))
    except (NoAnswer, codec.Malformed) as error:
        return Unsure(str(error))


def _register(lun: Lun, wanted: NodeKey, *, anew: bool) -> Word:
    before = lun.state()
    if (why := out_of_date(before, wanted.epoch)) is not None:
        return NotRegistered(why)
    own = _own(before, wanted)
    if any(each.epoch > wanted.epoch for each in own):
        return NotRegistered("this node's key of a later epoch is there")
    try:
        _exchange(lun, own, wanted.number, anew=anew)
    except Conflict:
        why = (
            "with a key that was not given to it" if anew else "with none: it was fenced, and the disk is in use there"
        )
        return NotRegistered(f"this node is registered {why}")
    after = lun.state()
    if (why := out_of_date(after, wanted.epoch)) is not None:
        with suppress(Failed, NotSent):
            lun.register(wanted.number, 0)
        return NotRegistered(why) if wanted.number not in lun.state().keys else Unsure(f"{why}, and its key is there")
    return Registered() if wanted.number in after.keys else Unsure("its key was registered, and is not there")


def _exchange(lun: Lun, own: Sequence[NodeKey], new: int, *, anew: bool) -> None:
    """
    A nexus that has none is registered from none: so what was given to it by somebody else is not covered up. Raises
    Conflict.
    """
    for old in [*(each.number for each in own), *([0] if anew else [])]:
        with suppress(Conflict):  # a key of ours may be another nexus's, of before a login
            return lun.register(old, new)
    raise Conflict


def _unregister(lun: Lun, wanted: NodeKey) -> Word:
    for each in _own(lun.state(), wanted):
        with suppress(Conflict):
            lun.register(each.number, 0)
    left = _own(lun.state(), wanted)
    return NotRegistered("its key is there, under another nexus of this node") if left else Registered()


def _own(state: State, wanted: NodeKey) -> list[NodeKey]:
    """Newest first."""
    found = {each for each in map(parse, state.keys) if isinstance(each, NodeKey) and each.who == wanted.who}
    return sorted(found, key=lambda each: -each.epoch)


def out_of_date(state: State, epoch: Epoch) -> str | None:
    """Why an order of this epoch does not count on this LUN."""
    held = state.reservation
    if held is None:
        return "nobody holds the LUN's reservation: whoever ordered this took it first, so that is over"
    if held.kind != codec.OURS:
        return f"the LUN's reservation is of the type {held.name}, and not ours"
    holder = parse(held.key)
    if not isinstance(holder, PoolKey):
        return f"the LUN's reservation is held with the key {shown(held.key)}, which is no controller's"
    if holder.epoch != epoch:
        return f"the LUN is held under the epoch {holder.epoch}, and the order is of {epoch}"
    return None

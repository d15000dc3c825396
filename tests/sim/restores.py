"""A volume is restored from a snapshot: ordered by a person, and done beside the loop by one write of the record."""

from __future__ import annotations

from collections.abc import Iterator

from tests.sim.change import Broken, write
from tests.sim.faults import Event
from tests.sim.state import NOWHERE, Age, Mount, State, Storage


def restores(storage: Storage, s: State) -> Iterator[Event]:
    b, record = s.budget, s.record
    free = s.claim < 0 and record.age is Age.READY and not record.grants
    if b.restores and free and not record.restoring:
        spent = s._replace(budget=b._replace(restores=b.restores - 1))
        yield "order back", 0, write(spent, -1, record._replace(restoring=True))
    after = exchanged(storage, s)
    if after is not None:
        yield "exchange", 0, after


def exchanged(storage: Storage, s: State) -> State | None:
    """
    Where the record has no grant and no intent, and the list shows the disk nowhere: the new disk is the volume's.

    What was permitted before is about the old disk, which stays, and is looked for by nobody else.
    """
    record = s.record
    seen = s.disk and not s.mislaid
    if not record.restoring or record.age is not Age.READY or record.grants or _open(s) or seen or s.blind:
        return None
    for i, vm in enumerate(s.vms):
        if (vm.on or vm.saved) and vm.mount is Mount.YES and (s.disk >> i & 1 or not storage.cuts) and not vm.lies:
            raise Broken(f"the volume is restored while VM {i} writes to it")
    vms = tuple(
        vm._replace(offers=frozenset(), stale=vm.stale | {o[0] for o in vm.offers}) if vm.offers else vm for vm in s.vms
    )
    life = record.life + 1
    disk = storage.disk_name(life)
    after = record._replace(life=life, disk=disk, restoring=False, place=NOWHERE)
    after = after._replace(intent=None)
    return write(s._replace(vms=vms, made=s.made | {disk}, disk=0, mislaid=False), -1, after)


def _open(s: State) -> bool:
    """Whether there is an intent that no look takes for settled: what was asked for is not so, or may still come."""
    intent = s.record.intent
    if intent is None:
        return False
    return intent.op != "detach" or (intent.in_doubt and intent.epoch == s.leaders[s.acting].epoch)

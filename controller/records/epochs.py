"""
Epochs met on the storage and at the gates that are above the one in the records. Pure.

The records came from an old backup of the swarm, or it was made anew: nobody acts under those epochs any more, and
storage and gates refuse everything below them. So whoever holds the record takes an epoch above all of them, by
compare-and-set: if there is a newer leader after all, it holds a newer record, and nothing is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.model import Epoch, World

MOST_AHEAD = 1_000_000  # leaders since a backup; more is a lie, which must not use up the numbers there are


def above_ours(world: World, *, unused: bool = False) -> Epoch | None:
    """
    The highest epoch met that is above the world's own; None when there is none.

    ``unused``: nothing was done yet under ours. Then whoever left the same number behind was another leader: after a
    backup was brought back, the next epoch has the number of one that was lost with the swarm.
    """
    met = [each for each, _, _ in _met(world) if each <= world.epoch + MOST_AHEAD]
    found = max(met, default=Epoch(0))
    return found if found > world.epoch or (unused and found == world.epoch) else None


def absurd(world: World) -> tuple[str, ...]:
    """One sentence, with the cure, for each place that has an epoch which no leader can have had."""
    found = {(each, f"{where} {name}") for each, where, name in _met(world) if each > world.epoch + MOST_AHEAD}
    return tuple(
        f"{where} bears epoch {epoch}, and this controller's is {world.epoch}: no leader can have had that one, so it "
        "is not followed, and its volumes wait. See who wrote it (a gate that lies, a hand in the storage), and remove "
        "it there"
        for epoch, where in sorted(found)
    )


def _met(world: World) -> Iterator[tuple[Epoch, str, str]]:
    """Each epoch, and where it stands: in two parts, because nearly none is told to anybody."""
    for attachment in world.attachments or ():
        if attachment.epoch is not None:
            yield attachment.epoch, "the storage's stamp on VM", attachment.vm
    for record in (world.volumes or {}).values():
        for grant in record.grants:
            yield grant.epoch, "the record of volume", record.name
        if record.intent is not None:
            yield record.intent.epoch, "the record of volume", record.name
    for gate in world.gates.values():
        for said in gate.volumes.values():
            yield said.epoch, "the gate's memory on VM", gate.vm

"""Situations that hold all volumes, or what a person has paused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.support.plans import CLOSED, RESTING
from tests.support.told_words import Told, held
from tests.support.worlds import GUARDED, POLICY

EVERYWHERE: Mapping[str, Told] = {
    "paused": Told(held(paused="storage work until six"), ("paused", "storage work until six"), ("`reberth resume`",)),
    "the volume is paused": Told(
        held(paused_parts=(RESTING,)),
        ("Volume data is paused", "its data is copied", "`reberth resume --volume data` ends that"),
        ("end the pause",),
        "paused",
    ),
    "the node that is to have it is paused": Told(
        held(paused_parts=(CLOSED,)),
        ("node swarm02 is paused", "its host is mended", "`reberth resume --node swarm02` ends that"),
        ("end the pause",),
        "paused",
    ),
    "the storage cannot be read": Told(
        held(attachments=None, unread=("vCenter does not answer",)),
        ("the storage's list of attachments could not be read", "vCenter does not answer"),
        ("the storage system answers", "by itself"),
    ),
    "Swarm cannot be read": Told(
        replace(held(), nodes=None, claims=None, unread=("the swarm has no leader",)),
        ("Swarm's nodes and Swarm's tasks could not be read", "the swarm has no leader"),
        ("Bring back the managers", "`docker node ls`"),
    ),
    "no storage is configured": Told(
        held(),
        ("No storage is configured", "[storage]"),
        ("Name a driver under [storage]",),
        policy=replace(POLICY, capabilities=replace(GUARDED, max_disks_per_vm=0)),
    ),
    "a storage that would attach twice": Told(
        held(),
        ("driver fake allows a disk on two VMs at once",),
        ("Name another driver under [storage]",),
        policy=replace(POLICY, capabilities=replace(GUARDED, exclusive_attach=False)),
    ),
}

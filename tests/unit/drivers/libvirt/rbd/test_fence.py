"""Whoever has an image open cannot write to it any more, and that is read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drivers.libvirt.faults import Fault
from drivers.libvirt.rbd.answers import LONG
from drivers.libvirt.rbd.fence import cut
from tests.support.ceph_cluster import CephCluster

OLD, OTHER = "10.0.0.2:0/1", "10.0.0.3:0/2"


def held(cluster: CephCluster, address: str) -> bool:
    return cluster.entries[address] - datetime.now(UTC) > LONG


async def test_an_image_that_nobody_has_open_fences_nobody() -> None:
    cluster = CephCluster()
    await cut(cluster, "image")
    assert (cluster.entries, cluster.asked) == ({}, ["clients"])


async def test_each_client_is_blocked_and_the_list_is_read_after_it() -> None:
    """The clients are read again too, and before the list."""
    cluster = CephCluster([OLD, OTHER])
    await cut(cluster, "image")
    assert held(cluster, OLD)
    assert held(cluster, OTHER)
    assert cluster.asked == ["clients", "blocklist"] * 2


async def test_an_entry_that_ends_is_made_anew() -> None:
    """Ceph does not extend one: it would end while the client is still frozen."""
    cluster = CephCluster([OLD], {OLD: datetime.now(UTC) + timedelta(hours=1)})
    await cut(cluster, "image")
    assert held(cluster, OLD)


async def test_who_comes_while_others_are_fenced_is_fenced_too() -> None:
    cluster = CephCluster([OLD], coming=[OTHER])
    await cut(cluster, "image")
    assert held(cluster, OTHER)


async def test_a_block_that_is_not_on_the_list_is_no_fence() -> None:
    with pytest.raises(Fault):
        await cut(CephCluster([OLD], deaf=True), "image")


async def test_an_image_that_is_opened_again_and_again_is_given_to_nobody() -> None:
    with pytest.raises(Fault, match="again and again"):
        await cut(CephCluster([OLD], coming=[f"10.0.0.9:0/{n}" for n in range(9)]), "image")

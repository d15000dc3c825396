"""Nothing is made above a quota: no volume, copy, larger disk, snapshot or restore, and no removal is taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from controller.api.changes.growth import GrowthRequests
from controller.api.changes.quotas import Quotas, quota_uses, quotas_of
from controller.api.changes.snapshots import SnapshotRequests
from controller.api.recovery.undelete import UndeleteRequests
from controller.api.volume_requests import VolumeRequests
from controller.model import QuotaUse, Snapshot, Snapshots, SnapshotState
from controller.protocol.answers import Rejection, Status
from controller.protocol.messages import CreateVolume, RemoveVolume, Volume
from controller.protocol.operator import Grow, MakeSnapshot, RestoreSnapshot, Told, Undelete
from controller.protocol.views import SnapshotView
from controller.records.base import Records
from controller.settings import SettingsError, parse
from controller.volumes.quotas import Quota, parse_quotas
from tests.support.shell import DATA, FakeCluster, Scene, scene

pytestmark = pytest.mark.looptime(idle_step=0.05)
GIB = 1 << 30


class Slow:
    """Records that take a second to be read: what is written meanwhile is not in the answer."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def volumes(self) -> object:
        found = dict(await self._records.volumes())
        await asyncio.sleep(1)
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._records, name)


class Desk:
    """Whoever makes something, under one set of quotas."""

    def __init__(self, play: Scene, text: str) -> None:
        one, quotas = play.one, Quotas(parse_quotas(text))
        one.state.quotas = parse_quotas(text)
        self.volumes = VolumeRequests(one.state, one.records, None, one.driver, keep=300.0, quotas=quotas)
        self.growth = GrowthRequests(one.state, one.records, one.driver, quotas)
        self.undeleting = UndeleteRequests(one.state, one.records, quotas)
        self.snapshots = SnapshotRequests(one.state, one.records, one.driver, quotas)

    async def create(self, name: str, **options: str) -> Volume | Rejection:
        return await self.volumes.create(CreateVolume(name, {"size": "1GiB"} | options))

    async def grow(self, size: str) -> Told | Rejection:
        return await self.growth.grow(Grow(DATA, size, "ada"))


def refused(answer: object, words: str) -> bool:
    assert isinstance(answer, Rejection), answer
    assert words in answer.why, answer.why
    return answer.status is Status.CONFLICT


async def used(play: Scene) -> None:
    """A service had it, wrote to it, and is gone."""
    await play.make()
    play.want("a")
    await play.until(("a",))
    play.cluster.swarm.wants.clear()
    await play.cluster.gates[play.cluster.record().grants[0].node].stop(DATA)
    await asyncio.sleep(5)


async def test_no_volume_is_made_above_a_quota_and_what_is_there_stays_as_it_is() -> None:
    async with scene() as play:
        desk = Desk(play, "shop_*: 3GiB, 2 volumes")
        assert isinstance(await desk.create("shop_a", size="2GiB"), Volume)
        assert refused(await desk.create("shop_b", size="2GiB"), "2 GiB of 3 GiB are taken, and it needs 2 GiB more")
        assert isinstance(await desk.create("shop_b"), Volume)
        assert isinstance(await desk.create("shop_b"), Volume)
        assert refused(await desk.create("shop_c"), "does not fit the quota of shop_*")
        assert isinstance(await desk.create("other", size="50GiB"), Volume)
        assert set(play.cluster.store.volumes) == {"shop_a", "shop_b", "other"}


async def test_two_that_fit_alone_and_not_together_are_not_both_made() -> None:
    async with scene() as play:
        desk = Desk(play, "*: 1 volume")
        desk.volumes._records = Slow(play.one.records)  # type: ignore[assignment]
        made = await asyncio.gather(desk.create("a"), desk.create("b"))
        assert sorted(isinstance(each, Rejection) for each in made) == [False, True]


async def test_a_label_counts_over_names_and_a_copy_as_much_as_its_source() -> None:
    async with scene() as play:
        await used(play)
        desk = Desk(play, "team=red: 1GiB")
        red = {"label.team": "red"}
        copy = {"clone-from": str(DATA)}
        assert isinstance(await desk.volumes.create(CreateVolume("copy", copy | red)), Volume)
        assert refused(await desk.volumes.create(CreateVolume("second", copy | red)), "the quota of team=red")
        assert isinstance(await desk.volumes.create(CreateVolume("third", copy)), Volume)


async def test_no_disk_grows_above_a_quota_and_the_storage_is_not_asked() -> None:
    async with scene() as play:
        await used(play)
        desk = Desk(play, f"{DATA}: 2GiB")
        disk = play.cluster.record().disk
        assert disk is not None
        assert refused(await desk.grow("3GiB"), "1 GiB of 2 GiB are taken, and it needs 2 GiB more")
        assert play.cluster.storage.disks[disk] == GIB
        assert isinstance(await desk.grow("2GiB"), Told)
        assert isinstance(await desk.grow("2GiB"), Told)


async def test_a_disk_that_is_growing_counts_with_its_new_size() -> None:
    async with scene() as play:
        await used(play)
        desk = Desk(play, "*: 3GiB")
        play.cluster.storage.seconds = 5.0
        async with asyncio.TaskGroup() as group:
            growth = group.create_task(desk.grow("3GiB"))
            await asyncio.sleep(2)
            assert refused(await desk.create("more"), "3 GiB of 3 GiB are taken")
        assert isinstance(growth.result(), Told)


async def test_a_growth_that_failed_does_not_count() -> None:
    async with scene() as play:
        await used(play)
        desk = Desk(play, "*: 3GiB")
        desk.growth._driver = None
        assert isinstance(await desk.grow("3GiB"), Rejection)
        assert isinstance(await desk.create("more", size="2GiB"), Volume)


async def test_a_snapshot_and_a_restore_are_disks_of_the_volumes_size() -> None:
    async with scene() as play:
        await used(play)
        desk = Desk(play, f"{DATA}: 2GiB")
        assert isinstance(await desk.snapshots.make(MakeSnapshot(DATA, "one")), SnapshotView)
        assert refused(await desk.snapshots.make(MakeSnapshot(DATA, "two")), "2 GiB of 2 GiB are taken")
        there = Snapshot("one", "t", SnapshotState.THERE, 0.0, GIB)
        record = replace(play.cluster.record(), snapshots=Snapshots((there,)), grants=())
        play.one.state.wrote(await play.one.records.replace_volume(record))  # type: ignore[arg-type]
        assert refused(await desk.snapshots.restore(RestoreSnapshot(DATA, "one")), "2 GiB of 2 GiB are taken")


async def test_a_removed_volume_does_not_count_and_comes_back_only_where_it_fits() -> None:
    cluster = FakeCluster()
    cluster.keep_removed = 300.0
    async with scene(cluster) as play:
        await used(play)
        desk = Desk(play, "*: 1 volume")
        assert refused(await desk.create("next"), "1 of 1 volumes are there")
        await desk.volumes.remove(RemoveVolume(DATA))
        assert isinstance(await desk.create("next"), Volume)
        assert refused(await desk.undeleting.undelete(Undelete(DATA, "ann")), "1 of 1 volumes are there")
        await desk.volumes.remove(RemoveVolume("next", now=True))
        await asyncio.sleep(5)
        assert isinstance(await desk.undeleting.undelete(Undelete(DATA, "ann")), Told)


async def test_what_is_taken_is_told() -> None:
    async with scene() as play:
        desk = Desk(play, "*: 2GiB; a*: 1 volume")
        await desk.create("b")
        await desk.create("a")
        assert quota_uses(play.one.state) == (
            QuotaUse("*", 2 * GIB, 2, 2 * GIB, None, full=True),
            QuotaUse("a*", GIB, 1, None, 1, full=True),
        )
        play.one.state.quotas = (Quota("*", 3 * GIB, 3),)
        assert [each.full for each in quota_uses(play.one.state)] == [False]


def test_a_quota_in_the_settings_that_cannot_be_meant_lets_no_controller_start() -> None:
    assert quotas_of(parse("[volumes]\nquotas = 'a: 1GiB'", {})) == (Quota("a", GIB),)
    with pytest.raises(SettingsError, match=r"volumes\.quotas: 'a' is no quota"):
        quotas_of(parse("[volumes]\nquotas = 'a'", {}))

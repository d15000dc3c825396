"""Several pools: where a disk is made, that it is found there, and that a pool which fails holds no other one."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.model import Attachment, AttachmentState, DiskId, DriverOption, Epoch, Spec, VmId, VolumeKey
from drivers.base import Created, CreateOutcome, Done, DriverError, Refused, Unreachable, declared
from drivers.libvirt.driver import LibvirtDriver
from tests.libvirtd.driver import running, settings
from tests.libvirtd.site import Site

ONE = Epoch(1)
SIZE = 2**20
DATA = VolumeKey("data")


@pytest.fixture
async def fast(site: Site) -> AsyncIterator[Path]:
    """The folder of a second pool."""
    folder = site.folder / "fast"
    for host in site.hosts:
        await asyncio.to_thread(host.add_pool, "fast", folder)
    yield folder
    await asyncio.to_thread(shutil.rmtree, folder)


@pytest.fixture
async def ours(site: Site, fast: Path) -> AsyncIterator[LibvirtDriver]:
    made = LibvirtDriver(settings(site, pools=["fast"]))
    yield made
    await made.close()


async def create(driver: LibvirtDriver, pool: str | None, key: VolumeKey = DATA) -> CreateOutcome:
    return await driver.create(key, Spec(SIZE, for_driver=() if pool is None else (("pool", pool),)))


async def made(driver: LibvirtDriver, pool: str | None, key: VolumeKey = DATA) -> DiskId:
    found = await create(driver, pool, key)
    assert isinstance(found, Created), found
    return found.disk


async def refused(driver: LibvirtDriver, pool: str | None) -> Refused:
    found = await create(driver, pool, VolumeKey("new"))
    assert isinstance(found, Refused), found
    return found


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def listed(driver: LibvirtDriver) -> set[Attachment]:
    return set((await driver.list_attachments()).attachments)


async def test_a_disk_is_made_in_the_pool_that_its_volume_says_else_in_the_first(
    site: Site, ours: LibvirtDriver, fast: Path
) -> None:
    assert await made(ours, None, VolumeKey("first")) == f"{site.pool}/reberth-first.qcow2"
    assert await made(ours, "fast") == f"{fast}/reberth-data.qcow2"
    assert await made(ours, "fast") == f"{fast}/reberth-data.qcow2"
    assert await made(ours, "reberth", VolumeKey("said")) == f"{site.pool}/reberth-said.qcow2"
    assert await ours.keys("") == ["data", "first", "said"]
    (option,) = declared(ours)
    assert option == DriverOption("pool", ("reberth", "fast"), "reberth", option.about, copies=True)


async def test_a_disk_in_any_pool_is_attached_found_grown_detached_and_deleted(
    site: Site, ours: LibvirtDriver, fast: Path
) -> None:
    one, two, vm = await made(ours, None), await made(ours, "fast"), running(site.hosts[1])
    assert await ours.attach([one, two], vm, ONE) == [Done(), Done()]
    assert await listed(ours) == {Attachment(one, vm, epoch=ONE), Attachment(two, vm, epoch=ONE)}
    assert await ours.device(one, vm) != await ours.device(two, vm)
    assert isinstance(await ours.delete(two), Refused)
    assert await ours.detach([two], vm, ONE) == [Done()]
    assert await listed(ours) == {Attachment(one, vm, epoch=ONE)}
    assert await ours.grow(two, 2 * SIZE) == Done()
    assert await ours.delete(two) == Done()
    assert (files(fast), files(site.pool)) == ([], ["reberth-data.qcow2"])


async def test_who_says_no_pool_gets_the_disk_that_was_made_under_its_key_before(
    site: Site, ours: LibvirtDriver, fast: Path
) -> None:
    disk = await made(ours, "fast")
    assert await made(ours, None) == disk
    turned = LibvirtDriver(settings(site, pool="fast", pools=["reberth"]))
    here = await made(ours, None, VolumeKey("here"))
    assert await made(turned, None, VolumeKey("here")) == here
    await turned.close()
    shutil.copyfile(disk, site.pool / "reberth-data.qcow2")
    found = await create(ours, None)
    assert isinstance(found, Refused)
    assert f"{site.pool}/reberth-data.qcow2 and {fast}/reberth-data.qcow2" in found.why


async def test_a_copy_is_made_beside_its_source_or_where_its_volume_says(
    site: Site, ours: LibvirtDriver, fast: Path
) -> None:
    source = await made(ours, "fast")
    await asyncio.to_thread(_pattern, source, "write")
    beside = await ours.clone(VolumeKey("beside"), Spec(SIZE), source)
    assert beside == Created(DiskId(f"{fast}/reberth-beside.qcow2"))
    across = Spec(SIZE, for_driver=(("pool", "reberth"),))
    for _ in range(2):
        found = await ours.clone(VolumeKey("across"), across, source)
        assert found == Created(DiskId(f"{site.pool}/reberth-across.qcow2"))
        await asyncio.to_thread(_pattern, found.disk, "read")
    assert files(site.pool) == ["reberth-across.qcow2"]
    assert files(fast) == ["reberth-beside.qcow2", "reberth-data.qcow2"]


async def test_a_raw_disk_is_copied_to_another_pool_byte_for_byte(site: Site, fast: Path) -> None:
    """libvirt copies it itself, and not QEMU's tool."""
    raw = LibvirtDriver(settings(site, pools=["fast"], format="raw"))
    source = await made(raw, None)
    await asyncio.to_thread(_pattern, source, "write")
    copied = await raw.clone(VolumeKey("copy"), Spec(SIZE, for_driver=(("pool", "fast"),)), source)
    assert copied == Created(DiskId(f"{fast}/reberth-copy.raw"))
    await asyncio.to_thread(_pattern, copied.disk, "read")
    await raw.close()


async def test_a_copy_to_another_pool_is_refused_while_its_source_is_attached(site: Site, ours: LibvirtDriver) -> None:
    source, vm = await made(ours, "fast"), running(site.hosts[0])
    assert await ours.attach([source], vm, ONE) == [Done()]
    found = await ours.clone(VolumeKey("copy"), Spec(SIZE, for_driver=(("pool", "reberth"),)), source)
    assert isinstance(found, Refused)
    assert "while it is attached" in found.why
    assert files(site.pool) == []


def _pattern(disk: str, act: str) -> None:
    done = subprocess.run(
        ["qemu-io", "-f", disk.rsplit(".", 1)[-1], "-c", f"{act} -P 0xab 0 {SIZE}", disk],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verification failed" not in done.stdout, done.stdout


async def test_each_pool_that_can_be_read_tells_its_room(site: Site, ours: LibvirtDriver) -> None:
    assert [each.name for each in await ours.rooms()] == ["the pool reberth", "the pool fast"]
    pools = {name: site.hosts[0].connection.storagePoolLookupByName(name) for name in ("reberth", "fast")}
    pools["fast"].destroy()
    (room,) = await ours.rooms()
    assert 0 < room.free <= room.size
    pools["reberth"].destroy()
    with pytest.raises(DriverError, match="virsh pool-start reberth"):
        await ours.rooms()
    pools["reberth"].create(0)


async def test_an_unknown_pool_is_refused_with_those_that_are_known(ours: LibvirtDriver) -> None:
    found = await refused(ours, "slow")
    assert "(reberth, fast)" in found.why
    assert found.cure is not None


async def test_a_pool_that_is_missing_or_no_folder_is_refused_with_the_cure_and_holds_no_other(site: Site) -> None:
    ours = LibvirtDriver(settings(site, pools=["none", "volumes"]))
    for host in site.hosts:
        host.connection.storagePoolDefineXML(
            "<pool type='logical'><name>volumes</name><target><path>/dev/volumes</path></target></pool>"
        )
    for pool, words in (("none", "virsh pool-define-as none"), ("volumes", "works on files only")):
        found = await refused(ours, pool)
        assert words in found.why
        assert found.cure is not None
    await in_use(ours, running(site.hosts[0]))
    with pytest.raises(DriverError, match="has no storage pool none"):
        await ours.keys("")
    await ours.close()


async def test_a_host_without_a_pool_gets_no_disk_of_it_and_gives_those_that_it_has(
    site: Site, ours: LibvirtDriver
) -> None:
    disk, vm, there = await made(ours, "fast"), running(site.hosts[0]), running(site.hosts[1])
    pool = site.hosts[0].connection.storagePoolLookupByName("fast")
    pool.destroy()
    assert "virsh pool-start fast" in (await refused(ours, "fast")).why
    assert await ours.attach([disk], vm, ONE) == [Done()]
    pool.undefine()
    assert "virsh pool-define-as fast" in (await refused(ours, "fast")).why
    assert await listed(ours) == {Attachment(disk, vm, epoch=ONE)}
    assert await ours.detach([disk], vm, ONE) == [Done()]
    (gap,) = await ours.attach([disk], vm, ONE)
    assert isinstance(gap, Refused)
    assert "virsh pool-define-as fast" in gap.why
    assert isinstance(await ours.delete(disk), Refused)
    assert await ours.attach([disk], there, ONE) == [Done()]
    await in_use(ours, running(site.hosts[0]))


async def test_a_disk_of_a_pool_that_no_host_has_any_more_stays_its_vms(site: Site, ours: LibvirtDriver) -> None:
    disk, vm = await made(ours, "fast"), running(site.hosts[0])
    assert await ours.attach([disk], vm, ONE) == [Done()]
    for host in site.hosts:
        host.connection.storagePoolLookupByName("fast").destroy()
        host.connection.storagePoolLookupByName("fast").undefine()
    found = await ours.list_attachments()
    assert (found.attachments, found.unread) == ((Attachment(disk, vm, AttachmentState.UNCERTAIN, ONE),), ())
    assert "has no storage pool fast" in found.odd[disk]
    assert [type(each) for each in await ours.detach([disk], vm, ONE)] == [Refused]
    assert [type(each) for each in await ours.attach([disk], running(site.hosts[1]), ONE)] == [Refused]
    (sentence,) = (await ours.concerns({vm: "node"}))[vm]
    assert "can get no disk of the pool fast" in sentence
    await in_use(ours, running(site.hosts[0]))


async def in_use(ours: LibvirtDriver, vm: VmId) -> None:
    """A disk of the default pool comes and goes."""
    disk = await made(ours, None, VolumeKey("other"))
    assert await ours.attach([disk], vm, ONE) == [Done()]
    assert Attachment(disk, vm, epoch=ONE) in await listed(ours)
    assert await ours.detach([disk], vm, ONE) == [Done()]
    assert await ours.delete(disk) == Done()


async def test_a_pool_whose_file_server_does_not_answer_holds_no_other_one(site: Site, fast: Path) -> None:
    """On one host: what lies in it goes on elsewhere. On all: it is in doubt. Nobody waits for it a second time."""
    ours = LibvirtDriver(settings(site, pools=[fast.name], look_timeout=3.0))
    here, there = site.hosts
    disk, vm, other = await made(ours, "fast"), running(here), running(there)
    with here.hanging("fast"):
        assert isinstance(await create(ours, "fast", VolumeKey("new")), Unreachable)
        async with asyncio.timeout(2.9):
            await in_use(ours, vm)
            (gap,) = await ours.attach([disk], vm, ONE)
            assert isinstance(gap, Refused)
            assert await ours.attach([disk], other, ONE) == [Done()]
            found = await ours.list_attachments()
            assert (found.attachments, found.unread) == ((Attachment(disk, other, epoch=ONE),), ())
        with there.hanging("fast"):
            assert isinstance(await create(ours, None, VolumeKey("new")), Created)
            async with asyncio.timeout(2.9):
                await in_use(ours, other)
                found = await ours.list_attachments()
            assert found.attachments == (Attachment(disk, other, AttachmentState.UNCERTAIN, ONE),)
            assert "still have no answer" in found.odd[disk]
    async with asyncio.timeout(60):
        while await ours.detach([disk], other, ONE) != [Done()]:  # noqa: ASYNC110 - libvirtd tells nobody that it is back
            await asyncio.sleep(0.1)
    assert (await refused(ours, "fast")).why.endswith("(`virsh pool-start fast`)")  # libvirt stops a pool that it lost
    await ours.close()


def unmounted(folder: Path) -> Path:
    """What is seen of a folder when its file system is not mounted; where the rest is."""
    rest = folder.rename(folder.with_name("rest"))
    folder.mkdir()
    return rest


async def test_a_pool_that_lost_its_swarm_s_note_makes_no_disk_and_tells_what_to_mount(
    site: Site, ours: LibvirtDriver, fast: Path
) -> None:
    assert await ours.mark("mine") == Done()
    await ours.owners()
    hidden = await asyncio.to_thread(unmounted, fast)
    found = await refused(ours, "fast")
    assert "the pool fast has lost the note" in found.why
    assert f"{fast} is most likely not mounted" in found.why
    assert found.cure is not None
    assert files(fast) == []
    await made(ours, None, VolumeKey("elsewhere"))

    await asyncio.to_thread(hidden.replace, fast)
    await made(ours, "fast", VolumeKey("again"))

"""The helper process that asks Ceph: killed, halted, cut off and asked for many things at once, on a real cluster."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from controller.model import Epoch
from drivers.base import Done, InDoubt, Unreachable
from drivers.libvirt.rbd.tools import Tools
from drivers.libvirt.settings import Settings
from drivers.shared.faults import CallError, Doubt, NotSent
from tests.ceph import helpers
from tests.ceph.guests import driver, image, new_disk
from tests.ceph.site import RbdSite
from tests.libvirtd.hypervisor import until

MIB = 2**20
ADDRESS = "127.0.0.1:0/4242"
# Each question, and which part of Ceph's it waits for.
QUESTIONS: dict[str, tuple[str, Callable[[Tools], Awaitable[object]]]] = {
    "images": ("osd", lambda tools: tools.images()),
    "create": ("osd", lambda tools: tools.create("other", MIB)),
    "size": ("osd", lambda tools: tools.size("one")),
    "rename": ("osd", lambda tools: tools.rename("one", "two")),
    "resize": ("osd", lambda tools: tools.resize("one", 16 * MIB)),
    "remove": ("osd", lambda tools: tools.remove("one")),
    "copy": ("osd", lambda tools: tools.copy("one", "copied")),
    "watchers": ("osd", lambda tools: tools.watchers("one")),
    "noted": ("osd", lambda tools: tools.noted("one")),
    "clients": ("osd", lambda tools: tools.clients("one")),
    "note": ("osd", lambda tools: tools.note("one", ADDRESS)),
    "forget": ("osd", lambda tools: tools.forget("one", ADDRESS)),
    "reached": ("mon", lambda tools: tools.reached()),
    "blocklist": ("mon", lambda tools: tools.blocklist()),
    "block": ("mon", lambda tools: tools.block(ADDRESS)),
    "unblock": ("mon", lambda tools: tools.unblock(ADDRESS)),
}
AFTERWARDS = {"rename": {"one", "two"}, "create": {"one", "other"}, "copy": {"one", "copied"}}


def tools(site: RbdSite, seconds: float = 60.0) -> Tools:
    settings = Settings.parse(site.settings(rbd=site.rbd(timeout=seconds)))
    assert settings.rbd is not None
    return Tools(settings.rbd)


async def own(asked: Tools) -> int:
    """Its helper's process, connected."""
    before = helpers.pids()
    await asked.images()
    (made,) = helpers.pids() - before
    return made


@pytest.mark.parametrize("what", sorted(QUESTIONS))
async def test_a_helper_that_is_killed_in_the_middle_of_a_question_leaves_it_in_doubt(site: RbdSite, what: str) -> None:
    """Ceph is frozen, so that nothing is answered; afterwards it is as before the question or as after it."""
    part, question = QUESTIONS[what]
    asked = tools(site)
    await asked.create("one", 8 * MIB)
    await asked.note("one", ADDRESS)
    before = helpers.pids()
    long = what in {"remove", "copy"}
    site.ceph.freeze(part)
    try:
        answer = asyncio.ensure_future(question(asked))
        if long:  # it has a helper of its own
            await asyncio.to_thread(until, lambda: helpers.pids() - before, "another helper is started")
            before = helpers.pids() - before
        await asyncio.sleep(1.5)
        assert not answer.done()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises((Doubt, NotSent) if long else Doubt):  # its own may not have been connected yet
            await answer
    finally:
        site.ceph.thaw(part)
    found = set(await asked.images())
    assert found & {"one", "two"} or what == "remove"
    assert found <= AFTERWARDS.get(what, {"one"})
    assert not helpers.pids() & before or long
    await asked.close()


async def test_a_halted_helper_is_killed_at_the_deadline_and_the_next_question_is_asked_of_a_new_one(
    site: RbdSite,
) -> None:
    asked = tools(site, 2.0)
    halted = await own(asked)
    os.kill(halted, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(Doubt):
        await asked.images()
    assert time.monotonic() - began < 8
    await asyncio.to_thread(until, lambda: halted not in helpers.pids(), "the halted helper is gone")
    assert await asked.images() == []
    await asked.close()


async def test_questions_that_are_asked_at_once_are_asked_of_one_helper(site: RbdSite) -> None:
    """Also where it is not started yet."""
    asked, before = tools(site), helpers.pids()
    names = [f"image{number}" for number in range(8)]
    await asyncio.gather(*(asked.create(each, (number + 1) * MIB) for number, each in enumerate(names)))
    assert len(helpers.pids() - before) == 1
    sizes = await asyncio.gather(*(asked.size(each) for each in names))
    assert sizes == [(number + 1) * MIB for number in range(8)]
    await asked.close()


async def test_a_monitor_that_is_away_is_no_connection_for_a_new_helper_and_a_doubt_for_one_that_has_one(
    site: RbdSite,
) -> None:
    connected, new = tools(site, 4.0), tools(site, 4.0)
    await connected.images()
    site.ceph.freeze("mon")
    try:
        with pytest.raises(NotSent):
            await new.images()
        with pytest.raises(Doubt):
            await connected.block(ADDRESS)
        with pytest.raises(NotSent):  # that one is killed, and a new one cannot connect
            await connected.images()
    finally:
        site.ceph.thaw("mon")
    for each in (connected, new):
        assert await each.images() == []
        await each.close()


async def test_no_disk_goes_to_qemu_while_no_monitor_answers_though_the_helper_is_connected(site: RbdSite) -> None:
    """QEMU would wait for one when it opens the image, and its guest with it."""
    ours = driver(site, rbd=site.rbd(timeout=4.0))
    vm = site.hosts[0].define()
    site.hosts[0].start(vm)
    disk = await new_disk(ours)
    name = await asyncio.to_thread(image, site, disk)
    site.ceph.freeze("mon")
    try:
        (outcome,) = await ours.attach([disk], vm, Epoch(1))
        assert isinstance(outcome, Unreachable)
        assert (await ours.list_attachments()).attachments == ()
    finally:
        site.ceph.thaw("mon")
    assert await asyncio.to_thread(image, site, disk) == name
    assert await ours.attach([disk], vm, Epoch(1)) == [Done()]
    await ours.close()


async def noting(asked: Tools) -> None:
    """For 5 s: the OSD may not have the newest map yet."""
    for _ in range(50):
        await asked.note("one", ADDRESS)
        await asyncio.sleep(0.1)


async def test_a_helper_that_is_on_the_blocklist_itself_is_replaced(site: RbdSite) -> None:
    """Another controller fenced it, in the middle of something: Ceph refuses it for as long as it lives."""
    asked = tools(site)
    await asked.create("one", MIB)
    for address in await asyncio.to_thread(connected, site):
        await asyncio.to_thread(site.ceph.ceph, "osd", "blocklist", "add", address, "600")
    with pytest.raises(Doubt):
        await noting(asked)
    await asked.note("one", ADDRESS)
    assert await asked.noted("one") == [ADDRESS]
    await asked.close()


def connected(site: RbdSite) -> list[str]:
    """Addresses of all clients of the controllers' user, as the monitor tells them."""
    sessions = json.loads(site.ceph.ceph("tell", "mon.a", "sessions"))
    ours = [each for each in sessions if each["entity_name"] == "client.reberth"]
    return [f"{each['addr']}/{each['nonce']}" for one in ours for each in one["addrs"]["addrvec"]]


async def test_a_helper_ends_when_nobody_can_ask_any_more(site: RbdSite) -> None:
    """Its controller was killed: here the driver forgets it, with its end of the line."""
    asked = tools(site)
    pid = await own(asked)
    process = asked._helper._now
    assert process is not None
    assert process._transport is not None
    given = process._transport.get_pipe_transport(0)
    assert given is not None
    given.close()
    await asyncio.to_thread(until, lambda: pid not in helpers.pids(), "the helper has ended")
    await asked.close()


@pytest.mark.parametrize("delay", [0.005, 0.02, 0.05, 0.1, 0.2])
async def test_an_attach_whose_helper_is_killed_may_be_tried_again(site: RbdSite, delay: float) -> None:
    ours = driver(site)
    vm = site.hosts[0].define()
    site.hosts[0].start(vm)
    disk = await new_disk(ours)
    answer = asyncio.ensure_future(ours.attach([disk], vm, Epoch(1)))
    await asyncio.sleep(delay)
    for pid in helpers.pids():
        os.kill(pid, signal.SIGKILL)
    (outcome,) = await answer
    assert isinstance(outcome, Done | InDoubt | Unreachable)
    assert await ours.attach([disk], vm, Epoch(1)) == [Done()]
    assert [each.vm for each in (await ours.list_attachments()).attachments] == [vm]
    assert (await ours.device(disk, vm)).by_id
    await ours.close()


async def test_no_connection_with_a_wrong_key_says_so(site: RbdSite) -> None:
    wrong = site.ceph.folder / "wrong.keyring"
    wrong.write_text(site.keyring.read_text().replace("client.reberth", "client.nobody"))
    rbd = site.rbd(keyring=str(wrong), timeout=8.0)
    settings = Settings.parse(site.settings(rbd=rbd))
    assert settings.rbd is not None
    asked = Tools(settings.rbd)
    with pytest.raises(CallError, match="connect"):
        await asked.images()
    await asked.close()

"""What all hosts together say of the pools of the settings."""

from __future__ import annotations

import pytest

from controller.model import DiskId
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.looking.pools import MAKER, Pool, Pools, Unusable, joined, only, parse_pool
from drivers.shared.faults import CallError, Doubt

MAIN, FAST = Pool("main", "dir", "/main", active=True), Pool("fast", "netfs", "/fast", active=True)
MISSING = Fault(Kind.NO_POOL, "b has no storage pool fast")
URIS = ("a", "b")
DISK = DiskId("/fast/reberth-x.qcow2")


def fast(*shown: Pool | CallError) -> Pools:
    return joined({"main": (MAIN, MAIN), "fast": shown}, URIS)


def test_the_same_folder_on_all_hosts_is_one_pool() -> None:
    assert fast(FAST, FAST) == Pools("main", (MAIN, FAST))
    assert fast(FAST, FAST).names == ("main", "fast")
    assert fast(FAST, FAST).usable_or("fast") == FAST
    assert fast(FAST, FAST).of(DISK) == FAST
    assert FAST.disk("x", "qcow2") == DISK


def test_a_pool_that_one_host_lacks_is_a_gap_of_that_host() -> None:
    found = fast(FAST, MISSING)
    assert (found.usable, found.unusable) == ((MAIN, FAST), ())
    assert (found.gap(DISK, 0), found.gap(DISK, 1)) == (None, str(MISSING))
    assert found.gap(DiskId("/main/reberth-x.qcow2"), 1) is None
    assert found.usable_or("fast") == FAST
    assert fast(MISSING, FAST).usable_or("fast") is MISSING
    assert (fast(FAST, MISSING).able, fast(MISSING, FAST).able) == ([MAIN, FAST], [MAIN])
    assert MAKER == 0


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ((MISSING, Doubt("no answer")), "b has no storage pool fast"),
        ((FAST, Pool("fast", "dir", "/elsewhere", active=True)), "same shared folder, at the same path"),
        ((Pool("fast", "logical", "/vg", active=True), FAST), "works on files only"),
        ((FAST, Pool("fast", "logical", "/fast", active=True)), "works on files only"),
        ((Pool("fast", "dir", "/main", active=True),) * 2, "main and fast are both /main"),
    ],
    ids=["on no host", "two folders", "no files", "no files on one", "a folder twice"],
)
def test_a_pool_that_nobody_can_use_holds_no_other_one(shown: tuple[Pool | CallError, ...], words: str) -> None:
    found = fast(*shown)
    assert found.usable == (MAIN,)
    assert found.usable_or("main") == MAIN
    assert words in str(found.usable_or("fast"))
    assert found.names == ("main", "fast")


def test_a_pool_that_is_not_started_takes_no_new_disk() -> None:
    stopped = Pools("main", (Pool("main", "dir", "/main", active=False),))
    assert "virsh pool-start main" in str(stopped.usable_or("main"))
    assert stopped.of(DiskId("/main/reberth-x.qcow2")) is not None


def test_a_file_is_ours_by_its_folder_and_the_beginning_of_its_name() -> None:
    found = fast(FAST, FAST)
    assert found.refusal(DISK) is None
    for other in ("/fast/x.qcow2", "/fast/sub/reberth-x.qcow2", "/fas/reberth-x", "/fast/../fast/reberth-x"):
        assert "/main (pool main) or /fast (pool fast)" in str(found.refusal(DiskId(other)))
        assert found.doubt(other, by_us=True) is None


def test_a_disk_is_in_doubt_where_a_pool_that_may_have_it_cannot_be_used() -> None:
    somewhere = Pools("main", (MAIN,), (Unusable("fast", MISSING),))
    there = Pools("main", (MAIN,), (Unusable("fast", MISSING, frozenset({"/fast"})),))
    for pools, disk, by_us, doubtful in (
        (somewhere, DISK, True, True),
        (somewhere, DISK, False, False),
        (somewhere, "/fast/other.qcow2", True, False),
        (somewhere, "/main/reberth-x.qcow2", True, False),
        (there, DISK, False, True),
        (there, "/elsewhere/reberth-x.qcow2", True, False),
        (only(MAIN), DISK, True, False),
    ):
        assert (pools.doubt(disk, by_us=by_us) is not None) is doubtful
    assert str(MISSING) in str(somewhere.refusal(DISK))


def test_what_is_to_be_done_to_a_file_needs_its_pool() -> None:
    assert fast(FAST, MISSING).kept_by(DISK) == FAST
    with pytest.raises(CallError) as gap:
        fast(MISSING, FAST).kept_by(DISK)
    assert gap.value is MISSING
    with pytest.raises(Fault, match="not one of our files"):
        only(MAIN).kept_by(DISK)


def test_the_folder_of_a_pool_is_read_as_it_is_compared() -> None:
    text = "<pool type='dir'><name>fast</name><target><path>/fast/</path></target></pool>"
    assert parse_pool(text, active=True) == Pool("fast", "dir", "/fast", active=True)

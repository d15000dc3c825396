"""What about a node's VM will hurt some day."""

from __future__ import annotations

from controller.model import VmId
from drivers.libvirt.decide import Look
from drivers.libvirt.faults import Fault, Kind
from drivers.libvirt.inventory import Seat, Side, parse_side
from drivers.libvirt.looking.pools import Pool, Pools, Unusable, only
from drivers.libvirt.standing import Standing
from drivers.libvirt.vm_checks import concerns

POOL = Pool("reberth", "dir", "/pool", active=True)
ONE = VmId("one")
GOOD = Seat(0, ONE, "swarm01", Side((), 0), Side((), 0))


def about(*seats: Seat, lost: tuple[str, ...] = ()) -> tuple[str, ...]:
    return concerns(Look(only(POOL), seats, lost), ONE)


def test_a_vm_that_runs_with_a_controller_and_a_configuration_is_no_concern() -> None:
    assert about(GOOD) == ()


def test_each_concern_names_the_vm_and_the_cure() -> None:
    saved = Seat(0, ONE, "swarm01", None, Side((), 0), standing=Standing.SAVED)
    bare, fleeting = Seat(0, ONE, "swarm01", Side(()), Side(())), Seat(0, ONE, "swarm01", Side((), 0), None)
    left = Seat(1, ONE, "swarm01", None, Side((), 0), standing=Standing.OFF)
    for seats, cure in (
        ((saved,), "virsh managedsave-remove"),
        ((bare,), "virsh edit"),
        ((fleeting,), "virsh define"),
        ((GOOD, left), "virsh undefine"),
    ):
        (sentence,) = about(*seats)
        assert "swarm01" in sentence
        assert cure in sentence


def test_a_vm_that_no_host_knows_is_a_concern_only_when_all_hosts_answer() -> None:
    assert "add its host" in about()[0]
    assert about(lost=("b does not answer",)) == ()


def test_a_pool_that_a_vm_s_host_does_not_show_is_a_concern_of_that_vm_alone() -> None:
    gap = {(1, "fast"): Fault(Kind.NO_POOL, "b has no storage pool fast: define it there")}
    fast, lost = Pool("fast", "dir", "/fast", active=True), Unusable("lost", Fault(Kind.OTHER, "nobody shows it"))
    there = Seat(1, ONE, "swarm01", Side((), 0), Side((), 0))
    pools = Pools("reberth", (POOL, fast), gaps=gap)

    assert concerns(Look(pools, (GOOD,)), ONE) == ()
    assert concerns(Look(pools, (there,)), ONE) == (
        "VM swarm01 can get no disk of the pool fast: b has no storage pool fast: define it there",
    )
    assert concerns(Look(Pools("reberth", (POOL,), (lost,)), (GOOD,)), ONE) == (
        "VM swarm01 can get no disk of the pool lost: nobody shows it",
    )


def test_a_disk_of_ours_that_was_attached_so_that_it_may_be_lost_is_named() -> None:
    for mark, cure in (("<shareable/>", "nothing locks it"), ("<transient/>", "copy the data away first"), ("", "")):
        ours = f"<disk><source file='/pool/reberth-a.raw'/><target dev='sdb'/>{mark}</disk>"
        another = "<disk><source file='/other/b.raw'/><target dev='sdc'/><shareable/><transient/></disk>"
        side = parse_side(
            f"<domain><devices><controller type='scsi' model='virtio-scsi'/>{ours}{another}</devices></domain>",
            ONE,
            lambda _pool: "",
        )
        found = about(Seat(0, ONE, "swarm01", side, side))
        assert [cure in each and "/pool/reberth-a.raw on VM swarm01" in each for each in found] == [True] * bool(mark)

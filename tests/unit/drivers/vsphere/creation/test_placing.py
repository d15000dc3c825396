"""Which member of a datastore cluster a disk is made on: pure."""

from __future__ import annotations

import pytest

from drivers.vsphere.creation.placing import Member, choose

ESX1, ESX2 = "host-1", "host-2"
BOTH = {ESX1: "", ESX2: ""}
HOSTS = {ESX1: "node1", ESX2: "node2"}
SMALL = Member("small", free_bytes=10 << 30, hosts=BOTH)
LARGE = Member("large", free_bytes=90 << 30, hosts=BOTH)


def named(found: Member | str) -> str:
    return found.name if isinstance(found, Member) else found


def test_the_member_with_the_most_room_is_chosen_and_of_equals_the_first_by_name() -> None:
    assert choose([SMALL, LARGE], HOSTS) == LARGE
    twins = [Member(name, free_bytes=1 << 30, hosts=BOTH) for name in ("b", "a")]
    assert named(choose(twins, HOSTS)) == "a"


def test_one_that_does_not_tell_its_room_is_chosen_last() -> None:
    assert choose([Member("mute", hosts=BOTH), SMALL], HOSTS) == SMALL


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Member("bad", accessible=False, hosts=BOTH), "bad cannot be reached"),
        (Member("bad", maintenance="inMaintenance", hosts=BOTH), "bad is in maintenance mode"),
        (Member("bad", hosts={ESX1: ""}), "bad will not do: the host of node2 has not mounted it"),
        (Member("bad", hosts={**BOTH, ESX1: "may only read"}), "bad will not do: the host of node1 may only read it"),
        (Member("bad", free_bytes=1 << 10, hosts=BOTH), "bad has 1 KiB left, and 2 are needed"),
    ],
    ids=["inaccessible", "maintenance", "not-mounted", "read-only", "full"],
)
def test_a_member_that_will_not_do_is_left_out_and_says_why_when_it_is_the_only_one(bad: Member, why: str) -> None:
    assert choose([bad], HOSTS, 2 << 10) == why
    assert choose([bad, SMALL], HOSTS, 2 << 10) == SMALL


def test_as_long_as_no_vm_of_the_swarm_is_known_every_host_of_the_cluster_counts() -> None:
    alone = Member("alone", free_bytes=900 << 30, hosts={ESX1: ""})
    assert choose([alone, SMALL], {}) == SMALL
    assert choose([alone, SMALL], {ESX1: "node1"}) == alone


def test_the_member_that_a_call_in_doubt_was_about_is_taken_again_while_it_will_do() -> None:
    assert choose([SMALL, LARGE], HOSTS, before="small") == SMALL
    assert choose([SMALL, LARGE], HOSTS, 20 << 30, before="small") == LARGE

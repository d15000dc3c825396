"""Of several services that want a volume one gets it, and the others are told why."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model import Claim, Spec, VolumeName
from tests.support.swarm_json import GIB, Json, mount, mounting, only, seen, service, task, task_ids

DATA = VolumeName("pgdata")
OLD, YOUNG = {"CreatedAt": "2026-01-01T00:00:00Z"}, {"CreatedAt": "2026-02-01T00:00:00.5Z"}
RIVALS = [service() | OLD, service("backup") | YOUNG]


def both(backup: Json, rivals: list[Json] = RIVALS, holder: str = "", pg: Json | None = None) -> Claim:
    """The claim when pg's task t1 runs on n1, and ``backup`` is a task of the other service."""
    tasks = [pg or task("t1"), backup | {"ServiceID": "id-backup"}]
    return only(seen(tasks, rivals, {DATA: Spec(GIB)}, {DATA: holder}))


def refused(claim: Claim) -> dict[str, str]:
    return {f"{each.service} on {each.node}": each.why for each in claim.refused}


def test_a_newcomer_on_another_node_is_refused_and_the_older_service_keeps_its_claim() -> None:
    claim = both(task("t2", on="n2"))

    assert (claim.node, task_ids(claim), claim.conflict) == ("n1", ["t1"], None)
    (why,) = refused(claim).values()
    assert why.startswith("service backup wants it on swarm02, but service pg has it on swarm01")
    assert "placement constraint" in why


def test_who_had_the_newest_grant_keeps_the_claim_on_a_new_node_though_the_other_is_older() -> None:
    """Its node died, its new task has no grant yet: just then the other one must not take the disk."""
    claim = both(task("t2", on="n2"), holder="backup")

    assert (claim.node, task_ids(claim), list(refused(claim))) == ("n2", ["t2"], ["pg on n1"])


def test_who_had_the_newest_grant_keeps_the_claim_while_it_is_not_placed() -> None:
    claim = both(task("t2", on=None), holder="backup")

    assert (claim.node, task_ids(claim), claim.refused) == (None, ["t2"], ())


def test_a_service_that_is_nowhere_does_not_keep_the_volume_from_one_that_could_start() -> None:
    claim = both(task("t2", on="n2"), pg=task("t1", on=None))

    assert (claim.node, task_ids(claim), claim.refused) == ("n2", ["t2"], ())


@pytest.mark.parametrize(
    ("changes", "options", "why"),
    [
        ({"UpdateConfig": {"Order": "start-first"}}, {}, "set order: stop-first"),
        ({"Mode": {"Replicated": {"Replicas": 2}}}, {}, "runs 2 replicas"),
        ({}, {"size": "2g"}, "with other options"),
    ],
    ids=["start-first", "replicas", "options"],
)
@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_newcomer_that_is_misconfigured_does_not_stop_the_service_that_has_the_volume(
    changes: Json, options: dict[str, str], why: str, node: str
) -> None:
    rivals = [RIVALS[0], service("backup", **changes) | YOUNG]
    claim = both(task("t2", on=node, Spec=mounting(mount(**options))), rivals)

    assert (claim.node, task_ids(claim), claim.conflict) == ("n1", ["t1"], None)
    assert why in refused(claim)[f"backup on {node}"]


def test_an_older_service_that_is_misconfigured_lets_a_good_one_start() -> None:
    claim = both(task("t2", on="n2"), pg=task("t1", Spec=mounting(mount(size="2g"))))

    assert (claim.node, claim.conflict, list(refused(claim))) == ("n2", None, ["pg on n1"])


def test_who_has_the_volume_is_told_of_its_own_mistake_and_nobody_takes_it_away() -> None:
    claim = both(task("t2", on="n2"), holder="pg", pg=task("t1", Spec=mounting(mount(fstype="xfs"))))

    assert (claim.node, task_ids(claim)) == ("n1", ["t1"])
    assert "with other options" in (claim.conflict or "")


@pytest.mark.parametrize(("size", "wished"), [("2g", 2 << 30), ("512m", 1 << 29), ("1g", 0)])
def test_another_size_of_who_has_the_volume_is_a_wish_and_no_conflict_since_its_old_task_has_ended_by_then(
    size: str, wished: int
) -> None:
    claim = both(task("t2", on="n2"), holder="pg", pg=task("t1", Spec=mounting(mount(size=size))))

    assert (claim.conflict, task_ids(claim), claim.wished) == (None, ["t1"], wished)


def test_the_schedule_of_who_has_the_volume_is_a_wish_where_it_is_another_one() -> None:
    asked = task("t1", Spec=mounting(mount(size="1g", snapshots="daily keep 7")))

    assert both(task("t2", on="n2"), holder="pg", pg=asked).schedule == "daily keep 7"
    assert both(task("t2", on="n2"), holder="other", pg=asked).schedule is None


def test_services_that_are_all_misconfigured_are_all_told() -> None:
    bad = mounting(mount(size="2g"))

    assert "with other options" in (both(task("t2", on="n2", Spec=bad), pg=task("t1", Spec=bad)).conflict or "")


@pytest.mark.parametrize("read_only", [False, True], ids=["writing", "read-only"])
def test_a_guest_on_the_same_node_shares_and_one_elsewhere_does_not_even_for_reading(read_only: bool) -> None:
    spec: Any = mounting(mount() | {"ReadOnly": read_only})

    assert task_ids(both(task("t2", Spec=spec))) == ["t2", "t1"]
    assert list(refused(both(task("t2", on="n2", Spec=spec)))) == ["backup on n2"]


def test_a_guest_that_is_not_placed_yet_is_neither_granted_nor_refused() -> None:
    claim = both(task("t2", on=None))

    assert (claim.node, task_ids(claim), claim.refused) == ("n1", ["t1"], ())


def test_a_task_that_runs_has_its_mount_behind_it() -> None:
    claim = both(task("t2", Status={"State": "starting"}))

    assert [(each.id, each.started) for each in claim.tasks] == [("t2", False), ("t1", True)]

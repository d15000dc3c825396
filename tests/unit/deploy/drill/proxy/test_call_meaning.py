from typing import Any

import msgspec
import pytest

from controller.names import LEADER_CONFIG
from controller.records.codec import STATE_LABEL
from deploy.drill.errors import DrillError
from deploy.drill.proxy.call_meaning import (
    NOTHING,
    STOP_POINTS,
    Meaning,
    Step,
    StopPoint,
    When,
    done,
    meaning,
    shows_evidence,
    stop_point,
)

VOLUME = "reberth.volume.v1"
GRANT = {"task": "t1", "epoch": 1}


def record(**changes: object) -> dict[str, Any]:
    return {"serial": 1, "grants": [GRANT], "intent": None, "history": [], **changes}


def written(state: dict[str, Any], before: dict[str, Any], name: str = VOLUME) -> Meaning:
    body = {"Name": name, "Labels": {STATE_LABEL: msgspec.json.encode(state).decode()}}
    path = "/v1.41/configs/abc/update"
    return meaning("POST", path, msgspec.json.encode(body), {VOLUME: before})


def intent(operation: str, **changes: object) -> dict[str, Any]:
    return {"operation": operation, "epoch": 4, "in_doubt": False, **changes}


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"serial": 2}, Step.REVOKE),
        ({"grants": []}, Step.DROP),
        ({"intent": intent("detach")}, Step.INTEND_DETACH),
        ({"intent": intent("attach"), "serial": 2}, Step.INTEND_ATTACH),
        ({"grants": [{"task": "t2", "epoch": 4}], "serial": 2}, Step.GRANT),
        ({"intent": intent("attach", in_doubt=True)}, None),
        ({"intent": intent("create")}, None),
        ({"history": [{"epoch": 4}]}, None),
        ({"grown_to": 2}, Step.NOTE_GROWN),
        ({"snapshots": {"each": [{"token": "a", "state": "wanted"}]}}, Step.ORDER_COPY),
        ({"snapshots": {"each": [{"token": "a", "state": "there"}]}}, Step.NOTE_COPY),
        ({"snapshots": {"each": [{"token": "a", "state": "leaving"}]}}, None),
    ],
)
def test_a_write_of_a_volumes_record_is_known_by_what_it_changes(change: dict[str, object], step: Step | None) -> None:
    assert written(record(**change), record()).step is step


def test_what_stands_in_the_record_of_a_growth_and_a_snapshot_is_not_noted_again() -> None:
    state = record(grown_to=2, snapshots={"each": [{"token": "a", "state": "there"}]})

    assert written({**state, "history": [{"epoch": 4}]}, state).step is None


@pytest.mark.parametrize(
    ("method", "path", "body", "step"),
    [
        ("POST", "/v1/disks/d1/grow", {"size_bytes": 1}, Step.GROW),
        ("PUT", "/v1/disks/d1", {"size_bytes": 1, "copy_of": "d0"}, Step.COPY),
        ("PUT", "/v1/disks/d1", {"size_bytes": 1}, None),
        ("DELETE", "/v1/disks/d1", {}, None),
    ],
)
def test_a_call_that_makes_a_disk_larger_or_copies_it_is_known(
    method: str, path: str, body: dict[str, object], step: Step | None
) -> None:
    assert meaning(method, path, msgspec.json.encode(body), {}).step is step


def test_an_intent_that_stays_in_the_record_is_not_intended_again() -> None:
    before = record(intent=intent("detach"))

    assert written(record(intent=intent("detach"), grants=[]), before).step is Step.DROP


def test_the_epoch_of_a_write_is_the_newest_in_it() -> None:
    history = [{"epoch": 2}, {"epoch": 3}]

    assert written(record(history=history), record()).epoch == 3
    assert written(record(history=history, intent=intent("attach")), record()).epoch == 4


def test_the_record_of_who_acts_tells_its_epoch() -> None:
    found = written({"epoch": 7, "holder": "n1"}, {}, LEADER_CONFIG)

    assert (found.step, found.epoch) == (Step.LEAD, 7)


@pytest.mark.parametrize(
    ("word", "step"), [("attach", Step.ATTACH), ("detach", Step.DETACH), ("power-off", Step.FENCE)]
)
def test_a_change_of_the_storage_is_known_by_its_path(word: str, step: Step) -> None:
    assert meaning("POST", f"/v1/vms/abc/{word}", b'{"epoch": 5}', {}) == Meaning(step, 5)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/vms/abc/attach"), ("GET", "/v1.41/configs"), ("POST", "/v1.41/secrets/a/update"), ("GET", "/events")],
)
def test_other_calls_mean_nothing(method: str, path: str) -> None:
    assert meaning(method, path, b"", {}) is NOTHING


def test_other_configs_mean_nothing() -> None:
    assert written({"epoch": 1}, {}, "reberth.node.n1").step is None
    assert meaning("POST", "/configs/create", b'{"Name": "users-own"}', {}) is NOTHING


def test_only_an_answer_with_a_vm_that_is_off_shows_evidence() -> None:
    assert shows_evidence("GET", "/v1/vms", b'[{"power": "on"}, {"power": "off"}]')
    assert not shows_evidence("GET", "/v1/vms", b'[{"power": "on"}]')
    assert not shows_evidence("GET", "/v1/attachments", b'[{"power": "off"}]')


def test_a_change_is_done_only_when_the_storage_says_so_of_a_disk() -> None:
    assert done(Step.ATTACH, 200, b'[{"outcome": "refused"}, {"outcome": "done"}]')
    assert not done(Step.DETACH, 200, b'[{"outcome": "refused"}]')
    assert not done(Step.GRANT, 500, b"update out of sequence")
    assert done(Step.GRANT, 200, b"")


def test_every_step_is_found_again_by_its_text() -> None:
    assert [stop_point(str(each)) for each in STOP_POINTS] == list(STOP_POINTS)
    assert stop_point("before:detach") == StopPoint(When.BEFORE, Step.DETACH)
    with pytest.raises(DrillError, match=r"no step 'detach'.*before:detach"):
        stop_point("detach")

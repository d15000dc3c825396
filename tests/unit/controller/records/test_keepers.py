"""Which service names which record."""

from __future__ import annotations

import json

import pytest

from controller.records.base import RecordsUnavailable
from controller.records.keepers import LABEL, MOST, Keeper, decoded, kept, to_write


def configs(first: int, last: int) -> dict[str, str]:
    return {f"c{each:05}": f"reberth.volume.v{each}" for each in range(first, last)}


def written(keepers: list[Keeper], changed: list[Keeper]) -> list[Keeper]:
    """What Swarm has afterwards."""
    new = {each.number: each for each in [*keepers, *changed]}
    return [new[number] for number in sorted(new)]


@pytest.mark.parametrize("many", [0, 1, MOST, MOST + 1, 5 * MOST + 3])
def test_every_record_is_named_once_and_no_service_names_too_many(many: int) -> None:
    made = to_write([], configs(0, many))

    assert kept(made) == configs(0, many)
    assert sum(len(each.names) for each in made) == many
    assert all(0 < len(each.names) <= MOST for each in made)
    assert len({each.name for each in made}) == len(made)


def test_nothing_is_written_when_nothing_changed() -> None:
    there = to_write([], configs(0, 700))

    assert to_write(there, configs(0, 700)) == []


def test_a_new_record_takes_a_free_place_and_touches_one_service() -> None:
    there = [
        Keeper(1, configs(0, MOST), "s1", 7),
        Keeper(2, configs(MOST, MOST + 9), "s2", 8),
    ]
    (changed,) = to_write(there, configs(0, MOST + 10))

    assert (changed.number, changed.id, changed.version, len(changed.names)) == (2, "s2", 8, 10)


def test_a_record_that_is_gone_gives_its_place_to_another() -> None:
    there = [Keeper(1, configs(0, MOST), "s1", 7)]
    changed = to_write(there, configs(1, MOST + 1))

    assert [each.number for each in changed] == [1]
    assert kept(written(there, changed)) == configs(1, MOST + 1)


def service(name: str, label: str | None, task: object) -> dict[str, object]:
    labels = None if label is None else {LABEL: label}
    return {"ID": f"id-{name}", "Version": {"Index": 5}, "Spec": {"Name": name, "Labels": labels, "TaskTemplate": task}}


NAMES = {"ContainerSpec": {"Configs": [{"ConfigID": "c1", "ConfigName": "reberth.volume.v1"}]}}


def test_a_service_that_somebody_gave_our_label_is_none_of_ours_and_no_error() -> None:
    """Whatever it is and the label says: an error here would end every controller, again and again."""
    listed = [
        service("reberth-records-1", "1", NAMES),
        service("reberth-records-2", "2", {"ContainerSpec": {"Configs": None}}),
        service("web", "yes", NAMES),
        service("copied", "1", NAMES),
        service("reberth-records-3", "3", {"PluginSpec": {}, "ContainerSpec": None}),
        service("reberth-records-x", "x", {}),
        service("bare", None, {}),
    ]
    keepers, strange = decoded(json.dumps(listed).encode())

    assert keepers == [
        Keeper(1, {"c1": "reberth.volume.v1"}, "id-reberth-records-1", 5),
        Keeper(2, {}, "id-reberth-records-2", 5),
    ]
    assert strange == ["web", "copied", "reberth-records-3", "reberth-records-x", "bare"]


def test_an_answer_of_another_form_is_unavailable() -> None:
    with pytest.raises(RecordsUnavailable, match="unknown form"):
        decoded(b'[{"ID": 7}]')
